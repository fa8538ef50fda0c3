/* work.h: a call of a tool that a talk performs. For the files of this folder, and for the tool
 * that dispatch/workflow performs.
 *
 *   planned ──> in the pool | on the loop | in the store ──> its errand ──> gone
 */
#ifndef DROVER_DISPATCH_TURN_WORK_H
#define DROVER_DISPATCH_TURN_WORK_H

#include <stdatomic.h>

#include "dispatch/turn/talk.h"
#include "tool/web/web.h"

enum { WORK_TEXTS = 8 };

struct rows_fresh;
struct talk_review;
struct talk_work {
    struct talk_work *next;
    struct talk *talk;
    struct pool_job job;
    struct turn_card card;               /* Texts are `owned`, each terminated; */
    const char *root, *settings, *roots; /* as are these. */
    char *owned[WORK_TEXTS];             /* Owned. */
    size_t owned_count;
    atomic_bool cancelled;
    bool away; /* In the pool. */
    struct web_fetch *fetch;
    struct talk_review *review; /* Owned; NULL: none. */
    struct err err;
    struct tool_call call;
    struct tool_result result;
    bool wrote;               /* Files of the project. */
    struct text spec;         /* Owned: of a child that begins. */
    struct rows_fresh *fresh; /* Owned: TOOL_ROWS. */
};

/* tools.c */
void talk__work(struct talk *talk, const struct turn_plan *plan);
void talk__cancel_works(struct talk *talk);
MUST_CHECK bool work__is_away(const struct talk_work *work);
void work__free(struct talk_work *work);
/* True: its talk is over, and it is freed, with its talk where nothing else of that is away. */
MUST_CHECK bool work__is_over(struct talk_work *work);
void work__settle(struct talk_work *work); /* Stores its result, or is freed with its talk. */
struct talk_errand *work__errand(struct talk_work *work, enum errand_kind kind);
void work__pool(struct talk_work *work, void (*run)(struct pool_job *),
                void (*done)(struct pool_job *));
/* `job` came back. False: nobody waits for it any more, and it is gone. */
MUST_CHECK bool work__is_back(struct talk_work *work);

/* review.c */
void review__begin(struct talk_work *work);
MUST_CHECK bool review__is_out(const struct talk_review *review);
void review__cancel(struct talk_review *review); /* NULL is allowed, as in the next one. */
void review__free(struct talk_review *review);

/* row_tools.c: a store function performs the call, and ends its card. */
void rows__begin(struct talk_work *work);
void rows__free(struct talk_work *work); /* Frees the work of rows__begin; not begun is allowed. */
struct err rows__perform(struct tx *tx, struct talk_errand *errand);

#endif
