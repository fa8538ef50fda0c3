/* rows.h: the rows of turns, between the database and the rules. Only the engine includes it.
 *
 * A turn is a row of runs (its life), one of turns (how far it is), and the message that it writes,
 * whose parts are what it said and did. Cards are parts of kind `tool`.
 */
#ifndef DROVER_ENGINE_TURN_ROWS_H
#define DROVER_ENGINE_TURN_ROWS_H

#include "base/base.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/text.h"
#include "engine/approval/rows.h"
#include "engine/budget/budget.h"
#include "engine/run/rows.h"
#include "engine/session/message_rows.h"
#include "engine/session/rows.h"
#include "engine/turn/turns.h"

enum { TURN_CARDS_MAX = 128 }; /* Calls in one answer of a model; the rest is refused. */

/* What began it. */
#define TURN_TRIGGERS(X)                                                                           \
    X(MESSAGE, "message") /* A user's message. */                                                  \
    X(NOTICE, "notice")   /* A result that came: inbox rows are bound to it. */                    \
    X(AGAIN, "again")     /* A retry, a regeneration, or an edited message. */                     \
    X(COMPACT, "compact") /* Somebody wants it shorter: nothing is answered. */
enum turn_trigger {
#define X(trigger, name) TRIGGER_##trigger,
    TURN_TRIGGERS(X)
#undef X
        TURN_TRIGGER_COUNT
};

bool turns__trigger_known(struct bytes name);

struct turn_row {
    int64_t run, session; /* ids */
    int64_t number;       /* In its session, from 1; given by turns__insert. */
    enum turn_trigger trigger;
    int64_t question; /* The user's message; 0: none. */
    int64_t answer;   /* The message it writes. */
    struct bytes model;
    int64_t calls, calls_max;
    int64_t step;     /* The last one given out. */
    int64_t call;     /* The step of the model's call that is out; 0: none. */
    int64_t from_seq; /* Where the stream's events of that call begin. */
    int64_t mistakes, mistakes_told, repeats;
    int64_t check_run; /* id of the run that checks what was written; 0: none. */
    int64_t failed_checks;
    struct amounts granted; /* By the budgets above it, to the call that is out, or, while none is,
                             * to all reviews that are out. */
    struct bytes schema;    /* Of its answer: JSON; "": it is words. Read with its question. */
    int64_t misfits;        /* Answers that did not fit it. */
    int64_t truncated;      /* Answers in a row that their longest length cut off. */
    int64_t output_max;     /* Tokens of an answer, since one was cut off; 0: the model's own. */
    struct bytes last;      /* Digest of the last calls and their results; "". */
    bool begun, answered, last_call;
    bool wrote; /* A step wrote files, and nothing was checked since. */
};

MUST_CHECK bool turns__compacts(const struct turn_row *row);

/* Everything about one turn that a transaction holds. An answer that was removed is nowhere: what
 * is brought to it is counted, and neither stored nor told. */
struct turn {
    struct run_row run;
    struct turn_row row;
    struct session_row session;
    struct message_row answer;
    bool cut_off;         /* A crash cut its call off; the call is repeated. */
    int64_t tools_left;   /* Calls of tools that it may still make; -1: any number. */
    int64_t resume_at_ms; /* Of its failure: when asking may help; 0: nobody knows. */
};

/* A turn with its message and the place of its answer; not steered, not refused (submit.c). */
MUST_CHECK struct err turns__make(struct tx *tx, struct session_row *session,
                                  const struct turn_message *message, enum turn_trigger trigger,
                                  struct run_row *ret_run, struct why *why);
/* Sent again (repeat.c): *ret_found, and what was answered then. ERR_MESSAGE_EXISTS: with
 * another content. */
MUST_CHECK struct err turns__find_earlier(struct tx *tx, const struct turn_message *message,
                                          const struct session_row *session, bool *ret_found,
                                          struct turn_accepted *accepted, struct why *why);
