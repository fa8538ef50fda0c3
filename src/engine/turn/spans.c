/* spans.c: the steps of a turn as spans: what was asked of whom, and what came of it. */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/memory.h"
#include "engine/trace/spans.h"

static struct span_key key_of(const struct turn *turn, int64_t step) {
    return (struct span_key){.run = turn->run.id, .attempt = turn->run.attempt, .step = step};
}

static struct bytes word(const char *text) {
    return bytes_of(text);
}

/* --- Calls of the model ----------------------------------------------------------------------- */

/* History is stored once, as messages: a prompt is never copied here. */
struct err turns__span_call(struct tx *tx, const struct turn *turn) {
    const struct span_start start = {
        .key = key_of(turn, turn->row.call),
        .kind = SPAN_MODEL,
        .name = turn->row.model,
        .input = {"", 0},
        .reserve = {turn->row.granted.of[AMOUNT_TOKENS], turn->row.granted.of[AMOUNT_COST]}};
    return tx_span_start(tx, &start);
}

static struct span_end end_of(const struct turn *turn, int64_t step) {
    return (struct span_end){.key = key_of(turn, step),
                             .cause = {"", 0},
                             .error = {"", 0},
                             .output = {"", 0},
                             .tokens = SPAN_TOKENS_UNKNOWN,
                             .cost = SPAN_UNKNOWN,
                             .tries = 1,
                             .exit_code = SPAN_UNKNOWN,
                             .cpu_us = SPAN_UNKNOWN,
                             .memory_kb = SPAN_UNKNOWN};
}

static void add_usage(const struct usage *usage, const struct usage_cost *cost, int64_t tries,
                      struct span_end *end) {
    end->tokens = (struct span_tokens){.fresh = usage->fresh,
                                       .cache_read = usage->cache_read,
                                       .cache_write = usage->cache_write,
                                       .output = usage->output,
                                       .reasoning = usage->reasoning};
    end->cost = cost->known ? cost->micros : SPAN_UNKNOWN;
    end->estimated = usage->estimated;
    end->tries = tries > 0 ? tries : 1;
}

struct err turns__span_cut_off(struct tx *tx, const struct turn *turn) {
    struct span_end end = end_of(turn, turn->row.call);
    end.state = word(run_state_name(RUN_LOST));
    end.cause = word(run_cause_name(CAUSE_OUTCOME_UNKNOWN));
    end.estimated = true;
    return tx_span_end(tx, &end, NULL /* the turn is fenced */);
}

struct err turns__span_call_end(struct tx *tx, const struct turn *turn,
                                const struct turn_answer *answer) {
    struct span_end end = end_of(turn, answer->step);
    enum run_cause cause = answer->stopped                 ? CAUSE_STOPPED
                           : answer->failure == CAUSE_NONE ? CAUSE_COMPLETED
                                                           : answer->failure;
    end.state = word(run_state_name(turn_end_state(cause)));
    end.cause = word(run_cause_name(cause));
    end.error = answer->sentence;
    end.prompt = answer->prompt;
    add_usage(&answer->usage, &answer->cost, answer->tries, &end);
    return tx_span_end(tx, &end, NULL /* the turn is fenced */);
}

struct err turns__span_compaction(struct tx *tx, struct turn *turn,
                                  const struct turn_compacted *compacted) {
    int64_t step = ++turn->row.step;
    const struct span_start start = {.key = key_of(turn, step),
                                     .kind = SPAN_COMPACTION,
                                     .name = turn->row.model,
                                     .input = {"", 0},
                                     .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN}};
    struct span_end end = end_of(turn, step);
    enum run_cause cause = compacted->failure == CAUSE_NONE ? CAUSE_COMPLETED : compacted->failure;
    end.state = word(run_state_name(turn_end_state(cause)));
    end.cause = word(run_cause_name(cause));
    end.error = compacted->sentence;
    end.output = compacted->summary;
    add_usage(&compacted->usage, &compacted->cost, compacted->tries, &end);
    struct err err = tx_span_start(tx, &start);
    return err_failed(err) ? err : tx_span_end(tx, &end, NULL /* the turn is fenced */);
}

/* --- Calls of tools --------------------------------------------------------------------------- */

static struct err is_begun(struct tx *tx, const struct turn *turn, int64_t step, bool *ret_begun) {
    const struct arg args[] = {arg_int(turn->run.id), arg_int(turn->run.attempt), arg_int(step)};
    const struct run_ask ask = {
        .sql = "SELECT 1 FROM spans WHERE run = $1 AND attempt = $2 AND step = $3",
        .args = args,
        .count = COUNT_OF(args)};
    int64_t begun = 0;
    struct err err = runs__int(tx, &ask, &begun);
    *ret_begun = begun != 0;
    return err;
}

