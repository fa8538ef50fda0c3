/* Rows of runs that cannot be read: they end, and keep nobody from slots, keys and stops. */
#include "runs_kit.h"

static const char cause_sql[] = "UPDATE runs SET cause = 'no such word' WHERE id = $1";

struct damage {
    const char *sql;
    int64_t id;
};

static struct err damage_by_tx(struct tx *tx, void *ctx) {
    const struct damage *damage = ctx;
    const struct arg args[] = {arg_int(damage->id)};
    return tx_exec(tx, damage->sql, args, COUNT_OF(args), NULL /* one row */);
}

/* Of three runs the first runs, the second is damaged, and the third is next. */
enum line { BY_SLOT, BY_KEY };

static void pass_over(struct runs_kit *runs, const char *sql, enum line line) {
    static const char ended_sql[] = "SELECT count(*) FROM runs WHERE state = 'failed'"
                                    " AND cause = 'history_unreadable' AND gate = ''";
    int64_t ended = runs_count(runs, ended_sql);
    struct runs_row rows[3];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rows[i] =
            line == BY_KEY ? runs_add_key(runs, (struct runs_place){.key_max = 1}) : runs_add(runs);
    }
    const struct damage damage = {.sql = sql, .id = rows[1].row.id};
    assert_int_equal(runs_do(runs, damage_by_tx, (void *)&damage), ERR_NONE);
    (void)runs_finish(runs, rows[0].run);
    assert_int_equal(runs_get(runs, rows[2].run).row.state, RUN_RUNNING);
    struct run_row heard;
    if (runs_heard(runs, rows[1].run, &heard) && heard.not_before_ms != 0) {
        runs_wake(runs, rows[1].run);
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE ended_ms IS NULL"), 1);
    assert_int_equal(runs_count(runs, ended_sql), ended + 1);
    (void)runs_finish(runs, rows[2].run);
}

static void a_damaged_row_keeps_nobody_from_its_slot_or_key(void **state) {
    struct runs_kit *runs = *state;
    static const char *const damages[] = {
        cause_sql,
        "UPDATE runs SET state = 'no such word' WHERE id = $1",
        "UPDATE runs SET stop = 'no such word' WHERE id = $1",
        "UPDATE runs SET run = run || '0123456789012345678901234567890123456789' WHERE id = $1",
        "UPDATE runs SET run = '../' || substr(run, 4) WHERE id = $1",
    };
    runs->bounds.slots = 1;
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        pass_over(runs, damages[i], BY_SLOT);
    }
    runs->bounds.slots = 100;
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        pass_over(runs, damages[i], BY_KEY);
    }
    pass_over(runs, "UPDATE runs SET kind = 'no such word' WHERE id = $1", BY_KEY);
}

/* --- Runs that the store refuses to begin ----------------------------------------------------- */

static struct err stop_tx(struct tx *tx, void *ctx) {
    const struct run_stop stop = {
        .key = {.run = kit_bytes(ctx)}, .cause = CAUSE_STOPPED, .grace_ms = 1};
    bool more = false;
    struct run_row row;
    return tx_run_stop(tx, &stop, &more, &row);
}

static const char refuse_any_sql[] =
    "CREATE TRIGGER refuse BEFORE UPDATE ON runs WHEN new.label = 'refused'"
    " BEGIN SELECT RAISE(ABORT, 'no'); END";

struct refusal {
    const char *sql;
    bool ends; /* Its end is stored. */
};

static struct err label_by_tx(struct tx *tx, void *ctx) {
    const int64_t *id = ctx;
    const struct arg args[] = {arg_int(*id)};
    return tx_exec(tx, "UPDATE runs SET label = 'refused' WHERE id = $1", args, COUNT_OF(args),
                   NULL /* one row */);
}

static struct err plain_tx(struct tx *tx, void *ctx) {
    return tx_exec(tx, ctx, NULL /* no arguments */, 0, NULL);
}

