/* save.c: another text into the file of a workflow: a temporary file beside it, sync, rename, sync.
 * After a crash the file holds the old or the new text, whole; its mode is kept. Saves into one
 * folder are made one at a time, so that none replaces a text that its user has not seen. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "script/catalog.h"

enum { TEMPORARY_SIZE = 64 };

static bool fill(int fd, struct bytes text, mode_t mode) {
    while (text.len > 0) {
        ssize_t put = write(fd, text.data, text.len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        text.data += put > 0 ? put : 0;
        text.len -= put > 0 ? (size_t)put : 0;
    }
    return fchmod(fd, mode) == 0 && fsync(fd) == 0;
}

static struct err not_written(const char *file, struct why *why) {
    struct err err = err_from_errno(errno, "save: file");
    return err_why(why, err.code, "%.250s could not be written: %s", file, strerror(err.os));
}

static struct err replace(int folder, const char *name, struct bytes text, mode_t mode,
                          uint64_t random) {
    char temporary[TEMPORARY_SIZE];
    (void)snprintf(temporary, sizeof temporary, ".drover-%016" PRIx64 ".tmp", random);
    AUTO(fd_release)
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno, "save: temporary file");
    }
    if (fill(fd, text, mode) && renameat(folder, temporary, folder, name) == 0) {
        (void)fsync(folder); /* The file is whole: a power cut may only bring the old one back. */
        return ERR_OK;
    }
    struct err err = err_from_errno(errno, "save: file");
    (void)unlinkat(folder, temporary, 0 /* a file */); /* The first error counts. */
    errno = err.os;
    return err;
}

/* Whether the file has the text that is replaced. */
static bool is_still(int folder, const char *name, struct bytes hash) {
    struct stat about;
    AUTO(fd_release) int fd = beneath_open_file(folder, name, &about);
    if (fd < 0 || about.st_size > SCRIPT_SOURCE_MAX) {
        return false;
    }
    const size_t size = (size_t)about.st_size;
    AUTO(mem_release) char *text = mem_try(size + 1); /* A byte more: it may have grown. */
    size_t len = 0;
    ssize_t got = 1;
    while (text != NULL && got != 0 && len <= size) {
        got = read(fd, text + len, size + 1 - len);
        if (got < 0 && errno != EINTR) {
            return false;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    if (text == NULL || len != size) {
        return false;
    }
    const struct sha256 digest = sha256_of(text, len);
    return bytes_is(hash, sha256_hex(&digest).text);
}

/* The text is that of the same workflow. What nobody could read has the name of its file. */
static struct err text_check(struct catalog_entry *entry, struct bytes text, struct why *why) {
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    struct script_fault fault = {.line = 0};
    const struct script_source source = {text, bytes_of(entry->file), entry->kind};
    struct err err = script_prepare(&source, &prepared, &fault);
    if (err.code == ERR_BAD_SCRIPT) {
        return err_why(why, ERR_BAD_SCRIPT, "line %u, column %u: %s; nothing was saved", fault.line,
                       fault.column, fault.message);
    }
    TRY(err);
    if (!entry->valid) {
        mem_free(entry->name);
        entry->name = mem_copy(script_meta_name(&prepared), strlen(script_meta_name(&prepared)));
    } else if (strcmp(script_meta_name(&prepared), entry->name) != 0) {
        return err_why(why, ERR_CONFLICT,
                       "its name would be \"%.100s\": save it as a file of its own, or keep "
                       "%s \"%.100s\"",
                       script_meta_name(&prepared),
                       entry->kind == SCRIPT_FLOW ? "the name" : "meta.name", entry->name);
    }
    return ERR_OK;
}

static struct err has_changed(const char *file, struct why *why) {
    return err_why(why, ERR_CONFLICT, "%.250s has changed since it was read; read it again", file);
}

struct err catalog_save(struct catalog_script *script, const struct catalog_save *save,
                        struct why *why) {
    struct catalog_entry *entry = &script->entry;
    if (entry->origin == CATALOG_BUILT_IN) {
        return err_why(why, ERR_CONFLICT,
                       "\"%.100s\" is built in: copy it into a file of .drover/%s first",
                       entry->name, entry->kind == SCRIPT_FLOW ? "flows" : "workflows");
    }
    if (!bytes_is(save->hash, entry->hash.text)) {
        return has_changed(entry->file, why);
    }
    TRY(text_check(entry, save->text, why));
    const char *name = strrchr(entry->file, '/') + 1; /* Absolute. */
    AUTO(mem_release) char *path = mem_copy(entry->file, (size_t)(name - entry->file));
    AUTO(fd_release) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat about;
    if (folder < 0 || fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) < 0) {
        return not_written(entry->file, why);
    }
    if (!S_ISREG(about.st_mode) || (about.st_mode & 0222) == 0) {
        return err_why(why, ERR_CONFLICT, "%.250s is %s: it is not replaced", entry->file,
                       S_ISREG(about.st_mode) ? "read-only" : "a link");
    }
    if (flock(folder, LOCK_EX | LOCK_NB) < 0) { /* Until it is closed. */
        return err_why(why, ERR_CONFLICT, "another text is being saved beside %.250s; try again",
                       entry->file);
    }
    if (!is_still(folder, name, save->hash)) {
        return has_changed(entry->file, why);
    }
    struct err err = replace(folder, name, save->text, about.st_mode & 07777, save->random);
    return err_failed(err) ? not_written(entry->file, why) : ERR_OK;
}
