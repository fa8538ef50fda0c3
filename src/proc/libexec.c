/* libexec.c: see libexec.h. */
#include "proc/libexec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

enum { PATH_SIZE_MAX = 4096, PROGRAM_MODE = 0700, FOLDER_MODE = 0700 };
enum { PROGRAM_SIZE_MAX = 64 << 20, PIECE = 64 << 10 };

/* The name in its parent's folder is as durable as the file in it must be. */
static struct err make_folder(const char *path) {
    if (mkdir(path, FOLDER_MODE) < 0) {
        return errno == EEXIST ? ERR_OK : err_from_errno(errno, "libexec: make a folder");
    }
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(fd_release)
    int parent = fd < 0 ? -1 : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 || fsync(parent) < 0) {
        return err_from_errno(errno, "libexec: sync a folder");
    }
    return ERR_OK;
}

/* DIR/libexec/HASH/NAME; absolute, since relative paths would end with the next chdir. `make` is
 * called for each folder of ours on the way, unless it is NULL. */
static struct err find_path(const struct libexec_pin *pin, struct err (*make)(const char *path),
                            struct text *path) {
    char resolved[PATH_SIZE_MAX];
    if (realpath(pin->data_dir, resolved) == NULL) {
        return err_from_errno(errno, "libexec: find the data directory");
    }
    struct sha256_hex hex = sha256_hex(&pin->hash);
    const char *const names[] = {"libexec", hex.text, pin->name};
    text_add_str(path, resolved);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        text_addf(path, "/%s", names[i]);
        if (text_failed(path)) {
            return err_from_errno(ENAMETOOLONG, "libexec: path");
        }
        bool is_folder = i + 1 < COUNT_OF(names);
        TRY(is_folder && make != NULL ? make(path->data) : ERR_OK);
    }
    return ERR_OK;
}

/* A link in its place is not followed: it would let somebody else say what we run. That it cannot
 * be looked at now says nothing of what is there. */
static struct err look_about(const char *path, bool *ret_fits, size_t *ret_size) {
    struct stat about;
    *ret_fits = false;
    if (lstat(path, &about) < 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;
        return absent ? ERR_OK : err_from_errno(errno, "libexec: look at a program");
    }
    *ret_fits = S_ISREG(about.st_mode) && about.st_uid == geteuid() &&
                (about.st_mode & 07777) == PROGRAM_MODE && about.st_size <= PROGRAM_SIZE_MAX;
    *ret_size = *ret_fits ? (size_t)about.st_size : 0;
    return ERR_OK;
}

/* What cannot be read is written again, and if that fails, too, somebody hears of it. In pieces: a
 * start has no time to be given as much memory as a program is long. */
static bool is_there(const char *path, struct bytes image) {
    size_t size = 0;
    bool fits = false;
    if (err_failed(look_about(path, &fits, &size)) || !fits || size != image.len) {
        return false;
    }
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    AUTO(mem_release) char *piece = mem_new_array(PIECE, 1);
    size_t at = 0;
    ssize_t got = fd < 0 ? -1 : read(fd, piece, PIECE);
    while (got > 0 && at + (size_t)got <= image.len &&
           memcmp(piece, image.data + at, (size_t)got) == 0) {
        at += (size_t)got;
        got = read(fd, piece, PIECE);
    }
    return got == 0 && at == image.len;
}

struct err libexec_install(const struct world *world, const struct libexec_program *program,
                           char **ret_path) {
    const struct libexec_pin pin = {program->data_dir, program->name, program->hash};
    AUTO(text_done) struct text path = text_up_to(PATH_SIZE_MAX);
    struct err err = find_path(&pin, make_folder, &path);
    if (!err_failed(err) && !is_there(path.data, program->image)) {
        err = world->file_replace(world->ctx, path.data, program->image, PROGRAM_MODE);
    }
    if (!err_failed(err)) {
        *ret_path = text_take(&path, NULL /* its length */);
    }
    return err;
}

/* Who cannot read now (no descriptor is left) may find it later. */
struct err libexec_find(const struct world *world, const struct libexec_pin *pin, char **ret_path) {
    AUTO(text_done) struct text path = text_up_to(PATH_SIZE_MAX);
    AUTO(mem_release) char *content = NULL;
    size_t size = 0, len = 0;
    bool fits = false;
    struct err err = find_path(pin, /* make */ NULL, &path);
    if (!err_failed(err)) {
        err = look_about(path.data, &fits, &size);
    }
    if (!err_failed(err) && fits) {
        err = world->file_read(world->ctx, path.data, size + 1, &content, &len);
    }
    if (err_failed(err)) {
        return err;
    }
    struct sha256 found = sha256_of(content == NULL ? "" : content, len);
    if (content == NULL || !sha256_equal(&found, &pin->hash)) {
        return err_make(ERR_NOT_FOUND, "libexec: no such program");
    }
    *ret_path = text_take(&path, NULL /* its length */);
    return ERR_OK;
}
