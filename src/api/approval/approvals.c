/* approvals.c: questions of turns that a person answers: list, one, answer. */
#include <string.h>

#include "api/base/one.h"
#include "api/base/page.h"
#include "api/turn/turns.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/approval/approvals.h"

enum { ONE_OWNER };
enum {
    LIST_ALL = PAGE_OWN,
    LIST_SESSION,
    LIST_RUN,
    LIST_TOOL,
    LIST_KIND,
    LIST_STATE,
    LIST_SINCE,
    LIST_Q,
};

static const struct one_kind of_approval = {.prefix = "apr",
                                            .absent = "there is no approval with that id"};

/* --- List ------------------------------------------------------------------------------------- */

struct list_op {
    struct page page;
    struct approval_page what; /* Filters of the engine. Texts are borrowed from the exchange. */
    struct bytes session, run, tool, kind, states, q; /* Filters of this file; the same. */
    int64_t since_ms;
};

static struct bytes state_of(const struct approval_row *row) {
    const char *name = approval_state_name(row->state);
    return bytes_of(name);
}

static bool fits(const struct list_op *list, const struct approval_row *row) {
    return page_names(list->session, row->session) && page_names(list->run, row->run) &&
           page_names(list->tool, row->tool) && page_names(list->kind, row->kind) &&
           page_names(list->states, state_of(row)) && row->asked_ms >= list->since_ms &&
           (page_holds(row->tool, list->q) || page_holds(row->arguments, list->q));
}

static struct err list_row(void *ctx, const struct approval_row *row) {
    struct list_op *list = ctx;
    if (!fits(list, row)) {
        page_pass_number(&list->page, row->id);
    } else if (page_add_number(&list->page, row->id)) {
        approval_write_json(row, &list->page.op.answer);
    }
    return ERR_OK;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct list_op *list = CONTAINER_OF(page, struct list_op, page);
    list->what.before = part->from;
    list->what.limit = part->limit;
    return tx_approval_each(tx, &list->what, list_row, list);
}

static struct err filters_read(const struct exchange *exchange, struct list_op *list,
                               struct why *why) {
    list->session = page_word(exchange, LIST_SESSION);
    list->run = page_word(exchange, LIST_RUN);
    list->tool = page_word(exchange, LIST_TOOL);
    list->kind = page_word(exchange, LIST_KIND);
    list->states = page_word(exchange, LIST_STATE);
    list->q = page_word(exchange, LIST_Q);
    list->since_ms = exchange_query_int(exchange, LIST_SINCE);
    /* Without `all` only open approvals are read, so a filter by state reads all of them. */
    list->what.all = exchange_query_int(exchange, LIST_ALL) != 0 || list->states.len > 0;
    struct err err = page_words_check(list->kind, "kind", "leave,answer", why);
    return err_failed(err) ? err
                           : page_words_check(list->states, "state",
                                              "open,allowed,denied,answered,cancelled", why);
}

static void list(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.of = PAGE_OF_OWNER};
    const struct turns_api *api = ctx;
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct list_op *op = mem_new(sizeof *op);
    page_init(&op->page, exchange, ask.limit);
    op->what = (struct approval_page){.owner = ask.owner};
    struct err err = filters_read(exchange, op, &op->page.op.why);
    if (err_failed(err)) {
        op_done(err, op);
        return;
    }
    page_list(&op->page, api->store, &ask, list_rows);
}

/* --- One -------------------------------------------------------------------------------------- */

struct one_op {
    struct op op;
    struct approval_answer answer; /* Borrows from the exchange, and `text`. */
    struct text text;              /* Owned. */
};

static struct err show_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    struct approval_row row;
    bool found = false;
    op_restart(&one->op);
    struct err err = tx_approval_find(tx, &one->answer.key, &found, &row);
    if (!err_failed(err) && !found) {
        return one_absent(&of_approval, &one->op.why);
    }
    if (!err_failed(err)) {
        approval_write_json(&row, &one->op.answer);
    }
    return err;
}

static void one_done(struct err result, void *ctx) {
    struct one_op *one = ctx;
    op_answer(&one->op, result);
    text_done(&one->text);
    mem_free(one);
}

static struct one_op *one_new(struct exchange *exchange, const struct one_key *key) {
    struct one_op *one = mem_new(sizeof *one);
    op_init(&one->op, exchange, 200);
    text_init(&one->text, APPROVAL_ANSWER_MAX);
    one->answer.key = (struct approval_key){.owner = key->owner, .approval = key->id};
    return one;
}

static void show(struct exchange *exchange, void *ctx) {
    const struct turns_api *api = ctx;
    struct one_key key;
    if (one_read(exchange, &of_approval, ONE_OWNER, &key)) {
        store_read(api->store, show_run, one_done, one_new(exchange, &key));
    }
}

/* --- An answer -------------------------------------------------------------------------------- */

static struct err answer_run(struct tx *tx, void *ctx) {
    struct one_op *one = ctx;
    struct approval_row row;
    op_restart(&one->op);
    struct err err = tx_approval_answer(tx, &one->answer, &row, &one->op.why);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&of_approval, &one->op.why);
    }
    if (err.code == ERR_CONFLICT) {
        why_set(&one->op.why, "it was %s already%s%.*s", approval_state_name(row.state),
                row.by.len > 0 ? ", by " : "", (int)row.by.len, row.by.data);
    }
    if (err_failed(err)) {
        return err;
    }
    approval_write_json(&row, &one->op.answer);
    return op_written(&one->op);
}

static struct err bad(struct why *why, const char *words) {
    why_set(why, "%s", words);
    return err_make(ERR_BAD_FIELD, "approvals: answer");
}

