/* program.c: turns that a program answers (engine/turn/program.h): its process is begun, and what
 * it prints is read, a stretch at a time.
 *
 *   IDLE ──call──> ASKING (for the prompt) ──> PAUSING (after a failure) ──> STARTING
 *     ^  └──call of a process that is there──┐                                   │
 *     │                                      v                                   │
 *     │   a stretch is whole: flushed     READING <──────────────────────────────┘
 *     │                                   │  ^ └─ it has nothing more to say ─> CLOSING (its input)
 *     │<──────────────────────────────────│  ^ │ nothing is there
 *     │         its end is judged         │  │ v
 *     │<──────────────────────────────────┘  LISTENING ──> LOOKING (has it ended?)
 *     └── cancelled, from each of them
 *
 * READING is in the pool: lines become items of the answer there. What was read is stored with the
 * answer, so a stretch that is not stored is read again. The process is not touched here: jobs
 * begin it, adopt it and stop it. */
#include <stdio.h>

#include "agent/program.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"
#include "rules/agent/prompt.h"

enum {
    CHUNK = 64 << 10, /* Bytes that are read at once; a longer line makes it more. */
    CHUNK_MAX = PROGRAM_LINE_MAX + 1,
    TAIL = 8 << 10,        /* Last bytes of stderr. */
    LOG_BYTES = 512 << 20, /* Output that is kept. */
    TASK_MAX = 4 << 20,
    PIECES_MAX = 4096,
    LEAVE_MS = 10000,          /* For it to end, once it has said its result. */
    LOOK_MS = 500,             /* Between two looks whether a silent process has ended. */
    STRETCH_BYTES = 256 << 10, /* Text of one answer. */
    SENTENCE_MAX = 400,
};

enum program_state {
    PROGRAM_IDLE,
    PROGRAM_ASKING,
    PROGRAM_PAUSING,
    PROGRAM_STARTING,
    PROGRAM_READING,
    PROGRAM_LISTENING,
    PROGRAM_LOOKING,
    PROGRAM_CLOSING,
    PROGRAM_STATES
};

#define TO(state) (1U << PROGRAM_##state)
static const unsigned edges[PROGRAM_STATES] = {
    [PROGRAM_IDLE] = TO(IDLE) | TO(ASKING) | TO(READING) | TO(LISTENING),
    [PROGRAM_ASKING] = TO(IDLE) | TO(PAUSING) | TO(STARTING),
    [PROGRAM_PAUSING] = TO(IDLE) | TO(STARTING),
    [PROGRAM_STARTING] = TO(IDLE) | TO(LISTENING),
    [PROGRAM_READING] = TO(IDLE) | TO(READING) | TO(LISTENING) | TO(LOOKING) | TO(CLOSING),
    [PROGRAM_LISTENING] = TO(IDLE) | TO(READING) | TO(LOOKING),
    [PROGRAM_CLOSING] = TO(IDLE) | TO(READING) | TO(LISTENING),
    [PROGRAM_LOOKING] = TO(IDLE) | TO(READING) | TO(LISTENING),
};
#undef TO

/* A read found nothing new; a part of a stretch, or of a line; a whole stretch, to be stored. */
enum program_found { FOUND_NOTHING, FOUND_MORE, FOUND_WHOLE };
/* The result ends the input: it has come; the end of the input was stored. */
enum program_input { INPUT_GOES_ON, INPUT_ENDS, INPUT_ENDED };
/* After an answer: the process is followed on, another one begins, or the turn ends. */
enum program_sequel { SEQUEL_FOLLOW, SEQUEL_AGAIN, SEQUEL_END };

/* A piece of text for clients that watch. */
struct program_piece {
    enum turn_item_kind kind;
    size_t at, len; /* In `said`. */
};

struct talk_program {
    struct table_node node; /* By `process`, while that is known. */
    struct talk *talk;
    enum program_state state;
    json_t *json; /* Owned: the definition borrows from it. */
    struct agent_definition agent;
    const struct program *program;
    struct program_reader *reader; /* Owned. */
    char process[ID_SIZE];         /* "": it has not begun. */
    int64_t attempt;               /* 0: it has not begun. */
    int64_t read_to, seen_to;      /* Whole lines; all that was seen. */
    struct program_child child;    /* As it was looked at last. */
    struct dispatch_watch watch;
    struct timer timer;
    struct ask ask;
    struct text prompt, saved, spec; /* Owned. */
    struct id run, begun;            /* Name of the process that begins, and of the one that did. */
    int64_t input_from;              /* and bytes of its first input; -1: no more may follow. */
    /* For a read, in the pool: */
    char *buffer; /* Owned. */
    size_t size, used;
    struct err err;
    struct text said; /* Owned: texts of the pieces. */
    struct program_piece pieces[PIECES_MAX];
    size_t piece_count;
    enum program_found found;
    char tail[TAIL];
    size_t tail_len;
    /* For the answer: */
    struct text mark; /* Owned: state of the reader. */
    enum program_input input;
    uint64_t done_ms;
    enum program_sequel sequel;
    enum run_cause failure;
    const char *outcome;
    char sentence[SENTENCE_MAX];
};

