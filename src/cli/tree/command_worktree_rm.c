/* command_worktree_rm.c: drover worktree rm, prune: working trees are removed. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"
#include "cli/terminal/confirm.h"
#include "cli/terminal/plain.h"
#include "cli/tree/contents.h"

enum { LINES_MAX = 8 << 20, REMOVE_MS = 20 * 60 * 1000, BODY_MAX = 4 << 10 };

/* --- One -------------------------------------------------------------------------------------- */

/* Prints what would be lost. *ret_lost: whether that is anything. */
static struct err lost_print(struct invocation *invocation, struct talk *talk, json_t **ret_tree,
                             bool *ret_lost) {
    AUTO(text_done) struct text lines = text_up_to(LINES_MAX);
    TRY(tree_get(talk, invocation->args.operands[0], ret_tree, &invocation->why));
    tree_lost_add(*ret_tree, &lines);
    *ret_lost = lines.len > 0;
    if (lines.len > 0 && !invocation->json) {
        printf("%s holds work that is nowhere else.\n", talk_text(*ret_tree, "name"));
        plain_print(text_bytes(&lines));
    }
    return ERR_OK;
}

static struct err remove_ask(struct invocation *invocation, struct talk *talk, bool force,
                             json_t **ret_answer) {
    const struct api_request request = {.method = "DELETE",
                                        TREE_REQUEST(invocation->args.operands[0]),
                                        .rest = force ? "?force=true" : NULL,
                                        .timeout_ms = REMOVE_MS};
    return api_ask(talk, &request, ret_answer, &invocation->why);
}

static struct err rm_one(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *tree = NULL;
    AUTO(json_release) json_t *answer = NULL;
    const bool force = args_on(&invocation->args, "force");
    bool lost = false, go = true;
    TRY(lost_print(invocation, talk, &tree, &lost));
    if (force && lost && !args_on(&invocation->args, "yes") && !invocation->json &&
        confirm_possible()) {
        TRY(confirm_ask("Remove all of that?", talk->interrupt_fd, &go));
    }
    if (!go) {
        puts("Nothing was removed.");
        return ERR_OK;
    }
    TRY(remove_ask(invocation, talk, force, &answer));
    if (invocation->json) {
        talk_print(answer);
    } else {
        const char *branch = talk_text(answer, "branch");
        printf("%s is removed%s%s\n", talk_text(answer, "name"),
               branch[0] != '\0' ? ", with its branch " : "", branch);
    }
    return ERR_OK;
}

static struct err rm_run(struct invocation *invocation, struct talk *talk) {
    return action_each(invocation, talk, rm_one);
}

static const struct flag rm_flags[] = {
    OPTION_SWITCH("force", 'f', "Remove it with all that it holds."),
    OPTION_SWITCH("yes", 'y', "Do not ask before work is removed by --force."),
    OPTION_END,
};

const struct command command_worktree_rm = {
    COMMAND("worktree", "rm", "WORKTREE…", "Remove a working tree and its branch."),
    HELP(SESSIONS, "drover worktree rm last\n"
                   "drover worktree rm s-k3v7d2 --force\n"),
    .flags = rm_flags,
    .about = "Prints what would be lost: uncommitted and new files, and commits that are on no\n"
             "other branch, remote or tag. Where that is anything, --force is needed. Files\n"
             "that git ignores go without a word. Refused while an agent works in the tree.\n",
    .converse = rm_run,
};

/* --- All that hold nothing -------------------------------------------------------------------- */

static void pruned_print(const json_t *answer) {
    const json_t *removed = json_object_get(answer, "removed"), *row = NULL;
    const json_t *kept = json_object_get(answer, "kept");
    const bool preview = json_is_true(json_object_get(answer, "preview"));
    int64_t bytes = 0;
    size_t at = 0;
    json_array_foreach(removed, at, row) {
        bytes += talk_int(row, "bytes");
        printf("%-12s  %s\n", preview ? "would remove" : "removed", talk_text(row, "name"));
    }
    json_array_foreach(kept, at, row) {
        AUTO(text_done) struct text line = {0};
        const char *name = talk_text(row, "name"), *why = talk_text(row, "why");
        const bool named = strncmp(why, name, strlen(name)) == 0; /* The reason begins with it. */
        plain_line(&line, why);
        printf("%-12s  %s%s%s\n", "kept", named ? "" : name, named ? "" : ": ",
               text_bytes(&line).data);
    }
    const size_t count = json_array_size(removed);
    printf("%zu working tree%s %s, %s%s\n", count, plural((int64_t)count),
           preview      ? "would be removed"
           : count == 1 ? "was removed"
                        : "were removed",
           quantity_about(bytes).text, preview ? " would be freed" : " freed");
}

static struct err prune_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    text_add_char(&body, '{');
    api_member(&body, "project", args_text(&invocation->args, "project"));
    text_add_member_bool(&body, "preview", args_on(&invocation->args, "dry-run"));
    text_add_char(&body, '}');
    const struct api_request request = {.method = "POST",
                                        .base = "/api/v1/worktrees/prune",
                                        .body = &body,
                                        .timeout_ms = REMOVE_MS};
    TRY(api_ask(talk, &request, &answer, &invocation->why));
    if (invocation->json) {
        talk_print(answer);
    } else {
        pruned_print(answer);
    }
    return ERR_OK;
}

static const struct flag prune_flags[] = {
    OPTION_TEXT("project", 'p', "PROJECT", "Remove only those of this project."),
    OPTION_SWITCH("dry-run", 0, "Show what would be removed, and remove nothing."),
    OPTION_END,
};

const struct command command_worktree_prune = {
    COMMAND("worktree", "prune", NULL, "Remove working trees of ended holders without work."),
    HELP(SESSIONS, "drover worktree prune --dry-run\n"
                   "drover worktree prune --project shop\n"),
    .flags = prune_flags,
    .about = "A holder has ended when its session is archived or deleted, its task is over, or\n"
             "its agent has ended. A tree stays where it has uncommitted or new files, or\n"
             "commits that are on no other branch, remote or tag.\n",
    .converse = prune_run,
};
