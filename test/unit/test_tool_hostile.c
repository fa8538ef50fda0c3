/* Two hundred calls that want out of the project, one that swaps links while others read, and what
 * stands in the way of a file: nothing outside is read, nothing outside is written, nothing hangs.
 */
#include "tool_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tool/place.h"

/* --- Out of the project ----------------------------------------------------------------------- */

/* SECRET: the file outside, absolute; PROJECT, CLOSED, EXTRA: those folders. */
struct attack {
    const char *const *paths;
    size_t count;
};
static const char *const paths[] = {
    "../outside/secret",
    "../../../../../../../../etc/passwd",
    "a/../../outside/secret",
    "./../outside/secret",
    "a/b/../../../outside/secret",
    "SECRET",
    "PROJECT/../outside/secret",
    "PROJECT/a/../../outside/secret",
    "PROJECTx/../outside/secret",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/root/etc/passwd",
    "/proc/self/environ",
    "/dev/zero",
    "/",
    "out/secret",
    "out/../outside/secret",
    "file",
    "absolute/secret",
    "hop",
    "loop",
    "loop/a",
    "root/etc/passwd",
    "self/environ",
    "fd/0",
    "chain/secret",
    "climb/outside/secret",
    "closed/drover.db",
    "CLOSED/drover.db",
    "a/../closed/drover.db",
    "toclosed/drover.db",
    "pipe",
    "socket",
    "null",
    ".",
    "..",
    "folder",
    "folder/",
    "plain/",
    "plain/x",
};
/* From a folder that was granted beside the project. */
static const char *const extra_paths[] = {
    "EXTRA/../outside/secret",
    "EXTRA/a/../../outside/secret",
    "EXTRA/./a/../../project/closed/drover.db",
    "EXTRA/a/../../../../../../etc/passwd",
    "EXTRAx/secret",
    "EXTRA/out/secret",
    "EXTRA/file",
    "EXTRA/absolute/secret",
    "EXTRA/hop",
    "EXTRA/loop",
    "EXTRA/loop/a",
    "EXTRA/root/etc/passwd",
    "EXTRA/self/environ",
    "EXTRA/fd/0",
    "EXTRA/a/chain/secret",
    "EXTRA/climb/outside/secret",
    "EXTRA/toclosed/drover.db",
    "EXTRA/null",
    "EXTRA/pipe",
    "EXTRA/..",
    "EXTRA/../extra/../outside/secret",
    "../extra/a",
    "../extra/out/secret",
    "a/../../extra/out/secret",
    "WAY/secret",
    "WAY/../outside/secret",
};
/* The tool, and what stands behind the path. */
static const char *const calls[][2] = {
    {"read_file", "\"}"},
    {"write_file", "\",\"content\":\"owned\"}"},
    {"edit_file", "\",\"old_text\":\"secret\",\"new_text\":\"owned\"}"},
    {"delete_file", "\"}"},
    {"search_files", "\",\"pattern\":\"secret|rows|root\"}"},
    {"list_files", "\"}"},
};

static void make_traps(struct tools *tools) {
    tools_folder(tools, "project/a");
    tools_folder(tools, "project/a/b");
    tools_folder(tools, "project/folder");
    tools_file(tools, "project/plain", "plain\n");
    tools_link(tools, "project/out", "../outside");
    tools_link(tools, "project/file", "../outside/secret");
    char path[256];
    tools_path(tools, "outside", path, sizeof path);
    tools_link(tools, "project/absolute", path);
    tools_link(tools, "project/hop", "file");
    tools_link(tools, "project/loop", "loop");
    tools_link(tools, "project/root", "/proc/self/root");
    tools_link(tools, "project/self", "/proc/self");
    tools_link(tools, "project/fd", "/proc/self/fd");
    tools_link(tools, "project/chain", "a/chain");
    tools_link(tools, "project/a/chain", "../out");
    tools_link(tools, "project/climb", "..");
    tools_link(tools, "project/toclosed", "closed");
    tools_link(tools, "project/null", "/dev/null");
    tools_path(tools, "project/pipe", path, sizeof path);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/project/socket", tools->folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(close(fd), 0);
}

static void spell(const struct tools *tools, const char *path, char *into, size_t size) {
    static const char *const words[] = {"SECRET", "PROJECT", "CLOSED", "EXTRA", "WAY"};
    char secret[128], way[128];
    tools_path(tools, "way", way, sizeof way);
    tools_path(tools, "outside/secret", secret, sizeof secret);
    const char *const meanings[] = {secret, tools->project, tools->closed, tools->extra, way};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strncmp(path, words[i], strlen(words[i])) == 0) {
            (void)snprintf(into, size, "%s%s", meanings[i], path + strlen(words[i]));
            return;
        }
    }
    (void)snprintf(into, size, "%s", path);
}

