/* command_inbox.c: drover inbox ls, show, retry, drop: notices, and why they are not delivered. */
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"

static const struct flag ls_flags[] = {
    OPTION_SWITCH("all", 'a', "Include notices that are delivered or dropped."),
    LISTING_STATE("pending|stalled|bound|held|acknowledged|gone|dropped"),
    LISTING_WORD("run", "RUN", "List only notices of this run."),
    LISTING_SEARCH("address or last failure"),
    LISTING_SINCE("created"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static const struct column columns[] = {
    ID_COLUMN("DELIVERY", "id"),
    ID_COLUMN("RUN", "run"),
    COLUMN("STATE", -12, "state", COLUMN_TEXT),
    COLUMN("FAIL", 4, "failures", COLUMN_INT),
    TIME_COLUMN("NEXT", "next_ms"),
    COLUMN("TO", 0, "address", COLUMN_TEXT),
    COLUMN_END,
};

const struct command command_inbox_ls = {
    COMMAND("inbox", "ls", NULL, "List notices that are not delivered yet."),
    HELP(RUNS, "drover inbox ls\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/inbox", {{"all", "all"}}, .columns = columns,
           .empty = "Nothing is to be delivered. 'drover inbox ls --all' shows what was."),
};

static const struct column lines[] = {
    LINE("delivery", "id", COLUMN_OPTIONAL),
    LINE("run", "run", COLUMN_OPTIONAL),
    LINE("to", "address", COLUMN_OPTIONAL),
    LINE("state", "state", COLUMN_OPTIONAL),
    LINE("because", "cause", COLUMN_OPTIONAL),
    LINE("failures", "failures", COLUMN_INT),
    LINE("created", "made_ms", COLUMN_TIME),
    LINE("next", "next_ms", COLUMN_TIME),
    LINE("settled", "settled_ms", COLUMN_TIME),
    LINE("notice", "payload", COLUMN_JSON),
    COLUMN_END,
};

const struct command command_inbox_show = {
    COMMAND("inbox", "show", "DELIVERY", "Show a notice, and why it is not delivered."),
    HELP(RUNS, "drover inbox show last\n"),
    ACTION("GET /api/v1/inbox/{}", .lines = lines, .key_width = 9),
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
