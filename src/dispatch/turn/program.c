/* program.c: turns that a program answers (engine/turn/program.h): its process is begun, and what
 * it prints is read, a stretch at a time.
 *
 *   IDLE ──call──> ASKING (for the prompt) ──> PAUSING <──busy──> ADMITTING ──> STARTING
 *     ^  └──call of a process that is there──┐                                   │
 *     │                                      v                                   │
 *     │   a stretch is whole: flushed     READING <──────────────────────────────┘
 *     │                                   │  ^ └─ it has nothing more to say ─> CLOSING (its input)
 *     │<──────────────────────────────────│  ^ │ nothing is there
 *     │         its end is judged         │  │ v
 *     │<──────────────────────────────────┘  LISTENING ──> LOOKING (has it ended?)
 *     │                                       ^  └ SAMPLING (does it go on?) <┤
 *     │                                       └─── STOPPING (time or limit) <─┘
 *     └── cancelled, from each of them
 *
 * What is before STARTING is in program_begin.c; both are begun by program_call.c.
 *
 * READING is in the pool: lines become items of the answer there. What was read is stored with the
 * answer, so a stretch that is not stored is read again. The process is not touched here: jobs
 * begin it, adopt it and stop it. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/turn/program_parts.h"
#include "loop/local_day.h"
#include "rules/job/job.h"

enum {
    LEAVE_MS = 10000,          /* For it to end, once it has said its result. */
    STRETCH_BYTES = 256 << 10, /* Words and tools of one answer; its last read may exceed it. */
    READ_FAILURES_MAX = 20,    /* About ten seconds. */
};

#define TO(state) (1U << PROGRAM_##state)
static const unsigned edges[PROGRAM_STATES] = {
    [PROGRAM_IDLE] = TO(IDLE) | TO(ASKING) | TO(READING) | TO(LISTENING) | TO(STOPPING),
    [PROGRAM_ASKING] = TO(IDLE) | TO(PAUSING) | TO(ADMITTING) | TO(STARTING),
    [PROGRAM_PAUSING] = TO(IDLE) | TO(PAUSING) | TO(ADMITTING) | TO(STARTING),
    [PROGRAM_ADMITTING] = TO(IDLE) | TO(PAUSING) | TO(STARTING),
    [PROGRAM_STARTING] = TO(IDLE) | TO(PAUSING) | TO(LISTENING),
    [PROGRAM_READING] =
        TO(IDLE) | TO(READING) | TO(LISTENING) | TO(LOOKING) | TO(CLOSING) | TO(STOPPING),
    [PROGRAM_LISTENING] = TO(IDLE) | TO(READING) | TO(LOOKING),
    [PROGRAM_CLOSING] = TO(IDLE) | TO(READING) | TO(LISTENING),
    [PROGRAM_LOOKING] =
        TO(IDLE) | TO(READING) | TO(LISTENING) | TO(SAMPLING) | TO(STOPPING) | TO(CLOSING),
    [PROGRAM_SAMPLING] = TO(IDLE) | TO(READING) | TO(STOPPING),
    [PROGRAM_STOPPING] = TO(IDLE) | TO(READING),
};
#undef TO

void program__enter(struct talk_program *program, enum program_state state) {
    assert((edges[program->state] & 1U << state) != 0);
    program->state = state;
}

/* --- Its life --------------------------------------------------------------------------------- */

static void program_forget(struct talk_program *program) {
    run_wait_cancel(&program->process);
    program->output.process[0] = '\0';
    program->output.attempt = 0;
    program->output.done = false;
    program->over = CAUSE_NONE;
    program->input = INPUT_GOES_ON;
    program_watch_reset(&program->progress);
}

static void program_rest(struct talk_program *program) {
    struct loop *loop = program->talk->turns->options.loop;
    dispatch_watch_stop(&program->watch);
    timer_stop(loop, &program->timer);
}

void program__cool(struct talk_program *program, enum agent_cool_event event, int64_t wait_ms,
                   enum agent_outcome outcome) {
    struct turns *turns = program->talk->turns;
    const char *name = program->agent.name == NULL ? "" : program->agent.name;
    const struct program_cool_news news = {.agent = bytes_of(name),
                                           .event = event,
                                           .outcome = outcome,
                                           .now = turns__clocks(turns),
                                           .wait_ms = wait_ms};
    /* Only the process that tries says something by its words, or by its end. */
    if ((event == AGENT_COOL_HEARD || event == AGENT_COOL_LEFT) && !program->tries_first) {
        return;
    }
    const struct agent_cool before = program_cools_find(&turns->cools, news.agent);
    program->tries_first = event == AGENT_COOL_BEGAN && before.state == AGENT_COOLING;
    program_cools_take(&turns->cools, &news);
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
    program__cool(program, AGENT_COOL_LEFT, 0, AGENT_UNKNOWN);
    ask_drop(&program->ask);
    point_wait_cancel(&program->point);
    json_decref(program->json);
    program_texts_done(&program->texts);
    text_done(&program->history);
    text_done(&program->saved);
    text_done(&program->spec);
    text_done(&program->key);
    program_output_done(&program->output);
    text_done(&program->mark);
    mem_free(program);
}

