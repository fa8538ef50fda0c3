/* faulty_start.c: calls on the way from a stored start to a command, in front of the C library's.
 *
 * A holder has these in place of files: the memory that its order travels in, the link to it, and
 * its process. See faulty_calls.c.
 */
#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faulty.h"

/* One that must not be seen to come back, and one that must not be done. */
static bool fails(enum faulty_how how) {
    errno = EIO;
    return how == FAULTY_IO || how == FAULTY_FULL || how == FAULTY_RO;
}

static long seen(enum faulty_how how, long result) {
    if (how == FAULTY_DONE || how == FAULTY_TORN) {
        faulty_die();
    }
    return result;
}

int memfd_create(const char *name, unsigned flags) {
    enum faulty_how how = faulty_turn(FAULTY_START, "an order");
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_memfd_create, name, flags));
}

int socketpair(int domain, int type, int protocol, int pair[2]) {
    enum faulty_how how = faulty_turn(FAULTY_START, "a link");
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_socketpair, domain, type, protocol, pair));
}

ssize_t send(int fd, const void *data, size_t len, int flags) {
    enum faulty_how how = faulty_turn(FAULTY_START, "a word for a holder");
    return fails(how) ? -1 : seen(how, syscall(SYS_sendto, fd, data, len, flags, NULL, 0));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    bool carries = message->msg_controllen > 0;
    enum faulty_how how =
        carries ? faulty_turn(FAULTY_START, "an order for the nursery") : FAULTY_NOT;
    return fails(how) ? -1 : seen(how, syscall(SYS_sendmsg, fd, message, flags));
}

/* Adoption begins with one. (Of connect itself ISO C knows no compatible definition.) */
int socket(int domain, int type, int protocol) {
    bool local = domain == AF_UNIX;
    enum faulty_how how = local ? faulty_turn(FAULTY_START, "a local socket") : FAULTY_NOT;
    return fails(how) ? -1 : (int)seen(how, syscall(SYS_socket, domain, type, protocol));
}

int posix_spawn(pid_t *ret_pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const env[]) {
    /* ISO C knows no way from a pointer to a function. */
    union {
        void *symbol;
        int (*call)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                    const posix_spawnattr_t *, char *const[], char *const[]);
    } real = {.symbol = dlsym(RTLD_NEXT, "posix_spawn")};
    enum faulty_how how = faulty_turn(FAULTY_START, path);
    if (fails(how)) {
        return EAGAIN;
    }
    return (int)seen(how, real.call(ret_pid, path, actions, attributes, argv, env));
}
