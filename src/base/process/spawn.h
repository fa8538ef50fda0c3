/* spawn.h: the one way in which a program of the host is started as a child of this process.
 *
 * The child has
 *   descriptors   fds[0], fds[1], … as descriptors 0, 1, …, and no other one. SPAWN_NULL stands
 *                 for /dev/null. The numbers of ours may lie in any order, and are kept.
 *   signals       none blocked and none ignored, whatever this process blocks or ignores.
 *   folder        `folder`, or the one of this process where that is NULL.
 *   environment   `environment`, or the one of this process where that is NULL.
 *   session       one of its own with SPAWN_SESSION: Ctrl-C at our terminal does not reach the
 *                 child, and kill(-pid) ends all that stayed in its group.
 *
 * Promise    glibc's posix_spawn, which costs the same whatever the size of this process.
 * Ownership  all is borrowed for the call. The child is the caller's to wait for.
 * Threads    any.
 * Failure    no child was started, *ret_pid is untouched, and err.os is the reason: also where the
 *            program cannot be executed.
 */
#ifndef DROVER_BASE_PROCESS_SPAWN_H
#define DROVER_BASE_PROCESS_SPAWN_H

#include "base/base.h"
#include "base/err.h"

enum { SPAWN_NULL = -1, SPAWN_FDS_MAX = 5 };
enum spawn_session { SPAWN_NO_SESSION, SPAWN_SESSION };

struct spawn {
    const char *program;            /* A path, or a name that is looked up in our PATH. */
    const char *const *argv;        /* Ends with NULL. */
    const char *const *environment; /* Ends with NULL. */
    const char *folder;
    int fds[SPAWN_FDS_MAX];
    size_t fd_count;
    enum spawn_session session;
};

MUST_CHECK struct err spawn(const struct spawn *spawn, int *ret_pid);

#endif
