/* log.c: a line is built in a fixed buffer on the stack, then written in one piece.
 *
 * A field is added whole or not at all; 64 bytes are kept back for the closing words, so that a
 * line that was cut is still a valid one. 4,096 bytes is PIPE_BUF: a pipe that poll(2) calls
 * writable takes that much without waiting, and never mixes it with the line of another process.
 */
#include "base/log.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log_change.h"
#include "base/log_pace.h"
#include "base/utf8.h"

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARN] = "warn", [LOG_ERROR] = "error", NULL};

enum { CLOSING_MAX = 64, VALUE_MAX = 1024 };
#define PACE_NS (UINT64_C(1000) * 1000 * 1000)
#define CHANGE_NS (60 * PACE_NS)

struct line {
    char data[LIMIT_LOG_LINE_MAX];
    size_t len, len_max;
    bool full; /* Something of the current field did not fit. */
};

static void line_add(struct line *line, const char *bytes, size_t len) {
    if (line->full || len > line->len_max - line->len) {
        line->full = true;
        return;
    }
    memcpy(line->data + line->len, bytes, len);
    line->len += len;
}

static void line_add_str(struct line *line, const char *str) {
    line_add(line, str, strlen(str));
}

static void line_add_int(struct line *line, int64_t number) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, number);
    line_add(line, digits, (size_t)len);
}

/* --- Values: the only way bytes from outside get into a line ---------------------------------- */

/* Adds text as JSON spells it. C1 controls are escaped too, since some terminals obey them; bytes
 * that are not UTF-8 become U+FFFD. */
static void line_add_escaped(struct line *line, struct bytes text) {
    for (size_t at = 0; at < text.len;) {
        const unsigned char *bytes = (const unsigned char *)text.data + at;
        size_t left = text.len - at, len = 1;
        int escaped = bytes[0] < 0x20 || bytes[0] == 0x7F ? bytes[0] : -1;
        if (bytes[0] >= 0x80 && utf8_valid_len(text.data + at, left < 4 ? left : 4) == 0) {
            escaped = 0xFFFD;
        } else if (bytes[0] >= 0x80) {
            len = bytes[0] < 0xE0 ? 2 : bytes[0] < 0xF0 ? 3 : 4;
            escaped = bytes[0] == 0xC2 && bytes[1] < 0xA0 ? bytes[1] : -1;
        }
        if (escaped >= 0) {
            char unit[16];
            line_add(line, unit, (size_t)snprintf(unit, sizeof unit, "\\u%04x", escaped));
        } else {
            line_add(line, "\\", bytes[0] == '"' || bytes[0] == '\\');
            line_add(line, text.data + at, len);
        }
        at += len;
    }
}

/* The bound on a value keeps one long field from pushing out all others. */
static void line_add_quoted(struct line *line, struct bytes text) {
    static const char mark[] = "bearer "; /* A credential follows. */
    size_t shown = 0;
    while (shown + sizeof mark - 1 <= text.len &&
           strncasecmp(text.data + shown, mark, sizeof mark - 1) != 0) {
        shown++;
    }
    shown = shown + sizeof mark - 1 <= text.len ? shown + sizeof mark - 1 : text.len;
    bool secret = shown < text.len;
    struct bytes cut = {text.data, shown};
    cut.len = utf8_cut(cut, VALUE_MAX);
    line_add(line, "\"", 1);
    line_add_escaped(line, cut);
    if (secret) {
        line_add_str(line, "[redacted]");
    } else if (cut.len < text.len) {
        line_add_str(line, "...");
    }
    line_add(line, "\"", 1);
}

/* A word that cannot be mistaken for anything else needs no quotes on a terminal. */
static bool is_plain_word(struct bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("_-./:@+,", c) != NULL);
        if (!plain) {
            return false;
        }
    }
    return text.len > 0 && text.len <= VALUE_MAX;
}

/* --- Fields ----------------------------------------------------------------------------------- */

static bool names_secret(const char *key) {
    static const char *const words[] = {"token",         "secret", "password",
                                        "authorization", "cookie", "key"};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const char *at = strstr(key, words[i]);
        /* Only whole words at the end: "token_id" is no secret, "api_key" is one. */
        if (at != NULL && strlen(at) == strlen(words[i]) && (at == key || at[-1] == '_')) {
            return true;
        }
    }
    return false;
}

static void line_add_key(struct line *line, enum log_form form, const char *key) {
    if (form == LOG_FORM_KEY_VALUE) {
        line_add(line, " ", 1);
        line_add_str(line, key);
        line_add(line, "=", 1);
        return;
    }
    line_add_str(line, ",\"");
    line_add_str(line, key);
    line_add_str(line, "\":");
}

static void line_add_text(struct line *line, enum log_form form, const char *key,
                          struct bytes text) {
    struct bytes shown = names_secret(key) ? BYTES("[redacted]") : text;
    line_add_key(line, form, key);
    if (form == LOG_FORM_KEY_VALUE && is_plain_word(shown)) {
        line_add(line, shown.data, shown.len);
    } else {
        line_add_quoted(line, shown);
    }
}

