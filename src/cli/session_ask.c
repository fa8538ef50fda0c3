/* session_ask.c: one request about one session. */
#include "cli/session_ask.h"

#include <stdio.h>
#include <string.h>

struct err session_ask(struct talk *talk, struct invocation *invocation,
                       const struct session_request *request, json_t **ret_answer) {
    AUTO(text_done) struct text target = {0};
    const char *rest = request->rest == NULL ? "" : request->rest;
    if (!talk_target(&target, "/api/v1/sessions/", invocation->args.operands[0], rest)) {
        why_set(&invocation->why, "there is no session with that id");
        return err_make(ERR_NOT_FOUND, "session: id");
    }
    if (request->body != NULL && text_failed(request->body)) {
        return err_make(ERR_BODY_TOO_LARGE, "session: body");
    }
    struct client_request with = {.method = request->method, .target = target.data};
    if (request->body != NULL) {
        with.body = (struct bytes){request->body->data, request->body->len};
    }
    struct err err = talk_open(talk, invocation);
    return err_failed(err)
               ? err
               : talk_ask(talk, &with, NULL /* parsed is enough */, ret_answer, &invocation->why);
}

void session_print(const char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        bool control = ((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f;
        (void)putchar(control ? '?' : *at); /* A failure shows again at the end. */
    }
}

void session_line(struct text *line, const char *text) {
    text_init(line, 4096);
    bool blank = false;
    for (const char *at = text; *at != '\0'; at++) {
        bool control = (unsigned char)*at < 0x20 || *at == 0x7f;
        if (!control || !blank) {
            text_add_char(line, control ? ' ' : *at);
        }
        blank = control;
    }
}
