/* check_points.c: invariants of the points of the project.
 *
 * begins      a call that writes has its point before it in the rows, or has waited POINT_WAIT_MS,
 *             or the folder could not be read; no wait is longer
 * rows        a point holds the tree of the pass that took it; one whose call began before its
 *             folder was read is late; the point after a call closes it; no call of a run that has
 *             ended is open at a later point
 * authors     when all is at rest, each step between two trees: the author of each change in it is
 *             named, and no author is named that had no call open
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asks.h"
#include "dispatch/changes/points.h"
#include "folder.h"
#include "inside.h"
#include "main/work.h"
#include "ops.h"
#include "rules/changes/authors.h"

enum { POINTS_MAX = 8192, TURN_OF_LOOP_MS = 1000, TROUBLE_MS = 61 * 1000 };
#define MS_NS UINT64_C(1000000)

struct seen_point {
    int64_t number, world, session, run, closed;
    size_t tree;
    bool late, gone; /* gone: deleted. */
    enum point_phase phase;
    char point[ID_SIZE], run_id[ID_SIZE];
    char call[POINT_CALL_MAX + 1], path[FOLDER_PATH_MAX];
    struct folder_pass pass;
    uint64_t asked_ns; /* When its call was about to begin; of others when it was stored. */
    uint64_t stored_ns;
};

static struct {
    struct seen_point points[POINTS_MAX];
    size_t count;
    int64_t top; /* Highest number of a row that was seen. */
    unsigned prunes;
    unsigned changes, named, shared, unknown, late; /* For the trace. */
} rows;

/* --- A call begins ---------------------------------------------------------------------------- */

/* A pass that failed: for a minute nothing is taken. */
static bool trouble_is_near(struct sim *sim) {
    struct points_stats stats;
    points_get_stats(work_changes_api(sim_life(sim)->work).points, &stats);
    struct sim_folder *folder = folder_seen();
    if (stats.failed != folder->failed) {
        folder->failed = stats.failed;
        folder->trouble_ns = sim_now_ns(sim);
    }
    return folder->trouble_ns > 0 && sim_now_ns(sim) - folder->trouble_ns <= TROUBLE_MS * MS_NS;
}

static bool run_is_there(struct sim *sim, const char *run) {
    return rows_number(sim, "SELECT count(*) FROM runs WHERE run = $1", TEXTS(run), 0) > 0;
}

static void wait_check(struct sim *sim, const struct folder_call *call) {
    const uint64_t waited_ms = (sim_now_ns(sim) - call->asked_ns) / MS_NS;
    if (waited_ms > POINT_WAIT_MS + TURN_OF_LOOP_MS && sim->still_ns < call->asked_ns) {
        sim_fail(sim, "%s of %s waits %llu ms for the point before it", call->call, call->run,
                 (unsigned long long)waited_ms);
    }
}

