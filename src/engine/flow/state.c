/* state.c: a flow is loaded, goes one round further, and is written. See rows.h.
 *
 * Time is that of a clock that nobody sets (tx_steady_ms): else one that was set back would make a
 * pause of a second one of hours. Between two daemons the wall clock counts: flows__catch_up takes
 * times that are to come for now. What only a daemon does, like a function of the file, begins
 * again, with all of its time.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/approval/rows.h"
#include "engine/flow/rows.h"
#include "rules/flow/about.h"

enum { EVENT_MAX = 250 << 10, NOTE_MAX = 500 };

const char *const flow_stage_names[] = {"steps", "report", "over", NULL};

/* --- Loaded ----------------------------------------------------------------------------------- */

enum flow_how flows__how(enum flow_stage stage, struct bytes failed) {
    return stage == FLOW_IN_STEPS           ? FLOW_GOES_ON
           : failed.len == 0                ? FLOW_SUCCEEDS
           : bytes_is(failed, FLOW_EXPIRED) ? FLOW_EXPIRES
                                            : FLOW_FAILS;
}

void flows__done(struct flow_state *state) {
    if (state->description != NULL) {
        flow_free(&state->flow);
    }
    json_release(&state->description);
}

bool flows__name_read(struct bytes name, const char *const *names, unsigned *ret_value) {
    unsigned at = 0;
    while (names[at] != NULL && !bytes_is(name, names[at])) {
        at++;
    }
    *ret_value = at;
    return names[at] != NULL;
}

static bool step_read(struct rows *rows, struct flow_state *state, size_t at) {
    struct flow_step *step = &state->flow.steps[at];
    struct flow_had *had = &state->had[at];
    unsigned status = 0, phase = 0, cause = 0;
    if ((size_t)rows_int(rows, 0) != at ||
        !flows__name_read(rows_text(rows, 1), flow_status_names, &status) ||
        !flows__name_read(rows_text(rows, 2), flow_phase_names, &phase) ||
        !flows__name_read(rows_text(rows, 3), flow_cause_names, &cause)) {
        return false;
    }
    step->status = (enum flow_status)status;
    step->phase = (enum flow_phase)phase;
    step->cause = (enum flow_cause)cause;
    step->version = had->version = rows_int(rows, 4);
    step->chosen = rows_int(rows, 5) < 0 ? FLOW_NONE : (size_t)rows_int(rows, 5);
    step->tries = rows_int(rows, 6);
    step->rounds = rows_int(rows, 7);
    step->began_ms = rows_int(rows, 8);
    step->changed_ms = rows_int(rows, 9);
    step->due_ms = rows_int(rows, 10);
    had->child = rows_int(rows, 11);
    had->note = rows_copy(rows, 12);
    step->dispatched = rows_int(rows, 13);
    had->cached = rows_copy(rows, 14);
    step->asks = rows_int(rows, 15) > 0;
    return true;
}

/* READ_TO_GO_ON: without `cached`, which no step of a running flow needs. To reach that column of a
 * long result, SQLite reads all pages of the result, in each transaction. */
enum reading { READ_TO_GO_ON, READ_ALL };

#define STEP_COLUMNS                                                                               \
    "s.place, s.status, s.phase, s.cause, s.version, s.chosen, s.tries, s.rounds, s.began_ms,"     \
    " s.changed_ms, s.due_ms, s.child, s.note, CASE WHEN s.phase = 'run' THEN"                     \
    " (SELECT count(*) FROM flow_calls c WHERE c.run = s.run AND c.place = s.place"                \
    " AND c.version = s.version AND c.state = '') ELSE 0 END,"                                     \
    " CASE WHEN $2 = 1 THEN s.cached ELSE '' END,"                                                 \
    " CASE WHEN s.phase = 'child' AND s.child <> 0 THEN (SELECT count(*) FROM approvals a WHERE"   \
    " a.run = s.child AND a.answered_ms IS NULL) ELSE 0 END"

