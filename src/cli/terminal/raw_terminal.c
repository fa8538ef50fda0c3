/* raw_terminal.c: termios. What is drawn comes from the job's own terminal, line ends included, so
 * ours must add nothing: that is why even the output is raw. */
#include "cli/terminal/raw_terminal.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

bool raw_terminal_possible(void) {
    return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

/* A terminal that does not control us, which has no foreground for us, stops nobody. */
bool raw_terminal_background(void) {
    pid_t foreground = tcgetpgrp(STDIN_FILENO);
    return foreground >= 0 && foreground != getpgrp();
}

bool raw_terminal_begin(struct raw_terminal *terminal, enum raw_keys keys) {
    struct termios raw;
    if (terminal->raw) {
        return true;
    }
    if (tcgetattr(STDIN_FILENO, &terminal->before) < 0) {
        return false;
    }
    raw = terminal->before;
    if (keys == RAW_KEYS_POLLED) {
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    } else {
        cfmakeraw(&raw);
    }
    if (keys == RAW_KEYS_OF_LINE) {
        raw.c_oflag |= terminal->before.c_oflag & (OPOST | ONLCR);
    }
    raw.c_cc[VMIN] = keys != RAW_KEYS_POLLED; /* 0: a read does not wait. */
    raw.c_cc[VTIME] = 0;
    /* Keys that were typed ahead are kept: they are meant for the job, or the line. */
    terminal->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
    return terminal->raw;
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

int terminal_signals_open(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGCONT);
    return sigprocmask(SIG_BLOCK, &set, NULL /* not restored: the process ends soon */) < 0
               ? -1
               : signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
