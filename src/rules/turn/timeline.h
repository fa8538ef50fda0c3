/* timeline.h: a turn as the timeline of its session shows it: times, calls, usage, files. Pure.
 *
 * Ownership  texts are borrowed from the code that filled them.
 */
#ifndef DROVER_RULES_TURN_TIMELINE_H
#define DROVER_RULES_TURN_TIMELINE_H

#include "rules/run/run.h"
#include "rules/session/session.h"
#include "rules/trace/usage.h"

struct timeline_turn {
    int64_t number;
    struct run_row run;
    struct bytes began_by;         /* message, notice, again, compact. */
    struct bytes question, answer; /* msg_…; "": none, or it is not shown. */
    struct bytes model, agent;     /* agent: ""; none. */
    int64_t tools, errors;         /* Calls of tools; calls of tools and models that failed. */
    struct session_usage usage;    /* Sums of the calls of models that have ended. */
    struct bytes cache_rate;       /* JSON: 0 to 1; "": nothing was read. */
    const char *cache_broke;       /* Word of timeline_cache_broke. */
    struct bytes files;            /* JSON: array of {"path","added","removed"}. */
    bool files_more;               /* The turn changed more than these. */
};
extern const struct field_set timeline_fields;

/* The file of a diff, and the lines that were added and removed. False: it names no file. */
struct timeline_file {
    struct bytes path; /* Borrowed from the diff. */
    int64_t added, removed;
};
MUST_CHECK bool timeline_file_read(struct bytes diff, struct timeline_file *ret_file);

/* A call of a model, as its span has it. */
struct timeline_call {
    struct bytes model;
    struct usage usage;
    int64_t prompt[USAGE_PART_COUNT]; /* Bytes; the first one below 0: not measured. */
};
/* Why the first call of a turn found less than half of what it could in the provider's cache, where
 * the two calls tell: model, tools, instructions, history (it became shorter, or was changed). "":
 * it found more, or nobody knows. */
const char *timeline_cache_broke(const struct timeline_call *before,
                                 const struct timeline_call *first);

#endif
