/* inverse.c: see inverse.h. */
#include "rules/changes/inverse.h"

bool inverse_is_mine(int64_t by, int64_t mine) {
    return by != 0 && (by & ~mine) == 0;
}

bool inverse_is_shared(int64_t by, int64_t mine) {
    const uint64_t set = (uint64_t)by;
    return !inverse_is_mine(by, mine) && (set & (set - 1)) != 0;
}

static bool state_equal(struct inverse_state a, struct inverse_state b) {
    return bytes_equal(a.mode, b.mode) && bytes_equal(a.hash, b.hash);
}

/* Others came after all of mine, and have made of the path what it was before: there is nothing to
 * take back. */
static bool is_back(const struct inverse_change *changes, size_t count, int64_t mine) {
    size_t own = 0;
    while (own < count && inverse_is_mine(changes[own].by, mine)) {
        own++;
    }
    for (size_t i = own; i < count; i++) {
        if (inverse_is_mine(changes[i].by, mine)) {
            return false;
        }
    }
    return own > 0 && state_equal(changes[0].before, changes[count - 1].after);
}

enum inverse_kind inverse_judge(const struct inverse_change *changes, size_t count, int64_t mine,
                                enum inverse_force force) {
    bool has_mine = false, has_others = false, has_shared = false;
    enum inverse_kind mixed = INVERSE_RUNS;
    for (size_t i = 0; i < count; i++) {
        const struct inverse_change *change = &changes[i];
        if (inverse_is_mine(change->by, mine)) {
            has_mine = true;
            continue;
        }
        has_others = true;
        has_shared = has_shared || (change->by & mine) != 0;
        if (has_mine && !bytes_equal(change->before.mode, change->after.mode)) {
            mixed = INVERSE_REFUSED;
        }
    }
    if ((!has_mine && !has_shared) || is_back(changes, count, mine)) {
        return INVERSE_NONE;
    }
    if (force == INVERSE_FORCED || (has_mine && !has_others)) {
        return INVERSE_EXACT;
    }
    return has_mine ? mixed : INVERSE_SHARED;
}

bool inverse_run_next(const struct inverse_change *changes, int64_t mine, size_t *io_at,
                      struct inverse_run *ret_run) {
    size_t at = *io_at;
    while (at > 0 && !inverse_is_mine(changes[at - 1].by, mine)) {
        at--;
    }
    if (at == 0) {
        *io_at = 0;
        return false;
    }
    ret_run->after = changes[at - 1].after;
    while (at > 0 && inverse_is_mine(changes[at - 1].by, mine)) {
        at--;
    }
    ret_run->before = changes[at].before;
    *io_at = at;
    return true;
}

static bool is_file(struct inverse_state state) {
    return bytes_begin(state.mode, BYTES("100"));
}

enum inverse_merge inverse_merge(struct inverse_state now, const struct inverse_run *run,
                                 struct inverse_state *ret_state) {
    const struct inverse_state base = run->after, other = run->before;
    if (state_equal(now, base) || state_equal(now, other)) {
        *ret_state = other;
        return INVERSE_STATE;
    }
    if (state_equal(base, other)) {
        *ret_state = now;
        return INVERSE_STATE;
    }
    if (!is_file(now) || !is_file(base) || !is_file(other)) {
        return INVERSE_CLASH;
    }
    /* A file has one of two modes: where the run changed it, `now` has one of the run's. */
    ret_state->mode = bytes_equal(now.mode, base.mode) ? other.mode : now.mode;
    if (bytes_equal(now.hash, base.hash) || bytes_equal(now.hash, other.hash)) {
        ret_state->hash = other.hash;
        return INVERSE_STATE;
    }
    ret_state->hash = now.hash;
    return bytes_equal(base.hash, other.hash) ? INVERSE_STATE : INVERSE_TEXT;
}
