/* turns.c: the turns in the hands of this daemon: plans of transactions are performed, and asked
 * for again. */
#include "dispatch/turn/turns.h"

#include "base/memory.h"
#include "dispatch/turn/work.h"

enum { ASK_PAUSE_MS = 100, ASK_PAUSE_MAX_MS = 5000 };

/* --- A talk's life ---------------------------------------------------------------------------- */

static struct talk *talk_new(struct turns *turns, const struct run_row *row) {
    const struct settings *settings = connections_settings(turns->options.connections);
    struct talk *talk = mem_new(sizeof *talk);
    assert(row->run.len < sizeof talk->name);
    memcpy(talk->name, row->run.data, row->run.len);
    talk->node.name = (struct bytes){talk->name, row->run.len};
    talk->turns = turns;
    talk->attempt = row->attempt;
    talk->stop = row->stop != CAUSE_NONE;
    talk->instructions = mem_copy(settings->instructions.len > 0 ? settings->instructions.data : "",
                                  settings->instructions.len);
    talk->window = settings->window;
    talk->effort = model_effort_of(settings->effort, MODEL_EFFORT_DEFAULT);
    text_init(&talk->call.misfit, MISFIT_MAX);
    text_init(&talk->call.note, 2 * MISFIT_MAX);
    turn_plan_init(&talk->plan);
    table_add(&turns->talks, &talk->node);
    turns->stats.begun++;
    return talk;
}

static bool talk_is_away(const struct talk *talk) {
    bool away = talk->away || talk->ask.state == ASK_AWAY || talk->call.asking != NULL ||
                compact__is_out(talk->compact) || program__is_away(talk->program);
    for (const struct talk_errand *errand = talk->errands; errand != NULL; errand = errand->next) {
        away = away || errand->ask.state == ASK_AWAY;
    }
    for (const struct talk_work *work = talk->works; work != NULL; work = work->next) {
        away = away || work__is_away(work);
    }
    return away;
}

static void turns_maybe_stopped(struct turns *turns) {
    if (turns->asker.stopping && !turns->told && turns->pool.count == 0) {
        turns->told = true;
        loop_soon(turns->options.loop, &turns->stop_task);
    }
}

static void talk_maybe_free(struct talk *talk) {
    struct turns *turns = talk->turns;
    if (!talk__is_over(talk) || talk_is_away(talk)) {
        return;
    }
    table_remove(&turns->talks, &talk->node);
    timer_stop(turns->options.loop, &talk->timer);
    tree_wait_cancel(&talk->tree);
    ask_drop(&talk->ask);
    while (talk->errands != NULL) {
        errand__free(talk->errands);
    }
    while (talk->works != NULL) {
        work__free(talk->works);
    }
    deltas_drop(&talk->call.deltas);
    compact__free(talk->compact);
    program__free(talk);
    prompt__free(talk);
    said_done(&talk->call.said);
    text_done(&talk->call.misfit);
    text_done(&talk->call.note);
    turn_plan_done(&talk->plan);
    mem_free(talk->instructions);
    mem_free(talk->point_root);
    mem_free(talk);
    turns_maybe_stopped(turns);
}

static void talk_cancel_call(struct talk *talk) {
    struct talk_call *call = &talk->call;
    struct model_spent spent;
    if (talk->program != NULL) {
        program__cancel(talk);
        return;
    }
    if (call->asking == NULL) {
        return;
    }
    model_get_spent(call->asking, &spent);
    model_cancel(call->asking);
    call->asking = NULL;
    call->interrupted = true;
    call->result.spent = spent.usage;
    call->result.cost = spent.cost;
    call->result.tries = spent.tries > 0 ? spent.tries : 1;
    if (!talk__is_over(talk)) {
        talk__flush(talk);
    }
}

/* Cancels what is out of a talk that is over. */
static void talk_drop(struct talk *talk) {
    assert(talk__is_over(talk));
    talk_cancel_call(talk);
    talk__cancel_works(talk);
    if (compact__is_out(talk->compact)) {
        compact__cancel(talk); /* Frees the talk, too, where nothing of it is away. */
    } else {
        talk_maybe_free(talk);
    }
}

/* --- Planning --------------------------------------------------------------------------------- */

/* The store may have refused the question, and taken what came after it: what that planned is in
 * our hands already, or on its way. A reply to a program is written in the pool, from the plan. */
