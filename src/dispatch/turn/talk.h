/* talk.h: one turn in the hands of this daemon. For the files of this folder, and for the tool that
 * dispatch/workflow performs.
 *
 * Its states: turn_tick in turns.c; which may follow which, and what holds in them: talk.c.
 *
 * A file of this folder calls those below it, and turns.c by what that handed down (turn_steps).
 * Its model, its program and its tools:
 *
 *   turns.c                               notes; the life of a talk, and its plans
 *                  program_parked.c
 *                  program_call.c
 *   prompt.c       program_begin.c        tools.c
 *   compaction.c   program.c              row_tools.c
 *   model_call.c   program_output.c       task_tools.c  review.c    (a program has a call, too)
 *   fit.c          judge.c                work.c
 *   talk.c  deltas.c  partial_output.c  subagent_program.c
 */
#ifndef DROVER_DISPATCH_TURN_TALK_H
#define DROVER_DISPATCH_TURN_TALK_H

#include "base/id.h"
#include "dispatch/base/ask.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/table.h"
#include "dispatch/changes/points.h"
#include "dispatch/tree/trees.h"
#include "dispatch/turn/model_call.h"
#include "dispatch/turn/program_cool.h"
#include "dispatch/turn/turns.h"
#include "engine/board/board.h"
#include "engine/turn/program.h"
#include "engine/turn/turns.h"

enum talk_state {
    TALK_PLANNING,
    TALK_HOUSING,
    TALK_PREPARING,
    TALK_CALLING,
    TALK_JUDGING,
    TALK_FLUSHING,
    TALK_WORKING,
    TALK_RESTING,
    TALK_ENDED,
    TALK_STATES
};

struct talk {
    struct table_node node; /* By run. */
    struct turns *turns;
    char name[ID_SIZE];
    int64_t attempt;
    enum talk_state state;
    bool stop;                   /* It was asked to end. */
    bool again;                  /* A note came while it was busy: ask the rows once more. */
    bool away;                   /* `job` is in the pool. */
    struct talk_errand *errands; /* Owned: with the store, or to be tried again. */
    struct talk_work *works;     /* Owned: tools at work. */
    struct turn_plan plan;       /* The one that is performed. */
    char tool[64];          /* Name of the tool that began last, cut; "": none since the call. */
    uint64_t tool_ms;       /* When it began. */
    struct usage used;      /* By calls of this life that have ended, */
    struct usage_cost cost; /* and their cost. */
    unsigned priced;        /* Number of such calls. */
    struct timer timer;     /* RESTING, */
    int64_t resume_at_ms;   /* until then, by the wall clock. */
    struct pool_job job;    /* PREPARING, JUDGING; CALLING, WORKING: of a program. */
    void (*run)(struct talk *talk), (*back)(struct talk *talk); /* For `job`. */
    struct err err;                                             /* Of the job. */
    struct ask ask;                                             /* PREPARING: rows are read. */
    /* The daemon's settings as the turn found them: its prompts begin alike to the end. */
    char *instructions; /* Owned; "": none. */
    enum model_effort effort;
    int64_t window;         /* Tokens, whatever is known of the model; 0: as it is known. */
    enum board_place place; /* Whether the run may work on a task. */
    char *point_root;       /* Owned: where it has points; NULL: it has none. */
    struct tree_wait tree;  /* HOUSING: for the working tree of the folder. */
    enum talk_house { HOUSE_UNSEEN, HOUSE_STANDS } house; /* Or the folder is in no such tree. */

    struct model_request *request; /* Owned; PREPARING. */
    struct talk_reading *reading;  /* Owned; PREPARING: the messages (prompt.c). */
    struct text facts;             /* Owned: the tail of its prompts, without what rows say. */
    struct text tail;              /* Owned: all of it, made for the first prompt by a reader. */
    struct talk_compact *compact;  /* Owned; PREPARING; NULL: the prompt fits (compaction.c). */
    struct talk_fit fit;
    struct talk_call call;
    struct talk_program *program; /* Owned: that answers; NULL: a model does. */
};

/* --- Errands: functions of the store about a talk (talk.c) ------------------------------------ */

