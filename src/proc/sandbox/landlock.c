/* landlock.c: see landlock.h. */
#include "proc/sandbox/landlock.h"

#include <sys/syscall.h>
#include <unistd.h>

enum { CREATE = 444, ADD_RULE = 445, RESTRICT_SELF = 446 }; /* The same on every processor. */
enum { WHICH_VERSION = 1, PATH_BENEATH = 1, SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2 };
enum { RIGHTS_FIRST = (1 << 13) - 1 }; /* ABI 1: bits 0 to 12. */

struct ruleset {
    uint64_t files, net, scopes; /* An older kernel is told of the first ones only. */
};

struct path_beneath {
    uint64_t rights;
    int32_t fd;
} __attribute__((packed));

int landlock_abi(void) {
    long abi = syscall(CREATE, NULL /* no rules */, 0UL, WHICH_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

uint64_t landlock_rights(int abi) {
    uint64_t rights = RIGHTS_FIRST;
    rights |= abi >= LANDLOCK_ABI_REFER ? LANDLOCK_REFER : 0U;
    rights |= abi >= LANDLOCK_ABI_TRUNCATE ? LANDLOCK_TRUNCATE : 0U;
    rights |= abi >= LANDLOCK_ABI_IOCTL_DEV ? LANDLOCK_IOCTL_DEV : 0U;
    return rights;
}

int landlock_create(int abi) {
    struct ruleset rules = {.files = landlock_rights(abi)};
    size_t size = sizeof rules.files;
    if (abi >= LANDLOCK_ABI_SCOPES) {
        rules.scopes = SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS;
        size = sizeof rules;
    }
    return (int)syscall(CREATE, &rules, size, 0UL); /* Born close-on-exec. */
}

int landlock_allow(int ruleset, int fd, uint64_t rights) {
    const struct path_beneath rule = {.rights = rights, .fd = fd};
    return (int)syscall(ADD_RULE, ruleset, PATH_BENEATH, &rule, 0UL);
}

int landlock_enter(int ruleset) {
    return (int)syscall(RESTRICT_SELF, ruleset, 0UL);
}
