/* talk.c: one turn in our hands: what a transaction planned is performed, and asked for again. */
#include "dispatch/turn/talk.h"

#include <string.h>

#include "base/memory.h"

#define TO(state) (1U << TALK_##state)
static const unsigned edges[TALK_STATES] = {
    [TALK_PLANNING] = TO(PREPARING) | TO(WORKING) | TO(RESTING),
    [TALK_PREPARING] = TO(CALLING) | TO(PLANNING),
    [TALK_CALLING] = TO(JUDGING) | TO(FLUSHING),
    [TALK_JUDGING] = TO(FLUSHING),
    [TALK_FLUSHING] = TO(PLANNING) | TO(PREPARING),
    [TALK_WORKING] = TO(PREPARING) | TO(WORKING),
    [TALK_RESTING] = TO(PLANNING),
};
#undef TO

void talk__enter(struct talk *talk, enum talk_state state) {
    assert((edges[talk->state] & 1U << state) != 0);
    talk->state = state;
}

struct bytes talk__run(const struct talk *talk) {
    return talk->node.name;
}

/* --- Life ------------------------------------------------------------------------------------- */

static void take_settings(struct talk *talk) {
    const struct settings *settings = connections_settings(talk->turns->options.connections);
    struct bytes instructions = settings->instructions;
    talk->instructions = mem_copy(instructions.len > 0 ? instructions.data : "", instructions.len);
    talk->window = settings->window;
    talk->effort = model_effort_of(settings->effort, MODEL_EFFORT_DEFAULT);
}

struct talk *talk__new(struct turns *turns, const struct run_row *row) {
    struct talk *talk = mem_new(sizeof *talk);
    assert(row->run.len < sizeof talk->name);
    memcpy(talk->name, row->run.data, row->run.len);
    talk->node.name = (struct bytes){talk->name, row->run.len};
    talk->turns = turns;
    talk->attempt = row->attempt;
    talk->stop = row->stop != CAUSE_NONE;
    take_settings(talk);
    said_init(&talk->said);
    text_init(&talk->misfit, TALK_MISFIT_MAX);
    turn_plan_init(&talk->plan);
    table_add(&turns->talks, &talk->node);
    turns->stats.begun++;
    return talk;
}

static bool is_away(const struct talk *talk) {
    bool away = talk->away || talk->asking != NULL || compact__is_out(talk->compact);
    for (const struct talk_errand *errand = talk->errands; errand != NULL; errand = errand->next) {
        away = away || errand->away;
    }
    for (const struct talk_work *work = talk->works; work != NULL; work = work->next) {
        away = away || work->away || work->fetch != NULL || review__is_out(work->review);
    }
    return away;
}

void talk__free(struct talk *talk) {
    struct turns *turns = talk->turns;
    assert(!is_away(talk));
    table_remove(&turns->talks, &talk->node);
    timer_stop(turns->options.loop, &talk->timer);
    effect_done(&talk->reading);
    while (talk->errands != NULL) {
        errand__free(talk->errands);
    }
    while (talk->works != NULL) {
        work__free(talk->works);
    }
    deltas_drop(&talk->deltas);
    compact__free(talk->compact);
    model_request_free(talk->request);
    said_done(&talk->said);
    text_done(&talk->facts);
    text_done(&talk->tail);
    text_done(&talk->misfit);
    turn_plan_done(&talk->plan);
    mem_free(talk->instructions);
    mem_free(talk);
    turns__maybe_stopped(turns);
}

void talk__maybe_free(struct talk *talk) {
    if (talk__is_over(talk) && !is_away(talk)) {
        talk__free(talk);
    }
}

void talk__drop(struct talk *talk) {
    assert(talk__is_over(talk));
    talk__cancel_call(talk);
    talk__cancel_works(talk);
    if (compact__is_out(talk->compact)) {
        compact__cancel(talk); /* Frees the talk, too, where nothing of it is away. */
    } else {
        talk__maybe_free(talk);
    }
}

struct id talk__new_id(const struct talk *talk, const char *prefix) {
    const struct world *world = loop_world(talk->turns->options.loop);
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
}

/* --- Planning --------------------------------------------------------------------------------- */

static struct err begin_tx(struct tx *tx, void *ctx) {
    struct talk_errand *errand = ctx;
    return tx_turn_begin(tx, &errand->key, &errand->plan);
}