enum errand_kind {
    ERRAND_BEGIN,
    ERRAND_ANSWER,
    ERRAND_COMPACTED,
    ERRAND_CARD,
    ERRAND_CHILD,
    ERRAND_ROWS,
    ERRAND_CHECK_START,
    ERRAND_CHECK_END,
    ERRAND_REVIEW_BEGIN,
    ERRAND_REVIEW_END,
    ERRAND_PROGRAM_REPLY,
    ERRAND_PROGRAM_WITHDRAW,
    ERRAND_FAIL,    /* The turn ends, since what it must read or store is refused for good. */
    ERRAND_GIVE_UP, /* The same where that is refused, too. */
};
struct talk_errand {
    struct talk_errand *next;
    struct talk *talk;
    struct talk_work *work; /* Borrowed: it waits for us; NULL: none. */
    struct ask ask;
    enum errand_kind kind;
    void (*done)(struct talk_errand *errand); /* After a success. */
    struct turn_key key;
    struct turn_plan plan;
    enum board_place place; /* BEGIN */
    /* What the functions are told and answer, by their kinds. */
    struct turn_answer answer;
    struct turn_item *items; /* Owned. */
    struct turn_compacted compacted;
    struct turn_card_result card;
    struct turn_child child;
    struct turn_check_start check_start;
    struct turn_check_end check_end;
    struct turn_review_begin review_begin;
    struct turn_review_begun review_begun;
    struct turn_review_end review_end;
    struct err (*rows)(struct tx *tx, struct talk_errand *errand); /* ROWS */
    struct program_replies replies;
    struct program_mark mark; /* Beside `answer`. */
    struct text input;        /* Owned: of `replies`; or id of the question that is withdrawn. */
    struct turn_failure failure;
    struct why sentence; /* That of `failure`; or why a review is refused. */
};
/* Sent, an errand is tried until the store takes it, and ends the turn where it never does. */
struct talk_errand *talk__errand(struct talk *talk, enum errand_kind kind,
                                 void (*done)(struct talk_errand *errand));
void talk__send(struct talk_errand *errand);
void errand__free(struct talk_errand *errand); /* It is not away. */
/* The usual `done`: its work is over, and its plan is performed. */
void errand__perform(struct talk_errand *errand);
/* Ends the turn, cause history_unreadable: `what` was tried as often as it may be, and failed. */
void talk__fail(struct talk *talk, const char *what, struct err err);
/* Ends the turn, cause no_worktree. */
void talk__fail_treeless(struct talk *talk, const struct why *why);

/* Calls of the files below to those above them: what turns.c does with a talk. */
struct turn_steps {
    void (*begin)(struct talk *talk);            /* talk__begin, */
    void (*tick)(struct talk *talk);             /* talk__tick, */
    void (*perform)(struct talk_errand *errand); /* errand__perform, */
    void (*maybe_free)(struct talk *talk);       /* and talk__maybe_free. */
};

struct turns {
    struct turns_options options;
    const struct turn_steps *steps;
    struct table talks;
    struct program_cools cools;
    struct pool pool;
    struct deltas *deltas; /* Owned. */
    struct asker asker;
    struct loop_task stop_task;
    bool told;        /* That it has stopped. */
    bool window_told; /* That a model's window is not known: once is enough. */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct turns_stats stats;
};
uint64_t turns__now_ms(const struct turns *turns); /* By the monotonic clock. */
struct agent_cool_clocks turns__clocks(const struct turns *turns);

/* Turns that a program answers: program_call.c, program_parked.c, program.c. */
struct talk_program;
void program__call(struct talk *talk);  /* PREPARING: its process begins, or is followed on. */
void program__reply(struct talk *talk); /* WORKING: its questions are answered. */
void program__cancel(struct talk *talk);
/* WORKING: people are asked. True: the talk stays, since the program may withdraw a question, and
 * `job` is in the pool at times. Nothing begins then until program__unpark. */
MUST_CHECK bool program__park(struct talk *talk);
void program__unpark(struct talk *talk);                              /* Not parked is allowed. */
MUST_CHECK bool program__is_away(const struct talk_program *program); /* NULL is allowed. */
void program__free(struct talk *talk);

/* talk.c */
struct bytes talk__run(const struct talk *talk);
struct id talk__new_id(const struct talk *talk, const char *prefix);
bool talk__is_over(const struct talk *talk); /* The turn has ended, or the daemon stops. */
void talk__enter(struct talk *talk, enum talk_state state);
/* Facts about the model of the plan; false: nobody knows it. */
MUST_CHECK bool talk__model(const struct talk *talk, struct model_info *ret_info);
/* `run` in the pool, then `back` on the loop, unless the talk is over by then. */
void talk__pool(struct talk *talk, void (*run)(struct talk *), void (*back)(struct talk *));
/* Asks the rows what is next; a talk that has ended is dropped. */
void talk__begin(struct talk *talk);
/* The state has what it waited for: the next one begins. The talk may be gone then. */
void talk__tick(struct talk *talk);
/* Frees a talk that is over when nothing of it is away; the caller does not touch it afterwards. */
void talk__maybe_free(struct talk *talk);
void talk__dropped(void *ctx); /* The same, as a rule of an ask. */
/* A point of the folder of the turn, around a call that may write (dispatch/changes/points.h): the
 * first one of a turn begins its points, and talk__point_end ends them. False, or `wait` NULL:
 * nothing is waited for. */
struct talk_point {
    const char *root, *call, *path; /* path: NULL: any. */
    enum point_phase phase;
};
bool talk__point(struct talk *talk, const struct talk_point *point, struct point_wait *wait);
void talk__point_end(struct talk *talk);
void talk__point_resume(struct talk *talk); /* An earlier life has taken its first points. */

#endif
