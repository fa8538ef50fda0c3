/* files.h: the files of the demo that are embedded in the binary: its workflow, and the answers of
 * the scripted model. The files stand in this folder, to be read and changed.
 */
#ifndef DROVER_CLI_DEMO_FILES_H
#define DROVER_CLI_DEMO_FILES_H

#include "script/catalog.h"

/* answers.json, then release.js. Static. */
const struct builtin *demo_files(size_t *ret_count);

#endif