static void on_begun(struct talk_errand *errand) {
    struct talk *talk = errand->talk;
    if (talk->state == TALK_PLANNING) { /* Else the pool may read it. */
        talk->place = errand->place;
    }
    bool replies = false;
    for (const struct talk_errand *at = talk->errands; at != NULL; at = at->next) {
        replies = replies || at->kind == ERRAND_PROGRAM_REPLY;
    }
    const bool overtaken = talk->state == TALK_PLANNING ? talk->errands->next != NULL
                                                        : talk->state != TALK_WORKING || replies;
    if (overtaken && talk->state != TALK_ENDED) {
        errand__free(errand);
    } else {
        errand__perform(errand);
    }
}

/* At the beginning, and when a note says that something came from elsewhere (a child ended,
 * somebody answered). */
static void talk_begin(struct talk *talk) {
    if (talk->state == TALK_ENDED) {
        talk_drop(talk);
    } else if (talk->errands != NULL || talk->away ||
               (talk->state != TALK_PLANNING && talk->state != TALK_WORKING)) {
        talk->again = true; /* The errand, or read, on its way will say. */
    } else {
        talk->again = false;
        program__unpark(talk);
        talk__send(talk__errand(talk, ERRAND_BEGIN, on_begun));
    }
}

/* --- Performing ------------------------------------------------------------------------------- */

static void talk_prepare(struct talk *talk) {
    if (talk->plan.next == TURN_NEXT_COMPACT) {
        talk__compact(talk);
    } else if (talk->plan.program.len > 0) {
        program__call(talk);
    } else {
        prompt__prepare(talk);
    }
}

static void on_housed(struct tree_wait *wait, const struct why *why) {
    struct talk *talk = CONTAINER_OF(wait, struct talk, tree);
    talk->house = why->text[0] == '\0' ? HOUSE_STANDS : HOUSE_UNSEEN;
    if (talk__is_over(talk) || talk->house == HOUSE_STANDS) {
        talk__tick(talk);
    } else {
        talk__enter(talk, TALK_PLANNING);
        talk__fail_treeless(talk, why);
    }
}

/* Before the first plan: a turn begins in its working tree, or not at all. True: the talk waits. */
static bool talk_house(struct talk *talk) {
    struct trees *trees = talk->turns->options.trees;
    talk->tree.done = on_housed;
    if (trees != NULL && !talk->stop && /* Else no call is made. */
        trees_wait(trees, talk->plan.root, talk__run(talk), &talk->tree)) {
        talk__enter(talk, TALK_HOUSING);
        return true;
    }
    talk->house = HOUSE_STANDS;
    return false;
}

static bool plan_calls(const struct turn_plan *plan) {
    return plan->next == TURN_NEXT_CALL || plan->next == TURN_NEXT_LAST_CALL ||
           plan->next == TURN_NEXT_COMPACT;
}

/* The store has answered, and the plan says what is next: a call, or tools. */
static void talk_follow_plan(struct talk *talk) {
    const struct turn_plan *plan = &talk->plan;
    if (talk->house == HOUSE_UNSEEN && talk_house(talk)) {
        return;
    }
    if (plan_calls(plan)) {
        talk->fit = (struct talk_fit){.failures = talk->fit.failures};
        talk__enter(talk, TALK_PREPARING);
        talk_prepare(talk);
        return;
    }
    talk__enter(talk, TALK_WORKING);
    if (plan->program.len > 0 && plan->card_count > 0 && !plan->cards[0].review) {
        program__reply(talk);
        return;
    }
    talk__work(talk, plan);
    /* Nothing is to be done until somebody answers; a note will say so. One that came while the
     * plan was on its way may have said it already. */
    if (talk->again) {
        talk_begin(talk);
    } else if (talk->works == NULL && plan->next == TURN_NEXT_PARK && !program__park(talk)) {
        talk__enter(talk, TALK_ENDED);
        talk_drop(talk);
    }
}

