/* files.h: the files of the demo that are embedded in the binary: its workflow, the answers of the
 * scripted model, and the program that stands in for others. The files stand in this folder, to be
 * read and changed.
 */
#ifndef DROVER_CLI_DEMO_FILES_H
#define DROVER_CLI_DEMO_FILES_H

#include "script/catalog.h"

/* answers.json, release.js, stand-in.sh. */
enum { DEMO_ANSWERS, DEMO_WORKFLOW, DEMO_STAND_IN, DEMO_FILES };
/* Static. */
const struct builtin *demo_files(size_t *ret_count);

#endif
