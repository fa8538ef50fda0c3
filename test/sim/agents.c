/* agents.c: the processes of agents that are programs: their lines, their questions, their ends. */
#include "agents.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "hosts.h"
#include "inside.h"
#include "proc/tree.h"
#include "servers.h"

enum {
    OUT_MAX = 64 << 10,
    MESSAGES_MAX = 3,
    PIECES_MAX = 4,
    GAP_MS = 1200, /* Maximum pause between two pieces of output. */
    CUT_MAX = 300, /* Maximum length of a piece. */
    NATIVE_SIZE = AGENT_NATIVE_MAX,
};

struct agents *agents_of(struct sim *sim) {
    static struct agents all; /* State of the seed that runs: one at a time in a process. */
    (void)sim;
    return &all;
}

unsigned agents_at_once(struct sim *sim, enum agent_adapter adapter) {
    return (unsigned)(sim_hash(sim_seed(sim), adapter, "agents at once", 0) % 4);
}

int64_t agents_deadline_ms(struct sim *sim, enum agent_adapter adapter) {
    static const int64_t deadlines_ms[] = {0, 0, 20000, 60000};
    return deadlines_ms[sim_hash(sim_seed(sim), adapter, "deadline", 0) % COUNT_OF(deadlines_ms)];
}

const char *agents_name(enum agent_adapter adapter) {
    static const char *const names[ADAPTERS] = {
        [ADAPTER_CLAUDE] = "claude", [ADAPTER_JSON_LINES] = "lines", [ADAPTER_PLAIN] = "plain"};
    return names[adapter];
}

struct agent_job *agents_job(struct sim *sim, const char *run) {
    struct agents *agents = agents_of(sim);
    for (size_t i = agents->job_count; i > 0; i--) {
        if (strcmp(agents->jobs[i - 1].run, run) == 0) {
            return &agents->jobs[i - 1];
        }
    }
    return NULL;
}

/* --- Ways to end ------------------------------------------------------------------------------ */

#define WAIT_MS 60000

static const struct agent_way ways[] = {
    {.cause = "completed", .weight = 50},
    {.cause = "agent_failed", .weight = 4, .words = "I could not do it"},
    {.cause = "auth_failed",
     .weight = 4,
     .untyped = true,
     .status = 401,
     .words = "401 Unauthorized",
     .code = 1},
    {.cause = "rate_limited",
     .more = 3,
     .wait_ms = WAIT_MS,
     .weight = 8,
     .untyped = true,
     .status = 429,
     .words = "Too many requests",
     .code = 1},
    {.cause = "provider_error",
     .more = 3,
     .wait_ms = WAIT_MS,
     .weight = 6,
     .untyped = true,
     .status = 503,
     .words = "Internal server error",
     .code = 1},
    {.cause = "provider_unreachable",
     .more = 3,
     .wait_ms = WAIT_MS,
     .weight = 4,
     .untyped = true,
     .words = "connect ECONNREFUSED 127.0.0.1:443",
     .code = 1},
    {.cause = "context_overflow",
     .more = 1,
     .leaves = true,
     .weight = 4,
     .untyped = true,
     .words = "Prompt is too long",
     .code = 1},
    {.cause = "session_busy",
     .more = 3,
     .wait_ms = WAIT_MS,
     .weight = 4,
     .only_untyped = true,
     .words = "Error: this session is already in use.",
     .code = 1},
    {.cause = "crashed", .more = 1, .weight = 6, .only_untyped = true, .words = "", .code = 3},
    {.cause = "signal",
     .more = 1,
     .weight = 6,
     .only_untyped = true,
     .words = "",
     .end = EXIT_SIGNALED,
     .code = SIGSEGV},
    {.cause = "no_result", .weight = 4},
    {.cause = "fallback_used", .weight = 4},
    {.cause = "gateway_timeout", .more = 3, .weight = 6, .only_untyped = true, .words = ""},
    {.cause = "not_started",
     .weight = 3,
     .only_untyped = true,
     .words = "",
     .end = EXIT_NOT_STARTED,
     .code = ENOENT},
    {.cause = "deadline",
     .weight = 3,
     .only_untyped = true,
     .words = "",
     .ended_for = CAUSE_TIMED_OUT},
    {.cause = "deadline",
     .weight = 6,
     .only_untyped = true,
     .words = "",
     .ended_for = CAUSE_DEADLINE},
    {.cause = "stuck",
     .more = 1,
     .weight = 3,
     .only_untyped = true,
     .words = "",
     .ended_for = CAUSE_STUCK},
    {.cause = "compaction_hanging",
     .weight = 3,
     .only_untyped = true,
     .words = "",
     .ended_for = CAUSE_COMPACTION_HANGING},
};

