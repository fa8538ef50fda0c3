/* Lines of programs, as they were recorded, become events; also where a daemon ends after any of
 * them, and another one reads on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/program.h"
#include "base/json/json.h"

/* Events, each as a line of words. */
static void note(void *ctx, const struct program_event *event) {
    static const char *const names[] = {
        [PROGRAM_TEXT] = "text",          [PROGRAM_THINKING] = "thinking",
        [PROGRAM_TOOL_STARTED] = "tool",  [PROGRAM_TOOL_FINISHED] = "result",
        [PROGRAM_QUESTION] = "question",  [PROGRAM_RETRYING] = "retrying",
        [PROGRAM_STEP] = "step",          [PROGRAM_DONE] = "done",
        [PROGRAM_READ] = "read",          [PROGRAM_DISCARDED] = "discarded",
        [PROGRAM_WITHDRAWN] = "withdrawn"};
    struct text *text = ctx;
    if (event->kind == PROGRAM_STEP) {
        return;
    }
    text_addf(text, "%s", names[event->kind]);
    const struct bytes words[] = {event->id, event->tool, event->arguments, event->text};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (words[i].len > 0) {
            text_addf(text, " %.*s", (int)words[i].len, words[i].data);
        }
    }
    text_addf(text, "%s\n", event->failed ? " failed" : "");
}

