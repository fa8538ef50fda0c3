/* test.c: one tiny call, to see whether a connection works.
 *
 * A person waits for the result, so the call is not retried: the first failure is the answer. The
 * call is sent even while the connection waits, and an answer ends that wait
 * (models_connection_test).
 */
#include <string.h>

#include "api/provider/providers.h"
#include "base/memory.h"

enum { TESTS_MAX = 16, TEST_MS = 60000 };

struct provider_test {
    struct request request;
    struct provider_test *next;
    struct asking *asking;
    struct timer deadline;
    struct bytes asked; /* Model of the body; no data: any. */
    char name[CONNECTION_NAME_MAX + 1];
    char model[MODEL_NAME_MAX + 1]; /* "": any. */
};

static const struct field test_rows[] = {
    {FIELD("model", FIELD_TEXT, offsetof(struct provider_test, asked)), .min = 1,
     .max = MODEL_NAME_MAX},
};
const struct field_set providers__test_fields = {FIELD_ROWS(test_rows), .use = FIELD_GIVEN};

/* --- The answer ------------------------------------------------------------------------------- */

static void test_answer(struct provider_test *test, const struct model_result *result) {
    const struct model_failure *failure = &result->failure;
    bool ok = failure->cause == MODEL_NONE;
    struct text *text = &test->request.op.answer;
    text_add_char(text, '{');
    text_add_member(text, "name", bytes_of(test->name));
    text_add_member_or_null(text, "model",
                            result->model.len > 0 ? result->model : bytes_of(test->model));
    text_add_member_bool(text, "ok", ok);
    text_add_member_or_null(text, "cause", bytes_of(ok ? "" : model_cause_name(failure->cause)));
    text_add_member_or_null(text, "detail", bytes_of(ok ? "" : failure->detail));
    text_add_member_int_or_null(text, "status", failure->status, failure->status > 0);
    text_add_member_int_or_null(text, "first_ms", (int64_t)result->first_ms, result->first_ms > 0);
    text_add_member_int_or_null(text, "latency_ms", (int64_t)result->total_ms,
                                ok || failure->status > 0);
    providers__write_refused(text, result->without);
    text_add_char(text, '}');
    request_answer(&test->request, ERR_OK);
}

/* Nobody else may have asked for it: that there is no such connection is known only now, since
 * one that may be on this machine is looked for. */
static void test_done(void *ctx, const struct model_result *result) {
    struct provider_test *test = ctx;
    const struct providers_api *api = test->request.api;
    if (result->failure.cause == MODEL_MODEL_UNKNOWN &&
        models_connection_find(connections_models(api->connections), test->name) == NULL) {
        request_answer(&test->request, request_absent(&test->request, ERR_OK));
        return;
    }
    test_answer(test, result);
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
    model_cancel(test->asking);
    request_answer(&test->request, err_make(ERR_CLOSING, "providers: test"));
}

void providers_stop(struct providers_api *api) {
    while (api->tests != NULL) {
        test_cut(api->tests->request.op.exchange, api->tests);
    }
}

/* --- The request ------------------------------------------------------------------------------ */

static struct err test_start(void *ctx) {
    static const struct model_watch watch = {.done = test_done};
    struct provider_test *test = ctx;
    struct providers_api *api = test->request.api;
    struct exchange *exchange = test->request.op.exchange;
    if (api->test_count == TESTS_MAX) {
        return err_why(&test->request.op.why, ERR_TOO_MANY,
                       "%d providers are being tested already; try again later", TESTS_MAX);
    }
    memcpy(test->name, test->request.key.id.data, test->request.key.id.len);
    if (test->asked.len > 0) {
        memcpy(test->model, test->asked.data, test->asked.len);
    }
    AUTO(text_done) struct text name = text_up_to(SETTINGS_MODEL_MAX + 1);
    text_addf(&name, "%s%s%s", test->name, test->model[0] != '\0' ? "/" : "", test->model);
    test->next = api->tests;
    api->tests = test;
    api->test_count++;
    test->asking =
        models_connection_test(connections_models(api->connections), name.data, &watch, test);
    timer_start(api->host.loop, &test->deadline, TEST_MS, test_late);
    exchange_on_gone(exchange, test_cut, test);
    exchange_on_drain(exchange, test_cut, test);
    return ERR_OK;
}

static void test_end(void *ctx, struct err result) {
    struct provider_test *test = ctx;
    struct providers_api *api = test->request.api;
    for (struct provider_test **at = &api->tests; *at != NULL; at = &(*at)->next) {
        if (*at == test) { /* Else the test was refused before it began. */
            *at = test->next;
            api->test_count--;
            timer_stop(api->host.loop, &test->deadline);
            return;
        }
    }
}

const struct request_kind providers__test = {
    .size = sizeof(struct provider_test),
    .later = true,
    .one = &providers__one,
    .fields = &providers__test_fields,
    .start = test_start,
    .end = test_end,
};
