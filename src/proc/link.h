/* link.h: what a holder says, from bytes to messages.
 *
 * Promise    each whole message is handed on once, in order. Lines whose first word is not known
 *            here are of a later version, and skipped. A peer that talks nonsense (a line that is
 *            too long or not plain text, a known word with wrong arguments) is found out, and
 *            nothing more is taken from it. At most one line and one result are kept.
 * Ownership  embedded and zeroed; link_done frees what is kept. A message is borrowed for the call.
 * Threads    one at a time.
 */
#ifndef DROVER_PROC_LINK_H
#define DROVER_PROC_LINK_H

#include "base/base.h"
#include "proc/spool/spool.h"

enum link_word {
    LINK_CLAIMED,
    LINK_VOID,
    LINK_STATUS,
    LINK_GROWN,
    LINK_ACCEPTED,
    LINK_INPUT_GAP,
    LINK_DISK_FULL,
    LINK_EXITED,
    LINK_FAILED,
};
struct link_message {
    enum link_word word;
    enum log_stream stream;     /* GROWN. */
    int64_t size;               /* GROWN, ACCEPTED, INPUT_GAP; DISK_FULL: 0 or 1; FAILED: errno. */
    struct bytes body;          /* EXITED. */
    int64_t sizes[LOG_STREAMS]; /* STATUS, and those below: what it didn't say is 0. */
    int64_t accepted;
    bool disk_full;
};

struct link_reader {
    char *kept; /* Owned; NULL when nothing is kept. */
    size_t len;
};
/* `take` answers false to end it: the rest of the bytes is not looked at. */
enum link_fed { LINK_MORE, LINK_ENDED, LINK_NONSENSE };
MUST_CHECK enum link_fed link_feed(struct link_reader *reader, struct bytes bytes,
                                   bool (*take)(void *ctx, const struct link_message *message),
                                   void *ctx);
void link_done(struct link_reader *reader);

#endif
