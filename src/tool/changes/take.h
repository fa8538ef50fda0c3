/* take.h: a point, which is the tree of a world as it stands.
 *
 * The order
 *   {"git": PATH, "shadow": PATH, "index": ID, "root": PATH, "kind": "git" | "plain",
 *    "capture": [PATTERN, …], "paths": [NAME, …], "files_max": N, "bytes_max": N, "size_max": N}
 * The answer
 *   {"tree": HASH, "files": N, "bytes": N, "state": "ready" | "large", "taken": "same" | "new",
 *    "left_out": [{"path": NAME, "why": W}, …], "left_out_count": N, "secrets": {NAME: SHA256, …}}
 *
 * W          size, secret, nested (a repository within), unreadable, changing (written while it was
 *            read), special (a socket, pipe or device). NAME: see rules/changes/names.h.
 * Promise    the tree is on the disk before the answer. A file that is left out is not in the tree,
 *            but for one that is unreadable or changing and was taken before: it stays as it was.
 *            `paths` are taken also where they are ignored. In a large world no other new files
 *            are; those that were taken before are followed.
 * Ownership  the order is borrowed; the answer is appended.
 * Threads    one. Blocks on the disk, on git, and on another pass of the world.
 * Failure    the last tree is as it was. `why` is a sentence.
 */
#ifndef DROVER_TOOL_CHANGES_TAKE_H
#define DROVER_TOOL_CHANGES_TAKE_H

#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

enum { TAKE_LEFT_OUT_MAX = 100, TAKE_SECRETS_MAX = 200 };

MUST_CHECK struct err take_point(const json_t *order, struct text *answer, struct why *why);

#endif
