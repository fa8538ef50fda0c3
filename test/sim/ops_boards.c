/* ops_boards.c: requests to the board: by people, by visitors, and by agents from inside of
 * the runs of their attempts.
 *
 * An agent speaks by a script: a letter for each call, with a pause before it. Some scripts say
 * nothing, some go on after the attempt has ended, which must move nothing any more. What the
 * answers must be is judged within their transactions, beside the rows that they saw. */
#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "boards.h"
#include "chat_ops.h"
#include "engine/agent/cools.h"
#include "engine/board/board.h"
#include "engine/project/projects.h"
#include "inside.h"
#include "late.h"
#include "musts.h"
#include "ops.h"
#include "rules/board/settings.h"

enum { SPEAKERS_MAX = 256, CALL_MS_MAX = 4000, LATE_MS = 90000, AGAIN_MS = 2000, DEPTH_MAX = 64 };
#define WAIT_NS_MAX (UINT64_C(60) * 1000 * 1000 * 1000)

bool boards_play(const struct sim_options *options) {
    return sim_hash(options->seed, 0, "board", 0) % 3 == 0;
}

int64_t boards_slots(const struct sim *sim, const char *agent) {
    const uint64_t seed = sim_seed(sim);
    const uint64_t without = sim_hash(seed, 0, "board without", 0) % 4;
    const bool is_worker = strcmp(agent, BOARD_WORKER) == 0;
    if ((!is_worker && strcmp(agent, BOARD_NATIVE) != 0) || without == (is_worker ? 0 : 1)) {
        return 0;
    }
    return (int64_t)(1 + sim_hash(seed, 0, agent, 0) % 2);
}

const char *boards_reviewer(const struct sim *sim) {
    static const char *const names[] = {"", "", BOARD_WORKER, BOARD_NATIVE};
    return names[sim_hash(sim_seed(sim), 0, "board reviewer", 0) % COUNT_OF(names)];
}

/* --- One call --------------------------------------------------------------------------------- */

static struct bytes text_or_none(const char *text) {
    return text == NULL ? (struct bytes){.data = NULL} : bytes_of(text);
}

static struct board_client client_of(const struct board_asking *asking) {
    return (struct board_client){.inside = asking->inside,
                                 .person = asking->inside[0] == '\0' && asking->label == NULL,
                                 .label =
                                     asking->label == NULL ? BYTES("") : bytes_of(asking->label),
                                 .named = text_or_none(asking->named)};
}

static struct task_key key_of(const struct board_asking *asking, char name[TASK_NUMBER_SIZE]) {
    task_number_write(asking->number, name);
    return (struct task_key){
        .owner = BYTES(KNOWN_OWNER), .project = BYTES(BOARD_PROJECT), .task = bytes_of(name)};
}

static struct task_move move_of(const struct board_asking *asking, char name[TASK_NUMBER_SIZE]) {
    return (struct task_move){.key = key_of(asking, name),
                              .client = client_of(asking),
                              .to = asking->to,
                              .judges = asking->judges,
                              .detail = asking->to == TASK_FAILED ? BYTES("it rains") : BYTES(""),
                              .question = asking->to == TASK_BLOCKED ? BYTES("why?") : BYTES(""),
                              .answer = asking->to == TASK_PENDING ? BYTES("so") : BYTES(""),
                              .reasons =
                                  asking->to == TASK_PENDING ? BYTES("[\"louder\"]") : BYTES("[]"),
                              .attempt = asking->id,
                              .review = asking->other};
}

static struct err move_run(struct tx *tx, struct errand *errand, struct task *task) {
    struct board_asking *asking = &errand->what.board;
    char name[TASK_NUMBER_SIZE];
    struct task_move move = move_of(asking, name);
    move.bounds = errand_bounds(errand);
    move.checking = &asking->checking;
    musts_give(asking->findings, &move);
    if (asking->moved) {
        return tx_task_stop_more(tx, &move, task, &errand->more);
    }
    const struct err err = tx_task_move(tx, &move, task, &errand->more, &errand->why);
    if (!err_failed(err) && asking->checking.attempt.text[0] != '\0') {
        musts_begun(tx, errand);
        errand->more = true;
    }
    return err;
}

