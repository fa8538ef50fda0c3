/* submit.h: transactions that make a turn: of a message, of a notice, of an answer that is asked
 * for again; and cuts of the history. See turns.h.
 *
 * Threads    inside a store function. Failure: as store.h; refusals have a sentence.
 */
#ifndef DROVER_ENGINE_TURN_SUBMIT_H
#define DROVER_ENGINE_TURN_SUBMIT_H

#include "engine/session/messages.h"
#include "rules/turn/turn.h"

enum {
    TURN_TEXT_MAX = 1 << 20,    /* Bytes of a message. */
    TURN_QUEUE_MAX = 100,       /* Messages that wait in one session. */
    TURN_JOINED_MAX = 50,       /* Mails that wait to join one turn. */
    TURN_IMAGES_MAX = 16,       /* Per message. */
    TURN_SCHEMA_MAX = 64 << 10, /* Bytes. */
};

#define TURN_TRIGGERS(X)                                                                           \
    X(MESSAGE, "message") /* A user's message. */                                                  \
    X(NOTICE, "notice")   /* A result that came: inbox rows are bound to it. */                    \
    X(AGAIN, "again")     /* A retry, a regeneration, or an edited message. */                     \
    X(COMPACT, "compact") /* A summary was asked for: nothing is answered. */
enum turn_trigger {
#define X(trigger, name) TRIGGER_##trigger,
    TURN_TRIGGERS(X)
#undef X
};

/* A message as a line for the input of a program of that definition (agent/program.h). False: the
 * program takes none. `line` NULL: only that is asked. */
typedef bool (*turn_line)(struct bytes definition, struct bytes name, struct bytes words,
                          struct text *line);

/* Each transaction below uses the members that it names; no data, or "": none. */
struct turn_message {
    struct session_key session;
    struct message_key key; /* Instead of it: the answer, or the message, that is made again. */
    struct bytes client;    /* The client's own id of it. */
    struct bytes text;      /* Not empty. */
    struct bytes kept;      /* Metadata of the answer: a JSON object. */
    struct bytes attachments[TURN_IMAGES_MAX]; /* att_…, of the owner. */
    size_t attachment_count;
    struct bytes schema;         /* JSON Schema of the answer, which compiles; no data: words. */
    struct client_places places; /* Kept by the session. */
    struct bytes model;          /* "": as the session has it, else `model_default`. */
    struct bytes model_default;  /* "": there is none. */
    enum turn_policy policy;
    turn_line line;        /* STEER; NULL: programs get none. */
    struct bytes notify;   /* ses_… that is notified of the turn's end. */
    struct bytes parent;   /* run_…: the turn ends with it, and is charged where it is. */
    int64_t calls_max;     /* Calls of the model; 0: as many as a turn may make. */
    int64_t not_before_ms; /* As run_new has it. */
    bool yields; /* Another agent may do its work: it waits for a provider for a minute at most. */
    struct id run, message, answer; /* Used if they are needed. */
    struct run_bounds bounds;
    /* Filled by the engine: */
    enum turn_trigger trigger;
    struct bytes told;         /* Metadata of the message itself. */
    int64_t question, variant; /* AGAIN: id of the message, and number of the answer. */
};
struct turn_accepted {
    struct run_row run;   /* The turn that will answer it. */
    struct bytes message; /* msg_… */
    enum turn_decision decision;
    struct bytes process; /* run_…: the message is in its input now; "": in none. */
    bool repeated;        /* The client's id was known: this is what was decided then. */
    struct bytes undone;  /* UNDO: JSON array of what the undone turn's tools did. */
};
/* The message joins the turn that runs, as with the policy `steer`; *ret_turn is that run. "": no
 * turn runs that takes messages, and nothing has changed. Uses session, text, line and message. */
MUST_CHECK struct err tx_turn_join(struct tx *tx, const struct turn_message *message,
                                   struct bytes *ret_turn, struct why *why);

/* ERR_NOT_FOUND: no such session. ERR_TURN_IN_PROGRESS: `reject` while one runs, whose id is in
 * `why` and in ret_accepted->run; ERR_MESSAGE_EXISTS: that client id with other content.
 * ERR_TOO_MANY: the queue is full; ERR_BAD_FIELD: there is no such attachment. */
MUST_CHECK struct err tx_turn_submit(struct tx *tx, const struct turn_message *message,
                                     struct turn_accepted *ret_accepted, struct why *why);

