/* step.c: the next step of a turn, decided from its rows in the commit of what came last; its
 * begin, and its recovery by the next daemon.
 *
 * A daemon that ended left a call, reviews or tools under way. Each of them that may be repeated is
 * begun again; how often is limited by run/attempt.c. */
#include "engine/base/settings.h"
#include "engine/project/projects.h"
#include "engine/run/kinds.h"
#include "engine/session/roots.h"
#include "engine/tree/trees.h"
#include "engine/turn/record.h"

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

/* In the plan's own arena, which outlives the transaction. */
static struct bytes plan_copy(struct tx *tx, struct turn_plan *plan, struct bytes from) {
    const char *copy = arena_try_copy(&plan->arena, from.len == 0 ? "" : from.data, from.len);
    if (copy == NULL) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "turns: plan"));
        return BYTES("");
    }
    return (struct bytes){copy, from.len};
}

/* Roots are those that are granted now, and so are rules of the project: what was taken back
 * meanwhile holds for nothing that begins. */
static void plan_turn(struct tx *tx, const struct turn *turn, struct turn_plan *plan) {
    const struct session_row *session = &turn->session;
    AUTO(text_done)
    struct text roots = {.size_max = (size_t)(SESSION_ROOTS_MAX + PROJECT_FOLDERS_MAX) *
                                     SESSION_ROOT_PATH_MAX * 8};
    const struct bytes rules = tx_project_settings(tx, session->owner, session->project);
    tx_fail(tx, tx_roots_write_joined(tx, session->id, rules, &roots));
    if (text_failed(&roots)) {
        tx_fail(tx, text_error(&roots, "turns: roots"));
    }
    plan->session = plan_copy(tx, plan, session->session);
    plan->owner = plan_copy(tx, plan, session->owner);
    plan->stream = plan_copy(tx, plan, sessions__stream(tx, session));
    plan->message = plan_copy(tx, plan, turn->answer.message);
    plan->model = plan_copy(tx, plan, turn->row.model);
    /* Nobody looks at a follow-up, or at an agent of a run: of a workflow, of another agent. */
    plan->patience = turn->row.yields ? PATIENCE_YIELDS
                     : turn->row.trigger == TRIGGER_NOTICE || turn->run.parent != 0
                         ? PATIENCE_AGENT
                         : PATIENCE_PERSON;
    plan->project = plan_copy(tx, plan, session->project);
    plan->root = plan_copy(tx, plan, session->root);
    plan->ports = plan_copy(tx, plan, tx_tree_ports(tx, session->root));
    plan->path = plan_copy(tx, plan, session->path);
    plan->config_dir = plan_copy(tx, plan, session->config_dir);
    plan->roots = plan_copy(tx, plan, text_bytes(&roots));
    plan->instructions = plan_copy(tx, plan, session->instructions);
    plan->settings = plan_copy(tx, plan, session->settings);
    plan->rules = plan_copy(tx, plan, rules);
    plan->schema = plan_copy(tx, plan, turn->row.schema);
    plan->program = plan_copy(tx, plan, session->program);
}

/* The process is there once it was begun, and may have ended. */
static void plan_program(struct tx *tx, const struct turn *turn, struct turn_plan *plan) {
    const struct turn_program *program = &turn->row.program;
    struct run_row child;
    runs__load_id(tx, program->child, &child);
    plan->process = plan_copy(tx, plan, child.run);
    plan->process_attempt = child.attempt;
    plan->read_to = program->read_to;
    const struct session_native *native = &turn->session.native;
    plan->reader =
        plan_copy(tx, plan, native->answer == turn->row.answer ? native->reader : BYTES(""));
    plan->tries = program->tries;
    plan->outcome = plan_copy(tx, plan, program->outcome);
    plan->attempts = program->begun;
}

