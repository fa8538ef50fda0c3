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
 * known. There is nothing to survive a crash: what a lost note would have told is in the rows.
 */
#include "journal/note.h"

#include <string.h>

#include "journal/journal.h"

enum { NOTE_FIXED = 24 };

static char *put(char *at, const void *bytes, size_t len) {
    memcpy(at, bytes, len);
    return at + len;
}

static char *put_bytes(char *at, struct bytes bytes) {
    return bytes.len == 0 ? at : put(at, bytes.data, bytes.len);
}

struct err note_write(struct arena *arena, const struct note *note, struct bytes *ret_bytes) {
    assert(note->owner.len <= UINT8_MAX);
    assert(note->name.len <= UINT8_MAX);
    assert(note->type.len <= UINT8_MAX);
    assert(note->data.len <= UINT32_MAX);
    size_t len = NOTE_FIXED + note->owner.len + note->name.len + note->type.len + note->data.len;
    char *bytes = arena_try(arena, len);
    if (bytes == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "journal: note");
    }
    const uint8_t lengths[] = {(uint8_t)note->kind, (uint8_t)note->owner.len,
                               (uint8_t)note->name.len, (uint8_t)note->type.len};
    uint32_t data_len = (uint32_t)note->data.len;
    char *at = put(bytes, lengths, sizeof lengths);
    at = put(at, &data_len, sizeof data_len);
    at = put(at, &note->seq, sizeof note->seq);
    at = put(at, &note->at_ms, sizeof note->at_ms);
    at = put_bytes(put_bytes(at, note->owner), note->name);
    at = put_bytes(put_bytes(at, note->type), note->data);
    assert((size_t)(at - bytes) == len);
    *ret_bytes = (struct bytes){bytes, len};
    return ERR_OK;
}

static struct bytes cut(struct bytes *rest, size_t len) {
    struct bytes part = {rest->data, len};
    *rest = (struct bytes){rest->data + len, rest->len - len};
    return part;
}

bool note_read(struct bytes bytes, struct note *ret_note) {
    if (bytes.len < NOTE_FIXED) {
        return false;
    }
    uint8_t lengths[4];
    uint32_t data_len;
    struct note note = {0};
    memcpy(lengths, bytes.data, sizeof lengths);
    memcpy(&data_len, bytes.data + 4, sizeof data_len);
    memcpy(&note.seq, bytes.data + 8, sizeof note.seq);
    memcpy(&note.at_ms, bytes.data + 16, sizeof note.at_ms);
    size_t parts = (size_t)lengths[1] + lengths[2] + lengths[3] + data_len;
    if (lengths[0] < NOTE_EVENT || lengths[0] > NOTE_LAST || bytes.len - NOTE_FIXED != parts) {
        return false;
    }
    struct bytes rest = {bytes.data + NOTE_FIXED, parts};
    note.kind = (enum note_kind)lengths[0];
    note.owner = cut(&rest, lengths[1]);
    note.name = cut(&rest, lengths[2]);
    note.type = cut(&rest, lengths[3]);
    note.data = rest;
    *ret_note = note;
    return true;
}
