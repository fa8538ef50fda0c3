/* command.c: what a command does, and how it ends. Both follow from its arguments. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agents.h"
#include "boards.h"
#include "folder.h"
#include "hosts.h"
#include "inside.h"
#include "ops.h"
#include "processes.h"
#include "rows.h"

enum {
    LIFE_MS_MAX = 20000,
    PIECES_MAX = 5,
    PIECE_MAX = 3000,
    INPUT_STEP_MAX = 5000,
    LINGER_MS_MAX = 8000,
    GRACE_MS = 5000,
    PROGRAMS_MAX = 4,
};

struct programs {
    program_fn list[PROGRAMS_MAX];
    size_t count;
};

static struct programs *programs(void) {
    static struct programs all;
    return &all;
}

void processes_program(program_fn program) {
    struct programs *all = programs();
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i] == program) {
            return;
        }
    }
    assert(all->count < PROGRAMS_MAX);
    all->list[all->count++] = program;
}

uint64_t command_draw(const struct command *command, const char *purpose, uint64_t count) {
    return sim_hash(command->key, command->attempt, purpose, 0) % count;
}

/* --- The end ---------------------------------------------------------------------------------- */

void command_events_stop(struct sim *sim, struct command *command) {
    sim_plan_stop(sim, &command->claim_event);
    sim_plan_stop(sim, &command->piece_event);
    sim_plan_stop(sim, &command->end_event);
    sim_plan_stop(sim, &command->kill_event);
    sim_plan_stop(sim, &command->time_event);
    sim_plan_stop(sim, &command->order_event);
}

static void unlock(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, unlock_event);
    struct folder *folder = folder_of(sim, command);
    if (folder != NULL) {
        folder->locked = false;
    }
    command->state = COMMAND_ENDED;
}

/* The holder has drained its pipes and ended the tree; exit.json is in its place. */
void command_end(struct sim *sim, struct command *command, enum exit_end end, int code) {
    struct folder *folder = folder_of(sim, command);
    command_events_stop(sim, command);
    command->lives = false;
    command->state = COMMAND_DRAINING;
    command->told = command->was_told = folder != NULL;
    command->end = end;
    command->code = code;
    if (folder != NULL) { /* Else somebody took it away: what is written reaches nobody. */
        folder->ended = true;
        folder->changed_s = sim_wall_ms(sim) / 1000;
        folder->exit = (struct spool_exit){
            .end = end,
            .why = command->why,
            .code = end == EXIT_EXITED ? code : 0,
            .signal = end == EXIT_SIGNALED ? code : 0,
            .os = end == EXIT_NOT_STARTED ? code : 0,
            .out = folder->sizes[LOG_OUT],
            .err = folder->sizes[LOG_ERR],
            .pty = folder->sizes[LOG_PTY],
            .in = command->accepted,
            .cpu_us = 1000 + (int64_t)command_draw(command, "cpu", 100000),
            .memory_kb = 1000,
            .started_ms = command->started_ms,
            .ended_ms = sim_wall_ms(sim),
            .processes = 1,
        };
        (void)snprintf(folder->exit.step, sizeof folder->exit.step, "%s",
                       end == EXIT_NOT_STARTED ? "exec" : "");
    }
    sim_trace(sim, "command %s ends: %d %d", command->name, (int)end, code);
    holder_hears(sim, command, WORD_EXITED, 0, LOG_OUT);
    sim_plan(sim, &command->unlock_event, sim_choose(sim, "unlock", 20), unlock);
}

static void end_itself(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, end_event);
    uint64_t drawn = command_draw(command, "code", 100);
    if (drawn < 65) {
        command_end(sim, command, EXIT_EXITED, 0);
    } else if (drawn < 90) {
        command_end(sim, command, EXIT_EXITED, 1 + (int)command_draw(command, "which", 3));
    } else {
        command_end(sim, command, EXIT_SIGNALED, SIGSEGV);
    }
}

static void end_by_kill(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, kill_event);
    command_end(sim, command, EXIT_SIGNALED, SIGKILL);
}

static void end_by_term(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, end_event);
    command_end(sim, command, EXIT_SIGNALED, SIGTERM);
}

/* SIGTERM to the tree, SIGKILL after the grace: some end at once, some tidy up, some ignore it. */
void command_stop(struct sim *sim, struct command *command, int64_t grace_ms) {
    if (command->state == COMMAND_BORN) {
        command->stopped = true; /* It claims first. */
        return;
    }
    if (command->state != COMMAND_RUNNING) {
        return;
    }
    command->stopped = true;
    uint64_t manner = command_draw(command, "term", 100);
    if (manner < 70) {
        sim_plan(sim, &command->end_event, sim_choose(sim, "term", 50), end_by_term);
    } else if (manner < 85) {
        sim_plan(sim, &command->end_event, 1000 + command_draw(command, "tidy", LINGER_MS_MAX),
                 end_by_term);
    }
    sim_plan(sim, &command->kill_event, (uint64_t)grace_ms, end_by_kill);
}

static void time_over(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, time_event);
    if (!command->stopped) {
        command->why = EXIT_TIMED_OUT;
        command_stop(sim, command, (int64_t)(command->grace_ms > 0 ? command->grace_ms : GRACE_MS));
    }
}

/* --- What it does ----------------------------------------------------------------------------- */

static enum log_stream stream_of(const struct command *command, unsigned piece) {
    if ((command->flags & ORDER_PTY) != 0) {
        return LOG_PTY;
    }
    return sim_hash(command->key, piece, "stream", 0) % 3 == 0 ? LOG_ERR : LOG_OUT;
}

