/* step.c: what a turn does next, decided from its rows in the commit of what came last. */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/memory.h"
#include "engine/base/settings.h"
#include "engine/session/roots.h"
#include "journal/journal.h"

static const char nudge_mistakes[] =
    "[drover: your last tool calls all failed. Read what they answered, and try another way; if "
    "there is none, say what stands in the way and stop.]";
static const char nudge_repeats[] =
    "[drover: you made the same call again and got the same answer. Don't repeat it: use what you "
    "know, try something else, or say what stands in the way and stop.]";
static const char nudge_last[] =
    "[drover: this turn has reached its limit of steps, and no more tools can be called. Say in a "
    "few sentences what was done, what was found, and what is left to do.]";
static const char nudge_last_object[] =
    "[drover: this turn has reached its limit of steps, and no more tools can be called. Answer "
    "now, in the form that was asked for, with what you know so far.]";

/* --- The plan --------------------------------------------------------------------------------- */

enum { PLAN_MAX = 64 << 20 };

void turn_plan_init(struct turn_plan *plan) {
    *plan = (struct turn_plan){.late = false};
    arena_init(&plan->arena, PLAN_MAX);
}

void turn_plan_done(struct turn_plan *plan) {
    arena_done(&plan->arena);
}

/* The function may run again: what an earlier try planned is forgotten. */
void turns__plan_begin(struct turn_plan *plan) {
    struct arena arena = plan->arena;
    arena_reset(&arena);
    *plan = (struct turn_plan){.arena = arena};
}

static struct err plan_text(struct turn_plan *plan, struct bytes from, struct bytes *ret_text) {
    const char *copy = arena_try_copy(&plan->arena, from.len == 0 ? "" : from.data, from.len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: plan");
    }
    *ret_text = (struct bytes){copy, from.len};
    return ERR_OK;
}

static struct err plan_turn(const struct turn *turn, struct turn_plan *plan) {
    char stream[STREAM_NAME_MAX];
    int len = snprintf(stream, sizeof stream, "session:%.*s", (int)turn->session.session.len,
                       turn->session.session.data);
    assert(len > 0 && (size_t)len < sizeof stream); /* Ids are ours. */
    const struct bytes from[] = {turn->session.session,  turn->session.owner,
                                 {stream, (size_t)len},  turn->answer.message,
                                 turn->row.model,        turn->session.project,
                                 turn->session.root,     turn->session.instructions,
                                 turn->session.settings, turn->row.schema};
    struct bytes *const to[] = {&plan->session,  &plan->owner,   &plan->stream, &plan->message,
                                &plan->model,    &plan->project, &plan->root,   &plan->instructions,
                                &plan->settings, &plan->schema};
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(from) && !err_failed(err); i++) {
        err = plan_text(plan, from[i], to[i]);
    }
    return err;
}

/* Those that are granted now: what was taken back meanwhile holds for nothing that begins. */
static struct err plan_roots(struct tx *tx, const struct turn *turn, struct turn_plan *plan) {
    AUTO(text_done) struct text text;
    text_init(&text, (size_t)SESSION_ROOTS_MAX * SESSION_ROOT_PATH_MAX * 8);
    struct err err = tx_roots_write_json(tx, turn->session.id, &text);
    if (!err_failed(err) && text_failed(&text)) {
        err = text_error(&text, "turns: roots");
    }
    return err_failed(err) ? err
                           : plan_text(plan, (struct bytes){text.data, text.len}, &plan->roots);
}

static struct err plan_card(const struct card *card, struct turn_plan *plan) {
    struct turn_card *planned = &plan->cards[plan->card_count++];
    planned->part = card->number;
    planned->child_attempt = card->child_attempt;
    planned->child_exit = card->child_exit;
    planned->child_ms = card->child_ms;
    planned->child_state = card->child_state;
    planned->child_cause = card->child_cause;
    struct err err = plan_text(plan, card->tool, &planned->tool);
    if (!err_failed(err)) {
        err = plan_text(plan, card->child_host, &planned->child_host);
    }
    if (!err_failed(err)) {
        err = plan_text(plan, card->arguments, &planned->arguments);
    }
    if (!err_failed(err)) {
        err = plan_text(plan, card->about, &planned->about);
    }
    const struct bytes none = {"", 0};
    return err_failed(err)
               ? err
               : plan_text(plan, card->child_ended ? card->child_run : none, &planned->child);
}