/* A child that goes on has no name in the plan: there is nothing to fetch. */
static struct turn_card *plan_card(struct tx *tx, const struct card *card, struct turn_plan *plan) {
    const struct run_row *child = &card->child;
    const bool ended = child->ended_ms > 0;
    struct turn_card *planned = &plan->cards[plan->card_count++];
    *planned = (struct turn_card){
        .part = card->number,
        .tool = plan_copy(tx, plan, card->tool),
        .arguments = plan_copy(tx, plan, card->arguments),
        .about = plan_copy(tx, plan, card->about),
        .child = plan_copy(tx, plan, ended ? child->run : BYTES("")),
        .child_host = plan_copy(tx, plan, child->host),
        .child_attempt = child->attempt,
        .child_exit = child->exit_code,
        .child_ms = ended && child->started_ms > 0 ? child->ended_ms - child->started_ms : 0,
        .child_state = child->state,
        .child_cause = child->cause};
    return planned;
}

/* --- Facts ------------------------------------------------------------------------------------ */

/* A card whose child has ended is ready again: its result is to be fetched. */
static bool card_ready(const struct card *card) {
    return card->state == PART_STATE_READY ||
           (card->state == PART_STATE_RUNNING && card->child.ended_ms > 0);
}

struct step {
    struct cards cards;
    struct run_row check;                           /* The run that checks, where there is one. */
    struct program_asked asked[TURN_TOOLS_AT_ONCE]; /* A program's questions that are answered. */
    size_t asked_count;
    bool listens; /* The process of its program has not ended. */
};

/* Tools that run are the program's own. One that has ended asks nothing any more. */
static void find_program_facts(struct tx *tx, struct turn *turn, struct step *step) {
    struct turn_facts *facts = &turn->row.facts;
    struct run_row child;
    step->listens =
        runs__load_id(tx, turn->row.program.child, &child) && !run_state_final(child.state);
    step->asked_count =
        step->listens ? programs__answered(tx, turn, step->asked, COUNT_OF(step->asked)) : 0;
    facts->ready = (int64_t)step->asked_count;
    facts->asking = step->listens ? facts->asking : 0;
    facts->reviewing = step->listens ? facts->reviewing : 0;
    facts->running = 0;
    facts->wrote = false;
}

/* A message has a limit of parts, and what it cannot hold would stop the turn in the middle: so the
 * last call comes while there is room for all that it may bring. A program is never cut short for
 * that: the oldest of its parts become fewer (condense.c). */
static void find_facts(struct tx *tx, struct turn *turn, struct step *step) {
    struct turn_row *row = &turn->row;
    struct turn_facts *facts = &row->facts;
    step->cards = cards__open(tx, row->answer);
    turns__count_tools(tx, turn);
    facts->stop = turn->run.stop;
    facts->compacts = turns__compacts(row);
    facts->owes_object = row->schema.len > 0;
    facts->tools_used_up = turn->tools_left == 0;
    facts->check = turns__check_find(tx, turn, &step->check);
    facts->ready = facts->asking = facts->reviewing = 0;
    for (size_t i = 0; i < step->cards.count; i++) {
        facts->ready += card_ready(&step->cards.at[i]);
        facts->asking += step->cards.at[i].state == PART_STATE_ASKING;
        facts->reviewing += step->cards.at[i].state == PART_STATE_REVIEWING;
    }
    facts->running = (int64_t)step->cards.count - facts->ready - facts->asking - facts->reviewing;
    facts->program = turn->session.program.len > 0;
    if (facts->program) {
        find_program_facts(tx, turn, step);
    }
    facts->steered = tx_number(tx,
                               "SELECT 1 FROM messages WHERE session = $1 AND run = $2"
                               " AND status = 'steering' LIMIT 1",
                               ARGS(arg_int(turn->session.id), arg_int(turn->run.id))) != 0;
    const int64_t parts =
        tx_number(tx, "SELECT COALESCE(max(number), 0) FROM parts WHERE message = $1",
                  ARGS(arg_int(row->answer)));
    facts->full = !facts->program && parts + TURN_PARTS_MAX > MESSAGE_PARTS_MAX;
    /* Before the model is asked again: whether it keeps doing the same. Counted once for a call:
     * while something is checked, it is not. */
    const enum turn_next next = turn_next(facts).next;
    if ((next == TURN_NEXT_CALL || next == TURN_NEXT_LAST_CALL) && facts->calls > 0 &&
        !facts->answered && !turn->cut_off && !facts->program) {
        const struct sha256_hex digest = cards__digest(tx, row->answer);
        facts->repeats = bytes_is(row->last, digest.text) ? facts->repeats + 1 : 1;
        row->last = tx_copy(tx, bytes_of(digest.text));
    }
}

