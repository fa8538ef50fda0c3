/* answer.c: results that come back to a turn: answers of its model, results of its tools, reviews
 * of calls by a second model, and answers of a person. Each of these ends with the question what is
 * next (turns__advance), in the same commit; a person's wakes the turn.
 *
 *   reviewing ──allows──> ready      ──denies──> denied      ──asks──> asking
 *
 * A review: the card's state says that it is to be looked at, so after a crash the next daemon has
 * it looked at again. The end is fenced by that state, so only the first one counts. Before the
 * model is asked, the budgets above the turn hold back what such a call takes, in a commit of its
 * own: the plan that names the reviews does not know which of them are out already. What is held is
 * charged where nobody reports what was used: after a crash, or when the turn ends before its
 * review. */
#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/session/roots.h"
#include "engine/turn/record.h"

/* --- Limits of tools -------------------------------------------------------------------------- */

/* --- The model's answer ----------------------------------------------------------------------- */

enum {
    /* Bytes of arguments that are no JSON object. A byte takes six where it is escaped, and a list
     * of messages shows the data of a card whole or not at all (MESSAGE_BYTES_LIST). */
    MALFORMED_MAX = 32 << 10,
};

/* A call that is longer than a card may be is refused: a call that cannot be stored, and shown to
 * the person that is asked, is not made. So is one beyond a limit; any other counts against it. A
 * call that was refused did not run, and is in the trace. */
static void card_add(struct tx *tx, struct turn *turn, const struct turn_item *item, int64_t step) {
    static const enum part_state states[] = {[TURN_ALLOW] = PART_STATE_READY,
                                             [TURN_REVIEW] = PART_STATE_REVIEWING,
                                             [TURN_ASK] = PART_STATE_ASKING,
                                             [TURN_REFUSE] = PART_STATE_NONE};
    static const char used_up[] = "This was not done: as many tools as may be were called already.";
    static const char too_late[] = "This was not done: no more tools can be called.";
    struct turn_call call = item->call;
    if (call.malformed.len > 0) {
        call.malformed.len = utf8_cut(call.malformed, MALFORMED_MAX);
        call.arguments = BYTES("null");
        call.about = call.digest = BYTES("");
        call.verdict = TURN_REFUSE;
    } else if (!cards__fit(&call)) {
        call.arguments = BYTES("{}");
        call.about = call.extra = BYTES("");
        call.verdict = TURN_REFUSE;
        call.cause = CARD_TOO_LARGE;
        call.refusal = BYTES(CARD_TOO_LONG);
    }
    if (turn->row.facts.last || turn->tools_left == 0) {
        call.verdict = TURN_REFUSE;
        call.cause = CARD_TOOL_LIMIT;
        call.refusal = turn->row.facts.last ? BYTES(too_late) : BYTES(used_up);
    } else if (turn->tools_left > 0) {
        turn->tools_left--;
    }
    struct card card = {.step = step,
                        .state = states[call.verdict],
                        .tool = call.name,
                        .call = call.id,
                        .arguments = call.arguments,
                        .malformed = call.malformed,
                        .about = call.about,
                        .extra = call.extra,
                        .digest = call.digest,
                        .repeatable = call.repeatable};
    if (call.verdict == TURN_REFUSE) {
        assert(call.cause != CARD_DONE);
        cards__end(&card, call.cause);
    }
    cards__insert(tx, turn->row.answer, &card);
    turn->row.step++;
    if (call.verdict == TURN_REFUSE) {
        turns__span_card(tx, turn, &card, SPAN_TOOL, card.tool);
        turns__event_card_started(tx, turn, &card);
        turns__close_card(tx, turn, &card, call.refusal);
    } else if (call.verdict == TURN_ASK) {
        turns__ask_person(tx, turn, &card, call.asks);
    }
}

/* A search that the provider has made within its answer: there is nothing left to do. Prompts have
 * what the provider gave to be shown again, as a part of its own, and not this card. */
