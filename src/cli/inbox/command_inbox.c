/* command_inbox.c: drover inbox ls, show, retry, drop: what is owed to whoever waits. */
#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    OPTION_SWITCH("all", 'a', "Also what is settled."),
    LISTING_STATE("pending|stalled|bound|held|acknowledged|gone|dropped"),
    LISTING_WORD("run", "RUN", "Only those of this run."),
    LISTING_SEARCH("address or last failure"),
    LISTING_SINCE("made"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static void head_print(void *ctx) {
    printf("%-30s  %-30s  %-12s  %4s  %-20s  %s\n", "DELIVERY", "RUN", "STATE", "FAIL", "NEXT",
           "TO");
}

static void row_print(void *ctx, const json_t *row) {
    int64_t next_ms = talk_int(row, "next_ms");
    printf("%-30s  %-30s  %-12s  %4lld  %-20s  %s\n", talk_text(row, "id"), talk_text(row, "run"),
           talk_text(row, "state"), (long long)talk_int(row, "failures"),
           next_ms > 0 ? talk_time(next_ms).text : "-", talk_text(row, "address"));
}

static struct err ls_run(struct invocation *invocation) {
    bool all = args_on(&invocation->args, "all");
    const struct listing listing = {.invocation = invocation,
                                    .path = all ? "/api/v1/inbox?all=1" : "/api/v1/inbox",
                                    .head = head_print,
                                    .row = row_print};
    return listing_run(&listing);
}

const struct command command_inbox_ls = {
    .group = "inbox",
    .name = "ls",
    .summary = "List the notices that are not delivered yet.",
    .flags = ls_flags,
    .talks = true,
    .run = ls_run,
};

/* --- Show ------------------------------------------------------------------------------------- */

static void text_line(const char *key, const char *value) {
    if (value[0] != '\0') {
        printf("%-9s %s\n", key, value);
    }
}

static void time_line(const char *key, int64_t ms) {
    if (ms > 0) {
        text_line(key, talk_time(ms).text);
    }
}

static void delivery_print(const json_t *row) {
    text_line("delivery", talk_text(row, "id"));
    text_line("run", talk_text(row, "run"));
    text_line("to", talk_text(row, "address"));
    text_line("state", talk_text(row, "state"));
    text_line("because", talk_text(row, "cause"));
    printf("%-9s %lld\n", "failures", (long long)talk_int(row, "failures"));
    time_line("made", talk_int(row, "made_ms"));
    time_line("next", talk_int(row, "next_ms"));
    time_line("settled", talk_int(row, "settled_ms"));
    if (json_object_get(row, "payload") != NULL) {
        printf("%-9s ", "notice");
        talk_print(json_object_get(row, "payload"));
    }
}

static struct err show_run(struct invocation *invocation) {
    return resource_run(invocation, &(struct resource){.base = "/api/v1/inbox/",
                                                       .id = invocation->args.operands[0],
                                                       .print = delivery_print});
}

const struct command command_inbox_show = {
    .group = "inbox",
    .name = "show",
    .summary = "Show a notice, and why it is not delivered.",
    .operands = "ID",
    .talks = true,
    .run = show_run,
};

/* --- Orders ----------------------------------------------------------------------------------- */

static struct err retry_run(struct invocation *invocation) {
    return resource_run(invocation, &(struct resource){.method = "POST",
                                                       .base = "/api/v1/inbox/",
                                                       .id = invocation->args.operands[0],
                                                       .rest = "/retry",
                                                       .member = "id",
                                                       .done = " is tried now"});
}

const struct command command_inbox_retry = {
    .group = "inbox",
    .name = "retry",
    .summary = "Try a delivery now.",
    .operands = "ID",
    .talks = true,
    .run = retry_run,
};

static void dropped_print(const json_t *row) {
    printf("%s is %s\n", talk_text(row, "id"), talk_text(row, "state"));
}

static struct err drop_run(struct invocation *invocation) {
    return resource_run(invocation, &(struct resource){.method = "POST",
                                                       .base = "/api/v1/inbox/",
                                                       .id = invocation->args.operands[0],
                                                       .rest = "/drop",
                                                       .print = dropped_print});
}

const struct command command_inbox_drop = {
    .group = "inbox",
    .name = "drop",
    .summary = "Give a delivery up for good.",
    .operands = "ID",
    .talks = true,
    .run = drop_run,
};
