/* change.c: write_file, edit_file and delete_file: never half a file, never somebody else's.
 *
 *   change_open     resolves, compares with what was allowed, reads what there is
 *   change_replace  the new bytes: temporary file in the same folder, sync, rename, sync
 *   change_remove
 *
 * Promise    after a crash the file holds the old or the new bytes, whole. Its mode is kept. What
 *            somebody else changed since it was read is not overwritten, as far as that can be seen
 *            just before the rename. A read-only file is not replaced. An error means that nothing
 *            was changed; the result says where a change is not known to be on disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/process/umask.h"
#include "tool/file/content.h"
#include "tool/file/diff.h"
#include "tool/work.h"

enum { NEW_MODE = 0666 };

/* A file that is to be written, edited or removed. */
struct change {
    struct tool_work *work;
    struct place_path path;
    struct place_parent parent; /* fd -1: its folders are not there yet (only on a look). */
    bool exists;
    bool whole; /* `old` has the bytes, not only the hash. */
    struct content old;
};

static void change_done(struct change *change) {
    fd_release(&change->parent.fd);
    content_done(&change->old);
}

static struct bytes old_bytes(const struct change *change) {
    return change->exists ? (struct bytes){change->old.data, change->old.len}
                          : (struct bytes){NULL, 0};
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* Opens the folder of the file. A folder that is missing is made, but not by a look. */
static struct err folder_open(struct change *change, enum place_last last,
                              enum place_missing missing) {
    struct tool_work *work = change->work;
    struct err err = place_open_parent(work->place, &change->path, last, MISSING_REFUSE,
                                       &change->parent, &work->why);
    if (err.code != ERR_NOT_FOUND || missing != MISSING_MAKE) {
        return err_failed(err) ? err
                               : work_arrive(work, change->path.shown, change->parent.real.text);
    }
    struct place_real real;
    work->why.text[0] = '\0';
    err = place_real_missing(work->place, &change->path, &real, &work->why);
    if (!err_failed(err)) {
        err = work_arrive(work, change->path.shown, real.text);
    }
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    err = place_open_parent(work->place, &change->path, last, MISSING_MAKE, &change->parent,
                            &work->why);
    if (!err_failed(err) && strcmp(change->parent.real.text, real.text) != 0) {
        err = err_why(&work->why, ERR_CONFLICT,
                      "\"%.200s\" leads to another folder than a moment ago; nothing was written",
                      change->path.shown);
    }
    return err;
}

static struct err read_old(struct change *change) {
    struct tool_work *work = change->work;
    struct content *old = &change->old;
    AUTO(fd_release) int fd = -1;
    struct err err = place_open_beside(change->parent.fd, change->parent.name, &fd, &old->about);
    if (err_failed(err) && err.os == ENOENT) {
        return ERR_OK;
    }
    if (err.code == ERR_CONFLICT && S_ISLNK(old->about.st_mode)) {
        /* The link itself is removed: its hash is that of the text in it. */
        char target[LIMIT_PATH_MAX];
        ssize_t len = readlinkat(change->parent.fd, change->parent.name, target, sizeof target);
        if (len >= 0) {
            struct sha256 hash = sha256_of(target, (size_t)len);
            old->hash = sha256_hex(&hash);
            change->exists = true;
            return ERR_OK;
        }
    }
    if (err_failed(err)) {
        return err_why(&work->why, ERR_CONFLICT, "\"%.200s\" is not a file that can be read",
                       change->path.shown);
    }
    change->exists = true;
    change->whole = old->about.st_size <= CONTENT_EDIT_MAX;
    return change->whole ? content_read(work->place, fd, CONTENT_EDIT_MAX, old, &work->why)
                         : content_hash(work->place, fd, SIZE_MAX, &old->hash, &work->why);
}

static struct err change_open(struct change *change, enum place_last last,
                              enum place_missing missing) {
    struct tool_work *work = change->work;
    const char *path = json_str(work->call->input, "path", "");
    change->parent.fd = -1;
    struct err err = place_resolve(work->place, path, ROOT_WRITE, &change->path, &work->why);
    if (!err_failed(err)) {
        err = folder_open(change, last, missing);
    }
    if (!err_failed(err) && change->parent.fd >= 0) {
        err = read_old(change);
    }
    return err_failed(err) ? err : work_compare(work, &change->old.hash);
}

/* No diff of what is no text, or larger than is read. */
static bool is_shown(const struct change *change) {
    return !change->exists || (change->whole && !content_is_binary(old_bytes(change)));
}

static struct diff_counts change_diff(const struct change *change, struct bytes new) {
    const struct diff_sides sides = {change->path.shown, old_bytes(change), new};
    const struct diff_counts counts = diff_write(&sides, work_diff(change->work));
    if (change->work->step == WORK_LOOK) {
        change->work->look->diff_cut = counts.cut;
    }
    return counts;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* The error of a change that has not happened. */
static struct err change_failed(struct change *change, const char *doing) {
    int os = errno;
    if (os == ENOSPC || os == EDQUOT) {
        return err_why(&change->work->why, ERR_DISK_FULL, "the disk is full; nothing was changed");
    }
    why_set(&change->work->why, "\"%.160s\" could not be %s (system error %d)", change->path.shown,
            doing, os);
    return err_from_errno(os, "tool: write");
}

/* False: errno says why. */
static bool fill(const struct change *change, int fd, struct bytes content) {
    while (content.len > 0) {
        ssize_t put = write(fd, content.data, content.len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return false;
        }
        content.data += put;
        content.len -= (size_t)put;
    }
    mode_t mode = change->old.about.st_mode & 07777;
    int rc =
        change->exists ? fchmod(fd, mode) : umask_apply(change->work->place->umask, fd, NEW_MODE);
    return rc == 0 && fsync(fd) == 0;
}

static struct err conflict(struct change *change) {
    return err_why(&change->work->why, ERR_CONFLICT,
                   "\"%.200s\" has changed since it was read; read it again", change->path.shown);
}

/* The file is still the one that was read, or there is still none. */
static bool is_still(const struct change *change) {
    struct stat now;
    if (fstatat(change->parent.fd, change->parent.name, &now, AT_SYMLINK_NOFOLLOW) < 0) {
        return !change->exists;
    }
    return change->exists && content_unchanged(&change->old.about, &now);
}

/* The change has happened, so it is reported. Until the folder is on disk, a power cut may bring
 * the old file back: whole, but old. */
static void sync_folder(struct change *change) {
    if (fsync(change->parent.fd) < 0) {
        text_addf(
            &change->work->result->content,
            "[the system did not confirm that this is on the disk (error %d of the system): a "
            "power cut may bring the old one back]\n",
            errno);
    }
}

static struct err change_replace(struct change *change, struct bytes content) {
    if (change->exists && (change->old.about.st_mode & 0222) == 0) {
        return err_why(&change->work->why, ERR_FORBIDDEN, "\"%.200s\" is read-only",
                       change->path.shown);
    }
    uint64_t random = 0;
    world_random(change->work->place->world, &random, sizeof random);
    char temporary[64];
    (void)snprintf(temporary, sizeof temporary, ".drover-%016llx.tmp", (unsigned long long)random);
    int folder = change->parent.fd;
    AUTO(fd_release)
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, NEW_MODE);
    if (fd < 0) {
        return change_failed(change, "written");
    }
    unsigned flags = change->exists ? 0 : RENAME_NOREPLACE;
    struct err err = ERR_OK;
    if (!fill(change, fd, content)) {
        err = change_failed(change, "written");
    } else if (!is_still(change)) {
        err = conflict(change);
    } else if (renameat2(folder, temporary, folder, change->parent.name, flags) < 0) {
        err = errno == EEXIST ? conflict(change) : change_failed(change, "written");
    } else {
        sync_folder(change);
        return ERR_OK;
    }
    (void)unlinkat(folder, temporary, 0 /* a file */); /* The first error counts. */
    return err;
}

static struct err change_remove(struct change *change) {
    if (!is_still(change)) {
        return conflict(change);
    }
    if (unlinkat(change->parent.fd, change->parent.name, 0 /* a file */) < 0) {
        return change_failed(change, "removed");
    }
    sync_folder(change);
    return ERR_OK;
}

/* --- write_file, delete_file ------------------------------------------------------------------ */

struct err tool_write_file(struct tool_work *work) {
    const struct bytes new = json_bytes(work->call->input, "content");
    AUTO(change_done) struct change change = {.work = work, .parent = {.fd = -1}};
    TRY(change_open(&change, LAST_FOLLOW, MISSING_MAKE));
    bool same = change.exists && change.whole && bytes_equal(old_bytes(&change), new);
    struct diff_counts counts = {0};
    if (!same && is_shown(&change)) {
        counts = change_diff(&change, new);
    }
    if (work->step == WORK_LOOK) {
        return work_texts_fit(work, NULL);
    }
    struct text *told = &work->result->content;
    if (same) {
        text_addf(told, "%s has exactly this content already; nothing was changed\n",
                  change.path.shown);
        return work_texts_fit(work, NULL);
    }
    TRY(change_replace(&change, new));
    text_addf(told, "%s %s: %zu bytes", change.exists ? "changed" : "made", change.path.shown,
              new.len);
    if (is_shown(&change)) {
        text_addf(told, ", +%zu -%zu lines", counts.added, counts.removed);
    }
    text_add_char(told, '\n');
    return work_texts_fit(work, NULL);
}

struct err tool_delete_file(struct tool_work *work) {
    AUTO(change_done) struct change change = {.work = work, .parent = {.fd = -1}};
    struct err err = change_open(&change, LAST_ITSELF, MISSING_REFUSE);
    if (!err_failed(err) && !change.exists) {
        err = err_why(&work->why, ERR_NOT_FOUND, "there is no \"%.200s\"", change.path.shown);
    }
    if (err_failed(err)) {
        return err;
    }
    if (is_shown(&change)) {
        (void)change_diff(&change, (struct bytes){NULL, 0});
    }
    if (work->step == WORK_DO) {
        err = change_remove(&change);
        text_addf(&work->result->content, "removed %s (%lld bytes)\n", change.path.shown,
                  (long long)change.old.about.st_size);
    }
    return err_failed(err) ? err : work_texts_fit(work, NULL);
}

/* --- Where a passage stands -------------------------------------------------------------------
 *
 * First the exact bytes. Where they don't occur, whole lines that are equal but for blanks: those
 * at the ends of a line do not count, and those within count as one. A passage that is found at
 * several places is never replaced unless all of them are meant: the caller tells the lines.
 *
 * Linear in the text for exact matches; lines of the text times lines of the passage, at worst, for
 * the others: bounded by STEPS_MAX. */

enum { PLACES_MAX = 1000, PLACES_SHOWN = 10, STEPS_MAX = 20 * 1000 * 1000 };

struct passage {
    size_t from, to;
    size_t line; /* From 1. */
};
struct passages {
    bool exact;   /* Else they are equal but for blanks. */
    size_t count; /* More than PLACES_MAX are not looked for. */
    struct passage list[PLACES_MAX];
};

static size_t lines_in(struct bytes text) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == '\n' ? 1 : 0;
    }
    return count;
}

