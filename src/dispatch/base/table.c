/* table.c: chains behind a power of two of buckets, doubled when there are as many nodes. */
#include "dispatch/base/table.h"

#include "base/memory.h"

enum { SIZE_FIRST = 64 };

/* FNV-1a. The names are ids that we made ourselves: nobody can choose them so that they collide. */
static uint32_t hash_of(struct bytes name) {
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < name.len; i++) {
        hash = (hash ^ (uint8_t)name.data[i]) * 16777619U;
    }
    return hash;
}

static struct table_node **bucket_of(const struct table *table, uint32_t hash) {
    return &table->buckets[hash & (table->size - 1)];
}

static bool same(const struct table_node *node, uint32_t hash, struct bytes name) {
    return node->hash == hash && bytes_equal(node->name, name);
}

void table_init(struct table *table) {
    *table = (struct table){.size = SIZE_FIRST};
    table->buckets = mem_new_array(SIZE_FIRST, sizeof *table->buckets);
}

void table_done(struct table *table) {
    mem_free(table->buckets);
    *table = (struct table){0};
}

static void grow(struct table *table) {
    struct table larger = {.size = table->size * 2, .count = table->count};
    larger.buckets = mem_new_array(larger.size, sizeof *larger.buckets);
    for (size_t i = 0; i < table->size; i++) {
        for (struct table_node *node = table->buckets[i], *next; node != NULL; node = next) {
            struct table_node **bucket = bucket_of(&larger, node->hash);
            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    }
    mem_free(table->buckets);
    *table = larger;
}

void table_add(struct table *table, struct table_node *node) {
    if (table->count >= table->size) {
        grow(table);
    }
    node->hash = hash_of(node->name);
    struct table_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void table_remove(struct table *table, struct table_node *node) {
    struct table_node **at = bucket_of(table, node->hash);
    while (*at != node) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    table->count--;
}

struct table_node *table_find(const struct table *table, struct bytes name) {
    uint32_t hash = hash_of(name);
    struct table_node *node = *bucket_of(table, hash);
    while (node != NULL && !same(node, hash, name)) {
        node = node->next;
    }
    return node;
}

struct table_node *table_find_next(const struct table_node *node) {
    struct table_node *next = node->next;
    while (next != NULL && !same(next, node->hash, node->name)) {
        next = next->next;
    }
    return next;
}

struct table_node *table_next(const struct table *table, const struct table_node *after) {
    if (after != NULL && after->next != NULL) {
        return after->next;
    }
    for (size_t i = after == NULL ? 0 : (after->hash & (table->size - 1)) + 1; i < table->size;
         i++) {
        if (table->buckets[i] != NULL) {
            return table->buckets[i];
        }
    }
    return NULL;
}

void table_each(struct table *table, void (*each)(void *ctx, struct table_node *node), void *ctx) {
    for (size_t i = 0; i < table->size; i++) {
        for (struct table_node *node = table->buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            each(ctx, node);
        }
    }
}
