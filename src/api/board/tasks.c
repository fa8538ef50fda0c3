/* tasks.c: tasks of a project: list, make, show, change; their moves, outputs and comments.
 *
 * The project is the first parameter of the path, and the task the second: T-31, tsk_…, or "_" for
 * that of the attempt inside of which the client is ("_" stands for its project, too). The
 * transaction finds out which agent or person a client is (engine/board/board.h).
 */
#include "api/board/tasks.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/board/client.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/board/must.h"
#include "engine/board/board.h"
#include "engine/mail/mail.h"
#include "rules/session/session.h"

/* --- Whom and what a request is about --------------------------------------------------------- */

struct board_op {
    struct request request;
    struct task_key key;
    struct board_client client;
};

static struct err key_read(struct board_op *op) {
    const struct exchange *exchange = op->request.op.exchange;
    const bool names_task = strstr(exchange_route(exchange)->path, "{task}") != NULL;
    op->key = (struct task_key){.owner = op->request.key.owner,
                                .project = exchange_param(exchange, 0),
                                .task = names_task ? exchange_param(exchange, 1) : BYTES("")};
    op->client = board_client_read(exchange);
    return bytes_is(op->key.project, "_") || session_project_valid(op->key.project)
               ? ERR_OK
               : err_why(&op->request.op.why, ERR_NOT_FOUND, "there is no project '%.*s'",
                         (int)op->key.project.len, op->key.project.data);
}

static void client_complete(struct tx *tx, struct board_op *op) {
    board_client_complete(tx, op->request.op.exchange, &op->client);
}

static struct err people_only(const struct board_op *op, struct why *why) {
    return op->client.person
               ? ERR_OK
               : err_why(why, ERR_FORBIDDEN,
                         "only a person does this: a client with the scope approve, outside of any "
                         "run");
}

/* Members beside those of the row: why it waits, and the moves that this client may make. */
static const struct field more_rows[] = {
    {FIELD("waits", FIELD_TEXT, 0), .empty = FIELD_EMPTY_NULL},
    {TASK_MAY_FIELD},
};
static const struct field_set more_fields = {FIELD_ROWS(more_rows), .use = FIELD_LISTED};

/* To an answer that ends with the task. */
static void may_add(const struct exchange *exchange, const struct task *task, struct text *answer) {
    text_cut(answer, answer->len - 1);
    if (board_client_read(exchange).person) {
        fields_add_one(&task_resource.fields, "may", task, answer);
    } else {
        text_add_str(answer, ",\"may\":{}");
    }
    text_add_char(answer, '}');
}

static struct err whole_answer(struct tx *tx, struct request *request, const struct task *task,
                               bool all) {
    const struct err err = tx_task_expand(tx, task, all, &request->op.answer);
    if (!err_failed(err) && !text_failed(&request->op.answer)) {
        may_add(request->op.exchange, task, &request->op.answer);
    }
    return err;
}

static struct err task_answer(struct tx *tx, struct request *request, const struct task *task) {
    return whole_answer(tx, request, task, false /* all */);
}

/* --- List ------------------------------------------------------------------------------------- */

struct listing {
    struct tx *tx;
    struct page *page;
};

static struct err list_row(void *ctx, const void *row) {
    const struct listing *listing = ctx;
    struct page *page = listing->page;
    const struct task *task = row;
    const bool fits = resource_row_fits(page, &task_resource, task);
    if (page_row_number(page, task->number, fits)) {
        struct text *answer = &page->request.op.answer;
        AUTO(text_done) struct text waits = text_up_to(TASK_WAITS_MAX);
        fields_write(&task_resource.fields, FIELD_LISTED, task, answer);
        tx_task_waits(listing->tx, task, false, &waits);
        text_cut(answer, answer->len - 1);
        text_add_member_or_null(answer, "waits", text_bytes(&waits));
        text_add_char(answer, '}');
        may_add(page->request.op.exchange, task, answer);
    }
    return ERR_OK;
}

static struct err list_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    const struct exchange *exchange = page->request.op.exchange;
    const struct task_page what = {.owner = page->request.key.owner,
                                   .project = exchange_param(exchange, 0),
                                   .source = param_text(exchange, "source"),
                                   .before = part->from,
                                   .limit = part->limit,
                                   .ready = param_flag(exchange, "ready"),
                                   .archived = param_flag(exchange, "archived")};
    struct listing listing = {tx, page};
    if (tx_number(tx, "SELECT count(*) FROM projects WHERE owner = $1 AND name = $2",
                  ARGS(arg_text(what.owner), arg_text(what.project))) == 0 &&
        !err_failed(tx_error(tx))) {
        return err_why(&page->request.op.why, ERR_NOT_FOUND, "there is no project '%.*s'",
                       (int)what.project.len, what.project.data);
    }
    return tx_task_each(tx, &what, list_row, &listing);
}