static void search_add(struct tx *tx, struct turn *turn, const struct turn_item *item,
                       int64_t step) {
    const struct bytes input = item->call.arguments;
    struct bytes result = item->call.refusal;
    const bool fits = input.len <= TURN_ARGUMENTS_MAX && json_is_valid(input);
    struct card card = {.step = step,
                        .tool = BYTES("web_search"),
                        .call = item->call.id,
                        .arguments = fits ? input : BYTES("{}"),
                        .about = BYTES(CARD_OF_PROVIDER)};
    result.len = utf8_cut(result, TURN_RESULT_MAX);
    cards__end(&card, item->call.cause);
    cards__insert(tx, turn->row.answer, &card);
    turn->row.step++;
    turns__span_card(tx, turn, &card, SPAN_TOOL, card.tool);
    turns__event_card_started(tx, turn, &card);
    turns__close_card(tx, turn, &card, result);
}

static bool answer_broke_off(const struct turn_answer *answer) {
    return answer->stopped || answer->failure != CAUSE_NONE;
}

/* Calls of an answer that broke off are dropped. What was said around them is kept: some providers
 * send calls first. Of a cleared turn nothing is stored. True: a call was among the items that
 * count. */
static bool items_add(struct tx *tx, struct turn *turn, const struct turn_answer *answer) {
    const size_t count = turns__is_cleared(turn) ? 0 : answer->item_count;
    const int64_t before = turn->row.step;
    /* A program asks about a tool in a later answer than the one that shows the tool. */
    const bool program = turn->session.program.len > 0;
    bool reviews = program, calls = false;
    turns__count_tools(tx, turn);
    if (program && count > 0) {
        programs__make_room(tx, turn);
    }
    for (size_t i = 0; i < count; i++) {
        const struct turn_item *item = &answer->items[i];
        struct message_part part = {.message = turn->row.answer,
                                    .step = answer->step,
                                    .kind = PART_TEXT,
                                    .text = item->text};
        if (item->kind == TURN_ITEM_CALL && answer_broke_off(answer)) {
            continue;
        }
        switch (item->kind) {
        case TURN_ITEM_TEXT:
            cards__add_plain(tx, &part);
            break;
        case TURN_ITEM_THINKING: { /* Without its signature it is shown to nobody again. */
            AUTO(text_done) struct text data = text_up_to((size_t)8 << 20);
            text_add_char(&data, '{');
            text_add_member(&data, "signature", item->signature);
            text_add_member(&data, "maker", item->maker);
            if (item->connection.len > 0) {
                text_add_member(&data, "connection", item->connection);
            }
            text_add_char(&data, '}');
            tx_fail(tx, text_failed(&data) ? text_error(&data, "turns: thinking") : ERR_OK);
            part.kind = PART_THINKING;
            part.data = data.len > MESSAGE_DATA_MAX ? BYTES("{}") : text_bytes(&data);
            cards__add_plain(tx, &part);
            break;
        }
        case TURN_ITEM_CALL:
            card_add(tx, turn, item, answer->step);
            reviews = reviews || item->call.verdict == TURN_REVIEW;
            calls = true;
            break;
        case TURN_ITEM_SEARCH:
            search_add(tx, turn, item, answer->step);
            break;
        case TURN_ITEM_TOOL:
        case TURN_ITEM_TOOL_END:
        case TURN_ITEM_QUESTION:
        case TURN_ITEM_READ:
            programs__add_item(tx, turn, item, answer->step);
            break;
        }
    }
    turn->row.step += reviews ? turn->row.step - before : 0; /* Steps of reviews (record.c). */
    return calls;
}

