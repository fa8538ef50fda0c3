/* provider_wait.c: the wait of a turn's model call for its next try (run/provider_wait.c).
 *
 * Whatever is stored of a turn next ends the wait, too (turns__advance, turns__end): the end of a
 * wait that was lost on its way leaves no run `waiting` that goes on. */
#include "engine/turn/rows.h"

static struct err turn_waits(struct tx *tx, const struct provider_wait *wait, struct turn *turn) {
    struct err err = runs__provider_wait(tx, wait->resume_at_ms, &turn->run);
    if (!err_failed(err)) {
        err = sessions__set_state(tx, SESSION_WAITING, &turn->session);
    }
    return err_failed(err) ? err : turns__event_provider_waiting(tx, turn, wait);
}

struct err turns__provider_ask(struct tx *tx, struct turn *turn) {
    if (!run_waits_for_provider(&turn->run)) {
        return ERR_OK;
    }
    bool compacts = turns__compacts(&turn->row);
    struct err err = runs__provider_ask(tx, &turn->run);
    if (!err_failed(err)) {
        err = sessions__set_state(tx, compacts ? SESSION_COMPACTING : SESSION_RUNNING,
                                  &turn->session);
    }
    return err_failed(err) ? err : turns__event_resumed(tx, turn);
}

struct err tx_turn_provider(struct tx *tx, struct bytes run, int64_t step,
                            const struct provider_wait *wait) {
    const struct run_key key = {.run = run};
    struct turn turn = {.run = {.id = 0}};
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &turn.run);
    if (!err_failed(err) && found) {
        err = turns__load_rest(tx, &turn, &found);
    }
    if (err_failed(err) || !found || turn.row.call != step || turns__is_cleared(&turn)) {
        return err;
    }
    if (wait->resume_at_ms == 0) {
        return turns__provider_ask(tx, &turn);
    }
    return runs__may_wait(&turn.run) ? turn_waits(tx, wait, &turn) : ERR_OK;
}