static const struct query_param list_query[] = {
    {QUERY("ready", QUERY_FLAG, "Only those that an agent may take now.")},
    {QUERY("archived", QUERY_FLAG, "Only archived ones.")},
    {.name = NULL},
};

const struct resource_handlers task_handlers = {
    .resource = &task_resource, .rows = list_rows, .query = list_query, .more = &more_fields};

/* --- Make and change -------------------------------------------------------------------------- */

struct task_op {
    struct board_op board; /* First. */
    struct task task;
    struct id id;
    struct text must_haves, links, depends; /* Owned. */
};

/* Lists of the body, checked; what it does not name stays as it is. */
static struct err lists_read(struct task_op *op) {
    struct task *task = &op->task;
    struct why *why = &op->board.request.op.why;
    struct err err = ERR_OK;
    text_clear(&op->must_haves);
    text_clear(&op->links);
    text_clear(&op->depends);
    if (task->must_haves_given != NULL) {
        err = task_must_haves_write(task->must_haves_given, &op->must_haves, why);
        task->must_haves = text_bytes(&op->must_haves);
    }
    if (task->links_given != NULL && !err_failed(err)) {
        err = task_links_write(task->links_given, &op->links, why);
        task->links = text_bytes(&op->links);
    }
    if (task->depends_given != NULL && !err_failed(err)) {
        err = task_needs_write(task->depends_given, &op->depends, why);
        task->depends_on = text_bytes(&op->depends);
    }
    return err;
}

static void texts_begin(struct task_op *op) {
    request_text(&op->board.request, &op->must_haves, TASK_LISTS_MAX);
    request_text(&op->board.request, &op->links, TASK_LISTS_MAX);
    request_text(&op->board.request, &op->depends, TASK_LISTS_MAX);
}

static void text_default(struct bytes *text, const char *value) {
    *text = text->data == NULL ? bytes_of(value) : *text;
}

static struct err add_read(void *ctx) {
    struct task_op *op = ctx;
    struct task *task = &op->task;
    struct err err = key_read(&op->board);
    texts_begin(op);
    if (!err_failed(err) && bytes_is(op->board.key.project, "_")) {
        err = err_why(&op->board.request.op.why, ERR_BAD_FIELD, "name the project of the task");
    }
    err = err_failed(err) ? err : lists_read(op);
    task->owner = op->board.key.owner;
    task->project = op->board.key.project;
    task_complete(task);
    return err;
}

static struct err add_start(void *ctx) {
    struct task_op *op = ctx;
    op->id = request_new_id(&op->board.request, "tsk");
    op->task.task = bytes_of(op->id.text);
    return ERR_OK;
}

/* A run adds tasks to its own project alone: another one has agents with other rights. */
static struct err inside_check(struct tx *tx, struct task_op *op, struct why *why) {
    const struct board_client *client = &op->board.client;
    const struct bytes own =
        tx_text(tx, "SELECT project FROM runs WHERE run = $1", ARGS(arg_str(client->inside)));
    if (client->inside[0] == '\0') {
        return tx_error(tx);
    }
    if (bytes_equal(own, op->task.project) || err_failed(tx_error(tx))) {
        struct board_who who;
        const struct err err = tx_board_who(tx, &op->board.key, client, &op->task, &who, why);
        if (!err_failed(err)) {
            tx_task_from_agent(tx, &who, &op->task);
        }
        return err;
    }
    return err_why(why, ERR_NOT_YOUR_TASK,
                   "a run of project '%.*s' adds no tasks to '%.*s': a person can, outside of it",
                   (int)own.len, own.data, (int)op->task.project.len, op->task.project.data);
}

/* The daemon runs it and asks nobody, so it is a person who says so. */
static struct err command_check(const struct task_op *op, struct why *why) {
    return op->board.client.person || !must_has(op->task.must_haves, MUST_OF_COMMAND)
               ? ERR_OK
               : err_why(why, ERR_COMMAND_BY_AGENT,
                         "\"must_haves\": drover runs a command without asking, so only a person "
                         "adds one: a client with the scope approve, outside of any run");
}

static struct err add_work(struct tx *tx, void *ctx) {
    struct task_op *op = ctx;
    struct request *request = &op->board.request;
    struct err err = command_check(op, &request->op.why);
    err = err_failed(err) ? err : inside_check(tx, op, &request->op.why);
    const bool makes_project =
        tx_number(tx,
                  "SELECT count(*) FROM projects WHERE owner = $1"
                  " AND name = $2",
                  ARGS(arg_text(op->task.owner), arg_text(op->task.project))) == 0;
    err = err_failed(err) ? err : tx_task_add(tx, &op->task, &request->op.why);
    err = err_failed(err) ? err : task_answer(tx, request, &op->task);
    request->about = op->task.task;
    if (!err_failed(err) && makes_project && request->op.answer.len > 0) {
        text_cut(&request->op.answer, request->op.answer.len - 1);
        text_add_member_bool(&request->op.answer, "project_made", true);
        text_add_char(&request->op.answer, '}');
    }
    return err;
}

