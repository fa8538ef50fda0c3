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

/* Its turns, queued ones included. True: one has more below it than a commit takes. */
static bool turns_stop(struct tx *tx, const struct session_row *row,
                       const struct run_bounds *bounds) {
    const struct message_rows live = messages__live(tx, row->id);
    bool more = false;
    for (size_t i = 0; i < live.count && !more; i++) {
        const struct bytes run = live.rows[i].run_name;
        more = run.len > 0 && runs__stop_tree(tx, run, CAUSE_STOPPED, bounds);
    }
    return more;
}

struct err tx_session_quiet(struct tx *tx, const struct session_row *row,
                            const struct run_bounds *bounds, bool *ret_more) {
    *ret_more = turns_stop(tx, row, bounds);
    return tx_error(tx);
}

/* A page of the jobs, workflows and flows that its turns began in the background. Not by the cards:
 * a fork has copies of them, and the session loses them with its messages. A run that was asked is
 * not found again. True: call again. */
static bool jobs_stop(struct tx *tx, const struct session_row *row,
                      const struct run_bounds *bounds) {
    struct bytes jobs[JOBS_PAGE];
    const size_t count = tx_texts(
        tx,
        "SELECT run FROM runs WHERE owner = $1 AND session = $2 AND session <> ''"
        " AND ended_ms IS NULL AND stop = '' AND parent = 0 AND kind <> 'turn'"
        " ORDER BY id LIMIT $3",
        ARGS(arg_text(row->owner), arg_text(row->session), arg_int(JOBS_PAGE)), JOBS_PAGE, jobs);
    for (size_t i = 0; i < count; i++) {
        runs__stop_tree(tx, jobs[i], CAUSE_STOPPED, bounds); /* The end asks what is below. */
    }
    return count == JOBS_PAGE;
}

struct err tx_session_delete(struct tx *tx, const struct session_delete *what, bool *ret_more) {
    struct session_row row;
    struct err err = sessions__get(tx, &what->key, "sessions: delete", &row);
    if (err_failed(err)) {
        return err;
    }
    /* The first session below it that has none below itself; the row itself when there is none. */
    int64_t root = row.id;
    for (int64_t child = row.id; child != 0;) {
        child = tx_number(tx,
                          "SELECT id FROM sessions WHERE parent = $1 AND parent <> 0"
                          " AND hidden = 0 ORDER BY id LIMIT 1",
                          ARGS(arg_int(row.id)));
        if (child != 0 && !sessions__find_id(tx, child, &row)) {
            break;
        }
    }
    /* What it has going ends before it is out of sight. */
    const struct inbox_receiver receiver = {
        .owner = row.owner, .address = row.session, .kind = RECEIVER_SESSION};
    bool more =
        turns_stop(tx, &row, &what->bounds) || (what->jobs && jobs_stop(tx, &row, &what->bounds));
    if (!more) {
        more = tx_inbox_receiver_gone(tx, &receiver);
    }
    if (!more && !err_failed(tx_error(tx))) {
        sessions__empty(tx, &row);
        sessions__set_hidden(tx, &row, HIDDEN_DELETED);
        sessions__tell_deleted(tx, &row);
        /* Its budget goes, too: jobs that go on stand below the project alone from now on. */
        const struct budget_key key = {.owner = row.owner, .scope = sessions__stream(tx, &row)};
        struct budget_row budget;
        err = tx_budget_remove(tx, &key, &what->bounds, &budget);
        tx_fail(tx, err.code == ERR_NOT_FOUND ? ERR_OK : err);
    }
    *ret_more = more || row.id != root;
    return tx_error(tx);
}