static const struct row {
    const char *program;
    const char *lines; /* Each ends with a line feed. */
    const char *events;
    int exit;
    enum agent_outcome outcome;
    struct usage usage;
    int64_t cost; /* -1: unknown. */
    const char *native;
    int64_t unknown;
} table[] = {
    {"claude",
     "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"u-1\",\"model\":\"m\"}\n"
     "{\"type\":\"something_new\"}\n"
     "not even JSON\n"
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":{\"usage\":"
     "{\"input_tokens\":100}}}}\n"
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"delta\":{\"type\":"
     "\"thinking_delta\",\"thinking\":\"hm\"}}}\n"
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"delta\":{\"type\":"
     "\"text_delta\",\"text\":\"I look\"}}}\n"
     "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"I look\"}]}}"
     "\n"
     "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\",\"id\":\"t1\","
     "\"name\":\"Bash\",\"input\":{\"command\":\"ls\"}}]}}\n"
     "{\"type\":\"control_request\",\"request_id\":\"q1\",\"request\":{\"subtype\":"
     "\"can_use_tool\",\"tool_name\":\"Bash\",\"tool_use_id\":\"t1\",\"input\":{\"command\":\"ls\"}"
     "}}\n"
     "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
     "\"t1\",\"content\":[{\"type\":\"text\",\"text\":\"a b\"}]}]}}\n"
     "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"I look\"}]}}"
     "\n"
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":{\"usage\":"
     "{\"input_tokens\":100}}}}\n"
     "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"Done.\"}]}}\n"
     "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"Done.\","
     "\"total_cost_usd\":0.5,\"usage\":{\"input_tokens\":200,\"cache_read_input_tokens\":20,"
     "\"cache_creation_input_tokens\":5,\"output_tokens\":42}}\n",
     "thinking hm\ntext I look\ntool t1 Bash {\"command\":\"ls\"}\n"
     "question q1 Bash {\"command\":\"ls\"} t1\nresult t1 a b\ntext Done.\ndone\n",
     0,
     AGENT_COMPLETED,
     {.fresh = 200, .cache_read = 20, .cache_write = 5, .output = 42},
     500000,
     "u-1",
     2},
    {"claude",
     "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":401,"
     "\"result\":\"API Error: 401\",\"usage\":{}}\n",
     "done\n",
     1,
     AGENT_AUTH_FAILED,
     {.fresh = 0},
     -1,
     "",
     0},
    {"claude", /* Killed within a call: what it told so far counts, at a price that nobody knows. */
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":{\"usage\":"
     "{\"input_tokens\":100}}}}\n"
     "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_delta\",\"usage\":{"
     "\"output_tokens\":7}}}\n",
     "",
     143,
     AGENT_CRASHED,
     {.fresh = 100, .output = 7},
     -1,
     "",
     0},
    {"codex",
     "{\"type\":\"thread.started\",\"thread_id\":\"th\"}\n"
     "{\"type\":\"item.completed\",\"item\":{\"id\":\"i0\",\"type\":\"error\",\"message\":\"no "
     "metadata\"}}\n"
     "{\"type\":\"turn.started\"}\n"
     "{\"type\":\"item.completed\",\"item\":{\"id\":\"i1\",\"type\":\"reasoning\",\"text\":\"hm\"}}"
     "\n"
     "{\"type\":\"item.started\",\"item\":{\"id\":\"i2\",\"type\":\"command_execution\","
     "\"command\":\"ls\",\"status\":\"in_progress\"}}\n"
     "{\"type\":\"item.completed\",\"item\":{\"id\":\"i2\",\"type\":\"command_execution\","
     "\"command\":\"ls\",\"aggregated_output\":\"a b\",\"exit_code\":2,\"status\":\"failed\"}}\n"
     "{\"type\":\"item.completed\",\"item\":{\"id\":\"i3\",\"type\":\"file_change\",\"changes\":[{"
     "\"path\":\"a\",\"kind\":\"add\"}],\"status\":\"completed\"}}\n"
     "{\"type\":\"item.completed\",\"item\":{\"id\":\"i4\",\"type\":\"agent_message\",\"text\":"
     "\"Done.\"}}\n"
     "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":200,\"cached_input_tokens\":40,"
     "\"output_tokens\":24,\"reasoning_output_tokens\":6}}\n",
     "thinking hm\ntool i2 command_execution {\"command\":\"ls\"}\nresult i2 a b failed\n"
     "tool i3 file_change {\"changes\":[{\"path\":\"a\",\"kind\":\"add\"}]}\nresult i3\n"
     "text Done.\ndone\n",
     0,
     AGENT_COMPLETED,
     {.fresh = 160, .cache_read = 40, .output = 24, .reasoning = 6},
     -1,
     "th",
     0},
    {"codex", /* Commands that overlap, and one that still runs at the end. */
     "{\"type\":\"item.started\",\"item\":{\"id\":\"i1\",\"type\":\"command_execution\","
     "\"command\":\"serve\"}}\n"
     "{\"type\":\"item.started\",\"item\":{\"id\":\"i2\",\"type\":\"command_execution\","
     "\"command\":\"a\"}}\n"
     "{\"type\":\"item.started\",\"item\":{\"id\":\"i3\",\"type\":\"command_execution\","
     "\"command\":\"b\"}}\n"
     "{\"type\":\"item.completed\",\"item\":{\"id\":\"i2\",\"type\":\"command_execution\","
     "\"command\":\"a\",\"aggregated_output\":\"A\",\"exit_code\":1}}\n"
     "{\"type\":\"item.completed\",\"item\":{\"id\":\"i3\",\"type\":\"command_execution\","
     "\"command\":\"b\",\"aggregated_output\":\"B\",\"exit_code\":0}}\n"
     "{\"type\":\"item.completed\",\"item\":{\"id\":\"i4\",\"type\":\"agent_message\",\"text\":"
     "\"It serves.\"}}\n"
     "{\"type\":\"turn.completed\",\"usage\":{}}\n",
     "tool i1 command_execution {\"command\":\"serve\"}\n"
     "tool i2 command_execution {\"command\":\"a\"}\n"
     "tool i3 command_execution {\"command\":\"b\"}\nresult i2 A failed\nresult i3 B\n"
     "text It serves.\ndone\n",
     0,
     AGENT_COMPLETED,
     {.fresh = 0},
     -1,
     "",
     0},
    {"codex", /* The program retries by itself; the last failure counts. */
     "{\"type\":\"error\",\"message\":\"Reconnecting... 1/1\"}\n"
     "{\"type\":\"turn.failed\",\"error\":{\"message\":\"last status: 429 Too Many Requests\"}}\n",
     "retrying\ndone\n",
     1,
     AGENT_RATE_LIMITED,
     {.fresh = 0},
     -1,
     "",
     0},
    {"opencode",
     "{\"type\":\"step_start\",\"sessionID\":\"ses\",\"part\":{}}\n"
     "{\"type\":\"tool_use\",\"sessionID\":\"ses\",\"part\":{\"callID\":\"c\",\"tool\":\"bash\","
     "\"state\":{\"status\":\"error\",\"input\":{\"command\":\"ls\"},\"error\":\"no\"}}}\n"
     "{\"type\":\"text\",\"sessionID\":\"ses\",\"part\":{\"text\":\"Done.\"}}\n"
     "{\"type\":\"step_finish\",\"sessionID\":\"ses\",\"part\":{\"cost\":0.25,\"tokens\":{"
     "\"input\":80,\"output\":10,\"reasoning\":2,\"cache\":{\"read\":20,\"write\":0}}}}\n",
     "tool c bash {\"command\":\"ls\"}\nresult c no failed\ntext Done.\n",
     0,
     AGENT_COMPLETED,
     {.fresh = 80, .cache_read = 20, .output = 12, .reasoning = 2},
     250000,
     "ses",
     0},
    {"opencode",
     "{\"type\":\"error\",\"sessionID\":\"ses\",\"error\":{\"name\":\"APIError\",\"data\":{"
     "\"message\":\"slow down\",\"statusCode\":429}}}\n",
     "done\n",
     1,
     AGENT_RATE_LIMITED,
     {.fresh = 0},
     -1,
     "ses",
     0},
    {"pi",
     "{\"type\":\"session\",\"version\":3,\"id\":\"p\"}\n"
     "{\"type\":\"agent_start\"}\n"
     "{\"type\":\"message_update\",\"assistantMessageEvent\":{\"type\":\"text_delta\",\"delta\":"
     "\"Do\"}}\n"
     "{\"type\":\"message_update\",\"assistantMessageEvent\":{\"type\":\"text_delta\",\"delta\":"
     "\"ne\"}}\n"
     "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":"
     "\"text\",\"text\":\"Done.\"}],\"usage\":{\"input\":80,\"output\":12,\"cacheRead\":20,"
     "\"cacheWrite\":0,\"cost\":{\"total\":0}},\"stopReason\":\"stop\"}}\n"
     "{\"type\":\"agent_end\"}\n",
     "text Do\ntext ne\ntext .\ndone\n",
     0,
     AGENT_COMPLETED,
     {.fresh = 80, .cache_read = 20, .output = 12},
     -1,
     "p",
     0},
    {"pi", /* Exits with 0 on every failure. */
     "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"content\":[],\"usage\":{},"
     "\"stopReason\":\"error\",\"errorMessage\":\"500 status code (no body)\"}}\n"
     "{\"type\":\"agent_end\"}\n",
     "",
     0,
     AGENT_PROVIDER_ERROR,
     {.fresh = 0},
     -1,
     "",
     0},
    {"pi", /* 1.5.2: a stream that broke off, with the last of its own tries. */
     "{\"type\":\"message_update\",\"assistantMessageEvent\":{\"type\":\"text_delta\",\"delta\":"
     "\"Hel\"}}\n"
     "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":"
     "\"text\",\"text\":\"Hel\"}],\"usage\":{},\"stopReason\":\"error\",\"errorMessage\":"
     "\"Stream ended without finish_reason\"}}\n"
     "{\"type\":\"agent_end\",\"willRetry\":true}\n"
     "{\"type\":\"auto_retry_start\",\"attempt\":3,\"delayMs\":8000}\n"
     "{\"type\":\"message_update\",\"assistantMessageEvent\":{\"type\":\"text_delta\",\"delta\":"
     "\"Hello\"}}\n"
     "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":"
     "\"text\",\"text\":\"Hello\"}],\"usage\":{},\"stopReason\":\"error\",\"errorMessage\":"
     "\"Stream ended without finish_reason\"}}\n"
     "{\"type\":\"auto_retry_end\",\"success\":false}\n"
     "{\"type\":\"agent_settled\"}\n",
     "text Hel\ndiscarded\nretrying\ntext Hello\n",
     0,
     AGENT_PROVIDER_ERROR,
     {.fresh = 0},
     -1,
     "",
     0},
    {"plain",
     "hello\nworld\n",
     "text hello\ntext \n\ntext world\ntext \n\n",
     0,
     AGENT_COMPLETED,
     {.fresh = 0},
     -1,
     "",
     0},
    {"plain", "", "", 0, AGENT_NO_RESULT, {.fresh = 0}, -1, "", 0},
};

struct heard {
    struct text events;
    struct usage usage;
    struct usage_cost cost;
    struct agent_verdict verdict;
    char native[64];
    int64_t unknown;
};