static const struct request_kind add = {.size = sizeof(struct task_op),
                                        .writes = true,
                                        .fields = &task_resource.fields,
                                        .into = offsetof(struct task_op, task),
                                        .read = add_read,
                                        .start = add_start,
                                        .work = add_work};

static struct err edit_read(void *ctx) {
    struct task_op *op = ctx;
    texts_begin(op);
    return key_read(&op->board);
}

/* Members that are not given stay as they are; numbers among them have defaults, which are those
 * of a new task. */
static struct err change_apply(struct task_op *op) {
    const json_t *body = exchange_json(op->board.request.op.exchange);
    const int64_t priority = op->task.priority, attempts_max = op->task.attempts_max;
    const struct err err = fields_read(&task_resource.fields, FIELD_CHANGED, body, &op->task,
                                       &op->board.request.op.why);
    if (json_object_get(body, "priority") == NULL) {
        op->task.priority = priority;
    }
    if (json_object_get(body, "max_attempts") == NULL) {
        op->task.attempts_max = attempts_max;
    }
    return err;
}

static struct err edit_work(struct tx *tx, void *ctx) {
    struct task_op *op = ctx;
    struct request *request = &op->board.request;
    struct why *why = &request->op.why;
    struct err err = people_only(&op->board, why);
    err =
        err_failed(err) ? err : tx_task_find(tx, &op->board.key, &op->board.client, &op->task, why);
    const struct task was = op->task;
    err = err_failed(err) ? err : change_apply(op);
    err = err_failed(err) ? err : lists_read(op);
    op->task.plan_state =
        err_failed(err) ? was.plan_state : task_plan_after_change(&was, &op->task);
    if (!err_failed(err) && op->task.archived && task_is_held(op->task.status)) {
        return err_why(why, ERR_CONFLICT, "%.*s is being worked on: cancel it first",
                       (int)op->task.name.len, op->task.name.data);
    }
    err =
        err_failed(err) ? err : tx_task_change(tx, &op->task, op->task.depends_given != NULL, why);
    return err_failed(err) ? err : task_answer(tx, request, &op->task);
}

static const struct request_kind change = {
    .size = sizeof(struct task_op), .writes = true, .read = edit_read, .work = edit_work};

/* --- Show ------------------------------------------------------------------------------------- */

static struct err op_read(void *ctx) {
    return key_read(ctx);
}

/* The token of a run shows its own task alone, or the one that it judges. */
static struct err shown_find(struct tx *tx, struct board_op *op, struct task *ret_task) {
    client_complete(tx, op);
    return exchange_identity(op->request.op.exchange)->by_run_token
               ? tx_task_reads(tx, &op->key, &op->client, ret_task, &op->request.op.why)
               : tx_task_find(tx, &op->key, &op->client, ret_task, &op->request.op.why);
}

static struct err show_work(struct tx *tx, void *ctx) {
    struct board_op *op = ctx;
    struct task task;
    const struct err err = shown_find(tx, op, &task);
    const bool all = bytes_is(param_text(op->request.op.exchange, "expand"), "all");
    return err_failed(err) ? err : whole_answer(tx, &op->request, &task, all);
}

static const struct request_kind show = {
    .size = sizeof(struct board_op), .read = op_read, .work = show_work};

static const struct query_param show_query[] = {
    OP_OWNER_PARAM("Another owner's task"),
    PAGE_WORDS_PARAM("expand",
                     "all: with the newest 50 outputs, comments, attempts, events and reviews.",
                     "all"),
    {.name = NULL},
};

/* --- Moves ------------------------------------------------------------------------------------ */

struct move_op {
    struct board_op board; /* First. */
    struct task_move move;
    struct bytes agent, status;
    json_t *reasons;
    bool accept;
    bool moved;                    /* By an earlier transaction, which left runs to be asked. */
    struct text reasons_text;      /* Owned. */
    struct text unmet;             /* Owned: must-haves that are not met. */
    struct text verdict;           /* Owned: the one for which this one is late. */
    struct task_checking checking; /* The check of must-haves that it waits for. */
    struct must_wait wait;
};

#define AT(member) offsetof(struct move_op, member)
static const struct field status_rows[] = {
    {FIELD("status", FIELD_TEXT, AT(status)), .required = true, .names = task_status_names,
     .max = TASK_WORD_MAX},
    {FIELD("agent", FIELD_TEXT, AT(agent)), .max = TASK_WORD_MAX},
    {FIELD("detail", FIELD_TEXT, AT(move.detail)), .max = TASK_TEXT_MAX},
    {FIELD("question", FIELD_TEXT, AT(move.question)), .max = TASK_TEXT_MAX},
    {FIELD("answer", FIELD_TEXT, AT(move.answer)), .max = TASK_TEXT_MAX},
};
static const struct field_set status_fields = {FIELD_ROWS(status_rows), .use = FIELD_GIVEN};

