/* Learned windows and refused parameters: limits that a refusal has shown of a model, over restarts
 * and for a time. */
#include "runs_kit.h"

#include "engine/provider/providers.h"
#include "engine/provider/refused.h"

struct windows {
    struct learned_window learned;
    const char *forget;
    char text[200];
};

static struct err learn_tx(struct tx *tx, void *ctx) {
    const struct windows *windows = ctx;
    return tx_window_learn(tx, &windows->learned);
}

static struct err forget_tx(struct tx *tx, void *ctx) {
    const struct windows *windows = ctx;
    return tx_provider_forget_learned(tx, kit_bytes(windows->forget));
}

static struct err add_window(void *ctx, const struct learned_window *window) {
    struct windows *windows = ctx;
    size_t len = strlen(windows->text);
    (void)snprintf(windows->text + len, sizeof windows->text - len, "%.*s %lld|",
                   (int)window->model.len, window->model.data, (long long)window->window);
    return ERR_OK;
}

static struct err each_tx(struct tx *tx, void *ctx) {
    struct windows *windows = ctx;
    windows->text[0] = '\0';
    return tx_window_each(tx, add_window, windows);
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
        windows.learned =
            (struct learned_window){kit_bytes(rows[i].model), rows[i].window, rows[i].until_ms};
        assert_int_equal(runs_do(kit, learn_tx, &windows), ERR_NONE);
    }
    assert_int_equal(runs_do(kit, each_tx, &windows), ERR_NONE);
    assert_string_equal(windows.text, "a/m 90|ab/m 80|a/x/y 70|");
    windows.forget = "a";
    assert_int_equal(runs_do(kit, forget_tx, &windows), ERR_NONE);
    assert_int_equal(runs_do(kit, each_tx, &windows), ERR_NONE);
    assert_string_equal(windows.text, "ab/m 80|");
}

/* --- Refused parameters ----------------------------------------------------------------------- */

struct refusals {
    struct refused_parameters learned;
    char text[200];
};

static struct err refuse_tx(struct tx *tx, void *ctx) {
    const struct refusals *refusals = ctx;
    return tx_refused_learn(tx, &refusals->learned);
}

static struct err add_refused(void *ctx, const struct refused_parameters *refused) {
    struct refusals *refusals = ctx;
    size_t len = strlen(refusals->text);
    (void)snprintf(refusals->text + len, sizeof refusals->text - len, "%.*s %x|",
                   (int)refused->model.len, refused->model.data, (unsigned)refused->parameters);
    return ERR_OK;
}

static struct err each_refused_tx(struct tx *tx, void *ctx) {
    struct refusals *refusals = ctx;
    refusals->text[0] = '\0';
    return tx_refused_each(tx, add_refused, refusals);
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
        refusals.learned = (struct refused_parameters){kit_bytes(rows[i].model), rows[i].parameters,
                                                       rows[i].until_ms};
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
        cmocka_unit_test_setup_teardown(
            refused_parameters_add_up_for_their_time_and_their_connection, runs_begin, runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
