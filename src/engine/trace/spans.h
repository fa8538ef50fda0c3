/* spans.h: what a run did, step by step: its process, each call of a model, each call of a tool.
 *
 * Promise    a step's row is written by the commit that begins it and completed by the commit that
 *            ends it, so a trace shows what was under way when a daemon died. A row ends once: an
 *            end is fenced by run, attempt, step and state, and one that comes later changes
 *            nothing. What nobody knows (tokens, a cost) is SPAN_UNKNOWN, and never 0.
 * Bounds     texts are cut here, at a character. Rows go with their run, a page per transaction.
 * Ownership  texts are borrowed during the call; those of a row until the next one.
 * Threads    inside a store function; span_write_json: any.
 * Failure    as store.h.
 *
 * A review is a call of a model about the call of a tool.
 *
 * Step 0 of an attempt is its own process. A turn and an agent number their steps from 1, through
 * all of their attempts.
 */
#ifndef DROVER_ENGINE_TRACE_SPANS_H
#define DROVER_ENGINE_TRACE_SPANS_H

#include "base/base.h"
#include "base/err.h"
#include "rules/run/run.h"
#include "rules/trace/usage.h"
#include "store/store.h"

#define SPAN_UNKNOWN INT64_C(-1)

enum {
    SPAN_NAME_MAX = 200, /* Bytes. */
    SPAN_ERROR_MAX = 500,
    SPAN_TEXT_MAX = 4096,  /* Of the input, and of the output. */
    SPAN_REMOVE_MAX = 500, /* Rows that one call removes. */
};

enum span_kind {
    SPAN_PROCESS,
    SPAN_MODEL,
    SPAN_TOOL,
    SPAN_REVIEW,
    SPAN_COMPACTION,
    SPAN_KIND_COUNT
};
extern const char *const span_kind_names[]; /* By value; NULL ends them. */
const char *span_kind_name(enum span_kind kind);

/* Members of a row, or an end, of no process. */
#define SPAN_NO_PROCESS                                                                            \
    .tries = 1, .exit_code = SPAN_UNKNOWN, .cpu_us = SPAN_UNKNOWN, .memory_kb = SPAN_UNKNOWN

struct span_key {
    int64_t run; /* run_row.id */
    int64_t attempt, step;
};

/* As a provider counts them: the input is fresh + cache_read + cache_write, and reasoning is a part
 * of output. Each may be SPAN_UNKNOWN. */
struct span_tokens {
    int64_t fresh, cache_read, cache_write, output, reasoning;
};
#define SPAN_TOKENS_UNKNOWN                                                                        \
    ((struct span_tokens){SPAN_UNKNOWN, SPAN_UNKNOWN, SPAN_UNKNOWN, SPAN_UNKNOWN, SPAN_UNKNOWN})

/* Set aside by a budget when the step was admitted; cost in micro-dollars. */
struct span_reserve {
    int64_t tokens, cost; /* SPAN_UNKNOWN: none. */
};

struct span_start {
    struct span_key key;
    enum span_kind kind;
    struct bytes name;  /* A program, a model, a tool: without NUL. */
    struct bytes input; /* Valid UTF-8; NUL is fine here. */
    struct span_reserve reserve;
    struct bytes host; /* Of a process, where hosts share the database; no data: not said. */
};
/* ERR_CONFLICT: that step has begun already. */
MUST_CHECK struct err tx_span_start(struct tx *tx, const struct span_start *start);

struct span_end {
    struct span_key key;
    /* A final one of runs; of a call of a tool, of cards (rules/turn/card.h). */
    struct bytes state;
    struct bytes cause;  /* A code: [a-z_]. */
    struct bytes rule;   /* Rule that classified the end of a program; no data: none. */
    struct bytes error;  /* A sentence without NUL, or "". */
    struct bytes output; /* As the input. */
    struct span_tokens tokens;
    int64_t cost;      /* Micro-dollars. */
    bool estimated;    /* Tokens and cost are not what a provider said. */
    int64_t tries;     /* From 1: what the step itself tried again. */
    int64_t exit_code; /* These three of a process; SPAN_UNKNOWN. */
    int64_t cpu_us, memory_kb;
    int64_t disk;          /* Bytes that its folder takes; 0: none. */
    int64_t ended_ms;      /* 0: the time of the commit. */
    const int64_t *prompt; /* Bytes of its parts (rules/trace/usage.h); NULL: not measured. */
};
/* *ret_late: no such step runs; nothing was changed. NULL: the caller has fenced it already. */
MUST_CHECK struct err tx_span_end(struct tx *tx, const struct span_end *end, bool *ret_late);

