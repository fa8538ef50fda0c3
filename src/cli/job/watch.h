/* watch.h: looks on at a job until it has ended, over all of its attempts.
 *
 * Promise    its output arrives here as it comes, stdout on stdout and stderr on stderr, and what
 *            is typed or poured here arrives there, if that is wanted; a restart of the daemon only
 *            delays it. The terminal is given back as it was on every way out. Ctrl-C (Ctrl-] where
 *            keys go to the job) leaves; the job goes on, and prints how to attach again.
 * Threads    one.
 */
#ifndef DROVER_CLI_JOB_WATCH_H
#define DROVER_CLI_JOB_WATCH_H

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/job/log_follow.h"

enum job_watch_input {
    JOB_WATCH_ONLY, /* Nothing is sent. */
    JOB_WATCH_POUR, /* What comes on `input_fd`, and its end. */
    JOB_WATCH_TYPE, /* What is typed on our terminal; Ctrl-] leaves. */
};
struct job_watch {
    struct invocation *invocation;
    struct talk *talk;
    const char *run;
    const char *label; /* Label of the run, for hints. Borrowed; NULL or "": none. */
    int64_t attempt;   /* The first to look at, from 1. */
    int64_t retry_ms;
    bool pty;
    bool only_new; /* Not what came before. */
    enum job_watch_input input;
    int input_fd;      /* POUR. Borrowed. */
    bool stops_broken; /* A job that will never get the rest of its input is asked to end. */
};
/* Ends the invocation with the job's exit code; with --json its row is the last line. */
MUST_CHECK struct err job_watch(const struct job_watch *watch);

/* `drover attach` of a job (cli/run/kinds.h). */
MUST_CHECK struct err job_attach(struct invocation *invocation, struct talk *talk, json_t *run);

bool job_has_pty(const json_t *run); /* The run has a terminal. */
/* Ctrl-C left the run: says how to follow it again, and that nothing failed. */
void job_detached(struct invocation *invocation, const char *run, const char *label);
/* Separates the output of two attempts, for people: "--- attempt 2 ---" on stderr. */
void job_attempt_tell(int64_t attempt);
/* Asks a job of ours to end, since the rest of its input will never come; says so. */
void job_stop_broken(struct talk *talk, const char *run);

#endif
