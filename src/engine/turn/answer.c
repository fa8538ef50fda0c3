/* answer.c: what the model of a turn said, and what its tools did.
 *
 * Each of these ends with the question what is next (turns__advance), in the same commit. */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/session/checkpoints.h"
#include "engine/trace/usage_totals.h"

static const char interrupted_words[] = "It was stopped before it was done.";

static struct bytes words(const char *text) {
    return bytes_of(text);
}

/* --- What the model said ---------------------------------------------------------------------- */

/* A denial, a stop or a crash says nothing of the model: the row of its mistakes neither grows nor
 * ends by one. */
static void count_mistakes(struct turn_row *row, enum card_mark mark) {
    switch (mark) {
    case CARD_MARK_GOOD:
        row->mistakes = 0;
        row->mistakes_told = 0;
        break;
    case CARD_MARK_MISTAKE:
        row->mistakes++;
        break;
    case CARD_MARK_NEITHER:
        break;
    }
}

struct err turns__close_card(struct tx *tx, struct turn *turn, const struct card *card,
                             struct bytes result) {
    /* A denied call did not run, and is in the trace. */
    struct err err = card->state == PART_STATE_DENIED ? turns__span_card(tx, turn, card) : ERR_OK;
    if (!err_failed(err)) {
        err = cards__write(tx, turn->row.answer, card, result);
    }
    if (!err_failed(err)) {
        err = turns__span_card_end(tx, turn, card, result);
    }
    count_mistakes(&turn->row, card_cause_mark(card->cause));
    return err_failed(err) ? err : turns__event_card_finished(tx, turn, card, result);
}

static struct err add_thinking(struct tx *tx, const struct turn_item *item,
                               struct message_part *part) {
    AUTO(text_done) struct text data;
    text_init(&data, (size_t)8 << 20);
    text_add_str(&data, "{\"signature\":");
    text_add_json(&data, item->signature.data, item->signature.len);
    text_add_str(&data, ",\"maker\":");
    text_add_json(&data, item->maker.data, item->maker.len);
    text_add_char(&data, '}');
    if (text_failed(&data)) {
        return text_error(&data, "turns: thinking");
    }
    part->kind = PART_THINKING;
    part->data = (struct bytes){data.data, data.len};
    if (data.len > MESSAGE_DATA_MAX) { /* Without its signature nobody is shown it again. */
        part->data = BYTES("{}");
    }
    return cards__add_plain(tx, part);
}

/* Room for the names and words of a card's data beside what is counted here. */
enum { CARD_WORDS_MAX = 1 << 10 };
/* Bytes of arguments that are no JSON object. A byte takes six where it is escaped, and a list of
 * messages shows the data of a card whole or not at all (MESSAGE_BYTES_LIST). */
enum { MALFORMED_MAX = 32 << 10 };

/* A call that is longer than a card may be is refused: what cannot be stored, and shown to whoever
 * is asked, is not done. */
static struct turn_call call_of(const struct turn_item *item) {
    static const char too_long[] = "The arguments of this call are too long to be stored. Do it in "
                                   "several calls with less in each.";
    struct turn_call call = item->call;
    if (call.malformed.len > 0) {
        call.malformed.len = utf8_cut(call.malformed, MALFORMED_MAX);
        call.arguments = BYTES("null");
        call.about = call.digest = (struct bytes){"", 0};
        call.verdict = TURN_REFUSE;
        return call;
    }
    size_t len = call.arguments.len + call.about.len + call.digest.len;
    if (len > MESSAGE_DATA_MAX - CARD_WORDS_MAX || call.arguments.len > TURN_ARGUMENTS_MAX) {
        call.arguments = BYTES("{}");
        call.about = (struct bytes){"", 0};
        call.verdict = TURN_REFUSE;
        call.cause = CARD_TOO_LARGE;
        call.refusal = words(too_long);
    }
    return call;
}

