/* question.h: questions of runs to a person: an approval of a call, or a question with options.
 *
 *   May it run this command? (run_command)      Which one?
 *     echo one two                                1) the red one
 *   May it call write_file?                       2) the blue one
 *     b (new file)
 *     +new line
 *
 * Promise    a call is shown as the daemon describes it, whole: `shown` of its row. An answer is a
 *            number, or a text, of a question; of a call it is y, n with a reason, a or p. Another
 *            line answers nothing, so that a message that was being typed decides nothing. Control
 *            characters do not pass.
 * Ownership  `asked` is a row of /api/v1/approvals, borrowed.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_TURN_QUESTION_H
#define DROVER_CLI_TURN_QUESTION_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/terminal/paint.h"

/* Adds the whole question as lines. */
void question_add(const json_t *asked, const struct paint *paint, struct text *out);
/* Adds the text before the line in which it is answered. */
void question_prompt_add(const json_t *asked, struct text *out);
/* Adds a sentence that lists the answers, after a line that answers nothing. */
void question_choices_add(const json_t *asked, struct text *out);

enum question_choice {
    QUESTION_UNCLEAR,
    QUESTION_ANSWERED,
    QUESTION_DENIED,
    QUESTION_ALWAYS, /* A yes to all such calls of the session, */
    QUESTION_PROJECT /* or of all sessions of its project. */
};
/* Reads a line, and adds the body of the request that answers. */
enum question_choice question_read(const json_t *asked, struct bytes line, struct text *body);
/* Whether an answer is more than a yes: a text, an option, or fields. */
MUST_CHECK bool question_has_value(const json_t *asked);
/* Adds the body of the request for such an answer: an option by its number, a text, or the fields
 * of a form as JSON. False: these are no JSON object. */
MUST_CHECK bool question_value(const json_t *asked, struct bytes line, struct text *body);

/* Words for what the rule allows that ALWAYS or PROJECT leaves behind (rules/approval/always.h). */
void question_rule_add(const json_t *asked, struct text *out);

#endif
