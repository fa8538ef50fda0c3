/* failure.c: the causes of failure.h; the words of providers about what went wrong, sorted; and
 * whether another try is worth it: hints of the provider, else our own patience. */
#include "model/failure.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "model/connection.h"
#include "model/model.h"

static const struct {
    const char *name, *text;
} causes[MODEL_CAUSE_COUNT] = {
#define X(cause, name, text) [MODEL_##cause] = {(name), (text)},
    MODEL_CAUSES(X)
#undef X
};

const char *model_cause_name(enum model_cause cause) {
    assert((unsigned)cause < MODEL_CAUSE_COUNT);
    return causes[cause].name;
}

const char *model_cause_text(enum model_cause cause) {
    assert((unsigned)cause < MODEL_CAUSE_COUNT);
    return causes[cause].text;
}

void model_failure_vset(struct model_failure *failure, enum model_cause cause, const char *format,
                        va_list args) {
    failure->cause = cause;
    if (vsnprintf(failure->detail, sizeof failure->detail, format, args) < 0) {
        failure->detail[0] = '\0';
    }
    /* Cut within a character at worst, and what a provider says is anything. */
    utf8_make_plain(failure->detail, strlen(failure->detail));
}

void model_failure_set(struct model_failure *failure, enum model_cause cause, const char *format,
                       ...) {
    va_list args;
    va_start(args, format);
    model_failure_vset(failure, cause, format, args);
    va_end(args);
}

/* --- What providers say ----------------------------------------------------------------------- */

enum { SAID_MAX = 1024 };

/* The words of an error, wherever they stood. Borrowed from the JSON. */
struct said {
    const char *message, *type, *code;
    char words[SAID_MAX]; /* Message of a gateway, with that of the provider behind it. */
    bool moderated;       /* A gateway's filter has refused what the request says. */
    int64_t number;       /* A code that is a number: an HTTP status. 0: none. */
    /* Google's: {"@type": "…RetryInfo", "retryDelay": "34.07s"}, and {"@type": "…QuotaFailure",
     * "violations": [{"quotaId": "GenerateRequestsPerDay…"}]}. NULL: none. */
    const json_t *details;
};

/* OpenRouter: {"message": "Provider returned error", "metadata": {"provider_name", "raw": "…"}},
 * where `raw` is the provider's own body; or {"reasons": […], "flagged_input": "…"}. */
static void metadata_read(const json_t *metadata, struct said *said) {
    const char *raw = json_str(metadata, "raw", ""),
               *name = json_str(metadata, "provider_name", "");
    AUTO(json_release) json_t *inner = NULL;
    if (raw[0] == '{' &&
        !err_failed(json_parse(raw, strlen(raw), JSON_DEPTH_MAX, &inner, /* why */ NULL))) {
        const json_t *error = json_object_get(inner, "error");
        const char *message =
            json_is_string(error) ? json_string_value(error) : json_str(error, "message", "");
        message = message[0] != '\0' ? message : json_str(inner, "message", "");
        raw = message[0] != '\0' ? message : raw;
    }
    said->moderated = json_is_array(json_object_get(metadata, "reasons")) ||
                      json_object_get(metadata, "flagged_input") != NULL;
    if (raw[0] != '\0') {
        int written =
            snprintf(said->words, sizeof said->words, "%.200s%s%.60s%s: %s", said->message,
                     name[0] != '\0' ? " (" : "", name, name[0] != '\0' ? ")" : "", raw);
        said->message = written > 0 ? said->words : said->message;
    }
}

static void error_read(const json_t *json, struct said *ret_said) {
    json = json_is_array(json) ? json_array_get(json, 0) : json;
    const json_t *error = json_object_get(json, "error");
    const json_t *from = json_is_object(error) ? error : json;
    *ret_said = (struct said){.message = "", .type = "", .code = ""};
    if (json_is_string(error)) {
        ret_said->message = json_string_value(error);
        return;
    }
    ret_said->message = json_str(from, "message", "");
    ret_said->type = json_str(from, "type", "");
    ret_said->code = json_str(from, "code", "");
    ret_said->number = json_int(from, "code", 0);
    ret_said->details = json_object_get(from, "details");
    if (ret_said->code[0] == '\0') {
        ret_said->code = json_str(from, "status", "");
    }
    if (ret_said->message[0] == '\0') {
        ret_said->message = json_str(json, "detail", "");
    }
    metadata_read(json_object_get(from, "metadata"), ret_said);
}

