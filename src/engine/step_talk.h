/* step_talk.h: the turn of a step whose agent has tools. Only the engine includes it. */
#ifndef DROVER_ENGINE_STEP_TALK_H
#define DROVER_ENGINE_STEP_TALK_H

#include "engine/steps.h"

/* Behind the step's own row, in its commit. */
MUST_CHECK struct err steps__begin_talk(struct tx *tx, const struct step_new *step);

#endif
