/* run_kinds.c: the operations of each kind of run: see run/kinds.h. A new kind is a row here. */
#include "engine/run/kinds.h"

#include "engine/approval/rows.h"
#include "engine/board/board.h"
#include "engine/flow/rows.h"
#include "engine/turn/rows.h"
#include "engine/workflow/rows.h"

/* An attempt at a task is a turn: boards stand above turns, and hear of their ends here. */
static struct err turn_ended(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    const struct err err = turns__ended(tx, row, freed);
    return err_failed(err) ? err : board__run_ended(tx, row);
}

static struct err turn_end_alone(struct tx *tx, struct bytes sentence, const struct run_row *row,
                                 struct run_freed *freed) {
    const struct err err = turns__end_alone(tx, sentence, row, freed);
    return err_failed(err) ? err : board__run_ended(tx, row);
}

static struct err turn_said(struct tx *tx, const struct run_row *row, struct bytes *ret_text) {
    return turns__said(tx, row->id, ret_text);
}

/* A command of must-haves is a job, whose end may decide about its attempt. */
static struct err job_ended(struct tx *tx, const struct run_row *row, struct run_freed *freed) {
    const struct err err = approvals__run_ended(tx, row, freed);
    return err_failed(err) ? err : board__command_ended(tx, row);
}

const struct run_kind_ops run_kinds[RUN_KIND_COUNT] = {
    [KIND_JOB] = {.ended = job_ended, .closed = approvals__cancel, .asks = true},
    [KIND_TURN] = {.ended = turn_ended,
                   .output = turns__output,
                   .said = turn_said,
                   .child_ended = turns__child_ended,
                   .talk_session = flows__talk_session,
                   .end_alone = turn_end_alone,
                   .answered = turns__answered,
                   .view = turns__view,
                   .found = "SELECT 1 FROM turns WHERE run = $1"},
    [KIND_AGENT] = {.event_started = steps__event_admitted,
                    .ended = steps__ended,
                    .child_asks = steps__event_asks,
                    .child_waits = steps__event_budget,
                    .found = "SELECT 1 FROM runs WHERE id = $1 AND step_key <> ''"},
    [KIND_WORKFLOW] = {.ended = workflows__ended,
                       .close = workflows__close,
                       .closed = workflows__tell_closed,
                       .said = workflows__said,
                       .talks = workflows__talks,
                       .view = runs__progress_view,
                       .found = "SELECT 1 FROM workflows WHERE run = $1"},
    [KIND_FLOW] = {.ended = flows__ended,
                   .closed = flows__closed,
                   .child_ended = flows__child_ended,
                   .answered = flows__answered,
                   .approvers = true,
                   .child_asks = flows__child_asks,
                   .said = flows__said,
                   .talks = flows__talks,
                   .found = "SELECT 1 FROM flows WHERE run = $1"},
    [KIND_TITLE] = {.ended = titles__ended},
};
