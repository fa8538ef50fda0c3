/* approvals.h: questions of runs to a person. The subject of a question is a run and a step of it,
 * which the run names, and the part of a message where a turn asks about a call of a tool.
 *
 *   open ──> allowed, denied, answered      the first answer, which is final
 *     └────> cancelled                      the run has ended, or asks something else
 *
 * Promise    an object of its own, durable, that any client of its owner can answer, at any time
 *            and after any restart; by default it waits, it is never taken for a no. The first
 *            answer wins: repeating it has no effect, and another answer is refused. The answer,
 *            its event, the rule that it leaves behind (rules/approval/always.h) and its effect on
 *            the run (`answered` in engine/run/kinds.h) are one commit. No question outlives its
 *            run.
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
#include "rules/approval/question.h"
#include "store/store.h"

enum {
    APPROVAL_ANSWER_MAX = 32 << 10,
    APPROVAL_STEP_MAX = 100,     /* Bytes of the name of a step. */
    APPROVALS_OF_RUN_MAX = 1000, /* Questions that a program asks about one run. */
};
/* The answer of a question that is cancelled while its run goes on. */
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
    int64_t session_id, run_id, message_id; /* session_id, message_id: 0: none. */
    struct bytes approval;                  /* apr_… */
    struct bytes owner, session, run, message;
    struct bytes step; /* The tool, where a turn asks. */
    struct bytes digest;
    enum approval_kind kind;
    enum run_kind run_kind;
    int64_t run_parent; /* id; 0: none. */
    /* Where the run stands. title: of the session at the top, or label or command of the run there;
     * agent: label of the workflow's agent, or title of the subagent, or agent of the session;
     * phase: of the workflow's agent; root: folder of the session. "": none. */
    struct bytes title, project, root_run, agent, phase, root;
    int64_t depth;                 /* Number of runs above it. */
    int64_t part;                  /* Number in the message. */
    struct bytes arguments, about; /* JSON. */
    struct bytes shown;            /* Both as text for people: rules/approval/shown.h. */
    enum approval_state state;
    struct bytes answer, by;
    int64_t asked_ms, answered_ms;
    enum approval_scope scope; /* Scope of an answer that is being given; no column. */
};

struct approval_key {
    struct bytes owner, approval;
};
/* Also found by an approver of another owner whom the question names. */
MUST_CHECK struct err tx_approval_find(struct tx *tx, const struct approval_key *key,
                                       bool *ret_found, struct approval_row *ret_row);

/* Owner of the run of that name if a question of it names `approver`, who may read that run alone;
 * else "". */
MUST_CHECK struct err tx_approval_run_owner(struct tx *tx, struct bytes run, struct bytes approver,
                                            struct bytes *ret_owner);

/* The question of a program about a step of its run, or of one that it began. */
struct approval_asking {
    struct run_key run;
    struct bytes step;
    enum approval_kind kind;
    struct bytes arguments; /* {"question", "options"?, "schema"?}, which were checked. */
};
/* Asked again about the same step: the row as it is, answered or not. Another question about that
 * step withdraws the open one. ERR_NOT_FOUND: no such run; ERR_RUN_ENDED; ERR_CONFLICT: programs of
 * such a run do not ask so; ERR_TOO_MANY. */
MUST_CHECK struct err tx_approval_ask(struct tx *tx, const struct approval_asking *asking,
                                      struct approval_row *ret_row, struct why *why);

struct approval_answer {
    struct approval_key key;
    enum approval_verb verb;
    struct bytes text; /* Of a verb with a value: {MEMBER: value}; else why, a sentence, or "". */
    struct bytes by;
    struct bytes digest; /* Digest of the question as it was shown; "": any. */
    enum approval_scope scope;
    struct bytes subject; /* With a scope that writes a rule: its glob; "": none was named. */
};
/* ERR_NOT_FOUND. ERR_NOT_APPROVER: the question names who approves.
 * ERR_OTHER_QUESTION: its digest is another. ERR_CONFLICT: somebody was first with
 * another answer, which ret_row has. ERR_BAD_FIELD: no such answer fits the question. */
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

extern const struct resource approval_resource; /* Rows: struct approval_row. */

#endif