static uint64_t process_draw(struct sim *sim, const struct agent_process *process,
                             const char *purpose, uint64_t count) {
    const struct agent_turn *turn = process->turn;
    return sim_hash(sim_seed(sim), (uint64_t)turn->op << 8 | turn->count, purpose,
                    process->line_count + process->written) %
           count;
}

static bool way_is(const struct agent_process *process, const char *cause) {
    return strcmp(process->way->cause, cause) == 0;
}

/* A few never answer by their schema, and nothing else happens to them. */
static bool is_stubborn(struct sim *sim, const struct agent_process *process) {
    return process->turn->by_schema && !sim_healed(sim) &&
           sim_hash(sim_seed(sim), process->turn->op, "stubborn", 0) % 4 == 0;
}

static bool is_misfit(struct sim *sim, const struct agent_process *process) {
    return process->turn->by_schema && way_is(process, "completed") && !sim_healed(sim) &&
           (is_stubborn(sim, process) || process_draw(sim, process, "misfit", 5) < 2);
}

static const struct agent_way *way_named(const char *cause) {
    const struct agent_way *way = &ways[0];
    while (strcmp(way->cause, cause) != 0) {
        way++;
    }
    return way;
}

/* Processes of some turns hang, fall back, or end before they read anything, however often begun.
 * NULL: not those of this one. */
static const struct agent_way *way_of_turn(struct sim *sim, const struct agent_process *process) {
    static const char *const causes[] = {
        "signal", "signal", "signal", "gateway_timeout", "stuck", "compaction_hanging", "deadline"};
    enum { IN = 20 };
    const size_t drawn = sim_hash(sim_seed(sim), process->turn->op, "doomed", 0) % IN;
    const enum agent_adapter adapter = process->turn->session->adapter;
    if (process->turn->by_schema || drawn >= COUNT_OF(causes) || adapter == ADAPTER_PLAIN) {
        return NULL;
    }
    return way_named(adapter == ADAPTER_CLAUDE ? causes[drawn] : "fallback_used");
}

static const struct agent_way *way_drawn(struct sim *sim, const struct agent_process *process) {
    uint64_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        sum += ways[i].weight;
    }
    const struct agent_way *way = &ways[0];
    for (uint64_t drawn = process_draw(sim, process, "way", sum); drawn >= way->weight; way++) {
        drawn -= way->weight;
    }
    return way;
}

/* With a deadline, nobody can tell which limit ends a process that hangs. */
static bool can_hang(struct sim *sim, const struct agent_process *process) {
    const enum run_cause ended_for = process->way->ended_for;
    const enum agent_adapter adapter = process->turn->session->adapter;
    const bool timed = agents_deadline_ms(sim, adapter) > 0;
    return ended_for == CAUSE_NONE ||
           (timed == (ended_for == CAUSE_DEADLINE) &&
            (adapter == ADAPTER_CLAUDE || ended_for != CAUSE_COMPACTION_HANGING));
}

/* Once everything is healed, all others succeed. */
static void way_choose(struct sim *sim, struct agent_process *process) {
    enum agent_adapter adapter = process->turn->session->adapter;
    const struct agent_way *const doom = way_of_turn(sim, process);
    process->way = doom != NULL                                   ? doom
                   : sim_healed(sim) || is_stubborn(sim, process) ? &ways[0]
                                                                  : way_drawn(sim, process);
    /* A program that ends with 0, and prints no results, has succeeded. */
    if (adapter == ADAPTER_PLAIN &&
        (way_is(process, "agent_failed") || way_is(process, "gateway_timeout"))) {
        process->way = &ways[0];
    }
    /* Only a definition of JSON lines has a place for how its model was reached. */
    const bool falls_back = way_is(process, "fallback_used") && adapter != ADAPTER_JSON_LINES;
    if (falls_back || !can_hang(sim, process)) {
        process->way = &ways[0];
    }
    process->misfit = is_misfit(sim, process);
    const struct agent_way *way = process->way;
    process->typed =
        adapter != ADAPTER_PLAIN && !way->only_untyped &&
        (!way->untyped || adapter == ADAPTER_CLAUDE || process_draw(sim, process, "typed", 2) == 0);
    process->lingers =
        adapter == ADAPTER_CLAUDE && process->typed && process_draw(sim, process, "stays", 8) == 0;
    process->single = process_draw(sim, process, "single", 4) == 0;
    process->waits_for_end =
        adapter == ADAPTER_CLAUDE && process->typed && process_draw(sim, process, "waits", 3) == 0;
}

