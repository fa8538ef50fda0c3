/* retention.c: how long ended runs are kept, and their removal with their streams.
 *
 * A run that has live children stays: they are found by its id. The steps of a workflow are its
 * journal: they go with it, and not before; so do the turns of its agents that have tools, and
 * their sessions, but for those that somebody goes on with. It stays while such a turn still stops.
 * The agents of a flow are runs of their own: each takes its session with it, and those that are
 * left go with the flow, as do its commands, and the flows and workflows below it.
 */
#include "engine/system/retention.h"

#include "base/memory.h"
#include "engine/approval/rows.h"
#include "engine/base/idempotency.h"
#include "engine/base/ids.h"
#include "engine/budget/rows.h"
#include "engine/flow/rows.h"
#include "engine/inbox/rows.h"
#include "engine/run/folder_removals.h"
#include "engine/run/kinds.h"
#include "engine/run/rows.h"
#include "engine/session/message_rows.h"
#include "engine/system/session_delete.h"
#include "engine/trace/spans.h"
#include "engine/workflow/rows.h"
#include "journal/journal.h"
#include "rules/run/retention.h"

/* The kind of a damaged row may be a guess. What a workflow leaves is found by ids, so looking for
 * it in vain costs a few questions. */
static bool may_be_workflow(const struct run_row *row) {
    return run_kind_is(row->kind, RUN_HAS_STEPS) || row->cause == CAUSE_HISTORY_UNREADABLE;
}

/* Two questions, for there are two indexes. */
#define LIVES_BELOW(stop)                                                                          \
    "EXISTS (SELECT 1 FROM runs c WHERE c.parent = runs.id AND c.parent <> 0"                      \
    " AND c.ended_ms IS NULL AND c.stop " stop ")"
#define NONE_LIVES_BELOW " AND NOT " LIVES_BELOW("= ''") " AND NOT " LIVES_BELOW("<> ''")

/* Of a run with very many spans, agents, approvals or events only a page of them goes: `whole` is
 * false then, and the run itself goes with the last page, in another transaction. */
struct removal {
    bool whole;
    int64_t rows; /* Rows that count for a transaction: spans and agents. */
    int64_t disk; /* Bytes of the folders. */
};

static struct removal row_remove(struct tx *tx, const struct run_row *row) {
    const struct arg id = arg_int(row->id);
    bool workflow = may_be_workflow(row), more = false;
    int64_t agents = 0;
    tx_folder_removal_tell(tx, row);
    const struct span_removed spans = tx_span_remove(tx, row->id);
    bool whole = spans.count < SPAN_REMOVE_MAX;
    if (whole && workflow) {
        agents = workflows__forget_agents(tx, row->id);
        whole = agents < WORKFLOW_FORGET_PAGE;
    }
    whole = whole && approvals__remove(tx, row);
    if (whole) {
        const struct stream_name stream = {.owner = row->owner, .name = runs__stream(tx, row->run)};
        tx_fail(tx, tx_stream_remove(tx, &stream, JOURNAL_PRUNE_MAX, &more));
        whole = !more;
    }
    if (whole) {
        if (row->budget.len > 0 || row->cause == CAUSE_HISTORY_UNREADABLE) {
            budget__remove_run(tx, row->id);
        }
        if (workflow) {
            workflows__forget(tx, row->id);
        }
        flows__forget(tx, row->id);
        inbox__forget(tx, row->run);
        tx_idempotency_forget(tx, row->run);
        tx_folder_removal_add(tx, row);
        /* Messages and parts go on naming its id, which names nothing any more. */
        ids__keep(tx, IDS_RUNS);
        messages__keep_model(tx, row->id);
        runs__tell_removed(tx, row);
        tx_do(tx, "DELETE FROM runs WHERE id = $1", ARGS(id));
        tx_do(tx, IDS_KEEP_TURN("run = $1"), ARGS(id));
        tx_do(tx, "DELETE FROM turns WHERE run = $1", ARGS(id));
    }
    return (struct removal){.whole = whole, .rows = spans.count + agents, .disk = spans.disk};
}

/* --- With a workflow or a flow ---------------------------------------------------------------- */

/* Out of sight at once; its rows are removed like those of any other (session_delete.c). Nothing of
 * it runs, so no budget lets anybody go. False: call again. */
static bool session_remove(struct tx *tx, int64_t id) {
    struct session_row session;
    bool more = false;
    /* Somebody took it out of the archive, or has said something there: it is his conversation now,
     * and stays as others do whose turns are not kept any longer. */
    if (id == 0 || !sessions__find_id(tx, id, &session) || session.archived_ms == 0 ||
        tx_number(tx,
                  "SELECT count(*) FROM (SELECT 1 FROM messages WHERE session = $1"
                  " AND role = 'user' LIMIT 2) said",
                  ARGS(arg_int(id))) > 1) {
        return true;
    }
    const struct session_delete what = {.key = {.owner = session.owner, .session = session.session},
                                        .bounds = {.host = {"", 0}}};
    struct err err = tx_session_delete(tx, &what, &more);
    if (err.code != ERR_NOT_FOUND) { /* Else somebody has removed it before. */
        tx_fail(tx, err);
    }
    return !more;
}