/* --- Facts ------------------------------------------------------------------------------------ */

/* One whose child has ended is ready once more: its result is to be fetched. */
static bool is_ready(const struct card *card) {
    return card->state == PART_STATE_READY ||
           (card->state == PART_STATE_RUNNING && card->child_ended);
}

static struct turn_facts facts_of(const struct turn *turn, const struct cards *cards) {
    const struct turn_row *row = &turn->row;
    struct turn_facts facts = {.stop = turn->run.stop,
                               .compacts = turns__compacts(row),
                               .answered = row->answered,
                               .last = row->last_call,
                               .owes_object = row->schema.len > 0,
                               .truncated = row->truncated,
                               .calls = row->calls,
                               .calls_max = row->calls_max,
                               .wrote = row->wrote,
                               .failed_checks = row->failed_checks,
                               .mistakes = row->mistakes,
                               .mistakes_told = row->mistakes_told,
                               .repeats = row->repeats};
    for (size_t i = 0; i < cards->count; i++) {
        facts.ready += is_ready(&cards->at[i]);
        facts.asking += cards->at[i].state == PART_STATE_ASKING;
        facts.reviewing += cards->at[i].state == PART_STATE_REVIEWING;
    }
    facts.running = (int64_t)cards->count - facts.ready - facts.asking - facts.reviewing;
    return facts;
}

/* Messages that came with `steer` and wait for the next call. */
static struct err find_steering(struct tx *tx, const struct turn *turn, bool *ret_found) {
    const struct arg args[] = {arg_int(turn->session.id), arg_int(turn->run.id)};
    const struct run_ask ask = {.sql = "SELECT 1 FROM messages WHERE session = $1 AND run = $2"
                                       " AND status = 'steering' LIMIT 1",
                                .args = args,
                                .count = COUNT_OF(args)};
    int64_t found = 0;
    struct err err = runs__int(tx, &ask, &found);
    if (!err_failed(err)) {
        *ret_found = found != 0;
    }
    return err;
}

/* Beside the items of an answer: long texts in pieces, what joins, what is noted, the end. */
enum { PARTS_BESIDE = 64 };

/* A message has a limit of parts, and what it cannot hold would stop the turn in the middle: so the
 * last call comes while there is room for all that it may bring. */
static struct err find_room(struct tx *tx, const struct turn *turn, bool *ret_full) {
    const struct arg args[] = {arg_int(turn->row.answer)};
    const struct run_ask ask = {.sql = "SELECT COALESCE(max(number), 0) FROM parts"
                                       " WHERE message = $1",
                                .args = args,
                                .count = COUNT_OF(args)};
    int64_t parts = 0;
    struct err err = runs__int(tx, &ask, &parts);
    if (!err_failed(err)) {
        *ret_full = parts + TURN_ITEMS_MAX + PARTS_BESIDE > MESSAGE_PARTS_MAX;
    }
    return err;
}

/* Before the model is asked again: whether it keeps doing the same. */
static struct err count_repeats(struct tx *tx, struct turn *turn, struct turn_facts *facts) {
    struct sha256_hex digest;
    if (turn->row.calls == 0 || turn->row.answered || turn->cut_off) {
        return ERR_OK;
    }
    struct err err = cards__digest(tx, turn->row.answer, &digest);
    if (err_failed(err)) {
        return err;
    }
    size_t len = strlen(digest.text);
    bool same = turn->row.last.len == len && memcmp(turn->row.last.data, digest.text, len) == 0;
    turn->row.repeats = same ? turn->row.repeats + 1 : 1;
    turn->row.last.data = arena_try_copy(tx_arena(tx), digest.text, len);
    turn->row.last.len = len;
    facts->repeats = turn->row.repeats;
    return turn->row.last.data == NULL ? err_make(ERR_OUT_OF_MEMORY, "turns: digest") : ERR_OK;
}

/* --- A call of the model ---------------------------------------------------------------------- */

struct err turns__add_notice(struct tx *tx, const struct turn *turn, struct bytes words) {
    const struct message_part part = {
        .message = turn->row.answer, .step = turn->row.step, .kind = PART_NOTICE, .text = words};
    return cards__add_plain(tx, &part);
}

