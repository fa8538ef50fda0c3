/* check_followed.c: the fold of a client over owner:NAME, and over `system`, is equal to the rows.
 *
 * Checked:
 *   - after each commit, of each run inside no other that it has touched: the last run_changed has
 *     its state, gate and cause;
 *   - in each life, and in the end: the last event of each id says what the rows of runs, sessions,
 *     approvals, providers and settings say, and whether the daemon holds; and there is one for
 *     each of them, and no other;
 *   - in the end, of hosts: the leader has met all of them by then. */
#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "hosts.h"
#include "jobs.h"
#include "known.h"
#include "ops.h"
#include "rows.h"

enum { ROWS_MAX = 4096, SAID_SIZE = 160, NOTED_MAX = 1024, PLACE_SIZE = 32, STREAMS = 2 };

static const char *const followed_streams[STREAMS] = {"owner:" KNOWN_OWNER, "system"};

struct folded {
    char id[ID_SIZE + 16]; /* In `system`: "setting/effort", "host/PLACE", "hold/". */
    char said[SAID_SIZE];
    char session[ID_SIZE]; /* Session of an approval. */
    bool removed, met;
};

struct noted {
    char id[ID_SIZE];
    char said[SAID_SIZE];
};

struct followed {
    struct folded rows[ROWS_MAX];
    size_t count;
    int64_t seq[STREAMS];
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

static struct folded *folded_get(struct sim *sim, const char *id) {
    struct followed *all = followed_of();
    struct folded *row = folded_find(id);
    if (row == NULL) {
        if (all->count == ROWS_MAX) {
            sim_fail(sim, "more rows than a fold has room for");
        }
        row = &all->rows[all->count++];
        (void)snprintf(row->id, sizeof row->id, "%s", id);
    }
    return row;
}

/* `data` of an event of a setting has the stored JSON of its value. */
static void system_fold(struct sim *sim, const char *type, const json_t *data, const char *text) {
    char id[sizeof((struct folded *)NULL)->id];
    const char *key = strcmp(type, "host_changed") == 0 ? word(data, "place") : word(data, "name");
    if (strcmp(type, "budget_changed") == 0) {
        return;
    }
    (void)snprintf(id, sizeof id, "%.*s/%s", (int)strcspn(type, "_"), type, key);
    struct folded *row = folded_get(sim, id);
    row->removed = json_is_true(json_object_get(data, "removed"));
    if (strcmp(type, "host_changed") == 0) {
        (void)snprintf(
            row->said, sizeof row->said, "%s/%s/%lld/%s", word(data, "name"), word(data, "version"),
            (long long)json_integer_value(json_object_get(data, "made_ms")), word(data, "role"));
    } else if (strcmp(type, "provider_changed") == 0) {
        (void)snprintf(row->said, sizeof row->said, "%s", word(data, "kind"));
    } else {
        (void)snprintf(row->said, sizeof row->said, "%.150s", text);
    }
}

static void owner_fold(struct sim *sim, const char *type, const json_t *data) {
    const bool run = strcmp(type, "run_changed") == 0;
    if (!run && strcmp(type, "session_changed") != 0 && strcmp(type, "approval_changed") != 0) {
        return;
    }
    struct folded *row = folded_get(sim, word(data, "id"));
    row->removed = json_is_true(json_object_get(data, "removed"));
    if (run) {
        (void)snprintf(row->said, sizeof row->said, "%s/%s/%s", word(data, "state"),
                       word(data, "gate"), word(data, "cause"));
    } else {
        (void)snprintf(row->said, sizeof row->said, "%.100s",
                       word(data, type[0] == 's' ? "title" : "state"));
        (void)snprintf(row->session, sizeof row->session, "%s", word(data, "session"));
    }
}

/* False: nobody serves, so nobody knows. */
static bool fold(struct sim *sim, size_t stream) {
    int64_t *seq = &followed_of()->seq[stream];
    char after[24];
    (void)snprintf(after, sizeof after, "%lld", (long long)*seq);
    struct sqlite3_stmt *rows = rows_open(
        sim,
        "SELECT e.seq, e.type, e.data FROM streams s JOIN events e ON e.stream = s.id"
        " WHERE s.owner = '" KNOWN_OWNER "' AND s.name = $1 AND e.seq > CAST($2 AS INTEGER)"
        " ORDER BY e.seq",
        TEXTS(followed_streams[stream], after));
    while (rows != NULL && stmt_step(sim, rows)) {
        const char *text = row_text(rows, 2);
        AUTO(json_release) json_t *data = NULL;
        *seq = row_int(rows, 0);
        if (err_failed(json_parse_wrapped(bytes_of(text), &data, NULL))) {
            sim_fail(sim, "an event of %s is no JSON: %s", followed_streams[stream], text);
        }
        if (stream == 0) {
            owner_fold(sim, row_text(rows, 1), data);
        } else {
            system_fold(sim, row_text(rows, 1), data, text);
        }
    }
    return rows != NULL;
}

/* --- Comparing -------------------------------------------------------------------------------- */

static void said_check(struct sim *sim, const char *id, const char *said) {
    struct folded *row = folded_find(id);
    if (row == NULL || row->removed || strcmp(row->said, said) != 0) {
        sim_fail(sim, "%s is '%s', and its last event says '%s'", id, said,
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

/* The leader meets a host with its next sign of life. */
static bool hosts_check(struct sim *sim, bool must) {
    char ours[PLACE_SIZE];
    const unsigned acted = hosts_enter(sim, sim->leader);
    hosts_place(sim, ours, sizeof ours);
    (void)hosts_enter(sim, acted);
    struct sqlite3_stmt *rows =
        rows_open(sim,
                  "SELECT 'host/' || place, name || '/' || version || '/' || made_ms || '/'"
                  " || CASE place WHEN $1 THEN 'leader' ELSE 'standby' END FROM hosts",
                  TEXTS(ours));
    bool all = fold(sim, 1);
    while (rows != NULL && stmt_step(sim, rows)) {
        const struct folded *row = folded_find(row_text(rows, 0));
        all = all && row != NULL && !row->removed && strcmp(row->said, row_text(rows, 1)) == 0;
        if (must) {
            said_check(sim, row_text(rows, 0), row_text(rows, 1));
        }
    }
    return all;
}

/* A release is stored after the hold has ended. */
static bool hold_told(struct sim *sim) {
    const struct folded *hold = folded_find("hold/");
    const char *said = hold == NULL ? "{\"held\":false}" : hold->said;
    return strcmp(said, jobs_held(sim) ? "{\"held\":true}" : "{\"held\":false}") == 0;
}

static void system_check(struct sim *sim) {
    (void)fold(sim, 1);
    rows_check(sim, "SELECT 'setting/' || name, substr('{\"name\":\"' || name || '\",\"value\":'"
                    " || value || '}', 1, 150) FROM settings");
    rows_check(sim, "SELECT 'provider/' || name, kind FROM providers");
    if (jobs_held(sim) && !hold_told(sim)) {
        sim_fail(sim, "the daemon holds, and `system` does not say so");
    }
}

static void unlisted_check(struct sim *sim) {
    const struct followed *all = followed_of();
    for (size_t i = 0; i < all->count; i++) {
        const struct folded *row = &all->rows[i];
        const struct folded *session = folded_find(row->session);
        const bool other = strncmp(row->id, "host/", 5) == 0 || strncmp(row->id, "hold/", 5) == 0;
        const bool gone = row->session[0] != '\0' && (session == NULL || session->removed);
        if (!row->met && !row->removed && !other && !gone) {
            sim_fail(sim, "%s is in no list, and its stream has it as '%s'", row->id, row->said);
        }
    }
}

/* A shown gate may be another one than the stored gate, so gates are compared commit by commit. */
static void all_check(struct sim *sim) {
    struct followed *all = followed_of();
    if (!fold(sim, 0)) {
        return;
    }
    for (size_t i = 0; i < all->count; i++) {
        all->rows[i].met = false;
    }
    system_check(sim);
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
            sim_fail(sim, "%s is '%s', and its last event says '%s'", row_text(rows, 0),
                     row_text(rows, 1), row == NULL ? "nothing" : row->said);
        }
        row->met = true;
    }
    if (rows != NULL) {
        unlisted_check(sim);
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
    for (size_t i = fold(sim, 0) ? all->noted_count : 0; i > 0; i--) {
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

static bool rest(struct sim *sim, bool must) {
    const bool all = hosts_check(sim, must) && hold_told(sim);
    if (must && !hold_told(sim)) {
        sim_fail(sim, "the daemon does not hold any more, and `system` says that it does");
    }
    return all;
}

const struct sim_part part_followed = {.name = "followed",
                                       .begin = begin,
                                       .opened = opened,
                                       .noted = noted,
                                       .look = look,
                                       .rest = rest,
                                       .end = all_check};