static void wake_where_parked(struct runs_kit *runs, const char *run) {
    struct run_row heard;
    if (runs_heard(runs, run, &heard) && heard.not_before_ms != 0) {
        runs_wake(runs, run);
    }
}

/* Of three runs the first ends, the second is refused, and the third is next. */
static void refuse(struct runs_kit *runs, const struct refusal *refusal, enum line line) {
    static const char drop_sql[] = "DROP TRIGGER refuse";
    struct runs_row rows[3];
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        rows[i] =
            line == BY_KEY ? runs_add_key(runs, (struct runs_place){.key_max = 1}) : runs_add(runs);
    }
    assert_int_equal(runs_do(runs, label_by_tx, &rows[1].row.id), ERR_NONE);
    assert_false(err_failed(runs_once(runs, plain_tx, (void *)refusal->sql)));
    assert_int_equal(runs_finish(runs, rows[0].run).row.state, RUN_SUCCEEDED);
    wake_where_parked(runs, rows[2].run);
    assert_int_equal(runs_get(runs, rows[2].run).row.state, RUN_RUNNING);
    struct runs_row refused = runs_get(runs, rows[1].run);
    assert_int_equal(refused.row.state, refusal->ends ? RUN_FAILED : RUN_QUEUED);
    assert_int_equal(refused.row.cause, refusal->ends ? CAUSE_NOT_STORED : CAUSE_NONE);
    assert_int_equal(strstr(runs_events(runs, rows[1].run).text, "run_finished") != NULL,
                     refusal->ends);
    assert_int_equal(runs_finish(runs, rows[2].run).row.state, RUN_SUCCEEDED);
    assert_false(err_failed(runs_once(runs, plain_tx, (void *)drop_sql)));
    if (!refusal->ends) {
        assert_int_equal(runs_do(runs, stop_tx, rows[1].run), ERR_NONE);
    }
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE ended_ms IS NULL"), 0);
}

static void a_run_that_is_refused_keeps_nobody_from_an_end_or_a_place(void **state) {
    struct runs_kit *runs = *state;
    static const struct refusal refusals[] = {
        {"CREATE TRIGGER refuse BEFORE UPDATE ON runs WHEN new.label = 'refused'"
         " AND new.state = 'running' BEGIN SELECT RAISE(ABORT, 'no'); END",
         true},
        {"CREATE TRIGGER refuse BEFORE UPDATE ON runs WHEN new.label = 'refused'"
         " AND new.gate = 'slot' AND new.ended_ms IS NULL BEGIN SELECT RAISE(ABORT, 'no'); END",
         true},
        {refuse_any_sql, false},
    };
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        runs->bounds.slots = 100;
        refuse(runs, &refusals[i], BY_KEY);
        runs->bounds.slots = 1;
        if (i != 1) { /* It stands at that gate already. */
            refuse(runs, &refusals[i], BY_SLOT);
        }
    }
}

/* The unwritable run stands alone in its line, and no other run has an end that reads the line. */
static void a_run_submitted_after_one_that_is_unwritable_begins(void **state) {
    struct runs_kit *runs = *state;
    const struct runs_place place = {.key_max = 1};
    for (enum line line = BY_SLOT; line <= BY_KEY; line++) {
        runs->bounds.slots = line == BY_SLOT ? 1 : 100;
        struct runs_row first = line == BY_KEY ? runs_add_key(runs, place) : runs_add(runs);
        struct runs_row unwritable = line == BY_KEY ? runs_add_key(runs, place) : runs_add(runs);
        assert_int_equal(runs_do(runs, label_by_tx, &unwritable.row.id), ERR_NONE);
        assert_false(err_failed(runs_once(runs, plain_tx, (void *)refuse_any_sql)));
        (void)runs_finish(runs, first.run);
        for (int i = 0; i < 2; i++) {
            struct runs_row next = line == BY_KEY ? runs_add_key(runs, place) : runs_add(runs);
            wake_where_parked(runs, next.run);
            assert_int_equal(runs_get(runs, next.run).row.state, RUN_RUNNING);
            (void)runs_finish(runs, next.run);
        }
        assert_false(err_failed(runs_once(runs, plain_tx, (void *)"DROP TRIGGER refuse")));
        assert_int_equal(runs_do(runs, stop_tx, unwritable.run), ERR_NONE);
    }
}

