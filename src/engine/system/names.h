/* names.h: objects by a short name: the beginning of an id, a label, or none for the newest ones.
 *
 * Promise    each statement is answered from an index and reads at most NAMES_READ rows, so that a
 *            look-up costs about as much as a page of a list. Where more rows might match, the
 *            answer says so (`more`), and no row that was read may be taken as the only one.
 * Labels     of runs that stand in no other run, and of agents where NAME_AGENT is asked for.
 * Owners     only objects of `owner` are found; tokens belong to nobody, and the caller checks that
 *            they may be seen.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_SYSTEM_NAMES_H
#define DROVER_ENGINE_SYSTEM_NAMES_H

#include "base/base.h"
#include "base/err.h"
#include "store/store.h"

enum {
    NAMES_READ = 1000,
    NAMES_PREFIX_MIN = 4, /* Characters of an id after "run_". */
};

/* A workflow is a run of a workflow, and an agent is a run of an agent. RUN is a run of any kind;
 * the newest ones of RUN are those that stand in no other run. */
enum name_kind {
    NAME_RUN,
    NAME_JOB,
    NAME_TURN,
    NAME_AGENT,
    NAME_WORKFLOW,
    NAME_SESSION,
    NAME_APPROVAL,
    NAME_DELIVERY,
    NAME_TOKEN,
    NAME_MEMORY,
    NAME_MESSAGE,
    NAME_TERMINAL,
    NAME_MAIL,
    NAME_TREE,
    NAME_KINDS
};
extern const char *const name_kind_names[NAME_KINDS + 1];

struct name_query {
    enum name_kind kind;
    struct bytes owner;
    /* Whole label (title of a session or a memory, name of a terminal or a tree), or beginning of
     * an id with or without its prefix; no bytes: the newest objects. Newest approvals and
     * deliveries are open ones. */
    struct bytes q;
    int64_t limit;
};

struct name_row {
    struct bytes id;
    struct bytes kind;  /* "job"; of a run its own kind. */
    struct bytes label; /* Label, title, command, tool or role. */
    int64_t made_ms;    /* Time of the last change of a session that is among the newest. */
    bool ended;         /* A run that has ended. */
};

MUST_CHECK struct err tx_names_each(struct tx *tx, const struct name_query *query,
                                    void (*each)(void *ctx, const struct name_row *row), void *ctx,
                                    bool *ret_more);

#endif
