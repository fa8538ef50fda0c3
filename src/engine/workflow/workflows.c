/* workflows.c: a workflow begins, is taken up, and learns what workflow() came to. */
#include "engine/workflow/workflows.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "engine/base/ids.h"
#include "engine/workflow/rows.h"

struct err workflows__keep(struct tx *tx, struct bytes *text) {
    const char *copy = text->len == 0 ? "" : arena_try_copy(tx_arena(tx), text->data, text->len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "workflows: text");
    }
    text->data = copy;
    return ERR_OK;
}

struct err workflows__member(struct tx *tx, struct bytes json, const char *name,
                             struct bytes *ret_text) {
    AUTO(json_release) json_t *object = NULL;
    struct err err = json_parse_wrapped(json, &object, NULL);
    if (err_failed(err)) {
        return err;
    }
    const json_t *text = json_object_get(object, name);
    *ret_text = (struct bytes){json_string_value(text), json_string_length(text)};
    return workflows__keep(tx, ret_text);
}

/* Few have one, and a spec may be large: it is not read for nothing. */
struct err workflows__worktree(struct tx *tx, struct bytes spec, struct bytes *ret_path) {
    static const char name[] = "\"worktree\":{";
    AUTO(json_release) json_t *object = NULL;
    *ret_path = (struct bytes){"", 0};
    if (spec.len == 0 || memmem(spec.data, spec.len, name, sizeof name - 1) == NULL) {
        return ERR_OK;
    }
    struct err err = json_parse_wrapped(spec, &object, NULL);
    const json_t *path = json_object_get(json_object_get(object, "worktree"), "path");
    if (err_failed(err) || path == NULL) {
        return err;
    }
    *ret_path = (struct bytes){json_string_value(path), json_string_length(path)};
    return workflows__keep(tx, ret_path);
}

/* --- Its start -------------------------------------------------------------------------------- */

static struct err keep_script(struct tx *tx, struct bytes hash, struct bytes source) {
    const struct arg args[] = {arg_text(hash), arg_text(source)};
    return tx_exec(tx,
                   "INSERT INTO scripts (hash, source) VALUES ($1, $2) ON CONFLICT (hash) DO "
                   "NOTHING",
                   args, COUNT_OF(args), NULL /* it may be there */);
}

/* Who names an agent that is none means another run. */
static struct err check_reruns(struct tx *tx, const struct workflow_new *what, int64_t resumed,
                               struct why *why) {
    static const char sql[] =
        "SELECT 1 FROM runs WHERE run = $1 AND parent = $2 AND step_key <> ''";
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(what->rerun) && !err_failed(err); i++) {
        const json_t *name = json_array_get(what->rerun, i);
        const struct bytes run = {json_string_value(name), json_string_length(name)};
        const struct arg args[] = {arg_text(run), arg_int(resumed)};
        const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
        int64_t found = 0;
        err = runs__int(tx, &ask, &found);
        if (!err_failed(err) && found == 0) {
            why_set(why, "rerun[%zu]: '%.40s' is no agent of that run", i, run.data);
            err = err_make(ERR_BAD_FIELD, "workflows: rerun");
        }
    }
    return err;
}

/* Old results are taken while its own run cannot change any more. */
static struct err find_resumed(struct tx *tx, const struct workflow_new *what, int64_t *ret_id,
                               struct why *why) {
    const struct run_key key = {.owner = what->run.owner, .run = what->resume};
    struct run_row row;
    bool found = false;
    *ret_id = 0;
    if (what->resume.len == 0) {
        return ERR_OK;
    }
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found) {
        why_set(why, "nothing to resume: there is no run '%.*s'", (int)what->resume.len,
                what->resume.data);
        return err_make(ERR_NOT_FOUND, "workflows: resume");
    }
    if (row.kind != KIND_WORKFLOW) {
        why_set(why, "nothing to resume: '%.*s' is no workflow, but a %s", (int)what->resume.len,
                what->resume.data, run_kind_name(row.kind));
        return err_make(ERR_CONFLICT, "workflows: resume");
    }
    if (!run_state_final(row.state)) {
        why_set(why, "'%.*s' has not ended: it is %s; stop it first", (int)what->resume.len,
                what->resume.data, run_state_name(row.state));
        return err_make(ERR_RUN_ALIVE, "workflows: resume");
    }
    *ret_id = row.id;
    return check_reruns(tx, what, row.id, why);
}

