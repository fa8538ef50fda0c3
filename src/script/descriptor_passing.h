/* descriptor_passing.h: a message between the daemon and a zygote, with a descriptor or without
 * one.
 *
 * Ownership  what is sent stays the sender's; a descriptor that comes is the taker's, and is
 *            close-on-exec.
 * Threads    any. Failure: as sendmsg and recvmsg, -1 and errno; nothing was taken then.
 */
#ifndef DROVER_SCRIPT_DESCRIPTOR_PASSING_H
#define DROVER_SCRIPT_DESCRIPTOR_PASSING_H

#include <sys/types.h>

#include "base/base.h"

struct parcel {
    void *bytes; /* Borrowed: what is sent, or where what comes is put. */
    size_t size;
    int fd; /* -1: none. */
};
MUST_CHECK ssize_t parcel_send(int socket, const struct parcel *parcel, int flags);
/* How many bytes came; 0: nobody is there any more. */
MUST_CHECK ssize_t parcel_take(int socket, struct parcel *parcel, int flags);

#endif
