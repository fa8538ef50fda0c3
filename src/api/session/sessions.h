/* sessions.h: sessions and their messages over HTTP.
 *
 *   POST   /api/v1/sessions                     make one
 *   GET    /api/v1/sessions                     list, or search
 *   GET    /api/v1/sessions/{id}                one of them
 *   PATCH  /api/v1/sessions/{id}                change title, model, metadata, …; archive it
 *   DELETE /api/v1/sessions/{id}                stop its turns, and remove it
 *   POST   /api/v1/sessions/{id}/fork           a copy of its beginning
 *   POST   /api/v1/sessions/{id}/subagents      a subagent of it
 *   GET    /api/v1/sessions/{id}/export         all of it, as JSON or Markdown
 *   GET    /api/v1/sessions/{id}/messages       list its messages; ?around= one of them
 *   GET    /api/v1/sessions/{id}/roots          the folders that were granted to it
 *   POST   /api/v1/sessions/{id}/roots          grant one
 *   DELETE /api/v1/sessions/{id}/roots          take one back
 *   GET    /api/v1/sessions/{id}/files          files below its root, by letters of their paths
 *   POST   /api/v1/sessions/{id}/attachments    give it an image
 *   GET    /api/v1/attachments/{id}             the image
 *   GET    /api/v1/folders                      the folders below one
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

#include "api/base/page.h"
#include "base/base.h"
#include "dispatch/job/dispatch.h"
#include "dispatch/provider/connections.h"
#include "dispatch/session/blobs.h"
#include "engine/session/messages.h"
#include "engine/session/sessions.h"
#include "engine/system/chores.h"
#include "http/http.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

enum { ATTACHMENT_ROUTES = 2 };

struct agent_rows;
struct sessions_api {
    struct request_host host; /* First. */
    struct blobs *blobs;
    struct chores *chores;
    struct connections *connections; /* Whether there is a model for sessions that name none. */
    const char *data_dir;            /* Never granted. */
    const char *home;                /* The user's folder, for definitions of agents; NULL: none. */
    const char *config_dir;          /* The same, for types of agents. */
    struct agent_rows *agents;       /* Stored definitions of programs. */
    size_t attachment_max;           /* Bytes. */
    struct route attachment_routes[ATTACHMENT_ROUTES];
};

extern const struct route sessions_routes[], messages_routes[], session_roots_routes[];
extern const struct route session_files_routes[], folders_routes[];
struct route_table attachments_table(struct sessions_api *api);

/* --- Shared inside api/ ---------------------------------------------------------------------- */

extern const struct one_kind messages__kind;

extern const struct request_kind sessions__export, sessions__fork, sessions__spawn;
extern const struct field_set sessions__fork_fields, sessions__spawn_fields; /* Bodies. */
/* Keys of requests about a session, and about a message. */
static inline struct session_key sessions__key_of(const struct request *request) {
    return (struct session_key){.owner = request->key.owner, .session = request->key.id};
}
static inline struct message_key messages__key_of(const struct request *request) {
    return (struct message_key){.owner = request->key.owner, .message = request->key.id};
}
/* The session, or the message, that the request is about. ERR_NOT_FOUND, in words. */
MUST_CHECK struct err request_session(struct tx *tx, struct request *request,
                                      struct session_row *ret_row);
MUST_CHECK struct err request_message(struct tx *tx, struct request *request,
                                      struct message_row *ret_row, struct session_row *ret_session);
/* Of ERR_TURN_IN_PROGRESS: names the turn of the session that the request is about, itself or by
 * its message. Returns `err`, or that of the store. */
MUST_CHECK struct err sessions__name_turn(struct tx *tx, struct request *request, struct err err);
/* Answers with the whole row. */
void sessions__answer(struct request *request, const struct session_row *row);
/* A title is shown on terminals and in lists, and must not drive them: no control characters. */
MUST_CHECK bool sessions__line_valid(struct bytes text);
/* What drover reads of the settings of a session; NULL: none. */
MUST_CHECK struct err session_settings_check(const json_t *settings, struct why *why);

