/* sandbox.c: see sandbox.h.
 *
 * Devices are hidden as a whole and then shown one by one: among them are disks and other
 * terminals. So a command can't make terminals of its own; it has the one that it was given.
 */
#include "proc/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/sandbox/landlock.h"
#include "proc/sandbox/places.h"
#include "proc/sandbox/privileges.h"

enum {
    SEEING = LANDLOCK_EXECUTE | LANDLOCK_READ_FILE | LANDLOCK_READ_DIR,
    USING = LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE | LANDLOCK_TRUNCATE | LANDLOCK_IOCTL_DEV,
    NO_MAGIC_LINKS = 0x02, /* Of openat2; musl has no name for them. */
    NO_LINKS = 0x04,
    MAKING_DEVICES = LANDLOCK_MAKE_CHAR | LANDLOCK_MAKE_BLOCK,
};

static struct err failed(void) {
    return err_from_errno(errno, "sandbox");
}

/* --- The rules -------------------------------------------------------------------------------- */

static struct err hide_all(const struct order *order, struct places *places) {
    struct err err = places_hide(places, "/dev");
    for (size_t i = 0; i < order->hide_count && !err_failed(err); i++) {
        err = places_hide(places, order->hide[i]);
    }
    return err;
}

static struct err open_cwd(const struct order *order, const struct places *places,
                           struct sandbox *sandbox) {
    enum places_where where = PLACES_CLEAR;
    sandbox->cwd = open(order->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sandbox->cwd < 0) {
        return err_from_errno(errno, "chdir");
    }
    struct err err = places_judge(places, sandbox->cwd, &where);
    if (!err_failed(err) && where != PLACES_CLEAR) {
        err = err_from_errno(EACCES, "sandbox_cwd");
    }
    return err;
}

/* One that has no such device loses nothing by that. */
static struct err allow_devices(const struct sandbox *sandbox, uint64_t rights) {
    static const char *const names[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                        "/dev/random", "/dev/urandom", "/dev/tty"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(fd_release) int fd = open(names[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat about;
        bool is_device = fd >= 0 && fstat(fd, &about) == 0 && S_ISCHR(about.st_mode);
        if (is_device && landlock_allow(sandbox->ruleset, fd, rights & USING) < 0) {
            return failed();
        }
    }
    return ERR_OK;
}

/* Of this attempt alone; nobody else may have made it. */
static struct err make_tmp(int folder, int *ret_fd) {
    if (mkdirat(folder, PROTOCOL_TMP, 0700) < 0) {
        return failed();
    }
    int fd = openat(folder, PROTOCOL_TMP, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return failed();
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* Where no part of the path is a link: the folder is the one that was meant. */
static int open_plain(const char *path) {
    const struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = NO_MAGIC_LINKS | NO_LINKS};
    return (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
}

/* What cannot be granted is not: the command finds out, and nothing is opened by mistake. */
static struct err allow_more(const struct order *order, const struct places *places,
                             const struct sandbox *sandbox, uint64_t rights) {
    for (size_t i = 0; i < order->write_count; i++) {
        AUTO(fd_release) int fd = open_plain(order->write[i]);
        enum places_where where = PLACES_CLEAR;
        struct err err = fd < 0 ? ERR_OK : places_judge(places, fd, &where);
        if (err_failed(err)) {
            return err;
        }
        bool clear = fd >= 0 && where == PLACES_CLEAR;
        if (clear && landlock_allow(sandbox->ruleset, fd, rights) < 0) {
            return failed();
        }
    }
    return ERR_OK;
}

static struct err fill_ruleset(const struct order *order, const struct places *places, int folder,
                               const struct sandbox *sandbox) {
    uint64_t rights = landlock_rights(sandbox->abi);
    uint64_t owning = rights & ~(uint64_t)MAKING_DEVICES;
    AUTO(fd_release) int tmp = -1;
    struct err err = make_tmp(folder, &tmp);
    if (!err_failed(err) && (landlock_allow(sandbox->ruleset, tmp, owning) < 0 ||
                             landlock_allow(sandbox->ruleset, sandbox->cwd, owning) < 0)) {
        err = failed();
    }
    if (!err_failed(err)) {
        err = allow_more(order, places, sandbox, owning);
    }
    if (!err_failed(err)) {
        err = allow_devices(sandbox, rights);
    }
    return err_failed(err) ? err : places_show(places, sandbox->ruleset, SEEING);
}

static struct err prepare(const struct order *order, int folder, struct sandbox *sandbox) {
    struct places places = {.hidden_count = 0};
    struct err err = hide_all(order, &places);
    if (!err_failed(err)) {
        err = open_cwd(order, &places, sandbox);
    }
    if (err_failed(err)) {
        return err;
    }
    sandbox->ruleset = landlock_create(sandbox->abi);
    if (sandbox->ruleset < 0) {
        return failed();
    }
    filter_make(&sandbox->filter, sandbox->abi);
    return fill_ruleset(order, &places, folder, sandbox);
}

struct err sandbox_prepare(const struct order *order, int folder, struct sandbox *ret_sandbox) {
    ret_sandbox->abi = 0;
    ret_sandbox->ruleset = ret_sandbox->cwd = -1;
    if (!order_has(order, ORDER_SANDBOX)) {
        return ERR_OK;
    }
    ret_sandbox->abi = landlock_abi();
    if (ret_sandbox->abi < 1) {
        return err_from_errno(ENOSYS, "sandbox");
    }
    struct err err = prepare(order, folder, ret_sandbox);
    if (err_failed(err)) {
        sandbox_done(ret_sandbox);
    }
    return err;
}

void sandbox_done(struct sandbox *sandbox) {
    fd_release(&sandbox->ruleset);
    fd_release(&sandbox->cwd);
}

/* --- In the child ----------------------------------------------------------------------------- */

int sandbox_enter(const struct sandbox *sandbox, int terminal) {
    uint64_t of_terminal = landlock_rights(sandbox->abi) & USING;
    bool entered = fchdir(sandbox->cwd) == 0 &&
                   (terminal < 0 || landlock_allow(sandbox->ruleset, terminal, of_terminal) == 0) &&
                   privileges_drop() == 0 && landlock_enter(sandbox->ruleset) == 0;
    return entered ? 0 : -1;
}

int sandbox_close_gate(const struct sandbox *sandbox) {
    return call_filter_enter(&sandbox->filter);
}
