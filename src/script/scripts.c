/* scripts.c: what all workers share: the zygote, who waits for it, and who is who.
 *
 * A few births are under way at a time, and the others wait here: the zygote's socket has room for
 * those, so asking never fails for want of it, and one that stops has little to take along.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/memory.h"
#include "script/inside.h"

enum {
    BIRTHS_MAX = 16,
    PATIENCE_MS = 5000,
    FAILURES_MAX = 5, /* In a row; then nobody waits for the next one. */
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 5000,
};

/* --- Ids -------------------------------------------------------------------------------------- */

#define NO_SLOT UINT32_MAX
enum { USE_SHIFT = 32, SLOTS_MIN = 16 };

static void grow_slots(struct scripts *scripts) {
    uint32_t size = scripts->slot_size == 0 ? SLOTS_MIN : 2 * scripts->slot_size;
    scripts->slots = mem_grow(scripts->slots, size * sizeof *scripts->slots);
    for (uint32_t i = scripts->slot_size; i < size; i++) {
        uint32_t next = i + 1 < size ? i + 1 : NO_SLOT;
        scripts->slots[i] = (struct slot){.next_free = next};
    }
    scripts->slot_free = scripts->slot_size;
    scripts->slot_size = size;
}

void scripts__slot_take(struct scripts *scripts, struct script_worker *worker) {
    if (scripts->slot_free == NO_SLOT) {
        grow_slots(scripts);
    }
    uint32_t place = scripts->slot_free;
    struct slot *slot = &scripts->slots[place];
    scripts->slot_free = slot->next_free;
    slot->worker = worker;
    slot->use++;
    worker->id = (uint64_t)slot->use << USE_SHIFT | place;
}

void scripts__slot_give(struct scripts *scripts, const struct script_worker *worker) {
    uint32_t place = (uint32_t)worker->id;
    scripts->slots[place].worker = NULL;
    scripts->slots[place].next_free = scripts->slot_free;
    scripts->slot_free = place;
}

static struct script_worker *find(const struct scripts *scripts, uint64_t id) {
    uint32_t place = (uint32_t)id;
    if (place >= scripts->slot_size || scripts->slots[place].use != id >> USE_SHIFT) {
        return NULL;
    }
    return scripts->slots[place].worker;
}

/* --- Who waits -------------------------------------------------------------------------------- */

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

static void refuse_waiting(struct scripts *scripts) {
    for (struct script_worker *worker = scripts->waiting; worker != NULL;
         worker = worker->next_waiting) {
        worker__over(worker,
                     (struct script_end){SCRIPT_NOT_STARTED, 0,
                                         "the process that makes workers cannot be started"});
    }
}

/* --- The zygote's end ------------------------------------------------------------------------- */

static void on_pause_over(struct timer *timer) {
    struct scripts *scripts = CONTAINER_OF(timer, struct scripts, pause);
    scripts->pausing = false;
    loop_soon(scripts->loop, &scripts->kick);
}

/* The first one that fails is replaced at once. */
static void pause_after_failure(struct scripts *scripts) {
    unsigned before = scripts->failures++;
    if (before > 0) {
        uint64_t pause_ms = PAUSE_MAX_MS;
        if (before <= FAILURES_MAX) {
            pause_ms = (uint64_t)PAUSE_MIN_MS << (before - 1);
        }
        scripts->pausing = true;
        timer_start(scripts->loop, &scripts->pause, pause_ms, on_pause_over);
    }
    if (scripts->failures >= FAILURES_MAX) {
        refuse_waiting(scripts);
    }
    loop_soon(scripts->loop, &scripts->kick);
}

static void fail(struct scripts *scripts, struct err err) {
    scripts->wanted = false;
    pause_after_failure(scripts);
    if (scripts->failed != NULL) {
        scripts->failed(scripts->ctx, err);
    }
}

/* With it die those that it bore, and those that it was about to. */
static void lose_zygote(struct scripts *scripts, struct err err) {
    zygote_close(scripts->zygote);
    scripts->zygote = NULL;
    scripts->births = 0;
    for (struct script_worker *worker = scripts->workers; worker != NULL; worker = worker->next) {
        if (worker->state != WORKER_WAITING && !worker->ended) {
            worker__over(worker,
                         (struct script_end){SCRIPT_LOST, 0, "the process that made it has died"});
        }
    }
    scripts__await(scripts);
    fail(scripts, err);
}

