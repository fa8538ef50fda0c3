/* waits.h: the reason why a run waits, as a sentence, and the question that it waits with.
 *
 * Promise    one function answers for each kind of run, so that `show`, the picture of a workflow
 *            and docs/workflows.md ("Why an agent waits") say the same.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_RUN_WAITS_H
#define DROVER_CLI_RUN_WAITS_H

#include "base/json/json.h"
#include "base/text.h"

/* Adds "room in a budget: …" and the like; nothing where the run waits for nothing. The run is a
 * row of the API, whole or of a list. Times are relative to `now_ms`; 0: they are left out. */
void run_waits_add(const json_t *run, int64_t now_ms, struct text *text);
/* Adds "waits for room in a budget: …, asked to stop", or "retry in 5 min" of a run that has ended,
 * as far as it holds. */
void run_reason_add(const json_t *run, int64_t now_ms, struct text *text);

/* Adds the words of an event `turn_waiting`, "waiting for a budget until …"; returns its detail.
 * Nothing is added where the turn waits for a person. */
const char *run_wait_event_add(const json_t *data, struct text *text);

/* Adds an open question, a row of /approvals, as its first line; "…" says that there are more:
 *   run_command: rm -rf build          a call that needs leave
 *   Which port? …                      a question of a model, with options */
void run_question_add(const json_t *approval, struct text *text);
/* Adds all lines of it, without the end of the last one; `indent` stands before each but the first.
 * The text needs room for RUN_QUESTION_MAX bytes. */
enum { RUN_QUESTION_MAX = 1 << 20 };
void run_question_lines_add(const json_t *approval, const char *indent, struct text *text);

#endif
