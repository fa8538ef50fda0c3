/* tree_words.c: see tree_words.h. */
#include "tool/tree_words.h"

#include <string.h>

/* Arguments of the scripts: path, branch, base, attempt, what the branch begins at, source; then
 * git, with its settings. */
#define SCRIPT "p=$1 b=$2 c=$3 a=$4 s=$5 f=$6; shift 6; "
#define HAS_BRANCH "\"$@\" show-ref --verify --quiet \"refs/heads/$b\""

/* Work on a branch goes on. A branch that is gone, or on which no attempt was, begins again: at
 * HEAD, unless something else was named. */
static const char head_script[] =
    SCRIPT "if [ -n \"$a\" ] && " HAS_BRANCH "; then echo \"$c\"; else"
           " case $s in ''|now) s=HEAD;; esac;"
           " \"$@\" rev-parse --verify --quiet --end-of-options \"$s^{commit}\" && exit;"
           " [ \"$s\" = HEAD ] && exec \"$@\" rev-parse --verify 'HEAD^{commit}';"
           " echo \"fatal: there is no branch or commit $s\" >&2; exit 1; fi";
/* Twice --force, so that what the repository still has of a tree that is gone is in nobody's way;
 * and no -B, which refuses a branch that such a tree is on. */
static const char add_script[] = SCRIPT "{ [ -n \"$a\" ] && " HAS_BRANCH "; } ||"
                                        " \"$@\" update-ref \"refs/heads/$b\" \"$c\" || exit;"
                                        " exec \"$@\" worktree add --force --force \"$p\" \"$b\"";
/* Not by force: git looks for changes itself, and leaves a tree that has any. */
static const char remove_script[] =
    SCRIPT "[ \"$(\"$@\" -C \"$p\" rev-parse HEAD)\" = \"$c\" ] &&"
           " [ \"$(\"$@\" rev-parse \"refs/heads/$b\")\" = \"$c\" ] &&"
           " exec \"$@\" worktree remove \"$p\"";
/* Ends without a branch, and fails where a person has checked it out in another folder: its HEAD
 * would lead nowhere. */
#define BRANCH_IS_FREE                                                                             \
    HAS_BRANCH                                                                                     \
    " || exit 0; \"$@\" worktree list --porcelain | while IFS= read -r l; do case $l in"           \
    " 'worktree '*) w=${l#worktree };;"                                                            \
    " \"branch refs/heads/$b\") [ \"$w\" = \"$p\" ] || echo \"$w\";; esac; done |"                 \
    " { ! read -r w || { echo \"fatal: its branch is checked out in $w\" >&2;"                     \
    " exit 1; }; } || exit; "
/* The base is the old value: a branch that has grown stays, and the job fails. */
static const char forget_script[] =
    SCRIPT BRANCH_IS_FREE "exec \"$@\" update-ref --no-deref -d \"refs/heads/$b\" \"$c\"";
/* Counts the commits that would be lost: of the tree ($h) and of its branch ($t). */
#define LOST                                                                                       \
    "t=''; [ -z \"$b\" ] || t=$(\"$@\" rev-parse --verify --quiet \"refs/heads/$b\");"             \
    " n=$(\"$@\" rev-list --count --ignore-missing $h $t ${c:+\"^$c\"} --not"                      \
    " ${b:+--exclude=\"$b\"} --branches --remotes --tags --) || exit;"                             \
    " [ \"$n\" = 0 ] ||"                                                                           \
    " { echo \"fatal: $n commits are on no other branch\" >&2; exit 1; };"
static const char lossless_remove_script[] =
    SCRIPT "h=$(\"$@\" -C \"$p\" rev-parse --verify --quiet HEAD);" LOST
           " exec \"$@\" worktree remove \"$p\"";
static const char lossless_forget_script[] = SCRIPT BRANCH_IS_FREE
    "h='';" LOST " exec \"$@\" update-ref --no-deref -d \"refs/heads/$b\" \"$t\"";
static const char any_remove_script[] = SCRIPT "exec \"$@\" worktree remove --force --force \"$p\"";
static const char any_forget_script[] =
    SCRIPT BRANCH_IS_FREE "exec \"$@\" update-ref --no-deref -d \"refs/heads/$b\"";
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

/* Ignored files that .worktreeinclude of the source names, and with "now" all that HEAD does not
 * have: changes of files that git knows, and new files. The source is only read, what stands in the
 * tree already stays, and names of files are printed. All of it may run twice. */
#define QUIETLY "\"$@\" --no-optional-locks "
static const char fill_script[] = SCRIPT
    "l=${p%/*}/.${p##*/}.fill; trap 'rm -f \"$l\" \"$l.2\"' EXIT; : >\"$l\" || exit;"
    " if [ \"$s\" = now ]; then " QUIETLY "diff --quiet HEAD -- || {"
    " " QUIETLY "diff --binary --no-color --no-ext-diff --no-textconv --ignore-submodules"
    " --src-prefix=a/ --dst-prefix=b/ HEAD -- >\"$l.2\" || exit;"
    " \"$@\" -C \"$p\" apply --reverse --check \"$l.2\" 2>/dev/null ||"
    " \"$@\" -C \"$p\" apply --whitespace=nowarn \"$l.2\" || exit; };"
    " " QUIETLY "ls-files -z --others --exclude-standard -- . ':(exclude).drover' >\"$l\" || exit;"
    " fi; if [ -e \"$f/.worktreeinclude\" ]; then"
    " " QUIETLY "ls-files -z --others --ignored -X \"$f/.worktreeinclude\" --"
    " . ':(exclude).drover' >\"$l.2\" || exit;"
    " \"$@\" check-ignore -z --stdin <\"$l.2\" >>\"$l\"; [ $? -le 1 ] || exit; fi;"
    " tar -C \"$f\" --null --no-recursion -T \"$l\" -cf - |"
    " tar -C \"$p\" --skip-old-files --no-same-owner -xvf -";

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
        [TREE_DIFF] = diff_script, [TREE_FORGET] = forget_script, [TREE_FILL] = fill_script,
        [TREE_NO_JOB] = NULL};
    if (order->care != TREE_UNCHANGED && order->job == TREE_REMOVE) {
        return order->care == TREE_ANYHOW ? any_remove_script : lossless_remove_script;
    }
    if (order->care != TREE_UNCHANGED && order->job == TREE_FORGET) {
        return order->care == TREE_ANYHOW ? any_forget_script : lossless_forget_script;
    }
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
                                 order->texts[TREE_START],
                                 order->texts[TREE_FROM],
                                 NULL};
    const char *const git[] = {
        /* clang-format off */
        "git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0",
        "-c", "maintenance.auto=false", "-c", "submodule.recurse=false",
        "-c", "status.showUntrackedFiles=normal", "-C",
        job == TREE_ADD || job == TREE_HEAD || job == TREE_FILL ? order->texts[TREE_FROM]
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
