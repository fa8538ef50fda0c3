/* events.c: what happens in a turn, as events of its session's stream. */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/utf8.h"
#include "engine/session/checkpoints.h"
#include "engine/turn/titles.h"
#include "journal/journal.h"

enum { DATA_MAX = 200 << 10, SHOWN_MAX = 32 << 10 };

static void add(struct text *text, const char *name, struct bytes value) {
    text_add_str(text, name);
    text_add_json(text, value.data, value.len);
}

static void add_word(struct text *text, const char *name, const char *word) {
    add(text, name, bytes_of(word));
}

static void add_number(struct text *text, const char *name, int64_t number) {
    text_add_str(text, name);
    text_add_int(text, number);
}

/* {"run","message", … */
static void begin(const struct turn *turn, struct text *data) {
    text_init(data, DATA_MAX);
    add(data, "{\"run\":", turn->run.run);
    add(data, ",\"message\":", turn->answer.message);
}

static struct err end_event(struct tx *tx, const struct turn *turn, struct bytes type,
                            struct text *data) {
    text_add_char(data, '}');
    if (text_failed(data)) {
        return text_error(data, "turns: event");
    }
    return sessions__event(tx, &turn->session, type, (struct bytes){data->data, data->len});
}

struct err turns__event_started(struct tx *tx, const struct turn *turn, struct bytes question) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_number(&data, ",\"number\":", turn->row.number);
    add(&data, ",\"model\":", turn->row.model);
    if (question.len > 0) {
        add(&data, ",\"reply_to\":", question);
    }
    return end_event(tx, turn, BYTES("turn_started"), &data);
}

struct err turns__event_output(struct tx *tx, const struct turn *turn) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_number(&data, ",\"step\":", turn->row.call);
    return end_event(tx, turn, BYTES("output_started"), &data);
}

struct err turns__event_cut_off(struct tx *tx, const struct turn *turn) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_number(&data, ",\"step\":", turn->row.call);
    text_add_str(&data, ",\"channel\":\"status\",\"cause\":\"daemon_restarted\"");
    return end_event(tx, turn, BYTES("output_discarded"), &data);
}

/* What does not fit an event is in the message. */
static void add_shown(struct text *data, const char *name, struct bytes text) {
    bool fits = text.len <= SHOWN_MAX;
    add(data, name, fits ? text : (struct bytes){text.data, utf8_cut(text, SHOWN_MAX)});
    if (!fits) {
        text_add_str(data, ",\"cut\":true");
    }
}

static void add_state(const struct card *card, struct text *data) {
    add_word(data, ",\"state\":", part_state_name(card->state));
    if (card->cause == CARD_DONE) {
        text_add_str(data, ",\"cause\":null");
    } else {
        add_word(data, ",\"cause\":", card_cause_name(card->cause));
    }
}

struct err turns__event_card_started(struct tx *tx, const struct turn *turn,
                                     const struct card *card) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_number(&data, ",\"part\":", card->number);
    add(&data, ",\"tool\":", card->tool);
    add_shown(&data, card->malformed.len > 0 ? ",\"arguments_text\":" : ",\"arguments\":",
              card->malformed.len > 0 ? card->malformed : card->arguments);
    add_state(card, &data);
    return end_event(tx, turn, BYTES("tool_started"), &data);
}

struct err turns__event_card_finished(struct tx *tx, const struct turn *turn,
                                      const struct card *card, struct bytes result) {
    if (turns__is_cleared(turn)) { /* Nobody has it any more. */
        return ERR_OK;
    }
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_number(&data, ",\"part\":", card->number);
    add(&data, ",\"tool\":", card->tool);
    add_state(card, &data);
    add_shown(&data, ",\"result\":", result);
    return end_event(tx, turn, BYTES("tool_finished"), &data);
}

struct err turns__event_card_reviewed(struct tx *tx, const struct turn *turn,
                                      const struct card *card, const struct turn_review_end *end) {
    static const char *const words[] = {
        [TURN_REVIEW_ALLOWS] = "allow", [TURN_REVIEW_DENIES] = "deny", [TURN_REVIEW_ASKS] = "ask"};
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_number(&data, ",\"part\":", card->number);
    add(&data, ",\"tool\":", card->tool);
    add_word(&data, ",\"decision\":", words[end->review]);
    add_shown(&data, ",\"reason\":", end->reason);
    return end_event(tx, turn, BYTES("tool_reviewed"), &data);
}

void turns__write_usage(const struct usage *usage, const struct usage_cost *cost,
                        struct text *data) {
    add_number(data, "{\"fresh\":", usage->fresh);
    add_number(data, ",\"cache_read\":", usage->cache_read);
    add_number(data, ",\"cache_write\":", usage->cache_write);
    add_number(data, ",\"output\":", usage->output);
    add_number(data, ",\"reasoning\":", usage->reasoning);
    text_add_str(data, usage->estimated ? ",\"estimated\":true" : ",\"estimated\":false");
    text_add_str(data, ",\"cost_micros\":");
    if (cost->known) {
        text_add_int(data, cost->micros);
    } else {
        text_add_str(data, "null");
    }
    text_add_char(data, '}');
}

/* The session's sums, and how full the window is. */
static void add_meter(const struct session_row *session, struct text *data) {
    text_add_str(data, ",\"session\":");
    session_write_usage(&session->usage, data);
    add_number(data, ",\"context_used\":", session->context_used);
    add_number(data, ",\"context_window\":", session->context_window);
}

