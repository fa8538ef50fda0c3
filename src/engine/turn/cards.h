/* cards.h: the calls of tools in a turn's message. Only the engine includes it.
 *
 *   ready ──> running ──> succeeded | failed | cancelled | outcome_unknown
 *     ^          └──> pending (a long tool: its child goes on) ──> one of these four
 *     ├── asking ──> denied (by a person)
 *     └── reviewing ──> denied (by a review) | asking (a model looks at it first)
 *
 * A call that cannot be made is `failed`, and one that a rule forbids `denied`, when it is stored.
 * Whatever is open when its turn ends is cancelled. A final state is that of the card's cause
 * (rules/turn/card.h): cards__end sets both.
 *
 * A card is a part of kind `tool`: `call` the model's id, `name` the tool, `text` its result,
 * `data` {"arguments","digest","repeatable","asks","about","extra"}, `step` the model's call that
 * made it.
 * Arguments that are no JSON object: "arguments" null, "arguments_text" what came, "cause"
 * "bad_arguments"; the card has failed, and nothing ran.
 */
#ifndef DROVER_ENGINE_TURN_CARDS_H
#define DROVER_ENGINE_TURN_CARDS_H

#include "base/hash.h"
#include "engine/turn/rows.h"
#include "rules/turn/card.h"

/* `about` of a search that the provider has made: it is in no prompt. */
#define CARD_OF_PROVIDER "{\"by\":\"provider\"}"

enum { TURN_CARDS_MAX = 128 }; /* Calls in one answer of a model; the rest is refused. */

/* Texts live in the transaction's arena. */
struct card {
    int64_t number, step;
    enum part_state state;
    enum card_cause cause; /* Of its end; CARD_DONE as long as it is open, or pending. */
    struct bytes tool, call, arguments, about, digest;
    struct bytes malformed; /* Arguments that are no JSON object, as text; "": they are one. */
    struct bytes extra;     /* Object that goes back to the provider with the call; "": none. */
    bool repeatable;
    bool of_program; /* A program has called its own tool: no model is shown the call. */
    /* The run that the call is; id 0: none. Of its columns: id, run, attempt, state, cause,
     * started_ms, ended_ms, exit_code, and host, "" where it has not begun. */
    struct run_row child;
};
struct cards {
    struct card *at;
    size_t count;
};

/* Condition of cards that are open, by the index parts_open: a pending one is not. */
#define CARDS_OPEN "p.kind = 'tool' AND p.state IN " PARTS_OPEN_STATES " AND p.state <> 'pending'"

/* Cards that are open: ready, asking, reviewing, running. In the order of their numbers. The
 * transaction keeps every error of these. */
struct cards cards__open(struct tx *tx, int64_t message);
MUST_CHECK bool cards__find(struct tx *tx, int64_t message, int64_t number, struct card *ret_card);
/* Whether the card of that call can be stored: one that cannot, and be shown to the person that is
 * asked, is refused. */
struct turn_call;
MUST_CHECK bool cards__fit(const struct turn_call *call);
#define CARD_TOO_LONG                                                                              \
    "The arguments of this call are too long to be stored. Do it in several calls with less in "   \
    "each."
/* Adds a card after the parts that are there: *io_card gets its number. */
void cards__insert(struct tx *tx, int64_t message, struct card *io_card);
/* The result of a long tool's card while its run goes on; and whether a result is that of the run's
 * end. */
void cards__write_pending(const char *status, struct bytes operation, struct text *text);
MUST_CHECK bool cards__is_outcome(struct bytes result, struct bytes operation);
/* {"operation": …, "state": */
void cards__begin_outcome(struct bytes operation, struct text *text);
/* The card's result, in the arena. */
struct bytes cards__result(struct tx *tx, int64_t message, int64_t number);
/* Ends a card: the state follows from the cause. Writes nothing. */
static inline void cards__end(struct card *card, enum card_cause cause) {
    card->cause = cause;
    card->state = card_cause_state(cause);
}
/* Writes state and cause of a card, and its result, or CARD_RESULT_STAYS. */
void cards__write(struct tx *tx, int64_t message, const struct card *card, struct bytes result);
#define CARD_RESULT_STAYS ((struct bytes){NULL, 0})
/* The card of a turn gets that state, which is no final one. */
void cards__move(struct tx *tx, const struct turn *turn, enum part_state state, struct card *card);
/* Writes what the call is: arguments, digest, about. */
void cards__write_data(struct tx *tx, int64_t message, const struct card *card);
/* Digest of the calls that were made last and their results: whether it is the same again. */
struct sha256_hex cards__digest(struct tx *tx, int64_t message);

/* A turn, fenced as turns__load does, and a card of it, which is in `state`; else false. */
MUST_CHECK bool turns__load_card(struct tx *tx, const struct turn_key *key, int64_t part,
                                 enum part_state state, struct turn *ret_turn,
                                 struct card *ret_card);

/* The card is in a final state already: written, with its result, and told. (answer.c) */
void turns__close_card(struct tx *tx, struct turn *turn, const struct card *card,
                       struct bytes result);
/* The same of one that ends now. */
void turns__end_card(struct tx *tx, struct turn *turn, struct card *card, enum card_cause cause,
                     struct bytes result);
/* Appends a part that is no card. A text too long for one part becomes several. */
void cards__add_plain(struct tx *tx, const struct message_part *part);

#endif
