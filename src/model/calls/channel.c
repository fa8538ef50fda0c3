/* channel.c: the calls of a connection before they are sent: slots, outages, and the breaker of its
 * quota.
 *
 * A call has a slot from the moment that it is sent until its try is over. All others are in the
 * queue: new ones, ones that a failure sent back, ones that wait until their provider answers
 * (rules/provider/outage.h). So there is one place where it is decided who is sent next, and what
 * waits holds no slot. A scripted model is nobody's provider: its failures are those of its script,
 * and say nothing about other calls.
 *
 * The wait of the queue's calls changes for all of them at once, and each has a watch to notify
 * (which may cancel any call). So a task notifies them, and the timer of the channel runs the queue
 * when there is something to be sent without another event. */
#include <stdio.h>

#include "model/calls/inside.h"

enum {
    CLOCKS_APART_MS = 1000, /* More than that: the wall clock was set. */
    QUOTA_TRIPS_SHORT = 3,  /* In a row, whose pauses may be as short as the provider says. */
    QUOTA_FLOOR_MS = 10000,
    TELL_MAX = 64,   /* Calls that one turn of the loop tells. */
    LOOK_MS = 60000, /* The machine may have slept: the wall clock is looked at so often. */
};

uint64_t models__now_ms(const struct models *models) {
    return world_mono_ns(models->world) / 1000000;
}

uint64_t models__outage_ms(const struct models *models) {
    uint64_t first_ms = models->options.limits.outage_ms;
    return first_ms != 0 ? first_ms : OUTAGE_WAIT_MS;
}

static bool is_scripted(const struct channel *channel) {
    return channel->route != NULL && channel->route->connection->kind == MODEL_KIND_SCRIPTED;
}

/* --- The queue -------------------------------------------------------------------------------- */

static void tell_soon(struct channel *channel);

struct asking *channel__next(const struct channel *channel, const struct asking *asking) {
    unsigned priority = asking == NULL ? 0 : asking->priority;
    const struct link *at = asking == NULL ? &channel->queue[0] : &asking->link;
    while (at->next == &channel->queue[priority]) {
        if (++priority == MODEL_PRIORITIES) {
            return NULL;
        }
        at = &channel->queue[priority];
    }
    return CONTAINER_OF(at->next, struct asking, link);
}

void channel__enqueue(struct channel *channel, struct asking *asking, enum queue_end end) {
    struct link *queue = &channel->queue[asking->priority];
    (end == QUEUE_FIRST ? link_add_first : link_add_last)(queue, &asking->link);
    channel->waiting++;
    asking->models->waiting++;
    if (asking->patience != PATIENCE_AGENT) {
        outage_hurry(&channel->outage, models__now_ms(channel->models),
                     models__outage_ms(channel->models));
    }
}

void channel__dequeue(struct channel *channel, struct asking *asking) {
    if (channel->tell == asking) {
        channel->tell = channel__next(channel, asking);
    }
    link_remove(&asking->link);
    channel->waiting--;
    asking->models->waiting--;
}

bool channel__is_hurried(const struct channel *channel) {
    const struct asking *asking = NULL;
    while ((asking = channel__next(channel, asking)) != NULL) {
        if (asking->patience == PATIENCE_PERSON) {
            return true;
        }
    }
    return false;
}

/* --- The breaker ------------------------------------------------------------------------------ */

/* Open as long as both clocks say so: the wall clock may be set back by years, and the other one
 * stands still while the machine sleeps. */
bool channel__is_broken(const struct channel *channel, const struct world *world,
                        int64_t *ret_resume_at_ms) {
    int64_t now_ms = world_wall_ms(world);
    uint64_t now_ns = world_mono_ns(world);
    if (channel->quota_until_ms <= now_ms || channel->quota_until_ns <= now_ns) {
        return false;
    }
    int64_t rest_ms = (int64_t)((channel->quota_until_ns - now_ns) / 1000000);
    bool set_back = channel->quota_until_ms - now_ms > rest_ms + CLOCKS_APART_MS;
    *ret_resume_at_ms = set_back ? now_ms + rest_ms : channel->quota_until_ms;
    return true;
}

void channel__trip(struct channel *channel, struct model_failure *failure,
                   const struct world *world) {
    int64_t now_ms = world_wall_ms(world), open_until_ms = 0;
    /* Calls that were sent together are refused together, and count once. */
    const bool again = channel__is_broken(channel, world, &open_until_ms);
    channel->quota_trips += !again;
    if (failure->resume_at_ms <= now_ms) {
        failure->resume_at_ms =
            again ? open_until_ms : now_ms + (int64_t)retry_quota_pause_ms(channel->quota_trips);
    }
    /* A provider that names a moment, each time, would be asked in a loop. */
    const int64_t floor_ms = channel->quota_trips > QUOTA_TRIPS_SHORT ? now_ms + QUOTA_FLOOR_MS : 0;
    failure->resume_at_ms = failure->resume_at_ms < floor_ms ? floor_ms : failure->resume_at_ms;
    channel->quota_until_ms = failure->resume_at_ms;
    channel->quota_until_ns =
        world_mono_ns(world) + (uint64_t)(failure->resume_at_ms - now_ms) * 1000000;
    model_failure_add_time(failure, channel->name);
    channel->away = model_failure_earlier(failure, now_ms);
    /* A single call finds out whether there is a quota again. */
    if (!outage_is_away(&channel->outage) && !is_scripted(channel)) {
        outage_fail(&channel->outage,
                    &(struct outage_failure){.now_ms = models__now_ms(channel->models)});
    }
    tell_soon(channel);
}

