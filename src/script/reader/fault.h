/* fault.h: a fault of a script, with its place. */
#ifndef DROVER_SCRIPT_READER_FAULT_H
#define DROVER_SCRIPT_READER_FAULT_H

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

#endif
