/* delivery.c: see delivery.h. */
#include "store/delivery.h"

#include "base/memory.h"

enum {
    SPARE_GROUPS_MAX = 2, /* A group is filled while another is delivered. */
    READS_AT_ONCE = 16,   /* Answered by one message, like the next. */
    WRITES_AT_ONCE = 64,
    TOLD_NS = 300 * 1000, /* Callbacks that free megabytes take long: the rest comes later. */
};

/* Lives apart from the store, since the loop may still hold it when the store is gone. */
struct delivery_message {
    struct loop_msg msg;
    struct delivery *delivery; /* Borrowed; NULL when the store is gone. */
};

/* Content of one message to the loop. */
struct portion {
    struct group *group; /* From its beginning, notes first. */
    struct calls calls;
    struct err lost;
};

static void message_run(struct loop_msg *msg);

void delivery_init(struct delivery *delivery, const struct store_options *options) {
    *delivery = (struct delivery){.loop = options->loop,
                                  .world = options->world,
                                  .lost = options->lost,
                                  .damaged = options->damaged,
                                  .ctx = options->ctx,
                                  .lost_err = ERR_OK};
    for (size_t i = 0; i < STORE_NOTE_KINDS_MAX; i++) {
        delivery->notes[i] = options->notes[i];
    }
    int rc = pthread_mutex_init(&delivery->lock, NULL /* no attributes */);
    assert(rc == 0);
    delivery->message = mem_new(sizeof *delivery->message);
    *delivery->message = (struct delivery_message){.msg.run = message_run, .delivery = delivery};
}

static void group_free(struct group *group) {
    for (struct call *call = calls_pop(&group->calls); call != NULL;
         call = calls_pop(&group->calls)) {
        mem_free(call);
    }
    notes_done(&group->notes);
    mem_free(group);
}

static void groups_free(struct group *group) {
    while (group != NULL) {
        struct group *next = group->next;
        group_free(group);
        group = next;
    }
}

void delivery_done(struct delivery *delivery) {
    groups_free(delivery->partial);
    groups_free(delivery->first);
    groups_free(delivery->spare);
    groups_free(delivery->abandoned);
    for (struct call *call = calls_pop(&delivery->calls); call != NULL;
         call = calls_pop(&delivery->calls)) {
        mem_free(call);
    }
    call_pool_done(&delivery->pool);
    if (delivery->posted) {
        delivery->message->delivery = NULL; /* The loop frees the message when it gets it. */
    } else {
        mem_free(delivery->message);
    }
    (void)pthread_mutex_destroy(&delivery->lock); /* Nobody holds it: it cannot fail. */
}

/* --- Any thread ------------------------------------------------------------------------------- */

static void lock(struct delivery *delivery) {
    int rc = pthread_mutex_lock(&delivery->lock);
    assert(rc == 0);
}

static void unlock(struct delivery *delivery) {
    int rc = pthread_mutex_unlock(&delivery->lock);
    assert(rc == 0);
}

/* With the lock held; answers whether the caller has to post. */
static bool must_post(struct delivery *delivery) {
    if (delivery->loop == NULL || delivery->quiet || delivery->posted) {
        return false;
    }
    delivery->posted = true;
    return true;
}

static void unlock_and_post(struct delivery *delivery) {
    bool post = must_post(delivery);
    unlock(delivery);
    if (post) {
        loop_post(delivery->loop, &delivery->message->msg);
    }
}

struct group *delivery_group(struct delivery *delivery) {
    lock(delivery);
    struct group *group = delivery->spare;
    if (group != NULL) {
        delivery->spare = group->next;
        delivery->spares--;
        group->next = NULL;
    }
    unlock(delivery);
    if (group == NULL) {
        group = mem_new(sizeof *group);
        notes_init(&group->notes);
    }
    return group;
}

void delivery_group_finished(struct delivery *delivery, struct group *group) {
    group->next = NULL;
    lock(delivery);
    if (delivery->last == NULL) {
        delivery->first = group;
    } else {
        delivery->last->next = group;
    }
    delivery->last = group;
    unlock_and_post(delivery);
}

void delivery_read_finished(struct delivery *delivery, struct call *call) {
    lock(delivery);
    calls_push(&delivery->calls, call);
    unlock_and_post(delivery);
}

void delivery_lost(struct delivery *delivery, struct group *abandoned, struct err err) {
    lock(delivery);
    abandoned->next = delivery->abandoned;
    delivery->abandoned = abandoned;
    delivery->lost_err = err;
    unlock_and_post(delivery);
}

bool delivery_is_lost(struct delivery *delivery) {
    lock(delivery);
    bool lost = err_failed(delivery->lost_err);
    unlock(delivery);
    return lost;
}

/* --- The loop --------------------------------------------------------------------------------- */

/* With the lock held. A group that is told in part comes before all others. */
static struct group *take_group(struct delivery *delivery) {
    struct group *group = delivery->partial == NULL ? delivery->first : NULL;
    if (group != NULL) {
        delivery->first = group->next;
        group->next = NULL;
        delivery->last = delivery->first == NULL ? NULL : delivery->last;
    }
    return group;
}