/* A page of what the agents of a run left; its length. */
static size_t talks_find(struct tx *tx, const struct run_row *row,
                         struct run_talk talks[RUN_TALKS_PAGE]) {
    const bool guessed = row->cause == CAUSE_HISTORY_UNREADABLE;
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(run_kinds) && count == 0; i++) {
        if (run_kinds[i].talks != NULL && (guessed || i == (size_t)row->kind)) {
            count = run_kinds[i].talks(tx, row->id, talks);
        }
    }
    return count;
}

/* The run goes when nothing that its agents left is found any more. */
static struct removal one_remove(struct tx *tx, const struct run_row *row) {
    struct run_talk talks[RUN_TALKS_PAGE];
    const size_t count = talks_find(tx, row, talks);
    struct removal removal = {.whole = false};
    bool whole = true;
    if (count == 0 && run_kinds[row->kind].talk_session != NULL) {
        whole = session_remove(tx, run_kinds[row->kind].talk_session(tx, row->id));
    }
    if (count == 0) {
        return whole ? row_remove(tx, row) : removal;
    }
    for (size_t i = 0; i < count && whole && removal.rows < SPAN_REMOVE_MAX; i++) {
        struct run_row turn;
        whole = session_remove(tx, talks[i].session);
        if (whole && runs__load_id(tx, talks[i].turn, &turn)) {
            const struct removal one = row_remove(tx, &turn);
            whole = one.whole;
            removal.rows += one.rows;
            removal.disk += one.disk;
        }
        whole = whole && !err_failed(tx_error(tx));
    }
    return removal;
}

/* The newest ended run below a flow, but for one below which something lives. */
static bool below_find(struct tx *tx, int64_t flow, struct run_row *ret_row) {
    static const char newest[] =
        "SELECT * FROM runs WHERE parent = $1"
        " AND parent <> 0 AND step_key = '' AND ended_ms IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.run = runs.id)" NONE_LIVES_BELOW
        " ORDER BY id DESC LIMIT 1";
    AUTO(rows_release)
    struct rows *rows = tx_row(tx, runs__sql(tx, RUN_LIGHT, newest), ARGS(arg_int(flow)));
    if (rows == NULL) {
        return false;
    }
    tx_fail(tx, runs__read_shown(tx, rows, RUN_LIGHT, ret_row));
    return !err_failed(tx_error(tx));
}

/* First what is below it, the deepest first: a page of that a transaction. */
static struct removal run_remove(struct tx *tx, const struct run_row *row) {
    enum { BELOW_PAGE = 32 };
    struct removal sum = {.whole = false};
    for (int i = 0;
         i < BELOW_PAGE && !sum.whole && sum.rows < SPAN_REMOVE_MAX && !err_failed(tx_error(tx));
         i++) {
        struct run_row at = *row, below;
        while (run_kind_is(at.kind, RUN_HAS_GRAPH) && below_find(tx, at.id, &below)) {
            at = below;
        }
        const struct removal one = one_remove(tx, &at);
        sum.whole = one.whole && at.id == row->id;
        sum.rows += one.rows;
        sum.disk += one.disk;
        if (!one.whole) {
            break;
        }
    }
    return sum;
}

/* Not by retention, but because somebody wants it gone. */
static struct removal run_delete(struct tx *tx, const struct run_row *row) {
    if (may_be_workflow(row)) {
        workflows__list_scripts(tx, row->id);
    }
    return run_remove(tx, row);
}

/* --- One of a client's ------------------------------------------------------------------------ */

struct err tx_run_remove(struct tx *tx, const struct run_key *key, bool *ret_more,
                         struct run_row *ret_row) {
    struct run_row row;
    struct err err = runs__get(tx, key, &row);
    if (err.code == ERR_STORE_CORRUPT) {
        return err_make(ERR_CONFLICT, "runs: it is damaged, and has not ended");
    }
    if (err_failed(err)) {
        return err;
    }
    /* A step of a workflow is a part of its journal. */
    const bool stays = runs__has_children(tx, row.id) ||
                       tx_number(tx,
                                 "SELECT 1 FROM runs WHERE id = $1 AND (step_key <> ''"
                                 " OR " WORKFLOW_LIVES_BELOW ")",
                                 ARGS(arg_int(row.id))) != 0;
    TRY(tx_error(tx));
    if (stays || !run_state_final(row.state)) {
        return err_make(ERR_CONFLICT, "runs: it, or one below it, has not ended");
    }
    const struct removal removal = run_delete(tx, &row);
    tx_scrub(tx);
    *ret_more = !removal.whole;
    *ret_row = row;
    return tx_error(tx);
}

