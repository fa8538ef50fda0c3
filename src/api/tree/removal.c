/* removal.c: working trees are removed, one by one or all that hold nothing.
 *
 * A prune reads the rows of ended holders, looks at all of those trees in the pool, and removes
 * those that hold nothing, one after the other (dispatch/tree/removals.h, which looks again). */
#include "api/tree/trees.h"

#include "base/limits.h"
#include "base/memory.h"
#include "engine/tree/holders.h"

/* --- One -------------------------------------------------------------------------------------- */

struct removal_op {
    struct request request;
    struct text name, branch;
};

static struct err removal_start(void *ctx) {
    struct removal_op *op = ctx;
    request_text(&op->request, &op->name, LIMIT_PATH_MAX);
    request_text(&op->request, &op->branch, LIMIT_PATH_MAX);
    return ERR_OK;
}

static struct err removal_find(struct tx *tx, void *ctx) {
    struct removal_op *op = ctx;
    const struct resource_key key = {op->request.key.owner, op->request.key.id};
    struct tree_row row;
    text_clear(&op->name);
    text_clear(&op->branch);
    if (!tx_tree_find(tx, &key, &row) || row.state == TREE_ROW_GONE) {
        return request_absent(&op->request, tx_error(tx));
    }
    const struct bytes branch = row.texts[TREE_BRANCH];
    text_add(&op->name, row.name.data, row.name.len);
    text_add(&op->branch, branch.data, branch.len);
    return ERR_OK;
}

static void on_removed(void *ctx, struct err err, const struct why *why) {
    struct removal_op *op = ctx;
    struct text *answer = &op->request.op.answer;
    if (err_failed(err)) {
        op->request.op.why = *why;
        request_answer(&op->request, err);
        return;
    }
    text_clear(answer);
    text_add_char(answer, '{');
    text_add_member(answer, "id", op->request.key.id);
    text_add_member(answer, "name", text_bytes(&op->name));
    text_add_member_or_null(answer, "branch", text_bytes(&op->branch));
    text_add_member_int(answer, "removed_ms", world_wall_ms(loop_world(op->request.loop)));
    text_add_char(answer, '}');
    request_answer(&op->request, op_written(&op->request.op));
}

static enum request_next removal_done(void *ctx, struct err *io_result) {
    struct removal_op *op = ctx;
    const struct trees_api *api = op->request.api;
    const struct removal_order order = {.owner = op->request.key.owner,
                                        .tree = op->request.key.id,
                                        .force = param_flag(op->request.op.exchange, "force"),
                                        .done = on_removed,
                                        .ctx = op};
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    removals_begin(api->removals, &order);
    return REQUEST_LATER;
}

static const struct request_kind removal_kind = {.size = sizeof(struct removal_op),
                                                 .one = &tree__one,
                                                 .start = removal_start,
                                                 .work = removal_find,
                                                 .done = removal_done};

/* --- All that hold nothing -------------------------------------------------------------------- */

struct prune_body {
    const char *project;
    bool preview;
};
static const struct field prune_rows[] = {
    {FIELD("project", FIELD_CHARS, offsetof(struct prune_body, project)), .use = FIELD_GIVEN,
     .min = 1, .max = 200},
    {FIELD("preview", FIELD_BOOL, offsetof(struct prune_body, preview)), .use = FIELD_GIVEN},
};
static const struct field_set prune_fields = {FIELD_ROWS(prune_rows), .use = FIELD_GIVEN};

enum { PRUNE_TEXTS_MAX = 64 << 20 };

/* A tree of an ended holder. */
struct prune_tree {
    struct id id;
    char *name;     /* Owned. */
    bool goes;      /* Nothing would be lost, so far. */
    int64_t bytes;  /* On the disk. */
    struct why why; /* Why it stays. */
};

struct prune_op {
    struct request request;
    struct prune_body body;
    struct text targets;
    struct prune_tree *trees; /* Owned. */
    size_t count, size;
    size_t at; /* The one that is being removed. */
    struct err err;
};

