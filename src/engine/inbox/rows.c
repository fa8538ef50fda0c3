/* rows.c: reads rows of the inbox, and writes the note of a receiver, which is also the cursor of a
 * walk over all receivers.
 *
 * The note: one byte of kind, one of the owner's length O, then the owner and, to the end, the
 * address. It never leaves the process. It is valid if the kind is known and O fits.
 */
#include "engine/inbox/rows.h"

#include <string.h>

#include "base/text.h"

enum column {
    COL_ID,
    COL_DELIVERY,
    COL_OWNER,
    COL_RUN,
    COL_RECEIVER,
    COL_ADDRESS,
    COL_STATE,
    COL_CAUSE,
    COL_FAILURES,
    COL_MADE,
    COL_NOT_BEFORE,
    COL_SETTLED,
    COL_TURN,
    COL_PAYLOAD,
};

static const char *const kind_names[RECEIVER_KIND_COUNT] = {"webhook", "session"};

const char *receiver_kind_name(enum receiver_kind kind) {
    assert(kind < RECEIVER_KIND_COUNT);
    return kind_names[kind];
}

bool receiver_kind_find(struct bytes name, enum receiver_kind *ret_kind) {
    for (unsigned i = 0; i < RECEIVER_KIND_COUNT; i++) {
        if (bytes_is(name, kind_names[i])) {
            *ret_kind = (enum receiver_kind)i;
            return true;
        }
    }
    return false;
}

void inbox__borrow(const struct rows *rows, enum inbox_form form, struct inbox_row *ret_row) {
    struct inbox_row row = {
        .id = rows_int(rows, COL_ID),
        .delivery = rows_text(rows, COL_DELIVERY),
        .owner = rows_text(rows, COL_OWNER),
        .run = rows_text(rows, COL_RUN),
        .address = rows_text(rows, COL_ADDRESS),
        .cause = rows_text(rows, COL_CAUSE),
        .turn = rows_text(rows, COL_TURN),
        .failures = rows_int(rows, COL_FAILURES),
        .made_ms = rows_int(rows, COL_MADE),
        .not_before_ms = rows_int(rows, COL_NOT_BEFORE),
        .settled_ms = rows_null(rows, COL_SETTLED) ? 0 : rows_int(rows, COL_SETTLED),
    };
    if (form == INBOX_WHOLE) {
        row.payload = rows_text(rows, COL_PAYLOAD);
    }
    bool known = receiver_kind_find(rows_text(rows, COL_RECEIVER), &row.kind);
    row.kind = known ? row.kind : RECEIVER_WEBHOOK;
    if (!inbox_state_find(rows_text(rows, COL_STATE), &row.state) || !known) {
        row.state = row.settled_ms == 0 ? INBOX_HELD : INBOX_GONE;
        row.cause = BYTES(INBOX_DAMAGED);
    }
    *ret_row = row;
}

void inbox__read(struct tx *tx, const struct rows *rows, struct inbox_row *ret_row) {
    struct inbox_row row;
    inbox__borrow(rows, INBOX_WHOLE, &row);
    if (row.payload.len > INBOX_PAYLOAD_MAX) { /* Damaged: shown as empty. */
        row.payload.len = 0;
    }
    struct bytes *const texts[] = {&row.delivery, &row.owner, &row.run,    &row.address,
                                   &row.cause,    &row.turn,  &row.payload};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        *texts[i] = tx_copy(tx, *texts[i]);
    }
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
