/* answers.h: results for a turn: of its model, of its tools, of reviews. See turns.h.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_ANSWERS_H
#define DROVER_ENGINE_TURN_ANSWERS_H

#include "engine/provider/learned.h"
#include "engine/turn/plan.h"
#include "rules/approval/question.h"

/* A call, with the findings of the dispatcher about it, in the pool, before it is stored. */
enum turn_verdict { TURN_ALLOW, TURN_REVIEW, TURN_ASK, TURN_REFUSE };
struct turn_call {
    struct bytes id, name;
    struct bytes arguments; /* A JSON object: canonical, or as it came where it was refused. */
    struct bytes malformed; /* Arguments as they came that are no JSON object; "": they are one. */
    struct bytes
        digest; /* Digest of the exact arguments, in hexadecimal; "" where it was refused. */
    struct bytes about;   /* JSON object for an approval: subjects, diff, before; or "". */
    struct bytes refusal; /* REFUSE: a sentence for the model. */
    struct bytes extra;   /* JSON object for the next prompts: {"provider", "content"}; "": none. */
    struct bytes question; /* QUESTION: the program's id of it. */
    enum turn_verdict verdict;
    enum card_cause cause;   /* REFUSE: failed, or denied by a rule; never CARD_DONE. */
    enum approval_kind asks; /* ASK: leave for the call, or an answer. */
    bool repeatable;         /* The call may be repeated after a crash. */
};

/* SEARCH: a search of the web that the provider has made: a card that has ended. */
/* TOOL, TOOL_END, QUESTION: of a program, about a tool of its own that it uses: `call` has its id,
 * name and arguments; of TOOL_END, cause and result as `refusal`; the card of a QUESTION waits for
 * leave. READ: the program has read the message of that name
 * (`call.id`), or, without a name, the next one. */
enum turn_item_kind {
    TURN_ITEM_TEXT,
    TURN_ITEM_THINKING,
    TURN_ITEM_CALL,
    TURN_ITEM_SEARCH,
    TURN_ITEM_TOOL,
    TURN_ITEM_TOOL_END,
    TURN_ITEM_QUESTION,
    TURN_ITEM_READ,
};
struct turn_item {
    enum turn_item_kind kind;
    struct bytes text;       /* TEXT, THINKING. */
    struct bytes signature;  /* THINKING: opaque. */
    struct bytes maker;      /* THINKING: which kind of provider made it; */
    struct bytes connection; /* the one that wants it back in later turns; "": none does. */
    struct turn_call call;   /* CALL; SEARCH: id, arguments, cause, and the result as `refusal`. */
};

struct turn_answer {
    struct turn_key key;
    int64_t step;
    const struct turn_item *items;
    size_t item_count;
    struct usage usage;
    struct usage_cost cost;
    int64_t tries;
    enum run_cause failure;           /* CAUSE_NONE: it succeeded. */
    struct bytes sentence;            /* About the failure, */
    int64_t resume_at_ms;             /* and when asking may help; 0: nobody knows. */
    int64_t window;                   /* Tokens that the model takes. */
    int64_t prompt[USAGE_PART_COUNT]; /* Bytes of what it was asked. */
    struct bytes misfit; /* How an answer without calls does not fit the schema. "": it does. */
    /* Note of a turn that succeeds with this answer: refused parameters, and what was repaired. */
    struct bytes note;
    bool paused;    /* The provider has more to say, and wants to be asked again. */
    bool truncated; /* The answer was cut off at its longest length, in its words or in a call; */
    int64_t output_more;          /* and tokens that the next one may have. */
    bool stopped;                 /* The daemon cancelled the call: the text so far is kept. */
    struct learned_limit learned; /* Window to remember of its model; window 0: none. */
    const struct program_mark *program; /* NULL: a model answered. */
};
MUST_CHECK struct err tx_turn_answer(struct tx *tx, const struct turn_answer *answer,
                                     struct turn_plan *plan);

/* --- While it speaks -------------------------------------------------------------------------- */

/* Usage of the call that is out so far, as far as anybody can tell: an event `usage`. Nothing,
 * if it is out no more. */
struct turn_meter {
    struct bytes run;
    int64_t step;
    struct usage usage;
    struct usage_cost cost;
    int64_t window; /* Tokens that the model takes. */
};
MUST_CHECK struct err tx_turn_meter(struct tx *tx, const struct turn_meter *meter);

/* The call that is out waits before its next try, or is made again: the run's state, its gate and
 * an event, `turn_waiting` or `turn_resumed`. Nothing, if it is out no more. */
MUST_CHECK struct err tx_turn_provider(struct tx *tx, struct bytes run, int64_t step,
                                       const struct provider_wait *wait);

/* --- Results of tools ------------------------------------------------------------------------- */

struct turn_card_result {
    struct turn_key key;
    int64_t part;
    enum card_cause cause;
    struct bytes result; /* Text or JSON for the model, at most TURN_RESULT_MAX. */
    bool wrote;          /* Files of the project are not what they were. */
    int64_t child;       /* run_row.id of what it began, which goes on; 0: nothing. */
};
MUST_CHECK struct err tx_turn_card_end(struct tx *tx, const struct turn_card_result *result,
                                       struct turn_plan *plan);

/* The call is a run of its own. One that is waited for ends with its turn; a long one goes on, its
 * card is `pending`, and its session is notified when it has ended. */
/* Key of the runs that are commands of workflows' agents: they share one limit, and wait at the
 * gate `key`. */
#define AGENT_COMMANDS_KEY "drover/agent-commands"
struct turn_child {
    struct turn_key key;
    int64_t part;
    struct run_new run;     /* owner and parent are filled in here; of an agent, own_key, too. */
    int64_t agent_commands; /* Commands of agents of workflows at once, all together. */
    bool is_long;
};
MUST_CHECK struct err tx_turn_child(struct tx *tx, const struct turn_child *child,
                                    struct turn_plan *plan);

/* --- Reviews ---------------------------------------------------------------------------------- */

/* Before the reviewing model is asked: budgets hold back what such a call takes. */
struct turn_review_begin {
    struct turn_key key;
    int64_t part;
    struct bytes model; /* "provider/model": the one that is asked. */
};
struct turn_review_begun {
    bool late; /* Nobody wants the review any more; else: */
    enum budget_verdict verdict;
    struct amounts granted; /* ADMITTED: for turn_review_end. */
    struct bytes why;       /* SPENT: a sentence, in the arena. */
};
/* WAITS: the turn is woken when there may be room, and its plan names the review again. */
MUST_CHECK struct err tx_turn_review_begin(struct tx *tx, const struct turn_review_begin *begin,
                                           struct turn_review_begun *ret_begun);

struct turn_review_end {
    struct turn_key key;
    int64_t part;
    struct bytes model;     /* As it began. */
    struct amounts granted; /* Is given back. */
    enum turn_review review;
    struct bytes reason; /* "" */
    struct usage usage;
    struct usage_cost cost;
    int64_t tries;
    enum run_cause failure; /* CAUSE_NONE: it was answered. */
    bool asked;             /* A model was called: it is in the usage. */
};
MUST_CHECK struct err tx_turn_review_end(struct tx *tx, const struct turn_review_end *end,
                                         struct turn_plan *plan);
/* The user's last request, by which a call is measured. Into `text`, as much as fits. */
MUST_CHECK struct err tx_turn_request(struct tx *tx, const struct turn_key *key, struct text *text);

#endif
