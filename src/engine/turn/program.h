/* program.h: turns whose agent is a program: its process, what it says, its questions. See turns.h.
 *
 * The turn is one like any other; its "model" is a program, and a call of it a stretch of what the
 * program says, up to a good place to store it:
 *
 *   call ──> the process begins (tx_program_start), or is there already
 *    ^        └──> its lines are read ──> a whole message, a tool, a question (tx_turn_answer)
 *    │                                        └─ "asked to go on": `paused` ─┐
 *    └───────────────────────────────────────────────────────────────────────┘
 *                                             └─ it has ended: the end, or another attempt
 *
 * The process is a job, the child of the turn: it outlives the daemon, and a stop of the turn ends
 * it with all of its tree. The row of the turn has what was stored together with the place in the
 * output, so a daemon that comes back reads on from there, and nothing is there twice.
 *
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_PROGRAM_H
#define DROVER_ENGINE_TURN_PROGRAM_H

#include "base/id.h"
#include "engine/turn/plan.h"
#include "engine/turn/submit.h"

/* The prompt: words of the message that the turn answers, a user's or a notice. `reader`: state of
 * the last reader, by which the program's own session goes on; "": it has none, or knows what this
 * session has no more (cleared, rolled back, answered a second time), and a new one begins. */
enum { PROGRAM_JOINS_MAX = 256 << 10 }; /* Once there are more, the others are sent. */
struct program_task {
    struct text *prompt;
    struct text *notice; /* The last notice of this turn: the faults of an answer; "". */
    struct text *reader;
    struct text *joins;  /* Words of messages that join the answer, up to PROGRAM_JOINS_MAX; */
    int64_t prompted;    /* id of the last of them; 0: there are none. */
    struct id last;      /* The same: msg_… */
    struct text *missed; /* Words that the program's own session should have, and has not. */
};
/* Name of a message in the input of a process, which it says again when it reads that. Each process
 * has names of its own: a program answers no message whose name its session has. */
struct uuid program_message_name(struct bytes process, struct bytes message);
MUST_CHECK struct err tx_program_task(struct tx *tx, const struct turn_key *key,
                                      struct program_task *task);
/* The words of earlier turns, for a program whose own session begins in the middle of a
 * conversation: the newest PROGRAM_HISTORY_MAX bytes of them. "": there are none. */
enum { PROGRAM_HISTORY_MAX = 48 << 10 };
MUST_CHECK struct err tx_program_history(struct tx *tx, const struct turn_key *key,
                                         struct text *history);

/* Processes of this session, of this turn and those before it. */
struct program_before {
    bool busy;        /* Any of them has not ended. */
    int64_t ended_ms; /* When the last one has, by the wall clock; 0: none has. */
};
MUST_CHECK struct err tx_program_before(struct tx *tx, const struct turn_key *key,
                                        struct program_before *ret_before);

/* The process begins. *ret_run: this one, or one that runs already;
 * "": the turn has ended, or is asked to; or, where *ret_busy, one before it has not ended, and a
 * session of a program has one writer. */
struct program_start_new {
    struct turn_key key;
    int64_t step;        /* The call. */
    struct bytes reader; /* State of the reader at the begin of its output. */
    struct run_new run;  /* owner, project and parent are filled in here. */
    int64_t prompted;    /* As of the task; messages after that are sent, */
    turn_line line;      /* as lines. */
};
MUST_CHECK struct err tx_program_start(struct tx *tx, const struct program_start_new *start,
                                       struct id *ret_run, bool *ret_busy);

/* State and end of the process. */
struct program_child {
    bool found, ended;
    int64_t attempt; /* 0: it has not begun. */
    enum run_state state;
    enum run_cause cause;
    enum run_cause stop; /* Cause for which it was asked to end; CAUSE_NONE: none. */
    int64_t exit_code;   /* -1: none. */
    int64_t signal;      /* 0: none. */
    int64_t took_ms;     /* Since it began, without the time of people who were asked. */
    struct why away;     /* Sentence: another host has the process and its output; "": this one. */
    struct why note;     /* Sentence of its end; "": there is none. */
};
MUST_CHECK struct err tx_program_child(struct tx *tx, const struct turn_key *key, struct bytes run,
                                       struct program_child *ret_child);
/* The process is asked to end for that cause. HURRY: it gets no time for that. */
enum program_grace { PROGRAM_GRACE, PROGRAM_HURRY };
MUST_CHECK struct err tx_program_stop(struct tx *tx, struct bytes run, enum run_cause cause,
                                      enum program_grace grace);

/* The input of the process ends, since nothing follows its result; *ret_closed false: a message
 * that it was sent does. */
struct program_close {
    struct bytes turn, process;
    struct bytes read; /* Name of the last message that it has read; "": as the rows have it. */
    bool anyhow;
};
MUST_CHECK struct err tx_program_close(struct tx *tx, const struct program_close *close,
                                       bool *ret_closed);

/* Beside an answer: how far its output was read, and what follows. */
struct program_mark {
    int64_t read_to;
    struct bytes reader;  /* State of the reader there. */
    bool names;           /* The program names messages when it reads them. */
    bool again;           /* The process has ended as `outcome` says, and another one begins. */
    struct bytes outcome; /* "": it has not ended. */
    struct bytes rule;    /* Rule that gave the outcome (rules/agent/classify.h); "": none did. */
    int64_t tries;        /* Attempts in a row with that outcome. */
};

/* Answers to its questions. Cards that are allowed go on, or end with a conflict. */
enum { PROGRAM_REPLIES_MAX = TURN_TOOLS_AT_ONCE };
struct program_replies {
    struct turn_key key;
    int64_t parts[PROGRAM_REPLIES_MAX];
    /* Why a call that was allowed is denied: its file has changed since the question; else NULL. */
    const char *conflicts[PROGRAM_REPLIES_MAX];
    size_t count;
    struct bytes input; /* Bytes that the program is sent. */
};
/* The program needs no answer to that question any more: its approval is closed, and the turn goes
 * on where no other is open. Nothing, if it is not open. */
MUST_CHECK struct err tx_program_withdraw(struct tx *tx, const struct turn_key *key,
                                          struct bytes question, struct turn_plan *plan);
MUST_CHECK struct err tx_program_reply(struct tx *tx, const struct program_replies *replies,
                                       struct turn_plan *plan);

#endif