/* --- A call of the model ---------------------------------------------------------------------- */

/* Each is as long as a message may be, and the room of one transaction is limited: the others join
 * before the next call, and the turn does not end before. */
enum { JOIN_MAX = 8 };

/* From here on they are part of the running answer, where the prompt shows them; as messages they
 * stay what the user sees. */
static void join_steering(struct tx *tx, const struct turn *turn) {
    struct message_rows rows = messages__steering(tx, turn->session.id, turn->run.id);
    for (size_t i = 0; i < rows.count && i < JOIN_MAX; i++) {
        turns__join(tx, turn, turn->row.step, &rows.rows[i]);
    }
    messages__tell_queue(tx, &turn->session);
}

/* The step of a call that begins. The span of a compaction is written when that is over, since a
 * crash leaves nothing of it. */
static void begin_step(struct turn *turn, struct turn_plan *plan) {
    turn->row.step++;
    turn->row.facts.calls++;
    turn->row.call = turn->row.step;
    plan->step = turn->row.call;
}

/* A call that is made again has its notices already. */
static void start_call(struct tx *tx, struct turn *turn, struct turn_plan *plan) {
    const struct turn_facts *facts = &turn->row.facts;
    const bool last = plan->next == TURN_NEXT_LAST_CALL;
    const enum turn_nudge nudge =
        turn->cut_off || facts->program ? TURN_NUDGE_NONE : turn_nudge(facts);
    struct stream_state state;
    if (nudge == TURN_NUDGE_MISTAKES) {
        turn->row.facts.mistakes_told = facts->mistakes;
        turns__add_text(tx, turn, PART_NOTICE, BYTES(nudge_mistakes));
    } else if (nudge == TURN_NUDGE_REPEATS) {
        turns__add_text(tx, turn, PART_NOTICE, BYTES(nudge_repeats));
    }
    if (last && !turn->cut_off) {
        turns__add_text(tx, turn, PART_NOTICE,
                        facts->owes_object ? BYTES(nudge_last_object) : BYTES(nudge_last));
    }
    if (facts->steered && !facts->program) { /* A program is sent them, or told. */
        join_steering(tx, turn);
    }
    begin_step(turn, plan);
    turn->row.facts.answered = false;
    turn->row.facts.last = last;
    plan->last = last;
    plan->output_max = turn->row.output_max;
    AUTO(text_done) struct text data = turns__event_open(turn);
    text_add_member_int(&data, "step", turn->row.call);
    tx_fail(tx, turns__event_close(tx, &turn->session, "output_started", &data));
    turns__span_call(tx, turn);
    sessions__find_stream(tx, &turn->session, &state);
    turn->row.from_seq = state.head;
}

/* --- Waits ------------------------------------------------------------------------------------ */

/* A wait for a person begins or ends now, beside the change of the run's state. */
static void wait_write(struct tx *tx, const struct turn *turn, enum run_state before,
                       int64_t mark_ms) {
    const struct run_time time = runs__time(tx, &turn->run, before);
    runs__write_waited(tx, turn->run.id, time.waited_ms - mark_ms);
}

void turns__go_on(struct tx *tx, struct turn *turn) {
    const enum run_state from = turn->run.state;
    turn->run.state = RUN_RUNNING;
    tx_fail(tx, runs__write(tx, from, &turn->run));
    wait_write(tx, turn, RUN_WAITING, 0);
    sessions__set_state(tx, SESSION_RUNNING, &turn->session);
}

static void park(struct tx *tx, struct turn *turn, struct turn_plan *plan) {
    plan->next = TURN_NEXT_PARK;
    if (turn->run.state == RUN_WAITING) {
        return;
    }
    turn->run.state = RUN_WAITING;
    tx_fail(tx, runs__write(tx, RUN_RUNNING, &turn->run));
    wait_write(tx, turn, RUN_RUNNING, tx_steady_ms(tx));
    sessions__set_state(tx, SESSION_WAITING, &turn->session);
    turns__event_waiting(tx, turn, NULL /* for a person */);
}

/* The wait of the model's call for its next try is over (run/attempt.c), if there is one.
 * Whatever is stored of a turn next ends the wait, too: the end of a wait that was lost on its way
 * leaves no run `waiting` that goes on. */
