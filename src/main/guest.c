/* guest.c: see guest.h. */
#include "main/guest.h"
#include "main/parts.h"

#include <string.h>

#include "base/memory.h"
#include "dispatch/base/effects.h"
#include "dispatch/job/dispatch.h"
#include "engine/run/runs.h"
#include "main/processes.h"
#include "store/store.h"

struct guest_rooms {
    const struct serve_options *serve;
    struct processes processes;
    struct store *store; /* Owned, as is all below. */
    struct effects *effects;
    struct dispatch *dispatch;
};

static void run_note(void *ctx, struct bytes note) {
    const struct guest_rooms *guest = ctx;
    struct run_row row;
    bool ours = run_note_read(note, &row);
    assert(ours); /* The engine wrote it, in this process. */
    dispatch_run_note(guest->dispatch, &row);
}

/* A guest is never replaced, and writes nothing that could be half done. */
static void store_lost(void *ctx, struct err err) {
    struct guest_rooms *guest = ctx;
    log_event(guest->serve->log, LOG_ERROR, "the database can't be read while standing by",
              LOG_FIELDS(log_err(err)));
}

static void dispatch_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    struct guest_rooms *guest = ctx;
    log_event(guest->serve->log, LOG_WARN, what, LOG_FIELDS(log_bytes("run", run), log_err(err)));
}

struct err guest_open(const struct serve_options *serve, struct loop *loop,
                      struct guest_rooms **ret_guest) {
    struct guest_rooms *guest = mem_new(sizeof *guest);
    const struct processes *processes = &guest->processes;
    const struct store_options of_store = {.where = serve->database,
                                           .executor = STORE_THREAD,
                                           .loop = loop,
                                           .world = serve->world,
                                           .readers = 1,
                                           .guest = true,
                                           .lost = store_lost,
                                           .ctx = guest,
                                           .notes[RUN_NOTE] = {.deliver = run_note, .ctx = guest}};
    guest->serve = serve;
    struct err err = processes_open(serve, loop, &guest->processes);
    if (!err_failed(err)) {
        err = store_open(&of_store, &guest->store, NULL /* it says nothing to the server */);
    }
    if (err_failed(err)) {
        guest_close(guest);
        return err;
    }
    guest->effects = effects_new(serve->world);
    const struct dispatch_options of_dispatch = {.loop = loop,
                                                 .store = guest->store,
                                                 .effects = guest->effects,
                                                 .spool = processes->spool,
                                                 .holders = processes->holders,
                                                 .data_dir = processes->data_dir,
                                                 .cgroups = processes->cgroups,
                                                 .parts = guest_parts,
                                                 .guest = true,
                                                 .bounds = {.host = bytes_of(processes->host.text)},
                                                 .host_name = processes->host_name,
                                                 .version = DROVER_VERSION,
                                                 .ctx = guest,
                                                 .failed = dispatch_failed};
    guest->dispatch = dispatch_open(&of_dispatch);
    *ret_guest = guest;
    return ERR_OK;
}

void guest_stop(struct guest_rooms *guest, void (*stopped)(void *ctx), void *ctx) {
    dispatch_stop(guest->dispatch, stopped, ctx);
}

void guest_close(struct guest_rooms *guest) {
    if (guest == NULL) {
        return;
    }
    store_close(guest->store);
    dispatch_close(guest->dispatch);
    effects_free(guest->effects);
    processes_done(&guest->processes);
    mem_free(guest);
}
