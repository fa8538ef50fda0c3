/* retention.c: how long ended runs are kept, and their removal with their streams.
 *
 * A run that has live children stays: they are found by its id. The steps of a workflow are its
 * journal: they go with it, and not before; so do the turns of its agents that have tools, and
 * their sessions, but for those that somebody goes on with. It stays while such a turn still stops.
 */
#include "engine/system/retention.h"

#include <string.h>

#include "base/memory.h"
#include "engine/base/idempotency.h"
#include "engine/base/ids.h"
#include "engine/budget/rows.h"
#include "engine/inbox/rows.h"
#include "engine/run/folder_removals.h"
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
    return row->kind == KIND_WORKFLOW || row->cause == CAUSE_HISTORY_UNREADABLE;
}

static bool may_have_budget(const struct run_row *row) {
    return row->budget.len > 0 || row->cause == CAUSE_HISTORY_UNREADABLE;
}

/* *ret_whole: its last event has gone, too. */
static struct err remove_stream(struct tx *tx, const struct run_row *row, bool *ret_whole) {
    char name[STREAM_NAME_MAX];
    static const char prefix[] = "run:";
    assert(row->run.len <= sizeof name - sizeof prefix);
    memcpy(name, prefix, sizeof prefix - 1);
    memcpy(name + sizeof prefix - 1, row->run.data, row->run.len);
    const struct stream_name stream = {.owner = row->owner,
                                       .name = {name, sizeof prefix - 1 + row->run.len}};
    bool more = false;
    struct err err = tx_stream_remove(tx, &stream, JOURNAL_PRUNE_MAX, &more);
    *ret_whole = !more;
    return err;
}

/* Messages and parts go on naming its id, which names nothing any more. */
static struct err forget(struct tx *tx, int64_t id) {
    static const char *const steps[] = {
        "DELETE FROM runs WHERE id = $1",
        IDS_KEEP_TURN("run = $1"),
        "DELETE FROM turns WHERE run = $1",
        "DELETE FROM approvals WHERE run = $1",
    };
    const struct arg args[] = {arg_int(id)};
    struct err err = ids__keep(tx, IDS_RUNS);
    if (!err_failed(err)) {
        err = messages__keep_model(tx, id);
    }
    for (size_t i = 0; i < COUNT_OF(steps) && !err_failed(err); i++) {
        err = tx_exec(tx, steps[i], args, COUNT_OF(args), NULL);
    }
    return err;
}

/* Of a run with very many spans, agents or events only a page of them goes: `whole` is false then,
 * and the run itself goes with the last page, in another transaction. */
struct removal {
    bool whole;
    struct span_removed spans;
    int64_t agents;
};

/* Rows that count for a transaction. */
static int64_t removal_rows(const struct removal *removal) {
    return removal->spans.count + removal->agents;
}

static struct err remove_budget(struct tx *tx, const struct run_row *row) {
    return may_have_budget(row) ? budget__remove_run(tx, row->id) : ERR_OK;
}

static struct err remove_workflow(struct tx *tx, const struct run_row *row) {
    return may_be_workflow(row) ? workflows__forget(tx, row->id) : ERR_OK;
}

static struct err remove_notices(struct tx *tx, const struct run_row *row) {
    return inbox__forget(tx, row->run);
}

static struct err remove_answers(struct tx *tx, const struct run_row *row) {
    bool some = false;
    return tx_idempotency_forget(tx, row->run, &some);
}

static struct err remove_itself(struct tx *tx, const struct run_row *row) {
    return forget(tx, row->id);
}

static struct err remove_row(struct tx *tx, const struct run_row *row,
                             struct removal *ret_removal) {
    static struct err (*const steps[])(struct tx * tx, const struct run_row *row) = {
        remove_budget,  remove_workflow,       remove_notices,
        remove_answers, tx_folder_removal_add, remove_itself,
    };
    struct removal removal = {.whole = false};
    struct err err = tx_folder_removal_tell(tx, row);
    if (!err_failed(err)) {
        err = tx_span_remove(tx, row->id, &removal.spans);
    }
    removal.whole = removal.spans.count < SPAN_REMOVE_MAX;
    if (!err_failed(err) && removal.whole && may_be_workflow(row)) {
        err = workflows__forget_agents(tx, row->id, &removal.agents);
        removal.whole = removal.agents < WORKFLOW_FORGET_PAGE;
    }
    if (!err_failed(err) && removal.whole) {
        err = remove_stream(tx, row, &removal.whole);
    }
    for (size_t i = 0; i < COUNT_OF(steps) && !err_failed(err) && removal.whole; i++) {
        err = steps[i](tx, row);
    }
    if (!err_failed(err)) {
        *ret_removal = removal;
    }
    return err;
}

