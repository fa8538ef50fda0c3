/* fields.c: the fields of a definition of an agent, as files and the API have them; and the ones
 * that drover comes with. */
#include "rules/agent/definition.h"
#include "rules/agent/outcome.h"
#include "rules/agent/place.h"
#include "rules/approval/permission.h"

#define AT(member) offsetof(struct agent_definition, member)

#define X(id, name, can, about) can,
static const unsigned programs_can[] = {AGENT_PROGRAMS(X)};
#undef X
#define X(id, name, can, about) name,
static const char *const program_names[] = {AGENT_PROGRAMS(X) NULL};
#undef X
#define X(id, name, can, about) "|" name
static const char program_choices[] = AGENT_PROGRAMS(X);
#undef X
#define X(access, name) name,
static const char *const accesses[] = {AGENT_ACCESSES(X) NULL};
#undef X
static const char *const isolations[] = {AGENT_ISOLATION_WORKTREE, NULL};
static const char *const reaches[] = {AGENT_REACH_SOCKET, AGENT_REACH_PORT, NULL};

static const struct field rows[] = {
    {FIELD("name", FIELD_CHARS, AT(name)), .use = FIELD_GIVEN | FIELD_LISTED, .required = true,
     .min = 1, .max = AGENT_NAME_MAX, .plain = true},
    {FIELD("description", FIELD_CHARS, AT(description)), .max = 1000, .plain = true,
     FLAG("description", FLAG_TEXT, "TEXT", "Say what it is for.")},
    {FIELD("program", FIELD_CHARS, AT(program)), .required = true, .names = program_names,
     FLAG_WORD("program", "PROGRAM", program_choices + 1,
               "Read its lines as those of this program.")},
    {FIELD("command", FIELD_CHARS, AT(command)), .min = 1, .max = 4095,
     FLAG("command", FLAG_TEXT, "PATH", "Start this [the command of PROGRAM].")},
    {FIELD("args", FIELD_TEXTS, AT(args)), .max = AGENT_ARGS_MAX,
     FLAG("arg", FLAG_LIST, "WORD", "Add an argument. Repeatable.")},
    {FIELD("resume_args", FIELD_TEXTS, AT(resume_args)), .max = AGENT_ARGS_MAX,
     FLAG("resume-arg", FLAG_LIST, "WORD",
          "Go on in its session with these arguments, of which one has {session}. Repeatable.")},
    {FIELD("env", FIELD_JSON, AT(env)),
     .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":[\"string\",\"object\"]}}",
     FLAG("env", FLAG_LIST, "NAME[=VALUE]",
          "Set a variable; without a value, the daemon's; =@FILE: a key file. Repeatable.")},
    {FIELD("model", FIELD_CHARS, AT(model)), .min = 1, .max = 200, .plain = true,
     FLAG("model", FLAG_TEXT, "NAME", "Start it with this model [its own].")},
    {FIELD("instructions", FIELD_CHARS, AT(instructions)), .max = AGENT_INSTRUCTIONS_MAX,
     FLAG("instructions", FLAG_TEXT, "TEXT", "Instructions for it, in addition to its own.")},
    {FIELD("tools", FIELD_TEXTS, AT(tools)), .min = 1, .max = AGENT_TOOLS_MAX,
     FLAG("tool", FLAG_LIST, "NAME", "Let it have this tool, and no other. Repeatable.")},
    {FIELD("access", FIELD_CHARS, AT(access)), .names = accesses,
     FLAG_WORD("access", "ACCESS", "read|write|all", "Let it do this without a question [write].")},
    {FIELD("permissions", FIELD_JSON, AT(permissions)),
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"permission\"],"
               "\"properties\":{\"tool\":{\"type\":\"string\"},\"subject\":{\"type\":\"string\"},"
               "\"permission\":{\"type\":\"string\"}}}}"},
    {FIELD("isolation", FIELD_CHARS, AT(isolation)), .names = isolations,
     FLAG_WORD("isolation", "KIND", AGENT_ISOLATION_WORKTREE,
               "Give each of its tasks a git working tree of its own.")},
    {FIELD("reach", FIELD_CHARS, AT(reach)), .names = reaches,
     FLAG_WORD("reach", "WAY", AGENT_REACH_SOCKET "|" AGENT_REACH_PORT,
               "Let it call drover by this [socket]; port: with a token, out of a sandbox.")},
    {FIELD("lines", FIELD_JSON, AT(lines)),
     .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
     FLAG("line", FLAG_LIST, "FIELD=PATH", "Say where in a JSON line a field is. Repeatable.")},
    {FIELD("stderr", FIELD_JSON, AT(stderr_words)),
     .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"},
    {FIELD("price", FIELD_JSON, AT(price)),
     .schema = "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}",
     FLAG("price", FLAG_LIST, "KIND=MICROS",
          "Count tokens at this price per million: input=1250000. Repeatable.")},
    {FIELD("at_once", FIELD_INT, AT(at_once)), .min = 1, .max = 1000,
     FLAG("at-once", FLAG_INT, "N", "Run at most N of its turns at once.")},
    {FIELD("deadline_ms", FIELD_INT, AT(deadline_ms)), .min = 1, .max = AGENT_DEADLINE_MAX_MS,
     .absent = AGENT_DEADLINE_MS,
     FLAG("deadline", FLAG_DURATION, "TIME", "End each turn after this time [2h].")},
    {FIELD("no_progress_ms", FIELD_INT, AT(no_progress_ms)), .min = 1, .max = AGENT_DEADLINE_MAX_MS,
     .absent = AGENT_NO_PROGRESS_MS,
     FLAG("no-progress", FLAG_DURATION, "TIME",
          "End it after three such periods of silence [630s].")},
    {FIELD("memory", FIELD_INT, AT(memory)), .min = INT64_C(1) << 20, .max = INT64_C(1) << 50,
     FLAG_SIZED("memory", INT64_C(1) << 20, "End it when its processes use more in all: 4G.")},
    {FIELD("processes", FIELD_INT, AT(processes)), .min = 1, .max = 1000000,
     FLAG("processes", FLAG_INT, "N", "End it when it has more than N processes at once.")},
    {FIELD("requests", FIELD_INT, AT(requests)), .min = 1, .max = 1000000, .absent = AGENT_REQUESTS,
     FLAG("requests", FLAG_INT, "N", "End it after N requests to its model [2000].")},
};

const struct field_set agent_fields = {FIELD_ROWS(rows),
                                       .use = FIELD_GIVEN | FIELD_CHANGED | FIELD_LISTED};

static bool text_is_plain(const json_t *value) {
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

/* A name of a variable or of a file: it leads out of no folder. */
static bool reference_is_plain(const char *name) {
    const size_t len = strlen(name);
    return len > 0 && len <= AGENT_ENV_NAME_MAX && name[0] != '.' && strpbrk(name, "/=") == NULL;
}

bool agent_env_refers(const json_t *value, enum agent_secret *ret_where, const char **ret_name) {
    static const char *const members[] = {
        [AGENT_SECRET_VARIABLE] = "from", [AGENT_SECRET_FILE] = "file"};
    for (unsigned i = 0; i < COUNT_OF(members); i++) {
        const json_t *name = json_object_get(value, members[i]);
        if (json_object_size(value) == 1 && text_is_plain(name) &&
            reference_is_plain(json_string_value(name))) {
            *ret_where = (enum agent_secret)i;
            *ret_name = json_string_value(name);
            return true;
        }
    }
    return false;
}

bool agent_env_write(const json_t *env, enum agent_env_part part, const char *name,
                     struct text *text) {
    AUTO(json_release) json_t *chosen = json_object();
    for (struct json_member at = json_first(env); at.value != NULL; at = json_next(at)) {
        if (json_is_string(at.value) == (part == AGENT_ENV_TEXTS)) {
            (void)json_object_set(chosen, at.key.data, at.value); /* NULL is refused. */
        }
    }
    if (json_object_size(chosen) == 0) {
        return false;
    }
    text_add_name(text, name);
    (void)err_failed(json_write(chosen, text)); /* A text that is too long says so at its end. */
    return true;
}

/* An object of texts without NUL, whose names may stand in an environment. */
enum texts_of { TEXTS_ALONE, TEXTS_OR_REFERENCES };
static struct err texts_check(const json_t *object, enum texts_of of, const char *member,
                              struct why *why) {
    if (object == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(object) || json_object_size(object) > AGENT_ENV_MAX) {
        return err_why(why, ERR_BAD_FIELD, "\"%s\" must be an object of at most %d texts", member,
                       AGENT_ENV_MAX);
    }
    for (struct json_member at = json_first(object); at.value != NULL; at = json_next(at)) {
        enum agent_secret where;
        const char *name;
        if (!text_is_plain(at.value) &&
            (of == TEXTS_ALONE || !agent_env_refers(at.value, &where, &name))) {
            return err_why(
                why, ERR_BAD_FIELD, "\"%s\": \"%.60s\" must be a text%s", member, at.key.data,
                of == TEXTS_ALONE
                    ? ""
                    : ", {\"from\": a variable of the daemon} or {\"file\": a key file}");
        }
        if (at.key.len == 0 || memchr(at.key.data, '=', at.key.len) != NULL ||
            strlen(at.key.data) != at.key.len) {
            return err_why(why, ERR_BAD_FIELD, "\"%s\": '%.60s' can be no name", member,
                           at.key.data);
        }
    }
    return ERR_OK;
}

bool agent_program_can(const char *program, enum agent_program_can what) {
    unsigned at = 0;
    return bytes_find(bytes_of(program), program_names, &at) && (programs_can[at] & what) != 0;
}

struct err agent_model_check(const char *model, struct why *why) {
    return model == NULL || model[0] != '-'
               ? ERR_OK
               : err_why(why, ERR_BAD_FIELD,
                         "\"model\": '%.60s' begins with a dash, as an option of the program does",
                         model);
}

static struct err tools_check(const struct agent_definition *what, struct why *why) {
    if (what->tools != NULL && !agent_program_can(what->program, AGENT_TAKES_TOOLS)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"tools\": %s cannot be given a list; limit it by \"access\" or \"args\"",
                       what->program);
    }
    for (size_t i = 0; i < json_array_size(what->tools); i++) {
        const json_t *name = json_array_get(what->tools, i);
        const size_t len = json_string_length(name);
        if (!text_is_plain(name) || len == 0 || len > AGENT_TOOL_NAME_MAX ||
            strpbrk(json_string_value(name), ", \t\n") != NULL) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"tools\": name %zu must be 1 to %d bytes without comma and blank",
                           i + 1, AGENT_TOOL_NAME_MAX);
        }
    }
    return ERR_OK;
}

