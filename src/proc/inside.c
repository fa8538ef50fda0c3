/* inside.c: see inside.h.
 *
 * A chain of ancestors is read from the process upwards, and each link may change meanwhile: a
 * parent ends, and its children are given to another one; its pid is given to a new process. So a
 * parent that is younger than its child, or that is gone while its child names another one by now,
 * makes the whole chain void, and it is read again. A parent that is gone while its child still
 * names it is hidden (hidepid, another user's), and ends the chain: holders are the user's own.
 */
#include "proc/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "proc/small/small.h"
#include "proc/tree.h"

enum {
    DEPTH_MAX = 256, /* Ancestors. */
    READS_MAX = 8,   /* Attempts to read a chain that changes. */
    PATH_SIZE = 320,
    STAT_SIZE = 1024,
    LINK_SIZE = 4096,
    CGROUP_SIZE = 4096,
    PAGE_SIZE = 16 << 10,
    ENVIRONMENT_MAX = 16 << 20, /* Beyond what exec takes by default. */
    DESCRIPTORS_MAX = 64, /* A holder has less than twenty, and its lock is among the first. */
    MARK_SIZE = PROTOCOL_NAME_MAX + 64, /* RUN.ATTEMPT.NONCE */
};

struct ancestor {
    int pid;
    uint64_t start_time;
};
struct chain {
    struct ancestor rows[DEPTH_MAX]; /* From the process upwards. */
    size_t count;
};

/* --- Names of attempts ------------------------------------------------------------------------ */

/* RUN.ATTEMPT. False: it is none. */
static bool name_run(struct bytes name, struct id *ret_run) {
    const char *dot = name.len == 0 ? NULL : memchr(name.data, '.', name.len);
    size_t len = dot == NULL ? 0 : (size_t)(dot - name.data);
    size_t digits = dot == NULL ? 0 : name.len - len - 1;
    if (name.len >= PROTOCOL_NAME_MAX || digits == 0 || !id_valid(name.data, len, "run")) {
        return false;
    }
    for (size_t i = len + 1; i < name.len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') {
            return false;
        }
    }
    memcpy(ret_run->text, name.data, len);
    ret_run->text[len] = '\0';
    return true;
}

/* State of the folder of an attempt. False: there is no claim by which a command ran. */
static bool claim_look(const struct inside_place *place, struct bytes name,
                       struct spool_state *ret_state) {
    char text[PROTOCOL_NAME_MAX];
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    struct spool_state state = {.pid = 0};
    struct err err = spool_decide(place->spool, text, SPOOL_LOOK, /* epoch */ 0, &state);
    if (err_failed(err) || state.pid <= 0 || state.rebooted) {
        return false;
    }
    *ret_state = state;
    return true;
}

/* --- The chain of ancestors ------------------------------------------------------------------- */

static bool proc_path(const struct inside_place *place, int pid, const char *name,
                      char ret_path[PATH_SIZE]) {
    return line_make(ret_path, PATH_SIZE, "%s/%d/%s", place->proc, pid, name);
}

static bool proc_read(const struct inside_place *place, int pid, const char *name, char *text,
                      size_t size) {
    char path[PATH_SIZE];
    return proc_path(place, pid, name, path) && files_read(path, text, size);
}

static bool stat_read(const struct inside_place *place, int pid, struct process_stat *ret_stat) {
    char text[STAT_SIZE];
    return proc_read(place, pid, "stat", text, sizeof text) &&
           process_stat_parse(bytes_of(text), ret_stat);
}

enum walk { WALK_WHOLE, WALK_CHANGED, WALK_GONE, WALK_DEEP };

/* The parent `pid` of the last ancestor cannot be read. */
static enum walk parent_absent(const struct inside_place *place, const struct chain *chain,
                               int pid) {
    const struct ancestor *child = &chain->rows[chain->count - 1];
    struct process_stat stat;
    bool same = stat_read(place, child->pid, &stat) && stat.start_time == child->start_time;
    return same && stat.parent == pid ? WALK_WHOLE : WALK_CHANGED;
}