/* The steps from `at` to before `end`. */
static bool steps_read(struct tx *tx, struct flow_state *state, enum reading reading, size_t at,
                       size_t end) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT " STEP_COLUMNS " FROM flow_steps s WHERE s.run = $1"
                                " AND s.place >= $3 AND s.place < $4 ORDER BY s.place",
                                ARGS(arg_int(state->run.id), arg_int(reading == READ_ALL ? 1 : 0),
                                     arg_int((int64_t)at), arg_int((int64_t)end)));
    while (rows_step(rows) && at < end && step_read(rows, state, at)) {
        at++;
    }
    return at == end;
}

/* A long flow is to cost no more for each step than a short one: of the steps that the caller has,
 * as of the last event, only those are read that change without one. They stand side by side in
 * most flows, which go from the first step to the last. */
static bool steps_renew(struct tx *tx, struct flow_state *state) {
    size_t first = state->flow.count, end = 0;
    for (size_t i = 0; i < state->flow.count; i++) {
        state->had[i].version = state->flow.steps[i].version;
        state->had[i].note = BYTES(""); /* The note of an ended step is not written again. */
        if (flow_step_is_active(&state->flow.steps[i])) {
            first = i < first ? i : first;
            end = i + 1;
        }
    }
    return first >= end || steps_read(tx, state, READ_TO_GO_ON, first, end);
}

int64_t flows__head(struct tx *tx, const struct run_row *run) {
    return tx_number(tx, "SELECT head FROM streams WHERE owner = $1 AND name = $2",
                     ARGS(arg_text(run->owner), arg_text(runs__stream(tx, run->run))));
}

static bool description_read(struct tx *tx, struct bytes description, struct flow_state *state) {
    struct why why = {""};
    struct err err = json_parse_wrapped(description, &state->description, NULL);
    err = err_failed(err) ? err : flow_read(state->description, &state->flow, &why);
    if (err_failed(err)) {
        tx_fail(tx, err_make(ERR_STORE_CORRUPT, "flows: description"));
    }
    return !err_failed(err);
}

static bool description_copy(struct tx *tx, const struct flow *flow, struct flow_state *state) {
    const size_t size = flow->count * sizeof *flow->steps;
    state->flow = *flow;
    state->flow.steps = tx_memory(tx, size);
    if (state->flow.steps != NULL) {
        memcpy(state->flow.steps, flow->steps, size);
    }
    return state->flow.steps != NULL;
}

static bool had_make(struct tx *tx, struct flow_state *state) {
    const size_t size = state->flow.count * sizeof *state->had;
    state->had = tx_memory(tx, size);
    if (state->had != NULL) {
        memset(state->had, 0, size);
    }
    return state->had != NULL;
}

/* The setting of the daemon that started the run stands in its spec. */
static int64_t at_once_of(const struct run_row *run, int64_t otherwise) {
    AUTO(json_release) json_t *spec = NULL;
    const struct err err = json_parse_wrapped(run->spec, &spec, NULL /* no why */);
    const int64_t at_once = err_failed(err) ? 0 : json_int(spec, "at_once", 0);
    return at_once > 0 ? at_once : otherwise;
}

