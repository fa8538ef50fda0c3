/* place_path.h: what place.c and place_path.c share: paths as text. */
#ifndef DROVER_TOOL_PLACE_PATH_H
#define DROVER_TOOL_PLACE_PATH_H

#include "tool/place.h"

struct err place__refused(enum err_code code);
/* What of `path` stands below `folder` ("" for itself), or NULL. Both are normalised, absolute. */
const char *place__below(const char *path, const char *folder);
/* Where an open descriptor is; false: the system doesn't say, or it does not fit. */
MUST_CHECK bool place__path_of(int fd, char *into, size_t size);
/* How a path relative to a root is shown: relative in the project, absolute elsewhere. */
void place__show(const struct tool_place *place, size_t root, const char *relative, char *into,
                 size_t size);

#endif