/* The commit may have been in this very step. */
void points_check_begin(struct sim *sim, struct folder_call *call) {
    const uint64_t waited_ms = (sim_now_ns(sim) - call->asked_ns) / MS_NS;
    wait_check(sim, call);
    points_look(sim);
    if (call->point[0] != '\0' || !sim_life(sim)->ready) {
        return;
    }
    if (waited_ms + 1 >= POINT_WAIT_MS) { /* The loop counts whole milliseconds. */
        call->wait = CALL_BEGAN_LATE;
        rows.late++;
    } else if (!trouble_is_near(sim) && run_is_there(sim, call->run)) {
        sim_fail(sim, "%s of %s begins after %llu ms, and has no point before it", call->call,
                 call->run, (unsigned long long)waited_ms);
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

static enum point_phase phase_read(const char *name) {
    size_t phase = 0;
    while (strcmp(point_phase_names[phase], name) != 0) {
        phase++;
    }
    return (enum point_phase)phase;
}

static void column_take(char *to, size_t size, const char *text) {
    (void)snprintf(to, size, "%s", text == NULL ? "" : text);
}

#define POINT_ROWS                                                                                 \
    "SELECT p.id, p.world, p.session, p.run, p.late, p.closed, p.point, p.tree, p.call, p.phase,"  \
    " p.path, COALESCE(r.run, '') FROM points p LEFT JOIN runs r ON r.id = p.run"

static void row_take(struct sqlite3_stmt *stmt, struct seen_point *point) {
    *point = (struct seen_point){.number = row_int(stmt, 0),
                                 .world = row_int(stmt, 1),
                                 .session = row_int(stmt, 2),
                                 .run = row_int(stmt, 3),
                                 .late = row_int(stmt, 4) != 0,
                                 .closed = row_int(stmt, 5),
                                 .tree = folder_tree_read(row_text(stmt, 7)),
                                 .phase = phase_read(row_text(stmt, 9))};
    column_take(point->point, sizeof point->point, row_text(stmt, 6));
    column_take(point->call, sizeof point->call, row_text(stmt, 8));
    column_take(point->path, sizeof point->path, row_text(stmt, 10));
    column_take(point->run_id, sizeof point->run_id, row_text(stmt, 11));
}

static void before_check(struct sim *sim, struct seen_point *point) {
    struct folder_call *call = folder_call_find(point->run_id, point->call, UINT64_MAX);
    if (call == NULL || call->point[0] != '\0') {
        return; /* A job; or a call that is asked for again in each life. */
    }
    if (!point->late && call->asked_ns > point->pass.began_ns) {
        sim_fail(sim, "%s of %s has its point of a pass that had begun before it", call->call,
                 call->run);
    }
    memcpy(call->point, point->point, sizeof call->point);
    point->asked_ns = call->asked_ns;
    const bool began = call->wait == CALL_BEGAN || call->wait == CALL_BEGAN_LATE;
    if (began && !point->late && call->began_ns < point->pass.read_ns) {
        sim_fail(sim, "%s of %s began before its folder was read, and its point is not late",
                 call->call, call->run);
    }
}

static void after_check(struct sim *sim, const struct seen_point *point) {
    const struct ask_number world = ask_number(point->world), run = ask_number(point->run),
                            number = ask_number(point->number);
    if (rows_number(sim,
                    "SELECT count(*) FROM points WHERE world = $1 AND run = $2 AND call = $3"
                    " AND phase = 'before' AND closed > $4 AND id < $4",
                    TEXTS(world.text, run.text, point->call, number.text), 0) > 0) {
        sim_fail(sim, "%s of %s has its point after it, and is open still", point->call,
                 point->run_id);
    }
}

static void open_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct seen_point *last = ctx;
    const uint64_t ended_ns = folder_run_ended_ns(row->text[0].data);
    if (ended_ns > 0 && ended_ns < last->pass.began_ns) {
        sim_fail(sim, "%s of %s is open, and its run has ended before the last point",
                 row->text[1].data, row->text[0].data);
    }
}

static void row_check(struct sim *sim, struct seen_point *point) {
    const struct sim_folder *folder = folder_seen();
    point->pass = folder->pass;
    point->stored_ns = point->asked_ns = sim_now_ns(sim);
    if (point->tree != folder->pass.tree || folder->pass.read_ns == 0) {
        sim_fail(sim, "a point has %zu changes, and the last pass read %zu", point->tree,
                 folder->pass.tree);
    }
    if (point->phase == POINT_BEFORE) {
        before_check(sim, point);
    } else if (point->phase == POINT_AFTER) {
        after_check(sim, point);
    }
}

/* Rows that are deleted at the end leave their numbers to others. */
void points_look(struct sim *sim) {
    if (!folder_plays(&sim->options) || !sim_life(sim)->ready) {
        return;
    }
    const size_t count = rows.count;
    const struct ask_number from = ask_number(rows.top);
    struct sqlite3_stmt *stmt =
        rows_open(sim, POINT_ROWS " WHERE p.id > $1 ORDER BY p.id", TEXTS(from.text));
    while (stmt != NULL && stmt_step(sim, stmt)) {
        if (rows.count < POINTS_MAX) {
            row_take(stmt, &rows.points[rows.count++]);
        }
    }
    rows.top = rows_number(sim, "SELECT COALESCE(MAX(id), 0) FROM points", NULL, rows.top);
    for (size_t i = count; i < rows.count; i++) {
        row_check(sim, &rows.points[i]);
    }
    if (rows.count > count) {
        struct seen_point *last = &rows.points[rows.count - 1];
        const struct ask_number world = ask_number(last->world);
        ask_each(
            sim,
            "SELECT r.run, p.call FROM points p JOIN runs r ON r.id = p.run WHERE p.world = $1"
            " AND p.closed = 9223372036854775807 AND r.ended_ms < (SELECT l.at_ms FROM points l"
            "  WHERE l.world = $1 ORDER BY l.id DESC LIMIT 1)",
            TEXTS(world.text), open_take, last);
    }
}

/* A power cut may have taken the last rows back; their numbers come again. */
static void points_opened(struct sim *sim) {
    rows.top = rows_number(sim, "SELECT COALESCE(MAX(id), 0) FROM points", NULL, 0);
    while (rows.count > 0 && rows.points[rows.count - 1].number > rows.top) {
        rows.count--;
    }
    rows.top = rows.count == 0 ? 0 : rows.points[rows.count - 1].number;
    points_look(sim);
}

static void kept_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const char *keep = ctx;
    if (strstr(keep, row->text[0].data) == NULL) {
        sim_fail(sim, "the objects of the tree %s are deleted, and a point holds it",
                 row->text[0].data);
    }
}

