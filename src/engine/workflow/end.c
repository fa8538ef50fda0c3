/* end.c: the end of a workflow, and of all that still works for it.
 *
 * The result of the run is a JSON object:
 *   {"agents":{"succeeded","cached","failed","skipped"}, "tokens", "cost_micros", "cost_unknown",
 *    "ms",
 *    "items_failed", "calls_failed", "failures":[{"run","label","cause","note"}…],
 *    "error":{…}|null, "result":any}
 * The last event says the same after the state, but without a result that is too large for it.
 */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/inbox/inbox.h"
#include "engine/run/budget_gate.h"
#include "engine/workflow/rows.h"

enum { FAILURE_WORDS_MAX = 1000 }; /* Above the longest label and note that are stored. */

/* --- The result ------------------------------------------------------------------------------- */

/* How the agents ended, by the rows. Row by row: to group some ten rows, SQLite sorts them, which
 * costs it as much again. */
static struct workflow_census census_read(struct tx *tx, int64_t workflow) {
    struct workflow_census census = {0};
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT state, cached, output_tokens, tokens, cost_micros, cause,"
                                " cost_unknown FROM runs"
                                " WHERE parent = $1 AND step_key <> '' AND ended_ms IS NOT NULL",
                                ARGS(arg_int(workflow)));
    while (rows_step(rows)) {
        struct workflow_ended ended = {.cached = rows_int(rows, 1) != 0};
        if (!run_state_find(rows_text(rows, 0), &ended.state) || !run_state_final(ended.state) ||
            !run_cause_find(rows_text(rows, 5), &ended.cause)) { /* A damaged row. */
            ended.state = RUN_FAILED;
            ended.cause = CAUSE_HISTORY_UNREADABLE;
        }
        workflow_count(&census, &ended);
        census.output_tokens += rows_int(rows, 2);
        census.tokens += rows_int(rows, 3);
        census.cost_micros += rows_int(rows, 4);
        census.cost_unknown += rows_int(rows, 6);
    }
    return census;
}

/* A damaged row may have a text of any length, and must not keep the workflow from its end. */
static void failures_write(struct tx *tx, int64_t workflow, struct text *text) {
    static const char *const names[] = {"run", "label", "cause", "note"};
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT run, label, cause, note FROM runs WHERE parent = $1 AND step_key <> ''"
                " AND ended_ms IS NOT NULL AND state IN ('failed', 'timed_out', 'lost')"
                " ORDER BY done_no LIMIT $2",
                ARGS(arg_int(workflow), arg_int(WORKFLOW_FAILURES_MAX)));
    for (const char *before = "{"; rows_step(rows); before = ",{") {
        text_add_str(text, before);
        for (int i = 0; i < (int)COUNT_OF(names); i++) {
            struct bytes value = rows_text(rows, i);
            value.len = utf8_cut(value, FAILURE_WORDS_MAX);
            text_add_member(text, names[i], value);
        }
        text_add_char(text, '}');
    }
}

/* Writes the members that the row and the event share, without the braces and the result.
 * *ret_notice: length of the part that a notice has room for. */
static void members_write(struct tx *tx, const struct run_row *row,
                          const struct workflow_census *census, struct bytes error,
                          struct text *text, size_t *ret_notice) {
    text_addf(text,
              "\"agents\":{\"succeeded\":%lld,\"cached\":%lld,\"failed\":%lld,\"skipped\":%lld},"
              "\"output_tokens\":%lld,\"tokens\":%lld",
              (long long)census->succeeded, (long long)census->cached, (long long)census->failed,
              (long long)census->skipped, (long long)census->output_tokens,
              (long long)census->tokens);
    steps__add_cost(text, census->cost_micros, census->cost_unknown);
    text_add_member_int(text, "ms", runs__took_ms(tx, row));
    text_add_member_int(text, "items_failed", census->items_failed);
    text_add_member_int(text, "calls_failed", census->calls_failed);
    *ret_notice = text->len;
    text_add_str(text, ",\"failures\":[");
    if (census->failed > 0) {
        failures_write(tx, row->id, text);
    }
    text_add_char(text, ']');
    *ret_notice = text->len < INBOX_MEMBERS_MAX ? text->len : *ret_notice;
    text_add_name(text, "error");
    json_add_stored(text, error);
}

