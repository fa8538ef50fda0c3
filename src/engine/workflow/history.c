/* history.c: the steps of a workflow as they are read: its journal, in the order in which they
 * were settled, and the list for clients. */
#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/workflow/rows.h"
#include "journal/journal.h"
#include "rules/workflow/timer.h"
#include "rules/workflow/waiting.h"

/* --- The journal ------------------------------------------------------------------------------ */

/* Columns, in their order. Answers of workflow() and timers stand between the steps, by their
 * numbers, and have no run. The long columns are left out where nobody reads them. */
#define STEP(name, kind, member) ROW_READ(name, kind, offsetof(struct step_row, member))
static const struct field step_rows[] = {
    {STEP("done_no", FIELD_INT, done_no)},
    {STEP("run", FIELD_TEXT, run)},
    {STEP("key", FIELD_TEXT, key)},
    {STEP("occurrence", FIELD_INT, occurrence)},
    {STEP("state", FIELD_NAME, state), .names = run_state_names},
    {STEP("cause", FIELD_NAME, cause), .names = run_cause_names},
    {STEP("stop", FIELD_NAME, stop), .names = run_cause_names},
    {STEP("label", FIELD_TEXT, label)},
    {STEP("attempt", FIELD_INT, attempt)},
    {STEP("started_ms", FIELD_INT, started_ms)},
    {STEP("steady_ms", FIELD_INT, steady_ms)},
    {STEP("epoch", FIELD_INT, epoch)},
    {STEP("resume_at_ms", FIELD_INT, resume_at_ms)},
    {STEP("parked_ms", FIELD_INT, parked_ms)},
    {STEP("output_tokens", FIELD_INT, output_tokens)},
    {STEP("tokens", FIELD_INT, tokens)},
    {STEP("cached", FIELD_BOOL, cached)},
    {STEP("note", FIELD_TEXT, note)},
    {STEP("result", FIELD_TEXT, result)},
    {STEP("spec", FIELD_TEXT, spec)},
    {STEP("script", FIELD_TEXT, script)},
    {STEP("file", FIELD_TEXT, file)},
};
static const struct resource step_resource = {.fields = {FIELD_ROWS(step_rows), .use = FIELD_KEPT},
                                              .size = sizeof(struct step_row)};
enum { KIND_COLUMN = COUNT_OF(step_rows) };
/* More columns, of a step that has not ended. */
#define OPEN_SPENT                                                                                 \
    ", waited_fresh, waited_cache_read, waited_cache_write, waited_output, waited_reasoning,"      \
    " waited_cost_micros, waited_cost_unknown, waited_calls"
static void spent_read(const struct rows *rows, int first, struct step_spent *ret_spent) {
    *ret_spent = (struct step_spent){.usage = {.fresh = rows_int(rows, first),
                                               .cache_read = rows_int(rows, first + 1),
                                               .cache_write = rows_int(rows, first + 2),
                                               .output = rows_int(rows, first + 3),
                                               .reasoning = rows_int(rows, first + 4)},
                                     .cost_micros = rows_int(rows, first + 5),
                                     .calls_unpriced = rows_int(rows, first + 6),
                                     .calls = rows_int(rows, first + 7)};
}
#define OF_RUN(result, spec, more)                                                                 \
    "SELECT done_no, run, step_key, occurrence, state, cause, stop, label, attempt, started_ms,"   \
    " steady_ms, epoch, not_before_ms, parked_ms, output_tokens, tokens, cached, note, " result    \
    ", " spec ", '', '', 0" more " FROM runs WHERE parent = $1 AND step_key <> ''"
#define OF_REF                                                                                     \
    " UNION ALL SELECT done_no, '', step_key, occurrence, 'succeeded', 'completed', '', '', 0, 0," \
    " 0, 0, 0, 0, 0, 0, 0, note, '', '', script, file, 1 FROM workflow_refs WHERE run = $1"
#define OF_TIMER                                                                                   \
    " UNION ALL SELECT done_no, '', step_key, occurrence, 'succeeded', 'completed', '', '', 0, 0," \
    " 0, 0, 0, 0, 0, 0, 0, '', '', '', '', '', 2 FROM workflow_timers WHERE run = $1"

