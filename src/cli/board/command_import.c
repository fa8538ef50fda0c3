/* command_import.c: drover task import. Tasks in files of other tools become tasks of a project.
 *
 * Each task has a source, by which its project knows it: a file that is imported again adds only
 * what is new in it. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/board/task.h"
#include "cli/terminal/plain.h"
#include "rules/board/import.h"
#include "rules/board/task.h"

struct import {
    struct talk *talk;
    struct text path; /* Owned: of the tasks of the project. */
    json_t *names;    /* Owned: {"SOURCE": "T-3"}; "": the project has no such task. */
    size_t added, known;
    bool dry;
};

static void import_done(struct import *import) {
    text_done(&import->path);
    json_release(&import->names);
}

static struct err files_read(struct talk *talk, json_t *list) {
    struct invocation *invocation = talk->invocation;
    struct err err = ERR_OK;
    for (unsigned i = 0; i < invocation->args.operand_count && !err_failed(err); i++) {
        const char *path = invocation->args.operands[i];
        AUTO(mem_release) char *content = NULL;
        size_t len = 0;
        err = talk->world->file_read(talk->world->ctx, path, IMPORT_FILE_MAX, &content, &len);
        if (err_failed(err)) {
            return err_why(&invocation->why, ERR_USAGE,
                           "'%.300s' cannot be read, or has more than %d MB", path,
                           IMPORT_FILE_MAX >> 20);
        }
        const struct bytes file = {content, len};
        err = board_import_read(path, file, list, &invocation->why);
    }
    return err_failed(err) ? err : board_import_order(list, &invocation->why);
}

/* The task of that source, or NULL: there is none. */
static struct err task_find(struct import *import, const char *source, json_t **ret_task) {
    struct why *why = &import->talk->invocation->why;
    AUTO(text_done) struct text path = text_up_to(4 * TASK_PATH_MAX);
    AUTO(json_release) json_t *answer = NULL;
    text_addf(&path, "%s?limit=1&source=", text_bytes(&import->path).data);
    client_add_escaped(&path, source);
    const struct api_request list = {.base = text_bytes(&path).data};
    const struct err err = api_ask(import->talk, &list, &answer, why);
    *ret_task = json_incref(json_array_get(json_object_get(answer, "items"), 0));
    if (err.code == ERR_NOT_FOUND) { /* There is no such project yet. */
        why->text[0] = '\0';
        return ERR_OK;
    }
    return err;
}

/* Names of what a task waits for, and was imported before. What is not there is over. */
static struct err needs_find(struct import *import, const json_t *task) {
    struct err err = ERR_OK;
    size_t i = 0;
    json_t *after = NULL;
    json_array_foreach(json_object_get(task, "after"), i, after) {
        AUTO(json_release) json_t *stored = NULL;
        const char *source = json_string_value(after);
        if (err_failed(err) || json_object_get(import->names, source) != NULL) {
            continue;
        }
        err = task_find(import, source, &stored);
        (void)json_object_set_new(import->names, source, json_string(json_str(stored, "name", "")));
    }
    return err;
}

static struct err body_write(const struct import *import, const json_t *task, struct text *body) {
    size_t i = 0;
    json_t *after = NULL;
    const char *comma = "";
    text_add_char(body, '{');
    text_add_member(body, "source", json_bytes(task, "source"));
    text_add_member(body, "title", json_bytes(task, "title"));
    text_add_member(body, "description", json_bytes(task, "description"));
    text_add_member(body, "type", json_bytes(task, "type"));
    text_add_member_int(body, "priority", json_integer_value(json_object_get(task, "priority")));
    text_add_name(body, "depends_on");
    text_add_char(body, '[');
    json_array_foreach(json_object_get(task, "after"), i, after) {
        const char *name = json_str(import->names, json_string_value(after), "");
        if (name[0] != '\0') {
            text_addf(body, "%s\"%s\"", comma, name);
            comma = ",";
        }
    }
    text_add_str(body, "]}");
    return text_failed(body) ? text_error(body, "task import: body") : ERR_OK;
}

