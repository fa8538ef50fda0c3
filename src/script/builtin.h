/* builtin.h: the workflows that come along: those of workflows/ in the source tree. Static. */
#ifndef DROVER_SCRIPT_BUILTIN_H
#define DROVER_SCRIPT_BUILTIN_H

#include "base/base.h"

struct builtin {
    const char *file; /* "deep-research.js" */
    struct bytes source;
};
const struct builtin *builtin_list(size_t *ret_count);

#endif