/* Below the limit of one row, so it is read twice: at its key, and for its slot. */
static void a_queued_row_that_is_very_long_keeps_nobody_from_an_end(void **state) {
    struct runs_kit *runs = *state;
    pass_over(runs,
              "UPDATE runs SET label = replace(hex(zeroblob(5500000)), '00', 'xx')"
              " WHERE id = $1",
              BY_KEY);
}

/* A page of a long text begins with the number of the next one, and ends with its checksum. */
enum { PAGE_SIZE = 4096, PAGE_NEXT = 4, PAGE_SUM = 8 };

static bool is_text_page(const unsigned char *page) {
    for (size_t i = PAGE_NEXT; i < PAGE_SIZE - PAGE_SUM; i++) {
        if (page[i] != 'x') {
            return false;
        }
    }
    return true;
}

/* Pages of a long text of letters 'x' name a next page that is not in the file. */
static void damage_text_pages(const char *folder) {
    char path[128];
    unsigned char page[PAGE_SIZE];
    int damaged = 0;
    (void)snprintf(path, sizeof path, "%s/drover.db", folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    for (long at = 0; fread(page, PAGE_SIZE, 1, file) == 1; at += PAGE_SIZE) {
        if (is_text_page(page)) {
            assert_int_equal(fseek(file, at, SEEK_SET), 0);
            assert_int_equal(fwrite("\x7f\xff\xff\xff", PAGE_NEXT, 1, file), 1);
            assert_int_equal(fseek(file, at + PAGE_SIZE, SEEK_SET), 0);
            damaged++;
        }
    }
    assert_true(damaged > 0);
    assert_int_equal(fclose(file), 0);
}

static struct err find_as_part_tx(struct tx *tx, void *ctx) {
    struct err refused;
    return tx_try(tx, runs_find_tx, ctx, &refused);
}

/* Nothing can be stored in a transaction that met such a row, so the end of the run is refused. */
static void a_row_on_damaged_pages_ends_neither_the_daemon_nor_its_store(void **state) {
    static const char long_sql[] =
        "UPDATE runs SET label = replace(hex(zeroblob(40000)), '00', 'x') WHERE id = $1";
    struct runs_kit *runs = *state;
    if (runs->kit.url[0] != '\0') {
        skip(); /* Pages of a server are its own. */
    }
    runs->bounds.slots = 1;
    struct runs_row first = runs_add(runs), next = runs_add(runs);
    const struct damage damage = {.sql = long_sql, .id = next.row.id};
    assert_int_equal(runs_do(runs, damage_by_tx, (void *)&damage), ERR_NONE);
    store_close(runs->kit.store);
    damage_text_pages(runs->kit.folder);
    runs_open(runs, runs->kit.folder);
    struct runs_settle settle = {.what = runs_exit(runs, first.run, 0)};
    assert_int_equal(runs_do(runs, runs_settle_tx, &settle), ERR_STORE_CORRUPT);
    struct runs_find find = {.key = {.owner = BYTES("ann"), .run = kit_bytes(next.run)}};
    assert_int_equal(runs_do(runs, find_as_part_tx, &find), ERR_STORE_CORRUPT);
    assert_int_equal(runs_get(runs, first.run).row.state, RUN_RUNNING);
    (void)runs_add_key(runs, (struct runs_place){.key_max = 1});
}

static void a_damaged_child_keeps_no_stop_from_the_others(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row parent = runs_add(runs);
    struct runs_row damaged = runs_add_child(runs, parent.run);
    struct runs_row other = runs_add_child(runs, parent.run);
    assert_int_equal(runs_do(runs, damage_by_tx, &(struct damage){cause_sql, damaged.row.id}),
                     ERR_NONE);
    (void)runs_finish(runs, parent.run);
    assert_int_equal(runs_get(runs, other.run).row.stop, CAUSE_PARENT_ENDED);
    assert_int_equal(runs_get(runs, damaged.run).row.stop, CAUSE_HISTORY_UNREADABLE);
}

static const char kind_sql[] = "UPDATE runs SET kind = 'no such word' WHERE id = $1";

static struct err remove_tx(struct tx *tx, void *ctx) {
    const struct run_key key = {.run = kit_bytes(ctx)};
    bool more = false;
    struct run_row row;
    return tx_run_remove(tx, &key, &more, &row);
}

/* The damage came while the daemon runs, so no start has looked at it. */
static void a_live_run_whose_row_is_damaged_can_be_stopped_and_then_removed(void **state) {
    struct runs_kit *runs = *state;
    static const char *const damages[] = {cause_sql, kind_sql};
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        struct runs_row job = runs_add(runs);
        const struct damage damage = {.sql = damages[i], .id = job.row.id};
        assert_int_equal(runs_do(runs, damage_by_tx, (void *)&damage), ERR_NONE);
        assert_int_equal(runs_do(runs, remove_tx, job.run), ERR_CONFLICT);
        assert_int_equal(runs_do(runs, stop_tx, job.run), ERR_NONE);
        if (!run_state_final(runs_get(runs, job.run).row.state)) {
            assert_int_equal(runs_get(runs, job.run).row.stop, CAUSE_HISTORY_UNREADABLE);
            (void)runs_finish(runs, job.run);
        }
        assert_int_equal(runs_do(runs, stop_tx, job.run), ERR_CONFLICT);
        assert_int_equal(runs_do(runs, remove_tx, job.run), ERR_NONE);
    }
}

