/* forget.c: forgetting the learned windows of a connection, which was set or found. */
#include "api/provider/providers.h"
#include "base/memory.h"
#include "engine/provider/learned_windows.h"

struct forget_op {
    struct op op;
    struct providers_api *api; /* Borrowed. */
    struct bytes name;         /* Borrowed from the exchange. */
};

static struct err forget_run(struct tx *tx, void *ctx) {
    struct forget_op *forget = ctx;
    op_restart(&forget->op);
    struct err err = tx_window_forget(tx, forget->name);
    text_add_str(&forget->op.answer, "{\"name\":");
    text_add_json(&forget->op.answer, forget->name.data, forget->name.len);
    text_add_char(&forget->op.answer, '}');
    return err_failed(err) ? err : op_written(&forget->op);
}

static void forget_done(struct err result, void *ctx) {
    struct forget_op *forget = ctx;
    if (!err_failed(result)) {
        models_forget(connections_models(forget->api->connections), forget->name);
    }
    op_answer(&forget->op, result);
    mem_free(forget);
}

void providers__forget(struct exchange *exchange, void *ctx) {
    struct providers_api *api = ctx;
    struct bytes name;
    if (!providers__name(exchange, &name)) {
        return;
    }
    AUTO(mem_release) char *text = mem_copy(name.data, name.len);
    if (models_connection_find(connections_models(api->connections), text) == NULL) {
        struct why why;
        op_refuse(exchange, providers__absent(&why), &why);
        return;
    }
    struct forget_op *forget = mem_new(sizeof *forget);
    op_init(&forget->op, exchange, 200);
    forget->api = api;
    forget->name = name;
    store_write(api->store, forget_run, forget_done, forget);
}
