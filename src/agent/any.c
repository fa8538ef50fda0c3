/* any.c: programs that drover does not know.
 *
 * `json_lines`: each line is a JSON object, and "lines" of the definition says where in it the
 * fields are (rules/agent/place.h):
 *
 *   text, thinking     a piece of what it says
 *   session            its session, which "resume_args" go on with
 *   tool, tool_id, arguments, tool_result
 *   result             the answer: there is one when it is done
 *   error, status      why it failed
 *   transport          how it reached its model; "embedded": without its gateway
 *   input_tokens, output_tokens, cost
 *
 * `plain`: each line is text, and it is done when it exits with 0.
 *
 * Both get the prompt where an argument has {prompt}, else as their last argument. */
#include "agent/reader.h"
#include "rules/agent/place.h"

/* --- Its arguments ---------------------------------------------------------------------------- */

enum { ARGUMENT_MAX = 8 << 20 };

/* A word in braces within an argument, and its value. */
struct placeholder {
    const char *name;
    struct bytes value;
};
enum { PLACEHOLDERS = 3, PROMPT = 0 };

/* Writes the argument with its values. Bits of the placeholders in it, and whether a value of
 * them is empty. */
static unsigned argument_fill(struct bytes argument, const struct placeholder *values,
                              struct text *filled, bool *ret_empty) {
    unsigned seen = 0;
    *ret_empty = false;
    while (argument.len > 0) {
        unsigned at = 0;
        while (at < PLACEHOLDERS && !bytes_begin(argument, bytes_of(values[at].name))) {
            at++;
        }
        const bool is = at < PLACEHOLDERS;
        const size_t used = is ? strlen(values[at].name) : 1;
        text_add(filled, is ? values[at].value.data : argument.data,
                 is ? values[at].value.len : used);
        seen |= is ? 1U << at : 0;
        *ret_empty = *ret_empty || (is && values[at].value.len == 0);
        argument = (struct bytes){argument.data + used, argument.len - used};
    }
    return seen;
}

/* An option whose value is the next argument: "--model", but not "--model=m" nor "--". */
static bool takes_next(const char *word) {
    return word[0] == '-' && strcmp(word, "--") != 0 && strchr(word, '=') == NULL;
}

/* An argument whose value is empty is left out, with the option before it. */
static void any_make(struct program_making *making) {
    const struct program_start *start = making->start;
    const struct agent_definition *agent = start->agent;
    const json_t *args =
        start->native.len > 0 && agent->resume_args != NULL ? agent->resume_args : agent->args;
    const struct placeholder values[PLACEHOLDERS] = {[PROMPT] = {"{prompt}", making_prompt(making)},
                                                     {"{model}", bytes_of(agent->model)},
                                                     {"{session}", start->native}};
    AUTO(text_done) struct text filled = text_up_to(ARGUMENT_MAX);
    unsigned seen = 0;
    bool option = false; /* The argument before is one that takes this one. */
    for (size_t i = 0; i < json_array_size(args); i++) {
        const char *argument = json_string_value(json_array_get(args, i));
        bool empty;
        text_clear(&filled);
        seen |= argument_fill(bytes_of(argument), values, &filled, &empty);
        if (!empty) {
            making->failed = making->failed || text_failed(&filled);
            making_add_bytes(making, text_bytes(&filled));
        } else if (option && argument[0] != '-') {
            making->command->argc--;
        }
        option = !empty && takes_next(argument);
    }
    if ((seen & 1U << PROMPT) == 0) {
        making_add_bytes(making, values[PROMPT].value);
    }
}

/* --- JSON lines ------------------------------------------------------------------------------- */

static const json_t *value_at(const struct program_reader *reader, const json_t *line,
                              const char *field) {
    return agent_place_find(json_bytes(reader->agent->lines, field), line);
}

static struct bytes text_at(const struct program_reader *reader, const json_t *line,
                            const char *field) {
    const json_t *value = value_at(reader, line, field);
    return json_text(value);
}

static int64_t number_at(const struct program_reader *reader, const json_t *line,
                         const char *field) {
    const json_t *value = value_at(reader, line, field);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static bool tool_read(struct program_reader *reader, const json_t *line) {
    const struct bytes tool = text_at(reader, line, "tool"), id = text_at(reader, line, "tool_id");
    const json_t *result = value_at(reader, line, "tool_result");
    if (tool.len > 0 && result == NULL) {
        reader_start_tool(reader, id, tool, value_at(reader, line, "arguments"));
    } else if (result != NULL) {
        AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
        reader_text_of(result, &text);
        reader_finish_tool(reader, id, text_bytes(&text), READER_TOOL_DONE);
        reader_tell(reader, PROGRAM_STEP);
    }
    return tool.len > 0 || result != NULL;
}

static bool usage_read(struct program_reader *reader, const json_t *line) {
    const struct usage_responses_counts said = {
        .input_tokens = number_at(reader, line, "input_tokens"),
        .output_tokens = number_at(reader, line, "output_tokens"),
        .cached_tokens = -1,
        .reasoning_tokens = -1};
    const json_t *cost = value_at(reader, line, "cost");
    const bool used = said.input_tokens >= 0 || said.output_tokens >= 0;
    if (used) {
        const struct usage usage = usage_of_responses(&said);
        reader_count_request(reader);
        reader_use(reader, &usage);
    }
    reader_price(reader, cost);
    return used || json_is_number(cost);
}

static bool json_lines_read(struct program_reader *reader, const json_t *line) {
    const struct bytes session = text_at(reader, line, "session");
    const struct bytes said = text_at(reader, line, "text");
    const struct bytes thought = text_at(reader, line, "thinking");
    const struct bytes error = text_at(reader, line, "error");
    const struct bytes transport = text_at(reader, line, "transport");
    const json_t *result = value_at(reader, line, "result");
    bool known = session.len > 0 || said.len > 0 || thought.len > 0 || transport.len > 0;
    reader_set_native(reader, session);
    reader_set_transport(reader, transport);
    reader_say(reader, PROGRAM_THINKING, thought);
    reader_say(reader, PROGRAM_TEXT, said);
    known = tool_read(reader, line) || known;
    known = usage_read(reader, line) || known;
    if (error.len > 0) {
        reader_failed(reader, BYTES(""), error, number_at(reader, line, "status"));
    } else if (result != NULL) {
        if (!reader->state.has_said) {
            AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
            reader_text_of(result, &text);
            reader_say(reader, PROGRAM_TEXT, text_bytes(&text));
        }
        reader_done(reader);
    }
    return known || error.len > 0 || result != NULL;
}

const struct program program_json_lines = {
    .name = "json_lines", .command = NULL, .make = any_make, .read = json_lines_read};

/* --- Text ------------------------------------------------------------------------------------- */

static void plain_read(struct program_reader *reader, struct bytes line) {
    reader_say(reader, PROGRAM_TEXT, line);
}

static void plain_finish(struct program_reader *reader, struct agent_ending *io_ending) {
    if (io_ending->exit == AGENT_EXITED && io_ending->code == 0) {
        reader->state.done = reader->state.good = true;
    }
}

const struct program program_plain = {.name = "plain",
                                      .command = NULL,
                                      .make = any_make,
                                      .read_text = plain_read,
                                      .finish = plain_finish};
