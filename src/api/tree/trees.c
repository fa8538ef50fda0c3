/* trees.c: working trees are listed, shown and compared. See trees.h. */
#include "api/tree/trees.h"

#include "api/base/page.h"
#include "api/base/resource.h"
#include "base/memory.h"
#include "engine/tree/trees.h"
#include "rules/changes/names.h"
#include "tool/changes/ask.h"
#include "tool/changes/tree_report.h"

enum {
    LOOK_MS = 120 * 1000,
    DIFF_MS = 60 * 1000,
    DIFF_BYTES_MAX = 8 << 20,
    ORDER_BYTES = 4 << 20,
    ANSWER_BYTES = 12 << 20,
    TARGETS_BYTES = 64 << 20,
    PATH_MAX_BYTES = 8192,
};

const struct one_kind tree__one = {
    .prefix = "tre", .noun = "working tree", .absent = "; 'drover worktree ls' lists them"};

/* --- Looks ------------------------------------------------------------------------------------ */

void trees__look_add(json_t *look, struct text *text) {
    static const char *const inner[] = {"tree", "repository", "lost"};
    for (size_t i = 0; i < COUNT_OF(inner); i++) {
        (void)json_object_del(look, inner[i]); /* Absent is fine. */
    }
    json_add_member(text, "look", look);
}

/* Appends the looks at one part of the targets, which begins and ends with a brace. */
static struct err part_look(const struct request *request, struct bytes part, bool lost,
                            json_t *looks, struct why *why) {
    const struct trees_api *api = request->api;
    AUTO(text_done) struct text order = text_up_to(ORDER_BYTES);
    AUTO(text_done) struct text heard = text_up_to(ANSWER_BYTES);
    AUTO(json_release) json_t *line = NULL;
    struct bytes body;
    removals_order_begin(api->points, "trees", &order);
    text_add_member_bool(&order, "lost", lost);
    text_add_str(&order, ",\"trees\":[");
    text_add(&order, part.data, part.len);
    text_add_str(&order, "]}");
    if (text_failed(&order)) {
        return text_error(&order, "trees: order");
    }
    TRY(changes_ask(loop_world(request->loop), text_bytes(&order), LOOK_MS, &heard, why));
    TRY(changes_answer_read(text_bytes(&heard), &line, &body, why));
    return json_array_extend(looks, json_object_get(line, "trees")) < 0
               ? err_make(ERR_OUT_OF_MEMORY, "trees: looks")
               : ERR_OK;
}

struct err trees__look(const struct request *request, struct bytes targets, bool lost,
                       json_t **ret_looks, struct why *why) {
    const struct trees_api *api = request->api;
    AUTO(json_release) json_t *looks = json_array();
    struct bytes line = {NULL, 0};
    AUTO(text_done) struct text part = text_up_to(ORDER_BYTES);
    size_t count = 0;
    while (points_git(api->points) != NULL && bytes_next(&targets, '\n', &line)) {
        text_add_str(&part, count > 0 ? "," : "");
        text_add(&part, line.data, line.len);
        if (++count == TREES_REPORT_MAX || targets.len == 0) {
            TRY(part_look(request, text_bytes(&part), lost, looks, why));
            text_clear(&part);
            count = 0;
        }
    }
    *ret_looks = json_incref(looks);
    return ERR_OK;
}

/* --- The list --------------------------------------------------------------------------------- */

/* A row whose contents are looked at: where the look stands in the answer. */
struct look_mark {
    size_t at, target; /* Lengths of the answer, and of the targets before it. */
};
struct trees_page {
    struct page page; /* First. */
    struct text targets;
    struct look_mark *marks; /* Owned. */
    size_t count, size;
};

/* A slice may run again: marks of rows that it wrote before are dropped. */
static void marks_cut(struct trees_page *list, size_t len) {
    while (list->count > 0 && list->marks[list->count - 1].at >= len) {
        list->count--;
        text_cut(&list->targets, list->marks[list->count].target);
    }
}

