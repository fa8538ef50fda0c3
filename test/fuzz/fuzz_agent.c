/* fuzz_agent.c: any bytes as the output of a program. Each adapter reads them, and so does a row of
 * readers of which each was loaded from the one before, by lines that came a few bytes at a time:
 * both give the same events. What is kept of a line is within its bound, and JSON where the line
 * was. Texts are UTF-8, arguments are JSON, usage is not negative, and a saved reader is within its
 * bound.
 */
#include <stdlib.h>

#include "agent/line.h"
#include "base/utf8.h"

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void note(void *ctx, const struct program_event *event) {
    struct text *told = ctx;
    const struct bytes words[] = {event->id, event->tool, event->text, event->arguments};
    text_addf(told, "%d %d", (int)event->kind, event->failed);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        require(words[i].len == 0 || utf8_valid(words[i].data, words[i].len));
        text_add_char(told, ' ');
        text_add(told, words[i].data, words[i].len);
    }
    const bool asks = event->kind == PROGRAM_TOOL_STARTED || event->kind == PROGRAM_QUESTION;
    require(!asks || json_is_valid(event->arguments));
}

static struct program_reader *reader_renew(struct program_reader *old,
                                           const struct program *program,
                                           const struct agent_definition *agent) {
    AUTO(text_done) struct text saved = text_up_to(PROGRAM_STATE_MAX);
    program_reader_save(old, &saved);
    require(!text_failed(&saved));
    program_reader_free(old);
    struct program_reader *reader = program_reader_new(program, agent);
    require(program_reader_load(reader, text_bytes(&saved)));
    return reader;
}

enum reading { READ_THROUGH, READ_BY_OTHERS };
enum { LINE_MAX_HERE = 512, PIECE = 7 };

/* The next piece of the output, and all that it ends. True: the rest of that line is skipped. */
static bool piece_read(struct program_reader *reader, struct program_line *line,
                       struct bytes *io_output, size_t piece, struct text *told) {
    enum program_line_state state;
    enum program_line_form form = PROGRAM_LINE_WHOLE;
    struct bytes text = BYTES("");
    const size_t len = io_output->len < piece ? io_output->len : piece;
    const size_t used =
        program_line_feed(line, (struct bytes){io_output->data, len}, &state, &text, &form);
    require(used > 0 && used <= len);
    *io_output = (struct bytes){io_output->data + used, io_output->len - used};
    if (io_output->len == 0 && state == LINE_BEGUN) {
        state = program_line_end(line, &text, &form);
    }
    if (state == LINE_READ) {
        require(text.len <= LINE_MAX_HERE && utf8_valid(text.data, text.len));
        program_drop(reader, (struct program_dropped){.bytes = line->left_out});
        program_read(reader, text, form, note, told);
    } else if (state != LINE_BEGUN) {
        program_drop(reader, (struct program_dropped){.lines = 1});
    }
    if (state != LINE_BEGUN) {
        program_line_clear(line);
    }
    return state == LINE_SKIPPED;
}

static void run(struct agent_definition *agent, struct bytes output, enum reading how,
                struct text *told) {
    const struct program *program = program_find(bytes_of(agent->program));
    struct program_reader *reader = program_reader_new(program, agent);
    struct program_line line = {.max = 0};
    program_line_init(&line, program_prints(program), LINE_MAX_HERE);
    while (output.len > 0) {
        if (piece_read(reader, &line, &output, how == READ_THROUGH ? output.len : PIECE, told)) {
            const char *end = output.len == 0 ? NULL : memchr(output.data, '\n', output.len);
            const size_t skipped = end == NULL ? output.len : (size_t)(end + 1 - output.data);
            output = (struct bytes){output.data + skipped, output.len - skipped};
        }
        const bool renews = how == READ_BY_OTHERS && line.eaten == 0;
        reader = renews ? reader_renew(reader, program, agent) : reader;
    }
    program_line_done(&line);
    struct agent_ending ending = {.exit = AGENT_EXITED};
    struct usage usage;
    struct usage_cost cost;
    program_finish(reader, &ending);
    program_take_usage(reader, &usage, &cost);
    require(usage.fresh >= 0 && usage.cache_read >= 0 && usage.cache_write >= 0 &&
            usage.output >= 0 && usage.reasoning >= 0 && (!cost.known || cost.micros >= 0));
    text_addf(told, "%lld %d %lld", (long long)usage_total(&usage), cost.known,
              (long long)cost.micros);
    text_add(told, ending.result.text.data, ending.result.text.len);
    text_addf(told, " %s", agent_outcome_name(agent_classify(&ending).outcome));
    program_reader_free(reader);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    json_setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    static const char *const programs[] = {"claude", "codex",      "opencode",
                                           "pi",     "json_lines", "plain"};
    AUTO(json_release)
    json_t *lines = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "text", "text", "session",
                              "session_id", "tool", "item.type", "arguments", "item", "result",
                              "result", "error", "error.message", "input_tokens",
                              "usage.input_tokens", "cost", "total_cost_usd");
    const struct bytes output = {(const char *)bytes, len};
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        struct agent_definition agent = {.name = "a", .program = programs[i], .lines = lines};
        AUTO(text_done) struct text through = text_up_to(32 << 20);
        AUTO(text_done) struct text others = text_up_to(32 << 20);
        run(&agent, output, READ_THROUGH, &through);
        run(&agent, output, READ_BY_OTHERS, &others);
        require(bytes_equal(text_bytes(&through), text_bytes(&others)));
    }
    return 0;
}
