/* notices.h: notices to sessions that are not the ends of runs: see engine/inbox/inbox.h.
 *
 * Promise    such a row names in `run` an object of its feature, whose prefix says which; what the
 *            turn reads is written when the turn is made, as things are then.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_TURN_NOTICES_H
#define DROVER_ENGINE_TURN_NOTICES_H

#include "base/text.h"
#include "engine/inbox/inbox.h"
#include "store/store.h"

struct notice_kind {
    const char *prefix; /* "mail_"; NULL ends the table. */
    /* Adds the notice for the agent. `first`: none of the kind stands before it. Errors are the
     * transaction's. */
    void (*write)(struct tx *tx, const struct inbox_row *row, bool first, struct text *text);
};
/* engine/system/notice_kinds.c is the table, which is constant. */
extern const struct notice_kind notice_kinds[];

#endif
