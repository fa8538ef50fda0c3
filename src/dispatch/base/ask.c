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
    return effect_is_hopeless_after(tries + 1, tries_max, err) ? ASK_REFUSED : ASK_AGAIN;
}

static void ask_begin(struct ask *ask);

static void ask_on_timer(struct timer *timer) {
    struct ask *ask = CONTAINER_OF(timer, struct ask, timer);
    if (!ask->asker->stopping) { /* Else the owner frees it. */
        ask_begin(ask);
    }
}

static void ask_wait(struct ask *ask, uint64_t wait_ms) {
    ask->state = ASK_PAUSING;
    timer_start(ask->asker->loop, &ask->timer, wait_ms, ask_on_timer);
}

static void ask_answered(struct err err, void *ctx) {
    struct ask *ask = ctx;
    struct asker *asker = ask->asker;
    const struct ask_rules *rules = ask->rules;
    assert(asker->away > 0);
    asker->away--;
    ask->state = ASK_IDLE;
    if (asker->stopping) {
        effect_done(&ask->retry.effect); /* The owner may go without a word to us. */
        if (rules->dropped != NULL) {
            rules->dropped(ask->ctx);
        }
        return;
    }
    enum ask_verdict verdict = ASK_ANSWERED;
    if (err_failed(err)) {
        verdict = rules->judge != NULL     ? rules->judge(ask->ctx, ask->retry.tries, err)
                  : rules->refused == NULL ? ASK_AGAIN
                                           : ask_usual(ask->retry.tries, EFFECT_TRIES_MAX, err);
    }
    switch (verdict) {
    case ASK_AGAIN:
        ask_wait(ask, retry_failed(&ask->retry, asker, &rules->words, ask->run, err));
        break;
    case ASK_REFUSED: /* The entry of the effect stays, for what is tried in its place. */
        ask->retry.tries = 0;
        rules->refused(ask->ctx, err);
        break;
    case ASK_ANSWERED:
        ask->err = err;
        retry_done(&ask->retry);
        effects_at(asker->effects, ask->run);
        ask->done(ask->ctx);
        break;
    }
}

/* On a thread of the store: a crash in the function is held against its run. */
static struct err ask_perform(struct tx *tx, void *ctx) {
    const struct ask *ask = ctx;
    effects_at(ask->asker->effects, ask->run);
    return ask->fn(tx, ask->ctx);
}

static void ask_begin(struct ask *ask) {
    struct asker *asker = ask->asker;
    if (ask->rules->begin != NULL) {
        ask->rules->begin(ask->ctx);
    }
    ask->state = ASK_AWAY;
    asker->away++;
    if (ask->rules->words.effect != NULL) {
        effect_begin(asker->effects, &ask->retry.effect, ask->rules->words.effect);
    }
    (ask->kind == ASK_READS           ? store_read
     : ask->kind == ASK_WRITES_LAZILY ? store_write_lazy
                                      : store_write)(asker->store, ask_perform, ask_answered, ask);
}

void ask_init(struct ask *ask, struct asker *asker, const struct ask_rules *rules, void *ctx) {
    *ask = (struct ask){.asker = asker, .rules = rules, .ctx = ctx};
}

static void ask_set(struct ask *ask, store_fn fn, void (*done)(void *ctx), enum ask_kind kind) {
    assert(ask->state != ASK_AWAY);
    timer_stop(ask->asker->loop, &ask->timer);
    ask->fn = fn;
    ask->done = done;
    ask->kind = kind;
}

void ask_read(struct ask *ask, store_fn fn, void (*done)(void *ctx)) {
    ask_set(ask, fn, done, ASK_READS);
    ask_begin(ask);
}

void ask_write(struct ask *ask, store_fn fn, void (*done)(void *ctx)) {
    ask_set(ask, fn, done, ASK_WRITES);
    ask_begin(ask);
}

void ask_write_lazy(struct ask *ask, store_fn fn, void (*done)(void *ctx)) {
    ask_set(ask, fn, done, ASK_WRITES_LAZILY);
    ask_begin(ask);
}

void ask_read_in(struct ask *ask, uint64_t wait_ms, store_fn fn, void (*done)(void *ctx)) {
    ask_set(ask, fn, done, ASK_READS);
    ask_wait(ask, wait_ms);
}

void ask_write_in(struct ask *ask, uint64_t wait_ms, store_fn fn, void (*done)(void *ctx)) {
    ask_set(ask, fn, done, ASK_WRITES);
    ask_wait(ask, wait_ms);
}

void ask_drop(struct ask *ask) {
    assert(ask->state != ASK_AWAY);
    if (ask->asker != NULL) {
        timer_stop(ask->asker->loop, &ask->timer);
        ask->state = ASK_IDLE;
        retry_done(&ask->retry);
    }
}

void ask_stop(struct ask *ask) {
    if (ask->state != ASK_AWAY) {
        ask_drop(ask);
    }
}
