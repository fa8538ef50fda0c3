/* resource.c: terminals. Order: that of the answer. */
#include "rules/job/terminal.h"

#include "rules/job/job.h"

#define AT(member) offsetof(struct terminal, member)

/* A column of the row of its job. */
#define OF_JOB(column_, none_)                                                                     \
    "COALESCE((SELECT runs." column_ " FROM runs WHERE runs.run = terminals.run), " none_ ")"

enum { TAKEN_AND_SHOWN = FIELD_GIVEN | FIELD_SHOWN };

static struct field_value exit_code_get(const void *row) {
    const struct terminal *terminal = row;
    return (struct field_value){.null = terminal->state.len == 0 || terminal->exit_code < 0,
                                .number = terminal->exit_code};
}

static const struct field rows[] = {
    {ROW_NUMBER(AT(number))},
    {ROW_ID(FIELD_ID, AT(id), "terminal", "TERMINAL")},
    {ROW_OWNER(AT(owner))},
    {ROW_EACH("name", FIELD_TEXT, AT(name)), .use = TAKEN_AND_SHOWN | FIELD_CHANGED, .min = 1,
     .max = TERMINAL_NAME_MAX, .plain = true, FILTER_SEARCH("name or command"),
     FIELD_HEAD("NAME", -20)},
    {ROW_ONCE("command", FIELD_TEXT, AT(command)), .use = TAKEN_AND_SHOWN, .min = 1,
     .max = TERMINAL_COMMAND_MAX, .plain = true, .empty = FIELD_EMPTY_NULL, .filter = FIELD_SEARCH,
     FIELD_HEAD("COMMAND", FIELD_REST),
     FLAG("command", FLAG_TEXT, "LINE", "Run this line of /bin/sh in it [your shell].")},
    {ROW_ONCE("cwd", FIELD_TEXT, AT(cwd)), .use = TAKEN_AND_SHOWN, .min = 1, .max = JOB_CWD_MAX,
     .plain = true, .empty = FIELD_EMPTY_NULL,
     FLAG("cwd", FLAG_TEXT, "DIR", "Run in this folder [the current one].")},
    {ROW_ONCE("columns", FIELD_INT, AT(columns)), .use = TAKEN_AND_SHOWN, .min = 1,
     .max = JOB_TERMINAL_MAX, .absent = 80},
    {ROW_ONCE("rows", FIELD_INT, AT(rows)), .use = TAKEN_AND_SHOWN, .min = 1,
     .max = JOB_TERMINAL_MAX, .absent = 24},
    {FIELD("env", FIELD_JSON, AT(env_given)), .use = FIELD_GIVEN,
     .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"},
    {ROW_EACH("run", FIELD_TEXT, AT(run)), .required = true, .head = "JOB"},
    {FIELD("state", FIELD_TEXT, AT(state)), .use = FIELD_LISTED, .column = OF_JOB("state", "''"),
     .empty = FIELD_EMPTY_NULL, FIELD_HEAD("STATE", -12)},
    {FIELD("cause", FIELD_TEXT, AT(cause)), .use = FIELD_LISTED, .column = OF_JOB("cause", "''"),
     .empty = FIELD_EMPTY_NULL, .head = "BECAUSE"},
    {FIELD("exit_code", FIELD_INT, AT(exit_code)), .use = FIELD_LISTED,
     .column = OF_JOB("exit_code", "-1"), .get = exit_code_get,
     .schema = "{\"type\":[\"integer\",\"null\"]}", FIELD_HEAD("EXIT", 4)},
    {ROW_MADE(AT(made_ms))},
    {ROW_CHANGED(AT(changed_ms)), FILTER_SINCE("created, renamed or started")},
    {ROW_ONCE("env", FIELD_STORED, AT(env)), .use = FIELD_WHOLE, .empty = FIELD_EMPTY_NULL,
     .schema = "{\"type\":[\"object\",\"null\"]}"},
    {ROW_ONCE("path", FIELD_TEXT, AT(path)), .use = FIELD_WHOLE, .empty = FIELD_EMPTY_NULL},
};

const struct resource terminal_resource = {
    .name = "terminal",
    .plural = "terminals",
    .path = "/api/v1/terminals",
    .table = "terminals",
    .key = "id",
    .prefix = "trm",
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct terminal),
    .rows_max = TERMINALS_MAX,
    .routes = {[RESOURCE_LIST] = {.scope = SCOPE_READ, .summary = "List terminals, newest first"},
               [RESOURCE_SHOW] = {.scope = SCOPE_READ, .summary = "Show a terminal"},
               [RESOURCE_CHANGE] = {.scope = SCOPE_RUN, .summary = "Rename a terminal"}},
};

void terminal_job_write(const struct terminal *terminal, struct text *text) {
    /* Jobs inherit SHELL from the daemon, unless `env` has it. */
    static const char shell[] = "exec \"${SHELL:-/bin/sh}\"";
    text_add_char(text, '{');
    text_add_member(text, "shell", terminal->command.len > 0 ? terminal->command : bytes_of(shell));
    if (terminal->cwd.len > 0) {
        text_add_member(text, "cwd", terminal->cwd);
    }
    if (terminal->env.len > 0) {
        text_add_name(text, "env");
        text_add(text, terminal->env.data, terminal->env.len);
    }
    if (terminal->path.len > 0) {
        text_add_member(text, "path", terminal->path);
    }
    text_add_name(text, "pty");
    text_addf(text, "{\"rows\":%lld,\"columns\":%lld}}", (long long)terminal->rows,
              (long long)terminal->columns);
}
