/* program.c: the table of adapters, and what all of them share. See program.h. */
#include "agent/reader.h"
#include "base/utf8.h"
#include "rules/agent/wait.h"

#define CUT_MARK "[drover: the rest is left out]"

#define X(id, name, can, about) &program_##id,
static const struct program *const programs[] = {AGENT_PROGRAMS(X)};
#undef X

const struct program *program_find(struct bytes name) {
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        if (bytes_is(name, programs[i]->name)) {
            return programs[i];
        }
    }
    return NULL;
}

const char *program_command(const struct program *program) {
    return program->command;
}

unsigned program_can(const struct program *program) {
    return program->can;
}

bool program_resumes(const struct program *program, const struct agent_definition *agent) {
    return (program->can & PROGRAM_RESUMES) != 0 || agent->resume_args != NULL;
}

/* --- Making a command ------------------------------------------------------------------------- */

void making_add(struct program_making *making, const char *word) {
    struct program_command *command = making->command;
    if (word == NULL || command->argc == COUNT_OF(command->argv)) {
        making->failed = true;
        return;
    }
    command->argv[command->argc++] = word;
}

void making_add_bytes(struct program_making *making, struct bytes word) {
    making_add(making, arena_try_copy(making->arena, word.len == 0 ? "" : word.data, word.len));
}

void making_add_option(struct program_making *making, const char *name, struct bytes value) {
    if (value.len > 0) {
        making_add(making, name);
        making_add_bytes(making, value);
    }
}

void making_add_tools(struct program_making *making) {
    const json_t *tools = making->start->agent->tools;
    AUTO(text_done) struct text names = text_up_to(AGENT_TOOLS_MAX * (AGENT_TOOL_NAME_MAX + 1));
    for (size_t i = 0; i < json_array_size(tools); i++) {
        text_add_str(&names, i > 0 ? "," : "");
        text_add_str(&names, json_string_value(json_array_get(tools, i)));
    }
    making->failed = making->failed || text_failed(&names);
    making_add_option(making, "--tools", text_bytes(&names));
}

void making_add_own(struct program_making *making) {
    const json_t *args = making->start->agent->args;
    for (size_t i = 0; i < json_array_size(args); i++) {
        making_add(making, json_string_value(json_array_get(args, i)));
    }
}

struct bytes making_keep(struct program_making *making, struct text *text) {
    const char *copy =
        text_failed(text) ? NULL : arena_try_copy(making->arena, text_bytes(text).data, text->len);
    making->failed = making->failed || copy == NULL;
    return copy == NULL ? BYTES("") : (struct bytes){copy, text->len};
}

enum { PROMPT_MAX = 4 << 20 };

struct bytes making_prompt(struct program_making *making) {
    const struct program_start *start = making->start;
    const char *instructions = start->agent->instructions;
    if (instructions == NULL || instructions[0] == '\0' ||
        (start->native.len > 0 && !start->blank)) {
        return start->prompt;
    }
    AUTO(text_done) struct text text = text_up_to(PROMPT_MAX);
    text_add_str(&text, instructions);
    text_add_str(&text, "\n\n");
    text_add(&text, start->prompt.data, start->prompt.len);
    return making_keep(making, &text);
}

void making_set_input(struct program_making *making, struct bytes prompt) {
    making->command->input = prompt;
}

struct err program_start_make(const struct program *program, const struct program_start *start,
                              struct arena *arena, struct program_command *ret_command) {
    struct program_command command = {.argc = 0, .input = BYTES("")};
    struct program_making making = {.start = start, .arena = arena, .command = &command};
    const char *name = start->agent->command != NULL ? start->agent->command : program->command;
    making_add(&making, name);
    program->make(&making);
    if (making.failed) {
        return err_make(ERR_OUT_OF_MEMORY, "agents: command");
    }
    *ret_command = command;
    return ERR_OK;
}

void program_reply_write(const struct program *program, const struct program_reply *reply,
                         struct text *text) {
    if (program->reply != NULL) {
        program->reply(reply, text);
    }
}

bool program_message_line(struct bytes definition, struct bytes message, struct bytes words,
                          struct text *line) {
    AUTO(json_release) json_t *json = NULL;
    const struct program *program = NULL;
    if (!err_failed(json_parse_wrapped(definition, &json, NULL))) {
        program = program_find(json_bytes(json, "program"));
    }
    const bool takes = program != NULL && (program->can & PROGRAM_TAKES_MESSAGES) != 0;
    if (takes && line != NULL) {
        program->message(message, words, line);
    }
    return takes;
}

