/* apply.c: see apply.h.
 *
 *   check ──▶ journal "begun" ──▶ write ──▶ exchange ──▶ sync ──▶ journal "applied" ──▶ clean
 *     │                             │          │
 *     └─ changed                    └──────────┴──▶ put back ──▶ clean ──▶ no journal: changed
 *
 * State of one file, which a repeated order finds out again from its path and its sibling:
 *
 *   WAITING the path is `before`; there is no sibling
 *   WRITTEN the path is `before`; the sibling is written, and has not its name
 *   READY   the path is `before`; the sibling is `after`           (of a deletion there is none)
 *   DONE    the path is `after`; the sibling is `before`           (of a creation there is none)
 *   SKIP    nothing to do and nothing to put back
 *
 *   WAITING ──write──▶ WRITTEN ──publish──▶ READY ──exchange──▶ DONE ──put back──▶ READY
 *
 * The sibling is whole whenever it exists (sibling.h). So a sibling that is not `after` came out of
 * an exchange: it is `before`, or what somebody wrote between check and exchange, and is put back.
 * A path that is not `after` any more although it was exchanged was written later: it stays.
 *
 * A sibling stands in the folder of its file, or in the nearest one above that exists and has no
 * file of the plan in its place: a folder that must go for a file of its name has to be empty.
 * Order of the exchanges: deletions, folders that a created file needs gone, edits, creations. */
#include "tool/changes/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "rules/changes/names.h"
#include "tool/changes/batch.h"
#include "tool/changes/shadow.h"
#include "tool/changes/sibling.h"

enum {
    BATCH_FILES = 16,
    SYNC_EACH_MAX = 16, /* With more files, syncing the whole file system takes less time. */
    JOURNAL_BYTES_MAX = 1 << 20,
    NAMES_BYTES_MAX = 64 << 20,
    ANSWER_BYTES_MAX = 32 << 20,
};

enum file_stage { FILE_SKIP, FILE_WAITING, FILE_WRITTEN, FILE_READY, FILE_DONE };
enum file_kind { FILE_DELETE, FILE_EDIT, FILE_CREATE, FILE_KINDS };
enum apply_way { WAY_FORWARD, WAY_BACK };

/* The file was as wanted when the order began: it is left alone. */
#define PLACE_NONE SIZE_MAX

static const char *const way_names[] = {"forward", "back", NULL};

struct apply_file {
    struct bytes path;           /* Terminated. */
    struct file_state states[2]; /* Before and after. */
    size_t number;               /* Index in the order. */
    size_t place_len;            /* Length of the path of the sibling's folder. */
    enum file_stage stage;
    bool has_twin; /* Another path of the order is equal but for the case of letters. */
    bool clash;    /* True: somebody else changed the file. */
};

struct apply {
    const json_t *order;
    struct shadow shadow;
    struct sibling_root root; /* fd: owned. */
    int folder_fd;            /* Owned; locked while the order runs. */
    struct shadow_path journal;
    struct arena names;       /* Owned; paths. */
    struct apply_file *files; /* Owned; by path. */
    size_t count;
    enum apply_way way; /* Direction of the journal that is worked on. */
    struct text kept;   /* Owned; names, with commas. */
};

static void apply_done(struct apply *apply) {
    fd_release(&apply->root.fd);
    fd_release(&apply->folder_fd);
    arena_done(&apply->names);
    mem_free(apply->files);
    text_done(&apply->kept);
}

static const struct file_state *file_before(const struct apply *apply,
                                            const struct apply_file *file) {
    return &file->states[apply->way == WAY_FORWARD ? 0 : 1];
}

static const struct file_state *file_after(const struct apply *apply,
                                           const struct apply_file *file) {
    return &file->states[apply->way == WAY_FORWARD ? 1 : 0];
}

static enum file_kind file_kind(const struct apply *apply, const struct apply_file *file) {
    if (!file_state_exists(file_after(apply, file))) {
        return FILE_DELETE;
    }
    return file_state_exists(file_before(apply, file)) ? FILE_EDIT : FILE_CREATE;
}

/* --- The order -------------------------------------------------------------------------------- */

static bool state_read(const json_t *row, const char *hash_name, const char *mode_name,
                       struct file_state *ret_state) {
    static const char *const modes[] = {"100644", "100755", "120000", NULL};
    const json_t *hash = json_object_get(row, hash_name), *mode = json_object_get(row, mode_name);
    unsigned char bytes[(TREE_HEX - 1) / 2];
    unsigned at = 0;
    *ret_state = (struct file_state){.mode = ""};
    if ((hash == NULL || json_is_null(hash)) && (mode == NULL || json_is_null(mode))) {
        return true;
    }
    if (!hex_parse(json_text(hash), bytes, sizeof bytes) ||
        !bytes_find(json_text(mode), modes, &at)) {
        return false;
    }
    memcpy(ret_state->mode, modes[at], strlen(modes[at]) + 1);
    hex_write(bytes, sizeof bytes, ret_state->hash);
    return true;
}