/* Only what is in the project may be listed or searched: its root, and folders in it. */
static bool may_succeed(const char *tool, const char *path) {
    static const char *const inside[] = {".", "folder", "folder/", "PROJECT"};
    bool looks = strcmp(tool, "search_files") == 0 || strcmp(tool, "list_files") == 0;
    for (size_t i = 0; looks && i < COUNT_OF(inside); i++) {
        if (strcmp(inside[i], path) == 0) {
            return true;
        }
    }
    return false;
}

static void assert_untouched(struct tools *tools) {
    assert_string_equal(tools_content(tools, "outside/secret").text, "the secret\n");
    assert_string_equal(tools_content(tools, "project/closed/drover.db").text, "the rows\n");
    assert_string_equal(tools_content(tools, "project/plain").text, "plain\n");
    struct stat about;
    char path[256];
    tools_path(tools, "outside", path, sizeof path);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_nlink, 2);
    tools_path(tools, "owned", path, sizeof path);
    assert_int_not_equal(stat(path, &about), 0);
}

/* Every tool with every path; how many were refused. */
static unsigned attack(struct tools *tools, const struct attack *with) {
    unsigned refused = 0;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        for (size_t j = 0; j < with->count; j++) {
            const char *given = with->paths[j], *name = strrchr(given, '/');
            name = name == NULL ? given : name + 1;
            bool link_itself = strcmp(calls[i][0], "delete_file") == 0 &&
                               (strcmp(name, "file") == 0 || strcmp(name, "hop") == 0 ||
                                strcmp(name, "loop") == 0 || strcmp(name, "null") == 0);
            if (link_itself) {
                continue; /* These are in a root, whatever they point to. */
            }
            char path[256], arguments[512];
            spell(tools, given, path, sizeof path);
            (void)snprintf(arguments, sizeof arguments, "{\"path\":\"%s%s", path, calls[i][1]);
            AUTO(mem_release)
            struct tools_answer *answer = tools_call(tools, calls[i][0], arguments);
            assert_null(strstr(answer->content, "the secret"));
            assert_null(strstr(answer->content, "the rows"));
            assert_null(strstr(answer->content, "root:"));
            if (!answer->failed && !may_succeed(calls[i][0], given)) {
                fail_msg("%s %s: %s", calls[i][0], arguments, answer->content);
            }
            assert_true(answer->failed ? answer->diff[0] == '\0' : true);
            refused += answer->failed ? 1 : 0;
        }
        assert_untouched(tools);
    }
    return refused;
}

static void two_hundred_calls_do_not_get_out(void **state) {
    struct tools *tools = *state;
    make_traps(tools);
    const struct attack with = {paths, COUNT_OF(paths)};
    assert_in_range(attack(tools, &with), 200, 400);
}

/* The third root is one whose folder was replaced by a link after it was granted. */
static void an_extra_root_is_no_way_out_either(void **state) {
    struct tools *tools = *state;
    make_traps(tools);
    tools_folder(tools, "extra/a");
    tools_link(tools, "extra/out", "../outside");
    tools_link(tools, "extra/file", "../outside/secret");
    char path[256], way[256];
    tools_path(tools, "outside", path, sizeof path);
    tools_path(tools, "way", way, sizeof way);
    tools_link(tools, "extra/absolute", path);
    tools_link(tools, "way", path);
    tools_link(tools, "extra/hop", "file");
    tools_link(tools, "extra/loop", "loop");
    tools_link(tools, "extra/root", "/proc/self/root");
    tools_link(tools, "extra/self", "/proc/self");
    tools_link(tools, "extra/fd", "/proc/self/fd");
    tools_link(tools, "extra/a/chain", "../out");
    tools_link(tools, "extra/climb", "..");
    tools_link(tools, "extra/toclosed", "../project/closed");
    tools_link(tools, "extra/null", "/dev/null");
    tools_path(tools, "extra/pipe", path, sizeof path);
    assert_int_equal(mkfifo(path, 0600), 0);
    struct tool_root roots[3] = {tools->roots[0], tools->roots[1], {way, ROOT_WRITE}};
    tools->place.roots = roots;
    tools->place.root_count = COUNT_OF(roots);
    const struct attack with = {extra_paths, COUNT_OF(extra_paths)};
    for (unsigned access = ROOT_READ; access <= ROOT_WRITE; access++) {
        roots[1].access = (enum root_access)access;
        assert_in_range(attack(tools, &with), COUNT_OF(extra_paths) * 5, 400);
    }
    char write[512];
    roots[1].access = ROOT_READ;
    (void)snprintf(write, sizeof write, "{\"path\":\"%s/a/new\",\"content\":\"x\"}", tools->extra);
    tools_refuse(tools, "write_file", write, "may be read but not written");
    roots[1].access = ROOT_WRITE;
    AUTO(mem_release) struct tools_answer *wrote = tools_call(tools, "write_file", write);
    assert_false(wrote->failed);
    assert_string_equal(tools_content(tools, "extra/a/new").text, "x");
}

