/* request.h: a request as a row: which steps it has, and the resource's functions for those that
 * are its own.
 *
 *   key        the owner, and the id of the path, are read; else it is refused
 *   read       the body becomes a struct by the fields; `read` checks what they mean. A large body
 *              is read in the pool, and later requests of the connection wait until it was
 *   folder     where it names a folder to be read, that the client has a right to it
 *   start      what only the loop knows
 *   pool       what would block the loop; later requests of the connection wait until it is done
 *   work       the transaction; without one the next step follows at once. Under an
 *              Idempotency-Key, where the route honours one, the stored answer takes its place:
 *              key, digest and answer are in the commit of the change
 *   done       after the commit: what others must hear, or another transaction
 *   after      in the pool, when nothing failed: what reads the disk for the answer
 *   end        after the answer, which took the exchange: what the object owns beside its texts
 *              (request_text) is freed, what has time until then begins
 *
 * Promise    the exchange is answered exactly once; an error of a step is the answer, and the steps
 *            after it are left out, but `done` sees it too, once there was a transaction.
 *            ERR_NOT_FOUND without words gets those of the object that the path names.
 * Ownership  the object begins with a struct request and is the pipeline's: it is zeroed at first
 *            and freed after the answer. Texts are borrowed from the exchange until then.
 * Threads    the loop; `read` and `pool` any thread, one at a time; `work` the store's.
 */
#ifndef DROVER_API_BASE_REQUEST_H
#define DROVER_API_BASE_REQUEST_H

#include "base/base.h"
#include "base/err.h"
#include "base/fields/fields.h"
#include "base/id.h"
#include "base/text.h"
#include "dispatch/job/dispatch.h"
#include "engine/base/idempotency.h"
#include "http/http.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

/* --- The answer ------------------------------------------------------------------------------- */

/* The answer of a request. Its bytes are made inside the store function, so that the loop only
 * passes them on; a function may run again, so it begins with op_restart. `answer`, `why` and `run`
 * belong to the store thread while the function runs. */
struct op {
    struct exchange *exchange; /* Borrowed until it is answered. */
    struct text answer;        /* Owned. */
    const char *media;         /* Media type of the answer; NULL: JSON. */
    struct why why;            /* Empty: the error has no detail of its own. */
    struct id run;             /* The run that a refusal names in `run`; "": none. */
    /* Borrowed: what a refusal has in members of these names, if not empty; NULL: nothing. */
    const struct text *unmet, *verdict;
};

enum { OP_ANSWER_MAX = 8 << 20 };

void op_init(struct op *op, struct exchange *exchange);
void op_restart(struct op *op);
/* The last step of a transaction that changes something: an answer that found no memory undoes it,
 * since what was refused must not have happened. */
MUST_CHECK struct err op_written(const struct op *op);
/* Answers with the text and the status of the route, or with the problem, and ends the text. */
void op_answer(struct op *op, struct err result);
/* Refuses at once, before there is an object: fills nothing, answers. */
void op_refuse(struct exchange *exchange, struct err err, const struct why *why);
/* {"NAME":"VALUE","WHEN":now}: the answer to a removal. */
void op_removed(struct op *op, struct tx *tx, const char *name, struct bytes value,
                const char *when);

/* Parts of schemas. */
#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define TEXT_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define INT_SCHEMA "{\"type\":\"integer\"}"
#define BOOL_SCHEMA "{\"type\":\"boolean\"}"
#define OBJECT_SCHEMA "{\"type\":\"object\"}"
#define INT_OR_NULL "{\"type\":[\"integer\",\"null\"]}"

#define REMOVED_NAME_SCHEMA                                                                        \
    "{\"type\":\"object\",\"required\":[\"name\",\"removed_ms\"],\"properties\":{"                 \
    "\"name\":{\"type\":\"string\"},\"removed_ms\":{\"type\":\"integer\"}}}"
