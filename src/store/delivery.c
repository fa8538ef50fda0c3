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
    int rc = uv_mutex_init(&delivery->lock);
    assert(rc == 0);
    delivery->message = mem_new(sizeof *delivery->message);
    *delivery->message = (struct delivery_message){.msg.run = message_run, .delivery = delivery};
}

static void groups_free(struct group *group) {
    while (group != NULL) {
        struct group *next = group->next;
        calls_free(&group->calls);
        notes_done(&group->notes);
        mem_free(group);
        group = next;
    }
}

void delivery_done(struct delivery *delivery) {
    groups_free(delivery->partial);
    groups_free(delivery->first);
    groups_free(delivery->spare);
    groups_free(delivery->abandoned);
    calls_free(&delivery->calls);
    call_pool_done(&delivery->pool);
    if (delivery->posted) {
        delivery->message->delivery = NULL; /* The loop frees the message when it gets it. */
    } else {
        mem_free(delivery->message);
    }
    uv_mutex_destroy(&delivery->lock);
}

/* --- Any thread ------------------------------------------------------------------------------- */

static void unlock_and_post(struct delivery *delivery) {
    bool post = delivery->loop != NULL && !delivery->quiet && !delivery->posted;
    delivery->posted = delivery->posted || post;
    uv_mutex_unlock(&delivery->lock);
    if (post) {
        loop_post(delivery->loop, &delivery->message->msg);
    }
}

struct group *delivery_group(struct delivery *delivery) {
    uv_mutex_lock(&delivery->lock);
    struct group *group = delivery->spare;
    if (group != NULL) {
        delivery->spare = group->next;
        delivery->spares--;
        group->next = NULL;
    }
    uv_mutex_unlock(&delivery->lock);
    if (group == NULL) {
        group = mem_new(sizeof *group);
        notes_init(&group->notes);
    }
    return group;
}

void delivery_group_finished(struct delivery *delivery, struct group *group) {
    group->next = NULL;
    uv_mutex_lock(&delivery->lock);
    if (delivery->last == NULL) {
        delivery->first = group;
    } else {
        delivery->last->next = group;
    }
    delivery->last = group;
    unlock_and_post(delivery);
}

void delivery_read_finished(struct delivery *delivery, struct call *call) {
    uv_mutex_lock(&delivery->lock);
    calls_push(&delivery->calls, call);
    unlock_and_post(delivery);
}

void delivery_lost(struct delivery *delivery, struct group *abandoned, struct err err) {
    uv_mutex_lock(&delivery->lock);
    abandoned->next = delivery->abandoned;
    delivery->abandoned = abandoned;
    delivery->lost_err = err;
    unlock_and_post(delivery);
}

bool delivery_is_lost(struct delivery *delivery) {
    uv_mutex_lock(&delivery->lock);
    bool lost = err_failed(delivery->lost_err);
    uv_mutex_unlock(&delivery->lock);
    return lost;
}

/* --- The loop --------------------------------------------------------------------------------- */

/* With the lock held. */
static bool has_more(const struct delivery *delivery) {
    return !delivery->lost_told &&
           (delivery->partial != NULL || delivery->first != NULL || delivery->calls.first != NULL ||
            err_failed(delivery->lost_err));
}

