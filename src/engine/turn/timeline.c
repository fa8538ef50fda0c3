/* timeline.c: see timeline.h. What a turn took is read from its spans, and what it changed from the
 * diffs of its cards: nothing of it is stored a second time. */
#include "engine/turn/timeline.h"

#include "base/json/json.h"
#include "engine/session/message_rows.h"
#include "engine/trace/usage_totals.h"

/* --- Files ------------------------------------------------------------------------------------ */

struct files {
    struct timeline_file at[TIMELINE_FILES];
    size_t count;
    bool more;
};

static void files_add(struct files *files, const struct timeline_file *file) {
    size_t at = 0;
    while (at < files->count && !bytes_equal(files->at[at].path, file->path)) {
        at++;
    }
    if (at == TIMELINE_FILES) {
        files->more = true;
    } else if (at == files->count) {
        files->at[files->count++] = *file;
    } else {
        files->at[at].added += file->added;
        files->at[at].removed += file->removed;
    }
}

static void files_write(struct tx *tx, const struct files *files, struct timeline_turn *turn) {
    AUTO(text_done) struct text json = text_up_to(MESSAGE_DATA_MAX);
    text_add_char(&json, '[');
    for (size_t i = 0; i < files->count; i++) {
        text_add_str(&json, i == 0 ? "{" : ",{");
        text_add_member(&json, "path", files->at[i].path);
        text_add_member_int(&json, "added", files->at[i].added);
        text_add_member_int(&json, "removed", files->at[i].removed);
        text_add_char(&json, '}');
    }
    text_add_char(&json, ']');
    turn->files = tx_copy_text(tx, &json, "turns: files");
    turn->files_more = files->more;
}

/* Data that cannot be read (its row is damaged) has no diff. */
static void files_read(struct tx *tx, int64_t answer, struct timeline_turn *turn) {
    struct files files = {.count = 0};
    int64_t cards = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT data FROM parts WHERE message = $1 AND kind = 'tool' AND state = 'succeeded'"
        " AND name IN ('write_file', 'edit_file', 'delete_file') ORDER BY number LIMIT $2",
        ARGS(arg_int(answer), arg_int(TIMELINE_DIFFS + 1)));
    for (; rows_step(rows) && cards < TIMELINE_DIFFS; cards++) {
        AUTO(json_release) json_t *data = NULL;
        struct timeline_file file;
        const struct err err = json_parse_wrapped(rows_text(rows, 0), &data, NULL);
        tx_fail(tx, err.code == ERR_BAD_JSON ? ERR_OK : err);
        if (timeline_file_read(json_bytes(json_object_get(data, "about"), "diff"), &file)) {
            file.path = tx_copy(tx, file.path);
            files_add(&files, &file);
        }
    }
    files.more = files.more || cards == TIMELINE_DIFFS;
    files_write(tx, &files, turn);
}

/* --- Calls ------------------------------------------------------------------------------------ */

#define CALL_COLUMNS                                                                               \
    "s.name, s.fresh, s.cache_read, s.cache_write, COALESCE(s.tools_bytes, -1),"                   \
    " COALESCE(s.instructions_bytes, -1), COALESCE(s.history_bytes, -1)"
#define CALL_ENDED "s.kind = 'model' AND s.fresh IS NOT NULL"

static bool call_read(struct rows *rows, struct timeline_call *ret_call) {
    if (rows == NULL) {
        return false;
    }
    *ret_call = (struct timeline_call){.model = rows_copy(rows, 0),
                                       .usage = {.fresh = rows_int(rows, 1),
                                                 .cache_read = rows_int(rows, 2),
                                                 .cache_write = rows_int(rows, 3)}};
    for (int i = 0; i < USAGE_PART_COUNT; i++) {
        ret_call->prompt[i] = rows_int(rows, 4 + i);
    }
    return true;
}

/* The first call is held against the last one of the turns before it. */
static const char *cache_broke(struct tx *tx, int64_t session, const struct timeline_turn *turn) {
    struct timeline_call first, before;
    AUTO(rows_release)
    struct rows *now =
        tx_row(tx,
               "SELECT " CALL_COLUMNS " FROM spans s WHERE s.run = $1 AND " CALL_ENDED
               " ORDER BY s.attempt, s.step LIMIT 1",
               ARGS(arg_int(turn->run.id)));
    if (!call_read(now, &first)) {
        return "";
    }
    AUTO(rows_release)
    struct rows *then = tx_row(
        tx,
        "SELECT " CALL_COLUMNS " FROM turns t JOIN spans s ON s.run = t.run WHERE t.session = $1"
        " AND t.number < $2 AND t.number >= $3 AND " CALL_ENDED
        " ORDER BY t.number DESC, s.attempt DESC, s.step DESC LIMIT 1",
        ARGS(arg_int(session), arg_int(turn->number), arg_int(turn->number - TIMELINE_CALLS_BACK)));
    return call_read(then, &before) ? timeline_cache_broke(&before, &first) : "";
}