static void trees_clear(struct prune_op *op) {
    for (size_t i = 0; i < op->count; i++) {
        mem_free(op->trees[i].name);
    }
    op->count = 0;
    text_clear(&op->targets);
}

static struct err prune_start(void *ctx) {
    struct prune_op *op = ctx;
    request_text(&op->request, &op->targets, PRUNE_TEXTS_MAX);
    return ERR_OK;
}

static struct err tree_note(struct tx *tx, struct prune_op *op, const struct tree_row *row) {
    if (op->count == op->size) {
        op->size = op->size == 0 ? 32 : 2 * op->size;
        op->trees = mem_grow(op->trees, op->size * sizeof *op->trees);
    }
    struct prune_tree *tree = &op->trees[op->count++];
    *tree = (struct prune_tree){.id = row->id, .name = mem_copy(row->name.data, row->name.len)};
    const struct err busy = tx_tree_idle(tx, row, &tree->why);
    tree->goes = !err_failed(busy);
    removals_tree_add(row, &op->targets);
    text_add_char(&op->targets, '\n');
    return busy.code == ERR_IN_USE ? ERR_OK : busy;
}

static struct err prune_find(struct tx *tx, void *ctx) {
    struct prune_op *op = ctx;
    const struct trees_api *api = op->request.api;
    struct trees_over over = {.host = api->place,
                              .owner = op->request.key.owner,
                              .project = op->body.project == NULL ? BYTES("")
                                                                  : bytes_of(op->body.project)};
    struct tree_row row;
    trees_clear(op);
    while (tx_tree_over_next(tx, &over, &row)) {
        over.after = row.number;
        TRY(tree_note(tx, op, &row));
    }
    return text_failed(&op->targets) ? text_error(&op->targets, "trees: prune") : tx_error(tx);
}

static void prune_look(struct loop_work *work) {
    struct prune_op *op = CONTAINER_OF(work, struct prune_op, request.work);
    AUTO(json_release) json_t *looks = NULL;
    op->err = trees__look(&op->request, text_bytes(&op->targets), false /* lost */, &looks,
                          &op->request.op.why);
    for (size_t i = 0; i < op->count && !err_failed(op->err); i++) {
        struct prune_tree *tree = &op->trees[i];
        const json_t *look = json_array_get(looks, i);
        tree->bytes = json_int(look, "bytes", 0);
        tree->goes =
            tree->goes && !err_failed(removals_judge(bytes_of(tree->name), look, &tree->why));
    }
}

static void trees_write(const struct prune_op *op, bool goes, struct text *answer) {
    bool first = true;
    text_add_str(answer, goes ? ",\"removed\":[" : ",\"kept\":[");
    for (size_t i = 0; i < op->count; i++) {
        const struct prune_tree *tree = &op->trees[i];
        if (tree->goes == goes) {
            text_add_str(answer, first ? "{" : ",{");
            text_add_member_str(answer, "tree", tree->id.text);
            text_add_member_str(answer, "name", tree->name);
            text_add_member_int(answer, "bytes", tree->bytes);
            if (!goes) {
                text_add_member_str(answer, "why", tree->why.text);
            }
            text_add_char(answer, '}');
            first = false;
        }
    }
    text_add_char(answer, ']');
}

static void prune_answer(struct prune_op *op, struct err err) {
    struct text *answer = &op->request.op.answer;
    if (!err_failed(err)) {
        text_clear(answer);
        text_add_char(answer, '{');
        text_add_member_bool(answer, "preview", op->body.preview);
        trees_write(op, true /* goes */, answer);
        trees_write(op, false /* goes */, answer);
        text_add_char(answer, '}');
        err = op_written(&op->request.op);
    }
    request_answer(&op->request, err);
}

static void on_pruned(void *ctx, struct err err, const struct why *why);

static void prune_next(struct prune_op *op) {
    const struct trees_api *api = op->request.api;
    while (op->at < op->count && !op->trees[op->at].goes) {
        op->at++;
    }
    if (op->at == op->count || op->body.preview) {
        prune_answer(op, ERR_OK);
        return;
    }
    const struct removal_order order = {.owner = op->request.key.owner,
                                        .tree = bytes_of(op->trees[op->at].id.text),
                                        .done = on_pruned,
                                        .ctx = op};
    removals_begin(api->removals, &order);
}

