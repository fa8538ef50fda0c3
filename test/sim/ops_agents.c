/* ops_agents.c: operations on sessions whose agent is a program: messages, some of which ask for an
 * answer by a schema; clears, forks, messages that are sent again, variants of answers. */
#include <stdio.h>
#include <string.h>

#include "agent/program.h"
#include "agents.h"
#include "base/memory.h"
#include "chat_ops.h"
#include "dispatch/job/dispatch.h"
#include "folder.h"
#include "hosts.h"
#include "inside.h"
#include "late.h"
#include "main/work.h"
#include "ops.h"
#include "rows.h"
#include "servers.h"

#define AWAY_NS (UINT64_C(600) * 1000 * 1000 * 1000)
enum { NEWEST = 3, TALK_MAX = 8, TALK_PAUSE_MS = 40000 };

static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"answer\":{\"type\":\"string\"},"
    "\"count\":{\"type\":\"integer\"}},\"required\":[\"answer\",\"count\"],"
    "\"additionalProperties\":false}";

/* --- Messages --------------------------------------------------------------------------------- */

/* The words of agents.c, which a program that is not known has in its definition. */
#define STDERR                                                                                     \
    ",\"stderr\":{\"unauthorized\":\"auth_failed\",\"too many requests\":\"rate_limited\","        \
    "\"internal server error\":\"provider_error\",\"econnrefused\":\"provider_unreachable\","      \
    "\"prompt is too long\":\"context_overflow\",\"already in use\":\"session_busy\"}"

static void definition_write(struct sim *sim, enum agent_adapter adapter, struct text *text) {
    static const char *const definitions[ADAPTERS] = {
        [ADAPTER_CLAUDE] = "{\"name\":\"claude\",\"program\":\"claude\","
                           "\"command\":\"/agents/claude\"",
        [ADAPTER_JSON_LINES] =
            "{\"name\":\"lines\",\"program\":\"json_lines\",\"command\":\"/agents/lines\","
            "\"lines\":{\"text\":\"say.text\",\"result\":\"done\",\"error\":\"failed\","
            "\"status\":\"status\",\"transport\":\"by\"}" STDERR,
        [ADAPTER_PLAIN] =
            "{\"name\":\"plain\",\"program\":\"plain\",\"command\":\"/agents/plain\"" STDERR,
    };
    const unsigned most = agents_at_once(sim, adapter);
    text_add_str(text, definitions[adapter]);
    const int64_t deadline_ms = agents_deadline_ms(sim, adapter);
    if (most > 0) {
        text_addf(text, ",\"at_once\":%u", most);
    }
    if (deadline_ms > 0) {
        text_addf(text, ",\"deadline_ms\":%lld", (long long)deadline_ms);
    }
    text_addf(text, ",\"no_progress_ms\":%d}", AGENTS_NO_PROGRESS_MS);
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
        const bool rooted = folder_plays(&errand->sim->options) &&
                            sim_hash(sim_seed(errand->sim), errand->op, "root", 0) % 2 == 0;
        const char *root = rooted ? sim_project_dir(errand->sim) : "";
        const struct session_new make = {
            .session = id_copy(known_bytes(errand->session->id)),
            .owner = BYTES(KNOWN_OWNER),
            .parent = BYTES(""),
            .project = BYTES("web"),
            .model = BYTES("agent/default"),
            .root = known_bytes(root),
            .settings = turn->session->ruled
                            ? BYTES("{\"permissions\":[{\"permission\":\"allow\"}]}")
                            : BYTES("{}"),
            .program = {errand->text.data, errand->text.len}};
        err = tx_session_create(tx, &make, &row);
    }
    errand->what.say.session = key;
    errand->what.say.text = known_bytes(turn->text);
    errand->what.say.client = known_bytes(errand->id);
    errand->what.say.schema = known_bytes(turn->by_schema ? schema : "");
    return err_failed(err) ? err : tx_turn_submit(tx, &errand->what.say, &accepted, &errand->why);
}