struct err turns__event_usage(struct tx *tx, const struct turn *turn, const struct usage *usage,
                              const struct usage_cost *cost) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_number(&data, ",\"step\":", turn->row.call);
    text_add_str(&data, ",\"call\":");
    turns__write_usage(usage, cost, &data);
    add_meter(&turn->session, &data);
    return end_event(tx, turn, BYTES("usage"), &data);
}

/* Nothing of it is stored: the call's end tells what it was. */
struct err tx_turn_meter(struct tx *tx, const struct turn_meter *meter) {
    const struct run_key key = {.run = meter->run};
    const struct usage *usage = &meter->usage;
    const struct session_usage sums = sessions__sums_of(usage, &meter->cost);
    struct turn turn = {.run = {.id = 0}};
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &turn.run);
    if (!err_failed(err) && found) {
        err = turns__load_rest(tx, &turn, &found);
    }
    if (err_failed(err) || !found || turn.row.call != meter->step) {
        return err;
    }
    AUTO(text_done) struct text data;
    sessions__add_sums(&sums, &turn.session.usage);
    turn.session.context_used = usage_input(usage) + usage->output;
    turn.session.context_window = meter->window;
    begin(&turn, &data);
    add_number(&data, ",\"step\":", meter->step);
    text_add_str(&data, ",\"so_far\":true,\"call\":");
    turns__write_usage(usage, &meter->cost, &data);
    add_meter(&turn.session, &data);
    return end_event(tx, &turn, BYTES("usage"), &data);
}

/* The context is the turn's own, as it was. */
struct err turns__event_review_usage(struct tx *tx, const struct turn *turn,
                                     const struct turn_review_end *end) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_number(&data, ",\"part\":", end->part);
    text_add_str(&data, ",\"review\":true,\"call\":");
    turns__write_usage(&end->usage, &end->cost, &data);
    add_meter(&turn->session, &data);
    return end_event(tx, turn, BYTES("usage"), &data);
}

/* No message of the session is its own. */
struct err titles__event_usage(struct tx *tx, const struct session_row *session,
                               const struct run_row *run, const struct title_end *end) {
    AUTO(text_done) struct text data;
    text_init(&data, DATA_MAX);
    add(&data, "{\"run\":", run->run);
    text_add_str(&data, ",\"title\":true,\"call\":");
    turns__write_usage(&end->usage, &end->cost, &data);
    add_meter(session, &data);
    text_add_char(&data, '}');
    return text_failed(&data)
               ? text_error(&data, "turns: event")
               : sessions__event(tx, session, BYTES("usage"), (struct bytes){data.data, data.len});
}

struct err turns__event_compacted(struct tx *tx, const struct turn *turn,
                                  const struct checkpoint *checkpoint) {
    bool manual = checkpoint->made_by == CHECKPOINT_MANUAL, found = false;
    struct message_row covered;
    struct err err = messages__find_id(tx, checkpoint->message, &found, &covered);
    if (err_failed(err)) {
        return err;
    }
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_word(&data, ",\"trigger\":", manual ? "manual" : "auto");
    add(&data, ",\"method\":", checkpoint->method);
    add(&data, ",\"covers\":", found ? covered.message : BYTES(""));
    if (checkpoint->step > 0) {
        add_number(&data, ",\"covers_step\":", checkpoint->step);
    }
    add_number(&data, ",\"tokens_before\":", checkpoint->tokens_before);
    add_number(&data, ",\"tokens_after\":", checkpoint->tokens_after);
    return end_event(tx, turn, BYTES("context_compacted"), &data);
}

struct err turns__event_waiting(struct tx *tx, const struct turn *turn) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    return end_event(tx, turn, BYTES("turn_waiting"), &data);
}

/* Name of the connection that its model is asked through. */
static struct bytes provider_of(struct bytes model) {
    const char *slash = memchr(model.data, '/', model.len);
    return slash == NULL ? model : (struct bytes){model.data, (size_t)(slash - model.data)};
}

struct err turns__event_provider_waiting(struct tx *tx, const struct turn *turn,
                                         const struct provider_wait *wait) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_word(&data, ",\"gate\":", run_gate_name(GATE_PROVIDER));
    add(&data, ",\"provider\":", provider_of(turn->row.model));
    add_word(&data, ",\"cause\":", run_cause_name(wait->cause));
    add_number(&data, ",\"resume_at_ms\":", wait->resume_at_ms);
    return end_event(tx, turn, BYTES("turn_waiting"), &data);
}

struct err turns__event_resumed(struct tx *tx, const struct turn *turn) {
    AUTO(text_done) struct text data;
    begin(turn, &data);
    add_word(&data, ",\"gate\":", run_gate_name(GATE_PROVIDER));
    return end_event(tx, turn, BYTES("turn_resumed"), &data);
}

struct err turns__event_finished(struct tx *tx, const struct turn *turn) {
    AUTO(text_done) struct text data;
    const struct run_row *run = &turn->run;
    begin(turn, &data);
    add_word(&data, ",\"state\":", run_state_name(run->state));
    add_word(&data, ",\"cause\":", run_cause_name(run->cause));
    add(&data, ",\"note\":", run->note);
    add_number(&data, ",\"calls\":", turn->row.calls);
    return end_event(tx, turn, BYTES("turn_finished"), &data);
}
