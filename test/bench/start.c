/* start.c: from fork to the first answer, and what a server that has nothing to do costs. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "measure.h"

struct child {
    pid_t pid;
    int out;
};

static struct child spawn(char **command) {
    int ends[2];
    if (pipe(ends) < 0) {
        die("pipe");
    }
    pid_t pid = fork();
    if (pid < 0) {
        die("fork");
    }
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execv(command[0], command);
        die(command[0]);
    }
    (void)close(ends[1]);
    return (struct child){pid, ends[0]};
}

/* The first line is "drover ready at URL". */
static void read_url(int fd, char *ret_url, size_t size) {
    char line[256] = "";
    size_t len = 0;
    while (memchr(line, '\n', len) == NULL) {
        ssize_t got = read(fd, line + len, sizeof line - 1 - len);
        if (got <= 0) {
            die_saying("the server ended before it was ready");
        }
        len += (size_t)got;
    }
    line[len] = '\0';
    const char *url = strstr(line, " at ");
    if (url == NULL) {
        die_saying("the server's first line names no URL");
    }
    url += 4;
    (void)snprintf(ret_url, size, "%.*s", (int)strcspn(url, " \r\n"), url);
}

static void stop(struct child child) {
    int status = 0;
    (void)kill(child.pid, SIGTERM); /* If it is gone, waitpid tells. */
    if (waitpid(child.pid, &status, 0) < 0) {
        die("waitpid");
    }
    (void)close(child.out);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        die_saying("the server did not stop cleanly");
    }
}

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
        struct child child = spawn(command);
        char url[256];
        char body[1024];
        struct target target;
        read_url(child.out, url, sizeof url);
        target_parse(url, &target);
        if (ask_once(&target, "/healthz", body, sizeof body) != 200) {
            die_saying("/healthz did not answer 200");
        }
        histogram_add(&latency, now_ns() - began_ns);
        stop(child);
    }
    tell_latency(&latency);
}