static void say_done(struct errand *errand, struct err result) {
    if (!err_failed(result) && errand->session->state == SESSION_ASKED) {
        known_session_is(errand->sim, errand->session, SESSION_THERE);
    }
    if (err_failed(result) && !errand_refused(errand, result)) {
        sim_fail(errand->sim, "a message to a program was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
}

/* A session among the newest; NULL: it is not there. */
static struct agent_session *session_pick(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    const size_t newest = agents->session_count < NEWEST ? agents->session_count : NEWEST;
    if (newest == 0) {
        return NULL;
    }
    struct agent_session *session =
        &agents->sessions[agents->session_count - 1 - sim_choose(sim, "which", newest)];
    return session->known.state <= SESSION_THERE ? session : NULL;
}

static struct agent_session *session_pick_or_new(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    const bool more = agents->session_count == 0 || sim_chance(sim, "another", 40);
    if (!more || agents->session_count == AGENT_SESSIONS_MAX) {
        return session_pick(sim);
    }
    struct agent_session *session = &agents->sessions[agents->session_count++];
    const struct id id = known_id(sim, "ses", "agent");
    *session = (struct agent_session){
        .adapter = (enum agent_adapter)sim_choose(sim, "adapter", ADAPTERS + 1) % ADAPTERS,
        .ruled = sim_chance(sim, "ruled", 25)};
    (void)snprintf(session->known.id, sizeof session->known.id, "%s", id.text);
    return session;
}

/* A turn of the operation; NULL: the model is full. */
static struct agent_turn *turn_new(struct sim *sim, struct agent_session *session, unsigned op) {
    struct agents *agents = agents_of(sim);
    if (agents->turn_count == AGENT_TURNS_MAX) {
        return NULL;
    }
    struct agent_turn *turn = &agents->turns[agents->turn_count++];
    *turn = (struct agent_turn){.session = session, .op = op, .marker = op};
    turn->message.session = &session->known;
    return turn;
}

static void say(struct sim *sim, struct agent_session *session, unsigned op) {
    struct agent_turn *turn = turn_new(sim, session, op);
    if (turn == NULL) {
        return;
    }
    turn->by_schema = sim_chance(sim, "schema", 25);
    (void)snprintf(turn->text, sizeof turn->text, "op#%u. Why does the build fail?", op);
    struct errand *errand = errand_new(sim, "agent say", &session->known);
    errand->op = op;
    definition_write(sim, session->adapter, &errand->text);
    (void)snprintf(errand->id, sizeof errand->id, "client-%u", op);
    static const enum turn_policy policies[] = {TURN_ENQUEUE, TURN_ENQUEUE,   TURN_ENQUEUE,
                                                TURN_ENQUEUE, TURN_INTERRUPT, TURN_ROLLBACK};
    errand->what.say =
        (struct turn_message){.policy = policies[sim_choose(sim, "policy", COUNT_OF(policies))],
                              .run = late_id(sim, op, "run", "agent turn"),
                              .message = late_id(sim, op, "msg", "agent asks"),
                              .answer = late_id(sim, op, "msg", "agent answers"),
                              .bounds = errand_bounds(errand)};
    (void)snprintf(turn->run, sizeof turn->run, "%s", errand->what.say.run.text);
    (void)snprintf(turn->answer, sizeof turn->answer, "%s", errand->what.say.answer.text);
    (void)snprintf(turn->message.id, sizeof turn->message.id, "%s", errand->what.say.message.text);
    errand->run = say_run;
    errand->done = say_done;
    if (errand->what.say.policy == TURN_ROLLBACK) {
        known_loosen(sim, &session->known);
        errand_change(errand);
    }
    errand_send(errand);
}

static void agent_say(struct sim *sim) {
    struct agent_session *session = session_pick_or_new(sim);
    if (session != NULL) {
        say(sim, session, sim_operation(sim));
    }
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

static void turn_stop(struct sim *sim, struct agent_turn *turn) {
    struct errand *errand = errand_new(sim, "agent stop", &turn->session->known);
    (void)snprintf(errand->id, sizeof errand->id, "%s", turn->run);
    errand->run = stop_run;
    errand_send(errand);
}

static void agent_stop(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    if (agents->turn_count > 0) {
        const size_t newest = agents->turn_count < NEWEST ? agents->turn_count : NEWEST;
        turn_stop(sim, &agents->turns[agents->turn_count - 1 - sim_choose(sim, "which", newest)]);
    }
}

/* A process that waits for its leader may wait for ever: somebody stops its turn. */
static void away_stop(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    for (size_t i = 0; i < agents->turn_count; i++) {
        struct agent_turn *turn = &agents->turns[i];
        const struct command *command =
            turn->count == 0 ? NULL : turn->processes[turn->count - 1]->command;
        if (!turn->ended && command != NULL && command->host != sim->leader &&
            sim_now_ns(sim) - command->began_ns > AWAY_NS) {
            turn_stop(sim, turn);
        }
    }
}

/* --- Another history -------------------------------------------------------------------------- */

static struct agent_turn *turn_pick(struct sim *sim, const struct agent_session *session) {
    struct agents *agents = agents_of(sim);
    struct agent_turn *found = NULL;
    size_t skip = sim_choose(sim, "turn", NEWEST);
    for (size_t i = agents->turn_count; i > 0; i--) {
        struct agent_turn *turn = &agents->turns[i - 1];
        if (turn->session == session && turn->row != 0) {
            found = turn;
            if (skip-- == 0) {
                break;
            }
        }
    }
    return found;
}

/* Mostly an answer that is not shown, however much was said since. */
static const struct agent_turn *variant_pick(struct sim *sim, const struct agent_turn *turn) {
    const struct agents *agents = agents_of(sim);
    for (size_t i = agents->turn_count; i > 0 && sim_chance(sim, "variant", 90); i--) {
        const struct agent_turn *other = &agents->turns[i - 1];
        if (other->session == turn->session &&
            rows_number(sim, "SELECT active FROM messages WHERE message = $1", TEXTS(other->answer),
                        1) == 0) {
            return other;
        }
    }
    return turn;
}

/* The turn that answers the message of another one again. */
static struct agent_turn *turn_again(struct sim *sim, const struct agent_turn *turn, unsigned op) {
    struct agent_turn *again = turn_new(sim, turn->session, op);
    if (again != NULL) {
        again->marker = turn->marker;
        again->by_schema = turn->by_schema;
        memcpy(again->message.id, turn->message.id, sizeof again->message.id);
        (void)snprintf(again->run, sizeof again->run, "%s",
                       late_id(sim, op, "run", "agent again").text);
        (void)snprintf(again->answer, sizeof again->answer, "%s",
                       late_id(sim, op, "msg", "agent again").text);
    }
    return again;
}

static void agent_again(struct sim *sim, const struct agent_turn *turn, unsigned op) {
    const struct agent_turn *again = turn_again(sim, turn, op);
    if (again != NULL) {
        const struct turn_message what = {.run = id_copy(known_bytes(again->run)),
                                          .answer = id_copy(known_bytes(again->answer))};
        branches_again(sim, &turn->session->known, turn->answer, &what);
    }
}

static void agent_resend(struct sim *sim, struct agent_turn *turn, unsigned op) {
    const struct agent_turn *again = turn_again(sim, turn, op);
    if (again != NULL) {
        struct errand *errand = turns_resend(sim, &turn->message);
        errand->what.resend.message.run = id_copy(known_bytes(again->run));
        errand->what.resend.message.answer = id_copy(known_bytes(again->answer));
        errand->what.resend.fork.session = late_id(sim, op, "ses", "agent resend");
        errand_send(errand);
    }
}

static void agent_fork(struct sim *sim, const struct agent_session *from, unsigned op) {
    struct agents *agents = agents_of(sim);
    if (agents->session_count < AGENT_SESSIONS_MAX) {
        struct agent_session *to = &agents->sessions[agents->session_count++];
        *to = (struct agent_session){.adapter = from->adapter, .ruled = from->ruled};
        to->known.state = SESSION_LEAVING; /* Nobody says anything in it before it is there. */
        (void)snprintf(to->known.id, sizeof to->known.id, "%s",
                       late_id(sim, op, "ses", "agent fork").text);
        sessions_fork(sim, &from->known, &to->known);
    }
}

static void change(struct sim *sim, struct agent_session *session, unsigned op) {
    struct agent_turn *turn = turn_pick(sim, session);
    if (turn == NULL) {
        return;
    }
    switch (sim_choose(sim, "change", 6)) {
    case 0:
        sessions_clear(sim, &session->known);
        break;
    case 1:
        agent_fork(sim, session, op);
        break;
    case 2:
        agent_resend(sim, turn, op);
        break;
    case 3:
        branches_choose(sim, &session->known, variant_pick(sim, turn)->answer);
        break;
    default:
        agent_again(sim, turn, op);
        break;
    }
}

static void agent_change_late(struct sim *sim, unsigned op) {
    struct agent_session *session = session_pick(sim);
    if (session != NULL) {
        change(sim, session, op);
    }
}

static void agent_change(struct sim *sim) {
    late_plan(sim, agent_change_late);
}

/* --- Conversations ---------------------------------------------------------------------------- */

/* Operations stand close together, and few of them meet the same session: so some clients go on in
 * theirs, an action after the other, also when everything was healed. */
static void talk_go_on(struct sim *sim, struct sim_event *event) {
    struct agent_talk *talk = CONTAINER_OF(event, struct agent_talk, event);
    if (sim_life(sim)->ready) {
        const unsigned op = servers_part_marker(talk->op, talk->part++);
        sim_trace(sim, "the conversation of op %u goes on", talk->op);
        if (sim_chance(sim, "changes", 45)) {
            change(sim, talk->session, op);
        } else {
            say(sim, talk->session, op);
        }
    }
    if (talk->part <= TALK_MAX) {
        sim_plan(sim, event, sim_choose(sim, "talk", TALK_PAUSE_MS), talk_go_on);
    }
}

static void agent_talk(struct sim *sim) {
    struct agents *agents = agents_of(sim);
    struct agent_session *session =
        agents->talk_count == AGENT_TALKS_MAX ? NULL : session_pick_or_new(sim);
    if (session != NULL) {
        struct agent_talk *talk = &agents->talks[agents->talk_count++];
        *talk = (struct agent_talk){.session = session, .op = sim_operation(sim), .part = 1};
        sim_plan(sim, &talk->event, 0, talk_go_on);
    }
}

/* --- The part --------------------------------------------------------------------------------- */

/* A process that waits for a person is answered before anybody asks whether processes rest. */
static bool agents_rest(struct sim *sim, bool must) {
    const struct agents *agents = agents_of(sim);
    bool talks = false;
    away_stop(sim);
    for (size_t i = 0; i < agents->talk_count; i++) {
        talks = talks || agents->talks[i].event.planned;
    }
    return must || agents->turn_count == 0 || (!asked_answer(sim, 0) && !talks);
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
    {"agent_say", 6, agent_say},
    {"agent_talk", 1, agent_talk},
    {"agent_change", 2, agent_change},
    {"agent_stop", 1, agent_stop},
    {"agent_owner", 2, owners_come},
    {"agent_steer", 4, agent_steer},
    {NULL, 0, NULL},
};

const struct sim_part part_agents = {.name = "agents",
                                     .ops = ops_agents,
                                     .step = agents_look_at_clock,
                                     .noted = agents_noted,
                                     .rest = agents_rest,
                                     .end = agents_end};
