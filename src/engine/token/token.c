/* token.c: secrets, their digests, the rows that hold them, and the table of live ones in memory */
#include "engine/token/token.h"

#include "base/hash.h"
#include "base/memory.h"
#include "engine/base/resource.h"

bool token_owner_valid(struct bytes owner) {
    return id_name_valid(owner, TOKEN_OWNER_MAX);
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

/* --- In memory -------------------------------------------------------------------------------- */

/* Pointers in the order of the digests: a look-up is a binary search. To put one moves pointers,
 * which is rare: a start reads them all, and a person makes one more. */
struct entry {
    struct sha256 hash;
    struct id id;
    char owner[TOKEN_OWNER_MAX + 1];
    unsigned scopes;
    int64_t used_ms;
    char origin[]; /* "": of no page. */
};

struct token_table {
    struct entry **entries; /* Owned: `count` of them, each owned. */
    size_t count, room;
};

struct token_table *token_table_new(void) {
    return mem_new(sizeof(struct token_table));
}

void token_table_clear(struct token_table *table) {
    while (table->count > 0) {
        mem_free(table->entries[--table->count]);
    }
}

void token_table_free(struct token_table *table) {
    if (table != NULL) {
        token_table_clear(table);
        mem_free(table->entries);
    }
    mem_free(table);
}

size_t token_table_count(const struct token_table *table) {
    return table->count;
}

/* Number of entries whose digest is less. */
static size_t entry_place(const struct token_table *table, const struct sha256 *hash) {
    size_t from = 0, to = table->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        bool less = memcmp(&table->entries[middle]->hash, hash, sizeof *hash) < 0;
        from = less ? middle + 1 : from;
        to = less ? to : middle;
    }
    return from;
}

void token_table_put(struct token_table *table, const struct token *token) {
    struct sha256 hash;
    if (token->owner.len > TOKEN_OWNER_MAX || token->origin.len >= TOKEN_ORIGIN_SIZE ||
        !hex_parse(token->hash, hash.bytes, sizeof hash.bytes)) {
        return;
    }
    if (table->count == table->room) {
        table->room = table->room == 0 ? 8 : table->room * 2;
        table->entries = mem_grow(table->entries, table->room * sizeof *table->entries);
    }
    struct entry *entry = mem_new(sizeof *entry + token->origin.len + 1);
    *entry = (struct entry){
        .hash = hash, .id = token->id, .scopes = token->scopes, .used_ms = token->used_ms};
    memcpy(entry->owner, token->owner.data, token->owner.len);
    if (token->origin.len > 0) { /* Else its bytes may be nowhere. */
        memcpy(entry->origin, token->origin.data, token->origin.len);
    }
    struct entry **place = &table->entries[entry_place(table, &hash)];
    memmove(place + 1, place, (size_t)(table->entries + table->count++ - place) * sizeof *place);
    *place = entry;
}

void token_table_remove(struct token_table *table, const char *id) {
    for (size_t i = 0; i < table->count; i++) {
        struct entry **place = &table->entries[i];
        if (strcmp((*place)->id.text, id) == 0) {
            mem_free(*place);
            memmove(place, place + 1, (--table->count - i) * sizeof *place);
            return;
        }
    }
}

static bool entry_expired(const struct entry *entry, int64_t now_ms) {
    return entry->origin[0] != '\0' && now_ms - entry->used_ms >= TOKEN_UNUSED_MAX_MS;
}

bool token_table_find(const struct token_table *table, struct bytes secret, int64_t now_ms,
                      struct token_grant *ret_grant) {
    if (secret.len != TOKEN_SECRET_LEN) {
        return false;
    }
    struct sha256 hash = sha256_of(secret.data, secret.len);
    size_t at = entry_place(table, &hash);
    if (at == table->count || !sha256_equal(&table->entries[at]->hash, &hash)) {
        return false;
    }
    const struct entry *entry = table->entries[at];
    *ret_grant = (struct token_grant){.id = entry->id.text,
                                      .owner = entry->owner,
                                      .origin = entry->origin,
                                      .scopes = entry->scopes,
                                      .use_due = entry->origin[0] != '\0' &&
                                                 now_ms - entry->used_ms >= TOKEN_USE_STEP_MS};
    return !entry_expired(entry, now_ms);
}

void token_table_used(struct token_table *table, const char *id, int64_t now_ms) {
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->entries[i]->id.text, id) == 0) {
            table->entries[i]->used_ms = now_ms;
        }
    }
}

const char *token_table_expired(const struct token_table *table, int64_t now_ms) {
    for (size_t i = 0; i < table->count; i++) {
        if (entry_expired(table->entries[i], now_ms)) {
            return table->entries[i]->id.text;
        }
    }
    return NULL;
}

bool token_table_has_page(const struct token_table *table) {
    size_t at = 0;
    while (at < table->count && table->entries[at]->origin[0] == '\0') {
        at++;
    }
    return at < table->count;
}

/* --- In a store function ---------------------------------------------------------------------- */

static struct err token_put(void *table, const void *row) {
    token_table_put(table, row);
    return ERR_OK;
}

struct err tx_token_load(struct tx *tx, struct token_table *table) {
    const struct resource_page all = {.after = BYTES(""), .limit = INT64_MAX};
    token_table_clear(table); /* A function may run again. */
    return tx_resource_list(tx, &token_resource, &all, token_put, table);
}

struct err tx_token_prune(struct tx *tx, int64_t before_ms, int64_t count_max, bool *ret_more) {
    *ret_more = tx_change(tx,
                          "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens"
                          " WHERE revoked_ms IS NOT NULL AND revoked_ms < $1"
                          " ORDER BY revoked_ms LIMIT $2)",
                          ARGS(arg_int(before_ms), arg_int(count_max))) >= count_max;
    return tx_error(tx);
}
