/* orphans.c: ends what lives here for attempts that the rows have given up.
 *
 *   LISTING (in the pool) ──> CHECKING a few names (in the store) ──> CHECKING … ──> over
 *      ^ └──an error──┐              ^ └──an error──┐                      │
 *      ├─── WAITING <─┘              └─── WAITING <─┘                      │
 *      └────────────────────────────── WAITING once, LATE_MS <─────────────┘
 *
 * A run of this host may be abandoned while no daemon of it lives; a later attempt may run
 * elsewhere by then. So each daemon that shares its database with other hosts looks through its
 * spool, when it knows its flights: what lives of an attempt whose run has ended or is at
 * another one is ended by a flight of its own, whose end comes too late to change anything. That is
 * a holder that lives, and what a dead one has left: its tree is known by its mark or its cgroup.
 * A run that the rows do not know is left alone: they may be those of the wrong database.
 *
 * A holder that an earlier daemon started may still be on its way, and claim its folder after the
 * look: so there is a second one, LATE_MS later.
 *
 * An error ends nothing: the same step is tried again, as long as effects.h says that it may go
 * better. A folder that could not be looked at keeps no other waiting: all are listed again after
 * the others were checked. */
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "dispatch/job/inside.h"
#include "engine/run/local.h"

enum {
    NAMES_SIZE_MAX = 1 << 20, /* Of holders that live, and as much of dead ones. */
    CHECK_PAGE = 16,          /* Rows come with their specs. */
    MARKS_MAX = 1024,         /* Of dead holders, looked for at once. */
    LATE_MS = 30 * 1000,      /* A holder that claims later is not expected. */
    LOOKS = 2,
};

struct strays {
    struct dispatch *dispatch;
    struct pool_job job;
    struct timer timer;
    struct effect effect;
    unsigned tries;    /* In a row that failed. */
    unsigned looks;    /* Lists of which all names were checked. */
    bool away;         /* In the store or in the pool. */
    bool listed;       /* All names are there. */
    struct text names; /* Each ends with a zero. The pool's while it lists. */
    struct text dead;  /* The same, of dead holders, each with its nonce behind it. */
    struct err err;
    struct err skipped; /* Of the last folder that could not be looked at. */
    size_t at, next;    /* Names before `at` are checked; `next`: the same after this page. */
    size_t count;
    struct run_here asked[CHECK_PAGE];
    bool moved[CHECK_PAGE];
};

static void strays_check(struct strays *strays);

static void strays_free(struct strays *strays) {
    strays->dispatch->strays = NULL;
    effect_done(&strays->effect);
    text_done(&strays->names);
    text_done(&strays->dead);
    mem_free(strays);
}

static void strays_list(struct strays *strays);

static void on_timer(struct timer *timer) {
    struct strays *strays = CONTAINER_OF(timer, struct strays, timer);
    if (strays->listed) {
        strays_check(strays);
    } else {
        strays_list(strays);
    }
}

static void strays_failed(struct strays *strays, struct err err) {
    static const char what[] = "end what was given up while no daemon was here";
    struct dispatch *dispatch = strays->dispatch;
    if (strays->tries == 0) {
        dispatch__failed(dispatch,
                         "what was given up while no daemon was here could not be looked for; it"
                         " is tried again",
                         (struct bytes){"", 0}, err);
    }
    strays->tries++;
    dispatch->stats.store_retries += strays->listed;
    if (effect_is_hopeless(strays->tries, err)) {
        effects_abandon(dispatch->options.effects, &strays->effect, what, err);
        strays_free(strays);
        return;
    }
    effect_begin(dispatch->options.effects, &strays->effect, what);
    effect_failed(&strays->effect, err);
    timer_start(dispatch->options.loop, &strays->timer, dispatch__wait_ms(strays->tries), on_timer);
}

