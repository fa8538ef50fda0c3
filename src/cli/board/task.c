/* task.c: see task.h. */
#include "cli/board/task.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/base/api_request.h"
#include "cli/base/project.h"
#include "cli/terminal/lines.h"
#include "cli/terminal/plain.h"
#include "rules/board/task.h"
#include "rules/session/session.h"

#define PROJECTS "/api/v1/projects"
#define OWN_TASK PROJECTS "/_/tasks/_"

/* --- Words ------------------------------------------------------------------------------------ */

struct task_word {
    struct bytes project, task; /* project: no data where the word names none. */
};

static struct task_word word_split(struct bytes word) {
    const char *slash = memrchr(word.data, '/', word.len);
    const size_t before = slash == NULL ? 0 : (size_t)(slash - word.data);
    return slash == NULL ? (struct task_word){.task = word}
                         : (struct task_word){.project = {word.data, before},
                                              .task = {slash + 1, word.len - before - 1}};
}

static bool is_id(struct bytes task) {
    return id_valid(task.data, task.len, "tsk");
}

bool task_is_word(struct bytes word) {
    const struct task_word split = word_split(word);
    return (task_number_read(split.task) != 0 || is_id(split.task)) &&
           (split.project.data == NULL || session_project_valid(split.project));
}

/* --- The project ------------------------------------------------------------------------------ */

/* Project of the attempt inside of which the command is; nothing where it is in none. */
static struct err attempt_project(struct talk *talk, struct text *project) {
    struct why *why = &talk->invocation->why;
    AUTO(json_release) json_t *task = NULL;
    const struct api_request request = {.base = OWN_TASK};
    const struct err err = api_ask(talk, &request, &task, why);
    if (err.code == ERR_NOT_FOUND) {
        why->text[0] = '\0';
        return ERR_OK;
    }
    text_add_str(project, talk_text(task, "project"));
    return err;
}

struct by_folder {
    const char *folder;
    size_t len; /* Length of the longest root until now. */
    struct text *project;
};

static void folder_look(void *ctx, const json_t *row) {
    struct by_folder *by = ctx;
    const char *root = talk_text(row, "root");
    const size_t len = strlen(root);
    const bool below = len > 1 && strncmp(by->folder, root, len) == 0 &&
                       (by->folder[len] == '\0' || by->folder[len] == '/');
    if (below && len > by->len) {
        by->len = len;
        text_clear(by->project);
        text_add_str(by->project, talk_text(row, "name"));
    }
}

static struct err folder_project(struct talk *talk, struct text *project) {
    struct why *why = &talk->invocation->why;
    char folder[PATH_MAX];
    struct by_folder by = {.folder = folder, .project = project};
    if (err_failed(root_resolve(NULL, folder, NULL /* the folder was removed */))) {
        return ERR_OK;
    }
    return talk_list(talk, PROJECTS, folder_look, &by, why);
}

struct err task_project(struct talk *talk, struct text *project) {
    const struct invocation *invocation = talk->invocation;
    const char *given =
        args_has(&invocation->args, "project") ? args_text(&invocation->args, "project") : NULL;
    const char *run = invocation->env.get(invocation->env.ctx, "DROVER_RUN");
    struct err err = ERR_OK;
    text_init(project, TASK_PATH_MAX);
    if (given != NULL) {
        text_add_str(project, given);
        return ERR_OK;
    }
    if (run != NULL && run[0] != '\0') {
        err = attempt_project(talk, project);
    }
    if (!err_failed(err) && project->len == 0) {
        err = folder_project(talk, project);
    }
    if (project->len == 0) {
        text_add_str(project, "default");
    }
    return err;
}

/* --- Paths ------------------------------------------------------------------------------------ */

static struct err path_check(struct talk *talk, const struct text *path) {
    return text_failed(path)
               ? err_why(&talk->invocation->why, ERR_USAGE, "the name of the project is too long")
               : ERR_OK;
}

