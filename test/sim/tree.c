/* tree.c: proc/tree.h and proc/cgroups.h over the table of processes. This machine has no cgroups
 * to give. */
#include "proc/tree.h"

#include <string.h>

#include "agents.h"
#include "base/memory.h"
#include "inside.h"
#include "proc/cgroups.h"
#include "processes.h"

static bool is_marked(const struct command *command, const struct tree_mark *mark) {
    return command->host == sim_current()->acting && strcmp(command->name, mark->name) == 0 &&
           (mark->nonce[0] == '\0' || strcmp(command->nonce, mark->nonce) == 0);
}

/* A holder that lives belongs to no tree: it does not carry its own mark. */
static void end_one(struct sim *sim, const struct tree_mark *mark, struct tree_end *ret_end) {
    for (struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        if (!command->lives || !is_marked(command, mark)) {
            continue;
        }
        if (!sim_healed(sim) && sim_chance(sim, "stuck process", 10)) {
            ret_end->left++;
            continue;
        }
        ret_end->killed++;
        command->lives = false;
        sim_trace(sim, "the tree of %s is ended", command->name);
    }
}

struct err tree_end(const struct tree_mark *marks, size_t count, unsigned wait_ms,
                    struct tree_end *ret_ends) {
    struct sim *sim = sim_current();
    (void)wait_ms;
    if (!sim_acting_is_dead(sim)) {
        for (size_t i = 0; i < count; i++) {
            ret_ends[i] = (struct tree_end){.killed = 0};
            end_one(sim, &marks[i], &ret_ends[i]);
        }
    }
    return ERR_OK;
}

struct err tree_count(const struct tree_mark *marks, size_t count, unsigned *ret_counts) {
    for (size_t i = 0; i < count; i++) {
        ret_counts[i] = 0;
        for (const struct command *command = processes_of(sim_current())->commands; command != NULL;
             command = command->next) {
            ret_counts[i] += command->lives && is_marked(command, &marks[i]);
        }
    }
    return ERR_OK;
}

/* A command computes all the time, but for an agent that hangs. */
struct err tree_measure(const struct tree_mark *mark, struct tree_use *ret_use) {
    unsigned count = 0;
    struct err err = tree_count(mark, 1, &count);
    *ret_use = (struct tree_use){.processes = count};
    for (const struct command *command = processes_of(sim_current())->commands; command != NULL;
         command = command->next) {
        if (command->lives && is_marked(command, mark)) {
            agents_measure(sim_current(), command, ret_use);
        }
    }
    return err;
}

static struct command *holder_of(int pid) {
    struct command *command = processes_of(sim_current())->commands;
    while (command != NULL && (command->host != sim_current()->acting || command->pid != pid)) {
        command = command->next;
    }
    return command;
}

void process_kill(int pid, uint64_t start_time, unsigned wait_ms) {
    struct command *command = holder_of(pid);
    (void)wait_ms;
    if (command != NULL && command->start_time == start_time &&
        !sim_acting_is_dead(sim_current())) {
        command_kill_holder(sim_current(), command);
    }
}

/* --- cgroups.h -------------------------------------------------------------------------------- */

bool cgroups_probe(struct why *ret_text) {
    why_set(ret_text, "there are none here");
    return false;
}

struct cgroups *cgroups_open(const struct world *world, const char *data_dir, enum cgroups_use use,
                             struct why *ret_why) {
    (void)world;
    (void)data_dir;
    (void)use;
    why_set(ret_why, "there are none here");
    return NULL;
}

void cgroups_free(struct cgroups *cgroups) {
    (void)cgroups;
}

const char *cgroups_path(const struct cgroups *cgroups) {
    (void)cgroups;
    return NULL;
}

int64_t cgroups_cpu_us(const struct cgroups *cgroups, const char *name) {
    (void)cgroups;
    (void)name;
    return -1;
}

unsigned cgroups_end(const struct cgroups *cgroups, const char *name, unsigned wait_ms) {
    (void)cgroups;
    (void)name;
    (void)wait_ms;
    return 0;
}
