/* turns.h: the transactions of turns: what a session's agent says and does, a step at a time.
 *
 *   message ──tx_turn_submit──> a run of kind `turn`, one at a time in a session
 *   running ──tx_turn_begin──> plan ──(the dispatcher performs it)──> tx_turn_answer,
 *             tx_turn_card_end ──> plan ──> … ──> END, in the commit that knew it
 *
 * Promise    each function is the whole of one change: rows of the session, the message, the spans,
 *            the run, its events, what its end owes to others, and whoever goes next. Each is
 *            fenced by the run's attempt and state; what comes too late changes nothing and says so
 *            (`late`). What a turn does next is decided from rows alone (rules/turn/turn.h), in the
 *            commit of what happened last: a daemon that comes back asks tx_turn_begin, and goes
 *            on.
 * Once       a card's row says `running` before its tool begins. After a crash a `repeatable` tool
 *            runs again; of the others the model is told outcome_unknown.
 * Threads    inside a store function. Failure: as store.h; refusals are told in words.
 */
#ifndef DROVER_ENGINE_TURN_TURNS_H
#define DROVER_ENGINE_TURN_TURNS_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "base/memory.h"
#include "engine/inbox/inbox.h"
#include "engine/memory/memory.h"
#include "engine/provider/learned_windows.h"
#include "engine/run/runs.h"
#include "engine/session/messages.h"
#include "engine/session/sessions.h"
#include "rules/budget/budget.h"
#include "rules/trace/usage.h"
#include "rules/turn/card.h"
#include "rules/turn/compaction.h"
#include "rules/turn/turn.h"
#include "store/store.h"

enum {
    TURN_TEXT_MAX = 1 << 20,      /* Bytes of a message. */
    TURN_ARGUMENTS_MAX = 1 << 20, /* Of a tool call. */
    TURN_RESULT_MAX = 256 << 10,  /* Of a tool's result, as the model sees it. */
    TURN_QUEUE_MAX = 100,         /* Messages that wait in one session. */
    TURN_ITEMS_MAX = 1024,        /* Of one answer of a model. */
};

/* --- A message comes -------------------------------------------------------------------------- */

enum { TURN_IMAGES_MAX = 16 };       /* Of one message. */
enum { TURN_SCHEMA_MAX = 64 << 10 }; /* Bytes. */

struct turn_message {
    struct session_key session;
    struct bytes client; /* The client's own id of it; "": none. */
    struct bytes text;   /* Not empty. */
    struct bytes told;   /* Metadata of the message itself; the engine fills it. */
    struct bytes kept;   /* Metadata of the answer: a JSON object; no data: none. */
    struct bytes attachments[TURN_IMAGES_MAX]; /* att_…, of the owner. */
    size_t attachment_count;
    struct bytes schema;        /* Of the answer: a JSON Schema that compiles; no data: words. */
    struct bytes model;         /* "": as the session has it, else `model_default`. */
    struct bytes model_default; /* "": there is none. */
    enum turn_policy policy;
    struct bytes notify; /* ses_… that is told of the turn's end; no data: nobody. */
    /* run_…: the turn ends with it, and is charged where it is; no data: none. */
    struct bytes parent;
    int64_t calls_max;              /* Of the model; 0: as many as a turn may make. */
    int64_t not_before_ms;          /* As run_new has it. */
    struct id run, message, answer; /* Used if they are needed. */
    struct run_bounds bounds;
};
struct turn_accepted {
    struct run_row run;   /* The turn that will answer it. */
    struct bytes message; /* msg_… */
    enum turn_decision decision;
    bool repeated;       /* The client's id was known: this is what was decided then. */
    struct bytes undone; /* UNDO: JSON array of what the undone turn's tools did. */
};
/* ERR_NOT_FOUND: no such session. ERR_TURN_IN_PROGRESS: `reject` while one runs, whose id is in
 * `why` and in ret_accepted->run; ERR_MESSAGE_EXISTS: that client id with other content.
 * ERR_TOO_MANY: the queue is full; ERR_BAD_FIELD: there is no such attachment. */
MUST_CHECK struct err tx_turn_submit(struct tx *tx, const struct turn_message *message,
                                     struct turn_accepted *ret_accepted, struct why *why);

/* --- An answer is asked for again (history.c) ------------------------------------------------- */

