#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proc/port_owner.h"

static const char table[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n"
    "   0: 0100007F:1D09 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 77 "
    "1 0\n"
    "   1: 0100007F:1D09 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 88 "
    "1 0\n"
    "   2: 00000000000000000000000001000000:1D0A 00000000000000000000000000000000:0000 0A "
    "00000000:00000000 00:00000000 00000000  1000        0 99 1 0\n";

static void only_a_socket_that_listens_counts(void **state) {
    (void)state;
    assert_int_equal(port_inode_find(table, 7433), 88);
    assert_int_equal(port_inode_find(table, 7434), 99); /* IPv6. */
    assert_int_equal(port_inode_find(table, 7435), 0);
    assert_int_equal(port_inode_find("", 7433), 0);
    assert_int_equal(port_inode_find("no table\n\n", 7433), 0);
}

static void the_process_that_listens_is_found(void **state) {
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    struct port_owner owner = port_owner_find(ntohs(address.sin_port));
    assert_int_equal(owner.pid, getpid());
    assert_true(strlen(owner.name) > 0);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_socket_that_listens_counts),
        cmocka_unit_test(the_process_that_listens_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