/* A rule for a program that asks nothing would hold nothing back, and look as if it did. */
static struct err permissions_check(const struct agent_definition *what, struct why *why) {
    const json_t *rules = what->permissions;
    const bool fits = json_is_array(rules) && json_array_size(rules) <= PERMISSION_RULES_MAX;
    if (fits && !agent_program_can(what->program, AGENT_ASKS)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"permissions\" answer questions, and %s asks none: limit it by \"access\"",
                       what->program);
    }
    return rules == NULL ? ERR_OK : permission_rules_check(rules, why);
}

/* A field that nobody reads would leave a program without words, and nobody would know why. */
static struct err lines_check(const struct agent_definition *what, struct why *why) {
    static const char *const names[] = {"text",          "thinking",  "session",     "tool",
                                        "tool_id",       "arguments", "tool_result", "result",
                                        "error",         "status",    "transport",   "input_tokens",
                                        "output_tokens", "cost",      NULL};
    struct err err = texts_check(what->lines, TEXTS_ALONE, "lines", why);
    if (!err_failed(err) && json_object_size(what->lines) > 0 &&
        strcmp(what->program, "json_lines") != 0) {
        return err_why(why, ERR_BAD_FIELD, "\"lines\" are for the program json_lines, not for %s",
                       what->program);
    }
    for (struct json_member at = json_first(what->lines); !err_failed(err) && at.value != NULL;
         at = json_next(at)) {
        unsigned field;
        if (!bytes_find(at.key, names, &field)) {
            AUTO(text_done) struct text all = text_up_to(1 << 10);
            for (size_t i = 0; names[i] != NULL; i++) {
                text_addf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
            }
            return err_why(why, ERR_UNKNOWN_FIELD, "\"lines\": '%.60s' is none of %.*s",
                           at.key.data, (int)all.len, all.data);
        }
        if (!agent_place_fits(json_text(at.value))) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"lines\": '%.60s' of \"%s\" is no place in a line: write PATH, or "
                           "PATH if PATH=TEXT and PATH=TEXT; a path is names with dots between",
                           json_string_value(at.value), at.key.data);
        }
    }
    return err;
}