static struct err record_run(struct tx *tx, struct errand *errand) {
    const struct board_asking *asking = &errand->what.board;
    char name[TASK_NUMBER_SIZE];
    const struct task_key key = key_of(asking, name);
    const struct board_client client = client_of(asking);
    struct task_output output = {.output = bytes_of(asking->id.text),
                                 .type = BYTES("code"),
                                 .title = BYTES("it"),
                                 .summary = BYTES("made"),
                                 .content = BYTES("hello"),
                                 .hash = BYTES(""),
                                 .bytes = 5};
    struct task_comment comment = {.comment = bytes_of(asking->id.text), .body = BYTES("well")};
    return asking->act == BOARD_OUTPUT
               ? tx_task_output_add(tx, &key, &client, &output, &errand->why)
               : tx_task_comment_add(tx, &key, &client, &comment, &errand->why);
}

static struct err waive_run(struct tx *tx, struct errand *errand, struct task *task) {
    const struct board_asking *asking = &errand->what.board;
    char name[TASK_NUMBER_SIZE];
    const struct task_waive waive = {.key = key_of(asking, name),
                                     .client = client_of(asking),
                                     .needs = known_bytes(errand->id),
                                     .because = BYTES("it will do")};
    return tx_task_waive(tx, &waive, task, &errand->why);
}

/* The rows before the request say what its answer must be. */
static void before_look(struct tx *tx, struct board_asking *asking) {
    char name[TASK_NUMBER_SIZE];
    const struct task_key key = key_of(asking, name);
    const struct board_client client = client_of(asking);
    struct why ignored = {""};
    struct task task;
    const struct err err = tx_task_find(tx, &key, &client, &task, &ignored);
    asking->found = err_failed(err) ? TASK_PENDING : task.status;
    asking->changes = musts_moved(asking->findings) ? musts_moved_first(asking->findings)
                                                    : asking->found != asking->to;
    asking->over =
        asking->inside[0] != '\0' &&
        tx_number(tx,
                  "SELECT count(*) FROM task_attempts a JOIN tasks t ON t.attempt = a.attempt"
                  " WHERE a.run = $1 AND a.ended_ms IS NULL AND t.open_attempt = 1",
                  ARGS(arg_str(asking->inside))) == 0;
}

/* The answer says that something counts: not after the end of its task. */
static void late_check(const struct errand *errand) {
    const struct board_asking *asking = &errand->what.board;
    if (asking->judges && asking->found != TASK_REVIEW && asking->found != TASK_BLOCKED) {
        sim_fail(errand->sim, "T-%lld is %s, and a late verdict counts", (long long)asking->number,
                 task_status_names[asking->found]);
    }
    if (asking->act == BOARD_OUTPUT && asking->found == TASK_DONE) {
        sim_fail(errand->sim, "T-%lld is done, and gets an output", (long long)asking->number);
    }
}

static void answer_check(const struct errand *errand, struct err err) {
    const struct board_asking *asking = &errand->what.board;
    struct sim *sim = errand->sim;
    const struct board_move edge = {asking->found, asking->to, BOARD_HOLDER, false};
    const bool moves = asking->act == BOARD_MOVE && board_move_fits(&edge) &&
                       asking->to != TASK_REVIEW && asking->to != TASK_CLAIMED;
    if (!err_failed(err)) {
        late_check(errand);
    }
    if (asking->over && !err_failed(err) && !musts_moved(asking->findings)) {
        sim_fail(sim, "the attempt %s at T-%lld has ended, and what it says counts", asking->inside,
                 (long long)asking->number);
    }
    if (asking->inside[0] != '\0' && !asking->over && moves && err.code == ERR_TASK_EDGE) {
        sim_fail(sim, "the agent of %s cannot move its task T-%lld: %s", asking->inside,
                 (long long)asking->number, errand->why.text);
    }
    if (asking->inside[0] != '\0' && asking->to == TASK_CLAIMED && asking->changes &&
        asking->act == BOARD_MOVE && !err_failed(err)) {
        sim_fail(sim, "the attempt %s takes T-%lld as well", asking->inside,
                 (long long)asking->number);
    }
    if (err.code == ERR_MISSING_FIELD) {
        sim_fail(sim, "what was said to T-%lld is not heard: %s", (long long)asking->number,
                 errand->why.text);
    }
}

