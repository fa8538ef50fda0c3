/* subagents.h: the transactions of tools that work on rows, and of agents that an agent starts.
 *
 * A subagent is a session whose parent is another one, and the turn with which it began. It is no
 * run below the turn that spawned it: it goes on when that has ended, and its end is told to the
 * parent's session by the inbox, as that of a job in the background is.
 *
 *   spawned ──fewer than SUBAGENTS_AT_ONCE go on──> its turn is admitted
 *      └───── else it waits (GATE_TIME), and the end of one of the others wakes the oldest
 *
 * Promise    what a tool changes, and the end of its card, are one commit (tx_turn_seat, then the
 *            change, then tx_turn_card_end): a crash leaves both or none.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_SUBAGENTS_H
#define DROVER_ENGINE_TURN_SUBAGENTS_H

#include "engine/turn/turns.h"

enum {
    SUBAGENTS_AT_ONCE = 2, /* Of one parent. */
    SUBAGENTS_MAX = 64,    /* That have not ended, of one parent. */
    SUBAGENT_TITLE = 50,   /* Characters of the input that name one without a label. */
};

/* Whose call it is. */
struct turn_seat {
    struct session_row session;
    struct bytes model; /* That the turn asks. */
};
/* *ret_late: the card does not run any more; nothing may be done for it. */
MUST_CHECK struct err tx_turn_seat(struct tx *tx, const struct turn_key *key, int64_t part,
                                   bool *ret_late, struct turn_seat *ret_seat);

struct subagent_new {
    const struct turn_seat *seat;
    struct bytes input, model, agent, label; /* "": none. */
    struct bytes program;                    /* Definition, JSON; "": a model. `model` is its. */
    struct bytes settings;                   /* JSON object, compact: the parent's, narrowed. */
    int64_t cost_micros;                     /* Of its session; -1: no limit. */
    struct id session, run, message, answer;
    struct run_bounds bounds;
};
struct subagent {
    struct run_row run;
    int64_t session_id;
    struct bytes session;       /* ses_… */
    struct bytes title;         /* Only of one that was just spawned, */
    struct session_usage usage; /* and only of others: of its session. */
};
/* ERR_CONFLICT: it would be too deep, or there are too many; `why` says it to the model. */
MUST_CHECK struct err tx_subagent_spawn(struct tx *tx, const struct subagent_new *what,
                                        struct subagent *ret_subagent, struct why *why);

/* The turn with which a subagent began, and that has ended, is tried again: another answer to the
 * same input, of whose end the parent is notified. ERR_CONFLICT: the turn is of no subagent, or
 * has left no answer that can be asked for again; and as tx_turn_again. */
struct subagent_again {
    const struct run_row *turn; /* Borrowed. */
    struct id run, answer;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_subagent_again(struct tx *tx, const struct subagent_again *again,
                                        struct run_row *ret_run, struct why *why);

/* By the run that it began with. *ret_found false: that is no subagent of this session. */
MUST_CHECK struct err tx_subagent_find(struct tx *tx, const struct turn_seat *seat,
                                       struct bytes run, bool *ret_found,
                                       struct subagent *ret_subagent);
/* The end of the newest text of one that runs; empty: it has ended, or has said nothing yet. */
MUST_CHECK struct err tx_subagent_progress(struct tx *tx, const struct subagent *subagent,
                                           struct bytes *ret_text);
/* What it said in the end; and nobody need be told of it any more. */
MUST_CHECK struct err tx_subagent_fetch(struct tx *tx, const struct turn_seat *seat,
                                        const struct subagent *subagent, struct bytes *ret_output);
/* With its own subagents. Its end is told to nobody: who calls it off knows. *ret_row is what
   became of it. */
MUST_CHECK struct err tx_subagent_cancel(struct tx *tx, const struct subagent *subagent,
                                         const struct run_bounds *bounds, struct run_row *ret_row);

#endif
