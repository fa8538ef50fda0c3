/* check_boards.c: a model of the board, and what must hold.
 *
 *   events ──replay──> model ──compared──> rows
 *
 * The events of all tasks, in the order in which they were stored, are played over a small model.
 * After a crash the model starts again, since a power cut may have taken back what was not synced.
 *
 *   edges     each event goes on from the status before it, and is a move that the client named in
 *             it may make
 *   cools     no agent begins a task or a review while it cools down; one whose provider is to be
 *             asked later does
 *   waits     no attempt waits for its provider for much longer than a minute; after a restart,
 *             where the clock was set, no longer than the longest wait there is
 *   claims    nobody takes a task whose needs are open or whose lane is taken; no agent has more
 *             tasks than its slots, and the daemon takes the first one of those that it may take
 *   attempts  a task that is held has one open attempt, by events and by rows; an attempt that has
 *             ended moves nothing, and ends with its run; their number is that of the claims
 *   retries   the daemon gives a task back while it may be tried again, and not more often
 *   rows      are what the model says; what was acknowledged is there
 *   idle      when everything rests, no task is held, and no agent could take one */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/json/json.h"
#include "boards.h"
#include "inside.h"
#include "jobs.h"
#include "known.h"
#include "ops.h"
#include "rules/board/task.h"
#include "rules/run/run.h"

enum { WORD_SIZE = 24, DETAIL_DEPTH_MAX = 16, LONG_MS = 2 * 3600 * 1000 };
enum { LOOK_S = 30, ATTEMPT_WAIT_S = 60 + LOOK_S }; /* Until the run is looked at; a minute more. */
enum { WAITED_S = RUN_PROVIDER_WAIT_MAX_MS / 1000 + LOOK_S };
enum { REVIEW_BEGINS_MS = 60000 }; /* From the choice of its task to its turn, at most. */

struct model_task {
    char id[ID_SIZE], lane[WORD_SIZE], assignee[WORD_SIZE], capability[WORD_SIZE];
    int64_t row, number, priority, attempts_max;
    enum task_status status;
    char agent[WORD_SIZE], attempt[ID_SIZE];
    bool open, by_hand; /* The last attempt has not ended; it has no run. */
    bool pauses;        /* not_before_ms may be in the future. */
    uint64_t waits_ns;  /* Since when its attempt waits for its provider; 0: it does not. */
    bool waited;        /* The wait began in an earlier life, which alone saw it begin. */
    int64_t attempts, rejections, silent, retry_count; /* silent: ends that are retried. */
    int64_t refused; /* Attempts that a provider ended: no outage fails a task. */
    bool needs[BOARD_TASKS_MAX + 1], waived[BOARD_TASKS_MAX + 1]; /* By number. */
};
struct model {
    struct model_task tasks[BOARD_TASKS_MAX + 1];           /* By number, from 1. */
    int64_t count, last;                                    /* last: event. */
    bool replays;                                           /* Events of an earlier life. */
    unsigned moved[BOARD_TASKS_MAX + 1][TASK_STATUS_COUNT]; /* Events into a status. */
};
static struct model model;

/* Acknowledged; outlives the model. */
static char added[BOARD_TASKS_MAX][ID_SIZE];
static size_t added_count;
static unsigned acknowledged[BOARD_TASKS_MAX + 1][TASK_STATUS_COUNT];

void boards_added(struct sim *sim, const struct board_asking *asking) {
    (void)sim;
    if (added_count < BOARD_TASKS_MAX) {
        memcpy(added[added_count++], asking->id.text, ID_SIZE);
    }
}

void boards_moved(struct sim *sim, const struct board_asking *asking) {
    (void)sim;
    if (asking->act == BOARD_MOVE && asking->changes) {
        acknowledged[asking->number][asking->to]++;
    }
}

int64_t boards_count(void) {
    return model.count;
}

/* --- Claims ----------------------------------------------------------------------------------- */

static bool needs_met(const struct model_task *task, int64_t *ret_open) {
    for (int64_t i = 1; i <= model.count; i++) {
        if (task->needs[i] && !task->waived[i] && model.tasks[i].status != TASK_DONE) {
            *ret_open = i;
            return false;
        }
    }
    return true;
}

