/* check_followed.c: the fold of a client over owner:NAME is equal to the rows.
 *
 * Checked:
 *   - after each commit, of each run inside no other that it has touched: the last run_changed has
 *     its state, gate and cause;
 *   - in each life, and in the end: the last event of each id says what the rows of runs, sessions
 *     and approvals say, and there is one for each of them, and no other. */
#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "known.h"
#include "ops.h"
#include "rows.h"

enum { ROWS_MAX = 4096, SAID_SIZE = 160, NOTED_MAX = 1024 };

struct folded {
    char id[ID_SIZE];
    char said[SAID_SIZE];
    bool removed, met;
};

struct noted {
    char id[ID_SIZE];
    char said[SAID_SIZE];
};

struct followed {
    struct folded rows[ROWS_MAX];
    size_t count;
    int64_t seq;
    struct noted noted[NOTED_MAX];
    size_t noted_count;
};

static struct followed *followed_of(void) {
    static struct followed all;
    return &all;
}

static struct folded *folded_find(const char *id) {
    struct followed *all = followed_of();
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->rows[i].id, id) == 0) {
            return &all->rows[i];
        }
    }
    return NULL;
}

/* --- Folding ---------------------------------------------------------------------------------- */

static const char *word(const json_t *data, const char *name) {
    const char *text = json_string_value(json_object_get(data, name));
    return text == NULL ? "" : text;
}

static void row_fold(struct sim *sim, const char *type, const char *text) {
    struct followed *all = followed_of();
    AUTO(json_release) json_t *data = NULL;
    if (err_failed(json_parse_wrapped(bytes_of(text), &data, NULL))) {
        sim_fail(sim, "an event of owner:NAME is no JSON: %s", text);
    }
    const char *id = word(data, "id");
    const bool run = strcmp(type, "run_changed") == 0;
    if (!run && strcmp(type, "session_changed") != 0 && strcmp(type, "approval_changed") != 0) {
        return;
    }
    struct folded *row = folded_find(id);
    if (row == NULL) {
        if (all->count == ROWS_MAX) {
            sim_fail(sim, "more rows than a fold has room for");
        }
        row = &all->rows[all->count++];
        (void)snprintf(row->id, sizeof row->id, "%s", id);
    }
    row->removed = json_is_true(json_object_get(data, "removed"));
    if (run) {
        (void)snprintf(row->said, sizeof row->said, "%s/%s/%s", word(data, "state"),
                       word(data, "gate"), word(data, "cause"));
    } else {
        (void)snprintf(row->said, sizeof row->said, "%.100s",
                       word(data, type[0] == 's' ? "title" : "state"));
    }
}

/* False: nobody serves, so nobody knows. */
static bool fold(struct sim *sim) {
    struct followed *all = followed_of();
    char after[24];
    (void)snprintf(after, sizeof after, "%lld", (long long)all->seq);
    struct sqlite3_stmt *rows =
        rows_open(sim,
                  "SELECT e.seq, e.type, e.data FROM streams s JOIN events e ON e.stream = s.id"
                  " WHERE s.owner = '" KNOWN_OWNER "' AND s.name = 'owner:" KNOWN_OWNER "'"
                  " AND e.seq > CAST($1 AS INTEGER) ORDER BY e.seq",
                  TEXTS(after));
    while (rows != NULL && stmt_step(sim, rows)) {
        all->seq = row_int(rows, 0);
        row_fold(sim, row_text(rows, 1), row_text(rows, 2));
    }
    return rows != NULL;
}

/* --- Comparing -------------------------------------------------------------------------------- */

static void said_check(struct sim *sim, const char *id, const char *said) {
    struct folded *row = folded_find(id);
    if (row == NULL || row->removed || strcmp(row->said, said) != 0) {
        sim_fail(sim, "%s is '%s', and its last event in owner:NAME says '%s'", id, said,
                 row == NULL    ? "nothing"
                 : row->removed ? "removed"
                                : row->said);
    }
    row->met = true;
}

