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
#include "engine/session/checkpoints.h"
#include "engine/session/message_rows.h"

#include <string.h>

#include "base/hash.h"

static struct id copy_id(const struct session_fork *fork, const struct message_row *row) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, fork->seed, sizeof fork->seed);
    sha256_add(&sha, &row->id, sizeof row->id);
    struct sha256 digest = sha256_finish(&sha);
    return id_make("msg", row->made_ms, digest.bytes);
}

/* --- One message ------------------------------------------------------------------------------ */

struct weight {
    int64_t rows, bytes;
};

static struct err weigh(struct tx *tx, int64_t message, struct weight *weight) {
    static const char sql[] = "SELECT count(*), COALESCE(sum(bytes + data_bytes), 0) FROM parts"
                              " WHERE message = $1";
    const struct arg args[] = {arg_int(message)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        weight->rows += rows_int(rows, 0) + 1;
        weight->bytes += rows_int(rows, 1);
    }
    return err;
}

#define OPEN_STATES "('ready', 'asking', 'reviewing', 'running')"

/* A call that is still going on goes on in the old session only. A pending one has its run, whose
 * end reaches every copy (turn/child.c). */
static struct err copy_parts(struct tx *tx, int64_t from, int64_t to) {
    static const char sql[] =
        "INSERT INTO parts (message, number, step, kind, state, name, call, run, bytes, data_bytes,"
        " data, text, cause) SELECT $2, number, step, kind, CASE WHEN state IN " OPEN_STATES
        " THEN 'cancelled' ELSE state END, name, call, run, bytes, data_bytes, data, text,"
        " CASE WHEN state IN " OPEN_STATES " THEN 'forked' ELSE cause END"
        " FROM parts WHERE message = $1";
    const struct arg args[] = {arg_int(from), arg_int(to)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* however many */);
}

/* *ret_id 0: it was not copied. */
static struct err find_copy(struct tx *tx, const struct session_fork *fork, int64_t message,
                            int64_t *ret_id) {
    bool found = false;
    struct message_row row;
    int64_t id = 0;
    struct err err = messages__find_id(tx, message, &found, &row);
    if (!err_failed(err) && found) {
        const struct id name = copy_id(fork, &row);
        err = messages__find(tx, bytes_of(name.text), &found, &row);
        id = !err_failed(err) && found ? row.id : 0;
    }
    if (!err_failed(err)) {
        *ret_id = id;
    }
    return err;
}

static struct err copy_message(struct tx *tx, const struct session_fork *fork,
                               struct session_row *into, const struct message_row *row) {
    const struct id name = copy_id(fork, row);
    struct message_row copy = *row;
    copy.message = bytes_of(name.text);
    copy.run = 0;
    copy.client_id = copy.client_digest = BYTES("");
    struct err err = ERR_OK;
    if (row->reply_to != 0) {
        err = find_copy(tx, fork, row->reply_to, &copy.reply_to);
        /* An answer to what is not copied (rolled back) stays to be read, and is in no prompt. */
        copy.active = copy.active && copy.reply_to != 0;
    }
    const struct message_insert insert = {.session = into, .row = &copy};
    if (!err_failed(err)) {
        err = messages__insert_quiet(tx, &insert);
    }
    if (!err_failed(err)) {
        err = messages__copy_schema(tx, row->id, copy.id);
    }
    if (!err_failed(err) && row->role == ROLE_ASSISTANT) {
        err = messages__copy_model(tx, row->id, copy.id);
    }
    return err_failed(err) ? err : copy_parts(tx, row->id, copy.id);
}

static bool copied(enum message_status status) {
    return status == MESSAGE_COMPLETED || status == MESSAGE_INTERRUPTED || status == MESSAGE_FAILED;
}

/* A page of messages, and at least one. *ret_more: it was cut. */
static struct err copy_page(struct tx *tx, struct session_row *from, struct session_row *into,
                            struct session_fork *fork, bool *ret_more) {
    const struct message_page page = {.session = from->id,
                                      .order = MESSAGES_OLDEST,
                                      .after = fork->done,
                                      .limit = SESSION_FORK_PAGE};
    struct message_rows rows;
    struct weight weight = {.rows = 0};
    struct err err = tx_message_page(tx, &page, &rows);
    size_t i = 0;
    bool past = false;
    while (!err_failed(err) && i < rows.count && !past && weight.rows < SESSION_FORK_PAGE &&
           weight.bytes < SESSION_FORK_BYTES) {
        const struct message_row *row = &rows.rows[i++];
        past = row->id >= fork->until;
        if (row->id <= fork->until && copied(row->status)) {
            err = weigh(tx, row->id, &weight);
            err = err_failed(err) ? err : copy_message(tx, fork, into, row);
        }
        fork->done = row->id;
    }
    if (!err_failed(err)) {
        *ret_more = !past && (i < rows.count || rows.count == SESSION_FORK_PAGE);
    }
    return err;
}

/* --- The chain -------------------------------------------------------------------------------- */

