/* What a step of a workflow costs the store. */
#include "runs_kit.h"

#include "engine/budget/budget.h"
#include "engine/workflow/steps.h"
#include "journal/journal.h"

/* --- Statements, counted ---------------------------------------------------------------------- */

struct counted {
    unsigned runs_inserted, runs_updated, events, all;
};
static struct counted counted;
static bool fails_first; /* Every question fails. */

static bool begins(const char *sql, const char *with) {
    return strncmp(sql, with, strlen(with)) == 0;
}

static void count(const char *sql) {
    counted.all++;
    counted.runs_inserted += begins(sql, "INSERT INTO runs ");
    counted.runs_updated += begins(sql, "UPDATE runs ");
    counted.events += begins(sql, "INSERT INTO events ");
}

struct err __real_tx_exec(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                          int64_t *ret_changed);
struct err __wrap_tx_exec(struct tx *tx, const char *sql, const struct arg *args, size_t number,
                          int64_t *ret_changed);
struct err __wrap_tx_exec(struct tx *tx, const char *sql, const struct arg *args, size_t number,
                          int64_t *ret_changed) {
    count(sql);
    return __real_tx_exec(tx, sql, args, number, ret_changed);
}
struct err __real_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                           struct rows **ret_rows);
struct err __wrap_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t number,
                           struct rows **ret_rows);
struct err __wrap_tx_first(struct tx *tx, const char *sql, const struct arg *args, size_t number,
                           struct rows **ret_rows) {
    count(sql);
    return fails_first ? tx_fail(tx, err_make(ERR_DISK_FULL, "steps: the test says so"))
                       : __real_tx_first(tx, sql, args, number, ret_rows);
}

static void do_once(struct runs_kit *runs, store_fn fn, void *ctx) {
    struct runs_call call = {.fn = fn, .ctx = ctx};
    counted = (struct counted){0};
    assert_int_equal(kit_write(&runs->kit, runs_call_tx, &call.call).code, ERR_NONE);
}

/* --- A workflow and a step of it -------------------------------------------------------------- */

static struct err submit_tx(struct tx *tx, void *ctx) {
    static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct runs_submit *submit = ctx;
    const struct workflow_new what = {.run = submit->what,
                                      .script = BYTES("return 1"),
                                      .hash = BYTES(hash),
                                      .resume = BYTES(""),
                                      .started = BYTES("\"name\":\"flock\"")};
    struct why why = {""};
    struct run_row row;
    struct err err = tx_workflow_submit(tx, &what, &row, &why);
    if (!err_failed(err)) {
        runs_copy(&row, &submit->row);
    }
    return err;
}

static struct runs_row add_workflow(struct runs_kit *runs) {
    struct runs_submit submit = {.what = runs_new(runs)};
    submit.what.kind = KIND_WORKFLOW;
    submit.what.spec = BYTES("{}");
    do_once(runs, submit_tx, &submit);
    return submit.row;
}

struct step {
    struct step_new begin;
    struct step_end end;
    enum step_begun begun;
    bool budgeted, late;
    struct usage used;
};

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct step *step = ctx;
    return tx_step_begin(tx, &step->begin, &step->begun, &step->budgeted);
}

static struct err end_tx(struct tx *tx, void *ctx) {
    struct step *step = ctx;
    return tx_step_end(tx, &step->end, &step->late, &step->used);
}