/* Keeps it in the message that is about to be stored. */
MUST_CHECK struct err turns__note_decision(struct tx *tx, const struct turn_accepted *accepted,
                                           struct turn_message *message);
struct sha256_hex turns__digest(const struct turn_message *message);
/* A turn that answers a message which is there, once more. Of `message` the texts, and the ids of
 * run, question and answer. */
struct turn_variant {
    int64_t question; /* id */
    int64_t number;
};
MUST_CHECK struct err turns__make_again(struct tx *tx, struct session_row *session,
                                        const struct turn_message *message,
                                        const struct turn_variant *variant,
                                        struct run_row *ret_run);
/* A turn that only makes the conversation shorter; its answer is a note of that. */
MUST_CHECK struct err turns__make_compact(struct tx *tx, struct session_row *session,
                                          const struct turn_message *message,
                                          struct run_row *ret_run);
/* The answer that begins takes the place of the one that was active (regenerate.c). */
MUST_CHECK struct err turns__take_place(struct tx *tx, const struct turn *turn);
/* ERR_TURN_IN_PROGRESS, its run in `why`: one runs or waits. */
MUST_CHECK struct err turns__idle(struct tx *tx, const struct session_row *session,
                                  struct why *why);
/* One runs or waits. */
MUST_CHECK struct err turns__busy(struct tx *tx, const struct session_row *session, bool *ret_busy);
/* One that only makes the session shorter, and goes on with that. */
MUST_CHECK struct err turns__compacting(struct tx *tx, const struct session_row *session,
                                        bool *ret_found, struct run_row *ret_run);
/* The transaction keeps the errors of these three. */
void turns__insert(struct tx *tx, const struct turn_row *row);
void turns__write(struct tx *tx, const struct turn_row *row);
MUST_CHECK bool turns__find(struct tx *tx, int64_t run, struct turn_row *ret_row);
/* The turn with all that belongs to it. The fence: *ret_late where there is no such turn, or it
 * does not run in that attempt. */
MUST_CHECK struct err turns__load(struct tx *tx, const struct turn_key *key, bool *ret_late,
                                  struct turn *ret_turn);

/* Its place was taken away: the conversation was cleared. */
MUST_CHECK bool turns__is_cleared(const struct turn *turn);

/* turn->run is there: its turn, session and answer. *ret_found false: the session was deleted. */
MUST_CHECK struct err turns__load_rest(struct tx *tx, struct turn *turn, bool *ret_found);
/* The same by the id of the run, in whatever attempt and state. */
MUST_CHECK struct err turns__load_run(struct tx *tx, struct bytes run, bool *ret_found,
                                      struct turn *ret_turn);

/* The end that reads no text, with its event. Nothing is admitted. (end.c) */
MUST_CHECK struct err turns__end_alone(struct tx *tx, struct bytes sentence,
                                       const struct run_row *run, struct run_freed *freed);

/* The text of its last step, in the arena. (reply.c) */
MUST_CHECK struct err turns__said(struct tx *tx, int64_t run, struct bytes *ret_text);
/* The same, for the notices of its end. */
MUST_CHECK struct err turns__output(struct tx *tx, const struct run_row *run,
                                    struct bytes *ret_text);

/* The end of a turn of a session that has a parent makes room for another one. (subagents.c) */
MUST_CHECK struct err subagents__ended(struct tx *tx, int64_t session, struct run_freed *freed);

/* --- Approvals (approvals.c) ------------------------------------------------------------------ */

struct card;
MUST_CHECK struct err turns__ask(struct tx *tx, const struct turn *turn, const struct card *card,
                                 enum turn_asks asks);

/* --- Notes of summaries (summary_note.c)
 * --------------------------------------------------------- */

/* As the answer of a turn that only does this. *ret_words: what it says, in the arena. */
MUST_CHECK struct err turns__note(struct tx *tx, const struct turn *turn,
                                  const struct turn_compacted *compacted, struct bytes *ret_words);
/* Of one that was made for a call of a turn: before its question or its answer. */
MUST_CHECK struct err turns__note_before(struct tx *tx, struct turn *turn,
                                         const struct turn_compacted *compacted);

