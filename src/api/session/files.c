/* files.c: files of a session's root whose paths fit what somebody types.
 *
 * The row says where the root is; the walk is made in the pool, after the transaction. */
#include <string.h>

#include "api/session/sessions.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "tool/file/offers.h"

enum { FILES_DEFAULT = 20 };

struct files_op {
    struct request request;
    char *root; /* Owned; NULL: the session has none. */
    struct file_offers offers;
};

static struct err files_work(struct tx *tx, void *ctx) {
    struct files_op *op = ctx;
    struct session_row session;
    TRY(request_session(tx, &op->request, &session));
    mem_free(op->root);
    op->root = session.root.len == 0 ? NULL : mem_copy(session.root.data, session.root.len);
    return ERR_OK;
}

static struct err files_find(void *ctx) {
    struct files_op *op = ctx;
    const struct exchange *exchange = op->request.op.exchange;
    const struct sessions_api *api = op->request.api;
    struct text *answer = &op->request.op.answer;
    op->offers = (struct file_offers){.root = op->root,
                                      .closed = api->data_dir,
                                      .world = loop_world(op->request.loop),
                                      .limit = (size_t)param_number(exchange, "limit"),
                                      .whole = true};
    fuzzy_begin(&op->offers.fuzzy, param_text(exchange, "q"));
    if (op->root != NULL) {
        TRY(file_offers_find(&op->offers, &op->request.op.why));
    }
    text_add_str(answer, "{\"files\":[");
    for (size_t i = 0; i < op->offers.count; i++) {
        text_add_str(answer, i > 0 ? "," : "");
        text_add_json(answer, op->offers.best[i].path, strlen(op->offers.best[i].path));
    }
    text_addf(answer, "],\"whole\":%s}", op->offers.whole ? "true" : "false");
    return ERR_OK;
}

static void files_end(void *ctx, struct err result) {
    struct files_op *op = ctx;
    file_offers_done(&op->offers);
    mem_free(op->root);
}

static const struct request_kind files = {.size = sizeof(struct files_op),
                                          .one = &session_one,
                                          .work = files_work,
                                          .after = files_find,
                                          .end = files_end};

static const struct query_param files_query[] = {
    OP_OWNER_PARAM("Another owner's session"),
    {QUERY("q", QUERY_TEXT, "Letters that a path has in this order; absent: any file."),
     .max = FUZZY_LETTERS_MAX},
    {QUERY("limit", QUERY_INT, "Files at most, the best ones first."), .min = 1,
     .max = FILE_OFFERS_MAX, .absent = FILES_DEFAULT},
    {.name = NULL},
};

const struct route session_files_routes[] = {
    {ROUTE("GET", "/api/v1/sessions/{id}/files", SCOPE_READ,
           "Find files below a session's root by letters of their paths"),
     .query = files_query,
     .answer_schema =
         "{\"type\":\"object\",\"required\":[\"files\",\"whole\"],\"properties\":{"
         "\"files\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA "},\"whole\":" BOOL_SCHEMA "}}",
     .request = &files},
    {.method = NULL},
};
