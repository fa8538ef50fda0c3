/* failure.h: why a call to a model did not succeed, in words that the rest of drover acts on.
 *
 * Promise    each failure has one cause of this table. `detail` is a sentence for a user: what the
 *            provider said, or what happened; it holds no key and no control character.
 * Threads    any; a failure is plain data and owns nothing.
 *
 * Each row: cause, stable name, what a user should know.
 */
#ifndef DROVER_MODEL_FAILURE_H
#define DROVER_MODEL_FAILURE_H

#include <stdarg.h>

#include "base/base.h"
#include "base/json/json.h"
#include "loop/fetch.h"
#include "rules/provider/outage.h"
#include "rules/provider/retry_after.h"

#define MODEL_CAUSES(X)                                                                            \
    X(NONE, "none", "It succeeded.")                                                               \
    X(UNREACHABLE, "provider_unreachable", "The provider cannot be reached.")                      \
    X(RATE_LIMITED, "rate_limited", "The provider wants fewer requests.")                          \
    X(QUOTA, "quota", "The account's quota is used up.")                                           \
    X(AUTH_FAILED, "auth_failed", "The provider does not accept the key.")                         \
    X(CONTEXT_OVERFLOW, "context_overflow", "The prompt is longer than the model takes.")          \
    X(BAD_REQUEST, "bad_request", "The provider refuses the request as malformed.")                \
    X(REFUSED, "refused", "The provider declined to answer this.")                                 \
    X(EMPTY_RESPONSE, "empty_response", "The answer holds no text and no tool call.")              \
    X(PROVIDER_ERROR, "provider_error", "The provider failed.")                                    \
    X(STREAM_BROKEN, "stream_broken", "The answer broke off before its end.")                      \
    X(TIMED_OUT, "timed_out", "The provider did not answer in time.")                              \
    X(TOO_LARGE, "response_too_large", "The answer is larger than drover takes.")                  \
    X(BAD_RESPONSE, "bad_response", "The answer is not what this kind of provider says.")          \
    X(MODEL_UNKNOWN, "model_unknown", "There is no such model or connection.")                     \
    X(OVERLOADED, "too_many_calls", "Too many model calls wait already.")                          \
    X(CONNECTION_CHANGED, "connection_changed", "The connection was removed meanwhile.")

enum model_cause {
#define X(cause, name, text) MODEL_##cause,
    MODEL_CAUSES(X)
#undef X
        MODEL_CAUSE_COUNT
};

struct model_failure {
    enum model_cause cause;
    int status;           /* Of the HTTP answer; 0: none came, or it was a 200. */
    int64_t resume_at_ms; /* Wall clock; 0: the provider named no time. */
    uint64_t wait_ms;     /* Named in the words of a refusal, not in a header; 0: none. */
    char detail[320];
};

const char *model_cause_name(enum model_cause cause);
const char *model_cause_text(enum model_cause cause);

void model_failure_set(struct model_failure *failure, enum model_cause cause, const char *format,
                       ...) PRINTF_LIKE(3, 4);
void model_failure_vset(struct model_failure *failure, enum model_cause cause, const char *format,
                        va_list args) PRINTF_LIKE(3, 0);

/* Adds to the detail when the provider may be asked again (resume_at_ms). `connection`: its quota
 * is used up, and a test of the connection asks at once; NULL: a call alone waits. */
void model_failure_add_time(struct model_failure *failure, const char *connection);
/* The same failure for calls that come later: with the time at which it was. */
struct model_failure model_failure_earlier(const struct model_failure *failure, int64_t at_ms);

/* --- From a status, a body, or an error inside a stream to a failure -------------------------- */

/* A body may be OpenAI's {"error": {message, type, code}}, Anthropic's {"type": "error", "error":
 * {type, message}}, Google's [{"error": {code, message, status, details}}], Ollama's
 * {"error": "…"}, FastAPI's {"detail": …}, {"message": "…"}, or a proxy's HTML page, of which the
 * title is shown.
 * The sentence never holds `secret`, nor anything else that looks like a key. */
enum { FAULT_BODY_MAX = 64 << 10 };

/* An HTTP answer that is not 2xx. `secret` may be NULL. */
void fault_of_answer(int status, struct bytes body, const char *secret,
                     struct model_failure *ret_failure);
/* An HTTP answer that is 2xx and no answer of a model: an error in spite of its status, or nothing
 * that this kind of provider says. */
void fault_of_success(int status, struct bytes body, const char *secret,
                      struct model_failure *ret_failure);
/* An error object inside a stream; `object` holds "error", or is it. */
void fault_of_event(const json_t *object, const char *secret, struct model_failure *ret_failure);
/* The connection failed. */
void fault_of_fetch(enum fetch_fault fault, const char *detail, const char *host,
                    struct model_failure *ret_failure);

/* --- Whether a try that failed is worth another, and when ------------------------------------- */

/* Hints in the header of an answer about trying again. */
struct retry_hint {
    bool timed; /* The provider named `after_ms`. */
    uint64_t after_ms;
    enum { RETRY_UNSAID, RETRY_YES, RETRY_NO } should; /* x-should-retry. */
};
/* retry-after-ms, else retry-after: seconds (a fraction is fine) or an HTTP date, seen from
 * now_ms. At most RETRY_AFTER_MAX_MS; what is not understood is ignored. */
struct retry_hint retry_hint_of(const struct fetch_answer *answer, int64_t now_ms);

/* The provider is away, as far as this failure shows: others would fail, too. */
MUST_CHECK bool model_cause_is_outage(enum model_cause cause);

struct retry_try {
    const struct model_failure *failure;
    struct retry_hint hint;
    unsigned tries;                /* Failed in a row, this one included. */
    enum outage_patience patience; /* NONE: MODEL_TRIES_MAX tries, waits of MODEL_WAIT_MAX_MS. */
    bool hurried;                  /* A person waits for this connection. */
    uint64_t first_ms;             /* As in struct outage_wait; 0: OUTAGE_WAIT_MS. */
    uint32_t random;               /* For the jitter. */
};
/* false: it is the end; else the wait before the next try. */
MUST_CHECK bool retry_again(const struct retry_try *attempt, uint64_t *ret_wait_ms);

/* Pause before a provider whose quota is used up is asked again, when it names no time itself: a
 * minute, doubled each time in a row, an hour at most. */
uint64_t retry_quota_pause_ms(unsigned trips);

#endif