/* `run` is filled: the step's name lives there. */
static struct step step_of(struct runs_kit *runs, const struct runs_row *workflow,
                           int64_t occurrence) {
    static const char key[] = "abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789";
    struct step step = {.begin = {.place = {.id = workflow->row.id,
                                            .owner = BYTES("ann"),
                                            .run = kit_bytes(workflow->run)},
                                  .run = runs_id(runs),
                                  .key = BYTES(key),
                                  .occurrence = occurrence,
                                  .label = BYTES("sheep"),
                                  .phase = BYTES(""),
                                  .model = BYTES("scripted/demo"),
                                  .prompt = BYTES("count sheep"),
                                  .spec = BYTES("{\"prompt\":\"count sheep\"}"),
                                  .bounds = runs->bounds}};
    step.end = (struct step_end){.place = step.begin.place,
                                 .attempt = 1,
                                 .cause = CAUSE_COMPLETED,
                                 .result = BYTES("\"seven\""),
                                 .note = BYTES(""),
                                 .label = BYTES("sheep"),
                                 .phase = BYTES(""),
                                 .model = BYTES("scripted/demo"),
                                 .project = BYTES("default"),
                                 .calls = 1,
                                 .took_ms = 42,
                                 .bounds = runs->bounds};
    return step;
}

static void an_agent_of_one_call_is_one_insert_one_update_and_two_events(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    struct step step = step_of(runs, &workflow, 1);
    step.end.run = kit_bytes(step.begin.run.text);
    do_once(runs, begin_tx, &step);
    assert_int_equal(step.begun, STEP_BEGUN);
    assert_int_equal(counted.runs_inserted, 1);
    assert_int_equal(counted.runs_updated, 0);
    assert_int_equal(counted.events, 1);
    assert_int_equal(counted.all, 5); /* A question; of the event, the stream's row is two. */
    do_once(runs, end_tx, &step);
    assert_false(step.late);
    assert_int_equal(counted.runs_inserted, 0);
    assert_int_equal(counted.runs_updated, 1);
    assert_int_equal(counted.events, 1);
    assert_int_equal(counted.all, 5); /* And one for what was used. */
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE step_key <> ''"), 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM events WHERE type LIKE 'agent_%'"), 2);
}

static struct err both_tx(struct tx *tx, void *ctx) {
    struct step *step = ctx;
    step->begin.end = &step->end;
    step->begin.end_tells = true;
    struct err err = begin_tx(tx, step);
    step->end.written = step->begun == STEP_BEGUN;
    step->end.untold = &step->begin;
    return err_failed(err) ? err : end_tx(tx, step);
}

/* What a row says of a step, apart from its name and number. */
static void add_row(struct runs_kit *runs, const char *run, char *ret_text, size_t size);

static void one_that_ends_in_the_same_commit_is_written_once_and_just_the_same(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    struct step apart = step_of(runs, &workflow, 1), both = step_of(runs, &workflow, 2);
    apart.end.run = kit_bytes(apart.begin.run.text);
    both.end.run = kit_bytes(both.begin.run.text);
    both.end.usage.output = apart.end.usage.output = 7;
    do_once(runs, begin_tx, &apart);
    do_once(runs, end_tx, &apart);
    do_once(runs, both_tx, &both);
    assert_false(both.late);
    assert_int_equal(counted.runs_inserted, 1);
    assert_int_equal(counted.runs_updated, 0);
    assert_int_equal(counted.events, 2);
    assert_int_equal(counted.all, 7); /* The stream's row is two for both, the usage is one. */
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM events b JOIN events e"
                                      " ON e.stream = b.stream AND e.seq = b.seq + 1"
                                      " AND substr(e.data, 1, 40) = substr(b.data, 1, 40)"
                                      " AND e.type = 'agent_finished'"
                                      " WHERE b.type = 'agent_started'"),
                     2);
    char one[2000], other[2000];
    add_row(runs, apart.begin.run.text, one, sizeof one);
    add_row(runs, both.begin.run.text, other, sizeof other);
    assert_string_equal(one, other);
    assert_int_equal(
        runs_count(runs, "SELECT count(DISTINCT done_no) FROM runs WHERE step_key <> ''"), 2);
}

struct history {
    struct step_page page;
    int64_t last, seen, told;
    bool whole;
};

static struct err see(void *ctx, const struct step_row *row) {
    struct history *history = ctx;
    history->seen += row->done_no > history->page.after;
    history->told += row->result.len > 0;
    return ERR_OK;
}

