/* scripts.c: the zygote (protocol.h), which all workers share, and the queue before it.
 *
 * A few births are under way at a time, and the others wait here: the zygote's socket has room for
 * those, so asking never fails for want of it, and one that stops has little to take along. The
 * zygote's process is collected by the reaper of our children (proc/reap.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/process/spawn.h"
#include "loop/loop_uv.h"
#include "script/descriptor_passing.h"
#include "script/inside.h"

enum {
    BIRTHS_MAX = 16,
    NOTES_AT_ONCE = 64,
    PATIENCE_MS = 5000,
    FAILURES_MAX = 5, /* In a row; then nobody waits for the next one. */
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 5000,
    PID_SIZE = 16,
};

struct zygote {
    uv_poll_t poll;
    struct scripts *scripts; /* Borrowed: its handle is one of theirs. */
    int fd, pidfd;           /* Owned. */
};

void pidfd_kill(int pidfd) {
    (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL /* info */, 0U);
}

void scripts__enqueue(struct scripts *scripts, struct script_worker *worker) {
    *scripts->waiting_end = worker;
    scripts->waiting_end = &worker->next_waiting;
    loop_soon(scripts->loop, &scripts->kick);
}

void scripts__dequeue(struct scripts *scripts, struct script_worker *worker) {
    struct script_worker **at = &scripts->waiting;
    while (*at != worker) {
        at = &(*at)->next_waiting;
    }
    *at = worker->next_waiting;
    worker->next_waiting = NULL;
    if (scripts->waiting_end == &worker->next_waiting) {
        scripts->waiting_end = at;
    }
}

/* --- The zygote's end ------------------------------------------------------------------------- */

static void zygote_on_closed(uv_handle_t *handle) {
    struct zygote *zygote = handle->data;
    struct scripts *scripts = zygote->scripts;
    loop_breathe(scripts->loop);
    mem_free(zygote);
    scripts__handle_closed(scripts);
}

static void zygote_close(struct scripts *scripts) {
    struct zygote *zygote = scripts->zygote;
    if (zygote != NULL) {
        scripts->zygote = NULL;
        uv_close((uv_handle_t *)&zygote->poll, zygote_on_closed);
        pidfd_kill(zygote->pidfd);
        fd_release(&zygote->fd);
        fd_release(&zygote->pidfd);
    }
}

static void on_pause_over(struct timer *timer) {
    struct scripts *scripts = CONTAINER_OF(timer, struct scripts, pause);
    scripts->pausing = false;
    loop_soon(scripts->loop, &scripts->kick);
}

/* The first zygote that fails is replaced at once, the others after a pause. */
static void zygote_failed(struct scripts *scripts, struct err err) {
    unsigned before = scripts->failures++;
    if (before > 0) {
        uint64_t pause_ms =
            before <= FAILURES_MAX ? (uint64_t)PAUSE_MIN_MS << (before - 1) : PAUSE_MAX_MS;
        scripts->pausing = true;
        timer_start(scripts->loop, &scripts->pause, pause_ms, on_pause_over);
    }
    for (struct script_worker *worker = scripts->waiting;
         worker != NULL && scripts->failures >= FAILURES_MAX; worker = worker->next_waiting) {
        worker__over(worker, SCRIPT_NOT_STARTED, 0,
                     "the process that makes workers cannot be started");
    }
    loop_soon(scripts->loop, &scripts->kick);
    if (scripts->failed != NULL) {
        scripts->failed(scripts->ctx, err);
    }
}

/* With the zygote die those that it bore, and those that it was about to. */
static void zygote_lose(struct scripts *scripts, const char *step) {
    zygote_close(scripts);
    scripts->births = 0;
    for (struct script_worker *worker = scripts->workers; worker != NULL; worker = worker->next) {
        if (worker->state != WORKER_WAITING && !worker->ended) {
            worker__over(worker, SCRIPT_LOST, 0, "the process that made it has died");
        }
    }
    scripts__await(scripts);
    zygote_failed(scripts, err_make(ERR_INTERNAL, step));
}

static void on_patience_over(struct timer *timer) {
    struct scripts *scripts = CONTAINER_OF(timer, struct scripts, patience);
    scripts->patient = false;
    zygote_lose(scripts, "zygote: it does not answer");
}

void scripts__await(struct scripts *scripts) {
    bool owed = scripts->zygote != NULL && (scripts->births > 0 || scripts->awaited > 0);
    if (owed && !scripts->patient) {
        timer_start(scripts->loop, &scripts->patience, PATIENCE_MS, on_patience_over);
    } else if (!owed && scripts->patient) {
        timer_stop(scripts->loop, &scripts->patience);
    }
    scripts->patient = owed;
}

