/* tools.c: calls of tools are performed, each for itself, and what a step wrote is checked.
 *
 * The row of a card says `running` before it comes here. What it did is stored with what is next;
 * until then it is in our hands, and a daemon that dies meanwhile leaves the judgement to
 * tx_turn_begin: again, or outcome_unknown.
 *
 * Commands, and the check of the project, are jobs. Their output is read at their end:
 *
 *   a command   tx_turn_child ──> … the job ends … ──pool──> its card
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
    FIND_MS = 10000,
    PROBLEM_MAX = 256 << 10,
    OUTPUT_BYTES = 4 * COMMAND_OUTPUT_MAX, /* Limit of each stream. */
    CHECK_BYTES = 4 * CHECK_OUTPUT_MAX,
    HINT_BYTES = 16 << 10,
    SPEC_OUTPUT_MAX = 16 << 20,
    ELSEWHERE_MAX = 400,
    NOTE_MAX = 256 << 10
};

/* --- Its life --------------------------------------------------------------------------------- */

static const char *work_keep(struct talk_work *work, struct bytes text) {
    assert(work->owned_count < WORK_TEXTS);
    char *copy = mem_copy(text.data == NULL ? "" : text.data, text.len);
    work->owned[work->owned_count++] = copy;
    return copy;
}

static struct talk_work *work_new(struct talk *talk, const struct turn_card *card) {
    struct talk_work *work = mem_new(sizeof *work);
    work->talk = talk;
    work->card = *card;
    work->card.tool.data = work_keep(work, card->tool);
    work->card.arguments.data = work_keep(work, card->arguments);
    work->card.about.data = work_keep(work, card->about);
    work->card.child.data = work_keep(work, card->child);
    work->card.child_host.data = work_keep(work, card->child_host);
    work->root = work_keep(work, talk->plan.root);
    work->ports = work_keep(work, talk->plan.ports);
    work->settings = work_keep(work, talk->plan.settings);
    work->project = work_keep(work, talk->plan.rules);
    work->roots = work_keep(work, talk->plan.roots);
    work->path = work_keep(work, talk->plan.path);
    work->config_dir = work_keep(work, talk->plan.config_dir);
    tool_result_init(&work->result);
    work->next = talk->works;
    talk->works = work;
    talk->tool_ms = turns__now_ms(talk->turns);
    (void)snprintf(talk->tool, sizeof talk->tool, "%.*s",
                   (int)utf8_cut(card->tool, sizeof talk->tool - 1), card->tool.data);
    talk->turns->stats.tools++;
    return work;
}

/* --- Its end ---------------------------------------------------------------------------------- */

static void work_put(struct talk_work *work, enum card_cause cause, const char *words) {
    text_clear(&work->result.content);
    text_add_str(&work->result.content, words);
    work->result.cause = cause;
}

static void work_fail(struct talk_work *work, enum card_cause cause, const char *words) {
    work_put(work, cause, words);
    work__settle(work);
}

/* --- In the pool ------------------------------------------------------------------------------ */

static void here_run(struct talk_work *work) {
    AUTO(toolplace_close) struct toolplace place;
    AUTO(tool_look_done) struct tool_look look;
    AUTO(json_release) json_t *about = NULL;
    work__open_place(work, &place);
    tool_look_init(&look);
    work->err = tool_look(&work->call, &place.place, &look);
    if (err_failed(work->err)) {
        return;
    }
    /* A permission holds for this change to this file: nobody has seen another one. Each judged
     * call says in what state its file was (judge.c). */
    if (err_failed(json_parse_wrapped(work->card.about, &about, NULL))) {
        json_release(&about);
    }
    const char *conflict = judge__conflict(about, &look);
    if (conflict != NULL) {
        work_put(work, CARD_CONFLICT, conflict);
        return;
    }
    work->err = tool_perform(&work->call, &place.place, &look, &work->result);
}

static void here_done(struct talk_work *work) {
    if (err_failed(work->err)) {
        work_put(work, CARD_NO_MEMORY, "There was no memory to do this; try it again.");
    }
    work->wrote =
        work->result.cause == CARD_DONE && (tool_get(work->call.id)->needs & TOOL_NEEDS_WRITE) != 0;
    work__settle(work);
}

/* --- On the loop: pages ----------------------------------------------------------------------- */

/* The rules judge a page at `url`. */
static enum permission page_permission(const struct talk_work *work, const struct toolplace *place,
                                       const char *url) {
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    text_add_str(&look.subjects[0], url);
    look.subject_count = 1;
    return text_failed(&look.subjects[0])
               ? PERMISSION_DENY
               : tool_judge(&work->call, &look, &place->rules).permission;
}

