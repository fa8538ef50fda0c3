/* changes.c: see changes.h. */
#include "api/changes/changes.h"

#include "base/json/json.h"
#include "base/number.h"
#include "engine/changes/points.h"
#include "rules/changes/names.h"
#include "tool/changes/ask.h"

enum {
    FILES_MAX = 500,
    DIFF_BYTES_MAX = 8 << 20,
};

/* "start", "turn:N" or "point:ID". */
static struct err base_read(struct changes_op *op) {
    struct changes_question *question = &op->question;
    const struct bytes base = param_text(op->request.op.exchange, "base");
    const struct bytes turn = BYTES("turn:"), point = BYTES("point:");
    if (base.len == 0 || bytes_equal(base, BYTES("start"))) {
        question->base = CHANGES_FROM_START;
        return ERR_OK;
    }
    if (bytes_begin(base, turn)) {
        question->base = CHANGES_FROM_TURN;
        if (number_parse((struct bytes){base.data + turn.len, base.len - turn.len},
                         (struct number_bounds){1, INT32_MAX}, &question->turn)) {
            return ERR_OK;
        }
    }
    if (bytes_begin(base, point) && id_valid(base.data + point.len, base.len - point.len, "pnt")) {
        question->base = CHANGES_FROM_POINT;
        question->point = (struct bytes){base.data + point.len, base.len - point.len};
        return ERR_OK;
    }
    return err_why(&op->request.op.why, ERR_BAD_QUERY,
                   "base must be start, turn:N (the number of a turn) or point:ID");
}

/* A path of the query, as the list has it; none is fine. */
static struct err path_check(struct changes_op *op, const char *name) {
    AUTO(text_done) struct text path = text_up_to(CHANGES_PATH_MAX);
    const struct bytes given = param_text(op->request.op.exchange, name);
    if (given.len == 0 ||
        (change_name_read(given, &path) && change_name_is_safe(text_bytes(&path)))) {
        return ERR_OK;
    }
    return err_why(&op->request.op.why, ERR_BAD_QUERY,
                   "%s must be the path of a file as the list has it", name);
}

static struct err changes_start(void *ctx) {
    struct changes_op *op = ctx;
    op->question =
        (struct changes_question){.owner = op->request.key.owner, .of = op->request.key.id};
    return base_read(op);
}

struct err changes__list_start(void *ctx) {
    struct changes_op *op = ctx;
    const struct bytes since = param_text(op->request.op.exchange, "since");
    if (since.len > 0 && !bytes_is(since, "viewed")) {
        return err_why(&op->request.op.why, ERR_BAD_QUERY, "since must be viewed");
    }
    TRY(path_check(op, "after"));
    return changes_start(ctx);
}

struct err changes__path_start(void *ctx) {
    TRY(path_check(ctx, "path"));
    return changes_start(ctx);
}

struct err changes__diff_start(void *ctx) {
    struct changes_op *op = ctx;
    const struct bytes since = param_text(op->request.op.exchange, "since");
    if (since.len > 0 &&
        (!bytes_is(since, "viewed") || param_text(op->request.op.exchange, "path").len == 0)) {
        return err_why(&op->request.op.why, ERR_BAD_QUERY,
                       "since must be viewed, and needs the path of one file");
    }
    return changes__path_start(ctx);
}

struct err changes__work(struct tx *tx, void *ctx) {
    struct changes_op *op = ctx;
    return tx_changes_find(tx, &op->question, &op->span, &op->request.op.why);
}

void changes__end(void *ctx, struct err result) {
    struct changes_op *op = ctx;
    (void)result; /* Answered. */
    changes_span_done(&op->span);
}

/* --- Orders ----------------------------------------------------------------------------------- */

struct err changes__git_need(struct changes_op *op) {
    const struct changes_api *api = op->request.api;
    if (points_git(api->points) != NULL) {
        return ERR_OK;
    }
    return err_why(&op->request.op.why, ERR_NOT_IMPLEMENTED,
                   "git is not installed where the daemon runs: changes are not recorded");
}

