/* Holders that are lost, adopted, or not what they seem; with the real program, and with peers that
 * the test plays. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "custody_kit.h"
#include "loop/loop_uv.h"
#include "proc/tree.h"

/* --- Losing ----------------------------------------------------------------------------------- */

static void the_tree_of_a_killed_holder_is_found_and_ended(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    start_shell(yard,
                "echo first; setsid sh -c 'setsid sh -c \"echo \\$\\$ >pid.new; mv pid.new pid;"
                " trap : TERM HUP; sleep 1000; :\" & exit'; sleep 1000",
                &heard);
    yard_run_until(yard, &heard.grown);
    pid_t grandchild = read_pid(yard_file(yard, "pid"));
    struct spool_state found = look(yard);
    assert_int_equal(found.found, SPOOL_ALIVE);
    assert_int_equal(kill(found.pid, SIGKILL), 0);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_LOST);
    assert_false(heard.has_exit);
    found = look_until_gone(yard);
    assert_int_equal(found.found, SPOOL_GONE);
    assert_false(found.rebooted);
    assert_string_equal(found.nonce, nonce());
    const struct tree_mark mark = {NAME, found.nonce};
    struct tree_end end;
    assert_true(process_lives(grandchild));
    assert_false(err_failed(tree_end(&mark, 1, 60000, &end)));
    assert_true(end.killed >= 1); /* The main process died with its holder. */
    assert_int_equal(end.left, 0);
    assert_false(process_lives(grandchild));
    char output[16];
    assert_int_equal(read_log(yard, LOG_OUT, output, sizeof output), 6); /* It is kept. */
    /* Orphans are given to us. The grandchild may have been killed before it began its `sleep`, so
     * that the number of them is not known. */
    yard_run_until_reaped(yard, grandchild);
    struct holders_stats stats;
    holders_get_stats(yard->holders, &stats);
    assert_true(stats.reaped >= 1);
}

static void a_recycled_pid_is_never_signalled(void **state) {
    struct yard *yard = *state;
    const char *const argv[] = {"sleep", "1000", NULL};
    const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    pid_t innocent = start_process(argv, env);
    put_claim(&yard->place, NAME, innocent, NULL /* this boot */);
    struct spool_state found = look(yard);
    assert_int_equal(found.found, SPOOL_GONE);
    assert_int_equal(found.pid, innocent);
    const struct tree_mark mark = {NAME, found.nonce};
    struct tree_end end;
    assert_false(err_failed(tree_end(&mark, 1, 60000, &end)));
    assert_int_equal(end.killed, 0);
    assert_true(process_lives(innocent));
    struct heard heard = {.yard = yard};
    struct err err = holder_adopt(yard->holders, NAME, &heard_news, &heard, &heard.holder);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_true(process_lives(innocent));
    end_process(innocent);
}

static void a_link_in_place_of_the_socket_is_not_followed(void **state) {
    struct yard *yard = *state;
    struct heard heard, again = {.yard = yard};
    const char *const argv[] = {"/bin/sh", "-c", "echo up; sleep 1000", NULL};
    struct holder_order order = shell_order(yard, argv);
    order.name = "run_b.1";
    start_order(yard, &order, &heard);
    yard_run_until(yard, &heard.grown);
    assert_int_equal(symlink("../run_b.1/sock", place_path(&yard->place, NAME, "sock")), 0);
    struct err err = holder_adopt(yard->holders, NAME, &heard_news, &again, &again.holder);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    holder_stop(heard.holder, 0);
    yard_run_until(yard, &heard.ended);
}

/* --- Adopting --------------------------------------------------------------------------------- */

static const char WAITS[] = "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two; exit 5";

