/* rows.c: reads rows of the inbox, and writes the note of a receiver, which is also the cursor of a
 * walk over all receivers.
 *
 * The note: one byte of kind, one of the owner's length O, then the owner and, to the end, the
 * address. It never leaves the process. It is valid if the kind is known and O fits.
 */
#include "engine/inbox/rows.h"

#include <string.h>

#include "base/text.h"

#define INBOX_COLUMN(name, member, kind, use) {name, kind, use, offsetof(struct inbox_row, member)},
static const struct map_column columns[] = {INBOX_LIGHT_MAP(INBOX_COLUMN){
    "payload", MAP_TEXT, MAP_READ, offsetof(struct inbox_row, payload)}};
const char *const receiver_kind_names[] = {"webhook", "session", NULL};
static const char *const *const words[] = {receiver_kind_names, inbox_state_names};
const struct map inbox__map = {.table = "inbox",
                               .key = "id",
                               .key_offset = offsetof(struct inbox_row, id),
                               .columns = columns,
                               .count = COUNT_OF(columns),
                               .names = words};

const char *receiver_kind_name(enum receiver_kind kind) {
    assert(kind < RECEIVER_KIND_COUNT);
    return receiver_kind_names[kind];
}

bool receiver_kind_find(struct bytes name, enum receiver_kind *ret_kind) {
    return bytes_find(name, receiver_kind_names, ret_kind);
}

void inbox__borrow(const struct rows *rows, enum inbox_form form, struct inbox_row *ret_row) {
    *ret_row = (struct inbox_row){.kind = RECEIVER_WEBHOOK};
    if (!map_read_some(&inbox__map, COUNT_OF(columns) - (form == INBOX_LIGHT), rows, ret_row)) {
        ret_row->state = ret_row->settled_ms == 0 ? INBOX_HELD : INBOX_GONE;
        ret_row->cause = BYTES(INBOX_DAMAGED);
    }
}

void inbox__read(struct tx *tx, const struct rows *rows, struct inbox_row *ret_row) {
    struct inbox_row row;
    inbox__borrow(rows, INBOX_WHOLE, &row);
    if (row.payload.len > INBOX_PAYLOAD_MAX) { /* Damaged: shown as empty. */
        row.payload.len = 0;
    }
    tx_fail(tx, map_copy(tx, &inbox__map, &row));
    *ret_row = row;
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