static int file_compare(const void *a, const void *b) {
    return bytes_compare(((const struct apply_file *)a)->path,
                         ((const struct apply_file *)b)->path);
}

static struct err row_take(struct apply *apply, const json_t *row, size_t number, struct why *why) {
    struct apply_file *file = &apply->files[number];
    AUTO(text_done) struct text path = text_up_to(LIMIT_PATH_MAX - 1);
    if (!change_name_read(json_bytes(row, "path"), &path) ||
        !change_name_is_safe(text_bytes(&path))) {
        return err_why(why, ERR_BAD_FIELD, "files: not the name of a file");
    }
    *file = (struct apply_file){.number = number};
    const char *copy = arena_try_copy(&apply->names, path.data, path.len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "changes: paths");
    }
    file->path = (struct bytes){copy, path.len};
    if (!state_read(row, "before", "mode_before", &file->states[0]) ||
        !state_read(row, "after", "mode_after", &file->states[1]) ||
        file_state_equal(&file->states[0], &file->states[1])) {
        return err_why(why, ERR_BAD_FIELD, "files: before and after must be two different states");
    }
    return ERR_OK;
}

static int folded_compare(const void *a, const void *b) {
    const struct apply_file *one = *(struct apply_file *const *)a;
    const struct apply_file *other = *(struct apply_file *const *)b;
    return strcasecmp(one->path.data, other->path.data);
}

/* Marks paths that a file system may take for one. */
static void twins_mark(struct apply *apply) {
    AUTO(mem_release)
    struct apply_file **files = mem_new_array(apply->count + 1, sizeof *files);
    for (size_t i = 0; i < apply->count; i++) {
        files[i] = &apply->files[i];
    }
    if (apply->count > 0) {
        qsort(files, apply->count, sizeof *files, folded_compare);
    }
    for (size_t i = 1; i < apply->count; i++) {
        if (folded_compare(&files[i - 1], &files[i]) == 0) {
            files[i - 1]->has_twin = files[i]->has_twin = true;
        }
    }
}

static struct err files_read(struct apply *apply, struct why *why) {
    const json_t *list = json_object_get(apply->order, "files");
    const size_t count = json_array_size(list);
    if (count > APPLY_FILES_MAX) {
        return err_why(why, ERR_TOO_EXPENSIVE, "files: more than %d", APPLY_FILES_MAX);
    }
    apply->files = mem_new_array(count + 1, sizeof *apply->files);
    for (size_t i = 0; i < count; i++) {
        TRY(row_take(apply, json_array_get(list, i), i, why));
    }
    apply->count = count;
    if (count > 0) {
        qsort(apply->files, count, sizeof *apply->files, file_compare);
    }
    for (size_t i = 1; i < count; i++) {
        if (file_compare(&apply->files[i - 1], &apply->files[i]) == 0) {
            return err_why(why, ERR_BAD_FIELD, "files: a path stands there twice");
        }
    }
    twins_mark(apply);
    return ERR_OK;
}

static bool is_id(const char *id) {
    const size_t len =
        strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return len > 0 && len <= 64 && id[len] == '\0';
}

static struct err order_open(struct apply *apply, struct why *why) {
    const char *root = json_str(apply->order, "root", ""), *id = json_str(apply->order, "name", "");
    const char *folder = json_str(apply->order, "folder", "");
    const int len = snprintf(apply->journal.text, sizeof apply->journal.text, "%s/%s", folder, id);
    if (root[0] != '/' || folder[0] != '/' || !is_id(id) ||
        (size_t)len + sizeof ".new" > sizeof apply->journal.text) {
        return err_why(why, ERR_BAD_FIELD, "root and folder must be absolute, name an id");
    }
    TRY(shadow_open(json_str(apply->order, "git", "/usr/bin/git"),
                    json_str(apply->order, "shadow", ""), &apply->shadow, why));
    apply->root.umask = (unsigned)json_int(apply->order, "umask", 0);
    apply->root.fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (apply->root.fd < 0) {
        return err_why(why, ERR_NOT_FOUND, "the folder %.200s cannot be opened", root);
    }
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        return err_from_errno(errno, "changes: folder of the journal");
    }
    apply->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = -1;
    while (apply->folder_fd >= 0 && (rc = flock(apply->folder_fd, LOCK_EX)) < 0 && errno == EINTR) {
    }
    return rc == 0 ? ERR_OK : err_from_errno(errno, "changes: folder of the journal");
}