static bool texts_have(const json_t *texts, const char *what) {
    bool have = false;
    for (size_t i = 0; !have && i < json_array_size(texts); i++) {
        have = strstr(json_string_value(json_array_get(texts, i)), what) != NULL;
    }
    return have;
}

/* Each of these would begin a new session, and look as if it went on. */
static struct err resume_check(const struct agent_definition *what, struct why *why) {
    static const char session[] = "{session}";
    const bool lines = strcmp(what->program, "json_lines") == 0;
    if (what->resume_args == NULL) {
        return !lines || !texts_have(what->args, session)
                   ? ERR_OK
                   : err_why(why, ERR_BAD_FIELD,
                             "\"args\" begin a session, which has no name yet: write the arguments "
                             "that go on with {session} as \"resume_args\"");
    }
    if (!lines) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"resume_args\" are for the program json_lines, not for %s", what->program);
    }
    return texts_have(what->resume_args, session) && json_object_get(what->lines, "session") != NULL
               ? ERR_OK
               : err_why(why, ERR_BAD_FIELD,
                         "\"resume_args\" need {session} in one of them, and \"session\" in "
                         "\"lines\", which says where its name is");
}

/* A limit for which nothing is counted would hold nothing back. The default stands in definitions
 * that are kept. */
static struct err requests_check(const struct agent_definition *what, struct why *why) {
    const bool lines = strcmp(what->program, "json_lines") == 0;
    const bool counts = json_object_get(what->lines, "input_tokens") != NULL ||
                        json_object_get(what->lines, "output_tokens") != NULL;
    if (what->requests != AGENT_REQUESTS &&
        (strcmp(what->program, "plain") == 0 || (lines && !counts))) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"requests\": %s shows none of its requests%s; limit it by "
                       "\"deadline_ms\"",
                       what->program, lines ? " unless \"lines\" name its \"input_tokens\"" : "");
    }
    return ERR_OK;
}

