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
    AUTO(text_done) struct text text;
    text_init(&text, PATH_SIZE_MAX);
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

/* A link in its place is not followed: it would let somebody else say what we run. */
static bool about_fits(const char *path, size_t size) {
    struct stat about;
    return lstat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_uid == geteuid() &&
           (about.st_mode & 07777) == PROGRAM_MODE && (uint64_t)about.st_size == size;
}

static bool is_there(const struct world *world, const char *path, struct bytes image,
                     const struct sha256 *hash) {
    if (!about_fits(path, image.len)) {
        return false;
    }
    AUTO(mem_release) char *content = NULL;
    size_t len = 0;
    struct err err = world->file_read(world->ctx, path, image.len + 1, &content, &len);
    if (err_failed(err)) {
        return false; /* It is written anew, and if that fails, too, somebody hears of it. */
    }
    struct sha256 found = sha256_of(content, len);
    return sha256_equal(&found, hash);
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
    struct sha256 hash = sha256_of(program->image.data, program->image.len);
    struct sha256_hex hex = sha256_hex(&hash);
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
    if (!err_failed(err) && !is_there(world, path, program->image, &hash)) {
        err = world->file_replace(world->ctx, path, program->image, PROGRAM_MODE);
    }
    if (!err_failed(err)) {
        *ret_path = path;
        path = NULL; /* Handed over. */
    }
    return err;
}
