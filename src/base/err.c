/* err.c: the table of err.h, unfolded into four questions. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

struct err_row {
    const char *name;
    const char *title;
    int http_status;
    int exit_code;
};

static const struct err_row err_rows[ERR_CODES] = {
#define X(code, row_name, status, exit_status, row_title)                                          \
    [ERR_##code] = {.name = (row_name),                                                            \
                    .title = (row_title),                                                          \
                    .http_status = (status),                                                       \
                    .exit_code = (exit_status)},
    ERR_TABLE(X)
#undef X
};

/* A code that is not in the table can only be a bug of ours, but whoever asks for its words is
 * already reporting trouble: an answer is worth more there than an abort. */
static const struct err_row *err_row_of(enum err_code code) {
    bool known = (unsigned)code < (unsigned)ERR_CODES;
    return &err_rows[known ? code : ERR_INTERNAL];
}

struct err err_make(enum err_code code, const char *step) {
    assert((unsigned)code < (unsigned)ERR_CODES);
    return (struct err){.code = code, .step = step};
}

/* Only the errors that a caller treats differently get a code of their own; the rest is ERR_IO, and
 * `os` tells the log which one it was. EACCES is not ERR_READ_ONLY: a user cures them differently.
 */
static const struct {
    int os;
    enum err_code code;
} errno_rows[] = {
    {ENOMEM, ERR_OUT_OF_MEMORY},     {ENOENT, ERR_NOT_FOUND},       {EACCES, ERR_NO_PERMISSION},
    {EPERM, ERR_NO_PERMISSION},      {EWOULDBLOCK, ERR_BUSY},       {EBUSY, ERR_BUSY},
    {EEXIST, ERR_CONFLICT},          {ENOSPC, ERR_DISK_FULL},       {EDQUOT, ERR_DISK_FULL},
    {EROFS, ERR_READ_ONLY},          {EMFILE, ERR_OVERLOADED},      {ENFILE, ERR_OVERLOADED},
    {ECONNREFUSED, ERR_UNREACHABLE}, {ECONNRESET, ERR_UNREACHABLE}, {EHOSTUNREACH, ERR_UNREACHABLE},
    {ENETUNREACH, ERR_UNREACHABLE},  {ETIMEDOUT, ERR_UNREACHABLE},  {EINTR, ERR_INTERRUPTED},
};

struct err err_from_errno(int os, const char *step) {
    assert(os != 0);
    size_t i = 0;
    while (i < COUNT_OF(errno_rows) && errno_rows[i].os != os) {
        i++;
    }
    return (struct err){
        .code = i < COUNT_OF(errno_rows) ? errno_rows[i].code : ERR_IO, .os = os, .step = step};
}

void why_set_list(struct why *why, const char *format, va_list args) {
    if (why == NULL) {
        return;
    }
    if (vsnprintf(why->text, sizeof why->text, format, args) < 0) {
        why->text[0] = '\0';
    }
    /* A part of this often came from outside, and the cut may have split a character. */
    utf8_make_plain(why->text, strlen(why->text));
}

void why_set(struct why *why, const char *format, ...) {
    va_list args;
    va_start(args, format);
    why_set_list(why, format, args);
    va_end(args);
}

struct err err_why(struct why *why, enum err_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    why_set_list(why, format, args);
    va_end(args);
    return err_make(code, format);
}

const char *err_words(struct err err, const struct why *why) {
    return why->text[0] != '\0' ? why->text : err_title(err.code);
}

const char *err_name(enum err_code code) {
    return err_row_of(code)->name;
}

const char *err_title(enum err_code code) {
    return err_row_of(code)->title;
}

int err_http_status(enum err_code code) {
    return err_row_of(code)->http_status;
}

int err_exit_code(enum err_code code) {
    return err_row_of(code)->exit_code;
}
