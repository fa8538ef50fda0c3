/* prompts.h: what a model was shown, held against what clients know of the session.
 *
 * Promise    prompts_check fails the seed where a prompt shows another history than the session has
 *            for its clients. Prompts that are no turn's (titles, summaries, reviews) are let pass.
 * Threads    one; between two commits, so that the rows are those that the prompt was made of.
 */
#ifndef DROVER_TEST_SIM_PROMPTS_H
#define DROVER_TEST_SIM_PROMPTS_H

#include "provider.h"
#include "sim.h"

void prompts_check(struct sim *sim, const struct prompt *prompt);

#endif
