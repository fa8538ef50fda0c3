/* step_restart.c: an agent that has not ended is asked anew, under the row that it has.
 *
 *   running, attempt n ──restart──> running, attempt n + 1
 *
 * The attempt is the fence: what the one before came to is brought with its number, finds another
 * one, and changes nothing. So a restart that meets the agent's end is either refused, since the
 * end was stored, or that end is. Who performs the step hears of it by the row's note; a daemon
 * that comes back finds an agent that has to be asked, as after any crash.
 *
 * An agent with tools loses its turn: it is called off here, and its name leaves the row, so that
 * whoever goes on makes another one (tx_step_talk), in another commit. */
#include <string.h>

#include "base/json/json.h"
#include "engine/run/budget_tree.h"
#include "engine/workflow/rows.h"

static struct err restart_check(const struct run_row *row, struct why *why) {
    if (row->kind != KIND_AGENT) {
        return err_why(why, ERR_CONFLICT, "only agents of workflows are restarted; this is a %s%s",
                       run_kind_name(row->kind),
                       row->kind == KIND_WORKFLOW ? ": 'drover show RUN' tells its agents" : "");
    }
    if (run_state_final(row->state)) {
        return err_why(why, ERR_STEP_ENDED,
                       "it is %s; run it again with 'drover run --resume %.*s --rerun %.*s'",
                       run_state_name(row->state), (int)row->parent_run.len, row->parent_run.data,
                       (int)row->run.len, row->run.data);
    }
    if (row->stop != CAUSE_NONE) {
        return err_why(why, ERR_STEP_ENDED, "it was skipped, and is about to end");
    }
    return ERR_OK;
}

/* --- What it did ------------------------------------------------------------------------------ */

/* Epoch of an attempt that nobody has performed: of the ones before it, all is charged. */
enum { EPOCH_NONE = 0 };

/* Settles what an attempt used, and holds the reserve of the next one from here on.
 *
 * Usage of attempts that a crash cut off is unknown: all that is held for them is charged, and what
 * one attempt takes is held for the next one.
 *
 * Of others the dispatcher counts the tokens of all attempts together, and brings them with the
 * end. Until then the reserve of each attempt stays beside that of the next one, so that a crash
 * charges all of them. To charge the reserve here would charge more than was used where no crash
 * follows. */
enum charge { CHARGE_RESERVE, CHARGE_TIME };
static void attempt_charge(struct tx *tx, enum charge charge, struct run_row *row,
                           struct run_freed *freed) {
    bool cut_off = charge == CHARGE_RESERVE;
    struct run_took took = {
        .wall_ms = cut_off ? row->reserve.of[AMOUNT_WALL] : runs__took_ms(tx, row), .began = true};
    struct amounts want, grant, next = row->reserve;
    if (!row->charged) {
        return;
    }
    runs__budget_more(tx, row, &want, &grant);
    for (unsigned i = 0; cut_off && i < AMOUNT_COUNT; i++) {
        bool alone = i == AMOUNT_WALL || i == AMOUNT_AGENTS; /* Held once, however many attempts. */
        next.of[i] = alone || next.of[i] < want.of[i] ? next.of[i] : want.of[i];
    }
    if (cut_off) {
        took.used = row->reserve;
    } else {
        amounts_add(&next, &grant);
    }
    runs__budget_settle(tx, &took, row, freed);
    row->charged = true;
    row->reserve = next;
    budget__write_run(tx, row);
}

/* Calls its turn off; the name of that leaves the row. */
static struct err turn_forget(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    const struct run_ask_stop stop = {.cause = CAUSE_CALLED_OFF, .grace_ms = RUN_STOP_GRACE_MS};
    AUTO(json_release) json_t *spec = NULL;
    AUTO(text_done) struct text text = text_up_to((size_t)STEP_SPEC_MAX);
    struct err err = json_parse_wrapped(row->spec, &spec, NULL);
    const struct bytes name = json_bytes(spec, "turn");
    struct run_row turn;
    if (err_failed(err) || name.len == 0) {
        return err;
    }
    if (runs__load(tx, name, &turn) && !run_state_final(turn.state)) {
        tx_fail(tx, runs__ask(tx, &stop, &turn, freed));
    }
    (void)json_object_set_new(spec, "turn", json_string("")); /* NULL is refused. */
    tx_fail(tx, json_write(spec, &text));
    row->spec = tx_copy_text(tx, &text, "steps: spec");
    tx_do(tx, "UPDATE runs SET spec = $2 WHERE id = $1",
          ARGS(arg_int(row->id), arg_text(row->spec)));
    return tx_error(tx);
}

