/* Owners of sessions of programs: files as the programs write them, a folder in place of /proc. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/owner.h"
#include "base/fd.h"

#define ID "7f3c2b1a-0d4e-4f5a-8b6c-9d0e1f2a3b4c"
#define OTHER "00000000-0d4e-4f5a-8b6c-9d0e1f2a3b4c"
#define AT "\"timestamp\":\"1970-01-01T00:16:40.123Z\"" /* 1,000 seconds. */
#define LATER "\"timestamp\":\"1970-01-01T00:33:20Z\""
#define CLAUDE(type, message) "{\"type\":\"" type "\"," AT ",\"message\":{" message "}}\n"
#define EVENT(name) "{\"type\":\"event_msg\"," AT ",\"payload\":{\"type\":\"" name "\"}}\n"

static struct agent_definition claude = {.name = "claude", .program = "claude"};
static struct agent_definition codex = {.name = "codex", .program = "codex"};

enum { PATH_MAX_HERE = 400 };
static char home[64];

/* A file below the home, with all folders above it. */
static const char *put(const char *name, const char *text) {
    static char path[PATH_MAX_HERE];
    (void)snprintf(path, sizeof path, "%s/%s", home, name);
    for (char *at = path + strlen(home) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return path;
}

static int home_make(void **state) {
    (void)snprintf(home, sizeof home, "/tmp/drv-owner-XXXXXX");
    assert_non_null(mkdtemp(home));
    (void)unsetenv("CLAUDE_CONFIG_DIR"); /* Settings of the caller. */
    (void)unsetenv("CODEX_HOME");
    return 0;
}

static int home_remove(void **state) {
    char command[100];
    (void)snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command); // NOLINT(cert-env33-c): a path of our own.
}

static struct agent_found find(const struct agent_definition *what) {
    char proc[80];
    struct agent_found found;
    const struct native_wish wish = {.what = what, .home = home, .root = "/w", .id = BYTES(ID)};
    (void)snprintf(proc, sizeof proc, "%s/proc", home);
    agent_owner_find(&wish, proc, &found);
    return found;
}

/* A process that began at tick 222592. */
static void process_put(int pid, char state) {
    char name[40], text[200];
    (void)snprintf(name, sizeof name, "proc/%d/stat", pid);
    (void)snprintf(text, sizeof text,
                   "%d (a) b) %c 1 1 1 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 222592 0 0\n", pid,
                   state);
    (void)put(name, text);
}

/* --- Claude Code ------------------------------------------------------------------------------ */

static int64_t claude_owner(const char *entry) {
    (void)put(".claude/sessions/13175.json", entry);
    return find(&claude).owner;
}

static void a_process_that_has_the_session_open_is_its_owner(void **state) {
    assert_int_equal(find(&claude).owner, 0); /* There is nothing at all. */
    process_put(13175, 'S');
    assert_int_equal(
        claude_owner("{\"pid\":13175,\"sessionId\":\"" ID "\",\"procStart\":\"222592\"}"), 13175);
    assert_int_equal(
        claude_owner("{\"pid\":13175,\"sessionId\":\"" OTHER "\",\"procStart\":\"222592\"}"), 0);
}

static void a_recycled_pid_and_a_file_that_was_left_are_nobody(void **state) {
    static const char entry[] = "{\"pid\":13175,\"sessionId\":\"" ID "\",\"procStart\":\"222591\"}";
    static const char right[] = "{\"pid\":13175,\"sessionId\":\"" ID "\",\"procStart\":\"222592\"}";
    assert_int_equal(claude_owner(right), 0); /* The process is gone. */
    process_put(13175, 'Z');
    assert_int_equal(claude_owner(right), 0);
    process_put(13175, 'S');
    assert_int_equal(claude_owner(entry), 0);
    assert_int_equal(claude_owner(right), 13175);
}

