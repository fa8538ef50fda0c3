/* program_ending.h: the end of a process that was a program (program.c), for the rules, and as a
 * sentence for users.
 *
 * Ownership  all of it is borrowed for the call.
 * Threads    the loop.
 */
#ifndef DROVER_DISPATCH_TURN_PROGRAM_ENDING_H
#define DROVER_DISPATCH_TURN_PROGRAM_ENDING_H

#include "dispatch/turn/program_output.h"
#include "engine/turn/program.h"
#include "rules/agent/classify.h"
#include "rules/agent/watch.h"

struct program_ended {
    const struct program_child *child;
    const struct agent_definition *agent;
    const struct agent_evidence *evidence; /* Samples of the supervision. */
    const struct program_output *output;
};
/* The rule of its supervision that ended it. */
enum agent_watch_verdict program_ending_verdict(const struct program_child *child);
/* All but the result. */
void program_ending_fill(const struct program_ended *ended, struct agent_ending *ending);
/* The verdict, and the program's own words. */
void program_ending_tell(const struct program_ended *ended, enum agent_outcome outcome,
                         const struct agent_ending *ending, char *ret_sentence, size_t size);

#endif
