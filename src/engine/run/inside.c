/* inside.c: see inside.h. */
#include "engine/run/inside.h"

#include "engine/run/budget_tree.h"

enum { DEPTH_MAX = 1000 };

/* 0: there is none. */
static int64_t run_id_of(struct tx *tx, struct bytes run) {
    return tx_number(tx, "SELECT id FROM runs WHERE run = $1", ARGS(arg_text(run)));
}

/* --- Below ------------------------------------------------------------------------------------ */

/* A run, or a session, and what is above it. Ids are never given twice (ids), so one of a run that
 * was removed leads nowhere. */
enum place_kind { PLACE_NOWHERE, PLACE_RUN, PLACE_SESSION };
struct place {
    enum place_kind kind;
    bool began; /* A run inside of which the place below it was begun, and not its parent. */
    int64_t id;
};

static struct place place_of(enum place_kind kind, int64_t id) {
    return (struct place){.kind = id == 0 ? PLACE_NOWHERE : kind, .id = id};
}

static struct place place_above(struct tx *tx, struct place place) {
    static const char of_run[] =
        "SELECT parent, began_in, COALESCE((SELECT s.id FROM sessions s WHERE s.session ="
        " runs.session), 0) FROM runs WHERE id = $1";
    static const char of_session[] = "SELECT 0, began_in, parent FROM sessions WHERE id = $1";
    enum { PARENT, BEGAN_IN, SESSION, NUMBERS };
    int64_t of[NUMBERS]; /* All 0, which is nowhere, where the place is gone. */
    tx_numbers(tx, place.kind == PLACE_RUN ? of_run : of_session, ARGS(arg_int(place.id)), of,
               NUMBERS);
    struct place above = of[PARENT] != 0     ? place_of(PLACE_RUN, of[PARENT])
                         : of[BEGAN_IN] != 0 ? place_of(PLACE_RUN, of[BEGAN_IN])
                                             : place_of(PLACE_SESSION, of[SESSION]);
    above.began = of[PARENT] == 0 && of[BEGAN_IN] != 0;
    return above;
}

/* Whether both are commands of one turn, of two turns of one session, or of one agent of a
 * workflow. */
static bool is_of_same_agent(struct tx *tx, int64_t run, int64_t other) {
    static const char sql[] =
        "SELECT COUNT(*) FROM runs a JOIN runs b ON b.id = $2 AND b.parent <> 0"
        " WHERE a.id = $1 AND a.parent <> 0 AND (EXISTS (SELECT 1 FROM runs p WHERE"
        " p.id = a.parent AND p.id = b.parent AND p.step_key <> '') OR EXISTS (SELECT 1"
        " FROM turns s JOIN turns t ON t.session = s.session WHERE s.run = a.parent"
        " AND t.run = b.parent))";
    return tx_number(tx, sql, ARGS(arg_int(run), arg_int(other))) > 0;
}

static bool place_is_below(struct tx *tx, struct place place, int64_t run) {
    for (unsigned i = 0; i < DEPTH_MAX && place.kind != PLACE_NOWHERE; i++) {
        place = place_above(tx, place);
        if (place.kind == PLACE_RUN &&
            (place.id == run || (place.began && is_of_same_agent(tx, place.id, run)))) {
            return true;
        }
    }
    return false;
}

/* NOWHERE: it is not there, or is another owner's. */
static struct place place_find(struct tx *tx, const struct inside_change *change) {
    static const struct {
        const char *prefix, *sql;
        enum place_kind kind;
    } kinds[] = {
        {"run", "SELECT id FROM runs WHERE run = $1 AND owner = $2", PLACE_RUN},
        {"ses", "SELECT id FROM sessions WHERE session = $1 AND owner = $2", PLACE_SESSION},
        {"msg",
         "SELECT s.id FROM messages m JOIN sessions s ON s.id = m.session WHERE m.message = $1"
         " AND s.owner = $2",
         PLACE_SESSION},
        {"dlv",
         "SELECT r.id FROM inbox d JOIN runs r ON r.run = d.run WHERE d.delivery = $1"
         " AND d.owner = $2",
         PLACE_RUN},
    };
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (id_valid(change->id.data, change->id.len, kinds[i].prefix)) {
            return place_of(
                kinds[i].kind,
                tx_number(tx, kinds[i].sql, ARGS(arg_text(change->id), arg_text(change->owner))));
        }
    }
    return place_of(PLACE_NOWHERE, 0);
}

struct err tx_inside_check(struct tx *tx, const struct inside_change *change, struct why *why) {
    const struct place place = place_find(tx, change);
    const int64_t own = run_id_of(tx, bytes_of(change->inside));
    if (place.kind == PLACE_NOWHERE || (own != 0 && place_is_below(tx, place, own)) ||
        err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    return err_why(why, ERR_INSIDE_RUN,
                   "the program that sent this is inside of %s, and %.*s was not begun there: a run"
                   " may change only what it began; have a person do it, outside of the run",
                   change->inside, (int)change->id.len, change->id.data);
}

/* --- What is begun there ---------------------------------------------------------------------- */

struct err tx_inside_budget(struct tx *tx, const char *inside, struct run_new *io_run) {
    const struct bytes path =
        inside[0] == '\0'
            ? BYTES("")
            : tx_text(tx, "SELECT budget FROM runs WHERE run = $1", ARGS(arg_str(inside)));
    io_run->budget_path = path.len > 0 ? path : io_run->budget_path;
    return tx_error(tx);
}

struct err tx_inside_mark_run(struct tx *tx, const char *inside, int64_t run) {
    if (inside[0] != '\0') {
        tx_do(tx, "UPDATE runs SET began_in = $2 WHERE id = $1",
              ARGS(arg_int(run), arg_int(run_id_of(tx, bytes_of(inside)))));
    }
    return tx_error(tx);
}

struct err tx_inside_mark_session(struct tx *tx, const char *inside, int64_t session) {
    AUTO(rows_release) struct rows *rows = NULL;
    if (inside[0] != '\0') {
        rows = tx_row(tx, "SELECT id, budget FROM runs WHERE run = $1", ARGS(arg_str(inside)));
    }
    if (rows == NULL) {
        return tx_error(tx);
    }
    if (budget__path_parts(rows_text(rows, 1)) >= BUDGET_PATH_PARTS) { /* And its own. */
        return err_make(ERR_BUDGET_TOO_DEEP, "inside: session");
    }
    tx_do(tx, "UPDATE sessions SET began_in = $2, budget = $3 WHERE id = $1",
          ARGS(arg_int(session), arg_int(rows_int(rows, 0)), arg_text(rows_text(rows, 1))));
    return tx_error(tx);
}

struct err tx_inside_lives(struct tx *tx, const char *inside, struct why *why) {
    const bool lives =
        tx_number(tx, "SELECT count(*) FROM runs WHERE run = $1 AND ended_ms IS NULL",
                  ARGS(arg_str(inside))) > 0;
    return lives || err_failed(tx_error(tx))
               ? tx_error(tx)
               : err_why(why, ERR_UNAUTHORIZED,
                         "the token was that of %s, and ended with it: another attempt has another"
                         " token",
                         inside);
}
