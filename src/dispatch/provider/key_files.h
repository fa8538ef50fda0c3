/* key_files.h: the keys of providers, each in a file of its own.
 *
 *   DIR/provider-keys/        0700
 *       NAME.key_…            0600: one line, the key
 *
 * Why a file  a key in the database would be in its log, its backups and every copy of it. A backup
 *             without keys is worth less to whoever finds it; they are set again after a restore.
 * Promise     a file is written once and never changed: a new key is a new file, which the row
 *             names from its commit on. So whatever is interrupted, the row names a file that holds
 *             what was acknowledged. What no row names is removed at the start.
 * Ownership   *ret_key: mem_wipe.
 * Threads     any; all of them block on the disk: never the loop.
 * Failure     `why` names the file, never what it holds.
 */
#ifndef DROVER_DISPATCH_PROVIDER_KEY_FILES_H
#define DROVER_DISPATCH_PROVIDER_KEY_FILES_H

#include "base/base.h"
#include "base/err.h"
#include "engine/provider/providers.h"
#include "loop/world.h"

struct key_folder {
    const struct world *world; /* Borrowed, as is the data directory's path. */
    const char *data_dir;
};

/* "NAME.key_…", another one each time. */
struct key_file_name {
    char text[PROVIDER_KEY_FILE_MAX];
};
struct key_file_name key_file_name_make(const struct world *world, struct bytes provider);

MUST_CHECK struct err key_file_write(const struct key_folder *folder, const char *file,
                                     const char *key);
MUST_CHECK struct err key_file_read(const struct key_folder *folder, const char *file,
                                    char **ret_key, struct why *why);
void key_file_remove(const struct key_folder *folder, const char *file); /* Absent is fine. */
/* Removes whatever `keep` does not want. */
void key_files_sweep(const struct key_folder *folder, bool (*keep)(void *ctx, const char *file),
                     void *ctx);

#endif
