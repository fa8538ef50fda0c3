/* musts.h: must-haves of the tasks of a board: what they ask for, and what their checks must find.
 *
 *   musts_ask ──must_wait_start──> the daemon's checks ──> the errand, with their findings
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
/* Sends the errand when the must-haves were checked; `move` and its texts are copied. */
void musts_ask(struct errand *errand, const struct task_move *move);
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