/* --- Steps (step.c) ---------------------------------------------------------------------- */

/* What it does next: written, and told to the plan. The last step of every transaction here. */
MUST_CHECK struct err turns__advance(struct tx *tx, struct turn *turn,
                                     const struct run_bounds *bounds, struct turn_plan *plan);

void turns__plan_begin(struct turn_plan *plan);
/* For the model, behind the step that was taken last. */
MUST_CHECK struct err turns__add_notice(struct tx *tx, const struct turn *turn, struct bytes words);

/* --- Spans (spans.c) ---------------------------------------------------------------------- */

MUST_CHECK struct err turns__span_call(struct tx *tx, const struct turn *turn);
MUST_CHECK struct err turns__span_card(struct tx *tx, const struct turn *turn,
                                       const struct card *card);
/* The call that a crash cut off: what it was given is charged, and marked as estimated. */
MUST_CHECK struct err turns__span_cut_off(struct tx *tx, const struct turn *turn);
MUST_CHECK struct err turns__span_call_end(struct tx *tx, const struct turn *turn,
                                           const struct turn_answer *answer);
MUST_CHECK struct err turns__span_card_end(struct tx *tx, const struct turn *turn,
                                           const struct card *card, struct bytes result);

/* The card's review: begun once, however often it is asked; ended as the cause says. */
MUST_CHECK struct err turns__span_review(struct tx *tx, const struct turn *turn,
                                         const struct card *card, struct bytes model);
/* From its begin to its end: it is told when it is over. */
MUST_CHECK struct err turns__span_compaction(struct tx *tx, struct turn *turn,
                                             const struct turn_compacted *compacted);
/* Model of the review, in the arena. */
MUST_CHECK struct bytes turns__span_review_model(struct tx *tx, const struct turn *turn,
                                                 const struct card *card);
MUST_CHECK struct err turns__span_review_end(struct tx *tx, const struct turn *turn,
                                             const struct card *card,
                                             const struct turn_review_end *end);

/* --- Answers (answer.c) ------------------------------------------------------------------ */

/* It is in a final state already: written, with its result, and told. */
MUST_CHECK struct err turns__close_card(struct tx *tx, struct turn *turn, const struct card *card,
                                        struct bytes result);

/* Called by runs__end for a run that may be a card's child (child.c). */
MUST_CHECK struct err turns__child_ended(struct tx *tx, const struct run_row *child,
                                         struct bytes output);

/* --- Budgets of calls (budget.c) --------------------------------------------------------- */

/* What a call of the model may spend is held back before it begins. BUDGET_WAITS: the turn is told
 * when it may ask again. *ret_why: of the other two, in the arena. */
MUST_CHECK struct err turns__budget_ask(struct tx *tx, struct turn *turn,
                                        const struct run_bounds *bounds,
                                        enum budget_verdict *ret_verdict, struct bytes *ret_why);
/* In the commit of its end. `took` NULL: a crash cut it off, and what it was granted is charged. */
MUST_CHECK struct err turns__budget_spend(struct tx *tx, struct turn *turn,
                                          const struct run_bounds *bounds,
                                          const struct amounts *took);
/* Of one that failed: what it took says nothing about the next one. */
MUST_CHECK struct err turns__budget_return(struct tx *tx, struct turn *turn,
                                           const struct run_bounds *bounds,
                                           const struct amounts *took);
/* What was spent beside the turn's own calls, and held back by nobody: a summary. */
MUST_CHECK struct err turns__budget_charge(struct tx *tx, struct turn *turn,
                                           const struct run_bounds *bounds,
                                           const struct amounts *took);
/* The same for a review, which other reviews of the turn may be out beside. */
MUST_CHECK struct err turns__budget_ask_review(struct tx *tx, struct turn *turn,
                                               const struct turn_review_begin *begin,
                                               struct turn_review_begun *begun);
