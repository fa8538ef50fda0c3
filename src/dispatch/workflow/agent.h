/* agent.h: calls of agent(): what they ask for, and how they are performed; for the files of this
 * folder alone, on the loop unless it says otherwise.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_AGENT_H
#define DROVER_DISPATCH_WORKFLOW_AGENT_H

#include "dispatch/base/work_tree.h"
#include "dispatch/workflow/workflow.h"

/* --- agent_request.c: options, row and instructions of an agent ------------------------------- */

/* The members of a request that its row holds, written already: in a message out of a long frame
 * they were written in the pool, as this member. */
#define CALL_WRITTEN " written"
void call__write_request(const json_t *message, struct text *text);
struct step_call_place call__place(const json_t *message); /* Place of the call. */
/* The model that a name means: with a "/" this name, else the alias in the setting model_aliases.
 * In `room`; NULL: the name is unknown. */
const char *workflows__known_model(const struct workflows *workflows, struct bytes name,
                                   struct model_name *room);
struct bytes call__asked_model(const struct call *call); /* "": it names none. */
void call__tidy(json_t *message); /* Texts that become columns: a NUL becomes a blank. */
const json_t *call__option(const struct call *call, const char *name);
struct bytes call__name(const json_t *message, const char *member); /* A name, cut; or "". */
struct bytes call__agent_type(const struct call *call);             /* The same: of its type. */
void call__write_spec(const struct call *call, struct text *spec);
/* The row of the step; what it borrows does not change while the op lives, which has its spec. */
struct step_new call__step(const struct call *call, struct workflow_op *op,
                           struct sha256_hex *room);
void call__write_instructions(const struct call *call, struct text *text);
void call__note_misfit(struct call *call, struct bytes misfit);
/* A limit that the script has set; -1: none. What is no whole number for us is a huge one. */
int64_t call__limit(const struct call *call, const char *name);
struct agent_tools {
    tool_set asked, type; /* By its script, and as its type allows. */
};
struct agent_tools call__tools(const struct call *call);
MUST_CHECK bool call__has_tools(const struct call *call);
MUST_CHECK bool call__wants_tree(const struct call *call);
/* The agent can write no file and run no command, so its result may stand for an equal call's. */
MUST_CHECK bool call__only_reads(const struct call *call);
/* Names of tools that are `asked` for, and `allowed`; NULL: all are. */
json_t *workflow__tools(const json_t *allowed, tool_set asked);
tool_set workflows__tools(
    const struct workflows *workflows); /* As far as this daemon has what they need. */

/* --- agent_begin.c: its slot, its row and its budgets ----------------------------------------- */

/* The script asks for the agent. `open`: the call began in an earlier life; `reusable`: the run
 * that this one resumes has its result; NULL: neither. */
struct prior;
void call__begin_agent(struct call *call, struct prior *open, struct prior *reusable);
void workflow__pump(struct workflow *workflow); /* Begins the calls that have a slot. */
void workflow__on_pause(struct workflow *workflow, const struct run_row *row);
void call__on_note(struct call *call, const struct run_row *row);
void call__on_tick(struct call *call); /* As of workflow_machine. */

/* --- queued.c --------------------------------------------------------------------------------- */

void workflow__announce_queued(struct workflow *workflow); /* Calls that have come since. */

/* --- lookup.c --------------------------------------------------------------------------------- */

/* In the pool. `done` asks call__is_back first, then call__looked_up; call->refusal says whether
 * the agent is refused. */
void call__lookup(struct call *call, void (*back)(struct call *call));
void call__looked_up(struct call *call); /* Takes over what was found. */
/* Where its type was not looked up in this life, it is, and the call goes on after that; else
 * false. */
MUST_CHECK bool call__looks_up_late(struct call *call);

/* --- agent_call.c: one call of a model -------------------------------------------------------- */

void call__ask(struct call *call);
/* ASKING: the machine was suspended, which counts as waited; or its connection was mended. */
void call__woke(struct call *call);

/* --- agent_turn.c: a turn of a session of its own --------------------------------------------- */

void call__new_turn(struct call *call);
void call__fill_turn(struct call *call, struct begin_op *own); /* For its row. */
void call__start_turn(struct call *call);  /* Under its row, which has no turn. */
void call__resume_turn(struct call *call); /* For one that began before. */

/* --- worktree.c: a working tree of its own ---------------------------------------------------- */

/* In the pool: where it will be. false: nowhere; misfit says why. */
MUST_CHECK bool call__find_tree(struct call *call);
enum tree_stage { TREE_PLANNED, TREE_MAKING, TREE_MADE, TREE_GONE };
struct call_tree {
    struct work_tree git;
    struct call *call; /* The owner. */
    enum tree_stage stage;
    bool left; /* The agent has ended, and the tree was inspected after that, or is. */
    bool slow; /* LEAVE_MS have passed. */
};
void call__take_tree(struct call *call, const json_t *worktree); /* As its row says. */
void call__make_tree(struct call *call); /* The row is there; then its turn starts. */
/* Has ended. true: call__ended comes again, when it is known whether the tree stays. */
MUST_CHECK bool call__leave_tree(struct call *call);
/* Has a tree removed that may be there, and that nobody waits for any more. */
void call__sweep_tree(struct call *call);
void prior__sweep_tree(struct workflow *workflow, const struct prior *prior);

#endif
