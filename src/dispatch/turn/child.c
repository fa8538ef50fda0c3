/* child.c: calls that are commands, and the check of what a step wrote: begun as a job, its output
 * read at its end.
 *
 *   a command   child__begin ──> tx_turn_child ──> … the job ends … ──> child__fetch ──> its card
 *   the check   TURN_NEXT_CHECK ──pool──> tx_turn_check_start ──> … ──> TURN_NEXT_CHECK
 *                               ──pool──> tx_turn_check_end ──> the next call of the model
 */
#include <stdio.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/turn/tool_settings.h"
#include "dispatch/turn/work.h"
#include "engine/job/spec.h"
#include "proc/spool/protocol.h"
#include "tool/check.h"
#include "tool/requests.h"

enum {
    OUTPUT_BYTES = 4 * COMMAND_OUTPUT_MAX, /* Limit of each stream. */
    CHECK_BYTES = 4 * CHECK_OUTPUT_MAX,
    SPEC_OUTPUT_MAX = 16 << 20,
    NAME_SHOWN_MAX = 200,
    NOTE_MAX = 256 << 10,
    FIND_MS = 10000,
    LINE_BYTES = 80000
};

/* --- The begin -------------------------------------------------------------------------------- */

struct child_order {
    const char *command; /* NULL: the first of the words. */
    const json_t *words; /* An array of texts, or NULL. */
    int64_t timeout_ms;  /* 0: none. */
    bool is_long;        /* The job goes on after its turn. */
};

/* Into work->spec. A command of a tool is kept inside where the kernel can do that; background work
 * runs as the user (decisions/021). */
static struct err write_spec(struct talk_work *work, const struct child_order *order) {
    struct text *spec = &work->spec;
    text_init(spec, RUN_SPEC_MAX);
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
    text_add_member(spec, "cwd", bytes_of(work->root));
    if (order->timeout_ms > 0) {
        text_add_member_int(spec, "timeout_ms", order->timeout_ms);
    }
    text_addf(spec, ",\"limits\":{\"output\":%d}", SPEC_OUTPUT_MAX);
    if (order->is_long) {
        text_add_str(spec, ",\"notify\":[{");
        text_add_member(spec, "session", work->talk->plan.session);
        text_add_str(spec, "}]");
    } else if (work->talk->turns->options.sandbox) {
        text_add_member(spec, "sandbox", BYTES("on"));
    }
    text_add_char(spec, '}');
    return text_failed(spec) ? text_error(spec, "turns: command") : ERR_OK;
}

/* A job with the work's spec. */
static struct run_new new_run(const struct talk_work *work, const char *label) {
    size_t len = strcspn(label, "\n\r\t");
    return (struct run_new){.run = talk__new_id(work->talk, "run"),
                            .key = BYTES(""),
                            .label = {label, utf8_cut((struct bytes){label, len}, JOB_LABEL_MAX)},
                            .spec = {work->spec.data, work->spec.len},
                            .kind = KIND_JOB,
                            .bounds = work->talk->turns->options.bounds};
}

void child__begin(struct talk_work *work) {
    struct command_request request;
    command_request_read(&work->call, &request);
    const struct child_order order = {.command = request.command,
                                      .words = request.args,
                                      .timeout_ms = request.timeout_ms,
                                      .is_long = tool_get(work->call.id)->length == TOOL_LONG};
    if (err_failed(write_spec(work, &order))) {
        work__fail(work, CARD_TOO_LARGE, "The command is too long.");
        return;
    }
    const char *label = request.description[0] != '\0' ? request.description : request.command;
    struct talk_errand *errand = work__errand(work, ERRAND_CHILD);
    errand->child = (struct turn_child){.key = errand->key,
                                        .part = work->card.part,
                                        .is_long = order.is_long,
                                        .run = new_run(work, label)};
    talk__send(errand);
}

/* --- Its output, in the pool ------------------------------------------------------------------ */

struct child_output {
    char *bytes; /* Owned. */
    struct log_read read;
};

static void output_done(struct child_output *output) {
    mem_free(output->bytes);
}

/* From the offset of `place`. The output of a command is in the spool of its host: where that is
 * another one, nothing would look as if it had printed nothing. */
static struct child_output read_output(const struct talk_work *work, struct log_place place,
                                       size_t size) {
    const struct turns_options *options = &work->talk->turns->options;
    const struct run_row row = {.kind = KIND_JOB, .host = work->card.child_host};
    struct child_output output = {.bytes = NULL};
    char name[PROTOCOL_NAME_MAX];
    if (run_is_elsewhere(&row, &options->bounds)) {
        AUTO(text_done) struct text text = text_up_to(2 * NAME_SHOWN_MAX);
        if (place.stream == LOG_OUT) {
            text_add_str(&text,
                         "drover: the command ran on another host, which keeps its output: ");
            text_add_str(&text, work->card.child_host.data);
        }
        if (!text_failed(&text) && text.len > 0) {
            output.bytes = text_take(&text, &output.read.len);
        }
        output.read.size = (int64_t)output.read.len + 1; /* More than can be read here. */
        return output;
    }
    output.bytes = mem_new(size);
    int len = snprintf(name, sizeof name, "%s.%lld", work->card.child.data,
                       (long long)work->card.child_attempt);
    place.name = name;
    bool fits = len > 0 && (size_t)len < sizeof name;
    if (!fits ||
        err_failed(spool_log_read(options->spool, &place, output.bytes, size, &output.read))) {
        output.read = (struct log_read){0};
    }
    return output;
}

