/* sandbox.c: see sandbox.h.
 *
 * Landlock only ever grants, and what it grants of a folder it grants of all below. So what is to
 * be hidden is gone around: each folder that stands above something hidden is granted nothing by
 * itself, and of its entries all but the one on the way. What is made in such a folder later is not
 * seen, and neither are the names in it.
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
#include "proc/small/small.h"
#include "proc/spool/protocol.h"

enum {
    SEEING = LANDLOCK_EXECUTE | LANDLOCK_READ_FILE | LANDLOCK_READ_DIR,
    USING = LANDLOCK_READ_FILE | LANDLOCK_WRITE_FILE | LANDLOCK_TRUNCATE | LANDLOCK_IOCTL_DEV,
    NO_MAGIC_LINKS = 0x02, /* Of openat2; musl has no name for them. */
    NO_LINKS = 0x04,
    MAKING_DEVICES = LANDLOCK_MAKE_CHAR | LANDLOCK_MAKE_BLOCK,
    HIDDEN_MAX = 16,
    ABOVE_MAX = 512,
    PATH_SIZE = 4096,
    RULES_MAX = 1 << 17,
};

/* What is hidden, and the folders that stand above. */
struct place {
    dev_t device;
    ino_t inode;
};
struct places {
    const char *paths[HIDDEN_MAX]; /* Borrowed. */
    struct place hidden[HIDDEN_MAX];
    size_t hidden_count;
    struct place above[ABOVE_MAX];
    size_t above_count;
};

/* Functions of places answer -1 and errno where they fail. */
static int place_of(int fd, struct place *ret_place) {
    struct stat about;
    if (fstat(fd, &about) < 0) {
        return -1;
    }
    *ret_place = (struct place){about.st_dev, about.st_ino};
    return 0;
}

static int fail_with(int os) {
    errno = os;
    return -1;
}

static bool place_same(struct place a, struct place b) {
    return a.device == b.device && a.inode == b.inode;
}

static bool place_is_in(struct place place, const struct place *places, size_t count) {
    size_t i = 0;
    while (i < count && !place_same(places[i], place)) {
        i++;
    }
    return i < count;
}

/* --- Upwards ---------------------------------------------------------------------------------- */

/* Reading needs more rights than standing there, so it is for callers that want to read; a folder
 * that may not be read is opened all the same. */
