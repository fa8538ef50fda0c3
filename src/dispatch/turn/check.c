/* check.c: the check of what a step wrote: found, begun as a job, its result told.
 *
 *   TURN_NEXT_CHECK ──pool──> tx_turn_check_start ──> … the job ends … ──> TURN_NEXT_CHECK
 *                   ──pool──> tx_turn_check_end ──> the next call of the model
 */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"
#include "tool/check.h"

enum {
    END_BYTES = 4 * CHECK_OUTPUT_MAX,
    NOTE_MAX = 256 << 10,
    FIND_MS = 10000,
    LINE_BYTES = 80000
};

/* False: nobody waits for it any more. */
static bool is_wanted(struct talk_work *work) {
    struct talk *talk = work->talk;
    work->away = false;
    if (talk->ended || talk->turns->stopping) {
        work__free(work);
        talk__maybe_free(talk);
        return false;
    }
    return true;
}

/* --- The begin -------------------------------------------------------------------------------- */

static struct err start_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_check_start(tx, &errand->check_start, &errand->plan);
}

/* Into result.content the line of the command, into spec what a job is. */
static struct err find(struct talk_work *work, const struct toolplace *place) {
    AUTO(json_release) json_t *words = NULL;
    struct err err = check_find(&place->place, place->settings, place->tools, &words);
    if (err_failed(err) || words == NULL) {
        return err;
    }
    const struct child_order order = {.words = words, .timeout_ms = CHECK_TIMEOUT_MS};
    text_init(&work->spec, RUN_SPEC_MAX);
    text_init(&work->result.content, LINE_BYTES);
    check_write_line(words, &work->result.content);
    return child__write_spec(work, &order, &work->spec);
}

static void find_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    const struct turns_options *options = &work->talk->turns->options;
    const struct toolplace_seat seat = {.root = work->root,
                                        .settings = work->settings,
                                        .roots = "",
                                        .data_dir = options->data_dir,
                                        .home = options->home,
                                        .world = loop_world(options->loop),
                                        .time_ms = FIND_MS};
    AUTO(toolplace_close) struct toolplace place;
    toolplace_open(&place, &seat);
    work->err = find(work, &place);
}

/* A project that could not be looked at is one without a check: it ends no turn. */
static void find_done(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    if (!is_wanted(work)) {
        return;
    }
    struct talk_errand *errand = talk__errand(work->talk, start_tx, work__stored);
    errand->work = work;
    errand->check_start = (struct turn_check_start){
        .key = errand->key, .none = err_failed(work->err) || work->spec.len == 0};
    if (!errand->check_start.none) {
        errand->check_start.run = child__new_run(work, work->result.content.data);
    }
    talk__send(errand);
}

/* --- The end ---------------------------------------------------------------------------------- */

static struct err end_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_check_end(tx, &errand->check_end, &errand->plan);
}

/* One that could not be started is no check; what was stopped or lost says nothing. */
static bool has_failed(const struct talk_work *work, enum check_state *ret_state) {
    switch (work->child_cause) {
    case CAUSE_EXIT_CODE:
        *ret_state = CHECK_EXITED;
        return true;
    case CAUSE_SIGNAL:
        *ret_state = CHECK_SIGNALED;
        return true;
    case CAUSE_DEADLINE:
        *ret_state = CHECK_TIMED_OUT;
        return true;
    default:
        return false;
    }
}

static void write_note(struct talk_work *work, enum check_state state) {
    struct child_output out = child__read_end(work, LOG_OUT, END_BYTES);
    struct child_output err = child__read_end(work, LOG_ERR, END_BYTES);
    const struct check_failure failure = {.line = work->tool,
                                          .state = state,
                                          .exit_code = (int)work->child_exit,
                                          .out = {out.bytes, out.read.len},
                                          .err = {err.bytes, err.read.len}};
    text_init(&work->result.content, NOTE_MAX);
    check_write_note(&failure, &work->result.content);
    mem_free(out.bytes);
    mem_free(err.bytes);
}

static void note_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    enum check_state state = CHECK_EXITED;
    if (has_failed(work, &state)) {
        write_note(work, state);
    }
}

static void note_done(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    if (!is_wanted(work)) {
        return;
    }
    struct talk_errand *errand = talk__errand(work->talk, end_tx, work__stored);
    const struct text *note = &work->result.content;
    errand->work = work;
    errand->check_end = (struct turn_check_end){
        .key = errand->key,
        .check = work->step,
        .note = {note->len == 0 ? "" : note->data, text_failed(note) ? 0 : note->len}};
    talk__send(errand);
}

/* --- Either ----------------------------------------------------------------------------------- */

void check__begin(struct talk_work *work) {
    bool ended = work->step != 0;
    work->away = true;
    work->job = (struct pool_job){.kind = POOL_QUICK,
                                  .run = ended ? note_run : find_run,
                                  .done = ended ? note_done : find_done};
    pool_add(&work->talk->turns->pool, &work->job);
}
