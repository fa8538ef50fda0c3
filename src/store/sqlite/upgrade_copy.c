/* upgrade_copy.c: see upgrade_copy.h. */
#include "store/sqlite/upgrade_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "store/datadir.h"
#include "store/sqlite/conn.h"

#define BACKUPS "backups"
#define BEGINNING "before-upgrade-"
#define ENDING ".db"
enum { FILES_LOOKED_MAX = 10000, COPIES_SEEN_MAX = 64, NAME_SIZE = 80 };
#define MB (INT64_C(1) << 20)
#define DAY_MS (INT64_C(24) * 3600 * 1000)
/* Free space that a copy leaves to the daemon, which is about to write. */
#define SPARE_BYTES (16 * MB)

struct copy {
    char name[NAME_SIZE];
    int64_t schema, epoch, made_ms;
};

struct copies {
    struct copy items[COPIES_SEEN_MAX];
    size_t count;
};

/* --- What is there ---------------------------------------------------------------------------- */

static bool copy_parse(const char *name, struct copy *ret_copy) {
    static const struct number_bounds any = {.min = 0, .max = INT64_MAX};
    const size_t len = strlen(name), begin = sizeof BEGINNING - 1, end = sizeof ENDING - 1;
    if (len >= NAME_SIZE || len <= begin + end || strncmp(name, BEGINNING, begin) != 0 ||
        strcmp(name + len - end, ENDING) != 0) {
        return false;
    }
    const char *schema = name + begin, *dot = strchr(schema, '.');
    const char *epoch = dot + 1; /* The ending has a dot. */
    const size_t schema_len = (size_t)(dot - schema);
    const size_t epoch_len = epoch < name + len - end ? (size_t)(name + len - end - epoch) : 0;
    (void)snprintf(ret_copy->name, NAME_SIZE, "%s", name); /* Fits. */
    return number_parse((struct bytes){schema, schema_len}, any, &ret_copy->schema) &&
           number_parse((struct bytes){epoch, epoch_len}, any, &ret_copy->epoch);
}

static void copies_read(const char *folder, struct copies *ret_copies) {
    ret_copies->count = 0;
    DIR *open = opendir(folder);
    for (int i = 0; open != NULL && i < FILES_LOOKED_MAX && ret_copies->count < COPIES_SEEN_MAX;
         i++) {
        const struct dirent *entry = readdir(open);
        if (entry == NULL) {
            break;
        }
        struct copy *copy = &ret_copies->items[ret_copies->count];
        struct stat found;
        if (copy_parse(entry->d_name, copy) &&
            fstatat(dirfd(open), entry->d_name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(found.st_mode)) {
            copy->made_ms =
                (int64_t)found.st_mtim.tv_sec * 1000 + found.st_mtim.tv_nsec / (1000 * 1000);
            ret_copies->count++;
        }
    }
    if (open != NULL) {
        (void)closedir(open); /* Only read. */
    }
}

static bool is_newer(const struct copy *one, const struct copy *other) {
    return one->made_ms != other->made_ms ? one->made_ms > other->made_ms
                                          : one->epoch > other->epoch;
}

char *upgrade_copy_find(const char *where, int64_t version) {
    AUTO(mem_release) char *folder = datadir_path(where, BACKUPS);
    struct copies copies;
    const struct copy *newest = NULL;
    copies_read(folder, &copies);
    for (size_t i = 0; i < copies.count; i++) {
        const struct copy *copy = &copies.items[i];
        if (copy->schema <= version && (newest == NULL || is_newer(copy, newest))) {
            newest = copy;
        }
    }
    return newest == NULL ? NULL : datadir_path(folder, newest->name);
}

/* --- A new one -------------------------------------------------------------------------------- */

static int64_t size_of(const char *path) {
    struct stat found;
    return stat(path, &found) == 0 ? (int64_t)found.st_size : 0;
}

/* Before the first byte: a copy that fills the disk would be in everybody's way until it fails. */
static struct err check_room(const char *where, const char *folder, struct why *why) {
    AUTO(mem_release) char *file = datadir_path(where, DATADIR_DATABASE);
    AUTO(mem_release) char *log = datadir_beside(file, "-wal");
    const int64_t need = size_of(file) + size_of(log) + SPARE_BYTES;
    struct statvfs disk;
    if (statvfs(folder, &disk) < 0) {
        return path_why(err_from_errno(errno, "upgrade: look at disk"), folder, "looked at", why);
    }
    const int64_t room = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (room >= need) {
        return ERR_OK;
    }
    return err_why(why, ERR_DISK_FULL,
                   "Before its upgrade the database is copied, which needs %lld MB in %s, and %lld"
                   " MB are free. Free some space, or make that folder a link to one on another"
                   " disk. Nothing was changed.",
                   (long long)(need / MB + 1), folder, (long long)(room / MB));
}

static void tidy(const char *folder, int64_t now_ms) {
    struct copies copies;
    copies_read(folder, &copies);
    for (size_t i = 0; i < copies.count; i++) {
        const struct copy *copy = &copies.items[i];
        size_t newer = 0;
        for (size_t j = 0; j < copies.count; j++) {
            newer += is_newer(&copies.items[j], copy) ? 1 : 0;
        }
        if (newer >= UPGRADE_COPIES_MAX || copy->made_ms < now_ms - UPGRADE_COPY_DAYS * DAY_MS) {
            AUTO(mem_release) char *path = datadir_path(folder, copy->name);
            (void)unlink(path); /* Tried again at the next start. */
        }
    }
}

/* A daemon raises the epoch before it serves anything, and after it has migrated: a copy of this
 * epoch holds all that this database ever held. */
static bool is_kept(const char *folder, int64_t epoch) {
    struct copies copies;
    copies_read(folder, &copies);
    for (size_t i = 0; i < copies.count; i++) {
        if (copies.items[i].epoch == epoch) {
            return true;
        }
    }
    return false;
}

static struct err copy_make(struct conn *writer, const char *where, const char *folder,
                            int64_t version, struct why *why) {
    int64_t epoch = 0;
    struct err err = sqlite_conn_int(sqlite_conn_of(writer), "SELECT epoch FROM nodes", 0, &epoch);
    if (err_failed(err) || epoch == 0 || is_kept(folder, epoch)) {
        return err; /* Epoch 0: no daemon has served it yet. */
    }
    err = path_why(datadir_make_folder(folder, "upgrade: make folder"), folder, "made", why);
    err = err_failed(err) ? err : check_room(where, folder, why);
    if (err_failed(err)) {
        return err;
    }
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, BEGINNING "%lld.%lld" ENDING, (long long)version,
                   (long long)epoch); /* Fits. */
    AUTO(mem_release) char *to = datadir_path(folder, name);
    return sqlite_backup(where, to, why);
}

struct err upgrade_copies_keep(struct conn *writer, const char *where, struct why *why) {
    AUTO(mem_release) char *folder = datadir_path(where, BACKUPS);
    struct schema schema = {.version = 0};
    struct err err = sqlite_schema(writer, &schema);
    datadir_parts_remove(folder, BEGINNING);
    if (!err_failed(err) && schema.version < store__schema_known()) {
        err = copy_make(writer, where, folder, schema.version, why);
    }
    if (!err_failed(err)) {
        tidy(folder, sqlite_conn_of(writer)->opened_ms);
    }
    return err;
}
