/* notices.h: events about the daemon itself, on the stream `system` of the local user, each with a
 * line of the log.
 *
 *   database_damaged  {"pages":N}: a page of the database turned out to be damaged, N so far
 *   daemon_held       {"failed_starts":3,"last_runs":["run_…"]}: the daemon opened held after
 *                     failed starts
 *
 * Promise    each newly found damage is one line and one event. Where an event cannot be stored,
 *            the line stays.
 * Ownership  embedded; the store, the log and the starts live until the store has ended.
 * Threads    the loop.
 */
#ifndef DROVER_MAIN_REPORT_NOTICES_H
#define DROVER_MAIN_REPORT_NOTICES_H

#include "base/log.h"
#include "dispatch/base/failed_starts.h"
#include "store/store.h"

struct notices {
    struct store *store;
    struct log *log;
    uint32_t damage_logged; /* Number of damaged pages that were logged. */
    uint32_t damage_sent;   /* The same in the event that was stored last, or is on its way. */
    bool damage_away;       /* An event is on its way. */
    struct text held;       /* Owned: data of the event daemon_held. */
};
/* A function of the store has failed with ERR_STORE_CORRUPT. */
void notices_damage(struct notices *notices);
/* Where the failed starts make this daemon hold; else nothing. NULL: they do not. */
void notices_hold(struct notices *notices, const struct failed_starts *starts);
void notices_done(struct notices *notices); /* After the store. Zeroed is allowed. */

#endif