/* A subagent's usage is of that category, also where a notice woke it. */
static void usage_count(struct tx *tx, struct turn *turn, const struct turn_answer *answer) {
    const bool notice = turn->row.trigger == TRIGGER_NOTICE;
    const struct call_span use = {.run = &turn->run,
                                  .category = turn->session.parent != 0 ? USAGE_SUBAGENT
                                              : notice                  ? USAGE_FOLLOW_UP
                                                                        : USAGE_TURN,
                                  .model = turn->row.model,
                                  .usage = &answer->usage,
                                  .cost = &answer->cost,
                                  .prompt = answer->prompt};
    const struct session_context context = {
        .used = usage_input(&answer->usage) + answer->usage.output, .window = answer->window};
    if (turns__tells_usage(answer)) {
        calls__count(tx, &turn->session, &use);
    }
    if (!turns__is_cleared(turn) && context.used > 0 && context.window > 0) {
        sessions__set_context(tx, &context, &turn->session);
    }
}

static void answer_store(struct tx *tx, struct turn *turn, const struct turn_answer *answer) {
    const struct run_bounds *bounds = &answer->key.bounds;
    const struct amounts took = turns__amounts(&answer->usage, &answer->cost);
    turns__span_call_end(tx, turn, answer);
    turn->row.facts.answered = !items_add(tx, turn, answer) && !answer->paused;
    usage_count(tx, turn, answer);
    turns__budget_settle(tx, turn, bounds, answer_broke_off(answer) ? CALL_FAILED : CALL_ANSWERED,
                         &took);
    AUTO(text_done) struct text data = turns__event_open(turn);
    text_add_member_int(&data, "step", turn->row.call);
    turns__event_usage(tx, &turn->session, &answer->usage, &answer->cost, &data);
    turn->row.call = 0;
    runs__step_finished(tx, &turn->run);
}

enum { MISFIT_WORDS_MAX = 8 << 10, DENIAL_MAX = APPROVAL_ANSWER_MAX + (16 << 10) };

/* The model gets the faults, and is asked again, a few times. */
static void misfit_note(struct tx *tx, struct turn *turn, struct bytes misfit) {
    AUTO(text_done) struct text text = text_up_to(MISFIT_WORDS_MAX);
    text_add_str(&text, "[drover: the answer must be JSON that fits the schema, and nothing around "
                        "it. This one does not:\n");
    text_add(&text, misfit.data, misfit.len);
    text_add_str(&text, "\nAnswer again.]");
    turn->row.facts.answered = false;
    turn->row.facts.last = false; /* The next one is, where this one was. */
    turn->row.last = BYTES("");   /* No call was made that could be repeated. */
    turns__add_text(tx, turn, PART_NOTICE, tx_copy_text(tx, &text, "turns: misfit"));
}

/* An object that came whole is whole, whatever the provider says of its end. One that did not is
 * asked for again, as often as any that does not fit: that is counted there. */
static void truncated_count(struct turn_row *row, const struct turn_answer *answer, bool calls,
                            struct bytes misfit) {
    const bool whole = row->schema.len > 0 && misfit.len == 0 && !calls;
    const bool cut = answer->truncated && !whole;
    row->facts.truncated = cut && misfit.len == 0 ? row->facts.truncated + 1 : 0;
    row->output_max = cut ? answer->output_more : row->output_max;
}

struct err tx_turn_answer(struct tx *tx, const struct turn_answer *answer, struct turn_plan *plan) {
    const struct run_bounds *bounds = &answer->key.bounds;
    struct turn turn;
    if (!turns__open(tx, &answer->key, plan, &turn) || turn.row.call != answer->step) {
        plan->late = true;
        return tx_error(tx);
    }
    struct turn_row *row = &turn.row;
    answer_store(tx, &turn, answer);
    if (answer->program != NULL) {
        programs__mark(tx, &turn, answer->program);
    }
    if (answer->learned.window > 0) {
        tx_fail(tx, tx_learned_add(tx, LEARNED_WINDOW, &answer->learned));
    }
    TRY(tx_error(tx));
    enum run_cause failure = answer->failure;
    struct bytes sentence = answer->sentence, misfit = answer->misfit;
    bool calls = false;
    for (size_t i = 0; i < answer->item_count; i++) {
        calls = calls || answer->items[i].kind == TURN_ITEM_CALL;
    }
    if (row->facts.last && row->schema.len > 0 && calls && !answer_broke_off(answer)) {
        misfit = BYTES("It calls tools, and no more can be called."); /* An object is owed. */
    }
    truncated_count(row, answer, calls, misfit);
    if (misfit.len > 0 && ++row->misfits >= TURN_MISFITS_MAX) {
        failure = CAUSE_SCHEMA_MISMATCH;
        sentence = misfit;
    }
    if (failure != CAUSE_NONE && turn.run.stop == CAUSE_NONE) {
        plan->next = TURN_NEXT_END;
        turn.resume_at_ms = answer->resume_at_ms;
        return turns__end(tx, &turn, failure, sentence, bounds);
    }
    turn.note = answer->note;
    if (misfit.len > 0 && turn.run.stop == CAUSE_NONE) {
        misfit_note(tx, &turn, misfit);
    } else {
        programs__answer_rest(tx, &turn, answer->program);
    }
    return turns__advance(tx, &turn, bounds, plan);
}

