/* command_worktree.c: drover worktree ls, show, diff, apply, open: working trees of agents. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"
#include "cli/changes/scope.h"
#include "cli/run/download.h"
#include "cli/session/rewind.h"
#include "cli/terminal/confirm.h"
#include "cli/terminal/plain.h"
#include "cli/tree/contents.h"
#include "rules/tree/tree.h"

enum {
    TARGET_MAX = 64 << 10,
    BODY_MAX = 8 << 20,
    LINES_MAX = 8 << 20,
    APPLY_MS = 11 * 60 * 1000, /* Longer than the daemon takes at most. */
    LOOKS_MS = 10 * 60 * 1000,
};

/* --- The list --------------------------------------------------------------------------------- */

static void tree_size_add(const json_t *tree, struct text *value) {
    const int64_t bytes = talk_int(json_object_get(tree, "look"), "bytes");
    text_add_str(value, bytes > 0 ? quantity_about(bytes).text : "-");
}

/* The last change of a file; without a look, of the row. */
static void tree_age_add(const json_t *tree, struct text *value) {
    const int64_t newest_ms = talk_int(json_object_get(tree, "look"), "newest_ms");
    const int64_t at_ms = newest_ms > 0 ? newest_ms : talk_int(tree, "changed_ms");
    text_add_str(value, talk_ago(at_ms, world_wall_ms(world_real())).text);
}

static void tree_base_add(const json_t *tree, struct text *value) {
    text_addf(value, "%.12s", talk_text(tree, "base"));
}

static const struct column ls_columns[] = {
    COLUMN("NAME", -24, "name", COLUMN_TEXT),
    ID_COLUMN("HOLDER", "holder"),
    COLUMN_LEAVING("STATE", -7, "state", COLUMN_TEXT),
    COLUMN_LEAVING("BRANCH", -28, "branch", COLUMN_OPTIONAL),
    {.title = "BASE", .width = -12, .add = tree_base_add, .fit = FIELD_LEAVES},
    COLUMN_ADD("SIZE", 8, tree_size_add),
    COLUMN_ADD("AGE", -FIELD_TIME_WIDTH, tree_age_add),
    COLUMN_ADD("CHANGES", 0, tree_changes_add),
    COLUMN_END,
};
static const struct flag ls_flags[] = {LISTING_OF(&tree_resource.fields), OPTION_END};

const struct command command_worktree_ls = {
    COMMAND("worktree", "ls", NULL, "List working trees of agents, with what they hold."),
    HELP(SESSIONS, "drover worktree ls\n"
                   "drover worktree ls --project shop\n"),
    .flags = ls_flags,
    .about = "CHANGES are files that differ from the base, with new ones that git does not\n"
             "ignore, and commits that are on no other branch, remote or tag: a removal would\n"
             "lose those. SIZE is that of the first 200,000 files.\n",
    ACTION("GET /api/v1/worktrees?look=true", .columns = ls_columns, .timeout_ms = LOOKS_MS,
           .empty = "There are no working trees. 'drover chat --worktree' makes one."),
};

/* --- One -------------------------------------------------------------------------------------- */

static void changes_print(const json_t *tree) {
    AUTO(text_done) struct text text = text_up_to(256);
    const json_t *look = json_object_get(tree, "look");
    tree_changes_add(tree, &text);
    printf("changes     %s\n", text_bytes(&text).data);
    if (talk_text(look, "detail")[0] != '\0') {
        AUTO(text_done) struct text line = {0};
        plain_line(&line, talk_text(look, "detail"));
        printf("look        %s\n", text_bytes(&line).data);
    }
}

static void size_print(const json_t *tree) {
    const int64_t bytes = talk_int(json_object_get(tree, "look"), "bytes");
    if (bytes > 0) {
        printf("size        %s\n", quantity_about(bytes).text);
    }
}

