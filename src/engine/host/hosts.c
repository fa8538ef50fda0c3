/* hosts.c: rows of hosts; and whether the process of a run is on this host, and what that means for
 * clients. */
#include "engine/host/hosts.h"

#include "engine/base/follow.h"
#include "engine/base/home.h"
#include "engine/run/budget_gate.h"
#include "engine/run/folder_removals.h"
#include "engine/run/kinds.h"
#include "engine/trace/spans.h"
#include "journal/journal.h"

struct err tx_host_seen(struct tx *tx, const struct host_row *host) {
    tx_do(tx,
          "INSERT INTO hosts (place, name, role, version, made_ms, seen_ms)"
          " VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT (place) DO UPDATE SET"
          " name = $2, role = $3, version = $4, seen_ms = $5",
          ARGS(arg_text(host->place), arg_text(host->name), arg_str(host_role_names[host->role]),
               arg_text(host->version), arg_int(tx_now_ms(tx))));
    return tx_error(tx);
}

void tx_host_tell(struct tx *tx, struct bytes place, enum host_role role) {
    static const char *const names[] = {"place", "name", "version"};
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    const struct follow change = {.name = "host", .stream = "system", .key = names[0], .id = place};
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT place, name, version, made_ms FROM hosts WHERE place = $1",
               ARGS(arg_text(place)));
    if (rows == NULL) {
        return;
    }
    text_add_char(&data, '{');
    for (int i = 0; i < (int)COUNT_OF(names); i++) {
        text_add_member(&data, names[i], rows_text(rows, i));
    }
    text_add_member(&data, "role", bytes_of(host_role_names[role]));
    text_add_member_int(&data, "made_ms", rows_int(rows, 3));
    text_add_char(&data, '}');
    rows_release(&rows);
    follow_tell(tx, &change, &data);
}

struct err tx_host_rename(struct tx *tx, struct bytes place) {
    struct bytes older = home_without_id(place);
    bool more = false;
    if (older.len == 0 || tx_number(tx,
                                    "SELECT count(*) FROM hosts"
                                    " WHERE substr(place, 1, length($1) + 1) = $1 || '/'",
                                    ARGS(arg_text(older))) > 1) {
        return tx_error(tx);
    }
    tx_do(tx,
          "UPDATE runs SET host = $1 WHERE host = $2 AND host <> '' AND ended_ms IS NULL"
          " AND kind = 'job' AND state IN ('running', 'waiting')",
          ARGS(arg_text(place), arg_text(older)));
    return tx_host_remove(tx, older, &more);
}

/* *ret_several: several rows fit, and none of them has the word for its place. */
static struct err host_find(struct tx *tx, const char *where, struct bytes word, bool *ret_found,
                            bool *ret_several, struct host_row *ret_host) {
    struct host_row host = {.id = 0};
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &host_resource, where, ARGS(arg_text(word)));
    *ret_found = rows_step(rows);
    if (*ret_found && resource_row_read(&host_resource, rows, &host)) {
        tx_resource_copy(tx, &host_resource, &host);
    }
    *ret_several = *ret_found && !bytes_equal(host.place, word) && rows_step(rows);
    *ret_host = host;
    return tx_error(tx);
}

struct err tx_host_find(struct tx *tx, struct bytes word, bool *ret_found,
                        struct host_row *ret_host) {
    bool several = false;
    struct err err = host_find(tx,
                               "place = $1 OR name = $1"
                               " ORDER BY CASE WHEN place = $1 THEN 0 ELSE 1 END, id LIMIT 2",
                               word, ret_found, &several, ret_host);
    return !err_failed(err) && several ? err_make(ERR_CONFLICT, "hosts: name") : err;
}

struct err tx_host_of_run(struct tx *tx, struct bytes place, bool *ret_found,
                          struct host_row *ret_host) {
    bool several = false;
    struct err err = host_find(tx,
                               "place = $1 OR"
                               " substr(place, 1, length($1) + 1) = $1 || '/'"
                               " ORDER BY CASE WHEN place = $1 THEN 0 ELSE 1 END, id LIMIT 2",
                               place, ret_found, &several, ret_host);
    if (several) {
        ret_host->name = place; /* Which of them it was, nobody knows. */
    }
    return err;
}

struct err tx_host_each(struct tx *tx, const struct host_page *page, resource_each each,
                        void *ctx) {
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &host_resource, "id > $1 ORDER BY id LIMIT $2",
                                         ARGS(arg_int(page->after), arg_int(page->limit)));
    struct host_row host;
    while (rows_step(rows)) {
        if (resource_row_read(&host_resource, rows, &host)) {
            tx_fail(tx, each(ctx, &host));
        }
    }
    return tx_error(tx);
}

/* --- Where a run is --------------------------------------------------------------------------- */

/* The place of a row may know less than ours: a machine gets its id after its first commands. */
bool run_is_of_other_host(const struct run_row *row, struct bytes host) {
    const struct home_places places = {.stored = row->host, .ours = host};
    return row->host.len > 0 && host.len > 0 && !bytes_equal(row->host, host) &&
           !home_same(&places);
}