/* --- Lines ------------------------------------------------------------------------------------ */

static struct agent_line *line_end(struct agent_process *process) {
    text_add_char(&process->out, '\n');
    assert(process->line_count < AGENT_LINES_MAX && !text_failed(&process->out));
    struct agent_line *line = &process->lines[process->line_count++];
    *line = (struct agent_line){.end = process->out.len, .said = process->said.len};
    return line;
}

static const char *const words[] = {"the build ", "is \\\"green\\\" ", "now, ", "\xf0\x9f\x90\x91 ",
                                    "line\\nbreak "};

/* As JSON has it, and as it is meant. */
static void piece_add(struct sim *sim, struct agent_process *process, struct text *json) {
    const char *word = words[process_draw(sim, process, "word", COUNT_OF(words))];
    char mark[48];
    (void)snprintf(mark, sizeof mark, "%s.%u.%zu ", process->command->run + 4, process->turn->op,
                   process->line_count);
    text_add_str(json, mark);
    text_add_str(&process->said, mark);
    if (process->turn->session->adapter == ADAPTER_PLAIN) {
        text_add_str(json, "words");
        text_add_str(&process->said, "words\n");
        return;
    }
    text_add_str(json, word);
    for (; *word != '\0'; word++) {
        const bool escape = *word == '\\';
        word += escape;
        text_add_char(&process->said, escape && *word == 'n' ? '\n' : *word);
    }
}

/* JSON, the whole of an answer by the schema; or nearly. */
static void answer_add(struct agent_process *process, struct text *json) {
    AUTO(text_done) struct text answer = text_up_to(OUT_MAX);
    text_addf(&answer, "{\"answer\":\"%s.%u\"%s}", process->command->run + 4, process->turn->op,
              process->misfit ? "" : ",\"count\":7");
    text_add(&process->said, answer.data, answer.len);
    if (process->turn->session->adapter == ADAPTER_PLAIN) {
        text_add(json, answer.data, answer.len);
        text_add_char(&process->said, '\n');
        return;
    }
    for (const char *at = answer.data; *at != '\0'; at++) {
        text_add_str(json, *at == '"' ? "\\" : "");
        text_add_char(json, *at);
    }
}

/* The words that a misfit has instead stand for an answer that is no JSON. */
static void last_add(struct sim *sim, struct agent_process *process, struct text *json) {
    if (process->misfit && process_draw(sim, process, "no JSON", 2) == 0) {
        piece_add(sim, process, json);
    } else {
        answer_add(process, json);
    }
}

/* The next whole line of its input. */
static bool input_next(struct agent_process *process, struct bytes *ret_line) {
    const struct command *command = process->command;
    const size_t rest = (size_t)command->input_len - process->read;
    const char *begin = command->input + process->read;
    const char *end = rest == 0 ? NULL : memchr(begin, '\n', rest);
    if (end == NULL) {
        return false;
    }
    *ret_line = (struct bytes){begin, (size_t)(end - begin)};
    process->read += ret_line->len + 1;
    return true;
}

static void message_echo(struct agent_process *process, struct bytes line) {
    static const char sign[] = "\"uuid\":\"";
    const char *at = memmem(line.data, line.len, sign, sizeof sign - 1);
    assert(at != NULL);
    text_addf(&process->out,
              "{\"type\":\"user\",\"message\":{\"content\":\"\"},\"isReplay\":"
              "true,\"uuid\":\"%.36s\"}",
              at + sizeof sign - 1);
    (void)line_end(process);
}

