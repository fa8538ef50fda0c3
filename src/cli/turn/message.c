/* message.c: see message.h. */
#include "cli/turn/message.h"

#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api_request.h"
#include "cli/run/ask.h"

struct err message_read(const struct message_words *words, struct text *message, struct why *why) {
    struct bytes input = {0};
    const bool dash = words->operand != NULL && strcmp(words->operand, "-") == 0;
    if (words->operand != NULL && !dash) {
        text_add_str(message, words->operand);
    } else if (dash || isatty(STDIN_FILENO) == 0) {
        TRY(lines_rest(words->lines, &input));
        text_add(message, input.data, input.len);
    }
    if (message->len == 0 || message->data[strspn(message->data, " \t\r\n")] == '\0') {
        return err_why(why, ERR_USAGE,
                       "nothing was asked; give the %s in quotes, or on standard input",
                       words->noun);
    }
    if (!utf8_valid(message->data, message->len)) {
        return err_why(why, ERR_USAGE, "the %s is not valid UTF-8 text", words->noun);
    }
    return ERR_OK;
}

/* `session` of the order, or the one that was made: a run may set a budget only as a new one. */
static struct err budget_set(struct talk *talk, const char *session,
                             const struct message_order *order, struct why *why) {
    const bool is_new = order->session == NULL && !order->wish.main;
    char scope[128];
    (void)snprintf(scope, sizeof scope, "session:%s", session); /* Ids are short. */
    const struct api_request budget = {.method = "PATCH",
                                       .base = "/api/v1/budgets/",
                                       .id = scope,
                                       .rest = is_new ? "?new=1" : NULL,
                                       .body = order->budget};
    return api_ask(talk, &budget, NULL, why);
}

struct err message_send(struct talk *talk, const struct message_order *order,
                        struct message_sent *ret_sent, struct why *why) {
    AUTO(message_sent_done) struct message_sent sent = {0};
    struct session_ends ends = {.head = 0};
    struct err err = ERR_OK;
    if (order->session != NULL) {
        sent.session = mem_copy(order->session, strlen(order->session));
    } else {
        err = session_make(talk, &order->wish, &sent.session, why);
    }
    if (!err_failed(err) && order->budget != NULL) {
        err = budget_set(talk, sent.session, order, why);
    }
    err = err_failed(err) ? err : session_ends(talk, sent.session, &ends, why);
    if (!err_failed(err)) {
        const struct session_say say = {
            .session = sent.session, .text = order->text, .retry_ms = RUN_RETRY_MS};
        err = session_say(talk, &say, &sent.run, why);
    }
    if (!err_failed(err)) {
        sent.after = ends.head;
        *ret_sent = sent;
        sent = (struct message_sent){0}; /* Handed over. */
    }
    return err;
}

void message_sent_done(struct message_sent *sent) {
    mem_free(sent->session);
    mem_free(sent->run);
    *sent = (struct message_sent){0};
}
