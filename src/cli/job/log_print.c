/* log_print.c: a failed write to stdout shows at the end of the program, which asks for it. */
#include "cli/job/log_print.h"

#include <stdio.h>

#include "base/base64.h"
#include "base/utf8.h"

void log_piece_json(const struct log_piece *piece, struct text *line) {
    text_addf(line, "{\"stream\":\"%s\",\"attempt\":%lld,\"offset\":%lld,\"next\":%lld,",
              job_stream_name(piece->stream), (long long)piece->attempt, (long long)piece->offset,
              (long long)(piece->offset + (int64_t)piece->bytes.len));
    if (utf8_valid(piece->bytes.data, piece->bytes.len)) {
        text_add_str(line, "\"text\":");
        text_add_json(line, piece->bytes.data, piece->bytes.len);
    } else {
        text_add_str(line, "\"base64\":\"");
        base64_add(line, piece->bytes);
        text_add_char(line, '"');
    }
    text_add_str(line, "}\n");
}

void log_print_piece(void *ctx, const struct log_piece *piece) {
    const struct log_print *print = ctx;
    bool apart = print->err_apart && piece->stream == JOB_ERR;
    if (print->form == LOG_PLAIN) {
        fwrite(piece->bytes.data, 1, piece->bytes.len, apart ? stderr : stdout);
        return;
    }
    AUTO(text_done) struct text line = {0};
    text_init(&line, piece->bytes.len * 6 + 256); /* An escape is at most six bytes. */
    log_piece_json(piece, &line);
    if (!text_failed(&line)) {
        fwrite(line.data, 1, line.len, stdout);
    }
}

void log_print_hole(void *ctx, const struct log_hole *hole) {
    const struct log_print *print = ctx;
    if (print->form == LOG_JSON) {
        printf("{\"stream\":\"%s\",\"attempt\":%lld,"
               "\"dropped\":{\"from\":%lld,\"to\":%lld}}\n",
               job_stream_name(hole->stream), (long long)hole->attempt, (long long)hole->from,
               (long long)hole->to);
        return;
    }
    (void)fflush(stdout); /* The note stands where the hole is, if both go to one terminal. */
    fprintf(stderr, "drover: %lld bytes of %s are not kept: from %lld to %lld\n",
            (long long)(hole->to - hole->from), job_stream_name(hole->stream),
            (long long)hole->from, (long long)hole->to);
}
