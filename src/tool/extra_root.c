/* extra_root.c: what may be granted, and where it really is. */
#include "tool/extra_root.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/utf8.h"
#include "tool/place_path.h"
#include "tool/requests.h"
#include "tool/work.h"

/* The kernel shows itself in these, processes and devices included: no folders of files. */
static const char *const never[] = {"/proc", "/sys", "/dev"};

/* It stands in rows, in prompts and on terminals. */
static bool is_plain(const char *path) {
    size_t len = strlen(path);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f) {
            return false;
        }
    }
    return utf8_valid(path, len);
}

static struct err refuse(enum err_code code, struct why *why, const char *path, const char *words) {
    return err_why(why, code, "\"%.200s\" %s", path, words);
}

static struct err check_real(const char *real, const char *closed, struct why *why) {
    if (strcmp(real, "/") == 0) {
        return refuse(ERR_FORBIDDEN, why, real, "is everything there is: name a folder below");
    }
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        if (place__below(real, never[i]) != NULL) {
            return refuse(ERR_FORBIDDEN, why, real, "is no folder of files");
        }
    }
    if (closed[0] != '\0' && place__below(real, closed) != NULL) {
        return refuse(ERR_FORBIDDEN, why, real, "belongs to drover itself");
    }
    return is_plain(real) ? ERR_OK
                          : refuse(ERR_BAD_FIELD, why, "(the folder)",
                                   "has a name that cannot be shown as text");
}

struct err extra_root_find(const char *path, const char *closed, struct extra_root *ret_root,
                           struct why *why) {
    if (path[0] != '/' || !is_plain(path)) {
        return refuse(ERR_BAD_FIELD, why, path[0] == '/' ? "path" : path,
                      "must be an absolute path, as plain text");
    }
    AUTO(fd_release) int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT    ? refuse(ERR_NOT_FOUND, why, path, "does not exist")
               : errno == ENOTDIR ? refuse(ERR_BAD_FIELD, why, path, "is not a folder")
                                  : refuse(ERR_FORBIDDEN, why, path, "cannot be opened by drover");
    }
    struct extra_root root;
    if (!place__path_of(fd, root.path, sizeof root.path)) {
        return refuse(ERR_BAD_FIELD, why, path, "has too long a path");
    }
    struct err err = check_real(root.path, closed, why);
    if (!err_failed(err)) {
        *ret_root = root;
    }
    return err;
}

struct err extra_root_look(const struct tool_call *call, const struct tool_place *place,
                           struct tool_look *look) {
    struct access_request request;
    struct extra_root root = {.path = ""};
    struct why why = {.text = ""};
    access_request_read(call, &request);
    struct err err = extra_root_find(request.path, place->closed, &root, &why);
    struct place_path path;
    if (!err_failed(err) &&
        !err_failed(place_resolve(place, root.path, request.access, &path, NULL))) {
        err =
            refuse(ERR_CONFLICT, &why, root.path, "is within your reach already, with that access");
    }
    if (err_failed(err)) {
        text_add_str(&look->refusal, why.text);
        look->cause = card_cause_of_error(err.code);
    }
    return look_set_subjects(look, request.path, root.path);
}
