/* test.c: one tiny call, to see whether a connection works.
 *
 * Its user waits for it, so nothing is tried again: the first failure is the answer.
 */
#include <string.h>

#include "api/provider/providers.h"
#include "base/memory.h"

enum { TESTS_MAX = 16, TEST_MS = 60000 };

struct provider_test {
    struct provider_test *next;
    struct providers_api *api; /* Borrowed. */
    struct exchange *exchange; /* Borrowed until it is answered. */
    struct asking *asking;
    struct timer deadline;
    uint64_t begun_ns;
    char name[CONNECTION_NAME_MAX + 1];
    char model[MODEL_NAME_MAX + 1]; /* "": any. */
};

/* --- The answer ------------------------------------------------------------------------------- */

static void test_forget(struct provider_test *test) {
    struct provider_test **at = &test->api->tests;
    while (*at != test) {
        at = &(*at)->next;
    }
    *at = test->next;
    test->api->test_count--;
    timer_stop(test->api->loop, &test->deadline);
    mem_free(test);
}

static void add_text(struct text *text, const char *name, const char *value) {
    text_addf(text, ",\"%s\":", name);
    if (value[0] != '\0') {
        text_add_json(text, value, strlen(value));
    } else {
        text_add_str(text, "null");
    }
}

static void add_number(struct text *text, const char *name, int64_t value) {
    text_addf(text, ",\"%s\":", name);
    if (value > 0) {
        text_add_int(text, value);
    } else {
        text_add_str(text, "null");
    }
}

static void test_answer(struct provider_test *test, const struct model_result *result) {
    const struct model_failure *failure = &result->failure;
    bool ok = failure->cause == MODEL_NONE;
    struct text text;
    text_init(&text, OP_ANSWER_MAX);
    text_addf(&text, "{\"name\":\"%s\"", test->name);
    add_text(&text, "model", test->model);
    text_addf(&text, ",\"ok\":%s", ok ? "true" : "false");
    add_text(&text, "cause", ok ? "" : model_cause_name(failure->cause));
    add_text(&text, "detail", ok ? "" : failure->detail);
    add_number(&text, "status", failure->status);
    add_number(&text, "first_ms", (int64_t)result->first_ms);
    text_addf(&text, ",\"latency_ms\":%llu}", (unsigned long long)result->total_ms);
    exchange_reply(test->exchange, 200, "application/json", &text);
    text_done(&text);
    test_forget(test);
}

/* Nobody else may have asked for it: that there is no such connection is known only now, since
 * one that may be on this machine is looked for. */
static void test_done(void *ctx, const struct model_result *result) {
    struct provider_test *test = ctx;
    const struct models *models = connections_models(test->api->connections);
    if (result->failure.cause == MODEL_MODEL_UNKNOWN &&
        models_connection_find(models, test->name) == NULL) {
        struct why why;
        op_refuse(test->exchange, providers__absent(&why), &why);
        test_forget(test);
        return;
    }
    test_answer(test, result);
}

static void test_failed(void *ctx, const struct model_failure *failure, uint64_t wait_ms) {
    struct provider_test *test = ctx;
    uint64_t now_ns = world_mono_ns(loop_world(test->api->loop));
    const struct model_result result = {.failure = *failure,
                                        .total_ms = (now_ns - test->begun_ns) / 1000000};
    model_cancel(test->asking);
    test_answer(test, &result);
}

static void test_late(struct timer *timer) {
    struct provider_test *test = CONTAINER_OF(timer, struct provider_test, deadline);
    struct model_result result = {.total_ms = TEST_MS};
    model_failure_set(&result.failure, MODEL_TIMED_OUT, "no answer within %d seconds",
                      TEST_MS / 1000);
    model_cancel(test->asking);
    test_answer(test, &result);
}

/* The client is gone, or the daemon is about to be. */
static void test_cut(struct exchange *exchange, void *ctx) {
    struct provider_test *test = ctx;
    struct why why = {.text = ""};
    model_cancel(test->asking);
    op_refuse(exchange, err_make(ERR_CLOSING, "providers: test"), &why);
    test_forget(test);
}

void providers_stop(struct providers_api *api) {
    while (api->tests != NULL) {
        test_cut(api->tests->exchange, api->tests);
    }
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err model_read(const json_t *json, const char **ret_model, struct why *why) {
    const char *model = "";
    const struct json_field fields[] = {
        {.name = "model", .kind = JSON_KIND_TEXT, .min = 1, .max = MODEL_NAME_MAX, .text = &model},
    };
    struct err err = json == NULL ? ERR_OK : json_read_fields(json, fields, COUNT_OF(fields), why);
    if (!err_failed(err)) {
        *ret_model = model;
    }
    return err;
}

static void test_begin(struct provider_test *test) {
    static const struct model_watch watch = {.retrying = test_failed, .done = test_done};
    struct models *models = connections_models(test->api->connections);
    AUTO(text_done) struct text name;
    text_init(&name, SETTINGS_MODEL_MAX + 1);
    text_addf(&name, "%s%s%s", test->name, test->model[0] != '\0' ? "/" : "", test->model);
    test->next = test->api->tests;
    test->api->tests = test;
    test->api->test_count++;
    test->begun_ns = world_mono_ns(loop_world(test->api->loop));
    test->asking = models_connection_test(models, name.data, &watch, test);
    timer_start(test->api->loop, &test->deadline, TEST_MS, test_late);
    exchange_on_gone(test->exchange, test_cut, test);
    exchange_on_drain(test->exchange, test_cut, test);
}

void providers__test(struct exchange *exchange, void *ctx) {
    struct providers_api *api = ctx;
    struct why why = {.text = ""};
    const char *model = NULL;
    struct bytes name;
    if (!providers__name(exchange, &name)) {
        return;
    }
    struct err err = model_read(exchange_json(exchange), &model, &why);
    if (!err_failed(err) && api->test_count == TESTS_MAX) {
        why_set(&why, "%d connections are being tested already", TESTS_MAX);
        err = err_make(ERR_TOO_MANY, "providers: test");
    }
    if (err_failed(err)) {
        op_refuse(exchange, err, &why);
        return;
    }
    struct provider_test *test = mem_new(sizeof *test);
    test->api = api;
    test->exchange = exchange;
    memcpy(test->name, name.data, name.len);
    memcpy(test->model, model, strlen(model) + 1);
    test_begin(test);
}