static void program_enter(struct talk_program *program, enum program_state state) {
    assert((edges[program->state] & 1U << state) != 0);
    program->state = state;
}

/* --- Its life --------------------------------------------------------------------------------- */

static void program_forget(struct talk_program *program) {
    if (program->node.name.len > 0) {
        table_remove(&program->talk->turns->processes, &program->node);
        program->node.name = BYTES("");
    }
    program->process[0] = '\0';
    program->attempt = 0;
    program->input = INPUT_GOES_ON;
}

static void program_rest(struct talk_program *program) {
    struct loop *loop = program->talk->turns->options.loop;
    dispatch_watch_stop(&program->watch);
    timer_stop(loop, &program->timer);
}

bool program__is_away(const struct talk_program *program) {
    return program != NULL && program->ask.state == ASK_AWAY;
}

void program__free(struct talk *talk) {
    struct talk_program *program = talk->program;
    if (program == NULL) {
        return;
    }
    talk->program = NULL;
    program_rest(program);
    program_forget(program);
    ask_drop(&program->ask);
    program_reader_free(program->reader);
    json_decref(program->json);
    text_done(&program->prompt);
    text_done(&program->saved);
    text_done(&program->spec);
    text_done(&program->said);
    text_done(&program->mark);
    mem_free(program->buffer);
    mem_free(program);
}

static void ask_dropped(void *ctx) {
    const struct talk_program *program = ctx;
    talk__maybe_free(program->talk);
}

static struct talk_program *program_new(struct talk *talk) {
    static const struct ask_rules rules = {.words = {.effect = "follow a program"},
                                           .dropped = ask_dropped};
    struct talk_program *program = mem_new(sizeof *program);
    program->talk = talk;
    program->size = CHUNK;
    program->buffer = mem_new_array(CHUNK_MAX + 1, 1);
    ask_init(&program->ask, &talk->turns->asker, &rules, program);
    program->ask.run = talk__run(talk);
    text_init(&program->prompt, TASK_MAX);
    text_init(&program->saved, PROGRAM_STATE_MAX);
    text_init(&program->spec, RUN_SPEC_MAX);
    text_init(&program->said, CHUNK_MAX + (64 << 10));
    text_init(&program->mark, PROGRAM_STATE_MAX);
    return program;
}

/* The definition was checked before it was stored. */
static bool program_define(struct talk_program *program, struct bytes definition) {
    return !err_failed(json_parse_wrapped(definition, &program->json, NULL)) &&
           !err_failed(agent_definition_read(program->json, &program->agent, NULL)) &&
           (program->program = program_find(bytes_of(program->agent.program))) != NULL;
}

/* --- A stretch ends --------------------------------------------------------------------------- */

static void program_flush(struct talk_program *program) {
    program_enter(program, PROGRAM_IDLE);
    program_rest(program);
    talk__flush(program->talk);
}

static void program_fail(struct talk_program *program, enum run_cause cause, const char *words) {
    program->sequel = SEQUEL_END;
    program->failure = cause;
    (void)snprintf(program->sentence, sizeof program->sentence, "%s", words);
    program_flush(program);
}

void program__fill_answer(struct talk *talk, struct talk_errand *errand) {
    struct talk_program *program = talk->program;
    struct turn_answer *answer = &errand->answer;
    text_clear(&program->mark);
    if (program->reader != NULL) {
        program_take_usage(program->reader, &answer->usage, &answer->cost);
        program_reader_save(program->reader, &program->mark);
    }
    answer->tries = 1;
    answer->window = 0;
    answer->paused = program->sequel != SEQUEL_END;
    answer->truncated = false;
    answer->failure = program->failure;
    answer->sentence = bytes_of(program->sentence);
    errand->mark = (struct program_mark){.read_to = program->read_to,
                                         .reader = text_bytes(&program->mark),
                                         .again = program->sequel == SEQUEL_AGAIN,
                                         .outcome = bytes_of(program->outcome)};
    answer->program = &errand->mark;
    if (program->sequel == SEQUEL_AGAIN) {
        program_forget(program);
    }
}

void program__cancel(struct talk *talk) {
    struct talk_program *program = talk->program;
    if (talk->state != TALK_CALLING || program->state == PROGRAM_STARTING ||
        program->state == PROGRAM_LOOKING || program->state == PROGRAM_READING ||
        program->state == PROGRAM_CLOSING) {
        return; /* The read or the question under way comes back, and finds talk->stop. */
    }
    talk->call.interrupted = true;
    if (talk__is_over(talk)) {
        program_rest(program);
    } else {
        program_flush(program);
    }
}

