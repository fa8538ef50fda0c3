/* autostart.c: see autostart.h.
 *
 *   connects? ── yes ──────────────────────────────────────────────> done
 *      │ no            ┌─ it ended: busy (another daemon ends just now, or begins) ─> again
 *   start.lock ── got ─┴─ spawn ── wait for the socket or its end ──> done, or its log
 *      └── not got: pause, again; after five seconds without the lock
 *
 * A command that is killed between the lock and the socket leaves a daemon that goes on, or none.
 * The next command finds that daemon by its socket, or starts another, which then loses the claim
 * of the directory. */
#include "cli/base/autostart.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/find.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/process/spawn.h"
#include "base/process/variables.h"
#include "cli/base/args.h"
#include "cli/base/client.h"
#include "cli/base/systemctl.h"
#include "cli/base/user_unit.h"
#include "cli/terminal/plain.h"
#include "store/datadir.h"
#include "store/log_file.h"

/* LOCK_WAIT_MS: time after which a daemon is started without the lock. */
enum { STEP_MS = 10, LOCK_WAIT_MS = 5000, LOG_LINES_SHOWN = 5, ROOM_MIN = 1 << 20 };

/* --- Environment ------------------------------------------------------------------------------ */

static bool is_setting(const struct command *serve, struct bytes name) {
    struct args_flags flags;
    args_flags(serve, &flags);
    for (unsigned at = 0; at < flags.count; at++) {
        const char *env = flags.rows[at].flag->env;
        if (env != NULL && bytes_is(name, env)) {
            return true;
        }
    }
    return false;
}

bool autostart_inherits(const struct command *serve, const char *variable) {
    return variable_is_for(variable, VARIABLE_DAEMON) ||
           is_setting(serve, (struct bytes){variable, strcspn(variable, "=")});
}

/* Names from which an agent takes its variables, as members of an object. */
static void names_add(void *ctx, const struct agent_seen *seen) {
    json_t *names = ctx;
    for (struct json_member at = json_first(seen->what->env); at.value != NULL;
         at = json_next(at)) {
        enum agent_secret where;
        const char *name;
        if (agent_env_refers(at.value, &where, &name) && where == AGENT_SECRET_VARIABLE) {
            (void)json_object_set_new(names, name, json_true()); /* No memory: it is missing. */
        }
    }
}

/* Agents of the home alone: a project decides nothing about a daemon that serves all folders. None
 * of our own names: they say what the command itself is. */
static bool is_for_agent(const json_t *names, const char *variable) {
    const size_t len = strcspn(variable, "=");
    return strncmp(variable, "DROVER_", 7) != 0 && json_object_getn(names, variable, len) != NULL;
}

/* Owned by the caller (mem_free); the texts are borrowed. */
static const char **environment_of(const struct autostart *start) {
    const struct agent_search agents = {.home = start->env->get(start->env->ctx, "HOME")};
    AUTO(json_release) json_t *names = json_object();
    size_t count = 0, kept = 0;
    agent_each(&agents, names_add, names);
    while (start->env->all[count] != NULL) {
        count++;
    }
    const char **list = mem_new_array(count + 1, sizeof *list);
    for (size_t i = 0; i < count; i++) {
        const char *variable = start->env->all[i];
        if (autostart_inherits(start->serve, variable) || is_for_agent(names, variable)) {
            list[kept++] = variable;
        }
    }
    return list;
}

/* --- The directory ---------------------------------------------------------------------------- */

/* A path in the data directory, which is open: short, however deep that lies. */
struct place {
    char text[64];
};

static struct place place_of(int directory, const char *name) {
    struct place place;
    (void)snprintf(place.text, sizeof place.text, "/proc/self/fd/%d/%s", directory,
                   name); /* Names of our own: they fit. */
    return place;
}

static bool is_served(int directory) {
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s",
                   place_of(directory, "drover.sock").text); /* Shorter than that. */
    return fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ||
                       errno == EAGAIN); /* The queue of the listener is full. */
}

static struct err owner_check(const struct autostart *start, int directory, struct why *why) {
    struct stat about;
    if (fstat(directory, &about) < 0) {
        return path_why(err_from_errno(errno, "autostart: look"), start->data, "looked at", why);
    }
    if (about.st_uid == geteuid()) {
        return ERR_OK;
    }
    if (client_may_be_own(about.st_uid)) {
        return err_why(why, ERR_NO_PERMISSION,
                       "a sandbox around this command hides whose the data directory %s is; run it"
                       " outside, where a daemon can start, or choose another with --data",
                       start->data);
    }
    const struct passwd *owner = getpwuid(about.st_uid);
    return err_why(why, ERR_NO_PERMISSION,
                   "the data directory %s belongs to user %s (uid %u), and its daemon must run as"
                   " that user; choose another directory with --data",
                   start->data, owner != NULL ? owner->pw_name : "unknown", about.st_uid);
}

