/* read.c: read_file: lines of a text, by number; or bytes, by offset.
 *
 * The file is read once from the start to its end, in pieces: lines that were asked for are kept,
 * the rest is only counted, so that the answer can say how many there are. A line that is longer
 * than LINE_SHOWN_MAX is cut; its rest is reached by `byte`.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tool/file/content.h"
#include "tool/work.h"

enum {
    LINES_DEFAULT = 1000,
    LINE_SHOWN_MAX = 2000,
    BYTES_SHOWN_MAX = 32 << 10,
    PIECE = 256 << 10,
    HEADER_ROOM = 1024, /* Of the answer, for its first line and its last. */
};
#define SCANNED_MAX ((int64_t)1 << 30)

struct reading {
    struct tool_work *work;
    struct place_file file;
    int64_t line, lines, byte; /* Asked for; byte -1: by lines. */
    int64_t at_line;           /* The line that the scan is in, from 1. */
    int64_t line_len;          /* So far. */
    int64_t offset;            /* Of the piece. */
    int64_t line_offset;       /* Where the current line begins. */
    int64_t last_shown;
    int64_t cut_at; /* The offset of the first byte that a cut line lacks; -1: none was cut. */
    bool full, binary, more;
    struct text kept;
};

static void reading_done(struct reading *reading) {
    fd_release(&reading->file.fd);
    text_done(&reading->kept);
}

/* --- By lines --------------------------------------------------------------------------------- */

static bool is_wanted(const struct reading *reading) {
    return !reading->full && reading->at_line >= reading->line &&
           reading->at_line < reading->line + reading->lines;
}

/* A stretch without a newline. */
static void keep(struct reading *reading, const char *data, size_t len) {
    if (!is_wanted(reading)) {
        return;
    }
    if (reading->kept.len + LINE_SHOWN_MAX * 3 + HEADER_ROOM > TOOL_CONTENT_MAX &&
        reading->line_len == 0) {
        reading->full = true; /* Not even the longest line would be sure to fit. */
        return;
    }
    if (reading->line_len == 0) {
        text_addf(&reading->kept, "%lld\t", (long long)reading->at_line);
        reading->last_shown = reading->at_line;
    }
    size_t room =
        reading->line_len < LINE_SHOWN_MAX ? LINE_SHOWN_MAX - (size_t)reading->line_len : 0;
    struct bytes shown = {data, len};
    if (len > room) {
        shown.len = utf8_cut(shown, room);
        if (reading->cut_at < 0) {
            reading->cut_at = reading->line_offset + reading->line_len + (int64_t)shown.len;
        }
    }
    work_add_text(&reading->kept, shown);
}

static void end_line(struct reading *reading, int64_t next_offset) {
    if (is_wanted(reading)) {
        if (reading->line_len == 0) {
            keep(reading, "", 0);
        }
        if (reading->line_len > LINE_SHOWN_MAX) {
            text_addf(&reading->kept, " [cut: the line has %lld bytes]",
                      (long long)reading->line_len);
        }
        text_add_char(&reading->kept, '\n');
    }
    reading->at_line++;
    reading->line_len = 0;
    reading->line_offset = next_offset;
}

static void scan(struct reading *reading, struct bytes piece) {
    const char *at = piece.data, *end = piece.data + piece.len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline == NULL ? end : newline;
        if (stop > at) {
            keep(reading, at, (size_t)(stop - at));
            reading->line_len += stop - at;
        }
        if (newline == NULL) {
            return;
        }
        end_line(reading, reading->offset + (newline + 1 - piece.data));
        at = newline + 1;
    }
}

static struct err scan_all(struct reading *reading, char *buffer) {
    struct tool_work *work = reading->work;
    for (;;) {
        if (place_is_over(work->place) || reading->offset > SCANNED_MAX) {
            reading->more =
                true; /* What was kept is told; how many lines there are is not known. */
            return ERR_OK;
        }
        ssize_t got = read(reading->file.fd, buffer, PIECE);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            why_set(&work->why, "\"%.200s\" could not be read (error %d of the system)",
                    reading->file.real.text, errno);
            return err_from_errno(errno, "tool: read");
        }
        if (reading->offset == 0 && content_is_binary((struct bytes){buffer, (size_t)got})) {
            reading->binary = true;
            return ERR_OK;
        }
        if (got == 0) {
            break;
        }
        scan(reading, (struct bytes){buffer, (size_t)got});
        reading->offset += got;
    }
    if (reading->line_len > 0) {
        end_line(reading, reading->offset);
    }
    return ERR_OK;
}

