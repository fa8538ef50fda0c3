/* board.h: the transactions of boards: tasks that agents and people work through.
 *
 * Promise    a task moves by the table of edges alone (rules/board/board.h), in the commit that
 *            writes its event; a refusal leaves all as it was. An attempt that has ended moves
 *            nothing any more. A task is taken by one agent at a time, however many ask at once.
 * Ownership  texts of rows live in the transaction's arena.
 * Threads    inside a store function.
 * Failure    as store.h; refusals have a sentence.
 */
#ifndef DROVER_ENGINE_BOARD_BOARD_H
#define DROVER_ENGINE_BOARD_BOARD_H

#include "engine/base/resource.h"
#include "engine/run/runs.h"
#include "rules/board/task.h"
#include "store/store.h"

enum {
    /* The kind under which store notes reach the dispatcher: "OWNER\nPROJECT"; or try_…, an attempt
     * whose check has gone on. */
    BOARD_NOTE = 3,
    BOARD_NOTE_MAX = 200,
};

struct task_checked;

/* The check of an attempt's must-haves that a move waits for. */
struct task_checking {
    struct id attempt; /* "": the move waits for none. */
    int64_t number;    /* Number of the check among those of the attempt. */
};

/* A task by "T-31" or tsk_…, or "_": that of the attempt, or review, in which the client is. */
struct task_key {
    struct bytes owner, project, task;
};

/* A client, as the routes know it. */
struct board_client {
    const char *inside; /* run_… inside of which it is; "": of none. */
    bool person;        /* Outside, with the scope approve. */
    struct bytes label; /* Label of the token; "": none. */
    struct bytes named; /* `agent`, `author` or `from` of the body; no data: it named nobody. */
};
struct board_who {
    enum board_actor actor;
    struct bytes name;    /* Name of the agent, or the owner. */
    struct bytes attempt; /* try_…: the attempt in which it is; "": in none. */
    struct bytes task;    /* tsk_… of that. */
    struct bytes session; /* Session of the uppermost run around the client; "": none. */
    struct bytes turn;    /* The innermost turn that it is in; "": none. */
    int64_t depth;        /* Largest depth of what the runs around it read or judge. */
    bool over;            /* The attempt has ended. */
    bool run_alone;       /* A run that is in no turn. */
};
/* ERR_NOT_YOUR_TASK: it named another one than itself. */
MUST_CHECK struct err tx_board_who(struct tx *tx, const struct task_key *key,
                                   const struct board_client *client, const struct task *task,
                                   struct board_who *ret_who, struct why *why);

/* Where a run is: its turn is an attempt that has not ended, or is somewhere below one; or it is a
 * review. */
enum board_place { BOARD_OUTSIDE, BOARD_AT_ATTEMPT, BOARD_BELOW_ATTEMPT, BOARD_AT_REVIEW };
enum board_place tx_board_place(struct tx *tx, struct bytes run);

/* Finds the task; ERR_NOT_FOUND, with a sentence. */
MUST_CHECK struct err tx_task_find(struct tx *tx, const struct task_key *key,
                                   const struct board_client *client, struct task *ret_task,
                                   struct why *why);

/* How deep a client is in a chain of tasks and mail in which each follows from the one before: the
 * depth of the task that it works on or judges, and of mail that its turn reads; 0: in none. What
 * it adds is one deeper, so that agents that make work for each other come to an end. */
int64_t tx_board_depth(struct tx *tx, const struct board_who *who);

/* For a task that an agent adds: its depth. While the plan of its own task is not approved, the new
 * one needs a plan, too: what waits for an approval is not done by way of another task. */
void tx_task_from_agent(struct tx *tx, const struct board_who *who, struct task *io_task);

/* Gives it its number, and checks what it waits for: ERR_TASK_CYCLE shows the path. ERR_TASK_DEPTH:
 * its depth is over TASK_DEPTH_MAX; 0 is that of a person's. Of a source that a task of the project
 * has already, it is that task, as it is. */
MUST_CHECK struct err tx_task_add(struct tx *tx, struct task *io_task, struct why *why);
/* Writes a row whose settings have changed. `needs`: depends_on was named. */
MUST_CHECK struct err tx_task_change(struct tx *tx, struct task *io_task, bool needs,
                                     struct why *why);

/* Removes a task for good, with its outputs, comments, attempts, reviews and events. A page goes at
 * a time; *ret_more: call again. ERR_CONFLICT: it is being worked on, or
 * another task waits for it. */
MUST_CHECK struct err tx_task_remove(struct tx *tx, const struct task_key *key,
                                     const struct board_client *client, struct task *ret_task,
                                     bool *ret_more, struct why *why);
/* The same of all tasks of the project. ERR_CONFLICT: one of them is being worked on. */
MUST_CHECK struct err tx_tasks_remove(struct tx *tx, struct bytes owner, struct bytes project,
                                      bool *ret_more, struct why *why);

struct task_move {
    struct task_key key;
    struct board_client client;
    enum task_status to;
    bool judges; /* A verdict, which may be one on a plan: DONE accepts, PENDING rejects. */
    struct bytes detail, question; /* "": none. */
    struct bytes answer;           /* By a person, to the question; for the next attempt. */
    struct bytes reasons;          /* JSON list; no data: none. */
    struct bytes judged;           /* try_… that the verdict is about; "": the last one. */
    struct bytes judged_status;    /* Status in which its judge saw the task; "": not said. */
    struct id attempt, review;     /* Names for the rows that the move makes. */
    struct run_bounds bounds;
    const struct task_checked *checked; /* must.h: the end of that check; NULL: none was awaited. */
    struct task_checking *checking; /* Gets the check that is to be awaited before a second call. */
    struct text *unmet;   /* Gets the must-haves that are not met: a JSON list of sentences. */
    struct text *verdict; /* Gets the verdict that a later one is refused for, as JSON; NULL. */
};
/* Where must-haves are to be looked at outside of the rows, the check is begun in their place, and
 * moves the task by itself at its end.
 * The same status twice by the same attempt is no error. A task that is cancelled, or blocked by
 * a person, asks the run of its attempt to end: *ret_more says that more runs stand below that, to
 * be asked by task_stop_more. */
