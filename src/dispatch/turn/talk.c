/* talk.c: the base of all parts of a turn: its states, its questions to the pool and the store, and
 * the steps that are above them. */
#include "dispatch/turn/talk.h"

#include "base/memory.h"

/* Number of tries to store what a turn did: about 16 seconds. An outage of the database is waited
 * for, however long it is. */
enum { STEP_TRIES_MAX = 9 };

/* Invariants of a state, which hold when it begins. */
enum {
    IDLE = 1 << 0,    /* No model is asked, and no prompt or summary is made; */
    NO_JOB = 1 << 1,  /* `job` is not in the pool; */
    NO_WORK = 1 << 2, /* no tool is running, and no errand is on its way; */
    SAID = 1 << 3,    /* a call was begun: its text has a place. */
};
#define TO(state) (1U << TALK_##state)
static const struct {
    unsigned next, holds;
} states[TALK_STATES] = {
    [TALK_PLANNING] = {TO(HOUSING) | TO(PREPARING) | TO(WORKING) | TO(RESTING) | TO(ENDED),
                       IDLE | NO_JOB},
    [TALK_HOUSING] = {TO(PREPARING) | TO(WORKING) | TO(PLANNING) | TO(ENDED),
                      IDLE | NO_JOB | NO_WORK},
    [TALK_PREPARING] = {TO(CALLING) | TO(PLANNING) | TO(ENDED), IDLE | NO_JOB},
    [TALK_CALLING] = {TO(JUDGING) | TO(FLUSHING) | TO(ENDED), IDLE | NO_JOB},
    [TALK_JUDGING] = {TO(FLUSHING) | TO(ENDED), IDLE | NO_JOB | SAID},
    [TALK_FLUSHING] = {TO(PLANNING) | TO(PREPARING) | TO(ENDED), IDLE | NO_JOB | SAID},
    [TALK_WORKING] = {TO(PREPARING) | TO(WORKING) | TO(ENDED), IDLE},
    [TALK_RESTING] = {TO(PLANNING) | TO(ENDED), IDLE | NO_JOB | NO_WORK},
    [TALK_ENDED] = {TO(ENDED), 0},
};
#undef TO

void talk__enter(struct talk *talk, enum talk_state state) {
    const bool idle = talk->call.asking == NULL && talk->reading == NULL && talk->compact == NULL;
    const unsigned holds = (idle ? IDLE : 0U) | (talk->away ? 0U : NO_JOB) |
                           (talk->works == NULL && talk->errands == NULL ? NO_WORK : 0U) |
                           (talk->call.deltas.deltas != NULL ? SAID : 0U);
    assert((states[talk->state].next & 1U << state) != 0);
    assert((states[state].holds & ~holds) == 0);
    talk->state = state;
}

struct bytes talk__run(const struct talk *talk) {
    return talk->node.name;
}

bool talk__is_over(const struct talk *talk) {
    return talk->state == TALK_ENDED || talk->turns->asker.stopping;
}

bool talk__model(const struct talk *talk, struct model_info *ret_info) {
    return models_info(talk->turns->options.models, talk->plan.model, ret_info);
}

struct id talk__new_id(const struct talk *talk, const char *prefix) {
    return world_new_id(loop_world(talk->turns->options.loop), prefix);
}

uint64_t turns__now_ms(const struct turns *turns) {
    return world_mono_ns(loop_world(turns->options.loop)) / 1000000;
}

struct agent_cool_clocks turns__clocks(const struct turns *turns) {
    return (struct agent_cool_clocks){.wall_ms = world_wall_ms(loop_world(turns->options.loop)),
                                      .steady_ms = (int64_t)turns__now_ms(turns)};
}

/* --- Steps of the turn, above this file (turns.c) --------------------------------------------- */

void talk__begin(struct talk *talk) {
    talk->turns->steps->begin(talk);
}

void talk__tick(struct talk *talk) {
    talk->turns->steps->tick(talk);
}

void talk__maybe_free(struct talk *talk) {
    talk->turns->steps->maybe_free(talk);
}

void talk__dropped(void *ctx) {
    talk__maybe_free(ctx);
}

void errand__perform(struct talk_errand *errand) {
    errand->talk->turns->steps->perform(errand);
}

/* --- The pool --------------------------------------------------------------------------------- */

static void talk_in_pool(struct pool_job *job) {
    struct talk *talk = CONTAINER_OF(job, struct talk, job);
    talk->run(talk);
}

