/* program.c: see program.h. */
#include "script/program.h"

#include "proc/libexec.h"
#include "script/worker_image.h"

#define PROGRAM_NAME "worker"

struct err script_program_install(const struct world *world, const char *data_dir,
                                  struct sha256 *ret_hash, char **ret_path) {
    const struct libexec_program program = {data_dir, PROGRAM_NAME, worker_image(),
                                            worker_image_hash()};
    struct err err = libexec_install(world, &program, ret_path);
    if (!err_failed(err)) {
        *ret_hash = program.hash;
    }
    return err;
}

struct err script_program_find(const struct world *world, const char *data_dir,
                               const struct sha256 *hash, char **ret_path) {
    const struct libexec_pin pin = {data_dir, PROGRAM_NAME, *hash};
    return libexec_find(world, &pin, ret_path);
}
