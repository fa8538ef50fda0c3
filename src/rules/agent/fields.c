/* fields.c: the fields of a definition of an agent, as files and the API have them; and the ones
 * that drover comes with. */
#include "rules/agent/definition.h"

#define AT(member) .at = offsetof(struct agent_definition, member)

static const char *const programs[] = {"claude",     "codex", "opencode", "pi",
                                       "json_lines", "plain", NULL};
#define X(access, name) name,
static const char *const accesses[] = {AGENT_ACCESSES(X) NULL};
#undef X

static const struct field rows[] = {
    {.name = "name",
     .kind = FIELD_CHARS,
     AT(name),
     .required = true,
     .min = 1,
     .max = AGENT_NAME_MAX,
     .plain = true},
    {.name = "description", .kind = FIELD_CHARS, AT(description), .max = 1000, .plain = true},
    {.name = "program", .kind = FIELD_CHARS, AT(program), .required = true, .names = programs},
    {.name = "command", .kind = FIELD_CHARS, AT(command), .min = 1, .max = 4095},
    {.name = "args", .kind = FIELD_TEXTS, AT(args), .max = AGENT_ARGS_MAX},
    {.name = "env",
     .kind = FIELD_JSON,
     AT(env),
     .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"},
    {.name = "model", .kind = FIELD_CHARS, AT(model), .min = 1, .max = 200, .plain = true},
    {.name = "instructions", .kind = FIELD_CHARS, AT(instructions), .max = AGENT_INSTRUCTIONS_MAX},
    {.name = "access", .kind = FIELD_CHARS, AT(access), .names = accesses},
    {.name = "lines",
     .kind = FIELD_JSON,
     AT(lines),
     .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"},
    {.name = "at_once", .kind = FIELD_INT, AT(at_once), .min = 1, .max = 1000},
    {.name = "deadline_ms",
     .kind = FIELD_INT,
     AT(deadline_ms),
     .min = 1,
     .max = AGENT_DEADLINE_MAX_MS,
     .absent = AGENT_DEADLINE_MS},
    {.name = "memory",
     .kind = FIELD_INT,
     AT(memory),
     .min = INT64_C(1) << 20,
     .max = INT64_C(1) << 50},
    {.name = "processes", .kind = FIELD_INT, AT(processes), .min = 1, .max = 1000000},
};

const struct field_set agent_fields = {FIELD_ROWS(rows), .use = FIELD_GIVEN | FIELD_LISTED};

/* An object of texts without NUL, whose names may stand in an environment. */
static struct err texts_check(const json_t *object, const char *member, struct why *why) {
    if (object == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(object) || json_object_size(object) > AGENT_ENV_MAX) {
        return err_why(why, ERR_BAD_FIELD, "\"%s\" must be an object of at most %d texts", member,
                       AGENT_ENV_MAX);
    }
    for (struct json_member at = json_first(object); at.value != NULL; at = json_next(at)) {
        if (!json_is_string(at.value) ||
            strlen(json_string_value(at.value)) != json_string_length(at.value)) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\": \"%.60s\" must be a text", member,
                           at.key.data);
        }
        if (at.key.len == 0 || memchr(at.key.data, '=', at.key.len) != NULL ||
            strlen(at.key.data) != at.key.len) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\": '%.60s' can be no name", member,
                           at.key.data);
        }
    }
    return ERR_OK;
}

struct err agent_definition_read(const json_t *json, struct agent_definition *ret_what,
                                 struct why *why) {
    struct agent_definition what = {.name = NULL};
    struct err err = fields_read(&agent_fields, FIELD_GIVEN, json, &what, why);
    if (!err_failed(err)) {
        err = texts_check(what.env, "env", why);
    }
    if (!err_failed(err)) {
        err = texts_check(what.lines, "lines", why);
    }
    if (!err_failed(err) && what.command == NULL &&
        (strcmp(what.program, "json_lines") == 0 || strcmp(what.program, "plain") == 0)) {
        err = err_why(why, ERR_MISSING_FIELD,
                      "\"command\" is missing: the program that prints the lines");
    }
    if (!err_failed(err)) {
        *ret_what = what;
    }
    return err;
}

/* Takes the value. */
static void member_put(json_t *object, const char *name, json_t *value) {
    if (value != NULL) {
        (void)json_object_set_new(object, name, value); /* Without memory the write below fails. */
    }
}

static void text_put(json_t *object, const char *name, const char *value) {
    member_put(object, name, value == NULL ? NULL : json_string(value));
}

static void number_put(json_t *object, const char *name, int64_t value) {
    member_put(object, name, value == 0 ? NULL : json_integer(value));
}

struct err agent_definition_write(const struct agent_definition *what, struct text *text) {
    AUTO(json_release) json_t *object = json_object();
    if (object == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "agents: definition");
    }
    text_put(object, "name", what->name);
    text_put(object, "description", what->description);
    text_put(object, "program", what->program);
    text_put(object, "command", what->command);
    member_put(object, "args", json_incref(what->args));
    member_put(object, "env", json_incref(what->env));
    text_put(object, "model", what->model);
    text_put(object, "instructions", what->instructions);
    text_put(object, "access", what->access);
    member_put(object, "lines", json_incref(what->lines));
    number_put(object, "at_once", what->at_once);
    number_put(object, "deadline_ms", what->deadline_ms);
    number_put(object, "memory", what->memory);
    number_put(object, "processes", what->processes);
    return json_write(object, text);
}

enum agent_access agent_definition_access(const struct agent_definition *what) {
    unsigned at = AGENT_ACCESS_WRITE;
    (void)(what->access != NULL &&
           bytes_find(bytes_of(what->access), accesses, &at)); /* Checked. */
    return (enum agent_access)at;
}

const struct agent_definition *agent_built_in(unsigned at) {
    static const struct agent_definition built_in[] = {
        {.name = "claude",
         .description = "Claude Code, with the login or the key that it has. Asks before it acts.",
         .program = "claude",
         .deadline_ms = AGENT_DEADLINE_MS},
        {.name = "codex",
         .description = "Codex, with the login or the key that it has. Writes below its folder.",
         .program = "codex",
         .deadline_ms = AGENT_DEADLINE_MS},
        {.name = "opencode",
         .description = "OpenCode, as it is set up. It may do what its own settings allow.",
         .program = "opencode",
         .deadline_ms = AGENT_DEADLINE_MS},
        {.name = "pi",
         .description = "Pi, as it is set up. It asks for nothing: it may do what its user may.",
         .program = "pi",
         .deadline_ms = AGENT_DEADLINE_MS},
    };
    return at < COUNT_OF(built_in) ? &built_in[at] : NULL;
}
