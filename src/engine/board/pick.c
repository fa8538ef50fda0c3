/* pick.c: agents of a board, their slots and pauses, and the task that one takes next. */
#include "base/json/json.h"
#include "engine/agent/cools.h"
#include "engine/board/rows.h"
#include "engine/project/projects.h"
#include "rules/agent/outcome.h"
#include "rules/board/settings.h"

struct board {
    json_t *json; /* Owned. */
    struct project project;
    struct board_agent agents[BOARD_AGENTS_MAX];
    size_t count;
    bool hold;
};

static void board_done(struct board *board) {
    json_release(&board->json);
}

/* False: there is no such project. */
static bool board_load(struct tx *tx, struct bytes owner, struct bytes name,
                       struct board *ret_board) {
    const struct resource_key key = {owner, name};
    bool found = false;
    *ret_board = (struct board){.json = NULL};
    tx_fail(tx, tx_resource_find(tx, &project_resource, &key, &found, &ret_board->project));
    if (!found || err_failed(tx_error(tx))) {
        return false;
    }
    if (err_failed(json_parse_wrapped(ret_board->project.board, &ret_board->json, NULL))) {
        json_release(&ret_board->json); /* There are no settings. */
    }
    ret_board->count = board_agents(ret_board->json, ret_board->project.agent, ret_board->agents);
    ret_board->hold = json_is_true(json_object_get(ret_board->json, "hold"));
    return true;
}

static int64_t slots_used(struct tx *tx, const struct board *board, struct bytes agent) {
    return tx_number(
        tx,
        "SELECT count(*) FROM tasks WHERE owner = $1 AND project = $2 AND agent = $3"
        " AND status IN ('claimed', 'working')",
        ARGS(arg_text(board->project.owner), arg_text(board->project.name), arg_text(agent)));
}

/* --- A task for an agent ---------------------------------------------------------------------- */

/* $5: words of the agent, each between line ends; $6: tasks at hand. */
#define IS_DUE TASK_IS_DUE("$3")
#define READY                                                                                      \
    "owner = $1 AND project = $2 AND status = 'pending' AND archived = 0 AND open_attempt = 0"     \
    " AND " TASK_NEEDS_MET " AND " IS_DUE " AND assignee IN ('', $4)"                              \
    " AND (capability = '' OR replace($5, '\n' || capability || '\n', '') <> $5)"                  \
    " AND (lane = '' OR NOT EXISTS (SELECT 1 FROM tasks l WHERE l.owner = $1 AND l.project = $2"   \
    " AND l.status IN ('claimed', 'working') AND l.lane = tasks.lane))"                            \
    " AND replace($6, task, '') = $6 ORDER BY priority DESC, id LIMIT 1"

static bool candidate_find(struct tx *tx, const struct board_pick *pick,
                           const struct board_agent *agent, struct task *ret_task) {
    AUTO(text_done) struct text words = text_up_to(BOARD_CAPABILITIES_MAX * (TASK_WORD_MAX + 2));
    for (size_t i = 0; i < json_array_size(agent->capabilities); i++) {
        const struct bytes word = json_text(json_array_get(agent->capabilities, i));
        text_addf(&words, "\n%.*s\n", (int)word.len, word.data);
    }
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &task_resource, READY,
                                         ARGS(arg_text(pick->owner), arg_text(pick->project),
                                              arg_int(tx_now_ms(tx)), arg_text(agent->name),
                                              arg_text(text_bytes(&words)), arg_text(pick->busy)));
    const bool found = rows_step(rows) && resource_row_read(&task_resource, rows, ret_task);
    if (found) {
        tx_resource_copy(tx, &task_resource, ret_task);
    }
    return found;
}

/* True: its provider refuses more for now; *io_next_ms is the end of that at the latest. */
static bool cools(struct tx *tx, struct bytes agent, int64_t *io_next_ms) {
    struct agent_cool_stored cool;
    bool found = false;
    tx_fail(tx, tx_agent_cool_find(tx, agent, tx_now_ms(tx), &found, &cool));
    if (found && (*io_next_ms == 0 || cool.until_ms < *io_next_ms)) {
        *io_next_ms = cool.until_ms;
    }
    return found;
}

