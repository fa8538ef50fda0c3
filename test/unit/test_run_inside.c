/* Changes that a program inside a run may make: of runs and sessions that were begun there, and of
 * those below them. */
#include "sessions_kit.h"

#include "engine/budget/rows.h"
#include "engine/run/inside.h"
#include "engine/session/rows.h"

/* --- What is begun ---------------------------------------------------------------------------- */

struct begun {
    const char *inside;
    struct run_new what;
    struct runs_row row;
};

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct begun *begun = ctx;
    struct run_new what = begun->what;
    struct run_row row = {0};
    struct err err = tx_inside_budget(tx, begun->inside, &what);
    err = err_failed(err) ? err : tx_run_submit(tx, &what, &row);
    err = err_failed(err) ? err : tx_inside_mark_run(tx, begun->inside, row.id);
    if (!err_failed(err)) {
        runs_copy(&row, &begun->row);
    }
    return err;
}

static struct runs_row run_begin(struct runs_kit *runs, const char *inside) {
    struct begun begun = {.inside = inside, .what = runs_new(runs)};
    assert_int_equal(runs_do(runs, begin_tx, &begun), ERR_NONE);
    return begun.row;
}

struct session_begun {
    const char *inside, *parent;
    struct id session;
};

static struct err session_tx(struct tx *tx, void *ctx) {
    struct session_begun *begun = ctx;
    struct session_row row;
    const struct session_new what = {
        .session = begun->session, .owner = BYTES("ann"), .parent = kit_bytes(begun->parent)};
    struct err err = tx_session_create(tx, &what, &row);
    return err_failed(err) ? err : tx_inside_mark_session(tx, begun->inside, row.id);
}

static struct id session_begin(struct runs_kit *runs, const char *inside, const char *parent) {
    struct session_begun begun = {
        .inside = inside, .parent = parent, .session = sessions_id(runs, "ses")};
    assert_int_equal(runs_do(runs, session_tx, &begun), ERR_NONE);
    return begun.session;
}

/* --- May it? ---------------------------------------------------------------------------------- */

struct check {
    struct inside_change change;
    struct why why;
};

static struct err check_tx(struct tx *tx, void *ctx) {
    struct check *check = ctx;
    return tx_inside_check(tx, &check->change, &check->why);
}

static enum err_code check(struct runs_kit *runs, const char *inside, const char *id) {
    struct check check = {.change = {.inside = inside, .owner = BYTES("ann"), .id = kit_bytes(id)}};
    enum err_code code = runs_do(runs, check_tx, &check);
    if (code == ERR_INSIDE_RUN) {
        assert_non_null(strstr(check.why.text, inside));
        assert_non_null(strstr(check.why.text, id));
    }
    return code;
}

#define assert_may(runs, inside, id) assert_int_equal(check(runs, inside, id), ERR_NONE)
#define assert_may_not(runs, inside, id) assert_int_equal(check(runs, inside, id), ERR_INSIDE_RUN)

static void what_was_begun_inside_may_be_changed_and_nothing_else(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_row outer = runs_add(runs), other = runs_add(runs);
    const struct runs_row inner = run_begin(runs, outer.run);
    const struct runs_row deeper = run_begin(runs, inner.run);
    const struct runs_row child = runs_add_child(runs, deeper.run);
    assert_may(runs, outer.run, inner.run);
    assert_may(runs, outer.run, deeper.run);
    assert_may(runs, outer.run, child.run);
    assert_may(runs, inner.run, child.run);
    assert_may(runs, deeper.run, child.run);
    /* Not itself, not what is above it, not what is beside it. */
    assert_may_not(runs, outer.run, outer.run);
    assert_may_not(runs, inner.run, outer.run);
    assert_may_not(runs, child.run, inner.run);
    assert_may_not(runs, other.run, inner.run);
    assert_may_not(runs, outer.run, other.run);
    assert_may_not(runs, inner.run, other.run);
}