/* flow: NULL, or the description as it was read before. */
static bool state_read(struct tx *tx, const struct run_row *run, enum reading reading,
                       const struct flow *flow, struct flow_state *ret_state) {
    *ret_state = (struct flow_state){.description = NULL, .run = *run};
    unsigned stage = 0;
    struct rows *rows =
        tx_row(tx,
               "SELECT stage, rewinds, rejected, failed,"
               " CASE WHEN $2 = 1 THEN description ELSE '' END, report,"
               " step_timeout_ms, timeout_ms, artifact, artifact_fault FROM flows WHERE run = $1",
               ARGS(arg_int(run->id), arg_int(flow == NULL ? 1 : 0)));
    if (rows == NULL) {
        return false;
    }
    const bool known = flows__name_read(rows_text(rows, 0), flow_stage_names, &stage);
    const int64_t rewinds = rows_int(rows, 1);
    ret_state->rejected = rows_copy(rows, 2);
    ret_state->failed = rows_copy(rows, 3);
    const struct bytes description = rows_copy(rows, 4);
    ret_state->report = rows_copy(rows, 5);
    const int64_t step_timeout_ms = rows_int(rows, 6), timeout_ms = rows_int(rows, 7);
    ret_state->artifact = rows_copy(rows, 8);
    ret_state->artifact_fault = rows_copy(rows, 9);
    rows_release(&rows);
    const bool described = flow != NULL ? description_copy(tx, flow, ret_state)
                                        : description_read(tx, description, ret_state);
    const int64_t head = flows__head(tx, run);
    const bool fresh = described && head > 0 && ret_state->flow.head == head;
    if (!known || !described || !had_make(tx, ret_state) ||
        !(fresh ? steps_renew(tx, ret_state)
                : steps_read(tx, ret_state, reading, /* at */ 0, ret_state->flow.count))) {
        tx_fail(tx, err_make(ERR_STORE_CORRUPT, "flows: rows"));
        return false;
    }
    ret_state->stage = (enum flow_stage)stage;
    ret_state->flow.head = head;
    ret_state->flow.rewinds = rewinds;
    ret_state->flow.at_once = at_once_of(run, ret_state->flow.at_once);
    ret_state->flow.step_timeout_ms = step_timeout_ms;
    ret_state->flow.now_ms = tx_steady_ms(tx);
    if (timeout_ms > 0) { /* Time in the queue does not count. */
        ret_state->flow.deadline_ms = tx_steady_ms(tx) + timeout_ms - runs__took_ms(tx, run);
    }
    return !err_failed(tx_error(tx));
}

bool flows__read(struct tx *tx, const struct run_row *run, struct flow_state *ret_state) {
    return state_read(tx, run, READ_ALL, /* flow */ NULL, ret_state);
}

void flows__catch_up(struct tx *tx, const struct run_row *run) {
    tx_do(tx,
          "UPDATE flow_steps SET began_ms = CASE WHEN began_ms > $2 THEN $2 ELSE began_ms END,"
          " changed_ms = CASE WHEN changed_ms > $2 OR phase IN ('run', 'cases', 'until', 'output',"
          " 'files')"
          " THEN $2 ELSE changed_ms END,"
          " due_ms = CASE WHEN due_ms > $2 + $3 THEN $2 ELSE due_ms END WHERE run = $1",
          ARGS(arg_int(run->id), arg_int(tx_steady_ms(tx)), arg_int(FLOW_PAUSE_MAX_MS)));
}

bool flows__load_place(struct tx *tx, const struct flow_place *place,
                       struct flow_state *ret_state) {
    struct run_row row;
    *ret_state = (struct flow_state){.description = NULL};
    const bool found = runs__load(tx, place->run, &row) && row.kind == KIND_FLOW &&
                       !run_state_final(row.state) &&
                       state_read(tx, &row, READ_TO_GO_ON, place->flow, ret_state);
    ret_state->after = place->after;
    return found;
}

bool flows__load(struct tx *tx, struct bytes run, struct flow_state *ret_state) {
    return flows__load_place(tx, &(struct flow_place){.run = run}, ret_state);
}

/* --- Written ---------------------------------------------------------------------------------- */

struct bytes flows__shown_note(const struct flow_state *state, size_t at,
                               char buffer[FLOW_LACK_SIZE]) {
    const struct flow *flow = &state->flow;
    const bool ready =
        flow->steps[at].status == FLOW_PENDING && flow->steps[at].phase == FLOW_AT_READY;
    const enum flow_lack lack = ready ? flow_lack(flow, at) : FLOW_LACKS_NOTHING;
    if (lack == FLOW_LACKS_NOTHING) {
        return state->had[at].note;
    }
    const bool batch = lack == FLOW_LACKS_BATCH;
    (void)snprintf(buffer, FLOW_LACK_SIZE,
                   batch ? "%lld steps of its batch run at once (maxConcurrent)"
                         : "%lld steps of a flow run at once (--flow-steps of the daemon)",
                   (long long)(batch ? flow->batch_at_once : flow->at_once));
    return bytes_of(buffer);
}

