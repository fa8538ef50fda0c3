/* ask.c: see the header. */
#include "dispatch/base/ask.h"

enum { DOUBLINGS_MAX = 6 };

void asker_report(const struct asker *asker, const char *what, struct bytes run, struct err err) {
    if (asker->failed != NULL) {
        asker->failed(asker->ctx, what, run, err);
    }
}

uint64_t retry_failed(struct retry *retry, struct asker *asker, const struct retry_words *words,
                      struct bytes run, struct err err) {
    if (retry->tries == 0 && words->again != NULL) {
        asker_report(asker, words->again, run, err);
    }
    if (words->effect != NULL) {
        effect_begin(asker->effects, &retry->effect, words->effect);
        effect_failed(&retry->effect, err);
    }
    asker->retries++;
    unsigned doublings = retry->tries < DOUBLINGS_MAX ? retry->tries : DOUBLINGS_MAX;
    uint64_t pause_ms = asker->pause_ms << doublings;
    retry->tries++;
    return pause_ms < asker->pause_max_ms ? pause_ms : asker->pause_max_ms;
}

void retry_done(struct retry *retry) {
    retry->tries = 0;
    effect_done(&retry->effect);
}

enum ask_verdict ask_any(void *ctx, unsigned tries, struct err err) {
    (void)ctx; /* Neither what was asked, */
    (void)tries;
    (void)err; /* nor how it failed, makes a difference. */
    return ASK_ANSWERED;
}

enum ask_verdict ask_usual(unsigned tries, unsigned tries_max, struct err err) {
    bool over = tries + 1 >= tries_max && !effect_error_passes(err);
    return over || effect_error_stays(err) ? ASK_REFUSED : ASK_AGAIN;
}

static enum ask_verdict ask_judge(const struct ask *ask, struct err err) {
    const struct ask_kind *kind = ask->kind;
    if (!err_failed(err)) {
        return ASK_ANSWERED;
    }
    if (kind->judge != NULL) {
        return kind->judge(ask->ctx, ask->retry.tries, err);
    }
    return kind->refused == NULL
               ? ASK_AGAIN
               : ask_usual(ask->retry.tries,
                           kind->tries_max > 0 ? kind->tries_max : EFFECT_TRIES_MAX, err);
}

static void ask_begin(struct ask *ask);

static void ask_on_timer(struct timer *timer) {
    ask_begin(CONTAINER_OF(timer, struct ask, timer));
}

static void ask_answered(struct err err, void *ctx) {
    struct ask *ask = ctx;
    struct asker *asker = ask->asker;
    const struct ask_kind *kind = ask->kind;
    assert(asker->away > 0);
    asker->away--;
    ask->state = ASK_IDLE;
    if (asker->stopping) {
        if (kind->dropped != NULL) {
            kind->dropped(ask->ctx);
        }
        return;
    }
    switch (ask_judge(ask, err)) {
    case ASK_AGAIN:
        ask->state = ASK_PAUSING;
        timer_start(asker->loop, &ask->timer,
                    retry_failed(&ask->retry, asker, &kind->words, ask->run, err), ask_on_timer);
        break;
    case ASK_REFUSED: /* The entry of the effect stays, for what is tried in its place. */
        ask->retry.tries = 0;
        kind->refused(ask->ctx, err);
        break;
    case ASK_ANSWERED:
        ask->err = err;
        retry_done(&ask->retry);
        effects_at(asker->effects, ask->run);
        kind->done(ask->ctx);
        break;
    }
}

/* On a thread of the store: a crash in the function is held against its run. */
static struct err ask_perform(struct tx *tx, void *ctx) {
    const struct ask *ask = ctx;
    effects_at(ask->asker->effects, ask->run);
    return ask->kind->fn(tx, ask->ctx);
}

static void ask_begin(struct ask *ask) {
    struct asker *asker = ask->asker;
    ask->state = ASK_AWAY;
    asker->away++;
    if (ask->kind->words.effect != NULL) {
        effect_begin(asker->effects, &ask->retry.effect, ask->kind->words.effect);
    }
    if (ask->kind->reads) {
        store_read(asker->store, ask_perform, ask_answered, ask);
    } else {
        store_write(asker->store, ask_perform, ask_answered, ask);
    }
}

void ask_send(struct ask *ask, struct asker *asker, const struct ask_kind *kind, void *ctx) {
    assert(ask->state != ASK_AWAY);
    timer_stop(asker->loop, &ask->timer);
    ask->asker = asker;
    ask->kind = kind;
    ask->ctx = ctx;
    ask_begin(ask);
}

void ask_drop(struct ask *ask) {
    assert(ask->state != ASK_AWAY);
    if (ask->asker != NULL) {
        timer_stop(ask->asker->loop, &ask->timer);
        ask->state = ASK_IDLE;
        retry_done(&ask->retry);
    }
}