static void rows_check(struct sim *sim, const char *sql) {
    struct sqlite3_stmt *rows = rows_open(sim, sql, TEXTS(NULL));
    while (rows != NULL && stmt_step(sim, rows)) {
        said_check(sim, row_text(rows, 0), row_text(rows, 1));
    }
}

/* A shown gate may be another one than the stored gate, so gates are compared commit by commit. */
static void all_check(struct sim *sim) {
    struct followed *all = followed_of();
    if (!fold(sim)) {
        return;
    }
    for (size_t i = 0; i < all->count; i++) {
        all->rows[i].met = false;
    }
    rows_check(sim, "SELECT session, substr(title, 1, 100) FROM sessions WHERE hidden = 0"
                    " AND COALESCE(archived_ms, 0) <> made_ms"
                    " AND owner = '" KNOWN_OWNER "'");
    rows_check(sim, "SELECT a.approval, a.state FROM approvals a LEFT JOIN sessions s"
                    " ON s.id = a.session WHERE COALESCE(s.hidden, 0) = 0"
                    " AND a.owner = '" KNOWN_OWNER "'");
    struct sqlite3_stmt *rows =
        rows_open(sim,
                  "SELECT run, state, session IN"
                  " (SELECT session FROM sessions WHERE hidden <> 0)"
                  " FROM runs WHERE parent = 0 AND owner = '" KNOWN_OWNER "'",
                  TEXTS(NULL));
    while (rows != NULL && stmt_step(sim, rows)) {
        struct folded *row = folded_find(row_text(rows, 0));
        const size_t len = strlen(row_text(rows, 1));
        const bool leaving = row_int(rows, 2) != 0; /* With its session, page by page. */
        if (leaving && (row == NULL || row->removed)) {
            continue;
        }
        if (row == NULL || row->removed || strncmp(row->said, row_text(rows, 1), len) != 0) {
            sim_fail(sim, "%s is '%s', and its last event in owner:NAME says '%s'",
                     row_text(rows, 0), row_text(rows, 1), row == NULL ? "nothing" : row->said);
        }
        row->met = true;
    }
    for (size_t i = 0; rows != NULL && i < all->count; i++) {
        const struct folded *row = &all->rows[i];
        if (!row->met && !row->removed && strncmp(row->id, "apr_", 4) != 0) {
            sim_fail(sim, "%s is in no list, and owner:NAME has it as '%s'", row->id, row->said);
        }
    }
}

/* --- The part --------------------------------------------------------------------------------- */

static void noted(struct sim *sim, const struct run_row *row) {
    struct followed *all = followed_of();
    (void)sim;
    if (row->parent != 0 || !bytes_is(row->owner, KNOWN_OWNER) || all->noted_count == NOTED_MAX) {
        return;
    }
    struct noted *one = &all->noted[all->noted_count++];
    (void)snprintf(one->id, sizeof one->id, "%.*s", (int)row->run.len, row->run.data);
    (void)snprintf(one->said, sizeof one->said, "%s/%s/%s", run_state_name(row->state),
                   run_gate_name(run_gate_shown(row)), run_cause_name(row->cause));
}

/* The newest note of a run is what it has become. */
static void look(struct sim *sim) {
    struct followed *all = followed_of();
    if (all->noted_count == 0) {
        return;
    }
    for (size_t i = fold(sim) ? all->noted_count : 0; i > 0; i--) {
        const struct noted *one = &all->noted[i - 1];
        bool newer = false;
        for (size_t j = i; j < all->noted_count && !newer; j++) {
            newer = strcmp(all->noted[j].id, one->id) == 0;
        }
        const struct folded *row = folded_find(one->id);
        if (!newer && !(row != NULL && row->removed)) {
            said_check(sim, one->id, one->said);
        }
    }
    all->noted_count = 0;
}

static void opened(struct sim *sim) {
    followed_of()->noted_count = 0;
    all_check(sim);
}

static void begin(struct sim *sim) {
    (void)sim;
    *followed_of() = (struct followed){.count = 0};
}

const struct sim_part part_followed = {.name = "followed",
                                       .begin = begin,
                                       .opened = opened,
                                       .noted = noted,
                                       .look = look,
                                       .end = all_check};
