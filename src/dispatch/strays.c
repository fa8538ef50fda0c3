/* strays.c: ends what lives here for attempts that the rows have given up.
 *
 *   LISTING (in the pool) ──> CHECKING a few names (in the store) ──> CHECKING … ──> over
 *
 * A run of this host may be abandoned while no daemon of it lives; a later attempt may run
 * elsewhere by then. So each daemon that shares its database with other hosts looks through its
 * spool once, when it knows its flights: a holder that lives, and whose run has ended or is at
 * another attempt, is ended by a flight of its own, whose end comes too late to change anything.
 * A run that the rows do not know is left alone: they may be those of the wrong database.
 *
 * A store that fails now ends the look: the next start has the next one. */
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "dispatch/inside.h"
#include "engine/run_here.h"

enum {
    NAMES_SIZE_MAX = 1 << 20, /* Of holders that live. */
    CHECK_PAGE = 16,          /* Rows come with their specs. */
};

struct strays {
    struct dispatch *dispatch;
    struct pool_job job;
    struct text names; /* Each ends with a zero. The pool's while it lists. */
    struct err err;
    size_t at;
    size_t count;
    struct run_here asked[CHECK_PAGE];
    bool moved[CHECK_PAGE];
};

static void strays_check(struct strays *strays);

static void strays_free(struct strays *strays) {
    text_done(&strays->names);
    mem_free(strays);
}

/* --- Listing ---------------------------------------------------------------------------------- */

static bool parse_name(const char *name, struct run_here *ret_here) {
    const char *dot = strrchr(name, '.');
    size_t len = dot == NULL ? 0 : (size_t)(dot - name);
    struct run_here here = {.attempt = 0};
    if (len == 0 || len >= sizeof here.run.text || !id_valid(name, len, "run") ||
        !number_parse((struct bytes){dot + 1, strlen(dot + 1)},
                      (struct number_bounds){1, INT64_MAX - 1}, &here.attempt)) {
        return false;
    }
    memcpy(here.run.text, name, len);
    *ret_here = here;
    return true;
}

static struct err on_folder(void *ctx, const char *name) {
    struct strays *strays = ctx;
    struct run_here here;
    struct spool_state state;
    if (parse_name(name, &here) &&
        !err_failed(spool_decide(strays->dispatch->options.spool, name, SPOOL_LOOK, 0 /* epoch */,
                                 &state)) &&
        state.found == SPOOL_ALIVE) {
        text_add(&strays->names, name, strlen(name) + 1);
    }
    return ERR_OK; /* Names beyond the bound wait for the next start. */
}

static void list_run(struct pool_job *job) {
    struct strays *strays = CONTAINER_OF(job, struct strays, job);
    strays->err = spool_each(strays->dispatch->options.spool, on_folder, strays);
}

static void list_done(struct pool_job *job) {
    struct strays *strays = CONTAINER_OF(job, struct strays, job);
    struct dispatch *dispatch = strays->dispatch;
    if (dispatch->stopping) {
        strays_free(strays);
        dispatch__maybe_stopped(dispatch);
        return;
    }
    if (err_failed(strays->err)) {
        dispatch__failed(dispatch, "the folders of runs could not be listed", (struct bytes){"", 0},
                         strays->err);
    }
    strays_check(strays);
}

/* --- Checking --------------------------------------------------------------------------------- */

static struct err check_tx(struct tx *tx, void *ctx) {
    struct strays *strays = ctx;
    return tx_run_here_moved(tx, strays->asked, strays->count, strays->moved);
}

static struct bytes id_of(const struct run_here *here) {
    return (struct bytes){here->run.text, strlen(here->run.text)};
}

static void end(struct dispatch *dispatch, const struct run_here *here) {
    const struct run_row row = {
        .run = id_of(here), .attempt = here->attempt, .spec = {"", 0}, .host = {"", 0}};
    struct flight *flight = flight__new(dispatch, &row);
    flight->ours = true; /* No row is to say that it is followed. */
    flight__stop(flight, 0);
    decide__begin(flight);
}

static void check_done(struct err err, void *ctx) {
    struct strays *strays = ctx;
    struct dispatch *dispatch = strays->dispatch;
    dispatch__answered(dispatch);
    if (dispatch->stopping || err_failed(err)) {
        strays_free(strays);
        return;
    }
    for (size_t i = 0; i < strays->count; i++) {
        const struct run_here *here = &strays->asked[i];
        if (strays->moved[i] && flight__find(dispatch, id_of(here), here->attempt) == NULL) {
            end(dispatch, here);
        }
    }
    strays_check(strays);
}

static void strays_check(struct strays *strays) {
    strays->count = 0;
    while (strays->count < CHECK_PAGE && strays->at < strays->names.len) {
        const char *name = strays->names.data + strays->at;
        struct run_here *here = &strays->asked[strays->count];
        strays->at += strlen(name) + 1;
        bool ours = parse_name(name, here);
        assert(ours); /* It was when it was listed. */
        strays->count += flight__find(strays->dispatch, id_of(here), here->attempt) == NULL;
    }
    if (strays->count == 0) {
        strays_free(strays);
        return;
    }
    dispatch__read(strays->dispatch, check_tx, check_done, strays);
}

void strays__look(struct dispatch *dispatch) {
    bool shared = dispatch->options.guest || dispatch->options.bounds.hosts == RUN_HOSTS_SHARED;
    bool held =
        dispatch->options.hold == RUN_HELD; /* Rows of a copy may be older than the spool. */
    if (!shared || held || dispatch->strays_looked) {
        return;
    }
    dispatch->strays_looked = true;
    struct strays *strays = mem_new(sizeof *strays);
    strays->dispatch = dispatch;
    text_init(&strays->names, NAMES_SIZE_MAX);
    strays->job = (struct pool_job){.kind = POOL_TIDY, .run = list_run, .done = list_done};
    pool_add(&dispatch->pool, &strays->job);
}
