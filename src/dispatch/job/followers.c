/* followers.c: followers of logs, hung on the attempt that they follow.
 *
 * A holder says `grown` thousands of times a second, so it may cost nothing that grows with the
 * followers of others. A follower of an attempt that is not in flight is woken at once, and reads
 * the row, which knows why; but while the rows are still being walked after a start, its flight may
 * be about to come: then it waits for the walk. */
#include "dispatch/job/flight.h"

static void log_watch_on_task(struct loop_task *task) {
    struct dispatch_watch *watch = CONTAINER_OF(task, struct dispatch_watch, task);
    watch->dispatch->stats.watches--;
    watch->ready(watch);
}

static void log_watch_wake(struct dispatch_watch *watch) {
    link_remove(&watch->link);
    watch->task.run = log_watch_on_task;
    loop_soon(watch->dispatch->options.loop, &watch->task);
}

void log_watch__grown(struct flight *flight, enum log_stream stream) {
    for (struct link *at = flight->watches.next, *next; at != &flight->watches; at = next) {
        struct dispatch_watch *watch = CONTAINER_OF(at, struct dispatch_watch, link);
        next = at->next;
        if (watch->stream == stream && watch->offset < flight->sizes[stream]) {
            log_watch_wake(watch);
        }
    }
}

void log_watch__all(struct dispatch *dispatch, struct link *list) {
    while (!links_empty(list)) {
        struct dispatch_watch *watch = CONTAINER_OF(list->next, struct dispatch_watch, link);
        if (dispatch->stopping) { /* The follower would only ask again. */
            dispatch_watch_stop(watch);
        } else {
            log_watch_wake(watch);
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
    if (flight != NULL ? place->offset < flight->sizes[place->stream]
                       : dispatch->recovered && !dispatch->stopping) {
        log_watch_wake(watch);
        return;
    }
    link_add_first(flight != NULL ? &flight->watches : &dispatch->parked, &watch->link);
}

void dispatch_watch_stop(struct dispatch_watch *watch) {
    if (link_listed(&watch->link) || watch->task.queued) {
        watch->dispatch->stats.watches--;
    }
    link_remove(&watch->link);
    if (watch->task.queued) {
        loop_task_cancel(watch->dispatch->options.loop, &watch->task);
    }
}
