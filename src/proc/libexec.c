/* libexec.c: see libexec.h. */
#include "proc/libexec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"

enum { PATH_SIZE_MAX = 4096, PROGRAM_MODE = 0700, FOLDER_MODE = 0700 };
enum { PROGRAM_SIZE_MAX = 64 << 20, PIECE = 64 << 10 };

/* The name in its parent's folder is as durable as the file in it must be. */
static struct err make_folder(const char *parent, const char *path) {
    if (mkdir(path, FOLDER_MODE) < 0) {
        return errno == EEXIST ? ERR_OK : err_from_errno(errno, "libexec: make a folder");
    }
    AUTO(fd_release) int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return err_from_errno(errno, "libexec: sync a folder");
    }
    return ERR_OK;
}

static struct err join(const char *folder, const char *name, char **ret_path) {
    AUTO(text_done) struct text text = text_up_to(PATH_SIZE_MAX);
    text_addf(&text, "%s/%s", folder, name);
    if (text_failed(&text)) {
        return err_from_errno(ENAMETOOLONG, "libexec: path");
    }
    *ret_path = text_take(&text, NULL /* its length */);
    return ERR_OK;
}

static struct err make_inner(const char *parent, const char *name, char **ret_path) {
    AUTO(mem_release) char *path = NULL;
    struct err err = join(parent, name, &path);
    if (!err_failed(err)) {
        err = make_folder(parent, path);
    }
    if (!err_failed(err)) {
        *ret_path = path;
        path = NULL; /* Handed over. */
    }
    return err;
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

/* *ret_content is owned; NULL: nothing of ours is there. */
static struct err read_whole(const struct world *world, const char *path, char **ret_content,
                             size_t *ret_len) {
    size_t size = 0;
    bool fits = false;
    struct err err = look_about(path, &fits, &size);
    return err_failed(err) || !fits
               ? err
               : world->file_read(world->ctx, path, size + 1, ret_content, ret_len);
}

/* What cannot be read is written anew, and if that fails, too, somebody hears of it. In pieces: a
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

static struct err look(const struct world *world, const char *path, const struct sha256 *hash,
                       bool *ret_there) {
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    struct err err = read_whole(world, path, &content, &len);
    *ret_there = false;
    if (!err_failed(err) && content != NULL) {
        struct sha256 found = sha256_of(content, len);
        *ret_there = sha256_equal(&found, hash);
    }
    return err;
}

/* Relative paths would end with the next chdir. */
static struct err absolute(const char *data_dir, char **ret_path) {
    char resolved[PATH_SIZE_MAX];
    if (realpath(data_dir, resolved) == NULL) {
        return err_from_errno(errno, "libexec: find the data directory");
    }
    *ret_path = mem_copy(resolved, strlen(resolved));
    return ERR_OK;
}

struct err libexec_install(const struct world *world, const struct libexec_program *program,
                           char **ret_path) {
    struct sha256_hex hex = sha256_hex(&program->hash);
    AUTO(mem_release) char *data_dir = NULL;
    AUTO(mem_release) char *libexec = NULL;
    AUTO(mem_release) char *folder = NULL;
    AUTO(mem_release) char *path = NULL;
    struct err err = absolute(program->data_dir, &data_dir);
    if (!err_failed(err)) {
        err = make_inner(data_dir, "libexec", &libexec);
    }
    if (!err_failed(err)) {
        err = make_inner(libexec, hex.text, &folder);
    }
    if (!err_failed(err)) {
        err = join(folder, program->name, &path);
    }
    if (!err_failed(err) && !is_there(path, program->image)) {
        err = world->file_replace(world->ctx, path, program->image, PROGRAM_MODE);
    }
    if (!err_failed(err)) {
        *ret_path = path;
        path = NULL; /* Handed over. */
    }
    return err;
}

struct err libexec_find(const struct world *world, const struct libexec_pin *pin, char **ret_path) {
    struct sha256_hex hex = sha256_hex(&pin->hash);
    AUTO(mem_release) char *data_dir = NULL;
    struct err err = absolute(pin->data_dir, &data_dir);
    if (err_failed(err)) {
        return err;
    }
    AUTO(text_done) struct text text = text_up_to(PATH_SIZE_MAX);
    text_addf(&text, "%s/libexec/%s/%s", data_dir, hex.text, pin->name);
    if (text_failed(&text)) {
        return err_from_errno(ENAMETOOLONG, "libexec: path");
    }
    bool there = false;
    err = look(world, text.data, &pin->hash, &there);
    if (err_failed(err)) {
        return err; /* Who cannot read now (no descriptor is left) may find it later. */
    }
    if (!there) {
        return err_make(ERR_NOT_FOUND, "libexec: no such program");
    }
    *ret_path = text_take(&text, NULL /* its length */);
    return ERR_OK;
}
