/* effects.c: a list, oldest first: whoever begins comes last, so the head is what waits longest. */
#include "dispatch/base/effects.h"

#include "base/memory.h"
#include "store/store.h"

struct effects {
    const struct world *world;    /* Borrowed. */
    struct failed_starts *starts; /* Borrowed; NULL: none. */
    struct link list;             /* Borrowed. */
    uint64_t listed;
    struct effects_stats history; /* Of abandoned effects. */
};

struct effects *effects_new(const struct world *world) {
    struct effects *effects = mem_new(sizeof *effects);
    effects->world = world;
    links_init(&effects->list);
    return effects;
}

/* The daemon ends in the middle of what it does: entries that are left are never looked at. */
void effects_free(struct effects *effects) {
    mem_free(effects);
}

void effects_set_starts(struct effects *effects, struct failed_starts *starts) {
    effects->starts = starts;
}

void effects_at(struct effects *effects, struct bytes run) {
    if (effects != NULL) {
        failed_starts_at(effects->starts, run);
    }
}

void effect_begin(struct effects *effects, struct effect *effect, const char *what) {
    if (effects == NULL || effect->effects != NULL) {
        return;
    }
    *effect = (struct effect){
        .effects = effects, .what = what, .since_ns = world_mono_ns(effects->world)};
    link_add_last(&effects->list, &effect->link);
    effects->listed++;
}

void effect_failed(struct effect *effect, struct err err) {
    effect->err = err;
}

void effect_done(struct effect *effect) {
    if (effect->effects != NULL) {
        link_remove(&effect->link);
        effect->effects->listed--;
        *effect = (struct effect){.effects = NULL};
    }
}

bool effect_is_hopeless_after(unsigned tries, unsigned tries_max, struct err err) {
    return err.code == ERR_TEXT_TOO_LONG || (tries >= tries_max && !store_error_passes(err));
}

bool effect_is_hopeless(unsigned tries, struct err err) {
    return effect_is_hopeless_after(tries, EFFECT_TRIES_MAX, err);
}

void effects_abandon(struct effects *effects, struct effect *effect) {
    effect_done(effect);
    if (effects != NULL) {
        effects->history.abandoned++;
    }
}

static uint64_t effect_age_ms(const struct effect *effect) {
    return (world_mono_ns(effect->effects->world) - effect->since_ns) / 1000000;
}

static uint64_t count_stuck(const struct effects *effects) {
    uint64_t count = 0;
    const struct link *at = effects->list.next;
    while (at != &effects->list &&
           effect_age_ms(CONTAINER_OF(at, struct effect, link)) >= EFFECTS_STUCK_MS) {
        at = at->next;
        count++;
    }
    return count;
}

bool effects_stuck(const struct effects *effects, struct why *ret_why) {
    uint64_t count = count_stuck(effects);
    if (count == 0) {
        return false;
    }
    const struct effect *oldest = CONTAINER_OF(effects->list.next, struct effect, link);
    bool failed = err_failed(oldest->err);
    why_set(ret_why,
            "%llu step%s of runs made no progress for a minute; the oldest, %s, for %llu s: %s%s%s;"
            " the log names its run",
            (unsigned long long)count, count == 1 ? "" : "s", oldest->what,
            (unsigned long long)(effect_age_ms(oldest) / 1000),
            failed ? err_name(oldest->err.code) : "there was no answer", failed ? ": " : "",
            failed ? err_title(oldest->err.code) : "");
    return true;
}

void effects_get_stats(const struct effects *effects, struct effects_stats *ret_stats) {
    *ret_stats = effects->history;
    ret_stats->listed = effects->listed;
    ret_stats->stuck = count_stuck(effects);
}