static struct err project_path(struct talk *talk, struct bytes project, struct text *path) {
    AUTO(text_done) struct text name = {0};
    struct err err = ERR_OK;
    text_init(path, TASK_PATH_MAX);
    if (project.data == NULL) {
        err = task_project(talk, &name);
    } else {
        text_init(&name, TASK_PATH_MAX);
        text_add(&name, project.data, project.len);
    }
    if (err_failed(err)) {
        return err;
    }
    if (!talk_name_fits(text_bytes(&name).data)) {
        return err_why(&talk->invocation->why, ERR_USAGE, "'%.60s' is no name of a project",
                       text_bytes(&name).data);
    }
    text_add_str(path, PROJECTS "/");
    client_add_escaped(path, text_bytes(&name).data);
    text_add_str(path, "/tasks");
    return path_check(talk, path);
}

struct err tasks_path(struct talk *talk, struct text *path) {
    return project_path(talk, (struct bytes){NULL, 0}, path);
}

struct err task_path(struct talk *talk, const char *word, struct text *path) {
    const struct task_word split = word_split(bytes_of(word != NULL ? word : ""));
    if (word == NULL) {
        text_init(path, TASK_PATH_MAX);
        text_add_str(path, OWN_TASK);
        return ERR_OK;
    }
    if (!task_is_word(bytes_of(word))) {
        return err_why(&talk->invocation->why, ERR_USAGE,
                       "'%.60s' is no task: name one as T-31, PROJECT/T-31 or tsk_…", word);
    }
    /* An id says enough: "_" stands for its project. */
    const struct bytes project =
        split.project.data == NULL && is_id(split.task) ? BYTES("_") : split.project;
    TRY(project_path(talk, project, path));
    text_addf(path, "/%.*s", (int)split.task.len, split.task.data);
    return path_check(talk, path);
}

/* --- Requests --------------------------------------------------------------------------------- */

struct err task_ask(struct talk *talk, const struct task_request *request, json_t **ret_answer) {
    struct why *why = &talk->invocation->why;
    AUTO(text_done) struct text path = {0};
    TRY(task_path(talk, request->word, &path));
    text_add_str(&path, request->rest != NULL ? request->rest : "");
    TRY(path_check(talk, &path));
    const struct api_request ask = {.method = request->method,
                                    .base = path.data,
                                    .body = request->body,
                                    .timeout_ms = request->timeout_ms,
                                    .retry = request->keyed ? API_RETRY_CUT : API_RETRY_AWAY};
    return api_ask(talk, &ask, ret_answer, why);
}

struct err task_input_read(const struct talk *talk, struct text *text) {
    struct why *why = &talk->invocation->why;
    AUTO(lines_done) struct lines lines;
    struct bytes input = {NULL, 0};
    if (isatty(STDIN_FILENO) == 1) {
        plain_note("drover: type the text; Ctrl-D on an empty line ends it\n");
    }
    lines_init(&lines, STDIN_FILENO, talk->interrupt_fd);
    const struct err err = lines_rest(&lines, &input);
    if (err.code == ERR_BODY_TOO_LARGE) {
        return err_why(why, ERR_BODY_TOO_LARGE, "the text on standard input has more than 1 MB");
    }
    if (err_failed(err)) {
        return err;
    }
    if (!utf8_valid(input.data, input.len)) {
        return err_why(why, ERR_USAGE, "standard input is no text in UTF-8");
    }
    text_add(text, input.data, input.len);
    return text_failed(text) ? text_error(text, "task: input") : ERR_OK;
}

void task_print(const struct invocation *invocation, const json_t *task) {
    const char *waits = talk_text(task, "waits");
    if (invocation->json) {
        talk_print(task);
        return;
    }
    printf("%s: %s", talk_text(task, "name"), talk_text(task, "status"));
    if (waits[0] != '\0') {
        fputs(" (", stdout);
        plain_print_line(waits);
        putchar(')');
    }
    putchar('\n');
}
