/* fuzz_agent.c: any bytes as the output of a program. Each adapter reads them, and so does a row of
 * readers of which each was loaded from the one before: both give the same events. Texts are UTF-8,
 * arguments are JSON, usage is not negative, and a saved reader is within its bound.
 */
#include <stdlib.h>

#include "agent/program.h"
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

static void run(struct agent_definition *agent, struct bytes output, enum reading how,
                struct text *told) {
    const struct program *program = program_find(bytes_of(agent->program));
    struct program_reader *reader = program_reader_new(program, agent);
    struct bytes line;
    while (bytes_next(&output, '\n', &line)) {
        const bool cut = line.len > 0 && line.data[line.len - 1] == '\f';
        program_read(reader, line, cut ? PROGRAM_LINE_CUT : PROGRAM_LINE_WHOLE, note, told);
        reader = how == READ_BY_OTHERS ? reader_renew(reader, program, agent) : reader;
    }
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
