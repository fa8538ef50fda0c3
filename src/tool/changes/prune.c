/* prune.c: see prune.h.
 *
 *   kept trees ──┐
 *   last trees ──┼──> exist? ──> git rev-list ──> git pack-objects ──> sync ──> delete the rest
 *   indexes ─────┘               (what trees reach)  (one new pack)
 *
 * Git deletes by age: an object that nobody names stays for two weeks, since a program may be about
 * to name it. Here, the lock of the repository says that no pass is under way, and the order names
 * all trees that have a row, so nobody can be about to.
 *
 * Crashes. The new pack is complete, and it and its folder are on the disk, before the first
 * deletion. So each kept object exists twice, or has its only copy in the new pack. A kill leaves
 * some of the rest behind, or a pack that was not finished (tmp_…), which the next prune deletes.
 *
 * Readers. Comparisons take no lock. A git that looks for an object in a pack which is gone reads
 * the list of packs again, and finds the new one. The index of a pack is deleted before the pack,
 * so no new reader comes to rely on half of it.
 *
 * An index that names a missing content would bring forth trees with a hole: contents that it has
 * are not stored again. It is deleted, and the next pass of the world reads all files again. */
#include "tool/changes/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "tool/changes/git_index.h"
#include "tool/changes/shadow.h"

enum {
    FIRST_SIZE = 256,
    HASH_HEX = 2 * GIT_HASH,
    INPUT_MAX = 512 << 20,
    NAME_LEN_MAX = 64, /* Bytes of a name that git gets: it groups contents by the last 16. */
    DEPTH_MAX = 8,
    BLOCK_BYTES = 512,
    COUNT_AT = 8 + 255 * 4, /* Place of the number of objects in the index of a pack. */
};

/* --- Sets of hashes --------------------------------------------------------------------------- */

struct hashes {
    struct git_hash *list; /* Owned. */
    size_t count, size;
};

static void hashes_done(struct hashes *hashes) {
    mem_free(hashes->list);
}

static void hashes_add(struct hashes *hashes, struct git_hash hash) {
    if (hashes->count == hashes->size) {
        hashes->size = hashes->size == 0 ? FIRST_SIZE : 2 * hashes->size;
        hashes->list = mem_grow(hashes->list, hashes->size * sizeof *hashes->list);
    }
    hashes->list[hashes->count++] = hash;
}

static int hash_compare(const void *a, const void *b) {
    return memcmp(a, b, sizeof(struct git_hash));
}

/* In order, each hash once. */
static void hashes_sort(struct hashes *hashes) {
    size_t kept = 0;
    if (hashes->count > 0) {
        qsort(hashes->list, hashes->count, sizeof *hashes->list, hash_compare);
    }
    for (size_t i = 0; i < hashes->count; i++) {
        if (i == 0 || hash_compare(&hashes->list[kept - 1], &hashes->list[i]) != 0) {
            hashes->list[kept++] = hashes->list[i];
        }
    }
    hashes->count = kept;
}

static bool hashes_has(const struct hashes *hashes, struct git_hash hash) {
    return hashes->count > 0 &&
           bsearch(&hash, hashes->list, hashes->count, sizeof *hashes->list, hash_compare) != NULL;
}

static void hash_line(struct git_hash hash, struct text *lines) {
    char hex[HASH_HEX + 1];
    hex_write(hash.bytes, GIT_HASH, hex);
    text_add(lines, hex, HASH_HEX);
    text_add_char(lines, '\n');
}

/* --- Git -------------------------------------------------------------------------------------- */

/* Input in one piece. */
struct input_feed {
    struct bytes piece;
};

static bool input_next(void *ctx, struct bytes *ret_piece) {
    struct input_feed *feed = ctx;
    *ret_piece = feed->piece;
    feed->piece = BYTES("");
    return ret_piece->len > 0;
}

