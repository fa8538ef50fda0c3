/* rules/run/run.h: what a run is, and what may happen to it. Pure: no clock, no I/O.
 *
 *              ┌────────── again (a retry, or a start that was void) ────────┐
 *              v                                                             │
 *   queued ──admitted──> running <──> waiting                                │
 *      │                    ├──> succeeded | degraded | failed | timed_out | lost
 *      └──> cancelled <─────┘                       └────────────────────────┘
 *           failed (its deadline, or a budget)
 *
 * Why a queued run does not run stands in `gate`:
 *   KEY    its concurrency key is full;
 *   SLOT   every slot of the daemon is taken, as they all are while it holds: shown as HOLD then;
 *   BUDGET what is left of a budget is reserved by others (rules/budget/budget.h);
 *   TIME   it may not begin before `not_before_ms` (the wait before a retry).
 *   HOLD   the daemon holds (run_shown): shown, and never stored. The stored gate is SLOT.
 * Why a run is `waiting`:
 *   a turn waits for a person, and a workflow is paused: both give back what they can;
 *   PROVIDER  a call of a model waits before its next try, until `not_before_ms`
 *          (run_waits_for_provider). The run keeps its key, its slot and its clock, since the wait
 *          is a part of the call. The gate is shown, and never stored: the stored gate of a run
 *          that has begun is NONE, and what counts slots and keys counts by that.
 *   HOST   of a turn or agent that runs: a command of it is on another host. Shown, never stored.
 *   BUDGET of a turn or agent that runs: its next call of a model waits for a budget. Shown, never
 *          stored: the row has the lane (engine/run/budget_gate.h).
 * A start for which no file descriptor was free (EMFILE, ENFILE) waits for a time, and is shown at
 * the gate of SLOT: the stored gate is TIME, with the cause NO_DESCRIPTORS. So the run keeps
 * neither a slot nor its key meanwhile, and the next admission does not pick it again at once.
 * At the gates of SLOT and BUDGET `not_before_ms` is set of one who shall go on with what a commit
 * that handed out places has left to do.
 * A run that is past its key's gate counts for the key, also while it waits for a slot. So keys are
 * first in, first out within a priority, and a full key holds back nobody else.
 */
#ifndef DROVER_RULES_RUN_RUN_H
#define DROVER_RULES_RUN_RUN_H

#include "base/base.h"
#include "base/fields/fields.h"
#include "base/id.h"
#include "rules/budget/amounts.h"

/* Name in the database, the API and the docs. The order is that of no importance. */
#define RUN_STATES(X)                                                                              \
    X(QUEUED, "queued")                                                                            \
    X(RUNNING, "running")                                                                          \
    X(WAITING, "waiting")                                                                          \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(DEGRADED, "degraded")                                                                        \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")                                                                      \
    X(TIMED_OUT, "timed_out")                                                                      \
    X(LOST, "lost")

enum run_state {
#define X(state, name) RUN_##state,
    RUN_STATES(X)
#undef X
        RUN_STATE_COUNT
};

/* Time that one attempt is charged for lives of the daemon that are over, at most: of them only the
 * wall clock tells, and it may have been set by years. */
#define RUN_UNSEEN_MAX_MS (INT64_C(30) * 86400 * 1000)

enum {
    RUN_SPEC_MAX = 1 << 20,  /* Bytes of what was asked for, as JSON. */
    RUN_NOTE_TEXT_MAX = 500, /* Bytes of the sentence about a failure. */
};

/* Number of ends of the daemon in a row, orderly stops aside, after which a step is not begun
 * again. */
enum { RUN_CUT_OFF_MAX = 10 };
#define RUN_CUT_OFF_WORDS                                                                          \
    "The daemon ended 10 times in a row during the same step, which may be the cause: it is not "  \
    "begun again."