int64_t boards_open_need(int64_t number) {
    int64_t open = 0;
    (void)needs_met(&model.tasks[number], &open); /* Then it stays 0. */
    return open;
}

static const struct model_task *lane_holder(const struct model_task *task) {
    for (int64_t i = 1; i <= model.count; i++) {
        const struct model_task *other = &model.tasks[i];
        if (other != task && task->lane[0] != '\0' && strcmp(other->lane, task->lane) == 0 &&
            task_is_held(other->status)) {
            return other;
        }
    }
    return NULL;
}

static int64_t tasks_of(const char *agent) {
    int64_t count = 0;
    for (int64_t i = 1; i <= model.count; i++) {
        count += task_is_held(model.tasks[i].status) && strcmp(model.tasks[i].agent, agent) == 0;
    }
    return count;
}

static bool is_for(const struct model_task *task, const char *agent) {
    const char *can = strcmp(agent, BOARD_WORKER) == 0 ? "web" : "c";
    return (task->assignee[0] == '\0' || strcmp(task->assignee, agent) == 0) &&
           (task->capability[0] == '\0' || strcmp(task->capability, can) == 0);
}

/* A task that the agent should have taken instead, as far as the model is certain. */
static void order_check(struct sim *sim, const struct model_task *task) {
    int64_t open;
    for (int64_t i = 1; i <= model.count && !model.replays; i++) { /* Times are those of now. */
        const struct model_task *other = &model.tasks[i];
        const bool first = other->priority > task->priority ||
                           (other->priority == task->priority && other->number < task->number);
        if (first && other->status == TASK_PENDING && !other->open && !other->pauses &&
            is_for(other, task->agent) && needs_met(other, &open) && lane_holder(other) == NULL) {
            sim_fail(sim, "%s takes T-%lld, and could take T-%lld, which goes first", task->agent,
                     (long long)task->number, (long long)other->number);
        }
    }
}

/* The task is claimed, and not yet so in the model. */
static void claim_check(struct sim *sim, const struct model_task *task, const char *agent,
                        bool by_hand) {
    int64_t open = 0;
    const int64_t slots = boards_slots(sim, agent);
    const struct model_task *holder = lane_holder(task);
    if (!needs_met(task, &open)) {
        sim_fail(sim, "%s takes T-%lld, which waits for T-%lld", agent, (long long)task->number,
                 (long long)open);
    }
    if (holder != NULL) {
        sim_fail(sim, "%s takes T-%lld, and T-%lld of its lane is held", agent,
                 (long long)task->number, (long long)holder->number);
    }
    if (slots > 0 && tasks_of(agent) >= slots) {
        sim_fail(sim, "%s takes T-%lld, and has %lld tasks in %lld slots", agent,
                 (long long)task->number, (long long)tasks_of(agent), (long long)slots);
    }
    if (!by_hand && !is_for(task, agent)) {
        sim_fail(sim, "%s takes T-%lld, which is not for it", agent, (long long)task->number);
    }
    if (task->open) {
        sim_fail(sim, "%s takes T-%lld, whose last attempt has not ended", agent,
                 (long long)task->number);
    }
    if (!by_hand && task->attempts - task->refused >= task->attempts_max + task->rejections) {
        sim_fail(sim, "%s takes T-%lld for the %lld. time, and may %lld times", agent,
                 (long long)task->number, (long long)task->attempts + 1,
                 (long long)(task->attempts_max + task->rejections));
    }
}

/* --- Edges ------------------------------------------------------------------------------------ */

/* Bits of those that the name of an event may stand for. */
static unsigned actors_of(const struct sim *sim, const struct model_task *task, const char *by) {
    const bool holds = task->open && strcmp(task->agent, by) == 0;
    const bool judges = task->status == TASK_REVIEW && strcmp(by, boards_reviewer(sim)) == 0;
    if (by[0] == '\0') {
        return BOARD_DAEMON;
    }
    if (strcmp(by, KNOWN_OWNER) == 0 || strcmp(by, BOARD_HAND) == 0) {
        return BOARD_PERSON | (holds ? BOARD_HOLDER : 0U);
    }
    return (strcmp(by, BOARD_VISITOR) == 0 ? BOARD_AGENT : 0U) | (holds ? BOARD_HOLDER : 0U) |
           (judges ? BOARD_REVIEWER : 0U) |
           /* A person may take a task in the name of an agent. */
           (task->status == TASK_PENDING ? BOARD_PERSON : 0U) |
           (task->status == TASK_PENDING && boards_slots(sim, by) > 0 ? BOARD_DAEMON : 0U);
}

