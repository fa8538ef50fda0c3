/* attachments.c: files of sessions, as rows. */
#include "engine/session/attachments.h"

#include "engine/base/ids.h"
#include "engine/session/rows.h"

#define ATTACHMENT_COLUMNS                                                                         \
    "attachments.id, attachment, attachments.owner, hash, media, bytes, attachments.made_ms"

static void row_read(struct rows *rows, struct attachment_row *ret_row) {
    *ret_row = (struct attachment_row){.id = rows_int(rows, 0),
                                       .attachment = rows_copy(rows, 1),
                                       .owner = rows_copy(rows, 2),
                                       .hash = rows_copy(rows, 3),
                                       .media = rows_copy(rows, 4),
                                       .bytes = rows_int(rows, 5),
                                       .made_ms = rows_int(rows, 6)};
}

struct err tx_attachment_find(struct tx *tx, const struct attachment_key *key, bool *ret_found,
                              struct attachment_row *ret_row) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT " ATTACHMENT_COLUMNS " FROM attachments WHERE attachment = $1"
               " AND EXISTS (SELECT 1 FROM attachment_uses u JOIN sessions s ON s.id = u.session"
               " WHERE u.attachment = attachments.id AND s.hidden = 0)",
               ARGS(arg_text(key->attachment)));
    *ret_found =
        rows != NULL && (key->owner.data == NULL || bytes_equal(rows_text(rows, 2), key->owner));
    if (*ret_found) {
        row_read(rows, ret_row);
    }
    return tx_error(tx);
}

static void use_add(struct tx *tx, int64_t attachment, int64_t session) {
    tx_do(tx,
          "INSERT INTO attachment_uses (attachment, session) VALUES ($1, $2)"
          " ON CONFLICT (attachment, session) DO NOTHING",
          ARGS(arg_int(attachment), arg_int(session)));
}

struct err tx_attachment_add(struct tx *tx, const struct attachment_new *what,
                             struct attachment_row *ret_row) {
    struct session_row session;
    TRY(sessions__get(tx, &what->session, "attachments: session", &session));
    tx_do(tx,
          "INSERT INTO attachments (id, attachment, owner, hash, media, bytes, made_ms)"
          " VALUES (" IDS_NEXT("attachments") ", $1, $2, $3, $4, $5, $6)"
                                              " ON CONFLICT (owner, hash) DO NOTHING",
          ARGS(arg_str(what->attachment.text), arg_text(session.owner), arg_text(what->hash),
               arg_text(what->media), arg_int(what->bytes), arg_int(tx_now_ms(tx))));
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT " ATTACHMENT_COLUMNS " FROM attachments WHERE owner = $1 AND hash = $2",
               ARGS(arg_text(session.owner), arg_text(what->hash)));
    assert(err_failed(tx_error(tx)) || rows != NULL);
    if (rows != NULL) {
        row_read(rows, ret_row);
        use_add(tx, ret_row->id, session.id);
    }
    return tx_error(tx);
}

bool tx_attachment_give(struct tx *tx, const struct session_row *session, struct bytes attachment,
                        struct attachment_row *ret_row) {
    const struct attachment_key key = {.owner = session->owner, .attachment = attachment};
    bool found = false;
    tx_fail(tx, tx_attachment_find(tx, &key, &found, ret_row));
    if (found) {
        use_add(tx, ret_row->id, session->id);
    }
    return found;
}

struct err tx_attachment_known(struct tx *tx, struct bytes hash, bool *ret_known) {
    *ret_known = tx_number(tx, "SELECT 1 FROM attachments WHERE hash = $1 LIMIT 1",
                           ARGS(arg_text(hash))) != 0;
    return tx_error(tx);
}

void attachment_write_json(const struct attachment_row *row, struct text *text) {
    text_add_char(text, '{');
    text_add_member(text, "id", row->attachment);
    text_add_member(text, "media", row->media);
    text_add_member_int(text, "bytes", row->bytes);
    text_add_member(text, "sha256", row->hash);
    text_add_member_int(text, "made_ms", row->made_ms);
    text_add_char(text, '}');
}
