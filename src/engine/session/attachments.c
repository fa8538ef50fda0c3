/* attachments.c: files of sessions, as rows. */
#include "engine/session/attachments.h"

#include <string.h>

#include "engine/base/ids.h"
#include "engine/run/rows.h"
#include "engine/session/rows.h"

#define ATTACHMENT_COLUMNS                                                                         \
    "attachments.id, attachment, attachments.owner, hash, media, bytes, attachments.made_ms"

static struct err read_row(struct tx *tx, const struct rows *rows, struct attachment_row *ret_row) {
    struct attachment_row row = {.id = rows_int(rows, 0),
                                 .attachment = rows_text(rows, 1),
                                 .owner = rows_text(rows, 2),
                                 .hash = rows_text(rows, 3),
                                 .media = rows_text(rows, 4),
                                 .bytes = rows_int(rows, 5),
                                 .made_ms = rows_int(rows, 6)};
    struct bytes *const texts[] = {&row.attachment, &row.owner, &row.hash, &row.media};
    struct err err = sessions__keep(tx, texts, COUNT_OF(texts));
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

static struct err find(struct tx *tx, const char *sql, const struct arg args[2], bool *ret_found,
                       struct attachment_row *ret_row) {
    AUTO(rows_release) struct rows *rows = NULL;
    size_t count = args[1].kind == ARG_NULL ? 1 : 2;
    struct err err = tx_first(tx, sql, args, count, &rows);
    if (!err_failed(err) && rows != NULL) {
        err = read_row(tx, rows, ret_row);
    }
    if (!err_failed(err)) {
        *ret_found = rows != NULL;
    }
    return err;
}

struct err tx_attachment_find(struct tx *tx, const struct attachment_key *key, bool *ret_found,
                              struct attachment_row *ret_row) {
    static const char sql[] =
        "SELECT " ATTACHMENT_COLUMNS " FROM attachments WHERE attachment = $1"
        " AND EXISTS (SELECT 1 FROM attachment_uses u JOIN sessions s ON s.id = u.session"
        " WHERE u.attachment = attachments.id AND s.hidden = 0)";
    const struct arg args[] = {arg_text(key->attachment), arg_null()};
    bool found = false;
    struct attachment_row row;
    struct err err = find(tx, sql, args, &found, &row);
    if (!err_failed(err) && found && key->owner.data != NULL) {
        found = bytes_equal(row.owner, key->owner);
    }
    if (!err_failed(err)) {
        *ret_found = found;
        if (found) {
            *ret_row = row;
        }
    }
    return err;
}

static struct err insert(struct tx *tx, const struct attachment_row *row) {
    static const char sql[] =
        "INSERT INTO attachments (id, attachment, owner, hash, media, bytes, made_ms)"
        " VALUES (" IDS_NEXT(
            "attachments") ", $1, $2, $3, $4, $5, $6) ON CONFLICT (owner, hash) DO NOTHING";
    const struct arg args[] = {
        arg_text(row->attachment), arg_text(row->owner), arg_text(row->hash),
        arg_text(row->media),      arg_int(row->bytes),  arg_int(row->made_ms),
    };
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, or it was there */);
}

static struct err use(struct tx *tx, int64_t attachment, int64_t session) {
    static const char sql[] = "INSERT INTO attachment_uses (attachment, session) VALUES ($1, $2)"
                              " ON CONFLICT (attachment, session) DO NOTHING";
    const struct arg args[] = {arg_int(attachment), arg_int(session)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, or it was there */);
}

struct err tx_attachment_add(struct tx *tx, const struct attachment_new *what,
                             struct attachment_row *ret_row) {
    static const char sql[] =
        "SELECT " ATTACHMENT_COLUMNS " FROM attachments WHERE owner = $1 AND hash = $2";
    bool found = false;
    struct session_row session;
    struct err err = sessions__find(tx, &what->session, &found, &session);
    if (!err_failed(err) && !found) {
        err = err_make(ERR_NOT_FOUND, "attachments: session");
    }
    struct attachment_row row = {
        .attachment = {what->attachment.text, strlen(what->attachment.text)},
        .hash = what->hash,
        .media = what->media,
        .bytes = what->bytes,
        .made_ms = tx_now_ms(tx)};
    if (!err_failed(err)) {
        row.owner = session.owner;
        err = insert(tx, &row);
    }
    if (!err_failed(err)) {
        const struct arg args[] = {arg_text(session.owner), arg_text(what->hash)};
        err = find(tx, sql, args, &found, &row);
    }
    assert(err_failed(err) || found);
    if (!err_failed(err)) {
        err = use(tx, row.id, session.id);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_attachment_give(struct tx *tx, const struct session_row *session,
                              struct bytes attachment, bool *ret_found,
                              struct attachment_row *ret_row) {
    const struct attachment_key key = {.owner = session->owner, .attachment = attachment};
    struct err err = tx_attachment_find(tx, &key, ret_found, ret_row);
    return err_failed(err) || !*ret_found ? err : use(tx, ret_row->id, session->id);
}

struct err tx_attachment_known(struct tx *tx, struct bytes hash, bool *ret_known) {
    const struct arg args[] = {arg_text(hash)};
    const struct run_ask ask = {.sql = "SELECT 1 FROM attachments WHERE hash = $1 LIMIT 1",
                                .args = args,
                                .count = COUNT_OF(args)};
    int64_t known = 0;
    struct err err = runs__int(tx, &ask, &known);
    if (!err_failed(err)) {
        *ret_known = known != 0;
    }
    return err;
}

void attachment_write_json(const struct attachment_row *row, struct text *text) {
    text_add_str(text, "{\"id\":");
    text_add_json(text, row->attachment.data, row->attachment.len);
    text_add_str(text, ",\"media\":");
    text_add_json(text, row->media.data, row->media.len);
    text_addf(text, ",\"bytes\":%lld,\"sha256\":", (long long)row->bytes);
    text_add_json(text, row->hash.data, row->hash.len);
    text_addf(text, ",\"made_ms\":%lld}", (long long)row->made_ms);
}
