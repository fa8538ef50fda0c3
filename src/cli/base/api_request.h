/* api_request.h: a request about one thing of the daemon, in a conversation that is open.
 *
 * Promise    the path is BASE, the id with its characters escaped, and REST. An id that cannot be
 *            one, and a body that is too large, are refused before anybody is asked.
 * Ownership  the members of a request are borrowed for the call; *ret_answer is the caller's.
 * Threads    one.
 * Failure    as client.h; ERR_NOT_FOUND: the id is empty or too long; ERR_BODY_TOO_LARGE.
 */
#ifndef DROVER_CLI_BASE_API_REQUEST_H
#define DROVER_CLI_BASE_API_REQUEST_H

#include "cli/base/api.h"

/* When a request is repeated, up to a limit. */
enum api_retry {
    /* While the daemon is away or short of room. Only for an idempotent request, such as a GET or
     * one with a key. */
    API_RETRY_AWAY,
    /* The same, once an answer was lost: a daemon that was never there is not waited for. The
     * request gets a key, so that a route that takes keys creates nothing twice. */
    API_RETRY_CUT,
};

struct api_request {
    const char *method;           /* NULL: GET. */
    const char *base, *id, *rest; /* id NULL: the path is BASE; rest NULL: nothing follows. */
    const struct text *body;      /* NULL: none. */
    int64_t timeout_ms;           /* 0: that of client.h. */
    const char *key;              /* Idempotency-Key of the caller; NULL: none. */
    /* Without a limit, a GET and a request of API_RETRY_CUT are repeated for 10 s where a
     * restart of the daemon cut them; other requests are sent once. */
    enum api_retry retry;
    int64_t retry_ms;
    const char *unknown; /* As of talk_unknown; NULL: none. */
};

/* `unknown` of an agent. */
#define AGENT_UNKNOWN "there is no agent '{}'; 'drover agent ls' lists them"

/* Asks in a conversation that is open. ret_answer NULL: the answer is not read. */
MUST_CHECK struct err api_ask(struct talk *talk, const struct api_request *request,
                              json_t **ret_answer, struct why *why);
/* Adds `"NAME":"VALUE"` to an object that was begun, with a comma where one is needed. Nothing
 * where the value is NULL. */
void api_member(struct text *body, const char *name, const char *value);

#endif
