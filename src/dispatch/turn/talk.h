/* talk.h: what the files of turns know of each other. Only turns.c and talk*.c include it.
 *
 * A TALK is one turn in the hands of this daemon, from the note that says that it runs:
 *
 *   PLANNING ──call──> PREPARING ──> CALLING ──> JUDGING ──> FLUSHING ──> PLANNING
 *      ^ │ │            (its prompt)  (model)    (its calls)  (deltas)
 *      │ │ └─ tools ──> WORKING ──one is done──┐
 *      └─┼──────────────────────────────────────┘
 *        └─ nothing to do (parked), ended, late ──> gone
 *
 * A turn whose call waited for its provider when the daemon ended begins in RESTING, for what is
 * left of that wait, and goes to PLANNING then, or when it is asked to end.
 *
 * A call that its provider refuses as too long goes once from FLUSHING back to PREPARING.
 *
 * PLANNING is a function of the store: it commits what came last and says what is next. While tools
 * work, each that is done has a function of its own on its way; the talk stays WORKING.
 */
#ifndef DROVER_DISPATCH_TURN_TALK_H
#define DROVER_DISPATCH_TURN_TALK_H

#include <stdatomic.h>

#include "base/id.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/table.h"
#include "dispatch/turn/partial_output.h"
#include "dispatch/turn/turns.h"
#include "engine/job/spec.h"
#include "engine/turn/turns.h"
#include "proc/protocol.h"
#include "tool/web/web.h"

enum { TALK_RETRY_FIRST_MS = 100, TALK_RETRY_MAX_MS = 5000, TALK_MISFIT_MAX = 4 << 10 };
/* Number of tries to read what a turn needs, and to store what it did: about 6 and 16 seconds. An
 * outage of the database is waited for, however long it is. */
enum { TALK_READ_TRIES_MAX = 6, TALK_WRITE_TRIES_MAX = 8 };
/* Summaries that fail in one turn: its model is not asked for another. */
enum { TALK_FOLD_FAILURES_MAX = 2 };

enum talk_state {
    TALK_PLANNING,
    TALK_PREPARING,
    TALK_CALLING,
    TALK_JUDGING,
    TALK_FLUSHING,
    TALK_WORKING,
    TALK_RESTING,
    TALK_STATES
};

struct talk_errand;
struct talk_compact;
struct talk_review;
struct rows_fresh;
/* A tool at work. */
struct talk_work {
    struct talk_work *next;
    struct talk *talk;
    struct pool_job job;
    int64_t part, step;
    char *tool, *arguments, *about, *root, *settings, *roots; /* Owned. */
    atomic_bool cancelled;
    bool away; /* In the pool, or in the store. */
    struct web_fetch *fetch;
    struct talk_review *review; /* Owned; NULL: none. */
    struct err err;
    struct tool_call call;
    struct tool_result result;
    bool wrote;               /* Files of the project. */
    struct text spec;         /* Owned: of a child that begins. */
    struct rows_fresh *fresh; /* Owned: TOOL_ROWS. */
    char *child;              /* Owned: run_… of one that has ended; "": none. */
    char *child_host;         /* Owned. */
    int64_t child_attempt, child_exit, child_ms;
    enum run_state child_state;
    enum run_cause child_cause;
};

struct talk {
    struct table_node node; /* By run. */
    struct turns *turns;
    char name[ID_SIZE];
    int64_t attempt;
    enum talk_state state;
    bool stop;  /* It was asked to end. */
    bool again; /* A note came while it was busy: ask the rows once more. */
    bool ended; /* Its row has ended: it goes when nothing of it is away. */

    struct talk_errand *errands; /* Owned: on their way to the store, or to be tried again. */
    struct turn_plan plan;       /* The one that is performed. */
    /* The daemon's settings as the turn found them: its prompts begin alike to the end. */
    char *instructions; /* Owned; "": none. */
    enum model_effort effort;

    int64_t window; /* Tokens, whatever is known of the model; 0: as it is known. */