static void mark_add(struct trees_page *list, const struct tree_row *row) {
    if (list->count == list->size) {
        list->size = list->size == 0 ? 64 : 2 * list->size;
        list->marks = mem_grow(list->marks, list->size * sizeof *list->marks);
    }
    list->marks[list->count++] =
        (struct look_mark){list->page.request.op.answer.len, list->targets.len};
    removals_tree_add(row, &list->targets);
    text_add_char(&list->targets, '\n');
}

static struct err on_tree_row(void *ctx, const void *found) {
    struct trees_page *list = ctx;
    const struct tree_row *row = found;
    const struct exchange *exchange = list->page.request.op.exchange;
    const struct trees_api *api = list->page.request.api;
    struct text *answer = &list->page.request.op.answer;
    const bool fits = resource_row_fits(&list->page, &tree_resource, row) &&
                      (row->state != TREE_ROW_GONE || param_text(exchange, "state").len > 0);
    const size_t before = answer->len;
    if (!page_row_number(&list->page, row->number, fits)) {
        return ERR_OK;
    }
    marks_cut(list, before);
    fields_write(&tree_resource.fields, FIELD_LISTED, row, answer);
    if (text_failed(answer)) {
        return ERR_OK; /* The page leaves the row out. */
    }
    text_cut(answer, answer->len - 1);
    if (param_flag(exchange, "look") && bytes_equal(row->host, api->place)) {
        mark_add(list, row);
    } else {
        text_add_str(answer, ",\"look\":null");
    }
    text_add_char(answer, '}');
    return ERR_OK;
}

static struct err trees_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    static const char *const filters[] = {"project", "holder"};
    struct resource_page what = {
        .owner = page->request.key.owner, .before = part->from, .limit = part->limit};
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        const struct bytes value = param_text(page->request.op.exchange, filters[i]);
        if (value.len > 0) {
            what.filters[what.filter_count++] =
                (struct resource_filter){resource_field(&tree_resource, filters[i]), value};
        }
    }
    return tx_resource_list(tx, &tree_resource, &what, on_tree_row,
                            PAGE_OF(page, struct trees_page));
}

/* The answer again, with a look at each mark. */
static struct err trees_look(void *ctx) {
    struct trees_page *list = ctx;
    struct op *op = &list->page.request.op;
    AUTO(json_release) json_t *looks = NULL;
    AUTO(text_done) struct text whole = text_up_to(OP_ANSWER_MAX);
    size_t from = 0;
    marks_cut(list, op->answer.len);
    if (list->count == 0) {
        return ERR_OK;
    }
    TRY(trees__look(&list->page.request, text_bytes(&list->targets), false /* lost */, &looks,
                    &op->why));
    for (size_t i = 0; i < list->count; i++) {
        const size_t at = list->marks[i].at;
        text_add(&whole, op->answer.data + from, at - from);
        trees__look_add(json_array_get(looks, i), &whole);
        from = at;
    }
    text_add(&whole, op->answer.data + from, op->answer.len - from);
    if (text_failed(&whole)) {
        return text_error(&whole, "trees: answer");
    }
    text_clear(&op->answer);
    text_add(&op->answer, whole.data, whole.len);
    return op_written(op);
}

static struct err trees_read(void *ctx) {
    struct trees_page *list = ctx;
    text_init(&list->targets, TARGETS_BYTES);
    return ERR_OK;
}

static void trees_end(void *ctx, struct err result) {
    struct trees_page *list = ctx;
    (void)result; /* Answered. */
    text_done(&list->targets);
    mem_free(list->marks);
}

static const struct page_kind trees_page = {.request = {.size = sizeof(struct trees_page),
                                                        .read = trees_read,
                                                        .after = trees_look,
                                                        .end = trees_end},
                                            .rows = trees_rows};

/* --- One tree --------------------------------------------------------------------------------- */

struct tree_op {
    struct request request;
    struct text target; /* Owned by the request; "": it stands on another host. */
};

static struct err one_start(void *ctx) {
    struct tree_op *op = ctx;
    request_text(&op->request, &op->target, TREE_TARGET_BYTES);
    return ERR_OK;
}

