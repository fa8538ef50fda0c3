/* given.h: the fields of a session that a client sends, and their limits.
 *
 * Ownership  texts are borrowed from the JSON value that was read.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_SESSION_GIVEN_H
#define DROVER_RULES_SESSION_GIVEN_H

#include "base/base.h"
#include "base/fields/fields.h"

enum {
    SESSION_PROJECT_MAX = 64, /* Bytes, like all of these. */
    SESSION_TITLE_MAX = 200,
    SESSION_MODEL_MAX = 200,
    SESSION_AGENT_MAX = 64,
    SESSION_ROOT_MAX = 4096,
    SESSION_INSTRUCTIONS_MAX = 64 << 10,
    SESSION_SETTINGS_MAX = 16 << 10, /* As compact JSON. */
    SESSION_METADATA_MAX = 16 << 10,
};

/* Texts that are not named have no data. */
struct session_given {
    struct bytes title, model, agent, root, instructions;
    json_t *settings, *metadata; /* NULL: not named. */
    json_t *worktree;            /* For a new session: true, or {"name", "base"}. */
    struct bytes project;        /* For a new session; or another one, for a change. */
    struct bytes parent;         /* For a new session. */
    struct bytes native;         /* For a new session: the one of the program that goes on. */
    bool main;                   /* For a new session: the one of its agent and folder. */
    bool archived, deleted;      /* For a change. */
    int64_t version;             /* For a change; 0: not named. */
};
extern const struct field_set session_fields;

/* A session as clients see it (struct session_row): FIELD_LISTED, FIELD_WHOLE with its texts, and
 * FIELD_TOLD. Its usage alone, of struct session_usage: `cost_micros` is null when no call's cost
 * is known. */
extern const struct field_set session_shown_fields, session_usage_fields;

#endif