static void claude_begin(struct agent_process *process, const char *native) {
    struct bytes line;
    text_addf(&process->out, "{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"%s\"}",
              native);
    (void)line_end(process);
    if (input_next(process, &line)) {
        message_echo(process, line);
    }
}

static void claude_question(struct agent_process *process, unsigned message) {
    text_addf(&process->out,
              "{\"type\":\"control_request\",\"request_id\":\"q%s.%u\",\"request\":{\"subtype\":"
              "\"can_use_tool\",\"tool_name\":\"Bash\",\"tool_use_id\":\"t%s.%u\",\"input\":"
              "{\"command\":\"ls %u\"}}}",
              process->command->run, message, process->command->run, message, message);
    line_end(process)->waits = true;
    process->asked++;
}

static void claude_tool(struct sim *sim, struct agent_process *process, unsigned message) {
    if (process_draw(sim, process, "asks", 2) == 0) {
        claude_question(process, message);
    }
    text_addf(&process->out,
              "{\"type\":\"user\",\"message\":{\"content\":[{\"type\":\"tool_result\","
              "\"tool_use_id\":\"t%s.%u\",\"content\":\"a file\"}]}}",
              process->command->run, message);
    line_end(process)->whole = true;
}

/* LAST: the whole answer, by the schema; BEFORE_LAST: it uses a tool, so that its text is none of
 * the answer. */
enum message_kind { MESSAGE_WORDS, MESSAGE_BEFORE_LAST, MESSAGE_LAST };

/* The text of a message comes in pieces, and again as a whole; or only so. */
static void claude_message(struct sim *sim, struct agent_process *process, unsigned message,
                           enum message_kind kind) {
    AUTO(text_done) struct text whole = text_up_to(OUT_MAX);
    const char *run = process->command->run;
    const bool pieces = process_draw(sim, process, "in pieces", 3) > 0;
    const bool tool = kind == MESSAGE_WORDS ? process_draw(sim, process, "tool", 2) == 0
                                            : kind == MESSAGE_BEFORE_LAST;
    const unsigned count =
        kind == MESSAGE_LAST ? 1 : 1 + (unsigned)process_draw(sim, process, "pieces", PIECES_MAX);
    if (pieces) {
        text_addf(&process->out,
                  "{\"type\":\"stream_event\",\"event\":{\"type\":\"message_start\",\"message\":"
                  "{\"id\":\"m%s.%u\",\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}}",
                  run, message);
        (void)line_end(process);
    }
    for (unsigned piece = 0; piece < count; piece++) {
        AUTO(text_done) struct text text = text_up_to(OUT_MAX);
        if (kind == MESSAGE_LAST) {
            last_add(sim, process, &text);
        } else {
            piece_add(sim, process, &text);
        }
        text_add(&whole, text.data, text.len);
        if (pieces) {
            text_addf(&process->out,
                      "{\"type\":\"stream_event\",\"event\":{\"type\":\"content_block_delta\","
                      "\"delta\":{\"type\":\"text_delta\",\"text\":\"%s\"}}}",
                      text.data);
            (void)line_end(process);
        }
    }
    text_addf(&process->out,
              "{\"type\":\"assistant\",\"message\":{\"id\":\"m%s.%u\",\"content\":[{\"type\":"
              "\"text\",\"text\":\"%s\"}",
              run, message, whole.data);
    if (tool) {
        text_addf(&process->out,
                  ",{\"type\":\"tool_use\",\"id\":\"t%s.%u\",\"name\":\"Bash\",\"input\":"
                  "{\"command\":\"ls %u\"}}",
                  run, message, message);
    }
    text_add_str(&process->out, "]}}");
    line_end(process)->whole = !pieces;
    if (pieces) {
        text_add_str(&process->out, "{\"type\":\"stream_event\",\"event\":{\"type\":"
                                    "\"message_delta\",\"usage\":{\"output_tokens\":9}}}");
        line_end(process)->whole = true;
    }
    if (tool) {
        claude_tool(sim, process, message);
    }
}

static void claude_result(struct agent_process *process) {
    const struct agent_way *way = process->way;
    const bool good = way->words == NULL;
    text_addf(&process->out,
              "{\"type\":\"result\",\"subtype\":\"%s\",\"is_error\":%s,\"api_error_status\":%d,"
              "\"result\":\"%s\",\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":7,"
              "\"output_tokens\":9},\"total_cost_usd\":0.01}",
              good ? "success" : "error_during_execution", good ? "false" : "true", way->status,
              good ? "" : way->words);
    (void)line_end(process);
}

