/* cgroups.c: see cgroups.h.
 *
 * Where our own cgroup lies stands in two texts of the kernel:
 *
 *   /proc/self/cgroup     a line for each hierarchy; that of version 2 is "0::/PATH"
 *   /proc/self/mountinfo  ID PARENT DEVICE ROOT MOUNTED_AT OPTIONS [TAG…] - TYPE SOURCE OPTIONS
 *
 * ROOT is what of the hierarchy is seen at MOUNTED_AT. A path that begins with "/.." lies outside
 * of what a container may see.
 */
#include "proc/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "proc/small/small.h"

enum {
    PLACES_MAX = 8, /* Ours, and those of daemons before us that stood elsewhere. */
    HASH_DIGITS = 16,
    PROC_SIZE_MAX = 1 << 20,
    LIST_SIZE_MAX = PLACES_MAX * CGROUP_PATH_MAX,
    SMALL_SIZE = 4096,
    WAIT_MS = 20,
    ROOT = 3, /* Fields of a mount. */
    MOUNTED_AT = 4,
    OPTIONS = 5,
    FIELDS,
};

static const uint64_t NS_PER_MS = 1000 * 1000;

struct cgroups {
    bool usable; /* The first place is ours. */
    size_t count;
    char places[PLACES_MAX][CGROUP_PATH_MAX];
};

/* --- Our own place ---------------------------------------------------------------------------- */

/* A mount of cgroups of version 2. */
static bool mount_split(struct bytes line, struct bytes *fields) {
    for (unsigned i = 0; i < FIELDS; i++) {
        if (!bytes_next(&line, ' ', &fields[i]) || line.len == 0) {
            return false;
        }
    }
    return memmem(line.data - 1, line.len + 1, " - cgroup2 ", 11) != NULL;
}

/* What is left of `own` below `root`; false: it is not below. */
static bool path_below(struct bytes own, struct bytes root, struct bytes *ret_rest) {
    root.len = root.len == 1 ? 0 : root.len; /* "/" is a prefix without its slash. */
    if (!bytes_begin(own, root) || (own.len > root.len && own.data[root.len] != '/')) {
        return false;
    }
    *ret_rest = (struct bytes){own.data + root.len, own.len - root.len};
    return true;
}

const char *cgroup_find(const char *cgroup, const char *mounts, char ret_path[CGROUP_PATH_MAX]) {
    struct bytes lines = bytes_of(cgroup), line, own = {NULL, 0}, rest;
    while (own.data == NULL && bytes_next(&lines, '\n', &line)) {
        own = bytes_begin(line, BYTES("0::/")) ? (struct bytes){line.data + 3, line.len - 3} : own;
    }
    if (own.data == NULL) {
        return "this system has no cgroups of version 2";
    }
    if (bytes_begin(own, BYTES("/.."))) {
        return "the daemon's own cgroup lies outside of what this container may see";
    }
    const char *lack = "no cgroups of version 2 are mounted where the daemon could see its own";
    for (lines = bytes_of(mounts); bytes_next(&lines, '\n', &line);) {
        struct bytes fields[FIELDS], options, option;
        if (!mount_split(line, fields) || !path_below(own, fields[ROOT], &rest) ||
            memchr(fields[MOUNTED_AT].data, '\\', fields[MOUNTED_AT].len) != NULL) {
            continue;
        }
        options = fields[OPTIONS];
        if (bytes_next(&options, ',', &option) && bytes_is(option, "ro")) {
            lack = "the cgroups that the daemon sees are mounted read-only";
            continue;
        }
        int len = snprintf(ret_path, CGROUP_PATH_MAX, "%.*s%.*s", (int)fields[MOUNTED_AT].len,
                           fields[MOUNTED_AT].data, rest.len == 1 ? 0 : (int)rest.len, rest.data);
        if (len > 0 && len < CGROUP_PATH_MAX) {
            return NULL;
        }
    }
    return lack;
}

/* Files of /proc have no size. NULL: it can't be read. Owned. */
static char *read_all(const char *path) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO(text_done) struct text text = text_up_to(PROC_SIZE_MAX);
    char piece[SMALL_SIZE];
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0) {
        got = read(fd, piece, sizeof piece);
        text_add(&text, piece, got > 0 ? (size_t)got : 0);
    }
    return got < 0 || text_failed(&text) ? NULL : text_take(&text, NULL /* its length */);
}

/* False: why_set says why. */
static bool find_own(char own[CGROUP_PATH_MAX], struct why *why) {
    AUTO(mem_release) char *cgroup = read_all("/proc/self/cgroup");
    AUTO(mem_release) char *mounts = read_all("/proc/self/mountinfo");
    const char *lack = cgroup == NULL || mounts == NULL ? "/proc does not tell where the daemon is"
                                                        : cgroup_find(cgroup, mounts, own);
    if (lack != NULL) {
        why_set(why, "%s", lack);
    }
    return lack == NULL;
}

