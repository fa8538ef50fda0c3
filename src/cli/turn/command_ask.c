/* command_ask.c: drover ask, drover approve. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/session/session.h"
#include "cli/terminal/plain.h"
#include "cli/turn/follow.h"
#include "cli/turn/watch.h"
#include "rules/session/title.h"

static const struct flag ask_flags[] = {
    OPTION_TEXT("model", 'm', "NAME", "Which model: provider/model [the daemon's].",
                .env = "DROVER_MODEL"),
    OPTION_TEXT("session", 's', "ID", "Go on in this session [a new one]."),
    OPTION_TEXT("root", 0, "DIR",
                "The folder that its tools work in [none: it gets no tools for files]."),
    OPTION_TEXT("schema", 0, "JSON|FILE", "A JSON Schema: the answer is JSON that fits it."),
    OPTION_LIST("image", 'i', "FILE", "An image that belongs to the question; may be given again."),
    OPTION_END,
};

enum { SCHEMA_MAX = 1 << 20 };

/* --- The question ----------------------------------------------------------------------------- */

/* What was said as operands; with "-", or none where something is poured in, what comes there. */
static struct err read_question(const struct invocation *invocation, struct lines *lines,
                                struct text *text, struct why *why) {
    const struct args *args = &invocation->args;
    bool dash = args->operand_count > 0 && strcmp(args->operands[0], "-") == 0;
    if (args->operand_count > 0 && !dash) {
        text_add_str(text, args->operands[0]);
    }
    if (dash || (args->operand_count == 0 && isatty(STDIN_FILENO) == 0)) {
        struct bytes poured = {0};
        struct err err = lines_rest(lines, &poured);
        if (err_failed(err)) {
            return err;
        }
        text_add(text, poured.data, poured.len);
    }
    if (text->len == 0 || text->data[strspn(text->data, " \t\r\n")] == '\0') {
        why_set(why, "nothing was asked; give the question in quotes, or pour it in");
        return err_make(ERR_USAGE, "ask: question");
    }
    return ERR_OK;
}

/* It begins with a brace, or is a file. */
static struct err read_schema(struct invocation *invocation, const struct talk *talk,
                              json_t **ret_schema) {
    const char *text = args_text(&invocation->args, "schema");
    struct why *why = &invocation->why, inner = {""};
    const struct world *world = talk->world;
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    if (text == NULL) {
        return ERR_OK;
    }
    if (text[strspn(text, " \t\r\n")] == '{') {
        content = mem_copy(text, strlen(text));
        len = strlen(text);
    } else if (err_failed(world->file_read(world->ctx, text, SCHEMA_MAX, &content, &len))) {
        why_set(why, "schema: %s cannot be read", text);
        return err_make(ERR_USAGE, "ask: schema");
    }
    struct err err = json_parse(content, len, JSON_DEPTH_MAX, ret_schema, &inner);
    if (err_failed(err)) {
        why_set(why, "schema: %s", inner.text);
        return err_make(ERR_USAGE, "ask: schema");
    }
    return ERR_OK;
}

/* Before a session is made that would stay empty. */
static struct err check_images(struct invocation *invocation) {
    unsigned at = 0;
    const char *path = args_next(&invocation->args, "image", &at);
    for (; path != NULL; path = args_next(&invocation->args, "image", &at)) {
        if (access(path, R_OK) != 0) {
            why_set(&invocation->why, "image: %s cannot be read", path);
            return err_make(ERR_USAGE, "ask: image");
        }
    }
    return ERR_OK;
}

