/* fuzz_logs.c: a job's output, and places in it. The first byte says which: lines of a terminal
 * (t) or of a pipe (p), cut into reads of as many bytes as the second byte says; a piece that is
 * told in a frame (f); the id of an event.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job/logs.h"
#include "api/job/logs_search.h"
#include "base/json/json.h"
#include "base/utf8.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { INPUT_MAX = 256 << 10, DELETE = 0x7F };

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

struct seen {
    enum search_text kind;
    struct text text; /* Every line, and a line feed. */
};

static void look_at_plain(struct bytes line) {
    for (size_t i = 0; i < line.len; i++) {
        unsigned char byte = (unsigned char)line.data[i];
        require(byte == '\t' || byte == '\r' || (byte >= 0x20 && byte != DELETE));
    }
}

static struct err on_line(void *ctx, struct bytes line) {
    struct seen *seen = ctx;
    require(line.len <= SEARCH_LINE_MAX && memchr(line.data, '\n', line.len) == NULL);
    if (seen->kind == SEARCH_TERMINAL) {
        look_at_plain(line);
    }
    text_add(&seen->text, line.data, line.len);
    text_add_char(&seen->text, '\n');
    return ERR_OK;
}

static void cut(struct bytes input, enum search_text kind, size_t step, struct seen *ret_seen) {
    *ret_seen = (struct seen){.kind = kind};
    text_init(&ret_seen->text, INPUT_MAX + 2);
    AUTO(log_lines_done) struct log_lines lines;
    log_lines_init(&lines, kind, on_line, ret_seen);
    while (input.len > 0) {
        size_t len = step > 0 && step < input.len ? step : input.len;
        require(!err_failed(log_lines_add(&lines, (struct bytes){input.data, len})));
        input = (struct bytes){input.data + len, input.len - len};
    }
    require(!err_failed(log_lines_break(&lines)));
    require(!text_failed(&ret_seen->text));
}

/* Wherever reads end, the lines are the same; and none is longer than what it was made of. */
static void try_lines(struct bytes input, enum search_text kind) {
    if (input.len == 0) {
        return;
    }
    size_t step = (unsigned char)input.data[0];
    input = (struct bytes){input.data + 1, input.len - 1};
    struct seen whole, parts;
    cut(input, kind, 0, &whole);
    cut(input, kind, step, &parts);
    require(whole.text.len <= input.len + 1 && whole.text.len == parts.text.len);
    require(whole.text.len == 0 || memcmp(whole.text.data, parts.text.data, whole.text.len) == 0);
    text_done(&whole.text);
    text_done(&parts.text);
}

/* --- Frames ----------------------------------------------------------------------------------- */

/* A frame is three lines and an empty one, and its data JSON, whatever the bytes are. */
static void try_frame(struct bytes input) {
    size_t told = log_piece_len(input, LOG_GOES_ON);
    require(told <= input.len && input.len - told < 4);
    require(log_piece_len(input, LOG_REST_LAST) == input.len);
    struct text text;
    text_init(&text, 7 * input.len + 256);
    const struct log_piece piece = {.bytes = {input.data, told}, .at = {2, 5}};
    log_frame_output(&text, (struct bytes){0}, &piece);
    require(!text_failed(&text) && utf8_valid(text.data, text.len));
    const char *data = memmem(text.data, text.len, "\ndata: ", strlen("\ndata: "));
    require(data != NULL && memcmp(text.data, "id: 2.", strlen("id: 2.")) == 0);
    data += strlen("\ndata: ");
    size_t len = (size_t)(text.data + text.len - data);
    require(memchr(data, '\n', len) == data + len - 2 && data[len - 1] == '\n');
    json_t *json = NULL;
    require(!err_failed(json_parse(data, len - 2, JSON_DEPTH_MAX, &json, NULL /* no words */)));
    json_release(&json);
    text_done(&text);
}

/* Each place has one spelling. */
static void try_id(struct bytes input) {
    struct log_spot spot;
    char same[64];
    if (!log_spot_parse(input, &spot)) {
        return;
    }
    require(spot.offset >= 0 && spot.attempt >= LOG_ATTEMPT_LATEST);
    int len = spot.attempt == LOG_ATTEMPT_LATEST
                  ? snprintf(same, sizeof same, "%lld", (long long)spot.offset)
                  : snprintf(same, sizeof same, "%lld.%lld", (long long)spot.attempt,
                             (long long)spot.offset);
    require(len > 0 && (size_t)len == input.len && memcmp(same, input.data, input.len) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    json_setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len == 0 || len > INPUT_MAX) {
        return 0;
    }
    struct bytes input = {(const char *)data + 1, len - 1};
    switch (data[0]) {
    case 't':
        try_lines(input, SEARCH_TERMINAL);
        break;
    case 'p':
        try_lines(input, SEARCH_PLAIN);
        break;
    case 'f':
        try_frame(input);
        break;
    default:
        try_id(input);
        break;
    }
    return 0;
}
