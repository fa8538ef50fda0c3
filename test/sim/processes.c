/* processes.c: see processes.h. */
#include "processes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "hosts.h"
#include "inside.h"
#include "jobs.h"
#include "ops.h"
#include "rows.h"

/* Beyond its limit: two graces, five tries to end a tree, and what else is in the way. */
enum { PATIENCE_MS = 40000, LATE_MS = 30000 };

static struct processes *all_processes(void) {
    static struct processes all;
    return &all;
}

struct processes *processes_of(struct sim *sim) {
    (void)sim;
    return all_processes();
}

/* --- Finding ---------------------------------------------------------------------------------- */

struct folder *folder_find(struct processes *processes, struct folder_key key) {
    struct folder *folder = processes->folders;
    while (folder != NULL && (folder->host != key.host || strcmp(folder->name, key.name) != 0)) {
        folder = folder->next;
    }
    return folder;
}

struct folder *folder_of(struct sim *sim, const struct command *command) {
    return folder_find(processes_of(sim), (struct folder_key){command->host, command->name});
}

struct folder *folder_make(struct sim *sim, struct folder_key key) {
    struct processes *processes = processes_of(sim);
    struct folder *folder = folder_find(processes, key);
    if (folder == NULL) {
        folder = sim_new(sizeof *folder);
        assert(strlen(key.name) < sizeof folder->name);
        (void)snprintf(folder->name, sizeof folder->name, "%s", key.name);
        folder->host = key.host;
        folder->next = processes->folders;
        processes->folders = folder;
    }
    folder->changed_s = sim_wall_ms(sim) / 1000;
    return folder;
}

struct command *command_find(const struct processes *processes, struct folder_key key) {
    struct command *command = processes->commands;
    while (command != NULL && (command->host != key.host || strcmp(command->name, key.name) != 0)) {
        command = command->next;
    }
    return command;
}

unsigned processes_begun(struct sim *sim, const char *run) {
    unsigned begun = 0;
    for (const struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        begun += strcmp(command->run, run) == 0 && command->started_ms > 0;
    }
    return begun;
}

static bool holder_lives(const struct command *command) {
    return command->state == COMMAND_RUNNING || command->state == COMMAND_DRAINING ||
           command->state == COMMAND_BORN;
}

bool processes_live(struct sim *sim, const char *run) {
    for (const struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        if (strcmp(command->run, run) == 0 && (holder_lives(command) || command->lives)) {
            return true;
        }
    }
    return false;
}

/* --- The beginning ---------------------------------------------------------------------------- */

static void claim(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, claim_event);
    uint64_t fate = command_draw(command, "claim", 100);
    if (fate < 4 && !sim_healed(sim)) { /* It cannot: no space, no descriptor. */
        command->state = COMMAND_ENDED;
        sim_trace(sim, "holder %s cannot claim", command->name);
        holder_hears(sim, command, WORD_FAILED, fate < 2 ? ENOSPC : EMFILE, LOG_OUT);
        return;
    }
    struct folder *folder = folder_make(sim, (struct folder_key){command->host, command->name});
    if (folder->claim != CLAIM_NONE || folder->locked) {
        command->state = COMMAND_ENDED;
        sim_trace(sim, "holder %s finds a claim", command->name);
        holder_hears(sim, command, WORD_VOID, 0, LOG_OUT);
        return;
    }
    folder->claim = CLAIM_GO;
    folder->locked = true;
    folder->synced = (command->flags & ORDER_ONCE) != 0;
    folder->pid = command->pid;
    folder->start_time = command->start_time;
    folder->boot = processes_of(sim)->boots[command->host];
    (void)snprintf(folder->nonce, sizeof folder->nonce, "%s", command->nonce);
    command_begin(sim, command);
}

/* The order's name is RUN.ATTEMPT. */
static void name_read(struct command *command, const char *name) {
    const char *dot = strrchr(name, '.');
    assert(dot != NULL && (size_t)(dot - name) < sizeof command->run &&
           strlen(name) < sizeof command->name);
    (void)snprintf(command->name, sizeof command->name, "%s", name);
    memcpy(command->run, name, (size_t)(dot - name));
    command->attempt = (unsigned)strtoul(dot + 1, NULL, 10);
}

static uint64_t line_key(const struct sim *sim, const char *line) {
    return sim_hash(sim_seed(sim), 0, line, 0);
}

