/* musts.h: must-haves of the tasks of a board: what they ask for, and what their checks must find.
 *
 *   a move ──musts_ask──> the end of its check ──> the move again, with the findings
 *
 * How        two files of the project change now and then (musts_file): one comes and goes, the
 *            other one never has a content twice. The ends of commands are seen in the notes of
 *            their runs. A move to review, or its refusal, must be one that files, outputs and
 *            commands gave a reason for, at a moment since the check began.
 * Ownership  waits and errands are of the life. What is known of files and commands survives it.
 */
#ifndef DROVER_TEST_SIM_MUSTS_H
#define DROVER_TEST_SIM_MUSTS_H

#include "engine/board/board.h"
#include "sim.h"

struct errand;
struct must_findings;
/* Must-haves of the task that the operation adds: a JSON list. */
void musts_write(struct sim *sim, unsigned op, struct text *text);
/* For a move to review, or one that takes the task; owned by its errand. */
struct must_findings *musts_new(struct errand *errand);
/* Sends the errand again when its check has ended. */
void musts_ask(struct errand *errand);
/* In the transaction that begins the check, or joins it. */
void musts_begun(struct tx *tx, struct errand *errand);
/* The check has moved the task itself; this request is the first one that hears of it. */
MUST_CHECK bool musts_moved(const struct must_findings *findings); /* NULL: none. */
MUST_CHECK bool musts_moved_first(const struct must_findings *findings);
/* The findings that go with its move, and the list that gets what is not met. */
void musts_give(struct must_findings *findings, struct task_move *move);
/* In the transaction of a move to review: fails where the must-haves gave another answer. */
void musts_judge(struct tx *tx, struct errand *errand, struct err err);
void musts_findings_free(struct must_findings *findings); /* NULL is allowed. */
/* An operation: one of the files changes. */
void musts_file(struct sim *sim);
/* The files are as they are at the begin of a seed that has a board. */
void musts_begin(struct sim *sim);
void musts_stopping(struct sim *sim);
void musts_crashed(struct sim *sim);
void musts_look(struct sim *sim);
void musts_noted(struct sim *sim, const struct run_row *row);

#endif
