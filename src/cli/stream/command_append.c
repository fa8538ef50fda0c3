/* command_append.c: drover stream append, one event or many.
 *
 * With --lines each line of the input is one event with a key of its own (KEY-1, KEY-2, …), sent
 * again with the same key until it is acknowledged: a daemon that dies in between, or an answer
 * that is lost, makes neither a gap nor a repeat. The same input with the same --key may be sent
 * again as a whole within a day.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/terminal/lines.h"

enum { PAUSE_FIRST_MS = 20, PAUSE_MAX_MS = 2000, KEY_SIZE = 300 };

static const struct flag append_flags[] = {
    OPTION_TEXT("type", 't', "TYPE", "Type of the event: a-z, 0-9, '_', '.', '-'."),
    OPTION_TEXT("data", 'd', "JSON", "Its data; '-' reads it from the input [null]."),
    OPTION_TEXT("key", 0, "KEY", "Idempotency key: sent twice, it is appended once."),
    OPTION_SWITCH("retry", 0, "Try again until it is acknowledged (makes a key)."),
    OPTION_INT("retry-for", 0, "SECONDS", 1, 86400, "Give up when the daemon is away for so long.",
               .absent = "300"),
    OPTION_SWITCH(
        "lines", 0,
        "Each line of the input is an event: {\"type\",\"data\"}, or the data with --type."),
    OPTION_END,
};

struct append {
    struct invocation *invocation;
    struct talk talk;
    const char *name, *type;
    char key[KEY_SIZE]; /* "" : none. */
    bool retry;
    int64_t retry_ms, line;
    struct text target, body; /* Owned. */
};

/* --- One event -------------------------------------------------------------------------------- */

static void seq_print(const struct append *append, const struct text *answer, const json_t *json) {
    if (append->invocation->json) {
        printf("%.*s\n", (int)answer->len, answer->data);
    } else if (append->line > 0) {
        printf("%lld\n", (long long)talk_int(json, "seq"));
    } else {
        printf("%s %lld\n", append->name, (long long)talk_int(json, "seq"));
    }
}

static struct err send_once(struct append *append, const char *key) {
    AUTO(text_done) struct text answer = {0};
    AUTO(json_release) json_t *json = NULL;
    struct client_request request = {.method = "POST",
                                     .target = append->target.data,
                                     .body = {append->body.data, append->body.len},
                                     .key = key};
    struct err err = talk_ask(&append->talk, &request, &answer, &json, &append->invocation->why);
    if (!err_failed(err)) {
        seq_print(append, &answer, json);
    }
    return err;
}

