/* events.h: events of turns, on the session's stream. Only the engine includes it.
 *
 * Failure    as store.h; an error of a text that is too long is not kept by the transaction.
 */
#ifndef DROVER_ENGINE_TURN_EVENTS_H
#define DROVER_ENGINE_TURN_EVENTS_H

#include "engine/session/checkpoints.h"
#include "engine/turn/cards.h"
#include "engine/turn/titles.h"

MUST_CHECK struct err turns__event_started(struct tx *tx, const struct turn *turn,
                                           struct bytes question);
MUST_CHECK struct err turns__event_output(struct tx *tx, const struct turn *turn);
/* The call that a crash cut off is void. */
MUST_CHECK struct err turns__event_cut_off(struct tx *tx, const struct turn *turn);
MUST_CHECK struct err turns__event_card_started(struct tx *tx, const struct turn *turn,
                                                const struct card *card);
MUST_CHECK struct err turns__event_card_finished(struct tx *tx, const struct turn *turn,
                                                 const struct card *card, struct bytes result);
MUST_CHECK struct err turns__event_card_reviewed(struct tx *tx, const struct turn *turn,
                                                 const struct card *card,
                                                 const struct turn_review_end *end);
MUST_CHECK struct err turns__event_compacted(struct tx *tx, const struct turn *turn,
                                             const struct checkpoint *checkpoint);
MUST_CHECK struct err turns__event_usage(struct tx *tx, const struct turn *turn,
                                         const struct usage *usage, const struct usage_cost *cost);
MUST_CHECK struct err turns__event_review_usage(struct tx *tx, const struct turn *turn,
                                                const struct turn_review_end *end);
MUST_CHECK struct err titles__event_usage(struct tx *tx, const struct session_row *session,
                                          const struct run_row *run, const struct title_end *end);
/* For a person; `wait` not NULL: for its provider. */
MUST_CHECK struct err turns__event_waiting(struct tx *tx, const struct turn *turn,
                                           const struct provider_wait *wait);
MUST_CHECK struct err turns__event_resumed(struct tx *tx, const struct turn *turn);
MUST_CHECK struct err turns__event_finished(struct tx *tx, const struct turn *turn);

#endif
