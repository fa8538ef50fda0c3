/* board_tree.c: see board_tree.h. */
#include "dispatch/board/board_tree.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "engine/job/spec.h"
#include "rules/board/prompt.h"

enum {
    WIPES_MAX = 2,
    HEADS_MAX = 4,
    ADDS_MAX = 2,
    DIFFS_MAX = 3,
    FORGETS_MAX = 3,
    DIFF_READ_MAX = BOARD_DIFF_MAX + 4096,
    BRANCH_ID = 6, /* Last characters of the task's id, which no other task has. */
};

static void tree_look(struct board_tree *tree);

static void texts_clear(struct board_tree *tree) {
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        mem_free(tree->texts[i]);
        tree->texts[i] = NULL;
    }
}

static void text_copy(struct board_tree *tree, enum tree_text which, struct bytes words) {
    char *copy = mem_copy(words.data, words.len);
    mem_free(tree->texts[which]);
    tree->texts[which] = copy;
}

static void text_set(struct board_tree *tree, enum tree_text which, const char *words) {
    text_copy(tree, which, bytes_of(words));
}

static bool is_used(const struct board_tree *tree) {
    return tree->texts[TREE_ATTEMPT][0] != '\0';
}

static void tree_end(struct board_tree *tree, enum tree_end end) {
    if (end == TREE_READY && tree->use == TREE_MADE_FOR_ATTEMPT) {
        text_copy(tree, TREE_ATTEMPT, tree->attempt);
    }
    text_clear(&tree->worktree);
    tree_texts_write(tree->texts, &tree->worktree);
    tree->end = end;
    tree->done(tree);
}

static bool has_sandbox(const struct board_tree *tree) {
    return dispatch_options(tree->room->dispatch)->sandbox_lack == NULL;
}

/* --- A job ------------------------------------------------------------------------------------ */

static void on_job_end(struct run_wait *wait) {
    struct board_tree *tree = CONTAINER_OF(wait, struct board_tree, wait);
    tree_job_ended(wait, tree->log, &tree->fault);
    tree_look(tree);
}

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct board_tree *tree = ctx;
    const struct tree_begin begin = {.task = tree->task,
                                     .attempt = tree->use == TREE_LEFT ? BYTES("") : tree->attempt,
                                     .worktree = text_bytes(&tree->worktree),
                                     .job = &tree->job_new};
    return tx_tree_begin(tx, &begin, &tree->begun);
}

static void begin_done(void *ctx) {
    struct board_tree *tree = ctx;
    if (err_failed(tree->ask.err)) {
        tree_end(tree, TREE_MOVED);
        return;
    }
    if (tree->begun.run.text[0] == '\0') { /* None is under way. */
        tree_look(tree);
        return;
    }
    tree->wait.on_end = on_job_end;
    run_wait_start(tree->room->waits, &tree->wait, bytes_of(tree->begun.run.text));
}

static void job_begin(struct board_tree *tree, enum tree_job job) {
    struct dispatch *dispatch = tree->room->dispatch;
    const struct tree_order order = {
        .texts = tree->texts, .job = job, .user = tree->task, .sandbox = has_sandbox(tree)};
    tree->job = job;
    text_clear(&tree->worktree);
    tree_texts_write(tree->texts, &tree->worktree);
    text_clear(&tree->job_bytes);
    const struct id run = world_new_id(loop_world(tree->room->asker->loop), "run");
    tree->job_new = job_run_new(&run, BYTES(""));
    tree->job_new.owner = tree->owner;
    tree->job_new.parent = BYTES("");
    tree->job_new.bounds = dispatch_bounds(dispatch);
    tree_job_fill(&order, &tree->job_bytes, &tree->job_new);
    ask_write(&tree->ask, begin_tx, begin_done);
}

/* --- The disk --------------------------------------------------------------------------------- */

/* A part of the id, so no task of another project, and no person, has a branch of that name. */
static void branch_set(struct board_tree *tree) {
    AUTO(text_done) struct text branch = text_up_to(TASK_NUMBER_SIZE + BRANCH_ID + 16);
    const size_t skip = tree->task.len > BRANCH_ID ? tree->task.len - BRANCH_ID : 0;
    text_addf(&branch, "drover/%.*s-%.*s", (int)tree->name.len, tree->name.data, BRANCH_ID,
              tree->task.data + skip);
    text_copy(tree, TREE_BRANCH, text_bytes(&branch));
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
        why_set(&tree->why, "the project has no folder");
    } else if (!err_failed(worktree_find(&place, &at, &tree->why))) {
        text_set(tree, TREE_PATH, at.path);
        text_set(tree, TREE_ROOT, at.root);
        text_set(tree, TREE_TOP, at.top);
        text_set(tree, TREE_FROM, at.from);
        text_set(tree, TREE_GIT, at.git);
        branch_set(tree);
    }
}

