/* statements.c: a table of addresses with open addressing. */
#include "store/statements.h"

#include "base/memory.h"

enum { FIRST_SIZE = 64 };

static struct statements_slot *slot_probe(struct statements_slot *slots, size_t size,
                                          const void *address, unsigned use) {
    /* Literals lie close together, so the low bits must be mixed with the rest. */
    uint64_t key = (uint64_t)(uintptr_t)address + use;
    size_t at = (size_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (size - 1);
    while (slots[at].address != NULL && (slots[at].address != address || slots[at].use != use)) {
        at = (at + 1) & (size - 1);
    }
    return &slots[at];
}

struct statements_slot *statements_find(struct statements *statements, const void *address,
                                        unsigned use) {
    assert(address != NULL);
    if (statements->used * 2 >= statements->size) {
        size_t size = statements->size == 0 ? FIRST_SIZE : statements->size * 2;
        struct statements_slot *slots = mem_new_array(size, sizeof *slots);
        for (size_t i = 0; i < statements->size; i++) {
            const struct statements_slot *old = &statements->slots[i];
            if (old->address != NULL) {
                *slot_probe(slots, size, old->address, old->use) = *old;
            }
        }
        mem_free(statements->slots);
        statements->slots = slots;
        statements->size = size;
    }
    struct statements_slot *slot = slot_probe(statements->slots, statements->size, address, use);
    if (slot->address == NULL) {
        *slot =
            (struct statements_slot){.address = address, .use = use, .number = statements->used++};
    }
    return slot;
}

void statements_done(struct statements *statements, void (*value_end)(void *value)) {
    for (size_t i = 0; i < statements->size; i++) {
        if (statements->slots[i].value != NULL) {
            value_end(statements->slots[i].value);
        }
    }
    mem_free(statements->slots);
    *statements = (struct statements){.slots = NULL};
}
