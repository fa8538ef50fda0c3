/* program_parked.c: a turn that waits for people, while its program may take a question back.
 *
 *   parked ──output──> reading (pool) ──a question is withdrawn──> storing ──> parked, or the turn
 *     ^                  └─none──┐                                              goes on
 *     └──────────────────────────┘
 *
 * Only such lines are looked for: the rest of the output is read when the turn goes on, from the
 * place that is stored. A daemon that is restarted meanwhile looks again once the turn has been in
 * its hands; until then an answer is taken, and the program ignores it. */
#include "base/memory.h"
#include "dispatch/turn/program_parts.h"

enum { PARKED_CHUNK = 64 << 10 };

static void parked_listen(struct talk_program *program);

/* A line that is longer than the buffer is none of these. */
static void parked_lines(struct program_parked *parked, const struct program *program, size_t len) {
    size_t used = 0;
    while (used < len && parked->question.len == 0) {
        const char *begin = parked->buffer + used;
        const char *end = memchr(begin, '\n', len - used);
        if (end == NULL) {
            parked->skips = parked->skips || (used == 0 && len == PARKED_CHUNK);
            used = parked->skips ? len : used;
            break;
        }
        if (!parked->skips) {
            program_withdrawn(program, (struct bytes){begin, (size_t)(end - begin)},
                              &parked->question);
        }
        parked->skips = false;
        used += (size_t)(end + 1 - begin);
    }
    parked->read_to += (int64_t)used;
}

static void parked_run(struct pool_job *job) {
    struct program_parked *parked = CONTAINER_OF(job, struct program_parked, job);
    struct talk_program *program = CONTAINER_OF(parked, struct talk_program, parked);
    struct log_read got = {.len = 0};
    char name[PROTOCOL_NAME_MAX];
    program_output_name(&program->output, name);
    const struct log_place place = {name, LOG_OUT, parked->read_to};
    text_clear(&parked->question);
    parked->seen_to = parked->read_to;
    if (!err_failed(spool_log_read(program->talk->turns->options.spool, &place, parked->buffer,
                                   PARKED_CHUNK, &got)) &&
        got.len > 0) {
        parked->skips = parked->skips || got.offset > parked->read_to;
        parked->read_to = got.offset;
        parked_lines(parked, program->program, got.len);
        parked->seen_to = got.offset + (int64_t)got.len;
    }
}

static struct err withdraw_tx(struct tx *tx, void *ctx) {
    const struct talk_program *program = ctx;
    const struct talk *talk = program->talk;
    const struct turn_key key = {
        .run = talk__run(talk), .attempt = talk->attempt, .bounds = talk->turns->options.bounds};
    return tx_program_withdraw(tx, &key, text_bytes(&program->parked.question));
}

static void withdraw_done(void *ctx) {
    struct talk_program *program = ctx;
    if (talk__is_over(program->talk)) {
        talk__maybe_free(program->talk);
    } else {
        parked_listen(program);
    }
}

static void parked_read(struct pool_job *job) {
    struct program_parked *parked = CONTAINER_OF(job, struct program_parked, job);
    struct talk_program *program = CONTAINER_OF(parked, struct talk_program, parked);
    parked->away = false;
    if (talk__is_over(program->talk)) {
        talk__maybe_free(program->talk);
    } else if (parked->on && parked->question.len > 0) {
        ask_write(&program->parked.ask, withdraw_tx, withdraw_done);
    } else if (parked->seen_to > parked->watched_to) {
        parked_listen(program);
    } /* Else the process has ended, of which the turn hears. */
}

static void on_output(struct dispatch_watch *watch) {
    struct program_parked *parked = CONTAINER_OF(watch, struct program_parked, watch);
    struct talk_program *program = CONTAINER_OF(parked, struct talk_program, parked);
    parked->away = true;
    pool_begin(&program->talk->turns->pool, &parked->job, POOL_QUICK, parked_run, parked_read);
}

static void parked_listen(struct talk_program *program) {
    struct program_parked *parked = &program->parked;
    char name[PROTOCOL_NAME_MAX];
    if (!parked->on) {
        return;
    }
    program_output_name(&program->output, name);
    parked->watched_to = parked->question.len > 0 ? parked->read_to : parked->seen_to;
    const struct log_place place = {name, LOG_OUT, parked->watched_to};
    dispatch_watch_start(program->talk->turns->options.dispatch, &place, &parked->watch, on_output);
}

bool program__park(struct talk *talk) {
    static const struct ask_rules rules = {.words = {.effect = "close a question of a program"},
                                           .dropped = program__dropped};
    struct talk_program *program = talk->program;
    if (program == NULL || program->output.attempt == 0 || !program_withdraws(program->program)) {
        return false;
    }
    struct program_parked *parked = &program->parked;
    if (parked->buffer == NULL) {
        parked->buffer = mem_new_array(PARKED_CHUNK, 1);
        text_init(&parked->question, PROGRAM_QUESTION_MAX + 1);
        ask_init(&parked->ask, &talk->turns->asker, &rules, program);
        parked->ask.run = talk__run(talk);
    }
    const bool listens = parked->on || program__parked_is_away(program);
    parked->on = true;
    if (!listens) {
        parked->skips = false;
        parked->read_to = parked->seen_to = program->output.read_to;
        text_clear(&parked->question);
        parked_listen(program);
    }
    return true;
}

void program__unpark(struct talk_program *program) {
    program->parked.on = false;
    dispatch_watch_stop(&program->parked.watch);
}

bool program__parked_is_away(const struct talk_program *program) {
    return program->parked.away || program->parked.ask.state == ASK_AWAY;
}

void program__parked_done(struct talk_program *program) {
    program__unpark(program);
    if (program->parked.buffer != NULL) {
        ask_drop(&program->parked.ask);
    }
    text_done(&program->parked.question);
    mem_free(program->parked.buffer);
}
