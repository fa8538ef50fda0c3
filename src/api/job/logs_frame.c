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
 * A piece ends before a character that is not whole yet, unless nothing can complete it.
 */
#include "api/job/logs.h"

#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"

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

/* What a client that connects again must send in addition to its first request. */
static void id_add(struct text *text, struct log_spot spot) {
    text_add_str(text, "id: ");
    if (spot.attempt != LOG_ATTEMPT_LATEST) {
        text_add_int(text, spot.attempt);
        text_add_char(text, '.');
    }
    text_add_int(text, spot.offset);
    text_add_char(text, '\n');
}

void log_frame_output(struct text *text, const struct log_piece *piece) {
    struct bytes bytes = piece->bytes;
    int64_t next = piece->at.offset + (int64_t)bytes.len;
    id_add(text, (struct log_spot){piece->at.attempt, next});
    text_add_str(text, "event: output\ndata: {");
    text_add_member_int(text, "offset", piece->at.offset);
    text_add_member_int(text, "next", next);
    if (piece->encoding == LOG_AUTO && utf8_valid(bytes.data, bytes.len)) {
        text_add_member(text, "text", bytes);
    } else {
        text_add_str(text, ",\"base64\":\"");
        base64_add(text, bytes);
        text_add_char(text, '"');
    }
    text_add_str(text, "}\n\n");
}

void log_frame_dropped(struct text *text, struct log_spot from, int64_t to) {
    id_add(text, (struct log_spot){from.attempt, to});
    text_add_str(text, "event: dropped\ndata: {");
    text_add_member_int(text, "from", from.offset);
    text_add_member_int(text, "to", to);
    text_add_str(text, "}\n\n");
}

void log_frame_done(struct text *text, const struct log_target *target, int64_t size) {
    text_add_str(text, "event: done\ndata: {");
    text_add_member(text, "state", bytes_of(run_state_name(target->state)));
    text_add_member(text, "cause", bytes_of(run_cause_name(target->cause)));
    if (target->exit_code == LOG_NO_EXIT_CODE) {
        text_add_member_or_null(text, "exit_code", BYTES(""));
    } else {
        text_add_member_int(text, "exit_code", target->exit_code);
    }
    text_add_member_int(text, "attempt", target->attempt);
    text_add_member_int(text, "size", size);
    text_add_str(text, "}\n\n");
}

void log_frame_closing(struct text *text, struct log_spot after, const char *code) {
    text_add_str(text, "event: closing\ndata: {");
    text_add_member_int(text, "after", after.offset);
    text_add_member_int(text, "attempt", after.attempt);
    if (code != NULL) {
        text_add_member(text, "code", bytes_of(code));
    }
    text_add_str(text, "}\n\n");
}
