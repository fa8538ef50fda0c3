/* provider_wait.c: the wait of a turn's model call for its next try (run/provider_wait.c).
 *
 * Whatever is stored of a turn next ends the wait, too (turns__advance, turns__end): the end of a
 * wait that was lost on its way leaves no run `waiting` that goes on. */
#include "engine/turn/rows.h"

struct err turns__provider_ask(struct tx *tx, struct turn *turn) {
    bool compacts = turns__compacts(&turn->row);
    if (!run_waits_for_provider(&turn->run)) {
        return ERR_OK;
    }
    tx_fail(tx, runs__provider_ask(tx, &turn->run));
    tx_fail(tx, sessions__set_state(tx, compacts ? SESSION_COMPACTING : SESSION_RUNNING,
                                    &turn->session));
    tx_fail(tx, turns__event_resumed(tx, turn));
    return tx_error(tx);
}

struct err tx_turn_provider(struct tx *tx, struct bytes run, int64_t step,
                            const struct provider_wait *wait) {
    struct turn turn;
    bool found = false;
    struct err err = turns__load_run(tx, run, &found, &turn);
    if (err_failed(err) || !found || turn.row.call != step || turns__is_cleared(&turn)) {
        return err;
    }
    if (wait->resume_at_ms == 0) {
        return turns__provider_ask(tx, &turn);
    }
    if (runs__may_wait(&turn.run)) {
        tx_fail(tx, runs__provider_wait(tx, wait->resume_at_ms, &turn.run));
        tx_fail(tx, sessions__set_state(tx, SESSION_WAITING, &turn.session));
        tx_fail(tx, turns__event_provider_waiting(tx, &turn, wait));
    }
    return tx_error(tx);
}
