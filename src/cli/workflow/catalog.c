/* catalog.c: see catalog.h. */
#include "cli/workflow/catalog.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/options.h"
#include "cli/terminal/paint.h"
#include "cli/terminal/plain.h"

#define OPTION_ROOT                                                                                \
    OPTION_TEXT("root", 'r', "DIR", "Set the folder of the project [the current one].")
const struct flag catalog_list_flags[] = {OPTION_ROOT, OPTION_END};
const struct flag catalog_show_flags[] = {
    OPTION_ROOT,
    OPTION_SWITCH("source", 's', "Print only the source."),
    OPTION_END,
};

static void fault_print(const struct paint *paint, const json_t *row) {
    const json_t *fault = json_object_get(row, "error");
    if (fault != NULL) {
        printf("%s%s:%lld:%lld: %s%s\n", paint_begin(paint, COLOUR_RED), talk_text(row, "file"),
               (long long)talk_int(fault, "line"), (long long)talk_int(fault, "column"),
               talk_text(fault, "detail"), paint_end(paint, COLOUR_RED));
    }
}

static void row_print(const struct paint *paint, const json_t *row) {
    bool shadowed = json_is_true(json_object_get(row, "shadowed"));
    bool broken = json_object_get(row, "error") != NULL;
    enum colour colour = shadowed ? COLOUR_GREY : broken ? COLOUR_RED : COLOUR_NONE;
    printf("%s%-24s  %-8s  %-8s  %s%s\n", paint_begin(paint, colour), talk_text(row, "name"),
           talk_text(row, "origin"),
           shadowed ? "shadowed"
           : broken ? "broken"
                    : "",
           talk_text(row, shadowed || broken ? "file" : "description"), paint_end(paint, colour));
}

struct err catalog_list(struct invocation *invocation, struct talk *talk,
                        const struct catalog_view *view) {
    const struct action catalog = {view->list, .folder = "root"};
    AUTO(json_release) json_t *answer = NULL;
    TRY(action_ask(talk, &catalog, &answer));
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    const json_t *rows = json_object_get(answer, view->rows), *row = NULL;
    size_t at = 0;
    if (!invocation->json && json_array_size(rows) == 0) {
        plain_note("%s\n", view->none);
    } else if (!invocation->json) {
        printf("%-24s  %-8s  %-8s  %s\n", view->title, "FROM", "STATE", "DESCRIPTION");
    }
    json_array_foreach(rows, at, row) {
        if (invocation->json) {
            talk_print(row);
            continue;
        }
        row_print(&paint, row);
    }
    json_array_foreach(invocation->json ? NULL : rows, at, row) {
        fault_print(&paint, row);
    }
    json_array_foreach(json_object_get(answer, "places"), at, row) {
        if (json_object_get(row, "problem") != NULL) {
            plain_note("drover: %s: %s\n", talk_text(row, "path"), talk_text(row, "problem"));
        } else if (json_is_true(json_object_get(row, "truncated"))) {
            plain_note("drover: %s has more files than are read\n", talk_text(row, "path"));
        }
    }
    if (talk_int(answer, "unchecked") > 0) {
        plain_note(
            "drover: %lld of them were not checked by the engine yet; the next list goes on\n",
            (long long)talk_int(answer, "unchecked"));
    }
    return ERR_OK;
}

void catalog_notes_print(const json_t *script) {
    const json_t *note = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(script, "notes"), at, note) {
        printf("%-12s %lld:%lld: %s\n", talk_text(note, "severity"),
               (long long)talk_int(note, "line"), (long long)talk_int(note, "column"),
               talk_text(note, "detail"));
    }
}

struct err catalog_show(struct invocation *invocation, struct talk *talk,
                        const struct catalog_view *view) {
    const struct action script = {view->one, .folder = "root", .unknown = view->unknown};
    AUTO(json_release) json_t *row = NULL;
    TRY(action_ask(talk, &script, &row));
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    if (invocation->json) {
        talk_print(row);
    } else if (args_on(&invocation->args, "source")) {
        (void)fputs(talk_text(row, "source"), stdout); /* As for printf. */
    } else {
        table_lines(invocation, view->lines, 12, row);
        fault_print(&paint, row);
        printf("\n%s\n", talk_text(row, "source"));
    }
    return ERR_OK;
}
