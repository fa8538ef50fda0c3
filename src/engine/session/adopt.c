/* adopt.c: a session that goes on with one that its program had before.
 *
 * The definition that the session keeps has the state of a reader (AGENT_KEPT_NATIVE): by that the
 * first turn goes on with the native session. It counts only while the notice that stands after the
 * adopted messages is shown: what is cleared or rolled back cannot be taken from the program
 * (turn/program.c). From then on the turns have the state.
 */
#include "base/hash.h"
#include "base/json/json.h"
#include "engine/session/message_rows.h"
#include "rules/agent/definition.h"

#define NATIVE_TEXT "'%\"native\":\"' || CAST($1 AS TEXT) || '\"%'"

/* The newest turn's reader has the native session now; without a turn, the definition has it, and
 * keeps it: who looks for a writer finds the session either way. */
struct err tx_session_native(struct tx *tx, struct bytes native, bool *ret_found,
                             struct session_row *ret_row) {
    const int64_t id =
        tx_number(tx,
                  "SELECT id FROM sessions s WHERE s.program <> '' AND s.hidden = 0"
                  " AND (s.program LIKE " NATIVE_TEXT " OR COALESCE((SELECT t.program_reader"
                  " FROM turns t WHERE t.session = s.id AND t.program_reader <> ''"
                  " ORDER BY t.run DESC LIMIT 1), '') LIKE " NATIVE_TEXT ") ORDER BY id LIMIT 1",
                  ARGS(arg_text(native)), 0);
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
    }
}

struct bytes sessions__program_alone(struct tx *tx, struct bytes program) {
    AUTO(json_release) json_t *kept = NULL, *native = NULL;
    AUTO(text_done) struct text text = text_up_to(AGENT_DEFINITION_MAX);
    if (program.len == 0 || err_failed(json_parse_wrapped(program, &kept, NULL))) {
        return program;
    }
    agent_definition_take_native(kept, &native);
    if (native == NULL) {
        return program;
    }
    tx_fail(tx, json_write(kept, &text));
    return tx_copy_text(tx, &text, "sessions: program");
}