/* --- Words without secrets -------------------------------------------------------------------- */

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

/* Owned. A secret of a few letters is no secret, and its letters stand in ordinary words. */
static char *plain_words(const char *message, const char *secret) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*.";
    AUTO(text_done) struct text text = text_up_to((size_t)FAULT_BODY_MAX * 8);
    AUTO(mem_release) char *own = mem_copy(message, strlen(message));
    size_t secret_len = secret != NULL ? strlen(secret) : 0;
    for (char *at = own;
         secret_len >= MODEL_KEY_REDACTED_MIN && (at = strstr(at, secret)) != NULL;) {
        memset(at, '*', secret_len);
    }
    for (const char *words = own; *words != '\0';) {
        struct bytes word = {words, strspn(words, letters)};
        if (looks_secret(word)) {
            word = BYTES("[key]");
        }
        text_add(&text, word.data, word.len);
        words += strspn(words, letters);
        if (*words != '\0') {
            text_add_char(&text, *words == '\n' ? ' ' : *words);
            words++;
        }
    }
    return text_failed(&text) ? mem_copy("", 0) : text_take(&text, NULL);
}

/* --- Sorting ---------------------------------------------------------------------------------- */

/* Parts of a code, a type or a message, in lower case. */
struct sign {
    const char *part;
    enum model_cause cause;
};

/* Signs that speak of what the request holds, or of the account: a status does not say it. */
static const struct sign strong_signs[] = {
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
    /* Groq could not read the call that the model wrote: the model may write the next one well. */
    {"tool_use_failed", MODEL_BAD_RESPONSE},
};

/* The rest only says in words what a status says better. */
static const struct sign weak_signs[] = {
    {"rate_limit", MODEL_RATE_LIMITED},         {"too many requests", MODEL_RATE_LIMITED},
    {"resource_exhausted", MODEL_RATE_LIMITED}, {"overloaded", MODEL_PROVIDER_ERROR},
    {"server_error", MODEL_PROVIDER_ERROR},     {"api_error", MODEL_PROVIDER_ERROR},
    {"internal_error", MODEL_PROVIDER_ERROR},   {"timeout_error", MODEL_PROVIDER_ERROR},
};

/* MODEL_NONE: no sign is there. */
static enum model_cause cause_of_words(const struct said *said, const struct sign *signs,
                                       size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcasestr(said->code, signs[i].part) != NULL ||
            strcasestr(said->type, signs[i].part) != NULL ||
            strcasestr(said->message, signs[i].part) != NULL) {
            return signs[i].cause;
        }
    }
    return MODEL_NONE;
}

static enum model_cause cause_of_status(int status, const struct said *said) {
    static const struct {
        int status;
        enum model_cause cause;
    } rows[] = {{401, MODEL_AUTH_FAILED},    {402, MODEL_QUOTA},
                {403, MODEL_AUTH_FAILED},    {408, MODEL_PROVIDER_ERROR},
                {409, MODEL_PROVIDER_ERROR}, {413, MODEL_CONTEXT_OVERFLOW},
                {429, MODEL_RATE_LIMITED}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].status == status) {
            return rows[i].cause;
        }
    }
    bool unknown = status == 404 && strcasestr(said->message, "model") != NULL;
    return unknown ? MODEL_MODEL_UNKNOWN : status >= 500 ? MODEL_PROVIDER_ERROR : MODEL_BAD_REQUEST;
}

static void failure_tell(struct model_failure *failure, enum model_cause cause, const char *message,
                         const char *secret) {
    AUTO(mem_release) char *words = plain_words(message, secret);
    if (words[0] == '\0') {
        model_failure_set(failure, cause, "%s", model_cause_text(cause));
    } else {
        model_failure_set(failure, cause, "%.300s", words);
    }
}

