/* work_tree.c: see work_tree.h. */
#include "dispatch/base/work_tree.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "rules/board/prompt.h"

enum {
    WIPES_MAX = 2,
    HEADS_MAX = 4,
    ADDS_MAX = 2, /* Another git may be at the same repository. */
    REMOVES_MAX = 1,
    DIFFS_MAX = 3,
    FORGETS_MAX = 3,
    FILLS_MAX = 2,
    SETUPS_MAX = 1,
    TEARDOWNS_MAX = 1,
    DIFF_READ_MAX = BOARD_DIFF_MAX + 4096,
};

static bool has_branch(const struct work_tree *tree) {
    return tree->texts[TREE_BRANCH][0] != '\0';
}

/* An agent may have been in it: it is wiped no more. */
static bool is_used(const struct work_tree *tree) {
    return tree->texts[has_branch(tree) ? TREE_ATTEMPT : TREE_BASE][0] != '\0';
}

static bool stage_is(const struct work_tree *tree, const char *stage) {
    return strcmp(tree->texts[TREE_STAGE], stage) == 0;
}

/* The last job is one of that kind, and not one that another daemon or attempt has begun. */
static bool was_own(const struct work_tree *tree, enum tree_job job) {
    return tree->job == job && !tree->begun.found;
}

static void tree_enter(struct work_tree *tree, enum work_tree_state state) {
    static const unsigned edges[] = {
        [TREE_RESTING] = 1U << TREE_LOOKING | 1U << TREE_BEGINNING,
        [TREE_LOOKING] = 1U << TREE_BEGINNING | 1U << TREE_WAITING | 1U << TREE_RESTING,
        [TREE_BEGINNING] = 1U << TREE_WAITING | 1U << TREE_LOOKING | 1U << TREE_RESTING,
        [TREE_WAITING] = 1U << TREE_LOOKING | 1U << TREE_RESTING,
    };
    assert((edges[tree->state] >> state & 1) != 0);
    tree->state = state;
}

static void tree_finish(struct work_tree *tree, enum work_tree_end end) {
    tree_enter(tree, TREE_RESTING);
    tree->end = end;
    tree->owner->done(tree);
}

static void tree_look(struct work_tree *tree) {
    tree_enter(tree, TREE_LOOKING);
    tree->owner->look(tree);
}

/* --- A job ------------------------------------------------------------------------------------ */

static void job_begin(struct work_tree *tree, enum tree_job job) {
    tree_enter(tree, TREE_BEGINNING);
    tree->job = job;
    tree->owner->begin(tree);
}

static void on_job_end(struct run_wait *wait) {
    struct work_tree *tree = CONTAINER_OF(wait, struct work_tree, wait);
    tree_job_ended(wait, tree->log, &tree->fault);
    tree_look(tree);
}

static void job_await(struct work_tree *tree, const char *run) {
    tree_enter(tree, TREE_WAITING);
    run_wait_start(tree->waits, &tree->wait, bytes_of(run));
}

void work_tree_name_job(struct work_tree *tree, const struct id *run) {
    if (tree->job == TREE_SET_UP) {
        work_tree_set_text(tree, TREE_SETUP_RUN, run->text);
    }
}

void work_tree_begun(struct work_tree *tree, const struct step_job *job) {
    if (tree->state != TREE_BEGINNING) {
        return;
    }
    tree->begun = *job;
    work_tree_name_job(tree, &job->run);
    if (job->run.text[0] == '\0') { /* None is under way. */
        tree_look(tree);
        return;
    }
    job_await(tree, job->run.text);
}

/* --- The disk, in the pool -------------------------------------------------------------------- */

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