static void files_that_are_broken_say_nothing(void **state) {
    static const char *const broken[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"pid\":\"13175\",\"sessionId\":\"" ID "\"}",
        "{\"pid\":-1,\"sessionId\":\"" ID "\",\"procStart\":\"222592\"}",
        "{\"pid\":13175,\"sessionId\":\"" ID "\",\"procStart\":222592}",
        "{\"pid\":13175,\"sessionId\":\"" ID "\",\"procStart\":\"-1\"}",
        "{\"pid\":13175,\"sessionId\":7,\"procStart\":\"222592\"}"};
    process_put(13175, 'S');
    for (size_t i = 0; i < COUNT_OF(broken); i++) {
        assert_int_equal(claude_owner(broken[i]), 0);
    }
    char link[100];
    (void)snprintf(link, sizeof link, "%s/.claude/sessions/1.json", home);
    assert_int_equal(symlink("/dev/zero", link), 0);
    assert_int_equal(find(&claude).owner, 0);
}

static struct agent_found claude_lines(const char *lines) {
    (void)put(".claude/projects/-w/" ID ".jsonl", lines);
    return find(&claude);
}

static void a_turn_without_an_end_is_work(void **state) {
    static const char *const works[] = {
        CLAUDE("user", "\"content\":\"hello\""),
        CLAUDE("user", "\"content\":[{\"type\":\"tool_result\",\"content\":\"x\"}]"),
        CLAUDE("assistant", "\"content\":[],\"stop_reason\":null"),
        CLAUDE("assistant", "\"content\":[],\"stop_reason\":\"tool_use\""),
        CLAUDE("user", "\"content\":\"hello\"") "{\"type\":\"file-history-snapshot\"}\n{bro",
        CLAUDE("user", "\"content\":\"hello\"")
            CLAUDE("user", "\"content\":\"<command-name>/model</command-name>\""),
    };
    static const char *const rests[] = {
        "",
        "{\"type\":\"user\",\"message\":{\"content\":\"no time\"}}\n",
        CLAUDE("user", "\"content\":\"a\"") CLAUDE("assistant", "\"stop_reason\":\"end_turn\""),
        CLAUDE("user", "\"content\":\"a\"")
            CLAUDE("assistant", "\"stop_reason\":\"stop_sequence\""),
        CLAUDE("user", "\"content\":\"a\"")
            CLAUDE("user", "\"content\":[{\"text\":\"[Request interrupted by user]\"}]"),
        CLAUDE("user", "\"content\":\"a\"") "{\"type\":\"last-prompt\"}\n",
        "{\"type\":\"user\",\"isSidechain\":true," AT ",\"message\":{\"content\":\"a\"}}\n",
        "{\"type\":\"user\",\"isMeta\":true," AT ",\"message\":{\"content\":\"a\"}}\n",
        "{\"type\":\"user\",\"isCompactSummary\":true," AT ",\"message\":{\"content\":\"a\"}}\n"};
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        assert_int_equal(claude_lines(works[i]).worked_ms, 1000 * 1000);
    }
    for (size_t i = 0; i < COUNT_OF(rests); i++) {
        assert_int_equal(claude_lines(rests[i]).worked_ms, 0);
    }
}

static void the_last_summary_counts(void **state) {
    static const char boundary[] =
        "{\"type\":\"system\",\"subtype\":\"compact_boundary\"," AT "}\n";
    static const char later[] =
        "{\"type\":\"system\",\"subtype\":\"compact_boundary\"," LATER "}\n";
    char both[400];
    (void)snprintf(both, sizeof both, "%s%s", boundary, later);
    assert_int_equal(claude_lines(boundary).compacted_ms, 1000 * 1000);
    assert_int_equal(claude_lines(both).compacted_ms, 2000 * 1000);
    assert_int_equal(claude_lines(CLAUDE("system", "")).compacted_ms, 0);
}

static void of_a_long_file_the_end_is_read(void **state) {
    enum { LONG = 300 << 10 };
    char *lines = malloc(LONG + 400);
    assert_non_null(lines);
    memset(lines, 'x', LONG);
    (void)snprintf(lines + LONG, 400, "\n%s", CLAUDE("user", "\"content\":\"hello\""));
    assert_int_equal(claude_lines(lines).worked_ms, 1000 * 1000);
    lines[LONG] = 'x';
    assert_int_equal(claude_lines(lines).worked_ms, 0);
    free(lines);
}

