/* talk_child.c: calls of tools that are commands: begun as a job, its output fetched at its end. */
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "dispatch/talk.h"
#include "tool/requests.h"

enum { OUTPUT_BYTES = 4 * COMMAND_OUTPUT_MAX, SPEC_OUTPUT_MAX = 16 << 20 };

/* --- The begin -------------------------------------------------------------------------------- */

static void add_words(const struct command_request *request, struct text *spec) {
    text_add_str(spec, "{\"argv\":[");
    text_add_json(spec, request->command, strlen(request->command));
    for (size_t i = 0; i < json_array_size(request->args); i++) {
        const char *word = json_string_value(json_array_get(request->args, i));
        text_add_char(spec, ',');
        text_add_json(spec, word, strlen(word));
    }
    text_add_char(spec, ']');
}

/* A command of a tool is kept inside where the kernel can do that; background work runs as the user
 * (decisions/021). */
static void write_spec(const struct talk_work *work, const struct command_request *request,
                       struct text *spec) {
    bool is_long = tool_get(work->call.id)->length == TOOL_LONG;
    add_words(request, spec);
    text_add_str(spec, ",\"cwd\":");
    text_add_json(spec, work->root, strlen(work->root));
    if (request->timeout_ms > 0) {
        text_addf(spec, ",\"timeout_ms\":%lld", (long long)request->timeout_ms);
    }
    text_addf(spec, ",\"limits\":{\"output\":%d}", SPEC_OUTPUT_MAX);
    if (!is_long && work->talk->turns->options.sandbox) {
        text_add_str(spec, ",\"sandbox\":\"on\"");
    }
    if (is_long) {
        text_add_str(spec, ",\"notify\":[{\"session\":");
        text_add_json(spec, work->talk->plan.session.data, work->talk->plan.session.len);
        text_add_str(spec, "}]");
    }
    text_add_char(spec, '}');
}

static struct err child_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_child(tx, &errand->child, &errand->plan);
}

static void begun(struct talk_errand *errand) {
    struct talk *talk = errand->talk;
    struct turn_plan plan = errand->plan;
    turn_plan_init(&errand->plan);
    work__free(errand->work);
    errand__free(errand);
    talk__perform(talk, &plan);
}

static struct id new_run(const struct talk *talk) {
    const struct world *world = loop_world(talk->turns->options.loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make("run", world_wall_ms(world), random);
}

void child__begin(struct talk_work *work) {
    struct talk *talk = work->talk;
    struct command_request request;
    command_request_read(&work->call, &request);
    text_init(&work->spec, RUN_SPEC_MAX);
    write_spec(work, &request, &work->spec);
    if (text_failed(&work->spec)) {
        work__fail(work, "The command is too long.");
        return;
    }
    const char *label = request.description[0] != '\0' ? request.description : request.command;
    struct talk_errand *errand = talk__errand(talk, child_tx, begun);
    size_t len = strcspn(label, "\n\r\t");
    errand->work = work;
    errand->key.bounds.slots = talk->turns->options.jobs_max;
    errand->child =
        (struct turn_child){.key = errand->key,
                            .part = work->part,
                            .is_long = tool_get(work->call.id)->length == TOOL_LONG,
                            .run = {.run = new_run(talk),
                                    .key = {"", 0},
                                    .label = {label, len < JOB_LABEL_MAX ? len : JOB_LABEL_MAX},
                                    .spec = {work->spec.data, work->spec.len},
                                    .kind = KIND_JOB,
                                    .bounds = errand->key.bounds}};
    talk__send(errand);
}

/* --- The end ---------------------------------------------------------------------------------- */

struct output {
    char *bytes; /* Owned. */
    struct log_read read;
};

static struct output read_stream(const struct talk_work *work, enum log_stream stream) {
    char name[PROTOCOL_NAME_MAX];
    struct output output = {.bytes = mem_new(OUTPUT_BYTES)};
    int len = snprintf(name, sizeof name, "%s.%lld", work->child, (long long)work->child_attempt);
    const struct log_place place = {.name = name, .stream = stream};
    bool fits = len > 0 && (size_t)len < sizeof name;
    if (!fits || err_failed(spool_log_read(work->talk->turns->options.spool, &place, output.bytes,
                                           OUTPUT_BYTES, &output.read))) {
        output.read = (struct log_read){0};
    }
    return output;
}

static enum command_state state_of(const struct talk_work *work) {
    return work->child_cause == CAUSE_DEADLINE      ? COMMAND_TIMED_OUT
           : work->child_cause == CAUSE_NOT_STARTED ? COMMAND_NOT_FOUND
                                                    : COMMAND_EXITED;
}

static void fetch_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    struct output out = read_stream(work, LOG_OUT), err = read_stream(work, LOG_ERR);
    const struct command_end end = {.state = state_of(work),
                                    .exit_code = work->child_exit >= 0 ? (int)work->child_exit : -1,
                                    .out = {out.bytes, out.read.len},
                                    .err = {err.bytes, err.read.len},
                                    .truncated = out.read.size > (int64_t)out.read.len ||
                                                 err.read.size > (int64_t)err.read.len,
                                    .duration_ms = work->child_ms};
    command_result_write(&end, &work->result);
    mem_free(out.bytes);
    mem_free(err.bytes);
}

/* Whatever the exit code says, a command that came to its end was a call that worked. */
static enum turn_card_end end_of(const struct talk_work *work) {
    switch (work->child_cause) {
    case CAUSE_COMPLETED:
    case CAUSE_EXIT_CODE:
    case CAUSE_SIGNAL:
        return CARD_SUCCEEDED;
    default:
        return work->child_state == RUN_CANCELLED ? CARD_INTERRUPTED
               : work->child_state == RUN_LOST    ? CARD_UNKNOWN
                                                  : CARD_FAILED;
    }
}

static void fetched(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    work->away = false;
    work->end = end_of(work);
    work__settle(work);
}

void child__fetch(struct talk_work *work) {
    work->away = true;
    work->job = (struct pool_job){.kind = POOL_QUICK, .run = fetch_run, .done = fetched};
    pool_add(&work->talk->turns->pool, &work->job);
}
