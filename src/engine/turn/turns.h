/* turns.h: the transactions of turns: what a session's agent says and does, a step at a time.
 *
 *   message ──tx_turn_submit──> a run of kind `turn`, one at a time in a session
 *   running ──tx_turn_begin──> plan ──(the dispatcher performs it)──> tx_turn_answer,
 *             tx_turn_card_end ──> plan ──> … ──> END, in the commit that knew it
 *
 * Promise    each function is the whole of one change: rows of the session, the message, the spans,
 *            the run, its events, what its end owes to others, and whoever goes next. Each is
 *            fenced by the run's attempt and state; what comes too late changes nothing and says so
 *            (`late`). What a turn does next is decided from rows alone (rules/turn/turn.h), in the
 *            commit of what happened last: a daemon that comes back asks tx_turn_begin, and goes
 *            on.
 * Once       a card's row says `running` before its tool begins. After a crash a `repeatable` tool
 *            runs again; of the others the model is told outcome_unknown.
 * Threads    inside a store function. Failure: as store.h; refusals are told in words.
 */
#ifndef DROVER_ENGINE_TURN_TURNS_H
#define DROVER_ENGINE_TURN_TURNS_H

#include "engine/turn/answers.h"
#include "engine/turn/prompt.h"

#endif