/* The connection asks for chat completions, which do not serve the model. */
static bool is_of_responses(const struct said *said) {
    static const struct sign signs[] = {
        {"supported in v1/responses", MODEL_BAD_REQUEST}, /* OpenAI; GitHub, by code and words. */
        {"unsupported_api_for_model", MODEL_BAD_REQUEST},
        {"not accessible via the /chat/completions", MODEL_BAD_REQUEST},
    };
    return cause_of_words(said, signs, COUNT_OF(signs)) != MODEL_NONE;
}

/* --- Limits of a minute ---------------------------------------------------------------------- */

static uint64_t wait_of(const struct said *said) {
    const json_t *detail = NULL;
    size_t at = 0;
    json_array_foreach(said->details, at, detail) {
        const uint64_t ms = retry_after_amounts(json_bytes(detail, "retryDelay"));
        if (ms > 0) {
            return ms;
        }
    }
    return retry_after_sentence(bytes_of(said->message));
}

/* Google names a wait of seconds with the limit of a day, too. */
static bool is_of_day(const struct said *said) {
    const json_t *detail = NULL, *violation = NULL;
    size_t at = 0, of = 0;
    json_array_foreach(said->details, at, detail) {
        json_array_foreach(json_object_get(detail, "violations"), of, violation) {
            if (strstr(json_str(violation, "quotaId", ""), "PerDay") != NULL) {
                return true;
            }
        }
    }
    return false;
}

/* The words of a refusal may name a wait. A "quota" that is there again within the time of one wait
 * is a limit of requests. */
static enum model_cause cause_with_wait(enum model_cause cause, const struct said *said,
                                        uint64_t *ret_wait_ms) {
    const bool waits = cause == MODEL_QUOTA || cause == MODEL_RATE_LIMITED;
    const uint64_t ms = waits && !is_of_day(said) ? wait_of(said) : 0;
    *ret_wait_ms = ms;
    return ms > 0 && ms <= MODEL_WAIT_MAX_MS ? MODEL_RATE_LIMITED : cause;
}

/* --- Times in sentences ----------------------------------------------------------------------- */

enum { WORDS_MAX = 150 }; /* Bytes of the provider's words beside a time. */
struct clock_text {
    char text[32];
};

static struct clock_text clock_text(int64_t at_ms) {
    struct clock_text clock = {.text = ""};
    const time_t at = (time_t)(at_ms / 1000);
    struct tm parts;
    if (gmtime_r(&at, &parts) != NULL) {
        (void)strftime(clock.text, sizeof clock.text, "%Y-%m-%d %H:%M:%SZ", &parts); /* Fits. */
    }
    return clock;
}

void model_failure_add_time(struct model_failure *failure, const char *connection) {
    const struct clock_text until = clock_text(failure->resume_at_ms);
    char words[WORDS_MAX + 1];
    (void)snprintf(words, sizeof words, "%.*s", WORDS_MAX, failure->detail);
    if (connection == NULL) {
        model_failure_set(failure, failure->cause, "%s (not before %s)", words, until.text);
    } else {
        model_failure_set(failure, failure->cause,
                          "%s (asked again at %s, or now by 'drover provider test %s')", words,
                          until.text, connection);
    }
}

struct model_failure model_failure_earlier(const struct model_failure *failure, int64_t at_ms) {
    struct model_failure earlier = *failure;
    model_failure_set(&earlier, failure->cause, "refused at %s: %.280s", clock_text(at_ms).text,
                      failure->detail);
    return earlier;
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
    struct said said = {.message = "", .type = "", .code = ""};
    if (body.len == 0 ||
        err_failed(json_parse(body.data, body.len, JSON_DEPTH_MAX, &json, /* why */ NULL))) {
        page_words(body.len > 0 ? body : (struct bytes){"", 0}, status, words, sizeof words);
        said.message = words;
    } else {
        error_read(json, &said);
    }
    enum model_cause cause = said.moderated ? MODEL_REFUSED
                             : status >= 500
                                 ? MODEL_NONE
                                 : cause_of_words(&said, strong_signs, COUNT_OF(strong_signs));
    cause = cause != MODEL_NONE ? cause : cause_of_status(status, &said);
    if (json != NULL && is_of_responses(&said)) {
        cause = MODEL_BAD_REQUEST;
        (void)snprintf(words, sizeof words,
                       "the model is served by the Responses API alone: set up its connection with "
                       "'drover provider add NAME --kind responses' (%.120s)",
                       said.message);
        said.message = words;
    }
    cause = cause_with_wait(cause, &said, &ret_failure->wait_ms);
    failure_tell(ret_failure, cause, said.message, secret);
    ret_failure->status = status;
}

