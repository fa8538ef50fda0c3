/* spool.c: the spool itself, the outcome of an attempt and who decided it, and what is done to
 * whole folders. Reading logs is in log.c.
 *
 * Everything goes through descriptors of folders and never through joined paths: a folder that is
 * moved or replaced under us then costs an error, and no file elsewhere is touched.
 *
 *   claim    lock    exit.json
 *   void                          VOID
 *   closed                        CLOSED
 *   go       held                 ALIVE
 *   go       free    whole        ENDED
 *   go       free    otherwise    GONE
 *   no folder, but something else of its name: STRANGE
 *   none                          NONE; or we link `void` or `closed`, and look again: somebody may
 *                                 have been faster
 *
 * The order of the looks matters. A holder takes the lock before it claims and releases it after
 * exit.json is in place; so the claim is read first, then the lock is tried, then the result is
 * read. Nothing here waits for a lock: a holder that stands between its lock and its claim loses
 * the race for the claim to us, or we to it, and link(2) says which.
 *
 * `go` is not synced (but for `once`), so a power cut may leave a claim that is there and empty. It
 * was linked by a holder, since ours are synced; so it is `go`, of a boot that is over.
 */
#include "proc/spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "loop/world.h"
#include "proc/small/small.h"
#include "proc/spool/folder.h"

enum {
    PATH_SIZE_MAX = 4096,
    CLAIM_SIZE_MAX = 512,
    CLAIM_WORDS_MAX = 5,
    NONCE_LEN = 32,
    BOOT_ID_LEN = 36,
    LOOKS_MAX = 4, /* Each loses a race for the claim, and a claim never goes away again. */
    TEMPORARY_SIZE = 32,
    BLOCK = 4096,
    BLOCKS_OURS = 4, /* Beside the logs. */
    STAT_BLOCK = 512,
    FILES_MAX = 1000,
    ABSENT = -1,  /* In place of the length of a file: there is none, */
    STRANGE = -2, /* or it is larger than it may be, or no plain file. */
};

struct spool {
    char *path; /* Owned; absolute. */
    int fd;     /* Owned. */
};

/* The folders of attempts come and go. ext4 would put them, and their files, into one group of
 * blocks, and whenever it makes a new one there it passes over every inode that was freed in the
 * last minutes, one by one. With this flag it spreads them, as it does with homes. Other file
 * systems don't know the flag, and don't need it. */
static void spool_spread(int fd) {
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_TOPDIR_FL) == 0) {
        flags |= FS_TOPDIR_FL;
        (void)ioctl(fd, FS_IOC_SETFLAGS, &flags); /* As said above. */
    }
}

struct err spool_open(const char *data_dir, struct spool **ret_spool) {
    /* Holders stand elsewhere and get the path by their order, so it must be absolute. */
    char resolved[PATH_SIZE_MAX];
    if (realpath(data_dir, resolved) == NULL) {
        return err_from_errno(errno, "spool: find the data directory");
    }
    AUTO(text_done) struct text path = text_up_to(PATH_SIZE_MAX);
    text_addf(&path, "%s/spool", resolved);
    if (text_failed(&path)) {
        return err_from_errno(ENAMETOOLONG, "spool: path");
    }
    if (mkdir(path.data, 0700) == 0) {
        AUTO(fd_release) int parent = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0 || fsync(parent) < 0) {
            return err_from_errno(errno, "spool: sync the data directory");
        }
    } else if (errno != EEXIST) {
        return err_from_errno(errno, "spool: make the folder");
    }
    int fd = open(path.data, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno, "spool: open");
    }
    spool_spread(fd);
    struct spool *spool = mem_new(sizeof *spool);
    *spool = (struct spool){.path = text_take(&path, /* ret_len */ NULL), .fd = fd};
    *ret_spool = spool;
    return ERR_OK;
}

void spool_close(struct spool *spool) {
    if (spool == NULL) {
        return;
    }
    fd_release(&spool->fd);
    mem_free(spool->path);
    mem_free(spool);
}

const char *spool_path(const struct spool *spool) {
    return spool->path;
}

