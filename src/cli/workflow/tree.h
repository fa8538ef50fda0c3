/* tree.h: what is known of a workflow's run, put together from its events and its rows.
 *
 * Promise    an event that comes twice, or a row beside its event, changes nothing; what is missing
 *            is left out, and an event of a later daemon is passed over. Names and causes are one
 *            line without control characters: they come from scripts, and go to a terminal.
 * Ownership  embedded: workflow_tree_init, workflow_tree_done. It owns what it points to.
 * Threads    any; pure: the time comes with each event.
 */
#ifndef DROVER_CLI_WORKFLOW_TREE_H
#define DROVER_CLI_WORKFLOW_TREE_H

#include "base/base.h"
#include "base/json/json.h"

enum workflow_mark {
    WORKFLOW_QUEUED,
    WORKFLOW_HELD, /* An earlier daemon began it, and this one holds. */
    WORKFLOW_WORKS,
    WORKFLOW_DONE,
    WORKFLOW_CACHED, /* An earlier run's result. */
    WORKFLOW_FAILED,
    WORKFLOW_SKIPPED,
};
enum { WORKFLOW_MARKS = WORKFLOW_SKIPPED + 1 };

struct workflow_agent {
    char *run, *name;  /* name: its label, or how its prompt begins. */
    char *cause;       /* Why it came to nothing; "": it did not. */
    char *cached_from; /* Agent whose result it is; "": its own, or unknown. */
    char *worktree;    /* What it changed, where it had a working tree of its own; "": nothing. */
    char *asks;        /* The approval that it waits for; NULL: none. */
    char *question;    /* Lines of the question, where it asks. */
    char *waits;       /* Reason of another wait, as a sentence; "": none, or not known. */
    bool asks_still;   /* Reported since workflow_tree_asked. */
    size_t phase;
    enum workflow_mark mark;
    int64_t tokens, cost_micros; /* cost_micros < 0: not known. */
    int64_t cost_unknown;        /* Calls of unknown cost, which are not in it. */
    int64_t started_ms, ms;      /* ms < 0: it has not ended. */
    int64_t resume_at_ms; /* When its provider, which refused a call, is asked again; 0: no wait. */
};

struct workflow_phase {
    char *title; /* "" for those that stand under none: always the first one. */
    bool begun;
};

struct workflow_tree {
    char *name, *state, *cause;
    struct workflow_phase *phases;
    struct workflow_agent *agents; /* In the order they began. */
    size_t phase_count, agent_count;
    size_t current;              /* Phase that began last. */
    int64_t started_ms, ms;      /* started_ms 0: not known. ms < 0: it has not ended. */
    int64_t tokens, cost_micros; /* Of all agents; the latter < 0: not known. */
    int64_t cost_unknown;        /* Calls of unknown cost, which are not in it. */
    int64_t items_failed;        /* Items that an error of the script made null. */
    bool finished;
    bool cut;               /* The result was too long for its event. */
    json_t *result, *error; /* NULL: not known. */
    json_t *census;         /* {"succeeded", "cached", "failed", "skipped"}; NULL: not known. */
    size_t marks[WORKFLOW_MARKS]; /* How many agents have each. */
};

void workflow_tree_init(struct workflow_tree *tree);
void workflow_tree_done(struct workflow_tree *tree); /* For AUTO. */

struct workflow_event {
    struct bytes type;
    const json_t *data;
    int64_t now_ms;
};
/* The agent that the event is about; NULL: none. Borrowed until the next call. */
const struct workflow_agent *workflow_tree_hear(struct workflow_tree *tree,
                                                const struct workflow_event *event);

/* The run as GET /api/v1/runs/{id} has it, also one that has ended; a result that its event had not
 * comes from there. */
void workflow_tree_run(struct workflow_tree *tree, const json_t *run);
/* One agent as its list has it. */
void workflow_tree_row(struct workflow_tree *tree, const json_t *agent);

/* One of its agents, by its run; NULL: it is none. */
const struct workflow_agent *workflow_tree_agent(const struct workflow_tree *tree, const char *run);
/* The agent that is this run waits for an answer: of several the one that is told first. NULL:
 * there is no such agent, or it was known. */
const struct workflow_agent *workflow_tree_asks(struct workflow_tree *tree, const char *run,
                                                const char *approval, const char *question);
/* The first agent that asks; NULL: none does. */
const struct workflow_agent *workflow_tree_asker(const struct workflow_tree *tree);
/* All who ask were told: whoever was not, since the last time, asks no more. */
void workflow_tree_asked(struct workflow_tree *tree);

/* The same as workflow_mark in a word: "succeeded". */
const char *workflow_mark_word(enum workflow_mark mark);

#endif
