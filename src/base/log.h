/* log.h: one line for each thing worth telling whoever runs the daemon.
 *
 *     log_event(log, LOG_WARN, "request failed",
 *               LOG_FIELDS(log_text("path", path), log_int("status", 500), log_err(err)));
 *
 * Promise    a line is written whole, by one write(2) of at most LIMIT_LOG_LINE_MAX bytes, and is
 *            one line whatever the values hold: they are escaped. On a terminal it is key=value, on
 *            anything else one JSON object. What does not fit is left out, and `cut` says so.
 *            A log that nobody reads never blocks the daemon: the line is dropped and counted, and
 *            the next line that gets through carries `dropped`.
 * Secrets    the value of a field whose key names one (token, secret, password, authorization,
 *            cookie, key) and what follows "Bearer " in any value are replaced by "[redacted]".
 *            That is the net below the rule: never pass a secret to a log.
 * Ownership  embedded; the descriptor is borrowed. Fields are borrowed for the call.
 * Threads    log_event: any. log_init: before the log is shared.
 * Failure    none that a caller could act on.
 */
#ifndef DROVER_BASE_LOG_H
#define DROVER_BASE_LOG_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_form { LOG_FORM_KEY_VALUE, LOG_FORM_JSON };

struct log {
    int fd; /* Borrowed; -1 drops everything. */
    enum log_level level_min;
    enum log_form form;
    int64_t (*wall_ms)(void *ctx); /* Called from any thread. */
    void *ctx;                     /* Borrowed, for as long as the log is used. */
    atomic_uint_fast64_t dropped;
};

/* The form follows the descriptor: key=value where it is a terminal. */
void log_init(struct log *log, int fd, enum log_level level_min, int64_t (*wall_ms)(void *ctx),
              void *ctx);

enum log_kind { LOG_KIND_TEXT, LOG_KIND_INT, LOG_KIND_ERR };
struct log_field {
    const char *key; /* Static text of [a-z_]; NULL ends a list. */
    enum log_kind kind;
    struct bytes text;
    int64_t number;
    struct err err;
};

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {.key = NULL}})

struct log_field log_text(const char *key, const char *text); /* NULL is shown as empty. */
struct log_field log_bytes(const char *key, struct bytes bytes);
struct log_field log_int(const char *key, int64_t number);
struct log_field log_err(struct err err); /* The keys "error", "step" and "os". */

/* `what` is static text: what happened. `fields` may be NULL. */
void log_event(struct log *log, enum log_level level, const char *what,
               const struct log_field *fields);

/* "debug", "info", "warn", "error"; else false. */
MUST_CHECK bool log_level_parse(struct bytes name, enum log_level *ret_level);

#endif
