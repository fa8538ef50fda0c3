/* fault.h: a fault of a script, with its place. */
#ifndef DROVER_SCRIPT_READER_FAULT_H
#define DROVER_SCRIPT_READER_FAULT_H

#include "base/base.h"

enum { SCRIPT_NEST_MAX = 1024 }; /* Brackets within brackets. */

/* Lines and columns count from 1, columns in characters; 0: it is about the whole file. */
struct script_place {
    unsigned line, column;
};
struct script_fault {
    unsigned line, column;
    const char *code; /* Static: "syntax_error", "bad_meta", "no_main", "import", "typescript", … */
    char message[320];
};

/* Makes of an engine's syntax error one of the user's file: a place in what was added to the script
 * is that of its last token, and says that the script ended too early. A line that looks like
 * TypeScript gets a hint. */
void script_fault_place(struct bytes source, struct script_fault *fault);

#endif