static void match_exact(struct bytes text, struct bytes passage, struct passages *places) {
    size_t at = 0, line = 1;
    while (places->count < PLACES_MAX) {
        const char *found = memmem(text.data + at, text.len - at, passage.data, passage.len);
        if (found == NULL) {
            return;
        }
        size_t from = (size_t)(found - text.data);
        line += lines_in((struct bytes){text.data + at, from - at});
        places->list[places->count++] = (struct passage){from, from + passage.len, line};
        /* Places do not overlap: "aa" stands once in "aaa". */
        line += lines_in(passage);
        at = from + passage.len;
    }
}

#define BLANKS " \t\r\f\v"

static bool is_blank(char c) {
    return c != '\0' && strchr(BLANKS, c) != NULL;
}

static bool same_but_blanks(struct bytes a, struct bytes b, size_t *steps) {
    a = bytes_trim(a, BLANKS);
    b = bytes_trim(b, BLANKS);
    size_t i = 0, j = 0;
    while (i < a.len && j < b.len) {
        ++*steps;
        bool blank = is_blank(a.data[i]);
        if (blank != is_blank(b.data[j]) || (!blank && a.data[i] != b.data[j])) {
            return false;
        }
        i++;
        j++;
        while (blank && i < a.len && is_blank(a.data[i])) {
            i++;
        }
        while (blank && j < b.len && is_blank(b.data[j])) {
            j++;
        }
    }
    return i == a.len && j == b.len;
}

