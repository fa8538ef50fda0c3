/* flow.h: what the files of workflows know of each other. Nobody else includes it.
 *
 * A FLOW is a workflow in the hands of this daemon:
 *
 *   LOADING ──history──> TAKING ──commit──> LIVE ──its script ended, a stop──> ENDING ──> gone
 *      ^                                     │
 *      └──── its worker crashed, or was ────┘
 *            dropped and is needed again
 *
 * A CALL is what its script asked for by agent() or workflow(), until the script has the outcome:
 *
 *   WAITING ──a place──> BEGUN ──row──> ASKING <──> CHECKING (a schema)
 *     │ │                  │ └─ a budget: HELD ─┘       │
 *     │ │                  ├ tools: TALKING ────────────┤
 *     │ │                  └ PLACING ──> TALKING ──> CLEARING (worktree.c)
 *     │ └ cached: TAKEN    └────────────────────────────┴─> STORING ──commit──> DONE ──> gone
 *     └ workflow(): FINDING ────────────────────────────────^
 *
 * DONE calls stand in the order of their commits, and the script is told of them in that order,
 * once it has heard all of its history. A call outlives its worker: the next one asks for it again,
 * by its key and occurrence, and gets the same.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_FLOW_H
#define DROVER_DISPATCH_WORKFLOW_FLOW_H

#include "base/json/json.h"
#include "base/text.h"
#include "dispatch/base/effects.h"
#include "dispatch/base/pool.h"
#include "dispatch/base/table.h"
#include "dispatch/workflow/check.h"
#include "dispatch/workflow/flows.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/workflows.h"
#include "proc/spool/spool.h"
#include "tool/agent_types.h"

enum {
    FLOW_RETRY_FIRST_MS = 200, /* Waits after an error of the store, */
    FLOW_RETRY_MAX_MS = 10000, /* doubling up to this. */
    FLOW_CRASH_MS = 100,       /* Before a worker is rebuilt, doubling. */
    FLOW_ORDER_MAX = 120 << 20,
    FLOW_HISTORY_MAX = 4 << 20, /* Of outcomes in a worker's first message, and one more. */
    FLOW_ASKED_MAX = 32 << 20,  /* Bytes of prompts and rows that calls of one flow hold; */
    FLOWS_ASKED_MAX = 96 << 20, /* beyond so many of all flows, each holds but its share. */
    FLOW_ASKED_SHARE = 4 << 20,
    FLOW_PAGE_STEPS = 256,
    FLOW_PAGE_BYTES = 1 << 20,
    FLOW_TOLD_BYTES = 256 << 10, /* Of outcomes in one turn of the loop, and one more. */
    FLOW_INLINE = 16 << 10,      /* Bytes of a frame that are parsed on the loop. */
    FLOW_PART = 64,              /* Messages that one turn of the loop takes. */
    FLOW_LINES = 64,             /* Lines of one commit. */
    FLOW_HELD_MS = 5,            /* So long may what is lazy wait for company, */
    FLOW_HELD_MAX = 16,          /* and so many; */
    FLOW_HELD_ROWS = 400,        /* together so much, as one function of the store has its limit. */
    FLOW_NAME = 2 * 64 + 2,
    FLOW_COMPANY_NS = 4 * 1000 * 1000, /* So long a script that was told something is waited for, */
    FLOW_CROWD_MAX = 64,               /* by so many at most. */
};

enum flow_state { FLOW_LOADING, FLOW_TAKING, FLOW_LIVE, FLOW_ENDING, FLOW_STATES };
enum call_state {
    CALL_WAITING,
    CALL_BEGUN,
    CALL_HELD,
    CALL_ASKING,
    CALL_CHECKING,
    CALL_PLACING,
    CALL_TALKING,
    CALL_CLEARING,
    CALL_TAKEN,
    CALL_FINDING,
    CALL_STORING,
    CALL_DONE,
};