/* --- A turn that cannot go on ----------------------------------------------------------------- */

/* The text of the call that is out is lost, and its usage is charged nevertheless: what its answer
 * reported, or all that was held for it, where the daemon that asked is gone. Where no call of the
 * turn is out, the usage is that of another, of a review, say. The end of the run charges what is
 * held for a compaction. */
static void call_drop(struct tx *tx, struct turn *turn, const struct turn_failure *failure) {
    const struct turn_answer none = {.key = failure->key,
                                     .step = turn->row.call,
                                     .usage = failure->usage,
                                     .cost = failure->cost,
                                     .tries = failure->tries,
                                     .failure = CAUSE_HISTORY_UNREADABLE,
                                     .sentence = failure->sentence,
                                     .misfit = BYTES("")};
    if (turn->row.call == 0) {
        const struct turn_review_end review = {.key = failure->key,
                                               .model = turn->row.model,
                                               .granted = failure->granted,
                                               .usage = failure->usage,
                                               .cost = failure->cost,
                                               .failure = CAUSE_HISTORY_UNREADABLE,
                                               .asked = failure->tries > 0};
        if (review.asked) {
            usage_count(tx, turn, &none);
        }
        turns__budget_end_review(tx, turn, &review);
    } else if (turn->run.epoch == tx_epoch(tx)) {
        answer_store(tx, turn, &none);
    } else {
        turns__span_cut_off(tx, turn);
        turn->row.call = 0;
        turns__budget_settle(tx, turn, &failure->key.bounds, CALL_CUT_OFF, NULL);
    }
}

struct err tx_turn_fail(struct tx *tx, const struct turn_failure *failure, struct turn_plan *plan) {
    struct turn turn;
    if (!turns__open(tx, &failure->key, plan, &turn)) {
        return tx_error(tx);
    }
    if (!turns__compacts(&turn.row)) {
        call_drop(tx, &turn, failure);
    }
    tx_checkpoint_void_from(tx, &turn.session, 0);
    plan->next = TURN_NEXT_END;
    const enum run_cause cause =
        failure->cause == CAUSE_NONE ? CAUSE_HISTORY_UNREADABLE : failure->cause;
    return turns__end(tx, &turn, cause, failure->sentence, &failure->key.bounds);
}

/* --- The result of a tool --------------------------------------------------------------------- */

struct err tx_turn_card_end(struct tx *tx, const struct turn_card_result *result,
                            struct turn_plan *plan) {
    struct bytes text = {result->result.data, utf8_cut(result->result, TURN_RESULT_MAX)};
    struct turn turn;
    struct card card;
    turns__plan_begin(plan);
    plan->late =
        !turns__load_card(tx, &result->key, result->part, PART_STATE_RUNNING, &turn, &card);
    if (plan->late) {
        return tx_error(tx);
    }
    if (text.len == 0 && result->cause == CARD_STOPPED) {
        text = BYTES("It was stopped before it was done.");
    }
    cards__end(&card, result->cause);
    card.child.id = result->child != 0 ? result->child : card.child.id;
    turn.row.facts.wrote = turn.row.facts.wrote || result->wrote;
    turns__close_card(tx, &turn, &card, text);
    runs__step_finished(tx, &turn.run);
    return turns__advance(tx, &turn, &result->key.bounds, plan);
}

