/* history.h: lines that were typed in earlier chats, in a file.
 *
 *   one line of the file is one entry; in it a line break is \n and a backslash is \\
 *
 * Promise    the file is readable by its owner alone (0600) and bounded: a file of more than twice
 *            EDIT_HISTORY_MAX entries is replaced by one with the newest. Several chats may append
 *            at once. A file that cannot be read or written costs the history and nothing else.
 * Threads    one.
 */
#ifndef DROVER_CLI_TERMINAL_HISTORY_H
#define DROVER_CLI_TERMINAL_HISTORY_H

#include "cli/terminal/edit_line.h"

enum { HISTORY_ENTRY_MAX = 16 << 10 };

void history_load(const char *path, struct edit_line *edit);
/* A longer line than HISTORY_ENTRY_MAX is not kept. */
void history_append(const char *path, struct bytes line);

#endif