/* A function of the store on its way. What it reads and fills is its own. */
struct flow_errand {
    struct flow *flow;
    struct flow_errand *next;
    struct flow_errand *first;  /* What goes with it, before it, */
    struct flow_errand *behind; /* one behind the other; or where it is held. */
    struct call *call;          /* NULL: it is of the flow. */
    store_fn fn;
    void (*done)(struct flow_errand *errand);
    struct timer timer;
    unsigned tries;
    struct effect effect;
    struct flow_errand *beginning; /* Of `first`: it writes the row that this one ends. */
    bool begins;                   /* It writes the row of its call. */
    bool ends;                     /* It ends that row. */
    bool away, lazy, late, budgeted;
    struct step_again asks_again;
    bool in_crowd; /* It waits for company. */
    bool orphan;   /* Its call is gone: what came of it changes nothing any more. */
    bool reads;    /* It changes nothing. */
    int64_t after;
    struct flow_page *page; /* Owned: the outcomes that it reads, which were settled `after`. */
    bool stores; /* What a call came to: counted by `storing` for as long as it exists. */
    struct bytes run;
    struct step_talk talk;
    struct step_talked talked;
    struct usage used; /* By a step that has ended. */
    enum step_begun begun;
    struct step_new begin;
    struct step_end end;
    struct step_cached cached;
    struct run_new new_job;
    struct step_job job;
    struct workflow_ref ref;
    struct provider_wait wait;
    struct workflow_end whole;
    struct step_took *took;      /* Owned: of `whole`. */
    struct workflow_line *lines; /* Owned. */
    size_t line_count;
    struct text spec;  /* Owned: of the row that it writes. */
    struct text bytes; /* Owned: what the others borrow from, or what was read. */
};

/* A step of before, by key and occurrence. */
struct past {
    struct table_node node;
    char name[FLOW_NAME];
    struct id run;
    int64_t attempt, done_no, started_ms, steady_ms, epoch;
    int64_t resume_at_ms; /* End of the wait for its provider that a restart cut; 0: none. */
    enum run_state state;
    bool stop;
    bool parked;      /* A budget let it go while its run was paused: nobody was asked. */
    struct id turn;   /* Of its agent; "": it was one call. */
    json_t *worktree; /* Owned: what its row says of it; NULL: nothing. */
};

struct call {
    struct table_node node; /* By key and occurrence. */
    char name[FLOW_NAME];
    struct flow *flow;
    struct call *next; /* In the line of its state: waiting, kept, or done. */
    enum call_state state;
    int64_t number; /* The worker's; 0: it was not asked for since the worker began. */
    char key[WORKFLOW_HASH + 1];
    int64_t occurrence;
    struct id run;
    int64_t attempt, began_ms; /* began_ms: by flows__mono_ms, as the next two; 0: it has not. */
    int64_t waited_ms, waits_since_ms; /* For a person: until now, and just now; 0: it does not. */
    bool noted;                        /* Its turn changed since it was looked at. */
    bool nested;                       /* By workflow(), not agent(). */
    bool talks;                        /* It has tools, and a turn: it is among `turns`. */
    struct id turn;
    struct place *place;         /* Owned: its working tree; NULL: it has none of its own. */
    struct table_node turn_node; /* By its turn, or by the job that is at its working tree. */
    bool written;                /* Its row is there, as far as is known. */
    bool unwritten;              /* Writing it failed, and is tried again. */
    bool stop;                   /* Somebody skipped it. */
    bool counted;                /* Among those that are at work. */
    bool kept;                   /* Its end waits for cached ones, or for a worker (settle.c). */
    bool storing;                /* Its end is on its way. */
    bool refused;                /* Nobody is asked. */
    bool admitted;               /* A budget let it go before we heard that it waits for one. */
    bool parked;                 /* A budget let it go, but its run is paused. */
    bool late;                   /* It is looked at behind its begin. */
    bool again;             /* It was restarted, and what it came to is still in other hands. */
    json_t *message;        /* Owned: what the script asked for; NULL: it is DONE. */
    size_t bytes;           /* Of it, as long as it counts in the flow's `asked`. */
    char *model;            /* Owned. */
    struct past *cached;    /* Borrowed from the flow: same call of the run that is resumed; an
                             * agent takes its result, workflow() its place. NULL: none. */
    struct amounts limits;  /* Of its own budget; AMOUNT_MAX: none. */
    struct agent_type type; /* Owned; not named: all is empty. */
    enum run_cause refusal; /* What the pool found wrong with it. */
    /* While it is asked: */
    struct asking *asking;
    struct text said;
    struct timer timer, deadline;
    struct provider_wait wait; /* For its provider; resume_at_ms 0: it does not wait. */
    int64_t stored_resume_ms;  /* The same in the row, once the write under way has ended. */
    bool storing_wait;         /* That write is under way. */
    struct pool_job job;
    unsigned tries, restarts;
    unsigned silences;     /* With tools: how often it was begun anew since its model was silent, */
    bool hushed;           /* and whether it is just now. */
    struct missed *missed; /* Owned: what was said before, where a schema was missed. */
    struct text misfit;
    bool truncated;          /* The last answer was cut off at its longest length; */
    int64_t output_max;      /* and tokens that the next one may have; 0: the model's own limit. */
    struct finding *finding; /* Owned: of workflow(), until it is stored. */
    /* What came of it: */
    enum run_cause cause;
    int64_t resume_at_ms; /* Of a failure: when asking may help; 0: nobody knows. */
    struct text result;   /* JSON; empty: none. */
    bool behind;          /* The result is only in the store, and read when it is delivered; */
    bool in_words;        /* `result` is the whole of it. */
    char *note;           /* Owned; NULL: none. */
    struct usage usage;
    struct usage_cost cost;
    int64_t calls, calls_priced; /* Of its model. */
};

