/* output_excerpt.c: a command's output as whoever waits for it wants to see it: its head and its
 * tail.
 *
 * At most INBOX_OUTPUT_MAX characters of text, whatever the command wrote: bytes that are no UTF-8,
 * and NUL, become U+FFFD. With both streams written, each has half of that. In between stands how
 * much was left out; the log has it all. */
#include <inttypes.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/job/work.h"
#include "engine/inbox/inbox.h"

enum {
    CHARACTER_MAX = 4, /* Bytes. */
    MARK_ROOM = 100,   /* Characters of what stands in between, or before a stream. */
    PIECE = CHARACTER_MAX * INBOX_OUTPUT_MAX,
};

/* One character, or one byte that belongs to none. */
static size_t step(struct bytes rest, bool *ret_valid) {
    size_t len = 1;
    while (len < rest.len && len < CHARACTER_MAX && ((uint8_t)rest.data[len] & 0xC0U) == 0x80U) {
        len++;
    }
    *ret_valid = rest.data[0] != '\0' && utf8_valid(rest.data, len);
    return *ret_valid ? len : 1;
}

static size_t count(struct bytes bytes) {
    size_t characters = 0;
    bool valid = false;
    while (bytes.len > 0) {
        size_t len = step(bytes, &valid);
        bytes = (struct bytes){bytes.data + len, bytes.len - len};
        characters++;
    }
    return characters;
}

/* The bytes without their first `characters`; adds those to `text`, where that is not NULL. */
static struct bytes skip(struct bytes bytes, size_t characters, struct text *text) {
    bool valid = false;
    for (; characters > 0 && bytes.len > 0; characters--) {
        size_t len = step(bytes, &valid);
        if (text != NULL && valid) {
            text_add(text, bytes.data, len);
        } else if (text != NULL) {
            text_add_str(text, "\xEF\xBF\xBD");
        }
        bytes = (struct bytes){bytes.data + len, bytes.len - len};
    }
    return bytes;
}

/* At most PIECE bytes of a log from the offset of `place`. Less is what there is. */
struct piece {
    char *bytes; /* Owned. */
    struct log_read read;
};

static void piece_done(struct piece *piece) {
    mem_free(piece->bytes);
}

static struct piece piece_read(const struct spool *spool, const struct log_place *place) {
    struct piece piece = {.bytes = mem_new(PIECE)};
    if (err_failed(spool_log_read(spool, place, piece.bytes, PIECE, &piece.read))) {
        piece.read = (struct log_read){0};
    }
    return piece;
}

static void add_log(const struct spool *spool, struct log_place place, size_t characters,
                    struct text *text) {
    AUTO(piece_done) struct piece head = piece_read(spool, &place);
    struct bytes bytes = {head.bytes, head.read.len};
    if ((int64_t)head.read.len == head.read.size && count(bytes) <= characters) {
        (void)skip(bytes, characters, text);
        return;
    }
    size_t half = (characters - MARK_ROOM) / 2;
    struct bytes rest = skip(bytes, half, text);
    int64_t head_end = (int64_t)(bytes.len - rest.len);
    int64_t tail_from = head.read.size - (int64_t)half * CHARACTER_MAX;
    place.offset = tail_from > head_end ? tail_from : head_end;
    text_addf(text, "\n[… of %" PRId64 " bytes, the middle is left out …]\n", head.read.size);
    AUTO(piece_done) struct piece tail = piece_read(spool, &place);
    bytes = (struct bytes){tail.bytes, tail.read.len};
    /* The first character may be cut. */
    while (bytes.len > 0 && ((uint8_t)bytes.data[0] & 0xC0U) == 0x80U) {
        bytes = (struct bytes){bytes.data + 1, bytes.len - 1};
    }
    size_t have = count(bytes);
    bytes = skip(bytes, have > half ? have - half : 0, NULL /* left out */);
    (void)skip(bytes, half, text);
}

static bool is_empty(const struct spool *spool, const struct log_place *place) {
    struct log_read read = {0};
    char byte;
    return err_failed(spool_log_read(spool, place, &byte, 1, &read)) || read.size == 0;
}

void output_excerpt__read(const struct spool *spool, const struct flight_work *work,
                          struct text *text) {
    struct log_place out = {.name = work->name, .stream = work->facts.pty ? LOG_PTY : LOG_OUT};
    struct log_place err = {.name = work->name, .stream = LOG_ERR};
    if (work->facts.pty || is_empty(spool, &err)) {
        add_log(spool, out, INBOX_OUTPUT_MAX, text);
    } else if (is_empty(spool, &out)) {
        add_log(spool, err, INBOX_OUTPUT_MAX, text);
    } else {
        size_t each = (INBOX_OUTPUT_MAX - MARK_ROOM) / 2;
        add_log(spool, out, each, text);
        text_add_str(text, "\n[stderr]\n");
        add_log(spool, err, each, text);
    }
}
