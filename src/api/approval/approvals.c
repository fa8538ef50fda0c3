/* approvals.c: questions of runs that a person answers: list, one, ask, answer. */
#include <string.h>

#include "api/base/page.h"
#include "api/turn/turns.h"
#include "base/glob.h"
#include "base/json/json.h"
#include "engine/approval/approvals.h"

static const struct one_kind approval_one = {.prefix = "apr", .noun = "approval"};

/* --- List ------------------------------------------------------------------------------------- */

static struct err approval_list_row(void *ctx, const struct approval_row *row) {
    struct page *page = ctx;
    bool fits = page_is(page, "session", row->session) && page_is(page, "run", row->run) &&
                page_is(page, "tool", row->message_id != 0 ? row->step : BYTES("")) &&
                page_is(page, "kind", bytes_of(approval_kind_names[row->kind])) &&
                page_is(page, "state", bytes_of(approval_state_name(row->state))) &&
                page_since(page, row->asked_ms) &&
                (page_holds(page, row->step) || page_holds(page, row->arguments));
    if (page_row_number(page, row->id, fits)) {
        fields_write(&approval_resource.fields, FIELD_LISTED, row, &page->request.op.answer);
    }
    return ERR_OK;
}

/* Without `all` only open approvals are read, so a filter by state reads all of them. */
static struct err approval_list_rows(struct tx *tx, struct page *page,
                                     const struct page_part *part) {
    const struct exchange *exchange = page->request.op.exchange;
    const struct approval_page what = {.owner = page->request.key.owner,
                                       .all = param_flag(exchange, "all") ||
                                              param_text(exchange, "state").len > 0,
                                       .before = part->from,
                                       .limit = part->limit};
    return tx_approval_each(tx, &what, approval_list_row, page);
}

static const struct page_kind list = {.rows = approval_list_rows};

/* --- One -------------------------------------------------------------------------------------- */

static struct err approval_show_work(struct tx *tx, void *ctx) {
    struct request *request = ctx;
    const struct approval_key key = {.owner = request->key.owner, .approval = request->key.id};
    struct approval_row row;
    bool found = false;
    struct err err = tx_approval_find(tx, &key, &found, &row);
    if (err_failed(err) || !found) {
        return request_absent(request, err);
    }
    fields_write(&approval_resource.fields, FIELD_LISTED, &row, &request->op.answer);
    return ERR_OK;
}

static const struct request_kind show = {.one = &approval_one, .work = approval_show_work};

/* --- A question ------------------------------------------------------------------------------- */

struct ask_op {
    struct request request;
    struct bytes run, step, question;
    json_t *options, *schema; /* NULL: absent. */
    struct text arguments;    /* Owned. */
    enum approval_kind kind;
};

#define AT(member) offsetof(struct ask_op, member)
static const struct field ask_rows[] = {
    {FIELD("run", FIELD_TEXT, AT(run)), .max = ID_SIZE},
    {FIELD("step", FIELD_TEXT, AT(step)), .required = true, .plain = true, .min = 1,
     .max = APPROVAL_STEP_MAX},
    {FIELD("question", FIELD_TEXT, AT(question)), .required = true, .min = 1,
     .max = QUESTION_TEXT_MAX},
    {FIELD("options", FIELD_TEXTS, AT(options)), .min = 2, .max = QUESTION_OPTIONS_MAX},
    {FIELD("schema", FIELD_JSON, AT(schema)), .schema = "{\"type\":\"object\"}"},
};
static const struct field_set ask_fields = {FIELD_ROWS(ask_rows), .use = FIELD_GIVEN};

/* The same question has the same bytes. */
static struct err ask_read(void *ctx) {
    struct ask_op *op = ctx;
    struct why *why = &op->request.op.why;
    const char *inside = exchange_identity(op->request.op.exchange)->inside;
    AUTO(json_release) json_t *question = json_copy(exchange_json(op->request.op.exchange));
    request_text(&op->request, &op->arguments, QUESTION_BYTES_MAX);
    if (op->run.len == 0) {
        op->run = bytes_of(inside);
    }
    if (op->run.len == 0) {
        return err_why(why, ERR_MISSING_FIELD, "run: the run that asks, outside of a run");
    }
    if (question == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "approvals: question");
    }
    (void)json_object_del(question, "run"); /* May be absent. */
    (void)json_object_del(question, "step");
    struct err err = question_check(question, &op->kind, why);
    if (!err_failed(err) && err_failed(json_write_canonical(question, &op->arguments))) {
        return err_why(why, ERR_BAD_FIELD, "the question has more than %d bytes as compact JSON",
                       QUESTION_BYTES_MAX);
    }
    return err;
}

