/* agents.c: agents: the list, one of them, how one would be started; and the stored definitions.
 *
 * A look reads rows first, what agents do now (now.h), and then the definitions, in the pool.
 * Definitions are read again for each request, since most are files of the project and of the
 * user. Programs come first in the list, then agents of models, which workflows name as agentType.
 *
 *   body ──> the definition, checked ──> transaction: the row ──> done: what the pool reads of it
 */
#include "api/agent/agents.h"

#include <stdlib.h>

#include "agent/find.h"
#include "api/agent/now.h"
#include "api/base/page.h"
#include "base/memory.h"
#include "proc/spool/spool.h"
#include "tool/agent_types.h"

static const struct one_kind agent_one = {.valid = agent_name_is_valid, .noun = "agent"};

/* --- Looking ---------------------------------------------------------------------------------- */

struct agents_op {
    struct page page;         /* Begins with the request; the rest is for the list. */
    const char *path;         /* PATH of the client, or of the daemon. */
    struct text root, prompt; /* Owned: the project's folder, and what a start is asked. */
    bool asks_versions;
    struct agents_now now; /* Owned. */
    json_t *broken; /* Owned: paths of files that were listed as broken programs. NULL: none. */
    size_t count;
    struct err err; /* Failure of the agent that was seen. */
};

static struct err agents_read(void *ctx) {
    struct agents_op *op = ctx;
    const struct exchange *exchange = op->page.request.op.exchange;
    const struct bytes root = param_text(exchange, "root");
    op->path = request_variable(&op->page.request, "PATH");
    op->path = op->path != NULL ? op->path : getenv("PATH");
    /* To ask for a version runs what that PATH names, outside of any run. */
    op->asks_versions = (exchange_identity(exchange)->scopes & SCOPE_ADMIN) != 0;
    request_text(&op->page.request, &op->root, 4096);
    text_add(&op->root, root.data, root.len);
    while (op->root.len > 1 && op->root.data[op->root.len - 1] == '/') {
        op->root.data[--op->root.len] = '\0';
    }
    return root.len == 0 || root.data[0] == '/'
               ? ERR_OK
               : err_why(&op->page.request.op.why, ERR_BAD_FIELD, "root: must be an absolute path");
}

static struct agent_search search_of(const struct agents_op *op) {
    const struct agents_api *api = op->page.request.api;
    return (struct agent_search){.root = op->root.len > 0 ? op->root.data : NULL,
                                 .home = api->home,
                                 .path = op->path,
                                 .rows = api->rows,
                                 .versions = op->asks_versions ? api->versions : NULL};
}

static struct agent_places places_of(const struct agents_op *op) {
    const struct agents_api *api = op->page.request.api;
    return (struct agent_places){.root = op->root.len > 0 ? op->root.data : NULL,
                                 .home = api->home,
                                 .config_dir = api->config_dir};
}

/* The cursor of a row is its number. */
static void shown_add(struct agents_op *op, const struct agent_shown *of) {
    struct agent_shown shown = *of;
    const int64_t number = (int64_t)++op->count;
    if (op->page.kind != NULL && (number <= op->page.from || !page_add_number(&op->page, number))) {
        return;
    }
    agents_now_show(&op->now, &shown);
    fields_write(&agent_shown_fields, op->page.kind != NULL ? FIELD_LISTED : FIELD_WHOLE, &shown,
                 &op->page.request.op.answer);
}

static void agent_add(void *ctx, const struct agent_seen *seen) {
    const struct agent_shown shown = agent_seen_show(seen);
    shown_add(ctx, &shown);
}

/* Values of `env` may be secrets: the scope that replaces a definition shows it. */
static void program_show(void *ctx, const struct agent_seen *seen) {
    struct agents_op *op = ctx;
    const struct agents_api *api = op->page.request.api;
    struct agent_shown shown = agent_seen_show(seen);
    AUTO(text_done) struct text definition = text_up_to(AGENT_DEFINITION_MAX);
    if ((exchange_identity(op->page.request.op.exchange)->scopes & SCOPE_ADMIN) != 0 &&
        strcmp(seen->from, "stored") == 0 && agent_rows_get(api->rows, shown.name, &definition)) {
        shown.definition = text_bytes(&definition);
    }
    shown_add(op, &shown);
}

/* A file that cannot be read may define a program or an agent of models: it has one row. */
static void program_list(void *ctx, const struct agent_seen *seen) {
    struct agents_op *op = ctx;
    if (seen->found == AGENT_BROKEN) {
        (void)json_object_set_new(op->broken, seen->from, json_true()); /* Else it has two. */
    }
    agent_add(op, seen);
}

