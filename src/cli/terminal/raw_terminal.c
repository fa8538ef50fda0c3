/* raw_terminal.c: termios. What is drawn comes from the job's own terminal, line ends included, so
 * ours must add nothing: that is why even the output is raw. */
#include "cli/terminal/raw_terminal.h"

#include <unistd.h>

bool raw_terminal_possible(void) {
    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

/* A terminal that does not control us, which has no foreground for us, stops nobody. */
bool raw_terminal_background(void) {
    pid_t foreground = tcgetpgrp(STDIN_FILENO);
    return foreground >= 0 && foreground != getpgrp();
}

enum keys { KEYS_ALL, KEYS_OF_LINE, KEYS_BUT_SIGNALS };

static bool terminal_begin(struct raw_terminal *terminal, enum keys keys) {
    struct termios raw;
    if (terminal->raw) {
        return true;
    }
    if (tcgetattr(STDIN_FILENO, &terminal->before) < 0) {
        return false;
    }
    raw = terminal->before;
    if (keys == KEYS_BUT_SIGNALS) {
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    } else {
        cfmakeraw(&raw);
    }
    if (keys == KEYS_OF_LINE) {
        raw.c_oflag |= terminal->before.c_oflag & (OPOST | ONLCR);
    }
    raw.c_cc[VMIN] = keys != KEYS_BUT_SIGNALS; /* 0: a read does not wait. */
    raw.c_cc[VTIME] = 0;
    /* Keys that were typed ahead are kept: they are meant for the job, or the line. */
    terminal->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
    return terminal->raw;
}

bool raw_terminal_begin(struct raw_terminal *terminal) {
    return terminal_begin(terminal, KEYS_ALL);
}

bool raw_terminal_begin_keys(struct raw_terminal *terminal) {
    return terminal_begin(terminal, KEYS_OF_LINE);
}

bool raw_terminal_begin_polled(struct raw_terminal *terminal) {
    return terminal_begin(terminal, KEYS_BUT_SIGNALS);
}

void raw_terminal_end(struct raw_terminal *terminal) {
    bool ours = terminal->raw && !raw_terminal_background();
    terminal->raw = false;
    if (ours) {
        /* At once: output that somebody holds by Ctrl-S must not keep us. A terminal that is gone
         * has nothing to be given back. */
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
    }
}