/* --- A reader --------------------------------------------------------------------------------- */

struct program_reader *program_reader_new(const struct program *program,
                                          const struct agent_definition *agent) {
    struct program_reader *reader = mem_new(sizeof *reader);
    reader->program = program;
    reader->agent = agent;
    return reader;
}

void program_reader_free(struct program_reader *reader) {
    mem_free(reader);
}

void program_reader_begin(struct program_reader *reader) {
    const struct reader_state old = reader->state;
    struct reader_state *state = &reader->state;
    *state = (struct reader_state){.total = old.total,
                                   .unheard = true,
                                   .blank = old.native[0] == '\0' || (old.blank && old.unheard)};
    memcpy(state->native, old.native, sizeof state->native);
    memcpy(state->model, old.model, sizeof state->model);
}

#define USAGE_MEMBERS(X) X(fresh) X(cache_read) X(cache_write) X(output) X(reasoning) X(searches)
#define TEXT_MEMBERS(X)                                                                            \
    X(native) X(model) X(message) X(kind) X(sentence) X(transport) X(tools) X(note)
#define BOOL_MEMBERS(X)                                                                            \
    X(pieces)                                                                                      \
    X(midway)                                                                                      \
    X(has_said)                                                                                    \
    X(done)                                                                                        \
    X(good)                                                                                        \
    X(asks)                                                                                        \
    X(retried) X(priced) X(reported) X(compacting) X(progress) X(names) X(unheard) X(blank) X(skips)
#define INT_MEMBERS(X)                                                                             \
    X(broken)                                                                                      \
    X(said)                                                                                        \
    X(status)                                                                                      \
    X(lines)                                                                                       \
    X(unknown)                                                                                     \
    X(lost_lines)                                                                                  \
    X(lost_bytes)                                                                                  \
    X(gone)                                                                                        \
    X(gone_from)                                                                                   \
    X(gone_to) X(cost) X(billed) X(requests) X(retry_after_ms) X(retry_at_ms) X(ended_ms)
#define USAGES(X) X(ready) X(open) X(total) X(counted)

static void usage_save(const char *name, const struct usage *usage, struct text *text) {
    text_add_name(text, name);
    text_add_char(text, '{');
#define X(member) text_add_member_int(text, #member, usage->member);
    USAGE_MEMBERS(X)
#undef X
    text_add_char(text, '}');
}

void program_reader_save(const struct program_reader *reader, struct text *text) {
    const struct reader_state *state = &reader->state;
    text_add_char(text, '{');
#define X(member) text_add_member(text, #member, bytes_of(state->member));
    TEXT_MEMBERS(X)
#undef X
#define X(member) text_add_member_bool(text, #member, state->member);
    BOOL_MEMBERS(X)
#undef X
#define X(member) text_add_member_int(text, #member, state->member);
    INT_MEMBERS(X)
#undef X
#define X(member) usage_save(#member, &state->member, text);
    USAGES(X)
#undef X
    text_add_char(text, '}');
}

static int64_t tokens_of(const json_t *object, const char *name) {
    const int64_t tokens = reader_number(object, name);
    return tokens < 0 ? 0 : tokens > USAGE_TOKENS_MAX ? USAGE_TOKENS_MAX : tokens;
}

static struct usage usage_load(const json_t *object) {
    struct usage usage = {.fresh = 0};
#define X(member) usage.member = tokens_of(object, #member);
    USAGE_MEMBERS(X)
#undef X
    return usage;
}

/* As much of it as fits, never half a character. */
static void word_set(char *into, size_t size, struct bytes from) {
    const struct bytes whole = {from.data, from.len == 0 ? 0 : strnlen(from.data, from.len)};
    const size_t len = utf8_cut(whole, size - 1);
    memcpy(into, whole.len == 0 ? "" : whole.data, len);
    into[len] = '\0';
}