struct err tx_workflow_resumable(struct tx *tx, const struct workflow_new *what, struct why *why) {
    int64_t id = 0;
    return find_resumed(tx, what, &id, why);
}

static struct err insert(struct tx *tx, const struct workflow_new *what, const struct run_row *row,
                         int64_t resumed) {
    static const char sql[] = "INSERT INTO workflows (run, script, resumed_from, lines, crashes,"
                              " deadline_ms) VALUES ($1, $2, $3, 0, 0, $4)";
    int64_t deadline_ms = what->timeout_ms == 0 ? 0 : tx_now_ms(tx) + what->timeout_ms;
    const struct arg args[] = {arg_int(row->id), arg_text(what->hash), arg_int(resumed),
                               arg_int(deadline_ms)};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, always */);
}

static struct err tell_started(struct tx *tx, const struct workflow_new *what) {
    const struct workflow_place place = {.owner = what->run.owner,
                                         .run = {what->run.run.text, strlen(what->run.run.text)}};
    AUTO(text_done) struct text data;
    text_init(&data, WORKFLOW_EVENT_MAX);
    text_add_char(&data, '{');
    text_add(&data, what->started.data, what->started.len);
    text_add_char(&data, '}');
    return workflows__event(tx, &place, "workflow_started", &data, WORKFLOW_GOES_ON);
}

struct err tx_workflow_submit(struct tx *tx, const struct workflow_new *what,
                              struct run_row *ret_row, struct why *why) {
    assert(what->run.kind == KIND_WORKFLOW);
    assert(what->hash.len == WORKFLOW_HASH);
    int64_t resumed = 0;
    struct err err = find_resumed(tx, what, &resumed, why);
    if (!err_failed(err)) {
        err = keep_script(tx, what->hash, what->script);
    }
    if (!err_failed(err)) {
        err = tell_started(tx, what);
    }
    if (!err_failed(err)) {
        err = tx_run_submit(tx, &what->run, ret_row);
    }
    return err_failed(err) ? err : insert(tx, what, ret_row, resumed);
}

/* --- Taken up --------------------------------------------------------------------------------- */

struct err tx_script_find(struct tx *tx, struct bytes hash, bool *ret_found,
                          struct bytes *ret_source) {
    const struct arg args[] = {arg_text(hash)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err =
        tx_first(tx, "SELECT source FROM scripts WHERE hash = $1", args, COUNT_OF(args), &rows);
    *ret_found = !err_failed(err) && rows != NULL;
    if (!*ret_found) {
        return err;
    }
    *ret_source = rows_text(rows, 0);
    return workflows__keep(tx, ret_source);
}

struct err tx_script_kept(struct tx *tx, struct bytes begin, bool *ret_kept) {
    char end[WORKFLOW_HASH + 1];
    assert(begin.len < sizeof end);
    memcpy(end, begin.data, begin.len);
    end[begin.len] = 'g'; /* Behind each hexadecimal digit. */
    const struct arg args[] = {arg_text(begin), arg_text((struct bytes){end, begin.len + 1})};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT 1 FROM scripts WHERE hash >= $1 AND hash < $2 LIMIT 1",
                              args, COUNT_OF(args), &rows);
    *ret_kept = err_failed(err) || rows != NULL;
    return err;
}

static struct err read_rest(struct tx *tx, bool *ret_found, struct workflow_row *row) {
    static const char sql[] =
        "SELECT w.resumed_from, w.lines, w.crashes, w.deadline_ms, s.source FROM workflows w"
        " JOIN scripts s ON s.hash = w.script WHERE w.run = $1";
    const struct arg args[] = {arg_int(row->run.id)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    *ret_found = !err_failed(err) && rows != NULL;
    if (!*ret_found) {
        return err;
    }
    row->resumed_from = rows_int(rows, 0);
    row->lines = rows_int(rows, 1);
    row->crashes = rows_int(rows, 2);
    row->deadline_ms = rows_int(rows, 3);
    row->script = rows_text(rows, 4);
    return workflows__keep(tx, &row->script);
}

struct err tx_workflow_find(struct tx *tx, struct bytes run, bool *ret_found,
                            struct workflow_row *ret_row) {
    const struct run_key key = {.run = run};
    struct workflow_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row.run);
    if (!err_failed(err) && found) {
        err = read_rest(tx, &found, &row);
    }
    if (!err_failed(err)) {
        *ret_found = found;
    }
    if (!err_failed(err) && found) {
        *ret_row = row;
    }
    return err;
}