/* Another reader, loaded from that one. */
static struct program_reader *renew(struct program_reader *old, const struct program *program,
                                    const struct agent_definition *agent) {
    AUTO(text_done) struct text state = text_up_to(PROGRAM_STATE_MAX);
    program_reader_save(old, &state);
    assert_false(text_failed(&state));
    program_reader_free(old);
    struct program_reader *reader = program_reader_new(program, agent);
    assert_true(program_reader_load(reader, text_bytes(&state)));
    return reader;
}

/* `saved`: the reader is another one after each line. */
static void hear(const struct row *row, bool saved, struct heard *heard) {
    const struct agent_definition agent = {.name = "a", .program = row->program};
    const struct program *program = program_find(bytes_of(row->program));
    struct program_reader *reader = program_reader_new(program, &agent);
    struct bytes rest = bytes_of(row->lines), line;
    text_init(&heard->events, 1 << 20);
    while (bytes_next(&rest, '\n', &line)) {
        program_read(reader, line, PROGRAM_LINE_WHOLE, note, &heard->events);
        if (saved) {
            reader = renew(reader, program, &agent);
        }
    }
    struct agent_ending ending = {.exit = AGENT_EXITED, .code = row->exit};
    program_finish(reader, &ending);
    heard->verdict = agent_classify(&ending);
    program_take_usage(reader, &heard->usage, &heard->cost);
    const struct program_seen seen = program_seen(reader);
    (void)snprintf(heard->native, sizeof heard->native, "%s", seen.native.data);
    heard->unknown = seen.unknown;
    program_reader_free(reader);
}

static void lines_become_events_also_by_another_reader_after_each(void **state) {
    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(table); i++) {
        const struct row *row = &table[i / 2];
        struct heard heard;
        hear(row, i % 2 != 0, &heard);
        assert_string_equal(heard.events.len == 0 ? "" : heard.events.data, row->events);
        if (heard.verdict.outcome != row->outcome) {
            fail_msg("%zu: %s by the rule %s", i / 2, agent_outcome_name(heard.verdict.outcome),
                     heard.verdict.rule);
        }
        assert_memory_equal(&heard.usage, &row->usage, offsetof(struct usage, estimated));
        assert_int_equal(heard.cost.known ? heard.cost.micros : -1, row->cost);
        assert_string_equal(heard.native, row->native);
        assert_int_equal(heard.unknown, row->unknown);
        text_done(&heard.events);
    }
}

/* A second turn of the same thread: the counts are those of both. */
static void usage_that_is_told_in_sum_is_told_once(void **state) {
    (void)state;
    static const char first[] = "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":100,"
                                "\"cached_input_tokens\":20,\"output_tokens\":12}}";
    static const char second[] = "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":250,"
                                 "\"cached_input_tokens\":50,\"output_tokens\":30}}";
    const struct agent_definition agent = {.name = "a", .program = "codex"};
    struct program_reader *reader = program_reader_new(program_find(BYTES("codex")), &agent);
    AUTO(text_done) struct text events = text_up_to(4096);
    struct usage usage;
    struct usage_cost cost;
    program_read(reader, BYTES(first), PROGRAM_LINE_WHOLE, note, &events);
    program_take_usage(reader, &usage, &cost);
    assert_int_equal(usage_total(&usage), 112);
    program_reader_begin(reader);
    program_read(reader, BYTES(second), PROGRAM_LINE_WHOLE, note, &events);
    program_take_usage(reader, &usage, &cost);
    assert_int_equal(usage_total(&usage), 168);
    assert_int_equal(usage.cache_read, 30);
    program_reader_free(reader);
}

/* Each ask is a process of its own, or the next message of the same; the sums are of the session,
 * in which somebody else has used 900 before. */
static void a_session_of_claude_is_booked_by_the_difference(void **state) {
    (void)state;
    const struct agent_definition agent = {.name = "a", .program = "claude"};
    struct program_reader *reader = program_reader_new(program_find(BYTES("claude")), &agent);
    int64_t tokens = 0, micros = 0;
    for (int ask = 1; ask <= 5; ask++) {
        AUTO(text_done) struct text line = text_up_to(4096), events = text_up_to(4096);
        struct usage usage;
        struct usage_cost cost;
        text_addf(&line,
                  "{\"type\":\"result\",\"subtype\":\"success\",\"total_cost_usd\":%d,"
                  "\"usage\":{\"input_tokens\":100},\"modelUsage\":{\"m\":{\"inputTokens\":%d,"
                  "\"outputTokens\":0}},\"model_usage_since_last_result\":{\"m\":"
                  "{\"inputTokens\":100,\"outputTokens\":0,\"costUSD\":0.25}}}",
                  9 + ask, 900 + 100 * ask);
        if (ask != 3) {
            program_reader_begin(reader);
        }
        program_read(reader, text_bytes(&line), PROGRAM_LINE_WHOLE, note, &events);
        program_take_usage(reader, &usage, &cost);
        assert_true(cost.known);
        tokens += usage_total(&usage);
        micros += cost.micros;
    }
    assert_int_equal(tokens, 500);
    assert_int_equal(micros, 1250000);
    program_reader_free(reader);
}

static struct usage_cost cost_of(const char *program, const char *price, const char *line) {
    AUTO(text_done) struct text events = text_up_to(4096), text = text_up_to(1000);
    AUTO(json_release) json_t *json = NULL;
    struct agent_definition agent;
    struct usage usage;
    struct usage_cost cost;
    struct why why = {""};
    text_addf(&text, "{\"name\":\"a\",\"program\":\"%s\"%s}", program, price);
    assert_false(err_failed(json_parse_wrapped(text_bytes(&text), &json, NULL)));
    assert_false(err_failed(agent_definition_read(json, &agent, &why)));
    struct program_reader *reader = program_reader_new(program_find(bytes_of(program)), &agent);
    program_read(reader, bytes_of(line), PROGRAM_LINE_WHOLE, note, &events);
    program_take_usage(reader, &usage, &cost);
    program_reader_free(reader);
    return cost;
}

static void tokens_have_the_price_of_the_definition_where_the_program_names_no_cost(void **state) {
    (void)state;
    static const char price[] = ",\"price\":{\"input\":1000000,\"cache_read\":100000,"
                                "\"output\":10000000}";
    static const char codex[] = "{\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":100,"
                                "\"cached_input_tokens\":20,\"output_tokens\":12}}";
    static const char claude[] = "{\"type\":\"result\",\"subtype\":\"success\",\"usage\":"
                                 "{\"input_tokens\":100,\"output_tokens\":12},"
                                 "\"total_cost_usd\":0.5}";
    struct usage_cost cost = cost_of("codex", price, codex);
    assert_true(cost.known);
    assert_int_equal(cost.micros, 80 + 2 + 120);
    cost = cost_of("claude", price, claude);
    assert_int_equal(cost.micros, 500000);
    assert_false(cost_of("codex", "", codex).known);
    assert_false(cost_of("codex", ",\"price\":{\"input\":1000000}", codex).known);
    cost = cost_of("codex", price, "{\"type\":\"turn.started\"}");
    assert_true(cost.known);
    assert_int_equal(cost.micros, 0);
}

