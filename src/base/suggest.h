/* suggest.h: the known word that is nearest to a mistyped one.
 *
 * Promise    a word is offered only when few of its letters would have to change (one of three, two
 *            of six, then a third), so that a wild guess gets no wild answer.
 * Threads    any.
 */
#ifndef DROVER_BASE_SUGGEST_H
#define DROVER_BASE_SUGGEST_H

#include "base/base.h"

struct suggest {
    const char *typed;
    const char *best; /* NULL while nothing is near. */
    size_t distance;
};

void suggest_begin(struct suggest *suggest, const char *typed);
void suggest_offer(struct suggest *suggest, const char *word); /* Borrowed. */
/* "; did you mean X?" needs a word: NULL when none is near enough. */
const char *suggest_best(const struct suggest *suggest);

#endif
