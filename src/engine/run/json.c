/* json.c: a run as clients see it. */
#include <string.h>

#include "base/json/json.h"
#include "base/text.h"
#include "engine/run/runs.h"

static void add_text(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    text_add_json(text, value.data, value.len);
}

/* Words of ours need no escaping; none is null. */
static void add_word(struct text *text, const char *before, const char *word) {
    text_add_str(text, before);
    if (word[0] == '\0') {
        text_add_str(text, "null");
        return;
    }
    text_add_char(text, '"');
    text_add_str(text, word);
    text_add_char(text, '"');
}

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    text_add_int(text, number);
}

/* A moment that has not come is null. */
static void add_moment(struct text *text, const char *before, int64_t at_ms) {
    text_add_str(text, before);
    if (at_ms == 0) {
        text_add_str(text, "null");
    } else {
        text_add_int(text, at_ms);
    }
}

static void add_optional(struct text *text, const char *before, struct bytes value) {
    if (value.len == 0) {
        text_add_str(text, before);
        text_add_str(text, "null");
    } else {
        add_text(text, before, value);
    }
}

void run_write_wait(const struct run_row *row, struct text *text) {
    add_word(text, ",\"state\":", run_state_name(row->state));
    add_word(text, ",\"gate\":", run_gate_name(run_gate_shown(row)));
    add_moment(text, ",\"resume_at_ms\":", run_resume_at_ms(row));
}

static void add_state(const struct run_row *row, struct text *text) {
    run_write_wait(row, text);
    add_word(text, ",\"cause\":", run_cause_name(row->cause));
    const char *about = run_cause_about(row->cause);
    add_optional(text, ",\"about\":", bytes_of(about));
    add_optional(text, ",\"note\":", row->note);
    text_add_str(text, ",\"exit_code\":");
    if (row->exit_code >= 0) {
        text_add_int(text, row->exit_code);
    } else {
        text_add_str(text, "null");
    }
    add_word(text, ",\"stop\":", run_cause_name(row->stop));
    add_number(text, ",\"attempt\":", row->attempt);
    add_number(text, ",\"attempts\":", run_attempts(row));
    if (row->away) {
        text_add_str(text, ",\"host_away\":true");
        add_text(text, ",\"host\":", row->host);
    }
}

static void add_asked(const struct run_row *row, struct text *text) {
    add_optional(text, ",\"parent\":", row->parent_run);
    add_optional(text, ",\"label\":", row->label);
    if (row->label.len == 0 && row->command.len > 0) {
        add_text(text, ",\"command\":", row->command);
    }
    add_optional(text, ",\"key\":", row->key);
    if (row->key.len > 0) {
        add_number(text, ",\"key_max\":", row->key_max);
    }
    add_number(text, ",\"priority\":", row->priority);
    text_add_str(text, row->once ? ",\"once\":true" : ",\"once\":false");
}

static void add_json(struct text *text, const char *before, struct bytes json) {
    text_add_str(text, before);
    if (json.len == 0) {
        text_add_str(text, "null");
    } else {
        json_add_stored(text, json);
    }
}

/* Where its end is told: of a turn, by its session, whose writer slot is the key of its turns; of
 * an agent, by its workflow. */
static void add_stream(const struct run_row *row, struct text *text) {
    struct bytes run = row->kind == KIND_AGENT ? row->parent_run : row->run;
    if (row->kind == KIND_TURN) {
        add_text(text, ",\"stream\":", row->key);
        return;
    }
    text_add_str(text, ",\"stream\":\"run:");
    text_add_json_piece(text, run);
    text_add_char(text, '"');
}

void run_write_json(const struct run_row *row, enum run_form form, struct text *text) {
    add_text(text, "{\"id\":", row->run);
    add_word(text, ",\"kind\":", run_kind_name(row->kind));
    add_state(row, text);
    add_asked(row, text);
    add_number(text, ",\"made_ms\":", row->made_ms);
    add_moment(text, ",\"not_before_ms\":", row->not_before_ms);
    add_moment(text, ",\"started_ms\":", row->started_ms);
    add_moment(text, ",\"ended_ms\":", row->ended_ms);
    add_stream(row, text);
    if (form == RUN_WHOLE) {
        add_json(text, ",\"spec\":", row->spec);
        add_json(text, ",\"result\":", row->result);
    }
    text_add_char(text, '}');
}

void run_write_shown(const struct tx *tx, const struct run_row *row,
                     const struct run_bounds *bounds, struct text *text) {
    struct run_row shown = *row;
    run_shown(&shown, tx_epoch(tx), run_bounds_hold(bounds));
    run_away_mark(&shown, bounds);
    run_write_json(&shown, RUN_LIGHT, text);
}