/* A program asks about its own run, too. */
static struct err ask_work(struct tx *tx, void *ctx) {
    struct ask_op *op = ctx;
    const struct approval_asking asking = {.run = {.owner = op->request.key.owner, .run = op->run},
                                           .step = op->step,
                                           .kind = op->kind,
                                           .arguments = text_bytes(&op->arguments)};
    struct approval_row row;
    struct err err = ERR_OK;
    if (!bytes_is(op->run, exchange_identity(op->request.op.exchange)->inside)) {
        err = request_inside(tx, &op->request, op->run);
    }
    if (!err_failed(err)) {
        err = tx_approval_ask(tx, &asking, &row, &op->request.op.why);
    }
    if (err.code == ERR_NOT_FOUND) {
        why_set(&op->request.op.why, "there is no run '%.*s'", (int)op->run.len, op->run.data);
    }
    if (!err_failed(err)) {
        fields_write(&approval_resource.fields, FIELD_LISTED, &row, &op->request.op.answer);
    }
    return err;
}

static const struct request_kind ask = {
    .size = sizeof(struct ask_op),
    .writes = true,
    .fields = &ask_fields,
    .read = ask_read,
    .work = ask_work,
};

/* --- An answer -------------------------------------------------------------------------------- */

/* {"decision": "allow", "scope"?, "subject"?} | {"decision": "deny", "reason"?} |
 * {"answer": anything} | {"choice": option} | {"fields": object}; and "digest" of the question as
 * it was shown */

struct answer_op {
    struct request request;
    const char *decision, *reason; /* NULL: absent, as the next. */
    const char *scope;
    json_t *values[APPROVAL_VERB_COUNT]; /* By verb, where it has a value. */
    struct approval_answer answer;       /* Borrows from the exchange, and `text`. */
    struct text text;                    /* Owned. */
};

#undef AT
#define AT(member) offsetof(struct answer_op, member)
static const struct field answer_rows[] = {
    {FIELD("decision", FIELD_CHARS, AT(decision)), .schema = "{\"enum\":[\"allow\",\"deny\"]}"},
    {FIELD("reason", FIELD_CHARS, AT(reason)), .max = 2000},
    {FIELD("scope", FIELD_CHARS, AT(scope)),
     .schema = "{\"enum\":[\"once\",\"session\",\"project\"]}"},
    {FIELD("subject", FIELD_TEXT, AT(answer.subject)), .min = 1, .max = GLOB_PATTERN_MAX},
    {FIELD("digest", FIELD_TEXT, AT(answer.digest)), .min = 1, .max = 128},
    {FIELD("answer", FIELD_JSON, AT(values[APPROVAL_ANSWER]))},
    {FIELD("choice", FIELD_JSON, AT(values[APPROVAL_CHOICE])), .schema = "{\"type\":\"string\"}"},
    {FIELD("fields", FIELD_JSON, AT(values[APPROVAL_FIELDS])), .schema = "{\"type\":\"object\"}"},
};
static const struct field_set answer_fields = {FIELD_ROWS(answer_rows), .use = FIELD_GIVEN};

static struct err scope_read(struct answer_op *op, struct why *why) {
    struct approval_answer *answer = &op->answer;
    unsigned scope = APPROVAL_HERE;
    if (op->scope != NULL &&
        (op->scope[0] == '\0' || !bytes_find(bytes_of(op->scope), approval_scope_names, &scope))) {
        return err_why(why, ERR_BAD_FIELD, "scope: once, session or project");
    }
    answer->scope = (enum approval_scope)scope;
    if (answer->subject.len > 0 && answer->scope < APPROVAL_SESSION) {
        return err_why(why, ERR_BAD_FIELD, "subject: only with \"scope\": session or project");
    }
    return ERR_OK;
}

