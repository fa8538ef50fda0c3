/* Lists of runs: every set of filters, page by page, against the rows that were made; and the plan
 * of every statement that they are built of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runs_kit.h"

#include "engine/run/rows.h"

/* --- Plans ------------------------------------------------------------------------------------ */

enum { PLANS_MAX = 200 };
#define STEPS_OF_ONE "parent = $4 AND step_key <> ''"

/* Statements whose plan was read. Each text lives as long as a store that has prepared it. */
static struct plan {
    const char *sql;
    char *explained; /* Owned. */
} plans[PLANS_MAX];
static size_t plan_count;
static unsigned leads_seen; /* Bits: filters that led a list. */

static bool on_sqlite(void) {
    return getenv("DROVER_TEST_POSTGRES_DIR") == NULL;
}

struct err __real_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __real_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);

/* A subquery may be read from its beginning: its own plan stands beside. Steps of one workflow,
 * which are few, are sorted. */
static bool reads_whole_table(const char *sql, struct bytes step) {
    static const char *const subqueries[] = {"SCAN slice", "SCAN half", "SCAN CONSTANT ROW"};
    char text[300];
    runs_copy_text(step, text, sizeof text);
    for (size_t i = 0; i < COUNT_OF(subqueries); i++) {
        if (strcmp(text, subqueries[i]) == 0) {
            return false;
        }
    }
    return strncmp(text, "SCAN ", 5) == 0 ||
           (strstr(text, "TEMP B-TREE") != NULL && strstr(sql, STEPS_OF_ONE) == NULL);
}

/* Index by which a list has to be read, by the filter that leads in its text; NULL: any. */
static const char *index_of(const char *sql) {
    static const struct {
        const char *filter, *index;
    } leads[] = {{"owner = $1 AND $4 = ''", "INDEX runs_owner (owner=? AND id<?)"},
                 {" kind = $4", "INDEX runs_kind (owner=? AND kind=? AND id<?)"},
                 {" state = $4", "INDEX runs_final (owner=? AND state=? AND id<?)"},
                 {"$1 <> '' AND $4 = ''", "INDEX runs_live (id<?)"},
                 {" project = $4", "INDEX runs_project (owner=? AND project=? AND id<?)"},
                 {" session = $4", "INDEX runs_session (owner=? AND session=? AND id<?)"},
                 {" agent = $4", "INDEX runs_agent (owner=? AND agent=? AND id<?)"},
                 {" root = $4", "INDEX runs_root (root=? AND id<?)"},
                 {" parent = $4", "INDEX runs_children (parent=? AND id<?)"}};
    for (size_t i = 0; i < COUNT_OF(leads); i++) {
        if (strstr(sql, leads[i].filter) != NULL) {
            leads_seen |= 1U << i;
            return leads[i].index;
        }
    }
    return NULL;
}

static bool step_is_of(struct bytes step, const char *index) {
    char text[300];
    runs_copy_text(step, text, sizeof text);
    /* Of a range both ends may be named. */
    char both[120];
    (void)snprintf(both, sizeof both, "%.*sid>? AND id<?)", (int)(strlen(index) - 5), index);
    return strstr(text, index) != NULL || strstr(text, both) != NULL;
}

static void plan_check(struct tx *tx, const char *sql, const struct arg *args, size_t count) {
    for (size_t i = 0; i < plan_count; i++) {
        if (plans[i].sql == sql) {
            return;
        }
    }
    if (!on_sqlite() || strncmp(sql, "SELECT", 6) != 0 || strstr(sql, "FROM runs") == NULL) {
        return;
    }
    assert_true(plan_count < PLANS_MAX);
    static const char explain[] = "EXPLAIN QUERY PLAN ";
    size_t size = sizeof explain + strlen(sql);
    struct plan *plan = &plans[plan_count++];
    *plan = (struct plan){.sql = sql, .explained = mem_new_array(size, 1)};
    (void)snprintf(plan->explained, size, "%s%s", explain, sql);
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = __real_tx_query(tx, plan->explained, args, count, &rows);
    const char *index = index_of(sql);
    bool by_index = index == NULL;
    kit_check(err);
    while (rows_step(rows)) {
        by_index = by_index || step_is_of(rows_text(rows, 3), index);
        if (reads_whole_table(sql, rows_text(rows, 3))) {
            fail_msg("%.*s: %s", (int)rows_text(rows, 3).len, rows_text(rows, 3).data, sql);
        }
    }
    kit_check(tx_error(tx));
    if (!by_index) {
        fail_msg("not by %s: %s", index, sql);
    }
}

struct err __wrap_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_query(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows) {
    plan_check(tx, sql, args, count);
    return __real_tx_query(tx, sql, args, count, ret_rows);
}