struct err tx_workflow_adopt(struct tx *tx, struct bytes run, int64_t crashes, bool *ret_late) {
    const struct run_key key = {.run = run};
    struct run_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    *ret_late = !found || !workflow_lives(&row);
    if (err_failed(err) || *ret_late) {
        return err;
    }
    err = runs__adopt(tx, &row);
    const struct arg counts[] = {arg_int(row.id), arg_int(crashes)};
    return err_failed(err) ? err
                           : tx_exec(tx, "UPDATE workflows SET crashes = $2 WHERE run = $1", counts,
                                     COUNT_OF(counts), NULL);
}

/* --- What workflow() came to ------------------------------------------------------------------ */

struct err tx_workflow_ref(struct tx *tx, const struct workflow_place *place,
                           const struct workflow_ref *ref, bool *ret_late) {
    static const char sql[] =
        "INSERT INTO workflow_refs (run, step_key, occurrence, script, file, note, done_no)"
        " SELECT $1, $2, $3, $4, $5, $6, " WORKFLOW_NEXT_DONE(
            "$1") " FROM runs WHERE id = $1 AND state IN ('running', 'waiting') AND epoch = $7";
    const struct arg args[] = {arg_int(place->id),   arg_text(ref->key),  arg_int(ref->occurrence),
                               arg_text(ref->hash),  arg_text(ref->file), arg_text(ref->note),
                               arg_int(tx_epoch(tx))};
    int64_t changed = 0;
    struct err err = tx_exec(tx, sql, args, COUNT_OF(args), &changed);
    *ret_late = changed == 0;
    return err_failed(err) || *ret_late || ref->hash.len == 0
               ? err
               : keep_script(tx, ref->hash, ref->script);
}

/* --- Removed ---------------------------------------------------------------------------------- */

struct err workflows__talks(struct tx *tx, int64_t workflow,
                            struct workflow_talk ret_talks[WORKFLOW_TALKS_PAGE],
                            size_t *ret_count) {
    static const char sql[] =
        "SELECT t.id, COALESCE(u.session, 0) FROM runs s"
        " JOIN runs t ON t.parent = s.id AND t.step_key <> '' LEFT JOIN turns u ON u.run = t.id"
        " WHERE s.parent = $1 AND s.step_key <> '' LIMIT $2";
    const struct arg args[] = {arg_int(workflow), arg_int(WORKFLOW_TALKS_PAGE)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool row = !err_failed(err);
    *ret_count = 0;
    while (!err_failed(err) && row && *ret_count < WORKFLOW_TALKS_PAGE) {
        err = rows_next(rows, &row);
        if (!err_failed(err) && row) {
            ret_talks[(*ret_count)++] =
                (struct workflow_talk){.turn = rows_int(rows, 0), .session = rows_int(rows, 1)};
        }
    }
    return err;
}

struct err tx_script_refused(struct tx *tx, struct bytes hash) {
    static const char sql[] = "INSERT INTO script_removals (hash, made_ms) VALUES ($1, $2)"
                              " ON CONFLICT (hash) DO UPDATE SET made_ms = EXCLUDED.made_ms";
    const struct arg args[] = {arg_text(hash), arg_int(tx_now_ms(tx))};
    bool kept = true;
    struct err err = tx_script_kept(tx, hash, &kept);
    return err_failed(err) || kept ? err : tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one */);
}