static void what_is_not_there_is_not_judged(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_row outer = runs_add(runs);
    struct run_new what = runs_new(runs);
    what.owner = BYTES("bob");
    const struct runs_row foreign = runs_submit(runs, &what);
    assert_may(runs, outer.run, foreign.run); /* The answer is 404, as to any stranger. */
    assert_may(runs, outer.run, runs_id(runs).text);
    assert_may(runs, outer.run, "run_x");
    assert_may(runs, outer.run, "");
}

static void a_run_that_is_not_known_has_nothing_below(void **state) {
    struct runs_kit *runs = *state;
    const struct id lost = runs_id(runs);
    const struct runs_row inner = run_begin(runs, lost.text);
    const struct runs_row other = runs_add(runs);
    assert_may_not(runs, lost.text, inner.run);
    assert_may_not(runs, lost.text, other.run);
}

static void sessions_are_below_the_run_that_began_them(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_row outer = runs_add(runs);
    const struct runs_row inner = run_begin(runs, outer.run);
    const struct id session = session_begin(runs, inner.run, "");
    const struct id subagent = session_begin(runs, "", session.text);
    const struct id other = session_begin(runs, "", "");
    assert_may(runs, outer.run, session.text);
    assert_may(runs, inner.run, session.text);
    assert_may(runs, inner.run, subagent.text);
    assert_may_not(runs, inner.run, other.text);
}

static void a_run_of_a_session_is_where_the_session_is(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_row outer = runs_add(runs);
    const struct id session = session_begin(runs, outer.run, ""),
                    other = session_begin(runs, "", "");
    char path[2][64];
    struct runs_row rows[2];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct run_new what = runs_new(runs);
        (void)snprintf(path[i], sizeof path[i], "session:%s/", i == 0 ? session.text : other.text);
        what.kind = KIND_TURN;
        what.budget_path = kit_bytes(path[i]);
        rows[i] = runs_submit(runs, &what);
    }
    assert_may(runs, outer.run, rows[0].run);
    assert_may_not(runs, outer.run, rows[1].run);
}

static void budgets_of_a_run_hold_for_what_is_begun_inside(void **state) {
    struct runs_kit *runs = *state;
    struct begun begun = {.inside = "", .what = runs_new(runs)};
    begun.what.project = BYTES("p");
    assert_int_equal(runs_do(runs, begin_tx, &begun), ERR_NONE);
    struct begun inner = {.inside = begun.row.run, .what = runs_new(runs)};
    inner.what.project = BYTES("elsewhere");
    assert_int_equal(runs_do(runs, begin_tx, &inner), ERR_NONE);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE began_in <> 0"
                                      " AND budget LIKE 'project:p/%'"),
                     1);
}

struct charged {
    const char *session;
    char path[1100];
};

static struct err charged_tx(struct tx *tx, void *ctx) {
    struct charged *charged = ctx;
    struct session_row row;
    struct bytes path;
    const int64_t id = tx_number(tx, "SELECT id FROM sessions WHERE session = $1",
                                 ARGS(arg_str(charged->session)));
    assert_true(sessions__find_id(tx, id, &row));
    struct err err = budget__session_path(tx, &row, &path);
    runs_copy_text(path, charged->path, sizeof charged->path);
    return err;
}

static void assert_charged(struct runs_kit *runs, const char *session, const char *path) {
    struct charged charged = {.session = session};
    assert_int_equal(runs_do(runs, charged_tx, &charged), ERR_NONE);
    assert_string_equal(charged.path, path);
}

struct forked {
    const char *from;
    struct id session;
};

static struct err fork_tx(struct tx *tx, void *ctx) {
    const struct forked *forked = ctx;
    struct session_fork fork = {.key = {.owner = BYTES("ann"), .session = kit_bytes(forked->from)},
                                .session = forked->session};
    struct session_row row;
    bool more = true;
    struct err err = ERR_OK;
    while (!err_failed(err) && more) {
        struct session_fork next = fork;
        err = tx_session_fork(tx, &fork, &next, &more, &row);
        fork = next;
    }
    return err;
}