/* A file of an agent may hold any bytes, and a prompt is UTF-8. */
static void diff_add(struct text *diff, struct bytes printed) {
    while (printed.len > 0) {
        const size_t valid = utf8_valid_len(printed.data, printed.len);
        text_add(diff, printed.data, valid);
        text_add_str(diff, valid < printed.len ? "?" : "");
        const size_t taken = valid < printed.len ? valid + 1 : valid;
        printed = (struct bytes){printed.data + taken, printed.len - taken};
    }
}

static void head_take(struct board_tree *tree, struct bytes printed) {
    static const char digits[] = "0123456789abcdef";
    const struct bytes head = bytes_trim(printed, "\r\n");
    bool is_commit = head.len == 40 || head.len == 64;
    for (size_t i = 0; i < head.len && is_commit; i++) {
        is_commit = memchr(digits, head.data[i], sizeof digits - 1) != NULL;
    }
    if (is_commit) {
        memcpy(tree->head, head.data, head.len);
        tree->head[head.len] = '\0';
    }
}

static void printed_read(struct board_tree *tree) {
    const struct log_place place = {.name = tree->log, .stream = LOG_OUT};
    AUTO(mem_release) char *output = mem_new(DIFF_READ_MAX);
    struct log_read read = {.len = 0};
    text_clear(&tree->diff);
    if (err_failed(spool_log_read(dispatch_options(tree->room->dispatch)->spool, &place, output,
                                  DIFF_READ_MAX, &read))) {
        return;
    }
    if (tree->job == TREE_HEAD) {
        head_take(tree, (struct bytes){output, read.len});
    } else {
        diff_add(&tree->diff, (struct bytes){output, read.len});
    }
}

static void tree_look_run(struct pool_job *work) {
    struct board_tree *tree = CONTAINER_OF(work, struct board_tree, work);
    const bool failed = tree->log[0] != '\0' && tree->wait.status.state != RUN_SUCCEEDED;
    tree->looked = true;
    tree->head[0] = '\0';
    if (tree->texts[TREE_PATH][0] == '\0') {
        place_find(tree);
    }
    if (tree->why.text[0] != '\0') {
        return;
    }
    tree->look = worktree_look(tree->texts[TREE_PATH]);
    if (failed) {
        tree_fault_read(dispatch_options(tree->room->dispatch)->spool, tree->log, &tree->fault);
    } else if (tree->log[0] != '\0' && !tree->begun.found &&
               (tree->job == TREE_DIFF || tree->job == TREE_HEAD)) {
        printed_read(tree);
    }
}

/* The tree is whole: its changes are still to be read, or all is there. */
static void whole_on(struct board_tree *tree) {
    if (is_used(tree) && tree->wants_diff && tree->diff.len == 0 && tree->diffs < DIFFS_MAX &&
        (tree->job != TREE_DIFF || tree->begun.found)) {
        tree->diffs++;
        job_begin(tree, TREE_DIFF);
    } else {
        tree_end(tree, TREE_READY);
    }
}

/* Git looks for changes itself, in the tree and on its branch. */
static void left_on(struct board_tree *tree) {
    const enum worktree_state state = tree->look.state;
    const bool half = state == WORKTREE_HALF && !is_used(tree);
    const bool own = !tree->begun.found && tree->job == TREE_FORGET;
    const bool forgotten =
        tree->texts[TREE_BASE][0] == '\0' || (own && tree->wait.status.state == RUN_SUCCEEDED);
    if ((state == WORKTREE_WHOLE || half) && tree->removes == 0) {
        tree->removes++;
        job_begin(tree, half ? TREE_WIPE : TREE_REMOVE);
    } else if (state == WORKTREE_NONE && !forgotten && !own && tree->forgets < FORGETS_MAX) {
        tree->forgets++;
        job_begin(tree, TREE_FORGET);
    } else {
        tree_end(tree, state == WORKTREE_NONE && forgotten ? TREE_ABSENT : TREE_READY);
    }
}

static void refuse(struct board_tree *tree) {
    const enum worktree_state state = tree->look.state;
    why_set(&tree->why, "%s",
            tree->fault.len > 0         ? tree->fault.data
            : state == WORKTREE_STRANGE ? "something else stands where its working tree would be"
            : is_used(tree) && state == WORKTREE_HALF
                ? "git no longer takes its working tree for whole"
                : "git made no working tree");
    tree_end(tree, TREE_REFUSED);
}