struct err tx_session_expire(struct tx *tx, int64_t before_ms, int64_t count_max, bool *ret_more) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT owner, session FROM sessions WHERE deleted_ms IS NOT NULL"
                               " AND deleted_ms < $1 AND hidden = 0 ORDER BY deleted_ms LIMIT 1",
                               ARGS(arg_int(before_ms)));
    (void)count_max; /* A single one is much. */
    *ret_more = rows != NULL;
    if (rows == NULL) {
        return tx_error(tx);
    }
    /* No turn of a deleted session runs, so no budget holds one. */
    const struct session_delete what = {.key = {.owner = tx_copy(tx, rows_text(rows, 0)),
                                                .session = tx_copy(tx, rows_text(rows, 1))},
                                        .bounds = {.host = {"", 0}}};
    bool more = false;
    rows_release(&rows);
    return tx_session_delete(tx, &what, &more); /* Also a part of it: the next call goes on. */
}

/* --- Removal ---------------------------------------------------------------------------------- */

enum { SCRIPTS_SIZE_MAX = 4 << 20 }; /* About so much is parsed in a transaction. */

struct parts_page {
    int64_t ids[SESSION_PURGE_PAGE];
    struct sha256_hex scripts[SESSION_PURGE_PAGE];
    size_t count, script_count, bytes;
};

/* The script that a call of run_workflow gave as text: a file may have it, also where nothing ran.
 */
static void script_note(struct parts_page *page, struct bytes data) {
    AUTO(json_release) json_t *json = NULL;
    if (data.len == 0 || err_failed(json_parse_wrapped(data, &json, NULL))) {
        return; /* Another part, or damaged. */
    }
    const char *script = json_str(json_object_get(json, "arguments"), "script", NULL);
    if (script != NULL) {
        const struct sha256 hash = sha256_of(script, strlen(script));
        page->scripts[page->script_count++] = sha256_hex(&hash);
    }
}

/* Parts are found by their messages. */
static bool parts_remove(struct tx *tx, const struct session_row *row) {
    struct parts_page page = {.count = 0};
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT p.id, CASE WHEN p.name = 'run_workflow' THEN p.data"
                                " ELSE '' END FROM messages m JOIN parts p ON p.message = m.id"
                                " WHERE m.session = $1 LIMIT $2",
                                ARGS(arg_int(row->id), arg_int(SESSION_PURGE_PAGE)));
    while (page.bytes < SCRIPTS_SIZE_MAX && rows_step(rows)) {
        struct bytes data = rows_text(rows, 1);
        page.ids[page.count++] = rows_int(rows, 0);
        page.bytes += data.len;
        script_note(&page, data);
    }
    rows_release(&rows);
    for (size_t i = 0; i < page.script_count; i++) {
        tx_fail(tx, tx_script_refused(tx, bytes_of(page.scripts[i].text)));
    }
    for (size_t i = 0; i < page.count; i++) {
        tx_do(tx, "DELETE FROM parts WHERE id = $1", ARGS(arg_int(page.ids[i])));
    }
    return page.count > 0;
}

#define LIVES "SELECT 1 FROM runs r WHERE r.id = t.run AND r.ended_ms IS NULL"

/* After the parts. A turn's row goes after the end of the turn, which reads there how long a person
 * was waited for, and whose place is free now. An attachment goes with its last use, all of them
 * before the uses by which they are found. */
static bool rows_remove(struct tx *tx, const struct session_row *row) {
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
        "DELETE FROM rewinds WHERE id IN (SELECT id FROM rewinds WHERE session = $1"
        " AND state <> 'applying' LIMIT $2)",
        "DELETE FROM points WHERE id IN (SELECT id FROM points WHERE session = $1 AND session <> 0"
        " LIMIT $2)",
    };
    int64_t changed = 0;
    ids__keep(tx, IDS_MESSAGES);
    ids__keep(tx, IDS_ATTACHMENTS);
    for (size_t i = 0; i < COUNT_OF(steps) && changed == 0; i++) {
        changed = tx_change(tx, steps[i], ARGS(arg_int(row->id), arg_int(SESSION_PURGE_PAGE)));
    }
    return changed > 0;
}

