/* probe.c: see probe.h. */
#include "proc/sandbox/probe.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "proc/sandbox/confine.h"

struct sandbox_probe sandbox_probe(void) {
    enum { ASK_FOR_ACTION = 2 };
    static const uint32_t kill_process = 0x80000000U;
    bool filter = syscall(SYS_seccomp, ASK_FOR_ACTION, 0U, &kill_process) == 0;
    return (struct sandbox_probe){.landlock = landlock_abi(), .filter = filter};
}

const char *sandbox_probe_lack(const struct sandbox_probe *probe) {
    if (probe->landlock < 1) {
        return "the sandbox needs landlock, and this system has none, or keeps it from drover"
               " (Linux 5.13 or newer, with landlock among its security modules)";
    }
    return probe->filter ? NULL
                         : "the sandbox needs seccomp filters, and this system has none, or keeps"
                           " them from drover";
}

void sandbox_probe_tell(const struct sandbox_probe *probe, struct why *ret_text) {
    const char *lack = sandbox_probe_lack(probe);
    if (lack != NULL) {
        why_set(ret_text, "none: %s", lack);
        return;
    }
    bool scopes = probe->landlock >= LANDLOCK_ABI_SCOPES;
    why_set(ret_text,
            "jobs with \"sandbox\": \"on\" are held by landlock %d and a filter of system calls;"
            " the network stays open%s",
            probe->landlock,
            scopes ? ""
                   : ", and they can send signals to your other processes (from Linux 6.12 on they"
                     " cannot)");
}
