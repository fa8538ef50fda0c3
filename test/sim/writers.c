/* writers.c: persons, commands and programs write the folder of the project (folder.h), beside the
 * tools of the daemon. Which changes a command makes follows from its arguments.
 */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "chat_ops.h"
#include "folder.h"
#include "inside.h"
#include "processes.h"

enum {
    WRITERS_MAX = 1024,
    PATHS = 6, /* Files that commands and persons write; tools name file0.txt … file4.txt. */
    WRITE_MS = 6000,
    SESSIONS_MAX = 12,
    PEACE_MS = 30000,
};

/* Paths that no tool names, and some that tools name, too. */
static void path_draw(uint64_t drawn, char path[FOLDER_PATH_MAX]) {
    (void)snprintf(path, FOLDER_PATH_MAX, drawn % PATHS < 2 ? "file%u.txt" : "made%u.txt",
                   (unsigned)(drawn % PATHS));
}

static void person_write(struct sim *sim) {
    char path[FOLDER_PATH_MAX];
    path_draw(sim_choose(sim, "path of a person", PATHS), path);
    folder_change(sim, path, &(struct folder_author){"", ""});
}

/* --- Commands and programs -------------------------------------------------------------------- */

struct writer {
    struct sim_event event;
    const struct command *command; /* The world's. */
    char run[ID_SIZE], call[POINT_CALL_MAX + 1];
    unsigned left;
};
static struct {
    struct writer list[WRITERS_MAX];
    size_t count;
    unsigned sessions;
} writers;

static void writer_write(struct sim *sim, struct sim_event *event) {
    struct writer *writer = CONTAINER_OF(event, struct writer, event);
    char path[FOLDER_PATH_MAX];
    if (writer->command->state != COMMAND_RUNNING || writer->command->frozen) {
        return;
    }
    path_draw(command_draw(writer->command, "path", PATHS) + writer->left, path);
    folder_change(sim, path, &(struct folder_author){writer->run, writer->call});
    if (--writer->left > 0) {
        sim_plan(sim, event, 1 + command_draw(writer->command, "next write", WRITE_MS),
                 writer_write);
    }
}

/* The call that a command belongs to: the card of a turn that began it, the turn whose program it
 * is, or the job that it is. */
static void writer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    struct writer *writer = ctx;
    const bool is_job = row->number[0] == 0, is_program = row->number[3] != 0;
    (void)sim;
    if (is_job || is_program || row->number[2] != 0) {
        (void)snprintf(writer->run, sizeof writer->run, "%s",
                       is_job ? writer->command->run : row->text[1].data);
        (void)snprintf(writer->call, sizeof writer->call,
                       is_job       ? "job"
                       : is_program ? "turn"
                                    : "part-%lld",
                       (long long)row->number[2]);
    }
}

void folder_command_begin(struct sim *sim, struct command *command) {
    if (!folder_plays(&sim->options) || writers.count == WRITERS_MAX ||
        strcmp(command->cwd, sim_project_dir(sim)) != 0 ||
        command_draw(command, "writes", 100) < 30) {
        return;
    }
    struct writer *writer = &writers.list[writers.count];
    *writer = (struct writer){.command = command,
                              .left = 1 + (unsigned)command_draw(command, "times", 3)};
    ask_each(sim,
             "SELECT r.parent, COALESCE((SELECT t.run FROM runs t WHERE t.id = r.parent), ''),"
             " COALESCE((SELECT p.number FROM parts p WHERE p.run = r.id), 0),"
             " (SELECT count(*) FROM turns t WHERE t.program_child = r.id)"
             " FROM runs r WHERE r.run = $1 AND r.kind = 'job'",
             TEXTS(command->run), writer_take, writer);
    if (sim_life(sim)->ready) { /* Else nobody can say whose command it is. */
        writers.count++;
        sim_plan(sim, &writer->event, 1 + command_draw(command, "first write", WRITE_MS),
                 writer_write);
    }
}

void writers_begin(void) {
    memset(&writers, 0, sizeof writers);
}

/* Turns that write side by side, and at times the peace to do so. */
static void message_write(struct sim *sim) {
    const bool is_new = writers.sessions < SESSIONS_MAX && sim_chance(sim, "another writer", 40);
    struct known_session *session = is_new ? sessions_add_writer(sim) : known_pick(sim, "session");
    struct known_message *message = session == NULL ? NULL : turns_new(sim, session);
    writers.sessions += is_new;
    if (message != NULL) {
        turns_say(sim, message, TURN_ENQUEUE);
    }
    if (sim_chance(sim, "peace", 40)) {
        sim->patience_ns = sim->now_ns + sim_choose(sim, "peace", PEACE_MS) * 1000000;
    }
}

const struct sim_op writers_ops[] = {
    {"person_write", 8, person_write}, {"message_write", 40, message_write}, {NULL, 0, NULL}};
