/* command_stream.c: drover stream ls, show, prune, keep, tail. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/stream/follow.h"

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    LISTING_SEARCH("name"),
    LISTING_SINCE("made"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static void head_print(const json_t *row) {
    printf("%12lld %12lld", (long long)talk_int(row, "head"), (long long)talk_int(row, "floor"));
}

static const struct column columns[] = {
    COLUMN_PRINT("        HEAD        FLOOR", head_print),
    COLUMN("MADE", -20, "made_ms", COLUMN_TIME),
    COLUMN("STREAM", 0, "stream", COLUMN_TEXT),
    COLUMN_END,
};

const struct command command_stream_ls = {
    COMMAND("stream", "ls", NULL, "List your streams."),
    .flags = ls_flags,
    ACTION("GET /api/v1/streams", .columns = columns),
};

/* --- Show, prune, keep ------------------------------------------------------------------------ */

static const char no_address[] = "there is no such address";

static void stream_print(const json_t *row) {
    int64_t events = talk_int(row, "keep_events"), ms = talk_int(row, "keep_ms");
    printf("stream  %s\nhead    %lld\nfloor   %lld\n", talk_text(row, "stream"),
           (long long)talk_int(row, "head"), (long long)talk_int(row, "floor"));
    if (json_object_get(row, "made_ms") == NULL) {
        return;
    }
    printf("made    %s\n", talk_time(talk_int(row, "made_ms")).text);
    if (events == 0 && ms == 0) {
        puts("keeps   everything");
    }
    if (events > 0) {
        printf("keeps   the last %lld events\n", (long long)events);
    }
    if (ms > 0) {
        printf("keeps   what is younger than %lld s\n", (long long)(ms + 999) / 1000);
    }
}

const struct command command_stream_show = {
    COMMAND("stream", "show", "NAME", "Show one stream."),
    ACTION("GET /api/v1/streams/{}", .unknown = no_address, .print = stream_print),
};

static const struct flag prune_flags[] = {
    OPTION_INT("through", 0, "SEQ", 1, INT64_MAX,
               "The last event to remove; all before it go too."),
    OPTION_END,
};

static struct err prune_run(struct invocation *invocation) {
    if (!args_given(&invocation->args, "through")) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--through SEQ is needed: which event is the last to go?");
    }
    return action_run(invocation);
}

const struct command command_stream_prune = {
    COMMAND("stream", "prune", "NAME", "Remove the oldest events of a stream."),
    .flags = prune_flags,
    .talks = true,
    .run = prune_run,
    .action = &(const struct action){"DELETE /api/v1/streams/{}/events",
                                     {{"through", "through"}},
                                     .unknown = no_address,
                                     .timeout_ms = 10 * 60 * 1000,
                                     .print = stream_print},
};

static const struct flag keep_flags[] = {
    OPTION_INT("events", 0, "N", 0, INT64_MAX, "Keep the last N events; 0: all."),
    OPTION_INT("seconds", 0, "S", 0, INT64_C(100) * 366 * 24 * 3600,
               "Keep events for S seconds; 0: for ever."),
    OPTION_END,
};

static struct err keep_body(struct invocation *invocation, struct text *body) {
    const struct args *args = &invocation->args;
    if (args_given(args, "events")) {
        text_add_member_int(body, "keep_events", args_int(args, "events", 0));
    }
    if (args_given(args, "seconds")) {
        text_add_member_int(body, "keep_ms", args_int(args, "seconds", 0) * 1000);
    }
    if (body->len == 1) {
        return err_why(&invocation->why, ERR_USAGE, "--events N or --seconds S is needed");
    }
    return ERR_OK;
}

const struct command command_stream_keep = {
    COMMAND("stream", "keep", "NAME", "Set how long a stream keeps its events."),
    .flags = keep_flags,
    ACTION("PATCH /api/v1/streams/{}", .unknown = no_address, .body = keep_body,
           .print = stream_print),
};

/* --- Tail ------------------------------------------------------------------------------------- */

static const struct flag tail_flags[] = {
    OPTION_INT("after", 0, "SEQ", 0, INT64_MAX, "Begin after this event.", .absent = "0"),
    OPTION_SWITCH("new", 0, "Begin with the next event that comes."),
    OPTION_SWITCH("follow", 'f', "Stay, and print what comes."),
    OPTION_TEXT("via", 0, "HOW", "How to follow [sse]; means --follow.", .choices = "sse|ws|poll"),
    OPTION_INT("count", 'n', "N", 1, INT64_MAX, "End after N events."),
    OPTION_SWITCH("no-retry", 0, "End at the first disconnect."),
    OPTION_INT("retry-for", 0, "SECONDS", 1, 86400, "Give up when the daemon is away for so long.",
               .absent = "300"),
    OPTION_END,
};

/* Both forms show what every transport brings, so that copies of one stream are equal bytes. */
static void event_print(void *ctx, const struct follow_event *event) {
    const struct invocation *invocation = ctx;
    bool snapshot = bytes_is(event->type, "snapshot");
    int type_len = (int)event->type.len;
    if (invocation->json && snapshot) {
        fputs("{\"snapshot\":", stdout);
    } else if (invocation->json) {
        printf("{\"seq\":%lld,\"type\":\"%.*s\",\"data\":", (long long)event->seq, type_len,
               event->type.data);
    } else {
        printf("%s%lld  %.*s  ", snapshot ? "-- " : "", (long long)event->seq, type_len,
               event->type.data);
    }
    fwrite(event->data.data, 1, event->data.len, stdout);
    fputs(invocation->json ? "}\n" : "\n", stdout);
}

static struct err tail_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    bool follow = args_on(args, "follow") || args_on(args, "new") || args_given(args, "via");
    struct bytes via = bytes_of(args_text(args, "via"));
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    const struct follow_options options = {
        .talk = &talk,
        .name = args->operands[0],
        .via = !follow || bytes_is(via, "poll") ? FOLLOW_POLL
               : bytes_is(via, "ws")            ? FOLLOW_WS
                                                : FOLLOW_SSE,
        .after = args_on(args, "new") ? -1 : args_int(args, "after", 0),
        .count = args_int(args, "count", 0),
        .retry_ms = args_on(args, "no-retry") ? 0 : args_int(args, "retry-for", 0) * 1000,
        .once = !follow,
        .event = event_print,
        .ctx = invocation,
    };
    err = follow_run(&options, &invocation->why);
    invocation->told = err.code == ERR_INTERRUPTED; /* The user knows. */
    return err;
}

const struct command command_stream_tail = {
    COMMAND("stream", "tail", "NAME", "Print the events of a stream; with --follow, stay."),
    .flags = tail_flags,
    .talks = true,
    .about = "After a disconnect it resumes after the last event it printed. It ends where\n"
             "the stream does (that of a run), or by Ctrl-C.\n",
    .run = tail_run,
};
