/* background.h: the background of a session: jobs and workflows that its turns started, and its
 * subagents, newest first.
 *
 * Promise    rows are those of runs inside no other, of whose end the session is notified. Any
 *            other run of the session is handed on as well (`fits` false), so that the caller's
 *            cursor goes past it.
 * Bounds     a call looks at `limit` runs at most.
 * Ownership  texts of a row live in the transaction's arena.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_BACKGROUND_H
#define DROVER_ENGINE_TURN_BACKGROUND_H

#include "base/fields/fields.h"
#include "engine/session/sessions.h"

struct background_row {
    struct run_row run;    /* As clients see it. */
    struct bytes subagent; /* ses_… of the subagent; "": it is none. */
    struct bytes title;    /* Title of that session; "": none. */
    struct bytes notice;   /* dlv_… of the notice of its end; "": there is none (yet). */
    const char *delivery;  /* pending, delivered, dropped; "": nobody is notified. */
    bool fits;             /* Else only the run's id is there. */
};
/* Members of a row beside those of its run. */
extern const struct field_set background_fields;

struct background_page {
    const struct session_row *session; /* Borrowed. */
    int64_t before;                    /* run_row.id; 0: from the newest. */
    int64_t limit;
    const struct run_bounds *bounds; /* Borrowed. */
};
MUST_CHECK struct err tx_session_background(struct tx *tx, const struct background_page *page,
                                            struct err (*each)(void *ctx,
                                                               const struct background_row *row),
                                            void *ctx);
void background_write_json(const struct background_row *row, struct text *text);

#endif
