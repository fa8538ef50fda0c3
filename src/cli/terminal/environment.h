/* environment.h: the environment variables of a command, as a table that tests replace.
 *
 * Threads    any.
 */
#ifndef DROVER_CLI_TERMINAL_ENVIRONMENT_H
#define DROVER_CLI_TERMINAL_ENVIRONMENT_H

/* The value of an environment variable, or NULL. getenv in the program, a table in a test. */
struct config_env {
    const char *(*get)(void *ctx, const char *name);
    void *ctx;
    const char *const *all; /* "NAME=value" …, NULL at the end; NULL: not known. */
};

#endif
