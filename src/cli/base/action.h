/* action.h: commands that are one request, or one list, written down as data.
 *
 *   const struct command command_inbox_drop = {
 *       COMMAND("inbox", "drop", "DELIVERY", "Give up a delivery for good."),
 *       HELP(RUNS, "drover inbox drop last\n"),
 *       ACTION("POST /api/v1/inbox/{}/drop", .done = "{id} is {state}"),
 *   };
 *
 * Promise    each "{}" in the request is an operand, the first one first, with its characters
 *            escaped. A first operand that cannot be an id, and a body that is too large, are
 *            refused before the daemon is asked.
 *            A command whose operand is "ID…" sends the request for each of them; one that fails is
 *            reported, the others follow, and the first failure is that of the command.
 *            With --json the answer is printed as one line, and each row of a list as one. A list
 *            of a command with --limit is read page by page (listing.h), any other by one request.
 * Ownership  tables are static.
 * Threads    one.
 * Failure    as client.h; ERR_NOT_FOUND or ERR_USAGE: no path can be made of the operand;
 *            ERR_BODY_TOO_LARGE.
 */
#ifndef DROVER_CLI_BASE_ACTION_H
#define DROVER_CLI_BASE_ACTION_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/table.h"

struct flags_part;
enum { ACTION_BODY_MAX = 1 << 20, ACTION_PATH_MAX = 8 << 10, ACTION_PARAMS_MAX = 6 };

/* A flag of the command that becomes a parameter of the query: 1 of a switch, else its value. */
struct action_param {
    const char *flag, *name;
};

/* Adds those of the flags that were given, escaped; `params` ends with .flag NULL. */
void action_params_add(struct text *path, const struct invocation *invocation,
                       const struct action_param *params);

struct action {
    const char *request; /* "METHOD PATH" */
    struct action_param params[ACTION_PARAMS_MAX + 1];
    /* Flag, and parameter, whose value is a folder, the current one without the flag: its absolute
     * path is sent, since the daemon works in another folder. NULL: none. */
    const char *folder;
    const char *search; /* Parameter that the first operand is, where it was given; NULL: none. */
    /* Sentence about an operand of which no path can be made, with "{}" for its beginning; NULL: a
     * sentence that fits all. */
    const char *unknown;
    /* Adds the members of the body, which is an object, and is wiped afterwards: it may hold a
     * key. NULL: the request has no body. */
    struct err (*body)(struct invocation *invocation, struct text *body);
    /* Fields whose flags become further members: those that a PATCH may change, else those that may
     * be given. `name` among them is the first operand. NULL: none. */
    const struct field_set *gives;
    const struct flags_part *parts; /* As of flags.h, with the invocation as their argument. */
    int64_t timeout_ms;             /* 0: that of client.h. */
    bool keyed; /* The route takes a key: a request that a restart cut is repeated. */
    /* Output without --json, one of these: fields of the answer, whose rows give columns to a list
     * and lines to one row; columns of the command's own, or lines; a function; a line in which
     * members of the answer stand in braces. */
    const struct field_set *fields;
    const struct column *columns, *lines;
    const char *empty; /* Sentence in place of a table without rows: what to do. NULL: none. */
    int key_width;     /* Width of the keys of `lines`. */
    void (*print)(const json_t *answer);
    const char *done;
};

/* Members of a command's row. `operands` NULL: it takes none. */
#define COMMAND(group_, name_, operands_, summary_)                                                \
    .group = (group_), .name = (name_), .operands = (operands_), .summary = (summary_)
/* Section of help, without SECTION_, and lines of examples. */
#define HELP(section_, examples_) .section = SECTION_##section_, .examples = (examples_)
#define ACTION(...)                                                                                \
    .talks = true, .run = action_run, .action = &(const struct action) {                           \
        __VA_ARGS__                                                                                \
    }

/* The action of the command, or one of several that it has. */
MUST_CHECK struct err action_run(struct invocation *invocation);
MUST_CHECK struct err action_do(struct invocation *invocation, const struct action *action);
/* Runs `one` for each operand as if it were the only one, with failures as above; `talk` is handed
 * to it. */
MUST_CHECK struct err action_each(struct invocation *invocation, struct talk *talk,
                                  struct err (*one)(struct invocation *invocation,
                                                    struct talk *talk));
/* The request alone; *ret_answer is the caller's, who prints it. `ask` opens the talk where it is
 * not open. */
MUST_CHECK struct err action_ask(struct talk *talk, const struct action *action,
                                 json_t **ret_answer);
MUST_CHECK struct err action_get(struct invocation *invocation, const struct action *action,
                                 json_t **ret_answer);

/* All rows of a list, read page by page; *ret_rows, an array, is the caller's. */
MUST_CHECK struct err action_rows(struct talk *talk, const char *path, json_t **ret_rows,
                                  struct why *why);

#endif