static void noise(struct sim *sim, struct agent_process *process) {
    if (process->turn->session->adapter != ADAPTER_PLAIN &&
        process_draw(sim, process, "noise", 6) == 0) {
        text_add_str(&process->out, "(node:17) Warning: something is deprecated");
        (void)line_end(process);
    }
}

static void script_message(struct sim *sim, struct agent_process *process, unsigned message,
                           enum message_kind kind) {
    const enum agent_adapter adapter = process->turn->session->adapter;
    noise(sim, process);
    if (adapter == ADAPTER_CLAUDE) {
        claude_message(sim, process, message, kind);
        return;
    }
    text_add_str(&process->out, adapter == ADAPTER_PLAIN ? "" : "{\"say\":{\"text\":\"");
    AUTO(text_done) struct text text = text_up_to(OUT_MAX);
    if (kind == MESSAGE_LAST) {
        last_add(sim, process, &text);
    } else {
        piece_add(sim, process, &text);
    }
    text_add(&process->out, text.data, text.len);
    text_add_str(&process->out, adapter == ADAPTER_PLAIN ? "" : "\"}}");
    (void)line_end(process);
}

static void script_result(struct agent_process *process) {
    if (process->turn->session->adapter == ADAPTER_CLAUDE) {
        claude_result(process);
        return;
    }
    if (process->way->words == NULL) {
        text_add_str(&process->out, "{\"done\":\"\"}");
    } else {
        text_addf(&process->out, "{\"failed\":\"%s\",\"status\":%d}", process->way->words,
                  process->way->status);
    }
    (void)line_end(process);
}

static unsigned messages_draw(struct sim *sim, const struct agent_process *process) {
    const unsigned drawn = (unsigned)process_draw(sim, process, "messages", MESSAGES_MAX + 1);
    const struct agent_way *const doom = way_of_turn(sim, process);
    const bool none = way_is(process, "no_result") || way_is(process, "not_started");
    if (none || (doom != NULL && doom->ended_for == CAUSE_NONE)) {
        return 0;
    }
    return way_is(process, "completed") && drawn == 0 ? 1 : drawn;
}

static void script_write(struct sim *sim, struct agent_process *process, const char *native) {
    const bool good = way_is(process, "completed");
    unsigned messages = messages_draw(sim, process);
    text_init(&process->out, OUT_MAX);
    text_init(&process->err, OUT_MAX);
    text_init(&process->said, OUT_MAX);
    if (way_is(process, "not_started")) {
        return;
    }
    if (process->turn->session->adapter == ADAPTER_CLAUDE) {
        claude_begin(process, native);
    }
    const bool by_schema = good && process->turn->by_schema;
    if (by_schema && process->turn->session->adapter != ADAPTER_CLAUDE) {
        messages = 1; /* There are no tools, before which it might say something. */
    }
    for (unsigned message = 0; message < messages; message++) {
        script_message(sim, process, message,
                       !by_schema               ? MESSAGE_WORDS
                       : message + 1 < messages ? MESSAGE_BEFORE_LAST
                                                : MESSAGE_LAST);
    }
    if (process->way->ended_for == CAUSE_COMPACTION_HANGING) {
        text_add_str(&process->out,
                     "{\"type\":\"system\",\"subtype\":\"status\",\"status\":\"compacting\"}");
        (void)line_end(process);
    }
    if (way_is(process, "fallback_used")) {
        text_add_str(&process->out, "{\"by\":\"embedded\"}");
        (void)line_end(process);
    }
    if (process->typed) {
        script_result(process);
    } else if (process->way->words != NULL) {
        text_add_str(&process->err, process->way->words);
    }
    /* A crash may come in the middle of a line. */
    const bool crashes = process->way->only_untyped && process->way->ended_for == CAUSE_NONE;
    if (crashes && process->way->words[0] == '\0' && process_draw(sim, process, "is cut", 2) == 0) {
        const size_t len = process->out.len;
        process->out.len -= len == 0 ? 0 : process_draw(sim, process, "cut", len < 40 ? len : 40);
    }
}

