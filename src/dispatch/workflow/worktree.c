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
 *
 * A job's words and paths are arguments, never shell text. No hook of the repository is run and no
 * daemon of git's is left running; but a repository names programs that git runs where it writes
 * files (filters), and an agent may have written that. So git is kept where commands of agents are:
 * in the sandbox, where it writes in the repository and nowhere else. */
#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/agent.h"
#include "dispatch/workflow/history.h"
#include "proc/spool/spool.h"
#include "tool/git.h"

/* Texts that the row has: where the tree is, the root of the agent in it, the commit it began at
 * ("": not yet known), the top of the repository, where git is run, and what git keeps of the tree
 * ("": as what stands in the trees says). */
enum tree_text { TREE_PATH, TREE_ROOT, TREE_BASE, TREE_TOP, TREE_FROM, TREE_GIT, TREE_TEXTS };
static const char *const tree_texts[] = {"path", "root", "base", "top", "from", "git"};
enum tree_stage { TREE_PLANNED, TREE_MAKING, TREE_MADE, TREE_GONE };
enum tree_job { TREE_ADD, TREE_REMOVE, TREE_WIPE /* Half a tree. */, TREE_NO_JOB };
enum {
    LEAVE_MS = 15000, /* Maximum delay of an outcome until it is known whether the tree stays. */
    WIPES_MAX = 2,
    ADDS_MAX = 2, /* Another git may be at the same repository. */
    REMOVES_MAX = 1,
    JOB_BYTES = 4 * 6 * LIMIT_PATH_MAX + 4096,
    KEY_LEN = sizeof "worktrees " - 1 + 32,
    LOG_MAX = 16 << 10,
    FAULT_MAX = 400,
    FAULT_BYTES = 1024,
};

struct call_tree {
    char *texts[TREE_TEXTS]; /* Owned, by enum tree_text. */
    enum tree_stage stage;
    bool left; /* The agent has ended, and the tree was inspected after that, or is. */
    bool slow; /* LEAVE_MS have passed. */
    unsigned adds, wipes, removes;   /* Times that git, or rm, was asked. */
    struct id job;                   /* Job that is waited for. */
    char log[PROTOCOL_NAME_MAX + 1]; /* Log of the last job that failed; "": none has. */
    struct text fault;
    struct worktree_look look;
};

static struct call_tree *tree_new(struct call *call, const char *const *texts) {
    struct call_tree *tree = mem_new(sizeof *tree);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        tree->texts[i] = mem_copy(texts[i], strlen(texts[i]));
    }
    text_init(&tree->fault, FAULT_BYTES);
    call->tree = tree;
    return tree;
}

void call__free_tree(struct call *call) {
    struct call_tree *tree = call->tree;
    call->tree = NULL;
    if (tree != NULL) {
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
            [TREE_PATH] = at.path, [TREE_ROOT] = at.root, [TREE_BASE] = "",
            [TREE_TOP] = at.top,   [TREE_FROM] = at.from, [TREE_GIT] = at.git};
        (void)tree_new(call, texts);
    }
    return true;
}

void call__take_tree(struct call *call, const json_t *worktree) {
    const char *texts[TREE_TEXTS];
    if (!json_is_object(worktree) || call->tree != NULL) {
        return;
    }
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        texts[i] = json_str(worktree, tree_texts[i], "");
    }
    struct call_tree *tree = tree_new(call, texts);
    tree->stage = call->turn.text[0] == '\0' ? TREE_MAKING : TREE_MADE; /* May have been begun. */
}

void call__write_tree(const struct call *call, struct text *spec) {
    const struct call_tree *tree = call->tree;
    if (tree == NULL || tree->stage == TREE_GONE) {
        return;
    }
    text_add_str(spec, ",\"worktree\":{");
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        text_add_member(spec, tree_texts[i], bytes_of(tree->texts[i]));
    }
    text_add_char(spec, '}');
}

struct bytes call__left_tree(const struct call *call) {
    const struct call_tree *tree = call->tree;
    return tree == NULL || tree->stage != TREE_MADE ? (struct bytes){NULL, 0}
                                                    : bytes_of(tree->texts[TREE_PATH]);
}

/* --- The words of a job ----------------------------------------------------------------------- */

static void add_words(struct text *text, const char *const *words) {
    for (; *words != NULL; words++) {
        text_add_str(text, text->data[text->len - 1] == '[' ? "" : ",");
        text_add_json(text, *words, strlen(*words));
    }
}