/* After a read or a question. True: the turn is over, or is to stop; the program may be gone. */
static bool program_is_over(struct talk_program *program) {
    struct talk *talk = program->talk;
    if (talk__is_over(talk)) {
        talk__maybe_free(talk);
        return true;
    }
    if (talk->stop && talk->state == TALK_CALLING) {
        talk->call.interrupted = true;
        program_flush(program);
        return true;
    }
    return false;
}

/* --- Lines, in the pool ----------------------------------------------------------------------- */

static void piece_add(struct talk_program *program, enum turn_item_kind kind, struct bytes text) {
    struct program_piece *last =
        program->piece_count == 0 ? NULL : &program->pieces[program->piece_count - 1];
    said_add(&program->talk->call.said, kind, text);
    if (last == NULL || last->kind != kind) {
        if (program->piece_count == PIECES_MAX) {
            program->found = FOUND_WHOLE; /* The others come with what is stored. */
            return;
        }
        last = &program->pieces[program->piece_count++];
        *last = (struct program_piece){.kind = kind, .at = program->said.len};
    }
    text_add(&program->said, text.data, text.len);
    last->len += text.len;
}

static void item_set(struct said_item *item, enum said_text which, struct bytes text) {
    text_add(&item->texts[which], text.data, text.len);
}

static void tool_add(struct talk_program *program, enum turn_item_kind kind,
                     const struct program_event *event) {
    struct said_item *item = said_add_tool(&program->talk->call.said, kind);
    if (item != NULL) {
        item_set(item, SAID_ID, event->id);
        item_set(item, SAID_NAME, event->tool);
        item_set(item, SAID_TEXT, event->arguments);
        item_set(item, SAID_REFUSAL, event->text);
        item->call.cause = event->failed ? CARD_RUN_FAILED : CARD_DONE;
    }
}

/* The subject for rules of the session: a command, a path, an address. */
static struct bytes subject_of(const json_t *arguments, enum glob_kind *ret_kind) {
    static const struct {
        const char *member;
        enum glob_kind kind;
    } members[] = {{"command", GLOB_WORDS},
                   {"url", GLOB_WORDS},
                   {"file_path", GLOB_PATH},
                   {"path", GLOB_PATH},
                   {"notebook_path", GLOB_PATH}};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const struct bytes text = json_bytes(arguments, members[i].member);
        if (text.len > 0) {
            *ret_kind = members[i].kind;
            return text;
        }
    }
    *ret_kind = GLOB_WORDS;
    return BYTES("");
}

static enum permission question_judge(const struct talk_program *program,
                                      const struct program_event *event) {
    AUTO(toolplace_close) struct toolplace place = {0};
    AUTO(json_release) json_t *settings = NULL, *arguments = NULL;
    const struct bytes given = program->talk->plan.settings;
    if ((given.len > 0 && err_failed(json_parse_wrapped(given, &settings, NULL))) ||
        err_failed(json_parse_wrapped(event->arguments, &arguments, NULL))) {
        return PERMISSION_ASK;
    }
    toolplace_read_rules(&place, settings);
    enum glob_kind kind;
    const struct bytes subject = subject_of(arguments, &kind);
    const struct permission_question question = {.tool = event->tool,
                                                 .kind = kind,
                                                 .subjects = &subject,
                                                 .subject_count = subject.len > 0,
                                                 .otherwise = PERMISSION_ASK};
    return permission_judge(&place.rules, &question).permission;
}

static void question_add(struct talk_program *program, const struct program_event *event) {
    static const char denied[] = "A rule of this session forbids this.";
    struct said_item *item = said_add_tool(&program->talk->call.said, TURN_ITEM_QUESTION);
    const enum permission permission = question_judge(program, event);
    const struct sha256 digest = sha256_of(event->arguments.data, event->arguments.len);
    const struct sha256_hex hex = sha256_hex(&digest);
    if (item == NULL) {
        return;
    }
    item_set(item, SAID_ID, event->text);
    item_set(item, SAID_NAME, event->tool);
    item_set(item, SAID_TEXT, event->arguments);
    item_set(item, SAID_ABOUT, event->id);
    item_set(item, SAID_DIGEST, bytes_of(hex.text));
    item_set(item, SAID_REFUSAL, permission == PERMISSION_DENY ? BYTES(denied) : BYTES(""));
    item->call.verdict = permission == PERMISSION_DENY    ? TURN_REFUSE
                         : permission == PERMISSION_ALLOW ? TURN_ALLOW
                                                          : TURN_ASK;
}

