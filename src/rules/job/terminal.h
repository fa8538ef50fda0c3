/* terminal.h: named terminals: a command of an owner, started again and again, each time as a job
 * with a terminal. The job has the state, the output and the end; the terminal has the name, and
 * all that a start needs.
 *
 * Ownership  texts are borrowed from the function that filled the struct.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_JOB_TERMINAL_H
#define DROVER_RULES_JOB_TERMINAL_H

#include "base/base.h"
#include "base/id.h"
#include "base/resource/resource.h"

enum {
    TERMINAL_NAME_MAX = 64, /* Bytes, */
    TERMINAL_COMMAND_MAX = 4096,
    TERMINALS_MAX = 100, /* Rows of an owner. */
};

struct terminal {
    int64_t number;
    struct id id;
    struct bytes owner, name;
    struct bytes command;  /* A line of /bin/sh; "": the user's shell. */
    struct bytes cwd;      /* "": where jobs run that name no folder. */
    json_t *env_given;     /* As sent; NULL: absent. */
    struct bytes env;      /* The same as it is kept: an object of texts; "": none. */
    struct bytes path;     /* PATH of the client that made it; "": the daemon's. */
    struct bytes run;      /* Job of its last start. */
    int64_t rows, columns; /* Size at a start. */
    struct bytes state;    /* State of the job, read from its row; "": the job was removed. */
    struct bytes cause;    /* The same of its cause, */
    int64_t exit_code;     /* and of its exit code; negative: none. */
    int64_t made_ms, changed_ms;
};

extern const struct resource terminal_resource;

/* Adds the job of a start, as POST /api/v1/jobs takes one. */
void terminal_job_write(const struct terminal *terminal, struct text *text);

#endif