static struct id fork_of(struct runs_kit *runs, const char *session) {
    struct forked forked = {.from = session, .session = sessions_id(runs, "ses")};
    assert_int_equal(runs_do(runs, fork_tx, &forked), ERR_NONE);
    return forked.session;
}

static struct runs_row run_at(struct runs_kit *runs, const char *path) {
    struct run_new what = runs_new(runs);
    what.budget_path = kit_bytes(path);
    return runs_submit(runs, &what);
}

static void a_session_is_charged_where_the_run_is_that_began_it(void **state) {
    struct runs_kit *runs = *state;
    char path[300];
    const struct runs_row plain = run_at(runs, "");
    const struct id free = session_begin(runs, plain.run, "");
    (void)snprintf(path, sizeof path, "project:default/session:%s/", free.text);
    assert_charged(runs, free.text, path);
    /* The project of both is charged once. */
    const struct runs_row outer = run_at(runs, "project:default/run:x/");
    const struct id session = session_begin(runs, outer.run, "");
    const struct id subagent = session_begin(runs, "", session.text);
    (void)snprintf(path, sizeof path, "project:default/run:x/session:%s/", session.text);
    assert_charged(runs, session.text, path);
    (void)snprintf(path, sizeof path, "project:default/run:x/session:%s/session:%s/", session.text,
                   subagent.text);
    assert_charged(runs, subagent.text, path);
    const struct runs_row other = run_at(runs, "project:default2/");
    const struct id there = session_begin(runs, other.run, "");
    (void)snprintf(path, sizeof path, "project:default2/project:default/session:%s/", there.text);
    assert_charged(runs, there.text, path);
}

static void a_fork_is_below_the_run_of_what_it_is_a_copy_of(void **state) {
    struct runs_kit *runs = *state;
    char path[300];
    const struct runs_row outer = run_at(runs, "project:default/run:x/");
    const struct id session = session_begin(runs, outer.run, "");
    const struct id subagent = session_begin(runs, "", session.text);
    const char *const copied[] = {session.text, subagent.text};
    for (size_t i = 0; i < COUNT_OF(copied); i++) {
        const struct id fork = fork_of(runs, copied[i]);
        (void)snprintf(path, sizeof path, "project:default/run:x/session:%s/", fork.text);
        assert_charged(runs, fork.text, path);
        assert_may(runs, outer.run, fork.text);
    }
}

static void a_session_has_a_budget_of_its_own_however_deep_it_is(void **state) {
    struct runs_kit *runs = *state;
    char path[300];
    const struct runs_row deep = run_at(runs, "a/b/c/d/e/f/");
    const struct id session = session_begin(runs, deep.run, "");
    const struct id subagent = session_begin(runs, "", session.text);
    (void)snprintf(path, sizeof path, "a/b/c/d/e/f/session:%s/", session.text);
    assert_charged(runs, session.text, path);
    (void)snprintf(path, sizeof path, "a/b/c/d/e/f/session:%s/", subagent.text);
    assert_charged(runs, subagent.text, path);
    const struct runs_row deepest = run_at(runs, "a/b/c/d/e/f/g/");
    struct session_begun begun = {
        .inside = deepest.run, .parent = "", .session = sessions_id(runs, "ses")};
    assert_int_equal(runs_do(runs, session_tx, &begun), ERR_BUDGET_TOO_DEEP);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(what_was_begun_inside_may_be_changed_and_nothing_else),
        RUNS_TEST(what_is_not_there_is_not_judged),
        RUNS_TEST(a_run_that_is_not_known_has_nothing_below),
        RUNS_TEST(sessions_are_below_the_run_that_began_them),
        RUNS_TEST(a_run_of_a_session_is_where_the_session_is),
        RUNS_TEST(budgets_of_a_run_hold_for_what_is_begun_inside),
        RUNS_TEST(a_session_is_charged_where_the_run_is_that_began_it),
        RUNS_TEST(a_fork_is_below_the_run_of_what_it_is_a_copy_of),
        RUNS_TEST(a_session_has_a_budget_of_its_own_however_deep_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
