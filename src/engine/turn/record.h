/* record.h: records that the steps of a turn leave beside its message: budgets, usage, spans, and
 * events on the session's stream. Only the engine includes it.
 *
 * Failure    the transaction keeps every error; but events answer with theirs, and that of a text
 *            which is too long is not kept.
 */
#ifndef DROVER_ENGINE_TURN_RECORD_H
#define DROVER_ENGINE_TURN_RECORD_H

#include "engine/budget/budget.h"
#include "engine/job/input.h"
#include "engine/session/checkpoints.h"
#include "engine/trace/spans.h"
#include "engine/trace/usage_totals.h"
#include "engine/turn/cards.h"

/* --- Budgets ---------------------------------------------------------------------------------- */

/* Before a call of this model begins, budgets hold back the amounts that it may spend: a call of
 * the turn's own, "model:", or a review, "review:". BUDGET_WAITS: the turn is notified when it may
 * ask again; not for one that `begun`. The caller keeps the grant in the turn's row. */
MUST_CHECK struct budget_answer turns__budget_ask(struct tx *tx, struct turn *turn,
                                                  const struct run_bounds *bounds, const char *kind,
                                                  struct bytes model, bool begun);
/* In the commit of its end. */
enum call_end {
    CALL_ANSWERED, /* The next one may take as much. */
    CALL_FAILED,   /* Says nothing about the next one. */
    CALL_CUT_OFF,  /* By a crash: its grant is charged, and `took` may be NULL. */
    CALL_BESIDE,   /* A summary beside the turn's own call, held back by nobody. */
};
void turns__budget_settle(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                          enum call_end end, const struct amounts *took);
/* The same for a review, which other reviews of the turn may be out beside. */
void turns__budget_end_review(struct tx *tx, struct turn *turn, const struct turn_review_end *end);
struct amounts turns__amounts(const struct usage *usage, const struct usage_cost *cost);

/* --- Usage, and spans of calls ---------------------------------------------------------------- */

/* A call from its begin to its end: written when the call is over, so a crash leaves nothing. */
struct call_span {
    const struct run_row *run; /* Borrowed. */
    int64_t step;
    enum span_kind kind;
    enum usage_category category;
    struct bytes model;
    const struct usage *usage;     /* Borrowed. */
    const struct usage_cost *cost; /* Borrowed. */
    const int64_t *prompt;         /* Bytes of its parts; NULL: not measured. */
    int64_t calls;                 /* 0: one. */
    enum run_cause cause;
    struct bytes sentence, output;
    int64_t tries;
};
void calls__span(struct tx *tx, const struct call_span *call);
/* Adds category, model, usage, cost and calls to the sums of the session, of the row, too, and of
 * the day. */
void calls__count(struct tx *tx, struct session_row *session, const struct call_span *call);

void turns__span_call(struct tx *tx, const struct turn *turn);
/* Whether the answer says what it took: else neither its span nor a sum has anything of it. */
MUST_CHECK bool turns__tells_usage(const struct turn_answer *answer);
void turns__span_call_end(struct tx *tx, const struct turn *turn, const struct turn_answer *answer);
/* The call that a crash cut off: what it was given is charged, and marked as estimated. */
void turns__span_cut_off(struct tx *tx, const struct turn *turn);
/* SPAN_TOOL: the call of the card; SPAN_REVIEW: its review by the model of that name. It is begun
 * once, however often it is asked. */
void turns__span_card(struct tx *tx, const struct turn *turn, const struct card *card,
                      enum span_kind kind, struct bytes name);
/* *ret_ms: duration of the call; SPAN_UNKNOWN: it never began. */
void turns__span_card_end(struct tx *tx, const struct turn *turn, const struct card *card,
                          struct bytes result, int64_t *ret_ms);
/* Model of the review, in the arena. */
struct bytes turns__span_review_model(struct tx *tx, const struct turn *turn,
                                      const struct card *card);
void turns__span_review_end(struct tx *tx, const struct turn *turn, const struct card *card,
                            const struct turn_review_end *end);

/* --- Events ----------------------------------------------------------------------------------- */

/* {"run","message", for further members; and the end of the object, which is appended. */
struct text turns__event_open(const struct turn *turn);
MUST_CHECK struct err turns__event_close(struct tx *tx, const struct session_row *session,
                                         const char *type, struct text *data);
/* The end of an event `usage`: of the call (NULL: none was made), of the session, and how full the
 * window is. */
void turns__event_usage(struct tx *tx, const struct session_row *session, const struct usage *usage,
                        const struct usage_cost *cost, struct text *data);
