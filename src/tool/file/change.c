/* change.c: never half a file, never somebody else's. */
#include "tool/file/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

void change_done(struct change *change) {
    fd_release(&change->parent.fd);
    content_done(&change->old);
}

/* --- Opening ---------------------------------------------------------------------------------- */

/* Opens the folder of the file. It may be missing: then it is made, but not by a look. */
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
        why_set(&work->why, "\"%.200s\" leads elsewhere than a moment ago; nothing was written",
                change->path.shown);
        err = err_make(ERR_CONFLICT, "tool: moved");
    }
    return err;
}

/* What is removed is the link: its hash is that of the text in it. */
static struct err read_link(struct change *change) {
    char target[LIMIT_PATH_MAX];
    ssize_t len = readlinkat(change->parent.fd, change->parent.name, target, sizeof target);
    if (len < 0) {
        return err_from_errno(errno, "tool: read the link");
    }
    struct sha256 hash = sha256_of(target, (size_t)len);
    change->old.hash = sha256_hex(&hash);
    change->exists = true;
    return ERR_OK;
}

static struct err read_old(struct change *change) {
    struct tool_work *work = change->work;
    AUTO(fd_release) int fd = -1;
    struct err err =
        place_open_beside(change->parent.fd, change->parent.name, &fd, &change->old.about);
    if (err_failed(err) && err.os == ENOENT) {
        return ERR_OK;
    }
    if (err.code == ERR_CONFLICT && S_ISLNK(change->old.about.st_mode) &&
        !err_failed(read_link(change))) {
        return ERR_OK;
    }
    if (err_failed(err)) {
        return err_why(&work->why, ERR_CONFLICT, "\"%.200s\" is not a file that can be read",
                       change->path.shown);
    }
    change->exists = true;
    change->whole = change->old.about.st_size <= CONTENT_EDIT_MAX;
    return change->whole ? content_read(work->place, fd, CONTENT_EDIT_MAX, &change->old, &work->why)
                         : content_hash(work->place, fd, &change->old.hash, &work->why);
}

struct err change_open(struct change *change, const char *path, enum place_last last,
                       enum place_missing missing) {
    struct tool_work *work = change->work;
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

/* --- Writing ---------------------------------------------------------------------------------- */

/* Of a change that has not happened. */
static struct err failed(struct change *change, const char *doing) {
    int os = errno;
    if (os == ENOSPC || os == EDQUOT) {
        return err_why(&change->work->why, ERR_DISK_FULL, "the disk is full; nothing was changed");
    }
    why_set(&change->work->why, "\"%.160s\" could not be %s (error %d of the system)",
            change->path.shown, doing, os);
    return err_from_errno(os, "tool: write");
}

static struct err fill(struct change *change, int fd, struct bytes content) {
    while (content.len > 0) {
        ssize_t put = write(fd, content.data, content.len);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return failed(change, "written");
        }
        content.data += put;
        content.len -= (size_t)put;
    }
    mode_t mode = change->old.about.st_mode & 07777;
    if ((change->exists && fchmod(fd, mode) < 0) || fsync(fd) < 0) {
        return failed(change, "written");
    }
    return ERR_OK;
}

static struct err conflict(struct change *change) {
    return err_why(&change->work->why, ERR_CONFLICT,
                   "\"%.200s\" was changed by somebody meanwhile; read it again",
                   change->path.shown);
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

struct err change_replace(struct change *change, struct bytes content) {
    if (change->exists && (change->old.about.st_mode & 0222) == 0) {
        return err_why(&change->work->why, ERR_FORBIDDEN, "\"%.200s\" is read-only",
                       change->path.shown);
    }
    uint64_t random = 0;
    world_random(change->work->place->world, &random, sizeof random);
    char temporary[64];
    (void)snprintf(temporary, sizeof temporary, ".drover-%016llx.tmp", (unsigned long long)random);
    AUTO(fd_release)
    int fd = openat(change->parent.fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return failed(change, "written");
    }
    struct err err = fill(change, fd, content);
    int folder = change->parent.fd;
    unsigned flags = change->exists ? 0 : RENAME_NOREPLACE;
    if (!err_failed(err) && !is_still(change)) {
        err = conflict(change);
    } else if (!err_failed(err) &&
               renameat2(folder, temporary, folder, change->parent.name, flags) < 0) {
        err = errno == EEXIST ? conflict(change) : failed(change, "written");
    }
    if (err_failed(err)) {
        (void)unlinkat(folder, temporary, 0 /* a file */); /* The first error counts. */
        return err;
    }
    sync_folder(change);
    return ERR_OK;
}

struct err change_remove(struct change *change) {
    if (!is_still(change)) {
        return conflict(change);
    }
    if (unlinkat(change->parent.fd, change->parent.name, 0 /* a file */) < 0) {
        return failed(change, "removed");
    }
    sync_folder(change);
    return ERR_OK;
}