/* --- Codex ------------------------------------------------------------------------------------ */

static struct agent_found codex_lines(const char *lines) {
    (void)put(".codex/sessions/2026/11/25/rollout-2026-11-25T10-00-00-" ID ".jsonl", lines);
    return find(&codex);
}

static void who_holds_the_lock_of_a_thread_is_its_owner(void **state) {
    char locks[400], target[PATH_MAX_HERE], link[PATH_MAX_HERE];
    struct stat about;
    (void)snprintf(target, sizeof target, "%s", put(".codex/thread-writer-locks/" ID ".lock", ""));
    assert_int_equal(stat(target, &about), 0);
    (void)put("proc/14357/fd/x", "");
    assert_int_equal(find(&codex).owner, 0); /* No list of locks. */
    (void)snprintf(locks, sizeof locks,
                   "1: POSIX  ADVISORY  READ 7 fe:00:%llu 128 128\n"
                   "2: FLOCK  ADVISORY  WRITE 14357 fe:00:%llu 0 EOF\n"
                   "3: FLOCK  ADVISORY\n4: -> FLOCK\n",
                   (unsigned long long)about.st_ino, (unsigned long long)about.st_ino);
    (void)put("proc/locks", locks);
    assert_int_equal(find(&codex).owner, 0); /* The same number on another file system. */
    (void)snprintf(link, sizeof link, "%s/proc/14357/fd/38", home);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(find(&codex).owner, 14357);
    assert_int_equal(find(&claude).owner, 0);
    (void)put("proc/locks", "1: FLOCK  ADVISORY  WRITE 14357 fe:00:1 0 EOF\n");
    assert_int_equal(find(&codex).owner, 0);
    /* A turn whose process was killed has no end, and no lock. */
    assert_int_equal(codex_lines(EVENT("task_started")).worked_ms, 0);
}

static void a_turn_of_codex_begins_and_ends_by_its_events(void **state) {
    assert_int_equal(codex_lines(EVENT("task_started")).worked_ms, 1000 * 1000);
    assert_int_equal(
        codex_lines(EVENT("task_started") "{\"type\":\"response_item\"," LATER "}\n").worked_ms,
        2000 * 1000);
    assert_int_equal(codex_lines(EVENT("task_started") EVENT("task_complete")).worked_ms, 0);
    assert_int_equal(codex_lines(EVENT("task_started") EVENT("turn_aborted")).worked_ms, 0);
    assert_int_equal(codex_lines("{\"type\":\"response_item\"," AT "}\n").worked_ms, 0);
    assert_int_equal(codex_lines("{\"type\":\"compacted\"," AT "}\n").compacted_ms, 1000 * 1000);
    assert_int_equal(codex_lines(EVENT("context_compacted")).compacted_ms, 1000 * 1000);
}

static void other_programs_have_no_owner_that_is_seen(void **state) {
    const struct agent_definition other = {.name = "pi", .program = "pi"};
    const struct agent_found found = find(&other);
    assert_int_equal(found.owner + found.worked_ms + found.compacted_ms, 0);
}

#define owner_test(test) cmocka_unit_test_setup_teardown(test, home_make, home_remove)

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        owner_test(a_process_that_has_the_session_open_is_its_owner),
        owner_test(a_recycled_pid_and_a_file_that_was_left_are_nobody),
        owner_test(files_that_are_broken_say_nothing),
        owner_test(a_turn_without_an_end_is_work),
        owner_test(the_last_summary_counts),
        owner_test(of_a_long_file_the_end_is_read),
        owner_test(who_holds_the_lock_of_a_thread_is_its_owner),
        owner_test(a_turn_of_codex_begins_and_ends_by_its_events),
        owner_test(other_programs_have_no_owner_that_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
