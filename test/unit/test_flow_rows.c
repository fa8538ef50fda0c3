/* Rows of flows: rounds, children, questions, and ends, each with a restart in between. */
/* runs-with: sqlite, postgres */
#include "runs_kit.h"

#include "engine/approval/approvals.h"
#include "engine/flow/flows.h"

#define F "{\"function\":true}"

/* code "look" ─> switch "which" ─> command "fix" (branch bad) ─> approval "ok" (back to fix) */
static const char release[] =
    "{\"steps\":[{\"id\":\"look\",\"kind\":\"code\",\"run\":" F "},"
    "{\"id\":\"which\",\"kind\":\"switch\",\"deps\":[\"look\"],\"cases\":[{\"label\":\"bad\","
    "\"condition\":" F ",\"stepIds\":[\"fix\"]}],\"defaultBranch\":[\"praise\"]},"
    "{\"id\":\"fix\",\"kind\":\"command\",\"command\":\"true\",\"maxRetries\":1},"
    "{\"id\":\"praise\",\"kind\":\"code\",\"run\":" F "},"
    "{\"id\":\"ok\",\"kind\":\"approval\",\"prompt\":\"Good?\",\"deps\":[\"fix\",\"praise\"],"
    "\"rewind_to\":\"fix\"}]}";

struct flow_run {
    struct runs_kit *runs;
    char run[ID_SIZE];
    char seen[512]; /* "look completed over 'text', …" */
    struct flow_place places[8];
    enum flow_stage stage;
    bool found, late;
    struct flow_known known; /* For a look. */
    int64_t head;            /* As the last look had it. */
    /* For the next transaction: */
    const char *description;
    struct flow_told told;
    struct flow *before, *after; /* As of struct flow_place; NULL: it reads the flow itself. */
    struct run_new job;
    struct runs_row child;
    enum approval_verb verb;
    const char *resume; /* NULL: none. */
    json_t *rerun;      /* Owned by the test; NULL: none. */
    struct why why;
};

static struct err submit_tx(struct tx *tx, void *ctx) {
    struct flow_run *flow = ctx;
    struct run_row row;
    struct flow_new what = {.run = runs_new(flow->runs),
                            .name = BYTES("release"),
                            .file = BYTES("release.js"),
                            .source = BYTES("export default {}"),
                            .description = bytes_of(flow->description),
                            .input = BYTES("{}"),
                            .model = BYTES(""),
                            .root = BYTES("/tmp"),
                            .step_timeout_ms = FLOW_STEP_TIMEOUT_MS,
                            .resume = bytes_of(flow->resume != NULL ? flow->resume : ""),
                            .rerun = flow->rerun};
    what.run.kind = KIND_FLOW;
    const struct err err = tx_flow_submit(tx, &what, &row, &flow->why);
    if (!err_failed(err)) {
        runs_copy_text(row.run, flow->run, sizeof flow->run);
    }
    return err;
}

static struct err adopt_tx(struct tx *tx, void *ctx) {
    struct flow_run *flow = ctx;
    return tx_flow_adopt(tx, bytes_of(flow->run), &flow->runs->bounds, &flow->late);
}

static void on_item(void *ctx, const struct flow_item *item) {
    struct flow_run *flow = ctx;
    const size_t len = strlen(flow->seen);
    (void)snprintf(flow->seen + len, sizeof flow->seen - len, "%s%.*s %s %s '%.*s'",
                   len > 0 ? ", " : "", (int)item->id.len, item->id.data,
                   flow_status_names[item->status], flow_phase_names[item->phase],
                   (int)item->result.len, item->result.data);
    flow->places[item->place] = (struct flow_place){.at = item->place, .version = item->version};
}

static struct err look_tx(struct tx *tx, void *ctx) {
    struct flow_run *flow = ctx;
    struct flow_look look = {.stage = FLOW_IS_OVER};
    flow->seen[0] = '\0';
    struct err err = tx_flow_look(tx, bytes_of(flow->run), &flow->found, &look);
    flow->stage = look.stage;
    flow->head = look.head;
    return err_failed(err) || !flow->found ? err
                                           : tx_flow_steps(tx, &look, flow->known, on_item, flow);
}

