/* command_chat.c: drover chat: a conversation at a terminal, or by lines in a pipe.
 *
 * A line is a message, or a command with a slash. A client that comes back to a session sees the
 * last messages, the turn that goes on, and the questions that wait for an answer. */
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/budget/limits.h"
#include "cli/session/session.h"
#include "cli/terminal/edit_line.h"
#include "cli/terminal/plain.h"
#include "cli/turn/follow.h"

#define MESSAGES_PATH "/messages?limit=50"
enum {
    MESSAGES_JOINED = 6, /* Messages that are shown to a client that comes back. */
    TEXT_SHOWN = 2000,
    QUEUE_SHOWN = 80,
    BODY_MAX = LINES_LINE_MAX * 6 + 100,
};

static const struct flag chat_flags[] = {
    OPTION_TEXT("model", 'm', "NAME", "Which model: provider/model [the daemon's].",
                .env = "DROVER_MODEL"),
    OPTION_TEXT("session", 's', "ID", "Go on in this session [a new one]."),
    OPTION_TEXT("root", 0, "DIR", "The folder that its tools work in [this one]."),
    OPTION_SWITCH("no-root", 0, "No folder: it gets no tools for files."),
    OPTION_END,
};

struct chat {
    struct invocation *invocation;
    struct talk talk; /* Owned. */
    struct lines lines;
    struct edit_line edit;
    bool seen;        /* A person sits at both ends. */
    char *session;    /* Owned. */
    char *model;      /* Owned: model of the messages to come; NULL: the session's. */
    const char *root; /* Folder of sessions to come; NULL: none. */
    int64_t seq;      /* Last event of the session's stream that was shown. */
    bool over;
    json_t *images; /* Owned: of the next message. */
};

static void chat_done(struct chat *chat) {
    edit_line_done(&chat->edit);
    lines_done(&chat->lines);
    json_decref(chat->images);
    mem_free(chat->session);
    mem_free(chat->model);
    talk_close(&chat->talk);
}

/* Asks about the session; ret_answer NULL: the answer is not read. */
static struct err chat_ask(struct chat *chat, const char *method, const char *rest,
                           const struct text *body, json_t **ret_answer) {
    const struct resource resource = {
        .method = method, SESSION_RESOURCE(chat->session), .rest = rest, .body = body};
    return resource_ask(&chat->talk, &resource, ret_answer, &chat->invocation->why);
}

static struct err chat_ends(struct chat *chat, struct session_ends *ret_ends) {
    return session_ends(&chat->talk, chat->session, ret_ends, &chat->invocation->why);
}

/* --- A turn ----------------------------------------------------------------------------------- */

static void interrupt_forget(const struct talk *talk) {
    struct signalfd_siginfo signal;
    while (read(talk->interrupt_fd, &signal, sizeof signal) == sizeof signal) {
    }
}

/* Ctrl-C ends the turn, and not the session: what it said stays. */
static struct err turn_stop(struct chat *chat) {
    interrupt_forget(&chat->talk);
    struct err err = chat_ask(chat, "POST", "/stop", NULL, NULL /* nothing is read */);
    chat->invocation->why.text[0] = '\0';           /* The error says enough. */
    return err.code == ERR_CONFLICT ? ERR_OK : err; /* The turn has just ended. */
}

/* Shows a turn until it ends; Ctrl-C stops it. */
static struct err chat_watch(struct chat *chat, const char *run) {
    AUTO(turn_outcome_done) struct turn_outcome outcome = {0};
    const struct turn_watch watch = {.invocation = chat->invocation,
                                     .talk = &chat->talk,
                                     .session = chat->session,
                                     .run = run,
                                     .after = chat->seq,
                                     .show = chat->seen ? TURN_SHOW_LIVE : TURN_SHOW_FINAL,
                                     .answers = chat->seen ? &chat->lines : NULL};
    struct err err = turn_watch(&watch, &outcome);
    chat->seq = outcome.seq;
    if (err.code == ERR_INTERRUPTED) {
        err = turn_stop(chat);
        return err_failed(err) ? err : chat_watch(chat, run);
    }
    if (outcome.state != NULL && strcmp(outcome.state, "succeeded") != 0) {
        fprintf(stderr, "[%s: %s%s%s]\n", outcome.state, outcome.cause,
                outcome.note[0] != '\0' ? ", " : "", outcome.note);
    }
    return err;
}

/* --- Coming back ------------------------------------------------------------------------------ */

static bool message_is_said(const json_t *message) {
    static const char *const roles[] = {"user", "assistant", NULL};
    static const char *const statuses[] = {"completed", "interrupted", "failed", NULL};
    unsigned at = 0;
    return bytes_find(bytes_of(talk_text(message, "role")), roles, &at) &&
           bytes_find(bytes_of(talk_text(message, "status")), statuses, &at);
}

