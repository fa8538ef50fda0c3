/* end.c: the end of a workflow, and of all that still works for it.
 *
 * The result of the run is a JSON object:
 *   {"agents":{"succeeded","cached","failed","skipped"}, "tokens", "cost_micros", "ms",
 *    "failures":[{"run","label","cause","note"}…], "error":{…}|null, "result":any}
 * The last event says the same behind the state, but without a result that is too large for it.
 */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/inbox/inbox.h"
#include "engine/run/budget_gate.h"
#include "engine/workflow/rows.h"

enum { FAILURE_WORDS_MAX = 1000 }; /* Above the longest label and note that are stored. */

static const struct bytes none = {"", 0};

/* --- The census ------------------------------------------------------------------------------- */

/* Row by row: to group some ten rows, SQLite sorts them, which costs it as much again. */
struct err tx_workflow_census(struct tx *tx, int64_t workflow, struct workflow_census *ret_census) {
    static const char sql[] =
        "SELECT state, cached, output_tokens, tokens, cost_micros, cause FROM runs"
        " WHERE parent = $1 AND step_key <> '' AND ended_ms IS NOT NULL";
    const struct arg args[] = {arg_int(workflow)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct workflow_census census = {0};
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    while (row) {
        err = rows_next(rows, &row);
        if (err_failed(err) || !row) {
            break;
        }
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
    }
    if (!err_failed(err)) {
        *ret_census = census;
    }
    return err;
}

/* --- What came of it -------------------------------------------------------------------------- */

/* A damaged row may have a text of any length, and must not keep the workflow from its end. */
static void add_failure(const struct rows *rows, struct text *text) {
    static const char *const before[] = {"{\"run\":", ",\"label\":", ",\"cause\":", ",\"note\":"};
    for (int i = 0; i < (int)COUNT_OF(before); i++) {
        struct bytes value = rows_text(rows, i);
        text_add_str(text, before[i]);
        text_add_json(text, value.data, utf8_cut(value, FAILURE_WORDS_MAX));
    }
    text_add_char(text, '}');
}

static struct err add_each_failure(struct tx *tx, int64_t workflow, struct text *text) {
    static const char sql[] =
        "SELECT run, label, cause, note FROM runs WHERE parent = $1 AND step_key <> ''"
        " AND ended_ms IS NOT NULL AND state IN ('failed', 'timed_out', 'lost')"
        " ORDER BY done_no LIMIT $2";
    const struct arg args[] = {arg_int(workflow), arg_int(WORKFLOW_FAILURES_MAX)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    for (size_t i = 0; row; i++) {
        err = rows_next(rows, &row);
        if (err_failed(err) || !row) {
            break;
        }
        text_add_str(text, i > 0 ? "," : "");
        add_failure(rows, text);
    }
    return err;
}

static struct err add_failures(struct tx *tx, int64_t workflow,
                               const struct workflow_census *census, struct text *text) {
    text_add_str(text, ",\"failures\":[");
    struct err err = census->failed == 0 ? ERR_OK : add_each_failure(tx, workflow, text);
    text_add_char(text, ']');
    return err;
}

static void add_json(struct text *text, const char *before, struct bytes json) {
    text_add_str(text, before);
    json_add_stored(text, json);
}

static void add_census(const struct workflow_census *census, int64_t took_ms, struct text *text) {
    text_addf(text,
              "\"agents\":{\"succeeded\":%lld,\"cached\":%lld,\"failed\":%lld,\"skipped\":%lld},"
              "\"output_tokens\":%lld,\"tokens\":%lld,\"cost_micros\":%lld,\"ms\":%lld",
              (long long)census->succeeded, (long long)census->cached, (long long)census->failed,
              (long long)census->skipped, (long long)census->output_tokens,
              (long long)census->tokens, (long long)census->cost_micros,
              (long long)(took_ms > 0 ? took_ms : 0));
}

/* What both the row and the event say, without the braces and the result. *ret_notice: what of it
 * a notice has room for. */
static struct err write_members(struct tx *tx, const struct run_row *row,
                                const struct workflow_census *census, struct bytes error,
                                struct text *text, size_t *ret_notice) {
    add_census(census, runs__took_ms(tx, row), text);
    *ret_notice = text->len;
    struct err err = add_failures(tx, row->id, census, text);
    *ret_notice = text->len < INBOX_MEMBERS_MAX ? text->len : *ret_notice;
    add_json(text, ",\"error\":", error);
    return err;
}

static struct err tell_finished(struct tx *tx, const struct run_row *row, struct bytes members,
                                struct bytes result) {
    const struct workflow_place place = {.id = row->id, .owner = row->owner, .run = row->run};
    AUTO(text_done) struct text data;
    text_init(&data, WORKFLOW_EVENT_MAX);
    text_addf(&data, "{\"state\":\"%s\",\"cause\":\"%s\",\"note\":", run_state_name(row->state),
              run_cause_name(row->cause));
    text_add_json(&data, row->note.data, row->note.len);
    text_add_char(&data, ',');
    text_add(&data, members.data, members.len);
    if (result.len > WORKFLOW_EVENT_RESULT) {
        text_add_str(&data, ",\"result_cut\":true}");
    } else {
        add_json(&data, ",\"result\":", result);
        text_add_char(&data, '}');
    }
    return workflows__event(tx, &place, "workflow_finished", &data, WORKFLOW_ENDS);
}

/* One that ended before it began has nothing to say but that. */
struct err workflows__ended(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    (void)freed; /* A workflow that has not begun has nothing below it. */
    const struct workflow_census census = {0};
    AUTO(text_done) struct text members = {0};
    if (row->attempt > 0) {
        return ERR_OK; /* tx_workflow_end tells it, with the result. */
    }
    size_t unused = 0;
    text_init(&members, WORKFLOW_EVENT_MAX);
    struct err err = write_members(tx, row, &census, none, &members, &unused);
    return err_failed(err)
               ? err
               : tell_finished(tx, row, (struct bytes){members.data, members.len}, none);
}

/* --- Its agents ------------------------------------------------------------------------------- */

struct ids {
    int64_t *at; /* In the arena. */
    size_t count;
};

static struct err find_open(struct tx *tx, int64_t workflow, struct ids *ret_ids) {
    static const char sql[] = "SELECT id FROM runs WHERE parent = $1 AND step_key <> ''"
                              " AND done_no = 0 AND ended_ms IS NULL ORDER BY id LIMIT $2";
    const struct arg args[] = {arg_int(workflow), arg_int(WORKFLOW_AGENTS_MAX)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct ids ids = {.at = arena_try(tx_arena(tx), WORKFLOW_AGENTS_MAX * sizeof *ids.at)};
    if (ids.at == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "workflows: agents");
    }
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    while (row && ids.count < WORKFLOW_AGENTS_MAX) {
        err = rows_next(rows, &row);
        if (err_failed(err) || !row) {
            break;
        }
        ids.at[ids.count++] = rows_int(rows, 0);
    }
    if (!err_failed(err)) {
        *ret_ids = ids;
    }
    return err;
}

static const struct step_took *find_took(const struct workflow_end *end, struct bytes run) {
    for (size_t i = 0; i < end->took_count; i++) {
        const struct step_took *took = &end->took[i];
        if (bytes_equal(took->run, run)) {
            return took;
        }
    }
    return NULL;
}

/* Whatever they would still say, nobody waits for it. */
static struct err end_agent(struct tx *tx, const struct workflow_end *workflow, int64_t id,
                            struct run_freed *freed) {
    struct run_row row;
    bool found = false;
    struct err err = runs__find_id(tx, id, &found, &row);
    if (err_failed(err) || !found) {
        return err;
    }
    const struct step_took *took = find_took(workflow, row.run);
    if (took != NULL && (row.state == RUN_RUNNING || run_waits_for_provider(&row))) {
        err = steps__cut_off(tx, took, workflow->project, &row, freed);
    } else if (row.cause == CAUSE_PAUSED) { /* A budget let it go, and nobody was asked. */
        err = runs__budget_leave(tx, &row, freed);
    }
    if (err_failed(err)) {
        return err;
    }
    const struct run_end end = {.from = row.state, .output = none};
    row.cause = row.stop == CAUSE_NONE ? CAUSE_PARENT_ENDED : row.stop;
    row.state = RUN_CANCELLED;
    row.not_before_ms = 0;
    err = runs__end(tx, &end, &row, freed);
    return err_failed(err) ? err : runs__ask_children(tx, &row, freed);
}

/* Agents whose rows cannot be read. */
static struct err close_unread(struct tx *tx, int64_t workflow) {
    static const char sql[] =
        "UPDATE runs SET state = 'cancelled', gate = '', cause = 'parent_ended', not_before_ms = 0,"
        " ended_ms = CASE WHEN started_ms > $2 THEN started_ms ELSE $2 END"
        " WHERE parent = $1 AND step_key <> '' AND ended_ms IS NULL";
    const struct arg args[] = {arg_int(workflow), arg_int(tx_now_ms(tx))};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* any number */);
}

static struct err end_agents(struct tx *tx, const struct workflow_end *end, int64_t workflow,
                             struct run_freed *freed) {
    struct ids ids = {.count = 0};
    struct err err = find_open(tx, workflow, &ids);
    bool unread = false;
    for (size_t i = 0; i < ids.count && !err_failed(err); i++) {
        err = end_agent(tx, end, ids.at[i], freed);
        unread = unread || err.code == ERR_STORE_CORRUPT;
        err = err.code == ERR_STORE_CORRUPT ? ERR_OK : err;
    }
    return err_failed(err) || !unread ? err : close_unread(tx, workflow);
}

/* --- Its end refused -------------------------------------------------------------------------- */

static struct err close_agent(struct tx *tx, int64_t id, struct run_freed *freed) {
    struct run_row row;
    bool found = false;
    struct err err = runs__find_id(tx, id, &found, &row);
    if (err_failed(err) || !found) {
        return err.code == ERR_STORE_CORRUPT ? ERR_OK : err; /* close_unread comes to it. */
    }
    const struct run_end end = {.from = row.state, .output = none, .members = none, .alone = true};
    row.cause = row.stop == CAUSE_NONE ? CAUSE_PARENT_ENDED : row.stop;
    row.state = RUN_CANCELLED;
    row.not_before_ms = 0;
    err = runs__end(tx, &end, &row, freed);
    return err_failed(err) ? err : runs__ask_children(tx, &row, freed);
}

struct err workflows__close(struct tx *tx, const struct run_row *workflow,
                            struct run_freed *freed) {
    struct ids ids = {.count = 0};
    struct err err = find_open(tx, workflow->id, &ids);
    for (size_t i = 0; i < ids.count && !err_failed(err); i++) {
        err = close_agent(tx, ids.at[i], freed);
    }
    return err_failed(err) ? err : close_unread(tx, workflow->id);
}

struct err workflows__tell_closed(struct tx *tx, const struct run_row *workflow) {
    const struct workflow_census census = {0};
    AUTO(text_done) struct text members;
    text_init(&members, WORKFLOW_EVENT_MAX);
    add_census(&census, runs__took_ms(tx, workflow), &members);
    text_add_str(&members, ",\"failures\":[],\"error\":null");
    return tell_finished(tx, workflow, (struct bytes){members.data, members.len}, none);
}

/* --- Its end ---------------------------------------------------------------------------------- */

static struct err write_result(struct tx *tx, struct run_row *row, struct bytes members,
                               struct bytes result) {
    AUTO(text_done) struct text text;
    text_init(&text, WORKFLOW_RESULT_MAX + WORKFLOW_EVENT_MAX);
    text_add_char(&text, '{');
    text_add(&text, members.data, members.len);
    add_json(&text, ",\"result\":", result);
    text_add_char(&text, '}');
    if (text_failed(&text)) {
        return text_error(&text, "workflows: result");
    }
    row->result = (struct bytes){text.data, text.len};
    return workflows__keep(tx, &row->result);
}

/* Head and tail of what it returned, or what went wrong. */
static struct err write_output(struct tx *tx, const struct run_row *row, struct bytes result,
                               struct bytes *ret_output) {
    enum { HALF = INBOX_OUTPUT_MAX / 2 - 50 };
    AUTO(text_done) struct text text = {0};
    struct bytes all = result.len > 0 ? result : row->note;
    if (all.len <= INBOX_OUTPUT_MAX) {
        *ret_output = all;
        return ERR_OK;
    }
    text_init(&text, 2 * (size_t)INBOX_OUTPUT_MAX);
    text_add(&text, all.data, utf8_cut(all, HALF));
    text_addf(&text,
              "\n[… of %zu bytes, the middle is left out: 'drover show %.*s' has it all …]\n",
              all.len, (int)row->run.len, row->run.data);
    size_t from = all.len - HALF;
    while (from < all.len && ((unsigned char)all.data[from] & 0xC0U) == 0x80U) {
        from++;
    }
    text_add(&text, all.data + from, all.len - from);
    if (text_failed(&text)) {
        return text_error(&text, "workflows: notice");
    }
    *ret_output = (struct bytes){text.data, text.len};
    return workflows__keep(tx, ret_output);
}

static struct err finish(struct tx *tx, const struct workflow_end *end, struct run_row *row,
                         struct run_freed *freed) {
    struct workflow_census census;
    AUTO(text_done) struct text members = {0};
    struct run_end of_run = {.from = row->state};
    struct err err = tx_workflow_census(tx, row->id, &census);
    if (err_failed(err)) {
        return err;
    }
    const struct workflow_verdict verdict = workflow_judge(row, end->cause, &census);
    const struct bytes result =
        verdict.cause == end->cause || end->cause == CAUSE_COMPLETED ? end->result : none;
    row->state = verdict.state;
    row->cause = verdict.cause;
    row->note = (struct bytes){end->note.data, utf8_cut(end->note, RUN_NOTE_TEXT_MAX)};
    text_init(&members, WORKFLOW_EVENT_MAX);
    size_t notice = 0;
    err = write_members(tx, row, &census, end->error, &members, &notice);
    const struct bytes said = {members.data, members.len};
    of_run.members = (struct bytes){members.data, notice};
    if (!err_failed(err)) {
        err = write_result(tx, row, said, result);
    }
    if (!err_failed(err)) {
        err = write_output(tx, row, result, &of_run.output);
    }
    if (!err_failed(err)) {
        err = runs__end(tx, &of_run, row, freed);
    }
    return err_failed(err) ? err : tell_finished(tx, row, said, result);
}

struct err tx_workflow_end(struct tx *tx, const struct workflow_end *end, bool *ret_late) {
    const struct run_key key = {.run = end->run};
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    *ret_late = !found || !workflow_lives(&row) || row.attempt != end->attempt;
    if (err_failed(err) || *ret_late) {
        return err;
    }
    err = end_agents(tx, end, row.id, &freed);
    if (!err_failed(err)) {
        err = finish(tx, end, &row, &freed);
    }
    if (!err_failed(err)) {
        err = runs__ask_children(tx, &row, &freed);
    }
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, &end->bounds);
}
