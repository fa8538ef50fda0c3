/* sign_in.c: see sign_in.h. */
#include "http/stream/sign_in.h"

#include <string.h>
#include <strings.h>

#include "base/json/json.h"
#include "http/conn.h"
#include "http/inside.h"

enum { KEY_MESSAGE_DEPTH_MAX = 4 };

/* The socket is closed, or will be: it takes no place any more. */
static void sign_in_expire(struct sign_in *sign_in) {
    link_remove(&sign_in->link);
    sign_in->server->stats.timeouts++;
    sign_in->late(sign_in);
}

static void sign_in_late(struct timer *timer) {
    sign_in_expire(CONTAINER_OF(timer, struct sign_in, limit));
}

static void sign_in_make_room(const struct sign_in *newest) {
    struct http_server *server = newest->server;
    struct sign_in *oldest = NULL;
    size_t count = 0;
    for (struct link *at = server->waiting.next; at != &server->waiting; at = at->next) {
        struct sign_in *other = CONTAINER_OF(at, struct sign_in, link);
        if (other->address == newest->address) {
            oldest = count++ == 0 ? other : oldest;
        }
    }
    if (count >= server->limits.unsigned_max) {
        timer_stop(server->loop, &oldest->limit);
        sign_in_expire(oldest);
    }
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
    sign_in->address = exchange->conn == NULL ? NULL : exchange->conn->address;
    sign_in->late = late;
    sign_in_make_room(sign_in);
    link_add_last(&server->waiting, &sign_in->link);
    timer_start(server->loop, &sign_in->limit, server->limits.sign_in_ms, sign_in_late);
}

bool sign_in_waits(const struct sign_in *sign_in) {
    return sign_in->server != NULL;
}

void sign_in_end(struct sign_in *sign_in) {
    if (sign_in->server != NULL) {
        timer_stop(sign_in->server->loop, &sign_in->limit);
        link_remove(&sign_in->link);
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