bool program_reader_load(struct program_reader *reader, struct bytes saved) {
    struct reader_state *state = &reader->state;
    AUTO(json_release) json_t *json = NULL;
    *state = (struct reader_state){.lines = 0};
    if (err_failed(json_parse(saved.data, saved.len, JSON_DEPTH_MAX, &json, NULL)) ||
        !json_is_object(json)) {
        return false;
    }
#define X(member) word_set(state->member, sizeof state->member, json_bytes(json, #member));
    TEXT_MEMBERS(X)
#undef X
#define X(member) state->member = json_is_true(json_object_get(json, #member));
    BOOL_MEMBERS(X)
#undef X
#define X(member) state->member = json_int(json, #member, 0);
    INT_MEMBERS(X)
#undef X
#define X(member) state->member = usage_load(json_object_get(json, #member));
    USAGES(X)
#undef X
    return true;
}

struct program_seen program_seen(const struct program_reader *reader) {
    const struct reader_state *state = &reader->state;
    return (struct program_seen){.native = bytes_of(state->native),
                                 .model = bytes_of(state->model),
                                 .lines = state->lines,
                                 .unknown = state->unknown,
                                 .dropped = {.lines = state->lost_lines,
                                             .bytes = state->lost_bytes,
                                             .gone = state->gone,
                                             .gone_from = state->gone_from,
                                             .gone_to = state->gone_to},
                                 .requests = state->requests,
                                 .skips = state->skips,
                                 .done = state->done,
                                 .names = state->names,
                                 .heard = !state->unheard,
                                 .blank = state->blank && state->unheard,
                                 .compacting = state->compacting,
                                 .retry_after_ms = state->retry_after_ms,
                                 .ended_ms = state->ended_ms,
                                 .note = bytes_of(state->note),
                                 .retried = state->retried,
                                 .progress = state->progress};
}

/* --- Reading ---------------------------------------------------------------------------------- */

enum program_text_kind program_prints(const struct program *program) {
    return program->read_text != NULL ? PROGRAM_PRINTS_TEXT : PROGRAM_PRINTS_JSON;
}

/* A broken object may have been the result. Other words are noise. */
static void json_read(struct program_reader *reader, struct bytes line,
                      enum program_line_form form) {
    struct reader_state *state = &reader->state;
    AUTO(json_release) json_t *json = NULL;
    const struct bytes text = bytes_trim(line, " \t\r");
    if (form == PROGRAM_LINE_CUT && reader->program->read_cut != NULL &&
        reader->program->read_cut(reader, text)) {
        return;
    }
    if (err_failed(json_parse_wide(text.data, text.len, JSON_DEPTH_MAX, &json, NULL)) ||
        !json_is_object(json)) {
        state->lost_lines += form != PROGRAM_LINE_TORN && text.len > 0 && text.data[0] == '{';
        state->unknown += text.len > 0;
    } else if (!reader->program->read(reader, json)) {
        state->unknown++;
    }
}

void program_read(struct program_reader *reader, struct bytes line, enum program_line_form form,
                  program_heard heard, void *ctx) {
    reader->heard = heard;
    reader->ctx = ctx;
    reader->state.lines++;
    if (reader->program->read_text == NULL) {
        json_read(reader, line, form);
    } else {
        reader->program->read_text(reader, line);
        reader_say(reader, PROGRAM_TEXT, form == PROGRAM_LINE_PART ? BYTES("") : BYTES("\n"));
    }
    reader->heard = NULL;
}

void program_drop(struct program_reader *reader, struct program_dropped what) {
    struct reader_state *state = &reader->state;
    state->lost_lines += what.lines;
    state->lost_bytes += what.bytes;
    if (what.gone > 0) { /* The log is read forward, so a later gap ends later. */
        state->gone_from = state->gone == 0 ? what.gone_from : state->gone_from;
        state->gone_to = what.gone_to;
        state->gone += what.gone;
    }
}

void program_skip(struct program_reader *reader, enum program_skip what) {
    reader->state.skips = what == PROGRAM_SKIP_BEGINS;
}

/* A program that does not find its own session says so at once, and does nothing. The session was
 * deleted, or never stored: Pi stores it with the first whole answer. The next attempt begins
 * another one. */
static bool session_is_lost(const struct reader_state *state, const struct agent_ending *ending) {
    static const char *const words[] = {"no session found", "session not found",
                                        "no conversation found", "no rollout found"};
    bool lost = false;
    if (state->native[0] == '\0' || state->has_said || state->lines > 1 ||
        ending->exit != AGENT_EXITED || ending->code == 0) {
        return false;
    }
    for (size_t i = 0; !lost && i < COUNT_OF(words); i++) {
        lost = agent_words_in(ending->stderr_tail, words[i]);
    }
    return lost;
}

