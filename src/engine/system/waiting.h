/* waiting.h: all that waits for a person, as one list: the desk.
 *
 *   {"count": n, "kinds": {KIND: n, …}, "more": whether rows are left out,
 *    "items": [{"kind", "id", "project", "name", "text", "about", "by", "run", "session",
 *               "since_ms", "until_ms", "seq", "runs"}, …]}     the longest wait first
 *
 *   ask        a question of an agent or a program     id: apr_…; name: its step
 *   question, plan, review    of a task                id: tsk_…; name: T-n; by: its agent
 *   stopped    a blocked task without a question: only a person moves it
 *   mail       a request to a person                   name: its title; by: its sender
 *   delivery   a result that cannot be delivered       name: its receiver; about: why
 *   budget     runs wait for room in it                id, name: its scope; runs: how many
 *   agent      cools down                              id, name: the agent; until_ms
 *   task_failed, run_failed, session_failed            that nobody has looked at, or decided about
 *
 * Judges     a result waits for a person where no agent judges it (board_person_judges).
 * Bounds     WAITING_MAX rows of each kind of row are looked at, the oldest; counts stop there.
 *            Of runs that wait for a budget 10,000 are counted.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_SYSTEM_WAITING_H
#define DROVER_ENGINE_SYSTEM_WAITING_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "store/store.h"

enum { WAITING_MAX = 1000 };

/* Appends the object, with at most `limit` rows. */
MUST_CHECK struct err tx_waiting(struct tx *tx, struct bytes owner, int64_t limit,
                                 struct text *text);

#endif
