/* log_cursor.c: what may come next in a log, and what a piece of it holds. */
#include <string.h>

#include "base/base64.h"
#include "cli/base/api.h"
#include "cli/job/log_follow.h"

static const char *const stream_names[] = {[JOB_OUT] = "out", [JOB_ERR] = "err", [JOB_PTY] = "pty"};

const char *job_stream_name(enum job_stream stream) {
    assert(stream < JOB_STREAM_COUNT);
    return stream_names[stream];
}

bool job_stream_find(const char *name, enum job_stream *ret_stream) {
    for (unsigned i = 0; i < JOB_STREAM_COUNT; i++) {
        if (strcmp(stream_names[i], name) == 0) {
            *ret_stream = (enum job_stream)i;
            return true;
        }
    }
    return false;
}

static struct err nonsense(const struct log_cursor *cursor, const char *what, struct why *why) {
    why_set(why, "the daemon sent output of %s that makes no sense: %s",
            job_stream_name(cursor->stream), what);
    return err_make(ERR_INTERNAL, "log: output");
}

/* The bytes of a piece, in `room` or borrowed from `data`. */
static bool piece_bytes(const json_t *data, struct text *room, struct bytes *ret_bytes) {
    const json_t *text = json_object_get(data, "text");
    const json_t *encoded = json_object_get(data, "base64");
    if (json_is_string(text)) {
        *ret_bytes = (struct bytes){json_string_value(text), json_string_length(text)};
        return true;
    }
    if (!json_is_string(encoded)) {
        return false;
    }
    struct bytes digits = {json_string_value(encoded), json_string_length(encoded)};
    text_init(room, digits.len + 1);
    if (!base64_add_decoded(room, digits) || text_failed(room)) {
        return false;
    }
    *ret_bytes = (struct bytes){room->data, room->len};
    return true;
}

struct err log_cursor_output(struct log_cursor *cursor, const json_t *data, struct why *why) {
    AUTO(text_done) struct text room = {0};
    struct bytes bytes = {0};
    int64_t offset = talk_int(data, "offset");
    if (!json_is_integer(json_object_get(data, "offset")) || !piece_bytes(data, &room, &bytes)) {
        return nonsense(cursor, "a piece without offset or bytes", why);
    }
    if (offset > cursor->next) {
        why_set(why, "the log has a gap: %s byte %lld came after %lld",
                job_stream_name(cursor->stream), (long long)offset, (long long)cursor->next);
        return err_make(ERR_INTERNAL, "log: order");
    }
    /* What came before a reconnect is not shown again. */
    uint64_t seen = (uint64_t)(cursor->next - offset);
    if (seen >= bytes.len) {
        return ERR_OK;
    }
    struct log_piece piece = {
        .stream = cursor->stream,
        .attempt = cursor->options->attempt,
        .offset = cursor->next,
        .bytes = {bytes.data + seen, bytes.len - (size_t)seen},
    };
    cursor->next += (int64_t)piece.bytes.len;
    cursor->options->piece(cursor->options->ctx, &piece);
    return ERR_OK;
}

struct err log_cursor_dropped(struct log_cursor *cursor, const json_t *data, struct why *why) {
    int64_t to = talk_int(data, "to");
    if (!json_is_integer(json_object_get(data, "to"))) {
        return nonsense(cursor, "a hole without an end", why);
    }
    if (to > cursor->next) {
        struct log_hole hole = {.stream = cursor->stream,
                                .attempt = cursor->options->attempt,
                                .from = cursor->next,
                                .to = to};
        cursor->next = to;
        cursor->options->hole(cursor->options->ctx, &hole);
    }
    return ERR_OK;
}
