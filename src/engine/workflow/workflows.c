/* workflows.c: a workflow begins, is taken up, paused, resumed and removed; and its scripts. */
#include "engine/workflow/workflows.h"

#include <string.h>

#include "base/json/json.h"
#include "engine/base/ids.h"
#include "engine/budget/rows.h"
#include "engine/trace/usage_totals.h"
#include "engine/turn/subagents.h"
#include "engine/workflow/rows.h"
#include "rules/provider/no_model.h"

/* --- Its start -------------------------------------------------------------------------------- */

static void script_keep(struct tx *tx, struct bytes hash, struct bytes source) {
    tx_do(tx, "INSERT INTO scripts (hash, source) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING",
          ARGS(arg_text(hash), arg_text(source)));
}

/* Old results are taken while its own run cannot change any more. An agent that is named and is
 * none of that run means that another run was meant. */
static struct err resumed_find(struct tx *tx, const struct workflow_new *what, int64_t *ret_id,
                               struct why *why) {
    const struct run_key key = {.owner = what->run.owner, .run = what->resume};
    const int len = (int)what->resume.len;
    struct run_row row;
    bool found = false;
    *ret_id = 0;
    if (what->resume.len == 0) {
        return ERR_OK;
    }
    TRY(tx_run_find(tx, &key, &found, &row));
    if (!found) {
        return err_why(why, ERR_NOT_FOUND, "nothing to resume: there is no run '%.*s'", len,
                       what->resume.data);
    }
    if (row.kind != KIND_WORKFLOW) {
        return err_why(why, ERR_CONFLICT, "nothing to resume: '%.*s' is not a workflow, but a %s",
                       len, what->resume.data, run_kind_name(row.kind));
    }
    if (!run_state_final(row.state)) {
        return err_why(why, ERR_RUN_ALIVE, "'%.*s' has not ended: it is %s; stop it first", len,
                       what->resume.data, run_state_name(row.state));
    }
    for (size_t i = 0; i < json_array_size(what->rerun); i++) {
        const json_t *name = json_array_get(what->rerun, i);
        const struct bytes run = {json_string_value(name), json_string_length(name)};
        if (tx_number(tx, "SELECT 1 FROM runs WHERE run = $1 AND parent = $2 AND step_key <> ''",
                      ARGS(arg_text(run), arg_int(row.id))) == 0) {
            why_set(why, "rerun[%zu]: '%.40s' is not an agent of that run", i, run.data);
            return err_failed(tx_error(tx)) ? tx_error(tx)
                                            : err_make(ERR_BAD_FIELD, "workflows: rerun");
        }
    }
    *ret_id = row.id;
    return ERR_OK;
}

struct err tx_workflow_resumable(struct tx *tx, const struct workflow_new *what, struct why *why) {
    int64_t id = 0;
    return resumed_find(tx, what, &id, why);
}

struct err tx_workflow_submit(struct tx *tx, const struct workflow_new *what,
                              struct run_row *ret_row, struct why *why) {
    assert(what->run.kind == KIND_WORKFLOW);
    assert(what->hash.len == WORKFLOW_HASH);
    const struct workflow_place place = {.owner = what->run.owner,
                                         .run = bytes_of(what->run.run.text)};
    AUTO(text_done) struct text data = text_up_to(WORKFLOW_EVENT_MAX);
    text_add_char(&data, '{');
    text_add(&data, what->started.data, what->started.len);
    text_add_char(&data, '}');
    int64_t resumed = 0;
    if (what->lacks_model) {
        return err_why(why, ERR_NO_MODEL, NO_MODEL_DETAIL);
    }
    TRY(resumed_find(tx, what, &resumed, why));
    script_keep(tx, what->hash, what->script);
    tx_fail(tx, workflows__event(tx, &place, "workflow_started", &data, WORKFLOW_GOES_ON));
    if (what->warning.len > 0) { /* Before the run, which may end at once. */
        const struct workflow_line line = {
            .kind = LINE_LOG, .number = WORKFLOW_LINE_OURS, .text = what->warning};
        tx_fail(tx, tx_workflow_lines(tx, &place, &line, 1));
    }
    TRY(tx_run_submit(tx, &what->run, ret_row));
    int64_t deadline_ms = what->timeout_ms == 0 ? 0 : tx_now_ms(tx) + what->timeout_ms;
    tx_do(tx,
          "INSERT INTO workflows (run, script, resumed_from, lines, crashes, deadline_ms)"
          " VALUES ($1, $2, $3, 0, 0, $4)",
          ARGS(arg_int(ret_row->id), arg_text(what->hash), arg_int(resumed), arg_int(deadline_ms)));
    return tx_error(tx);
}