/* Whether the text begins with all lines of the passage; *ret_end is after the last one, without
 * its newline. */
static bool lines_match(struct bytes text, struct bytes passage, const char **ret_end,
                        size_t *steps) {
    for (struct bytes have, want; bytes_next(&passage, '\n', &want);) {
        ++*steps;
        if (!bytes_next(&text, '\n', &have) || !same_but_blanks(have, want, steps)) {
            return false;
        }
        *ret_end = have.data + have.len;
    }
    return true;
}

/* Blank lines at both ends say nothing of where the passage stands. */
static struct bytes without_blank_ends(struct bytes passage) {
    struct bytes from = passage;
    for (struct bytes line; bytes_next(&passage, '\n', &line); from = passage) {
        if (bytes_trim(line, BLANKS).len > 0) {
            break;
        }
    }
    struct bytes trimmed = bytes_trim(from, BLANKS "\n");
    from.len = (size_t)(trimmed.data + trimmed.len - from.data);
    return from;
}

static void match_lines(struct bytes text, struct bytes passage, struct passages *places) {
    size_t steps = 0;
    const char *end = NULL;
    struct bytes rest = text, line;
    for (size_t number = 1; passage.len > 0 && places->count < PLACES_MAX && steps < STEPS_MAX;
         number++) {
        struct bytes from = rest;
        if (!bytes_next(&rest, '\n', &line)) {
            break;
        }
        if (lines_match(from, passage, &end, &steps)) {
            places->list[places->count++] = (struct passage){(size_t)(from.data - text.data),
                                                             (size_t)(end - text.data), number};
        }
    }
    if (steps >= STEPS_MAX) {
        places->count = 0; /* Whether there is another is not known. */
    }
}