/* At most `size` bytes from the end. */
static struct child_output read_end(const struct talk_work *work, enum log_stream stream,
                                    size_t size) {
    struct log_place place = {.stream = stream};
    struct child_output output = read_output(work, place, size);
    if (output.read.size > (int64_t)output.read.len) {
        output_done(&output);
        place.offset = output.read.size - (int64_t)size;
        output = read_output(work, place, size);
    }
    return output;
}

static void fetch_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    AUTO(output_done)
    struct child_output out =
        read_output(work, (struct log_place){.stream = LOG_OUT}, OUTPUT_BYTES);
    AUTO(output_done)
    struct child_output err =
        read_output(work, (struct log_place){.stream = LOG_ERR}, OUTPUT_BYTES);
    const struct command_end end = {
        .state = work->card.child_cause == CAUSE_DEADLINE      ? COMMAND_TIMED_OUT
                 : work->card.child_cause == CAUSE_NOT_STARTED ? COMMAND_NOT_FOUND
                                                               : COMMAND_EXITED,
        .exit_code = work->card.child_exit >= 0 ? (int)work->card.child_exit : -1,
        .out = {out.bytes, out.read.len},
        .err = {err.bytes, err.read.len},
        .truncated = out.read.size > (int64_t)out.read.len || err.read.size > (int64_t)err.read.len,
        .duration_ms = work->card.child_ms};
    command_result_write(&end, &work->result);
}

static void fetch_done(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    if (work__is_back(work)) {
        work->result.cause =
            card_cause_of_run(CARD_RUN_COMMAND, work->card.child_state, work->card.child_cause);
        work__settle(work);
    }
}

void child__fetch(struct talk_work *work) {
    work__pool(work, fetch_run, fetch_done);
}

/* --- The check begins ------------------------------------------------------------------------- */

/* Into result.content the line of the command, into spec what a job is. */
static void find_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    const struct toolplace_seat seat = {.turns = &work->talk->turns->options,
                                        .root = work->root,
                                        .settings = work->settings,
                                        .roots = "",
                                        .time_ms = FIND_MS};
    AUTO(toolplace_close) struct toolplace place;
    AUTO(json_release) json_t *words = NULL;
    toolplace_open(&place, &seat);
    work->err = check_find(&place.place, place.settings, place.tools, &words);
    if (!err_failed(work->err) && words != NULL) {
        const struct child_order order = {
            .words = words, .timeout_ms = CHECK_TIMEOUT_MS, .is_long = false};
        text_init(&work->result.content, LINE_BYTES);
        check_write_line(words, &work->result.content);
        work->err = write_spec(work, &order);
    }
}

/* A project that could not be looked at is one without a check: it ends no turn. */
static void find_done(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    if (!work__is_back(work)) {
        return;
    }
    struct talk_errand *errand = work__errand(work, ERRAND_CHECK_START);
    errand->check_start = (struct turn_check_start){
        .key = errand->key, .none = err_failed(work->err) || work->spec.len == 0};
    if (!errand->check_start.none) {
        errand->check_start.run = new_run(work, work->result.content.data);
    }
    talk__send(errand);
}

/* --- The check ends --------------------------------------------------------------------------- */

/* A check that could not be started, was stopped or was lost says nothing. */
static void note_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    const enum run_cause cause = work->card.child_cause;
    if (cause != CAUSE_EXIT_CODE && cause != CAUSE_SIGNAL && cause != CAUSE_DEADLINE) {
        return;
    }
    AUTO(output_done) struct child_output out = read_end(work, LOG_OUT, CHECK_BYTES);
    AUTO(output_done) struct child_output err = read_end(work, LOG_ERR, CHECK_BYTES);
    const struct check_failure failure = {.line = work->card.tool.data,
                                          .state = cause == CAUSE_EXIT_CODE ? CHECK_EXITED
                                                   : cause == CAUSE_SIGNAL  ? CHECK_SIGNALED
                                                                            : CHECK_TIMED_OUT,
                                          .exit_code = (int)work->card.child_exit,
                                          .out = {out.bytes, out.read.len},
                                          .err = {err.bytes, err.read.len}};
    text_init(&work->result.content, NOTE_MAX);
    check_write_note(&failure, &work->result.content);
}

static void note_done(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    const struct text *note = &work->result.content;
    if (!work__is_back(work)) {
        return;
    }
    struct talk_errand *errand = work__errand(work, ERRAND_CHECK_END);
    errand->check_end =
        (struct turn_check_end){.key = errand->key,
                                .check = work->card.step,
                                .note = text_failed(note) ? BYTES("") : text_bytes(note)};
    talk__send(errand);
}

void check__begin(struct talk_work *work) {
    if (work->card.step != 0) {
        work__pool(work, note_run, note_done);
    } else {
        work__pool(work, find_run, find_done);
    }
}
