/* rows.h: rows of boards, as the files of this folder share them.
 *
 * Threads    inside a store function. Failure: the transaction keeps it.
 */
#ifndef DROVER_ENGINE_BOARD_ROWS_H
#define DROVER_ENGINE_BOARD_ROWS_H

#include "base/text.h"
#include "engine/board/board.h"
#include "engine/session/sessions.h"
#include "rules/board/prompt.h"

/* SQL: the time of a task has come, at `now`. A row changed at a time still to come is of a clock
 * that was set back since: a pause that the board began there is over, since a timer of this daemon
 * has waited for it, or another daemon began. Later times are those that clients asked for. */
#define TASK_IS_DUE(now)                                                                           \
    "(not_before_ms <= " now " OR (changed_ms > " now " AND not_before_ms <= changed_ms + "        \
    "300000))"
static_assert(BOARD_PAUSE_MAX_MS == 300000, "TASK_IS_DUE has the number");

/* SQL: the needs of a task that are not met; and that there are none. waits_for is the id of one of
 * them, which keeps tasks that wait out of the index of those to be taken: a board that looked at
 * the needs of each would read a chain of 3,000 tasks at every move. It is written by each change
 * that may meet a need (tasks__waits_mark). 0 promises nothing, since a task that was done may be
 * opened again: the needs are looked at as well. */
#define TASK_NEEDS_UNMET                                                                           \
    " FROM task_needs n JOIN tasks o ON o.id = n.needs WHERE n.task = tasks.id"                    \
    " AND n.waived_by = '' AND o.status <> 'done'"
#define TASK_NEEDS_MET "waits_for = 0 AND NOT EXISTS (SELECT 1" TASK_NEEDS_UNMET ")"

/* By tsk_…; false: it is gone. Texts in the arena. */
MUST_CHECK bool tasks__load(struct tx *tx, struct bytes owner, struct bytes task,
                            struct task *ret_task);
/* tsk_… of T-n; "": there is none. */
struct bytes tasks__id_of(struct tx *tx, const struct task_key *key, int64_t place);
MUST_CHECK bool attempts__load(struct tx *tx, struct bytes owner, struct bytes attempt,
                               struct task_attempt *ret_attempt);

/* An event of the task, and of its project: {"task", "agent", "type", "detail"}. */
struct task_happened {
    const char *type;
    struct bytes agent;
    struct bytes detail; /* A JSON object. */
};
void tasks__tell(struct tx *tx, const struct task *task, const struct task_happened *happened);

/* The task changes its status, in its row, its events and its note. */
struct task_entered {
    enum task_status to;
    enum board_reason reason; /* A reason of the daemon; NONE: somebody asked. */
    struct bytes by;
    struct bytes words; /* Said along with the move; "": nothing. */
    struct bytes facts; /* board_facts_write; "": none. */
};
void tasks__enter(struct tx *tx, struct task *io_task, const struct task_entered *entered);
/* The row as it stands, and a note for the dispatcher. */
void tasks__write(struct tx *tx, struct task *io_task);

/* An attempt that has not ended, and its task, whose last one it is. */
MUST_CHECK bool attempts__find(struct tx *tx, struct bytes attempt,
                               struct task_attempt *ret_attempt, struct task *ret_task);

/* A new attempt of the agent, in the row of the task and in one of its own. */
struct attempt_new {
    struct bytes attempt, agent;
    struct bytes session; /* "": none is known yet. */
    struct bytes run;     /* By hand: the innermost turn, whose end ends it as well. "": none. */
    bool by_hand;         /* No turn is made for it. */
};
void attempts__open(struct tx *tx, struct task *io_task, const struct attempt_new *what);
/* Ends it; the task is as it is afterwards. */
struct attempt_over {
    enum task_status status; /* Status of the task at that moment. */
    struct bytes outcome, note, transport;
    int64_t exit_code; /* -1: none. */
    bool fallback;     /* The program reached its model another way than its own. */
    bool well;         /* The end is no error. */
    bool run_goes_on;  /* The run was more than this attempt, and goes on. */
};
void attempts__close(struct tx *tx, struct task *io_task, const struct attempt_over *over);

