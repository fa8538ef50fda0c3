/* take.c: see take.h.
 *
 *   gather names ──> a fate for each ──> store contents ──> write the index ──> git write-tree
 *        │                                                                          │
 *        └── nothing differs: the tree of the last pass, from the file `tree` ──────┴──> answer
 *
 * The time of the index. Git takes a file for unchanged if size and times are those in the index,
 * and compares times in whole seconds. A write of the same length in the same second as the reading
 * would never be seen. Git's own cure is to look at the content of all files that are not older
 * than the index itself; but a pass may take seconds, and the index is written at its end. So its
 * time is set back to the second in which the pass began: a write after that is in this second or a
 * later one, hence either it has another time than the entry, or the content is compared. A pass
 * that finds nothing sets the time, too: by then, git has compared all contents that were in doubt,
 * and need not do so again.
 *
 * Two kinds of entries are marked (git_entry_doubt), so that the next pass looks at the file again:
 * of a file that could not be read and keeps its old entry; and of one that was changed in the
 * second of the pass, or later, but has an older time of writing, as copies have. Git doubts the
 * content only where the time of writing is young, and does not consider the time of change. */
#include "tool/changes/take.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/glob.h"
#include "base/hash.h"
#include "rules/changes/listing.h"
#include "rules/changes/names.h"
#include "tool/changes/contents.h"
#include "tool/changes/gather.h"
#include "tool/changes/git_index.h"
#include "tool/changes/shadow.h"
#include "tool/changes/steps.h"

enum {
    CAPTURE_MAX = 200,
    PATHS_MAX = 1000,
    PATHS_BYTES_MAX = 4 << 20,
    SIZE_LIMIT = 64 << 20, /* Upper bound of size_max. */
    SIZE_USUAL = 4 << 20,
    FILES_USUAL = 200000,
    LARGE_LOOK_S = 3600, /* A large world is looked at again after that. */
};
static const int64_t bytes_usual = INT64_C(2) << 30;
static const char trees_folder[] = ".drover/worktrees/";

struct left_out {
    struct bytes path;
    const char *why;
};

struct take {
    const json_t *order; /* Borrowed. */
    const char *root;
    int64_t files_max, bytes_max, size_max;
    struct bytes capture[CAPTURE_MAX];
    size_t capture_count;
    struct text path_bytes; /* Owned; the paths of the order, each with a NUL. */
    struct bytes paths[PATHS_MAX];
    size_t path_count;

    int root_fd;          /* Owned. */
    struct shadow shadow; /* Owned. */
    struct git_index index;
    struct gathering gathering;
    struct content_item *items; /* Owned; files to be stored. */
    size_t item_count;
    struct git_change *changes; /* Owned; room for each name. */
    size_t change_count;
    enum { WORLD_READY, WORLD_LARGE } size;
    char before[TREE_HEX]; /* Tree of the point before; "": none. */

    struct left_out left_out[TAKE_LEFT_OUT_MAX];
    size_t left_out_count;
    struct text secrets; /* Owned; members of a JSON object. */
    size_t secret_count;
    struct bytes nested_checked; /* The last folder that was looked at for repositories around. */
    struct bytes nested_found;   /* The repository around it; empty: none. */
};

static void take_done(struct take *take) {
    text_done(&take->path_bytes);
    text_done(&take->secrets);
    gathering_done(&take->gathering);
    git_index_done(&take->index);
    mem_free(take->items);
    mem_free(take->changes);
    shadow_close(&take->shadow);
    fd_release(&take->root_fd);
}

/* --- The order -------------------------------------------------------------------------------- */

static int name_compare(const void *a, const void *b) {
    const struct bytes *one = a, *other = b;
    return bytes_compare(*one, *other);
}

static struct err paths_read(struct take *take, struct why *why) {
    const json_t *paths = json_object_get(take->order, "paths");
    const size_t count = json_array_size(paths);
    if (count > PATHS_MAX) {
        return err_why(why, ERR_BAD_FIELD, "paths: more than %d", PATHS_MAX);
    }
    take->path_bytes = text_up_to(PATHS_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        const size_t begin = take->path_bytes.len;
        if (!change_name_read(json_text(json_array_get(paths, i)), &take->path_bytes) ||
            !change_name_is_safe(
                (struct bytes){take->path_bytes.data + begin, take->path_bytes.len - begin})) {
            text_cut(&take->path_bytes, begin); /* A path outside of the world is no part of it. */
            continue;
        }
        text_add_char(&take->path_bytes, '\0');
    }
    struct bytes rest = text_bytes(&take->path_bytes), path = {NULL, 0};
    while (take->path_count < PATHS_MAX && bytes_next(&rest, '\0', &path)) {
        take->paths[take->path_count++] = path;
    }
    qsort(take->paths, take->path_count, sizeof *take->paths, name_compare);
    return ERR_OK;
}

