/* log_print.h: output of a job on our own output, as bytes or as JSON.
 *
 *   plain   out and pty to stdout, err to stderr (`err_apart`) or stdout; a hole is told on stderr
 *   JSON    {"stream","attempt","offset","next","text"|"base64"} a line;
 *           a hole: {"stream","attempt","dropped":{…}}
 *
 * Threads    one.
 */
#ifndef DROVER_CLI_JOB_LOG_PRINT_H
#define DROVER_CLI_JOB_LOG_PRINT_H

#include "cli/job/log_follow.h"

enum log_form { LOG_PLAIN, LOG_JSON };
struct log_print {
    enum log_form form;
    bool err_apart;
};
/* ctx is a struct log_print. They fit struct log_follow_options. */
void log_print_piece(void *ctx, const struct log_piece *piece);
void log_print_hole(void *ctx, const struct log_hole *hole);

/* The JSON line of a piece. */
void log_piece_json(const struct log_piece *piece, struct text *line);

#endif
