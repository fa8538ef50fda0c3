/* command_ask.c: drover ask, drover approve. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/budget/daily_limit.h"
#include "cli/run/ask.h"
#include "cli/run/waiting.h"
#include "cli/run/waits.h"
#include "cli/session/session.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/confirm.h"
#include "cli/terminal/lines.h"
#include "cli/terminal/plain.h"
#include "cli/turn/attach.h"
#include "cli/turn/message.h"
#include "cli/turn/question.h"
#include "rules/session/title.h"

/* --- Ask -------------------------------------------------------------------------------------- */

static const struct flag ask_flags[] = {
    OPTION_TEXT("model", 'm', "NAME", "Use provider/model [the daemon's].", .env = "DROVER_MODEL"),
    OPTION_TEXT("agent", 0, "NAME", "Ask a program: claude, codex, … ('drover agent ls')."),
    OPTION_TEXT("native", 0, "ID", "Continue this session that the program has; with --agent."),
    OPTION_TEXT("session", 's', "SESSION", "Continue this session [a new one]."),
    OPTION_TEXT("root", 0, "DIR", "Give it tools for the files of this folder [none]."),
    OPTION_TEXT("schema", 0, "JSON|FILE", "Answer with JSON that fits this JSON Schema."),
    OPTION_LIST("image", 'i', "FILE", "Attach an image to the question. Repeatable."),
    OPTION_END,
};

enum { SCHEMA_MAX = 1 << 20 };

struct asking {
    struct invocation *invocation;
    struct talk *talk;  /* Borrowed. Owned is all that follows. */
    struct lines lines; /* The input: the question. */
    struct text question;
    json_t *schema; /* NULL: none. */
    json_t *images; /* Attachments. */
    char *session;
    char *run;
};

static void asking_done(struct asking *asking) {
    lines_done(&asking->lines);
    text_done(&asking->question);
    json_decref(asking->schema);
    json_decref(asking->images);
    mem_free(asking->session);
    mem_free(asking->run);
}

/* It begins with a brace, or is a file. */
static struct err schema_read(struct asking *asking) {
    const char *given = args_text(&asking->invocation->args, "schema");
    const struct world *world = asking->invocation->world;
    struct why *why = &asking->invocation->why, inner = {""};
    AUTO(mem_release) char *content = NULL;
    struct bytes schema = bytes_of(given);
    if (given == NULL) {
        return ERR_OK;
    }
    if (given[strspn(given, " \t\r\n")] != '{') {
        if (err_failed(world->file_read(world->ctx, given, SCHEMA_MAX, &content, &schema.len))) {
            return err_why(why, ERR_USAGE, "schema: %s cannot be read", given);
        }
        schema.data = content;
    }
    if (err_failed(json_parse(schema.data, schema.len, JSON_DEPTH_MAX, &asking->schema, &inner))) {
        return err_why(why, ERR_USAGE, "schema: %s", inner.text);
    }
    return ERR_OK;
}

/* A session goes on with the agent and the model that it began with. */
static struct err session_keeps(struct asking *asking, const char *agent) {
    AUTO(json_release) json_t *row = NULL;
    struct why *why = &asking->invocation->why;
    return session_model(&asking->invocation->args) == NULL
               ? session_of_agent(asking->talk, asking->session, bytes_of(agent), &row, why)
               : err_why(why, ERR_USAGE,
                         "--model is for a new session; this one has the model that it began with");
}

/* The images are looked at before a session is made that would stay empty. A session of its own is
 * for one question: its words name it, and no model is asked how. */
static struct err session_find(struct asking *asking) {
    struct invocation *invocation = asking->invocation;
    const struct args *args = &invocation->args;
    const char *named = args_text(args, "session"), *path = NULL;
    for (unsigned at = 0; (path = args_next(args, "image", &at)) != NULL;) {
        if (access(path, R_OK) != 0) {
            return err_why(&invocation->why, ERR_USAGE, "image: %s cannot be read", path);
        }
    }
    const char *agent = args_text(args, "agent"), *root = args_text(args, "root");
    if (named != NULL) {
        asking->session = mem_copy(named, strlen(named));
        return agent == NULL ? ERR_OK : session_keeps(asking, agent);
    }
    const struct title title = title_of_words(text_bytes(&asking->question));
    const struct session_wish wish = {.model = agent != NULL ? session_model(args)
                                                             : args_text(args, "model"),
                                      .agent = agent,
                                      .native = args_text(args, "native"),
                                      .root = agent != NULL && root == NULL ? "." : root,
                                      .title = title.len == 0 ? NULL : title.text,
                                      .tells = true};
    return session_make(asking->talk, &wish, &asking->session, &invocation->why);
}

