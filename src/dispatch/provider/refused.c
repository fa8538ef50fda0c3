/* refused.c: see refused.h. */
#include "dispatch/provider/refused.h"

#include "base/memory.h"
#include "engine/provider/learned.h"

struct refused_write {
    struct learned_limit limit;
    char *model; /* Owned: the text of `limit.model`. */
};

static struct err refused_write_tx(struct tx *tx, void *ctx) {
    const struct refused_write *write = ctx;
    return tx_learned_add(tx, LEARNED_REFUSED, &write->limit);
}

static void refused_write_done(struct err err, void *ctx) {
    struct refused_write *write = ctx;
    (void)err; /* The next daemon finds it out by itself. */
    mem_free(write->model);
    mem_free(write);
}

static void on_refused(void *ctx, const struct model_refused *found) {
    struct refused_write *write = mem_new(sizeof *write);
    write->model = mem_copy(found->name.data, found->name.len);
    write->limit = (struct learned_limit){.model = {write->model, found->name.len},
                                          .refused = found->parameters,
                                          .until_ms = found->until_ms};
    store_write_lazy(ctx, refused_write_tx, refused_write_done, write);
}

void refused_keep_start(struct models *models, struct store *store) {
    models_on_refused(models, on_refused, store);
}

void refused_keep_stop(struct models *models) {
    models_on_refused(models, NULL, NULL);
}
