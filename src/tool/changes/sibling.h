/* sibling.h: a file of a folder and its hidden sibling, which has the content to come, or the one
 * that was there.
 *
 *   PATH      the file
 *   HIDDEN    ".drover-NAME-N", in the folder of the file or in one above it
 *
 * The sibling is written whole and synced under another name before it has this one, so it is never
 * half a file. From then on the two are exchanged, or one is renamed to the other's name.
 *
 * Promise    folders on the way are opened below the root and never through a link. No content is
 *            overwritten: where a name is taken, nothing is renamed.
 * Ownership  sibling_close ends sibling_open. All else is borrowed.
 * Threads    one. Blocks on the disk.
 * Failure    of the disk, with a sentence in `why`.
 */
#ifndef DROVER_TOOL_CHANGES_SIBLING_H
#define DROVER_TOOL_CHANGES_SIBLING_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"
#include "base/limits.h"
#include "tool/changes/shadow.h"

/* Content and mode as a tree has them. */
struct file_state {
    char mode[8];        /* "100644", "100755", "120000"; "other": a folder or special; "": none. */
    char hash[TREE_HEX]; /* Hash of the content, or of the target of a link. */
};
MUST_CHECK bool file_state_equal(const struct file_state *a, const struct file_state *b);
static inline bool file_state_exists(const struct file_state *state) {
    return state->mode[0] != '\0';
}

struct sibling {
    struct bytes path; /* Terminated; relative to the root. */
    size_t place_len;  /* Length of the path of the folder that holds the sibling. */
    char hidden[128];  /* Name of the sibling. */
    int folder_fd;     /* Owned; -1: the folder of the file is missing. */
    int place_fd;      /* Owned; -1: the folder of the sibling is missing. */
    const char *name;  /* Last component of the path. */
    bool has_twin;     /* Another path of the order differs in the case of letters alone. */
};
enum sibling_missing { SIBLING_MISSING_LEAVE, SIBLING_MISSING_MAKE };
/* Opens both folders. MAKE: folders of the file are made, with modes of `umask` (umask.h);
 * ERR_CONFLICT: something else stands there. */
struct sibling_root {
    int fd;
    unsigned umask;
};
MUST_CHECK struct err sibling_open(const struct sibling_root *root, enum sibling_missing missing,
                                   struct sibling *sibling, struct why *why);
void sibling_close(struct sibling *sibling); /* For AUTO. */

/* Length of the longest existing folder on the way to the file. */
MUST_CHECK size_t sibling_existing_len(const struct sibling_root *root, struct bytes path);

/* State of one of both names. SEALED: a file that somebody has open for writing is "other",
 * since it may become anything. */
enum sibling_side { SIBLING_FILE, SIBLING_HIDDEN };
enum sibling_look { SIBLING_LOOSE, SIBLING_SEALED };
MUST_CHECK struct err sibling_state(const struct sibling *sibling, enum sibling_side side,
                                    enum sibling_look look, struct file_state *ret_state,
                                    struct why *why);

/* Makes the sibling under another name. Modes and owner are those of the file that stands at the
 * path, but for the right to execute. LATER: the caller syncs the file system before it publishes
 * the sibling. ERR_CONFLICT: the folder of the sibling is missing. */
enum sibling_sync { SIBLING_SYNC_NOW, SIBLING_SYNC_LATER };
struct sibling_content {
    const char *mode;
    struct bytes bytes;
    unsigned umask;
    enum sibling_sync sync;
};
MUST_CHECK struct err sibling_write(const struct sibling *sibling,
                                    const struct sibling_content *content, struct why *why);
/* Gives a written sibling its name; its content is on the disk. */
MUST_CHECK struct err sibling_publish(const struct sibling *sibling, struct why *why);
/* Removes the sibling; whether or not it is there. */
MUST_CHECK struct err sibling_remove(const struct sibling *sibling, struct why *why);
/* Gives the sibling a name that no later try takes. */
MUST_CHECK struct err sibling_keep(const struct sibling *sibling, struct why *why);

/* ERR_CONFLICT: a name was missing, or was taken; nothing was renamed. */
enum sibling_move { SIBLING_EXCHANGE, SIBLING_SHOW, SIBLING_HIDE };
MUST_CHECK struct err sibling_move(const struct sibling *sibling, enum sibling_move move,
                                   struct why *why);

/* Removes the folders of the file, up to one whose path has `keep_len` bytes, which stays.
 * ERR_CONFLICT: one of them is not empty. */
struct err sibling_folders_remove(const struct sibling_root *root, struct bytes path,
                                  size_t keep_len, struct why *why);
/* Syncs the folders of the file from its own to that of the sibling. */
MUST_CHECK struct err sibling_folders_sync(const struct sibling_root *root, struct bytes path,
                                           size_t place_len, struct why *why);

#endif