static struct err add_nudges(struct tx *tx, struct turn *turn, const struct turn_facts *facts,
                             bool last) {
    enum turn_nudge nudge = turn_nudge(facts);
    struct err err = ERR_OK;
    if (nudge == TURN_NUDGE_MISTAKES) {
        turn->row.mistakes_told = facts->mistakes;
        err = turns__add_notice(tx, turn, BYTES(nudge_mistakes));
    } else if (nudge == TURN_NUDGE_REPEATS) {
        err = turns__add_notice(tx, turn, BYTES(nudge_repeats));
    }
    const struct bytes words =
        turn->row.schema.len > 0 ? BYTES(nudge_last_object) : BYTES(nudge_last);
    return err_failed(err) || !last ? err : turns__add_notice(tx, turn, words);
}

static struct err join_one(struct tx *tx, const struct turn *turn, struct message_row *row) {
    struct message_parts parts = {.count = 0};
    struct err err = parts__read(tx, row->id, MESSAGE_BYTES_WHOLE, &parts);
    for (size_t i = 0; i < parts.count && !err_failed(err); i++) {
        struct message_part part = parts.parts[i];
        part.message = turn->row.answer;
        part.step = turn->row.step;
        part.kind = part.kind == PART_TEXT ? PART_STEER : part.kind;
        err = cards__add_plain(tx, &part);
    }
    if (!err_failed(err)) {
        err = messages__write_status(tx, MESSAGE_JOINED, row);
    }
    return err_failed(err) ? err : messages__tell_edited(tx, &turn->session, row);
}

/* Each is as long as a message may be, and one transaction holds only so much: the others join
 * before the next call, and the turn does not end before. */
enum { JOIN_MAX = 8 };

/* From here on they are part of the running answer, where the prompt shows them; as messages they
 * stay what the user sees. */
static struct err join_steering(struct tx *tx, const struct turn *turn) {
    struct message_rows rows = {.count = 0};
    struct err err = messages__steering(tx, &turn->session, turn->run.id, &rows);
    for (size_t i = 0; i < rows.count && i < JOIN_MAX && !err_failed(err); i++) {
        err = join_one(tx, turn, &rows.rows[i]);
    }
    return err_failed(err) ? err : messages__tell_queue(tx, &turn->session);
}

static struct err find_seq(struct tx *tx, struct turn *turn, const struct turn_plan *plan) {
    struct stream_state state = {0};
    bool found = false;
    struct err err = tx_stream_find(tx, plan->owner, plan->stream, &found, &state);
    turn->row.from_seq = found ? state.head : 0;
    return err;
}

static struct err start_call(struct tx *tx, struct turn *turn, const struct turn_facts *facts,
                             struct turn_plan *plan) {
    bool last = plan->next == TURN_NEXT_LAST_CALL;
    /* A call that is asked again was told already what it should know. */
    struct err err = turn->cut_off ? ERR_OK : add_nudges(tx, turn, facts, last);
    if (!err_failed(err) && facts->steered) {
        err = join_steering(tx, turn);
    }
    turn->row.step++;
    turn->row.calls++;
    turn->row.call = turn->row.step;
    turn->row.answered = false;
    turn->row.last_call = last;
    plan->step = turn->row.call;
    plan->last = last;
    plan->output_max = turn->row.output_max;
    if (!err_failed(err)) {
        err = turns__event_output(tx, turn);
    }
    if (!err_failed(err)) {
        err = find_seq(tx, turn, plan);
    }
    return err_failed(err) ? err : turns__span_call(tx, turn);
}

/* Its span is told when it is over, since a crash leaves nothing of it. */
static void start_compaction(struct turn *turn, struct turn_plan *plan) {
    turn->row.step++;
    turn->row.calls++;
    turn->row.call = turn->row.step;
    plan->step = turn->row.call;
}

/* --- Tools ------------------------------------------------------------------------------------ */

static struct err start_card(struct tx *tx, struct turn *turn, struct card *card,
                             struct turn_plan *plan) {
    if (card->state == PART_STATE_RUNNING) { /* Its child has ended. */
        return plan_card(card, plan);
    }
    const struct bytes as_it_is = {NULL, 0};
    card->state = PART_STATE_RUNNING;
    struct err err = cards__write(tx, turn->row.answer, card, as_it_is);
    if (!err_failed(err)) {
        err = turns__event_card_started(tx, turn, card);
    }
    if (!err_failed(err)) {
        err = turns__span_card(tx, turn, card);
    }
    return err_failed(err) ? err : plan_card(card, plan);
}

