/* any.c: programs that drover does not know.
 *
 * `json_lines`: each line is a JSON object, and "lines" of the definition says by paths (names with
 * dots between) where in it the fields are:
 *
 *   text, thinking     a piece of what it says
 *   session            its session, with which "resume" in args could go on
 *   tool, tool_id, arguments, tool_result
 *   result             the answer: there is one when it is done
 *   error, status      why it failed
 *   transport          how it reached its model; "embedded": without its gateway
 *   input_tokens, output_tokens, cost
 *
 * `plain`: each line is text, and it is done when it exits with 0.
 *
 * Both get the prompt as their last argument. */
#include "agent/reader.h"

static void any_make(struct program_making *making) {
    making_add_own(making);
    making_add_bytes(making, making_prompt(making));
}

/* --- JSON lines ------------------------------------------------------------------------------- */

static const json_t *value_at(const struct program_reader *reader, const json_t *line,
                              const char *field) {
    struct bytes path = json_bytes(reader->agent->lines, field), part;
    const json_t *value = path.len == 0 ? NULL : line;
    while (value != NULL && bytes_next(&path, '.', &part)) {
        value = json_is_object(value) ? json_object_getn(value, part.data, part.len) : NULL;
    }
    return json_is_null(value) ? NULL : value;
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