/* --- Outages ---------------------------------------------------------------------------------- */

unsigned channel__failures(const struct channel *channel, const struct asking *asking) {
    const bool counts = channel->probe == asking || !outage_is_away(&channel->outage);
    return counts && !is_scripted(channel) ? outage_failures(&channel->outage, counts) : 0;
}

void channel__fail(struct channel *channel, const struct asking *asking, uint64_t wait_ms,
                   bool named) {
    if (is_scripted(channel) || asking->kind != ASKING_USUAL) {
        return;
    }
    const bool probes = channel->probe == asking;
    if (probes || !outage_is_away(&channel->outage)) {
        channel->away = asking->failure;
        channel->away.resume_at_ms = named ? channel->away.resume_at_ms : 0;
    }
    outage_fail(&channel->outage,
                &(struct outage_failure){.probes = probes,
                                         .named = named,
                                         .now_ms = models__now_ms(channel->models),
                                         .wait_ms = wait_ms});
    tell_soon(channel);
}

static void channel_report_mended(struct channel *channel) {
    const struct models *models = channel->models;
    if (models->mended != NULL) {
        channel->mended = true;
        models->mended(models->mended_ctx);
    }
}

/* An answer to a call that was sent before the quota was used up says nothing about it. Nor does a
 * refusal, of a key or a model: the provider is there, and has charged nothing. An answer by a key
 * or an address that was changed meanwhile says nothing about the present ones. */
void channel__answers(struct channel *channel, const struct asking *asking) {
    if (asking->route != channel->route) {
        return;
    }
    const bool was_away = outage_is_away(&channel->outage), is_good = asking->stream.answer.begun;
    int64_t resume_at_ms;
    if (channel__is_broken(channel, channel->models->world, &resume_at_ms) &&
        (asking->kind == ASKING_USUAL || !is_good)) {
        return;
    }
    outage_end(&channel->outage, models__now_ms(channel->models));
    channel->quota_until_ms = 0;
    channel->quota_trips = is_good ? 0 : channel->quota_trips;
    if (was_away) {
        channel__run(channel);
    }
    if (is_good && asking->kind != ASKING_USUAL) {
        channel_report_mended(channel);
    }
}

bool channel__is_away(const struct channel *channel, struct model_failure *ret_failure) {
    const struct world *world = channel->models->world;
    const uint64_t now_ms = models__now_ms(channel->models), next_ms = channel->outage.next_ms;
    int64_t resume_at_ms = world_wall_ms(world);
    const bool broken = channel__is_broken(channel, world, &resume_at_ms);
    if (!broken && !outage_is_away(&channel->outage)) {
        return false;
    }
    *ret_failure = channel->away;
    ret_failure->resume_at_ms =
        broken ? resume_at_ms : resume_at_ms + (int64_t)(next_ms > now_ms ? next_ms - now_ms : 0);
    return true;
}

/* Times that the provider named are honoured: the time slept counts. */
void channel__woke(struct channel *channel, uint64_t slept_ms) {
    outage_wake(&channel->outage, models__now_ms(channel->models), slept_ms);
    for (struct asking *asking = NULL; (asking = channel__next(channel, asking)) != NULL;) {
        const uint64_t due_ms = asking->not_before_ms;
        const bool rests = asking->hint.timed && due_ms > slept_ms;
        asking->not_before_ms = rests ? due_ms - slept_ms : 0;
        asking->tries_slept = asking->tries;
    }
    channel__run(channel);
}

void channel__reset(struct channel *channel) {
    channel->probe = NULL; /* The provider that it asks is another one now, or was given up. */
    channel->outage = (struct outage){.failures = 0};
    channel->quota_until_ms = 0;
    channel->quota_trips = 0;
    channel->brake = (struct brake){.limit = 0};
    channel__run(channel);
    channel_report_mended(channel);
}

/* --- Notices ---------------------------------------------------------------------------------- */

static void tell_some(struct loop_task *task) {
    struct channel *channel = CONTAINER_OF(task, struct channel, task);
    for (unsigned i = 0; i < TELL_MAX && channel->tell != NULL; i++) {
        struct asking *asking = channel->tell;
        channel->tell = channel__next(channel, asking);
        asking__tell_wait(asking);
    }
    if (channel->tell != NULL) {
        loop_soon(channel->models->loop, &channel->task);
    }
}

static void tell_soon(struct channel *channel) {
    channel->tell = channel__next(channel, NULL);
    if (channel->tell != NULL) {
        channel->task.run = tell_some;
        loop_soon(channel->models->loop, &channel->task);
    }
}