/* Why a run is in its state: a code that scripts may test, and a sentence for people. */
#define RUN_CAUSES(X)                                                                              \
    X(NONE, "", "")                                                                                \
    X(COMPLETED, "completed", "It did what it was asked")                                          \
    X(EXIT_CODE, "exit_code", "The command ended with an exit code other than 0")                  \
    X(SIGNAL, "signal", "The command was ended by a signal")                                       \
    X(NOT_STARTED, "not_started", "The command could not be started")                              \
    X(NO_DESCRIPTORS, "no_descriptors", "No file descriptor was free to start the command")        \
    X(PROCESSES, "too_many_processes", "The command passed its limit of processes")                \
    X(STOPPED, "stopped", "Somebody stopped it")                                                   \
    X(PARENT_ENDED, "parent_ended", "The run that it belongs to has ended")                        \
    X(DEADLINE, "deadline", "It reached its time limit")                                           \
    X(HOLDER_KILLED, "holder_killed", "The holder of the command was killed")                      \
    X(OUTPUT_GONE, "output_gone", "The folder of its output was removed while it ran")             \
    X(MACHINE_RESTARTED, "machine_restarted", "The machine was restarted under the command")       \
    X(HOST_GONE, "host_gone",                                                                      \
      "Its host was given up, or it ran in another data directory or before a restore")            \
    X(OUTCOME_UNKNOWN, "outcome_unknown", "It may or may not have run to its end")                 \
    X(BUDGET, "budget", "A budget is used up")                                                     \
    X(INTERRUPTED, "interrupted", "Another message interrupted it")                                \
    X(ROLLED_BACK, "rolled_back", "Another message replaced it, and it was rolled back")           \
    X(CALLED_OFF, "called_off", "The agent that started it cancelled it")                          \
    X(CLEARED, "cleared", "The conversation was cleared")                                          \
    X(STEP_LIMIT, "step_limit", "It reached its limit of steps, and said what is left to do")      \
    X(TOOL_MISTAKES, "tool_mistakes", "Its tool calls kept failing")                               \
    X(NO_PROGRESS, "no_progress", "It kept making the same call")                                  \
    X(PROVIDER_UNREACHABLE, "provider_unreachable", "The model's provider could not be reached")   \
    X(PROVIDER_ERROR, "provider_error", "The model's provider failed")                             \
    X(RATE_LIMITED, "rate_limited", "The model's provider limits the rate of requests")            \
    X(QUOTA, "quota", "The quota at the model's provider is used up")                              \
    X(AUTH_FAILED, "auth_failed", "The model's provider did not accept the key")                   \
    X(CONTEXT_OVERFLOW, "context_overflow", "The conversation is longer than the model can take")  \
    X(COMPACTION_FAILED, "compaction_failed",                                                      \
      "The conversation is longer than the model can take, and no shorter form was found")         \
    X(BAD_REQUEST, "bad_request", "The model's provider could not use the request")                \
    X(REFUSED, "refused", "The model declined to answer")                                          \
    X(EMPTY_RESPONSE, "empty_response", "The model's answer was empty")                            \
    X(TRUNCATED, "truncated", "The model's answer was cut off at its maximum length")              \
    X(STREAM_BROKEN, "stream_broken", "The model's answer broke off before its end")               \
    X(TIMED_OUT, "timed_out", "It, or its provider, exceeded a time limit")                        \
    X(TOO_LARGE, "response_too_large", "The model's answer is larger than drover accepts")         \
    X(BAD_RESPONSE, "bad_response", "The model's provider sent an answer that drover cannot read") \
    X(MODEL_UNKNOWN, "model_unknown", "There is no such model")                                    \
    X(TOO_MANY_CALLS, "too_many_calls", "Too many calls waited for an answer already")             \
    X(CONNECTION_CHANGED, "connection_changed", "The model's connection was removed meanwhile")    \
    X(HISTORY_UNREADABLE, "history_unreadable", "Its stored history could not be read")            \
    X(SCHEMA_MISMATCH, "schema_mismatch", "The model's answers did not match the schema")          \
    X(DENIED, "denied", "A permission that it needs was denied")                                   \
    X(PAUSED, "paused", "Somebody paused it")                                                      \
    X(AGENTS_FAILED, "agents_failed", "Its script returned, but agents of it failed")              \
    X(ITEMS_FAILED, "items_failed", "Every item of a parallel() or pipeline() ended in an error")  \
    X(STUCK, "stuck", "It made no progress for too long")                                          \
    X(NO_CAPABLE_AGENT, "no_capable_agent", "No agent has the capabilities that it asks for")      \
    X(AGENT_BUDGET, "agent_budget", "Its own budget is used up")                                   \
    X(TOTAL_SPENT, "total_spent", "The output tokens that its script may spend are used up")       \
    X(NO_WORKTREE, "no_worktree", "Its git working tree could not be created")                     \
    X(AGENT_TYPE_UNKNOWN, "agent_type_unknown", "There is no such type of agent")                  \
    X(BAD_SCHEMA, "bad_schema", "Its schema is not one that drover understands")                   \
    X(SCRIPT_ERROR, "script_error", "Its script threw an error")                                   \
    X(SYNTAX_ERROR, "syntax_error", "Its script is not valid JavaScript")                          \
    X(SCRIPT_STUCK, "script_stuck", "Its script computed for too long without waiting")            \
    X(MEMORY_EXCEEDED, "memory_exceeded", "It needed more memory than it may have")                \
    X(TOO_MANY_LINES, "too_many_lines", "Its script wrote too many phases and log lines")          \
    X(OUTPUT_TOO_LARGE, "output_too_large", "A value of its script is larger than drover accepts") \
    X(RESULT_NOT_JSON, "result_not_json", "The result of its script cannot be written as JSON")    \
    X(NEVER_SETTLES, "never_settles", "Its script waits for something that cannot come")           \
    X(REPLAY_DIVERGED, "replay_diverged", "Its script did not repeat its recorded steps")          \
    X(WORKER_CRASHED, "worker_crashed", "The process of its script kept ending")                   \
    X(ENGINE_GONE, "engine_gone", "The build of the script engine that it started with is gone")   \
    X(NOT_STORED, "not_stored", "A step of it could not be stored or read")                        \
    X(CUT_OFF, "cut_off", "The daemon ended several times during the same step of it")             \
    X(AGENT_FAILED, "agent_failed", "The program says that it failed")                             \
    X(SESSION_BUSY, "session_busy", "Another process uses the session of the program")             \
    X(GATEWAY_TIMEOUT, "gateway_timeout", "The program ended before it was done")                  \
    X(FALLBACK_USED, "fallback_used", "The program answered without its gateway")                  \
    X(NO_RESULT, "no_result", "The program ended without an answer")                               \
    X(CRASHED, "crashed", "The program crashed")                                                   \
    X(COMPACTION_HANGING, "compaction_hanging",                                                    \
      "The program did not finish the summary of its conversation")                                \
    X(REQUESTS, "too_many_requests",                                                               \
      "The program made more requests to its model than its limit allows")                         \
    X(MAX_RETRY_COUNT, "max_retry_count",                                                          \
      "The program was restarted as often as its limit allows")                                    \
    X(STEP_FAILED, "step_failed", "A step of it failed")                                           \
    X(UNSATISFIABLE, "unsatisfiable", "The steps that are left can never start")                   \
    X(REVIVE_FAILED, "revive_failed",                                                              \
      "The processes of the program are gone, and it cannot be resumed")

