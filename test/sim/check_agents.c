/* check_agents.c: sessions whose agent is a program: what clients do with them, and what must hold.
 *
 *   text      an answer has the text of its processes, each piece once and in order; all of it if
 *             nobody ended them
 *   writer    one process of a session runs at a time, and goes on in the program's session of
 *             that session alone
 *   slots     no more processes of a definition run than it allows
 *   again     another attempt follows the ends that docs/agents.md names: as often as it says, and
 *             after the wait that it says
 *   outcome   the turn ends as its last process deserves
 *   answers   a question has one answer, that of the person or the rule
 *   messages  one that joins an answer is in the input of a process once, and a part of the answer
 *             where the turn succeeds
 */
#include <stdio.h>
#include <string.h>

#include "agent/program.h"
#include "agents.h"
#include "asks.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "dispatch/job/dispatch.h"
#include "hosts.h"
#include "inside.h"
#include "main/work.h"
#include "ops.h"

enum { TEXT_MAX = 4 << 20, NEWEST = 3, SOON_MS = 1000 };

/* --- Beginnings ------------------------------------------------------------------------------- */

static void check_writer(struct sim *sim, const struct agent_process *process) {
    unsigned beside = 0;
    const enum agent_adapter adapter = process->turn->session->adapter;
    const unsigned most = agents_at_once(sim, adapter);
    for (const struct command *other = processes_of(sim)->commands; other != NULL;
         other = other->next) {
        const struct agent_process *one = other->agent;
        if (one == NULL || one == process || !other->lives) {
            continue;
        }
        /* Where the program keeps no session, nobody writes to one. */
        if (one->turn->session == process->turn->session && adapter == ADAPTER_CLAUDE) {
            sim_fail(sim, "%s begins while %s lives, which is of the same session",
                     process->command->name, other->name);
        }
        beside += one->turn->session->adapter == adapter;
    }
    if (most > 0 && beside + 1 > most) {
        sim_fail(sim, "%s begins beside %u processes of its agent, and %u may run",
                 process->command->name, beside, most);
    }
}

/* Attempts in a row, up to the last one, that deserve the same end; 0: nobody knows. */
static unsigned count_same(struct sim *sim, const struct agent_turn *turn, size_t count) {
    unsigned same = 0;
    for (size_t i = count; i > 0; i--) {
        const struct agent_process *process = turn->processes[i - 1];
        if (!agent_process_is_whole(sim, process)) {
            break; /* At least as many. */
        }
        if (process->way != turn->processes[count - 1]->way) {
            break;
        }
        same++;
    }
    return same;
}

/* The process has a message in its input that joins an answer. */
static bool has_more(const struct agent_process *process) {
    const struct command *command = process->command;
    return agents_more_marker((struct bytes){command->input, (size_t)command->input_len}) != 0;
}

void agents_check_begin(struct sim *sim, const struct agent_process *process) {
    const struct agent_turn *turn = process->turn;
    check_writer(sim, process);
    const struct agent_process *last = turn->count < 2 ? NULL : turn->processes[turn->count - 2];
    if (last == NULL || !agent_process_is_whole(sim, last)) {
        return;
    }
    const struct agent_way *way = last->way;
    if (way->more == 0 && (strcmp(way->cause, "completed") != 0 || !has_more(process))) {
        sim_fail(sim, "%s begins after the %s of %s, which is final", process->command->name,
                 way->cause, last->command->name);
    }
    if (turn->session->adapter != ADAPTER_CLAUDE && agent_process_said(last) > 0) {
        sim_fail(sim, "%s begins from the beginning, and %s had said something",
                 process->command->name, last->command->name);
    }
    for (unsigned i = 0; i <= way->more; i++) {
        if (turn->count - 1 - i == 0 ||
            !agent_process_is_whole(sim, turn->processes[turn->count - 2 - i]) ||
            turn->processes[turn->count - 2 - i]->way != way) {
            break;
        }
        if (i == way->more) {
            sim_fail(sim, "%s begins after %u times %s in a row", process->command->name, i + 1,
                     way->cause);
        }
    }
    const uint64_t waited_ms = (sim_now_ns(sim) - last->over_ns) / 1000000;
    const unsigned same = count_same(sim, turn, turn->count - 1);
    if (last->over && way->wait_ms > 0 && same > 0 &&
        waited_ms + SOON_MS < way->wait_ms << (same - 1)) {
        sim_fail(sim, "%s begins %llu ms after the %u. %s", process->command->name,
                 (unsigned long long)waited_ms, same, way->cause);
    }
}

/* --- Answers ---------------------------------------------------------------------------------- */