/* A yes holds for the page that was asked for. A redirect may lead to another one that needs no
 * more than it did; else a page that is allowed could send the call to one that is denied. */
static bool page_may_follow(void *ctx, const char *url) {
    const struct talk_work *work = ctx;
    AUTO(toolplace_close) struct toolplace place;
    work__open_place(work, &place);
    return page_permission(work, &place, url) <=
           page_permission(work, &place, json_str(work->call.input, "url", ""));
}

static void page_fetched(void *ctx, const struct tool_result *result) {
    struct talk_work *work = ctx;
    work->fetch = NULL;
    text_add(&work->result.content, result->content.data, result->content.len);
    work->result.cause = result->cause;
    work__settle(work);
}

/* --- Jobs: their begin ------------------------------------------------------------------------ */

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
    if (work->ports[0] != '\0') {
        text_add_member_str(spec, "ports", work->ports);
    }
    if (work->path[0] != '\0') {
        text_add_member(spec, "path", bytes_of(work->path));
    }
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

static void child_begin(struct talk_work *work) {
    struct command_request request;
    command_request_read(&work->call, &request);
    const struct child_order order = {.command = request.command,
                                      .words = request.args,
                                      .timeout_ms = request.timeout_ms,
                                      .is_long = tool_get(work->call.id)->length == TOOL_LONG};
    if (err_failed(write_spec(work, &order))) {
        work_fail(work, CARD_TOO_LARGE, "The command is too long.");
        return;
    }
    const char *label = request.description[0] != '\0' ? request.description : request.command;
    struct talk_errand *errand = work__errand(work, ERRAND_CHILD);
    errand->child = (struct turn_child){.key = errand->key,
                                        .part = work->card.part,
                                        .is_long = order.is_long,
                                        .agent_commands = work->talk->turns->options.agent_commands,
                                        .run = new_run(work, label)};
    talk__send(errand);
}

/* The check begins: into result.content the line of its command, into spec what a job is; without
 * that, it is not allowed. */
static void find_run(struct talk_work *work) {
    const struct toolplace_seat seat = {.turns = &work->talk->turns->options,
                                        .root = work->root,
                                        .settings = work->settings,
                                        .project = work->project,
                                        .roots = "",
                                        .time_ms = FIND_MS};
    AUTO(toolplace_close) struct toolplace place;
    AUTO(json_release) json_t *words = NULL;
    toolplace_open(&place, &seat);
    bool allowed = false;
    work->err = check_find(&place.place, place.settings, place.tools, &words, &allowed);
    if (!err_failed(work->err) && words != NULL) {
        const struct child_order order = {.words = words, .timeout_ms = CHECK_TIMEOUT_MS};
        text_init(&work->result.content, CHECK_LINE_MAX);
        check_write_line(words, &work->result.content);
        work->err = allowed ? write_spec(work, &order) : ERR_OK;
    }
}

/* A project that could not be looked at is one without a check: it ends no turn. */
static void find_done(struct talk_work *work) {
    struct talk_errand *errand = work__errand(work, ERRAND_CHECK_START);
    errand->check_start.key = errand->key;
    errand->check_start.none = err_failed(work->err) || work->spec.len == 0;
    if (!err_failed(work->err) && work->spec.len == 0 && work->result.content.len > 0) {
        const struct check_unallowed check = {.line = work->result.content.data,
                                              .project = work->talk->plan.project,
                                              .project_rules = bytes_of(work->project)};
        struct text hint = text_up_to(HINT_BYTES);
        check_write_unallowed(&check, &hint);
        text_done(&work->result.content);
        work->result.content = hint;
        errand->check_start.hint = text_bytes(&work->result.content);
    }
    if (!errand->check_start.none) {
        errand->check_start.run = new_run(work, work->result.content.data);
    }
    talk__send(errand);
}

/* --- Jobs: their output, in the pool ---------------------------------------------------------- */

struct child_output {
    struct bytes bytes; /* Owned. */
    bool cut;           /* There is more. */
};

static void output_done(struct child_output *output) {
    mem_free((char *)output->bytes.data);
}

/* At most `size` bytes of a stream: its beginning, or its end. The output of a command is in the
 * spool of its host: where that is another one, nothing would look as if it had printed nothing. */
