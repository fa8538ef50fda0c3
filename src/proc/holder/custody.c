/* custody.c: the decisions of custody.h: what a moment, an end or a word from outside changes. */
#include "proc/holder/custody.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "proc/holder/brake.h"
#include "proc/holder/clock.h"
#include "proc/holder/custody_steps.h"

enum {
    DRAIN_MS = 1000,   /* For what goes on after the main process has ended. */
    FINAL_MS = 1000,   /* For reading what a dead tree left in its pipes. */
    FULL_MS = 10000,   /* The same on a full disk, if nobody wants it to stop. */
    GIVE_UP_MS = 5000, /* For processes that SIGKILL does not end. */
    ROUND_MAX_MS = 64,
    COUNT_MS = 50,
    COUNT_NEAR_MS = 10,
    COUNT_SHARE = 20,
    COUNT_GROWS = 4, /* Without a limit, counts are for the result alone, and become seldom. */
    COUNT_FAR_MS = 60 * 1000,
};

/* --- Words from outside ----------------------------------------------------------------------- */

void custody_stop(struct custody *custody, int64_t grace_ms, enum custody_why why) {
    int64_t at = clock_after(clock_ms(), grace_ms);
    if (at < custody->kill_at) {
        custody->kill_at = at;
    }
    if (!custody->alive && at < custody->drain_until) {
        custody->drain_until = at;
    }
    if (custody->stopping) {
        return;
    }
    custody->stopping = true;
    if (custody->alive) {
        custody->why = why;
    }
    (void)custody_count(custody); /* It walks. */
    tree_signal(&custody->tree, SIGTERM);
    tree_signal(&custody->tree, SIGCONT); /* Who is stopped can't hear. */
}

void custody_signal(struct custody *custody, int64_t number) {
    if (custody->alive && number > 0 && number < NSIG) {
        (void)kill(custody->child.pid, (int)number); /* Not reaped, so the pid is still its own. */
    }
}

void custody_resize(struct custody *custody, struct order_size size) {
    if (order_has(&custody->order, ORDER_PTY) && custody->child.out >= 0) {
        (void)child_resize(custody->child.out, size); /* A wish; the terminal may just be gone. */
    }
}

struct news custody_news(const struct custody *custody) {
    struct news news = {
        .accepted = custody->input.accepted,
        .disk_full = custody->logs.full,
        .alive = custody->alive,
        .has_room = input_has_room(&custody->input),
    };
    for (unsigned i = 0; i < LOGS_STREAMS; i++) {
        news.size[i] = custody->logs.files[i].size;
    }
    return news;
}

int64_t custody_count(struct custody *custody) {
    tree_walk(&custody->tree);
    int64_t count = (int64_t)custody->tree.count;
    if (count > custody->processes_peak) {
        custody->processes_peak = count;
    }
    custody->counted = custody->counted || count > 0;
    return count;
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void note_end(struct custody *custody, int status) {
    int64_t now = clock_ms();
    custody->alive = false;
    custody->status = status;
    fd_release(&custody->child.terminal);
    custody->drain_until = custody->stopping ? custody->kill_at : clock_after(now, DRAIN_MS);
}

/* What outlives the main process lived beside it. Who has no such child is not looked for. */
static void note_left(struct custody *custody) {
    int64_t count = custody_count(custody) + 1;
    if (custody->counted && count > custody->processes_peak) {
        custody->processes_peak = count;
    }
}

static void note_empty(struct custody *custody) {
    bool patient = custody->logs.full && !custody->stopping;
    custody->tree_empty = true;
    custody->final_until = clock_after(clock_ms(), patient ? FULL_MS : FINAL_MS);
}

void custody_reap(struct custody *custody) {
    bool just_ended = false;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
        if (pid == custody->child.pid && pid > 0) {
            note_end(custody, status);
            just_ended = true;
        } else if (pid == 0 && just_ended) {
            note_left(custody);
        } else if (pid < 0 && errno == ECHILD && !custody->tree_empty) {
            note_empty(custody);
        }
        if (pid <= 0) {
            return;
        }
    }
}

static void begin_killing(struct custody *custody, int64_t now) {
    if (!custody->killing) {
        custody->killing = true;
        custody->round_at = now;
        custody->round_ms = 1;
        custody->fewest = INT64_MAX;
        brake_hurry();
    }
}

