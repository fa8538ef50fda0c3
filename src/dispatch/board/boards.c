/* boards.c: see boards.h. */
#include "dispatch/board/boards.h"

#include <stdlib.h>

#include "agent/find.h"
#include "base/memory.h"
#include "dispatch/base/room.h"
#include "dispatch/base/table.h"
#include "dispatch/board/board_tree.h"
#include "dispatch/board/must_files.h"
#include "engine/board/must.h"
#include "engine/board/start.h"

enum {
    RETRY_MS = 1000,
    RETRY_MAX_MS = 60 * 1000,
    WAIT_MIN_MS = 50, /* Until a time that is now. */
    WAIT_MAX_MS =
        3600 * 1000, /* After that the rows are looked at again, whatever the clock says. */
    MODEL_MAX = 400,
};

enum board_state {
    BOARD_IDLE,
    BOARD_PICKING,
    BOARD_TREE,
    BOARD_LOOKING,
    BOARD_STARTING,
    BOARD_FAILING
};

struct board {
    struct table_node node; /* By its note. */
    struct boards *boards;
    char *note; /* Owned: "OWNER\nPROJECT". */
    struct bytes owner, project;
    enum board_state state;
    bool again; /* A row changed since the rows were read. */
    struct ask ask;
    struct timer timer;
    struct pool_job job;
    /* The attempt at hand. */
    enum board_work work;
    int64_t next_ms;
    struct id pick, attempt, task;
    struct text agent, root;        /* Owned. */
    struct text must_haves, prints; /* Owned: what must not change, and its fingerprints. */
    struct text program, model;     /* Owned: of an agent that is a program. */
    struct text worktree;           /* Owned: JSON of the row; "": none yet. */
    struct board_tree tree;         /* The task's, where it has one. */
    bool resumes, usable;
    struct default_model model_default;
    struct id session, run, message, answer;
    struct why why; /* Why its agent could not be started. */
};

struct boards {
    struct boards_options options;
    struct room room;
    struct table table;
    struct tree_room trees;
    struct ask recovery;
};

static void board_pick(struct board *board);
static void board_fail(struct board *board);
static void on_time(struct timer *timer);

/* --- One board -------------------------------------------------------------------------------- */

/* When nothing of it is away: a board stays as long as the daemon. */
static void board_free(struct board *board) {
    struct boards *boards = board->boards;
    timer_stop(boards->options.loop, &board->timer);
    ask_drop(&board->ask);
    board_tree_free(&board->tree);
    text_done(&board->worktree);
    table_remove(&boards->table, &board->node);
    text_done(&board->agent);
    text_done(&board->root);
    text_done(&board->must_haves);
    text_done(&board->prints);
    text_done(&board->program);
    text_done(&board->model);
    mem_free(board->note);
    mem_free(board);
}

static void board_rest(struct board *board) {
    board->state = BOARD_IDLE;
    if (board->again) {
        board_pick(board);
    }
}

/* A failure for good is tried again later, or when something changes. */
static void board_refused(void *ctx, struct err err) {
    struct board *board = ctx;
    if (board->state == BOARD_STARTING) { /* The attempt's own failure: others go on. */
        why_set(&board->why, "it could not be started (%s)", err_name(err.code));
        board_fail(board);
        return;
    }
    board->again = false;
    board_rest(board);
    timer_start(board->boards->options.loop, &board->timer, RETRY_MAX_MS, on_time);
}

static void on_time(struct timer *timer) {
    struct board *board = CONTAINER_OF(timer, struct board, timer);
    if (board->state == BOARD_IDLE) {
        board_pick(board);
    }
}

static bool has_tree(const struct board *board) {
    return board->tree.use != TREE_NOT_USED;
}

/* --- The agent could not be started ----------------------------------------------------------- */

static struct err fail_tx(struct tx *tx, void *ctx) {
    const struct board *board = ctx;
    const struct bytes why = bytes_of(board->why.text);
    return board->work == BOARD_REVIEW
               ? tx_review_unstarted(tx, bytes_of(board->task.text), text_bytes(&board->agent), why)
           : has_tree(board) && board->tree.end == TREE_REFUSED
               ? tx_attempt_treeless(tx, bytes_of(board->attempt.text), why)
               : tx_attempt_unstarted(tx, bytes_of(board->attempt.text), why);
}

static void fail_done(void *ctx) {
    board_pick(ctx);
}

