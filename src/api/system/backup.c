/* backup.c: /api/v1/system/backup: a copy of the live database in DIR/backups, and the last one.
 *
 * The copy is that of `drover backup`, made by a thread of the pool, one at a time. PostgreSQL has
 * its own tools. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "api/system/system.h"
#include "base/memory.h"
#include "store/datadir.h"

#define BACKUPS "backups"
#define BEGINNING "drover-"
#define ENDING ".db"
enum { FILES_LOOKED_MAX = 10000, NAME_SIZE = 64 };

struct backup_op {
    struct request request;
    bool began; /* Whether it holds the place of the one that runs. */
    int64_t now_ms;
};

static void backup_write(const char *file, const struct stat *about, struct text *text) {
    text_add_char(text, '{');
    text_add_member(text, "file", bytes_of(file));
    text_add_member_int(text, "bytes", (int64_t)about->st_size);
    text_add_member_int(text, "made_ms",
                        (int64_t)about->st_mtim.tv_sec * 1000 + about->st_mtim.tv_nsec / 1000000);
    text_add_char(text, '}');
}

/* --- The last one ----------------------------------------------------------------------------- */

static void folder_close(DIR **folder) {
    if (*folder != NULL) {
        (void)closedir(*folder); /* Only read. */
    }
}

static bool is_newer(const struct stat *one, const struct stat *other) {
    return one->st_mtim.tv_sec != other->st_mtim.tv_sec
               ? one->st_mtim.tv_sec > other->st_mtim.tv_sec
               : one->st_mtim.tv_nsec > other->st_mtim.tv_nsec;
}

/* An unfinished copy has a longer name. */
static bool is_backup(const char *name) {
    const size_t len = strlen(name), end = sizeof ENDING - 1;
    return len > end && strcmp(name + len - end, ENDING) == 0;
}

/* The newest backup of the folder; NULL: none. *ret_about: of it. */
static char *last_find(const char *path, struct stat *ret_about) {
    AUTO(folder_close) DIR *folder = opendir(path);
    char *found = NULL;
    for (int i = 0; folder != NULL && i < FILES_LOOKED_MAX; i++) {
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            break;
        }
        AUTO(mem_release) char *file = datadir_path(path, entry->d_name);
        struct stat about;
        if (is_backup(entry->d_name) && lstat(file, &about) == 0 && S_ISREG(about.st_mode) &&
            (found == NULL || is_newer(&about, ret_about))) {
            mem_free(found);
            found = file;
            file = NULL; /* Handed over. */
            *ret_about = about;
        }
    }
    return found;
}

static struct err show_pool(void *ctx) {
    struct backup_op *op = ctx;
    const struct system_info *info = op->request.api;
    AUTO(mem_release) char *folder = datadir_path(info->data, BACKUPS);
    struct text *answer = &op->request.op.answer;
    struct stat about = {.st_size = 0};
    AUTO(mem_release) char *last = last_find(folder, &about);
    text_add_char(answer, '{');
    text_add_member_bool(answer, "can", strcmp(info->database, "sqlite") == 0);
    text_add_member(answer, "folder", bytes_of(folder));
    text_add_name(answer, "last");
    if (last == NULL) {
        text_add_str(answer, "null");
    } else {
        backup_write(last, &about, answer);
    }
    text_add_char(answer, '}');
    return op_written(&op->request.op);
}

/* --- A new one -------------------------------------------------------------------------------- */

static struct err make_start(void *ctx) {
    struct backup_op *op = ctx;
    struct system_info *info = op->request.api;
    if (info->backup_runs) {
        return err_why(&op->request.op.why, ERR_CONFLICT,
                       "a backup is being made already; wait for its end");
    }
    info->backup_runs = true;
    op->began = true;
    op->now_ms = world_wall_ms(loop_world(op->request.loop));
    return ERR_OK;
}

static struct err make_pool(void *ctx) {
    struct backup_op *op = ctx;
    const struct system_info *info = op->request.api;
    AUTO(mem_release) char *folder = datadir_path(info->data, BACKUPS);
    const time_t seconds = (time_t)(op->now_ms / 1000);
    char name[NAME_SIZE];
    struct tm parts;
    struct stat about;
    if (gmtime_r(&seconds, &parts) == NULL ||
        strftime(name, sizeof name, BEGINNING "%Y-%m-%d-%H%M%S" ENDING, &parts) == 0) {
        return err_make(ERR_INTERNAL, "backup: name");
    }
    AUTO(mem_release) char *file = datadir_path(folder, name);
    struct err err = datadir_make_folder(folder, "backup: folder");
    datadir_parts_remove(folder, BEGINNING); /* Nobody else makes a copy there now. */
    if (!err_failed(err)) {
        err = store_backup(info->where, file, &op->request.op.why);
    }
    if (!err_failed(err) && stat(file, &about) < 0) {
        err = err_from_errno(errno, "backup: look");
    }
    if (err_failed(err)) {
        return err;
    }
    backup_write(file, &about, &op->request.op.answer);
    return op_written(&op->request.op);
}

static void make_end(void *ctx, struct err result) {
    const struct backup_op *op = ctx;
    struct system_info *info = op->request.api;
    (void)result; /* The copy has ended, whatever its result. */
    if (op->began) {
        info->backup_runs = false;
    }
}

static const struct request_kind show = {.size = sizeof(struct backup_op), .pool = show_pool};
static const struct request_kind make = {
    .size = sizeof(struct backup_op), .start = make_start, .pool = make_pool, .end = make_end};

/* --- The table -------------------------------------------------------------------------------- */

#define BACKUP_SCHEMA                                                                              \
    "\"required\":[\"file\",\"bytes\",\"made_ms\"],\"properties\":{\"file\":" TEXT_SCHEMA          \
    ",\"bytes\":" INT_SCHEMA ",\"made_ms\":" INT_SCHEMA "}}"

static const char made_answer[] = "{\"type\":\"object\"," BACKUP_SCHEMA;
static const char shown_answer[] =
    "{\"type\":\"object\",\"required\":[\"can\",\"folder\",\"last\"],\"properties\":{"
    "\"can\":" BOOL_SCHEMA ",\"folder\":" TEXT_SCHEMA
    ",\"last\":{\"type\":[\"object\",\"null\"]," BACKUP_SCHEMA "}}";

const struct route backup_routes[] = {
    {ROUTE("GET", "/api/v1/system/backup", SCOPE_ADMIN,
           "Whether the daemon can copy its database, and its last copy"),
     .answer_schema = shown_answer, .request = &show},
    {ROUTE("POST", "/api/v1/system/backup", SCOPE_ADMIN, "Copy the live database into DIR/backups"),
     .answer_schema = made_answer, .answer_status = 201, .request = &make},
    {.method = NULL},
};