static void grow(struct sim *sim, struct command *command, enum log_stream stream, int64_t len) {
    struct folder *folder = folder_of(sim, command);
    if (folder != NULL && len > 0) {
        folder->sizes[stream] += len;
        folder->changed_s = sim_wall_ms(sim) / 1000;
        holder_hears(sim, command, WORD_GROWN, folder->sizes[stream], stream);
    }
}

static void piece_write(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, piece_event);
    unsigned piece = command->pieces--;
    grow(sim, command, stream_of(command, piece),
         1 + (int64_t)(sim_hash(command->key, piece, "len", 0) % PIECE_MAX));
    if (command->pieces > 0) {
        sim_plan(sim, event, sim_hash(command->key, piece, "gap", 0) % 2000, piece_write);
    }
}

/* The command reads a part of what its holder has. */
void command_input_take(struct sim *sim, struct command *command) {
    while (command->state == COMMAND_RUNNING && command->accepted < command->input_len) {
        int64_t rest = command->input_len - command->accepted;
        int64_t step = 1 + (int64_t)command_draw(command, "read", INPUT_STEP_MAX);
        command->accepted += step < rest ? step : rest;
        holder_hears(sim, command, WORD_ACCEPTED, command->accepted, LOG_OUT);
    }
    agents_hear(sim, command);
}

/* Some stop their holder, or kill it: they are of the same user. */
static void harm_holder(struct sim *sim, struct command *command) {
    uint64_t drawn = command_draw(command, "harm", 100);
    if (sim_healed(sim) || drawn >= 8) {
        return;
    }
    if (drawn < 5) {
        command_kill_holder(sim, command);
    } else if (drawn < 7) {
        command->frozen = true;
        command_events_stop(sim, command); /* Nothing of what the holder would do happens now. */
        sim_trace(sim, "command %s freezes its holder", command->name);
    } else {
        command_break_link(sim, command);
    }
}

static bool program_play(struct sim *sim, struct command *command) {
    struct programs *all = programs();
    struct program_end end = {.code = 0};
    for (size_t i = 0; i < all->count; i++) {
        if (all->list[i](sim, command, &end)) {
            grow(sim, command, LOG_OUT, end.out == NULL ? 0 : (int64_t)strlen(end.out));
            command_end(sim, command, EXIT_EXITED, end.code);
            return true;
        }
    }
    return false;
}

/* What its holder would have done meanwhile, it does now. */
void command_thaw(struct sim *sim, struct command *command) {
    if (command->state == COMMAND_RUNNING) {
        agents_hear(sim, command);
        if (command->agent == NULL) {
            sim_plan(sim, &command->end_event, 1000, end_itself);
        }
        holder_hears(sim, command, WORD_STATUS, 0, LOG_OUT);
    }
}

/* --- The beginning ---------------------------------------------------------------------------- */

/* No command begins that the rows do not call running in this attempt, and none beside another of
 * the same run. */
static void check_begin(struct sim *sim, const struct command *command) {
    for (const struct command *other = processes_of(sim)->commands; other != NULL;
         other = other->next) {
        if (other != command && other->lives && strcmp(other->run, command->run) == 0 &&
            !hosts_gave_up(other->run, other->attempt)) {
            sim_fail(sim, "%s begins while %s lives", command->name, other->name);
        }
    }
    struct row_state row;
    if (hosts_gave_up(command->run, command->attempt) || !row_state_read(sim, command->run, &row)) {
        return;
    }
    if (!row.found || row.attempt != (int64_t)command->attempt ||
        (row.state != RUN_RUNNING && row.state != RUN_WAITING)) {
        sim_fail(sim, "%s begins, but its row is %s in attempt %lld", command->name,
                 row.found ? run_state_name(row.state) : "gone", (long long)row.attempt);
    }
    if (row.once && processes_begun(sim, command->run) > 1) {
        sim_fail(sim, "%s begins although it was promised to run at most once", command->name);
    }
}

void command_begin(struct sim *sim, struct command *command) {
    command->state = COMMAND_RUNNING;
    command->lives = true;
    command->started_ms = sim_wall_ms(sim);
    command->began_ns = command->listens_ns = sim_now_ns(sim);
    processes_of(sim)->begun++;
    sim_trace(sim, "command %s begins: %.120s", command->name, command->line);
    check_begin(sim, command);
    holder_hears(sim, command, WORD_CLAIMED, 0, LOG_OUT);
    folder_command_begin(sim, command);
    if (agents_begin(sim, command) || boards_worker_begin(sim, command) ||
        program_play(sim, command)) {
        return;
    }
    if (strncmp(command->line, "missing", 7) == 0) {
        command_end(sim, command, EXIT_NOT_STARTED, ENOENT);
        return;
    }
    command->pieces = (unsigned)command_draw(command, "pieces", PIECES_MAX);
    if (command->pieces > 0) {
        sim_plan(sim, &command->piece_event, command_draw(command, "first", 500), piece_write);
    }
    uint64_t long_life = command_draw(command, "long", 4) == 0 ? 30 : 1;
    sim_plan(sim, &command->end_event, long_life * command_draw(command, "life", LIFE_MS_MAX),
             end_itself);
    if (command->timeout_ms > 0) {
        sim_plan(sim, &command->time_event, command->timeout_ms, time_over);
    }
    command_input_take(sim, command);
    if (command->stopped) {
        command_stop(sim, command, GRACE_MS);
        return;
    }
    harm_holder(sim, command);
}