/* The newest come first in a snapshot. */
static void messages_show(const json_t *messages) {
    size_t from = 0;
    for (size_t shown = 0; from < json_array_size(messages) && shown < MESSAGES_JOINED; from++) {
        shown += message_is_said(json_array_get(messages, from));
    }
    while (from-- > 0) {
        const json_t *message = json_array_get(messages, from), *part = NULL;
        bool user = strcmp(talk_text(message, "role"), "user") == 0;
        size_t at = 0;
        json_array_foreach(json_object_get(message, "parts"), at, part) {
            if (message_is_said(message) && strcmp(talk_text(part, "kind"), "text") == 0) {
                struct bytes whole = bytes_of(talk_text(part, "text"));
                size_t len = utf8_cut(whole, TEXT_SHOWN);
                fputs(user ? "> " : "", stdout);
                plain_print((struct bytes){whole.data, len});
                fputs(len < whole.len ? " …\n" : "\n", stdout);
            }
        }
    }
}

static struct err chat_join(struct chat *chat) {
    AUTO(json_release) json_t *answer = NULL;
    const struct resource resource = {.base = "/api/v1/streams/session:",
                                      .id = chat->session,
                                      .rest = "/events?snapshot=1&limit=1"};
    struct err err = resource_ask(&chat->talk, &resource, &answer, &chat->invocation->why);
    if (err_failed(err)) {
        return err;
    }
    const json_t *snapshot = json_object_get(answer, "snapshot");
    const char *run = talk_text(json_object_get(snapshot, "turn"), "run");
    if (!chat->seen) {
        if (json_array_size(json_object_get(snapshot, "approvals")) > 0) {
            fputs("[a turn waits for an answer; 'drover approve' lists what is asked]\n", stderr);
        }
        return ERR_OK;
    }
    messages_show(json_object_get(snapshot, "messages"));
    if (run[0] == '\0') {
        return ERR_OK;
    }
    /* The turn is shown from its beginning: its questions are asked here, too. */
    struct session_ends ends = {.head = 0};
    err = chat_ends(chat, &ends);
    chat->seq = ends.floor;
    puts("[a turn goes on]");
    return err_failed(err) ? err : chat_watch(chat, run);
}

/* --- Commands about what was said ------------------------------------------------------------- */

/* A queued message is not said yet. */
static bool message_is_queued(const json_t *message) {
    const char *status = talk_text(message, "status");
    return strcmp(status, "queued") == 0 || strcmp(status, "steering") == 0;
}

/* Requests a new turn for the last message of that role; `none`: what is printed where there is
 * none. */
static struct err last_repeat(struct chat *chat, const char *role, const char *rest,
                              const struct text *body, const char *none) {
    AUTO(json_release) json_t *page = NULL, *answer = NULL;
    const json_t *message = NULL;
    const char *id = NULL;
    size_t at = 0;
    struct err err = chat_ask(chat, "GET", MESSAGES_PATH, NULL, &page);
    json_array_foreach(json_object_get(page, "items"), at, message) {
        if (id == NULL && strcmp(talk_text(message, "role"), role) == 0 &&
            !message_is_queued(message)) {
            id = talk_text(message, "id");
        }
    }
    if (!err_failed(err) && id == NULL) {
        printf("[%s]\n", none);
        return ERR_OK;
    }
    const struct resource last = {
        .method = "POST", .base = "/api/v1/messages/", .id = id, .rest = rest, .body = body};
    err = err_failed(err) ? err : resource_ask(&chat->talk, &last, &answer, &chat->invocation->why);
    if (err_failed(err)) {
        return err;
    }
    if (talk_text(answer, "fork")[0] != '\0') {
        printf("[what was, is in %s]\n", talk_text(answer, "fork"));
    }
    return chat_watch(chat, talk_text(answer, "run"));
}

static struct err do_retry(struct chat *chat, const char *rest) {
    return last_repeat(chat, "assistant", "/regenerate", NULL /* no body */,
                       "there is no answer yet");
}

static struct err do_edit(struct chat *chat, const char *rest) {
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    if (rest[0] == '\0') {
        puts("[what should it say? /edit TEXT]");
        return ERR_OK;
    }
    text_add_char(&body, '{');
    text_add_member(&body, "text", bytes_of(rest));
    text_add_char(&body, '}');
    return last_repeat(chat, "user", "/resend", &body, "you have said nothing yet");
}

static struct err do_title(struct chat *chat, const char *rest) {
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    text_add_char(&body, '{');
    text_add_member(&body, "title", bytes_of(rest));
    text_add_char(&body, '}');
    return chat_ask(chat, "PATCH", "", &body, NULL /* nothing is read */);
}