static bool join(const char *folder, const char *name, char ret_path[CGROUP_PATH_MAX]) {
    int len = snprintf(ret_path, CGROUP_PATH_MAX, "%s/%s", folder, name);
    return len > 0 && len < CGROUP_PATH_MAX;
}

/* Who moves a process writes in both cgroups and in the one above them, which is ours. */
static bool make_place(const char *own, const char *place, struct why *why) {
    char path[CGROUP_PATH_MAX];
    bool made = mkdir(place, 0700) == 0 || errno == EEXIST;
    bool moves =
        made && join(own, "cgroup.procs", path) && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
    if (!moves) {
        why_set(why, "none can be made in %.200s: %s (a service needs Delegate=yes)", own,
                strerror(errno));
        return false;
    }
    bool kills =
        join(place, "cgroup.kill", path) && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
    if (!kills) {
        why_set(why, "their processes cannot be ended together (Linux 5.14 or newer)");
    }
    return kills;
}

bool cgroups_probe(struct why *ret_text) {
    char own[CGROUP_PATH_MAX], place[CGROUP_PATH_MAX], name[32];
    (void)snprintf(name, sizeof name, "drover-probe-%d", (int)getpid()); /* It fits. */
    struct why why;
    bool usable = find_own(own, &why);
    if (usable && !join(own, name, place)) {
        why_set(&why, "the path of the daemon's own cgroup is too long");
        usable = false;
    }
    if (usable) {
        usable = make_place(own, place, &why);
        (void)rmdir(place); /* At worst it was not made. */
    }
    if (usable) {
        why_set(ret_text, "each command has one of its own, in %.200s", own);
    } else {
        why_set(ret_text,
                "none: %.200s; of a killed holder's command, a process that clears its environment"
                " and forks twice is not found",
                why.text);
    }
    return usable;
}

/* --- Places ----------------------------------------------------------------------------------- */

static void add_place(struct cgroups *cgroups, struct bytes path) {
    bool fits = cgroups->count < PLACES_MAX && path.len > 1 && path.len < CGROUP_PATH_MAX &&
                path.data[0] == '/';
    for (size_t i = 0; fits && i < cgroups->count; i++) {
        fits = !bytes_is(path, cgroups->places[i]);
    }
    if (fits) {
        memcpy(cgroups->places[cgroups->count], path.data, path.len);
        cgroups->places[cgroups->count++][path.len] = '\0';
    }
}

static void add_ours(struct cgroups *cgroups, const char *data_dir, struct why *why) {
    char own[CGROUP_PATH_MAX], place[CGROUP_PATH_MAX], name[32];
    const struct sha256 hash = sha256_of(data_dir, strlen(data_dir));
    const struct sha256_hex hex = sha256_hex(&hash);
    (void)snprintf(name, sizeof name, "drover-%.*s", (int)HASH_DIGITS, hex.text); /* It fits. */
    if (find_own(own, why) && join(own, name, place) && make_place(own, place, why)) {
        add_place(cgroups, bytes_of(place));
        cgroups->usable = true;
    }
}

