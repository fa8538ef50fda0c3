/* check.c: the checks between a parsed head and its handler, in the order in which a client meets
 * them: host, origin, target, route, method, token, scope, query, body. The first one that fails
 * answers.
 */
#include <string.h>

#include "base/memory.h"
#include "engine/token/token.h"
#include "http/conn.h"
#include "rules/token/run_token.h"

/* Whether a proxy that the daemon knows passes requests on with this Host. */
static bool host_is_public(const struct exchange *exchange, struct bytes host) {
    const struct http_options *options = &exchange->server->options;
    return options->public_origin != NULL &&
           origin_has_host(options->public_origin(options->ctx), host);
}

static bool origin_is_public(const struct exchange *exchange, struct bytes origin,
                             struct bytes host) {
    const struct http_options *options = &exchange->server->options;
    return host_is_public(exchange, host) &&
           bytes_equal_nocase(options->public_origin(options->ctx), origin);
}

static struct err check_host(const struct exchange *exchange, struct why *why) {
    const struct host_rules *rules = &exchange->conn->listener->rules;
    struct bytes value, origin;
    struct host host;
    if (!request_known(&exchange->request, HEADER_HOST, &value) || !host_parse(value, &host)) {
        return err_why(why, ERR_BAD_REQUEST, "the Host header is missing or not valid");
    }
    if (!host_allowed(rules, host) && !host_is_public(exchange, value)) {
        return err_why(why, ERR_BAD_HOST, "this daemon does not accept the host name '%.*s'",
                       (int)host.name.len, host.name.data);
    }
    if (request_known(&exchange->request, HEADER_ORIGIN, &origin) &&
        !origin_allowed(rules, origin, value) && !origin_is_public(exchange, origin, value)) {
        return err_why(
            why, ERR_BAD_ORIGIN,
            "the Origin header names another site, or is https, which the daemon does not"
            " serve itself: list it in --allow-origin if it is yours");
    }
    return ERR_OK;
}

static struct err read_target(struct exchange *exchange, struct target *target, struct why *why) {
    struct bytes raw = exchange_target(exchange);
    if (memchr(raw.data, '%', raw.len) != NULL || memchr(raw.data, '+', raw.len) != NULL) {
        exchange->decoded = mem_try(raw.len);
        if (exchange->decoded == NULL) {
            return err_why(why, ERR_OUT_OF_MEMORY, "there is not enough memory for the target");
        }
    }
    struct err err = target_parse(raw, exchange->decoded, target, why);
    if (err_failed(err) || target->authority.data == NULL) {
        return err;
    }
    /* An absolute-form target replaces Host, so it must pass as that would. */
    struct host host;
    if (!host_parse(target->authority, &host)) {
        return err_why(why, ERR_BAD_REQUEST, "the target's host is not valid");
    }
    if (!host_allowed(&exchange->conn->listener->rules, host) &&
        !host_is_public(exchange, target->authority)) {
        return err_why(why, ERR_BAD_HOST, "the target names another host");
    }
    return ERR_OK;
}

static bool is_method(const struct exchange *exchange, const char *method) {
    return bytes_is(exchange_method(exchange), method);
}

/* OPTIONS is answered here: the exchange is EXCHANGE_ANSWERED then. */
static struct err find_route(struct exchange *exchange, const struct target *target,
                             struct why *why) {
    bool options = is_method(exchange, "OPTIONS");
    char allow[ALLOW_SIZE] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    if (target->asterisk && !options) {
        return err_why(why, ERR_BAD_REQUEST, "'*' is only a target of OPTIONS");
    }
    if (!target->asterisk) {
        const struct router_row *row =
            router_match(&exchange->server->router, target, exchange->params);
        if (row == NULL) {
            return err_why(why, ERR_NOT_FOUND, "there is no such path");
        }
        const struct router_entry *entry = router_entry_find(row, exchange_method(exchange));
        if (entry != NULL) {
            exchange->route = entry->route;
            exchange->ctx = entry->ctx;
            exchange->handle = entry->handle;
            return ERR_OK;
        }
        router_allow(row, allow);
    }
    exchange_add_header(exchange, "Allow", allow);
    if (!options) {
        return err_why(why, ERR_METHOD_NOT_ALLOWED, "allowed here: %s", allow);
    }
    exchange_reply(exchange, 204, NULL, NULL);
    return ERR_OK;
}