static struct err history_tx(struct tx *tx, void *ctx) {
    struct history *history = ctx;
    history->seen = history->told = 0;
    return tx_step_history(tx, &history->page, see, history, &history->last, &history->whole);
}

static void a_page_of_a_history_says_whether_it_is_the_last(void **state) {
    static const struct {
        int64_t after, limit;
        size_t bytes_max;
        int64_t seen;
        bool whole, bare;
    } pages[] = {{0, 2, 4096, 2, false, false}, {0, 3, 4096, 3, false, false},
                 {0, 4, 4096, 3, true, false},  {2, 4, 4096, 1, true, false},
                 {3, 4, 4096, 0, true, false},  {0, 4, 1, 1, false, false},
                 {0, 4, 4096, 3, true, true},   {1, 1, 4096, 1, false, true}};
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    for (int64_t i = 1; i <= 3; i++) {
        struct step step = step_of(runs, &workflow, i);
        step.end.run = kit_bytes(step.begin.run.text);
        do_once(runs, begin_tx, &step);
        do_once(runs, end_tx, &step);
    }
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        struct history history = {.page = {.workflow = workflow.row.id,
                                           .after = pages[i].after,
                                           .limit = pages[i].limit,
                                           .bytes_max = pages[i].bytes_max,
                                           .bare = pages[i].bare}};
        do_once(runs, history_tx, &history);
        assert_int_equal(history.seen, pages[i].seen);
        assert_int_equal(history.told, pages[i].bare ? 0 : pages[i].seen);
        assert_int_equal(history.whole, pages[i].whole);
        assert_int_equal(history.last, pages[i].after + pages[i].seen);
    }
}

struct settled {
    struct run_row workflow;
    int64_t prune, seq, reuse_max;
    struct err err;
    struct why why;
};

static struct err settled_tx(struct tx *tx, void *ctx) {
    struct settled *settled = ctx;
    struct stream_state stream;
    bool found = false, more = false;
    settled->err = tx_step_settled_at(tx, &settled->workflow, settled->seq, &settled->reuse_max,
                                      &settled->why);
    struct err err =
        tx_stream_find(tx, settled->workflow.owner,
                       tx_stream_name(tx, "run:", settled->workflow.run), &found, &stream);
    assert_true(found);
    return err_failed(err) || settled->prune == 0
               ? err
               : tx_prune(tx, stream.stream, settled->prune, JOURNAL_PRUNE_MAX, &more);
}

/* Events of the workflow: 1, 2 its start; 3, 4 the first agent; 5, 6 the second. */
static void what_had_finished_at_an_event_is_known_also_where_older_ones_were_pruned(void **state) {
    static const struct {
        int64_t prune, seq, reuse_max;
        enum err_code code;
    } asked[] = {{0, 0, 0, ERR_NONE}, {0, 3, 0, ERR_NONE}, {0, 4, 1, ERR_NONE},
                 {0, 5, 1, ERR_NONE}, {0, 6, 2, ERR_NONE}, {4, 7, 0, ERR_CURSOR_AHEAD},
                 {0, 3, 0, ERR_GONE}, {0, 4, 1, ERR_NONE}, {6, 5, 1, ERR_NONE},
                 {0, 6, 2, ERR_NONE}};
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    for (int64_t i = 1; i <= 2; i++) {
        struct step step = step_of(runs, &workflow, i);
        step.end.run = kit_bytes(step.begin.run.text);
        do_once(runs, begin_tx, &step);
        do_once(runs, end_tx, &step);
    }
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        struct settled settled = {.workflow = {.id = workflow.row.id,
                                               .owner = BYTES("ann"),
                                               .run = kit_bytes(workflow.run)},
                                  .prune = asked[i].prune,
                                  .seq = asked[i].seq};
        do_once(runs, settled_tx, &settled);
        assert_int_equal(settled.err.code, asked[i].code);
        assert_int_equal(settled.reuse_max, asked[i].reuse_max);
        assert_int_equal(settled.why.text[0] != '\0', asked[i].code != ERR_NONE);
    }
}

