/* chat_join.c: who comes back to a conversation sees where it stands: what was said last, what goes
 * on, and what waits for an answer. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/session/ask.h"
#include "cli/session/chat.h"
#include "cli/session/say.h"

enum { MESSAGES_SHOWN = 6, TEXT_SHOWN = 2000 };

static bool was_said(const json_t *message) {
    static const char *const over[] = {"completed", "interrupted", "failed"};
    const char *role = talk_text(message, "role"), *status = talk_text(message, "status");
    bool shown = false;
    for (size_t i = 0; i < COUNT_OF(over); i++) {
        shown = shown || strcmp(status, over[i]) == 0;
    }
    return shown && (strcmp(role, "user") == 0 || strcmp(role, "assistant") == 0);
}

static void show_text(const char *text) {
    struct bytes whole = bytes_of(text);
    size_t len = utf8_cut(whole, TEXT_SHOWN);
    session_put(text, len);
    fputs(len < whole.len ? " …\n" : "\n", stdout);
}

static void show_message(const json_t *message) {
    const json_t *parts = json_object_get(message, "parts");
    bool user = strcmp(talk_text(message, "role"), "user") == 0;
    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *part = json_array_get(parts, i);
        if (strcmp(talk_text(part, "kind"), "text") == 0) {
            fputs(user ? "> " : "", stdout);
            show_text(talk_text(part, "text"));
        }
    }
}

/* The newest come first in a snapshot. */
static void show_messages(const json_t *messages) {
    size_t count = json_array_size(messages), from = 0;
    for (size_t shown = 0; from < count && shown < MESSAGES_SHOWN; from++) {
        shown += was_said(json_array_get(messages, from)) ? 1 : 0;
    }
    while (from-- > 0) {
        const json_t *message = json_array_get(messages, from);
        if (was_said(message)) {
            show_message(message);
        }
    }
}

static struct err look(const struct chat *chat, json_t **ret_answer) {
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/streams/session:", chat->session,
                     "/events?snapshot=1&limit=1")) {
        return err_make(ERR_OUT_OF_MEMORY, "chat: target");
    }
    const struct client_request request = {.method = "GET", .target = target.data};
    return talk_ask(chat->talk, &request, NULL /* parsed is enough */, ret_answer,
                    &chat->invocation->why);
}

/* Its turn is shown from its beginning: what it asks, it asks here. */
static struct err watch(struct chat *chat, const char *run) {
    struct session_ends ends = {.head = 0};
    struct err err = session_ends(chat->talk, chat->session, &ends, &chat->invocation->why);
    chat->seq = ends.floor;
    puts("[a turn goes on]");
    return err_failed(err) ? err : chat_watch(chat, run);
}

struct err chat_join(struct chat *chat) {
    AUTO(json_release) json_t *answer = NULL;
    struct err err = look(chat, &answer);
    const json_t *snapshot = json_object_get(answer, "snapshot");
    const char *run = talk_text(json_object_get(snapshot, "turn"), "run");
    if (err_failed(err)) {
        return err;
    }
    if (!chat->seen) {
        if (json_array_size(json_object_get(snapshot, "approvals")) > 0) {
            fputs("[a turn waits for an answer; 'drover approve' lists what is asked]\n", stderr);
        }
        return ERR_OK;
    }
    show_messages(json_object_get(snapshot, "messages"));
    return run[0] == '\0' ? ERR_OK : watch(chat, run);
}
