/* span.c: the points between which the changes of a session or a run lie, and their authors.
 *
 * A session's changes are those of its subagents, too; a run's are those of all runs below it. Both
 * go from the first of their points to the last, in the world of the last one, through all points
 * of that world, of all sessions: so what others changed meanwhile is in them, with its author.
 */
#include "base/limits.h"
#include "engine/changes/points.h"
#include "engine/run/rows.h"
#include "engine/session/rows.h"

enum {
    POINTS_READ_MAX = 50000, /* Points of a span; authors of further ones are unknown. */
    HEAD_MAX = 64 << 10,
    PEOPLE_MAX = 256 << 10,
    VIEWED_BYTES_MAX = 4 << 20,
    TREE_SIZE = 65,
    REPOSITORY_SIZE = 128,
};

void changes_span_done(struct changes_span *span) {
    text_done(&span->repository);
    text_done(&span->path);
    text_done(&span->from);
    text_done(&span->to);
    text_done(&span->head);
    text_done(&span->people);
    text_done(&span->viewed);
    authors_done(&span->authors);
    *span = (struct changes_span){.found = false};
}

/* --- The points of a scope -------------------------------------------------------------------- */

struct span_scope {
    bool is_session;
    int64_t number; /* Row of the session or the run. */
};

#define FAMILY                                                                                     \
    "WITH RECURSIVE family(id) AS (SELECT id FROM sessions WHERE id = $1 UNION"                    \
    " SELECT s.id FROM sessions s JOIN family f ON s.parent = f.id) "
#define OF_SESSION FAMILY "SELECT COALESCE("
#define IN_SESSION "(p.id), 0) FROM points p WHERE p.session IN (SELECT id FROM family)"
#define IN_RUN                                                                                     \
    "(p.id), 0) FROM points p WHERE p.run IN (SELECT id FROM runs WHERE id = $1 OR root = $1)"

static int64_t scope_last(struct tx *tx, const struct span_scope *scope) {
    static const char of_session[] = OF_SESSION "MAX" IN_SESSION;
    static const char of_run[] = "SELECT COALESCE(MAX" IN_RUN;
    return tx_number(tx, scope->is_session ? of_session : of_run, ARGS(arg_int(scope->number)));
}

/* The first one in the world of the last, of runs from `run` on. */
struct span_part {
    int64_t world, run;
};
static int64_t scope_first(struct tx *tx, const struct span_scope *scope,
                           const struct span_part *part) {
    static const char of_session[] =
        OF_SESSION "MIN" IN_SESSION " AND p.world = $2 AND p.run >= $3";
    static const char of_run[] = "SELECT COALESCE(MIN" IN_RUN " AND p.world = $2 AND p.run >= $3";
    return tx_number(tx, scope->is_session ? of_session : of_run,
                     ARGS(arg_int(scope->number), arg_int(part->world), arg_int(part->run)));
}

static struct err scope_find(struct tx *tx, const struct changes_question *question,
                             struct span_scope *ret_scope) {
    if (bytes_begin(question->of, BYTES("ses_"))) {
        const struct session_key key = {question->owner, question->of};
        struct session_row session;
        TRY(sessions__get(tx, &key, "changes: session", &session));
        *ret_scope = (struct span_scope){.is_session = true, .number = session.id};
        return tx_error(tx);
    }
    const struct run_key key = {.owner = question->owner, .run = question->of};
    struct run_row run;
    TRY(runs__get(tx, &key, &run));
    *ret_scope = (struct span_scope){.is_session = false, .number = run.id};
    return tx_error(tx);
}

static bool point_find(struct tx *tx, int64_t number, struct point *ret_point) {
    AUTO(rows_release)
    struct rows *rows =
        tx_resource_rows(tx, &point_resource, "points.id = $1", ARGS(arg_int(number)));
    const bool found = rows_step(rows) && resource_row_read(&point_resource, rows, ret_point);
    if (found) {
        tx_resource_copy(tx, &point_resource, ret_point);
    }
    return found;
}