/* The first time at which a task, or its review, that waits for its time is due; 0: none does. */
static int64_t next_time(struct tx *tx, const struct board_pick *pick) {
    return tx_number(tx,
                     "SELECT COALESCE(min(not_before_ms), 0) FROM tasks WHERE owner = $1 AND"
                     " project = $2 AND status IN ('pending', 'review') AND archived = 0"
                     " AND not_before_ms > $3 AND NOT (" IS_DUE ")",
                     ARGS(arg_text(pick->owner), arg_text(pick->project), arg_int(tx_now_ms(tx))));
}

static void task_take(struct tx *tx, const struct board_pick *pick, const struct board_agent *agent,
                      struct task *io_task) {
    /* In the session that was made for it; that of a claim by hand is somebody's. */
    const bool goes_on = bytes_equal(io_task->agent, agent->name) && io_task->run.len > 0;
    const struct attempt_new attempt = {.attempt = tx_copy(tx, bytes_of(pick->attempt.text)),
                                        .agent = tx_copy(tx, agent->name),
                                        .run = BYTES(""),
                                        .session = goes_on ? io_task->session : BYTES("")};
    attempts__open(tx, io_task, &attempt);
    const struct task_entered entered = {
        .to = TASK_CLAIMED, .by = attempt.agent, .words = BYTES("")};
    tasks__enter(tx, io_task, &entered);
}

/* A task that was taken, and whose attempt has not begun, since the daemon ended in between. In the
 * order of tasks_held: by id, all tasks of the owner would be read to find that there is none. */
static bool unbegun_find(struct tx *tx, const struct board_pick *pick, struct task *ret_task) {
    static const char where[] =
        "owner = $1 AND project = $2 AND status IN ('claimed', 'working') AND open_attempt = 1"
        " AND run = '' AND EXISTS (SELECT 1 FROM task_attempts a WHERE a.attempt = tasks.attempt"
        " AND a.ended_ms IS NULL AND a.began = 0) AND replace($3, task, '') = $3"
        " ORDER BY agent, id LIMIT 1";
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(
        tx, &task_resource, where,
        ARGS(arg_text(pick->owner), arg_text(pick->project), arg_text(pick->busy)));
    const bool found = rows_step(rows) && resource_row_read(&task_resource, rows, ret_task);
    if (found) {
        tx_resource_copy(tx, &task_resource, ret_task);
    }
    return found;
}

static bool review_find(struct tx *tx, const struct board_pick *pick, struct bytes reviewer,
                        struct task *ret_task) {
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(
        tx, &task_resource,
        "owner = $1 AND project = $2 AND status = 'review' AND archived = 0 AND review_run = ''"
        " AND rejections < $3 AND agent <> $4 AND " TASK_IS_DUE(
            "$5") " AND replace($6, task, '') = $6 ORDER BY priority DESC, id LIMIT 1",
        ARGS(arg_text(pick->owner), arg_text(pick->project), arg_int(BOARD_REJECTIONS_MAX),
             arg_text(reviewer), arg_int(tx_now_ms(tx)), arg_text(pick->busy)));
    if (!rows_step(rows) || !resource_row_read(&task_resource, rows, ret_task)) {
        return false;
    }
    tx_resource_copy(tx, &task_resource, ret_task);
    ret_task->agent = tx_copy(tx, reviewer);
    return true;
}

struct err tx_board_pick(struct tx *tx, const struct board_pick *pick, enum board_work *ret_work,
                         struct task *ret_task, int64_t *ret_next_ms) {
    AUTO(board_done) struct board board = {.json = NULL};
    *ret_next_ms = 0;
    *ret_work = unbegun_find(tx, pick, ret_task) ? BOARD_ATTEMPT : BOARD_NOTHING;
    if (*ret_work != BOARD_NOTHING) {
        return tx_error(tx);
    }
    if (!board_load(tx, pick->owner, pick->project, &board) || board.hold) {
        return tx_error(tx);
    }
    const struct bytes reviewer = json_bytes(board.json, "reviewer");
    if (reviewer.len > 0 && review_find(tx, pick, reviewer, ret_task) &&
        !cools(tx, reviewer, ret_next_ms)) {
        *ret_work = BOARD_REVIEW;
    }
    for (size_t i = 0; i < board.count && *ret_work == BOARD_NOTHING; i++) {
        const struct board_agent *agent = &board.agents[i];
        if (slots_used(tx, &board, agent->name) < agent->slots &&
            !cools(tx, agent->name, ret_next_ms) && candidate_find(tx, pick, agent, ret_task)) {
            task_take(tx, pick, agent, ret_task);
            *ret_work = BOARD_ATTEMPT;
        }
    }
    const int64_t next_ms = next_time(tx, pick);
    *ret_next_ms =
        *ret_next_ms == 0 || (next_ms != 0 && next_ms < *ret_next_ms) ? next_ms : *ret_next_ms;
    return tx_error(tx);
}