int spool_fd(const struct spool *spool) {
    return spool->fd;
}

bool spool_tmp_fits(const struct spool *spool) {
    enum { OWN_TMP_MAX = 84 };
    static const char longest[] = "/run_01234567890123456789012345.99/" PROTOCOL_TMP;
    return strlen(spool->path) + sizeof longest - 1 <= OWN_TMP_MAX;
}

static bool name_is_valid(const char *name) {
    return strnlen(name, PROTOCOL_NAME_MAX) < PROTOCOL_NAME_MAX && name_is_plain(bytes_of(name));
}

struct err spool_folder(const struct spool *spool, const char *name, int *ret_fd) {
    if (!name_is_valid(name)) {
        return err_make(ERR_INTERNAL, "spool: the name of an attempt");
    }
    AUTO(fd_release) int fd = -1;
    struct err err = folder_open(spool->fd, name, &fd);
    if (err_failed(err) && err.os == ENOENT) {
        *ret_fd = -1;
        return ERR_OK;
    }
    struct stat about;
    bool strange = err.os == ENOTDIR || err.os == ELOOP ||
                   (!err_failed(err) && fstat(fd, &about) == 0 && about.st_uid != geteuid());
    if (strange) {
        return err_make(ERR_CONFLICT, "spool: something else has a folder's name");
    }
    if (!err_failed(err)) {
        *ret_fd = fd_take(&fd);
    }
    return err;
}

/* --- Files of a folder ------------------------------------------------------------------------ */

/* A command may have taken our rights from a file of its folder: they are taken back, through a
 * descriptor, since a name could have become a link. -1: errno. */
static int open_file(int folder_fd, const char *name) {
    /* Not blocking: whatever a command put there in its place, a FIFO too, must not hold us up. */
    enum { FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };
    int fd = openat(folder_fd, name, FLAGS | O_NOFOLLOW);
    if (fd >= 0 || errno != EACCES) {
        return fd;
    }
    AUTO(fd_release) int handle = openat(folder_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", handle); /* The path fits. */
    if (handle < 0 || fstat(handle, &about) < 0 || !S_ISREG(about.st_mode) ||
        chmod(path, 0600) < 0) {
        return -1;
    }
    return open(path, FLAGS);
}

/* Reads a whole small file of a folder. *ret_len is ABSENT or STRANGE where there is none. */
static struct err read_file(int folder_fd, const char *name, char *buffer, size_t size,
                            ptrdiff_t *ret_len) {
    AUTO(fd_release) int fd = open_file(folder_fd, name);
    if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO)) {
        *ret_len = errno == ENOENT ? ABSENT : STRANGE;
        return ERR_OK;
    }
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) {
        return err_from_errno(errno, "spool: open a file");
    }
    if (!S_ISREG(about.st_mode) || (uint64_t)about.st_size > size) {
        *ret_len = STRANGE;
        return ERR_OK;
    }
    size_t len = 0;
    while (len < size) {
        ssize_t got = pread(fd, buffer + len, size - len, (off_t)len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno, "spool: read a file");
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    *ret_len = (ptrdiff_t)len;
    return ERR_OK;
}

/* Whether a holder holds the lock. Asking takes a shared lock for a moment: two that ask do not see
 * each other, and a holder that comes just then waits. */
static struct err lock_is_held(int folder_fd, bool *ret_held) {
    AUTO(fd_release) int fd = open_file(folder_fd, "lock");
    *ret_held = false;
    if (fd < 0) {
        bool none = errno == ENOENT || errno == ELOOP || errno == ENXIO;
        return none ? ERR_OK : err_from_errno(errno, "spool: open the lock");
    }
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        return ERR_OK;
    }
    *ret_held = errno == EWOULDBLOCK;
    return *ret_held ? ERR_OK : err_from_errno(errno, "spool: try the lock");
}

/* --- The claim -------------------------------------------------------------------------------- */