/* --- The journal ------------------------------------------------------------------------------ */

enum journal_state { JOURNAL_NONE, JOURNAL_BEGUN, JOURNAL_APPLIED };

static const char *const journal_names[] = {"none", "begun", "applied", NULL};

static struct err journal_write(const struct apply *apply, enum journal_state state) {
    AUTO(text_done) struct text text = text_up_to(JOURNAL_BYTES_MAX);
    AUTO(mem_release)
    int64_t *places = mem_new_array(apply->count + 1, sizeof *places); /* By number. */
    for (size_t i = 0; i < apply->count; i++) {
        const struct apply_file *file = &apply->files[i];
        places[file->number] = file->place_len == PLACE_NONE ? -1 : (int64_t)file->place_len;
    }
    text_add_char(&text, '{');
    text_add_member_str(&text, "way", way_names[apply->way]);
    text_add_member_str(&text, "state", journal_names[state]);
    text_add_name(&text, "places");
    text_add_char(&text, '[');
    for (size_t i = 0; i < apply->count; i++) {
        text_add_str(&text, i > 0 ? "," : "");
        text_add_int(&text, places[i]);
    }
    text_add_str(&text, "]}");
    return text_failed(&text) ? text_error(&text, "changes: journal")
                              : shadow_write_file(apply->journal.text, text_bytes(&text));
}

static bool place_fits(const struct apply_file *file, int64_t place) {
    return place == -1 || place == 0 ||
           (place > 0 && (size_t)place < file->path.len && file->path.data[place] == '/');
}

/* Also sets the way, the places and the stages of the files: SKIP or WAITING. */
static struct err journal_read(struct apply *apply, enum journal_state *ret_state,
                               struct why *why) {
    AUTO(text_done) struct text text = text_up_to(JOURNAL_BYTES_MAX);
    AUTO(json_release) json_t *journal = NULL;
    char piece[4096];
    unsigned way = 0, state = 0;
    AUTO(fd_release) int fd = open(apply->journal.text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        *ret_state = JOURNAL_NONE;
        return ERR_OK;
    }
    for (ssize_t got = 1; got > 0; text_add(&text, piece, got > 0 ? (size_t)got : 0)) {
        got = read(fd, piece, sizeof piece);
        if (got < 0) {
            return err_from_errno(errno, "changes: journal");
        }
    }
    const json_t *places = NULL;
    if (!text_failed(&text) &&
        !err_failed(json_parse(text.data, text.len, JSON_DEPTH_MAX, &journal, NULL /* why */))) {
        places = json_object_get(journal, "places");
    }
    bool good = json_array_size(places) == apply->count && json_is_array(places) &&
                bytes_find(json_bytes(journal, "way"), way_names, &way) &&
                bytes_find(json_bytes(journal, "state"), journal_names, &state);
    for (size_t i = 0; i < apply->count && good; i++) {
        struct apply_file *file = &apply->files[i];
        const json_t *place = json_array_get(places, file->number);
        good = json_is_integer(place) && place_fits(file, json_integer_value(place));
        file->stage = good && json_integer_value(place) >= 0 ? FILE_WAITING : FILE_SKIP;
        file->place_len =
            file->stage == FILE_WAITING ? (size_t)json_integer_value(place) : PLACE_NONE;
    }
    if (!good) {
        return err_why(why, ERR_CONFLICT, "the journal %.200s is of another order",
                       apply->journal.text);
    }
    apply->way = way;
    *ret_state = state;
    return ERR_OK;
}

static struct err journal_remove(const struct apply *apply) {
    if ((unlink(apply->journal.text) < 0 && errno != ENOENT) || fsync(apply->folder_fd) < 0) {
        return err_from_errno(errno, "changes: journal");
    }
    return ERR_OK;
}

/* --- One file --------------------------------------------------------------------------------- */

static struct err file_open(const struct apply *apply, const struct apply_file *file,
                            enum sibling_missing missing, struct sibling *ret_sibling,
                            struct why *why) {
    struct sibling sibling = {.path = file->path,
                              .place_len = file->place_len == PLACE_NONE ? 0 : file->place_len,
                              .folder_fd = -1,
                              .place_fd = -1,
                              .has_twin = file->has_twin};
    (void)snprintf(sibling.hidden, sizeof sibling.hidden, ".drover-%s-%zu",
                   json_str(apply->order, "name", ""), file->number); /* Fits. */
    TRY(sibling_open(&apply->root, missing, &sibling, why));
    *ret_sibling = sibling;
    return ERR_OK;
}

