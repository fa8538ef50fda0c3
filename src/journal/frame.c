/* frame.c: the wire forms of an event.
 *
 * SSE, lines ended by one LF, and an empty line:
 *
 *     id: SEQ
 *     event: TYPE
 *     data: DATA
 *
 * DATA is compact JSON, which holds no line break; so one `data:` line always suffices.
 *
 * WebSocket, one unfragmented and unmasked text frame (RFC 6455, section 5.2):
 *
 *   offset  size
 *        0     1   0x81: final, text
 *        1     1   length of the payload L if it is below 126; 126: two bytes follow; 127: eight
 *        2   0,2,8 L, big endian
 *        …     L   {"stream":"NAME","seq":SEQ,"at_ms":AT,"type":"TYPE","data":DATA}
 *
 * A long-poll's answer holds the same object without `stream`, each behind a comma.
 *
 * Numbers are written here and not by printf: this runs once per event and format on the loop.
 */
#include "journal/frame.h"

#include <string.h>

static size_t digits_of(int64_t number) {
    assert(number >= 0);
    size_t digits = 1;
    for (; number >= 10; number /= 10) {
        digits++;
    }
    return digits;
}

static char *put(char *at, struct bytes bytes) {
    memcpy(at, bytes.data, bytes.len);
    return at + bytes.len;
}

static char *put_number(char *at, int64_t number) {
    char *end = at + digits_of(number);
    for (char *digit = end; digit > at; number /= 10) {
        *--digit = (char)('0' + number % 10);
    }
    return end;
}

#define SSE_1 BYTES("id: ")
#define SSE_2 BYTES("\nevent: ")
#define SSE_3 BYTES("\ndata: ")
#define SSE_4 BYTES("\n\n")

static size_t sse_len(const struct frame *frame) {
    return SSE_1.len + digits_of(frame->seq) + SSE_2.len + frame->type.len + SSE_3.len +
           frame->data.len + SSE_4.len;
}

static char *sse_write(const struct frame *frame, char *at) {
    at = put_number(put(at, SSE_1), frame->seq);
    at = put(put(at, SSE_2), frame->type);
    at = put(put(at, SSE_3), frame->data);
    return put(at, SSE_4);
}

#define WS_1 BYTES("{\"stream\":\"")
#define WS_2 BYTES("\",\"seq\":")
#define WS_3 BYTES(",\"at_ms\":")
#define WS_4 BYTES(",\"type\":\"")
#define WS_5 BYTES("\",\"data\":")
#define WS_6 BYTES("}")

static size_t ws_payload_len(const struct frame *frame) {
    return WS_1.len + frame->name.len + WS_2.len + digits_of(frame->seq) + WS_3.len +
           digits_of(frame->at_ms) + WS_4.len + frame->type.len + WS_5.len + frame->data.len +
           WS_6.len;
}

static size_t ws_header_len(size_t payload_len) {
    if (payload_len < 126) {
        return 2;
    }
    return payload_len <= UINT16_MAX ? 4 : 10;
}

static char *ws_header_write(size_t payload_len, char *at) {
    size_t header_len = ws_header_len(payload_len);
    *at++ = (char)0x81;
    if (header_len == 2) {
        *at++ = (char)payload_len;
        return at;
    }
    *at++ = header_len == 4 ? 126 : 127;
    for (size_t left = header_len - 2; left > 0; left--) {
        *at++ = (char)(payload_len >> (8 * (left - 1)));
    }
    return at;
}

static char *ws_write(const struct frame *frame, char *at) {
    at = ws_header_write(ws_payload_len(frame), at);
    at = put(put(at, WS_1), frame->name);
    at = put_number(put(at, WS_2), frame->seq);
    at = put_number(put(at, WS_3), frame->at_ms);
    at = put(put(at, WS_4), frame->type);
    at = put(put(at, WS_5), frame->data);
    return put(at, WS_6);
}

#define POLL_1 BYTES(",{\"seq\":")

static size_t poll_len(const struct frame *frame) {
    return POLL_1.len + digits_of(frame->seq) + WS_3.len + digits_of(frame->at_ms) + WS_4.len +
           frame->type.len + WS_5.len + frame->data.len + WS_6.len;
}

static char *poll_write(const struct frame *frame, char *at) {
    at = put_number(put(at, POLL_1), frame->seq);
    at = put_number(put(at, WS_3), frame->at_ms);
    at = put(put(at, WS_4), frame->type);
    at = put(put(at, WS_5), frame->data);
    return put(at, WS_6);
}

size_t frame_len(enum hub_format format, const struct frame *frame) {
    assert(format < HUB_FORMATS);
    if (format != HUB_WS) {
        return format == HUB_SSE ? sse_len(frame) : poll_len(frame);
    }
    size_t payload_len = ws_payload_len(frame);
    return ws_header_len(payload_len) + payload_len;
}

char *frame_write(enum hub_format format, const struct frame *frame, char *at) {
    assert(format < HUB_FORMATS);
    return format == HUB_SSE  ? sse_write(frame, at)
           : format == HUB_WS ? ws_write(frame, at)
                              : poll_write(frame, at);
}