/* A line of the program, or else its sentence, has the wait that its provider named. */
static void wait_find(struct reader_state *state, const struct agent_ending *ending) {
    int64_t wait_ms = state->retry_after_ms;
    if (wait_ms <= 0 && ending->ended_ms > 0 && state->retry_at_ms > ending->ended_ms) {
        wait_ms = state->retry_at_ms - ending->ended_ms;
    }
    if (wait_ms <= 0) {
        wait_ms = agent_wait_of_words(bytes_of(state->sentence), ending->local_ms);
    }
    state->retry_after_ms = state->done && state->good      ? 0
                            : wait_ms > AGENT_WAIT_NAMED_MS ? AGENT_WAIT_NAMED_MS
                                                            : wait_ms;
    state->retry_at_ms = 0;
    state->ended_ms = ending->ended_ms;
}

/* Words of the adapter and of the definition, which was checked. */
static void stderr_words_set(struct program_reader *reader, struct agent_ending *io_ending) {
    struct agent_stderr *into = reader->stderr_words;
    const struct agent_stderr *own = reader->program->stderr_words;
    size_t count = 0;
    for (; own != NULL && own[count].words != NULL; count++) {
        into[count] = own[count];
    }
    for (struct json_member at = json_first(reader->agent->stderr_words);
         at.value != NULL && count < READER_STDERR_MAX; at = json_next(at)) {
        if (agent_outcome_find(bytes_of(json_string_value(at.value)), &into[count].outcome)) {
            into[count++].words = at.key.data;
        }
    }
    io_ending->stderr_words = into;
    io_ending->stderr_count = count;
}

void program_finish(struct program_reader *reader, struct agent_ending *io_ending) {
    struct reader_state *state = &reader->state;
    stderr_words_set(reader, io_ending);
    if (session_is_lost(state, io_ending)) {
        state->native[0] = '\0';
        state->total = (struct usage){.fresh = 0};
        state->done = false; /* Else its result would end the turn. */
        state->sentence[0] = state->kind[0] = '\0';
        state->status = 0;
    }
    if (!state->done && reader->program->finish != NULL) {
        reader->program->finish(reader, io_ending);
    }
    reader->finished = true;
    if (usage_total(&state->open) > 0) { /* No result reported the sum. */
        reader_use(reader, &state->open);
        state->open = (struct usage){.fresh = 0};
    }
    wait_find(state, io_ending);
    io_ending->result = (struct agent_result){.present = state->done,
                                              .good = state->good,
                                              .said = state->has_said,
                                              .status = state->status,
                                              .kind = bytes_of(state->kind),
                                              .text = bytes_of(state->sentence),
                                              .retry_after_ms = state->retry_after_ms,
                                              .transport = bytes_of(state->transport)};
    io_ending->unread = state->lost_lines > 0;
}

void program_take_usage(struct program_reader *reader, struct usage *ret_usage,
                        struct usage_cost *ret_cost) {
    struct reader_state *state = &reader->state;
    /* Nothing so far costs nothing. A program that ended without a word about it may have used
     * any amount. */
    const bool nothing = usage_total(&state->ready) == 0 && (state->reported || !reader->finished);
    const bool known = state->priced || nothing;
    *ret_usage = state->ready;
    *ret_cost = (struct usage_cost){.known = known, .micros = state->priced ? state->cost : 0};
    if (!known && state->reported) { /* A cost of its own goes first. */
        const struct usage_price price = agent_definition_price(reader->agent);
        *ret_cost = usage_cost(&state->ready, &price);
    }
    state->ready = (struct usage){.fresh = 0};
    state->priced = false;
    state->cost = 0;
}

void program_reader_heard(struct program_reader *reader) {
    reader->state.unheard = false;
}

void program_reader_leave(struct program_reader *reader) {
    reader->state.native[0] = '\0';
    reader->state.blank = reader->state.unheard = true;
}

void reader_count_request(struct program_reader *reader) {
    reader->state.requests++;
    reader->state.unheard = false;
}

static void reader_event(struct program_reader *reader, const struct program_event *event) {
    const bool shows = event->kind != PROGRAM_STEP && event->kind != PROGRAM_DONE;
    reader->state.unheard = reader->state.unheard && !shows;
    reader->heard(reader->ctx, event);
}

