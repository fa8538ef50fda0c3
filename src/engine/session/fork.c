/* fork.c: a session of its own from the beginning of another, in a chain of commits.
 *
 * The new session stays hidden, under the epoch of this daemon, until the last commit of the chain;
 * what a crash leaves is removed like a deleted one (system/session_delete.c).
 *
 * A copy's id comes from the chain's seed and the number of the message that it copies, so that
 * what answers a message finds the copy of that message without a map.
 *
 * The summary that goes along is the one that holds when the chain begins: one that is made later
 * may stand for what a message became after it was copied.
 */
#include "base/hash.h"
#include "engine/session/checkpoints.h"
#include "engine/session/message_rows.h"

static struct id copy_id(const struct session_fork *fork, const struct message_row *row) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, fork->seed, sizeof fork->seed);
    sha256_add(&sha, &row->id, sizeof row->id);
    struct sha256 digest = sha256_finish(&sha);
    return id_make("msg", row->made_ms, digest.bytes);
}

/* --- One message ------------------------------------------------------------------------------ */

/* Id of the copy of a message; 0: it was not copied. */
static int64_t copy_find(struct tx *tx, const struct session_fork *fork, int64_t message) {
    struct message_row row;
    if (message == 0 || !messages__find_id(tx, message, &row)) {
        return 0;
    }
    const struct id name = copy_id(fork, &row);
    return messages__find(tx, bytes_of(name.text), &row) ? row.id : 0;
}

/* As PARTS_OPEN_STATES, but for pending ones. */
#define OPEN_STATES "('ready', 'asking', 'reviewing', 'running')"

static void message_copy(struct tx *tx, const struct session_fork *fork, struct session_row *into,
                         const struct message_row *row) {
    const struct id name = copy_id(fork, row);
    struct message_row copy = *row;
    copy.message = bytes_of(name.text);
    copy.run = 0;
    copy.client_id = copy.client_digest = BYTES("");
    if (row->reply_to != 0) {
        copy.reply_to = copy_find(tx, fork, row->reply_to);
        /* An answer to what is not copied (rolled back) stays to be read, and is in no prompt. */
        copy.active = copy.active && copy.reply_to != 0;
    }
    const struct message_insert insert = {.session = into, .row = &copy};
    messages__insert_quiet(tx, &insert);
    const struct arg ids[] = {arg_int(row->id), arg_int(copy.id)};
    tx_do(tx,
          "UPDATE messages SET answer_schema = (SELECT answer_schema FROM messages WHERE id = $1)"
          " WHERE id = $2",
          ids, COUNT_OF(ids));
    if (row->role == ROLE_ASSISTANT) { /* The copy has no turn that would name its model. */
        tx_do(tx,
              "UPDATE messages SET model = (SELECT " MESSAGE_MODEL
              " FROM messages m WHERE m.id = $1) WHERE id = $2",
              ids, COUNT_OF(ids));
    }
    /* A call that is still going on goes on in the old session only. A pending one has its run,
     * whose end reaches every copy (turn/child.c). */
    tx_do(tx,
          "INSERT INTO parts (message, number, step, kind, state, name, call, run, bytes,"
          " data_bytes, data, text, cause) SELECT $2, number, step, kind, CASE WHEN state"
          " IN " OPEN_STATES " THEN 'cancelled' ELSE state END, name, call, run, bytes, data_bytes,"
          " data, text, CASE WHEN state IN " OPEN_STATES " THEN 'forked' ELSE cause END"
          " FROM parts WHERE message = $1",
          ids, COUNT_OF(ids));
}

/* A page of messages, and at least one. True: it was cut. */
static bool page_copy(struct tx *tx, const struct session_row *from, struct session_row *into,
                      struct session_fork *fork) {
    const struct message_page page = {.session = from->id,
                                      .order = MESSAGES_OLDEST,
                                      .after = fork->done,
                                      .limit = SESSION_FORK_PAGE};
    struct message_rows found = {.count = 0};
    int64_t rows = 0, bytes = 0;
    bool past = false;
    size_t i = 0;
    tx_fail(tx, tx_message_page(tx, &page, &found));
    while (i < found.count && !past && rows < SESSION_FORK_PAGE && bytes < SESSION_FORK_BYTES &&
           !err_failed(tx_error(tx))) {
        const struct message_row *row = &found.rows[i++];
        past = row->id >= fork->until;
        if (row->id <= fork->until &&
            (row->status == MESSAGE_COMPLETED || row->status == MESSAGE_INTERRUPTED ||
             row->status == MESSAGE_FAILED)) {
            int64_t weight[2];
            tx_numbers(tx,
                       "SELECT count(*), COALESCE(sum(bytes + data_bytes), 0) FROM parts"
                       " WHERE message = $1",
                       ARGS(arg_int(row->id)), weight, COUNT_OF(weight));
            rows += weight[0] + 1;
            bytes += weight[1];
            message_copy(tx, fork, into, row);
        }
        fork->done = row->id;
    }
    return !past && (i < found.count || found.count == SESSION_FORK_PAGE);
}

/* --- The chain -------------------------------------------------------------------------------- */

/* The first link: finds how far the fork goes, and the summary that goes along, and makes the new
 * session. */
