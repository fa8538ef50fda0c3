/* read.c: reading files: whole ones for other tools, and read_file: lines by number, or bytes by
 * offset.
 *
 * For lines the file is read once from the start to its end, in pieces: lines that were asked for
 * are kept, the rest is only counted, so that the answer can say how many there are. A line that is
 * longer than LINE_SHOWN_MAX is cut; its rest is reached by `byte`.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "rules/board/task.h"
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

/* --- Whole files ------------------------------------------------------------------------------ */

void content_done(struct content *content) {
    mem_free(content->data);
    *content = (struct content){0};
}

bool content_is_binary(struct bytes bytes) {
    size_t look = bytes.len < CONTENT_BINARY_LOOK ? bytes.len : CONTENT_BINARY_LOOK;
    return look > 0 && memchr(bytes.data, '\0', look) != NULL;
}

bool content_unchanged(const struct stat *before, const struct stat *now) {
    return before->st_ino == now->st_ino && before->st_dev == now->st_dev &&
           before->st_size == now->st_size && before->st_mtim.tv_sec == now->st_mtim.tv_sec &&
           before->st_mtim.tv_nsec == now->st_mtim.tv_nsec;
}

/* read, again where a signal cut it off. */
static ssize_t read_some(int fd, char *into, size_t size) {
    ssize_t got = read(fd, into, size);
    while (got < 0 && errno == EINTR) {
        got = read(fd, into, size);
    }
    return got;
}

static struct err read_refused(struct why *why) {
    int os = errno;
    why_set(why, "the file could not be read (system error %d)", os);
    return err_from_errno(os, "tool: read");
}

/* One piece; *ret_len 0 is the end. */
static struct err piece_read(const struct tool_place *place, int fd, char *into, size_t size,
                             size_t *ret_len, struct why *why) {
    if (place_is_over(place)) {
        return err_why(why, ERR_TOO_EXPENSIVE, "reading took too long");
    }
    ssize_t got = read_some(fd, into, size);
    *ret_len = got > 0 ? (size_t)got : 0;
    return got < 0 ? read_refused(why) : ERR_OK;
}

static struct err too_large(size_t size_max, struct why *why) {
    return err_why(why, ERR_CONFLICT,
                   "the file is larger than %zu bytes, which is too much to read", size_max);
}

struct err content_read(const struct tool_place *place, int fd, size_t size_max,
                        struct content *ret_content, struct why *why) {
    AUTO(content_done) struct content content = {0};
    if (fstat(fd, &content.about) < 0) {
        return err_from_errno(errno, "tool: look at");
    }
    if ((uint64_t)content.about.st_size > size_max) {
        return too_large(size_max, why);
    }
    size_t size = (size_t)content.about.st_size + 1, got = 1;
    content.data = mem_try(size);
    while (content.data != NULL && got > 0) {
        if (content.len + 1 >= size) { /* The file grows meanwhile, or says nothing of its size. */
            size_t wanted = size + PIECE < size_max + 2 ? size + PIECE : size_max + 2;
            if (wanted <= size) {
                return too_large(size_max, why);
            }
            char *grown = mem_try_grow(content.data, wanted);
            if (grown == NULL) {
                return err_make(ERR_OUT_OF_MEMORY, "tool: read");
            }
            content.data = grown;
            size = wanted;
        }
        struct err err =
            piece_read(place, fd, content.data + content.len, size - 1 - content.len, &got, why);
        if (err_failed(err)) {
            return err;
        }
        content.len += got;
    }
    if (content.data == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "tool: read");
    }
    content.data[content.len] = '\0';
    if (content.len > size_max) {
        return too_large(size_max, why);
    }
    struct stat now;
    if (fstat(fd, &now) < 0 || !content_unchanged(&content.about, &now)) {
        return err_why(why, ERR_CONFLICT, "the file was changed while it was read; try again");
    }
    struct sha256 hash = sha256_of(content.data, content.len);
    content.hash = sha256_hex(&hash);
    *ret_content = content;
    content.data = NULL; /* Handed over. */
    return ERR_OK;
}