enum output_part { OUTPUT_BEGIN, OUTPUT_END };
static struct child_output read_output(const struct talk_work *work, enum log_stream stream,
                                       enum output_part part, size_t size) {
    const struct turns_options *options = &work->talk->turns->options;
    const struct run_row row = {.host = work->card.child_host};
    char name[PROTOCOL_NAME_MAX];
    if (options->bounds.hosts == RUN_HOSTS_SHARED &&
        run_is_of_other_host(&row, options->bounds.host)) {
        struct text text = text_up_to(ELSEWHERE_MAX);
        if (stream == LOG_OUT) {
            text_add_str(&text,
                         "drover: the command ran on another host, which keeps its output: ");
            text_add_str(&text, work->card.child_host.data);
        }
        size_t len = text_failed(&text) ? 0 : text.len;
        return (struct child_output){.bytes = {text.data, len}, .cut = true};
    }
    char *bytes = mem_new(size);
    struct log_read read = {.len = 0};
    int len = snprintf(name, sizeof name, "%s.%lld", work->card.child.data,
                       (long long)work->card.child_attempt);
    struct log_place place = {.name = name, .stream = stream};
    bool fits = len > 0 && (size_t)len < sizeof name;
    for (int reads = part == OUTPUT_END ? 2 : 1; fits && reads > 0; reads--) {
        if (err_failed(spool_log_read(options->spool, &place, bytes, size, &read))) {
            read = (struct log_read){.len = 0};
        }
        if (read.size <= (int64_t)read.len) {
            break;
        }
        place.offset = read.size - (int64_t)size;
    }
    return (struct child_output){.bytes = {bytes, read.len}, .cut = read.size > (int64_t)read.len};
}

static void fetch_run(struct talk_work *work) {
    const struct turn_card *card = &work->card;
    AUTO(output_done)
    struct child_output out = read_output(work, LOG_OUT, OUTPUT_BEGIN, OUTPUT_BYTES);
    AUTO(output_done)
    struct child_output err = read_output(work, LOG_ERR, OUTPUT_BEGIN, OUTPUT_BYTES);
    const struct command_end end = {.state = card->child_cause == CAUSE_DEADLINE ? COMMAND_TIMED_OUT
                                             : card->child_cause == CAUSE_NOT_STARTED
                                                 ? COMMAND_NOT_FOUND
                                                 : COMMAND_EXITED,
                                    .exit_code = card->child_exit >= 0 ? (int)card->child_exit : -1,
                                    .out = out.bytes,
                                    .err = err.bytes,
                                    .truncated = out.cut || err.cut,
                                    .duration_ms = card->child_ms};
    command_result_write(&end, &work->result);
}

static void fetch_done(struct talk_work *work) {
    work->result.cause =
        card_cause_of_run(CARD_RUN_COMMAND, work->card.child_state, work->card.child_cause);
    work__settle(work);
}

/* A check that could not be started, was stopped or was lost says nothing. */
static void note_run(struct talk_work *work) {
    const enum run_cause cause = work->card.child_cause;
    if (cause != CAUSE_EXIT_CODE && cause != CAUSE_SIGNAL && cause != CAUSE_DEADLINE) {
        return;
    }
    AUTO(output_done)
    struct child_output out = read_output(work, LOG_OUT, OUTPUT_END, CHECK_BYTES);
    AUTO(output_done)
    struct child_output err = read_output(work, LOG_ERR, OUTPUT_END, CHECK_BYTES);
    const struct check_failure failure = {.line = work->card.tool.data,
                                          .state = cause == CAUSE_EXIT_CODE ? CHECK_EXITED
                                                   : cause == CAUSE_SIGNAL  ? CHECK_SIGNALED
                                                                            : CHECK_TIMED_OUT,
                                          .exit_code = (int)work->card.child_exit,
                                          .out = out.bytes,
                                          .err = err.bytes};
    text_init(&work->result.content, NOTE_MAX);
    check_write_note(&failure, &work->result.content);
}

static void note_done(struct talk_work *work) {
    const struct text *note = &work->result.content;
    struct talk_errand *errand = work__errand(work, ERRAND_CHECK_END);
    errand->check_end =
        (struct turn_check_end){.key = errand->key,
                                .check = work->card.step,
                                .note = text_failed(note) ? BYTES("") : text_bytes(note)};
    talk__send(errand);
}

/* --- Beginning -------------------------------------------------------------------------------- */