static struct err do_clear(struct chat *chat, const char *rest) {
    struct err err = chat_ask(chat, "POST", "/clear", NULL, NULL /* nothing is read */);
    if (!err_failed(err)) {
        puts("[the session is empty]");
    }
    return err;
}

static struct err do_queue(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *page = NULL;
    const json_t *message = NULL;
    bool any = false;
    size_t at = 0;
    struct err err = chat_ask(chat, "GET", MESSAGES_PATH, NULL, &page);
    json_array_foreach(json_object_get(page, "items"), at, message) {
        if (message_is_queued(message)) {
            AUTO(text_done) struct text line = {0};
            const json_t *part = json_array_get(json_object_get(message, "parts"), 0);
            plain_line(&line, talk_text(part, "text"));
            struct bytes words = text_bytes(&line);
            printf("%s  %.*s\n", talk_text(message, "id"), (int)utf8_cut(words, QUEUE_SHOWN),
                   words.data);
            any = true;
        }
    }
    if (!err_failed(err) && !any) {
        puts("[nothing waits]");
    }
    return err;
}

/* --- Other commands --------------------------------------------------------------------------- */

static struct err do_image(struct chat *chat, const char *rest) {
    AUTO(mem_release) char *id = NULL;
    if (rest[0] == '\0') {
        puts("[which file? /image FILE]");
        return ERR_OK;
    }
    struct err err = session_attach(&chat->talk, chat->session, rest, &id, &chat->invocation->why);
    if (!err_failed(err)) {
        (void)json_array_append_new(chat->images, json_string(id));
        puts("[it goes with the next message]");
    }
    return err;
}

static struct err do_quit(struct chat *chat, const char *rest) {
    chat->over = true;
    return ERR_OK;
}

static struct err do_model(struct chat *chat, const char *rest) {
    mem_free(chat->model);
    chat->model = rest[0] == '\0' ? NULL : mem_copy(rest, strlen(rest));
    printf("[the next messages go to %s]\n",
           chat->model == NULL ? "the session's model" : chat->model);
    return ERR_OK;
}

static struct err do_session(struct chat *chat, const char *rest) {
    printf("[%s]\n", chat->session);
    return ERR_OK;
}

static struct err do_new(struct chat *chat, const char *rest) {
    const struct session_wish wish = {
        .model = chat->model, .root = chat->root, .title = rest[0] == '\0' ? NULL : rest};
    char *session = NULL;
    struct err err = session_make(&chat->talk, &wish, &session, &chat->invocation->why);
    if (!err_failed(err)) {
        mem_free(chat->session);
        chat->session = session;
        chat->seq = 0;
        printf("[%s]\n", session);
    }
    return err;
}

static struct err do_compact(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *run = NULL;
    struct err err = session_compact(&chat->talk, chat->session, &run, &chat->invocation->why);
    if (err.code == ERR_INTERRUPTED && chat->seen) {
        return turn_stop(chat);
    }
    if (!err_failed(err)) {
        putchar('[');
        plain_print(bytes_of(talk_text(run, "note")));
        puts("]");
    }
    return err;
}

static struct err do_usage(struct chat *chat, const char *rest) {
    AUTO(json_release) json_t *row = NULL;
    struct err err = chat_ask(chat, "GET", "", NULL, &row);
    if (err_failed(err)) {
        return err;
    }
    const json_t *usage = json_object_get(row, "usage");
    const json_t *cost = json_object_get(usage, "cost_micros");
    long long read =
        talk_int(usage, "fresh") + talk_int(usage, "cache_read") + talk_int(usage, "cache_write");
    printf("[%lld calls; %lld tokens read, %lld written; cost %s; %lld of %lld tokens in use]\n",
           (long long)talk_int(usage, "calls"), read, (long long)talk_int(usage, "output"),
           json_is_integer(cost) ? budget_show("cost_micros", json_integer_value(cost)).text
                                 : "unknown",
           (long long)talk_int(row, "context_used"), (long long)talk_int(row, "context_window"));
    return ERR_OK;
}

static struct err do_help(struct chat *chat, const char *rest);

static const struct {
    const char *name, *about;
    struct err (*run)(struct chat *chat, const char *rest); /* rest: what follows the name. */
} commands[] = {
    {"clear", "take all messages out of the session", do_clear},
    {"compact", "summarise what was said, for the model; the messages stay", do_compact},
    {"edit", "TEXT: say your last message again, with this text; what was, is in a fork", do_edit},
    {"help", "what can be said with a slash", do_help},
    {"image", "FILE: show an image with the next message", do_image},
    {"model", "NAME: ask this model from now on; without NAME, the session's", do_model},
    {"new", "[TITLE]: begin another session", do_new},
    {"queue", "what waits for its turn", do_queue},
    {"quit", "leave; the session stays", do_quit},
    {"retry", "ask for the last answer again", do_retry},
    {"session", "which one this is", do_session},
    {"title", "TITLE: name the session", do_title},
    {"usage", "what it took so far, and how full the model's window is", do_usage},
};