void changes__order_begin(const struct changes_op *op, const char *what, struct text *order) {
    const struct changes_api *api = op->request.api;
    text_add_char(order, '{');
    text_add_member_str(order, "do", what);
    text_add_member_str(order, "git", points_git(api->points));
    text_add_name(order, "shadow");
    text_add_char(order, '"');
    text_add_json_piece(order, bytes_of(points_folder(api->points)));
    text_add_char(order, '/');
    text_add_json_piece(order, text_bytes(&op->span.repository));
    text_add_char(order, '"');
    text_add_member(order, "from", text_bytes(&op->span.from));
    text_add_member(order, "to", text_bytes(&op->span.to));
}

/* --- The list --------------------------------------------------------------------------------- */

void changes__people_write(int64_t set, json_t *people, struct text *answer) {
    bool first = true;
    text_add_str(answer, ",\"by\":[");
    for (size_t i = 0; i < json_array_size(people); i++) {
        if ((set & INT64_C(1) << i) != 0) {
            text_add_str(answer, first ? "" : ",");
            if (err_failed(json_write(json_array_get(people, i), answer))) {
                return; /* The text has failed. */
            }
            first = false;
        }
    }
    if ((set & INT64_C(1) << AUTHOR_OTHERS) != 0) {
        text_add_str(answer, first ? "" : ",");
        text_add_str(answer, "{\"kind\":\"unknown\",\"session\":null,\"run\":null,\"agent\":null,"
                             "\"name\":\"others\"}");
    }
    text_add_char(answer, ']');
}

/* All authors of the steps that changed the file. One that several of them may have written, or
 * one that nobody is known to have, is not exact. */
static const char *by_write(const json_t *sets, json_t *people, struct text *answer) {
    int64_t all = 0;
    const char *status = "exact";
    for (size_t i = 0; i < json_array_size(sets); i++) {
        const int64_t set = json_integer_value(json_array_get(sets, i));
        all |= set;
        const bool several = (set & (set - 1)) != 0 || (set & INT64_C(1) << AUTHOR_OTHERS) != 0;
        if (set == 0 || (set & INT64_C(1) << AUTHOR_UNKNOWN) != 0) {
            status = "unknown";
        } else if (several && strcmp(status, "exact") == 0) {
            status = "shared";
        }
    }
    changes__people_write(all, people, answer);
    return status;
}

static const char *viewed_of(const json_t *viewed, const json_t *file) {
    const char *hash = json_str(viewed, json_str(file, "path", ""), NULL);
    if (hash == NULL) {
        return "no";
    }
    return strcmp(hash, json_str(file, "after", "")) == 0 ? "yes" : "changed";
}

/* The object of the child's file without its end, and what the rows say of it. */
static struct err file_write(json_t *file, json_t *people, const json_t *viewed,
                             struct text *answer) {
    static const char *const nullable[] = {"old_path", "before", "after", "mode_before",
                                           "mode_after"};
    AUTO(text_done) struct text own = text_up_to(CHANGES_PATH_MAX * 8);
    AUTO(json_release) json_t *sets = json_incref(json_object_get(file, "by"));
    (void)json_object_del(file, "by"); /* Absent is fine. */
    TRY(json_write(file, &own));
    text_add(answer, own.data, own.len - 1);
    for (size_t i = 0; i < COUNT_OF(nullable); i++) {
        if (json_object_get(file, nullable[i]) == NULL) {
            text_add_member_str(answer, nullable[i], NULL);
        }
    }
    const char *status = by_write(sets, people, answer);
    text_add_member_str(answer, "status", status);
    text_add_member_str(answer, "viewed", viewed_of(viewed, file));
    text_add_char(answer, '}');
    return ERR_OK;
}

