/* session_delete.c: a session is taken from sight, and all that it holds is removed page by page.
 *
 * hidden 0 ──delete──> -1 (rows are being removed) ──> -2 (its stream says `deleted`) ──> no row
 *    ^
 *    └── fork's last commit ── the epoch of the daemon that makes it; of another one: as -1
 *
 * The commit of the delete empties the session's own texts. What is found by the session goes next:
 * messages, notices, stored answers, its runs with their traces, streams and folders, its title in
 * the events of the project. What was used stays in the sums, without the session's name.
 *
 * A run that has not ended stays until it has, and RUNS_KEPT_MS longer, so that whoever follows it
 * hears of its end; no session goes before its runs. All of it stands in the rows, so a crash
 * anywhere leaves nothing that the next round doesn't find.
 */
#include "engine/system/session_delete.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "engine/base/idempotency.h"
#include "engine/base/ids.h"
#include "engine/budget/budget.h"
#include "engine/inbox/bind.h"
#include "engine/inbox/rows.h"
#include "engine/session/message_rows.h"
#include "engine/system/retention.h"
#include "engine/trace/usage_totals.h"
#include "engine/workflow/workflows.h"
#include "journal/journal.h"

enum { HIDDEN_DELETED = -1, HIDDEN_EMPTY = -2, JOBS_PAGE = 64, RUNS_KEPT_MS = 10 * 1000 };

/* --- Out of sight ----------------------------------------------------------------------------- */

/* The first session below it that has none below itself; the row itself when there is none. */
static struct err deepest(struct tx *tx, struct session_row *row) {
    static const char sql[] = "SELECT id FROM sessions WHERE parent = $1 AND parent <> 0"
                              " AND hidden = 0 ORDER BY id LIMIT 1";
    for (;;) {
        const struct arg args[] = {arg_int(row->id)};
        const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
        int64_t child = 0;
        bool found = false;
        struct err err = runs__int(tx, &ask, &child);
        if (!err_failed(err) && child != 0) {
            err = sessions__find_id(tx, child, &found, row);
        }
        if (err_failed(err) || !found) {
            return err;
        }
    }
}

/* Its turns, those that wait included. *ret_more: one has more below it than a commit takes. */
static struct err stop_turns(struct tx *tx, const struct session_row *row,
                             const struct run_bounds *bounds, bool *ret_more) {
    struct message_rows live;
    struct err err = messages__live(tx, row->id, &live);
    bool more = false;
    for (size_t i = 0; !err_failed(err) && !more && i < live.count; i++) {
        if (live.rows[i].run_name.len == 0) {
            continue;
        }
        const struct run_stop stop = {.key = {.run = live.rows[i].run_name},
                                      .cause = CAUSE_STOPPED,
                                      .grace_ms = RUN_STOP_GRACE_MS,
                                      .bounds = *bounds};
        struct run_row run;
        err = tx_run_stop(tx, &stop, &more, &run);
        if (err.code == ERR_CONFLICT || err.code == ERR_NOT_FOUND) {
            err = ERR_OK; /* It has ended. */
        }
    }
    if (!err_failed(err)) {
        *ret_more = more;
    }
    return err;
}

/* A page of those that its turns began in the background. Not by the cards: a fork has copies of
 * them, and the session loses them with its messages. One that was asked is not found again. */
static struct err find_jobs(struct tx *tx, const struct session_row *row,
                            struct bytes ret_jobs[JOBS_PAGE], size_t *ret_count) {
    static const char sql[] =
        "SELECT run FROM runs WHERE owner = $1 AND session = $2 AND session <> ''"
        " AND ended_ms IS NULL AND stop = '' AND parent = 0 AND kind IN ('job', 'workflow')"
        " ORDER BY id LIMIT $3";
    const struct arg args[] = {arg_text(row->owner), arg_text(row->session), arg_int(JOBS_PAGE)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool found = !err_failed(err);
    *ret_count = 0;
    while (!err_failed(err) && found) {
        err = rows_next(rows, &found);
        if (!err_failed(err) && found) {
            ret_jobs[*ret_count] = rows_text(rows, 0);
            struct bytes *const texts[] = {&ret_jobs[(*ret_count)++]};
            err = sessions__keep(tx, texts, COUNT_OF(texts));
        }
    }
    return err;
}

static struct err stop_jobs(struct tx *tx, const struct session_row *row,
                            const struct run_bounds *bounds, bool *ret_more) {
    struct bytes jobs[JOBS_PAGE];
    size_t count = 0;
    struct err err = find_jobs(tx, row, jobs, &count);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        const struct run_stop stop = {.key = {.run = jobs[i]},
                                      .cause = CAUSE_STOPPED,
                                      .grace_ms = RUN_STOP_GRACE_MS,
                                      .bounds = *bounds};
        struct run_row run;
        bool more = false; /* A job's children are asked with its end. */
        err = tx_run_stop(tx, &stop, &more, &run);
    }
    *ret_more = count == JOBS_PAGE;
    return err;
}