static void on_event(void *ctx, const struct program_event *event) {
    struct talk_program *program = ctx;
    switch (event->kind) {
    case PROGRAM_TEXT:
        piece_add(program, TURN_ITEM_TEXT, event->text);
        break;
    case PROGRAM_THINKING:
        piece_add(program, TURN_ITEM_THINKING, event->text);
        break;
    case PROGRAM_TOOL_STARTED:
        tool_add(program, TURN_ITEM_TOOL, event);
        break;
    case PROGRAM_TOOL_FINISHED:
        tool_add(program, TURN_ITEM_TOOL_END, event);
        break;
    case PROGRAM_QUESTION:
        question_add(program, event);
        program->found = FOUND_WHOLE;
        break;
    case PROGRAM_DONE:
        program->input = program->input == INPUT_GOES_ON ? INPUT_ENDS : program->input;
        break;
    case PROGRAM_STEP: /* The last words of the answer are stored with its end. */
        if (said_has_tools(&program->talk->call.said)) {
            program->found = FOUND_WHOLE;
        }
        break;
    case PROGRAM_RETRYING:
        break;
    }
}

/* Lines of `len` bytes at the front of the buffer, up to the end of a stretch. */
static void lines_read(struct talk_program *program, size_t len) {
    const bool full = len >= CHUNK_MAX, ended = program->child.ended;
    program->used = 0;
    while (program->found != FOUND_WHOLE && program->used < len) {
        const char *begin = program->buffer + program->used;
        const size_t rest = len - program->used;
        const char *end = memchr(begin, '\n', rest);
        if (end == NULL && !(full && program->used == 0) && !ended) {
            return; /* The rest of the line is not there yet. */
        }
        const size_t line = end == NULL ? rest : (size_t)(end - begin);
        const bool cut = line > PROGRAM_LINE_MAX || (end == NULL && full);
        const struct bytes bytes = {begin, line > PROGRAM_LINE_MAX ? PROGRAM_LINE_MAX : line};
        program_read(program->reader, bytes, cut ? PROGRAM_LINE_CUT : PROGRAM_LINE_WHOLE, on_event,
                     program);
        program->used += line + (end != NULL);
    }
}

/* The end of what it wrote to stderr. */
static void tail_read(struct talk_program *program, const char *name) {
    const struct spool *spool = program->talk->turns->options.spool;
    struct log_place place = {name, LOG_ERR, INT64_MAX};
    struct log_read got = {.len = 0};
    program->tail_len = 0;
    if (err_failed(spool_log_read(spool, &place, program->tail, 0, &got))) {
        return; /* Then it is judged without. */
    }
    place.offset = got.size > TAIL ? got.size - TAIL : 0;
    if (!err_failed(spool_log_read(spool, &place, program->tail, TAIL, &got))) {
        program->tail_len = got.len;
    }
}

static void read_run(struct pool_job *job) {
    struct talk *talk = CONTAINER_OF(job, struct talk, job);
    struct talk_program *program = talk->program;
    char name[PROTOCOL_NAME_MAX];
    struct log_read got = {.len = 0};
    (void)snprintf(name, sizeof name, "%s.%lld", program->process, (long long)program->attempt);
    const struct log_place place = {name, LOG_OUT, program->read_to};
    program->piece_count = 0;
    program->found = FOUND_NOTHING;
    program->used = 0;
    text_clear(&program->said);
    program->err =
        spool_log_read(talk->turns->options.spool, &place, program->buffer, program->size, &got);
    if (err_failed(program->err)) {
        return;
    }
    if (got.len > 0 &&
        got.offset > program->read_to) { /* Some was dropped: from a whole line on. */
        const char *end = memchr(program->buffer, '\n', got.len);
        const size_t skipped = end == NULL ? got.len : (size_t)(end + 1 - program->buffer);
        program->read_to = got.offset + (int64_t)skipped;
        program->found = FOUND_MORE;
        return;
    }
    lines_read(program, got.len);
    program->read_to += (int64_t)program->used;
    program->seen_to = program->used > 0 ? program->read_to : got.offset + (int64_t)got.len;
    if (program->found == FOUND_NOTHING && program->used > 0) {
        program->found = FOUND_MORE;
    }
    if (program->used == 0 && got.len == program->size && program->size < CHUNK_MAX) {
        program->size = program->size * 4 < CHUNK_MAX ? program->size * 4 : CHUNK_MAX;
        program->found = FOUND_MORE;
    }
    if (program->child.ended && program->found == FOUND_NOTHING) {
        tail_read(program, name);
    }
}

/* --- Following -------------------------------------------------------------------------------- */

static void program_go_on(struct talk_program *program);
static void program_listen(struct talk_program *program);
static void program_end(struct talk_program *program);
static void program_close(struct talk_program *program);