static struct err asking_run(struct tx *tx, struct errand *errand) {
    struct board_asking *asking = &errand->what.board;
    struct task task;
    if (asking->act == BOARD_MOVE && asking->moved) {
        return move_run(tx, errand, &task);
    }
    before_look(tx, asking);
    const struct err err = asking->act == BOARD_MOVE    ? move_run(tx, errand, &task)
                           : asking->act == BOARD_WAIVE ? waive_run(tx, errand, &task)
                                                        : record_run(tx, errand);
    answer_check(errand, err);
    if (asking->act == BOARD_MOVE && asking->to == TASK_REVIEW && !errand->more) {
        musts_judge(tx, errand, err);
    }
    return err;
}

static void asking_advance(struct errand *errand) {
    struct board_asking *asking = &errand->what.board;
    errand->later = asking->checking.attempt.text[0] != '\0';
    if (errand->later) {
        musts_ask(errand);
    } else {
        asking->moved = true;
    }
}

static void asking_done(struct errand *errand, struct err result) {
    const struct board_asking *asking = &errand->what.board;
    if (!err_failed(result)) {
        boards_moved(errand->sim, asking);
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "%s of T-%lld was refused: %s: %s", errand->name,
                 (long long)asking->number, err_name(result.code), errand->why.text);
    }
    musts_findings_free(asking->findings);
}

static struct errand *asking_new(struct sim *sim, const char *name,
                                 const struct board_asking *asking) {
    struct errand *errand = errand_new(sim, name, NULL);
    errand->what.board = *asking;
    errand->run = asking_run;
    errand->advance = asking_advance;
    errand->done = asking_done;
    if (asking->act == BOARD_MOVE && (asking->to == TASK_REVIEW || asking->to == TASK_CLAIMED)) {
        errand->what.board.findings = musts_new(errand);
    }
    return errand;
}

static void ask(struct sim *sim, const char *name, const struct board_asking *asking) {
    errand_send(asking_new(sim, name, asking));
}

/* --- Tasks ------------------------------------------------------------------------------------ */

static struct err project_make(struct tx *tx, struct errand *errand) {
    struct sim *sim = errand->sim;
    const struct resource_key key = {BYTES(KNOWN_OWNER), BYTES(BOARD_PROJECT)};
    static const char *const agents[] = {BOARD_WORKER, BOARD_NATIVE};
    AUTO(text_done) struct text board = text_up_to(1 << 10);
    struct project had;
    bool found = false;
    const struct err err = tx_resource_find(tx, &project_resource, &key, &found, &had);
    if (err_failed(err) || found) {
        return err;
    }
    text_add_str(&board, "{\"agents\":[");
    for (size_t i = 0; i < COUNT_OF(agents); i++) {
        const int64_t slots = boards_slots(sim, agents[i]);
        if (slots > 0) {
            text_addf(&board, "%s{\"name\":\"%s\",\"slots\":%lld,\"capabilities\":[\"%s\"]}",
                      board.len > 11 ? "," : "", agents[i], (long long)slots, i == 0 ? "web" : "c");
        }
    }
    text_addf(&board, "],\"reviewer\":\"%s\"}", boards_reviewer(sim));
    struct project project = {.owner = BYTES(KNOWN_OWNER),
                              .name = BYTES(BOARD_PROJECT),
                              .root = known_bytes(sim_project_dir(sim)),
                              .agent = BYTES(""),
                              .model = sim_hash(sim_seed(sim), 0, "board model", 0) % 2 == 0
                                           ? BYTES("openai/plain")
                                           : BYTES(""),
                              .settings = BYTES(""),
                              .board = text_bytes(&board),
                              .path = BYTES("")};
    return tx_resource_insert(tx, &project_resource, &project);
}