/* What ends it, before it is out of sight. */
static struct err let_go(struct tx *tx, const struct session_row *row,
                         const struct session_delete *what, bool *ret_more) {
    const struct inbox_receiver receiver = {
        .owner = row->owner, .address = row->session, .kind = RECEIVER_SESSION};
    struct err err = stop_turns(tx, row, &what->bounds, ret_more);
    if (!err_failed(err) && !*ret_more && what->jobs) {
        err = stop_jobs(tx, row, &what->bounds, ret_more);
    }
    return err_failed(err) || *ret_more ? err : tx_inbox_receiver_gone(tx, &receiver, ret_more);
}

/* Jobs that go on stand below the project alone from now on. */
static struct err forget_budget(struct tx *tx, const struct session_row *session,
                                const struct run_bounds *bounds) {
    char scope[sizeof "session:" + ID_SIZE];
    int len = snprintf(scope, sizeof scope, "session:%.*s", (int)session->session.len,
                       session->session.data);
    const struct budget_key key = {.owner = session->owner, .scope = {scope, (size_t)len}};
    struct budget_row row;
    struct err err = tx_budget_remove(tx, &key, bounds, &row);
    return err.code == ERR_NOT_FOUND ? ERR_OK : err;
}

struct err tx_session_delete(struct tx *tx, const struct session_delete *what, bool *ret_more) {
    bool found = false, more = false;
    struct session_row row;
    struct err err = sessions__find(tx, &what->key, &found, &row);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "sessions: delete");
    }
    if (err_failed(err)) {
        return err;
    }
    int64_t root = row.id;
    err = deepest(tx, &row);
    if (!err_failed(err)) {
        err = let_go(tx, &row, what, &more);
    }
    if (!err_failed(err) && !more) {
        err = sessions__empty(tx, &row);
    }
    if (!err_failed(err) && !more) {
        err = sessions__set_hidden(tx, &row, HIDDEN_DELETED);
    }
    if (!err_failed(err) && !more) {
        err = sessions__tell_deleted(tx, &row);
    }
    if (!err_failed(err) && !more) {
        err = forget_budget(tx, &row, &what->bounds);
    }
    if (!err_failed(err)) {
        *ret_more = more || row.id != root;
    }
    return err;
}

/* --- Removal ---------------------------------------------------------------------------------- */

#define LIVES "SELECT 1 FROM runs r WHERE r.id = t.run AND r.ended_ms IS NULL"

static struct err remove_some(struct tx *tx, const char *sql, int64_t session, bool *ret_some) {
    const struct arg args[] = {arg_int(session), arg_int(SESSION_PURGE_PAGE)};
    int64_t changed = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), &changed);
    if (!err_failed(err)) {
        *ret_some = changed > 0;
    }
    return err;
}

enum { SCRIPTS_SIZE_MAX = 4 << 20 }; /* About so much is parsed in a transaction. */

struct parts_page {
    int64_t ids[SESSION_PURGE_PAGE];
    struct sha256_hex scripts[SESSION_PURGE_PAGE];
    size_t count, script_count, bytes;
};

/* What a call of run_workflow gave as text: a file may have it, also where nothing ran. */
static void note_script(struct parts_page *page, struct bytes data) {
    AUTO(json_release) json_t *json = NULL;
    if (data.len == 0 || err_failed(json_parse_wrapped(data, &json, NULL))) {
        return; /* Not such a card, or damaged. */
    }
    const json_t *arguments = json_object_get(json, "arguments");
    const char *script = json_string_value(json_object_get(arguments, "script"));
    if (script != NULL) {
        const struct sha256 hash = sha256_of(script, strlen(script));
        page->scripts[page->script_count++] = sha256_hex(&hash);
    }
}