/* --- edit_file: one passage of a file, replaced -----------------------------------------------
 *
 * A passage that was found but for blanks is replaced by lines that are indented as the file's are:
 * what the first line had more or less than the model wrote, the others get too. A file whose lines
 * end with CRLF keeps that. */

enum { MODEL_DIFF_MAX = 4 << 10 };

struct edit {
    struct tool_work *work;
    struct change change;
    struct bytes text, passage, replacement;
    bool all;
    struct passages *places; /* Owned. */
    struct text made;
};

static void edit_done(struct edit *edit) {
    change_done(&edit->change);
    mem_free(edit->places);
    text_done(&edit->made);
}

/* "12, 40, 77 and more". */
static void add_lines(struct text *text, const struct passages *places) {
    for (size_t i = 0; i < places->count && i < PLACES_SHOWN; i++) {
        text_addf(text, "%s%zu", i == 0 ? "" : ", ", places->list[i].line);
    }
    text_add_str(text, places->count > PLACES_SHOWN ? " and more" : "");
}

static struct err edit_find(struct edit *edit) {
    struct why *why = &edit->work->why;
    struct passages *places = edit->places;
    const char *shown = edit->change.path.shown;
    AUTO(text_done) struct text lines = text_up_to(200);
    if (edit->passage.len == 0) {
        return err_why(why, ERR_BAD_FIELD, "old_text is empty; write_file writes a whole file");
    }
    if (bytes_equal(edit->passage, edit->replacement)) {
        return err_why(why, ERR_BAD_FIELD, "old_text and new_text are the same: nothing to do");
    }
    places->exact = true;
    match_exact(edit->text, edit->passage, places);
    struct bytes words = without_blank_ends(edit->passage), first = {NULL, 0};
    if (places->count == 0) {
        places->exact = false;
        match_lines(edit->text, words, places);
    }
    if (places->count == 0) {
        /* Lines that are the passage's first one, but for blanks: where it may have been meant. */
        edit->work->cause = CARD_NO_MATCH;
        if (bytes_next(&words, '\n', &first)) {
            match_lines(edit->text, without_blank_ends(first), places);
        }
        add_lines(&lines, places);
        if (places->count == 0 || text_failed(&lines)) {
            return err_why(why, ERR_CONFLICT,
                           "old_text was not found in \"%.160s\"; read the file again", shown);
        }
        return err_why(why, ERR_CONFLICT,
                       "old_text was not found in \"%.80s\" exactly; its first line is at line %s: "
                       "read these lines and copy them exactly",
                       shown, lines.data);
    }
    if (places->count == 1 || (edit->all && places->count < PLACES_MAX)) {
        return ERR_OK;
    }
    edit->work->cause = CARD_AMBIGUOUS_MATCH;
    if (places->count == PLACES_MAX) {
        return err_why(why, ERR_CONFLICT, "old_text occurs %d times or more: too many for one edit",
                       PLACES_MAX);
    }
    add_lines(&lines, places);
    return err_why(why, ERR_CONFLICT,
                   "old_text occurs in \"%.80s\" %zu times (lines %s); include more of the "
                   "surrounding lines, or set replace_all",
                   shown, places->count,
                   text_failed(&lines) || lines.data == NULL ? "" : lines.data);
}

static struct bytes indent_of(struct bytes text) {
    size_t len = 0;
    while (len < text.len && (text.data[len] == ' ' || text.data[len] == '\t')) {
        len++;
    }
    return (struct bytes){text.data, len};
}

/* From the first line that is not blank. */
static struct bytes first_words(struct bytes text) {
    size_t start = 0;
    for (size_t i = 0; i < text.len && memchr(" \t\r\n", text.data[i], 4) != NULL; i++) {
        start = text.data[i] == '\n' ? i + 1 : start;
    }
    return (struct bytes){text.data + start, text.len - start};
}

