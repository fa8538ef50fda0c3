/* must_files.c: see must_files.h. */
#include "dispatch/board/must_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "rules/board/must.h"

/* --- Fingerprints ----------------------------------------------------------------------------- */

enum print_end { PRINT_WHOLE, PRINT_ABSENT, PRINT_OUTSIDE, PRINT_TOO_LARGE, PRINT_UNREADABLE };
/* In place of a hash. An absent path is like any other state: it must stay absent. */
static const char *const print_ends[] = {NULL, "absent", "outside", "too_large", "unreadable"};

/* Shared by all paths of a check, so that a list of large paths costs no more than one of them. */
struct print_sums {
    int64_t files, bytes; /* Numbers until now. */
};

struct print {
    struct sha256_stream stream;
    struct print_sums *sums; /* Borrowed from the check. */
    enum print_end end;      /* WHOLE, until something is in the way. */
};

static void print_number(struct print *print, uint64_t number) {
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(number >> 8 * i);
    }
    sha256_add(&print->stream, bytes, sizeof bytes);
}

static void print_text(struct print *print, struct bytes text) {
    print_number(print, text.len);
    sha256_add(&print->stream, text.data, text.len);
}

/* The content counts as its own hash, so that no bytes of one file pass for those of the next. */
static void print_file(struct print *print, int fd) {
    struct sha256_stream content;
    char piece[32 << 10];
    ssize_t got = 0;
    sha256_start(&content);
    while ((got = read(fd, piece, sizeof piece)) > 0 && print->end == PRINT_WHOLE) {
        print->sums->bytes += got;
        print->end = print->sums->bytes > PRINT_BYTES_MAX ? PRINT_TOO_LARGE : PRINT_WHOLE;
        sha256_add(&content, piece, (size_t)got);
    }
    print->end = got < 0 ? PRINT_UNREADABLE : print->end;
    const struct sha256 hash = sha256_finish(&content);
    sha256_add(&print->stream, hash.bytes, sizeof hash.bytes);
}

static void print_link(struct print *print, int folder, const char *name) {
    char target[4096];
    const ssize_t len = readlinkat(folder, name, target, sizeof target);
    if (len < 0) {
        print->end = PRINT_UNREADABLE;
    } else {
        print_text(print, (struct bytes){target, (size_t)len});
    }
}

static void print_folder(struct print *print, int fd, unsigned depth);

/* An entry that is replaced by another kind meanwhile counts as unreadable. */
static void print_entry(struct print *print, int folder, const char *name, unsigned depth) {
    struct stat about;
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) < 0) {
        print->end = PRINT_UNREADABLE;
        return;
    }
    print_text(print, bytes_of(name));
    print_number(print, (uint64_t)(about.st_mode & (S_IFMT | S_IXUSR)));
    if (S_ISLNK(about.st_mode)) {
        print_link(print, folder, name);
        return;
    }
    if (!S_ISDIR(about.st_mode) && !S_ISREG(about.st_mode)) {
        return; /* A pipe or a socket has no content. */
    }
    const int kind = S_ISDIR(about.st_mode) ? O_DIRECTORY : O_NONBLOCK | O_NOCTTY;
    AUTO(fd_release) int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | kind);
    if (fd < 0) {
        print->end = PRINT_UNREADABLE;
    } else if (S_ISDIR(about.st_mode)) {
        print_folder(print, fd, depth + 1);
    } else {
        print_file(print, fd);
    }
}

struct name_list {
    char **names; /* Owned, each of them, too. */
    size_t count, room;
};

static void name_list_done(struct name_list *names) {
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->names[i]);
    }
    mem_free(names->names);
}

static void names_add(struct name_list *names, const char *name) {
    if (names->count == names->room) {
        const size_t room = names->room == 0 ? 16 : names->room * 2;
        char **more = mem_new(room * sizeof *more);
        if (names->count > 0) {
            memcpy(more, names->names, names->count * sizeof *more);
        }
        mem_free(names->names);
        names->names = more;
        names->room = room;
    }
    names->names[names->count++] = mem_copy(name, strlen(name));
}

