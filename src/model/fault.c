/* fault.c: the words of providers about what went wrong, sorted. */
#include "model/fault.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/connection.h"

/* What an error says, wherever it stood. Borrowed from the JSON. */
struct said {
    const char *message, *type, *code;
    int64_t number; /* A code that is a number: an HTTP status. 0: none. */
};

/* --- Finding the words ------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static struct said read_error(const json_t *json) {
    struct said said = {"", "", "", 0};
    if (json_is_array(json)) {
        json = json_array_get(json, 0);
    }
    const json_t *error = json_object_get(json, "error");
    if (json_is_string(error)) {
        said.message = json_string_value(error);
        return said;
    }
    const json_t *from = json_is_object(error) ? error : json;
    said.message = text_of(from, "message");
    said.type = text_of(from, "type");
    said.code = text_of(from, "code");
    said.number = json_integer_value(json_object_get(from, "code"));
    if (said.code[0] == '\0') {
        said.code = text_of(from, "status");
    }
    if (said.message[0] == '\0') {
        said.message = text_of(json, "detail");
    }
    return said;
}

/* --- Words without secrets -------------------------------------------------------------------- */

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-_*.", c) != NULL;
}

/* Providers repeat a wrong key, at times with stars in its middle. */
static bool looks_secret(struct bytes word) {
    static const char *const starts[] = {"sk-", "sk_", "key-", "AIza", "xai-", "gsk_", "Bearer"};
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        size_t len = strlen(starts[i]);
        if (word.len > len + 4 && memcmp(word.data, starts[i], len) == 0) {
            return true;
        }
    }
    return word.len > 8 && memmem(word.data, word.len, "***", 3) != NULL;
}

static void add_words(struct text *text, const char *words) {
    while (*words != '\0') {
        size_t len = 0;
        while (words[len] != '\0' && is_word(words[len])) {
            len++;
        }
        if (looks_secret((struct bytes){words, len})) {
            text_add_str(text, "[key]");
        } else {
            text_add(text, words, len);
        }
        words += len;
        if (*words != '\0') {
            text_add_char(text, *words == '\n' ? ' ' : *words);
            words++;
        }
    }
}

/* Owned. A secret of a few letters is no secret, and its letters stand in ordinary words. */
static char *plain_words(const char *words, const char *secret) {
    AUTO(text_done) struct text text;
    text_init(&text, (size_t)FAULT_BODY_MAX * 8);
    AUTO(mem_release) char *own = mem_copy(words, strlen(words));
    size_t len = secret != NULL ? strlen(secret) : 0;
    for (char *at = own; len >= MODEL_KEY_REDACTED_MIN && (at = strstr(at, secret)) != NULL;) {
        memset(at, '*', len);
    }
    add_words(&text, own);
    return text_failed(&text) ? mem_copy("", 0) : text_take(&text, NULL);
}

/* --- Sorting ---------------------------------------------------------------------------------- */

static const struct {
    const char *part; /* Of a code, a type or a message, in lower case. */
    enum model_cause cause;
} signs[] = {
    {"insufficient_quota", MODEL_QUOTA},
    {"billing_hard_limit", MODEL_QUOTA},
    {"billing_not_active", MODEL_QUOTA},
    {"exceeded your current quota", MODEL_QUOTA},
    {"credit balance is too low", MODEL_QUOTA},
    {"insufficient balance", MODEL_QUOTA},
    {"insufficient credit", MODEL_QUOTA},
    {"usage limit reached", MODEL_QUOTA},
    {"context_length_exceeded", MODEL_CONTEXT_OVERFLOW},
    {"maximum context length", MODEL_CONTEXT_OVERFLOW},
    {"prompt is too long", MODEL_CONTEXT_OVERFLOW},
    {"exceed context limit", MODEL_CONTEXT_OVERFLOW},
    {"exceeds the available context", MODEL_CONTEXT_OVERFLOW},
    {"context window", MODEL_CONTEXT_OVERFLOW},
    {"input token count exceeds", MODEL_CONTEXT_OVERFLOW},
    {"exceed_context_size", MODEL_CONTEXT_OVERFLOW},
    {"request_too_large", MODEL_CONTEXT_OVERFLOW},
    {"content_filter", MODEL_REFUSED},
    {"content_policy", MODEL_REFUSED},
    {"model_not_found", MODEL_MODEL_UNKNOWN},
    {"invalid_api_key", MODEL_AUTH_FAILED},
    {"api key not valid", MODEL_AUTH_FAILED},
    {"authentication_error", MODEL_AUTH_FAILED},
    {"permission_error", MODEL_AUTH_FAILED},
    {"rate_limit", MODEL_RATE_LIMITED},
    {"too many requests", MODEL_RATE_LIMITED},
    {"resource_exhausted", MODEL_RATE_LIMITED},
    {"overloaded", MODEL_PROVIDER_ERROR},
    {"server_error", MODEL_PROVIDER_ERROR},
    {"api_error", MODEL_PROVIDER_ERROR},
    {"internal_error", MODEL_PROVIDER_ERROR},
    {"timeout_error", MODEL_TIMED_OUT},
};