void reader_say(struct program_reader *reader, enum program_event_kind kind, struct bytes text) {
    if (text.len > 0) {
        const struct program_event event = {.kind = kind, .text = text};
        reader->state.has_said = reader->state.has_said || kind == PROGRAM_TEXT;
        reader_event(reader, &event);
    }
}

void reader_message_end(struct program_reader *reader) {
    struct reader_state *state = &reader->state;
    const bool whole = !state->midway && state->kind[0] == '\0' && state->sentence[0] == '\0';
    state->progress = state->progress || (state->has_said && whole);
    state->retried = state->retried && !(state->has_said && whole);
}

void reader_discard(struct program_reader *reader) {
    const struct program_event event = {.kind = PROGRAM_DISCARDED};
    reader->state.has_said = reader->state.has_said && reader->state.progress;
    reader->heard(reader->ctx, &event);
}

void reader_retry(struct program_reader *reader, int64_t status, int64_t wait_ms) {
    const struct program_event event = {
        .kind = PROGRAM_RETRYING, .status = status, .wait_ms = wait_ms};
    reader->state.retried = true;
    reader->heard(reader->ctx, &event);
}

void reader_tell(struct program_reader *reader, enum program_event_kind kind) {
    const struct program_event event = {.kind = kind};
    if (kind == PROGRAM_STEP) {
        reader_message_end(reader);
    }
    reader_event(reader, &event);
}

void reader_start_tool(struct program_reader *reader, struct bytes id, struct bytes tool,
                       const json_t *input) {
    AUTO(text_done) struct text text = text_up_to(PROGRAM_LINE_MAX);
    AUTO(json_release)
    json_t *object = json_is_object(input) ? json_incref((json_t *)input)
                                           : json_pack("{s:O*}", "input", (json_t *)input);
    if (object == NULL || err_failed(json_write(object, &text))) {
        text_clear(&text);
    }
    const struct program_event event = {.kind = PROGRAM_TOOL_STARTED,
                                        .id = id,
                                        .tool = tool,
                                        .arguments =
                                            text.len == 0 ? BYTES("{}") : text_bytes(&text)};
    reader_event(reader, &event);
}

bool reader_tool_open(struct program_reader *reader, struct bytes id) {
    char *tools = reader->state.tools;
    const size_t len = strlen(tools);
    if (id.len == 0 || len + id.len + 1 > READER_TOOLS_MAX || memchr(id.data, '\n', id.len)) {
        return false;
    }
    memcpy(tools + len, id.data, id.len);
    memcpy(tools + len + id.len, "\n", 2);
    return true;
}

bool reader_tool_close(struct program_reader *reader, struct bytes id) {
    struct bytes rest = bytes_of(reader->state.tools), tool;
    while (bytes_next(&rest, '\n', &tool)) {
        if (tool.len > 0 && bytes_equal(tool, id)) {
            memmove(reader->state.tools + (tool.data - reader->state.tools), rest.data,
                    rest.len + 1);
            return true;
        }
    }
    return false;
}

void reader_finish_tool(struct program_reader *reader, struct bytes id, struct bytes result,
                        enum reader_tool how) {
    static const char mark[] = "\n" CUT_MARK;
    AUTO(text_done) struct text text = text_up_to(PROGRAM_TEXT_MAX + sizeof mark);
    struct program_event event = {.kind = PROGRAM_TOOL_FINISHED,
                                  .id = id,
                                  .text = result,
                                  .failed = how == READER_TOOL_FAILED};
    if (result.len > PROGRAM_TEXT_MAX) {
        text_add(&text, result.data, utf8_cut(result, PROGRAM_TEXT_MAX));
        text_add_str(&text, mark);
        event.text = text_bytes(&text);
    }
    reader->state.progress = true;
    reader->state.retried = false;
    reader_event(reader, &event);
}

void reader_text_of(const json_t *value, struct text *text) {
    if (json_is_string(value)) {
        text_add(text, json_string_value(value), json_string_length(value));
    } else if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            const struct bytes part = json_bytes(json_array_get(value, i), "text");
            text_add_str(text, text->len > 0 && part.len > 0 ? "\n" : "");
            text_add(text, part.data, part.len);
        }
    } else if (value != NULL && !json_is_null(value)) {
        (void)err_failed(json_write(value, text)); /* As much as fits is shown. */
    }
}

