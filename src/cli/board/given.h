/* given.h: the flags that say what a task is, and the body of the request that makes or changes
 * one.
 *
 * Ownership  all borrowed during the call.
 * Threads    one.
 * Failure    ERR_USAGE with invocation->why: a flag has a value that it cannot have.
 */
#ifndef DROVER_CLI_BOARD_GIVEN_H
#define DROVER_CLI_BOARD_GIVEN_H

#include "base/fields/fields.h"
#include "cli/base/api.h"
#include "cli/base/options.h"
#include "rules/board/task.h"

#define TASK_GIVEN_FLAGS                                                                           \
    FLAGS_OF(&task_resource.fields),                                                               \
        OPTION_LIST("after", 0, "TASKS",                                                           \
                    "It begins when these are done: T-1,T-2; \"\": at once."),                     \
        OPTION_LIST("must", 0, "SENTENCE", "A condition of its result, for who reviews it."),      \
        OPTION_LIST("must-file", 0, "PATH", "This file exists in the end."),                       \
        OPTION_LIST("must-command", 0, "COMMAND", "This command exits with 0 in the end."),        \
        OPTION_LIST("must-output", 0, "TYPE", "It has an output of this type.",                    \
                    .choices = TASK_OUTPUT_TYPES),                                                 \
        OPTION_LIST("must-text", 0, "TEXT", "One of its outputs contains this text."),             \
        OPTION_LIST("must-unchanged", 0, "PATH", "Nothing changes below this path."),              \
        OPTION_LIST("link", 0, "KIND=TASK",                                                        \
                    "Link another one, as related=T-4, by " TASK_LINKS "."),                       \
        OPTION_TEXT("not-before", 0, "TIME",                                                       \
                    "Begin no earlier: in 30m, 2h or 7d, or on a day: 2026-01-31.")
#define TASK_LINKS "discovered_from, supersedes, duplicates, related"

enum task_given { TASK_ADDED, TASK_EDITED };
/* Adds the object. The title of a task that is added is the first operand. */
MUST_CHECK struct err task_body_write(const struct talk *talk, enum task_given what,
                                      struct text *body);

#endif
