/* statements.c: a table of addresses with open addressing. */
#include "store/statements.h"

#include "base/memory.h"

struct statements_slot {
    const char *sql; /* Borrowed; NULL: free. */
    size_t number;
};

enum { FIRST_SIZE = 64 };

void statements_init(struct statements *statements) {
    *statements = (struct statements){.slots = NULL};
}

void statements_done(struct statements *statements) {
    mem_free(statements->slots);
    *statements = (struct statements){.slots = NULL};
}

/* Literals lie close together, so the low bits must be mixed with the rest. */
static size_t mix(const char *sql) {
    return (size_t)(((uint64_t)(uintptr_t)sql * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static struct statements_slot *probe(struct statements_slot *slots, size_t size, const char *sql) {
    size_t at = mix(sql) & (size - 1);
    while (slots[at].sql != NULL && slots[at].sql != sql) {
        at = (at + 1) & (size - 1);
    }
    return &slots[at];
}

static void widen(struct statements *statements) {
    size_t size = statements->size == 0 ? FIRST_SIZE : statements->size * 2;
    struct statements_slot *slots = mem_new_array(size, sizeof *slots);
    for (size_t i = 0; i < statements->size; i++) {
        if (statements->slots[i].sql != NULL) {
            *probe(slots, size, statements->slots[i].sql) = statements->slots[i];
        }
    }
    mem_free(statements->slots);
    statements->slots = slots;
    statements->size = size;
}

size_t statements_number(struct statements *statements, const char *sql, bool *ret_new) {
    assert(sql != NULL);
    if (statements->used * 2 >= statements->size) {
        widen(statements);
    }
    struct statements_slot *slot = probe(statements->slots, statements->size, sql);
    *ret_new = slot->sql == NULL;
    if (*ret_new) {
        *slot = (struct statements_slot){.sql = sql, .number = statements->used};
        statements->used++;
    }
    return slot->number;
}
