/* models.c: what can be asked, of all connections together.
 *
 *   loop: providers are asked for their lists ──> each model is copied ──> pool: sorted, written
 */
#include <stdlib.h>
#include <string.h>

#include "api/base/page.h"
#include "api/provider/providers.h"
#include "base/memory.h"

/* All lists together; what is more is left out of the last connections. */
enum { MODELS_MAX = 20000 };
static_assert((int)SETTINGS_MODEL_MAX <= (int)PAGE_CURSOR_MAX, "a model's id is a cursor");

struct listed_model {
    char *id; /* Owned: CONNECTION/MODEL. */
    size_t provider_len;
    struct model_info info;
};

struct models_op {
    struct page page;
    struct loop_work work;
    struct loop *loop;     /* Borrowed. */
    struct bytes after, q; /* Borrowed from the exchange. */
    bool total;
    struct listed_model *models;
    size_t count, room;
};

/* --- Collecting ------------------------------------------------------------------------------- */

static void take_model(void *ctx, const struct model_listed *listed) {
    struct models_op *op = ctx;
    if (op->count == MODELS_MAX) {
        return;
    }
    if (op->count == op->room) {
        op->room = op->room == 0 ? 64 : op->room * 2;
        op->models = mem_grow(op->models, op->room * sizeof *op->models);
    }
    struct text id;
    text_init(&id, SETTINGS_MODEL_MAX + 1);
    text_addf(&id, "%s/%s", listed->connection, listed->model);
    op->models[op->count++] = (struct listed_model){.id = text_take(&id, NULL /* terminated */),
                                                    .provider_len = strlen(listed->connection),
                                                    .info = listed->info};
}

/* --- Writing, in the pool --------------------------------------------------------------------- */

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct listed_model *)a)->id, ((const struct listed_model *)b)->id);
}

static void write_known(struct text *text, const char *name, int64_t number, int64_t least) {
    text_addf(text, "%s\":", name);
    if (number >= least) {
        text_add_int(text, number);
    } else {
        text_add_str(text, "null");
    }
}

static void write_ability(struct text *text, const char *name, enum model_ability ability) {
    text_addf(text, ",\"%s\":%s", name,
              ability == ABILITY_UNKNOWN ? "null"
              : ability == ABILITY_YES   ? "true"
                                         : "false");
}

static void write_model(struct text *text, const struct listed_model *model) {
    static const char *const from[] = {[WINDOW_CONNECTION] = "connection",
                                       [WINDOW_PROVIDER] = "provider",
                                       [WINDOW_PRICES] = "prices",
                                       [WINDOW_DEFAULT] = "default",
                                       [WINDOW_LEARNED] = "learned"};
    const struct model_facts *facts = &model->info.facts;
    text_add_str(text, "{\"id\":");
    text_add_json(text, model->id, strlen(model->id));
    text_add_str(text, ",\"provider\":");
    text_add_json(text, model->id, model->provider_len);
    write_known(text, ",\"window", facts->window, 1);
    text_addf(text, ",\"window_from\":\"%s\"", from[model->info.window_from]);
    write_known(text, ",\"max_output", facts->output_max, 1);
    write_ability(text, "vision", facts->vision);
    write_ability(text, "tools", facts->tools);
    write_known(text, ",\"price\":{\"fresh", facts->price.fresh, 0);
    write_known(text, ",\"cache_read", facts->price.cache_read, 0);
    write_known(text, ",\"cache_write", facts->price.cache_write, 0);
    write_known(text, ",\"output", facts->price.output, 0);
    text_add_str(text, "}}");
}

static bool is_after(const char *id, struct bytes after) {
    size_t len = strlen(id);
    int order = after.len == 0 ? 1 : memcmp(id, after.data, len < after.len ? len : after.len);
    return order > 0 || (order == 0 && len > after.len);
}

static void write_all(struct loop_work *work) {
    struct models_op *op = CONTAINER_OF(work, struct models_op, work);
    (void)page_begin(&op->page); /* All are here: nothing is read. */
    if (op->count > 0) {
        qsort(op->models, op->count, sizeof *op->models, by_id);
    }
    int64_t counted = 0;
    for (size_t i = 0; i < op->count; i++) {
        const char *id = op->models[i].id;
        bool again = i > 0 && strcmp(op->models[i - 1].id, id) == 0;
        if (again || !page_holds(bytes_of(id), op->q)) {
            continue;
        }
        counted++;
        if (is_after(id, op->after) && page_add(&op->page, bytes_of(id))) {
            write_model(&op->page.op.answer, &op->models[i]);
        }
    }
    page_end(&op->page, op->total ? counted : PAGE_NO_TOTAL);
}

static void written(struct loop_work *work) {
    struct models_op *op = CONTAINER_OF(work, struct models_op, work);
    op_answer(&op->page.op, ERR_OK);
    for (size_t i = 0; i < op->count; i++) {
        mem_free(op->models[i].id);
    }
    mem_free(op->models);
    mem_free(op);
}

static void all_taken(void *ctx) {
    struct models_op *op = ctx;
    op->work.run = write_all;
    op->work.done = written;
    loop_work(op->loop, &op->work);
}

/* --- The request ------------------------------------------------------------------------------ */

static bool cursor_valid(struct bytes cursor) {
    return cursor.len > 0;
}

void providers__models(struct exchange *exchange, void *ctx) {
    static const struct page_form form = {.valid = cursor_valid, .of = PAGE_OF_ALL};
    struct providers_api *api = ctx;
    struct page_ask ask;
    if (!page_read(exchange, &form, &ask)) {
        return;
    }
    struct models_op *op = mem_new(sizeof *op);
    page_init(&op->page, exchange, ask.limit);
    op->loop = api->loop;
    op->after = ask.after;
    op->total = ask.total;
    op->q = page_word(exchange, PROVIDERS_Q);
    models_list(connections_models(api->connections), take_model, all_taken, op);
}
