/* causes.c: the table from what a provider did to what a run ends with. */
#include "dispatch/provider/causes.h"

enum run_cause provider_run_cause(enum model_cause cause) {
    static const enum run_cause causes[MODEL_CAUSE_COUNT] = {
        [MODEL_NONE] = CAUSE_NONE,
        [MODEL_UNREACHABLE] = CAUSE_PROVIDER_UNREACHABLE,
        [MODEL_RATE_LIMITED] = CAUSE_RATE_LIMITED,
        [MODEL_QUOTA] = CAUSE_QUOTA,
        [MODEL_AUTH_FAILED] = CAUSE_AUTH_FAILED,
        [MODEL_CONTEXT_OVERFLOW] = CAUSE_CONTEXT_OVERFLOW,
        [MODEL_BAD_REQUEST] = CAUSE_BAD_REQUEST,
        [MODEL_REFUSED] = CAUSE_REFUSED,
        [MODEL_EMPTY_RESPONSE] = CAUSE_EMPTY_RESPONSE,
        [MODEL_PROVIDER_ERROR] = CAUSE_PROVIDER_ERROR,
        [MODEL_STREAM_BROKEN] = CAUSE_STREAM_BROKEN,
        [MODEL_TIMED_OUT] = CAUSE_TIMED_OUT,
        [MODEL_TOO_LARGE] = CAUSE_TOO_LARGE,
        [MODEL_BAD_RESPONSE] = CAUSE_BAD_RESPONSE,
        [MODEL_MODEL_UNKNOWN] = CAUSE_MODEL_UNKNOWN,
        [MODEL_OVERLOADED] = CAUSE_TOO_MANY_CALLS,
        [MODEL_CONNECTION_CHANGED] = CAUSE_CONNECTION_CHANGED,
    };
    return causes[cause];
}
