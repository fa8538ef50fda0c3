/* runs.h: the transactions of runs: submit, admit, settle, stop, release.
 *
 * Promise    each function is the whole of one change: rows, events, admissions that it frees,
 *            inbox rows that it owes, and the notes by which the dispatcher hears of it. Illegal
 *            edges are asserted; results that come too late change nothing and say so.
 * Threads    inside a store function. Of what they decide, the rules are in rules/run/run.h.
 * Failure    as store.h: after an SQL error only return.
 */
#ifndef DROVER_ENGINE_RUN_RUNS_H
#define DROVER_ENGINE_RUN_RUNS_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "rules/run/run.h"
#include "store/store.h"

enum {
    RUN_NOTE = 1, /* The kind under which store notes reach the dispatcher. */
    RUN_RESULT_MAX = 8 << 10,
    RUN_COMMAND_MAX = 200,
    RUN_SLICE_ROWS = 1000, /* Rows of a list that one transaction looks at. */
    RUN_PAGE_SLICES = 20,  /* Transactions of a page that does not count: 20,000 rows. */
    RUN_SEARCH_MAX = 200,  /* Bytes of a text that is looked for. */
    /* A list of runs since a time is whole where the clock was never set back by more. */
    RUN_CLOCK_BACK_MS = 3600000,
    RUN_STOP_PAGE = 200,      /* Runs of a subtree that one transaction asks to stop. */
    RUN_STOP_GRACE_MS = 5000, /* For those below a run that has ended. */
};

/* Meaning of a live job of another host (home.h). */
enum run_hosts {
    RUN_HOST_ONE,     /* The database was restored or copied: its process is gone. */
    RUN_HOSTS_SHARED, /* A database server: that host looks after its process, and reports the end
                       * (host/reports.h). Nobody else ends the run, but for a person. */
};

/* What the daemon allows at this moment; the caller knows. */
struct run_bounds {
    int64_t slots;     /* Jobs at once; 0 while the daemon holds: nothing begins. */
    int64_t workflows; /* At once; 0: any number. */
    struct bytes host; /* This machine and directory; written at each start. */
    enum run_hosts hosts;
};

enum run_hold run_bounds_hold(const struct run_bounds *bounds);

struct run_new {
    struct id run;
    struct bytes owner, parent, label, spec; /* parent: run_… or "". */
    struct bytes key;     /* Concurrency key that a request named; no bytes: none. */
    struct bytes own_key; /* Instead of it, one of the engine's own, which no request can name; no
                           * bytes: none. */
    struct bytes command; /* What runs, for lists, at most RUN_COMMAND_MAX; no data: none. */
    struct bytes shown;   /* Object of further members that lists show; no data: none. */
    struct bytes project; /* Whose budget is charged; no data: none. A child is in its parent's. */
    struct bytes budget_path; /* Without a parent: where it is charged instead; no data: none. */
    int64_t not_before_ms;    /* It waits so long, unless somebody wakes it; 0: for nothing. */
    const struct amounts *budget; /* Limits of a budget of its own; NULL: it has none. */
    enum run_kind kind;
    int64_t priority, key_max;
    bool once;
    bool input_open;    /* Input may follow (job/input.h), */
    int64_t input_from; /* after that number of bytes of the spec. */
    struct run_bounds bounds;
};
/* Writes the row, admitted or queued; or failed at once, where a budget is used up. ERR_NOT_FOUND:
 * no such parent of this owner; ERR_CONFLICT: the parent has ended, or was asked to: a tree that is
 * being stopped does not grow; ERR_BUDGET_TOO_DEEP. */
MUST_CHECK struct err tx_run_submit(struct tx *tx, const struct run_new *what,
                                    struct run_row *ret_row);

/* Texts live in the transaction's arena. `owner` data NULL: anybody's. */
struct run_key {
    struct bytes owner, run;
};
MUST_CHECK struct err tx_run_find(struct tx *tx, const struct run_key *key, bool *ret_found,
                                  struct run_row *ret_row);
/* The same for clients: a damaged row is shown as lists show it, and nothing is decided by it.
 * tx_run_find fails with ERR_STORE_CORRUPT where the run has not ended; an ended one is as shown:
 * its state is final and its cause history_unreadable. */
MUST_CHECK struct err tx_run_find_shown(struct tx *tx, const struct run_key *key, bool *ret_found,
                                        struct run_row *ret_row);