/* After a restart of the daemon, the rows say the same. */
static void assert_steps(struct flow_run *flow, const char *steps) {
    assert_int_equal(runs_do(flow->runs, look_tx, flow), ERR_NONE);
    assert_string_equal(flow->seen, steps);
    runs_restart(flow->runs);
    assert_int_equal(runs_do(flow->runs, adopt_tx, flow), ERR_NONE);
    assert_int_equal(runs_do(flow->runs, look_tx, flow), ERR_NONE);
    assert_string_equal(flow->seen, steps);
}

static struct err tell_tx(struct tx *tx, void *ctx) {
    struct flow_run *flow = ctx;
    return tx_flow_answer(tx, &flow->told, &flow->late);
}

static bool tell(struct flow_run *flow, size_t at, struct flow_answer answer, const char *text) {
    assert_int_equal(runs_do(flow->runs, look_tx, flow), ERR_NONE);
    flow->told = (struct flow_told){
        .place = {bytes_of(flow->run), at, flow->places[at].version, flow->before, flow->after},
        .answer = answer,
        .text = bytes_of(text),
        .bounds = flow->runs->bounds};
    flow->told.answer.version = flow->places[at].version;
    assert_int_equal(runs_do(flow->runs, tell_tx, flow), ERR_NONE);
    return !flow->late;
}

static struct err child_tx(struct tx *tx, void *ctx) {
    struct flow_run *flow = ctx;
    const struct flow_child child = {
        .place = {.run = bytes_of(flow->run),
                  .at = flow->told.place.at,
                  .version = flow->places[flow->told.place.at].version},
        .job = &flow->job};
    const struct err err = tx_flow_child(tx, &child, &flow->late, &flow->why);
    return err;
}

/* A job begins for the step; its id is that of the run. */
static void begin(struct flow_run *flow, size_t at) {
    assert_int_equal(runs_do(flow->runs, look_tx, flow), ERR_NONE);
    flow->told.place.at = at;
    flow->job = runs_new(flow->runs);
    assert_int_equal(runs_do(flow->runs, child_tx, flow), ERR_NONE);
    assert_false(flow->late);
    assert_int_equal(runs_do(flow->runs, child_tx, flow), ERR_NONE);
    assert_true(flow->late); /* There is one already. */
}

static void end(struct flow_run *flow, int code) {
    const struct run_settle what = runs_exit(flow->runs, flow->job.run.text, code);
    (void)runs_settle(flow->runs, &what);
}

static struct err person_tx(struct tx *tx, void *ctx) {
    struct flow_run *flow = ctx;
    struct approval_row row;
    const struct bytes open =
        tx_text(tx, "SELECT approval FROM approvals WHERE answered_ms IS NULL", NO_ARGS);
    const struct approval_answer answer = {.key = {BYTES("ann"), open},
                                           .verb = flow->verb,
                                           .text = flow->verb == APPROVAL_DENY ? BYTES("not yet")
                                                                               : BYTES(""),
                                           .by = BYTES("ann"),
                                           .digest = BYTES(""),
                                           .subject = BYTES("")};
    return tx_approval_answer(tx, &answer, &row, &flow->why);
}

static void person(struct flow_run *flow, enum approval_verb verb) {
    flow->verb = verb;
    assert_int_equal(runs_do(flow->runs, person_tx, flow), ERR_NONE);
}

static struct err end_tx(struct tx *tx, void *ctx) {
    struct flow_run *flow = ctx;
    const struct flow_over over = {.run = bytes_of(flow->run),
                                   .report = BYTES("all is well"),
                                   .note = BYTES(""),
                                   .bounds = flow->runs->bounds};
    return tx_flow_end(tx, &over, &flow->late);
}

static const struct flow_answer ran = {.phase = FLOW_AT_RUN, .said = FLOW_SAID_VALUE};

static struct flow_run begun(struct runs_kit *runs, const char *description) {
    struct flow_run flow = {.runs = runs, .description = description};
    assert_int_equal(runs_do(runs, submit_tx, &flow), ERR_NONE);
    assert_int_equal(runs_do(runs, adopt_tx, &flow), ERR_NONE);
    assert_false(flow.late);
    return flow;
}