/* A run that began before its first point may have written already: its changes begin at the point
 * before that one, and are shared with others who wrote beside it. */
static int64_t base_before_late(struct tx *tx, int64_t base, int64_t world) {
    const int64_t before =
        tx_number(tx,
                  "SELECT MAX(id) FROM points WHERE world = $1 AND id < $2 AND 0 <"
                  " (SELECT late FROM points WHERE id = $2)",
                  ARGS(arg_int(world), arg_int(base)));
    return before > 0 ? before : base;
}

/* Number of the point where the changes begin. */
static struct err base_find(struct tx *tx, const struct changes_question *question,
                            const struct span_scope *scope, const struct point *to,
                            int64_t *ret_base, struct why *why) {
    struct span_part part = {.world = to->world};
    if (question->base == CHANGES_FROM_POINT) {
        *ret_base =
            tx_number(tx, "SELECT id FROM points WHERE point = $1 AND world = $2 AND id <= $3",
                      ARGS(arg_text(question->point), arg_int(to->world), arg_int(to->number)));
        if (*ret_base == 0 && !err_failed(tx_error(tx))) {
            return err_why(why, ERR_GONE,
                           "the point %.*s is gone, or is of another folder: use base=start",
                           (int)question->point.len, question->point.data);
        }
        return tx_error(tx);
    }
    if (question->base == CHANGES_FROM_TURN) {
        part.run = tx_number(
            tx, "SELECT run FROM turns WHERE session = $1 AND number = $2",
            ARGS(arg_int(scope->is_session ? scope->number : 0), arg_int(question->turn)));
        if (part.run == 0 && !err_failed(tx_error(tx))) {
            return err_why(why, ERR_NOT_FOUND, "the session has no turn %lld",
                           (long long)question->turn);
        }
    }
    *ret_base = base_before_late(tx, scope_first(tx, scope, &part), to->world);
    if (*ret_base == 0) { /* No later turn has a point: there is no change. */
        *ret_base = to->number;
    }
    return tx_error(tx);
}

/* --- Authors ---------------------------------------------------------------------------------- */

static void authors_read(struct tx *tx, const struct point *from, const struct point *to,
                         struct authors *authors) {
    struct point point;
    AUTO(rows_release)
    struct rows *open =
        tx_resource_rows(tx, &point_resource, "world = $1 AND closed > $2 AND id < $2 ORDER BY id",
                         ARGS(arg_int(from->world), arg_int(from->number)));
    while (rows_step(open)) {
        if (resource_row_read(&point_resource, open, &point) && point.phase == POINT_BEFORE) {
            authors_open(authors, &point);
        }
    }
    rows_release(&open);
    int64_t last = 0;
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(
        tx, &point_resource, "world = $1 AND id >= $2 AND id <= $3 ORDER BY id LIMIT $4",
        ARGS(arg_int(from->world), arg_int(from->number), arg_int(to->number),
             arg_int(POINTS_READ_MAX)));
    while (rows_step(rows)) {
        if (resource_row_read(&point_resource, rows, &point)) {
            authors_add(authors, &point);
            last = point.number;
        }
    }
    if (last != to->number) {
        authors->others_opened = true;
        authors_add(authors, to);
    }
}

static int64_t mine_find(struct tx *tx, int64_t session, const struct authors *authors) {
    int64_t mine = 0;
    for (size_t i = 0; i < authors->count; i++) {
        if (authors->list[i].session != 0 &&
            tx_number(tx, FAMILY "SELECT 1 FROM family WHERE id = $2",
                      ARGS(arg_int(session), arg_int(authors->list[i].session))) != 0) {
            mine |= INT64_C(1) << i;
        }
    }
    return mine;
}

