/* task.h: the task that a word of the command line names, and requests about it.
 *
 *   T-31          a task of --project, else of the project of the attempt inside of which the
 *                 command is, else of the project whose folder the current one is or lies in, else
 *                 of "default"
 *   web/T-31      a task of that project
 *   tsk_…         a task of any project
 *   no word       the task of the attempt inside of which the command is
 *
 * Ownership  a text handed in is begun by the callee and ended by the caller.
 * Threads    one.
 * Failure    as client.h; ERR_USAGE with invocation->why: the word is no task.
 */
#ifndef DROVER_CLI_BOARD_TASK_H
#define DROVER_CLI_BOARD_TASK_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/base/api.h"

enum { TASK_BODY_MAX = 4 << 20, TASK_PATH_MAX = 1 << 10 };

#define TASK_PROJECT_FLAG                                                                          \
    OPTION_TEXT("project", 0, "NAME", "Take tasks of this project [that of the current folder].")

MUST_CHECK bool task_is_word(struct bytes word);
/* Name of the project that a command is about, as above. */
MUST_CHECK struct err task_project(struct talk *talk, struct text *project);
/* "/api/v1/projects/NAME/tasks" */
MUST_CHECK struct err tasks_path(struct talk *talk, struct text *path);
/* The same and "/TASK"; word NULL: the own task. */
MUST_CHECK struct err task_path(struct talk *talk, const char *word, struct text *path);

struct task_request {
    const char *word;        /* Word of the command line; NULL: the own task. */
    const char *method;      /* NULL: GET. */
    const char *rest;        /* End of the path, after the task: "/claim"; NULL: none. */
    const struct text *body; /* NULL: none. */
    int64_t timeout_ms;      /* 0: that of client.h. */
    bool keyed;              /* The route takes a key: a request that a restart cut is repeated. */
};
MUST_CHECK struct err task_ask(struct talk *talk, const struct task_request *request,
                               json_t **ret_answer);

/* Adds the text on standard input, up to its end. ERR_USAGE: it is no text. */
MUST_CHECK struct err task_input_read(const struct talk *talk, struct text *text);

/* "T-3: review" of an answer, or the answer as JSON. */
void task_print(const struct invocation *invocation, const json_t *task);

#endif