struct command *command_born(struct sim *sim, struct order *order) {
    struct processes *processes = processes_of(sim);
    struct command *command = sim_new(sizeof *command);
    name_read(command, order->name);
    command->host = sim->acting;
    (void)snprintf(command->nonce, sizeof command->nonce, "%s", order->nonce);
    command->line = order->line;
    command->cwd = order->cwd;
    command->input = order->input;
    order->line = order->cwd = order->input = NULL;
    command->input_len = order->input_len;
    command->flags = order->flags;
    command->timeout_ms = order->timeout_ms;
    command->grace_ms = order->grace_ms;
    command->key = line_key(sim, command->line);
    command->pid = ++processes->next_pid;
    command->start_time = sim_now_ns(sim) / 1000;
    command->to_daemon_end = &command->to_daemon;
    command->to_holder_end = &command->to_holder;
    command->next = processes->commands;
    processes->commands = command;
    uint64_t slow = !sim_healed(sim) && command_draw(command, "slow", 50) == 0 ? 14000 : 1;
    sim_plan(sim, &command->claim_event, slow * sim_choose(sim, "claim", 3), claim);
    return command;
}

/* --- From the daemon -------------------------------------------------------------------------- */

/* What the holder has already is skipped; a gap is told. */
static void input_add(struct sim *sim, struct command *command, const struct word *word) {
    int64_t skip = command->input_len - word->number;
    runs_check_input(sim, command->run, word->number, (struct bytes){word->bytes, word->len});
    if (skip < 0) {
        holder_hears(sim, command, WORD_ACCEPTED, command->input_len, LOG_OUT);
        return;
    }
    if (skip < (int64_t)word->len) {
        size_t more = word->len - (size_t)skip;
        command->input = sim_grow(command->input, (size_t)command->input_len + more);
        memcpy(command->input + command->input_len, word->bytes + skip, more);
        command->input_len += (int64_t)more;
    }
    command_input_take(sim, command);
}

static void order_obey(struct sim *sim, struct command *command, const struct word *word) {
    switch ((enum order_word)word->kind) {
    case WORD_STOP:
        command->why = command->stopped ? command->why : EXIT_STOPPED;
        command_stop(sim, command, word->number);
        break;
    case WORD_INPUT:
        input_add(sim, command, word);
        break;
    case WORD_INPUT_END:
        command->eof = true;
        agents_hear(sim, command);
        break;
    case WORD_ASK:
        holder_hears(sim, command, WORD_STATUS, 0, LOG_OUT);
        break;
    }
}

static void orders_read(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, order_event);
    struct word *word = command->to_holder;
    if (command->frozen || word == NULL) {
        return;
    }
    command->to_holder = word->next;
    if (command->to_holder == NULL) {
        command->to_holder_end = &command->to_holder;
    }
    if (holder_lives(command)) {
        order_obey(sim, command, word);
    }
    sim_free(word->bytes);
    sim_free(word);
    if (command->to_holder != NULL && holder_lives(command)) {
        sim_plan(sim, event, sim_choose(sim, "orders", 3), orders_read);
    }
}

void command_told(struct sim *sim, struct command *command, enum order_word kind, int64_t number,
                  struct bytes bytes) {
    struct word *word = sim_new(sizeof *word);
    word->kind = (int)kind;
    word->number = number;
    word->len = bytes.len;
    if (bytes.len > 0) {
        word->bytes = sim_new(bytes.len);
        memcpy(word->bytes, bytes.data, bytes.len);
    }
    *command->to_holder_end = word;
    command->to_holder_end = &word->next;
    if (!command->order_event.planned) {
        sim_plan(sim, &command->order_event, sim_choose(sim, "orders", 3), orders_read);
    }
}

/* --- Harm ------------------------------------------------------------------------------------- */

void command_kill_holder(struct sim *sim, struct command *command) {
    if (!holder_lives(command)) {
        return;
    }
    struct folder *folder = folder_of(sim, command);
    command_events_stop(sim, command);
    sim_plan_stop(sim, &command->unlock_event);
    if (folder != NULL && command->state != COMMAND_BORN) {
        folder->locked = false;
    }
    command->state = COMMAND_GONE;
    command->frozen = false;
    sim_trace(sim, "holder %s is killed", command->name);
    holder_hears(sim, command, WORD_BROKEN, 0, LOG_OUT);
}

void command_break_link(struct sim *sim, struct command *command) {
    holder_hears(sim, command, WORD_BROKEN, 0, LOG_OUT);
}

/* --- Promises --------------------------------------------------------------------------------- */