void fault_of_event(const json_t *object, const char *secret, struct model_failure *ret_failure) {
    struct said said;
    error_read(object, &said);
    enum model_cause cause = said.moderated
                                 ? MODEL_REFUSED
                                 : cause_of_words(&said, strong_signs, COUNT_OF(strong_signs));
    if (cause == MODEL_NONE) {
        cause = cause_of_words(&said, weak_signs, COUNT_OF(weak_signs));
    }
    if (cause == MODEL_NONE && said.number >= 400 && said.number < 600) {
        cause = cause_of_status((int)said.number, &said);
    }
    /* A stream that began was a good request: what breaks it is the provider's own. */
    cause = cause != MODEL_NONE ? cause : MODEL_PROVIDER_ERROR;
    cause = cause_with_wait(cause, &said, &ret_failure->wait_ms);
    failure_tell(ret_failure, cause, said.message, secret);
}

void fault_of_success(int status, struct bytes body, const char *secret,
                      struct model_failure *ret_failure) {
    AUTO(json_release) json_t *json = NULL;
    struct said said = {.message = ""};
    char words[320];
    const size_t shown = body.len < FAULT_BODY_MAX ? body.len : FAULT_BODY_MAX;
    if (shown == 0 ||
        err_failed(json_parse(body.data, shown, JSON_DEPTH_MAX, &json, /* why */ NULL))) {
        page_words(shown > 0 ? body : BYTES(""), status, words, sizeof words);
        failure_tell(ret_failure, MODEL_BAD_RESPONSE, words, secret);
        return;
    }
    const json_t *one = json_is_array(json) ? json_array_get(json, 0) : json;
    const json_t *error = json_object_get(one, "error");
    if (json_is_object(error) || json_is_string(error) ||
        bytes_is(json_bytes(one, "type"), "error")) {
        fault_of_event(one, secret, ret_failure);
        return;
    }
    error_read(one, &said);
    const bool speaks = said.message[0] != '\0';
    (void)snprintf(
        words, sizeof words, "HTTP %d with JSON that is no stream of events and no answer: %.*s",
        status, speaks ? 200 : (int)(shown < 200 ? shown : 200), speaks ? said.message : body.data);
    failure_tell(ret_failure, MODEL_BAD_RESPONSE, words, secret);
}

void fault_of_fetch(enum fetch_fault fault, const char *detail, const char *host,
                    struct model_failure *ret_failure) {
    /* Any other one: the provider cannot be reached. */
    static const enum model_cause told[FETCH_FAULT_COUNT] = {
        [FETCH_ANSWER_TIMEOUT] = MODEL_TIMED_OUT, [FETCH_STALL_TIMEOUT] = MODEL_TIMED_OUT,
        [FETCH_TOTAL_TIMEOUT] = MODEL_TIMED_OUT,  [FETCH_CUT_OFF] = MODEL_STREAM_BROKEN,
        [FETCH_NOT_HTTP] = MODEL_BAD_RESPONSE,    [FETCH_TOO_LARGE] = MODEL_TOO_LARGE,
        [FETCH_URL] = MODEL_BAD_REQUEST,          [FETCH_REFUSED] = MODEL_BAD_REQUEST,
    };
    enum model_cause cause = told[fault] != MODEL_NONE ? told[fault] : MODEL_UNREACHABLE;
    model_failure_set(ret_failure, cause, "%s: %s%s%s", host, fetch_fault_text(fault),
                      detail[0] != '\0' ? ": " : "", detail);
}

