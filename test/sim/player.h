/* player.h: plays a generated program as the worker plays a script: frames in, frames out.
 *
 *   STARTING ──start──> WAITING <──settle── … ──its end──> ENDED
 *      └───────── what is no order of script/protocol.h ──> NONSENSE
 *
 * How        the language of a program is small, and so is what stands for the engine: functions
 *            under way, promises, and one queue of jobs. Jobs run in the order in which JavaScript
 *            runs them, outcomes are settled one by one with all jobs between two, and frames are
 *            cut where the worker cuts them. So both send the same bytes; what a failed end says of
 *            lines, columns and stacks is the only difference (test/worker/programs.c).
 * Ownership  player_new … player_free. What it is told and tells is copied.
 * Threads    one.
 */
#ifndef DROVER_TEST_SIM_PLAYER_H
#define DROVER_TEST_SIM_PLAYER_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"

enum player_state { PLAYER_STARTING, PLAYER_WAITING, PLAYER_ENDED, PLAYER_NONSENSE };

/* One call of agent() or workflow(), or a timer, as the script made it. */
struct player_call {
    int64_t id, occurrence;
    const char *key;
    const char *prompt; /* NULL: not of agent(). */
    const char *name;   /* Of workflow(): the child, or its path. NULL: not of workflow(). */
    bool has_args;      /* Of workflow(). */
};
struct player_watch {
    /* The script made a call; `recorded`: the history has its answer. May be NULL. */
    void (*called)(void *ctx, const struct player_call *call, bool recorded);
    /* It is told the outcome with that number (from 1, those of the history included). May be
     * NULL. */
    void (*settled)(void *ctx, const struct player_call *call, int64_t number,
                    const json_t *outcome);
    void *ctx;
};

struct player;
MUST_CHECK struct player *player_new(const struct player_watch *watch); /* NULL: nobody watches. */
void player_free(struct player *player);                                /* NULL is allowed. */
/* A whole frame without its header. Not once it has ended. */
enum player_state player_take(struct player *player, struct bytes frame);
/* Moves the next frame that it sends into `frame`, which is empty; false: there is none. */
MUST_CHECK bool player_say(struct player *player, struct text *frame);

/* Of its start: args.op; 0: it has none. */
int64_t player_op(const struct player *player);
/* budget.spent(), as the script would be told now. */
int64_t player_spent(const struct player *player);
/* Outcomes of the history that were not settled. */
int64_t player_unplayed(const struct player *player);

#endif