static void provider_ask(struct tx *tx, struct turn *turn) {
    const bool compacts = turns__compacts(&turn->row);
    if (run_waits_for_provider(&turn->run)) {
        tx_fail(tx, runs__provider_ask(tx, &turn->run));
        sessions__set_state(tx, compacts ? SESSION_COMPACTING : SESSION_RUNNING, &turn->session);
        AUTO(text_done) struct text data = turns__event_open(turn);
        text_add_member(&data, "gate", bytes_of(run_gate_name(GATE_PROVIDER)));
        tx_fail(tx, turns__event_close(tx, &turn->session, "turn_resumed", &data));
    }
}

struct err tx_turn_provider(struct tx *tx, struct bytes run, int64_t step,
                            const struct provider_wait *wait) {
    struct turn turn;
    if (!turns__load_run(tx, run, &turn) || turn.row.call != step || turns__is_cleared(&turn)) {
        return tx_error(tx);
    }
    if (wait->resume_at_ms == 0) {
        provider_ask(tx, &turn);
    } else if (runs__may_wait(&turn.run)) {
        tx_fail(tx, runs__provider_wait(tx, wait, &turn.run));
        sessions__set_state(tx, SESSION_WAITING, &turn.session);
        turns__event_waiting(tx, &turn, wait);
    }
    return tx_error(tx);
}

/* --- Tools ------------------------------------------------------------------------------------ */

/* A card whose child has ended runs already: only its result is fetched. */
static bool plan_has_room(const struct turn_plan *plan, const struct card *card,
                          const struct turn_facts *facts) {
    int64_t others = card->state == PART_STATE_RUNNING ? 0 : facts->running;
    return (int64_t)plan->card_count + others < TURN_TOOLS_AT_ONCE;
}

/* Reviews have no effects: they go side by side, whatever waits before them. Each plan names them
 * again; the dispatcher knows which are on their way, and has budgets asked for each
 * (tx_turn_review_begin). The reviewer is the setting as it is now, else the model of the turn. */
static void start_reviews(struct tx *tx, const struct turn *turn, const struct step *step,
                          struct turn_plan *plan) {
    const struct turn_facts *facts = &turn->row.facts;
    struct settings settings = {.review_model = {"", 0}};
    if (facts->reviewing > 0) {
        tx_fail(tx, tx_settings_read(tx, &settings));
        plan->reviewer = plan_copy(
            tx, plan, settings.review_model.len > 0 ? settings.review_model : turn->row.model);
    }
    for (size_t i = 0; i < step->cards.count; i++) {
        const struct card *card = &step->cards.at[i];
        if (card->state == PART_STATE_REVIEWING && plan_has_room(plan, card, facts)) {
            plan_card(tx, card, plan)->review = true;
        }
    }
}

/* Answers to questions of a program, which it is sent; without any, what is reviewed. */
static void start_replies(struct tx *tx, struct turn *turn, const struct step *step,
                          struct turn_plan *plan) {
    if (step->asked_count == 0) {
        start_reviews(tx, turn, step, plan);
        return;
    }
    for (size_t i = 0; i < step->asked_count; i++) {
        const struct card *card = &step->asked[i].card;
        const bool denied = card->state != PART_STATE_READY;
        struct turn_card *planned = plan_card(tx, card, plan);
        planned->denied = denied;
        planned->question = plan_copy(tx, plan, step->asked[i].question);
        planned->reason = plan_copy(
            tx, plan, denied ? cards__result(tx, turn->row.answer, card->number) : BYTES(""));
    }
}

/* Starts calls in their order. Repeatable calls run side by side. A call that may not be repeated
 * waits for all calls before it, and all calls after it wait for it: the model wrote them in this
 * order, and a command may read what the call before it wrote. So a call that waits for an approval
 * may hold back others that are ready: then the turn waits for a person. */
