/* flow_run.h: a flow in the hands of this daemon. Only dispatch/flow includes it.
 *
 *   NEW ──adopted──> IDLE
 *   IDLE ──a note, its time──> READING ──> asks the worker; the rest becomes orders, in line
 *    ^  └──the first order──> SEARCHING (its agent, its file) ──> WRITING ──> IDLE, and reads again
 *    └────── nothing to do
 *   any ──the store refuses it for good──> ENDING ──the run has failed (give_up.c)──> IDLE
 *
 * Threads    the loop; while it reads or writes, what the store function fills belongs to that.
 */
#ifndef DROVER_DISPATCH_FLOW_FLOW_RUN_H
#define DROVER_DISPATCH_FLOW_FLOW_RUN_H

#include "base/link.h"
#include "base/text.h"
#include "dispatch/base/agent_order.h"
#include "dispatch/base/room.h"
#include "dispatch/base/table.h"
#include "dispatch/flow/evaluator.h"
#include "dispatch/flow/flows.h"
#include "proc/spool/protocol.h"
#include "script/catalog.h"

struct flow_run;
struct flows {
    struct flows_options options;
    struct room room;
    struct table table;
    struct link starts; /* Requests that are made ready. */
    /* flow_run__next: where a file below has done its part of a flow. */
    void (*go_on)(struct flow_run *run);
};

enum flow_run_state {
    FLOW_RUN_NEW,
    FLOW_RUN_IDLE,
    FLOW_RUN_READING,
    FLOW_RUN_SEARCHING,
    FLOW_RUN_WRITING,
    FLOW_RUN_ENDING
};
/* ENDING: what is tried (give_up.c). */
enum flow_giving_up { FLOW_GOES, FLOW_GIVES_UP_STEPS, FLOW_GIVES_UP_ALONE, FLOW_GIVES_UP_LATER };

/* The question about a step that is under way. */
struct flow_hand {
    int64_t version;    /* At which it was asked; -1: it was not. */
    int64_t evaluation; /* Under way; 0: none. */
    size_t number;      /* The case that is asked. */
    int64_t evicted; /* Number of agents that it waited for when its worker was evicted; 0: none. */
};
/* A step as the rows had it. */
struct flow_seen {
    struct bytes id; /* Borrowed from the description. */
    enum flow_kind kind;
    enum flow_status status;
    enum flow_phase phase;
    int64_t version, tries, calls;
    bool has_child;
    struct text prompt; /* Owned: prompt of a child, or where the output of a command is. */
};

enum flow_order_kind {
    ORDER_TELL,
    ORDER_OUTPUT,
    ORDER_READ,
    ORDER_CHILD,
    ORDER_CALL,
    ORDER_TICK,
    ORDER_END
};
/* Jobs whose output is looked at, at one time: four for each step of the largest flow. */
enum { FLOW_WATCHED_MAX = 4 * FLOW_STEPS_MAX };
struct flow_watched {
    size_t at;
    char log[PROTOCOL_NAME_MAX]; /* RUN.ATTEMPT */
};
struct flow_order {
    struct link link;
    enum flow_order_kind kind;
    size_t at;
    int64_t version, tries, number, evaluation;
    struct flow_answer answer;
    struct text text;  /* Owned: answer, prompt, report. */
    struct text agent; /* Owned. */
    struct text note;  /* Owned: END: why there is no report. */
    /* Owned: END: the file that the report is written to, "": none; and why it is not. */
    struct text path, fault;
    struct text files; /* Owned: READ, CHILD: JSON, what a yes of approvers is about. */
    bool late;
    struct flow_called called;    /* CALL: its text is in `text`. */
    struct flow_watched *watched; /* Owned: TICK: jobs below steps whose time has passed. */
    struct flow_sign *signs;      /* Owned: what their output says, in the same order. */
    size_t watched_count;
};

