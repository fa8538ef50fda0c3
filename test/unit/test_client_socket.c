/* Connections of a client: a listener whose queue is full, a peer that closes between requests. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/base/client.h"
#include "store_places.h"

enum { QUEUE_MAX = 16 };

struct listener {
    struct place place;
    struct sockaddr_un address;
    int fd;
    int queued[QUEUE_MAX]; /* Connections that were not accepted. */
    size_t count;
    bool accepted;
};

static int connection_begin(const struct listener *listener) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    const struct sockaddr *address = (const struct sockaddr *)&listener->address;
    if (connect(fd, address, sizeof listener->address) == 0) {
        return fd;
    }
    close(fd);
    return -1;
}

static void listener_open(struct listener *listener, int flags) {
    char path[256];
    *listener = (struct listener){.address = {.sun_family = AF_UNIX}};
    (void)place_make(&listener->place);
    (void)place_file(&listener->place, "drover.sock", path);
    assert_true(strlen(path) < sizeof listener->address.sun_path);
    memcpy(listener->address.sun_path, path, strlen(path) + 1);
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    const struct sockaddr *address = (const struct sockaddr *)&listener->address;
    assert_int_equal(bind(listener->fd, address, sizeof listener->address), 0);
    assert_int_equal(listen(listener->fd, 1), 0);
}

static void listener_fill(struct listener *listener) {
    listener_open(listener, 0 /* none */);
    for (int fd = connection_begin(listener); fd >= 0; fd = connection_begin(listener)) {
        assert_true(listener->count < QUEUE_MAX);
        listener->queued[listener->count++] = fd;
    }
}

/* Runs while the client waits: makes room once. */
static void listener_accept(void *ctx) {
    struct listener *listener = ctx;
    if (listener->accepted) {
        return;
    }
    listener->accepted = true;
    int fd = accept(listener->fd, NULL /* address */, NULL);
    assert_true(fd >= 0);
    close(fd);
}

/* Runs while the client waits: answers one request, and closes without a word. */
static void listener_answer(void *ctx) {
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    struct listener *listener = ctx;
    int fd = accept(listener->fd, NULL /* address */, NULL);
    if (fd >= 0) {
        char request[512];
        assert_true(recv(fd, request, sizeof request, 0) > 0);
        assert_int_equal(send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL), sizeof answer - 1);
        close(fd);
        listener->count++;
    }
}

static void a_request_takes_a_new_connection_after_the_kept_one_was_closed(void **state) {
    (void)state;
    struct listener listener;
    listener_open(&listener, SOCK_NONBLOCK);
    const struct client_tick tick = {.every_ms = 1, .run = listener_answer, .ctx = &listener};
    const struct client_options options = {
        .data = listener.place.path, .interrupt_fd = -1, .tick = &tick};
    struct why why = {""};
    struct client *client = NULL;
    assert_int_equal(client_open(&options, &client, &why).code, ERR_NONE);
    /* A request without a key is never sent twice. */
    const struct client_request request = {.method = "POST", .target = "/"};
    for (size_t count = 1; count <= 3; count++) {
        assert_int_equal(client_call(client, &request, NULL /* any answer */, &why).code, ERR_NONE);
        assert_int_equal(listener.count, count);
    }
    client_close(client);
    close(listener.fd);
    place_remove(&listener.place);
}

static void a_full_queue_is_waited_for(void **state) {
    (void)state;
    struct listener listener;
    listener_fill(&listener);
    const struct client_tick tick = {.every_ms = 1, .run = listener_accept, .ctx = &listener};
    const struct client_options options = {
        .data = listener.place.path, .interrupt_fd = -1, .tick = &tick};
    struct why why = {""};
    struct client *client = NULL;
    assert_int_equal(client_open(&options, &client, &why).code, ERR_NONE);
    const struct client_request request = {.method = "GET", .target = "/"};
    assert_int_equal(client_ask(client, &request, &why).code, ERR_NONE);
    client_close(client);
    for (size_t i = 0; i < listener.count; i++) {
        close(listener.queued[i]);
    }
    close(listener.fd);
    place_remove(&listener.place);
}

/* Like the sandboxes of agents, which leave the user and forbid the connection. */
static bool connections_forbid(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_connect, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog filter = {.len = COUNT_OF(code), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static void a_sandbox_that_forbids_the_socket_is_no_other_user(void **state) {
    (void)state;
    struct listener listener;
    int status = 0;
    listener_open(&listener, 0 /* none */);
    const pid_t pid = fork();
    if (pid == 0) {
        const struct client_options options = {.data = listener.place.path, .interrupt_fd = -1};
        const struct client_request request = {.method = "GET", .target = "/"};
        struct why why = {""};
        struct client *client = NULL;
        const bool refused = connections_forbid() &&
                             client_open(&options, &client, &why).code == ERR_NONE &&
                             client_ask(client, &request, &why).code == ERR_NO_PERMISSION;
        const bool true_words =
            strstr(why.text, "sandbox") != NULL && strstr(why.text, "belongs to user") == NULL;
        _exit(refused && true_words ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0 /* none */), pid);
    assert_int_equal(status, 0);
    close(listener.fd);
    place_remove(&listener.place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_is_waited_for),
        cmocka_unit_test(a_sandbox_that_forbids_the_socket_is_no_other_user),
        cmocka_unit_test(a_request_takes_a_new_connection_after_the_kept_one_was_closed),
    };
    return cmocka_run_group_tests_name("client socket", tests, NULL /* no group fixture */, NULL);
}