struct prune {
    struct shadow shadow;                 /* Owned. */
    struct hashes trees, noted, contents; /* Kept, of the last passes, of indexes. */
    struct hashes lost;                   /* Roots that are not in the repository. */
    int64_t missing;
    struct text objects;      /* Owned; "HASH NAME" lines of all that is kept. */
    char pack[HASH_HEX + 32]; /* "pack-HASH.", the new one; "": there are no objects. */
};

static void prune_done(struct prune *prune) {
    shadow_close(&prune->shadow);
    hashes_done(&prune->trees);
    hashes_done(&prune->noted);
    hashes_done(&prune->contents);
    hashes_done(&prune->lost);
    text_done(&prune->objects);
}

static struct err prune_git(const struct prune *prune, const struct git_words *words,
                            const struct text *input, struct git_result *ret_result,
                            struct why *why) {
    if (text_failed(input)) {
        return text_error(input, "changes: prune");
    }
    struct input_feed feed = {.piece = text_bytes(input)};
    const struct shadow_call call = {
        .words = words, .feed = {input_next, &feed}, .output_max = INPUT_MAX};
    return shadow_must(&prune->shadow, &call, ret_result, why);
}

/* --- Roots ------------------------------------------------------------------------------------ */

static struct err keep_read(const json_t *order, struct hashes *trees, struct why *why) {
    const json_t *keep = json_object_get(order, "keep");
    if (!json_is_array(keep)) {
        return err_why(why, ERR_BAD_FIELD, "keep: a list of trees");
    }
    for (size_t i = 0; i < json_array_size(keep); i++) {
        const struct bytes text = json_text(json_array_get(keep, i));
        struct git_hash hash;
        if (text.len != HASH_HEX || !hex_parse(text, hash.bytes, GIT_HASH)) {
            return err_why(why, ERR_BAD_FIELD, "keep: a tree must be a hash");
        }
        hashes_add(trees, hash);
    }
    hashes_sort(trees);
    return ERR_OK;
}