bool run_is_elsewhere(const struct run_row *row, const struct run_bounds *bounds) {
    return bounds->hosts == RUN_HOSTS_SHARED && run_kind_is(row->kind, RUN_HAS_PROCESS) &&
           run_is_of_other_host(row, bounds->host);
}

bool run_is_away(const struct run_row *row, const struct run_bounds *bounds) {
    return run_lives(row) && run_is_elsewhere(row, bounds);
}

/* Commands of an agent are jobs of its turn. */
struct err tx_run_waits_mark(struct tx *tx, const struct run_bounds *bounds,
                             struct run_row *io_row) {
    bool asks = run_kind_is(io_row->kind, RUN_IN_SESSION | RUN_IS_STEP);
    io_row->away = run_is_away(io_row, bounds);
    runs__budget_mark(tx, io_row);
    runs__key_mark(tx, io_row);
    if (io_row->parent == 0 && io_row->ended_ms != 0 &&
        run_kind_is(io_row->kind, RUN_HAS_STEPS | RUN_IN_SESSION)) {
        runs__cost_mark(tx, io_row);
    }
    if (run_kinds[io_row->kind].view != NULL) {
        run_kinds[io_row->kind].view(tx, io_row);
    }
    if (bounds->hosts != RUN_HOSTS_SHARED || !asks || io_row->state != RUN_RUNNING) {
        return ERR_OK;
    }
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT DISTINCT host FROM runs WHERE parent IN (SELECT"
                " CAST($1 AS BIGINT) UNION ALL SELECT id FROM runs WHERE " RUNS_BELOW(
                    "", "$1") " AND ended_ms IS NULL)"
                              " AND parent <> 0 AND step_key = '' AND ended_ms IS NULL"
                              " AND gate = '' AND kind = 'job'",
                ARGS(arg_int(io_row->id)));
    while (io_row->gate != GATE_HOST && rows_step(rows)) {
        const struct run_row child = {.host = rows_text(rows, 0)};
        io_row->gate = run_is_of_other_host(&child, bounds->host) ? GATE_HOST : io_row->gate;
    }
    return tx_error(tx);
}

struct err tx_run_check_here(struct tx *tx, const struct run_row *row,
                             const struct run_bounds *bounds, struct why *why) {
    struct host_row host;
    bool found = false;
    if (!run_is_elsewhere(row, bounds)) {
        return ERR_OK;
    }
    TRY(tx_host_of_run(tx, row->host, &found, &host));
    const struct bytes name = found ? host.name : row->host;
    if (run_state_final(row->state)) {
        return err_why(why, ERR_HOST_AWAY,
                       "the job ran on host %.*s, which keeps its output: read it there",
                       (int)name.len, name.data);
    }
    return err_why(why, ERR_HOST_AWAY,
                   "the job runs on host %.*s, which is not the leader: wait until its daemon leads"
                   " again, stop the job, or if the host is gone: drover job abandon %.*s",
                   (int)name.len, name.data, (int)row->run.len, row->run.data);
}

struct err tx_run_check_output(struct tx *tx, const struct run_output *output,
                               const struct run_bounds *bounds, struct why *why) {
    const struct run_row *row = output->row;
    bool latest = output->attempt >= row->attempt;
    if (latest && run_lives(row)) {
        return tx_run_check_here(tx, row, bounds, why);
    }
    if (output->attempt == 0) { /* None has begun. */
        return ERR_OK;
    }
    struct run_row ended = {.kind = row->kind};
    struct host_row host;
    bool found = false;
    struct err err = tx_span_host(tx, row->id, output->attempt, &ended.host);
    /* An attempt of a version before its span named the host is that of its row, or unknown. */
    ended.host = ended.host.len == 0 && latest ? row->host : ended.host;
    if (err_failed(err) || !run_is_elsewhere(&ended, bounds)) {
        return err;
    }
    TRY(tx_host_of_run(tx, ended.host, &found, &host));
    if (!found) {
        return err_why(why, ERR_HOST_GONE,
                       "attempt %lld ran on host %.*s, which was removed, and its output with it",
                       (long long)output->attempt, (int)ended.host.len, ended.host.data);
    }
    return err_why(why, ERR_HOST_AWAY,
                   "attempt %lld ran on host %.*s, which keeps its output: read it there",
                   (long long)output->attempt, (int)host.name.len, host.name.data);
}

struct err tx_host_remove(struct tx *tx, struct bytes place, bool *ret_more) {
    tx_fail(tx, tx_folder_removals_forget(tx, place, ret_more));
    const struct follow change = {.name = "host", .stream = "system", .key = "place", .id = place};
    if (!*ret_more &&
        tx_change(tx, "DELETE FROM hosts WHERE place = $1", ARGS(arg_text(place))) > 0) {
        follow_tell(tx, &change, NULL /* removed */);
    }
    return tx_error(tx);
}