static struct err finished_event(struct tx *tx, const struct run_row *row, struct text *members,
                                 struct bytes result) {
    const struct workflow_place place = {.id = row->id, .owner = row->owner, .run = row->run};
    AUTO(text_done) struct text data = text_up_to(WORKFLOW_EVENT_MAX);
    text_addf(&data, "{\"state\":\"%s\",\"cause\":\"%s\"", run_state_name(row->state),
              run_cause_name(row->cause));
    text_add_member(&data, "note", row->note);
    text_add_char(&data, ',');
    text_add(&data, members->data, members->len);
    if (result.len > WORKFLOW_EVENT_RESULT) {
        text_add_str(&data, ",\"result_cut\":true");
    } else {
        text_add_name(&data, "result");
        json_add_stored(&data, result);
    }
    text_add_char(&data, '}');
    return workflows__event(tx, &place, "workflow_finished", &data, WORKFLOW_ENDS);
}

static struct err empty_event(struct tx *tx, const struct run_row *row) {
    const struct workflow_census census = {0};
    AUTO(text_done) struct text members = text_up_to(WORKFLOW_EVENT_MAX);
    size_t unused = 0;
    members_write(tx, row, &census, BYTES(""), &members, &unused);
    return finished_event(tx, row, &members, BYTES(""));
}

/* One that ended before it began has nothing to say but that. The end of another one is told by
 * tx_workflow_end, with its result. */
struct err workflows__ended(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    (void)freed; /* A workflow that has not begun has nothing below it. */
    return row->attempt > 0 ? ERR_OK : empty_event(tx, row);
}

/* --- Its agents ------------------------------------------------------------------------------- */

/* Ids of the agents that have not ended, in the arena. */
static int64_t *agents_open(struct tx *tx, int64_t workflow, size_t *ret_count) {
    int64_t *ids = tx_memory(tx, WORKFLOW_AGENTS_MAX * sizeof *ids);
    *ret_count =
        tx_ids(tx,
               "SELECT id FROM runs WHERE parent = $1 AND step_key <> ''"
               " AND done_no = 0 AND ended_ms IS NULL ORDER BY id LIMIT $2",
               ARGS(arg_int(workflow), arg_int(WORKFLOW_AGENTS_MAX)), WORKFLOW_AGENTS_MAX, ids);
    return ids;
}

/* An agent that waits for its provider since an earlier life: nothing of it was out. */
static struct step_took *step_rested(struct tx *tx, const struct run_row *row, json_t **ret_spec,
                                     struct step_took *ret_took) {
    struct step_spent spent;
    steps__spent(tx, row->id, &spent);
    tx_fail(tx, json_parse_wrapped(row->spec, ret_spec, NULL));
    *ret_took = (struct step_took){
        .run = row->run,
        .model = json_bytes(*ret_spec, "model"),
        .usage = spent.usage,
        .cost = {.known = spent.calls_unpriced == 0, .micros = spent.cost_micros},
        .calls = spent.calls,
        .calls_unpriced = spent.calls_unpriced};
    return ret_took;
}

/* Nobody waits for what they would still say. `end` NULL: the end of the workflow was refused, and
 * its agents end alone, without events. Agents whose rows cannot be read are closed without a look
 * at them. */
static void agents_end(struct tx *tx, const struct workflow_end *end, int64_t workflow,
                       struct run_freed *freed) {
    size_t count = 0;
    const int64_t *ids = agents_open(tx, workflow, &count);
    bool unread = end == NULL;
    for (size_t i = 0; i < count && !err_failed(tx_error(tx)); i++) {
        struct run_row row;
        bool found = false;
        struct err err = runs__find_id(tx, ids[i], &found, &row);
        if (err.code == ERR_STORE_CORRUPT) {
            unread = true;
            continue;
        }
        if (err_failed(tx_fail(tx, err)) || !found) {
            return;
        }
        const struct step_took *took = NULL;
        for (size_t n = 0; end != NULL && n < end->took_count && took == NULL; n++) {
            took = bytes_equal(end->took[n].run, row.run) ? &end->took[n] : NULL;
        }
        AUTO(json_release) json_t *spec = NULL;
        struct step_took rest;
        if (end != NULL && took == NULL && run_waits_for_provider(&row)) {
            took = step_rested(tx, &row, &spec, &rest);
        }
        if (took != NULL && (row.state == RUN_RUNNING || run_waits_for_provider(&row))) {
            steps__cut_off(tx, took, end->project, &row, freed);
        } else if (end != NULL && row.cause == CAUSE_PAUSED) { /* Admitted, but never asked. */
            runs__budget_leave(tx, &row, freed);
        }
        const struct run_end of_run = {
            .from = row.state, .output = BYTES(""), .alone = end == NULL};
        row.cause = row.stop == CAUSE_NONE ? CAUSE_PARENT_ENDED : row.stop;
        row.state = RUN_CANCELLED;
        row.not_before_ms = 0;
        tx_fail(tx, runs__end(tx, &of_run, &row, freed));
        tx_fail(tx, runs__ask_children(tx, &row, freed));
    }
    if (unread) {
        tx_do(tx,
              "UPDATE runs SET state = 'cancelled', gate = '', cause = 'parent_ended',"
              " not_before_ms = 0, ended_ms = CASE WHEN started_ms > $2 THEN started_ms ELSE $2 END"
              " WHERE parent = $1 AND step_key <> '' AND ended_ms IS NULL",
              ARGS(arg_int(workflow), arg_int(tx_now_ms(tx))));
    }
}