struct err exchange_check_page(const struct exchange *exchange, struct bytes origin,
                               struct why *why) {
    const struct request *request = &exchange->request;
    struct bytes host, from, site;
    if (!request_known(request, HEADER_HOST, &host) || !origin_has_host(origin, host) ||
        exchange_target(exchange).data[0] != '/') { /* An absolute form would replace Host. */
        return err_why(why, ERR_KEY_ORIGIN,
                       "it is for %.*s alone, which is not the Host of this"
                       " request",
                       (int)origin.len, origin.data);
    }
    if (request_known(request, HEADER_ORIGIN, &from) && !bytes_equal_nocase(from, origin)) {
        return err_why(why, ERR_KEY_ORIGIN, "it is for pages of %.*s alone", (int)origin.len,
                       origin.data);
    }
    if (request_known(request, HEADER_FETCH_SITE, &site) && !bytes_is(site, "same-origin")) {
        return err_why(why, ERR_KEY_ORIGIN,
                       "Sec-Fetch-Site says that it was not sent by a page of %.*s",
                       (int)origin.len, origin.data);
    }
    return ERR_OK;
}

/* Whether a page may open this socket without a token: a browser cannot send one along. The key
 * that it sends next is one of the same origin. */
static bool may_sign_in(const struct exchange *exchange) {
    struct bytes host, origin;
    return exchange->route->signs_in && !exchange->conn->listener->is_unix &&
           request_known(&exchange->request, HEADER_HOST, &host) &&
           request_known(&exchange->request, HEADER_ORIGIN, &origin) && origin.len < ORIGIN_SIZE &&
           !err_failed(exchange_check_page(exchange, origin, NULL /* no page of ours */));
}

/* Whether a proxy may have passed on what is for this host, from any client of its own. */
static bool host_is_proxy(const struct exchange *exchange, struct bytes value) {
    struct host host;
    return host_is_public(exchange, value) && host_parse(value, &host) &&
           !host_is_own(&exchange->conn->listener->rules, host);
}

/* Whether this connection has rights without a token: never where Host or target is a proxy's. */
static bool needs_no_token(const struct exchange *exchange, const struct target *target) {
    struct bytes host;
    return exchange->conn->scopes != 0 &&
           (exchange->conn->listener->is_unix ||
            (request_known(&exchange->request, HEADER_HOST, &host) &&
             !host_is_proxy(exchange, host) &&
             (target->authority.data == NULL || !host_is_proxy(exchange, target->authority))));
}

/* A token that was sent decides, even where none is needed: a client that tries one wants to know
 * what that one may do. */
static struct err identify(struct exchange *exchange, const struct target *target,
                           struct why *why) {
    static const struct bytes scheme = BYTES_INIT("bearer ");
    const struct http_options *options = &exchange->server->options;
    struct bytes value;
    if (!request_known(&exchange->request, HEADER_AUTHORIZATION, &value)) {
        if (needs_no_token(exchange, target)) {
            exchange->identity =
                (struct identity){.owner = "local",
                                  .scopes = exchange->conn->scopes,
                                  .owns_socket = exchange->conn->listener->is_unix};
            return ERR_OK;
        }
        if (may_sign_in(exchange)) {
            return ERR_OK; /* Without any scope. */
        }
        return exchange->conn->listener->is_unix
                   ? err_why(why, ERR_FORBIDDEN, "this socket serves only the user that owns it")
                   : err_why(why, ERR_UNAUTHORIZED, "send 'Authorization: Bearer TOKEN'");
    }
    if (value.len <= scheme.len ||
        !bytes_equal_nocase((struct bytes){value.data, scheme.len}, scheme)) {
        return err_why(why, ERR_UNAUTHORIZED, "the only supported scheme is Bearer");
    }
    struct bytes token = {value.data + scheme.len, value.len - scheme.len};
    if (options->check == NULL || !options->check(options->ctx, token, &exchange->identity)) {
        return err_why(why, ERR_UNAUTHORIZED,
                       run_token_is(token) ? "the token is of a run of another daemon, or not whole"
                                           : "the token is not valid");
    }
    const char *origin = exchange->identity.origin;
    return origin == NULL ? ERR_OK : exchange_check_page(exchange, bytes_of(origin), why);
}

