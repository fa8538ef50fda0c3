/* deletion.c: see deletion.h. */
#include "main/deletion.h"

static void purged(void *ctx) {
    struct deletion *deletion = ctx;
    blobs_sweep(deletion->blobs);
    retention_wake(deletion->dispatch);
    points_forgotten(deletion->points);
}

static void purge_failed(void *ctx, const char *what, int64_t session, struct err err) {
    const struct deletion *deletion = ctx;
    log_event(deletion->log, LOG_WARN, what,
              LOG_FIELDS(log_int("session_row", session), log_err(err)));
}

void deletion_init(struct deletion *deletion, struct blobs *blobs, struct dispatch *dispatch,
                   struct points *points) {
    *deletion = (struct deletion){.blobs = blobs, .dispatch = dispatch, .points = points};
}

void deletion_start(struct deletion *deletion, struct loop *loop, struct store *store,
                    struct log *log) {
    deletion->log = log;
    const struct chores_options options = {
        .loop = loop, .store = store, .purged = purged, .failed = purge_failed, .ctx = deletion};
    blobs_sweep(deletion->blobs); /* What a crash left. */
    chores_start(&deletion->chores, &options);
}

void deletion_stop(struct deletion *deletion) {
    chores_stop(&deletion->chores);
}
