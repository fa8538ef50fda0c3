/* stop_all.c: see stop_all.h. */
#include "cli/run/stop_all.h"

#include <string.h>

#include "cli/base/api_request.h"
#include "cli/run/ask.h"

enum { PASSES_MAX = 100 };

static void root_add(void *ctx, const json_t *item) {
    if (talk_text(item, "parent")[0] == '\0') {
        (void)json_array_append((json_t *)ctx, (json_t *)item); /* Else the next pass has it. */
    }
}

/* A run that ended, or was removed, meanwhile is no failure. */
static struct err run_stop(struct talk *talk, const struct stop_all *with, const char *id,
                           struct why *why) {
    AUTO(json_release) json_t *run = NULL;
    const struct api_request stop = {.method = "POST",
                                     .base = "/api/v1/runs/",
                                     .id = id,
                                     .rest = "/stop",
                                     .body = with->body,
                                     .retry_ms = RUN_RETRY_MS};
    struct err err = api_ask(talk, &stop, &run, why);
    if (err.code == ERR_NOT_FOUND || err.code == ERR_CONFLICT) {
        return ERR_OK;
    }
    if (!err_failed(err) && with->no_wait && with->stopped != NULL) {
        with->stopped(with->ctx, run);
    }
    return err;
}

static struct err run_await(struct talk *talk, const struct stop_all *with, const char *id,
                            struct why *why) {
    AUTO(json_release) json_t *run = NULL;
    const struct run_wait wait = {.id = id, .retry_ms = RUN_RETRY_MS};
    struct err err = run_wait(talk, &wait, &run, why);
    if (err.code == ERR_NOT_FOUND) {
        return ERR_OK;
    }
    if (!err_failed(err) && with->stopped != NULL) {
        with->stopped(with->ctx, run);
    }
    return err;
}

/* All are asked before one is waited for, so that they end at the same time. */
static struct err roots_stop(struct talk *talk, const struct stop_all *with, const json_t *roots,
                             struct why *why) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < json_array_size(roots) && !err_failed(err); i++) {
        err = run_stop(talk, with, talk_text(json_array_get(roots, i), "id"), why);
    }
    for (size_t i = 0; i < json_array_size(roots) && !err_failed(err) && !with->no_wait; i++) {
        err = run_await(talk, with, talk_text(json_array_get(roots, i), "id"), why);
    }
    return err;
}

struct err stop_all(struct talk *talk, const struct stop_all *with, struct why *why) {
    for (int pass = 0; pass < PASSES_MAX; pass++) {
        AUTO(json_release) json_t *roots = json_array();
        struct err err = talk_list(talk, "/api/v1/runs?live=1", root_add, roots, why);
        const bool any = json_array_size(roots) > 0;
        err = err_failed(err) ? err : roots_stop(talk, with, roots, why);
        if (err_failed(err) || !any || with->no_wait) {
            return err;
        }
    }
    return err_why(why, ERR_BUSY, "runs begin as fast as they are stopped");
}