void points_check_kept(struct sim *sim, const char *repository, const char *host,
                       const char *keep) {
    ask_each(sim,
             "SELECT DISTINCT p.tree FROM points p JOIN worlds w ON w.id = p.world"
             " WHERE w.repository = $1 AND w.host = $2",
             TEXTS(repository, host), kept_take, (void *)keep);
    rows.prunes++;
}

static void points_step(struct sim *sim) {
    const struct sim_folder *folder = folder_seen();
    if (folder->waiting == 0 || !sim_life(sim)->ready || sim_now_ns(sim) < sim->still_ns) {
        return;
    }
    size_t left = folder->waiting;
    for (size_t i = folder->call_count; i > 0 && left > 0; i--) {
        const struct folder_call *call = &folder->calls[i - 1];
        if (call->wait == CALL_WAITS && call->life == sim_life(sim)->number) {
            wait_check(sim, call);
            left--;
        }
    }
}

/* --- Authors ---------------------------------------------------------------------------------- */

struct judging {
    struct sim *sim;
    struct authors authors;
    const struct seen_point *last[AUTHORS_STEPS_MAX];  /* Before each step, */
    const struct seen_point *first[AUTHORS_STEPS_MAX]; /* and at its end. */
    uint64_t marked_ns[AUTHORS_STEPS_MAX]; /* Begin of the pass before the one of `last`. */
    size_t last_named;                     /* Number of the author that is looked at. */
};

static const struct seen_point *point_named(const char *point) {
    for (size_t i = 0; i < rows.count; i++) {
        if (!rows.points[i].gone && strcmp(rows.points[i].point, point) == 0) {
            return &rows.points[i];
        }
    }
    return NULL;
}

/* The point before the call that wrote the change; NULL: none is in the rows. */
static const struct seen_point *before_find(const struct folder_change *change) {
    const struct folder_call *call = folder_call_find(change->run, change->call, change->at_ns);
    if (call != NULL) {
        return call->point[0] == '\0' || (call->ended_ns > 0 && call->ended_ns < change->at_ns)
                   ? NULL
                   : point_named(call->point);
    }
    for (size_t i = 0; i < rows.count && strcmp(change->call, "job") == 0; i++) {
        const struct seen_point *point = &rows.points[i];
        if (!point->gone && point->phase == POINT_BEFORE && point->stored_ns <= change->at_ns &&
            strcmp(point->run_id, change->run) == 0) {
            return point;
        }
    }
    return NULL;
}

static int64_t author_bit(const struct authors *authors, const struct seen_point *point) {
    for (size_t i = 0; i < authors->count; i++) {
        if (authors->list[i].session == point->session &&
            (point->session != 0 || authors->list[i].run == point->run)) {
            return INT64_C(1) << i;
        }
    }
    return INT64_C(1) << AUTHOR_OTHERS;
}

