/* session.h: sessions are made, given images, spoken to and summarised.
 *
 * Promise    a message has an id of its own, so that a message that is sent again, because its
 *            answer got lost, is said once.
 * Ownership  *ret_id, *ret_run (mem_free; a run as JSON: json_decref) are the caller's.
 * Threads    one.
 * Failure    as api_request.h.
 */
#ifndef DROVER_CLI_SESSION_SESSION_H
#define DROVER_CLI_SESSION_SESSION_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "cli/base/api.h"

#define SESSION_UNKNOWN "there is no session '{}'"
/* Members of the struct api_request of one session. */
#define SESSION_REQUEST(id_) .base = "/api/v1/sessions/", .id = (id_), .unknown = SESSION_UNKNOWN

/* Creates a session. ERR_USAGE: `root`, a folder seen from the current one, does not exist. */
struct session_wish {
    const char *model, *root, *title; /* NULL: none. */
    const char *agent;                /* A program that answers; NULL: a model does. */
    const char *native;               /* Session of the program that goes on; NULL: a new one. */
    json_t *worktree; /* A working tree of its own, as the API takes it; NULL: none. Borrowed. */
    bool main;        /* The one session of that agent and root, once it is made. */
    bool tells;       /* session_agent_tell, before it is made. */
};
MUST_CHECK struct err session_make(struct talk *talk, const struct session_wish *wish,
                                   char **ret_id, struct why *why);
/* Flags of commands that make sessions, and the member "worktree" by them; NULL: none is asked for.
 * ERR_USAGE: a flag that needs --worktree stands without it. */
#define SESSION_TREE_OPTIONS                                                                       \
    OPTION_SWITCH("worktree", 'w', "Work in a git working tree of its own, of DIR's repository."), \
        OPTION_TEXT("name", 0, "NAME", "Name of that tree, and of its branch drover/NAME [s-…]."), \
        OPTION_TEXT("base", 0, "COMMIT",                                                           \
                    "Begin it at this branch or commit, or at \"now\": DIR as it stands [HEAD].")
MUST_CHECK struct err session_worktree_read(const struct args *args, json_t **ret_worktree,
                                            struct why *why);
/* An agent, as its list has it. `root`: absolute; NULL: none. ERR_NOT_FOUND: there is none. */
MUST_CHECK struct err session_agent(struct talk *talk, const char *name, const char *root,
                                    json_t **ret_agent, struct why *why);
/* An agent that is a program. ERR_USAGE: it is one of models. */
MUST_CHECK struct err session_program(struct talk *talk, const char *name, const char *root,
                                      json_t **ret_agent, struct why *why);
/* Whether a program answers in a session, by its row. *ret_agent: as the list of agents has it. */
MUST_CHECK bool session_has_program(struct talk *talk, const json_t *row, json_t **ret_agent);
/* The row of a session. ERR_USAGE: its agent is not the one of that name, which a session keeps. */
MUST_CHECK struct err session_of_agent(struct talk *talk, const char *session, struct bytes agent,
                                       json_t **ret_row, struct why *why);
/* Tells a person what the agent does without a question. */
void session_agent_tell(const json_t *agent);
/* --native is for a new session, of an agent that is named. ERR_USAGE. */
MUST_CHECK struct err native_check(struct invocation *invocation);
/* Model that messages to a session which was there before are to have: the flag's. What the
 * environment or a file names is for new sessions. NULL: the session's. */
const char *session_model(const struct args *args);
/* Adds an image to a session; *ret_id: of the attachment. */
MUST_CHECK struct err session_attach(struct talk *talk, const char *session, const char *path,
                                     char **ret_id, struct why *why);
/* Sends a message; *ret_run: the turn that answers it. */
struct session_say {
    const char *session, *text, *model;
    const char *policy;    /* While a turn runs; NULL: the message is queued. */
    const json_t *schema;  /* Of the answer; NULL: words. */
    const json_t *images;  /* Array of what session_attach gave; NULL: none. */
    const char *client_id; /* A message is accepted once under this id; NULL: a new id. */
    int64_t retry_ms;      /* While the daemon is away; 0: one try. */
};
MUST_CHECK struct err session_say(struct talk *talk, const struct session_say *say, char **ret_run,
                                  struct why *why);
/* Floor and head of the session's stream now: events of a turn that runs are after its floor. */
struct session_ends {
    int64_t floor, head;
};
MUST_CHECK struct err session_ends(struct talk *talk, const char *session,
                                   struct session_ends *ret_ends, struct why *why);
/* Has the messages summarised for the model, and waits until that run has ended. */
MUST_CHECK struct err session_compact(struct talk *talk, const char *session, json_t **ret_run,
                                      struct why *why);

#endif