static void call_answer(struct delivery *delivery, struct call *call) {
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

static void notes_deliver(struct delivery *delivery, const struct group *group) {
    bool delivered[STORE_NOTE_KINDS_MAX] = {false};
    unsigned kind = 0;
    struct bytes note;
    for (size_t at = 0; notes_next(&group->notes, &at, &kind, &note);) {
        const struct store_note_kind *to = &delivery->notes[kind];
        if (to->deliver != NULL) {
            to->deliver(to->ctx, note);
            delivered[kind] = true;
        }
    }
    for (size_t i = 0; i < STORE_NOTE_KINDS_MAX; i++) {
        if (delivered[i] && delivery->notes[i].flush != NULL) {
            delivery->notes[i].flush(delivery->notes[i].ctx);
        }
    }
}

/* Answers some of the calls; the group stays `partial` while there are more. */
static void partial_answer(struct delivery *delivery) {
    struct group *group = delivery->partial;
    uint64_t until_ns = world_mono_ns(delivery->world) + TOLD_NS;
    for (size_t i = 0; i < WRITES_AT_ONCE && group->calls.first != NULL; i++) {
        delivery->writes--;
        call_answer(delivery, calls_pop(&group->calls));
        if (world_mono_ns(delivery->world) >= until_ns) {
            break;
        }
    }
    if (group->calls.first != NULL) {
        return;
    }
    delivery->partial = NULL;
    notes_clear(&group->notes);
    uv_mutex_lock(&delivery->lock);
    if (delivery->spares < SPARE_GROUPS_MAX) {
        group->next = delivery->spare;
        delivery->spare = group;
        delivery->spares++;
        group = NULL;
    }
    uv_mutex_unlock(&delivery->lock);
    groups_free(group);
}

static void reads_answer(struct delivery *delivery, struct calls *calls) {
    uint64_t until_ns = world_mono_ns(delivery->world) + TOLD_NS;
    for (struct call *call = calls_pop(calls); call != NULL; call = calls_pop(calls)) {
        delivery->reads--;
        call_answer(delivery, call);
        if (calls->first != NULL && world_mono_ns(delivery->world) >= until_ns) {
            /* The others go back before those that came meanwhile. */
            uv_mutex_lock(&delivery->lock);
            calls_move(calls, &delivery->calls);
            calls_move(&delivery->calls, calls);
            uv_mutex_unlock(&delivery->lock);
            return;
        }
    }
}

/* Content of one message to the loop; false where there was nothing. A group that is answered in
 * part comes before all others. Reads go with whatever writes there are: these may never end. */
static bool portion_deliver(struct delivery *delivery) {
    struct group *group = NULL;
    struct calls reads = {.first = NULL};
    struct err lost = ERR_OK;
    uv_mutex_lock(&delivery->lock);
    bool any = has_more(delivery);
    if (any && delivery->partial == NULL && delivery->first != NULL) {
        group = delivery->first;
        delivery->first = group->next;
        delivery->last = delivery->first == NULL ? NULL : delivery->last;
        group->next = NULL;
    }
    for (size_t i = 0; any && i < READS_AT_ONCE && delivery->calls.first != NULL; i++) {
        calls_push(&reads, calls_pop(&delivery->calls));
    }
    if (any && group == NULL && delivery->partial == NULL) {
        lost = delivery->lost_err;
        delivery->lost_told = err_failed(lost);
    }
    uv_mutex_unlock(&delivery->lock);

    assert(!delivery->telling); /* A callback of the store must not close it, or turn it. */
    delivery->telling = true;
    if (group != NULL) {
        delivery->partial = group;
        notes_deliver(delivery, group);
    }
    if (delivery->partial != NULL) {
        partial_answer(delivery);
    }
    reads_answer(delivery, &reads);
    if (err_failed(lost) && delivery->lost != NULL) {
        delivery->lost(delivery->ctx, lost);
    }
    delivery->telling = false;
    return any;
}

static void message_run(struct loop_msg *msg) {
    struct delivery_message *message = CONTAINER_OF(msg, struct delivery_message, msg);
    struct delivery *delivery = message->delivery;
    if (delivery == NULL) {
        mem_free(message);
        return;
    }
    uv_mutex_lock(&delivery->lock);
    delivery->posted = false;
    uv_mutex_unlock(&delivery->lock);
    (void)portion_deliver(delivery);
    /* The rest waits for its own message, after those that others posted meanwhile. */
    uv_mutex_lock(&delivery->lock);
    if (has_more(delivery)) {
        unlock_and_post(delivery);
    } else {
        uv_mutex_unlock(&delivery->lock);
    }
}

void delivery_quiet(struct delivery *delivery) {
    uv_mutex_lock(&delivery->lock);
    delivery->quiet = true;
    uv_mutex_unlock(&delivery->lock);
}

bool delivery_all(struct delivery *delivery) {
    bool any = false;
    while (portion_deliver(delivery)) {
        any = true;
    }
    return any;
}