static int names_compare(const void *a, const void *b) {
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* In the order of names, which a folder has in any order. */
static void folder_read(struct print *print, int fd, struct name_list *names) {
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    DIR *folder = own < 0 ? NULL : fdopendir(own);
    const struct dirent *entry = NULL;
    if (folder == NULL) {
        print->end = PRINT_UNREADABLE;
        (void)(own < 0 ? 0 : close(own)); /* Nothing was written. */
        return;
    }
    while ((errno = 0, entry = readdir(folder)) != NULL && print->end == PRINT_WHOLE) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0) {
            continue;
        }
        print->sums->files++;
        print->end = print->sums->files > PRINT_FILES_MAX ? PRINT_TOO_LARGE : PRINT_WHOLE;
        names_add(names, name);
    }
    print->end = errno != 0 && print->end == PRINT_WHOLE ? PRINT_UNREADABLE : print->end;
    (void)closedir(folder); /* Nothing was written to it. */
    if (names->count > 0) {
        qsort(names->names, names->count, sizeof *names->names, names_compare);
    }
}

static void print_folder(struct print *print, int fd, unsigned depth) {
    AUTO(name_list_done) struct name_list names = {.names = NULL};
    if (depth > PRINT_DEPTH_MAX) {
        print->end = PRINT_TOO_LARGE;
        return;
    }
    folder_read(print, fd, &names);
    print_number(print, names.count);
    for (size_t i = 0; i < names.count && print->end == PRINT_WHOLE; i++) {
        print_entry(print, fd, names.names[i], depth);
    }
}

/* --- Places ----------------------------------------------------------------------------------- */

/* Opens what a path names within the folder. PRINT_WHOLE: *ret_fd is owned. */
static enum print_end place_open(struct bytes root, struct bytes path, uint64_t flags,
                                 int *ret_fd) {
    struct bytes name = BYTES("");
    if (!beneath_name(root, path, &name)) {
        return PRINT_OUTSIDE;
    }
    AUTO(mem_release) char *folder_name = mem_copy(root.data, root.len);
    AUTO(mem_release) char *file_name = mem_copy(name.data, name.len);
    AUTO(fd_release) int folder = open(folder_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int fd = folder < 0 ? -1 : beneath_open(folder, file_name, flags);
    if (fd >= 0) {
        *ret_fd = fd;
        return PRINT_WHOLE;
    }
    return errno == ENOENT || errno == ENOTDIR ? PRINT_ABSENT
           : errno == EXDEV || errno == ELOOP  ? PRINT_OUTSIDE
                                               : PRINT_UNREADABLE;
}

/* A folder counts with all below it, a file with its content. */
static enum print_end print_make(struct bytes root, struct bytes path, struct print_sums *io_sums,
                                 struct sha256_hex *ret_hash) {
    AUTO(fd_release) int seen = -1;
    AUTO(fd_release) int fd = -1;
    struct print print = {.sums = io_sums, .end = place_open(root, path, O_PATH, &seen)};
    struct stat about;
    if (print.end != PRINT_WHOLE) {
        return print.end;
    }
    fd = fstat(seen, &about) == 0 && (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))
             ? beneath_reopen(seen)
             : -1;
    if (fd < 0) {
        return PRINT_UNREADABLE;
    }
    sha256_start(&print.stream);
    print_number(&print, about.st_mode & S_IFMT);
    if (S_ISDIR(about.st_mode)) {
        print_folder(&print, fd, 0);
    } else {
        print_file(&print, fd);
    }
    const struct sha256 hash = sha256_finish(&print.stream);
    *ret_hash = sha256_hex(&hash);
    return print.end;
}

/* The hash, or a word in its place. */
static void print_write(struct bytes root, struct bytes path, struct print_sums *io_sums,
                        struct text *text) {
    struct sha256_hex hash;
    const enum print_end end = print_make(root, path, io_sums, &hash);
    text_add_str(text, end == PRINT_WHOLE ? hash.text : print_ends[end]);
}

