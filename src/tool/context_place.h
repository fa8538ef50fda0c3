/* context_place.h: reading what a project or a home offers, never through a link that leads out. */
#ifndef DROVER_TOOL_CONTEXT_PLACE_H
#define DROVER_TOOL_CONTEXT_PLACE_H

#include "base/base.h"
#include "tool/context_files.h"

enum context_found { CONTEXT_FOUND, CONTEXT_ABSENT, CONTEXT_UNFIT /* Not plain, or no UTF-8. */ };

/* At most size_max bytes, cut between characters; *ret_text is owned (mem_free), terminated. */
MUST_CHECK enum context_found context__read(const char *root, const char *path, size_t size_max,
                                            char **ret_text, size_t *ret_len, bool *ret_cut);

/* The names in a folder below `root`, sorted, without those that begin with a dot; at most
 * `count_max`. *ret_names is owned, each name too. */
struct context_names {
    size_t count;
    char **list;
};
void context__names_done(struct context_names *names); /* For AUTO. */
void context__names(const char *root, const char *path, size_t count_max,
                    struct context_names *ret_names);

#endif