int64_t processes_input(struct sim *sim, const char *run, int64_t attempt, uint64_t since_ms) {
    for (const struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        if (strcmp(command->run, run) == 0 && (int64_t)command->attempt == attempt) {
            bool takes = command->state == COMMAND_RUNNING && !command->frozen &&
                         command->host == sim->leader && /* Input is sent by whoever leads. */
                         (sim_now_ns(sim) - command->listens_ns) / 1000000 >= since_ms;
            return takes ? command->input_len : -1;
        }
    }
    return -1;
}

static bool ended_well(const struct command *command) {
    return command->was_told && command->end == EXIT_EXITED && command->code == 0;
}

static const struct command *command_of(struct sim *sim, const struct run_row *row) {
    const struct command *command = processes_of(sim)->commands;
    while (command != NULL && (strlen(command->run) != row->run.len ||
                               memcmp(command->run, row->run.data, row->run.len) != 0 ||
                               (int64_t)command->attempt != row->attempt)) {
        command = command->next;
    }
    return command;
}

/* What is wrong with the end that a row tells; NULL: nothing. One that ended badly may have been
 * stopped while it waited for its next attempt, or refused that by a budget. */
static const char *told_fault(const struct run_row *row, const struct command *command) {
    bool itself = command->end == EXIT_EXITED && command->why == EXIT_ITSELF;
    if (row->state == RUN_SUCCEEDED && !ended_well(command)) {
        return "its command did not succeed";
    }
    if (row->state == RUN_LOST) {
        return "its folder tells its end";
    }
    if (row->state == RUN_CANCELLED && itself && command->code == 0) {
        return "its command ended well, by itself";
    }
    if (row->state == RUN_FAILED && itself && command->code == 0) {
        return "its command ended well, by itself";
    }
    /* A budget may refuse the next attempt. */
    if (row->state == RUN_FAILED && row->cause != CAUSE_BUDGET && command->why == EXIT_TIMED_OUT) {
        return "its time was over";
    }
    return NULL;
}

/* A host that does not lead may have reported the end before its folder was lost. */
static bool tells(const struct run_row *row, const struct command *command) {
    bool ended = row->state == RUN_SUCCEEDED || row->state == RUN_FAILED;
    return command->told || (ended && hosts_several(sim_current()) && command->was_told);
}

static const char *end_fault(const struct run_row *row, const struct command *command) {
    bool told = command != NULL && tells(row, command);
    if (told) {
        return told_fault(row, command);
    }
    if (row->state == RUN_SUCCEEDED) {
        return "nothing tells so";
    }
    if (row->cause == CAUSE_NOT_STARTED && row->voids < RUN_VOIDS_MAX) {
        return "it was not tried often enough";
    }
    if (row->cause == CAUSE_NO_DESCRIPTORS && row->unbegun < RUN_UNBEGUN_MAX) {
        return "it was not tried often enough";
    }
    if (row->state == RUN_TIMED_OUT && command != NULL && command->timeout_ms == 0) {
        return "it has no time limit";
    }
    return command != NULL && command->lives ? "its command lives" : NULL;
}

void processes_check_end(struct sim *sim, const struct run_row *row) {
    const struct command *command = command_of(sim, row);
    hosts_noted(sim, row); /* The row may be what gives it up. */
    if (command != NULL && hosts_gave_up(command->run, command->attempt)) {
        return; /* Nobody asks what it came to. */
    }
    const char *fault = end_fault(row, command);
    if (fault != NULL) {
        sim_fail(sim, "%.*s is %s (%s) in attempt %lld, but %s", (int)row->run.len, row->run.data,
                 run_state_name(row->state), run_cause_name(row->cause), (long long)row->attempt,
                 fault);
    }
}

/* Its host was removed, and its row after that: what a removed host is to do is listed nowhere, and
 * its daemon leaves alone what the rows do not know (decisions/049-takeover.md). */
static bool is_forgotten(const struct command *command, const struct row_state *row) {
    return !row->found && host_of(command->host)->removed;
}

/* Its holder claimed its folder long after its host was given up: dispatch/host/orphans.c has
 * looked twice. */
static bool is_late(struct sim *sim, const struct command *command) {
    uint64_t over_ns = hosts_over_since_ns(sim, command->run, command->attempt);
    return over_ns > 0 && command->began_ns > over_ns + LATE_MS * UINT64_C(1000000);
}