static void a_line_may_have_a_cost_alone(void **state) {
    (void)state;
    static const char lines[] = ",\"command\":\"x\",\"lines\":{\"cost\":\"usd\"}";
    struct usage_cost cost = cost_of("json_lines", lines, "{\"usd\":0.25}");
    assert_true(cost.known);
    assert_int_equal(cost.micros, 250000);
    cost = cost_of("json_lines", lines, "{\"usd\":\"much\"}");
    assert_int_equal(cost.micros, 0);
}

static void a_line_may_say_how_the_program_reached_its_model(void **state) {
    (void)state;
    static const char definition[] =
        "{\"name\":\"a\",\"program\":\"json_lines\",\"command\":\"x\",\"lines\":{\"text\":\"say\","
        "\"result\":\"done\",\"transport\":\"via.kind\"}}";
    static const struct {
        const char *line;
        enum agent_outcome outcome;
        int64_t unknown;
    } rows[] = {{"{\"via\":{\"kind\":\"embedded\"}}", AGENT_FALLBACK_USED, 0},
                {"{\"via\":{\"kind\":\"gateway\"}}", AGENT_COMPLETED, 0},
                {"{\"via\":{\"kind\":7}}", AGENT_COMPLETED, 1}};
    AUTO(json_release) json_t *json = NULL;
    struct agent_definition agent;
    assert_false(err_failed(json_parse_wrapped(BYTES(definition), &json, NULL)));
    assert_false(err_failed(agent_definition_read(json, &agent, NULL)));
    const struct program *program = program_find(BYTES("json_lines"));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text events = text_up_to(4096);
        struct program_reader *reader = program_reader_new(program, &agent);
        program_read(reader, bytes_of(rows[i].line), PROGRAM_LINE_WHOLE, note, &events);
        reader = renew(reader, program, &agent);
        program_read(reader, BYTES("{\"say\":\"hi\",\"done\":1}"), PROGRAM_LINE_WHOLE, note,
                     &events);
        struct agent_ending ending = {.exit = AGENT_EXITED};
        program_finish(reader, &ending);
        assert_int_equal(agent_classify(&ending).outcome, rows[i].outcome);
        assert_int_equal(program_seen(reader).unknown, rows[i].unknown);
        program_reader_free(reader);
    }
}

static void a_price_that_cannot_be_used_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *price, *why;
    } rows[] = {
        {"7", "\"price\" must be an object of integers"},
        {"{\"inputs\":1}", "\"price\": 'inputs' is none of input, cache_read, cache_write, output"},
        {"{\"input\":-1}", "\"price\": \"input\" must be an integer from 0 to 1000000000: "
                           "micro-dollars per million tokens"},
        {"{\"input\":1.5}", "\"price\": \"input\" must be an integer from 0 to 1000000000: "
                            "micro-dollars per million tokens"},
        {"{\"input\":1},\"lines\":{\"cost\":\"usd\"}",
         "\"price\" is for a program that reports no cost, and \"lines\" has one"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text text = text_up_to(1000);
        AUTO(json_release) json_t *json = NULL;
        struct agent_definition agent;
        struct why why = {""};
        text_addf(&text,
                  "{\"name\":\"a\",\"program\":\"json_lines\",\"command\":\"x\",\"price\":%s}",
                  rows[i].price);
        assert_false(err_failed(json_parse_wrapped(text_bytes(&text), &json, NULL)));
        assert_true(err_failed(agent_definition_read(json, &agent, &why)));
        assert_string_equal(why.text, rows[i].why);
    }
}

/* Else it would be ended while it waits for its own next try. */
static void a_failure_of_pi_is_its_result_only_when_pi_has_ended(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"content\":[],"
        "\"usage\":{},\"stopReason\":\"error\",\"errorMessage\":\"Connection error.\"}}",
        "{\"type\":\"agent_end\"}",
        "{\"type\":\"auto_retry_start\",\"attempt\":1,\"maxAttempts\":3,\"delayMs\":2000}",
        "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"usage\":{},"
        "\"content\":[{\"type\":\"text\",\"text\":\"Done.\"}],\"stopReason\":\"stop\"}}",
        "{\"type\":\"agent_end\"}"};
    const struct agent_definition agent = {.name = "a", .program = "pi"};
    for (size_t count = 1; count <= COUNT_OF(lines); count++) {
        struct program_reader *reader = program_reader_new(program_find(BYTES("pi")), &agent);
        AUTO(text_done) struct text events = text_up_to(4096);
        for (size_t i = 0; i < count; i++) {
            program_read(reader, bytes_of(lines[i]), PROGRAM_LINE_WHOLE, note, &events);
        }
        assert_int_equal(program_seen(reader).done, count == COUNT_OF(lines));
        struct agent_ending ending = {.exit = AGENT_EXITED};
        program_finish(reader, &ending);
        assert_int_equal(agent_classify(&ending).outcome, count < 4    ? AGENT_PROVIDER_UNREACHABLE
                                                          : count == 4 ? AGENT_GATEWAY_TIMEOUT
                                                                       : AGENT_COMPLETED);
        program_reader_free(reader);
    }
}

