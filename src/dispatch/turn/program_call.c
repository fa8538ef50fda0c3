/* program_call.c: a program is asked, or answered: its process begins (program_begin.c), or is
 * followed on (program.c). */
#include "base/memory.h"
#include "dispatch/turn/program_parts.h"
#include "rules/job/job.h"

/* --- Its begin -------------------------------------------------------------------------------- */

static struct talk_program *program_new(struct talk *talk) {
    static const struct ask_rules rules = {.words = {.effect = "follow a program"},
                                           .dropped = program__dropped};
    struct talk_program *program = mem_new(sizeof *program);
    program->talk = talk;
    talk->call.on_answer = program__fill_answer;
    program_output_init(&program->output, talk);
    ask_init(&program->ask, &talk->turns->asker, &rules, program);
    program->ask.run = talk__run(talk);
    program_texts_init(&program->texts);
    text_init(&program->history, PROGRAM_HISTORY_MAX + 1);
    text_init(&program->saved, PROGRAM_STATE_MAX);
    text_init(&program->spec, RUN_SPEC_MAX);
    text_init(&program->key, JOB_KEY_MAX + 1);
    program->order = (struct program_order){.spec = &program->spec, .key = &program->key};
    text_init(&program->mark, PROGRAM_STATE_MAX);
    return program;
}

bool program__open(struct talk *talk) {
    if (talk->program != NULL) {
        return talk->program->output.reader != NULL;
    }
    struct talk_program *program = talk->program = program_new(talk);
    /* The definition was checked before it was stored. */
    if (!err_failed(json_parse_wrapped(talk->plan.program, &program->json, NULL)) &&
        !err_failed(agent_definition_read(program->json, &program->agent, NULL)) &&
        (program->program = program_find(bytes_of(program->agent.program))) != NULL) {
        program_output_reads(&program->output, program->program, &program->agent);
    }
    return program->output.reader != NULL;
}

/* --- Calls ------------------------------------------------------------------------------------ */

void program__call(struct talk *talk) {
    const struct turn_plan *plan = &talk->plan;
    const bool known = program__open(talk);
    struct talk_program *program = talk->program;
    program->output.parked = program->woken = false;
    program->sequel = SEQUEL_FOLLOW;
    program->failure = CAUSE_NONE;
    program->outcome = program->rule = "";
    program->sentence[0] = '\0';
    program->child = (struct program_child){.exit_code = -1};
    program->output.read = (struct uuid){""};
    if (!known) {
        talk__begin_call(talk);
        program__fail(program, CAUSE_NOT_STARTED, "the definition of its agent cannot be read");
        return;
    }
    if (plan->process.len == 0) {
        program__ask_task(program);
        return;
    }
    program__attach(program);
    program->output.done = program_seen(program->output.reader).done;
    talk__begin_call(talk);
    if (!program__is_over(program)) {
        program__go_on(program);
    }
}

/* --- Answers to its questions ----------------------------------------------------------------- */

static void reply_done(struct talk_errand *errand) {
    const struct talk *talk = errand->talk;
    dispatch_input(talk->turns->options.dispatch, bytes_of(talk->program->output.process));
    errand__perform(errand);
}

/* A permission holds for a change to the file as it was at the question. Sentence for the program:
 * it is another one now; NULL: it is not, or the call changes no file. */
static const char *reply_conflict(const struct talk *talk, const struct turn_card *card) {
    AUTO(json_release) json_t *about = NULL;
    if (card->about.len == 0) { /* A rule allowed the call at once. */
        return NULL;
    }
    const bool known = !err_failed(json_parse_wrapped(card->about, &about, NULL));
    if (known && json_is_object(about) && json_object_get(about, "before") == NULL) {
        return NULL;
    }
    const json_t *path = json_array_get(json_object_get(about, "subjects"), 0);
    struct tool_look look = {.unread = !json_is_string(path)};
    if (!look.unread) {
        program_output_look(talk, json_string_value(path), &look);
    }
    return judge__conflict(about, &look);
}

static void reply_run(struct talk *talk) {
    const struct turn_plan *plan = &talk->plan;
    const struct program *program = talk->program->program;
    struct talk_errand *errand = talk->program->reply;
    struct program_replies *replies = &errand->replies;
    for (size_t i = 0; i < plan->card_count; i++) {
        const struct turn_card *card = &plan->cards[i];
        const char *conflict = card->denied ? NULL : reply_conflict(talk, card);
        const struct program_reply reply = {.question = card->question,
                                            .arguments = card->arguments,
                                            .allowed = !card->denied && conflict == NULL,
                                            .reason = conflict == NULL ? card->reason
                                                                       : bytes_of(conflict)};
        replies->conflicts[replies->count] = conflict;
        replies->parts[replies->count++] = card->part;
        if (program != NULL) {
            program_reply_write(program, &reply, &errand->input);
        }
    }
    replies->input = text_bytes(&errand->input);
}

static void reply_written(struct talk *talk) {
    talk__send(talk->program->reply);
}

/* The errand keeps the rows from being asked again meanwhile (talk__begin). */
void program__reply(struct talk *talk) {
    (void)program__open(talk); /* An unknown program is sent nothing. */
    struct talk_errand *errand = talk__errand(talk, ERRAND_PROGRAM_REPLY, reply_done);
    text_init(&errand->input, (size_t)8 << 20);
    errand->replies.key = errand->key;
    talk->program->reply = errand;
    program__follow(talk->program, talk->plan.process);
    talk__pool(talk, reply_run, reply_written);
}
