/* check.h: what checks a project after its files were written, and the report that a model gets.
 *
 *   settings {"check": ["make", "test"]}   the user's own: it runs as it stands there
 *   settings {"check": false}              nothing is checked
 *   package.json, a script named build, else compile, else typecheck:
 *                                          by pnpm, yarn or npm, after the lock file
 *
 * Only settings declare one: every file of a project can be written by the model that is checked,
 * and what it declares there would run without anybody's leave. For the same reason a script that
 * was found is a call of run_command like the model's own: it runs where the rules allow that
 * command line, and where they ask, review or deny it, or don't offer run_command, nothing does: a
 * check is nobody's request, so nobody is asked for it. Where no rule says anything, a session
 * gets one notice, with the command that allows it.
 *
 * Threads  any; check_find blocks on the disk.
 */
#ifndef DROVER_TOOL_CHECK_H
#define DROVER_TOOL_CHECK_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "rules/approval/words.h"
#include "tool/tool.h"

enum {
    CHECK_TIMEOUT_MS = 60 * 1000,
    CHECK_OUTPUT_MAX = 8000, /* Characters of both streams, the ends of them. */
    CHECK_WORDS_MAX = 64,
    CHECK_WORD_MAX = 1000, /* Bytes. */
    CHECK_LINE_MAX = CHECK_WORDS_MAX * (WORDS_ROOM(CHECK_WORD_MAX) + 1),
};

/* false, or a command. `why`: what it must be. */
MUST_CHECK struct err check_setting_check(const json_t *value, struct why *why);

/* The command that checks the project at roots[0]: an array of texts (owned); NULL: none is known.
 * *ret_allowed false: it was found, and must not run, since no rule says anything about it. */
MUST_CHECK struct err check_find(const struct tool_place *place, const json_t *settings,
                                 tool_set tools, json_t **ret_words, bool *ret_allowed);
/* The words as one line, for people and rules: rules/approval/words.h. */
void check_write_line(const json_t *words, struct text *text);

/* The check was found, and does not run: tells so, with the command that allows it. */
struct check_unallowed {
    const char *line;
    struct bytes project;       /* Name of the session's project, */
    struct bytes project_rules; /* and the settings of that: JSON; "": none. */
};
void check_write_unallowed(const struct check_unallowed *check, struct text *text);

enum check_state { CHECK_EXITED, CHECK_SIGNALED, CHECK_TIMED_OUT };
struct check_failure {
    const char *line;
    enum check_state state;
    int exit_code;
    struct bytes out, err; /* Any bytes: the ends of the streams. */
};
void check_write_note(const struct check_failure *failure, struct text *text);

#endif