static void answer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    char *state = ctx;
    (void)sim;
    (void)snprintf(state, 16, "%s", row->text[0].data);
}

void agents_check_answer(struct sim *sim, const struct agent_process *process, const char *call,
                         bool allowed) {
    char state[16] = "";
    if (process->turn->session->ruled && !allowed) {
        sim_fail(sim, "a rule allows what %s asked, and it was denied", call);
    }
    if (process->turn->session->ruled) {
        return;
    }
    ask_each(sim,
             "SELECT a.state FROM approvals a JOIN parts p ON p.message = a.message"
             " AND p.number = a.part WHERE p.call = $1",
             TEXTS(call), answer_take, state);
    if (state[0] != '\0' && strcmp(state, allowed ? "allowed" : "denied") != 0) {
        sim_fail(sim, "the question %s is %s, and %s heard that it is %s", call, state,
                 process->command->name, allowed ? "allowed" : "denied");
    }
}

/* --- Messages that join ----------------------------------------------------------------------- */

void agents_check_read(struct sim *sim, const struct agent_process *process, struct bytes line) {
    const struct command *command = process->command;
    const unsigned marker = agents_more_marker(line);
    struct bytes rest = {command->input, (size_t)command->input_len}, one;
    unsigned count = 0;
    while (bytes_next(&rest, '\n', &one)) {
        count += marker != 0 && agents_more_marker(one) == marker;
    }
    if (count != 1) {
        sim_fail(sim, "the message more#%u is %u times in the input of %s", marker, count,
                 command->name);
    }
}

struct joining {
    const struct agent_turn *turn;
    const struct run_row *row;
};

/* Status, text, and the number of parts of the answer that have it. */
static void joining_check(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct joining *joining = ctx;
    const struct agent_turn *turn = joining->turn;
    const char *status = row->text[0].data, *text = row->text[1].data;
    const bool joined = strcmp(status, "joined") == 0;
    bool heard = false;
    for (size_t i = 0; i < turn->count; i++) {
        const struct command *command = turn->processes[i]->command;
        heard = heard || memmem(command->input, (size_t)command->input_len, text, strlen(text));
    }
    if (row->number[2] != joined || (joined && !heard) ||
        (!joined && (joining->row->state == RUN_SUCCEEDED || strcmp(status, "completed") != 0))) {
        sim_fail(sim, "the turn %s is %s, and '%s' is %s, %lld times in its answer%s", turn->run,
                 run_state_name(joining->row->state), text, status, (long long)row->number[2],
                 heard ? "" : ", and in the input of no process");
    }
    sim_trace(sim, "'%s' of %s is %s", text, turn->run, status);
}

static void check_joining(struct sim *sim, const struct agent_turn *turn,
                          const struct run_row *row) {
    struct joining joining = {.turn = turn, .row = row};
    ask_each(sim,
             "SELECT m.status, p.text, (SELECT count(*) FROM turns t JOIN parts s ON s.message ="
             " t.answer WHERE t.run = r.id AND s.kind = 'steer' AND s.text = p.text) FROM runs r"
             " JOIN messages m ON m.run = r.id JOIN parts p ON p.message = m.id WHERE r.run = $1"
             " AND m.role = 'user' AND m.status <> 'removed' AND p.text LIKE 'more#%'",
             TEXTS(turn->run), joining_check, &joining);
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void kept_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct text *text = ctx;
    (void)sim;
    text_add(text, row->text[0].data, row->text[0].len);
}

static size_t same_len(struct bytes one, struct bytes other) {
    size_t len = 0;
    while (len < one.len && len < other.len && one.data[len] == other.data[len]) {
        len++;
    }
    return len;
}

static struct bytes said_by(const struct agent_turn *turn, const struct agent_process *process) {
    /* With plain text each byte is one of the answer, and the last line gets its end. */
    return turn->session->adapter == ADAPTER_PLAIN
               ? (struct bytes){process->out.data, process->written}
               : (struct bytes){process->said.data, agent_process_said(process)};
}

/* Whether `kept` is made of beginnings of what the processes from number `i` on have said, and of
 * all that a whole one has. Words that were lost with a host can be like those of the next. */
static bool is_said(struct sim *sim, const struct agent_turn *turn, size_t i, struct bytes kept,
                    bool whole) {
    if (i == turn->count) {
        return kept.len == 0;
    }
    const struct agent_process *process = turn->processes[i];
    const struct bytes said = said_by(turn, process);
    const bool must = whole && agent_process_is_whole(sim, process);
    size_t len = same_len(kept, said);
    if (must && len < said.len) {
        return false;
    }
    const bool ended = turn->session->adapter == ADAPTER_PLAIN && len > 0 && len < kept.len &&
                       said.data[len - 1] != '\n' && kept.data[len] == '\n';
    const size_t took = len + ended;
    return is_said(sim, turn, i + 1, (struct bytes){kept.data + took, kept.len - took}, whole) ||
           (!must && is_said(sim, turn, i + 1, kept, whole));
}

