/* sessions.c: the routes of sessions and messages, in two tables. */
#include "api/session/sessions.h"

const struct one_kind sessions__kind = {.prefix = "ses",
                                        .absent = "there is no session with that id"};
const struct one_kind messages__kind = {
    .prefix = "msg", .absent = "there is no message with that id", .code = ERR_MESSAGE_NOT_FOUND};

bool sessions__key(struct exchange *exchange, unsigned owner_at, struct session_key *ret_key) {
    struct one_key key;
    if (!one_read(exchange, &sessions__kind, owner_at, &key)) {
        return false;
    }
    *ret_key = (struct session_key){.owner = key.owner, .session = key.id};
    return true;
}

struct id sessions__new_id(const struct sessions_api *api, const char *prefix) {
    const struct world *world = loop_world(api->loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
}

/* --- The tables ------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    [PAGE_AFTER] = PAGE_AFTER_PARAM(44),
    PAGE_PARAMS,
    [PAGE_OWNER] = OP_OWNER_PARAM("Another owner's sessions"),
    [SESSIONS_Q] = {.name = "q",
                    .about = "Only those whose title or messages hold this text; a page may then "
                             "have fewer rows than there are, and a `next` all the same.",
                    .kind = QUERY_TEXT,
                    .max = SESSION_SEARCH_MAX},
    [SESSIONS_ARCHIVED] = {.name = "archived",
                           .about = "Those that are archived instead of those that are not.",
                           .kind = QUERY_FLAG},
    [SESSIONS_PROJECT] = {.name = "project",
                          .about = "Only those of this project.",
                          .kind = QUERY_TEXT,
                          .max = SESSION_PROJECT_MAX},
    [SESSIONS_PARENT] = {.name = "parent",
                         .about = "The sessions of this session's subagents.",
                         .kind = QUERY_TEXT,
                         .max = ID_SIZE},
    [SESSIONS_STATE] = PAGE_STATE_PARAM,
    [SESSIONS_SINCE] = PAGE_SINCE_PARAM("changed"),
    {.name = NULL},
};

static const struct query_param one_query[] = {
    [SESSION_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    {.name = NULL},
};

static const struct query_param remove_query[] = {
    [SESSION_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    [SESSION_STOP_JOBS] = {.name = "stop_jobs",
                           .about =
                               "Jobs and workflows that its turns started are asked to end, too.",
                           .kind = QUERY_FLAG},
    {.name = NULL},
};

static const struct query_param export_query[] = {
    [SESSION_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    [SESSION_FORMAT] = {.name = "format",
                        .about = "json or markdown; absent: json.",
                        .kind = QUERY_TEXT,
                        .max = 8},
    {.name = NULL},
};

static const struct query_param messages_query[] = {
    [PAGE_AFTER] = PAGE_NUMBER_PARAM,
    PAGE_PARAMS,
    [PAGE_OWNER] = OP_OWNER_PARAM("Another owner's session"),
    [MESSAGES_ORDER] = {.name = "order",
                        .about = "newest (first) or oldest; absent: newest.",
                        .kind = QUERY_TEXT,
                        .max = 6},
    [MESSAGES_STATE] = PAGE_WORD_PARAM("status", "Only those of this status, or of several (a,b)."),
    [MESSAGES_ROLE] = PAGE_WORD_PARAM("role", "Only those of this role."),
    [MESSAGES_SINCE] = PAGE_SINCE_PARAM("made"),
    [MESSAGES_Q] = PAGE_Q_PARAM("text"),
    {.name = NULL},
};

static const struct query_param message_query[] = {
    [MESSAGE_OWNER] = OP_OWNER_PARAM("Another owner's message"),
    {.name = NULL},
};

static const struct query_param part_query[] = {
    [MESSAGE_OWNER] = OP_OWNER_PARAM("Another owner's message"),
    [PART_OFFSET] = {.name = "offset",
                     .about = "First byte of the text.",
                     .kind = QUERY_INT,
                     .min = 0,
                     .max = MESSAGE_TEXT_MAX},
    [PART_LIMIT] = {.name = "limit",
                    .about = "Bytes at most; cut at a whole character.",
                    .kind = QUERY_INT,
                    .min = 4,
                    .max = PART_LIMIT_MAX,
                    .absent = PART_LIMIT_DEFAULT},
    {.name = NULL},
};

#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define TEXT_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define INT_SCHEMA "{\"type\":\"integer\"}"
#define BOOL_SCHEMA "{\"type\":\"boolean\"}"
#define OBJECT_SCHEMA "{\"type\":\"object\"}"

#define SESSION_PROPERTIES                                                                         \
    "\"id\":" TEXT_SCHEMA ",\"project\":" TEXT_SCHEMA ",\"title\":" TEXT_SCHEMA                    \
    ",\"title_by\":{\"enum\":[null,\"user\",\"auto\"]},"                                           \
    "\"state\":{\"enum\":[\"idle\",\"running\",\"waiting\",\"compacting\"]},"                      \
    "\"archived\":" BOOL_SCHEMA ",\"model\":" TEXT_OR_NULL ",\"agent\":" TEXT_OR_NULL              \
    ",\"root\":" TEXT_OR_NULL ",\"parent\":" TEXT_OR_NULL ",\"depth\":" INT_SCHEMA                 \
    ",\"forked_from\":" TEXT_OR_NULL ",\"version\":" INT_SCHEMA ",\"made_ms\":" INT_SCHEMA         \
    ",\"changed_ms\":" INT_SCHEMA ",\"usage\":" OBJECT_SCHEMA ",\"context_used\":" INT_SCHEMA      \
    ",\"context_window\":" INT_SCHEMA ",\"metadata\":" OBJECT_SCHEMA ",\"stream\":" TEXT_SCHEMA
#define SESSION_REQUIRED "\"required\":[\"id\",\"title\",\"state\",\"version\"]"

static const char list_answer[] =
    PAGE_SCHEMA("{\"type\":\"object\"," SESSION_REQUIRED ",\"properties\":{" SESSION_PROPERTIES
                ",\"match\":{\"type\":\"object\",\"properties\":{\"message\":" TEXT_SCHEMA
                ",\"text\":" TEXT_SCHEMA "}}}}");
static const char whole_answer[] =
    "{\"type\":\"object\"," SESSION_REQUIRED ",\"properties\":{" SESSION_PROPERTIES
    ",\"settings\":" OBJECT_SCHEMA ",\"instructions\":" TEXT_OR_NULL "}}";

#define FIELDS_SCHEMA                                                                              \
    "\"title\":" TEXT_SCHEMA ",\"model\":" TEXT_SCHEMA ",\"agent\":" TEXT_SCHEMA                   \
    ",\"root\":" TEXT_SCHEMA ",\"instructions\":" TEXT_SCHEMA ",\"settings\":" OBJECT_SCHEMA       \
    ",\"metadata\":" OBJECT_SCHEMA
static const char create_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" FIELDS_SCHEMA
    ",\"project\":" TEXT_SCHEMA ",\"parent\":" TEXT_SCHEMA "}}";
static const char change_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" FIELDS_SCHEMA
    ",\"archived\":" BOOL_SCHEMA ",\"version\":{\"type\":\"integer\",\"minimum\":1}}}";
static const char fork_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"message\":" TEXT_SCHEMA ",\"title\":" TEXT_SCHEMA "}}";
static const char remove_answer[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"removed_ms\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"removed_ms\":" INT_SCHEMA "}}";

#define MESSAGE_SCHEMA                                                                             \
    "{\"type\":\"object\",\"required\":[\"id\",\"role\",\"status\",\"parts\"],\"properties\":{"    \
    "\"id\":" TEXT_SCHEMA ",\"role\":{\"enum\":[\"user\",\"assistant\",\"system\",\"notice\"]},"   \
    "\"status\":{\"enum\":[\"queued\",\"running\",\"completed\",\"interrupted\",\"failed\","       \
    "\"rolled_back\",\"steering\",\"joined\"]},\"run\":" TEXT_OR_NULL                              \
    ",\"reply_to\":" TEXT_OR_NULL ",\"variant\":" INT_SCHEMA ",\"active\":" BOOL_SCHEMA            \
    ",\"client_id\":" TEXT_OR_NULL ",\"cause\":" TEXT_OR_NULL ",\"error\":" TEXT_OR_NULL           \
    ",\"made_ms\":" INT_SCHEMA ",\"changed_ms\":" INT_SCHEMA ",\"metadata\":" OBJECT_SCHEMA        \
    ",\"model\":" TEXT_OR_NULL ",\"usage\":" OBJECT_SCHEMA                                         \
    ",\"parts\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"number\","      \
    "\"kind\",\"text\"],\"properties\":{\"number\":" INT_SCHEMA                                    \
    ",\"kind\":{\"enum\":[\"text\",\"thinking\",\"tool\",\"image\",\"error\",\"notice\","          \
    "\"steer\"]},"                                                                                 \
    "\"state\":" TEXT_SCHEMA ",\"cause\":" TEXT_OR_NULL ",\"name\":" TEXT_SCHEMA                   \
    ",\"call\":" TEXT_OR_NULL ",\"run\":" TEXT_SCHEMA ",\"step\":" INT_SCHEMA                      \
    ",\"text\":" TEXT_SCHEMA ",\"data\":{\"type\":[\"object\",\"null\"]},\"cut\":" BOOL_SCHEMA     \
    ",\"bytes\":" INT_SCHEMA "}}}}}"

static const char export_answer[] =
    "{\"type\":\"object\",\"required\":[\"session\",\"messages\"],\"properties\":{"
    "\"session\":" OBJECT_SCHEMA ",\"messages\":{\"type\":\"array\",\"items\":" MESSAGE_SCHEMA
    "}}}";
static const char messages_answer[] = PAGE_SCHEMA(MESSAGE_SCHEMA);
static const char message_answer[] = MESSAGE_SCHEMA;
static const char edit_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"text\"],\"properties\":{"
    "\"text\":{\"type\":\"string\",\"minLength\":1}}}";
static const char part_answer[] =
    "{\"type\":\"object\",\"required\":[\"text\",\"offset\",\"next\",\"bytes\"],\"properties\":{"
    "\"text\":" TEXT_SCHEMA ",\"offset\":" INT_SCHEMA ",\"next\":" INT_SCHEMA
    ",\"bytes\":" INT_SCHEMA "}}";

static const struct route session_routes[] = {
    {.method = "POST",
     .path = "/api/v1/sessions",
     .summary = "Make a session; the answer means that it is on disk",
     .scope = SCOPE_RUN,
     .has_body = true,
     .body_optional = true,
     .idempotent_key = true,
     .body_schema = create_body,
     .body_max = SESSION_BODY_MAX,
     .answer_schema = whole_answer,
     .answer_status = 201,
     .handle = sessions__create},
    {.method = "GET",
     .path = "/api/v1/sessions",
     .summary = "List the sessions, the one changed last first; or search them",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = list_answer,
     .answer_status = 200,
     .handle = sessions__list},
    {.method = "GET",
     .path = "/api/v1/sessions/{id}",
     .summary = "Show a session",
     .scope = SCOPE_READ,
     .query = one_query,
     .answer_schema = whole_answer,
     .answer_status = 200,
     .handle = sessions__show},
    {.method = "PATCH",
     .path = "/api/v1/sessions/{id}",
     .summary = "Change a session; with If-Match or `version` only as it was read",
     .scope = SCOPE_RUN,
     .query = one_query,
     .has_body = true,
     .body_schema = change_body,
     .body_max = SESSION_BODY_MAX,
     .answer_schema = whole_answer,
     .answer_status = 200,
     .handle = sessions__change},
    {.method = "DELETE",
     .path = "/api/v1/sessions/{id}",
     .summary = "Stop a session's turns, and remove it with all its messages",
     .scope = SCOPE_RUN,
     .query = remove_query,
     .answer_schema = remove_answer,
     .answer_status = 200,
     .handle = sessions__remove},
    {.method = "POST",
     .path = "/api/v1/sessions/{id}/fork",
     .summary = "Make a session with copies of the messages up to one of them",
     .scope = SCOPE_RUN,
     .query = one_query,
     .has_body = true,
     .body_optional = true,
     .body_schema = fork_body,
     .answer_schema = whole_answer,
     .answer_status = 201,
     .handle = sessions__fork},
    {.method = "GET",
     .path = "/api/v1/sessions/{id}/export",
     .summary = "Read a session with all its messages, whole, as a file",
     .scope = SCOPE_READ,
     .query = export_query,
     .answer_schema = export_answer,
     .answer_status = 200,
     .handle = sessions__export},
    {.method = "GET",
     .path = "/api/v1/sessions/{id}/messages",
     .summary = "List the messages of a session",
     .scope = SCOPE_READ,
     .query = messages_query,
     .answer_schema = messages_answer,
     .answer_status = 200,
     .handle = sessions__messages},
};

static const struct route message_routes[] = {
    {.method = "GET",
     .path = "/api/v1/messages/{id}",
     .summary = "Show a message",
     .scope = SCOPE_READ,
     .query = message_query,
     .answer_schema = message_answer,
     .answer_status = 200,
     .handle = messages__show},
    {.method = "PATCH",
     .path = "/api/v1/messages/{id}",
     .summary = "Save another text of a user's message; nothing else changes",
     .scope = SCOPE_RUN,
     .query = message_query,
     .has_body = true,
     .body_schema = edit_body,
     .answer_schema = message_answer,
     .answer_status = 200,
     .handle = messages__edit},
    {.method = "DELETE",
     .path = "/api/v1/messages/{id}",
     .summary = "Take a message out of its session's queue",
     .scope = SCOPE_RUN,
     .query = message_query,
     .answer_schema = remove_answer,
     .answer_status = 200,
     .handle = messages__unqueue},
    {.method = "GET",
     .path = "/api/v1/messages/{id}/parts/{number}",
     .summary = "Read a range of the text of a message's part",
     .scope = SCOPE_READ,
     .query = part_query,
     .answer_schema = part_answer,
     .answer_status = 200,
     .handle = messages__part},
};

struct route_table sessions_table(struct sessions_api *api) {
    return (struct route_table){
        .routes = session_routes, .count = COUNT_OF(session_routes), .ctx = api};
}

struct route_table messages_table(struct sessions_api *api) {
    return (struct route_table){
        .routes = message_routes, .count = COUNT_OF(message_routes), .ctx = api};
}