static struct err chain_start(struct tx *tx, const struct session_row *from,
                              struct session_fork *fork, struct session_row *into) {
    fork->until = INT64_MAX;
    if (fork->message.len > 0) {
        const struct message_key key = {.owner = from->owner, .message = fork->message};
        struct message_row row;
        struct session_row session;
        struct err err = messages__get(tx, &key, "sessions: fork", &row, &session);
        if (err_failed(err) || row.session != from->id) {
            return err_failed(err) ? err : err_make(ERR_MESSAGE_NOT_FOUND, "sessions: fork");
        }
        fork->until = row.id;
    }
    /* The summary that covers most, without anything after that message, or a part of an answer
     * that is not finished. */
    int64_t summary[3];
    tx_numbers(tx,
               "SELECT c.id, c.message, c.question FROM checkpoints c"
               " JOIN messages m ON m.id = c.message WHERE c.session = $1 AND c.void = 0"
               " AND c.message <= $2 AND m.status <> 'running'"
               " ORDER BY c.message DESC, c.id DESC LIMIT 1",
               ARGS(arg_int(from->id), arg_int(fork->until)), summary, COUNT_OF(summary));
    fork->checkpoint = summary[0];
    fork->covered = summary[1];
    fork->question = summary[2];
    struct session_row row = *from;
    row.session = tx_copy(tx, bytes_of(fork->session.text));
    row.hidden = tx_epoch(tx);
    row.parent = row.depth = 0;
    row.parent_name = BYTES("");
    row.version = 1;
    row.state = SESSION_IDLE;
    row.archived_ms = 0;
    row.made_ms = row.changed_ms = tx_now_ms(tx);
    row.usage = (struct session_usage){.calls = 0};
    row.context_used = 0;
    row.native =
        (struct session_native){.reader = BYTES("")}; /* A native session has one writer. */
    row.fork_of = from->id;
    row.fork_name = from->session;
    row.forked_from = fork->message.len > 0 ? fork->message : from->session;
    if (fork->title.data != NULL) {
        row.title = fork->title;
        row.title_by = fork->title.len > 0 ? TITLE_USER : TITLE_NONE;
    }
    sessions__insert(tx, &row);
    /* The fork is below the same run (engine/run/inside.h), which the outermost session names. */
    struct session_row outermost = *from;
    for (unsigned i = 0; i < SESSION_DEPTH_MAX && outermost.parent != 0; i++) {
        if (!sessions__find_id(tx, outermost.parent, &outermost)) {
            break;
        }
    }
    tx_do(tx,
          "UPDATE sessions SET began_in = (SELECT f.began_in FROM sessions f WHERE f.id = $2),"
          " budget = (SELECT f.budget FROM sessions f WHERE f.id = $2) WHERE id = $1",
          ARGS(arg_int(row.id), arg_int(outermost.id)));
    *into = row;
    return tx_error(tx);
}

struct err tx_session_fork(struct tx *tx, const struct session_fork *fork,
                           struct session_fork *ret_fork, bool *ret_more,
                           struct session_row *ret_row) {
    struct session_fork next = *fork;
    struct session_row from, into = {.id = 0};
    struct err err = sessions__get(tx, &fork->key, "sessions: fork", &from);
    if (!err_failed(err) && fork->until == 0) {
        err = chain_start(tx, &from, &next, &into);
    } else if (!err_failed(err) &&
               !sessions__find_hidden(tx, bytes_of(fork->session.text), tx_epoch(tx), &into)) {
        err = err_make(ERR_NOT_FOUND, "sessions: fork");
    }
    if (err_failed(err) || err_failed(tx_error(tx))) {
        return err_failed(tx_error(tx)) ? tx_error(tx) : err;
    }
    *ret_more = page_copy(tx, &from, &into, &next);
    if (!*ret_more) {
        /* The last link: the summary holds for the copies, and the session is in sight. */
        const int64_t covered = copy_find(tx, &next, next.checkpoint != 0 ? next.covered : 0);
        const int64_t question = copy_find(tx, &next, next.question);
        if (covered != 0 &&
            (next.question == 0 || question != 0)) { /* Nothing, if it is void now. */
            tx_do(tx,
                  "INSERT INTO checkpoints (session, message, step, question, void, tokens_before,"
                  " tokens_after, made_ms, made_by, method, summary) SELECT $2, $3, step, $4, 0,"
                  " tokens_before, tokens_after, made_ms, made_by, method, summary FROM checkpoints"
                  " WHERE id = $1 AND void = 0",
                  ARGS(arg_int(next.checkpoint), arg_int(into.id), arg_int(covered),
                       arg_int(question)));
        }
        tx_do(tx,
              "INSERT INTO attachment_uses (attachment, session)"
              " SELECT attachment, $2 FROM attachment_uses WHERE session = $1",
              ARGS(arg_int(from.id), arg_int(into.id)));
        sessions__weigh_context(tx, &into);
        sessions__set_hidden(tx, &into, 0 /* in sight */);
        into.changed_ms = tx_now_ms(tx);
        sessions__tell_created(tx, &into);
    }
    *ret_fork = next;
    *ret_row = into;
    return tx_error(tx);
}

struct err tx_session_fork_abandon(struct tx *tx, const struct session_fork *fork) {
    tx_do(tx, "UPDATE sessions SET hidden = -1 WHERE session = $1 AND hidden = $2",
          ARGS(arg_str(fork->session.text), arg_int(tx_epoch(tx))));
    return tx_error(tx);
}
