/* approvals.h: what somebody is asked before a turn goes on: may it, or a question.
 *
 * Promise    an object of its own, durable, that any client of its owner can answer, at any time
 *            and after any restart; by default it waits, it is never taken for a no. The first
 *            answer wins; a later one is told of it. The answer, the card that waited for it and
 *            the turn that goes on are one commit.
 * Exact      what was allowed is one call with these very arguments on the file as it was shown.
 * Threads    inside a store function. Failure: as store.h; refusals have a sentence.
 */
#ifndef DROVER_ENGINE_APPROVAL_APPROVALS_H
#define DROVER_ENGINE_APPROVAL_APPROVALS_H

#include "base/base.h"
#include "base/err.h"
#include "base/fields/fields.h"
#include "base/text.h"
#include "engine/run/runs.h"
#include "store/store.h"

enum { APPROVAL_ANSWER_MAX = 32 << 10 };
/* The answer of a question that is cancelled while its turn goes on. */
#define APPROVAL_WITHDRAWN "the program has withdrawn this question"

enum approval_state {
    APPROVAL_OPEN,
    APPROVAL_ALLOWED,
    APPROVAL_DENIED,
    APPROVAL_ANSWERED,
    APPROVAL_CANCELLED,
    APPROVAL_STATE_COUNT
};
extern const char *const approval_state_names[]; /* By value; NULL ends them. */
const char *approval_state_name(enum approval_state state);

/* Texts live in the transaction's arena. */
struct approval_row {
    int64_t id;
    struct bytes approval; /* apr_… */
    struct bytes owner, session, run, message, tool, kind, digest;
    int64_t part;
    struct bytes arguments, about; /* JSON. */
    struct bytes shown;            /* Both as text for people: rules/approval/shown.h. */
    enum approval_state state;
    struct bytes answer, by;
    int64_t asked_ms, answered_ms;
};

struct approval_key {
    struct bytes owner, approval;
};
MUST_CHECK struct err tx_approval_find(struct tx *tx, const struct approval_key *key,
                                       bool *ret_found, struct approval_row *ret_row);

/* allow and deny of a call that asks for leave; answer of a question. */
enum approval_verb { APPROVAL_ALLOW, APPROVAL_DENY, APPROVAL_ANSWER };
struct approval_answer {
    struct approval_key key;
    enum approval_verb verb;
    struct bytes text; /* ANSWER: what the model is told, JSON; DENY: why, a sentence, or "". */
    struct bytes by;
};
/* ERR_NOT_FOUND. ERR_CONFLICT: somebody was first, and ret_row has that answer. ERR_BAD_FIELD: it
 * is a question, or it is none. */
MUST_CHECK struct err tx_approval_answer(struct tx *tx, const struct approval_answer *answer,
                                         struct approval_row *ret_row, struct why *why);

struct approval_page {
    struct bytes owner;
    int64_t before, limit; /* before: id; 0: from the newest. */
    bool all;              /* Also those that are answered. */
    int64_t session;       /* id: the open ones of this one alone; 0: of all. */
};
MUST_CHECK struct err tx_approval_each(struct tx *tx, const struct approval_page *page,
                                       struct err (*each)(void *ctx,
                                                          const struct approval_row *row),
                                       void *ctx);

extern const struct field_set approval_fields; /* Shown; rows: struct approval_row. */

#endif