static enum walk chain_walk(const struct inside_place *place, int pid, struct chain *chain) {
    chain->count = 0;
    for (int at = pid; at > 1 && at != place->self;) {
        struct process_stat stat;
        if (chain->count == DEPTH_MAX) {
            return WALK_DEEP;
        }
        if (!stat_read(place, at, &stat)) {
            return chain->count == 0 ? WALK_GONE : parent_absent(place, chain, at);
        }
        if (chain->count > 0 && stat.start_time > chain->rows[chain->count - 1].start_time) {
            return WALK_CHANGED;
        }
        chain->rows[chain->count++] = (struct ancestor){at, stat.start_time};
        at = stat.parent;
    }
    return WALK_WHOLE;
}

/* --- Holders ---------------------------------------------------------------------------------- */

/* The attempt whose lock this descriptor is: SPOOL/NAME/lock, which the kernel marks as deleted
 * when the folder was removed. */
static bool lock_name(const struct inside_place *place, struct bytes target,
                      struct bytes *ret_name) {
    struct bytes spool = bytes_of(spool_path(place->spool));
    if (!bytes_begin(target, spool) || target.len <= spool.len || target.data[spool.len] != '/') {
        return false;
    }
    struct bytes rest = {target.data + spool.len + 1, target.len - spool.len - 1};
    const char *slash = memchr(rest.data, '/', rest.len);
    if (slash == NULL) {
        return false;
    }
    *ret_name = (struct bytes){rest.data, (size_t)(slash - rest.data)};
    struct bytes file = {slash, rest.len - ret_name->len};
    return bytes_is(file, "/lock") || bytes_is(file, "/lock (deleted)");
}

/* The claim says by whom a folder is held. Where that is gone, any process that has kept the file
 * open, and has the title, looks like the holder: *ret_run is "" then, since nobody knows. */
static bool ancestor_is_holder(const struct inside_place *place, const struct ancestor *ancestor,
                               struct id *ret_run) {
    char path[PATH_SIZE], title[STAT_SIZE], target[LINK_SIZE];
    if (!proc_read(place, ancestor->pid, "cmdline", title, sizeof title) ||
        !bytes_begin(bytes_of(title), BYTES("drover-holder")) ||
        !proc_path(place, ancestor->pid, "fd", path)) {
        return false;
    }
    AUTO(fd_release) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct names names;
    names_start(&names, folder);
    bool unknown = false;
    const char *entry = NULL;
    for (unsigned i = 0; folder >= 0 && i < DESCRIPTORS_MAX && (entry = names_next(&names)) != NULL;
         i++) {
        ssize_t len = readlinkat(folder, entry, target, sizeof target);
        struct bytes name, text = {target, len > 0 ? (size_t)len : 0};
        struct spool_state state;
        if (!lock_name(place, text, &name) || !name_run(name, ret_run)) {
            continue;
        }
        const bool known = claim_look(place, name, &state);
        if (known && state.pid == ancestor->pid && state.start_time == ancestor->start_time) {
            return true;
        }
        unknown = unknown || !known;
    }
    ret_run->text[0] = '\0';
    return unknown;
}

/* --- Marks ------------------------------------------------------------------------------------ */

/* The value of DROVER_RUN, byte by byte: an environment has any size, and a variable of it too. */
struct mark {
    char value[MARK_SIZE];
    size_t at;  /* In the variable. */
    bool other; /* Another variable, or a value that is too long. */
};

/* True: the variable that ended was the mark. */
static bool mark_take(struct mark *mark, char byte) {
    static const char name[] = "DROVER_RUN=";
    const size_t begin = sizeof name - 1;
    if (byte == '\0') {
        bool found = !mark->other && mark->at > begin;
        if (found) {
            mark->value[mark->at - begin] = '\0';
        }
        mark->at = 0;
        mark->other = false;
        return found;
    }
    if (mark->at < begin) {
        mark->other = mark->other || byte != name[mark->at];
    } else if (mark->at - begin + 1 >= MARK_SIZE) {
        mark->other = true;
    } else if (!mark->other) {
        mark->value[mark->at - begin] = byte;
    }
    mark->at++;
    return false;
}

