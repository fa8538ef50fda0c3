/* board_tree.c: see board_tree.h. */
#include "dispatch/board/board_tree.h"

#include "base/json/json.h"
#include "base/memory.h"
#include "engine/job/spec.h"

enum { BRANCH_ID = 6 /* Last characters of the task's id, which no other task has. */ };

static struct board_tree *tree_of(struct work_tree *git) {
    return CONTAINER_OF(git, struct board_tree, git);
}

static bool has_sandbox(const struct board_tree *tree) {
    return dispatch_options(tree->room->dispatch)->sandbox_lack == NULL;
}

static void worktree_write(struct board_tree *tree) {
    text_clear(&tree->worktree);
    tree_texts_write(tree->git.texts, &tree->worktree);
}

static void on_tree_done(struct work_tree *git) {
    struct board_tree *tree = tree_of(git);
    if (git->use == TREE_MAKE && git->end == TREE_READY) {
        AUTO(mem_release) char *attempt = mem_copy(tree->attempt.data, tree->attempt.len);
        work_tree_set_text(git, TREE_ATTEMPT, attempt);
    }
    worktree_write(tree);
    tree->done(tree);
}

/* --- A job ------------------------------------------------------------------------------------ */

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct board_tree *tree = ctx;
    const struct tree_begin begin = {.task = tree->task,
                                     .attempt =
                                         tree->git.use == TREE_LEAVE ? BYTES("") : tree->attempt,
                                     .worktree = text_bytes(&tree->worktree),
                                     .job = &tree->job_new};
    return tx_tree_begin(tx, &begin, &tree->begun);
}

static void tree_move(struct board_tree *tree) {
    work_tree_stop(&tree->git);
    tree->moved = true;
    tree->done(tree);
}

static void on_begun(void *ctx) {
    struct board_tree *tree = ctx;
    if (err_failed(tree->ask.err)) {
        tree_move(tree);
    } else {
        work_tree_begun(&tree->git, &tree->begun);
    }
}

static void job_begin(struct work_tree *git) {
    struct board_tree *tree = tree_of(git);
    const struct tree_order order = {
        .texts = git->texts, .job = git->job, .user = tree->task, .sandbox = has_sandbox(tree)};
    const struct id run = world_new_id(loop_world(tree->room->asker->loop), "run");
    worktree_write(tree);
    text_clear(&tree->job_bytes);
    tree->job_new = job_run_new(&run, BYTES(""));
    tree->job_new.owner = tree->owner;
    tree->job_new.parent = BYTES("");
    tree->job_new.bounds = dispatch_bounds(tree->room->dispatch);
    tree_job_fill(&order, &tree->job_bytes, &tree->job_new);
    ask_write(&tree->ask, begin_tx, on_begun);
}

/* --- The disk --------------------------------------------------------------------------------- */

/* A part of the id, so no task of another project, and no person, has a branch of that name. */
static void branch_set(struct board_tree *tree) {
    AUTO(text_done) struct text branch = text_up_to(TASK_NUMBER_SIZE + BRANCH_ID + 16);
    const size_t skip = tree->task.len > BRANCH_ID ? tree->task.len - BRANCH_ID : 0;
    text_addf(&branch, "drover/%.*s-%.*s", (int)tree->name.len, tree->name.data, BRANCH_ID,
              tree->task.data + skip);
    work_tree_set_text(&tree->git, TREE_BRANCH, branch.data);
}

static void place_find(struct board_tree *tree) {
    const struct dispatch_options *options = dispatch_options(tree->room->dispatch);
    AUTO(mem_release) char *root = mem_copy(tree->project_root.data, tree->project_root.len);
    AUTO(mem_release) char *name = mem_copy(tree->task.data, tree->task.len);
    struct worktree at;
    const struct worktree_place place = {.root = root,
                                         .run = name,
                                         .closed = options->data_dir,
                                         .held = has_sandbox(tree),
                                         .umask = options->umask};
    if (tree->project_root.len == 0) {
        why_set(&tree->git.why, "the project has no folder");
    } else if (!err_failed(worktree_find(&place, &at, &tree->git.why))) {
        work_tree_set_place(&tree->git, &at);
        branch_set(tree);
    }
}

static void look_run(struct pool_job *work) {
    struct board_tree *tree = CONTAINER_OF(work, struct board_tree, work);
    tree->looked = true;
    if (tree->git.texts[TREE_PATH][0] == '\0') {
        place_find(tree);
    }
    work_tree_look(&tree->git, dispatch_options(tree->room->dispatch)->spool);
}

static void on_looked(struct pool_job *work) {
    struct board_tree *tree = CONTAINER_OF(work, struct board_tree, work);
    if (tree->room->asker->stopping) {
        tree_move(tree);
    } else if (tree->looked) {
        work_tree_looked(&tree->git);
    } else {
        pool_begin(tree->room->pool, &tree->work, POOL_QUICK, look_run, on_looked);
    }
}

static void look_begin(struct work_tree *git) {
    struct board_tree *tree = tree_of(git);
    tree->looked = false;
    pool_begin(tree->room->pool, &tree->work, POOL_QUICK, look_run, on_looked);
}

/* --- Life ------------------------------------------------------------------------------------- */

/* A task that was moved meanwhile is no failure. */
static enum ask_verdict tree_judge(void *ctx, unsigned tries, struct err err) {
    (void)ctx; /* All trees have the same rules. */
    return err.code == ERR_CONFLICT ? ASK_ANSWERED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static void tree_refused(void *ctx, struct err err) {
    struct board_tree *tree = ctx;
    why_set(&tree->git.why, "its job could not be begun (%s)", err_name(err.code));
    work_tree_refuse(&tree->git);
}

void board_tree_init(struct board_tree *tree, struct tree_room *room) {
    static const struct work_tree_owner owner = {
        .look = look_begin, .begin = job_begin, .done = on_tree_done};
    static const struct ask_rules rules = {
        .words = {.effect = "make the working tree of a task",
                  .again = "a working tree could not be made; it is tried again"},
        .judge = tree_judge,
        .refused = tree_refused};
    tree->room = room;
    work_tree_init(&tree->git, &owner, room->waits);
    text_init(&tree->worktree, TREE_JOB_BYTES);
    text_init(&tree->job_bytes, TREE_JOB_BYTES);
    ask_init(&tree->ask, room->asker, &rules, tree);
}

void board_tree_free(struct board_tree *tree) {
    work_tree_done(&tree->git);
    ask_drop(&tree->ask);
    text_done(&tree->worktree);
    text_done(&tree->job_bytes);
}

void board_tree_begin(struct board_tree *tree, struct bytes worktree) {
    AUTO(json_release) json_t *json = NULL;
    const char *texts[TREE_TEXTS];
    if (err_failed(json_parse_wrapped(worktree, &json, NULL))) {
        json_release(&json); /* There is none yet. */
    }
    tree_texts_read(json, texts);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        work_tree_set_text(&tree->git, (enum tree_text)i, texts[i]);
    }
    tree->moved = false;
    if (tree->git.use == TREE_FIND || worktree.len == 0) {
        work_tree_begin(&tree->git, tree->git.use);
    } else {
        work_tree_search(&tree->git, tree->git.use); /* A job of an earlier daemon comes first. */
    }
}