static void an_adopted_holder_tells_what_was_missed_and_its_end(void **state) {
    struct yard *yard = *state;
    struct heard heard, again;
    start_shell(yard, WAITS, &heard);
    yard_run_until(yard, &heard.grown);
    yard_reopen(yard);
    assert_false(heard.ended); /* Closing silences. */
    assert_int_equal(look(yard).found, SPOOL_ALIVE);
    adopt(yard, &again);
    yard_run_until(yard, &again.accepted);
    assert_int_equal(again.sizes[LOG_OUT], 4);
    assert_int_equal(again.accepted_size, 0);
    put_yard_file(yard, "go");
    yard_run_until(yard, &again.ended);
    assert_int_equal(again.end, HOLDER_EXITED);
    assert_int_equal(again.exit.code, 5);
    assert_int_equal(again.sizes[LOG_OUT], 8);
    assert_int_equal(look_until_gone(yard).found, SPOOL_ENDED);
    assert_int_equal(heard.ends, 0);
    struct err err = holder_adopt(yard->holders, NAME, &heard_news, &again, &again.holder);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    err = holder_adopt(yard->holders, "run_none.1", &heard_news, &again, &again.holder);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_holder_that_nobody_follows_ends_with_its_result_on_the_disk(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    start_shell(yard, WAITS, &heard);
    yard_run_until(yard, &heard.claimed);
    holder_close(heard.holder);
    put_yard_file(yard, "go");
    struct spool_state found = look_until_gone(yard);
    assert_int_equal(found.found, SPOOL_ENDED);
    assert_int_equal(found.exit.code, 5);
    assert_int_equal(found.exit.out, 8);
    assert_int_equal(heard.ends, 0);
}

static void closing_inside_news_silences_at_once(void **state) {
    struct yard *yard = *state;
    struct heard heard;
    start_shell(yard, "echo a; echo b >&2; sleep 0.2; echo c; exit 5", &heard);
    heard.close_at_growth = true;
    yard_run_until(yard, &heard.grown);
    struct spool_state found = look_until_gone(yard);
    assert_int_equal(found.found, SPOOL_ENDED);
    assert_int_equal(heard.ends, 0);
    assert_true(heard.sizes[LOG_OUT] == 0 || heard.sizes[LOG_ERR] == 0); /* One piece of news. */
}

/* --- A peer that lies ------------------------------------------------------------------------- */

static int listen_in_spool(const struct yard *yard) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s",
                   place_path(&yard->place, NAME, "sock"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

static void a_peer_that_talks_nonsense_counts_as_lost(void **state) {
    static char flood[PROTOCOL_LINE_MAX * 4];
    memset(flood, 'x', sizeof flood);
    const struct bytes lies[] = {
        BYTES_INIT("grown out minus\n"), BYTES_INIT("claimed\n"),     BYTES_INIT("void\n"),
        BYTES_INIT("exited 3\n{}\n"),    BYTES_INIT("exited 4097\n"), {flood, sizeof flood},
    };
    struct yard *yard = *state;
    int listener = listen_in_spool(yard);
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct heard heard;
        adopt(yard, &heard);
        int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_int_equal(send(peer, lies[i].data, lies[i].len, MSG_NOSIGNAL), lies[i].len);
        yard_run_until(yard, &heard.ended);
        assert_int_equal(heard.end, HOLDER_LOST);
        (void)close(peer);
    }
    (void)close(listener);
}

static void speaking_to_a_peer_that_is_gone_harms_nobody(void **state) {
    struct yard *yard = *state;
    int listener = listen_in_spool(yard);
    struct heard heard;
    adopt(yard, &heard);
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)close(peer);
    holder_resize(heard.holder, 1, 2);
    holder_stop(heard.holder, 3);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_LOST);
    adopt(yard, &heard);
    peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    /* It goes with its last word, so that our thanks find nobody. */
    char last[PROTOCOL_EXIT_SIZE + 64];
    int len = snprintf(last, sizeof last, "exited %zu\n%s\n", strlen(EXIT_GOOD) + 1, EXIT_GOOD);
    assert_int_equal(send(peer, last, (size_t)len, MSG_NOSIGNAL), len);
    (void)close(peer);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_EXITED);
    (void)close(listener);
}

