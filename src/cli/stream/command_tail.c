/* command_tail.c: drover stream tail. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/stream/follow.h"

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
    bool snapshot = event->type.len == 8 && memcmp(event->type.data, "snapshot", 8) == 0;
    if (invocation->json && snapshot) {
        printf("{\"snapshot\":%.*s}\n", (int)event->data.len, event->data.data);
    } else if (invocation->json) {
        printf("{\"seq\":%lld,\"type\":\"%.*s\",\"data\":", (long long)event->seq,
               (int)event->type.len, event->type.data);
        fwrite(event->data.data, 1, event->data.len, stdout);
        fputs("}\n", stdout);
    } else {
        printf("%s%lld  %.*s  ", snapshot ? "-- " : "", (long long)event->seq, (int)event->type.len,
               event->type.data);
        fwrite(event->data.data, 1, event->data.len, stdout);
        fputc('\n', stdout);
    }
}

static enum follow_via via_of(const char *text) {
    if (text != NULL && strcmp(text, "ws") == 0) {
        return FOLLOW_WS;
    }
    return text != NULL && strcmp(text, "poll") == 0 ? FOLLOW_POLL : FOLLOW_SSE;
}

static struct err tail_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    bool follow = args_on(args, "follow") || args_on(args, "new") || args_given(args, "via");
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    struct follow_options options = {
        .client = talk.client,
        .talk = &talk.options,
        .world = invocation->world,
        .name = args->operands[0],
        .via = follow ? via_of(args_text(args, "via")) : FOLLOW_POLL,
        .after = args_on(args, "new") ? -1 : args_int(args, "after", 0),
        .count = args_int(args, "count", 0),
        .retry_ms = args_on(args, "no-retry") ? 0 : args_int(args, "retry-for", 0) * 1000,
        .once = !follow,
        .event = event_print,
        .trouble = talk_trouble,
        .ctx = invocation,
    };
    err = follow_run(&options, &invocation->why);
    if (err.code == ERR_INTERRUPTED) {
        invocation->told = true; /* The user knows. */
    }
    return err;
}

const struct command command_stream_tail = {
    .group = "stream",
    .name = "tail",
    .summary = "Print the events of a stream; with --follow, stay.",
    .operands = "NAME",
    .flags = tail_flags,
    .talks = true,
    .about = "After a disconnect it resumes after the last event it printed. It ends where\n"
             "the stream does (that of a run), or by Ctrl-C.\n",
    .run = tail_run,
};