static void output_read(struct pool_job *job) {
    struct talk *talk = CONTAINER_OF(job, struct talk, job);
    struct talk_program *program = talk->program;
    struct talk_call *call = &talk->call;
    if (!talk__is_back(talk)) {
        return;
    }
    for (size_t i = 0; i < program->piece_count; i++) {
        const struct program_piece *piece = &program->pieces[i];
        const struct bytes text = {program->said.data + piece->at, piece->len};
        call->alive_ms = turns__now_ms(talk->turns);
        call->heard += piece->len;
        deltas_add(&call->deltas, piece->kind == TURN_ITEM_TEXT ? DELTA_TEXT : DELTA_THINKING,
                   text);
    }
    if (program_is_over(program)) {
        return;
    }
    if (program->found == FOUND_WHOLE || call->heard > STRETCH_BYTES) {
        program_flush(program);
    } else if (program->input == INPUT_ENDS) {
        program_close(program);
    } else if (program->found == FOUND_MORE) {
        program_go_on(program);
    } else if (program->child.ended) {
        program_end(program);
    } else {
        program_listen(program);
    }
}

/* Reads on. A process that has not begun has printed nothing. */
static void program_go_on(struct talk_program *program) {
    if (program->attempt == 0) {
        program_listen(program);
        return;
    }
    program_enter(program, PROGRAM_READING);
    talk__pool(program->talk, read_run, output_read);
}

static struct err close_tx(struct tx *tx, void *ctx) {
    const struct talk_program *program = ctx;
    return tx_program_close(tx, bytes_of(program->process));
}

static void close_done(void *ctx) {
    struct talk_program *program = ctx;
    program__input(program->talk);
    if (!program_is_over(program)) {
        program_go_on(program);
    }
}

static void program_close(struct talk_program *program) {
    program_enter(program, PROGRAM_CLOSING);
    program->input = INPUT_ENDED;
    program->done_ms = turns__now_ms(program->talk->turns);
    ask_write(&program->ask, close_tx, close_done);
}

static struct err look_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    return tx_program_child(tx, bytes_of(program->process), &program->child);
}

/* A process whose row is gone has ended, and nobody knows how. */
static void look_done(void *ctx) {
    struct talk_program *program = ctx;
    struct program_child *child = &program->child;
    if (program_is_over(program)) {
        return;
    }
    if (!child->found) {
        *child = (struct program_child){.ended = true, .state = RUN_LOST, .exit_code = -1};
    }
    /* A process that stays after its result is ended with the turn. */
    if (!child->ended && program->input == INPUT_ENDED &&
        turns__now_ms(program->talk->turns) - program->done_ms > LEAVE_MS) {
        child->ended = true;
    }
    program->attempt = child->attempt;
    if (child->ended && child->attempt == 0) {
        program_end(program);
    } else if (child->ended || program->read_to < program->seen_to || child->attempt > 0) {
        program_go_on(program);
    } else {
        program_listen(program);
    }
}

static void program_look(struct talk_program *program) {
    program_rest(program);
    program_enter(program, PROGRAM_LOOKING);
    ask_read(&program->ask, look_tx, look_done);
}

static void on_ready(struct dispatch_watch *watch) {
    program_look(CONTAINER_OF(watch, struct talk_program, watch));
}

static void on_look(struct timer *timer) {
    program_look(CONTAINER_OF(timer, struct talk_program, timer));
}

/* Wakes come from the log, from the row of the process, and, should both be lost, from a timer. */
static void program_listen(struct talk_program *program) {
    const struct turns_options *options = &program->talk->turns->options;
    char name[PROTOCOL_NAME_MAX];
    if (program->state != PROGRAM_LISTENING) {
        program_enter(program, PROGRAM_LISTENING);
    }
    (void)snprintf(name, sizeof name, "%s.%lld", program->process, (long long)program->attempt);
    const struct log_place place = {name, LOG_OUT, program->seen_to};
    if (program->attempt > 0) {
        dispatch_watch_start(options->dispatch, &place, &program->watch, on_ready);
    }
    timer_start(options->loop, &program->timer, LOOK_MS, on_look);
}

void program__hear(struct turns *turns, const struct run_row *process) {
    struct table_node *node = table_find(&turns->processes, process->run);
    struct talk_program *program =
        node == NULL ? NULL : CONTAINER_OF(node, struct talk_program, node);
    if (program != NULL && program->state == PROGRAM_LISTENING) {
        program_look(program);
    }
}

/* --- Its end ---------------------------------------------------------------------------------- */

