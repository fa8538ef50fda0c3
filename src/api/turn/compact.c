/* compact.c: what was said in a session is summarised on demand. */
#include <string.h>

#include "api/base/one.h"
#include "api/base/op.h"
#include "api/turn/turns.h"
#include "base/memory.h"
#include "engine/turn/turns.h"

struct compact_op {
    struct op op;
    struct turn_compact what; /* Its texts are borrowed from the exchange, and from below. */
    struct default_model model;
};

static struct err compact_run(struct tx *tx, void *ctx) {
    struct compact_op *compact = ctx;
    struct run_row run;
    op_restart(&compact->op);
    struct err err = tx_turn_compact(tx, &compact->what, &run, &compact->op.why);
    err = op_name_turn(tx, &compact->what.session, err, &compact->op);
    if (err.code == ERR_NOT_FOUND) {
        return one_absent(&turns__session, &compact->op.why);
    }
    if (err_failed(err)) {
        return err;
    }
    run_write_shown(tx, &run, &compact->what.bounds, &compact->op.answer);
    return op_written(&compact->op);
}

void turns__compact(struct exchange *exchange, void *ctx) {
    struct turns_api *api = ctx;
    struct one_key key;
    if (!one_read(exchange, &turns__session, TURNS_OWNER, &key)) {
        return;
    }
    struct compact_op *compact = mem_new(sizeof *compact);
    op_init(&compact->op, exchange, 202);
    connections_default_model(api->connections, &compact->model);
    compact->what = (struct turn_compact){
        .session = {.owner = key.owner, .session = key.id},
        .model_default = {compact->model.name, strlen(compact->model.name)},
        .run = turns__new_id(api, "run"),
        .message = turns__new_id(api, "msg"),
        .bounds = dispatch_bounds(api->dispatch),
    };
    store_write(api->store, compact_run, op_done, compact);
}