static const struct field claim_rows[] = {
    {FIELD("agent", FIELD_TEXT, AT(agent)), .max = TASK_WORD_MAX},
};
static const struct field_set claim_fields = {FIELD_ROWS(claim_rows), .use = FIELD_GIVEN};

/* The two in which something waits for a verdict: a result, or a plan. */
static const char *const judged_names[] = {"review", "blocked", NULL};

static const struct field review_rows[] = {
    {FIELD("accept", FIELD_BOOL, AT(accept)), .required = true},
    {FIELD("attempt", FIELD_TEXT, AT(move.judged)), .required = true, .max = TASK_WORD_MAX},
    {FIELD("status", FIELD_TEXT, AT(move.judged_status)), .names = judged_names,
     .max = TASK_WORD_MAX},
    {FIELD("reasons", FIELD_TEXTS, AT(reasons)), .max = TASK_MUST_HAVES_MAX},
    {FIELD("agent", FIELD_TEXT, AT(agent)), .max = TASK_WORD_MAX},
};
static const struct field_set review_fields = {FIELD_ROWS(review_rows), .use = FIELD_GIVEN};
#undef AT

static struct err move_read(struct move_op *op) {
    struct task_move *move = &op->move;
    struct err err = key_read(&op->board);
    request_text(&op->board.request, &op->reasons_text, TASK_LISTS_MAX);
    request_text(&op->board.request, &op->unmet, MUST_UNMET_MAX);
    request_text(&op->board.request, &op->verdict, 2 * TASK_LISTS_MAX);
    op->board.request.op.unmet = &op->unmet;
    op->board.request.op.verdict = &op->verdict;
    if (!err_failed(err) && op->reasons != NULL) {
        err = task_reasons_write(op->reasons, &op->reasons_text, &op->board.request.op.why);
    }
    text_default(&move->detail, "");
    text_default(&move->question, "");
    text_default(&move->answer, "");
    if (move->to == TASK_BLOCKED && move->question.len == 0) {
        move->question = move->detail; /* As prompts show it. */
    }
    move->reasons = text_bytes(&op->reasons_text);
    op->board.client.named = op->agent;
    return err;
}

static struct err status_read(void *ctx) {
    struct move_op *op = ctx;
    unsigned to = 0;
    struct err err = field_name_find(task_status_names, op->status, "\"status\"", &to,
                                     &op->board.request.op.why);
    op->move.to = (enum task_status)to;
    if (!err_failed(err) && op->move.to == TASK_CLAIMED &&
        exchange_identity(op->board.request.op.exchange)->by_run_token) {
        return err_why(&op->board.request.op.why, ERR_INSIDE_RUN,
                       "the token of a run moves its own task alone, and takes no other");
    }
    return err_failed(err) ? err : move_read(op);
}

static struct err claim_read(void *ctx) {
    struct move_op *op = ctx;
    op->move.to = TASK_CLAIMED;
    return move_read(op);
}

static struct err review_read(void *ctx) {
    struct move_op *op = ctx;
    const struct bytes judged = op->move.judged;
    if (!id_valid(judged.data, judged.len, "try")) {
        return err_why(&op->board.request.op.why, ERR_BAD_FIELD,
                       "\"attempt\" must be the id of an attempt: try_…");
    }
    op->move.to = op->accept ? TASK_DONE : TASK_PENDING;
    op->move.judges = true;
    return move_read(op);
}

static void move_checked(struct must_wait *wait) {
    struct move_op *op = CONTAINER_OF(wait, struct move_op, wait);
    exchange_on_gone(op->board.request.op.exchange, NULL, NULL);
    exchange_on_drain(op->board.request.op.exchange, NULL, NULL);
    op->move.checked = wait->checked;
    request_go(&op->board.request, ERR_OK);
}

/* The client is gone, or the daemon is about to be. The check goes on without a request. */
static void move_cut(struct exchange *exchange, void *ctx) {
    struct move_op *op = ctx;
    (void)exchange; /* The request has it. */
    request_answer(&op->board.request, err_make(ERR_CLOSING, "tasks: check must-haves"));
}

