/* messages.c: the messages of a session: pages of them, one of them, and what a client may change.
 */
#include <string.h>

#include "api/session/sessions.h"
#include "base/number.h"

const struct one_kind messages__kind = {
    .prefix = "msg", .noun = "message", .code = ERR_MESSAGE_NOT_FOUND};

struct err request_message(struct tx *tx, struct request *request, struct message_row *ret_row,
                           struct session_row *ret_session) {
    const struct message_key key = messages__key_of(request);
    bool found = false;
    struct err err = tx_message_find(tx, &key, &found, ret_row, ret_session);
    return found ? err : request_absent(request, err);
}

struct err sessions__name_turn(struct tx *tx, struct request *request, struct err err) {
    struct message_row message;
    struct session_row session;
    struct bytes run = BYTES("");
    if (err.code != ERR_TURN_IN_PROGRESS) {
        return err;
    }
    struct err read = request->kind->one == &messages__kind
                          ? request_message(tx, request, &message, &session)
                          : request_session(tx, request, &session);
    if (!err_failed(read)) {
        read = tx_session_turn(tx, session.id, &run);
    }
    if (!err_failed(read) && run.len < sizeof request->op.run.text) {
        memcpy(request->op.run.text, run.data, run.len);
        request->op.run.text[run.len] = '\0';
    }
    return err_failed(read) ? read : err;
}

/* --- List ------------------------------------------------------------------------------------- */

struct message_list {
    struct page page;
    struct message_position position; /* total 0: of no message it was asked. */
};

static enum message_order order_of(const struct page *page) {
    return bytes_is(param_text(page->request.op.exchange, "order"), "oldest") ? MESSAGES_OLDEST
                                                                              : MESSAGES_NEWEST;
}

/* The page begins before the message that is to be in its middle: *io_from is where its rows are
 * read after. */
static struct err around_find(struct tx *tx, struct page *page, int64_t session, int64_t *io_from) {
    const struct bytes name = param_text(page->request.op.exchange, "around");
    const struct message_key key = {.owner = page->request.key.owner, .message = name};
    struct message_list *list = PAGE_OF(page, struct message_list);
    struct message_row row;
    struct session_row of;
    bool found = false;
    struct err err = tx_message_find(tx, &key, &found, &row, &of);
    if (err_failed(err) || !found || of.id != session) {
        return err_failed(err) ? err : one_absent(&messages__kind, name, &page->request.op.why);
    }
    const struct message_around around = {.session = session,
                                          .message = row.id,
                                          .order = order_of(page),
                                          .limit = page->limit,
                                          .bytes = PAGE_BYTES};
    err = tx_message_around(tx, &around, &list->position);
    *io_from = list->position.first + (around.order == MESSAGES_NEWEST ? 1 : -1);
    return err;
}

static void position_write(const struct page *page, struct text *text) {
    const struct message_list *list = PAGE_OF(page, const struct message_list);
    const struct message_position *at = &list->position;
    const bool more = at->before > MESSAGE_COUNT_MAX || at->total > MESSAGE_COUNT_MAX;
    if (at->total == 0) {
        return;
    }
    text_add_str(text, ",\"previous\":");
    if (at->before > 0) {
        text_addf(text, "\"%lld\"", (long long)at->first);
    } else {
        text_add_str(text, "null");
    }
    text_addf(text, ",\"position\":{\"before\":%lld,\"total\":%lld%s}",
              (long long)(at->before < MESSAGE_COUNT_MAX ? at->before : MESSAGE_COUNT_MAX),
              (long long)(at->total < MESSAGE_COUNT_MAX ? at->total : MESSAGE_COUNT_MAX),
              more ? ",\"more\":true" : "");
}

static struct err message_list_row(struct tx *tx, struct page *page,
                                   const struct message_row *row) {
    struct text *text = &page->request.op.answer;
    struct bytes around = BYTES(""), q = param_text(page->request.op.exchange, "q");
    bool found = page_is(page, "status", bytes_of(message_status_name(row->status))) &&
                 page_is(page, "role", bytes_of(message_role_names[row->role])) &&
                 page_since(page, row->made_ms);
    struct err err = ERR_OK;
    if (found && q.len > 0) {
        err = tx_message_search(tx, row->id, q, &found, &around);
    }
    if (!err_failed(err) && page_row_number(page, row->id, found)) {
        err = q.len > 0 ? tx_message_write_found(tx, row, MESSAGE_BYTES_LIST, around, text)
                        : tx_message_write_json(tx, row, MESSAGE_BYTES_LIST, text);
    }
    return err;
}