/* A folder that was skipped is what has failed, until a list has all of them. */
static void strays_passed(struct strays *strays) {
    if (err_failed(strays->skipped)) {
        return;
    }
    strays->tries = 0;
    effect_done(&strays->effect);
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

/* Of a holder of another boot nothing lives. Names beyond the bounds wait for the next start. */
static struct err on_folder(void *ctx, const char *name) {
    struct strays *strays = ctx;
    struct run_here here;
    struct spool_state state;
    if (!parse_name(name, &here)) {
        return ERR_OK;
    }
    struct err err =
        spool_decide(strays->dispatch->options.spool, name, SPOOL_LOOK, 0 /* epoch */, &state);
    if (err_failed(err)) {
        strays->skipped = err;
        return ERR_OK;
    }
    size_t size = strlen(name) + 1, nonce_size = strlen(state.nonce) + 1;
    if (state.found == SPOOL_ALIVE && strays->names.len + size <= NAMES_SIZE_MAX) {
        text_add(&strays->names, name, size);
    } else if (state.found == SPOOL_GONE && !state.rebooted &&
               strays->dead.len + size + nonce_size <= NAMES_SIZE_MAX) {
        text_add(&strays->dead, name, size);
        text_add(&strays->dead, state.nonce, nonce_size);
    }
    return ERR_OK;
}

/* A cgroup is removed when its holder ends, or by the next daemon where it is empty. */
static struct err add_living(struct strays *strays, const struct tree_mark *marks, size_t count) {
    const struct cgroups *cgroups = strays->dispatch->options.cgroups;
    bool lives[MARKS_MAX];
    struct err err = count == 0 ? ERR_OK : tree_find(marks, count, lives);
    for (size_t i = 0; !err_failed(err) && i < count; i++) {
        size_t size = strlen(marks[i].name) + 1;
        bool left = lives[i] || cgroups_cpu_us(cgroups, marks[i].name) >= 0;
        if (left && strays->names.len + size <= NAMES_SIZE_MAX) {
            text_add(&strays->names, marks[i].name, size);
        }
    }
    return err;
}

static struct err find_trees(struct strays *strays) {
    struct tree_mark marks[MARKS_MAX];
    struct err err = ERR_OK;
    for (size_t at = 0; at < strays->dead.len && !err_failed(err);) {
        size_t count = 0;
        while (count < MARKS_MAX && at < strays->dead.len) {
            struct tree_mark *mark = &marks[count++];
            mark->name = strays->dead.data + at;
            at += strlen(mark->name) + 1;
            mark->nonce = strays->dead.data + at;
            at += strlen(mark->nonce) + 1;
        }
        err = add_living(strays, marks, count);
    }
    return err;
}

static void list_run(struct pool_job *job) {
    struct strays *strays = CONTAINER_OF(job, struct strays, job);
    text_clear(&strays->names);
    text_clear(&strays->dead);
    strays->skipped = ERR_OK;
    strays->err = spool_each(strays->dispatch->options.spool, on_folder, strays);
    if (!err_failed(strays->err)) {
        strays->err = find_trees(strays);
    }
}

static void list_done(struct pool_job *job) {
    struct strays *strays = CONTAINER_OF(job, struct strays, job);
    struct dispatch *dispatch = strays->dispatch;
    strays->away = false;
    if (dispatch->stopping) {
        strays_free(strays);
        dispatch__maybe_stopped(dispatch);
        return;
    }
    if (err_failed(strays->err)) {
        strays_failed(strays, strays->err);
        return;
    }
    strays_passed(strays);
    strays->listed = true;
    strays_check(strays);
}

static void strays_list(struct strays *strays) {
    strays->away = true;
    strays->job = (struct pool_job){.kind = POOL_TIDY, .run = list_run, .done = list_done};
    pool_add(&strays->dispatch->pool, &strays->job);
}

/* --- Checking --------------------------------------------------------------------------------- */

static struct err check_tx(struct tx *tx, void *ctx) {
    struct strays *strays = ctx;
    return tx_run_here_moved(tx, strays->asked, strays->count, strays->moved);
}

static struct bytes id_of(const struct run_here *here) {
    return bytes_of(here->run.text);
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
    strays->away = false;
    if (dispatch->stopping) {
        strays_free(strays);
        return;
    }
    if (err_failed(err)) {
        strays_failed(strays, err);
        return;
    }
    strays_passed(strays);
    strays->at = strays->next;
    for (size_t i = 0; i < strays->count; i++) {
        const struct run_here *here = &strays->asked[i];
        if (strays->moved[i] && flight__find(dispatch, id_of(here), here->attempt) == NULL) {
            end(dispatch, here);
        }
    }
    strays_check(strays);
}

static void strays_end(struct strays *strays) {
    strays->listed = false;
    strays->at = 0;
    if (err_failed(strays->skipped)) {
        strays_failed(strays, strays->skipped);
    } else if (++strays->looks < LOOKS) {
        timer_start(strays->dispatch->options.loop, &strays->timer, LATE_MS, on_timer);
    } else {
        strays_free(strays);
    }
}

static void strays_check(struct strays *strays) {
    strays->count = 0;
    strays->next = strays->at;
    while (strays->count < CHECK_PAGE && strays->next < strays->names.len) {
        const char *name = strays->names.data + strays->next;
        struct run_here *here = &strays->asked[strays->count];
        strays->next += strlen(name) + 1;
        bool ours = parse_name(name, here);
        assert(ours); /* It was when it was listed. */
        strays->count += flight__find(strays->dispatch, id_of(here), here->attempt) == NULL;
    }
    if (strays->count == 0) {
        strays_end(strays);
        return;
    }
    strays->away = true;
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
    dispatch->strays = strays;
    text_init(&strays->names, NAMES_SIZE_MAX);
    text_init(&strays->dead, NAMES_SIZE_MAX);
    strays_list(strays);
}

void strays__stop(struct dispatch *dispatch) {
    struct strays *strays = dispatch->strays;
    if (strays == NULL || strays->away) {
        return; /* The step that is away ends it. */
    }
    timer_stop(dispatch->options.loop, &strays->timer);
    strays_free(strays);
}
