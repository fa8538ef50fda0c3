/* command_inbox.c: drover inbox ls, show, retry, drop: what is owed to whoever waits. */
#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"

static struct err one_ask(struct invocation *invocation, const char *method, const char *rest,
                          json_t **ret_row) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/inbox/", invocation->args.operands[0], rest)) {
        return err_make(ERR_NOT_FOUND, "inbox: id");
    }
    struct err err = talk_open(&talk, invocation);
    struct client_request request = {.method = method, .target = target.data};
    return err_failed(err)
               ? err
               : talk_ask(&talk, &request, NULL /* parsed is enough */, ret_row, &invocation->why);
}

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
    (void)ctx;
    printf("%-30s  %-30s  %-12s  %4s  %-20s  %s\n", "DELIVERY", "RUN", "STATE", "FAIL", "NEXT",
           "TO");
}

static void row_print(void *ctx, const json_t *row) {
    (void)ctx;
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

static void row_show(const struct invocation *invocation, const json_t *row) {
    if (invocation->json) {
        talk_print(row);
        return;
    }
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
    AUTO(json_release) json_t *row = NULL;
    struct err err = one_ask(invocation, "GET", "", &row);
    if (!err_failed(err)) {
        row_show(invocation, row);
    }
    return err;
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
    AUTO(json_release) json_t *row = NULL;
    struct err err = one_ask(invocation, "POST", "/retry", &row);
    if (!err_failed(err) && invocation->json) {
        talk_print(row);
    } else if (!err_failed(err)) {
        printf("%s is tried now\n", talk_text(row, "id"));
    }
    return err;
}

const struct command command_inbox_retry = {
    .group = "inbox",
    .name = "retry",
    .summary = "Try a delivery now.",
    .operands = "ID",
    .talks = true,
    .run = retry_run,
};

static struct err drop_run(struct invocation *invocation) {
    AUTO(json_release) json_t *row = NULL;
    struct err err = one_ask(invocation, "POST", "/drop", &row);
    if (!err_failed(err) && invocation->json) {
        talk_print(row);
    } else if (!err_failed(err)) {
        printf("%s is %s\n", talk_text(row, "id"), talk_text(row, "state"));
    }
    return err;
}

const struct command command_inbox_drop = {
    .group = "inbox",
    .name = "drop",
    .summary = "Give a delivery up for good.",
    .operands = "ID",
    .talks = true,
    .run = drop_run,
};