static const struct column show_lines[] = {
    LINE("tree", "id", COLUMN_TEXT),
    LINE("name", "name", COLUMN_TEXT),
    LINE("holder", "holder", COLUMN_TEXT),
    LINE("project", "project", COLUMN_OPTIONAL),
    LINE("state", "state", COLUMN_TEXT),
    LINE("detail", "detail", COLUMN_OPTIONAL),
    LINE("path", "path", COLUMN_TEXT),
    LINE("root", "root", COLUMN_TEXT),
    LINE("branch", "branch", COLUMN_OPTIONAL),
    LINE("base", "base", COLUMN_OPTIONAL),
    LINE("setup", "setup", COLUMN_OPTIONAL),
    LINE("teardown", "teardown", COLUMN_OPTIONAL),
    LINE("ports", "ports", COLUMN_OPTIONAL),
    LINE("created", "made_ms", COLUMN_TIME),
    LINE_PRINT("size", size_print),
    LINE_PRINT("changes", changes_print),
    COLUMN_END,
};

static struct err tree_show_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *tree = NULL;
    AUTO(text_done) struct text lines = text_up_to(LINES_MAX);
    TRY(tree_get(talk, invocation->args.operands[0], &tree, &invocation->why));
    if (invocation->json) {
        talk_print(tree);
        return ERR_OK;
    }
    table_lines(invocation, show_lines, 11, tree);
    tree_lost_add(tree, &lines);
    if (lines.len > 0) {
        puts("\nA removal would lose:");
        plain_print(text_bytes(&lines));
    }
    return ERR_OK;
}

const struct command command_worktree_show = {
    COMMAND("worktree", "show", "WORKTREE", "Show a working tree, and what a removal would lose."),
    HELP(SESSIONS, "drover worktree show last\n"
                   "drover worktree show s-k3v7d2\n"),
    .converse = tree_show_run,
};

/* --- Its changes ------------------------------------------------------------------------------ */

static void path_param_add(const char *typed, struct text *target) {
    AUTO(text_done) struct text name = text_up_to(TARGET_MAX);
    changes_path_name(typed, &name);
    text_add_str(target, "?path=");
    client_add_escaped(target, text_bytes(&name).data);
}

static struct err diff_print(struct invocation *invocation, struct talk *talk, const char *path,
                             int64_t *io_bytes) {
    AUTO(text_done) struct text target = text_up_to(TARGET_MAX);
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    const char *id = invocation->args.operands[0];
    bool in_hunk = false;
    if (!talk_target(&target, "/api/v1/worktrees/", id, "/diff")) {
        talk_unknown(&invocation->why, "there is no working tree '{}'", id);
        return err_make(ERR_NOT_FOUND, "worktree: id");
    }
    if (path != NULL) {
        path_param_add(path, &target);
    }
    if (text_failed(&target)) {
        return err_why(&invocation->why, ERR_USAGE, "a path is too long");
    }
    const struct download what = {.target = text_bytes(&target).data,
                                  .media = "text/x-diff",
                                  .out = stdout,
                                  .paint = &paint,
                                  .colour = download_diff_colour,
                                  .ctx = &in_hunk,
                                  .io_bytes = io_bytes};
    return download(talk, &what, &invocation->why);
}

static struct err diff_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    int64_t bytes = 0;
    for (unsigned i = args->operand_count > 1 ? 1 : 0; i < args->operand_count; i++) {
        TRY(diff_print(invocation, talk, i > 0 ? args->operands[i] : NULL, &bytes));
    }
    if (bytes == 0) {
        plain_note("drover: nothing has changed since the base of the working tree\n");
    }
    return ERR_OK;
}

const struct command command_worktree_diff = {
    COMMAND("worktree", "diff", "WORKTREE [PATH]…",
            "Print the changes of a working tree as a diff."),
    HELP(SESSIONS, "drover worktree diff last\n"
                   "drover worktree diff last src/main.c\n"),
    .operands_max = ARGS_OPERANDS_MAX,
    .about = "All changes since the base of the tree: its commits, uncommitted changes and new\n"
             "files that git does not ignore. PATH is one from the top of the tree. Output\n"
             "that is no terminal gets the diff byte by byte.\n",
    .converse = diff_run,
};

/* --- Apply ------------------------------------------------------------------------------------ */