static void board_fail(struct board *board) {
    board->state = BOARD_FAILING;
    ask_write(&board->ask, fail_tx, fail_done);
}

/* The folder of the attempt: its tree, else that of the project. */
static struct bytes board_folder(const struct board *board) {
    return has_tree(board) ? bytes_of(board->tree.texts[TREE_ROOT]) : text_bytes(&board->root);
}

/* --- The start -------------------------------------------------------------------------------- */

static struct err start_tx(struct tx *tx, void *ctx) {
    struct board *board = ctx;
    const struct attempt_start start = {
        .attempt = bytes_of(board->attempt.text),
        .task = bytes_of(board->task.text),
        .agent = text_bytes(&board->agent),
        .program = text_bytes(&board->program),
        .model = text_bytes(&board->model),
        .model_default = bytes_of(board->model_default.name),
        .root = board_folder(board),
        .worktree = has_tree(board) ? text_bytes(&board->tree.worktree) : BYTES(""),
        .diff = has_tree(board) ? text_bytes(&board->tree.diff) : BYTES(""),
        .diff_since = has_tree(board) ? bytes_of(board->tree.texts[TREE_BASE]) : BYTES(""),
        .prints = text_bytes(&board->prints),
        .resumes = board->resumes,
        .session = board->session,
        .run = board->run,
        .message = board->message,
        .answer = board->answer,
        .bounds = board->boards->options.bounds,
        .line = program_message_line};
    board->why.text[0] = '\0';
    return board->work == BOARD_REVIEW ? tx_review_start(tx, &start, &board->why)
                                       : tx_attempt_start(tx, &start, &board->why);
}

static void start_done(void *ctx) {
    struct board *board = ctx;
    if (err_failed(board->ask.err)) {
        if (board->why.text[0] == '\0') {
            why_set(&board->why, "it could not be started (%s)", err_name(board->ask.err.code));
        }
        board_fail(board);
    } else {
        board_pick(board);
    }
}

static void start_begin(void *ctx) {
    struct board *board = ctx;
    const struct world *world = loop_world(board->boards->options.loop);
    if (board->boards->room.asker.stopping) {
        return;
    }
    connections_default_model(board->boards->options.connections, &board->model_default);
    board->session = world_new_id(world, "ses");
    board->run = world_new_id(world, "run");
    board->message = world_new_id(world, "msg");
    board->answer = world_new_id(world, "msg");
    ask_write(&board->ask, start_tx, start_done);
}

static void board_start(struct board *board) {
    board->state = BOARD_STARTING;
    if (board->program.len > 0 ||
        !connections_look(board->boards->options.connections, start_begin, board)) {
        start_begin(board);
    }
}

/* --- Its agent, in the pool ------------------------------------------------------------------- */

static void program_see(void *ctx, const struct agent_seen *seen) {
    struct board *board = ctx;
    struct agent_definition what = *seen->what;
    board->usable = agent_may_start(seen->found);
    if (!board->usable) {
        why_set(&board->why, "agent '%.64s' is %s: %s", what.name, agent_found_names[seen->found],
                seen->why);
        return;
    }
    board->resumes = (program_can(seen->program) & PROGRAM_RESUMES) != 0;
    board->usable = !err_failed(agent_definition_write(&what, &board->program));
    text_clear(&board->model); /* The project's is for native agents. */
    text_addf(&board->model, "%s/%.200s", what.name, what.model != NULL ? what.model : "default");
}

/* Fingerprints of what must not change, before the attempt begins. */
static void prints_take(struct board *board) {
    AUTO(text_done) struct text known = text_up_to(MUST_PRINTS_MAX);
    text_add(&known, text_bytes(&board->prints).data, text_bytes(&board->prints).len);
    const struct must_folder folder = {.root = board_folder(board),
                                       .must_haves = text_bytes(&board->must_haves),
                                       .prints = text_bytes(&known)};
    text_clear(&board->prints);
    must_prints_write(&folder, &board->prints);
}

static void agent_look(struct pool_job *job) {
    struct board *board = CONTAINER_OF(job, struct board, job);
    const struct boards_options *options = &board->boards->options;
    /* Definitions are the project's: those in a tree may be the agent's own. */
    const struct agent_search search = {.root = board->root.len > 0 ? board->root.data : NULL,
                                        .home = options->home,
                                        .path = getenv("PATH"),
                                        .rows = options->agents};
    text_clear(&board->program);
    if (board->work == BOARD_ATTEMPT) {
        prints_take(board);
    }
    if (!agent_find(&search, text_bytes(&board->agent), program_see, board)) {
        board->usable = board->resumes = true; /* A native one. */
    }
}