struct err tx_workflow_spawn(struct tx *tx, const struct turn_seat *seat,
                             const struct workflow_new *what, struct run_row *ret_row,
                             struct why *why) {
    static const char open[] =
        "SELECT count(*) FROM runs r JOIN parts p ON p.run = r.id AND p.run <> 0"
        " JOIN messages m ON m.id = p.message WHERE r.ended_ms IS NULL AND r.kind = 'workflow'"
        " AND m.session = $1";
    struct workflow_new with = *what;
    if (seat->session.depth >= SESSION_DEPTH_MAX) { /* Its agents would be the next level. */
        return err_why(why, ERR_CONFLICT,
                       "Agents are at most %d deep, and this is the last: do it yourself.",
                       SESSION_DEPTH_MAX);
    }
    if (tx_number(tx, open, ARGS(arg_int(seat->session.id))) >= WORKFLOWS_OPEN_MAX) {
        return err_why(why, ERR_CONFLICT,
                       "%d of your workflows have not ended; wait for some of them.",
                       WORKFLOWS_OPEN_MAX);
    }
    struct err err = budget__session_path(tx, &seat->session, &with.run.budget_path);
    return err_failed(err) ? err : tx_workflow_submit(tx, &with, ret_row, why);
}

struct err tx_workflow_again(struct tx *tx, const struct run_row *again,
                             const struct workflow_new *what, struct run_row *ret_row,
                             struct why *why) {
    const struct session_key key = {.owner = again->owner, .session = again->session};
    struct workflow_new with = *what;
    struct session_row session;
    struct err err = ERR_OK;
    if (with.run.budget_path.data == NULL && again->session.len > 0 &&
        sessions__find(tx, &key, &session)) {
        err = budget__session_path(tx, &session, &with.run.budget_path);
    }
    err = err_failed(err) ? err : tx_workflow_submit(tx, &with, ret_row, why);
    if (!err_failed(err)) {
        runs__set_retry_of(tx, again, ret_row);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* --- Taken up --------------------------------------------------------------------------------- */

/* The deadline was set when the run was requested. Time in the queue does not count, and what
 * passed since the start is known without that clock, but for lives of earlier daemons. */
static int64_t left_ms(const struct tx *tx, const struct run_row *run, int64_t deadline_ms) {
    const int64_t left_ms = deadline_ms - run->made_ms - runs__took_ms(tx, run);
    return deadline_ms == 0 ? -1 : left_ms > 0 ? left_ms : 0;
}

struct err tx_workflow_find(struct tx *tx, struct bytes run, bool *ret_found,
                            struct workflow_row *ret_row) {
    *ret_found = runs__load(tx, run, &ret_row->run);
    if (!*ret_found) {
        return tx_error(tx);
    }
    AUTO(rows_release)
    struct rows *rows = tx_row(tx,
                               "SELECT w.resumed_from, w.lines, w.crashes, w.deadline_ms, s.source"
                               " FROM workflows w JOIN scripts s ON s.hash = w.script"
                               " WHERE w.run = $1",
                               ARGS(arg_int(ret_row->run.id)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        ret_row->resumed_from = rows_int(rows, 0);
        ret_row->lines = rows_int(rows, 1);
        ret_row->crashes = rows_int(rows, 2);
        ret_row->left_ms = left_ms(tx, &ret_row->run, rows_int(rows, 3));
        ret_row->script = rows_copy(rows, 4);
    }
    return tx_error(tx);
}

static bool is_wanted(const struct workflow_wanted *wanted, const json_t *spec) {
    const char *root = json_str(spec, "root", NULL);
    return (wanted->name == NULL || strcmp(json_str(spec, "name", ""), wanted->name) == 0) &&
           (wanted->root == NULL || root == NULL || strcmp(root, wanted->root) == 0);
}

struct err tx_workflow_last(struct tx *tx, const struct workflow_wanted *wanted,
                            struct id *ret_run) {
    *ret_run = (struct id){.text = ""};
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx,
                "SELECT run, spec FROM runs WHERE owner = $1 AND kind = 'workflow'"
                " AND kind <> 'agent' AND ended_ms IS NOT NULL ORDER BY id DESC LIMIT $2",
                ARGS(arg_text(wanted->owner), arg_int(WORKFLOW_LAST_MAX)));
    while (ret_run->text[0] == '\0' && rows_step(rows)) {
        AUTO(json_release) json_t *spec = NULL;
        if (!err_failed(json_parse_wrapped(rows_text(rows, 1), &spec, NULL /* no why */)) &&
            is_wanted(wanted, spec)) {
            *ret_run = id_copy(rows_text(rows, 0));
        }
    }
    return tx_error(tx);
}

struct err tx_workflow_adopt(struct tx *tx, struct bytes run, int64_t crashes, bool *ret_late) {
    struct run_row row;
    *ret_late = !runs__load(tx, run, &row) || !workflow_lives(&row);
    if (*ret_late) {
        return tx_error(tx);
    }
    tx_fail(tx, runs__adopt(tx, &row));
    tx_do(tx, "UPDATE workflows SET crashes = $2 WHERE run = $1",
          ARGS(arg_int(row.id), arg_int(crashes)));
    return tx_error(tx);
}

/* --- While it runs ---------------------------------------------------------------------------- */

static struct err pause_check(const struct run_row *row, struct why *why) {
    if (row->kind != KIND_WORKFLOW) {
        return err_why(why, ERR_CONFLICT,
                       "only workflows can be paused, and this run is of kind %s; 'drover stop' "
                       "ends it",
                       run_kind_name(row->kind));
    }
    if (run_state_final(row->state)) {
        return err_why(why, ERR_RUN_ENDED, "the run has ended: it is %s",
                       run_state_name(row->state));
    }
    if (row->stop != CAUSE_NONE) {
        return err_why(why, ERR_RUN_ENDED, "the run is being stopped");
    }
    if (row->state == RUN_QUEUED) {
        return err_why(why, ERR_CONFLICT,
                       "the run is queued and has not started; 'drover stop' ends it");
    }
    return ERR_OK;
}

/* running <──pause, resume──> waiting, with the cause `paused`: in the run's row, so a daemon that
 * comes back finds it there. The dispatcher of the workflow gets the row's note, and begins no
 * agent from then on. Agents that a budget has admitted meanwhile are asked when it goes on. */
struct err tx_workflow_pause(struct tx *tx, const struct run_key *key, enum workflow_pause what,
                             struct run_row *ret_row, struct why *why) {
    bool pauses = what == WORKFLOW_PAUSE;
    struct run_row row = {.state = RUN_RUNNING};
    struct err err = runs__get(tx, key, &row);
    if (!err_failed(err)) {
        err = pause_check(&row, why);
    }
    if (err_failed(err)) {
        return err;
    }
    if ((row.state == RUN_WAITING) != pauses) {
        const struct workflow_place place = {.id = row.id, .owner = row.owner, .run = row.run};
        const enum run_state from = row.state;
        AUTO(text_done) struct text data = text_up_to(WORKFLOW_EVENT_MAX);
        text_add_str(&data, "{}");
        row.state = pauses ? RUN_WAITING : RUN_RUNNING;
        row.cause = pauses ? CAUSE_PAUSED : CAUSE_NONE;
        tx_fail(tx, runs__write(tx, from, &row));
        if (!pauses) {
            tx_do(tx,
                  "UPDATE runs SET cause = '' WHERE parent = $1 AND step_key <> ''"
                  " AND cause = 'paused' AND ended_ms IS NULL",
                  ARGS(arg_int(row.id)));
        }
        tx_fail(tx, workflows__event(tx, &place, pauses ? "workflow_paused" : "workflow_resumed",
                                     &data, WORKFLOW_GOES_ON));
    }
    *ret_row = row;
    return tx_error(tx);
}

struct err tx_workflow_ref(struct tx *tx, const struct workflow_place *place,
                           const struct workflow_ref *ref, bool *ret_late) {
    static const char sql[] =
        "INSERT INTO workflow_refs (run, step_key, occurrence, script, file, note, done_no)"
        " SELECT $1, $2, $3, $4, $5, $6, " WORKFLOW_NEXT_DONE(
            "$1") " FROM runs WHERE id = $1 AND state IN ('running', 'waiting') AND epoch = $7";
    *ret_late = tx_change(tx, sql,
                          ARGS(arg_int(place->id), arg_text(ref->key), arg_int(ref->occurrence),
                               arg_text(ref->hash), arg_text(ref->file), arg_text(ref->note),
                               arg_int(tx_epoch(tx)))) == 0;
    if (!*ret_late && ref->hash.len > 0) {
        script_keep(tx, ref->hash, ref->script);
    }
    return tx_error(tx);
}

/* --- Scripts ---------------------------------------------------------------------------------- */

struct err tx_script_find(struct tx *tx, struct bytes hash, bool *ret_found,
                          struct bytes *ret_source) {
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx, "SELECT source FROM scripts WHERE hash = $1", ARGS(arg_text(hash)));
    *ret_found = rows != NULL;
    if (rows != NULL) {
        *ret_source = rows_copy(rows, 0);
    }
    return tx_error(tx);
}

struct err tx_workflow_resolved(struct tx *tx, int64_t workflow,
                                struct err (*each)(void *ctx,
                                                   const struct workflow_resolved *script),
                                void *ctx) {
    static const char sql[] =
        "SELECT file, script, min(done_no) AS first FROM workflow_refs"
        " WHERE run = $1 AND script <> '' GROUP BY file, script ORDER BY first LIMIT $2";
    struct err err = ERR_OK;
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, sql, ARGS(arg_int(workflow), arg_int(WORKFLOW_RESOLVED_MAX + 1)));
    while (!err_failed(err) && rows_step(rows)) {
        const struct workflow_resolved script = {.file = rows_copy(rows, 0),
                                                 .hash = rows_copy(rows, 1)};
        err = each(ctx, &script);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_script_kept(struct tx *tx, struct bytes begin, bool *ret_kept) {
    char end[WORKFLOW_HASH + 1];
    assert(begin.len < sizeof end);
    memcpy(end, begin.data, begin.len);
    end[begin.len] = 'g'; /* After each hexadecimal digit. */
    *ret_kept = tx_number(tx, "SELECT 1 FROM scripts WHERE hash >= $1 AND hash < $2 LIMIT 1",
                          ARGS(arg_text(begin), arg_text((struct bytes){end, begin.len + 1}))) != 0;
    *ret_kept = *ret_kept || err_failed(tx_error(tx));
    return tx_error(tx);
}

struct err tx_script_refused(struct tx *tx, struct bytes hash) {
    bool kept = true;
    struct err err = tx_script_kept(tx, hash, &kept);
    if (!err_failed(err) && !kept) {
        tx_do(tx,
              "INSERT INTO script_removals (hash, made_ms) VALUES ($1, $2)"
              " ON CONFLICT (hash) DO UPDATE SET made_ms = EXCLUDED.made_ms",
              ARGS(arg_text(hash), arg_int(tx_now_ms(tx))));
    }
    return tx_error(tx);
}

struct err tx_script_removals_find(struct tx *tx, struct script_removals *ret_removals) {
    ret_removals->count = 0;
    AUTO(rows_release)
    struct rows *rows =
        tx_rows(tx, "SELECT hash, made_ms FROM script_removals ORDER BY hash LIMIT $1",
                ARGS(arg_int(SCRIPT_REMOVALS_PAGE)));
    while (ret_removals->count < SCRIPT_REMOVALS_PAGE && rows_step(rows)) {
        struct script_removal *removal = &ret_removals->page[ret_removals->count++];
        struct bytes hash = rows_text(rows, 0);
        size_t len = hash.len < sizeof removal->hash ? hash.len : sizeof removal->hash - 1;
        *removal = (struct script_removal){.made_ms = rows_int(rows, 1)};
        memcpy(removal->hash, hash.data, len);
    }
    return tx_error(tx);
}

/* One that was listed again meanwhile stays. */
struct err tx_script_removals_done(struct tx *tx, const struct script_removals *removals) {
    for (size_t i = 0; i < removals->count; i++) {
        const struct script_removal *removal = &removals->page[i];
        tx_do(tx, "DELETE FROM script_removals WHERE hash = $1 AND made_ms = $2",
              ARGS(arg_str(removal->hash), arg_int(removal->made_ms)));
    }
    return tx_error(tx);
}

/* --- Removed ---------------------------------------------------------------------------------- */

size_t workflows__talks(struct tx *tx, int64_t workflow,
                        struct run_talk ret_talks[RUN_TALKS_PAGE]) {
    size_t count = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT t.id, COALESCE(u.session, 0) FROM runs s"
        " JOIN runs t ON t.parent = s.id AND t.step_key <> '' LEFT JOIN turns u ON u.run = t.id"
        " WHERE s.parent = $1 AND s.step_key <> '' LIMIT $2",
        ARGS(arg_int(workflow), arg_int(RUN_TALKS_PAGE)));
    while (count < RUN_TALKS_PAGE && rows_step(rows)) {
        ret_talks[count++] =
            (struct run_talk){.turn = rows_int(rows, 0), .session = rows_int(rows, 1)};
    }
    return count;
}

/* Scripts of the run $1 that no other run has. */
#define ITS_SCRIPTS                                                                                \
    " FROM scripts WHERE hash IN (SELECT script FROM workflows WHERE run = $1"                     \
    " UNION SELECT script FROM workflow_refs WHERE run = $1)"                                      \
    " AND NOT EXISTS (SELECT 1 FROM workflows w WHERE w.script = scripts.hash AND w.run <> $1)"    \
    " AND NOT EXISTS (SELECT 1 FROM workflow_refs r WHERE r.script = scripts.hash"                 \
    " AND r.run <> $1)"

void workflows__list_scripts(struct tx *tx, int64_t run) {
    tx_do(tx,
          "INSERT INTO script_removals (hash, made_ms) SELECT hash, $2" ITS_SCRIPTS
          " ON CONFLICT (hash) DO UPDATE SET made_ms = EXCLUDED.made_ms",
          ARGS(arg_int(run), arg_int(tx_now_ms(tx))));
}

#define ITS_AGENTS                                                                                 \
    "(SELECT id FROM runs WHERE parent = $1 AND step_key <> ''"                                    \
    " ORDER BY id DESC LIMIT $2)"

/* The runs go last: each statement finds the same page by them. */
int64_t workflows__forget_agents(struct tx *tx, int64_t run) {
    const struct arg args[] = {arg_int(run), arg_int(WORKFLOW_FORGET_PAGE)};
    ids__keep(tx, IDS_RUNS);
    ids__keep(tx, IDS_BUDGETS);
    tx_do(tx,
          "DELETE FROM budget_means WHERE budget IN (SELECT id FROM budgets WHERE run <> 0"
          " AND run IN " ITS_AGENTS ")",
          args, COUNT_OF(args));
    tx_do(tx, "DELETE FROM budgets WHERE run <> 0 AND run IN " ITS_AGENTS, args, COUNT_OF(args));
    const int64_t count =
        tx_change(tx, "DELETE FROM runs WHERE id IN " ITS_AGENTS, args, COUNT_OF(args));
    const bool more = count == WORKFLOW_FORGET_PAGE ||
                      timers__forget(tx, run, WORKFLOW_FORGET_PAGE) == WORKFLOW_FORGET_PAGE ||
                      tx_usage_forget_run(tx, run, WORKFLOW_FORGET_PAGE);
    return more ? WORKFLOW_FORGET_PAGE : count;
}

/* The scripts go first: afterwards nobody knows which they were. */
void workflows__forget(struct tx *tx, int64_t run) {
    tx_do(tx, "DELETE" ITS_SCRIPTS, ARGS(arg_int(run)));
    tx_do(tx, "DELETE FROM workflow_refs WHERE run = $1", ARGS(arg_int(run)));
    tx_do(tx, "DELETE FROM workflows WHERE run = $1", ARGS(arg_int(run)));
}

struct err tx_workflow_commands(struct tx *tx, const struct run_row *workflow, int64_t *ret_running,
                                int64_t *ret_waiting) {
    static const char running[] = "SELECT count(*) FROM runs WHERE owner = $1 AND run_key = $2"
                                  " AND gate = '' AND ended_ms IS NULL AND run_key <> ''";
    static const char waiting[] = "SELECT count(*) FROM runs WHERE owner = $1 AND run_key = $2"
                                  " AND gate = 'key' AND ended_ms IS NULL AND run_key <> ''"
                                  " AND root = $3";
    const int64_t root = workflow->root != 0 ? workflow->root : workflow->id;
    *ret_running =
        tx_number(tx, running, ARGS(arg_text(workflow->owner), arg_str(AGENT_COMMANDS_KEY)));
    *ret_waiting = tx_number(
        tx, waiting, ARGS(arg_text(workflow->owner), arg_str(AGENT_COMMANDS_KEY), arg_int(root)));
    return tx_error(tx);
}