static void person_write(struct tx *tx, const struct author *author, struct text *text) {
    struct session_row session;
    const bool known = author->session != 0 && sessions__find_id(tx, author->session, &session);
    const struct bytes run =
        tx_text(tx, "SELECT run FROM runs WHERE id = $1", ARGS(arg_int(author->run)));
    const struct bytes label =
        tx_text(tx, "SELECT label FROM runs WHERE id = $1", ARGS(arg_int(author->run)));
    const struct bytes name = !known                  ? label
                              : session.title.len > 0 ? session.title
                              : session.agent.len > 0 ? session.agent
                                                      : session.session;
    text_add_char(text, '{');
    text_add_member(text, "kind", known ? BYTES("session") : BYTES("run"));
    text_add_member_or_null(text, "session", known ? session.session : BYTES(""));
    text_add_member_or_null(text, "run", run);
    text_add_member_or_null(text, "agent", known ? session.agent : BYTES(""));
    text_add_member(text, "name", name);
    text_add_char(text, '}');
}

static void people_write(struct tx *tx, struct changes_span *span) {
    span->people = text_up_to(PEOPLE_MAX);
    text_add_char(&span->people, '[');
    for (size_t i = 0; i < span->authors.count; i++) {
        text_add_str(&span->people, i > 0 ? "," : "");
        person_write(tx, &span->authors.list[i], &span->people);
    }
    text_add_char(&span->people, ']');
}

/* --- The answer ------------------------------------------------------------------------------- */

static void point_write(const char *name, const struct point *point, struct text *text) {
    text_add_name(text, name);
    fields_write(&point_resource.fields, FIELD_LISTED, point, text);
}

static void head_write(const struct changes_world *world, const struct point *from,
                       const struct point *to, struct text *head) {
    *head = text_up_to(HEAD_MAX);
    text_add_str(head, "\"world\":");
    fields_write(&world_resource.fields, FIELD_LISTED, world, head);
    point_write("from", from, head);
    point_write("to", to, head);
    text_add_str(head, ",\"left_out\":");
    text_add_str(head, world->left_out.len > 0 ? "" : "[]");
    text_add(head, world->left_out.data, world->left_out.len);
    text_add_member_int(head, "left_out_count", world->left_out_count);
}

static void viewed_read(struct tx *tx, struct bytes owner, struct changes_span *span) {
    span->viewed = text_up_to(VIEWED_BYTES_MAX);
    text_add_char(&span->viewed, '{');
    struct viewed row;
    AUTO(rows_release)
    struct rows *rows =
        tx_resource_rows(tx, &viewed_resource, "owner = $1 AND world = $2 ORDER BY id",
                         ARGS(arg_text(owner), arg_int(span->world)));
    for (bool first = true; rows_step(rows);) {
        if (resource_row_read(&viewed_resource, rows, &row)) {
            text_add_str(&span->viewed, first ? "" : ",");
            text_add_json(&span->viewed, row.path.data, row.path.len);
            text_add_char(&span->viewed, ':');
            text_add_json(&span->viewed, row.hash.data, row.hash.len);
            first = false;
        }
    }
    text_add_char(&span->viewed, '}');
}

static bool world_read(struct tx *tx, int64_t number, struct changes_world *ret_world) {
    AUTO(rows_release)
    struct rows *rows =
        tx_resource_rows(tx, &world_resource, "worlds.id = $1", ARGS(arg_int(number)));
    const bool found = rows_step(rows) && resource_row_read(&world_resource, rows, ret_world);
    if (found) {
        tx_resource_copy(tx, &world_resource, ret_world);
    }
    return found;
}

static void text_fill(struct text *text, size_t size_max, struct bytes bytes) {
    *text = text_up_to(size_max);
    text_add(text, bytes.data, bytes.len);
}