/* The task follows from that of its agent, and is one deeper; mail may be deeper still. */
static void depth_check(struct tx *tx, const struct errand *errand, const struct task *task,
                        struct err err) {
    const int64_t number = errand->what.board.number;
    const int64_t least =
        1 + tx_number(tx, "SELECT depth FROM tasks WHERE place = $1", ARGS(arg_int(number)));
    const bool mail = mails_play(&errand->sim->options);
    const bool refused = err.code == ERR_TASK_DEPTH;
    if ((!err_failed(err) || refused) && (task->depth < least || (task->depth > least && !mail) ||
                                          refused != (task->depth > TASK_DEPTH_MAX))) {
        sim_fail(errand->sim,
                 "a task of depth %lld is %s, which an agent adds at T-%lld, and is to"
                 " have %lld of %d",
                 (long long)task->depth, refused ? "refused" : "added", (long long)number,
                 (long long)least, TASK_DEPTH_MAX);
    }
    sim_trace(errand->sim, "an agent at T-%lld adds a task of depth %lld: %s", (long long)number,
              (long long)task->depth, err_name(err.code));
}

/* As the handler does it for a run. */
static struct err below_add(struct tx *tx, struct errand *errand, struct task *task) {
    const struct board_asking *asking = &errand->what.board;
    char name[TASK_NUMBER_SIZE];
    const struct task_key key = key_of(asking, name);
    const struct board_client client = client_of(asking);
    struct board_who who;
    task->title =
        tx_text(tx, "SELECT title FROM tasks WHERE place = $1", ARGS(arg_int(asking->number)));
    struct err err = tx_board_who(tx, &key, &client, task, &who, &errand->why);
    if (err_failed(err)) {
        return err;
    }
    tx_task_from_agent(tx, &who, task);
    err = tx_task_add(tx, task, &errand->why);
    depth_check(tx, errand, task, err);
    return err;
}

static struct err add_run(struct tx *tx, struct errand *errand) {
    static const char *const lanes[] = {"", "", "", "left", "right"};
    static const char *const assignees[] = {"", "", "", "", BOARD_WORKER, BOARD_NATIVE, "nobody"};
    static const char *const capabilities[] = {"", "", "", "", "web", "c", "java"};
    struct sim *sim = errand->sim;
    const unsigned op = errand->op;
#define PICK(list) bytes_of(list[sim_hash(sim_seed(sim), op, #list, 0) % COUNT_OF(list)])
    AUTO(text_done) struct text must_haves = text_up_to(1 << 10);
    const struct board_asking *asking = &errand->what.board;
    char title[64];
    (void)snprintf(title, sizeof title, "op#%u. Feed the sheep", op);
    if (asking->inside[0] == '\0') { /* Commands are a person's to add. */
        musts_write(sim, op, &must_haves);
    } else {
        text_add_str(&must_haves, "[]");
    }
    struct task task = {.task = bytes_of(errand->what.board.id.text),
                        .owner = BYTES(KNOWN_OWNER),
                        .project = BYTES(BOARD_PROJECT),
                        .title = bytes_of(title),
                        .description = BYTES("Please."),
                        .type = BYTES("general"),
                        .lane = PICK(lanes),
                        .assignee = PICK(assignees),
                        .capability = PICK(capabilities),
                        .must_haves = text_bytes(&must_haves),
                        .links = BYTES("[]"),
                        .depends_on = text_bytes(&errand->text),
                        .priority = (int64_t)(sim_hash(sim_seed(sim), op, "priority", 0) % 10),
                        .attempts_max = (int64_t)(1 + sim_hash(sim_seed(sim), op, "most", 0) % 5)};
#undef PICK
    struct bytes *const texts[] = {&task.epic,   &task.source,   &task.detail,     &task.question,
                                   &task.answer, &task.agent,    &task.attempt,    &task.session,
                                   &task.run,    &task.reviewer, &task.review_run, &task.name};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        *texts[i] = BYTES("");
    }
    if (sim_hash(sim_seed(sim), op, "not before", 0) % 5 == 0) {
        task.not_before_ms =
            tx_now_ms(tx) + (int64_t)(sim_hash(sim_seed(sim), op, "begins", 0) % 3600000);
    }
    const struct err err = project_make(tx, errand);
    return err_failed(err)             ? err
           : asking->inside[0] == '\0' ? tx_task_add(tx, &task, &errand->why)
                                       : below_add(tx, errand, &task);
}

static void add_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        boards_added(errand->sim, &errand->what.board);
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "a task was refused: %s: %s", err_name(result.code),
                 errand->why.text);
    }
}

