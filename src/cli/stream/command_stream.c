/* command_stream.c: drover stream ls, show, prune, keep, tail; append, one event or many.
 *
 * With append --lines each line of the input is one event with a key of its own (KEY-1, KEY-2, …),
 * sent again with the same key until it is acknowledged: a daemon that dies in between, or an
 * answer that is lost, makes neither a gap nor a repeat. The same input with the same --key may be
 * sent again as a whole within a day. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/api_request.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"
#include "cli/stream/follow.h"
#include "cli/terminal/lines.h"
#include "cli/terminal/plain.h"

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    LISTING_SEARCH("name"),
    LISTING_SINCE("created"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static const struct column columns[] = {
    COLUMN("HEAD", 12, "head", COLUMN_INT),
    COLUMN("FLOOR", 12, "floor", COLUMN_INT),
    TIME_COLUMN("CREATED", "made_ms"),
    COLUMN("STREAM", 0, "stream", COLUMN_TEXT),
    COLUMN_END,
};

const struct command command_stream_ls = {
    COMMAND("stream", "ls", NULL, "List streams."),
    HELP(EVENTS, "drover stream ls --search run:\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/streams", .columns = columns,
           .empty = "There is no stream. 'drover stream append NAME' begins one."),
};

/* --- Show, prune, keep ------------------------------------------------------------------------ */

static const char no_address[] = "there is no such path";

static void stream_print(const json_t *row) {
    int64_t events = talk_int(row, "keep_events"), ms = talk_int(row, "keep_ms");
    printf("stream  %s\nhead    %lld\nfloor   %lld\n", talk_text(row, "stream"),
           (long long)talk_int(row, "head"), (long long)talk_int(row, "floor"));
    if (json_object_get(row, "made_ms") == NULL) {
        return;
    }
    printf("created %s\n", talk_time(talk_int(row, "made_ms")).text);
    if (events == 0 && ms == 0) {
        puts("keeps   everything");
    }
    if (events > 0) {
        printf("keeps   the last %lld event%s\n", (long long)events, plural(events));
    }
    if (ms > 0) {
        printf("keeps   what is younger than %lld s\n", (long long)(ms + 999) / 1000);
    }
}

const struct command command_stream_show = {
    COMMAND("stream", "show", "NAME", "Show a stream."),
    HELP(EVENTS, "drover stream show notes\n"),
    ACTION("GET /api/v1/streams/{}", .unknown = no_address, .print = stream_print),
};

static const struct flag prune_flags[] = {
    OPTION_INT("through", 0, "SEQ", 1, INT64_MAX, "Remove events up to this one."),
    OPTION_END,
};

static struct err prune_run(struct invocation *invocation) {
    if (!args_given(&invocation->args, "through")) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--through SEQ is needed: the last event to remove");
    }
    return action_run(invocation);
}

const struct command command_stream_prune = {
    COMMAND("stream", "prune", "NAME", "Remove the oldest events of a stream."),
    HELP(EVENTS, "drover stream prune notes --through 100\n"),
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
    HELP(EVENTS, "drover stream keep notes --events 1000\n"),
    .flags = keep_flags,
    ACTION("PATCH /api/v1/streams/{}", .unknown = no_address, .body = keep_body,
           .print = stream_print),
};

/* --- Tail ------------------------------------------------------------------------------------- */

static const struct flag tail_flags[] = {
    OPTION_INT("after", 0, "SEQ", 0, INT64_MAX, "Start after this event.", .absent = "0"),
    OPTION_SWITCH("new", 0, "Skip earlier events."),
    OPTION_SWITCH("follow", 'f', "Follow: print new events as they come."),
    OPTION_TEXT("via", 0, "HOW", "Follow by this protocol [sse].", .choices = "sse|ws|poll"),
    OPTION_INT("count", 'n', "N", 1, INT64_MAX, "Exit after N events."),
    OPTION_SWITCH("no-retry", 0, "Exit at the first disconnect."),
    OPTION_INT("retry-for", 0, "SECONDS", 1, 86400,
               "Give up when the daemon is unreachable for this long.", .absent = "300"),
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

static struct err tail_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    bool follow = args_on(args, "follow") || args_on(args, "new") || args_given(args, "via");
    struct bytes via = bytes_of(args_text(args, "via"));
    const struct follow_options options = {
        .talk = talk,
        .name = args->operands[0],
        .via = !follow || bytes_is(via, "poll") ? FOLLOW_POLL
               : bytes_is(via, "ws")            ? FOLLOW_WS
                                                : FOLLOW_SSE,
        .after = args_on(args, "new") ? -1 : args_int(args, "after", 0),
        .count = args_int(args, "count", 0),
        .retry_ms = args_on(args, "no-retry") ? 0 : args_int(args, "retry-for", 0) * 1000,
        .once = !follow,
        .on_event = event_print,
        .ctx = invocation,
    };
    invocation->follows = follow;
    return follow_run(&options, &invocation->why);
}

const struct command command_stream_tail = {
    COMMAND("stream", "tail", "NAME", "Print the events of a stream."),
    HELP(EVENTS, "drover stream tail notes --follow\n"
                 "drover stream tail notes -n 10\n"),
    .flags = tail_flags,
    .about = "After a disconnect, it resumes after the last printed event. It exits at the end\n"
             "of the stream (a run's stream has one), or after Ctrl-C.\n",
    .converse = tail_run,
};

/* --- Append ---------------------------------------------------------------------------------- */

enum { KEY_LEN_MAX = 255, BODY_MAX = 2 << 20 };