static void start_cards(struct tx *tx, struct turn *turn, const struct step *step,
                        struct turn_plan *plan) {
    const struct turn_facts *facts = &turn->row.facts;
    start_reviews(tx, turn, step, plan);
    for (size_t i = 0; i < step->cards.count; i++) {
        struct card *card = &step->cards.at[i];
        if (card_ready(card) && plan_has_room(plan, card, facts) && (card->repeatable || i == 0)) {
            if (card->state != PART_STATE_RUNNING) { /* Else its child has ended. */
                cards__move(tx, turn, PART_STATE_RUNNING, card);
                turns__event_card_started(tx, turn, card);
                turns__span_card(tx, turn, card, SPAN_TOOL, card->tool);
            }
            plan_card(tx, card, plan);
        }
        if (!card->repeatable) {
            break;
        }
    }
    if (plan->card_count > 0) {
        plan->next = TURN_NEXT_START;
    } else if (facts->running > 0) {
        plan->next = TURN_NEXT_WAIT;
    } else {
        park(tx, turn, plan);
    }
}

/* --- The step --------------------------------------------------------------------------------- */

static void parent_announce(struct tx *tx, const struct turn *turn,
                            const struct run_budget_wait *wait) {
    for (size_t i = 0; turn->run.parent != 0 && i < RUN_KIND_COUNT; i++) {
        if (run_kinds[i].child_waits != NULL) {
            tx_fail(tx, run_kinds[i].child_waits(tx, &turn->run, wait));
        }
    }
}

/* Events for the begin and the end of a wait of the next call for a budget. The state of the
 * session says whether the begin has its event: a turn with a next call waits for nothing else.
 * A call that may never be made ends its turn, which is an event, too. */
static void budget_announce(struct tx *tx, struct turn *turn, const struct budget_answer *answer) {
    const bool waited = turn->session.state == SESSION_WAITING;
    if (answer->verdict == BUDGET_WAITS && !waited) {
        sessions__set_state(tx, SESSION_WAITING, &turn->session);
        turns__event_budget(tx, turn, "turn_waiting", answer);
        parent_announce(tx, turn, &(struct run_budget_wait){answer->why, answer->resume_at_ms});
    } else if (answer->verdict == BUDGET_ADMITTED && waited) {
        const bool compacts = turns__compacts(&turn->row);
        sessions__set_state(tx, compacts ? SESSION_COMPACTING : SESSION_RUNNING, &turn->session);
        turns__event_budget(tx, turn, "turn_resumed", NULL);
        parent_announce(tx, turn, NULL /* no wait */);
    }
}

/* A call of the model that may not be made yet waits, and one that may never be ends the turn. What
 * a program does that runs already is only read: it may have what others wait for. */
static struct turn_step budget_check(struct tx *tx, struct turn *turn, const struct step *step,
                                     const struct run_bounds *bounds, struct turn_step next,
                                     struct bytes *ret_why) {
    if (next.next != TURN_NEXT_CALL && next.next != TURN_NEXT_LAST_CALL &&
        next.next != TURN_NEXT_COMPACT) {
        return next;
    }
    const struct budget_answer answer =
        turns__budget_ask(tx, turn, bounds, "model:", turn->row.model, step->listens);
    turn->row.granted = answer.granted;
    *ret_why = answer.why;
    budget_announce(tx, turn, &answer);
    return answer.verdict == BUDGET_WAITS ? (struct turn_step){.next = TURN_NEXT_WAIT}
           : answer.verdict == BUDGET_SPENT
               ? (struct turn_step){.next = TURN_NEXT_END, .cause = CAUSE_BUDGET}
               : next;
}

