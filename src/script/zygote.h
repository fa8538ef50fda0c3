/* zygote.h: the process that workers are forked from, seen from the daemon. See protocol.h.
 *
 * Promise    notes are told in order; then `over` once, if it ended by itself. None of them inside
 *            a call. It is killed by zygote_close, and its workers with it.
 * Ownership  zygote_close is asynchronous inside: `closed` is the last word.
 * Threads    the loop, which is the main thread. zygote_start forks and execs (some 0.3 ms). The
 *            process is collected by whoever reaps our children (proc/reap.h).
 */
#ifndef DROVER_SCRIPT_ZYGOTE_H
#define DROVER_SCRIPT_ZYGOTE_H

#include "base/base.h"
#include "base/err.h"
#include "loop/loop.h"
#include "script/protocol.h"

struct zygote;
struct zygote_news {
    void (*noted)(void *ctx, const struct script_note *note, int pidfd); /* Takes it; -1: none. */
    void (*over)(void *ctx);                                             /* Must close it. */
    void (*closed)(void *ctx);
};
/* `news` and `ctx` are borrowed until `closed`. */
MUST_CHECK struct err zygote_start(struct loop *loop, const char *program,
                                   const struct zygote_news *news, void *ctx,
                                   struct zygote **ret_zygote);
void zygote_close(struct zygote *zygote); /* NULL is allowed. */

/* `fd` is borrowed: it gets a copy. */
MUST_CHECK struct err zygote_bear(const struct zygote *zygote, const struct script_birth *birth,
                                  int fd);

/* Of a zygote or a worker; at worst it has ended. */
void pidfd_kill(int pidfd);

#endif