static struct err one_find(struct tx *tx, struct tree_op *op, struct tree_row *ret_row) {
    const struct trees_api *api = op->request.api;
    const struct resource_key key = {op->request.key.owner, op->request.key.id};
    text_clear(&op->target);
    if (!tx_tree_find(tx, &key, ret_row)) {
        return request_absent(&op->request, tx_error(tx));
    }
    if (bytes_equal(ret_row->host, api->place)) {
        removals_tree_add(ret_row, &op->target);
    }
    return ERR_OK;
}

static struct err show_work(struct tx *tx, void *ctx) {
    struct tree_op *op = ctx;
    struct tree_row row;
    TRY(one_find(tx, op, &row));
    fields_write(&tree_resource.fields, FIELD_LISTED | FIELD_WHOLE, &row, &op->request.op.answer);
    return ERR_OK;
}

static struct err show_look(void *ctx) {
    struct tree_op *op = ctx;
    struct text *answer = &op->request.op.answer;
    AUTO(json_release) json_t *looks = NULL;
    AUTO(json_release) json_t *lost = NULL;
    TRY(op_written(&op->request.op));
    TRY(trees__look(&op->request, text_bytes(&op->target), true /* lost */, &looks,
                    &op->request.op.why));
    json_t *look = json_array_get(looks, 0);
    lost = json_incref(json_object_get(look, "lost"));
    text_cut(answer, answer->len - 1);
    trees__look_add(look, answer);
    json_add_member(answer, "lost", lost);
    text_add_char(answer, '}');
    return op_written(&op->request.op);
}

static const struct request_kind tree_show = {.size = sizeof(struct tree_op),
                                              .one = &tree__one,
                                              .start = one_start,
                                              .work = show_work,
                                              .after = show_look};

/* --- Its changes ------------------------------------------------------------------------------ */

static struct err diff_start(void *ctx) {
    struct tree_op *op = ctx;
    AUTO(text_done) struct text path = text_up_to(PATH_MAX_BYTES);
    const struct bytes given = param_text(op->request.op.exchange, "path");
    if (given.len > 0 &&
        (!change_name_read(given, &path) || !change_name_is_safe(text_bytes(&path)))) {
        return err_why(&op->request.op.why, ERR_BAD_QUERY,
                       "path must be the path of a file from the top of the working tree");
    }
    return one_start(ctx);
}

static struct err diff_work(struct tx *tx, void *ctx) {
    struct tree_row row;
    return one_find(tx, ctx, &row);
}

static struct err diff_print(void *ctx) {
    struct tree_op *op = ctx;
    struct why *why = &op->request.op.why;
    const struct trees_api *api = op->request.api;
    const struct bytes path = param_text(op->request.op.exchange, "path");
    AUTO(text_done) struct text order = text_up_to(ORDER_BYTES);
    AUTO(text_done) struct text heard = text_up_to(ANSWER_BYTES);
    AUTO(json_release) json_t *line = NULL;
    struct bytes body;
    if (op->target.len == 0) {
        return err_why(why, ERR_HOST_AWAY, "the working tree stands on another host");
    }
    if (points_git(api->points) == NULL) {
        return err_why(why, ERR_NOT_IMPLEMENTED, "git is not installed where the daemon runs");
    }
    removals_order_begin(api->points, "tree_diff", &order);
    text_add_name(&order, "tree");
    text_add(&order, op->target.data, op->target.len);
    if (path.len > 0) {
        text_add_str(&order, ",\"paths\":[");
        text_add_json(&order, path.data, path.len);
        text_add_char(&order, ']');
    }
    text_add_member_int(&order, "bytes_max", DIFF_BYTES_MAX);
    text_add_char(&order, '}');
    TRY(changes_ask(loop_world(op->request.loop), text_bytes(&order), DIFF_MS, &heard, why));
    TRY(changes_answer_read(text_bytes(&heard), &line, &body, why));
    if (json_is_true(json_object_get(line, "cut"))) {
        return err_why(why, ERR_TEXT_TOO_LONG,
                       "the diff is longer than %d MB: ask for one file of it (path=PATH)",
                       DIFF_BYTES_MAX >> 20);
    }
    op->request.op.media = "text/x-diff; charset=utf-8";
    text_add(&op->request.op.answer, body.data, body.len);
    return op_written(&op->request.op);
}