/* {"decision": "allow"} | {"decision": "deny", "reason"?} | {"answer": anything} */
static struct err read_answer(const struct exchange *exchange, struct one_op *one,
                              struct why *why) {
    const char *decision = NULL, *reason = NULL;
    json_t *answer = NULL;
    const struct json_field fields[] = {
        {.name = "decision", .kind = JSON_KIND_TEXT, .text = &decision},
        {.name = "reason", .kind = JSON_KIND_TEXT, .max = 2000, .text = &reason},
        {.name = "answer", .kind = JSON_KIND_ANY, .value = &answer},
    };
    struct err err = json_read_fields(exchange_json(exchange), fields, COUNT_OF(fields), why);
    if (err_failed(err)) {
        return err;
    }
    if ((decision == NULL) == (answer == NULL)) {
        return bad(why, "one of decision (allow or deny) and answer");
    }
    if (answer != NULL) {
        one->answer.verb = APPROVAL_ANSWER;
        text_add_str(&one->text, "{\"answer\":");
        err = json_write(answer, &one->text);
        text_add_char(&one->text, '}');
        return err_failed(err) || text_failed(&one->text) ? bad(why, "answer: too long") : ERR_OK;
    }
    bool allow = strcmp(decision, "allow") == 0;
    if (!allow && strcmp(decision, "deny") != 0) {
        return bad(why, "decision: allow or deny");
    }
    one->answer.verb = allow ? APPROVAL_ALLOW : APPROVAL_DENY;
    text_add_str(&one->text, reason == NULL ? "" : reason);
    return ERR_OK;
}

static void answer(struct exchange *exchange, void *ctx) {
    const struct turns_api *api = ctx;
    struct why why = {.text = ""};
    struct one_key key;
    if (!one_read(exchange, &of_approval, ONE_OWNER, &key)) {
        return;
    }
    struct one_op *one = one_new(exchange, &key);
    struct err err = read_answer(exchange, one, &why);
    if (err_failed(err)) {
        text_done(&one->text);
        text_done(&one->op.answer);
        mem_free(one);
        op_refuse(exchange, err, &why);
        return;
    }
    const struct identity *identity = exchange_identity(exchange);
    one->answer.text = (struct bytes){one->text.data == NULL ? "" : one->text.data, one->text.len};
    one->answer.by = bytes_of(identity->owner);
    store_write(api->store, answer_run, one_done, one);
}

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    [PAGE_AFTER] = PAGE_NUMBER_PARAM,
    PAGE_PARAMS,
    [PAGE_OWNER] = {.name = "owner",
                    .about = "Another owner's approvals (scope admin).",
                    .kind = QUERY_TEXT,
                    .max = 64},
    [LIST_ALL] = {.name = "all", .about = "Those that were answered, too.", .kind = QUERY_FLAG},
    [LIST_SESSION] = PAGE_WORD_PARAM("session", "Only those of this session."),
    [LIST_RUN] = PAGE_WORD_PARAM("run", "Only those of this turn."),
    [LIST_TOOL] = PAGE_WORD_PARAM("tool", "Only those of this tool, or of several (a,b)."),
    [LIST_KIND] = PAGE_WORD_PARAM("kind", "Only those that want leave, or an answer."),
    [LIST_STATE] = PAGE_STATE_PARAM,
    [LIST_SINCE] = PAGE_SINCE_PARAM("asked"),
    [LIST_Q] = PAGE_Q_PARAM("tool or arguments"),
    {.name = NULL},
};
static const struct query_param one_query[] = {
    [ONE_OWNER] = {.name = "owner",
                   .about = "Another owner's approval (scope admin).",
                   .kind = QUERY_TEXT,
                   .max = 64},
    {.name = NULL},
};

#define APPROVAL_SCHEMA                                                                            \
    "{\"type\":\"object\",\"required\":[\"id\",\"state\",\"kind\",\"tool\"],\"properties\":{"      \
    "\"id\":{\"type\":\"string\"},\"session\":{\"type\":\"string\"},\"run\":{\"type\":\"string\"}" \
    ",\"message\":{\"type\":\"string\"},\"kind\":{\"enum\":[\"leave\",\"answer\"]},"               \
    "\"tool\":{\"type\":\"string\"},\"part\":{\"type\":\"integer\"},\"state\":{\"enum\":["         \
    "\"open\",\"allowed\",\"denied\",\"answered\",\"cancelled\"]}}}"

static const char answer_body[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"decision\":{\"enum\":[\"allow\",\"deny\"]},\"reason\":{\"type\":\"string\"},"
    "\"answer\":{}}}";

static const struct route routes[] = {
    {.method = "GET",
     .path = "/api/v1/approvals",
     .summary = "List what waits for somebody's answer, newest first",
     .scope = SCOPE_READ,
     .query = list_query,
     .answer_schema = PAGE_SCHEMA(APPROVAL_SCHEMA),
     .answer_status = 200,
     .handle = list},
    {.method = "GET",
     .path = "/api/v1/approvals/{id}",
     .summary = "Show what is asked: the exact call, and what it would change",
     .scope = SCOPE_READ,
     .query = one_query,
     .answer_schema = APPROVAL_SCHEMA,
     .answer_status = 200,
     .handle = show},
    {.method = "POST",
     .path = "/api/v1/approvals/{id}",
     .summary = "Answer it; the first answer counts",
     .scope = SCOPE_APPROVE,
     .has_body = true,
     .query = one_query,
     .body_schema = answer_body,
     .answer_schema = APPROVAL_SCHEMA,
     .answer_status = 200,
     .handle = answer},
};

struct route_table approvals_table(struct turns_api *api) {
    return (struct route_table){.routes = routes, .count = COUNT_OF(routes), .ctx = api};
}
