/* Learned windows and refused parameters: limits that a refusal has shown of a model, over restarts
 * and for a time. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

#include "engine/provider/learned.h"

struct windows {
    struct learned_limit learned;
    const char *forget;
    char text[200];
};

static struct err learn_tx(struct tx *tx, void *ctx) {
    const struct windows *windows = ctx;
    return tx_learned_add(tx, LEARNED_WINDOW, &windows->learned);
}

static struct err forget_tx(struct tx *tx, void *ctx) {
    const struct windows *windows = ctx;
    return tx_learned_forget(tx, kit_bytes(windows->forget));
}

static struct err add_window(void *ctx, const struct learned_limit *window) {
    struct windows *windows = ctx;
    size_t len = strlen(windows->text);
    (void)snprintf(windows->text + len, sizeof windows->text - len, "%.*s %lld|",
                   (int)window->model.len, window->model.data, (long long)window->window);
    return ERR_OK;
}

static struct err each_tx(struct tx *tx, void *ctx) {
    struct windows *windows = ctx;
    windows->text[0] = '\0';
    return tx_learned_each(tx, LEARNED_WINDOW, add_window, windows);
}

static void a_learned_window_holds_for_its_time_and_its_connection(void **state) {
    struct runs_kit *kit = *state;
    static const struct {
        const char *model;
        int64_t window, until_ms;
    } rows[] = {{"a/m", 100, INT64_MAX - 1},
                {"a/m", 90, INT64_MAX - 2},
                {"ab/m", 80, INT64_MAX - 3},
                {"a/x/y", 70, INT64_MAX - 4},
                {"b/m", 60, 1}};
    struct windows windows;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        windows.learned = (struct learned_limit){.model = kit_bytes(rows[i].model),
                                                 .window = rows[i].window,
                                                 .until_ms = rows[i].until_ms};
        assert_int_equal(runs_do(kit, learn_tx, &windows), ERR_NONE);
    }
    assert_int_equal(runs_do(kit, each_tx, &windows), ERR_NONE);
    assert_string_equal(windows.text, "a/m 90|ab/m 80|a/x/y 70|");
    windows.forget = "a";
    assert_int_equal(runs_do(kit, forget_tx, &windows), ERR_NONE);
    assert_int_equal(runs_do(kit, each_tx, &windows), ERR_NONE);
    assert_string_equal(windows.text, "ab/m 80|");
}

static struct err learn_many_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    for (int i = 0; i < LEARNED_MAX + 2; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "a/%d", i);
        const struct learned_limit limit = {
            .model = kit_bytes(name), .window = 100, .until_ms = INT64_MAX - 1000 + i};
        tx_fail(tx, tx_learned_add(tx, LEARNED_WINDOW, &limit));
    }
    return tx_error(tx);
}

struct span_of_models {
    int count;
    char first[16], last[16];
};

static struct err count_limit(void *ctx, const struct learned_limit *limit) {
    struct span_of_models *models = ctx;
    char *name = models->count++ == 0 ? models->first : models->last;
    (void)snprintf(name, sizeof models->last, "%.*s", (int)limit->model.len, limit->model.data);
    return ERR_OK;
}

static struct err count_tx(struct tx *tx, void *ctx) {
    struct span_of_models *models = ctx;
    models->count = 0; /* The function may run twice. */
    return tx_learned_each(tx, LEARNED_WINDOW, count_limit, ctx);
}

static void limits_that_expire_first_make_room(void **state) {
    struct runs_kit *kit = *state;
    struct span_of_models models = {.count = 0};
    assert_int_equal(runs_do(kit, learn_many_tx, NULL), ERR_NONE);
    assert_int_equal(runs_do(kit, count_tx, &models), ERR_NONE);
    assert_int_equal(models.count, LEARNED_MAX);
    assert_string_equal(models.first, "a/257");
    assert_string_equal(models.last, "a/2");
}

/* --- Refused parameters ----------------------------------------------------------------------- */

struct refusals {
    struct learned_limit learned;
    char text[200];
};

static struct err refuse_tx(struct tx *tx, void *ctx) {
    const struct refusals *refusals = ctx;
    return tx_learned_add(tx, LEARNED_REFUSED, &refusals->learned);
}

static struct err add_refused(void *ctx, const struct learned_limit *refused) {
    struct refusals *refusals = ctx;
    size_t len = strlen(refusals->text);
    (void)snprintf(refusals->text + len, sizeof refusals->text - len, "%.*s %x|",
                   (int)refused->model.len, refused->model.data, (unsigned)refused->refused);
    return ERR_OK;
}

static struct err each_refused_tx(struct tx *tx, void *ctx) {
    struct refusals *refusals = ctx;
    refusals->text[0] = '\0';
    return tx_learned_each(tx, LEARNED_REFUSED, add_refused, refusals);
}

static void refused_parameters_add_up_for_their_time_and_their_connection(void **state) {
    struct runs_kit *kit = *state;
    static const struct {
        const char *model;
        parameter_set parameters;
        int64_t until_ms;
    } rows[] = {{"a/m", PARAMETER_SET(EFFORT), INT64_MAX - 4},
                {"a/m", PARAMETER_SET(MAX_TOKENS), INT64_MAX - 1},
                {"ab/m", PARAMETER_SET(JSON_SCHEMA), INT64_MAX - 2},
                {"b/m", PARAMETER_SET(EFFORT), 1},
                {"b/m", PARAMETER_SET(SYSTEM), INT64_MAX - 3}};
    struct refusals refusals;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        refusals.learned = (struct learned_limit){.model = kit_bytes(rows[i].model),
                                                  .refused = rows[i].parameters,
                                                  .until_ms = rows[i].until_ms};
        assert_int_equal(runs_do(kit, refuse_tx, &refusals), ERR_NONE);
    }
    assert_int_equal(runs_do(kit, each_refused_tx, &refusals), ERR_NONE);
    assert_string_equal(refusals.text, "a/m 3|ab/m 8|b/m 80|"); /* The expired one is gone. */
    struct windows windows = {.forget = "a"};
    assert_int_equal(runs_do(kit, forget_tx, &windows), ERR_NONE);
    assert_int_equal(runs_do(kit, each_refused_tx, &refusals), ERR_NONE);
    assert_string_equal(refusals.text, "ab/m 8|b/m 80|");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_learned_window_holds_for_its_time_and_its_connection,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(limits_that_expire_first_make_room, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(
            refused_parameters_add_up_for_their_time_and_their_connection, runs_begin, runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
