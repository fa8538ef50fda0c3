/* processes.c: see processes.h. */
#include "main/processes.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/utf8.h"

struct err processes_open(const struct serve_options *serve, struct loop *loop,
                          struct processes *processes) {
    struct err err = place_find(serve, &processes->data_dir, &processes->host);
    if (!err_failed(err)) {
        err = spool_open(processes->data_dir, &processes->spool);
    }
    if (err_failed(err)) {
        return err;
    }
    /* HOSTNAME:DATA, for people. Without control characters: who lists hosts prints names on a
     * terminal. */
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) < 0) {
        host[0] = '\0';
    }
    size_t size = strlen(host) + strlen(processes->data_dir) + 2;
    processes->host_name = mem_new(size);
    (void)snprintf(processes->host_name, size, "%s:%s", host, processes->data_dir); /* Fits. */
    utf8_make_plain(processes->host_name, strlen(processes->host_name));
    struct why why = {.text = ""};
    processes->cgroups = cgroups_open(serve->world, processes->data_dir,
                                      serve->no_cgroups ? CGROUPS_OFF : CGROUPS_AUTO, &why);
    if (cgroups_path(processes->cgroups) == NULL) {
        processes->no_cgroups = why;
    }
    const struct holders_options with = {.loop = loop,
                                         .spool = processes->spool,
                                         .data_dir = processes->data_dir,
                                         .child_ended = processes->child_ended,
                                         .ctx = processes->ctx};
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