struct walk {
    struct err (*each)(void *ctx, const struct step_row *row);
    void *ctx;
    size_t bytes, bytes_max;
    int64_t last, count;
    bool dry;  /* No row is left. */
    bool open; /* Rows have OPEN_SPENT. */
};

static struct err steps_walk(struct tx *tx, const char *sql, const struct arg *args, size_t count,
                             struct walk *walk) {
    struct err err = ERR_OK;
    AUTO(rows_release) struct rows *rows = tx_rows(tx, sql, args, count);
    while (!err_failed(err) && walk->bytes < walk->bytes_max) {
        struct step_row row = {.run = {"", 0}};
        if (!rows_step(rows)) {
            walk->dry = true;
            break;
        }
        walk->count++;
        if (!resource_row_fill(&step_resource, RESOURCE_WHOLE, rows, &row)) {
            return err_make(ERR_STORE_CORRUPT, "steps: a word of a row");
        }
        if (walk->open) {
            spent_read(rows, KIND_COLUMN + 1, &row.spent);
        }
        row.kind = (enum step_kind)rows_int(rows, KIND_COLUMN);
        row.resume_at_ms = row.state == RUN_WAITING ? row.resume_at_ms : 0;
        err = walk->each(walk->ctx, &row);
        walk->last = row.done_no;
        walk->bytes += row.result.len + row.key.len;
    }
    return err_failed(err) ? err : tx_error(tx);
}

#define HISTORY(result)                                                                            \
    OF_RUN(result, "''", "")                                                                       \
    " AND done_no > $2" OF_REF " AND done_no > $2" OF_TIMER                                        \
    " AND done_no > $2 ORDER BY done_no LIMIT $3"

struct err tx_step_history(struct tx *tx, const struct step_page *page,
                           struct err (*each)(void *ctx, const struct step_row *row), void *ctx,
                           int64_t *ret_last, bool *ret_whole) {
    struct walk walk = {
        .each = each, .ctx = ctx, .bytes_max = page->bytes_max, .last = page->after};
    struct err err = steps_walk(
        tx, page->bare ? HISTORY("''") : HISTORY("result"),
        ARGS(arg_int(page->workflow), arg_int(page->after), arg_int(page->limit)), &walk);
    if (!err_failed(err)) {
        *ret_last = walk.last;
        *ret_whole = walk.dry && walk.count < page->limit;
    }
    return err;
}

enum { STEPS_MAX = WORKFLOW_AGENTS_MAX + WORKFLOW_NESTED_MAX + WORKFLOW_TIMERS_MAX };

void steps__spent(struct tx *tx, int64_t id, struct step_spent *ret_spent) {
    static const char sql[] = "SELECT id" OPEN_SPENT " FROM runs WHERE id = $1";
    AUTO(rows_release) struct rows *rows = tx_row(tx, sql, ARGS(arg_int(id)));
    *ret_spent = (struct step_spent){.calls = 0};
    if (rows != NULL) {
        spent_read(rows, 1, ret_spent);
    }
}

struct err tx_step_open(struct tx *tx, int64_t workflow,
                        struct err (*each)(void *ctx, const struct step_row *row), void *ctx) {
    struct walk walk = {.each = each, .ctx = ctx, .bytes_max = SIZE_MAX, .open = true};
    return steps_walk(tx,
                      OF_RUN("result", "spec", OPEN_SPENT) " AND done_no = 0 ORDER BY id LIMIT $2",
                      ARGS(arg_int(workflow), arg_int(STEPS_MAX)), &walk);
}

/* Calls of workflow() that threw are included: the place in the order counts, not the outcome. */
struct err tx_step_successes(struct tx *tx, int64_t workflow,
                             struct err (*each)(void *ctx, const struct step_row *row), void *ctx) {
    static const char sql[] =
        OF_RUN("''", "''", "") " AND done_no > 0 AND state IN ('succeeded', 'degraded')"
                               " AND cause <> 'truncated'" OF_REF OF_TIMER
                               " AND state = 'fired' ORDER BY done_no LIMIT $2";
    struct walk walk = {.each = each, .ctx = ctx, .bytes_max = SIZE_MAX};
    return steps_walk(tx, sql, ARGS(arg_int(workflow), arg_int(STEPS_MAX)), &walk);
}

/* --- As of an event --------------------------------------------------------------------------- */

/* Steps get their numbers in the commits of their events, so both have the same order: the first
 * step that finished after an event has the next number after those that had finished by then. That
 * holds also where events before it were pruned. */
