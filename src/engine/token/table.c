/* table.c: all live tokens in memory, found by the digest of their secret.
 *
 * Open addressing over a power of two, never more than half full; the digest is already uniform, so
 * its first bytes are the hash. Removal is rare (a human revokes a token), so it rebuilds the
 * slots instead of keeping tombstones.
 */
#include <string.h>

#include "base/memory.h"
#include "engine/token/token.h"

struct entry {
    struct sha256 hash;
    char id[ID_SIZE];
    char owner[TOKEN_OWNER_MAX + 1];
    unsigned scopes;
};

struct token_table {
    struct entry *entries; /* Owned: `count` of them, in the order they came. */
    size_t count, room;
    uint32_t *slots; /* Owned: `slot_count` numbers of entries plus one; 0 is free. */
    size_t slot_count;
};

struct token_table *token_table_new(void) {
    return mem_new(sizeof(struct token_table));
}

void token_table_free(struct token_table *table) {
    if (table != NULL) {
        mem_free(table->entries);
        mem_free(table->slots);
        mem_free(table);
    }
}

size_t token_table_count(const struct token_table *table) {
    return table->count;
}

static size_t slot_first(const struct token_table *table, const struct sha256 *hash) {
    size_t first = 0;
    memcpy(&first, hash->bytes, sizeof first);
    return first & (table->slot_count - 1);
}

static void slot_fill(struct token_table *table, size_t entry) {
    size_t at = slot_first(table, &table->entries[entry].hash);
    while (table->slots[at] != 0) {
        at = (at + 1) & (table->slot_count - 1);
    }
    table->slots[at] = (uint32_t)(entry + 1);
}

static void slots_rebuild(struct token_table *table) {
    size_t wanted = 16;
    while (wanted < table->room * 2) {
        wanted *= 2;
    }
    mem_free(table->slots);
    table->slots = mem_new_array(wanted, sizeof *table->slots);
    table->slot_count = wanted;
    for (size_t i = 0; i < table->count; i++) {
        slot_fill(table, i);
    }
}

void token_table_put(struct token_table *table, const struct token *token) {
    assert(token->owner.len <= TOKEN_OWNER_MAX);
    if (table->count == table->room) {
        table->room = table->room == 0 ? 8 : table->room * 2;
        table->entries = mem_grow(table->entries, table->room * sizeof *table->entries);
        slots_rebuild(table);
    }
    struct entry *entry = &table->entries[table->count];
    *entry = (struct entry){.hash = token->hash, .scopes = token->scopes};
    memcpy(entry->id, token->id.text, sizeof entry->id);
    memcpy(entry->owner, token->owner.data, token->owner.len);
    slot_fill(table, table->count);
    table->count++;
}

void token_table_remove(struct token_table *table, const char *id) {
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->entries[i].id, id) == 0) {
            table->entries[i] = table->entries[--table->count];
            slots_rebuild(table);
            return;
        }
    }
}

bool token_table_find(const struct token_table *table, struct bytes secret,
                      struct token_grant *ret_grant) {
    if (secret.len != TOKEN_SECRET_LEN || table->count == 0) {
        return false;
    }
    struct sha256 hash = sha256_of(secret.data, secret.len);
    size_t mask = table->slot_count - 1;
    for (size_t at = slot_first(table, &hash); table->slots[at] != 0; at = (at + 1) & mask) {
        const struct entry *entry = &table->entries[table->slots[at] - 1];
        if (sha256_equal(&entry->hash, &hash)) {
            *ret_grant = (struct token_grant){
                .id = entry->id, .owner = entry->owner, .scopes = entry->scopes};
            return true;
        }
    }
    return false;
}