static struct err directory_open(const struct autostart *start, int *ret_fd, struct why *why) {
    TRY(datadir_make(start->data, why));
    AUTO(fd_release) int fd = open(start->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) { /* The owner is readable all the same. */
        fd = open(start->data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) {
        return path_why(err_from_errno(errno, "autostart: open"), start->data, "opened", why);
    }
    TRY(owner_check(start, fd, why));
    *ret_fd = fd_take(&fd);
    return ERR_OK;
}

bool autostart_is_wanted(const char *data) {
    AUTO(mem_release) char *mark = datadir_path(data, AUTOSTART_MARK);
    return access(mark, F_OK) == 0;
}

/* --- The log ---------------------------------------------------------------------------------- */

/* The sentence, and the last lines of the log below it. */
static struct err log_why(const struct autostart *start, struct err err, const char *sentence,
                          struct why *why) {
    AUTO(text_done) struct text end = text_up_to(4 * LOG_FILE_END_MAX);
    struct err read = log_file_end(start->data, LOG_LINES_SHOWN, &end);
    bool any = !err_failed(read) && end.len > 0;
    if (any) {
        plain_note("drover: the log of the daemon, %s/" LOG_FILE ", ends with:\n%s", start->data,
                   end.data);
    }
    why_set(why, "%s", sentence);
    return err;
}

static struct err log_open(const struct autostart *start, int directory, int *ret_fd,
                           struct why *why) {
    int fd = openat(directory, LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        struct err err = err_from_errno(errno, "autostart: log");
        why_set(why, "%s/" LOG_FILE " cannot be written: %s", start->data, strerror(err.os));
        return err;
    }
    *ret_fd = fd;
    return ERR_OK;
}

/* --- The process ------------------------------------------------------------------------------ */

/* The file of this program by its name, so that a list of processes shows it; one that was removed
 * or replaced since (an upgrade) by the link of the kernel. */
static void program_path(char path[PATH_MAX]) {
    static const char self[] = "/proc/self/exe";
    struct stat ours, named;
    ssize_t len = readlink(self, path, PATH_MAX - 1);
    path[len > 0 ? len : 0] = '\0';
    if (len <= 0 || stat(self, &ours) < 0 || stat(path, &named) < 0 ||
        ours.st_ino != named.st_ino || ours.st_dev != named.st_dev) {
        memcpy(path, self, sizeof self);
    }
}

/* The daemon raises the soft limit of open files itself. */
static struct err daemon_spawn(const struct autostart *start, int log, const char *by,
                               int *ret_pid) {
    AUTO(mem_release) const char **environment = environment_of(start);
    AUTO(mem_release)
    char *absolute = realpath(start->data, NULL); /* The daemon changes its folder. */
    char program[PATH_MAX];
    program_path(program);
    const char *const argv[] = {
        "drover",      "serve", "--data", absolute != NULL ? absolute : start->data,
        "--on-demand", by,      NULL};
    const struct spawn process = {.program = program,
                                  .argv = argv,
                                  .environment = environment,
                                  .folder = "/",
                                  .fds = {SPAWN_NULL, log, log},
                                  .fd_count = 3,
                                  .session = SPAWN_SESSION};
    return spawn(&process, ret_pid);
}

enum start_attempt { ATTEMPT_SERVED, ATTEMPT_AGAIN, ATTEMPT_FAILED };

struct waiting {
    const struct autostart *start;
    int directory;
    int64_t waited_ms;
};

static struct err waiting_pause(struct waiting *waiting) {
    waiting->waited_ms += STEP_MS;
    return waiting->start->pause(waiting->start->ctx, STEP_MS);
}

/* A full disk takes no line of the log, so it is looked at here. */
static struct err ended_why(const struct waiting *waiting, struct why *why) {
    const struct autostart *start = waiting->start;
    struct statvfs room;
    struct why sentence;
    if (fstatvfs(waiting->directory, &room) == 0 &&
        (uint64_t)room.f_bavail * room.f_frsize < ROOM_MIN) {
        why_set(&sentence, "the disk of %s is full: %llu kB are free, and a daemon needs more",
                start->data, (unsigned long long)room.f_bavail * room.f_frsize / 1024);
        return log_why(start, err_make(ERR_DISK_FULL, "autostart: ended"), sentence.text, why);
    }
    return log_why(start, err_make(ERR_UNREACHABLE, "autostart: ended"),
                   "the daemon that this command started has ended at once", why);
}

/* Until the socket of the process is there, or the process is gone. */
static struct err daemon_wait(struct waiting *waiting, pid_t pid, enum start_attempt *ret_attempt,
                              struct why *why) {
    struct err err = ERR_OK;
    int status = 0;
    while (!err_failed(err) && waiting->waited_ms < AUTOSTART_WAIT_MS) {
        pid_t ended = waitpid(pid, &status, WNOHANG);
        if (is_served(waiting->directory)) {
            *ret_attempt = ATTEMPT_SERVED;
            return ERR_OK;
        }
        if (ended == pid && WIFEXITED(status) && WEXITSTATUS(status) == err_exit_code(ERR_BUSY)) {
            *ret_attempt = ATTEMPT_AGAIN; /* A daemon that ends just now still has the directory. */
            return waiting_pause(waiting);
        }
        if (ended == pid) {
            *ret_attempt = ATTEMPT_FAILED;
            return ended_why(waiting, why);
        }
        err = waiting_pause(waiting);
    }
    *ret_attempt = ATTEMPT_AGAIN; /* The caller sees that the time has run out. */
    return err;
}

/* A unit that fails later than at once is not seen here: the time runs out. */
static struct err unit_start(struct waiting *waiting, enum start_attempt *ret_attempt,
                             struct why *why) {
    struct err err = user_unit_ask("start", why);
    *ret_attempt = ATTEMPT_AGAIN; /* The caller finds the daemon, which is not ours. */
    while (!err_failed(err) && waiting->waited_ms < AUTOSTART_WAIT_MS &&
           !is_served(waiting->directory)) {
        err = waiting_pause(waiting);
    }
    return err;
}

static struct err daemon_start(struct waiting *waiting, enum start_attempt *ret_attempt,
                               pid_t *ret_pid, struct why *why) {
    const struct autostart *start = waiting->start;
    AUTO(fd_release) int log = -1;
    char by[128];
    (void)snprintf(by, sizeof by, "%s, pid %ld", start->command,
                   (long)getpid()); /* Cut at worst. */
    *ret_attempt = ATTEMPT_FAILED;
    if (user_unit_serves(start)) {
        return unit_start(waiting, ret_attempt, why);
    }
    TRY(log_open(start, waiting->directory, &log, why));
    struct err err = daemon_spawn(start, log, by, ret_pid);
    if (err_failed(err)) {
        return err_why(why, ERR_UNREACHABLE, "no daemon serves %s, and none can be started: %s",
                       start->data, strerror(err.os));
    }
    return daemon_wait(waiting, *ret_pid, ret_attempt, why);
}

struct err autostart_run(const struct autostart *start, int *ret_pid, struct why *why) {
    struct waiting waiting = {.start = start, .directory = -1};
    AUTO(fd_release) int directory = -1;
    AUTO(fd_release) int lock = -1;
    TRY(directory_open(start, &directory, why));
    waiting.directory = directory;
    lock = openat(directory, AUTOSTART_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct err err = ERR_OK;
    if (lock < 0) {
        err = err_from_errno(errno, "autostart: lock");
        return err_why(why, err.code, "no daemon serves %s, and none can be started: %s",
                       start->data, strerror(err.os));
    }
    *ret_pid = 0;
    bool forced = false;
    while (waiting.waited_ms < AUTOSTART_WAIT_MS) {
        if (is_served(directory)) {
            return ERR_OK;
        }
        bool locked = flock(lock, LOCK_EX | LOCK_NB) == 0;
        bool force = !locked && !forced && waiting.waited_ms >= LOCK_WAIT_MS;
        if (force) {
            /* The holder of the lock hangs, or its daemon takes long to start. Of two daemons one
             * gets the directory, and the other one ends. */
            forced = true;
            waiting.waited_ms = 0;
        }
        if (!locked && !force) {
            err = waiting_pause(&waiting);
        } else if (is_served(directory)) { /* The last holder of the lock started it. */
            return ERR_OK;
        } else {
            enum start_attempt attempt = ATTEMPT_FAILED;
            pid_t pid = 0;
            err = daemon_start(&waiting, &attempt, &pid, why);
            *ret_pid = attempt == ATTEMPT_SERVED ? pid : 0;
            (void)flock(lock, LOCK_UN); /* Without the lock it does nothing. */
        }
        if (err_failed(err) || *ret_pid != 0) {
            return err;
        }
    }
    if (user_unit_serves(start)) {
        return err_why(why, ERR_UNREACHABLE,
                       "the user unit " SYSTEMCTL_UNIT
                       " was started, and no daemon serves %s for %d s;"
                       " 'journalctl --user -u " SYSTEMCTL_UNIT "' shows why",
                       start->data, AUTOSTART_WAIT_MS / 1000);
    }
    struct why sentence;
    why_set(&sentence,
            "the daemon of %s has not answered for %d s; 'drover logs -f' shows what it"
            " does",
            start->data, AUTOSTART_WAIT_MS / 1000);
    return log_why(start, err_make(ERR_UNREACHABLE, "autostart: wait"), sentence.text, why);
}