/* --- Messages that come while it works -------------------------------------------------------- */

unsigned agents_more_marker(struct bytes bytes) {
    static const char sign[] = "more#";
    const char *at = bytes.len == 0 ? NULL : memmem(bytes.data, bytes.len, sign, sizeof sign - 1);
    unsigned number = 0;
    for (at = at == NULL ? NULL : at + sizeof sign - 1;
         at != NULL && at < bytes.data + bytes.len && *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (unsigned)(*at - '0');
    }
    return number;
}

/* Messages that have come get an answer of their own after a good result, or none: a process that
 * does not wait ends beside them. */
static void messages_read(struct sim *sim, struct agent_process *process) {
    static const char user[] = "{\"type\":\"user\"", init[] = "{\"type\":\"system\",\"subtype\":"
                                                              "\"init\"}";
    const bool able = process->turn->session->adapter == ADAPTER_CLAUDE && process->typed &&
                      way_is(process, "completed") && !process->over && !process->single &&
                      !process->turn->by_schema && process->line_count < AGENT_LINES_MAX / 2 &&
                      process->written == process->out.len;
    struct bytes line;
    memory_leave();
    while (able && process->written == process->out.len && input_next(process, &line)) {
        if (bytes_begin(line, bytes_of(user))) {
            agents_check_read(sim, process, line);
            text_add_str(&process->out, init);
            (void)line_end(process);
            message_echo(process, line);
            AUTO(text_done) struct text text = text_up_to(OUT_MAX);
            piece_add(sim, process, &text);
            text_addf(&process->out,
                      "{\"type\":\"assistant\",\"message\":{\"id\":\"m%s.%zu\",\"content\":[{"
                      "\"type\":\"text\",\"text\":\"%s\"}]}}",
                      process->command->run, process->read, text.data);
            (void)line_end(process);
            claude_result(process);
        }
    }
    memory_return();
    folder_of(sim, process->command)->texts[LOG_OUT] = process->out.data;
}

/* --- Life ------------------------------------------------------------------------------------ */

/* The lines that were printed; the last one of a process that has ended needs no end. */
static size_t lines_printed(const struct agent_process *process) {
    const bool over =
        !process->command->lives || (process->over && process->written == process->out.len);
    size_t count = 0;
    while (count < process->line_count && process->lines[count].end <= process->written + over) {
        count++;
    }
    return count;
}

size_t agent_process_said(const struct agent_process *process) {
    const size_t count = lines_printed(process);
    return count == 0 ? 0 : process->lines[count - 1].said;
}

bool agent_process_progressed(const struct agent_process *process) {
    bool whole = false;
    for (size_t i = lines_printed(process); i > 0; i--) {
        whole = whole || process->lines[i - 1].whole;
    }
    return whole;
}

bool agent_process_is_whole(struct sim *sim, const struct agent_process *process) {
    const struct folder *folder = folder_of(sim, process->command);
    const struct agent_job *job = agents_job(sim, process->command->run);
    const bool typed = process->typed && process->written == process->out.len;
    const bool hung =
        process->way->ended_for != CAUSE_NONE && process->way->ended_for == job->ended_for;
    const bool ended = (process->over || hung) && folder != NULL && folder->ended;
    return folder != NULL && process->command->state != COMMAND_GONE && (typed || ended);
}

static void grow(struct sim *sim, struct command *command, enum log_stream stream, size_t len) {
    struct folder *folder = folder_of(sim, command);
    if (folder != NULL && len > 0) {
        folder->sizes[stream] += (int64_t)len;
        folder->changed_s = sim_wall_ms(sim) / 1000;
        holder_hears(sim, command, WORD_GROWN, folder->sizes[stream], stream);
    }
}

static void process_end(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, end_event);
    struct agent_process *process = command->agent;
    const struct agent_way *way = process->way;
    process->over = true;
    process->over_ns = sim_now_ns(sim);
    process->over_offset_ms = sim->wall_offset_ms;
    grow(sim, command, LOG_ERR, process->err.len);
    const bool exits = way->end != EXIT_SIGNALED && way->end != EXIT_NOT_STARTED;
    command_end(sim, command, exits ? EXIT_EXITED : way->end, way->code);
}

