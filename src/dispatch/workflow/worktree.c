/* worktree.c: an agent's own working tree: made before its turn, inspected after its end.
 *
 *   PLANNED ──a job──> MAKING ──it is whole──> MADE ──its end, unchanged──> GONE
 *                        └─ none ──> GONE        └─ changed: kept, and reported
 *
 * dispatch/base/work_tree.h makes and removes it, on a branch of its own. While the pool
 * inspects, the call is CHECKING before its turn, and TREE_REMOVING after it: an agent that is
 * skipped then is skipped when the pool has answered, or has ended already. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "engine/tree/trees.h"

enum {
    LEAVE_MS = 15000
}; /* Maximum delay of an outcome until it is known whether the tree stays. */

static void tree_on_look(struct work_tree *git);
static void tree_on_begin(struct work_tree *git);
static void tree_on_done(struct work_tree *git);

static struct call_tree *tree_new(struct call *call) {
    static const struct work_tree_owner owner = {
        .look = tree_on_look, .begin = tree_on_begin, .done = tree_on_done};
    struct call_tree *tree = mem_new(sizeof *tree);
    work_tree_init(&tree->git, &owner, call->workflow->workflows->options.waits);
    tree->call = call;
    call->tree = tree;
    return tree;
}

/* --- Found, and written down ------------------------------------------------------------------ */

bool call__find_tree(struct call *call) {
    const struct workflows_options *options = &call->workflow->workflows->options;
    const struct worktree_place place = {.root = call->workflow->root,
                                         .run = call->run.text,
                                         .closed = options->data_dir,
                                         .held = options->sandbox,
                                         .umask = options->umask};
    struct worktree at;
    struct why why = {""};
    if (err_failed(worktree_find(&place, &at, &why))) {
        text_clear(&call->misfit);
        text_add_str(&call->misfit, why.text);
        return false;
    }
    if (call->tree == NULL) { /* Otherwise its row has reported it. */
        char branch[TREE_BRANCH_SIZE];
        struct work_tree *git = &tree_new(call)->git;
        work_tree_set_place(git, &at);
        tree_branch_make(call__name(call->message, "label"), bytes_of(call->run.text), branch);
        work_tree_set_text(git, TREE_BRANCH, branch);
    }
    return true;
}

void call__take_tree(struct call *call, const json_t *worktree) {
    const char *texts[TREE_TEXTS];
    if (!json_is_object(worktree) || call->tree != NULL) {
        return;
    }
    struct call_tree *tree = tree_new(call);
    tree_texts_read(worktree, texts);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        work_tree_set_text(&tree->git, (enum tree_text)i, texts[i]);
    }
    tree->stage = call->turn.text[0] == '\0' ? TREE_MAKING : TREE_MADE; /* May have been begun. */
}

/* --- Jobs ------------------------------------------------------------------------------------- */

struct tree_op {
    struct workflow_op op;
    struct run_new new_job;
    struct step_job job;
    struct id holder;
    enum tree_state state; /* The row is to be in that state; `op.more` has the tree as JSON. */
    struct why why;
    struct bytes owner, project; /* Borrowed from the workflow. */
    bool tells; /* The row was made, or says more than the step did: what is below. */
    char base[WORKTREE_BASE], stage[16];
    char setup_run[ID_SIZE], ports[TREE_PORTS_SIZE];
    char setup[TREE_COMMAND_MAX + 1], teardown[TREE_COMMAND_MAX + 1];
};

static void text_copy(char *into, size_t size, struct bytes text) {
    (void)snprintf(into, size, "%.*s", (int)text.len, text.len > 0 ? text.data : "");
}

/* The row that lists show of the tree (engine/tree/trees.h). */
static struct err tree_register(struct tx *tx, struct tree_op *own) {
    AUTO(json_release) json_t *worktree = NULL;
    const char *texts[TREE_TEXTS];
    const struct tree_wishes wishes = tx_tree_wishes(tx, own->owner, own->project);
    struct tree_new what = {.owner = own->owner,
                            .host = own->new_job.bounds.host,
                            .kind = TREE_OF_AGENT,
                            .holder = bytes_of(own->holder.text),
                            .project = own->project,
                            .ports = wishes.ports,
                            .trees_max = WORKTREES_MAX};
    struct bytes ports = BYTES("");
    struct tree_row row;
    struct why why = {""};
    TRY(json_parse_wrapped(text_bytes(&own->op.more), &worktree, NULL));
    tree_texts_read(worktree, texts);
    tree_texts_borrow((char *const *)texts, what.texts);
    own->tells = !tx_tree_of(tx, what.holder, &row);
    if (own->tells) {
        what.texts[TREE_SETUP] = wishes.setup;
        what.texts[TREE_TEARDOWN] = wishes.teardown;
    }
    TRY(tx_tree_put(tx, &what, &ports, &why));
    text_copy(own->ports, sizeof own->ports, ports);
    text_copy(own->setup, sizeof own->setup, wishes.setup);
    text_copy(own->teardown, sizeof own->teardown, wishes.teardown);
    return own->state != TREE_ROW_PLANNED && tx_tree_of(tx, what.holder, &row)
               ? tx_tree_enter(tx, &row, own->state, bytes_of(own->why.text))
               : tx_error(tx);
}