/* The words are those that the real programs print. */
static void a_session_that_the_program_has_lost_is_replaced(void **state) {
    (void)state;
    static const struct {
        const char *program, *lines, *stderr_tail;
        bool lost;
    } ends[] = {
        {"pi", "", "No session found matching '99999999-2222'\n", true},
        {"codex", "",
         "WARNING: proceeding\nError: thread/resume: thread/resume failed: no rollout found for "
         "thread id 99999999-2222 (code -32600)\n\nStack backtrace:\n   0: <unknown>\n",
         true},
        {"opencode", "", "\033[91m\033[1mError: \033[0mSession not found\n", true},
        {"claude",
         "{\"type\":\"result\",\"subtype\":\"error_during_execution\",\"is_error\":true,"
         "\"session_id\":\"u-1\",\"total_cost_usd\":0,\"errors\":[\"No conversation found\"]}\n",
         "No conversation found with session ID: u-1\n", true},
        {"pi", "", "Segmentation fault\n", false},
        /* The words of a tool of a program that had begun. */
        {"pi",
         "{\"type\":\"session\",\"id\":\"u-1\"}\n"
         "{\"type\":\"tool_execution_start\",\"toolCallId\":\"c\",\"toolName\":\"bash\"}\n",
         "Session not found\n", false},
    };
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        const struct agent_definition agent = {.name = "a", .program = ends[i].program};
        const struct program *program = program_find(bytes_of(ends[i].program));
        struct program_reader *reader = program_reader_new(program, &agent);
        AUTO(text_done) struct text events = text_up_to(4096);
        struct bytes rest = bytes_of(ends[i].lines), line;
        assert_true(program_reader_load(
            reader, BYTES("{\"native\":\"u-1\",\"total\":{\"fresh\":100,\"output\":12}}")));
        program_reader_begin(reader);
        while (bytes_next(&rest, '\n', &line)) {
            program_read(reader, line, PROGRAM_LINE_WHOLE, note, &events);
        }
        struct agent_ending ending = {
            .exit = AGENT_EXITED, .code = 1, .stderr_tail = bytes_of(ends[i].stderr_tail)};
        program_finish(reader, &ending);
        assert_int_equal(agent_classify(&ending).outcome, AGENT_CRASHED);
        assert_string_equal(program_seen(reader).native.data, ends[i].lost ? "" : "u-1");
        /* The thread that begins counts from 0. */
        AUTO(text_done) struct text saved = text_up_to(PROGRAM_STATE_MAX);
        program_reader_save(reader, &saved);
        assert_int_equal(strstr(text_bytes(&saved).data, "\"fresh\":100") == NULL, ends[i].lost);
        program_reader_free(reader);
    }
}

/* Lines that mean nothing are counted, and nothing breaks. */
#define REFUSED                                                                                    \
    "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\"api_error_status\":429,"     \
    "\"result\":\"API Error: Request rejected (429)\"}"
#define RETRY(delay)                                                                               \
    "{\"type\":\"system\",\"subtype\":\"api_retry\",\"attempt\":1,\"max_retries\":1,"              \
    "\"retry_delay_ms\":" delay ",\"error_status\":429,\"error\":\"rate_limit\"}\n"
#define LIMITS(status)                                                                             \
    "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"" status                     \
    "\",\"resetsAt\":1795628337,\"rateLimitType\":\"five_hour\",\"isUsingOverage\":false}}\n"
#define MESSAGE                                                                                    \
    "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":{\"id\":\"m\"}}" \
    "}\n"
#define OPENCODE(headers)                                                                          \
    "{\"type\":\"error\",\"sessionID\":\"ses_1\",\"error\":{\"name\":\"APIError\",\"data\":{"      \
    "\"message\":\"rate limit reached\",\"statusCode\":429,\"responseHeaders\":{" headers "}}}}"

/* Lines of Claude Code 2.1.197, Codex 0.169.0, OpenCode 1.18.33 and Pi 0.73.1. */
static void a_wait_that_the_provider_named_is_known_also_by_another_reader(void **state) {
    static const struct {
        const char *program, *lines;
        int64_t wait_ms;
    } rows[] = {
        {"claude", RETRY("7000") REFUSED, 7000},
        {"claude", RETRY("7388") REFUSED, 7388}, /* 2.1.332 */
        {"claude", RETRY("591") REFUSED, 0},
        {"claude", RETRY("579.5554044621056") REFUSED, 0}, /* The program names it, nobody else. */
        {"claude", RETRY("7000") MESSAGE REFUSED, 0},      /* An answer began after it. */
        {"claude", LIMITS("rejected") REFUSED, 3637000},
        {"claude", LIMITS("allowed_warning") REFUSED, 0},
        {"claude", RETRY("-7000") LIMITS("rejected") REFUSED, 3637000},
        {"codex",
         "{\"type\":\"turn.failed\",\"error\":{\"message\":\"rate limit exceeded: Rate limit "
         "reached for gpt-5. Please try again in 11.054s.\"}}",
         11054},
        {"codex",
         "{\"type\":\"turn.failed\",\"error\":{\"message\":\"You've hit your usage limit or try "
         "again "
         "at 5:39 PM.\"}}",
         3700000},
        {"opencode", OPENCODE("\"retry-after\":\"7\""), 7000},
        {"opencode", OPENCODE("\"retry-after-ms\":\"1500\",\"retry-after\":\"7\""), 1500},
        {"opencode", OPENCODE("\"retry-after\":\"Wed, 25 Nov 2026 16:39:30 GMT\""), 70000},
        {"opencode", OPENCODE("\"retry-after\":\"99999999\""), AGENT_WAIT_NAMED_MS},
        {"opencode", OPENCODE("\"retry-after\":7"), 0},
        {"pi",
         "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\",\"content\":[],\"usage\":{}"
         ","
         "\"stopReason\":\"error\",\"errorMessage\":\"429 rate limit reached\"}}",
         0},
    };
    const int64_t ended_ms = INT64_C(1795624700) * 1000;
    (void)state;
    for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
        const struct agent_definition agent = {.name = "a", .program = rows[i / 2].program};
        const struct program *program = program_find(bytes_of(agent.program));
        struct program_reader *reader = program_reader_new(program, &agent);
        struct bytes lines = bytes_of(rows[i / 2].lines), line;
        AUTO(text_done) struct text events = text_up_to(4096);
        while (bytes_next(&lines, '\n', &line)) {
            program_read(reader, line, PROGRAM_LINE_WHOLE, note, &events);
            reader = i % 2 == 0 ? reader : renew(reader, program, &agent);
        }
        struct agent_ending ending = {
            .exit = AGENT_EXITED, .code = 1, .ended_ms = ended_ms, .local_ms = ended_ms};
        program_finish(reader, &ending);
        if (ending.result.retry_after_ms != rows[i / 2].wait_ms) {
            fail_msg("%zu: %lld", i / 2, (long long)ending.result.retry_after_ms);
        }
        reader = renew(reader, program, &agent);
        assert_int_equal(program_seen(reader).retry_after_ms, rows[i / 2].wait_ms);
        assert_int_equal(program_seen(reader).ended_ms, ended_ms);
        program_reader_begin(reader);
        assert_int_equal(program_seen(reader).retry_after_ms, 0);
        program_reader_free(reader);
    }
}