void agents_measure(struct sim *sim, const struct command *command, struct tree_use *io_use) {
    const struct agent_process *process = command->agent;
    io_use->cpu_us = (int64_t)(sim_now_ns(sim) / 1000);
    const enum run_cause ended_for = process == NULL ? CAUSE_NONE : process->way->ended_for;
    if (ended_for == CAUSE_NONE || ended_for == CAUSE_DEADLINE ||
        process->written < process->out.len) {
        return;
    }
    io_use->cpu_us = 0;
    io_use->processes = ended_for == CAUSE_STUCK ? 0 : io_use->processes;
}

/* The number of answers to the question of a line in its input, and the place of the last one. */
static unsigned answers_find(const struct command *command, const char *question,
                             const char **ret_at) {
    const char *at = command->input, *end = command->input + command->input_len;
    unsigned count = 0;
    while (at < end && (at = memmem(at, (size_t)(end - at), question, strlen(question))) != NULL) {
        *ret_at = at++;
        count++;
    }
    return count;
}

/* True: nothing is printed before the question at the end of what was printed has its answer. */
static bool is_waiting(struct sim *sim, const struct agent_process *process) {
    const struct command *command = process->command;
    const struct agent_line *line = process->lines;
    const struct agent_line *end = line + process->line_count;
    while (line < end && line->end != process->written) {
        line++;
    }
    if (line == end || !line->waits) {
        return false;
    }
    static const char sign[] = "\"request_id\":\"", allow[] = "\"behavior\":\"allow\"";
    const size_t from = line == process->lines ? 0 : line[-1].end;
    const char *id = memmem(process->out.data + from, line->end - from, sign, sizeof sign - 1);
    assert(id != NULL);
    id += sizeof sign - 1;
    char question[ID_SIZE + 32], call[ID_SIZE + 16];
    const int len = (int)strcspn(id, "\"");
    (void)snprintf(question, sizeof question, "%s%.*s\"", sign, len, id);
    (void)snprintf(call, sizeof call, "t%.*s", len - 1, id + 1);
    const char *at = NULL;
    const unsigned count = answers_find(command, question, &at);
    if (count > 1) {
        sim_fail(sim, "the question %s of %s was answered %u times", call, command->name, count);
    }
    if (count == 0) {
        return true;
    }
    const char *over = memchr(at, '\n', (size_t)(command->input + command->input_len - at));
    if (over == NULL) {
        return true; /* A part of it is there. */
    }
    agents_check_answer(sim, process, call,
                        memmem(at, (size_t)(over - at), allow, sizeof allow - 1) != NULL);
    return false;
}

static void output_write(struct sim *sim, struct sim_event *event);

static void process_go_on(struct sim *sim, struct command *command) {
    struct agent_process *process = command->agent;
    const bool stays = process->lingers || process->way->ended_for != CAUSE_NONE ||
                       (process->waits_for_end && !command->eof);
    if (command->state != COMMAND_RUNNING || command->frozen || command->stopped) {
        return;
    }
    if (!command->end_event.planned) {
        messages_read(sim, process);
    }
    if (process->written < process->out.len) {
        if (!command->piece_event.planned && !is_waiting(sim, process)) {
            sim_plan(sim, &command->piece_event, process_draw(sim, process, "gap", GAP_MS),
                     output_write);
        }
    } else if (!stays && !command->end_event.planned && !is_waiting(sim, process)) {
        sim_plan(sim, &command->end_event, process_draw(sim, process, "leaves", 500), process_end);
    }
}

static void output_write(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, piece_event);
    struct agent_process *process = command->agent;
    size_t to = process->written + 1 + process_draw(sim, process, "piece", CUT_MAX);
    to = to < process->out.len ? to : process->out.len;
    for (size_t i = 0; i < process->line_count; i++) { /* A question is the end of a piece. */
        const struct agent_line *line = &process->lines[i];
        to = line->waits && line->end > process->written && line->end < to ? line->end : to;
    }
    grow(sim, command, LOG_OUT, to - process->written);
    process->written = to;
    sim_trace(sim, "%s has printed %zu of %zu bytes", command->name, to, process->out.len);
    process_go_on(sim, command);
}

void agents_hear(struct sim *sim, struct command *command) {
    if (command->agent != NULL) {
        process_go_on(sim, command);
    }
}

/* --- Begin -------------------------------------------------------------------------------- */

