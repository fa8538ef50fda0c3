/* command_inbox.c: drover inbox ls, show, retry, drop: notices, and why they are not delivered. */
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "rules/inbox/inbox.h"

static const struct flag ls_flags[] = {
    OPTION_SWITCH("all", 'a', "Include notices that are delivered or dropped."),
    LISTING_OF(&delivery_resource.fields),
    OPTION_END,
};

const struct command command_inbox_ls = {
    COMMAND("inbox", "ls", NULL, "List notices that are not delivered yet."),
    HELP(RUNS, "drover inbox ls\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/inbox", {{"all", "all"}}, .fields = &delivery_resource.fields,
           .empty = "Nothing is to be delivered. 'drover inbox ls --all' shows what was."),
};

const struct command command_inbox_show = {
    COMMAND("inbox", "show", "DELIVERY", "Show a notice, and why it is not delivered."),
    HELP(RUNS, "drover inbox show last\n"),
    ACTION("GET /api/v1/inbox/{}", .fields = &delivery_resource.fields),
};

const struct command command_inbox_retry = {
    COMMAND("inbox", "retry", "DELIVERY…", "Retry a delivery now."),
    HELP(RUNS, "drover inbox retry last\n"),
    ACTION("POST /api/v1/inbox/{}/retry", .done = "{id} is tried now"),
};

const struct command command_inbox_drop = {
    COMMAND("inbox", "drop", "DELIVERY…", "Drop a delivery. It is never tried again."),
    HELP(RUNS, "drover inbox drop last\n"),
    ACTION("POST /api/v1/inbox/{}/drop", .done = "{id} is {state}"),
};
