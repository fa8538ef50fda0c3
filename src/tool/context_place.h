/* context_place.h: reading what a project or a home offers, never through a link that leads out. */
#ifndef DROVER_TOOL_CONTEXT_PLACE_H
#define DROVER_TOOL_CONTEXT_PLACE_H

#include "base/base.h"
#include "tool/context_files.h"

enum context_found { CONTEXT_FOUND, CONTEXT_ABSENT, CONTEXT_UNFIT /* Not plain, or no UTF-8. */ };

/* At most size_max bytes, cut between characters; *ret_text is owned (mem_free), terminated. */
MUST_CHECK enum context_found context__read(const char *root, const char *path, size_t size_max,
                                            char **ret_text, size_t *ret_len, bool *ret_cut);

/* The first names of a folder below `root`, sorted, without those that begin with a dot. *ret_names
 * is owned, with what is in it; it stays open, so that what is read there is of no other folder. */
struct context_folder {
    const char *root, *path, *ending; /* Names end so; "": however they do. */
    size_t count_max;
};
struct context_names {
    int fd; /* Owned; -1: there is none. */
    size_t count;
    char **list;
    bool more; /* Names than were asked for, which ones is chance; or it was not read to its end. */
};
void context__names_done(struct context_names *names); /* For AUTO. */
void context__names(const struct context_folder *folder, struct context_names *ret_names);

/* Like context__read, of one of them. A link that leads out of the folder is not there. */
MUST_CHECK enum context_found context__read_in(const struct context_names *names, const char *name,
                                               size_t size_max, char **ret_text, size_t *ret_len,
                                               bool *ret_cut);

#endif
