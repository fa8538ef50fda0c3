/* raw_terminal.h: our terminal, handed to a job that has one: each key goes there as it is.
 *
 * Promise    after raw_terminal_end the terminal is as it was, unless we are in the background:
 *            then it is the shell's, which has set it up for itself. Signals that would end us in
 *            between must be taken by somebody: see talk_hear_all.
 * Ownership  embedded; zeroed is "as it was". End by AUTO or by hand, as often as you like.
 * Threads    one.
 */
#ifndef DROVER_CLI_TERMINAL_RAW_TERMINAL_H
#define DROVER_CLI_TERMINAL_RAW_TERMINAL_H

#include <termios.h>

#include "base/base.h"

struct raw_terminal {
    bool raw;
    struct termios before;
};
enum raw_keys {
    RAW_KEYS_ALL,
    RAW_KEYS_OF_LINE, /* For a line that we edit ourselves: output is as usual. */
    RAW_KEYS_POLLED,  /* Ctrl-C stays a signal, and a read does not wait for a key. */
};
/* Keys come one by one. False: standard input is no terminal, and nothing was changed. */
MUST_CHECK bool raw_terminal_begin(struct raw_terminal *terminal, enum raw_keys keys);
void raw_terminal_end(struct raw_terminal *terminal);

/* Whether we are a background job of the terminal on standard input: a program that reads its keys
 * or changes its settings then is stopped. `timeout` runs its command so, too. */
MUST_CHECK bool raw_terminal_background(void);

/* A descriptor that is readable when the size of our terminal changed, and when we go on after a
 * stop; -1: there is none. Owned by the caller. */
int terminal_signals_open(void);

/* Both sides of us are a terminal: somebody types, and sees what comes of it. */
MUST_CHECK bool raw_terminal_possible(void);

#endif
