/* Parameters that not every provider takes: what is known beforehand, and the words of refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "rules/provider/parameters.h"

/* Names of a set, with a blank between them. */
static void names_are(parameter_set set, const char *wanted, const char *about) {
    AUTO(text_done) struct text names = text_up_to(1000);
    parameters_join(set, " ", &names);
    if (strcmp(text_bytes(&names).len > 0 ? names.data : "", wanted) != 0) {
        fail_msg("%s: %s, not %s", about, names.data, wanted);
    }
}

#define CHAT                                                                                       \
    (PARAMETER_SET(EFFORT) | PARAMETER_SET(MAX_TOKENS) | PARAMETER_SET(JSON_SCHEMA) |              \
     PARAMETER_SET(STREAM_OPTIONS) | PARAMETER_SET(TOOL_CHOICE) | PARAMETER_SET(SYSTEM))
#define LATER                                                                                      \
    (PARAMETER_SET(MAX_COMPLETION_TOKENS) | PARAMETER_SET(JSON_OBJECT) |                           \
     PARAMETER_SET(DEVELOPER) | PARAMETER_SET(EFFORT))
#define RESPONSES                                                                                  \
    (PARAMETER_SET(EFFORT) | PARAMETER_SET(SUMMARY) | PARAMETER_SET(ENCRYPTED) |                   \
     PARAMETER_SET(JSON_SCHEMA))
#define WITH_SCHEMAS ((CHAT & ~PARAMETER_SET(JSON_SCHEMA)) | PARAMETER_SET(TOOL_SCHEMAS))
#define SEARCH PARAMETER_SET(WEB_SEARCH)
#define MESSAGES (PARAMETER_SET(EFFORT) | PARAMETER_SET(TOOL_CHOICE))
#define ERROR(message) "{\"error\":{\"message\":\"" message "\",\"type\":\"invalid_request_error\","
#define PARAM(message, param) ERROR(message) "\"param\":\"" param "\",\"code\":null}}"
#define PLAIN(message) ERROR(message) "\"param\":null,\"code\":\"invalid_request_error\"}}"
#define EXTRA(name)                                                                                \
    "{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"" name                                      \
    "\"],\"msg\":\"Extra inputs are not "                                                          \
    "permitted\",\"input\":\"tool_choice\"}"