static struct err do_help(struct chat *chat, const char *rest) {
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        printf("/%-8s %s\n", commands[i].name, commands[i].about);
    }
    return ERR_OK;
}

/* --- Line by line ----------------------------------------------------------------------------- */

static struct err line_do(struct chat *chat, const char *text) {
    if (text[strspn(text, " \t")] == '\0') {
        return ERR_OK;
    }
    if (text[0] != '/') {
        AUTO(mem_release) char *run = NULL;
        const struct session_say say = {
            .session = chat->session, .text = text, .model = chat->model, .images = chat->images};
        struct err err = session_say(&chat->talk, &say, &run, &chat->invocation->why);
        (void)json_array_clear(chat->images);
        return err_failed(err) ? err : chat_watch(chat, run);
    }
    const char *line = text + 1;
    size_t len = strcspn(line, " ");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (bytes_is((struct bytes){line, len}, commands[i].name)) {
            return commands[i].run(chat, line + len + strspn(line + len, " "));
        }
    }
    printf("[there is no /%.*s; /help lists what there is]\n", (int)len, line);
    return ERR_OK;
}

/* A refusal of the daemon is printed, and the conversation goes on; without a daemon it ends. */
static struct err chat_converse(struct chat *chat) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !chat->over) {
        struct bytes line = {0};
        err =
            chat->seen ? edit_line_next(&chat->edit, "> ", &line) : lines_next(&chat->lines, &line);
        if (err.code == ERR_INTERRUPTED && chat->seen) { /* Ctrl-C at the prompt. */
            interrupt_forget(&chat->talk);
            err = ERR_OK;
            continue;
        }
        chat->over = line.data == NULL;
        if (err_failed(err) || chat->over) {
            break;
        }
        AUTO(mem_release) char *text = mem_copy(line.data, line.len);
        err = line_do(chat, text);
        if (err_failed(err) && err.code != ERR_UNREACHABLE && err.code != ERR_INTERRUPTED) {
            const char *why = chat->invocation->why.text;
            fprintf(stderr, "drover: %s\n", why[0] != '\0' ? why : err_title(err.code));
            chat->invocation->why.text[0] = '\0';
            err = ERR_OK;
        }
    }
    return err;
}

/* Makes the session, or finds the one that was named. */
static struct err chat_open(struct chat *chat) {
    const struct args *args = &chat->invocation->args;
    const char *named = args_text(args, "session"), *root = args_text(args, "root");
    if (named != NULL) {
        struct session_ends ends = {.head = 0};
        chat->session = mem_copy(named, strlen(named));
        struct err err = chat_ends(chat, &ends);
        chat->seq = ends.head;
        return err;
    }
    chat->root = args_on(args, "no-root") ? NULL : root == NULL ? "." : root;
    const struct session_wish wish = {.model = args_text(args, "model"), .root = chat->root};
    struct err err = session_make(&chat->talk, &wish, &chat->session, &chat->invocation->why);
    if (!err_failed(err) && wish.model == NULL) {
        session_warn_scripted(&chat->talk);
    }
    return err;
}

static struct err chat_run(struct invocation *invocation) {
    AUTO(chat_done)
    struct chat chat = {.invocation = invocation,
                        .talk = {.interrupt_fd = -1},
                        .images = json_array(),
                        .seen = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1};
    struct err err = talk_open(&chat.talk, invocation);
    lines_init(&chat.lines, STDIN_FILENO, chat.talk.interrupt_fd);
    edit_line_init(&chat.edit, chat.talk.interrupt_fd);
    err = err_failed(err) ? err : chat_open(&chat);
    if (!err_failed(err) && chat.seen) {
        printf("[%s; /help lists commands, Ctrl-D leaves]\n", chat.session);
    }
    if (!err_failed(err) && args_given(&invocation->args, "session")) {
        err = chat_join(&chat);
    }
    err = err_failed(err) ? err : chat_converse(&chat);
    if (!err_failed(err) && chat.seen) {
        fprintf(stderr, "'drover chat --session %s' comes back to it.\n", chat.session);
    }
    return err;
}

const struct command command_chat = {
    COMMAND(NULL, "chat", NULL, "Talk with an agent in this folder."),
    .flags = chat_flags,
    .talks = true,
    .asks_models = true,
    .about = "Ctrl-C stops the turn and not the session; Ctrl-D leaves. In a pipe each line is a\n"
             "message, and each answer is printed whole.\n",
    .run = chat_run,
};