/* At first, and after a transaction that left something: a check to be awaited, or runs. */
static struct err move_start(void *ctx) {
    struct move_op *op = ctx;
    struct request *request = &op->board.request;
    const struct tasks_api *api = request->api;
    if (op->checking.attempt.text[0] == '\0') {
        op->move.attempt = request_new_id(request, "try");
        op->move.review = request_new_id(request, "rev");
        request_go(request, ERR_OK);
        return ERR_OK;
    }
    if (exchange_is_orphaned(request->op.exchange)) { /* The client left before it could wait. */
        return err_make(ERR_CLOSING, "tasks: check must-haves");
    }
    op->wait.done = move_checked;
    exchange_on_gone(request->op.exchange, move_cut, op);
    exchange_on_drain(request->op.exchange, move_cut, op);
    must_wait_start(api->musts, &op->checking, &op->wait);
    return ERR_OK;
}

static void move_end(void *ctx, struct err result) {
    struct move_op *op = ctx;
    (void)result; /* The findings are read. */
    must_wait_stop(&op->wait);
}

static struct err move_work(struct tx *tx, void *ctx) {
    struct move_op *op = ctx;
    struct request *request = &op->board.request;
    struct task task;
    client_complete(tx, &op->board);
    op->move.key = op->board.key;
    op->move.client = op->board.client;
    op->move.bounds = request->bounds;
    op->move.unmet = &op->unmet;
    op->move.verdict = &op->verdict;
    op->move.checking = &op->checking;
    text_clear(&op->unmet);
    text_clear(&op->verdict);
    const struct err err =
        op->moved ? tx_task_stop_more(tx, &op->move, &task, &request->more)
                  : tx_task_move(tx, &op->move, &task, &request->more, &request->op.why);
    request->more = request->more || (!err_failed(err) && op->checking.attempt.text[0] != '\0');
    return err_failed(err) ? err : task_answer(tx, request, &task);
}

static enum request_next move_done(void *ctx, struct err *io_result) {
    struct move_op *op = ctx;
    op->moved = !err_failed(*io_result) && op->checking.attempt.text[0] == '\0';
    return REQUEST_ANSWER;
}

#define MOVE(fields_, read_)                                                                       \
    {                                                                                              \
        .size = sizeof(struct move_op), .writes = true, .later = true, .fields = &(fields_),       \
        .read = (read_), .start = move_start, .work = move_work, .done = move_done,                \
        .end = move_end                                                                            \
    }
static const struct request_kind status = MOVE(status_fields, status_read);
static const struct request_kind claim = MOVE(claim_fields, claim_read);
static const struct request_kind review = MOVE(review_fields, review_read);

/* --- Waive ------------------------------------------------------------------------------------ */

struct waive_op {
    struct board_op board; /* First. */
    struct task_waive waive;
};
static const struct field waive_rows[] = {
    {FIELD("needs", FIELD_TEXT, offsetof(struct waive_op, waive.needs)), .required = true,
     .max = TASK_WORD_MAX},
    {FIELD("because", FIELD_TEXT, offsetof(struct waive_op, waive.because)), .required = true,
     .min = 1, .max = TASK_TEXT_MAX},
};
static const struct field_set waive_fields = {FIELD_ROWS(waive_rows), .use = FIELD_GIVEN};

static struct err waive_work(struct tx *tx, void *ctx) {
    struct waive_op *op = ctx;
    struct request *request = &op->board.request;
    struct task task;
    struct err err = people_only(&op->board, &request->op.why);
    op->waive.key = op->board.key;
    op->waive.client = op->board.client;
    err = err_failed(err) ? err : tx_task_waive(tx, &op->waive, &task, &request->op.why);
    return err_failed(err) ? err : task_answer(tx, request, &task);
}

static const struct request_kind waive = {.size = sizeof(struct waive_op),
                                          .writes = true,
                                          .fields = &waive_fields,
                                          .read = op_read,
                                          .work = waive_work};

/* --- Remove ----------------------------------------------------------------------------------- */

static struct err remove_work(struct tx *tx, void *ctx) {
    struct board_op *op = ctx;
    struct request *request = &op->request;
    struct task task = {.task = BYTES("")};
    struct err err = people_only(op, &request->op.why);
    err = err_failed(err)
              ? err
              : tx_task_remove(tx, &op->key, &op->client, &task, &request->more, &request->op.why);
    op_removed(&request->op, tx, "id", task.task, "removed_ms");
    return err;
}

static const struct request_kind removal = {
    .size = sizeof(struct board_op), .writes = true, .read = op_read, .work = remove_work};

/* All tasks and all mail of a project, which may be gone itself. */
static struct err texts_remove_work(struct tx *tx, void *ctx) {
    struct board_op *op = ctx;
    struct request *request = &op->request;
    struct why *why = &request->op.why;
    bool mails = false;
    struct err err = people_only(op, why);
    err = err_failed(err) ? err : tx_mails_remove(tx, op->key.owner, op->key.project, &mails, why);
    err = err_failed(err)
              ? err
              : tx_tasks_remove(tx, op->key.owner, op->key.project, &request->more, why);
    request->more = request->more || mails;
    op_removed(&request->op, tx, "name", op->key.project, "removed_ms");
    return err;
}