/* --- A review --------------------------------------------------------------------------------- */

struct err tx_turn_review_begin(struct tx *tx, const struct turn_review_begin *begin,
                                struct turn_review_begun *ret_begun) {
    struct turn_review_begun begun = {.verdict = BUDGET_ADMITTED, .why = {"", 0}};
    struct turn turn;
    struct card card;
    begun.late =
        !turns__load_card(tx, &begin->key, begin->part, PART_STATE_REVIEWING, &turn, &card);
    /* A turn that is asked to end begins no review, and needs no reserve: its end is on its way. */
    if (!begun.late && turn.run.stop == CAUSE_NONE) {
        /* The process of a program, which waits for this, may hold what is missing. */
        const bool listens = turn.session.program.len > 0;
        const struct budget_answer answer =
            turns__budget_ask(tx, &turn, &begin->key.bounds, "review:", begin->model, listens);
        amounts_add(&turn.row.granted, &answer.granted);
        begun.granted = answer.granted;
        begun.verdict = answer.verdict;
        begun.why = answer.why;
        turns__write(tx, &turn.row);
        if (begun.verdict == BUDGET_ADMITTED) {
            turns__span_card(tx, &turn, &card, SPAN_REVIEW, begin->model);
        }
    }
    *ret_begun = begun;
    return tx_error(tx);
}

/* The model gets the name of who denied the call, and the reason. */
static void card_deny(struct tx *tx, struct turn *turn, struct card *card, enum card_cause by,
                      struct bytes who, struct bytes reason) {
    AUTO(text_done) struct text words = text_up_to(DENIAL_MAX);
    text_add(&words, who.data, who.len);
    text_add_str(&words, reason.len > 0 ? ": " : ".");
    text_add(&words, reason.data, reason.len);
    turns__end_card(tx, turn, card, by, tx_copy_text(tx, &words, "turns: denial"));
}

/* A person is asked, who sees why the model would not say. */
static void review_ask(struct tx *tx, struct turn *turn, struct card *card, struct bytes reason) {
    AUTO(text_done) struct text about = {.size_max = (size_t)8 << 20};
    cards__move(tx, turn, PART_STATE_ASKING, card);
    const bool more = card->about.len > 2 && card->about.data[card->about.len - 1] == '}';
    text_add(&about, more ? card->about.data : "{", more ? card->about.len - 1 : 1);
    text_add_str(&about, more ? ",\"review\":" : "\"review\":");
    text_add_json(&about, reason.data, reason.len);
    text_add_char(&about, '}');
    card->about = tx_copy_text(tx, &about, "turns: review");
    turns__ask_person(tx, turn, card, ASKS_LEAVE);
}

/* A turn that was asked to end ends now, and its cards with it: only the usage counts. */
struct err tx_turn_review_end(struct tx *tx, const struct turn_review_end *end,
                              struct turn_plan *plan) {
    struct turn turn;
    struct card card;
    turns__plan_begin(plan);
    /* A program that has ended waits for no answer: the turn goes on with a call meanwhile. */
    plan->late = !turns__load_card(tx, &end->key, end->part, PART_STATE_REVIEWING, &turn, &card) ||
                 turn.row.call != 0;
    if (plan->late) {
        return tx_error(tx);
    }
    turns__span_review_end(tx, &turn, &card, end);
    turns__budget_end_review(tx, &turn, end);
    if (end->asked) { /* The context is the turn's own, and stays as it is. */
        const struct call_span use = {.run = &turn.run,
                                      .category = USAGE_REVIEW,
                                      .model = turns__span_review_model(tx, &turn, &card),
                                      .usage = &end->usage,
                                      .cost = &end->cost};
        calls__count(tx, &turn.session, &use);
        AUTO(text_done) struct text data = turns__event_open(&turn);
        text_add_member_int(&data, "part", end->part);
        text_add_member_bool(&data, "review", true);
        turns__event_usage(tx, &turn.session, &end->usage, &end->cost, &data);
    }
    if (turn.run.stop == CAUSE_NONE) {
        turns__event_card_reviewed(tx, &turn, &card, end);
        switch (end->review) {
        case TURN_REVIEW_DENIES:
            card_deny(tx, &turn, &card, CARD_REVIEW, BYTES("The review of this call denied it"),
                      end->reason);
            break;
        case TURN_REVIEW_ALLOWS:
            cards__move(tx, &turn, PART_STATE_READY, &card);
            break;
        case TURN_REVIEW_ASKS:
            review_ask(tx, &turn, &card, end->reason);
            break;
        }
    }
    runs__step_finished(tx, &turn.run);
    return turns__advance(tx, &turn, &end->key.bounds, plan);
}

