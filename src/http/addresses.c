#include "http/addresses.h"

#include <string.h>

#include "base/memory.h"

/* FNV-1a. Many addresses in one bucket cost a longer walk, bounded by the connections there are. */
static unsigned bucket_of(const struct address *address) {
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < sizeof address->bytes; i++) {
        hash = (hash ^ address->bytes[i]) * 16777619U;
    }
    return (hash ^ (hash >> 16)) % ADDRESS_BUCKETS;
}

struct address_slot *addresses_take(struct addresses *addresses, struct address address,
                                    unsigned count_max) {
    struct address_slot **bucket = &addresses->buckets[bucket_of(&address)];
    struct address_slot *slot = *bucket;
    while (slot != NULL && memcmp(&slot->address, &address, sizeof address) != 0) {
        slot = slot->next;
    }
    if (slot == NULL) {
        slot = mem_new(sizeof *slot);
        slot->address = address;
        slot->next = *bucket;
        *bucket = slot;
    }
    if (slot->count >= count_max) {
        return NULL;
    }
    slot->count++;
    return slot;
}

void addresses_release(struct addresses *addresses, struct address_slot *slot) {
    if (slot == NULL || --slot->count > 0) {
        return;
    }
    struct address_slot **at = &addresses->buckets[bucket_of(&slot->address)];
    while (*at != slot) {
        at = &(*at)->next;
    }
    *at = slot->next;
    mem_free(slot);
}
