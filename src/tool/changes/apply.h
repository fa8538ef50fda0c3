/* apply.h: files of a plan, put into the folder: all of them or none, over a kill at any moment.
 *
 * {"do": "apply", "git": PATH, "shadow": PATH, "root": PATH, "folder": PATH, "name": ID,
 *  "files": [{"path", "before", "after", "mode_before", "mode_after"}, …],
 *  "way": "forward" | "back", "umask": N}
 *
 *   -> {"state": "applied", "kept": [NAME, …]}
 *   or {"state": "changed", "paths": [NAME, …], "kept": [NAME, …]}, and no file is changed
 *
 * forward    each file becomes `after`
 * back       each file becomes `before`, whether the way forward was finished or not
 *
 * Files are rows of rewind.h: a hash and a mode, or null where there is no file. A file that is as
 * wanted already is left alone. `umask` is that of umask.h, for files and folders that are made.
 * "changed" names the files that are neither as they were nor as wanted, or that somebody has open
 * for writing. `kept`: where others have written both a file and what replaced it, the older
 * one stays beside it, as ".drover-ID-N.keptM".
 *
 * The journal is FOLDER/ID, of the daemon's data directory:
 *   {"way", "state": "begun", "places": [N, …]}   lengths of the paths of the folders that hold the
 *                                                 hidden siblings; -1: the file is as wanted
 *   {"way", "state": "applied", "places": […]}    all files are as wanted; siblings may remain
 * Repeated after a kill, the same order finishes what the journal says. The journal stays after
 * "applied", so that a repeated order has the same answer; the caller removes it after the answer
 * is recorded. Two orders of one FOLDER never overlap.
 *
 * Promise    what others write between the check and the exchange is never lost. Files are on the
 *            disk before the answer. A hidden sibling is removed only where its content is `before`
 *            or `after`, which the repository has.
 * Threads    one. Blocks on the disk, on git, and on another order.
 * Failure    no file is changed, unless the sentence says that the order must be repeated.
 *            ERR_DISK_FULL, ERR_NO_PERMISSION, ERR_GONE: a content is not in the repository;
 *            ERR_NOT_IMPLEMENTED: the file system cannot exchange files.
 */
#ifndef DROVER_TOOL_CHANGES_APPLY_H
#define DROVER_TOOL_CHANGES_APPLY_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

enum { APPLY_FILES_MAX = 10000 };

MUST_CHECK struct err apply_files(const json_t *order, struct text *answer, struct why *why);

#endif