struct build;
struct flow_load;
struct flow_page;
struct hearing;
struct place;

struct flow {
    struct flow *next_ended;
    struct loop_task free_task;
    bool freed;                /* It is among `ended`. */
    struct table_node node;    /* By its run. */
    struct table_node id_node; /* By the number of its row. */
    char name[ID_SIZE];
    int64_t id;
    struct flows *flows;
    char *owner;
    enum flow_state state;
    int64_t attempt, crashes;
    unsigned load_tries; /* To read it, in a row. */
    struct effect loading;
    unsigned lost; /* Workers in a row that could not be had. */
    bool fresh;    /* The row's epoch is ours, and `crashes` is as it is stored. */
    bool ended;    /* Its row has ended, by others. */
    bool stop;     /* Somebody asked it to end. */
    bool paused;   /* Nobody begins. */
    bool again;    /* What is being read is old already: it is read once more. */
    bool admitted; /* The same, where a step waited for a budget. */
    bool resumes;
    bool replayed; /* Its script was quiet behind all of its history. */
    bool quiet;
    bool idles;        /* It is in the line of those whose workers only wait. */
    bool dropped;      /* Its worker was ended while it waited. */
    bool awaits_store; /* It is read again when nothing of it is being stored. */
    struct flow *prev_idle, *next_idle;
    bool computes; /* It was told something, and has not said a thing since. */
    uint64_t told_ns;
    struct flow *prev_computing, *next_computing;
    bool budgeted;
    int64_t sent;               /* Outcomes that the worker was told, those of the history too. */
    int64_t told_no;            /* The number of the last one that was read for it. */
    size_t behind;              /* So many of `done` are read when they are to be told. */
    struct flow_errand *paging; /* Of `errands`: which reads them; NULL: none does. */
    int64_t spent;              /* Output tokens of what was delivered, */
    int64_t stored;             /* and of all outcomes that are stored. */
    int64_t total;              /* Limit on output tokens: budget.total of its script; -1: none. */
    int64_t at_once, working, agent_ms;
    int64_t agents, nested; /* Calls of agent() and of workflow(), in all. */
    int64_t line_last;      /* The number of the last line of this worker. */
    char *model, *root;
    json_t *spec;        /* Owned. */
    struct build *build; /* Held; NULL: none of before, or not yet. */
    struct flow *next_seeking;
    struct script_worker *worker;
    struct hearing *hearing;       /* Owned: a frame that is being taken. */
    size_t asked;                  /* Bytes that calls hold which come to an end by themselves. */
    struct flow_load *load;        /* Owned; LOADING. */
    struct table calls, open, old; /* Of struct call, struct past, struct past. */
    struct call *waiting, **waiting_end;
    struct call *kept, **kept_end;
    struct call *done, **done_end;
    struct loop_task deliver_task; /* Tells the script of them, before the turn of the loop ends. */
    struct call *seeking, **seeking_end; /* Whose scripts are found one at a time, */
    bool seeks;                          /* and whether one is. */
    size_t storing;                      /* Outcomes on their way into the store. */
    size_t taking; /* Calls that may be answered from another run, and were not yet. */
    struct workflow_line lines[FLOW_LINES];
    size_t line_count;
    struct timer deadline, rebuild;
    struct flow_errand *errands;
    struct flow_errand *held; /* Of `errands`: not with the store yet (write_delay.c). */
    size_t held_count, held_rows;
    struct timer held_timer;
    bool held_watched;
    size_t in_pool;
    struct flow_errand *ending; /* Owned by `errands`: what its end will say. */
};

