/* program.c: see program.h. */
#include "engine/turn/program.h"

#include "base/utf8.h"
#include "engine/base/settings.h"
#include "engine/turn/prompt.h"
#include "engine/turn/record.h"
#include "rules/agent/outcome.h"

/* --- Its process ------------------------------------------------------------------------------ */

/* The program's session has all that was heard and said in it so far. An answer that was cleared,
 * rolled back or replaced by another variant cannot be taken from there, so the state of the reader
 * counts only while that answer is shown; of a session that was adopted: the notice that stands
 * after its messages. */
static bool native_counts(struct tx *tx, const struct turn *turn) {
    const int64_t answer = turn->session.native.answer;
    return answer == turn->row.answer ||
           tx_number(tx,
                     "SELECT 1 FROM messages a LEFT JOIN messages q ON q.id = a.reply_to"
                     " WHERE a.id = $1 AND a.active = 1"
                     " AND a.status IN ('completed', 'interrupted', 'failed')"
                     " AND COALESCE(q.status, '') NOT IN ('removed', 'rolled_back')",
                     ARGS(arg_int(answer))) != 0;
}

/* Kept with the session, not the turn: retention removes turns. */
static void reader_keep(struct tx *tx, struct turn *turn, struct bytes state) {
    AUTO(json_release) json_t *json = NULL;
    struct session_native *native = &turn->session.native;
    native->reader = tx_copy(tx, state);
    native->answer = turn->row.answer;
    (void)err_failed(json_parse_wrapped(state, &json, NULL)); /* Else it says no such thing. */
    if (!json_is_true(json_object_get(json, "unheard"))) {
        native->heard = native->answer;
    }
    sessions__set_native(tx, &turn->session);
}

struct err tx_program_task(struct tx *tx, const struct turn_key *key, struct program_task *task) {
    struct turn turn;
    text_clear(task->reader);
    text_clear(task->joins);
    text_clear(task->missed);
    task->prompted = 0;
    task->last = (struct id){""};
    text_clear(task->notice);
    text_clear(task->prompt);
    if (!turns__load_run(tx, key->run, &turn)) {
        return tx_error(tx);
    }
    const struct bytes notice = tx_text(tx,
                                        "SELECT text FROM parts WHERE message = $1"
                                        " AND kind = 'notice' ORDER BY number DESC LIMIT 1",
                                        ARGS(arg_int(turn.row.answer)));
    text_add(task->notice, notice.data, notice.len);
    programs__add_words(tx, turn.row.question, task->prompt);
    programs__tell_waiting(tx, &turn, task);
    if (native_counts(tx, &turn)) {
        const struct bytes reader = turn.session.native.reader;
        text_add(task->reader, reader.data, reader.len);
    }
    programs__tell_missed(tx, &turn, task);
    return tx_error(tx);
}

/* The words of both, with whose they are. Of a long conversation the beginning is left out. */
static struct err history_add(void *ctx, const struct prompt_part *part) {
    struct text *history = ctx;
    if (part->kind != PROMPT_TEXT || part->asks) {
        return ERR_OK;
    }
    if (part->opens) {
        text_add_str(history, history->len > 0 ? "\n\n" : "");
        text_add_str(history, part->role == PROMPT_ASSISTANT ? "You: " : "User: ");
    }
    const struct bytes words = programs__end_of(part->text, PROGRAM_HISTORY_MAX);
    text_add(history, words.data, words.len);
    if (history->len > (size_t)2 * PROGRAM_HISTORY_MAX) {
        programs__shorten(history);
    }
    return text_failed(history) ? text_error(history, "turns: history") : ERR_OK;
}

struct err tx_program_history(struct tx *tx, const struct turn_key *key, struct text *history) {
    AUTO(text_done) struct text said = text_up_to((size_t)4 * PROGRAM_HISTORY_MAX);
    struct err err = tx_prompt_each(tx, key, history_add, &said);
    if (!err_failed(err) && said.len > PROGRAM_HISTORY_MAX) {
        programs__shorten(&said);
    }
    text_clear(history);
    text_add(history, text_bytes(&said).data, said.len);
    return err;
}

