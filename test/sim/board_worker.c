/* board_worker.c: the program of an agent of the board: it reads its prompt and works for a while.
 * How it ends follows from its run; what it tells the board meanwhile is said by ops_boards.c. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "boards.h"
#include "processes.h"

enum { LIFE_MS_MAX = 30000, LIFE_HEALED_MS = 8000, HARM_PERCENT = 4, PATH_BYTES = 160 };

/* The file must exist, since drover looks for it; the simulator never runs it. */
#define WORKER_LINE "/bin/sh --board"

static const struct way {
    const char *out, *err;
    enum exit_end end;
    int code;
    unsigned weight;
} ways[] = {
    {.out = "The work is done.\n", .weight = 50, .end = EXIT_EXITED},
    {.err = "It broke.\n", .weight = 10, .end = EXIT_EXITED, .code = 3},
    {.weight = 8, .end = EXIT_SIGNALED, .code = SIGSEGV},
    {.err = "429 Too many requests\n", .weight = 12, .end = EXIT_EXITED, .code = 1},
    {.err = "connect ECONNREFUSED\n", .weight = 6, .end = EXIT_EXITED, .code = 1},
    {.err = "401 Unauthorized\n", .weight = 4, .end = EXIT_EXITED, .code = 1},
    {.weight = 3, .end = EXIT_NOT_STARTED, .code = ENOENT},
};

/* Answers of a reviewer; the last one does not fit the schema. */
static const char *const verdicts[] = {"{\"accept\":true,\"reasons\":[]}\n",
                                       "{\"accept\":true,\"reasons\":[\"fine\"]}\n",
                                       "{\"accept\":false,\"reasons\":[\"too short\"]}\n",
                                       "{\"accept\":false,\"reasons\":[]}\n", "It is fine.\n"};

static void definition_write(struct sim *sim, const char *name, struct bytes text) {
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/.drover/agents/%s", sim_project_dir(sim), name);
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    const size_t wrote = fwrite(text.data, 1, text.len, file);
    const int rc = fclose(file);
    assert(wrote == text.len && rc == 0);
}

/* The program, and the agent of models, which a board without a model has by its file alone. */
void boards_worker_define(struct sim *sim) {
    static const char *const folders[] = {"/.drover", "/.drover/agents"};
    char path[PATH_BYTES];
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        (void)snprintf(path, sizeof path, "%s%s", sim_project_dir(sim), folders[i]);
        const int rc = mkdir(path, 0700);
        assert(rc == 0 || errno == EEXIST);
    }
    definition_write(
        sim, BOARD_WORKER ".json",
        BYTES("{\"name\":\"" BOARD_WORKER
              "\",\"program\":\"plain\",\"command\":\"/bin/sh\",\"args\":"
              "[\"--board\"],\"stderr\":{\"unauthorized\":\"auth_failed\",\"too many requests\":"
              "\"rate_limited\",\"econnrefused\":\"provider_unreachable\"}}"));
    definition_write(sim, BOARD_NATIVE ".md", BYTES("---\ndescription: It thinks.\n---\n"));
}

static const struct way *way_of(struct sim *sim, const struct command *command) {
    unsigned sum = 0;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        sum += ways[i].weight;
    }
    uint64_t drawn = sim_healed(sim) ? 0 : command_draw(command, "way", sum);
    const struct way *way = ways;
    while (drawn >= way->weight) {
        drawn -= way->weight;
        way++;
    }
    return way;
}

static bool judges(const struct command *command) {
    static const char sign[] = "\"accept\"";
    return strstr(command->line, sign) != NULL ||
           (command->input_len > 0 &&
            memmem(command->input, (size_t)command->input_len, sign, sizeof sign - 1) != NULL);
}

static void print(struct sim *sim, struct command *command, enum log_stream stream,
                  const char *text) {
    struct folder *folder = folder_of(sim, command);
    if (folder != NULL && text != NULL) {
        folder->texts[stream] = text;
        folder->sizes[stream] = (int64_t)strlen(text);
        folder->changed_s = sim_wall_ms(sim) / 1000;
        holder_hears(sim, command, WORD_GROWN, folder->sizes[stream], stream);
    }
}

static void worker_end(struct sim *sim, struct sim_event *event) {
    struct command *command = CONTAINER_OF(event, struct command, end_event);
    const struct way *way = way_of(sim, command);
    const char *verdict = verdicts[command_draw(command, "verdict", COUNT_OF(verdicts))];
    print(sim, command, LOG_OUT, way->out != NULL && judges(command) ? verdict : way->out);
    print(sim, command, LOG_ERR, way->err);
    command_end(sim, command, way->end, way->code);
}

bool boards_worker_begin(struct sim *sim, struct command *command) {
    if (strncmp(command->line, WORKER_LINE, sizeof WORKER_LINE - 1) != 0) {
        return false;
    }
    struct folder *folder = folder_of(sim, command);
    command->key = sim_hash(sim_seed(sim), 0, command->run, 0); /* All have the same arguments. */
    if (folder != NULL) {
        folder->texts[LOG_OUT] = folder->texts[LOG_ERR] = "";
    }
    command_input_take(sim, command);
    if (command->stopped) {
        command_stop(sim, command, 5000);
    } else if (way_of(sim, command)->end == EXIT_NOT_STARTED) {
        worker_end(sim, &command->end_event);
    } else {
        const uint64_t most_ms = sim_healed(sim) ? LIFE_HEALED_MS : LIFE_MS_MAX;
        sim_plan(sim, &command->end_event, most_ms / 2 + command_draw(command, "life", most_ms),
                 worker_end);
        if (!sim_healed(sim) && command_draw(command, "harm", 100) < HARM_PERCENT) {
            command_kill_holder(sim, command);
        }
    }
    return true;
}
