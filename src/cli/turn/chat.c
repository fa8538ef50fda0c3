/* chat.c: see chat.h. Lines about a chat, and requests about its session. */
#include "cli/turn/chat.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/base/api_request.h"
#include "cli/run/ask.h"
#include "cli/session/session.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "cli/turn/follow.h"

static void above_add(struct chat *chat, enum colour colour, const char *words) {
    const size_t begin = chat->above->len;
    text_addf(chat->above, "%s%s%s\n", paint_begin(&chat->paint, colour), words,
              paint_end(&chat->paint, colour));
    cells_wrap_words(chat->above, begin, chat->paint.columns);
}

void chat_say(struct chat *chat, const char *format, ...) {
    AUTO(json_release) json_t *note = NULL;
    char room[4096];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(room, sizeof room, format, args); /* A longer line is cut. */
    va_end(args);
    utf8_make_plain(room, strlen(room));
    if (chat->above != NULL) {
        above_add(chat, COLOUR_NONE, room);
    } else if (chat->form == CHAT_JSON) {
        note = json_pack("{s:s,s:{s:s}}", "type", "note", "data", "text", room);
        talk_print(note);
        (void)fflush(stdout); /* A failure shows again at the end. */
    } else {
        puts(room);
    }
}

void chat_note(struct chat *chat, const char *words) {
    if (chat->above == NULL) {
        chat_say(chat, "%s", words);
    } else {
        above_add(chat, COLOUR_YELLOW, words);
    }
}

void chat_complain(struct chat *chat, struct err err) {
    struct why *why = &chat->invocation->why;
    const char *words = err_words(err, why);
    if (chat->above != NULL) {
        AUTO(text_done) struct text line = text_up_to(64 << 10);
        text_add_str(&line, "drover: ");
        plain_add(&line, words);
        above_add(chat, COLOUR_NONE, text_bytes(&line).data);
    } else {
        plain_note("drover: %s\n", words);
    }
    why->text[0] = '\0';
}

struct err chat_ask(struct chat *chat, const char *method, const char *rest,
                    const struct text *body, json_t **ret_answer) {
    const struct api_request request = {
        .method = method, SESSION_REQUEST(chat->session), .rest = rest, .body = body};
    return api_ask(chat->talk, &request, ret_answer, &chat->invocation->why);
}

void chat_interrupt_take(struct chat *chat) {
    struct signalfd_siginfo signal;
    while (read(chat->talk->interrupt_fd, &signal, sizeof signal) == sizeof signal) {
    }
}

struct err chat_stop(struct chat *chat) {
    chat_interrupt_take(chat); /* The Ctrl-C that asked for this must not end the request. */
    struct err err = chat_ask(chat, "POST", "/stop", NULL, NULL /* nothing is read */);
    if (err.code == ERR_CONFLICT) { /* The turn has just ended. */
        chat->invocation->why.text[0] = '\0';
        return ERR_OK;
    }
    return err;
}

struct err chat_send(struct chat *chat, const char *text, const char *policy, const char *client_id,
                     char **ret_run) {
    const struct session_say say = {.session = chat->session,
                                    .text = text,
                                    .model = chat->model,
                                    .policy = policy,
                                    .images = chat->images,
                                    .client_id = client_id,
                                    .retry_ms = chat->form == CHAT_TERMINAL ? 0 : RUN_RETRY_MS};
    TRY(session_say(chat->talk, &say, ret_run, &chat->invocation->why));
    (void)json_array_clear(chat->images);
    return ERR_OK;
}

struct err chat_watch(struct chat *chat, const char *run) {
    AUTO(turn_outcome_done) struct turn_outcome outcome = {0};
    const struct turn_watch watch = {.invocation = chat->invocation,
                                     .talk = chat->talk,
                                     .session = chat->session,
                                     .run = run,
                                     .after = chat->seq,
                                     .show = TURN_SHOW_FINAL};
    if (chat->form != CHAT_LINES) {
        return ERR_OK; /* The loop shows it. */
    }
    struct err err = turn_watch(&watch, &outcome);
    chat->seq = outcome.seq;
    if (outcome.state != NULL && strcmp(outcome.state, "succeeded") != 0) {
        plain_note("[%s: %s%s%s]\n", outcome.state, outcome.cause,
                   outcome.note[0] != '\0' ? ", " : "", outcome.note);
    }
    return err;
}