static void edge_check(struct sim *sim, const struct model_task *task, enum task_status to,
                       const char *by) {
    const unsigned actors = actors_of(sim, task, by);
    bool fits = false;
    for (unsigned actor = BOARD_DAEMON; actor <= BOARD_PERSON; actor <<= 1) {
        const struct board_move move = {task->status, to, (enum board_actor)actor, false};
        const struct board_move verdict = {task->status, to, (enum board_actor)actor, true};
        fits = fits ||
               ((actors & actor) != 0 && (board_move_fits(&move) || board_move_fits(&verdict)));
    }
    if (!fits) {
        sim_fail(sim, "T-%lld was %s and is made %s by '%s', who may not", (long long)task->number,
                 task_status_names[task->status], task_status_names[to], by);
    }
}

struct event {
    int64_t made_ms;
    const char *by, *from, *reason, *outcome, *attempt, *needs;
    int64_t retry_count;
};

/* A cool-down that was known for `since_ms`. Events of an earlier life are not looked at: the row
 * is a later one, or the clock was set. */
static void cool_check(struct sim *sim, const struct event *event, int64_t since_ms) {
    struct ask_number now = ask_number(event->made_ms);
    struct ask_number then = ask_number(event->made_ms - since_ms);
    if (!model.replays &&
        rows_number(sim,
                    "SELECT count(*) FROM agent_cools WHERE agent = $1 AND until_ms > 0 + $2"
                    " AND changed_ms < 0 + $3",
                    TEXTS(event->by, now.text, then.text), 0) > 0) {
        sim_fail(sim, "%s cools down, and begins a task or a review", event->by);
    }
}

static void claimed(struct sim *sim, struct model_task *task, const struct event *event) {
    const char *by = event->by, *attempt = event->attempt;
    task->by_hand = rows_number(sim,
                                "SELECT count(*) FROM task_attempts WHERE attempt = $1"
                                " AND began = 1 AND run = ''",
                                TEXTS(attempt), 0) > 0;
    claim_check(sim, task, by, task->by_hand);
    task->attempts++;
    task->open = true;
    task->waits_ns = 0;
    task->waited = false;
    (void)snprintf(task->agent, sizeof task->agent, "%s", by);
    (void)snprintf(task->attempt, sizeof task->attempt, "%s", attempt);
    if (!task->by_hand) {
        order_check(sim, task);
        cool_check(sim, event, 0);
    }
}

/* The run names the time at which the provider is to be asked. Events of an earlier life are not
 * looked at, as by cool_check. */
static void refusal_check(struct sim *sim, const struct model_task *task, int64_t made_ms) {
    struct ask_number then = ask_number(made_ms);
    if (!model.replays &&
        rows_number(sim,
                    "SELECT count(*) FROM runs r JOIN task_attempts a ON a.run = r.run WHERE"
                    " a.attempt = $1 AND r.cause IN ('rate_limited', 'provider_error',"
                    " 'provider_unreachable') AND r.not_before_ms > 0 + $2 AND NOT EXISTS (SELECT 1"
                    " FROM agent_cools c WHERE c.agent = a.agent AND c.until_ms > 0 + $2)",
                    TEXTS(task->attempt, then.text), 0) > 0) {
        sim_fail(sim, "the provider of %s refused its attempt at T-%lld, and it does not cool down",
                 task->agent, (long long)task->number);
    }
}

