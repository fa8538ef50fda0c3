/* cgroups.c: see cgroups.h. What is found out about our own place is in cgroup_find.c. */
#include "proc/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"

enum {
    PLACES_MAX = 8, /* Ours, and those of daemons before us that stood elsewhere. */
    HASH_DIGITS = 16,
    PROC_SIZE_MAX = 1 << 20,
    LIST_SIZE_MAX = PLACES_MAX * CGROUP_PATH_MAX,
    SMALL_SIZE = 4096,
    WAIT_MS = 20,
};

static const uint64_t NS_PER_MS = 1000 * 1000;

struct cgroups {
    bool usable; /* The first place is ours. */
    size_t count;
    char places[PLACES_MAX][CGROUP_PATH_MAX];
};

/* --- Our own place ---------------------------------------------------------------------------- */

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
        fits = strlen(cgroups->places[i]) != path.len ||
               memcmp(cgroups->places[i], path.data, path.len) != 0;
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

static void add_older(struct cgroups *cgroups, const char *list) {
    while (*list != '\0') {
        size_t len = strcspn(list, "\n");
        add_place(cgroups, (struct bytes){list, len});
        list += len + (list[len] != '\0');
    }
}

/* What has processes in it stays, since the kernel refuses. */
static void sweep(const char *place) {
    DIR *folder = opendir(place);
    if (folder == NULL) {
        return;
    }
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (strncmp(entry->d_name, "run_", 4) == 0) {
            (void)unlinkat(dirfd(folder), entry->d_name, AT_REMOVEDIR); /* As said above. */
        }
    }
    (void)closedir(folder);
}

static void drop_empty(struct cgroups *cgroups) {
    size_t kept = 0;
    for (size_t i = 0; i < cgroups->count; i++) {
        sweep(cgroups->places[i]);
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

/* Before the first command has one: a list that can't be written costs what a dead holder's command
 * hid from us after a move, and no more. */
static void keep(const struct world *world, const struct cgroups *cgroups, const char *path,
                 const char *before) {
    AUTO(text_done) struct text list = text_up_to(LIST_SIZE_MAX);
    for (size_t i = 0; i < cgroups->count; i++) {
        text_addf(&list, "%s\n", cgroups->places[i]);
    }
    if (!text_failed(&list) &&
        (list.len != strlen(before) || memcmp(list.data, before, list.len))) {
        (void)world->file_replace(world->ctx, path, (struct bytes){list.data, list.len},
                                  0600); /* As said above. */
    }
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
    add_older(cgroups, list);
    drop_empty(cgroups);
    keep(world, cgroups, path, list);
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

static bool is_populated(int events) {
    char text[SMALL_SIZE];
    ssize_t got = pread(events, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return strstr(text, "populated 1") != NULL;
}

static unsigned count_lines(int folder) {
    AUTO(fd_release) int procs = openat(folder, "cgroup.procs", O_RDONLY | O_CLOEXEC);
    char piece[SMALL_SIZE];
    unsigned lines = 0;
    for (ssize_t got; procs >= 0 && (got = read(procs, piece, sizeof piece)) > 0;) {
        for (ssize_t i = 0; i < got; i++) {
            lines += piece[i] == '\n';
        }
    }
    return lines > 0 ? lines : 1;
}

static unsigned end_leaf(int leaf, uint64_t until_ns) {
    AUTO(fd_release) int kill = openat(leaf, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    AUTO(fd_release) int events = openat(leaf, "cgroup.events", O_RDONLY | O_CLOEXEC);
    while (events >= 0 && is_populated(events)) {
        if (world_mono_ns(world_real()) >= until_ns) {
            return count_lines(leaf);
        }
        if (kill >= 0) {
            (void)write(kill, "1", 1); /* What it could not end now is asked for again. */
        }
        struct pollfd change = {.fd = events, .events = POLLPRI};
        (void)poll(&change, 1, WAIT_MS); /* Whatever it says, we look again. */
    }
    return 0;
}

/* -1: there is none in that place. */
static int open_leaf(const char *place, const char *name) {
    AUTO(fd_release) int folder = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return folder < 0 ? -1 : openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The kernel counts without a controller, too, and also who has ended. */
int64_t cgroups_cpu_us(const struct cgroups *cgroups, const char *name) {
    static const char word[] = "usage_usec ";
    int64_t sum = -1;
    for (size_t i = 0; cgroups != NULL && i < cgroups->count; i++) {
        AUTO(fd_release) int leaf = open_leaf(cgroups->places[i], name);
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
        int leaf =
            place < 0 ? -1 : openat(place, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (leaf >= 0) {
            left += end_leaf(leaf, until_ns);
            (void)unlinkat(place, name, AT_REMOVEDIR); /* Else the next start does. */
        }
    }
    return left;
}