static void agent_looked(struct pool_job *job) {
    struct board *board = CONTAINER_OF(job, struct board, job);
    struct boards *boards = board->boards;
    if (boards->room.asker.stopping) {
        room_maybe_stopped(&boards->room);
    } else if (board->usable && (!agent_json_by_port(text_bytes(&board->program)) ||
                                 dispatch_has_address(boards->options.dispatch, &board->why))) {
        board_start(board);
    } else {
        board_fail(board);
    }
}

static void board_look(struct board *board) {
    board->state = BOARD_LOOKING;
    pool_begin(&board->boards->room.pool, &board->job,
               must_has(text_bytes(&board->must_haves), MUST_OF_UNCHANGED) ? POOL_SLOW : POOL_QUICK,
               agent_look, agent_looked);
}

/* --- Its working tree ------------------------------------------------------------------------- */

static struct err left_tx(struct tx *tx, void *ctx) {
    const struct board *board = ctx;
    return tx_tree_left(tx, bytes_of(board->task.text), board->tree.end != TREE_ABSENT);
}

static void left_done(void *ctx) {
    board_pick(ctx);
}

static void board_tree_done(struct board_tree *tree) {
    struct board *board = CONTAINER_OF(tree, struct board, tree);
    if (board->boards->room.asker.stopping) {
        room_maybe_stopped(&board->boards->room);
    } else if (board->work == BOARD_LEAVE && tree->end != TREE_MOVED) {
        ask_write(&board->ask, left_tx, left_done);
    } else if (tree->end == TREE_READY) {
        board_look(board);
    } else if (tree->end == TREE_MOVED) {
        board_pick(board);
    } else {
        board->why = tree->why;
        board_fail(board);
    }
}

static void board_go_to_tree(struct board *board) {
    struct board_tree *tree = &board->tree;
    board->state = BOARD_TREE;
    tree->done = board_tree_done;
    tree->owner = board->owner;
    tree->task = bytes_of(board->task.text);
    tree->attempt = bytes_of(board->attempt.text);
    tree->project_root = text_bytes(&board->root);
    board_tree_begin(tree, text_bytes(&board->worktree));
}

/* --- The next task ---------------------------------------------------------------------------- */

