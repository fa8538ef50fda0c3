/* What a holder says, in whatever pieces it arrives; and nonsense, which ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proc/link.h"

/* Each message as a line of a log. */
struct heard {
    char text[2048];
    unsigned count, stop_at;
};

static bool hear(void *ctx, const struct link_message *message) {
    struct heard *heard = ctx;
    size_t len = strlen(heard->text);
    (void)snprintf(heard->text + len, sizeof heard->text - len, "%d %d %lld %zu %lld %lld %lld %d;",
                   (int)message->word, (int)message->stream, (long long)message->size,
                   message->body.len, (long long)message->sizes[LOG_OUT],
                   (long long)message->sizes[LOG_PTY], (long long)message->accepted,
                   message->disk_full);
    if (message->body.len > 0) {
        assert_memory_equal(message->body.data, "{\n}x\n", message->body.len);
    }
    heard->count++;
    return heard->count != heard->stop_at;
}

static enum link_fed feed_all(const char *text, size_t step, struct heard *heard) {
    struct link_reader reader = {0};
    size_t len = strlen(text);
    enum link_fed fed = LINK_MORE;
    *heard = (struct heard){.stop_at = heard->stop_at};
    for (size_t at = 0; at < len && fed == LINK_MORE; at += step) {
        size_t piece = len - at < step ? len - at : step;
        /* A copy of just this size, so that reading beyond it is seen. */
        char *copy = malloc(piece);
        memcpy(copy, text + at, piece);
        fed = link_feed(&reader, (struct bytes){copy, piece}, hear, heard);
        free(copy);
    }
    link_done(&reader);
    return fed;
}

static const char ALL[] =
    "claimed\ngrown out 5\nnews from a later version\ngrown pty 9223372036854775807 and more\n"
    "status out=1 err=2 pty=3 in=4 alive=1 disk_full=1 processes=7 later=-x,y\naccepted 12\n"
    "input_gap 3\ndisk_full 0\ndisk_full 1\nexited 5\n{\n}x\nvoid\n";

static void every_way_to_cut_the_stream_gives_the_same_messages(void **state) {
    struct heard whole = {0};
    assert_int_equal(feed_all(ALL, sizeof ALL, &whole), LINK_MORE);
    assert_int_equal(whole.count, 10);
    assert_string_equal(whole.text,
                        "0 0 0 0 0 0 0 0;3 0 5 0 0 0 0 0;3 2 9223372036854775807 0 0 0 0 0;"
                        "2 0 0 0 1 3 4 1;4 0 12 0 0 0 0 0;5 0 3 0 0 0 0 0;6 0 0 0 0 0 0 0;"
                        "6 0 1 0 0 0 0 0;7 0 0 5 0 0 0 0;1 0 0 0 0 0 0 0;");
    for (size_t step = 1; step < sizeof ALL; step++) {
        struct heard heard = {0};
        assert_int_equal(feed_all(ALL, step, &heard), LINK_MORE);
        assert_string_equal(heard.text, whole.text);
    }
}

static void who_listens_can_end_it_at_any_message(void **state) {
    for (unsigned stop_at = 1; stop_at <= 10; stop_at++) {
        for (size_t step = 1; step < sizeof ALL; step += 13) {
            struct heard heard = {.stop_at = stop_at};
            assert_int_equal(feed_all(ALL, step, &heard), LINK_ENDED);
            assert_int_equal(heard.count, stop_at);
        }
    }
}

static void nonsense_ends_it(void **state) {
    static char long_line[PROTOCOL_LINE_MAX + 64];
    memset(long_line, 'x', sizeof long_line - 1);
    const char *const lines[] = {
        "\n",
        "grown\n",
        "grown out\n",
        "grown in 5\n",
        "grown out -1\n",
        "grown out 05\n",
        "grown out 9223372036854775808\n",
        "accepted\n",
        "accepted x\n",
        "disk_full 2\n",
        "exited 4097\n",
        "exited -1\n",
        "exited\n",
        "status out\n",
        "status out=\n",
        "status disk_full=2\n",
        "claimed\x01\n",
        "\xFF\xFE\n",
        "later \t\n",
        long_line,
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        for (size_t step = 1; step < 600; step += 299) {
            struct heard heard = {0};
            assert_int_equal(feed_all(lines[i], step, &heard), LINK_NONSENSE);
            assert_int_equal(heard.count, 0);
        }
    }
}

static void a_line_of_the_greatest_length_is_taken(void **state) {
    char line[PROTOCOL_LINE_MAX + 1];
    memset(line, 'x', sizeof line);
    memcpy(line, "claimed ", 8);
    line[PROTOCOL_LINE_MAX - 1] = '\n';
    line[PROTOCOL_LINE_MAX] = '\0';
    for (size_t step = 1; step <= PROTOCOL_LINE_MAX; step += 73) {
        struct heard heard = {0};
        assert_int_equal(feed_all(line, step, &heard), LINK_MORE);
        assert_int_equal(heard.count, 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_cut_the_stream_gives_the_same_messages),
        cmocka_unit_test(who_listens_can_end_it_at_any_message),
        cmocka_unit_test(nonsense_ends_it),
        cmocka_unit_test(a_line_of_the_greatest_length_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
