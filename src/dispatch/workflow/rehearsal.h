/* rehearsal.h: a script that is played to its end with stand-ins (stub_agents.h) for its agents.
 *
 *   PLAYING ──a frame──> READ in the pool ──its answer──> PLAYING
 *      └──its end, its worker's, or no time left──────────────────> done
 *
 * Promise    `done` once, never inside the call. It runs in a worker as a run's would, with the
 *            same limits; nobody is asked, and nothing is stored. At most REHEARSE_MS, and
 *            REHEARSE_MAX at once: what is beyond is told as `cut`.
 * Ownership  what is asked is borrowed for the call. `ctx` must live until `done`, which flows_stop
 *            brings about, too.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_REHEARSAL_H
#define DROVER_DISPATCH_WORKFLOW_REHEARSAL_H

#include "base/base.h"
#include "base/json/json.h"
#include "dispatch/workflow/stub_agents.h"
#include "script/reader/meta.h"

enum { REHEARSE_MS = 10000, REHEARSE_MAX = 8 };

struct flows;
struct rehearsal_ask {
    struct bytes text; /* As it was prepared. */
    enum script_form form;
    struct bytes file;
    const json_t *args; /* NULL: none. */
    int64_t total;      /* Of its budget; < 0: none. */
    const char *root;   /* NULL: none. */
};
/* cut: why it was not played to its end, static; NULL: it was, well or not. Borrowed for the call,
 * as is the stand-in. */
void flows_rehearse(struct flows *flows, const struct rehearsal_ask *ask,
                    void (*done)(void *ctx, const struct stand_in *told, const char *cut),
                    void *ctx);
void flows__stop_rehearsals(struct flows *flows); /* Of flows_stop. */

#endif
