/* give_up.c: the last resort for a job, a title or a workflow whose end cannot be stored.
 *
 * The end of a run reads and writes rows of others: spans, agents, budgets, what it names. If one
 * of them is refused for good, the run would hold its key and its slot until the next start, and
 * those that wait for it would wait as long. So after the last try of that end the run fails
 * alone, and what belongs to it is closed by statements that read no text. Its event, the card or
 * session that waits for it and its notices are written as always. turn/give_up.c is the same for
 * turns, which have more to close.
 */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/run/kinds.h"

/* Its folder is still counted on the disk: nobody knows its size. */
static void end_alone(struct tx *tx, const struct run_give_up *what, struct run_row *row,
                      struct run_freed *freed) {
    const struct run_kind_ops *kind = &run_kinds[row->kind];
    const struct run_end end = {.from = row->state, .output = what->sentence, .alone = true};
    row->state = RUN_FAILED;
    row->cause = CAUSE_NOT_STORED;
    row->note = (struct bytes){what->sentence.data, utf8_cut(what->sentence, RUN_NOTE_TEXT_MAX)};
    row->exit_code = what->exit_code;
    tx_do(tx,
          "UPDATE spans SET state = 'failed', cause = 'not_stored', ended_ms = $2"
          " WHERE run = $1 AND ended_ms IS NULL",
          ARGS(arg_int(row->id), arg_int(tx_now_ms(tx))));
    if (kind->close != NULL) {
        tx_fail(tx, kind->close(tx, row, freed));
    }
    tx_fail(tx, runs__end(tx, &end, row, freed));
    if (kind->closed != NULL) {
        tx_fail(tx, kind->closed(tx, row));
    }
    tx_fail(tx, runs__ask_children(tx, row, freed));
}

static void end_any(struct tx *tx, const struct run_give_up *what, struct run_row *row,
                    struct run_freed *freed) {
    const struct run_kind_ops *kind = &run_kinds[row->kind];
    if (kind->end_alone != NULL) {
        tx_fail(tx, kind->end_alone(tx, what->sentence, row, freed));
    } else {
        end_alone(tx, what, row, freed);
    }
}

struct err tx_run_give_up(struct tx *tx, const struct run_give_up *what, bool *ret_late) {
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    *ret_late =
        !runs__load(tx, what->run, &row) || row.attempt != what->attempt || !run_lives(&row);
    if (*ret_late) {
        return tx_error(tx);
    }
    end_alone(tx, what, &row, &freed);
    return err_failed(tx_error(tx)) ? tx_error(tx) : runs__admit_freed(tx, &freed, &what->bounds);
}

/* --- A run that is refused in the commit of another ------------------------------------------- */

struct refusal {
    int64_t id;
    struct bytes sentence;
    struct run_freed *freed; /* Borrowed. */
};

/* A run that has begun may go on, so only one that is queued is ended. */
static struct err end_refused(struct tx *tx, void *ctx) {
    const struct refusal *refusal = ctx;
    const struct run_give_up what = {.sentence = refusal->sentence, .exit_code = -1};
    bool found = false;
    struct run_row row = {.id = 0};
    struct err err = runs__find_id(tx, refusal->id, &found, &row);
    if (err_failed(err) || !found || row.state != RUN_QUEUED) {
        return err_failed(err) ? err : err_make(ERR_CONFLICT, "runs: refused");
    }
    end_any(tx, &what, &row, refusal->freed);
    return tx_error(tx);
}

enum run_part_end runs__try(struct tx *tx, store_fn fn, void *ctx, int64_t id,
                            int64_t *io_unwritable, struct run_freed *freed) {
    struct err refused = ERR_OK;
    bool ended = false;
    if (err_failed(tx_try(tx, fn, ctx, &refused))) {
        return RUN_PART_WAITS; /* The transaction keeps the error. */
    }
    if (!err_failed(refused)) {
        return RUN_PART_DONE;
    }
    if (freed->refused < RUN_REFUSED_MAX) {
        freed->refused++;
        char sentence[100];
        (void)snprintf(sentence, sizeof sentence, "its begin could not be stored: %s",
                       err_name(refused.code)); /* Short. */
        struct refusal refusal = {.id = id, .sentence = bytes_of(sentence), .freed = freed};
        const struct run_freed before = *freed;
        struct err err = tx_try(tx, end_refused, &refusal, &refused);
        ended = !err_failed(err) && !err_failed(refused);
        if (!ended) {
            *freed = before; /* A run that has not failed leaves nothing: its line was just read. */
        }
    }
    bool first = *io_unwritable == 0;
    if (!ended) {
        *io_unwritable = id;
    }
    return !err_failed(tx_error(tx)) && (ended || first) ? RUN_PART_PASSED : RUN_PART_WAITS;
}

/* --- A run that cannot begin ------------------------------------------------------------------ */

/* What it frees is handed out by other transactions, since one that began together with it may be
 * what was refused. */
struct err tx_run_give_up_wait(struct tx *tx, const struct run_give_up *what, bool *ret_late) {
    struct run_freed freed = {.kinds = 0};
    struct run_row row;
    *ret_late =
        !runs__load(tx, what->run, &row) || row.state != RUN_QUEUED || row.gate != GATE_TIME;
    if (*ret_late) {
        return tx_error(tx);
    }
    end_any(tx, what, &row, &freed);
    return err_failed(tx_error(tx)) ? tx_error(tx) : runs__admit_later(tx, &freed);
}