static struct err message_list_rows(struct tx *tx, struct page *page,
                                    const struct page_part *part) {
    const struct exchange *exchange = page->request.op.exchange;
    struct session_row session;
    struct err err = request_session(tx, &page->request, &session);
    if (err_failed(err)) {
        return err;
    }
    int64_t from = part->from;
    if (from == 0 && page->now.state == PAGE_LISTING && param_given(exchange, "around")) {
        TRY(around_find(tx, page, session.id, &from));
    }
    const struct message_page what = {
        .session = session.id, .order = order_of(page), .after = from, .limit = part->limit};
    struct message_rows messages;
    err = tx_message_page(tx, &what, &messages);
    for (size_t i = 0; !err_failed(err) && i < messages.count; i++) {
        err = message_list_row(tx, page, &messages.rows[i]);
        /* Texts may be long, so that a search ends its part by the time of the slice, too. */
        if (param_text(exchange, "q").len > 0 && tx_slice_over(tx)) {
            page_looked_number(page, messages.rows[i].id);
            break;
        }
    }
    return err;
}

static struct err message_list_read(void *ctx) {
    struct page *page = ctx;
    struct bytes order = param_text(page->request.op.exchange, "order");
    if (param_given(page->request.op.exchange, "order") && !bytes_is(order, "newest") &&
        !bytes_is(order, "oldest")) {
        return err_why(&page->request.op.why, ERR_BAD_QUERY,
                       "query parameter 'order' must be newest or oldest");
    }
    static const char *const others[] = {"after", "status", "role", "since", "q"};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (param_given(page->request.op.exchange, "around") &&
            param_given(page->request.op.exchange, others[i])) {
            return err_why(&page->request.op.why, ERR_BAD_QUERY,
                           "query parameters 'around' and '%s' exclude each other", others[i]);
        }
    }
    return ERR_OK;
}

const struct page_kind sessions__messages = {.request = {.size = sizeof(struct message_list),
                                                         .one = &session_one,
                                                         .read = message_list_read},
                                             .rows = message_list_rows,
                                             .members = position_write};

/* --- One message ------------------------------------------------------------------------------ */

static struct err message_show_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    struct message_row row;
    struct session_row session;
    struct err err = request_message(tx, request, &row, &session);
    return err_failed(err) ? err
                           : tx_message_write_alone(tx, &row, session.session, &request->op.answer);
}

static const struct request_kind show = {.one = &messages__kind, .work = message_show_work};

/* --- Save another text ------------------------------------------------------------------------ */

struct edit_op {
    struct request request;
    struct bytes text;
};

static const struct field edit_rows[] = {
    {FIELD("text", FIELD_TEXT, offsetof(struct edit_op, text)), .required = true, .min = 1,
     .max = MESSAGE_TEXT_MAX, .schema = "{\"type\":\"string\",\"minLength\":1}"},
};
static const struct field_set edit_fields = {FIELD_ROWS(edit_rows), .use = FIELD_GIVEN};

static struct err edit_work(struct tx *tx, void *ctx) {
    struct edit_op *op = ctx;
    struct request *request = &op->request;
    const struct message_edit what = {.key = messages__key_of(request), .text = op->text};
    struct message_row row;
    struct session_row session;
    struct bytes run = BYTES("");
    struct err err = tx_message_edit(tx, &what, &row, &session);
    if (err.code == ERR_TURN_IN_PROGRESS) {
        struct err read = tx_session_turn(tx, session.id, &run);
        if (err_failed(read)) {
            return read;
        }
        why_set(&request->op.why,
                "a turn of the session is running%s%.*s; stop it, or wait for "
                "its end",
                run.len > 0 ? ": " : "", (int)run.len, run.data);
        return sessions__name_turn(tx, request, err);
    }
    if (err.code == ERR_CONFLICT) {
        why_set(&request->op.why, "the message joined a running answer, which has used it already");
    }
    return err_failed(err)
               ? err
               : tx_message_write_json(tx, &row, MESSAGE_BYTES_WHOLE, &request->op.answer);
}

