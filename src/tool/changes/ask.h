/* ask.h: orders to drover-changes, the child process that looks at folders (child.h), and its
 * answers: one line of JSON, and for some orders bytes after it.
 *
 * Why        git reads and writes for seconds in large folders. A process of its own can be killed
 *            at any moment, has a low priority, and takes neither the loop nor a thread of ours.
 * Ownership  an order is borrowed for the call. The pid and the descriptor are the caller's.
 * Threads    changes_begin: the loop, or the pool. changes_ask blocks: the pool. The rest: any.
 * Failure    changes_begin: there is no child. An answer that says `error` is ERR_GONE,
 *            ERR_NOT_FOUND, ERR_TOO_EXPENSIVE, ERR_DISK_FULL or ERR_IO, with its sentence in `why`;
 *            ERR_INTERNAL: it is no answer.
 */
#ifndef DROVER_TOOL_CHANGES_ASK_H
#define DROVER_TOOL_CHANGES_ASK_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"

struct changes_child {
    int pid;
    int fd; /* The standard output of the child. */
};
MUST_CHECK struct err changes_begin(struct bytes order, struct changes_child *ret_child);

/* The whole answer of a child that gets `deadline_ms`; later, or at more bytes than `answer` takes,
 * it is killed. */
struct world;
MUST_CHECK struct err changes_ask(const struct world *world, struct bytes order,
                                  unsigned deadline_ms, struct text *answer, struct why *why);

/* The line of an answer, and what follows it, which is borrowed. */
MUST_CHECK struct err changes_answer_read(struct bytes answer, json_t **ret_line,
                                          struct bytes *ret_body, struct why *why);

#endif