/* The store may have refused the question, and taken what came behind it: what that planned is in
 * our hands already, or on its way. */
static bool is_overtaken(const struct talk *talk) {
    return talk->state == TALK_PLANNING ? talk->errands != NULL : talk->state != TALK_WORKING;
}

static void begun(struct talk_errand *errand) {
    struct talk *talk = errand->talk;
    struct turn_plan plan = errand->plan;
    turn_plan_init(&errand->plan);
    errand__free(errand);
    if (is_overtaken(talk) && !talk->ended) {
        turn_plan_done(&plan);
        return;
    }
    talk__perform(talk, &plan);
}

/* Its rows are asked what is next: at the beginning, and when a note says that something came from
 * elsewhere (a child ended, somebody answered). */
void talk__begin(struct talk *talk) {
    if (talk->ended) {
        talk__drop(talk);
        return;
    }
    if (talk->errands != NULL || (talk->state != TALK_PLANNING && talk->state != TALK_WORKING)) {
        talk->again = true; /* What is on its way will say. */
        return;
    }
    talk->again = false;
    talk__send(talk__errand(talk, begin_tx, begun));
}

static void rested(struct timer *timer) {
    struct talk *talk = CONTAINER_OF(timer, struct talk, timer);
    talk__enter(talk, TALK_PLANNING);
    talk__begin(talk);
}

void talk__resume(struct talk *talk, const struct run_row *row) {
    struct loop *loop = talk->turns->options.loop;
    int64_t wait_ms = run_provider_wait_ms(row, world_wall_ms(loop_world(loop)));
    bool rests = run_waits_for_provider(row) && !talk->stop && wait_ms > 0;
    if (!rests) {
        talk__begin(talk);
        return;
    }
    talk__enter(talk, TALK_RESTING);
    timer_start(loop, &talk->timer, (uint64_t)wait_ms, rested);
}

/* The rows know already; what is in our hands is what must stop. The talk stays, since the end of
 * its turn is stored by it. */
void talk__stop(struct talk *talk) {
    assert(!talk__is_over(talk));
    talk->stop = true;
    if (talk->state == TALK_RESTING) {
        timer_stop(talk->turns->options.loop, &talk->timer);
        rested(&talk->timer);
        return;
    }
    talk__cancel_works(talk);
    compact__cancel(talk);
    talk__cancel_call(talk);
}

/* --- Performing ------------------------------------------------------------------------------- */

static void leave(struct talk *talk) {
    talk->ended = true;
    talk__drop(talk);
}

/* Nothing is to be done until somebody answers; a note will say so. One that came while the plan
 * was on its way may have said it already. */
static void rest(struct talk *talk) {
    if (talk->again) {
        talk__begin(talk);
    } else if (talk->works == NULL && talk->plan.next == TURN_NEXT_PARK) {
        leave(talk);
    }
}

void talk__perform(struct talk *talk, struct turn_plan *plan) {
    deltas_drop(&talk->deltas); /* They borrow the names of the plan. */
    talk->waits = false;        /* The commit of this plan ended the wait. */
    turn_plan_done(&talk->plan);
    talk->plan = *plan;
    turn_plan_init(plan);
    talk->turns->stats.late += talk->plan.late;
    if (talk->ended || talk->plan.late || talk->plan.next == TURN_NEXT_END) {
        talk->turns->stats.finished += !talk->plan.late;
        leave(talk);
        return;
    }
    switch (talk->plan.next) {
    case TURN_NEXT_CALL:
    case TURN_NEXT_LAST_CALL:
        talk->too_long = talk->refused = talk->doubted = talk->must_fold = false;
        talk->folds = 0;
        talk->refused_window = talk->learned_window = 0;
        talk->refused_result = (struct model_result){0};
        talk__enter(talk, TALK_PREPARING);
        talk__prepare(talk);
        break;
    case TURN_NEXT_COMPACT:
        talk__enter(talk, TALK_PREPARING);
        talk__compact(talk);
        break;
    case TURN_NEXT_START:
    case TURN_NEXT_WAIT:
    case TURN_NEXT_PARK:
    case TURN_NEXT_CHECK:
        talk__enter(talk, TALK_WORKING);
        talk__work(talk, &talk->plan);
        rest(talk);
        break;
    case TURN_NEXT_END:
        break;
    }
}
