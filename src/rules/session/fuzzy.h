/* fuzzy.h: how well a few typed letters fit a path.
 *
 * Promise    a path fits when it has the letters in their order, whatever stands between them;
 *            ASCII letters are compared without case. Of paths that fit, letters at the beginning
 *            of a component or of a word count more, letters that follow each other too, and those
 *            of the last component more than those of its folders.
 * Bounds     FUZZY_LETTERS_MAX letters; the time is that of the letters times the path's length.
 * Threads    any.
 */
#ifndef DROVER_RULES_SESSION_FUZZY_H
#define DROVER_RULES_SESSION_FUZZY_H

#include "base/base.h"

enum { FUZZY_LETTERS_MAX = 100 };

struct fuzzy {
    char letters[FUZZY_LETTERS_MAX]; /* Bytes, in lower case. */
    size_t count;
};

void fuzzy_begin(struct fuzzy *fuzzy, struct bytes typed); /* At most FUZZY_LETTERS_MAX bytes. */
/* 0: it does not fit. Without letters every path fits alike. */
MUST_CHECK int fuzzy_score(const struct fuzzy *fuzzy, struct bytes path);

#endif