/* A page of the first kind that there is something of. */
static bool page_remove(struct tx *tx, const struct session_row *row) {
    static const char notices[] =
        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox WHERE owner = $1 AND"
        " address = $2 AND receiver = 'session' AND settled_ms IS NOT NULL LIMIT $3)";
    const struct run_purge purge = {
        .owner = row->owner, .session = row->session, .before_ms = tx_now_ms(tx) - RUNS_KEPT_MS};
    /* The newest runs first: what is below a run is newer than the run. Those of a workflow go with
     * it. Stored answers are few: the one that made the session, and those to a client's
     * tries. */
    if (parts_remove(tx, row) || rows_remove(tx, row) || runs__purge(tx, &purge) ||
        tx_change(tx, notices,
                  ARGS(arg_text(row->owner), arg_text(row->session), arg_int(SESSION_PURGE_PAGE))) >
            0 ||
        tx_usage_forget(tx, row, SESSION_PURGE_PAGE) ||
        sessions__untell(tx, row, SESSION_PURGE_PAGE * 5) ||
        tx_idempotency_forget(tx, row->session)) {
        return true;
    }
    struct stream_state state;
    bool more = false;
    const bool some = sessions__find_stream(tx, row, &state) && state.floor < state.head - 1;
    if (some) {
        tx_fail(tx, tx_prune(tx, state.stream, state.head - 1, JOURNAL_PRUNE_MAX, &more));
    }
    return some;
}

/* The rest, when nothing is left that could go now. True: its runs are waited for. */
static bool rest_remove(struct tx *tx, const struct session_row *row) {
    bool gone = row->hidden > 0; /* An unfinished fork has no stream. */
    if (row->hidden == HIDDEN_EMPTY) {
        const struct stream_name stream = {.owner = row->owner, .name = sessions__stream(tx, row)};
        bool more = false;
        tx_fail(tx, tx_stream_remove(tx, &stream, JOURNAL_PRUNE_MAX, &more));
        if (more) {
            return false;
        }
        gone = true;
    } else if (tx_number(tx,
                         "SELECT 1 FROM runs WHERE owner = $1 AND session = $2"
                         " AND session <> '' LIMIT 1",
                         ARGS(arg_text(row->owner), arg_text(row->session))) != 0) {
        return true;
    }
    if (gone) {
        ids__keep(tx, IDS_SESSIONS);
        tx_do(tx, "DELETE FROM sessions WHERE id = $1", ARGS(arg_int(row->id)));
    } else {
        sessions__set_hidden(tx, row, HIDDEN_EMPTY);
    }
    return false;
}

struct err tx_session_purge(struct tx *tx, struct session_purge *purge) {
    struct session_row row = {.id = 0};
    /* The first session after `after` that may have something left to remove now. */
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               tx_resource_sql(tx, &session_resource, RESOURCE_LISTED,
                               "SELECT * FROM sessions"
                               " WHERE hidden <> 0 AND hidden <> $1 AND id > $4"
                               " AND (hidden <> $2 OR changed_ms <= $3) ORDER BY id LIMIT 1"),
               ARGS(arg_int(tx_epoch(tx)), arg_int(HIDDEN_EMPTY),
                    arg_int(tx_now_ms(tx) - SESSION_STREAM_KEPT_MS), arg_int(purge->after)));
    if (rows != NULL) {
        sessions__borrow(rows, RESOURCE_LISTED, &row);
        sessions__copy(tx, &row);
    }
    bool found = rows != NULL;
    rows_release(&rows);
    purge->at = row.id;
    if (err_failed(tx_error(tx)) || !found) {
        purge->more = false;
        return tx_error(tx);
    }
    bool waits = !page_remove(tx, &row) && rest_remove(tx, &row);
    TRY(tx_error(tx));
    purge->more = true;
    if (waits) { /* A session that waits has changed nothing. */
        purge->after = row.id;
        purge->waits = true;
    } else {
        purge->removed = true;
        tx_scrub(tx);
    }
    return ERR_OK;
}
