/* task_changes.c: files that the last attempt at a task has changed: those of its session. */
#include "api/board/client.h"
#include "api/board/tasks.h"
#include "api/changes/changes.h"

/* The query is read when the task was found, as for all other objects. */
static struct err task_changes_find(struct tx *tx, struct changes_op *op,
                                    struct err (*query_read)(void *changes_op)) {
    const struct exchange *exchange = op->request.op.exchange;
    const struct task_key key = {.owner = op->request.key.owner,
                                 .project = exchange_param(exchange, 0),
                                 .task = exchange_param(exchange, 1)};
    struct board_client client = board_client_read(exchange);
    struct task task;
    board_client_complete(tx, exchange, &client);
    TRY(tx_task_find(tx, &key, &client, &task, &op->request.op.why));
    TRY(query_read(op));
    changes_span_done(&op->span);
    op->question.of = task.session;
    return task.session.len == 0
               ? ERR_OK
               : tx_changes_find(tx, &op->question, &op->span, &op->request.op.why);
}

static struct err list_work(struct tx *tx, void *ctx) {
    return task_changes_find(tx, ctx, changes__list_start);
}

static struct err diff_work(struct tx *tx, void *ctx) {
    return task_changes_find(tx, ctx, changes__diff_start);
}

static const struct request_kind task_list = {.size = sizeof(struct changes_op),
                                              .work = list_work,
                                              .after = changes__list,
                                              .end = changes__end};
static const struct request_kind task_diff = {.size = sizeof(struct changes_op),
                                              .work = diff_work,
                                              .after = changes__diff,
                                              .end = changes__end};

const struct route task_changes_routes[] = {
    {ROUTE("GET", "/api/v1/projects/{project}/tasks/{task}/changes", SCOPE_READ,
           "List files that the last attempt at a task changed, with their authors"),
     .query = changes__list_query, .answer_schema = changes__schema, .request = &task_list},
    {ROUTE("GET", "/api/v1/projects/{project}/tasks/{task}/diff", SCOPE_READ,
           "Read the changes of the last attempt at a task as a diff that git apply takes"),
     .query = changes__diff_query, .answer_media = CHANGES_DIFF_MEDIA, .request = &task_diff},
    {.method = NULL},
};