/* --- Pages ------------------------------------------------------------------------------------ */

/* Damaged rows are removed in their order, as any other. Ends the cursor. */
static size_t rows_take(struct tx *tx, struct rows *found, struct run_row *rows, size_t limit) {
    AUTO(rows_release) struct rows *cursor = found;
    size_t count = 0;
    while (count < limit && rows_step(cursor)) {
        tx_fail(tx, runs__read_shown(tx, cursor, RUN_LIGHT, &rows[count++]));
    }
    return err_failed(tx_error(tx)) ? 0 : count;
}

/* A run that ended in the future ended before the clock was set back. */
bool runs__purge(struct tx *tx, const struct run_purge *purge) {
    enum { PURGE_RUNS = 16 };
    static const char sql[] =
        "SELECT * FROM runs WHERE owner = $1 AND session = $2"
        " AND session <> '' AND ended_ms IS NOT NULL AND (ended_ms <= $3 OR ended_ms > $4)"
        " AND step_key = ''" NONE_LIVES_BELOW " AND NOT " WORKFLOW_LIVES_BELOW
        " ORDER BY id DESC LIMIT $5";
    struct run_row rows[PURGE_RUNS];
    size_t count = rows_take(
        tx,
        tx_rows(tx, runs__sql(tx, RUN_LIGHT, sql),
                ARGS(arg_text(purge->owner), arg_text(purge->session), arg_int(purge->before_ms),
                     arg_int(tx_now_ms(tx)), arg_int(PURGE_RUNS))),
        rows, PURGE_RUNS);
    struct removal removal = {.whole = true};
    int64_t gone = 0;
    for (size_t i = 0; i < count && removal.whole && gone < SPAN_REMOVE_MAX; i++) {
        removal = run_delete(tx, &rows[i]);
        gone += removal.rows;
    }
    return count > 0;
}

/* Runs that ended before that are too old. */
static int64_t age_limit(struct tx *tx, const struct run_prune *prune) {
    if (prune->keep.age_ms == 0) {
        return INT64_MIN;
    }
    const struct retain_clock clock = {
        .lived_ms = prune->lived_ms,
        .wall_ms = tx_now_ms(tx),
        .judged_ms = tx_number(tx, "SELECT judged_ms FROM nodes WHERE id = 1", NO_ARGS)};
    int64_t now_ms = retain_now(&clock);
    tx_do(tx, "UPDATE nodes SET judged_ms = $1 WHERE id = 1", ARGS(arg_int(now_ms)));
    return now_ms - prune->keep.age_ms;
}

/* A transaction ends after a page of spans, too, whoever they belong to. */
struct err tx_run_prune(struct tx *tx, const struct run_prune *prune, bool *ret_more) {
    static const char oldest[] = "SELECT * FROM runs WHERE ended_ms IS NOT NULL"
                                 " AND step_key = ''" NONE_LIVES_BELOW
                                 " AND NOT " WORKFLOW_LIVES_BELOW " ORDER BY ended_ms, id LIMIT $1";
    assert(prune->limit > 0 && prune->limit <= RUN_PRUNE_MAX);
    const struct run_keep *keep = &prune->keep;
    int64_t excess = 0, excess_bytes = 0;
    if (keep->count > 0) { /* Counted no further than one round can remove. */
        excess = tx_number(tx,
                           "SELECT count(*) FROM (SELECT 1 FROM runs WHERE ended_ms IS NOT NULL"
                           " AND step_key = '' LIMIT $1) ended",
                           ARGS(arg_int(keep->count + prune->limit))) -
                 keep->count;
    }
    if (keep->bytes > 0) {
        excess_bytes = tx_span_disk(tx) - keep->bytes;
    }
    int64_t before_ms = age_limit(tx, prune);
    struct run_row *rows = tx_memory(tx, (size_t)prune->limit * sizeof *rows);
    size_t count =
        rows_take(tx, tx_rows(tx, runs__sql(tx, RUN_LIGHT, oldest), ARGS(arg_int(prune->limit))),
                  rows, (size_t)prune->limit);
    int64_t gone = 0, whole = 0;
    bool part = false; /* Of one, only some has gone. */
    for (size_t i = 0; i < count && !part && gone < SPAN_REMOVE_MAX &&
                       (excess > 0 || excess_bytes > 0 || rows[i].ended_ms < before_ms);
         i++) {
        const struct removal removal = run_remove(tx, &rows[i]);
        excess -= removal.whole;
        excess_bytes -= removal.disk;
        gone += removal.rows;
        whole += removal.whole;
        part = !removal.whole;
    }
    /* A page with rows that stay is not read again at once: it would be the same for ever. */
    *ret_more = part || whole == prune->limit || gone >= SPAN_REMOVE_MAX;
    return tx_error(tx);
}