static void tell_lines(struct reading *reading) {
    struct text *content = &reading->work->result->content;
    int64_t total = reading->at_line - 1;
    const char *name = reading->file.real.text;
    if (reading->last_shown == 0) {
        text_addf(content, "%s: %s; it has %lld lines\n", name,
                  total == 0 ? "the file is empty" : "nothing at these lines", (long long)total);
        return;
    }
    text_addf(content, "%s, lines %lld to %lld of %lld%s\n", name, (long long)reading->line,
              (long long)reading->last_shown, (long long)total, reading->more ? " or more" : "");
    text_add(content, reading->kept.data, reading->kept.len);
    if (reading->last_shown < total) {
        text_addf(content, "[%lld more lines; the next is line %lld]\n",
                  (long long)(total - reading->last_shown), (long long)reading->last_shown + 1);
    }
    if (reading->cut_at >= 0) {
        text_addf(content, "[the rest of the first line that was cut begins at byte %lld]\n",
                  (long long)reading->cut_at);
    }
}

static struct err read_lines(struct reading *reading) {
    AUTO(mem_release) char *buffer = mem_new(PIECE);
    struct err err = scan_all(reading, buffer);
    if (!err_failed(err) && reading->binary) {
        why_set(&reading->work->why,
                "\"%.160s\" is no text (%lld bytes with NUL among them); `byte` reads it as it is",
                reading->file.real.text, (long long)reading->file.about.st_size);
        err = err_make(ERR_CONFLICT, "tool: binary");
    }
    if (!err_failed(err)) {
        tell_lines(reading);
    }
    return err;
}

/* --- By bytes --------------------------------------------------------------------------------- */

static struct err read_bytes(struct reading *reading) {
    AUTO(mem_release) char *buffer = mem_new(BYTES_SHOWN_MAX);
    size_t len = 0;
    while (len < BYTES_SHOWN_MAX) {
        ssize_t got = pread(reading->file.fd, buffer + len, BYTES_SHOWN_MAX - len,
                            reading->byte + (off_t)len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            why_set(&reading->work->why, "the file could not be read (error %d of the system)",
                    errno);
            return err_from_errno(errno, "tool: read");
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    struct text *content = &reading->work->result->content;
    int64_t size = reading->file.about.st_size;
    text_addf(content, "%s, %zu bytes from byte %lld of %lld\n", reading->file.real.text, len,
              (long long)reading->byte, (long long)size);
    /* A byte may become three: what has no room is for the next call. */
    size_t shown = len;
    AUTO(text_done) struct text text = text_up_to(TOOL_CONTENT_MAX - 2 * HEADER_ROOM);
    work_add_text(&text, (struct bytes){buffer, shown});
    while (text_failed(&text)) {
        text_clear(&text);
        shown /= 2;
        work_add_text(&text, (struct bytes){buffer, shown});
    }
    text_add(content, text.data, text.len);
    if (reading->byte + (int64_t)shown < size) {
        text_addf(content, "\n[more from byte %lld]\n",
                  (long long)reading->byte + (long long)shown);
    }
    return ERR_OK;
}

struct err tool_read_file(struct tool_work *work) {
    const json_t *input = work->call->input;
    AUTO(reading_done) struct reading reading = {.work = work, .file = {.fd = -1}, .cut_at = -1};
    text_init(&reading.kept, TOOL_CONTENT_MAX);
    reading.line = input_int(input, "line", 1);
    reading.lines = input_int(input, "lines", LINES_DEFAULT);
    reading.byte = input_int(input, "byte", -1);
    reading.at_line = 1;
    struct place_path path;
    struct err err =
        place_resolve(work->place, json_str(input, "path", ""), ROOT_READ, &path, &work->why);
    if (!err_failed(err)) {
        err = place_open_file(work->place, &path, &reading.file, &work->why);
    }
    if (!err_failed(err)) {
        err = work_arrive(work, path.shown, reading.file.real.text);
    }
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    err = reading.byte >= 0 ? read_bytes(&reading) : read_lines(&reading);
    struct stat now;
    if (!err_failed(err) && fstat(reading.file.fd, &now) == 0 &&
        !content_unchanged(&reading.file.about, &now)) {
        text_add_str(&work->result->content, "[it was changed while it was read]\n");
    }
    if (!err_failed(err) && text_failed(&work->result->content)) {
        err = text_error(&work->result->content, "tool: result");
    }
    return err;
}