struct kinded {
    int64_t id;
    const char *kind;
    int64_t kept; /* Rows of this id and kind. */
};

static struct err set_kind_tx(struct tx *tx, void *ctx) {
    const struct kinded *kinded = ctx;
    const struct arg args[] = {arg_int(kinded->id), arg_text(kit_bytes(kinded->kind))};
    return tx_exec(tx, "UPDATE runs SET kind = $2, label = hex(zeroblob(6500000)) WHERE id = $1",
                   args, COUNT_OF(args), NULL /* one row */);
}

static struct err count_kind_tx(struct tx *tx, void *ctx) {
    struct kinded *kinded = ctx;
    const struct arg args[] = {arg_int(kinded->id), arg_text(kit_bytes(kinded->kind))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT count(*) FROM runs WHERE id = $1 AND kind = $2", args,
                              COUNT_OF(args), &rows);
    kinded->kept = err_failed(err) ? -1 : rows_int(rows, 0);
    return err;
}

static void a_row_whose_text_is_damaged_keeps_its_kind_whichever_it_is(void **state) {
    struct runs_kit *runs = *state;
    for (unsigned kind = 0; kind < RUN_KIND_COUNT; kind++) {
        struct runs_row job = runs_add(runs);
        struct kinded kinded = {.id = job.row.id, .kind = run_kind_name((enum run_kind)kind)};
        assert_int_equal(runs_do(runs, set_kind_tx, &kinded), ERR_NONE);
        assert_int_equal(runs_do(runs, stop_tx, job.run), ERR_NONE);
        assert_int_equal(runs_get(runs, job.run).row.stop, CAUSE_HISTORY_UNREADABLE);
        assert_int_equal(runs_do(runs, count_kind_tx, &kinded), ERR_NONE);
        assert_int_equal(kinded.kept, 1);
    }
}

struct parent {
    int64_t id, parent;
};

static struct err parent_tx(struct tx *tx, void *ctx) {
    const struct parent *row = ctx;
    const struct arg args[] = {arg_int(row->id), arg_int(row->parent)};
    return tx_exec(tx, "UPDATE runs SET parent = $2 WHERE id = $1", args, COUNT_OF(args),
                   NULL /* one row */);
}

