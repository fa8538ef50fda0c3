/* child.c: calls of tools that are commands: begun as a job, its output fetched at its end. */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/turn/talk.h"
#include "tool/requests.h"

enum { OUTPUT_BYTES = 4 * COMMAND_OUTPUT_MAX, SPEC_OUTPUT_MAX = 16 << 20, NAME_SHOWN_MAX = 200 };

/* --- The begin -------------------------------------------------------------------------------- */

static void add_words(const struct child_order *order, struct text *spec) {
    text_add_str(spec, "{\"argv\":[");
    if (order->command != NULL) {
        text_add_json(spec, order->command, strlen(order->command));
    }
    for (size_t i = 0; i < json_array_size(order->words); i++) {
        const char *word = json_string_value(json_array_get(order->words, i));
        text_add_str(spec, i > 0 || order->command != NULL ? "," : "");
        text_add_json(spec, word, strlen(word));
    }
    text_add_char(spec, ']');
}

/* A command of a tool is kept inside where the kernel can do that; background work runs as the user
 * (decisions/021). */
struct err child__write_spec(const struct talk_work *work, const struct child_order *order,
                             struct text *spec) {
    add_words(order, spec);
    text_add_str(spec, ",\"cwd\":");
    text_add_json(spec, work->root, strlen(work->root));
    if (order->timeout_ms > 0) {
        text_addf(spec, ",\"timeout_ms\":%lld", (long long)order->timeout_ms);
    }
    text_addf(spec, ",\"limits\":{\"output\":%d}", SPEC_OUTPUT_MAX);
    if (order->length == CHILD_SHORT && work->talk->turns->options.sandbox) {
        text_add_str(spec, ",\"sandbox\":\"on\"");
    }
    if (order->length == CHILD_LONG) {
        text_add_str(spec, ",\"notify\":[{\"session\":");
        text_add_json(spec, work->talk->plan.session.data, work->talk->plan.session.len);
        text_add_str(spec, "}]");
    }
    text_add_char(spec, '}');
    return text_failed(spec) ? text_error(spec, "turns: command") : ERR_OK;
}

static struct err child_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_child(tx, &errand->child, &errand->plan);
}

struct run_new child__new_run(const struct talk_work *work, const char *label) {
    size_t len = strcspn(label, "\n\r\t");
    return (struct run_new){.run = talk__new_id(work->talk, "run"),
                            .key = {"", 0},
                            .label = {label, utf8_cut((struct bytes){label, len}, JOB_LABEL_MAX)},
                            .spec = {work->spec.data, work->spec.len},
                            .kind = KIND_JOB,
                            .bounds = work->talk->turns->options.bounds};
}

void child__begin(struct talk_work *work) {
    struct talk *talk = work->talk;
    struct command_request request;
    command_request_read(&work->call, &request);
    bool is_long = tool_get(work->call.id)->length == TOOL_LONG;
    const struct child_order order = {.command = request.command,
                                      .words = request.args,
                                      .timeout_ms = request.timeout_ms,
                                      .length = is_long ? CHILD_LONG : CHILD_SHORT};
    text_init(&work->spec, RUN_SPEC_MAX);
    if (err_failed(child__write_spec(work, &order, &work->spec))) {
        work__fail(work, CARD_TOO_LARGE, "The command is too long.");
        return;
    }
    const char *label = request.description[0] != '\0' ? request.description : request.command;
    struct talk_errand *errand = talk__errand(talk, child_tx, work__stored);
    errand->work = work;
    errand->child = (struct turn_child){.key = errand->key,
                                        .part = work->part,
                                        .is_long = is_long,
                                        .run = child__new_run(work, label)};
    talk__send(errand);
}

/* --- The end ---------------------------------------------------------------------------------- */

/* The output of a command is in the spool of its host. Nothing would look as if it had printed
 * nothing. */
static bool is_elsewhere(const struct talk_work *work) {
    const struct run_row row = {.kind = KIND_JOB,
                                .host = {work->child_host, strlen(work->child_host)}};
    return run_is_elsewhere(&row, &work->talk->turns->options.bounds);
}

static struct child_output elsewhere(const struct talk_work *work, enum log_stream stream) {
    AUTO(text_done) struct text text;
    text_init(&text, 2 * NAME_SHOWN_MAX);
    if (stream == LOG_OUT) {
        text_add_str(&text, "drover: the command ran on another host, which keeps its output: ");
        text_add_str(&text, work->child_host);
    }
    struct child_output output = {.bytes = NULL};
    if (!text_failed(&text) && text.len > 0) {
        output.read.len = text.len;
        output.bytes = text_take(&text, NULL /* known */);
    }
    output.read.size = (int64_t)output.read.len + 1; /* Something is missing. */
    return output;
}

static struct child_output read_stream(const struct talk_work *work, struct log_place place,
                                       size_t size) {
    if (is_elsewhere(work)) {
        return elsewhere(work, place.stream);
    }
    char name[PROTOCOL_NAME_MAX];
    struct child_output output = {.bytes = mem_new(size)};
    int len = snprintf(name, sizeof name, "%s.%lld", work->child, (long long)work->child_attempt);
    place.name = name;
    bool fits = len > 0 && (size_t)len < sizeof name;
    if (!fits || err_failed(spool_log_read(work->talk->turns->options.spool, &place, output.bytes,
                                           size, &output.read))) {
        output.read = (struct log_read){0};
    }
    return output;
}

struct child_output child__read_end(const struct talk_work *work, enum log_stream stream,
                                    size_t size) {
    struct log_place place = {.stream = stream};
    struct child_output output = read_stream(work, place, size);
    if (output.read.size > (int64_t)output.read.len) {
        mem_free(output.bytes);
        place.offset = output.read.size - (int64_t)size;
        output = read_stream(work, place, size);
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
    const struct log_place first = {.stream = LOG_OUT}, second = {.stream = LOG_ERR};
    struct child_output out = read_stream(work, first, OUTPUT_BYTES);
    struct child_output err = read_stream(work, second, OUTPUT_BYTES);
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

static void fetched(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    work->away = false;
    work->result.cause = card_cause_of_run(CARD_RUN_COMMAND, work->child_state, work->child_cause);
    work__settle(work);
}

void child__fetch(struct talk_work *work) {
    work->away = true;
    work->job = (struct pool_job){.kind = POOL_QUICK, .run = fetch_run, .done = fetched};
    pool_add(&work->talk->turns->pool, &work->job);
}
