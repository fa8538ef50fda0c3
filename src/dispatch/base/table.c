/* table.c: chains in a power of two of buckets, doubled when there are as many nodes. */
#include "dispatch/base/table.h"

#include "base/memory.h"

enum { SIZE_FIRST = 64 };

/* The names are ids that we made ourselves: nobody can choose them so that they collide. */
static struct table_node **bucket_of(const struct table *table, uint32_t hash) {
    return &table->buckets[hash & (table->size - 1)];
}

/* The first of that name in a chain. */
static struct table_node *chain_find(struct table_node *node, uint32_t hash, struct bytes name) {
    while (node != NULL && (node->hash != hash || !bytes_equal(node->name, name))) {
        node = node->next;
    }
    return node;
}

void table_init(struct table *table) {
    *table = (struct table){.size = SIZE_FIRST};
    table->buckets = mem_new_array(SIZE_FIRST, sizeof *table->buckets);
}

void table_done(struct table *table) {
    mem_free(table->buckets);
    *table = (struct table){0};
}

/* At the head of its chain. */
static void node_add(struct table *table, struct table_node *node) {
    struct table_node **bucket = bucket_of(table, node->hash);
    node->next = *bucket;
    *bucket = node;
    table->count++;
}

void table_add(struct table *table, struct table_node *node) {
    if (table->count >= table->size) {
        struct table larger = {.size = table->size * 2};
        larger.buckets = mem_new_array(larger.size, sizeof *larger.buckets);
        for (struct table_node *at = table_next(table, NULL), *next; at != NULL; at = next) {
            next = table_next(table, at);
            node_add(&larger, at);
        }
        mem_free(table->buckets);
        *table = larger;
    }
    node->hash = bytes_hash(node->name);
    node_add(table, node);
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
    uint32_t hash = bytes_hash(name);
    return chain_find(*bucket_of(table, hash), hash, name);
}

struct table_node *table_find_next(const struct table_node *node) {
    return chain_find(node->next, node->hash, node->name);
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