/* Where the process of an attempt ran; "": nobody has said so. Lives in the transaction's arena. */
MUST_CHECK struct err tx_span_host(struct tx *tx, int64_t run, int64_t attempt,
                                   struct bytes *ret_host);

/* "RUN.ATTEMPT.STEP": the span of a run for clients. Borrowed from `id`. */
enum { SPAN_ID_MAX = 96 };
struct bytes span_write_id(struct bytes run, const struct span_key *key, char id[SPAN_ID_MAX]);

struct span_row {
    int64_t run_id, attempt, step;
    struct bytes kind, name, state, cause, rule, error, host;
    struct bytes input, output;   /* JSON strings; "": none. */
    int64_t started_ms, ended_ms; /* ended_ms 0: it runs. */
    int64_t due_ms;               /* Due time, if it is a timer (tree.h); else 0. */
    struct span_tokens tokens;
    int64_t cost;
    struct span_reserve reserve;
    bool estimated;
    int64_t tries, exit_code, cpu_us, memory_kb, disk;
    int64_t prompt[USAGE_PART_COUNT]; /* All SPAN_UNKNOWN: it was not measured. */
    struct bytes run;                 /* Name of the run, for clients. */
    /* Members of a session's spans: */
    int64_t turn; /* 0: not asked for. */
    struct bytes message;
    /* Members of a tree (tree.h): */
    bool in_tree;        /* The members below are set. */
    bool is_run;         /* The row is the run that spans are below, and no span. */
    struct bytes parent; /* Name of the run above; "": the run was asked for. */
    struct bytes label, phase;
    int64_t depth; /* 0: the run that was asked for. */
};

extern const struct resource span_resource;

/* Steps after (attempt, step), in that order. */
struct span_page {
    int64_t run, attempt, step; /* 0, -1: from the first. */
    int64_t limit;
    int64_t changed_since; /* Only those that have not ended, or ended then or later; 0: all. */
    struct bytes name;     /* Name of the run, for clients. */
};
MUST_CHECK struct err tx_span_each(struct tx *tx, const struct span_page *page,
                                   struct err (*each)(void *ctx, const struct span_row *row),
                                   void *ctx);

/* Steps of a session's turns after (turn, attempt, step), in that order. */
struct span_session_page {
    int64_t session;
    int64_t turn_min, turn_max; /* Numbers. */
    int64_t turn, attempt, step;
    int64_t limit;
    int64_t changed_since; /* As of struct span_page. */
};
MUST_CHECK struct err tx_span_of_session(struct tx *tx, const struct span_session_page *page,
                                         struct err (*each)(void *ctx, const struct span_row *row),
                                         void *ctx);

/* The run has ended: from here on its folders count among those that tx_span_disk sums up. */
MUST_CHECK struct err tx_span_keep(struct tx *tx, int64_t run);
int64_t tx_span_disk(struct tx *tx);

/* At most SPAN_REMOVE_MAX of a run that has ended; their folders no longer count. */
struct span_removed {
    int64_t count, disk;
};
/* A text as stored spans have it: a JSON string, cut; in the arena. */
struct bytes spans__quote(struct tx *tx, struct bytes text);
struct span_removed tx_span_remove(struct tx *tx, int64_t run);

struct text;
/* Members of the events span_started and span_finished, in the commits of the row. `ms`:
 * SPAN_UNKNOWN is null. */
void span_add_started(const struct span_start *start, struct bytes run, int64_t started_ms,
                      struct text *text);
void span_add_finished(const struct span_end *end, struct bytes run, int64_t ms, struct text *text);
void span_write_json(const struct span_row *row, struct text *text);

#endif
