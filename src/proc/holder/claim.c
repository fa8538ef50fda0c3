/* claim.c: see claim.h.
 *
 * The claim is a second name of the lock file. It needs a finished file anyway, and this saves two
 * files for each run; link(2) also fails for a file without a name, so that a folder which somebody
 * removed beneath us can't be claimed. A lock file that is a claim already is never written to: its
 * content changes only under the lock, and only while `claim` doesn't exist.
 */
#include "proc/holder/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/tree.h"
#include "proc/small/small.h"

enum { PATH_SIZE = 4096, LINE_SIZE = 256, BACKLOG = 16, LOCK_RETRY_MS = 20 };

struct err claim_know_self(struct claim_self *ret_self) {
    char stat[1024], boot_id[64];
    errno = 0;
    if (!files_read("/proc/self/stat", stat, sizeof stat) ||
        !files_read("/proc/sys/kernel/random/boot_id", boot_id, sizeof boot_id)) {
        return err_from_errno(errno == 0 ? EIO : errno, "claim");
    }
    bool fits =
        line_make(ret_self->text, sizeof ret_self->text, "%d %lld %.*s", (int)getpid(),
                  (long long)tree_stat_number(stat, 22), (int)strcspn(boot_id, "\n"), boot_id);
    return fits ? ERR_OK : err_from_errno(EIO, "claim");
}

static bool claim_is_made(const struct claim *claim) {
    return faccessat(claim->folder, "claim", F_OK, 0) == 0;
}

static struct err claim_open_folder(const struct order *order, struct claim *claim) {
    char path[PATH_SIZE];
    if (!line_make(path, sizeof path, "%s/%s", order->spool, order->name)) {
        return err_from_errno(ENAMETOOLONG, "spool");
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return err_from_errno(errno, "spool");
    }
    struct stat about;
    claim->folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (claim->folder < 0 || fstat(claim->folder, &about) < 0) {
        return err_from_errno(errno, "spool");
    }
    return about.st_uid == geteuid() ? ERR_OK : err_from_errno(EPERM, "spool");
}

/* Waits: a daemon that only tries holds the lock for an instant. Another holder of the same run may
 * hold it for days; but then it has claimed, or will in an instant. */
static struct err claim_take_lock(struct claim *claim, enum claim_outcome *ret_outcome) {
    claim->lock = openat(claim->folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (claim->lock < 0) {
        return err_from_errno(errno, "lock");
    }
    while (flock(claim->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) {
            return err_from_errno(errno, "lock");
        }
        if (claim_is_made(claim)) {
            *ret_outcome = CLAIM_VOID;
            return ERR_OK;
        }
        clock_pause(LOCK_RETRY_MS);
    }
    if (claim_is_made(claim)) {
        *ret_outcome = CLAIM_VOID;
    }
    return ERR_OK;
}

/* Room for the result, while there may still be some. */
static struct err claim_make_result(struct claim *claim) {
    claim->result =
        openat(claim->folder, "exit.json.tmp", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (claim->result < 0) {
        return err_from_errno(errno, "result");
    }
    char blanks[PROTOCOL_EXIT_SIZE];
    memset(blanks, ' ', sizeof blanks);
    return files_write_at(claim->result, (struct bytes){blanks, sizeof blanks}, 0, "result");
}

static struct err claim_listen(struct claim *claim) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)line_make(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/sock",
                    claim->folder); /* A path of ours fits. */
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_from_errno(errno, "socket");
    }
    const struct sockaddr *general = (const struct sockaddr *)&address;
    int bound = bind(fd, general, sizeof address);
    if (bound < 0 && errno == EADDRINUSE) {
        /* Left by a holder that died before its claim; we hold the lock. */
        (void)unlinkat(claim->folder, "sock", 0); /* bind tells. */
        bound = bind(fd, general, sizeof address);
    }
    if (bound < 0 || listen(fd, BACKLOG) < 0) {
        return err_from_errno(errno, "socket");
    }
    claim->listener = fd_take(&fd);
    return ERR_OK;
}

