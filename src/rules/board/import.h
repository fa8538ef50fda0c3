/* import.h: tasks that stand in files of other tools, as tasks for a board. Pure.
 *
 *   Markdown           "- [ ] Fix it": a task. What is indented below it is its description; items
 *                      below it are tasks that it waits for. Items that are ticked off are left out
 *   GitHub's issues    [{"number", "title", "body", "state", "labels", "url"}], of
 *                      'gh issue list --json …' or of the API. Closed ones are left out
 *   beads              lines of {"id", "title", "status", "priority", "dependencies"}
 *   Claude Code        {"id", "subject", "description", "status", "blockedBy"}, a file per task
 *
 * Which of these a file is shows in its text. Each task has a source, a name that is the same when
 * the file is read again, by which its project knows it.
 *
 * Ownership  the list is the caller's.
 * Threads    any.
 * Failure    ERR_BAD_FIELD with a sentence: the file is none of these, or holds too much.
 */
#ifndef DROVER_RULES_BOARD_IMPORT_H
#define DROVER_RULES_BOARD_IMPORT_H

#include "base/json/json.h"

enum {
    IMPORT_FILE_MAX = 16 << 20,
    IMPORT_TASKS_MAX = 1000,
    IMPORT_DEPTH_MAX = 16, /* Items of a checklist within each other. */
};

/* Adds {"source", "title", "description", "type", "priority", "after": [SOURCE, …]} for each task
 * of a file. `name`: path of the file. */
MUST_CHECK struct err board_import_read(const char *name, struct bytes file, json_t *io_list,
                                        struct why *why);
/* Puts each task behind those of the list that it waits for. ERR_TASK_CYCLE; ERR_BAD_FIELD: a task
 * waits for more than TASK_NEEDS_MAX. */
MUST_CHECK struct err board_import_order(json_t *io_list, struct why *why);

#endif