/* The token of a run serves what its agent reports, and no more. On a socket it shows nobody as
 * another run than the one that is found. */
static struct err check_run_token(const struct exchange *exchange, const struct conn *conn,
                                  struct why *why) {
    const char *run = exchange->identity.inside;
    if (conn->inside != HTTP_OUTSIDE &&
        !(conn->inside == HTTP_INSIDE_RUN && strcmp(conn->run.text, run) == 0)) {
        return err_why(why, ERR_INSIDE_RUN,
                       "the token is of %s, and the program that sent it is not known to be inside"
                       " of that: leave the token out",
                       run);
    }
    return exchange->route->run_token
               ? ERR_OK
               : err_why(why, ERR_INSIDE_RUN,
                         "the token of %s reports about its own task and sends mail, and serves"
                         " nothing else; have a person do it",
                         run);
}

/* A client on a Unix socket that is inside a run has no more rights than its run, whatever token
 * it sends. */
static struct err check_inside(struct exchange *exchange, const struct conn *conn,
                               struct why *why) {
    const unsigned scope = exchange->route->scope;
    if (exchange->identity.by_run_token) {
        return check_run_token(exchange, conn, why);
    }
    if (conn->inside == HTTP_OUTSIDE) {
        return ERR_OK;
    }
    exchange->identity.scopes &= SCOPE_READ | SCOPE_RUN;
    if (conn->inside == HTTP_INSIDE_RUN) {
        memcpy(exchange->identity.inside, conn->run.text, sizeof exchange->identity.inside);
    }
    if (scope == SCOPE_READ) {
        return ERR_OK;
    }
    if (conn->inside == HTTP_INSIDE_UNKNOWN) {
        return err_why(why, ERR_INSIDE_RUN,
                       "nobody can tell whether the program that sent this is inside a run: it has"
                       " ended, its ancestors cannot be followed, or that took too long; so it may"
                       " only read. Send the request again, from the process that waits for the"
                       " answer");
    }
    if (scope == SCOPE_RUN && exchange->route->inside != INSIDE_NEVER) {
        return ERR_OK;
    }
    return err_why(why, ERR_INSIDE_RUN,
                   "the program that sent this is inside of %s, and a run may read, start runs, and"
                   " stop what it started, but not this; have a person do it, outside of the run",
                   conn->run.text);
}

struct err exchange_check_rights(struct exchange *exchange, const struct conn *conn,
                                 struct why *why) {
    struct err err = check_inside(exchange, conn, why);
    unsigned missing = exchange->route->scope & ~exchange->identity.scopes;
    bool signs_in = exchange->route->signs_in && exchange->identity.owner[0] == '\0';
    if (!err_failed(err) && missing != 0 && !signs_in) {
        err = err_why(why, ERR_FORBIDDEN, "the token lacks the scope '%s'",
                      token_scope_names[__builtin_ctz(missing)]);
    }
    return err;
}

static struct err check_length(const struct request *request, struct why *why) {
    if (request->has_length && request->content_length > request->body_max) {
        return err_why(why, ERR_BODY_TOO_LARGE, "the body has %llu bytes, %zu are allowed",
                       (unsigned long long)request->content_length, request->body_max);
    }
    return ERR_OK;
}

/* None of these types is one that a page of another site may send without asking first. */
static bool media_taken(const struct exchange *exchange) {
    struct bytes media;
    if (!request_known(&exchange->request, HEADER_CONTENT_TYPE, &media)) {
        return false;
    }
    size_t image = sizeof "image/" - 1;
    return exchange->route->body_media == NULL
               ? header_is_json(media)
               : bytes_equal_nocase(media, BYTES("application/octet-stream")) ||
                     (media.len > image &&
                      bytes_equal_nocase((struct bytes){media.data, image}, BYTES("image/")));
}