MUST_CHECK struct err turns__budget_end_review(struct tx *tx, struct turn *turn,
                                               const struct turn_review_end *end);
/* A wait for a person begins or ends now, beside the change of the run's state: it is no time of
 * the turn's own. */
enum turn_wait { TURN_WAIT_BEGINS, TURN_WAIT_ENDS };
MUST_CHECK struct err turns__wait(struct tx *tx, const struct turn *turn, enum turn_wait wait);
/* A wait for its provider is over, if it is in one. */
MUST_CHECK struct err turns__provider_ask(struct tx *tx, struct turn *turn);
struct amounts turns__amounts(const struct usage *usage, const struct usage_cost *cost);

/* Fills in turn->tools_left, from the settings of its session and the calls that it has made. */
void turns__count_tools(struct tx *tx, struct turn *turn);

/* --- Checks (child.c) -------------------------------------------------------------------- */

/* Whether one runs, or has ended. */
MUST_CHECK struct err turns__check_find(struct tx *tx, struct turn *turn,
                                        enum turn_check *ret_check, struct run_row *ret_run);

/* --- Ends (end.c) ------------------------------------------------------------------------ */

/* Ends it: the run, and by turns__ended all the rest; admits who is next. */
MUST_CHECK struct err turns__end(struct tx *tx, struct turn *turn, enum run_cause cause,
                                 struct bytes sentence, const struct run_bounds *bounds);
/* JSON array, in the arena: what the turn's tools did, which stays done when it is rolled back. */
MUST_CHECK struct bytes turns__list_undone(struct tx *tx, int64_t run);
/* Called by runs__end for a turn, however it ended: closes its message. */
MUST_CHECK struct err turns__ended(struct tx *tx, const struct run_row *run,
                                   struct run_freed *freed);

/* --- Titles (titles.c) ------------------------------------------------------------------------ */

/* The turn has ended: a session without a title is on its way to one. */
MUST_CHECK struct err titles__wish(struct tx *tx, const struct turn *turn, struct run_freed *freed);
/* Called by runs__end for a run of this kind, however it ended. */
MUST_CHECK struct err titles__ended(struct tx *tx, const struct run_row *run,
                                    struct run_freed *freed);

/* --- What the call that is out has said so far (reply.c) --------------------------- */

struct turn_said {
    struct text text, thinking; /* Owned: turns__said_done, whatever turns__hear said. */
};
MUST_CHECK struct err turns__hear(struct tx *tx, const struct session_row *session,
                                  const struct turn_row *row, struct turn_said *said);
void turns__said_done(struct turn_said *said);
/* A dead daemon had stored it: it becomes part of the message. */
MUST_CHECK struct err turns__keep_said(struct tx *tx, const struct turn *turn);

/* --- Events, on the session's stream (events.c) ------------------------------------------- */

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
struct checkpoint;
MUST_CHECK struct err turns__event_compacted(struct tx *tx, const struct turn *turn,
                                             const struct checkpoint *checkpoint);
MUST_CHECK struct err turns__event_review_usage(struct tx *tx, const struct turn *turn,
                                                const struct turn_review_end *end);
MUST_CHECK struct err turns__event_usage(struct tx *tx, const struct turn *turn,
                                         const struct usage *usage, const struct usage_cost *cost);
struct title_end;
MUST_CHECK struct err titles__event_usage(struct tx *tx, const struct session_row *session,
                                          const struct run_row *run, const struct title_end *end);
MUST_CHECK struct err turns__event_waiting(struct tx *tx, const struct turn *turn);
MUST_CHECK struct err turns__event_provider_waiting(struct tx *tx, const struct turn *turn,
                                                    const struct provider_wait *wait);
MUST_CHECK struct err turns__event_resumed(struct tx *tx, const struct turn *turn);
MUST_CHECK struct err turns__event_finished(struct tx *tx, const struct turn *turn);
/* {"fresh", …, "cost_micros"} */
void turns__write_usage(const struct usage *usage, const struct usage_cost *cost,
                        struct text *text);

#endif