static struct err find_parts(struct tx *tx, const struct session_row *row,
                             struct parts_page *page) {
    static const char sql[] = "SELECT p.id, CASE WHEN p.name = 'run_workflow' THEN p.data ELSE ''"
                              " END FROM messages m JOIN parts p ON p.message = m.id"
                              " WHERE m.session = $1 LIMIT $2";
    const struct arg args[] = {arg_int(row->id), arg_int(SESSION_PURGE_PAGE)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (page->bytes < SCRIPTS_SIZE_MAX && rows_more(rows, &err)) {
        struct bytes data = rows_text(rows, 1);
        page->ids[page->count++] = rows_int(rows, 0);
        page->bytes += data.len;
        note_script(page, data);
    }
    return err;
}

/* They are found by their messages. */
static struct err remove_parts(struct tx *tx, const struct session_row *row, bool *ret_some) {
    struct parts_page page = {.count = 0};
    struct err err = find_parts(tx, row, &page);
    for (size_t i = 0; i < page.script_count && !err_failed(err); i++) {
        const char *hash = page.scripts[i].text;
        err = tx_script_refused(tx, bytes_of(hash));
    }
    for (size_t i = 0; i < page.count && !err_failed(err); i++) {
        const struct arg args[] = {arg_int(page.ids[i])};
        err = tx_exec(tx, "DELETE FROM parts WHERE id = $1", args, COUNT_OF(args), NULL);
    }
    *ret_some = page.count > 0;
    return err;
}

/* After the parts. A turn's row goes after the end of the turn, which reads there how long a person
 * was waited for, and whose place is free now. An attachment goes with its last use, all of them
 * before the uses by which they are found. */
static struct err remove_rows(struct tx *tx, const struct session_row *row, bool *ret_some) {
    static const char *const steps[] = {
        "DELETE FROM messages WHERE id IN"
        " (SELECT id FROM messages WHERE session = $1 ORDER BY id DESC LIMIT $2)",
        "DELETE FROM approvals WHERE id IN (SELECT a.id FROM turns t"
        " JOIN approvals a ON a.run = t.run WHERE t.session = $1 LIMIT $2)",
        "DELETE FROM turns WHERE run IN (SELECT t.run FROM turns t WHERE t.session = $1"
        " AND NOT EXISTS (" LIVES ") LIMIT $2)",
        "DELETE FROM checkpoints WHERE id IN"
        " (SELECT id FROM checkpoints WHERE session = $1 LIMIT $2)",
        "DELETE FROM session_roots WHERE path IN (SELECT path FROM session_roots"
        " WHERE session = $1 LIMIT $2) AND session = $1",
        "DELETE FROM attachments WHERE id IN (SELECT a.id FROM attachment_uses u"
        " JOIN attachments a ON a.id = u.attachment"
        " WHERE u.session = $1 AND NOT EXISTS (SELECT 1 FROM attachment_uses o"
        " WHERE o.attachment = u.attachment AND o.session <> $1) LIMIT $2)",
        "DELETE FROM attachment_uses WHERE attachment IN (SELECT attachment FROM attachment_uses"
        " WHERE session = $1 LIMIT $2) AND session = $1",
    };
    struct err err = ids__keep(tx, IDS_MESSAGES);
    if (!err_failed(err)) {
        err = ids__keep(tx, IDS_ATTACHMENTS);
    }
    bool some = false;
    for (size_t i = 0; i < COUNT_OF(steps) && !err_failed(err) && !some; i++) {
        err = remove_some(tx, steps[i], row->id, &some);
    }
    if (!err_failed(err)) {
        *ret_some = some;
    }
    return err;
}

/* The newest first: what is below a run is newer than the run. Those of a workflow go with it. */
static struct err remove_runs(struct tx *tx, const struct session_row *row, bool *ret_some) {
    const struct run_purge purge = {
        .owner = row->owner, .session = row->session, .before_ms = tx_now_ms(tx) - RUNS_KEPT_MS};
    return runs__purge(tx, &purge, ret_some);
}

static struct err remove_notices(struct tx *tx, const struct session_row *row, bool *ret_some) {
    static const char sql[] =
        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE owner = $1 AND address = $2"
        " AND receiver = 'session' AND settled_ms IS NOT NULL LIMIT $3)";
    const struct arg args[] = {arg_text(row->owner), arg_text(row->session),
                               arg_int(SESSION_PURGE_PAGE)};
    int64_t changed = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), &changed);
    *ret_some = changed > 0;
    return err;
}

static struct err remove_usage(struct tx *tx, const struct session_row *row, bool *ret_some) {
    return tx_usage_forget(tx, row, SESSION_PURGE_PAGE, ret_some);
}

/* The answers of one session are few: the one that made it, and those to a client's tries. */
static struct err remove_answers(struct tx *tx, const struct session_row *row, bool *ret_some) {
    return tx_idempotency_forget(tx, row->session, ret_some);
}

static struct err remove_titles(struct tx *tx, const struct session_row *row, bool *ret_some) {
    return sessions__untell_project(tx, row, SESSION_PURGE_PAGE * 5, ret_some);
}

