/* download.c: see download.h. */
#include "cli/run/download.h"

#include <string.h>
#include <unistd.h>

#include "base/utf8.h"

enum { SILENCE_MS = 30 * 1000 };

/* `last`: the two bytes before, since a control character may start in one piece and end in the
 * next. */
static struct err piece_print(struct bytes piece, FILE *out, bool terminal, char last[2]) {
    size_t written = 0;
    if (!terminal) {
        written = fwrite(piece.data, 1, piece.len, out);
    }
    for (; terminal && written < piece.len; written++) {
        const char at[] = {last[0], last[1], piece.data[written]};
        bool plain = at[2] == '\n' || at[2] == '\t' ||
                     (utf8_control_len((struct bytes){at, 3}) < 3 &&
                      utf8_control_len((struct bytes){at + 1, 2}) < 2 &&
                      utf8_control_len((struct bytes){at + 2, 1}) == 0);
        memcpy(last, at + 1, 2);
        if (putc(plain ? (unsigned char)at[2] : '?', out) == EOF) {
            break;
        }
    }
    return written == piece.len ? ERR_OK : err_make(ERR_IO, "download: write");
}

struct err download(struct talk *talk, const struct download *what, struct why *why) {
    const struct client_request request = {
        .method = "GET", .target = what->target, .accept = what->media};
    const bool terminal = isatty(fileno(what->out)) == 1;
    struct err err = client_begin(talk->client, &request, why);
    char last[2] = {0};
    for (struct bytes piece = {"", 1}; !err_failed(err) && piece.len > 0;) {
        err = client_read(talk->client, SILENCE_MS, &piece, why);
        if (!err_failed(err) && piece.len > 0) {
            err = piece_print(piece, what->out, terminal, last);
        }
    }
    return err;
}