static struct err pick_tx(struct tx *tx, void *ctx) {
    struct board *board = ctx;
    const struct board_pick pick = {
        .owner = board->owner, .project = board->project, .attempt = board->pick};
    struct task task;
    struct err err = tx_board_pick(tx, &pick, &board->work, &task, &board->next_ms);
    if (!err_failed(err) && board->work == BOARD_NOTHING && tx_tree_over_find(tx, &pick, &task)) {
        board->work = BOARD_LEAVE;
        err = tx_error(tx);
    }
    if (err_failed(err) || board->work == BOARD_NOTHING) {
        return err;
    }
    board->attempt = id_copy(task.attempt);
    board->task = id_copy(task.task);
    text_clear(&board->agent);
    text_clear(&board->root);
    text_clear(&board->model);
    text_clear(&board->must_haves);
    text_clear(&board->prints);
    text_add(&board->agent, task.agent.data, task.agent.len);
    text_add(&board->must_haves, task.must_haves.data, task.must_haves.len);
    text_add(&board->prints, task.prints.data, task.prints.len);
    const struct bytes root =
        tx_text(tx, "SELECT root FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task.owner), arg_text(task.project)));
    const struct bytes model =
        tx_text(tx, "SELECT model FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task.owner), arg_text(task.project)));
    struct task_tree tree;
    tx_task_tree(tx, &task, &tree);
    static const enum tree_use uses[] = {[BOARD_ATTEMPT] = TREE_MADE_FOR_ATTEMPT,
                                         [BOARD_REVIEW] = TREE_FOUND_FOR_REVIEW,
                                         [BOARD_LEAVE] = TREE_LEFT};
    const bool used = board->work == BOARD_ATTEMPT ? tree.wanted : tree.worktree.len > 0;
    board->tree.use = used ? uses[board->work] : TREE_NOT_USED;
    board->tree.wants_diff = board->work == BOARD_ATTEMPT && task.rejections > 0;
    text_clear(&board->worktree);
    text_add(&board->worktree, tree.worktree.data, tree.worktree.len);
    text_add(&board->root, root.data, root.len);
    text_add(&board->model, model.data, model.len);
    return tx_error(tx);
}

static void pick_done(void *ctx) {
    struct board *board = ctx;
    struct boards *boards = board->boards;
    const int64_t now_ms = world_wall_ms(loop_world(boards->options.loop));
    if (err_failed(board->ask.err)) {
        board_refused(board, board->ask.err);
        return;
    }
    if (board->work != BOARD_NOTHING) {
        if (has_tree(board)) {
            board_go_to_tree(board);
        } else {
            board_look(board);
        }
        return;
    }
    if (board->next_ms > 0) {
        const int64_t wait_ms = board->next_ms - now_ms;
        timer_start(boards->options.loop, &board->timer,
                    (uint64_t)(wait_ms < WAIT_MIN_MS   ? WAIT_MIN_MS
                               : wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS
                                                       : wait_ms),
                    on_time);
    }
    board_rest(board);
}

static void board_pick(struct board *board) {
    struct boards *boards = board->boards;
    if (boards->room.asker.stopping || dispatch_held(boards->options.dispatch) == RUN_HELD) {
        board->state = BOARD_IDLE; /* A release looks at every board. */
        return;
    }
    timer_stop(boards->options.loop, &board->timer);
    board->again = false;
    board->state = BOARD_PICKING;
    board->pick = world_new_id(loop_world(boards->options.loop), "try");
    ask_write(&board->ask, pick_tx, pick_done);
}

/* --- Notes ------------------------------------------------------------------------------------ */

/* An error of the start belongs to the attempt; others are tried again as usual. */
static enum ask_verdict board_judge(void *ctx, unsigned tries, struct err err) {
    const struct board *board = ctx;
    const bool refusal = board->state == BOARD_STARTING && board->why.text[0] != '\0';
    return refusal ? ASK_ANSWERED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static struct board *board_new(struct boards *boards, struct bytes note) {
    static const struct ask_rules rules = {
        .words = {.effect = "take a task", .again = "a task could not be taken; it is tried again"},
        .judge = board_judge,
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
    text_init(&board->agent, TASK_WORD_MAX);
    text_init(&board->root, 4096);
    text_init(&board->must_haves, TASK_LISTS_MAX);
    text_init(&board->prints, MUST_PRINTS_MAX);
    text_init(&board->program, AGENT_DEFINITION_MAX);
    text_init(&board->model, MODEL_MAX);
    text_init(&board->worktree, TREE_JOB_BYTES);
    board_tree_init(&board->tree, &boards->trees);
    ask_init(&board->ask, &boards->room.asker, &rules, board);
    table_add(&boards->table, &board->node);
    return board;
}

void boards_note(struct boards *boards, struct bytes note) {
    struct table_node *node = table_find(&boards->table, note);
    struct board *board = node == NULL ? NULL : CONTAINER_OF(node, struct board, node);
    if (boards->room.asker.stopping) {
        return;
    }
    board = board == NULL ? board_new(boards, note) : board;
    board->again = true;
    if (board->state == BOARD_IDLE) {
        board_pick(board);
    }
}

void boards_job_note(void *room, const struct run_row *row) {
    struct boards *boards = room;
    tree_room_note(&boards->trees, row);
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
    const struct asker asker = {.loop = options->loop,
                                .store = options->store,
                                .effects = options->effects,
                                .pause_ms = RETRY_MS,
                                .pause_max_ms = RETRY_MAX_MS,
                                .ctx = options->ctx,
                                .failed = options->failed};
    room_init(&boards->room, &asker, options->shortage);
    table_init(&boards->table);
    table_init(&boards->trees.jobs);
    boards->trees.asker = &boards->room.asker;
    boards->trees.pool = &boards->room.pool;
    boards->trees.dispatch = options->dispatch;
    ask_init(&boards->recovery, &boards->room.asker, &rules, boards);
    return boards;
}

void boards_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct boards *boards = room;
    boards->room.asker.stopping = true;
    ask_stop(&boards->recovery);
    for (struct table_node *node = NULL; (node = table_next(&boards->table, node)) != NULL;) {
        struct board *board = CONTAINER_OF(node, struct board, node);
        timer_stop(boards->options.loop, &board->timer);
        ask_stop(&board->ask);
        ask_stop(&board->tree.ask);
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
    table_done(&boards->trees.jobs);
    mem_free(boards);
}
