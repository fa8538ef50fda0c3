/* program.c: see program.h. The bytes come from an assembler file: scripts/image.sh. */
#include "script/program.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/libexec.h"

#define PROGRAM_NAME "worker"

enum { MEMORY_EXEC = 0x10 /* MFD_EXEC, which is younger than headers. */ };

/* A whole ELF file, static and stripped, built from src/script/worker/ with the rest; and its
 * SHA-256, which the build has computed: at a start of the daemon that would be most of it. */
extern const char worker_image_bytes[];
extern const size_t worker_image_bytes_size;
extern const uint8_t worker_image_bytes_sha256[sizeof(struct sha256)];

/* The file is compared with the image at each start, and then nothing reads that again: its pages
 * would be a fifth of the memory of an idle daemon. They are constant, so the kernel finds them in
 * the file of the program if need be. */
static void image_release(void) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)worker_image_bytes + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)worker_image_bytes + worker_image_bytes_size) / page * page;
    if (from < to) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED); /* Without it: the memory stays. */
    }
}

struct err script_program_install(const struct world *world, const char *data_dir,
                                  struct sha256 *ret_hash, char **ret_path) {
    struct libexec_program program = {
        data_dir, PROGRAM_NAME, {worker_image_bytes, worker_image_bytes_size}, {{0}}};
    memcpy(program.hash.bytes, worker_image_bytes_sha256, sizeof program.hash.bytes);
    struct err err = libexec_install(world, &program, ret_path);
    image_release();
    TRY(err);
    *ret_hash = program.hash;
    return ERR_OK;
}

struct err script_program_in_memory(int *ret_fd) {
    AUTO(fd_release) int fd = memfd_create("drover-" PROGRAM_NAME, MFD_CLOEXEC | MEMORY_EXEC);
    if (fd < 0 && errno == EINVAL) { /* A kernel that does not ask yet. */
        fd = memfd_create("drover-" PROGRAM_NAME, MFD_CLOEXEC);
    }
    for (size_t at = 0; at < worker_image_bytes_size;) {
        const ssize_t put =
            fd < 0 ? -1 : write(fd, worker_image_bytes + at, worker_image_bytes_size - at);
        if (put < 0 && (fd < 0 || errno != EINTR)) {
            return err_from_errno(errno, "program: a file in memory");
        }
        at += put > 0 ? (size_t)put : 0;
    }
    image_release();
    *ret_fd = fd_take(&fd);
    return ERR_OK;
}

struct err script_program_find(const struct world *world, const char *data_dir,
                               const struct sha256 *hash, char **ret_path) {
    const struct libexec_pin pin = {data_dir, PROGRAM_NAME, *hash};
    return libexec_find(world, &pin, ret_path);
}
