/* parameters.c: parameters that are known to be refused, and the words of providers for a refusal.
 *
 *   {"error": {"message": "Unsupported parameter: 'max_tokens' …", "param": "max_tokens", …}}
 *   {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": …}]}
 *   {"error": {"message": "This response_format type is unavailable now", "param": null, …}}
 *   {"error": {"message": "think value \"low\" is not supported for this model", …}}
 *   {"error": {"message": "Provider returned error", "metadata": {"raw": "{…}"}}}
 *
 * A place (`param`, `loc`) says most. Else the first row of the table whose words are in a sentence
 * counts, and no more than that one: a sentence names the cure beside the fault. What a server
 * quotes of the request (`input`) is not looked at: it may hold anything.
 */
#include "rules/provider/parameters.h"

#include <string.h>

#include "base/json/json.h"

#define X(parameter, name) name,
static const char *const parameter_names[] = {PROVIDER_PARAMETERS(X) NULL};
#undef X

bool parameter_find(struct bytes name, enum provider_parameter *ret_parameter) {
    return bytes_find(name, parameter_names, ret_parameter);
}

void parameters_join(parameter_set set, const char *between, struct text *text) {
    const size_t before = text->len;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        if ((set & parameter_of((enum provider_parameter)i)) != 0) {
            text_addf(text, "%s%s", text->len > before ? between : "", parameter_names[i]);
        }
    }
}

void parameters_note(parameter_set without, struct text *note) {
    if (without != 0) {
        text_add_str(note, "asked without ");
        parameters_join(without, ", ", note);
        text_add_str(note, ", which the model has refused");
    }
}

#define SET(parameter) PARAMETER_SET(parameter)
#define TOKENS (SET(MAX_TOKENS) | SET(MAX_COMPLETION_TOKENS))
#define FORMATS (SET(JSON_SCHEMA) | SET(JSON_OBJECT))
#define SCHEMAS (FORMATS | SET(TOOL_SCHEMAS))
#define ROLES (SET(SYSTEM) | SET(DEVELOPER))
#define REASONING (SET(EFFORT) | SET(SUMMARY) | SET(ENCRYPTED))

/* --- What is known beforehand ----------------------------------------------------------------- */

/* All rows that fit count. host: a part of it; model: the beginning of its name, up to a mark.
 * Either NULL: any. A row is here because its provider documents it, or because the parameter would
 * be ignored there. */
static const struct {
    const char *host, *model;
    parameter_set refused;
} known[] = {
    {"openai.com", NULL, SET(MAX_TOKENS)},
    {"openai.azure.com", NULL, SET(MAX_TOKENS)},
    {NULL, "o1", SET(MAX_TOKENS)},
    {NULL, "o1-mini", REASONING | FORMATS | ROLES},
    {NULL, "o1-preview", REASONING | FORMATS | ROLES},
    {NULL, "o3", SET(MAX_TOKENS)},
    {NULL, "o4", SET(MAX_TOKENS)},
    {NULL, "gpt-5", SET(MAX_TOKENS)},
    {NULL, "gpt-5-chat", REASONING},
    {NULL, "chatgpt-4o", REASONING},
    {NULL, "gpt-4", REASONING},
    {NULL, "gpt-4o", REASONING},
    {NULL, "gpt-4-turbo", SET(JSON_SCHEMA)},
    {NULL, "gpt-3.5", REASONING | SET(JSON_SCHEMA)},
    {"api.deepseek.com", NULL, SET(JSON_SCHEMA) | SET(MAX_COMPLETION_TOKENS)},
    {"api.deepseek.com", "deepseek-chat", SET(EFFORT)},
    {"api.deepseek.com", "deepseek-reasoner", SET(TOOL_CHOICE)},
    {"api.mistral.ai", NULL, SET(MAX_COMPLETION_TOKENS) | SET(USER_AFTER_TOOL)},
    {":11434", NULL, SET(TOOL_CHOICE) | SET(MAX_COMPLETION_TOKENS)}, /* Ollama. */
    {NULL, "claude-3-haiku", SET(EFFORT)},
    {NULL, "claude-3-opus", SET(EFFORT)},
    {NULL, "claude-3-sonnet", SET(EFFORT)},
    {NULL, "claude-3-5", SET(EFFORT)},
};

/* "gpt-4" is the model of "gpt-4", "gpt-4.1-mini" and "openai/gpt-4-0613", not of "gpt-4o". */
static bool model_begins(struct bytes model, const char *with) {
    const char *slash = memrchr(model.data, '/', model.len);
    size_t skipped = slash != NULL ? (size_t)(slash - model.data) + 1 : 0, len = strlen(with);
    struct bytes name = {model.data + skipped, model.len - skipped};
    return bytes_begin(name, bytes_of(with)) &&
           (name.len == len || memchr("-.:@", name.data[len], 4) != NULL);
}

static bool host_holds(struct bytes host, const char *part) {
    return host.len > 0 && memmem(host.data, host.len, part, strlen(part)) != NULL;
}

