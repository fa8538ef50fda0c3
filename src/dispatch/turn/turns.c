/* turns.c: which turns are in our hands, and the store that is asked for them. */
#include "dispatch/turn/turns.h"

#include <string.h>

#include "base/memory.h"
#include "dispatch/turn/talk.h"

void turns__failed(struct turns *turns, const char *what, struct bytes run, struct err err) {
    if (turns->options.failed != NULL) {
        turns->options.failed(turns->options.ctx, what, run, err);
    }
}

/* --- The store -------------------------------------------------------------------------------- */

struct talk_errand *talk__errand(struct talk *talk, store_fn fn,
                                 void (*done)(struct talk_errand *errand)) {
    struct talk_errand *errand = mem_new(sizeof *errand);
    errand->talk = talk;
    errand->next = talk->errands;
    talk->errands = errand;
    errand->fn = fn;
    errand->done = done;
    errand->key = (struct turn_key){
        .run = talk__run(talk), .attempt = talk->attempt, .bounds = talk->turns->options.bounds};
    turn_plan_init(&errand->plan);
    return errand;
}

void errand__free(struct talk_errand *errand) {
    assert(!errand->away);
    struct talk_errand **at = &errand->talk->errands;
    while (*at != errand) {
        at = &(*at)->next;
    }
    *at = errand->next;
    timer_stop(errand->talk->turns->options.loop, &errand->timer);
    effect_done(&errand->effect);
    turn_plan_done(&errand->plan);
    mem_free(errand->items);
    mem_free(errand);
}

static void send_again(struct timer *timer) {
    talk__send(CONTAINER_OF(timer, struct talk_errand, timer));
}

uint64_t talk__retry_ms(unsigned tries) {
    uint64_t wait_ms = (uint64_t)TALK_RETRY_FIRST_MS << (tries < 6 ? tries : 6);
    return wait_ms < TALK_RETRY_MAX_MS ? wait_ms : TALK_RETRY_MAX_MS;
}

static struct err fail_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_fail(tx, &errand->failure, &errand->plan);
}

static struct err give_up_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_give_up(tx, &errand->failure, &errand->plan);
}

static void failed_done(struct talk_errand *errand) {
    struct talk *talk = errand->talk;
    struct turn_plan plan = errand->plan;
    turn_plan_init(&errand->plan);
    errand__free(errand);
    talk__perform(talk, &plan);
}

static void failure_add(struct turn_failure *failure, const struct usage *usage,
                        const struct usage_cost *cost, int64_t tries) {
    if (tries > 0) {
        failure->cost.known = (failure->tries == 0 || failure->cost.known) && cost->known;
        failure->cost.micros += cost->known ? cost->micros : 0;
        failure->tries += tries;
        usage_add(&failure->usage, usage);
    }
}

/* The errand becomes the end of its turn. What models have used for it is charged all the same. */
static void errand_fail(struct talk_errand *errand, const char *what, struct err err) {
    const struct model_result *refused = &errand->talk->refused_result;
    const struct turn_answer *answer = &errand->answer;
    const struct turn_compacted *compacted = &errand->compacted;
    const struct turn_review_end *review = &errand->review_end;
    why_set(&errand->sentence, "%s: %s (%s)", what, err_title(err.code), err.step);
    turns__failed(errand->talk->turns, "a turn is ended, since it cannot go on",
                  talk__run(errand->talk), err);
    errand->fn = fail_tx;
    errand->done = failed_done;
    errand->tries = 0;
    errand->failure =
        (struct turn_failure){.key = errand->key,
                              .sentence = {errand->sentence.text, strlen(errand->sentence.text)},
                              .granted = review->granted};
    failure_add(&errand->failure, &answer->usage, &answer->cost, answer->tries);
    failure_add(&errand->failure, &compacted->usage, &compacted->cost, compacted->tries);
    failure_add(&errand->failure, &review->usage, &review->cost, review->tries);
    if (answer->tries == 0) { /* An answer has it in its sum. */
        failure_add(&errand->failure, &refused->spent, &refused->cost, (int64_t)refused->tries);
    }
}

void talk__fail(struct talk *talk, const char *what, struct err err) {
    struct talk_errand *errand = talk__errand(talk, fail_tx, failed_done);
    errand_fail(errand, what, err);
    talk__send(errand);
}

/* Not even its end can be stored: the row is left to the next start. */
static void abandon(struct talk_errand *errand, struct err err) {
    struct talk *talk = errand->talk;
    turns__failed(talk->turns, "the end of a turn could not be stored: the next start tries again",
                  talk__run(talk), err);
    effects_abandon(talk->turns->options.effects, &errand->effect, "store the end of a turn", err);
    errand__free(errand);
    talk->ended = true;
    talk__drop(talk);
}

/* Answers and results are only in memory until they are stored, so an outage of the store is waited
 * for. An error that comes again and again will always come: then the turn ends with a cause, in
 * place of what was to be stored, and its session takes the next message. */
