/* step_turn.h: the turn of a step whose agent has tools. Only the engine includes it. */
#ifndef DROVER_ENGINE_WORKFLOW_STEP_TURN_H
#define DROVER_ENGINE_WORKFLOW_STEP_TURN_H

#include "engine/workflow/steps.h"

/* Behind the step's own row, in its commit. */
MUST_CHECK struct err steps__begin_talk(struct tx *tx, const struct step_new *step);

/* Usage of an agent with tools: of all its turns, until now. */
struct step_used {
    struct usage usage;
    struct usage_cost cost;
};
/* `step`: run_… */
MUST_CHECK struct err steps__talk_used(struct tx *tx, struct bytes step,
                                       struct step_used *ret_used);

#endif