struct err tx_script_removals_find(struct tx *tx, struct script_removals *ret_removals) {
    static const char sql[] = "SELECT hash, made_ms FROM script_removals ORDER BY hash LIMIT $1";
    const struct arg args[] = {arg_int(SCRIPT_REMOVALS_PAGE)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    bool found = !err_failed(err);
    ret_removals->count = 0;
    while (!err_failed(err) && found && ret_removals->count < SCRIPT_REMOVALS_PAGE) {
        err = rows_next(rows, &found);
        if (!err_failed(err) && found) {
            struct script_removal *removal = &ret_removals->page[ret_removals->count++];
            struct bytes hash = rows_text(rows, 0);
            size_t len = hash.len < sizeof removal->hash ? hash.len : sizeof removal->hash - 1;
            *removal = (struct script_removal){.made_ms = rows_int(rows, 1)};
            memcpy(removal->hash, hash.data, len);
        }
    }
    return err;
}

struct err tx_script_removals_done(struct tx *tx, const struct script_removals *removals) {
    static const char sql[] = "DELETE FROM script_removals WHERE hash = $1 AND made_ms = $2";
    struct err err = ERR_OK;
    for (size_t i = 0; i < removals->count && !err_failed(err); i++) {
        const struct script_removal *removal = &removals->page[i];
        const struct arg args[] = {arg_text(bytes_of(removal->hash)), arg_int(removal->made_ms)};
        err = tx_exec(tx, sql, args, COUNT_OF(args), NULL /* one row, or it was listed again */);
    }
    return err;
}

/* Scripts of the run $1 that no other run has. */
#define ITS_SCRIPTS                                                                                \
    " FROM scripts WHERE hash IN (SELECT script FROM workflows WHERE run = $1"                     \
    " UNION SELECT script FROM workflow_refs WHERE run = $1)"                                      \
    " AND NOT EXISTS (SELECT 1 FROM workflows w WHERE w.script = scripts.hash AND w.run <> $1)"    \
    " AND NOT EXISTS (SELECT 1 FROM workflow_refs r WHERE r.script = scripts.hash"                 \
    " AND r.run <> $1)"

struct err workflows__list_scripts(struct tx *tx, int64_t run) {
    static const char sql[] = "INSERT INTO script_removals (hash, made_ms)"
                              " SELECT hash, $2" ITS_SCRIPTS
                              " ON CONFLICT (hash) DO UPDATE SET made_ms = EXCLUDED.made_ms";
    const struct arg args[] = {arg_int(run), arg_int(tx_now_ms(tx))};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* any number */);
}

#define ITS_AGENTS                                                                                 \
    "(SELECT id FROM runs WHERE parent = $1 AND parent <> 0 AND step_key <> ''"                    \
    " ORDER BY id DESC LIMIT $2)"

/* The runs go last: each statement finds the same page by them. */
struct err workflows__forget_agents(struct tx *tx, int64_t run, int64_t *ret_count) {
    static const char *const steps[] = {
        "DELETE FROM budget_means WHERE budget IN (SELECT id FROM budgets WHERE run <> 0"
        " AND run IN " ITS_AGENTS ")",
        "DELETE FROM budgets WHERE run <> 0 AND run IN " ITS_AGENTS,
        "DELETE FROM runs WHERE id IN " ITS_AGENTS,
    };
    const struct arg args[] = {arg_int(run), arg_int(WORKFLOW_FORGET_PAGE)};
    int64_t count = 0;
    struct err err = ids__keep(tx, IDS_RUNS);
    if (!err_failed(err)) {
        err = ids__keep(tx, IDS_BUDGETS);
    }
    for (size_t i = 0; i < COUNT_OF(steps) && !err_failed(err); i++) {
        err = tx_exec(tx, steps[i], args, COUNT_OF(args), &count);
    }
    if (!err_failed(err)) {
        *ret_count = count;
    }
    return err;
}

/* The scripts go first: afterwards nobody knows which they were. */
struct err workflows__forget(struct tx *tx, int64_t run) {
    static const char *const steps[] = {
        "DELETE" ITS_SCRIPTS,
        "DELETE FROM workflow_refs WHERE run = $1",
        "DELETE FROM workflows WHERE run = $1",
    };
    const struct arg args[] = {arg_int(run)};
    struct err err = ERR_OK;
    for (size_t i = 0; i < COUNT_OF(steps) && !err_failed(err); i++) {
        err = tx_exec(tx, steps[i], args, COUNT_OF(args), NULL);
    }
    return err;
}