/* approval: of a person who is asked; "": none. */
static void step_event(struct tx *tx, struct flow_state *state, size_t at, struct bytes approval) {
    const struct flow_step *step = &state->flow.steps[at];
    const struct run_key key = {.owner = state->run.owner, .run = state->run.run};
    char lack[FLOW_LACK_SIZE];
    AUTO(text_done) struct text data = text_up_to(EVENT_MAX);
    struct appended appended;
    text_add_char(&data, '{');
    text_add_member(&data, "run_id", state->run.run);
    text_add_member(&data, "step_id", step->id);
    text_add_member(&data, "status", flows__status_shown(step));
    text_add_member(&data, "phase", bytes_of(flow_phase_names[step->phase]));
    text_add_member_or_null(&data, "cause", bytes_of(flow_cause_names[step->cause]));
    text_add_member_or_null(&data, "note", flows__shown_note(state, at, lack));
    text_add_member_or_null(&data, "approval", approval);
    text_add_char(&data, '}');
    const struct append append = runs__event_of(tx, &key, "flow_run_step_updated", &data);
    tx_fail(tx, tx_append(tx, &append, &appended));
    state->flow.head = err_failed(tx_error(tx)) ? 0 : appended.seq;
}

static void text_write(struct tx *tx, const struct flow_state *state, size_t at, const char *sql,
                       struct bytes text) {
    if (text.data != NULL) {
        tx_do(tx, sql, ARGS(arg_int(state->run.id), arg_int((int64_t)at), arg_text(text)));
    }
}

static void step_write(struct tx *tx, struct flow_state *state, size_t at) {
    const struct flow_step *step = &state->flow.steps[at];
    struct flow_had *had = &state->had[at];
    tx_do(tx,
          "UPDATE flow_steps SET status = $3, phase = $4, cause = $5, version = $6, chosen = $7,"
          " tries = $8, rounds = $9, began_ms = $10, changed_ms = $11, due_ms = $12, child = $13,"
          " note = $14 WHERE run = $1 AND place = $2",
          ARGS(arg_int(state->run.id), arg_int((int64_t)at),
               arg_str(flow_status_names[step->status]), arg_str(flow_phase_names[step->phase]),
               arg_str(flow_cause_names[step->cause]), arg_int(step->version),
               arg_int(step->chosen == FLOW_NONE ? -1 : (int64_t)step->chosen),
               arg_int(step->tries), arg_int(step->rounds), arg_int(step->began_ms),
               arg_int(step->changed_ms), arg_int(step->due_ms), arg_int(had->child),
               arg_text(had->note)));
    text_write(tx, state, at, "UPDATE flow_steps SET prompt = $3 WHERE run = $1 AND place = $2",
               had->prompt);
    text_write(tx, state, at, "UPDATE flow_steps SET result = $3 WHERE run = $1 AND place = $2",
               had->result);
    if (step->went_back) {
        text_write(tx, state, at, "UPDATE flow_steps SET cached = $3 WHERE run = $1 AND place = $2",
                   BYTES(""));
    }
}

/* --- A person is asked ------------------------------------------------------------------------ */

static void json_member_write(struct tx *tx, const json_t *json, struct text *text) {
    tx_fail(tx, json_write(json, text));
}

static void question_write(struct tx *tx, const struct flow_step *step, struct bytes prompt,
                           struct text *text) {
    const json_t *schema = json_object_get(step->json, "schema");
    const json_t *approvers = json_object_get(step->json, "approvers");
    text_add_char(text, '{');
    text_add_member(text, "question", prompt);
    if (schema != NULL) {
        text_add_name(text, "schema");
        json_member_write(tx, schema, text);
    }
    if (approvers != NULL) {
        text_add_name(text, "approvers");
        json_member_write(tx, approvers, text);
    }
    text_add_char(text, '}');
}

/* As many of the words as find room beside the form: as JSON they may be longer. Nobody should say
 * yes to what they cannot see, and not know it. */