/* Outcomes that a rule reads from stderr (classify.c). */
static struct err stderr_check(const struct agent_definition *what, struct why *why) {
    static const enum agent_outcome outcomes[] = {
        AGENT_AUTH_FAILED,  AGENT_RATE_LIMITED,     AGENT_PROVIDER_ERROR,
        AGENT_SESSION_BUSY, AGENT_CONTEXT_OVERFLOW, AGENT_PROVIDER_UNREACHABLE};
    const struct err err = texts_check(what->stderr_words, TEXTS_ALONE, "stderr", why);
    for (struct json_member at = json_first(what->stderr_words);
         !err_failed(err) && at.value != NULL; at = json_next(at)) {
        enum agent_outcome outcome;
        bool known = agent_outcome_find(bytes_of(json_string_value(at.value)), &outcome),
             read = false;
        for (size_t i = 0; known && i < COUNT_OF(outcomes); i++) {
            read = read || outcomes[i] == outcome;
        }
        if (!read) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"stderr\": '%.60s' is none of auth_failed, rate_limited, "
                           "provider_error, provider_unreachable, context_overflow, session_busy",
                           json_string_value(at.value));
        }
    }
    return err;
}

#define X(name, member) name,
static const char *const price_names[] = {AGENT_PRICES(X) NULL};
#undef X

static struct err price_check(const struct agent_definition *what, struct why *why) {
    if (what->price == NULL) {
        return ERR_OK;
    }
    if (!json_is_object(what->price) || json_object_get(what->lines, "cost") != NULL) {
        return err_why(
            why, ERR_BAD_FIELD,
            json_is_object(what->price)
                ? "\"price\" is for a program that reports no cost, and \"lines\" has one"
                : "\"price\" must be an object of integers");
    }
    for (struct json_member at = json_first(what->price); at.value != NULL; at = json_next(at)) {
        unsigned kind;
        if (!bytes_find(at.key, price_names, &kind)) {
            return err_why(why, ERR_UNKNOWN_FIELD,
                           "\"price\": '%.60s' is none of input, cache_read, cache_write, output",
                           at.key.data);
        }
        if (!json_is_integer(at.value) || json_integer_value(at.value) < 0 ||
            json_integer_value(at.value) > PRICE_MAX) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"price\": \"%s\" must be an integer from 0 to %lld: micro-dollars per "
                           "million tokens",
                           price_names[kind], (long long)PRICE_MAX);
        }
    }
    return ERR_OK;
}