struct flows {
    struct flows_options options;
    struct table flows, ids;
    struct flow *ended;     /* Whose memory is going. */
    struct table turns;     /* Of struct call: whose agents have tools. */
    struct turns *turns_of; /* Borrowed: who performs them; NULL: nobody can be asked. */
    struct table builds;    /* Of struct build: engines of before. */
    struct timer linger;    /* Of those that nobody holds. */
    bool lingers;
    struct scripts_stats past_scripts; /* What they counted that are gone. */
    struct pool pool;
    struct flow *idle, *idle_last;           /* The one that waits longest first. */
    struct flow *computing, *computing_last; /* The one that was told first is first. */
    size_t crowd;                            /* Functions that wait in the store for company. */
    size_t asked;                            /* Of all flows, */
    bool asked_much;                         /* and one of them waits for others to hold less. */
    struct flow_check *checks;               /* Owned: on their way. */
    struct table checked; /* Of struct flow_checked: what was found of scripts lately, */
    struct flow_checked *checked_ring[FLOW_CHECKED_MAX]; /* Owned: in the order of the finding. */
    size_t checked_next;
    struct rehearsal *rehearsals; /* Owned: on their way. */
    size_t rehearsal_count;
    struct loop_task stop_task;
    size_t busy;
    bool stopping, told;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct flows_stats stats;
};

/* flows.c */
void flows__failed(struct flows *flows, const char *what, struct bytes run, struct err err);
struct flow_errand *flow__errand(struct flow *flow, store_fn fn,
                                 void (*done)(struct flow_errand *errand));
void flow__send(struct flow_errand *errand); /* Now, or, if it is lazy, with the next one. */
void flow__answered(struct flow_errand *errand, struct err err);
void flow__errand_free(struct flow_errand *errand);
void flow__orphan(struct flow *flow, const struct call *call); /* A call goes. */
struct workflow_place flow__place(const struct flow *flow);
struct run_bounds flow__bounds(const struct flow *flow);
struct bytes flow__run(const struct flow *flow);
struct bytes flow__project(const struct flow *flow);
struct flow *flows__find(const struct flows *flows, int64_t id);
void flow__maybe_free(struct flow *flow); /* When it has ended and nothing of it is away. */
void flows__maybe_stopped(struct flows *flows);
int64_t flows__now_ms(const struct flows *flows);
int64_t flows__mono_ms(const struct flows *flows); /* Clock of durations. */
struct id flows__new_id(const struct flows *flows);

/* write_delay.c */
void flow__push(struct flow_errand *errand); /* Now, and what is `first` before it. */
void flow__hold(struct flow_errand *errand);
void flow__bring_held(struct flow_errand *errand); /* All that is held goes before it. */
void flow__drop_held(struct flow *flow);           /* Nothing of it is stored any more. */

/* commit_batch.c */
void flow__computes(struct flow *flow); /* Its script was told something, */
void flow__computed(struct flow *flow); /* and says something, or never will. */
MUST_CHECK bool flows__expects_company(struct flows *flows);

/* check.c */
void flows__stop_checks(struct flows *flows);
void flows__forget_checked(struct flows *flows);

/* engine_build.c */
/* false: it is looked for; flow__take comes again, or the flow ends. */
MUST_CHECK bool flow__has_build(struct flow *flow);
struct scripts *flow__scripts(const struct flow *flow); /* It has its build. */
void flow__doubt_build(struct flow *flow); /* A worker of it could not be had, or was lost. */
void flow__leave_build(struct flow *flow);
void flows__stop_builds(struct flows *flows);
void flows__drop_builds(struct flows *flows);

/* load.c */
void flow__load(struct flow *flow);
void flow__take(struct flow *flow); /* All is read: it goes on. */
void flow__load_free(struct flow *flow);
/* replay_started.c */
struct past *past__new(const struct step_row *row);
void past__free(struct past *past);
int64_t past__passed_ms(const struct flow *flow, const struct past *past); /* Since it began. */
void flow__forget_open(struct flow *flow);
void flow__forget_past(struct flow *flow); /* What may be taken over, too. */
void flow__note_past(struct flow *flow, const struct run_row *row);

/* worker.c: the worker. */
void flow__start(struct flow *flow, struct text *order);
void flow__close_worker(struct flow *flow);
void flow__tell(struct flow *flow, struct text *message);

