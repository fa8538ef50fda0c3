/* sandbox_lack.c: the kernel must have the means, and the daemon no door that stands open. */
#include "main/report/sandbox_lack.h"

#include "proc/sandbox/probe.h"

const char *sandbox_lack(const struct serve_options *serve) {
    struct sandbox_probe probe = sandbox_probe();
    if (serve->insecure_loopback && !serve->listen.unix_socket) {
        return "this daemon serves this machine without a token (--insecure-loopback), so a command"
               " in the sandbox could have others run outside of it; start it without that";
    }
    return sandbox_probe_lack(&probe);
}
