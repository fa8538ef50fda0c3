/* listing.h: the flags of commands that print a list of the daemon's, and the list itself.
 *
 * Promise    a filter is one flag with one name in every command, and becomes the parameter of the
 *            API that its field has, or the table in action.c. Rows are printed page by page; with
 *            --json each is a line of JSON. A list that --limit cut says so in its last line, on
 *            stderr; with --total the last line is "N of M", or {"shown":N,"total":M,"more":BOOL}.
 * Ownership  everything in struct listing is borrowed for the call.
 * Threads    one.
 */
#ifndef DROVER_CLI_BASE_LISTING_H
#define DROVER_CLI_BASE_LISTING_H

#include "base/json/json.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/options.h"
#include "cli/base/table.h"

/* Rows of a command's flags. `absent`: the limit as text where none is given; NULL: all rows. */
#define LISTING_FLAGS(absent_)                                                                     \
    OPTION_INT("limit", 'n', "N", 1, 1000000, "Print at most N rows.", .absent = (absent_)),       \
        OPTION_SWITCH("total", 0,                                                                  \
                      "Count all matching rows, up to 10,000, and print \"N of M\" last.")
/* The same, after the filters of the fields that the rows of the list have. */
#define LISTING_OF(fields_) FILTERS_OF(fields_), LISTING_FLAGS(NULL)
#define LISTING_WORD(name_, value_, about_) OPTION_TEXT(name_, 0, value_, about_)
#define LISTING_SEARCH(where)                                                                      \
    LISTING_WORD("search", "TEXT", "List only rows with this text in their " where ".")
#define LISTING_STATE(choices_)                                                                    \
    OPTION_LIST("state", 0, "STATE", "List only rows in this state, or in one of several: a,b.",   \
                .choices = (choices_))
#define LISTING_RUN_STATES                                                                         \
    "queued|running|waiting|succeeded|degraded|failed|cancelled|timed_out|lost"
#define LISTING_SINCE(event)                                                                       \
    OPTION_NUMBER(FLAG_DURATION, "since", 0, "AGE", 1, FLAG_AGE_MAX,                               \
                  "List only rows " event " within this time: 30m, 12h, 7d.")

struct listing {
    const char *path; /* May have a query of its own; what the flags ask for is added. */
    int64_t most;     /* Rows at most where there is no --limit; 0: all. */
    /* Without --json: the columns of a table, or functions that print its first line and a row. */
    const struct column *columns;
    const char *empty; /* Sentence in place of a table without rows, of no filters. NULL: none. */
    void (*head)(void *ctx);
    void (*row)(void *ctx, const json_t *item);
    /* Called after the last row of a list that was read whole; NULL: it has no end of its own. */
    struct err (*foot)(void *ctx);
    void *ctx;
};
MUST_CHECK struct err listing_print(struct talk *talk, struct invocation *invocation,
                                    const struct listing *listing);

/* Adds the parameters of the filters that were given, without limit and total. ALL_BUT_STATE: for a
 * command that compares the states itself, with listing_state_fits. */
enum listing_filters { LISTING_ALL, LISTING_ALL_BUT_STATE };
MUST_CHECK struct err listing_path(struct invocation *invocation, const char *path,
                                   enum listing_filters which, struct text *target);
/* Whether --state names the state, or was not given. */
MUST_CHECK bool listing_state_fits(const struct args *args, const char *state);

#endif