static void points_show(struct sim *sim, int64_t world) {
    for (size_t i = 0; i < rows.count; i++) {
        const struct seen_point *point = &rows.points[i];
        if (point->world == world) {
            sim_trace(sim, "%s%lld: %zu changes, %s%s, %s %s '%s', closed %lld",
                      point->gone ? "gone: " : "", (long long)point->number, point->tree,
                      point_phase_names[point->phase], point->late ? ", late" : "", point->run_id,
                      point->call, point->path, (long long)point->closed);
        }
    }
}

/* A path that a tool names is of the calls that name it: a command that wrote it, too, is not
 * seen. */
static void change_judge(struct judging *judging, size_t step, const struct folder_change *change) {
    const struct author_step *at = &judging->authors.steps[step];
    const struct seen_point *point =
        change->run[0] == '\0' || change->orphan ? NULL : before_find(change);
    if (point == NULL || point->world != judging->first[step]->world) {
        rows.unknown++;
        return;
    }
    int64_t by = at->by;
    for (size_t i = 0; i < at->named_count; i++) {
        if (strcmp(at->named[i].path, change->path) == 0) {
            by = at->named[i].by;
            if (strcmp(point->path, change->path) != 0) {
                return;
            }
        }
    }
    rows.named++;
    rows.shared += (by & (by - 1)) != 0;
    if ((by & author_bit(&judging->authors, point)) == 0) {
        points_show(judging->sim, point->world);
        sim_fail(judging->sim,
                 "a change of %s by %s of %s, in the step to point %lld, is not said to be its own",
                 change->path, change->call, change->run, (long long)judging->first[step]->number);
    }
}

/* The point that closes the call: after the call, or at the end of its run. */
enum closing { CLOSED_BY_NEXT, CLOSED_BY_END, CLOSED_BY_AFTER };
static enum closing closing_find(const struct seen_point *before) {
    enum closing closing = CLOSED_BY_NEXT;
    for (const struct seen_point *point = before + 1; point < rows.points + rows.count; point++) {
        if (point->run != before->run || point->world != before->world) {
            continue;
        }
        if (point->phase == POINT_AFTER && strcmp(point->call, before->call) == 0) {
            return CLOSED_BY_AFTER;
        }
        closing = point->phase == POINT_END ? CLOSED_BY_END : closing;
    }
    return closing;
}

/* Whether its call may have written between the pass before the step and the one that ends it. The
 * point after a call may be lost in a crash. A call that no point of its own closes is open for one
 * more pass after the end of its run. */
static bool was_open(const struct judging *judging, size_t step, const struct seen_point *before) {
    const struct folder_call *call = NULL;
    const struct sim_folder *folder = folder_seen();
    for (size_t i = 0; i < folder->call_count && call == NULL; i++) {
        call = strcmp(folder->calls[i].point, before->point) == 0 ? &folder->calls[i] : NULL;
    }
    const uint64_t run_ns = folder_run_ended_ns(before->run_id), late_ns = MS_NS * TURN_OF_LOOP_MS;
    const enum closing closing = closing_find(before);
    uint64_t ended_ns = run_ns > 0 && before->run_id[0] != '\0' ? run_ns : UINT64_MAX - late_ns;
    if (call != NULL && call->ended_ns > 0 && call->ended_ns < ended_ns &&
        closing == CLOSED_BY_AFTER) {
        ended_ns = call->ended_ns;
    }
    return (before->asked_ns <= judging->first[step]->pass.read_ns || before->late) &&
           ended_ns + late_ns >= (closing == CLOSED_BY_NEXT ? judging->marked_ns[step]
                                                            : judging->last[step]->pass.began_ns);
}

/* Each author in the set had a call open that may write the path. */
static void set_judge(struct judging *judging, size_t step, int64_t by, const char *path) {
    for (size_t i = 0; i < judging->authors.count; i++) {
        const int64_t bit = INT64_C(1) << i;
        bool open = (by & bit) == 0;
        for (size_t j = 0; j < rows.count && !open; j++) {
            const struct seen_point *point = &rows.points[j];
            open = !point->gone && point->phase == POINT_BEFORE &&
                   point->world == judging->first[step]->world &&
                   author_bit(&judging->authors, point) == bit && strcmp(point->path, path) == 0 &&
                   was_open(judging, step, point);
        }
        if (!open) {
            points_show(judging->sim, judging->first[step]->world);
            sim_fail(judging->sim,
                     "changes of %s in the step to point %lld are said to be of session %lld, run"
                     " %lld, which had no call open",
                     path[0] == '\0' ? "any path" : path, (long long)judging->first[step]->number,
                     (long long)judging->authors.list[i].session,
                     (long long)judging->authors.list[i].run);
        }
    }
}

