/* resource.c: a path, a request, and what is printed of its answer. */
#include "cli/base/resource.h"

#include <stdio.h>

static struct err path_make(const struct resource *resource, struct text *path, struct why *why) {
    const char *rest = resource->rest != NULL ? resource->rest : "";
    if (resource->id != NULL && !talk_target(path, resource->base, resource->id, rest)) {
        if (resource->unknown != NULL) {
            why_set(why, "%s", resource->unknown);
        }
        return err_make(ERR_NOT_FOUND, "resource: id");
    }
    return resource->body != NULL && text_failed(resource->body)
               ? err_make(ERR_BODY_TOO_LARGE, "resource: body")
               : ERR_OK;
}

static struct err path_ask(struct talk *talk, const struct resource *resource, const char *path,
                           json_t **ret_answer, struct why *why) {
    struct client_request request = {.method = resource->method != NULL ? resource->method : "GET",
                                     .target = path != NULL ? path : resource->base,
                                     .timeout_ms = resource->timeout_ms};
    if (resource->body != NULL) {
        request.body = text_bytes(resource->body);
    }
    return talk_ask_until(talk, &request, resource->retry_ms, ret_answer, why);
}

struct err resource_ask(struct talk *talk, const struct resource *resource, json_t **ret_answer,
                        struct why *why) {
    AUTO(text_done) struct text path = {0};
    struct err err = path_make(resource, &path, why);
    return err_failed(err) ? err : path_ask(talk, resource, path.data, ret_answer, why);
}

struct err resource_open(struct talk *talk, struct invocation *invocation,
                         const struct resource *resource, json_t **ret_answer) {
    AUTO(text_done) struct text path = {0};
    struct err err = path_make(resource, &path, &invocation->why);
    if (!err_failed(err)) {
        err = talk_open(talk, invocation);
    }
    return err_failed(err) ? err
                           : path_ask(talk, resource, path.data, ret_answer, &invocation->why);
}

void resource_print(const struct invocation *invocation, const struct resource *resource,
                    const json_t *answer) {
    if (invocation->json) {
        talk_print(answer);
    } else if (resource->print != NULL) {
        resource->print(answer);
    } else {
        printf("%s%s\n", talk_text(answer, resource->member), resource->done);
    }
}

struct err resource_run(struct invocation *invocation, const struct resource *resource) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    struct err err = resource_open(&talk, invocation, resource, &answer);
    if (!err_failed(err)) {
        resource_print(invocation, resource, answer);
    }
    return err;
}

struct err resource_command(struct invocation *invocation) {
    struct resource resource = *invocation->args.command->resource;
    resource.id = invocation->args.operands[0];
    return resource_run(invocation, &resource);
}

void resource_member(struct text *body, const char *name, const char *value) {
    if (value != NULL) {
        text_add_member(body, name, bytes_of(value));
    }
}
