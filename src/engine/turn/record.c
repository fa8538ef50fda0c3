/* record.c: records that the steps of a turn leave beside its message: budgets, usage, spans and
 * events.
 *
 * A call is admitted before its row says that it is out: what such a call took lately is held
 * back, at most what is left, and given back with its end. So what is spent beyond a limit is at
 * most what the calls that were out took more than they were granted. Reviews are such calls, too:
 * several are out at once, and only while the turn's own is not, so the row has their sum. */
#include "engine/turn/record.h"

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/turn/program.h"
#include "rules/agent/outcome.h"

/* --- What a call may spend -------------------------------------------------------------------- */

/* Where no call of that model has been seen. A cost that nobody knows is charged as nothing. */
enum { FIRST_OUTPUT = 1000, FIRST_TOKENS = 8000, FIRST_COST = 10000 };

/* A kind of calls whose recent mean is the reserve of the next: calls of the turn's model, or its
 * reviews, which have another prompt than the conversation, and so a mean of their own. */
static struct bytes what_of(struct tx *tx, const char *prefix, struct bytes model) {
    char name[BUDGET_WHAT_MAX];
    const size_t room = sizeof name - strlen(prefix) - 1;
    int len = snprintf(name, sizeof name, "%s%.*s", prefix, (int)utf8_cut(model, room), model.data);
    return tx_copy(tx, (struct bytes){name, (size_t)len});
}

struct budget_answer turns__budget_ask(struct tx *tx, struct turn *turn,
                                       const struct run_bounds *bounds, const char *kind,
                                       struct bytes model, bool begun) {
    struct budget_ask ask = {
        .what = what_of(tx, kind, model), .first = amounts_none(), .begun = begun};
    ask.first.of[AMOUNT_OUTPUT_TOKENS] = FIRST_OUTPUT;
    ask.first.of[AMOUNT_TOKENS] = FIRST_TOKENS;
    ask.first.of[AMOUNT_COST] = FIRST_COST;
    return tx_budget_reserve(tx, &ask, bounds, &turn->run);
}

void turns__budget_settle(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                          enum call_end end, const struct amounts *took) {
    const bool beside = end == CALL_BESIDE;
    const struct budget_spend spend = {.what = beside ? BYTES("summary")
                                                      : what_of(tx, "model:", turn->row.model),
                                       .granted = beside ? amounts_none() : turn->row.granted,
                                       .spent = end == CALL_CUT_OFF ? turn->row.granted : *took,
                                       .learn = end == CALL_ANSWERED};
    if (!beside) {
        turn->row.granted = amounts_none();
    }
    tx_fail(tx, tx_budget_spend(tx, &spend, bounds, &turn->run));
}

/* A review that no model was asked for is free; only an answer says what the next may cost. */
void turns__budget_end_review(struct tx *tx, struct turn *turn, const struct turn_review_end *end) {
    const struct budget_spend spend = {.what = what_of(tx, "review:", end->model),
                                       .granted = end->granted,
                                       .spent = end->asked ? turns__amounts(&end->usage, &end->cost)
                                                           : amounts_none(),
                                       .learn = end->asked && end->failure == CAUSE_NONE};
    amounts_subtract(&turn->row.granted, &end->granted);
    tx_fail(tx, tx_budget_spend(tx, &spend, &end->key.bounds, &turn->run));
}

/* --- What it took ----------------------------------------------------------------------------- */

struct amounts turns__amounts(const struct usage *usage, const struct usage_cost *cost) {
    struct amounts took = amounts_none();
    took.of[AMOUNT_OUTPUT_TOKENS] = usage->output;
    took.of[AMOUNT_TOKENS] = usage_input(usage) + usage->output;
    took.of[AMOUNT_COST] = cost->known ? cost->micros : 0;
    took.cost_unknown = !cost->known && usage_total(usage) > 0;
    return took;
}

void calls__count(struct tx *tx, struct session_row *session, const struct call_span *use) {
    struct usage_add add = {.session = session,
                            .model = use->model,
                            .category = use->category,
                            .usage = sessions__sums_of(use->usage, use->cost)};
    add.usage.calls = use->calls > 0 ? use->calls : add.usage.calls;
    if (use->prompt != NULL) {
        usage_add_parts(use->usage, use->prompt, add.parts);
    }
    add.place = tx_usage_place(tx, use->run->parent);
    if (add.place.run != 0 && add.category == USAGE_TURN) {
        add.category = USAGE_AGENT;
    }
    sessions__add_usage(tx, &add.usage, session);
    tx_usage_add(tx, &add);
}

