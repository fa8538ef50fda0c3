/* utterance.c: what the simulated model says: decided by the key of the request.
 *
 *   words    "said#KEY. …" and filler of every kind of character
 *   calls    of the tools that are offered, for at most ROUNDS_MAX rounds of a turn; the arguments
 *            are as good as those of a weak model: one in six is broken (arguments.c)
 *   ends     by itself, at its longest length (which cuts text, or a call), by refusing, or saying
 *            nothing at all
 */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "folder.h"
#include "inside.h"
#include "provider.h"

enum {
    ROUNDS_MAX = 6,
    WORDS_MAX = 64 << 10,
    SUMMARY_BYTES_MAX = 6 << 10,
    ARGUMENTS_BYTES_MAX = 2 << 20,
    ID_BITS = 48
};

static uint64_t choose(const struct servers *servers, uint64_t key, const char *purpose) {
    return servers_choose(servers, key, purpose);
}

/* --- Words ------------------------------------------------------------------------------------ */

static const char *const scraps[] = {
    "the herd is in the valley, ",
    "\xc3\xa4\xc3\xb6\xc3\xbc ",
    "\xf0\x9f\x90\x91 ",
    "a \"quoted\" word, ",
    "a back\\slash, ",
    "line\nbreak ",
    "\ttab ",
    "</context> ",
    "\x01\x1f control ",
    "{\"json\": [1, 2]} ",
    "%s %n %d ",
    "\xe2\x80\xa8 separator ",
    "data: [DONE] ",
    "event: error ",
    "'single' ",
    "... ",
};

static size_t words_length(const struct servers *servers, uint64_t key) {
    uint64_t pick = choose(servers, key, "words length");
    switch (pick % 16) {
    case 0:
        return 1000 + (size_t)(pick >> 8) % 8000;
    case 1:
        return (pick >> 8) % 8 == 0 ? (size_t)(pick >> 16) % (WORDS_MAX / 2) : 0;
    default:
        return (size_t)(pick >> 8) % 300;
    }
}

void utterance_words(const struct servers *servers, uint64_t key, struct text *text) {
    size_t len = words_length(servers, key);
    text_addf(text, "said#%llu. ", (unsigned long long)key);
    size_t begin = text->len;
    for (uint64_t i = 0; text->len - begin < len; i++) {
        uint64_t pick = choose(servers, key * 4099U + i, "scrap");
        text_add_str(text, scraps[pick % COUNT_OF(scraps)]);
    }
    text_add_str(text, "over.");
}

/* A summary may be longer than the last of the messages that it covers, and than what was asked. */
static void summary_lengthen(const struct servers *servers, uint64_t key, struct text *text) {
    size_t len = (size_t)choose(servers, key, "summary's length") % SUMMARY_BYTES_MAX;
    while (text->len < len) {
        text_add_str(text, " The herd was counted, and one sheep was missing.");
    }
}

/* --- Calls ------------------------------------------------------------------------------------ */

static void schema_answer(struct servers *servers, uint64_t key, const struct prompt *prompt,
                          struct text *text);

static const char *const odd_names[] = {"fly",     "",         "read file", "\xf0\x9f\x90\x91",
                                        "a\"b\\c", "mcp__x__y"};

/* A tool whose results fill a window (ops_sessions.c) is called more often than the others; where
 * points are taken, so are those that write. */
static const char *tool_pick(const struct prompt *prompt, uint64_t pick) {
    static const char longest[] = "search_files";
    static const char *const writing[] = {"write_file", "edit_file", "delete_file", "run_command"};
    const bool writes = folder_plays(&sim_current()->options) && (pick >> 44) % 2 == 0;
    const char *write = writing[(pick >> 48) % COUNT_OF(writing)];
    bool wanted = (pick >> 40) % 6 == 0;
    for (size_t i = 0; i < prompt->tool_count && writes; i++) {
        if (strcmp(prompt->tools[i], write) == 0) {
            return write;
        }
    }
    for (size_t i = 0; i < prompt->tool_count && wanted; i++) {
        if (strcmp(prompt->tools[i], longest) == 0) {
            return longest;
        }
    }
    return prompt->tools[pick % prompt->tool_count];
}

