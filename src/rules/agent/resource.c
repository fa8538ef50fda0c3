/* resource.c: stored definitions of agents, and agents as lists have them, which come from files,
 * too. Order: that of the answer.
 *
 * An event has no definition: values of `env` may be secrets, and are shown by no list.
 */
#include "rules/agent/resource.h"

#include "rules/agent/definition.h"

#define AT(member) offsetof(struct agent_row, member)

static const struct field rows[] = {
    {ROW_ONCE("name", FIELD_TEXT, AT(name)), .required = true},
    {ROW_EACH("definition", FIELD_TEXT, AT(definition)), .use = FIELD_KEPT},
    {ROW_MADE(AT(made_ms))},
    {ROW_CHANGED(AT(changed_ms))},
};

const struct resource agent_resource = {
    .name = "agent",
    .plural = "agents",
    .path = "/api/v1/agents",
    .table = "agents",
    .key = "name",
    .valid = agent_name_is_valid,
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct agent_row),
    .rows_max = AGENT_ROWS_MAX,
    .routes = {[RESOURCE_REMOVE] = {.scope = SCOPE_ADMIN, .summary = "Remove a stored definition"}},
};

bool agent_name_is_valid(struct bytes name) {
    bool plain = name.len > 0 && name.len <= AGENT_NAME_MAX && name.data[0] != '.';
    for (size_t i = 0; plain && i < name.len; i++) {
        const unsigned char c = (unsigned char)name.data[i];
        plain = c != '/' && c != '\\' && c >= ' ' && c != 0x7f;
    }
    return plain;
}

/* --- Agents as lists have them ---------------------------------------------------------------- */

const char *const agent_found_names[] = {"ready", "missing", "broken", "not_logged_in", NULL};
static const char *const kinds[] = {"cli", "native", NULL};

#define SHOWN(member)                                                                              \
    .name = #member, .kind = FIELD_TEXT, .at = offsetof(struct agent_shown, member)

#define COUNTED(member) FIELD(#member, FIELD_INT, offsetof(struct agent_shown, member))

static const struct field shown[] = {
    {SHOWN(name), .required = true},
    {SHOWN(kind), .required = true, .names = kinds},
    {FIELD("found", FIELD_BOOL, offsetof(struct agent_shown, found)), .required = true},
    {SHOWN(version), .required = true, .empty = FIELD_EMPTY_NULL},
    {SHOWN(state), .required = true, .names = agent_found_names},
    {COUNTED(running), .required = true},
    {COUNTED(waiting), .required = true},
    {COUNTED(at_once), .required = true, .empty = FIELD_EMPTY_NULL},
    {FIELD("cooling_until_ms", FIELD_TIME, offsetof(struct agent_shown, cooling_until_ms)),
     .required = true, .empty = FIELD_EMPTY_NULL},
    {SHOWN(cooling_cause), .required = true, .empty = FIELD_EMPTY_NULL},
    {SHOWN(program), .empty = FIELD_EMPTY_NULL},
    {SHOWN(command), .empty = FIELD_EMPTY_NULL},
    {SHOWN(model), .empty = FIELD_EMPTY_NULL},
    {SHOWN(description), .empty = FIELD_EMPTY_NULL},
    {SHOWN(isolation), .empty = FIELD_EMPTY_NULL},
    {SHOWN(from), .required = true},
    {SHOWN(may), .required = true},
    {SHOWN(why), .empty = FIELD_EMPTY_NULL},
    {FIELD("definition", FIELD_STORED, offsetof(struct agent_shown, definition)),
     .use = FIELD_WHOLE, .empty = FIELD_EMPTY_NULL, .schema = "{\"type\":[\"object\",\"null\"]}"},
};
const struct field_set agent_shown_fields = {FIELD_ROWS(shown), .use = FIELD_LISTED | FIELD_WHOLE};