static struct bytes words_cut(struct tx *tx, struct bytes words) {
    AUTO(text_done) struct text text = text_up_to(QUESTION_BYTES_MAX - FLOW_FORM_MAX - 200);
    const size_t whole = words.len;
    words.len = utf8_cut(words, QUESTION_TEXT_MAX / 2);
    text_add_json(&text, words.data, words.len);
    while (text_failed(&text)) {
        words.len = utf8_cut(words, words.len / 2);
        text_clear(&text);
        text_add_json(&text, words.data, words.len);
    }
    if (words.len == whole) {
        return words;
    }
    text_clear(&text);
    text_add(&text, words.data, words.len);
    text_addf(&text, "\n\n(cut after %zu of %zu bytes: the run's page has the whole prompt)",
              words.len, whole);
    return tx_copy_text(tx, &text, "flows: question");
}

/* The words are those of the file, or what its function returned. The id of the question. */
static struct bytes person_ask(struct tx *tx, struct flow_state *state, size_t at) {
    const struct flow_step *step = &state->flow.steps[at];
    const struct bytes written =
        state->had[at].prompt.data != NULL
            ? state->had[at].prompt
            : tx_text(tx, "SELECT prompt FROM flow_steps WHERE run = $1 AND place = $2",
                      ARGS(arg_int(state->run.id), arg_int((int64_t)at)));
    const bool runs = (step->has & FLOW_HAS_RUN) != 0;
    AUTO(text_done) struct text question = text_up_to(QUESTION_BYTES_MAX);
    AUTO(text_done) struct text asked = text_up_to(QUESTION_BYTES_MAX + FLOW_ABOUT_BYTES_MAX + 30);
    const struct bytes about = flow_names_approvers(step) ? flows__about(tx, state, at) : BYTES("");
    const struct bytes words = runs ? written : json_bytes(step->json, "prompt");
    question_write(tx, step, words_cut(tx, words), &question);
    text_addf(&asked, "%lld ", (long long)step->version);
    text_add(&asked, question.data, question.len);
    text_add(&asked, about.data, about.len);
    const struct sha256 hash = sha256_of(asked.data, asked.len);
    const struct sha256_hex digest = sha256_hex(&hash);
    struct approval_row row;
    const struct approval_new what = {
        .run = &state->run,
        .part = (int64_t)at,
        .step = step->id,
        .kind = json_object_get(step->json, "schema") != NULL ? ASKS_FORM : ASKS_CONFIRM,
        .digest = bytes_of(digest.text),
        .arguments = text_bytes(&question),
        .about = about};
    tx_fail(tx, text_failed(&question) ? text_error(&question, "flows: question")
                                       : approvals__ask(tx, &what, &row));
    if (err_failed(tx_error(tx))) {
        return BYTES("");
    }
    tx_do(tx, "UPDATE flow_steps SET approval = $3 WHERE run = $1 AND place = $2",
          ARGS(arg_int(state->run.id), arg_int((int64_t)at), arg_text(row.approval)));
    return row.approval;
}

/* --- A round ---------------------------------------------------------------------------------- */

static void step_move(struct tx *tx, struct flow_state *state, size_t at) {
    struct flow_step *step = &state->flow.steps[at];
    struct flow_had *had = &state->had[at];
    if (step->went_back || (step->phase != FLOW_AT_CHILD && step->phase != FLOW_AT_OUTPUT &&
                            step->phase != FLOW_AT_ENDING)) {
        had->child = 0; /* If it still runs, flows__sweep ends it. */
    }
    if (step->went_back) {
        had->note = had->prompt = had->result = BYTES("");
    }
    if (step->kind == FLOW_KIND_APPROVAL) {
        /* Also one that goes back to its own question in this commit: an answer to the old one
         * would count for the new one. */
        tx_fail(tx, approvals__withdraw_step(tx, &state->run, step->id));
    }
    const struct bytes approval =
        step->phase == FLOW_AT_PERSON ? person_ask(tx, state, at) : BYTES("");
    step_write(tx, state, at);
    step_event(tx, state, at, approval);
    had->version = step->version;
    step->went_back = false;
}

/* The step that changed first after `change`; FLOW_NONE: none did. */
static size_t changed_next(const struct flow_state *state, int64_t change) {
    size_t next = FLOW_NONE;
    for (size_t i = 0; i < state->flow.count; i++) {
        const struct flow_step *step = &state->flow.steps[i];
        if (step->version != state->had[i].version && step->change > change &&
            (next == FLOW_NONE || step->change < state->flow.steps[next].change)) {
            next = i;
        }
    }
    return next;
}