/* A tree that cannot be removed stays, and the others go on. */
static void on_pruned(void *ctx, struct err err, const struct why *why) {
    struct prune_op *op = ctx;
    struct prune_tree *tree = &op->trees[op->at++];
    if (err.code == ERR_CLOSING) {
        prune_answer(op, err);
        return;
    }
    if (err_failed(err)) {
        tree->goes = false;
        why_set(&tree->why, "%s", err_words(err, why));
    }
    prune_next(op);
}

static void on_prune_looked(struct loop_work *work) {
    struct prune_op *op = CONTAINER_OF(work, struct prune_op, request.work);
    if (err_failed(op->err)) {
        prune_answer(op, op->err);
    } else {
        prune_next(op);
    }
}

static enum request_next prune_done(void *ctx, struct err *io_result) {
    struct prune_op *op = ctx;
    const struct trees_api *api = op->request.api;
    if (!err_failed(*io_result) && points_git(api->points) == NULL) {
        *io_result = err_why(&op->request.op.why, ERR_NOT_IMPLEMENTED,
                             "git is not installed where the daemon runs");
    }
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    op->request.work = (struct loop_work){.run = prune_look, .done = on_prune_looked};
    loop_work(op->request.loop, &op->request.work);
    return REQUEST_LATER;
}

static void prune_end(void *ctx, struct err result) {
    struct prune_op *op = ctx;
    (void)result; /* Answered. */
    trees_clear(op);
    mem_free(op->trees);
}

static const struct request_kind prune_kind = {.size = sizeof(struct prune_op),
                                               .fields = &prune_fields,
                                               .into = offsetof(struct prune_op, body),
                                               .start = prune_start,
                                               .work = prune_find,
                                               .done = prune_done,
                                               .end = prune_end};

/* --- The table -------------------------------------------------------------------------------- */

static const struct query_param removal_query[] = {
    OP_OWNER_PARAM("Another owner's working tree"),
    {QUERY("force", QUERY_FLAG, "Remove it with all that it holds, and its branch.")},
    {.name = NULL},
};
static const char removed_schema[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"name\",\"branch\",\"removed_ms\"],"
    "\"properties\":{\"id\":" TEXT_SCHEMA ",\"name\":" TEXT_SCHEMA ",\"branch\":" TEXT_OR_NULL
    ",\"removed_ms\":" INT_SCHEMA "}}";
#define PRUNED_SCHEMA(required, more)                                                              \
    "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"tree\",\"name\","          \
    "\"bytes\"" required "],\"properties\":{\"tree\":" TEXT_SCHEMA ",\"name\":" TEXT_SCHEMA        \
    ",\"bytes\":" INT_SCHEMA more "}}}"
static const char pruned_schema[] =
    "{\"type\":\"object\",\"required\":[\"preview\",\"removed\",\"kept\"],\"properties\":{"
    "\"preview\":" BOOL_SCHEMA ",\"removed\":" PRUNED_SCHEMA("", "") ",\"kept\":" PRUNED_SCHEMA(
        ",\"why\"", ",\"why\":" TEXT_SCHEMA) "}}";

const struct route tree_removal_routes[] = {
    {ROUTE("DELETE", "/api/v1/worktrees/{id}", SCOPE_APPROVE,
           "Remove a working tree and its branch"),
     .query = removal_query, .answer_schema = removed_schema, .request = &removal_kind},
    {ROUTE("POST", "/api/v1/worktrees/prune", SCOPE_APPROVE,
           "Remove the working trees of ended holders that hold no work"),
     .query = OP_OWNER_QUERY("Another owner's working trees"), .has_body = true,
     .body_optional = true, .body = {.fields = &prune_fields, .use = FIELD_GIVEN},
     .answer_schema = pruned_schema, .request = &prune_kind},
    {.method = NULL},
};
