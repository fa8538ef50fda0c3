/* What the store does with a request's function when it has to run it twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/stream/streams.h"
#include "base/json/json.h"

static unsigned runs, problems;

const struct route *__wrap_exchange_route(const struct exchange *exchange);
const struct route *__wrap_exchange_route(const struct exchange *exchange) {
    static const struct route route = {.request = &streams__keep};
    return &route;
}

struct bytes __wrap_exchange_param(const struct exchange *exchange, unsigned at);
struct bytes __wrap_exchange_param(const struct exchange *exchange, unsigned at) {
    return BYTES("s");
}

struct bytes __wrap_exchange_body(const struct exchange *exchange);
struct bytes __wrap_exchange_body(const struct exchange *exchange) {
    return BYTES("");
}

const struct identity *__wrap_exchange_identity(const struct exchange *exchange);
const struct identity *__wrap_exchange_identity(const struct exchange *exchange) {
    static const struct identity ann = {.owner = "ann"};
    return &ann;
}

static json_t *asked;

json_t *__wrap_exchange_json(const struct exchange *exchange);
json_t *__wrap_exchange_json(const struct exchange *exchange) {
    return asked;
}

/* The first run finds no stream; the second does not get so far. */
struct err __wrap_tx_stream_set_keep(struct tx *tx, const struct stream_name *key,
                                     const struct stream_keep *keep, bool *ret_found);
struct err __wrap_tx_stream_set_keep(struct tx *tx, const struct stream_name *key,
                                     const struct stream_keep *keep, bool *ret_found) {
    if (runs++ > 0) {
        return err_make(ERR_DISK_FULL, "test: second run");
    }
    *ret_found = false;
    return ERR_OK;
}

struct err __wrap_tx_stream_show(struct tx *tx, const struct stream_name *key, bool *ret_found,
                                 stream_row_fn show, void *ctx);
struct err __wrap_tx_stream_show(struct tx *tx, const struct stream_name *key, bool *ret_found,
                                 stream_row_fn show, void *ctx) {
    *ret_found = false;
    return ERR_OK;
}

void __wrap_store_write(struct store *store, store_fn fn, store_done done, void *ctx);
void __wrap_store_write(struct store *store, store_fn fn, store_done done, void *ctx) {
    assert_int_equal(fn(NULL, ctx).code, ERR_NOT_FOUND);
    done(fn(NULL, ctx), ctx);
}

void __wrap_exchange_problem_about(struct exchange *exchange, struct err err, const struct why *why,
                                   const struct problem_about *about);
void __wrap_exchange_problem_about(struct exchange *exchange, struct err err, const struct why *why,
                                   const struct problem_about *about) {
    problems++;
    assert_true(about->run == NULL || about->run[0] == '\0');
    assert_int_equal(err.code, ERR_DISK_FULL);
    assert_null(why);
}

static void a_second_run_does_not_tell_what_the_first_one_found(void **state) {
    (void)state;
    struct streams streams = {0};
    struct why why;
    AUTO(json_release) json_t *json = NULL;
    assert_int_equal(json_parse("{\"keep_ms\":1}", 13, 2, &json, &why).code, ERR_NONE);
    asked = json;
    request_take(NULL, (struct request_host){.api = &streams});
    assert_int_equal(runs, 2);
    assert_int_equal(problems, 1);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_run_does_not_tell_what_the_first_one_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
