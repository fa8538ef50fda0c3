/* idempotency.c: keys and the answers they stand for.
 *
 * The digest takes the length of each part before the part, so that no two different requests feed
 * the hash the same bytes ("ab" + "c" against "a" + "bc").
 */
#include "engine/base/idempotency.h"

bool idempotency_key_valid(struct bytes key) {
    if (key.len == 0 || key.len > IDEMPOTENCY_KEY_MAX) {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] < 0x20 || key.data[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static void digest_add(struct sha256_stream *sha, struct bytes part) {
    uint8_t len[8];
    for (unsigned i = 0; i < sizeof len; i++) {
        len[i] = (uint8_t)((uint64_t)part.len >> (8 * i));
    }
    sha256_add(sha, len, sizeof len);
    if (part.len > 0) {
        sha256_add(sha, part.data, part.len);
    }
}

struct sha256_hex idempotency_digest(const struct idempotency_request *request) {
    struct sha256_stream sha;
    sha256_start(&sha);
    digest_add(&sha, request->method);
    digest_add(&sha, request->target);
    digest_add(&sha, request->body);
    struct sha256 digest = sha256_finish(&sha);
    return sha256_hex(&digest);
}

struct err tx_idempotency_find(struct tx *tx, const struct idempotency *idempotency,
                               bool *ret_found, struct idempotency_answer *ret_answer) {
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT digest, status, answer FROM idempotency"
                               " WHERE owner = $1 AND route = $2 AND idem_key = $3",
                               ARGS(arg_text(idempotency->owner), arg_text(idempotency->route),
                                    arg_text(idempotency->key)));
    *ret_found = rows != NULL;
    if (rows == NULL) {
        return tx_error(tx);
    }
    if (!bytes_is(rows_text(rows, 0), idempotency->digest.text)) {
        return err_make(ERR_IDEMPOTENCY_MISMATCH, "idempotency: digest");
    }
    ret_answer->status = (int)rows_int(rows, 1);
    ret_answer->body = rows_copy(rows, 2);
    return ret_answer->body.len > 0 || err_failed(tx_error(tx))
               ? tx_error(tx)
               : err_make(ERR_GONE, "idempotency: answer");
}

struct err tx_idempotency_keep(struct tx *tx, const struct idempotency *idempotency,
                               const struct idempotency_answer *answer) {
    struct bytes about = answer->about.data == NULL ? BYTES("") : answer->about;
    tx_do(tx,
          "INSERT INTO idempotency (owner, route, idem_key, digest, status, answer, made_ms,"
          " about) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
          ARGS(arg_text(idempotency->owner), arg_text(idempotency->route),
               arg_text(idempotency->key), arg_str(idempotency->digest.text),
               arg_int(answer->status), arg_text(answer->body), arg_int(tx_now_ms(tx)),
               arg_text(about)));
    return tx_error(tx);
}

bool tx_idempotency_forget(struct tx *tx, struct bytes about) {
    return tx_change(tx,
                     "UPDATE idempotency SET answer = '', about = '' WHERE about = $1"
                     " AND about <> ''",
                     ARGS(arg_text(about))) > 0;
}

struct err tx_idempotency_prune(struct tx *tx, int64_t before_ms, int64_t count_max,
                                bool *ret_more) {
    *ret_more = tx_change(tx,
                          "DELETE FROM idempotency WHERE id IN"
                          " (SELECT id FROM idempotency WHERE made_ms < $1"
                          " ORDER BY made_ms LIMIT $2)",
                          ARGS(arg_int(before_ms), arg_int(count_max))) >= count_max;
    return tx_error(tx);
}
