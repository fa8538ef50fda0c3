/* library.h: which SQLite this program runs with, for whoever looks for a fault.
 *
 * Threads    any.
 */
#ifndef DROVER_STORE_LIBRARY_H
#define DROVER_STORE_LIBRARY_H

const char *store_library_version(void); /* Static text: "3.40.1". */

#endif
