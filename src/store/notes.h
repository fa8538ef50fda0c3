/* notes.h: opaque notes of a group, one after the other in one run of bytes.
 *
 * Promise    notes come out in the order they went in. notes_cut forgets everything after a mark:
 *            that is how a note goes with its savepoint.
 * Ownership  embedded: init/done; the bytes are copied in.
 * Threads    one at a time.
 * Failure    ERR_OUT_OF_MEMORY, and nothing was added.
 */
#ifndef DROVER_STORE_NOTES_H
#define DROVER_STORE_NOTES_H

#include "base/base.h"
#include "base/err.h"

enum {
    NOTES_BYTES_MAX = 64 << 20,
    NOTES_BYTES_KEPT = 256 << 10, /* A buffer that grew larger is given back after its group. */
};

struct notes {
    char *data; /* Owned. */
    size_t len, size;
};
void notes_init(struct notes *notes);
void notes_done(struct notes *notes);
void notes_clear(struct notes *notes);
MUST_CHECK struct err notes_add(struct notes *notes, unsigned kind, struct bytes note);
static inline size_t notes_mark(const struct notes *notes) {
    return notes->len;
}
void notes_cut(struct notes *notes, size_t mark);

/* Walks from *at = 0; false at the end. The note is borrowed until the next change. */
bool notes_next(const struct notes *notes, size_t *at, unsigned *ret_kind, struct bytes *ret_note);

#endif