/* Words after the fifth are of a later version. */
static bool claim_parse_go(const struct bytes *words, size_t count, struct spool_state *state) {
    int64_t pid = 0, start_time = 0;
    uint8_t nonce[NONCE_LEN / 2];
    if (count < CLAIM_WORDS_MAX || !bytes_is(words[0], "go") ||
        !number_parse(words[1], (struct number_bounds){2, INT_MAX}, &pid) ||
        !number_parse(words[2], (struct number_bounds){0, INT64_MAX}, &start_time) ||
        words[3].len != BOOT_ID_LEN || words[4].len != NONCE_LEN ||
        !hex_parse(words[4], nonce, sizeof nonce)) {
        return false;
    }
    state->pid = (int)pid;
    state->start_time = (uint64_t)start_time;
    memcpy(state->boot_id, words[3].data, BOOT_ID_LEN);
    memcpy(state->nonce, words[4].data, NONCE_LEN);
    return true;
}

/* Reads what the claim says: VOID, CLOSED, NONE; else a holder's, of which `state` says what is
 * known, and GONE stands for all that a lock and a result must tell. */
static struct err claim_read(int folder_fd, struct spool_state *state) {
    char claim[CLAIM_SIZE_MAX], boot_id[BOOT_ID_LEN + 2];
    ptrdiff_t len = 0;
    struct err err = read_file(folder_fd, "claim", claim, sizeof claim, &len);
    if (err_failed(err) || len == ABSENT) {
        return err;
    }
    state->found = SPOOL_GONE;
    if (len == STRANGE) { /* No power cut makes that of a claim. */
        return ERR_OK;
    }
    const char *end = memchr(claim, '\n', (size_t)len);
    struct bytes rest = {claim, end == NULL ? 0 : (size_t)(end - claim)};
    struct bytes words[CLAIM_WORDS_MAX] = {BYTES("")};
    size_t count = 0;
    while (count < CLAIM_WORDS_MAX && bytes_next(&rest, ' ', &words[count])) {
        count++;
    }
    if (bytes_is(words[0], "void") || bytes_is(words[0], "closed")) {
        state->found = bytes_is(words[0], "void") ? SPOOL_VOID : SPOOL_CLOSED;
        return ERR_OK;
    }
    if (!claim_parse_go(words, count, state)) {
        state->rebooted = true;
        return ERR_OK;
    }
    if (!files_read("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id)) {
        return err_from_errno(errno, "spool: read the boot id");
    }
    boot_id[strcspn(boot_id, "\n")] = '\0';
    state->rebooted = strcmp(boot_id, state->boot_id) != 0;
    return ERR_OK;
}

static struct err spool_look(const struct spool *spool, const char *name,
                             struct spool_state *state) {
    *state = (struct spool_state){.found = SPOOL_NONE};
    AUTO(fd_release) int folder = -1;
    struct err err = spool_folder(spool, name, &folder);
    if (err.code == ERR_CONFLICT) {
        state->found = SPOOL_STRANGE;
        return ERR_OK;
    }
    if (err_failed(err) || folder < 0) {
        return err;
    }
    err = claim_read(folder, state);
    if (err_failed(err) || state->found != SPOOL_GONE) {
        return err;
    }
    bool held = false;
    err = lock_is_held(folder, &held);
    if (err_failed(err) || held) {
        state->found = SPOOL_ALIVE;
        return err;
    }
    char json[PROTOCOL_EXIT_SIZE];
    ptrdiff_t len = 0;
    err = read_file(folder, "exit.json", json, sizeof json, &len);
    if (!err_failed(err) && len > 0 &&
        spool_exit_parse((struct bytes){json, (size_t)len}, name, &state->exit)) {
        state->found = SPOOL_ENDED;
    }
    return err;
}

/* Links a claim of ours, so that no holder begins any more. Synced before it is linked: after a
 * power cut a claim without its bytes would pass for a holder's (see above), and what never ran for
 * something that nobody knows the outcome of. Somebody who was faster is no error. */
static struct err spool_refuse(const struct spool *spool, const char *name, struct bytes claim) {
    if (mkdirat(spool->fd, name, 0700) < 0 && errno != EEXIST) {
        return err_from_errno(errno, "spool: make a folder");
    }
    if (fsync(spool->fd) < 0) {
        return err_from_errno(errno, "spool: sync the spool");
    }
    AUTO(fd_release) int folder = -1;
    struct err err = spool_folder(spool, name, &folder);
    if (err_failed(err) || folder < 0) {
        /* Removed, or replaced, in between: the next look sees it. */
        return err.code == ERR_CONFLICT ? ERR_OK : err;
    }
    char temporary[TEMPORARY_SIZE];
    uint64_t random = 0;
    world_random(world_real(), &random, sizeof random);
    (void)snprintf(temporary, sizeof temporary, ".claim.%016llx", (unsigned long long)random);
    AUTO(fd_release)
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_from_errno(errno, "spool: make a claim");
    }
    ssize_t put = write(fd, claim.data, claim.len);
    if (put != (ssize_t)claim.len) {
        err = err_from_errno(put < 0 ? errno : ENOSPC, "spool: write a claim");
    } else if (fsync(fd) < 0) {
        err = err_from_errno(errno, "spool: sync a claim");
    } else if (linkat(folder, temporary, folder, "claim", 0 /* flags */) < 0 && errno != EEXIST) {
        err = err_from_errno(errno, "spool: link a claim");
    }
    (void)unlinkat(folder, temporary, 0 /* a file */); /* May stay; nobody reads it. */
    if (!err_failed(err) && fsync(folder) < 0) {
        err = err_from_errno(errno, "spool: sync a folder");
    }
    return err;
}

