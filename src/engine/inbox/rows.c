/* rows.c: reads rows of the inbox, and writes the note of a receiver, which is also the cursor of a
 * walk over all receivers.
 *
 * The note: one byte of kind, one of the owner's length O, then the owner and, to the end, the
 * address. It never leaves the process. It is valid if the kind is known and O fits.
 */
#include "engine/inbox/rows.h"

#include <string.h>

#include "base/text.h"

void inbox__read(struct tx *tx, const struct rows *rows, struct inbox_row *ret_row) {
    bool known = resource_row_read(&delivery_resource, rows, ret_row);
    assert(known); /* A damaged row is corrected. */
    tx_resource_copy(tx, &delivery_resource, ret_row);
}

bool inbox__cursor(const struct inbox_receiver *receiver, struct inbox_cursor *ret_cursor) {
    char *note = ret_cursor->note;
    if (receiver->owner.len > UINT8_MAX ||
        receiver->address.len > sizeof ret_cursor->note - 2 - receiver->owner.len) {
        return false;
    }
    note[0] = (char)receiver->kind;
    note[1] = (char)(uint8_t)receiver->owner.len;
    memcpy(note + 2, receiver->owner.data, receiver->owner.len);
    memcpy(note + 2 + receiver->owner.len, receiver->address.data, receiver->address.len);
    ret_cursor->len = 2 + receiver->owner.len + receiver->address.len;
    return true;
}

struct err inbox__tell(struct tx *tx, const struct inbox_receiver *receiver) {
    struct inbox_cursor cursor;
    return inbox__cursor(receiver, &cursor)
               ? tx_note(tx, INBOX_NOTE, (struct bytes){cursor.note, cursor.len})
               : ERR_OK;
}

bool inbox_note_read(struct bytes note, struct inbox_receiver *ret_receiver) {
    if (note.len < 2) {
        return false;
    }
    uint8_t kind = (uint8_t)note.data[0], owner_len = (uint8_t)note.data[1];
    if (kind >= RECEIVER_KIND_COUNT || owner_len > note.len - 2) {
        return false;
    }
    *ret_receiver =
        (struct inbox_receiver){.owner = {note.data + 2, owner_len},
                                .address = {note.data + 2 + owner_len, note.len - 2 - owner_len},
                                .kind = (enum receiver_kind)kind};
    return true;
}