/* needs: a JSON list. */
static void task_add(struct sim *sim, const char *name, const struct board_asking *asking,
                     const char *needs) {
    struct errand *errand = asking_new(sim, name, asking);
    text_add_str(&errand->text, needs);
    errand->run = add_run;
    errand->advance = NULL;
    errand->done = add_done;
    errand_send(errand);
}

/* --- Agents ----------------------------------------------------------------------------------- */

/* w working, c comment, o output, r review, f failed, b blocked, d done (which is no agent's to
 * say), t takes another task, a adds a task, - a long pause. */
static const char *const scripts[] = {"wor",  "cor", "or",   "wocr", "wr",    "wf",    "wb",
                                      "",     "w",   "wtc",  "wo-r", "wor-f", "w-o-r", "wdor",
                                      "-wor", "wt",  "wtor", "waor", "awor"};

struct speaker {
    struct sim_event event;
    char attempt[ID_SIZE], run[ID_SIZE];
    const char *agent, *next; /* Literals. */
    int64_t number;
    unsigned calls;
};
static struct speaker speakers[SPEAKERS_MAX];
static size_t speaker_count;

/* While it works, an agent adds one more task: all of them would make a chain without end. */
static void task_below(struct sim *sim, const struct speaker *speaker) {
    char purpose[64];
    (void)snprintf(purpose, sizeof purpose, "%s %u", speaker->attempt, speaker->calls);
    struct board_asking asking = {
        .act = BOARD_ADD, .number = speaker->number, .id = known_id(sim, "tsk", purpose)};
    (void)snprintf(asking.inside, sizeof asking.inside, "%s", speaker->run);
    if (boards_count() < BOARD_TASKS_MAX - 8) {
        task_add(sim, "agent adds", &asking, "[]");
    }
}

static void call_make(struct sim *sim, const struct speaker *speaker, char letter) {
    if (letter == 'a') {
        task_below(sim, speaker);
        return;
    }
    static const struct {
        char letter;
        enum board_act act;
        enum task_status to;
        const char *name;
    } calls[] = {
        {'w', BOARD_MOVE, TASK_WORKING, "working"}, {'r', BOARD_MOVE, TASK_REVIEW, "review"},
        {'f', BOARD_MOVE, TASK_FAILED, "failed"},   {'b', BOARD_MOVE, TASK_BLOCKED, "blocked"},
        {'d', BOARD_MOVE, TASK_DONE, "done"},       {'o', BOARD_OUTPUT, 0, "output"},
        {'c', BOARD_COMMENT, 0, "comment"},         {'t', BOARD_MOVE, TASK_CLAIMED, "take"}};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        if (calls[i].letter == letter) {
            char purpose[64];
            (void)snprintf(purpose, sizeof purpose, "%s %u", speaker->attempt, speaker->calls);
            struct board_asking asking = {.act = calls[i].act,
                                          .to = calls[i].to,
                                          .number = speaker->number,
                                          .named = speaker->agent,
                                          .id = known_id(sim, "out", purpose),
                                          .other = known_id(sim, "rev", purpose)};
            if (letter == 't') {
                const int64_t pending = boards_find(sim, "pending");
                asking.number = pending > 0 ? pending : asking.number % boards_count() + 1;
            }
            (void)snprintf(asking.inside, sizeof asking.inside, "%s", speaker->run);
            ask(sim, calls[i].name, &asking);
        }
    }
}

static void speak(struct sim *sim, struct sim_event *event) {
    struct speaker *speaker = CONTAINER_OF(event, struct speaker, event);
    if (!sim_life(sim)->ready) {
        sim_plan(sim, event, AGAIN_MS, speak);
        return;
    }
    const char letter = *speaker->next++;
    speaker->calls++;
    call_make(sim, speaker, letter);
    if (*speaker->next != '\0') {
        sim_plan(sim, event,
                 *speaker->next == '-' ? LATE_MS : sim_choose(sim, "speaks", CALL_MS_MAX), speak);
    }
}

