/* boards.c: see boards.h. */
#include "dispatch/board/boards.h"

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/base/agent_order.h"
#include "dispatch/base/room.h"
#include "dispatch/base/table.h"
#include "dispatch/base/work_tree.h"
#include "dispatch/board/must_files.h"
#include "engine/board/must.h"
#include "engine/board/start.h"
#include "engine/board/trees.h"
#include "engine/job/spec.h"
#include "engine/tree/trees.h"

enum {
    RETRY_MS = 1000,
    RETRY_MAX_MS = 60 * 1000,
    WAIT_MIN_MS = 50, /* Until a time that is now. */
    WAIT_MAX_MS =
        3600 * 1000, /* After that the rows are looked at again, whatever the clock says. */
    MODEL_MAX = 400,
    PATH_MAX_BYTES = 8 << 10,
    BEGINS_MAX = 64, /* Trees of one board that are made at once. */
    BRANCH_ID = 6,   /* Last characters of the task's id, which no other task has. */
};

enum begin_state { BEGIN_PICKED, BEGIN_TREE, BEGIN_LOOKING, BEGIN_STARTING, BEGIN_FAILING };

/* An attempt or a review that begins, or a tree that is left. */
struct begin {
    struct begin *next; /* Owned: of the board's list. */
    struct board *board;
    enum begin_state state;
    struct ask ask;
    struct pool_job job;
    enum board_work work;
    struct id attempt, task;
    char name[TASK_NUMBER_SIZE];    /* T-31 */
    struct text agent, root;        /* Owned. */
    struct text must_haves, prints; /* Owned: what must not change, and its fingerprints. */
    struct text path, model;        /* Owned: of the project. */
    struct agent_order order;       /* The agent, as it was found. */
    struct text worktree;           /* Owned: JSON of the row; "": none yet. */
    struct text setup, teardown;    /* Owned: of the project, for a new tree, */
    int64_t ports_wanted;           /* with that number of ports; */
    char ports[TREE_PORTS_SIZE];    /* and those that were chosen. */
    struct work_tree tree;          /* The task's, where it has one. */
    struct run_new tree_job;        /* The job of the tree that begins, */
    struct text tree_bytes;         /* owned: its texts; */
    struct step_job tree_begun;     /* and the one that has begun, or was found. */
    bool tree_looked;               /* The pool has looked at the tree. */
    struct default_model model_default;
    struct id session, run, message, answer;
    struct why why; /* Why its agent could not be started. */
};

enum board_state { BOARD_IDLE, BOARD_PICKING };

struct board {
    struct table_node node; /* By its note. */
    struct boards *boards;
    char *note; /* Owned: "OWNER\nPROJECT". */
    struct bytes owner, project;
    enum board_state state;
    bool again; /* A row changed since the rows were read. */
    struct ask ask;
    struct timer timer;
    struct id pick;
    int64_t next_ms;
    struct begin *spare;  /* Owned: is filled by the next pick. */
    struct begin *begins; /* Owned: all others. */
    size_t count;
    struct text busy; /* Owned: the tasks of those, for the pick. */
};

struct boards {
    struct boards_options options;
    struct room room;
    struct table table;
    struct ask recovery;
};

static void board_go_on(struct board *board);
static void begin_fail(struct begin *begin);
static void on_time(struct timer *timer);
static struct err tree_tx(struct tx *tx, void *ctx);
static void on_tree_look(struct work_tree *tree);
static void on_tree_begin(struct work_tree *tree);
static void on_tree_done(struct work_tree *tree);

/* --- One board -------------------------------------------------------------------------------- */

static struct boards *boards_of(const struct begin *begin) {
    return begin->board->boards;
}

static void begin_free(struct begin *begin) {
    ask_drop(&begin->ask);
    work_tree_done(&begin->tree);
    text_done(&begin->tree_bytes);
    text_done(&begin->worktree);
    text_done(&begin->setup);
    text_done(&begin->teardown);
    text_done(&begin->agent);
    text_done(&begin->root);
    text_done(&begin->must_haves);
    text_done(&begin->prints);
    text_done(&begin->path);
    text_done(&begin->model);
    agent_order_done(&begin->order);
    mem_free(begin);
}