static void where_the_workflow_has_ended_nothing_is_written(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    struct step step = step_of(runs, &workflow, 1);
    step.end.run = kit_bytes(step.begin.run.text);
    step.begin.place.id += 1000;
    step.end.place.id += 1000;
    do_once(runs, both_tx, &step);
    assert_int_equal(step.begun, STEP_LATE);
    assert_true(step.late);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE step_key <> ''"), 0);
}

static struct err limit_tx(struct tx *tx, void *ctx) {
    struct runs_kit *runs = ctx;
    struct budget_set set = {.key = {.scope = BYTES("global")}, .bounds = runs->bounds};
    struct budget_row row;
    set.limits.named[AMOUNT_TOKENS] = true;
    set.limits.limits.of[AMOUNT_TOKENS] = 20000;
    set.limits.named[AMOUNT_WALL] = true;
    set.limits.limits.of[AMOUNT_WALL] = 1000000;
    return tx_budget_set(tx, &set, &row);
}

/* The wall clock is set back while the agent works. */
static void a_step_took_what_its_performer_measured(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    do_once(runs, limit_tx, runs);
    struct step step = step_of(runs, &workflow, 1);
    step.begin.asks = true;
    step.end.run = kit_bytes(step.begin.run.text);
    step.end.budgeted = true;
    do_once(runs, begin_tx, &step);
    runs->kit.clock_ms -= 3600000;
    do_once(runs, end_tx, &step);
    assert_false(step.late);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM runs WHERE ended_ms < started_ms"), 0);
    assert_int_equal(runs_count(runs, "SELECT wall_ms_spent FROM budgets"), 42);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM events WHERE type = 'agent_finished'"
                                      " AND data LIKE '%\"ms\":42%'"),
                     1);
}

struct restart {
    struct run_key key;
    struct run_bounds bounds;
    struct step_again again;
};

static struct err again_tx(struct tx *tx, void *ctx) {
    struct restart *restart = ctx;
    return tx_step_again(tx, restart->key.run, &restart->bounds, &restart->again);
}

static struct err restart_tx(struct tx *tx, void *ctx) {
    struct restart *restart = ctx;
    struct run_row row;
    struct why why = {""};
    return tx_step_restart(tx, &restart->key, &restart->bounds, &row, &why);
}

/* What is spent, by wall time, after one reserve. */
static int64_t reserve_once(struct runs_kit *runs, struct step *step) {
    struct runs_row workflow = add_workflow(runs);
    do_once(runs, limit_tx, runs);
    *step = step_of(runs, &workflow, 1);
    step->begin.asks = true;
    do_once(runs, begin_tx, step);
    assert_int_equal(step->begun, STEP_BEGUN);
    int64_t held = runs_count(runs, "SELECT wall_ms_held FROM runs WHERE step_key <> ''");
    assert_true(held > 0);
    return runs_count(runs, "SELECT wall_ms_spent FROM budgets") + held;
}

static void a_restart_of_an_agent_that_was_asked_again_charges_no_second_reserve(void **state) {
    struct runs_kit *runs = *state;
    struct step step;
    runs->kit.clock_ms = 1000000;
    int64_t once = reserve_once(runs, &step);
    struct restart restart = {.key = {.owner = BYTES("ann"), .run = kit_bytes(step.begin.run.text)},
                              .bounds = runs->bounds};
    runs_restart(runs);
    do_once(runs, again_tx, &restart);
    assert_false(restart.again.late);
    assert_int_equal(runs_count(runs, "SELECT wall_ms_spent FROM budgets"), once);
    do_once(runs, restart_tx, &restart); /* It is in this daemon's hands, and took no time. */
    assert_int_equal(runs_count(runs, "SELECT wall_ms_spent FROM budgets"), once);
}

