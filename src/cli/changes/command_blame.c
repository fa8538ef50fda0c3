/* command_blame.c: drover blame: who wrote each line of a file since a session or run began. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/changes/scope.h"
#include "cli/run/ask.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"

enum { TARGET_MAX = 64 << 10, NAME_CELLS_MAX = 24 };

static const char *author_name(const json_t *line) {
    const json_t *by = json_object_get(line, "by");
    const char *name = talk_text(by, "name");
    return name[0] != '\0' ? name : talk_text(line, "run");
}

static int names_width(const json_t *lines) {
    int width = 0;
    for (size_t i = 0; i < json_array_size(lines); i++) {
        AUTO(text_done) struct text name = {0};
        plain_line(&name, author_name(json_array_get(lines, i)));
        const int cells = cells_of(text_bytes(&name));
        width = cells > width ? cells : width;
    }
    return width < NAME_CELLS_MAX ? width : NAME_CELLS_MAX;
}

static void blame_line_print(const json_t *line, size_t number, int width) {
    AUTO(text_done) struct text name = {0}, text = {0}, out = text_up_to(16 << 10);
    const int64_t at_ms = talk_int(line, "at_ms");
    plain_line(&name, author_name(line));
    plain_line(&text, talk_text(line, "text"));
    for (int cells = cells_add(&out, text_bytes(&name), width); cells < width; cells++) {
        text_add_char(&out, ' ');
    }
    printf("%s  %-11s %5zu  %s\n", text_bytes(&out).data,
           at_ms > 0 ? talk_ago(at_ms, world_wall_ms(world_real())).text : "", number,
           text_bytes(&text).data);
}

static struct err blame_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    const char *base = args_text(args, "base");
    if (args->operand_count == 0) {
        return err_why(&invocation->why, ERR_USAGE,
                       "which file? 'drover changes' lists those that changed");
    }
    const char *path = args->operands[args->operand_count - 1];
    AUTO(changes_scope_done) struct changes_scope scope = {0};
    AUTO(text_done) struct text target = text_up_to(TARGET_MAX);
    AUTO(text_done) struct text name = text_up_to(TARGET_MAX);
    AUTO(json_release) json_t *answer = NULL;
    TRY(changes_scope_find(talk, args->operand_count > 1 ? args->operands[0] : NULL, &scope));
    changes_path_name(path, &name);
    text_add(&target, scope.path.data, scope.path.len);
    text_add_str(&target, "/blame?path=");
    client_add_escaped(&target, text_bytes(&name).data);
    if (base != NULL) {
        text_add_str(&target, "&base=");
        client_add_escaped(&target, base);
    }
    if (text_failed(&target)) {
        return err_why(&invocation->why, ERR_USAGE, "a path, or the base, is too long");
    }
    TRY(talk_get(talk, text_bytes(&target).data, &answer, &invocation->why));
    if (invocation->json) {
        talk_print(answer);
        return ERR_OK;
    }
    const json_t *lines = json_object_get(answer, "lines");
    if (json_is_true(json_object_get(answer, "binary"))) {
        plain_note("drover: the file is binary: it has no lines\n");
    }
    const int width = names_width(lines);
    for (size_t i = 0; i < json_array_size(lines); i++) {
        blame_line_print(json_array_get(lines, i), i + 1, width);
    }
    return ERR_OK;
}

static const struct flag blame_flags[] = {CHANGES_BASE_FLAG, OPTION_END};

const struct command command_blame = {
    COMMAND(NULL, "blame", "[SESSION|RUN|PATH] [PATH]",
            "Show which agent wrote each line of a file."),
    HELP(RUNS, "drover blame src/main.c\n"
               "drover blame last src/main.c --json\n"),
    .flags = blame_flags,
    .about =
        "Each line with its author and the time since then. A line without an author is\n"
        "older than the session, or nobody knows which of several wrote it.\n" CHANGES_WHOSE_ABOUT,
    .converse = blame_run,
};