struct err spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                        int64_t epoch, struct spool_state *ret_state) {
    char claim[48];
    int len = snprintf(claim, sizeof claim, "%s %lld\n", wish == SPOOL_CLOSE ? "closed" : "void",
                       (long long)epoch);
    assert(len > 0 && (size_t)len < sizeof claim);
    for (unsigned i = 0; i < LOOKS_MAX; i++) {
        struct spool_state state;
        TRY(spool_look(spool, name, &state));
        if (state.found != SPOOL_NONE || wish == SPOOL_LOOK) {
            *ret_state = state;
            return ERR_OK;
        }
        TRY(spool_refuse(spool, name, (struct bytes){claim, (size_t)len}));
    }
    /* The folder is removed as often as we make it. */
    return err_make(ERR_CONFLICT, "spool: decide");
}

/* --- The disk --------------------------------------------------------------------------------- */

/* A file takes whole blocks. Beyond its bound a log loses its middle. */
int64_t spool_disk_of(const struct spool_exit *exit, int64_t log_max) {
    assert(log_max > 0);
    const int64_t sizes[] = {exit->out, exit->err, exit->pty};
    int64_t blocks = BLOCKS_OURS;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        blocks += ((sizes[i] < log_max ? sizes[i] : log_max) + BLOCK - 1) / BLOCK;
    }
    return blocks * BLOCK;
}

static bool is_output(const char *file) {
    return strncmp(file, "out.", 4) == 0 || strncmp(file, "err.", 4) == 0 ||
           strncmp(file, "pty.", 4) == 0;
}

struct spool_use {
    int64_t blocks;     /* The folder and its files. */
    int64_t written_ms; /* Latest change of a log that is not empty; 0: none. */
};

static struct spool_use spool_use_of(const struct spool *spool, const char *name) {
    AUTO(fd_release) int fd = -1;
    struct spool_use use = {.blocks = 0};
    struct err err = spool_folder(spool, name, &fd);
    if (err_failed(err) || fd < 0) {
        return use;
    }
    struct names names;
    names_start(&names, fd);
    const char *file = ".";
    for (int i = 0; i < FILES_MAX && file != NULL; i++, file = names_next(&names)) {
        struct stat about;
        if (fstatat(fd, file, &about, AT_SYMLINK_NOFOLLOW) < 0) {
            continue; /* Gone a moment ago. */
        }
        use.blocks += (int64_t)about.st_blocks;
        const int64_t at_ms =
            (int64_t)about.st_mtim.tv_sec * 1000 + about.st_mtim.tv_nsec / 1000000;
        if (is_output(file) && about.st_size > 0 && at_ms > use.written_ms) {
            use.written_ms = at_ms;
        }
    }
    return use;
}

