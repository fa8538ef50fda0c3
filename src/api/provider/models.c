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

static void ability_add(struct text *text, const char *name, enum model_ability ability) {
    if (ability == ABILITY_UNKNOWN) {
        text_add_member_or_null(text, name, BYTES(""));
    } else {
        text_add_member_bool(text, name, ability == ABILITY_YES);
    }
}

static void model_write(struct text *text, const struct listed_model *model) {
    static const char *const from[] = {[WINDOW_CONNECTION] = "connection",
                                       [WINDOW_PROVIDER] = "provider",
                                       [WINDOW_PRICES] = "prices",
                                       [WINDOW_DEFAULT] = "default",
                                       [WINDOW_LEARNED] = "learned"};
    const struct model_facts *facts = &model->info.facts;
    text_add_char(text, '{');
    text_add_member(text, "id", bytes_of(model->id));
    text_add_member(text, "provider", (struct bytes){model->id, model->provider_len});
    text_add_member_int_or_null(text, "window", facts->window, facts->window > 0);
    text_add_member(text, "window_from", bytes_of(from[model->info.window_from]));
    text_add_member_int_or_null(text, "max_output", facts->output_max, facts->output_max > 0);
    ability_add(text, "vision", facts->vision);
    ability_add(text, "tools", facts->tools);
    text_add_str(text, ",\"price\":{");
    text_add_member_int_or_null(text, "fresh", facts->price.fresh, facts->price.fresh >= 0);
    text_add_member_int_or_null(text, "cache_read", facts->price.cache_read,
                                facts->price.cache_read >= 0);
    text_add_member_int_or_null(text, "cache_write", facts->price.cache_write,
                                facts->price.cache_write >= 0);
    text_add_member_int_or_null(text, "output", facts->price.output, facts->price.output >= 0);
    text_add_str(text, "}}");
}

static void all_write(struct loop_work *work) {
    struct models_op *op = CONTAINER_OF(work, struct models_op, page.request.work);
    struct page *page = &op->page;
    (void)page_begin(page); /* All are here: nothing is read. */
    if (op->count > 0) {
        qsort(op->models, op->count, sizeof *op->models, by_id);
    }
    int64_t counted = 0;
    for (size_t i = 0; i < op->count; i++) {
        const char *id = op->models[i].id;
        bool again = i > 0 && strcmp(op->models[i - 1].id, id) == 0;
        if (again || !page_holds(page, bytes_of(id))) {
            continue;
        }
        counted++;
        if (bytes_compare(bytes_of(id), page->after) > 0 && page_add(page, bytes_of(id))) {
            model_write(&page->request.op.answer, &op->models[i]);
        }
    }
    page_end(page, page->total ? counted : PAGE_NO_TOTAL);
}

static void all_written(struct loop_work *work) {
    request_answer(CONTAINER_OF(work, struct request, work), ERR_OK);
}

static void all_taken(void *ctx) {
    struct models_op *op = ctx;
    op->page.request.work = (struct loop_work){.run = all_write, .done = all_written};
    loop_work(op->page.request.loop, &op->page.request.work);
}

/* --- The request ------------------------------------------------------------------------------ */

static bool cursor_valid(struct bytes cursor) {
    return cursor.len > 0;
}

static void models_begin(struct page *page) {
    const struct providers_api *api = page->request.api;
    models_list(connections_models(api->connections), take_model, all_taken,
                PAGE_OF(page, struct models_op));
}

static void models_end(void *ctx, struct err result) {
    struct models_op *op = ctx;
    for (size_t i = 0; i < op->count; i++) {
        mem_free(op->models[i].id);
    }
    mem_free(op->models);
}

const struct page_kind providers__models = {
    .request = {.size = sizeof(struct models_op), .end = models_end},
    .valid = cursor_valid,
    .begin = models_begin,
};