/* The word that follows an option; "": there is none. */
static void option_find(const char *line, const char *option, char ret_word[NATIVE_SIZE]) {
    const char *at = strstr(line, option);
    ret_word[0] = '\0';
    if (at != NULL) {
        at += strlen(option);
        (void)snprintf(ret_word, NATIVE_SIZE, "%.*s", (int)strcspn(at, " "), at);
    }
}

/* A process that goes on after a failure gets no task. Of a conversation that is repeated the
 * task is the last message. */
static void check_task(struct sim *sim, const struct agent_turn *turn,
                       const struct command *command) {
    static const char misfit[] = "[drover: the answer must be JSON";
    const struct agent_process *last = turn->count == 0 ? NULL : turn->processes[turn->count - 1];
    const struct bytes line = {command->line, strlen(command->line)};
    const struct bytes input = {command->input, (size_t)command->input_len};
    uint64_t marker = servers_marker(input);
    marker = marker != 0 ? marker : servers_marker(line);
    if (marker != turn->marker && (marker != 0 || last == NULL)) {
        sim_fail(sim, "%s of op %u is asked what op %llu asked", command->name, turn->marker,
                 (unsigned long long)marker);
    }
    if (last != NULL && last->misfit && agent_process_is_whole(sim, last) &&
        memmem(input.data, input.len, misfit, sizeof misfit - 1) == NULL &&
        strstr(line.data, misfit) == NULL) {
        sim_fail(sim, "%s begins after an answer that does not fit, and does not hear so",
                 command->name);
    }
}

/* Some are killed with their holder: then nobody sees their end. */
static void harm(struct sim *sim, struct command *command) {
    const uint64_t drawn = sim_healed(sim) ? 100 : process_draw(sim, command->agent, "harm", 100);
    if (drawn < 3) {
        command_kill_holder(sim, command);
    } else if (drawn < 5) {
        command->frozen = true;
        command_events_stop(sim, command);
        sim_trace(sim, "%s stops its holder", command->name);
    } else if (drawn < 8) {
        command_break_link(sim, command);
    }
}

bool agents_begin(struct sim *sim, struct command *command) {
    char resumed[NATIVE_SIZE], named[NATIVE_SIZE];
    if (strncmp(command->line, "/agents/", 8) != 0) {
        return false;
    }
    option_find(command->line, " --resume ", resumed);
    option_find(command->line, " --session-id ", named);
    const struct agent_job *job = agents_job(sim, command->run);
    struct agent_turn *turn = job == NULL ? NULL : job->turn;
    if (turn == NULL || turn->count == AGENT_TRIES_MAX) {
        sim_fail(sim, "%s begins for no turn: %s", command->name, command->line);
    }
    check_task(sim, turn, command);
    if (resumed[0] != '\0' && strcmp(turn->session->native, resumed) != 0) {
        sim_fail(sim, "%s of %s goes on in %s, and its session is '%s'", command->name, turn->run,
                 resumed, turn->session->native);
    }
    struct agent_process *process = sim_new(sizeof *process);
    process->turn = turn;
    process->command = command;
    command->agent = process;
    turn->processes[turn->count++] = process;
    way_choose(sim, process);
    const char *native = resumed[0] != '\0' ? resumed : named;
    (void)snprintf(process->native, sizeof process->native, "%s", native);
    memory_leave(); /* The output outlives the daemon. */
    script_write(sim, process, native);
    memory_return();
    (void)snprintf(turn->session->native, sizeof turn->session->native, "%s", native);
    struct folder *folder = folder_of(sim, command);
    folder->texts[LOG_OUT] = process->out.data;
    folder->texts[LOG_ERR] = process->err.data;
    sim_trace(sim, "agent of op %u, process %zu: %s%s", turn->op, turn->count, process->way->cause,
              process->typed ? ", typed" : "");
    agents_check_begin(sim, process, resumed[0] != '\0');
    if (resumed[0] != '\0') {
        owners_check_begin(sim, process);
    }
    command_input_take(sim, command);
    if (command->stopped) {
        command_stop(sim, command, 5000);
    } else if (process->way->end == EXIT_NOT_STARTED) {
        process_end(sim, &command->end_event);
    } else {
        process_go_on(sim, command);
        harm(sim, command);
    }
    return true;
}