struct err content_hash(const struct tool_place *place, int fd, size_t size_max,
                        struct sha256_hex *ret_hash, struct why *why) {
    AUTO(mem_release) char *buffer = mem_new(PIECE);
    struct sha256_stream stream;
    size_t size = 0;
    sha256_start(&stream);
    for (size_t got = 1; got > 0; size += got) {
        TRY(piece_read(place, fd, buffer, PIECE, &got, why));
        if (got > size_max - size) {
            return too_large(size_max, why);
        }
        sha256_add(&stream, buffer, got);
    }
    struct sha256 hash = sha256_finish(&stream);
    *ret_hash = sha256_hex(&hash);
    return ERR_OK;
}

void tool_look_file(const struct tool_place *place, const char *path, struct tool_look *look) {
    AUTO(fd_release) int fd = -1;
    struct stat about;
    struct err err = place_open_anywhere(place, path, &fd, &about);
    if (!err_failed(err)) {
        err = about.st_size > TOOL_HASH_MAX
                  ? err_make(ERR_CONFLICT, "tool: large")
                  : content_hash(place, fd, TOOL_HASH_MAX, &look->before, /* why */ NULL);
    }
    look->unread = err_failed(err) && err.os != ENOENT;
}

/* An output of a task is stored whole, as text. */
struct err tool_task_output(struct tool_work *work) {
    const json_t *input = work->call->input;
    const char *path = json_str(input, "content_path", NULL);
    AUTO(place_close) struct place_opened file = {.fd = -1};
    AUTO(content_done) struct content content = {0};
    if ((path == NULL) == (json_object_get(input, "content") == NULL)) {
        return err_why(&work->why, ERR_BAD_FIELD, "give one of \"content\" and \"content_path\"");
    }
    if (path == NULL) {
        return ERR_OK;
    }
    struct err err = work_open_place(work, path, PLACE_FILE, &file);
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    err = content_read(work->place, file.fd, TASK_OUTPUT_MAX, &content, &work->why);
    if (!err_failed(err) && (memchr(content.data, '\0', content.len) != NULL ||
                             !utf8_valid(content.data, content.len))) {
        err = err_why(&work->why, ERR_CONFLICT, "\"%.200s\" is not text in UTF-8", path);
    }
    if (!err_failed(err)) {
        text_add(&work->result->content, content.data, content.len);
    }
    return err;
}

/* --- By lines --------------------------------------------------------------------------------- */

struct reading {
    struct tool_work *work;
    struct place_opened file;
    int64_t line, lines, byte; /* Asked for; byte -1: by lines. */
    int64_t at_line;           /* The line that the scan is in, from 1. */
    int64_t line_len;          /* So far. */
    int64_t offset;            /* Of the piece. */
    int64_t line_offset;       /* Where the current line begins. */
    int64_t last_shown;
    int64_t cut_at; /* The offset of the first byte that a cut line lacks; -1: none was cut. */
    bool full, more;
    struct text kept;
};

static void reading_done(struct reading *reading) {
    place_close(&reading->file);
    text_done(&reading->kept);
}

static bool is_wanted(const struct reading *reading) {
    return !reading->full && reading->at_line >= reading->line &&
           reading->at_line < reading->line + reading->lines;
}

/* A stretch without a newline. */
static void stretch_keep(struct reading *reading, struct bytes shown) {
    if (!is_wanted(reading)) {
        return;
    }
    if (reading->line_len == 0) {
        if (reading->kept.len + LINE_SHOWN_MAX * 3 + HEADER_ROOM > TOOL_CONTENT_MAX) {
            reading->full = true; /* Not even the longest line would be sure to fit. */
            return;
        }
        text_addf(&reading->kept, "%lld\t", (long long)reading->at_line);
        reading->last_shown = reading->at_line;
    }
    size_t room =
        reading->line_len < LINE_SHOWN_MAX ? LINE_SHOWN_MAX - (size_t)reading->line_len : 0;
    if (shown.len > room) {
        shown.len = utf8_cut(shown, room);
        if (reading->cut_at < 0) {
            reading->cut_at = reading->line_offset + reading->line_len + (int64_t)shown.len;
        }
    }
    work_add_text(&reading->kept, shown);
}

