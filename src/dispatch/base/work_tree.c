/* work_tree.c: see work_tree.h. */
#include "dispatch/base/work_tree.h"

#include <assert.h>
#include <string.h>

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
    DIFF_READ_MAX = BOARD_DIFF_MAX + 4096,
};

static bool has_branch(const struct work_tree *tree) {
    return tree->texts[TREE_BRANCH][0] != '\0';
}

/* An agent may have been in it: it is wiped no more. */
static bool is_used(const struct work_tree *tree) {
    return tree->texts[has_branch(tree) ? TREE_ATTEMPT : TREE_BASE][0] != '\0';
}

/* The last job is one of that kind, and not one that another daemon or attempt has begun. */
static bool was_own(const struct work_tree *tree, enum tree_job job) {
    return tree->job == job && !tree->begun.found;
}

static void tree_enter(struct work_tree *tree, enum work_tree_state state) {
    static const unsigned edges[] = {
        [TREE_RESTING] = 1U << TREE_LOOKING | 1U << TREE_BEGINNING,
        [TREE_LOOKING] = 1U << TREE_BEGINNING | 1U << TREE_RESTING,
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

void work_tree_begun(struct work_tree *tree, const struct step_job *job) {
    if (tree->state != TREE_BEGINNING) {
        return;
    }
    tree->begun = *job;
    if (job->run.text[0] == '\0') { /* None is under way. */
        tree_look(tree);
        return;
    }
    tree_enter(tree, TREE_WAITING);
    run_wait_start(tree->waits, &tree->wait, bytes_of(job->run.text));
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

void work_tree_look(struct work_tree *tree, const struct spool *spool) {
    tree->head[0] = '\0';
    if (tree->why.text[0] != '\0') {
        return;
    }
    tree->look = worktree_look(tree->texts[TREE_PATH]);
    if (tree->log[0] != '\0' && tree->wait.status.state != RUN_SUCCEEDED) {
        tree_fault_read(spool, tree->log, &tree->fault);
    } else if (tree->log[0] != '\0' && (was_own(tree, TREE_DIFF) || was_own(tree, TREE_HEAD))) {
        printed_read(tree, spool);
    }
}

/* --- The next step ---------------------------------------------------------------------------- */

/* The tree is whole: its changes are still to be read, or all is there. */
static void whole_on(struct work_tree *tree) {
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
    if (has_branch(tree)) {
        return tree->look.state == WORKTREE_WHOLE || half;
    }
    return tree->look.state == WORKTREE_WHOLE && tree->look.head[0] != '\0' &&
           strcmp(tree->look.head, tree->texts[TREE_BASE]) == 0;
}

static void left_on(struct work_tree *tree) {
    const enum worktree_state state = tree->look.state;
    const bool own = was_own(tree, TREE_FORGET);
    const bool forgotten = tree->texts[TREE_BASE][0] == '\0' || !has_branch(tree) ||
                           (own && tree->wait.status.state == RUN_SUCCEEDED);
    if (may_remove(tree) && tree->removes < REMOVES_MAX) {
        tree->removes++;
        job_begin(tree, state == WORKTREE_HALF ? TREE_WIPE : TREE_REMOVE);
    } else if (state == WORKTREE_NONE && !forgotten && !own && tree->forgets < FORGETS_MAX) {
        tree->forgets++;
        job_begin(tree, TREE_FORGET);
    } else {
        tree_finish(tree, state == WORKTREE_NONE && forgotten ? TREE_ABSENT : TREE_READY);
    }
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
    } else if (tree->use == TREE_LEAVE) {
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
    tree->job = TREE_NO_JOB;
    tree->begun = (struct step_job){.found = false};
}

void work_tree_begin(struct work_tree *tree, enum work_tree_use use) {
    tree_reset(tree, use);
    tree_look(tree);
}

void work_tree_search(struct work_tree *tree, enum work_tree_use use) {
    tree_reset(tree, use);
    job_begin(tree, TREE_NO_JOB);
}

void work_tree_stop(struct work_tree *tree) {
    run_wait_cancel(&tree->wait);
    tree->state = TREE_RESTING;
}