static const struct flag append_flags[] = {
    OPTION_TEXT("type", 't', "TYPE", "Set the event's type: a-z, 0-9, '_', '.', '-'."),
    OPTION_TEXT("data", 'd', "JSON", "Set the event's data; '-' reads standard input [null]."),
    OPTION_TEXT("key", 0, "KEY", "Append at most one event with this key."),
    OPTION_SWITCH("retry", 0, "Retry until the event is acknowledged (makes a key)."),
    OPTION_INT("retry-for", 0, "SECONDS", 1, 86400,
               "Give up when the daemon is unreachable for this long.", .absent = "300"),
    OPTION_SWITCH(
        "lines", 0,
        "Append each line of standard input: {\"type\",\"data\"}, or the data with --type."),
    OPTION_END,
};

struct append {
    struct invocation *invocation;
    struct talk *talk;
    struct lines *lines;
    const char *type; /* NULL: none was given. */
    const char *key;  /* NULL: none. */
    int64_t retry_ms; /* 0: one try. */
    int64_t line;     /* Number of the event's line, from 1; 0: it is the only event. */
};

/* The daemon would refuse bad JSON as well, but by its position in a request that the user never
 * saw. `what` is what the user typed or piped. */
static struct err json_check(const struct append *append, const char *what, struct bytes bytes) {
    AUTO(json_release) json_t *json = NULL;
    struct why *why = &append->invocation->why, found = {.text = ""};
    struct err err = json_parse(bytes.data, bytes.len, JSON_DEPTH_MAX, &json, &found);
    const char *column = strstr(found.text, "column ");
    if (err.code == ERR_BAD_JSON && append->line > 0 && column != NULL) {
        why_set(why, "%s: line %lld, %s", what, (long long)append->line, column);
    } else if (err_failed(err)) {
        why_set(why, "%s: %s", what, found.text);
    }
    return err;
}

/* Sends an event and prints its number. `json` is the data of a type, or else the whole body. */
static struct err event_send(const struct append *append, struct bytes json, const char *key) {
    struct invocation *invocation = append->invocation;
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    if (append->type == NULL) {
        text_add(&body, json.data, json.len);
    } else {
        text_add_char(&body, '{');
        text_add_member(&body, "type", bytes_of(append->type));
        if (json.data != NULL) {
            text_add_name(&body, "data");
            text_add(&body, json.data, json.len);
        }
        text_add_char(&body, '}');
    }
    const struct api_request event = {.method = "POST",
                                      .base = "/api/v1/streams/",
                                      .id = invocation->args.operands[0],
                                      .rest = "/events",
                                      .unknown = no_address,
                                      .body = &body,
                                      .key = key,
                                      .retry_ms = append->retry_ms};
    TRY(api_ask(append->talk, &event, &answer, &invocation->why));
    if (invocation->json) {
        talk_print(answer);
    } else {
        const char *name = append->line > 0 ? "" : invocation->args.operands[0];
        printf("%s%s%lld\n", name, append->line > 0 ? "" : " ", (long long)talk_int(answer, "seq"));
    }
    return ERR_OK;
}

static struct err lines_append(struct append *append) {
    for (;;) {
        struct bytes line;
        struct why key;
        TRY(lines_next(append->lines, &line));
        if (line.data == NULL) {
            return ERR_OK;
        }
        append->line++;
        if (line.len == 0) {
            continue;
        }
        TRY(json_check(append, "the input", line));
        why_set(&key, "%s-%lld", append->key, (long long)append->line);
        const struct err err = event_send(append, line, key.text);
        if (err_failed(err) && err.code != ERR_INTERRUPTED) {
            plain_note("drover: line %lld was not acknowledged\n", (long long)append->line);
        }
        TRY(err);
    }
}

static struct err append_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    const char *key = args_text(args, "key");
    bool lines = args_on(args, "lines"), retry = args_on(args, "retry") || lines;
    AUTO(lines_done) struct lines input = {0};
    uint8_t random[16];
    char made[2 * sizeof random + 1];
    if (key != NULL && strlen(key) > KEY_LEN_MAX) {
        return err_why(&invocation->why, ERR_USAGE, "--key: at most 255 characters");
    }
    if (key == NULL && retry) {
        world_random(invocation->world, random, sizeof random);
        hex_write(random, sizeof random, made);
        key = made;
    }
    struct append append = {
        .invocation = invocation,
        .talk = talk,
        .lines = &input,
        .type = args_text(args, "type"),
        .key = key,
        .retry_ms = retry ? args_int(args, "retry-for", 0) * 1000 : 0,
    };
    lines_init(&input, STDIN_FILENO, talk->interrupt_fd);
    if (lines) {
        return lines_append(&append);
    }
    const char *data = args_text(args, "data");
    struct bytes json = {data, data != NULL ? strlen(data) : 0};
    bool piped = data != NULL && strcmp(data, "-") == 0;
    if (append.type == NULL) {
        return err_why(&invocation->why, ERR_USAGE, "--type TYPE is needed");
    }
    struct err err = piped ? lines_rest(&input, &json) : ERR_OK;
    if (!err_failed(err) && data != NULL) {
        err = json_check(&append, piped ? "the input" : "--data", json);
    }
    return err_failed(err) ? err : event_send(&append, json, key);
}

const struct command command_stream_append = {
    COMMAND("stream", "append", "NAME",
            "Append an event to a stream. It is on disk when this returns."),
    HELP(EVENTS, "drover stream append notes --type note --data 5\n"),
    .flags = append_flags,
    .about = "With --lines, the seq of each event is printed when the event is acknowledged.\n"
             "If the daemon crashes in between, no event is lost or repeated.\n",
    .converse = append_run,
};
