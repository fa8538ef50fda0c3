/* outlet.c: what a worker is told. Most frames go whole and at once; what the socket does not take
 * waits in a list.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/memory.h"
#include "script/inside.h"

enum { OUT_PIECES = 2 };

static size_t left(const struct outgoing *out) {
    return SCRIPT_HEADER_SIZE + out->len - out->done;
}

static void free_one(struct outgoing *out) {
    mem_free(out->frame);
    mem_free(out);
}

void outlet__done(struct outlet *outlet) {
    while (outlet->first != NULL) {
        struct outgoing *out = outlet->first;
        outlet->first = out->next;
        free_one(out);
    }
    outlet->last = NULL;
    outlet->waiting = 0;
}

/* As much as the socket takes, header and rest in one call. */
static ssize_t send_rest(int fd, struct outgoing *out) {
    size_t of_header = out->done < SCRIPT_HEADER_SIZE ? SCRIPT_HEADER_SIZE - out->done : 0;
    size_t of_frame = left(out) - of_header;
    struct iovec pieces[OUT_PIECES] = {
        {.iov_base = out->header + SCRIPT_HEADER_SIZE - of_header, .iov_len = of_header},
        {.iov_base = out->frame + out->len - of_frame, .iov_len = of_frame}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = OUT_PIECES};
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* True: it is out. */
static bool push(struct script_worker *worker, struct outgoing *out) {
    ssize_t sent = send_rest(worker->fd, out);
    if (sent < 0) {
        worker->outlet.broken = errno != EAGAIN && errno != EINTR;
        return false;
    }
    out->done += (size_t)sent;
    return left(out) == 0;
}

static void append(struct outlet *outlet, const struct outgoing *out) {
    struct outgoing *kept = mem_new(sizeof *kept);
    *kept = *out;
    if (outlet->last == NULL) {
        outlet->first = kept;
    } else {
        outlet->last->next = kept;
    }
    outlet->last = kept;
    outlet->waiting += left(kept);
}

/* One frame, or what the socket takes of it: others want their turn, too. */
void outlet__turn(struct script_worker *worker) {
    struct outlet *outlet = &worker->outlet;
    struct outgoing *out = outlet->first;
    if (out == NULL) {
        return;
    }
    size_t before = left(out);
    bool gone = push(worker, out);
    outlet->waiting -= before - left(out);
    if (gone) {
        outlet->first = out->next;
        outlet->last = outlet->first == NULL ? NULL : outlet->last;
        free_one(out);
    }
    if (outlet->broken) {
        outlet__done(outlet);
    }
}

void script_send(struct script_worker *worker, char *frame, size_t len) {
    assert(len > 0 && len <= SCRIPT_ORDER_MAX);
    struct outlet *outlet = &worker->outlet;
    struct outgoing out = {.frame = frame, .len = len};
    for (unsigned i = 0; i < SCRIPT_HEADER_SIZE; i++) {
        out.header[i] = (uint8_t)(len >> (8 * i));
    }
    bool too_much = outlet->first != NULL && len > SCRIPT_ORDER_MAX - outlet->waiting;
    if (too_much) {
        worker__condemn(worker, SCRIPT_REFUSED, "it did not take what it was told");
        loop_soon(worker->scripts->loop, &worker->task);
    }
    bool deaf = too_much || outlet->broken || worker->judged || worker->state == WORKER_ENDED;
    if (deaf || (outlet->first == NULL && push(worker, &out)) || outlet->broken) {
        mem_free(frame);
        return;
    }
    append(outlet, &out);
    worker__listen(worker);
}