static void a_flow_goes_on_from_its_rows_to_its_report(void **state) {
    struct flow_run flow = begun(*state, release);
    assert_steps(&flow, "look running run '', which pending new '', fix pending new '', "
                        "praise pending new '', ok pending new ''");
    assert_true(tell(&flow, 0, ran, "three faults"));
    assert_false(tell(&flow, 0, ran, "twice")); /* Late. */
    assert_steps(&flow, "look completed over 'three faults', which running cases '', "
                        "fix pending new '', praise pending new '', ok pending new ''");
    assert_true(
        tell(&flow, 1, (struct flow_answer){.phase = FLOW_AT_CASES, .said = FLOW_SAID_VALUE}, ""));
    assert_steps(&flow, "look completed over 'three faults', which completed over 'branch:bad', "
                        "fix running child '', praise excluded over '', ok pending new ''");
    begin(&flow, 2);
    end(&flow, 1);
    assert_steps(&flow, "look completed over 'three faults', which completed over 'branch:bad', "
                        "fix running pause '', praise excluded over '', ok pending new ''");
}

static const struct flow_answer wrote = {.phase = FLOW_AT_OUTPUT, .said = FLOW_SAID_VALUE};

static void to_the_person(struct flow_run *flow) {
    assert_true(tell(flow, 0, ran, "x"));
    assert_true(
        tell(flow, 1, (struct flow_answer){.phase = FLOW_AT_CASES, .said = FLOW_SAID_VALUE}, ""));
    begin(flow, 2);
    end(flow, 0);
    assert_true(tell(flow, 2, wrote, "out"));
}

static void a_rejection_leads_back_and_an_approval_on(void **state) {
    struct flow_run flow = begun(*state, release);
    to_the_person(&flow);
    assert_steps(&flow, "look completed over 'x', which completed over 'branch:bad', "
                        "fix completed over 'out', praise excluded over '', ok running person ''");
    person(&flow, APPROVAL_DENY);
    assert_steps(&flow, "look completed over 'x', which completed over 'branch:bad', "
                        "fix running child '', praise excluded over '', ok pending new ''");
    assert_int_equal(runs_count(*state, "SELECT count(*) FROM flows WHERE rejected = 'not yet'"),
                     1);
    begin(&flow, 2);
    end(&flow, 0);
    assert_true(tell(&flow, 2, wrote, "out"));
    person(&flow, APPROVAL_ALLOW);
    assert_int_equal(runs_do(*state, look_tx, &flow), ERR_NONE);
    assert_int_equal(flow.stage, FLOW_IN_REPORT);
    assert_int_equal(runs_do(*state, end_tx, &flow), ERR_NONE);
    assert_false(flow.late);
    assert_int_equal(runs_get(*state, flow.run).row.state, RUN_SUCCEEDED);
    const struct runs_events events = runs_events(*state, flow.run);
    assert_non_null(strstr(events.text, "\"run_status\":\"completed\",\"cause\":null,"
                                        "\"run_cause\":\"completed\",\"note\":null,\"report\":"
                                        "\"all is well\",\"artifact\":null};"));
    assert_int_equal(runs_count(*state, "SELECT count(*) FROM flow_steps WHERE result LIKE"
                                        " '{\"approved\":true,\"by\":\"ann\",%'"),
                     1);
}