static struct err task_make(struct import *import, const json_t *task, json_t **ret_task) {
    AUTO(text_done) struct text body = text_up_to(TASK_BODY_MAX);
    TRY(body_write(import, task, &body));
    const struct api_request add = {.method = "POST",
                                    .base = text_bytes(&import->path).data,
                                    .body = &body,
                                    .retry = API_RETRY_CUT};
    return api_ask(import->talk, &add, ret_task, &import->talk->invocation->why);
}

/* "T-3  Fix it", "new  Fix it", "T-3  Fix it (there already)" */
static void import_tell(const struct import *import, const json_t *task, const char *name,
                        bool known) {
    if (import->talk->invocation->json) {
        AUTO(json_release)
        json_t *line = json_pack("{s:s?,s:O,s:O,s:b}", "name", name[0] == '\0' ? NULL : name,
                                 "title", json_object_get(task, "title"), "source",
                                 json_object_get(task, "source"), "new", !known);
        talk_print(line);
        return;
    }
    printf("%-6s ", name[0] == '\0' ? "new" : name);
    plain_print_line(json_str(task, "title", ""));
    puts(known ? " (there already)" : "");
}

static struct err import_one(struct import *import, const json_t *task) {
    AUTO(json_release) json_t *stored = NULL;
    const char *source = json_str(task, "source", "");
    struct err err = task_find(import, source, &stored);
    const bool known = stored != NULL;
    if (!err_failed(err) && !known && !import->dry) {
        err = needs_find(import, task);
        err = err_failed(err) ? err : task_make(import, task, &stored);
    }
    if (err_failed(err)) {
        return err;
    }
    const char *name = json_str(stored, "name", "");
    import->added += known ? 0 : 1;
    import->known += known ? 1 : 0;
    import_tell(import, task, name, known);
    return json_object_set_new(import->names, source, json_string(name)) == 0
               ? ERR_OK
               : err_make(ERR_OUT_OF_MEMORY, "task import: names");
}

static struct err import_run(struct invocation *invocation, struct talk *talk) {
    AUTO(import_done)
    struct import import = {
        .talk = talk, .names = json_object(), .dry = args_on(&invocation->args, "dry-run")};
    AUTO(json_release) json_t *list = json_array();
    size_t i = 0;
    json_t *task = NULL;
    struct err err = files_read(talk, list);
    err = err_failed(err) ? err : tasks_path(talk, &import.path);
    json_array_foreach(list, i, task) {
        err = err_failed(err) ? err : import_one(&import, task);
    }
    if (!err_failed(err) && !invocation->json) {
        printf("%zu %s, %zu there already\n", import.added, import.dry ? "would be new" : "new",
               import.known);
    }
    return err;
}

static const struct flag import_flags[] = {
    TASK_PROJECT_FLAG,
    OPTION_SWITCH("dry-run", 'n', "Say what would be added, and add nothing."),
    OPTION_END,
};

const struct command command_task_import = {
    COMMAND("task", "import", "FILE…", "Add the tasks that stand in files of other tools."),
    HELP(TASKS, "drover task import plan.md --dry-run\n"
                "drover task import issues.json --project web\n"
                "drover task import .beads/issues.jsonl\n"),
    .flags = import_flags,
    .about = "FILE is a Markdown list with boxes (\"- [ ] Fix it\"), issues as GitHub's JSON\n"
             "(gh issue list --json number,title,body,state,labels,url), the issues.jsonl of\n"
             "beads, or tasks of Claude Code (~/.claude/tasks/LIST/*.json). What is ticked off\n"
             "or closed is left out; an item waits for those below it. A file that is\n"
             "imported again adds only what is new in it.\n",
    .converse = import_run,
};
