/* overview.c: all of an owner at a glance, what waits, and what somebody has seen of it. */
#include "engine/system/overview.h"
#include "engine/system/waiting.h"

#include "api/system/system.h"

static struct err overview_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    return tx_overview(tx, request->key.owner, &request->op.answer);
}

static const struct request_kind overview = {.work = overview_work};

/* --- What waits ------------------------------------------------------------------------------- */

static struct err waiting_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const int64_t limit = param_number(request->op.exchange, "limit");
    TRY(tx_waiting(tx, request->key.owner, limit, &request->op.answer));
    return op_written(&request->op);
}

static const struct request_kind waiting = {.work = waiting_work};

static const struct query_param waiting_query[] = {
    {QUERY("limit", QUERY_INT, "Rows at most; the longest wait comes first."), .min = 1,
     .max = WAITING_MAX, .absent = 100},
    OP_OWNER_PARAM("What waits for another owner"),
    {.name = NULL},
};

/* --- Seen ------------------------------------------------------------------------------------- */

struct seen_op {
    struct request request;
    struct seen seen;
};

#define AT(member) offsetof(struct seen_op, seen.member)
static const struct field seen_rows[] = {
    {FIELD("run", FIELD_TEXT, AT(run)), .max = ID_SIZE},
    {FIELD("session", FIELD_TEXT, AT(session)), .max = ID_SIZE},
    {FIELD("seq", FIELD_INT, AT(seq)), .required = true, .min = 1, .max = INT64_MAX,
     .schema = "{\"type\":\"integer\",\"minimum\":1}"},
};
static const struct field_set seen_fields = {FIELD_ROWS(seen_rows), .use = FIELD_GIVEN};

static struct err seen_read(void *ctx) {
    struct seen_op *op = ctx;
    op->seen.owner = op->request.key.owner;
    if ((op->seen.run.len > 0) == (op->seen.session.len > 0)) {
        return err_why(&op->request.op.why, ERR_BAD_FIELD, "give one of run and session");
    }
    return ERR_OK;
}

static struct err seen_work(struct tx *tx, void *ctx) {
    struct seen_op *op = ctx;
    const struct seen *seen = &op->seen;
    const bool run = seen->run.len > 0;
    struct text *text = &op->request.op.answer;
    int64_t seq = 0;
    struct err err = tx_seen(tx, seen, &seq);
    if (err.code == ERR_NOT_FOUND) {
        return err_why(&op->request.op.why, ERR_NOT_FOUND, "there is no such %s",
                       run ? "run" : "session");
    }
    text_add_char(text, '{');
    text_add_member(text, run ? "run" : "session", run ? seen->run : seen->session);
    text_add_member_int(text, "seq", seq);
    text_add_char(text, '}');
    return err;
}

static const struct request_kind seen = {.size = sizeof(struct seen_op),
                                         .writes = true,
                                         .fields = &seen_fields,
                                         .read = seen_read,
                                         .work = seen_work};

/* --- Routes ----------------------------------------------------------------------------------- */

#define COUNTS_SCHEMA "{\"type\":\"object\",\"additionalProperties\":" INT_SCHEMA "}"
#define WAITING_SCHEMA                                                                             \
    "{\"type\":\"object\",\"required\":[\"items\",\"count\",\"more\",\"kinds\"],\"properties\":{"  \
    "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"kind\",\"id\","  \
    "\"project\",\"name\",\"text\",\"about\",\"by\",\"run\",\"session\",\"since_ms\","             \
    "\"until_ms\",\"seq\",\"runs\"],\"properties\":{\"kind\":{\"enum\":[\"ask\",\"question\","     \
    "\"plan\","                                                                                    \
    "\"review\",\"stopped\",\"mail\",\"delivery\",\"budget\",\"agent\",\"task_failed\","           \
    "\"run_failed\",\"session_failed\"]},"                                                         \
    "\"id\":" TEXT_SCHEMA ",\"project\":" TEXT_OR_NULL ",\"name\":" TEXT_OR_NULL                   \
    ",\"text\":" TEXT_OR_NULL ",\"about\":" TEXT_OR_NULL ",\"by\":" TEXT_OR_NULL                   \
    ",\"run\":" TEXT_OR_NULL ",\"session\":" TEXT_OR_NULL ",\"since_ms\":" INT_SCHEMA              \
    ",\"until_ms\":" INT_OR_NULL ",\"seq\":" INT_OR_NULL ",\"runs\":" INT_OR_NULL                  \
    "}}},\"count\":" INT_SCHEMA ",\"more\":" BOOL_SCHEMA ",\"kinds\":" COUNTS_SCHEMA "}}"
