/* repeat.c: a message that is sent again under the client's own id is answered as it was the
 * first time. */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"

enum { NOTED_MAX = 512 << 10 };

struct sha256_hex turns__digest(const struct turn_message *message) {
    struct sha256_stream sha;
    sha256_start(&sha);
    sha256_add(&sha, message->text.data, message->text.len);
    if (message->schema.len > 0) {
        sha256_add(&sha, "\0schema ", 8); /* No text has a NUL. */
        sha256_add(&sha, message->schema.data, message->schema.len);
    }
    for (size_t i = 0; i < message->attachment_count; i++) {
        sha256_add(&sha, "\0", 1);
        sha256_add(&sha, message->attachments[i].data, message->attachments[i].len);
    }
    struct sha256 digest = sha256_finish(&sha);
    return sha256_hex(&digest);
}

/* What was decided is part of the first answer, which the client may not have heard. Of a message
 * that only waits nothing is kept. */
struct err turns__note_decision(struct tx *tx, const struct turn_accepted *accepted,
                                struct turn_message *message) {
    AUTO(text_done) struct text told;
    text_init(&told, NOTED_MAX);
    if (accepted->decision == TURN_DECIDE_QUEUE) {
        return ERR_OK;
    }
    text_addf(&told, "{\"decision\":\"%s\"", turn_decision_name(accepted->decision));
    if (accepted->undone.len > 0) {
        text_add_str(&told, ",\"undone\":");
        text_add(&told, accepted->undone.data, accepted->undone.len);
    }
    text_add_char(&told, '}');
    char *copy = text_failed(&told) ? NULL : arena_try_copy(tx_arena(tx), told.data, told.len);
    message->told = (struct bytes){copy, told.len};
    return copy == NULL ? text_error(&told, "turns: decision") : ERR_OK;
}

static struct err recall_undone(struct tx *tx, const json_t *list, struct bytes *ret_undone) {
    AUTO(text_done) struct text undone;
    text_init(&undone, NOTED_MAX);
    struct err err = json_write(list, &undone);
    const char *copy =
        err_failed(err) ? NULL : arena_try_copy(tx_arena(tx), undone.data, undone.len);
    *ret_undone = (struct bytes){copy, undone.len};
    return copy == NULL ? text_error(&undone, "turns: decision") : ERR_OK;
}

static struct err recall(struct tx *tx, const struct message_row *row,
                         struct turn_accepted *accepted) {
    AUTO(json_release) json_t *told = NULL;
    accepted->decision = TURN_DECIDE_QUEUE;
    struct err err = json_parse_wrapped(row->metadata, &told, NULL /* ours */);
    if (err_failed(err)) {
        return err;
    }
    const json_t *word = json_object_get(told, "decision"), *list = json_object_get(told, "undone");
    bool noted =
        json_is_string(word) &&
        turn_decision_find((struct bytes){json_string_value(word), json_string_length(word)},
                           &accepted->decision);
    return noted && list != NULL ? recall_undone(tx, list, &accepted->undone) : ERR_OK;
}

struct err turns__find_earlier(struct tx *tx, const struct turn_message *message,
                               const struct session_row *session, bool *ret_found,
                               struct turn_accepted *accepted, struct why *why) {
    struct message_row row;
    *ret_found = false;
    if (message->client.len == 0) {
        return ERR_OK;
    }
    struct err err = tx_message_find_client(tx, session->id, message->client, ret_found, &row);
    if (err_failed(err) || !*ret_found) {
        return err;
    }
    struct sha256_hex digest = turns__digest(message);
    bool same = row.client_digest.len == strlen(digest.text) &&
                memcmp(row.client_digest.data, digest.text, row.client_digest.len) == 0;
    if (!same) {
        why_set(why, "client_id: another message was sent with this id");
        return err_make(ERR_MESSAGE_EXISTS, "turns: client id");
    }
    bool found = false;
    accepted->repeated = true;
    accepted->message = row.message;
    err = recall(tx, &row, accepted);
    if (err_failed(err)) {
        return err;
    }
    err = runs__find_id(tx, row.run, &found, &accepted->run);
    return err_failed(err) || found ? err : err_make(ERR_NOT_FOUND, "turns: the run was removed");
}