/* A turn that was stopped has ended before its process has: that has its grace. So has one that
 * stays after an answer which does not fit. */
static struct program_before processes_before(struct tx *tx, const struct turn *turn) {
    int64_t of[2];
    tx_numbers(tx,
               "SELECT COALESCE(max(CASE WHEN r.ended_ms IS NULL THEN 1 ELSE 0 END), 0),"
               " COALESCE(max(r.ended_ms), 0) FROM turns t JOIN runs r ON r.parent = t.run"
               " AND r.parent <> 0 AND r.step_key = '' WHERE t.session = $1 AND t.run <= $2"
               " AND r.kind = 'job'",
               ARGS(arg_int(turn->session.id), arg_int(turn->run.id)), of, COUNT_OF(of));
    return (struct program_before){.busy = of[0] != 0, .ended_ms = of[1]};
}

void turns__view(struct tx *tx, struct run_row *io_run) {
    io_run->starts =
        tx_number(tx, "SELECT program_begun FROM turns WHERE run = $1", ARGS(arg_int(io_run->id)));
}

struct err tx_program_before(struct tx *tx, const struct turn_key *key,
                             struct program_before *ret_before) {
    struct turn turn;
    *ret_before = turns__load_run(tx, key->run, &turn) ? processes_before(tx, &turn)
                                                       : (struct program_before){.busy = false};
    return tx_error(tx);
}

struct err tx_program_start(struct tx *tx, const struct program_start_new *start,
                            struct id *ret_run, bool *ret_busy) {
    struct turn turn;
    *ret_busy = false;
    *ret_run = (struct id){""};
    if (!turns__load(tx, &start->key, &turn) || turn.row.call != start->step) {
        return tx_error(tx);
    }
    struct run_row row;
    const bool found = runs__load_id(tx, turn.row.program.child, &row);
    if (!found && turn.run.stop == CAUSE_NONE && processes_before(tx, &turn).busy) {
        *ret_busy = true;
    } else if (!found && turn.run.stop == CAUSE_NONE) {
        struct run_new what = start->run;
        what.owner = turn.run.owner;
        what.project = turn.session.project;
        what.parent = turn.run.run;
        tx_fail(tx, tx_run_submit(tx, &what, &row));
        runs__set_agent(tx, row.id, turn.session.agent);
        turn.row.program.child = row.id;
        turn.row.program.begun++;
        turn.row.program.read_to = 0;
        reader_keep(tx, &turn, start->reader);
        turns__write(tx, &turn.row);
        const struct program_input input = {&row, turn.session.program, start->line};
        programs__send_waiting(tx, &turn, &input, start->prompted);
    }
    *ret_run = id_copy(row.run);
    return tx_error(tx);
}

struct err tx_program_child(struct tx *tx, const struct turn_key *key, struct bytes run,
                            struct program_child *ret_child) {
    struct run_row row, turn;
    *ret_child = (struct program_child){.exit_code = -1};
    if (!runs__load(tx, run, &row) || !runs__load(tx, key->run, &turn)) {
        return tx_error(tx);
    }
    /* Where processes of the turn asked people before, that time is not counted, either: it is
     * better to end one too late than too early. */
    const int64_t here_ms = runs__took_ms(tx, &row);
    const struct run_time time = runs__time(tx, &turn, turn.state);
    AUTO(json_release) json_t *result = NULL;
    if (row.result.len > 0) {
        (void)err_failed(json_parse_wrapped(row.result, &result, NULL)); /* Damaged: none. */
    }
    struct why away = {""}, note;
    why_set(&note, "%.*s", (int)row.note.len, row.note.len == 0 ? "" : row.note.data);
    const struct err here = tx_run_check_here(tx, &row, &key->bounds, &away);
    tx_fail(tx, here.code == ERR_HOST_AWAY ? ERR_OK : here);
    *ret_child =
        (struct program_child){.found = true,
                               .away = away,
                               .note = note,
                               .ended = run_state_final(row.state),
                               .attempt = row.attempt,
                               .state = row.state,
                               .cause = row.cause,
                               .stop = row.stop,
                               .exit_code = row.exit_code,
                               .signal = json_int(result, "signal", 0),
                               .took_ms = here_ms > time.waited_ms ? here_ms - time.waited_ms : 0};
    return tx_error(tx);
}

