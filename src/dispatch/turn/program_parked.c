/* program_parked.c: a turn that waits for people, while its program may take a question back.
 *
 *   parked ──output──> reading (pool) ──a question is withdrawn──> its errand ──> the next plan
 *     ^                  └─none──┐
 *     └──────────────────────────┘
 *
 * The output is read from the place that is stored, by the reader that follows the program, which
 * passes over all but withdrawals: the rest is read when the turn goes on, from the same place.
 * Nothing is read while an errand of the turn is on its way: the plan that it brings needs that
 * reader. */
#include "dispatch/turn/program_parts.h"

static void parked_listen(struct talk_program *program);

static void parked_run(struct talk *talk) {
    struct talk_program *program = talk->program;
    program->output.ended = false;
    program_output_read(&program->output);
}

static void parked_read(struct talk *talk) {
    struct talk_program *program = talk->program;
    const bool more = program->output.found == FOUND_MORE;
    const struct text *withdrawn = &program->output.withdrawn;
    if (withdrawn->len > 0) {
        struct talk_errand *errand = talk__errand(talk, ERRAND_PROGRAM_WITHDRAW, errand__perform);
        text_init(&errand->input, PROGRAM_QUESTION_MAX + 1);
        text_add(&errand->input, withdrawn->data, withdrawn->len);
        talk__send(errand);
    } else if (talk->again) {
        talk__begin(talk);
    } else if (more || !program->woken) {
        program->woken = !more;
        parked_listen(program);
    } /* Else the process has ended, of which the turn hears. */
}

static void on_output(struct dispatch_watch *watch) {
    const struct talk_program *program = CONTAINER_OF(watch, struct talk_program, watch);
    talk__pool(program->talk, parked_run, parked_read);
}

static void parked_listen(struct talk_program *program) {
    char name[PROTOCOL_NAME_MAX];
    program_output_name(&program->output, name);
    const struct log_place place = {name, LOG_OUT, program->output.seen_to};
    dispatch_watch_start(program->talk->turns->options.dispatch, &place, &program->watch,
                         on_output);
}

bool program__park(struct talk *talk) {
    if (talk->plan.program.len == 0 || talk->plan.process_attempt == 0 || !program__open(talk)) {
        return false;
    }
    struct talk_program *program = talk->program;
    if (!program->output.parked) {
        program__attach(program);
        program->output.parked = true;
    }
    program->woken = false; /* The end of recovery wakes once, and brings no output. */
    parked_listen(program);
    return true;
}

void program__unpark(struct talk *talk) {
    if (talk->program != NULL) {
        dispatch_watch_stop(&talk->program->watch);
    }
}