static void retention_removes_damaged_rows_in_their_order(void **state) {
    struct runs_kit *runs = *state;
    static const char *const damages[] = {
        cause_sql,
        kind_sql,
        "UPDATE runs SET state = 'no such word' WHERE id = $1",
        "UPDATE runs SET run = '../x' WHERE id = $1",
        "UPDATE runs SET owner = '0123456789' || hex(zeroblob(150)) WHERE id = $1",
        "UPDATE runs SET ended_ms = 0, gate = 'no such word' WHERE id = $1",
        "UPDATE runs SET attempt = 9000000000000000000 WHERE id = $1",
    };
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        struct runs_row job = runs_add(runs);
        runs->kit.clock_ms += 1000;
        (void)runs_finish(runs, job.run);
        const struct damage damage = {.sql = damages[i], .id = job.row.id};
        assert_int_equal(runs_do(runs, damage_by_tx, (void *)&damage), ERR_NONE);
    }
    runs->kit.clock_ms += 1000;
    struct runs_row newest = runs_add(runs);
    (void)runs_finish(runs, newest.run);
    struct runs_prune prune = {.what = {.keep = {.count = 1}, .limit = 100}};
    runs_prune(runs, &prune);
    assert_int_equal(prune.gone, COUNT_OF(damages));
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs"), 1);
    assert_int_equal(runs_get(runs, newest.run).row.state, RUN_SUCCEEDED);
}

static void below(struct runs_kit *runs, int64_t id, int64_t parent) {
    struct damage set = {.sql = "UPDATE runs SET step_key = 'k' WHERE id = $1", .id = id};
    assert_int_equal(runs_do(runs, damage_by_tx, &set), ERR_NONE);
    assert_int_equal(runs_do(runs, parent_tx, &(struct parent){id, parent}), ERR_NONE);
}

/* The turn of an agent of it lives. */
static void a_damaged_workflow_that_stays_keeps_no_other_from_its_removal(void **state) {
    struct runs_kit *runs = *state;
    static const char *const damages[] = {
        kind_sql,
        "UPDATE runs SET kind = 'workflow' WHERE id = $1",
    };
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        struct runs_row workflow = runs_add(runs), agent = runs_add(runs), turn = runs_add(runs);
        (void)runs_finish(runs, agent.run);
        (void)runs_finish(runs, workflow.run);
        below(runs, agent.row.id, workflow.row.id);
        below(runs, turn.row.id, agent.row.id);
        const struct damage damage = {.sql = damages[i], .id = workflow.row.id};
        assert_int_equal(runs_do(runs, damage_by_tx, (void *)&damage), ERR_NONE);
        runs->kit.clock_ms += 1000;
        struct runs_row old = runs_add(runs);
        (void)runs_finish(runs, old.run);
        runs->kit.clock_ms += 1000;
        struct runs_prune prune = {.what = {.keep = {.count = 1 + (int64_t)i}, .limit = 1}};
        runs_prune(runs, &prune);
        assert_int_equal(prune.gone, 1);
        runs_prune(runs, &prune);
        assert_false(prune.more);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        RUNS_TEST(a_damaged_row_keeps_nobody_from_its_slot_or_key),
        RUNS_TEST(a_run_that_is_refused_keeps_nobody_from_an_end_or_a_place),
        RUNS_TEST(a_run_submitted_after_one_that_is_unwritable_begins),
        RUNS_TEST(a_queued_row_that_is_very_long_keeps_nobody_from_an_end),
        RUNS_TEST(a_row_on_damaged_pages_ends_neither_the_daemon_nor_its_store),
        RUNS_TEST(a_damaged_child_keeps_no_stop_from_the_others),
        RUNS_TEST(a_live_run_whose_row_is_damaged_can_be_stopped_and_then_removed),
        RUNS_TEST(a_row_whose_text_is_damaged_keeps_its_kind_whichever_it_is),
        RUNS_TEST(retention_removes_damaged_rows_in_their_order),
        RUNS_TEST(a_damaged_workflow_that_stays_keeps_no_other_from_its_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
