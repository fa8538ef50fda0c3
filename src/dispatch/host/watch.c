/* watch.c: this host's signs of life, and those of the others.
 *
 *   WAITING ──HOST_SEEN_MS──> SIGNING (writes our row, reads the others) ──> WAITING
 *                                  │ a host said nothing for its time, and has jobs
 *                                  └──> ABANDONING (a page of its jobs) ──> … ──> WAITING
 *
 * A sign of life is a change of `seen_ms`. Silence is counted in looks that reached the server, not
 * in time: the clocks of machines differ, and while the server is away, or this daemon stands
 * still, no host can give a sign that it would see. */
#include <stdio.h>

#include "base/memory.h"
#include "dispatch/host/parts.h"
#include "dispatch/job/inside.h"
#include "engine/host/hosts.h"

enum {
    HOSTS_MAX = 256, /* Hosts that are watched; those made first. */
    PLACE_MAX = 128,
};

struct seen {
    char place[PLACE_MAX];
    int64_t made_ms, seen_ms, runs;
    int64_t looks; /* In a row that saw no change. */
};

struct seen_list {
    struct seen at[HOSTS_MAX];
    size_t count;
};

struct host_watch {
    struct dispatch *dispatch;
    struct ask ask;
    struct seen_list known, fresh; /* `fresh` is the store function's. */
    bool renames;      /* Whether this look renames: the daemon leads, and is not held. */
    bool met;          /* Another host: `system` has those in `known`, and ours. */
    bool renamed;      /* Jobs of the hosts in `known`, and ours: tx_host_rename. */
    size_t abandoning; /* Of `known`: the one whose jobs are looked at. */
    struct host_abandon what;
    struct host_abandoned abandoned;
};

/* --- Signs of life ---------------------------------------------------------------------------- */

static struct err note_host(void *ctx, const void *row) {
    const struct host_row *host = row;
    struct host_watch *watch = ctx;
    if (bytes_equal(watch->dispatch->options.bounds.host, host->place) ||
        host->place.len >= PLACE_MAX || watch->fresh.count == HOSTS_MAX) {
        return ERR_OK;
    }
    struct seen *seen = &watch->fresh.at[watch->fresh.count++];
    *seen = (struct seen){.made_ms = host->made_ms, .seen_ms = host->seen_ms, .runs = host->runs};
    memcpy(seen->place, host->place.data, host->place.len);
    return ERR_OK;
}

static const struct seen *seen_find(const struct seen_list *list, struct bytes place) {
    for (size_t i = 0; i < list->count; i++) {
        const struct seen *seen = &list->at[i];
        if (bytes_is(place, seen->place)) {
            return seen;
        }
    }
    return NULL;
}

/* A host that was removed and gave a sign of life is a new row. */
static bool is_new(const struct host_watch *watch, const struct seen *fresh) {
    const struct seen *before = seen_find(&watch->known, bytes_of(fresh->place));
    return before == NULL || before->made_ms != fresh->made_ms;
}

static struct err sign_tx(struct tx *tx, void *ctx) {
    struct host_watch *watch = ctx;
    const struct dispatch_options *options = &watch->dispatch->options;
    const struct host_row ours = {.place = options->bounds.host,
                                  .name = bytes_of(options->host_name),
                                  .version = bytes_of(options->version),
                                  .role = options->guest ? HOST_STANDBY : HOST_LEADER};
    const struct host_page page = {.limit = HOSTS_MAX + 1};
    watch->fresh.count = 0;
    struct err err = tx_host_seen(tx, &ours);
    if (!err_failed(err)) {
        err = tx_host_each(tx, &page, note_host, watch);
    }
    /* By the leader, who alone appends events: of each host that is new here, and of itself. */
    if (!options->guest && !watch->met && watch->fresh.count > 0) {
        tx_host_tell(tx, options->bounds.host, HOST_LEADER);
    }
    for (size_t i = 0; !options->guest && i < watch->fresh.count; i++) {
        if (!watch->met || is_new(watch, &watch->fresh.at[i])) {
            tx_host_tell(tx, bytes_of(watch->fresh.at[i].place), HOST_STANDBY);
        }
    }
    /* Once for each host that is new here, and by the leader, whose rows they are. */
    if (!err_failed(err) && watch->renames && !watch->renamed) {
        err = tx_host_rename(tx, options->bounds.host);
    }
    for (size_t i = 0; watch->renames && !err_failed(err) && i < watch->fresh.count; i++) {
        if (!watch->renamed || is_new(watch, &watch->fresh.at[i])) {
            err = tx_host_rename(tx, bytes_of(watch->fresh.at[i].place));
        }
    }
    return err;
}

/* --- Hosts that are silent for too long ------------------------------------------------------- */

static void abandon_next(struct host_watch *watch);
static void sign_done(void *ctx);

static struct err abandon_tx(struct tx *tx, void *ctx) {
    struct host_watch *watch = ctx;
    return tx_host_abandon(tx, &watch->what, &watch->abandoned);
}

