/* resource.h: definitions of agents that were stored, and agents as lists have them. Pure.
 *
 * Ownership  texts are borrowed from the function that filled the struct.
 * Threads    any.
 */
#ifndef DROVER_RULES_AGENT_RESOURCE_H
#define DROVER_RULES_AGENT_RESOURCE_H

#include "base/base.h"
#include "base/resource/resource.h"

/* A definition that was stored, as a row. Like a connection to a provider it belongs to the daemon,
 * not to an owner: it names a program that runs as the user of the daemon. */
struct agent_row {
    struct bytes name, definition; /* JSON that agent_definition_read takes. */
    int64_t made_ms, changed_ms;
};
extern const struct resource agent_resource;
MUST_CHECK bool agent_name_is_valid(struct bytes name);

/* AGENT_NOT_LOGGED_IN: no login was seen. It may be started: only the program knows. */
enum agent_state {
    AGENT_READY,
    AGENT_MISSING /* The program is. */,
    AGENT_BROKEN,
    AGENT_NOT_LOGGED_IN
};
extern const char *const agent_found_names[]; /* NULL ends them. */

/* An agent as lists have it, from a file, a row, or built in. Texts are empty where it has none. */
struct agent_shown {
    struct bytes name, kind, version, state, program, command, model, description, isolation;
    struct bytes from, may, why;
    struct bytes definition; /* JSON of one that is stored, for the scope admin. */
    bool found;              /* Whether it may be started. */
    /* At this moment, of one owner. Of a program: its processes, the slots in use, and its turns
     * without one; of an agent of models: steps of workflows. */
    int64_t running, waiting;
    int64_t at_once;          /* Processes at most; 0: any number. */
    int64_t cooling_until_ms; /* 0: it does not cool down. */
    struct bytes cooling_cause;
};
extern const struct field_set agent_shown_fields;

#endif
