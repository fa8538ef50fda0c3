/* tree_words.c: see tree_words.h. */
#include "tool/tree_words.h"

#include <string.h>

/* Arguments of the scripts: path, branch, base, attempt; then git, with its settings. */
#define SCRIPT "p=$1 b=$2 c=$3 a=$4; shift 4; "
#define HAS_BRANCH "\"$@\" show-ref --verify --quiet \"refs/heads/$b\""

/* Work on a branch goes on. A branch that is gone, or on which no attempt was, begins at HEAD. */
static const char head_script[] = SCRIPT "if [ -n \"$a\" ] && " HAS_BRANCH "; then echo \"$c\";"
                                         " else exec \"$@\" rev-parse --verify 'HEAD^{commit}'; fi";
/* Twice --force, so that what the repository still has of a tree that is gone is in nobody's way.
 */
static const char add_script[] =
    SCRIPT "if [ -n \"$a\" ] && " HAS_BRANCH "; then"
           " exec \"$@\" worktree add --force --force \"$p\" \"$b\"; fi;"
           " exec \"$@\" worktree add --force --force -B \"$b\" \"$p\" \"$c\"";
/* Not by force: git looks for changes itself, and leaves a tree that has any. */
static const char remove_script[] =
    SCRIPT "[ \"$(\"$@\" -C \"$p\" rev-parse HEAD)\" = \"$c\" ] &&"
           " [ \"$(\"$@\" rev-parse \"refs/heads/$b\")\" = \"$c\" ] &&"
           " exec \"$@\" worktree remove \"$p\"";
/* The base is the old value: a branch that has grown stays, and the job fails. */
static const char forget_script[] =
    SCRIPT "! " HAS_BRANCH " || exec \"$@\" update-ref --no-deref -d \"refs/heads/$b\" \"$c\"";
/* Changes of files that git knows come before the contents of new ones, since the end is cut. No
 * index is written, so the agent's own stays as it is. Of many new files the first are read. */
static const char diff_script[] =
    SCRIPT "how='--no-color --no-ext-diff --no-textconv'; new() {"
           " \"$@\" --no-optional-locks ls-files --others --exclude-standard $z; };"
           " { z='' new \"$@\" | head -n 100 | sed 's/^/New, and unknown to git: /';"
           " \"$@\" --no-optional-locks diff $how \"$c\" --;"
           " z=-z new \"$@\" | tr '\\n\\0' '\\0\\n' | head -n 100 | tr '\\n\\0' '\\0\\n' |"
           " xargs -0 -r -n 1 \"$@\" diff $how --no-index -- /dev/null;"
           " } | head -c 49152";

static void add_words(struct text *text, const char *const *words) {
    for (; *words != NULL; words++) {
        text_add_str(text, text->data[text->len - 1] == '[' ? "" : ",");
        text_add_json(text, *words, strlen(*words));
    }
}

/* NULL: git has words of its own. */
static const char *script_of(const struct tree_order *order) {
    static const char *const scripts[] = {
        [TREE_HEAD] = head_script, [TREE_ADD] = add_script,       [TREE_REMOVE] = remove_script,
        [TREE_DIFF] = diff_script, [TREE_FORGET] = forget_script, [TREE_NO_JOB] = NULL};
    return order->texts[TREE_BRANCH][0] == '\0' ? NULL : scripts[order->job];
}

void tree_argv_write(const struct tree_order *order, struct text *text) {
    const char *path = order->texts[TREE_PATH], *top = order->texts[TREE_TOP];
    const char *script = script_of(order);
    const enum tree_job job = order->job;
    const char *const shell[] = {"sh",
                                 "-c",
                                 script,
                                 "sh",
                                 path,
                                 order->texts[TREE_BRANCH],
                                 order->texts[TREE_BASE],
                                 order->texts[TREE_ATTEMPT],
                                 NULL};
    const char *const git[] = {
        /* clang-format off */
        "git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0",
        "-c", "maintenance.auto=false", "-c", "submodule.recurse=false",
        "-c", "status.showUntrackedFiles=normal", "-C",
        job == TREE_ADD || job == TREE_HEAD ? order->texts[TREE_FROM]
        : job == TREE_DIFF ? path : top, NULL,
        /* clang-format on */
    };
    const char *const add[] = {"worktree", "add", "--force", "--force",
                               "--detach", path,  "HEAD",    NULL};
    const char *const remove[] = {"worktree", "remove", path, NULL};
    const char *const wipe[] = {"rm", "-rf", "--", path, NULL};
    text_add_str(text, "{\"argv\":[");
    if (script != NULL) {
        add_words(text, shell);
    }
    if (job != TREE_WIPE) {
        add_words(text, git);
    }
    if (script == NULL) {
        add_words(text, job == TREE_WIPE ? wipe : job == TREE_ADD ? add : remove);
    }
    text_add_char(text, ']');
}