/* An error is no reason for haste: the next round looks again. */
static void abandon_done(void *ctx) {
    struct host_watch *watch = ctx;
    struct err err = watch->ask.err;
    if (err_failed(err) || watch->abandoned.refused > 0) {
        dispatch__report(watch->dispatch, "jobs of a host that is silent could not be given up",
                         BYTES(""),
                         err_failed(err) ? err : err_make(ERR_STORE_CORRUPT, "hosts: abandon"));
    }
    if (!err_failed(err) && watch->abandoned.last != 0) {
        watch->what.after = watch->abandoned.last;
        ask_write(&watch->ask, abandon_tx, abandon_done);
    } else {
        watch->abandoning++;
        abandon_next(watch);
    }
}

static int64_t quiet_ms(const struct seen *seen) {
    return seen->looks * HOST_SEEN_MS;
}

static void abandon_next(struct host_watch *watch) {
    struct dispatch *dispatch = watch->dispatch;
    int64_t timeout_ms = dispatch->options.host_timeout_ms;
    bool may = timeout_ms > 0 && !dispatch->options.guest && dispatch->options.hold == RUN_FREE;
    for (; may && watch->abandoning < watch->known.count; watch->abandoning++) {
        const struct seen *seen = &watch->known.at[watch->abandoning];
        if (seen->runs > 0 && quiet_ms(seen) >= timeout_ms) {
            char words[PLACE_MAX + 100];
            (void)snprintf(words, sizeof words,
                           "host %s gave no sign of life for --host-timeout: its jobs are lost",
                           seen->place); /* It fits. */
            dispatch__report(dispatch, words, BYTES(""), err_make(ERR_HOST_AWAY, "hosts: timeout"));
            watch->what = (struct host_abandon){.place = bytes_of(seen->place),
                                                .limit = HOST_ABANDON_PAGE,
                                                .random = dispatch__random(dispatch),
                                                .bounds = dispatch_bounds(dispatch)};
            ask_write(&watch->ask, abandon_tx, abandon_done);
            return;
        }
    }
    ask_write_in(&watch->ask, HOST_SEEN_MS, sign_tx, sign_done);
}

static void sign_done(void *ctx) {
    struct host_watch *watch = ctx;
    struct dispatch_stats *stats = &watch->dispatch->stats;
    if (err_failed(watch->ask.err)) { /* A server that is away is told by what else is written. */
        ask_write_in(&watch->ask, HOST_SEEN_MS, sign_tx, sign_done);
        return;
    }
    stats->away = 0;
    for (size_t i = 0; i < watch->fresh.count; i++) {
        struct seen *seen = &watch->fresh.at[i];
        const struct seen *before = seen_find(&watch->known, bytes_of(seen->place));
        bool same = before != NULL && before->seen_ms == seen->seen_ms;
        seen->looks = same ? before->looks + 1 : 0;
        stats->away += (uint64_t)seen->runs;
    }
    watch->known = watch->fresh;
    stats->hosts = watch->known.count;
    watch->renamed = watch->renames;
    watch->met = watch->met || watch->fresh.count > 0;
    watch->abandoning = 0;
    abandon_next(watch);
}

static void watch_begin(void *ctx) {
    struct host_watch *watch = ctx;
    const struct dispatch_options *options = &watch->dispatch->options;
    watch->renames = !options->guest && options->hold == RUN_FREE;
}

/* --- Life ------------------------------------------------------------------------------------- */

static void host_watch_start(struct dispatch *dispatch) {
    static const struct ask_rules rules = {.judge = ask_any, .begin = watch_begin};
    if (dispatch__shares_hosts(dispatch) && dispatch->host_watch == NULL && !dispatch->stopping) {
        dispatch->host_watch = mem_new(sizeof *dispatch->host_watch);
        dispatch->host_watch->dispatch = dispatch;
        ask_init(&dispatch->host_watch->ask, &dispatch->asker, &rules, dispatch->host_watch);
        ask_write(&dispatch->host_watch->ask, sign_tx, sign_done);
    }
}

static void guest_sign(struct dispatch *dispatch) {
    if (dispatch->options.guest) {
        host_watch_start(dispatch);
    }
}

static void host_watch_stop(struct dispatch *dispatch) {
    if (dispatch->host_watch != NULL) {
        ask_stop(&dispatch->host_watch->ask);
    }
}

const struct dispatch_part host_watch_part = {.steps = {[PART_OPEN] = guest_sign,
                                                        [PART_RECOVER] = host_watch_start,
                                                        [PART_STOP] = host_watch_stop}};

int64_t host_watch_quiet_ms(const struct dispatch *dispatch, struct bytes place) {
    const struct host_watch *watch = dispatch->host_watch;
    const struct seen *seen = watch == NULL ? NULL : seen_find(&watch->known, place);
    return seen == NULL ? -1 : quiet_ms(seen);
}