/* After a crash, the step may know less of its tree than the row, which each job has written. */
static void tree_recall(struct tx *tx, struct tree_op *own) {
    struct tree_row row;
    own->tells = tx_tree_of(tx, bytes_of(own->holder.text), &row);
    if (own->tells) {
        text_copy(own->base, sizeof own->base, row.texts[TREE_BASE]);
        text_copy(own->stage, sizeof own->stage, row.texts[TREE_STAGE]);
        text_copy(own->ports, sizeof own->ports, row.texts[TREE_PORTS]);
        text_copy(own->setup, sizeof own->setup, row.texts[TREE_SETUP]);
        text_copy(own->setup_run, sizeof own->setup_run, row.texts[TREE_SETUP_RUN]);
        text_copy(own->teardown, sizeof own->teardown, row.texts[TREE_TEARDOWN]);
    }
}

static struct err job_tx(struct tx *tx, void *ctx) {
    struct tree_op *own = ctx;
    if (own->new_job.spec.len > 0) {
        TRY(tree_register(tx, own));
    } else {
        tree_recall(tx, own);
    }
    return tx_step_job(tx, &own->new_job, &own->job);
}

static struct err state_tx(struct tx *tx, void *ctx) {
    return tree_register(tx, ctx);
}

/* The agent has ended: its tree is gone, or stays. */
static struct err left_tx(struct tx *tx, void *ctx) {
    const struct tree_op *own = ctx;
    struct tree_row row;
    if (!tx_tree_of(tx, bytes_of(own->holder.text), &row)) {
        return tx_error(tx);
    }
    row.kept = true;
    return own->state == TREE_ROW_GONE ? tx_tree_drop(tx, &row) : tx_tree_write(tx, &row);
}

static struct err sweep_tx(struct tx *tx, void *ctx) {
    struct tree_op *own = ctx;
    struct run_row row;
    return tx_run_submit(tx, &own->new_job, &row);
}

/* The last job: nothing is left of the tree, unless git has found work in it. */
static struct err sweep_end_tx(struct tx *tx, void *ctx) {
    TRY(sweep_tx(tx, ctx));
    return left_tx(tx, ctx);
}

static void op_fill_job(struct tree_op *own, const struct call *call, enum tree_job job) {
    const struct workflow *workflow = call->workflow;
    const struct workflows_options *options = &workflow->workflows->options;
    const struct tree_order order = {.texts = call->tree->git.texts,
                                     .job = job,
                                     .user = bytes_of(call->run.text),
                                     .sandbox = options->sandbox};
    text_init(&own->op.bytes, TREE_JOB_BYTES);
    own->new_job = (struct run_new){.run = workflows__new_id(workflow->workflows, "run"),
                                    .owner = bytes_of(workflow->owner),
                                    .parent = BYTES(""),
                                    .kind = KIND_JOB,
                                    .bounds = options->bounds};
    work_tree_name_job(&call->tree->git, &own->new_job.run);
    own->holder = call->run;
    own->owner = bytes_of(workflow->owner);
    own->project = workflow__project(workflow);
    text_init(&own->op.more, TREE_JOB_BYTES);
    tree_texts_write(call->tree->git.texts, &own->op.more);
    tree_job_fill(&order, &own->op.bytes, &own->new_job);
}

static bool call_waits_for_job(const struct call *call) {
    const enum workflow_state state = call->workflow->state;
    return (call->state == CALL_TREE_MAKING || call->state == CALL_TREE_REMOVING) &&
           state != WORKFLOW_ENDING && state != WORKFLOW_FREED; /* Else it has ended otherwise. */
}

static void text_recall(struct work_tree *git, enum tree_text which, const char *text) {
    if (git->texts[which][0] == '\0') {
        work_tree_set_text(git, which, text);
    }
}

static void job_begun(struct workflow_op *op) {
    const struct tree_op *own = CONTAINER_OF(op, struct tree_op, op);
    struct work_tree *git = &op->call->tree->git;
    if (!call_waits_for_job(op->call)) {
        return;
    }
    if (own->tells) {
        text_recall(git, TREE_BASE, own->base);
        text_recall(git, TREE_STAGE, own->stage);
        text_recall(git, TREE_PORTS, own->ports);
        text_recall(git, TREE_SETUP, own->setup);
        text_recall(git, TREE_SETUP_RUN, own->setup_run);
        text_recall(git, TREE_TEARDOWN, own->teardown);
    }
    work_tree_begun(git, &own->job);
}

/* The row, and then the turn, or the end. */
static void call_tell_tree(struct call *call, enum tree_state state,
                           void (*done)(struct workflow_op *op)) {
    struct tree_op *own = call__op(call, sizeof *own, state_tx, done);
    op_fill_job(own, call, TREE_NO_JOB);
    own->state = state;
    own->why = call->tree->git.why;
    workflow__op_send(&own->op);
}

static void on_told_ready(struct workflow_op *op) {
    if (call_waits_for_job(op->call)) {
        call__start_turn(op->call);
    }
}

