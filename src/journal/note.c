/* note.c: the binary form of a note.
 *
 *   offset  size
 *        0     1   kind: 1 an event was appended, 2 events were pruned, 3 the last event was
 *        1     1   length of owner, O (1 to 64)
 *        2     1   length of the stream's name, N (1 to 200)
 *        3     1   length of the event's type, T (kind 2: 0)
 *        4     4   length of data, D (kind 2: 0)
 *        8     8   seq of the event; kind 2: the new floor
 *       16     8   at_ms of the event; kind 2: 0
 *       24     O   owner
 *     24+O     N   name
 *   24+O+N     T   type
 *  24+O+N+T    D   data: compact JSON, as it is stored
 *
 * Integers are in the byte order of the machine and not aligned: a note never leaves the process
 * and is never stored. It is valid if its length is exactly the sum of its parts and its kind is
 * known. There is nothing to survive a crash: what a lost note would have reported is in the rows.
 */
#include "journal/note.h"

#include <string.h>

#include "journal/journal.h"

struct head {
    uint8_t kind, owner_len, name_len, type_len;
    uint32_t data_len;
    int64_t seq, at_ms;
};
static_assert(sizeof(struct head) == 24, "no byte of a note's head is undefined");

struct err note_write(struct arena *arena, const struct note *note, struct bytes *ret_bytes) {
    assert(note->owner.len <= UINT8_MAX);
    assert(note->name.len <= UINT8_MAX);
    assert(note->type.len <= UINT8_MAX);
    assert(note->data.len <= UINT32_MAX);
    const struct head head = {.kind = (uint8_t)note->kind,
                              .owner_len = (uint8_t)note->owner.len,
                              .name_len = (uint8_t)note->name.len,
                              .type_len = (uint8_t)note->type.len,
                              .data_len = (uint32_t)note->data.len,
                              .seq = note->seq,
                              .at_ms = note->at_ms};
    const struct bytes parts[] = {
        {(const char *)&head, sizeof head}, note->owner, note->name, note->type, note->data};
    size_t len = 0;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        len += parts[i].len;
    }
    char *bytes = arena_try(arena, len), *at = bytes;
    if (bytes == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "journal: note");
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (parts[i].len > 0) {
            memcpy(at, parts[i].data, parts[i].len);
            at += parts[i].len;
        }
    }
    *ret_bytes = (struct bytes){bytes, len};
    return ERR_OK;
}

struct err note_send(struct tx *tx, const struct note *note) {
    struct bytes bytes;
    struct err err = note_write(tx_arena(tx), note, &bytes);
    return err_failed(err) ? err : tx_note(tx, JOURNAL_NOTE, bytes);
}

bool note_read(struct bytes bytes, struct note *ret_note) {
    struct head head;
    if (bytes.len < sizeof head) {
        return false;
    }
    memcpy(&head, bytes.data, sizeof head);
    size_t texts = (size_t)head.owner_len + head.name_len + head.type_len;
    if (head.kind < NOTE_EVENT || head.kind > NOTE_LAST ||
        bytes.len - sizeof head != texts + head.data_len) {
        return false;
    }
    const char *owner = bytes.data + sizeof head;
    const char *name = owner + head.owner_len;
    *ret_note = (struct note){.kind = (enum note_kind)head.kind,
                              .seq = head.seq,
                              .at_ms = head.at_ms,
                              .owner = {owner, head.owner_len},
                              .name = {name, head.name_len},
                              .type = {name + head.name_len, head.type_len},
                              .data = {owner + texts, head.data_len}};
    return true;
}
