/* command_flow.c: drover flow ls, show, check, plan: flows before they run. A worker of the daemon
 * describes a file for the last two. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/flow/request.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/catalog.h"

/* --- List, show ------------------------------------------------------------------------------- */

static const struct column lines[] = {
    LINE("flow", "name", COLUMN_TEXT),
    LINE("description", "description", COLUMN_TEXT),
    LINE("file", "file", COLUMN_TEXT),
    LINE_PRINT("notes", catalog_notes_print),
    COLUMN_END,
};

static const struct catalog_view flows = {.list = "GET /api/v1/flows",
                                          .one = "GET /api/v1/flows/{}",
                                          .rows = "flows",
                                          .title = "FLOW",
                                          .none =
                                              "There is no flow. Flows are files in .drover/flows.",
                                          .unknown = "there is no flow '{}'",
                                          .lines = lines};

static struct err flow_ls_run(struct invocation *invocation, struct talk *talk) {
    return catalog_list(invocation, talk, &flows);
}

const struct command command_flow_ls = {
    COMMAND("flow", "ls", NULL, "List flows: the project's, your own and built-in ones."),
    HELP(WORKFLOWS, "drover flow ls\n"),
    .flags = catalog_list_flags,
    .about = "Flows are read from .drover/flows and .boocode/flows: of the project folder and\n"
             "its parents in the repository, then of your home folder. The first flow of a\n"
             "name is used; later ones are marked as shadowed, broken ones with their error.\n",
    .converse = flow_ls_run,
};

static struct err flow_source_show(struct invocation *invocation, struct talk *talk) {
    return catalog_show(invocation, talk, &flows);
}

const struct command command_flow_show = {
    COMMAND("flow", "show", "NAME", "Show a flow and its source."),
    HELP(WORKFLOWS, "drover flow show review-branch\n"),
    .flags = catalog_show_flags,
    .converse = flow_source_show,
};

/* --- Check, plan ------------------------------------------------------------------------------ */

/* Prints the flow of the first operand as the daemon has described it; exit code 2: it is not
 * valid. */
static struct err described_print(struct invocation *invocation, struct talk *talk,
                                  void (*print)(const json_t *flow)) {
    AUTO(flow_request_done) struct flow_request request = {.invocation = invocation};
    AUTO(json_release) json_t *answer = NULL;
    TRY(flow_request_read(&request));
    const struct api_request check = {
        .method = "POST", .base = "/api/v1/flows/check", .body = &request.body};
    TRY(api_ask(talk, &check, &answer, &invocation->why));
    const bool valid = json_is_true(json_object_get(answer, "valid"));
    if (invocation->json) {
        talk_print(answer);
    } else if (valid) {
        print(answer);
    } else {
        plain_note("drover: %s\n", talk_text(answer, "error"));
    }
    invocation->exit_code = valid ? invocation->exit_code : err_exit_code(ERR_BAD_FLOW);
    return ERR_OK;
}

static void verdict_print(const json_t *flow) {
    const size_t count = json_array_size(json_object_get(flow, "steps"));
    plain_print_line(talk_text(flow, "flow"));
    printf(": %zu step%s, no errors\n", count, count == 1 ? "" : "s");
}

static struct err check_one(struct invocation *invocation, struct talk *talk) {
    return described_print(invocation, talk, verdict_print);
}

static struct err flow_check_run(struct invocation *invocation, struct talk *talk) {
    return action_each(invocation, talk, check_one);
}

const struct command command_flow_check = {
    COMMAND("flow", "check", "FILE|NAME…", "Check flows without running them."),
    HELP(WORKFLOWS, "drover flow check ./release.js\n"),
    .flags = flow_check_flags,
    .about = "The file is described once, and its functions are not called, except 'when'.\n"
             "This finds errors of syntax, unknown members and dependencies, circles, ids that\n"
             "stand twice and steps in two branches.\n"
             "\n"
             "Exit code: 0 if nothing is wrong, 2 otherwise.\n",
    .converse = flow_check_run,
};

static void deps_print(const json_t *step) {
    const json_t *dep = NULL, *branch = json_object_get(step, "branch");
    size_t at = 0;
    json_array_foreach(json_object_get(step, "deps"), at, dep) {
        printf("%s", at == 0 ? "after " : ", ");
        plain_print_line(json_string_value(dep));
    }
    if (json_is_object(branch)) {
        const char *label = talk_text(branch, "label");
        fputs(at == 0 ? "" : "; ", stdout);
        plain_print_line(label[0] == '\0' ? "default" : label);
        fputs(" of ", stdout);
        plain_print_line(talk_text(branch, "switch"));
    }
    if (strcmp(talk_text(step, "status"), "excluded") == 0) {
        fputs("  (excluded)", stdout);
    }
    if (talk_text(step, "cached")[0] != '\0') {
        printf("  (cached from %s)", talk_text(step, "cached"));
    }
    putchar('\n');
}

static void plan_print(const json_t *flow) {
    const json_t *steps = json_object_get(flow, "steps"), *step = NULL;
    printf("WAVE  %-24s  %-8s  %s\n", "STEP", "KIND", "WAITS");
    for (int64_t wave = 1; wave <= (int64_t)json_array_size(steps); wave++) {
        size_t at = 0;
        json_array_foreach(steps, at, step) {
            if (talk_int(step, "wave") == wave) {
                printf("%4lld  %-24s  %-8s  ", (long long)wave, talk_text(step, "step_id"),
                       talk_text(step, "kind"));
                deps_print(step);
            }
        }
    }
}

static struct err flow_plan_run(struct invocation *invocation, struct talk *talk) {
    return described_print(invocation, talk, plan_print);
}

const struct command command_flow_plan = {
    COMMAND("flow", "plan", "[FILE|NAME] [TEXT]…", "Show the steps of a flow, without running it."),
    HELP(WORKFLOWS, "drover flow plan release-checklist --input '{\"version\": \"1.2.3\"}'\n"
                    "drover flow plan --resume last\n"),
    .flags = flow_plan_flags,
    .about = "Steps of one wave may run side by side. A step that 'when' excludes by the input\n"
             "alone is marked. With --resume, steps are marked that would not run again.\n"
             "\n"
             "Exit code: 0; 2 if the flow is not valid.\n",
    .converse = flow_plan_run,
};