static struct err add_card(struct tx *tx, struct turn *turn, const struct turn_item *item,
                           int64_t step) {
    struct turn_call whole = call_of(item), *call = &whole;
    if (!turns__take_tool(turn, &call->refusal)) {
        call->verdict = TURN_REFUSE;
        call->cause = CARD_TOOL_LIMIT;
    }
    static const enum part_state states[] = {[TURN_ALLOW] = PART_STATE_READY,
                                             [TURN_REVIEW] = PART_STATE_REVIEWING,
                                             [TURN_ASK] = PART_STATE_ASKING,
                                             [TURN_REFUSE] = PART_STATE_NONE};
    struct card card = {.step = step,
                        .state = states[call->verdict],
                        .tool = call->name,
                        .call = call->id,
                        .arguments = call->arguments,
                        .malformed = call->malformed,
                        .about = call->about,
                        .digest = call->digest,
                        .repeatable = call->repeatable};
    bool refused = call->verdict == TURN_REFUSE;
    if (refused) {
        assert(call->cause != CARD_DONE);
        cards__end(&card, call->cause);
    }
    struct err err = cards__insert(tx, turn->row.answer, &card);
    turn->row.step++;
    if (!err_failed(err) && refused) {
        err = turns__span_card(tx, turn, &card); /* It did not run, and is in the trace. */
    }
    if (!err_failed(err) && refused) {
        err = turns__event_card_started(tx, turn, &card);
    }
    if (!err_failed(err) && refused) {
        err = turns__close_card(tx, turn, &card, call->refusal);
    }
    if (!err_failed(err) && call->verdict == TURN_ASK) {
        err = turns__ask(tx, turn, &card, call->asks);
    }
    return err;
}

static struct err add_items(struct tx *tx, struct turn *turn, const struct turn_answer *answer) {
    struct err err = turns__count_tools(tx, turn);
    int64_t before = turn->row.step;
    bool reviews = false;
    for (size_t i = 0; i < answer->item_count && !err_failed(err); i++) {
        const struct turn_item *item = &answer->items[i];
        struct message_part part = {.message = turn->row.answer,
                                    .step = answer->step,
                                    .kind = PART_TEXT,
                                    .text = item->text};
        switch (item->kind) {
        case TURN_ITEM_TEXT:
            err = cards__add_plain(tx, &part);
            break;
        case TURN_ITEM_THINKING:
            err = add_thinking(tx, item, &part);
            break;
        case TURN_ITEM_CALL:
            err = add_card(tx, turn, item, answer->step);
            reviews = reviews || item->call.verdict == TURN_REVIEW;
            break;
        }
    }
    turn->row.step += reviews ? turn->row.step - before : 0; /* cards__review_span */
    return err;
}

/* Calls of an answer that broke off were never whole. */
static size_t whole_items(const struct turn_answer *answer) {
    bool broken = answer->stopped || answer->failure != CAUSE_NONE;
    size_t count = 0;
    while (count < answer->item_count && !(broken && answer->items[count].kind == TURN_ITEM_CALL)) {
        count++;
    }
    return count;
}

static bool has_call(const struct turn_answer *answer) {
    bool has = false;
    for (size_t i = 0; i < answer->item_count; i++) {
        has = has || answer->items[i].kind == TURN_ITEM_CALL;
    }
    return has;
}

/* What a subagent does is that, also where a notice woke it. */
static enum usage_category category_of(const struct turn *turn) {
    return turn->session.parent != 0             ? USAGE_SUBAGENT
           : turn->row.trigger == TRIGGER_NOTICE ? USAGE_FOLLOW_UP
                                                 : USAGE_TURN;
}

static struct err add_usage(struct tx *tx, struct turn *turn, const struct turn_answer *answer) {
    const struct usage *usage = &answer->usage;
    const struct session_usage sums = sessions__sums_of(usage, &answer->cost);
    const struct usage_add add = {.session = &turn->session,
                                  .model = turn->row.model,
                                  .category = category_of(turn),
                                  .usage = sums};
    const struct session_context context = {.used = usage_input(usage) + usage->output,
                                            .window = answer->window};
    struct err err = sessions__add_usage(tx, &sums, &turn->session);
    bool known = context.used > 0 && context.window > 0;
    if (!err_failed(err) && !turns__is_cleared(turn) && known) {
        err = sessions__set_context(tx, &context, &turn->session);
    }
    return err_failed(err) ? err : tx_usage_add(tx, &add);
}