static void a_step_that_throws_fails_the_run_and_ends_the_others(void **state) {
    static const char two[] =
        "{\"steps\":[{\"id\":\"a\",\"kind\":\"command\",\"command\":\"true\"},"
        "{\"id\":\"b\",\"kind\":\"agent\",\"run\":" F "}]}";
    struct flow_run flow = begun(*state, two);
    begin(&flow, 0);
    assert_true(tell(&flow, 1, (struct flow_answer){.phase = FLOW_AT_RUN, .said = FLOW_SAID_THREW},
                     "TypeError: x"));
    assert_int_equal(runs_do(*state, look_tx, &flow), ERR_NONE);
    assert_int_equal(flow.stage, FLOW_IN_REPORT);
    assert_int_equal(runs_get(*state, flow.job.run.text).row.stop, CAUSE_CALLED_OFF);
    assert_int_equal(runs_do(*state, end_tx, &flow), ERR_NONE);
    const struct runs_row row = runs_get(*state, flow.run);
    assert_int_equal(row.row.state, RUN_FAILED);
    assert_int_equal(row.row.cause, CAUSE_STEP_FAILED);
    assert_string_equal(row.note, "step 'b' threw: TypeError: x");
    const struct runs_events events = runs_events(*state, flow.run);
    const char *failed = strstr(events.text, "\"step_id\":\"b\",\"status\":\"failed\"");
    const char *ended = strstr(events.text, "\"step_id\":\"a\",\"status\":\"cancelled\"");
    assert_true(failed != NULL && ended != NULL && failed < ended); /* The cause, and then this. */
    assert_non_null(strstr(events.text, "\"run_status\":\"failed\",\"cause\":\"threw\","
                                        "\"run_cause\":\"step_failed\""));
}

static struct err damage_tx(struct tx *tx, void *ctx) {
    (void)ctx; /* There is one flow. */
    return tx_exec(tx, "UPDATE flows SET stage = 'no such word'", NO_ARGS, NULL);
}

static void damage_of_a_flow_keeps_no_child_from_its_end_and_is_heard_of(void **state) {
    static const char one[] =
        "{\"steps\":[{\"id\":\"a\",\"kind\":\"command\",\"command\":\"true\"}]}";
    struct flow_run flow = begun(*state, one);
    begin(&flow, 0);
    assert_int_equal(runs_do(*state, damage_tx, NULL), ERR_NONE);
    runs_forget(*state);
    end(&flow, 0);
    assert_int_equal(runs_get(*state, flow.job.run.text).row.state, RUN_SUCCEEDED);
    struct run_row heard;
    assert_true(runs_heard(*state, flow.run, &heard));
}

static void a_run_takes_over_results_in_the_commit_that_makes_it(void **state) {
    struct flow_run first = begun(*state, release);
    to_the_person(&first);
    struct flow_run second = {.runs = *state, .description = release, .resume = first.run};
    assert_int_equal(runs_do(*state, submit_tx, &second), ERR_RUN_ALIVE);
    assert_int_equal(runs_count(*state, "SELECT count(*) FROM flows"), 1);
    assert_int_equal(runs_count(*state, "SELECT count(*) FROM runs WHERE kind = 'flow'"), 1);
    person(&first, APPROVAL_ALLOW);
    assert_int_equal(runs_do(*state, end_tx, &first), ERR_NONE);
    assert_int_equal(runs_do(*state, submit_tx, &second), ERR_NONE);
    runs_restart(*state); /* Before the run is taken up. */
    assert_int_equal(runs_count(*state, "SELECT count(*) FROM flow_steps s JOIN flow_steps o ON"
                                        " o.place = s.place AND o.run < s.run AND o.result ="
                                        " s.result AND o.chosen = s.chosen JOIN runs r ON r.id ="
                                        " o.run AND r.run = s.cached WHERE s.cached <> '' AND"
                                        " s.status = 'completed'"),
                     4);
    assert_int_equal(runs_do(*state, adopt_tx, &second), ERR_NONE);
    assert_int_equal(runs_do(*state, look_tx, &second), ERR_NONE);
    assert_int_equal(second.stage, FLOW_IN_REPORT);
    assert_int_equal(runs_count(*state, "SELECT count(*) FROM runs WHERE kind = 'job'"), 1);
    assert_int_equal(runs_count(*state, "SELECT count(*) FROM approvals"), 1);
}