void turns__event_card_started(struct tx *tx, const struct turn *turn, const struct card *card);
MUST_CHECK struct err turns__event_card_finished(struct tx *tx, const struct turn *turn,
                                                 const struct card *card, struct bytes result,
                                                 int64_t ms);
void turns__event_card_reviewed(struct tx *tx, const struct turn *turn, const struct card *card,
                                const struct turn_review_end *end);
/* For a person; `wait` not NULL: for its provider. */
void turns__event_waiting(struct tx *tx, const struct turn *turn, const struct provider_wait *wait);
/* For a budget; NULL: not any more. */
void turns__event_budget(struct tx *tx, const struct turn *turn, const char *type,
                         const struct budget_answer *wait);
MUST_CHECK struct err turns__event_finished(struct tx *tx, const struct turn *turn);

/* --- Programs (program.c) --------------------------------------------------------------------- */

struct turn_item;
struct program_mark;
/* A tool of a program, its end, or a question about it. */
void programs__add_item(struct tx *tx, struct turn *turn, const struct turn_item *item,
                        int64_t step);
struct program_asked {
    struct bytes question;
    struct card card;
};
json_t *programs__read_asked(const struct turn *turn); /* Owned by the caller: an array. */
/* Questions that are answered, whose answer the program has not got yet; at most `max`. */
size_t programs__answered(struct tx *tx, const struct turn *turn, struct program_asked *ret_asked,
                          size_t max);
/* Makes the answer shorter, where it may have no room for that of one more call (condense.c). */
void programs__make_room(struct tx *tx, struct turn *turn);
void programs__mark(struct tx *tx, struct turn *turn, const struct program_mark *mark);
/* Bytes for its input, or the end of that. Nothing where it takes none any more. */
void programs__input(struct tx *tx, const struct run_row *process, struct bytes input,
                     enum run_input_end end);
/* Another process follows. `tries`: attempts in a row with that outcome. */
void programs__leave(struct tx *tx, struct turn *turn, struct bytes outcome, int64_t tries);

/* --- Messages that come while a program answers (steering.c) ---------------------------------- */

/* Whether a message may join the answer of that turn now. *ret_process: the process that takes it;
 * id 0: none has begun, and the prompt of the one that will has the message. */
MUST_CHECK bool programs__take(struct tx *tx, const struct session_row *session, int64_t run,
                               turn_line line, struct run_row *ret_process);
struct program_input {
    const struct run_row *process;
    struct bytes definition;
    turn_line line;
};
/* Adds the words of a message, and a sentence for each image: programs cannot be shown any. */
void programs__add_words(struct tx *tx, int64_t message, struct text *words);
struct program_task;
/* Words for the prompt of the process that begins: of messages that wait; and of those that earlier
 * turns ended without, though they are shown. */
/* Leaves the newest PROGRAM_HISTORY_MAX bytes, after a mark. */
void programs__shorten(struct text *history);
/* The last bytes of a text, from the begin of a character. */
struct bytes programs__end_of(struct bytes text, size_t len_max);
void programs__tell_waiting(struct tx *tx, const struct turn *turn, struct program_task *task);
void programs__tell_missed(struct tx *tx, const struct turn *turn, struct program_task *task);
/* The words of the message go to the input of the process, in this commit. */
void programs__send(struct tx *tx, const struct program_input *input, int64_t id,
                    struct bytes message);
/* Messages that wait: those up to `prompted` are in the prompt of the process, others are sent. */
void programs__send_waiting(struct tx *tx, const struct turn *turn,
                            const struct program_input *input, int64_t prompted);
/* The program has read the message of that name, and so all before it; "": the next one. They are
 * parts of the answer from here on. */
void programs__join(struct tx *tx, const struct turn *turn, struct bytes name, int64_t step);
/* A message becomes a part of the answer. */
void turns__join(struct tx *tx, const struct turn *turn, int64_t step, struct message_row *row);
/* The process is gone: messages that it has not read wait for the next one. */
void programs__take_back(struct tx *tx, const struct turn *turn);
/* After an answer (mark NULL: of a model): another process follows for messages that were not read,
 * while the turn may have one more; else the next turn has them in its prompt. */
void programs__answer_rest(struct tx *tx, struct turn *turn, const struct program_mark *mark);
/* A person is asked whether the call may be made. (answer.c) */
void turns__ask_person(struct tx *tx, const struct turn *turn, const struct card *card,
                       enum approval_kind kind);

#endif