struct turn_again {
    struct message_key key;     /* The answer. */
    struct bytes model_default; /* "": there is none. */
    struct id run, answer;
    struct run_bounds bounds;
};
/* The last answer of a session becomes one variant of it, and a new one is begun, which is in
 * prompts from then on. ERR_MESSAGE_NOT_FOUND; ERR_TURN_IN_PROGRESS, with the run in `why`;
 * ERR_CONFLICT: it is not the last answer to a user's message; ERR_MODEL_UNKNOWN. */
MUST_CHECK struct err tx_turn_again(struct tx *tx, const struct turn_again *again,
                                    struct run_row *ret_run, struct why *why);

/* An answer that is there becomes the one that is in prompts; a summary of the other is void.
 * ERR_MESSAGE_NOT_FOUND; ERR_TURN_IN_PROGRESS, with the run in `why`; ERR_CONFLICT: it is no answer
 * that has ended. */
MUST_CHECK struct err tx_turn_choose(struct tx *tx, const struct message_key *key,
                                     struct message_row *ret_row, struct why *why);

/* --- History is cut (history.c) -------------------------------------------------------------- */

/* All messages go in one commit, and the turns of the session are asked to end: whatever is still
 * brought to them is stored nowhere. */
struct turn_clear {
    struct session_key session;
    struct run_bounds bounds;
    bool emptied; /* By an earlier link of the chain. */
};
struct turn_cleared {
    int64_t session; /* id */
    bool more;       /* Call again, with `emptied`: a turn has more below it than a commit asks. */
};
/* ERR_NOT_FOUND. */
MUST_CHECK struct err tx_turn_clear(struct tx *tx, const struct turn_clear *what,
                                    struct turn_cleared *ret_cleared);

/* A user's message is said once more: all behind it goes, and stays in a fork. A chain, as that of
 * the fork; the session is as it was until the last commit of it. */
struct turn_resend {
    struct message_key key;
    struct bytes text;          /* data NULL: as it was. */
    struct bytes model_default; /* "": there is none. */
    struct id run, answer;
    struct run_bounds bounds;
    struct session_fork fork; /* `session` and `seed` are given, the rest begins with 0. */
};
struct turn_resent {
    int64_t session;          /* id */
    struct session_fork fork; /* What the next link begins with. */
    bool more;
    struct run_row run;
    bool forked; /* There was something behind it. */
};
/* ERR_MESSAGE_NOT_FOUND; ERR_NOT_A_USER_MESSAGE; ERR_TURN_IN_PROGRESS, with the run in `why`;
 * ERR_CONFLICT: it joined an answer, or was taken back; ERR_MODEL_UNKNOWN. After an error of a
 * later link: tx_session_fork_abandon. */
MUST_CHECK struct err tx_turn_resend(struct tx *tx, const struct turn_resend *what,
                                     struct turn_resent *ret_resent, struct why *why);

/* Such a message's answers are told no more, by nobody. */
MUST_CHECK struct err tx_message_gone(struct tx *tx, struct bytes message, bool *ret_gone);
/* A page of what removed messages of the session said goes from the disk. *ret_more: call again. */
enum { MESSAGE_PURGE_PAGE = 200 };
MUST_CHECK struct err tx_message_purge(struct tx *tx, int64_t session, bool *ret_more);

/* --- A notice comes --------------------------------------------------------------------------- */

/* What a session is owed becomes a turn of it, where it has none. */
struct turn_followup {
    struct session_key session;
    struct bytes model_default;
    struct id run, message, answer; /* Used if they are needed. */
    struct run_bounds bounds;
};
enum turn_followed {
    FOLLOW_UP_BEGUN,
    FOLLOW_UP_BUSY, /* A turn goes on; its end offers what is left. */
    FOLLOW_UP_IDLE, /* Nothing is due; or the session is no more, and all was settled as gone. */
    FOLLOW_UP_MORE, /* It is no more, and more is to be settled: call again. */
};
MUST_CHECK struct err tx_turn_follow_up(struct tx *tx, const struct turn_followup *followup,
                                        enum turn_followed *ret_followed);

/* --- What next -------------------------------------------------------------------------------- */

