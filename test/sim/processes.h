/* processes.h: commands, their holders and the folders that these leave: what outlives a daemon.
 *
 *                         somebody else linked `claim` first
 *   BORN ──claims──> RUNNING ──the command ends──> DRAINING ──> ENDED
 *     └──────────────────────────────────────────────────────────^  (void, or it could not claim)
 *                killed: GONE. Its lock is free, and there is no exit.json; the command lives until
 *                somebody ends its tree.
 *
 * A FOLDER has what src/proc/spool/protocol.h says of it: who linked `claim`, whether the lock is
 * held, whether exit.json is whole, and output by logical offset. A restart of the machine ends
 * every process, and takes from a folder that was not synced (ORDER_ONCE) what it likes.
 *
 * What a command does follows from a hash of its arguments and the number of its attempt: how long
 * it runs, what it writes, how it ends, how it takes SIGTERM, whether it harms its holder.
 */
#ifndef DROVER_TEST_SIM_PROCESSES_H
#define DROVER_TEST_SIM_PROCESSES_H

#include "proc/holder.h"
#include "proc/spool/spool.h"
#include "rules/run/run.h"
#include "sim.h"

enum claim { CLAIM_NONE, CLAIM_VOID, CLAIM_CLOSED, CLAIM_GO };

struct folder {
    struct folder *next;
    char name[PROTOCOL_NAME_MAX]; /* RUN.ATTEMPT */
    unsigned host;                /* In whose spool it is. */
    enum claim claim;
    bool synced; /* Claim and folder, by a holder with ORDER_ONCE, or by whoever linked `void`. */
    bool locked; /* A holder lives that has it. */
    bool ended;  /* exit.json is whole: `exit`. */
    struct spool_exit exit;
    int pid; /* Of the claim, as the next ones. */
    uint64_t start_time;
    unsigned boot;
    char nonce[40];
    int64_t sizes[LOG_STREAMS];
    const char *texts[LOG_STREAMS]; /* Borrowed: the output of an agent; NULL: any bytes. */
    int64_t changed_s;
};

enum command_state { COMMAND_BORN, COMMAND_RUNNING, COMMAND_DRAINING, COMMAND_ENDED, COMMAND_GONE };

/* One word on the way between a daemon and a holder. */
struct word {
    struct word *next;
    int kind;
    enum log_stream stream;
    int64_t number;
    char *bytes; /* Owned. */
    size_t len;
};

struct command {
    struct command *next;
    char name[PROTOCOL_NAME_MAX], nonce[40];
    char run[ID_SIZE];
    unsigned attempt;
    unsigned host; /* On which it runs. */
    enum command_state state;
    uint64_t key; /* Of what it does. */
    char *line;   /* Owned: the arguments with blanks between. */
    char *cwd;    /* Owned. */
    unsigned flags;
    uint64_t timeout_ms, grace_ms;
    int pid;
    uint64_t start_time;
    bool lives;   /* The command, or what it left behind. */
    bool frozen;  /* Its holder was stopped by a signal: it says nothing. */
    bool stopped; /* Somebody asked it to end, */
    enum exit_why why;
    int64_t started_ms;
    uint64_t began_ns, listens_ns; /* listens: since when its holder reads what it is sent. */
    bool told;                     /* exit.json was written, and nothing took it away: */
    bool was_told;                 /* A host may have reported it before that: */
    enum exit_end end;
    int code;    /* of EXIT_EXITED. */
    char *input; /* Owned: what the holder has of it. */
    int64_t input_len, accepted;
    bool input_ended, eof;
    unsigned pieces;             /* Of output that it will still write. */
    struct agent_process *agent; /* agents.h; NULL: it is none. */
    struct holder *link;         /* The daemon's end; NULL: nobody listens. */
    struct word *to_daemon, **to_daemon_end, *to_holder, **to_holder_end; /* Owned. */
    struct sim_event claim_event, piece_event, end_event, kill_event, time_event, mail_event,
        order_event, unlock_event;
};