static void head_take(struct work_tree *tree, struct bytes printed) {
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

static void printed_read(struct work_tree *tree, const struct spool *spool) {
    const struct log_place place = {.name = tree->log, .stream = LOG_OUT};
    AUTO(mem_release) char *output = mem_new(DIFF_READ_MAX);
    struct log_read read = {.len = 0};
    text_clear(&tree->diff);
    if (err_failed(spool_log_read(spool, &place, output, DIFF_READ_MAX, &read))) {
        return;
    }
    if (tree->job == TREE_HEAD) {
        head_take(tree, (struct bytes){output, read.len});
    } else {
        diff_add(&tree->diff, (struct bytes){output, read.len});
    }
}

/* The folder as it stands is more than a commit, and so is what it names in that file. */
static bool fill_is_wanted(const struct work_tree *tree) {
    AUTO(text_done) struct text path = text_up_to(2 * LIMIT_PATH_MAX);
    text_addf(&path, "%s/.worktreeinclude", tree->texts[TREE_FROM]);
    return strcmp(tree->texts[TREE_START], TREE_START_NOW) == 0 ||
           access(text_bytes(&path).data, F_OK) == 0;
}

void work_tree_look(struct work_tree *tree, const struct spool *spool) {
    tree->head[0] = '\0';
    if (tree->why.text[0] != '\0') {
        return;
    }
    tree->look = worktree_look(tree->texts[TREE_PATH]);
    tree->fill_due = stage_is(tree, TREE_STAGE_ADDED) && fill_is_wanted(tree);
    if (tree->log[0] != '\0' && tree->wait.status.state != RUN_SUCCEEDED) {
        tree_fault_read(spool, tree->log, &tree->fault);
    } else if (tree->log[0] != '\0' && (was_own(tree, TREE_DIFF) || was_own(tree, TREE_HEAD))) {
        printed_read(tree, spool);
    }
}

/* --- The next step ---------------------------------------------------------------------------- */

static void refuse(struct work_tree *tree);

static bool job_went_well(const struct work_tree *tree, enum tree_job job) {
    return tree->job == job && tree->wait.status.found && tree->wait.status.state == RUN_SUCCEEDED;
}

static void setup_refuse(struct work_tree *tree) {
    const struct run_status *status = &tree->wait.status;
    why_set(&tree->why, "its setup '%.80s' failed (%.120s): drover logs %s",
            tree->texts[TREE_SETUP],
            status->found ? run_cause_about(status->cause) : "its run was removed",
            tree->texts[TREE_SETUP_RUN]);
    tree_finish(tree, TREE_REFUSED);
}

/* A new tree is filled, then set up. True: a job is due, or has failed. */
static bool stages_go(struct work_tree *tree) {
    if (stage_is(tree, TREE_STAGE_ADDED)) {
        if (tree->fill_due && !job_went_well(tree, TREE_FILL)) {
            if (tree->fills++ < FILLS_MAX) {
                job_begin(tree, TREE_FILL);
            } else {
                refuse(tree);
            }
            return true;
        }
        work_tree_set_text(tree, TREE_STAGE, TREE_STAGE_FILLED);
    }
    if (stage_is(tree, TREE_STAGE_FILLED)) {
        if (tree->texts[TREE_SETUP][0] != '\0' && !job_went_well(tree, TREE_SET_UP)) {
            if (tree->searches && tree->texts[TREE_SETUP_RUN][0] != '\0') {
                tree->searches = false; /* An earlier daemon began it, and it may have ended. */
                tree->job = TREE_SET_UP;
                job_await(tree, tree->texts[TREE_SETUP_RUN]);
            } else if (tree->setups++ < SETUPS_MAX) {
                job_begin(tree, TREE_SET_UP);
            } else {
                setup_refuse(tree);
            }
            return true;
        }
        work_tree_set_text(tree, TREE_STAGE, TREE_STAGE_SET_UP);
    }
    return false;
}

/* The tree is whole: its changes are still to be read, or all is there. */
static void whole_on(struct work_tree *tree) {
    if (stages_go(tree)) {
        return;
    }
    if (!has_branch(tree) && !is_used(tree)) {
        work_tree_set_text(tree, TREE_BASE, tree->look.head);
    }
    if (is_used(tree) && tree->wants_diff && tree->diff.len == 0 && tree->diffs < DIFFS_MAX &&
        !was_own(tree, TREE_DIFF)) {
        tree->diffs++;
        job_begin(tree, TREE_DIFF);
    } else {
        tree_finish(tree, TREE_READY);
    }
}

/* Git looks for changes itself, in the tree and on its branch. Without a branch a commit of the
 * agent is in the tree alone, which git would remove. */
static bool may_remove(const struct work_tree *tree) {
    const bool half = tree->look.state == WORKTREE_HALF && !is_used(tree);
    if (tree->use == TREE_DESTROY) {
        return tree->look.state == WORKTREE_WHOLE || tree->look.state == WORKTREE_HALF;
    }
    if (has_branch(tree) || tree->use == TREE_DROP) {
        return tree->look.state == WORKTREE_WHOLE || half;
    }
    return tree->look.state == WORKTREE_WHOLE && tree->look.head[0] != '\0' &&
           strcmp(tree->look.head, tree->texts[TREE_BASE]) == 0;
}

/* Why a tree that was to be removed stays. */
static void left_explain(struct work_tree *tree) {
    why_set(&tree->why, "%s",
            tree->fault.len > 0                    ? tree->fault.data
            : tree->look.state == WORKTREE_STRANGE ? "something else stands where it would be"
                                                   : "git does not take it for whole");
}

static bool teardown_is_due(const struct work_tree *tree) {
    return tree->look.state == WORKTREE_WHOLE && stage_is(tree, TREE_STAGE_SET_UP) &&
           tree->texts[TREE_TEARDOWN][0] != '\0' && tree->teardowns < TEARDOWNS_MAX;
}

static void left_on(struct work_tree *tree) {
    const enum worktree_state state = tree->look.state;
    const unsigned removes_max = tree->use == TREE_DESTROY ? REMOVES_MAX + 1 : REMOVES_MAX;
    const bool own = was_own(tree, TREE_FORGET);
    const bool forgotten = tree->texts[TREE_BASE][0] == '\0' || !has_branch(tree) ||
                           (own && tree->wait.status.state == RUN_SUCCEEDED);
    if (may_remove(tree) && teardown_is_due(tree)) {
        tree->teardowns++;
        job_begin(tree, TREE_TEAR_DOWN);
    } else if (may_remove(tree) && tree->removes < removes_max) {
        const bool wipe = state == WORKTREE_HALF || tree->removes > 0; /* Git may refuse. */
        tree->removes++;
        job_begin(tree, wipe ? TREE_WIPE : TREE_REMOVE);
    } else if (state == WORKTREE_NONE && !forgotten && !own && tree->forgets < FORGETS_MAX) {
        tree->forgets++;
        job_begin(tree, TREE_FORGET);
    } else if (state == WORKTREE_NONE && forgotten) {
        tree_finish(tree, TREE_ABSENT);
    } else {
        left_explain(tree);
        tree_finish(tree, TREE_READY);
    }
}

enum tree_care work_tree_care(const struct work_tree *tree) {
    return tree->use == TREE_DESTROY ? TREE_ANYHOW
           : tree->use == TREE_DROP  ? TREE_LOSSLESS
                                     : TREE_UNCHANGED;
}

static void refuse(struct work_tree *tree) {
    const enum worktree_state state = tree->look.state;
    why_set(&tree->why, "%s",
            tree->fault.len > 0         ? tree->fault.data
            : state == WORKTREE_STRANGE ? "something else stands where its working tree would be"
            : is_used(tree) && state == WORKTREE_HALF
                ? "git no longer takes its working tree for whole"
                : "git made no working tree");
    tree_finish(tree, TREE_REFUSED);
}

/* Nothing is there: git names the commit that a branch begins at, then makes the tree. */
static void none_on(struct work_tree *tree) {
    const bool named = !has_branch(tree) || (was_own(tree, TREE_HEAD) && tree->head[0] != '\0');
    if (named && tree->adds < ADDS_MAX) {
        if (has_branch(tree)) {
            work_tree_set_text(tree, TREE_BASE, tree->head);
        }
        tree->adds++;
        work_tree_set_text(tree, TREE_STAGE, has_branch(tree) ? TREE_STAGE_ADDED : "");
        job_begin(tree, TREE_ADD);
    } else if (!named && !was_own(tree, TREE_HEAD) && tree->adds < ADDS_MAX &&
               tree->heads < HEADS_MAX) {
        tree->heads++;
        job_begin(tree, TREE_HEAD);
    } else {
        refuse(tree);
    }
}

void work_tree_looked(struct work_tree *tree) {
    const enum worktree_state state = tree->look.state;
    assert(tree->state == TREE_LOOKING);
    if (tree->why.text[0] != '\0') { /* There is no place for it. */
        tree_finish(tree, TREE_REFUSED);
    } else if (tree->use >= TREE_LEAVE) {
        left_on(tree);
    } else if (state == WORKTREE_WHOLE) {
        whole_on(tree);
    } else if (tree->use == TREE_FIND) {
        why_set(&tree->why, "its working tree %.200s is not there any more",
                tree->texts[TREE_PATH]);
        tree_finish(tree, TREE_REFUSED);
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

void work_tree_refuse(struct work_tree *tree) {
    tree_finish(tree, TREE_REFUSED);
}

/* --- Life ------------------------------------------------------------------------------------- */

void work_tree_set_text(struct work_tree *tree, enum tree_text which, const char *words) {
    char *copy = mem_copy(words, strlen(words));
    mem_free(tree->texts[which]);
    tree->texts[which] = copy;
}

void work_tree_set_place(struct work_tree *tree, const struct worktree *at) {
    work_tree_set_text(tree, TREE_PATH, at->path);
    work_tree_set_text(tree, TREE_ROOT, at->root);
    work_tree_set_text(tree, TREE_TOP, at->top);
    work_tree_set_text(tree, TREE_FROM, at->from);
    work_tree_set_text(tree, TREE_GIT, at->git);
}

void work_tree_init(struct work_tree *tree, const struct work_tree_owner *owner,
                    struct run_waits *waits) {
    tree->owner = owner;
    tree->waits = waits;
    tree->wait.on_end = on_job_end;
    text_init(&tree->diff, DIFF_READ_MAX);
    text_init(&tree->fault, TREE_FAULT_BYTES);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        work_tree_set_text(tree, (enum tree_text)i, "");
    }
}

void work_tree_done(struct work_tree *tree) {
    work_tree_stop(tree);
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        mem_free(tree->texts[i]);
    }
    text_done(&tree->diff);
    text_done(&tree->fault);
}

static void tree_reset(struct work_tree *tree, enum work_tree_use use) {
    work_tree_stop(tree);
    text_clear(&tree->diff);
    text_clear(&tree->fault);
    tree->use = use;
    tree->why.text[0] = tree->log[0] = tree->head[0] = '\0';
    tree->heads = tree->adds = tree->wipes = tree->diffs = tree->removes = tree->forgets = 0;
    tree->fills = tree->setups = tree->teardowns = 0;
    tree->job = TREE_NO_JOB;
    tree->searches = false;
    tree->begun = (struct step_job){.found = false};
}

void work_tree_begin(struct work_tree *tree, enum work_tree_use use) {
    tree_reset(tree, use);
    tree_look(tree);
}

void work_tree_search(struct work_tree *tree, enum work_tree_use use) {
    tree_reset(tree, use);
    tree->searches = true;
    job_begin(tree, TREE_NO_JOB);
}

void work_tree_stop(struct work_tree *tree) {
    run_wait_cancel(&tree->wait);
    tree->state = TREE_RESTING;
}