#define REMOVED_SCHEMA                                                                             \
    "{\"type\":\"object\",\"required\":[\"id\",\"removed_ms\"],\"properties\":{"                   \
    "\"id\":{\"type\":\"string\"},\"removed_ms\":{\"type\":\"integer\"}}}"

/* Parameters of the query, by the names in the route's table. Absent: "", the default, false. */
MUST_CHECK bool param_given(const struct exchange *exchange, const char *name);
struct bytes param_text(const struct exchange *exchange, const char *name);
int64_t param_number(const struct exchange *exchange, const char *name);
MUST_CHECK bool param_flag(const struct exchange *exchange, const char *name);

/* The row of a query table by which op_owner knows. `whose`: "Another owner's jobs". */
#define OP_OWNER_PARAM(whose)                                                                      \
    { QUERY("owner", QUERY_TEXT, whose " (scope admin)."), .max = OWNER_SIZE - 1 }
/* A table that has no other row. */
#define OP_OWNER_QUERY(whose)                                                                      \
    (const struct query_param[]) {                                                                 \
        OP_OWNER_PARAM(whose), {                                                                   \
            .name = NULL                                                                           \
        }                                                                                          \
    }

/* Owner of the objects that the request is about: the identity's, or for an admin those of
 * `?owner=`, where the route has that. */
MUST_CHECK struct err op_owner(const struct exchange *exchange, struct bytes *ret_owner,
                               struct why *why);

/* --- The client's environment ----------------------------------------------------------------- */

/* The user who owns the socket sends variables of the terminal along with each request, so that
 * commands find the user's programs, and names the user's workflows: Drover-Environment, an object
 * of texts in JSON, in base64. */
#define CLIENT_ENVIRONMENT "drover-environment"
enum { CLIENT_ENVIRONMENT_MAX = 8 << 10 }; /* Bytes of the header's value. */
/* --- The object of the path ------------------------------------------------------------------- */

/* An object of somebody's, named by the first parameter of the path. What is no such name, what
 * does not exist, and what belongs to another owner are answered alike: there is no NOUN 'ID'. */
struct one_kind {
    const char *prefix;               /* Prefix of the ids; NULL: `valid` judges names. */
    bool (*valid)(struct bytes name); /* The other way. */
    const char *noun;                 /* "run" */
    const char *absent;               /* Words that follow these; NULL: none. */
    const char *malformed;            /* Words for what is no name of one; NULL: the same. */
    enum err_code code;               /* ERR_NONE: ERR_NOT_FOUND. */
};
struct one_key {
    struct bytes owner, id;
};
/* A session, about which several resources speak. */
extern const struct one_kind session_one;
/* The error of the kind, in words. */
MUST_CHECK struct err one_absent(const struct one_kind *kind, struct bytes id, struct why *why);

/* --- The steps -------------------------------------------------------------------------------- */

enum request_next {
    REQUEST_ANSWER, /* Answer with the result, unless there is `more`. */
    REQUEST_LATER,  /* `done` has begun something that calls request_answer. */
};

struct request_kind {
    size_t size;                /* Size of the object; 0: a struct request. */
    bool writes;                /* Whether the transaction changes anything. */
    bool slices;                /* Reads in nobody's way: as the rest of a long list is read. */
    bool later;                 /* `start` begins something that calls request_go. */
    const struct one_kind *one; /* Object that the path names; NULL: none. */
    /* Body: fields, and the offset of the struct that they fill; NULL: `read` reads it itself. */
    const struct field_set *fields;
    enum field_use use; /* 0: FIELD_GIVEN. */
    size_t into;
    const char *gone; /* Object that a repeated request made, which was deleted; NULL: generic. */
    /* Steps. NULL: left out. */
    struct err (*read)(void *request);
    struct bytes (*folder)(const void *request); /* Folder to be read; no bytes: none. */
    struct err (*start)(void *request);
    struct err (*pool)(void *request);
    struct err (*work)(struct tx *tx, void *request);
    enum request_next (*done)(void *request, struct err *io_result);
    struct err (*after)(void *request);
    void (*end)(void *request, struct err result);
};

