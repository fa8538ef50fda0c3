/* abandon.c: jobs of a host that is taken for gone.
 *
 * Their attempts end as ATTEMPT_HOST_GONE: the run is lost (`once`: outcome_unknown), begins again
 * where its policy names lost, or is cancelled where somebody had asked it to stop. What the host
 * reports later is late; when it comes back, it ends the process (its row has moved on). */
#include <stdio.h>
#include <string.h>

#include "engine/host/hosts.h"
#include "engine/run/folder_removals.h"
#include "engine/run/rows.h"

enum { NOTE_MAX = 200 };

static struct err abandon(struct tx *tx, const struct run_abandon *what, const struct run_row *row,
                          struct run_row *ret_row) {
    /* In the arena: *ret_row points to it. */
    char *note = arena_try(tx_arena(tx), NOTE_MAX);
    if (note == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "runs: abandon");
    }
    int len = snprintf(note, NOTE_MAX, "its host %.*s was taken for gone",
                       (int)(row->host.len < NOTE_MAX / 2 ? row->host.len : NOTE_MAX / 2),
                       row->host.data);
    const struct run_settle settle = {
        .run = row->run,
        .attempt = row->attempt,
        .end = {.end = ATTEMPT_HOST_GONE},
        .retry = runs__retry_policy(row),
        .result = BYTES("{\"exit_code\":null,\"signal\":null}"),
        .note = {note, (size_t)len},
        .output = {"", 0},
        .random = what->random,
        .bounds = what->bounds,
    };
    bool late = false;
    struct err err = tx_run_settle(tx, &settle, &late, ret_row);
    assert(err_failed(err) || !late); /* The row was read in this transaction. */
    return err;
}

struct err tx_run_abandon_find(struct tx *tx, const struct run_abandon *what,
                               struct run_row *ret_row, struct why *why) {
    bool found = false;
    struct run_row row = {.id = 0};
    struct err err = tx_run_find(tx, &what->key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found || row.kind != KIND_JOB) {
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
    struct err err = tx_run_abandon_find(tx, what, &row, why);
    if (err_failed(err)) {
        return err;
    }
    if (row.host.len != what->host.len ||
        memcmp(row.host.data, what->host.data, row.host.len) != 0) {
        return err_why(why, ERR_CONFLICT,
                       "the job has moved to another host meanwhile: look again");
    }
    return abandon(tx, what, &row, ret_row);
}

/* --- All jobs of a host ----------------------------------------------------------------------- */

struct part {
    const struct host_abandon *what; /* Borrowed. */
    int64_t id;
    bool alone; /* Its end was refused: the run fails. */
    struct err refused;
};

static struct err part_alone(struct tx *tx, const struct part *part, const struct run_row *row) {
    char sentence[100];
    (void)snprintf(sentence, sizeof sentence, "the end of its host could not be stored: %s",
                   err_name(part->refused.code)); /* Short. */
    const struct run_give_up give_up = {.run = row->run,
                                        .attempt = row->attempt,
                                        .sentence = {sentence, strlen(sentence)},
                                        .exit_code = -1,
                                        .bounds = part->what->bounds};
    bool late = false;
    return tx_run_give_up(tx, &give_up, &late);
}

static struct err part_run(struct tx *tx, void *ctx) {
    const struct part *part = ctx;
    const struct run_abandon one = {.random = part->what->random, .bounds = part->what->bounds};
    bool found = false;
    struct run_row row = {.id = 0}, ended;
    struct err err = runs__find_id(tx, part->id, &found, &row);
    if (err_failed(err) || !found || !run_is_away(&row, &part->what->bounds)) {
        return err;
    }
    return part->alone ? part_alone(tx, part, &row) : abandon(tx, &one, &row, &ended);
}

static struct err find_page(struct tx *tx, const struct host_abandon *what, int64_t *ids,
                            int64_t *ret_count) {
    static const char sql[] = "SELECT id FROM runs WHERE ended_ms IS NULL AND gate = ''"
                              " AND kind = 'job' AND host = $1 AND host <> '' AND id > $2"
                              " ORDER BY id LIMIT $3";
    const struct arg args[] = {arg_text(what->place), arg_int(what->after), arg_int(what->limit)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    int64_t count = 0;
    while (rows_more(rows, &err)) {
        ids[count++] = rows_int(rows, 0);
    }
    if (!err_failed(err)) {
        *ret_count = count;
    }
    return err;
}

struct err tx_host_abandon(struct tx *tx, const struct host_abandon *what,
                           struct host_abandoned *ret_abandoned) {
    assert(what->limit > 0);
    assert(what->limit <= HOST_ABANDON_PAGE);
    int64_t ids[HOST_ABANDON_PAGE], count = 0;
    struct host_abandoned abandoned = {.last = 0};
    struct err err = find_page(tx, what, ids, &count);
    int64_t done = 0;
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

struct err tx_host_remove(struct tx *tx, struct bytes place, bool *ret_more) {
    const struct arg args[] = {arg_text(place)};
    bool more = false;
    struct err err = tx_folder_removals_forget(tx, place, &more);
    if (!err_failed(err)) {
        *ret_more = more;
    }
    return err_failed(err) || more ? err
                                   : tx_exec(tx, "DELETE FROM hosts WHERE place = $1", args,
                                             COUNT_OF(args), NULL /* 0 or 1 */);
}
