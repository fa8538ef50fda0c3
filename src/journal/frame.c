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
 * A long-poll's answer holds the same object without `stream`, each after a comma.
 *
 * Numbers are written here and not by printf: this runs once per event and format on the loop.
 */
#include "journal/frame.h"

#include <string.h>

/* A form is a list of pieces: fixed text, and the part of the event that follows it. */
enum part { NAME, SEQ, AT_MS, TYPE, DATA, END };
struct piece {
    struct bytes text;
    enum part part;
};
static const struct piece sse[] = {
    {BYTES_INIT("id: "), SEQ},
    {BYTES_INIT("\nevent: "), TYPE},
    {BYTES_INIT("\ndata: "), DATA},
    {BYTES_INIT("\n\n"), END},
};
static const struct piece websocket[] = {
    {BYTES_INIT("{\"stream\":\""), NAME}, {BYTES_INIT("\",\"seq\":"), SEQ},
    {BYTES_INIT(",\"at_ms\":"), AT_MS},   {BYTES_INIT(",\"type\":\""), TYPE},
    {BYTES_INIT("\",\"data\":"), DATA},   {BYTES_INIT("}"), END},
};
static const struct piece poll[] = {
    {BYTES_INIT(",{\"seq\":"), SEQ},
    {BYTES_INIT(",\"at_ms\":"), AT_MS},
    {BYTES_INIT(",\"type\":\""), TYPE},
    {BYTES_INIT("\",\"data\":"), DATA},
    {BYTES_INIT("}"), END},
};
static const struct piece *const forms[HUB_FORMATS] = {
    [HUB_SSE] = sse, [HUB_WS] = websocket, [HUB_POLL] = poll};

/* Without a number: hub_say. */
static const struct piece sse_said[] = {
    {BYTES_INIT("event: "), TYPE},
    {BYTES_INIT("\ndata: "), DATA},
    {BYTES_INIT("\n\n"), END},
};
static const struct piece websocket_said[] = {
    {BYTES_INIT("{\"stream\":\""), NAME},
    {BYTES_INIT("\",\"type\":\""), TYPE},
    {BYTES_INIT("\",\"data\":"), DATA},
    {BYTES_INIT("}"), END},
};
static const struct piece *pieces_of(enum hub_format format, const struct frame *frame) {
    return frame->seq >= 0 ? forms[format] : format == HUB_SSE ? sse_said : websocket_said;
}

enum { DIGITS_MAX = 20, WS_HEADER_MAX = 10 };

static struct bytes digits_of(int64_t number, char digits[DIGITS_MAX]) {
    assert(number >= 0);
    char *at = digits + DIGITS_MAX;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return (struct bytes){at, (size_t)(digits + DIGITS_MAX - at)};
}

static struct bytes part_of(const struct frame *frame, enum part part, char digits[DIGITS_MAX]) {
    switch (part) {
    case NAME:
        return frame->name;
    case SEQ:
        return digits_of(frame->seq, digits);
    case AT_MS:
        return digits_of(frame->at_ms, digits);
    case TYPE:
        return frame->type;
    case DATA:
        return frame->data;
    case END:
        break;
    }
    return BYTES("");
}

static size_t payload_len(enum hub_format format, const struct frame *frame) {
    assert(format < HUB_FORMATS);
    char digits[DIGITS_MAX];
    size_t len = 0;
    for (const struct piece *piece = pieces_of(format, frame);; piece++) {
        len += piece->text.len + part_of(frame, piece->part, digits).len;
        if (piece->part == END) {
            return len;
        }
    }
}

/* The length of the header, which is written where `at` is not NULL. */
static size_t ws_header(size_t payload, char *at) {
    size_t more = payload < 126 ? 0 : payload <= UINT16_MAX ? 2 : 8;
    if (at != NULL) {
        *at++ = (char)0x81;
        *at++ = (char)(more == 0 ? payload : more == 2 ? 126 : 127);
        for (size_t left = more; left > 0; left--) {
            *at++ = (char)(payload >> (8 * (left - 1)));
        }
    }
    return 2 + more;
}

size_t frame_len(enum hub_format format, const struct frame *frame) {
    size_t payload = payload_len(format, frame);
    return format == HUB_WS ? ws_header(payload, NULL /* only its length */) + payload : payload;
}

static char *put(char *at, struct bytes bytes) {
    memcpy(at, bytes.data, bytes.len);
    return at + bytes.len;
}

char *frame_write(enum hub_format format, const struct frame *frame, char *at) {
    char digits[DIGITS_MAX];
    if (format == HUB_WS) {
        at += ws_header(payload_len(format, frame), at);
    }
    for (const struct piece *piece = pieces_of(format, frame);; piece++) {
        at = put(put(at, piece->text), part_of(frame, piece->part, digits));
        if (piece->part == END) {
            return at;
        }
    }
}