/* As the providers are known to say it. "!": it says nothing about the next call. */
static const struct {
    const char *about;
    int status;
    parameter_set sent;
    const char *body, *refused;
} refusals[] = {
    {"OpenAI: the other spelling", 400, CHAT,
     PARAM("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
           "'max_completion_tokens' instead.",
           "max_tokens"),
     "max_tokens"},
    {"a proxy of it, without a place", 400, CHAT,
     "{\"error\":{\"message\":\"Unsupported parameter: 'max_tokens' is not supported with this "
     "model. Use 'max_completion_tokens' instead.\",\"code\":\"invalid_request_body\"}}",
     "max_tokens"},
    {"OpenAI: an older server", 400, LATER,
     PLAIN("Unrecognized request argument supplied: max_completion_tokens"),
     "max_completion_tokens"},
    {"OpenAI: no reasoning", 400, CHAT,
     PLAIN("Unrecognized request argument supplied: reasoning_effort"), "reasoning_effort"},
    {"OpenAI: reasoning and functions", 400, CHAT,
     PARAM("Function tools with reasoning_effort are not supported for this model in "
           "/v1/chat/completions.",
           "reasoning_effort"),
     "reasoning_effort"},
    {"OpenAI: o1-mini and system", 400, CHAT,
     PARAM("Unsupported value: 'messages[0].role' does not support 'system' with this model.",
           "messages[0].role"),
     "system_role"},
    {"OpenAI: o1-mini and developer", 400, LATER,
     PARAM("Unsupported value: 'messages[0].role' does not support 'developer' with this model.",
           "messages[0].role"),
     "developer_role"},
    {"OpenAI: o1-mini and a format", 400, CHAT,
     PARAM("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this "
           "model.",
           "response_format"),
     "json_schema"},
    {"OpenAI: a schema that it cannot use", 400, CHAT,
     PARAM("Invalid schema for response_format 'answer': schema must be an object",
           "response_format"),
     "json_schema !"},
    {"OpenAI: more than the model says", 400, CHAT,
     PARAM("max_tokens is too large: 99999. This model supports at most 4096 completion tokens.",
           "max_tokens"),
     "max_tokens max_completion_tokens !"},
    {"OpenAI: encrypted reasoning", 400, RESPONSES,
     PARAM("Encrypted content is not supported with this model.", "include"),
     "encrypted_reasoning"},
    {"OpenAI: summaries want a verified account", 400, RESPONSES,
     PARAM("Your organization must be verified to generate reasoning summaries.",
           "reasoning.summary"),
     "reasoning_summary"},
    {"OpenAI: effort of the later interface", 400, RESPONSES,
     PARAM("Unsupported parameter: 'reasoning.effort' is not supported with this model.",
           "reasoning.effort"),
     "reasoning_effort"},
    {"a proxy: streams are not counted", 400, CHAT,
     PARAM("Unknown parameter: 'stream_options'. (request id: 2024)", "stream_options"),
     "stream_options"},
    {"DeepSeek: no schema", 400, CHAT, PLAIN("This response_format type is unavailable now"),
     "json_schema"},
    {"DeepSeek: the same, earlier", 422, CHAT,
     PLAIN("Failed to deserialize the JSON body into the target type: response_format: "
           "response_format.type `json_schema` is unavailable now at line 1 column 12440"),
     "json_schema"},
    {"DeepSeek: a model that thinks", 400, CHAT,
     PLAIN("deepseek-reasoner does not support this tool_choice"), "tool_choice"},
    {"DeepSeek: a model that thinks, later", 400, CHAT,
     PLAIN("Thinking mode does not support this tool_choice"), "tool_choice"},
    {"Mistral: a user's message after a tool's result", 400, CHAT | PARAMETER_SET(USER_AFTER_TOOL),
     PLAIN("Unexpected role 'user' after role 'tool'"), "user_after_tool"},
    {"Ollama: a model without tools", 400, CHAT | PARAMETER_SET(TOOLS),
     PLAIN("registry.ollama.ai/library/gemma3:4b does not support tools"), "tools"},
    {"OpenRouter: a model without tools", 404, CHAT | PARAMETER_SET(TOOLS),
     PLAIN("No endpoints found that support tool use. Try disabling \\\"recall\\\"."), "tools"},
    {"Bedrock: calls and no tools", 400, CHAT | PARAMETER_SET(CALLS_ALONE),
     PLAIN("The toolConfig field must be defined when using toolUse and toolResult content "
           "blocks."),
     "calls_without_tools"},
    {"Mistral: two at once", 422, CHAT,
     "{\"detail\":[" EXTRA("stream_options") "," EXTRA("max_tokens") "]}",
     "max_tokens stream_options"},
    {"Mistral: within a message", 422, LATER,
     "{\"object\":\"error\",\"message\":{\"detail\":[" EXTRA(
         "max_completion_tokens") "]},"
                                  "\"type\":\"invalid_request_error\",\"param\":null}",
     "max_completion_tokens"},
    {"Mistral: as a text within a message", 422, CHAT,
     "{\"object\":\"error\",\"message\":\"{\\\"detail\\\":[{\\\"type\\\":\\\"extra_forbidden\\\","
     "\\\"loc\\\":[\\\"body\\\",\\\"reasoning_effort\\\"]}]}\",\"param\":null}",
     "reasoning_effort"},
    {"vLLM: a template without system", 400, CHAT,
     "{\"object\":\"error\",\"message\":\"System role not supported\",\"type\":\"BadRequestError\","
     "\"param\":null,\"code\":400}",
     "system_role"},
    {"vLLM: roles that alternate", 400, LATER,
     "{\"object\":\"error\",\"message\":\"Conversation roles must alternate user/assistant/user/"
     "assistant/...\",\"type\":\"BadRequestError\",\"param\":null,\"code\":400}",
     "developer_role"},
    {"vLLM: a member that it does not know", 400, CHAT,
     "{\"error\":{\"message\":\"[{'type': 'extra_forbidden', 'loc': ('body', 'reasoning_effort'), "
     "'msg': 'Extra inputs are not permitted'}]\",\"type\":\"Bad Request\",\"param\":null,"
     "\"code\":400}}",
     "reasoning_effort"},
    {"Ollama: no thinking", 400, CHAT,
     "{\"error\":{\"message\":\"think value \\\"low\\\" is not supported for this model\",\"type\":"
     "\"api_error\",\"param\":null,\"code\":null}}",
     "reasoning_effort"},
    {"Ollama: the same, otherwise", 400, CHAT,
     "{\"error\":\"\\\"gemma3:4b\\\" does not support thinking\"}", "reasoning_effort"},
    {"llama.cpp: no such format", 400, LATER,
     "{\"error\":{\"code\":400,\"message\":\"response_format type must be one of \\\"text\\\" or "
     "\\\"json_object\\\", but got: json_schema\",\"type\":\"invalid_request_error\"}}",
     "json_object"},
    {"Groq: no schemas", 400, CHAT,
     PARAM("This model does not support response format `json_schema`. See the docs.",
           "response_format"),
     "json_schema"},
    {"Groq: a word of the schema", 400, CHAT,
     "{\"error\":{\"message\":\"invalid schema for response format: response_format/json_schema/"
     "next: minItems is not supported\",\"type\":\"invalid_request_error\"}}",
     "json_schema !"},
    {"Groq: the model wrote no JSON", 400, LATER,
     "{\"error\":{\"message\":\"Failed to generate JSON. Please adjust your prompt. See "
     "'failed_generation' for more details.\",\"code\":\"json_validate_failed\","
     "\"failed_generation\":\"tool_choice\"}}",
     "json_object !"},
    {"Groq: another word for effort", 400, CHAT,
     PLAIN("`reasoning_effort` must be one of `none` or `default`"), "reasoning_effort"},
    {"Google: no such member", 400, CHAT,
     "[{\"error\":{\"code\":400,\"message\":\"Invalid JSON payload received. Unknown name "
     "\\\"reasoning_effort\\\": Cannot find field.\",\"status\":\"INVALID_ARGUMENT\"}}]",
     "reasoning_effort"},
    {"Google: Gemma", 400, LATER,
     "[{\"error\":{\"code\":400,\"message\":\"Developer instruction is not enabled for "
     "models/gemma-3-27b-it\",\"status\":\"INVALID_ARGUMENT\"}}]",
     "developer_role"},
    {"xAI: no formats", 400, CHAT,
     "{\"code\":\"Client specified an invalid argument\",\"error\":\"The response_format parameter "
     "is unsupported at the moment. Leave it unset.\"}",
     "json_schema"},
    {"xAI: no effort", 400, CHAT,
     "{\"code\":\"Client specified an invalid argument\",\"error\":\"Argument not supported on "
     "this "
     "model: reasoningEffort\"}",
     "reasoning_effort"},
    {"xAI: no effort, later", 400, RESPONSES,
     "{\"code\":\"invalid-argument\",\"error\":\"Model grok-build does not support parameter "
     "reasoningEffort.\"}",
     "reasoning_effort"},
    {"llama.cpp: tools that its grammar cannot have", 400, WITH_SCHEMAS,
     "{\"error\":{\"code\":400,\"message\":\"Failed to initialize samplers: failed to parse "
     "grammar\",\"type\":\"invalid_request_error\"}}",
     "tool_schemas !"},
    {"llama.cpp: a format that its grammar cannot have", 400, CHAT,
     "{\"error\":{\"code\":400,\"message\":\"JSON schema conversion "
     "failed:\\nUnsupported\",\"type\":"
     "\"invalid_request_error\"}}",
     "json_schema !"},
    {"Cerebras: words of a tool's schema", 422, WITH_SCHEMAS,
     "{\"message\":\"Unsupported JSON schema fields: {'minItems', 'items'}\",\"type\":"
     "\"invalid_request_error\",\"param\":\"response_format\",\"code\":\"wrong_api_format\"}",
     "tool_schemas !"},
    {"Cerebras: objects that are open", 422, WITH_SCHEMAS,
     "{\"message\":\"'additionalProperties' is required to be supplied and set to "
     "false.\",\"type\":"
     "\"invalid_request_error\",\"param\":\"tools\",\"code\":\"wrong_api_format\"}",
     "tool_schemas !"},
    {"Moonshot: references", 400, WITH_SCHEMAS,
     "{\"error\":{\"message\":\"Invalid request: tools.function.parameters is not a valid moonshot "
     "flavored json schema, details: <At path 'properties.a.$ref': $defs not found for "
     "reference>\",\"type\":\"invalid_request_error\"}}",
     "tool_schemas !"},
    {"OpenRouter: nobody takes it", 404, CHAT,
     "{\"error\":{\"message\":\"No endpoints found that support the provided 'tool_choice' value. "
     "To learn more, visit: https://openrouter.ai/docs\",\"code\":404}}",
     "tool_choice"},
    {"OpenRouter: what the one behind it said", 400, CHAT,
     "{\"error\":{\"message\":\"Provider returned error\",\"code\":400,\"metadata\":{\"raw\":"
     "\"{\\\"error\\\":{\\\"message\\\":\\\"Unsupported parameter\\\",\\\"param\\\":"
     "\\\"max_tokens\\\"}}\",\"provider_name\":\"OpenAI\"}}}",
     "max_tokens"},
    {"Anthropic: a model that does not think", 400, MESSAGES,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
     "\"thinking: Extra inputs are not permitted\"},\"request_id\":\"req_1\"}",
     "reasoning_effort"},
    {"Anthropic: thinking is asked for otherwise", 400, MESSAGES,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"\\\"thinking."
     "type.enabled\\\" is not supported for this model. Use \\\"thinking.type.adaptive\\\".\"}}",
     "reasoning_effort"},
    {"Anthropic: the two do not go together", 400, MESSAGES,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
     "\"Thinking may not be enabled when tool_choice forces tool use.\"}}",
     "tool_choice"},
    {"OpenAI: a model that does not search", 400, RESPONSES | SEARCH,
     PARAM("Hosted tool 'web_search' is not supported with gpt-4.1-nano.", "tools"), "web_search"},
    {"Anthropic: a model that does not search", 400, MESSAGES | SEARCH,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
     "\"tools.1: Input tag 'web_search_20250305' found using 'type' does not match any of the "
     "expected tags: 'bash_20250124', 'custom'\"},\"request_id\":\"req_1\"}",
     "web_search"},
    {"Anthropic: an organization that may not search", 400, MESSAGES | SEARCH,
     "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":"
     "\"Web search is not enabled for this organization.\"}}",
     "web_search"},
    {"vLLM: tools are functions", 422, RESPONSES | SEARCH,
     "{\"detail\":[{\"type\":\"literal_error\",\"loc\":[\"body\",\"tools\",0,\"type\"],"
     "\"msg\":\"Input should be 'function'\",\"input\":\"web_search\"}]}",
     "web_search"},
    {"Cloudflare, say: in its own words", 422, CHAT,
     "{\"message\":\"unknown field `stream_options`, expected one of `model`, `messages`\"}",
     "stream_options"},

    /* No refusals of a parameter. */
    {"it was not sent", 400, PARAMETER_SET(EFFORT),
     PARAM("Unsupported parameter: 'temperature'", "temperature"), ""},
    {"nothing that could be left out was sent", 400, 0,
     PARAM("Unsupported parameter: 'max_tokens'", "max_tokens"), ""},
    {"the longer name is another one", 400, PARAMETER_SET(MAX_TOKENS),
     PLAIN("x_max_tokens_y is wrong"), ""},
    {"vLLM: tools need a parser", 400, CHAT,
     "{\"object\":\"error\",\"message\":\"\\\"auto\\\" tool choice requires "
     "--enable-auto-tool-choice and --tool-call-parser to be set\",\"code\":400}",
     ""},
    {"Ollama: no tools", 400, CHAT,
     "{\"error\":{\"message\":\"registry.ollama.ai/library/gemma3:4b does not support tools\"}}",
     ""},
    {"what it quotes is not looked at", 422, CHAT,
     "{\"detail\":[{\"type\":\"missing\",\"loc\":[\"body\",\"model\"],\"msg\":\"Field required\","
     "\"input\":{\"reasoning_effort\":\"low\",\"max_tokens\":3}}]}",
     ""},
    {"schemas that were left out", 400, CHAT & ~PARAMETER_SET(JSON_SCHEMA),
     PLAIN("failed to parse grammar"), ""},
    {"another status", 500, CHAT, PLAIN("max_tokens"), ""},
    {"a model that is not there", 404, CHAT, PLAIN("no model takes tool_choice"), ""},
    {"a page", 400, CHAT, "<html>max_tokens</html>", ""},
    {"nothing", 400, CHAT, "", ""},
};