static void check_text(struct sim *sim, const struct agent_turn *turn, struct bytes kept,
                       bool whole) {
    if (is_said(sim, turn, 0, kept, whole)) {
        return;
    }
    for (size_t i = 0; i < turn->count; i++) {
        const struct bytes said = said_by(turn, turn->processes[i]);
        sim_trace(sim, "process %zu of %zu has said: %.*s", i + 1, turn->count, (int)said.len,
                  said.data);
    }
    sim_fail(sim, "the answer of %s is not what its %zu processes have said: %.*s", turn->run,
             turn->count, (int)kept.len, kept.data);
}

static bool others_ended(const struct run_row *row) {
    switch (row->cause) {
    case CAUSE_STOPPED:
    case CAUSE_PARENT_ENDED:
    case CAUSE_INTERRUPTED:
    case CAUSE_ROLLED_BACK:
    case CAUSE_CALLED_OFF:
    case CAUSE_CLEARED:
    case CAUSE_BUDGET:
    case CAUSE_CUT_OFF:
        return true;
    default:
        return row->state == RUN_CANCELLED;
    }
}

static void check_outcome(struct sim *sim, const struct agent_turn *turn,
                          const struct run_row *row) {
    const struct agent_process *last = turn->count == 0 ? NULL : turn->processes[turn->count - 1];
    const int64_t children =
        rows_number(sim,
                    "SELECT count(*) FROM runs c JOIN runs r ON r.id = c.parent WHERE r.run = $1"
                    " AND c.kind = 'job'",
                    TEXTS(turn->run), 0);
    if (last == NULL || children != (int64_t)turn->count || !agent_process_is_whole(sim, last)) {
        if (row->state == RUN_SUCCEEDED && last == NULL) {
            sim_fail(sim, "the turn %s has succeeded, and no process was begun", turn->run);
        }
        return; /* A holder that could not begin, or was killed: nobody knows. */
    }
    const struct agent_way *way = last->way;
    if (row->cause == CAUSE_DEADLINE && sim->wall_offset_ms != 0) {
        return; /* A sleep counts, and after a restart whatever the clock says. */
    }
    if (strcmp(run_cause_name(row->cause), way->cause) != 0) {
        sim_fail(sim, "the turn %s is %s (%s), and its process ended as %s%s", turn->run,
                 run_state_name(row->state), run_cause_name(row->cause), way->cause,
                 last->typed ? ", with a result" : "");
    }
    const unsigned same = count_same(sim, turn, turn->count);
    const bool said =
        turn->session->adapter == ADAPTER_PLAIN ? last->written > 0 : agent_process_said(last) > 0;
    const bool resumes =
        turn->session->adapter == ADAPTER_CLAUDE && last->written >= last->lines[0].end;
    if (way->more > 0 && same <= way->more && (resumes || !said)) {
        for (size_t i = 0; i < turn->count; i++) {
            if (!agent_process_is_whole(sim, turn->processes[i])) {
                return;
            }
        }
        sim_fail(sim, "the turn %s is over after %u times %s, and may go on", turn->run, same,
                 way->cause);
    }
}

static void agents_noted(struct sim *sim, const struct run_row *row) {
    struct agents *agents = agents_of(sim);
    if (row->kind != KIND_TURN || !run_state_final(row->state)) {
        return;
    }
    for (size_t i = 0; i < agents->turn_count; i++) {
        struct agent_turn *turn = &agents->turns[i];
        if (!bytes_is(row->run, turn->run) || turn->ended) {
            continue;
        }
        AUTO(text_done) struct text kept = text_up_to(TEXT_MAX);
        turn->ended = true;
        ask_each(sim,
                 "SELECT p.text FROM runs r JOIN turns t ON t.run = r.id JOIN parts p"
                 " ON p.message = t.answer WHERE r.run = $1 AND p.kind = 'text' ORDER BY p.number",
                 TEXTS(turn->run), kept_take, &kept);
        check_text(sim, turn, text_bytes(&kept), !others_ended(row));
        if (!others_ended(row)) {
            check_outcome(sim, turn, row);
        }
        check_joining(sim, turn, row);
        sim_trace(sim, "the turn of op %u is over: %s, %zu processes, %zu bytes", turn->op,
                  run_cause_name(row->cause), turn->count, kept.len);
    }
}