enum run_cause {
#define X(cause, name, about) CAUSE_##cause,
    RUN_CAUSES(X)
#undef X
        RUN_CAUSE_COUNT
};

enum run_gate {
    GATE_NONE,
    GATE_KEY,
    GATE_BUDGET,
    GATE_SLOT,
    GATE_TIME,
    GATE_HOLD,
    GATE_PROVIDER,
    GATE_HOST,
    RUN_GATE_COUNT
};
enum run_kind {
    KIND_JOB,
    KIND_TURN,
    KIND_AGENT,
    KIND_WORKFLOW,
    KIND_FLOW,
    KIND_TITLE, /* A session's name is made. */
    RUN_KIND_COUNT
};

/* Constant differences of the kinds, a row of kinds.c for each. */
enum run_slots { RUN_SLOTS_ANY, RUN_SLOTS_JOBS, RUN_SLOTS_WORKFLOWS };
enum run_trait {
    RUN_HAS_PROCESS = 1 << 0, /* On a host: attempts have spans, output, restarts of the machine. */
    /* Rows below the run are its journal: its last event and its notice count them, and they are
     * removed with it. There is no log. */
    RUN_HAS_STEPS = 1 << 1,
    /* Such a row: the stream and the spans of the run above tell of it. Its prompt may be long. */
    RUN_IS_STEP = 1 << 2,
    RUN_IN_SESSION = 1 << 3, /* The stream of its session, which its key names, tells of it. */
    RUN_RESERVES_CALLS =
        1 << 4,            /* Tokens are reserved by each call of a model, not at the start. */
    RUN_ASKS = 1 << 5,     /* A wait without an end is for people, and takes nothing of its time. */
    RUN_IS_ALIKE = 1 << 6, /* Budgets do not learn from its attempts. */
    RUN_IS_SILENT = 1 << 7, /* Nobody is notified of it. */
    RUN_TELLS_END = 1 << 8, /* The last event of its stream is one of its kind. */
    /* A run right below another of its kind takes no slot: the upper one has it, and waits. */
    RUN_NESTS = 1 << 9,
    RUN_HAS_GRAPH = 1 << 10, /* A flow: another run can reuse the results of its steps. */
};
struct run_kind_rules {
    enum run_slots slots; /* Limit of the daemon that runs of the kind share. */
    struct amounts first; /* Reserved by an attempt where none has been seen. */
    unsigned traits;      /* Bits of enum run_trait. */
};
extern const struct run_kind_rules run_kind_rules[RUN_KIND_COUNT];
/* Whether it has one of these traits. */
bool run_kind_is(enum run_kind kind, unsigned traits);

