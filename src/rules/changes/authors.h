/* authors.h: authors of the changes between two points, from the calls that were open.
 *
 *   point   1        2        3        4
 *   A       BEFORE ───────────────── AFTER          a command
 *   B                BEFORE ─ AFTER                 an edit of src/x.c
 *   step       1──2: A   2──3: A, but src/x.c: B   3──4: A
 *
 * A step leads from one tree to the next one that differs. A call is open in each step between its
 * point before and its point after. A call that may write one path alone is the author of that
 * path, and of no other.
 *
 * A call that did not wait for its point (late) is open in the step that leads to that point, too.
 * Such a step began before the call: where no other call is open in it, somebody unknown may have
 * written beside the call (AUTHOR_UNKNOWN).
 *
 * So a path of a step is of the calls that name it; else of all other calls that are open in it:
 * one session is the author, several share it, and where none is open, nobody knows.
 *
 * Authors of a path are a set: bit n is author n. Authors beyond AUTHORS_MAX count as one more,
 * AUTHOR_OTHERS, so that a set never names too few.
 *
 * Ownership  authors_done. Texts are copied.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_CHANGES_AUTHORS_H
#define DROVER_RULES_CHANGES_AUTHORS_H

#include "base/base.h"
#include "base/text.h"
#include "rules/changes/point.h"

enum {
    AUTHORS_MAX = 60,
    AUTHOR_OTHERS = AUTHORS_MAX,
    AUTHOR_UNKNOWN = AUTHORS_MAX + 1,
    AUTHORS_CALLS_MAX = 512,  /* Calls that are open at once; further ones are of AUTHOR_OTHERS. */
    AUTHORS_STEPS_MAX = 4000, /* Further steps are joined with the last one. */
    AUTHORS_NAMED_MAX = 64,   /* Paths that are named in one step; further ones are shared. */
};

struct author {
    int64_t session, run; /* Numbers; session 0: the run is in none. */
};
/* Number of the run whose calls were open. 0: no call was; AUTHOR_RUNS: calls of several were. */
#define AUTHOR_RUNS INT64_C(-1)
struct author_path {
    char *path; /* Owned. */
    int64_t by, run;
};
struct author_step {
    char tree[65];
    int64_t at_ms; /* Time of the pass in which it ended. */
    int64_t by;    /* Set of the authors of all paths that are not named. */
    int64_t run;   /* The same for them. */
    struct author_path *named;
    size_t named_count, named_size;
};
struct author_call {
    char *path; /* Owned; "": any. */
    int64_t run, closed;
    int author;
    char call[POINT_CALL_MAX + 1];
};
struct authors {
    struct author list[AUTHORS_MAX];
    size_t count;
    struct author_step *steps; /* Owned. */
    size_t step_count, step_size;
    struct author_call *calls; /* Owned: those that are open. */
    size_t call_count, call_size;
    char tree[65];      /* The last point; "": none came. */
    bool others_opened; /* A call that found no place is open until the end. */
};

void authors_done(struct authors *authors); /* For AUTO; zeroed is the beginning. */
/* A call that was open before the first point. */
void authors_open(struct authors *authors, const struct point *before);
/* Points of a world in their order; the first one is where the changes begin. */
void authors_add(struct authors *authors, const struct point *point);
/* ,"steps":[{"tree":…,"by":SET,"named":[[PATH,SET],…]},…]: as drover-changes reads them. */
void authors_write(const struct authors *authors, struct text *text);

#endif