void reader_set_native(struct program_reader *reader, struct bytes native) {
    if (native.len > 0) {
        word_set(reader->state.native, sizeof reader->state.native, native);
    }
}

void reader_set_model(struct program_reader *reader, struct bytes model) {
    if (model.len > 0) {
        word_set(reader->state.model, sizeof reader->state.model, model);
    }
}

void reader_set_transport(struct program_reader *reader, struct bytes transport) {
    if (transport.len > 0) {
        word_set(reader->state.transport, sizeof reader->state.transport, transport);
    }
}

void reader_set_note(struct program_reader *reader, struct bytes note) {
    word_set(reader->state.note, sizeof reader->state.note, note);
}

void reader_set_message(struct program_reader *reader, struct bytes id) {
    word_set(reader->state.message, sizeof reader->state.message, id);
}

void reader_set_fault(struct program_reader *reader, struct bytes kind, struct bytes sentence) {
    word_set(reader->state.kind, sizeof reader->state.kind, kind);
    word_set(reader->state.sentence, sizeof reader->state.sentence, sentence);
}

void reader_finish_fault(struct program_reader *reader, struct agent_ending *io_ending) {
    const struct reader_state *state = &reader->state;
    (void)io_ending;
    reader->state.done = state->sentence[0] != '\0' || state->kind[0] != '\0';
    reader->state.good = false;
}

void reader_name(struct program_reader *reader, struct bytes id) {
    const struct program_event event = {.kind = PROGRAM_READ, .id = id};
    reader->state.names = true;
    reader_event(reader, &event);
}

void reader_go_on(struct program_reader *reader) {
    if (reader->state.done) {
        reader->state.done = false;
        reader_tell(reader, PROGRAM_READ);
    }
}

void reader_done(struct program_reader *reader) {
    struct reader_state *state = &reader->state;
    state->done = state->good = true;
    state->kind[0] = state->sentence[0] = '\0';
    state->status = 0;
    reader_tell(reader, PROGRAM_DONE);
}

void reader_failed(struct program_reader *reader, struct bytes kind, struct bytes sentence,
                   int64_t status) {
    struct reader_state *state = &reader->state;
    state->done = true;
    state->good = false;
    word_set(state->kind, sizeof state->kind, kind);
    word_set(state->sentence, sizeof state->sentence, sentence);
    state->status = status > 0 && status < 1000 ? status : 0;
    reader_tell(reader, PROGRAM_DONE);
}

void reader_use(struct program_reader *reader, const struct usage *usage) {
    usage_add(&reader->state.ready, usage);
    reader->state.reported = reader->state.reported || usage_total(usage) > 0;
}

static struct usage usage_since(const struct usage *now, const struct usage *before) {
    struct usage usage = *now;
#define X(member) usage.member = now->member > before->member ? now->member - before->member : 0;
    USAGE_MEMBERS(X)
#undef X
    return usage;
}

void reader_use_sum(struct program_reader *reader, struct usage *io_before,
                    const struct usage *now) {
    const struct usage since = usage_since(now, io_before);
    reader_use(reader, &since);
    *io_before = *now;
}

/* Rounded up; -1: it is none. A sum of decimals is a hair above what it means. */
static int64_t micros_of(const json_t *dollars) {
    const double value = json_is_number(dollars) ? json_number_value(dollars) : -1;
    return value >= 0 && value < 1e6 ? (int64_t)(value * 1e6 + 0.999) : -1;
}

static void price_add(struct program_reader *reader, int64_t micros) {
    struct reader_state *state = &reader->state;
    state->priced = state->reported = true;
    state->cost += micros;
}

void reader_price(struct program_reader *reader, const json_t *dollars) {
    const int64_t micros = micros_of(dollars);
    if (micros >= 0) {
        price_add(reader, micros);
    }
}

void reader_price_sum(struct program_reader *reader, const json_t *dollars) {
    struct reader_state *state = &reader->state;
    const int64_t micros = micros_of(dollars);
    if (micros >= 0) {
        price_add(reader, micros > state->billed ? micros - state->billed : 0);
        state->billed = micros > state->billed ? micros : state->billed;
    }
}

int64_t reader_number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) && json_integer_value(value) >= 0 ? json_integer_value(value)
                                                                    : -1;
}
