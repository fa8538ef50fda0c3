/* command_diff.c: drover diff: the changes themselves, as `git apply` and `patch -p1` take them. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/changes/scope.h"
#include "cli/run/download.h"
#include "cli/terminal/plain.h"

enum { TARGET_MAX = 64 << 10 };

struct diff {
    struct invocation *invocation;
    struct changes_scope scope;
    struct paint paint;
    bool in_hunk;
};

static void diff_done(struct diff *diff) {
    changes_scope_done(&diff->scope);
}

/* `path` NULL: all of them. */
static struct err diff_print(struct diff *diff, struct talk *talk, const char *path,
                             int64_t *io_bytes) {
    struct why *why = &diff->invocation->why;
    const char *base = args_text(&diff->invocation->args, "base");
    AUTO(text_done) struct text target = text_up_to(TARGET_MAX);
    text_add(&target, diff->scope.path.data, diff->scope.path.len);
    text_add_str(&target, "/diff");
    if (base != NULL) {
        text_add_str(&target, "?base=");
        client_add_escaped(&target, base);
    }
    if (path != NULL) {
        text_add_str(&target, base != NULL ? "&path=" : "?path=");
        client_add_escaped(&target, path);
    }
    if (text_failed(&target)) {
        return err_why(why, ERR_USAGE, "a path, or the base, is too long");
    }
    const struct download what = {.target = text_bytes(&target).data,
                                  .media = "text/x-diff",
                                  .out = stdout,
                                  .paint = &diff->paint,
                                  .colour = download_diff_colour,
                                  .ctx = &diff->in_hunk,
                                  .io_bytes = io_bytes};
    const struct err err = download(talk, &what, why);
    if (err.code == ERR_TEXT_TOO_LONG) {
        why_set(why, "the diff is too long for one answer: name files of it; 'drover changes' "
                     "lists them");
    }
    return err;
}

/* An empty diff says nothing: the list knows why. */
static struct err empty_explain(struct diff *diff, struct talk *talk) {
    static const struct changes_wish wish = {.limit = 1};
    AUTO(json_release) json_t *list = NULL;
    TRY(changes_list(talk, &diff->scope, &wish, &list));
    TRY(changes_state_print(diff->invocation, list));
    if (json_is_object(json_object_get(list, "world"))) {
        plain_note("drover: nothing has changed\n");
    }
    return ERR_OK;
}

static bool operand_is_whose(const char *word) {
    static const char *const prefixes[] = {"ses_", "run_", "tsk_"};
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        if (strncmp(word, prefixes[i], 4) == 0) {
            return true;
        }
    }
    return false;
}

static struct err diff_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    AUTO(diff_done)
    struct diff diff = {.invocation = invocation,
                        .paint = paint_of(STDOUT_FILENO, &invocation->env)};
    unsigned first = 0;
    int64_t bytes = 0;
    if (args->operand_count > 0 && operand_is_whose(args->operands[0])) {
        first = 1;
    } else if (args->operand_count > 0 && !name_is_path(args->operands[0])) {
        return err_why(&invocation->why, ERR_NOT_FOUND,
                       "there is no session and no run '%.60s'; write ./%.60s for a path",
                       args->operands[0], args->operands[0]);
    }
    TRY(changes_scope_find(talk, first > 0 ? args->operands[0] : NULL, &diff.scope));
    if (args->operand_count == first) {
        TRY(diff_print(&diff, talk, NULL, &bytes));
        return bytes > 0 ? ERR_OK : empty_explain(&diff, talk);
    }
    for (unsigned i = first; i < args->operand_count; i++) {
        AUTO(text_done) struct text name = text_up_to(TARGET_MAX);
        const int64_t before = bytes;
        changes_path_name(args->operands[i], &name);
        TRY(diff_print(&diff, talk, text_bytes(&name).data, &bytes));
        if (bytes == before) {
            AUTO(text_done) struct text line = {0};
            plain_line(&line, text_bytes(&name).data);
            plain_note("drover: %s has not changed; 'drover changes' lists what has\n",
                       text_bytes(&line).data);
        }
    }
    return ERR_OK;
}

static const struct flag diff_flags[] = {CHANGES_BASE_FLAG, OPTION_END};

const struct command command_diff = {
    COMMAND(NULL, "diff", "[SESSION|RUN|PATH] [PATH]…",
            "Print changes of agents as a diff that git apply takes."),
    HELP(RUNS, "drover diff\n"
               "drover diff last src/main.c\n"
               "drover diff last --base turn:2\n"),
    .operands_max = ARGS_OPERANDS_MAX,
    .flags = diff_flags,
    .about = CHANGES_WHOSE_ABOUT
    "A first word with a slash, or that names a file, is a PATH. PATH is one that\n"
    "'drover changes' lists, from the top of the folder. Output that is no terminal\n"
    "gets the diff byte by byte: drover diff last | git apply --reverse\n",
    .converse = diff_run,
};