static struct bytes folder_of(struct bytes path) {
    const char *slash = memrchr(path.data, '/', path.len);
    return (struct bytes){path.data, slash == NULL ? 0 : (size_t)(slash - path.data)};
}

/* The file of the plan that shall stand at the path of a folder; NULL: none. */
static const struct apply_file *file_in_place_of(const struct apply *apply, struct bytes folder) {
    const struct apply_file wanted = {.path = folder};
    const struct apply_file *file = apply->count == 0 ? NULL
                                                      : bsearch(&wanted, apply->files, apply->count,
                                                                sizeof *apply->files, file_compare);
    return file != NULL && file_state_exists(file_after(apply, file)) ? file : NULL;
}

static size_t place_find(const struct apply *apply, const struct apply_file *file) {
    size_t len = sibling_existing_len(&apply->root, file->path);
    for (struct bytes folder = {file->path.data, len}; folder.len > 0; folder = folder_of(folder)) {
        if (file_in_place_of(apply, folder) != NULL) {
            len = folder_of(folder).len;
        }
    }
    return len;
}

/* Whether the plan has a file of a kind below the path of this one. */
static bool has_below(const struct apply *apply, const struct apply_file *file,
                      enum file_kind kind) {
    bool found = false;
    for (size_t i = 0; i < apply->count && !found; i++) {
        const struct apply_file *other = &apply->files[i];
        found = other->path.len > file->path.len && bytes_begin(other->path, file->path) &&
                other->path.data[file->path.len] == '/' && file_kind(apply, other) == kind;
    }
    return found;
}

/* State of the path. A folder counts as nothing where the plan empties it for a file, or makes it
 * in place of one: the exchange finds out what is in it. */
static struct err file_look(const struct apply *apply, const struct apply_file *file,
                            const struct sibling *sibling, struct file_state *ret_now,
                            struct why *why) {
    const enum file_kind kind = file_kind(apply, file);
    TRY(sibling_state(sibling, SIBLING_FILE, SIBLING_LOOSE, ret_now, why));
    if (strcmp(ret_now->mode, "other") == 0 && kind != FILE_EDIT &&
        has_below(apply, file, kind == FILE_CREATE ? FILE_DELETE : FILE_CREATE)) {
        *ret_now = (struct file_state){.mode = ""};
    }
    return ERR_OK;
}

/* The state of a file for which there is no journal. */
static struct err file_check(const struct apply *apply, struct apply_file *file, struct why *why) {
    AUTO(sibling_close) struct sibling sibling = {.folder_fd = -1, .place_fd = -1};
    struct file_state now;
    file->place_len = PLACE_NONE;
    TRY(file_open(apply, file, SIBLING_MISSING_LEAVE, &sibling, why));
    TRY(file_look(apply, file, &sibling, &now, why));
    file->stage = file_state_equal(&now, file_before(apply, file)) ? FILE_WAITING : FILE_SKIP;
    file->clash = file->stage == FILE_SKIP && !file_state_equal(&now, file_after(apply, file));
    file->place_len = file->stage == FILE_WAITING ? place_find(apply, file) : PLACE_NONE;
    return ERR_OK;
}

/* The state of a file that an interrupted try has worked on. */
static struct err file_recover(const struct apply *apply, struct apply_file *file,
                               struct why *why) {
    const struct file_state *before = file_before(apply, file), *after = file_after(apply, file);
    AUTO(sibling_close) struct sibling sibling = {.folder_fd = -1, .place_fd = -1};
    struct file_state now, hidden;
    TRY(file_open(apply, file, SIBLING_MISSING_LEAVE, &sibling, why));
    TRY(file_look(apply, file, &sibling, &now, why));
    TRY(sibling_state(&sibling, SIBLING_HIDDEN, SIBLING_LOOSE, &hidden, why));
    const bool is_before = file_state_equal(&now, before), is_after = file_state_equal(&now, after);
    if (!file_state_exists(&hidden)) {
        const bool created = is_after && !file_state_exists(before);
        file->stage = is_before ? FILE_WAITING : created ? FILE_DONE : FILE_SKIP;
        file->clash = !is_before && !is_after;
    } else if (file_state_equal(&hidden, after)) {
        file->stage = FILE_READY;
        file->clash = !is_before;
    } else {
        file->stage = FILE_DONE;
        file->clash = !is_after || !file_state_equal(&hidden, before);
    }
    return ERR_OK;
}

