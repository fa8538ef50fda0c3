/* abandon.c: jobs of a host that is taken for gone, and what that will mean for them.
 *
 * Their attempts end as ATTEMPT_HOST_GONE: the run is lost (`once`: outcome_unknown), begins again
 * where its policy names lost, or is cancelled where somebody had asked it to stop. What the host
 * reports later is late; when it comes back, it ends the process (its row has moved on). */
#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "engine/host/hosts.h"
#include "engine/job/spec.h"
#include "engine/run/rows.h"

/* A spec that cannot be read leaves the default, as with the dispatcher: no further attempt. */
struct retry_policy runs__retry_policy(const struct run_row *row) {
    static const char word[] = "\"retry\"";
    struct job_spec spec = {.argv = NULL};
    AUTO(json_release) json_t *json = NULL;
    if (memmem(row->spec.data, row->spec.len, word, sizeof word - 1) == NULL ||
        err_failed(json_parse_wrapped(row->spec, &json, NULL)) ||
        err_failed(job_spec_read_stored(json, &spec, NULL))) {
        return (struct retry_policy){.max = 0};
    }
    return spec.retry;
}

static struct err run_abandon(struct tx *tx, uint32_t random, const struct run_bounds *bounds,
                              const struct run_row *row, struct run_row *ret_row) {
    AUTO(text_done) struct text note = text_up_to(200);
    text_addf(&note, "its host %.*s was taken for gone",
              (int)(row->host.len < 100 ? row->host.len : 100), row->host.data);
    const struct run_settle settle = {
        .run = row->run,
        .attempt = row->attempt,
        .end = {.end = ATTEMPT_HOST_GONE},
        .retry = runs__retry_policy(row),
        .result = BYTES("{\"exit_code\":null,\"signal\":null}"),
        .note = tx_copy_text(tx, &note, "runs: abandon"), /* *ret_row points to it. */
        .output = BYTES(""),
        .random = random,
        .bounds = *bounds,
    };
    bool late = false;
    struct err err = tx_run_settle(tx, &settle, &late, ret_row);
    assert(err_failed(err) || !late); /* The row was read in this transaction. */
    return err;
}

struct err tx_run_abandon_find(struct tx *tx, const struct run_abandon *what,
                               struct run_row *ret_row, struct why *why) {
    struct run_row row;
    TRY(runs__get(tx, &what->key, &row));
    if (!run_kind_is(row.kind, RUN_HAS_PROCESS)) {
        return err_make(ERR_NOT_FOUND, "runs: abandon");
    }
    if (run_state_final(row.state)) {
        return err_why(why, ERR_RUN_ENDED, "the run has ended: it is %s",
                       run_state_name(row.state));
    }
    if (!run_is_away(&row, &what->bounds)) {
        return err_why(why, ERR_NOT_AWAY,
                       "the run is %s here, on the leader's host: stop it instead",
                       run_state_name(row.state));
    }
    *ret_row = row;
    return ERR_OK;
}

struct err tx_run_abandon(struct tx *tx, const struct run_abandon *what, struct run_row *ret_row,
                          struct why *why) {
    struct run_row row;
    TRY(tx_run_abandon_find(tx, what, &row, why));
    if (!bytes_equal(row.host, what->host)) {
        return err_why(why, ERR_CONFLICT,
                       "the job has moved to another host meanwhile: look again");
    }
    return run_abandon(tx, what->random, &what->bounds, &row, ret_row);
}

/* --- All jobs of a host ----------------------------------------------------------------------- */

struct part {
    const struct host_abandon *what; /* Borrowed. */
    int64_t id;
    bool alone; /* The end of the run was refused: the run fails. */
    struct err refused;
};