static void a_peer_that_does_not_read_costs_little_and_hears_the_last_wish(void **state) {
    struct yard *yard = *state;
    static char piece[PROTOCOL_INPUT_MAX];
    memset(piece, 'x', sizeof piece);
    int listener = listen_in_spool(yard);
    struct heard heard;
    adopt(yard, &heard);
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int small = 4096;
    (void)setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof small); /* As small as may be. */
    for (unsigned i = 0; i < 100000; i++) {
        holder_input(heard.holder, (int64_t)i * PROTOCOL_INPUT_MAX,
                     (struct bytes){piece, sizeof piece});
        holder_resize(heard.holder, i, i);
        holder_stop(heard.holder, 100000 - i);
        (void)uv_run(loop_uv(yard->loop), UV_RUN_NOWAIT);
    }
    static char all[1 << 20];
    size_t len = 0;
    while (len < 30 || memmem(all, len, "stop 1\n", 7) == NULL) {
        (void)uv_run(loop_uv(yard->loop), UV_RUN_NOWAIT);
        ssize_t got = recv(peer, all + len, sizeof all - len, MSG_DONTWAIT);
        assert_true(got > 0 || errno == EAGAIN);
        len += got > 0 ? (size_t)got : 0;
    }
    assert_memory_equal(all, "keep\nstatus\n", 12);
    (void)close(peer);
    yard_run_until(yard, &heard.ended);
    assert_int_equal(heard.end, HOLDER_LOST);
    (void)close(listener);
}

/* The peer hears exactly `wanted`. */
static void expect_said(struct yard *yard, int peer, const char *wanted) {
    char said[256];
    size_t len = 0;
    while (len < strlen(wanted)) {
        (void)uv_run(loop_uv(yard->loop), UV_RUN_NOWAIT);
        ssize_t got = recv(peer, said + len, sizeof said - 1 - len, MSG_DONTWAIT);
        assert_true(got > 0 || errno == EAGAIN);
        len += got > 0 ? (size_t)got : 0;
    }
    said[len] = '\0';
    assert_string_equal(said, wanted);
}

static void say(struct yard *yard, int peer, const char *text, const bool *until) {
    assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    yard_run_until(yard, until);
}

static void input_is_sent_again_from_where_it_was_missed(void **state) {
    struct yard *yard = *state;
    int listener = listen_in_spool(yard);
    struct heard heard;
    adopt(yard, &heard);
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    expect_said(yard, peer, "keep\nstatus\n");
    say(yard, peer, "status out=7 in=5 disk_full=1\n", &heard.accepted);
    assert_true(heard.full);
    assert_int_equal(heard.sizes[LOG_OUT], 7);
    assert_int_equal(heard.accepted_size, 5);
    holder_input(heard.holder, 5, BYTES("hello"));
    expect_said(yard, peer, "input 5 5\nhello");
    holder_input(heard.holder, 10, BYTES("not yet"));
    heard.grown = false;
    say(yard, peer, "input_gap 7\ngrown out 8\n", &heard.grown);
    expect_said(yard, peer, "input 7 3\nllo");
    heard.accepted = false;
    say(yard, peer, "input_gap 3\n", &heard.accepted); /* It lost what only the caller has. */
    assert_int_equal(heard.accepted_size, 3);
    holder_input(heard.holder, 3, BYTES("lo, "));
    expect_said(yard, peer, "input 3 4\nlo, ");
    heard.accepted = false;
    say(yard, peer, "accepted 7\n", &heard.accepted);
    holder_input(heard.holder, 7, BYTES("x"));
    holder_input_end(heard.holder, 8);
    expect_said(yard, peer, "input 7 1\nxinput_end 8\n");
    (void)close(peer);
    yard_run_until(yard, &heard.ended);
    (void)close(listener);
}

#define YARD(test) cmocka_unit_test_setup_teardown(test, yard_open, yard_close)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        YARD(the_tree_of_a_killed_holder_is_found_and_ended),
        YARD(a_recycled_pid_is_never_signalled),
        YARD(a_link_in_place_of_the_socket_is_not_followed),
        YARD(an_adopted_holder_tells_what_was_missed_and_its_end),
        YARD(a_holder_that_nobody_follows_ends_with_its_result_on_the_disk),
        YARD(closing_inside_news_silences_at_once),
        YARD(a_peer_that_talks_nonsense_counts_as_lost),
        YARD(speaking_to_a_peer_that_is_gone_harms_nobody),
        YARD(a_peer_that_does_not_read_costs_little_and_hears_the_last_wish),
        YARD(input_is_sent_again_from_where_it_was_missed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