    struct model_request *request; /* Owned; PREPARING. */
    struct talk_compact *compact;  /* Owned; PREPARING; NULL: the prompt fits. */
    unsigned fold_failures;        /* Summaries that failed in this turn. */
    unsigned folds;                /* Summaries that were made for this call. */
    bool too_long;                 /* No summary helps this call. */
    bool must_fold;                /* The last fold was begun for a prompt that can't be sent. */
    bool refused;           /* The provider refused this call as too long; it is made once more. */
    bool doubted;           /* The same, but far longer prompts were taken before. */
    int64_t refused_window; /* Tokens that it seems to take; 0: it refused nothing. */
    int64_t learned_window; /* Tokens to remember of that; 0: none. */
    struct model_result refused_result; /* Of that try. */
    struct text facts;                  /* Owned: the tail of its prompts, without what rows say. */
    struct text tail; /* Owned: all of it, made for the first prompt; a reader thread writes it. */
    struct timer timer;    /* PREPARING: the rows could not be read. RESTING: the wait. */
    unsigned read_tries;   /* PREPARING: number of tries that failed. */
    struct effect reading; /* PREPARING */
    struct pool_job job;
    bool away; /* In the pool or in the store. */
    struct err err;
    struct asking *asking; /* The models'; CALLING. */
    struct delta_source deltas;
    bool waits;        /* `deltas` has a wait for the provider, and not its end. */
    const char *maker; /* Static: kind of the provider that the call goes to; "": unknown. */
    struct said said;
    struct model_sizes sizes; /* Of what it was asked. */
    size_t heard;             /* Bytes that it has said so far. */
    uint64_t metered_ms;      /* When it was last told what that takes. */
    uint64_t alive_ms;        /* When the model gave its last sign of life. */
    struct model_result result;
    struct text misfit; /* Owned: why its answer is not what the schema asks for; "": it is. */
    bool blind;         /* The model sees no images. */
    bool interrupted;   /* The call was cancelled by us. */
    bool printed;       /* What it said has changed since it was heard: calls were in its text. */

    struct talk_work *works; /* Owned. */
};

/* A function of the store about a talk, with what it is told and what it answers. */
struct talk_errand {
    struct talk_errand *next;
    struct talk *talk;
    void (*done)(struct talk_errand *errand); /* After a success. */
    store_fn fn;
    unsigned tries;
    struct effect effect;
    struct timer timer;
    bool away;
    struct turn_plan plan;
    struct turn_key key;
    struct turn_answer answer;
    struct turn_item *items; /* Owned. */
    struct turn_card_result card;
    struct turn_child child;
    struct turn_check_start check_start;
    struct turn_check_end check_end;
    struct turn_review_begin review_begin;
    struct turn_review_begun review_begun;
    struct turn_review_end review_end;
    struct turn_compacted compacted;
    struct turn_failure failure; /* Of a turn that is ended, since this was refused for good. */
    struct why sentence;         /* That of `failure`; or why a review is refused. */
    struct talk_work *work;      /* Borrowed: it waits for us. */
};

struct turns {
    struct turns_options options;
    struct table talks;
    struct pool pool;
    struct deltas *deltas; /* Owned. */
    size_t busy;           /* Answers of the store that are awaited. */
    struct loop_task stop_task;
    bool stopping, told;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct turns_stats stats;
    bool window_told; /* That a model's window is not known: once is enough. */
};

/* turns.c */
void turns__failed(struct turns *turns, const char *what, struct bytes run, struct err err);
void turns__maybe_stopped(struct turns *turns);
/* Writes until the store takes it, then `done`; never when the daemon stops. */
/* An id for a row that a store function will make. */
struct id talk__new_id(const struct talk *talk, const char *prefix);
struct talk_errand *talk__errand(struct talk *talk, store_fn fn,
                                 void (*done)(struct talk_errand *errand));
void talk__send(struct talk_errand *errand);
/* Ends the turn, cause history_unreadable: `what` was tried as often as it may be, and failed. */
void talk__fail(struct talk *talk, const char *what, struct err err);
uint64_t talk__retry_ms(unsigned tries);       /* Wait after that many failed tries before it. */
void errand__free(struct talk_errand *errand); /* It is not away. */
struct bytes talk__run(const struct talk *talk);

/* talk.c */
struct talk *talk__new(struct turns *turns, const struct run_row *row);
void talk__enter(struct talk *talk, enum talk_state state);
void talk__begin(struct talk *talk);
/* Begins the turn after the rest of the wait for its provider that its row has. */
void talk__resume(struct talk *talk, const struct run_row *row);
/* Not of a talk that is over: its turn has an end to store yet. */
void talk__stop(struct talk *talk);
void talk__free(struct talk *talk);
/* Both may free the talk: the caller does not touch it afterwards. The first frees a talk that is
 * over, and does nothing else. */
void talk__maybe_free(struct talk *talk);
/* Cancels what is out of a talk that is over, and frees the talk when nothing of it is away. */
void talk__drop(struct talk *talk);
/* Performs what a transaction planned; takes the plan's arena over. */
void talk__perform(struct talk *talk, struct turn_plan *plan);