/* Others are those of what it ran. */
static void words_of_stderr_count_where_the_program_prints_them(void **state) {
    (void)state;
#define NAMED ",\"command\":\"x\",\"stderr\":{\"quota is gone\":\"rate_limited\"}"
    static const struct {
        const char *program, *more, *words;
        enum agent_outcome outcome;
    } rows[] = {
        {"claude", "", "Error: Session ID 1 is already in use.", AGENT_SESSION_BUSY},
        {"claude", "", "package is locked", AGENT_CRASHED},
        {"codex", "", "thread 1 already has an active writer", AGENT_SESSION_BUSY},
        {"codex", "", "HTTP 500 from hook", AGENT_CRASHED},
        {"opencode", "", "\033[91m\033[1mError: \033[0mUnauthorized", AGENT_AUTH_FAILED},
        {"opencode", "", "429 Too Many Requests", AGENT_CRASHED},
        {"pi", "", "401", AGENT_CRASHED},
        {"json_lines", ",\"command\":\"x\"", "429 Too Many Requests", AGENT_CRASHED},
        {"json_lines", NAMED, "429 Too Many Requests", AGENT_CRASHED},
        {"json_lines", NAMED, "the quota is gone", AGENT_RATE_LIMITED},
        {"plain", NAMED, "Quota is gone!", AGENT_RATE_LIMITED},
        {"codex", NAMED, "Quota is gone!", AGENT_RATE_LIMITED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text text = text_up_to(1000);
        AUTO(json_release) json_t *json = NULL;
        struct agent_definition agent;
        struct agent_ending ending = {
            .exit = AGENT_EXITED, .code = 1, .stderr_tail = bytes_of(rows[i].words)};
        text_addf(&text, "{\"name\":\"a\",\"program\":\"%s\"%s}", rows[i].program, rows[i].more);
        assert_false(err_failed(json_parse_wrapped(text_bytes(&text), &json, NULL)));
        assert_false(err_failed(agent_definition_read(json, &agent, NULL)));
        struct program_reader *reader =
            program_reader_new(program_find(bytes_of(rows[i].program)), &agent);
        program_finish(reader, &ending);
        assert_int_equal(agent_classify(&ending).outcome, rows[i].outcome);
        program_reader_free(reader);
    }
#undef NAMED
}

static void hostile_lines_are_counted(void **state) {
    (void)state;
    static const char *const lines[] = {
        "",
        "null",
        "[]",
        "{",
        "{\"type\":7}",
        "{\"type\":\"assistant\"}",
        "{\"type\":\"assistant\",\"message\":{\"content\":{\"a\":1}}}",
        "{\"type\":\"result\",\"usage\":{\"input_tokens\":-5,\"output_tokens\":1e300}}",
        "{\"type\":\"result\",\"total_cost_usd\":\"free\",\"api_error_status\":99999999}",
        "{\"type\":\"item.completed\",\"item\":[]}",
        "{\"type\":\"session\",\"id\":{}}",
        "{\"type\":\"control_request\",\"request\":{\"subtype\":\"can_use_tool\"}}",
        "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\"}]}}"};
    static const char *const programs[] = {"claude", "codex", "opencode", "pi", "json_lines"};
    char deep[4096];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        const struct agent_definition agent = {.name = "a", .program = programs[i]};
        struct program_reader *reader =
            program_reader_new(program_find(bytes_of(programs[i])), &agent);
        AUTO(text_done) struct text events = text_up_to(1 << 20);
        for (size_t j = 0; j < COUNT_OF(lines); j++) {
            program_read(reader, bytes_of(lines[j]), PROGRAM_LINE_WHOLE, note, &events);
        }
        program_read(reader, bytes_of(deep), PROGRAM_LINE_CUT, note, &events);
        program_drop(reader, (struct program_dropped){.lines = 1, .bytes = 7});
        const struct program_seen seen = program_seen(reader);
        assert_int_equal(seen.lines, COUNT_OF(lines) + 1);
        assert_int_equal(seen.dropped.lines, 2); /* With that of one bracket. */
        assert_int_equal(seen.dropped.bytes, 7);
        program_skip(reader, PROGRAM_SKIP_BEGINS);
        AUTO(text_done) struct text saved = text_up_to(PROGRAM_STATE_MAX);
        program_reader_save(reader, &saved);
        program_skip(reader, PROGRAM_SKIP_ENDS);
        assert_false(program_seen(reader).skips);
        assert_true(program_reader_load(reader, text_bytes(&saved)));
        assert_true(program_seen(reader).skips);
        assert_true(seen.unknown > 0);
        struct agent_ending ending = {.exit = AGENT_EXITED};
        program_finish(reader, &ending);
        struct usage usage;
        struct usage_cost cost;
        program_take_usage(reader, &usage, &cost);
        assert_true(usage.fresh >= 0 && usage.output >= 0);
        program_reader_free(reader);
    }
}

