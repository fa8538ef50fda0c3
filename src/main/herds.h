/* herds.h: workflows, whose scripts run in processes of their own.
 *
 *   opened ──notes──> working ──herds_stop──> stopping ──> `stopped`
 *
 * Ownership  the caller's; options are borrowed for life.
 * Threads    the loop. herds_open blocks on the disk: before the loop runs.
 */
#ifndef DROVER_MAIN_HERDS_H
#define DROVER_MAIN_HERDS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/system/serve_options.h"
#include "dispatch/provider/connections.h"
#include "dispatch/workflow/flows.h"
#include "engine/run/runs.h"
#include "loop/loop.h"
#include "proc/spool/spool.h"
#include "script/catalog.h"
#include "store/store.h"

struct herds;
struct herds_options {
    const struct serve_options *serve;
    struct loop *loop;
    struct store *store;
    struct effects *effects;   /* The work's, */
    struct shortage *shortage; /* and this one. */
    struct connections *connections;
    const char *data_dir; /* Absolute. */
    const struct spool *spool;
    bool sandbox; /* As of turns_options. */
    struct run_bounds bounds;
};
MUST_CHECK struct err herds_open(const struct herds_options *options, struct herds **ret_herds);
void herds_hold(struct herds *herds); /* Before any note. */
void herds_release(struct herds *herds);
void herds_stop(struct herds *herds, void (*stopped)(void *ctx), void *ctx);
/* After `stopped`, or never begun; and after store_close. NULL: fine. */
void herds_close(struct herds *herds);

/* Where scripts are looked for, without the root. Borrowed from the process's environment. */
struct catalog_search herds_search(void);

struct flows *herds_flows(const struct herds *herds);
void herds_run_note(struct herds *herds, struct bytes note);
void herds_metrics(const struct herds *herds, struct text *text);

#endif
