/* program.h: workflow programs that are generated from a number, and printed as JavaScript.
 *
 *   number, change ──program_make──> a list of functions ──program_print──> a script
 *                                            └──player.h──> frames, as a worker would send them
 *
 * Shape      each node is an async function of one value; it calls only nodes before it, and the
 *            last one is the program. A node may be called several times, so that equal prompts
 *            occur several times, one after the other and side by side.
 * Change     0: none; else one node differs, as if somebody had edited the script before a resume.
 * Children   scripts that workflow() names. Each is a program of its own, of a few nodes. A call of
 *            workflow() within a child throws. Programs call all children in PROGRAM_CHILDREN, and
 *            one that never exists.
 * Promise    pure: the same number and change give the same program in every process.
 * Ownership  embedded; nothing is allocated. Threads: any.
 */
#ifndef DROVER_TEST_SIM_PROGRAM_H
#define DROVER_TEST_SIM_PROGRAM_H

#include "base/base.h"
#include "base/text.h"

enum node_kind {
    NODE_AGENT,    /* return await agent(prompt, options) */
    NODE_CONST,    /* return "text" */
    NODE_LIST,     /* each part is called with x; returns all their values */
    NODE_CHAIN,    /* each part is called with the value of the one before */
    NODE_REPEAT,   /* the same part, several times */
    NODE_PARALLEL, /* return await parallel([…]) */
    NODE_PIPELINE, /* return await pipeline([…], …) */
    NODE_BRANCH,   /* by the value of its first part */
    NODE_THROW,
    NODE_CATCH,
    NODE_POOR, /* returns at once if little is left of the budget */
    NODE_SPENT,
    NODE_PHASE,
    NODE_LOG,
    NODE_LEAVE,    /* calls its part, and does not wait for it */
    NODE_WORKFLOW, /* return await workflow(child, args) */
    NODE_SLEEP,    /* sleeps before it calls its part */
    NODE_RACE,     /* calls its part against a timer, which is cleared if it is late */
    NODE_KINDS
};

enum {
    PROGRAM_NODES_MAX = 14,
    PROGRAM_PARTS_MAX = 4,
    PROGRAM_ITEMS = 3, /* Of a pipeline. */
    PROGRAM_LONG = 4200,
    PROGRAM_CHILDREN = 4,
    PROGRAM_CHILD_PLAIN = 1,  /* Its file is always there and valid. Others: children.c. */
    PROGRAM_CHILD_HOME = 3,   /* Stands in the home folder, and its meta asks for args.op. */
    PROGRAM_CHILD_FRAGILE = 4 /* Its file is missing or broken at times. */
};

struct node {
    enum node_kind kind;
    unsigned parts[PROGRAM_PARTS_MAX], part_count;
    unsigned number;     /* Of a prompt, a title, a text; WORKFLOW: of the child, from 0. */
    unsigned options;    /* AGENT: which ones; see program_options. */
    unsigned test;       /* BRANCH: which question; WORKFLOW: how it is called; SLEEP, RACE: how
                          * long: program_delay. */
    unsigned count;      /* REPEAT; POOR: tokens. */
    bool is_long, looks; /* AGENT: the prompt is long; it tells the value. WORKFLOW: args do. */
};

struct program_id {
    uint64_t number;
    unsigned change;
    unsigned child; /* 1 … PROGRAM_CHILDREN; 0: the run's own script. */
};
struct program {
    struct program_id id;
    struct node nodes[PROGRAM_NODES_MAX];
    unsigned count;
};
struct program program_make(struct program_id id);
/* A whole script, with its meta. args.op is the number that stands in each prompt. */
void program_print(const struct program *program, struct text *text);
/* Even children have the form with a main function, the others are bodies. */
bool program_has_main(const struct program *program);
/* Finds the program of a script that was printed so; false: it is none. */
MUST_CHECK bool program_identify(struct bytes script, struct program_id *ret_id);

/* Options of agent(), as canonical JSON, and what is not part of it: NULL: none. */
struct program_options {
    const char *canonical, *label, *phase;
};
struct program_options program_options(const struct node *node);
enum { PROGRAM_QUESTIONS = 4 };
int64_t program_delay(const struct node *node); /* Milliseconds. */

/* How a node of kind WORKFLOW names the child, and the args that it gives. */
struct program_call {
    char name[48]; /* Of the child, or its path. */
    bool by_path, has_args;
};
struct program_call program_call(const struct node *node);
/* The text of a prompt that is told no value; `suffix` follows. */
void program_prompt(const struct node *node, int64_t op, const char *suffix, struct text *text);

#endif