/* --- Its notes -------------------------------------------------------------------------------- */

static void worker_exited(struct script_worker *worker, int status) {
    if (WIFSIGNALED(status)) {
        worker__over(worker, SCRIPT_CRASHED, WTERMSIG(status),
                     WTERMSIG(status) == SIGSYS ? "it made a system call that it must not"
                                                : "its process was killed");
    } else if (WEXITSTATUS(status) == SCRIPT_EXIT_UNJAILED) {
        worker__over(worker, SCRIPT_NOT_STARTED, 0, "its process could not be confined");
    } else {
        worker__over(worker, SCRIPT_EXITED, WEXITSTATUS(status), "its process has ended");
    }
}

static void notice_take(struct scripts *scripts, const struct script_notice *note, int *pidfd) {
    /* A walk over all: a worker is looked for twice in its life. */
    struct script_worker *worker = scripts->workers;
    while (worker != NULL && worker->id != note->id) {
        worker = worker->next;
    }
    if (note->kind == SCRIPT_NOTICE_BORN || note->kind == SCRIPT_NOTICE_UNBORN) {
        scripts->births -= scripts->births > 0;
        loop_soon(scripts->loop, &scripts->kick);
        scripts->failures = note->kind == SCRIPT_NOTICE_BORN ? 0 : scripts->failures;
        if (worker == NULL || worker->state != WORKER_ASKED) {
            if (*pidfd >= 0) { /* It was closed meanwhile. */
                pidfd_kill(*pidfd);
            }
        } else if (note->kind == SCRIPT_NOTICE_BORN) {
            worker__born(worker, note->number, fd_take(pidfd));
        } else {
            worker__over(worker, SCRIPT_NOT_STARTED, note->number, "its process could not be made");
        }
    } else if (note->kind == SCRIPT_NOTICE_ENDED && worker != NULL && !worker->ended) {
        worker_exited(worker, note->number);
    }
    if (scripts->patient) { /* The zygote has said something: its time starts again. */
        timer_stop(scripts->loop, &scripts->patience);
        scripts->patient = false;
    }
    scripts__await(scripts);
}

/* A broken socket is reported as an error of the handle, which libuv has stopped then. */
static void zygote_on_ready(uv_poll_t *poll, int status, int events) {
    (void)events; /* There is but one. */
    struct zygote *zygote = poll->data;
    struct scripts *scripts = zygote->scripts;
    for (unsigned i = 0; i < NOTES_AT_ONCE && scripts->zygote == zygote; i++) {
        struct script_notice note = {.id = 0};
        struct parcel parcel = {.bytes = &note, .size = sizeof note, .fd = -1};
        loop_breathe(scripts->loop);
        ssize_t got = parcel_take(zygote->fd, &parcel, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (got <= 0) {
            zygote_lose(scripts, "zygote: it has ended");
            return;
        }
        AUTO(fd_release) int pidfd = fd_take(&parcel.fd);
        if ((size_t)got == sizeof note) {
            notice_take(scripts, &note, &pidfd);
        }
    }
    if (status < 0 && scripts->zygote == zygote) {
        zygote_lose(scripts, "zygote: it has ended");
    }
}

/* --- Its beginning ---------------------------------------------------------------------------- */

/* A session of its own: Ctrl-C at our terminal is for us to answer. */
static struct err zygote_spawn(const char *program, int link, int *ret_pidfd) {
    static const char *const environment[] = {NULL};
    char self[PID_SIZE];
    (void)snprintf(self, sizeof self, "%d", (int)getpid());
    const char *const argv[] = {"drover-worker", self, NULL};
    const struct spawn process = {.program = program,
                                  .argv = argv,
                                  .environment = environment,
                                  .fds = {[SCRIPT_FD] = link},
                                  .fd_count = SCRIPT_FD + 1,
                                  .session = SPAWN_SESSION};
    int pid = 0;
    TRY(spawn(&process, &pid));
    /* Not collected yet: the pid is still its own. */
    *ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    return *ret_pidfd < 0 ? err_from_errno(errno, "zygote: hold") : ERR_OK;
}

static struct err zygote_start(struct scripts *scripts) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0 /* protocol */, pair) < 0) {
        return err_from_errno(errno, "zygote: make a link");
    }
    AUTO(fd_release) int ours = pair[0];
    AUTO(fd_release) int theirs = pair[1];
    AUTO(fd_release) int pidfd = -1;
    struct err err = zygote_spawn(scripts->program, theirs, &pidfd);
    if (err_failed(err)) {
        return err; /* If it was started, it finds that its link has ended. */
    }
    AUTO(mem_release) struct zygote *zygote = mem_new(sizeof *zygote);
    int rc = uv_poll_init(loop_uv(scripts->loop), &zygote->poll, ours);
    if (rc != 0) {
        return err_from_errno(-rc, "zygote: watch");
    }
    zygote->scripts = scripts;
    zygote->fd = fd_take(&ours);
    zygote->pidfd = fd_take(&pidfd);
    zygote->poll.data = zygote;
    rc = uv_poll_start(&zygote->poll, UV_READABLE, zygote_on_ready);
    assert(rc == 0); /* It only fails for a handle that is closing. */
    scripts->zygote = zygote;
    scripts->stats.zygotes++;
    scripts->handles++;
    zygote = NULL; /* Handed over. */
    return ERR_OK;
}

