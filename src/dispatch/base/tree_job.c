/* tree_job.c: see tree_job.h. */
#include "dispatch/base/tree_job.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"

enum { KEY_LEN = sizeof "worktrees " - 1 + 32, LOG_MAX = 16 << 10, FAULT_MAX = 400 };

static const char *const tree_texts[] = {"path", "root", "base",   "top",
                                         "from", "git",  "branch", "attempt"};

void tree_texts_read(const json_t *worktree, const char *ret_texts[static TREE_TEXTS]) {
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        ret_texts[i] = json_str(worktree, tree_texts[i], "");
    }
}

void tree_texts_write(char *const texts[static TREE_TEXTS], struct text *text) {
    text_add_char(text, '{');
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        if (i < TREE_BRANCH || texts[i][0] != '\0') {
            text_add_member(text, tree_texts[i], bytes_of(texts[i]));
        }
    }
    text_add_char(text, '}');
}

/* --- The words of a job ----------------------------------------------------------------------- */

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

static void argv_write(const struct tree_order *order, struct text *text) {
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

static void spec_write(const struct tree_order *order, struct text *text) {
    static const int times_ms[] = {
        [TREE_HEAD] = 60000,  [TREE_ADD] = 600000, [TREE_REMOVE] = 120000,
        [TREE_WIPE] = 300000, [TREE_DIFF] = 60000, [TREE_FORGET] = 60000};
    const char *path = order->texts[TREE_PATH], *top = order->texts[TREE_TOP];
    argv_write(order, text);
    /* A tree is made in the repository, removed from the folder of all trees, and read in itself:
     * nothing that touches an agent's files is run where it could write the repository's settings
     * (dispatch/job/start.c). */
    const char *name = strrchr(path, '/');
    const struct bytes trees = {path, name == NULL ? 0 : (size_t)(name - path)};
    const bool in_trees = order->job == TREE_REMOVE || order->job == TREE_WIPE;
    text_add_member(text, "cwd",
                    order->job == TREE_DIFF    ? bytes_of(path)
                    : in_trees && name != NULL ? trees
                                               : bytes_of(top));
    /* A tree's .git and what git keeps of it can be written by the agent, and say where settings
     * are read from: those are always the repository's own. */
    text_add_str(text, ",\"env\":{\"GIT_TERMINAL_PROMPT\":\"0\",\"LC_ALL\":\"C\"");
    if (order->texts[TREE_GIT][0] != '\0') {
        text_add_member(text, "GIT_COMMON_DIR", bytes_of(order->texts[TREE_GIT]));
    }
    text_addf(text, "},\"timeout_ms\":%d,\"limits\":{\"output\":65536}", times_ms[order->job]);
    text_add_str(text, order->sandbox ? ",\"sandbox\":\"on\"}" : "}");
}

void tree_job_fill(const struct tree_order *order, struct text *bytes, struct run_new *io_job) {
    static const char *const labels[] = {[TREE_HEAD] = "git rev-parse HEAD",
                                         [TREE_ADD] = "git worktree add",
                                         [TREE_REMOVE] = "git worktree remove",
                                         [TREE_WIPE] = "rm of half a working tree",
                                         [TREE_DIFF] = "git diff",
                                         [TREE_FORGET] = "git update-ref -d",
                                         [TREE_NO_JOB] = ""};
    const char *top = order->texts[TREE_TOP];
    const struct sha256 digest = sha256_of(top, strlen(top));
    const struct sha256_hex hex = sha256_hex(&digest);
    text_addf(bytes, "worktrees %.32s%s %.*s", hex.text, labels[order->job], (int)order->user.len,
              order->user.data);
    const size_t head_len = bytes->len;
    if (order->job != TREE_NO_JOB) {
        spec_write(order, bytes);
    }
    if (text_failed(bytes)) {
        bytes->len = head_len;
    }
    io_job->own_key = (struct bytes){bytes->data, KEY_LEN};
    io_job->key_max = 1;
    io_job->label = (struct bytes){bytes->data + KEY_LEN, head_len - KEY_LEN};
    io_job->spec = (struct bytes){bytes->data + head_len, bytes->len - head_len};
}

/* --- Failures --------------------------------------------------------------------------------- */

void tree_job_ended(const struct run_wait *wait, char ret_log[static PROTOCOL_NAME_MAX + 1],
                    struct text *ret_fault) {
    const struct run_status *status = &wait->status;
    ret_log[0] = '\0';
    text_clear(ret_fault);
    if (status->found) {
        (void)snprintf(ret_log, PROTOCOL_NAME_MAX + 1, "%s.%lld", wait->run.text,
                       (long long)status->attempt);
    }
    if (status->found && status->state != RUN_SUCCEEDED) {
        text_addf(ret_fault, "git: %s",
                  status->cause == CAUSE_NOT_STARTED ? "it cannot be started; is it installed?"
                                                     : run_cause_about(status->cause));
    }
}

/* Messages of several versions of git about a repository without a commit. */
static bool is_without_commit(struct bytes line) {
    return bytes_is(line, "fatal: invalid reference: HEAD") ||
           bytes_is(line, "fatal: not a valid object name: HEAD") ||
           bytes_is(line, "fatal: not a valid object name: 'HEAD'") ||
           bytes_is(line, "fatal: Needed a single revision");
}

void tree_fault_read(const struct spool *spool, const char *log, struct text *io_fault) {
    const struct log_place place = {.name = log, .stream = LOG_ERR};
    AUTO(mem_release) char *output = mem_new(LOG_MAX + 1);
    struct log_read read = {0};
    if (err_failed(spool_log_read(spool, &place, output, LOG_MAX, &read))) {
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
        text_clear(io_fault);
        text_add_str(io_fault, "its git repository has no commit, which a working tree needs");
    } else if (line.len > 0 && utf8_valid(line.data, line.len)) {
        text_clear(io_fault);
        text_add(io_fault, line.data, utf8_cut(line, FAULT_MAX));
    }
}
