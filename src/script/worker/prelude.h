/* prelude.h: our own JavaScript, carried inside the worker's program.
 *
 * Ownership  static data.
 */
#ifndef DROVER_SCRIPT_WORKER_PRELUDE_H
#define DROVER_SCRIPT_WORKER_PRELUDE_H

#include "base/base.h"

MUST_CHECK struct bytes prelude_world(void); /* What a script may not find. */
MUST_CHECK struct bytes prelude_texts(void);
MUST_CHECK struct bytes prelude_text(void); /* What it finds. */

#endif