/* Its host has been there for long enough to see that nobody waits for it. */
static void check_given_up(struct sim *sim, const struct command *command) {
    if (!hosts_several(sim) || !command->lives) {
        return;
    }
    struct row_state row;
    if (!row_state_read(sim, command->run, &row) || is_forgotten(command, &row)) {
        return;
    }
    uint64_t over_ns = hosts_over_since_ns(sim, command->run, command->attempt);
    if (over_ns > 0 && !is_late(sim, command) &&
        (sim_now_ns(sim) - over_ns) / 1000000 > LATE_MS + PATIENCE_MS) {
        sim_fail(sim, "%s lives, and was given up", command->name);
    }
}

/* Its holder keeps the time of a command, and the daemon after it. */
static void look(struct sim *sim) {
    uint64_t now_ns = sim_now_ns(sim);
    if (sim_life_age_ms(sim) < PATIENCE_MS) {
        return;
    }
    for (const struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        const struct host *host = host_of(command->host);
        uint64_t lived_ms = (now_ns - command->began_ns) / 1000000;
        uint64_t up_ms = (now_ns - host->up_ns) / 1000000;
        if (hosts_several(sim) && (host->state == HOST_OFF || up_ms < PATIENCE_MS)) {
            continue; /* Nobody looks after it now. */
        }
        check_given_up(sim, command);
        if (command->lives && command->timeout_ms > 0 &&
            !hosts_gave_up(command->run, command->attempt) &&
            lived_ms > command->timeout_ms + PATIENCE_MS) {
            sim_fail(sim, "%s lives for %llu ms, and may for %llu", command->name,
                     (unsigned long long)lived_ms, (unsigned long long)command->timeout_ms);
        }
    }
}

/* --- The part --------------------------------------------------------------------------------- */

static void command_free(struct sim *sim, struct command *command) {
    command_events_stop(sim, command);
    sim_plan_stop(sim, &command->unlock_event);
    sim_plan_stop(sim, &command->mail_event);
    words_free(&command->to_daemon, &command->to_daemon_end);
    words_free(&command->to_holder, &command->to_holder_end);
    sim_free(command->line);
    sim_free(command->cwd);
    sim_free(command->input);
    sim_free(command);
}

static void begin(struct sim *sim) {
    struct processes *processes = processes_of(sim);
    processes->next_pid = 1000;
    for (unsigned host = 0; host < SIM_HOSTS_MAX; host++) {
        processes->boots[host] = 1;
    }
}

static void crashed(struct sim *sim) {
    orders_forget();
    processes_let_go(sim);
}

static bool is_asked_to_end(struct sim *sim, const struct command *command) {
    struct row_state row;
    return row_state_read(sim, command->run, &row) && row.found && row.asked &&
           row.attempt == (int64_t)command->attempt;
}

/* Somebody lets go of the holders that were stopped by a signal; but not of those whose runs are
 * to end: the daemon is in charge of these. */
static void heal(struct sim *sim) {
    for (struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        if (command->frozen && !is_asked_to_end(sim, command)) {
            command->frozen = false;
            command->listens_ns = sim_now_ns(sim); /* It finds all that was sent meanwhile. */
            if (command->to_holder != NULL) {
                sim_plan(sim, &command->order_event, sim_choose(sim, "orders", 3), orders_read);
            }
            command_thaw(sim, command);
        }
    }
}

static bool rest(struct sim *sim, bool must) {
    for (const struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        struct row_state row;
        bool alive = holder_lives(command) || command->lives;
        if (!alive || !row_state_read(sim, command->run, &row) || is_forgotten(command, &row) ||
            is_late(sim, command)) {
            continue;
        }
        bool final =
            !row.found || run_state_final(row.state) || row.attempt != (int64_t)command->attempt;
        if (must && final) {
            sim_fail(sim, "%s lives, but its run is %s", command->name,
                     row.found ? run_state_name(row.state) : "gone");
        }
        return false;
    }
    return true;
}

static void end(struct sim *sim) {
    struct processes *processes = processes_of(sim);
    while (processes->commands != NULL) {
        struct command *command = processes->commands;
        processes->commands = command->next;
        command_free(sim, command);
    }
    while (processes->folders != NULL) {
        struct folder *folder = processes->folders;
        processes->folders = folder->next;
        sim_free(folder);
    }
    orders_forget();
}

const struct sim_part part_processes = {
    .name = "processes",
    .begin = begin,
    .crashed = crashed,
    .rebooted = processes_reboot,
    .moved = processes_move,
    .look = look,
    .heal = heal,
    .rest = rest,
    .end = end,
};
