/* ask.h: an operation of the store that is asked until it is answered.
 *
 *   IDLE ──ask_read, ask_write──> AWAY ──a success, or an error that is the answer──> IDLE: `done`
 *                                 ^  │ └──an error for good──> IDLE: `refused`
 *                            time │  v an error that may pass
 *                                PAUSING
 *
 * Promise    each way through the store that a dispatcher takes, with its pauses, its entry among
 *            the effects and its report of the first failure in a row. While the asker stops, an
 *            answer has no effect: `dropped` is called, which frees the owner of the ask.
 * Limits     as effects.h has them, unless the rules of the ask judge errors by themselves. An
 *            ask without `refused` is tried for as long as the daemon lives.
 * Ownership  an ask is embedded in its owner, zeroed at first; ask_drop before it goes, and never
 *            while it is away. Rules are static.
 * Threads    the loop; its function runs where the store runs it.
 */
#ifndef DROVER_DISPATCH_BASE_ASK_H
#define DROVER_DISPATCH_BASE_ASK_H

#include "base/base.h"
#include "base/err.h"
#include "dispatch/base/effects.h"
#include "loop/loop.h"
#include "store/store.h"

/* A dispatcher, as its asks know it. */
struct asker {
    struct loop *loop;               /* Borrowed, as the next two. */
    struct store *store;             /* */
    struct effects *effects;         /* NULL: none. */
    uint64_t pause_ms, pause_max_ms; /* After the first failure; doubling up to the second. */
    void *ctx;
    /* Reports a failure. May be NULL; `run` may be empty. */
    void (*failed)(void *ctx, const char *what, struct bytes run, struct err err);
    size_t away; /* Answers of the store that are awaited. */
    uint64_t retries;
    bool stopping;
};
void asker_report(const struct asker *asker, const char *what, struct bytes run, struct err err);

/* --- Failures in a row, of whatever is tried again -------------------------------------------- */

struct retry {
    unsigned tries; /* Failed tries, in a row. */
    struct effect effect;
};
/* Names of what fails: `effect` as effect_begin has it, NULL: never listed; `again`: report of the
 * first failure in a row, NULL: none. */
struct retry_words {
    const char *effect, *again;
};
/* A try has failed, and another one follows: the pause before it. */
uint64_t retry_failed(struct retry *retry, struct asker *asker, const struct retry_words *words,
                      struct bytes run, struct err err);
void retry_done(struct retry *retry); /* A try went well, or there will be no other. */

/* --- Asks ------------------------------------------------------------------------------------- */

enum ask_verdict { ASK_AGAIN, ASK_REFUSED, ASK_ANSWERED };
/* The treatment of failures. All functions get the ctx of the ask. */
struct ask_rules {
    struct retry_words words;
    /* Meaning of an error after a number of failed tries; NULL: as effects.h has it. */
    enum ask_verdict (*judge)(void *ctx, unsigned tries, struct err err);
    void (*begin)(void *ctx); /* Fills in what the function reads, before each try. May be NULL. */
    void (*refused)(void *ctx, struct err err);
    void (*dropped)(void *ctx); /* NULL: nothing is to be freed. */
};
enum ask_state { ASK_IDLE, ASK_AWAY, ASK_PAUSING };
struct ask {
    struct asker *asker;
    const struct ask_rules *rules;
    void *ctx;
    struct bytes run; /* Borrowed: at hand while it is away (effects_at); empty: none. */
    enum ask_state state;
    enum ask_kind { ASK_READS, ASK_WRITES, ASK_WRITES_LAZILY } kind;
    store_fn fn;
    void (*done)(void *ctx);
    struct err err; /* An error that was taken for the answer. */
    struct retry retry;
    struct timer timer;
};
void ask_init(struct ask *ask, struct asker *asker, const struct ask_rules *rules, void *ctx);
/* Not away. `fn` gets the ctx of the ask, too. */
void ask_read(struct ask *ask, store_fn fn, void (*done)(void *ctx));
void ask_write(struct ask *ask, store_fn fn, void (*done)(void *ctx));
void ask_write_lazy(struct ask *ask, store_fn fn, void (*done)(void *ctx)); /* store_write_lazy. */
/* The same after a pause, with `begin` at its end. */
void ask_read_in(struct ask *ask, uint64_t wait_ms, store_fn fn, void (*done)(void *ctx));
void ask_write_in(struct ask *ask, uint64_t wait_ms, store_fn fn, void (*done)(void *ctx));
void ask_drop(struct ask *ask); /* Zeroed, idle or pausing. */
void ask_stop(struct ask *ask); /* The same; where it is away, the stop of its asker drops it. */
/* For `judge`: whatever the error is, it is the answer. */
enum ask_verdict ask_any(void *ctx, unsigned tries, struct err err);
/* The same as effects.h has it, where rules judge some errors by themselves. */
enum ask_verdict ask_usual(unsigned tries, unsigned tries_max, struct err err);

#endif
