/* note.h: what a transaction tells the hub, as bytes inside a store note (JOURNAL_NOTE).
 *
 * Promise    what note_write wrote, note_read reads back; anything else is refused.
 * Ownership  note_read borrows everything from the note's bytes.
 * Threads    any; writing happens on the store's writer, reading on the loop.
 */
#ifndef DROVER_JOURNAL_NOTE_H
#define DROVER_JOURNAL_NOTE_H

#include "base/base.h"
#include "base/err.h"
#include "base/memory.h"
#include "store/store.h"

enum note_kind { NOTE_EVENT = 1, NOTE_PRUNED = 2, NOTE_LAST = 3 /* An event, and no more. */ };

struct note {
    enum note_kind kind;
    int64_t seq;              /* EVENT, LAST: its seq. PRUNED: the new floor. */
    int64_t at_ms;            /* EVENT, LAST. */
    struct bytes owner, name; /* Of the stream. */
    struct bytes type, data;  /* EVENT, LAST. */
};

/* Memory comes from the arena; ERR_OUT_OF_MEMORY. */
MUST_CHECK struct err note_write(struct arena *arena, const struct note *note,
                                 struct bytes *ret_bytes);
/* The same as a note of the transaction, which the store hands to the hub. */
MUST_CHECK struct err note_send(struct tx *tx, const struct note *note);
MUST_CHECK bool note_read(struct bytes bytes, struct note *ret_note);

#endif