/* The replacement, line by line, with the file's indents and line ends. */
static void replace_one(struct edit *edit, const struct passage *place) {
    struct text *made = &edit->made;
    struct bytes from = BYTES(""), to = BYTES(""); /* Indents, of the model and of the file. */
    bool lines = !edit->places->exact;
    if (lines) {
        from = indent_of(first_words(edit->passage));
        to = indent_of((struct bytes){edit->text.data + place->from, place->to - place->from});
        /* Whole lines were found, without the end of the last one. */
        while (edit->replacement.len > 0 &&
               edit->replacement.data[edit->replacement.len - 1] == '\n') {
            edit->replacement.len--;
        }
    }
    const char *newline = memchr(edit->text.data, '\n', edit->text.len);
    bool crlf = newline != NULL && newline > edit->text.data && newline[-1] == '\r';
    const char *end = edit->replacement.data + edit->replacement.len;
    for (struct bytes rest = edit->replacement, line; bytes_next(&rest, '\n', &line);) {
        size_t skipped = 0;
        if (line.len > 0 && bytes_begin(line, from)) {
            text_add(made, to.data, to.len);
            skipped = from.len;
        }
        text_add(made, line.data + skipped, line.len - skipped);
        if (line.data + line.len < end) { /* There is a newline. */
            bool has_return = line.len > 0 && line.data[line.len - 1] == '\r';
            text_add_str(made, crlf && !has_return ? "\r\n" : "\n");
        }
    }
    bool ended = place->to > place->from && edit->text.data[place->to - 1] == '\r';
    text_add_str(made, lines && ended ? "\r" : "");
}

static struct err replace_all(struct edit *edit) {
    size_t at = 0;
    for (size_t i = 0; i < edit->places->count; i++) {
        const struct passage *place = &edit->places->list[i];
        if (place->from < at) {
            continue; /* Lines that were found but for blanks may overlap. */
        }
        text_add(&edit->made, edit->text.data + at, place->from - at);
        replace_one(edit, place);
        at = place->to;
    }
    text_add(&edit->made, edit->text.data + at, edit->text.len - at);
    if (text_failed(&edit->made)) {
        return err_why(&edit->work->why, edit->made.no_memory ? ERR_OUT_OF_MEMORY : ERR_CONFLICT,
                       "the file would be larger than %d bytes", CONTENT_EDIT_MAX);
    }
    return ERR_OK;
}

/* Opens the file, which must be a text. */
static struct err edit_open(struct edit *edit) {
    struct change *change = &edit->change;
    struct why *why = &edit->work->why;
    TRY(change_open(change, LAST_FOLLOW, MISSING_REFUSE));
    if (!change->exists) {
        return err_why(why, ERR_NOT_FOUND, "there is no \"%.200s\"", change->path.shown);
    }
    if (!change->whole) {
        return err_why(why, ERR_CONFLICT,
                       "\"%.160s\" is larger than %d bytes, which is too much to edit",
                       change->path.shown, CONTENT_EDIT_MAX);
    }
    edit->text = old_bytes(change);
    return content_is_binary(edit->text)
               ? err_why(why, ERR_CONFLICT, "\"%.200s\" is not text", change->path.shown)
               : ERR_OK;
}

struct err tool_edit_file(struct tool_work *work) {
    const json_t *input = work->call->input;
    AUTO(edit_done)
    struct edit edit = {.work = work,
                        .change = {.work = work, .parent = {.fd = -1}},
                        .passage = json_bytes(input, "old_text"),
                        .replacement = json_bytes(input, "new_text"),
                        .all = json_is_true(json_object_get(input, "replace_all")),
                        .places = mem_new(sizeof *edit.places),
                        .made = text_up_to(CONTENT_EDIT_MAX)};
    struct err err = edit_open(&edit);
    if (!err_failed(err)) {
        err = edit_find(&edit);
    }
    if (!err_failed(err)) {
        err = replace_all(&edit);
    }
    if (err_failed(err)) {
        return err;
    }
    struct bytes new = text_bytes(&edit.made);
    struct diff_counts counts = change_diff(&edit.change, new);
    if (work->step == WORK_LOOK) {
        return ERR_OK;
    }
    err = change_replace(&edit.change, new);
    size_t count = edit.places->count;
    struct text *told = &work->result->content;
    text_addf(told, "edited %s: %zu %s, +%zu -%zu lines%s\n", edit.change.path.shown, count,
              count == 1 ? "place" : "places", counts.added, counts.removed,
              edit.places->exact ? "" : " (old_text was found but for blanks; look at the result)");
    const struct text *diff = &work->result->diff;
    if (diff->len <= MODEL_DIFF_MAX) {
        text_add(told, diff->data, diff->len);
    }
    return err;
}
