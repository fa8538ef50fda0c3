/* host.h: what the prelude may ask of the worker, and the ways in which a run ends.
 *
 * Promise    the functions that end a run write its `end`, with all that was collected before it,
 *            and end the process; none of them returns.
 * Threads    none.
 */
#ifndef DROVER_SCRIPT_WORKER_HOST_H
#define DROVER_SCRIPT_WORKER_HOST_H

#include <stdnoreturn.h>

#include "script/worker/frames.h"
#include "script/worker/vm.h"

/* A script as it was compiled, for the line of a loop. */
struct script_text {
    struct script_text *next; /* Owned, like all of it; freed with the process. */
    char *file, *code;
    struct bytes body; /* Inside of code: what its file holds. */
};

struct worker {
    struct vm vm; /* First: the engine calls with its address. */
    struct frames frames;
    uint64_t start, take, next, done, failed, where; /* The prelude's functions. */
    uint64_t promise;                                /* Of the whole run. */
    struct script_text *scripts;                     /* Owned; the latest first. */
    char *where_stack; /* Owned. Where the script was when its time was over. */
    uint32_t where_asked;
};

MUST_CHECK const struct vm_host *host_table(void);
/* An object with a function for each of the table's names. */
MUST_CHECK uint64_t host_functions(struct vm *vm);

noreturn void host_fail_bare(struct worker *worker, struct bytes code, struct bytes message);
/* `error`: what the engine threw when the script's time was over, which says where that was. */
noreturn void host_fail_stuck(struct worker *worker, uint64_t error);

#endif