static const struct request_kind edit = {
    .size = sizeof(struct edit_op),
    .writes = true,
    .one = &messages__kind,
    .fields = &edit_fields,
    .work = edit_work,
};

/* --- Out of the queue ------------------------------------------------------------------------- */

static struct err unqueue_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct message_key key = messages__key_of(request);
    struct message_row row;
    struct err err = tx_message_unqueue(tx, &key, &request->bounds, &row);
    if (err.code == ERR_CONFLICT) {
        why_set(&request->op.why, "the message is not queued, or no longer");
    }
    op_removed(&request->op, tx, "id", key.message, "removed_ms");
    return err;
}

static const struct request_kind unqueue = {
    .writes = true, .one = &messages__kind, .work = unqueue_work};

/* --- A range of a part ------------------------------------------------------------------------ */

static struct err part_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct exchange *exchange = request->op.exchange;
    struct text *text = &request->op.answer;
    const struct number_bounds bounds = {1, INT64_MAX};
    struct part_range range = {.offset = param_number(exchange, "offset"),
                               .limit = param_number(exchange, "limit")};
    struct message_row row = {.id = 0};
    struct part_text part;
    struct session_row session;
    struct err err = request_message(tx, request, &row, &session);
    bool found = number_parse(exchange_param(exchange, 1), bounds, &range.number);
    range.message = row.id;
    if (!err_failed(err) && found) {
        err = tx_part_text(tx, &range, &found, &part);
    }
    if (!err_failed(err) && !found) {
        return err_why(&request->op.why, ERR_NOT_FOUND, "the message has no part of that number");
    }
    if (!err_failed(err)) {
        text_add_char(text, '{');
        text_add_member(text, "text", part.text);
        text_add_member_int(text, "offset", part.offset);
        text_add_member_int(text, "next", part.offset + (int64_t)part.text.len);
        text_add_member_int(text, "bytes", part.bytes);
        text_add_char(text, '}');
    }
    return err;
}

static const struct request_kind part = {.one = &messages__kind, .work = part_work};

/* --- The table -------------------------------------------------------------------------------- */

#define MESSAGE_QUERY OP_OWNER_QUERY("Another owner's message")
static const struct query_param part_query[] = {
    OP_OWNER_PARAM("Another owner's message"),
    {QUERY("offset", QUERY_INT, "First byte of the text."), .min = 0, .max = MESSAGE_TEXT_MAX},
    {QUERY("limit", QUERY_INT, "Bytes at most; cut at a whole character."), .min = 4,
     .max = PART_LIMIT_MAX, .absent = PART_LIMIT_DEFAULT},
    {.name = NULL},
};

static const char part_answer[] =
    "{\"type\":\"object\",\"required\":[\"text\",\"offset\",\"next\",\"bytes\"],\"properties\":{"
    "\"text\":" TEXT_SCHEMA ",\"offset\":" INT_SCHEMA ",\"next\":" INT_SCHEMA
    ",\"bytes\":" INT_SCHEMA "}}";

const struct route messages_routes[] = {
    {ROUTE("GET", "/api/v1/messages/{id}", SCOPE_READ, "Show a message"), .query = MESSAGE_QUERY,
     .answer_schema = MESSAGE_SCHEMA, .request = &show},
    {ROUTE("PATCH", "/api/v1/messages/{id}", SCOPE_RUN,
           "Save another text of a user's message; nothing else changes"),
     .inside = INSIDE_BELOW, .query = MESSAGE_QUERY, .has_body = true,
     .body = {.fields = &edit_fields, .use = FIELD_GIVEN}, .answer_schema = MESSAGE_SCHEMA,
     .request = &edit},
    {ROUTE("DELETE", "/api/v1/messages/{id}", SCOPE_RUN,
           "Remove a message from its session's queue"),
     .inside = INSIDE_BELOW, .query = MESSAGE_QUERY, .answer_schema = REMOVED_SCHEMA,
     .request = &unqueue},
    {ROUTE("GET", "/api/v1/messages/{id}/parts/{number}", SCOPE_READ,
           "Read a range of the text of a message's part"),
     .query = part_query, .answer_schema = part_answer, .request = &part},
    {.method = NULL},
};
