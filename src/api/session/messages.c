/* messages.c: the messages of a session: pages of them, one of them, and what a client may change.
 */
#include <string.h>

#include "api/session/sessions.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct session_key key;   /* Borrowed from the exchange. */
    struct message_page what; /* Without the session. */
    struct bytes states, roles, q;
    int64_t since_ms;
};

static bool fits(const struct list_op *list, const struct message_row *row) {
    const char *status = message_status_name(row->status), *role = message_role_name(row->role);
    return page_names(list->states, bytes_of(status)) && page_names(list->roles, bytes_of(role)) &&
           row->made_ms >= list->since_ms;
}

static struct err list_row(struct tx *tx, struct list_op *list, const struct message_row *row) {
    struct text *text = &list->page.op.answer;
    struct bytes around = BYTES("");
    bool found = fits(list, row);
    struct err err = ERR_OK;
    if (found && list->q.len > 0) {
        err = tx_message_search(tx, row->id, list->q, &found, &around);
    }
    if (!found) {
        page_pass_number(&list->page, row->id);
    } else if (!err_failed(err) && page_add_number(&list->page, row->id)) {
        err = list->q.len > 0 ? tx_message_write_found(tx, row, MESSAGE_BYTES_LIST, around, text)
                              : tx_message_write_json(tx, row, MESSAGE_BYTES_LIST, text);
    }
    return err;
}

/* Texts may be long, so that a search ends its part by the time of the slice, too. */
static struct err list_rows(struct tx *tx, struct list_op *list,
                            const struct message_rows *messages) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < messages->count && !err_failed(err); i++) {
        err = list_row(tx, list, &messages->rows[i]);
        if (list->q.len > 0 && tx_slice_over(tx)) {
            page_looked_number(&list->page, messages->rows[i].id);
            break;
        }
    }
    return err;
}

static struct err list_part(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    struct message_page what = list->what;
    what.after = part->from;
    what.limit = part->limit;
    bool found = false;
    struct session_row session;
    struct message_rows messages;
    struct err err = tx_session_find(tx, &list->key, &found, &session);
    if (!err_failed(err) && !found) {
        return one_absent(&sessions__kind, &list->page.op.why);
    }
    if (!err_failed(err)) {
        what.session = session.id;
        err = tx_message_page(tx, &what, &messages);
    }
    if (!err_failed(err)) {
        err = list_rows(tx, list, &messages);
    }
    return err;
}

static struct err order_read(const struct exchange *exchange, enum message_order *ret_order,
                             struct why *why) {
    struct bytes order = BYTES("newest");
    if (exchange_query_given(exchange, MESSAGES_ORDER)) {
        order = exchange_query_text(exchange, MESSAGES_ORDER);
    }
    bool newest = order.len == 6 && memcmp(order.data, "newest", 6) == 0;
    if (!newest && (order.len != 6 || memcmp(order.data, "oldest", 6) != 0)) {
        why_set(why, "query parameter 'order' must be newest or oldest");
        return err_make(ERR_BAD_QUERY, "messages: order");
    }
    *ret_order = newest ? MESSAGES_NEWEST : MESSAGES_OLDEST;
    return ERR_OK;
}

void sessions__messages(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_OWNER};
    const struct sessions_api *api = ctx;
    struct page_ask ask;
    struct session_key key;
    if (!page_read(exchange, &form, &ask) || !sessions__key(exchange, PAGE_OWNER, &key)) {
        return;
    }
    struct list_op *list = mem_new(sizeof *list);
    page_init(&list->page, exchange, ask.limit);
    list->key = key;
    list->states = page_word(exchange, MESSAGES_STATE);
    list->roles = page_word(exchange, MESSAGES_ROLE);
    list->q = page_word(exchange, MESSAGES_Q);
    list->since_ms = exchange_query_int(exchange, MESSAGES_SINCE);
    struct why *why = &list->page.op.why;
    struct err err = order_read(exchange, &list->what.order, why);
    if (memchr(list->q.data, '\0', list->q.len) != NULL) {
        err = err_make(ERR_BAD_QUERY, "messages: q");
    }
    if (!err_failed(err)) {
        err = page_words_check(list->roles, "role", "user,assistant,system,notice", why);
    }
    if (!err_failed(err)) {
        err = page_words_check(list->states, "status",
                               "queued,running,completed,interrupted,failed,rolled_back,steering,"
                               "joined",
                               why);
    }
    if (err_failed(err)) {
        op_done(err, list);
        return;
    }
    page_list(&list->page, api->store, &ask, list_part);
}

/* --- One message ------------------------------------------------------------------------------ */

struct one_op {
    struct op op;
    struct message_key key; /* Borrowed from the exchange, as the text is. */
    struct bytes text;
    struct part_range range; /* Without the message. */
    struct run_bounds bounds;
};

static struct one_op *one_new(struct exchange *exchange) {
    struct one_key key;
    if (!one_read(exchange, &messages__kind, MESSAGE_OWNER, &key)) {
        return NULL;
    }
    struct one_op *one = mem_new(sizeof *one);
    op_init(&one->op, exchange, 200);
    one->key = (struct message_key){.owner = key.owner, .message = key.id};
    return one;
}

