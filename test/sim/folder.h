/* folder.h: the folder of the project as a list of changes, and the children that read it.
 *
 *   tool, command, program, person ──folder_change──> a list of changes
 *                                                          │ its length is the tree
 *   points (src/dispatch/changes) ──order──> a child ──────┘──> an answer, late, wrong, or never
 *
 * How        No file is read. A tree is the number of changes so far, so that each row of a point
 *            says which changes it holds. Real tools still write their real files beside it.
 *            tool/changes/ask.h and proc/answer.h are replaced at link time, git_place_find,
 *            points_wait, points_take, point_wait_cancel and tool_perform are wrapped.
 * Seeds      Half of them have git, and so take points. The others do the same as if there were
 *            none. In a quarter of those that have git, children fail, too.
 * Ownership  All of it survives a crash, but for children and for waits.
 */
#ifndef DROVER_TEST_SIM_FOLDER_H
#define DROVER_TEST_SIM_FOLDER_H

#include "base/id.h"
#include "rules/changes/point.h"
#include "sim.h"

enum { FOLDER_CHANGES_MAX = 4096, FOLDER_CALLS_MAX = 4096, FOLDER_PATH_MAX = 64 };

/* A call that may write: of a turn, by what it asked of points; of a job, by its first row. */
enum call_wait { CALL_WAITS, CALL_BEGAN, CALL_BEGAN_LATE, CALL_CANCELLED };
struct folder_call {
    char run[ID_SIZE], call[POINT_CALL_MAX + 1];
    enum call_wait wait;
    const void *waiter; /* Address of its struct point_wait; never followed. */
    unsigned life;
    uint64_t asked_ns, began_ns;
    uint64_t ended_ns;   /* When the point after it was asked for; 0: it was not. */
    char point[ID_SIZE]; /* Row of the point before it; "": none was seen. */
};

struct folder_change {
    char path[FOLDER_PATH_MAX];
    char run[ID_SIZE], call[POINT_CALL_MAX + 1]; /* The author's; "": it is no agent. */
    uint64_t at_ns;
    bool orphan; /* The run of the author had ended. */
};

/* A child that reads the folder. */
struct folder_pass {
    uint64_t began_ns, read_ns; /* read_ns: 0: not yet. */
    size_t tree;
};

struct sim_folder {
    struct folder_change changes[FOLDER_CHANGES_MAX];
    struct folder_call calls[FOLDER_CALLS_MAX];
    size_t change_count, call_count, waiting;
    bool reads, prunes;      /* A child lives; it deletes objects. */
    struct folder_pass pass; /* The last one that was begun. */
    uint64_t trouble_ns;     /* When the last one failed; 0: none has. */
    uint64_t failed;         /* Passes of this life, as points count them. */
};
struct sim_folder *folder_seen(void);

struct sim_options;
bool folder_plays(const struct sim_options *options);

struct folder_author {
    const char *run, *call; /* "": no agent. */
};
void folder_change(struct sim *sim, const char *path, const struct folder_author *author);

/* writers.c */
extern const struct sim_op writers_ops[];
void writers_begin(void);
struct command;
/* A command begins: it may write while it runs, if its folder is the project. */
void folder_command_begin(struct sim *sim, struct command *command);
/* When the run has ended; 0: no note has told so. */
uint64_t folder_run_ended_ns(const char *run);
/* Trees, as rows have them. */
struct folder_tree {
    char text[41];
};
struct folder_tree folder_tree_write(size_t tree);
size_t folder_tree_read(const char *text);

/* The latest call of that name that was asked for before; NULL: none was. */
struct folder_call *folder_call_find(const char *run, const char *call, uint64_t at_ns);
/* check_points.c: looks at new rows; a call begins, since its wait is over. */
void points_look(struct sim *sim);
void points_check_begin(struct sim *sim, struct folder_call *call);
/* Objects of the repository of that host go, but for those of `keep`, a JSON list of trees. */
void points_check_kept(struct sim *sim, const char *repository, const char *host, const char *keep);

#endif