/* A queued message of a user goes before all others that are queued, and the turn that runs is
 * asked to end as by a message with `interrupt`; its text stays. ERR_MESSAGE_NOT_FOUND,
 * ERR_NOT_A_USER_MESSAGE; ERR_CONFLICT: it is not queued (any more). */
struct turn_send_now {
    struct message_key key;
    struct run_bounds bounds;
};
MUST_CHECK struct err tx_turn_send_now(struct tx *tx, const struct turn_send_now *what,
                                       struct turn_accepted *ret_accepted, struct why *why);

/* ERR_TURN_IN_PROGRESS, in words: a turn of the session has not ended. */
MUST_CHECK struct err tx_session_idle(struct tx *tx, const struct session_row *session,
                                      struct why *why);

/* --- An answer is asked for again (history.c) ------------------------------------------------- */

/* The last answer of a session becomes one variant of it, and a new one is begun, which is in
 * prompts from then on. ERR_MESSAGE_NOT_FOUND; ERR_TURN_IN_PROGRESS, with the run in `why`;
 * ERR_CONFLICT: it is not the last answer to a user's message; ERR_NO_MODEL. */
MUST_CHECK struct err tx_turn_again(struct tx *tx, const struct turn_message *again,
                                    struct run_row *ret_run, struct why *why);

/* An answer that is there becomes the one that is in prompts; a summary of the other is void.
 * ERR_MESSAGE_NOT_FOUND; ERR_TURN_IN_PROGRESS, with the run in `why`; ERR_CONFLICT: it is no answer
 * that has ended. */
MUST_CHECK struct err tx_turn_choose(struct tx *tx, const struct message_key *key,
                                     struct message_row *ret_row, struct why *why);

/* --- History is cut (history.c) -------------------------------------------------------------- */

/* All messages go in one commit, and the turns of the session are asked to end: whatever is still
 * brought to them is stored nowhere. */
struct turn_clear {
    struct session_key session;
    struct run_bounds bounds;
    bool emptied; /* By an earlier link of the chain. */
};
struct turn_cleared {
    int64_t session; /* id */
    bool more;       /* Call again, with `emptied`: a turn has more below it than a commit asks. */
};
/* ERR_NOT_FOUND. */
MUST_CHECK struct err tx_turn_clear(struct tx *tx, const struct turn_clear *what,
                                    struct turn_cleared *ret_cleared);

/* Sends a user's message again. All messages after it move to a fork. Takes several commits, as the
 * fork does; the session is unchanged until the last of them. */
struct turn_resend {
    struct turn_message message; /* text: data NULL: as it was. */
    struct session_fork fork;    /* `session` and `seed` are given, the rest begins with 0. */
};
struct turn_resent {
    int64_t session;          /* id */
    struct session_fork fork; /* Begin of the next link. */
    bool more;
    struct run_row run;
    bool forked; /* There was something after it. */
};
/* ERR_MESSAGE_NOT_FOUND; ERR_NOT_A_USER_MESSAGE; ERR_TURN_IN_PROGRESS, with the run in `why`;
 * ERR_CONFLICT: it joined an answer, or was taken back; ERR_NO_MODEL. After an error of a
 * later link: tx_session_fork_abandon. */
MUST_CHECK struct err tx_turn_resend(struct tx *tx, const struct turn_resend *what,
                                     struct turn_resent *ret_resent, struct why *why);

/* Whether the message was removed: no more of its pieces is sent to anybody. */
MUST_CHECK struct err tx_message_gone(struct tx *tx, struct bytes message, bool *ret_gone);
/* A page of what removed messages of the session said goes from the disk. *ret_more: call again. */
enum { MESSAGE_PURGE_PAGE = 200 };
MUST_CHECK struct err tx_message_purge(struct tx *tx, int64_t session, bool *ret_more);

/* --- A notice comes --------------------------------------------------------------------------- */

enum turn_followed {
    FOLLOW_UP_BEGUN,
    FOLLOW_UP_BUSY, /* A turn goes on; its end offers what is left. */
    FOLLOW_UP_IDLE, /* Nothing is due; or the session is no more, and all was settled as gone. */
    FOLLOW_UP_MORE, /* The session is no more, and more is to be settled: call again. */
};
/* Notices that a session is owed become a turn of it, where it has none. */
MUST_CHECK struct err tx_turn_follow_up(struct tx *tx, const struct turn_message *followup,
                                        enum turn_followed *ret_followed);

#endif
