/* program_ending.h: how the process of a program has ended (program.c), from its row: facts for
 * rules/agent/classify.h, and a sentence for the user.
 *
 * Threads    any; pure.
 */
#ifndef DROVER_DISPATCH_TURN_PROGRAM_ENDING_H
#define DROVER_DISPATCH_TURN_PROGRAM_ENDING_H

#include "agent/program.h"
#include "engine/turn/program.h"
#include "rules/agent/classify.h"
#include "rules/agent/outcome.h"
#include "rules/agent/watch.h"

/* The rule of its supervision that ended it. */
enum agent_watch_verdict program_ending_verdict(const struct program_child *child);
/* Without the result that it printed. `stderr_tail` is borrowed. */
struct agent_ending program_ending_of(const struct program_child *child, struct bytes stderr_tail);

enum { PROGRAM_SENTENCE_MAX = 400 };
struct program_ended {
    const struct agent_definition *agent;
    const struct agent_ending *ending;
    enum agent_outcome outcome;
    enum agent_watch_verdict watched;
    const struct agent_evidence *evidence;
    const char *note; /* The sentence that the row of the job has about its end; "": none. */
    struct program_dropped dropped;
};
/* Note of a turn that ends well or not: the reader's, and output that was not read. */
void program_ending_note(const struct program_ended *ended, struct bytes of_reader,
                         struct text *ret_note);
/* The verdict, output that was not read, and the program's own words. */
void program_ending_tell(const struct program_ended *ended, char ret_text[PROGRAM_SENTENCE_MAX]);

#endif
