/* ask.c: one request about one session. */
#include "cli/session/ask.h"

#include <stdio.h>
#include <string.h>

#include "cli/run/ask.h"

enum { COMPACT_RETRY_MS = 10000 }; /* A daemon that is started again goes on with it. */

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

struct err session_compact(struct talk *talk, const char *session, json_t **ret_run,
                           struct why *why) {
    AUTO(text_done) struct text target = {0};
    AUTO(json_release) json_t *begun = NULL;
    if (!talk_target(&target, "/api/v1/sessions/", session, "/compact")) {
        why_set(why, "there is no session with that id");
        return err_make(ERR_NOT_FOUND, "session: id");
    }
    const struct client_request request = {.method = "POST", .target = target.data};
    struct err err = talk_ask(talk, &request, NULL /* parsed is enough */, &begun, why);
    if (err_failed(err)) {
        return err;
    }
    const struct run_wait wait = {.id = talk_text(begun, "id"), .retry_ms = COMPACT_RETRY_MS};
    return run_wait(talk, &wait, ret_run, why);
}

struct err session_clear(struct talk *talk, const char *session, struct why *why) {
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/sessions/", session, "/clear")) {
        why_set(why, "there is no session with that id");
        return err_make(ERR_NOT_FOUND, "session: id");
    }
    const struct client_request request = {.method = "POST", .target = target.data};
    return talk_ask(talk, &request, NULL /* nothing is read */, NULL /* nor here */, why);
}

/* U+0080 to U+009F: to a terminal they are what ESC and a letter are. */
static bool is_c1(const char *text, size_t left) {
    return left > 1 && (unsigned char)text[0] == 0xC2 && (unsigned char)text[1] >= 0x80 &&
           (unsigned char)text[1] < 0xA0;
}

void session_put(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_c1(text + i, len - i)) {
            i++;
        } else if ((c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t') {
            fputc(c, stdout);
        }
    }
}

void session_print(const char *text) {
    session_put(text, strlen(text));
}

void session_line(struct text *line, const char *text) {
    text_init(line, 4096);
    bool blank = false;
    for (size_t i = 0, len = strlen(text); i < len; i++) {
        bool c1 = is_c1(text + i, len - i);
        bool control = c1 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
        if (!control || !blank) {
            text_add_char(line, control ? ' ' : text[i]);
        }
        i += c1 ? 1 : 0;
        blank = control;
    }
}
