/* edit_match.h: where in a text the passage stands that is to be replaced.
 *
 * First the exact bytes. Where they don't occur, whole lines that are equal but for blanks: those
 * at the ends of a line do not count, and those within count as one. A passage that is found at
 * several places is never replaced unless all of them are meant: the caller tells the lines.
 *
 * Ownership  nothing is owned; the text is borrowed.
 * Threads    any. Linear in the text for exact matches; lines of the text times lines of the
 *            passage, at worst, for the others: bounded by EDIT_STEPS_MAX.
 */
#ifndef DROVER_TOOL_FILE_EDIT_MATCH_H
#define DROVER_TOOL_FILE_EDIT_MATCH_H

#include "base/base.h"

enum { EDIT_PLACES_MAX = 1000, EDIT_PLACES_SHOWN = 10, EDIT_STEPS_MAX = 20 * 1000 * 1000 };

struct edit_place {
    size_t from, to;
    size_t line; /* From 1. */
};
enum edit_way { EDIT_EXACT, EDIT_BUT_BLANKS };
struct edit_places {
    enum edit_way way;
    size_t count; /* More than EDIT_PLACES_MAX are not looked for. */
    struct edit_place places[EDIT_PLACES_MAX];
};
void edit_match(struct bytes text, struct bytes passage, struct edit_places *ret_places);
/* Lines that are the passage's first one, but for blanks: where it may have been meant. */
void edit_near(struct bytes text, struct bytes passage, struct edit_places *ret_places);

#endif