static struct err changes_write(const struct changes_op *op, const json_t *line, json_t *people,
                                const json_t *viewed, struct text *answer) {
    const json_t *files = json_object_get(line, "files");
    const bool unviewed =
        bytes_equal(param_text(op->request.op.exchange, "since"), BYTES("viewed"));
    bool first = true;
    text_add_char(answer, '{');
    text_add(answer, op->span.head.data, op->span.head.len);
    text_add_str(answer, ",\"files\":[");
    for (size_t i = 0; i < json_array_size(files); i++) {
        json_t *file = json_array_get(files, i);
        if (!unviewed || strcmp(viewed_of(viewed, file), "yes") != 0) {
            text_add_str(answer, first ? "" : ",");
            TRY(file_write(file, people, viewed, answer));
            first = false;
        }
    }
    text_add_str(answer, "],\"next\":");
    const char *next = json_str(line, "next", NULL);
    if (next == NULL) {
        text_add_str(answer, "null");
    } else {
        text_add_json(answer, next, strlen(next));
    }
    text_add_str(answer, ",\"totals\":");
    TRY(json_write(json_object_get(line, "totals"), answer));
    text_add_char(answer, '}');
    return text_failed(answer) ? text_error(answer, "changes: answer") : ERR_OK;
}

static struct err answer_none(struct changes_op *op) {
    const struct changes_api *api = op->request.api;
    struct text *answer = &op->request.op.answer;
    text_add_str(answer, "{\"world\":null,\"from\":null,\"to\":null,\"left_out\":[],"
                         "\"left_out_count\":0,\"files\":[],"
                         "\"next\":null,\"totals\":{\"files\":0,\"added\":0,\"removed\":0}");
    text_add_member_bool(answer, "recorded", points_git(api->points) != NULL);
    text_add_char(answer, '}');
    return ERR_OK;
}

struct err changes__list(void *ctx) {
    struct changes_op *op = ctx;
    struct why *why = &op->request.op.why;
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_BYTES);
    AUTO(text_done) struct text heard = text_up_to(CHANGES_ANSWER_BYTES);
    AUTO(json_release) json_t *line = NULL;
    AUTO(json_release) json_t *people = NULL;
    AUTO(json_release) json_t *viewed = NULL;
    struct bytes body;
    if (!op->span.found) {
        return answer_none(op);
    }
    TRY(changes__git_need(op));
    changes__order_begin(op, "list", &order);
    authors_write(&op->span.authors, &order);
    text_add_member(&order, "after", param_text(op->request.op.exchange, "after"));
    text_add_member_int(&order, "limit", param_number(op->request.op.exchange, "limit"));
    text_add_char(&order, '}');
    if (text_failed(&order)) {
        return text_error(&order, "changes: order");
    }
    TRY(changes_ask(loop_world(op->request.loop), text_bytes(&order), CHANGES_COMPARE_MS, &heard,
                    why));
    TRY(changes_answer_read(text_bytes(&heard), &line, &body, why));
    TRY(json_parse_wrapped(text_bytes(&op->span.people), &people, NULL));
    TRY(json_parse_wrapped(text_bytes(&op->span.viewed), &viewed, NULL));
    return changes_write(op, line, people, viewed, &op->request.op.answer);
}

static const struct request_kind sessions_list = {.size = sizeof(struct changes_op),
                                                  .one = &session_one,
                                                  .start = changes__list_start,
                                                  .work = changes__work,
                                                  .after = changes__list,
                                                  .end = changes__end};
const struct one_kind changes__run = {.prefix = "run", .noun = "run"};
static const struct request_kind runs_list = {.size = sizeof(struct changes_op),
                                              .one = &changes__run,
                                              .start = changes__list_start,
                                              .work = changes__work,
                                              .after = changes__list,
                                              .end = changes__end};

/* --- The diff --------------------------------------------------------------------------------- */

