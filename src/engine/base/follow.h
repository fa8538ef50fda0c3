/* follow.h: streams that lists can follow.
 *
 *   owner:OWNER     changes of what belongs to an owner
 *   project:NAME    those of one project; a stream of the owner
 *   system          changes of what belongs to the daemon; a stream of the owner `local`
 *
 * Promise    each keeps its latest FOLLOW_EVENTS_KEPT events. A name that no client could ask for,
 *            of a damaged row, has no stream, and nothing is appended.
 * Rows       rows of these kinds are marked where they change (tx_row_changed), and their event is
 *            appended once, with what the row is at the end of the function
 *            (engine/system/followed.c). A removal has its event at once: {"id", "removed": true}.
 * Threads    inside a store function. Failure: the transaction keeps it.
 */
#ifndef DROVER_ENGINE_BASE_FOLLOW_H
#define DROVER_ENGINE_BASE_FOLLOW_H

#include "base/base.h"
#include "base/text.h"
#include "store/store.h"

enum { FOLLOW_EVENTS_KEPT = 10000 };

/* Order: runs first, since a turn marks its session. */
enum followed { FOLLOW_RUN, FOLLOW_SESSION, FOLLOW_APPROVAL, FOLLOW_BUDGET, FOLLOW_KINDS };
static_assert((int)FOLLOW_KINDS <= (int)STORE_ROW_KINDS_MAX, "kinds of marks");
extern const store_row_fn followed_rows[STORE_ROW_KINDS_MAX];

/* `data`: compact JSON. */
struct follow_event {
    struct bytes type, data;
};
void follow_tell_owner(struct tx *tx, struct bytes owner, const struct follow_event *event);
/* To the owner, and the project where it is one. */
struct follow_place {
    struct bytes owner, project;
};
void follow_tell(struct tx *tx, const struct follow_place *place, const struct follow_event *event);
void follow_tell_system(struct tx *tx, const struct follow_event *event);

/* A row of such a list. For one too long for an event, which only a damaged row is, the event has
 * its id and "left_out": true. */
void follow_tell_row(struct tx *tx, const struct follow_place *place, struct bytes type,
                     struct bytes id, const struct text *data);
/* The row `id` of such a list is gone. */
void follow_tell_removed(struct tx *tx, const struct follow_place *place, struct bytes type,
                         struct bytes id);

#endif