struct err __wrap_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows) {
    plan_check(tx, sql, args, count);
    return __real_tx_first(tx, sql, args, count, ret_rows);
}

static int plans_forget(void **state) {
    (void)state;
    for (size_t i = 0; i < plan_count; i++) {
        mem_free(plans[i].explained);
    }
    plan_count = 0;
    return 0;
}

/* --- Rows ------------------------------------------------------------------------------------- */

enum { ROWS = 2 * RUN_SLICE_ROWS + 300, ENDED = 60, PAGE = 200 };
/* Rows that were made while the clock was an hour back; the first slice of a list ends in them. */
enum { BACK_FROM = 700, BACK_TO = 1290, BACK_MS = 3600 * 1000, SINCE_ROW = 500 };

/* What was asked for when a run was submitted, and what came of it. */
struct made {
    int64_t id, made_ms;
    size_t project, session; /* 0: none. */
    size_t parent, root;     /* Positions, from 1; 0: none. */
    enum run_kind kind;
    enum run_state state;
    bool named;
    char run[ID_SIZE];
};

static const char *const projects[] = {"", "web", "p_1"};
static const char *const sessions[] = {"", "ses_a", "ses_b"};

struct seed {
    struct made *rows; /* Owned. */
    struct runs_kit *runs;
};

static struct bytes path_write(const struct made *row, char text[80]) {
    int len = snprintf(text, 80, "%s%s%s%s%s%s", row->project > 0 ? "project:" : "",
                       projects[row->project], row->project > 0 ? "/" : "",
                       row->session > 0 ? "session:" : "", sessions[row->session],
                       row->session > 0 ? "/" : "");
    return (struct bytes){text, (size_t)len};
}

static void seed_row(struct seed *seed, size_t at) {
    struct made *row = &seed->rows[at];
    char path[80];
    *row = (struct made){.kind = at % 3 == 0 ? KIND_WORKFLOW : KIND_JOB,
                         .project = at % COUNT_OF(projects),
                         .session = at / 3 % COUNT_OF(sessions),
                         .named = at % 5 == 0};
    if (at % 4 == 3) {
        row->parent = at % 8 == 3 ? at : 4; /* The one before it, or the fourth. */
        const struct made *parent = &seed->rows[row->parent - 1];
        row->root = parent->root != 0 ? parent->root : row->parent;
        row->project = parent->project;
        row->session = parent->session;
    }
    seed->runs->kit.clock_ms += 10;
    seed->runs->kit.clock_ms += at == BACK_FROM ? -BACK_MS : at == BACK_TO ? BACK_MS : 0;
    struct runs_submit submit = {.what = runs_new(seed->runs)};
    submit.what.owner = at % 7 == 6 ? BYTES("eve") : BYTES("ann");
    submit.what.kind = row->kind;
    submit.what.label = row->named ? BYTES("Nightly 100%_build") : BYTES("");
    submit.what.budget_path = path_write(row, path);
    if (row->parent != 0 && at % 7 != 6 && seed->rows[row->parent - 1].run[0] != '\0') {
        submit.what.parent = kit_bytes(seed->rows[row->parent - 1].run);
    } else {
        row->parent = row->root = 0;
    }
    struct err err = runs_once(seed->runs, runs_submit_tx, &submit);
    if (at % 7 == 6 || err.code == ERR_NOT_FOUND) { /* Eve's, or below one of hers. */
        row->run[0] = '\0';
        row->state = RUN_LOST;
        return;
    }
    kit_check(err);
    row->id = submit.row.row.id;
    row->made_ms = submit.row.row.made_ms;
    row->state = submit.row.row.state;
    memcpy(row->run, submit.row.run, sizeof row->run);
}

static void seed_end(struct seed *seed, size_t at) {
    struct made *row = &seed->rows[at];
    if (row->run[0] == '\0' || row->state != RUN_RUNNING || row->kind != KIND_JOB) {
        return;
    }
    struct runs_settle settle = {.what = runs_exit(seed->runs, row->run, at % 2 == 0 ? 0 : 3)};
    kit_check(runs_once(seed->runs, runs_settle_tx, &settle));
}

struct states_ask {
    struct seed *seed;
};

/* States as they are at the end: what ended has let others begin. */
static struct err states_tx(struct tx *tx, void *ctx) {
    struct seed *seed = ((struct states_ask *)ctx)->seed;
    tx_do(tx, "UPDATE runs SET agent = 'claude' WHERE id % 2 = 0", NO_ARGS);
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, "SELECT id, state FROM runs WHERE id > 0 ORDER BY id", NO_ARGS);
    size_t at = 0;
    while (rows_step(rows)) {
        while (at < ROWS && seed->rows[at].id != rows_int(rows, 0)) {
            at++;
        }
        if (at == ROWS) {
            at = 0; /* One of Eve's. */
            continue;
        }
        assert_true(run_state_find(rows_text(rows, 1), &seed->rows[at].state));
    }
    return tx_error(tx);
}

