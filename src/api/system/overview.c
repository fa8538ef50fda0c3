/* overview.c: all of an owner at a glance, and what somebody has seen of it. */
#include "engine/system/overview.h"

#include "api/system/system.h"

static struct err overview_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    return tx_overview(tx, request->key.owner, &request->op.answer);
}

static const struct request_kind overview = {.work = overview_work};

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
#define ITEMS "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":["
static const char overview_answer[] =
    "{\"type\":\"object\",\"required\":[\"runs\",\"approvals\",\"waiting\",\"unseen\",\"today\"],"
    "\"properties\":{\"runs\":{\"type\":\"object\",\"additionalProperties\":" COUNTS_SCHEMA
    "},\"approvals\":" COUNTS_SCHEMA
    ",\"waiting\":{\"type\":\"object\",\"required\":[\"approvals\",\"deliveries\",\"blocked\"],"
    "\"properties\":{\"approvals\":" ITEMS
    "\"id\",\"session\",\"run\",\"step\",\"kind\",\"asked_ms\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"session\":" TEXT_OR_NULL ",\"run\":" TEXT_SCHEMA
    ",\"step\":" TEXT_SCHEMA ",\"kind\":" TEXT_SCHEMA ",\"asked_ms\":" INT_SCHEMA "}}}"
    ",\"deliveries\":" ITEMS "\"id\",\"run\",\"receiver\",\"cause\",\"made_ms\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"run\":" TEXT_SCHEMA ",\"receiver\":" TEXT_SCHEMA
    ",\"cause\":" TEXT_OR_NULL ",\"made_ms\":" INT_SCHEMA "}}}"
    ",\"blocked\":" ITEMS
    "\"id\",\"kind\",\"label\",\"state\",\"about\",\"made_ms\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"kind\":" TEXT_SCHEMA ",\"label\":" TEXT_OR_NULL
    ",\"state\":" TEXT_SCHEMA ",\"about\":" TEXT_OR_NULL ",\"made_ms\":" INT_SCHEMA "}}}"
    "}},\"unseen\":{\"type\":\"object\",\"required\":[\"runs\",\"ended\",\"sessions\"],"
    "\"properties\":{\"runs\":" COUNTS_SCHEMA ",\"ended\":" ITEMS
    "\"id\",\"kind\",\"label\",\"state\",\"cause\",\"ended_ms\",\"seq\"],\"properties\":{"
    "\"id\":" TEXT_SCHEMA ",\"kind\":" TEXT_SCHEMA ",\"label\":" TEXT_OR_NULL
    ",\"state\":" TEXT_SCHEMA ",\"cause\":" TEXT_OR_NULL ",\"ended_ms\":" INT_SCHEMA
    ",\"seq\":" INT_SCHEMA "}}}"
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
    {ROUTE("POST", "/api/v1/seen", SCOPE_RUN,
           "Say that somebody has seen a run or a session, up to an event of its stream"),
     .has_body = true, .body = {.fields = &seen_fields, .use = FIELD_GIVEN},
     .answer_schema = seen_answer, .request = &seen},
    {.method = NULL},
};