struct err tx_program_stop(struct tx *tx, struct bytes run, enum run_cause cause,
                           enum program_grace grace) {
    const struct run_ask_stop stop = {.cause = cause,
                                      .grace_ms = grace == PROGRAM_HURRY ? 0 : RUN_STOP_GRACE_MS};
    struct run_freed freed = {.kinds = 0};
    struct run_row child;
    if (!runs__load(tx, run, &child) || run_state_final(child.state)) {
        return tx_error(tx);
    }
    struct err err = runs__ask(tx, &stop, &child, &freed);
    return err_failed(err) ? err : runs__admit_later(tx, &freed);
}

/* --- Its input -------------------------------------------------------------------------------- */

/* --- Questions -------------------------------------------------------------------------------- */

enum { ASKED_MAX = 256 << 10 }; /* TURN_CARDS_MAX ids of 1,000 bytes fit. */

static void asked_write(struct tx *tx, struct turn *turn, const json_t *asked) {
    AUTO(text_done) struct text text = text_up_to(ASKED_MAX);
    if (json_array_size(asked) > 0) {
        tx_fail(tx, json_write(asked, &text));
    }
    turn->row.program.asked = tx_copy_text(tx, &text, "turns: asked");
}

static bool card_of_call(struct tx *tx, const struct turn *turn, struct bytes call,
                         struct card *ret_card) {
    const int64_t number =
        tx_number(tx,
                  "SELECT number FROM parts WHERE message = $1 AND kind = 'tool' AND call = $2"
                  " AND state IN ('running', 'reviewing', 'asking', 'ready')"
                  " ORDER BY number DESC LIMIT 1",
                  ARGS(arg_int(turn->row.answer), arg_text(call)));
    return call.len > 0 && number != 0 && cards__find(tx, turn->row.answer, number, ret_card);
}

/* The tool is in use, and is the program's: it is in the trace, and nothing of ours runs. */
static struct card tool_add(struct tx *tx, struct turn *turn, const struct turn_item *item,
                            int64_t step, enum part_state state) {
    const struct bytes given = item->call.arguments;
    const bool fits = cards__fit(&item->call) && json_is_valid(given);
    struct card card = {.step = step,
                        .state = state,
                        .tool = item->call.name,
                        .call = item->call.id,
                        .arguments = fits ? given : BYTES("{}"),
                        .about = BYTES(""),
                        .digest = item->call.digest,
                        .of_program = true};
    cards__insert(tx, turn->row.answer, &card);
    turn->row.step++;
    return card;
}

static void tool_begin(struct tx *tx, struct turn *turn, const struct card *card) {
    turns__span_card(tx, turn, card, SPAN_TOOL, card->tool);
    turns__event_card_started(tx, turn, card);
}

/* The model of the turn is the program's, and reviews nothing. */
static bool has_reviewer(struct tx *tx) {
    struct settings settings = {.review_model = {"", 0}};
    tx_fail(tx, tx_settings_read(tx, &settings));
    return settings.review_model.len > 0;
}

