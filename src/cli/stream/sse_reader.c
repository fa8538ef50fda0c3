/* sse_reader.c: lines, then fields, then frames. */
#include "cli/stream/sse_reader.h"

#include <string.h>

#include "base/number.h"

void sse_reader_init(struct sse_reader *reader) {
    *reader = (struct sse_reader){.id = 0};
    text_init(&reader->line, SSE_LINE_MAX);
    text_init(&reader->type, SSE_LINE_MAX);
    text_init(&reader->data, SSE_LINE_MAX);
}

void sse_reader_done(struct sse_reader *reader) {
    text_done(&reader->line);
    text_done(&reader->type);
    text_done(&reader->data);
}

static void frame_clear(struct sse_reader *reader) {
    text_clear(&reader->type);
    text_clear(&reader->data);
    reader->any = false;
}

void sse_reader_clear(struct sse_reader *reader) {
    text_clear(&reader->line);
    frame_clear(reader);
    reader->id = 0;
}

bool sse_is(const struct sse_frame *frame, const char *type) {
    return bytes_is(frame->type, type);
}

/* "name: value"; one blank after the colon belongs to the syntax. */
static bool field_is(struct bytes line, const char *name, struct bytes *ret_value) {
    size_t len = strlen(name);
    if (!bytes_begin(line, bytes_of(name)) || line.len == len || line.data[len] != ':') {
        return false;
    }
    size_t skip = len + 1 + (line.len > len + 1 && line.data[len + 1] == ' ');
    *ret_value = (struct bytes){line.data + skip, line.len - skip};
    return true;
}

/* An empty line ends the frame. */
static struct err line_end(struct sse_reader *reader, struct why *why) {
    const struct number_bounds bounds = {0, INT64_MAX};
    struct bytes line = text_bytes(&reader->line), value;
    struct err err = ERR_OK;
    if (line.len == 0) {
        const struct sse_frame frame = {
            .id = reader->id, .type = text_bytes(&reader->type), .data = text_bytes(&reader->data)};
        if (reader->any && frame.type.len > 0) {
            err = reader->frame(reader->ctx, &frame, why);
        }
        frame_clear(reader);
    } else if (field_is(line, "id", &value)) {
        if (!number_parse(value, bounds, &reader->id)) {
            return err_why(why, ERR_IO, "the daemon sent an id that is no number");
        }
        reader->any = true;
    } else if (field_is(line, "event", &value)) {
        text_clear(&reader->type);
        text_add(&reader->type, value.data, value.len);
        reader->any = true;
    } else if (field_is(line, "data", &value)) {
        text_add(&reader->data, value.data, value.len);
        reader->any = true;
    }
    return err;
}

struct err sse_reader_feed(struct sse_reader *reader, struct bytes piece, struct why *why) {
    size_t at = 0;
    struct err err = ERR_OK;
    while (at < piece.len && !err_failed(err)) {
        const char *end = memchr(piece.data + at, '\n', piece.len - at);
        size_t len = end != NULL ? (size_t)(end - piece.data) - at : piece.len - at;
        text_add(&reader->line, piece.data + at, len);
        at += len + (end != NULL);
        if (text_failed(&reader->line) || text_failed(&reader->data)) {
            return err_why(why, ERR_IO, "the daemon sent a line that is too long");
        }
        if (end != NULL) {
            err = line_end(reader, why);
            text_clear(&reader->line);
        }
    }
    return err;
}
