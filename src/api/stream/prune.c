/* prune.c: cutting the oldest events of a stream, in a chain of small transactions.
 *
 * Each link is durable by itself and leaves a true floor, so a chain that a crash cut short has
 * merely pruned less; the client sends it again.
 */
#include <string.h>

#include "api/base/op.h"
#include "api/stream/streams.h"
#include "base/memory.h"
#include "journal/journal.h"

struct prune_op {
    struct op op;
    struct streams *streams;  /* Borrowed. */
    struct bytes owner, name; /* Borrowed from the exchange. */
    int64_t through;
    bool more;
};

static struct err prune_run(struct tx *tx, void *ctx) {
    struct prune_op *prune = ctx;
    op_restart(&prune->op);
    prune->more = false;
    struct stream_state state = {0};
    bool found = false;
    struct err err = tx_stream_find(tx, prune->owner, prune->name, &found, &state);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        why_set(&prune->op.why, "there is no stream of that name");
        return err_make(ERR_NOT_FOUND, "prune: stream");
    }
    if (prune->through > state.head) {
        why_set(&prune->op.why, "through: %lld is ahead of the stream, whose head is %lld",
                (long long)prune->through, (long long)state.head);
        return err_make(ERR_CURSOR_AHEAD, "prune: through");
    }
    if (prune->through > state.floor) {
        err = tx_prune(tx, state.stream, prune->through, JOURNAL_PRUNE_MAX, &prune->more);
        if (!err_failed(err)) {
            err = tx_stream_find(tx, prune->owner, prune->name, &found, &state);
        }
    }
    struct text *text = &prune->op.answer;
    text_add_str(text, "{\"stream\":");
    text_add_json(text, prune->name.data, prune->name.len);
    text_addf(text, ",\"head\":%lld,\"floor\":%lld}", (long long)state.head,
              (long long)state.floor);
    return err_failed(err) ? err : op_written(&prune->op);
}

static void prune_done(struct err result, void *ctx) {
    struct prune_op *prune = ctx;
    if (!err_failed(result) && prune->more) {
        store_write(prune->streams->store, prune_run, prune_done, prune);
        return;
    }
    op_answer(&prune->op, result);
    mem_free(prune);
}

void streams__prune(struct exchange *exchange, void *ctx) {
    struct bytes name;
    if (!streams__name(exchange, STREAMS_USE_WRITE, &name)) {
        return;
    }
    const struct identity *identity = exchange_identity(exchange);
    struct prune_op *prune = mem_new(sizeof *prune);
    op_init(&prune->op, exchange, 200);
    prune->streams = ctx;
    prune->owner = bytes_of(identity->owner);
    prune->name = name;
    prune->through = exchange_query_int(exchange, PRUNE_THROUGH);
    store_write(prune->streams->store, prune_run, prune_done, prune);
}
