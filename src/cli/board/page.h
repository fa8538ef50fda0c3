/* page.h: a task as a page for people: its fields, why it waits, and what is written down about it.
 *
 * Threads    one; it prints to standard output.
 */
#ifndef DROVER_CLI_BOARD_PAGE_H
#define DROVER_CLI_BOARD_PAGE_H

#include "base/json/json.h"
#include "cli/base/cli.h"

/* `task`: the answer of GET …/tasks/TASK?expand=all. */
void task_page_print(const struct invocation *invocation, const json_t *task);

#endif