static void step_judge(struct judging *judging, size_t step) {
    const struct author_step *at = &judging->authors.steps[step];
    const struct sim_folder *folder = folder_seen();
    const size_t from = judging->last[step]->tree, to = judging->first[step]->tree;
    if (from > to || to > folder->change_count) {
        sim_fail(judging->sim, "a point holds less than the one before it");
    }
    for (size_t i = from; i < to; i++) {
        rows.changes++;
        change_judge(judging, step, &folder->changes[i]);
    }
    set_judge(judging, step, at->by, "");
    for (size_t i = 0; i < at->named_count; i++) {
        set_judge(judging, step, at->named[i].by, at->named[i].path);
    }
}

static void world_judge(struct sim *sim, int64_t world) {
    static struct judging judging;
    const struct seen_point *last = NULL;
    uint64_t marked_ns = 0;
    memset(&judging, 0, sizeof judging);
    judging.sim = sim;
    for (size_t i = 0; i < rows.count; i++) {
        const struct seen_point *at = &rows.points[i];
        if (at->world != world || at->gone) {
            continue;
        }
        const struct folder_tree tree = folder_tree_write(at->tree);
        const struct point point = {.number = at->number,
                                    .tree = bytes_of(tree.text),
                                    .session = at->session,
                                    .run = at->run,
                                    .call = bytes_of(at->call),
                                    .phase = at->phase,
                                    .path = bytes_of(at->path),
                                    .late = at->late,
                                    .closed = at->closed};
        const size_t steps = judging.authors.step_count;
        authors_add(&judging.authors, &point);
        if (judging.authors.step_count > steps) {
            judging.last[steps] = last;
            judging.first[steps] = at;
            judging.marked_ns[steps] = marked_ns;
        }
        marked_ns = last != NULL && last->pass.began_ns != at->pass.began_ns ? last->pass.began_ns
                                                                             : marked_ns;
        last = at;
    }
    for (size_t step = 0; step < judging.authors.step_count; step++) {
        step_judge(&judging, step);
    }
    authors_done(&judging.authors);
}

static void points_end(struct sim *sim) {
    if (!folder_plays(&sim->options)) {
        return;
    }
    int64_t worlds = 0;
    size_t at = 0;
    struct sqlite3_stmt *stmt =
        rows_open(sim, "SELECT point, closed, world FROM points ORDER BY id", NULL);
    for (; stmt != NULL && stmt_step(sim, stmt) && at < rows.count; at++) {
        while (at < rows.count && strcmp(rows.points[at].point, row_text(stmt, 0)) != 0) {
            rows.points[at++].gone = true;
        }
        assert(at < rows.count);
        rows.points[at].closed = row_int(stmt, 1);
        worlds = row_int(stmt, 2) > worlds ? row_int(stmt, 2) : worlds;
    }
    for (; at < rows.count; at++) {
        rows.points[at].gone = true;
    }
    for (int64_t world = 1; world <= worlds; world++) {
        world_judge(sim, world);
    }
    sim_trace(sim,
              "points: %zu, of %zu changes %u stood in steps, %u had an author, %u of these"
              " several, %u none; %u calls began late; %u prunes",
              rows.count, folder_seen()->change_count, rows.changes, rows.named, rows.shared,
              rows.unknown, rows.late, rows.prunes);
}

static void points_begin(struct sim *sim) {
    (void)sim;
    memset(&rows, 0, sizeof rows);
}

const struct sim_part part_check_points = {.name = "check points",
                                           .begin = points_begin,
                                           .opened = points_opened,
                                           .step = points_step,
                                           .look = points_look,
                                           .end = points_end};
