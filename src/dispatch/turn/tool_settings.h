/* tool_settings.h: where the tools of a session act, and what its settings say about them.
 *
 * Settings  {"tools": ["read_file", …], "permissions": [{"tool","subject","permission"}, …],
 *           "edits", "effort", "calls_max"}: as api/ took them in; what is not understood here
 *           any more is passed over, never obeyed by half: a rule that cannot be read denies
 *           everything. Rules of its project stand before those of the session.
 * Roots     what cannot be read of the extra ones is none.
 * Without   a root there is no file, no search and no command: those tools are not offered. Neither
 *           are those of a task outside of an attempt; a subagent of one does not move the task.
 * Ownership embedded: open/close. Borrows what the seat points to.
 * Threads   one at a time; for the pool.
 */
#ifndef DROVER_DISPATCH_TURN_TOOL_SETTINGS_H
#define DROVER_DISPATCH_TURN_TOOL_SETTINGS_H

#include "base/base.h"
#include "base/json/json.h"
#include "dispatch/turn/turns.h"
#include "engine/board/board.h"
#include "rules/approval/joined.h"
#include "tool/tool.h"

struct toolplace_seat {
    const struct turns_options *turns;
    const char *root, *settings;  /* "": none, as is the next one. */
    const char *project;          /* Settings of the project. */
    const char *roots;            /* Beside it: as tx_roots_write_json; "": none. */
    const atomic_bool *cancelled; /* NULL: never. */
    uint64_t time_ms;             /* How long a tool may take. */
    enum board_place place;       /* Whether the turn may work on a task. */
};

struct toolplace {
    json_t *settings, *project; /* Owned. */
    struct permission_joined joined;
    struct permission_rules rules; /* Borrowed from that. */
    json_t *extra;                 /* Owned: where the paths of extra roots stand. */
    struct tool_root *roots;       /* Owned: the project's first. */
    struct tool_place place;
    tool_set tools; /* That the model is offered. */
    bool searches;  /* The provider may search the web with a tool of its own. */
};
void toolplace_open(struct toolplace *place, const struct toolplace_seat *seat);
/* Settings of a subagent, which may at most what its parent may. `settings`: those of the
 * parent's own, JSON; "": none. `tools`: names; NULL: those of the parent. False: one of them the
 * parent has not. */
MUST_CHECK bool toolplace_narrow(const char *settings, json_t *tools, struct text *ret_settings);
void toolplace_close(struct toolplace *place); /* For AUTO; zeroed is fine. */

#endif