/* Clients use the session of an attempt as any other one: they write, clear, fork and delete. */
static void session_share(struct sim *sim, const char *session) {
    const struct known *known = known_of(sim);
    const struct id id = id_copy(bytes_of(session));
    for (size_t i = 0; i < known->session_count; i++) {
        if (strcmp(known->sessions[i].id, session) == 0) {
            return;
        }
    }
    struct known_session *shared = known_add_session(sim, &id);
    if (shared != NULL) {
        known_session_is(sim, shared, SESSION_THERE);
    }
}

void boards_attempt_seen(struct sim *sim, const struct board_attempt *seen) {
    for (size_t i = 0; i < speaker_count; i++) {
        if (strcmp(speakers[i].attempt, seen->attempt) == 0) {
            return;
        }
    }
    if (speaker_count == SPEAKERS_MAX) {
        return;
    }
    struct speaker *speaker = &speakers[speaker_count++];
    const bool good = sim_healed(sim) && sim_chance(sim, "good", 60);
    const size_t script = good ? 0 : sim_choose(sim, "script", COUNT_OF(scripts));
    /* In some seeds each agent adds a task: the limit of a chain alone ends that. */
    const bool chains = sim_hash(sim_seed(sim), 0, "board chains", 0) % 6 == 0;
    *speaker = (struct speaker){.number = seen->number,
                                .next = chains ? "waor" : scripts[script],
                                .agent = strcmp(seen->agent, BOARD_WORKER) == 0 ? BOARD_WORKER
                                                                                : BOARD_NATIVE};
    (void)snprintf(speaker->attempt, sizeof speaker->attempt, "%s", seen->attempt);
    (void)snprintf(speaker->run, sizeof speaker->run, "%s", seen->run);
    if (strcmp(speaker->agent, BOARD_NATIVE) == 0 && sim_chance(sim, "joins", 40)) {
        session_share(sim, seen->session);
    }
    sim_trace(sim, "%s at T-%lld says '%s'", seen->attempt, (long long)seen->number, speaker->next);
    if (speaker->next[0] != '\0') {
        sim_plan(sim, &speaker->event, sim_choose(sim, "speaks", CALL_MS_MAX / 2), speak);
    }
}

/* --- People ----------------------------------------------------------------------------------- */

static void board_add(struct sim *sim) {
    const int64_t count = boards_count();
    if (count >= BOARD_TASKS_MAX - 8) { /* Some may be on their way. */
        return;
    }
    const struct board_asking asking = {.act = BOARD_ADD, .id = known_id(sim, "tsk", "task")};
    AUTO(text_done) struct text list = text_up_to(200);
    text_add_char(&list, '[');
    const uint64_t needs = count == 0 ? 0 : sim_choose(sim, "needs", 5) / 2;
    for (uint64_t i = 0; i < needs; i++) {
        text_addf(&list, "%s\"T-%lld\"", i > 0 ? "," : "",
                  (long long)(1 + sim_choose(sim, "which", (uint64_t)count)));
    }
    text_add_char(&list, ']');
    task_add(sim, "board add", &asking, list.data);
}

/* A task from which that status may follow, in most cases; else any. */
static int64_t task_for(struct sim *sim, enum task_status to) {
    static const char *const before[TASK_STATUS_COUNT] = {
        [TASK_PENDING] = "blocked", [TASK_CLAIMED] = "pending", [TASK_WORKING] = "claimed",
        [TASK_REVIEW] = "working",  [TASK_DONE] = "review",     [TASK_FAILED] = "working",
        [TASK_BLOCKED] = "working", [TASK_CANCELLED] = "review"};
    const int64_t found = sim_chance(sim, "fits", 60) ? boards_find(sim, before[to]) : 0;
    return found > 0 ? found : 1 + (int64_t)sim_choose(sim, "task", (uint64_t)boards_count());
}

