/* watch.c: waiting for a stream to pass a seq: a subscriber that is told, and given nothing. */
#include "journal/hub_parts.h"

static void end(struct hub_watch *watch, struct err result) {
    hub_watch_stop(watch);
    watch->ready(watch, result); /* Last: the watch may be gone, or started again. */
}

static void look(struct hub_subscriber *subscriber) {
    struct hub_watch *watch = CONTAINER_OF(subscriber, struct hub_watch, subscriber);
    if (err_failed(subscriber->err)) {
        end(watch, subscriber->err);
    } else if (subscriber_pending(subscriber) || subscriber_over(subscriber)) {
        end(watch, ERR_OK);
    } else {
        subscriber_wait(subscriber);
    }
}

void hub_watch_start(struct hub *hub, const struct hub_subscribe *what, struct hub_watch *watch,
                     void (*ready)(struct hub_watch *watch, struct err result)) {
    const struct hub_subscribe silent = {
        .owner = what->owner, .name = what->name, .after = what->after};
    watch->hub = hub;
    watch->ready = ready;
    watch->subscriber.ready = look;
    watch->subscriber.format = HUB_SILENT;
    hub_subscribe(hub, &silent, &watch->subscriber);
}

void hub_watch_stop(struct hub_watch *watch) {
    if (watch->hub != NULL) {
        hub_unsubscribe(watch->hub, &watch->subscriber);
        watch->hub = NULL;
    }
}
