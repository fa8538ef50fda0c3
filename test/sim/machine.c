/* machine.c: what the machine of the host that acts does to its processes, all at once. */
#include "inside.h"
#include "processes.h"

/* Sockets to a daemon that is gone are closed; what it had said before still arrives. */
void processes_let_go(struct sim *sim) {
    for (struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        if (command->host != sim->acting) {
            continue;
        }
        command->link = NULL;
        sim_plan_stop(sim, &command->mail_event);
        words_free(&command->to_daemon, &command->to_daemon_end);
    }
}

static void all_end(struct sim *sim) {
    struct processes *processes = processes_of(sim);
    processes->boots[sim->acting]++;
    for (struct command *command = processes->commands; command != NULL; command = command->next) {
        if (command->host != sim->acting) {
            continue;
        }
        command_events_stop(sim, command);
        sim_plan_stop(sim, &command->unlock_event);
        command->lives = command->frozen = false;
        command->state = command->state == COMMAND_ENDED ? COMMAND_ENDED : COMMAND_GONE;
    }
}

enum loss { LOSS_UNSYNCED, LOSS_ALL };

/* Of what was not synced, a folder may be lost, or its end. */
static void folders_lose(struct sim *sim, enum loss loss) {
    struct processes *processes = processes_of(sim);
    for (struct folder **at = &processes->folders; *at != NULL;) {
        struct folder *folder = *at;
        struct folder_key key = {folder->host, folder->name};
        struct command *command = command_find(processes, key);
        if (folder->host != sim->acting) {
            at = &folder->next;
            continue;
        }
        uint64_t fate = loss == LOSS_ALL ? 0 : folder->synced ? 3 : sim_choose(sim, "folder", 4);
        folder->locked = false;
        if (command != NULL && fate < 2) {
            command->told = false;
        }
        folder->ended = folder->ended && fate != 1;
        if (fate == 0) {
            *at = folder->next;
            sim_free(folder);
        } else {
            at = &folder->next;
        }
    }
}

void processes_reboot(struct sim *sim) {
    all_end(sim);
    folders_lose(sim, LOSS_UNSYNCED);
}

void processes_move(struct sim *sim) {
    all_end(sim);
    folders_lose(sim, LOSS_ALL);
}
