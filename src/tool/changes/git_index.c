/* git_index.c: see git_index.h. */
#include "tool/changes/git_index.h"

#include <errno.h>
#include <fcntl.h>
#include <sha1.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "tool/changes/shadow.h"

enum {
    HEAD = 12,
    VERSION = 2,
    INDEX_MAX = 512 << 20,
    ENTRY_ALIGN = 8,
    AT_CTIME = 0,
    AT_MTIME = 8,
    AT_DEV = 16,
    AT_INO = 20,
    AT_MODE = 24,
    AT_UID = 28,
    AT_GID = 32,
    AT_SIZE = 36,
    AT_HASH = 40,
    AT_FLAGS = 60,
    FLAGS_LEN = 0xfff,
    FLAGS_OTHER = 0xf000,
};
static const char magic[] = "DIRC";
static const uint32_t DOUBT = UINT32_C(1) << 31;

static uint32_t number_get(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void number_put(unsigned char *at, uint32_t number) {
    at[0] = (unsigned char)(number >> 24);
    at[1] = (unsigned char)(number >> 16);
    at[2] = (unsigned char)(number >> 8);
    at[3] = (unsigned char)number;
}

static size_t entry_len(size_t path_len) {
    return (GIT_ENTRY_HEAD + path_len + ENTRY_ALIGN) & ~(size_t)(ENTRY_ALIGN - 1);
}

struct git_hash git_entry_hash(const struct git_entry *entry) {
    struct git_hash hash;
    memcpy(hash.bytes, entry->head + AT_HASH, GIT_HASH);
    return hash;
}

uint32_t git_entry_size(const struct git_entry *entry) {
    return number_get(entry->head + AT_SIZE) & ~DOUBT;
}

void git_entry_doubt(struct git_entry *entry) {
    number_put(entry->head + AT_SIZE, git_entry_size(entry) | DOUBT);
}

bool git_entry_is_same(const struct git_entry *a, const struct git_entry *b) {
    return memcmp(a->head + AT_MODE, b->head + AT_MODE, 4) == 0 &&
           memcmp(a->head + AT_HASH, b->head + AT_HASH, GIT_HASH) == 0;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static bool index_file_read(const char *path, struct text *file) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    char piece[64 << 10];
    ssize_t got = fd < 0 ? 0 : 1;
    while (got > 0 && !text_failed(file)) {
        do {
            got = read(fd, piece, sizeof piece);
        } while (got < 0 && errno == EINTR);
        text_add(file, piece, got > 0 ? (size_t)got : 0);
    }
    return fd >= 0 && got == 0 && !text_failed(file);
}

/* Reads the entry at `*io_at`. False: it has another form. */
static bool entry_read(const struct text *file, size_t *io_at, struct git_entry *ret_entry) {
    const size_t end = file->len - GIT_HASH;
    if (end - *io_at < GIT_ENTRY_HEAD) {
        return false;
    }
    const char *at = file->data + *io_at;
    memcpy(ret_entry->head, at, GIT_ENTRY_HEAD);
    const unsigned flags = (unsigned)ret_entry->head[AT_FLAGS] << 8 | ret_entry->head[AT_FLAGS + 1];
    const char *path = at + GIT_ENTRY_HEAD;
    const size_t room = end - *io_at - GIT_ENTRY_HEAD;
    const char *nul = memchr(path, '\0', room);
    if ((flags & FLAGS_OTHER) != 0 || nul == NULL || nul == path) {
        return false;
    }
    ret_entry->path = (struct bytes){path, (size_t)(nul - path)};
    *io_at += entry_len(ret_entry->path.len);
    return *io_at <= end;
}

static bool entries_read(struct git_index *index) {
    const struct text *file = &index->file;
    if (file->len < HEAD + GIT_HASH || memcmp(file->data, magic, 4) != 0) {
        return false;
    }
    const unsigned char *head = (const unsigned char *)file->data;
    const size_t count = number_get(head + 8);
    if (number_get(head + 4) != VERSION || count > file->len / GIT_ENTRY_HEAD) {
        return false;
    }
    index->entries = mem_try((count + 1) * sizeof *index->entries);
    size_t at = HEAD;
    for (; index->entries != NULL && index->count < count; index->count++) {
        struct git_entry *entry = &index->entries[index->count];
        if (!entry_read(file, &at, entry) ||
            (index->count > 0 && bytes_compare(entry[-1].path, entry->path) >= 0)) {
            return false;
        }
    }
    memcpy(index->sum.bytes, file->data + file->len - GIT_HASH, GIT_HASH);
    return index->entries != NULL;
}

void git_index_done(struct git_index *index) {
    mem_free(index->entries);
    text_done(&index->file);
    *index = (struct git_index){.count = 0};
}

void git_index_read(const char *path, struct git_index *ret_index) {
    struct git_index index = {.file = text_up_to(INDEX_MAX)};
    if (!index_file_read(path, &index.file) || !entries_read(&index)) {
        git_index_done(&index);
    }
    *ret_index = index;
}

size_t git_index_place(const struct git_index *index, struct bytes path) {
    size_t low = 0, high = index->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (bytes_compare(index->entries[middle].path, path) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct git_entry *git_index_find(const struct git_index *index, struct bytes path) {
    const size_t at = git_index_place(index, path);
    return at < index->count && bytes_equal(index->entries[at].path, path) ? &index->entries[at]
                                                                           : NULL;
}

int64_t git_index_bytes(const struct git_index *index) {
    int64_t bytes = 0;
    for (size_t i = 0; i < index->count; i++) {
        bytes += git_entry_size(&index->entries[i]);
    }
    return bytes;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static uint32_t mode_of(mode_t mode) {
    if (S_ISLNK(mode)) {
        return 0120000;
    }
    return (mode & S_IXUSR) != 0 ? 0100755 : 0100644;
}

struct git_entry git_entry_make(struct bytes path, const struct stat *about,
                                const struct git_hash *hash) {
    struct git_entry entry = {.path = path};
    unsigned char *head = entry.head;
    const size_t len = path.len < FLAGS_LEN ? path.len : FLAGS_LEN;
    number_put(head + AT_CTIME, (uint32_t)about->st_ctim.tv_sec);
    number_put(head + AT_CTIME + 4, (uint32_t)about->st_ctim.tv_nsec);
    number_put(head + AT_MTIME, (uint32_t)about->st_mtim.tv_sec);
    number_put(head + AT_MTIME + 4, (uint32_t)about->st_mtim.tv_nsec);
    number_put(head + AT_DEV, (uint32_t)about->st_dev);
    number_put(head + AT_INO, (uint32_t)about->st_ino);
    number_put(head + AT_MODE, mode_of(about->st_mode));
    number_put(head + AT_UID, about->st_uid);
    number_put(head + AT_GID, about->st_gid);
    number_put(head + AT_SIZE, (uint32_t)about->st_size);
    memcpy(head + AT_HASH, hash->bytes, GIT_HASH);
    head[AT_FLAGS] = (unsigned char)(len >> 8);
    head[AT_FLAGS + 1] = (unsigned char)len;
    return entry;
}

/* The old entries and the changes as one sorted list, from which some fall out. */
struct merge {
    const struct git_index *index;
    const struct git_change *changes;
    size_t change_count;
    bool *dropped; /* Owned; of each old entry, whether it is not taken over. */
};

static void merge_done(struct merge *merge) {
    mem_free(merge->dropped);
}

/* A file of this path replaces all files of a folder of this name, and files whose name is a folder
 * of it. */
static void merge_make_room(struct merge *merge, struct bytes path) {
    const struct git_index *index = merge->index;
    char below[LIMIT_PATH_MAX + 1];
    if (path.len < sizeof below) {
        memcpy(below, path.data, path.len);
        below[path.len] = '/';
        const struct bytes folder = {below, path.len + 1};
        for (size_t at = git_index_place(index, folder);
             at < index->count && bytes_begin(index->entries[at].path, folder); at++) {
            merge->dropped[at] = true;
        }
    }
    for (size_t i = 1; i < path.len; i++) {
        const struct git_entry *above =
            path.data[i] == '/' ? git_index_find(index, (struct bytes){path.data, i}) : NULL;
        if (above != NULL) {
            merge->dropped[above - index->entries] = true;
        }
    }
    const struct git_entry *same = git_index_find(index, path);
    if (same != NULL) {
        merge->dropped[same - index->entries] = true;
    }
}

/* Two new files of one pass, of which one is a folder of the other: the tree was changed in the
 * middle. The shorter one, which was looked at first, is out of date. */
static bool change_is_stale(const struct merge *merge, size_t at) {
    const struct bytes path = merge->changes[at].entry.path;
    for (size_t i = at + 1; i < merge->change_count; i++) {
        const struct bytes other = merge->changes[i].entry.path;
        if (!bytes_begin(other, path)) {
            return false;
        }
        if (merge->changes[i].kind == GIT_CHANGE_PUT && other.data[path.len] == '/') {
            return true;
        }
    }
    return false;
}

static void entry_add(struct text *file, const struct git_entry *entry) {
    static const char zeros[ENTRY_ALIGN] = {0};
    text_add(file, (const char *)entry->head, GIT_ENTRY_HEAD);
    text_add(file, entry->path.data, entry->path.len);
    text_add(file, zeros, entry_len(entry->path.len) - GIT_ENTRY_HEAD - entry->path.len);
}

/* Adds all entries in their order; answers how many. */
static uint32_t merge_write(const struct merge *merge, struct text *file) {
    const struct git_index *index = merge->index;
    uint32_t count = 0;
    size_t old = 0, at = 0;
    while (old < index->count || at < merge->change_count) {
        const bool take_old =
            at == merge->change_count ||
            (old < index->count &&
             bytes_compare(index->entries[old].path, merge->changes[at].entry.path) <= 0);
        const bool kept =
            take_old ? !merge->dropped[old]
                     : merge->changes[at].kind == GIT_CHANGE_PUT && !change_is_stale(merge, at);
        if (kept) {
            entry_add(file, take_old ? &index->entries[old] : &merge->changes[at].entry);
            count++;
        }
        old += take_old;
        at += !take_old;
    }
    return count;
}

struct err git_index_write(const char *path, const struct git_index *index,
                           const struct git_change *changes, size_t count) {
    AUTO(merge_done)
    struct merge merge = {.index = index,
                          .changes = changes,
                          .change_count = count,
                          .dropped = mem_new_array(index->count + 1, sizeof(bool))};
    for (size_t i = 0; i < count; i++) {
        if (changes[i].kind == GIT_CHANGE_PUT) {
            merge_make_room(&merge, changes[i].entry.path);
            continue;
        }
        const struct git_entry *entry = git_index_find(index, changes[i].entry.path);
        if (entry != NULL) {
            merge.dropped[entry - index->entries] = true;
        }
    }
    AUTO(text_done) struct text file = text_up_to(INDEX_MAX);
    unsigned char head[HEAD] = {0};
    memcpy(head, magic, 4);
    number_put(head + 4, VERSION);
    text_add(&file, (const char *)head, HEAD);
    const uint32_t entries = merge_write(&merge, &file);
    if (text_failed(&file)) {
        return text_error(&file, "changes: index");
    }
    number_put((unsigned char *)file.data + 8, entries);
    SHA1_CTX sum;
    unsigned char digest[GIT_HASH];
    SHA1Init(&sum);
    SHA1Update(&sum, (const unsigned char *)file.data, file.len);
    SHA1Final(digest, &sum);
    text_add(&file, (const char *)digest, GIT_HASH);
    if (text_failed(&file)) {
        return text_error(&file, "changes: index");
    }
    return shadow_write_file(path, text_bytes(&file));
}