static void question_add(struct tx *tx, struct turn *turn, const struct turn_item *item,
                         int64_t step) {
    AUTO(json_release) json_t *asked = programs__read_asked(turn);
    const bool fits = cards__fit(&item->call);
    const enum turn_verdict verdict = fits ? item->call.verdict : TURN_REFUSE;
    struct card card;
    if (!card_of_call(tx, turn, item->call.id, &card) || card.state != PART_STATE_RUNNING) {
        card = tool_add(tx, turn, item, step, PART_STATE_RUNNING);
        tool_begin(tx, turn, &card);
    }
    /* The call that is asked for, and may be made: not the one that was shown before. */
    cards__move(tx, turn, PART_STATE_ASKING, &card);
    if (fits) {
        card.digest = item->call.digest;
        card.arguments = item->call.arguments;
        card.about = item->call.about;
        cards__write_data(tx, turn->row.answer, &card);
    }
    json_t *one = json_pack("{s:I,s:s%}", "part", (json_int_t)card.number, "question",
                            item->call.question.data, item->call.question.len);
    if (one == NULL || json_array_append_new(asked, one) != 0) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "turns: question"));
        return;
    }
    asked_write(tx, turn, asked);
    if (verdict == TURN_REVIEW && has_reviewer(tx)) {
        cards__move(tx, turn, PART_STATE_REVIEWING, &card);
    } else if (verdict == TURN_ASK || verdict == TURN_REVIEW) {
        turns__ask_person(tx, turn, &card, ASKS_LEAVE);
    } else if (verdict == TURN_ALLOW) {
        cards__move(tx, turn, PART_STATE_READY, &card);
    } else {
        turns__end_card(tx, turn, &card, fits ? CARD_RULE : CARD_TOO_LARGE,
                        fits ? item->call.refusal : BYTES(CARD_TOO_LONG));
    }
}

void programs__add_item(struct tx *tx, struct turn *turn, const struct turn_item *item,
                        int64_t step) {
    struct card card;
    if (item->kind == TURN_ITEM_QUESTION) {
        question_add(tx, turn, item, step);
    } else if (item->kind == TURN_ITEM_TOOL) {
        card = tool_add(tx, turn, item, step, PART_STATE_RUNNING);
        tool_begin(tx, turn, &card);
    } else if (item->kind == TURN_ITEM_READ) {
        programs__join(tx, turn, item->call.id, step);
    } else if (card_of_call(tx, turn, item->call.id, &card)) {
        struct bytes result = item->call.refusal;
        result.len = utf8_cut(result, TURN_RESULT_MAX);
        turns__end_card(tx, turn, &card, item->call.cause, result);
    }
}

struct err tx_program_reply(struct tx *tx, const struct program_replies *replies,
                            struct turn_plan *plan) {
    struct turn turn;
    if (!turns__open(tx, &replies->key, plan, &turn)) {
        return tx_error(tx);
    }
    AUTO(json_release) json_t *asked = programs__read_asked(&turn);
    for (size_t i = 0; i < replies->count; i++) {
        struct card card;
        for (size_t at = json_array_size(asked); at > 0; at--) {
            if (json_int(json_array_get(asked, at - 1), "part", 0) == replies->parts[i]) {
                (void)json_array_remove(asked, at - 1); /* The index is valid. */
            }
        }
        if (cards__find(tx, turn.row.answer, replies->parts[i], &card) &&
            card.state == PART_STATE_READY) {
            const char *conflict = replies->conflicts[i];
            if (conflict != NULL) {
                turns__end_card(tx, &turn, &card, CARD_CONFLICT, bytes_of(conflict));
            } else {
                cards__move(tx, &turn, PART_STATE_RUNNING, &card);
            }
        }
    }
    asked_write(tx, &turn, asked);
    struct run_row child;
    if (runs__load_id(tx, turn.row.program.child, &child)) {
        programs__input(tx, &child, replies->input, RUN_INPUT_GOES_ON);
    }
    return turns__advance(tx, &turn, &replies->key.bounds, plan);
}

/* The card goes on as the program says: somebody else may have allowed the call, or not. */
static void card_withdraw(struct tx *tx, struct turn *turn, struct card *card) {
    const struct turn_review_end review = {.failure = CAUSE_STOPPED, .reason = BYTES("")};
    if (card->state == PART_STATE_REVIEWING) {
        turns__span_review_end(tx, turn, card, &review);
    } else if (card->state == PART_STATE_ASKING) {
        tx_fail(tx, approvals__withdraw(tx, &turn->run, card->number));
    } else if (card->state != PART_STATE_READY) {
        return;
    }
    cards__move(tx, turn, PART_STATE_RUNNING, card);
}

