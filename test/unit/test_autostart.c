#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/autostart.h"
#include "cli/base/options.h"
#include "store/datadir.h"
#include "store/log_file.h"

static const struct flag flags[] = {
    OPTION_TEXT("model", 0, "NAME", "A model.", .env = "DROVER_MODEL"),
    OPTION_END,
};
static const struct command serve = {.name = "serve", .flags = flags};

static void a_daemon_inherits_what_is_named(void **state) {
    (void)state;
    static const char *const goes[] = {
        "HOME=/h",           "PATH=",          "LC_ALL=C",
        "XDG_STATE_HOME=/s", "https_proxy=x",  "NO_PROXY=y",
        "OPENAI_API_KEY=k",  "DROVER_MODEL=m", "CLAUDE_CONFIG_DIR=/c"};
    static const char *const stays[] = {
        "HOMES=/h",        "LC_=C",      "SECRET=x",          "DROVER_TOKEN=t", "DROVER_RUN=r.1.n",
        "LD_PRELOAD=x.so", "TERM=xterm", "DROVER_NO_START=1", "DROVER_DATA=/d", "https_proxyx=1"};
    for (size_t i = 0; i < COUNT_OF(goes); i++) {
        assert_true(autostart_inherits(&serve, goes[i]));
    }
    for (size_t i = 0; i < COUNT_OF(stays); i++) {
        assert_false(autostart_inherits(&serve, stays[i]));
    }
}

static void file_write(const char *folder, const char *name, const char *content) {
    AUTO(mem_release) char *path = datadir_path(folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

static void assert_end(const char *folder, size_t lines, const char *expected) {
    AUTO(text_done) struct text end = text_up_to(1 << 20);
    assert_int_equal(log_file_end(folder, lines, &end).code, ERR_NONE);
    assert_string_equal(text_bytes(&end).data, expected);
}

static void the_end_of_a_log_goes_across_its_rotation(void **state) {
    (void)state;
    char folder[] = "/tmp/drv-autostart-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_end(folder, 3, "");
    file_write(folder, LOG_FILE_OLD, "a\nb\n");
    file_write(folder, LOG_FILE, "c\nd\n");
    assert_end(folder, 1, "d\n");
    assert_end(folder, 3, "b\nc\nd\n");
    assert_end(folder, 9, "a\nb\nc\nd\n");
    file_write(folder, LOG_FILE, "c\nd"); /* The last line was cut off. */
    assert_end(folder, 2, "c\nd");
    static const char *const names[] = {LOG_FILE, LOG_FILE_OLD};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO(mem_release) char *path = datadir_path(folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_daemon_inherits_what_is_named),
        cmocka_unit_test(the_end_of_a_log_goes_across_its_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