/* messages.c */
void flow__heard(void *ctx, struct bytes frame);
void flow__hearing_free(struct flow *flow);
void flow__hear_on(struct flow *flow); /* Calls hold less: what had to wait is taken. */
void flows__hear_on(struct flows *flows);
void flows__bury(struct flows *flows, json_t *json); /* Frees it, in the pool. */

/* eviction.c */
void flow__rest(struct flow *flow); /* It may have become idle. */
void flow__stir(struct flow *flow); /* It is not, or has no worker. */
/* So that as many workers more may live, if enough of them only wait. */
void flows__make_room(struct flows *flows, size_t wanted);

/* call.c */
struct call *call__new(struct flow *flow, const char *key, int64_t occurrence);
void call__free(struct call *call);
void call__append(struct call *call, struct call ***end); /* To a line. */
void call__leave_lines(struct call *call);
void call__count_out(struct call *call);      /* It holds its bytes, but none waits for them. */
void call__forget_message(struct call *call); /* Nobody asks what it was any more. */
struct call *flow__find_call(const struct flow *flow, const char *key, int64_t occurrence);
/* The script asks for it: `message` is taken over. */
void flow__asked(struct flow *flow, json_t *message, bool nested);
void flow__pump(struct flow *flow);                                /* Begins what has a place. */
void call__admitted(struct call *call, const struct run_row *row); /* A note of its row. */
/* It has its place. `refused`: it ends at once, with that cause; CAUSE_NONE: it goes on. */
void call__begin(struct call *call, enum run_cause refused);
void call__ended(struct call *call); /* It is known what came of it: stored, then told. */
/* The row of the step, for this errand: what it borrows of the call does not change. */
struct step_new call__step(const struct call *call, struct flow_errand *errand);
/* What of it comes from the script; in a message out of a long frame it is written already, as the
 * member CALL_WRITTEN, since that was done in the pool. */
#define CALL_WRITTEN " written"
void call__tidy(json_t *message); /* Texts that become columns. */

/* agent_spec.c */
void call__write_asked(const json_t *message, struct text *text);
void call__write_spec(const struct call *call, struct text *spec);

/* call.c */
/* The name of a model by its script that is none of ours, for which the run's is asked. */
struct bytes call__foreign_model(const struct call *call);
void call__fail(struct call *call, enum run_cause cause, const char *note);
/* Its note: how often its answers missed the schema, and how the last one did. */
void call__note_misfit(struct call *call, struct bytes misfit);
/* A text of a message that is a name: cut. "" where there is none. */
struct bytes call__name(const json_t *message, const char *member);
void call__line_name(char name[FLOW_NAME], const char *key, int64_t occurrence);

/* queue.c */
void flow__hear_pause(struct flow *flow, const struct run_row *row); /* A note of its row. */
struct call *flow__next(const struct flow *flow); /* Of those that wait; NULL: none may begin. */
void call__let_go(struct call *call);             /* By its budget. */

/* restart.c */
void call__restart(struct call *call, const struct run_row *row); /* A note of its row. */
void call__ask_anew(struct call *call);
void call__talk_anew(struct call *call); /* Under its row, which has no turn. */

/* settle.c */
void flow__settle_quiet(struct flow *flow);
void flow__deliver(struct flow *flow);
void flow__stored(struct call *call);  /* What came of it is in the store. */
void call__line_up(struct call *call); /* Among what is to be told. */
void call__store(struct call *call); /* Now, or when it can be: once, however often it is asked. */
void call__begin_nested(struct call *call, struct past *old); /* old: as `cached`. */
void call__found(struct call *call);     /* Search for the script of workflow() has ended. */
void call__leave_old(struct call *call); /* `cached` is settled, or is not to be had. */
/* Cached results, or others that are under way, come before what has no old place. */
MUST_CHECK bool flow__must_wait(const struct flow *flow);
void flow__release(struct flow *flow); /* What was kept while it had no worker. */

/* agent_call.c */
void call__ask(struct call *call);
/* provider_wait.c: the row follows what the call does. */
void call__wait(struct call *call, const struct provider_wait *wait);
void call__wait_over(struct call *call);
void call__store_wait(struct call *call);
void call__cancel(struct call *call); /* What is with a model; no more is heard of it. */
void call__asked_free(struct call *call);
/* From the pool. false: nobody waits for what was found there, and it may be gone. */
MUST_CHECK bool call__is_back(struct call *call);

