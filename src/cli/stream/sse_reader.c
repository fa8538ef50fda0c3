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

/* An empty line ends the frame. */
static struct err line_end(struct sse_reader *reader, struct why *why) {
    const struct number_bounds bounds = {0, INT64_MAX};
    struct bytes value = text_bytes(&reader->line), name = {0};
    struct err err = ERR_OK;
    if (value.len == 0) {
        const struct sse_frame frame = {
            .id = reader->id, .type = text_bytes(&reader->type), .data = text_bytes(&reader->data)};
        if (reader->any && frame.type.len > 0) {
            err = reader->frame(reader->ctx, &frame, why);
        }
        frame_clear(reader);
        return err;
    }
    /* "name: value"; one blank after the colon belongs to the syntax. */
    (void)bytes_next(&value, ':', &name);
    bool colon = reader->line.len > name.len;
    if (value.len > 0 && value.data[0] == ' ') {
        value = (struct bytes){value.data + 1, value.len - 1};
    }
    if (colon && bytes_is(name, "id")) {
        if (!number_parse(value, bounds, &reader->id)) {
            return err_why(why, ERR_IO, "the daemon sent an id that is no number");
        }
        reader->any = true;
    } else if (colon && bytes_is(name, "event")) {
        text_clear(&reader->type);
        text_add(&reader->type, value.data, value.len);
        reader->any = true;
    } else if (colon && bytes_is(name, "data")) {
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