static void seed_make(struct seed *seed, struct runs_kit *runs) {
    *seed = (struct seed){.rows = mem_new_array(ROWS, sizeof *seed->rows), .runs = runs};
    for (size_t at = 0; at < ROWS; at++) {
        seed_row(seed, at);
    }
    for (size_t at = 0; at < ENDED; at++) {
        seed_end(seed, at);
    }
    struct states_ask ask = {.seed = seed};
    assert_int_equal(runs_do(runs, states_tx, &ask), ERR_NONE);
}

/* --- Lists ------------------------------------------------------------------------------------ */

enum {
    BY_KIND = 1,
    BY_STATE = 2,
    BY_STATES = 4,
    BY_LIVE = 8,
    BY_PROJECT = 16,
    BY_SESSION = 32,
    BY_PARENT = 64,
    BY_ROOT = 128,
    BY_SINCE = 256,
    BY_TEXT = 512,
    SETS = 1024,
    BY_TOP = SETS, /* Both not with every set: with one filter more, or with all of them. */
    BY_AGENT = 2 * SETS,
};

struct list {
    struct run_page page;
    int64_t ids[ROWS], next, counted;
    size_t count, got; /* `got`: of the last slice. */
    unsigned slices;   /* Of the rows, without the count. */
};

static struct err list_each(void *ctx, const struct run_row *row) {
    struct list *list = ctx;
    assert_true(list->count < COUNT_OF(list->ids));
    list->ids[list->count++] = row->id;
    list->got++;
    return ERR_OK;
}

static struct err list_tx(struct tx *tx, void *ctx) {
    struct list *list = ctx;
    list->got = 0;
    return tx_run_each(tx, &list->page, list_each, list, &list->next);
}

static struct err count_tx(struct tx *tx, void *ctx) {
    struct list *list = ctx;
    return tx_run_count(tx, &list->page, &list->counted, &list->next);
}

static void list_all(struct runs_kit *runs, struct list *list) {
    list->count = 0;
    list->slices = 0;
    list->page.before = 0;
    list->page.limit = PAGE;
    do {
        list->slices++;
        kit_check(runs_once(runs, list_tx, list));
        assert_true(list->got <= PAGE);
        list->page.before = list->got == PAGE ? list->ids[list->count - 1] : list->next;
    } while (list->page.before != 0);
    list->page.limit = ROWS + 1;
    list->counted = 0;
    do {
        kit_check(runs_once(runs, count_tx, list));
        list->page.before = list->next;
    } while (list->next != 0);
}

static struct run_page page_of(const struct seed *seed, unsigned set) {
    struct run_page page = {.owner = BYTES("ann")};
    page.by_kind = (set & BY_KIND) != 0;
    page.kind = KIND_JOB;
    page.live = (set & BY_LIVE) != 0;
    page.states = (set & BY_STATE) != 0 ? 1U << RUN_FAILED : 0;
    page.states |= (set & BY_STATES) != 0 ? 1U << RUN_QUEUED | 1U << RUN_SUCCEEDED : 0;
    page.project = (set & BY_PROJECT) != 0 ? BYTES("p_1") : BYTES("");
    page.session = (set & BY_SESSION) != 0 ? BYTES("ses_b") : BYTES("");
    page.parent = (set & BY_PARENT) != 0 ? kit_bytes(seed->rows[3].run) : BYTES("");
    page.root = (set & BY_ROOT) != 0 ? kit_bytes(seed->rows[2].run) : BYTES("");
    page.since_ms = (set & BY_SINCE) != 0 ? seed->rows[SINCE_ROW].made_ms : 0;
    page.top = (set & BY_TOP) != 0;
    page.agent = (set & BY_AGENT) != 0 ? BYTES("claude") : BYTES("");
    page.q = (set & BY_TEXT) != 0 ? BYTES("100%_B") : BYTES("");
    return page;
}

static bool fits_tree(const struct made *row, unsigned set) {
    return ((set & BY_PROJECT) == 0 || strcmp(projects[row->project], "p_1") == 0) &&
           ((set & BY_SESSION) == 0 || strcmp(sessions[row->session], "ses_b") == 0) &&
           ((set & BY_PARENT) == 0 || row->parent == 4) && ((set & BY_ROOT) == 0 || row->root == 3);
}

