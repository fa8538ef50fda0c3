/* buffer.c: counted buffers. */
#include "journal/buffer.h"

#include "base/memory.h"

enum { FIRST_SIZE = 2048 };

struct hub_buffer *buffer_try(size_t size) {
    struct hub_buffer *buffer = mem_try(sizeof *buffer + size);
    if (buffer != NULL) {
        *buffer = (struct hub_buffer){.refs = 1, .size = size};
    }
    return buffer;
}

char *buffer_room(struct hub_buffer **buffer, size_t more) {
    struct hub_buffer *old = *buffer;
    assert(old == NULL || old->refs == 1);
    size_t len = old == NULL ? 0 : old->len;
    if (old == NULL || old->size - len < more) {
        size_t size = old == NULL ? FIRST_SIZE : old->size * 2;
        size = size < len + more ? len + more : size;
        struct hub_buffer *grown = mem_try_grow(old, sizeof *grown + size);
        if (grown == NULL) {
            return NULL;
        }
        *grown = (struct hub_buffer){.refs = 1, .size = size, .len = len};
        *buffer = grown;
    }
    return (*buffer)->data + len;
}

void hub_buffer_ref(struct hub_buffer *buffer) {
    assert(buffer->refs > 0);
    buffer->refs++;
}

void hub_buffer_unref(struct hub_buffer *buffer) {
    if (buffer == NULL) {
        return;
    }
    assert(buffer->refs > 0);
    if (--buffer->refs == 0) {
        mem_free(buffer);
    }
}
