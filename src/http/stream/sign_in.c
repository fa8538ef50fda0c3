/* sign_in.c: see sign_in.h. */
#include "http/stream/sign_in.h"

#include <string.h>
#include <strings.h>

#include "base/json/json.h"
#include "http/inside.h"

enum { KEY_MESSAGE_DEPTH_MAX = 4 };

struct err sign_in_room(const struct http_server *server, struct why *why) {
    const size_t max = server->limits.unsigned_max;
    return server->unsigned_count < max
               ? ERR_OK
               : err_why(why, ERR_TOO_MANY, "%zu sockets have not sent a key yet", max);
}

static void sign_in_late(struct timer *timer) {
    struct sign_in *sign_in = CONTAINER_OF(timer, struct sign_in, limit);
    sign_in->server->stats.timeouts++;
    sign_in->late(sign_in);
}

void sign_in_begin(struct sign_in *sign_in, const struct exchange *exchange,
                   void (*late)(struct sign_in *sign_in)) {
    struct http_server *server = exchange->server;
    struct bytes origin = {0};
    bool sent = request_known(&exchange->request, HEADER_ORIGIN, &origin);
    assert(sent); /* check.c */
    assert(origin.len < sizeof sign_in->origin);
    memcpy(sign_in->origin, origin.data, origin.len);
    sign_in->server = server;
    sign_in->late = late;
    server->unsigned_count++;
    timer_start(server->loop, &sign_in->limit, server->limits.sign_in_ms, sign_in_late);
}

bool sign_in_waits(const struct sign_in *sign_in) {
    return sign_in->server != NULL;
}

void sign_in_end(struct sign_in *sign_in) {
    if (sign_in->server != NULL) {
        timer_stop(sign_in->server->loop, &sign_in->limit);
        sign_in->server->unsigned_count--;
        sign_in->server = NULL;
    }
}

/* Rights of a key, for a page of the origin that the socket was opened by. */
static struct err key_check(const struct sign_in *sign_in, struct bytes key,
                            struct identity *ret_identity) {
    const struct http_options *options = &sign_in->server->options;
    struct identity identity;
    if (options->check == NULL || !options->check(options->ctx, key, &identity)) {
        return err_make(ERR_UNAUTHORIZED, "sign-in: key");
    }
    if (identity.origin != NULL && strcasecmp(identity.origin, sign_in->origin) != 0) {
        return err_make(ERR_KEY_ORIGIN, "sign-in: key");
    }
    if ((identity.scopes & SCOPE_READ) == 0 || identity.by_run_token) {
        return err_make(ERR_FORBIDDEN, "sign-in: key");
    }
    identity.origin = NULL; /* Borrowed, and compared. */
    *ret_identity = identity;
    return ERR_OK;
}

struct err sign_in_hear(struct sign_in *sign_in, struct bytes message,
                        struct identity *ret_identity) {
    AUTO(json_release) json_t *json = NULL;
    const char *key = NULL;
    const struct json_field fields[] = {{"key", JSON_KIND_TEXT, .required = true, .min = 1,
                                         .max = (int64_t)message.len, .text = &key}};
    struct err err =
        json_parse(message.data, message.len, KEY_MESSAGE_DEPTH_MAX, &json, NULL /* not told */);
    err = err_failed(err) ? err : json_read_fields(json, fields, COUNT_OF(fields), NULL);
    err = err_failed(err) ? err : key_check(sign_in, bytes_of(key), ret_identity);
    if (!err_failed(err)) {
        sign_in_end(sign_in);
    }
    return err;
}
