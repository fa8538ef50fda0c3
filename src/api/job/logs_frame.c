/* logs_frame.c: output as server-sent events.
 *
 *     id: NEXT            the offset after these bytes: what Last-Event-ID resumes from
 *     event: output
 *     data: {"offset":N,"next":N,"text":"…"}     or "base64" where the bytes are no valid UTF-8
 *
 *     id: TO
 *     event: dropped
 *     data: {"from":N,"to":N}                    the bytes in between are gone
 *
 *     event: done
 *     data: {"state":"…","cause":"…","exit_code":N|null,"attempt":N,"size":N}
 *
 *     event: closing
 *     data: {"after":N}                          go on from there; with "code" where it must end
 *
 * On a WebSocket the same are text frames {"stream":"log:…","output":{…}}, where `output` and
 * `dropped` name the attempt, too.
 *
 * A piece ends before a character that is not whole yet, unless nothing can complete it.
 */
#include "api/job/logs.h"

#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "http/stream/feed.h"

/* --- Pieces ----------------------------------------------------------------------------------- */

enum { CHARACTER_MAX = 4 };

/* Whether these few bytes, which are not valid, begin a character that more bytes may complete. */
static bool begins_character(const char *bytes, size_t len) {
    static const char fillers[] = {'\x80', '\x90', '\xA0'}; /* One of them suits any lead byte. */
    for (size_t filler = 0; filler < sizeof fillers; filler++) {
        char whole[CHARACTER_MAX];
        memcpy(whole, bytes, len);
        memset(whole + len, '\x80', sizeof whole - len);
        if (len == 1) {
            whole[1] = fillers[filler];
        }
        for (size_t size = len + 1; size <= CHARACTER_MAX; size++) {
            if (utf8_valid(whole, size)) {
                return true;
            }
        }
    }
    return false;
}

size_t log_piece_len(struct bytes bytes, enum log_rest rest) {
    size_t valid = utf8_valid_len(bytes.data, bytes.len);
    size_t left = bytes.len - valid;
    if (rest == LOG_REST_LAST || left == 0 || left >= CHARACTER_MAX) {
        return bytes.len;
    }
    return begins_character(bytes.data + valid, left) ? valid : bytes.len;
}

/* --- Frames ----------------------------------------------------------------------------------- */

/* JSON of a piece, as long as one may be: six bytes for each. */
enum { FRAME_MAX = (6 * LOG_PIECE_MAX) + 1024 };

struct frame {
    const char *event;
    struct log_spot at; /* Where a client that connects again goes on; only with `resumes`. */
    bool resumes;
    struct text data; /* Members, without braces. */
};

static void frame_done(struct frame *frame) {
    text_done(&frame->data);
}

static void frame_add(struct text *text, struct bytes socket, const struct frame *frame) {
    AUTO(text_done) struct text json = text_up_to(FRAME_MAX);
    const bool tells = frame->resumes && frame->at.attempt != LOG_ATTEMPT_LATEST;
    if (socket.len > 0) {
        text_add_char(&json, '{');
        text_add_member(&json, "stream", socket);
        text_add_name(&json, frame->event);
        text_add_char(&json, '{');
        text_add(&json, frame->data.data, frame->data.len);
        if (tells) {
            text_add_member_int(&json, "attempt", frame->at.attempt);
        }
        text_add_str(&json, "}}");
        feed_frame_add(text, text_bytes(&json));
        text->failed = text->failed || text_failed(&json);
        return;
    }
    if (frame->resumes) {
        text_add_str(text, "id: ");
        if (tells) {
            text_add_int(text, frame->at.attempt);
            text_add_char(text, '.');
        }
        text_add_int(text, frame->at.offset);
        text_add_char(text, '\n');
    }
    text_add_str(text, "event: ");
    text_add_str(text, frame->event);
    text_add_str(text, "\ndata: {");
    text_add(text, frame->data.data, frame->data.len);
    text_add_str(text, "}\n\n");
}

void log_frame_output(struct text *text, struct bytes socket, const struct log_piece *piece) {
    struct bytes bytes = piece->bytes;
    int64_t next = piece->at.offset + (int64_t)bytes.len;
    AUTO(frame_done)
    struct frame frame = {.event = "output",
                          .at = {piece->at.attempt, next},
                          .resumes = true,
                          .data = text_up_to(FRAME_MAX)};
    text_add_member_int(&frame.data, "offset", piece->at.offset);
    text_add_member_int(&frame.data, "next", next);
    if (piece->encoding == LOG_AUTO && utf8_valid(bytes.data, bytes.len)) {
        text_add_member(&frame.data, "text", bytes);
    } else {
        text_add_str(&frame.data, ",\"base64\":\"");
        base64_add(&frame.data, bytes);
        text_add_char(&frame.data, '"');
    }
    frame_add(text, socket, &frame);
}

void log_frame_dropped(struct text *text, struct bytes socket, struct log_spot from, int64_t to) {
    AUTO(frame_done)
    struct frame frame = {.event = "dropped",
                          .at = {from.attempt, to},
                          .resumes = true,
                          .data = text_up_to(FRAME_MAX)};
    text_add_member_int(&frame.data, "from", from.offset);
    text_add_member_int(&frame.data, "to", to);
    frame_add(text, socket, &frame);
}

void log_frame_done(struct text *text, struct bytes socket, const struct log_target *target,
                    int64_t size) {
    AUTO(frame_done) struct frame frame = {.event = "done", .data = text_up_to(FRAME_MAX)};
    text_add_member(&frame.data, "state", bytes_of(run_state_name(target->state)));
    text_add_member(&frame.data, "cause", bytes_of(run_cause_name(target->cause)));
    if (target->exit_code == LOG_NO_EXIT_CODE) {
        text_add_member_or_null(&frame.data, "exit_code", BYTES(""));
    } else {
        text_add_member_int(&frame.data, "exit_code", target->exit_code);
    }
    text_add_member_int(&frame.data, "attempt", target->attempt);
    text_add_member_int(&frame.data, "size", size);
    frame_add(text, socket, &frame);
}

void log_frame_closing(struct text *text, struct bytes socket, struct log_spot after,
                       const char *code) {
    AUTO(frame_done) struct frame frame = {.event = "closing", .data = text_up_to(FRAME_MAX)};
    text_add_member_int(&frame.data, "after", after.offset);
    text_add_member_int(&frame.data, "attempt", after.attempt);
    if (code != NULL) {
        text_add_member(&frame.data, "code", bytes_of(code));
    }
    frame_add(text, socket, &frame);
}
