/* owner.h: other users of a session of Claude Code or Codex: a process that has it open, or lines
 * of its file about a turn or a summary. rules/agent/admission.h judges them.
 *
 * Processes  Claude Code writes $CLAUDE_CONFIG_DIR/sessions/PID.json while it runs, interactive or
 *            not, and takes it away when it ends:
 *              {"pid":13175,"sessionId":"…","procStart":"222592",…}
 *            procStart is the start time of /proc/PID/stat, so a file that was left, or a pid that
 *            was given to another process, names no owner. sessionId follows /clear and /resume.
 *            Codex holds a lock (flock) on $CODEX_HOME/thread-writer-locks/ID.lock while it has a
 *            thread loaded; the service that the interactive one starts does so a minute longer.
 *            /proc/locks names who holds it, and a descriptor of that process confirms the file.
 * Lines      Claude Code: words of the user or a result of a tool without an end after them; and
 *            system/compact_boundary. Codex: task_started without task_complete or turn_aborted;
 *            and compacted. Only the last TAIL_MAX bytes are read. A turn of Codex counts only
 *            where no lock tells: one whose process was killed has no end.
 * Promise    only the reading of files: no lock is tried, since the program would be refused if it
 *            asked in that moment. What cannot be read says nothing.
 * Threads    the pool: it blocks on the disk and on /proc.
 */
#ifndef DROVER_AGENT_OWNER_H
#define DROVER_AGENT_OWNER_H

#include "agent/native.h"
#include "rules/agent/admission.h"

/* `proc`: "/proc"; tests have one of their own. All zero where nobody is seen. */
void agent_owner_find(const struct native_wish *wish, const char *proc,
                      struct agent_found *ret_found);

#endif
