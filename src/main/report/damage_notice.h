/* damage_notice.h: says that the database is damaged, when a page of it turns out to be.
 *
 * Promise    each newly found damage is one line of the log, and one event `database_damaged` of
 *            the stream `system` of the local user, with the number of damaged pages so far. Where
 *            the event cannot be stored, the line stays.
 * Ownership  embedded; it, the store and the log live until the store has ended.
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_REPORT_DAMAGE_NOTICE_H
#define DROVER_MAIN_REPORT_DAMAGE_NOTICE_H

#include "base/log.h"
#include "store/store.h"

struct damage_notice {
    struct store *store;
    struct log *log;
    uint32_t told; /* Number of pages that were logged. */
    uint32_t sent; /* Number of pages in the event that was stored last, or is on its way. */
    bool away;     /* An event is on its way. */
};

/* A function of the store has failed with ERR_STORE_CORRUPT. */
void damage_notice_look(struct damage_notice *notice);

#endif
