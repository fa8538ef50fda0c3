/* project.h: a project: a name that sessions, runs and budgets share, with defaults for new
 * sessions. Its limits are those of the budget project:NAME.
 *
 * Ownership  texts are borrowed from the function that filled the struct.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_PROJECT_PROJECT_H
#define DROVER_RULES_PROJECT_PROJECT_H

#include "base/base.h"
#include "base/json/json.h"
#include "base/resource/resource.h"
#include "rules/session/given.h"

enum {
    PROJECT_ROOT_MAX = 4095, /* Bytes, like all of these. */
    PROJECT_AGENT_MAX = 64,
    PROJECT_MODEL_MAX = 321,
    PROJECT_SETTINGS_MAX = 16 << 10, /* As compact JSON. */
    PROJECT_CAPTURE_MAX = 64,
    PROJECT_CAPTURE_BYTES = 200,
    PROJECT_ROWS_MAX = 10000, /* Rows of an owner. */
    PROJECT_FOLDERS_MAX = 16,
    PROJECT_NAMES_MAX = 64, /* Names that are tried for a folder. */
};

struct project {
    struct bytes owner, name, root, agent, model; /* A use alone gives it only a name. */
    struct bytes settings;                        /* As project_settings_write has them. */
    struct bytes board; /* As board_settings_write has it (rules/board/settings.h). */
    struct bytes path;  /* PATH in which its programs are looked up; "": that of the daemon. */
    json_t *settings_given, *board_given; /* In a request; NULL: not named. */
    int64_t made_ms, changed_ms;
};

extern const struct resource project_resource;

/* {"permissions"?, "edits"?, "folders"?} as compact JSON, or "" where there is none of them: rules
 * for calls of all its sessions, checked as those of a session are, and folders that their tools
 * may use beside their root. null: none. Folders are granted by answers alone
 * (engine/session/roots.h), which know where they really are: `given` has none that `had` has not,
 * with no more access. A project that takes no rules has none. ERR_BAD_FIELD. */
struct project_settings {
    struct bytes project; /* Name of the project. */
    const json_t *given;
    struct bytes had; /* Settings of the row. */
};
MUST_CHECK struct err project_settings_write(const struct project_settings *settings,
                                             struct text *text, struct why *why);

/* Whether a project may have rules. The sessions of `default` share no folder: a yes to a call in
 * one of them would free the calls in all of them. */
MUST_CHECK bool project_takes_rules(struct bytes name);

/* Name number `nth` (from 0) for the project of a folder, an absolute path: that of the folder,
 * then with its parent's in front, and so on; after the last of them with a number. What names may
 * not have becomes "-". A caller takes the first that no other project has. */
void project_name_of(struct bytes folder, unsigned nth, char ret_name[SESSION_PROJECT_MAX + 1]);

/* Grants a folder: {"path", "access": "read" | "write"}; it never has less than before.
 * ERR_BAD_FIELD: there are PROJECT_FOLDERS_MAX others. */
MUST_CHECK struct err project_folder_add(json_t *settings, const json_t *folder, struct why *why);
/* The folder of that path; NULL: none. */
const json_t *project_folder_find(const json_t *settings, struct bytes path);

#endif
