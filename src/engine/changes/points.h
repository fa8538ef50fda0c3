/* points.h: the transactions of worlds and points, and what they say about changes.
 *
 * Promise    a point's row is written when its tree is durable in the shadow repository, and with
 *            it, in one commit, the end of the calls that it closes and changes_changed on the
 *            streams of its sessions and their projects, where the tree is another one. A
 *            point after a call closes that call, the point at the end of a run all of its calls.
 *            Calls that are open still when their run has ended are closed by the second point
 *            from then on, since the tree of the first one may have been read before.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_CHANGES_POINTS_H
#define DROVER_ENGINE_CHANGES_POINTS_H

#include "base/err.h"
#include "base/text.h"
#include "rules/changes/authors.h"
#include "rules/changes/point.h"
#include "store/store.h"

/* --- Writing ---------------------------------------------------------------------------------- */

struct world_place {
    struct bytes host, path, repository;
    enum world_kind kind;
};
/* The world of that folder, made where there is none. ERR_TOO_MANY: WORLDS_MAX. Texts live in the
 * arena. */
MUST_CHECK struct err tx_world_open(struct tx *tx, const struct world_place *place,
                                    const struct id *fresh, struct changes_world *ret_world);

/* Patterns of paths that the project of a run has recorded although they are ignored, or may be
 * secret: a JSON array; "": none. `run` as of struct point_new. */
MUST_CHECK struct err tx_world_capture(struct tx *tx, struct bytes run, struct text *ret_json);

/* The world is in another state; no point was taken. */
MUST_CHECK struct err tx_world_state(struct tx *tx, const struct changes_world *world);

struct point_new {
    struct id id;
    /* run_… that is the reason; or a person who acts: on a session (ses_…), or with a working tree
     * (tre_…), which makes nobody an author. */
    struct bytes run;
    struct bytes call;
    enum point_phase phase;
    struct bytes path;
    bool late;
};
struct points_put {
    struct changes_world world; /* number, state, detail, files, bytes and left_out count. */
    struct bytes tree;
    int64_t at_ms; /* Since when the tree was read. */
    /* Against the tree before; -1: not known. */
    int64_t files, added, removed;
    const struct point_new *points;
    size_t count;
};
/* Points of one pass, in their order. One whose run is gone is left out. */
MUST_CHECK struct err tx_points_put(struct tx *tx, const struct points_put *put);

/* --- Retention -------------------------------------------------------------------------------- */

/* The next shadow repository of this host after `after`, by name; "": that was the last one. */
MUST_CHECK struct err tx_repository_next(struct tx *tx, struct bytes host, struct bytes after,
                                         struct id *ret_name);
struct points_expire {
    struct bytes host, repository;
    int64_t before_ms; /* Points older than this go; the newest of each open session stays. */
};
/* A page of them; *ret_count below POINTS_EXPIRE_PAGE: that was all. */
enum { POINTS_EXPIRE_PAGE = 500 };
MUST_CHECK struct err tx_points_expire(struct tx *tx, const struct points_expire *what,
                                       int64_t *ret_count);
/* Time of the point that stands at this share of the points of a repository, the oldest first. */
MUST_CHECK struct err tx_points_age(struct tx *tx, const struct points_expire *what,
                                    int64_t percent, int64_t *ret_at_ms);
/* Deletes the worlds of the repository that have no point. No pass of it is under way. */
MUST_CHECK struct err tx_worlds_expire(struct tx *tx, const struct points_expire *what);
/* "keep":[…],"worlds":[…]: trees that points of the repository hold, and the worlds that are left.
 */
MUST_CHECK struct err tx_points_trees(struct tx *tx, const struct points_expire *what,
                                      struct text *json);

/* --- Reading ---------------------------------------------------------------------------------- */

enum changes_base { CHANGES_FROM_START, CHANGES_FROM_TURN, CHANGES_FROM_POINT };
struct changes_question {
    struct bytes owner;
    struct bytes of; /* ses_… or run_… */
    enum changes_base base;
    int64_t turn;       /* CHANGES_FROM_TURN: its number in the session. */
    struct bytes point; /* CHANGES_FROM_POINT: pnt_… */
};
/* All that outlives the transaction: texts are owned, and ended by changes_span_done. */
struct changes_span {
    bool found; /* False: no point was taken for it; the rest is empty. */
    struct text repository, path, from, to; /* path: of the world; from, to: trees. */
    int64_t world;
    struct authors authors;
    int64_t mine;       /* Set of the authors that are the session, or subagents of it. */
    struct text head;   /* "world":{…},"from":{…},"to":{…},"left_out":[…] */
    struct text people; /* Array: what is shown of each author, in the order of `authors`. */
    struct text viewed; /* Object: PATH to content, of the owner in this world. */
};
void changes_span_done(struct changes_span *span); /* For AUTO; zeroed is allowed. */
/* ERR_NOT_FOUND: no such session, run or turn of this owner. ERR_GONE: the point is gone, or of
 * another world. */
MUST_CHECK struct err tx_changes_find(struct tx *tx, const struct changes_question *question,
                                      struct changes_span *ret_span, struct why *why);

/* Array of the ids of the runs that wrote, or null: of each step, and after it of the paths that it
 * names. */
MUST_CHECK struct err tx_author_runs(struct tx *tx, const struct authors *authors,
                                     struct text *json);

/* Marks the content of a path as viewed; `hash` NULL data: it is not viewed any more. */
struct viewed_mark {
    struct bytes owner, of, path, hash;
};
MUST_CHECK struct err tx_viewed_set(struct tx *tx, const struct viewed_mark *mark, struct why *why);

#endif
