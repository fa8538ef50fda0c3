/* points.c: worlds and points are written. */
#include "engine/changes/points.h"

#include "base/json/json.h"
#include "engine/base/follow.h"
#include "engine/session/rows.h"
#include "engine/tree/trees.h"
#include "journal/journal.h"

/* --- Worlds ----------------------------------------------------------------------------------- */

static bool world_find(struct tx *tx, const struct world_place *place,
                       struct changes_world *ret_world) {
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &world_resource, "host = $1 AND path = $2",
                                         ARGS(arg_text(place->host), arg_text(place->path)));
    const bool found = rows_step(rows) && resource_row_read(&world_resource, rows, ret_world);
    if (found) {
        tx_resource_copy(tx, &world_resource, ret_world);
    }
    return found;
}

struct err tx_world_open(struct tx *tx, const struct world_place *place, const struct id *fresh,
                         struct changes_world *ret_world) {
    if (world_find(tx, place, ret_world)) {
        return tx_error(tx);
    }
    TRY(tx_error(tx));
    if (tx_number(tx, "SELECT count(*) FROM worlds WHERE host = $1", ARGS(arg_text(place->host))) >=
        WORLDS_MAX) {
        return err_make(ERR_TOO_MANY, "changes: worlds");
    }
    const struct changes_world world = {.id = *fresh,
                                        .host = place->host,
                                        .path = place->path,
                                        .repository = place->repository,
                                        .kind = place->kind,
                                        .state = WORLD_READY,
                                        .detail = BYTES(""),
                                        .left_out = BYTES(""),
                                        .made_ms = tx_now_ms(tx),
                                        .changed_ms = tx_now_ms(tx)};
    tx_row_insert(tx, &world_resource, 0, &world);
    if (!err_failed(tx_error(tx)) && !world_find(tx, place, ret_world)) {
        tx_fail(tx, err_make(ERR_STORE_CORRUPT, "changes: world"));
    }
    return tx_error(tx);
}

struct err tx_world_capture(struct tx *tx, struct bytes run, struct text *ret_json) {
    static const char *const finds[] = {
        "SELECT p.settings FROM projects p JOIN runs r ON r.owner = p.owner AND r.project = p.name"
        " WHERE r.run = $1",
        "SELECT p.settings FROM projects p JOIN sessions s ON s.owner = p.owner"
        " AND s.project = p.name WHERE s.session = $1"};
    AUTO(json_release) json_t *settings = NULL;
    const bool is_session = bytes_begin(run, BYTES("ses_"));
    const struct bytes stored = tx_text(tx, finds[is_session], ARGS(arg_text(run)));
    text_clear(ret_json);
    if (err_failed(json_parse_wrapped(stored, &settings, NULL))) {
        json_release(&settings); /* There are none. */
    }
    const json_t *capture = json_object_get(settings, "capture");
    if (json_array_size(capture) > 0 && err_failed(json_write(capture, ret_json))) {
        text_clear(ret_json);
    }
    return tx_error(tx);
}

struct err tx_world_state(struct tx *tx, const struct changes_world *world) {
    struct changes_world row = *world;
    row.changed_ms = tx_now_ms(tx);
    tx_row_update(tx, &world_resource, FIELD_SET, &row);
    return tx_error(tx);
}

/* --- Points ----------------------------------------------------------------------------------- */

struct point_run {
    int64_t run, session; /* Numbers. */
    struct bytes owner;
};

/* The session of a turn is its own; of other runs that of their top. False: the run is gone. */
static bool point_run_find(struct tx *tx, struct bytes run, struct point_run *ret_run) {
    if (bytes_begin(run, BYTES("ses_"))) {
        const struct session_key key = {{NULL, 0}, run};
        struct session_row session;
        const bool found = sessions__find(tx, &key, &session);
        *ret_run = (struct point_run){.session = found ? session.id : 0, .owner = session.owner};
        return found;
    }
    if (bytes_begin(run, BYTES("tre_"))) {
        *ret_run = (struct point_run){
            .owner = tx_text(tx, "SELECT owner FROM trees WHERE tree = $1", ARGS(arg_text(run)))};
        return ret_run->owner.len > 0;
    }
    AUTO(rows_release)
    struct rows *rows =
        tx_row(tx,
               "SELECT r.id, COALESCE((SELECT t.session FROM turns t WHERE t.run = r.id),"
               " (SELECT s.id FROM sessions s WHERE s.session = r.session AND r.session <> ''), 0),"
               " r.owner FROM runs r WHERE r.run = $1",
               ARGS(arg_text(run)));
    if (rows == NULL) {
        return false;
    }
    *ret_run = (struct point_run){
        .run = rows_int(rows, 0), .session = rows_int(rows, 1), .owner = rows_copy(rows, 2)};
    return true;
}