static struct err claim_link(const struct order *order, const struct claim_self *self,
                             struct claim *claim, enum claim_outcome *ret_outcome) {
    char text[LINE_SIZE];
    struct line line = line_in(text, sizeof text);
    line_addf(&line, "go %s %s\n", self->text, order->nonce);
    if (line.failed) {
        return err_from_errno(EIO, "claim");
    }
    TRY(files_write_at(claim->lock, (struct bytes){line.at, line.len}, 0, "claim"));
    struct stat stat;
    if (fstat(claim->lock, &stat) < 0 ||
        ((size_t)stat.st_size > line.len && ftruncate(claim->lock, (off_t)line.len) < 0)) {
        return err_from_errno(errno, "claim");
    }
    if (linkat(claim->folder, "lock", claim->folder, "claim", 0) == 0) {
        return ERR_OK;
    }
    if (errno == EEXIST) {
        *ret_outcome = CLAIM_VOID;
        return ERR_OK;
    }
    return err_from_errno(errno, "claim");
}

struct err claim_decide(const struct order *order, const struct claim_self *self,
                        struct claim *ret_claim, enum claim_outcome *ret_outcome) {
    struct claim claim = {-1, -1, -1, -1};
    enum claim_outcome outcome = CLAIM_GO;
    struct err err = claim_open_folder(order, &claim);
    if (!err_failed(err)) {
        err = claim_take_lock(&claim, &outcome);
    }
    if (!err_failed(err) && outcome == CLAIM_GO) {
        err = claim_make_result(&claim);
    }
    if (!err_failed(err) && outcome == CLAIM_GO) {
        err = claim_listen(&claim);
    }
    if (!err_failed(err) && outcome == CLAIM_GO) {
        err = claim_link(order, self, &claim, &outcome);
    }
    if (err_failed(err)) {
        return err; /* The descriptors end with the program. */
    }
    *ret_claim = claim;
    *ret_outcome = outcome;
    return ERR_OK;
}

struct err claim_sync(const struct claim *claim) {
    AUTO(fd_release) int spool = openat(claim->folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool < 0 || fsync(claim->result) < 0 || fsync(claim->lock) < 0 ||
        fsync(claim->folder) < 0 || fsync(spool) < 0) {
        return err_from_errno(errno, "sync");
    }
    return ERR_OK;
}

/* --- The result ------------------------------------------------------------------------------- */

/* A folder of that name (the command may have made one) is not replaced by a rename: they change
 * places. */
static bool result_rename(int folder) {
    enum { EXCHANGE = 1 << 1 };
    if (renameat(folder, "exit.json.tmp", folder, "exit.json") == 0) {
        return true;
    }
    return errno == EISDIR &&
           syscall(SYS_renameat2, folder, "exit.json.tmp", folder, "exit.json", EXCHANGE) == 0;
}

/* The file whose room was made before was removed, or replaced, by the command: another one. */
static bool result_replace(int folder, struct bytes json) {
    (void)unlinkat(folder, "exit.json.tmp", 0); /* openat tells. */
    AUTO(fd_release)
    int fd = openat(folder, "exit.json.tmp", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 && !err_failed(files_write_at(fd, json, 0, "result")) && result_rename(folder);
}

static bool is_linked(int file) {
    struct stat about;
    return fstat(file, &about) == 0 && about.st_nlink > 0;
}

bool claim_has_folder(const struct claim *claim) {
    return is_linked(claim->folder);
}

bool claim_put_result(const struct claim *claim, struct bytes json, bool sync) {
    if (!is_linked(claim->result)) {
        return result_replace(claim->folder, json);
    }
    return !err_failed(files_write_at(claim->result, json, 0, "result")) &&
           (!sync || fdatasync(claim->result) == 0) && result_rename(claim->folder) &&
           (!sync || fsync(claim->folder) == 0);
}
