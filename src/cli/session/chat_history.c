/* chat_history.c: what was said in a chat is asked for again, changed, cleared, or still waits. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/session/ask.h"
#include "cli/session/chat.h"

enum { LOOKED_AT = 50, QUEUE_SHOWN = 80, BODY_MAX = LINES_LINE_MAX * 6 + 100 };

static struct err each_message(struct chat *chat, const bool *enough,
                               void (*each)(void *ctx, const json_t *message), void *ctx) {
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/sessions/", chat->session, "/messages")) {
        return err_make(ERR_OUT_OF_MEMORY, "chat: messages");
    }
    const struct talk_rows rows = {
        .path = target.data, .most = LOOKED_AT, .enough = enough, .each = each, .ctx = ctx};
    return talk_rows(chat->talk, &rows, &chat->invocation->why);
}

/* --- Said again ------------------------------------------------------------------------------- */

struct last {
    const char *role; /* Of the message that is looked for. */
    bool found;
    char *id; /* Owned. */
};

/* What waits for its turn is not said yet. */
static void take_last(void *ctx, const json_t *message) {
    struct last *last = ctx;
    const char *status = talk_text(message, "status");
    if (!last->found && strcmp(talk_text(message, "role"), last->role) == 0 &&
        strcmp(status, "queued") != 0 && strcmp(status, "steering") != 0) {
        const char *id = talk_text(message, "id");
        last->id = mem_copy(id, strlen(id));
        last->found = true;
    }
}

/* The last message of that role, and what is asked of it: a turn. */
struct again {
    const char *role, *rest, *none;
    struct bytes body;
};

static struct err ask_again(struct chat *chat, const struct again *again) {
    AUTO(text_done) struct text target = {0};
    AUTO(json_release) json_t *answer = NULL;
    struct last last = {.role = again->role};
    struct err err = each_message(chat, &last.found, take_last, &last);
    if (!err_failed(err) && !last.found) {
        printf("[%s]\n", again->none);
        return ERR_OK;
    }
    if (!err_failed(err) && !talk_target(&target, "/api/v1/messages/", last.id, again->rest)) {
        err = err_make(ERR_OUT_OF_MEMORY, "chat: again");
    }
    mem_free(last.id);
    const struct client_request request = {
        .method = "POST", .target = target.data, .body = again->body};
    if (!err_failed(err)) {
        err = talk_ask(chat->talk, &request, NULL /* parsed is enough */, &answer,
                       &chat->invocation->why);
    }
    if (!err_failed(err) && talk_text(answer, "fork")[0] != '\0') {
        printf("[what was, is in %s]\n", talk_text(answer, "fork"));
    }
    return err_failed(err) ? err : chat_watch(chat, talk_text(answer, "run"));
}

struct err chat_retry(struct chat *chat, const char *rest) {
    (void)rest; /* It takes nothing. */
    const struct again again = {
        .role = "assistant", .rest = "/regenerate", .none = "there is no answer yet"};
    return ask_again(chat, &again);
}

struct err chat_edit(struct chat *chat, const char *rest) {
    AUTO(text_done) struct text body = {0};
    if (rest[0] == '\0') {
        puts("[what should it say? /edit TEXT]");
        return ERR_OK;
    }
    text_init(&body, BODY_MAX);
    text_add_str(&body, "{\"text\":");
    text_add_json(&body, rest, strlen(rest));
    text_add_char(&body, '}');
    if (text_failed(&body)) {
        return err_make(ERR_BODY_TOO_LARGE, "chat: edit");
    }
    const struct again again = {.role = "user",
                                .rest = "/resend",
                                .none = "you have said nothing yet",
                                .body = {body.data, body.len}};
    return ask_again(chat, &again);
}

/* --- Taken out, and still to come ------------------------------------------------------------- */

struct err chat_clear(struct chat *chat, const char *rest) {
    (void)rest; /* It takes nothing. */
    struct err err = session_clear(chat->talk, chat->session, &chat->invocation->why);
    if (!err_failed(err)) {
        puts("[the session is empty]");
    }
    return err;
}

static void print_queued(void *ctx, const json_t *message) {
    bool *any = ctx;
    const char *status = talk_text(message, "status");
    AUTO(text_done) struct text line = {0};
    if (strcmp(status, "queued") != 0 && strcmp(status, "steering") != 0) {
        return;
    }
    *any = true;
    session_line(&line, talk_text(json_array_get(json_object_get(message, "parts"), 0), "text"));
    struct bytes words = {line.data == NULL ? "" : line.data, line.len};
    printf("%s  %.*s\n", talk_text(message, "id"), (int)utf8_cut(words, QUEUE_SHOWN), words.data);
}

struct err chat_queue(struct chat *chat, const char *rest) {
    (void)rest; /* It takes nothing. */
    bool any = false;
    struct err err = each_message(chat, NULL /* all of them */, print_queued, &any);
    if (!err_failed(err) && !any) {
        puts("[nothing waits]");
    }
    return err;
}
