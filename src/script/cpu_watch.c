/* cpu_watch.c: ends workers whose script computes for too long.
 *
 * The engine looks at its clock by itself and ends such a script with its line. This is for what
 * does not look: a long step of a built-in function, or a worker that was taken over. So it may be
 * coarse: a worker is first measured when the timer finds it busy, which costs nothing to those
 * that are quiet again by then.
 */
#include <time.h>

#include "script/inside.h"

enum { STEP_MS = 500, GRACE_MS = 1000 };
enum { NS_OF_MS = 1000000, NS_OF_S = 1000000000 };

/* By its pid, which is its own as long as we have not heard of its end; in the moment between, a
 * stranger's clock could condemn at most the one that is dead. */
static bool read_clock(int pid, uint64_t *ret_ns) {
    clockid_t clock_of = 0;
    struct timespec used;
    if (clock_getcpuclockid(pid, &clock_of) != 0 || clock_gettime(clock_of, &used) != 0) {
        return false;
    }
    *ret_ns = (uint64_t)used.tv_sec * NS_OF_S + (uint64_t)used.tv_nsec;
    return true;
}

static void look(struct script_worker *worker) {
    struct busy *busy = &worker->busy;
    uint64_t now_ns = 0;
    if (worker->state != WORKER_LIVE || worker->ended || !read_clock(worker->pid, &now_ns)) {
        return;
    }
    if (!busy->measured) {
        busy->measured = true;
        busy->from_ns = now_ns;
        return;
    }
    uint64_t allowed_ms = (uint64_t)worker->bounds.cpu_ms + GRACE_MS;
    if (now_ns > busy->from_ns && (now_ns - busy->from_ns) / NS_OF_MS > allowed_ms) {
        worker__condemn(worker, SCRIPT_STUCK, "it computed for too long and had to be killed");
    }
}

static void on_step(struct timer *timer) {
    struct scripts *scripts = CONTAINER_OF(timer, struct scripts, cpu);
    for (struct script_worker *worker = scripts->busy; worker != NULL;) {
        struct script_worker *next = worker->busy.next;
        look(worker);
        worker = next;
    }
    scripts->cpu_watched = scripts->busy != NULL;
    if (scripts->cpu_watched) {
        timer_start(scripts->loop, &scripts->cpu, STEP_MS, on_step);
    }
}

void script_busy(struct script_worker *worker) {
    struct scripts *scripts = worker->scripts;
    struct busy *busy = &worker->busy;
    busy->measured = false;
    if (busy->listed || worker->state == WORKER_ENDED) {
        return;
    }
    *busy = (struct busy){.next = scripts->busy, .listed = true};
    if (busy->next != NULL) {
        busy->next->busy.prev = worker;
    }
    scripts->busy = worker;
    if (!scripts->cpu_watched) {
        scripts->cpu_watched = true;
        timer_start(scripts->loop, &scripts->cpu, STEP_MS, on_step);
    }
}

/* The timer is left alone: most are busy again before it rings, and if not, it rings in vain once.
 */
void script_rest(struct script_worker *worker) {
    struct busy *busy = &worker->busy;
    if (!busy->listed) {
        return;
    }
    if (busy->prev == NULL) {
        worker->scripts->busy = busy->next;
    } else {
        busy->prev->busy.next = busy->next;
    }
    if (busy->next != NULL) {
        busy->next->busy.prev = busy->prev;
    }
    *busy = (struct busy){.listed = false};
}
