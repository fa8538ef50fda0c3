/* download.c: see download.h. */
#include "cli/run/download.h"

#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

enum { SILENCE_MS = 30 * 1000 };

struct printing {
    const struct download *what;
    bool terminal;
    char last[2]; /* The two bytes before: a control character may start in one piece and end in the
                   * next. */
    bool in_line;
    enum colour colour; /* Colour of the line that was begun. */
};

static void printing_line_begin(struct printing *printing, char first) {
    const struct download *what = printing->what;
    printing->in_line = true;
    printing->colour = what->colour == NULL ? COLOUR_NONE : what->colour(what->ctx, first);
    if (what->colour != NULL) {
        fputs(paint_begin(what->paint, printing->colour), what->out);
    }
}

static void printing_line_end(struct printing *printing) {
    const struct download *what = printing->what;
    if (printing->in_line && what->colour != NULL) {
        fputs(paint_end(what->paint, printing->colour), what->out);
    }
    printing->in_line = false;
}

/* False: the byte could not be written. */
static bool byte_print(struct printing *printing, char byte) {
    const char at[] = {printing->last[0], printing->last[1], byte};
    const bool plain = byte == '\n' || byte == '\t' ||
                       (utf8_control_len((struct bytes){at, 3}) < 3 &&
                        utf8_control_len((struct bytes){at + 1, 2}) < 2 &&
                        utf8_control_len((struct bytes){at + 2, 1}) == 0);
    memcpy(printing->last, at + 1, 2);
    if (!printing->in_line) {
        printing_line_begin(printing, byte);
    }
    if (byte == '\n') {
        printing_line_end(printing);
    }
    return putc(plain ? (unsigned char)byte : '?', printing->what->out) != EOF;
}

static struct err piece_print(struct printing *printing, struct bytes piece) {
    size_t written = 0;
    if (!printing->terminal) {
        written = fwrite(piece.data, 1, piece.len, printing->what->out);
    }
    while (printing->terminal && written < piece.len && byte_print(printing, piece.data[written])) {
        written++;
    }
    return written == piece.len ? ERR_OK : err_make(ERR_IO, "download: write");
}

struct err download(struct talk *talk, const struct download *what, struct why *why) {
    const struct client_request request = {
        .method = "GET", .target = what->target, .accept = what->media};
    struct printing printing = {.what = what, .terminal = isatty(fileno(what->out)) == 1};
    struct err err = client_begin(talk->client, &request, why);
    for (struct bytes piece = {"", 1}; !err_failed(err) && piece.len > 0;) {
        err = client_read(talk->client, SILENCE_MS, &piece, why);
        if (!err_failed(err) && piece.len > 0) {
            err = piece_print(&printing, piece);
            if (what->io_bytes != NULL) {
                *what->io_bytes += (int64_t)piece.len;
            }
        }
    }
    printing_line_end(&printing);
    return err;
}

/* A line within a hunk begins with one of " +-\\"; any other line begins a hunk or a file. */
enum colour download_diff_colour(void *ctx, char first) {
    bool *in_hunk = ctx;
    if (first == '@') {
        *in_hunk = true;
        return COLOUR_GREY;
    }
    if (first != ' ' && first != '+' && first != '-' && first != '\\' && first != '\n') {
        *in_hunk = false;
    }
    return !*in_hunk      ? COLOUR_BOLD
           : first == '+' ? COLOUR_GREEN
           : first == '-' ? COLOUR_RED
                          : COLOUR_NONE;
}
