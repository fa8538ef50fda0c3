#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "herd.h"
#include "measure.h"

static void spawn(char **command, struct server *server) {
    int ends[2];
    if (pipe(ends) < 0) {
        die("pipe");
    }
    server->pid = fork();
    if (server->pid < 0) {
        die("fork");
    }
    if (server->pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execv(command[0], command);
        die(command[0]);
    }
    (void)close(ends[1]);
    server->out = ends[0];
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

struct server server_start(char **command) {
    struct server server;
    char url[256], body[1024];
    spawn(command, &server);
    read_url(server.out, url, sizeof url);
    target_parse(url, &server.target);
    if (ask_once(&server.target, "/healthz", body, sizeof body) != 200) {
        die_saying("/healthz did not answer 200");
    }
    return server;
}

static int end(struct server *server, int signal) {
    int status = 0;
    (void)kill(server->pid, signal); /* If it is gone, waitpid tells. */
    if (waitpid(server->pid, &status, 0) < 0) {
        die("waitpid");
    }
    (void)close(server->out);
    return status;
}

void server_stop(struct server *server) {
    int status = end(server, SIGTERM);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        die_saying("the server did not stop cleanly");
    }
}

void server_kill(struct server *server) {
    (void)end(server, SIGKILL); /* How it ended is known. */
}

int64_t server_metric(const struct server *server, const char *name) {
    enum { BODY_SIZE = 1 << 16 };
    AUTO(mem_release) char *body = mem_new(BODY_SIZE);
    return ask_once(&server->target, "/metrics", body, BODY_SIZE) == 200 ? metric_of(body, name)
                                                                         : -1;
}