/* Each state is saved, and read by another one. */
static void summaries_and_requests_are_known_over_a_restart(void **state) {
    (void)state;
#define STARTS "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":{}}}"
#define ITEM(what, type, id)                                                                       \
    "{\"type\":\"item." what "\",\"item\":{\"id\":\"" id "\",\"type\":\"" type "\"}}"
#define STATUS(value) "{\"type\":\"system\",\"subtype\":\"status\",\"status\":" value "}"
    static const struct {
        const char *program, *line;
        bool compacting;
        int64_t requests;
    } rows[] = {
        {"claude", STARTS, false, 1},
        {"claude", STATUS("\"compacting\""), true, 1},
        {"claude", "{\"type\":\"something_new\"}", true, 1},
        {"claude", STATUS("null"), false, 1},
        {"claude", STATUS("\"compacting\""), true, 1},
        {"claude", "{\"type\":\"system\",\"subtype\":\"compact_boundary\"}", false, 1},
        {"claude", STATUS("\"compacting\""), true, 1},
        {"claude", STARTS, false, 2},
        {"claude", "{\"type\":\"system\",\"subtype\":\"api_retry\"}", false, 3},
        {"pi", "{\"type\":\"compaction_start\",\"reason\":\"threshold\"}", true, 0},
        {"pi", "{\"type\":\"compaction_end\"}", false, 0},
        {"pi", "{\"type\":\"message_end\",\"message\":{\"role\":\"user\"}}", false, 0},
        {"pi", "{\"type\":\"message_end\",\"message\":{\"role\":\"assistant\"}}", false, 1},
        {"codex", "{\"type\":\"turn.started\"}", false, 0},
        {"codex", ITEM("started", "command_execution", "i1"), false, 1},
        {"codex", ITEM("started", "command_execution", "i2"), false, 1},
        {"codex", ITEM("completed", "command_execution", "i1"), false, 1},
        {"codex", ITEM("completed", "command_execution", "i2"), false, 1},
        {"codex", ITEM("completed", "reasoning", "i3"), false, 2},
        {"codex", ITEM("completed", "file_change", "i4"), false, 2},
        {"codex", ITEM("completed", "agent_message", "i5"), false, 3},
        {"codex", "{\"type\":\"error\",\"message\":\"Reconnecting... 1/5\"}", false, 4},
        {"opencode", "{\"type\":\"step_start\",\"part\":{}}", false, 0},
        {"opencode", "{\"type\":\"step_finish\",\"part\":{}}", false, 1},
        {"opencode", "{\"type\":\"step_finish\",\"part\":{}}", false, 2},
    };
#undef ITEM
#undef STARTS
#undef STATUS
    AUTO(text_done) struct text saved = text_up_to(PROGRAM_STATE_MAX);
    AUTO(text_done) struct text said = text_up_to(1000);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct program *program = program_find(bytes_of(rows[i].program));
        const struct agent_definition agent = {.name = "a", .program = rows[i].program};
        struct program_reader *reader = program_reader_new(program, &agent);
        const bool goes_on = i > 0 && strcmp(rows[i].program, rows[i - 1].program) == 0;
        assert_true(!goes_on || program_reader_load(reader, text_bytes(&saved)));
        program_read(reader, bytes_of(rows[i].line), PROGRAM_LINE_WHOLE, note, &said);
        const struct program_seen seen = program_seen(reader);
        if (seen.compacting != rows[i].compacting || seen.requests != rows[i].requests) {
            fail_msg("%s: %d, %lld requests", rows[i].line, seen.compacting,
                     (long long)seen.requests);
        }
        text_clear(&saved);
        program_reader_save(reader, &saved);
        program_reader_begin(reader); /* Another attempt counts its own. */
        assert_int_equal(program_seen(reader).requests, 0);
        assert_false(program_seen(reader).compacting);
        program_reader_free(reader);
    }
}

/* A control character takes six bytes in JSON. */
static void a_state_of_the_longest_words_is_saved(void **state) {
    (void)state;
    const struct agent_definition agent = {.name = "a", .program = "claude"};
    const struct program *claude = program_find(BYTES("claude"));
    struct program_reader *reader = program_reader_new(claude, &agent);
    AUTO(text_done) struct text word = text_up_to(20000);
    AUTO(text_done) struct text said = text_up_to(1000);
    for (unsigned i = 0; i < 3000; i++) {
        text_add_str(&word, "\\u0001");
    }
    static const char *const lines[] = {
        "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"%s\",\"model\":\"%s\"}",
        ("{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":"
         "{\"id\":\"%s\",\"x\":\"%s\"}}}"),
        "{\"type\":\"result\",\"subtype\":\"%s\",\"is_error\":true,\"result\":\"%s\"}",
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        AUTO(text_done) struct text line = text_up_to(1 << 20);
        for (const char *at = lines[i]; *at != '\0'; at++) {
            const bool here = at[0] == '%';
            text_add(&line, here ? text_bytes(&word).data : at, here ? word.len : 1);
            at += here;
        }
        program_read(reader, text_bytes(&line), PROGRAM_LINE_WHOLE, note, &said);
    }
    assert_int_equal(program_seen(reader).native.len, PROGRAM_NATIVE_MAX);
    reader = renew(reader, claude, &agent);
    assert_int_equal(program_seen(reader).native.len, PROGRAM_NATIVE_MAX);
    program_reader_free(reader);
}

static void a_state_that_is_damaged_is_refused(void **state) {
    (void)state;
    const struct agent_definition agent = {.name = "a", .program = "pi"};
    struct program_reader *reader = program_reader_new(program_find(BYTES("pi")), &agent);
    assert_false(program_reader_load(reader, BYTES("")));
    assert_false(program_reader_load(reader, BYTES("[1]")));
    assert_true(program_reader_load(reader, BYTES("{\"native\":5,\"said\":\"x\"}")));
    assert_int_equal(program_seen(reader).native.len, 0);
    program_reader_free(reader);
}

static void answers_are_lines_that_the_program_reads(void **state) {
    (void)state;
    const struct program *claude = program_find(BYTES("claude"));
    AUTO(text_done) struct text text = text_up_to(4096);
    const struct program_reply allow = {
        .question = BYTES("q1"), .arguments = BYTES("{\"command\":\"ls\"}"), .allowed = true};
    const struct program_reply deny = {
        .question = BYTES("q2"), .arguments = BYTES("{}"), .reason = BYTES("not \"now\"")};
    program_reply_write(claude, &allow, &text);
    program_reply_write(claude, &deny, &text);
    assert_string_equal(
        text.data,
        "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":"
        "\"q1\",\"response\":{\"behavior\":\"allow\",\"updatedInput\":{\"command\":\"ls\"}}}}\n"
        "{\"type\":\"control_response\",\"response\":{\"subtype\":\"success\",\"request_id\":"
        "\"q2\",\"response\":{\"behavior\":\"deny\",\"message\":\"not \\\"now\\\"\"}}}\n");
}

/* Only a question of its own ends it: other lines may be as long as they like. */
static void a_question_that_is_cut_is_the_end(void **state) {
    (void)state;
    static const struct {
        const char *begin;
        bool ends;
    } rows[] = {
        {"{\"type\":\"control_request\",\"request_id\":\"q1\",\"request\":{", true},
        {"{\"type\":\"user\",\"message\":{\"content\":\"\\\"control_request\\\"", false},
        {"{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\"", false},
    };
    const struct agent_definition agent = {.name = "a", .program = "claude"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text events = text_up_to(4096);
        struct program_reader *reader = program_reader_new(program_find(BYTES("claude")), &agent);
        program_read(reader, bytes_of(rows[i].begin), PROGRAM_LINE_CUT, note, &events);
        const struct program_seen seen = program_seen(reader);
        assert_int_equal(seen.done, rows[i].ends);
        assert_int_equal(seen.unknown, !rows[i].ends);
        struct agent_ending ending = {.exit = AGENT_EXITED};
        program_finish(reader, &ending);
        assert_int_equal(agent_classify(&ending).outcome == AGENT_FAILED, rows[i].ends);
        program_reader_free(reader);
    }
}