/* Order for the difference from the content that the owner viewed. False: none was viewed. */
static bool viewed_order(const struct changes_op *op, struct bytes path, struct text *order) {
    AUTO(json_release) json_t *viewed = NULL;
    AUTO(text_done) struct text name = text_up_to(CHANGES_PATH_MAX);
    text_add(&name, path.data, path.len);
    if (text_failed(&name) || path.len == 0 ||
        param_text(op->request.op.exchange, "since").len == 0 ||
        err_failed(json_parse_wrapped(text_bytes(&op->span.viewed), &viewed, NULL))) {
        return false;
    }
    const json_t *hash = json_object_get(viewed, name.data);
    if (hash == NULL) {
        return false;
    }
    changes__order_begin(op, "contents", order);
    text_add_member(order, "path", path);
    text_add_member_or_null(order, "before", json_text(hash)); /* "": it was deleted. */
    return true;
}

static void diff_order(const struct changes_op *op, struct bytes path, struct text *order) {
    if (!viewed_order(op, path, order)) {
        changes__order_begin(op, "diff", order);
        if (path.len > 0) {
            text_add_str(order, ",\"paths\":[");
            text_add_json(order, path.data, path.len);
            text_add_char(order, ']');
        }
    }
    text_add_member_int(order, "bytes_max", DIFF_BYTES_MAX);
    text_add_char(order, '}');
}

struct err changes__diff(void *ctx) {
    struct changes_op *op = ctx;
    struct why *why = &op->request.op.why;
    const struct bytes path = param_text(op->request.op.exchange, "path");
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_BYTES);
    AUTO(text_done) struct text heard = text_up_to(CHANGES_ANSWER_BYTES);
    AUTO(json_release) json_t *line = NULL;
    struct bytes body;
    op->request.op.media = CHANGES_DIFF_MEDIA;
    if (!op->span.found) {
        return ERR_OK;
    }
    TRY(changes__git_need(op));
    diff_order(op, path, &order);
    if (text_failed(&order)) {
        return text_error(&order, "changes: order");
    }
    TRY(changes_ask(loop_world(op->request.loop), text_bytes(&order), CHANGES_COMPARE_MS, &heard,
                    why));
    TRY(changes_answer_read(text_bytes(&heard), &line, &body, why));
    if (json_is_true(json_object_get(line, "cut"))) {
        return err_why(why, ERR_TEXT_TOO_LONG,
                       "the diff is longer than %d MB: ask for one file of it (path=PATH)",
                       DIFF_BYTES_MAX >> 20);
    }
    text_add(&op->request.op.answer, body.data, body.len);
    return text_failed(&op->request.op.answer) ? text_error(&op->request.op.answer, "changes: diff")
                                               : ERR_OK;
}

static const struct request_kind sessions_diff = {.size = sizeof(struct changes_op),
                                                  .one = &session_one,
                                                  .start = changes__diff_start,
                                                  .work = changes__work,
                                                  .after = changes__diff,
                                                  .end = changes__end};
static const struct request_kind runs_diff = {.size = sizeof(struct changes_op),
                                              .one = &changes__run,
                                              .start = changes__diff_start,
                                              .work = changes__work,
                                              .after = changes__diff,
                                              .end = changes__end};

/* --- Viewed ----------------------------------------------------------------------------------- */

struct viewed_body {
    const char *path, *after;
    bool viewed;
};
static const struct field viewed_rows[] = {
    {FIELD("path", FIELD_CHARS, offsetof(struct viewed_body, path)), .use = FIELD_GIVEN,
     .required = true, .min = 1, .max = CHANGES_PATH_MAX},
    {FIELD("after", FIELD_CHARS, offsetof(struct viewed_body, after)), .use = FIELD_GIVEN,
     .max = 64},
    {FIELD("viewed", FIELD_BOOL, offsetof(struct viewed_body, viewed)), .use = FIELD_GIVEN,
     .required = true},
};
static const struct field_set viewed_fields = {FIELD_ROWS(viewed_rows), .use = FIELD_GIVEN};

struct viewed_op {
    struct request request;
    struct viewed_body body;
};