static const struct request_kind texts_removal = {
    .size = sizeof(struct board_op), .writes = true, .read = op_read, .work = texts_remove_work};

/* --- Outputs ---------------------------------------------------------------------------------- */

struct output_op {
    struct board_op board; /* First. */
    struct task_output output;
    struct text root, content; /* Owned: where files may be read, and what one holds. */
    bool looked, rooted;       /* The folder is found; the file was read. */
    struct sha256_hex hash;
    struct id id;
};

static struct err output_read(void *ctx) {
    struct output_op *op = ctx;
    struct task_output *output = &op->output;
    struct why *why = &op->board.request.op.why;
    const bool has_path = output->path.len > 0, has_content = output->content.data != NULL;
    struct err err = key_read(&op->board);
    request_text(&op->board.request, &op->root, 4096);
    request_text(&op->board.request, &op->content, TASK_OUTPUT_MAX);
    op->board.client.named = output->agent;
    text_default(&output->summary, "");
    if (!err_failed(err) && has_path == has_content) {
        return err_why(why, ERR_BAD_FIELD, "give one of \"content\" and \"content_path\"");
    }
    if (!err_failed(err) && has_path &&
        exchange_identity(op->board.request.op.exchange)->by_run_token) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"content_path\" is a file that the daemon reads, and a sandbox may hide it"
                       " from this client: send \"content\"");
    }
    if (!err_failed(err) && has_path && output->path.data[0] != '/') {
        return err_why(why, ERR_BAD_FIELD, "\"content_path\" must be an absolute path");
    }
    return err;
}

/* The folder of the attempt's session, else the project's. */
static struct err root_find(struct tx *tx, struct output_op *op) {
    struct task task;
    const struct err err =
        tx_task_writes(tx, &op->board.key, &op->board.client, &task, &op->board.request.op.why);
    if (err_failed(err)) {
        return err;
    }
    struct bytes root = task.session.len == 0
                            ? BYTES("")
                            : tx_text(tx, "SELECT root FROM sessions WHERE session = $1",
                                      ARGS(arg_text(task.session)));
    root = root.len > 0 ? root
                        : tx_text(tx, "SELECT root FROM projects WHERE owner = $1 AND name = $2",
                                  ARGS(arg_text(task.owner), arg_text(task.project)));
    text_clear(&op->root);
    text_add(&op->root, root.data, root.len);
    op->board.request.more = true;
    op->looked = true;
    return tx_error(tx);
}

static struct err path_refuse(struct output_op *op, const char *what) {
    return err_why(&op->board.request.op.why, ERR_BAD_FIELD, "\"content_path\": %.200s %s",
                   op->output.path.data, what);
}

/* The text of an open file. */
static struct err content_read(struct output_op *op, int fd) {
    char piece[16 << 10];
    text_clear(&op->content);
    for (;;) {
        const ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0) {
            return path_refuse(op, "cannot be read");
        }
        if (got == 0) {
            break;
        }
        text_add(&op->content, piece, (size_t)got);
        if (text_failed(&op->content)) {
            return path_refuse(op, "is longer than 1 MB");
        }
    }
    op->output.content = text_bytes(&op->content);
    return utf8_valid(op->output.content.data, op->output.content.len)
               ? ERR_OK
               : path_refuse(op, "is no text in UTF-8");
}

