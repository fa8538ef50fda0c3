/* script_none.c: no script ever runs; for as long as there is no other stand-in. */
#include <string.h>

#include "base/memory.h"
#include "script/program.h"
#include "script/script.h"

struct scripts {
    struct loop *loop;
};

struct err script_program_install(const struct world *world, const char *data_dir,
                                  struct sha256 *ret_hash, char **ret_path) {
    (void)world;
    (void)data_dir;
    *ret_hash = (struct sha256){0};
    *ret_path = mem_copy("worker", 6);
    return ERR_OK;
}

struct err script_program_find(const struct world *world, const char *data_dir,
                               const struct sha256 *hash, char **ret_path) {
    (void)world;
    (void)data_dir;
    (void)hash;
    *ret_path = mem_copy("worker", 6);
    return ERR_OK;
}

struct scripts *scripts_open(const struct scripts_options *options) {
    struct scripts *scripts = mem_new(sizeof *scripts);
    scripts->loop = options->loop;
    return scripts;
}

void scripts_close(struct scripts *scripts) {
    mem_free(scripts);
}

void scripts_warm(struct scripts *scripts) {
    (void)scripts;
}

void scripts_get_stats(const struct scripts *scripts, struct scripts_stats *ret_stats) {
    (void)scripts;
    *ret_stats = (struct scripts_stats){0};
}

struct script_worker *script_start(struct scripts *scripts, const struct script_bounds *bounds,
                                   const struct script_watch *watch, void *ctx) {
    (void)scripts;
    (void)bounds;
    (void)watch;
    (void)ctx;
    assert(false && "nobody starts a workflow here");
    return NULL;
}

void script_close(struct script_worker *worker) {
    (void)worker;
}

void script_send(struct script_worker *worker, char *frame, size_t len) {
    (void)worker;
    (void)frame;
    (void)len;
}

struct bytes script_pause(struct script_worker *worker) {
    (void)worker;
    return (struct bytes){"", 0};
}

void script_resume(struct script_worker *worker) {
    (void)worker;
}

void script_busy(struct script_worker *worker) {
    (void)worker;
}

void script_rest(struct script_worker *worker) {
    (void)worker;
}