struct park {
    struct bytes run;
    int64_t workflow, resume_at_ms, parked_ms;
    struct step_spent spent; /* Stored by a wait, and read. */
};

static struct err park_tx(struct tx *tx, void *ctx) {
    const struct park *park = ctx;
    const struct provider_wait wait = {.resume_at_ms = park->resume_at_ms, .cause = CAUSE_QUOTA};
    return tx_step_provider(tx, park->run, /* attempt */ 1, &wait, &park->spent);
}

static struct err parked_see(void *ctx, const struct step_row *row) {
    struct park *park = ctx;
    park->parked_ms = row->parked_ms;
    park->spent = row->spent;
    return ERR_OK;
}

static struct err parked_tx(struct tx *tx, void *ctx) {
    const struct park *park = ctx;
    return tx_step_open(tx, park->workflow, parked_see, ctx);
}

static int64_t minutes_parked(struct runs_kit *runs, struct park *park) {
    do_once(runs, parked_tx, park);
    return steps__parked_ms(park->parked_ms, runs->kit.clock_ms) / 60000;
}

/* minutes: 0: the call is made. */
static void park_for(struct runs_kit *runs, struct park *park, int64_t minutes) {
    park->resume_at_ms = minutes == 0 ? 0 : runs->kit.clock_ms + minutes * 60000;
    do_once(runs, park_tx, park);
}

static void parks_of_an_agent_are_known_after_a_restart(void **state) {
    struct runs_kit *runs = *state;
    const int64_t half_hour = 1800000;
    struct runs_row workflow = add_workflow(runs);
    struct step step = step_of(runs, &workflow, 1);
    struct park park = {.run = kit_bytes(step.begin.run.text), .workflow = workflow.row.id};
    struct restart restart = {.key = {.owner = BYTES("ann"), .run = park.run},
                              .bounds = runs->bounds};
    do_once(runs, begin_tx, &step);
    park_for(runs, &park, 1);
    runs->kit.clock_ms += half_hour;
    assert_int_equal(minutes_parked(runs, &park), 0); /* A wait in an outage is no park. */
    park_for(runs, &park, 60);
    runs->kit.clock_ms += half_hour;
    runs_restart(runs);
    assert_int_equal(minutes_parked(runs, &park), 30);
    runs->kit.clock_ms += half_hour;
    park_for(runs, &park, 60); /* Still away. */
    assert_int_equal(minutes_parked(runs, &park), 60);
    park_for(runs, &park, 0);
    runs->kit.clock_ms += half_hour;
    assert_int_equal(minutes_parked(runs, &park), 60);
    park_for(runs, &park, 60);
    runs->kit.clock_ms += half_hour;
    assert_int_equal(minutes_parked(runs, &park), 90);
    do_once(runs, restart_tx, &restart);
    assert_int_equal(minutes_parked(runs, &park), 0);
}

static void usage_before_a_wait_is_with_the_next_performer(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    struct step step = step_of(runs, &workflow, 1);
    struct park park = {.run = kit_bytes(step.begin.run.text), .workflow = workflow.row.id};
    const struct step_spent spent = {
        .usage = {.fresh = 1, .cache_read = 2, .cache_write = 3, .output = 4, .reasoning = 5},
        .cost_micros = 6,
        .calls = 8,
        .calls_unpriced = 7};
    do_once(runs, begin_tx, &step);
    park.spent = spent;
    park_for(runs, &park, 60);
    park.spent = (struct step_spent){.calls = 0};
    park_for(runs, &park, 0); /* The call is made, and a crash comes. */
    runs_restart(runs);
    do_once(runs, parked_tx, &park);
    assert_memory_equal(&park.spent.usage, &spent.usage, offsetof(struct usage, estimated));
    assert_int_equal(park.spent.cost_micros, spent.cost_micros);
    assert_int_equal(park.spent.calls, spent.calls);
    assert_int_equal(park.spent.calls_unpriced, spent.calls_unpriced);
}