static struct err store_answer(struct tx *tx, struct turn *turn, const struct turn_answer *answer) {
    struct turn_answer whole = *answer;
    whole.item_count = turns__is_cleared(turn) ? 0 : whole_items(answer);
    struct err err = turns__span_call_end(tx, turn, answer);
    if (!err_failed(err)) {
        err = add_items(tx, turn, &whole);
    }
    if (!err_failed(err)) {
        err = add_usage(tx, turn, answer);
    }
    if (!err_failed(err)) {
        const struct amounts took = turns__amounts(&answer->usage, &answer->cost);
        bool completed = answer->failure == CAUSE_NONE && !answer->stopped;
        err = completed ? turns__budget_spend(tx, turn, &answer->key.bounds, &took)
                        : turns__budget_return(tx, turn, &answer->key.bounds, &took);
    }
    if (!err_failed(err)) {
        err = turns__event_usage(tx, turn, &answer->usage, &answer->cost);
    }
    turn->row.answered = !has_call(&whole);
    turn->row.call = 0;
    return err_failed(err) ? err : runs__step_finished(tx, &turn->run);
}

enum { MISFIT_WORDS_MAX = 8 << 10 };

/* The model is told, and asked again, a few times. */
static struct err tell_misfit(struct tx *tx, struct turn *turn, struct bytes misfit) {
    AUTO(text_done) struct text text;
    text_init(&text, MISFIT_WORDS_MAX);
    text_add_str(&text, "[drover: the answer must be JSON that fits the schema, and nothing around "
                        "it. This one does not:\n");
    text_add(&text, misfit.data, misfit.len);
    text_add_str(&text, "\nAnswer again.]");
    if (text_failed(&text)) {
        return text_error(&text, "turns: misfit");
    }
    turn->row.answered = false;
    turn->row.last_call = false;            /* The next one is, where this one was. */
    turn->row.last = (struct bytes){"", 0}; /* It made no call that it could repeat. */
    return turns__add_notice(tx, turn, (struct bytes){text.data, text.len});
}

/* An object that came whole is whole, whatever the provider says of its end. One that did not is
 * asked for again, as often as any that does not fit: that is counted there. */
static void count_truncated(struct turn_row *row, const struct turn_answer *answer,
                            struct bytes misfit) {
    bool whole = row->schema.len > 0 && misfit.len == 0 && !has_call(answer);
    bool cut = answer->truncated && !whole;
    row->truncated = cut && misfit.len == 0 ? row->truncated + 1 : 0;
    row->output_max = cut ? answer->output_more : row->output_max;
}

/* The last call has an object to bring: calls of tools are none. */
static struct bytes misfit_of(const struct turn *turn, const struct turn_answer *answer) {
    static const char calls[] = "It calls tools, and no more can be called.";
    bool owes = turn->row.last_call && turn->row.schema.len > 0 && has_call(answer) &&
                answer->failure == CAUSE_NONE && !answer->stopped;
    return owes ? BYTES(calls) : answer->misfit;
}

struct err tx_turn_answer(struct tx *tx, const struct turn_answer *answer, struct turn_plan *plan) {
    struct turn turn;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, &answer->key, &plan->late, &turn);
    plan->late = plan->late || (!err_failed(err) && turn.row.call != answer->step);
    if (err_failed(err) || plan->late) {
        return err;
    }
    err = store_answer(tx, &turn, answer);
    if (!err_failed(err) && answer->learned.window > 0) {
        err = tx_window_learn(tx, &answer->learned);
    }
    if (err_failed(err)) {
        return err;
    }
    enum run_cause failure = answer->failure;
    struct bytes sentence = answer->sentence;
    const struct bytes misfit = misfit_of(&turn, answer);
    count_truncated(&turn.row, answer, misfit);
    if (misfit.len > 0 && ++turn.row.misfits >= TURN_MISFITS_MAX) {
        failure = CAUSE_SCHEMA_MISMATCH;
        sentence = misfit;
    }
    if (failure != CAUSE_NONE && turn.run.stop == CAUSE_NONE) {
        plan->next = TURN_NEXT_END;
        turn.resume_at_ms = answer->resume_at_ms;
        return turns__end(tx, &turn, failure, sentence, &answer->key.bounds);
    }
    if (misfit.len > 0 && turn.run.stop == CAUSE_NONE) {
        err = tell_misfit(tx, &turn, misfit);
    }
    if (err_failed(err)) {
        return err;
    }
    return turns__advance(tx, &turn, &answer->key.bounds, plan);
}

