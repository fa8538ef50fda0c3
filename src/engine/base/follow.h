/* follow.h: streams that lists can follow.
 *
 *   owner:OWNER     changes of what belongs to an owner
 *   project:NAME    those of one project; a stream of the owner
 *   system          changes of what belongs to the daemon; a stream of the owner `local`
 *   system:admin    those of what only admins list, so that only they read it (journal.h)
 *
 * Promise    each keeps its latest FOLLOW_EVENTS_KEPT events. A name that no client could ask for,
 *            of a damaged row, has no stream, and nothing is appended.
 * Rows       the event of a row is NAME_changed: what lists show of it, or {KEY, "removed": true}.
 *            A resource appends it where it is written (engine/base/resource.h). Other rows are
 *            marked where they change (tx_row_changed), and their event is appended once, with what
 *            the row is at the end of the function (engine/system/followed.c).
 * Removal    the event of a removal takes the data from all events about the row before it, in the
 *            same commit: those that begin with its key, or with its id. A follower that reads them
 *            later finds the key and "removed": true.
 * Threads    inside a store function. Failure: the transaction keeps it.
 */
#ifndef DROVER_ENGINE_BASE_FOLLOW_H
#define DROVER_ENGINE_BASE_FOLLOW_H

#include "base/base.h"
#include "base/text.h"
#include "store/store.h"

enum { FOLLOW_EVENTS_KEPT = 10000 };

/* Order: runs first, since a turn marks its session; last streams that got the event of a removal,
 * so that they are searched once in a function that removes many rows. */
enum followed {
    FOLLOW_RUN,
    FOLLOW_SESSION,
    FOLLOW_APPROVAL,
    FOLLOW_BUDGET,
    FOLLOW_REMOVAL,
    FOLLOW_KINDS,
};
static_assert((int)FOLLOW_KINDS <= (int)STORE_ROW_KINDS_MAX, "kinds of marks");
extern const store_row_fn followed_rows[STORE_ROW_KINDS_MAX];

/* A change. */
struct follow {
    const char *name;            /* "run" */
    struct bytes owner, project; /* Told to the owner, and the project where it is one. */
    const char *stream;          /* For a row of the daemon: "system", "system:admin"; else NULL. */
    const char *key;             /* Member that names the row; NULL: "id". */
    struct bytes id;             /* Value of that member. */
    bool happened;               /* The type of the event is the name: something happened once. */
};
/* `data`: compact JSON; NULL: the row is gone. For one too long for an event, which only a damaged
 * row is, the event has its key and "left_out": true. */
void follow_tell(struct tx *tx, const struct follow *change, const struct text *data);
/* Takes data from events of the stream with that id: see Removal. */
void follow__untell(struct tx *tx, int64_t stream);

#endif
