/* program_begin.c: the begin of the process of a turn that a program answers: what it is asked, the
 * waits before it, and the job.
 *
 *   ASKING ──its order──> PAUSING: the wait of the last attempt
 *     └─────────────────────┴──> does the agent cool down? ──no──> ADMITTING ──free──> STARTING
 *                                 ^ └─yes──> PAUSING <──others use the session──┘
 *                                 └────────────┘
 *
 * All of it is asked again after a restart of the daemon; nothing is stored before the job is. */
#include <stdio.h>

#include "dispatch/turn/program_parts.h"

static struct err start_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    const struct talk *talk = program->talk;
    const struct turns_options *options = &talk->turns->options;
    const int64_t input_from = program->order.input_from;
    const struct program_start_new start = {
        .key = {.run = talk__run(talk), .attempt = talk->attempt, .bounds = options->bounds},
        .step = talk->plan.step,
        .prompted = program->task.prompted,
        .line = program_message_line,
        .reader = text_bytes(&program->mark),
        .run = {.run = program->run,
                .own_key = text_bytes(program->order.key),
                .key_max = program->agent.at_once,
                .once = true,
                .label = bytes_of(program->agent.name),
                .spec = text_bytes(&program->spec),
                .input_open = input_from >= 0,
                .input_from = input_from > 0 ? input_from : 0,
                .kind = KIND_JOB,
                .bounds = options->bounds}};
    return tx_program_start(tx, &start, &program->begun, &program->before.busy);
}

static void program_admit(struct talk_program *program);

static void on_free(struct timer *timer) {
    program_admit(CONTAINER_OF(timer, struct talk_program, timer));
}

static void program_wait(struct talk_program *program, uint64_t wait_ms) {
    program__enter(program, PROGRAM_PAUSING);
    timer_start(program->talk->turns->options.loop, &program->timer, wait_ms, on_free);
}

static void start_done(void *ctx) {
    struct talk_program *program = ctx;
    struct talk *talk = program->talk;
    if (program->before.busy) {
        program__cool(program, AGENT_COOL_LEFT, 0, AGENT_UNKNOWN); /* Another turn may try. */
        if (!program__is_over(program)) {
            program_wait(program, PROGRAM_LOOK_MS);
        }
        return;
    }
    if (program->begun.text[0] == '\0') { /* The turn was ended meanwhile. */
        talk->stop = true;
    } else {
        program__follow(program, bytes_of(program->begun.text));
        program_output_from(&program->output, 0);
        program->child = (struct program_child){.exit_code = -1};
    }
    if (!program__is_over(program)) {
        program__listen(program);
    }
}

/* The session of the program that goes on; "": a new one begins. */
static struct bytes native_of(const struct talk_program *program) {
    return program_resumes(program->program, &program->agent)
               ? program_seen(program->output.reader).native
               : BYTES("");
}

static void order_run(struct talk *talk) {
    struct talk_program *program = talk->program;
    const struct program_wish wish = {.program = program->program,
                                      .agent = &program->agent,
                                      .plan = &talk->plan,
                                      .native = native_of(program),
                                      .fresh = program->fresh,
                                      .heard = program->last.heard,
                                      .blank = program_seen(program->output.reader).blank,
                                      .own_tmp = spool_tmp_fits(talk->turns->options.spool),
                                      .process = bytes_of(program->run.text),
                                      .last = bytes_of(program->task.last.text),
                                      .texts = &program->texts,
                                      .history = text_bytes(&program->history)};
    program->unmade = program_order_make(&wish, &program->order);
}

static void on_point(struct point_wait *wait) {
    struct talk_program *program = CONTAINER_OF(wait, struct talk_program, point);
    if (!program__is_over(program)) {
        ask_write(&program->ask, start_tx, start_done);
    }
}

static void program_start(struct talk_program *program) {
    program->waits[0] = '\0';
    program->held_ms = 0;
    deltas_resumed(&program->talk->call.deltas);
    program__cool(program, AGENT_COOL_BEGAN, 0, AGENT_UNKNOWN);
    program__enter(program, PROGRAM_STARTING);
    text_clear(&program->mark);
    program_reader_save(program->output.reader, &program->mark);
    /* Many programs print a call at its end, or never: the whole turn is one open call. */
    const struct talk_point point = {
        .root = program->talk->plan.root.len > 0 ? program->talk->plan.root.data : "",
        .call = "turn",
        .phase = POINT_BEFORE};
    program->point.done = on_point;
    if (!talk__point(program->talk, &point, &program->point)) {
        ask_write(&program->ask, start_tx, start_done);
    }
}