/* The daemon takes it back from its agent. */
static void given_back(struct sim *sim, struct model_task *task, const struct event *event) {
    const char *reason = event->reason;
    const bool wrote = rows_number(sim, "SELECT count(*) FROM task_outputs WHERE task = $1",
                                   TEXTS(task->id), 0) > 0;
    const bool refused = strcmp(reason, board_reason_names[BOARD_BECAUSE_API_ERROR]) == 0;
    task->silent += !refused;
    if (refused) {
        refusal_check(sim, task, event->made_ms);
    }
    task->pauses = true;
    if ((!refused && task->attempts - task->refused >= task->attempts_max) ||
        task->retry_count >= BOARD_RETRIES_MAX || (!wrote && task->silent >= BOARD_RETRIES_MAX)) {
        sim_fail(
            sim,
            "T-%lld is to be tried again (%s) after %lld of %lld attempts, %lld of them refused,"
            " retry %lld, %lld of them without an end",
            (long long)task->number, reason, (long long)task->attempts,
            (long long)task->attempts_max, (long long)task->refused, (long long)task->retry_count,
            (long long)task->silent);
    }
}

static void pending(struct sim *sim, struct model_task *task, const struct event *event) {
    if (task_is_held(task->status)) {
        given_back(sim, task, event);
    } else if (task->status == TASK_REVIEW) {
        task->rejections++;
        task->silent = 0;
    } else {
        task->attempts = task->rejections = task->silent = task->refused = 0;
        task->pauses = false;
    }
}

static void failed(struct sim *sim, const struct model_task *task, const char *reason) {
    if (strcmp(reason, board_reason_names[BOARD_BECAUSE_MAX_ATTEMPTS]) == 0 &&
        task->attempts - task->refused < task->attempts_max) {
        sim_fail(sim, "T-%lld fails after %lld attempts, of which %lld were refused, and has %lld",
                 (long long)task->number, (long long)task->attempts, (long long)task->refused,
                 (long long)task->attempts_max);
    }
}

static void entered(struct sim *sim, struct model_task *task, enum task_status to,
                    const struct event *event) {
    const bool was_held = task_is_held(task->status);
    if (strcmp(event->from, task_status_names[task->status]) != 0) {
        sim_fail(sim, "T-%lld was %s, and its event says that it was %s", (long long)task->number,
                 task_status_names[task->status], event->from);
    }
    edge_check(sim, task, to, event->by);
    if (to == TASK_CLAIMED) {
        claimed(sim, task, event);
    } else if (to == TASK_PENDING) {
        pending(sim, task, event);
    } else if (to == TASK_FAILED) {
        failed(sim, task, event->reason);
    }
    task->status = to;
    model.moved[task->number][to]++;
    /* An attempt without a run ends with this event; the end of a run has an event of its own. */
    if (was_held && !task_is_held(to) && task->open &&
        rows_number(sim, "SELECT count(*) FROM task_attempts WHERE attempt = $1 AND run = ''",
                    TEXTS(task->attempt), 0) > 0) {
        task->open = false;
    }
}

static void attempt_completed(struct sim *sim, struct model_task *task, const struct event *event) {
    if (!task->open || strcmp(task->attempt, event->attempt) != 0) {
        sim_fail(sim, "the attempt %s at T-%lld ends, and the last one is %s, which is %s",
                 event->attempt, (long long)task->number, task->attempt,
                 task->open ? "open" : "over");
    }
    task->open = false;
    task->retry_count = event->retry_count;
    static const enum run_cause refusals[] = {CAUSE_RATE_LIMITED, CAUSE_PROVIDER_ERROR,
                                              CAUSE_PROVIDER_UNREACHABLE, CAUSE_SESSION_BUSY,
                                              CAUSE_QUOTA};
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        task->refused += strcmp(event->outcome, run_cause_name(refusals[i])) == 0;
    }
}

/* --- Replay ----------------------------------------------------------------------------------- */

static void word_copy(char word[WORD_SIZE], struct bytes from) {
    (void)snprintf(word, WORD_SIZE, "%.*s", (int)from.len, from.data);
}

/* Columns: id, place, priority, max_attempts, lane, assignee, capability, not_before_ms. */
static void task_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct model_task *task = ctx;
    (void)sim;
    task->row = row->number[0];
    task->number = row->number[1];
    task->priority = row->number[2];
    task->attempts_max = row->number[3];
    word_copy(task->lane, row->text[4]);
    word_copy(task->assignee, row->text[5]);
    word_copy(task->capability, row->text[6]);
    task->pauses = row->number[7] > 0;
}

static void need_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct model_task *task = ctx;
    (void)sim;
    task->needs[row->number[0]] = true;
}

