/* reader.c: see reader.h. */
#include "store/reader.h"

void reader_init(struct reader *reader, struct conn *conn, const struct world *world,
                 int64_t epoch) {
    reader->conn = conn;
    reader->world = world;
    tx_init(&reader->tx, conn, world, epoch);
}

void reader_done(struct reader *reader) {
    tx_done(&reader->tx);
}

/* Answers whether the connection was lost under the function, which may then be run again. */
static bool run_once(struct reader *reader, struct call *call) {
    const struct driver *driver = reader->conn->driver;
    call->result = driver->begin(reader->conn);
    if (err_failed(call->result)) {
        return false;
    }
    tx_set_time(&reader->tx, world_wall_ms(reader->world), world_mono_ns(reader->world));
    tx_set_slice(&reader->tx, call->slice ? STORE_SLICE_NS : STORE_FIRST_SLICE_NS);
    call->result = tx_run(&reader->tx, call->fn, call->ctx);
    bool lost = err_failed(reader->tx.err) && driver->transaction_lost(reader->conn);
    driver->rollback(reader->conn);
    return lost;
}

void reader_run(struct reader *reader, struct call *call) {
    if (run_once(reader, call)) {
        (void)run_once(reader, call); /* Once more, no oftener: it has its answer in any case. */
    }
}
