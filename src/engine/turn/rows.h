/* rows.h: the rows of turns, between the database and the rules. Only the engine includes it.
 *
 * A turn is a row of runs (its life), one of turns (how far it is), and the message that it writes,
 * whose parts are what it said and did. Cards are parts of kind `tool` (cards.h).
 *
 * Failure    the transaction keeps every error of a function that answers none.
 */
#ifndef DROVER_ENGINE_TURN_ROWS_H
#define DROVER_ENGINE_TURN_ROWS_H

#include "engine/approval/rows.h"
#include "engine/session/message_rows.h"
#include "engine/turn/turns.h"

extern const struct resource turn_resource;

/* State of a turn whose agent is a program (program.h). */
struct turn_program {
    int64_t child;        /* id of the run that is its process; 0: none. */
    int64_t read_to;      /* Bytes of its output that stand in the turn. */
    struct bytes asked;   /* Questions that it waits for: JSON; "": none. */
    int64_t begun;        /* Processes so far. */
    int64_t tries;        /* Attempts in a row that ended with */
    struct bytes outcome; /* this; "": none has ended. */
};

struct turn_row {
    int64_t run, session; /* ids */
    int64_t number;       /* In its session, from 1; given by turns__insert. */
    enum turn_trigger trigger;
    int64_t question; /* The user's message; 0: none. */
    int64_t answer;   /* The message it writes. */
    struct bytes model;
    /* Stored: calls, calls_max, mistakes, mistakes_told, repeats, truncated, failed_checks,
     * answered, last, wrote. The others are computed for each step (step.c). */
    struct turn_facts facts;
    int64_t step;           /* The last one given out. */
    int64_t call;           /* The step of the model's call that is out; 0: none. */
    int64_t from_seq;       /* Where the stream's events of that call begin. */
    int64_t check_run;      /* id of the run that checks what was written; 0: none. */
    struct amounts granted; /* By the budgets above it, to the call that is out, or, while none is,
                             * to all reviews that are out. */
    struct bytes schema;    /* Of its answer: JSON; "": it is words. Read with its question. */
    int64_t misfits;        /* Answers that did not fit it. */
    int64_t output_max;     /* Tokens of an answer, since one was cut off; 0: the model's own. */
    struct turn_program program;
    struct bytes last; /* Digest of the last calls and their results; "". */
    bool begun;
    bool yields; /* Another agent may do its work. */
};
bool turns__compacts(const struct turn_row *row);
void turns__insert(struct tx *tx, const struct turn_row *row);
void turns__write(struct tx *tx, const struct turn_row *row);
MUST_CHECK bool turns__find(struct tx *tx, int64_t run, struct turn_row *ret_row);

/* Everything about one turn that a transaction holds. An answer that was removed is nowhere: what
 * is brought to it is counted, and neither stored nor told. */
struct turn {
    struct run_row run;
    struct turn_row row;
    struct session_row session;
    struct message_row answer;
    bool cut_off;         /* A crash cut its call off; the call is repeated. */
    int64_t tools_left;   /* Calls of tools that it may still make; -1: any number. */
    int64_t resume_at_ms; /* Of its failure: when asking may help; 0: nobody knows. */
    struct bytes note;    /* Note of a success; borrowed from its answer. */
};
/* Its place was taken away: the conversation was cleared. */
bool turns__is_cleared(const struct turn *turn);
/* The turn with all that belongs to it. The fence: false where there is no such turn, or it does
 * not run in that attempt; or after an error. */
MUST_CHECK bool turns__load(struct tx *tx, const struct turn_key *key, struct turn *ret_turn);
/* The same with an empty plan; false: plan->late. */
MUST_CHECK bool turns__open(struct tx *tx, const struct turn_key *key, struct turn_plan *plan,
                            struct turn *ret_turn);
/* turn->run is there: its turn, session and answer. False: the session was deleted, or an error. */
MUST_CHECK bool turns__load_rest(struct tx *tx, struct turn *turn);
/* The same by the id of the run, in whatever attempt and state. */
MUST_CHECK bool turns__load_run(struct tx *tx, struct bytes run, struct turn *ret_turn);

/* The run, the turn and the place of its answer; not steered, not refused. The message of a user,
 * or of a notice, is stored, too; of another it has the text. */
MUST_CHECK struct err turns__make(struct tx *tx, struct session_row *session,
                                  const struct turn_message *message, struct run_row *ret_run,
                                  struct why *why);
