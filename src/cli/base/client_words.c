/* client_words.c: the parts of client.h that need no connection: what an error's name means, and
 * how a word stands in a URL. */
#include <string.h>

#include "cli/base/client.h"

enum err_code client_error_code(const char *name) {
    for (int code = ERR_NONE + 1; name != NULL && code < ERR_CODES; code++) {
        if (strcmp(err_name((enum err_code)code), name) == 0) {
            return (enum err_code)code;
        }
    }
    return ERR_INTERNAL;
}

bool client_may_pass(struct err err) {
    switch (err.code) {
    case ERR_UNREACHABLE:
    case ERR_IO:
    case ERR_CLOSING:
    case ERR_OVERLOADED:
    case ERR_BUSY:
    case ERR_TOO_MANY:
    case ERR_STORE_IO:
    case ERR_STORE_DOWN:
    case ERR_DISK_FULL:
    case ERR_OUT_OF_MEMORY:
        return true;
    default:
        return false;
    }
}

void client_add_escaped(struct text *target, const char *text) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:@";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            text_add_char(target, *text);
        } else {
            text_addf(target, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
}
