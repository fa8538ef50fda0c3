/* damage_scan.h: the newest rows are looked at after a start, and damaged ones are logged.
 *
 * Promise    nothing waits for it. It ends by itself, or with the store.
 * Ownership  store and log are borrowed until the store is closed.
 * Threads    the loop; the rows are read by the store's readers.
 */
#ifndef DROVER_MAIN_REPORT_DAMAGE_SCAN_H
#define DROVER_MAIN_REPORT_DAMAGE_SCAN_H

#include "base/log.h"
#include "store/store.h"

void damage_look(struct store *store, struct log *log);

#endif
