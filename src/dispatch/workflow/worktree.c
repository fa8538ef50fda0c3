/* worktree.c: an agent's own working tree: made before its turn, inspected after its end.
 *
 *   PLANNED ──a job──> MAKING ──it is whole──> MADE ──its end, unchanged: a job──> GONE
 *                        └─ none ──> GONE        └─ changed: kept, and reported
 *
 * The state is the disk's, and is inspected before each step; what is being done is a job with a
 * key. So a daemon that comes back waits for the job that the one before it began, inspects, and
 * goes on. A tree is half made only where git was killed: that is wiped, and made again.
 *
 * While the pool inspects, the call is CHECKING before its turn, and TREE_REMOVING after it: an
 * agent that is skipped then is skipped when the pool has answered, or has ended already.
 * The jobs are those of base/tree_job.h. */
#include "base/memory.h"
#include "dispatch/base/tree_job.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "tool/git.h"

enum tree_stage { TREE_PLANNED, TREE_MAKING, TREE_MADE, TREE_GONE };
enum {
    LEAVE_MS = 15000, /* Maximum delay of an outcome until it is known whether the tree stays. */
    WIPES_MAX = 2,
    ADDS_MAX = 2, /* Another git may be at the same repository. */
    REMOVES_MAX = 1,
};

struct call_tree {
    char *texts[TREE_TEXTS]; /* Owned, by enum tree_text. */
    enum tree_stage stage;
    bool left; /* The agent has ended, and the tree was inspected after that, or is. */
    bool slow; /* LEAVE_MS have passed. */
    unsigned adds, wipes, removes; /* Times that git, or rm, was asked. */
    struct run_wait job;
    struct call *call;               /* Its own. */
    char log[PROTOCOL_NAME_MAX + 1]; /* Log of the last job that failed; "": none has. */
    struct text fault;
    struct worktree_look look;
};

static void on_job_end(struct run_wait *wait);

static struct call_tree *tree_new(struct call *call, const char *const *texts) {
    struct call_tree *tree = mem_new(sizeof *tree);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        tree->texts[i] = mem_copy(texts[i], strlen(texts[i]));
    }
    text_init(&tree->fault, TREE_FAULT_BYTES);
    tree->call = call;
    tree->job.on_end = on_job_end;
    call->tree = tree;
    return tree;
}

void call__free_tree(struct call *call) {
    struct call_tree *tree = call->tree;
    call->tree = NULL;
    if (tree != NULL) {
        run_wait_cancel(&tree->job);
        for (size_t i = 0; i < TREE_TEXTS; i++) {
            mem_free(tree->texts[i]);
        }
        text_done(&tree->fault);
        mem_free(tree);
    }
}

const char *call__root(const struct call *call) {
    return call->tree == NULL ? call->workflow->root : call->tree->texts[TREE_ROOT];
}

/* --- Found, and written down ------------------------------------------------------------------ */

bool call__wants_tree(const struct call *call) {
    return (call__option(call, "isolation") != NULL || call->type.isolated) &&
           call__has_tools(call);
}

bool call__find_tree(struct call *call) {
    const struct workflow *workflow = call->workflow;
    struct worktree at;
    struct why why = {""};
    const struct worktree_place place = {.root = workflow->root,
                                         .run = call->run.text,
                                         .closed = workflow->workflows->options.data_dir,
                                         .held = workflow->workflows->options.sandbox,
                                         .umask = workflow->workflows->options.umask};
    if (err_failed(worktree_find(&place, &at, &why))) {
        text_clear(&call->misfit);
        text_add_str(&call->misfit, why.text);
        return false;
    }
    if (call->tree == NULL) { /* Otherwise its row has reported it. */
        const char *const texts[TREE_TEXTS] = {
            [TREE_PATH] = at.path, [TREE_ROOT] = at.root, [TREE_BASE] = "",   [TREE_TOP] = at.top,
            [TREE_FROM] = at.from, [TREE_GIT] = at.git,   [TREE_BRANCH] = "", [TREE_ATTEMPT] = ""};
        (void)tree_new(call, texts);
    }
    return true;
}

void call__take_tree(struct call *call, const json_t *worktree) {
    const char *texts[TREE_TEXTS];
    if (!json_is_object(worktree) || call->tree != NULL) {
        return;
    }
    tree_texts_read(worktree, texts);
    struct call_tree *tree = tree_new(call, texts);
    tree->stage = call->turn.text[0] == '\0' ? TREE_MAKING : TREE_MADE; /* May have been begun. */
}