/* agent_lookup.c */
/* false: there is nothing to look at. Else call__begin comes, from the pool. */
MUST_CHECK bool call__look(struct call *call);
/* Its type was not looked at in this life; and so it is: then it is asked. */
MUST_CHECK bool call__lacks_type(const struct call *call);
void call__put_to_work(struct call *call); /* In a tree, with tools, or as one call. */
void call__look_late(struct call *call);
void call__write_instructions(const struct call *call, struct text *text);

/* agent_budget.c: what an agent may spend itself. */
/* false: no worker of ours lets such an option pass. */
MUST_CHECK bool call__read_budget(const json_t *message, struct amounts *ret_limits);
struct amounts call__own_budget(const struct call *call); /* As budgets keep it. */
MUST_CHECK bool call__has_budget(const struct call *call);
MUST_CHECK bool call__is_budgeted(const struct call *call); /* By its own or another. */
MUST_CHECK bool call__may_nothing(const struct call *call);
MUST_CHECK bool call__is_spent(const struct call *call); /* By what its calls took. */
MUST_CHECK bool flow__total_is_spent(const struct flow *flow);
void call__fail_total(struct call *call); /* Ends a call that has not begun because of that. */
struct call__time {
    int64_t ms;
    enum run_cause cause; /* When it is over. */
};
struct call__time call__time_of(const struct call *call);

/* agent_turn.c */
MUST_CHECK bool call__has_tools(const struct call *call);
void call__new_talk(struct call *call);
/* Names, of those that are `allowed`; NULL: all are. */
json_t *flow__tools(const json_t *allowed, tool_set asked);
void call__prepare_talk(struct call *call, struct flow_errand *errand);
void call__talk_again(struct call *call);
void call__leave_talk(struct call *call);
void flows__turn_note(struct flows *flows, const struct run_row *row);
void call__watch_deadline(struct call *call);

/* no_progress.c */
void call__watch_silence(struct call *call); /* TALKING. */

/* worktree.c: its own working tree. */
MUST_CHECK bool call__wants_place(const struct call *call);
/* In the pool: where it will be. false: nowhere; misfit says why. */
MUST_CHECK bool call__find_place(struct call *call);
void call__take_place(struct call *call, const json_t *worktree); /* As its row says. */
void call__write_place(const struct call *call, struct text *spec);
const char *call__root(const struct call *call); /* Where it works. */
void call__make_place(struct call *call);        /* Its row is there; then it talks. */
/* It has ended: true: call__ended comes again, when it is known whether the tree stays. */
MUST_CHECK bool call__leave_place(struct call *call);
struct bytes call__kept_place(const struct call *call); /* Its path; no data: there is none. */
/* One that may be there still, though nobody waits for it any more, is removed if it can be. */
void call__sweep_place(struct call *call);
/* The same for an agent of an earlier life that was not asked for again. */
void past__sweep_place(struct flow *flow, const struct past *past);
void call__forget_place(struct call *call);
void flows__job_note(struct flows *flows, const struct run_row *row);

/* nested.c */
void call__find_script(struct call *call); /* call__found follows, from the pool. */
void call__store_script(struct call *call);
void call__forget_script(struct call *call);

/* end.c */
/* Form in which an errand stores the end of the whole run. Each form stores less than the one above
 * it, which the database refused for good. */
enum flow_end_form {
    FLOW_END_NONE, /* The errand stores no end. */
    FLOW_END_WHOLE,
    FLOW_END_BARE,  /* The cause alone, and its agents. */
    FLOW_END_ALONE, /* The run fails, and its agents are closed unseen: tx_run_give_up. */
};
enum flow_end_form flow__end_form(const struct flow_errand *errand);
/* Sends an end in the next form; it is not ALONE yet. */
void flow__end_less(struct flow_errand *errand, struct err err);
void flow__end(struct flow *flow, enum run_cause cause, const char *note);
/* `result`: what it returned, as text; NULL: it is to be written here. */
void flow__end_with(struct flow *flow, const json_t *end, const struct text *result);
void flow__crashed(struct flow *flow, const struct script_end *end);
void flow__stop(struct flow *flow);
/* Others have settled a step, and nobody knows whether the worker has heard of it by its history:
 * it gets another one. */
void flow__reread(struct flow *flow);
void flow__store_empty(struct flow *flow); /* Nothing of it is being stored any more. */

#endif