static const struct request_kind tree_diff_kind = {.size = sizeof(struct tree_op),
                                                   .one = &tree__one,
                                                   .start = diff_start,
                                                   .work = diff_work,
                                                   .after = diff_print};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param list_query[] = {
    PAGE_PARAMS(PAGE_NUMBER),
    OP_OWNER_PARAM("Another owner's working trees"),
    PAGE_WORD_PARAM("project", "Only those of this project."),
    PAGE_WORD_PARAM("holder", "Only the one of this session, task or agent."),
    PAGE_WORDS_PARAM("state",
                     "Only those in this state, or in one of several (a,b). Those that are gone are"
                     " listed only by it.",
                     "planned,ready,failed,gone"),
    PAGE_SINCE_PARAM("made or changed"),
    PAGE_Q_PARAM("name, branch or path"),
    {QUERY("look", QUERY_FLAG, "Look at each tree on the disk: its changes, commits and size.")},
    {.name = NULL},
};
static const struct query_param diff_query[] = {
    OP_OWNER_PARAM("Another owner's working tree"),
    {QUERY("path", QUERY_TEXT, "Only this file."), .max = PATH_MAX_BYTES},
    {.name = NULL},
};

#define LOOK_SCHEMA                                                                                \
    "{\"type\":[\"object\",\"null\"],\"required\":[\"state\",\"detail\",\"files\",\"added\","      \
    "\"removed\",\"uncommitted\",\"commits\",\"bytes\",\"newest_ms\"],\"properties\":{"            \
    "\"state\":{\"type\":\"string\",\"enum\":[\"whole\",\"half\",\"none\",\"strange\"]},"          \
    "\"detail\":" TEXT_OR_NULL ",\"files\":" INT_SCHEMA ",\"added\":" INT_SCHEMA                   \
    ",\"removed\":" INT_SCHEMA ",\"uncommitted\":" INT_SCHEMA ",\"commits\":" INT_SCHEMA           \
    ",\"bytes\":" INT_SCHEMA ",\"newest_ms\":" INT_SCHEMA "}}"
#define LOST_SCHEMA                                                                                \
    "{\"type\":[\"object\",\"null\"],\"required\":[\"files\",\"commits\"],\"properties\":{"        \
    "\"files\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA                                         \
    "},\"commits\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"commit\","   \
    "\"subject\"],\"properties\":{\"commit\":" TEXT_SCHEMA ",\"subject\":" TEXT_SCHEMA "}}}}}"

/* For the description alone: both are written after the row. */
static const struct field look_rows[] = {
    {FIELD("look", FIELD_STORED, 0), .schema = LOOK_SCHEMA},
    {FIELD("lost", FIELD_STORED, 0), .use = FIELD_WHOLE, .schema = LOST_SCHEMA},
};
static const struct field_set look_fields = {FIELD_ROWS(look_rows), .use = FIELD_SHOWN};

const struct route tree_routes[] = {
    {ROUTE("GET", "/api/v1/worktrees", SCOPE_READ, "List working trees of agents, newest first"),
     .query = list_query,
     .answer =
         {.fields = &tree_resource.fields, .use = FIELD_LISTED, .more = &look_fields, .page = true},
     .page = &trees_page},
    {ROUTE("GET", "/api/v1/worktrees/{id}", SCOPE_READ,
           "Show a working tree, and what its removal would lose"),
     .query = OP_OWNER_QUERY("Another owner's working tree"),
     .answer = {.fields = &tree_resource.fields,
                .use = FIELD_LISTED | FIELD_WHOLE,
                .more = &look_fields},
     .request = &tree_show},
    {ROUTE("GET", "/api/v1/worktrees/{id}/diff", SCOPE_READ,
           "Read the changes of a working tree since its base, as a diff that git apply takes"),
     .query = diff_query, .answer_media = "text/x-diff; charset=utf-8", .request = &tree_diff_kind},
    {.method = NULL},
};