static struct err order_read(struct take *take, struct why *why) {
    const json_t *capture = json_object_get(take->order, "capture");
    take->root = json_str(take->order, "root", "");
    take->files_max = json_int(take->order, "files_max", FILES_USUAL);
    take->bytes_max = json_int(take->order, "bytes_max", bytes_usual);
    take->size_max = json_int(take->order, "size_max", SIZE_USUAL);
    if (take->files_max < 0 || take->bytes_max < 0 || take->size_max < 0 ||
        take->size_max > SIZE_LIMIT || json_array_size(capture) > CAPTURE_MAX) {
        return err_why(why, ERR_BAD_FIELD, "a limit of the order is out of its bounds");
    }
    for (size_t i = 0; i < json_array_size(capture); i++) {
        take->capture[take->capture_count++] = json_text(json_array_get(capture, i));
    }
    return paths_read(take, why);
}

static bool is_named(const struct take *take, struct bytes path) {
    return bsearch(&path, take->paths, take->path_count, sizeof path, name_compare) != NULL;
}

static bool is_captured(const struct take *take, struct bytes path) {
    bool fits = false;
    for (size_t i = 0; i < take->capture_count && !fits; i++) {
        fits = glob_match(GLOB_PATH, take->capture[i], path);
    }
    return fits;
}

/* --- Fates ------------------------------------------------------------------------------------ */

static void left_out_add(struct take *take, struct bytes path, const char *why) {
    const size_t count = take->left_out_count;
    if (count > 0 && count <= TAKE_LEFT_OUT_MAX &&
        bytes_equal(take->left_out[count - 1].path, path)) {
        return; /* Several files of one nested repository. */
    }
    if (count < TAKE_LEFT_OUT_MAX) {
        take->left_out[count] = (struct left_out){path, why};
    }
    take->left_out_count++;
}

static void change_add(struct take *take, enum git_change_kind kind, struct git_entry entry) {
    take->changes[take->change_count++] = (struct git_change){.kind = kind, .entry = entry};
}

/* The path leaves the tree, if it is in there. */
static void path_drop(struct take *take, struct bytes path) {
    if (git_index_find(&take->index, path) != NULL) {
        change_add(take, GIT_CHANGE_REMOVE, (struct git_entry){.path = path});
    }
}

/* The entry stays, marked so that the next pass looks again. */
static void entry_keep(struct take *take, const struct git_entry *old) {
    struct git_entry entry = *old;
    git_entry_doubt(&entry);
    if (memcmp(entry.head, old->head, sizeof entry.head) != 0) {
        change_add(take, GIT_CHANGE_PUT, entry);
    }
}

