/* private_daemon.c: processes by posix_spawn, each in a session of its own, so that Ctrl-C at the
 * terminal reaches this command alone and the order of the end is decided here. */
#include "cli/demo/private_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/text.h"
#include "proc/spool/folder.h"

enum {
    PATH_LEN_MAX = 4096,
    WORDS_MAX = 24,
    END_POLLS = 500, /* Looks at processes that are to end, 10 ms apart. */
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
    static const char *const taken[] = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"};
    static const char *const pinned[] = {"DROVER_MODEL=scripted/demo", "DROVER_HOLD_AFTER=0",
                                         "OLLAMA_HOST=127.0.0.1:9", "LLAMACPP_HOST=127.0.0.1:9",
                                         "DROVER_NO_START=1"};
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        const char *value = from->get(from->ctx, taken[i]);
        if (value != NULL) {
            daemon->env[count++] = joined(taken[i], "=", value);
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

static void actions_done(posix_spawn_file_actions_t *actions) {
    (void)posix_spawn_file_actions_destroy(actions); /* Cannot fail. */
}

static void attributes_done(posix_spawnattr_t *attributes) {
    (void)posix_spawnattr_destroy(attributes); /* Cannot fail. */
}

static struct err process_start(struct private_daemon *daemon, const char *const *words,
                                int *ret_pid, int *ret_out, struct why *why) {
    char *argv[WORDS_MAX + 2] = {joined("drover", "", "")};
    size_t count = 1;
    for (; words[count - 1] != NULL; count++) {
        assert(count <= WORDS_MAX);
        argv[count] = joined(words[count - 1], "", "");
    }
    AUTO(mem_release) char *log = private_daemon_path(daemon, "log");
    AUTO(actions_done) posix_spawn_file_actions_t actions;
    AUTO(attributes_done) posix_spawnattr_t attributes;
    int pair[2] = {-1, -1}, rc = posix_spawn_file_actions_init(&actions);
    assert(rc == 0); /* Both only fill memory of ours. */
    rc = posix_spawnattr_init(&attributes);
    assert(rc == 0);
    rc = pipe2(pair, O_CLOEXEC) < 0 ? errno : 0;
    AUTO(fd_release) int ours = pair[0];
    AUTO(fd_release) int theirs = pair[1];
    const int open_flags = O_WRONLY | O_CREAT | O_APPEND;
    sigset_t none;
    (void)sigemptyset(&none); /* Cannot fail. */
    const short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK;
    rc = rc != 0 ? rc : posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    rc = rc != 0 ? rc : posix_spawn_file_actions_adddup2(&actions, theirs, STDOUT_FILENO);
    rc = rc != 0 ? rc : posix_spawn_file_actions_addopen(&actions, 2, log, open_flags, 0600);
    rc = rc != 0 ? rc : posix_spawnattr_setflags(&attributes, flags);
    rc = rc != 0 ? rc : posix_spawnattr_setsigmask(&attributes, &none);
    pid_t pid = 0;
    rc = rc != 0 ? rc
                 : posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, daemon->env);
    for (size_t i = 0; i < count; i++) {
        mem_free(argv[i]);
    }
    if (rc != 0) {
        why_set(why, "'drover %s' could not be started: %s", words[0], strerror(rc));
        return err_from_errno(rc, "demo: start");
    }
    *ret_pid = (int)pid;
    *ret_out = fd_take(&ours);
    return ERR_OK;
}

struct err private_daemon_start(struct private_daemon *daemon, const char *script,
                                struct why *why) {
    assert(daemon->state == PRIVATE_DEAD);
    AUTO(mem_release) char *socket = joined("unix:", daemon->dir, "/demo.sock");
    /* Four agents side by side: a picture that fits. */
    const char *const words[] = {"serve",    "--data", daemon->data,   "--listen", socket,
                                 "--script", script,   "--no-cgroups", "--agents", "4",
                                 "--log",    "warn",   "--drain",      "1",        NULL};
    struct err err = process_start(daemon, words, &daemon->pid, &daemon->ready_fd, why);
    daemon->state = err_failed(err) ? PRIVATE_DEAD : PRIVATE_STARTING;
    return err;
}

struct err private_daemon_run(struct private_daemon *daemon, const char *const *words, int *ret_out,
                              struct why *why) {
    size_t at = 0;
    while (at < PRIVATE_CLIENTS_MAX && daemon->clients[at] != 0) {
        at++;
    }
    assert(at < PRIVATE_CLIENTS_MAX);
    return process_start(daemon, words, &daemon->clients[at], ret_out, why);
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
