/* rules/session/session.h: what a session, a message and its parts are. Pure: no clock, no I/O.
 *
 *   queued ──> running ──> completed | interrupted | failed ──> rolled_back | removed
 *     │            └──────────────────────────────────────────────────^
 *     └──> completed (a user's message, when its turn begins) | rolled_back | removed
 *   interrupted ──> completed                               (a user's, said once more)
 *   reserved ──> running | removed                          (an answer)
 *   steering ──> joined | completed | removed               (what a user says meanwhile)
 *     v ^ it ended before
 *   delivered ──> joined | completed | removed              (it is in the input of the program)
 *
 * A message goes into prompts when it is `active`, and running, completed, interrupted or failed.
 */
#ifndef DROVER_RULES_SESSION_SESSION_H
#define DROVER_RULES_SESSION_SESSION_H

#include "base/base.h"

/* Names in the database, the API and the docs. */
#define SESSION_STATES(X)                                                                          \
    X(IDLE, "idle")                                                                                \
    X(RUNNING, "running")                                                                          \
    X(WAITING, "waiting")                                                                          \
    X(COMPACTING, "compacting")

#define MESSAGE_ROLES(X)                                                                           \
    X(USER, "user")                                                                                \
    X(ASSISTANT, "assistant")                                                                      \
    X(SYSTEM, "system")                                                                            \
    X(NOTICE, "notice")

#define MESSAGE_STATUSES(X)                                                                        \
    X(QUEUED, "queued")                                                                            \
    X(RUNNING, "running")                                                                          \
    X(COMPLETED, "completed")                                                                      \
    X(INTERRUPTED, "interrupted")                                                                  \
    X(FAILED, "failed")                                                                            \
    X(ROLLED_BACK, "rolled_back")                                                                  \
    X(REMOVED, "removed")                                                                          \
    X(RESERVED, "reserved")   /* The place of an answer whose turn has not begun. */               \
    X(STEERING, "steering")   /* A user's: it joins the turn that runs, with its next call. */     \
    X(JOINED, "joined")       /* It did: prompts have it inside that answer. */                    \
    X(DELIVERED, "delivered") /* STEERING, and in the input of a program, which has not read it. */

#define PART_KINDS(X)                                                                              \
    X(TEXT, "text")                                                                                \
    X(THINKING, "thinking")                                                                        \
    X(TOOL, "tool")                                                                                \
    X(IMAGE, "image")                                                                              \
    X(ERROR, "error")                                                                              \
    X(NOTICE, "notice")                                                                            \
    X(STEER, "steer") /* What a user said while it ran. */

/* Of a tool's card; NONE: of any other part. */
#define PART_STATES(X)                                                                             \
    X(NONE, "")                                                                                    \
    X(READY, "ready")                                                                              \
    X(ASKING, "asking")                                                                            \
    X(REVIEWING, "reviewing")                                                                      \
    X(RUNNING, "running")                                                                          \
    X(PENDING, "pending")                                                                          \
    X(SUCCEEDED, "succeeded")                                                                      \
    X(FAILED, "failed")                                                                            \
    X(DENIED, "denied")                                                                            \
    X(CANCELLED, "cancelled")                                                                      \
    X(OUTCOME_UNKNOWN, "outcome_unknown")

enum session_state {
#define X(state, name) SESSION_##state,
    SESSION_STATES(X)
#undef X
        SESSION_STATE_COUNT
};
enum message_role {
#define X(role, name) ROLE_##role,
    MESSAGE_ROLES(X)
#undef X
        MESSAGE_ROLE_COUNT
};
enum message_status {
#define X(status, name) MESSAGE_##status,
    MESSAGE_STATUSES(X)
#undef X
        MESSAGE_STATUS_COUNT
};
enum part_kind {
#define X(kind, name) PART_##kind,
    PART_KINDS(X)
#undef X
        PART_KIND_COUNT
};
enum part_state {
#define X(state, name) PART_STATE_##state,
    PART_STATES(X)
#undef X
        PART_STATE_COUNT
};
enum title_by { TITLE_NONE, TITLE_USER, TITLE_AUTO, TITLE_BY_COUNT }; /* "", user, auto. */

extern const char *const session_state_names[]; /* By value; NULL ends them. */
extern const char *const message_role_names[];
extern const char *const message_status_names[];
extern const char *const part_kind_names[];
extern const char *const part_state_names[];
extern const char *const title_by_names[];
const char *message_status_name(enum message_status status);
const char *part_kind_name(enum part_kind kind);
const char *part_state_name(enum part_state state);
MUST_CHECK bool part_state_find(struct bytes name, enum part_state *ret_state);

bool message_edge_legal(enum message_status from, enum message_status to);
/* Whether a client sees it in lists: all but what was removed. */
bool message_shown(enum message_status status);
/* Whether a tool's card in this state is still open. */
bool part_state_open(enum part_state state);

/* --- Rows, as the rules see them. Texts are borrowed from whoever filled them. ---------------- */

