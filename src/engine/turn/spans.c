/* spans.c: the steps of a turn as spans: what was asked of whom, and what came of it. */
#include "engine/turn/cards.h"

#include "engine/trace/spans.h"

static struct span_key key_of(const struct turn *turn, int64_t step) {
    return (struct span_key){.run = turn->run.id, .attempt = turn->run.attempt, .step = step};
}

static struct span_start start_of(const struct turn *turn, int64_t step, enum span_kind kind) {
    return (struct span_start){.key = key_of(turn, step),
                               .kind = kind,
                               .name = turn->row.model,
                               .input = {"", 0},
                               .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN}};
}

/* The span of a call of a model, or of a look at one, ends as its cause says. */
static struct span_end end_of(const struct turn *turn, int64_t step, enum run_cause cause) {
    cause = cause == CAUSE_NONE ? CAUSE_COMPLETED : cause;
    return (struct span_end){.key = key_of(turn, step),
                             .state = bytes_of(run_state_name(turn_end_state(cause))),
                             .cause = bytes_of(run_cause_name(cause)),
                             .error = {"", 0},
                             .output = {"", 0},
                             .tokens = SPAN_TOKENS_UNKNOWN,
                             .cost = SPAN_UNKNOWN,
                             .tries = 1,
                             .exit_code = SPAN_UNKNOWN,
                             .cpu_us = SPAN_UNKNOWN,
                             .memory_kb = SPAN_UNKNOWN};
}

static void end_add_usage(struct span_end *end, const struct usage *usage,
                          const struct usage_cost *cost, int64_t tries) {
    end->tokens = (struct span_tokens){.fresh = usage->fresh,
                                       .cache_read = usage->cache_read,
                                       .cache_write = usage->cache_write,
                                       .output = usage->output,
                                       .reasoning = usage->reasoning};
    end->cost = cost->known ? cost->micros : SPAN_UNKNOWN;
    end->estimated = usage->estimated;
    end->tries = tries > 0 ? tries : 1;
}

/* --- Calls of the model ----------------------------------------------------------------------- */

/* History is stored once, as messages: a prompt is never copied here. */
struct err turns__span_call(struct tx *tx, const struct turn *turn) {
    struct span_start start = start_of(turn, turn->row.call, SPAN_MODEL);
    start.reserve = (struct span_reserve){turn->row.granted.of[AMOUNT_TOKENS],
                                          turn->row.granted.of[AMOUNT_COST]};
    return tx_span_start(tx, &start);
}

struct err turns__span_cut_off(struct tx *tx, const struct turn *turn) {
    struct span_end end = end_of(turn, turn->row.call, CAUSE_OUTCOME_UNKNOWN);
    end.state = bytes_of(run_state_name(RUN_LOST));
    end.estimated = true;
    return tx_span_end(tx, &end, NULL /* the turn is fenced */);
}

struct err turns__span_call_end(struct tx *tx, const struct turn *turn,
                                const struct turn_answer *answer) {
    struct span_end end =
        end_of(turn, answer->step, answer->stopped ? CAUSE_STOPPED : answer->failure);
    end.error = answer->sentence;
    end.prompt = answer->prompt;
    end_add_usage(&end, &answer->usage, &answer->cost, answer->tries);
    return tx_span_end(tx, &end, NULL /* the turn is fenced */);
}

struct err turns__span_compaction(struct tx *tx, struct turn *turn,
                                  const struct turn_compacted *compacted) {
    int64_t step = ++turn->row.step;
    const struct span_start start = start_of(turn, step, SPAN_COMPACTION);
    struct span_end end = end_of(turn, step, compacted->failure);
    end.error = compacted->sentence;
    end.output = compacted->summary;
    end_add_usage(&end, &compacted->usage, &compacted->cost, compacted->tries);
    struct err err = tx_span_start(tx, &start);
    return err_failed(err) ? err : tx_span_end(tx, &end, NULL /* the turn is fenced */);
}