/* A turn.
 *
 *   PLANNING ──call──> PREPARING ──> CALLING ──> JUDGING ──> FLUSHING ──> PLANNING
 *      ^ │ │            (its prompt)  (model)    (its calls)  (deltas)
 *      │ │ └─ tools ──> WORKING ──one is done──┐
 *      └─┼──────────────────────────────────────┘
 *        └─ nothing to do (parked), ended, late ──> ENDED ──nothing of it is away──> gone
 *
 * The first plan of a turn whose folder is in a working tree waits in HOUSING until that stands
 * (dispatch/tree/trees.h): nothing is read, called or run before.
 *
 * A turn whose call waited for its provider when the daemon ended begins in RESTING, for what is
 * left of that wait, and goes to PLANNING then, or when it is asked to end. Time that the machine
 * is suspended counts as waited.
 *
 * A call that its provider refuses as too long goes from FLUSHING back to PREPARING (compaction.c).
 *
 * PLANNING is a function of the store: it commits what came last and says what is next. While tools
 * work, each that is done has an errand of its own; the talk stays WORKING.
 *
 * A callback stores in the talk what the state waited for, and ticks. */
static void turn_tick(struct talk *talk) {
    struct talk_call *call = &talk->call;
    if (talk__is_over(talk)) {
        talk_maybe_free(talk);
        return;
    }
    switch (talk->state) {
    case TALK_RESTING: /* The wait is over. */
        talk__enter(talk, TALK_PLANNING);
        talk_begin(talk);
        break;
    case TALK_PLANNING: /* The plan is there, */
    case TALK_HOUSING:  /* and its working tree; */
    case TALK_WORKING:  /* or the next one, since a tool is done. */
        talk_follow_plan(talk);
        break;
    case TALK_PREPARING: /* The prompt was too long, and a part of it is summarised. */
        talk_prepare(talk);
        break;
    case TALK_CALLING: /* The result is there. */
        talk->fit.retry = fit__is_refused(talk);
        if (talk->fit.retry && call->heard > 0) { /* Text that came before the refusal is void. */
            deltas_withdraw(&call->deltas, BYTES("\"cause\":\"context_overflow\""));
        }
        if (call->result.failure.cause == MODEL_NONE && judge__is_needed(talk)) {
            talk__judge(talk);
        } else {
            talk__flush(talk);
        }
        break;
    case TALK_JUDGING:
        judge__tell(call);
        talk__flush(talk);
        break;
    case TALK_FLUSHING:
        if (talk->fit.retry) {
            fit__note_refusal(talk);
            talk__enter(talk, TALK_PREPARING);
            talk_prepare(talk);
        } else {
            talk__enter(talk, TALK_PLANNING);
            talk__answer(talk);
        }
        break;
    case TALK_ENDED:
    case TALK_STATES:
        break;
    }
}

static void on_rested(struct timer *timer) {
    turn_tick(CONTAINER_OF(timer, struct talk, timer));
}

/* The work of the errand is over, and its plan is performed. The talk may be gone then. */
static void talk_perform(struct talk_errand *errand) {
    struct talk *talk = errand->talk;
    deltas_drop(&talk->call.deltas); /* Deltas borrow the names of the plan. */
    turn_plan_done(&talk->plan);
    talk->plan = errand->plan;
    turn_plan_init(&errand->plan);
    if (errand->work != NULL) {
        work__free(errand->work);
    }
    errand__free(errand);
    talk->turns->stats.late += talk->plan.late;
    if (talk->state == TALK_ENDED || talk->plan.late || talk->plan.next == TURN_NEXT_END) {
        talk->turns->stats.finished += !talk->plan.late;
        talk__point_end(talk);
        talk__enter(talk, TALK_ENDED);
        talk_drop(talk);
        return;
    }
    assert(talk->state == TALK_PLANNING || talk->state == TALK_WORKING);
    turn_tick(talk);
}

/* --- Notes ------------------------------------------------------------------------------------ */

static struct talk *talk_find(const struct turns *turns, struct bytes run) {
    struct table_node *node = table_find(&turns->talks, run);
    return node == NULL ? NULL : CONTAINER_OF(node, struct talk, node);
}

/* The turn is to stop: the call that its rows have is begun, and interrupted at once; without one
 * the rows say how it ends. */
static void talk_leave_house(struct talk *talk) {
    tree_wait_cancel(&talk->tree);
    talk->house = HOUSE_STANDS;
    if (plan_calls(&talk->plan)) {
        turn_tick(talk);
    } else {
        talk__enter(talk, TALK_PLANNING);
        talk_begin(talk);
    }
}

