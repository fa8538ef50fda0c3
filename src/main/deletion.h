/* deletion.h: what deleted sessions and runs leave, in rows (engine/system/chores.h) and in files.
 *
 * Promise    files are looked for as soon as their rows are gone: images
 *            (dispatch/session/blobs.h), spool folders and scripts (retention_wake), and what
 *            points held (points_forgotten).
 *            A failure is in the log, once until its cause changes.
 * Ownership  embedded; blobs, dispatcher and store live until the store has ended.
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_DELETION_H
#define DROVER_MAIN_DELETION_H

#include "base/base.h"
#include "base/log.h"
#include "dispatch/changes/points.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/run/retention.h"
#include "dispatch/session/blobs.h"
#include "engine/system/chores.h"

struct deletion {
    struct chores chores;
    struct blobs *blobs; /* Borrowed, as are the next two. */
    struct dispatch *dispatch;
    struct points *points;
    struct log *log; /* Borrowed. */
};

void deletion_init(struct deletion *deletion, struct blobs *blobs, struct dispatch *dispatch,
                   struct points *points);
void deletion_start(struct deletion *deletion, struct loop *loop, struct store *store,
                    struct log *log);
void deletion_stop(struct deletion *deletion); /* Zeroed is fine. */

#endif