static struct err file_prepare(const struct apply *apply, struct apply_file *file,
                               struct bytes content, struct why *why) {
    AUTO(sibling_close) struct sibling sibling = {.folder_fd = -1, .place_fd = -1};
    TRY(file_open(apply, file, SIBLING_MISSING_LEAVE, &sibling, why));
    const struct sibling_content new = {.mode = file_after(apply, file)->mode,
                                        .bytes = content,
                                        .umask = apply->root.umask,
                                        .sync = apply->count > SYNC_EACH_MAX ? SIBLING_SYNC_LATER
                                                                             : SIBLING_SYNC_NOW};
    const struct err err = sibling_write(&sibling, &new, why);
    file->clash = err.code == ERR_CONFLICT; /* Folder removed since the check. */
    TRY(file->clash ? ERR_OK : err);
    file->stage = FILE_WRITTEN;
    return ERR_OK;
}

/* Device of the folder of a written sibling, which is synced where it is not *io_device. */
static struct err file_device_sync(const struct apply *apply, const struct apply_file *file,
                                   dev_t *io_device, struct why *why) {
    AUTO(sibling_close) struct sibling sibling = {.folder_fd = -1, .place_fd = -1};
    struct stat about;
    TRY(file_open(apply, file, SIBLING_MISSING_LEAVE, &sibling, why));
    if (sibling.place_fd < 0 || fstat(sibling.place_fd, &about) < 0 || about.st_dev == *io_device) {
        return ERR_OK; /* A folder that is missing is found when the file is published. */
    }
    if (syncfs(sibling.place_fd) < 0) {
        return err_from_errno(errno, "changes: sync");
    }
    *io_device = about.st_dev;
    return ERR_OK;
}

static struct err file_publish(const struct apply *apply, struct apply_file *file,
                               struct why *why) {
    AUTO(sibling_close) struct sibling sibling = {.folder_fd = -1, .place_fd = -1};
    TRY(file_open(apply, file, SIBLING_MISSING_LEAVE, &sibling, why));
    const struct err err = sibling_publish(&sibling, why);
    file->clash = err.code == ERR_CONFLICT; /* Folder removed since the check. */
    TRY(file->clash ? ERR_OK : err);
    file->stage = FILE_READY;
    return ERR_OK;
}

static enum sibling_move move_of(enum file_kind kind) {
    static const enum sibling_move moves[] = {
        [FILE_DELETE] = SIBLING_HIDE, [FILE_EDIT] = SIBLING_EXCHANGE, [FILE_CREATE] = SIBLING_SHOW};
    return moves[kind];
}

static enum sibling_move move_back_of(enum file_kind kind) {
    static const enum sibling_move moves[] = {
        [FILE_DELETE] = SIBLING_SHOW, [FILE_EDIT] = SIBLING_EXCHANGE, [FILE_CREATE] = SIBLING_HIDE};
    return moves[kind];
}

/* Puts back what the exchange of a file brought out. Where somebody has written the new file since,
 * or a file stands there again, that one stays. */
static struct err file_put_back(const struct apply *apply, struct apply_file *file,
                                struct why *why) {
    const enum file_kind kind = file_kind(apply, file);
    AUTO(sibling_close) struct sibling sibling = {.folder_fd = -1, .place_fd = -1};
    struct file_state hidden;
    struct err err =
        file_open(apply, file, kind == FILE_DELETE ? SIBLING_MISSING_MAKE : SIBLING_MISSING_LEAVE,
                  &sibling, why);
    if (!err_failed(err)) {
        err = sibling_move(&sibling, move_back_of(kind), why);
    }
    file->stage = err_failed(err) && err.code != ERR_CONFLICT ? FILE_DONE : FILE_READY;
    if (err.code == ERR_CONFLICT) {
        file->clash = true;
        return ERR_OK;
    }
    TRY(err);
    if (kind == FILE_DELETE) {
        return ERR_OK;
    }
    TRY(sibling_state(&sibling, SIBLING_HIDDEN, SIBLING_SEALED, &hidden, why));
    if (file_state_equal(&hidden, file_after(apply, file))) {
        return ERR_OK;
    }
    file->clash = true;
    err = sibling_move(&sibling, move_of(kind), why);
    return err.code == ERR_CONFLICT ? ERR_OK : err; /* The sibling is kept. */
}

static struct err file_exchange(const struct apply *apply, struct apply_file *file,
                                struct why *why) {
    const enum file_kind kind = file_kind(apply, file);
    AUTO(sibling_close) struct sibling sibling = {.folder_fd = -1, .place_fd = -1};
    struct file_state hidden;
    struct err err =
        file_open(apply, file, kind == FILE_CREATE ? SIBLING_MISSING_MAKE : SIBLING_MISSING_LEAVE,
                  &sibling, why);
    if (!err_failed(err)) {
        err = sibling_move(&sibling, move_of(kind), why);
    }
    if (err.code == ERR_CONFLICT) {
        file->clash = true;
        return ERR_OK;
    }
    TRY(err);
    file->stage = FILE_DONE;
    if (kind == FILE_CREATE) {
        return ERR_OK;
    }
    TRY(sibling_state(&sibling, SIBLING_HIDDEN, SIBLING_SEALED, &hidden, why));
    file->clash = !file_state_equal(&hidden, file_before(apply, file));
    return file->clash ? file_put_back(apply, file, why) : ERR_OK;
}