/* When nothing of it is away: a board stays as long as the daemon. */
static void board_free(struct board *board) {
    struct boards *boards = board->boards;
    timer_stop(boards->options.room.loop, &board->timer);
    ask_drop(&board->ask);
    for (struct begin *begin = board->begins, *next; begin != NULL; begin = next) {
        next = begin->next;
        begin_free(begin);
    }
    if (board->spare != NULL) {
        begin_free(board->spare);
    }
    table_remove(&boards->table, &board->node);
    text_done(&board->busy);
    mem_free(board->note);
    mem_free(board);
}

static void begin_remove(struct begin *begin) {
    struct begin **at = &begin->board->begins;
    while (*at != begin) {
        at = &(*at)->next;
    }
    *at = begin->next;
    begin->board->count--;
    begin_free(begin);
}

/* Nothing of it is away: its row is as it is now. */
static void begin_end(struct begin *begin) {
    struct board *board = begin->board;
    begin_remove(begin);
    board_go_on(board);
}

/* A failure for good is tried again later, or when something changes. */
static void board_retry(struct board *board) {
    if (!timer_runs(&board->timer)) {
        timer_start(board->boards->options.room.loop, &board->timer, RETRY_MAX_MS, on_time);
    }
}

static void board_refused(void *ctx, struct err err) {
    struct board *board = ctx;
    (void)err; /* The asker has logged it. */
    board->again = false;
    board->state = BOARD_IDLE;
    board_retry(board);
}

static void begin_refused(void *ctx, struct err err) {
    struct begin *begin = ctx;
    struct board *board = begin->board;
    if (begin->ask.fn == tree_tx) {
        why_set(&begin->tree.why, "its job could not be begun (%s)", err_name(err.code));
        work_tree_refuse(&begin->tree);
        return;
    }
    if (begin->state == BEGIN_STARTING) { /* The attempt's own failure: others go on. */
        why_set(&begin->why, "it could not be started (%s)", err_name(err.code));
        begin_fail(begin);
        return;
    }
    begin_remove(begin);
    board_retry(board);
}

/* An error of the start belongs to the attempt, and a task that was moved is no failure; others are
 * tried again as usual. */
