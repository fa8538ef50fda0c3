/* tree_job.c: see tree_job.h. */
#include "dispatch/base/tree_job.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tool/tree_words.h"

enum { KEY_LEN = sizeof "worktrees " - 1 + 32, LOG_MAX = 16 << 10, FAULT_MAX = 400 };

static const int times_ms[] = {
    [TREE_HEAD] = 60000,  [TREE_ADD] = 600000,     [TREE_REMOVE] = 600000,
    [TREE_WIPE] = 600000, [TREE_DIFF] = 60000,     [TREE_FORGET] = 60000,
    [TREE_FILL] = 600000, [TREE_SET_UP] = 1800000, [TREE_TEAR_DOWN] = 300000};

static bool is_command(enum tree_job job) {
    return job == TREE_SET_UP || job == TREE_TEAR_DOWN;
}

/* A line of the project's, in the folder where its agent will work, as that runs commands. */
static void command_write(const struct tree_order *order, struct text *text) {
    const bool sets_up = order->job == TREE_SET_UP;
    AUTO(text_done) struct text line = text_up_to(TREE_COMMAND_MAX + 512);
    /* Only where git will remove the tree: a removal that was asked for has looked already. */
    if (!sets_up && order->care == TREE_UNCHANGED) {
        text_addf(&line,
                  "[ -z \"$(git status --porcelain)\" ] && [ \"$(git rev-parse HEAD)\" = '%s' ]"
                  " || exit 0\n",
                  order->texts[TREE_BASE]);
    }
    text_add_str(&line, order->texts[sets_up ? TREE_SETUP : TREE_TEARDOWN]);
    text_add_char(text, '{');
    text_add_member(text, "shell", text_bytes(&line));
    text_add_member_str(text, "cwd", order->texts[TREE_ROOT]);
    if (order->texts[TREE_PORTS][0] != '\0') {
        text_add_member_str(text, "ports", order->texts[TREE_PORTS]);
    }
    text_addf(text, ",\"timeout_ms\":%d", times_ms[order->job]);
    text_add_str(text, order->sandbox ? ",\"sandbox\":\"on\"}" : "}");
}

static void spec_write(const struct tree_order *order, struct text *text) {
    const char *path = order->texts[TREE_PATH], *top = order->texts[TREE_TOP];
    if (is_command(order->job)) {
        command_write(order, text);
        return;
    }
    tree_argv_write(order, text);
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
                                         [TREE_FILL] = "copy of ignored files",
                                         [TREE_SET_UP] = "setup",
                                         [TREE_TEAR_DOWN] = "teardown",
                                         [TREE_NO_JOB] = ""};
    /* A long command of one tree holds up no other one. */
    const char *top = order->texts[is_command(order->job) ? TREE_PATH : TREE_TOP];
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