extern const char *const run_state_names[]; /* By value; NULL ends them. */
extern const char *const run_kind_names[];
extern const char *const run_gate_names[];
extern const char *const run_cause_names[];
const char *run_state_name(enum run_state state);
const char *run_cause_name(enum run_cause cause);
const char *run_cause_about(enum run_cause cause);
const char *run_gate_name(enum run_gate gate);
const char *run_kind_name(enum run_kind kind);
MUST_CHECK bool run_state_find(struct bytes name, enum run_state *ret_state);
MUST_CHECK bool run_cause_find(struct bytes name, enum run_cause *ret_cause);
MUST_CHECK bool run_gate_find(struct bytes name, enum run_gate *ret_gate);
MUST_CHECK bool run_kind_find(struct bytes name, enum run_kind *ret_kind);

bool run_state_final(enum run_state state);
bool run_edge_legal(enum run_state from, enum run_state to);

/* The cost of a run's calls of models. */
struct run_cost {
    bool told;       /* The row was looked up. */
    int64_t micros;  /* -1: not known. */
    int64_t unknown; /* Calls whose cost is not known. */
};

/* One row, as the rules see it. Texts are borrowed from whoever filled it. */
struct run_row {
    int64_t id;       /* Inside the database; rises with each run. */
    struct bytes run; /* run_… */
    struct bytes owner;
    enum run_kind kind;
    int64_t parent; /* id; 0: none. */
    enum run_state state;
    enum run_gate gate;
    enum run_cause cause;
    enum run_cause stop; /* Asked to end, and why; CAUSE_NONE: not asked. */
    int64_t stop_grace_ms;
    int64_t attempt;  /* Starts from nothing so far; 0: never begun. */
    int64_t voids;    /* Starts in a row of which nothing came. */
    int64_t failures; /* Attempts that count for `retry`. */
    int64_t unbegun;  /* Number of attempts that ended before their command began. */
    /* One column with two meanings: a job has no steps, and no other run has a process. */
    union {
        int64_t reboots;  /* Of a job: number of attempts that a restart of the machine ended. */
        int64_t cut_offs; /* Of others: ends of the daemon in a row that cut off the same step. */
    };
    int64_t epoch;    /* Of the daemon that began or adopted the attempt. */
    int64_t priority; /* Larger is sooner; FIFO within one. */
    int64_t key_max;
    int64_t exit_code; /* Of the attempt that its state tells of; -1: none. */
    int64_t made_ms, not_before_ms, ended_ms;
    int64_t started_ms;     /* When the attempt began; 0: never. */
    int64_t steady_ms;      /* The same by a clock that nobody sets: what durations are taken by. */
    bool once;              /* At most once: never again when nobody knows whether it ran. */
    bool away;              /* The process is on another host. Shown, never stored: run_is_away. */
    int64_t starts;         /* Number of processes so far, of a turn that a program answers. Shown,
                           * never stored: tx_run_waits_mark. */
    int64_t day_end_ms;     /* End of the day of the budget that it waits for; 0: it waits for no
                           * day. Shown, never stored: runs__budget_mark. */
    struct bytes key;       /* As stored (RUN_KEY_GIVEN); "": none. */
    struct bytes waits_for; /* At the gate KEY: the run that holds the key. Shown, never stored:
                             * tx_run_waits_mark. */
    struct bytes command;   /* Command line, cut short; "" where there is a label. */
    struct bytes shown;     /* Object of further members that lists show; "": none. */
    struct bytes parent_run; /* run_…; "": none, or it was removed. Not in notes. */
    struct bytes retry_of;   /* run_… that is tried again with it; "": none. Not in notes. */
    struct bytes label, host, spec, result, note; /* spec, result: JSON. note: a sentence, or "". */
    /* Project and session of the turn or the job at the top of the tree, as of the submit, and the
     * id of that run; 0: the run is the top. */
    struct bytes project, session;
    int64_t root;
    struct run_cost cost;   /* Shown, never stored: runs__cost_mark. */
    struct bytes progress;  /* JSON of a workflow that has not ended. Shown, never stored:
                             * tx_run_waits_mark. */
    struct bytes budget;    /* Where it stands in the tree of budgets: engine/budget/budget.h. */
    int64_t lane;           /* The limit that it waits for; 0: none. */
    bool charged;           /* Budgets have admitted its attempt, */
    struct amounts reserve; /* which holds this of them until it ends. */
};

