/* adopt.c: a session that goes on with one that its program had before.
 *
 * It begins with the state of a reader, by which its first turn goes on with the native session.
 * That counts only while the notice that stands after the adopted messages is shown: what is
 * cleared or rolled back cannot be taken from the program (turn/program.c).
 */
#include "base/hash.h"
#include "engine/session/message_rows.h"

struct err tx_session_native(struct tx *tx, struct bytes native, bool *ret_found,
                             struct session_row *ret_row) {
    const int64_t id =
        tx_number(tx,
                  "SELECT id FROM sessions WHERE program <> '' AND hidden = 0 AND program_reader"
                  " LIKE '%\"native\":\"' || CAST($1 AS TEXT) || '\"%' ORDER BY id LIMIT 1",
                  ARGS(arg_text(native)));
    *ret_found = id != 0 && sessions__find_id(tx, id, ret_row);
    return tx_error(tx);
}

static struct id name_of(const struct session_adopted *what, int64_t number, int64_t made_ms) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, what->seed, sizeof what->seed);
    sha256_add(&sha, &number, sizeof number);
    const struct sha256 digest = sha256_finish(&sha);
    return id_make("msg", made_ms, digest.bytes);
}

void sessions__adopt(struct tx *tx, const struct session_adopted *what, struct session_row *row) {
    struct message_part notice = {.kind = PART_NOTICE, .text = what->notice};
    struct message_part parts[SESSION_ADOPTED_PARTS_MAX];
    int64_t question = 0;
    for (size_t i = 0; i <= what->count; i++) {
        const bool last = i == what->count;
        const struct session_adopted_message *message = last ? NULL : &what->messages[i];
        assert(last || message->count <= COUNT_OF(parts));
        const struct id name = name_of(what, (int64_t)i, tx_now_ms(tx));
        struct message_row into = {.message = tx_copy(tx, bytes_of(name.text)),
                                   .role = last ? ROLE_NOTICE : message->role,
                                   .status = MESSAGE_COMPLETED,
                                   .active = true};
        into.reply_to = into.role == ROLE_ASSISTANT ? question : 0;
        if (!last) { /* Inserting fills parts in, and these are the caller's. */
            memcpy(parts, message->parts, message->count * sizeof parts[0]);
        }
        const struct message_insert insert = {.session = row,
                                              .row = &into,
                                              .parts = last ? &notice : parts,
                                              .count = last ? 1 : message->count};
        messages__insert_quiet(tx, &insert);
        question = into.role == ROLE_USER ? into.id : question;
        row->native.answer = into.id; /* At last the notice. */
    }
    row->native.reader = what->reader;
    sessions__set_native(tx, row);
}