/* --- Admission -------------------------------------------------------------------------------- */

static void owner_run(struct talk *talk) {
    struct talk_program *program = talk->program;
    const struct native_wish wish = {.what = &program->agent,
                                     .home = talk->turns->options.home,
                                     .root = talk->plan.root.len > 0 ? talk->plan.root.data : "",
                                     .id = native_of(program)};
    agent_owner_find(&wish, "/proc", &program->found);
}

/* A wait for others, after which they are looked at again. An event for each other reason, not for
 * each look. */
static void others_wait(struct talk_program *program, enum run_cause cause, struct bytes note,
                        int64_t wait_ms) {
    enum { LOOK_MAX_MS = 10 * 1000 };
    struct provider_wait wait = {.resume_at_ms = program__wall_ms(program) + wait_ms,
                                 .cause = cause};
    (void)snprintf(wait.note, sizeof wait.note, "%.*s", (int)note.len, note.data);
    if (strcmp(wait.note, program->waits) != 0) {
        memcpy(program->waits, wait.note, sizeof program->waits);
        deltas_provider(&program->talk->call.deltas, &wait);
    }
    program_wait(program, (uint64_t)(wait_ms < LOOK_MAX_MS ? wait_ms : LOOK_MAX_MS));
}

/* True: the agent cools down, and the turn waits for that, or ends. */
static bool cool_holds(struct talk_program *program) {
    struct turns *turns = program->talk->turns;
    const struct agent_cool cool = program_cools_find(&turns->cools, bytes_of(program->agent.name));
    const int64_t now_ms = (int64_t)turns__now_ms(turns);
    const int64_t wait_ms = agent_cool_wait_ms(&cool, now_ms);
    AUTO(text_done) struct text note = text_up_to(PROVIDER_NOTE_MAX);
    if (wait_ms == 0) {
        return false;
    }
    agent_outcome_tell(cool.outcome, program->agent.name, &note);
    program->held_ms = program->held_ms == 0 ? now_ms : program->held_ms;
    if (program->talk->plan.patience == PATIENCE_YIELDS &&
        agent_yields(now_ms - program->held_ms, wait_ms)) {
        program->outcome = agent_outcome_name(cool.outcome);
        program->resume_at_ms = program__wall_ms(program) + wait_ms;
        program__fail(program, agent_outcome_cause(cool.outcome), text_bytes(&note).data);
        return true;
    }
    if (cool.state == AGENT_TRYING) {
        text_add_str(&note, "; another turn tries it first");
    }
    others_wait(program, agent_outcome_cause(cool.outcome), text_bytes(&note), wait_ms);
    return true;
}

static void owner_looked(struct talk *talk) {
    struct talk_program *program = talk->program;
    if (program__is_over(program)) {
        return;
    }
    /* Retention may have removed the run of that process; its reader is the session's. */
    const int64_t before_ms = program->before.ended_ms, last_ms = program->last.ended_ms;
    const struct agent_found_at at = {.now_ms =
                                          world_wall_ms(loop_world(talk->turns->options.loop)),
                                      .own_ms = before_ms > last_ms ? before_ms : last_ms};
    const enum agent_admission admission = agent_admit(&program->found, &at);
    if (admission == AGENT_FREE) {
        program_start(program);
        return;
    }
    AUTO(text_done) struct text note = text_up_to(PROVIDER_NOTE_MAX);
    agent_admission_tell(admission, program->agent.name, &program->found, &note);
    others_wait(program, CAUSE_SESSION_BUSY, text_bytes(&note), AGENT_OWNER_LOOK_MS);
}

static struct err before_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    const struct turn_key key = {.run = talk__run(program->talk)};
    return tx_program_before(tx, &key, &program->before);
}

/* Our own process, which has not ended yet, is nobody else's. */
static void before_done(void *ctx) {
    struct talk_program *program = ctx;
    if (program__is_over(program)) {
        return;
    }
    if (program->before.busy) {
        program_wait(program, PROGRAM_LOOK_MS);
    } else {
        talk__pool(program->talk, owner_run, owner_looked);
    }
}

static void program_admit(struct talk_program *program) {
    if (cool_holds(program)) {
        return;
    }
    if (native_of(program).len == 0) {
        program_start(program);
        return;
    }
    program__enter(program, PROGRAM_ADMITTING);
    ask_read(&program->ask, before_tx, before_done);
}