struct processes {
    struct folder *folders;
    struct command *commands;
    unsigned boots[SIM_HOSTS_MAX]; /* Restarts of each machine so far. */
    int next_pid;
    unsigned begun; /* Commands, in all. */
};
struct processes *processes_of(struct sim *sim);

/* Where: a host, and a name in its spool. */
struct folder_key {
    unsigned host;
    const char *name;
};
struct folder *folder_find(struct processes *processes, struct folder_key key); /* NULL. */
struct folder *folder_make(struct sim *sim, struct folder_key key);
struct folder *folder_of(struct sim *sim, const struct command *command);               /* NULL. */
struct command *command_find(const struct processes *processes, struct folder_key key); /* NULL. */

/* A holder was asked for by the daemon: it lives from now on, and claims soon. Takes over what
 * `order` owns. */
struct order;
struct command *command_born(struct sim *sim, struct order *order);
/* A word from the daemon is on its way. */
enum order_word { WORD_STOP, WORD_INPUT, WORD_INPUT_END, WORD_ASK };
void command_told(struct sim *sim, struct command *command, enum order_word kind, int64_t number,
                  struct bytes bytes);
void command_kill_holder(struct sim *sim, struct command *command);
/* The link breaks; both live on. */
void command_break_link(struct sim *sim, struct command *command);

/* command.c */
uint64_t command_draw(const struct command *command, const char *purpose, uint64_t count);
void command_begin(struct sim *sim, struct command *command);
void command_stop(struct sim *sim, struct command *command, int64_t grace_ms);
/* The command ends so, after its holder has written exit.json. */
void command_end(struct sim *sim, struct command *command, enum exit_end end, int code);
void command_events_stop(struct sim *sim, struct command *command);
void command_input_take(struct sim *sim, struct command *command);
void command_thaw(struct sim *sim, struct command *command); /* Its holder goes on. */

/* holder.c: what the daemon hears, soon. */
enum holder_word {
    WORD_CLAIMED,
    WORD_VOID,
    WORD_FAILED,
    WORD_GROWN,
    WORD_ACCEPTED,
    WORD_DISK_FULL,
    WORD_EXITED,
    WORD_STATUS,
    WORD_BROKEN,
};
void holder_hears(struct sim *sim, struct command *command, enum holder_word kind, int64_t number,
                  enum log_stream stream);
void words_free(struct word **list, struct word ***end);

/* Of the host that acts: its daemon is gone; the machine was restarted; it is another one. */
void processes_let_go(struct sim *sim);
void processes_reboot(struct sim *sim);
void processes_move(struct sim *sim);

/* An order on its way from holder_order_make to holder_start, by its descriptor, which is none of
 * the system's. */
struct order {
    struct order *next;
    int fd;
    char *name, *nonce, *line, *cwd, *input; /* Owned. */
    int64_t input_len;
    unsigned flags;
    uint64_t timeout_ms, grace_ms;
};
void orders_forget(void); /* Of a life that is gone. */
void order_free(struct order *order);

/* How often the command of a run was begun, over all attempts. */
unsigned processes_begun(struct sim *sim, const char *run);
bool processes_live(struct sim *sim, const char *run); /* Holder or command. */
/* Bytes of input that the holder of an attempt has, if it has listened for at least `since_ms`; -1:
 * no holder does. */
int64_t processes_input(struct sim *sim, const char *run, int64_t attempt, uint64_t since_ms);
/* The end of an attempt in the rows must be the one that it came to. */
void processes_check_end(struct sim *sim, const struct run_row *row);

/* A program that does something of its own: called when a command whose first argument ends with
 * its name begins. It may change files below the command's folder, and says how it ends. */
struct program_end {
    int code;
    const char *out; /* Borrowed; NULL: nothing. */
};
typedef bool (*program_fn)(struct sim *sim, const struct command *command,
                           struct program_end *ret_end); /* False: not for it. */
void processes_program(program_fn program);

#endif