static void type_add(void *ctx, const struct agent_type_seen *seen) {
    const bool found = seen->fault == NULL;
    const struct agent_shown shown = {
        .name = seen->name,
        .kind = BYTES("native"),
        .found = found,
        .state = bytes_of(agent_found_names[found ? AGENT_READY : AGENT_BROKEN]),
        .model = seen->model,
        .description = seen->about,
        .isolation = bytes_of(seen->isolated ? "worktree" : NULL),
        .from = bytes_of(seen->from),
        .may = bytes_of(found ? "what its run allows, by its tools" : "nothing"),
        .why = bytes_of(seen->fault)};
    shown_add(ctx, &shown);
}

static void type_list(void *ctx, const struct agent_type_seen *seen) {
    const struct agents_op *op = ctx;
    if (json_object_get(op->broken, seen->from) == NULL) {
        type_add(ctx, seen);
    }
}

/* All are looked at: what counts is known in the end. */
static void list_write(struct loop_work *work) {
    struct agents_op *op = CONTAINER_OF(work, struct agents_op, page.request.work);
    op->broken = json_object();
    const struct agent_search search = search_of(op);
    const struct agent_places places = places_of(op);
    (void)page_begin(&op->page);
    agent_each(&search, program_list, op);
    agent_types_each(&places, type_list, op);
    page_end(&op->page, op->page.total ? (int64_t)op->count : PAGE_NO_TOTAL);
}

static void list_written(struct loop_work *work) {
    request_answer(CONTAINER_OF(work, struct request, work), ERR_OK);
}

static struct err list_now(struct tx *tx, void *page) {
    struct agents_op *op = PAGE_OF((struct page *)page, struct agents_op);
    return tx_agents_now(tx, op->page.request.key.owner, BYTES(""), &op->now);
}

static void list_known(struct err err, void *ctx) {
    struct page *page = ctx;
    if (err_failed(err)) {
        request_answer(&page->request, err);
        return;
    }
    page->request.work = (struct loop_work){.run = list_write, .done = list_written};
    loop_work(page->request.loop, &page->request.work);
}

static void list_begin(struct page *page) {
    store_read(page->request.store, list_now, list_known, page);
}

static struct err show_now(struct tx *tx, void *ctx) {
    struct agents_op *op = ctx;
    return tx_agents_now(tx, op->page.request.key.owner, op->page.request.key.id, &op->now);
}

static void type_show(void *ctx, const struct agent_type_seen *seen) {
    struct agents_op *op = ctx;
    if (bytes_equal(seen->name, op->page.request.key.id)) {
        type_add(op, seen);
    }
}

static struct err show_pool(void *ctx) {
    struct agents_op *op = ctx;
    const struct agent_search search = search_of(op);
    const struct agent_places places = places_of(op);
    const struct bytes name = op->page.request.key.id;
    if (!agent_find(&search, name, program_show, op)) {
        agent_types_each(&places, type_show, op);
    }
    return op->count > 0 ? ERR_OK
                         : err_why(&op->page.request.op.why, ERR_NOT_FOUND,
                                   "there is no agent '%.*s'; 'drover agent ls' lists them",
                                   (int)name.len, name.data);
}

static void agents_end(void *ctx, struct err result) {
    struct agents_op *op = ctx;
    json_release(&op->broken);
    agents_now_done(&op->now);
}

static const struct page_kind list = {.request = {.size = sizeof(struct agents_op),
                                                  .read = agents_read,
                                                  .folder = request_root,
                                                  .end = agents_end},
                                      .begin = list_begin};
static const struct request_kind show = {.size = sizeof(struct agents_op),
                                         .one = &agent_one,
                                         .read = agents_read,
                                         .folder = request_root,
                                         .work = show_now,
                                         .after = show_pool,
                                         .end = agents_end};

/* --- How one would be started ----------------------------------------------------------------- */

static void texts_add(struct text *text, const char *name, const char *const *texts, size_t count) {
    text_add_name(text, name);
    for (size_t i = 0; i < count; i++) {
        text_add_char(text, i == 0 ? '[' : ',');
        text_add_json(text, texts[i], strlen(texts[i]));
    }
    text_add_str(text, count == 0 ? "[]" : "]");
}

/* Names alone: a value may be a secret. */
static void env_add(struct text *text, const json_t *env) {
    bool any = false;
    text_add_name(text, "env");
    for (struct json_member at = json_first(env); at.value != NULL; at = json_next(at)) {
        text_add_char(text, any ? ',' : '[');
        text_add_json(text, at.key.data, at.key.len);
        any = true;
    }
    text_add_str(text, any ? "]" : "[]");
}