static struct err answer_read(void *ctx) {
    struct answer_op *op = ctx;
    struct why *why = &op->request.op.why;
    struct approval_answer *answer = &op->answer;
    unsigned given = op->decision != NULL;
    request_text(&op->request, &op->text, APPROVAL_ANSWER_MAX);
    for (unsigned verb = 0; verb < APPROVAL_VERB_COUNT; verb++) {
        if (op->values[verb] != NULL) {
            given++;
            answer->verb = verb;
        }
    }
    if (given != 1) {
        return err_why(why, ERR_BAD_FIELD,
                       "one of decision (allow or deny), answer, choice and fields");
    }
    if (op->decision == NULL) {
        text_addf(&op->text, "{\"%s\":", approval_verb_members[answer->verb]);
        struct err err = json_write(op->values[answer->verb], &op->text);
        text_add_char(&op->text, '}');
        if (err_failed(err) || text_failed(&op->text)) {
            return err_why(why, ERR_BAD_FIELD, "%s: too long", approval_verb_members[answer->verb]);
        }
    } else {
        bool allow = strcmp(op->decision, "allow") == 0;
        if (!allow && strcmp(op->decision, "deny") != 0) {
            return err_why(why, ERR_BAD_FIELD, "decision: allow or deny");
        }
        answer->verb = allow ? APPROVAL_ALLOW : APPROVAL_DENY;
        text_add_str(&op->text, op->reason == NULL ? "" : op->reason);
    }
    answer->key =
        (struct approval_key){.owner = op->request.key.owner, .approval = op->request.key.id};
    answer->text = text_bytes(&op->text);
    answer->by = bytes_of(exchange_identity(op->request.op.exchange)->owner);
    return scope_read(op, why);
}

static struct err answer_work(struct tx *tx, void *ctx) {
    struct answer_op *op = ctx;
    struct why *why = &op->request.op.why;
    struct approval_row row;
    struct err err = tx_approval_answer(tx, &op->answer, &row, why);
    if (err.code == ERR_CONFLICT && row.state == APPROVAL_CANCELLED && row.answer.len > 0) {
        why_set(why, "%.*s: it needs no answer any more", (int)row.answer.len, row.answer.data);
    } else if (err.code == ERR_CONFLICT) {
        why_set(why, "it was %s already%s%.*s", approval_state_name(row.state),
                row.by.len > 0 ? ", by " : "", (int)row.by.len, row.by.data);
    }
    if (!err_failed(err)) {
        fields_write(&approval_resource.fields, FIELD_LISTED, &row, &op->request.op.answer);
    }
    return err;
}

static const struct request_kind answer = {
    .size = sizeof(struct answer_op),
    .writes = true,
    .one = &approval_one,
    .fields = &answer_fields,
    .read = answer_read,
    .work = answer_work,
};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's approvals"),
    {QUERY("all", QUERY_FLAG, "Include answered ones.")},
    PAGE_WORD_PARAM("session", "Only those of this session."),
    PAGE_WORD_PARAM("run", "Only those of this run."),
    PAGE_WORD_PARAM("tool", "Only those of this tool, or of several (a,b)."),
    PAGE_WORDS_PARAM("kind", "Only requests for a permission (leave), or questions of other kinds.",
                     "leave,answer,confirm,choice,form"),
    PAGE_STATE_PARAM("open,allowed,denied,answered,cancelled"),
    PAGE_SINCE_PARAM("asked"),
    PAGE_Q_PARAM("step or arguments"),
    {.name = NULL},
};
#define APPROVAL_QUERY OP_OWNER_QUERY("Another owner's approval")

const struct route approvals_routes[] = {
    {ROUTE("GET", "/api/v1/approvals", SCOPE_READ,
           "List what waits for somebody's answer, newest first"),
     .query = list_query,
     .answer = {.fields = &approval_resource.fields, .use = FIELD_LISTED, .page = true},
     .page = &list},
    {ROUTE("POST", "/api/v1/approvals", SCOPE_RUN,
           "Ask a person about a step of a run; the same question again has the same answer"),
     .inside = INSIDE_ALWAYS, /* ask_work. */
     .has_body = true, .query = APPROVAL_QUERY, .body = {.fields = &ask_fields, .use = FIELD_GIVEN},
     .answer = {.fields = &approval_resource.fields, .use = FIELD_LISTED}, .request = &ask},
    {ROUTE("GET", "/api/v1/approvals/{id}", SCOPE_READ,
           "Show what is asked: the exact call or question, and its answer"),
     .query = APPROVAL_QUERY, .answer = {.fields = &approval_resource.fields, .use = FIELD_LISTED},
     .request = &show},
    {ROUTE("POST", "/api/v1/approvals/{id}", SCOPE_APPROVE, "Answer it; the first answer counts"),
     .has_body = true, .query = APPROVAL_QUERY,
     .body = {.fields = &answer_fields, .use = FIELD_GIVEN},
     .answer = {.fields = &approval_resource.fields, .use = FIELD_LISTED}, .request = &answer},
    {.method = NULL},
};
