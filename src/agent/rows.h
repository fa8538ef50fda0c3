/* rows.h: definitions of agents that are rows of the database, as the pool may read them.
 *
 * Promise    holds what was committed: filled at the start, changed after each commit.
 * Ownership  copies what it is given.
 * Threads    any; a call never blocks for longer than a copy takes.
 */
#ifndef DROVER_AGENT_ROWS_H
#define DROVER_AGENT_ROWS_H

#include "base/base.h"
#include "base/text.h"
#include "rules/agent/definition.h"

struct agent_name {
    char text[AGENT_NAME_MAX + 1];
};

struct agent_rows;
struct agent_rows *agent_rows_new(void);
void agent_rows_free(struct agent_rows *rows); /* NULL is allowed. */
/* JSON of a definition that was checked. There are at most AGENT_ROWS_MAX, and names fit. */
void agent_rows_put(struct agent_rows *rows, struct bytes name, struct bytes definition);
void agent_rows_remove(struct agent_rows *rows, struct bytes name);
/* Appends the JSON. False: there is none of that name. */
MUST_CHECK bool agent_rows_get(struct agent_rows *rows, struct bytes name, struct text *text);
bool agent_rows_have(struct agent_rows *rows, struct bytes name);
size_t agent_rows_names(struct agent_rows *rows, struct agent_name ret_names[AGENT_ROWS_MAX]);

#endif