struct settled_walk {
    struct tx *tx;
    int64_t workflow, last, next; /* next: number of the step that finished next; 0: none yet. */
};

static struct err settled_look(void *ctx, const struct event *event) {
    static const char sql[] =
        "SELECT done_no FROM runs WHERE run = $1 AND parent = $2 AND step_key <> ''";
    static const char of_timer[] =
        "SELECT done_no FROM workflow_timers WHERE run = $1 AND number = $2";
    struct settled_walk *walk = ctx;
    AUTO(json_release) json_t *data = NULL;
    const bool timer = bytes_is(event->type, "timer_finished");
    walk->last = event->seq;
    if (walk->next != 0 || (!timer && !bytes_is(event->type, "agent_finished"))) {
        return ERR_OK;
    }
    struct err err = json_parse_wrapped(event->data, &data, NULL /* no why */);
    if (!err_failed(err) && timer) {
        walk->next = tx_number(walk->tx, of_timer,
                               ARGS(arg_int(walk->workflow), arg_int(json_int(data, "timer", 0))));
    } else if (!err_failed(err)) {
        const struct bytes run = json_bytes(data, "run");
        walk->next = tx_number(walk->tx, sql, ARGS(arg_text(run), arg_int(walk->workflow)));
    }
    return err_failed(err) ? err : tx_error(walk->tx);
}

struct err tx_step_settled_at(struct tx *tx, const struct run_row *workflow, int64_t seq,
                              int64_t *ret_reuse_max, struct why *why) {
    struct stream_state stream = {.head = 0};
    struct settled_walk walk = {.tx = tx, .workflow = workflow->id, .last = seq};
    const int len = (int)workflow->run.len;
    bool found = false;
    struct err err = tx_stream_find(tx, workflow->owner, tx_stream_name(tx, "run:", workflow->run),
                                    &found, &stream);
    if (err_failed(err)) {
        return err;
    }
    if (seq > stream.head) {
        return err_why(why, ERR_CURSOR_AHEAD,
                       "from_seq: run:%.*s has no event %lld; its last one is %lld", len,
                       workflow->run.data, (long long)seq, (long long)stream.head);
    }
    if (seq < stream.floor) {
        return err_why(
            why, ERR_GONE,
            "from_seq: event %lld of run:%.*s was pruned; the events after %lld are kept",
            (long long)seq, len, workflow->run.data, (long long)stream.floor);
    }
    const int64_t settled = /* By now; a run that goes on has more of them later. */
        tx_number(tx,
                  "SELECT CAST(COALESCE(max(n), 0) AS BIGINT) FROM (SELECT max(done_no) AS n"
                  " FROM runs WHERE parent = $1 AND step_key <> '' UNION ALL"
                  " SELECT max(done_no) FROM workflow_timers WHERE run = $1) settled",
                  ARGS(arg_int(workflow->id)));
    int64_t before = -1; /* A damaged stream may lack its last events. */
    while (!err_failed(err) && walk.next == 0 && walk.last < stream.head && walk.last > before) {
        before = walk.last;
        err = tx_events(tx, stream.stream, walk.last, JOURNAL_PAGE_EVENTS, settled_look, &walk);
    }
    if (!err_failed(err)) {
        *ret_reuse_max = walk.next == 0 ? settled : walk.next - 1;
    }
    return err;
}

/* --- The list --------------------------------------------------------------------------------- */

enum { HEAD = 300 /* Bytes of a prompt. */, STEP_JSON_MAX = 8 << 20 };

static void add_moment(struct text *text, const char *name, int64_t at_ms) {
    text_add_member_int_or_null(text, name, at_ms, at_ms > 0);
}

/* As events of a turn have it: the row has the sums. */
static void step_write_usage(const struct step_fresh *step, struct text *text) {
    text_add_str(text, ",\"usage\":{");
    text_add_member_int(text, "fresh",
                        step->tokens - step->output_tokens - step->cache_read - step->cache_write);
    text_add_member_int(text, "cache_read", step->cache_read);
    text_add_member_int(text, "cache_write", step->cache_write);
    text_add_member_int(text, "output", step->output_tokens);
    text_add_member_int(text, "reasoning", step->reasoning);
    text_add_char(text, '}');
}

/* --- What stands beside the row --------------------------------------------------------------- */