/* What cannot be killed (another user's, or waiting in the kernel) ends the wait, not the custody:
 * but the main process's end is waited for, since only it knows the result. */
static void kill_round(struct custody *custody, int64_t now) {
    int64_t count = custody_count(custody);
    tree_signal(&custody->tree, SIGKILL);
    group_kill(&custody->group);
    custody_reap(custody);
    if (count < custody->fewest) {
        custody->fewest = count; /* A large tree may die slowly, as long as it dies. */
        custody->give_up_at = clock_after(now, GIVE_UP_MS);
    }
    if (!custody->alive && !custody->tree_empty && now >= custody->give_up_at) {
        custody->left = count;
        note_empty(custody);
    }
    custody->round_at = clock_after(now, custody->round_ms);
    custody->round_ms = custody->round_ms < ROUND_MAX_MS ? custody->round_ms * 2 : ROUND_MAX_MS;
}

/* Near the limit it is looked at more often; but a walk over many processes costs, and what it
 * costs is at most a twentieth of the time. */
static int64_t next_count(struct custody *custody, int64_t began, int64_t count) {
    int64_t ended = clock_ms(), rest = (ended - began) * COUNT_SHARE;
    int64_t wait = count > custody->order.processes_max / 4 ? COUNT_NEAR_MS : COUNT_MS;
    if (custody->order.processes_max == 0) {
        wait = custody->count_ms * COUNT_GROWS;
        wait = custody->count_ms = wait < COUNT_FAR_MS ? wait : COUNT_FAR_MS;
    }
    return ended + (rest > wait ? rest : wait);
}

static void check_count(struct custody *custody, int64_t now) {
    int64_t limit = custody->order.processes_max;
    int64_t count = custody_count(custody);
    if (limit > 0 && (count > limit || count == TREE_MAX)) {
        custody->why = custody->stopping ? custody->why : WHY_PROCESSES;
        custody->stopping = true;
        custody->kill_at = now;
    }
    custody->count_at = next_count(custody, now, count);
}

static void advance_alive(struct custody *custody, int64_t now) {
    if (now >= custody->timeout_at) {
        custody->timeout_at = CLOCK_NEVER;
        custody_stop(custody, custody->order.grace_ms, WHY_TIMED_OUT);
    }
    if (now >= custody->count_at && !custody->killing) {
        check_count(custody, now);
    }
    if (now >= custody->kill_at) {
        begin_killing(custody, now);
    }
}

static bool outputs_closed(const struct custody *custody) {
    return custody->child.out < 0 && custody->child.err < 0;
}

static void advance_draining(struct custody *custody, int64_t now) {
    if (now >= custody->drain_until || (outputs_closed(custody) && !custody->stopping)) {
        begin_killing(custody, now);
    }
}

void custody_advance(struct custody *custody, int64_t now) {
    if (custody->logs.full && now >= custody->retry_at) {
        logs_retry(&custody->logs);
        custody->retry_at = clock_after(now, CUSTODY_RETRY_MS);
    }
    if (custody->alive) {
        advance_alive(custody, now);
    } else if (!custody->tree_empty) {
        advance_draining(custody, now);
    }
    if (custody->killing && !custody->tree_empty && now >= custody->round_at) {
        kill_round(custody, now);
    }
}

bool custody_is_settled(const struct custody *custody, int64_t now) {
    if (custody->alive || !custody->tree_empty) {
        return false;
    }
    return (outputs_closed(custody) && !custody->logs.full) || now >= custody->final_until;
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

int64_t custody_next(const struct custody *custody) {
    int64_t at = custody->logs.full ? custody->retry_at : CLOCK_NEVER;
    if (custody->alive) {
        at = earlier(at, earlier(custody->timeout_at, custody->count_at));
        at = earlier(at, custody->killing ? CLOCK_NEVER : custody->kill_at);
    } else if (!custody->tree_empty) {
        at = earlier(at, custody->killing ? CLOCK_NEVER : custody->drain_until);
    } else {
        at = earlier(at, custody->logs.full ? custody->final_until : 0);
    }
    return custody->killing && !custody->tree_empty ? earlier(at, custody->round_at) : at;
}
