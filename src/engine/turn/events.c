/* events.c: what happens in a turn, as events of its session's stream. */
#include "engine/turn/events.h"

#include "base/utf8.h"

enum { DATA_MAX = 200 << 10, SHOWN_MAX = 32 << 10 };

/* {"run","message", … */
static struct text event_of(const struct turn *turn) {
    struct text data = {.size_max = DATA_MAX};
    text_add_char(&data, '{');
    text_add_member(&data, "run", turn->run.run);
    text_add_member(&data, "message", turn->answer.message);
    return data;
}

static struct err event_end(struct tx *tx, const struct session_row *session, const char *type,
                            struct text *data) {
    text_add_char(data, '}');
    return text_failed(data) ? text_error(data, "turns: event")
                             : sessions__event(tx, session, bytes_of(type), text_bytes(data));
}

struct err turns__event_started(struct tx *tx, const struct turn *turn, struct bytes question) {
    AUTO(text_done) struct text data = event_of(turn);
    text_add_member_int(&data, "number", turn->row.number);
    text_add_member(&data, "model", turn->row.model);
    if (question.len > 0) {
        text_add_member(&data, "reply_to", question);
    }
    return event_end(tx, &turn->session, "turn_started", &data);
}

struct err turns__event_output(struct tx *tx, const struct turn *turn) {
    AUTO(text_done) struct text data = event_of(turn);
    text_add_member_int(&data, "step", turn->row.call);
    return event_end(tx, &turn->session, "output_started", &data);
}

struct err turns__event_cut_off(struct tx *tx, const struct turn *turn) {
    AUTO(text_done) struct text data = event_of(turn);
    text_add_member_int(&data, "step", turn->row.call);
    text_add_str(&data, ",\"channel\":\"status\",\"cause\":\"daemon_restarted\"");
    return event_end(tx, &turn->session, "output_discarded", &data);
}

/* --- Cards ------------------------------------------------------------------------------------ */

static struct text card_event_of(const struct turn *turn, const struct card *card) {
    struct text data = event_of(turn);
    text_add_member_int(&data, "part", card->number);
    text_add_member(&data, "tool", card->tool);
    return data;
}

/* What does not fit an event is in the message. */
static void add_shown(struct text *data, const char *name, struct bytes text) {
    bool fits = text.len <= SHOWN_MAX;
    text.len = fits ? text.len : utf8_cut(text, SHOWN_MAX);
    text_add_member(data, name, text);
    text_add_str(data, fits ? "" : ",\"cut\":true");
}

static void add_state(const struct card *card, struct text *data) {
    bool done = card->cause == CARD_DONE;
    text_add_member(data, "state", bytes_of(part_state_name(card->state)));
    text_add_member_or_null(data, "cause", bytes_of(done ? "" : card_cause_name(card->cause)));
}

struct err turns__event_card_started(struct tx *tx, const struct turn *turn,
                                     const struct card *card) {
    bool malformed = card->malformed.len > 0;
    AUTO(text_done) struct text data = card_event_of(turn, card);
    add_shown(&data, malformed ? "arguments_text" : "arguments",
              malformed ? card->malformed : card->arguments);
    add_state(card, &data);
    return event_end(tx, &turn->session, "tool_started", &data);
}

struct err turns__event_card_finished(struct tx *tx, const struct turn *turn,
                                      const struct card *card, struct bytes result) {
    if (turns__is_cleared(turn)) { /* Nobody has it any more. */
        return ERR_OK;
    }
    AUTO(text_done) struct text data = card_event_of(turn, card);
    add_state(card, &data);
    add_shown(&data, "result", result);
    return event_end(tx, &turn->session, "tool_finished", &data);
}

struct err turns__event_card_reviewed(struct tx *tx, const struct turn *turn,
                                      const struct card *card, const struct turn_review_end *end) {
    static const char *const words[] = {
        [TURN_REVIEW_ALLOWS] = "allow", [TURN_REVIEW_DENIES] = "deny", [TURN_REVIEW_ASKS] = "ask"};
    AUTO(text_done) struct text data = card_event_of(turn, card);
    text_add_member(&data, "decision", bytes_of(words[end->review]));
    add_shown(&data, "reason", end->reason);
    return event_end(tx, &turn->session, "tool_reviewed", &data);
}

/* --- Usage ------------------------------------------------------------------------------------ */

/* The call's usage, the session's sums, and how full the window is. */
static struct err usage_end(struct tx *tx, const struct session_row *session,
                            const struct usage *usage, const struct usage_cost *cost,
                            struct text *data) {
    text_add_name(data, "call");
    text_add_char(data, '{');
    text_add_member_int(data, "fresh", usage->fresh);
    text_add_member_int(data, "cache_read", usage->cache_read);
    text_add_member_int(data, "cache_write", usage->cache_write);
    text_add_member_int(data, "output", usage->output);
    text_add_member_int(data, "reasoning", usage->reasoning);
    text_add_member_bool(data, "estimated", usage->estimated);
    if (cost->known) {
        text_add_member_int(data, "cost_micros", cost->micros);
    } else {
        text_add_member_or_null(data, "cost_micros", BYTES(""));
    }
    text_add_char(data, '}');
    text_add_name(data, "session");
    session_write_usage(&session->usage, data);
    text_add_member_int(data, "context_used", session->context_used);
    text_add_member_int(data, "context_window", session->context_window);
    return event_end(tx, session, "usage", data);
}