/* The environment's model is for new sessions. */
static struct err limit_ask(struct asking *asking) {
    const struct args *args = &asking->invocation->args;
    const char *session = args_text(args, "session");
    if (args_text(args, "agent") != NULL) { /* The program has an account of its own. */
        return ERR_OK;
    }
    const struct daily_limit limit = {.session = session,
                                      .model = session == NULL ? args_text(args, "model")
                                                               : session_model(args)};
    return daily_limit_ask(asking->talk, &limit, &asking->lines);
}

static struct err ask_run(struct invocation *invocation, struct talk *talk) {
    AUTO(asking_done) struct asking asking = {.invocation = invocation, .talk = talk};
    struct session_ends ends = {.head = 0};
    const struct args *args = &invocation->args;
    const struct message_words words = {args->operand_count > 0 ? args->operands[0] : NULL,
                                        "question", &asking.lines};
    lines_init(&asking.lines, STDIN_FILENO, talk->interrupt_fd);
    text_init(&asking.question, LINES_LINE_MAX);
    struct err err = native_check(invocation);
    err = err_failed(err) ? err : message_read(&words, &asking.question, &invocation->why);
    err = err_failed(err) ? err : schema_read(&asking);
    err = err_failed(err) ? err : limit_ask(&asking);
    err = err_failed(err) ? err : session_find(&asking);
    asking.images = json_array();
    const char *path = NULL;
    for (unsigned at = 0; !err_failed(err) && (path = args_next(args, "image", &at)) != NULL;) {
        AUTO(mem_release) char *id = NULL;
        err = session_attach(talk, asking.session, path, &id, &invocation->why);
        if (!err_failed(err)) {
            (void)json_array_append_new(asking.images, json_string(id));
        }
    }
    err = err_failed(err) ? err : session_ends(talk, asking.session, &ends, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    talk_warn_held(talk);
    const struct session_say say = {.session = asking.session,
                                    .text = asking.question.data,
                                    .model = args_text(args, "agent") != NULL ? NULL
                                                                              : session_model(args),
                                    .schema = asking.schema,
                                    .images = asking.images,
                                    .retry_ms = RUN_RETRY_MS};
    TRY(session_say(talk, &say, &asking.run, &invocation->why));
    const struct turn_watch look = {.invocation = invocation,
                                    .talk = talk,
                                    .session = asking.session,
                                    .run = asking.run,
                                    .after = ends.head};
    return turn_look(&look);
}

const struct command command_ask = {
    COMMAND(NULL, "ask", "[QUESTION]", "Ask a model one question, and print the answer."),
    HELP(AGENTS, "drover ask \"What does this project do?\"\n"
                 "drover ask --session last \"And its tests?\"\n"),
    .flags = ask_flags,
    .asks_models = true,
    .about =
        "With \"-\" as the question, or none in a pipe, it is read from standard input.\n"
        "--json prints {\"session\",\"run\",\"state\",\"cause\",\"text\",\"usage\"}. Exits with 0\n"
        "when the turn succeeded. Ctrl-C detaches, with 130: the turn continues. On a\n"
        "terminal you answer questions of the agent here; if the command is in the\n"
        "background, with 'drover approve'.\n"
        "\n" DAILY_LIMIT_HELP,
    .converse = ask_run,
};

/* --- Approve ---------------------------------------------------------------------------------- */

static const struct flag approve_flags[] = {
    OPTION_SWITCH("deny", 0, "Deny the call."),
    OPTION_TEXT("reason", 0, "WHY", "Give the model this reason; with --deny."),
    OPTION_TEXT("scope", 0, "once|session|project",
                "Allow it once, or such calls of the session, or of its project, from now on."),
    OPTION_TEXT("subject", 0, "GLOB",
                "With --scope session or project: allow what this matches, as test/**."),
    OPTION_TEXT("answer", 0, "N|TEXT|JSON",
                "Answer a question: an option's number, a text, or the fields of a form."),
    OPTION_SWITCH("yes", 'y', "Answer at once: a question that is long is not shown first."),
    OPTION_END,
};

enum {
    IDS_CELLS = 62, /* Two ids, and the blanks between them. */
    ANSWER_SHOWN_MAX = 200,
};

/* Whole, since the answer is about every word of it. */
static void questions_print(const struct invocation *invocation, const json_t *rows) {
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    const json_t *row = NULL;
    size_t at = 0;
    json_array_foreach(rows, at, row) {
        AUTO(text_done) struct text text = text_up_to(RUN_QUESTION_MAX);
        const char *id = talk_text(row, "id"), *session = talk_text(row, "session");
        const char *from = session[0] != '\0' ? session : talk_text(row, "run");
        const bool narrow = paint.columns > 0 && paint.columns < IDS_CELLS;
        plain_add(&text, narrow ? short_name_of(id, NULL /* no label */).text : id);
        text_add_str(&text, "  ");
        plain_add(&text, narrow ? short_name_of(from, NULL /* no label */).text : from);
        text_add_char(&text, '\n');
        question_add(row, &paint, &text);
        printf("%s%s", at > 0 ? "\n" : "", text_bytes(&text).data);
    }
}

/* Whether a line of the terminal shows all of the question: then every list of them did. */
static bool is_line(const json_t *row, const struct paint *paint) {
    AUTO(text_done) struct text words = text_up_to(RUN_QUESTION_MAX);
    run_question_lines_add(row, "", &words);
    return memchr(words.data, '\n', words.len) == NULL &&
           (paint->columns == 0 || cells_of(text_bytes(&words)) <= paint->columns);
}

/* A yes is for what was read: at a terminal a question that is longer than a line is shown first.
 * *ret_yes: the answer is sent. */
static struct err read_first(const struct invocation *invocation, const struct talk *talk,
                             const json_t *row, bool *ret_yes) {
    const struct args *args = &invocation->args;
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    AUTO(text_done) struct text words = text_up_to(RUN_QUESTION_MAX), ask = text_up_to(4 << 10);
    const char *answer = args_text(args, "answer");
    *ret_yes = args_on(args, "deny") || args_on(args, "yes") || invocation->json ||
               !confirm_possible() || is_line(row, &paint);
    if (*ret_yes) {
        return ERR_OK;
    }
    question_add(row, &paint, &words);
    fwrite(text_bytes(&words).data, 1, words.len, stdout);
    text_add_str(&ask, answer == NULL ? "Allow it?" : "Answer this with ");
    if (answer != NULL) {
        const struct bytes given = bytes_of(answer);
        plain_add_line((struct bytes){given.data, utf8_cut(given, ANSWER_SHOWN_MAX)}, &ask);
        text_add_char(&ask, '?');
    }
    struct err err = confirm_ask(text_bytes(&ask).data, talk->interrupt_fd, ret_yes);
    if (!err_failed(err) && !*ret_yes) {
        plain_note("Nothing was answered.\n");
    }
    return err;
}

/* A question takes the text or the number of an option. Any other answer is a decision about a
 * call; the daemon says which answers fit. */
static struct err answer_body(struct invocation *invocation, const json_t *row, struct text *body) {
    const struct args *args = &invocation->args;
    const char *given = args_text(args, "answer");
    if (given != NULL && question_has_value(row)) {
        return question_value(row, bytes_of(given), body)
                   ? ERR_OK
                   : err_why(&invocation->why, ERR_USAGE,
                             "--answer: the fields of a form as a JSON object");
    }
    text_add_char(body, '{');
    if (given != NULL) {
        text_add_member(body, "answer", bytes_of(given));
    } else {
        api_member(body, "decision", args_on(args, "deny") ? "deny" : "allow");
        api_member(body, "reason", args_text(args, "reason"));
        api_member(body, "scope", args_text(args, "scope"));
        api_member(body, "subject", args_text(args, "subject"));
        /* A call that changes while the person reads is not allowed. */
        const char *digest = talk_text(row, "digest");
        api_member(body, "digest", digest[0] != '\0' ? digest : NULL);
    }
    text_add_char(body, '}');
    return ERR_OK;
}

/* Without an answer the options of a question are shown. */
static struct err one_answer(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *row = NULL, *answer = NULL;
    AUTO(text_done) struct text body = text_up_to(1 << 20), words = text_up_to(1 << 20);
    const char *id = invocation->args.operands[0], *given = args_text(&invocation->args, "answer");
    struct api_request approval = {.base = "/api/v1/approvals/", .id = id};
    bool yes = false;
    TRY(api_ask(talk, &approval, &row, &invocation->why));
    if (question_has_value(row) && given == NULL && !args_on(&invocation->args, "deny")) {
        struct paint paint = paint_of(STDERR_FILENO, &invocation->env);
        paint.on = false;
        question_add(row, &paint, &words);
        fwrite(text_bytes(&words).data, 1, words.len, stderr);
        return err_why(
            &invocation->why, ERR_USAGE, "this is a question; answer it with --answer %s",
            strcmp(talk_text(row, "kind"), "form") == 0 ? "JSON" : "NUMBER or --answer TEXT");
    }
    struct err err = answer_body(invocation, row, &body);
    err = err_failed(err) ? err : read_first(invocation, talk, row, &yes);
    if (err_failed(err) || !yes) {
        return err;
    }
    approval.method = "POST";
    approval.body = &body;
    err = api_ask(talk, &approval, &answer, &invocation->why);
    if (!err_failed(err) && invocation->json) {
        talk_print(answer);
    } else if (!err_failed(err)) {
        printf("%s is %s\n", talk_text(answer, "id"), talk_text(answer, "state"));
    }
    return err;
}

/* Questions whole, and then what waits otherwise. */
static void waiting_list(const struct invocation *invocation, const json_t *questions,
                         const json_t *items) {
    if (invocation->json) {
        table_print(invocation, NULL /* columns */, questions, NULL /* empty */);
    } else {
        questions_print(invocation, questions);
    }
    if (json_array_size(questions) > 0 && !invocation->json &&
        json_array_size(items) > json_array_size(questions)) {
        putchar('\n');
    }
    if (!waiting_print(invocation, items) && json_array_size(questions) == 0 && !invocation->json) {
        plain_note("Nothing waits for you.\n");
    }
}

static struct err approve_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    AUTO(json_release) json_t *rows = NULL, *waiting = NULL;
    if (args_given(args, "answer") && (args_given(args, "scope") || args_given(args, "subject"))) {
        return err_why(&invocation->why, ERR_USAGE, "--scope and --subject are for a call");
    }
    if (args->operand_count > 1 && args_given(args, "answer")) {
        return err_why(&invocation->why, ERR_USAGE, "--answer is for one question");
    }
    if (args->operand_count > 0) {
        return action_each(invocation, talk, one_answer);
    }
    if (args_on(args, "deny") || args_given(args, "reason") || args_given(args, "answer") ||
        args_given(args, "scope") || args_given(args, "subject")) {
        return err_why(&invocation->why, ERR_USAGE, "which one? 'drover approve' lists what waits");
    }
    TRY(action_rows(talk, "/api/v1/approvals", &rows, &invocation->why));
    TRY(talk_get(talk, WAITING_PATH, &waiting, &invocation->why));
    waiting_list(invocation, rows, json_object_get(waiting, "items"));
    return ERR_OK;
}

const struct command command_approve = {
    COMMAND(NULL, "approve", "[APPROVAL]…",
            "Answer what an agent or a program asks. Without APPROVAL, list all that waits."),
    HELP(AGENTS, "drover approve\n"
                 "drover approve last\n"
                 "drover approve last --scope session\n"
                 "drover approve last --scope project --subject 'test/**'\n"
                 "drover approve last --deny --reason \"not on this branch\"\n"),
    .flags = approve_flags,
    .converse = approve_run,
};
