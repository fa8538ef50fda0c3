/* guest.h: what a daemon does for its own processes while another one leads.
 *
 * Promise    the commands of this host are followed by the rows of the leader, ended when it asks
 *            for it, and their ends are reported to it (dispatch/host/guest.c). Nothing is begun
 *            and nothing is served. When it has stopped, every holder is let go of: the daemon that
 *            leads adopts them again.
 * Ownership  the caller's; options are borrowed for life. The data directory must be claimed.
 * Threads    the loop; guest_open blocks on the disk, guest_close some seconds at most on a server
 *            that does not answer.
 */
#ifndef DROVER_MAIN_GUEST_H
#define DROVER_MAIN_GUEST_H

#include "base/base.h"
#include "base/err.h"
#include "cli/system/serve_options.h"
#include "loop/loop.h"

struct guest_rooms;
MUST_CHECK struct err guest_open(const struct serve_options *serve, struct loop *loop,
                                 struct guest_rooms **ret_guest);
/* `stopped` never comes inside the call. */
void guest_stop(struct guest_rooms *guest, void (*stopped)(void *ctx), void *ctx);
void guest_close(struct guest_rooms *guest); /* After `stopped`. NULL is allowed. */

#endif
