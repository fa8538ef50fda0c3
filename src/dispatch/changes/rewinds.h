/* rewinds.h: rewinds of sessions: what a session did in its folder is taken back.
 *
 *   rewinds_begin ──> PLANNING (drover-changes) ──nothing refused──> STARTING (its row)
 *                        └── a preview, refused, or an error ──> done          │
 *   rows of a daemon that died ──> APPLYING (drover-changes) <─────────────────┘
 *                                     └──> SETTLING (row, and conversation) ──> done
 *
 * The plan is the inverse of the steps of the session, against what the folder holds now; it is
 * stored before the first file is touched. A file that changed since refuses all: then every file
 * is as it was. After a kill the same order is given again, which ends in one of the two.
 *
 * Promise    `done` comes once, never inside rewinds_begin. A stop ends the wait with ERR_CLOSING,
 *            and the rewind is finished by the next daemon.
 * Ownership  an order is copied, its span taken over.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_CHANGES_REWINDS_H
#define DROVER_DISPATCH_CHANGES_REWINDS_H

#include "base/json/json.h"
#include "dispatch/base/room.h"
#include "engine/changes/points.h"

struct points;
struct rewinds;
struct rewinds_options {
    struct room_options room;
    struct points *points; /* Borrowed. */
    struct bytes host;     /* Borrowed: as home.h has it. */
    unsigned umask;        /* Umask for new files: base/process/umask.h. */
};
struct rewinds *rewinds_open(const struct rewinds_options *options);
void rewinds_recover(struct rewinds *rewinds); /* Finishes those of an earlier daemon. */
void rewinds_stop(void *rewinds, void (*stopped)(void *ctx), void *ctx); /* As a performer. */
void rewinds_close(struct rewinds *rewinds);                             /* NULL is allowed. */

struct rewind_order {
    struct bytes owner, session, message; /* message: from which the conversation goes; "": none. */
    struct id id;
    struct changes_span *span; /* From the target to now. Taken over: empty afterwards. */
    json_t *force;             /* Paths; NULL: none. */
    json_t *paths;             /* Only these; NULL: all. */
    int64_t tree;              /* A working tree is applied onto the folder; 0: none is. */
    struct bytes actor;        /* The reason of points: that tree (tre_…), or the session. */
    bool files, preview;
    /* `plan`: {"files","refused"} with the members of the order's answer; borrowed. */
    void (*done)(void *ctx, struct err err, const struct why *why, const json_t *plan);
    void *ctx;
};
void rewinds_begin(struct rewinds *rewinds, const struct rewind_order *order);

#endif