/* In the order of the changes, so that no event stands before that of its cause. */
static void steps_move(struct tx *tx, struct flow_state *state) {
    int64_t change = 0;
    for (size_t at = changed_next(state, change); at != FLOW_NONE && !err_failed(tx_error(tx));
         at = changed_next(state, change)) {
        change = state->flow.steps[at].change;
        step_move(tx, state, at);
    }
}

bool flows__close(struct tx *tx, const struct run_row *run, struct flow_state *ret_state) {
    if (!flows__read(tx, run, ret_state)) {
        return false;
    }
    flow_cancel(&ret_state->flow);
    steps_move(tx, ret_state);
    tx_do(tx, "UPDATE flows SET stage = 'over', due_ms = 0 WHERE run = $1", ARGS(arg_int(run->id)));
    return true;
}

void flows__advance(struct tx *tx, struct flow_state *state) {
    struct flow *flow = &state->flow;
    if (state->stage == FLOW_IN_STEPS) {
        const struct flow_end end = flow_round(flow);
        if (end.how != FLOW_GOES_ON) {
            state->stage = FLOW_IN_REPORT;
            state->failed = end.how == FLOW_SUCCEEDS  ? BYTES("")
                            : end.how == FLOW_EXPIRES ? BYTES(FLOW_EXPIRED)
                            : end.step == FLOW_NONE   ? BYTES(FLOW_UNSATISFIABLE)
                                                      : flow->steps[end.step].id;
        }
    }
    steps_move(tx, state);
    if (state->after != NULL) { /* The caller's, once this is committed. */
        state->after->head = flow->head;
        memcpy(state->after->steps, flow->steps, flow->count * sizeof *flow->steps);
    }
    tx_do(tx,
          "UPDATE flows SET stage = $2, rewinds = $3, rejected = $4, failed = $5, due_ms = $6"
          " WHERE run = $1",
          ARGS(arg_int(state->run.id), arg_str(flow_stage_names[state->stage]),
               arg_int(flow->rewinds), arg_text(state->rejected), arg_text(state->failed),
               arg_int(state->stage == FLOW_IN_STEPS ? flow_due_ms(flow) : 0)));
    tx_fail(tx, runs__tell(tx, &state->run));
}

/* --- Children that nobody waits for ----------------------------------------------------------- */

#define ORPHANS                                                                                    \
    " FROM runs r WHERE r.parent = $1 AND r.parent <> 0 AND r.ended_ms IS NULL AND r.stop = ''"    \
    " AND NOT EXISTS (SELECT 1 FROM flow_steps s WHERE s.child = r.id AND s.child <> 0"            \
    " AND s.phase <> 'ending')"                                                                    \
    " AND NOT EXISTS (SELECT 1 FROM flow_calls c JOIN flow_steps s ON s.run = c.run AND"           \
    " s.place = c.place AND s.version = c.version WHERE c.child = r.id AND c.child <> 0)"

bool flows__has_orphans(struct tx *tx, int64_t run) {
    return tx_number(tx, "SELECT count(*)" ORPHANS, ARGS(arg_int(run))) > 0;
}

void flows__sweep(struct tx *tx, const struct flow_state *state, const struct run_bounds *bounds) {
    enum { PAGE = 50 };
    static const char orphans[] = "SELECT r.id" ORPHANS " ORDER BY r.id LIMIT $2";
    int64_t ids[PAGE];
    const size_t count =
        (size_t)tx_ids(tx, orphans, ARGS(arg_int(state->run.id), arg_int(PAGE)), PAGE, ids);
    for (size_t i = 0; i < count && !err_failed(tx_error(tx)); i++) {
        const struct bytes run =
            tx_text(tx, "SELECT run FROM runs WHERE id = $1", ARGS(arg_int(ids[i])));
        (void)runs__stop_tree(tx, run, CAUSE_CALLED_OFF, bounds); /* The next look goes on. */
    }
}