/* Anybody asks for anything: much of it is refused. */
static void anybody_moves(struct sim *sim, unsigned op) {
    static const struct {
        const char *named, *label;
    } clients[] = {{NULL, NULL},
                   {NULL, NULL},
                   {BOARD_HAND, NULL},
                   {NULL, BOARD_VISITOR},
                   {BOARD_WORKER, NULL}};
    static const enum task_status wanted[] = {
        TASK_PENDING, TASK_CLAIMED, TASK_CLAIMED, TASK_WORKING, TASK_REVIEW,
        TASK_DONE,    TASK_DONE,    TASK_FAILED,  TASK_BLOCKED, TASK_CANCELLED};
    if (boards_count() == 0) {
        return;
    }
    const size_t who = sim_choose(sim, "who", COUNT_OF(clients));
    const bool as_agent = who + 1 == COUNT_OF(clients); /* Then a person takes tasks alone. */
    const enum task_status to =
        as_agent ? TASK_CLAIMED : wanted[sim_choose(sim, "to", COUNT_OF(wanted))];
    const struct board_asking asking = {.act = BOARD_MOVE,
                                        .number = task_for(sim, to),
                                        .to = to,
                                        .judges =
                                            to == TASK_DONE || (to == TASK_PENDING && op % 2 == 0),
                                        .named = clients[who].named,
                                        .label = clients[who].label,
                                        .id = late_id(sim, op, "try", "by hand"),
                                        .other = late_id(sim, op, "rev", "by hand")};
    ask(sim, task_status_names[to], &asking);
}

static void board_move(struct sim *sim) {
    late_plan(sim, anybody_moves);
}

/* A task in a state that a person is asked about. */
static void somebody_answers(struct sim *sim, unsigned op) {
    static const struct {
        const char *status;
        enum task_status to;
    } answers[] = {{"review", TASK_DONE},     {"review", TASK_PENDING},
                   {"blocked", TASK_PENDING}, {"failed", TASK_PENDING},
                   {"claimed", TASK_WORKING}, {"working", TASK_CANCELLED},
                   {"pending", TASK_CLAIMED}, {"working", TASK_BLOCKED}};
    const size_t which = sim_choose(sim, "which", COUNT_OF(answers));
    const int64_t number = boards_find(sim, answers[which].status);
    if (number > 0) {
        const struct board_asking asking = {.act = BOARD_MOVE,
                                            .number = number,
                                            .to = answers[which].to,
                                            .judges = which < 2,
                                            .id = late_id(sim, op, "try", "answer"),
                                            .other = late_id(sim, op, "rev", "answer")};
        ask(sim, "board answer", &asking);
    }
}

static void board_answer(struct sim *sim) {
    late_plan(sim, somebody_answers);
}

static void board_say(struct sim *sim) {
    const int64_t count = boards_count();
    if (count > 0) {
        const bool comment = sim_chance(sim, "comment", 60);
        const struct board_asking asking = {
            .act = comment ? BOARD_COMMENT : BOARD_OUTPUT,
            .number = 1 + (int64_t)sim_choose(sim, "task", (uint64_t)count),
            .named = sim_chance(sim, "by name", 30) ? BOARD_HAND : NULL,
            .id = known_id(sim, "cmt", "says")};
        ask(sim, comment ? "comment" : "output", &asking);
    }
}

static void board_waive(struct sim *sim) {
    const int64_t count = boards_count();
    if (count > 1) {
        const int64_t number = 1 + (int64_t)sim_choose(sim, "task", (uint64_t)count);
        const struct board_asking asking = {.act = BOARD_WAIVE, .number = number};
        const int64_t needs = boards_open_need(number); /* 0: it has none, which is refused. */
        struct errand *errand = asking_new(sim, "waive", &asking);
        (void)snprintf(errand->id, sizeof errand->id, "T-%lld", (long long)needs);
        errand_send(errand);
    }
}

/* Another turn of the agent, in whatever project, was refused by its provider. */
static struct err cool_run(struct tx *tx, struct errand *errand) {
    const int64_t lasts_ms =
        (int64_t)(sim_hash(sim_seed(errand->sim), errand->op, "cools", 0) % AGENT_WAIT_MAX_MS);
    return tx_agent_cool_set(tx, known_bytes(errand->id), tx_now_ms(tx) + lasts_ms,
                             AGENT_RATE_LIMITED);
}

static void board_cool(struct sim *sim) {
    struct errand *errand = errand_new(sim, "cool-down", NULL);
    (void)snprintf(errand->id, sizeof errand->id, "%s",
                   sim_chance(sim, "program", 50) ? BOARD_WORKER : BOARD_NATIVE);
    errand->run = cool_run;
    errand_send(errand);
}