void program__dropped(void *ctx) {
    const struct talk_program *program = ctx;
    talk__maybe_free(program->talk);
}

/* --- A stretch ends --------------------------------------------------------------------------- */

static void program_flush(struct talk_program *program) {
    program__enter(program, PROGRAM_IDLE);
    program_rest(program);
    talk__flush(program->talk);
}

void program__fail(struct talk_program *program, enum run_cause cause, const char *words) {
    program->sequel = SEQUEL_END;
    program->failure = cause;
    (void)snprintf(program->sentence, sizeof program->sentence, "%s", words);
    program_flush(program);
}

void program__fill_answer(struct talk *talk, struct talk_errand *errand) {
    struct talk_program *program = talk->program;
    struct turn_answer *answer = &errand->answer;
    text_clear(&program->mark);
    if (program->output.reader != NULL) {
        program_take_usage(program->output.reader, &answer->usage, &answer->cost);
        program_reader_save(program->output.reader, &program->mark);
    }
    answer->tries = 1;
    answer->window = 0;
    answer->paused = program->sequel != SEQUEL_END;
    answer->truncated = false;
    answer->failure = program->failure;
    answer->sentence = bytes_of(program->sentence);
    answer->resume_at_ms = program->resume_at_ms;
    errand->mark = (struct program_mark){.read_to = program->output.read_to,
                                         .reader = text_bytes(&program->mark),
                                         .names = program->output.reader != NULL &&
                                                  program_seen(program->output.reader).names,
                                         .again = program->sequel == SEQUEL_AGAIN,
                                         .outcome = bytes_of(program->outcome),
                                         .rule = bytes_of(program->rule),
                                         .tries = program->tries};
    answer->program = &errand->mark;
    /* The last words do not fit the schema: the same session is asked again. */
    if (program->sequel == SEQUEL_END && answer->misfit.len > 0) {
        errand->mark.again = true;
        errand->mark.outcome = bytes_of(run_cause_name(CAUSE_SCHEMA_MISMATCH));
        program_forget(program);
    }
    if (program->sequel == SEQUEL_AGAIN) {
        program_forget(program);
    }
}