static void list_member_add(const struct args *args, const char *flag, const char *member,
                            struct text *body) {
    unsigned cursor = 0;
    bool first = true;
    for (const char *path = NULL; (path = args_next(args, flag, &cursor)) != NULL;) {
        if (first) {
            text_add_name(body, member);
            text_add_char(body, '[');
        }
        text_add_str(body, first ? "" : ",");
        text_add_json(body, path, strlen(path));
        first = false;
    }
    text_add_str(body, first ? "" : "]");
}

static struct err apply_ask(struct invocation *invocation, struct talk *talk, bool preview,
                            json_t **ret_answer) {
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    text_add_char(&body, '{');
    text_add_member_bool(&body, "preview", preview);
    list_member_add(&invocation->args, "path", "paths", &body);
    list_member_add(&invocation->args, "force", "force", &body);
    text_add_char(&body, '}');
    const struct api_request request = {.method = "POST",
                                        TREE_REQUEST(invocation->args.operands[0]),
                                        .rest = "/apply",
                                        .body = &body,
                                        .timeout_ms = APPLY_MS};
    return api_ask(talk, &request, ret_answer, &invocation->why);
}

/* Shows the preview. *ret_go: whether the change is to follow. */
static struct err apply_preview(struct invocation *invocation, struct talk *talk, bool *ret_go) {
    static const struct rewind_fates fates = {"created", "removed", "changed"};
    AUTO(json_release) json_t *plan = NULL;
    AUTO(text_done) struct text lines = text_up_to(LINES_MAX);
    TRY(apply_ask(invocation, talk, true /* preview */, &plan));
    if (invocation->json) {
        talk_print(plan);
        return ERR_OK;
    }
    const size_t files = json_array_size(json_object_get(plan, "files"));
    const size_t refused = rewind_refused_count(plan);
    rewind_files_add(plan, &fates, &lines);
    rewind_refused_add(plan, &lines);
    plain_print(text_bytes(&lines));
    if (files == 0 && refused == 0) {
        puts("The root has all changes of the working tree.");
        return ERR_OK;
    }
    if (args_on(&invocation->args, "preview")) {
        return ERR_OK;
    }
    if (refused > 0) {
        return err_why(&invocation->why, ERR_CHANGED_SINCE,
                       "%zu file%s changed in the root, too; nothing was applied. --force PATH "
                       "applies one all the same",
                       refused, refused == 1 ? " was" : "s were");
    }
    *ret_go = true;
    if (args_on(&invocation->args, "yes") || !confirm_possible()) {
        return ERR_OK;
    }
    AUTO(text_done) struct text question = text_up_to(256);
    text_addf(&question, "Apply %zu file%s?", files, plural((int64_t)files));
    TRY(confirm_ask(question.data, talk->interrupt_fd, ret_go));
    if (!*ret_go) {
        puts("Nothing was applied.");
    }
    return ERR_OK;
}

static struct err apply_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *answer = NULL;
    bool go = invocation->json && !args_on(&invocation->args, "preview");
    if (!go) {
        TRY(apply_preview(invocation, talk, &go));
    }
    if (!go) {
        return ERR_OK;
    }
    TRY(apply_ask(invocation, talk, false /* preview */, &answer));
    if (invocation->json) {
        talk_print(answer);
        return ERR_OK;
    }
    const size_t files = json_array_size(json_object_get(answer, "files"));
    printf("Applied %zu file%s.\n", files, plural((int64_t)files));
    return ERR_OK;
}

static const struct flag apply_flags[] = {
    OPTION_LIST("path", 0, "PATH", "Apply only this file; may be repeated."),
    OPTION_LIST("force", 0, "PATH",
                "Apply this file also where the root has other changes; may be repeated."),
    OPTION_SWITCH("preview", 0, "Show what would happen, without doing it."),
    OPTION_SWITCH("yes", 'y', "Do it without asking."),
    OPTION_END,
};

const struct command command_worktree_apply = {
    COMMAND("worktree", "apply", "WORKTREE", "Merge the changes of a working tree onto its root."),
    HELP(SESSIONS, "drover worktree apply last --preview\n"
                   "drover worktree apply last --path src/main.c\n"),
    .flags = apply_flags,
    .about = "Shows the change of each file, and asks at a terminal. The changes are merged\n"
             "onto the files as they are now: other changes there stay. Where the same lines\n"
             "were changed, nothing happens, and the files are listed. Nothing is committed.\n",
    .converse = apply_run,
};

