/* command_budget.c: drover budget ls, show, set, rm: what may be spent, and what was. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/budget/limits.h"

static const char *const amounts[] = {"wall_ms", "agents", "cost_micros", "tokens",
                                      "output_tokens"};

static struct err one_ask(struct invocation *invocation, const char *method, struct bytes body,
                          json_t **ret_row) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/budgets/", invocation->args.operands[0], "")) {
        return err_make(ERR_NOT_FOUND, "budget: scope");
    }
    struct err err = talk_open(&talk, invocation);
    struct client_request request = {.method = method, .target = target.data, .body = body};
    return err_failed(err)
               ? err
               : talk_ask(&talk, &request, NULL /* parsed is enough */, ret_row, &invocation->why);
}

/* --- Printing --------------------------------------------------------------------------------- */

static bool limit_of(const json_t *row, const char *amount, int64_t *ret_limit) {
    const json_t *limit = json_object_get(json_object_get(row, "limits"), amount);
    *ret_limit = json_integer_value(limit);
    return json_is_integer(limit);
}

static void row_show(const struct invocation *invocation, const json_t *row) {
    if (invocation->json) {
        talk_print(row);
        return;
    }
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
    (void)ctx;
    printf("%-34s  %7s  %s\n", "BUDGET", "WAITING", "SPENT OF LIMIT");
}

static void row_print(void *ctx, const json_t *row) {
    (void)ctx;
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
    AUTO(json_release) json_t *row = NULL;
    struct err err = one_ask(invocation, "GET", (struct bytes){NULL, 0}, &row);
    if (!err_failed(err)) {
        row_show(invocation, row);
    }
    return err;
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
    AUTO(json_release) json_t *row = NULL;
    struct err err = one_ask(invocation, "DELETE", (struct bytes){NULL, 0}, &row);
    if (!err_failed(err) && invocation->json) {
        talk_print(row);
    } else if (!err_failed(err)) {
        printf("%s is removed\n", talk_text(row, "scope"));
    }
    return err;
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

static struct err limits_write(const struct args *args, struct text *body, struct why *why) {
    text_add_char(body, '{');
    for (const struct flag *flag = set_flags; flag->name != NULL; flag++) {
        const char *value = args_text(args, flag->name);
        struct err err =
            value == NULL ? ERR_OK : budget_word_add(body, flag->name, bytes_of(value), why);
        if (err_failed(err)) {
            return err;
        }
    }
    if (body->len == 1) {
        why_set(why, "name a limit: --wall, --agents, --tokens, --output-tokens, --cost");
        return err_make(ERR_USAGE, "budget: set");
    }
    text_add_char(body, '}');
    return text_failed(body) ? err_make(ERR_OUT_OF_MEMORY, "budget: set") : ERR_OK;
}

static struct err set_run(struct invocation *invocation) {
    AUTO(json_release) json_t *row = NULL;
    AUTO(text_done) struct text body = {0};
    text_init(&body, 4 << 10);
    struct err err = limits_write(&invocation->args, &body, &invocation->why);
    if (!err_failed(err)) {
        err = one_ask(invocation, "PATCH", (struct bytes){body.data, body.len}, &row);
    }
    if (!err_failed(err)) {
        row_show(invocation, row);
    }
    return err;
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