/* --- Births ----------------------------------------------------------------------------------- */

/* False: the link is broken, which is heard of; those that wait go on waiting. */
static bool ask_for(struct scripts *scripts, struct script_worker *worker) {
    struct script_birth birth = {worker->id, worker->bounds.memory_max};
    const struct parcel parcel = {.bytes = &birth, .size = sizeof birth, .fd = worker->theirs};
    if (parcel_send(scripts->zygote->fd, &parcel, MSG_DONTWAIT) < 0) {
        if (errno == EPIPE || errno == ECONNRESET) {
            return false;
        }
        worker__over(worker, SCRIPT_NOT_STARTED, errno, "its process could not be asked for");
        return true;
    }
    scripts__dequeue(scripts, worker);
    worker__asked(worker);
    scripts->births++;
    return true;
}

static void on_kick(struct loop_task *task) {
    struct scripts *scripts = CONTAINER_OF(task, struct scripts, kick);
    if (scripts->zygote == NULL && !scripts->pausing && scripts->waiting != NULL) {
        struct err err = shortage_lasts(scripts->shortage) ? ERR_OK : zygote_start(scripts);
        if (shortage_is(err)) {
            shortage_report(scripts->shortage, "start the process of scripts", err);
        }
        if (scripts->zygote == NULL && shortage_lasts(scripts->shortage)) {
            shortage_await(scripts->shortage, &scripts->waiter, &scripts->kick);
        } else if (err_failed(err)) {
            zygote_failed(scripts, err);
        }
    }
    bool more = scripts->zygote != NULL;
    for (struct script_worker *worker = scripts->waiting; worker != NULL && more;) {
        struct script_worker *next = worker->next_waiting;
        more = scripts->births < BIRTHS_MAX && (worker->ended || ask_for(scripts, worker));
        worker = next;
    }
    scripts__await(scripts);
}

/* --- Life ------------------------------------------------------------------------------------- */

struct scripts *scripts_open(const struct scripts_options *options) {
    struct scripts *scripts = mem_new(sizeof *scripts);
    scripts->loop = options->loop;
    scripts->program = mem_copy(options->program, strlen(options->program));
    scripts->failed = options->failed;
    scripts->ctx = options->ctx;
    scripts->buffer = mem_new(SCRIPTS_BUFFER_SIZE);
    scripts->waiting_end = &scripts->waiting;
    links_init(&scripts->resting);
    scripts->shortage = options->shortage;
    scripts->kick.run = on_kick;
    return scripts;
}

static void free_if_unused(struct scripts *scripts) {
    if (scripts->closing && scripts->handles == 0) {
        mem_free(scripts->program);
        mem_free(scripts->buffer);
        mem_free(scripts);
    }
}

void scripts__handle_closed(struct scripts *scripts) {
    scripts->handles--;
    free_if_unused(scripts);
}

void scripts_close(struct scripts *scripts) {
    if (scripts == NULL) {
        return;
    }
    while (scripts->workers != NULL) {
        script_close(scripts->workers);
    }
    zygote_close(scripts);
    loop_task_cancel(scripts->loop, &scripts->kick);
    shortage_leave(&scripts->waiter);
    timer_stop(scripts->loop, &scripts->pause);
    timer_stop(scripts->loop, &scripts->patience);
    timer_stop(scripts->loop, &scripts->cpu);
    timer_stop(scripts->loop, &scripts->rouse);
    scripts->closing = true;
    free_if_unused(scripts);
}

void scripts_get_stats(const struct scripts *scripts, struct scripts_stats *ret_stats) {
    *ret_stats = scripts->stats;
}
