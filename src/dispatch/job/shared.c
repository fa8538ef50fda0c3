/* shared.c: functions that all files of the folder share, below every state of a flight. */
#include "dispatch/job/flight.h"

uint32_t dispatch__random(const struct dispatch *dispatch) {
    uint32_t random = 0;
    world_random(loop_world(dispatch->options.loop), &random, sizeof random);
    return random;
}

void dispatch__report(struct dispatch *dispatch, const char *what, struct bytes run,
                      struct err err) {
    asker_report(&dispatch->asker, what, run, err);
}

/* Answers of the store are not waited for: a silent server takes its time, unless store_close cuts
 * it short, and that comes after us. */
void dispatch__end_stop(struct dispatch *dispatch) {
    if (dispatch->stopped != NULL && dispatch->pool.count == 0 && !dispatch->stop_task.queued) {
        loop_soon(dispatch->options.loop, &dispatch->stop_task);
    }
}

bool dispatch__shares_hosts(const struct dispatch *dispatch) {
    return dispatch->options.guest || dispatch->options.bounds.hosts == RUN_HOSTS_SHARED;
}

void dispatch__parts(struct dispatch *dispatch, enum part_step step) {
    for (const struct dispatch_part *const *at = dispatch->options.parts; *at != NULL; at++) {
        if ((*at)->steps[step] != NULL) {
            (*at)->steps[step](dispatch);
        }
    }
}

struct run_bounds dispatch_bounds(const struct dispatch *dispatch) {
    struct run_bounds bounds = dispatch->options.bounds;
    bounds.slots = dispatch->options.hold == RUN_HELD ? 0 : bounds.slots;
    return bounds;
}

void dispatch__address_lacks(struct why *why) {
    why_set(why, "it reaches drover by a port (\"reach\" of its definition), and this daemon has"
                 " none: start it with --listen 127.0.0.1:7433, or run 'drover open' once");
}

bool dispatch_has_address(const struct dispatch *dispatch, struct why *why) {
    if (dispatch->address[0] == '\0') {
        dispatch__address_lacks(why);
    }
    return dispatch->address[0] != '\0';
}

struct flight *flight__find(const struct dispatch *dispatch, struct bytes run, int64_t attempt) {
    struct table_node *node = table_find(&dispatch->flights, run);
    while (node != NULL && CONTAINER_OF(node, struct flight, node)->attempt != attempt) {
        node = table_find_next(node);
    }
    return node == NULL ? NULL : CONTAINER_OF(node, struct flight, node);
}