/* --- Retry-After ------------------------------------------------------------------------------ */

static bool parse_after(struct bytes text, int64_t now_ms, uint64_t *ret_ms) {
    int64_t date_ms;
    if (retry_after_amount(text, 1000, ret_ms)) {
        return true;
    }
    if (!retry_after_date(text, &date_ms)) {
        return false;
    }
    uint64_t ms = date_ms > now_ms ? (uint64_t)(date_ms - now_ms) : 0;
    *ret_ms = ms < RETRY_AFTER_MAX_MS ? ms : RETRY_AFTER_MAX_MS;
    return true;
}

struct retry_hint retry_hint_of(const struct fetch_answer *answer, int64_t now_ms) {
    struct retry_hint hint = {.timed = false};
    struct bytes value;
    if (fetch_answer_header(answer, "retry-after-ms", &value)) {
        hint.timed = retry_after_amount(value, 1, &hint.after_ms);
    }
    if (!hint.timed && fetch_answer_header(answer, "retry-after", &value)) {
        hint.timed = parse_after(value, now_ms, &hint.after_ms);
    }
    if (fetch_answer_header(answer, "x-should-retry", &value)) {
        bool yes = bytes_equal_nocase(value, BYTES("true"));
        bool no = bytes_equal_nocase(value, BYTES("false"));
        hint.should = yes ? RETRY_YES : (no ? RETRY_NO : RETRY_UNSAID);
    }
    return hint;
}

/* --- The decision ----------------------------------------------------------------------------- */

bool model_cause_is_outage(enum model_cause cause) {
    return cause == MODEL_UNREACHABLE || cause == MODEL_RATE_LIMITED ||
           cause == MODEL_PROVIDER_ERROR || cause == MODEL_STREAM_BROKEN;
}

/* An unreadable answer is likely to repeat, so it gets MODEL_TRIES_MAX tries, also for an agent. A
 * missing answer is retried like an outage. */
bool retry_again(const struct retry_try *attempt, uint64_t *ret_wait_ms) {
    const struct retry_hint *hint = &attempt->hint;
    enum model_cause cause = attempt->failure->cause;
    bool outage = model_cause_is_outage(cause) || cause == MODEL_TIMED_OUT;
    /* An empty answer was paid for, and its caller may ask differently. */
    bool cured = outage || cause == MODEL_BAD_RESPONSE;
    bool asked = hint->should == RETRY_YES && cause != MODEL_QUOTA;
    bool patient = outage && attempt->patience != PATIENCE_NONE;
    if ((attempt->tries >= MODEL_TRIES_MAX && !patient) || hint->should == RETRY_NO ||
        !(asked || cured)) {
        return false;
    }
    struct outage_wait wait = {.first_ms =
                                   attempt->first_ms != 0 ? attempt->first_ms : OUTAGE_WAIT_MS,
                               .failures = attempt->tries,
                               .hurried = attempt->hurried,
                               .random = attempt->random};
    if (!hint->timed) {
        *ret_wait_ms = outage_wait_ms(&wait);
        return true;
    }
    /* Never earlier than it says; later by up to an eighth. "At once", said each time, would be a
     * loop without a pause: after the quick waits the last of them is the shortest. */
    wait.failures = OUTAGE_QUICK;
    const uint64_t least_ms = attempt->tries > OUTAGE_QUICK ? outage_wait_ms(&wait) : 0;
    const uint64_t named_ms = hint->after_ms + hint->after_ms / 8 * attempt->random / UINT32_MAX;
    *ret_wait_ms = named_ms > least_ms ? named_ms : least_ms;
    return hint->after_ms <= MODEL_WAIT_MAX_MS || attempt->patience == PATIENCE_AGENT;
}

uint64_t retry_quota_pause_ms(unsigned trips) {
    const uint64_t minute = 60000;
    assert(trips > 0);
    return trips > 6 ? 60 * minute : minute << (trips - 1);
}