void call__write_tree(const struct call *call, struct text *spec) {
    const struct call_tree *tree = call->tree;
    if (tree == NULL || tree->stage == TREE_GONE) {
        return;
    }
    text_add_str(spec, ",\"worktree\":");
    tree_texts_write(tree->texts, spec);
}

struct bytes call__left_tree(const struct call *call) {
    const struct call_tree *tree = call->tree;
    return tree == NULL || tree->stage != TREE_MADE ? (struct bytes){NULL, 0}
                                                    : bytes_of(tree->texts[TREE_PATH]);
}

static void inspect_run(struct call *call) {
    struct call_tree *tree = call->tree;
    tree->look = worktree_look(tree->texts[TREE_PATH]);
    if (tree->fault.len > 0 && tree->log[0] != '\0') {
        tree_fault_read(call->workflow->workflows->options.spool, tree->log, &tree->fault);
    }
}

/* --- Jobs ------------------------------------------------------------------------------------- */

static void call_inspect_tree(struct call *call);

static struct err job_tx(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    return tx_step_job(tx, &op->new_job, &op->job);
}

static struct err sweep_tx(struct tx *tx, void *ctx) {
    struct workflow_op *op = ctx;
    struct run_row row;
    return tx_run_submit(tx, &op->new_job, &row);
}

static void op_fill_job(struct workflow_op *op, const struct call *call, enum tree_job job) {
    const struct workflow *workflow = call->workflow;
    const struct workflows_options *options = &workflow->workflows->options;
    const struct tree_order order = {.texts = call->tree->texts,
                                     .job = job,
                                     .user = bytes_of(call->run.text),
                                     .sandbox = options->sandbox};
    text_init(&op->bytes, TREE_JOB_BYTES);
    op->new_job = (struct run_new){.run = workflows__new_id(workflow->workflows, "run"),
                                   .owner = bytes_of(workflow->owner),
                                   .parent = BYTES(""),
                                   .kind = KIND_JOB,
                                   .bounds = options->bounds};
    tree_job_fill(&order, &op->bytes, &op->new_job);
}

static bool call_waits_for_job(const struct call *call) {
    bool waits = call->state == CALL_TREE_MAKING || call->state == CALL_TREE_REMOVING;
    return waits && call->workflow->state != WORKFLOW_ENDING; /* Else it has ended otherwise. */
}

static void job_begun(struct workflow_op *op) {
    struct call *call = op->call;
    if (!call_waits_for_job(call)) {
        return;
    }
    if (op->job.run.text[0] == '\0') {
        call_inspect_tree(call);
        return;
    }
    run_wait_start(call->workflow->workflows->options.waits, &call->tree->job,
                   bytes_of(op->job.run.text));
}

static void call_begin_job(struct call *call, enum tree_job job) {
    struct workflow_op *op = call__op(call, job_tx, job_begun);
    op_fill_job(op, call, job);
    workflow__op_send(op);
}

static void on_job_end(struct run_wait *wait) {
    struct call_tree *tree = CONTAINER_OF(wait, struct call_tree, job);
    struct call *call = tree->call;
    if (call->workflow->state != WORKFLOW_FREED && call_waits_for_job(call)) {
        tree_job_ended(wait, tree->log, &tree->fault);
        call_inspect_tree(call);
    }
}

/* --- Made ------------------------------------------------------------------------------------- */

static void call_make_on(struct call *call) {
    struct call_tree *tree = call->tree;
    const enum worktree_state state = tree->look.state;
    /* The tree was whole once, so its agent may have been in it: it is wiped no more. */
    bool used = tree->texts[TREE_BASE][0] != '\0';
    bool wipes = state == WORKTREE_HALF && !used && tree->wipes < WIPES_MAX;
    if (state == WORKTREE_WHOLE) {
        if (!used) {
            mem_free(tree->texts[TREE_BASE]);
            tree->texts[TREE_BASE] = mem_copy(tree->look.head, strlen(tree->look.head));
        }
        tree->stage = TREE_MADE;
        call__start_turn(call);
    } else if (wipes || (state == WORKTREE_NONE && tree->adds < ADDS_MAX)) {
        tree->adds = wipes ? 0 : tree->adds + 1; /* After a wipe the count starts again. */
        tree->wipes += wipes;
        tree->stage = TREE_MAKING;
        call_begin_job(call, wipes ? TREE_WIPE : TREE_ADD);
    } else {
        tree->stage = state == WORKTREE_HALF ? TREE_MADE : TREE_GONE; /* So it is reported. */
        tree->left = true;
        call__fail(call, CAUSE_NO_WORKTREE,
                   tree->fault.len > 0 ? tree->fault.data
                   : state == WORKTREE_STRANGE
                       ? "something else stands where its working tree would be"
                   : used ? "git no longer takes its working tree for whole"
                          : "git made no working tree");
    }
}