struct err tx_program_withdraw(struct tx *tx, const struct turn_key *key, struct bytes question,
                               struct turn_plan *plan) {
    struct turn turn;
    struct card card;
    if (!turns__open(tx, key, plan, &turn)) {
        return tx_error(tx);
    }
    AUTO(json_release) json_t *asked = programs__read_asked(&turn);
    size_t open = 0;
    for (size_t i = 0; i < json_array_size(asked);) {
        const json_t *one = json_array_get(asked, i);
        const bool found = cards__find(tx, turn.row.answer, json_int(one, "part", 0), &card);
        if (!bytes_equal(json_bytes(one, "question"), question)) {
            open += found && card.state != PART_STATE_RUNNING;
            i++;
            continue;
        }
        (void)json_array_remove(asked, i); /* The index is valid. */
        if (found) {
            card_withdraw(tx, &turn, &card);
        }
    }
    asked_write(tx, &turn, asked);
    if (open == 0 && turn.run.state == RUN_WAITING && !run_waits_for_provider(&turn.run)) {
        turns__go_on(tx, &turn);
    }
    return turns__advance(tx, &turn, &key->bounds, plan);
}

/* --- How far it was read ---------------------------------------------------------------------- */

/* The next attempt asks its own questions, and nobody hears the end of tools of this one. What a
 * review says of them is late. */
static void tools_close(struct tx *tx, struct turn *turn) {
    const struct turn_review_end review = {.failure = CAUSE_STOPPED, .reason = BYTES("")};
    const struct cards cards = cards__open(tx, turn->row.answer);
    for (size_t i = 0; i < cards.count; i++) {
        struct card *card = &cards.at[i];
        const bool runs = card->state == PART_STATE_RUNNING;
        if (card->state == PART_STATE_REVIEWING) {
            turns__span_review_end(tx, turn, card, &review);
        }
        turns__end_card(tx, turn, card, runs ? CARD_RUN_LOST : CARD_TURN_ENDED,
                        runs ? BYTES("The program ended before this was done.")
                             : BYTES("The program ended before this was answered."));
    }
    tx_fail(tx, approvals__cancel(tx, &turn->run));
}

/* A process that stays after its result would be a second writer of its session. */
static void child_stop(struct tx *tx, int64_t id) {
    struct run_row child;
    if (runs__load_id(tx, id, &child)) {
        tx_fail(tx, tx_program_stop(tx, child.run, CAUSE_CALLED_OFF, PROGRAM_HURRY));
    }
}

void programs__leave(struct tx *tx, struct turn *turn, struct bytes outcome, int64_t tries) {
    struct turn_program *program = &turn->row.program;
    tools_close(tx, turn);
    child_stop(tx, program->child);
    programs__take_back(tx, turn);
    program->tries = tries;
    program->outcome = tx_copy(tx, outcome);
    program->child = program->read_to = 0;
    program->asked = BYTES("");
}

void programs__mark(struct tx *tx, struct turn *turn, const struct program_mark *mark) {
    struct turn_program *program = &turn->row.program;
    program->read_to = mark->read_to;
    reader_keep(tx, turn, mark->reader);
    if (mark->again) {
        programs__leave(tx, turn, mark->outcome, mark->tries);
    }
}

/* A program that names no message has read its input to the end. */
void programs__answer_rest(struct tx *tx, struct turn *turn, const struct program_mark *mark) {
    if (mark == NULL || !turn->row.facts.answered || turn->run.stop != CAUSE_NONE) {
        return;
    }
    struct message_rows rows = messages__delivered(tx, turn->run.id);
    for (size_t i = 0; !mark->names && i < rows.count; i++) {
        turns__join(tx, turn, turn->row.step, &rows.rows[i]);
    }
    const bool unread = (mark->names && rows.count > 0) ||
                        messages__steering(tx, turn->session.id, turn->run.id).count > 0;
    if (unread && turn->row.program.begun < AGENT_ATTEMPTS_MAX) {
        programs__leave(tx, turn, bytes_of(run_cause_name(CAUSE_COMPLETED)), 1);
    }
}