/* --- Once more -------------------------------------------------------------------------------- */

/* An attempt of an earlier life of the daemon has no dispatcher, and neither has the next one,
 * until tx_step_again or tx_step_talk. */
static struct err attempt_next(struct tx *tx, const struct run_bounds *bounds,
                               struct run_row *row) {
    const enum run_state from = row->state;
    struct run_freed freed = {.kinds = 0};
    if (row->epoch == tx_epoch(tx)) {
        attempt_charge(tx, CHARGE_TIME, row, &freed);
    } else if (row->epoch != EPOCH_NONE) {
        row->epoch = EPOCH_NONE;
        attempt_charge(tx, CHARGE_RESERVE, row, &freed);
    }
    tx_fail(tx, turn_forget(tx, row, &freed));
    row->attempt++;
    row->started_ms = tx_now_ms(tx);
    row->steady_ms = tx_steady_ms(tx);
    row->state = RUN_RUNNING; /* A wait for its provider is over. */
    row->not_before_ms = 0;
    row->cut_offs = 0; /* Ends of the daemon count for one attempt. */
    tx_fail(tx, runs__write(tx, from, row));
    tx_fail(tx, steps__event_restarted(tx, row));
    tx_fail(tx, runs__admit_freed(tx, &freed, bounds));
    return tx_error(tx);
}

/* One that waits for a budget has done nothing yet. */
struct err tx_step_restart(struct tx *tx, const struct run_key *key,
                           const struct run_bounds *bounds, struct run_row *ret_row,
                           struct why *why) {
    struct run_row row;
    struct err err = runs__get(tx, key, &row);
    if (!err_failed(err)) {
        err = restart_check(&row, why);
    }
    if (!err_failed(err) && row.state != RUN_QUEUED) {
        err = attempt_next(tx, bounds, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

struct err tx_step_again(struct tx *tx, struct bytes run, const struct run_bounds *bounds,
                         struct step_again *ret_again) {
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    *ret_again =
        (struct step_again){.late = !runs__load(tx, run, &row) ||
                                    (row.state != RUN_RUNNING && !run_waits_for_provider(&row))};
    if (ret_again->late) {
        return tx_error(tx);
    }
    /* A call that waited for its provider was not out, so nothing was cut off. */
    if (row.state == RUN_RUNNING && row.epoch != EPOCH_NONE && row.epoch != tx_epoch(tx)) {
        tx_fail(tx, runs__cut_off(tx, row.epoch, &row, &ret_again->over));
    }
    if (row.epoch != EPOCH_NONE) { /* Also of this life, whose worker has crashed. */
        attempt_charge(tx, CHARGE_RESERVE, &row, &freed);
    }
    tx_fail(tx, runs__adopt(tx, &row));
    tx_fail(tx, runs__admit_freed(tx, &freed, bounds));
    return tx_error(tx);
}

struct err tx_step_talk(struct tx *tx, const struct step_new *step, int64_t attempt,
                        bool *ret_late) {
    static const char sql[] = "UPDATE runs SET spec = $2, epoch = $4 WHERE run = $1"
                              " AND attempt = $3 AND state = 'running' AND stop = ''";
    *ret_late = tx_change(tx, sql,
                          ARGS(arg_str(step->run.text), arg_text(step->spec), arg_int(attempt),
                               arg_int(tx_epoch(tx)))) == 0;
    return err_failed(tx_error(tx)) || *ret_late ? tx_error(tx) : steps__begin_talk(tx, step);
}