static void call_make(struct servers *servers, uint64_t key, const struct prompt *prompt,
                      struct utterance_call *call) {
    uint64_t pick = choose(servers, key, "call");
    call->name = tool_pick(prompt, pick);
    if (prompt->forced != NULL) {
        call->name = prompt->forced;
    } else if ((pick >> 8) % 24 == 0) {
        call->name = odd_names[(pick >> 16) % COUNT_OF(odd_names)];
        call->name = call->name[0] != '\0' ? call->name : "no_such_tool";
    }
    (void)snprintf(call->id, sizeof call->id, "call_%012llx",
                   (unsigned long long)(choose(servers, key, "id") >> (64 - ID_BITS)));
    text_init(&call->arguments, ARGUMENTS_BYTES_MAX);
    servers->stats.tool_calls++;
    if (strcmp(call->name, PROMPT_ANSWER_TOOL) == 0) {
        schema_answer(servers, key, prompt, &call->arguments);
    } else if ((pick >> 32) % 6 == 0 && !servers->healed) {
        servers->stats.bad_arguments++;
        arguments_break(servers, key, &call->arguments);
    } else {
        arguments_write(servers, key, call->name, &call->arguments);
    }
}

static void calls_make(struct servers *servers, uint64_t key, const struct prompt *prompt,
                       struct utterance *said) {
    uint64_t pick = choose(servers, key, "calls");
    size_t count = prompt->forced != NULL ? 1 : 1 + (size_t)(pick >> 8) % UTTERANCE_TYPICAL_CALLS;
    if ((pick >> 16) % 400 == 0 && prompt->forced == NULL) {
        count = UTTERANCE_CALLS_MAX - 1; /* More than an answer may have. */
    }
    said->calls = mem_new_array(count, sizeof *said->calls);
    for (; said->call_count < count; said->call_count++) {
        call_make(servers, key * 257U + said->call_count, prompt, &said->calls[said->call_count]);
    }
    said->call_made = said->call_count;
    said->stop = SPOKE_TOOLS;
}

static bool calls_wanted(const struct servers *servers, uint64_t key, const struct prompt *prompt) {
    uint64_t rounds = choose(servers, key >> 16, "rounds") % ROUNDS_MAX;
    if (prompt->forced != NULL) {
        return true;
    }
    return !servers->healed && prompt->tool_count > 0 && !prompt->tools_refused &&
           prompt->results < rounds * 2 && choose(servers, key, "calls?") % 8 < 6;
}

/* --- Answers by schema ------------------------------------------------------------------------ */

static void value_write(const struct servers *servers, uint64_t key, const json_t *schema,
                        struct text *text);

static void object_write(const struct servers *servers, uint64_t key, const json_t *schema,
                         struct text *text) {
    const char *name;
    json_t *property;
    bool first = true;
    text_add_char(text, '{');
    json_object_foreach(json_object_get(schema, "properties"), name, property) {
        text_add_str(text, first ? "" : ",");
        text_add_json(text, name, strlen(name));
        text_add_char(text, ':');
        value_write(servers, key * 31U + 7, property, text);
        first = false;
    }
    text_add_char(text, '}');
}

static void value_write(const struct servers *servers, uint64_t key, const json_t *schema,
                        struct text *text) {
    const char *type = json_string_value(json_object_get(schema, "type"));
    const json_t *values = json_object_get(schema, "enum");
    if (json_array_size(values) > 0) {
        size_t at = choose(servers, key, "enum") % json_array_size(values);
        if (err_failed(json_write(json_array_get(values, at), text))) {
            text_add_str(text, "null");
        }
    } else if (type == NULL || strcmp(type, "string") == 0) {
        text_addf(text, "\"value %llu\"", (unsigned long long)(choose(servers, key, "value") % 99));
    } else if (strcmp(type, "object") == 0) {
        object_write(servers, key, schema, text);
    } else if (strcmp(type, "array") == 0) {
        text_add_char(text, '[');
        value_write(servers, key + 1, json_object_get(schema, "items"), text);
        text_add_char(text, ']');
    } else if (strcmp(type, "boolean") == 0) {
        text_add_str(text, key % 2 == 0 ? "true" : "false");
    } else {
        text_add_str(text, "7");
    }
}

static void schema_answer(struct servers *servers, uint64_t key, const struct prompt *prompt,
                          struct text *text) {
    uint64_t pick = choose(servers, key, "schema");
    if (!servers->healed && pick % 6 == 0) {
        arguments_break(servers, key, text);
    } else {
        value_write(servers, key, prompt->schema, text);
    }
}

/* --- The whole -------------------------------------------------------------------------------- */

static void usage_make(struct servers *servers, uint64_t key, const struct prompt *prompt,
                       struct utterance *said) {
    uint64_t pick = choose(servers, key, "usage");
    size_t bytes = said->text.len + said->thinking.len;
    for (size_t i = 0; i < said->call_count; i++) {
        bytes += said->calls[i].arguments.len;
    }
    said->counted = pick % 10 != 0;
    said->input = (int64_t)(prompt->input_bytes / BYTES_PER_TOKEN) + 1;
    bool least = servers->least_input == 0 || said->input < servers->least_input;
    servers->least_input = least ? said->input : servers->least_input;
    said->cached = (pick >> 8) % 3 == 0 ? said->input / 2 : 0;
    said->reasoning = (int64_t)(said->thinking.len / BYTES_PER_TOKEN);
    said->output = (int64_t)(bytes / BYTES_PER_TOKEN) + 1;
}