/* Removes what is empty. What has processes in it stays, since the kernel refuses. */
static void drop_empty(struct cgroups *cgroups) {
    size_t kept = 0;
    for (size_t i = 0; i < cgroups->count; i++) {
        AUTO(fd_release)
        int folder = open(cgroups->places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct names names;
        names_start(&names, folder);
        for (const char *name; folder >= 0 && (name = names_next(&names)) != NULL;) {
            if (strncmp(name, "run_", 4) == 0) {
                (void)unlinkat(folder, name, AT_REMOVEDIR); /* As said above. */
            }
        }
        bool ours = cgroups->usable && i == 0;
        if (!ours && (rmdir(cgroups->places[i]) == 0 || errno == ENOENT)) {
            continue;
        }
        if (kept != i) {
            memcpy(cgroups->places[kept], cgroups->places[i], CGROUP_PATH_MAX);
        }
        kept++;
    }
    cgroups->count = kept;
}

struct cgroups *cgroups_open(const struct world *world, const char *data_dir, enum cgroups_use use,
                             struct why *ret_why) {
    char path[CGROUP_PATH_MAX];
    if (!join(data_dir, "cgroups", path)) {
        return NULL;
    }
    AUTO(mem_release) char *list = NULL;
    size_t len = 0;
    if (err_failed(world->file_read(world->ctx, path, LIST_SIZE_MAX, &list, &len))) {
        list = mem_copy("", 0); /* The first start, most of all. */
    }
    AUTO(mem_release) struct cgroups *cgroups = mem_new(sizeof *cgroups);
    if (use == CGROUPS_AUTO) {
        add_ours(cgroups, data_dir, ret_why);
    } else {
        why_set(ret_why, "the daemon was told so (--no-cgroups)");
    }
    struct bytes rest = bytes_of(list), older;
    while (bytes_next(&rest, '\n', &older)) {
        add_place(cgroups, older);
    }
    drop_empty(cgroups);

    /* The list is kept before the first command has a cgroup: one that can't be written costs what
     * a dead holder's command hid from us after a move, and no more. */
    AUTO(text_done) struct text now = text_up_to(LIST_SIZE_MAX);
    for (size_t i = 0; i < cgroups->count; i++) {
        text_addf(&now, "%s\n", cgroups->places[i]);
    }
    if (!text_failed(&now) && !bytes_is(text_bytes(&now), list)) {
        (void)world->file_replace(world->ctx, path, text_bytes(&now), 0600); /* As said above. */
    }
    struct cgroups *kept = cgroups->count > 0 ? cgroups : NULL;
    cgroups = kept == NULL ? cgroups : NULL; /* Handed over. */
    return kept;
}

const char *cgroups_path(const struct cgroups *cgroups) {
    return cgroups != NULL && cgroups->usable ? cgroups->places[0] : NULL;
}

void cgroups_free(struct cgroups *cgroups) {
    const char *ours = cgroups_path(cgroups);
    if (ours != NULL) {
        (void)rmdir(ours); /* Where commands live on, the kernel refuses. */
    }
    mem_free(cgroups);
}

/* --- The end of a leaf ------------------------------------------------------------------------ */

static unsigned end_leaf(int leaf, uint64_t until_ns) {
    AUTO(fd_release) int kill = openat(leaf, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    AUTO(fd_release) int events = openat(leaf, "cgroup.events", O_RDONLY | O_CLOEXEC);
    for (;;) {
        char text[SMALL_SIZE];
        ssize_t got = events < 0 ? 0 : pread(events, text, sizeof text - 1, 0);
        text[got > 0 ? got : 0] = '\0';
        if (strstr(text, "populated 1") == NULL) {
            return 0;
        }
        if (world_mono_ns(world_real()) >= until_ns) {
            break;
        }
        if (kill >= 0) {
            (void)write(kill, "1", 1); /* What it could not end now is asked for again. */
        }
        struct pollfd change = {.fd = events, .events = POLLPRI};
        (void)poll(&change, 1, WAIT_MS); /* Whatever it says, we look again. */
    }
    AUTO(fd_release) int procs = openat(leaf, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    char piece[SMALL_SIZE];
    unsigned lines = 0;
    for (ssize_t got; procs >= 0 && (got = read(procs, piece, sizeof piece)) > 0;) {
        for (ssize_t i = 0; i < got; i++) {
            lines += piece[i] == '\n';
        }
    }
    return lines > 0 ? lines : 1;
}

/* -1: there is none in that place. */
static int open_leaf(int place, const char *name) {
    return openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The kernel counts without a controller, too, and also who has ended. */
int64_t cgroups_cpu_us(const struct cgroups *cgroups, const char *name) {
    static const char word[] = "usage_usec ";
    int64_t sum = -1;
    for (size_t i = 0; cgroups != NULL && i < cgroups->count; i++) {
        AUTO(fd_release) int place = open(cgroups->places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        AUTO(fd_release) int leaf = place < 0 ? -1 : open_leaf(place, name);
        AUTO(fd_release) int stat = leaf < 0 ? -1 : openat(leaf, "cpu.stat", O_RDONLY | O_CLOEXEC);
        char text[SMALL_SIZE];
        ssize_t got = stat < 0 ? -1 : read(stat, text, sizeof text - 1);
        text[got > 0 ? got : 0] = '\0';
        const char *at = strstr(text, word);
        const char *digits = at == NULL ? "" : at + sizeof word - 1;
        int64_t cpu_us = 0;
        if (number_parse((struct bytes){digits, strspn(digits, "0123456789")},
                         (struct number_bounds){0, INT64_MAX / PLACES_MAX}, &cpu_us)) {
            sum = (sum < 0 ? 0 : sum) + cpu_us;
        }
    }
    return sum;
}

unsigned cgroups_end(const struct cgroups *cgroups, const char *name, unsigned wait_ms) {
    uint64_t until_ns = world_mono_ns(world_real()) + wait_ms * NS_PER_MS;
    unsigned left = 0;
    for (size_t i = 0; cgroups != NULL && i < cgroups->count; i++) {
        AUTO(fd_release)
        int place = open(cgroups->places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        AUTO(fd_release)
        int leaf = place < 0 ? -1 : open_leaf(place, name);
        if (leaf >= 0) {
            left += end_leaf(leaf, until_ns);
            (void)unlinkat(place, name, AT_REMOVEDIR); /* Else the next start does. */
        }
    }
    return left;
}
