/* inlet.c: what a worker says, from bytes to frames.
 *
 * Almost always a read brings whole frames, and they are heard where they arrived, in the buffer
 * that all sockets share. What is left of it is kept; and of a long frame the kept part grows with
 * what came, never with what its length promises.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "script/inside.h"

enum {
    FRAMES_AT_ONCE = 16,
    RECEIVED_AT_ONCE = 256 << 10,
    KEPT_SIZE_MIN = 256,
};

enum first { FIRST_PART, FIRST_WHOLE, FIRST_NONSENSE };

/* Of the first frame of `view`; *ret_len is with its header, where that is there. */
static enum first look(struct bytes view, size_t *ret_len) {
    *ret_len = SCRIPT_HEADER_SIZE;
    if (view.len < SCRIPT_HEADER_SIZE) {
        return FIRST_PART;
    }
    uint32_t len = 0;
    for (unsigned i = 0; i < SCRIPT_HEADER_SIZE; i++) {
        len |= (uint32_t)(uint8_t)view.data[i] << (8 * i);
    }
    if (len == 0 || len > SCRIPT_FRAME_MAX) {
        return FIRST_NONSENSE;
    }
    *ret_len = SCRIPT_HEADER_SIZE + (size_t)len;
    return view.len >= *ret_len ? FIRST_WHOLE : FIRST_PART;
}

bool inlet__has_frame(const struct script_worker *worker) {
    size_t len = 0;
    return !worker->inlet.shut && look(worker->inlet.view, &len) != FIRST_PART;
}

void inlet__done(struct inlet *inlet) {
    mem_free(inlet->kept);
    inlet->kept = NULL;
    inlet->view = (struct bytes){NULL, 0};
    inlet->size = 0;
}

static bool is_kept(const struct inlet *inlet) {
    return inlet->kept != NULL;
}

/* Out of the shared buffer, before that is used again: at most as much as it holds. */
static void keep(struct inlet *inlet) {
    if (is_kept(inlet) || inlet->view.len == 0) {
        return;
    }
    inlet->size = inlet->view.len < KEPT_SIZE_MIN ? KEPT_SIZE_MIN : inlet->view.len;
    inlet->kept = mem_new(inlet->size);
    memcpy(inlet->kept, inlet->view.data, inlet->view.len);
    inlet->view.data = inlet->kept;
}

static void consume(struct inlet *inlet, size_t len) {
    inlet->view.data += len;
    inlet->view.len -= len;
    if (inlet->view.len == 0) {
        inlet__done(inlet);
    }
}

/* --- Receiving -------------------------------------------------------------------------------- */

/* Room behind what is kept, up to the end of its frame. What lies before it was heard. */
static bool make_room(struct inlet *inlet, size_t wanted) {
    if (inlet->view.data != inlet->kept) {
        memmove(inlet->kept, inlet->view.data, inlet->view.len);
        inlet->view.data = inlet->kept;
    }
    if (inlet->size >= wanted || inlet->size - inlet->view.len >= RECEIVED_AT_ONCE) {
        return true;
    }
    size_t size = inlet->size * 2 < RECEIVED_AT_ONCE ? RECEIVED_AT_ONCE : inlet->size * 2;
    size = size < wanted ? size : wanted;
    char *grown = mem_try_grow(inlet->kept, size);
    if (grown == NULL) {
        return false;
    }
    inlet->kept = grown;
    inlet->size = size;
    inlet->view.data = grown;
    return true;
}

static void take_received(struct inlet *inlet, ssize_t got) {
    if (got > 0) {
        inlet->view.len += (size_t)got;
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        inlet->over = true; /* What broke it says less than its process's end. */
    }
}

static void receive_more(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    size_t wanted = 0;
    (void)look(inlet->view, &wanted); /* It is a part: there would be nothing to receive else. */
    if (!make_room(inlet, wanted)) {
        worker__condemn(worker, SCRIPT_REFUSED, "there was no memory for what it sent");
        return;
    }
    size_t room = inlet->size < wanted ? inlet->size : wanted;
    room -= inlet->view.len;
    room = room < RECEIVED_AT_ONCE ? room : RECEIVED_AT_ONCE;
    take_received(inlet, recv(worker->fd, inlet->kept + inlet->view.len, room, MSG_DONTWAIT));
}

static void receive(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    if (is_kept(inlet)) {
        receive_more(worker);
        return;
    }
    inlet->view.data = worker->scripts->buffer;
    take_received(inlet,
                  recv(worker->fd, worker->scripts->buffer, SCRIPTS_BUFFER_SIZE, MSG_DONTWAIT));
}

/* --- Hearing ---------------------------------------------------------------------------------- */

/* False: no more for now. */
static bool hear_one(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    size_t len = 0;
    enum first first = inlet->shut ? FIRST_PART : look(inlet->view, &len);
    if (first == FIRST_NONSENSE) {
        worker__condemn(worker, SCRIPT_REFUSED, "it sent a frame of a length that is not allowed");
    }
    if (first != FIRST_WHOLE) {
        return false;
    }
    inlet->hearing = len;
    worker->watch->heard(worker->ctx, (struct bytes){inlet->view.data + SCRIPT_HEADER_SIZE,
                                                     len - SCRIPT_HEADER_SIZE});
    if (worker->state == WORKER_ENDED || inlet->paused) {
        return false;
    }
    inlet->hearing = 0;
    consume(inlet, len);
    return true;
}

void inlet__turn(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    if (inlet->paused) {
        return;
    }
    if (!inlet->over && !inlet__has_frame(worker)) {
        receive(worker);
    }
    for (unsigned i = 0; i < FRAMES_AT_ONCE && hear_one(worker); i++) {
    }
    keep(inlet);
}

/* --- Pausing ---------------------------------------------------------------------------------- */

struct bytes script_pause(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    assert(inlet->hearing > 0);
    inlet->paused = true;
    keep(inlet);
    return (struct bytes){inlet->view.data + SCRIPT_HEADER_SIZE,
                          inlet->hearing - SCRIPT_HEADER_SIZE};
}

void script_resume(struct script_worker *worker) {
    struct inlet *inlet = &worker->inlet;
    if (!inlet->paused) {
        return;
    }
    inlet->paused = false;
    consume(inlet, inlet->hearing);
    inlet->hearing = 0;
    loop_soon(worker->scripts->loop, &worker->task);
}
