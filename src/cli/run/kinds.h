/* kinds.h: the ways in which runs of each kind are shown and followed, by `drover show` and `drover
 * attach`. The features that stand above this one fill the table.
 *
 * Threads    one.
 */
#ifndef DROVER_CLI_RUN_KINDS_H
#define DROVER_CLI_RUN_KINDS_H

#include "cli/base/api.h"
#include "cli/base/cli.h"

struct run_kind_view {
    const char *name;
    /* NULL: shown as any run is. */
    struct err (*show)(struct invocation *invocation, struct talk *talk, json_t *run);
    /* NULL: an agent, which is followed with its workflow. */
    struct err (*attach)(struct invocation *invocation, struct talk *talk, json_t *run);
};
/* Flags of the commands that attach. */
extern const struct flag run_attach_flags[];

extern const struct run_kind_view run_kind_views[]; /* cli/flow/kinds.c. Ends with .name NULL. */

#endif