struct flow_run {
    struct table_node node;
    char run[ID_SIZE];
    struct flows *flows;
    enum flow_run_state state;
    enum flow_giving_up giving_up;
    int64_t attempt;
    uint64_t pause_ms; /* The last one before its end was tried again; 0: there was none. */
    struct why fault;  /* Why it is given up. */
    bool again;
    struct ask ask;
    struct timer timer;
    struct link orders, calls; /* calls: agents of code that have not ended. */
    struct flow_order *order;  /* Owned: at hand; NULL: none. */
    /* As the rows had it: */
    enum flow_stage stage;
    enum run_cause stop;
    int64_t due_ms;
    bool orphans;      /* Children run that no step waits for: a tick ends them. */
    enum flow_how how; /* IN_REPORT. */
    struct text name, file, source, input, model, root, path, owner, project; /* Owned. */
    struct text rules;   /* Owned: settings of the project. */
    json_t *description; /* Owned. */
    struct flow flow;    /* Owned: the same, as it was read once; steps: see `after`. */
    struct flow after;   /* Owned: steps and head alone, as the last order leaves them. */
    struct text results; /* Owned: what the worker does not know yet, as it is sent. */
    size_t count;
    struct flow_seen *seen;  /* Owned. */
    struct flow_hand *hands; /* Owned. */
    int64_t *known;          /* Owned, by place: the version whose texts were read; -1: none. */
    /* The worker: */
    struct evaluator *evaluator; /* Owned; NULL: there is none. */
    int64_t evaluations, report; /* report: evaluation of it; 0: none; -1: it is there. */
    int64_t naming;              /* Evaluation of the name of its file; 0: none. */
    struct text rendered;        /* Owned: the report, while its file is named. */
    unsigned crashes;
    /* The child that begins: */
    struct pool_job job;
    struct agent_order agent; /* Owned, as are the next: its agent, as it was found. */
    struct why why;
    struct text title;
    struct default_model model_default;
    struct id session, child, message, answer;
    struct start_child *starting; /* Owned by child.c; NULL: none. */
};

#define FLOW_AGENT_DEFAULT "Explore" /* Where a step names none. */

/* flows.c: reads its rows, or begins the first order in line, unless it is busy. */
void flow_run__next(struct flow_run *run);

/* begin.c: the first in line is at hand from here on. */
void flow_run__order_begin(struct flow_run *run);

/* child.c: the order at hand is a child of a step, or an agent that a code step asks for. */
void flow_run__begin_child(struct flow_run *run);
void flow_run__drop_child(struct flow_run *run); /* The one that is made ready, if any. */

/* files.c: the order at hand is a question to approvers, or a step that begins under their yes. */
void flow_run__files_begin(struct flow_run *run);
bool flow_run__is_approved(const struct flow_run *run, size_t at); /* Whether it is such a step. */

/* artifact.c: the report of the order at hand is written to its file, which then goes on to the
 * rows with the end of the run. */
void flow_run__artifact_begin(struct flow_run *run);

/* workers.c */
/* Evicts workers that only wait for agents until one more may live, as far as there are any. */
void flows__make_room(struct flows *flows);
/* An agent of a step has ended: its function, whose worker was evicted, is asked again. */
void flow_run__wake_evicted(struct flow_run *run);

/* give_up.c: the store refuses a transaction for good, and nothing of the flow is away. */
void flow_run__give_up(struct flow_run *run, struct err err);
enum ask_verdict flow_run__judge_end(unsigned tries, struct err err); /* In ENDING. */

/* order.c */
void flow_run__look(struct flow_run *run); /* Nothing of it is away: it goes on, as its rows are. */
/* The last in line. at FLOW_NONE: of the run itself. */
struct flow_order *flow_run__order_new(struct flow_run *run, enum flow_order_kind kind, size_t at);
void flow_run__order_free(struct flow_order *order); /* NULL is allowed. */
void flow_run__orders_free(struct link *orders);
/* For its transaction. What an earlier try of that left in `after` is dropped. */
struct flow_place flow_run__order_place(struct flow_run *run, const struct flow_order *order);
void flow_run__steps_take(struct flow_run *run); /* The steps are as it left them. */
/* The file of the child was read again, and that text is the one that runs. */
void flow_run__files_child(struct flow_run *run, const struct catalog_entry *entry);
void flow_run__order_write(struct flow_run *run); /* The one at hand becomes a transaction. */
/* `look` in the pool, before the order is written. */
void flow_run__order_look(struct flow_run *run, void (*look)(struct pool_job *job));
void flow_run__order_done(struct flow_run *run);
/* Whether the evaluation that asked for the agent is under way: after a crash, another worker asks
 * for the agent again. */
bool flow_run__call_waits(const struct flow_run *run, const struct flow_order *order);
void flow_run__await_call(struct flow_run *run); /* The run waits for its end. */
/* The child could not begin, or the question not be asked, for the reason in run->why. */
void flow_run__refuse_child(struct flow_run *run);

#endif