static bool environment_find(const struct inside_place *place, int pid, struct mark *mark) {
    char path[PATH_SIZE];
    AUTO(mem_release) char *page = mem_new(PAGE_SIZE);
    if (!proc_path(place, pid, "environ", path)) {
        return false;
    }
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : 1;
    for (size_t total = 0; got > 0 && total < ENVIRONMENT_MAX; total += (size_t)got) {
        got = read(fd, page, PAGE_SIZE);
        for (ssize_t i = 0; i < got; i++) {
            if (mark_take(mark, page[i])) {
                return true;
            }
        }
        got = got < 0 ? 0 : got;
    }
    return mark_take(mark, '\0'); /* A program may have taken the last NUL. */
}

/* RUN.ATTEMPT.NONCE, of which the nonce must be that of the claim. */
static bool ancestor_has_mark(const struct inside_place *place, const struct ancestor *ancestor,
                              struct id *ret_run) {
    struct mark mark = {.at = 0};
    if (!environment_find(place, ancestor->pid, &mark)) {
        return false;
    }
    struct bytes value = bytes_of(mark.value);
    const char *dot = memrchr(value.data, '.', value.len);
    struct bytes name = {value.data, dot == NULL ? 0 : (size_t)(dot - value.data)};
    struct spool_state state;
    return name_run(name, ret_run) && claim_look(place, name, &state) &&
           strcmp(state.nonce, dot + 1) == 0;
}

/* --- Cgroups ---------------------------------------------------------------------------------- */

/* The innermost component of a process' cgroup that is an attempt of ours. */
static bool cgroup_find_name(const struct inside_place *place, int pid, struct id *ret_run) {
    char text[CGROUP_SIZE];
    if (!proc_read(place, pid, "cgroup", text, sizeof text)) {
        return false;
    }
    struct bytes lines = bytes_of(text), line, part;
    bool found = false;
    while (bytes_next(&lines, '\n', &line)) {
        struct bytes rest = bytes_begin(line, BYTES("0::/"))
                                ? (struct bytes){line.data + 4, line.len - 4}
                                : (struct bytes){NULL, 0};
        for (bool ours = false; rest.len > 0 && bytes_next(&rest, '/', &part);) {
            struct spool_state state;
            struct id run;
            if (ours && name_run(part, &run) && claim_look(place, part, &state)) {
                *ret_run = run;
                found = true;
            }
            ours = bytes_begin(part, BYTES("drover-"));
        }
    }
    return found;
}

/* A daemon that a run's command started stands in that cgroup, as do the commands that it starts
 * itself: those are outside. */
static bool ancestor_has_cgroup(const struct inside_place *place, const struct ancestor *ancestor,
                                struct id *ret_run) {
    struct id own;
    return cgroup_find_name(place, ancestor->pid, ret_run) &&
           !(cgroup_find_name(place, place->self, &own) && strcmp(own.text, ret_run->text) == 0);
}

/* --- All of it -------------------------------------------------------------------------------- */

static bool chain_find(const struct inside_place *place, const struct chain *chain,
                       bool (*look)(const struct inside_place *place,
                                    const struct ancestor *ancestor, struct id *ret_run),
                       size_t count, struct id *ret_run) {
    for (size_t i = 0; i < count && i < chain->count; i++) {
        struct id run;
        if (look(place, &chain->rows[i], &run)) {
            *ret_run = run;
            return true;
        }
    }
    return false;
}

enum inside_found inside_find(const struct inside_place *place, int pid, struct id *ret_run) {
    struct chain chain;
    struct id run;
    enum walk walk = WALK_CHANGED;
    if (pid <= 0) {
        return INSIDE_NO; /* Another PID namespace, which no command of ours can enter. */
    }
    for (unsigned i = 0; i < READS_MAX && walk == WALK_CHANGED; i++) {
        walk = chain_walk(place, pid, &chain);
    }
    if (chain_find(place, &chain, ancestor_is_holder, DEPTH_MAX, &run) ||
        chain_find(place, &chain, ancestor_has_mark, DEPTH_MAX, &run) ||
        chain_find(place, &chain, ancestor_has_cgroup, 1, &run)) {
        if (run.text[0] == '\0') {
            return INSIDE_UNKNOWN;
        }
        *ret_run = run;
        return INSIDE_RUN;
    }
    /* A process that is there and hides is another user's, root's. */
    bool hidden = walk == WALK_GONE && kill(pid, 0) < 0 && errno == EPERM;
    return walk == WALK_WHOLE || hidden ? INSIDE_NO : INSIDE_UNKNOWN;
}