static void a_restart_of_an_agent_that_only_waited_charges_nothing(void **state) {
    struct runs_kit *runs = *state;
    struct step step;
    runs->kit.clock_ms = 1000000;
    (void)reserve_once(runs, &step); /* Is not spent here. */
    struct park park = {.run = kit_bytes(step.begin.run.text)};
    struct restart restart = {.key = {.owner = BYTES("ann"), .run = park.run},
                              .bounds = runs->bounds};
    const int64_t held = runs_count(runs, "SELECT tokens_held FROM runs WHERE step_key <> ''");
    park_for(runs, &park, 60);
    runs_restart(runs);
    do_once(runs, restart_tx, &restart);
    do_once(runs, again_tx, &restart);
    assert_false(restart.again.late);
    assert_int_equal(runs_count(runs, "SELECT wall_ms_spent + tokens_spent FROM budgets"), 0);
    assert_int_equal(runs_count(runs, "SELECT tokens_held FROM runs WHERE step_key <> ''"), held);
}

static void the_known_part_of_a_cost_counts_beside_an_unknown_one(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    do_once(runs, limit_tx, runs);
    struct step step = step_of(runs, &workflow, 1);
    step.begin.asks = true;
    step.end.run = kit_bytes(step.begin.run.text);
    step.end.budgeted = true;
    do_once(runs, begin_tx, &step);
    step.end.usage.output = 7;
    step.end.cost = (struct usage_cost){.known = false, .micros = 500};
    step.end.calls = 3;
    step.end.calls_unpriced = 1;
    do_once(runs, end_tx, &step);
    assert_false(step.late);
    assert_int_equal(runs_count(runs, "SELECT cost_micros_spent FROM budgets"), 500);
    assert_int_equal(runs_count(runs, "SELECT cost_unknown FROM budgets"), 1);
}

static void an_agent_that_is_asked_again_after_its_restart_is_charged_once(void **state) {
    struct runs_kit *runs = *state;
    struct step step;
    runs->kit.clock_ms = 1000000;
    int64_t once = reserve_once(runs, &step);
    struct restart restart = {.key = {.owner = BYTES("ann"), .run = kit_bytes(step.begin.run.text)},
                              .bounds = runs->bounds};
    runs_restart(runs);
    do_once(runs, restart_tx, &restart);
    do_once(runs, restart_tx, &restart);
    runs_restart(runs);
    do_once(runs, again_tx, &restart);
    assert_false(restart.again.late);
    assert_int_equal(runs_count(runs, "SELECT wall_ms_spent FROM budgets"), once);
    do_once(runs, again_tx, &restart); /* The worker crashed: its call is in nobody's hands. */
    assert_true(runs_count(runs, "SELECT wall_ms_spent FROM budgets") > once);
}

static int64_t tokens_spent(struct runs_kit *runs) {
    return runs_count(runs, "SELECT tokens_spent FROM budgets");
}

static int64_t tokens_held(struct runs_kit *runs) {
    return runs_count(runs, "SELECT tokens_held FROM runs WHERE step_key <> ''");
}

/* What an attempt took is known when its agent ends; until then a crash may come. */
static void a_crash_after_a_restart_charges_both_attempts(void **state) {
    struct runs_kit *runs = *state;
    struct step step;
    (void)reserve_once(runs, &step);
    struct restart restart = {.key = {.owner = BYTES("ann"), .run = kit_bytes(step.begin.run.text)},
                              .bounds = runs->bounds};
    const int64_t one = tokens_held(runs);
    assert_int_equal(one, 8000);
    do_once(runs, restart_tx, &restart);
    assert_int_equal(tokens_spent(runs), 0);
    assert_int_equal(tokens_held(runs), 2 * one);
    do_once(runs, restart_tx, &restart);
    assert_int_equal(tokens_held(runs), 20000); /* Of the third what the limit has left. */
    runs_restart(runs);
    do_once(runs, again_tx, &restart);
    assert_false(restart.again.late);
    assert_int_equal(tokens_spent(runs), 20000);
    assert_int_equal(tokens_held(runs), one);
}