/* Usage of a call that is not out any more: of a review, say. */
static struct err charge_used(struct tx *tx, struct turn *turn, const struct turn_failure *failure,
                              const struct turn_answer *used) {
    const struct turn_review_end review = {.key = failure->key,
                                           .model = turn->row.model,
                                           .granted = failure->granted,
                                           .usage = failure->usage,
                                           .cost = failure->cost,
                                           .failure = CAUSE_HISTORY_UNREADABLE,
                                           .asked = failure->tries > 0};
    struct err err = failure->tries > 0 ? add_usage(tx, turn, used) : ERR_OK;
    return err_failed(err) ? err : turns__budget_end_review(tx, turn, &review);
}

/* The text of the call that is out is lost, and its usage is charged nevertheless: what its answer
 * reported, or all that was held for it, where the daemon that asked is gone. */
static struct err drop_call(struct tx *tx, struct turn *turn, const struct turn_failure *failure) {
    const struct turn_answer none = {.key = failure->key,
                                     .step = turn->row.call,
                                     .usage = failure->usage,
                                     .cost = failure->cost,
                                     .tries = failure->tries,
                                     .failure = CAUSE_HISTORY_UNREADABLE,
                                     .sentence = failure->sentence,
                                     .misfit = {"", 0}};
    if (turns__compacts(&turn->row)) {
        return ERR_OK; /* The end of the run charges what is held. */
    }
    if (turn->row.call == 0) {
        return charge_used(tx, turn, failure, &none);
    }
    if (turn->run.epoch == tx_epoch(tx)) {
        return store_answer(tx, turn, &none);
    }
    struct err err = turns__span_cut_off(tx, turn);
    turn->row.call = 0;
    return err_failed(err)
               ? err
               : turns__budget_spend(tx, turn, &failure->key.bounds, NULL /* unknown */);
}

struct err tx_turn_fail(struct tx *tx, const struct turn_failure *failure, struct turn_plan *plan) {
    struct turn turn;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, &failure->key, &plan->late, &turn);
    if (err_failed(err) || plan->late) {
        return err;
    }
    err = drop_call(tx, &turn, failure);
    if (!err_failed(err)) {
        const struct checkpoint_void all = {.session = turn.session.id, .message = 0};
        err = tx_checkpoint_void_from(tx, &all);
    }
    plan->next = TURN_NEXT_END;
    return err_failed(err) ? err
                           : turns__end(tx, &turn, CAUSE_HISTORY_UNREADABLE, failure->sentence,
                                        &failure->key.bounds);
}

/* --- What a tool did -------------------------------------------------------------------------- */

static struct bytes result_of(const struct turn_card_result *result) {
    size_t len = utf8_cut(result->result, TURN_RESULT_MAX);
    return len == 0 && result->cause == CARD_STOPPED ? words(interrupted_words)
                                                     : (struct bytes){result->result.data, len};
}

struct err tx_turn_card_end(struct tx *tx, const struct turn_card_result *result,
                            struct turn_plan *plan) {
    struct turn turn;
    struct card card;
    bool found = false;
    turns__plan_begin(plan);
    struct err err = turns__load(tx, &result->key, &plan->late, &turn);
    if (err_failed(err) || plan->late) {
        return err;
    }
    err = cards__find(tx, turn.row.answer, result->part, &found, &card);
    plan->late = !found || card.state != PART_STATE_RUNNING;
    if (err_failed(err) || plan->late) {
        return err;
    }
    cards__end(&card, result->cause);
    card.child = result->child != 0 ? result->child : card.child;
    turn.row.wrote = turn.row.wrote || result->wrote;
    err = turns__close_card(tx, &turn, &card, result_of(result));
    if (!err_failed(err)) {
        err = runs__step_finished(tx, &turn.run);
    }
    return err_failed(err) ? err : turns__advance(tx, &turn, &result->key.bounds, plan);
}
