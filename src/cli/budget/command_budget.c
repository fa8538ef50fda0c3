/* command_budget.c: drover budget ls, show, set, rm: what may be spent, and what was. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/budget/limits.h"

/* Amounts in the order in which they are shown. */
static const enum amount amounts[] = {AMOUNT_WALL, AMOUNT_AGENTS, AMOUNT_COST, AMOUNT_TOKENS,
                                      AMOUNT_OUTPUT_TOKENS};

static struct amount_shown amount_of(const json_t *row, const char *of, enum amount amount) {
    return amount_show(amount, talk_int(json_object_get(row, of), amount_name(amount)));
}

static struct amount_shown spent_of(const json_t *row, enum amount amount) {
    const json_t *spent = json_object_get(row, "spent");
    return amount == AMOUNT_COST ? budget_show_cost(talk_int(spent, amount_name(amount)),
                                                    talk_int(spent, "cost_unknown"))
                                 : amount_of(row, "spent", amount);
}

static bool is_limited(const json_t *row, enum amount amount) {
    return json_is_integer(json_object_get(json_object_get(row, "limits"), amount_name(amount)));
}

static bool counts_today(const json_t *row) {
    return json_is_string(json_object_get(row, "per"));
}

/* "in 5 h" */
static struct talk_time resets_of(const json_t *row) {
    return talk_ago(talk_int(row, "resets_ms"), world_wall_ms(world_real()));
}

static void forecast_print(const json_t *forecast) {
    const enum amount amount = amount_find(talk_text(forecast, "limit"));
    const int64_t now_ms = world_wall_ms(world_real()), at_ms = talk_int(forecast, "at_ms");
    if (amount != AMOUNT_COUNT && at_ms > now_ms) {
        printf("at this rate the limit of %s is reached %s\n", amount_title(amount),
               talk_ago(at_ms, now_ms).text);
    }
}

static void budget_print(const json_t *row) {
    printf("budget    %s\n", talk_text(row, "scope"));
    printf("%-13s  %12s  %12s  %12s\n", "", "SPENT", "RESERVED", "LIMIT");
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        const enum amount amount = amounts[i];
        printf("%-13s  %12s  %12s  %12s\n", amount_title(amount), spent_of(row, amount).text,
               amount_of(row, "reserved", amount).text,
               is_limited(row, amount) ? amount_of(row, "limits", amount).text : "-");
    }
    if (counts_today(row)) {
        printf("spent is counted today, and resets %s\n", resets_of(row).text);
    }
    forecast_print(json_object_get(row, "forecast"));
    if (talk_int(row, "waiting") > 0) {
        printf("waiting   %lld\n", (long long)talk_int(row, "waiting"));
    }
}

static void spent_add(const json_t *row, struct text *value) {
    const char *before = "";
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        if (is_limited(row, amounts[i])) {
            text_addf(value, "%s%s %s of %s", before, amount_title(amounts[i]),
                      spent_of(row, amounts[i]).text, amount_of(row, "limits", amounts[i]).text);
            before = ", ";
        }
    }
    text_add_str(value, before[0] == '\0' ? "no limit" : "");
    if (counts_today(row)) {
        text_addf(value, " today, resets %s", resets_of(row).text);
    }
}

static const struct flag ls_flags[] = {
    OPTION_SWITCH("all", 'a', "Include budgets of single runs."),
    LISTING_SEARCH("name"),
    LISTING_SINCE("created"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static const struct column columns[] = {
    COLUMN("BUDGET", -34, "scope", COLUMN_TEXT),
    COLUMN("WAITING", 7, "waiting", COLUMN_INT),
    COLUMN_WRAPPED("SPENT OF LIMIT", spent_add),
    COLUMN_END,
};

const struct command command_budget_ls = {
    COMMAND("budget", "ls", NULL, "List budgets with what is spent and what is left."),
    HELP(BUDGETS, "drover budget ls\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/budgets", {{"all", "runs"}}, .columns = columns,
           .empty = "There is no budget. 'drover budget set global --cost 10' makes one."),
};

const struct command command_budget_show = {
    COMMAND("budget", "show", "SCOPE", "Show a budget: spent, reserved, limits."),
    HELP(BUDGETS, "drover budget show project:web\n"),
    .about = "SCOPE is global, project:NAME, session:ID or run:ID.\n",
    ACTION("GET /api/v1/budgets/{}", .print = budget_print),
};

const struct command command_budget_rm = {
    COMMAND("budget", "rm", "SCOPE…",
            "Remove a budget. Runs that were waiting for it become eligible."),
    HELP(BUDGETS, "drover budget rm project:web\n"),
    ACTION("DELETE /api/v1/budgets/{}", .done = "{scope} is removed"),
};

static const struct flag set_flags[] = {
    OPTION_TEXT("wall", 0, "TIME",
                "Limit the time of all attempts together: 90s, 30m, 2h, or none."),
    OPTION_TEXT("agents", 0, "N", "Limit the number of agents and turns, or none."),
    OPTION_TEXT("tokens", 0, "N", "Limit tokens that models read and write, or none."),
    OPTION_TEXT("output-tokens", 0, "N", "Limit tokens that models write, or none."),
    OPTION_TEXT("cost", 0, "DOLLARS", "Limit money, or none."),
    OPTION_TEXT("per", 0, "day", "Count what is spent since midnight; none: in all."),
    OPTION_END,
};

static struct err per_add(struct text *body, const char *value, struct why *why) {
    bool day = strcmp(value, "day") == 0;
    if (!day && strcmp(value, "none") != 0) {
        return err_why(why, ERR_USAGE, "--per: '%.60s' is not 'day', nor 'none'", value);
    }
    text_addf(body, "%s\"per\":%s", body->len > 1 ? "," : "", day ? "\"day\"" : "null");
    return ERR_OK;
}

static struct err limits_add(struct invocation *invocation, struct text *body) {
    struct err err = ERR_OK;
    for (const struct flag *flag = set_flags; flag->name != NULL && !err_failed(err); flag++) {
        const char *value = args_text(&invocation->args, flag->name);
        if (value != NULL && strcmp(flag->name, "per") == 0) {
            err = per_add(body, value, &invocation->why);
        } else if (value != NULL) {
            err = budget_limit_add(body, bytes_of(flag->name), bytes_of(value), &invocation->why);
        }
    }
    if (!err_failed(err) && body->len == 1) {
        return err_why(
            &invocation->why, ERR_USAGE,
            "name a limit: --wall, --agents, --tokens, --output-tokens, --cost; or --per");
    }
    return err;
}

const struct command command_budget_set = {
    COMMAND("budget", "set", "SCOPE", "Set limits of a budget. It is created if there is none."),
    HELP(BUDGETS, "drover budget set global --cost 10\n"
                  "drover budget set project:web --tokens 2000000 --wall 4h\n"),
    .flags = set_flags,
    .about = "SCOPE is global, project:NAME, session:ID or run:ID. Limits that are not given\n"
             "stay unchanged. With --per day, spending is counted from each midnight in the\n"
             "time zone of the daemon. Runs that exceed the limit of a day wait for the next\n"
             "day.\n",
    ACTION("PATCH /api/v1/budgets/{}", .body = limits_add, .print = budget_print),
};