/* The newest turn of an agent with tools. */
struct step_turn {
    struct bytes session, turn, approval, tool;
    int64_t calls, asked_ms, last_ms;
};

static struct step_turn turn_find(struct tx *tx, int64_t step) {
    static const char sql[] =
        "SELECT s.session, r.run, t.calls, r.id, COALESCE(r.ended_ms, r.started_ms, r.made_ms)"
        " FROM runs r JOIN turns t ON t.run = r.id JOIN sessions s ON s.id = t.session"
        " WHERE r.parent = $1 AND r.step_key = $2 AND r.step_key <> ''"
        " ORDER BY r.done_no DESC, r.id DESC LIMIT 1"; /* As the index. Turns have no done_no. */
    static const char spans[] = "SELECT COALESCE(max(COALESCE(ended_ms, started_ms)), 0) FROM spans"
                                " WHERE run = $1";
    static const char asks[] = "SELECT approval, step, asked_ms FROM approvals WHERE run = $1"
                               " AND answered_ms IS NULL ORDER BY step LIMIT 1";
    struct step_turn turn = {.session = BYTES(""), .approval = BYTES("")};
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, sql, ARGS(arg_int(step), arg_str(STEP_TURN_KEY)));
    if (rows == NULL) {
        return turn;
    }
    turn.session = rows_copy(rows, 0);
    turn.turn = rows_copy(rows, 1);
    turn.calls = rows_int(rows, 2);
    const int64_t id = rows_int(rows, 3), own_ms = rows_int(rows, 4);
    rows_release(&rows);
    const int64_t span_ms = tx_number(tx, spans, ARGS(arg_int(id)));
    turn.last_ms = span_ms > own_ms ? span_ms : own_ms;
    AUTO(rows_release) struct rows *open = tx_row(tx, asks, ARGS(arg_int(id)));
    if (open != NULL) {
        turn.approval = rows_copy(open, 0);
        turn.tool = rows_copy(open, 1);
        turn.asked_ms = rows_int(open, 2);
    }
    return turn;
}