static void what_may_be_granted_is_a_folder_where_it_really_is(void **state) {
    struct tools *tools = *state;
    char path[256], outside[256];
    struct extra_root root = {.path = ""};
    struct why why;
    tools_link(tools, "link", "outside");
    tools_path(tools, "link", path, sizeof path);
    tools_path(tools, "outside", outside, sizeof outside);
    assert_int_equal(extra_root_find(path, tools->closed, &root, &why).code, ERR_NONE);
    assert_string_equal(root.path, outside);
    static const char *const never[] = {
        "/",    "//", "/proc", "/proc/self/root", "/proc/self/fd", "/sys",
        "/dev", "a",  "",      "/none/of\nthese"};
    for (size_t i = 0; i < COUNT_OF(never); i++) {
        assert_int_not_equal(extra_root_find(never[i], "", &root, &why).code, ERR_NONE);
    }
    assert_int_not_equal(extra_root_find(tools->closed, tools->closed, &root, &why).code, ERR_NONE);
    tools_path(tools, "outside/secret", path, sizeof path);
    assert_int_equal(extra_root_find(path, "", &root, &why).code, ERR_BAD_FIELD);
    assert_string_equal(root.path, outside); /* Failure leaves it as it was. */
}

static void links_are_removed_and_not_what_they_lead_to(void **state) {
    struct tools *tools = *state;
    make_traps(tools);
    tools_expect(tools, "delete_file", "{\"path\":\"file\"}", "removed file (17 bytes)\n");
    tools_expect(tools, "delete_file", "{\"path\":\"loop\"}", "removed loop (4 bytes)\n");
    assert_untouched(tools);
}

/* --- Arguments -------------------------------------------------------------------------------- */