static void talk_hear(struct talk *talk, const struct run_row *row) {
    if (run_state_final(row->state)) {
        talk__enter(talk, TALK_ENDED);
    }
    if (talk->state == TALK_ENDED) {
        talk_drop(talk); /* The talk may be gone. */
        return;
    }
    talk->again = true;
    /* The rows know of a stop already; what is in our hands must stop. The talk stays, since the
     * end of its turn is stored by it. */
    talk->stop = talk->stop || row->stop != CAUSE_NONE;
    if (row->stop != CAUSE_NONE && talk->state == TALK_RESTING) {
        timer_stop(talk->turns->options.loop, &talk->timer);
        turn_tick(talk);
        return;
    }
    if (row->stop != CAUSE_NONE && talk->state == TALK_HOUSING) {
        talk_leave_house(talk);
        return;
    }
    if (row->stop != CAUSE_NONE) {
        talk__cancel_works(talk);
        compact__cancel(talk);
        talk_cancel_call(talk);
    }
    if (talk->state == TALK_WORKING) {
        talk_begin(talk);
    }
}

/* The row of a turn does not name its connection, so a recovery of any connection ends the wait. A
 * turn whose provider is still away fails, and waits again. */
static uint64_t talk_rest_ms(const struct talk *talk) {
    const struct turns_options *options = &talk->turns->options;
    const int64_t now_ms = world_wall_ms(loop_world(options->loop));
    return models_was_mended(options->models, BYTES(""))
               ? 0
               : (uint64_t)run_provider_wait_ms(talk->resume_at_ms, now_ms);
}

void turns_recheck_waits(struct turns *turns) {
    for (struct table_node *node = NULL; (node = table_next(&turns->talks, node)) != NULL;) {
        struct talk *talk = CONTAINER_OF(node, struct talk, node);
        if (talk->state == TALK_RESTING) {
            timer_hasten(turns->options.loop, &talk->timer, talk_rest_ms(talk));
        }
    }
}

