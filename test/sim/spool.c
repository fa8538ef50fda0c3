/* spool.c: proc/spool/spool.h over the table of folders. */
#include "proc/spool/spool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "inside.h"
#include "processes.h"

struct spool {
    char *path; /* Owned. */
    unsigned host;
};

struct err spool_open(const char *data_dir, struct spool **ret_spool) {
    struct spool *spool = mem_new(sizeof *spool);
    size_t size = strlen(data_dir) + sizeof "/spool";
    spool->path = mem_new(size);
    spool->host = sim_current()->acting;
    (void)snprintf(spool->path, size, "%s/spool", data_dir);
    *ret_spool = spool;
    return ERR_OK;
}

void spool_close(struct spool *spool) {
    if (spool != NULL) {
        mem_free(spool->path);
        mem_free(spool);
    }
}

const char *spool_path(const struct spool *spool) {
    return spool->path;
}

int spool_fd(const struct spool *spool) {
    (void)spool;
    assert(false && "somebody reaches around spool.h");
    return -1;
}

bool spool_tmp_fits(const struct spool *spool) {
    return spool->path[0] == '/';
}

/* The disk fails now and then; nothing was changed then. */
static bool fails(struct sim *sim) {
    return !sim_healed(sim) && sim_chance(sim, "spool", 2);
}

static void look(struct sim *sim, const struct folder *folder, struct spool_state *state) {
    if (folder == NULL || folder->claim == CLAIM_NONE) {
        state->found = SPOOL_NONE;
        return;
    }
    if (folder->claim != CLAIM_GO) {
        state->found = folder->claim == CLAIM_VOID ? SPOOL_VOID : SPOOL_CLOSED;
        return;
    }
    unsigned boot = processes_of(sim)->boots[folder->host];
    state->pid = folder->pid;
    state->start_time = folder->start_time;
    (void)snprintf(state->boot_id, sizeof state->boot_id, "boot-%u", folder->boot);
    (void)snprintf(state->nonce, sizeof state->nonce, "%s", folder->nonce);
    state->rebooted = folder->boot != boot;
    state->found = folder->locked ? SPOOL_ALIVE : folder->ended ? SPOOL_ENDED : SPOOL_GONE;
    if (state->found == SPOOL_ENDED) {
        state->exit = folder->exit;
    }
}

struct err spool_decide(const struct spool *spool, const char *name, enum spool_wish wish,
                        int64_t epoch, struct spool_state *ret_state) {
    struct sim *sim = sim_current();
    struct processes *processes = processes_of(sim);
    const struct folder_key key = {spool->host, name};
    (void)epoch;
    if (sim_acting_is_dead(sim) || fails(sim)) {
        return err_from_errno(EIO, "spool: open a folder");
    }
    struct spool_state state = {.found = SPOOL_NONE};
    look(sim, folder_find(processes, key), &state);
    if (state.found == SPOOL_NONE && wish != SPOOL_LOOK) {
        struct folder *folder = folder_make(sim, key);
        folder->claim = wish == SPOOL_CLOSE ? CLAIM_CLOSED : CLAIM_VOID;
        folder->synced = true;
        state.found = wish == SPOOL_CLOSE ? SPOOL_CLOSED : SPOOL_VOID;
        sim_trace(sim, "the daemon decides %s: %s", name, wish == SPOOL_CLOSE ? "closed" : "void");
    }
    *ret_state = state;
    return ERR_OK;
}

/* --- Output ----------------------------------------------------------------------------------- */

/* The byte at an offset is the same whenever it is asked for. */
static char byte_at(int64_t offset) {
    return offset % 50 == 49 ? '\n' : (char)('a' + offset % 26);
}

struct err spool_log_read(const struct spool *spool, const struct log_place *place, char *buffer,
                          size_t size, struct log_read *ret_read) {
    const struct folder_key key = {spool->host, place->name};
    const struct folder *folder = folder_find(processes_of(sim_current()), key);
    const char *text = folder == NULL ? NULL : folder->texts[place->stream];
    int64_t end = folder == NULL ? place->offset : folder->sizes[place->stream];
    int64_t rest = end > place->offset ? end - place->offset : 0;
    size_t len = (uint64_t)rest < size ? (size_t)rest : size;
    for (size_t i = 0; i < len; i++) {
        const int64_t at = place->offset + (int64_t)i;
        buffer[i] = text == NULL ? byte_at(at) : text[at];
    }
    *ret_read = (struct log_read){.len = len,
                                  .offset = place->offset,
                                  .hole_from = place->offset,
                                  .size = folder == NULL ? 0 : end};
    return ERR_OK;
}

/* --- The disk --------------------------------------------------------------------------------- */

int64_t spool_disk_of(const struct spool_exit *exit, int64_t log_max) {
    (void)log_max;
    return 16384 + exit->out + exit->err + exit->pty;
}

int64_t spool_disk(const struct spool *spool, const char *name) {
    const struct folder_key key = {spool->host, name};
    const struct folder *folder = folder_find(processes_of(sim_current()), key);
    return folder == NULL
               ? 0
               : 16384 + folder->sizes[LOG_OUT] + folder->sizes[LOG_ERR] + folder->sizes[LOG_PTY];
}

/* Whether a step lives is seen by rows alone. */
int64_t spool_written_ms(const struct spool *spool, const char *name) {
    (void)spool;
    (void)name;
    return 0;
}

struct err spool_changed_s(const struct spool *spool, const char *name, int64_t *ret_changed_s) {
    const struct folder_key key = {spool->host, name};
    const struct folder *folder = folder_find(processes_of(sim_current()), key);
    if (folder == NULL) {
        return err_make(ERR_NOT_FOUND, "spool: look at a folder");
    }
    *ret_changed_s = folder->changed_s;
    return ERR_OK;
}

struct err spool_remove(const struct spool *spool, const char *name) {
    struct sim *sim = sim_current();
    struct folder **at = &processes_of(sim)->folders;
    if (sim_acting_is_dead(sim) || fails(sim)) {
        return err_from_errno(EIO, "spool: remove a folder");
    }
    while (*at != NULL && ((*at)->host != spool->host || strcmp((*at)->name, name) != 0)) {
        at = &(*at)->next;
    }
    struct folder *folder = *at;
    if (folder == NULL) {
        return ERR_OK;
    }
    if (folder->locked) {
        return err_make(ERR_BUSY, "spool: remove a folder");
    }
    if ((folder->claim == CLAIM_VOID || folder->claim == CLAIM_CLOSED) &&
        folder->changed_s > sim_wall_ms(sim) / 1000 - SPOOL_VOID_KEPT_S) {
        return ERR_OK; /* A holder may still be on its way. */
    }
    *at = folder->next;
    sim_free(folder);
    return ERR_OK;
}

struct err spool_each(const struct spool *spool, struct err (*each)(void *ctx, const char *name),
                      void *ctx) {
    const struct folder *folder = processes_of(sim_current())->folders;
    struct err err = ERR_OK;
    for (; folder != NULL && !err_failed(err); folder = folder->next) {
        err = folder->host == spool->host ? each(ctx, folder->name) : ERR_OK;
    }
    return err;
}