static void ending_fill(const struct talk_program *program, struct agent_ending *ending) {
    const struct program_child *child = &program->child;
    *ending = (struct agent_ending){.exit = AGENT_VANISHED,
                                    .code = (int)child->exit_code,
                                    .signal = (int)child->signal,
                                    .stderr_tail = {program->tail, program->tail_len}};
    switch (child->cause) {
    case CAUSE_NOT_STARTED:
    case CAUSE_NO_DESCRIPTORS:
        ending->exit = AGENT_NOT_STARTED;
        break;
    case CAUSE_COMPLETED:
    case CAUSE_EXIT_CODE:
        ending->exit = AGENT_EXITED;
        break;
    case CAUSE_SIGNAL:
        ending->exit = AGENT_SIGNALED;
        break;
    case CAUSE_DEADLINE:
        ending->ender = AGENT_DEADLINE;
        break;
    case CAUSE_PROCESSES:
        ending->ender = AGENT_OVER_LIMIT;
        break;
    case CAUSE_STOPPED:
    case CAUSE_PARENT_ENDED:
    case CAUSE_CALLED_OFF:
        ending->ender = AGENT_STOPPED;
        break;
    default:
        break;
    }
}

/* The sentence for the user: the verdict, and the program's own words. */
static void sentence_write(struct talk_program *program, enum agent_outcome outcome,
                           const struct agent_ending *ending) {
    AUTO(text_done) struct text text = text_up_to(SENTENCE_MAX * 4);
    const struct agent_result *result = &ending->result;
    struct bytes words = result->text.len > 0 ? result->text : ending->stderr_tail;
    agent_outcome_tell(outcome, program->agent.name, &text);
    words = bytes_trim(words, " \t\r\n");
    const char *line = words.len == 0 ? NULL : memrchr(words.data, '\n', words.len);
    if (line != NULL) {
        words.len -= (size_t)(line + 1 - words.data);
        words.data = line + 1;
    }
    if (words.len > 0 && text.len > 0) {
        text_add_str(&text, ": ");
        text_add(&text, words.data, words.len);
    }
    const size_t len = utf8_cut(text_bytes(&text), sizeof program->sentence - 1);
    memcpy(program->sentence, text_bytes(&text).data, len);
    program->sentence[len] = '\0';
}

/* Another attempt goes on in the session of the program; where it has none, it begins again only if
 * it has said nothing yet. */
static void program_end(struct talk_program *program) {
    const struct turn_plan *plan = &program->talk->plan;
    struct agent_ending ending;
    ending_fill(program, &ending);
    program_finish(program->reader, &ending);
    const struct agent_verdict verdict = agent_classify(&ending);
    const char *outcome = agent_outcome_name(verdict.outcome);
    const int64_t count = bytes_is(plan->outcome, outcome) ? plan->tries + 1 : 1;
    const struct agent_next next = agent_next(verdict.outcome, count, 0 /* not named */);
    const struct program_seen seen = program_seen(program->reader);
    const bool resumes =
        (program_can(program->program) & PROGRAM_RESUMES) != 0 && seen.native.len > 0;
    /* After a stop, or at a limit, nothing begins again. */
    const bool again = ending.ender == AGENT_ITSELF &&
                       (next.remedy == AGENT_RESUMES || next.remedy == AGENT_RETRIES);
    program->outcome = outcome;
    if (again && (resumes || !ending.result.said)) {
        program->sequel = SEQUEL_AGAIN;
        program_flush(program);
        return;
    }
    sentence_write(program, verdict.outcome, &ending);
    program->sequel = SEQUEL_END;
    program->failure =
        next.remedy == AGENT_SUCCEEDS ? CAUSE_NONE : agent_outcome_cause(verdict.outcome);
    program_flush(program);
}

/* --- Its begin -------------------------------------------------------------------------------- */

static void program_follow(struct talk_program *program, struct bytes process) {
    struct table *processes = &program->talk->turns->processes;
    if (!bytes_is(process, program->process)) {
        program_forget(program);
        memcpy(program->process, process.data, process.len);
        program->process[process.len] = '\0';
        program->node.name = bytes_of(program->process);
        table_add(processes, &program->node);
    }
}

static struct err start_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    const struct talk *talk = program->talk;
    const struct turns_options *options = &talk->turns->options;
    const struct program_start_new start = {
        .key = {.run = talk__run(talk), .attempt = talk->attempt, .bounds = options->bounds},
        .step = talk->plan.step,
        .reader = text_bytes(&program->mark),
        .run = {.run = program->run,
                .key = BYTES(""),
                .label = bytes_of(program->agent.name),
                .spec = text_bytes(&program->spec),
                .input_open = program->input_from >= 0,
                .input_from = program->input_from > 0 ? program->input_from : 0,
                .kind = KIND_JOB,
                .bounds = options->bounds}};
    return tx_program_start(tx, &start, &program->begun);
}

