/* prune.h: deletes the objects of a shadow repository that nothing needs any more.
 *
 * {"do": "prune", "git": PATH, "shadow": PATH, "keep": [TREE, …], "worlds": [ID, …]?}
 *
 *   -> {"bytes": N, "objects": N, "missing": N}
 *
 * Promise    after it, the repository holds the objects that the kept trees reach, and those that
 *            the next pass of a world builds on: contents that an index names, and the tree of the
 *            last pass. They are in one pack. All others are gone, whatever their age is. A kill or
 *            a power failure at any moment loses none that is kept.
 *            Where `worlds` is given, the private files of all other worlds are deleted.
 * Answer     bytes: size of the repository on the disk. objects: number of them. missing: number of
 *            kept trees that are not in the repository; they stop nothing. A repository that does
 *            not exist is empty.
 * Threads    one. Blocks on the disk, on git, and on the passes that are under way.
 * Failure    ERR_BAD_FIELD: `keep` is no list of trees. Else of git and the disk. No object was
 *            deleted in either case. `why` is a sentence.
 */
#ifndef DROVER_TOOL_CHANGES_PRUNE_H
#define DROVER_TOOL_CHANGES_PRUNE_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

MUST_CHECK struct err prune_objects(const json_t *order, struct text *answer, struct why *why);

#endif