/* Messages of a session, by its path. */
extern const struct page_kind sessions__messages;

enum { SESSION_BODY_MAX = 512 << 10 };
enum { PART_LIMIT_DEFAULT = 64 << 10, PART_LIMIT_MAX = MESSAGE_TEXT_MAX };

#define SESSION_QUERY OP_OWNER_QUERY("Another owner's session")

#define USAGE_SCHEMA                                                                               \
    "{\"type\":\"object\",\"required\":[\"calls\",\"fresh\",\"cache_read\",\"cache_write\","       \
    "\"output\",\"reasoning\",\"cost_micros\",\"cost_unknown\"],\"properties\":{"                  \
    "\"calls\":" INT_SCHEMA ",\"fresh\":" INT_SCHEMA ",\"cache_read\":" INT_SCHEMA                 \
    ",\"cache_write\":" INT_SCHEMA ",\"output\":" INT_SCHEMA ",\"reasoning\":" INT_SCHEMA          \
    ",\"cost_micros\":" INT_OR_NULL ",\"cost_unknown\":" INT_SCHEMA "}}"
#define MESSAGE_SCHEMA                                                                             \
    "{\"type\":\"object\",\"required\":[\"id\",\"role\",\"status\",\"run\",\"reply_to\","          \
    "\"variant\","                                                                                 \
    "\"active\",\"client_id\",\"cause\",\"error\",\"made_ms\",\"changed_ms\",\"metadata\","        \
    "\"parts\"],"                                                                                  \
    "\"properties\":{"                                                                             \
    "\"id\":" TEXT_SCHEMA ",\"role\":{\"enum\":[\"user\",\"assistant\",\"system\",\"notice\"]},"   \
    "\"status\":{\"enum\":[\"queued\",\"running\",\"completed\",\"interrupted\",\"failed\","       \
    "\"rolled_back\",\"steering\",\"joined\",\"delivered\"]},\"run\":" TEXT_OR_NULL                \
    ",\"reply_to\":" TEXT_OR_NULL ",\"variant\":" INT_SCHEMA ",\"active\":" BOOL_SCHEMA            \
    ",\"client_id\":" TEXT_OR_NULL ",\"cause\":" TEXT_OR_NULL ",\"error\":" TEXT_OR_NULL           \
    ",\"made_ms\":" INT_SCHEMA ",\"changed_ms\":" INT_SCHEMA ",\"metadata\":" OBJECT_SCHEMA        \
    ",\"resume_at_ms\":" INT_OR_NULL ",\"model\":" TEXT_OR_NULL ",\"usage\":" USAGE_SCHEMA         \
    ",\"session\":" TEXT_SCHEMA ",\"match\":{\"type\":\"object\",\"required\":[\"text\"],"         \
    "\"properties\":{\"text\":" TEXT_SCHEMA "}}"                                                   \
    ",\"parts\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"number\","      \
    "\"kind\",\"text\",\"data\"],\"properties\":{\"number\":" INT_SCHEMA                           \
    ",\"kind\":{\"enum\":[\"text\",\"thinking\",\"tool\",\"image\",\"error\",\"notice\","          \
    "\"steer\"]},"                                                                                 \
    "\"state\":" TEXT_SCHEMA ",\"cause\":" TEXT_OR_NULL ",\"name\":" TEXT_SCHEMA                   \
    ",\"call\":" TEXT_OR_NULL ",\"run\":" TEXT_SCHEMA ",\"step\":" INT_SCHEMA                      \
    ",\"ms\":" INT_SCHEMA ",\"text\":" TEXT_SCHEMA                                                 \
    ",\"data\":{\"type\":[\"object\",\"null\"]},\"cut\":" BOOL_SCHEMA ",\"bytes\":" INT_SCHEMA     \
    "}}}}}"

#endif