static void an_agent_that_was_restarted_is_charged_what_it_used(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    do_once(runs, limit_tx, runs);
    struct step step = step_of(runs, &workflow, 1);
    step.begin.asks = true;
    do_once(runs, begin_tx, &step);
    struct restart restart = {.key = {.owner = BYTES("ann"), .run = kit_bytes(step.begin.run.text)},
                              .bounds = runs->bounds};
    do_once(runs, restart_tx, &restart);
    step.end.run = kit_bytes(step.begin.run.text);
    step.end.attempt = 2;
    step.end.budgeted = true;
    step.end.calls = 2;
    step.end.usage = (struct usage){.fresh = 300, .output = 40};
    do_once(runs, end_tx, &step);
    assert_false(step.late);
    assert_int_equal(tokens_spent(runs), 340);
    assert_int_equal(tokens_held(runs), 0);
}

/* The price of one of two calls is known: it counts, and the other call stands beside it. */
static void an_agent_with_a_call_of_unknown_cost_is_charged_the_known_part(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    do_once(runs, limit_tx, runs);
    struct step step = step_of(runs, &workflow, 1);
    step.begin.asks = true;
    do_once(runs, begin_tx, &step);
    step.end.run = kit_bytes(step.begin.run.text);
    step.end.budgeted = true;
    step.end.calls = 2;
    step.end.calls_unpriced = 1;
    step.end.usage = (struct usage){.fresh = 300, .output = 40};
    step.end.cost = (struct usage_cost){.known = false, .micros = 70};
    do_once(runs, end_tx, &step);
    assert_int_equal(runs_count(runs, "SELECT cost_micros_spent FROM budgets"), 70);
    assert_int_equal(runs_count(runs, "SELECT cost_unknown FROM budgets"), 1);
}

/* A person restarts it before the daemon that came back has asked again. */
static void an_agent_that_waited_for_its_provider_is_charged_no_reserve(void **state) {
    struct runs_kit *runs = *state;
    struct step step;
    runs->kit.clock_ms = 1000000;
    (void)reserve_once(runs, &step);
    struct park park = {.run = kit_bytes(step.begin.run.text)};
    struct restart restart = {.key = {.owner = BYTES("ann"), .run = park.run},
                              .bounds = runs->bounds};
    park_for(runs, &park, 60);
    runs_restart(runs);
    do_once(runs, restart_tx, &restart);
    assert_int_equal(tokens_spent(runs), 0);
    assert_int_equal(tokens_held(runs), 8000);
}

static struct err unlimit_tx(struct tx *tx, void *ctx) {
    struct runs_kit *runs = ctx;
    const struct budget_key global = {.scope = BYTES("global")};
    struct budget_row row;
    return tx_budget_remove(tx, &global, &runs->bounds, &row);
}

struct standing {
    struct run_row workflow;
    bool budgeted;
};

static struct err budgeted_tx(struct tx *tx, void *ctx) {
    struct standing *standing = ctx;
    return tx_step_budgeted(tx, &standing->workflow, &standing->budgeted);
}

static int64_t count_holders(struct runs_kit *runs) {
    return runs_count(runs, "SELECT count(*) FROM runs WHERE charged <> 0 OR wall_ms_held <> 0");
}

