/* names.h: operands and flags that name an object of the daemon by less than its whole id.
 *
 *   drover show 01kq3v7d    the only run whose id begins so (run_01kq3v7d… works, too)
 *   drover show last        the newest run that stands in no other run
 *   drover show nightly     the run with this label; of a session: its title
 *
 * Promise    the placeholder of an operand or a flag (SESSION, RUN|SESSION) says which kind is
 *            meant, and nothing else does: a new command gets short names by its row. A whole id
 *            costs no request. A label of several runs is the one that has not ended, else
 *            the newest, and a line says so, unless the command deletes. Any other name that
 *            fits several objects is refused, and up to five of them are listed. Where PATH stands
 *            beside the kinds (SESSION|PATH), a word that is a path is left as it is.
 * Ownership  the ids lie in the invocation; names_done ends them.
 * Threads    one.
 * Failure    as client.h; ERR_NOT_FOUND; ERR_AMBIGUOUS, with invocation->names.candidates.
 */
#ifndef DROVER_CLI_BASE_NAMES_H
#define DROVER_CLI_BASE_NAMES_H

#include "base/base.h"
#include "base/err.h"
#include "cli/base/cli.h"

/* A kind of objects: its placeholder, and the word of GET /api/v1/names. */
struct name_kind {
    const char *placeholder; /* NULL ends a table. */
    const char *kind;
    const char *list; /* Command that lists them. */
};
/* Kinds that a placeholder stands for: "[RUN|SESSION…]". At most NAME_KINDS_MAX; returns their
 * number. */
enum { NAME_KINDS_MAX = 4 };
unsigned name_kinds_of(struct bytes placeholder, const struct name_kind *ret_kinds[NAME_KINDS_MAX]);
/* Whether an operand whose placeholder has PATH beside kinds is a path: it has a slash, or names a
 * file of the current folder. */
MUST_CHECK bool name_is_path(const char *typed);
/* Placeholder of the operand at a position; no bytes: the command takes none there. */
struct bytes operand_placeholder(const struct command *command, unsigned at);

/* The name of an object in a hint that somebody types: its label where that is a single word, else
 * the beginning of its id that tables show. `label` may be NULL. */
enum { NAME_ID_LEN = 16, NAME_LABEL_LEN = 32 };
struct short_name {
    char text[NAME_LABEL_LEN + 1];
};
struct short_name short_name_of(const char *id, const char *label);

/* Replaces the short names among operands and flags of invocation->args. */
MUST_CHECK struct err names_resolve(struct invocation *invocation);
void names_done(struct short_names *names);
/* The candidates of an ambiguous name, a line each. */
void names_print(const struct invocation *invocation, FILE *out);

#endif