/* With a key, what cannot be known to have failed for good may be sent again. */
static struct err send_until(struct append *append, const char *key) {
    const struct world *world = append->invocation->world;
    uint64_t begin_ns = world_mono_ns(world);
    int64_t pause_ms = PAUSE_FIRST_MS;
    for (;;) {
        append->invocation->why.text[0] = '\0';
        struct err err = send_once(append, key);
        uint64_t tried_ms = (world_mono_ns(world) - begin_ns) / 1000000;
        if (!append->retry || !client_may_pass(err) || tried_ms > (uint64_t)append->retry_ms) {
            return err;
        }
        if (pause_ms == PAUSE_FIRST_MS) {
            fprintf(stderr, "drover: %s; trying again\n",
                    append->invocation->why.text[0] != '\0' ? append->invocation->why.text
                                                            : err_title(err.code));
        }
        err = client_pause(&append->talk.options, pause_ms);
        if (err_failed(err)) {
            return err;
        }
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
}

/* The daemon would say it as well, but by a position in a request that the user never saw. `what`
 * is what was typed or piped; in lines, the line of the input takes the place of the only one. */
static struct err json_check(const struct append *append, const char *what, struct bytes bytes) {
    AUTO(json_release) json_t *json = NULL;
    struct why found = {.text = ""};
    struct err err = json_parse(bytes.data, bytes.len, JSON_DEPTH_MAX, &json, &found);
    const char *column = strstr(found.text, "column ");
    if (err.code == ERR_BAD_JSON && append->line > 0 && column != NULL) {
        why_set(&append->invocation->why, "%s: line %lld, %s", what, (long long)append->line,
                column);
    } else if (err_failed(err)) {
        why_set(&append->invocation->why, "%s: %s", what, found.text);
    }
    return err;
}

static struct err body_make(struct append *append, struct bytes data) {
    text_clear(&append->body);
    text_add_str(&append->body, "{\"type\":");
    text_add_json(&append->body, append->type, strlen(append->type));
    if (data.data != NULL) {
        text_add_str(&append->body, ",\"data\":");
        text_add(&append->body, data.data, data.len);
    }
    text_add_char(&append->body, '}');
    return text_failed(&append->body) ? err_make(ERR_BODY_TOO_LARGE, "append: body") : ERR_OK;
}

static struct err one_run(struct append *append) {
    const char *data = args_text(&append->invocation->args, "data");
    if (append->type == NULL) {
        why_set(&append->invocation->why, "--type TYPE is needed");
        return err_make(ERR_USAGE, "append: type");
    }
    struct lines lines;
    lines_init(&lines, STDIN_FILENO, append->talk.interrupt_fd);
    struct bytes bytes = {data, data != NULL ? strlen(data) : 0};
    struct err err = ERR_OK;
    bool piped = data != NULL && strcmp(data, "-") == 0;
    if (piped) {
        err = lines_rest(&lines, &bytes);
    }
    if (!err_failed(err) && data != NULL) {
        err = json_check(append, piped ? "the input" : "--data", bytes);
    }
    if (!err_failed(err)) {
        err = body_make(append, bytes);
    }
    if (!err_failed(err)) {
        err = send_until(append, append->key[0] != '\0' ? append->key : NULL);
    }
    lines_done(&lines);
    return err;
}

/* --- Many events ------------------------------------------------------------------------------ */

static struct err line_send(struct append *append, struct bytes line) {
    struct err err = json_check(append, "the input", line);
    if (err_failed(err)) {
        return err;
    }
    if (append->type != NULL) {
        err = body_make(append, line);
    } else {
        text_clear(&append->body);
        text_add(&append->body, line.data, line.len);
    }
    struct why key;
    why_set(&key, "%s-%lld", append->key, (long long)append->line);
    if (!err_failed(err)) {
        err = send_until(append, key.text);
    }
    if (err_failed(err) && err.code != ERR_INTERRUPTED) {
        fprintf(stderr, "drover: line %lld was not acknowledged\n", (long long)append->line);
    }
    return err;
}

static struct err lines_run(struct append *append) {
    struct lines lines;
    lines_init(&lines, STDIN_FILENO, append->talk.interrupt_fd);
    struct err err = ERR_OK;
    while (!err_failed(err)) {
        struct bytes line;
        err = lines_next(&lines, &line);
        if (err_failed(err) || line.data == NULL) {
            break;
        }
        append->line++;
        if (line.len > 0) {
            err = line_send(append, line);
        }
    }
    lines_done(&lines);
    return err;
}

/* --- The command ------------------------------------------------------------------------------ */

static struct err key_make(struct append *append) {
    const char *given = args_text(&append->invocation->args, "key");
    if (given != NULL && strlen(given) > 255) {
        why_set(&append->invocation->why, "--key: at most 255 characters");
        return err_make(ERR_USAGE, "append: key");
    }
    if (given != NULL) {
        memcpy(append->key, given, strlen(given) + 1);
    } else if (append->retry) {
        uint8_t random[16];
        world_random(append->invocation->world, random, sizeof random);
        hex_write(random, sizeof random, append->key);
    }
    return ERR_OK;
}

static struct err append_go(struct append *append) {
    const struct args *args = &append->invocation->args;
    bool lines = args_on(args, "lines");
    append->name = args->operands[0];
    append->type = args_text(args, "type");
    append->retry = args_on(args, "retry") || lines;
    append->retry_ms = args_int(args, "retry-for", 0) * 1000;
    struct err err = key_make(append);
    if (!err_failed(err)) {
        err = talk_open(&append->talk, append->invocation);
    }
    text_add_str(&append->target, "/api/v1/streams/");
    client_add_escaped(&append->target, append->name);
    text_add_str(&append->target, "/events");
    if (!err_failed(err) && text_failed(&append->target)) {
        err = err_make(ERR_BAD_FIELD, "append: name");
    }
    if (err_failed(err)) {
        return err;
    }
    return lines ? lines_run(append) : one_run(append);
}

static struct err append_run(struct invocation *invocation) {
    struct append append = {.invocation = invocation, .talk = {.interrupt_fd = -1}};
    text_init(&append.target, 4 << 10);
    text_init(&append.body, 2 << 20);
    struct err err = append_go(&append);
    talk_close(&append.talk);
    text_done(&append.target);
    text_done(&append.body);
    return err;
}

const struct command command_stream_append = {
    .group = "stream",
    .name = "append",
    .summary = "Append an event; when it says so, it is on disk.",
    .operands = "NAME",
    .flags = append_flags,
    .talks = true,
    .about = "With --lines, the seq of each event is printed as it is acknowledged; a daemon that\n"
             "dies in between loses and repeats nothing.\n",
    .run = append_run,
};