static void on_paused(struct timer *timer) {
    struct talk_program *program = CONTAINER_OF(timer, struct talk_program, timer);
    deltas_resumed(&program->talk->call.deltas);
    program_admit(program);
}

/* The wait after the last attempt, of which a part may have passed before a restart. False: it is
 * over. */
static bool wait_goes_on(const struct talk_program *program, enum agent_outcome outcome,
                         struct provider_wait *ret_wait) {
    const int64_t tries = program->talk->plan.tries, now_ms = program__wall_ms(program);
    const int64_t wait_ms =
        tries > 0 ? agent_next(outcome, tries, program->last.retry_after_ms).wait_ms : 0;
    const int64_t passed_ms = program->last.ended_ms > 0 ? now_ms - program->last.ended_ms : 0;
    const int64_t left_ms = passed_ms > 0 ? wait_ms - passed_ms : wait_ms;
    *ret_wait = (struct provider_wait){.resume_at_ms = now_ms + left_ms,
                                       .cause = agent_outcome_cause(outcome)};
    return left_ms > 0;
}

static struct err task_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    const struct talk *talk = program->talk;
    const struct turn_key key = {.run = talk__run(talk), .attempt = talk->attempt};
    struct program_texts *texts = &program->texts;
    program->task = (struct program_task){.prompt = &texts->prompt,
                                          .notice = &texts->notice,
                                          .reader = &program->saved,
                                          .joins = &texts->joins,
                                          .missed = &texts->missed};
    return tx_program_task(tx, &key, &program->task);
}

static void order_made(struct talk *talk) {
    struct talk_program *program = talk->program;
    enum agent_outcome outcome;
    if (program__is_over(program)) {
        return;
    }
    if (err_failed(program->unmade)) {
        program__fail(program, CAUSE_NOT_STARTED, "what it is asked is too long for a command");
        return;
    }
    struct provider_wait wait;
    if (agent_outcome_find(talk->plan.outcome, &outcome) && wait_goes_on(program, outcome, &wait)) {
        /* After a failure that passes by itself it waits, visibly. */
        const int64_t wait_ms = wait.resume_at_ms - program__wall_ms(program);
        program__enter(program, PROGRAM_PAUSING);
        deltas_provider(&talk->call.deltas, &wait);
        timer_start(talk->turns->options.loop, &program->timer, wait_ms > 0 ? (uint64_t)wait_ms : 0,
                    on_paused);
    } else {
        program_admit(program);
    }
}

/* The prompt is complete. */
static void program_prepared(struct talk_program *program) {
    struct talk *talk = program->talk;
    uint8_t random[16];
    program->run = talk__new_id(talk, "run");
    world_random(loop_world(talk->turns->options.loop), random, sizeof random);
    program->fresh = uuid_make(random);
    talk__pool(talk, order_run, order_made);
}

static struct err history_tx(struct tx *tx, void *ctx) {
    struct talk_program *program = ctx;
    const struct turn_key key = {.run = talk__run(program->talk)};
    return tx_program_history(tx, &key, &program->history);
}

static void history_done(void *ctx) {
    struct talk_program *program = ctx;
    if (!program__is_over(program)) {
        program_prepared(program);
    }
}

static void task_done(void *ctx) {
    struct talk_program *program = ctx;
    struct talk *talk = program->talk;
    if (talk__is_over(talk)) {
        talk__maybe_free(talk);
        return;
    }
    talk__begin_call(talk);
    program->last.retry_after_ms = program->last.ended_ms = 0;
    program->last.heard = false;
    if (program_reader_load(program->output.reader, text_bytes(&program->saved))) {
        const struct program_seen seen = program_seen(program->output.reader);
        program->last.retry_after_ms = seen.retry_after_ms;
        program->last.ended_ms = seen.ended_ms;
        program->last.heard = seen.heard;
    }
    program_reader_begin(program->output.reader);
    if (program__is_over(program)) {
        return;
    }
    text_clear(&program->history);
    /* A program that keeps no sessions knows nothing of the conversation, ever. */
    if (!program_resumes(program->program, &program->agent) ||
        program_seen(program->output.reader).blank) {
        ask_read(&program->ask, history_tx, history_done);
    } else {
        program_prepared(program);
    }
}

void program__ask_task(struct talk_program *program) {
    program__enter(program, PROGRAM_ASKING);
    ask_read(&program->ask, task_tx, task_done);
}
