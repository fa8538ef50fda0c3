/* disk_usage.c: a single walk over all files. */
#include "store/disk_usage.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/memory.h"
#include "store/datadir.h"

#define GB (INT64_C(1) << 30)
#define MB (INT64_C(1) << 20)

const struct disk_kind_text disk_kind_texts[DISK_KINDS] = {
    [DISK_DATABASE] = {"database", "sessions, runs, events and everything else that is a row",
                       "'drover session rm', --keep-runs and --keep-days; freed pages are reused"},
    [DISK_WAL] = {"write-ahead log", "commits that are not in the database file yet",
                  "checkpoints, by themselves"},
    [DISK_SPOOL] = {"output of runs", "output and results of commands, until their run is removed",
                    "'drover job rm', --keep-runs, --keep-days, --keep-bytes"},
    [DISK_BLOBS] = {"attachments", "images that sessions hold", "'drover session rm'"},
    [DISK_CHANGES] =
        {"points", "what folders held before and after agents wrote in them",
         "by themselves, after 7 days or above 1 GB a repository; 'drover session rm'"},
    [DISK_SCRIPTS] = {"scripts", "workflow scripts that runs were started with",
                      "by themselves, a day after the last run with the script was removed"},
    [DISK_LIBEXEC] = {"programs", "the holder and the script engine of each build that ran here",
                      "builds that no run uses any more may be removed by hand"},
    [DISK_LOG] = {"log", "the log of a daemon that was started in the background", "rotation"},
    [DISK_BACKUPS] = {"backups", "copies that you make, and those made before upgrades",
                      "you; those of upgrades go after two weeks"},
    [DISK_OTHER] = {"other", "locks, keys, settings, and files that are not drover's",
                    "what is yours, you"},
};

static const struct {
    const char *name;
    enum disk_kind kind;
} names[] = {
    {DATADIR_DATABASE, DISK_DATABASE},
    {DATADIR_DATABASE "-wal", DISK_WAL},
    {DATADIR_DATABASE "-shm", DISK_WAL},
    {"spool", DISK_SPOOL},
    {"blobs", DISK_BLOBS},
    {"changes", DISK_CHANGES},
    {"scripts", DISK_SCRIPTS},
    {"libexec", DISK_LIBEXEC},
    {"log", DISK_LOG},
    {"log.1", DISK_LOG},
    {"backups", DISK_BACKUPS},
};

/* Name of the entry of the data directory that the file is, or lies in. */
static enum disk_kind kind_of(const char *top) {
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        size_t len = strlen(names[i].name);
        if (strncmp(top, names[i].name, len) == 0 && (top[len] == '\0' || top[len] == '/')) {
            return names[i].kind;
        }
    }
    return DISK_OTHER;
}

static void tree_close(FTS **tree) {
    if (*tree != NULL) {
        (void)fts_close(*tree); /* Read only. */
    }
}

/* fts_number of a folder sums the blocks below it, so that a folder of the spool has its own. */
static void entry_count(FTSENT *entry, size_t root_len, const struct disk_folders *folders,
                        struct disk_usage *usage) {
    if (entry->fts_info == FTS_D || entry->fts_level == 0) {
        return; /* A folder counts when it is left, with all that is in it. */
    }
    bool folder = entry->fts_info == FTS_DP;
    const char *top = entry->fts_path + root_len + 1;
    const enum disk_kind kind = kind_of(top);
    const int64_t bytes = entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR
                              ? 0
                              : (int64_t)entry->fts_statp->st_blocks * 512;
    usage->bytes[kind] += bytes;
    usage->files[kind] += !folder;
    usage->total += bytes;
    entry->fts_number += (long)bytes;
    entry->fts_parent->fts_number += entry->fts_number;
    if (folder && entry->fts_level == 2 && kind == DISK_SPOOL && folders != NULL) {
        folders->each(folders->ctx, entry->fts_name, entry->fts_number);
    }
}

struct err disk_usage_read(const char *data, const struct disk_folders *folders,
                           struct disk_usage *ret_usage) {
    AUTO(mem_release) char *path = mem_copy(data, strlen(data));
    char *const paths[] = {path, NULL};
    struct disk_usage usage = {.total = 0};
    struct statvfs disk;
    if (statvfs(data, &disk) < 0) {
        return err_from_errno(errno, "disk usage: file system");
    }
    usage.free_bytes = (int64_t)((uint64_t)disk.f_bavail * disk.f_frsize);
    AUTO(tree_close) FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (tree == NULL) {
        return err_from_errno(errno, "disk usage: open");
    }
    size_t root_len = strlen(path);
    errno = 0;
    for (FTSENT *entry = fts_read(tree); entry != NULL; entry = fts_read(tree)) {
        if (entry->fts_level == 0 && (entry->fts_info == FTS_DNR || entry->fts_info == FTS_NS)) {
            return err_from_errno(entry->fts_errno, "disk usage: open");
        }
        entry_count(entry, root_len, folders, &usage);
        errno = 0;
    }
    if (errno != 0) {
        return err_from_errno(errno, "disk usage: read");
    }
    *ret_usage = usage;
    return ERR_OK;
}

const char *const disk_level_names[] = {"ok", "warning", "urgent", "full", NULL};

enum disk_level disk_level(const struct disk_usage *usage, int64_t limit) {
    if (limit > 0 && usage->total >= limit) {
        return DISK_FULL;
    }
    const int64_t tenth = limit / 10;
    if ((limit > 0 && usage->total >= limit - tenth) || usage->free_bytes < 100 * MB) {
        return DISK_URGENT;
    }
    return (limit > 0 && usage->total >= limit - 2 * tenth) || usage->free_bytes < GB ? DISK_WARNING
                                                                                      : DISK_FINE;
}