/* Removes the sibling, unless it holds the only copy of a content. */
static struct err file_clean(struct apply *apply, const struct apply_file *file, struct why *why) {
    AUTO(sibling_close) struct sibling sibling = {.folder_fd = -1, .place_fd = -1};
    struct file_state hidden;
    TRY(file_open(apply, file, SIBLING_MISSING_LEAVE, &sibling, why));
    TRY(sibling_state(&sibling, SIBLING_HIDDEN, SIBLING_SEALED, &hidden, why));
    const bool is_stored = !file_state_exists(&hidden) ||
                           file_state_equal(&hidden, &file->states[0]) ||
                           file_state_equal(&hidden, &file->states[1]);
    if (!is_stored) {
        AUTO(text_done) struct text name = text_up_to(8 * LIMIT_PATH_MAX);
        change_name_write(file->path, &name);
        text_add_str(&apply->kept, apply->kept.len > 0 ? "," : "");
        text_add_json(&apply->kept, name.data, name.len);
        TRY(sibling_keep(&sibling, why));
    }
    return sibling_remove(&sibling, why);
}

/* --- All files -------------------------------------------------------------------------------- */

static bool has_clash(const struct apply *apply) {
    bool clash = false;
    for (size_t i = 0; i < apply->count && !clash; i++) {
        clash = apply->files[i].clash;
    }
    return clash;
}

static struct err files_check(struct apply *apply, struct why *why) {
    for (size_t i = 0; i < apply->count; i++) {
        TRY(file_check(apply, &apply->files[i], why));
    }
    return ERR_OK;
}

static struct err files_recover(struct apply *apply, struct why *why) {
    for (size_t i = 0; i < apply->count; i++) {
        if (apply->files[i].stage != FILE_SKIP) {
            TRY(file_recover(apply, &apply->files[i], why));
        }
    }
    return ERR_OK;
}

/* Contents of some files, in their order. ERR_TOO_EXPENSIVE: they are too long together. */
static struct err contents_read(const struct apply *apply, struct apply_file *const *files,
                                size_t count, struct git_result *ret_result, struct why *why) {
    AUTO(text_done) struct text hashes = text_up_to((size_t)(BATCH_FILES + 1) * TREE_HEX);
    for (size_t i = 0; i < count; i++) {
        text_addf(&hashes, "%s\n", file_after(apply, files[i])->hash);
    }
    return batch_read(&apply->shadow, text_bytes(&hashes), ret_result, why);
}

static struct err files_batch_write(const struct apply *apply, struct apply_file *const *files,
                                    size_t count, struct why *why) {
    AUTO(git_result_done) struct git_result result = {.code = 0};
    const struct err err = contents_read(apply, files, count, &result, why);
    if (err.code == ERR_TOO_EXPENSIVE && count > 1) {
        for (size_t i = 0; i < count; i++) {
            TRY(files_batch_write(apply, &files[i], 1, why));
        }
        return ERR_OK;
    }
    TRY(err);
    struct bytes rest = text_bytes(&result.output), content = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        if (!batch_next(&rest, &content)) {
            return err_why(why, ERR_GONE, "a content of the plan is not in the repository");
        }
        TRY(file_prepare(apply, files[i], content, why));
    }
    return ERR_OK;
}

static struct err files_write(struct apply *apply, struct why *why) {
    struct apply_file *batch[BATCH_FILES];
    size_t count = 0;
    for (size_t i = 0; i < apply->count; i++) {
        struct apply_file *file = &apply->files[i];
        if (file->stage == FILE_WAITING && file_kind(apply, file) != FILE_DELETE) {
            batch[count++] = file;
        }
        if (count == BATCH_FILES || (count > 0 && i + 1 == apply->count)) {
            TRY(files_batch_write(apply, batch, count, why));
            count = 0;
        }
    }
    return ERR_OK;
}

static struct err files_publish(struct apply *apply, struct why *why) {
    dev_t device = 0;
    for (size_t i = 0; i < apply->count && apply->count > SYNC_EACH_MAX; i++) {
        if (apply->files[i].stage == FILE_WRITTEN) {
            TRY(file_device_sync(apply, &apply->files[i], &device, why));
        }
    }
    for (size_t i = 0; i < apply->count; i++) {
        if (apply->files[i].stage == FILE_WRITTEN) {
            TRY(file_publish(apply, &apply->files[i], why));
        }
    }
    return ERR_OK;
}