static void line_end(struct reading *reading, int64_t next_offset) {
    if (is_wanted(reading)) {
        if (reading->line_len == 0) {
            stretch_keep(reading, BYTES(""));
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

static void piece_scan(struct reading *reading, struct bytes piece) {
    const char *start = piece.data, *end = piece.data + piece.len;
    for (struct bytes line; bytes_next(&piece, '\n', &line);) {
        if (line.len > 0) {
            stretch_keep(reading, line);
            reading->line_len += (int64_t)line.len;
        }
        if (line.data + line.len < end) { /* There is a newline. */
            line_end(reading, reading->offset + (piece.data - start));
        }
    }
}

static struct err read_lines(struct reading *reading) {
    struct tool_work *work = reading->work;
    const char *name = reading->file.real.text;
    AUTO(mem_release) char *buffer = mem_new(PIECE);
    for (ssize_t got = 1; got > 0; reading->offset += got) {
        if (place_is_over(work->place) || reading->offset > SCANNED_MAX) {
            reading->more = true; /* The number of lines is not known. */
            break;
        }
        got = read_some(reading->file.fd, buffer, PIECE);
        if (got < 0) {
            int os = errno;
            why_set(&work->why, "\"%.200s\" could not be read (system error %d)", name, os);
            return err_from_errno(os, "tool: read");
        }
        struct bytes piece = {buffer, (size_t)got};
        if (reading->offset == 0 && content_is_binary(piece)) {
            return err_why(
                &work->why, ERR_CONFLICT,
                "\"%.160s\" is not text (%lld bytes, some of them NUL); `byte` reads it unchanged",
                name, (long long)reading->file.about.st_size);
        }
        piece_scan(reading, piece);
    }
    if (!reading->more && reading->line_len > 0) {
        line_end(reading, reading->offset);
    }
    struct text *content = &work->result->content;
    long long total = reading->at_line - 1, last = reading->last_shown;
    if (last == 0) {
        text_addf(content, "%s: %s; it has %lld lines\n", name,
                  total == 0 ? "the file is empty" : "nothing at these lines", total);
        return ERR_OK;
    }
    text_addf(content, "%s, lines %lld to %lld of %lld%s\n", name, (long long)reading->line, last,
              total, reading->more ? " or more" : "");
    text_add(content, reading->kept.data, reading->kept.len);
    if (last < total) {
        text_addf(content, "[%lld more lines; the next is line %lld]\n", total - last, last + 1);
    }
    if (reading->cut_at >= 0) {
        text_addf(content, "[the rest of the first line that was cut begins at byte %lld]\n",
                  (long long)reading->cut_at);
    }
    return ERR_OK;
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
            return read_refused(&reading->work->why);
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
    AUTO(reading_done)
    struct reading reading = {.work = work,
                              .file = {.fd = -1},
                              .line = input_int(input, "line", 1),
                              .lines = input_int(input, "lines", LINES_DEFAULT),
                              .byte = input_int(input, "byte", -1),
                              .at_line = 1,
                              .cut_at = -1,
                              .kept = text_up_to(TOOL_CONTENT_MAX)};
    struct err err = work_open_place(work, json_str(input, "path", ""), PLACE_FILE, &reading.file);
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    err = reading.byte >= 0 ? read_bytes(&reading) : read_lines(&reading);
    struct stat now;
    if (!err_failed(err) && fstat(reading.file.fd, &now) == 0 &&
        !content_unchanged(&reading.file.about, &now)) {
        text_add_str(&work->result->content, "[it was changed while it was read]\n");
    }
    return err_failed(err) ? err : work_texts_fit(work, NULL);
}