static struct err park(struct tx *tx, struct turn *turn, struct turn_plan *plan) {
    plan->next = TURN_NEXT_PARK;
    if (turn->run.state == RUN_WAITING) {
        return ERR_OK;
    }
    turn->run.state = RUN_WAITING;
    struct err err = runs__write(tx, RUN_RUNNING, &turn->run);
    if (!err_failed(err)) {
        err = turns__wait(tx, turn, TURN_WAIT_BEGINS);
    }
    if (!err_failed(err)) {
        err = sessions__set_state(tx, SESSION_WAITING, &turn->session);
    }
    return err_failed(err) ? err : turns__event_waiting(tx, turn);
}

/* One whose child has ended runs already: only its result is fetched. */
static bool has_room(const struct card *card, const struct turn_facts *facts,
                     const struct turn_plan *plan) {
    int64_t planned = (int64_t)plan->card_count;
    int64_t others = card->state == PART_STATE_RUNNING ? 0 : facts->running;
    return planned + others < TURN_TOOLS_AT_ONCE;
}

/* The setting, as it is now, else the model of the turn. */
static struct err plan_reviewer(struct tx *tx, const struct turn *turn, struct turn_plan *plan) {
    struct settings settings;
    struct err err = tx_settings_read(tx, &settings);
    bool set = !err_failed(err) && settings.review_model.len > 0;
    return err_failed(err)
               ? err
               : plan_text(plan, set ? settings.review_model : turn->row.model, &plan->reviewer);
}

/* A look at a call changes nothing: they go side by side, whatever waits before them. Each plan
 * names them again; who performs it knows which are on their way, and has budgets asked for each
 * (tx_turn_review_begin). */
static struct err plan_reviews(struct tx *tx, const struct turn *turn,
                               const struct turn_facts *facts, const struct cards *cards,
                               struct turn_plan *plan) {
    struct err err = facts->reviewing > 0 ? plan_reviewer(tx, turn, plan) : ERR_OK;
    for (size_t i = 0; i < cards->count && !err_failed(err); i++) {
        const struct card *card = &cards->at[i];
        if (card->state != PART_STATE_REVIEWING || !has_room(card, facts, plan)) {
            continue;
        }
        err = plan_card(card, plan);
        plan->cards[plan->card_count - 1].review = true;
    }
    return err;
}

/* In the order of the calls. Those that may run again begin side by side; one that may not waits
 * until all before it are done, and all behind it wait for it: the model wrote them in this order,
 * and what a command reads may be what the call before it wrote. So one that waits for somebody's
 * yes may hold back others that are ready: then the turn waits for somebody. */
static struct err start_cards(struct tx *tx, struct turn *turn, const struct turn_facts *facts,
                              const struct cards *cards, struct turn_plan *plan) {
    struct err err = plan_reviews(tx, turn, facts, cards, plan);
    for (size_t i = 0; i < cards->count && !err_failed(err); i++) {
        struct card *card = &cards->at[i];
        bool first = i == 0;
        bool fits = has_room(card, facts, plan);
        if (is_ready(card) && fits && (card->repeatable || first)) {
            err = start_card(tx, turn, card, plan);
        }
        if (!card->repeatable) {
            break;
        }
    }
    if (err_failed(err) || plan->card_count > 0 || facts->running > 0) {
        plan->next = plan->card_count > 0 ? TURN_NEXT_START : TURN_NEXT_WAIT;
        return err;
    }
    return park(tx, turn, plan);
}

/* --- Checks ----------------------------------------------------------------------------------- */

/* Nothing of it is stored before somebody has looked whether there is a check at all. */
static struct err plan_check(const struct turn *turn, const struct run_row *run,
                             struct turn_plan *plan) {
    struct card card = {.number = TURN_CHECK_PART};
    bool ended = turn->row.check_run != 0;
    if (ended) {
        card.tool = run->label;
        card.child_run = run->run;
        card.child_host = run->host;
        card.child_attempt = run->attempt;
        card.child_exit = run->exit_code;
        card.child_state = run->state;
        card.child_cause = run->cause;
        card.child_ended = true;
    }
    struct err err = plan_card(&card, plan);
    plan->cards[0].step = turn->row.check_run;
    return err;
}

/* --- The step --------------------------------------------------------------------------------- */

