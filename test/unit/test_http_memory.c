/* Each allocation whose size came from outside fails in turn: the answer is a clear error or the
 * connection ends, and the next request works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "http_kit.h"

#define H "Host: t\r\n"

static atomic_int calls_left;      /* 0: none fails. */
static _Thread_local bool trusted; /* Inside a call that may not fail: its size is ours. */

void *__real_mem_try(size_t size);
void *__wrap_mem_try(size_t size);
void *__real_mem_try_grow(void *old, size_t size);
void *__wrap_mem_try_grow(void *old, size_t size);

void *__real_mem_new(size_t size);
void *__wrap_mem_new(size_t size);
void *__real_mem_grow(void *old, size_t size);
void *__wrap_mem_grow(void *old, size_t size);
char *__real_mem_copy(const char *bytes, size_t len);
char *__wrap_mem_copy(const char *bytes, size_t len);

void *__wrap_mem_new(size_t size) {
    trusted = true;
    void *memory = __real_mem_new(size);
    trusted = false;
    return memory;
}

void *__wrap_mem_grow(void *old, size_t size) {
    trusted = true;
    void *memory = __real_mem_grow(old, size);
    trusted = false;
    return memory;
}

char *__wrap_mem_copy(const char *bytes, size_t len) {
    trusted = true;
    char *memory = __real_mem_copy(bytes, len);
    trusted = false;
    return memory;
}

static bool fails_now(void) {
    int left = trusted ? 0 : atomic_load(&calls_left);
    return left > 0 && atomic_fetch_sub(&calls_left, 1) == 1;
}

void *__wrap_mem_try(size_t size) {
    return fails_now() ? NULL : __real_mem_try(size);
}

void *__wrap_mem_try_grow(void *old, size_t size) {
    return fails_now() ? NULL : __real_mem_try_grow(old, size);
}

static void expect_pong(const struct kit *kit) {
    static const char ping[] = "GET /ping HTTP/1.1\r\n" H "\r\n";
    AUTO(mem_release) char *answer = kit_talk(kit, ping, sizeof ping - 1);
    assert_int_equal(kit_status(answer), 200);
}

/* How many allocations the request made before one failed; all of them, when none did. */
static void fail_each(const char *bytes, size_t len, int status_good) {
    static const char *const hosts[] = {"t", NULL};
    static const struct kit_options options = {.insecure_loopback = true, .allowed_hosts = hosts};
    struct kit *kit = kit_start(&options);
    unsigned refused = 0;
    for (int at = 1;; at++) {
        atomic_store(&calls_left, at);
        AUTO(mem_release) char *answer = kit_talk(kit, bytes, len);
        bool reached = atomic_exchange(&calls_left, 0) == 0;
        int status = kit_status(answer);
        if (!reached) {
            assert_int_equal(status, status_good);
            break;
        }
        assert_true(status == status_good || status == 503 || status == 0);
        refused += status != status_good;
        expect_pong(kit);
        assert_true(at < 100000);
    }
    assert_true(refused > 0);
    kit_stop(kit);
}

static void a_request_without_memory_is_refused(void **state) {
    AUTO(text_done) struct text text;
    text_init(&text, 1 << 20);
    text_add_str(&text, "PUT /things/%41 HTTP/1.1\r\n" H "Content-Type: application/json\r\nX: ");
    for (int i = 0; i < 2000; i++) {
        text_add_char(&text, 'x');
    }
    text_add_str(&text, "\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100; i++) {
        text_add_str(&text, "400\r\n");
        for (int n = 0; n < 1024; n++) {
            text_add_char(&text, i == 99 && n == 1023 ? '1' : ' ');
        }
        text_add_str(&text, "\r\n");
    }
    text_add_str(&text, "0\r\n\r\n");
    assert_false(text_failed(&text));
    fail_each(text.data, text.len, 201);
}

static void a_description_without_memory_is_refused(void **state) {
    static const char request[] = "GET /api/v1/openapi.json HTTP/1.1\r\n" H "\r\n";
    fail_each(request, sizeof request - 1, 200);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_without_memory_is_refused),
        cmocka_unit_test(a_description_without_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