/* Sums over the calls of models: numbers only, in the order of their columns. */
struct session_usage {
    int64_t calls, fresh, cache_read, cache_write, output, reasoning;
    int64_t cost_micros;  /* Of those calls whose cost is known, */
    int64_t cost_unknown; /* and how many there are of which it is not. */
};
enum { SESSION_USAGE_NUMBERS = sizeof(struct session_usage) / sizeof(int64_t) };
/* A sum that is larger than any model takes (its row is damaged) stays at the largest number. */
void session_usage_add(struct session_usage *sum, const struct session_usage *more);

/* Places of the client's environment: PATH and CLAUDE_CONFIG_DIR of a message. "": as the session
 * has them. */
struct client_places {
    struct bytes path, config_dir;
};

/* State of a session whose agent is a program. */
struct session_native {
    int64_t answer;      /* id of the newest message whose turn wrote `reader`; 0: none. */
    int64_t heard;       /* The newest one whose question the program has read; 0: none. */
    struct bytes reader; /* State of the reader (agent/program.h); "": a new session begins. */
};

/* SQL: the working tree of a session as JSON. No text in it needs escapes: rules/tree/tree.h. */
#define SESSION_TREE_SQL(session)                                                                  \
    "SELECT '{\"id\":\"' || tree || '\",\"name\":\"' || name"                                      \
    " || '\",\"branch\":\"' || branch || '\",\"state\":\"' || state || '\"}'"                      \
    " FROM trees WHERE holder = " session

struct session_row {
    int64_t id;           /* Inside the database; rises with each session. */
    struct bytes session; /* ses_… */
    struct bytes owner, project;
    int64_t parent, depth;    /* parent: id of the session whose subagent it is; 0: none. */
    struct bytes parent_name; /* The same as clients see it; read, never written. */
    int64_t hidden; /* 0: in sight; else the epoch of the daemon that makes it, or it is deleted. */
    int64_t version; /* Rises with each change by a client. */
    enum session_state state;
    int64_t archived_ms; /* 0: it is not. */
    int64_t deleted_ms;  /* 0: it is not. Else it is archived, too, and can be restored. */
    int64_t made_ms, changed_ms;
    struct session_usage usage;
    int64_t context_used;   /* Tokens of the conversation: of the last prompt and its answer, or an
                             * estimate where it was changed since (sessions__weigh_context). */
    int64_t context_window; /* That the model takes; 0: none was asked. */
    struct bytes last;      /* The last line that was said; only where clients see the row. */
    struct bytes title;
    enum title_by title_by;
    struct bytes model, agent;       /* "": the default. */
    struct bytes root;               /* The project's folder, absolute; "": none. */
    struct bytes worktree;           /* The tree that it has, as JSON for clients; never written. */
    struct bytes forked_from;        /* msg_… or "". */
    int64_t fork_of;                 /* id of the session whose fork it is; 0: none. */
    struct bytes fork_name;          /* The same as clients see it; read, never written. */
    struct bytes metadata, settings; /* JSON objects, compact. */
    struct bytes instructions;       /* "": those of the agent alone. */
    struct bytes program;    /* Definition of its agent that is a program: JSON; "": a model. */
    struct bytes path;       /* PATH of its commands; "": that of the daemon. */
    struct bytes config_dir; /* CLAUDE_CONFIG_DIR of its workflows; "": that of the daemon. */
    struct session_native native;
};

struct message_row {
    int64_t id;           /* Inside the database; the order of messages. */
    struct bytes message; /* msg_… */
    int64_t session;      /* id. */
    enum message_role role;
    enum message_status status;
    int64_t run;                       /* id of the turn; 0: none. */
    int64_t reply_to;                  /* id of the message that it answers; 0: none. */
    struct bytes run_name, reply_name; /* The same as clients see them; read, never written. */
    int64_t variant;                   /* Of the answer, from 0. */
    bool active;
    int64_t made_ms, changed_ms;
    struct bytes client_id, client_digest; /* "": the client gave none. */
    struct bytes cause, error;             /* Why it ended so: a word, and a sentence; or "". */
    struct bytes metadata;                 /* JSON object, compact. */
};

struct message_part {
    int64_t message; /* id. */
    int64_t number;  /* From 1. */
    int64_t step;    /* Of the turn; 0: a user's. */
    enum part_kind kind;
    enum part_state state;
    struct bytes cause;        /* Of a tool's card that has ended (rules/turn/card.h); or "". */
    struct bytes name;         /* Of a tool; of an image its media type. */
    struct bytes call;         /* The model's id of a tool call. */
    int64_t run;               /* id of the run that it started; 0: none. */
    struct bytes run_name;     /* The same as clients see it; read, never written. */
    int64_t bytes, data_bytes; /* Of the whole text and data, whatever of them was read. */
    struct bytes data;         /* JSON object, compact. */
    struct bytes text;         /* Of a tool: its result. */
};

/* The project of a session that names none and works in no folder that has one. */
#define SESSION_PROJECT_DEFAULT "default"

/* A deleted session can be restored for so long; then it is removed. */
enum { SESSION_DELETED_KEPT_MS = 7 * 24 * 60 * 60 * 1000 };

/* 1 to 64 of a-z 0-9 _ . -, beginning with a letter or a digit. */
MUST_CHECK bool session_project_valid(struct bytes project);

#endif