static void start_done(void *ctx) {
    struct talk_program *program = ctx;
    struct talk *talk = program->talk;
    if (program->begun.text[0] == '\0') { /* The turn was ended meanwhile. */
        talk->stop = true;
    } else {
        program_follow(program, bytes_of(program->begun.text));
        program->read_to = program->seen_to = 0;
        program->child = (struct program_child){.exit_code = -1};
    }
    if (!program_is_over(program)) {
        program_listen(program);
    }
}

/* The job: its command, and what it may use. */
static struct err spec_write(struct talk_program *program, const struct program_command *command) {
    const struct turn_plan *plan = &program->talk->plan;
    const struct agent_definition *agent = &program->agent;
    struct text *spec = &program->spec;
    text_clear(spec);
    text_add_str(spec, "{\"argv\":[");
    for (size_t i = 0; i < command->argc; i++) {
        text_add_str(spec, i > 0 ? "," : "");
        text_add_json(spec, command->argv[i], strlen(command->argv[i]));
    }
    text_add_char(spec, ']');
    if (plan->root.len > 0) {
        text_add_member(spec, "cwd", plan->root);
    }
    if (plan->path.len > 0) {
        text_add_member(spec, "path", plan->path);
    }
    if (agent->env != NULL) {
        text_add_name(spec, "env");
        if (err_failed(json_write(agent->env, spec))) {
            return text_error(spec, "turns: program");
        }
    }
    if (command->input.len > 0) {
        text_add_member(spec, "stdin", command->input);
    }
    text_add_member_bool(spec, "stdin_open", command->input_open);
    program->input_from = command->input_open ? (int64_t)command->input.len : -1;
    text_add_member_int(spec, "timeout_ms",
                        agent->deadline_ms > 0 ? agent->deadline_ms : AGENT_DEADLINE_MS);
    text_addf(spec, ",\"limits\":{\"output\":%d", LOG_BYTES);
    if (agent->memory > 0) {
        text_add_member_int(spec, "memory", agent->memory);
    }
    if (agent->processes > 0) {
        text_add_member_int(spec, "processes", agent->processes);
    }
    text_add_str(spec, "},\"agent\":true");
    if (agent->at_once > 0) {
        AUTO(text_done) struct text key = text_up_to(200);
        text_addf(&key, "drover/agent/%s", agent->name);
        text_add_member(spec, "key", text_bytes(&key));
        text_add_member_int(spec, "key_max", agent->at_once);
    }
    text_add_char(spec, '}');
    return text_failed(spec) ? text_error(spec, "turns: program") : ERR_OK;
}

/* Random ones, as programs want them (RFC 9562, version 4). */
enum { UUID_SIZE = 37 };
static void uuid_make(const struct talk *talk, char ret_text[UUID_SIZE]) {
    unsigned char bytes[16];
    world_random(loop_world(talk->turns->options.loop), bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    size_t at = 0;
    for (size_t i = 0; i < sizeof bytes; i++) {
        const bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        at += (size_t)snprintf(ret_text + at, UUID_SIZE - at, "%s%02x", dash ? "-" : "", bytes[i]);
    }
}

static struct err command_make(struct talk_program *program) {
    const struct turn_plan *plan = &program->talk->plan;
    char session[UUID_SIZE], message[UUID_SIZE];
    AUTO(text_done) struct text prompt = text_up_to(TASK_MAX);
    AUTO(arena_done) struct arena arena;
    struct program_command command;
    arena_init(&arena, (size_t)16 << 20);
    const struct program_seen seen = program_seen(program->reader);
    const bool resumes = plan->tries > 0 && seen.native.len > 0;
    if (resumes) {
        const struct agent_again again = {.number = plan->tries, .max = plan->tries};
        agent_prompt_again(again, &prompt);
    } else {
        text_add(&prompt, text_bytes(&program->prompt).data, program->prompt.len);
        if (plan->schema.len > 0) {
            agent_prompt_schema(plan->schema, &prompt);
        }
    }
    uuid_make(program->talk, session);
    uuid_make(program->talk, message);
    const struct program_start start = {
        .agent = &program->agent,
        .prompt = text_bytes(&prompt),
        .native = (program_can(program->program) & PROGRAM_RESUMES) != 0 ? seen.native : BYTES(""),
        .session = bytes_of(session),
        .message = bytes_of(message)};
    struct err err = text_failed(&prompt) ? text_error(&prompt, "turns: program") : ERR_OK;
    if (!err_failed(err)) {
        err = program_start_make(program->program, &start, &arena, &command);
    }
    return err_failed(err) ? err : spec_write(program, &command);
}

static void program_start(struct talk_program *program) {
    program_enter(program, PROGRAM_STARTING);
    text_clear(&program->mark);
    program_reader_save(program->reader, &program->mark);
    program->run = talk__new_id(program->talk, "run");
    ask_write(&program->ask, start_tx, start_done);
}

static void on_paused(struct timer *timer) {
    struct talk_program *program = CONTAINER_OF(timer, struct talk_program, timer);
    deltas_resumed(&program->talk->call.deltas);
    program_start(program);
}

/* After a failure that passes by itself it waits, visibly. */
static void program_pause(struct talk_program *program, int64_t wait_ms,
                          enum agent_outcome outcome) {
    struct talk *talk = program->talk;
    const struct world *world = loop_world(talk->turns->options.loop);
    const struct provider_wait wait = {.resume_at_ms = world_wall_ms(world) + wait_ms,
                                       .cause = agent_outcome_cause(outcome)};
    program_enter(program, PROGRAM_PAUSING);
    deltas_provider(&talk->call.deltas, &wait);
    timer_start(talk->turns->options.loop, &program->timer, (uint64_t)wait_ms, on_paused);
}

static struct err task_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    const struct talk *talk = program->talk;
    const struct turn_key key = {.run = talk__run(talk), .attempt = talk->attempt};
    struct program_task task = {.prompt = &program->prompt, .reader = &program->saved};
    return tx_program_task(tx, &key, &task);
}