/* A session of its own is for one question: its words name it, and no model is asked how. */
static struct err find_session(struct invocation *invocation, struct talk *talk,
                               const struct text *question, char **ret_session) {
    const struct args *args = &invocation->args;
    const char *named = args_text(args, "session"), *root = args_text(args, "root");
    char path[PATH_MAX];
    if (named != NULL) {
        *ret_session = mem_copy(named, strlen(named));
        return ERR_OK;
    }
    if (root != NULL && realpath(root, path) == NULL) {
        why_set(&invocation->why, "root: there is no folder %s", root);
        return err_make(ERR_USAGE, "ask: root");
    }
    const struct title title = title_of_words((struct bytes){question->data, question->len});
    const struct session_wish wish = {.model = args_text(args, "model"),
                                      .root = root == NULL ? NULL : path,
                                      .title = title.len == 0 ? NULL : title.text};
    struct err err = session_make(talk, &wish, ret_session, &invocation->why);
    if (!err_failed(err) && wish.model == NULL && !invocation->json) {
        session_warn_scripted(talk);
    }
    return err;
}

/* --- The answer ------------------------------------------------------------------------------- */

struct asking {
    struct invocation *invocation;
    struct talk *talk;
    struct lines *lines;
    const char *question;
    json_t *schema; /* NULL: none. */
};

static struct err attach_images(const struct asking *asking, const char *session, json_t *images) {
    const struct args *args = &asking->invocation->args;
    struct err err = ERR_OK;
    unsigned at = 0;
    const char *path = args_next(args, "image", &at);
    for (; !err_failed(err) && path != NULL; path = args_next(args, "image", &at)) {
        AUTO(mem_release) char *id = NULL;
        err = session_attach(asking->talk, session, path, &id, &asking->invocation->why);
        if (!err_failed(err)) {
            (void)json_array_append_new(images, json_string(id));
        }
    }
    return err;
}

static struct err ask_in(const struct asking *asking, const char *session) {
    struct invocation *invocation = asking->invocation;
    AUTO(mem_release) char *run = NULL;
    AUTO(json_release) json_t *images = json_array();
    struct session_ends ends = {.head = 0};
    struct err err = attach_images(asking, session, images);
    if (!err_failed(err)) {
        err = session_ends(asking->talk, session, &ends, &invocation->why);
    }
    const struct session_say say = {.session = session,
                                    .text = asking->question,
                                    .model = args_text(&invocation->args, "model"),
                                    .schema = asking->schema,
                                    .images = images};
    talk_warn_held(asking->talk);
    if (!err_failed(err)) {
        err = session_say(asking->talk, &say, &run, &invocation->why);
    }
    if (err_failed(err)) {
        return err;
    }
    const struct turn_look look = {.invocation = invocation,
                                   .talk = asking->talk,
                                   .lines = asking->lines,
                                   .session = session,
                                   .run = run,
                                   .after = ends.head};
    return turn_look(&look);
}

static struct err ask_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text question = {0};
    AUTO(mem_release) char *session = NULL;
    AUTO(json_release) json_t *schema = NULL;
    struct lines lines;
    text_init(&question, LINES_LINE_MAX);
    struct err err = talk_open(&talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    lines_init(&lines, STDIN_FILENO, talk.interrupt_fd);
    err = read_question(invocation, &lines, &question, &invocation->why);
    if (!err_failed(err)) {
        err = read_schema(invocation, &talk, &schema);
    }
    if (!err_failed(err)) {
        err = check_images(invocation);
    }
    if (!err_failed(err)) {
        err = find_session(invocation, &talk, &question, &session);
    }
    if (!err_failed(err)) {
        const struct asking asking = {invocation, &talk, &lines, question.data, schema};
        err = ask_in(&asking, session);
    }
    lines_done(&lines);
    return err;
}

const struct command command_ask = {
    .name = "ask",
    .summary = "Ask a model one thing, and print its answer.",
    .operands = "[QUESTION]",
    .flags = ask_flags,
    .talks = true,
    .about =
        "With \"-\" as the question, or none in a pipe, it is read from standard input.\n"
        "--json prints {\"session\",\"run\",\"state\",\"cause\",\"text\",\"usage\"}. Exits with 0\n"
        "only when the turn succeeded. Ctrl-C leaves; the turn goes on.\n",
    .run = ask_run,
};

