/* point.h: worlds and points.
 *
 * A world is one folder on one host in which agents work: the top of a repository, else the root of
 * a session. A point is what a world held at a moment: the id of a tree in the world's shadow
 * repository (tool/changes), and why it was taken.
 *
 *   BEGIN        before the first call of a turn that may write
 *   BEFORE       before a call that may write; the call is open from here
 *   AFTER        after the call
 *   END          after a turn that has points
 *   HAND         a person asked for it
 *
 * Ownership  texts are borrowed from the filler of the struct.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_CHANGES_POINT_H
#define DROVER_RULES_CHANGES_POINT_H

#include "base/base.h"
#include "base/id.h"
#include "base/resource/resource.h"

enum {
    WORLDS_MAX = 200,         /* Worlds of a daemon. */
    POINTS_A_MINUTE = 120,    /* Passes of a world; further asks share the next. */
    POINT_CALL_MAX = 64,      /* Bytes of the name of a call. */
    POINT_LEFT_OUT_MAX = 100, /* Names that are kept of what a point left out. */
    VIEWED_MAX = 10000,       /* Rows of an owner in a world. */
};
#define POINT_STILL_OPEN INT64_MAX
#define POINT_RUN_ENDED (INT64_MAX - 1) /* Open; the next point of the world closes it. */

enum world_kind { WORLD_GIT, WORLD_PLAIN };
enum world_state {
    WORLD_READY,
    WORLD_LARGE, /* Only paths that tools name are taken. */
    WORLD_OFF,   /* Nothing is taken: `detail` says why. */
};
enum point_phase { POINT_BEGIN, POINT_BEFORE, POINT_AFTER, POINT_END, POINT_HAND };

struct changes_world {
    int64_t number;
    struct id id;
    struct bytes host, path, repository;
    enum world_kind kind;
    enum world_state state;
    struct bytes detail; /* Sentence about the state; "": none. */
    int64_t files, bytes;
    int64_t left_out_count;
    struct bytes left_out; /* JSON of the names that the last point left out; "": none. */
    int64_t made_ms, changed_ms;
};

struct point {
    int64_t number;
    struct id id;
    struct bytes owner;
    int64_t world;
    struct bytes tree;
    int64_t at_ms;
    int64_t session, run; /* Numbers; 0: of none. */
    struct bytes call;    /* "": of the run itself. */
    enum point_phase phase;
    struct bytes path; /* The one path that the call may write; "": any. */
    bool late;         /* The call did not wait for the point. */
    int64_t closed;    /* BEFORE: number of the point after, or one of the two above; else 0. */
};

/* A content that an owner has marked as viewed. */
struct viewed {
    int64_t number;
    struct bytes owner;
    int64_t world;
    struct bytes path, hash; /* hash: id of the content; "": the path is gone. */
    int64_t at_ms;
};

/* A rewind takes back what a session did in a world.
 *
 *   APPLYING ──> APPLIED, with the conversation in the same commit
 *       └──────> REFUSED: a file had changed, and all files are as they were
 */
enum rewind_state { REWIND_APPLYING, REWIND_APPLIED, REWIND_REFUSED };
struct rewind_row {
    int64_t number;
    struct id id;
    struct bytes owner;
    int64_t session, world;
    enum rewind_state state;
    struct bytes files; /* JSON: what each file is to become. */
    int64_t message;    /* The conversation goes back to before this one; 0: it stays. */
    int64_t last;       /* The last message that goes. */
    int64_t tree;       /* The working tree that is applied instead: trees.id; 0: none is. */
    struct bytes note;  /* Sentence about a refusal; "": none. */
    int64_t made_ms, ended_ms;
};

extern const char *const world_kind_names[],
    *const world_state_names[], *const point_phase_names[], *const rewind_state_names[];
extern const struct resource world_resource, point_resource, viewed_resource, rewind_resource;

#endif