static struct err viewed_work(struct tx *tx, void *ctx) {
    struct viewed_op *op = ctx;
    const char *after = op->body.after == NULL ? "" : op->body.after;
    const struct viewed_mark mark = {.owner = op->request.key.owner,
                                     .of = op->request.key.id,
                                     .path = bytes_of(op->body.path),
                                     .hash = op->body.viewed ? bytes_of(after)
                                                             : (struct bytes){NULL, 0}};
    TRY(tx_viewed_set(tx, &mark, &op->request.op.why));
    text_add_char(&op->request.op.answer, '{');
    text_add_member(&op->request.op.answer, "path", mark.path);
    text_add_member_bool(&op->request.op.answer, "viewed", op->body.viewed);
    text_add_char(&op->request.op.answer, '}');
    return ERR_OK;
}

static const struct request_kind sessions_viewed = {.size = sizeof(struct viewed_op),
                                                    .writes = true,
                                                    .one = &session_one,
                                                    .fields = &viewed_fields,
                                                    .into = offsetof(struct viewed_op, body),
                                                    .work = viewed_work};
static const struct request_kind runs_viewed = {.size = sizeof(struct viewed_op),
                                                .writes = true,
                                                .one = &changes__run,
                                                .fields = &viewed_fields,
                                                .into = offsetof(struct viewed_op, body),
                                                .work = viewed_work};

/* --- The table -------------------------------------------------------------------------------- */

const struct query_param changes__list_query[] = {
    OP_OWNER_PARAM("Another owner's session or run"),
    CHANGES_BASE_PARAM,
    {QUERY("since", QUERY_TEXT, "viewed: leave out files that are viewed as they are now."),
     .max = 10},
    {QUERY("after", QUERY_TEXT, "The path after which the page begins: `next` of the one before."),
     .max = CHANGES_PATH_MAX},
    {QUERY("limit", QUERY_INT, "Files of the page."), .min = 1, .max = FILES_MAX,
     .absent = FILES_MAX},
    {.name = NULL},
};
const struct query_param changes__diff_query[] = {
    OP_OWNER_PARAM("Another owner's session or run"),
    CHANGES_BASE_PARAM,
    {QUERY("path", QUERY_TEXT, "Only this file, by its path as the list has it."),
     .max = CHANGES_PATH_MAX},
    {QUERY("since", QUERY_TEXT,
           "viewed, with path: the difference to the content that was viewed. Of a file that was "
           "not viewed, the whole diff."),
     .max = 10, .words = "viewed"},
    {.name = NULL},
};

#define FILE_SCHEMA                                                                                \
    "{\"type\":\"object\",\"required\":[\"path\",\"operation\",\"added\",\"removed\",\"binary\","  \
    "\"by\",\"status\",\"viewed\",\"old_path\",\"before\",\"after\",\"mode_before\","              \
    "\"mode_after\"],\"properties\":{\"path\":" TEXT_SCHEMA ",\"old_path\":" TEXT_OR_NULL          \
    ",\"operation\":{\"type\":\"string\",\"enum\":[\"create\","                                    \
    "\"edit\",\"delete\",\"rename\",\"mode\"]},\"added\":" INT_SCHEMA ",\"removed\":" INT_SCHEMA   \
    ",\"binary\":" BOOL_SCHEMA ",\"before\":" TEXT_OR_NULL ",\"after\":" TEXT_OR_NULL              \
    ",\"mode_before\":" TEXT_OR_NULL ",\"mode_after\":" TEXT_OR_NULL                               \
    ",\"by\":{\"type\":\"array\",\"items\":" CHANGES_PERSON_SCHEMA                                 \
    "},\"status\":{\"type\":\"string\",\"enum\":[\"exact\",\"shared\",\"unknown\"]},"              \
    "\"viewed\":{\"type\":\"string\",\"enum\":[\"yes\",\"no\",\"changed\"]}}}"