static void calls_read(struct tx *tx, struct timeline_turn *turn) {
    int64_t counts[2];
    tx_numbers(tx,
               "SELECT COALESCE(sum(CASE kind WHEN 'tool' THEN 1 ELSE 0 END), 0),"
               " COALESCE(sum(CASE WHEN state IN ('failed', 'timed_out', 'lost', 'denied',"
               " 'outcome_unknown') THEN 1 ELSE 0 END), 0) FROM spans WHERE run = $1",
               ARGS(arg_int(turn->run.id)), counts, COUNT_OF(counts));
    turn->tools = counts[0];
    turn->errors = counts[1];
    turn->usage = messages__usage(tx, turn->run.id);
    const int64_t permille = usage_cache_permille(&turn->usage);
    if (permille >= 0) {
        AUTO(text_done) struct text rate = text_up_to(32);
        text_addf(&rate, "%lld.%03lld", (long long)(permille / 1000), (long long)(permille % 1000));
        turn->cache_rate = tx_copy_text(tx, &rate, "turns: rate");
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

struct read_turn {
    struct timeline_turn turn;
    int64_t answer; /* id */
};

/* The agent that the session had then. */
static struct bytes agent_of(struct tx *tx, const struct run_row *run) {
    AUTO(json_release) json_t *spec = NULL;
    const struct err err = json_parse_wrapped(run->spec, &spec, NULL);
    tx_fail(tx, err.code == ERR_BAD_JSON ? ERR_OK : err);
    return tx_copy(tx, json_bytes(spec, "agent"));
}

static struct err turn_complete(struct tx *tx, const struct timeline_page *page,
                                struct read_turn *read) {
    struct timeline_turn *turn = &read->turn;
    const struct run_key key = {.run = turn->run.run};
    bool found = false;
    struct err err = tx_run_find_shown(tx, &key, &found, &turn->run);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err : tx_error(tx);
    }
    run_shown(&turn->run, tx_epoch(tx), page->hold);
    turn->agent = agent_of(tx, &turn->run);
    calls_read(tx, turn);
    turn->cache_broke = cache_broke(tx, page->session, turn);
    files_read(tx, read->answer, turn);
    return tx_error(tx);
}

static size_t turns_read(struct tx *tx, const struct timeline_page *page, struct read_turn *turns) {
    size_t count = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT t.number, r.run, t.began_by, t.model, t.answer, COALESCE(q.message, ''),"
        " COALESCE(a.message, '') FROM turns t JOIN runs r ON r.id = t.run"
        " LEFT JOIN messages q ON q.id = t.question AND q.status <> 'removed'"
        " LEFT JOIN messages a ON a.id = t.answer AND a.status NOT IN ('removed', 'reserved')"
        " WHERE t.session = $1 AND t.number < $2 ORDER BY t.number DESC LIMIT $3",
        ARGS(arg_int(page->session), arg_int(page->before > 0 ? page->before : INT64_MAX),
             arg_int(page->limit)));
    while ((int64_t)count < page->limit && rows_step(rows)) {
        turns[count++] = (struct read_turn){.turn = {.number = rows_int(rows, 0),
                                                     .run = {.run = rows_copy(rows, 1)},
                                                     .began_by = rows_copy(rows, 2),
                                                     .model = rows_copy(rows, 3),
                                                     .question = rows_copy(rows, 5),
                                                     .answer = rows_copy(rows, 6),
                                                     .cache_rate = BYTES(""),
                                                     .cache_broke = "",
                                                     .files = BYTES("[]")},
                                            .answer = rows_int(rows, 4)};
    }
    return count;
}

struct err tx_turn_timeline(struct tx *tx, const struct timeline_page *page,
                            struct err (*each)(void *ctx, const struct timeline_turn *turn),
                            void *ctx, int64_t *ret_last) {
    assert(page->limit > 0);
    struct read_turn *turns = tx_memory(tx, (size_t)page->limit * sizeof *turns);
    const size_t count = turns == NULL ? 0 : turns_read(tx, page, turns);
    struct err err = tx_error(tx);
    *ret_last = 0;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        err = turn_complete(tx, page, &turns[i]);
        err = err_failed(err) ? err : each(ctx, &turns[i].turn);
        if (i + 1 < count && tx_slice_over(tx)) { /* Diffs may be long. */
            *ret_last = turns[i].turn.number;
            break;
        }
    }
    return err;
}
