/* admission.h: whether a program may be started into a session of its own that others may use, too:
 * a person in a terminal, say. Pure. First match wins:
 *
 *   seen                                                          then
 *   a process that is not ours has the session open               OWNED
 *   its file ends within a turn of others, AGENT_WORKS_MS ago     WORKING
 *   others made a summary of it, AGENT_COMPACTED_MS ago           COMPACTED
 *   neither, or nothing could be read                             FREE
 *
 * Everything up to the end of our own last process is our own work, and keeps nobody waiting. A
 * time that has not come yet says nothing: a clock was set.
 *
 * Threads    any.
 */
#ifndef DROVER_RULES_AGENT_ADMISSION_H
#define DROVER_RULES_AGENT_ADMISSION_H

#include "base/base.h"

enum {
    AGENT_WORKS_MS = 60 * 1000, /* A program whose end nobody wrote down has crashed after that. */
    AGENT_COMPACTED_MS = 300 * 1000,
    AGENT_OWNER_LOOK_MS = 5000, /* Between two looks. */
};

/* A session of a program, as it was found. Times by the wall clock; 0: none. */
struct agent_found {
    int64_t owner;        /* Pid of a process that has it open; 0: none is seen. */
    int64_t worked_ms;    /* Last line of a turn whose end is not in its file. */
    int64_t compacted_ms; /* Last summary. */
};
struct agent_found_at {
    int64_t now_ms;
    int64_t own_ms; /* End of our own last process in it. */
};

enum agent_admission { AGENT_FREE, AGENT_OWNED, AGENT_WORKING, AGENT_COMPACTED, AGENT_ADMISSIONS };
enum agent_admission agent_admit(const struct agent_found *found, const struct agent_found_at *at);

/* A sentence about the wait; nothing for AGENT_FREE. */
struct text;
void agent_admission_tell(enum agent_admission admission, const char *program,
                          const struct agent_found *found, struct text *text);

#endif