struct err turns__advance(struct tx *tx, struct turn *turn, const struct run_bounds *bounds,
                          struct turn_plan *plan) {
    /* Answers that do not fit their schema end the turn where they are stored, with their faults
     * (answer.c). Here it is two calls that were cut off, and no answer was held against it. */
    static const char cut[] = "Two answers in a row were cut off at their longest length, within a "
                              "call of a tool: none came that fits the schema.";
    struct bytes why = BYTES("");
    struct step step = {.cards = {.count = 0}};
    provider_ask(tx, turn);
    find_facts(tx, turn, &step);
    plan_turn(tx, turn, plan);
    if (turn->row.facts.program) {
        plan_program(tx, turn, plan);
    }
    if (err_failed(tx_error(tx))) {
        return tx_error(tx); /* Nothing is decided from facts that were not read. */
    }
    const struct turn_step next =
        budget_check(tx, turn, &step, bounds, turn_next(&turn->row.facts), &why);
    plan->next = next.next;
    switch (plan->next) {
    case TURN_NEXT_CALL:
    case TURN_NEXT_LAST_CALL:
        start_call(tx, turn, plan);
        break;
    case TURN_NEXT_START:
        (turn->row.facts.program ? start_replies : start_cards)(tx, turn, &step, plan);
        break;
    case TURN_NEXT_PARK:
        park(tx, turn, plan);
        break;
    case TURN_NEXT_CHECK: { /* Nothing is stored before it is known whether there is a check. */
        struct card check = {.number = TURN_CHECK_PART};
        if (turn->row.check_run != 0) {
            check.tool = step.check.label;
            check.child = step.check;
        }
        plan_card(tx, &check, plan)->step = turn->row.check_run;
        break;
    }
    case TURN_NEXT_COMPACT:
        begin_step(turn, plan);
        break;
    case TURN_NEXT_WAIT:
    case TURN_NEXT_END:
        break;
    }
    turns__write(tx, &turn->row);
    if (err_failed(tx_error(tx)) || next.next != TURN_NEXT_END) {
        return tx_error(tx);
    }
    why = why.len == 0 && next.cause == CAUSE_SCHEMA_MISMATCH ? BYTES(cut) : why;
    why = why.len == 0 && next.cause == CAUSE_COMPLETED ? turn->note : why;
    return turns__end(tx, turn, next.cause, why, bounds);
}

/* --- The first begin -------------------------------------------------------------------------- */

/* The place of the answer was kept when its question came, so that the order of messages is that of
 * the conversation, whatever came meanwhile.
 *
 * False: the message was taken out of the queue after the run began. No answer is shown to a
 * message that is not there, so the turn ends as one that never began. */
static bool turn_open(struct tx *tx, struct turn *turn) {
    const bool compacts = turns__compacts(&turn->row);
    struct message_row question;
    const bool found = messages__find_id(tx, turn->row.question, &question);
    if (found && question.status == MESSAGE_REMOVED) {
        return false;
    }
    sessions__hold_events(tx, &turn->session, STREAM_HOLD);
    if (found && question.status == MESSAGE_QUEUED) {
        messages__write_status(tx, MESSAGE_COMPLETED, &question);
        messages__tell_queue(tx, &turn->session);
    }
    messages__write_status(tx, MESSAGE_RUNNING, &turn->answer);
    if (turn->row.trigger == TRIGGER_AGAIN) {
        turns__take_place(tx, turn);
    }
    sessions__set_state(tx, compacts ? SESSION_COMPACTING : SESSION_RUNNING, &turn->session);
    messages__tell_added(tx, &turn->session, &turn->answer);
    turn->row.begun = true;
    AUTO(text_done) struct text data = turns__event_open(turn);
    text_add_member_int(&data, "number", turn->row.number);
    text_add_member(&data, "model", turn->row.model);
    if (found) {
        text_add_member(&data, "reply_to", question.message);
    }
    tx_fail(tx, turns__event_close(tx, &turn->session, "turn_started", &data));
    return true;
}

/* --- Recovery --------------------------------------------------------------------------------- */

/* A call that a crash cut off is asked again, and what was said of it is void; unless somebody has
 * asked the turn to end: then it is kept. What is held while no call is out is the reserve of
 * reviews. Nobody knows what a call that was cut off took. */
