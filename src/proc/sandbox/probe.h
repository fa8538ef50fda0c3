/* probe.h: which parts of the sandbox this kernel has.
 *
 * The holder finds out by itself and refuses to run what it can't hold; here it is known before.
 *
 * Threads    any.
 */
#ifndef DROVER_PROC_SANDBOX_PROBE_H
#define DROVER_PROC_SANDBOX_PROBE_H

#include "base/base.h"
#include "base/err.h"

struct sandbox_probe {
    int landlock; /* The number of its ABI; 0: none. */
    bool filter;  /* Of system calls. */
};
struct sandbox_probe sandbox_probe(void);

/* What is missing, as a sentence; NULL: commands can be sandboxed. */
const char *sandbox_probe_lack(const struct sandbox_probe *probe);
/* What holds and what does not, for a person. */
void sandbox_probe_tell(const struct sandbox_probe *probe, struct why *ret_text);

#endif
