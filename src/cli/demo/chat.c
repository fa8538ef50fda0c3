/* chat.c: see chat.h. */
#include "cli/demo/chat.h"

#include <string.h>

#include "base/memory.h"
#include "cli/base/api.h"

void chat_done(struct chat *chat) {
    for (size_t i = 0; i < chat->count; i++) {
        mem_free(chat->exchanges[i].question);
        text_done(&chat->exchanges[i].answer);
    }
    *chat = (struct chat){.count = 0};
}

static void message_hear(struct chat *chat, const json_t *message) {
    const json_t *part = json_array_get(json_object_get(message, "parts"), 0);
    const char *text = talk_text(part, "text");
    if (strcmp(talk_text(message, "role"), "user") == 0 && chat->count < CHAT_MAX) {
        chat->exchanges[chat->count++] = (struct chat_exchange){
            .question = mem_copy(text, strlen(text)), .answer = text_up_to(CHAT_TEXT_MAX)};
    }
}

void chat_hear(struct chat *chat, struct bytes type, const json_t *data) {
    struct chat_exchange *exchange =
        chat->current < chat->count ? &chat->exchanges[chat->current] : NULL;
    if (bytes_is(type, "message_added")) {
        message_hear(chat, json_object_get(data, "message"));
    } else if (exchange == NULL) {
        return;
    } else if (bytes_is(type, "turn_started")) {
        exchange->begun = true;
    } else if (bytes_is(type, "delta")) {
        text_add_str(&exchange->answer, talk_text(data, "text"));
    } else if (bytes_is(type, "output_discarded")) {
        exchange->broken++;
        text_clear(&exchange->answer);
    } else if (bytes_is(type, "turn_finished")) {
        exchange->over = true;
        chat->current++;
    }
}

bool chat_is_over(const struct chat *chat, size_t asked) {
    return chat->count >= asked && chat->current >= asked;
}