void must_prints_write(const struct must_folder *folder, struct text *prints) {
    AUTO(json_release) json_t *list = NULL;
    AUTO(json_release) json_t *known = NULL;
    struct print_sums sums = {.files = 0};
    if (folder->root.len == 0 || err_failed(json_parse_wrapped(folder->must_haves, &list, NULL))) {
        return;
    }
    if (err_failed(json_parse_wrapped(folder->prints, &known, NULL))) {
        known = json_object();
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const struct must must = must_read(json_array_get(list, i));
        if (must.kind != MUST_UNCHANGED || json_bytes(known, must.value.data).len > 0) {
            continue;
        }
        AUTO(text_done) struct text print = text_up_to(sizeof(struct sha256_hex) + 1);
        print_write(folder->root, must.value, &sums, &print);
        (void)json_object_set_new(known, must.value.data, json_string(print.data));
    }
    if (json_object_size(known) > 0 && err_failed(json_write(known, prints))) {
        text_clear(prints); /* The must-have says that nothing is known. */
    }
}

/* --- Whether they are met --------------------------------------------------------------------- */

static void outside_add(const struct must_folder *folder, const struct must *must,
                        enum print_end end, struct text *unmet) {
    AUTO(text_done) struct text why = text_up_to(8 << 10);
    if (folder->root.len == 0) {
        text_add_str(&why, "neither the attempt nor its project has a folder");
    } else if (end == PRINT_OUTSIDE) {
        text_addf(&why, "it leads out of the folder of the task, %.*s", (int)folder->root.len,
                  folder->root.data);
    } else {
        text_add_str(&why, end == PRINT_ABSENT ? "it does not exist" : "it cannot be read");
    }
    must_unmet_add(unmet, must, why.data);
}

static void file_check(const struct must_folder *folder, const struct must *must,
                       struct text *unmet) {
    AUTO(fd_release) int fd = -1;
    const enum print_end end =
        folder->root.len == 0 ? PRINT_ABSENT : place_open(folder->root, must->value, O_PATH, &fd);
    if (end != PRINT_WHOLE) {
        outside_add(folder, must, end, unmet);
    }
}

static void unchanged_check(const struct must_folder *folder, const struct must *must,
                            struct bytes before, struct print_sums *io_sums, struct text *unmet) {
    AUTO(text_done) struct text now = text_up_to(sizeof(struct sha256_hex) + 1);
    AUTO(text_done) struct text large = text_up_to(240);
    if (folder->root.len == 0) {
        outside_add(folder, must, PRINT_ABSENT, unmet);
        return;
    }
    if (before.len == 0) {
        must_unmet_add(
            unmet, must,
            "nothing is known of how it was when the task was taken; the condition holds "
            "from the next attempt on, and a person can take it away");
        return;
    }
    print_write(folder->root, must->value, io_sums, &now);
    const struct bytes found = text_bytes(&now);
    if (bytes_is(before, print_ends[PRINT_TOO_LARGE]) ||
        bytes_is(found, print_ends[PRINT_TOO_LARGE])) {
        text_addf(&large,
                  "it is too large to be checked: the paths of a task that must not change may "
                  "hold %d files and %d MB together, and be %d folders deep",
                  PRINT_FILES_MAX, PRINT_BYTES_MAX >> 20, PRINT_DEPTH_MAX);
        must_unmet_add(unmet, must, large.data);
    } else if (bytes_is(found, print_ends[PRINT_OUTSIDE]) ||
               bytes_is(found, print_ends[PRINT_UNREADABLE])) {
        outside_add(folder, must,
                    bytes_is(found, print_ends[PRINT_OUTSIDE]) ? PRINT_OUTSIDE : PRINT_UNREADABLE,
                    unmet);
    } else if (!bytes_equal(before, found)) {
        must_unmet_add(unmet, must, "what is there has changed since the task was taken");
    }
}

bool must_files_check(const struct must_folder *folder, struct text *unmet) {
    AUTO(json_release) json_t *list = NULL;
    AUTO(json_release) json_t *prints = NULL;
    struct print_sums sums = {.files = 0};
    if (err_failed(json_parse_wrapped(folder->must_haves, &list, NULL))) {
        return false;
    }
    if (err_failed(json_parse_wrapped(folder->prints, &prints, NULL))) {
        json_release(&prints); /* Nothing is known. */
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const struct must must = must_read(json_array_get(list, i));
        if (must.kind == MUST_FILE) {
            file_check(folder, &must, unmet);
        } else if (must.kind == MUST_UNCHANGED) {
            unchanged_check(folder, &must, json_bytes(prints, must.value.data), &sums, unmet);
        }
    }
    return true;
}
