/* delivery.h: the way back from the store's threads to the loop.
 *
 * Promise    groups are delivered in commit order: first the notes of a group, then a flush of each
 *            kind that had one, then every `done`. One message of the loop delivers the notes of a
 *            group and its first answers, or more of them, and a few reads, so that other work gets
 *            its turn in between, and neither reads nor writes wait for the others to end.
 * Ownership  embedded: init/done. It owns what was finished and not yet delivered, and the pool of
 *            calls.
 * Threads    delivery_group, _group_finished, _read_finished, _lost: any. The others: the loop's.
 *
 * `lost` is told after every group that was finished before it, once, and then nothing more is.
 */
#ifndef DROVER_STORE_DELIVERY_H
#define DROVER_STORE_DELIVERY_H

#include <uv.h>

#include "base/base.h"
#include "loop/loop.h"
#include "store/call.h"
#include "store/group.h"
#include "store/store.h"

struct delivery_message;

struct delivery {
    struct loop *loop; /* Borrowed; NULL when there is none to tell: delivery_all is called. */
    const struct world *world; /* Borrowed. Its clock ends a message's share of the loop. */
    struct store_note_kind notes[STORE_NOTE_KINDS_MAX];
    void (*lost)(void *ctx, struct err err);
    void (*damaged)(void *ctx);
    void *ctx;

    struct call_pool pool;
    size_t writes, reads; /* On their way: taken from the pool and not yet delivered. */
    bool telling;
    struct group *partial;   /* Owned: its notes are delivered, and some of its answers. */
    struct group *abandoned; /* Owned; held what nobody can tell the outcome of. */

    uv_mutex_t lock; /* Guards what follows. */
    struct group *first, *last, *spare;
    size_t spares;
    struct calls calls;               /* Reads that ended, and functions that were refused. */
    struct delivery_message *message; /* Owned, until delivery_done leaves it to the loop. */
    bool posted, quiet;
    struct err lost_err;
    bool lost_told;
};

void delivery_init(struct delivery *delivery, const struct store_options *options);
/* Drops what was not delivered. */
void delivery_done(struct delivery *delivery);

struct group *delivery_group(struct delivery *delivery); /* An empty one. */
void delivery_group_finished(struct delivery *delivery, struct group *group);
void delivery_read_finished(struct delivery *delivery, struct call *call);
void delivery_lost(struct delivery *delivery, struct group *abandoned, struct err err);

/* From now on nothing is posted to the loop. */
void delivery_quiet(struct delivery *delivery);
/* Tells all there is; false when there was nothing. */
bool delivery_all(struct delivery *delivery);
bool delivery_is_lost(struct delivery *delivery);

#endif