/* Nothing is there: git names the commit, then makes the tree. */
static void none_on(struct board_tree *tree) {
    const bool own = !tree->begun.found && tree->job == TREE_HEAD;
    if (own && tree->head[0] != '\0' && tree->adds < ADDS_MAX) {
        text_set(tree, TREE_BASE, tree->head);
        tree->adds++;
        job_begin(tree, TREE_ADD);
    } else if (!own && tree->adds < ADDS_MAX && tree->heads < HEADS_MAX) {
        tree->heads++;
        job_begin(tree, TREE_HEAD);
    } else {
        refuse(tree);
    }
}

static void look_on(struct board_tree *tree) {
    const enum worktree_state state = tree->look.state;
    if (tree->why.text[0] != '\0') { /* There is no place for it. */
        tree_end(tree, TREE_REFUSED);
    } else if (tree->use == TREE_LEFT) {
        left_on(tree);
    } else if (state == WORKTREE_WHOLE) {
        whole_on(tree);
    } else if (tree->use == TREE_FOUND_FOR_REVIEW) {
        why_set(&tree->why, "its working tree %.200s is not there any more",
                tree->texts[TREE_PATH]);
        tree_end(tree, TREE_REFUSED);
    } else if (state == WORKTREE_HALF && !is_used(tree) && tree->wipes < WIPES_MAX) {
        tree->wipes++; /* With work in it, none is wiped. */
        tree->adds = 0;
        job_begin(tree, TREE_WIPE);
    } else if (state == WORKTREE_NONE) {
        none_on(tree);
    } else {
        refuse(tree);
    }
}

static void tree_looked(struct pool_job *work) {
    struct board_tree *tree = CONTAINER_OF(work, struct board_tree, work);
    if (tree->room->asker->stopping) {
        tree_end(tree, TREE_MOVED);
    } else if (tree->looked) {
        look_on(tree);
    } else {
        tree_look(tree);
    }
}

static void tree_look(struct board_tree *tree) {
    tree->looked = false;
    pool_begin(tree->room->pool, &tree->work, POOL_QUICK, tree_look_run, tree_looked);
}

/* --- Life ------------------------------------------------------------------------------------- */

/* A task that was moved meanwhile is no failure. */
static enum ask_verdict tree_judge(void *ctx, unsigned tries, struct err err) {
    (void)ctx; /* All trees have the same rules. */
    return err.code == ERR_CONFLICT ? ASK_ANSWERED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

static void tree_refused(void *ctx, struct err err) {
    struct board_tree *tree = ctx;
    why_set(&tree->why, "its job could not be begun (%s)", err_name(err.code));
    tree_end(tree, TREE_REFUSED);
}

void board_tree_init(struct board_tree *tree, struct tree_room *room) {
    static const struct ask_rules rules = {
        .words = {.effect = "make the working tree of a task",
                  .again = "a working tree could not be made; it is tried again"},
        .judge = tree_judge,
        .refused = tree_refused};
    tree->room = room;
    text_init(&tree->worktree, TREE_JOB_BYTES);
    text_init(&tree->diff, DIFF_READ_MAX);
    text_init(&tree->job_bytes, TREE_JOB_BYTES);
    text_init(&tree->fault, TREE_FAULT_BYTES);
    ask_init(&tree->ask, room->asker, &rules, tree);
}

void board_tree_free(struct board_tree *tree) {
    run_wait_cancel(&tree->wait);
    ask_drop(&tree->ask);
    texts_clear(tree);
    text_done(&tree->worktree);
    text_done(&tree->diff);
    text_done(&tree->job_bytes);
    text_done(&tree->fault);
}

void board_tree_begin(struct board_tree *tree, struct bytes worktree) {
    AUTO(json_release) json_t *json = NULL;
    const char *texts[TREE_TEXTS];
    if (err_failed(json_parse_wrapped(worktree, &json, NULL))) {
        json_release(&json); /* There is none yet. */
    }
    tree_texts_read(json, texts);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        text_set(tree, (enum tree_text)i, texts[i]);
    }
    text_clear(&tree->diff);
    text_clear(&tree->fault);
    tree->why.text[0] = tree->log[0] = tree->head[0] = '\0';
    tree->heads = tree->adds = tree->wipes = tree->diffs = tree->removes = tree->forgets = 0;
    tree->job = TREE_NO_JOB;
    tree->begun = (struct step_job){.found = false};
    if (tree->use == TREE_FOUND_FOR_REVIEW || worktree.len == 0) {
        tree_look(tree);
    } else {
        job_begin(tree, TREE_NO_JOB); /* A job of an earlier daemon comes first. */
    }
}
