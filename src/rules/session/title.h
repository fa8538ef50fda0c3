/* rules/session/title.h: the name of a session, made by a machine. Pure: no clock, no I/O.
 *
 * A model is asked for it once, with the first question and the first answer; where none is asked,
 * or none gives a useful one, it is the first words of the question. */
#ifndef DROVER_RULES_SESSION_TITLE_H
#define DROVER_RULES_SESSION_TITLE_H

#include "base/base.h"

enum {
    TITLE_CHARS = 60,
    TITLE_BYTES = TITLE_CHARS * 3, /* Longer ones are cut shorter. */
};

/* Whether that model can name a session. What a scripted one says is in the question already. */
MUST_CHECK bool title_is_asked(struct bytes model);

struct title {
    char text[TITLE_BYTES + 1];
    size_t len; /* 0: nothing that would be a name. */
};
/* The last line that says something, without the marks of a head or a list: borrowed; or "". */
struct bytes title_last_line(struct bytes text);
/* The first words of a question. */
struct title title_of_words(struct bytes text);
/* What a model answered, without what models put around it: its thoughts, marks, quotes, a stop. */
struct title title_of_answer(struct bytes said);

#endif