/* The next daemon knows of budgets only what the store says. */
static void an_agent_gives_back_its_reserve_also_when_its_budget_was_removed(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    struct standing standing = {.workflow = {.id = workflow.row.id}};
    do_once(runs, limit_tx, runs);
    struct step step = step_of(runs, &workflow, 1);
    step.begin.asks = true;
    do_once(runs, begin_tx, &step);
    do_once(runs, unlimit_tx, runs);
    runs_restart(runs);
    do_once(runs, budgeted_tx, &standing);
    assert_true(standing.budgeted);
    step.end.run = kit_bytes(step.begin.run.text);
    step.end.budgeted = standing.budgeted;
    assert_int_equal(count_holders(runs), 1);
    do_once(runs, end_tx, &step);
    assert_false(step.late);
    assert_int_equal(count_holders(runs), 0);
    do_once(runs, budgeted_tx, &standing);
    assert_false(standing.budgeted);
}

struct taking {
    struct step_cached cached;
    struct bytes value;
    bool late;
};

static struct err cached_tx(struct tx *tx, void *ctx) {
    struct taking *taking = ctx;
    return tx_step_cached(tx, &taking->cached, &taking->late, &taking->value);
}

static void a_question_that_failed_says_nothing_of_the_workflow(void **state) {
    struct runs_kit *runs = *state;
    struct runs_row workflow = add_workflow(runs);
    const struct step step = step_of(runs, &workflow, 1);
    struct taking taking = {.cached = {.step = step.begin, .from = kit_bytes(workflow.run)}};
    struct runs_call call = {.fn = cached_tx, .ctx = &taking};
    fails_first = true;
    assert_int_equal(kit_write(&runs->kit, runs_call_tx, &call.call).code, ERR_DISK_FULL);
    fails_first = false;
    assert_false(taking.late);
}

struct reading {
    const char *run;
    char *text;
    size_t size;
};

static struct err read_tx(struct tx *tx, void *ctx) {
    static const char sql[] =
        "SELECT owner || kind || parent || state || gate || cause || stop || attempt || epoch"
        " || exit_code || (started_ms > 0) || (ended_ms >= started_ms) || label || host || note"
        " || budget || lane || charged || result || spec || step_key || output_tokens || tokens"
        " || cost_micros || cached FROM runs WHERE run = $1";
    const struct reading *reading = ctx;
    const struct arg args[] = {arg_text(kit_bytes(reading->run))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        assert_non_null(rows);
        runs_copy_text(rows_text(rows, 0), reading->text, reading->size);
    }
    return err;
}

static void add_row(struct runs_kit *runs, const char *run, char *ret_text, size_t size) {
    struct reading reading = {.run = run, .text = ret_text, .size = size};
    do_once(runs, read_tx, &reading);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_agent_of_one_call_is_one_insert_one_update_and_two_events, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(
            one_that_ends_in_the_same_commit_is_written_once_and_just_the_same, runs_begin,
            runs_end),
        cmocka_unit_test_setup_teardown(a_page_of_a_history_says_whether_it_is_the_last, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(
            what_had_finished_at_an_event_is_known_also_where_older_ones_were_pruned, runs_begin,
            runs_end),
        cmocka_unit_test_setup_teardown(a_step_took_what_its_performer_measured, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(
            a_restart_of_an_agent_that_was_asked_again_charges_no_second_reserve, runs_begin,
            runs_end),
        cmocka_unit_test_setup_teardown(a_crash_after_a_restart_charges_both_attempts, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(an_agent_that_was_restarted_is_charged_what_it_used,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(
            an_agent_with_a_call_of_unknown_cost_is_charged_the_known_part, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(an_agent_that_waited_for_its_provider_is_charged_no_reserve,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(
            an_agent_that_is_asked_again_after_its_restart_is_charged_once, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(
            an_agent_gives_back_its_reserve_also_when_its_budget_was_removed, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(usage_before_a_wait_is_with_the_next_performer, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_restart_of_an_agent_that_only_waited_charges_nothing,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(the_known_part_of_a_cost_counts_beside_an_unknown_one,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(parks_of_an_agent_are_known_after_a_restart, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_question_that_failed_says_nothing_of_the_workflow,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(where_the_workflow_has_ended_nothing_is_written, runs_begin,
                                        runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