static void on_patience_over(struct timer *timer) {
    struct scripts *scripts = CONTAINER_OF(timer, struct scripts, patience);
    scripts->patient = false;
    lose_zygote(scripts, err_make(ERR_INTERNAL, "zygote: it does not answer"));
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

/* --- What it says ----------------------------------------------------------------------------- */

static struct script_end end_of(int status) {
    if (WIFSIGNALED(status)) {
        bool forbidden = WTERMSIG(status) == SIGSYS;
        return (struct script_end){SCRIPT_CRASHED, WTERMSIG(status),
                                   forbidden ? "it made a system call that it must not"
                                             : "its process was killed"};
    }
    if (WEXITSTATUS(status) == SCRIPT_EXIT_UNJAILED) {
        return (struct script_end){SCRIPT_NOT_STARTED, 0, "its process could not be confined"};
    }
    return (struct script_end){SCRIPT_EXITED, WEXITSTATUS(status), "its process has ended"};
}

static void take_birth(struct scripts *scripts, struct script_worker *worker,
                       const struct script_note *note, int *pidfd) {
    scripts->births -= scripts->births > 0;
    loop_soon(scripts->loop, &scripts->kick);
    if (note->kind == SCRIPT_NOTE_BORN) {
        scripts->failures = 0;
    }
    if (worker == NULL || worker->state != WORKER_ASKED) {
        if (*pidfd >= 0) { /* It was closed meanwhile. */
            pidfd_kill(*pidfd);
        }
    } else if (note->kind == SCRIPT_NOTE_BORN) {
        worker__born(worker, note->number, fd_take(pidfd));
    } else {
        worker__over(worker, (struct script_end){SCRIPT_NOT_STARTED, note->number,
                                                 "its process could not be made"});
    }
}

static void on_noted(void *ctx, const struct script_note *note, int pidfd) {
    struct scripts *scripts = ctx;
    AUTO(fd_release) int held = pidfd;
    struct script_worker *worker = find(scripts, note->id);
    if (note->kind == SCRIPT_NOTE_BORN || note->kind == SCRIPT_NOTE_UNBORN) {
        take_birth(scripts, worker, note, &held);
    } else if (note->kind == SCRIPT_NOTE_ENDED && worker != NULL && !worker->ended) {
        worker__over(worker, end_of(note->number));
    }
    if (scripts->patient) { /* It has said something: its time begins anew. */
        timer_stop(scripts->loop, &scripts->patience);
        scripts->patient = false;
    }
    scripts__await(scripts);
}

static void on_zygote_over(void *ctx) {
    lose_zygote(ctx, err_make(ERR_INTERNAL, "zygote: it has ended"));
}

static void on_zygote_closed(void *ctx) {
    scripts__handle_closed(ctx);
}

/* --- Births ----------------------------------------------------------------------------------- */

static void ensure_zygote(struct scripts *scripts) {
    static const struct zygote_news news = {on_noted, on_zygote_over, on_zygote_closed};
    bool needed = scripts->waiting != NULL || scripts->wanted;
    if (scripts->zygote != NULL || scripts->pausing || !needed) {
        return;
    }
    struct err err = ERR_OK;
    if (!shortage_lasts(scripts->shortage)) {
        err = zygote_start(scripts->loop, scripts->program, &news, scripts, &scripts->zygote);
    }
    if (shortage_is(err)) {
        shortage_report(scripts->shortage, "start the process of scripts", err);
    }
    if (shortage_lasts(scripts->shortage)) {
        shortage_await(scripts->shortage, &scripts->waiter, &scripts->kick);
        return;
    }
    if (err_failed(err)) {
        fail(scripts, err);
        return;
    }
    scripts->stats.zygotes++;
    scripts->handles++;
}

/* One whose link is broken is heard of; those that wait go on waiting. */
static bool ask_for(struct scripts *scripts, struct script_worker *worker) {
    const struct script_birth birth = {worker->id, worker->bounds.memory_max};
    struct err err = zygote_bear(scripts->zygote, &birth, worker->theirs);
    if (err_failed(err) && (err.os == EPIPE || err.os == ECONNRESET)) {
        return false;
    }
    if (err_failed(err)) {
        worker__over(worker, (struct script_end){SCRIPT_NOT_STARTED, err.os,
                                                 "its process could not be asked for"});
        return true;
    }
    scripts__dequeue(scripts, worker);
    worker__asked(worker);
    scripts->births++;
    return true;
}

static void on_kick(struct loop_task *task) {
    struct scripts *scripts = CONTAINER_OF(task, struct scripts, kick);
    ensure_zygote(scripts);
    bool more = scripts->zygote != NULL;
    for (struct script_worker *worker = scripts->waiting; worker != NULL && more;) {
        struct script_worker *next = worker->next_waiting;
        more = scripts->births < BIRTHS_MAX && (worker->ended || ask_for(scripts, worker));
        worker = next;
    }
    scripts__await(scripts);
}

void scripts_warm(struct scripts *scripts) {
    scripts->wanted = true;
    loop_soon(scripts->loop, &scripts->kick);
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
    scripts->slot_free = NO_SLOT;
    scripts->shortage = options->shortage;
    scripts->kick.run = on_kick;
    return scripts;
}

static void free_if_unused(struct scripts *scripts) {
    if (!scripts->closing || scripts->handles > 0) {
        return;
    }
    mem_free(scripts->program);
    mem_free(scripts->buffer);
    mem_free(scripts->slots);
    mem_free(scripts);
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
    zygote_close(scripts->zygote);
    loop_task_cancel(scripts->loop, &scripts->kick);
    shortage_leave(&scripts->waiter);
    timer_stop(scripts->loop, &scripts->pause);
    timer_stop(scripts->loop, &scripts->patience);
    timer_stop(scripts->loop, &scripts->cpu);
    scripts->closing = true;
    free_if_unused(scripts);
}

void scripts_get_stats(const struct scripts *scripts, struct scripts_stats *ret_stats) {
    *ret_stats = scripts->stats;
}