#define POINT_SCHEMA                                                                               \
    "{\"type\":[\"object\",\"null\"],\"required\":[\"id\",\"at_ms\",\"phase\"],\"properties\":{"   \
    "\"id\":" TEXT_SCHEMA ",\"at_ms\":" INT_SCHEMA ",\"phase\":" TEXT_SCHEMA "}}"

const char changes__schema[] =
    "{\"type\":\"object\",\"required\":[\"world\",\"from\",\"to\",\"files\",\"next\",\"totals\","
    "\"left_out\",\"left_out_count\"],\"properties\":{\"left_out_count\":" INT_SCHEMA ","
    "\"world\":{\"type\":[\"object\",\"null\"],\"required\":[\"id\",\"path\",\"kind\",\"state\"],"
    "\"properties\":{\"id\":" TEXT_SCHEMA ",\"path\":" TEXT_SCHEMA
    ",\"kind\":{\"type\":\"string\",\"enum\":[\"git\",\"plain\"]},"
    "\"state\":{\"type\":\"string\",\"enum\":[\"ready\",\"large\",\"off\"]},"
    "\"detail\":" TEXT_OR_NULL ",\"files\":" INT_SCHEMA ",\"bytes\":" INT_SCHEMA "}},"
    "\"from\":" POINT_SCHEMA ",\"to\":" POINT_SCHEMA
    ",\"left_out\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\","
    "\"why\"],\"properties\":{\"path\":" TEXT_SCHEMA ",\"why\":" TEXT_SCHEMA "}}},"
    "\"files\":{\"type\":\"array\",\"items\":" FILE_SCHEMA "},"
    "\"next\":" TEXT_OR_NULL
    ",\"totals\":{\"type\":\"object\",\"required\":[\"files\",\"added\",\"removed\"],"
    "\"properties\":{\"files\":" INT_SCHEMA ",\"added\":" INT_SCHEMA ",\"removed\":" INT_SCHEMA
    "}},\"recorded\":" BOOL_SCHEMA "}}";
static const char viewed_schema[] =
    "{\"type\":\"object\",\"required\":[\"path\",\"viewed\"],\"properties\":{"
    "\"path\":" TEXT_SCHEMA ",\"viewed\":" BOOL_SCHEMA "}}";

const struct route changes_routes[] = {
    {ROUTE("GET", "/api/v1/sessions/{id}/changes", SCOPE_READ,
           "List files that changed since a session began, with their authors"),
     .query = changes__list_query, .answer_schema = changes__schema, .request = &sessions_list},
    {ROUTE("GET", "/api/v1/sessions/{id}/diff", SCOPE_READ,
           "Read the changes of a session as a diff that git apply takes"),
     .query = changes__diff_query, .answer_media = CHANGES_DIFF_MEDIA, .request = &sessions_diff},
    {ROUTE("PUT", "/api/v1/sessions/{id}/viewed", SCOPE_RUN,
           "Mark the content of a changed file as viewed, or not"),
     .query = OP_OWNER_QUERY("Another owner's session"), .has_body = true,
     .body = {.fields = &viewed_fields, .use = FIELD_GIVEN}, .answer_schema = viewed_schema,
     .request = &sessions_viewed},
    {ROUTE("GET", "/api/v1/runs/{id}/changes", SCOPE_READ,
           "List files that changed since a run began, with their authors"),
     .query = changes__list_query, .answer_schema = changes__schema, .request = &runs_list},
    {ROUTE("GET", "/api/v1/runs/{id}/diff", SCOPE_READ,
           "Read the changes of a run as a diff that git apply takes"),
     .query = changes__diff_query, .answer_media = CHANGES_DIFF_MEDIA, .request = &runs_diff},
    {ROUTE("PUT", "/api/v1/runs/{id}/viewed", SCOPE_RUN,
           "Mark the content of a changed file as viewed, or not"),
     .query = OP_OWNER_QUERY("Another owner's run"), .has_body = true,
     .body = {.fields = &viewed_fields, .use = FIELD_GIVEN}, .answer_schema = viewed_schema,
     .request = &runs_viewed},
    {.method = NULL},
};