struct step {
    struct turn_facts facts;
    struct cards cards;
    struct run_row check; /* The run that checks, where there is one. */
};

static struct err take_step(struct tx *tx, struct turn *turn, const struct turn_step *next,
                            const struct step *step, struct turn_plan *plan) {
    plan->next = next->next;
    switch (next->next) {
    case TURN_NEXT_CALL:
    case TURN_NEXT_LAST_CALL:
        return start_call(tx, turn, &step->facts, plan);
    case TURN_NEXT_START:
        return start_cards(tx, turn, &step->facts, &step->cards, plan);
    case TURN_NEXT_PARK:
        return park(tx, turn, plan);
    case TURN_NEXT_CHECK:
        return plan_check(turn, &step->check, plan);
    case TURN_NEXT_COMPACT:
        start_compaction(turn, plan);
        return ERR_OK;
    case TURN_NEXT_WAIT:
    case TURN_NEXT_END:
        break;
    }
    return ERR_OK;
}

/* What is counted at a call is counted once: while something is checked, it is not. */
static struct err find_facts(struct tx *tx, struct turn *turn, struct step *step) {
    struct err err = cards__open(tx, turn->row.answer, &step->cards);
    if (err_failed(err)) {
        return err;
    }
    step->facts = facts_of(turn, &step->cards);
    err = turns__check_find(tx, turn, &step->facts.check, &step->check);
    if (!err_failed(err)) {
        err = find_steering(tx, turn, &step->facts.steered);
    }
    if (!err_failed(err)) {
        err = find_room(tx, turn, &step->facts.full);
    }
    if (!err_failed(err)) {
        err = turns__count_tools(tx, turn);
        step->facts.tools_used_up = turn->tools_left == 0;
    }
    enum turn_next next = turn_next(&step->facts).next;
    bool call = next == TURN_NEXT_CALL || next == TURN_NEXT_LAST_CALL;
    return err_failed(err) || !call ? err : count_repeats(tx, turn, &step->facts);
}

/* A call that may not be made yet waits, and one that may never be ends the turn. */
static struct err ask_budget(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                             struct turn_step *io_next, struct bytes *ret_why) {
    enum budget_verdict verdict = BUDGET_ADMITTED;
    if (io_next->next != TURN_NEXT_CALL && io_next->next != TURN_NEXT_LAST_CALL &&
        io_next->next != TURN_NEXT_COMPACT) {
        return ERR_OK;
    }
    struct err err = turns__budget_ask(tx, turn, bounds, &verdict, ret_why);
    if (!err_failed(err) && verdict == BUDGET_WAITS) {
        *io_next = (struct turn_step){.next = TURN_NEXT_WAIT};
    } else if (!err_failed(err) && verdict == BUDGET_SPENT) {
        *io_next = (struct turn_step){.next = TURN_NEXT_END, .cause = CAUSE_BUDGET};
    }
    return err;
}

/* Answers that do not fit their schema end the turn where they are stored, with their faults
 * (answer.c). Here it is two calls that were cut off, and no answer was held against it. */
static struct bytes end_sentence(enum run_cause cause) {
    static const char cut[] = "Two answers in a row were cut off at their longest length, within a "
                              "call of a tool: none came that fits the schema.";
    return cause == CAUSE_SCHEMA_MISMATCH ? BYTES(cut) : BYTES("");
}

struct err turns__advance(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                          struct turn_plan *plan) {
    struct bytes why = {"", 0};
    struct step step = {.cards = {.count = 0}};
    struct err err = turns__provider_ask(tx, turn);
    if (!err_failed(err)) {
        err = find_facts(tx, turn, &step);
    }
    if (!err_failed(err)) {
        err = plan_turn(turn, plan);
    }
    if (!err_failed(err)) {
        err = plan_roots(tx, turn, plan);
    }
    if (err_failed(err)) {
        return err;
    }
    struct turn_step next = turn_next(&step.facts);
    err = ask_budget(tx, turn, bounds, &next, &why);
    if (err_failed(err)) {
        return err;
    }
    err = take_step(tx, turn, &next, &step, plan);
    if (!err_failed(err)) {
        err = turns__write(tx, &turn->row);
    }
    if (!err_failed(err) && next.next == TURN_NEXT_END) {
        why = why.len > 0 ? why : end_sentence(next.cause);
        err = turns__end(tx, turn, next.cause, why, bounds);
    }
    return err;
}