/* A text cut within a character would be no stream at all: a provider cuts between them. */
static void utterance_cut(struct text *text, size_t len) {
    while (len > 0 && len < text->len && ((uint8_t)text->data[len] & 0xc0U) == 0x80U) {
        len--;
    }
    if (len < text->len) {
        text->len = len;
        text->data[len] = '\0';
    }
}

static void cut_remember(struct servers *servers, uint64_t key, const char *call) {
    if (servers->cut_count < SERVER_CUTS_MAX) {
        struct server_cut *cut = &servers->cuts[servers->cut_count++];
        cut->key = key;
        (void)snprintf(cut->call, sizeof cut->call, "%s", call);
    }
}

/* Responses name the call that was cut. The other kinds give no more than the reason of the whole
 * answer: where an object came, and the cut was in the garbage behind it, nobody can know. */
static bool cut_is_told(enum wire_kind wire, const struct text *arguments) {
    AUTO(json_release) json_t *json = NULL;
    if (wire == WIRE_RESPONSES || arguments->len == 0) {
        return true;
    }
    struct err err = json_parse(arguments->data, arguments->len, JSON_DEPTH_MAX, &json,
                                /* why */ NULL);
    return err_failed(err) || !json_is_object(json);
}

/* The longest length: set by the request, or by the model's whim. */
static void length_apply(struct servers *servers, uint64_t key, const struct prompt *prompt,
                         struct utterance *said) {
    uint64_t pick = choose(servers, key, "length");
    size_t most = prompt->output_max > 0 ? (size_t)prompt->output_max * BYTES_PER_TOKEN : SIZE_MAX;
    bool whim = servers_fault(servers, key, "truncated", /* percent */ 6);
    if (!whim && said->text.len + said->thinking.len <= most) {
        return;
    }
    servers->stats.truncated++;
    said->stop = SPOKE_LENGTH;
    if (said->call_count > 0) {
        struct text *arguments = &said->calls[said->call_count - 1].arguments;
        utterance_cut(arguments, arguments->len == 0 ? 0 : (size_t)(pick >> 8) % arguments->len);
        said->last_call_cut = true;
        bool told = cut_is_told(prompt->wire, arguments);
        cut_remember(servers, key, told ? said->calls[said->call_count - 1].id : "");
        return;
    }
    size_t cut = most < said->text.len ? most : 1 + (size_t)(pick >> 8) % (said->text.len + 1);
    utterance_cut(&said->text, cut);
    cut_remember(servers, key, "");
}

static void mishap_apply(struct servers *servers, uint64_t key, struct utterance *said) {
    if (servers_fault(servers, key, "refuses", /* percent */ 1)) {
        servers->stats.refused++;
        said->stop = SPOKE_REFUSED;
        said->call_count = 0;
    } else if (servers_fault(servers, key, "empty", /* percent */ 1)) {
        servers->stats.empty++;
        text_clear(&said->text);
        text_clear(&said->thinking);
        said->call_count = 0;
        said->stop = SPOKE_END;
    }
}

void utterance_make(struct servers *servers, uint64_t key, const struct prompt *prompt,
                    struct utterance *ret_utterance) {
    *ret_utterance = (struct utterance){.stop = SPOKE_END};
    text_init(&ret_utterance->thinking, WORDS_MAX);
    text_init(&ret_utterance->text, WORDS_MAX);
    bool thinks = strstr(prompt->model, "think") != NULL;
    for (uint64_t i = 0; thinks && i < choose(servers, key, "thoughts") % 12; i++) {
        text_addf(&ret_utterance->thinking, "thought %u of them \xf0\x9f\x92\xad ", (unsigned)i);
    }
    bool calls = calls_wanted(servers, key, prompt);
    if (prompt->schema != NULL && !calls) {
        schema_answer(servers, key, prompt, &ret_utterance->text);
    } else if (!calls || choose(servers, key, "words?") % 3 == 0) {
        utterance_words(servers, key, &ret_utterance->text);
    }
    if (prompt->summary) {
        summary_lengthen(servers, key, &ret_utterance->text);
    }
    if (calls) {
        calls_make(servers, key, prompt, ret_utterance);
    }
    length_apply(servers, key, prompt, ret_utterance);
    mishap_apply(servers, key, ret_utterance);
    usage_make(servers, key, prompt, ret_utterance);
}

void utterance_done(struct utterance *utterance) {
    text_done(&utterance->thinking);
    text_done(&utterance->text);
    for (size_t i = 0; i < utterance->call_made; i++) {
        text_done(&utterance->calls[i].arguments);
    }
    mem_free(utterance->calls);
}