parameter_set parameters_known(const struct parameter_target *target) {
    parameter_set refused = 0;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        bool fits = (known[i].host == NULL || host_holds(target->host, known[i].host)) &&
                    (known[i].model == NULL || model_begins(target->model, known[i].model));
        refused |= fits ? known[i].refused : 0;
    }
    return refused;
}

parameter_set parameters_left_out(parameter_set expected, parameter_set shown) {
    bool other = (shown & TOKENS) == SET(MAX_COMPLETION_TOKENS);
    return (expected & ~(other ? SET(MAX_TOKENS) : 0)) | shown;
}

bool parameters_beside_tools(const struct parameter_target *target) {
    return host_holds(target->host, "openai.com") || host_holds(target->host, "openai.azure.com");
}

/* --- Words of a refusal ----------------------------------------------------------------------- */

/* In the order in which they count: where a sentence says that two do not go together, the one that
 * is missed less comes first. `with`: this word is there, too. */
static const struct {
    const char *words, *with;
    parameter_set refused;
    bool place; /* Counts as a place only: in a sentence it may mean anything. */
} rows[] = {
    {"not support tools", NULL, SET(TOOLS), false},                     /* Ollama. */
    {"not support tool use", NULL, SET(TOOLS), false},                  /* Bedrock; */
    {"doesn't support tool use", NULL, SET(TOOLS), false},              /* the same. */
    {"endpoints found that support tool use", NULL, SET(TOOLS), false}, /* OpenRouter, a 404. */
    {"not support function calling", NULL, SET(TOOLS), false},
    {"function calling is not enabled", NULL, SET(TOOLS), false}, /* Gemini's endpoint. */
    {"tool calling is not supported", NULL, SET(TOOLS), false},
    {"enable-auto-tool-choice", NULL, SET(TOOLS), false}, /* vLLM without a parser for them. */
    {"must define tools", NULL, SET(CALLS_ALONE), false}, /* Anthropic. */
    {"toolconfig", NULL, SET(CALLS_ALONE), false},        /* Bedrock. */
    {"tools= param", NULL, SET(CALLS_ALONE), false},      /* LiteLLM before it. */
    {"parse grammar", NULL, SCHEMAS, false},              /* llama.cpp, of tools and of a format; */
    {"json schema conversion failed", NULL, SCHEMAS, false},   /* the same. */
    {"json schema fields", NULL, SCHEMAS, false},              /* Cerebras; */
    {"to be supplied and set to false", NULL, SCHEMAS, false}, /* the same. */
    {"moonshot flavored json schema", NULL, SCHEMAS, false},
    {"tool_choice", NULL, SET(TOOL_CHOICE), false},
    {"stream_options", NULL, SET(STREAM_OPTIONS), false},
    {"include_usage", NULL, SET(STREAM_OPTIONS), false},
    {"reasoning.summary", NULL, SET(SUMMARY), false},
    {"reasoning summaries", NULL, SET(SUMMARY), false},
    {"summary", NULL, SET(SUMMARY), true},
    {"encrypted_content", NULL, SET(ENCRYPTED), false},
    {"encrypted content", NULL, SET(ENCRYPTED), false},
    {"include", NULL, SET(ENCRYPTED), true},
    {"response_format", NULL, FORMATS, false},
    {"response format", NULL, FORMATS, false},
    {"response_schema", NULL, FORMATS, false},
    {"json_schema", NULL, FORMATS, false},
    {"json_object", NULL, FORMATS, false},
    {"text.format", NULL, FORMATS, false},
    {"structured output", NULL, FORMATS, false},
    {"structured outputs", NULL, FORMATS, false},
    {"failed to generate json", NULL, FORMATS, false},
    {"max_completion_tokens", NULL, TOKENS, false},
    {"max_tokens", NULL, TOKENS, false},
    {"max_output_tokens", NULL, TOKENS, false},
    {"reasoning_effort", NULL, SET(EFFORT), false},
    {"reasoningEffort", NULL, SET(EFFORT), false}, /* xAI, of either spelling. */
    {"reasoning.effort", NULL, SET(EFFORT), false},
    {"reasoning effort", NULL, SET(EFFORT), false},
    {"think value", NULL, SET(EFFORT), false},
    {"thinking", NULL, SET(EFFORT), false},
    {"reasoning", NULL, SET(EFFORT), true},
    {"after role 'tool'", NULL, SET(USER_AFTER_TOOL), false},
    {"role", "system", ROLES, false},
    {"role", "developer", ROLES, false},
    {"roles must alternate", NULL, ROLES, false},
    {"roles must alternate", NULL, SET(USER_AFTER_TOOL), false},
    {"developer instruction", NULL, ROLES, false},
    {"system message", NULL, ROLES, false},
    {"system messages", NULL, ROLES, false},
    {"system prompts", NULL, ROLES, false},
    {"role", NULL, ROLES, true},
    {"web_search", NULL, SET(WEB_SEARCH), false},
    {"web_search_20250305", NULL, SET(WEB_SEARCH), false},
    {"web search", NULL, SET(WEB_SEARCH), false},
    {"hosted tool", NULL, SET(WEB_SEARCH), false},
    {"tools", NULL, SET(WEB_SEARCH), true},
};