static void task_done(void *ctx) {
    struct talk_program *program = ctx;
    struct talk *talk = program->talk;
    enum agent_outcome outcome;
    if (talk__is_over(talk)) {
        talk__maybe_free(talk);
        return;
    }
    talk__begin_call(talk);
    if (program->saved.len > 0 &&
        program_reader_load(program->reader, text_bytes(&program->saved))) {
        program_reader_begin(program->reader);
    }
    if (program_is_over(program)) {
        return;
    }
    if (err_failed(command_make(program))) {
        program_fail(program, CAUSE_NOT_STARTED, "what it is asked is too long for a command");
        return;
    }
    const bool failed = agent_outcome_find(talk->plan.outcome, &outcome);
    const int64_t wait_ms =
        failed && talk->plan.tries > 0 ? agent_next(outcome, talk->plan.tries, 0).wait_ms : 0;
    if (wait_ms > 0) {
        program_pause(program, wait_ms, outcome);
    } else {
        program_start(program);
    }
}

/* --- Calls ------------------------------------------------------------------------------------ */

static bool program_begin(struct talk *talk) {
    if (talk->program != NULL) {
        return talk->program->reader != NULL;
    }
    struct talk_program *program = talk->program = program_new(talk);
    if (program_define(program, talk->plan.program)) {
        program->reader = program_reader_new(program->program, &program->agent);
    }
    return program->reader != NULL;
}

void program__call(struct talk *talk) {
    const struct turn_plan *plan = &talk->plan;
    const bool known = program_begin(talk);
    struct talk_program *program = talk->program;
    program->sequel = SEQUEL_FOLLOW;
    program->failure = CAUSE_NONE;
    program->outcome = "";
    program->sentence[0] = '\0';
    program->child = (struct program_child){.exit_code = -1};
    if (!known) {
        talk__begin_call(talk);
        program_fail(program, CAUSE_NOT_STARTED, "the definition of its agent cannot be read");
        return;
    }
    if (plan->process.len == 0) {
        program_enter(program, PROGRAM_ASKING);
        ask_read(&program->ask, task_tx, task_done);
        return;
    }
    if (!program_reader_load(program->reader, plan->reader)) {
        program_reader_begin(program->reader); /* Nothing of this attempt was read yet. */
    }
    program_follow(program, plan->process);
    program->attempt = plan->process_attempt;
    program->read_to = program->seen_to = plan->read_to;
    talk__begin_call(talk);
    if (!program_is_over(program)) {
        program_go_on(program);
    }
}

/* --- Answers to its questions ----------------------------------------------------------------- */

void program__input(const struct talk *talk) {
    dispatch_input(talk->turns->options.dispatch, bytes_of(talk->program->process));
}

static void reply_done(struct talk_errand *errand) {
    program__input(errand->talk);
    errand__perform(errand);
}

void program__reply(struct talk *talk) {
    const struct turn_plan *plan = &talk->plan;
    const bool known = program_begin(talk);
    struct talk_errand *errand = talk__errand(talk, ERRAND_PROGRAM_REPLY, reply_done);
    struct program_replies *replies = &errand->replies;
    text_init(&errand->input, (size_t)8 << 20);
    replies->key = errand->key;
    program_follow(talk->program, plan->process);
    for (size_t i = 0; i < plan->card_count; i++) {
        const struct turn_card *card = &plan->cards[i];
        const struct program_reply reply = {.question = card->about,
                                            .arguments = card->arguments,
                                            .allowed = !card->denied,
                                            .reason = card->reason};
        replies->parts[replies->count++] = card->part;
        if (known) {
            program_reply_write(talk->program->program, &reply, &errand->input);
        }
    }
    replies->input = text_bytes(&errand->input);
    talk__send(errand);
}
