/* check_runs.c: the rows of jobs against the model, and the part of jobs. */
#include <stdio.h>
#include <string.h>

#include "hosts.h"
#include "inside.h"
#include "jobs.h"
#include "ops.h"
#include "processes.h"
#include "rows.h"
#include "streams.h"

enum {
    LOOK_EVERY = 4,
    STOP_PATIENCE_MS = 25000,
    INPUT_PATIENCE_MS = 15000,
    KEYS = 4,
    KEYS_OWN = 2
};

struct jobs *jobs_of(struct sim *sim) {
    static struct jobs all;
    (void)sim;
    return &all;
}

struct job *job_find(struct jobs *jobs, const char *run) {
    for (size_t i = 0; i < jobs->count; i++) {
        if (strcmp(jobs->list[i].run.text, run) == 0) {
            return &jobs->list[i];
        }
    }
    return NULL;
}

/* --- One row ---------------------------------------------------------------------------------- */

/* The row of a finished run may be deleted at any time, by a client or by retention, and its stream
 * with it. The end of a run is seen in its row alone if the daemon dies before the commit of that
 * end is delivered. */
static void job_seen(struct sim *sim, struct job *job, enum run_state state, int64_t attempt) {
    bool final = run_state_final(state);
    if (final && !job->final) {
        char stream[ID_SIZE + 8];
        (void)snprintf(stream, sizeof stream, "run:%s", job->run.text);
        streams_may_go(sim, stream);
        sim_trace(sim, "job %u is %s", job->operation, run_state_name(state));
    }
    job->final = final;
    job->state = state;
    job->attempt = attempt;
}

static void check_final(struct sim *sim, struct job *job, const struct row_state *row) {
    if (job->final && (row->state != job->state || row->attempt != job->attempt)) {
        sim_fail(sim, "%s was %s, and is %s in attempt %lld", job->run.text,
                 run_state_name(job->state), run_state_name(row->state), (long long)row->attempt);
    }
    if (row->cause == CAUSE_NONE && run_state_final(row->state)) {
        sim_fail(sim, "%s is %s without a cause", job->run.text, run_state_name(row->state));
    }
    /* An end that was asked for is one that somebody asked for. */
    if (row->state == RUN_CANCELLED && !row->asked) {
        sim_fail(sim, "%s is cancelled, and nobody asked for it", job->run.text);
    }
}

static void check_attempts(struct sim *sim, const struct job *job, const struct row_state *row) {
    unsigned begun = processes_begun(sim, job->run.text);
    if (job->once && begun > 1) {
        sim_fail(sim, "%s ran %u times, and was promised to run at most once", job->run.text,
                 begun);
    }
    if (row->state == RUN_SUCCEEDED && begun == 0) {
        sim_fail(sim, "%s succeeded, and never ran", job->run.text);
    }
    if ((int64_t)begun > row->attempt) {
        sim_fail(sim, "%s ran %u times in %lld attempts", job->run.text, begun,
                 (long long)row->attempt);
    }
}

/* Who was told that a run will end sees it end. A full disk keeps the end from being stored; from
 * then on it is tried again within RETRY_MAX_MS of dispatch/job/inside.h, so that the patience
 * begins with the last write that was refused. */
static void check_stopped(struct sim *sim, const struct job *job, const struct row_state *row) {
    if (!job->stopped || run_state_final(row->state) || sim_life_age_ms(sim) < STOP_PATIENCE_MS) {
        return;
    }
    const uint64_t held_ns = jobs_of(sim)->held_ns, full_ns = disk_full_ns();
    uint64_t from_ns = job->stopped_ns > held_ns ? job->stopped_ns : held_ns;
    from_ns = from_ns > full_ns ? from_ns : full_ns;
    from_ns = from_ns > sim->still_ns ? from_ns : sim->still_ns;
    if (hosts_several(sim) && row->host[0] != '\0') {
        const uint64_t up_ns = hosts_up_since_ns(sim, row->host);
        if (up_ns == UINT64_MAX) {
            return; /* Its host obeys when it is back. */
        }
        from_ns = from_ns > up_ns ? from_ns : up_ns;
    }
    uint64_t now_ns = sim_now_ns(sim);
    int64_t since_ms = now_ns > from_ns ? (int64_t)((now_ns - from_ns) / 1000000) : 0;
    if (since_ms > job->grace_ms + STOP_PATIENCE_MS) {
        sim_fail(sim, "%s was asked to stop %lld ms ago, and is %s", job->run.text,
                 (long long)since_ms, run_state_name(row->state));
    }
}