static void session_tell(struct tx *tx, const struct points_put *put, int64_t session,
                         struct bytes point) {
    struct session_row row;
    AUTO(text_done) struct text data = text_up_to((size_t)1 << 10);
    if (session == 0 || !sessions__find_id(tx, session, &row)) {
        return;
    }
    text_add_char(&data, '{');
    text_add_member(&data, "session", row.session);
    text_add_member(&data, "point", point);
    text_add_member_int(&data, "at_ms", put->at_ms);
    if (put->files >= 0) {
        text_add_member_int(&data, "files", put->files);
        text_add_member_int(&data, "added", put->added);
        text_add_member_int(&data, "removed", put->removed);
    }
    text_add_char(&data, '}');
    sessions__event_text(tx, &row, BYTES("changes_changed"), &data);
    const struct follow change = {.name = "changes",
                                  .owner = row.owner,
                                  .project = row.project,
                                  .key = "session",
                                  .id = row.session};
    follow_tell(tx, &change, &data);
}

/* A run may have ended, and written, since the tree was read: its calls are marked, and the next
 * point closes them. No time is compared, since clocks are set. */
static void calls_close(struct tx *tx, const struct points_put *put, int64_t newest) {
    tx_do(tx, "UPDATE points SET closed = $3 WHERE world = $1 AND closed = $2 AND id < $3",
          ARGS(arg_int(put->world.number), arg_int(POINT_RUN_ENDED), arg_int(newest)));
    tx_do(
        tx,
        "UPDATE points SET closed = $3 WHERE world = $1 AND closed = $2 AND run <> 0 AND NOT EXISTS"
        " (SELECT 1 FROM runs WHERE runs.id = points.run AND runs.ended_ms IS NULL)",
        ARGS(arg_int(put->world.number), arg_int(POINT_STILL_OPEN), arg_int(POINT_RUN_ENDED)));
}

static int64_t newest_of(struct tx *tx, int64_t world) {
    return tx_number(tx, "SELECT COALESCE(MAX(id), 0) FROM points WHERE world = $1",
                     ARGS(arg_int(world)));
}

static int64_t point_add(struct tx *tx, const struct points_put *put, const struct point_new *fresh,
                         const struct point_run *run) {
    const struct point point = {.id = fresh->id,
                                .owner = run->owner,
                                .world = put->world.number,
                                .tree = put->tree,
                                .at_ms = put->at_ms,
                                .session = run->session,
                                .run = run->run,
                                .call = fresh->call,
                                .phase = fresh->phase,
                                .path = fresh->path,
                                .late = fresh->late,
                                .closed = fresh->phase == POINT_BEFORE ? POINT_STILL_OPEN : 0};
    tx_row_insert(tx, &point_resource, 0, &point);
    const int64_t number = newest_of(tx, put->world.number);
    if (fresh->phase == POINT_AFTER || fresh->phase == POINT_END) {
        tx_do(tx,
              "UPDATE points SET closed = $5 WHERE world = $1 AND closed >= $2 AND run = $3"
              " AND (call = $4 OR $6 <> 0)",
              ARGS(arg_int(put->world.number), arg_int(POINT_RUN_ENDED), arg_int(run->run),
                   arg_text(fresh->call), arg_int(number), arg_int(fresh->phase == POINT_END)));
    }
    return number;
}

/* The content of a working tree before the first call in it that may write: its changes are against
 * that. */
static void tree_first_set(struct tx *tx, const struct points_put *put) {
    struct tree_row row;
    bool begins = false;
    for (size_t i = 0; i < put->count; i++) {
        begins = begins || put->points[i].phase == POINT_BEGIN;
    }
    if (!begins) {
        return;
    }
    const struct bytes path =
        tx_text(tx, "SELECT path FROM worlds WHERE id = $1", ARGS(arg_int(put->world.number)));
    const struct bytes host =
        tx_text(tx, "SELECT host FROM worlds WHERE id = $1", ARGS(arg_int(put->world.number)));
    if (tx_tree_at(tx, host, path, &row) && row.first.len == 0) {
        row.first = put->tree;
        tx_fail(tx, tx_tree_write(tx, &row));
    }
}

struct err tx_points_put(struct tx *tx, const struct points_put *put) {
    const struct bytes before =
        tx_text(tx, "SELECT tree FROM points WHERE world = $1 ORDER BY id DESC LIMIT 1",
                ARGS(arg_int(put->world.number)));
    const bool moved = before.len > 0 && !bytes_equal(before, put->tree);
    int64_t told[8], newest = 0;
    size_t told_count = 0;
    TRY(tx_world_state(tx, &put->world));
    for (size_t i = 0; i < put->count; i++) {
        const struct point_new *fresh = &put->points[i];
        struct point_run run;
        if (!point_run_find(tx, fresh->run, &run)) {
            continue;
        }
        newest = point_add(tx, put, fresh, &run);
        bool again = !moved;
        for (size_t j = 0; j < told_count; j++) {
            again = again || told[j] == run.session;
        }
        if (!again && told_count < COUNT_OF(told)) {
            told[told_count++] = run.session;
            session_tell(tx, put, run.session, bytes_of(fresh->id.text));
        }
    }
    if (newest > 0) {
        calls_close(tx, put, newest);
    }
    tree_first_set(tx, put);
    return tx_error(tx);
}
