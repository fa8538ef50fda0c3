/* confirm.h: a yes or no of the person at the terminal, before what cannot be undone.
 *
 * Promise    nobody is asked where nobody can answer: in a pipe, and in the background.
 * Threads    one.
 * Failure    ERR_INTERRUPTED: Ctrl-C while the question stands. *ret_yes is untouched.
 */
#ifndef DROVER_CLI_TERMINAL_CONFIRM_H
#define DROVER_CLI_TERMINAL_CONFIRM_H

#include "base/base.h"
#include "base/err.h"

/* Whether somebody is there to be asked. */
MUST_CHECK bool confirm_possible(void);
/* Prints the question with " [y/N] " and reads one line. interrupt_fd: as lines.h. */
MUST_CHECK struct err confirm_ask(const char *question, int interrupt_fd, bool *ret_yes);

#endif