/* Signs that the value was at fault, and not the parameter. */
static const struct {
    const char *words;
    parameter_set of;
} values[] = {
    {"too large", TOKENS},
    {"at most", TOKENS},
    {"less than or equal", TOKENS},
    {"exceeds", TOKENS},
    {"invalid schema", FORMATS},
    {"invalid json schema", FORMATS},
    {"unknown name", FORMATS},
    {"schema is invalid", FORMATS},
    {"failed to generate json", FORMATS},
    {"parse grammar", SCHEMAS},
    {"json schema conversion failed", SCHEMAS},
    {"json schema fields", SCHEMAS},
    {"to be supplied and set to false", SCHEMAS},
    {"moonshot flavored json schema", SCHEMAS},
};

/* Letters, digits and '_' belong to a name. */
static bool is_of_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Whether the words are there, in letters of either case, and are not a part of a longer name. */
static bool says(const char *sentence, const char *words) {
    size_t len = strlen(words);
    for (const char *at = sentence; (at = strcasestr(at, words)) != NULL; at++) {
        if ((at == sentence || !is_of_name(at[-1])) && !is_of_name(at[len])) {
            return true;
        }
    }
    return false;
}

enum { READ_DEPTH_MAX = 8, READ_STRINGS_MAX = 200 };

struct reading {
    parameter_set sent;
    parameter_set places;  /* Named by a place. */
    parameter_set words;   /* Named by the sentences; */
    size_t row;            /* by this row, the first one so far. */
    parameter_set passing; /* Values that are at fault, if one of these is named. */
    bool endpoints;
    unsigned depth, strings;
};

static void read_text(struct reading *reading, const char *text, bool is_place) {
    size_t at = 0;
    while (at < COUNT_OF(rows) &&
           ((rows[at].refused & reading->sent) == 0 || (rows[at].place && !is_place) ||
            !says(text, rows[at].words) || (rows[at].with != NULL && !says(text, rows[at].with)))) {
        at++;
    }
    if (at < COUNT_OF(rows) && is_place) {
        reading->places |= rows[at].refused & reading->sent;
    } else if (at < reading->row) {
        reading->row = at;
        reading->words = rows[at].refused & reading->sent;
    }
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        reading->passing |= says(text, values[i].words) ? values[i].of : 0;
    }
    reading->endpoints = reading->endpoints || says(text, "no endpoints found");
}

static void read_value(struct reading *reading, const char *key, const json_t *value);

/* A gateway puts the answer of the provider behind it into a text. */
static void read_string(struct reading *reading, const char *key, const json_t *value) {
    const char *text = json_string_value(value);
    AUTO(json_release) json_t *inner = NULL;
    bool is_place = strcmp(key, "param") == 0 || strcmp(key, "loc") == 0;
    if (text[0] == '{' && !err_failed(json_parse(text, json_string_length(value), JSON_DEPTH_MAX,
                                                 &inner, /* why */ NULL))) {
        read_value(reading, key, inner);
    } else {
        read_text(reading, text, is_place);
    }
}

/* Texts that a server may quote, or that are codes of it. */
static bool is_passed_over(const char *key) {
    static const char *const keys[] = {
        "input", "ctx", "type", "code", "url", "request_id", "id", "failed_generation", NULL};
    unsigned at = 0;
    return bytes_find(bytes_of(key), keys, &at);
}

static void read_value(struct reading *reading, const char *key, const json_t *value) {
    if (reading->depth == READ_DEPTH_MAX || reading->strings == READ_STRINGS_MAX) {
        return;
    }
    reading->depth++;
    if (json_is_string(value)) {
        reading->strings++;
        read_string(reading, key, value);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        read_value(reading, key, json_array_get(value, i));
    }
    for (struct json_member at = json_first(value); at.value != NULL; at = json_next(at)) {
        if (!is_passed_over(at.key.data)) {
            read_value(reading, at.key.data, at.value);
        }
    }
    reading->depth--;
}

struct parameter_refusal parameters_refused(int status, struct bytes body, parameter_set sent) {
    struct parameter_refusal refusal = {.parameters = 0};
    struct reading reading = {.sent = sent, .row = COUNT_OF(rows)};
    AUTO(json_release) json_t *json = NULL;
    if ((status != 400 && status != 404 && status != 422) || sent == 0 || body.len == 0 ||
        err_failed(json_parse(body.data, body.len, JSON_DEPTH_MAX, &json, /* why */ NULL))) {
        return refusal;
    }
    read_value(&reading, "", json);
    if (status != 404 ||
        reading.endpoints) { /* A gateway's 404: no provider behind it accepts that. */
        refusal.parameters = reading.places != 0 ? reading.places : reading.words;
        refusal.passing = (refusal.parameters & reading.passing) != 0;
    }
    /* The other spelling would have the same value. */
    if (refusal.passing && (refusal.parameters & TOKENS) != 0) {
        refusal.parameters |= TOKENS;
    }
    return refusal;
}