static void talk_on_back(struct pool_job *job) {
    struct talk *talk = CONTAINER_OF(job, struct talk, job);
    talk->away = false;
    if (talk__is_over(talk)) {
        talk__maybe_free(talk);
    } else {
        talk->back(talk);
    }
}

void talk__pool(struct talk *talk, void (*run)(struct talk *), void (*back)(struct talk *)) {
    talk->away = true;
    talk->run = run;
    talk->back = back;
    pool_begin(&talk->turns->pool, &talk->job, POOL_QUICK, talk_in_pool, talk_on_back);
}

/* --- Errands ---------------------------------------------------------------------------------- */

static struct err errand_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    struct turn_plan *plan = &errand->plan;
    switch (errand->kind) {
    case ERRAND_BEGIN:
        errand->place = tx_board_place(tx, errand->key.run);
        return tx_turn_begin(tx, &errand->key, plan);
    case ERRAND_ANSWER:
        return tx_turn_answer(tx, &errand->answer, plan);
    case ERRAND_COMPACTED:
        return tx_turn_compacted(tx, &errand->compacted, plan);
    case ERRAND_CARD:
        return tx_turn_card_end(tx, &errand->card, plan);
    case ERRAND_CHILD:
        return tx_turn_child(tx, &errand->child, plan);
    case ERRAND_ROWS:
        return errand->rows(tx, errand);
    case ERRAND_CHECK_START:
        return tx_turn_check_start(tx, &errand->check_start, plan);
    case ERRAND_CHECK_END:
        return tx_turn_check_end(tx, &errand->check_end, plan);
    case ERRAND_REVIEW_BEGIN: {
        struct turn_review_begun *begun = &errand->review_begun;
        struct err err = tx_turn_review_begin(tx, &errand->review_begin, begun);
        if (!err_failed(err)) { /* The arena is gone when the answer is here. */
            why_set(&errand->sentence, "%.*s", (int)begun->why.len, begun->why.data);
            begun->why = BYTES("");
        }
        return err;
    }
    case ERRAND_REVIEW_END:
        return tx_turn_review_end(tx, &errand->review_end, plan);
    case ERRAND_PROGRAM_REPLY:
        return tx_program_reply(tx, &errand->replies, plan);
    case ERRAND_PROGRAM_WITHDRAW:
        return tx_program_withdraw(tx, &errand->key, text_bytes(&errand->input), plan);
    case ERRAND_FAIL:
        return tx_turn_fail(tx, &errand->failure, plan);
    case ERRAND_GIVE_UP:
        break;
    }
    return tx_turn_give_up(tx, &errand->failure, plan);
}

void errand__free(struct talk_errand *errand) {
    struct talk_errand **at = &errand->talk->errands;
    while (*at != errand) {
        at = &(*at)->next;
    }
    *at = errand->next;
    ask_drop(&errand->ask);
    turn_plan_done(&errand->plan);
    text_done(&errand->input);
    mem_free(errand->items);
    mem_free(errand);
}

static void errand_done(void *ctx) {
    struct talk_errand *errand = ctx;
    errand->done(errand);
}

static void errand_dropped(void *ctx) {
    struct talk_errand *errand = ctx;
    talk__maybe_free(errand->talk);
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
    struct talk *talk = errand->talk;
    const struct model_result *refused = &talk->fit.refused;
    const struct turn_answer *answer = &errand->answer;
    const struct turn_compacted *compacted = &errand->compacted;
    const struct turn_review_end *review = &errand->review_end;
    struct turn_failure *failure = &errand->failure;
    why_set(&errand->sentence, "%s: %s (%s)", what, err_title(err.code), err.step);
    asker_report(&talk->turns->asker, "a turn is ended, since it cannot go on", talk__run(talk),
                 err);
    *failure = (struct turn_failure){.key = errand->key,
                                     .sentence = bytes_of(errand->sentence.text),
                                     .granted = review->granted};
    failure_add(failure, &answer->usage, &answer->cost, answer->tries);
    failure_add(failure, &compacted->usage, &compacted->cost, compacted->tries);
    failure_add(failure, &review->usage, &review->cost, review->tries);
    if (answer->tries == 0) { /* An answer has it in its sum. */
        failure_add(failure, &refused->spent, &refused->cost, (int64_t)refused->tries);
    }
    errand->kind = ERRAND_FAIL;
    errand->done = errand__perform;
    errand->work = NULL; /* Freed with its talk. */
}