struct err workflows__close(struct tx *tx, const struct run_row *workflow,
                            struct run_freed *freed) {
    agents_end(tx, /* end */ NULL, workflow->id, freed);
    timers__cancel(tx, workflow->id);
    return tx_error(tx);
}

struct err workflows__tell_closed(struct tx *tx, const struct run_row *workflow) {
    return empty_event(tx, workflow);
}

/* --- Its end ---------------------------------------------------------------------------------- */

/* Head and tail of what it returned, or what went wrong. */
static struct bytes output_of(struct tx *tx, const struct run_row *row, struct bytes result) {
    enum { HALF = INBOX_OUTPUT_MAX / 2 - 50 };
    AUTO(text_done) struct text text = text_up_to(2 * (size_t)INBOX_OUTPUT_MAX);
    struct bytes all = result.len > 0 ? result : row->note;
    if (all.len <= INBOX_OUTPUT_MAX) {
        return all;
    }
    text_add(&text, all.data, utf8_cut(all, HALF));
    text_addf(&text,
              "\n[… of %zu bytes, the middle is left out: 'drover show %.*s' has it all …]\n",
              all.len, (int)row->run.len, row->run.data);
    size_t from = all.len - HALF;
    while (from < all.len && ((unsigned char)all.data[from] & 0xC0U) == 0x80U) {
        from++;
    }
    text_add(&text, all.data + from, all.len - from);
    return tx_copy_text(tx, &text, "workflows: notice");
}

static void workflow_finish(struct tx *tx, const struct workflow_end *end, struct run_row *row,
                            struct run_freed *freed) {
    struct workflow_census census = census_read(tx, row->id);
    census.items_failed = end->items_failed;
    census.calls_failed = end->calls_failed;
    const struct workflow_verdict verdict = workflow_judge(row, end->cause, &census);
    const struct bytes result =
        verdict.cause == end->cause || end->cause == CAUSE_COMPLETED ? end->result : BYTES("");
    struct run_end of_run = {.from = row->state};
    row->state = verdict.state;
    row->cause = verdict.cause;
    row->note = (struct bytes){end->note.data, utf8_cut(end->note, RUN_NOTE_TEXT_MAX)};

    AUTO(text_done) struct text members = text_up_to(WORKFLOW_EVENT_MAX);
    AUTO(text_done) struct text whole = text_up_to(WORKFLOW_RESULT_MAX + WORKFLOW_EVENT_MAX);
    members_write(tx, row, &census, end->error, &members, &of_run.members.len);
    of_run.members.data = members.data;
    text_add_char(&whole, '{');
    text_add(&whole, members.data, members.len);
    text_add_name(&whole, "result");
    json_add_stored(&whole, result);
    text_add_char(&whole, '}');
    row->result = tx_copy_text(tx, &whole, "workflows: result");
    of_run.output = output_of(tx, row, result);
    tx_fail(tx, runs__end(tx, &of_run, row, freed));
    tx_fail(tx, finished_event(tx, row, &members, result));
}

struct err tx_workflow_end(struct tx *tx, const struct workflow_end *end, bool *ret_late) {
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    *ret_late =
        !runs__load(tx, end->run, &row) || !workflow_lives(&row) || row.attempt != end->attempt;
    if (*ret_late) {
        return tx_error(tx);
    }
    agents_end(tx, end, row.id, &freed);
    timers__cancel(tx, row.id);
    workflow_finish(tx, end, &row, &freed);
    tx_fail(tx, runs__ask_children(tx, &row, &freed));
    tx_fail(tx, runs__admit_freed(tx, &freed, &end->bounds));
    return tx_error(tx);
}

struct err workflows__said(struct tx *tx, const struct run_row *row, struct bytes *ret_text) {
    AUTO(json_release) json_t *whole = NULL;
    AUTO(text_done) struct text text = text_up_to((size_t)WORKFLOW_RESULT_MAX * 2);
    struct err err = json_parse_wrapped(row->result, &whole, NULL);
    const json_t *result = json_object_get(whole, "result");
    if (err_failed(err) || json_is_string(result)) {
        *ret_text = tx_copy(tx, json_text(result));
        return tx_error(tx); /* An end without a result has none. */
    }
    err = json_write(result, &text);
    *ret_text = tx_copy_text(tx, &text, "workflows: said");
    return err;
}