/* --- Calls of tools --------------------------------------------------------------------------- */

/* Steps of an answer's cards follow the step of the call that made them. */
static int64_t step_of(struct tx *tx, const struct turn *turn, const struct card *card) {
    return tx_number(tx,
                     "SELECT $2 + count(*) FROM parts WHERE message = $1 AND kind = 'tool'"
                     " AND step = $2 AND number <= $3",
                     ARGS(arg_int(turn->row.answer), arg_int(card->step), arg_int(card->number)),
                     0);
}

/* Steps of reviews follow those of all cards of that answer. */
static int64_t review_step_of(struct tx *tx, const struct turn *turn, const struct card *card) {
    return tx_number(tx,
                     "SELECT $2 + count(*) + COALESCE(sum(CASE WHEN number <= $3 THEN 1 ELSE 0"
                     " END), 0) FROM parts WHERE message = $1 AND kind = 'tool' AND step = $2",
                     ARGS(arg_int(turn->row.answer), arg_int(card->step), arg_int(card->number)),
                     0);
}

/* A step that begins again after a crash has its span already. */
static struct err span_begin_once(struct tx *tx, const struct span_start *start) {
    int64_t begun = tx_number(
        tx, "SELECT 1 FROM spans WHERE run = $1 AND attempt = $2 AND step = $3",
        ARGS(arg_int(start->key.run), arg_int(start->key.attempt), arg_int(start->key.step)), 0);
    return begun != 0 ? tx_error(tx) : tx_span_start(tx, start);
}

static struct bytes input_of(const struct card *card) {
    return card->malformed.len > 0 ? card->malformed : card->arguments;
}

struct err turns__span_card(struct tx *tx, const struct turn *turn, const struct card *card) {
    struct span_start start = start_of(turn, step_of(tx, turn, card), SPAN_TOOL);
    start.name = card->tool;
    start.input = input_of(card);
    return span_begin_once(tx, &start);
}

/* A call that was refused never began: it has no span, and that is no error. One that goes on in
 * the background has done its part: its run has a trace of its own. */
struct err turns__span_card_end(struct tx *tx, const struct turn *turn, const struct card *card,
                                struct bytes result) {
    bool late = false, pending = card->state == PART_STATE_PENDING;
    struct span_end end = end_of(turn, step_of(tx, turn, card), CAUSE_COMPLETED);
    end.state = bytes_of(part_state_name(pending ? PART_STATE_SUCCEEDED : card->state));
    if (card->cause != CARD_DONE) {
        end.cause = bytes_of(card_cause_name(card->cause));
    } else if (pending) {
        end.cause = bytes_of(part_state_name(card->state));
    }
    end.output = result;
    return tx_span_end(tx, &end, &late);
}

/* --- Reviews ---------------------------------------------------------------------------------- */

struct err turns__span_review(struct tx *tx, const struct turn *turn, const struct card *card,
                              struct bytes model) {
    struct span_start start = start_of(turn, review_step_of(tx, turn, card), SPAN_REVIEW);
    start.name = model;
    start.input = input_of(card);
    return span_begin_once(tx, &start);
}

struct bytes turns__span_review_model(struct tx *tx, const struct turn *turn,
                                      const struct card *card) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT name FROM spans WHERE run = $1 AND attempt = $2 AND step = $3",
               ARGS(arg_int(turn->run.id), arg_int(turn->run.attempt),
                    arg_int(review_step_of(tx, turn, card))));
    return rows == NULL ? turn->row.model : rows_copy(rows, 0);
}

struct err turns__span_review_end(struct tx *tx, const struct turn *turn, const struct card *card,
                                  const struct turn_review_end *review) {
    bool late = false;
    struct span_end end = end_of(turn, review_step_of(tx, turn, card), review->failure);
    end.output = review->reason;
    if (review->asked) {
        end_add_usage(&end, &review->usage, &review->cost, review->tries);
    }
    return tx_span_end(tx, &end, &late);
}