static struct err remove_events(struct tx *tx, const struct session_row *row, bool *ret_some) {
    char name[SESSION_STREAM_MAX];
    struct stream_state state = {.stream = 0};
    bool found = false, more = false;
    struct err err = tx_stream_find(tx, row->owner, sessions__stream(row, name), &found, &state);
    *ret_some = found && state.floor < state.head - 1;
    return err_failed(err) || !*ret_some
               ? err
               : tx_prune(tx, state.stream, state.head - 1, JOURNAL_PRUNE_MAX, &more);
}

/* A page of the first kind that there is something of. */
static struct err remove_page(struct tx *tx, const struct session_row *row, bool *ret_some) {
    static struct err (*const steps[])(struct tx * tx, const struct session_row *row,
                                       bool *ret_some) = {
        remove_parts, remove_rows,   remove_runs,    remove_notices,
        remove_usage, remove_titles, remove_answers, remove_events,
    };
    struct err err = ERR_OK;
    bool some = false;
    for (size_t i = 0; i < COUNT_OF(steps) && !err_failed(err) && !some; i++) {
        err = steps[i](tx, row, &some);
    }
    if (!err_failed(err)) {
        *ret_some = some;
    }
    return err;
}

static struct err remove_row(struct tx *tx, const struct session_row *row) {
    const struct arg args[] = {arg_int(row->id)};
    struct err err = ids__keep(tx, IDS_SESSIONS);
    return err_failed(err) ? err
                           : tx_exec(tx, "DELETE FROM sessions WHERE id = $1", args, COUNT_OF(args),
                                     NULL /* one row, always */);
}

static struct err remove_stream(struct tx *tx, const struct session_row *row) {
    char name[SESSION_STREAM_MAX];
    const struct stream_name stream = {.owner = row->owner, .name = sessions__stream(row, name)};
    bool more = false;
    struct err err = tx_stream_remove(tx, &stream, JOURNAL_PRUNE_MAX, &more);
    return err_failed(err) || more ? err : remove_row(tx, row);
}

static struct err has_runs(struct tx *tx, const struct session_row *row, bool *ret_runs) {
    static const char sql[] = "SELECT 1 FROM runs WHERE owner = $1 AND session = $2"
                              " AND session <> '' LIMIT 1";
    const struct arg args[] = {arg_text(row->owner), arg_text(row->session)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    int64_t found = 0;
    struct err err = runs__int(tx, &ask, &found);
    if (!err_failed(err)) {
        *ret_runs = found != 0;
    }
    return err;
}

/* Nothing is left that could go now. */
static struct err remove_rest(struct tx *tx, const struct session_row *row, int64_t hidden,
                              bool *ret_waits) {
    bool runs = false;
    if (hidden == HIDDEN_EMPTY) {
        return remove_stream(tx, row);
    }
    struct err err = has_runs(tx, row, &runs);
    if (err_failed(err) || runs) {
        *ret_waits = runs;
        return err;
    }
    /* Of a fork nobody has heard: it has no stream. */
    return hidden > 0 ? remove_row(tx, row) : sessions__set_hidden(tx, row, HIDDEN_EMPTY);
}

/* The first after `after` that may have something left to remove now. */
static struct err find_hidden(struct tx *tx, int64_t after, bool *ret_found, int64_t *ret_hidden,
                              struct session_row *ret_row) {
    static const char sql[] = "SELECT " SESSION_COLUMNS_LIGHT ", s.hidden" SESSION_FROM
                              " WHERE s.hidden <> 0 AND s.hidden <> $1 AND s.id > $4"
                              " AND (s.hidden <> $2 OR s.changed_ms <= $3) ORDER BY s.id LIMIT 1";
    const struct arg args[] = {arg_int(tx_epoch(tx)), arg_int(HIDDEN_EMPTY),
                               arg_int(tx_now_ms(tx) - SESSION_STREAM_KEPT_MS), arg_int(after)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        *ret_hidden = rows_int(rows, SESSION_COLUMNS_LIGHT_COUNT);
        err = sessions__read(tx, rows, SESSION_LIGHT, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err tx_session_purge(struct tx *tx, struct session_purge *purge) {
    bool found = false, some = false, waits = false;
    int64_t hidden = 0;
    struct session_row row;
    struct err err = find_hidden(tx, purge->after, &found, &hidden, &row);
    purge->at = found ? row.id : 0;
    if (!err_failed(err) && found) {
        err = remove_page(tx, &row, &some);
    }
    if (!err_failed(err) && found && !some) {
        err = remove_rest(tx, &row, hidden, &waits);
    }
    if (!err_failed(err) && found && !waits) { /* A session that waits has changed nothing. */
        tx_scrub(tx);
    }
    if (!err_failed(err)) {
        purge->after = waits ? row.id : purge->after;
        purge->more = found;
        purge->removed = purge->removed || (found && !waits);
        purge->waits = purge->waits || waits;
    }
    return err;
}