struct err turns__event_usage(struct tx *tx, const struct turn *turn, const struct usage *usage,
                              const struct usage_cost *cost) {
    AUTO(text_done) struct text data = event_of(turn);
    text_add_member_int(&data, "step", turn->row.call);
    return usage_end(tx, &turn->session, usage, cost, &data);
}

/* Nothing of it is stored: the call's end tells what it was. */
struct err tx_turn_meter(struct tx *tx, const struct turn_meter *meter) {
    const struct usage *usage = &meter->usage;
    const struct session_usage sums = sessions__sums_of(usage, &meter->cost);
    struct turn turn;
    bool found = false;
    struct err err = turns__load_run(tx, meter->run, &found, &turn);
    if (err_failed(err) || !found || turn.row.call != meter->step) {
        return err;
    }
    session_usage_add(&turn.session.usage, &sums);
    turn.session.context_used = usage_input(usage) + usage->output;
    turn.session.context_window = meter->window;
    AUTO(text_done) struct text data = event_of(&turn);
    text_add_member_int(&data, "step", meter->step);
    text_add_member_bool(&data, "so_far", true);
    return usage_end(tx, &turn.session, usage, &meter->cost, &data);
}

/* The context is the turn's own, as it was. */
struct err turns__event_review_usage(struct tx *tx, const struct turn *turn,
                                     const struct turn_review_end *end) {
    AUTO(text_done) struct text data = event_of(turn);
    text_add_member_int(&data, "part", end->part);
    text_add_member_bool(&data, "review", true);
    return usage_end(tx, &turn->session, &end->usage, &end->cost, &data);
}

/* No message of the session is its own. */
struct err titles__event_usage(struct tx *tx, const struct session_row *session,
                               const struct run_row *run, const struct title_end *end) {
    AUTO(text_done) struct text data = {.size_max = DATA_MAX};
    text_add_char(&data, '{');
    text_add_member(&data, "run", run->run);
    text_add_member_bool(&data, "title", true);
    return usage_end(tx, session, &end->usage, &end->cost, &data);
}

/* --- The turn --------------------------------------------------------------------------------- */

struct err turns__event_compacted(struct tx *tx, const struct turn *turn,
                                  const struct checkpoint *checkpoint) {
    bool manual = checkpoint->made_by == CHECKPOINT_MANUAL, found = false;
    struct message_row covered;
    struct err err = messages__find_id(tx, checkpoint->message, &found, &covered);
    if (err_failed(err)) {
        return err;
    }
    AUTO(text_done) struct text data = event_of(turn);
    text_add_member(&data, "trigger", manual ? BYTES("manual") : BYTES("auto"));
    text_add_member(&data, "method", checkpoint->method);
    text_add_member(&data, "covers", found ? covered.message : BYTES(""));
    if (checkpoint->step > 0) {
        text_add_member_int(&data, "covers_step", checkpoint->step);
    }
    text_add_member_int(&data, "tokens_before", checkpoint->tokens_before);
    text_add_member_int(&data, "tokens_after", checkpoint->tokens_after);
    return event_end(tx, &turn->session, "context_compacted", &data);
}

/* The provider is the name of the connection that the model is asked through. */
struct err turns__event_waiting(struct tx *tx, const struct turn *turn,
                                const struct provider_wait *wait) {
    AUTO(text_done) struct text data = event_of(turn);
    if (wait != NULL) {
        struct bytes provider = turn->row.model;
        const char *slash = memchr(provider.data, '/', provider.len);
        provider.len = slash == NULL ? provider.len : (size_t)(slash - provider.data);
        text_add_member(&data, "gate", bytes_of(run_gate_name(GATE_PROVIDER)));
        text_add_member(&data, "provider", provider);
        text_add_member(&data, "cause", bytes_of(run_cause_name(wait->cause)));
        text_add_member_int(&data, "resume_at_ms", wait->resume_at_ms);
    }
    return event_end(tx, &turn->session, "turn_waiting", &data);
}

struct err turns__event_resumed(struct tx *tx, const struct turn *turn) {
    AUTO(text_done) struct text data = event_of(turn);
    text_add_member(&data, "gate", bytes_of(run_gate_name(GATE_PROVIDER)));
    return event_end(tx, &turn->session, "turn_resumed", &data);
}

struct err turns__event_finished(struct tx *tx, const struct turn *turn) {
    const struct run_row *run = &turn->run;
    AUTO(text_done) struct text data = event_of(turn);
    text_add_member(&data, "state", bytes_of(run_state_name(run->state)));
    text_add_member(&data, "cause", bytes_of(run_cause_name(run->cause)));
    text_add_member(&data, "note", run->note);
    text_add_member_int(&data, "calls", turn->row.calls);
    return event_end(tx, &turn->session, "turn_finished", &data);
}