static void line_add_field(struct line *line, enum log_form form, const struct log_field *field) {
    const struct err *err = &field->err;
    char words[128];
    switch (field->kind) {
    case LOG_KIND_TEXT:
        line_add_text(line, form, field->key, field->text);
        break;
    case LOG_KIND_INT:
        line_add_key(line, form, field->key);
        line_add_int(line, field->number);
        break;
    case LOG_KIND_ERR:
        line_add_text(line, form, "error", bytes_of(err_name(err->code)));
        if (err->step != NULL) {
            line_add_text(line, form, "step", bytes_of(err->step));
        }
        if (err->os != 0) {
            line_add_text(line, form, "os", bytes_of(strerror_r(err->os, words, sizeof words)));
        }
        break;
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void line_add_time(struct line *line, int64_t wall_ms) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm parts;
    char text[48];
    size_t len = 0;
    if (wall_ms >= 0 && gmtime_r(&seconds, &parts) != NULL) {
        len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    }
    line_add(line, text, len);
    int tail = snprintf(text, sizeof text, ".%03dZ", wall_ms < 0 ? 0 : (int)(wall_ms % 1000));
    line_add(line, text, (size_t)tail);
}

/* Without waiting. */
static bool line_write(const struct line *line, int fd) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLOUT) != 0 &&
           write(fd, line->data, line->len) == (ssize_t)line->len;
}

void log_init(struct log *log, int fd, enum log_level level_min, int64_t (*wall_ms)(void *ctx),
              void *ctx) {
    log->fd = fd;
    log->level_min = level_min;
    log->form = fd >= 0 && isatty(fd) == 1 ? LOG_FORM_KEY_VALUE : LOG_FORM_JSON;
    log->wall_ms = wall_ms;
    log->ctx = ctx;
    atomic_init(&log->dropped, 0);
}

void log_event(struct log *log, enum log_level level, const char *what,
               const struct log_field *fields) {
    if (level < log->level_min || log->fd < 0) {
        return;
    }
    struct line line; /* Not cleared: 4 kB, of which a line uses a few hundred bytes. */
    bool json = log->form == LOG_FORM_JSON, cut = false;
    line.len = 0;
    line.len_max = sizeof line.data - CLOSING_MAX;
    line.full = false;
    line_add_str(&line, json ? "{\"at\":\"" : "");
    line_add_time(&line, log->wall_ms(log->ctx));
    line_add_str(&line, json ? "\",\"level\":\"" : " ");
    line_add_str(&line, level_names[level]);
    line_add_str(&line, json ? "\",\"what\":" : " ");
    line_add_quoted(&line, bytes_of(what));
    for (const struct log_field *field = fields; field != NULL && field->key != NULL; field++) {
        size_t before = line.len;
        line_add_field(&line, log->form, field);
        if (line.full) { /* A field goes in whole or not at all. */
            line.len = before;
            line.full = false;
            cut = true;
        }
    }
    uint64_t dropped = atomic_exchange(&log->dropped, 0);
    line.len_max = sizeof line.data;
    if (dropped > 0) {
        line_add_key(&line, log->form, "dropped");
        line_add_int(&line, (int64_t)dropped);
    }
    if (cut) {
        line_add_key(&line, log->form, "cut");
        line_add_str(&line, "true");
    }
    line_add_str(&line, json ? "}\n" : "\n");
    if (!line_write(&line, log->fd)) {
        atomic_fetch_add(&log->dropped, dropped + 1);
    }
}

struct log_field log_text(const char *key, const char *text) {
    return log_bytes(key, bytes_of(text));
}

struct log_field log_bytes(const char *key, struct bytes bytes) {
    return (struct log_field){.key = key, .kind = LOG_KIND_TEXT, .text = bytes};
}

struct log_field log_int(const char *key, int64_t number) {
    return (struct log_field){.key = key, .kind = LOG_KIND_INT, .number = number};
}

struct log_field log_err(struct err err) {
    return (struct log_field){.key = "error", .kind = LOG_KIND_ERR, .err = err};
}

bool log_level_parse(struct bytes name, enum log_level *ret_level) {
    return bytes_find(name, level_names, ret_level);
}

bool log_change_take(struct log_change *change, struct err err, uint64_t now_ns) {
    const struct err last = change->last;
    if (!err_failed(err)) {
        change->last = ERR_OK;
        return false;
    }
    bool known = err_failed(last) && last.code == err.code && last.os == err.os &&
                 strcmp(last.step, err.step) == 0;
    if (known || now_ns < change->next_ns) {
        return false;
    }
    *change = (struct log_change){.last = err, .next_ns = now_ns + CHANGE_NS};
    return true;
}

bool log_pace_take(struct log_pace *pace, uint64_t now_ns, uint64_t *ret_omitted) {
    if (now_ns < pace->next_ns) {
        pace->omitted++;
        return false;
    }
    *ret_omitted = pace->omitted;
    *pace = (struct log_pace){.next_ns = now_ns + PACE_NS};
    return true;
}