void turns_run_note(void *room, const struct run_row *row) {
    struct turns *turns = room;
    struct talk *talk = talk_find(turns, row->run);
    if (talk != NULL) {
        talk_hear(talk, row);
        return;
    }
    /* A turn that waits for somebody is in nobody's hands, unless it is asked to end. One that an
     * earlier daemon had is begun once: its program may withdraw what it waits for. */
    const bool waits = run_waits_for_provider(row);
    const bool of_before = row->epoch != store_epoch(turns->options.store);
    const bool wanted = row->state == RUN_RUNNING || waits ||
                        (row->state == RUN_WAITING && (row->stop != CAUSE_NONE || of_before));
    if (!wanted) {
        return;
    }
    talk = talk_new(turns, row);
    talk->resume_at_ms = row->not_before_ms;
    const uint64_t wait_ms = talk_rest_ms(talk);
    if (waits && !talk->stop && wait_ms > 0) { /* The rest of the wait for its provider. */
        talk__enter(talk, TALK_RESTING);
        /* Not in its last millisecond, of which the program would tell as of another wait. */
        timer_start(turns->options.loop, &talk->timer, wait_ms + 1, on_rested);
    } else {
        talk_begin(talk);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

static void on_stopped(struct loop_task *task) {
    struct turns *turns = CONTAINER_OF(task, struct turns, stop_task);
    turns->stopped(turns->stopped_ctx);
}

struct turns *turns_open(const struct turns_options *options) {
    static const struct turn_steps steps = {.begin = talk_begin,
                                            .tick = turn_tick,
                                            .perform = talk_perform,
                                            .maybe_free = talk_maybe_free};
    struct turns *turns = mem_new(sizeof *turns);
    turns->options = *options;
    turns->steps = &steps;
    turns->stop_task.run = on_stopped;
    turns->asker = (struct asker){.loop = options->loop,
                                  .store = options->store,
                                  .effects = options->effects,
                                  .pause_ms = ASK_PAUSE_MS,
                                  .pause_max_ms = ASK_PAUSE_MAX_MS,
                                  .ctx = options->ctx,
                                  .failed = options->failed};
    table_init(&turns->talks);
    program_cools_init(&turns->cools, &turns->asker);
    pool_init(&turns->pool, options->loop, options->shortage);
    turns->deltas = deltas_open(&turns->asker);
    return turns;
}

void turns_restore_cool(struct turns *turns, const struct agent_cool_row *row) {
    const struct agent_cool_clocks now = turns__clocks(turns);
    program_cools_restore(&turns->cools, row, &now);
}

void turns_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct turns *turns = room;
    assert(!turns->asker.stopping);
    turns->asker.stopping = true;
    turns->stopped = stopped;
    turns->stopped_ctx = ctx;
    deltas_stop(turns->deltas);
    program_cools_stop(&turns->cools);
    pool_cancel(&turns->pool);
    for (struct table_node *node = table_next(&turns->talks, NULL), *next; node != NULL;
         node = next) {
        next = table_next(&turns->talks, node);
        talk_drop(CONTAINER_OF(node, struct talk, node));
    }
    turns_maybe_stopped(turns);
}

void turns_close(struct turns *turns) {
    if (turns != NULL) {
        assert(turns->asker.away == 0);
        assert(turns->talks.count == 0);
        deltas_close(turns->deltas);
        table_done(&turns->talks);
        program_cools_done(&turns->cools);
        mem_free(turns);
    }
}

/* Time in line is none of silence: it counts from when that was seen last. */
int64_t turns_silence_ms(struct turns *turns, struct bytes run) {
    struct talk *talk = talk_find(turns, run);
    uint64_t now_ms = turns__now_ms(turns);
    if (talk == NULL || talk->call.asking == NULL) {
        return -1;
    }
    uint64_t *alive_ms = &talk->call.alive_ms;
    if (model_is_waiting(talk->call.asking)) {
        *alive_ms = *alive_ms > now_ms ? *alive_ms : now_ms;
        return -1;
    }
    /* Comments, pings and empty pieces are signs of life, too. */
    const int64_t unheard_ms = model_silence_ms(talk->call.asking);
    const int64_t silence_ms = now_ms > *alive_ms ? (int64_t)(now_ms - *alive_ms) : 0;
    return unheard_ms >= 0 && unheard_ms < silence_ms ? unheard_ms : silence_ms;
}

bool turns_model_is_waiting(struct turns *turns, struct bytes run) {
    struct talk *talk = turns == NULL ? NULL : talk_find(turns, run);
    return talk != NULL && talk->call.asking != NULL && model_is_waiting(talk->call.asking);
}

bool turns_get_pulse(struct turns *turns, struct bytes run, struct turn_pulse *ret_pulse) {
    struct talk *talk = talk_find(turns, run);
    if (talk == NULL) {
        return false;
    }
    const uint64_t now_ms = turns__now_ms(turns);
    struct talk_call *call = &talk->call;
    struct turn_pulse pulse = {.step = talk->plan.step,
                               .tool = talk->tool,
                               .tokens = talk->used.output,
                               .cost_micros = talk->cost.micros,
                               .silent_ms = -1};
    bool priced = talk->priced == 0 || talk->cost.known;
    if (call->asking != NULL) {
        struct model_spent spent;
        model_get_spent(call->asking, &spent);
        pulse.silent_ms = turns_silence_ms(turns, run);
        pulse.in_line = model_is_waiting(call->asking);
        pulse.arguments_streaming = call->arguments;
        pulse.tokens += spent.usage.output;
        pulse.cost_micros += spent.cost.known ? spent.cost.micros : 0;
        priced = priced && spent.cost.known;
    } else if (talk->state == TALK_CALLING) { /* A program is. */
        pulse.silent_ms = now_ms > call->alive_ms ? (int64_t)(now_ms - call->alive_ms) : 0;
        pulse.tokens += usage_estimate(/* input_bytes */ 0, call->heard).output;
        priced = false;
    } else if (talk->state == TALK_WORKING && talk->tool[0] != '\0') {
        pulse.silent_ms = now_ms > talk->tool_ms ? (int64_t)(now_ms - talk->tool_ms) : 0;
    }
    pulse.cost_micros = priced ? pulse.cost_micros : -1;
    *ret_pulse = pulse;
    return true;
}

void turns_get_stats(const struct turns *turns, struct turns_stats *ret_stats) {
    *ret_stats = turns->stats;
    ret_stats->store_retries = turns->asker.retries;
    ret_stats->live = turns->talks.count;
}

void turns_get_deltas(const struct turns *turns, struct deltas_stats *ret_stats) {
    deltas_get_stats(turns->deltas, ret_stats);
}