static enum ask_verdict errand_judge(void *ctx, unsigned tries, struct err err) {
    const struct talk_errand *errand = ctx;
    bool ends = errand->kind == ERRAND_FAIL || errand->kind == ERRAND_GIVE_UP;
    if (tries == 0 && !ends) {
        asker_report(&errand->talk->turns->asker,
                     "a step of a turn could not be stored; it is tried again",
                     talk__run(errand->talk), err);
    }
    return ask_usual(tries, ends ? EFFECT_TRIES_MAX : STEP_TRIES_MAX, err);
}

/* Answers and results are only in memory until they are stored, so an outage of the store is waited
 * for. An error that comes again and again will always come: then the turn ends with a cause, in
 * place of what was to be stored, and its session takes the next message. */
static void errand_refused(void *ctx, struct err err) {
    struct talk_errand *errand = ctx;
    struct talk *talk = errand->talk;
    if (errand->kind == ERRAND_GIVE_UP) { /* The row is left to the next start. */
        asker_report(&talk->turns->asker,
                     "the end of a turn could not be stored: the next start tries again",
                     talk__run(talk), err);
        effects_abandon(talk->turns->options.effects, &errand->ask.retry.effect);
        errand__free(errand);
        talk__enter(talk, TALK_ENDED);
        talk__begin(talk); /* Drops the talk. */
        return;
    }
    if (errand->kind == ERRAND_FAIL) {
        errand->kind = ERRAND_GIVE_UP;
    } else {
        errand_fail(errand, "a step of the turn could not be stored", err);
    }
    talk__send(errand);
}

struct talk_errand *talk__errand(struct talk *talk, enum errand_kind kind,
                                 void (*done)(struct talk_errand *errand)) {
    static const struct ask_rules rules = {.words = {.effect = "store a step of a turn"},
                                           .judge = errand_judge,
                                           .refused = errand_refused,
                                           .dropped = errand_dropped};
    struct talk_errand *errand = mem_new(sizeof *errand);
    errand->talk = talk;
    errand->next = talk->errands;
    talk->errands = errand;
    errand->kind = kind;
    errand->done = done;
    ask_init(&errand->ask, &talk->turns->asker, &rules, errand);
    errand->ask.run = talk__run(talk);
    errand->key = (struct turn_key){
        .run = talk__run(talk), .attempt = talk->attempt, .bounds = talk->turns->options.bounds};
    turn_plan_init(&errand->plan);
    return errand;
}

void talk__fail(struct talk *talk, const char *what, struct err err) {
    struct talk_errand *errand = talk__errand(talk, ERRAND_FAIL, errand__perform);
    errand_fail(errand, what, err);
    talk__send(errand);
}

void talk__fail_treeless(struct talk *talk, const struct why *why) {
    struct talk_errand *errand = talk__errand(talk, ERRAND_FAIL, errand__perform);
    errand->sentence = *why;
    errand->failure = (struct turn_failure){.key = errand->key,
                                            .sentence = bytes_of(errand->sentence.text),
                                            .cause = CAUSE_NO_WORKTREE};
    talk__send(errand);
}

void talk__send(struct talk_errand *errand) {
    ask_write(&errand->ask, errand_tx, errand_done);
}

/* --- Points ----------------------------------------------------------------------------------- */

bool talk__point(struct talk *talk, const struct talk_point *point, struct point_wait *wait) {
    struct points *points = talk->turns->options.points;
    const struct point_ask ask = {.root = point->root,
                                  .run = talk__run(talk),
                                  .call = point->call,
                                  .phase = point->phase,
                                  .path = point->path,
                                  .begins = talk->point_root == NULL};
    if (points == NULL || point->root[0] == '\0') {
        return false;
    }
    if (talk->point_root == NULL) {
        talk->point_root = mem_copy(point->root, strlen(point->root));
    }
    if (wait != NULL) {
        return points_wait(points, &ask, wait);
    }
    points_take(points, &ask);
    return false;
}

void talk__point_end(struct talk *talk) {
    if (talk->point_root != NULL) {
        const struct point_ask ask = {
            .root = talk->point_root, .run = talk__run(talk), .call = "", .phase = POINT_END};
        points_take(talk->turns->options.points, &ask);
    }
}

void talk__point_resume(struct talk *talk) {
    const struct bytes root = talk->plan.root;
    if (talk->turns->options.points != NULL && talk->point_root == NULL && root.len > 0) {
        talk->point_root = mem_copy(root.data, root.len);
    }
}