void call__make_tree(struct call *call) {
    struct call_tree *tree = call->tree;
    tree->left = tree->slow = false;
    tree->adds = tree->wipes = tree->removes = 0;
    tree->stage = tree->stage == TREE_GONE ? TREE_PLANNED : tree->stage;
    call__enter(call, CALL_TREE_MAKING);
    call->cause = CAUSE_NONE;
    if (call->stop) {
        call__skip(call);
        return;
    }
    call__watch_deadline(call);
    /* A job of an earlier life of the daemon, or of an earlier attempt of the agent, comes
     * first. */
    call_begin_job(call, TREE_NO_JOB);
}

/* --- Left ------------------------------------------------------------------------------------- */

static void call_leave_as(struct call *call, enum tree_stage stage) {
    timer_stop(call->workflow->workflows->options.loop, &call->timer);
    run_wait_cancel(&call->tree->job);
    call->tree->stage = stage;
    if (call->restarted) {
        call__start_again(call);
    } else {
        call__ended(call);
    }
}

static void call_on_slow(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    call->tree->slow = true;
    if (!call__in_pool(call)) {
        call_leave_as(call, TREE_MADE);
    }
}

/* Git looks for changes itself where the commit is the one that the tree began at. */
static void call_leave_on(struct call *call) {
    struct call_tree *tree = call->tree;
    bool same = tree->look.state == WORKTREE_WHOLE && tree->look.head[0] != '\0' &&
                strcmp(tree->look.head, tree->texts[TREE_BASE]) == 0;
    if (tree->look.state == WORKTREE_NONE) {
        call_leave_as(call, TREE_GONE);
    } else if (!same || tree->removes == REMOVES_MAX || tree->slow) {
        call_leave_as(call, TREE_MADE);
    } else {
        tree->removes++;
        call_begin_job(call, TREE_REMOVE);
    }
}

static void call_submit_removal(const struct call *call) {
    if (call->tree->stage == TREE_MAKING || call->tree->stage == TREE_MADE) {
        struct workflow_op *op = workflow__op(call->workflow, sweep_tx, NULL);
        op_fill_job(op, call, TREE_REMOVE);
        workflow__op_send(op);
    }
}

bool call__leave_tree(struct call *call) {
    struct call_tree *tree = call->tree;
    const struct workflow *workflow = call->workflow;
    if (tree == NULL || tree->left || tree->stage == TREE_GONE ||
        workflow->state == WORKFLOW_ENDING) {
        return false;
    }
    tree->left = true;
    run_wait_cancel(&call->turn_wait);
    run_wait_cancel(&tree->job);
    if (tree->stage != TREE_MADE) {
        call_submit_removal(call);
        tree->stage = TREE_GONE;
        return false;
    }
    call__cancel(call);
    call__enter(call, CALL_TREE_REMOVING);
    timer_start(workflow->workflows->options.loop, &call->timer, LEAVE_MS, call_on_slow);
    call_inspect_tree(call);
    return true;
}

void call__sweep_tree(struct call *call) {
    const struct call_tree *tree = call->tree;
    if (tree != NULL && (!tree->left || call->state == CALL_TREE_REMOVING)) {
        call_submit_removal(call);
    }
}

void prior__sweep_tree(struct workflow *workflow, const struct prior *prior) {
    struct call call = {.workflow = workflow, .run = prior->run, .turn = prior->turn};
    call__take_tree(&call, prior->worktree);
    call__sweep_tree(&call);
    call__free_tree(&call);
}

/* --- Inspected -------------------------------------------------------------------------------- */

static void inspect_done(struct call *call) {
    if (call->state == CALL_TREE_REMOVING) {
        call_leave_on(call);
        return;
    }
    call__enter(call, CALL_TREE_MAKING);
    if (call->cause != CAUSE_NONE) { /* Skipped, or its deadline has expired. */
        call__ended(call);
        return;
    }
    if (call->restarted) {
        call->restarted = false;
        call__watch_deadline(call);
    }
    call_make_on(call);
}

static void call_inspect_tree(struct call *call) {
    if (call->state != CALL_TREE_REMOVING) {
        call__enter(call, CALL_CHECKING);
    }
    call__pool(call, inspect_run, inspect_done);
}