static struct err part_run(struct tx *tx, void *ctx) {
    const struct part *part = ctx;
    const struct run_bounds *bounds = &part->what->bounds;
    bool found = false, late = false;
    struct run_row row = {.id = 0}, ended;
    struct err err = runs__find_id(tx, part->id, &found, &row);
    if (err_failed(err) || !found || !run_is_away(&row, bounds)) {
        return err;
    }
    if (!part->alone) {
        return run_abandon(tx, part->what->random, bounds, &row, &ended);
    }
    char sentence[100];
    (void)snprintf(sentence, sizeof sentence, "the end of its host could not be stored: %s",
                   err_name(part->refused.code)); /* Short. */
    const struct run_give_up give_up = {.run = row.run,
                                        .attempt = row.attempt,
                                        .sentence = bytes_of(sentence),
                                        .exit_code = -1,
                                        .bounds = *bounds};
    return tx_run_give_up(tx, &give_up, &late);
}

struct err tx_host_abandon(struct tx *tx, const struct host_abandon *what,
                           struct host_abandoned *ret_abandoned) {
    assert(what->limit > 0);
    assert(what->limit <= HOST_ABANDON_PAGE);
    int64_t ids[HOST_ABANDON_PAGE], done = 0;
    struct host_abandoned abandoned = {.last = 0};
    const int64_t count = (int64_t)tx_ids(
        tx,
        "SELECT id FROM runs WHERE ended_ms IS NULL AND gate = ''"
        " AND kind = 'job' AND host = $1 AND host <> '' AND id > $2 ORDER BY id LIMIT $3",
        ARGS(arg_text(what->place), arg_int(what->after), arg_int(what->limit)),
        (size_t)what->limit, ids);
    struct err err = tx_error(tx);
    while (!err_failed(err) && done < count && (done == 0 || !runs__page_full(tx))) {
        struct part part = {.what = what, .id = ids[done++], .refused = ERR_OK};
        err = tx_try(tx, part_run, &part, &part.refused);
        if (!err_failed(err) && err_failed(part.refused)) {
            struct err refused = ERR_OK;
            part.alone = true;
            err = tx_try(tx, part_run, &part, &refused);
            part.refused = refused;
        }
        abandoned.refused += err_failed(part.refused);
        abandoned.ended += !err_failed(part.refused);
    }
    if (!err_failed(err)) {
        bool all = done == count && count < what->limit;
        abandoned.last = all ? 0 : ids[done - 1];
        *ret_abandoned = abandoned;
    }
    return err;
}

/* --- Before a release ------------------------------------------------------------------------- */

/* A release ends jobs that began elsewhere, or begins them again. The keeper of a copy shall know
 * it before: the original may live, and what begins again runs beside it. The verdict is that of
 * the dispatcher when it finds such a row (dispatch/job/decide.c): no look at a folder. */
struct err tx_run_forecast(struct tx *tx, const struct run_forecast_page *page,
                           struct err (*again)(void *ctx, const struct run_row *row), void *ctx,
                           struct run_forecast *ret_forecast) {
    const struct attempt gone = {.end = ATTEMPT_HOST_GONE};
    struct run_forecast forecast = {.lost = 0};
    struct err err = ERR_OK;
    int64_t count = 0;
    size_t bytes = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                runs__sql(tx, RUN_WHOLE,
                                          "SELECT * FROM runs WHERE ended_ms IS NULL AND gate = ''"
                                          " AND kind = 'job' AND id > $1 ORDER BY id LIMIT $2"),
                                ARGS(arg_int(page->after), arg_int(page->limit)));
    bool more = true;
    while (!err_failed(err) && bytes <= RUN_BYTES_TURN && (more = rows_step(rows))) {
        struct run_row row;
        count++;
        forecast.last = rows_int(rows, RUN_COLUMN_ID);
        if (err_failed(runs__borrow(rows, RUN_WHOLE, &row))) {
            continue; /* A damaged row: a release asks the run to end. */
        }
        bytes += row.spec.len;
        if (run_is_of_other_host(&row, page->host)) {
            const struct retry_policy policy = runs__retry_policy(&row);
            forecast.lost++;
            if (run_judge(&row, &policy, &gone, 0 /* the wait is not asked */).state ==
                RUN_QUEUED) {
                forecast.again++;
                err = again(ctx, &row);
            }
        }
    }
    err = err_failed(err) ? err : tx_error(tx);
    if (!err_failed(err)) {
        forecast.last = more || count == page->limit ? forecast.last : 0;
        *ret_forecast = forecast;
    }
    return err;
}