static void task_added(struct sim *sim, const char *id) {
    struct model_task task = {.row = 0};
    (void)snprintf(task.id, sizeof task.id, "%s", id);
    ask_each(sim,
             "SELECT id, place, priority, max_attempts, lane, assignee, capability, not_before_ms"
             " FROM tasks WHERE task = $1",
             TEXTS(id), task_take, &task);
    if (task.row == 0 || task.number != model.count + 1 || task.number > BOARD_TASKS_MAX) {
        sim_fail(sim, "%s is T-%lld, after T-%lld", id, (long long)task.number,
                 (long long)model.count);
    }
    ask_each(sim,
             "SELECT o.place FROM task_needs n JOIN tasks o ON o.id = n.needs JOIN tasks t"
             " ON t.id = n.task WHERE t.task = $1",
             TEXTS(id), need_take, &task);
    model.tasks[task.number] = task;
    model.count = task.number;
}

static struct model_task *task_find(struct sim *sim, const char *id) {
    for (int64_t i = 1; i <= model.count; i++) {
        if (strcmp(model.tasks[i].id, id) == 0) {
            return &model.tasks[i];
        }
    }
    sim_fail(sim, "an event is about %s, which was not added", id);
}

static const char *member(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? "" : text;
}

/* Columns: id, task, agent, type, detail, made_ms. */
static void event_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    bool *any = ctx;
    AUTO(json_release) json_t *detail = NULL;
    struct why why = {""};
    const char *type = row->text[3].data;
    *any = true;
    model.last = row->number[0];
    if (strcmp(type, "added") == 0) {
        task_added(sim, row->text[1].data);
        return;
    }
    if (err_failed(
            json_parse(row->text[4].data, row->text[4].len, DETAIL_DEPTH_MAX, &detail, &why))) {
        sim_fail(sim, "the event %lld of a task is no JSON: %s", (long long)model.last, why.text);
    }
    struct model_task *task = task_find(sim, row->text[1].data);
    const struct event event = {.made_ms = row->number[5],
                                .by = row->text[2].data,
                                .from = member(detail, "from"),
                                .reason = member(detail, "reason"),
                                .outcome = member(detail, "outcome"),
                                .attempt = member(detail, "attempt"),
                                .needs = member(detail, "needs"),
                                .retry_count =
                                    json_integer_value(json_object_get(detail, "retry_count"))};
    sim_trace(sim, "T-%lld: %s '%s' %s", (long long)task->number, type, event.by, event.reason);
    if (strcmp(type, "agent_completed") == 0 || strcmp(type, "daemon_tick") == 0) {
        attempt_completed(sim, task, &event);
    } else if (strcmp(type, "review_began") == 0) {
        cool_check(sim, &event, REVIEW_BEGINS_MS);
    } else if (strcmp(type, "waived") == 0) {
        task->waived[task_number_read(bytes_of(event.needs))] = true;
    }
    for (unsigned to = 0; to < TASK_STATUS_COUNT; to++) {
        if (strcmp(type, task_status_names[to]) == 0) {
            entered(sim, task, (enum task_status)to, &event);
        }
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

/* Columns: task, status, attempt_count, agent, open_attempt, open rows, rows of the last attempt
 * that are open. */
static void row_check(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct model_task *task = task_find(sim, row->text[0].data);
    (void)ctx;
    if (strcmp(row->text[1].data, task_status_names[task->status]) != 0 ||
        row->number[2] != task->attempts || strcmp(row->text[3].data, task->agent) != 0) {
        sim_fail(sim,
                 "T-%lld is %s in attempt %lld of '%s', and is to be %s in attempt %lld of '%s'",
                 (long long)task->number, row->text[1].data, (long long)row->number[2],
                 row->text[3].data, task_status_names[task->status], (long long)task->attempts,
                 task->agent);
    }
    const bool open = row->number[4] != 0;
    if (open != task->open || row->number[5] != open || row->number[6] != open ||
        (task_is_held(task->status) && !open)) {
        sim_fail(sim, "T-%lld is %s, its last attempt is %s, and by the rows it is %s; %lld are",
                 (long long)task->number, row->text[1].data, task->open ? "open" : "over",
                 open ? "open" : "over", (long long)row->number[5]);
    }
}

static void rows_check(struct sim *sim) {
    ask_each(sim,
             "SELECT task, status, attempt_count, agent, open_attempt, (SELECT count(*) FROM"
             " task_attempts a WHERE a.task = t.task AND a.ended_ms IS NULL), (SELECT count(*) FROM"
             " task_attempts a WHERE a.attempt = t.attempt AND a.ended_ms IS NULL) FROM tasks t",
             NULL, row_check, NULL);
}

static void wait_check(struct sim *sim, int64_t number, bool waits) {
    struct model_task *task = number <= model.count ? &model.tasks[number] : NULL;
    const uint64_t now_ns = sim_now_ns(sim);
    if (task == NULL) {
        return;
    }
    task->waited = waits && (task->waited || model.replays);
    const uint64_t max_s = task->waited ? WAITED_S : ATTEMPT_WAIT_S;
    /* A daemon that holds asks no provider, and ends no wait. */
    waits = waits && !jobs_held(sim);
    task->waits_ns = !waits ? 0 : task->waits_ns == 0 ? now_ns : task->waits_ns;
    if (waits && now_ns - task->waits_ns > max_s * UINT64_C(1000000000)) {
        sim_fail(sim, "the attempt at T-%lld has waited for its provider for %llu s",
                 (long long)number, (unsigned long long)((now_ns - task->waits_ns) / 1000000000));
    }
}

/* Columns: attempt, run, agent, place, whether the run has ended, and how, session, whether its
 * turn waits for its provider. */
static void attempt_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct board_attempt seen = {.attempt = row->text[0].data,
                                       .run = row->text[1].data,
                                       .agent = row->text[2].data,
                                       .session = row->text[6].data,
                                       .number = row->number[3]};
    (void)ctx;
    if (row->number[4] != 0) {
        sim_fail(sim, "the run %s is %s, and its attempt %s at T-%lld has not ended", seen.run,
                 row->text[5].data, seen.attempt, (long long)seen.number);
    }
    wait_check(sim, seen.number, row->number[7] != 0);
    boards_attempt_seen(sim, &seen);
}