static int64_t max_of(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static void step_write_more(struct tx *tx, const struct step_fresh *step, const struct run_row *row,
                            const json_t *spec, const struct step_list *list, struct text *text) {
    const struct step_key key = {step->key, step->occurrence};
    const struct step_call_place at = steps__place_of(spec);
    const bool talks = json_bytes(spec, "turn").len > 0;
    const struct step_turn turn = talks ? turn_find(tx, row->id) : (struct step_turn){.calls = 0};
    struct step_facts facts = {.row = row,
                               .approval = turn.approval,
                               .tool = turn.tool,
                               .asked_ms = turn.asked_ms,
                               .parked_ms = step->parked_ms < 0 ? -step->parked_ms : 0};
    for (size_t i = 0; i < list->slot_count && facts.limit.len == 0; i++) {
        if (bytes_is(row->run, list->slots[i].run.text)) {
            facts.limit = bytes_of(list->slots[i].limit);
            facts.name = bytes_of(list->slots[i].name);
        }
    }
    step_key_add(text, &key);
    text_add_member_or_null(text, "session", turn.session);
    text_add_member_or_null(text, "turn", turn.turn);
    text_add_member_int(text, "attempts", row->attempt);
    text_add_member_int_or_null(text, "calls", turn.calls, talks);
    add_moment(text, "last_ms", max_of(max_of(row->ended_ms, row->started_ms), turn.last_ms));
    steps__add_place(text, &at);
    text_add_member_or_null(text, "type", step->agent);
    text_add_member_or_null(text, "isolation",
                            json_bytes(json_object_get(spec, "opts"), "isolation"));
    step_wait_add(text, &facts);
}

/* --- One of them ------------------------------------------------------------------------------ */

/* *ret_state: as run_shown has it. */
static struct err step_write(struct tx *tx, const struct step_fresh *step,
                             const struct step_list *list, struct text *text,
                             struct bytes *ret_state) {
    struct run_row row = step->run;
    row.kind = KIND_AGENT; /* Also where the word is damaged. */
    const struct bytes cause = bytes_of(run_cause_name(row.cause));
    AUTO(json_release) json_t *spec = NULL;
    struct err err = json_parse_wrapped(row.spec, &spec, NULL);
    if (err_failed(err) && err.code != ERR_BAD_JSON) { /* Members of a damaged spec are "". */
        return err;
    }
    run_shown(&row, tx_epoch(tx), run_bounds_hold(list->bounds));
    tx_fail(tx, tx_run_waits_mark(tx, list->bounds, &row));
    *ret_state = bytes_of(run_state_name(row.state));

    text_add_char(text, '{');
    text_add_member_or_null(text, "id", row.run);
    text_add_member_or_null(text, "label", row.label);
    struct bytes prompt = json_bytes(spec, "prompt");
    prompt.len = utf8_cut(prompt, HEAD);
    text_add_member_or_null(text, "phase", json_bytes(spec, "phase"));
    text_add_member_or_null(text, "model", json_bytes(spec, "model"));
    text_add_member_or_null(text, "prompt", prompt);
    const json_t *worktree = json_object_get(spec, "worktree");
    if (json_is_object(worktree)) {
        text_add_member_or_null(text, "worktree", json_bytes(worktree, "path"));
    }
    text_add_member_or_null(text, "state", *ret_state);
    text_add_member_or_null(text, "gate", bytes_of(run_gate_name(run_gate_shown(&row))));
    add_moment(text, "resume_at_ms", run_resume_at_ms(&row));
    text_add_member_or_null(text, "cause", cause);
    text_add_member_or_null(text, "note", row.note);
    text_add_member_bool(text, "cached", step->cached);
    text_add_member_or_null(text, "cached_from", step->cached_from);
    text_add_member_int(text, "done_no", step->done_no);
    text_add_member_int(text, "output_tokens", step->output_tokens);
    text_add_member_int(text, "tokens", step->tokens);
    steps__add_cost(text, step->cost_micros, step->cost_unknown);
    step_write_usage(step, text);
    add_moment(text, "started_ms", row.started_ms);
    add_moment(text, "ended_ms", row.ended_ms);
    step_write_more(tx, step, &row, spec, list, text);
    if (list->whole) {
        text_add_name(text, "result");
        json_add_stored(text, row.result);
    }
    text_add_char(text, '}');
    return ERR_OK;
}

struct err tx_step_each(struct tx *tx, const struct step_list *list,
                        struct err (*each)(void *ctx, const struct step_shown *step), void *ctx) {
    static const char sql[] =
        "SELECT * FROM runs"
        " WHERE id IN (SELECT id FROM runs WHERE parent = $1 AND step_key <> '' AND id > $2"
        " ORDER BY id LIMIT $3) ORDER BY id"; /* Ids are sorted, not texts. */
    AUTO(text_done) struct text text = text_up_to(STEP_JSON_MAX);
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, tx_resource_sql(tx, &steps__resource, RESOURCE_WHOLE, sql),
                ARGS(arg_int(list->workflow), arg_int(list->after), arg_int(list->limit)));
    struct err err = ERR_OK;
    while (!err_failed(err) && rows_step(rows)) {
        struct step_fresh step = {
            .run = {.state = RUN_STATE_COUNT, .gate = RUN_GATE_COUNT, .cause = RUN_CAUSE_COUNT}};
        const bool known = resource_row_fill(&steps__resource, RESOURCE_WHOLE, rows, &step) ||
                           (step.run.state != RUN_STATE_COUNT && step.run.gate != RUN_GATE_COUNT &&
                            step.run.cause != RUN_CAUSE_COUNT); /* The others are not shown. */
        struct step_shown shown = {.id = step.run.id, .label = step.run.label};
        text_clear(&text);
        err = known ? step_write(tx, &step, list, &text, &shown.state)
                    : err_make(ERR_STORE_CORRUPT, "steps: a word of a row");
        if (!err_failed(err) && text_failed(&text) && !text.no_memory) { /* A damaged row. */
            text_clear(&text);
            text_add_char(&text, '{');
            text_add_member_or_null(&text, "id", step.run.run);
            text_add_member_or_null(&text, "state", bytes_of(run_state_name(step.run.state)));
            text_add_str(&text, ",\"cause\":\"history_unreadable\"}");
        }
        if (!err_failed(err) && text_failed(&text)) {
            err = text_error(&text, "steps: list");
        }
        if (!err_failed(err)) {
            shown.json = text_bytes(&text);
            err = each(ctx, &shown);
        }
    }
    return err_failed(err) ? err : tx_error(tx);
}