/* --- Operations ------------------------------------------------------------------------------- */

static void definition_write(struct sim *sim, enum agent_adapter adapter, struct text *text) {
    static const char *const definitions[ADAPTERS] = {
        [ADAPTER_CLAUDE] = "{\"name\":\"claude\",\"program\":\"claude\","
                           "\"command\":\"/agents/claude\"",
        [ADAPTER_JSON_LINES] =
            "{\"name\":\"lines\",\"program\":\"json_lines\",\"command\":\"/agents/lines\","
            "\"lines\":{\"text\":\"say.text\",\"result\":\"done\",\"error\":\"failed\","
            "\"status\":\"status\"}",
        [ADAPTER_PLAIN] = "{\"name\":\"plain\",\"program\":\"plain\",\"command\":\"/agents/plain\"",
    };
    const unsigned most = agents_at_once(sim, adapter);
    text_add_str(text, definitions[adapter]);
    if (most > 0) {
        text_addf(text, ",\"at_once\":%u", most);
    }
    text_add_char(text, '}');
}

/* A session that is new, with its first message; or one more message. */
static struct err say_run(struct tx *tx, struct errand *errand) {
    struct turn_accepted accepted;
    const struct agent_turn *turn = NULL;
    const struct agents *agents = agents_of(errand->sim);
    for (size_t i = 0; i < agents->turn_count; i++) {
        turn = agents->turns[i].op == errand->op ? &agents->turns[i] : turn;
    }
    assert(turn != NULL);
    bool found = false;
    struct session_row row;
    const struct session_key key = errand_key(errand);
    struct err err = tx_session_find(tx, &key, &found, &row);
    if (!err_failed(err) && !found) {
        const struct session_new make = {
            .session = id_copy(known_bytes(errand->session->id)),
            .owner = BYTES(KNOWN_OWNER),
            .parent = BYTES(""),
            .project = BYTES("web"),
            .model = BYTES("agent/default"),
            .settings = turn->session->ruled
                            ? BYTES("{\"permissions\":[{\"permission\":\"allow\"}]}")
                            : BYTES("{}"),
            .program = {errand->text.data, errand->text.len}};
        err = tx_session_create(tx, &make, &row);
    }
    errand->what.say.session = key;
    errand->what.say.text = known_bytes(turn->text);
    errand->what.say.client = known_bytes(errand->id);
    return err_failed(err) ? err : tx_turn_submit(tx, &errand->what.say, &accepted, &errand->why);
}