static void a_refusal_names_what_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct parameter_refusal refusal =
            parameters_refused(refusals[i].status, bytes_of(refusals[i].body), refusals[i].sent);
        struct bytes wanted = bytes_of(refusals[i].refused);
        const bool passing = wanted.len > 2 && wanted.data[wanted.len - 1] == '!';
        char names[200] = "";
        memcpy(names, wanted.data, passing ? wanted.len - 2 : wanted.len);
        names_are(refusal.parameters, names, refusals[i].about);
        if (refusal.parameters != 0 && refusal.passing != passing) {
            fail_msg("%s: %s", refusals[i].about, passing ? "it is of this call" : "it stays");
        }
    }
}

static void what_is_known_needs_no_refusal(void **state) {
    (void)state;
    static const struct {
        const char *host, *model, *refused;
        bool beside;
    } rows[] = {
        {"api.openai.com", "whatever", "max_tokens", true},
        {"api.openai.com", "o3-mini", "max_tokens", true},
        {"127.0.0.1:4000", "o3", "max_tokens", false},
        {"127.0.0.1:4000", "gpt-5.1-mini", "max_tokens", false},
        {"openrouter.ai", "openai/gpt-5", "max_tokens", false},
        {"my.openai.azure.com", "deployed", "max_tokens", true},
        {"h", "gpt-4.1-nano", "reasoning_effort reasoning_summary encrypted_reasoning", false},
        {"h", "gpt-4o-2024", "reasoning_effort reasoning_summary encrypted_reasoning", false},
        {"h", "gpt-5-chat-latest",
         "reasoning_effort max_tokens reasoning_summary encrypted_reasoning", false},
        {"h", "o1-mini",
         "reasoning_effort max_tokens json_schema json_object system_role developer_role "
         "reasoning_summary encrypted_reasoning",
         false},
        {"api.deepseek.com", "deepseek-chat", "reasoning_effort max_completion_tokens json_schema",
         false},
        {"api.deepseek.com", "deepseek-reasoner", "max_completion_tokens json_schema tool_choice",
         false},
        {"127.0.0.1:11434", "qwen3:4b", "max_completion_tokens tool_choice", false},
        {"127.0.0.1:8000", "Qwen/Qwen3-8B", "", false},
        {"", "claude-3-5-haiku-20241022", "reasoning_effort", false},
        {"", "claude-sonnet-4-5", "", false},
        {"", "o30", "", false},
        {"", "gpt-4omni", "", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct parameter_target target = {bytes_of(rows[i].host), bytes_of(rows[i].model)};
        names_are(parameters_known(&target), rows[i].refused, rows[i].model);
        assert_int_equal(parameters_beside_tools(&target), rows[i].beside);
    }
}

static void what_a_model_shows_counts_more_than_what_is_known(void **state) {
    (void)state;
    static const struct {
        parameter_set known, shown;
        const char *left_out;
    } rows[] = {
        {PARAMETER_SET(MAX_TOKENS), 0, "max_tokens"},
        {PARAMETER_SET(MAX_TOKENS), PARAMETER_SET(MAX_COMPLETION_TOKENS), "max_completion_tokens"},
        {PARAMETER_SET(MAX_TOKENS),
         PARAMETER_SET(MAX_COMPLETION_TOKENS) | PARAMETER_SET(MAX_TOKENS),
         "max_tokens max_completion_tokens"},
        {PARAMETER_SET(JSON_SCHEMA), PARAMETER_SET(EFFORT), "reasoning_effort json_schema"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        names_are(parameters_left_out(rows[i].known, rows[i].shown), rows[i].left_out, "left out");
    }
}

static void names_lead_back_to_their_parameter(void **state) {
    (void)state;
    enum provider_parameter found;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++) {
        AUTO(text_done) struct text name = text_up_to(64);
        parameters_join(parameter_of((enum provider_parameter)i), "", &name);
        assert_true(parameter_find(text_bytes(&name), &found));
        assert_int_equal(found, i);
    }
    assert_false(parameter_find(BYTES("temperature"), &found));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_names_what_is_refused),
        cmocka_unit_test(what_is_known_needs_no_refusal),
        cmocka_unit_test(what_a_model_shows_counts_more_than_what_is_known),
        cmocka_unit_test(names_lead_back_to_their_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
