/* partial_output.h: what a model has said in one call so far, in order: text, thinking, calls of
 * tools.
 *
 * Promise    neighbours of one kind are one item; an empty one is none. said_clear withdraws all.
 * Bounds     the caller's: the room of models bounds an answer.
 * Ownership  embedded: init/done. Items and their texts are its own, until the next change.
 * Threads    one at a time: the pool may fill in verdicts while the loop leaves it alone.
 */
#ifndef DROVER_DISPATCH_TURN_PARTIAL_OUTPUT_H
#define DROVER_DISPATCH_TURN_PARTIAL_OUTPUT_H

#include "base/base.h"
#include "base/text.h"
#include "engine/turn/turns.h"

enum { SAID_ITEMS_MAX = TURN_ITEMS_MAX };

struct said_item {
    enum turn_item_kind kind;
    struct text text;      /* TEXT, THINKING; CALL: its arguments. */
    struct text signature; /* THINKING */
    struct text id, name;  /* CALL, as are the next ones: what was found out about it. */
    struct text digest, about, refusal;
    struct text malformed; /* Arguments that are no JSON object; `text` is empty then. */
    enum turn_verdict verdict;
    enum card_cause cause; /* REFUSE: why. */
    enum turn_asks asks;
    bool repeatable;
    bool cut;    /* CALL: half of one, since the answer reached its longest length. */
    bool closed; /* Nothing is added to it any more. */
};

struct said {
    struct said_item *items; /* Owned. */
    size_t count, size;
};
void said_init(struct said *said);
void said_done(struct said *said); /* For AUTO. */
void said_clear(struct said *said);
void said_add(struct said *said, enum turn_item_kind kind, struct bytes piece);
/* The thinking that came last is whole, and signed. */
void said_sign(struct said *said, struct bytes signature);
struct said_call {
    struct bytes id, name, arguments;
    bool cut;
};
void said_add_call(struct said *said, const struct said_call *call);
MUST_CHECK bool said_has_calls(const struct said *said);
MUST_CHECK bool said_has_cut_call(const struct said *said);

/* As the engine takes them; borrowed from `said`. `maker`: of thinking. The array is the caller's,
 * of at least said->count. */
void said_items(const struct said *said, struct bytes maker, struct turn_item *items);

#endif
