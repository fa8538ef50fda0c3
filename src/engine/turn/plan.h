/* plan.h: the next step of a turn, its begin, and its end where it cannot go on. See turns.h.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_PLAN_H
#define DROVER_ENGINE_TURN_PLAN_H

#include "engine/run/runs.h"
#include "rules/budget/budget.h"
#include "rules/provider/outage.h"
#include "rules/trace/usage.h"
#include "rules/turn/card.h"
#include "rules/turn/turn.h"

enum {
    TURN_ARGUMENTS_MAX = 1 << 20, /* A tool call. */
    TURN_RESULT_MAX = 256 << 10,  /* A tool's result, as the model sees it. */
    TURN_ITEMS_MAX = 1024,        /* Per answer of a model. */
    /* Parts of such an answer: long texts in pieces, messages that join and notes are beside. */
    TURN_PARTS_MAX = TURN_ITEMS_MAX + 64,
};

/* A tool that begins now, or whose child run has ended. */
struct turn_card {
    int64_t part;                 /* Number in the message, for tx_turn_card_end. */
    int64_t step;                 /* Step of the span. */
    struct bytes tool, arguments; /* arguments: a JSON object. */
    struct bytes about;           /* As it was found out before it was asked for. */
    struct bytes question;        /* The program's id of its question. */
    bool review;                  /* A model looks at it; it does not begin. */
    bool denied;                  /* A program's question was answered with no, */
    struct bytes reason;          /* for this reason. */
    struct bytes child;           /* run_… of the child that has ended; "": it begins. */
    struct bytes child_host;      /* Host of the child (home.h). */
    int64_t child_attempt, child_exit, child_ms;
    enum run_state child_state;
    enum run_cause child_cause;
};

/* Lives in the caller's memory: texts are in `arena`, which each function resets first. */
struct turn_plan {
    struct arena arena;
    bool late;
    enum turn_next next;
    struct bytes session, owner, stream, message; /* ses_…; msg_… of the answer. */
    struct bytes model;                           /* "provider/model" */
    enum outage_patience patience;                /* With its provider. */
    struct bytes project;
    struct bytes path;         /* PATH of its commands; "": that of the daemon. */
    struct bytes config_dir;   /* CLAUDE_CONFIG_DIR of its workflows; "": that of the daemon. */
    struct bytes root;         /* The folder that its tools work in; "": none. */
    struct bytes ports;        /* Block of its working tree: "20010-20019"; "": none. */
    struct bytes roots;        /* Beside it: as tx_roots_write_json. */
    struct bytes instructions; /* "": none. */
    struct bytes settings;     /* JSON object, or "". */
    struct bytes rules;        /* Settings of its project, as they are now; "": none. */
    struct bytes schema;       /* JSON Schema of the answer; "": it is words. */
    struct bytes program;      /* Definition of the agent that is a program; "": a model. */
    struct bytes process;      /* run_…: that of the program; "": it has not begun. */
    int64_t process_attempt;   /* 0: it has not begun. */
    int64_t read_to;           /* As of struct turn_program, */
    struct bytes reader;       /* and this. */
    int64_t tries;             /* Attempts in a row that ended with */
    struct bytes outcome;      /* this; "": none. */
    int64_t attempts;          /* Processes of this turn that were begun. */
    struct bytes reviewer;     /* Model for the reviews: "provider/model". */
    int64_t step;              /* NEXT_CALL: the span of the call. */
    bool last;                 /* NEXT_CALL: without tools. */
    int64_t output_max;        /* NEXT_CALL: tokens of the answer; 0: as the model has it. */
    struct turn_card cards[TURN_TOOLS_AT_ONCE];
    size_t card_count;
};
void turn_plan_init(struct turn_plan *plan);
void turn_plan_done(struct turn_plan *plan);

struct turn_key {
    struct bytes run;
    int64_t attempt;
    struct run_bounds bounds;
};

/* The first step of an attempt, and what a new daemon asks: settles what a crash left open. */
MUST_CHECK struct err tx_turn_begin(struct tx *tx, const struct turn_key *key,
                                    struct turn_plan *plan);

/* A turn that cannot go on, because what it must read or write is refused for good: it ends as
 * failed, cause history_unreadable, and a summary that its session has is void, since that may be
 * what cannot be read. The next message finds a session that is idle. */
struct turn_failure {
    struct turn_key key;
    struct bytes sentence; /* For the user: what could not be read, and why. */
    enum run_cause cause;  /* NONE: history_unreadable. */
    struct usage usage;    /* Calls of models that were made, and are not stored yet, */
    struct usage_cost cost;
    int64_t tries;          /* and number of requests. */
    struct amounts granted; /* To a review among them: is given back. */
};
MUST_CHECK struct err tx_turn_fail(struct tx *tx, const struct turn_failure *failure,
                                   struct turn_plan *plan);
/* The same where that is refused for good, too: the run ends alone, and what belongs to it is
 * closed without a look at what it says. */
MUST_CHECK struct err tx_turn_give_up(struct tx *tx, const struct turn_failure *failure,
                                      struct turn_plan *plan);

/* --- Checks (child.c) -------------------------------------------------------------------- */

/* TURN_NEXT_CHECK: cards[0] is none of the message's. Its `step` is the check, 0 when it is to
 * begin; else its child is the run that ended, and its tool what was run. */
enum { TURN_CHECK_PART = 0 };

/* Written files are checked by a run of their own, or by nothing. */
struct turn_check_start {
    struct turn_key key;
    bool none;          /* There is nothing that checks this project. */
    struct bytes hint;  /* Notice for a session, once: why there is not; "": none. */
    struct run_new run; /* owner and parent are filled in here. */
};
MUST_CHECK struct err tx_turn_check_start(struct tx *tx, const struct turn_check_start *start,
                                          struct turn_plan *plan);
struct turn_check_end {
    struct turn_key key;
    int64_t check;     /* As it was planned. */
    struct bytes note; /* For the model: it failed; "": it did not, or nobody knows. */
};
MUST_CHECK struct err tx_turn_check_end(struct tx *tx, const struct turn_check_end *end,
                                        struct turn_plan *plan);

#endif