#define ITEMS "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":["
static const char overview_answer[] =
    "{\"type\":\"object\",\"required\":[\"runs\",\"waiting\",\"unseen\",\"today\"],"
    "\"properties\":{\"runs\":{\"type\":\"object\",\"additionalProperties\":" COUNTS_SCHEMA
    "},\"waiting\":" WAITING_SCHEMA
    ",\"unseen\":{\"type\":\"object\",\"required\":[\"runs\",\"ended\",\"sessions\"],"
    "\"properties\":{\"runs\":" COUNTS_SCHEMA ",\"ended\":" ITEMS
    "\"id\",\"kind\",\"label\",\"state\",\"cause\",\"about\",\"ended_ms\",\"seq\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"kind\":" TEXT_SCHEMA ",\"label\":" TEXT_OR_NULL
    ",\"state\":" TEXT_SCHEMA ",\"cause\":" TEXT_OR_NULL ",\"about\":" TEXT_OR_NULL
    ",\"ended_ms\":" INT_SCHEMA ",\"seq\":" INT_SCHEMA "}}}"
    ",\"sessions\":" ITEMS "\"id\",\"title\",\"status\",\"changed_ms\",\"seq\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"title\":" TEXT_OR_NULL ",\"status\":" TEXT_SCHEMA
    ",\"changed_ms\":" INT_SCHEMA ",\"seq\":" INT_SCHEMA "}}}"
    "}},\"today\":{\"type\":\"object\",\"required\":[\"calls\",\"output\",\"tokens\","
    "\"cost_micros\",\"cost_unknown\",\"reserved_tokens\",\"reserved_cost_micros\"],"
    "\"properties\":{\"calls\":" INT_SCHEMA ",\"output\":" INT_SCHEMA ",\"tokens\":" INT_SCHEMA
    ",\"cost_micros\":" INT_SCHEMA ",\"cost_unknown\":" INT_SCHEMA
    ",\"reserved_tokens\":" INT_SCHEMA ",\"reserved_cost_micros\":" INT_SCHEMA "}}}}";
static const char seen_answer[] =
    "{\"type\":\"object\",\"required\":[\"seq\"],\"properties\":{\"run\":" TEXT_SCHEMA
    ",\"session\":" TEXT_SCHEMA ",\"seq\":" INT_SCHEMA "}}";

const struct route overview_routes[] = {
    {ROUTE("GET", "/api/v1/overview", SCOPE_READ,
           "Show what goes on, what waits for a person, and what nobody has seen yet"),
     .query = OP_OWNER_QUERY("Another owner's overview"), .answer_schema = overview_answer,
     .request = &overview},
    {ROUTE("GET", "/api/v1/waiting", SCOPE_READ, "List all that waits for a person, by its age"),
     .query = waiting_query, .answer_schema = WAITING_SCHEMA, .request = &waiting},
    {ROUTE("POST", "/api/v1/seen", SCOPE_RUN,
           "Say that somebody has seen a run or a session, up to an event of its stream"),
     .has_body = true, .body = {.fields = &seen_fields, .use = FIELD_GIVEN},
     .answer_schema = seen_answer, .request = &seen},
    {.method = NULL},
};