static enum ask_verdict begin_judge(void *ctx, unsigned tries, struct err err) {
    const struct begin *begin = ctx;
    const bool refusal = begin->state == BEGIN_STARTING && begin->why.text[0] != '\0';
    const bool moved = begin->ask.fn == tree_tx && err.code == ERR_CONFLICT;
    return refusal || moved ? ASK_ANSWERED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static struct begin *begin_new(struct board *board) {
    static const struct work_tree_owner tree_owner = {
        .look = on_tree_look, .begin = on_tree_begin, .done = on_tree_done};
    static const struct ask_rules rules = {
        .words = {.effect = "begin a task",
                  .again = "a task could not be begun; it is tried again"},
        .judge = begin_judge,
        .refused = begin_refused};
    struct begin *begin = mem_new(sizeof *begin);
    begin->board = board;
    text_init(&begin->agent, TASK_WORD_MAX);
    text_init(&begin->root, 4096);
    text_init(&begin->must_haves, TASK_LISTS_MAX);
    text_init(&begin->prints, MUST_PRINTS_MAX);
    text_init(&begin->path, PATH_MAX_BYTES);
    text_init(&begin->model, MODEL_MAX);
    agent_order_init(&begin->order);
    text_init(&begin->worktree, TREE_JOB_BYTES);
    text_init(&begin->setup, TREE_COMMAND_MAX);
    text_init(&begin->teardown, TREE_COMMAND_MAX);
    text_init(&begin->tree_bytes, TREE_JOB_BYTES);
    work_tree_init(&begin->tree, &tree_owner, board->boards->options.waits);
    ask_init(&begin->ask, &board->boards->room.asker, &rules, begin);
    return begin;
}

static void on_time(struct timer *timer) {
    board_go_on(CONTAINER_OF(timer, struct board, timer));
}

static bool has_tree(const struct begin *begin) {
    return begin->tree.use != TREE_NOT_USED;
}

/* --- The agent could not be started ----------------------------------------------------------- */

static struct err fail_tx(struct tx *tx, void *ctx) {
    const struct begin *begin = ctx;
    const struct bytes why = bytes_of(begin->why.text);
    return begin->work == BOARD_REVIEW
               ? tx_review_unstarted(tx, bytes_of(begin->task.text), text_bytes(&begin->agent), why)
           : has_tree(begin) && begin->tree.end == TREE_REFUSED
               ? tx_attempt_treeless(tx, bytes_of(begin->attempt.text), why)
               : tx_attempt_unstarted(tx, bytes_of(begin->attempt.text), why);
}

static void fail_done(void *ctx) {
    begin_end(ctx);
}

static void begin_fail(struct begin *begin) {
    begin->state = BEGIN_FAILING;
    ask_write(&begin->ask, fail_tx, fail_done);
}

/* The folder of the attempt: its tree, else that of the project. */
static struct bytes begin_folder(const struct begin *begin) {
    return has_tree(begin) ? bytes_of(begin->tree.texts[TREE_ROOT]) : text_bytes(&begin->root);
}

/* --- The start -------------------------------------------------------------------------------- */

static struct err start_tx(struct tx *tx, void *ctx) {
    struct begin *begin = ctx;
    const struct agent_order *order = &begin->order;
    const struct attempt_start start = {
        .attempt = bytes_of(begin->attempt.text),
        .task = bytes_of(begin->task.text),
        .talk = {.session = {.session = begin->session,
                             .model =
                                 text_bytes(order->model.len > 0 ? &order->model : &begin->model),
                             .agent = text_bytes(&begin->agent),
                             .root = begin_folder(begin),
                             .path = text_bytes(&begin->path),
                             .instructions = agent_order_instructions(order),
                             .settings = agent_order_settings(order),
                             .program = text_bytes(&order->program)},
                 .message = {.model_default = bytes_of(begin->model_default.name),
                             .run = begin->run,
                             .message = begin->message,
                             .answer = begin->answer,
                             .bounds = boards_of(begin)->options.bounds}},
        .worktree = has_tree(begin) ? text_bytes(&begin->worktree) : BYTES(""),
        .tree_texts = begin->tree.texts,
        .diff = has_tree(begin) ? text_bytes(&begin->tree.diff) : BYTES(""),
        .diff_since = has_tree(begin) ? bytes_of(begin->tree.texts[TREE_BASE]) : BYTES(""),
        .prints = text_bytes(&begin->prints),
        .resumes = order->resumes};
    begin->why.text[0] = '\0';
    return begin->work == BOARD_REVIEW ? tx_review_start(tx, &start, &begin->why)
                                       : tx_attempt_start(tx, &start, &begin->why);
}

static void start_done(void *ctx) {
    struct begin *begin = ctx;
    if (err_failed(begin->ask.err)) {
        if (begin->why.text[0] == '\0') {
            why_set(&begin->why, "it could not be started (%s)", err_name(begin->ask.err.code));
        }
        begin_fail(begin);
    } else {
        begin_end(begin);
    }
}

static void start_begin(void *ctx) {
    struct begin *begin = ctx;
    const struct world *world = loop_world(boards_of(begin)->options.room.loop);
    if (boards_of(begin)->room.asker.stopping) {
        return;
    }
    connections_default_model(boards_of(begin)->options.connections, &begin->model_default);
    begin->session = world_new_id(world, "ses");
    begin->run = world_new_id(world, "run");
    begin->message = world_new_id(world, "msg");
    begin->answer = world_new_id(world, "msg");
    ask_write(&begin->ask, start_tx, start_done);
}

static void begin_start(struct begin *begin) {
    begin->state = BEGIN_STARTING;
    if (begin->order.kind == AGENT_ORDER_PROGRAM ||
        !connections_look(boards_of(begin)->options.connections, start_begin, begin)) {
        start_begin(begin);
    }
}

/* --- Its agent, in the pool ------------------------------------------------------------------- */

/* Fingerprints of what must not change, before the attempt begins. */
static void prints_take(struct begin *begin) {
    AUTO(text_done) struct text known = text_up_to(MUST_PRINTS_MAX);
    text_add(&known, text_bytes(&begin->prints).data, text_bytes(&begin->prints).len);
    const struct must_folder folder = {.root = begin_folder(begin),
                                       .must_haves = text_bytes(&begin->must_haves),
                                       .prints = text_bytes(&known)};
    text_clear(&begin->prints);
    must_prints_write(&folder, &begin->prints);
}

static void agent_look(struct pool_job *job) {
    struct begin *begin = CONTAINER_OF(job, struct begin, job);
    const struct boards_options *options = &boards_of(begin)->options;
    /* Definitions are the project's: those in a tree may be the agent's own. */
    const struct agent_wish wish = {.name = text_bytes(&begin->agent),
                                    .root = begin->root.len > 0 ? begin->root.data : NULL,
                                    .home = options->home,
                                    .config_dir = options->config_dir,
                                    .path = begin->path.len > 0 ? begin->path.data : NULL,
                                    .rows = options->agents,
                                    .model = BYTES(""),
                                    .adds = TOOL_NEEDS_TASK,
                                    .takes_names = begin->model.len > 0};
    if (begin->work == BOARD_ATTEMPT) {
        prints_take(begin);
    }
    agent_order_find(&wish, &begin->order);
}

static void agent_looked(struct pool_job *job) {
    struct begin *begin = CONTAINER_OF(job, struct begin, job);
    struct boards *boards = boards_of(begin);
    begin->why = begin->order.why;
    if (boards->room.asker.stopping) {
        room_maybe_stopped(&boards->room);
    } else if (agent_order_is_good(&begin->order) &&
               (!agent_json_by_port(text_bytes(&begin->order.program)) ||
                dispatch_has_address(boards->options.dispatch, &begin->why))) {
        begin_start(begin);
    } else {
        begin_fail(begin);
    }
}

static void begin_look(struct begin *begin) {
    begin->state = BEGIN_LOOKING;
    agent_order_set_aliases(
        &begin->order, connections_settings(boards_of(begin)->options.connections)->model_aliases);
    pool_begin(&boards_of(begin)->room.pool, &begin->job,
               must_has(text_bytes(&begin->must_haves), MUST_OF_UNCHANGED) ? POOL_SLOW : POOL_QUICK,
               agent_look, agent_looked);
}

/* --- Its working tree ------------------------------------------------------------------------- */

static struct err left_tx(struct tx *tx, void *ctx) {
    const struct begin *begin = ctx;
    return tx_tree_left(tx, bytes_of(begin->task.text), begin->tree.end != TREE_ABSENT);
}

static void left_done(void *ctx) {
    begin_end(ctx);
}

static void worktree_write(struct begin *begin) {
    text_clear(&begin->worktree);
    tree_texts_write(begin->tree.texts, &begin->worktree);
}

static void on_tree_done(struct work_tree *tree) {
    struct begin *begin = CONTAINER_OF(tree, struct begin, tree);
    if (tree->use == TREE_MAKE && tree->end == TREE_READY) {
        work_tree_set_text(tree, TREE_ATTEMPT, begin->attempt.text);
    }
    worktree_write(begin);
    if (begin->work == BOARD_LEAVE) {
        ask_write(&begin->ask, left_tx, left_done);
    } else if (tree->end == TREE_READY) {
        begin_look(begin);
    } else {
        begin->why = tree->why;
        begin_fail(begin);
    }
}

static struct err tree_tx(struct tx *tx, void *ctx) {
    struct begin *begin = ctx;
    const bool leaves = begin->tree.use == TREE_LEAVE;
    const struct tree_begin with = {.task = bytes_of(begin->task.text),
                                    .attempt = bytes_of(leaves ? "" : begin->attempt.text),
                                    .worktree = text_bytes(&begin->worktree),
                                    .texts = begin->tree.texts,
                                    .ports = begin->ports_wanted,
                                    .ports_chosen = begin->ports,
                                    .job = &begin->tree_job};
    return tx_tree_begin(tx, &with, &begin->tree_begun);
}

static void on_tree_begun(void *ctx) {
    struct begin *begin = ctx;
    if (err_failed(begin->ask.err)) { /* The task was moved: nothing begins. */
        begin_end(begin);
    } else {
        if (begin->ports[0] != '\0') {
            work_tree_set_text(&begin->tree, TREE_PORTS, begin->ports);
        }
        work_tree_begun(&begin->tree, &begin->tree_begun);
    }
}

static bool has_sandbox(const struct begin *begin) {
    return dispatch_options(boards_of(begin)->options.dispatch)->sandbox_lack == NULL;
}

static void on_tree_begin(struct work_tree *tree) {
    struct begin *begin = CONTAINER_OF(tree, struct begin, tree);
    const struct boards_options *options = &boards_of(begin)->options;
    const struct tree_order order = {.texts = tree->texts,
                                     .job = tree->job,
                                     .user = bytes_of(begin->task.text),
                                     .sandbox = has_sandbox(begin)};
    const struct id run = world_new_id(loop_world(options->room.loop), "run");
    work_tree_name_job(tree, &run);
    worktree_write(begin);
    text_clear(&begin->tree_bytes);
    begin->tree_job = job_run_new(&run, BYTES(""));
    begin->tree_job.owner = begin->board->owner;
    begin->tree_job.parent = BYTES("");
    begin->tree_job.bounds = dispatch_bounds(options->dispatch);
    tree_job_fill(&order, &begin->tree_bytes, &begin->tree_job);
    ask_write(&begin->ask, tree_tx, on_tree_begun);
}

/* TOP/.drover/worktrees/tsk_…, on the branch drover/T-31-…: with a part of the id, so no task of
 * another project, and no person, has a branch of that name. */
static void place_find(struct begin *begin) {
    const struct dispatch_options *options = dispatch_options(boards_of(begin)->options.dispatch);
    AUTO(text_done) struct text branch = text_up_to(TASK_NUMBER_SIZE + BRANCH_ID + 16);
    const size_t len = strlen(begin->task.text), skip = len > BRANCH_ID ? len - BRANCH_ID : 0;
    const struct worktree_place place = {.root = begin->root.data,
                                         .run = begin->task.text,
                                         .closed = options->data_dir,
                                         .held = has_sandbox(begin),
                                         .umask = options->umask};
    struct worktree at;
    if (begin->root.len == 0) {
        why_set(&begin->tree.why, "the project has no folder");
    } else if (!err_failed(worktree_find(&place, &at, &begin->tree.why))) {
        work_tree_set_place(&begin->tree, &at);
        text_addf(&branch, "drover/%s-%s", begin->name, begin->task.text + skip);
        work_tree_set_text(&begin->tree, TREE_BRANCH, branch.data);
    }
}

static void tree_look_run(struct pool_job *job) {
    struct begin *begin = CONTAINER_OF(job, struct begin, job);
    begin->tree_looked = true;
    if (begin->tree.texts[TREE_PATH][0] == '\0') {
        place_find(begin);
    }
    work_tree_look(&begin->tree, dispatch_options(boards_of(begin)->options.dispatch)->spool);
}

static void on_tree_looked(struct pool_job *job) {
    struct begin *begin = CONTAINER_OF(job, struct begin, job);
    if (boards_of(begin)->room.asker.stopping) {
        room_maybe_stopped(&boards_of(begin)->room);
    } else if (begin->tree_looked) {
        work_tree_looked(&begin->tree);
    } else {
        on_tree_look(&begin->tree);
    }
}

static void on_tree_look(struct work_tree *tree) {
    struct begin *begin = CONTAINER_OF(tree, struct begin, tree);
    begin->tree_looked = false;
    pool_begin(&boards_of(begin)->room.pool, &begin->job, POOL_QUICK, tree_look_run,
               on_tree_looked);
}

/* Each attempt at a task goes on in its tree. When the task is over, git removes tree and branch if
 * nothing has changed in them. */
static void begin_go_to_tree(struct begin *begin) {
    AUTO(json_release) json_t *json = NULL;
    const char *texts[TREE_TEXTS];
    const bool first = begin->worktree.len == 0;
    begin->state = BEGIN_TREE;
    if (err_failed(json_parse_wrapped(text_bytes(&begin->worktree), &json, NULL))) {
        json_release(&json); /* There is none yet. */
    }
    tree_texts_read(json, texts);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        work_tree_set_text(&begin->tree, (enum tree_text)i, texts[i]);
    }
    if (first) {
        work_tree_set_text(&begin->tree, TREE_SETUP, text_bytes(&begin->setup).data);
        work_tree_set_text(&begin->tree, TREE_TEARDOWN, text_bytes(&begin->teardown).data);
    }
    if (begin->tree.use == TREE_FIND || first) {
        work_tree_begin(&begin->tree, begin->tree.use);
    } else {
        work_tree_search(&begin->tree, begin->tree.use); /* A job of an earlier daemon is first. */
    }
}

