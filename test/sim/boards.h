/* boards.h: a project with a board, in some seeds: what was asked of it, and what its rows say.
 *
 *   ops_boards.c     people, and agents that speak from inside of the runs of their attempts
 *   board_worker.c   the program of one of the agents
 *   check_boards.c   the model: a replay of the events of all tasks, and what must hold
 *
 * Promise    a seed without a board does the same as before there were any.
 * Ownership  all of it survives a crash: it is what clients know.
 */
#ifndef DROVER_TEST_SIM_BOARDS_H
#define DROVER_TEST_SIM_BOARDS_H

#include "base/id.h"
#include "engine/board/board.h"
#include "sim.h"

#define BOARD_PROJECT "yard"
/* The program, and the native agent. */
#define BOARD_WORKER "worker"
#define BOARD_NATIVE "thinker"
/* A person who works, and an agent that is no run. */
#define BOARD_HAND "ada"
#define BOARD_VISITOR "visitor"

enum { BOARD_TASKS_MAX = 40 };

struct sim_options;
struct must_findings;
/* Whether the seed has a board. */
bool boards_play(const struct sim_options *options);

/* Slots of the agent, by the seed; 0: the board does not have that agent. */
int64_t boards_slots(const struct sim *sim, const char *agent);
/* The reviewer of the board; "": a person judges. */
const char *boards_reviewer(const struct sim *sim);

/* A request of a client, and the state that its store function found. */
enum board_act { BOARD_ADD, BOARD_MOVE, BOARD_OUTPUT, BOARD_COMMENT, BOARD_WAIVE, BOARD_SHOW };
struct board_asking {
    enum board_act act;
    int64_t number; /* T-… */
    enum task_status to;
    bool judges;          /* A verdict. */
    const char *named;    /* A literal: `agent` or `author` of its body; NULL: none. */
    const char *label;    /* A literal: of its token; NULL: it is a person, or inside of a run. */
    char inside[ID_SIZE]; /* The run of an attempt; "": outside. */
    struct id id, other;
    bool moved;                     /* By an earlier commit of the chain. */
    bool over;                      /* The attempt has ended. */
    bool changes;                   /* The task had another status. */
    enum task_status found;         /* Before the move. */
    uint64_t since_ns;              /* The check of its must-haves began then, or later. */
    struct task_checking checking;  /* The one that it waits for. */
    struct must_findings *findings; /* Owned: of that; NULL: the move has none. */
};

/* check_boards.c: the request was acknowledged. */
void boards_added(struct sim *sim, const struct board_asking *asking);
void boards_moved(struct sim *sim, const struct board_asking *asking);
/* Tasks that the model knows; they are T-1 to that. */
int64_t boards_count(void);
/* A task that this one waits for; 0: there is none. */
int64_t boards_open_need(int64_t number);
/* Whether an agent could take a task now; a sentence about it where there is one. */
bool boards_is_idle(struct sim *sim, char *ret_why, size_t size);
/* Number of a task that has that status, by the rows, and has no run under way; 0: none has. */
int64_t boards_find(struct sim *sim, const char *status);
/* A task that a person or a visitor holds; 0: there is none. */
int64_t boards_find_by_hand(struct sim *sim);

/* ops_boards.c: an attempt has begun that the model has not seen: its agent will speak. */
struct board_attempt {
    const char *attempt, *run, *agent, *session;
    int64_t number;
};
void boards_attempt_seen(struct sim *sim, const struct board_attempt *seen);

/* board_worker.c: a command begins; false: it is not that program. */
struct command;
bool boards_worker_begin(struct sim *sim, struct command *command);
/* Writes its definition into the project. */
void boards_worker_define(struct sim *sim);

#endif