struct usage_price agent_definition_price(const struct agent_definition *what) {
    struct usage_price price = USAGE_PRICE_NONE;
#define X(name, member) price.member = json_int(what->price, name, PRICE_UNKNOWN);
    AGENT_PRICES(X)
#undef X
    return price;
}

struct err agent_definition_read(const json_t *json, struct agent_definition *ret_what,
                                 struct why *why) {
    struct agent_definition what = {.name = NULL};
    struct err err = fields_read(&agent_fields, FIELD_GIVEN, json, &what, why);
    if (!err_failed(err)) {
        err = texts_check(what.env, TEXTS_OR_REFERENCES, "env", why);
    }
    err = err_failed(err) ? err : lines_check(&what, why);
    err = err_failed(err) ? err : resume_check(&what, why);
    err = err_failed(err) ? err : stderr_check(&what, why);
    err = err_failed(err) ? err : agent_model_check(what.model, why);
    err = err_failed(err) ? err : tools_check(&what, why);
    err = err_failed(err) ? err : permissions_check(&what, why);
    err = err_failed(err) ? err : requests_check(&what, why);
    err = err_failed(err) ? err : price_check(&what, why);
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

/* New. NULL: the field has no value. */
static json_t *value_pack(const struct field *field, const void *member) {
    switch (field->kind) {
    case FIELD_CHARS: {
        const char *text = *(const char *const *)member;
        return text == NULL ? NULL : json_string(text);
    }
    case FIELD_INT: {
        const int64_t number = *(const int64_t *)member;
        return number == 0 ? NULL : json_integer(number);
    }
    default:
        return json_incref(*(json_t *const *)member);
    }
}

static json_t *definition_pack(const struct agent_definition *what) {
    json_t *object = json_object();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *value = value_pack(&rows[i], (const char *)what + rows[i].at);
        if (value != NULL) { /* Without memory the write below fails. */
            (void)json_object_set_new(object, rows[i].name, value);
        }
    }
    return object;
}

struct err agent_definition_write(const struct agent_definition *what, struct text *text) {
    AUTO(json_release) json_t *object = definition_pack(what);
    return object == NULL ? err_make(ERR_OUT_OF_MEMORY, "agents: definition")
                          : json_write(object, text);
}

enum agent_access agent_definition_access(const struct agent_definition *what) {
    unsigned at = AGENT_ACCESS_WRITE;
    (void)(what->access != NULL &&
           bytes_find(bytes_of(what->access), accesses, &at)); /* Checked. */
    return (enum agent_access)at;
}

bool agent_definition_by_port(const struct agent_definition *what) {
    return what->reach != NULL && strcmp(what->reach, AGENT_REACH_PORT) == 0;
}

bool agent_json_by_port(struct bytes definition) {
    AUTO(json_release) json_t *json = NULL;
    return definition.len > 0 && !err_failed(json_parse_wrapped(definition, &json, NULL)) &&
           bytes_is(json_bytes(json, "reach"), AGENT_REACH_PORT);
}

const struct agent_definition *agent_built_in(unsigned at) {
    static const struct agent_definition built_in[] = {
#define X(id, name_, can, about)                                                                   \
    {.name = (name_),                                                                              \
     .description = (about),                                                                       \
     .program = (name_),                                                                           \
     .deadline_ms = AGENT_DEADLINE_MS,                                                             \
     .no_progress_ms = AGENT_NO_PROGRESS_MS,                                                       \
     .requests = AGENT_REQUESTS},
        AGENT_PROGRAMS(X)
#undef X
    };
    return at < COUNT_OF(built_in) && built_in[at].description != NULL ? &built_in[at] : NULL;
}
