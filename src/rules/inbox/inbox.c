/* inbox.c: 1 s, 2 s, 4 s … 5 min, then hourly; each a little longer by chance, so that receivers
 * which failed together are not all tried together.
 */
#include "rules/inbox/inbox.h"

#include <stdlib.h>

#include "base/json/json.h"

#define X(state, name) name,
const char *const inbox_state_names[] = {INBOX_STATES(X) NULL};
#undef X

bool inbox_state_find(struct bytes name, enum inbox_state *ret_state) {
    return bytes_find(name, inbox_state_names, ret_state);
}

unsigned notice_events_read(struct bytes json) {
    AUTO(json_release) json_t *words = NULL;
    unsigned events = 0, at = 0;
    if (json.len == 0) {
        return NOTICE_EVENTS_ALL;
    }
    if (err_failed(json_parse_wrapped(json, &words, NULL /* no why */)) || !json_is_array(words)) {
        return 0;
    }
    for (size_t i = 0; i < json_array_size(words); i++) {
        const json_t *word = json_array_get(words, i);
        const struct bytes name = {json_string_value(word), json_string_length(word)};
        if (name.data == NULL || !bytes_find(name, notice_event_names, &at) ||
            (events & 1U << at) != 0) {
            return 0;
        }
        events |= 1U << at;
    }
    return events;
}

bool notice_event_of(const struct run_row *run, int64_t after_ms, enum notice_event *ret_event) {
    const bool failed = run->state == RUN_FAILED || run->state == RUN_TIMED_OUT ||
                        run->state == RUN_LOST || run->state == RUN_DEGRADED;
    const bool stuck = failed && run->cause == CAUSE_STUCK;
    *ret_event = stuck ? NOTICE_STALLED : failed ? NOTICE_FAILED : NOTICE_ENDED;
    return !run_kind_is(run->kind, RUN_IS_SILENT) &&
           (stuck ||
            (run->parent == 0 && (failed || (run->state == RUN_SUCCEEDED && run->started_ms > 0 &&
                                             run->ended_ms - run->started_ms >= after_ms))));
}

/* Doubling stops at the bound, so no number of failures can overflow it. */
static int64_t doubled(const struct inbox_waits *waits, int64_t failures) {
    int64_t wait = waits->first_ms;
    for (int64_t i = 1; i < failures && wait < waits->max_ms; i++) {
        wait = wait > waits->max_ms / 2 ? waits->max_ms : wait * 2;
    }
    return wait < waits->max_ms ? wait : waits->max_ms;
}

struct inbox_next inbox_after_failure(const struct inbox_waits *waits, int64_t failures,
                                      uint32_t random) {
    bool stalled = failures >= waits->stalled_after;
    int64_t wait = stalled ? waits->stalled_ms : doubled(waits, failures);
    int64_t more = (int64_t)((double)wait / 4 * random / UINT32_MAX);
    return (struct inbox_next){.state = stalled ? INBOX_STALLED : INBOX_PENDING,
                               .wait_ms = wait + more};
}

bool inbox_time_absurd(const struct inbox_waits *waits, const struct inbox_time *time) {
    int64_t longest =
        time->failures == 0 ? 0 : inbox_after_failure(waits, time->failures, UINT32_MAX).wait_ms;
    return time->not_before_ms - time->now_ms > longest;
}

int64_t inbox_wait_left(const struct inbox_waits *waits, const struct inbox_time *time) {
    int64_t left = time->not_before_ms - time->now_ms;
    return left < 0 || inbox_time_absurd(waits, time) ? 0 : left;
}

/* --- Sessions --------------------------------------------------------------------------------- */

enum inbox_turn inbox_judge_turn(enum run_state state, enum run_cause cause) {
    assert(run_state_final(state));
    if (state == RUN_SUCCEEDED || state == RUN_DEGRADED) {
        return INBOX_TURN_TOOK;
    }
    switch (cause) {
    case CAUSE_STOPPED:
    case CAUSE_INTERRUPTED:
    case CAUSE_CLEARED:
        return state == RUN_CANCELLED ? INBOX_TURN_STOPPED : INBOX_TURN_FAILED;
    case CAUSE_ROLLED_BACK:
        return INBOX_TURN_UNDONE;
    case CAUSE_BUDGET:
    case CAUSE_AUTH_FAILED:
    case CAUSE_CONTEXT_OVERFLOW:
    case CAUSE_BAD_REQUEST:
    case CAUSE_MODEL_UNKNOWN:
    case CAUSE_DENIED:
        return INBOX_TURN_HELD;
    default: /* What may pass by itself. */
        return INBOX_TURN_FAILED;
    }
}

enum inbox_state inbox_state_unbound(const struct inbox_waits *waits, int64_t failures) {
    return failures >= waits->stalled_after ? INBOX_STALLED : INBOX_PENDING;
}

static int by_time(const void *left, const void *right) {
    const struct inbox_candidate *a = left, *b = right;
    if (a->not_before_ms != b->not_before_ms) {
        return a->not_before_ms < b->not_before_ms ? -1 : 1;
    }
    return a->id < b->id ? -1 : a->id > b->id;
}

static int by_id(const void *left, const void *right) {
    const struct inbox_candidate *a = left, *b = right;
    return a->id < b->id ? -1 : a->id > b->id;
}

size_t inbox_pick(struct inbox_candidate *rows, size_t count) {
    if (count == 0) {
        return 0;
    }
    qsort(rows, count, sizeof *rows, by_time);
    if (rows[0].failures >= INBOX_SPLIT_AFTER) {
        return 1;
    }
    size_t picked = 0;
    int64_t text = 0;
    for (size_t i = 0; i < count && picked < INBOX_BATCH_MAX; i++) {
        struct inbox_candidate row = rows[i];
        bool fits = picked == 0 || text + row.text <= INBOX_BATCH_TEXT_MAX;
        if (row.failures < INBOX_SPLIT_AFTER && fits) {
            rows[i] = rows[picked]; /* The one before it was passed over. */
            rows[picked++] = row;
            text += row.text;
        }
    }
    qsort(rows, picked, sizeof *rows, by_id);
    return picked;
}