/* --- Slots ------------------------------------------------------------------------------------ */

/* The limit that its user set, or the default. */
static int64_t slots_most(const struct channel *channel) {
    const struct model_connection *connection = channel->route->connection;
    return connection->numbers.max_concurrent > 0 ? connection->numbers.max_concurrent
           : is_scripted(channel)                 ? BRAKE_UNLIMITED
                                                  : CONNECTION_CONCURRENT_DEFAULT;
}

/* Whether all slots are taken; then *ret_again_ms is when there will be one more, or 0. */
static bool slots_are_full(const struct channel *channel, uint64_t now_ms, uint64_t *ret_again_ms) {
    const int64_t most = slots_most(channel), now = (int64_t)now_ms;
    const bool full = (int64_t)channel->running >= brake_limit(&channel->brake, most, now);
    *ret_again_ms = full ? (uint64_t)brake_rises_ms(&channel->brake, most, now) : 0;
    return full;
}

void channel__brake(struct channel *channel, const struct asking *asking) {
    if (channel->route == NULL) {
        return;
    }
    const struct brake_refusal refusal = {.sent_ms = (int64_t)(asking->sent_ns / 1000000),
                                          .now_ms = (int64_t)models__now_ms(channel->models),
                                          .most = slots_most(channel),
                                          .running = (int64_t)channel->running};
    brake_refuse(&channel->brake, &refusal);
}

struct model_load channel__load(const struct channel *channel) {
    const int64_t most = slots_most(channel),
                  limit =
                      brake_limit(&channel->brake, most, (int64_t)models__now_ms(channel->models));
    struct model_load load = {.running = (int64_t)channel->running,
                              .most = most == BRAKE_UNLIMITED ? 0 : most,
                              .limit = limit == BRAKE_UNLIMITED ? 0 : limit};
    for (const struct asking *at = NULL; (at = channel__next(channel, at)) != NULL;) {
        load.waiting += at->told_ms == 0; /* Others wait for the provider, and say so. */
    }
    return load;
}

/* The next call that may be sent now; NULL: none, but after *ret_again_ms, if that is not 0. */
static struct asking *queue_pick(const struct channel *channel, uint64_t now_ms,
                                 uint64_t *ret_again_ms) {
    struct asking *asking = NULL;
    *ret_again_ms = 0;
    while ((asking = channel__next(channel, asking)) != NULL) {
        if (asking->not_before_ms <= now_ms) {
            return asking;
        }
        if (*ret_again_ms == 0 || asking->not_before_ms < *ret_again_ms) {
            *ret_again_ms = asking->not_before_ms;
        }
    }
    return NULL;
}

/* Calls in the queue keep their channel: one that is removed fails them all. */
static void channel_timed(struct timer *timer) {
    channel__run(CONTAINER_OF(timer, struct channel, timer));
}

static void channel_arm(struct channel *channel, uint64_t now_ms, uint64_t again_ms) {
    struct loop *loop = channel->models->loop;
    if (again_ms == 0 || channel__next(channel, NULL) == NULL) {
        timer_stop(loop, &channel->timer);
        return;
    }
    const uint64_t rest_ms = again_ms > now_ms ? again_ms - now_ms : 0;
    timer_start(loop, &channel->timer, rest_ms < LOOK_MS ? rest_ms : LOOK_MS, channel_timed);
}

void channel__run(struct channel *channel) {
    struct models *models = channel->models;
    const uint64_t now_ms = models__now_ms(models);
    uint64_t again_ms = 0;
    int64_t resume_at_ms;
    if (channel->route != NULL && channel__is_broken(channel, models->world, &resume_at_ms)) {
        tell_soon(channel);
        channel_arm(channel, now_ms, channel->quota_until_ns / 1000000 + 1);
        return;
    }
    while (channel->route != NULL && !slots_are_full(channel, now_ms, &again_ms)) {
        const struct outage_calls calls = {
            .out = channel->running, .probing = channel->probe != NULL, .now_ms = now_ms};
        struct asking *asking = NULL;
        if (is_scripted(channel) || outage_may_send(&channel->outage, &calls, &again_ms)) {
            asking = queue_pick(channel, now_ms, &again_ms);
        }
        if (asking == NULL) {
            break;
        }
        outage_note_sent(&channel->outage, &calls);
        channel->probe = outage_is_away(&channel->outage) ? asking : channel->probe;
        channel__dequeue(channel, asking);
        channel->running++;
        models->running++;
        asking__start(asking);
    }
    channel_arm(channel, now_ms, again_ms);
    if (outage_is_away(&channel->outage)) {
        tell_soon(channel);
    }
}

void channel__release(struct channel *channel, const struct asking *asking) {
    assert(channel->running > 0);
    channel->running--;
    channel->probe = channel->probe == asking ? NULL : channel->probe;
    channel__run(channel);
}

void channel__stop(struct channel *channel) {
    timer_stop(channel->models->loop, &channel->timer);
    loop_task_cancel(channel->models->loop, &channel->task);
}