static void answered(struct err err, void *ctx) {
    struct talk_errand *errand = ctx;
    struct talk *talk = errand->talk;
    struct turns *turns = talk->turns;
    assert(turns->busy > 0);
    turns->busy--;
    errand->away = false;
    if (turns->stopping) {
        talk__maybe_free(talk);
        return;
    }
    if (err_failed(err)) {
        if (errand->tries == 0) {
            turns__failed(turns, "a step of a turn could not be stored; it is tried again",
                          talk__run(talk), err);
        }
        effect_failed(&errand->effect, err);
        turns->stats.store_retries++;
        bool over = errand->tries >= TALK_WRITE_TRIES_MAX && !effect_error_passes(err);
        bool ends = errand->fn == fail_tx || errand->fn == give_up_tx;
        if (!ends && (over || effect_error_stays(err))) {
            errand_fail(errand, "a step of the turn could not be stored", err);
        } else if (errand->fn == fail_tx && effect_is_hopeless(errand->tries + 1, err)) {
            errand->fn = give_up_tx;
            errand->tries = 0;
        } else if (errand->fn == give_up_tx && effect_is_hopeless(errand->tries + 1, err)) {
            abandon(errand, err);
            return;
        }
        uint64_t wait_ms = talk__retry_ms(errand->tries++);
        timer_start(turns->options.loop, &errand->timer, wait_ms, send_again);
        return;
    }
    effect_done(&errand->effect);
    effects_at(turns->options.effects, talk__run(talk));
    errand->done(errand);
}

void talk__send(struct talk_errand *errand) {
    struct turns *turns = errand->talk->turns;
    errand->away = true;
    effects_at(turns->options.effects, talk__run(errand->talk));
    effect_begin(turns->options.effects, &errand->effect, "store a step of a turn");
    turns->busy++;
    store_write(turns->options.store, errand->fn, answered, errand);
}

/* --- Notes ------------------------------------------------------------------------------------ */

static struct talk *find(const struct turns *turns, struct bytes run) {
    struct table_node *node = table_find(&turns->talks, run);
    return node == NULL ? NULL : CONTAINER_OF(node, struct talk, node);
}

/* A turn that waits for somebody is in nobody's hands, unless it is asked to end. */
static bool wants_us(const struct turns *turns, const struct run_row *row) {
    if (turns->options.hold == RUN_HELD) {
        return false;
    }
    return row->state == RUN_RUNNING || run_waits_for_provider(row) ||
           (row->state == RUN_WAITING && row->stop != CAUSE_NONE);
}

void turns_run_note(struct turns *turns, struct bytes note) {
    struct run_row row;
    bool ours = run_note_read(note, &row);
    assert(ours); /* The engine wrote it, in this process. */
    if (turns->stopping || row.kind != KIND_TURN) {
        return;
    }
    struct talk *talk = find(turns, row.run);
    if (talk != NULL) {
        talk->ended = talk->ended || run_state_final(row.state);
        if (talk->ended) {
            talk__drop(talk); /* It may be gone. */
            return;
        }
        talk->again = true;
        if (row.stop != CAUSE_NONE) {
            talk__stop(talk);
        }
        if (talk->state == TALK_WORKING) {
            talk__begin(talk);
        }
    } else if (wants_us(turns, &row)) {
        talk__resume(talk__new(turns, &row), &row);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void on_stopped(struct loop_task *task) {
    struct turns *turns = CONTAINER_OF(task, struct turns, stop_task);
    turns->stopped(turns->stopped_ctx);
}

static void deltas_failed(void *ctx, const char *what, struct bytes run, struct err err) {
    turns__failed(ctx, what, run, err);
}

struct turns *turns_open(const struct turns_options *options) {
    struct turns *turns = mem_new(sizeof *turns);
    turns->options = *options;
    turns->stop_task.run = on_stopped;
    table_init(&turns->talks);
    pool_init(&turns->pool, options->loop, options->shortage);
    const struct deltas_options of_deltas = {.loop = options->loop,
                                             .store = options->store,
                                             .effects = options->effects,
                                             .ctx = turns,
                                             .failed = deltas_failed};
    turns->deltas = deltas_open(&of_deltas);
    return turns;
}

void turns_hold(struct turns *turns) {
    turns->options.hold = RUN_HELD;
}

void turns_release(struct turns *turns) {
    turns->options.hold = RUN_FREE;
}

void turns__maybe_stopped(struct turns *turns) {
    if (turns->stopping && !turns->told && turns->pool.count == 0) {
        turns->told = true;
        loop_soon(turns->options.loop, &turns->stop_task);
    }
}

static void stop_one(void *ctx, struct table_node *node) {
    (void)ctx; /* The talk knows its turns. */
    talk__drop(CONTAINER_OF(node, struct talk, node));
}

void turns_stop(struct turns *turns, void (*stopped)(void *ctx), void *ctx) {
    assert(!turns->stopping);
    turns->stopping = true;
    turns->stopped = stopped;
    turns->stopped_ctx = ctx;
    deltas_stop(turns->deltas);
    pool_cancel(&turns->pool);
    table_each(&turns->talks, stop_one, NULL);
    turns__maybe_stopped(turns);
}

void turns_close(struct turns *turns) {
    if (turns == NULL) {
        return;
    }
    assert(turns->busy == 0);
    assert(turns->talks.count == 0);
    deltas_close(turns->deltas);
    table_done(&turns->talks);
    mem_free(turns);
}

/* Time in line is none of silence: it counts from when that was seen last. */
int64_t turns_silence_ms(struct turns *turns, struct bytes run) {
    struct talk *talk = find(turns, run);
    uint64_t now_ms = world_mono_ns(loop_world(turns->options.loop)) / 1000000;
    if (talk == NULL || talk->asking == NULL) {
        return -1;
    }
    if (model_is_waiting(talk->asking)) {
        talk->alive_ms = talk->alive_ms > now_ms ? talk->alive_ms : now_ms;
        return -1;
    }
    return now_ms > talk->alive_ms ? (int64_t)(now_ms - talk->alive_ms) : 0;
}

void turns_get_stats(const struct turns *turns, struct turns_stats *ret_stats) {
    *ret_stats = turns->stats;
    ret_stats->live = turns->talks.count;
}

void turns_get_deltas(const struct turns *turns, struct deltas_stats *ret_stats) {
    deltas_get_stats(turns->deltas, ret_stats);
}