static void a_question_has_an_id_of_a_thousand_bytes_at_most(void **state) {
    (void)state;
    const struct agent_definition agent = {.name = "a", .program = "claude"};
    for (int len = 1000; len <= 1001; len++) {
        AUTO(text_done) struct text events = text_up_to(4096), line = text_up_to(4096);
        struct program_reader *reader = program_reader_new(program_find(BYTES("claude")), &agent);
        text_addf(&line,
                  "{\"type\":\"control_request\",\"request_id\":\"%0*d\",\"request\":"
                  "{\"subtype\":\"can_use_tool\",\"tool_name\":\"Bash\",\"input\":{}}}",
                  len, 1);
        program_read(reader, text_bytes(&line), PROGRAM_LINE_WHOLE, note, &events);
        assert_int_equal(program_seen(reader).done, len > 1000);
        assert_int_equal(events.data[0], len > 1000 ? 'd' : 'q');
        program_reader_free(reader);
    }
}

static void note_file(void *ctx, const struct program_event *event) {
    text_add_json(ctx, event->file.data, event->file.len);
}

static void a_question_names_the_file_that_its_call_would_change(void **state) {
    (void)state;
    static const struct {
        const char *call, *file;
    } rows[] = {
        {"\"tool_name\":\"Write\",\"input\":{\"file_path\":\"/a\"}", "\"/a\""},
        {"\"tool_name\":\"Edit\",\"input\":{\"file_path\":\"b/c\"}", "\"b/c\""},
        {"\"tool_name\":\"MultiEdit\",\"input\":{\"file_path\":\"d\"}", "\"d\""},
        {"\"tool_name\":\"NotebookEdit\",\"input\":{\"notebook_path\":\"e\"}", "\"e\""},
        {"\"tool_name\":\"Read\",\"input\":{\"file_path\":\"/a\"}", "\"\""},
        {"\"tool_name\":\"Bash\",\"input\":{\"command\":\"ls\"}", "\"\""},
        {"\"tool_name\":\"Write\",\"input\":{\"file_path\":7}", "\"\""},
        {"\"tool_name\":\"Write\"", "\"\""},
    };
    const struct agent_definition agent = {.name = "a", .program = "claude"};
    struct program_reader *reader = program_reader_new(program_find(BYTES("claude")), &agent);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text file = text_up_to(4096), line = text_up_to(4096);
        text_addf(&line,
                  "{\"type\":\"control_request\",\"request_id\":\"q\",\"request\":"
                  "{\"subtype\":\"can_use_tool\",%s}}",
                  rows[i].call);
        program_read(reader, text_bytes(&line), PROGRAM_LINE_WHOLE, note_file, &file);
        assert_string_equal(file.data, rows[i].file);
    }
    program_reader_free(reader);
}

static void claude_that_goes_on_with_an_answer_that_broke_off_has_asked_again(void **state) {
    (void)state;
    static const char *const lines[] = {
        "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":{}}}",
        "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\",\"delta\":{"
        "\"text\":\"Hello\"}}}",
        "{\"type\":\"user\",\"isSynthetic\":true,\"message\":{\"content\":[{\"type\":\"text\","
        "\"text\":\"Your response above was cut off mid-stream.\"}]}}",
        "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":{}}}"};
    const struct agent_definition agent = {.name = "a", .program = "claude"};
    struct program_reader *reader = program_reader_new(program_find(BYTES("claude")), &agent);
    AUTO(text_done) struct text events = text_up_to(4096);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        program_read(reader, bytes_of(lines[i]), PROGRAM_LINE_WHOLE, note, &events);
    }
    assert_string_equal(events.data, "text Hello\nretrying\n"); /* The text is not discarded. */
    assert_false(program_seen(reader).progress);
    assert_true(program_seen(reader).retried);
    program_reader_free(reader);
}

static bool codex_is_kept_out_of_slash_tmp(bool own_tmp) {
    const struct agent_definition agent = {.name = "a", .program = "codex"};
    const struct program_start start = {.agent = &agent, .own_tmp = own_tmp};
    AUTO(arena_done) struct arena arena;
    struct program_command command;
    bool kept = false;
    arena_init(&arena, 1 << 20);
    assert_int_equal(
        program_start_make(program_find(BYTES("codex")), &start, &arena, &command).code, ERR_NONE);
    for (size_t i = 1; i < command.argc; i++) {
        kept = kept ||
               (strcmp(command.argv[i - 1], "-c") == 0 &&
                strcmp(command.argv[i], "sandbox_workspace_write.exclude_slash_tmp=true") == 0);
    }
    return kept;
}

static void codex_leaves_the_shared_folder_alone_where_it_has_one_of_its_own(void **state) {
    (void)state;
    assert_true(codex_is_kept_out_of_slash_tmp(true));
    assert_false(codex_is_kept_out_of_slash_tmp(false));
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_events_also_by_another_reader_after_each),
        cmocka_unit_test(usage_that_is_told_in_sum_is_told_once),
        cmocka_unit_test(a_session_of_claude_is_booked_by_the_difference),
        cmocka_unit_test(tokens_have_the_price_of_the_definition_where_the_program_names_no_cost),
        cmocka_unit_test(a_line_may_have_a_cost_alone),
        cmocka_unit_test(a_line_may_say_how_the_program_reached_its_model),
        cmocka_unit_test(a_price_that_cannot_be_used_is_refused),
        cmocka_unit_test(a_failure_of_pi_is_its_result_only_when_pi_has_ended),
        cmocka_unit_test(a_session_that_the_program_has_lost_is_replaced),
        cmocka_unit_test(a_wait_that_the_provider_named_is_known_also_by_another_reader),
        cmocka_unit_test(hostile_lines_are_counted),
        cmocka_unit_test(words_of_stderr_count_where_the_program_prints_them),
        cmocka_unit_test(summaries_and_requests_are_known_over_a_restart),
        cmocka_unit_test(a_state_of_the_longest_words_is_saved),
        cmocka_unit_test(a_state_that_is_damaged_is_refused),
        cmocka_unit_test(answers_are_lines_that_the_program_reads),
        cmocka_unit_test(a_question_that_is_cut_is_the_end),
        cmocka_unit_test(a_question_has_an_id_of_a_thousand_bytes_at_most),
        cmocka_unit_test(a_question_names_the_file_that_its_call_would_change),
        cmocka_unit_test(claude_that_goes_on_with_an_answer_that_broke_off_has_asked_again),
        cmocka_unit_test(codex_leaves_the_shared_folder_alone_where_it_has_one_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