/* First byte of a stored key that a request has named. The engine's own keys (of a session's turns,
 * of the processes of an agent) have none, so no request can name one of them, and hold up what it
 * does not know of. */
enum { RUN_KEY_GIVEN = '=' };
static inline bool run_key_given(struct bytes key) {
    return key.len > 0 && key.data[0] == RUN_KEY_GIVEN;
}

/* The row as clients see it: FIELD_LISTED, and FIELD_WHOLE with the spec and the result. */
extern const struct field_set run_fields;

/* --- Admission -------------------------------------------------------------------------------- */

struct run_admission {
    int64_t key_taken;  /* Runs of its key that are past the key's gate. */
    int64_t key_max;    /* 0: no key. */
    int64_t slots_free; /* 0 also while the daemon holds, or somebody waits for a slot before it. */
    int64_t not_before_ms, now_ms;
};
/* GATE_NONE: it runs. */
enum run_gate run_admit(const struct run_admission *admission);

/* --- The end of an attempt of a command ------------------------------------------------------- */

enum attempt_end {
    ATTEMPT_EXITED, /* code */
    ATTEMPT_SIGNALED,
    ATTEMPT_NOT_STARTED,    /* The command: no such program, no such folder. */
    ATTEMPT_VOID,           /* No command began: the holder did not come so far. */
    ATTEMPT_GONE,           /* The holder was killed; what the command did, nobody knows. Timed out:
                          * it was killed by us, since it did not keep the time of its command. */
    ATTEMPT_FOLDER_GONE,    /* As GONE: the folder was removed, and what lived was ended. */
    ATTEMPT_REBOOTED,       /* As GONE, since the machine was restarted. */
    ATTEMPT_HOST_GONE,      /* The attempt is of another machine or directory. */
    ATTEMPT_NO_DESCRIPTORS, /* No command began: a step of the start failed with EMFILE, ENFILE. */
};
enum attempt_why { ATTEMPT_ITSELF, ATTEMPT_STOPPED, ATTEMPT_TIMED_OUT, ATTEMPT_PROCESSES };
struct attempt {
    enum attempt_end end;
    enum attempt_why why;
    int code;
};

