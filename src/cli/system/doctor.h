/* doctor.h: what the checks of drover doctor share. Each check is one row: its subject, its
 * verdict, and what to do where something is wrong.
 *
 * Ownership  struct doctor borrows everything for the run of the command.
 * Threads    one.
 */
#ifndef DROVER_CLI_SYSTEM_DOCTOR_H
#define DROVER_CLI_SYSTEM_DOCTOR_H

#include "base/base.h"
#include "base/err.h"
#include "cli/base/api.h"

enum {
    DOCTOR_TEXT_MAX = 1 << 20, /* Bytes of what a check has to say. */
    DOCTOR_TARGET_MAX = 16 << 10,
    DOCTOR_LOOK_MS = 60000,
};

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    struct invocation *invocation;
    const char *data, *database; /* database NULL: SQLite in `data`. */
    bool deep, failed, data_exists;
    enum err_code failure; /* Of the first check that failed. */
};

void doctor_row(struct doctor *doctor, enum verdict verdict, const char *what, const char *text);
/* A row that makes the exit code that of `err`, unless an earlier one has. */
void doctor_fail(struct doctor *doctor, const char *what, struct err err, const struct why *why);

/* doctor_database.c. */
bool doctor_database_exists(const struct doctor *doctor);
void doctor_check_database(struct doctor *doctor);

/* doctor_deep.c. `down` NULL: the daemon runs, and is asked. */
struct doctor_down;
void doctor_check_pages(struct doctor *doctor);
void doctor_check_folders(struct doctor *doctor, struct talk *talk, struct doctor_down *down);

/* doctor_down.c. *ret_answer is owned: of the form of an answer of the daemon. */
MUST_CHECK struct err doctor_down_open(const struct doctor *doctor, struct doctor_down **ret_down,
                                       struct why *why);
MUST_CHECK struct err doctor_down_rows(struct doctor_down *down, json_t **ret_answer);
MUST_CHECK struct err doctor_down_folders(struct doctor_down *down, const char *names,
                                          json_t **ret_answer);
void doctor_down_close(struct doctor_down *down); /* NULL is allowed. */

#endif