bool board__slot_free(struct tx *tx, const struct task *task, struct bytes agent,
                      struct board_slots *ret_slots) {
    AUTO(board_done) struct board board;
    const bool there = board_load(tx, task->owner, task->project, &board);
    *ret_slots = (struct board_slots){0};
    for (size_t i = 0; there && i < board.count; i++) {
        if (bytes_equal(board.agents[i].name, agent)) {
            *ret_slots = (struct board_slots){slots_used(tx, &board, agent), board.agents[i].slots};
            return ret_slots->used < ret_slots->all;
        }
    }
    return true;
}

void board__agents_tell(struct tx *tx, const struct task *task, bool agents, struct text *text) {
    AUTO(board_done) struct board board;
    size_t able = 0;
    const bool there = board_load(tx, task->owner, task->project, &board);
    if (there && board.hold) {
        text_add_str(text, "the board is on hold");
    }
    if (!agents || text->len > 0) {
        return;
    }
    for (size_t i = 0; there && i < board.count; i++) {
        const struct board_agent *agent = &board.agents[i];
        const bool is_for = task->assignee.len == 0 || bytes_equal(task->assignee, agent->name);
        if (!is_for || !board_agent_can(agent, task->capability)) {
            continue;
        }
        const int64_t used = slots_used(tx, &board, agent->name);
        int64_t until_ms = 0;
        const bool cooling = cools(tx, agent->name, &until_ms);
        text_add_str(text, able++ > 0 ? ", " : "");
        if (used < agent->slots && !cooling) {
            text_addf(text, "%.*s takes it next", (int)agent->name.len, agent->name.data);
        } else {
            text_addf(text, "%.*s has %lld of %lld tasks%s", (int)agent->name.len, agent->name.data,
                      (long long)used, (long long)agent->slots, cooling ? " and cools down" : "");
        }
    }
    if (able == 0) {
        text_addf(text,
                  "no agent of the board %s: 'drover project set %.*s --board …' names agents",
                  task->assignee.len > 0     ? "has that name"
                  : task->capability.len > 0 ? "has that capability"
                                             : "is there",
                  (int)task->project.len, task->project.data);
    }
}

/* --- Pauses ----------------------------------------------------------------------------------- */

static enum agent_outcome outcome_of(enum run_cause cause) {
    return cause == CAUSE_PROVIDER_ERROR         ? AGENT_PROVIDER_ERROR
           : cause == CAUSE_PROVIDER_UNREACHABLE ? AGENT_PROVIDER_UNREACHABLE
                                                 : AGENT_RATE_LIMITED;
}

/* A longer time that is there is that of the dispatcher, which follows the agent's processes. */
void board__agent_cools(struct tx *tx, struct bytes agent, const struct run_row *run) {
    const int64_t now_ms = tx_now_ms(tx), last_ms = now_ms + AGENT_WAIT_NAMED_MS;
    const int64_t until_ms = run->not_before_ms < last_ms ? run->not_before_ms : last_ms;
    struct agent_cool_stored cool;
    bool found = false;
    const enum board_counter counter = board_counter_of(run->cause);
    const bool is_of_provider = counter == BOARD_COUNT_CONNECT || counter == BOARD_COUNT_API;
    if (!is_of_provider || until_ms <= now_ms) {
        return;
    }
    tx_fail(tx, tx_agent_cool_find(tx, agent, now_ms, &found, &cool));
    if (!found || cool.until_ms < until_ms) {
        tx_fail(tx, tx_agent_cool_set(tx, agent, until_ms, outcome_of(run->cause)));
    }
}