/* prompt.c */
void talk__prepare(struct talk *talk);
/* context.c: in the pool; then on a reader thread, when all messages are there. */
void talk__tail_begin(struct talk *talk);
MUST_CHECK struct err talk__tail_end(struct tx *tx, struct talk *talk,
                                     struct model_request *request);
/* window.c: calls, or makes the prompt shorter first. */
void talk__fit(struct talk *talk);
int64_t talk__window(const struct talk *talk); /* 0: nobody knows the model. */
/* Whether the call that is over should be made once more with a shorter prompt. */
MUST_CHECK bool talk__is_refused_once(const struct talk *talk);
/* Whether it is asked once more as it is, because longer prompts were taken. */
MUST_CHECK bool talk__doubts_refusal(const struct talk *talk);
void talk__ask_again(struct talk *talk);
/* Keeps the length of a prompt that was taken, or refused twice; *ret_learned: window to store. */
void talk__note_length(struct talk *talk, struct learned_window *ret_learned);
void talk__fold_refused(struct talk *talk);  /* Nothing of that call is with the store. */
bool talk__is_over(const struct talk *talk); /* The turn has ended, or the daemon stops. */
/* false: nobody knows the model. */
MUST_CHECK bool fit__find_marks(const struct talk *talk, struct fold_marks *ret_marks);
void fit__go_without(struct talk *talk); /* No fold helps: the call is made, or fails. */
/* compaction.c */
void talk__compact(struct talk *talk); /* That is all that the turn is for. */
void compact__begin(struct talk *talk, const struct fold_marks *marks);
MUST_CHECK bool compact__is_out(const struct talk_compact *compact);
void compact__cancel(struct talk *talk);
void compact__free(struct talk_compact *compact); /* NULL is allowed. */
/* model_call.c */
void talk__call(struct talk *talk);
/* The call ends with this failure; its prompt is not sent. */
void talk__refuse(struct talk *talk, const struct model_result *result);
void talk__cancel_call(struct talk *talk);
/* Stores and sends that a call of this turn, its own or of a summary, waits before its next try, or
 * that this wait has ended, if there is one. */
void talk__report_wait(struct talk *talk, const struct model_failure *failure, uint64_t wait_ms);
void talk__report_resumed(struct talk *talk);
void talk__flush(struct talk *talk); /* What it said becomes durable, and then its end. */
/* judge.c: in the pool. */
void talk__judge(struct talk *talk);
/* schema.c: an answer that must fit one: in the pool. */
void talk__check_answer(struct talk *talk);
/* printed_calls.c: an answer that should be judged though it makes no call; in the pool, its calls;
 * on the loop, what is left of its text. */
MUST_CHECK bool talk__may_have_printed(const struct talk *talk);
void talk__read_printed(struct talk *talk, tool_set tools);
void talk__say_again(struct talk *talk);
/* tools.c */
void talk__work(struct talk *talk, const struct turn_plan *plan);
void talk__cancel_works(struct talk *talk);
void work__free(struct talk_work *work);
void work__settle(struct talk_work *work);
/* The `done` of the errand with which a work ends. */
void work__stored(struct talk_errand *errand);
/* Its result is these words, and it failed. */
void work__fail(struct talk_work *work, enum card_cause cause, const char *words);
/* child.c */
void child__begin(struct talk_work *work);
void child__fetch(struct talk_work *work);
enum child_length { CHILD_SHORT, CHILD_LONG };
struct child_order {
    const char *command; /* NULL: the first of the words. */
    const json_t *words; /* An array of texts, or NULL. */
    int64_t timeout_ms;  /* 0: none. */
    enum child_length length;
};
MUST_CHECK struct err child__write_spec(const struct talk_work *work,
                                        const struct child_order *order, struct text *spec);
/* A job with the work's spec. */
struct run_new child__new_run(const struct talk_work *work, const char *label);
struct child_output {
    char *bytes; /* Owned. */
    struct log_read read;
};
/* At most `size` bytes from the end. */
struct child_output child__read_end(const struct talk_work *work, enum log_stream stream,
                                    size_t size);
/* review.c */
void review__begin(struct talk_work *work);
MUST_CHECK bool review__is_out(const struct talk_review *review);
void review__cancel(struct talk_review *review); /* NULL is allowed, as in the next one. */
void review__free(struct talk_review *review);
/* row_tools.c: a store function performs the call, and ends its card. */
void rows__begin(struct talk_work *work);
void rows__free(struct talk_work *work); /* What rows__begin made; not begun is allowed. */
/* check.c */
void check__begin(struct talk_work *work);

#endif