static struct err check_body(struct exchange *exchange, struct why *why) {
    struct request *request = &exchange->request;
    const struct route *route = exchange->route;
    bool none = !request->chunked && request->content_length == 0;
    if (!route->has_body) {
        /* Many clients send `{}` with every POST: an empty object is taken, body.c refuses fields.
         */
        if (none) {
            return ERR_OK;
        }
        if (is_method(exchange, "GET") || is_method(exchange, "HEAD")) {
            return err_why(why, ERR_BAD_REQUEST, "this request must not have a body");
        }
        if (!media_taken(exchange)) {
            return err_why(why, ERR_UNSUPPORTED_MEDIA,
                           "this request has no fields: send no body, or {} with 'Content-Type: "
                           "application/json'");
        }
        request->body_max = EMPTY_BODY_MAX;
        return check_length(request, why);
    }
    if (route->body_max != 0) {
        request->body_max = route->body_max;
    }
    if (route->body_optional && none) {
        return ERR_OK;
    }
    if (!request->chunked && !request->has_length) {
        return err_why(why, ERR_LENGTH_REQUIRED,
                       "a body is required, with Content-Length or chunked");
    }
    if (!media_taken(exchange)) {
        return err_why(why, ERR_UNSUPPORTED_MEDIA,
                       route->body_media == NULL
                           ? "send 'Content-Type: application/json'"
                           : "send the type of the image, as 'Content-Type: image/png'");
    }
    return check_length(request, why);
}

struct err exchange_room(const struct exchange *exchange, struct why *why) {
    const struct http_options *options = &exchange->server->options;
    return exchange->route->begins_run && options->room != NULL ? options->room(options->ctx, why)
                                                                : ERR_OK;
}

static struct err check_all(struct exchange *exchange, struct why *why) {
    struct target target;
    struct err err = check_host(exchange, why);
    if (!err_failed(err)) {
        err = read_target(exchange, &target, why);
    }
    if (!err_failed(err)) {
        err = find_route(exchange, &target, why);
    }
    if (err_failed(err) || exchange->state == EXCHANGE_ANSWERED) {
        return err;
    }
    if (exchange->route->scope != 0) {
        err = identify(exchange, &target, why);
        err = err_failed(err) ? err : exchange_check_rights(exchange, exchange->conn, why);
    }
    /* A request with a key may be a repeat, which is known when its key was looked for. */
    struct bytes key;
    bool keyed =
        exchange->route->idempotent_key && exchange_header(exchange, "idempotency-key", &key);
    if (!err_failed(err) && !keyed) {
        err = exchange_room(exchange, why);
    }
    if (!err_failed(err)) {
        err = query_read(exchange->route->query, &target, exchange->query, why);
    }
    return err_failed(err) ? err : check_body(exchange, why);
}

void exchange_check(struct exchange *exchange) {
    struct request *request = &exchange->request;
    struct why why = {0};
    exchange->head_only = is_method(exchange, "HEAD");
    exchange->close = !request->keep_alive;
    struct err err = check_all(exchange, &why);
    bool waits = request_known(request, HEADER_EXPECT, &(struct bytes){0}) && !request->whole &&
                 request->minor > 0;
    bool answered = exchange->state == EXCHANGE_ANSWERED;
    if (!err_failed(err) && !answered) {
        exchange_go(exchange, waits ? EXCHANGE_EXPECTED : EXCHANGE_BODY);
        return;
    }
    /* What still comes of the body is dropped, so that the connection can go on. A client that
     * waits for a word before it sends one may send it or not, and one that wants to send too much
     * will not be listened to for so long: those connections end. */
    request->discard = true;
    request->wants_upgrade = false;
    exchange->close = exchange->close || waits || err_failed(check_length(request, &why));
    if (!answered) {
        const struct problem_about about = {
            .run = err.code == ERR_INSIDE_RUN ? exchange->identity.inside : NULL};
        exchange_problem_about(exchange, err, &why, &about);
    }
}