struct err tx_changes_find(struct tx *tx, const struct changes_question *question,
                           struct changes_span *ret_span, struct why *why) {
    struct span_scope scope;
    struct point from, to;
    struct changes_world world;
    int64_t base = 0;
    changes_span_done(ret_span);
    TRY(scope_find(tx, question, &scope));
    if (!point_find(tx, scope_last(tx, &scope), &to) || !world_read(tx, to.world, &world)) {
        return tx_error(tx);
    }
    TRY(base_find(tx, question, &scope, &to, &base, why));
    if (!point_find(tx, base, &from)) {
        return tx_error(tx);
    }
    ret_span->found = true;
    ret_span->world = world.number;
    text_fill(&ret_span->repository, REPOSITORY_SIZE, world.repository);
    text_fill(&ret_span->path, LIMIT_PATH_MAX, world.path);
    text_fill(&ret_span->from, TREE_SIZE, from.tree);
    text_fill(&ret_span->to, TREE_SIZE, to.tree);
    authors_read(tx, &from, &to, &ret_span->authors);
    ret_span->mine = scope.is_session ? mine_find(tx, scope.number, &ret_span->authors) : 0;
    people_write(tx, ret_span);
    head_write(&world, &from, &to, &ret_span->head);
    viewed_read(tx, question->owner, ret_span);
    return tx_error(tx);
}

/* --- Runs ------------------------------------------------------------------------------------- */

/* Steps that follow each other are often of one run. */
struct run_name {
    int64_t number;
    struct bytes id;
};

static void run_write(struct tx *tx, int64_t number, struct run_name *last, struct text *json) {
    if (number > 0 && number != last->number) {
        *last = (struct run_name){
            number, tx_text(tx, "SELECT run FROM runs WHERE id = $1", ARGS(arg_int(number)))};
    }
    text_add_str(json, json->len > 1 ? "," : "");
    if (number > 0 && last->id.len > 0) {
        text_add_json(json, last->id.data, last->id.len);
    } else {
        text_add_str(json, "null");
    }
}

struct err tx_author_runs(struct tx *tx, const struct authors *authors, struct text *json) {
    struct run_name last = {.number = 0};
    text_clear(json);
    text_add_char(json, '[');
    for (size_t i = 0; i < authors->step_count; i++) {
        const struct author_step *step = &authors->steps[i];
        run_write(tx, step->run, &last, json);
        for (size_t j = 0; j < step->named_count; j++) {
            run_write(tx, step->named[j].run, &last, json);
        }
    }
    text_add_char(json, ']');
    return text_failed(json) ? tx_fail(tx, text_error(json, "changes: runs")) : tx_error(tx);
}

/* --- Viewed ----------------------------------------------------------------------------------- */

struct err tx_viewed_set(struct tx *tx, const struct viewed_mark *mark, struct why *why) {
    const struct changes_question question = {.owner = mark->owner, .of = mark->of};
    struct span_scope scope;
    struct point last;
    TRY(scope_find(tx, &question, &scope));
    if (!point_find(tx, scope_last(tx, &scope), &last)) {
        TRY(tx_error(tx));
        return err_why(why, ERR_NOT_FOUND, "nothing has changed here, so nothing can be viewed");
    }
    if (mark->hash.data == NULL) {
        tx_do(tx, "DELETE FROM viewed WHERE owner = $1 AND world = $2 AND path = $3",
              ARGS(arg_text(mark->owner), arg_int(last.world), arg_text(mark->path)));
        return tx_error(tx);
    }
    if (tx_number(tx, "SELECT count(*) FROM viewed WHERE owner = $1 AND world = $2",
                  ARGS(arg_text(mark->owner), arg_int(last.world))) >= VIEWED_MAX) {
        return err_why(why, ERR_TOO_MANY, "%d paths of this folder are marked as viewed already",
                       VIEWED_MAX);
    }
    tx_do(tx,
          "INSERT INTO viewed (owner, world, path, hash, at_ms) VALUES ($1, $2, $3, $4, $5)"
          " ON CONFLICT (owner, world, path) DO UPDATE SET hash = EXCLUDED.hash, at_ms = "
          "EXCLUDED.at_ms",
          ARGS(arg_text(mark->owner), arg_int(last.world), arg_text(mark->path),
               arg_text(mark->hash), arg_int(tx_now_ms(tx))));
    return tx_error(tx);
}
