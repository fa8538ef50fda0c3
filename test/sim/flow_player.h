/* flow_player.h: plays the file of a random flow (test/flow_world.h) as the worker evaluates a real
 * one: frames in, frames out.
 *
 *   STARTING ──flow──> WAITING <──know, eval, answer, drop
 *      └──────────────────└── what is no order of script/protocol.h ──> NONSENSE
 *
 * How        the text of the file names the seed of its world, whose plans say what its functions
 *            return. A result of code, a prompt and the report name what the function knew of the
 *            results that it may read: a check sees later whether those were the right ones.
 *            `until` counts rounds by the rows of its step.
 * Ownership  flow_player_new … flow_player_free. Threads: one.
 */
#ifndef DROVER_TEST_SIM_FLOW_PLAYER_H
#define DROVER_TEST_SIM_FLOW_PLAYER_H

#include "../flow_world.h"
#include "base/json/json.h"
#include "base/text.h"
#include "player.h"

struct flow_player;
/* Whether the first frame of a worker is the order to describe a flow. */
bool flow_player_begins(struct bytes frame);
MUST_CHECK struct flow_player *flow_player_new(void);
void flow_player_free(struct flow_player *player); /* NULL is allowed. */
/* As player_take and player_say. */
enum player_state flow_player_take(struct flow_player *player, struct bytes frame);
MUST_CHECK bool flow_player_say(struct flow_player *player, struct text *frame);
/* Number of the operation that submitted the flow, by its input; 0: none. */
int64_t flow_player_op(const struct flow_player *player);
/* The same, of the first order to a worker that has not played it. */
int64_t flow_player_op_of(struct bytes frame);

/* --- What functions return, for checks -------------------------------------------------------- */

/* The text of the file whose world has that seed. */
void flow_source_write(uint64_t seed, size_t steps_max, unsigned with, struct text *text);
/* The world of that text; false: it is none. */
bool flow_source_read(struct bytes text, struct flow_world *ret_world);
/* Text of a result as functions see it, by place; no bytes: they see none. */
typedef struct bytes (*flow_result_fn)(const void *ctx, size_t at);
/* Number by which a flow is known that a step of another one began. */
int64_t flow_nested_op(int64_t op, size_t at);
int64_t flow_parent_op(int64_t op); /* 0: none began it. */
/* The value of `run` of the step; `calls`: a letter for each answer of its agents, v or t. */
void flow_run_write(const struct flow_world *world, size_t at, const char *calls,
                    flow_result_fn results, const void *ctx, struct text *text);
void flow_report_write(const struct flow_world *world, flow_result_fn results, const void *ctx,
                       struct text *text);
/* The name of the file of the report, below the root; not for a world whose `output` gives none. */
void flow_output_write(const struct flow_world *world, int64_t op, struct text *text);

#endif
