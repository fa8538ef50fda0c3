/* prompt.c: reads the request of a model as a provider would, and refuses what a provider would.
 *
 * The checks are those of the real interfaces that a broken history runs into: the body is JSON;
 * each call of a tool has exactly one result, which follows before anybody else speaks; arguments
 * are a JSON object; Anthropic's roles alternate and begin with the user's.
 */
#include <string.h>

#include "provider.h"

enum { BODY_DEPTH_MAX = 512, CALLS_OPEN_MAX = 256 };

/* Ids of calls that wait for their result. */
struct open_calls {
    const char *ids[CALLS_OPEN_MAX];
    size_t count;
};

struct prompt_reader {
    struct servers *servers;
    struct prompt *prompt;
    struct open_calls open;
    bool fine;
};

static const char *text_of(const json_t *object, const char *member) {
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static void refuse(struct prompt_reader *reader, const char *what, const char *detail) {
    servers_complain(reader->servers, "a provider refuses the prompt: %s%s%s", what,
                     detail[0] != '\0' ? ": " : "", detail);
    reader->fine = false;
}

/* --- Calls and results ------------------------------------------------------------------------ */

static void call_open(struct prompt_reader *reader, const char *id) {
    struct open_calls *open = &reader->open;
    for (size_t i = 0; i < open->count; i++) {
        if (strcmp(open->ids[i], id) == 0) {
            refuse(reader, "two calls of one answer have one id", id);
        }
    }
    if (id[0] == '\0') {
        refuse(reader, "a call without an id", "");
    } else if (open->count < CALLS_OPEN_MAX) {
        open->ids[open->count++] = id;
    }
}

static void call_close(struct prompt_reader *reader, const char *id) {
    struct open_calls *open = &reader->open;
    reader->prompt->results++;
    for (size_t i = 0; i < open->count; i++) {
        if (strcmp(open->ids[i], id) == 0) {
            open->ids[i] = open->ids[--open->count];
            return;
        }
    }
    refuse(reader, "a result without its call", id);
}

static void calls_must_be_closed(struct prompt_reader *reader) {
    if (reader->open.count > 0) {
        refuse(reader, "a call without its result", reader->open.ids[0]);
        reader->open.count = 0;
    }
}

static void arguments_check(struct prompt_reader *reader, const char *arguments) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse(arguments, strlen(arguments), BODY_DEPTH_MAX, &json,
                              /* why */ NULL)) ||
        !json_is_object(json)) {
        refuse(reader, "arguments that are no JSON object", "");
    }
}

static void person_speaks(struct prompt_reader *reader) {
    calls_must_be_closed(reader);
    reader->prompt->results = 0;
}

/* --- Chat completions ------------------------------------------------------------------------- */

static void openai_message(struct prompt_reader *reader, const json_t *message) {
    const char *role = text_of(message, "role");
    if (strcmp(role, "tool") == 0) {
        call_close(reader, text_of(message, "tool_call_id"));
        return;
    }
    if (strcmp(role, "assistant") != 0) {
        person_speaks(reader);
        return;
    }
    calls_must_be_closed(reader);
    const json_t *calls = json_object_get(message, "tool_calls");
    if (json_array_size(calls) == 0 && !json_is_string(json_object_get(message, "content"))) {
        refuse(reader, "an answer without content and calls", "");
    }
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *call = json_array_get(calls, i);
        call_open(reader, text_of(call, "id"));
        arguments_check(reader, text_of(json_object_get(call, "function"), "arguments"));
    }
}

/* --- Responses -------------------------------------------------------------------------------- */

static void responses_item(struct prompt_reader *reader, const json_t *item) {
    const char *type = text_of(item, "type"), *role = text_of(item, "role");
    if (strcmp(type, "function_call") == 0) {
        call_open(reader, text_of(item, "call_id"));
        arguments_check(reader, text_of(item, "arguments"));
    } else if (strcmp(type, "function_call_output") == 0) {
        call_close(reader, text_of(item, "call_id"));
    } else if (strcmp(role, "user") == 0) {
        person_speaks(reader);
    } else if (strcmp(role, "assistant") != 0 && strcmp(type, "reasoning") != 0) {
        refuse(reader, "an item of no known type", type);
    }
}

/* --- Messages --------------------------------------------------------------------------------- */

static void anthropic_block(struct prompt_reader *reader, const json_t *block, bool of_user,
                            bool *spoke) {
    const char *type = text_of(block, "type");
    if (strcmp(type, "tool_use") == 0) {
        call_open(reader, text_of(block, "id"));
        if (!json_is_object(json_object_get(block, "input"))) {
            refuse(reader, "arguments that are no JSON object", "");
        }
    } else if (strcmp(type, "tool_result") == 0) {
        if (*spoke) {
            refuse(reader, "a result stands after words of the user", "");
        }
        call_close(reader, text_of(block, "tool_use_id"));
    } else if (strcmp(type, "text") == 0 && text_of(block, "text")[0] == '\0') {
        refuse(reader, "an empty text", "");
    } else if (of_user) {
        *spoke = true;
        calls_must_be_closed(reader);
    }
}