/* Meanwhile agents work. */
static void board_wait(struct sim *sim) {
    if (boards_count() > 0) {
        sim->patience_ns = sim_now_ns(sim) + sim_choose(sim, "waits", WAIT_NS_MAX);
    }
}

/* --- What is served --------------------------------------------------------------------------- */

/* All tasks, whole: each that is pending says why. */
static struct err show_run(struct tx *tx, struct errand *errand) {
    struct board_asking *asking = &errand->what.board;
    const struct board_client client = client_of(asking);
    struct err err = ERR_OK;
    for (asking->number = 1; asking->number <= boards_count(); asking->number++) {
        AUTO(json_release) json_t *json = NULL;
        char name[TASK_NUMBER_SIZE];
        const struct task_key key = key_of(asking, name);
        struct task task;
        struct why why = {""};
        text_clear(&errand->text);
        err = tx_task_find(tx, &key, &client, &task, &why);
        err = err_failed(err) ? err : tx_task_expand(tx, &task, true, &errand->text);
        if (err_failed(err)) {
            return err;
        }
        if (err_failed(json_parse(errand->text.data, errand->text.len, DEPTH_MAX, &json, &why))) {
            sim_fail(errand->sim, "%s is served, and is no JSON: %s", name, why.text);
        }
        const char *waits = json_string_value(json_object_get(json, "waits"));
        if ((task.status == TASK_PENDING) != (waits != NULL && waits[0] != '\0')) {
            sim_fail(errand->sim, "%s is %s, and waits because of '%s'", name,
                     task_status_names[task.status], waits == NULL ? "" : waits);
        }
    }
    return err;
}

static void board_show(struct sim *sim) {
    const struct board_asking asking = {.act = BOARD_SHOW};
    struct errand *errand = asking_new(sim, "board show", &asking);
    errand->way = ERRAND_READ;
    errand->run = show_run;
    errand->advance = NULL;
    errand->done = NULL;
    errand_send(errand);
}

/* --- The end ---------------------------------------------------------------------------------- */

static bool shown;

static void settle(struct sim *sim, int64_t number, enum task_status to) {
    char purpose[32];
    (void)snprintf(purpose, sizeof purpose, "settles T-%lld", (long long)number);
    const struct board_asking asking = {.act = BOARD_MOVE,
                                        .number = number,
                                        .to = to,
                                        .judges = to == TASK_DONE,
                                        .id = known_id(sim, "try", purpose),
                                        .other = known_id(sim, "rev", purpose)};
    ask(sim, "settle", &asking);
}

/* People judge what no agent judges, and give back what they have. */
static bool boards_rest(struct sim *sim, bool must) {
    char why[256];
    if (boards_count() == 0) {
        return true;
    }
    if (boards_is_idle(sim, why, sizeof why)) {
        if (must) {
            sim_fail(sim, "%s", why);
        }
        (void)asked_answer(sim, 0);
        return false;
    }
    const int64_t judged = boards_find(sim, "review"), by_hand = boards_find_by_hand(sim);
    if (judged > 0 || by_hand > 0) {
        settle(sim, judged > 0 ? judged : by_hand, judged > 0 ? TASK_DONE : TASK_CANCELLED);
        return must;
    }
    if (!shown) {
        shown = true;
        board_show(sim);
        return must;
    }
    return true;
}

static void boards_begin(struct sim *sim) {
    speaker_count = 0;
    shown = false;
    if (boards_play(&sim->options)) {
        boards_worker_define(sim);
        musts_begin(sim);
    }
}

static const struct sim_op ops_boards[] = {
    {"board_add", 60, board_add},       {"board_move", 30, board_move},
    {"board_answer", 50, board_answer}, {"board_say", 10, board_say},
    {"board_waive", 8, board_waive},    {"board_show", 6, board_show},
    {"board_wait", 30, board_wait},     {"board_cool", 8, board_cool},
    {"board_file", 20, musts_file},     {NULL, 0, NULL},
};

const struct sim_part part_boards = {.name = "boards",
                                     .ops = ops_boards,
                                     .begin = boards_begin,
                                     .stopping = musts_stopping,
                                     .crashed = musts_crashed,
                                     .look = musts_look,
                                     .noted = musts_noted,
                                     .rest = boards_rest};
