/* api.h: what every command that asks the daemon begins with.
 *
 * Ownership  embedded, begun as {.interrupt_fd = -1}; talk_close ends it, also half-opened. Ctrl-C
 *            is taken over from the process, so that a wait can end in order.
 * Threads    one.
 * Failure    a talk that could not be opened keeps that error, and answers each request with it.
 */
#ifndef DROVER_CLI_BASE_API_H
#define DROVER_CLI_BASE_API_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "cli/base/cli.h"
#include "cli/base/client.h"

struct talk {
    struct client_options options;
    struct client *client;         /* Owned. */
    char *data;                    /* Owned: the default data directory. */
    struct text environment;       /* Owned: of client_options. */
    int interrupt_fd;              /* Owned. */
    struct err err;                /* Error of the opening. */
    struct invocation *invocation; /* Borrowed: for the start of a daemon. */
    bool warned_version;           /* Whether the user knows that the daemon is older. */
    bool warned_held;              /* Once is enough, however many waits a command consists of. */
    int64_t epoch; /* Epoch of the first daemon, then of the last talk_finds_restart; 0: none. */
    const struct world *world;
    /* The last start of a daemon, where it failed: why, and when. */
    struct err start_err;
    struct why start_why;
    uint64_t start_ns;
};

/* The error may be left to the first request. */
struct err talk_open(struct talk *talk, struct invocation *invocation);
void talk_close(struct talk *talk); /* For AUTO. */
/* From here on a hang-up and Ctrl-\ end a wait in order, too: for who must tidy up a terminal. */
void talk_hear_all(struct talk *talk);

/* Starts a daemon in the background where none serves the data directory, whatever --no-start says.
 * Not for a talk over TCP. */
MUST_CHECK struct err talk_start(struct talk *talk, struct why *why);
/* Has systemd restart the daemon where the user unit serves this directory (user_unit.h). */
MUST_CHECK struct err talk_restart_unit(struct talk *talk, bool *ret_is_unit, struct why *why);
/* From here on a request that finds no daemon starts none. */
void talk_start_none(struct talk *talk);

/* One request; the answer as text and, where ret_json is not NULL, parsed (owned). `why` may be
 * NULL here, and in the functions below that send a request. */
MUST_CHECK struct err talk_ask(struct talk *talk, const struct client_request *request,
                               struct text *ret_body, json_t **ret_json, struct why *why);

/* GET of a target, as api_ask. */
MUST_CHECK struct err talk_get(struct talk *talk, const char *target, json_t **ret_json,
                               struct why *why);

/* GET of a target, once, for at most that time. */
MUST_CHECK struct err talk_look(struct talk *talk, const char *target, int64_t timeout_ms,
                                json_t **ret_json, struct why *why);
/* "drover: …; trying again" on stderr. */
void talk_trouble(void *ctx, const char *text);
void talk_trouble_of(struct err err, const struct why *why); /* `why` may be empty. */

/* Whether a word can be a segment of a path. A server takes no "..", and no slash in a segment, so
 * nothing has such a name. */
MUST_CHECK bool talk_name_fits(const char *id);
/* "/api/v1/runs/" ID REST; false: the word can be no id, or is too long for one. */
MUST_CHECK bool talk_target(struct text *target, const char *base, const char *id,
                            const char *rest);

/* The sentence about an id that cannot be one, with the id in place of "{}". NULL: none. */
void talk_unknown(struct why *why, const char *sentence, const char *id);

/* The pause before the next try: 20 ms, then twice as long each time, up to 2 s. Half of it is
 * random, so that many clients of one daemon do not come back at once. *pause_ms begins with 0. */
int64_t talk_pause_next(const struct world *world, int64_t *pause_ms);

/* The rows of a list, page by page, until `most` of them (0: all) or until `enough`. `path` may
 * have a query; `each` gets one item. */
struct talk_end {
    int64_t shown;
    bool more; /* Whether rows follow those that `each` got. */
    int64_t total;
    bool total_more; /* Whether there are more than `total`, which is counted to a bound. */
};
struct talk_rows {
    const char *path;
    int64_t most;
    bool total;         /* Whether all rows are to be counted. */
    const bool *enough; /* `each` sets it; NULL: it never does. */
    void (*each)(void *ctx, const json_t *item);
    void *ctx;
    struct talk_end *end; /* Filled on success; may be NULL. */
};
MUST_CHECK struct err talk_rows(struct talk *talk, const struct talk_rows *rows, struct why *why);
/* All of them. */
MUST_CHECK struct err talk_list(struct talk *talk, const char *path,
                                void (*each)(void *ctx, const json_t *item), void *ctx,
                                struct why *why);

/* "2026-11-20 07:01:27Z" */
struct talk_time {
    char text[24];
};
struct talk_time talk_time(int64_t ms);
/* The same without its date. */
struct talk_time talk_clock(int64_t ms);
/* "now", "12 s ago", "3 min ago", "5 h ago", "12 days ago", "in 5 min"; a day after 60 days. */
struct talk_time talk_ago(int64_t ms, int64_t now_ms);
/* "in 5 min" of a time to come, "now" of one that has passed. */
struct talk_time talk_in(int64_t ms, int64_t now_ms);
/* The object of the list whose member has this text; NULL: none. */
const json_t *talk_find(const json_t *rows, const char *member, const char *text);
/* Members of an object; "" and 0 where they are not what was expected. */
const char *talk_text(const json_t *object, const char *key);
int64_t talk_int(const json_t *object, const char *key);
/* Whether the last answer to `client` is of another daemon than at the last call, or, at the first
 * call, than the first answer. */
bool talk_finds_restart(struct talk *talk, const struct client *client);
/* Whether the last answer to `client` says that the daemon holds; true once for each command. */
bool talk_finds_held(struct talk *talk, const struct client *client);
#define TALK_HELD_WORDS                                                                            \
    "the daemon holds: nothing starts before 'drover release', which first shows what would"
void talk_held_print(void);
/* Prints to stderr, once, that the daemon holds, where the last answer says so: what is waited for
 * does not begin. run_wait, turn_watch and follow_run do so; a command that waits by other means
 * calls it first. */
void talk_warn_held(struct talk *talk);
/* Prints the value as one line of JSON. */
void talk_print(const json_t *value);

#endif