enum { REQUEST_TEXTS_MAX = 9, REQUEST_VARIABLES_MAX = 2 };
struct request {
    struct op op;
    const struct request_kind *kind; /* NULL: a page, which has steps of its own. */
    void *api;                       /* Borrowed: what the routes of the resource share. */
    struct loop *loop;
    struct store *store;
    struct dispatch *dispatch;
    struct run_bounds bounds;       /* Taken again at each `start`; zero without `dispatch`. */
    struct one_key key;             /* Owner, and with `one` the id. */
    struct idempotency idempotency; /* No key: every request is a new one. */
    struct err room;                /* Under a key: the refusal if it is new, and its words. */
    struct why room_why;
    bool replayed;      /* The answer is a stored one. */
    struct bytes about; /* Set by `work`: id of the object that a stored answer shows. */
    /* Set by `work`: the answer is not there yet, and `start`, `pool` and another transaction go
     * on. Each is durable by itself: what a crash cut short, the client sends again. A read goes on
     * as a slice. */
    bool more;
    struct loop_work work; /* After `pool`: the resource's own, where it has no `after`. */
    struct err err;        /* Error of `read`, then of `pool`, then of `after`. */
    struct text *texts[REQUEST_TEXTS_MAX]; /* Members of the object, done after `end`. */
    struct text variables[REQUEST_VARIABLES_MAX];
    size_t text_count, variable_count;
};

/* Base of every resource: first member of the struct that is its `api`. `loop` may be NULL where
 * there is no body, and `dispatch` where no run is meant. */
struct request_host {
    void *api; /* Set by request_handle. */
    struct loop *loop;
    struct store *store;
    struct dispatch *dispatch;
};
/* A table of routes, which .method NULL ends. `host` is the first member of their `api`. */
struct route_table request_routes(const struct route *routes, struct request_host *host);
/* Handler of a table whose ctx begins with a struct request_host. */
void request_handle(struct exchange *exchange, void *ctx);
/* Handles the exchange by the kind in its route (`request` or `page`). */
void request_take(struct exchange *exchange, struct request_host host);
/* ERR_FORBIDDEN, and why, if the client has no right to the folder that the request reads. Owner
 * `local` may read any, and so may scopes by which commands start in any; other clients read the
 * folders of their own sessions and projects. `checked` gets the request. */
void request_check_folder(struct request *request, void (*checked)(struct err err, void *request));
/* Whether the client may read any folder, by that rule. */
MUST_CHECK bool request_reads_all(const struct request *request);
/* `folder` of a route whose query has `root`. */
struct bytes request_root(const void *request);
/* The rest after `start`, or its error. */
void request_go(struct request *request, struct err err);
/* For `done` that said REQUEST_LATER, and for `later`. */
void request_answer(struct request *request, struct err result);
/* For a `done` that said REQUEST_LATER: the step `after`, and the answer. */
void request_after(struct request *request);
/* Fills the members of host and key. False: it was refused, and answered. */
MUST_CHECK bool request_prepare(struct request *request, struct exchange *exchange,
                                const struct one_kind *one, const struct request_host *host);
/* `err` of a search that found nothing; where that did not fail, the object does not exist. */
MUST_CHECK struct err request_absent(struct request *request, struct err err);
/* ERR_INSIDE_RUN, and why, if the client is inside a run (http.h) and `id` is not below that run.
 * The object in the path of a route that is INSIDE_BELOW was checked before `work`, and before a
 * stored answer is sent again. */
MUST_CHECK struct err request_inside(struct tx *tx, struct request *request, struct bytes id);
/* Begins a text of the object, which is freed with that. Once for each. */
void request_text(struct request *request, struct text *text, size_t size_max);
/* A variable of the client, such as PATH, until the object is freed. NULL: the client sent none,
 * may not, or nobody can read the header. */
const char *request_variable(struct request *request, const char *name);
/* An id made now. */
struct id request_new_id(const struct request *request, const char *prefix);

#endif
