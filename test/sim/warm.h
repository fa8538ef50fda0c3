/* warm.h: connections of SQLite that outlive a crash, and are given out again as if just opened.
 *
 * Promise    the daemon sees what it would see with new connections: no transaction is open, no
 *            lock is held, the log is recovered at the first read. A connection that cannot be
 *            brought there is closed.
 * How        warm.c defines sqlite3_open_v2, _close, _prepare_v2, _prepare_v3, _finalize and _exec
 *            before the library does, and keeps prepared statements by their text. Reading the
 *            schema and preparing statements was a third of a seed's time.
 * Threads    one.
 */
#ifndef DROVER_TEST_SIM_WARM_H
#define DROVER_TEST_SIM_WARM_H

#include "base/base.h"

/* All connections that are open end their transactions and wait to be opened again; the disk is
 * dead, so that nothing reaches it. False: one of them could not, and all were closed. */
bool warm_park(void);
/* A close in order parks, too, for as long as this is set. */
void warm_keep(bool keep);
/* Prepares what seeds have prepared, in the process from which the next ones are forked. */
void warm_learn(void);
/* Closes all that is parked. */
void warm_close(void);

#endif