static int folder_at(int at, const char *path, int flags) {
    int fd = openat(at, path, flags | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 && errno == EACCES ? openat(at, path, O_PATH | O_DIRECTORY | O_CLOEXEC) : fd;
}

/* The folder that `path` stands in. */
static int folder_above(const char *path, int flags) {
    char parent[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    if (!line_make(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path)) {
        return fail_with(ENAMETOOLONG);
    }
    return folder_at(AT_FDCWD, parent, flags);
}

/* Replaces *fd by its parent. False in *ret_more: it is the root. */
static int folder_go_up(int *fd, int flags, bool *ret_more) {
    struct place here, there;
    AUTO(fd_release) int parent = folder_at(*fd, "..", flags);
    if (parent < 0 || place_of(*fd, &here) < 0 || place_of(parent, &there) < 0) {
        return -1;
    }
    fd_release(fd);
    *fd = fd_take(&parent);
    *ret_more = !place_same(here, there);
    return 0;
}

/* A path that is no link. ELOOP: it is one. */
static int places_hide(struct places *places, const char *path) {
    AUTO(fd_release) int fd = folder_above(path, O_PATH);
    AUTO(fd_release)
    int hidden = fd < 0 ? -1 : openat(fd, strrchr(path, '/') + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (hidden < 0 || fstat(hidden, &about) < 0) {
        return -1;
    }
    if (S_ISLNK(about.st_mode) || places->hidden_count == HIDDEN_MAX) {
        return fail_with(S_ISLNK(about.st_mode) ? ELOOP : E2BIG);
    }
    places->paths[places->hidden_count] = path;
    places->hidden[places->hidden_count++] = (struct place){about.st_dev, about.st_ino};
    for (bool more = true; more;) {
        struct place place;
        if (place_of(fd, &place) < 0) {
            return -1;
        }
        if (!place_is_in(place, places->above, places->above_count)) {
            if (places->above_count == ABOVE_MAX) {
                return fail_with(ENAMETOOLONG);
            }
            places->above[places->above_count++] = place;
        }
        if (folder_go_up(&fd, O_PATH, &more) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Clear: the folder is not hidden, and holds nothing hidden. */
static int places_judge(const struct places *places, int folder, bool *ret_clear) {
    struct place place;
    *ret_clear = false;
    if (place_of(folder, &place) < 0) {
        return -1;
    }
    if (place_is_in(place, places->above, places->above_count)) {
        return 0;
    }
    AUTO(fd_release) int fd = openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (bool more = fd >= 0; more;) {
        if (place_is_in(place, places->hidden, places->hidden_count)) {
            return 0;
        }
        if (folder_go_up(&fd, O_PATH, &more) < 0 || place_of(fd, &place) < 0) {
            return -1;
        }
    }
    *ret_clear = fd >= 0;
    return fd >= 0 ? 0 : -1;
}

/* --- Around ----------------------------------------------------------------------------------- */

/* What has gone meanwhile is nothing to show. Links need no right, and devices, pipes and sockets
 * that stand beside something hidden get none. */
static int places_show_entry(const struct places *places, int ruleset, int folder, const char *name,
                             unsigned *rules) {
    AUTO(fd_release) int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) {
        return errno == ENOENT || errno == EACCES ? 0 : -1;
    }
    const struct place place = {about.st_dev, about.st_ino};
    bool is_folder = S_ISDIR(about.st_mode);
    if ((!is_folder && !S_ISREG(about.st_mode)) ||
        place_is_in(place, places->hidden, places->hidden_count) ||
        place_is_in(place, places->above, places->above_count)) {
        return 0;
    }
    if (++*rules > RULES_MAX) {
        return fail_with(E2BIG);
    }
    return landlock_allow(ruleset, fd, is_folder ? SEEING : SEEING & LANDLOCK_OF_FILES);
}

/* Everything that is not hidden is shown. The folders above several hidden ones are gone through
 * once for each: a rule twice is one rule. */
static int places_show(const struct places *places, int ruleset) {
    unsigned rules = 0;
    for (size_t i = 0; i < places->hidden_count; i++) {
        AUTO(fd_release) int fd = folder_above(places->paths[i], O_RDONLY);
        if (fd < 0) {
            return -1;
        }
        for (bool more = true; more;) {
            struct names names;
            names_start(&names, fd);
            for (const char *name; (name = names_next(&names)) != NULL;) {
                if (places_show_entry(places, ruleset, fd, name, &rules) < 0) {
                    return -1;
                }
            }
            /* EBADF: one that may not be read shows nothing. A command that may not read it either
             * loses only entries of which it knew the name. */
            if ((names.len < 0 && errno != EBADF) || folder_go_up(&fd, O_RDONLY, &more) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* --- The rules -------------------------------------------------------------------------------- */

/* A system that has no such device loses nothing by that. */
static int sandbox_allow_devices(const struct sandbox *sandbox, uint64_t rights) {
    static const char *const names[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                        "/dev/random", "/dev/urandom", "/dev/tty"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(fd_release) int fd = open(names[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat about;
        bool is_device = fd >= 0 && fstat(fd, &about) == 0 && S_ISCHR(about.st_mode);
        if (is_device && landlock_allow(sandbox->ruleset, fd, rights & USING) < 0) {
            return -1;
        }
    }
    return 0;
}

/* What cannot be granted is not: the command finds out, and nothing is opened by mistake. Where no
 * part of the path is a link, the folder is the one that was meant. */
static int sandbox_allow_writes(const struct sandbox_plan *plan, const struct places *places,
                                const struct sandbox *sandbox, uint64_t rights) {
    const struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = NO_MAGIC_LINKS | NO_LINKS};
    for (size_t i = 0; i < plan->write_count; i++) {
        AUTO(fd_release)
        int fd = (int)syscall(SYS_openat2, AT_FDCWD, plan->write[i], &how, sizeof how);
        bool clear = false;
        if ((fd >= 0 && places_judge(places, fd, &clear) < 0) ||
            (clear && landlock_allow(sandbox->ruleset, fd, rights) < 0)) {
            return -1;
        }
    }
    return 0;
}

/* `tmp` is of this attempt alone; nobody else may have made it. */
static int sandbox_make_tmp(int folder) {
    if (mkdirat(folder, PROTOCOL_TMP, 0700) < 0) {
        return -1;
    }
    return openat(folder, PROTOCOL_TMP, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static struct err sandbox_make(const struct sandbox_plan *plan, struct sandbox *sandbox) {
    struct places places = {.hidden_count = 0};
    int hidden = places_hide(&places, "/dev");
    for (size_t i = 0; i < plan->hide_count && hidden == 0; i++) {
        hidden = places_hide(&places, plan->hide[i]);
    }
    if (hidden < 0) {
        return err_from_errno(errno, "sandbox");
    }
    bool clear = false;
    sandbox->cwd = open(plan->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (sandbox->cwd < 0) {
        return err_from_errno(errno, "chdir");
    }
    if (places_judge(&places, sandbox->cwd, &clear) < 0) {
        return err_from_errno(errno, "sandbox");
    }
    if (!clear) {
        return err_from_errno(EACCES, "sandbox_cwd");
    }
    uint64_t rights = landlock_rights(sandbox->abi);
    uint64_t owning = rights & ~(uint64_t)MAKING_DEVICES;
    sandbox->ruleset = landlock_create(sandbox->abi);
    AUTO(fd_release) int tmp = sandbox->ruleset < 0 ? -1 : sandbox_make_tmp(plan->folder);
    if (tmp < 0 || landlock_allow(sandbox->ruleset, tmp, owning) < 0 ||
        landlock_allow(sandbox->ruleset, sandbox->cwd, owning) < 0 ||
        sandbox_allow_writes(plan, &places, sandbox, owning) < 0 ||
        sandbox_allow_devices(sandbox, rights) < 0 || places_show(&places, sandbox->ruleset) < 0) {
        return err_from_errno(errno, "sandbox");
    }
    filter_make(&sandbox->filter, sandbox->abi);
    return ERR_OK;
}

struct err sandbox_prepare(const struct sandbox_plan *plan, struct sandbox *ret_sandbox) {
    ret_sandbox->ruleset = ret_sandbox->cwd = -1;
    ret_sandbox->abi = landlock_abi();
    if (ret_sandbox->abi < 1) {
        return err_from_errno(ENOSYS, "sandbox");
    }
    struct err err = sandbox_make(plan, ret_sandbox);
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