/* Input that was acknowledged reaches a command that lives. */
static void check_input(struct sim *sim, const struct job *job, const struct row_state *row) {
    if (job->input_ns == 0 || row->asked || sim_life_age_ms(sim) < INPUT_PATIENCE_MS ||
        (sim_now_ns(sim) - job->input_ns) / 1000000 < INPUT_PATIENCE_MS) {
        return;
    }
    int64_t has = processes_input(sim, job->run.text, row->attempt, INPUT_PATIENCE_MS);
    if (has >= 0 && has < job->input) {
        sim_fail(sim, "%s has %lld bytes of input, and %lld were acknowledged", job->run.text,
                 (long long)has, (long long)job->input);
    }
}

static void check_absent(struct sim *sim, struct job *job) {
    bool may_be = job->told != TOLD_ACCEPTED || job->deleting || job->final;
    if (!may_be) {
        sim_fail(sim, "%s was accepted, and is not stored", job->run.text);
    }
}

/* A key that a request names is none of the engine's, so it holds up no process of an agent. */
static void check_key(struct sim *sim, const struct job *job) {
    if (job->key[0] == '\0' || job->key[1] < '0' + KEYS_OWN) {
        return;
    }
    const int64_t others =
        rows_number(sim,
                    "SELECT count(*) FROM runs j JOIN runs r ON r.owner = j.owner AND r.run_key ="
                    " j.run_key WHERE j.run = $1 AND (r.kind <> 'job' OR r.parent <> 0)",
                    TEXTS(job->run.text), 0);
    if (others > 0) {
        sim_fail(sim, "%s shares its key with %lld runs of the engine", job->run.text,
                 (long long)others);
    }
}

static void check_one(struct sim *sim, struct job *job) {
    struct row_state row;
    if (!row_state_read(sim, job->run.text, &row)) {
        return;
    }
    if (!row.found) {
        check_absent(sim, job);
        return;
    }
    if (job->told == TOLD_DELETED) {
        sim_fail(sim, "%s was deleted, and is still stored", job->run.text);
    }
    if (job->told == TOLD_REFUSED) {
        sim_fail(sim, "%s was refused, and is stored", job->run.text);
    }
    if (row.attempt < job->attempt) {
        sim_fail(sim, "%s went from attempt %lld to %lld", job->run.text, (long long)job->attempt,
                 (long long)row.attempt);
    }
    check_final(sim, job, &row);
    check_attempts(sim, job, &row);
    check_stopped(sim, job, &row);
    check_input(sim, job, &row);
    check_key(sim, job);
    job_seen(sim, job, row.state, row.attempt);
}

void runs_check_input(struct sim *sim, const char *run, int64_t offset, struct bytes bytes) {
    const struct job *job = job_find(jobs_of(sim), run);
    for (size_t i = 0; job != NULL && i < job->pieces_count; i++) {
        const struct job_piece *piece = &job->pieces[i];
        for (size_t at = 0; at < bytes.len; at++) {
            int64_t where = offset + (int64_t)at;
            if (where >= piece->offset && where < piece->next && bytes.data[at] != piece->letter) {
                sim_fail(sim, "byte %lld of the input of %s is '%c', and '%c' was acknowledged",
                         (long long)where, run, bytes.data[at], piece->letter);
            }
        }
    }
}

/* --- All rows --------------------------------------------------------------------------------- */

/* As check_counts, by what runs, whatever the rows say. Whose host was given up holds no key. */
static void check_keys(struct sim *sim) {
    unsigned running[KEYS] = {0};
    for (const struct command *command = processes_of(sim)->commands; command != NULL;
         command = command->next) {
        const struct job *job =
            command->state == COMMAND_RUNNING ? job_find(jobs_of(sim), command->run) : NULL;
        if (job == NULL || job->key[0] == '\0' || hosts_gave_up(command->run, command->attempt)) {
            continue;
        }
        unsigned key = (unsigned)(job->key[1] - '0');
        assert(key < KEYS);
        if (++running[key] > job->key_max) {
            sim_fail(sim, "%u commands run with key %s, and %lld may", running[key], job->key,
                     (long long)job->key_max);
        }
    }
}

/* No more past the gate of a key than the key allows; no more that run than there are slots, but
 * for commands of must-haves, for which an agent waits that may have the last one. */