static void call_settle(struct tx *tx, struct turn *turn, const struct run_bounds *bounds) {
    bool compacts = turns__compacts(&turn->row); /* No event names its call yet. */
    if (turn->row.call == 0) {
        if (amounts_any(&turn->row.granted)) {
            turns__budget_settle(tx, turn, bounds, CALL_CUT_OFF, NULL);
        }
        return;
    }
    if (turn->session.program.len > 0) { /* The program goes on, and reports its usage later. */
        const struct amounts none = amounts_none();
        turns__budget_settle(tx, turn, bounds, CALL_FAILED, &none);
    }
    if (!compacts) {
        turns__span_cut_off(tx, turn);
    }
    turns__budget_settle(tx, turn, bounds, CALL_CUT_OFF, NULL);
    if (!compacts && !turns__is_cleared(turn) && turn->run.stop != CAUSE_NONE) {
        /* A dead daemon had stored the output in events alone: it becomes a part of the message. */
        AUTO(turns__said_done) struct turn_said said;
        tx_fail(tx, turns__hear(tx, &turn->session, &turn->row, &said));
        struct message_part parts[] = {{.kind = PART_THINKING, .text = text_bytes(&said.thinking)},
                                       {.kind = PART_TEXT, .text = text_bytes(&said.text)}};
        for (size_t i = 0; i < COUNT_OF(parts); i++) {
            parts[i].message = turn->row.answer;
            parts[i].step = turn->row.call;
            if (parts[i].text.len > 0) {
                cards__add_plain(tx, &parts[i]);
            }
        }
    } else if (!compacts && !turns__is_cleared(turn)) {
        AUTO(text_done) struct text data = turns__event_open(turn);
        text_add_member_int(&data, "step", turn->row.call);
        text_add_str(&data, ",\"channel\":\"status\",\"cause\":\"daemon_restarted\"");
        tx_fail(tx, turns__event_close(tx, &turn->session, "output_discarded", &data));
    }
    turn->cut_off = true;
    turn->row.call = 0;
    turn->row.facts.answered = false;
    turn->row.facts.last = false; /* The last call had no answer: the next one is the last. */
    turn->row.facts.calls--;
}

/* Tools that were running: those that may be repeated begin again. *ret_tool, *ret_review: some
 * tool, or review, does. */
static void cards_settle(struct tx *tx, struct turn *turn, bool *ret_tool, bool *ret_review) {
    static const char unknown[] = "{\"error\":\"outcome_unknown\",\"message\":\"drover was "
                                  "restarted while this ran: it may or may "
                                  "not have happened. Look before you do it again.\"}";
    const struct cards cards = cards__open(tx, turn->row.answer);
    for (size_t i = 0; i < cards.count; i++) {
        struct card *card = &cards.at[i];
        *ret_review = *ret_review || card->state == PART_STATE_REVIEWING;
        if (card->state != PART_STATE_RUNNING || card->child.id != 0) {
            continue;
        }
        if (card->repeatable) {
            *ret_tool = true;
            cards__move(tx, turn, PART_STATE_READY, card);
        } else {
            turns__end_card(tx, turn, card, CARD_DAEMON_RESTARTED, BYTES(unknown));
        }
    }
}

/* --- The transaction -------------------------------------------------------------------------- */

/* A turn of another daemon's epoch: what was in its hands is in nobody's. A step that waits is not
 * under way: the end of the daemon is no work of it. */
struct err tx_turn_begin(struct tx *tx, const struct turn_key *key, struct turn_plan *plan) {
    const struct run_bounds *bounds = &key->bounds;
    struct turn turn;
    if (!turns__open(tx, key, plan, &turn)) {
        return tx_error(tx);
    }
    const bool removed = !turn.row.begun && !turn_open(tx, &turn);
    const int64_t epoch = turn.run.epoch;
    bool over = false, tool = false, review = false;
    if (!removed && epoch != tx_epoch(tx)) {
        const bool for_provider = run_waits_for_provider(&turn.run);
        const bool for_budget = turn.run.lane != 0 && !amounts_any(&turn.row.granted);
        tx_fail(tx, runs__adopt(tx, &turn.run));
        call_settle(tx, &turn, bounds);
        if (turn.session.program.len == 0) { /* A program goes on with its tools. */
            cards_settle(tx, &turn, &tool, &review);
        }
        if (turn.session.program.len == 0 &&
            (tool || (turn.cut_off && !for_provider) || (review && !for_budget))) {
            over = runs__cut_off(tx, epoch, &turn.run);
        }
    }
    TRY(tx_error(tx));
    if (removed) {
        plan->next = TURN_NEXT_END;
        return turns__end(tx, &turn, turn.run.stop == CAUSE_NONE ? CAUSE_STOPPED : turn.run.stop,
                          BYTES(""), bounds);
    }
    if (over && turn.run.stop == CAUSE_NONE) { /* A stop ends the turn, too. */
        plan->next = TURN_NEXT_END;
        return turns__end(tx, &turn, CAUSE_CUT_OFF, BYTES(RUN_CUT_OFF_WORDS), bounds);
    }
    plan->late = turn.row.call != 0; /* The model is being asked already. */
    return plan->late ? ERR_OK : turns__advance(tx, &turn, bounds, plan);
}