static bool fits(const struct made *row, unsigned set, int64_t since_ms) {
    unsigned states = ((set & BY_STATE) != 0 ? 1U << RUN_FAILED : 0) |
                      ((set & BY_STATES) != 0 ? 1U << RUN_QUEUED | 1U << RUN_SUCCEEDED : 0);
    return row->run[0] != '\0' && ((set & BY_KIND) == 0 || row->kind == KIND_JOB) &&
           (states == 0 || (states & 1U << row->state) != 0) &&
           ((set & BY_LIVE) == 0 || !run_state_final(row->state)) && fits_tree(row, set) &&
           ((set & BY_TOP) == 0 || row->parent == 0) &&
           ((set & BY_AGENT) == 0 || row->id % 2 == 0) && row->made_ms >= since_ms &&
           ((set & BY_TEXT) == 0 || row->named);
}

static void list_check(const struct seed *seed, struct list *list, unsigned set) {
    list->page = page_of(seed, set);
    list_all(seed->runs, list);
    size_t found = 0;
    for (size_t at = ROWS; at > 0; at--) {
        if (!fits(&seed->rows[at - 1], set, list->page.since_ms)) {
            continue;
        }
        if (found >= list->count || list->ids[found] != seed->rows[at - 1].id) {
            fail_msg("set %u: row %zu is missing", set, at - 1);
        }
        found++;
    }
    if (found != list->count || list->counted != (int64_t)found) {
        fail_msg("set %u: %zu rows of %zu, counted %lld", set, list->count, found,
                 (long long)list->counted);
    }
}

static void any_filters_together_list_and_count_what_fits_without_a_scan(void **state) {
    struct seed seed;
    seed_make(&seed, *state);
    struct list *list = mem_new(sizeof *list);
    for (unsigned set = 0; set < SETS; set++) {
        list_check(&seed, list, set);
    }
    static const unsigned others[] = {BY_TOP, BY_AGENT, BY_TOP | BY_AGENT};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        list_check(&seed, list, others[i]);
        for (unsigned with = 1; with <= SETS; with *= 2) {
            list_check(&seed, list, others[i] | (with == SETS ? SETS - 1 : with));
        }
    }
    list->page = (struct run_page){.owner = BYTES("ann"), .since_ms = seed.rows[ROWS - 50].made_ms};
    list_all(seed.runs, list);
    assert_in_range(list->count, 1, 50);
    assert_int_equal(list->slices, 1); /* What is older is not looked at. */
    mem_free(list);
    mem_free(seed.rows);
    assert_int_equal(leads_seen, on_sqlite() ? 0x1ff : 0);
}

/* Each look at the clock takes a millisecond. */
static uint64_t slow_mono_ns(void *ctx) {
    struct kit *kit = ctx;
    kit->counted_ms++;
    return (uint64_t)kit->counted_ms * 1000000;
}

static void a_slice_ends_by_its_time_too(void **state) {
    struct seed seed;
    seed_make(&seed, *state);
    struct list *list = mem_new(sizeof *list);
    list->page = page_of(&seed, BY_KIND | BY_TEXT);
    list_all(seed.runs, list);
    size_t count = list->count;
    unsigned slices = list->slices;
    assert_in_range(slices, 1, ROWS / RUN_SLICE_ROWS + 1);
    seed.runs->kit.world.mono_ns = slow_mono_ns;
    list_all(seed.runs, list);
    assert_in_range(list->slices, slices + 3, SIZE_MAX);
    assert_int_equal(list->count, count);
    assert_int_equal(list->counted, count);
    mem_free(list);
    mem_free(seed.rows);
}

static void a_list_below_a_run_of_somebody_else_is_refused(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row row = runs_add(runs);
    struct list *list = mem_new(sizeof *list);
    list->page = (struct run_page){.owner = BYTES("eve"), .limit = 9, .parent = kit_bytes(row.run)};
    assert_int_equal(runs_do(runs, list_tx, list), ERR_NOT_FOUND);
    mem_free(list);
}

static void a_path_of_budgets_says_project_and_innermost_session(void **state) {
    (void)state;
    static const struct {
        const char *path, *project, *session;
    } cases[] = {{"", "", ""},
                 {"project:web/", "web", ""},
                 {"session:ses_1/", "", "ses_1"},
                 {"project:web/session:ses_1/session:ses_2/run:run_1/", "web", "ses_2"},
                 {"run:run_1/", "", ""},
                 {"project:web", "", ""}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[40];
        struct run_place place = runs__place(kit_bytes(cases[i].path));
        runs_copy_text(place.project, text, sizeof text);
        assert_string_equal(text, cases[i].project);
        runs_copy_text(place.session, text, sizeof text);
        assert_string_equal(text, cases[i].session);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(any_filters_together_list_and_count_what_fits_without_a_scan),
        RUNS_TEST(a_slice_ends_by_its_time_too),
        RUNS_TEST(a_list_below_a_run_of_somebody_else_is_refused),
        cmocka_unit_test(a_path_of_budgets_says_project_and_innermost_session),
    };
    return cmocka_run_group_tests(tests, NULL, plans_forget);
}
