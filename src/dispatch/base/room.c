/* room.c: see room.h. */
#include "dispatch/base/room.h"

#include <assert.h>

static void on_stopped(struct loop_task *task) {
    struct room *room = CONTAINER_OF(task, struct room, stop_task);
    room->stopped(room->stopped_ctx);
}

void room_init(struct room *room, const struct room_options *options, struct room_pauses pauses) {
    room->asker = (struct asker){.loop = options->loop,
                                 .store = options->store,
                                 .effects = options->effects,
                                 .pause_ms = pauses.first_ms,
                                 .pause_max_ms = pauses.max_ms,
                                 .ctx = options->ctx,
                                 .failed = options->failed};
    pool_init(&room->pool, options->loop, options->shortage);
    room->stop_task.run = on_stopped;
}

void room_maybe_stopped(struct room *room) {
    if (room->stopped != NULL && !room->told && room->pool.count == 0 && room->held == 0) {
        room->told = true;
        loop_soon(room->asker.loop, &room->stop_task);
    }
}

void room_stop(struct room *room, void (*stopped)(void *ctx), void *ctx) {
    assert(room->asker.stopping);
    room->stopped = stopped;
    room->stopped_ctx = ctx;
    pool_cancel(&room->pool);
    room_maybe_stopped(room);
}

void room_done(struct room *room) {
    assert(room->asker.away == 0);
    loop_task_cancel(room->asker.loop, &room->stop_task);
}
