/* notify_command.h: starts the command of setting `notify_command`, which is argv as a JSON array.
 *
 * "{event}", "{run}", "{title}", "{text}" and "{link}" in its words are replaced by the texts of
 * the notification; the same texts stand in DROVER_EVENT, DROVER_RUN, DROVER_TITLE, DROVER_TEXT and
 * DROVER_LINK. No shell reads them.
 *
 * Umask      `umask` (base/process/umask.h): a shell sets it and starts the words, but does not
 *            interpret them.
 * Promise    the command has a session of its own, no input, no output and nothing of ours open.
 *            The environment is an allow-list without keys (base/process/variables.h).
 * Ownership  all is borrowed for the call; the process is the caller's to wait for.
 * Threads    the loop.
 * Failure    nothing runs. ERR_CONFIG: the setting has no words, or too many.
 */
#ifndef DROVER_MAIN_NOTIFY_COMMAND_H
#define DROVER_MAIN_NOTIFY_COMMAND_H

#include "base/base.h"
#include "base/err.h"
#include "main/notification.h"

MUST_CHECK struct err notify_command_start(struct bytes setting,
                                           const struct notification *notification, unsigned umask,
                                           int *ret_pid);

#endif