/* A claim by hand ends with the task's move, and its run goes on. */
void attempts__let_go(struct tx *tx, struct task *io_task, enum task_status to, struct bytes note);

/* The row of a review, and what it means for the task, which is not written. */
struct review_made {
    struct bytes review, reviewer, reasons; /* reasons: a JSON list. */
    bool accept;
};
void reviews__add(struct tx *tx, struct task *io_task, const struct review_made *made);
/* A turn has ended that may have been a review. */
void reviews__ended(struct tx *tx, const struct run_row *run);

/* The prompt about a task. `setting`: member of the board with the project's own
 * template. */
struct prompt_ask {
    enum board_prompt which;
    const struct task *task;
    struct bytes agent;
    int64_t attempt; /* Number among those that count for max_attempts. */
    enum board_reach reach;
    const char *setting;
    struct bytes diff, diff_since; /* Changes in its working tree; no data: none. */
};
void prompts__write(struct tx *tx, const struct prompt_ask *ask, struct text *prompt);
/* How an agent with that definition reaches the daemon; "": a native one. */
enum board_reach prompts__reach(struct bytes program);

/* The turn of an attempt or a review, for that task. */
struct talk_new;
MUST_CHECK struct err attempts__talk(struct tx *tx, const struct talk_new *talk,
                                     const struct task *task, const char *title_before,
                                     struct why *why);

/* Whether something forbids the move, must-haves aside. */
MUST_CHECK struct err tasks__move_look(struct tx *tx, const struct task_move *move,
                                       struct task *ret_task, struct board_who *ret_who,
                                       struct why *why);
/* A check of must-haves (checks.c): begun for a move, or joined where one for the same move and the
 * same list is under way; the move gets its name. */
MUST_CHECK struct err checks__open(struct tx *tx, const struct task_move *move, struct bytes by,
                                   const struct task *task, struct why *why);
void checks__join(struct tx *tx, const struct task_move *move, const struct task *task);
/* The check of the task's open attempt, or of a row that is about to be written, finds nothing any
 * more, where it has not ended. */
void checks__drop(struct tx *tx, const struct task *task);
void checks__leave(struct tx *tx, struct task_attempt *io_attempt);
/* All must-haves are met: the task goes to review, as `by` has asked. */
void tasks__passed(struct tx *tx, struct bytes by, struct bytes detail, struct task *io_task);
/* Appends what rows alone answer for, and is not met (must_unmet_add). */
void tasks__rows_check(struct tx *tx, const struct task *task, const json_t *must_haves,
                       struct text *unmet);
/* Whether the attempt has an output, and whether its must-haves are met: ERR_NO_OUTPUT,
 * ERR_MUST_HAVE; ERR_CONFLICT: what was checked is not what they are now. */
MUST_CHECK struct err tasks__output_check(struct tx *tx, const struct task *task, struct why *why);
MUST_CHECK struct err tasks__must_check(struct tx *tx, const struct task *task,
                                        const struct task_move *move, struct why *why);

/* The run has ended, since its provider is to be asked later: the agent of that attempt, or review,
 * begins nothing before. */
void board__agent_cools(struct tx *tx, struct bytes agent, const struct run_row *run);

/* Why no agent of the board takes it, though it is ready: a hold; with `agents`, each of them. */
void board__agents_tell(struct tx *tx, const struct task *task, bool agents, struct text *text);

/* Whether the agent has a free slot on the board of the task. An agent that is not of the board
 * needs none. */
struct board_slots {
    int64_t used, all;
};
MUST_CHECK bool board__slot_free(struct tx *tx, const struct task *task, struct bytes agent,
                                 struct board_slots *ret_slots);

/* Whether all that it waits for is done or waived; *ret_name: the first that is not. */
MUST_CHECK bool tasks__needs_met(struct tx *tx, const struct task *task, struct bytes *ret_name,
                                 struct bytes *ret_status);
/* Writes waits_for of the task, and of those that have its id there. Others that need it wait for
 * another one as well, and are looked at when that is done. */
void tasks__waits_mark(struct tx *tx, const struct task *task);
/* Whether another task of its lane is held; *ret_name: which. */
MUST_CHECK bool tasks__lane_taken(struct tx *tx, const struct task *task, struct bytes *ret_name);

#endif