/* Files are sorted, so those of one folder mostly follow each other: it is synced once. */
static struct err files_sync(const struct apply *apply, struct why *why) {
    struct bytes last = {NULL, 0};
    size_t last_place = 0;
    for (size_t i = 0; i < apply->count; i++) {
        const struct apply_file *file = &apply->files[i];
        const struct bytes folder = folder_of(file->path);
        const bool again =
            last.data != NULL && bytes_equal(folder, last) && last_place == file->place_len;
        if (file->stage != FILE_SKIP && !again) {
            TRY(sibling_folders_sync(&apply->root, file->path, file->place_len, why));
            last = folder;
            last_place = file->place_len;
        }
    }
    return ERR_OK;
}

/* Removes the folder of a deleted file where a file of the plan needs its name. */
static struct err place_free(const struct apply *apply, const struct apply_file *file,
                             struct why *why) {
    struct err err = ERR_OK;
    for (struct bytes folder = folder_of(file->path); folder.len > 0; folder = folder_of(folder)) {
        if (file_in_place_of(apply, folder) != NULL) {
            err = sibling_folders_remove(&apply->root, file->path, folder_of(folder).len, why);
        }
    }
    return err.code == ERR_CONFLICT ? ERR_OK : err; /* The exchange finds the folder there. */
}

/* Ends at the first file that somebody else changed. */
static struct err files_exchange(struct apply *apply, struct why *why) {
    for (enum file_kind kind = FILE_DELETE; kind < FILE_KINDS; kind++) {
        for (size_t i = 0; i < apply->count; i++) {
            struct apply_file *file = &apply->files[i];
            const bool waits =
                file->stage == FILE_READY || (file->stage == FILE_WAITING && kind == FILE_DELETE);
            if (file_kind(apply, file) != kind || !waits) {
                continue;
            }
            TRY(file_exchange(apply, file, why));
            if (file->clash) {
                return ERR_OK;
            }
        }
        for (size_t i = 0; i < apply->count && kind == FILE_DELETE; i++) {
            if (file_kind(apply, &apply->files[i]) == FILE_DELETE) {
                TRY(place_free(apply, &apply->files[i], why));
            }
        }
    }
    return ERR_OK;
}

static struct err files_put_back(struct apply *apply, struct why *why) {
    for (enum file_kind kind = FILE_KINDS; kind-- > FILE_DELETE;) {
        for (size_t i = apply->count; i-- > 0;) {
            struct apply_file *file = &apply->files[i];
            if (file_kind(apply, file) != kind || file->stage == FILE_SKIP) {
                continue;
            }
            if (file->stage == FILE_DONE) {
                TRY(file_put_back(apply, file, why));
            }
            if (kind == FILE_CREATE) {
                /* Files of others may be in it, and an empty folder harms nobody. */
                (void)sibling_folders_remove(&apply->root, file->path, file->place_len, NULL);
            }
        }
    }
    return ERR_OK;
}

static struct err files_clean(struct apply *apply, struct why *why) {
    for (size_t i = 0; i < apply->count; i++) {
        if (apply->files[i].place_len != PLACE_NONE) {
            TRY(file_clean(apply, &apply->files[i], why));
        }
    }
    return ERR_OK;
}

/* Folders that the deletions have left empty. */
static void folders_clean(const struct apply *apply) {
    for (size_t i = 0; i < apply->count; i++) {
        const struct apply_file *file = &apply->files[i];
        if (file->stage != FILE_SKIP && file_kind(apply, file) == FILE_DELETE) {
            /* Other files may be in it, and an empty folder harms nobody. */
            (void)sibling_folders_remove(&apply->root, file->path, 0, NULL);
        }
    }
}

/* --- The order as a whole --------------------------------------------------------------------- */

/* Gives up a try. A kill meanwhile leaves the journal, and the next order gives it up again. */
static struct err try_end(struct apply *apply, struct why *why) {
    struct why own = {.text = ""};
    struct err err = files_put_back(apply, &own);
    err = err_failed(err) ? err : files_clean(apply, &own);
    err = err_failed(err) ? err : files_sync(apply, &own);
    err = err_failed(err) ? err : journal_remove(apply);
    if (err_failed(err)) {
        return err_why(why, err.code, "files could not be put back, repeat the order: %.300s",
                       err_words(err, &own));
    }
    return ERR_OK;
}

/* The files are as wanted. A sibling that cannot be removed takes space, and a repeated order tries
 * it again. */
