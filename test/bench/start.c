/* start.c: from fork to the first answer, and what a server that has nothing to do costs. */
#include <time.h>

#include "load.h"
#include "measure.h"
#include "server.h"

void load_rest(const struct load *load) {
    pid_t pid = (pid_t)load->pid;
    tell("pss_kb", (double)process_pss_kb(pid)); /* First: being looked at costs it CPU. */
    uint64_t began_cpu_ns = process_cpu_ns(pid);
    uint64_t began_ns = now_ns();
    struct timespec wait = {load->milliseconds / 1000, load->milliseconds % 1000 * 1000000};
    (void)nanosleep(&wait, NULL);
    double seconds = (double)(now_ns() - began_ns) / 1e9;
    tell("cpu_percent", (double)(process_cpu_ns(pid) - began_cpu_ns) / 1e7 / seconds);
}

void load_start(char **command, int64_t count) {
    struct histogram latency = {0};
    for (int64_t i = 0; i < count; i++) {
        uint64_t began_ns = now_ns();
        struct server server = server_start(command);
        histogram_add(&latency, now_ns() - began_ns);
        server_stop(&server);
    }
    tell_latency(&latency);
}
