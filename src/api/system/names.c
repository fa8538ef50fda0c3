/* names.c: GET /api/v1/names: objects by the beginning of an id, by a label, or the newest. */
#include "engine/system/names.h"

#include <string.h>

#include "api/system/system.h"

enum { NAMES_MAX = 100, NAMES_DEFAULT = 6, Q_MAX = 400 };

struct names_op {
    struct request request;
    struct name_query query; /* Texts are borrowed from the exchange. */
    int64_t count;           /* Number of items. */
};

static struct err names_start(void *ctx) {
    struct names_op *op = ctx;
    const struct exchange *exchange = op->request.op.exchange;
    struct why *why = &op->request.op.why;
    unsigned kind = 0;
    if (!bytes_find(param_text(exchange, "kind"), name_kind_names, &kind)) {
        return err_why(why, ERR_BAD_QUERY,
                       "query parameter 'kind' must be one of run, job, turn, agent, workflow, "
                       "session, approval, delivery, token, memory, message, terminal, mail, tree");
    }
    if (kind == NAME_TOKEN && (exchange_identity(exchange)->scopes & SCOPE_ADMIN) == 0) {
        return err_why(why, ERR_FORBIDDEN, "tokens are shown to a token with the scope admin only");
    }
    op->query = (struct name_query){.kind = (enum name_kind)kind,
                                    .owner = op->request.key.owner,
                                    .q = param_text(exchange, "q"),
                                    .limit = param_number(exchange, "limit")};
    return ERR_OK;
}

static void name_add(void *ctx, const struct name_row *row) {
    struct names_op *op = ctx;
    struct text *text = &op->request.op.answer;
    text_add_str(text, op->count++ > 0 ? ",{" : "{");
    text_add_member(text, "id", row->id);
    text_add_member(text, "kind", row->kind);
    text_add_member(text, "label", row->label);
    text_add_member_int(text, "made_ms", row->made_ms);
    text_add_member_bool(text, "ended", row->ended);
    text_add_char(text, '}');
}

static struct err names_look(struct tx *tx, void *ctx) {
    struct names_op *op = ctx;
    struct text *text = &op->request.op.answer;
    bool more = false;
    op->count = 0;
    text_add_str(text, "{\"items\":[");
    struct err err = tx_names_each(tx, &op->query, name_add, op, &more);
    text_add_str(text, "]");
    text_add_member_bool(text, "more", more);
    text_add_char(text, '}');
    return err_failed(err) ? err : op_written(&op->request.op);
}

static const struct request_kind names_list = {
    .size = sizeof(struct names_op), .start = names_start, .work = names_look};

static const struct query_param names_query[] = {
    {QUERY("kind", QUERY_TEXT,
           "Kind of the objects: run, job, turn, agent, workflow (runs of workflows), session, "
           "approval, delivery, token, memory, message, terminal, mail, tree."),
     .max = 20, .required = true},
    {QUERY("q", QUERY_TEXT,
           "Beginning of an id, with or without its prefix, at least 4 characters of the rest; "
           "or a whole label (title of a session or a memory). Without it: the newest."),
     .max = Q_MAX},
    {QUERY("limit", QUERY_INT, "Objects at most."), .min = 1, .max = NAMES_MAX,
     .absent = NAMES_DEFAULT},
    OP_OWNER_PARAM("Another owner's objects"),
    {.name = NULL},
};

static const char names_answer[] =
    "{\"type\":\"object\",\"required\":[\"items\",\"more\"],\"properties\":{\"items\":{\"type\":"
    "\"array\",\"items\":{\"type\":\"object\",\"required\":[\"id\",\"kind\",\"label\",\"made_ms\","
    "\"ended\"],\"properties\":{\"id\":" TEXT_SCHEMA ",\"kind\":" TEXT_SCHEMA
    ",\"label\":" TEXT_SCHEMA ",\"made_ms\":" INT_SCHEMA ",\"ended\":" BOOL_SCHEMA
    "}}},\"more\":" BOOL_SCHEMA "}}";

const struct route names_routes[] = {
    {ROUTE("GET", "/api/v1/names", SCOPE_READ,
           "Find objects by the beginning of an id or by a label, or the newest"),
     .query = names_query, .answer_schema = names_answer, .request = &names_list},
    {.method = NULL},
};
