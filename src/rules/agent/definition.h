/* definition.h: an agent that is a program, as it is defined: what is started, and within which
 * limits. Pure.
 *
 * Ownership  texts and values are borrowed from where the definition was read.
 * Threads    any.
 */
#ifndef DROVER_RULES_AGENT_DEFINITION_H
#define DROVER_RULES_AGENT_DEFINITION_H

#include "base/base.h"
#include "base/fields/fields.h"
#include "rules/trace/usage.h"

enum {
    AGENT_NAME_MAX = 64,
    AGENT_ARGS_MAX = 64,
    AGENT_TOOLS_MAX = 64,
    AGENT_TOOL_NAME_MAX = 200,
    AGENT_ENV_MAX = 64,
    AGENT_ENV_NAME_MAX = 200, /* Bytes of a reference: variable or file. */
    AGENT_INSTRUCTIONS_MAX = 64 << 10,
    AGENT_DEFINITION_MAX = 256 << 10, /* Bytes of a file, and of one as JSON. */
    AGENT_DEADLINE_MS = 2 * 3600 * 1000,
    /* Programs end by themselves after ten minutes of silence; their own words come first. */
    AGENT_NO_PROGRESS_MS = 630 * 1000,
    AGENT_REQUESTS = 2000,
    AGENT_ROWS_MAX = 200,
};
#define AGENT_DEADLINE_MAX_MS (INT64_C(30) * 24 * 3600 * 1000)

/* Programs whose lines are read, each by an adapter (src/agent/): its word, what it can, and what
 * `drover agent ls` says of the agent of that name; NULL: there is none. */
enum agent_program_can {
    AGENT_ASKS = 1,        /* Before it acts. */
    AGENT_TAKES_TOOLS = 2, /* A list of tools can be given to it. */
};
#define AGENT_PROGRAMS(X)                                                                          \
    X(claude, "claude", AGENT_ASKS | AGENT_TAKES_TOOLS,                                            \
      "Claude Code, with the login or the key that it has. Asks before it acts.")                  \
    X(codex, "codex", 0, "Codex, with the login or the key that it has. Writes below its folder.") \
    X(opencode, "opencode", 0,                                                                     \
      "OpenCode, as it is set up. It may do what its own settings allow.")                         \
    X(kilo, "kilo", 0, "Kilo, as it is set up. It may do what its own settings allow.")            \
    X(pi, "pi", AGENT_TAKES_TOOLS,                                                                 \
      "Pi, as it is set up. It asks for nothing: it may do what its user may.")                    \
    X(json_lines, "json_lines", 0, NULL)                                                           \
    X(plain, "plain", 0, NULL)

/* Rights of a program that cannot ask; each adapter has its own words for them. */
#define AGENT_ACCESSES(X)                                                                          \
    X(READ, "read")   /* The files of its folder. */                                               \
    X(WRITE, "write") /* And change them. */                                                       \
    X(ALL, "all")     /* All that its user may, without a question. */
enum agent_access {
#define X(access, name) AGENT_ACCESS_##access,
    AGENT_ACCESSES(X)
#undef X
        AGENT_ACCESS_COUNT
};

/* Ways of a program to drover's API: the socket in the data directory, or, from a sandbox or a
 * container that hides that, the port of the web pages, with a token of its run
 * (rules/token/run_token.h). */
#define AGENT_REACH_SOCKET "socket"
#define AGENT_REACH_PORT "port"

/* The one isolation: a git working tree for each task, in workflows and in `agent run`. */
#define AGENT_ISOLATION_WORKTREE "worktree"

struct agent_definition {
    const char *name, *description;
    const char *program; /* Name of its adapter. */
    const char *command; /* A path, or a name that is looked up; NULL: that of the adapter. */
    json_t *args;        /* Texts, after those of the adapter; NULL: none. */
    json_t *resume_args; /* For json_lines: instead of args, in a session that goes on. NULL: its
                          * sessions cannot be continued. */
    /* Name: text, or a reference to a secret, which is in no row: {"from": variable of the daemon's
     * environment}, {"file": file in DIR/agent-keys}. NULL: none. */
    json_t *env;
    const char *model, *instructions; /* NULL: none. */
    json_t *tools;                    /* Names of those that it has; NULL: all of its own. */
    const char *access;
    /* Rules that answer its questions, before those of the session; NULL: none. */
    json_t *permissions;
    json_t *lines; /* For json_lines: paths of the fields. NULL: none. */
    /* Words that it prints to stderr when it fails: the name of the outcome. NULL: none. */
    json_t *stderr_words;
    /* Micro-dollars per million tokens, for a program that reports no cost: an object of integers
     * with the names of AGENT_PRICES. NULL: none. */
    json_t *price;
    const char *isolation; /* AGENT_ISOLATION_WORKTREE; NULL: it works in the folder itself. */
    const char *reach;     /* AGENT_REACH_PORT, _SOCKET; NULL: the latter. */
    int64_t at_once, deadline_ms, no_progress_ms, memory, processes, requests; /* 0: not given. */
};

/* Name in the definition, as in a price file of models; member of struct usage_price. */
#define AGENT_PRICES(X)                                                                            \
    X("input", fresh)                                                                              \
    X("cache_read", cache_read)                                                                    \
    X("cache_write", cache_write)                                                                  \
    X("output", output)

extern const struct field_set agent_fields;

/* A definition as it came from outside. ERR_BAD_FIELD, …: `why` names the field. */
MUST_CHECK struct err agent_definition_read(const json_t *json, struct agent_definition *ret_what,
                                            struct why *why);
/* A model that a program is started with; NULL: none. ERR_BAD_FIELD: the program would read it as
 * an option. */
MUST_CHECK struct err agent_model_check(const char *model, struct why *why);
/* As it is kept with a turn: compact JSON that agent_definition_read takes. */
MUST_CHECK struct err agent_definition_write(const struct agent_definition *what,
                                             struct text *text);
enum agent_access agent_definition_access(const struct agent_definition *what);
MUST_CHECK bool agent_definition_by_port(const struct agent_definition *what);
/* The same of one as JSON, as sessions keep it; "": a model, which has tools. */
MUST_CHECK bool agent_json_by_port(struct bytes definition);
MUST_CHECK bool agent_program_can(const char *program, enum agent_program_can what);
/* USAGE_PRICE_NONE: it has none. */
struct usage_price agent_definition_price(const struct agent_definition *what);

/* A value of `env` that is a reference. False: it is a text. */
enum agent_secret { AGENT_SECRET_VARIABLE, AGENT_SECRET_FILE };
MUST_CHECK bool agent_env_refers(const json_t *value, enum agent_secret *ret_where,
                                 const char **ret_name);

/* Adds a member: an object of the variables that are texts, or of those that refer to secrets.
 * False: there are none, and nothing was added. */
enum agent_env_part { AGENT_ENV_TEXTS, AGENT_ENV_REFERENCES };
bool agent_env_write(const json_t *env, enum agent_env_part part, const char *name,
                     struct text *text);

/* Definitions that drover comes with: one for each program that it knows; NULL ends them. */
const struct agent_definition *agent_built_in(unsigned at);

#endif