static void check_look(struct sim *sim) {
    bool any = false;
    if (!boards_play(&sim->options)) {
        return;
    }
    struct ask_number last = ask_number(model.last);
    ask_each(
        sim,
        "SELECT id, task, agent, type, detail, made_ms FROM task_events WHERE id > $1 ORDER BY id",
        TEXTS(last.text), event_take, &any);
    if (any) {
        rows_check(sim);
    }
    ask_each(sim,
             "SELECT a.attempt, a.run, a.agent, t.place, r.id IS NULL OR r.ended_ms IS NOT NULL,"
             " coalesce(r.state || ' (' || r.cause || ')', 'gone'), a.session,"
             " t.run = a.run AND coalesce(r.state, '') = 'waiting' AND r.not_before_ms <> 0"
             " FROM task_attempts a JOIN tasks t ON t.task = a.task LEFT JOIN runs r"
             " ON r.run = a.run WHERE a.ended_ms IS NULL AND a.run <> ''",
             NULL, attempt_take, NULL);
}

static void acknowledged_check(struct sim *sim) {
    for (size_t i = 0; i < added_count; i++) {
        if (rows_number(sim, "SELECT count(*) FROM tasks WHERE task = $1", TEXTS(added[i]), 1) !=
            1) {
            sim_fail(sim, "the task %s was added, and is gone", added[i]);
        }
    }
    for (int64_t i = 1; i <= model.count; i++) {
        for (unsigned to = 0; to < TASK_STATUS_COUNT; to++) {
            if (acknowledged[i][to] > model.moved[i][to]) {
                sim_fail(sim, "T-%lld was made %s %u times, and its events say %u", (long long)i,
                         task_status_names[to], acknowledged[i][to], model.moved[i][to]);
            }
        }
    }
}