/* A tool that begins now, or whose child run has ended. */
struct turn_card {
    int64_t part;                 /* Of the message: what tx_turn_card_end is told. */
    int64_t step;                 /* Its span. */
    struct bytes tool, arguments; /* arguments: a JSON object. */
    struct bytes about;           /* As it was found out before it was asked for. */
    bool review;                  /* A model looks at it; it does not begin. */
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
    struct bytes project;
    struct bytes root;         /* The folder that its tools work in; "": none. */
    struct bytes roots;        /* Beside it: as tx_roots_write_json. */
    struct bytes instructions; /* "": none. */
    struct bytes settings;     /* JSON object, or "". */
    struct bytes schema;       /* Of the answer; "": it is words. */
    struct bytes reviewer;     /* Of what is reviewed: "provider/model". */
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
    struct usage usage;    /* Of calls of models that were made, and are not stored yet, */
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

/* --- What came of a call ---------------------------------------------------------------------- */

/* What the dispatcher found out about a call, in the pool, before it is stored. */
enum turn_verdict { TURN_ALLOW, TURN_REVIEW, TURN_ASK, TURN_REFUSE };
/* What somebody is asked: whether it may, or something that only a person knows. */
enum turn_asks { TURN_ASKS_LEAVE, TURN_ASKS_ANSWER };
struct turn_call {
    struct bytes id, name;
    struct bytes arguments; /* A JSON object: canonical, or as it came where it was refused. */
    struct bytes malformed; /* Arguments as they came that are no JSON object; "": they are one. */
    struct bytes digest;    /* Of the exact arguments, hexadecimal; "" where it was refused. */
    struct bytes about;     /* JSON object for an approval: subjects, diff, before; or "". */
    struct bytes refusal;   /* REFUSE: a sentence for the model. */
    enum turn_verdict verdict;
    enum card_cause cause; /* REFUSE: failed, or denied by a rule; never CARD_DONE. */
    enum turn_asks asks;   /* ASK */
    bool repeatable;       /* The call may be repeated after a crash. */
};

enum turn_item_kind { TURN_ITEM_TEXT, TURN_ITEM_THINKING, TURN_ITEM_CALL };
struct turn_item {
    enum turn_item_kind kind;
    struct bytes text;      /* TEXT, THINKING. */
    struct bytes signature; /* THINKING: opaque. */
    struct bytes maker;     /* THINKING: which kind of provider made it. */
    struct turn_call call;  /* CALL. */
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
    struct bytes misfit; /* It makes no call and does not fit the schema: how. "": it does. */
    bool truncated; /* The answer was cut off at its longest length, in its words or in a call; */
    int64_t output_more;           /* and tokens that the next one may have. */
    bool stopped;                  /* The daemon cancelled the call: the text so far is kept. */
    struct learned_window learned; /* Window to remember of its model; window 0: none. */
};
MUST_CHECK struct err tx_turn_answer(struct tx *tx, const struct turn_answer *answer,
                                     struct turn_plan *plan);

/* --- While it speaks -------------------------------------------------------------------------- */

/* What a call that is out has used so far, as far as anybody can tell: an event `usage`. Nothing,
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

/* --- What came of a tool ---------------------------------------------------------------------- */

struct turn_card_result {
    struct turn_key key;
    int64_t part;
    enum card_cause cause;
    struct bytes result; /* What the model sees: text or JSON, at most TURN_RESULT_MAX. */
    bool wrote;          /* Files of the project are not what they were. */
    int64_t child;       /* run_row.id of what it began, which goes on; 0: nothing. */
};
MUST_CHECK struct err tx_turn_card_end(struct tx *tx, const struct turn_card_result *result,
                                       struct turn_plan *plan);

/* The call is a run of its own. One that is waited for ends with its turn; a long one goes on, its
 * card is `pending`, and its session is told when it has ended. */
struct turn_child {
    struct turn_key key;
    int64_t part;
    struct run_new run; /* owner and parent are filled in here. */
    bool is_long;
};
MUST_CHECK struct err tx_turn_child(struct tx *tx, const struct turn_child *child,
                                    struct turn_plan *plan);

/* --- Reviews (review.c) ------------------------------------------------------------------ */

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
/* What the user said last: what a call is measured by. Into `text`, as much as fits. */
MUST_CHECK struct err tx_turn_request(struct tx *tx, const struct turn_key *key, struct text *text);

/* --- Checks (child.c) -------------------------------------------------------------------- */

/* TURN_NEXT_CHECK: cards[0] is none of the message's. Its `step` is the check, 0 when it is to
 * begin; else its child is the run that ended, and its tool what was run. */
enum { TURN_CHECK_PART = 0 };

/* What was written is checked by a run of its own, or by nothing. */
struct turn_check_start {
    struct turn_key key;
    bool none;          /* There is nothing that checks this project. */
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

/* --- The prompt ------------------------------------------------------------------------------- */

enum prompt_role { PROMPT_USER, PROMPT_ASSISTANT, PROMPT_TOOL };
enum prompt_kind { PROMPT_TEXT, PROMPT_THINKING, PROMPT_CALL, PROMPT_RESULT, PROMPT_IMAGE };
struct prompt_part {
    enum prompt_role role;
    enum prompt_kind kind;
    int64_t message, step; /* message: id; 0: a summary of what is not shown. */
    int64_t answered;      /* Answers to this message that the summary before it stands for. */
    bool opens;            /* The first part of its message. */
    bool asks;             /* Of the running turn's question. */
    bool failed;           /* RESULT. */
    bool open;             /* RESULT: there is none yet, the call has not ended. */
    /* As turn_item; RESULT: id of the call. IMAGE: name is its media type, text the SHA-256. */
    struct bytes text, id, name, signature, maker;
};
/* What a model is shown of the session, oldest first, up to and with the running turn. `each` only
 * copies. */
MUST_CHECK struct err tx_prompt_each(struct tx *tx, const struct turn_key *key,
                                     struct err (*each)(void *ctx, const struct prompt_part *part),
                                     void *ctx);

/* --- Compaction (compaction.c)
 * ----------------------------------------------------------------- */

/* Position in a conversation, up to where a summary stands for it. `step` 0: the whole message. */
struct prompt_place {
    int64_t message, step;
    int64_t question; /* id of the running turn's question before it, which stays; 0: none. */
};

/* A round: the content of the next transcript. A history that is longer than what a model reads at
 * once takes several rounds; each begins with the summary of those before it. */
struct prompt_fold {
    struct fold_marks marks;
    size_t prompt_bytes; /* Of the whole prompt; 0: it is not known, and everything is folded. */
    size_t most_bytes;   /* Of the transcript. */
    struct prompt_place from; /* Where the round before it ended; all 0: at the beginning. */
    struct bytes summary;     /* Of what stands before `from`. */
};
struct prompt_folded {
    struct prompt_place place; /* message 0: there is nothing to fold. */
    struct fold_sizes sizes;
    size_t summary_max; /* Longest summary that is worth storing. */
    size_t bytes;       /* Of all that the summary stands for, in all rounds. */
    bool more;          /* Another round is needed. */
};
/* `transcript` becomes one JSON array of what is to be summarised, pieces cut at FOLD_PIECE_MAX. It
 * is longer than most_bytes only by the frames of its pieces. */
enum { FOLD_PIECE_MAX = 4000 };
MUST_CHECK struct err tx_prompt_fold(struct tx *tx, const struct turn_key *key,
                                     const struct prompt_fold *fold, struct text *transcript,
                                     struct prompt_folded *ret_folded);

enum { TURN_SUMMARY_MAX = 64 << 10 };
enum turn_fold_method { TURN_FOLD_SUMMARY, TURN_FOLD_EXCERPT };
struct turn_compacted {
    struct turn_key key;
    int64_t step; /* Of the call that waits for it. */
    struct prompt_folded folded;
    enum turn_fold_method method;
    struct bytes summary;
    struct id note;       /* Of the message that reports the fold; used if there is one. */
    int64_t calls, tries; /* Of models, in all rounds. */
    struct usage usage;   /* Of all of them. */
    struct usage_cost cost;
    struct learned_window learned; /* window 0: none. */
    /* CAUSE_NONE: it succeeded; without a message, there was nothing to do. A failure stores what
     * was used, and ends a turn that only does this. */
    enum run_cause failure;
    struct bytes sentence;
};
/* The summary stands for those messages from this commit on. plan->late: the turn has moved on. A
 * turn that only does this is told what is next, or ends. */
MUST_CHECK struct err tx_turn_compacted(struct tx *tx, const struct turn_compacted *compacted,
                                        struct turn_plan *plan);

/* On demand: a turn of its own, behind nothing. */
struct turn_compact {
    struct session_key session;
    struct bytes model_default; /* "": there is none. */
    struct id run, message;     /* Used if they are needed; the message tells what came of it. */
    struct run_bounds bounds;
};
/* *ret_run: the one that begins, or that does it already. ERR_NOT_FOUND; ERR_TURN_IN_PROGRESS, with
 * the run in `why`; ERR_MODEL_UNKNOWN. */
MUST_CHECK struct err tx_turn_compact(struct tx *tx, const struct turn_compact *what,
                                      struct run_row *ret_run, struct why *why);

/* --- Memory ----------------------------------------------------------------------------------- */

/* What the session's owner keeps in memory that has words of the turn's question; the best first,
 * at most `limit`. */
MUST_CHECK struct err tx_prompt_recall(struct tx *tx, struct bytes run, int64_t limit,
                                       memory_each each, void *ctx);

#endif