/* --- Spans ------------------------------------------------------------------------------------ */

static struct span_start start_of(const struct run_row *run, int64_t step, enum span_kind kind,
                                  struct bytes name) {
    return (struct span_start){.key = {.run = run->id, .attempt = run->attempt, .step = step},
                               .kind = kind,
                               .name = name,
                               .input = BYTES(""),
                               .reserve = {SPAN_UNKNOWN, SPAN_UNKNOWN}};
}

/* The span of a call of a model, or of a review, ends as its cause says. */
static struct span_end end_of(const struct run_row *run, int64_t step, enum run_cause cause) {
    cause = cause == CAUSE_NONE ? CAUSE_COMPLETED : cause;
    return (struct span_end){.key = {.run = run->id, .attempt = run->attempt, .step = step},
                             .state = bytes_of(run_state_name(turn_end_state(cause))),
                             .cause = bytes_of(run_cause_name(cause)),
                             .error = BYTES(""),
                             .output = BYTES(""),
                             .tokens = SPAN_TOKENS_UNKNOWN,
                             .cost = SPAN_UNKNOWN,
                             SPAN_NO_PROCESS};
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

/* History is stored once, as messages: a prompt is never copied here. */
void turns__span_call(struct tx *tx, const struct turn *turn) {
    struct span_start start = start_of(&turn->run, turn->row.call, SPAN_MODEL, turn->row.model);
    start.reserve = (struct span_reserve){turn->row.granted.of[AMOUNT_TOKENS],
                                          turn->row.granted.of[AMOUNT_COST]};
    tx_fail(tx, tx_span_start(tx, &start));
}

void turns__span_cut_off(struct tx *tx, const struct turn *turn) {
    const bool program = turn->session.program.len > 0;
    struct span_end end =
        end_of(&turn->run, turn->row.call, program ? CAUSE_NONE : CAUSE_OUTCOME_UNKNOWN);
    if (!program) { /* The process goes on: what it says from here is another step. */
        end.state = bytes_of(run_state_name(RUN_LOST));
        end.estimated = true;
    }
    tx_fail(tx, tx_span_end(tx, &end, NULL /* the turn is fenced */));
}

/* A program that another attempt follows ended as that says, although the turn goes on; and one
 * that none follows any more ended so, too. */
static enum run_cause answer_cause(const struct turn_answer *answer) {
    enum agent_outcome outcome;
    if (answer->stopped) {
        return CAUSE_STOPPED;
    }
    return answer->program != NULL &&
                   (answer->program->again || answer->failure == CAUSE_MAX_RETRY_COUNT ||
                    answer->failure == CAUSE_REVIVE_FAILED) &&
                   agent_outcome_find(answer->program->outcome, &outcome)
               ? agent_outcome_cause(outcome)
               : answer->failure;
}

/* Most steps of a program tell nothing of its calls: what they took comes with a later one. */
bool turns__tells_usage(const struct turn_answer *answer) {
    return answer->program == NULL || usage_total(&answer->usage) > 0 || !answer->cost.known ||
           answer->cost.micros > 0;
}

void turns__span_call_end(struct tx *tx, const struct turn *turn,
                          const struct turn_answer *answer) {
    struct span_end end = end_of(&turn->run, answer->step, answer_cause(answer));
    end.error = answer->sentence;
    end.rule = answer->program == NULL ? BYTES("") : answer->program->rule;
    end.prompt = answer->prompt;
    if (turns__tells_usage(answer)) {
        end_add_usage(&end, &answer->usage, &answer->cost, answer->tries);
    }
    tx_fail(tx, tx_span_end(tx, &end, NULL /* the turn is fenced */));
}

void calls__span(struct tx *tx, const struct call_span *call) {
    const struct span_start start = start_of(call->run, call->step, call->kind, call->model);
    struct span_end end = end_of(call->run, call->step, call->cause);
    end.error = call->sentence;
    end.output = call->output;
    end_add_usage(&end, call->usage, call->cost, call->tries);
    tx_fail(tx, tx_span_start(tx, &start));
    tx_fail(tx, tx_span_end(tx, &end, NULL /* the run is fenced */));
}

/* Steps of an answer's cards follow the step of the call that made them, and steps of reviews those
 * of all cards of that answer. */
static int64_t step_of(struct tx *tx, const struct turn *turn, const struct card *card,
                       enum span_kind kind) {
    return tx_number(
        tx,
        "SELECT $2 + count(CASE WHEN number <= $3 THEN 1 END) + $4 * count(*) FROM parts"
        " WHERE message = $1 AND kind = 'tool' AND step = $2",
        ARGS(arg_int(turn->row.answer), arg_int(card->step), arg_int(card->number),
             arg_int(kind == SPAN_REVIEW ? 1 : 0)));
}

/* A step that begins again after a crash has its span already. */
void turns__span_card(struct tx *tx, const struct turn *turn, const struct card *card,
                      enum span_kind kind, struct bytes name) {
    struct span_start start = start_of(&turn->run, step_of(tx, turn, card, kind), kind, name);
    start.input = card->malformed.len > 0 ? card->malformed : card->arguments;
    if (tx_number(tx, "SELECT 1 FROM spans WHERE run = $1 AND attempt = $2 AND step = $3",
                  ARGS(arg_int(start.key.run), arg_int(start.key.attempt),
                       arg_int(start.key.step))) == 0) {
        tx_fail(tx, tx_span_start(tx, &start));
    }
}

/* Duration of the span of a card, until now; SPAN_UNKNOWN: there is none. */
static int64_t card_ms(struct tx *tx, const struct turn *turn, int64_t step) {
    const int64_t started_ms =
        tx_number(tx, "SELECT started_ms FROM spans WHERE run = $1 AND attempt = $2 AND step = $3",
                  ARGS(arg_int(turn->run.id), arg_int(turn->run.attempt), arg_int(step)));
    const int64_t now_ms = tx_now_ms(tx);
    return started_ms == 0 ? SPAN_UNKNOWN : now_ms > started_ms ? now_ms - started_ms : 0;
}

/* Calls of tools are counted like those of models, beside them. */
static void card_count(struct tx *tx, const struct turn *turn, const struct card *card,
                       int64_t ms) {
    struct usage_add add = {.session = &turn->session,
                            .model = BYTES(""),
                            .category = turn->session.parent != 0 ? USAGE_SUBAGENT : USAGE_TURN,
                            .tool = {card->tool.data, utf8_cut(card->tool, SPAN_NAME_MAX)},
                            .usage = {.calls = 1},
                            .ms = ms,
                            .errors = card->cause != CARD_DONE};
    add.place = tx_usage_place(tx, turn->run.parent);
    if (add.place.run != 0 && add.category == USAGE_TURN) {
        add.category = USAGE_AGENT;
    }
    tx_usage_add(tx, &add);
}

/* A call that was refused never began: it has no span, and that is no error. One that goes on in
 * the background has done its part: its run has a trace of its own. */
void turns__span_card_end(struct tx *tx, const struct turn *turn, const struct card *card,
                          struct bytes result, int64_t *ret_ms) {
    bool late = false, pending = card->state == PART_STATE_PENDING;
    const int64_t step = step_of(tx, turn, card, SPAN_TOOL);
    struct span_end end = end_of(&turn->run, step, CAUSE_COMPLETED);
    end.state = bytes_of(part_state_name(pending ? PART_STATE_SUCCEEDED : card->state));
    if (card->cause != CARD_DONE) {
        end.cause = bytes_of(card_cause_name(card->cause));
    } else if (pending) {
        end.cause = bytes_of(part_state_name(card->state));
    }
    end.output = result;
    *ret_ms = card_ms(tx, turn, step);
    tx_fail(tx, tx_span_end(tx, &end, &late));
    if (!late) {
        card_count(tx, turn, card, *ret_ms);
    }
}

struct bytes turns__span_review_model(struct tx *tx, const struct turn *turn,
                                      const struct card *card) {
    const struct bytes name =
        tx_text(tx, "SELECT name FROM spans WHERE run = $1 AND attempt = $2 AND step = $3",
                ARGS(arg_int(turn->run.id), arg_int(turn->run.attempt),
                     arg_int(step_of(tx, turn, card, SPAN_REVIEW))));
    return name.len > 0 ? name : turn->row.model;
}

void turns__span_review_end(struct tx *tx, const struct turn *turn, const struct card *card,
                            const struct turn_review_end *review) {
    bool late = false;
    struct span_end end = end_of(&turn->run, step_of(tx, turn, card, SPAN_REVIEW), review->failure);
    end.output = review->reason;
    if (review->asked) {
        end_add_usage(&end, &review->usage, &review->cost, review->tries);
    }
    tx_fail(tx, tx_span_end(tx, &end, &late));
}

/* --- Events ----------------------------------------------------------------------------------- */

enum { DATA_MAX = 200 << 10, SHOWN_MAX = 32 << 10, DIFF_ROOM = 1024 };

struct text turns__event_open(const struct turn *turn) {
    struct text data = text_up_to(DATA_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "run", turn->run.run);
    text_add_member(&data, "message", turn->answer.message);
    return data;
}

struct err turns__event_close(struct tx *tx, const struct session_row *session, const char *type,
                              struct text *data) {
    text_add_char(data, '}');
    if (text_failed(data)) {
        return text_error(data, "turns: event");
    }
    sessions__event(tx, session, bytes_of(type), text_bytes(data));
    return tx_error(tx);
}

static struct text card_event_open(const struct turn *turn, const struct card *card) {
    struct text data = turns__event_open(turn);
    text_add_member_int(&data, "part", card->number);
    text_add_member(&data, "tool", card->tool);
    return data;
}

/* A text that does not fit an event is in the message. */
static void add_shown(struct text *data, const char *name, struct bytes text) {
    bool fits = text.len <= SHOWN_MAX;
    text.len = fits ? text.len : utf8_cut(text, SHOWN_MAX);
    text_add_member(data, name, text);
    text_add_str(data, fits ? "" : ",\"cut\":true");
}

/* The change that the call makes, as it was judged: the call is performed on that state of the file
 * alone. The event has a limit, so a diff that does not fit is cut. */
static void add_diff(const struct card *card, struct text *data) {
    AUTO(json_release) json_t *about = NULL;
    AUTO(text_done) struct text escaped = text_up_to((size_t)6 * SHOWN_MAX + 16);
    if (card->about.len == 0 || err_failed(json_parse_wrapped(card->about, &about, NULL))) {
        return;
    }
    const struct bytes diff = json_bytes(about, "diff");
    if (diff.len == 0) {
        return;
    }
    const size_t len = diff.len > SHOWN_MAX ? utf8_cut(diff, SHOWN_MAX) : diff.len;
    text_add_json(&escaped, diff.data, len);
    const bool fits = data->len + escaped.len + DIFF_ROOM <= DATA_MAX;
    if (fits) {
        text_add_name(data, "diff");
        text_add(data, escaped.data, escaped.len);
    }
    const bool whole = fits && len == diff.len && !json_is_true(json_object_get(about, "diff_cut"));
    text_add_str(data, whole ? "" : ",\"diff_cut\":true");
}

/* "RUN.ATTEMPT.STEP", as the trace names the span of the call. */
static void add_span(struct tx *tx, const struct turn *turn, const struct card *card,
                     struct text *data) {
    char id[SPAN_ID_MAX];
    const struct span_key key = {.attempt = turn->run.attempt,
                                 .step = step_of(tx, turn, card, SPAN_TOOL)};
    text_add_member(data, "span", span_write_id(turn->run.run, &key, id));
}

static void add_state(const struct card *card, struct text *data) {
    bool done = card->cause == CARD_DONE;
    text_add_member(data, "state", bytes_of(part_state_name(card->state)));
    text_add_member_or_null(data, "cause", bytes_of(done ? "" : card_cause_name(card->cause)));
}

void turns__event_card_started(struct tx *tx, const struct turn *turn, const struct card *card) {
    bool malformed = card->malformed.len > 0;
    AUTO(text_done) struct text data = card_event_open(turn, card);
    add_shown(&data, malformed ? "arguments_text" : "arguments",
              malformed ? card->malformed : card->arguments);
    add_state(card, &data);
    add_span(tx, turn, card, &data);
    text_add_member_int_or_null(&data, "ms", 0, /* known */ false);
    add_diff(card, &data);
    tx_fail(tx, turns__event_close(tx, &turn->session, "tool_started", &data));
}

struct err turns__event_card_finished(struct tx *tx, const struct turn *turn,
                                      const struct card *card, struct bytes result, int64_t ms) {
    if (turns__is_cleared(turn)) { /* Nobody has it any more. */
        return ERR_OK;
    }
    AUTO(text_done) struct text data = card_event_open(turn, card);
    add_state(card, &data);
    add_span(tx, turn, card, &data);
    text_add_member_int_or_null(&data, "ms", ms, ms != SPAN_UNKNOWN);
    add_shown(&data, "result", result);
    if (card->cause == CARD_DONE) {
        add_diff(card, &data);
    }
    return turns__event_close(tx, &turn->session, "tool_finished", &data);
}

void turns__event_card_reviewed(struct tx *tx, const struct turn *turn, const struct card *card,
                                const struct turn_review_end *end) {
    static const char *const words[] = {
        [TURN_REVIEW_ALLOWS] = "allow", [TURN_REVIEW_DENIES] = "deny", [TURN_REVIEW_ASKS] = "ask"};
    AUTO(text_done) struct text data = card_event_open(turn, card);
    text_add_member(&data, "decision", bytes_of(words[end->review]));
    add_shown(&data, "reason", end->reason);
    tx_fail(tx, turns__event_close(tx, &turn->session, "tool_reviewed", &data));
}

static void add_call(const struct usage *usage, const struct usage_cost *cost, struct text *data) {
    text_add_char(data, '{');
    text_add_member_int(data, "fresh", usage->fresh);
    text_add_member_int(data, "cache_read", usage->cache_read);
    text_add_member_int(data, "cache_write", usage->cache_write);
    text_add_member_int(data, "output", usage->output);
    text_add_member_int(data, "reasoning", usage->reasoning);
    text_add_member_bool(data, "estimated", usage->estimated);
    text_add_member_int_or_null(data, "cost_micros", cost->micros, cost->known);
    text_add_char(data, '}');
}

void turns__event_usage(struct tx *tx, const struct session_row *session, const struct usage *usage,
                        const struct usage_cost *cost, struct text *data) {
    text_add_name(data, "call");
    if (usage != NULL) {
        add_call(usage, cost, data);
    } else {
        text_add_str(data, "null");
    }
    text_add_name(data, "session");
    fields_write(&session_usage_fields, FIELD_LISTED, &session->usage, data);
    text_add_member_int(data, "context_used", session->context_used);
    text_add_member_int(data, "context_window", session->context_window);
    tx_fail(tx, turns__event_close(tx, session, "usage", data));
}

/* Nothing of it is stored: the call's end tells what it was. */
struct err tx_turn_meter(struct tx *tx, const struct turn_meter *meter) {
    const struct usage *usage = &meter->usage;
    const struct session_usage sums = sessions__sums_of(usage, &meter->cost);
    struct turn turn;
    if (!turns__load_run(tx, meter->run, &turn) || turn.row.call != meter->step) {
        return tx_error(tx);
    }
    session_usage_add(&turn.session.usage, &sums);
    turn.session.context_used = usage_input(usage) + usage->output;
    turn.session.context_window = meter->window;
    AUTO(text_done) struct text data = turns__event_open(&turn);
    text_add_member_int(&data, "step", meter->step);
    text_add_member_bool(&data, "so_far", true);
    turns__event_usage(tx, &turn.session, usage, &meter->cost, &data);
    return tx_error(tx);
}

/* The provider is the name of the connection that the model is asked through. */
void turns__event_waiting(struct tx *tx, const struct turn *turn,
                          const struct provider_wait *wait) {
    AUTO(text_done) struct text data = turns__event_open(turn);
    if (wait != NULL) {
        struct bytes rest = turn->row.model, provider = BYTES("");
        bool named = bytes_next(&rest, '/', &provider);
        (void)named; /* A turn's model is never empty; else the name is. */
        text_add_member(&data, "gate", bytes_of(run_gate_name(GATE_PROVIDER)));
        text_add_member(&data, "provider", provider);
        text_add_member(&data, "cause", bytes_of(run_cause_name(wait->cause)));
        if (wait->note[0] != '\0') {
            text_add_member(&data, "note", bytes_of(wait->note));
        }
        text_add_member_int(&data, "resume_at_ms", wait->resume_at_ms);
    }
    tx_fail(tx, turns__event_close(tx, &turn->session, "turn_waiting", &data));
}

void turns__event_budget(struct tx *tx, const struct turn *turn, const char *type,
                         const struct budget_answer *wait) {
    AUTO(text_done) struct text data = turns__event_open(turn);
    text_add_member(&data, "gate", bytes_of(run_gate_name(GATE_BUDGET)));
    if (wait != NULL) {
        text_add_member(&data, "note", wait->why);
        text_add_member_int_or_null(&data, "resume_at_ms", wait->resume_at_ms,
                                    wait->resume_at_ms > 0);
    }
    tx_fail(tx, turns__event_close(tx, &turn->session, type, &data));
}

struct err turns__event_finished(struct tx *tx, const struct turn *turn) {
    const struct run_row *run = &turn->run;
    AUTO(text_done) struct text data = turns__event_open(turn);
    text_add_member(&data, "state", bytes_of(run_state_name(run->state)));
    text_add_member(&data, "cause", bytes_of(run_cause_name(run->cause)));
    text_add_member(&data, "note", run->note);
    if (run_resume_at_ms(run) > 0) {
        text_add_member_int(&data, "resume_at_ms", run_resume_at_ms(run));
    }
    text_add_member_int(&data, "calls", turn->row.facts.calls);
    return turns__event_close(tx, &turn->session, "turn_finished", &data);
}
