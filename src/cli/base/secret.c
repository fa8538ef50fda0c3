/* secret.c: reads one line, and shows it to nobody. */
#include "cli/base/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/memory.h"

/* --- The input -------------------------------------------------------------------------------- */

enum { CTRL_C = 3 };

/* A line from a terminal, everything from a pipe. */
static struct err input_read(char *bytes, size_t size, bool line, size_t *ret_len) {
    size_t len = 0;
    while (len < size) {
        ssize_t got = read(STDIN_FILENO, bytes + len, size - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return err_from_errno(errno, "secret: read");
        }
        len += (size_t)got;
        if (got == 0 || (line && (bytes[len - 1] == '\n' || bytes[len - 1] == CTRL_C))) {
            break;
        }
    }
    *ret_len = len;
    return ERR_OK;
}

/* Ctrl-C is a letter that ends the line here: as a signal it would leave the terminal mute. */
static struct err terminal_read(const char *prompt, char *bytes, size_t size, size_t *ret_len) {
    struct termios shown, hidden;
    if (tcgetattr(STDIN_FILENO, &shown) < 0) {
        return err_from_errno(errno, "secret: terminal");
    }
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    hidden.c_cc[VEOL] = CTRL_C;
    fputs(prompt, stderr);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) < 0) {
        return err_from_errno(errno, "secret: terminal");
    }
    struct err err = input_read(bytes, size, /* line */ true, ret_len);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown); /* It was set a moment ago. */
    fputc('\n', stderr);
    return !err_failed(err) && memchr(bytes, CTRL_C, *ret_len) != NULL
               ? err_make(ERR_INTERRUPTED, "secret: terminal")
               : err;
}

/* --- The secret ------------------------------------------------------------------------------- */

static struct err secret_take(struct bytes line, const char *from, char **ret_secret,
                              struct why *why) {
    line = bytes_trim(line, " \t\r\n");
    bool whole = line.len > 0 && line.len <= SECRET_MAX;
    for (size_t i = 0; whole && i < line.len; i++) {
        whole = (unsigned char)line.data[i] > ' ' && line.data[i] != 0x7f;
    }
    if (!whole) {
        return err_why(why, ERR_USAGE,
                       "%s should hold a key: one line of at most %d characters without blanks",
                       from, SECRET_MAX);
    }
    *ret_secret = mem_copy(line.data, line.len);
    return ERR_OK;
}

struct err secret_of_env(const struct config_env *env, const char *variable, char **ret_secret,
                         struct why *why) {
    const char *value = env->get(env->ctx, variable);
    struct why from;
    if (value == NULL || value[0] == '\0') {
        return err_why(why, ERR_USAGE, "the variable %.100s is not set in this environment",
                       variable);
    }
    why_set(&from, "the variable %.100s", variable);
    return secret_take(bytes_of(value), from.text, ret_secret, why);
}

struct err secret_read(const char *file, const char *prompt, const struct world *world,
                       char **ret_secret, struct why *why) {
    size_t len = 0;
    if (strcmp(file, "-") != 0) {
        AUTO(mem_wipe) char *content = NULL;
        struct err err = world->file_read(world->ctx, file, SECRET_MAX + 64, &content, &len);
        if (err_failed(err)) {
            why_set(why, "%s cannot be read: %s", file,
                    err.os != 0 ? strerror(err.os) : err_title(err.code));
            return err;
        }
        return secret_take((struct bytes){content, len}, file, ret_secret, why);
    }
    char bytes[SECRET_MAX + 64];
    struct err err = isatty(STDIN_FILENO) == 1
                         ? terminal_read(prompt, bytes, sizeof bytes, &len)
                         : input_read(bytes, sizeof bytes, /* line */ false, &len);
    if (!err_failed(err)) {
        err = secret_take((struct bytes){bytes, len}, "the input", ret_secret, why);
    }
    explicit_bzero(bytes, sizeof bytes);
    return err;
}
