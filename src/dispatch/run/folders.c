/* folders.c: one loop for both removals of a run: by a client, and by retention. */
#include "dispatch/run/folders.h"

#include "dispatch/base/folder.h"

struct err run_folders_remove(const struct spool *spool, const struct run_folders *folders) {
    struct err last = ERR_OK;
    if (!id_valid(folders->run.data, folders->run.len, "run")) {
        return err_make(ERR_STORE_CORRUPT, "runs: the id that names a folder");
    }
    for (int64_t i = 0; i < RUN_FOLDERS_MAX && i <= folders->last - folders->first; i++) {
        const struct folder folder = folder_named(folders->run, folders->first + i);
        struct err err = spool_remove(spool, folder.name);
        last = err_failed(err) ? err : last;
    }
    return last;
}