static struct err find(struct tx *tx, struct one_op *one, struct message_row *ret_row) {
    bool found = false;
    struct session_row session;
    struct err err = tx_message_find(tx, &one->key, &found, ret_row, &session);
    return !err_failed(err) && !found ? one_absent(&messages__kind, &one->op.why) : err;
}

static struct err write_answer(struct tx *tx, struct one_op *one, const struct message_row *row) {
    return tx_message_write_json(tx, row, MESSAGE_BYTES_WHOLE, &one->op.answer);
}

static struct err show_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    struct message_row row;
    struct err err = find(tx, one, &row);
    return err_failed(err) ? err : write_answer(tx, one, &row);
}

void messages__show(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct one_op *one = one_new(exchange);
    if (one != NULL) {
        store_read(api->store, show_run, op_done, one);
    }
}

/* --- Save another text ------------------------------------------------------------------------ */

static struct err tell_turn(struct tx *tx, const struct session_row *session, struct why *why) {
    struct bytes run = {"", 0};
    struct err err = tx_session_turn(tx, session->id, &run);
    if (err_failed(err)) {
        return err;
    }
    why_set(why, "a turn of the session is going on%s%.*s; stop it, or wait for its end",
            run.len > 0 ? ": " : "", (int)run.len, run.data);
    return err_make(ERR_TURN_IN_PROGRESS, "messages: edit");
}

static struct err edit_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    const struct message_edit edit = {.key = one->key, .text = one->text};
    struct message_row row;
    struct session_row session;
    struct err err = tx_message_edit(tx, &edit, &row, &session);
    if (err.code == ERR_MESSAGE_NOT_FOUND) {
        return one_absent(&messages__kind, &one->op.why);
    }
    if (err.code == ERR_TURN_IN_PROGRESS) {
        err = tell_turn(tx, &session, &one->op.why);
        return op_name_turn_of(tx, &one->key, err, &one->op);
    }
    if (err.code == ERR_CONFLICT) {
        why_set(&one->op.why, "it joined an answer, which has its words already");
    }
    if (!err_failed(err)) {
        err = write_answer(tx, one, &row);
    }
    return err_failed(err) ? err : op_written(&one->op);
}

void messages__edit(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct one_op *one = one_new(exchange);
    if (one == NULL) {
        return;
    }
    const char *text = NULL;
    const struct json_field fields[] = {
        {.name = "text",
         .kind = JSON_KIND_TEXT,
         .required = true,
         .min = 1,
         .max = MESSAGE_TEXT_MAX,
         .text = &text},
    };
    struct err err =
        json_read_fields(exchange_json(exchange), fields, COUNT_OF(fields), &one->op.why);
    if (err_failed(err)) {
        op_done(err, one);
        return;
    }
    one->text = bytes_of(text);
    store_write(api->store, edit_run, op_done, one);
}

/* --- Out of the queue ------------------------------------------------------------------------- */

static struct err unqueue_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    struct message_row row;
    struct err err = tx_message_unqueue(tx, &one->key, &one->bounds, &row);
    if (err.code == ERR_MESSAGE_NOT_FOUND) {
        return one_absent(&messages__kind, &one->op.why);
    }
    if (err.code == ERR_CONFLICT) {
        why_set(&one->op.why, "the message is not in the queue (any more)");
    }
    if (err_failed(err)) {
        return err;
    }
    text_add_str(&one->op.answer, "{\"id\":");
    text_add_json(&one->op.answer, one->key.message.data, one->key.message.len);
    text_addf(&one->op.answer, ",\"removed_ms\":%lld}", (long long)tx_now_ms(tx));
    return op_written(&one->op);
}

void messages__unqueue(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct one_op *one = one_new(exchange);
    if (one != NULL) {
        one->bounds = dispatch_bounds(api->dispatch);
        store_write(api->store, unqueue_run, op_done, one);
    }
}

/* --- A range of a part ------------------------------------------------------------------------ */

static struct err part_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    op_restart(&one->op);
    struct message_row row;
    struct err err = find(tx, one, &row);
    if (err_failed(err)) {
        return err;
    }
    struct part_range range = one->range;
    struct part_text part;
    bool found = false;
    range.message = row.id;
    err = tx_part_text(tx, &range, &found, &part);
    if (!err_failed(err) && !found) {
        why_set(&one->op.why, "the message has no part of that number");
        return err_make(ERR_NOT_FOUND, "messages: part");
    }
    if (!err_failed(err)) {
        struct text *text = &one->op.answer;
        int64_t next = part.offset + (int64_t)part.text.len;
        text_add_str(text, "{\"text\":");
        text_add_json(text, part.text.data, part.text.len);
        text_addf(text, ",\"offset\":%lld,\"next\":%lld,\"bytes\":%lld}", (long long)part.offset,
                  (long long)next, (long long)part.bytes);
    }
    return err;
}

void messages__part(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    struct one_op *one = one_new(exchange);
    if (one == NULL) {
        return;
    }
    struct number_bounds bounds = {1, MESSAGE_PARTS_MAX};
    one->range.offset = exchange_query_int(exchange, PART_OFFSET);
    one->range.limit = exchange_query_int(exchange, PART_LIMIT);
    if (!number_parse(exchange_param(exchange, 1), bounds, &one->range.number)) {
        why_set(&one->op.why, "the message has no part of that number");
        op_done(err_make(ERR_NOT_FOUND, "messages: part"), one);
        return;
    }
    store_read(api->store, part_run, op_done, one);
}