static void tree_write_job(const struct call_tree *tree, enum tree_job job, bool sandbox,
                           struct text *text) {
    static const int times_ms[] = {
        [TREE_ADD] = 600000, [TREE_REMOVE] = 120000, [TREE_WIPE] = 300000};
    const char *path = tree->texts[TREE_PATH], *top = tree->texts[TREE_TOP];
    const char *const git[] = {
        /* clang-format off */
        "git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0",
        "-c", "maintenance.auto=false", "-c", "submodule.recurse=false",
        "-c", "status.showUntrackedFiles=normal", "-C",
        job == TREE_ADD ? tree->texts[TREE_FROM] : top, NULL,
        /* clang-format on */
    };
    /* Twice, so that what the repository still has of a tree that is gone is in nobody's way. */
    const char *const add[] = {"worktree", "add", "--force", "--force",
                               "--detach", path,  "HEAD",    NULL};
    /* Not by force: git looks for changes itself, and leaves a tree that has any. */
    const char *const remove[] = {"worktree", "remove", path, NULL};
    const char *const wipe[] = {"rm", "-rf", "--", path, NULL};
    text_add_str(text, "{\"argv\":[");
    if (job != TREE_WIPE) {
        add_words(text, git);
    }
    add_words(text, job == TREE_WIPE ? wipe : job == TREE_ADD ? add : remove);
    /* A tree is made in the repository, and removed from the folder of all trees: nothing that
     * touches an agent's files is run where it could write the repository's settings
     * (dispatch/job/start.c). */
    const char *name = strrchr(path, '/');
    const struct bytes trees = {path, name == NULL ? 0 : (size_t)(name - path)};
    text_add_char(text, ']');
    text_add_member(text, "cwd", job != TREE_ADD && name != NULL ? trees : bytes_of(top));
    /* A tree's .git and what git keeps of it can be written by the agent, and say where settings
     * are read from: those are always the repository's own. */
    text_add_str(text, ",\"env\":{\"GIT_TERMINAL_PROMPT\":\"0\",\"LC_ALL\":\"C\"");
    if (tree->texts[TREE_GIT][0] != '\0') {
        text_add_member(text, "GIT_COMMON_DIR", bytes_of(tree->texts[TREE_GIT]));
    }
    text_addf(text, "},\"timeout_ms\":%d,\"limits\":{\"output\":65536}", times_ms[job]);
    text_add_str(text, sandbox ? ",\"sandbox\":\"on\"}" : "}");
}

/* Messages of several versions of git about a repository without a commit. */
static bool is_without_commit(struct bytes line) {
    return bytes_is(line, "fatal: invalid reference: HEAD") ||
           bytes_is(line, "fatal: not a valid object name: HEAD") ||
           bytes_is(line, "fatal: not a valid object name: 'HEAD'");
}

/* State of the folder, and, after a job that failed, the first line that git calls fatal or an
 * error, else the first. */