static void try_finish(struct apply *apply) {
    for (size_t i = 0; i < apply->count; i++) {
        if (apply->files[i].place_len != PLACE_NONE) {
            (void)file_clean(apply, &apply->files[i], NULL /* why */);
        }
    }
    folders_clean(apply);
}

/* Writes and exchanges all files that are not done. */
static struct err try_work(struct apply *apply, struct why *why) {
    TRY(files_write(apply, why));
    TRY(files_publish(apply, why));
    TRY(files_sync(apply, why));
    TRY(has_clash(apply) ? ERR_OK : files_exchange(apply, why));
    return has_clash(apply) ? ERR_OK : files_sync(apply, why);
}

/* Ends what the other way has left, so that this one can begin. */
static struct err other_way_end(struct apply *apply, enum journal_state state, struct why *why) {
    if (state == JOURNAL_BEGUN) {
        TRY(files_recover(apply, why));
        return try_end(apply, why);
    }
    try_finish(apply);
    return journal_remove(apply);
}

/* *ret_clash: somebody changed a file, and all are as they were. */
static struct err apply_run(struct apply *apply, enum apply_way way, bool *ret_clash,
                            struct why *why) {
    enum journal_state state = JOURNAL_NONE;
    TRY(journal_read(apply, &state, why));
    if (state != JOURNAL_NONE && apply->way != way) {
        TRY(other_way_end(apply, state, why));
        state = JOURNAL_NONE;
    }
    apply->way = way;
    *ret_clash = false;
    if (state == JOURNAL_APPLIED) {
        try_finish(apply);
        return ERR_OK;
    }
    TRY(state == JOURNAL_NONE ? files_check(apply, why) : files_recover(apply, why));
    *ret_clash = has_clash(apply);
    if (state == JOURNAL_NONE) {
        if (*ret_clash) {
            return ERR_OK;
        }
        TRY(journal_write(apply, JOURNAL_BEGUN));
    }
    struct err err = *ret_clash ? ERR_OK : try_work(apply, why);
    *ret_clash = has_clash(apply);
    if (!err_failed(err) && !*ret_clash) {
        err = journal_write(apply, JOURNAL_APPLIED);
        /* The failed write may have replaced the journal, which must not say so of files that are
         * put back. */
        const struct err again = err_failed(err) ? journal_write(apply, JOURNAL_BEGUN) : ERR_OK;
        if (err_failed(again)) {
            return err_why(why, again.code, "the journal cannot be written, repeat the order");
        }
    }
    if (err_failed(err) || *ret_clash) {
        TRY(try_end(apply, why));
        return err;
    }
    try_finish(apply);
    return ERR_OK;
}

static void apply_answer(const struct apply *apply, bool clash, struct text *answer) {
    AUTO(text_done) struct text name = text_up_to(8 * LIMIT_PATH_MAX);
    size_t written = 0;
    text_add_char(answer, '{');
    text_add_member_str(answer, "state", clash ? "changed" : "applied");
    if (clash) {
        text_add_name(answer, "paths");
        text_add_char(answer, '[');
        for (size_t i = 0; i < apply->count; i++) {
            if (apply->files[i].clash) {
                text_clear(&name);
                change_name_write(apply->files[i].path, &name);
                text_add_str(answer, written++ > 0 ? "," : "");
                text_add_json(answer, name.data, name.len);
            }
        }
        text_add_char(answer, ']');
    }
    text_add_name(answer, "kept");
    text_add_char(answer, '[');
    text_add(answer, apply->kept.data == NULL ? "" : apply->kept.data, apply->kept.len);
    text_add_str(answer, "]}");
}

struct err apply_files(const json_t *order, struct text *answer, struct why *why) {
    AUTO(apply_done)
    struct apply apply = {
        .order = order, .root = {.fd = -1}, .folder_fd = -1, .kept = text_up_to(ANSWER_BYTES_MAX)};
    unsigned way = WAY_FORWARD;
    bool clash = false;
    arena_init(&apply.names, NAMES_BYTES_MAX);
    if (!bytes_find(json_bytes(order, "way"), way_names, &way)) {
        return err_why(why, ERR_BAD_FIELD, "way: forward or back");
    }
    /* The kernel tells the holder of a lease by this signal that somebody opens the file. */
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGIO, &ignore, NULL /* old */); /* Cannot fail. */
    TRY(order_open(&apply, why));
    TRY(files_read(&apply, why));
    TRY(apply_run(&apply, way, &clash, why));
    apply_answer(&apply, clash, answer);
    return text_failed(answer) ? text_error(answer, "changes: answer") : ERR_OK;
}
