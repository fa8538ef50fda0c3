/* log_file.c: see log_file.h. */
#include "store/log_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "store/datadir.h"

/* None where it cannot be read. */
static void file_end_add(const char *data, const char *name, struct text *text) {
    AUTO(mem_release) char *path = datadir_path(data, name);
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;
    if (fd < 0 || fstat(fd, &about) < 0) {
        return;
    }
    int64_t from = about.st_size > LOG_FILE_END_MAX ? about.st_size - LOG_FILE_END_MAX : 0;
    char piece[16 << 10];
    for (ssize_t got = 0; (got = pread(fd, piece, sizeof piece, from)) > 0; from += got) {
        text_add(text, piece, (size_t)got);
    }
}

struct err log_file_end(const char *data, size_t lines, struct text *ret_text) {
    AUTO(text_done) struct text whole = text_up_to(4 * LOG_FILE_END_MAX);
    file_end_add(data, LOG_FILE_OLD, &whole);
    file_end_add(data, LOG_FILE, &whole);
    if (text_failed(&whole)) {
        return err_make(ERR_OUT_OF_MEMORY, "log: end");
    }
    size_t at = whole.len;
    for (size_t seen = 0; at > 0; at--) {
        if (whole.data[at - 1] == '\n' && at < whole.len && ++seen == lines) {
            break;
        }
    }
    text_add(ret_text, text_bytes(&whole).data + at, whole.len - at);
    return ERR_OK;
}

bool log_file_is_output(const char *path, struct stat *ret_about) {
    struct stat named;
    return fstat(STDERR_FILENO, ret_about) == 0 && S_ISREG(ret_about->st_mode) &&
           stat(path, &named) == 0 && named.st_ino == ret_about->st_ino &&
           named.st_dev == ret_about->st_dev;
}
