/* notifier.h: tells a person what happened, by the command of setting `notify_command`
 * (notify_command.h), for runs of owner `local`:
 *
 *   asked      a turn waits for an answer or a permission
 *   ended      a run that no other run started ended after `after_ms` or more
 *   failed     such a run failed, whatever it took
 *   stalled    an agent was stuck, a notice failed 20 times, or work makes no progress
 *
 *   IDLE ──event──> GATHERING ──a second──> READING ──> RUNNING ──ended──> RESTING ──> IDLE
 *                       ^                                                     │ more came
 *                       └─────────────────────────────────────────────────────┘
 *
 * Promise    nothing waits for the command. One runs at a time, for NOTIFIER_LIMIT_MS at most, and
 *            its process group is ended with it. The next command carries all that happened
 *            meanwhile: at most one command in NOTIFIER_REST_MS. A question that is still open at a
 *            start is sent again; an end that was not sent before the daemon ended is lost.
 * Failure    a command that cannot be run, fails or is too slow is one line of the log until the
 *            cause changes.
 * Ownership  embedded; all options are borrowed until the loop has ended.
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_NOTIFIER_H
#define DROVER_MAIN_NOTIFIER_H

#include "base/log.h"
#include "base/log_change.h"
#include "dispatch/provider/connections.h"
#include "engine/run/runs.h"
#include "loop/loop.h"
#include "main/notification.h"
#include "store/store.h"

enum {
    NOTIFIER_GATHER_MS = 1000,
    NOTIFIER_REST_MS = 5000,
    NOTIFIER_LIMIT_MS = 10000,
    NOTIFIER_LOOK_MS = 30000, /* Between two looks for work without progress. */
};

struct notifier_options {
    struct loop *loop;
    struct store *store;
    struct log *log;
    const struct connections *connections; /* For the setting. */
    int64_t after_ms;
    unsigned umask; /* Umask of the command: base/process/umask.h. */
    /* True: work makes no progress; *ret_why says which. stalled: notices that failed so often. */
    bool (*stuck)(void *ctx, struct why *ret_why);
    int64_t (*stalled)(void *ctx);
    void *ctx;
};

struct notifier {
    struct notifier_options on;
    enum {
        NOTIFIER_OFF,
        NOTIFIER_IDLE,
        NOTIFIER_GATHERING,
        NOTIFIER_READING,
        NOTIFIER_RUNNING,
        NOTIFIER_RESTING
    } state;
    struct timer timer, look_timer;
    struct notification_item items[NOTIFICATION_EVENTS_MAX]; /* For the next notification. */
    size_t count, omitted;
    bool questions;                   /* Approvals are to be read. */
    bool was_stuck;                   /* The last look found work stuck. */
    int64_t was_stalled;              /* Stalled notices at the last look. */
    struct notification notification; /* READING, RUNNING: the present one. */
    int pid;                          /* RUNNING: the command. */
    bool too_slow;
    struct log_change failures;
};

void notifier_start(struct notifier *notifier, const struct notifier_options *options);
void notifier_stop(struct notifier *notifier); /* Ends a command that runs. Never started: fine. */
void notifier_done(struct notifier *notifier); /* After the store. Zeroed is fine. */
void notifier_run_note(struct notifier *notifier, const struct run_row *row);
/* A child of the daemon ended (holder.h). */
void notifier_child_ended(struct notifier *notifier, int pid, int status);

#endif
