/* program_parts.h: a turn that a program answers, for the files that perform it: program_call.c is
 * their door, program_begin.c begins the process, program.c follows it to its end.
 *
 * Threads    the loop, but for what is in the pool (program.c).
 */
#ifndef DROVER_DISPATCH_TURN_PROGRAM_PARTS_H
#define DROVER_DISPATCH_TURN_PROGRAM_PARTS_H

#include "agent/owner.h"
#include "agent/program.h"
#include "dispatch/base/run_wait.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/turn/program_ending.h"
#include "dispatch/turn/program_order.h"
#include "dispatch/turn/program_output.h"
#include "dispatch/turn/program_watch.h"
#include "dispatch/turn/talk.h"

enum { PROGRAM_LOOK_MS = 500 /* Between two looks whether a silent process has ended. */ };

enum program_state {
    PROGRAM_IDLE,
    PROGRAM_ASKING,
    PROGRAM_PAUSING,
    PROGRAM_ADMITTING,
    PROGRAM_STARTING,
    PROGRAM_READING,
    PROGRAM_LISTENING,
    PROGRAM_LOOKING,
    PROGRAM_CLOSING,
    PROGRAM_SAMPLING,
    PROGRAM_STOPPING,
    PROGRAM_STATES
};

/* Once the result has come. HELD: a message that it was sent follows, which it has not read. ENDED:
 * the end of the input is stored. */
enum program_input { INPUT_GOES_ON, INPUT_HELD, INPUT_ENDED };
/* After an answer: the process is followed on, another one begins, or the turn ends. */
enum program_sequel { SEQUEL_FOLLOW, SEQUEL_AGAIN, SEQUEL_END };

/* The attempt before this one, as struct program_seen. */
struct last_attempt {
    int64_t retry_after_ms, ended_ms;
    bool heard;
};

struct talk_program {
    struct talk *talk;
    struct run_wait process; /* The one in `output`, while that is known. */
    enum program_state state;
    json_t *json; /* Owned: the definition borrows from it. */
    struct agent_definition agent;
    const struct program *program;
    struct program_output output;
    unsigned read_failures;     /* In a row. */
    struct program_child child; /* State of the process when it was last checked. */
    struct program_watch progress;
    struct dispatch_watch watch;
    int64_t watched_to; /* Offset of that watch. */
    bool woken;         /* The last look came from the watch, not from the timer. Parked: the last
                         * wake brought no output. */
    struct timer timer;
    struct ask ask;
    struct point_wait point;    /* STARTING: before the process begins. */
    struct talk_errand *reply;  /* Borrowed: answers to questions while the pool looks at files. */
    struct program_texts texts; /* Owned: of its prompt. */
    struct program_task task;
    struct text history, saved, spec, key; /* Owned. */
    struct program_order order;
    struct err unmade;             /* Why it could not be made; ERR_OK: it was. */
    struct uuid fresh;             /* Name of the program's session, where it begins one. */
    struct id run, begun;          /* Name of the process that begins, and of the one that did. */
    struct program_before before;  /* Processes before the one that begins, */
    struct agent_found found;      /* and others in the session that it goes on in. */
    char waits[PROVIDER_NOTE_MAX]; /* Note of its wait; "": none. */
    int64_t held_ms;               /* Since when the agent's cool-down holds it; 0: it does not. */
    bool tries_first;              /* Others wait for its process (program_cool.h). */
    struct last_attempt last;
    enum run_cause over; /* The process was asked to end for that; CAUSE_NONE: it was not. */
    /* For the answer: */
    struct text mark; /* Owned: state of the reader. */
    enum program_input input;
    bool closed; /* The end of the input was stored, as the last question says. */
    uint64_t done_ms;
    enum program_sequel sequel;
    enum run_cause failure;
    const char *outcome, *rule; /* Static: of the verdict. */
    int64_t tries;              /* Attempts in a row with that outcome. */
    int64_t resume_at_ms;       /* The turn yields: when asking may help. 0: it does not. */
    char sentence[PROGRAM_SENTENCE_MAX];
};

/* --- program.c -------------------------------------------------------------------------------- */

void program__enter(struct talk_program *program, enum program_state state);
int64_t program__wall_ms(const struct talk_program *program);
/* After a read or a question. True: the turn is over, or is to stop; the program may be gone. */
MUST_CHECK bool program__is_over(struct talk_program *program);
/* The turn ends without a process. */
void program__fail(struct talk_program *program, enum run_cause cause, const char *words);
/* The agent's cool-down (program_cool.h) hears of it. `wait_ms`, `outcome`: of a failure. */
void program__cool(struct talk_program *program, enum agent_cool_event event, int64_t wait_ms,
                   enum agent_outcome outcome);
/* Adds to an answer the part that is not its items. */
void program__fill_answer(struct talk *talk, struct talk_errand *errand);
/* Reads the process of the plan from the place that is stored. */
void program__attach(struct talk_program *program);
/* Follows that process, of which nothing may have come yet. */
void program__follow(struct talk_program *program, struct bytes process);
void program__listen(struct talk_program *program);
void program__go_on(struct talk_program *program); /* Reads on. */
void program__dropped(void *ctx); /* Rules of its asks: an answer came when the turn was over. */

/* --- program_begin.c -------------------------------------------------------------------------- */

/* Reads what it is asked, waits as long as it must, and begins the process. ASKING. */
void program__ask_task(struct talk_program *program);

/* --- program_call.c --------------------------------------------------------------------------- */

/* Reads the agent's definition, once. False: this build does not know its program. */
bool program__open(struct talk *talk);

#endif