/* A status that is not in `signs` alone decides; words decide within those that are unclear. */
static enum model_cause cause_of_words(const struct said *said, size_t signs_used) {
    for (size_t i = 0; i < signs_used; i++) {
        if (strcasestr(said->code, signs[i].part) != NULL ||
            strcasestr(said->type, signs[i].part) != NULL ||
            strcasestr(said->message, signs[i].part) != NULL) {
            return signs[i].cause;
        }
    }
    return MODEL_NONE;
}

static enum model_cause cause_of_missing(const struct said *said) {
    return strcasestr(said->message, "model") != NULL ? MODEL_MODEL_UNKNOWN : MODEL_BAD_REQUEST;
}

static enum model_cause cause_of_status(int status, const struct said *said) {
    switch (status) {
    case 401:
    case 403:
        return MODEL_AUTH_FAILED;
    case 402:
        return MODEL_QUOTA;
    case 404:
        return cause_of_missing(said);
    case 408:
    case 504:
        return MODEL_TIMED_OUT;
    case 409:
        return MODEL_PROVIDER_ERROR;
    case 413:
        return MODEL_CONTEXT_OVERFLOW;
    case 429:
        return MODEL_RATE_LIMITED;
    default:
        return status >= 500 ? MODEL_PROVIDER_ERROR : MODEL_BAD_REQUEST;
    }
}

/* How many of the signs speak of what the request holds, or of the account: the rest only says in
 * words what a status says better. */
static size_t strong_signs(void) {
    size_t count = 0;
    while (signs[count].cause != MODEL_RATE_LIMITED) {
        count++;
    }
    return count;
}

static void tell(struct model_failure *failure, enum model_cause cause, const char *message,
                 const char *secret) {
    AUTO(mem_release) char *words = plain_words(message, secret);
    if (words[0] == '\0') {
        model_failure_set(failure, cause, "%s", model_cause_text(cause));
    } else {
        model_failure_set(failure, cause, "%.300s", words);
    }
}

/* --- A page of a proxy ------------------------------------------------------------------------ */

static void page_words(struct bytes body, int status, char *ret_words, size_t size) {
    const char *title = memmem(body.data, body.len, "<title>", 7);
    const char *end =
        title != NULL ? memmem(title, body.len - (size_t)(title - body.data), "</title>", 8) : NULL;
    int written;
    if (end != NULL) {
        written = snprintf(ret_words, size, "HTTP %d with a page instead of JSON: %.*s", status,
                           (int)(end - title - 7 < 200 ? end - title - 7 : 200), title + 7);
    } else if (body.len > 0 && body.data[0] != '<') {
        written = snprintf(ret_words, size, "HTTP %d: %.*s", status,
                           (int)(body.len < 200 ? body.len : 200), body.data);
    } else {
        written = snprintf(ret_words, size, "HTTP %d without an explanation", status);
    }
    assert(written > 0);
}

void fault_of_answer(int status, struct bytes body, const char *secret,
                     struct model_failure *ret_failure) {
    AUTO(json_release) json_t *json = NULL;
    char words[320];
    struct said said = {"", "", "", 0};
    if (body.len == 0 ||
        err_failed(json_parse(body.data, body.len, JSON_DEPTH_MAX, &json, /* why */ NULL))) {
        page_words(body.len > 0 ? body : (struct bytes){"", 0}, status, words, sizeof words);
        said.message = words;
    } else {
        said = read_error(json);
    }
    enum model_cause cause = status >= 500 ? MODEL_NONE : cause_of_words(&said, strong_signs());
    tell(ret_failure, cause != MODEL_NONE ? cause : cause_of_status(status, &said), said.message,
         secret);
    ret_failure->status = status;
}

void fault_of_event(const json_t *object, const char *secret, struct model_failure *ret_failure) {
    struct said said = read_error(object);
    enum model_cause cause = cause_of_words(&said, COUNT_OF(signs));
    if (cause == MODEL_NONE && said.number >= 400 && said.number < 600) {
        cause = cause_of_status((int)said.number, &said);
    }
    /* A stream that began was a good request: what breaks it is the provider's own. */
    tell(ret_failure, cause != MODEL_NONE ? cause : MODEL_PROVIDER_ERROR, said.message, secret);
}

static enum model_cause cause_of_fetch(enum fetch_fault fault) {
    switch (fault) {
    case FETCH_ANSWER_TIMEOUT:
    case FETCH_STALL_TIMEOUT:
    case FETCH_TOTAL_TIMEOUT:
        return MODEL_TIMED_OUT;
    case FETCH_CUT_OFF:
        return MODEL_STREAM_BROKEN;
    case FETCH_NOT_HTTP:
        return MODEL_BAD_RESPONSE;
    case FETCH_TOO_LARGE:
        return MODEL_TOO_LARGE;
    case FETCH_URL:
    case FETCH_REFUSED:
        return MODEL_BAD_REQUEST;
    default:
        return MODEL_UNREACHABLE;
    }
}

void fault_of_fetch(enum fetch_fault fault, const char *detail, const char *host,
                    struct model_failure *ret_failure) {
    model_failure_set(ret_failure, cause_of_fetch(fault), "%s: %s%s%s", host,
                      fetch_fault_text(fault), detail[0] != '\0' ? ": " : "", detail);
}