static void a_result_that_was_taken_over_is_forgotten_by_a_rejection(void **state) {
    AUTO(json_release) json_t *rerun = json_pack("[s]", "ok");
    struct flow_run first = begun(*state, release);
    to_the_person(&first);
    person(&first, APPROVAL_ALLOW);
    assert_int_equal(runs_do(*state, end_tx, &first), ERR_NONE);
    struct flow_run second = {
        .runs = *state, .description = release, .resume = first.run, .rerun = rerun};
    assert_int_equal(runs_do(*state, submit_tx, &second), ERR_NONE);
    assert_int_equal(runs_do(*state, adopt_tx, &second), ERR_NONE);
    assert_steps(&second, "look completed over 'x', which completed over 'branch:bad', "
                          "fix completed over 'out', praise excluded over '', ok running person "
                          "''");
    person(&second, APPROVAL_DENY);
    assert_steps(&second, "look completed over 'x', which completed over 'branch:bad', "
                          "fix running child '', praise excluded over '', ok pending new ''");
    assert_int_equal(runs_count(*state, "SELECT count(*) FROM flow_steps WHERE cached <> ''"), 2);
}

/* Else each look would read all results of all steps before. */
static void a_look_reads_the_texts_that_are_new_alone(void **state) {
    struct flow_run flow = begun(*state, release);
    to_the_person(&flow);
    const int64_t versions[] = {flow.places[0].version + 1, flow.places[1].version};
    flow.known = (struct flow_known){.versions = versions, .count = COUNT_OF(versions)};
    assert_int_equal(runs_do(*state, look_tx, &flow), ERR_NONE);
    assert_string_equal(flow.seen, "look completed over 'x', which completed over '', "
                                   "fix completed over 'out', praise excluded over '', "
                                   "ok running person ''");
}

/* The status of an ended step becomes one that no reader accepts. */
static struct err ended_damage_tx(struct tx *tx, void *ctx) {
    (void)ctx;
    tx_do(tx, "UPDATE flow_steps SET status = '?' WHERE phase = 'over'", NO_ARGS);
    return tx_error(tx);
}

/* Else each step of a long flow would cost as much as all of them. */
static void steps_that_cannot_have_changed_are_not_read(void **state) {
    static const char three[] =
        "{\"steps\":[{\"id\":\"a\",\"kind\":\"code\",\"run\":" F "},"
        "{\"id\":\"b\",\"kind\":\"command\",\"deps\":[\"a\"],\"command\":\"true\"},"
        "{\"id\":\"c\",\"kind\":\"code\",\"deps\":[\"b\"],\"run\":" F "}]}";
    AUTO(json_release) json_t *json = NULL;
    AUTO(flow_free) struct flow before = {0};
    struct flow_step steps[3];
    struct flow after = {.steps = steps};
    struct flow_run flow = begun(*state, three);
    assert_int_equal(json_parse_wrapped(bytes_of(three), &json, NULL).code, ERR_NONE);
    assert_int_equal(flow_read(json, &before, &flow.why).code, ERR_NONE);
    flow.before = &before;
    flow.after = &after;
    assert_true(tell(&flow, 0, ran, "x"));
    memcpy(before.steps, steps, sizeof steps);
    before.head = after.head;
    begin(&flow, 1);
    assert_int_equal(runs_do(*state, ended_damage_tx, NULL), ERR_NONE);
    flow.known = (struct flow_known){.head = flow.head, .first = 1, .last = 1};
    assert_true(
        tell(&flow, 1, (struct flow_answer){.phase = FLOW_AT_CHILD, .said = FLOW_SAID_FAILED}, ""));
    assert_string_equal(flow.seen, "b running child ''");
    assert_int_equal(runs_do(*state, look_tx, &flow), ERR_STORE_CORRUPT); /* There was an event. */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_flow_goes_on_from_its_rows_to_its_report, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_rejection_leads_back_and_an_approval_on, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(a_step_that_throws_fails_the_run_and_ends_the_others,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(
            damage_of_a_flow_keeps_no_child_from_its_end_and_is_heard_of, runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_run_takes_over_results_in_the_commit_that_makes_it,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_result_that_was_taken_over_is_forgotten_by_a_rejection,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(a_look_reads_the_texts_that_are_new_alone, runs_begin,
                                        runs_end),
        cmocka_unit_test_setup_teardown(steps_that_cannot_have_changed_are_not_read, runs_begin,
                                        runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
