/* paint.c: nine marks that every terminal knows. */
#include "cli/terminal/paint.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char *const marks[] = {
    [COLOUR_NONE] = "",           [COLOUR_RED] = "\033[31m",  [COLOUR_GREEN] = "\033[32m",
    [COLOUR_YELLOW] = "\033[33m", [COLOUR_BLUE] = "\033[34m", [COLOUR_CYAN] = "\033[36m",
    [COLOUR_GREY] = "\033[90m",   [COLOUR_BOLD] = "\033[1m",  [COLOUR_ITALIC] = "\033[3m",
};

static bool terminal_is_dumb(const struct config_env *env) {
    const char *term = env->get(env->ctx, "TERM");
    return term != NULL && strcmp(term, "dumb") == 0;
}

struct paint paint_of(int fd, const struct config_env *env) {
    const char *no_color = env->get(env->ctx, "NO_COLOR");
    bool refused = (no_color != NULL && no_color[0] != '\0') || terminal_is_dumb(env);
    /* A row does not take the last column: to erase the rest of a full row erases its end. */
    struct terminal_size size = {0};
    const bool sized = terminal_size(fd, &size) && size.columns > 1;
    return (struct paint){.on = !refused && isatty(fd) == 1,
                          .columns = sized ? size.columns - 1 : 0};
}

const char *paint_begin(const struct paint *paint, enum colour colour) {
    return paint->on ? marks[colour] : "";
}

const char *paint_end(const struct paint *paint, enum colour colour) {
    return paint->on && colour != COLOUR_NONE ? "\033[0m" : "";
}

bool terminal_size(int fd, struct terminal_size *ret_size) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
        return false;
    }
    *ret_size = (struct terminal_size){size.ws_row, size.ws_col};
    return true;
}

struct terminal_size terminal_size_or(int fd, struct terminal_size otherwise) {
    struct terminal_size size;
    return terminal_size(fd, &size) ? size : otherwise;
}

bool terminal_draws(int fd, const struct config_env *env) {
    return isatty(fd) == 1 && !terminal_is_dumb(env);
}