int64_t spool_disk(const struct spool *spool, const char *name) {
    return spool_use_of(spool, name).blocks * STAT_BLOCK;
}

int64_t spool_written_ms(const struct spool *spool, const char *name) {
    return spool_use_of(spool, name).written_ms;
}

struct err spool_changed_s(const struct spool *spool, const char *name, int64_t *ret_changed_s) {
    struct stat about;
    if (fstatat(spool_fd(spool), name, &about, AT_SYMLINK_NOFOLLOW) < 0) {
        return err_from_errno(errno, "spool: look at a folder");
    }
    *ret_changed_s = (int64_t)about.st_mtime;
    return ERR_OK;
}

/* --- Cleaning --------------------------------------------------------------------------------- */

static struct err remove_entry(int folder_fd, const char *name) {
    if (unlinkat(folder_fd, name, 0 /* a file */) == 0 || errno == ENOENT) {
        return ERR_OK;
    }
    if (errno != EISDIR) {
        return err_from_errno(errno, "spool: remove a file");
    }
    return folder_remove(folder_fd, name);
}

/* A holder that was slow to begin may still come and look for a decision. Where it found neither a
 * claim nor a folder, it would run a command that was voided, and of a run that is gone. */
static bool is_fresh_refusal(int folder_fd) {
    char claim[sizeof "closed"] = "";
    struct stat about;
    AUTO(fd_release) int fd = open_file(folder_fd, "claim");
    if (fd < 0 || fstat(fd, &about) < 0 || !S_ISREG(about.st_mode)) {
        return false;
    }
    ssize_t got = read(fd, claim, sizeof claim - 1);
    bool refusal = got >= 4 && (memcmp(claim, "void", 4) == 0 || strcmp(claim, "closed") == 0);
    return refusal && about.st_mtime > world_wall_ms(world_real()) / 1000 - SPOOL_VOID_KEPT_S;
}

struct err spool_remove(const struct spool *spool, const char *name) {
    AUTO(fd_release) int folder = -1;
    struct err err = spool_folder(spool, name, &folder);
    if (err.code == ERR_CONFLICT) {
        return remove_entry(spool->fd, name);
    }
    if (err_failed(err) || folder < 0) {
        return err;
    }
    bool held = false;
    err = lock_is_held(folder, &held);
    if (err_failed(err) || held) {
        return err_failed(err) ? err : err_make(ERR_BUSY, "spool: its holder lives");
    }
    /* The claim goes last: as long as anything is left, the folder says who decided. */
    struct names names;
    names_start(&names, folder);
    for (const char *file; (file = names_next(&names)) != NULL;) {
        TRY(strcmp(file, "claim") == 0 ? ERR_OK : remove_entry(folder, file));
    }
    if (names.len < 0) {
        return err_from_errno(errno, "spool: read a folder");
    }
    if (is_fresh_refusal(folder)) {
        return ERR_OK;
    }
    err = remove_entry(folder, "claim");
    if (!err_failed(err) && unlinkat(spool->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
        err = err_from_errno(errno, "spool: remove the folder");
    }
    return err;
}

struct err spool_each(const struct spool *spool, struct err (*each)(void *ctx, const char *name),
                      void *ctx) {
    /* A place of its own in the listing: others may be at it, too. */
    AUTO(fd_release) int fd = openat(spool->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_from_errno(errno, "spool: read the spool");
    }
    struct names names;
    names_start(&names, fd);
    for (const char *name; (name = names_next(&names)) != NULL;) {
        /* The folder may have changed into something else since; `each` finds out. */
        bool folder = names.type == DT_DIR || names.type == DT_UNKNOWN;
        TRY(folder && name_is_valid(name) ? each(ctx, name) : ERR_OK);
    }
    return names.len < 0 ? err_from_errno(errno, "spool: read the spool") : ERR_OK;
}