struct run_page {
    struct bytes owner;
    int64_t before; /* id; 0: from the newest. */
    int64_t limit;
    /* Filters; each that is given must fit. */
    bool live;    /* Only those that have not ended. */
    bool top;     /* Only those without a parent. */
    bool by_kind; /* Whether `kind` counts. */
    enum run_kind kind;
    unsigned states;               /* Bits by enum run_state, as run_shown has it; 0: any. */
    struct bytes project, session; /* No bytes: any. */
    struct bytes parent, root;     /* run_…; no bytes: any. */
    struct bytes agent;            /* Turns, processes and steps of it; no bytes: any. */
    struct bytes q;                /* In label, command or id; at most RUN_SEARCH_MAX. */
    int64_t since_ms;              /* Submitted then or later; 0: any. */
    enum run_hold hold;
};
/* Newest first, without spec and result. The rows that one call looks at are bounded: *ret_next is
 * the id below which the rest of the list stands, to go on with as `before`; 0: there is no rest,
 * or `each` got `limit` rows. ERR_NOT_FOUND: there is no such parent or root. */
MUST_CHECK struct err tx_run_each(struct tx *tx, const struct run_page *page,
                                  struct err (*each)(void *ctx, const struct run_row *row),
                                  void *ctx, int64_t *ret_next);
/* Adds the number of the runs that fit, by slices as above; at most `limit` where one index has all
 * that is asked. */
MUST_CHECK struct err tx_run_count(struct tx *tx, const struct run_page *page, int64_t *io_count,
                                   int64_t *ret_next);

/* What the attempt's processes used, for its span. Where its end was not seen, their time on the
 * processors may be known nevertheless (> 0). */
struct run_usage {
    bool known;
    int64_t cpu_us, memory_kb;
    int64_t wall_ms; /* By the monotonic clock; -1: the holder is older than that measurement. */
};

/* The end of an attempt, judged by run_judge: the run ends, or is queued again;
 * what it frees goes to others. */
struct run_settle {
    struct bytes run;
    int64_t attempt;
    struct attempt end;
    struct retry_policy retry;
    struct bytes result; /* JSON, compact. */
    struct bytes note;   /* A sentence about a failure, or "". */
    struct bytes output; /* Text for a notice: head and tail. */
    struct run_usage usage;
    int64_t disk; /* Bytes that the attempt's folder takes. */
    uint32_t random;
    struct run_bounds bounds;
};
/* *ret_late: the row has moved on; nothing was changed. */
MUST_CHECK struct err tx_run_settle(struct tx *tx, const struct run_settle *settle, bool *ret_late,
                                    struct run_row *ret_row);

/* Wait of a model's call before its next try, or of a program for its own session. */
enum { PROVIDER_NOTE_MAX = 200 };
struct provider_wait {
    int64_t resume_at_ms;         /* Wall clock; 0: the wait is over, and the call is made. */
    enum run_cause cause;         /* Why the last try failed; CAUSE_NONE: nobody knows. */
    char note[PROVIDER_NOTE_MAX]; /* A sentence that says more; "": none. */
};

/* The end of an attempt of a job, title or workflow where the store refuses it for good: the run
 * fails alone, cause not_stored, and whoever waits for it is notified. *ret_late as above. */
