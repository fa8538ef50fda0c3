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
#include "base/memory.h"
#include "engine/run/budget_gate.h"
#include "engine/workflow/rows.h"
#include "engine/workflow/step_turn.h"

static struct err refuse(const struct run_row *row, struct why *why) {
    if (row->kind != KIND_AGENT) {
        why_set(why, "only agents of workflows are restarted; this is a %s%s",
                run_kind_name(row->kind),
                row->kind == KIND_WORKFLOW ? ": 'drover show RUN' tells its agents" : "");
        return err_make(ERR_CONFLICT, "steps: restart");
    }
    if (run_state_final(row->state)) {
        why_set(why, "it is %s; run it again with 'drover run --resume %.*s --rerun %.*s'",
                run_state_name(row->state), (int)row->parent_run.len, row->parent_run.data,
                (int)row->run.len, row->run.data);
        return err_make(ERR_STEP_ENDED, "steps: restart");
    }
    if (row->stop != CAUSE_NONE) {
        why_set(why, "it was skipped, and is about to end");
        return err_make(ERR_STEP_ENDED, "steps: restart");
    }
    return ERR_OK;
}

/* --- What it did ------------------------------------------------------------------------------ */

/* Settles what an attempt used, and holds `next` from here on. */
static struct err charge(struct tx *tx, const struct run_took *took, const struct amounts *next,
                         struct run_row *row, struct run_freed *freed) {
    struct err err = runs__budget_settle(tx, took, row, freed);
    row->charged = true;
    row->reserve = *next;
    return err_failed(err) ? err : budget__write_run(tx, row);
}

/* Epoch of an attempt that nobody has performed: of the ones before it, all is charged. */
enum { EPOCH_NONE = 0 };

/* Usage of attempts that a crash cut off is unknown: all that is held for them is charged, and what
 * one attempt takes is held for the next one. */
static struct err charge_cut_off(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    const struct run_took took = {
        .wall_ms = row->reserve.of[AMOUNT_WALL], .began = true, .used = row->reserve};
    struct amounts want, grant, next = row->reserve;
    if (!row->charged) {
        return ERR_OK;
    }
    struct err err = runs__budget_more(tx, row, &want, &grant);
    for (unsigned i = 0; i < AMOUNT_COUNT && !err_failed(err); i++) {
        bool alone = i == AMOUNT_WALL || i == AMOUNT_AGENTS; /* Held once, however many attempts. */
        next.of[i] = alone || next.of[i] < want.of[i] ? next.of[i] : want.of[i];
    }
    return err_failed(err) ? err : charge(tx, &took, &next, row, freed);
}

/* The dispatcher counts the tokens of all attempts together, and brings them with the end. Until
 * then the reserve of each attempt stays beside that of the next one, so that a crash charges all
 * of them. To charge the reserve here would charge more than was used where no crash follows. */
static struct err charge_time(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    const struct run_took took = {.wall_ms = runs__took_ms(tx, row), .began = true};
    struct amounts want, grant, next = row->reserve;
    if (!row->charged) {
        return ERR_OK;
    }
    struct err err = runs__budget_more(tx, row, &want, &grant);
    if (err_failed(err)) {
        return err;
    }
    amounts_add(&next, &grant);
    return charge(tx, &took, &next, row, freed);
}

/* An attempt of an earlier life of the daemon has no dispatcher, and neither has the next one,
 * until tx_step_again or tx_step_talk. */
static struct err charge_attempt(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    if (row->epoch == EPOCH_NONE) {
        return ERR_OK;
    }
    if (row->epoch == tx_epoch(tx)) {
        return charge_time(tx, row, freed);
    }
    row->epoch = EPOCH_NONE;
    return charge_cut_off(tx, row, freed);
}

static struct err call_off(struct tx *tx, struct bytes turn, struct run_freed *freed) {
    const struct run_key key = {.run = turn};
    const struct run_ask_stop stop = {.cause = CAUSE_CALLED_OFF, .grace_ms = RUN_STOP_GRACE_MS};
    struct run_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    bool lives = !err_failed(err) && found && !run_state_final(row.state);
    return lives ? runs__ask(tx, &stop, &row, freed) : err;
}