static void on_told_failed(struct workflow_op *op) {
    if (call_waits_for_job(op->call)) {
        call__fail(op->call, CAUSE_NO_WORKTREE, op->call->tree->git.why.text);
    }
}

static void tree_on_begin(struct work_tree *git) {
    struct call_tree *tree = CONTAINER_OF(git, struct call_tree, git);
    struct tree_op *own = call__op(tree->call, sizeof *own, job_tx, job_begun);
    if (git->use == TREE_MAKE && git->job != TREE_NO_JOB) {
        tree->stage = TREE_MAKING;
    }
    op_fill_job(own, tree->call, git->job);
    workflow__op_send(&own->op);
}

/* --- Inspected -------------------------------------------------------------------------------- */

static void call_leave_as(struct call *call, enum tree_stage stage);

static void inspect_run(struct call *call) {
    work_tree_look(&call->tree->git, call->workflow->workflows->options.spool);
}

static void inspect_done(struct call *call) {
    struct call_tree *tree = call->tree;
    if (call->state == CALL_TREE_REMOVING && tree->slow) {
        call_leave_as(call, tree->git.look.state == WORKTREE_NONE ? TREE_GONE : TREE_MADE);
        return;
    }
    if (call->state != CALL_TREE_REMOVING) {
        call__enter(call, CALL_TREE_MAKING);
        const bool restarted = call->restarted;
        call->restarted = false;
        if (call->cause != CAUSE_NONE) { /* Skipped, or its deadline has expired. */
            call__tick(call);
            return;
        }
        if (restarted) {
            call__watch_deadline(call);
        }
    }
    work_tree_looked(&tree->git);
}

static void tree_on_look(struct work_tree *git) {
    struct call *call = CONTAINER_OF(git, struct call_tree, git)->call;
    if (call_waits_for_job(call)) {
        if (call->state != CALL_TREE_REMOVING) {
            call__enter(call, CALL_CHECKING);
        }
        call__pool(call, inspect_run, inspect_done);
    }
}

static void tree_on_done(struct work_tree *git) {
    struct call_tree *tree = CONTAINER_OF(git, struct call_tree, git);
    if (git->use == TREE_LEAVE) {
        call_leave_as(tree->call, git->end == TREE_ABSENT ? TREE_GONE : TREE_MADE);
    } else if (git->end == TREE_READY) {
        tree->stage = TREE_MADE;
        work_tree_set_text(git, TREE_ATTEMPT, tree->call->run.text);
        call_tell_tree(tree->call, TREE_ROW_READY, on_told_ready);
    } else {
        const bool is_there = git->look.state == WORKTREE_HALF || git->look.state == WORKTREE_WHOLE;
        tree->stage = is_there ? TREE_MADE : TREE_GONE; /* Reported. */
        tree->left = true;
        call_tell_tree(tree->call, TREE_ROW_FAILED, on_told_failed);
    }
}

/* --- Made ------------------------------------------------------------------------------------- */

void call__make_tree(struct call *call) {
    struct call_tree *tree = call->tree;
    tree->left = tree->slow = false;
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
    work_tree_search(&tree->git, TREE_MAKE);
}

/* --- Left ------------------------------------------------------------------------------------- */

static void call_leave_as(struct call *call, enum tree_stage stage) {
    struct tree_op *own = workflow__op(call->workflow, sizeof *own, left_tx, NULL);
    own->holder = call->run;
    own->state = stage == TREE_GONE ? TREE_ROW_GONE : TREE_ROW_READY;
    workflow__op_send(&own->op);
    timer_stop(call->workflow->workflows->options.loop, &call->timer);
    work_tree_stop(&call->tree->git);
    call->tree->stage = stage;
    call__tick(call);
}

static void call_on_slow(struct timer *timer) {
    struct call *call = CONTAINER_OF(timer, struct call, timer);
    call->tree->slow = true;
    if (!call__in_pool(call)) {
        call_leave_as(call, TREE_MADE);
    }
}

static void call_submit_removal(const struct call *call) {
    if (call->tree->stage == TREE_MAKING || call->tree->stage == TREE_MADE) {
        struct tree_op *own = workflow__op(call->workflow, sizeof *own, sweep_tx, NULL);
        op_fill_job(own, call, TREE_REMOVE);
        workflow__op_send(&own->op);
        own =
            workflow__op(call->workflow, sizeof *own, sweep_end_tx, NULL); /* Both have one key. */
        op_fill_job(own, call, TREE_FORGET);
        own->state = TREE_ROW_READY; /* A look finds out, later, that there is none. */
        workflow__op_send(&own->op);
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
    work_tree_stop(&tree->git);
    if (tree->stage != TREE_MADE) {
        call_submit_removal(call);
        tree->stage = TREE_GONE;
        return false;
    }
    call__cancel(call);
    call__enter(call, CALL_TREE_REMOVING);
    timer_start(workflow->workflows->options.loop, &call->timer, LEAVE_MS, call_on_slow);
    work_tree_begin(&tree->git, TREE_LEAVE);
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
