/* command_workflow.c: drover workflow ls, show: which workflows there are. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/base/table.h"
#include "cli/terminal/paint.h"

static const struct flag root_flags[] = {
    OPTION_TEXT("root", 'r', "DIR", "The folder of the project (else this one)."),
    OPTION_END,
};
static const struct flag show_flags[] = {
    OPTION_TEXT("root", 'r', "DIR", "The folder of the project (else this one)."),
    OPTION_SWITCH("source", 's', "Only its source."),
    OPTION_END,
};

/* Asks for all workflows, or for one by name. The root is sent as an absolute path: the daemon may
 * stand in another folder than we. */
static struct err catalog_ask(struct invocation *invocation, const char *name,
                              json_t **ret_answer) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done)
    struct text target = text_up_to(32 << 10), root = text_up_to(2 * LIMIT_PATH_MAX);
    const char *given = args_text(&invocation->args, "root");
    char here[LIMIT_PATH_MAX] = "";
    if ((given == NULL || given[0] != '/') && getcwd(here, sizeof here) == NULL) {
        return err_why(&invocation->why, ERR_USAGE,
                       "this folder has no path; name one with --root");
    }
    text_addf(&root, "%s%s%s", here, here[0] != '\0' && given != NULL ? "/" : "",
              given == NULL ? "" : given);
    text_add_str(&target, "/api/v1/workflows");
    if (name != NULL) {
        text_add_char(&target, '/');
        client_add_escaped(&target, name);
    }
    text_add_str(&target, "?root=");
    client_add_escaped(&target, text_bytes(&root).data);
    if (text_failed(&root) || text_failed(&target)) {
        return err_why(&invocation->why, ERR_USAGE, "the path is too long");
    }
    const struct resource catalog = {.base = target.data};
    return resource_open(&talk, invocation, &catalog, ret_answer);
}

/* --- List ------------------------------------------------------------------------------------- */

static void fault_print(const struct paint *paint, const json_t *row) {
    const json_t *fault = json_object_get(row, "error");
    if (fault != NULL) {
        printf("%s%s:%lld:%lld: %s%s\n", paint_begin(paint, COLOUR_RED), talk_text(row, "file"),
               (long long)talk_int(fault, "line"), (long long)talk_int(fault, "column"),
               talk_text(fault, "detail"), paint_end(paint, COLOUR_RED));
    }
}

static struct err ls_run(struct invocation *invocation) {
    AUTO(json_release) json_t *answer = NULL;
    struct err err = catalog_ask(invocation, NULL /* all */, &answer);
    if (err_failed(err)) {
        return err;
    }
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    const json_t *rows = json_object_get(answer, "workflows"), *row = NULL;
    size_t at = 0;
    if (!invocation->json) {
        printf("%-24s  %-8s  %-8s  %s\n", "WORKFLOW", "FROM", "STATE", "DESCRIPTION");
    }
    json_array_foreach(rows, at, row) {
        if (invocation->json) {
            talk_print(row);
            continue;
        }
        bool shadowed = json_is_true(json_object_get(row, "shadowed"));
        bool broken = json_object_get(row, "error") != NULL;
        enum colour colour = shadowed ? COLOUR_GREY : broken ? COLOUR_RED : COLOUR_NONE;
        printf("%s%-24s  %-8s  %-8s  %s%s\n", paint_begin(&paint, colour), talk_text(row, "name"),
               talk_text(row, "origin"),
               shadowed ? "shadowed"
               : broken ? "broken"
                        : "",
               talk_text(row, shadowed || broken ? "file" : "description"),
               paint_end(&paint, colour));
    }
    json_array_foreach(invocation->json ? NULL : rows, at, row) {
        fault_print(&paint, row);
    }
    json_array_foreach(json_object_get(answer, "places"), at, row) {
        if (json_object_get(row, "problem") != NULL) {
            fprintf(stderr, "drover: %s: %s\n", talk_text(row, "path"), talk_text(row, "problem"));
        } else if (json_is_true(json_object_get(row, "truncated"))) {
            fprintf(stderr, "drover: %s has more files than are read\n", talk_text(row, "path"));
        }
    }
    if (talk_int(answer, "unchecked") > 0) {
        fprintf(stderr,
                "drover: %lld of them were not checked by the engine yet; the next list goes on\n",
                (long long)talk_int(answer, "unchecked"));
    }
    return ERR_OK;
}

const struct command command_workflow_ls = {
    COMMAND("workflow", "ls", NULL,
            "List the workflows of a project, of your home and those built in."),
    .flags = root_flags,
    .talks = true,
    .about = "Searched are .drover/workflows, .claude/workflows and .boocode/workflows: of the\n"
             "project's folder and those above it in its repository, then of your home. The first\n"
             "of a name counts; the others are shown as shadowed, broken ones with their fault.\n",
    .run = ls_run,
};

/* --- Show ------------------------------------------------------------------------------------- */

static void phases_print(const json_t *workflow) {
    const json_t *phase = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(workflow, "phases"), at, phase) {
        const char *detail = talk_text(phase, "detail");
        printf("%-12s %s%s%s\n", at == 0 ? "phases" : "", talk_text(phase, "title"),
               detail[0] == '\0' ? "" : ": ", detail);
    }
}

static void notes_print(const json_t *workflow) {
    const json_t *note = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(workflow, "notes"), at, note) {
        printf("%-12s %lld:%lld: %s\n", talk_text(note, "severity"),
               (long long)talk_int(note, "line"), (long long)talk_int(note, "column"),
               talk_text(note, "detail"));
    }
}

static const struct column lines[] = {
    LINE("workflow", "name", COLUMN_TEXT),
    LINE("description", "description", COLUMN_TEXT),
    LINE("when to use", "when_to_use", COLUMN_OPTIONAL),
    LINE("file", "file", COLUMN_TEXT),
    LINE("form", "form", COLUMN_TEXT),
    COLUMN_PRINT("phases", phases_print),
    LINE("args", "args", COLUMN_JSON),
    COLUMN_PRINT("notes", notes_print),
    COLUMN_END,
};

static struct err show_run(struct invocation *invocation) {
    AUTO(json_release) json_t *row = NULL;
    struct err err = catalog_ask(invocation, invocation->args.operands[0], &row);
    if (err_failed(err)) {
        return err;
    }
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    if (invocation->json) {
        talk_print(row);
    } else if (args_on(&invocation->args, "source")) {
        (void)fputs(talk_text(row, "source"), stdout); /* As for printf. */
    } else {
        table_lines(lines, 12, row);
        fault_print(&paint, row);
        printf("\n%s\n", talk_text(row, "source"));
    }
    return ERR_OK;
}

const struct command command_workflow_show = {
    COMMAND("workflow", "show", "NAME", "Show a workflow, with its source."),
    .flags = show_flags,
    .talks = true,
    .run = show_run,
};
