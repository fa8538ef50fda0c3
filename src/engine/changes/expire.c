/* expire.c: old points go. Objects that no point of a repository holds any more go after them
 * (dispatch/changes/sweep.h). */
#include "engine/changes/points.h"

#define OF_REPOSITORY "SELECT id FROM worlds WHERE host = $1 AND repository = $2"
/* SQL: a world that nothing needs: no point is in it, and no working tree that began there. */
#define UNUSED                                                                                     \
    " AND NOT EXISTS (SELECT 1 FROM points p WHERE p.world = worlds.id)"                           \
    " AND NOT EXISTS (SELECT 1 FROM trees t WHERE t.path = worlds.path AND t.host = worlds.host"   \
    " AND t.first <> '')"

struct err tx_repository_next(struct tx *tx, struct bytes host, struct bytes after,
                              struct id *ret_name) {
    const struct bytes name =
        tx_text(tx, "SELECT MIN(repository) FROM worlds WHERE host = $1 AND repository > $2",
                ARGS(arg_text(host), arg_text(after)));
    *ret_name = (struct id){""};
    if (name.len > 0 && name.len < sizeof ret_name->text) {
        memcpy(ret_name->text, name.data, name.len);
    }
    return tx_error(tx);
}

/* A session is open until it is archived or deleted. */
struct err tx_points_expire(struct tx *tx, const struct points_expire *what, int64_t *ret_count) {
    *ret_count =
        tx_change(tx,
                  "DELETE FROM points WHERE id IN (SELECT p.id FROM points p WHERE p.world IN"
                  " (" OF_REPOSITORY ") AND p.at_ms < $3 AND NOT EXISTS (SELECT 1 FROM sessions s"
                  " WHERE s.id = p.session AND s.archived_ms IS NULL AND s.hidden = 0 AND p.id ="
                  " (SELECT MAX(n.id) FROM points n WHERE n.session = s.id AND n.session <> 0))"
                  " ORDER BY p.id LIMIT $4)",
                  ARGS(arg_text(what->host), arg_text(what->repository), arg_int(what->before_ms),
                       arg_int(POINTS_EXPIRE_PAGE)));
    if (*ret_count > 0) {
        tx_scrub(tx);
    }
    return tx_error(tx);
}

struct err tx_points_age(struct tx *tx, const struct points_expire *what, int64_t percent,
                         int64_t *ret_at_ms) {
    const int64_t count =
        tx_number(tx, "SELECT count(*) FROM points WHERE world IN (" OF_REPOSITORY ")",
                  ARGS(arg_text(what->host), arg_text(what->repository)));
    *ret_at_ms = tx_number(
        tx,
        "SELECT at_ms FROM points WHERE world IN (" OF_REPOSITORY
        ") ORDER BY at_ms, id LIMIT 1 OFFSET $3",
        ARGS(arg_text(what->host), arg_text(what->repository), arg_int(count * percent / 100)));
    return tx_error(tx);
}

struct err tx_worlds_expire(struct tx *tx, const struct points_expire *what) {
    static const char *const steps[] = {
        ("DELETE FROM viewed WHERE world IN (" OF_REPOSITORY UNUSED ")"),
        ("DELETE FROM rewinds WHERE state <> 'applying' AND world IN (" OF_REPOSITORY UNUSED ")"),
        ("DELETE FROM worlds WHERE host = $1 AND repository = $2" UNUSED),
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        if (tx_change(tx, steps[i], ARGS(arg_text(what->host), arg_text(what->repository))) > 0) {
            tx_scrub(tx);
        }
    }
    return tx_error(tx);
}

static void texts_write(struct tx *tx, const char *sql, const struct points_expire *what,
                        const char *name, struct text *json) {
    bool first = true;
    text_add_name(json, name);
    text_add_char(json, '[');
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx, sql, ARGS(arg_text(what->host), arg_text(what->repository)));
    while (rows_step(rows)) {
        const struct bytes text = rows_text(rows, 0);
        text_add_str(json, first ? "" : ",");
        text_add_json(json, text.data, text.len);
        first = false;
    }
    text_add_char(json, ']');
}

struct err tx_points_trees(struct tx *tx, const struct points_expire *what, struct text *json) {
    text_clear(json);
    texts_write(tx,
                "SELECT tree FROM points WHERE world IN (" OF_REPOSITORY ") UNION SELECT first FROM"
                " trees t JOIN worlds w ON w.path = t.path AND w.host = t.host"
                " WHERE w.host = $1 AND w.repository = $2 AND length(t.first) > 1",
                what, "keep", json);
    texts_write(tx, "SELECT world FROM worlds WHERE host = $1 AND repository = $2", what, "worlds",
                json);
    return text_failed(json) ? tx_fail(tx, text_error(json, "changes: trees")) : tx_error(tx);
}
