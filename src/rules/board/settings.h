/* settings.h: the board of a project: which agents work on it, and how many at once. Pure.
 *
 *   {"agents": [{"name": "claude", "slots": 2, "capabilities": ["web"]}], "reviewer": "codex",
 *    "hold": false, "worktrees": false, "check_timeout_s": 600, "executor": "TEMPLATE",
 *    "review": "TEMPLATE"}
 *
 * A board without agents has the project's own, if it names one. check_timeout_s: time of a command
 * that is a must-have. worktrees: each task has a git working tree of its own.
 *
 * Ownership  texts are borrowed from the JSON.
 * Threads    any.
 */
#ifndef DROVER_RULES_BOARD_SETTINGS_H
#define DROVER_RULES_BOARD_SETTINGS_H

#include "base/json/json.h"

enum {
    BOARD_SETTINGS_MAX = 80 << 10, /* Bytes, as compact JSON. */
    BOARD_AGENTS_MAX = 50,
    BOARD_SLOTS_MAX = 50, /* For an agent. */
    BOARD_CAPABILITIES_MAX = 50,
};

/* Compact JSON of what a request gave; null, or {}: "". ERR_BAD_FIELD. */
MUST_CHECK struct err board_settings_write(const json_t *given, struct text *text, struct why *why);

struct board_agent {
    struct bytes name;
    int64_t slots;
    const json_t *capabilities; /* NULL: none. */
};
/* The agents of a board, in their order. `own`: the project's; "": it has none. */
size_t board_agents(const json_t *settings, struct bytes own,
                    struct board_agent ret_agents[BOARD_AGENTS_MAX]);
/* A task that asks for nothing fits every agent. */
MUST_CHECK bool board_agent_can(const struct board_agent *agent, struct bytes capability);

#endif