static void inspect_run(struct call *call) {
    struct call_tree *tree = call->tree;
    const struct log_place place = {.name = tree->log, .stream = LOG_ERR};
    AUTO(mem_release) char *output = NULL;
    struct log_read read = {0};
    tree->look = worktree_look(tree->texts[TREE_PATH]);
    if (tree->log[0] == '\0') {
        return;
    }
    output = mem_new(LOG_MAX + 1);
    if (err_failed(spool_log_read(call->workflow->workflows->options.spool, &place, output, LOG_MAX,
                                  &read))) {
        return;
    }
    output[read.len] = '\0';
    struct bytes line = {output, strcspn(output, "\r\n")};
    for (const char *at = output; *at != '\0';) {
        size_t len = strcspn(at, "\r\n");
        if (strncmp(at, "fatal: ", 7) == 0 || strncmp(at, "error: ", 7) == 0) {
            line = (struct bytes){at, len};
            break;
        }
        at += len + strspn(at + len, "\r\n");
    }
    if (is_without_commit(line)) {
        text_clear(&tree->fault);
        text_add_str(&tree->fault, "its git repository has no commit, which a working tree needs");
    } else if (line.len > 0 && utf8_valid(line.data, line.len)) {
        text_clear(&tree->fault);
        text_add(&tree->fault, line.data, utf8_cut(line, FAULT_MAX));
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

/* Key, label and spec, one after the other. Git fails now and then where two of it make trees of
 * one repository: one sees what the other has half written. So a repository is a key, and they come
 * one after the other. Paths are bounded, so a spec fits; without memory there is none. */
static void op_fill_job(struct workflow_op *op, const struct call *call, enum tree_job job) {
    static const char *const labels[] = {[TREE_ADD] = "git worktree add",
                                         [TREE_REMOVE] = "git worktree remove",
                                         [TREE_WIPE] = "rm of half a working tree",
                                         [TREE_NO_JOB] = ""};
    const struct workflow *workflow = call->workflow;
    const char *top = call->tree->texts[TREE_TOP];
    const struct sha256 digest = sha256_of(top, strlen(top));
    const struct sha256_hex hex = sha256_hex(&digest);
    struct text *bytes = &op->bytes;
    text_init(bytes, JOB_BYTES);
    text_addf(bytes, "worktrees %.32s%s %s", hex.text, labels[job], call->run.text);
    const size_t head_len = bytes->len;
    if (job != TREE_NO_JOB) {
        tree_write_job(call->tree, job, workflow->workflows->options.sandbox, bytes);
    }
    if (text_failed(bytes)) {
        bytes->len = head_len;
    }
    op->new_job = (struct run_new){.run = workflows__new_id(workflow->workflows, "run"),
                                   .owner = bytes_of(workflow->owner),
                                   .parent = BYTES(""),
                                   .own_key = {bytes->data, KEY_LEN},
                                   .key_max = 1,
                                   .label = {bytes->data + KEY_LEN, head_len - KEY_LEN},
                                   .spec = {bytes->data + head_len, bytes->len - head_len},
                                   .kind = KIND_JOB,
                                   .bounds = workflow->workflows->options.bounds};
}

static bool call_waits_for_job(const struct call *call) {
    bool waits = call->state == CALL_TREE_MAKING || call->state == CALL_TREE_REMOVING;
    return waits && call->workflow->state != WORKFLOW_ENDING; /* Else it has ended otherwise. */
}

/* The awaited job has ended, as it is not found again: its end may have been noted before its name
 * was known. */
static void job_found_again(struct workflow_op *op) {
    struct call *call = op->call;
    if (call_waits_for_job(call) && call->awaited.name.len > 0 &&
        strcmp(op->job.run.text, call->tree->job.text) != 0) {
        call__leave_turn(call);
        call_inspect_tree(call);
    }
}

static void job_begun(struct workflow_op *op) {
    struct call *call = op->call;
    if (!call_waits_for_job(call)) {
        return;
    }
    if (op->job.run.text[0] == '\0' || op->job.ended) {
        call_inspect_tree(call);
        return;
    }
    call__leave_turn(call); /* The name of the job changes. */
    call->tree->job = op->job.run;
    call__await(call, &call->tree->job);
    if (op->job.found) {
        struct workflow_op *again = call__op(call, job_tx, job_found_again);
        op_fill_job(again, call, TREE_NO_JOB);
        workflow__op_send(again);
    }
}

static void call_begin_job(struct call *call, enum tree_job job) {
    struct workflow_op *op = call__op(call, job_tx, job_begun);
    op_fill_job(op, call, job);
    workflow__op_send(op);
}

void workflows_job_note(void *room, const struct run_row *row) {
    const struct workflows *workflows = room;
    struct table_node *node = table_find(&workflows->turns, row->run);
    struct call *call = node == NULL ? NULL : CONTAINER_OF(node, struct call, awaited);
    if (call == NULL || call->workflow->state == WORKFLOW_FREED || call->tree == NULL ||
        row->parent != 0 || !run_state_final(row->state)) {
        return;
    }
    struct call_tree *tree = call->tree;
    call__leave_turn(call);
    tree->log[0] = '\0';
    text_clear(&tree->fault);
    if (row->state != RUN_SUCCEEDED) {
        (void)snprintf(tree->log, sizeof tree->log, "%.*s.%lld", (int)row->run.len, row->run.data,
                       (long long)row->attempt);
        text_addf(&tree->fault, "git: %s",
                  row->cause == CAUSE_NOT_STARTED ? "it cannot be started; is it installed?"
                                                  : run_cause_about(row->cause));
    }
    if (call_waits_for_job(call)) {
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
    call__leave_turn(call);
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
    call__leave_turn(call);
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