static void start_see(void *ctx, const struct agent_seen *seen) {
    struct agents_op *op = ctx;
    const struct agents_api *api = op->page.request.api;
    struct text *text = &op->page.request.op.answer;
    AUTO(arena_done) struct arena arena;
    struct program_command command;
    op->count++;
    arena_init(&arena, 1 << 20);
    if (!agent_may_start(seen->found)) {
        op->err = err_why(&op->page.request.op.why, ERR_CONFLICT, "agent '%.64s' is %s: %s",
                          seen->what->name, agent_found_names[seen->found], seen->why);
        return;
    }
    const struct program_start start = {.agent = seen->what,
                                        .prompt = text_bytes(&op->prompt),
                                        .native = BYTES(""),
                                        .session = BYTES("00000000-0000-4000-8000-000000000000"),
                                        .message = BYTES("00000000-0000-4000-8000-000000000001"),
                                        .own_tmp = spool_tmp_fits(api->spool)};
    op->err = program_start_make(seen->program, &start, &arena, &command);
    if (!err_failed(op->err)) {
        text_add_char(text, '{');
        text_add_member(text, "name", bytes_of(seen->what->name));
        texts_add(text, "argv", command.argv, command.argc);
        env_add(text, seen->what->env);
        text_add_member(text, "prompt", text_bytes(&op->prompt));
        text_add_member(text, "input", command.input);
        text_add_char(text, '}');
    }
}

static struct err start_read(void *ctx) {
    struct agents_op *op = ctx;
    const struct bytes given = param_text(op->page.request.op.exchange, "prompt");
    const struct bytes prompt = given.len > 0 ? given : BYTES("Answer with one word: ready");
    struct err err = agents_read(ctx);
    request_text(&op->page.request, &op->prompt, 64 << 10);
    text_add(&op->prompt, prompt.data, prompt.len);
    return err;
}

static struct err start_pool(void *ctx) {
    struct agents_op *op = ctx;
    struct agent_search search = search_of(op);
    const struct bytes name = op->page.request.key.id;
    search.versions = NULL;
    return agent_find(&search, name, start_see, op)
               ? op->err
               : err_why(&op->page.request.op.why, ERR_NOT_FOUND,
                         "there is no program '%.*s'; 'drover agent ls' lists them", (int)name.len,
                         name.data);
}

static const struct request_kind start = {.size = sizeof(struct agents_op),
                                          .one = &agent_one,
                                          .read = start_read,
                                          .folder = request_root,
                                          .pool = start_pool,
                                          .end = agents_end};

/* --- Stored definitions ----------------------------------------------------------------------- */

struct change_op {
    struct request request;
    struct text name, definition; /* Owned. */
};

/* The path of a PUT names the agent; a body that names it, too, must agree. */
static struct err definition_read(struct change_op *op, json_t *json) {
    struct why *why = &op->request.op.why;
    const bool puts = op->request.kind->one != NULL;
    struct agent_definition what;
    if (puts && json_object_get(json, "name") == NULL) {
        (void)json_object_set_new(json, "name",
                                  json_stringn(op->request.key.id.data, op->request.key.id.len));
    }
    TRY(agent_definition_read(json, &what, why));
    if (!agent_name_is_valid(bytes_of(what.name))) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"name\" must have no slash, no backslash, and no dot at its beginning");
    }
    if (puts && !bytes_is(op->request.key.id, what.name)) {
        return err_why(why, ERR_BAD_FIELD, "\"name\" is not the name in the path");
    }
    if (what.command != NULL && strchr(what.command, '/') != NULL && what.command[0] != '/') {
        return err_why(why, ERR_BAD_FIELD,
                       "\"command\" must be an absolute path or a name without \"/\": a stored "
                       "agent belongs to no folder");
    }
    text_add_str(&op->name, what.name);
    return agent_definition_write(&what, &op->definition);
}

static struct err change_read(void *ctx) {
    struct change_op *op = ctx;
    const json_t *body = exchange_json(op->request.op.exchange);
    request_text(&op->request, &op->name, AGENT_NAME_MAX + 1);
    request_text(&op->request, &op->definition, AGENT_DEFINITION_MAX);
    if (!json_is_object(body)) {
        return err_why(&op->request.op.why, ERR_BAD_FIELD, "the body must be an object");
    }
    AUTO(json_release) json_t *json = json_copy((json_t *)(uintptr_t)body); /* Is only read. */
    return definition_read(op, json);
}