static struct err output_pool(void *ctx) {
    struct output_op *op = ctx;
    const struct bytes path = op->output.path, root = text_bytes(&op->root);
    struct bytes name = BYTES("");
    AUTO(fd_release) int folder = -1;
    AUTO(fd_release) int file = -1;
    AUTO(mem_release) char *rest = NULL;
    struct stat about;
    if (!op->looked || path.len == 0) {
        return ERR_OK;
    }
    op->rooted = true;
    if (!beneath_name(root, path, &name)) {
        return err_why(&op->board.request.op.why, ERR_BAD_FIELD,
                       "\"content_path\" must be below %.300s",
                       root.len > 0 ? root.data : "the folder of the project, which has none");
    }
    rest = mem_copy(name.data, name.len);
    folder = open(root.data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    file = folder < 0 ? -1 : beneath_open_file(folder, rest, &about);
    return file < 0 ? path_refuse(op, "is no file there") : content_read(op, file);
}

static struct err output_start(void *ctx) {
    struct output_op *op = ctx;
    op->id = request_new_id(&op->board.request, "out");
    return ERR_OK;
}

static struct err output_work(struct tx *tx, void *ctx) {
    struct output_op *op = ctx;
    struct request *request = &op->board.request;
    struct task_output *output = &op->output;
    client_complete(tx, &op->board);
    if (output->path.len > 0 && !op->rooted) {
        return root_find(tx, op);
    }
    const struct sha256 hash = sha256_of(output->content.data, output->content.len);
    op->hash = sha256_hex(&hash);
    output->output = bytes_of(op->id.text);
    output->bytes = (int64_t)output->content.len;
    output->hash = bytes_of(op->hash.text);
    const struct err err =
        tx_task_output_add(tx, &op->board.key, &op->board.client, output, &request->op.why);
    if (!err_failed(err)) {
        request->about = output->task;
        fields_write(&task_output_resource.fields, FIELD_LISTED, output, &request->op.answer);
    }
    if (!err_failed(err) && output->plan && request->op.answer.len > 0) {
        text_cut(&request->op.answer, request->op.answer.len - 1);
        text_add_member(&request->op.answer, "note", bytes_of(task_plan_note));
        text_add_char(&request->op.answer, '}');
    }
    return err;
}

static const struct request_kind output_add = {.size = sizeof(struct output_op),
                                               .writes = true,
                                               .fields = &task_output_resource.fields,
                                               .into = offsetof(struct output_op, output),
                                               .read = output_read,
                                               .start = output_start,
                                               .pool = output_pool,
                                               .work = output_work};

/* An output, whole. */
static struct err output_show_work(struct tx *tx, void *ctx) {
    struct board_op *op = ctx;
    struct request *request = &op->request;
    const struct bytes id = exchange_param(request->op.exchange, 2);
    struct task task;
    struct task_output output;
    struct err err = shown_find(tx, op, &task);
    err = err_failed(err) ? err : tx_task_output_find(tx, &task, id, &output, &request->op.why);
    if (!err_failed(err)) {
        fields_write(&task_output_resource.fields, FIELD_LISTED | FIELD_WHOLE, &output,
                     &request->op.answer);
    }
    return err;
}

static const struct request_kind output_show = {
    .size = sizeof(struct board_op), .read = op_read, .work = output_show_work};

/* --- Comments --------------------------------------------------------------------------------- */

struct comment_op {
    struct board_op board; /* First. */
    struct task_comment comment;
    struct id id;
};

static struct err comment_read(void *ctx) {
    struct comment_op *op = ctx;
    const struct err err = key_read(&op->board);
    op->board.client.named = op->comment.author;
    return err;
}

static struct err comment_start(void *ctx) {
    struct comment_op *op = ctx;
    op->id = request_new_id(&op->board.request, "cmt");
    return ERR_OK;
}

static struct err comment_work(struct tx *tx, void *ctx) {
    struct comment_op *op = ctx;
    struct request *request = &op->board.request;
    client_complete(tx, &op->board);
    op->comment.comment = bytes_of(op->id.text);
    const struct err err =
        tx_task_comment_add(tx, &op->board.key, &op->board.client, &op->comment, &request->op.why);
    if (!err_failed(err)) {
        request->about = op->comment.task;
        fields_write(&task_comment_resource.fields, FIELD_LISTED, &op->comment,
                     &request->op.answer);
    }
    return err;
}

static const struct request_kind comment_add = {.size = sizeof(struct comment_op),
                                                .writes = true,
                                                .fields = &task_comment_resource.fields,
                                                .into = offsetof(struct comment_op, comment),
                                                .read = comment_read,
                                                .start = comment_start,
                                                .work = comment_work};

/* --- Routes ----------------------------------------------------------------------------------- */

/* Routes below /api/projects are for agents: fixed by their prompts. */
#define OWNER_QUERY .query = OP_OWNER_QUERY("Another owner's task")
#define TASK_ANSWER                                                                                \
    .answer = {                                                                                    \
        .fields = &task_resource.fields, .use = FIELD_LISTED | FIELD_WHOLE, .more = &more_fields}
#define STATUS_ROUTE                                                                               \
    OWNER_QUERY, .inside = INSIDE_ALWAYS, .run_token = true, .has_body = true,                     \
                 .body = {.fields = &status_fields, .use = FIELD_GIVEN}, TASK_ANSWER,              \
                 .request = &status
#define OUTPUT_ROUTE                                                                               \
    OWNER_QUERY, .inside = INSIDE_ALWAYS, .run_token = true, .has_body = true,                     \
                 .idempotent_key = true, .body_max = 4 << 20,                                      \
                 .body = {.fields = &task_output_resource.fields, .use = FIELD_GIVEN},             \
                 .answer = {.fields = &task_output_resource.fields, .use = FIELD_LISTED},          \
                 .answer_status = 201, .request = &output_add
#define COMMENT_ROUTE                                                                              \
    OWNER_QUERY, .inside = INSIDE_ALWAYS, .run_token = true, .has_body = true,                     \
                 .idempotent_key = true,                                                           \
                 .body = {.fields = &task_comment_resource.fields, .use = FIELD_GIVEN},            \
                 .answer = {.fields = &task_comment_resource.fields, .use = FIELD_LISTED},         \
                 .answer_status = 201, .request = &comment_add
#define OUTPUT_SHOW_ROUTE                                                                          \
    OWNER_QUERY,                                                                                   \
        .run_token = true,                                                                         \
        .answer = {.fields = &task_output_resource.fields, .use = FIELD_LISTED | FIELD_WHOLE},     \
        .request = &output_show
#define SHOW_ROUTE .query = show_query, .run_token = true, TASK_ANSWER, .request = &show

const struct route task_routes[] = {
    {ROUTE("POST", "/api/v1/projects/{project}/tasks", SCOPE_RUN, "Add a task to a project"),
     OWNER_QUERY, .inside = INSIDE_ALWAYS, .has_body = true, .idempotent_key = true,
     .body = {.fields = &task_resource.fields, .use = FIELD_GIVEN}, TASK_ANSWER,
     .answer_status = 201, .request = &add},
    {ROUTE("GET", "/api/v1/projects/{project}/tasks/{task}", SCOPE_READ,
           "Show a task, and why it waits"),
     SHOW_ROUTE},
    {ROUTE("PATCH", "/api/v1/projects/{project}/tasks/{task}", SCOPE_APPROVE, "Change a task"),
     OWNER_QUERY, .has_body = true, .body = {.fields = &task_resource.fields, .use = FIELD_CHANGED},
     TASK_ANSWER, .request = &change},
    {ROUTE("DELETE", "/api/v1/projects/{project}/tasks/{task}", SCOPE_APPROVE,
           "Remove a task with all that was written about it, for good"),
     OWNER_QUERY, .answer_schema = REMOVED_SCHEMA, .request = &removal},
    {ROUTE("DELETE", "/api/v1/projects/{project}/texts", SCOPE_APPROVE,
           "Remove all tasks and mail of a project, for good"),
     OWNER_QUERY, .answer_schema = REMOVED_NAME_SCHEMA, .request = &texts_removal},
    {ROUTE("POST", "/api/v1/projects/{project}/tasks/{task}/claim", SCOPE_RUN, "Take a task"),
     OWNER_QUERY, .inside = INSIDE_ALWAYS, .has_body = true, .body_optional = true,
     .body = {.fields = &claim_fields, .use = FIELD_GIVEN}, TASK_ANSWER, .request = &claim},
    {ROUTE("POST", "/api/v1/projects/{project}/tasks/{task}/status", SCOPE_RUN,
           "Move a task to another status"),
     STATUS_ROUTE},
    {ROUTE("POST", "/api/v1/projects/{project}/tasks/{task}/review", SCOPE_RUN,
           "Accept the result of a task, or reject it"),
     OWNER_QUERY, .inside = INSIDE_ALWAYS, .has_body = true,
     .body = {.fields = &review_fields, .use = FIELD_GIVEN}, TASK_ANSWER, .request = &review},
    {ROUTE("POST", "/api/v1/projects/{project}/tasks/{task}/waive", SCOPE_APPROVE,
           "Let a task begin without one that it waits for"),
     OWNER_QUERY, .has_body = true, .body = {.fields = &waive_fields, .use = FIELD_GIVEN},
     TASK_ANSWER, .request = &waive},
    {ROUTE("POST", "/api/v1/projects/{project}/tasks/{task}/outputs", SCOPE_RUN,
           "Add an output to a task"),
     OUTPUT_ROUTE},
    {ROUTE("GET", "/api/v1/projects/{project}/tasks/{task}/outputs/{output}", SCOPE_READ,
           "Show an output, whole"),
     OUTPUT_SHOW_ROUTE},
    {ROUTE("POST", "/api/v1/projects/{project}/tasks/{task}/comments", SCOPE_RUN,
           "Add a comment to a task"),
     COMMENT_ROUTE},
    {ROUTE("GET", "/api/projects/{project}/tasks/{task}", SCOPE_READ,
           "Show a task, as its prompt says"),
     SHOW_ROUTE},
    {ROUTE("POST", "/api/projects/{project}/tasks/{task}/status", SCOPE_RUN,
           "Move a task, as its prompt says"),
     STATUS_ROUTE},
    {ROUTE("POST", "/api/projects/{project}/tasks/{task}/outputs", SCOPE_RUN,
           "Add an output, as its prompt says"),
     OUTPUT_ROUTE},
    {ROUTE("GET", "/api/projects/{project}/tasks/{task}/outputs/{output}", SCOPE_READ,
           "Show an output, whole, as a prompt says"),
     OUTPUT_SHOW_ROUTE},
    {ROUTE("POST", "/api/projects/{project}/tasks/{task}/comments", SCOPE_RUN,
           "Add a comment, as its prompt says"),
     COMMENT_ROUTE},
    {.method = NULL},
};
