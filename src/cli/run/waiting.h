/* waiting.h: the list of GET /api/v1/waiting, as people read it.
 *
 * Threads    any; pure, but for what it prints.
 */
#ifndef DROVER_CLI_RUN_WAITING_H
#define DROVER_CLI_RUN_WAITING_H

#include "base/json/json.h"
#include "base/text.h"
#include "cli/base/cli.h"

#define WAITING_PATH "/api/v1/waiting?limit=1000"

/* "2 questions, 1 result to review"; nothing where nothing waits. */
void waiting_counts_add(const json_t *waiting, struct text *text);
/* All but questions, each with the command that goes on: those are shown whole elsewhere. False:
 * there are none. */
bool waiting_print(const struct invocation *invocation, const json_t *items);

#endif
