/* deletion.c: see deletion.h. */
#include "main/deletion.h"

static void purged(void *ctx) {
    struct deletion *deletion = ctx;
    blobs_sweep(deletion->blobs);
    dispatch_tidy(deletion->dispatch);
}

void deletion_init(struct deletion *deletion, struct blobs *blobs, struct dispatch *dispatch) {
    *deletion = (struct deletion){.blobs = blobs, .dispatch = dispatch};
}

void deletion_start(struct deletion *deletion, struct loop *loop, struct store *store) {
    const struct chores_options options = {
        .loop = loop, .store = store, .purged = purged, .ctx = deletion};
    blobs_sweep(deletion->blobs); /* What a crash left. */
    chores_start(&deletion->chores, &options);
}

void deletion_stop(struct deletion *deletion) {
    chores_stop(&deletion->chores);
}
