/* agents.h: agents that are programs: what their processes print, and what clients asked of them.
 *
 *   begins ──prints lines, in pieces──> (asks, until an answer is in its input) ──> ends in one way
 *      └──────────────────────────────────────────────────────────> hangs, until somebody ends it
 *
 * A turn has a marker, the number of the operation that sent its message; another variant of an
 * answer has that of the first one. Its processes are found by the rows of their jobs, and are
 * asked what has the marker.
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
    AGENT_JOBS_MAX = 1024,
    AGENT_TALKS_MAX = 8,
    AGENTS_NO_PROGRESS_MS = 15000, /* In each definition. */
    AGENT_MISFITS_MAX = 5,         /* Answers in all, where none fits its schema. */
};

enum agent_adapter { ADAPTER_CLAUDE, ADAPTER_JSON_LINES, ADAPTER_PLAIN, ADAPTERS };

struct agent_line {
    size_t end, said; /* Offset after the line; bytes of text up to there. */
    bool waits;       /* Nothing follows before the question of this line is answered. */
    bool whole;       /* The end of a message, or the result of a tool. */
};

/* A process that was begun. */
struct agent_process {
    struct agent_turn *turn;
    const struct command *command; /* The world's. */
    const struct agent_way *way;   /* How it ends. */
    bool typed;                    /* Whether a result says so. */
    bool misfit;                   /* The answer does not fit the schema of the turn. */
    char native[AGENT_NATIVE_MAX]; /* Session of the program; "": it keeps none. */
    bool lingers, waits_for_end;   /* After its result: for ever, or until its input ends. */
    struct text out, err, said;    /* Owned: all that it would print, and the text therein. */
    struct agent_line lines[AGENT_LINES_MAX];
    size_t line_count, written, asked; /* asked: number of its questions. */
    size_t read;                       /* Bytes of its input that it has read. */
    bool single;                       /* Only the first message is read. */
    bool over;                         /* The process has ended by itself. */
    uint64_t over_ns;
    int64_t over_offset_ms; /* The wall clock at that time. */
};

struct agent_session {
    struct known_session known;
    enum agent_adapter adapter;
    bool ruled;                    /* A rule answers its questions. */
    char native[AGENT_NATIVE_MAX]; /* Session of the program that was printed last; "": none. */
    bool owned;                    /* A person has it open in a terminal, */
    struct sim_event leave;        /* and closes it then. */
    int64_t compacted_ms;          /* When the last person had a summary made of it; 0: never. */
    enum { OWNER_NOT_SOUGHT, OWNER_NOT_SEEN, OWNER_SEEN } sought; /* For the next process. */
};

/* A message, and the turn that answers it; or the turn of another variant of an answer. */
struct agent_turn {
    struct agent_session *session;
    struct known_message message; /* Only session and id are used. */
    unsigned op, marker;
    int64_t row; /* Id of the run in the database; 0: not seen yet. */
    char run[ID_SIZE], answer[ID_SIZE], text[64];
    bool by_schema;
    struct agent_process *processes[AGENT_TRIES_MAX]; /* Owned. */
    size_t count;
    bool ended, succeeded, waits;
    unsigned waits_life; /* Since when it waits for a person, */
    uint64_t waits_ns;
    int64_t waited_ms; /* and how long it has, at least. */
};

/* The run of a process, as its notes tell it. */
struct agent_job {
    char run[ID_SIZE];
    struct agent_turn *turn;
    int64_t attempt;   /* Start that was seen last; others were void. 0: none. */
    unsigned life;     /* In which the process began. */
    uint64_t began_ns; /* Then: the clock that nobody sets, */
    int64_t offset_ms; /* setting of the wall clock, */
    int64_t waited_ms; /* and the time that the turn had waited. */
    int64_t jump_ms;   /* Most that a later life has taken for time because the clock was set. */
    enum run_cause ended_for; /* The daemon asked it to end for that, of its own accord. */
};

/* A client that goes on in a session. */
struct agent_talk {
    struct sim_event event;
    struct agent_session *session;
    unsigned op, part; /* part: number of its next action, from 1. */
};

struct agents {
    struct agent_session sessions[AGENT_SESSIONS_MAX];
    struct agent_turn turns[AGENT_TURNS_MAX];
    struct agent_job jobs[AGENT_JOBS_MAX];
    struct agent_talk talks[AGENT_TALKS_MAX];
    size_t session_count, turn_count, job_count, talk_count;
    unsigned life; /* Life, and setting of the clock, of the last look at jobs. */
    int64_t offset_ms;
};
struct agents *agents_of(struct sim *sim);
/* Processes of a definition that may run at once; 0: any number. */
unsigned agents_at_once(struct sim *sim, enum agent_adapter adapter);
/* Time of a process of it; 0: the definition has none. */
int64_t agents_deadline_ms(struct sim *sim, enum agent_adapter adapter);
const char *agents_name(enum agent_adapter adapter);
/* NULL: no note has told of it. */
struct agent_job *agents_job(struct sim *sim, const char *run);

/* Ways to end. `cause`: that of the turn which ends so; more: further attempts in a row. Both are
 * what docs/agents.md says. */
struct agent_way {
    const char *cause;
    unsigned more;
    uint64_t wait_ms; /* Before the first of them; it doubles. */
    bool leaves;      /* The session of the program: another one begins, at once. */
    unsigned weight;
    bool untyped, only_untyped; /* Whether exit code and stderr alone may tell it; must. */
    int status;
    const char *words;
    enum exit_end end;
    int code;
    enum run_cause ended_for; /* The process hangs until the daemon ends it for that. */
};
/* Processes of such a command, as they are seen: all work, but for those that hang. */
struct tree_use;
void agents_measure(struct sim *sim, const struct command *command, struct tree_use *io_use);

/* agents.c: for command.c. False: the command is none of an agent. */
bool agents_begin(struct sim *sim, struct command *command);
/* The input of a process has grown or ended, or it goes on after a stop by a signal. */
void agents_hear(struct sim *sim, struct command *command);

/* Whether all that it would print is there to be read, and nobody else has ended it before. */
bool agent_process_is_whole(struct sim *sim, const struct agent_process *process);
/* Bytes of `said` in the whole lines that were printed. */
size_t agent_process_said(const struct agent_process *process);
/* Whether these have a whole message, or the result of a tool. */
bool agent_process_progressed(const struct agent_process *process);

/* owners.c: persons who use sessions of programs, too. */
void owners_come(struct sim *sim);
/* A process goes on in the session. */
void owners_check_begin(struct sim *sim, const struct agent_process *process);

/* check_agents.c: a process begins; `resumes`: in a session of the program that is there. */
void agents_check_begin(struct sim *sim, const struct agent_process *process, bool resumes);
void agents_noted(struct sim *sim, const struct run_row *row);
void agents_look_at_clock(struct sim *sim);
/* Marker of a message that joins an answer; 0: the bytes have none. */
unsigned agents_more_marker(struct bytes bytes);
/* The process has read a message in a line of its input. */
void agents_check_read(struct sim *sim, const struct agent_process *process, struct bytes line);
/* A question was answered: `allowed` is what it heard. */
void agents_check_answer(struct sim *sim, const struct agent_process *process, const char *call,
                         bool allowed);

#endif