/* The tree of a world's last pass: "INDEX TREE". */
static bool note_read(const struct shadow *shadow, struct git_hash *ret_tree) {
    char text[2 * HASH_HEX + 1];
    AUTO(fd_release)
    int fd = open(shadow_file(shadow, "tree").text, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && read(fd, text, sizeof text) == (ssize_t)sizeof text &&
           hex_parse((struct bytes){text + HASH_HEX + 1, HASH_HEX}, ret_tree->bytes, GIT_HASH);
}

/* The next pass of the world reads all files again. Its note does not count without the index. */
static void index_delete(const struct shadow *shadow) {
    (void)unlinkat(AT_FDCWD, shadow_file(shadow, "index").text, 0); /* Usually missing, or bad. */
}

static void world_gather(struct prune *prune) {
    struct git_hash tree;
    AUTO(git_index_done) struct git_index index = {.count = 0};
    git_index_read(shadow_file(&prune->shadow, "index").text, &index);
    if (index.count == 0) {
        index_delete(&prune->shadow); /* Where it cannot be read now, it must not be read later. */
    }
    for (size_t i = 0; i < index.count; i++) {
        hashes_add(&prune->contents, git_entry_hash(&index.entries[i]));
    }
    if (note_read(&prune->shadow, &tree)) {
        hashes_add(&prune->noted, tree);
    }
}

/* Objects that the next pass would rely on are not there. */
static void world_mend(struct prune *prune) {
    struct git_hash tree;
    bool whole = true;
    AUTO(git_index_done) struct git_index index = {.count = 0};
    git_index_read(shadow_file(&prune->shadow, "index").text, &index);
    for (size_t i = 0; i < index.count && whole; i++) {
        whole = !hashes_has(&prune->lost, git_entry_hash(&index.entries[i]));
    }
    if (!whole) {
        index_delete(&prune->shadow);
    } else if (note_read(&prune->shadow, &tree) && hashes_has(&prune->lost, tree)) {
        (void)unlinkat(AT_FDCWD, shadow_file(&prune->shadow, "tree").text, 0); /* Exists. */
    }
}

static void worlds_visit(struct prune *prune, void (*visit)(struct prune *prune)) {
    char path[sizeof prune->shadow.folder.text + 8];
    (void)snprintf(path, sizeof path, "%s/worlds", prune->shadow.folder.text); /* Fits. */
    AUTO(entries_close) DIR *folder = opendir(path);
    for (const char *id; (id = entries_next(folder)) != NULL;) {
        struct shadow_path *world = &prune->shadow.world;
        const int len = snprintf(world->text, sizeof world->text, "%s/%s", path, id);
        if (len > 0 && (size_t)len + sizeof "/tracked.new" < sizeof world->text) {
            visit(prune);
        }
    }
}

/* Takes those out that are not in the repository, or are of another type. */
static struct err roots_check(struct prune *prune, struct hashes *roots, const char *type,
                              struct why *why) {
    static const char *const check[] = {"cat-file", "--batch-check=%(objecttype)", "--buffer"};
    AUTO(text_done) struct text input = text_up_to(INPUT_MAX);
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    size_t kept = 0, at = 0;
    if (roots->count == 0) {
        return ERR_OK;
    }
    for (size_t i = 0; i < roots->count; i++) {
        hash_line(roots->list[i], &input);
    }
    shadow_words(&words);
    git_words_add_all(&words, check, COUNT_OF(check));
    TRY(prune_git(prune, &words, &input, &result, why));
    struct bytes rest = text_bytes(&result.output), line = {NULL, 0};
    for (; at < roots->count && bytes_next(&rest, '\n', &line); at++) {
        if (bytes_is(line, type)) {
            roots->list[kept++] = roots->list[at];
        } else {
            hashes_add(&prune->lost, roots->list[at]);
        }
    }
    if (at != roots->count) {
        return err_why(why, ERR_INTERNAL, "git answered too few questions about objects");
    }
    roots->count = kept;
    return ERR_OK;
}

static struct err roots_gather(struct prune *prune, struct why *why) {
    worlds_visit(prune, world_gather);
    hashes_sort(&prune->noted);
    hashes_sort(&prune->contents);
    TRY(roots_check(prune, &prune->trees, "tree", why));
    prune->missing = (int64_t)prune->lost.count;
    TRY(roots_check(prune, &prune->noted, "tree", why));
    TRY(roots_check(prune, &prune->contents, "blob", why));
    if (prune->lost.count > 0) {
        hashes_sort(&prune->lost);
        worlds_visit(prune, world_mend);
    }
    return ERR_OK;
}

/* --- The new pack ----------------------------------------------------------------------------- */

/* Lists what the trees reach. An object within a tree that is missing is left out: "?HASH". */
static struct err objects_list(struct prune *prune, struct why *why) {
    static const char *const list[] = {"rev-list", "--objects", "--missing=print", "--stdin"};
    AUTO(text_done) struct text input = text_up_to(INPUT_MAX);
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    const struct hashes *const roots[] = {&prune->trees, &prune->noted};
    for (size_t i = 0; i < COUNT_OF(roots); i++) {
        for (size_t j = 0; j < roots[i]->count; j++) {
            hash_line(roots[i]->list[j], &input);
        }
    }
    if (input.len > 0) {
        shadow_words(&words);
        git_words_add_all(&words, list, COUNT_OF(list));
        TRY(prune_git(prune, &words, &input, &result, why));
    }
    struct bytes rest = text_bytes(&result.output), line = {NULL, 0};
    while (bytes_next(&rest, '\n', &line)) {
        if (line.len < HASH_HEX || line.data[0] == '?') {
            continue;
        }
        const size_t name_len = line.len - HASH_HEX; /* With the blank before it. */
        const size_t part_len = name_len < NAME_LEN_MAX ? name_len : NAME_LEN_MAX;
        text_add(&prune->objects, line.data, HASH_HEX);
        text_add_char(&prune->objects, ' ');
        text_add(&prune->objects, line.data + line.len - part_len, part_len);
        text_add_char(&prune->objects, '\n');
    }
    for (size_t i = 0; i < prune->contents.count; i++) {
        hash_line(prune->contents.list[i], &prune->objects); /* Again is fine. */
    }
    return ERR_OK;
}

static bool path_sync(const char *path) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

/* Git syncs the files, depending on its version, and never the folder. */
static struct err pack_sync(const struct prune *prune) {
    static const char *const ends[] = {"pack", "idx"};
    char path[sizeof prune->shadow.folder.text + sizeof prune->pack + 32];
    bool done = true;
    for (size_t i = 0; i < COUNT_OF(ends) && done; i++) {
        (void)snprintf(path, sizeof path, "%s/objects/pack/%s%s", prune->shadow.folder.text,
                       prune->pack, ends[i]); /* Fits, as the next one. */
        done = path_sync(path);
    }
    (void)snprintf(path, sizeof path, "%s/objects/pack", prune->shadow.folder.text);
    return done && path_sync(path) ? ERR_OK : err_from_errno(errno, "changes: sync a pack");
}

static struct err pack_write(struct prune *prune, struct why *why) {
    static const char *const pack[] = {"pack-objects", "-q", "--delta-base-offset",
                                       "objects/pack/pack"};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    struct git_hash hash;
    if (prune->objects.len == 0) {
        return ERR_OK;
    }
    shadow_words(&words);
    git_words_add_all(&words, pack, COUNT_OF(pack));
    TRY(prune_git(prune, &words, &prune->objects, &result, why));
    const struct bytes line = bytes_trim(text_bytes(&result.output), "\n");
    if (line.len != HASH_HEX || !hex_parse(line, hash.bytes, GIT_HASH)) {
        return err_why(why, ERR_INTERNAL, "git wrote a pack without a name");
    }
    (void)snprintf(prune->pack, sizeof prune->pack, "pack-%.*s.", (int)line.len, line.data);
    return pack_sync(prune);
}

/* --- Deletion --------------------------------------------------------------------------------- */

/* Deletes a file, or a folder with all that it holds. A remainder is deleted by the next prune. */
static void entry_delete(int above, const char *name, unsigned depth) {
    if (unlinkat(above, name, 0) == 0 || depth == DEPTH_MAX) {
        return;
    }
    AUTO(entries_close)
    DIR *folder = entries_of(openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    for (const char *entry; (entry = entries_next(folder)) != NULL;) {
        entry_delete(dirfd(folder), entry, depth + 1);
    }
    (void)unlinkat(above, name, AT_REMOVEDIR);
}

enum pack_part { PACK_INDEXES, PACK_REST };

static void packs_delete(int objects, const char *except, enum pack_part part) {
    AUTO(entries_close)
    DIR *folder = entries_of(openat(objects, "pack", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (const char *name; (name = entries_next(folder)) != NULL;) {
        const size_t len = strlen(name);
        const bool is_index = len > 4 && strcmp(name + len - 4, ".idx") == 0;
        const bool kept = except[0] != '\0' && strncmp(name, except, strlen(except)) == 0;
        if (!kept && (part == PACK_REST || is_index)) {
            (void)unlinkat(dirfd(folder), name, 0); /* The next prune tries again. */
        }
    }
}

static void rest_delete(const struct prune *prune) {
    char path[sizeof prune->shadow.folder.text + 16];
    (void)snprintf(path, sizeof path, "%s/objects", prune->shadow.folder.text); /* Fits. */
    AUTO(entries_close) DIR *folder = opendir(path);
    if (folder == NULL) {
        return;
    }
    packs_delete(dirfd(folder), prune->pack, PACK_INDEXES);
    packs_delete(dirfd(folder), prune->pack, PACK_REST);
    for (const char *name; (name = entries_next(folder)) != NULL;) {
        if (strcmp(name, "pack") != 0 && strcmp(name, "info") != 0) {
            entry_delete(dirfd(folder), name, 0); /* Git makes the folders of objects again. */
        }
    }
}

/* Worlds of which no point is left: their indexes name files, which nobody shall find. */
static bool world_is_kept(const json_t *worlds, const char *id) {
    bool kept = !json_is_array(worlds);
    for (size_t i = 0; i < json_array_size(worlds) && !kept; i++) {
        kept = bytes_is(json_text(json_array_get(worlds, i)), id);
    }
    return kept;
}

static void worlds_delete(const struct prune *prune, const json_t *worlds) {
    char path[sizeof prune->shadow.folder.text + 8];
    (void)snprintf(path, sizeof path, "%s/worlds", prune->shadow.folder.text); /* Fits. */
    AUTO(entries_close) DIR *folder = opendir(path);
    for (const char *id; (id = entries_next(folder)) != NULL;) {
        if (!world_is_kept(worlds, id)) {
            entry_delete(dirfd(folder), id, 0);
        }
    }
}

/* --- The answer ------------------------------------------------------------------------------- */

static int64_t folder_bytes(int above, const char *name, unsigned depth) {
    int64_t bytes = 0;
    AUTO(entries_close)
    DIR *folder = entries_of(openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    for (const char *entry; (entry = entries_next(folder)) != NULL;) {
        struct stat about;
        if (fstatat(dirfd(folder), entry, &about, AT_SYMLINK_NOFOLLOW) == 0) {
            bytes += (int64_t)about.st_blocks * BLOCK_BYTES;
            bytes += S_ISDIR(about.st_mode) && depth < DEPTH_MAX
                         ? folder_bytes(dirfd(folder), entry, depth + 1)
                         : 0;
        }
    }
    return bytes;
}

static int64_t pack_count(const struct prune *prune) {
    char path[sizeof prune->shadow.folder.text + sizeof prune->pack + 32];
    unsigned char count[4] = {0};
    (void)snprintf(path, sizeof path, "%s/objects/pack/%sidx", prune->shadow.folder.text,
                   prune->pack); /* Fits. */
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && pread(fd, count, sizeof count, COUNT_AT) == (ssize_t)sizeof count
               ? (int64_t)count[0] << 24 | count[1] << 16 | count[2] << 8 | count[3]
               : 0;
}

static void prune_answer(const struct prune *prune, struct text *answer) {
    const char *folder = prune->shadow.folder.text;
    text_add_char(answer, '{');
    text_add_member_int(answer, "bytes", folder[0] == '\0' ? 0 : folder_bytes(AT_FDCWD, folder, 0));
    text_add_member_int(answer, "objects", prune->pack[0] == '\0' ? 0 : pack_count(prune));
    text_add_member_int(answer, "missing", prune->missing);
    text_add_char(answer, '}');
}

struct err prune_objects(const json_t *order, struct text *answer, struct why *why) {
    AUTO(prune_done)
    struct prune prune = {.shadow = {.use_fd = -1, .lock_fd = -1},
                          .objects = text_up_to(INPUT_MAX)};
    TRY(keep_read(order, &prune.trees, why));
    const struct err err = shadow_open_alone(json_str(order, "git", "/usr/bin/git"),
                                             json_str(order, "shadow", ""), &prune.shadow, why);
    if (err.code == ERR_GONE) {
        prune.missing = (int64_t)prune.trees.count;
        prune_answer(&prune, answer);
        return ERR_OK;
    }
    TRY(err);
    worlds_delete(&prune, json_object_get(order, "worlds"));
    TRY(roots_gather(&prune, why));
    TRY(objects_list(&prune, why));
    TRY(pack_write(&prune, why));
    rest_delete(&prune);
    prune_answer(&prune, answer);
    return ERR_OK;
}
