/* sessions.h: sessions and their messages over HTTP.
 *
 *   POST   /api/v1/sessions                     make one
 *   GET    /api/v1/sessions                     list, or search
 *   GET    /api/v1/sessions/{id}                one of them
 *   PATCH  /api/v1/sessions/{id}                change title, model, metadata, …; archive it
 *   DELETE /api/v1/sessions/{id}                stop its turns, and remove it
 *   POST   /api/v1/sessions/{id}/fork           a copy of its beginning
 *   GET    /api/v1/sessions/{id}/export         all of it, as JSON or Markdown
 *   GET    /api/v1/sessions/{id}/messages       list its messages
 *   GET    /api/v1/sessions/{id}/roots          the folders that were granted to it
 *   POST   /api/v1/sessions/{id}/roots          grant one
 *   DELETE /api/v1/sessions/{id}/roots          take one back
 *   POST   /api/v1/sessions/{id}/attachments    give it an image
 *   GET    /api/v1/attachments/{id}             the image
 *   GET    /api/v1/messages/{id}                one of them
 *   PATCH  /api/v1/messages/{id}                save another text of a user's message
 *   DELETE /api/v1/messages/{id}                take a message out of the queue
 *   GET    /api/v1/messages/{id}/parts/{number} a range of the text of a part
 *
 * Ownership  everything in struct sessions_api is borrowed for the server's life.
 * Threads    the loop.
 */
#ifndef DROVER_API_SESSION_SESSIONS_H
#define DROVER_API_SESSION_SESSIONS_H

#include "api/base/one.h"
#include "api/base/page.h"
#include "base/base.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/session/blobs.h"
#include "engine/session/messages.h"
#include "engine/session/sessions.h"
#include "engine/system/chores.h"
#include "http/http.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

enum { ATTACHMENT_ROUTES = 2 };

struct sessions_api {
    struct loop *loop;
    struct store *store;
    struct dispatch *dispatch;
    struct blobs *blobs;
    struct chores *chores;
    const char *data_dir;  /* Never granted. */
    size_t attachment_max; /* Bytes. */
    struct route attachment_routes[ATTACHMENT_ROUTES];
};

struct route_table sessions_table(struct sessions_api *api);
struct route_table messages_table(struct sessions_api *api);
struct route_table session_roots_table(struct sessions_api *api);
struct route_table attachments_table(struct sessions_api *api);

/* --- Shared inside api/ ---------------------------------------------------------------------- */

extern const struct one_kind sessions__kind, messages__kind;

/* The session of the path. The answer was given when it is false. */
MUST_CHECK bool sessions__key(struct exchange *exchange, unsigned owner_at,
                              struct session_key *ret_key);

struct id sessions__new_id(const struct sessions_api *api, const char *prefix);
/* It is shown on terminals and in lists, and must not drive them: no control characters. */
MUST_CHECK bool sessions__line_valid(struct bytes text);

/* What a body says of a session. Texts that it does not name have data NULL. */
enum session_body { SESSION_BODY_NEW, SESSION_BODY_CHANGE };
struct session_fields {
    struct bytes title, model, agent, root, instructions; /* Borrowed from the exchange. */
    struct bytes settings, metadata;                      /* They stand in the two texts. */
    struct bytes project, parent;                         /* NEW only. */
    int64_t version;                                      /* CHANGE only; 0: none. */
    const bool *archived;                                 /* CHANGE only; NULL: not named. */
    bool archived_value;
    struct text settings_text, metadata_text; /* Owned. */
};
/* What drover reads of the settings of a session; NULL: none. */
MUST_CHECK struct err session_settings_check(const json_t *settings, struct why *why);

void session_fields_init(struct session_fields *fields);
void session_fields_done(struct session_fields *fields);
MUST_CHECK struct err session_fields_read(const json_t *json, enum session_body body,
                                          struct session_fields *fields, struct why *why);

void sessions__create(struct exchange *exchange, void *ctx);
void sessions__list(struct exchange *exchange, void *ctx);
void sessions__show(struct exchange *exchange, void *ctx);
void sessions__change(struct exchange *exchange, void *ctx);
void sessions__remove(struct exchange *exchange, void *ctx);
void sessions__fork(struct exchange *exchange, void *ctx);
void sessions__export(struct exchange *exchange, void *ctx);
void sessions__messages(struct exchange *exchange, void *ctx);
void messages__show(struct exchange *exchange, void *ctx);
void messages__edit(struct exchange *exchange, void *ctx);
void messages__unqueue(struct exchange *exchange, void *ctx);
void messages__part(struct exchange *exchange, void *ctx);

/* Positions in the query tables, which stand beside the routes. */
enum {
    SESSIONS_Q = PAGE_OWN,
    SESSIONS_ARCHIVED,
    SESSIONS_PROJECT,
    SESSIONS_PARENT,
    SESSIONS_STATE,
    SESSIONS_SINCE,
};
enum { MESSAGES_ORDER = PAGE_OWN, MESSAGES_STATE, MESSAGES_ROLE, MESSAGES_SINCE, MESSAGES_Q };
enum { SESSION_OWNER, SESSION_FORMAT, SESSION_STOP_JOBS = SESSION_FORMAT };
enum { MESSAGE_OWNER, PART_OFFSET, PART_LIMIT };

enum { SESSION_BODY_MAX = 512 << 10 }; /* Read and hashed on the loop. */
enum { PART_LIMIT_DEFAULT = 64 << 10, PART_LIMIT_MAX = MESSAGE_TEXT_MAX };

#endif