static struct err find_until(struct tx *tx, const struct session_row *from,
                             struct session_fork *fork) {
    const struct message_key key = {.owner = from->owner, .message = fork->message};
    bool found = false;
    struct message_row row;
    struct session_row session;
    if (fork->message.len == 0) {
        fork->until = INT64_MAX;
        return ERR_OK;
    }
    struct err err = tx_message_find(tx, &key, &found, &row, &session);
    if (!err_failed(err) && (!found || row.session != from->id)) {
        err = err_make(ERR_MESSAGE_NOT_FOUND, "sessions: fork");
    }
    fork->until = err_failed(err) ? 0 : row.id;
    return err;
}

static struct err find_checkpoint(struct tx *tx, const struct session_row *from,
                                  struct session_fork *fork) {
    struct checkpoint_before before = {.session = from->id, .until = fork->until};
    struct err err = tx_checkpoint_find_before(tx, &before, &before);
    fork->checkpoint = err_failed(err) ? 0 : before.id;
    fork->covered = err_failed(err) ? 0 : before.message;
    fork->question = err_failed(err) ? 0 : before.question;
    return err;
}

static struct err copy_checkpoint(struct tx *tx, const struct session_row *into,
                                  const struct session_fork *fork) {
    struct checkpoint_copy copy = {.id = fork->checkpoint, .session = into->id};
    struct err err =
        fork->checkpoint == 0 ? ERR_OK : find_copy(tx, fork, fork->covered, &copy.message);
    if (!err_failed(err) && fork->question != 0) {
        err = find_copy(tx, fork, fork->question, &copy.question);
    }
    bool whole = copy.message != 0 && (fork->question == 0 || copy.question != 0);
    return err_failed(err) || !whole ? err : tx_checkpoint_copy(tx, &copy);
}

static struct err make_session(struct tx *tx, const struct session_row *from,
                               const struct session_fork *fork, struct session_row *ret_row) {
    const struct bytes none = {"", 0};
    struct session_row row = *from;
    row.session = bytes_of(fork->session.text);
    row.parent = row.depth = 0;
    row.parent_name = none;
    row.version = 1;
    row.state = SESSION_IDLE;
    row.archived_ms = 0;
    row.made_ms = row.changed_ms = tx_now_ms(tx);
    row.usage = (struct session_usage){.calls = 0};
    row.context_used = row.context_window = 0;
    row.forked_from = fork->message.len > 0 ? fork->message : from->session;
    if (fork->title.data != NULL) {
        row.title = fork->title;
        row.title_by = fork->title.len > 0 ? TITLE_USER : TITLE_NONE;
    }
    struct bytes *const texts[] = {&row.session};
    struct err err = sessions__keep(tx, texts, COUNT_OF(texts));
    if (!err_failed(err)) {
        err = sessions__insert(tx, tx_epoch(tx), &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

/* Both sessions; the new one is made by the first link. */
static struct err find_both(struct tx *tx, struct session_fork *fork, struct session_row *from,
                            struct session_row *into) {
    const struct bytes name = bytes_of(fork->session.text);
    bool found = false;
    struct err err = sessions__find(tx, &fork->key, &found, from);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "sessions: fork");
    }
    if (err_failed(err)) {
        return err;
    }
    if (fork->until == 0) {
        err = find_until(tx, from, fork);
        if (!err_failed(err)) {
            err = find_checkpoint(tx, from, fork);
        }
        return err_failed(err) ? err : make_session(tx, from, fork, into);
    }
    err = sessions__find_hidden(tx, name, tx_epoch(tx), &found, into);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "sessions: fork");
    }
    return err;
}

static struct err show(struct tx *tx, const struct session_row *from, struct session_row *into) {
    static const char sql[] = "INSERT INTO attachment_uses (attachment, session)"
                              " SELECT attachment, $2 FROM attachment_uses WHERE session = $1";
    const struct arg args[] = {arg_int(from->id), arg_int(into->id)};
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* however many */);
    if (!err_failed(err)) {
        err = sessions__set_hidden(tx, into, 0 /* in sight */);
    }
    into->changed_ms = tx_now_ms(tx);
    return err_failed(err) ? err : sessions__tell_created(tx, into);
}

struct err tx_session_fork(struct tx *tx, const struct session_fork *fork,
                           struct session_fork *ret_fork, bool *ret_more,
                           struct session_row *ret_row) {
    struct session_fork next = *fork;
    struct session_row from, into = {.id = 0};
    bool more = false;
    struct err err = find_both(tx, &next, &from, &into);
    if (!err_failed(err)) {
        err = copy_page(tx, &from, &into, &next, &more);
    }
    if (!err_failed(err) && !more) {
        err = copy_checkpoint(tx, &into, &next);
    }
    if (!err_failed(err) && !more) {
        err = show(tx, &from, &into);
    }
    if (!err_failed(err)) {
        *ret_fork = next;
        *ret_more = more;
        *ret_row = into;
    }
    return err;
}

struct err tx_session_fork_abandon(struct tx *tx, const struct session_fork *fork) {
    static const char sql[] = "UPDATE sessions SET hidden = -1 WHERE session = $1 AND hidden = $2";
    const struct bytes name = bytes_of(fork->session.text);
    const struct arg args[] = {arg_text(name), arg_int(tx_epoch(tx))};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, or none */);
}
