/* log_watch.c: followers of logs, hung on the attempt that they follow.
 *
 * A holder says `grown` thousands of times a second, so it may cost nothing that grows with the
 * followers of others. A follower of an attempt that is not in flight is woken at once, and reads
 * the row, which knows why; but while the rows are still being walked after a start, its flight may
 * be about to come: then it waits for the walk. */
#include "dispatch/job/flight.h"

static void unlink_watch(struct dispatch_watch *watch) {
    if (watch->list == NULL) {
        return;
    }
    if (watch->prev != NULL) {
        watch->prev->next = watch->next;
    } else {
        *watch->list = watch->next;
    }
    if (watch->next != NULL) {
        watch->next->prev = watch->prev;
    }
    watch->list = NULL;
    watch->prev = NULL;
    watch->next = NULL;
}

static void on_task(struct loop_task *task) {
    struct dispatch_watch *watch = CONTAINER_OF(task, struct dispatch_watch, task);
    watch->dispatch->stats.watches--;
    watch->ready(watch);
}

static void wake(struct dispatch_watch *watch) {
    unlink_watch(watch);
    watch->task.run = on_task;
    loop_soon(watch->dispatch->options.loop, &watch->task);
}

void log_watch__grown(struct flight *flight, enum log_stream stream) {
    for (struct dispatch_watch *watch = flight->watches, *next; watch != NULL; watch = next) {
        next = watch->next;
        if (watch->stream == stream && watch->offset < flight->sizes[stream]) {
            wake(watch);
        }
    }
}

void log_watch__all(struct dispatch *dispatch, struct dispatch_watch **list) {
    while (*list != NULL) {
        if (dispatch->stopping) { /* The follower would only ask again. */
            dispatch_watch_stop(*list);
        } else {
            wake(*list);
        }
    }
}

void dispatch_watch_start(struct dispatch *dispatch, const struct log_place *place,
                          struct dispatch_watch *watch,
                          void (*ready)(struct dispatch_watch *watch)) {
    *watch = (struct dispatch_watch){
        .dispatch = dispatch, .stream = place->stream, .offset = place->offset, .ready = ready};
    dispatch->stats.watches++;
    struct id run;
    int64_t attempt = 0;
    struct flight *flight = folder_parse(place->name, &run, &attempt)
                                ? flight__find(dispatch, bytes_of(run.text), attempt)
                                : NULL;
    bool waits = flight != NULL ? place->offset >= flight->sizes[place->stream]
                                : !dispatch->recovered || dispatch->stopping;
    if (waits) {
        struct dispatch_watch **list = flight != NULL ? &flight->watches : &dispatch->parked;
        watch->list = list;
        watch->prev = NULL;
        watch->next = *list;
        if (watch->next != NULL) {
            watch->next->prev = watch;
        }
        *list = watch;
    } else {
        wake(watch);
    }
}

void dispatch_watch_stop(struct dispatch_watch *watch) {
    if (watch->list != NULL || watch->task.queued) {
        watch->dispatch->stats.watches--;
    }
    unlink_watch(watch);
    if (watch->task.queued) {
        loop_task_cancel(watch->dispatch->options.loop, &watch->task);
    }
}
