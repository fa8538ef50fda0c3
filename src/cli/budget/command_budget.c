/* command_budget.c: drover budget ls, show, set, rm: what may be spent, and what was. */
#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/budget/limits.h"

static const char *const amounts[] = {"wall_ms", "agents", "cost_micros", "tokens",
                                      "output_tokens"};

/* --- Printing --------------------------------------------------------------------------------- */

static bool limit_of(const json_t *row, const char *amount, int64_t *ret_limit) {
    const json_t *limit = json_object_get(json_object_get(row, "limits"), amount);
    *ret_limit = json_integer_value(limit);
    return json_is_integer(limit);
}

static void budget_print(const json_t *row) {
    printf("budget    %s\n", talk_text(row, "scope"));
    printf("%-13s  %12s  %12s  %12s\n", "", "SPENT", "RESERVED", "LIMIT");
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        int64_t limit = 0;
        bool limited = limit_of(row, amounts[i], &limit);
        int64_t spent = talk_int(json_object_get(row, "spent"), amounts[i]);
        int64_t reserved = talk_int(json_object_get(row, "reserved"), amounts[i]);
        printf("%-13s  %12s  %12s  %12s\n", amounts[i], budget_show(amounts[i], spent).text,
               budget_show(amounts[i], reserved).text,
               limited ? budget_show(amounts[i], limit).text : "-");
    }
    if (talk_int(row, "waiting") > 0) {
        printf("waiting   %lld\n", (long long)talk_int(row, "waiting"));
    }
}

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    OPTION_SWITCH("all", 'a', "Also those of single runs."),
    LISTING_SEARCH("name"),
    LISTING_SINCE("made"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static void head_print(void *ctx) {
    printf("%-34s  %7s  %s\n", "BUDGET", "WAITING", "SPENT OF LIMIT");
}

static void row_print(void *ctx, const json_t *row) {
    printf("%-34s  %7lld", talk_text(row, "scope"), (long long)talk_int(row, "waiting"));
    const char *before = "  ";
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        int64_t limit = 0;
        if (limit_of(row, amounts[i], &limit)) {
            int64_t spent = talk_int(json_object_get(row, "spent"), amounts[i]);
            printf("%s%s %s of %s", before, amounts[i], budget_show(amounts[i], spent).text,
                   budget_show(amounts[i], limit).text);
            before = ", ";
        }
    }
    printf("%s\n", strcmp(before, "  ") == 0 ? "  no limit" : "");
}

static struct err ls_run(struct invocation *invocation) {
    bool all = args_on(&invocation->args, "all");
    const struct listing listing = {.invocation = invocation,
                                    .path = all ? "/api/v1/budgets?runs=1" : "/api/v1/budgets",
                                    .head = head_print,
                                    .row = row_print};
    return listing_run(&listing);
}

const struct command command_budget_ls = {
    .group = "budget",
    .name = "ls",
    .summary = "List the budgets, what is spent and what may be.",
    .flags = ls_flags,
    .talks = true,
    .run = ls_run,
};

/* --- Show, remove ----------------------------------------------------------------------------- */

static struct err show_run(struct invocation *invocation) {
    return resource_run(invocation, &(struct resource){.base = "/api/v1/budgets/",
                                                       .id = invocation->args.operands[0],
                                                       .print = budget_print});
}

const struct command command_budget_show = {
    .group = "budget",
    .name = "show",
    .summary = "Show a budget: spent, reserved, limits.",
    .operands = "SCOPE",
    .talks = true,
    .about = "SCOPE is global, project:NAME, session:ID or run:ID.\n",
    .run = show_run,
};

static struct err rm_run(struct invocation *invocation) {
    return resource_run(invocation, &(struct resource){.method = "DELETE",
                                                       .base = "/api/v1/budgets/",
                                                       .id = invocation->args.operands[0],
                                                       .member = "scope",
                                                       .done = " is removed"});
}

const struct command command_budget_rm = {
    .group = "budget",
    .name = "rm",
    .summary = "Remove a budget. Runs that were waiting for it become eligible.",
    .operands = "SCOPE",
    .talks = true,
    .run = rm_run,
};

/* --- Set -------------------------------------------------------------------------------------- */

static const struct flag set_flags[] = {
    OPTION_TEXT("wall", 0, "TIME", "Time that attempts may take together: 90s, 30m, 2h; or none."),
    OPTION_TEXT("agents", 0, "N", "Agents and turns that may be begun; or none."),
    OPTION_TEXT("tokens", 0, "N", "Tokens that models may read and write; or none."),
    OPTION_TEXT("output-tokens", 0, "N", "Tokens that models may write; or none."),
    OPTION_TEXT("cost", 0, "DOLLARS", "Money; or none."),
    OPTION_END,
};

static struct err set_run(struct invocation *invocation) {
    AUTO(text_done) struct text body = {0};
    text_init(&body, 4 << 10);
    text_add_char(&body, '{');
    for (const struct flag *flag = set_flags; flag->name != NULL; flag++) {
        const char *value = args_text(&invocation->args, flag->name);
        struct err err =
            value == NULL ? ERR_OK
                          : budget_word_add(&body, flag->name, bytes_of(value), &invocation->why);
        if (err_failed(err)) {
            return err;
        }
    }
    if (body.len == 1) {
        why_set(&invocation->why,
                "name a limit: --wall, --agents, --tokens, --output-tokens, --cost");
        return err_make(ERR_USAGE, "budget: set");
    }
    text_add_char(&body, '}');
    return resource_run(invocation, &(struct resource){.method = "PATCH",
                                                       .base = "/api/v1/budgets/",
                                                       .id = invocation->args.operands[0],
                                                       .body = &body,
                                                       .print = budget_print});
}

const struct command command_budget_set = {
    .group = "budget",
    .name = "set",
    .summary = "Set limits of a budget; makes it where there is none.",
    .operands = "SCOPE",
    .flags = set_flags,
    .talks = true,
    .about = "SCOPE is global, project:NAME, session:ID or run:ID. Limits that are not named stay "
             "as they are.\n",
    .run = set_run,
};