struct run_give_up {
    struct bytes run;
    int64_t attempt;
    struct bytes sentence; /* What could not be stored, and why. */
    int64_t exit_code;     /* -1: none. */
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_run_give_up(struct tx *tx, const struct run_give_up *what, bool *ret_late);

/* The same for a run at the gate TIME whose begin the store refuses for good; a turn fails with
 * history_unreadable. `attempt` counts for nothing. *ret_late: it waits no more. */
MUST_CHECK struct err tx_run_give_up_wait(struct tx *tx, const struct run_give_up *what,
                                          bool *ret_late);

/* The daemon was asked to stop: what its end cuts off is not counted (attempt.c). */
MUST_CHECK struct err tx_run_note_stop(struct tx *tx);

/* This daemon holds the attempt now. *ret_late as above. */
MUST_CHECK struct err tx_run_adopted(struct tx *tx, const struct run_key *key, int64_t attempt,
                                     bool *ret_late);

/* Asks a run and all below it to end. What has not begun ends at once. *ret_more: call again (the
 * subtree is large); whoever does not leaves the rest to the ends of those that were asked.
 * ERR_NOT_FOUND; ERR_CONFLICT: it has ended. */
struct run_stop {
    struct run_key key;
    enum run_cause cause;
    int64_t grace_ms;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_run_stop(struct tx *tx, const struct run_stop *stop, bool *ret_more,
                                  struct run_row *ret_row);

/* A queued run whose wait is over goes on to its other gates; or one of those that wait goes on
 * with handing out what an earlier commit has left to do. */
MUST_CHECK struct err tx_run_wake(struct tx *tx, const struct run_key *key,
                                  const struct run_bounds *bounds);

/* Admits what may run: after a release, and at start. At most `limit`; *ret_more: call again. */
MUST_CHECK struct err tx_run_admit_all(struct tx *tx, const struct run_bounds *bounds,
                                       int64_t limit, bool *ret_more);

/* Every run that has not ended, in the order of ids above `after`: notes for the dispatcher. The
 * one path of recovery. A row that cannot be read must not keep the others: its run is asked to
 * end, with cause history_unreadable. */
struct run_recovered {
    int64_t last;       /* Hand it in as the next `after`; 0: that was all. */
    int64_t unreadable; /* Number of damaged rows, */
    struct id first;    /* and the run of the first of them. */
};
MUST_CHECK struct err tx_run_recover(struct tx *tx, int64_t after, int64_t limit,
                                     struct run_recovered *ret_recovered);

/* Whether the run was begun in another data directory, or on another machine (home.h). */
MUST_CHECK bool run_is_of_other_host(const struct run_row *row, struct bytes host);
/* Whether its process, or what that has left, is on another host of the same database; of these, */
MUST_CHECK bool run_is_elsewhere(const struct run_row *row, const struct run_bounds *bounds);
/* whether it is a job that has not ended. */
MUST_CHECK bool run_is_away(const struct run_row *row, const struct run_bounds *bounds);
/* Writes {"id","progress","at_ms"} of a workflow; nothing, if it is gone. *ret_told: bytes before
 * the time. */
MUST_CHECK struct err tx_run_progress(struct tx *tx, int64_t workflow, struct text *text,
                                      size_t *ret_told);

/* Marks a row to be shown: with the progress of a workflow, with the number of processes of a
 * program's turn, with the cost of a turn or workflow that has ended and is inside no other, with
 * the holder of the key that it waits for, with the gate HOST of a turn or agent that has a command
 * away, and with the gate BUDGET, the reason and the time where its next call of a model waits for
 * a budget. */
MUST_CHECK struct err tx_run_waits_mark(struct tx *tx, const struct run_bounds *bounds,
                                        struct run_row *io_row);
/* Sentence for what cannot be done from here, ERR_HOST_AWAY; of a run that is not elsewhere:
 * ERR_OK. Names the host (hosts.h). */
MUST_CHECK struct err tx_run_check_here(struct tx *tx, const struct run_row *row,
                                        const struct run_bounds *bounds, struct why *why);

/* The same for the output of an attempt, which stays on the host on which it ran; ERR_HOST_GONE:
 * that host was removed. */
struct run_output {
    const struct run_row *row; /* Borrowed. */
    int64_t attempt;
};
MUST_CHECK struct err tx_run_check_output(struct tx *tx, const struct run_output *output,
                                          const struct run_bounds *bounds, struct why *why);

/* Of the jobs that run, those that a release gives up because they were begun elsewhere, and of
 * these, through `again`, those that begin once more. A page, in the order of ids. */
struct run_forecast_page {
    struct bytes host; /* Ours. */
    int64_t after;     /* `last` of the page before; 0: from the first. */
    int64_t limit;
};
struct run_forecast {
    int64_t lost, again; /* Of this page; `lost` counts both. */
    int64_t last;        /* 0: that was all. */
};
MUST_CHECK struct err tx_run_forecast(struct tx *tx, const struct run_forecast_page *page,
                                      struct err (*again)(void *ctx, const struct run_row *row),
                                      void *ctx, struct run_forecast *ret_forecast);

struct run_census {
    int64_t states[RUN_STATE_COUNT]; /* Of runs that have not ended; the others are 0. */
    int64_t oldest_queued_ms;        /* made_ms; 0: none. */
    int64_t kept_bytes;              /* Of the folders of ended runs. */
    int64_t budgets, waiting_for_budget;
};
MUST_CHECK struct err tx_run_census(struct tx *tx, struct run_census *ret_census);

/* --- What the dispatcher hears after a commit ------------------------------------------------- */

/* Decoded from a note's bytes, which it borrows. The row's result, note, command and budget are
 * empty, and the spec of a run that does not run is, too: whoever begins or adopts it hears of it
 * again. */
MUST_CHECK bool run_note_read(struct bytes note, struct run_row *ret_row);

/* A row as clients see it, one JSON object: `whole` adds spec and result. */
enum run_form { RUN_LIGHT, RUN_WHOLE };
struct text;
void run_write_json(const struct run_row *row, enum run_form form, struct text *text);
/* Light, and as run_shown has it: the answer of a request that changed the run. */
void run_write_shown(const struct tx *tx, const struct run_row *row,
                     const struct run_bounds *bounds, struct text *text);
/* Members, after others: ,"state":…,"gate":…,"resume_at_ms":… */
void run_write_wait(const struct run_row *row, struct text *text);

#endif