void program__cancel(struct talk *talk) {
    struct talk_program *program = talk->program;
    if (talk->state != TALK_CALLING ||
        (program->state != PROGRAM_PAUSING && program->state != PROGRAM_LISTENING)) {
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
bool program__is_over(struct talk_program *program) {
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

/* --- Following -------------------------------------------------------------------------------- */

static void program_end(struct talk_program *program);
static void program_close(struct talk_program *program);

/* A process that was asked to end is not asked again, and one that has said its result has a time
 * of its own. */
static bool program_is_watched(const struct talk_program *program) {
    return program->over == CAUSE_NONE && program->child.stop == CAUSE_NONE &&
           !program->output.done;
}

/* The end of a process is not judged without its output: it may have done all of its work. */
static void output_missing(struct talk_program *program, const char *words) {
    program->outcome = agent_outcome_name(AGENT_UNKNOWN);
    program__fail(program, agent_outcome_cause(AGENT_UNKNOWN), words);
}

static void read_run(struct talk *talk) {
    struct talk_program *program = talk->program;
    program->output.ended = program->child.ended;
    program_output_read(&program->output);
}

static void output_read(struct talk *talk) {
    struct talk_program *program = talk->program;
    struct talk_call *call = &talk->call;
    if (program->output.heard > 0) {
        call->heard += program->output.heard;
        call->alive_ms = turns__now_ms(talk->turns);
        program__cool(program, AGENT_COOL_HEARD, 0, AGENT_COMPLETED);
    }
    if (program->output.discarded) {
        static const char why[] = "\"cause\":\"retried\",\"detail\":\"The program asks its model "
                                  "again.\",\"wait_ms\":0";
        call__say_again(call, BYTES(why));
    }
    for (size_t i = 0; i < program->output.piece_count; i++) {
        const struct program_piece *piece = &program->output.pieces[i];
        const struct bytes text = {program->output.said.data + piece->at, piece->len};
        deltas_add(&call->deltas, piece->kind == TURN_ITEM_TEXT ? DELTA_TEXT : DELTA_THINKING,
                   text);
    }
    if (program__is_over(program)) {
        return;
    }
    if (err_failed(program->output.err) && ++program->read_failures < READ_FAILURES_MAX) {
        program__listen(program);
        return;
    }
    if (err_failed(program->output.err)) {
        asker_report(&talk->turns->asker, "read the output of a program", talk__run(talk),
                     program->output.err);
        output_missing(program,
                       "its output cannot be read from the disk; its work may or may not be done");
        return;
    }
    program->read_failures = 0;
    if (program->input == INPUT_HELD && program->output.used > 0) {
        program->input = INPUT_GOES_ON;
    }
    if (program->output.found == FOUND_WHOLE || call->heard > STRETCH_BYTES) {
        program_flush(program);
    } else if (program->output.done && program->input == INPUT_GOES_ON) {
        program_close(program);
    } else if (program->output.found == FOUND_MORE) {
        program__go_on(program);
    } else if (program->child.ended) {
        program_end(program);
    } else {
        program__listen(program);
    }
}

static struct err over_tx(struct tx *tx, void *ctx) {
    const struct talk_program *program = ctx;
    /* Nobody is left who needs time; or each moment makes it worse. */
    const bool hurry = program->over == CAUSE_STUCK || program->over == CAUSE_MEMORY_EXCEEDED;
    return tx_program_stop(tx, bytes_of(program->output.process), program->over,
                           hurry ? PROGRAM_HURRY : PROGRAM_GRACE);
}

static void over_done(void *ctx) {
    struct talk_program *program = ctx;
    if (!program__is_over(program)) {
        program__go_on(program);
    }
}

/* The process is asked to end; its output is read to the end nevertheless. */
static void program_stop_for(struct talk_program *program, enum run_cause cause) {
    program__enter(program, PROGRAM_STOPPING);
    program->over = cause;
    ask_write(&program->ask, over_tx, over_done);
}

/* Reads on. A process that has not begun has printed nothing. */
void program__go_on(struct talk_program *program) {
    if (program->output.attempt == 0) {
        program__listen(program);
        return;
    }
    const int64_t requests = program_seen(program->output.reader).requests;
    const enum agent_watch_verdict verdict = agent_watch_requests(&program->agent, requests);
    if (verdict != AGENT_WATCH_ON && program_is_watched(program)) {
        program->progress.evidence.requests = requests;
        program_stop_for(program, agent_watch_cause(verdict));
        return;
    }
    program__enter(program, PROGRAM_READING);
    talk__pool(program->talk, read_run, output_read);
}

static struct err close_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    const struct program_close close = {.turn = talk__run(program->talk),
                                        .process = bytes_of(program->output.process),
                                        .read = bytes_of(program->output.read.text),
                                        .anyhow = program->input == INPUT_HELD};
    return tx_program_close(tx, &close, &program->closed);
}

static void close_done(void *ctx) {
    struct talk_program *program = ctx;
    program->input = program->closed ? INPUT_ENDED : INPUT_HELD;
    program->done_ms = turns__now_ms(program->talk->turns);
    dispatch_input(program->talk->turns->options.dispatch, bytes_of(program->output.process));
    if (!program__is_over(program)) {
        program__go_on(program);
    }
}

static void program_close(struct talk_program *program) {
    program__enter(program, PROGRAM_CLOSING);
    ask_write(&program->ask, close_tx, close_done);
}

static struct err look_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    const struct turn_key key = {.run = talk__run(program->talk),
                                 .bounds = program->talk->turns->options.bounds};
    return tx_program_child(tx, &key, bytes_of(program->output.process), &program->child);
}

static int64_t now_of(const struct talk_program *program) {
    return (int64_t)turns__now_ms(program->talk->turns);
}

static void sample_run(struct talk *talk) {
    struct talk_program *program = talk->program;
    char name[PROTOCOL_NAME_MAX];
    program_output_name(&program->output, name);
    program_watch_look(&program->progress, talk->turns->options.spool, name);
}

static void sample_done(struct talk *talk) {
    struct talk_program *program = talk->program;
    if (program__is_over(program)) {
        return;
    }
    const struct agent_moment moment = {.now_ms = now_of(program),
                                        .sample = program->progress.evidence.sample,
                                        .compacting =
                                            program_seen(program->output.reader).compacting};
    const enum agent_watch_verdict verdict =
        agent_watch_sample(&program->progress.rule, &program->agent, &moment);
    if (verdict == AGENT_WATCH_ON) {
        program__go_on(program);
    } else {
        program_stop_for(program, agent_watch_cause(verdict));
    }
}

static int64_t sample_due_ms(const struct talk_program *program) {
    return agent_watch_due_ms(&program->progress.rule, &program->agent);
}

static bool process_stays(const struct talk_program *program) {
    return !program->child.ended && program->over == CAUSE_NONE &&
           program->input != INPUT_GOES_ON && program->output.done &&
           turns__now_ms(program->talk->turns) - program->done_ms > LEAVE_MS;
}

/* A process whose row is gone has ended, and nobody knows how. */
static void look_done(void *ctx) {
    struct talk_program *program = ctx;
    struct program_child *child = &program->child;
    if (program__is_over(program)) {
        return;
    }
    if (!child->found) {
        *child = (struct program_child){.ended = true, .state = RUN_LOST, .exit_code = -1};
    }
    program->output.attempt = child->attempt;
    const bool runs = child->state == RUN_RUNNING; /* After a start that was void it waits again. */
    const bool stays = process_stays(program);
    /* The holder of the process knows nothing of people who are asked: time is measured here. */
    const int64_t deadline_ms =
        program->agent.deadline_ms > 0 ? program->agent.deadline_ms : AGENT_DEADLINE_MS;
    if (stays && program->input == INPUT_HELD) {
        program_close(program); /* The program may end without having read all. */
    } else if (stays) {
        /* A process that stays after its result is ended before another one begins. */
        program_stop_for(program, CAUSE_STOPPED);
    } else if (runs && program->over == CAUSE_NONE && child->took_ms > deadline_ms) {
        program_stop_for(program, CAUSE_DEADLINE);
    } else if (runs && program_is_watched(program) && now_of(program) >= sample_due_ms(program)) {
        program__enter(program, PROGRAM_SAMPLING);
        talk__pool(program->talk, sample_run, sample_done);
    } else if (child->ended && child->attempt == 0) {
        program_end(program);
    } else if (child->ended || program->output.read_to < program->output.seen_to ||
               child->attempt > 0) {
        program__go_on(program);
    } else {
        program__listen(program);
    }
}

static void program_look(struct talk_program *program) {
    program_rest(program);
    program__enter(program, PROGRAM_LOOKING);
    ask_read(&program->ask, look_tx, look_done);
}

static void on_ready(struct dispatch_watch *watch) {
    struct talk_program *program = CONTAINER_OF(watch, struct talk_program, watch);
    program->woken = true;
    program_look(program);
}

static void on_look(struct timer *timer) {
    program_look(CONTAINER_OF(timer, struct talk_program, timer));
}

/* Wakes come from the log, from the row of the process, and, should both be lost, from a timer. */
void program__listen(struct talk_program *program) {
    const struct turns_options *options = &program->talk->turns->options;
    char name[PROTOCOL_NAME_MAX];
    const int64_t due_ms = sample_due_ms(program) - now_of(program);
    if (program->state != PROGRAM_LISTENING) {
        program__enter(program, PROGRAM_LISTENING);
    }
    program_output_name(&program->output, name);
    const struct log_place place = {name, LOG_OUT, program->output.seen_to};
    /* A process whose start waits has no log yet: its watch wakes at once, again and again. */
    const bool idle = program->woken && program->output.seen_to == program->watched_to;
    program->woken = false;
    program->watched_to = program->output.seen_to;
    if (program->output.attempt > 0 && !idle) {
        dispatch_watch_start(options->dispatch, &place, &program->watch, on_ready);
    }
    timer_start(options->loop, &program->timer,
                due_ms > 0 && due_ms < PROGRAM_LOOK_MS ? (uint64_t)due_ms : PROGRAM_LOOK_MS,
                on_look);
}

static void on_process(struct run_wait *wait) {
    struct talk_program *program = CONTAINER_OF(wait, struct talk_program, process);
    if (program->state == PROGRAM_LISTENING) {
        program_look(program);
    }
}

/* --- Its end ---------------------------------------------------------------------------------- */

int64_t program__wall_ms(const struct talk_program *program) {
    return world_wall_ms(loop_world(program->talk->turns->options.loop));
}

/* The end of a process says something about its provider, for other turns of the agent. */
static void cool_tell(struct talk_program *program, enum agent_outcome outcome, bool again,
                      int64_t named_ms) {
    if (agent_cool_counts(outcome)) {
        program__cool(program, again ? AGENT_COOL_FAILED : AGENT_COOL_SPENT,
                      agent_next(outcome, program->tries, named_ms).wait_ms, outcome);
    } else {
        program__cool(program, outcome == AGENT_COMPLETED ? AGENT_COOL_HEARD : AGENT_COOL_LEFT, 0,
                      outcome);
    }
}

/* Another attempt goes on in the session of the program; where that has none yet, another begins
 * only if nothing was said. A program without sessions is never begun again: nobody knows what it
 * has done. */
static void program_end(struct talk_program *program) {
    const struct turn_plan *plan = &program->talk->plan;
    if (program->child.away.text[0] != '\0') {
        output_missing(program, program->child.away.text);
        return;
    }
    const enum agent_watch_verdict watched = program_ending_verdict(&program->child);
    struct agent_ending ending = program_ending_of(
        &program->child, (struct bytes){program->output.tail, program->output.tail_len});
    ending.ended_ms = program__wall_ms(program);
    ending.local_ms = local_clock_ms(ending.ended_ms);
    program_finish(program->output.reader, &ending);
    if (ending.result.present && program->child.cause == CAUSE_STOPPED) { /* Stayed: look_done. */
        ending.ender = AGENT_ITSELF;
        ending.exit = AGENT_EXITED;
        ending.code = 0;
    }
    const struct agent_verdict verdict = agent_classify(&ending);
    if (agent_outcome_asked(verdict.outcome)) {
        program_reader_heard(program->output.reader);
    }
    const struct program_seen seen = program_seen(program->output.reader);
    const bool resumes = program_resumes(program->program, &program->agent) &&
                         (seen.native.len > 0 || !ending.result.said);
    if (verdict.outcome == AGENT_CONTEXT_OVERFLOW) { /* The session stays too long. */
        program_reader_leave(program->output.reader);
    }
    const struct agent_past past = {.before = plan->outcome,
                                    .tries = plan->tries,
                                    .attempts = plan->attempts,
                                    .progress = seen.progress,
                                    .retried = seen.retried,
                                    .yields = plan->patience == PATIENCE_YIELDS,
                                    .named_ms = ending.result.retry_after_ms};
    const struct agent_sequel next = agent_sequel(&past, verdict.outcome, resumes);
    program->outcome = agent_outcome_name(verdict.outcome);
    program->rule = verdict.rule;
    program->tries = next.tries;
    /* After a stop, or at a limit, nothing begins again. */
    const bool by_itself = ending.ender == AGENT_ITSELF || ending.ender == AGENT_GONE;
    const bool again = by_itself && (next.remedy == AGENT_RESUMES || next.remedy == AGENT_RETRIES);
    const bool yields = by_itself && next.yields_ms > 0;
    cool_tell(program, verdict.outcome, again || yields, ending.result.retry_after_ms);
    program->resume_at_ms = yields ? ending.ended_ms + next.yields_ms : 0;
    if (again) {
        program->sequel = SEQUEL_AGAIN;
        program_flush(program);
        return;
    }
    const struct program_ended ended = {.agent = &program->agent,
                                        .ending = &ending,
                                        .outcome = verdict.outcome,
                                        .watched = watched,
                                        .evidence = &program->progress.evidence,
                                        .note = program->child.note.text,
                                        .dropped = seen.dropped};
    program_ending_tell(&ended, program->sentence);
    program_ending_note(&ended, seen.note, &program->talk->call.note);
    program->sequel = SEQUEL_END;
    program->failure = next.remedy == AGENT_SUCCEEDS          ? CAUSE_NONE
                       : program->child.cause == CAUSE_BUDGET ? CAUSE_BUDGET
                       : ending.ender == AGENT_OVER_LIMIT     ? agent_watch_cause(watched)
                                                              : next.cause;
    if (program->failure == CAUSE_NONE && plan->schema.len > 0) {
        program__enter(program, PROGRAM_IDLE);
        program_rest(program);
        talk__judge(program->talk);
        return;
    }
    program_flush(program);
}

void program__follow(struct talk_program *program, struct bytes process) {
    if (!bytes_is(process, program->output.process)) {
        program_forget(program);
        memcpy(program->output.process, process.data, process.len);
        program->output.process[process.len] = '\0';
        program->process.on_change = program->process.on_end = on_process;
        run_wait_expect(program->talk->turns->options.waits, &program->process, process);
    }
}

void program__attach(struct talk_program *program) {
    const struct turn_plan *plan = &program->talk->plan;
    if (!program_reader_load(program->output.reader, plan->reader)) {
        program_reader_begin(program->output.reader); /* Nothing of this attempt was read yet. */
    }
    talk__point_resume(program->talk);
    program__follow(program, plan->process);
    program->output.attempt = plan->process_attempt;
    program_output_from(&program->output, plan->read_to);
}