/* --- The next task ---------------------------------------------------------------------------- */

static void begin_fill(struct tx *tx, const struct task *task, struct begin *begin) {
    static const enum work_tree_use uses[] = {
        [BOARD_ATTEMPT] = TREE_MAKE, [BOARD_REVIEW] = TREE_FIND, [BOARD_LEAVE] = TREE_LEAVE};
    begin->attempt = id_copy(task->attempt);
    begin->task = id_copy(task->task);
    (void)snprintf(begin->name, sizeof begin->name, "%.*s", (int)task->name.len, task->name.data);
    const struct bytes root =
        tx_text(tx, "SELECT root FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task->owner), arg_text(task->project)));
    const struct bytes model =
        tx_text(tx, "SELECT model FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task->owner), arg_text(task->project)));
    const struct bytes path =
        tx_text(tx, "SELECT path FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task->owner), arg_text(task->project)));
    const struct tree_wishes wishes = tx_tree_wishes(tx, task->owner, task->project);
    struct task_tree tree;
    tx_task_tree(tx, task, &tree);
    begin->ports_wanted = wishes.ports;
    const bool used = begin->work == BOARD_ATTEMPT ? tree.wanted : tree.worktree.len > 0;
    begin->tree.use = used ? uses[begin->work] : TREE_NOT_USED;
    begin->tree.wants_diff = begin->work == BOARD_ATTEMPT && task->rejections > 0;
    const struct {
        struct text *text;
        struct bytes value;
    } texts[] = {{&begin->agent, task->agent},
                 {&begin->root, root},
                 {&begin->model, model},
                 {&begin->path, path},
                 {&begin->prints, task->prints},
                 {&begin->must_haves, task->must_haves},
                 {&begin->worktree, tree.worktree},
                 {&begin->setup, wishes.setup},
                 {&begin->teardown, wishes.teardown}};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_clear(texts[i].text);
        text_add(texts[i].text, texts[i].value.data, texts[i].value.len);
    }
}

static struct err pick_tx(struct tx *tx, void *ctx) {
    struct board *board = ctx;
    struct begin *begin = board->spare;
    const struct board_pick pick = {.owner = board->owner,
                                    .project = board->project,
                                    .attempt = board->pick,
                                    .busy = text_bytes(&board->busy)};
    struct task task;
    struct err err = tx_board_pick(tx, &pick, &begin->work, &task, &board->next_ms);
    if (!err_failed(err) && begin->work == BOARD_NOTHING && tx_tree_over_find(tx, &pick, &task)) {
        begin->work = BOARD_LEAVE;
        err = tx_error(tx);
    }
    if (err_failed(err) || begin->work == BOARD_NOTHING) {
        return err;
    }
    begin_fill(tx, &task, begin);
    return tx_error(tx);
}

static void board_rest(struct board *board) {
    struct boards *boards = board->boards;
    if (board->next_ms > 0) {
        const int64_t wait_ms =
            board->next_ms - world_wall_ms(loop_world(boards->options.room.loop));
        timer_start(boards->options.room.loop, &board->timer,
                    (uint64_t)(wait_ms < WAIT_MIN_MS   ? WAIT_MIN_MS
                               : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS
                                                       : wait_ms),
                    on_time);
    }
    if (board->again) {
        board_go_on(board);
    }
}

static void pick_done(void *ctx) {
    struct board *board = ctx;
    struct begin *begin = board->spare;
    board->state = BOARD_IDLE;
    if (begin->work == BOARD_NOTHING) {
        board_rest(board);
        return;
    }
    begin->next = board->begins;
    board->begins = begin;
    board->spare = NULL;
    board->count++;
    if (has_tree(begin)) {
        begin_go_to_tree(begin);
    } else {
        begin_look(begin);
    }
    board_go_on(board);
}

/* Attempts begin one after the other, but none waits for the tree of another one. */
static bool board_is_engaged(const struct board *board) {
    bool engaged = board->count >= BEGINS_MAX;
    for (const struct begin *begin = board->begins; begin != NULL; begin = begin->next) {
        engaged = engaged || begin->state != BEGIN_TREE;
    }
    return engaged;
}

static void board_pick(struct board *board) {
    text_clear(&board->busy);
    for (const struct begin *begin = board->begins; begin != NULL; begin = begin->next) {
        text_add_str(&board->busy, begin->task.text);
    }
    board->spare = board->spare == NULL ? begin_new(board) : board->spare;
    board->again = false;
    board->state = BOARD_PICKING;
    board->pick = world_new_id(loop_world(board->boards->options.room.loop), "try");
    ask_write(&board->ask, pick_tx, pick_done);
}

static void board_go_on(struct board *board) {
    struct boards *boards = board->boards;
    board->again = true;
    /* A release looks at every board, and the end of what engages it looks at this one. */
    if (board->state == BOARD_IDLE && !boards->room.asker.stopping && !board_is_engaged(board) &&
        dispatch_held(boards->options.dispatch) != RUN_HELD) {
        timer_stop(boards->options.room.loop, &board->timer);
        board_pick(board);
    }
}

/* --- Notes ------------------------------------------------------------------------------------ */

static struct board *board_new(struct boards *boards, struct bytes note) {
    static const struct ask_rules rules = {
        .words = {.effect = "take a task", .again = "a task could not be taken; it is tried again"},
        .refused = board_refused};
    struct board *board = mem_new(sizeof *board);
    const char *end = memchr(note.data, '\n', note.len);
    assert(end != NULL);
    board->boards = boards;
    board->note = mem_copy(note.data, note.len);
    board->node.name = (struct bytes){board->note, note.len};
    board->owner = (struct bytes){board->note, (size_t)(end - note.data)};
    board->project =
        (struct bytes){board->note + board->owner.len + 1, note.len - board->owner.len - 1};
    text_init(&board->busy, BEGINS_MAX * ID_SIZE);
    ask_init(&board->ask, &boards->room.asker, &rules, board);
    table_add(&boards->table, &board->node);
    return board;
}

void boards_note(struct boards *boards, struct bytes note) {
    struct table_node *node = table_find(&boards->table, note);
    if (!boards->room.asker.stopping) {
        board_go_on(node == NULL ? board_new(boards, note)
                                 : CONTAINER_OF(node, struct board, node));
    }
}

static struct err recover_tx(struct tx *tx, void *ctx) {
    (void)ctx; /* All of them. */
    return tx_board_recover(tx);
}

static void recover_done(void *ctx) {
    (void)ctx; /* The notes have come. */
}

void boards_recover(struct boards *boards) {
    if (boards->recovery.state == ASK_IDLE && !boards->room.asker.stopping) {
        ask_write(&boards->recovery, recover_tx, recover_done);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

struct boards *boards_open(const struct boards_options *options) {
    static const struct ask_rules rules = {
        .words = {.effect = "look at all boards",
                  .again = "the boards could not be read; it is tried again"}};
    struct boards *boards = mem_new(sizeof *boards);
    boards->options = *options;
    room_init(&boards->room, &options->room,
              (struct room_pauses){.first_ms = RETRY_MS, .max_ms = RETRY_MAX_MS});
    table_init(&boards->table);
    ask_init(&boards->recovery, &boards->room.asker, &rules, boards);
    return boards;
}

void boards_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct boards *boards = room;
    boards->room.asker.stopping = true;
    ask_stop(&boards->recovery);
    for (struct table_node *node = NULL; (node = table_next(&boards->table, node)) != NULL;) {
        struct board *board = CONTAINER_OF(node, struct board, node);
        timer_stop(boards->options.room.loop, &board->timer);
        ask_stop(&board->ask);
        for (struct begin *begin = board->begins; begin != NULL; begin = begin->next) {
            ask_stop(&begin->ask);
        }
    }
    room_stop(&boards->room, stopped, ctx);
}

void boards_close(struct boards *boards) {
    if (boards == NULL) {
        return;
    }
    room_done(&boards->room);
    for (struct table_node *node = table_next(&boards->table, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&boards->table, node);
        board_free(CONTAINER_OF(node, struct board, node));
    }
    table_done(&boards->table);
    mem_free(boards);
}
