/* command_chat.c: drover chat: a conversation at a terminal, or by lines in a pipe.
 * What its commands do about what was said stands in chat_history.c. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/budget/limits.h"
#include "cli/session/ask.h"
#include "cli/session/chat.h"
#include "cli/turn/watch.h"

static const struct flag chat_flags[] = {
    OPTION_TEXT("model", 'm', "NAME", "Which model: provider/model [the daemon's].",
                .env = "DROVER_MODEL"),
    OPTION_TEXT("session", 's', "ID", "Go on in this session [a new one]."),
    OPTION_TEXT("root", 0, "DIR", "The folder that its tools work in [this one]."),
    OPTION_SWITCH("no-root", 0, "No folder: it gets no tools for files."),
    OPTION_END,
};

/* --- The session ------------------------------------------------------------------------------ */

static struct err open_session(struct chat *chat) {
    struct invocation *invocation = chat->invocation;
    const struct args *args = &invocation->args;
    const char *named = args_text(args, "session"), *root = args_text(args, "root");
    char path[PATH_MAX];
    if (named != NULL) {
        chat->session = mem_copy(named, strlen(named));
        struct session_ends ends = {.head = 0};
        struct err err = session_ends(chat->talk, named, &ends, &invocation->why);
        chat->seq = ends.head;
        return err;
    }
    if (!args_on(args, "no-root") && realpath(root == NULL ? "." : root, path) == NULL) {
        why_set(&invocation->why, "root: there is no folder %s", root == NULL ? "." : root);
        return err_make(ERR_USAGE, "chat: root");
    }
    chat->root = args_on(args, "no-root") ? NULL : mem_copy(path, strlen(path));
    const struct session_wish wish = {.model = args_text(args, "model"), .root = chat->root};
    struct err err = session_make(chat->talk, &wish, &chat->session, &invocation->why);
    if (!err_failed(err) && wish.model == NULL) {
        session_tell_scripted(chat->talk);
    }
    return err;
}

/* --- A turn ----------------------------------------------------------------------------------- */

static void forget_interrupt(const struct talk *talk) {
    struct signalfd_siginfo signal;
    while (read(talk->interrupt_fd, &signal, sizeof signal) == sizeof signal) {
    }
}

/* Ctrl-C ends the turn, and not the session: what it said stays. */
static struct err stop_turn(const struct chat *chat) {
    AUTO(text_done) struct text target = {0};
    struct why ignored;
    forget_interrupt(chat->talk);
    if (!talk_target(&target, "/api/v1/sessions/", chat->session, "/stop")) {
        return err_make(ERR_OUT_OF_MEMORY, "chat: target");
    }
    struct client_request request = {.method = "POST", .target = target.data};
    struct err err =
        talk_ask(chat->talk, &request, NULL /* nothing is read */, NULL /* nor here */, &ignored);
    return err.code == ERR_CONFLICT ? ERR_OK : err; /* It has just ended. */
}

static void tell_end(const struct turn_outcome *outcome) {
    if (outcome->state != NULL && strcmp(outcome->state, "succeeded") != 0) {
        fprintf(stderr, "[%s: %s%s%s]\n", outcome->state, outcome->cause,
                outcome->note[0] != '\0' ? ", " : "", outcome->note);
    }
}

struct err chat_watch(struct chat *chat, const char *run) {
    AUTO(turn_outcome_done) struct turn_outcome outcome = {0};
    const struct turn_watch watch = {.invocation = chat->invocation,
                                     .talk = chat->talk,
                                     .session = chat->session,
                                     .run = run,
                                     .after = chat->seq,
                                     .show = chat->seen ? TURN_SHOW_LIVE : TURN_SHOW_FINAL,
                                     .answers = chat->seen ? &chat->lines : NULL};
    struct err err = turn_watch(&watch, &outcome);
    chat->seq = outcome.seq;
    if (err.code == ERR_INTERRUPTED) {
        err = stop_turn(chat);
        return err_failed(err) ? err : chat_watch(chat, run);
    }
    tell_end(&outcome);
    return err;
}

