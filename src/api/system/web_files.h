/* web_files.h: the pages of web/ as the build put them into the binary (web/build.mjs).
 *
 * Ownership  static.
 * Threads    any.
 */
#ifndef DROVER_API_SYSTEM_WEB_FILES_H
#define DROVER_API_SYSTEM_WEB_FILES_H

#include "base/base.h"

struct web_file {
    const char *name; /* "index.html", else NAME-HASH.EXT below /assets/. */
    const char *media;
    const char *data;
    size_t size;
    bool gzip;
};

extern const struct web_file web_files[]; /* The first one is index.html. */
extern const size_t web_file_count;

/* The page that shows an exported run, before and after its document (web/src/viewer/). */
extern const struct bytes web_viewer_head, web_viewer_tail;

#endif
