/* cards.c: cards end, with their marks and their outcomes, or a person is asked about them. */
#include <string.h>

#include "base/json/json.h"
#include "engine/turn/record.h"

/* A denial, a stop or a crash says nothing of the model: the row of its mistakes neither grows nor
 * ends by one. A denied call did not run, and is in the trace. */
void turns__close_card(struct tx *tx, struct turn *turn, const struct card *card,
                       struct bytes result) {
    const enum card_mark mark = card_cause_mark(card->cause);
    if (card->state == PART_STATE_DENIED) {
        turns__span_card(tx, turn, card, SPAN_TOOL, card->tool);
    }
    cards__write(tx, turn->row.answer, card, result);
    int64_t ms;
    turns__span_card_end(tx, turn, card, result, &ms);
    if (mark == CARD_MARK_GOOD) {
        turn->row.facts.mistakes = 0;
        turn->row.facts.mistakes_told = 0;
    }
    turn->row.facts.mistakes += mark == CARD_MARK_MISTAKE;
    tx_fail(tx, turns__event_card_finished(tx, turn, card, result, ms));
}

void turns__end_card(struct tx *tx, struct turn *turn, struct card *card, enum card_cause cause,
                     struct bytes result) {
    cards__end(card, cause);
    turns__close_card(tx, turn, card, result);
}

/* The settings of a session may limit a turn's calls of tools. What the model calls beyond that is
 * refused, and it is asked again, without tools, for what it has found so far (step.c). Most
 * settings say nothing of it, and these are not parsed. Calls are counted from the message: its
 * cards are never taken out of it. */
void turns__count_tools(struct tx *tx, struct turn *turn) {
    static const char name[] = "max_tool_calls";
    const struct bytes settings = turn->session.settings;
    AUTO(json_release) json_t *json = NULL;
    turn->tools_left = -1;
    if (settings.len < sizeof name ||
        memmem(settings.data, settings.len, name, sizeof name - 1) == NULL ||
        err_failed(json_parse_wrapped(settings, &json, NULL))) {
        return;
    }
    const int64_t limit = json_int(json, name, -1);
    if (limit > 0) {
        const int64_t made =
            tx_number(tx, "SELECT count(*) FROM parts WHERE message = $1 AND kind = 'tool'",
                      ARGS(arg_int(turn->row.answer)));
        turn->tools_left = made < limit ? limit - made : 0;
    }
}

void cards__begin_outcome(struct bytes operation, struct text *text) {
    text_add_char(text, '{');
    text_add_member(text, "operation", operation);
    text_add_name(text, "state");
}

bool cards__is_outcome(struct bytes result, struct bytes operation) {
    AUTO(text_done) struct text begin = {.size_max = 1024};
    cards__begin_outcome(operation, &begin);
    return !text_failed(&begin) && result.len > begin.len &&
           bytes_begin(result, text_bytes(&begin));
}

void cards__write_pending(const char *status, struct bytes operation, struct text *text) {
    text_add_char(text, '{');
    text_add_member(text, "status", bytes_of(status));
    text_add_member(text, "operation", operation);
    text_add_char(text, '}');
}

enum turn_check turns__check_find(struct tx *tx, struct turn *turn, struct run_row *ret_run) {
    if (!runs__load_id(tx, turn->row.check_run, ret_run)) {
        /* Where there was one, it was removed with its output: nobody knows any more. */
        turn->row.check_run = 0;
        return TURN_CHECK_NONE;
    }
    return run_state_final(ret_run->state) ? TURN_CHECK_ENDED : TURN_CHECK_RUNS;
}

/* A person is asked about the call. */
void turns__ask_person(struct tx *tx, const struct turn *turn, const struct card *card,
                       enum approval_kind kind) {
    struct approval_row row;
    const struct approval_new what = {.session = &turn->session,
                                      .run = &turn->run,
                                      .message = &turn->answer,
                                      .part = card->number,
                                      .step = card->tool,
                                      .kind = kind,
                                      .digest = card->digest,
                                      .arguments = card->arguments,
                                      .about = card->about};
    tx_fail(tx, approvals__ask(tx, &what, &row));
}