static struct err say(struct chat *chat, const char *text) {
    AUTO(mem_release) char *run = NULL;
    const struct session_say what = {
        .session = chat->session, .text = text, .model = chat->model, .images = chat->images};
    struct err err = session_say(chat->talk, &what, &run, &chat->invocation->why);
    (void)json_array_clear(chat->images);
    return err_failed(err) ? err : chat_watch(chat, run);
}

/* --- Commands --------------------------------------------------------------------------------- */

static struct err do_help(struct chat *chat, const char *rest);

static struct err do_image(struct chat *chat, const char *rest) {
    AUTO(mem_release) char *id = NULL;
    if (rest[0] == '\0') {
        puts("[which file? /image FILE]");
        return ERR_OK;
    }
    struct err err = session_attach(chat->talk, chat->session, rest, &id, &chat->invocation->why);
    if (!err_failed(err)) {
        (void)json_array_append_new(chat->images, json_string(id));
        puts("[it goes with the next message]");
    }
    return err;
}

static struct err do_quit(struct chat *chat, const char *rest) {
    (void)rest; /* It takes nothing. */
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
    (void)rest; /* It takes nothing. */
    printf("[%s]\n", chat->session);
    return ERR_OK;
}

static struct err do_new(struct chat *chat, const char *rest) {
    const struct session_wish wish = {
        .model = chat->model, .root = chat->root, .title = rest[0] == '\0' ? NULL : rest};
    char *session = NULL;
    struct err err = session_make(chat->talk, &wish, &session, &chat->invocation->why);
    if (!err_failed(err)) {
        mem_free(chat->session);
        chat->session = session;
        chat->seq = 0;
        printf("[%s]\n", session);
    }
    return err;
}

static struct err do_title(struct chat *chat, const char *rest) {
    AUTO(text_done) struct text target = {0}, body = {0};
    text_init(&body, LINES_LINE_MAX);
    text_add_str(&body, "{\"title\":");
    text_add_json(&body, rest, strlen(rest));
    text_add_char(&body, '}');
    if (text_failed(&body) || !talk_target(&target, "/api/v1/sessions/", chat->session, "")) {
        return err_make(ERR_OUT_OF_MEMORY, "chat: title");
    }
    struct client_request request = {
        .method = "PATCH", .target = target.data, .body = {body.data, body.len}};
    return talk_ask(chat->talk, &request, NULL /* nothing is read */, NULL /* nor here */,
                    &chat->invocation->why);
}

static struct err do_compact(struct chat *chat, const char *rest) {
    (void)rest;
    AUTO(json_release) json_t *run = NULL;
    struct err err = session_compact(chat->talk, chat->session, &run, &chat->invocation->why);
    if (err.code == ERR_INTERRUPTED && chat->seen) {
        forget_interrupt(chat->talk);
        return stop_turn(chat);
    }
    if (!err_failed(err)) {
        putchar('[');
        session_print(talk_text(run, "note"));
        puts("]");
    }
    return err;
}

/* --- What it took ----------------------------------------------------------------------------- */

static struct err do_usage(struct chat *chat, const char *rest) {
    (void)rest; /* It takes nothing. */
    AUTO(text_done) struct text target = {0};
    AUTO(json_release) json_t *row = NULL;
    if (!talk_target(&target, "/api/v1/sessions/", chat->session, "")) {
        return err_make(ERR_OUT_OF_MEMORY, "chat: usage");
    }
    const struct client_request request = {.method = "GET", .target = target.data};
    struct err err =
        talk_ask(chat->talk, &request, NULL /* parsed is enough */, &row, &chat->invocation->why);
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

static const struct {
    const char *name, *about;
    struct err (*run)(struct chat *chat, const char *rest);
} commands[] = {
    {"clear", "take all messages out of the session", chat_clear},
    {"compact", "summarise what was said, for the model; the messages stay", do_compact},
    {"edit", "TEXT: say your last message again, with this text; what was, is in a fork",
     chat_edit},
    {"help", "what can be said with a slash", do_help},
    {"image", "FILE: show an image with the next message", do_image},
    {"model", "NAME: ask this model from now on; without NAME, the session's", do_model},
    {"new", "[TITLE]: begin another session", do_new},
    {"queue", "what waits for its turn", chat_queue},
    {"quit", "leave; the session stays", do_quit},
    {"retry", "ask for the last answer again", chat_retry},
    {"session", "which one this is", do_session},
    {"title", "TITLE: name the session", do_title},
    {"usage", "what it took so far, and how full the model's window is", do_usage},
};

static struct err do_help(struct chat *chat, const char *rest) {
    (void)chat; /* It is the same for all of them. */
    (void)rest;
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        printf("/%-8s %s\n", commands[i].name, commands[i].about);
    }
    return ERR_OK;
}

