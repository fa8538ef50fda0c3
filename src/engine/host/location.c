/* location.c: whether a run's process is on this host, and what that means for clients. */
#include "engine/base/home.h"
#include "engine/host/hosts.h"
#include "engine/run/rows.h"
#include "engine/trace/spans.h"

/* The place of a row may know less than ours: a machine gets its id after its first commands. */
bool run_is_foreign(const struct run_row *row, struct bytes host) {
    const struct home_places places = {.stored = row->host, .ours = host};
    return row->host.len > 0 && host.len > 0 && !bytes_equal(row->host, host) &&
           !home_same(&places);
}

bool run_is_elsewhere(const struct run_row *row, const struct run_bounds *bounds) {
    return bounds->hosts == RUN_HOSTS_SHARED && row->kind == KIND_JOB &&
           run_is_foreign(row, bounds->host);
}

bool run_is_away(const struct run_row *row, const struct run_bounds *bounds) {
    return run_lives(row) && run_is_elsewhere(row, bounds);
}

void run_away_mark(struct run_row *io_row, const struct run_bounds *bounds) {
    io_row->away = run_is_away(io_row, bounds);
}

struct err tx_run_away_mark(struct tx *tx, const struct run_bounds *bounds,
                            struct run_row *io_row) {
    bool asks = io_row->kind == KIND_TURN || io_row->kind == KIND_AGENT;
    run_away_mark(io_row, bounds);
    if (bounds->hosts != RUN_HOSTS_SHARED || !asks || io_row->state != RUN_RUNNING) {
        return ERR_OK;
    }
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT DISTINCT host FROM runs WHERE parent = $1 AND parent <> 0"
                                " AND ended_ms IS NULL AND gate = '' AND kind = 'job'",
                                ARGS(arg_int(io_row->id)));
    while (io_row->gate != GATE_HOST && rows_step(rows)) {
        const struct run_row child = {.kind = KIND_JOB, .host = rows_text(rows, 0)};
        io_row->gate = run_is_elsewhere(&child, bounds) ? GATE_HOST : io_row->gate;
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
    struct err err = tx_host_of_run(tx, row->host, &found, &host);
    if (err_failed(err)) {
        return err;
    }
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
    err = tx_host_of_run(tx, ended.host, &found, &host);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        return err_why(why, ERR_HOST_GONE,
                       "attempt %lld ran on host %.*s, which was removed, and its output with it",
                       (long long)output->attempt, (int)ended.host.len, ended.host.data);
    }
    return err_why(why, ERR_HOST_AWAY,
                   "attempt %lld ran on host %.*s, which keeps its output: read it there",
                   (long long)output->attempt, (int)host.name.len, host.name.data);
}
