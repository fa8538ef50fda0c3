/* notifier.h: the command that tells a person what happened: setting `notify_command`, argv as a
 * JSON array, run for runs of owner `local` on
 *
 *   question   a turn waits for an answer or a permission
 *   finished   a run that no other run started ended after `after_ms` or more
 *   failed     such a run failed, whatever it took
 *   stalled    an agent was stuck, a notice failed 20 times, or work makes no progress
 *
 * "{event}", "{run}", "{title}" and "{text}" in the words are replaced; the same stands in
 * DROVER_EVENT, DROVER_RUN, DROVER_TITLE and DROVER_TEXT. No shell reads them.
 *
 *   IDLE ──event──> GATHERING ──a second──> READING ──> RUNNING ──ended──> RESTING ──> IDLE
 *                       ^                                                     │ more came
 *                       └─────────────────────────────────────────────────────┘
 *
 * Promise    nothing waits for the command. One runs at a time, for NOTIFIER_LIMIT_MS at most, and
 *            its process group is ended with it. The next command carries all that happened
 *            meanwhile: at most one command in NOTIFIER_REST_MS. A question that is still open at a
 *            start is sent again; an end that was not sent before the daemon ended is lost.
 * Secrets    the environment is an allow-list, without keys; texts pass base/redact.h.
 * Failure    a command that cannot be run, fails or is too slow is one line of the log until the
 *            cause changes.
 * Ownership  embedded; all options are borrowed until the loop has ended.
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_NOTIFIER_H
#define DROVER_MAIN_NOTIFIER_H

#include "base/log.h"
#include "base/log_change.h"
#include "base/text.h"
#include "dispatch/provider/connections.h"
#include "engine/run/runs.h"
#include "loop/loop.h"
#include "store/store.h"

enum {
    NOTIFIER_GATHER_MS = 1000,
    NOTIFIER_REST_MS = 5000,
    NOTIFIER_LIMIT_MS = 10000,
    NOTIFIER_LOOK_MS = 30000, /* Between two looks for work without progress. */
    NOTIFIER_QUEUE_MAX = 16,  /* Events by name; further ones are counted. */
    NOTIFIER_TEXT_MAX = 1000, /* Bytes of a title or a text. */
};

enum notifier_event { NOTIFY_QUESTION, NOTIFY_STALLED, NOTIFY_FAILED, NOTIFY_FINISHED };

struct notifier_options {
    struct loop *loop;
    struct store *store;
    struct log *log;
    const struct connections *connections; /* For the setting. */
    int64_t after_ms;
    /* True: work makes no progress; *ret_why says which. stalled: notices that failed so often. */
    bool (*stuck)(void *ctx, struct why *ret_why);
    int64_t (*stalled)(void *ctx);
    void *ctx;
};

struct notifier_item {
    enum notifier_event event;
    struct id run; /* "": none. */
    char text[256];
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
    struct notifier_item items[NOTIFIER_QUEUE_MAX];
    size_t count, omitted;
    bool questions;                  /* Approvals are to be read. */
    bool was_stuck;                  /* The last look found work stuck. */
    int64_t was_stalled, asked_last; /* Stalled notices at the last look; newest approval sent. */
    struct {
        struct notifier_item items[NOTIFIER_QUEUE_MAX]; /* Taken from the queue. */
        size_t count, omitted;
        bool questions;
        int64_t asked_last;
        struct text title, text; /* Owned; filled by the store's reader. */
        enum notifier_event event;
        struct id run;
        size_t said;
    } told;
    int pid; /* RUNNING: the command. */
    bool too_slow;
    struct log_change failures;
};

void notifier_start(struct notifier *notifier, const struct notifier_options *options);
void notifier_stop(struct notifier *notifier); /* Ends a command that runs. Never started: fine. */
void notifier_done(struct notifier *notifier); /* After the store. Zeroed is fine. */
/* Receives store_options.notes[RUN_NOTE]. */
void notifier_run_note(struct notifier *notifier, struct bytes note);
/* A child of the daemon ended (holder.h). */
void notifier_child_ended(struct notifier *notifier, int pid, int status);

#endif