static struct err command(struct chat *chat, const char *line) {
    size_t len = strcspn(line, " ");
    const char *rest = line + len + strspn(line + len, " ");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strlen(commands[i].name) == len && strncmp(commands[i].name, line, len) == 0) {
            return commands[i].run(chat, rest);
        }
    }
    printf("[there is no /%.*s; /help lists what there is]\n", (int)len, line);
    return ERR_OK;
}

/* --- Line by line ----------------------------------------------------------------------------- */

static struct err next_line(struct chat *chat, struct bytes *ret_line) {
    return chat->seen ? edit_line_next(&chat->edit, "> ", ret_line)
                      : lines_next(&chat->lines, ret_line);
}

/* What the daemon refuses is told, and the conversation goes on; what it cannot be asked is not. */
static struct err obey(struct chat *chat, struct bytes line) {
    AUTO(mem_release) char *text = mem_copy(line.data, line.len);
    if (text[strspn(text, " \t")] == '\0') {
        return ERR_OK;
    }
    struct err err = text[0] == '/' ? command(chat, text + 1) : say(chat, text);
    if (err_failed(err) && err.code != ERR_UNREACHABLE && err.code != ERR_INTERRUPTED) {
        const char *why = chat->invocation->why.text;
        fprintf(stderr, "drover: %s\n", why[0] != '\0' ? why : err_title(err.code));
        chat->invocation->why.text[0] = '\0';
        err = ERR_OK;
    }
    return err;
}

static struct err converse(struct chat *chat) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !chat->over) {
        struct bytes line = {0};
        err = next_line(chat, &line);
        if (err.code == ERR_INTERRUPTED && chat->seen) { /* Ctrl-C at the prompt. */
            forget_interrupt(chat->talk);
            err = ERR_OK;
            continue;
        }
        chat->over = line.data == NULL;
        if (!err_failed(err) && !chat->over) {
            err = obey(chat, line);
        }
    }
    return err;
}

static struct err chat_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    struct chat chat = {.invocation = invocation,
                        .talk = &talk,
                        .images = json_array(),
                        .seen = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1};
    lines_init(&chat.lines, STDIN_FILENO, talk.interrupt_fd);
    edit_line_init(&chat.edit, talk.interrupt_fd);
    err = open_session(&chat);
    if (!err_failed(err) && chat.seen) {
        printf("[%s; /help lists commands, Ctrl-D leaves]\n", chat.session);
    }
    if (!err_failed(err) && args_given(&invocation->args, "session")) {
        err = chat_join(&chat);
    }
    if (!err_failed(err)) {
        err = converse(&chat);
    }
    if (!err_failed(err) && chat.seen) {
        fprintf(stderr, "'drover chat --session %s' comes back to it.\n", chat.session);
    }
    edit_line_done(&chat.edit);
    lines_done(&chat.lines);
    json_decref(chat.images);
    mem_free(chat.session);
    mem_free(chat.model);
    mem_free(chat.root);
    return err;
}

const struct command command_chat = {
    .name = "chat",
    .summary = "Talk with an agent in this folder.",
    .flags = chat_flags,
    .talks = true,
    .about = "Ctrl-C stops the turn and not the session; Ctrl-D leaves. In a pipe each line is a\n"
             "message, and each answer is printed whole.\n",
    .run = chat_run,
};
