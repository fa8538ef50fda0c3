/* say.c: sessions are made, given images, and spoken to. */
#include "cli/session/say.h"

#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/memory.h"
#include "cli/run/ask.h"

enum { IMAGE_SIZE_MAX = 64 << 20 };

static char *mem_text(const char *text) {
    return mem_copy(text, strlen(text));
}

static void set(json_t *object, const char *key, const char *value) {
    if (value != NULL) {
        (void)json_object_set_new(object, key, json_string(value)); /* Missing memory: refused. */
    }
}

static struct err post(struct talk *talk, const char *target, const json_t *body,
                       json_t **ret_answer, struct why *why) {
    AUTO(text_done) struct text text = {0};
    text_init(&text, 8 << 20);
    struct err err = json_write(body, &text);
    if (err_failed(err)) {
        return err;
    }
    struct client_request request = {
        .method = "POST", .target = target, .body = {text.data, text.len}};
    return talk_ask(talk, &request, NULL /* parsed is enough */, ret_answer, why);
}

struct err session_make(struct talk *talk, const struct session_wish *wish, char **ret_id,
                        struct why *why) {
    AUTO(json_release) json_t *body = json_object();
    AUTO(json_release) json_t *answer = NULL;
    set(body, "model", wish->model);
    set(body, "root", wish->root);
    set(body, "title", wish->title);
    struct err err = post(talk, "/api/v1/sessions", body, &answer, why);
    if (!err_failed(err)) {
        *ret_id = mem_text(talk_text(answer, "id"));
    }
    return err;
}

void session_tell_scripted(struct talk *talk) {
    AUTO(json_release) json_t *settings = NULL;
    const struct client_request request = {.method = "GET", .target = "/api/v1/settings"};
    struct why ignored; /* Who may not read settings is not stopped by that. */
    struct err err = talk_ask(talk, &request, NULL /* parsed is enough */, &settings, &ignored);
    if (!err_failed(err) && strcmp(talk_text(settings, "model_from"), "none") == 0) {
        fputs("[no model is set up: a script answers; 'drover provider add' sets one up]\n",
              stderr);
    }
}

/* With an id of the message: sent twice because an answer got lost, it is said once. */
struct err session_attach(struct talk *talk, const char *session, const char *path, char **ret_id,
                          struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0};
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    if (!talk_target(&target, "/api/v1/sessions/", session, "/attachments")) {
        why_set(why, "that is no session's id");
        return err_make(ERR_NOT_FOUND, "attach: id");
    }
    struct err err = talk->world->file_read(talk->world->ctx, path, IMAGE_SIZE_MAX, &content, &len);
    if (err_failed(err)) {
        why_set(why, "%s cannot be read", path);
        return err;
    }
    struct client_request request = {.method = "POST",
                                     .target = target.data,
                                     .body = {content, len},
                                     .type = "application/octet-stream"};
    err = talk_ask(talk, &request, NULL /* parsed is enough */, &answer, why);
    if (err.code == ERR_BAD_IMAGE) {
        why_set(why, "%s is no PNG, JPEG, GIF or WebP image", path);
    }
    if (!err_failed(err)) {
        *ret_id = mem_text(talk_text(answer, "id"));
    }
    return err;
}

struct err session_say(struct talk *talk, const struct session_say *say, char **ret_run,
                       struct why *why) {
    AUTO(json_release) json_t *body = json_object();
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0}, text = {0};
    uint8_t random[10];
    world_random(talk->world, random, sizeof random);
    struct id client = id_make("cli", world_wall_ms(talk->world), random);
    set(body, "text", say->text);
    set(body, "model", say->model);
    set(body, "policy", say->policy);
    set(body, "client_id", client.text);
    if (say->schema != NULL) {
        (void)json_object_set_new(body, "schema", json_deep_copy(say->schema));
    }
    if (say->images != NULL && json_array_size(say->images) > 0) {
        (void)json_object_set_new(body, "attachments", json_deep_copy(say->images));
    }
    if (!talk_target(&target, "/api/v1/sessions/", say->session, "/messages")) {
        why_set(why, "that is no session's id");
        return err_make(ERR_NOT_FOUND, "say: id");
    }
    text_init(&text, 8 << 20);
    struct err err = json_write(body, &text);
    if (err_failed(err)) {
        return err;
    }
    struct client_request request = {
        .method = "POST", .target = target.data, .body = {text.data, text.len}};
    err = talk_ask_until(talk, &request, RUN_RETRY_MS, &answer, why);
    if (!err_failed(err)) {
        *ret_run = mem_text(talk_text(answer, "run"));
    }
    return err;
}

struct err session_ends(struct talk *talk, const char *session, struct session_ends *ret_ends,
                        struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/streams/session:", session, "")) {
        return err_make(ERR_NOT_FOUND, "session: id");
    }
    struct client_request request = {.method = "GET", .target = target.data};
    struct err err = talk_ask_until(talk, &request, RUN_RETRY_MS, &answer, why);
    if (err.code == ERR_NOT_FOUND) {
        why_set(why, "there is no session with that id; 'drover session ls' lists them");
    }
    if (!err_failed(err)) {
        *ret_ends = (struct session_ends){.floor = talk_int(answer, "floor"),
                                          .head = talk_int(answer, "head")};
    }
    return err;
}
