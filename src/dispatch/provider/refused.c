/* refused.c: see refused.h. */
#include "dispatch/provider/refused.h"

#include "base/memory.h"

struct refused_write {
    struct refused_parameters refused;
    char *model; /* Owned: the text of `refused.model`. */
};

static struct err refused_write_tx(struct tx *tx, void *ctx) {
    const struct refused_write *write = ctx;
    return tx_refused_learn(tx, &write->refused);
}

static void refused_write_done(struct err err, void *ctx) {
    struct refused_write *write = ctx;
    (void)err; /* The next daemon finds it out by itself. */
    mem_free(write->model);
    mem_free(write);
}

static void on_refused(void *ctx, const struct model_refused *found) {
    const struct refused_keeper *keeper = ctx;
    struct refused_write *write = mem_new(sizeof *write);
    write->model = mem_copy(found->name.data, found->name.len);
    write->refused = (struct refused_parameters){.model = {write->model, found->name.len},
                                                 .parameters = found->parameters,
                                                 .until_ms = found->until_ms};
    store_write_lazy(keeper->store, refused_write_tx, refused_write_done, write);
}

void refused_keeper_start(struct refused_keeper *keeper, struct models *models,
                          struct store *store) {
    keeper->models = models;
    keeper->store = store;
    models_on_refused(models, on_refused, keeper);
}

static void rows_clear(struct refused_keeper *keeper) {
    for (size_t i = 0; i < keeper->count; i++) {
        mem_free(keeper->rows[i].model);
    }
    keeper->count = 0;
}

void refused_keeper_stop(struct refused_keeper *keeper) {
    models_on_refused(keeper->models, NULL, NULL);
}

void refused_keeper_done(struct refused_keeper *keeper) {
    rows_clear(keeper);
}

static struct err take_row(void *ctx, const struct refused_parameters *refused) {
    struct refused_keeper *keeper = ctx;
    keeper->rows[keeper->count++] =
        (struct refused_row){.model = mem_copy(refused->model.data, refused->model.len),
                             .parameters = refused->parameters,
                             .until_ms = refused->until_ms};
    return ERR_OK;
}

struct err refused_keeper_read(struct refused_keeper *keeper, struct tx *tx) {
    rows_clear(keeper);
    return tx_refused_each(tx, take_row, keeper);
}

void refused_keeper_use(struct refused_keeper *keeper) {
    for (size_t i = 0; i < keeper->count; i++) {
        const struct model_refused refused = {.name = bytes_of(keeper->rows[i].model),
                                              .parameters = keeper->rows[i].parameters,
                                              .until_ms = keeper->rows[i].until_ms};
        models_refuse(keeper->models, &refused);
    }
    rows_clear(keeper);
}
