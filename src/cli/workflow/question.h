/* question.h: an answer to an open question of an agent, typed in place. cli/run/waits.h has the
 * words of the question.
 *
 * Promise    an answer is `y`, `n` or `n REASON` where a tool needs leave, a number of an option or
 *            any text where a model asks; anything else is refused with a hint, and nothing is
 *            sent. Of a question that was not shown whole only a no is sent.
 *            The terminal is as it was after question_input_end, and is read only between the two:
 *            keys that are typed while nothing is asked stay with the shell.
 * Ownership  struct question_input is embedded: question_input_init, question_input_done.
 * Threads    one.
 */
#ifndef DROVER_CLI_WORKFLOW_QUESTION_H
#define DROVER_CLI_WORKFLOW_QUESTION_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/terminal/raw_terminal.h"

/* Hint where the question must be shown whole before this answer counts. */
extern const char question_hint_unread[];
/* Writes the body of the answer. The hint is static; NULL: the body is written. `cut`: the person
 * has not seen all of the question. */
const char *question_answer_write(const json_t *approval, bool cut, struct bytes line,
                                  struct text *body);

struct question_input {
    struct text line; /* Owned: the answer as far as it was typed. */
    struct raw_terminal terminal;
};
void question_input_init(struct question_input *input);
void question_input_done(struct question_input *input); /* For AUTO. */
/* Keys come one by one from here on, without an echo; Ctrl-C still interrupts. Nothing happens in
 * the background, where the keys are another job's. */
void question_input_begin(struct question_input *input);
void question_input_end(struct question_input *input); /* The line is emptied, too. */
/* Takes typed bytes. True: the line is complete; what follows its end is dropped, since it was
 * typed for this question, too. */
MUST_CHECK bool question_input_take(struct question_input *input, struct bytes typed);
/* Reads what was typed, without waiting. */
enum question_typed { QUESTION_NOTHING, QUESTION_TYPED, QUESTION_LINE };
enum question_typed question_input_read(struct question_input *input);

#endif
