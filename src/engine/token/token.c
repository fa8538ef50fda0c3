/* token.c: secrets, their digests, and the rows that hold them. */
#include "engine/token/token.h"

#include <string.h>

bool token_owner_valid(struct bytes owner) {
    if (owner.len == 0 || owner.len > TOKEN_OWNER_MAX) {
        return false;
    }
    for (size_t i = 0; i < owner.len; i++) {
        char c = owner.data[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!alnum && (i == 0 || (c != '_' && c != '.' && c != '-'))) {
            return false;
        }
    }
    return true;
}

void token_secret_make(const uint8_t random[32], char ret_secret[TOKEN_SECRET_LEN + 1]) {
    memcpy(ret_secret, "drv_", 4);
    hex_write(random, 32, ret_secret + 4);
}

bool token_scope_find(const char *name, unsigned *ret_bit) {
    for (unsigned i = 0; i < TOKEN_SCOPES; i++) {
        if (strcmp(name, token_scope_names[i]) == 0) {
            *ret_bit = 1U << i;
            return true;
        }
    }
    return false;
}

enum { DAMAGED_MAX = 1000 }; /* Rows that one page passes over: nobody is let in by them. */

static bool id_read(struct bytes column, struct id *ret_id) {
    if (column.len >= sizeof ret_id->text) {
        return false;
    }
    memcpy(ret_id->text, column.data, column.len);
    ret_id->text[column.len] = '\0';
    return true;
}

struct err tx_token_add(struct tx *tx, const struct token *token) {
    struct sha256_hex hash = sha256_hex(&token->hash);
    tx_do(tx,
          "INSERT INTO tokens (token, hash, owner, label, scopes, made_ms)"
          " VALUES ($1, $2, $3, $4, $5, $6)",
          ARGS(arg_str(token->id.text), arg_str(hash.text), arg_text(token->owner),
               arg_text(token->label), arg_int(token->scopes), arg_int(token->made_ms)));
    return tx_error(tx);
}

struct err tx_token_revoke(struct tx *tx, struct bytes id, bool *ret_found) {
    *ret_found =
        tx_change(tx, "UPDATE tokens SET revoked_ms = $2 WHERE token = $1 AND revoked_ms IS NULL",
                  ARGS(arg_text(id), arg_int(tx_now_ms(tx)))) > 0;
    return tx_error(tx);
}

struct err tx_token_each(struct tx *tx, struct bytes after, int64_t limit,
                         struct err (*each)(void *ctx, const struct token *token), void *ctx) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT token, hash, owner, label, scopes, made_ms FROM tokens"
                                " WHERE token > $1 AND revoked_ms IS NULL ORDER BY token LIMIT $2",
                                ARGS(arg_text(after), arg_int(limit + DAMAGED_MAX)));
    struct err err = ERR_OK;
    for (int64_t told = 0; told < limit && !err_failed(err) && rows_step(rows);) {
        struct token token = {.owner = rows_text(rows, 2),
                              .label = rows_text(rows, 3),
                              .scopes = (unsigned)rows_int(rows, 4),
                              .made_ms = rows_int(rows, 5)};
        if (hex_parse(rows_text(rows, 1), token.hash.bytes, sizeof token.hash.bytes) &&
            id_read(rows_text(rows, 0), &token.id)) {
            told++;
            err = each(ctx, &token);
        }
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_token_prune(struct tx *tx, int64_t before_ms, int64_t count_max, bool *ret_more) {
    *ret_more = tx_change(tx,
                          "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens"
                          " WHERE revoked_ms IS NOT NULL AND revoked_ms < $1"
                          " ORDER BY revoked_ms LIMIT $2)",
                          ARGS(arg_int(before_ms), arg_int(count_max))) >= count_max;
    return tx_error(tx);
}

struct err tx_token_count(struct tx *tx, int64_t *ret_count) {
    *ret_count = tx_number(tx, "SELECT count(*) FROM tokens WHERE revoked_ms IS NULL", NO_ARGS, 0);
    return tx_error(tx);
}
