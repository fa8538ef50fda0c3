/* agents.h: agents that are programs: what their processes print, and what clients asked of them.
 *
 *   begins ──prints lines, in pieces──> (asks, until an answer is in its input) ──> ends in one way
 *
 * Promise    what a process does follows from the seed, the marker of its turn (servers.h) and how
 *            often it was begun for that turn; never from what other operations asked. `said` and
 *            `deserved` come from what was printed alone: nothing of src/agent is asked.
 * Ownership  lives in the simulation's memory: it outlives a crash of the daemon.
 */
#ifndef DROVER_TEST_SIM_AGENTS_H
#define DROVER_TEST_SIM_AGENTS_H

#include "base/text.h"
#include "known.h"
#include "processes.h"
#include "sim.h"

enum {
    AGENT_SESSIONS_MAX = 24,
    AGENT_TURNS_MAX = 192,
    AGENT_TRIES_MAX = 32, /* Processes of a turn. */
    AGENT_LINES_MAX = 96,
    AGENT_NATIVE_MAX = 64,
};

enum agent_adapter { ADAPTER_CLAUDE, ADAPTER_JSON_LINES, ADAPTER_PLAIN, ADAPTERS };

struct agent_line {
    size_t end, said; /* Offset after the line; bytes of text up to there. */
    bool waits;       /* Nothing follows before the question of this line is answered. */
};

/* A process that was begun. */
struct agent_process {
    struct agent_turn *turn;
    const struct command *command; /* The world's. */
    const struct agent_way *way;   /* How it ends. */
    bool typed;                    /* Whether a result says so. */
    bool lingers, waits_for_end;   /* After its result: for ever, or until its input ends. */
    struct text out, err, said;    /* Owned: all that it would print, and the text therein. */
    struct agent_line lines[AGENT_LINES_MAX];
    size_t line_count, written, asked; /* asked: number of its questions. */
    size_t read;                       /* Bytes of its input that it has read. */
    bool over;                         /* The process has ended by itself. */
    uint64_t over_ns;
};

struct agent_session {
    struct known_session known;
    enum agent_adapter adapter;
    bool ruled;                    /* A rule answers its questions. */
    char native[AGENT_NATIVE_MAX]; /* Session of the program that was printed last; "": none. */
};

/* A message, and the turn that answers it. */
struct agent_turn {
    struct agent_session *session;
    unsigned op;
    char run[ID_SIZE], text[64];
    struct agent_process *processes[AGENT_TRIES_MAX]; /* Owned. */
    size_t count;
    bool ended;
};

struct agents {
    struct agent_session sessions[AGENT_SESSIONS_MAX];
    struct agent_turn turns[AGENT_TURNS_MAX];
    size_t session_count, turn_count;
};
struct agents *agents_of(struct sim *sim);
/* Processes of a definition that may run at once; 0: any number. */
unsigned agents_at_once(struct sim *sim, enum agent_adapter adapter);

/* Ways to end. `cause`: that of the turn which ends so; more: further attempts in a row. Both are
 * what docs/agents.md says. */
struct agent_way {
    const char *cause;
    unsigned more;
    uint64_t wait_ms; /* Before the first of them; it doubles. */
    unsigned weight;
    bool untyped, only_untyped; /* Whether exit code and stderr alone may tell it; must. */
    int status;
    const char *words;
    enum exit_end end;
    int code;
};

/* agents.c: for command.c. False: the command is none of an agent. */
bool agents_begin(struct sim *sim, struct command *command);
/* The input of a process has grown or ended, or it goes on after a stop by a signal. */
void agents_hear(struct sim *sim, struct command *command);

/* Whether all that it would print is there to be read, and nobody else has ended it before. */
bool agent_process_is_whole(struct sim *sim, const struct agent_process *process);
/* Bytes of `said` in the whole lines that were printed. */
size_t agent_process_said(const struct agent_process *process);

/* check_agents.c: a process begins. */
void agents_check_begin(struct sim *sim, const struct agent_process *process);
/* Marker of a message that joins an answer; 0: the bytes have none. */
unsigned agents_more_marker(struct bytes bytes);
/* The process has read a message in a line of its input. */
void agents_check_read(struct sim *sim, const struct agent_process *process, struct bytes line);
/* A question was answered: `allowed` is what it heard. */
void agents_check_answer(struct sim *sim, const struct agent_process *process, const char *call,
                         bool allowed);

#endif