/* --- With a workflow -------------------------------------------------------------------------- */

/* Somebody took it out of the archive, or has said something there: it is his conversation now, and
 * stays as others do whose turns are not kept any longer. */
static struct err look_for_person(struct tx *tx, const struct session_row *session,
                                  bool *ret_found) {
    static const char sql[] = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE session = $1"
                              " AND role = 'user' LIMIT 2) said";
    const struct arg args[] = {arg_int(session->id)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t said = 0;
    struct err err = runs__int(tx, &ask, &said);
    *ret_found = session->archived_ms == 0 || said > 1;
    return err;
}

/* Out of sight at once; its rows are removed like those of any other (session_delete.c). Nothing of
 * it runs, so no budget lets anybody go. */
static struct err remove_session(struct tx *tx, int64_t id, bool *ret_whole) {
    struct session_row session;
    bool found = false, more = false, person = false;
    struct err err = id == 0 ? ERR_OK : sessions__find_id(tx, id, &found, &session);
    if (err.code == ERR_STORE_CORRUPT) { /* Its row stays, and `drover doctor` names it. */
        err = ERR_OK;
    }
    if (!err_failed(err) && found) {
        err = look_for_person(tx, &session, &person);
    }
    if (!err_failed(err) && found && !person) {
        const struct session_delete what = {
            .key = {.owner = session.owner, .session = session.session},
            .bounds = {.host = {"", 0}}};
        err = tx_session_delete(tx, &what, &more);
        err = err.code == ERR_NOT_FOUND ? ERR_OK : err; /* Somebody has removed it before. */
    }
    *ret_whole = !more;
    return err;
}

static struct err remove_talk(struct tx *tx, const struct workflow_talk *talk,
                              struct removal *ret_removal) {
    struct run_row turn;
    bool found = false, whole = false;
    struct err err = remove_session(tx, talk->session, &whole);
    *ret_removal = (struct removal){.whole = whole};
    if (!err_failed(err) && whole) {
        err = runs__find_id(tx, talk->turn, &found, &turn);
    }
    return err_failed(err) || !found ? err : remove_row(tx, &turn, ret_removal);
}

/* A page of what its agents left; the workflow goes when none is found any more. */
static struct err remove_talks(struct tx *tx, int64_t workflow, struct removal *removal) {
    struct workflow_talk talks[WORKFLOW_TALKS_PAGE];
    size_t count = 0;
    struct err err = workflows__talks(tx, workflow, talks, &count);
    bool whole = !err_failed(err);
    for (size_t i = 0; i < count && whole && removal->spans.count < SPAN_REMOVE_MAX; i++) {
        struct removal one = {.whole = false};
        err = remove_talk(tx, &talks[i], &one);
        whole = one.whole && !err_failed(err);
        removal->spans.count += one.spans.count;
        removal->spans.disk += one.spans.disk;
    }
    removal->whole = count == 0 && !err_failed(err);
    return err;
}

static struct err remove_run(struct tx *tx, const struct run_row *row,
                             struct removal *ret_removal) {
    struct removal removal = {.whole = true};
    struct err err = ERR_OK;
    if (may_be_workflow(row)) {
        err = remove_talks(tx, row->id, &removal);
    }
    if (!err_failed(err) && removal.whole) {
        return remove_row(tx, row, ret_removal);
    }
    *ret_removal = removal;
    return err;
}

/* Not by retention, but because somebody wants it gone. */
static struct err delete_run(struct tx *tx, const struct run_row *row,
                             struct removal *ret_removal) {
    struct err err = may_be_workflow(row) ? workflows__list_scripts(tx, row->id) : ERR_OK;
    return err_failed(err) ? err : remove_run(tx, row, ret_removal);
}

static struct err ask(struct tx *tx, const char *sql, int64_t id, bool *ret_yes) {
    const struct arg args[] = {arg_int(id)};
    const struct run_ask question = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t found = 0;
    struct err err = runs__int(tx, &question, &found);
    *ret_yes = found != 0;
    return err;
}

static struct err lives_below(struct tx *tx, const struct run_row *row, bool *ret_lives) {
    static const char sql[] = "SELECT 1 FROM runs WHERE id = $1 AND " WORKFLOW_LIVES_BELOW;
    *ret_lives = false;
    return may_be_workflow(row) ? ask(tx, sql, row->id, ret_lives) : ERR_OK;
}

/* Whether it is of a workflow's journal, or something below it lives. */
static struct err must_stay(struct tx *tx, const struct run_row *row, bool *ret_stays) {
    static const char journal[] = "SELECT 1 FROM runs WHERE id = $1 AND step_key <> ''";
    struct err err = runs__has_children(tx, row->id, ret_stays);
    if (!err_failed(err) && !*ret_stays) {
        err = ask(tx, journal, row->id, ret_stays);
    }
    return err_failed(err) || *ret_stays ? err : lives_below(tx, row, ret_stays);
}

/* --- One of a client's ------------------------------------------------------------------------ */

struct err tx_run_remove(struct tx *tx, const struct run_key *key, bool *ret_more,
                         struct run_row *ret_row) {
    bool found = false, stays = false;
    struct removal removal = {.whole = false};
    struct run_row row;
    struct err err = tx_run_find(tx, key, &found, &row);
    if (err.code == ERR_STORE_CORRUPT) {
        return err_make(ERR_CONFLICT, "runs: it is damaged, and has not ended");
    }
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_make(ERR_NOT_FOUND, "runs: remove");
    }
    err = must_stay(tx, &row, &stays);
    if (err_failed(err)) {
        return err;
    }
    if (stays || !run_state_final(row.state)) {
        return err_make(ERR_CONFLICT, "runs: it, or one below it, has not ended");
    }
    err = delete_run(tx, &row, &removal);
    if (!err_failed(err)) {
        tx_scrub(tx);
        *ret_more = !removal.whole;
        *ret_row = row;
    }
    return err;
}

