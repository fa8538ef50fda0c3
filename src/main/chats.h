/* chats.h: what asks models: turns, titles, workflows.
 *
 *   opened ──notes──> working ──chats_stop──> stopping ──> `stopped`
 *
 * Ownership  the caller's; options are borrowed for life.
 * Threads    the loop; chats_open blocks on the disk: before the loop runs.
 */
#ifndef DROVER_MAIN_CHATS_H
#define DROVER_MAIN_CHATS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/system/serve_options.h"
#include "dispatch/provider/connections.h"
#include "dispatch/workflow/flows.h"
#include "engine/run/runs.h"
#include "loop/address.h"
#include "loop/fetch.h"
#include "loop/loop.h"
#include "proc/spool/spool.h"
#include "store/store.h"

struct chats;
struct chats_options {
    const struct serve_options *serve;
    struct loop *loop;
    struct store *store;
    struct effects *effects;   /* The work's, */
    struct shortage *shortage; /* and this one. */
    struct fetch *client;
    const struct address_list *allow; /* What web_fetch may reach beside public addresses. */
    struct connections *connections;
    const struct toolbox *toolbox;
    const struct spool *spool;
    const char *data_dir; /* Absolute. */
    bool sandbox;         /* Commands of tools can be kept inside. */
    struct run_bounds bounds;
};
MUST_CHECK struct err chats_open(const struct chats_options *options, struct chats **ret_chats);
void chats_hold(struct chats *chats); /* Before any note. */
void chats_release(struct chats *chats);
void chats_stop(struct chats *chats, void (*stopped)(void *ctx), void *ctx);
/* After `stopped`, or never begun; and after store_close. NULL: fine. */
void chats_close(struct chats *chats);

struct flows *chats_flows(const struct chats *chats);
void chats_run_note(struct chats *chats, struct bytes note);
void chats_metrics(struct chats *chats, struct text *text);

#endif