static void work_perform(struct talk_work *work) {
    const struct turns_options *options = &work->talk->turns->options;
    switch (tool_get(work->call.id)->performer) {
    case TOOL_HERE:
        work__pool(work, here_run, here_done);
        break;
    case TOOL_FETCH: {
        const struct web_order order = {.loop = options->loop,
                                        .client = options->client,
                                        .allow = options->allow,
                                        .search = options->search,
                                        .call = &work->call,
                                        .may = page_may_follow,
                                        .done = page_fetched,
                                        .ctx = work};
        if (work->call.id == TOOL_WEB_SEARCH && options->search == NULL) {
            work_fail(work, CARD_TOOL_UNKNOWN, "No web search is configured (serve --search).");
            break;
        }
        const struct err begun = web_fetch_start(&order, &work->fetch);
        if (begun.code == ERR_TEXT_TOO_LONG) {
            work_fail(work, CARD_TOO_LARGE, "The query is too long.");
        } else if (err_failed(begun)) {
            work_fail(work, CARD_TOO_MANY,
                      "Too many requests are on their way; try it again later.");
        }
        break;
    }
    case TOOL_RUN:
        if (work->card.child.len > 0) {
            work__pool(work, fetch_run, fetch_done);
        } else {
            child_begin(work);
        }
        break;
    case TOOL_ROWS:
        rows__begin(work);
        break;
    case TOOL_WAIT:
        work_fail(work, CARD_TOOL_UNKNOWN, "This tool is not offered here.");
        break;
    }
}

static void on_work_point(struct point_wait *wait) {
    struct talk_work *work = CONTAINER_OF(wait, struct talk_work, point);
    if (!work__is_over(work)) {
        work->points = WORK_POINT_AFTER;
        work_perform(work);
    }
}

/* Work in the background has points of its own: those of its job. A command that has ended had its
 * first point when it began. */
static void work_begin(struct talk_work *work) {
    const struct turns_options *options = &work->talk->turns->options;
    AUTO(text_done) struct text problem = text_up_to(PROBLEM_MAX);
    if (work->card.part == TURN_CHECK_PART) {
        bool ended = work->card.step != 0;
        work__pool(work, ended ? note_run : find_run, ended ? note_done : find_done);
        return;
    }
    /* It was read and judged before it was stored. One that an older daemon stored and this one
     * cannot read any more fails. */
    if (err_failed(tool_call_read(options->toolbox, TOOL_SET_ALL, work->card.tool,
                                  work->card.arguments, &work->call, &problem))) {
        work_fail(work, CARD_BAD_ARGUMENTS,
                  problem.len > 0 ? problem.data : "This call cannot be read.");
        return;
    }
    const struct tool *tool = tool_get(work->call.id);
    const bool writes =
        (tool->needs & (TOOL_NEEDS_WRITE | TOOL_NEEDS_COMMAND)) != 0 && tool->length == TOOL_SHORT;
    work->point.done = on_work_point;
    work->points = writes ? WORK_POINT_AFTER : WORK_NO_POINTS;
    if (writes && work->card.child.len == 0) {
        work->points = WORK_POINT_BEFORE;
        if (work__point(work, POINT_BEFORE)) {
            return; /* on_work_point goes on. */
        }
        work->points = WORK_POINT_AFTER;
    }
    work_perform(work);
}

void talk__work(struct talk *talk, const struct turn_plan *plan) {
    for (size_t i = 0; i < plan->card_count; i++) {
        const struct turn_card *card = &plan->cards[i];
        const struct talk_work *work = talk->works;
        while (work != NULL && work->card.part != card->part) {
            work = work->next;
        }
        if (work == NULL) { /* Else it is performed already. */
            (card->review ? review__begin : work_begin)(work_new(talk, card));
        }
    }
}

/* What is in the pool looks at the flag; what is in the store has done its work. */
void talk__cancel_works(struct talk *talk) {
    struct talk_work *next = NULL;
    for (struct talk_work *work = talk->works; work != NULL; work = next) {
        next = work->next;
        atomic_store(&work->cancelled, true);
        review__cancel(work->review);
        const bool waits = work->fresh != NULL && work->fresh->wait.checked == NULL &&
                           work->fresh->wait.check != NULL;
        const bool points = work->point.entry != NULL;
        if (work->fetch != NULL || waits || points) {
            if (points) {
                point_wait_cancel(&work->point);
            } else if (waits) {
                must_wait_stop(&work->fresh->wait);
            } else {
                web_fetch_cancel(work->fetch);
            }
            work->fetch = NULL;
            work_put(work, CARD_STOPPED, "It was stopped.");
            if (!talk__is_over(talk)) {
                work__settle(work);
            }
        }
    }
}