static struct bytes input_of(const struct card *card) {
    return card->malformed.len > 0 ? card->malformed : card->arguments;
}

/* One that begins again after a crash has its span already. */
struct err turns__span_card(struct tx *tx, const struct turn *turn, const struct card *card) {
    int64_t step = 0;
    struct err err = cards__span(tx, turn->row.answer, card, &step);
    if (err_failed(err)) {
        return err;
    }
    bool begun = false;
    err = is_begun(tx, turn, step, &begun);
    if (err_failed(err) || begun) {
        return err;
    }
    const struct span_start start = {.key = key_of(turn, step),
                                     .kind = SPAN_TOOL,
                                     .name = card->tool,
                                     .input = input_of(card),
                                     .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN}};
    return tx_span_start(tx, &start);
}

/* A call that was refused never began: it has no span, and that is no error. One that goes on in
 * the background has done its part: its run has a trace of its own. */
struct err turns__span_card_end(struct tx *tx, const struct turn *turn, const struct card *card,
                                struct bytes result) {
    int64_t step = 0;
    bool late = false;
    struct err err = cards__span(tx, turn->row.answer, card, &step);
    if (err_failed(err)) {
        return err;
    }
    struct span_end end = end_of(turn, step);
    bool pending = card->state == PART_STATE_PENDING;
    end.state = word(part_state_name(pending ? PART_STATE_SUCCEEDED : card->state));
    end.cause = word(card->cause != CARD_DONE ? card_cause_name(card->cause)
                     : pending                ? part_state_name(card->state)
                                              : run_cause_name(CAUSE_COMPLETED));
    end.output = result;
    return tx_span_end(tx, &end, &late);
}

/* --- Reviews ---------------------------------------------------------------------------------- */

/* One that a crash cut off is asked again under the same step. */
struct err turns__span_review(struct tx *tx, const struct turn *turn, const struct card *card,
                              struct bytes model) {
    int64_t step = 0;
    bool begun = false;
    struct err err = cards__review_span(tx, turn->row.answer, card, &step);
    if (!err_failed(err)) {
        err = is_begun(tx, turn, step, &begun);
    }
    if (err_failed(err) || begun) {
        return err;
    }
    const struct span_start start = {.key = key_of(turn, step),
                                     .kind = SPAN_REVIEW,
                                     .name = model,
                                     .input = input_of(card),
                                     .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN}};
    return tx_span_start(tx, &start);
}

struct err turns__span_review_model(struct tx *tx, const struct turn *turn, const struct card *card,
                                    struct bytes *ret_model) {
    int64_t step = 0;
    *ret_model = turn->row.model;
    struct err err = cards__review_span(tx, turn->row.answer, card, &step);
    if (err_failed(err)) {
        return err;
    }
    const struct arg args[] = {arg_int(turn->run.id), arg_int(turn->run.attempt), arg_int(step)};
    AUTO(rows_release) struct rows *rows = NULL;
    err = tx_first(tx, "SELECT name FROM spans WHERE run = $1 AND attempt = $2 AND step = $3", args,
                   COUNT_OF(args), &rows);
    if (!err_failed(err) && rows != NULL) {
        struct bytes name = rows_text(rows, 0);
        const char *copy = arena_try_copy(tx_arena(tx), name.data, name.len);
        *ret_model = (struct bytes){copy, name.len};
        err = copy == NULL ? err_make(ERR_OUT_OF_MEMORY, "turns: model") : ERR_OK;
    }
    return err;
}

struct err turns__span_review_end(struct tx *tx, const struct turn *turn, const struct card *card,
                                  const struct turn_review_end *review) {
    int64_t step = 0;
    bool late = false;
    struct err err = cards__review_span(tx, turn->row.answer, card, &step);
    if (err_failed(err)) {
        return err;
    }
    struct span_end end = end_of(turn, step);
    enum run_cause cause = review->failure == CAUSE_NONE ? CAUSE_COMPLETED : review->failure;
    end.state = word(run_state_name(turn_end_state(cause)));
    end.cause = word(run_cause_name(cause));
    end.output = review->reason;
    if (review->asked) {
        add_usage(&review->usage, &review->cost, review->tries, &end);
    }
    return tx_span_end(tx, &end, &late);
}