/* --- Those of a deleted session --------------------------------------------------------------- */

enum { PURGE_RUNS = 16 };

/* A run that ended in the future ended before the clock was set back. */
static struct err find_purged(struct tx *tx, const struct run_purge *purge,
                              struct run_row rows[PURGE_RUNS], size_t *ret_count) {
    static const char sql[] =
        "SELECT " RUN_COLUMNS_LIGHT " FROM runs WHERE owner = $1 AND session = $2"
        " AND session <> '' AND ended_ms IS NOT NULL AND (ended_ms <= $3 OR ended_ms > $4)"
        " AND step_key = '' AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent = runs.id"
        " AND c.parent <> 0 AND c.ended_ms IS NULL)"
        " AND NOT " WORKFLOW_LIVES_BELOW " ORDER BY id DESC LIMIT $5";
    const struct arg args[] = {arg_text(purge->owner), arg_text(purge->session),
                               arg_int(purge->before_ms), arg_int(tx_now_ms(tx)),
                               arg_int(PURGE_RUNS)};
    AUTO(rows_release) struct rows *found = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &found);
    bool row = !err_failed(err);
    size_t count = 0;
    while (!err_failed(err) && row && count < PURGE_RUNS) {
        err = rows_next(found, &row);
        if (!err_failed(err) && row) {
            err = runs__read_shown(tx, found, RUN_LIGHT, &rows[count]);
            count += !err_failed(err);
        }
    }
    *ret_count = count;
    return err;
}

struct err runs__purge(struct tx *tx, const struct run_purge *purge, bool *ret_some) {
    struct run_row rows[PURGE_RUNS];
    size_t count = 0;
    struct removal removal = {.whole = true};
    int64_t spans = 0;
    struct err err = find_purged(tx, purge, rows, &count);
    for (size_t i = 0; i < count && !err_failed(err) && removal.whole && spans < SPAN_REMOVE_MAX;
         i++) {
        err = delete_run(tx, &rows[i], &removal);
        spans += removal_rows(&removal);
    }
    *ret_some = count > 0;
    return err;
}

/* --- Retention -------------------------------------------------------------------------------- */

struct old {
    struct run_row *rows; /* In the transaction's arena, the oldest first. */
    size_t count;
};

/* Damaged rows are removed in their order, as any other. They have ended: by the column, which the
 * query asks for. */
static struct err find_oldest(struct tx *tx, size_t limit, struct old *ret_old) {
    static const char sql[] =
        "SELECT " RUN_COLUMNS_LIGHT " FROM runs WHERE ended_ms IS NOT NULL"
        " AND step_key = '' AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent = runs.id AND "
        "c.parent <> 0"
        " AND c.ended_ms IS NULL AND c.stop = '')"
        " AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent = runs.id AND c.parent <> 0"
        " AND c.ended_ms IS NULL AND c.stop <> '')"
        " AND (kind IN ($2, $3, $4) OR NOT " WORKFLOW_LIVES_BELOW
        ") ORDER BY ended_ms, id LIMIT $1";
    struct old old = {.rows = arena_try(tx_arena(tx), limit * sizeof *old.rows)};
    if (old.rows == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: prune");
    }
    /* A word that is no kind may have been the workflow's. */
    const struct arg args[] = {arg_int((int64_t)limit), runs__name(run_kind_name(KIND_JOB)),
                               runs__name(run_kind_name(KIND_TURN)),
                               runs__name(run_kind_name(KIND_TITLE))};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    while (!err_failed(err) && row && old.count < limit) {
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            err = runs__read_shown(tx, rows, RUN_LIGHT, &old.rows[old.count]);
            old.count += !err_failed(err);
        }
    }
    if (!err_failed(err)) {
        *ret_old = old;
    }
    return err;
}

