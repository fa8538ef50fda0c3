/* notes.c: each note is a head (kind, length), its bytes, and zeros up to a multiple of eight, so
 * that a note which is a struct may be read in place.
 */
#include "store/notes.h"

#include <string.h>

#include "base/memory.h"

struct head {
    uint32_t kind, len;
};
enum { ALIGN = 8, FIRST_SIZE = 4096 };
static_assert(sizeof(struct head) % ALIGN == 0, "a note begins aligned");

void notes_init(struct notes *notes) {
    *notes = (struct notes){.data = NULL};
}

void notes_done(struct notes *notes) {
    mem_free(notes->data);
    notes_init(notes);
}

void notes_clear(struct notes *notes) {
    if (notes->size > NOTES_BYTES_KEPT) {
        notes_done(notes);
    }
    notes->len = 0;
}

static bool reserve(struct notes *notes, size_t more) {
    if (more > NOTES_BYTES_MAX - notes->len) {
        return false;
    }
    size_t need = notes->len + more;
    if (need <= notes->size) {
        return true;
    }
    size_t size = notes->size == 0 ? FIRST_SIZE : notes->size;
    while (size < need) {
        size *= 2;
    }
    char *data = mem_try_grow(notes->data, size);
    if (data == NULL) {
        return false;
    }
    notes->data = data;
    notes->size = size;
    return true;
}

static size_t padded(size_t len) {
    return (len + ALIGN - 1) / ALIGN * ALIGN;
}

struct err notes_add(struct notes *notes, unsigned kind, struct bytes note) {
    if (note.len > NOTES_BYTES_MAX - ALIGN ||
        !reserve(notes, sizeof(struct head) + padded(note.len))) {
        return err_make(ERR_OUT_OF_MEMORY, "store: note");
    }
    struct head head = {.kind = kind, .len = (uint32_t)note.len};
    char *to = notes->data + notes->len;
    memcpy(to, &head, sizeof head);
    if (note.len > 0) {
        memcpy(to + sizeof head, note.data, note.len);
    }
    memset(to + sizeof head + note.len, 0, padded(note.len) - note.len);
    notes->len += sizeof head + padded(note.len);
    return ERR_OK;
}

void notes_cut(struct notes *notes, size_t mark) {
    assert(mark <= notes->len);
    notes->len = mark;
}

bool notes_next(const struct notes *notes, size_t *at, unsigned *ret_kind, struct bytes *ret_note) {
    if (*at >= notes->len) {
        return false;
    }
    struct head head;
    memcpy(&head, notes->data + *at, sizeof head);
    *ret_kind = head.kind;
    *ret_note = (struct bytes){notes->data + *at + sizeof head, head.len};
    *at += sizeof head + padded(head.len);
    return true;
}