static bool has_git_within(const struct take *take, struct bytes folder) {
    char path[LIMIT_PATH_MAX + 8];
    struct stat about;
    if (folder.len >= LIMIT_PATH_MAX) {
        return false;
    }
    memcpy(path, folder.data, folder.len);
    memcpy(path + folder.len, "/.git", sizeof "/.git");
    return fstatat(take->root_fd, path, &about, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The outermost repository within the world that a file is in; empty: none. Files come sorted, so
 * the answer for a folder serves all its files. */
static struct bytes nested_find(struct take *take, struct bytes path) {
    struct bytes folder = {path.data, path.len};
    while (folder.len > 0 && folder.data[folder.len - 1] != '/') {
        folder.len--;
    }
    if (bytes_equal(folder, take->nested_checked)) {
        return take->nested_found;
    }
    struct bytes found = BYTES("");
    for (size_t i = 1; i < folder.len && found.len == 0; i++) {
        const struct bytes above = {path.data, i};
        if (path.data[i] == '/' && has_git_within(take, above)) {
            found = above;
        }
    }
    take->nested_checked = folder;
    take->nested_found = found;
    return found;
}

static void secret_add(struct take *take, struct bytes path) {
    left_out_add(take, path, "secret");
    path_drop(take, path);
    AUTO(file_content_done) struct file_content content = {.bytes = {.data = NULL}};
    if (take->secret_count >= TAKE_SECRETS_MAX ||
        file_content_read(take->root_fd, path.data, take->size_max, &content) != CONTENT_TAKEN) {
        return;
    }
    const struct bytes bytes = text_bytes(&content.bytes);
    const struct sha256 hash = sha256_of(bytes.data, bytes.len);
    const struct sha256_hex hex = sha256_hex(&hash);
    AUTO(text_done) struct text name = text_up_to(8 * LIMIT_PATH_MAX);
    change_name_write(path, &name);
    if (!text_failed(&name)) {
        if (take->secret_count++ > 0) {
            text_add_char(&take->secrets, ',');
        }
        text_add_json(&take->secrets, name.data, name.len);
        text_add_char(&take->secrets, ':');
        text_add_json(&take->secrets, hex.text, strlen(hex.text));
    }
}

/* Applies the outcome of looking at a file, or of reading it. */
static void state_apply(struct take *take, struct bytes path, enum content_state state) {
    const struct git_entry *old = git_index_find(&take->index, path);
    switch (state) {
    case CONTENT_TAKEN:
        break;
    case CONTENT_FOLDER:
        if (has_git_within(take, path)) {
            left_out_add(take, path, "nested");
        }
        path_drop(take, path);
        break;
    case CONTENT_ABSENT:
        path_drop(take, path);
        break;
    case CONTENT_SPECIAL:
        left_out_add(take, path, "special");
        path_drop(take, path);
        break;
    case CONTENT_LARGE:
        left_out_add(take, path, "size");
        path_drop(take, path);
        break;
    case CONTENT_UNREADABLE:
    case CONTENT_CHANGING:
        left_out_add(take, path, state == CONTENT_CHANGING ? "changing" : "unreadable");
        if (old != NULL) {
            entry_keep(take, old);
        }
        break;
    }
}

/* Decides about a name; *io_bytes and *io_count grow by a file that is new. */
static void name_judge(struct take *take, struct bytes path, int64_t *io_count, int64_t *io_bytes) {
    struct stat about;
    const struct git_entry *old = git_index_find(&take->index, path);
    if (bytes_begin(path, BYTES(trees_folder)) || !change_name_is_safe(path)) {
        return;
    }
    const struct bytes nested = old == NULL ? nested_find(take, path) : BYTES("");
    if (nested.len > 0) {
        left_out_add(take, nested, "nested");
        return;
    }
    enum content_state state = file_content_look(take->root_fd, path.data, &about);
    const bool plain = state == CONTENT_TAKEN && S_ISREG(about.st_mode);
    if (plain && change_name_is_secret(path) && !is_captured(take, path)) {
        secret_add(take, path);
        return;
    }
    if (plain && about.st_size > take->size_max) {
        state = CONTENT_LARGE;
    }
    if (state != CONTENT_TAKEN) {
        state_apply(take, path, state);
        return;
    }
    take->items[take->item_count++] = (struct content_item){.path = path, .old = old};
    *io_count += old == NULL;
    *io_bytes += about.st_size - (old == NULL ? 0 : (int64_t)git_entry_size(old));
}

/* In a large world, only files that were taken before or are named are kept. */
static void items_limit(struct take *take) {
    size_t kept = 0;
    for (size_t i = 0; i < take->item_count; i++) {
        const struct content_item *item = &take->items[i];
        if (item->old != NULL || is_named(take, item->path)) {
            take->items[kept++] = *item;
        }
    }
    take->item_count = kept;
}

static void names_judge(struct take *take) {
    struct gathering *gathering = &take->gathering;
    int64_t count = (int64_t)take->index.count, bytes = git_index_bytes(&take->index);
    for (size_t i = 0; i < take->path_count; i++) {
        gathering_add(gathering, take->paths[i]);
    }
    for (size_t i = 0; i < gathering->count; i++) {
        struct bytes *name = &gathering->names[i];
        name->len -= name->len > 0 && name->data[name->len - 1] == '/'; /* A nested repository. */
    }
    if (gathering->count > 0) {
        qsort(gathering->names, gathering->count, sizeof *gathering->names, name_compare);
    }
    take->items = mem_new_array(gathering->count + 1, sizeof *take->items);
    take->changes = mem_new_array(gathering->count + 1, sizeof *take->changes);
    for (size_t i = 0; i < gathering->count; i++) {
        if (i == 0 || !bytes_equal(gathering->names[i - 1], gathering->names[i])) {
            name_judge(take, gathering->names[i], &count, &bytes);
        }
    }
    if (count > take->files_max || bytes > take->bytes_max) {
        take->size = WORLD_LARGE;
    }
    if (take->size == WORLD_LARGE) {
        items_limit(take);
    }
}

/* Folders that git could not open stand in its complaints alone. */
static void folders_name(struct take *take) {
    static const char opening[] = "warning: could not open directory '";
    struct bytes rest = text_bytes(&take->gathering.listings[0].complaints), line = {NULL, 0};
    while (bytes_next(&rest, '\n', &line)) {
        if (!bytes_begin(line, BYTES(opening))) {
            continue;
        }
        line = (struct bytes){line.data + sizeof opening - 1, line.len - (sizeof opening - 1)};
        const char *end = memmem(line.data, line.len, "/': ", 4);
        if (end != NULL) {
            left_out_add(take, (struct bytes){line.data, (size_t)(end - line.data)}, "unreadable");
        }
    }
}

/* --- The tree --------------------------------------------------------------------------------- */

/* "INDEX TREE": both in hexadecimal. */
struct tree_note {
    char sum[2 * GIT_HASH + 1], tree[TREE_HEX];
};

static bool tree_note_read(const struct take *take, struct tree_note *ret_note) {
    char text[2 * GIT_HASH + TREE_HEX + 1];
    struct git_hash hash;
    AUTO(fd_release)
    int fd = open(shadow_file(&take->shadow, "tree").text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text) != (ssize_t)sizeof text - 1 ||
        !hex_parse((struct bytes){text, 2 * GIT_HASH}, hash.bytes, GIT_HASH) ||
        !hex_parse((struct bytes){text + TREE_HEX, TREE_HEX - 1}, hash.bytes, GIT_HASH)) {
        return false;
    }
    memcpy(ret_note->sum, text, 2 * GIT_HASH);
    ret_note->sum[2 * GIT_HASH] = '\0';
    memcpy(ret_note->tree, text + TREE_HEX, TREE_HEX - 1);
    ret_note->tree[TREE_HEX - 1] = '\0';
    return true;
}

static struct err tree_write(struct take *take, char ret_tree[TREE_HEX], struct why *why) {
    static const char *const write[] = {"write-tree", "--missing-ok"};
    struct git_words words;
    struct git_hash hash;
    shadow_words(&words);
    git_words_add_all(&words, write, COUNT_OF(write));
    const struct shadow_call call = {.words = &words};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    TRY(shadow_must(&take->shadow, &call, &result, why));
    const struct bytes line = bytes_trim(text_bytes(&result.output), "\n");
    if (line.len != TREE_HEX - 1 || !hex_parse(line, hash.bytes, GIT_HASH)) {
        return err_why(why, ERR_INTERNAL, "git wrote a tree without a name");
    }
    memcpy(ret_tree, line.data, line.len);
    ret_tree[line.len] = '\0';
    return ERR_OK;
}

/* Sets the time of the index to the second in which the pass began, and waits for the disk. */
static struct err index_settle(const struct take *take) {
    const struct timespec times[] = {{.tv_nsec = UTIME_OMIT},
                                     {.tv_sec = take->shadow.begun.tv_sec}};
    AUTO(fd_release)
    int fd = open(shadow_file(&take->shadow, "index").text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return ERR_OK; /* An empty world. */
    }
    if (fd < 0 || futimens(fd, times) < 0 || (take->change_count > 0 && fsync(fd) < 0)) {
        return err_from_errno(errno, "changes: index");
    }
    return ERR_OK;
}

static int change_compare(const void *a, const void *b) {
    const struct git_change *one = a, *other = b;
    return bytes_compare(one->entry.path, other->entry.path);
}

static struct err index_update(struct take *take, struct why *why) {
    TRY(contents_store(&take->shadow, take->root_fd, take->size_max, take->items, take->item_count,
                       why));
    for (size_t i = 0; i < take->item_count; i++) {
        struct content_item *item = &take->items[i];
        if (item->state == CONTENT_TAKEN) {
            if (item->changed.tv_sec >= take->shadow.begun.tv_sec &&
                item->written.tv_sec < take->shadow.begun.tv_sec) {
                git_entry_doubt(&item->entry);
            }
            change_add(take, GIT_CHANGE_PUT, item->entry);
        } else {
            state_apply(take, item->path, item->state);
        }
    }
    if (take->change_count == 0) {
        return ERR_OK;
    }
    qsort(take->changes, take->change_count, sizeof *take->changes, change_compare);
    return git_index_write(shadow_file(&take->shadow, "index").text, &take->index, take->changes,
                           take->change_count);
}

/* Whether the changes are of times alone: the tree is the same. */
static bool changes_are_quiet(const struct take *take) {
    bool quiet = true;
    for (size_t i = 0; i < take->change_count && quiet; i++) {
        const struct git_change *change = &take->changes[i];
        const struct git_entry *old = git_index_find(&take->index, change->entry.path);
        quiet =
            change->kind == GIT_CHANGE_PUT && old != NULL && git_entry_is_same(old, &change->entry);
    }
    return quiet;
}

static struct err tree_make(struct take *take, struct tree_note *ret_note, bool *ret_same,
                            struct why *why) {
    struct tree_note before = {.tree = ""}, note = {.tree = ""};
    const bool noted = tree_note_read(take, &before);
    memcpy(take->before, noted ? before.tree : "", noted ? sizeof before.tree : 1);
    TRY(index_update(take, why));
    hex_write(take->index.sum.bytes, GIT_HASH, note.sum);
    const bool same = noted && strcmp(before.sum, note.sum) == 0 && changes_are_quiet(take);
    if (same && take->change_count == 0) {
        *ret_note = before;
        *ret_same = true;
        return index_settle(take);
    }
    if (same) {
        note = before;
    } else {
        TRY(tree_write(take, note.tree, why));
    }
    TRY(index_settle(take));
    git_index_done(&take->index);
    git_index_read(shadow_file(&take->shadow, "index").text, &take->index);
    hex_write(take->index.sum.bytes, GIT_HASH, note.sum);
    char text[sizeof note.sum + sizeof note.tree];
    const int len = snprintf(text, sizeof text, "%s %s", note.sum, note.tree);
    TRY(shadow_write_file(shadow_file(&take->shadow, "tree").text,
                          (struct bytes){text, (size_t)len}));
    *ret_same = noted && strcmp(before.tree, note.tree) == 0;
    *ret_note = note;
    return ERR_OK;
}

/* --- A large world ---------------------------------------------------------------------------- */

/* Whether a look at all files has found too many, not long ago. */
static bool large_is_known(const struct take *take) {
    struct stat about;
    return stat(shadow_file(&take->shadow, "large").text, &about) == 0 &&
           take->shadow.begun.tv_sec - about.st_mtim.tv_sec < LARGE_LOOK_S &&
           take->shadow.begun.tv_sec >= about.st_mtim.tv_sec;
}

static struct err large_note(const struct take *take, bool known) {
    const struct shadow_path path = shadow_file(&take->shadow, "large");
    if (take->size == WORLD_LARGE) {
        return known ? ERR_OK : shadow_write_file(path.text, BYTES(""));
    }
    return unlink(path.text) == 0 || errno == ENOENT ? ERR_OK
                                                     : err_from_errno(errno, "changes: large");
}

static struct err names_gather(struct take *take, bool known, struct why *why) {
    const char *kind = json_str(take->order, "kind", "plain");
    struct gather_order order = {.shadow = &take->shadow,
                                 .index = &take->index,
                                 .has_git = strcmp(kind, "git") == 0,
                                 .known_only = known,
                                 .capture = take->capture,
                                 .capture_count = take->capture_count};
    struct err err = gather_names(&order, &take->gathering, why);
    if (err.code == ERR_TOO_EXPENSIVE && !known) {
        gathering_done(&take->gathering);
        take->size = WORLD_LARGE;
        order.known_only = true;
        err = gather_names(&order, &take->gathering, why);
    }
    return err;
}

/* --- The answer ------------------------------------------------------------------------------- */

static void answer_write(const struct take *take, const char *tree, bool same,
                         struct text *answer) {
    AUTO(text_done) struct text name = text_up_to(8 * LIMIT_PATH_MAX);
    text_add_char(answer, '{');
    text_add_member_str(answer, "tree", tree);
    text_add_member_int(answer, "files", (int64_t)take->index.count);
    text_add_member_int(answer, "bytes", git_index_bytes(&take->index));
    text_add_member_str(answer, "state", take->size == WORLD_LARGE ? "large" : "ready");
    text_add_member_str(answer, "taken", same ? "same" : "new");
    text_add_name(answer, "left_out");
    text_add_char(answer, '[');
    for (size_t i = 0; i < take->left_out_count && i < TAKE_LEFT_OUT_MAX; i++) {
        text_clear(&name);
        change_name_write(take->left_out[i].path, &name);
        text_add_str(answer, i > 0 ? ",{" : "{");
        text_add_member(answer, "path", text_bytes(&name));
        text_add_member_str(answer, "why", take->left_out[i].why);
        text_add_char(answer, '}');
    }
    text_add_char(answer, ']');
    text_add_member_int(answer, "left_out_count", (int64_t)take->left_out_count);
    text_add_name(answer, "secrets");
    text_add_char(answer, '{');
    text_add(answer, take->secrets.data == NULL ? "" : take->secrets.data, take->secrets.len);
    text_add_char(answer, '}');
}

/* Sums of what differs from the tree before. */
static struct err sums_write(const struct take *take, const char *before, const char *tree,
                             struct text *answer, struct why *why) {
    static const char *const compare[] = {
        "diff-tree",     "-r",           "-z", "--raw", "--numstat", "--no-renames", "--no-abbrev",
        "--no-ext-diff", "--no-textconv"};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    AUTO(change_rows_done) struct change_rows rows = {.rows = NULL};
    struct git_words words;
    int64_t added = 0, removed = 0;
    shadow_words(&words);
    git_words_add_all(&words, compare, COUNT_OF(compare));
    git_words_add(&words, before);
    git_words_add(&words, tree);
    const struct shadow_call call = {.words = &words};
    TRY(trees_run(&take->shadow, &call, &result, why));
    if (result.cut || !change_rows_read(text_bytes(&result.output), &rows)) {
        return ERR_OK; /* Too much to be counted. */
    }
    for (size_t i = 0; i < rows.count; i++) {
        added += rows.rows[i].added;
        removed += rows.rows[i].removed;
    }
    text_addf(answer, ",\"changed\":{\"files\":%zu,\"added\":%lld,\"removed\":%lld}", rows.count,
              (long long)added, (long long)removed);
    return ERR_OK;
}

static struct err take_run(struct take *take, struct text *answer, struct why *why) {
    struct tree_note note;
    bool same = false;
    TRY(order_read(take, why));
    take->root_fd = open(take->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (take->root_fd < 0) {
        return err_why(why, ERR_NOT_FOUND, "the folder %.200s cannot be opened", take->root);
    }
    TRY(shadow_open_world(&take->shadow, json_str(take->order, "index", ""), take->root, why));
    git_index_read(shadow_file(&take->shadow, "index").text, &take->index);
    if (take->index.count == 0) {
        (void)unlink(shadow_file(&take->shadow, "index").text); /* Perhaps of another form. */
    }
    const bool known = large_is_known(take);
    take->size = known ? WORLD_LARGE : WORLD_READY;
    TRY(names_gather(take, known, why));
    names_judge(take);
    folders_name(take);
    TRY(tree_make(take, &note, &same, why));
    TRY(large_note(take, known));
    shadow_end_pass(&take->shadow);
    answer_write(take, note.tree, same, answer);
    if (!same && take->before[0] != '\0') {
        TRY(sums_write(take, take->before, note.tree, answer, why));
    }
    text_add_char(answer, '}');
    return text_failed(answer) ? text_error(answer, "changes: answer") : ERR_OK;
}

struct err take_point(const json_t *order, struct text *answer, struct why *why) {
    struct take *take = mem_new(sizeof *take);
    take->order = order;
    take->root_fd = -1;
    take->shadow = (struct shadow){.use_fd = -1, .lock_fd = -1};
    take->secrets = text_up_to(TAKE_SECRETS_MAX * 8 * LIMIT_PATH_MAX);
    const char *folder = json_str(order, "shadow", "");
    struct err err = ERR_OK;
    if (folder[0] != '/' || strlen(folder) < 2 || strlen(folder) >= LIMIT_PATH_MAX - 128) {
        err = err_why(why, ERR_BAD_FIELD, "the shadow repository needs an absolute path");
    } else {
        take->shadow.git = json_str(order, "git", "/usr/bin/git");
        memcpy(take->shadow.folder.text, folder, strlen(folder) + 1);
        err = take_run(take, answer, why);
    }
    take_done(take);
    mem_free(take);
    return err;
}
