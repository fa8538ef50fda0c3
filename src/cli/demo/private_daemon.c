/* private_daemon.c: processes, each in a session of its own, so that Ctrl-C at the
 * terminal reaches this command alone and the order of the end is decided here. */
#include "cli/demo/private_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/process/spawn.h"
#include "base/process/variables.h"
#include "base/text.h"
#include "proc/spool/folder.h"

enum {
    PATH_LEN_MAX = 4096,
    WORDS_MAX = 32,
    WORD_SHOWN_MAX = 80, /* Bytes of a word of a command that is shown whole. */
    PINNED_MAX = 8,      /* Variables that the demo sets, and the end of the list. */
    END_POLLS = 500,     /* Looks at processes that are to end, 10 ms apart. */
    END_POLL_MS = 10,
};

static char *joined(const char *first, const char *second, const char *third) {
    AUTO(text_done) struct text text = text_up_to(PATH_LEN_MAX);
    text_addf(&text, "%s%s%s", first, second, third);
    struct bytes bytes = text_bytes(&text);
    return mem_copy(bytes.data, bytes.len);
}

char *private_daemon_path(const struct private_daemon *daemon, const char *name) {
    return joined(daemon->dir, "/", name);
}

/* --- Opening and closing ---------------------------------------------------------------------- */

/* Variables that a process needs to run and to speak the user's language, and those that pin the
 * model. */
static void env_make(struct private_daemon *daemon, const struct config_env *from) {
    static const char *const pinned[] = {"DROVER_MODEL=scripted/demo", "DROVER_HOLD_AFTER=0",
                                         "OLLAMA_HOST=127.0.0.1:9", "LLAMACPP_HOST=127.0.0.1:9",
                                         "DROVER_NO_START=1"};
    size_t count = 0;
    for (size_t i = 0; from->all[i] != NULL && count < PRIVATE_ENV_MAX - PINNED_MAX; i++) {
        if (variable_is_for(from->all[i], VARIABLE_DEMO)) {
            daemon->env[count++] = joined(from->all[i], "", "");
        }
    }
    for (size_t i = 0; i < COUNT_OF(pinned); i++) {
        daemon->env[count++] = joined(pinned[i], "", "");
    }
    daemon->env[count++] = joined("HOME=", daemon->dir, "");
    daemon->env[count++] = joined("DROVER_DATA=", daemon->data, "");
    assert(count < PRIVATE_ENV_MAX);
}

struct err private_daemon_open(struct private_daemon *daemon, const struct world *world,
                               const struct config_env *env, struct why *why) {
    const char *tmp = env->get(env->ctx, "TMPDIR");
    *daemon = (struct private_daemon){.world = world, .ready_fd = -1};
    AUTO(mem_release)
    char *dir = joined(tmp != NULL && tmp[0] == '/' ? tmp : "/tmp", "/drover-demo.", "XXXXXX");
    if (mkdtemp(dir) == NULL) {
        struct err err = err_from_errno(errno, "demo: directory");
        why_set(why, "no directory can be made as %s", dir);
        return err;
    }
    daemon->dir = dir;
    dir = NULL;
    daemon->data = private_daemon_path(daemon, "data");
    env_make(daemon, env);
    /* Processes that a killed daemon leaves become children of this one, to be waited for. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); /* Known since Linux 3.4. */
    return ERR_OK;
}

/* Kills our children. Jobs of a daemon that has ended are among them: this process is their reaper,
 * and they would outlive it. */
static void children_kill(void) {
    char path[64], pids[4096];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, pids, sizeof pids) : 0; /* More are read in the next look. */
    struct bytes rest = {pids, len > 0 ? (size_t)len : 0}, word;
    while (bytes_next(&rest, ' ', &word)) {
        int64_t pid = 0;
        if (number_parse(word, (struct number_bounds){2, INT32_MAX}, &pid)) {
            (void)kill((pid_t)pid, SIGKILL); /* A child that was not waited for keeps its pid. */
        }
    }
}

/* Ends what is left: the daemon first, which starts nothing more then. What only it holds together
 * ends with it. */
static void processes_end(struct private_daemon *daemon, int signal) {
    for (size_t i = 0; i <= PRIVATE_CLIENTS_MAX; i++) {
        int pid = i == 0 ? daemon->pid : daemon->clients[i - 1];
        if (pid > 0) {
            (void)kill(pid, signal); /* The process is our child, and was not waited for. */
        }
    }
    for (int polls = 0; polls < END_POLLS; polls++) {
        int status = 0;
        while (private_daemon_reap(daemon, &status) != 0) {
        }
        if (errno == ECHILD) {
            return;
        }
        if (signal == SIGKILL && daemon->pid == 0) {
            children_kill();
        }
        (void)poll(NULL, 0, END_POLL_MS); /* Nothing else is waited for any more. */
    }
}

void private_daemon_close(struct private_daemon *daemon, enum private_rest rest) {
    fd_release(&daemon->ready_fd);
    if (rest == PRIVATE_KEPT) {
        processes_end(daemon, SIGTERM);
    }
    processes_end(daemon, SIGKILL);
    if (daemon->dir != NULL && rest == PRIVATE_REMOVED) {
        (void)folder_remove(AT_FDCWD, daemon->dir); /* Below TMPDIR: somebody else cleans there. */
    }
    for (size_t i = 0; i < PRIVATE_ENV_MAX; i++) {
        mem_free(daemon->env[i]);
    }
    mem_free(daemon->dir);
    mem_free(daemon->data);
    *daemon = (struct private_daemon){.ready_fd = -1};
}

/* --- Processes -------------------------------------------------------------------------------- */