/* All other answers to that question are no longer active, and a summary of the one that was is not
 * one of this. */
void turns__make_place(struct tx *tx, const struct session_row *session, int64_t question,
                       int64_t answer);
/* The answer that begins takes the place of the one that was active. */
void turns__take_place(struct tx *tx, const struct turn *turn);
/* ERR_TURN_IN_PROGRESS, its run in `why`: one runs or waits. */
MUST_CHECK struct err turns__idle(struct tx *tx, const struct session_row *session,
                                  struct why *why);
bool turns__busy(struct tx *tx, const struct session_row *session); /* One runs or waits. */
/* One that only makes the session shorter, and goes on with that. */
MUST_CHECK struct err turns__compacting(struct tx *tx, const struct session_row *session,
                                        bool *ret_found, struct run_row *ret_run);
/* ERR_NO_MODEL: the session names none, and there is no default. */
MUST_CHECK struct err turns__need_model(const struct session_row *session,
                                        struct bytes model_default, struct why *why);

/* The next step: written, and planned. The last part of every transaction here. */
MUST_CHECK struct err turns__advance(struct tx *tx, struct turn *turn,
                                     const struct run_bounds *bounds, struct turn_plan *plan);
void turns__plan_begin(struct turn_plan *plan);
/* Adds a part to the answer, below its last step. */
void turns__add_text(struct tx *tx, const struct turn *turn, enum part_kind kind,
                     struct bytes text);
/* A turn that waits for a person runs again; the wait is no time of its own. */
void turns__go_on(struct tx *tx, struct turn *turn);
/* Fills in turn->tools_left, by the settings of its session and the calls that it has made. */
void turns__count_tools(struct tx *tx, struct turn *turn);
/* Whether a check of what was written runs, or has ended (child.c). */
enum turn_check turns__check_find(struct tx *tx, struct turn *turn, struct run_row *ret_run);
/* Ends it: the run, and by turns__ended all the rest; admits who is next. */
MUST_CHECK struct err turns__end(struct tx *tx, struct turn *turn, enum run_cause cause,
                                 struct bytes sentence, const struct run_bounds *bounds);
/* Operations of the kinds of runs (engine/run/kinds.h). Errors of damaged rows are returned and not
 * kept: the end of a run may be a part of another change, which goes on without it. */
MUST_CHECK struct err turns__ended(struct tx *tx, const struct run_row *run,
                                   struct run_freed *freed);
MUST_CHECK struct err turns__answered(struct tx *tx, const struct approval_row *row);
MUST_CHECK struct err turns__output(struct tx *tx, const struct run_row *run,
                                    struct bytes *ret_text);
void turns__view(struct tx *tx, struct run_row *io_run);
MUST_CHECK struct err turns__child_ended(struct tx *tx, const struct run_row *child,
                                         struct bytes output);
/* The end that reads no text, with its event. Nothing is admitted. */
MUST_CHECK struct err turns__end_alone(struct tx *tx, struct bytes sentence,
                                       const struct run_row *run, struct run_freed *freed);
MUST_CHECK struct err titles__ended(struct tx *tx, const struct run_row *run,
                                    struct run_freed *freed);
/* Subagents of one parent that have not ended; that go on. */
MUST_CHECK int64_t subagents__count(struct tx *tx, int64_t parent);
MUST_CHECK int64_t subagents__count_busy(struct tx *tx, int64_t parent);
/* Parts of the end of a turn: its session gets a title, and its parent room for a subagent. */
MUST_CHECK struct err titles__wish(struct tx *tx, const struct turn *turn, struct run_freed *freed);
MUST_CHECK struct err subagents__ended(struct tx *tx, int64_t session, struct run_freed *freed);

/* The next turn of the session begins another session of the program. */
void programs__forget(struct tx *tx, const struct session_row *session);

/* The text of its last step, in the arena. (view.c) */
MUST_CHECK struct err turns__said(struct tx *tx, int64_t run, struct bytes *ret_text);
/* Output of the call that is out. */
struct turn_said {
    struct text text, thinking; /* Owned: turns__said_done, whatever turns__hear said. */
};
MUST_CHECK struct err turns__hear(struct tx *tx, const struct session_row *session,
                                  const struct turn_row *row, struct turn_said *said);
void turns__said_done(struct turn_said *said);

#endif
