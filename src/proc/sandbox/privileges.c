/* privileges.c: see privileges.h. */
#include "proc/sandbox/privileges.h"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPABILITIES_MAX = 64, VERSION_3 = 0x20080522 };

/* From the bounding set where we may; the rest says that there is nothing to gain any more. */
int privileges_drop(void) {
    const struct {
        uint32_t version;
        int pid;
    } header = {VERSION_3, 0};
    const struct { uint32_t effective, permitted, inheritable; } none[2] = {{0, 0, 0}, {0, 0, 0}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return -1;
    }
    for (unsigned long i = 0; i < CAPABILITIES_MAX; i++) {
        (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* Only who has them may, and must. */
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* None without the others. */
    return (int)syscall(SYS_capset, &header, none);
}