static struct err process_start(struct private_daemon *daemon, const char *const *words,
                                int *ret_pid, int *ret_out, struct why *why) {
    const char *argv[WORDS_MAX + 2] = {"drover"};
    for (size_t at = 0; words[at] != NULL; at++) {
        assert(at < WORDS_MAX);
        argv[at + 1] = words[at];
    }
    AUTO(mem_release) char *log_path = private_daemon_path(daemon, "log");
    AUTO(fd_release)
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int pair[2] = {-1, -1};
    bool opened = log >= 0 && pipe2(pair, O_CLOEXEC) == 0;
    struct err err = opened ? ERR_OK : err_from_errno(errno, "demo: files");
    AUTO(fd_release) int ours = pair[0];
    AUTO(fd_release) int theirs = pair[1];
    const struct spawn process = {.program = "/proc/self/exe",
                                  .argv = argv,
                                  .environment = (const char *const *)daemon->env,
                                  .folder = daemon->dir,
                                  .fds = {SPAWN_NULL, theirs, log},
                                  .fd_count = 3,
                                  .session = SPAWN_SESSION};
    err = err_failed(err) ? err : spawn(&process, ret_pid);
    if (err_failed(err)) {
        why_set(why, "'drover %s' could not be started: %s", words[0], strerror(err.os));
        return err;
    }
    *ret_out = fd_take(&ours);
    return ERR_OK;
}

struct err private_daemon_start(struct private_daemon *daemon, const char *script,
                                struct why *why) {
    assert(daemon->state == PRIVATE_DEAD);
    AUTO(mem_release) char *socket = joined("unix:", daemon->dir, "/demo.sock");
    const char *listen = daemon->reach == PRIVATE_FOR_BROWSERS ? "127.0.0.1:0" : socket;
    /* Four agents side by side: a picture that fits. */
    const char *const words[] = {"serve",    "--data", daemon->data,   "--listen", listen,
                                 "--script", script,   "--no-cgroups", "--agents", "4",
                                 "--log",    "warn",   "--drain",      "1",        NULL};
    struct err err = process_start(daemon, words, &daemon->pid, &daemon->ready_fd, why);
    daemon->state = err_failed(err) ? PRIVATE_DEAD : PRIVATE_STARTING;
    return err;
}

static size_t free_client(const struct private_daemon *daemon) {
    size_t at = 0;
    while (at < PRIVATE_CLIENTS_MAX && daemon->clients[at] != 0) {
        at++;
    }
    return at;
}

bool private_daemon_has_room(const struct private_daemon *daemon) {
    return free_client(daemon) < PRIVATE_CLIENTS_MAX;
}

struct err private_daemon_run(struct private_daemon *daemon, const char *const *words, int *ret_out,
                              struct why *why) {
    const size_t at = free_client(daemon);
    assert(at < PRIVATE_CLIENTS_MAX);
    return process_start(daemon, words, &daemon->clients[at], ret_out, why);
}

/* "drover session new --title 'About it'"; a long word is "…". */
static void command_show(const struct private_daemon *daemon, const char *const *words) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,";
    AUTO(text_done) struct text line = text_up_to(PATH_LEN_MAX);
    text_add_str(&line, "drover");
    for (size_t at = 0; words[at] != NULL; at++) {
        const char *word = words[at];
        const bool whole = strlen(word) <= WORD_SHOWN_MAX && strchr(word, '\n') == NULL;
        const char *quote = !whole || word[strspn(word, plain)] != '\0' ? "'" : "";
        text_addf(&line, " %s%s%s", quote, whole ? word : "…", quote);
    }
    daemon->on_command(daemon->ctx, text_bytes(&line).data);
}

struct err private_daemon_do(struct private_daemon *daemon, const char *const *words,
                             struct text *ret_said, struct why *why) {
    AUTO(fd_release) int out = -1;
    char bytes[4096];
    ssize_t len = 0;
    int pid = 0, status = 0;
    command_show(daemon, words);
    TRY(process_start(daemon, words, &pid, &out, why));
    while ((len = read(out, bytes, sizeof bytes)) > 0 || (len < 0 && errno == EINTR)) {
        text_add(ret_said, bytes, len > 0 ? (size_t)len : 0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return err_why(why, ERR_INTERNAL, "'drover %s %s' failed; %s/log says why", words[0],
                       words[1], daemon->dir);
    }
    text_cut(ret_said, ret_said->len > 0 ? ret_said->len - 1 : 0);
    return ERR_OK;
}

bool private_daemon_hear(struct private_daemon *daemon) {
    char bytes[256];
    ssize_t len = read(daemon->ready_fd, bytes, sizeof bytes);
    bool ready = len > 0 && memchr(bytes, '\n', (size_t)len) != NULL;
    if (ready || len == 0) {
        fd_release(&daemon->ready_fd); /* The daemon writes nothing more here. */
    }
    daemon->state = ready ? PRIVATE_SERVING : daemon->state;
    return ready;
}

/* errno is ECHILD where no process is left. */
int private_daemon_reap(struct private_daemon *daemon, int *ret_status) {
    int pid = 0;
    errno = 0;
    while ((pid = (int)waitpid(-1, ret_status, WNOHANG)) > 0) {
        if (pid == daemon->pid) {
            fd_release(&daemon->ready_fd);
            daemon->pid = 0;
            daemon->state = PRIVATE_DEAD;
            return pid;
        }
        for (size_t i = 0; i < PRIVATE_CLIENTS_MAX; i++) {
            if (daemon->clients[i] == pid) {
                daemon->clients[i] = 0;
                return pid;
            }
        } /* Else it was left by a daemon that was killed. */
    }
    return 0;
}
