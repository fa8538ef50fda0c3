#include <string.h>

#include "base/json/json.h"
#include "http/problem.h"
#include "http/socket.h"
#include "journal/journal.h"

enum { REPLY_MAX = 4096, MESSAGE_DEPTH_MAX = 4 };

struct wish {
    const char *subscribe, *unsubscribe;
    int64_t after;
    bool snapshot;
};

void socket_say_error(struct socket *socket, struct bytes stream, struct err err,
                      const struct why *why) {
    AUTO(text_done) struct text json;
    text_init(&json, REPLY_MAX);
    text_add_char(&json, '{');
    if (stream.len > 0) {
        text_add_str(&json, "\"stream\":");
        text_add_json(&json, stream.data, stream.len);
        text_add_char(&json, ',');
    }
    text_add_str(&json, "\"error\":");
    problem_write(&json, err, why, /* run */ "");
    text_add_char(&json, '}');
    socket_reply(socket, &json);
}

static struct err read_wish(struct bytes message, json_t **ret_json, struct wish *wish,
                            struct why *why) {
    struct err err = json_parse(message.data, message.len, MESSAGE_DEPTH_MAX, ret_json, why);
    if (err_failed(err)) {
        return err;
    }
    const struct json_field fields[] = {
        {.name = "subscribe",
         .kind = JSON_KIND_TEXT,
         .min = 1,
         .max = STREAM_NAME_MAX,
         .text = &wish->subscribe},
        {.name = "unsubscribe",
         .kind = JSON_KIND_TEXT,
         .min = 1,
         .max = STREAM_NAME_MAX,
         .text = &wish->unsubscribe},
        {.name = "after",
         .kind = JSON_KIND_INT,
         .min = -1,
         .max = INT64_MAX,
         .number = &wish->after},
        {.name = "snapshot", .kind = JSON_KIND_BOOL, .flag = &wish->snapshot},
    };
    err = json_read_fields(*ret_json, fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    if ((wish->subscribe == NULL) == (wish->unsubscribe == NULL)) {
        why_set(why, "give one of 'subscribe' and 'unsubscribe'");
        return err_make(ERR_MISSING_FIELD, "websocket: message");
    }
    return ERR_OK;
}

static struct err begin(struct socket *socket, const struct wish *wish, struct bytes name,
                        struct why *why) {
    if (!stream_name_valid(name)) {
        why_set(why, "'subscribe' is not a valid stream name");
        return err_make(ERR_BAD_FIELD, "websocket: subscribe");
    }
    if (subscription_find(socket, name) != NULL) {
        why_set(why, "this stream is subscribed to already");
        return err_make(ERR_CONFLICT, "websocket: subscribe");
    }
    if (socket->subscription_count >= socket->server->limits.subscriptions_max) {
        why_set(why, "at most %u subscriptions on one socket",
                socket->server->limits.subscriptions_max);
        return err_make(ERR_TOO_MANY, "websocket: subscribe");
    }
    subscription_open(socket, name, wish->after, wish->snapshot);
    return ERR_OK;
}

static struct err finish(struct socket *socket, struct bytes name, struct why *why) {
    struct subscription *subscription = subscription_find(socket, name);
    if (subscription == NULL) {
        why_set(why, "this stream is not subscribed to");
        return err_make(ERR_NOT_FOUND, "websocket: unsubscribe");
    }
    subscription_close(subscription);
    AUTO(text_done) struct text json;
    text_init(&json, REPLY_MAX);
    text_add_str(&json, "{\"unsubscribed\":");
    text_add_json(&json, name.data, name.len);
    text_add_char(&json, '}');
    socket_reply(socket, &json);
    return ERR_OK;
}

void socket_hear(struct socket *socket, struct bytes message) {
    AUTO(json_release) json_t *json = NULL;
    struct wish wish = {.after = -1};
    struct why why = {0};
    struct bytes name = {0};
    struct err err = read_wish(message, &json, &wish, &why);
    if (!err_failed(err)) {
        const char *text = wish.subscribe != NULL ? wish.subscribe : wish.unsubscribe;
        name = bytes_of(text);
        err =
            wish.subscribe != NULL ? begin(socket, &wish, name, &why) : finish(socket, name, &why);
    }
    if (err_failed(err)) {
        socket_say_error(socket, name, err, &why);
    }
}