/* A row that is replaced keeps made_ms. */
static struct err change_work(struct tx *tx, void *ctx) {
    struct change_op *op = ctx;
    struct agent_row row;
    const struct resource_key key = {.id = text_bytes(&op->name)};
    bool found = false;
    TRY(tx_resource_find(tx, &agent_resource, &key, &found, &row));
    row.name = key.id;
    row.definition = text_bytes(&op->definition);
    struct err err = found && op->request.kind->one != NULL
                         ? tx_resource_update(tx, &agent_resource, FIELD_SET, &row)
                         : tx_resource_insert(tx, &agent_resource, &row);
    if (err.code == ERR_CONFLICT) {
        why_set(&op->request.op.why, "there is a stored agent '%.64s' already: PUT replaces it",
                op->name.data);
    } else if (err.code == ERR_TOO_MANY) {
        why_set(&op->request.op.why, "there are %d stored agents already; remove some",
                AGENT_ROWS_MAX);
    }
    text_add(&op->request.op.answer, op->definition.data, op->definition.len);
    return err_failed(err) ? err : op_written(&op->request.op);
}

static enum request_next change_done(void *ctx, struct err *io_result) {
    struct change_op *op = ctx;
    const struct agents_api *api = op->request.api;
    if (!err_failed(*io_result) && !op->request.replayed) {
        agent_rows_put(api->rows, text_bytes(&op->name), text_bytes(&op->definition));
    }
    return REQUEST_ANSWER;
}

#define CHANGE                                                                                     \
    .size = sizeof(struct change_op), .writes = true, .read = change_read, .work = change_work,    \
    .done = change_done
static const struct request_kind add = {CHANGE};
static const struct request_kind put = {CHANGE, .one = &agent_one};

static void row_changed(void *api, const struct resource_key *key, const void *row) {
    const struct agents_api *agents = api;
    assert(row == NULL); /* Removal is the one route of the descriptor. */
    agent_rows_remove(agents->rows, key->id);
}

const struct resource_handlers agent_handlers = {
    .resource = &agent_resource,
    .absent = " that is stored; what a file defines is removed with it",
    .changed = row_changed};

/* --- Routes ----------------------------------------------------------------------------------- */

#define ROOT_PARAM                                                                                 \
    {                                                                                              \
        QUERY("root", QUERY_TEXT, "Folder of the project, whose definitions count, too."),         \
            .max = 4095                                                                            \
    }
static const struct query_param query[] = {ROOT_PARAM, {.name = NULL}};
static const struct query_param list_query[] = {
    PAGE_PARAMS(PAGE_NUMBER), ROOT_PARAM, {.name = NULL}};
static const struct query_param start_query[] = {
    ROOT_PARAM,
    {QUERY("prompt", QUERY_TEXT, "What it is asked; absent: for one word."), .max = 4000},
    {.name = NULL},
};

static const char start_answer[] =
    "{\"type\":\"object\",\"required\":[\"name\",\"argv\",\"env\",\"prompt\",\"input\"],"
    "\"properties\":{\"name\":" TEXT_SCHEMA ",\"argv\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA
    "},\"env\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA "},\"prompt\":" TEXT_SCHEMA
    ",\"input\":" TEXT_SCHEMA "}}";
const struct route agents_routes[] = {
    {ROUTE("GET", "/api/v1/agents", SCOPE_READ,
           "List agents: programs, and whether they are installed; then those of models"),
     .query = list_query,
     .answer = {.fields = &agent_shown_fields, .use = FIELD_LISTED, .page = true}, .page = &list},
    {ROUTE("POST", "/api/v1/agents", SCOPE_ADMIN,
           "Store the definition of a program that is an agent"),
     .has_body = true, .body = {.fields = &agent_fields, .use = FIELD_GIVEN},
     .answer = {.fields = &agent_fields, .use = FIELD_LISTED, .loose = true}, .answer_status = 201,
     .request = &add},
    {ROUTE("GET", "/api/v1/agents/{name}", SCOPE_READ, "Show one of them"), .query = query,
     .answer = {.fields = &agent_shown_fields, .use = FIELD_WHOLE}, .request = &show},
    {ROUTE("PUT", "/api/v1/agents/{name}", SCOPE_ADMIN,
           "Store a definition in place of the one of that name"),
     .has_body = true, .body = {.fields = &agent_fields, .use = FIELD_CHANGED},
     .answer = {.fields = &agent_fields, .use = FIELD_LISTED, .loose = true}, .request = &put},
    {ROUTE("GET", "/api/v1/agents/{name}/start", SCOPE_READ,
           "Show how its program would be started; starts nothing"),
     .query = start_query, .answer_schema = start_answer, .request = &start},
    {.method = NULL},
};
