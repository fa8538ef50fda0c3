/* datadir.c: see datadir.h.
 *
 * The claim is a flock on `drover.lock`. The file stays when the claim ends: removing it would let
 * a third process lock a file of the same name that nobody else looks at any more. The pid in it is
 * for humans only; it decides nothing.
 */
#include "store/datadir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"

enum {
    PID_TEXT_SIZE = 24,
    STAT_SIZE = 512,
    STEP_MS = 5,
    LIVE_WAIT_MS = 200,
    GONE_WAIT_MS = 3000,
};

struct datadir {
    int fd; /* Owned; the lock lives exactly as long as it does. */
};

static char *join(const char *path, const char *between, const char *name) {
    size_t size = strlen(path) + strlen(between) + strlen(name) + 1;
    char *joined = mem_new(size);
    (void)snprintf(joined, size, "%s%s%s", path, between, name); /* Fits: `size` was measured. */
    return joined;
}

char *datadir_path(const char *path, const char *name) {
    return join(path, "/", name);
}

char *datadir_beside(const char *path, const char *ending) {
    return join(path, "", ending);
}

void datadir_parts_remove(const char *path, const char *begin) {
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return; /* The next one who works there says why. */
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strncmp(entry->d_name, begin, strlen(begin)) == 0 &&
            strstr(entry->d_name, DATADIR_PART) != NULL) {
            (void)unlinkat(dirfd(folder), entry->d_name, 0); /* Tried again the next time. */
        }
    }
    (void)closedir(folder); /* Nothing was written. */
}

struct err path_why(struct err err, const char *path, const char *what, struct why *why) {
    if (err_failed(err)) {
        why_set(why, "%s cannot be %s: %s.", path, what, strerrordesc_np(err.os));
    }
    return err;
}

struct err datadir_sync_folder_of(const char *path) {
    AUTO(mem_release) char *copy = mem_copy(path, strlen(path));
    AUTO(fd_release) int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return err_from_errno(errno, "datadir: sync folder");
    }
    return ERR_OK;
}

struct err datadir_make_folder(const char *path, const char *step) {
    if (mkdir(path, 0700) < 0) {
        return errno == EEXIST ? ERR_OK : err_from_errno(errno, step);
    }
    return datadir_sync_folder_of(path);
}

struct err datadir_make_folders(const char *path, const char *step) {
    AUTO(mem_release) char *part = mem_copy(path, strlen(path));
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        struct stat found;
        struct err err = stat(part, &found) == 0 ? ERR_OK : datadir_make_folder(part, step);
        *slash = '/';
        if (err_failed(err)) {
            return err;
        }
    }
    return datadir_make_folder(path, step);
}

/* "": it does not say. */
static void read_pid(int fd, char text[PID_TEXT_SIZE]) {
    memset(text, 0, PID_TEXT_SIZE);
    ssize_t got = pread(fd, text, PID_TEXT_SIZE - 1, 0);
    text[got <= 0 ? 0 : strcspn(text, "\n")] = '\0';
}

/* A zombie has let go of everything. */
static bool is_gone(const char *pid) {
    char path[PID_TEXT_SIZE + 16], stat[STAT_SIZE] = {0};
    (void)snprintf(path, sizeof path, "/proc/%s/stat", pid); /* A pid is short. */
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT;
    }
    ssize_t got = read(fd, stat, sizeof stat - 1);
    const char *name_end = got <= 0 ? NULL : strrchr(stat, ')');
    return name_end == NULL || strncmp(name_end, ") Z", 3) == 0;
}

/* A daemon that was killed may leave a process that it had just forked, and until that comes to its
 * exec it has our lock. So a lock whose holder is no more is waited for; and one that is being
 * killed this moment still looks alive, so that a live one is waited for, too, but not for long. */
static int lock(int fd) {
    for (unsigned waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited_ms += STEP_MS) {
        if (errno != EWOULDBLOCK) {
            return -1;
        }
        char pid[PID_TEXT_SIZE];
        read_pid(fd, pid);
        bool gone = pid[0] != '\0' && is_gone(pid);
        if (waited_ms >= (gone ? GONE_WAIT_MS : LIVE_WAIT_MS)) {
            errno = EWOULDBLOCK;
            return -1;
        }
        (void)poll(NULL, 0, STEP_MS); /* A lock that is let go of tells nobody. */
    }
    return 0;
}

/* Whoever may write into it can put another database, or settings of his own, in the place of ours.
 * A group may: many systems give each user one of his own, and new folders to it. */
static struct err check_writers(const char *path, struct why *why) {
    struct stat found;
    if (stat(path, &found) < 0) {
        return path_why(err_from_errno(errno, "datadir: look"), path, "looked at", why);
    }
    if ((found.st_mode & S_IWOTH) == 0) {
        return ERR_OK;
    }
    return err_why(why, ERR_CONFIG,
                   "The data directory %s is writable by everybody. Run 'chmod o-w' on it, or "
                   "choose a folder inside it, which is created for you alone.",
                   path);
}

struct err datadir_make(const char *path, struct why *why) {
    if (path[0] == '\0') {
        return err_why(why, ERR_USAGE, "The path of the data directory is empty.");
    }
    struct err err = datadir_make_folders(path, "datadir: make folder");
    if (err_failed(err)) {
        why_set(why, "The data directory %s cannot be created: %s.", path, strerrordesc_np(err.os));
        return err;
    }
    return check_writers(path, why);
}

struct err datadir_claim(const char *path, struct datadir **ret_dir, struct why *why) {
    assert(path != NULL);
    struct err err = datadir_make(path, why);
    if (err_failed(err)) {
        return err;
    }
    AUTO(mem_release) char *name = datadir_path(path, DATADIR_LOCK);
    /* O_CLOEXEC is load-bearing: a child that inherited this descriptor would keep the claim alive
     * after we die, and the restarted daemon could never take it back. */
    AUTO(fd_release) int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return path_why(err_from_errno(errno, "datadir: open lock"), name, "opened", why);
    }
    char pid[PID_TEXT_SIZE];
    if (lock(fd) < 0) {
        err = err_from_errno(errno, "datadir: claim");
        if (err.code != ERR_BUSY) {
            return path_why(err, name, "locked", why);
        }
        read_pid(fd, pid);
        if (pid[0] == '\0') {
            why_set(why, "The data directory %s is in use by another process.", path);
        } else {
            why_set(why,
                    "The data directory %s is in use by process %s. Stop that process, or choose "
                    "another directory.",
                    path, pid);
        }
        return err;
    }
    /* A disk too full for a pid is no reason not to start: the claim holds without it. */
    int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    bool kept = ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)len, 0) == len;
    (void)kept;
    struct datadir *dir = mem_new(sizeof *dir);
    dir->fd = fd_take(&fd);
    *ret_dir = dir;
    return ERR_OK;
}

void datadir_release(struct datadir *dir) {
    if (dir == NULL) {
        return;
    }
    fd_release(&dir->fd);
    mem_free(dir);
}

void datadir_drop(struct datadir **dir) {
    datadir_release(*dir);
}