struct err tx_turn_request(struct tx *tx, const struct turn_key *key, struct text *text) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT p.text FROM messages m JOIN parts p ON p.message = m.id WHERE m.session ="
               " (SELECT t.session FROM turns t JOIN runs r ON r.id = t.run WHERE r.run = $1)"
               " AND m.role = 'user' AND m.active = 1 AND m.status IN ('completed', 'joined')"
               " AND m.metadata NOT LIKE '{\"mail\":%'"
               " AND p.kind = 'text' ORDER BY m.id DESC, p.number LIMIT 1",
               ARGS(arg_text(key->run)));
    text_clear(text);
    if (rows != NULL) {
        struct bytes said = rows_text(rows, 0);
        text_add(text, said.data, utf8_cut(said, text->size_max - 1));
    }
    return tx_error(tx);
}

/* --- A person answers ------------------------------------------------------------------------- */

/* A folder that was asked for is granted in this commit, and that is all there is to do; any other
 * call is ready. */
static void card_allow(struct tx *tx, struct turn *turn, struct card *card,
                       const struct approval_row *row) {
    static const char too_many[] = "This session has as many folders as it may have; one of them "
                                   "must be given back first.";
    struct bytes result = BYTES("");
    bool grant = false;
    const struct root_grant what = {
        .about = card->about, .by = row->by, .to_project = row->scope == APPROVAL_PROJECT};
    struct err err = roots__grant(tx, &turn->session, &what, &grant, &result);
    const bool full = err.code == ERR_TOO_MANY;
    if (err_failed(err) && !full) {
        tx_fail(tx, err);
    } else if (grant) {
        turns__end_card(tx, turn, card, full ? CARD_TOO_MANY : CARD_DONE,
                        full ? BYTES(too_many) : result);
    } else {
        cards__move(tx, turn, PART_STATE_READY, card);
    }
}

/* A turn that waits goes on; one that runs (other tools of it) is notified. */
struct err turns__answered(struct tx *tx, const struct approval_row *row) {
    struct turn turn;
    struct card card;
    if (!turns__load_run(tx, row->run, &turn) ||
        !cards__find(tx, turn.row.answer, row->part, &card) || card.state != PART_STATE_ASKING) {
        return tx_error(tx);
    }
    if (row->state == APPROVAL_ALLOWED) {
        card_allow(tx, &turn, &card, row);
    } else if (row->state == APPROVAL_ANSWERED) {
        turns__end_card(tx, &turn, &card, CARD_DONE, row->answer);
    } else {
        AUTO(text_done) struct text who = text_up_to(DENIAL_MAX);
        text_addf(&who, "%.*s denied this call", (int)row->by.len, row->by.data);
        card_deny(tx, &turn, &card, CARD_PERSON, text_bytes(&who), row->answer);
    }
    turns__write(tx, &turn.row);
    if (turn.run.state == RUN_RUNNING || run_waits_for_provider(&turn.run)) {
        return runs__tell(tx, &turn.run);
    }
    turns__go_on(tx, &turn);
    return tx_error(tx);
}