static void check_opened(struct sim *sim) {
    model = (struct model){.replays = true};
    check_look(sim);
    model.replays = false;
    if (boards_play(&sim->options)) {
        acknowledged_check(sim);
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

int64_t boards_find(struct sim *sim, const char *status) {
    return rows_number(sim,
                       "SELECT place FROM tasks t WHERE status = $1 AND (review_run = '' OR"
                       " NOT EXISTS (SELECT 1 FROM runs r WHERE r.run = t.review_run AND"
                       " r.ended_ms IS NULL)) ORDER BY changed_ms, id LIMIT 1",
                       TEXTS(status), 0);
}

int64_t boards_find_by_hand(struct sim *sim) {
    for (int64_t i = 1; i <= model.count && sim_life(sim)->ready; i++) {
        if (task_is_held(model.tasks[i].status) && model.tasks[i].by_hand) {
            return i;
        }
    }
    return 0;
}

/* Since the clock was set, the agent cools down until a time hours from now, or the task waits for
 * such a time because a client asked for it: no pause of the board's own is as long. */
static bool waits_long(struct sim *sim, const struct model_task *task, const char *agent) {
    struct ask_number then = ask_number(sim_wall_ms(sim) + LONG_MS);
    struct ask_number pause = ask_number(BOARD_PAUSE_MAX_MS);
    return rows_number(sim,
                       "SELECT count(*) FROM tasks WHERE task = $1 AND not_before_ms > 0 + $2"
                       " AND not_before_ms > changed_ms + $3",
                       TEXTS(task->id, then.text, pause.text), 0) > 0 ||
           rows_number(sim,
                       "SELECT count(*) FROM agent_cools WHERE agent = $1 AND until_ms > 0 + $2",
                       TEXTS(agent, then.text), 0) > 0;
}

/* A reviewer could judge the result now. */
static bool judged_later(struct sim *sim, const struct model_task *task) {
    const char *reviewer = boards_reviewer(sim);
    return task->status == TASK_REVIEW && reviewer[0] != '\0' &&
           strcmp(reviewer, task->agent) != 0 && task->rejections < BOARD_REJECTIONS_MAX &&
           !waits_long(sim, task, reviewer) &&
           rows_number(sim, "SELECT count(*) FROM tasks WHERE task = $1 AND review_run = ''",
                       TEXTS(task->id), 0) > 0;
}

bool boards_is_idle(struct sim *sim, char *ret_why, size_t size) {
    static const char *const agents[] = {BOARD_WORKER, BOARD_NATIVE};
    int64_t open;
    ret_why[0] = '\0';
    for (int64_t i = 1; i <= model.count && ret_why[0] == '\0'; i++) {
        const struct model_task *task = &model.tasks[i];
        if (task->open && !task->by_hand) {
            (void)snprintf(ret_why, size, "T-%lld is %s for ever, and its attempt %s is open",
                           (long long)i, task_status_names[task->status], task->attempt);
        }
        if (judged_later(sim, task)) {
            (void)snprintf(ret_why, size, "T-%lld is in review for ever, and %s could judge it",
                           (long long)i, boards_reviewer(sim));
        }
        for (size_t j = 0; j < COUNT_OF(agents) && task->status == TASK_PENDING; j++) {
            const int64_t slots = boards_slots(sim, agents[j]);
            if (!task->open && tasks_of(agents[j]) < slots && is_for(task, agents[j]) &&
                needs_met(task, &open) && lane_holder(task) == NULL &&
                !waits_long(sim, task, agents[j])) {
                (void)snprintf(ret_why, size, "T-%lld is pending for ever, and %s could take it",
                               (long long)i, agents[j]);
            }
        }
    }
    return ret_why[0] != '\0';
}

/* Columns: session, model. */
static void session_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%s is a session of the program, and has the model '%s'", row->text[0].data,
             row->text[1].data);
}

static void check_end(struct sim *sim) {
    if (boards_play(&sim->options)) {
        ask_each(sim,
                 "SELECT session, model FROM sessions WHERE project = '" BOARD_PROJECT
                 "' AND program <> '' AND model <> '" BOARD_WORKER "/default'",
                 NULL, session_take, NULL);
        check_look(sim);
        rows_check(sim);
        acknowledged_check(sim);
    }
}

static void check_begin(struct sim *sim) {
    (void)sim;
    model = (struct model){.count = 0};
    added_count = 0;
    memset(acknowledged, 0, sizeof acknowledged);
}

const struct sim_part part_check_boards = {.name = "check boards",
                                           .begin = check_begin,
                                           .opened = check_opened,
                                           .look = check_look,
                                           .end = check_end};
