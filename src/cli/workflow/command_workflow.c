/* command_workflow.c: drover workflow ls, show: which workflows there are. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
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

/* Adds "?root=…": the daemon may stand in another folder than we. */
static struct err add_root(const struct invocation *invocation, struct text *target,
                           struct why *why) {
    const char *given = args_text(&invocation->args, "root");
    char here[LIMIT_PATH_MAX] = "";
    if ((given == NULL || given[0] != '/') && getcwd(here, sizeof here) == NULL) {
        why_set(why, "this folder has no path; name one with --root");
        return err_make(ERR_USAGE, "workflow: root");
    }
    AUTO(text_done) struct text root;
    text_init(&root, 2 * LIMIT_PATH_MAX);
    text_addf(&root, "%s%s%s", here, here[0] != '\0' && given != NULL ? "/" : "",
              given == NULL ? "" : given);
    text_add_str(target, "?root=");
    if (!text_failed(&root)) {
        client_add_escaped(target, root.data);
    }
    if (text_failed(&root) || text_failed(target)) {
        why_set(why, "the path is too long");
        return err_make(ERR_USAGE, "workflow: root");
    }
    return ERR_OK;
}

static struct err look(struct invocation *invocation, const char *name, json_t **ret_answer) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text target;
    text_init(&target, 32 << 10);
    text_add_str(&target, "/api/v1/workflows");
    if (name != NULL) {
        text_add_char(&target, '/');
        client_add_escaped(&target, name);
    }
    struct err err = add_root(invocation, &target, &invocation->why);
    if (!err_failed(err)) {
        err = talk_open(&talk, invocation);
    }
    const struct client_request request = {.method = "GET", .target = target.data};
    return err_failed(err) ? err
                           : talk_ask(&talk, &request, NULL /* parsed is enough */, ret_answer,
                                      &invocation->why);
}

/* --- List ------------------------------------------------------------------------------------- */

static void print_fault(const struct paint *paint, const json_t *row) {
    const json_t *fault = json_object_get(row, "error");
    if (fault != NULL) {
        printf("%s%s:%lld:%lld: %s%s\n", paint_begin(paint, COLOUR_RED), talk_text(row, "file"),
               (long long)talk_int(fault, "line"), (long long)talk_int(fault, "column"),
               talk_text(fault, "detail"), paint_end(paint, COLOUR_RED));
    }
}

static void print_row(const struct paint *paint, const json_t *row) {
    bool shadowed = json_is_true(json_object_get(row, "shadowed"));
    bool broken = json_object_get(row, "error") != NULL;
    const char *state = shadowed ? "shadowed" : broken ? "broken" : "";
    enum colour colour = shadowed ? COLOUR_GREY : broken ? COLOUR_RED : COLOUR_NONE;
    printf("%s%-24s  %-8s  %-8s  %s%s\n", paint_begin(paint, colour), talk_text(row, "name"),
           talk_text(row, "origin"), state,
           shadowed || broken ? talk_text(row, "file") : talk_text(row, "description"),
           paint_end(paint, colour));
}

static void print_troubles(const json_t *places) {
    for (size_t i = 0; i < json_array_size(places); i++) {
        const json_t *place = json_array_get(places, i);
        if (json_object_get(place, "problem") != NULL) {
            fprintf(stderr, "drover: %s: %s\n", talk_text(place, "path"),
                    talk_text(place, "problem"));
        } else if (json_is_true(json_object_get(place, "truncated"))) {
            fprintf(stderr, "drover: %s has more files than are read\n", talk_text(place, "path"));
        }
    }
}

static struct err ls_run(struct invocation *invocation) {
    AUTO(json_release) json_t *answer = NULL;
    struct err err = look(invocation, NULL, &answer);
    if (err_failed(err)) {
        return err;
    }
    const json_t *rows = json_object_get(answer, "workflows");
    struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    if (!invocation->json) {
        printf("%-24s  %-8s  %-8s  %s\n", "WORKFLOW", "FROM", "STATE", "DESCRIPTION");
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (invocation->json) {
            talk_print(json_array_get(rows, i));
        } else {
            print_row(&paint, json_array_get(rows, i));
        }
    }
    for (size_t i = 0; !invocation->json && i < json_array_size(rows); i++) {
        print_fault(&paint, json_array_get(rows, i));
    }
    print_troubles(json_object_get(answer, "places"));
    if (talk_int(answer, "unchecked") > 0) {
        fprintf(stderr,
                "drover: %lld of them were not checked by the engine yet; the next list goes on\n",
                (long long)talk_int(answer, "unchecked"));
    }
    return ERR_OK;
}

const struct command command_workflow_ls = {
    .group = "workflow",
    .name = "ls",
    .summary = "List the workflows of a project, of your home and those built in.",
    .flags = root_flags,
    .talks = true,
    .about = "Searched are .drover/workflows, .claude/workflows and .boocode/workflows: of the\n"
             "project's folder and those above it in its repository, then of your home. The first\n"
             "of a name counts; the others are shown as shadowed, broken ones with their fault.\n",
    .run = ls_run,
};

/* --- Show ------------------------------------------------------------------------------------- */

static void print_phases(const json_t *phases) {
    for (size_t i = 0; i < json_array_size(phases); i++) {
        const json_t *phase = json_array_get(phases, i);
        const char *detail = talk_text(phase, "detail");
        printf("%-12s %s%s%s\n", i == 0 ? "phases" : "", talk_text(phase, "title"),
               detail[0] == '\0' ? "" : ": ", detail);
    }
}

static void print_notes(const json_t *row) {
    const json_t *notes = json_object_get(row, "notes");
    for (size_t i = 0; i < json_array_size(notes); i++) {
        const json_t *note = json_array_get(notes, i);
        printf("%-12s %lld:%lld: %s\n", talk_text(note, "severity"),
               (long long)talk_int(note, "line"), (long long)talk_int(note, "column"),
               talk_text(note, "detail"));
    }
}

static void print_workflow(const struct paint *paint, const json_t *row) {
    const char *when = talk_text(row, "when_to_use");
    const json_t *args = json_object_get(row, "args");
    printf("%-12s %s\n%-12s %s\n", "workflow", talk_text(row, "name"), "description",
           talk_text(row, "description"));
    if (when[0] != '\0') {
        printf("%-12s %s\n", "when to use", when);
    }
    printf("%-12s %s\n%-12s %s\n", "file", talk_text(row, "file"), "form", talk_text(row, "form"));
    print_phases(json_object_get(row, "phases"));
    if (args != NULL) {
        printf("%-12s ", "args");
        talk_print(args);
    }
    print_notes(row);
    print_fault(paint, row);
    printf("\n%s\n", talk_text(row, "source"));
}

static struct err show_run(struct invocation *invocation) {
    AUTO(json_release) json_t *row = NULL;
    struct err err = look(invocation, invocation->args.operands[0], &row);
    if (err_failed(err)) {
        return err;
    }
    struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    if (invocation->json) {
        talk_print(row);
    } else if (args_on(&invocation->args, "source")) {
        (void)fputs(talk_text(row, "source"), stdout); /* As for printf. */
    } else {
        print_workflow(&paint, row);
    }
    return ERR_OK;
}

const struct command command_workflow_show = {
    .group = "workflow",
    .name = "show",
    .summary = "Show a workflow, with its source.",
    .operands = "NAME",
    .flags = show_flags,
    .talks = true,
    .run = show_run,
};
