/* doctor.h: what the checks of drover doctor share. Each check is one row: its subject, its
 * verdict, and what to do where something is wrong.
 *
 * Ownership  struct doctor borrows everything for the run of the command.
 * Threads    one.
 */
#ifndef DROVER_CLI_SYSTEM_DOCTOR_H
#define DROVER_CLI_SYSTEM_DOCTOR_H

#include "cli/base/api.h"

enum { DOCTOR_TEXT_MAX = 1 << 20 }; /* Bytes of what a check has to say. */

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };

struct doctor {
    struct invocation *invocation;
    const char *data, *database; /* database NULL: SQLite in `data`. */
    bool deep, data_exists;
    enum err_code failure; /* Of the first check that failed; ERR_NONE: none did. */
};

void doctor_row(struct doctor *doctor, enum verdict verdict, const char *what, const char *format,
                ...) PRINTF_LIKE(4, 5);
/* A row that makes the exit code that of `code`, unless an earlier one has. */
void doctor_fail(struct doctor *doctor, enum err_code code, const char *what, const char *format,
                 ...) PRINTF_LIKE(4, 5);
/* The same with a long text. */
void doctor_fail_text(struct doctor *doctor, enum err_code code, const char *what,
                      const char *text);
/* The sentence of an error, or its title where it has none. */
const char *doctor_words(struct err err, const struct why *why);

/* doctor_rows.c. `talk` NULL: no daemon runs, and the database is read here. */
void doctor_check_rows(struct doctor *doctor, struct talk *talk);

#endif