static void anthropic_message(struct prompt_reader *reader, const json_t *message, size_t index) {
    bool of_user = strcmp(text_of(message, "role"), "user") == 0, spoke = false;
    const json_t *blocks = json_object_get(message, "content");
    if (of_user != (index % 2 == 0)) {
        refuse(reader, "roles do not alternate", "");
    }
    if (!of_user) {
        calls_must_be_closed(reader);
    }
    size_t before = reader->prompt->results;
    for (size_t i = 0; i < json_array_size(blocks); i++) {
        anthropic_block(reader, json_array_get(blocks, i), of_user, &spoke);
    }
    if (of_user && spoke && reader->prompt->results == before) {
        reader->prompt->results = 0;
    }
}

/* --- What else is asked ----------------------------------------------------------------------- */

static void tools_read(struct prompt *prompt) {
    const json_t *tools = json_object_get(prompt->json, "tools");
    const json_t *choice = json_object_get(prompt->json, "tool_choice");
    for (size_t i = 0; i < json_array_size(tools) && i < PROMPT_TOOLS_MAX; i++) {
        const json_t *tool = json_array_get(tools, i);
        const json_t *function = json_object_get(tool, "function");
        prompt->tools[prompt->tool_count++] = text_of(function != NULL ? function : tool, "name");
    }
    const char *word = json_is_string(choice) ? json_string_value(choice) : text_of(choice, "type");
    prompt->tools_refused = strcmp(word, "none") == 0;
    const char *name = text_of(choice, "name");
    name = name[0] != '\0' ? name : text_of(json_object_get(choice, "function"), "name");
    prompt->forced = name[0] != '\0' ? name : NULL;
}

/* A model that takes no schema is shown it in its instructions. */
static void schema_read_words(struct prompt *prompt) {
    static const char before[] = "It must fit this JSON Schema:\n";
    const json_t *first = json_array_get(json_object_get(prompt->json, "messages"), 0);
    const char *words = prompt->wire == WIRE_RESPONSES ? text_of(prompt->json, "instructions")
                                                       : text_of(first, "content");
    const char *schema = strstr(words, before);
    struct why why = {""};
    if (schema != NULL) {
        schema += sizeof before - 1;
        (void)err_failed(json_parse(schema, strlen(schema), BODY_DEPTH_MAX, &prompt->shown, &why));
        prompt->schema = prompt->shown;
    }
}

static void schema_read(struct prompt *prompt) {
    const json_t *format = json_object_get(prompt->json, "response_format");
    prompt->schema = json_object_get(json_object_get(format, "json_schema"), "schema");
    if (prompt->schema == NULL) {
        format = json_object_get(json_object_get(prompt->json, "text"), "format");
        prompt->schema = json_object_get(format, "schema");
    }
    prompt->formatted = prompt->schema != NULL;
    const json_t *tools = json_object_get(prompt->json, "tools");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i), *inner = json_object_get(tool, "function");
        tool = inner != NULL ? inner : tool;
        if (strcmp(text_of(tool, "name"), PROMPT_ANSWER_TOOL) == 0) {
            const bool messages = prompt->wire == WIRE_ANTHROPIC;
            prompt->schema = json_object_get(tool, messages ? "input_schema" : "parameters");
        }
    }
    if (prompt->schema == NULL) {
        schema_read_words(prompt);
    }
}

static void settings_read(struct prompt *prompt) {
    static const char *const names[] = {"max_tokens", "max_completion_tokens", "max_output_tokens"};
    prompt->model = text_of(prompt->json, "model");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const json_t *most = json_object_get(prompt->json, names[i]);
        prompt->output_max = json_is_integer(most) ? json_integer_value(most) : prompt->output_max;
    }
}

static void messages_read(struct prompt_reader *reader) {
    struct prompt *prompt = reader->prompt;
    const json_t *messages =
        json_object_get(prompt->json, prompt->wire == WIRE_RESPONSES ? "input" : "messages");
    if (json_array_size(messages) == 0) {
        refuse(reader, "no messages", "");
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        if (prompt->wire == WIRE_OPENAI) {
            openai_message(reader, message);
        } else if (prompt->wire == WIRE_RESPONSES) {
            responses_item(reader, message);
        } else {
            anthropic_message(reader, message, i);
        }
    }
    calls_must_be_closed(reader);
}

bool prompt_read(struct servers *servers, enum wire_kind wire, struct bytes body,
                 struct prompt *ret_prompt) {
    static const char summarise[] = "You summarise the beginning of a conversation";
    *ret_prompt = (struct prompt){.wire = wire, .model = "", .input_bytes = body.len};
    ret_prompt->summary = memmem(body.data, body.len, summarise, sizeof summarise - 1) != NULL;
    struct prompt_reader reader = {.servers = servers, .prompt = ret_prompt, .fine = true};
    struct why why = {""};
    if (err_failed(json_parse(body.data, body.len, BODY_DEPTH_MAX, &ret_prompt->json, &why))) {
        refuse(&reader, "the body is not valid JSON", why.text);
        return false;
    }
    settings_read(ret_prompt);
    tools_read(ret_prompt);
    schema_read(ret_prompt);
    messages_read(&reader);
    return reader.fine;
}

void prompt_done(struct prompt *prompt) {
    json_release(&prompt->json);
    json_release(&prompt->shown);
}