/* --- Approve ---------------------------------------------------------------------------------- */

enum { MATTER_SHOWN = 120 };

static const struct flag approve_flags[] = {
    OPTION_SWITCH("deny", 0, "Say no."),
    OPTION_TEXT("reason", 0, "WHY", "What the model is told."),
    OPTION_TEXT("answer", 0, "TEXT", "The answer to a question."),
    OPTION_END,
};

struct waiting {
    const struct invocation *invocation;
    int64_t count;
};

/* What it asks, or would do, as one line. */
static void matter_add(const json_t *row, struct text *line) {
    AUTO(text_done) struct text arguments = {0};
    const json_t *value = json_object_get(row, "arguments");
    bool question = strcmp(talk_text(row, "kind"), "answer") == 0;
    text_init(&arguments, 1 << 20);
    if (!question && (value == NULL || err_failed(json_write(value, &arguments)))) {
        text_clear(&arguments);
    }
    plain_line(line, question                 ? talk_text(value, "question")
                     : arguments.data != NULL ? arguments.data
                                              : "");
    if (line->len > MATTER_SHOWN) {
        line->len = utf8_cut((struct bytes){line->data, line->len}, MATTER_SHOWN);
        line->data[line->len] = '\0';
        text_add_str(line, " …");
    }
}

static void waiting_print(void *ctx, const json_t *row) {
    struct waiting *waiting = ctx;
    AUTO(text_done) struct text matter = {0};
    if (waiting->invocation->json) {
        talk_print(row);
        return;
    }
    if (waiting->count++ == 0) {
        printf("%-30s  %-30s  %-14s  %s\n", "ID", "SESSION", "TOOL", "WHAT");
    }
    matter_add(row, &matter);
    printf("%-30s  %-30s  %-14s  %s\n", talk_text(row, "id"), talk_text(row, "session"),
           talk_text(row, "tool"), matter.data == NULL ? "" : matter.data);
}

static struct err approve_list(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    struct waiting waiting = {.invocation = invocation};
    if (args_on(args, "deny") || args_given(args, "reason") || args_given(args, "answer")) {
        why_set(&invocation->why, "which one? 'drover approve' lists what waits");
        return err_make(ERR_USAGE, "approve: id");
    }
    struct err err =
        talk_list(talk, "/api/v1/approvals", waiting_print, &waiting, &invocation->why);
    if (!err_failed(err) && waiting.count == 0 && !invocation->json) {
        fputs("Nothing waits for an answer.\n", stderr);
    }
    return err;
}

static void approved_print(const json_t *row) {
    printf("%s is %s\n", talk_text(row, "id"), talk_text(row, "state"));
}

static struct err approve_one(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text body = {0};
    const struct resource approval = {.method = "POST",
                                      .base = "/api/v1/approvals/",
                                      .id = args->operands[0],
                                      .body = &body,
                                      .print = approved_print};
    const char *text = args_text(args, "answer");
    text_init(&body, 1 << 20);
    text_add_char(&body, '{');
    resource_member(&body, "answer", text);
    if (text == NULL) {
        resource_member(&body, "decision", args_on(args, "deny") ? "deny" : "allow");
        resource_member(&body, "reason", args_text(args, "reason"));
    }
    text_add_char(&body, '}');
    if (text_failed(&body)) {
        return err_make(ERR_NOT_FOUND, "approve: answer");
    }
    struct err err = resource_ask(talk, &approval, &answer, &invocation->why);
    if (!err_failed(err)) {
        resource_print(invocation, &approval, answer);
    }
    return err;
}

static struct err approve_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    return invocation->args.operand_count > 0 ? approve_one(invocation, &talk)
                                              : approve_list(invocation, &talk);
}

const struct command command_approve = {
    .name = "approve",
    .summary = "Say yes (or --deny) to what an agent asks; without ID, list what waits.",
    .operands = "[ID]",
    .flags = approve_flags,
    .talks = true,
    .run = approve_run,
};