static void say_done(struct errand *errand, struct err result) {
    if (err_failed(result) && !errand_refused(errand, result)) {
        sim_fail(errand->sim, "a message to a program was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
}

static struct agent_session *session_pick(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    const bool more = agents->session_count == 0 || sim_chance(sim, "another", 40);
    if (more && agents->session_count < AGENT_SESSIONS_MAX) {
        struct agent_session *session = &agents->sessions[agents->session_count++];
        const struct id id = known_id(sim, "ses", "agent");
        *session = (struct agent_session){
            .adapter = (enum agent_adapter)sim_choose(sim, "adapter", ADAPTERS + 1) % ADAPTERS,
            .ruled = sim_chance(sim, "ruled", 25)};
        (void)snprintf(session->known.id, sizeof session->known.id, "%s", id.text);
        return session;
    }
    const size_t newest = agents->session_count < NEWEST ? agents->session_count : NEWEST;
    return &agents->sessions[agents->session_count - 1 - sim_choose(sim, "which", newest)];
}

static void agent_say(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    if (hosts_several(sim) || agents->turn_count == AGENT_TURNS_MAX) {
        return;
    }
    struct agent_session *session = session_pick(sim);
    struct agent_turn *turn = &agents->turns[agents->turn_count++];
    *turn = (struct agent_turn){.session = session, .op = sim_operation(sim)};
    (void)snprintf(turn->text, sizeof turn->text, "op#%u. Why does the build fail?", turn->op);
    struct errand *errand = errand_new(sim, "agent say", &session->known);
    definition_write(sim, session->adapter, &errand->text);
    (void)snprintf(errand->id, sizeof errand->id, "client-%u", turn->op);
    errand->what.say = (struct turn_message){
        .policy = sim_chance(sim, "interrupts", 15) ? TURN_INTERRUPT : TURN_ENQUEUE,
        .run = known_id(sim, "run", "agent turn"),
        .message = known_id(sim, "msg", "agent asks"),
        .answer = known_id(sim, "msg", "agent answers"),
        .bounds = errand_bounds(errand)};
    (void)snprintf(turn->run, sizeof turn->run, "%s", errand->what.say.run.text);
    errand->run = say_run;
    errand->done = say_done;
    errand_send(errand);
}

/* To the turn that runs, and only there: of one that would be a turn of its own nothing stays. */
static struct err steer_run(struct tx *tx, struct errand *errand) {
    struct turn_accepted accepted;
    errand->what.say.session = errand_key(errand);
    errand->what.say.text = text_bytes(&errand->text);
    errand->what.say.client = known_bytes(errand->id);
    struct err err = tx_turn_submit(tx, &errand->what.say, &accepted, &errand->why);
    if (!err_failed(err) && accepted.decision != TURN_DECIDE_JOIN) {
        return err_make(ERR_CONFLICT, "sim: no turn takes it");
    }
    if (!err_failed(err)) {
        (void)snprintf(errand->run_id, sizeof errand->run_id, "%.*s", (int)accepted.process.len,
                       accepted.process.data);
    }
    return err;
}

static void steer_done(struct errand *errand, struct err result) {
    if (!err_failed(result) && errand->run_id[0] != '\0') {
        dispatch_input(work_api(sim_life(errand->sim)->work).host.dispatch,
                       known_bytes(errand->run_id));
    }
}

static void agent_steer(struct sim *sim) {
    const struct agents *agents = agents_of(sim);
    if (hosts_several(sim) || agents->turn_count == 0) {
        return;
    }
    const size_t newest = agents->turn_count < NEWEST ? agents->turn_count : NEWEST;
    const struct agent_turn *turn =
        &agents->turns[agents->turn_count - 1 - sim_choose(sim, "which", newest)];
    struct errand *errand = errand_new(sim, "agent steer", &turn->session->known);
    text_addf(&errand->text, "more#%u. And hurry.", sim_operation(sim));
    (void)snprintf(errand->id, sizeof errand->id, "more-%u", sim_operation(sim));
    errand->what.say = (struct turn_message){.policy = TURN_STEER,
                                             .line = program_message_line,
                                             .run = known_id(sim, "run", "agent steer"),
                                             .message = known_id(sim, "msg", "agent steers"),
                                             .answer = known_id(sim, "msg", "agent steered"),
                                             .bounds = errand_bounds(errand)};
    errand->run = steer_run;
    errand->done = steer_done;
    errand_send(errand);
}

static struct err stop_run(struct tx *tx, struct errand *errand) {
    struct run_row row;
    const struct run_stop what = {
        .key = {.owner = BYTES(KNOWN_OWNER), .run = known_bytes(errand->id)},
        .cause = CAUSE_STOPPED,
        .grace_ms = RUN_STOP_GRACE_MS,
        .bounds = errand_bounds(errand)};
    return tx_run_stop(tx, &what, &errand->more, &row);
}

static void agent_stop(struct sim *sim) {
    const struct agents *agents = agents_of(sim);
    if (agents->turn_count == 0) {
        return;
    }
    const size_t newest = agents->turn_count < NEWEST ? agents->turn_count : NEWEST;
    const struct agent_turn *turn =
        &agents->turns[agents->turn_count - 1 - sim_choose(sim, "which", newest)];
    struct errand *errand = errand_new(sim, "agent stop", &turn->session->known);
    (void)snprintf(errand->id, sizeof errand->id, "%s", turn->run);
    errand->run = stop_run;
    errand_send(errand);
}

/* --- The part --------------------------------------------------------------------------------- */

/* A process that waits for a person is answered before anybody asks whether processes rest. */
static bool agents_rest(struct sim *sim, bool must) {
    return must || agents_of(sim)->turn_count == 0 || !asked_answer(sim, 0);
}

static void agents_end(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    memory_leave();
    for (size_t i = 0; i < agents->turn_count; i++) {
        struct agent_turn *turn = &agents->turns[i];
        for (size_t j = 0; j < turn->count; j++) {
            text_done(&turn->processes[j]->out);
            text_done(&turn->processes[j]->err);
            text_done(&turn->processes[j]->said);
            sim_free(turn->processes[j]);
        }
    }
    memory_return();
    *agents = (struct agents){.session_count = 0};
}

static const struct sim_op ops_agents[] = {
    {"agent_say", 9, agent_say},
    {"agent_stop", 1, agent_stop},
    {"agent_steer", 5, agent_steer},
    {NULL, 0, NULL},
};

const struct sim_part part_agents = {.name = "agents",
                                     .ops = ops_agents,
                                     .noted = agents_noted,
                                     .rest = agents_rest,
                                     .end = agents_end};