static void check_counts(struct sim *sim) {
    struct sqlite3_stmt *rows = rows_open(
        sim,
        "SELECT run_key, count(*), max(key_max) FROM runs WHERE kind = 'job' AND run_key <> ''"
        " AND ended_ms IS NULL AND gate IN ('', 'slot', 'budget') GROUP BY run_key",
        NULL);
    while (rows != NULL && stmt_step(sim, rows)) {
        if (row_int(rows, 1) > row_int(rows, 2)) {
            sim_fail(sim, "%lld runs are past the gate of key %s, and %lld may be",
                     (long long)row_int(rows, 1), row_text(rows, 0), (long long)row_int(rows, 2));
        }
    }
    int64_t running = rows_number(
        sim,
        "SELECT count(*) FROM runs WHERE kind = 'job' AND ended_ms IS NULL AND gate = ''"
        " AND run_key <> 'must-have'",
        NULL, 0);
    int64_t slots = (int64_t)(1 + sim_hash(sim_seed(sim), 0, "jobs_max", 0) % 6);
    if (running > slots) {
        sim_fail(sim, "%lld jobs run in %lld slots", (long long)running, (long long)slots);
    }
}

void runs_check(struct sim *sim, bool all) {
    struct jobs *jobs = jobs_of(sim);
    if (sim_life(sim)->ready && jobs_held(sim)) {
        jobs->held_ns = sim_now_ns(sim);
    }
    for (size_t i = 0; i < jobs->count; i++) {
        if (all || !jobs->list[i].final) {
            check_one(sim, &jobs->list[i]);
        }
    }
    check_counts(sim);
    check_keys(sim);
}

bool runs_rest(struct sim *sim, bool must) {
    struct sqlite3_stmt *rows = rows_open(
        sim, "SELECT run, kind, state, gate FROM runs WHERE ended_ms IS NULL ORDER BY id", NULL);
    bool rest = true;
    while (rows != NULL && stmt_step(sim, rows)) {
        rest = false;
        if (must) {
            sim_fail(sim, "%s (%s) has not ended: it is %s at gate '%s'", row_text(rows, 0),
                     row_text(rows, 1), row_text(rows, 2), row_text(rows, 3));
        }
    }
    return rest && rows != NULL;
}

/* --- The part --------------------------------------------------------------------------------- */

struct pace {
    unsigned commits;
};

static struct pace *pace(void) {
    static struct pace all;
    return &all;
}

static void opened(struct sim *sim) {
    if (sim_healed(sim)) {
        jobs_release(sim);
    }
    runs_check(sim, true);
    inbox_check(sim);
}

/* What was not answered may have happened, or not. */
static void crashed(struct sim *sim) {
    struct jobs *jobs = jobs_of(sim);
    for (size_t i = 0; i < jobs->count; i++) {
        struct job *job = &jobs->list[i];
        job->told = job->told == TOLD_ASKED ? TOLD_UNKNOWN : job->told;
        job->input_unsure = true;
    }
}

static void noted(struct sim *sim, const struct run_row *row) {
    char run[ID_SIZE];
    (void)snprintf(run, sizeof run, "%.*s", (int)row->run.len, row->run.data);
    struct job *job = job_find(jobs_of(sim), run);
    if (job != NULL && row->failures > job->retries) {
        sim_fail(sim, "%s is retried for the %lld. time, and may be retried %lld times", run,
                 (long long)row->failures, (long long)job->retries);
    }
    if (job == NULL || !run_state_final(row->state)) {
        return;
    }
    if (job->final && job->state != row->state) {
        sim_fail(sim, "%s ends as %s, and has ended as %s", run, run_state_name(row->state),
                 run_state_name(job->state));
    }
    if (!job->final) {
        processes_check_end(sim, row);
    }
    job_seen(sim, job, row->state, row->attempt);
}

static void look(struct sim *sim) {
    if (pace()->commits++ % LOOK_EVERY == 0) {
        runs_check(sim, false);
    }
}

static void heal(struct sim *sim) {
    if (sim_life(sim)->ready) {
        jobs_release(sim);
    }
}

static bool rest(struct sim *sim, bool must) {
    return runs_rest(sim, must) && inbox_rest(sim, must);
}

static void end(struct sim *sim) {
    runs_check(sim, true);
    inbox_check(sim);
}

const struct sim_part part_jobs = {
    .name = "jobs",
    .ops = jobs_ops,
    .opened = opened,
    .crashed = crashed,
    .noted = noted,
    .look = look,
    .heal = heal,
    .rest = rest,
    .end = end,
};