/* How many are too many; counted no further than one round can remove. */
static struct err count_excess(struct tx *tx, const struct run_prune *prune, int64_t *ret_excess) {
    static const char sql[] = "SELECT count(*) FROM (SELECT 1 FROM runs WHERE ended_ms IS NOT NULL"
                              " AND step_key = '' LIMIT $1) ended";
    if (prune->keep.count == 0) {
        *ret_excess = 0;
        return ERR_OK;
    }
    const struct arg args[] = {arg_int(prune->keep.count + prune->limit)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t count = 0;
    struct err err = runs__int(tx, &ask, &count);
    if (!err_failed(err)) {
        *ret_excess = count - prune->keep.count;
    }
    return err;
}

static struct err weigh_excess(struct tx *tx, const struct run_prune *prune, int64_t *ret_excess) {
    int64_t bytes = 0;
    struct err err = prune->keep.bytes == 0 ? ERR_OK : tx_span_disk(tx, &bytes);
    if (!err_failed(err)) {
        *ret_excess = bytes - prune->keep.bytes;
    }
    return err;
}

/* Whoever ended before that is too old. */
static struct err find_age(struct tx *tx, const struct run_prune *prune, int64_t *ret_before_ms) {
    if (prune->keep.age_ms == 0) {
        *ret_before_ms = INT64_MIN;
        return ERR_OK;
    }
    const struct run_ask ask = {.sql = "SELECT judged_ms FROM nodes WHERE id = 1"};
    struct retain_clock clock = {.lived_ms = prune->lived_ms, .wall_ms = tx_now_ms(tx)};
    struct err err = runs__int(tx, &ask, &clock.judged_ms);
    if (err_failed(err)) {
        return err;
    }
    int64_t now_ms = retain_now(&clock);
    const struct arg args[] = {arg_int(now_ms)};
    err = tx_exec(tx, "UPDATE nodes SET judged_ms = $1 WHERE id = 1", args, COUNT_OF(args), NULL);
    if (!err_failed(err)) {
        *ret_before_ms = now_ms - prune->keep.age_ms;
    }
    return err;
}

struct excess {
    int64_t count, bytes, before_ms;
};

static struct err find_excess(struct tx *tx, const struct run_prune *prune,
                              struct excess *ret_excess) {
    struct err err = count_excess(tx, prune, &ret_excess->count);
    if (!err_failed(err)) {
        err = weigh_excess(tx, prune, &ret_excess->bytes);
    }
    return err_failed(err) ? err : find_age(tx, prune, &ret_excess->before_ms);
}

static bool is_kept(const struct excess *excess, const struct run_row *row) {
    return excess->count <= 0 && excess->bytes <= 0 && row->ended_ms >= excess->before_ms;
}

/* A transaction ends after a page of spans, too, whoever they belong to. */
struct err tx_run_prune(struct tx *tx, const struct run_prune *prune, bool *ret_more) {
    assert(prune->limit > 0 && prune->limit <= RUN_PRUNE_MAX);
    struct excess excess = {.count = 0};
    struct old old = {.count = 0};
    int64_t spans = 0;
    size_t at = 0, whole = 0; /* Rows that were looked at, and removed. */
    bool part = false;        /* Of one, only some has gone. */
    struct err err = find_excess(tx, prune, &excess);
    if (!err_failed(err)) {
        err = find_oldest(tx, (size_t)prune->limit, &old);
    }
    while (!err_failed(err) && at < old.count && spans < SPAN_REMOVE_MAX &&
           !is_kept(&excess, &old.rows[at])) {
        struct removal removal = {.whole = false};
        bool stays = false; /* The query judges by the kind, which may be damaged. */
        err = lives_below(tx, &old.rows[at], &stays);
        if (stays) {
            at++;
            continue;
        }
        err = err_failed(err) ? err : remove_run(tx, &old.rows[at], &removal);
        excess.count -= removal.whole;
        excess.bytes -= removal.spans.disk;
        spans += removal_rows(&removal);
        at += removal.whole;
        whole += removal.whole;
        if (!removal.whole) {
            part = true;
            break;
        }
    }
    if (!err_failed(err)) {
        /* A page with rows that stay is not read again at once: it would be the same for ever. */
        *ret_more = part || whole == (size_t)prune->limit || spans >= SPAN_REMOVE_MAX;
    }
    return err;
}
