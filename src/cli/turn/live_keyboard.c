/* live_keyboard.c: takes the keyboard for the line of a chat, and gives it back. */
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/turn/live.h"

/* Pastes come between two marks. */
static struct err keyboard_begin(struct live *live) {
    if (!raw_terminal_begin(&live->terminal, RAW_KEYS_OF_LINE)) {
        return err_make(ERR_IO, "chat: no terminal");
    }
    fputs("\033[?2004h", stdout);
    return ERR_OK;
}

void live_keyboard_end(struct live *live) {
    if (live->terminal.raw) {
        fputs("\033[?2004l", stdout);
        (void)fflush(stdout); /* As in live_write. */
        raw_terminal_end(&live->terminal);
    }
}

bool live_turn_in_background(const struct live *live) {
    return live->turn != NULL && raw_terminal_background();
}

/* The line of a single turn has the keyboard while something is asked, unless that would stop us.
 * What was typed before the question came is no answer to it. */
struct err live_keyboard_update(struct live *live) {
    bool wanted = live_is_terminal(live) && isatty(STDIN_FILENO) == 1 &&
                  (live->turn == NULL || live->state == CHAT_ASKING) &&
                  !live_turn_in_background(live);
    if (!wanted) {
        live_keyboard_end(live);
    } else if (!live->terminal.raw) {
        if (live->turn != NULL) {
            (void)tcflush(STDIN_FILENO, TCIFLUSH); /* Fails only where nobody types. */
        }
        return keyboard_begin(live);
    }
    return ERR_OK;
}

/* Answers whether we go on after a stop. */
static bool signals_read(const struct live *live) {
    struct signalfd_siginfo info;
    bool continued = false;
    while (read(live->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        continued = continued || info.ssi_signo == SIGCONT;
    }
    return continued;
}

/* Stops the whole job, as the terminal does for other programs. A job that cannot be stopped goes
 * on at once. live_keyboard_update takes the keyboard again. */
void live_suspend(struct live *live) {
    live_draw(live, false);
    live_keyboard_end(live);
    (void)kill(0, SIGTSTP);
    (void)signals_read(live); /* The stop is over, and seen to here. */
    live_view_forget(&live->view);
}

/* Others can stop us, too: then the shell had the terminal meanwhile. */
void live_signals_take(struct live *live) {
    if (signals_read(live)) {
        live_keyboard_end(live);
        live_view_forget(&live->view);
    }
}
