/* command_stream.c: drover stream ls, show, prune, keep. Appending and following have files of
 * their own. */
#include <stdio.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"

static struct err target_make(struct text *target, const char *name, const char *rest) {
    text_init(target, 4 << 10);
    text_add_str(target, "/api/v1/streams/");
    client_add_escaped(target, name);
    text_add_str(target, rest);
    return text_failed(target) ? err_make(ERR_BAD_FIELD, "stream: name") : ERR_OK;
}

static void keep_print(int64_t events, int64_t ms) {
    if (events == 0 && ms == 0) {
        printf("keeps   everything\n");
    }
    if (events > 0) {
        printf("keeps   the last %lld events\n", (long long)events);
    }
    if (ms > 0) {
        printf("keeps   what is younger than %lld s\n", (long long)(ms + 999) / 1000);
    }
}

static void stream_print(const json_t *row) {
    printf("stream  %s\nhead    %lld\nfloor   %lld\n", talk_text(row, "stream"),
           (long long)talk_int(row, "head"), (long long)talk_int(row, "floor"));
    if (json_object_get(row, "made_ms") != NULL) {
        printf("made    %s\n", talk_time(talk_int(row, "made_ms")).text);
        keep_print(talk_int(row, "keep_events"), talk_int(row, "keep_ms"));
    }
}

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    LISTING_SEARCH("name"),
    LISTING_SINCE("made"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static void head_print(void *ctx) {
    printf("%12s %12s  %-20s  %s\n", "HEAD", "FLOOR", "MADE", "STREAM");
}

static void row_print(void *ctx, const json_t *item) {
    printf("%12lld %12lld  %s  %s\n", (long long)talk_int(item, "head"),
           (long long)talk_int(item, "floor"), talk_time(talk_int(item, "made_ms")).text,
           talk_text(item, "stream"));
}

static struct err ls_run(struct invocation *invocation) {
    const struct listing listing = {
        .invocation = invocation, .path = "/api/v1/streams", .head = head_print, .row = row_print};
    return listing_run(&listing);
}

const struct command command_stream_ls = {
    .group = "stream",
    .name = "ls",
    .summary = "List your streams.",
    .flags = ls_flags,
    .talks = true,
    .run = ls_run,
};

/* --- Show ------------------------------------------------------------------------------------- */

static struct err show_run(struct invocation *invocation) {
    AUTO(text_done) struct text target = {0};
    struct err err = target_make(&target, invocation->args.operands[0], "");
    const struct resource stream = {.base = target.data, .print = stream_print};
    return err_failed(err) ? err : resource_run(invocation, &stream);
}

const struct command command_stream_show = {
    .group = "stream",
    .name = "show",
    .summary = "Show one stream.",
    .operands = "NAME",
    .talks = true,
    .run = show_run,
};

/* --- Prune ------------------------------------------------------------------------------------ */

static const struct flag prune_flags[] = {
    OPTION_INT("through", 0, "SEQ", 1, INT64_MAX,
               "The last event to remove; all before it go too."),
    OPTION_END,
};

static struct err prune_run(struct invocation *invocation) {
    if (!args_given(&invocation->args, "through")) {
        why_set(&invocation->why, "--through SEQ is needed: which event is the last to go?");
        return err_make(ERR_USAGE, "stream: through");
    }
    AUTO(text_done) struct text target = {0};
    struct err err = target_make(&target, invocation->args.operands[0], "/events?through=");
    text_add_int(&target, args_int(&invocation->args, "through", 0));
    const struct resource events = {.method = "DELETE",
                                    .base = target.data,
                                    .timeout_ms = 10 * 60 * 1000,
                                    .print = stream_print};
    return err_failed(err) ? err : resource_run(invocation, &events);
}

const struct command command_stream_prune = {
    .group = "stream",
    .name = "prune",
    .summary = "Remove the oldest events of a stream.",
    .operands = "NAME",
    .flags = prune_flags,
    .talks = true,
    .run = prune_run,
};

/* --- Keep ------------------------------------------------------------------------------------- */

static const struct flag keep_flags[] = {
    OPTION_INT("events", 0, "N", 0, INT64_MAX, "Keep the last N events; 0: all."),
    OPTION_INT("seconds", 0, "S", 0, INT64_C(100) * 366 * 24 * 3600,
               "Keep events for S seconds; 0: for ever."),
    OPTION_END,
};

static struct err keep_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    if (!args_given(args, "events") && !args_given(args, "seconds")) {
        why_set(&invocation->why, "--events N or --seconds S is needed");
        return err_make(ERR_USAGE, "stream: keep");
    }
    AUTO(text_done) struct text target = {0}, body = {0};
    struct err err = target_make(&target, args->operands[0], "");
    text_init(&body, 256);
    text_add_char(&body, '{');
    if (args_given(args, "events")) {
        text_addf(&body, "\"keep_events\":%lld", (long long)args_int(args, "events", 0));
    }
    if (args_given(args, "seconds")) {
        text_addf(&body, "%s\"keep_ms\":%lld", body.len > 1 ? "," : "",
                  (long long)args_int(args, "seconds", 0) * 1000);
    }
    text_add_char(&body, '}');
    const struct resource stream = {
        .method = "PATCH", .base = target.data, .body = &body, .print = stream_print};
    return err_failed(err) ? err : resource_run(invocation, &stream);
}

const struct command command_stream_keep = {
    .group = "stream",
    .name = "keep",
    .summary = "Set how long a stream keeps its events.",
    .operands = "NAME",
    .flags = keep_flags,
    .talks = true,
    .run = keep_run,
};