MUST_CHECK struct err tx_task_move(struct tx *tx, const struct task_move *move,
                                   struct task *ret_task, bool *ret_more, struct why *why);
MUST_CHECK struct err tx_task_stop_more(struct tx *tx, const struct task_move *move,
                                        struct task *ret_task, bool *ret_more);

/* A person says, with a reason, that a task need not wait for another one. */
struct task_waive {
    struct task_key key;
    struct board_client client;
    struct bytes needs, because; /* T-3 */
};
MUST_CHECK struct err tx_task_waive(struct tx *tx, const struct task_waive *waive,
                                    struct task *ret_task, struct why *why);

/* Whether the client may write about the task: its own agent, or a person. */
MUST_CHECK struct err tx_task_writes(struct tx *tx, const struct task_key *key,
                                     const struct board_client *client, struct task *ret_task,
                                     struct why *why);
/* Whether it may read the task where it may read no other: it is its own, or it judges it. */
MUST_CHECK struct err tx_task_reads(struct tx *tx, const struct task_key *key,
                                    const struct board_client *client, struct task *ret_task,
                                    struct why *why);
/* An output of the task, out_…; ERR_NOT_FOUND, with a sentence. */
MUST_CHECK struct err tx_task_output_find(struct tx *tx, const struct task *task, struct bytes id,
                                          struct task_output *ret_output, struct why *why);
/* `row` has all but who wrote it, and where. The first of a claimed task makes it working. */
MUST_CHECK struct err tx_task_output_add(struct tx *tx, const struct task_key *key,
                                         const struct board_client *client, struct task_output *row,
                                         struct why *why);
MUST_CHECK struct err tx_task_comment_add(struct tx *tx, const struct task_key *key,
                                          const struct board_client *client,
                                          struct task_comment *row, struct why *why);

/* Why a pending task is not taken, as a sentence. `agents`: also where no agent is free for
 * it, which costs a look at each. `text` is empty. */
void tx_task_waits(struct tx *tx, const struct task *task, bool agents, struct text *text);

/* {…,"outputs":[…],"comments":[…],"attempts":[…],"events":[…],"reviews":[…]}: the task with the
 * newest of each. */
enum { TASK_WAITS_MAX = 1000 };
enum { TASK_EXPANDED_MAX = 50, TASK_EXPANDED_TEXT = 32 << 10 };
MUST_CHECK struct err tx_task_expand(struct tx *tx, const struct task *task, bool all,
                                     struct text *text);

/* The same for a model, in at most `room` bytes: with outputs and comments alone, the newest first,
 * and "more_outputs", "more_comments" where some do not fit. Long texts are cut. */
MUST_CHECK struct err tx_task_brief(struct tx *tx, const struct task *task, size_t room,
                                    struct text *text);

/* Newest first, below a number (T-31); `ready`: only those that an agent may take now; `source`:
 * the one that was imported from there, archived or not. */
struct task_page {
    struct bytes owner, project, source;
    int64_t before, limit;
    bool ready, archived;
};
MUST_CHECK struct err tx_task_each(struct tx *tx, const struct task_page *page, resource_each each,
                                   void *ctx);

/* --- For the dispatcher ----------------------------------------------------------------------- */

/* The next thing to begin: an attempt at a task that was claimed for an agent of the board, in this
 * function or before; or a review of a result, whose reviewer is `agent` of the task. Nothing:
 * *ret_next_ms says when to look again (0: when something changes). */
enum board_work {
    BOARD_NOTHING,
    BOARD_ATTEMPT,
    BOARD_REVIEW,
    BOARD_LEAVE, /* Never picked: the tree of a task that is over (trees.h). */
};
struct board_pick {
    struct bytes owner, project;
    struct id attempt; /* Name of the attempt that begins. */
    struct bytes busy; /* Ids of tasks that the caller has at hand, one after the other. */
};
MUST_CHECK struct err tx_board_pick(struct tx *tx, const struct board_pick *pick,
                                    enum board_work *ret_work, struct task *ret_task,
                                    int64_t *ret_next_ms);

/* An attempt whose agent could not be started. */
MUST_CHECK struct err tx_attempt_unstarted(struct tx *tx, struct bytes attempt, struct bytes note);

/* A review whose agent could not be started: a person judges. */
MUST_CHECK struct err tx_review_unstarted(struct tx *tx, struct bytes task, struct bytes reviewer,
                                          struct bytes note);

/* Each board with tasks that are open, or with trees of those that are over, as a note. */
MUST_CHECK struct err tx_board_recover(struct tx *tx);

/* Operation of projects (engine/base/resource.h). */
MUST_CHECK struct err board__on_project_change(struct tx *tx, const struct resource_key *key,
                                               const void *row);

/* Operation of turns: in the commit that ends one. */
MUST_CHECK struct err board__run_ended(struct tx *tx, const struct run_row *run);
/* The same of jobs: the command of a check of must-haves has ended (checks.c). */
MUST_CHECK struct err board__command_ended(struct tx *tx, const struct run_row *run);

#endif