static struct err write_spec(struct tx *tx, struct run_row *row, json_t *spec) {
    AUTO(text_done) struct text text;
    text_init(&text, (size_t)STEP_SPEC_MAX);
    (void)json_object_set_new(spec, "turn", json_string("")); /* NULL is refused. */
    struct err err = json_write(spec, &text);
    if (err_failed(err)) {
        return err;
    }
    row->spec = (struct bytes){text.data, text.len};
    err = workflows__keep(tx, &row->spec);
    const struct arg args[] = {arg_int(row->id), arg_text(row->spec)};
    return err_failed(err) ? err
                           : tx_exec(tx, "UPDATE runs SET spec = $2 WHERE id = $1", args,
                                     COUNT_OF(args), NULL /* one row, always */);
}

static struct err forget_turn(struct tx *tx, struct run_row *row, struct run_freed *freed) {
    AUTO(json_release) json_t *spec = NULL;
    struct err err = json_parse_wrapped(row->spec, &spec, NULL);
    const json_t *name = json_object_get(spec, "turn");
    const struct bytes turn = {json_string_value(name), json_string_length(name)};
    if (err_failed(err) || turn.len == 0) {
        return err;
    }
    err = call_off(tx, turn, freed);
    return err_failed(err) ? err : write_spec(tx, row, spec);
}

/* --- Once more -------------------------------------------------------------------------------- */

static struct err begin_anew(struct tx *tx, const struct run_bounds *bounds, struct run_row *row) {
    struct run_freed freed = {.kinds = 0};
    struct err err = charge_attempt(tx, row, &freed);
    if (!err_failed(err)) {
        err = forget_turn(tx, row, &freed);
    }
    const enum run_state from = row->state;
    row->attempt++;
    row->started_ms = tx_now_ms(tx);
    row->steady_ms = tx_steady_ms(tx);
    row->state = RUN_RUNNING; /* A wait for its provider is over. */
    row->not_before_ms = 0;
    row->cut_offs = 0; /* Ends of the daemon count for one attempt. */
    if (!err_failed(err)) {
        err = runs__write(tx, from, row);
    }
    if (!err_failed(err)) {
        err = steps__event_restarted(tx, row);
    }
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
}

/* One that waits for a budget has done nothing yet. */
struct err tx_step_restart(struct tx *tx, const struct run_key *key,
                           const struct run_bounds *bounds, struct run_row *ret_row,
                           struct why *why) {
    struct run_row row;
    struct err err = runs__get(tx, key, &row);
    if (!err_failed(err)) {
        err = refuse(&row, why);
    }
    if (!err_failed(err) && row.state != RUN_QUEUED) {
        err = begin_anew(tx, bounds, &row);
    }
    if (!err_failed(err)) {
        *ret_row = row;
    }
    return err;
}

/* --- Cut off by a crash ----------------------------------------------------------------------- */

/* A call that waited for its provider was not out. */
static bool was_cut_off(const struct tx *tx, const struct run_row *row) {
    return row->state == RUN_RUNNING && row->epoch != EPOCH_NONE && row->epoch != tx_epoch(tx);
}

struct err tx_step_again(struct tx *tx, struct bytes run, const struct run_bounds *bounds,
                         struct step_again *ret_again) {
    const struct run_key key = {.run = run};
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    bool found = false;
    struct step_again again = {.over = false};
    struct err err = tx_run_find(tx, &key, &found, &row);
    again.late = !found || (row.state != RUN_RUNNING && !run_waits_for_provider(&row));
    if (!err_failed(err) && !again.late && was_cut_off(tx, &row)) {
        err = runs__cut_off(tx, row.epoch, &row, &again.over);
    }
    *ret_again = again;
    if (err_failed(err) || again.late) {
        return err;
    }
    if (row.epoch != EPOCH_NONE) { /* Also of this life, whose worker has crashed. */
        err = charge_cut_off(tx, &row, &freed);
    }
    if (!err_failed(err)) {
        err = runs__adopt(tx, &row);
    }
    return err_failed(err) ? err : runs__admit_freed(tx, &freed, bounds);
}

/* --- Its next turn ---------------------------------------------------------------------------- */

struct err tx_step_talk(struct tx *tx, const struct step_new *step, int64_t attempt,
                        bool *ret_late) {
    static const char sql[] = "UPDATE runs SET spec = $2, epoch = $4 WHERE run = $1"
                              " AND attempt = $3 AND state = 'running' AND stop = ''";
    const struct bytes run = bytes_of(step->run.text);
    const struct arg args[] = {arg_text(run), arg_text(step->spec), arg_int(attempt),
                               arg_int(tx_epoch(tx))};
    int64_t changed = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), &changed);
    *ret_late = changed == 0;
    return err_failed(err) || *ret_late ? err : steps__begin_talk(tx, step);
}
