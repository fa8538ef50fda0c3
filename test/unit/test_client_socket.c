/* The queue of a Unix socket's listener, full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

static void listener_fill(struct listener *listener) {
    char path[256];
    *listener = (struct listener){.address = {.sun_family = AF_UNIX}};
    (void)place_make(&listener->place);
    (void)place_file(&listener->place, "drover.sock", path);
    assert_true(strlen(path) < sizeof listener->address.sun_path);
    memcpy(listener->address.sun_path, path, strlen(path) + 1);
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr *address = (const struct sockaddr *)&listener->address;
    assert_int_equal(bind(listener->fd, address, sizeof listener->address), 0);
    assert_int_equal(listen(listener->fd, 1), 0);
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
    int fd = accept(listener->fd, NULL /* who it is */, NULL);
    assert_true(fd >= 0);
    close(fd);
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_full_queue_is_waited_for)};
    return cmocka_run_group_tests_name("client socket", tests, NULL /* no group fixture */, NULL);
}
