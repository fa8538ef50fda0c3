/* failure.h: why a call to a model did not succeed, in words that the rest of drover acts on.
 *
 * Promise    each failure has one cause of this table. `detail` is a sentence for a user: what the
 *            provider said, or what happened; it holds no key and no control character.
 * Threads    any; a failure is plain data and owns nothing.
 *
 * Each row: cause, stable name, whether another try may cure it, what a user should know.
 *   NEVER  the same request will fail again
 *   SOON   trying again in a moment may work; model_ask has done so already, and gave up
 *   LATER  at `resume_at_ms`, or when somebody changed something outside (quota, key)
 */
#ifndef DROVER_MODEL_FAILURE_H
#define DROVER_MODEL_FAILURE_H

#include <stdarg.h>

#include "base/base.h"

#define MODEL_CAUSES(X)                                                                            \
    X(NONE, "none", NEVER, "It succeeded.")                                                        \
    X(UNREACHABLE, "provider_unreachable", SOON, "The provider cannot be reached.")                \
    X(RATE_LIMITED, "rate_limited", SOON, "The provider wants fewer requests.")                    \
    X(QUOTA, "quota", LATER, "The account's quota is used up.")                                    \
    X(AUTH_FAILED, "auth_failed", LATER, "The provider does not accept the key.")                  \
    X(CONTEXT_OVERFLOW, "context_overflow", NEVER, "The prompt is longer than the model takes.")   \
    X(BAD_REQUEST, "bad_request", NEVER, "The provider refuses the request as malformed.")         \
    X(REFUSED, "refused", NEVER, "The provider declined to answer this.")                          \
    X(EMPTY_RESPONSE, "empty_response", SOON, "The answer holds no text and no tool call.")        \
    X(PROVIDER_ERROR, "provider_error", SOON, "The provider failed.")                              \
    X(STREAM_BROKEN, "stream_broken", SOON, "The answer broke off before its end.")                \
    X(TIMED_OUT, "timed_out", SOON, "The provider did not answer in time.")                        \
    X(TOO_LARGE, "response_too_large", NEVER, "The answer is larger than drover takes.")           \
    X(BAD_RESPONSE, "bad_response", SOON, "The answer is not what this kind of provider says.")    \
    X(MODEL_UNKNOWN, "model_unknown", NEVER, "There is no such model or connection.")              \
    X(OVERLOADED, "too_many_calls", SOON, "Too many model calls wait already.")                    \
    X(CONNECTION_CHANGED, "connection_changed", SOON, "The connection was removed meanwhile.")

enum model_cause {
#define X(cause, name, retry, text) MODEL_##cause,
    MODEL_CAUSES(X)
#undef X
        MODEL_CAUSE_COUNT
};

enum model_retry { MODEL_RETRY_NEVER, MODEL_RETRY_SOON, MODEL_RETRY_LATER };

struct model_failure {
    enum model_cause cause;
    int status;           /* Of the HTTP answer; 0: none came, or it was a 200. */
    int64_t resume_at_ms; /* Wall clock; 0: the provider named no time. */
    char detail[320];
};

const char *model_cause_name(enum model_cause cause);
const char *model_cause_text(enum model_cause cause);
enum model_retry model_cause_retry(enum model_cause cause);

void model_failure_set(struct model_failure *failure, enum model_cause cause, const char *format,
                       ...) PRINTF_LIKE(3, 4);
void model_failure_vset(struct model_failure *failure, enum model_cause cause, const char *format,
                        va_list args) PRINTF_LIKE(3, 0);

#endif
