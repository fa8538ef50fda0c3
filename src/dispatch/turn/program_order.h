/* program_order.h: the job that is the process of a program (program.c): its command, its input,
 * and what it may use.
 *
 * Promise    nothing but the order is made: no state is kept, and nothing is begun.
 * Ownership  all of it is borrowed for the call.
 * Threads    any: a long prompt is written several times, which the loop has no time for.
 */
#ifndef DROVER_DISPATCH_TURN_PROGRAM_ORDER_H
#define DROVER_DISPATCH_TURN_PROGRAM_ORDER_H

#include "agent/program.h"
#include "engine/turn/program.h"

/* Texts of a task (engine/turn/program.h). Owned. */
struct program_texts {
    struct text prompt, notice, joins, missed;
};
void program_texts_init(struct program_texts *texts);
void program_texts_done(struct program_texts *texts);

struct program_wish {
    const struct program *program;
    const struct agent_definition *agent;
    const struct turn_plan *plan;
    struct bytes native;  /* The program's own session that goes on; "": a new one begins, */
    struct uuid fresh;    /* with this name. */
    bool heard;           /* The last process has read what it was asked. */
    bool blank;           /* Nothing shows that any prompt of that session was read. */
    bool own_tmp;         /* As of struct program_start. */
    struct bytes process; /* run_… of the job. */
    struct bytes last;    /* msg_…: the last of the messages that join; "": none do. */
    const struct program_texts *texts;
    struct bytes history; /* Words of both until now; "": the program knows them. */
};
struct program_order {
    struct text *spec;  /* The job. */
    int64_t input_from; /* Bytes of its first input; -1: no more may follow. */
    struct text *key;   /* All processes of the agent have it; "": they are not limited. */
};
/* ERR_…: a command cannot take so long a prompt, say. */
MUST_CHECK struct err program_order_make(const struct program_wish *wish,
                                         struct program_order *order);

#endif