/* With the lock held. Reads go with whatever writes there are: these may never stop coming. */
static struct portion take_portion(struct delivery *delivery) {
    struct portion portion = {.lost = ERR_OK};
    if (delivery->lost_told) {
        return portion;
    }
    portion.group = take_group(delivery);
    for (size_t i = 0; i < READS_AT_ONCE && delivery->calls.first != NULL; i++) {
        calls_push(&portion.calls, calls_pop(&delivery->calls));
    }
    bool all_groups = portion.group == NULL && delivery->partial == NULL;
    if (all_groups && err_failed(delivery->lost_err)) {
        portion.lost = delivery->lost_err;
        delivery->lost_told = true;
    }
    return portion;
}

/* With the lock held. */
static bool has_more(const struct delivery *delivery) {
    return !delivery->lost_told &&
           (delivery->partial != NULL || delivery->first != NULL || delivery->calls.first != NULL ||
            err_failed(delivery->lost_err));
}

static void answer(struct delivery *delivery, struct call *call) {
    store_done done = call->done;
    void *ctx = call->ctx;
    struct err result = call->result;
    call_pool_give(&delivery->pool, call);
    if (result.code == ERR_STORE_CORRUPT && delivery->damaged != NULL) {
        delivery->damaged(delivery->ctx);
    }
    if (done != NULL) {
        done(result, ctx);
    }
}

static void tell_notes(struct delivery *delivery, const struct group *group) {
    bool told[STORE_NOTE_KINDS_MAX] = {false};
    unsigned kind = 0;
    struct bytes note;
    for (size_t at = 0; notes_next(&group->notes, &at, &kind, &note);) {
        const struct store_note_kind *to = &delivery->notes[kind];
        if (to->deliver != NULL) {
            to->deliver(to->ctx, note);
            told[kind] = true;
        }
    }
    for (size_t i = 0; i < STORE_NOTE_KINDS_MAX; i++) {
        if (told[i] && delivery->notes[i].flush != NULL) {
            delivery->notes[i].flush(delivery->notes[i].ctx);
        }
    }
}

static void give_group(struct delivery *delivery, struct group *group) {
    notes_clear(&group->notes);
    lock(delivery);
    bool keep = delivery->spares < SPARE_GROUPS_MAX;
    if (keep) {
        group->next = delivery->spare;
        delivery->spare = group;
        delivery->spares++;
    }
    unlock(delivery);
    if (!keep) {
        group_free(group);
    }
}

/* Answers some of the calls; the group stays `partial` while there are more. */
static void tell_partial(struct delivery *delivery) {
    struct group *group = delivery->partial;
    uint64_t until_ns = world_mono_ns(delivery->world) + TOLD_NS;
    for (size_t i = 0; i < WRITES_AT_ONCE && group->calls.first != NULL; i++) {
        delivery->writes--;
        answer(delivery, calls_pop(&group->calls));
        if (world_mono_ns(delivery->world) >= until_ns) {
            break;
        }
    }
    if (group->calls.first == NULL) {
        delivery->partial = NULL;
        give_group(delivery, group);
    }
}

/* Puts reads back before those that came meanwhile. */
static void give_back(struct delivery *delivery, struct calls *calls) {
    lock(delivery);
    calls_move(calls, &delivery->calls);
    calls_move(&delivery->calls, calls);
    unlock(delivery);
}

static void tell_reads(struct delivery *delivery, struct calls *calls) {
    uint64_t until_ns = world_mono_ns(delivery->world) + TOLD_NS;
    for (struct call *call = calls_pop(calls); call != NULL; call = calls_pop(calls)) {
        delivery->reads--;
        answer(delivery, call);
        if (calls->first != NULL && world_mono_ns(delivery->world) >= until_ns) {
            give_back(delivery, calls);
            return;
        }
    }
}

static void tell(struct delivery *delivery, struct portion *portion) {
    assert(!delivery->telling); /* A callback of the store must not close it, or turn it. */
    delivery->telling = true;
    if (portion->group != NULL) {
        delivery->partial = portion->group;
        tell_notes(delivery, portion->group);
    }
    if (delivery->partial != NULL) {
        tell_partial(delivery);
    }
    tell_reads(delivery, &portion->calls);
    if (err_failed(portion->lost) && delivery->lost != NULL) {
        delivery->lost(delivery->ctx, portion->lost);
    }
    delivery->telling = false;
}

static void message_run(struct loop_msg *msg) {
    struct delivery_message *message = CONTAINER_OF(msg, struct delivery_message, msg);
    struct delivery *delivery = message->delivery;
    if (delivery == NULL) {
        mem_free(message);
        return;
    }
    lock(delivery);
    delivery->posted = false;
    struct portion portion = take_portion(delivery);
    unlock(delivery);
    tell(delivery, &portion);
    /* The rest waits for its own message, behind what others posted meanwhile. */
    lock(delivery);
    if (has_more(delivery)) {
        unlock_and_post(delivery);
    } else {
        unlock(delivery);
    }
}

void delivery_quiet(struct delivery *delivery) {
    lock(delivery);
    delivery->quiet = true;
    unlock(delivery);
}

bool delivery_all(struct delivery *delivery) {
    for (bool any = false;; any = true) {
        lock(delivery);
        bool more = has_more(delivery);
        struct portion portion = take_portion(delivery);
        unlock(delivery);
        if (!more) {
            return any;
        }
        tell(delivery, &portion);
    }
}
