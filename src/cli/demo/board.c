/* board.c: see board.h. What finn does stands in its tasks; gus judges by answers.json. */
#include "cli/demo/board.h"

#include <stdio.h>
#include <string.h>

#include "cli/base/api_request.h"

enum { BODY_MAX = 8 << 10 };

static const struct demo_task {
    const char *title, *output;
    int work_ms;
} tasks[DEMO_TASKS] = {
    {"Write the notes", "One new command, two fixes.", 2500},
    {"Check the links", "All 14 links lead somewhere.", 5500},
    {"Announce it", "1.4 is there.", 1500},
};

/* A script for the model: it begins, waits, writes its output, and asks for the verdict. */
static void script_add(const struct demo_task *task, int64_t speed, struct text *script) {
    text_add_str(script, "call: task_status {\"status\": \"working\"}\nstep:\n");
    text_addf(script, "delay: %lldms\n", (long long)(task->work_ms / speed));
    text_add_str(script, "call: task_output {");
    text_add_member(script, "type", BYTES("document"));
    text_add_member(script, "title", bytes_of(task->title));
    text_add_member(script, "content", bytes_of(task->output));
    text_add_str(script, "}\nstep:\ncall: task_status {\"status\": \"review\"}\nstep:\n"
                         "say: It waits for gus.\n");
}

struct err demo_board_add(struct private_daemon *daemon, int64_t speed, struct why *why) {
    AUTO(text_done) struct text said = text_up_to(BODY_MAX);
    const char *const make[] = {"project",
                                "add",
                                DEMO_BOARD_PROJECT,
                                "--root",
                                daemon->dir,
                                "--model",
                                "scripted/demo",
                                "--board",
                                "{\"agents\":[{\"name\":\"finn\"}],\"reviewer\":\"gus\"}",
                                NULL};
    TRY(private_daemon_do(daemon, make, &said, why));
    for (size_t i = 0; i < DEMO_TASKS; i++) {
        AUTO(text_done) struct text script = text_up_to(BODY_MAX), before = text_up_to(BODY_MAX);
        script_add(&tasks[i], speed, &script);
        text_addf(&before, "T-%zu", i);
        const char *const add[] = {"task",
                                   "add",
                                   tasks[i].title,
                                   "--project",
                                   DEMO_BOARD_PROJECT,
                                   "--description",
                                   text_bytes(&script).data,
                                   i > 0 ? "--after" : NULL,
                                   text_bytes(&before).data,
                                   NULL};
        TRY(private_daemon_do(daemon, add, &said, why));
    }
    return ERR_OK;
}

bool demo_board_hear(struct demo_board *board, struct bytes type, const json_t *data,
                     struct text *line) {
    const char *status = talk_text(data, "status");
    for (size_t i = 0; i < DEMO_TASKS && bytes_is(type, "task_changed"); i++) {
        if (strcmp(talk_text(data, "title"), tasks[i].title) == 0 &&
            strcmp(board->status[i], status) != 0) {
            const bool is_new = board->status[i][0] == '\0';
            (void)snprintf(board->status[i], sizeof board->status[i], "%s", status); /* Fits. */
            text_addf(line, "board: T-%zu %s: %s", i + 1, tasks[i].title, status);
            return !is_new;
        }
    }
    return false;
}

bool demo_board_is_over(const struct demo_board *board) {
    size_t done = 0;
    for (size_t i = 0; i < DEMO_TASKS; i++) {
        done += strcmp(board->status[i], "done") == 0;
    }
    return done == DEMO_TASKS;
}

void demo_board_show(const struct demo_board *board, struct text *text) {
    for (size_t i = 0; i < DEMO_TASKS; i++) {
        const char *status = board->status[i];
        const bool waits = status[0] == '\0' || strcmp(status, "pending") == 0;
        text_addf(text, "%s%s %s", i > 0 ? "  " : "",
                  waits                           ? "○"
                  : strcmp(status, "done") == 0   ? "✓"
                  : strcmp(status, "review") == 0 ? "◆"
                                                  : "◔",
                  tasks[i].title);
    }
}

struct err demo_board_check(struct talk *talk, struct text *fault, struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    const struct api_request list = {.base = "/api/v1/projects/" DEMO_BOARD_PROJECT "/tasks"};
    size_t i = 0, done = 0;
    json_t *task = NULL;
    const struct err err = api_ask(talk, &list, &answer, why);
    json_array_foreach(json_object_get(answer, "items"), i, task) {
        const bool once = talk_int(task, "attempt_count") == 1;
        done += once && strcmp(talk_text(task, "status"), "done") == 0;
    }
    if (!err_failed(err) && done != DEMO_TASKS) {
        text_addf(fault, "%zu of %d tasks of the board were done by one attempt", done, DEMO_TASKS);
    }
    return err;
}
