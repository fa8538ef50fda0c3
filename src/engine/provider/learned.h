/* learned.h: limits of models that refusals have shown, as rows: one for each model and kind, by
 * the name under which it is asked.
 *
 *   window    the model takes fewer tokens than anybody said
 *   refused   it takes no request with these parameters
 *
 * Promise    a refusal is not forgotten by a restart, and not kept for ever: a limit holds until it
 *            expires, or until its connection is changed.
 * Bounds     LEARNED_MAX models of each kind: those that expire first make room, at the cost of
 *            another refusal after the next restart.
 * Ownership  texts are borrowed: for the call.
 * Threads    tx_...: inside a store function.
 */
#ifndef DROVER_ENGINE_PROVIDER_LEARNED_H
#define DROVER_ENGINE_PROVIDER_LEARNED_H

#include "base/base.h"
#include "base/err.h"
#include "rules/provider/parameters.h"
#include "store/store.h"

enum {
    LEARNED_MAX = 256,
    LEARNED_WINDOW_MS = 24 * 60 * 60 * 1000,
};

enum learned_kind { LEARNED_WINDOW, LEARNED_REFUSED, LEARNED_KIND_COUNT };
struct learned_limit {
    struct bytes model;    /* "connection/model" */
    int64_t window;        /* LEARNED_WINDOW: tokens; 0: none. */
    parameter_set refused; /* LEARNED_REFUSED. */
    int64_t until_ms;
};

/* A window takes the place of the one before. Parameters are added to those that the model has
 * refused before, which hold as long from then on. */
MUST_CHECK struct err tx_learned_add(struct tx *tx, enum learned_kind kind,
                                     const struct learned_limit *limit);
/* Rows that have not expired; the newest first, at most LEARNED_MAX. */
MUST_CHECK struct err tx_learned_each(struct tx *tx, enum learned_kind kind,
                                      struct err (*each)(void *ctx,
                                                         const struct learned_limit *limit),
                                      void *ctx);
/* Forgets the rows of all kinds and models of a connection. */
MUST_CHECK struct err tx_learned_forget(struct tx *tx, struct bytes connection);

#endif