/* --- A shell ---------------------------------------------------------------------------------- */

/* The variables of this process, and those of the tree in front: the first of a name counts. */
struct shell_variables {
    char name[64 + TREE_NAME_MAX * 4], port[32], ports[64];
    const char **list; /* Owned; ends with NULL. */
};

static void variables_fill(const json_t *tree, struct shell_variables *variables) {
    static const char *const own[] = {"DROVER_WORKTREE=", "DROVER_PORT=", "DROVER_PORTS="};
    const char *ports = talk_text(tree, "ports");
    size_t size = COUNT_OF(own) + 1, at = 0;
    for (char **one = environ; one != NULL && *one != NULL; one++) {
        size++;
    }
    variables->list = mem_new_array(size, sizeof *variables->list);
    (void)snprintf(variables->name, sizeof variables->name, "%s%s", own[0],
                   talk_text(tree, "name")); /* A longer one is cut. */
    variables->list[at++] = variables->name;
    if (ports[0] != '\0') {
        (void)snprintf(variables->port, sizeof variables->port, "%s%.*s", own[1],
                       (int)strcspn(ports, "-"), ports);
        (void)snprintf(variables->ports, sizeof variables->ports, "%s%s", own[2], ports);
        variables->list[at++] = variables->port;
        variables->list[at++] = variables->ports;
    }
    for (char **one = environ; one != NULL && *one != NULL; one++) {
        bool is_own = false;
        for (size_t i = 0; i < COUNT_OF(own) && !is_own; i++) {
            is_own = bytes_begin(bytes_of(*one), bytes_of(own[i]));
        }
        if (!is_own) {
            variables->list[at++] = *one;
        }
    }
}

static void variables_done(struct shell_variables *variables) {
    mem_free(variables->list);
}

static struct err open_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *tree = NULL;
    struct why *why = &invocation->why;
    const char *shell = getenv("SHELL");
    TRY(tree_get(talk, invocation->args.operands[0], &tree, why));
    const char *root = talk_text(tree, "root"), *name = talk_text(tree, "name");
    if (invocation->json || args_on(&invocation->args, "print")) {
        if (invocation->json) {
            talk_print(tree);
        } else {
            puts(root);
        }
        return ERR_OK;
    }
    if (chdir(root) < 0) {
        return err_why(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_NO_PERMISSION,
                       "the folder of %.100s cannot be entered (%.200s: %s); the next turn of its "
                       "holder makes it again",
                       name, root, strerror(errno));
    }
    shell = shell != NULL && shell[0] == '/' ? shell : "/bin/sh";
    AUTO(variables_done) struct shell_variables variables = {.name = ""};
    variables_fill(tree, &variables);
    plain_note("drover: a shell in the working tree %s; 'exit' leaves it\n", name);
    (void)fflush(stdout); /* exec keeps no buffer. */
    talk_close(talk);
    char *const *env = (char *const *)(uintptr_t)variables.list; /* exec writes none of these. */
    (void)execve(shell, (char *const[]){(char *)(uintptr_t)shell, NULL}, env); /* Or it failed. */
    return err_why(why, ERR_NOT_FOUND, "the shell %.200s cannot be started: %s", shell,
                   strerror(errno));
}

static const struct flag open_flags[] = {
    OPTION_SWITCH("print", 0, "Print the path of the folder, and open no shell."),
    OPTION_END,
};

const struct command command_worktree_open = {
    COMMAND("worktree", "open", "WORKTREE", "Open a shell in a working tree."),
    HELP(SESSIONS, "drover worktree open last\n"
                   "drover worktree open last --print\n"),
    .flags = open_flags,
    .about = "Starts $SHELL in the folder in which the agent works. DROVER_WORKTREE is the\n"
             "name of the tree; DROVER_PORT and DROVER_PORTS are set as in its commands.\n",
    .converse = open_run,
};