static void arguments_are_read_strictly(void **state) {
    struct tools *tools = *state;
    tools_file(tools, "project/a", "x\n");
    static const char *const rows[][3] = {
        {"read_file", "{\"path\":\"a\\u0000b\"}", "must not contain the character"},
        {"read_file", "{\"path\":\"\"}", "at least 1 characters"},
        {"read_file", "{}", "\"path\" is missing"},
        {"read_file", "{\"path\":\"a\",\"lines\":0}", "/lines: must be at least 1"},
        {"read_file", "{\"path\":\"a\",\"lines\":1e9}", "/lines: must be at most 5000"},
        {"read_file", "{\"path\":\"a\",\"line\":-1}", "/line: must be at least 1"},
        {"read_file", "{\"path\":\"a\",\"pth\":1}", "\"pth\" is unknown; did you mean \"path\"?"},
        {"read_file", "{\"path\":[\"a\",\"b\"]}", "/path: must be of type string, not an array"},
        {"read_file", "[]", "must be of type object, not an array"},
        {"read_file", "{\"path\":", "not valid JSON"},
        {"read_flie", "{\"path\":\"a\"}", "did you mean read_file?"},
        {"exec", "{}", "there is no tool \"exec\"; there are ask_user"},
        {"run_command", "{\"command\":\"a\\u0000\"}", "must not contain"},
        {"run_command", "{\"command\":\"a\",\"args\":[\"\\u0000\"]}", "/args: must not contain"},
        {"run_command", "{\"command\":\"a\",\"timeout_ms\":120001}", "at most 120000"},
        {"run_command", "{\"command\":\"a\",\"shell\":true}", "\"shell\" is unknown"},
        {"web_fetch", "{\"url\":\"file:///etc/passwd\"}", "must match the pattern"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        tools_refuse(tools, rows[i][0], rows[i][1], rows[i][2]);
    }
    AUTO(mem_release) char *huge = mem_new(TOOL_ARGUMENTS_MAX + 64);
    size_t len = (size_t)snprintf(huge, 64, "{\"path\":\"");
    memset(huge + len, 'a', TOOL_ARGUMENTS_MAX);
    tools_refuse(tools, "read_file", huge, "4194304 are allowed");
    huge[5000] = '\0';
    (void)snprintf(huge + 5000, 16, "\"}");
    tools_refuse(tools, "read_file", huge, "/path: must have at most 4000 characters");
    /* Many folders, each with a name that is too long for one. */
    huge[3000] = '\0';
    (void)snprintf(huge + 3000, 16, "\"}");
    tools_refuse(tools, "read_file", huge, "too long");
    tools_refuse(tools, "write_file", "{\"path\":\"a/b\",\"content\":\"x\"}", "");
}

/* --- Races ------------------------------------------------------------------------------------ */

struct swapper {
    struct tools *tools;
    atomic_bool stop;
    unsigned long swaps;
};

/* `way` is now a folder of the project, now a link out of it. */
static void *swap(void *ctx) {
    struct swapper *swapper = ctx;
    char way[256], folder[256], link[256];
    tools_path(swapper->tools, "project/way", way, sizeof way);
    tools_path(swapper->tools, "project/way-folder", folder, sizeof folder);
    tools_path(swapper->tools, "project/way-link", link, sizeof link);
    while (!atomic_load(&swapper->stop)) {
        (void)renameat2(AT_FDCWD, folder, AT_FDCWD, way, RENAME_NOREPLACE);
        (void)renameat2(AT_FDCWD, way, AT_FDCWD, link, RENAME_EXCHANGE);
        swapper->swaps++;
    }
    return NULL;
}

static void a_link_that_is_swapped_in_leads_nowhere(void **state) {
    struct tools *tools = *state;
    tools_folder(tools, "project/way");
    tools_file(tools, "project/way/secret", "harmless\n");
    tools_link(tools, "project/way-link", "../outside");
    tools->racing = true;
    struct swapper swapper = {.tools = tools};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, swap, &swapper), 0);
    uint64_t until_ns = world_mono_ns(world_real()) + 2000000000ULL;
    unsigned read = 0, wrote = 0, rounds = 0;
    while (world_mono_ns(world_real()) < until_ns) {
        AUTO(mem_release)
        struct tools_answer *a = tools_call(tools, "read_file", "{\"path\":\"way/secret\"}");
        AUTO(mem_release)
        struct tools_answer *b = tools_call(
            tools, "write_file", "{\"path\":\"way/secret\",\"content\":\"harmless\\n\"}");
        AUTO(mem_release)
        struct tools_answer *c =
            tools_call(tools, "write_file", "{\"path\":\"way/new/x\",\"content\":\"x\"}");
        AUTO(mem_release)
        struct tools_answer *d =
            tools_call(tools, "search_files", "{\"path\":\".\",\"pattern\":\"the secret\"}");
        assert_null(strstr(a->content, "the secret"));
        assert_null(strstr(d->content, ":the secret"));
        read += !a->failed ? 1 : 0;
        wrote += !b->failed || !c->failed ? 1 : 0;
        rounds++;
    }
    atomic_store(&swapper.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* The race was run: both sides were seen. */
    assert_in_range(swapper.swaps, 100, UINT64_MAX);
    assert_in_range(read, 1, rounds);
    assert_in_range(wrote, 1, rounds);
    assert_string_equal(tools_content(tools, "outside/secret").text, "the secret\n");
    assert_string_equal(tools_content(tools, "outside/new/x").text, "(none)");
}

static void a_file_that_changes_while_it_is_written_is_not_overwritten(void **state) {
    struct tools *tools = *state;
    tools_file(tools, "project/a", "mine\n");
    AUTO(tool_call_done) struct tool_call call = {0};
    assert_int_equal(tools_read(tools, "edit_file",
                                "{\"path\":\"a\",\"old_text\":\"mine\",\"new_text\":\"x\"}", &call),
                     ERR_NONE);
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    assert_int_equal(tool_look(&call, &tools->place, &look).code, ERR_NONE);
    tools_file(tools, "project/a", "theirs, mine\n");
    AUTO(tool_result_done) struct tool_result result;
    tool_result_init(&result);
    assert_int_equal(tool_perform(&call, &tools->place, &look, &result).code, ERR_NONE);
    assert_true(result.cause != CARD_DONE);
    assert_string_equal(tools_content(tools, "project/a").text, "theirs, mine\n");
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        TOOLS_TEST(two_hundred_calls_do_not_get_out),
        TOOLS_TEST(an_extra_root_is_no_way_out_either),
        TOOLS_TEST(what_may_be_granted_is_a_folder_where_it_really_is),
        TOOLS_TEST(links_are_removed_and_not_what_they_lead_to),
        TOOLS_TEST(arguments_are_read_strictly),
        TOOLS_TEST(a_link_that_is_swapped_in_leads_nowhere),
        TOOLS_TEST(a_file_that_changes_while_it_is_written_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