enum retry_on { RETRY_FAILED = 1, RETRY_TIMED_OUT = 2, RETRY_LOST = 4 };
struct retry_policy {
    int64_t max;        /* Attempts after the first; 0: none. */
    unsigned on;        /* Of enum retry_on. */
    int64_t backoff_ms; /* The first wait; it doubles, up to RETRY_BACKOFF_MAX_MS. */
};
enum {
    RETRY_BACKOFF_MS = 1000,
    RETRY_BACKOFF_MAX_MS = 5 * 60 * 1000,
    RUN_VOIDS_MAX = 5, /* Starts in a row of which nothing came. */
    /* Attempts that may end before the command began. Waits for descriptors are 5 s at most, so
     * that is more than an hour. */
    RUN_UNBEGUN_MAX = 1000,
    RUN_REBOOTS_MAX = 3, /* Attempts that restarts of the machine may cost. */
};

struct run_verdict {
    enum run_state state;   /* QUEUED: again, after wait_ms. */
    enum run_state attempt; /* What the attempt came to: final, also where it is tried again. */
    enum run_cause cause;   /* Of the attempt; of the run where the state is final. */
    int64_t wait_ms;
    int64_t voids, failures, reboots, unbegun; /* The row's new counts. */
};
/* `random` spreads waits: 0 … UINT32_MAX is up to half of the wait more. A run that was asked to
 * stop ends, whatever its policy. */
struct run_verdict run_judge(const struct run_row *row, const struct retry_policy *policy,
                             const struct attempt *attempt, uint32_t random);
/* A run that is asked to end and has not begun, or was ended by that: `cancelled` with the cause of
 * the stop; but its deadline makes it `timed_out` (not begun: `failed`), a budget and a damaged row
 * `failed`. */
struct run_verdict run_judge_stopped(const struct run_row *row);

/* --- Effects ---------------------------------------------------------------------------------- */

/* What the outside must do for a run that is in this state. The same for life and recovery. */
struct run_effects {
    bool start; /* Begin this attempt: this daemon's epoch admitted it. */
    bool adopt; /* Find out what became of this attempt: an older epoch began it. */
    bool stop;  /* Whoever holds it must end it. */
    bool wake;  /* At not_before_ms, look again: tx_run_wake. */
};
/* `held`: nothing begins; what lives is still followed. */
enum run_hold { RUN_FREE, RUN_HELD };
/* Whether the run has begun, and has not ended. */
bool run_lives(const struct run_row *row);
/* True: a call of its model waits before its next try; else `waiting` means for a person. */
MUST_CHECK bool run_waits_for_provider(const struct run_row *row);
/* Rest of that wait, for a daemon that did not see it begin: by the clock that is set by people, so
 * at most the longest wait there is. */
enum { RUN_PROVIDER_WAIT_MAX_MS = 360 * 1000 };
int64_t run_provider_wait_ms(int64_t resume_at_ms, int64_t now_ms);
/* Whether a wait for a provider is longer than any wait of an outage: the provider, or its quota,
 * named its end. Like a wait for a person, it takes nothing of an agent's time. */
bool run_provider_parks(int64_t resume_at_ms, int64_t now_ms);
/* The gate as clients see it: PROVIDER, SLOT of a start that found no descriptor, or that of the
 * row. */
enum run_gate run_gate_shown(const struct run_row *row);
/* Number of attempts whose command began, or may have. The one that runs is counted. */
int64_t run_attempts(const struct run_row *row);
/* When a run that waits, or a call that its provider refused for a time, may go on; 0: no time. */
int64_t run_resume_at_ms(const struct run_row *row);

/* The row as clients see it. A run that an earlier daemon began, and that nobody follows while this
 * one holds, does not run: it waits for the release, as does a queued one that lacks a slot. */
void run_shown(struct run_row *io_row, int64_t epoch, enum run_hold hold);

struct run_effects run_effects(const struct run_row *row, int64_t epoch, enum run_hold hold);

#endif
