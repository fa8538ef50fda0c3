/* processes.c: see processes.h. */
#include "main/processes.h"

#include "base/memory.h"
#include "main/hosts.h"

static void cgroups_begin(const struct serve_options *serve, struct processes *processes) {
    struct why why = {.text = ""};
    enum cgroups_use use = serve->no_cgroups ? CGROUPS_OFF : CGROUPS_AUTO;
    processes->cgroups = cgroups_open(serve->world, processes->data_dir, use, &why);
    if (cgroups_path(processes->cgroups) == NULL) {
        processes->no_cgroups = why;
    }
}

struct err processes_open(const struct serve_options *serve, struct loop *loop,
                          struct processes *processes) {
    struct err err = place_find(serve, &processes->data_dir, &processes->host);
    if (!err_failed(err)) {
        err = spool_open(processes->data_dir, &processes->spool);
    }
    if (err_failed(err)) {
        return err;
    }
    processes->host_name = hosts_name(processes->data_dir);
    cgroups_begin(serve, processes);
    const struct holders_options with = {
        .loop = loop, .spool = processes->spool, .data_dir = processes->data_dir};
    return holders_open(&with, &processes->holders);
}

void processes_done(struct processes *processes) {
    holders_close(processes->holders);
    cgroups_free(processes->cgroups);
    spool_close(processes->spool);
    mem_free(processes->host_name);
    mem_free(processes->data_dir);
    *processes = (struct processes){.data_dir = NULL};
}
