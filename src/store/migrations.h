/* migrations.h: the numbered SQL files of migrations/, compiled in by scripts/migrations.sh.
 *
 * Promise    migration n (from 1) leads from schema n - 1 to schema n. One that was released never
 *            changes: what is wrong with it is put right by the next one.
 * Threads    any; the table is constant.
 */
#ifndef DROVER_STORE_MIGRATIONS_H
#define DROVER_STORE_MIGRATIONS_H

#include "base/base.h"

struct migration {
    const char *name;              /* Of the file, for messages. */
    const char *const *statements; /* With the words of struct driver_words; ends with NULL. */
};
const struct migration *migrations_get(size_t *ret_count);

#endif
