/* card.h: calls of tools and messages as a person reads them.
 *
 *   • run_command echo one two             what is called, on one line
 *     → one two                            the beginning of its result
 *   • edit_file a.py                       an edit with its change
 *       -old
 *       +new
 *     ✗ denied (person): not now           why there is none, whole
 *     … run_job goes on in the background
 *
 * Promise    a result is never raw JSON: its output, answer or error is shown, or its members as
 *            "name: value". Control characters do not pass.
 * Threads    any; pure.
 */
#ifndef DROVER_CLI_TURN_CARD_H
#define DROVER_CLI_TURN_CARD_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/terminal/markdown.h"
#include "cli/terminal/paint.h"

/* Adds a text as it is, words of a list with blanks between them, and anything else as JSON. */
void card_value_add(const json_t *value, struct text *out);
/* A call of a tool, of an event or of a stored part. */
struct card {
    const char *tool, *state, *cause;
    struct bytes result; /* JSON or text. */
};
/* A call that begins. */
struct card_call {
    const char *tool;
    struct bytes arguments; /* JSON as text. */
    bool seen;              /* The call was shown as a question. */
};
/* Adds its line, and the first lines of an edit that was not seen. */
void card_begin_add(const struct paint *paint, const struct card_call *call, struct text *out);
/* Adds the line of its end. `named`: with the tool's name, where it is not the last line's. */
void card_end_add(const struct paint *paint, const struct card *card, bool named, struct text *out);

/* Adds a stored message: text, calls, notices. */
void card_message_add(const struct paint *paint, const json_t *message, struct text *out);
/* Adds one of its parts; `role`: whose message it is. */
void card_part_add(const struct paint *paint, const char *role, const json_t *part,
                   struct text *out);
/* Adds a line for each run whose end a notice tells the agent of. */
void card_notice_add(const struct paint *paint, const json_t *message, struct text *out);
/* Text of the first part of a message. */
struct bytes card_text(const json_t *message);

#endif
