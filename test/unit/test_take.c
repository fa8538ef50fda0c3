/* Points: which files are in the tree of a folder, and which are left out and named. */
#include "base/hash.h"
#include "changes_kit.h"

static void a_folder_without_changes_gives_the_same_tree(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "one\n");
    put(scene, "d/b", "two\n");
    AUTO(json_release) json_t *first = point_with(scene, "");
    AUTO(json_release) json_t *second = point_with(scene, "");
    assert_string_equal(json_str(first, "taken", ""), "new");
    assert_string_equal(json_str(second, "taken", ""), "same");
    assert_string_equal(json_str(first, "tree", ""), json_str(second, "tree", "-"));
    assert_int_equal(json_int(second, "files", 0), 2);
    assert_int_equal(json_int(second, "bytes", 0), 8);
    assert_string_equal(json_str(second, "state", ""), "ready");
    assert_files(scene, "", json_str(second, "tree", ""), "create a,create d/b,");
}

static void an_empty_folder_has_the_empty_tree(void **state) {
    struct scene *scene = *state;
    const struct tree empty = point_tree(scene, "");
    assert_string_equal(empty.hash, "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    put(scene, "a", "a");
    (void)point_tree(scene, "");
    shell(scene, "rm a");
    assert_string_equal(point_tree(scene, "").hash, empty.hash);
}

static void edits_deletions_modes_and_renames_are_seen(void **state) {
    struct scene *scene = *state;
    put(scene, "edit", "1\n2\n3\n");
    put(scene, "delete", "x\n");
    put(scene, "mode", "#!/bin/sh\n");
    put(scene, "Case", "the same\n");
    put(scene, "folder/file", "1\n");
    put(scene, "file", "1\n");
    const struct tree before = point_tree(scene, "");
    put(scene, "edit", "1\n2\n4\n");
    shell(scene, "rm -r delete folder file; chmod +x mode; mv Case case");
    put(scene, "folder", "now a file\n");
    put(scene, "file/in", "now in a folder\n");
    const struct tree after = point_tree(scene, "");
    assert_files(scene, before.hash, after.hash,
                 "rename case,delete delete,edit edit,delete file,create file/in,create "
                 "folder,delete folder/file,mode mode,");
}

static void the_user_s_own_repository_is_never_written(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "a\n");
    shell(scene, "git init -q . && git add a && find .git | sort > ../before && "
                 "sha256sum .git/index .git/HEAD .git/config >> ../before");
    put(scene, "b", "b\n");
    (void)point_tree(scene, "");
    shell(scene, "find .git | sort > ../after && sha256sum .git/index .git/HEAD .git/config >> "
                 "../after && cmp ../before ../after");
}

static void ignored_files_are_left_out_but_not_tracked_ones(void **state) {
    struct scene *scene = *state;
    shell(scene, "git init -q . && echo 'in-exclude' >> .git/info/exclude && "
                 "printf '[core]\\n\\texcludesFile = ~/mine\\n' > ../user/.gitconfig && "
                 "echo in-user > ../user/mine");
    put(scene, ".gitignore", "dist/\n*.log\n");
    put(scene, "dist/main.js", "built\n");
    put(scene, "dist/other.js", "built\n");
    put(scene, "sub/.gitignore", "only-here\n");
    put(scene, "sub/only-here", "x");
    put(scene, "only-here", "x");
    put(scene, "a.log", "x");
    put(scene, "in-exclude", "x");
    put(scene, "in-user", "x");
    shell(scene, "git add -f dist/main.js");
    const struct tree first = point_tree(scene, "");
    assert_files(scene, "", first.hash,
                 "create .gitignore,create dist/main.js,create only-here,create sub/.gitignore,");
    put(scene, "dist/main.js", "built again\n");
    const struct tree second = point_tree(scene, "");
    assert_files(scene, first.hash, second.hash, "edit dist/main.js,");
}

static void the_names_to_ignore_of_a_linked_working_tree_are_those_of_the_repository(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "a\n");
    shell(scene,
          "git init -q . && echo hidden >> .git/info/exclude && git add a && "
          "git -c user.name=n -c user.email=e commit -qm m && git worktree add -q ../tree HEAD "
          "2> ../complaints && mv ../tree ../t && rm -rf ../kept && mv ../root ../kept && "
          "mv ../t ../root && sed -i 's:/root/:/kept/:' ../root/.git");
    put(scene, "hidden", "x");
    put(scene, "b", "b\n");
    assert_files(scene, "", point_tree(scene, "").hash, "create a,create b,");
}

static void named_paths_and_wanted_ones_come_in_though_ignored(void **state) {
    struct scene *scene = *state;
    put(scene, ".gitignore", "*\n!.gitignore\n!.worktreeinclude\n");
    put(scene, "named", "1");
    put(scene, "wanted/x", "2");
    put(scene, "captured/y.conf", "3");
    put(scene, "none", "4");
    assert_files(scene, "", point_tree(scene, ",\"paths\":[\"named\",\"missing\"]").hash,
                 "create .gitignore,create named,");
    put(scene, ".worktreeinclude", "wanted/\n");
    assert_files(scene, "", point_tree(scene, ",\"capture\":[\"captured/*.conf\"]").hash,
                 "create .gitignore,create .worktreeinclude,create captured/y.conf,create "
                 "named,create wanted/x,");
}

static void paths_that_lead_out_are_not_taken(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "a");
    shell(scene, "echo secret > ../outside; ln -s .. up; git init -q .");
    const struct tree tree = point_tree(
        scene, ",\"paths\":[\"../outside\",\"/etc/hostname\",\"up/outside\",\".git/config\"]");
    assert_files(scene, "", tree.hash, "create a,create up,");
}

static void links_are_stored_and_never_followed(void **state) {
    struct scene *scene = *state;
    put(scene, "folder/file", "x\n");
    shell(scene, "ln -s /etc/hostname out; ln -s folder in; ln -s nowhere broken");
    const struct tree tree = point_tree(scene, "");
    AUTO(json_release) json_t *answer = between(scene, "list", "", tree.hash, "");
    const json_t *files = json_object_get(answer, "files");
    assert_int_equal(json_array_size(files), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *file = json_array_get(files, i);
        const bool link = strcmp(json_str(file, "path", ""), "folder/file") != 0;
        assert_string_equal(json_str(file, "mode_after", ""), link ? "120000" : "100644");
    }
    assert_string_equal(point_tree(scene, ",\"paths\":[\"in/file\"]").hash, tree.hash);
    /* A folder that becomes a link to another one: its files are gone, not found behind it. */
    shell(scene, "mv folder real && ln -s real folder");
    assert_files(scene, tree.hash, point_tree(scene, "").hash, "create folder,rename real/file,");
}

static void repositories_within_are_left_out_and_named(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "a");
    put(scene, "deep/nested/x", "x");
    put(scene, "plain/x", "x");
    shell(scene, "git init -q . && git init -q deep/nested");
    AUTO(json_release) json_t *answer = point_with(scene, ",\"paths\":[\"deep/nested/x\"]");
    assert_string_equal(left_out_why(answer, "deep/nested"), "nested");
    assert_int_equal(json_int(answer, "left_out_count", 0), 1);
    assert_files(scene, "", json_str(answer, "tree", ""), "create a,create plain/x,");
}

static void working_trees_of_agents_are_left_out(void **state) {
    struct scene *scene = *state;
    put(scene, "a", "a");
    put(scene, ".drover/worktrees/run_1/x", "x");
    put(scene, ".drover/workflows/y.js", "y");
    assert_files(scene, "", point_tree(scene, ",\"capture\":[\"**/x\"]").hash,
                 "create .drover/workflows/y.js,create a,");
}

static void secrets_are_hashed_and_not_stored(void **state) {
    struct scene *scene = *state;
    put(scene, ".env", "KEY=1\n");
    put(scene, "tls/server.pem", "key\n");
    put(scene, "a", "a");
    AUTO(json_release) json_t *answer = point_with(scene, "");
    const struct sha256 hash = sha256_of("KEY=1\n", 6);
    const struct sha256_hex hex = sha256_hex(&hash);
    assert_string_equal(left_out_why(answer, ".env"), "secret");
    assert_string_equal(json_str(json_object_get(answer, "secrets"), ".env", ""), hex.text);
    assert_non_null(json_object_get(json_object_get(answer, "secrets"), "tls/server.pem"));
    assert_files(scene, "", json_str(answer, "tree", ""), "create a,");
    AUTO(json_release) json_t *captured = point_with(scene, ",\"capture\":[\".env\"]");
    assert_string_equal(left_out_why(captured, ".env"), "");
    assert_files(scene, "", json_str(captured, "tree", ""), "create .env,create a,");
}

static void large_and_special_files_are_left_out_and_named(void **state) {
    struct scene *scene = *state;
    put(scene, "small", "12345");
    put(scene, "large", "123456");
    shell(scene, "mkfifo pipe");
    AUTO(json_release) json_t *answer = point_with(scene, ",\"size_max\":5,\"paths\":[\"pipe\"]");
    assert_string_equal(left_out_why(answer, "large"), "size");
    assert_string_equal(left_out_why(answer, "pipe"), "special");
    assert_files(scene, "", json_str(answer, "tree", ""), "create small,");
    put(scene, "small", "123456"); /* Too large by now: it leaves the tree. */
    assert_files(scene, json_str(answer, "tree", ""), point_tree(scene, ",\"size_max\":5").hash,
                 "delete small,");
}

/* For root every file is readable: the point is then taken as somebody else. */
static void unreadable_files_are_named_and_the_rest_is_taken(void **state) {
    struct scene *scene = *state;
    const bool root = geteuid() == 0;
    put(scene, "known", "before\n");
    put(scene, "a", "a");
    put(scene, "z", "z");
    if (root) {
        shell(scene, "chown -R 65534:65534 ..");
        assert_int_equal(seteuid(65534), 0);
    }
    const struct tree first = point_tree(scene, "");
    put(scene, "known", "after\n");
    put(scene, "new", "x");
    put(scene, "shut/x", "x");
    put(scene, "z", "zz");
    shell(scene, "chmod 0 known new shut");
    AUTO(json_release) json_t *second = point_with(scene, "");
    assert_files(scene, first.hash, json_str(second, "tree", ""), "edit z,");
    assert_string_equal(left_out_why(second, "known"), "unreadable");
    assert_string_equal(left_out_why(second, "new"), "unreadable");
    assert_string_equal(left_out_why(second, "shut"), "unreadable");
    shell(scene, "chmod 700 known new shut && chmod 644 known");
    const struct tree third = point_tree(scene, "");
    assert_files(scene, json_str(second, "tree", ""), third.hash,
                 "edit known,create new,create shut/x,");
    if (root) {
        assert_int_equal(seteuid(0), 0);
    }
}

static void names_of_any_bytes_are_taken(void **state) {
    struct scene *scene = *state;
    put(scene, "new\nline", "1");
    put(scene, "bad\377byte", "2");
    put(scene, "\"quoted\"", "3");
    put(scene, "with blank", "4");
    put(scene, "gr\303\274n", "5");
    put(scene, "-dash", "6");
    put(scene, ":(glob)*", "7");
    const struct tree tree = point_tree(scene, "");
    assert_files(scene, "", tree.hash,
                 "create \"\\\"quoted\\\"\",create -dash,create :(glob)*,create "
                 "\"bad\\377byte\",create gr\303\274n,create \"new\\nline\",create with blank,");
    put(scene, "bad\377byte", "22");
    const struct tree after = point_tree(scene, ",\"paths\":[\"\\\"bad\\\\377byte\\\"\"]");
    assert_files(scene, tree.hash, after.hash, "edit \"bad\\377byte\",");
}

/* Size, inode and time of change in seconds stay as they are, so far as the clock allows: then only
 * the content can say that the file is another one. */
static void a_write_of_the_same_length_in_the_same_second_is_seen(void **state) {
    struct scene *scene = *state;
    char path[160], text[32];
    struct stat about;
    (void)snprintf(path, sizeof path, "%s/a", scene->root);
    put(scene, "a", "state 000\n");
    struct tree before = point_tree(scene, "");
    for (int i = 1; i < 40; i++) {
        assert_int_equal(stat(path, &about), 0);
        AUTO(fd_release) int fd = open(path, O_WRONLY | O_CLOEXEC);
        (void)snprintf(text, sizeof text, "state %03d\n", i);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        const struct timespec times[] = {about.st_atim, about.st_mtim};
        assert_int_equal(futimens(fd, times), 0);
        const struct tree after = point_tree(scene, "");
        assert_string_not_equal(after.hash, before.hash);
        before = after;
    }
    /* The index is no younger than the begin of the pass, in whole seconds. */
    (void)snprintf(path, sizeof path, "%s/worlds/wld_1/index", scene->shadow);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mtim.tv_nsec, 0);
}

static void what_killed_passes_left_is_swept(void **state) {
    struct scene *scene = *state;
    char command[1024];
    put(scene, "a", "a");
    (void)point_tree(scene, "");
    put(scene, "b", "b");
    (void)snprintf(command, sizeof command,
                   "S='%s' && touch $S/worlds/wld_1/busy $S/worlds/wld_1/index.lock "
                   "$S/objects/pack/tmp_pack_abc $S/fast_import_crash_1 && mkdir -p $S/objects/ab "
                   "$S/objects/tmp_objdir-bulk-fsync-1/cd && touch $S/objects/ab/tmp_obj_x "
                   "$S/objects/tmp_objdir-bulk-fsync-1/cd/x",
                   scene->shadow);
    shell(scene, command);
    assert_files(scene, "", point_tree(scene, "").hash, "create a,create b,");
    (void)snprintf(command, sizeof command,
                   "test -z \"$(find '%s' -name 'tmp_*' -o -name '*.lock' -o -name busy -o -name "
                   "'fast_import*')\"",
                   scene->shadow);
    shell(scene, command);
}

static void a_damaged_index_is_made_again(void **state) {
    struct scene *scene = *state;
    char path[192];
    put(scene, "a", "a");
    const struct tree tree = point_tree(scene, "");
    (void)snprintf(path, sizeof path, "%s/worlds/wld_1/index", scene->shadow);
    static const off_t lengths[] = {0, 8, 40, 100};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        assert_int_equal(truncate(path, lengths[i]), 0);
        assert_string_equal(point_tree(scene, "").hash, tree.hash);
    }
}

static void of_a_large_world_only_named_paths_are_taken(void **state) {
    struct scene *scene = *state;
    for (int i = 0; i < 12; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "f%02d", i);
        put(scene, name, "x");
    }
    AUTO(json_release) json_t *answer = point_with(scene, ",\"files_max\":10,\"paths\":[\"f03\"]");
    assert_string_equal(json_str(answer, "state", ""), "large");
    assert_files(scene, "", json_str(answer, "tree", ""), "create f03,");
    put(scene, "f03", "y");
    put(scene, "f04", "y");
    const struct tree second = point_tree(scene, ",\"files_max\":10,\"paths\":[\"f05\"]");
    assert_files(scene, json_str(answer, "tree", ""), second.hash, "edit f03,create f05,");
    scene->world[4] = '2';
    AUTO(json_release) json_t *bytes = point_with(scene, ",\"bytes_max\":5");
    assert_string_equal(json_str(bytes, "state", ""), "large");
}

static void attributes_and_settings_of_the_project_change_no_bytes(void **state) {
    struct scene *scene = *state;
    shell(scene, "git init -q . && git config core.autocrlf true && "
                 "git config filter.bad.clean 'touch ../ran; cat' && "
                 "git config core.fsmonitor 'touch ../ran' && "
                 "printf '#!/bin/sh\\ntouch ../ran\\n' > .git/hooks/post-index-change && "
                 "chmod +x .git/hooks/post-index-change && "
                 "printf '* text=auto eol=crlf filter=bad ident\\n' > .gitattributes");
    put(scene, "a", "one\r\ntwo $Id$\r\n");
    const struct tree first = point_tree(scene, "");
    put(scene, "a", "one\ntwo $Id$\n");
    const struct tree second = point_tree(scene, "");
    assert_files(scene, first.hash, second.hash, "edit a,");
    shell(scene, "test ! -e ../ran");
}

static void the_folder_of_the_daemon_is_no_part_of_a_world_around_it(void **state) {
    struct scene *scene = *state;
    (void)snprintf(scene->shadow, sizeof scene->shadow, "%s/da ta/changes/repo.git", scene->root);
    put(scene, "da ta/database", "x");
    put(scene, "a", "a");
    const struct tree first = point_tree(scene, "");
    assert_files(scene, "", first.hash, "create a,");
    assert_string_equal(point_tree(scene, "").hash, first.hash);
}

static void failures_are_answers(void **state) {
    struct scene *scene = *state;
    static const struct {
        const char *order, *code;
    } rows[] = {
        {"{", "bad_json"},
        {"{\"do\":\"dance\"}", "bad_field"},
        {"{\"do\":\"check\",\"git\":\"/nowhere/git\"}", "git_missing"},
        {"{\"do\":\"point\",\"shadow\":\"x\",\"root\":\"/tmp\"}", "bad_field"},
        {"{\"do\":\"point\",\"shadow\":\"/tmp/drv-none/s.git\",\"index\":\"../w\",\"root\":\"/\"}",
         "bad_field"},
        {"{\"do\":\"point\",\"shadow\":\"/tmp/drv-none/s.git\",\"index\":\"w\","
         "\"root\":\"/nowhere\"}",
         "not_found"},
        {"{\"do\":\"list\",\"shadow\":\"/tmp/drv-none/s.git\",\"from\":\"\",\"to\":\"\"}", "gone"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(text_done) struct text answer = text_up_to(4096);
        AUTO(json_release) json_t *json = NULL;
        changes_answer(bytes_of(rows[i].order), &answer, &scene->body);
        assert_int_equal(json_parse(answer.data, answer.len, JSON_DEPTH_MAX, &json, NULL).code,
                         ERR_NONE);
        const json_t *error = json_object_get(json, "error");
        assert_string_equal(json_str(error, "code", ""), rows[i].code);
        assert_true(strlen(json_str(error, "detail", "")) > 0);
    }
}

static void git_says_its_version(void **state) {
    struct scene *scene = *state;
    AUTO(json_release) json_t *answer = perform(scene, "check", "");
    assert_true(json_str(answer, "version", "")[0] >= '2');
    shell(scene, "printf '#!/bin/sh\\necho git version 2.29.9\\n' > ../git && chmod +x ../git");
    AUTO(text_done) struct text order = text_up_to(512);
    AUTO(text_done) struct text old = text_up_to(4096);
    text_addf(&order, "{\"do\":\"check\",\"git\":\"%s/git\"}", scene->folder);
    changes_answer(text_bytes(&order), &old, &scene->body);
    assert_non_null(strstr(old.data, "\"git_old\""));
}

int main(void) {
    json_setup();
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)
    const struct CMUnitTest tests[] = {
        TEST(a_folder_without_changes_gives_the_same_tree),
        TEST(an_empty_folder_has_the_empty_tree),
        TEST(edits_deletions_modes_and_renames_are_seen),
        TEST(the_user_s_own_repository_is_never_written),
        TEST(ignored_files_are_left_out_but_not_tracked_ones),
        TEST(the_names_to_ignore_of_a_linked_working_tree_are_those_of_the_repository),
        TEST(named_paths_and_wanted_ones_come_in_though_ignored),
        TEST(paths_that_lead_out_are_not_taken),
        TEST(links_are_stored_and_never_followed),
        TEST(repositories_within_are_left_out_and_named),
        TEST(working_trees_of_agents_are_left_out),
        TEST(secrets_are_hashed_and_not_stored),
        TEST(large_and_special_files_are_left_out_and_named),
        TEST(unreadable_files_are_named_and_the_rest_is_taken),
        TEST(names_of_any_bytes_are_taken),
        TEST(a_write_of_the_same_length_in_the_same_second_is_seen),
        TEST(what_killed_passes_left_is_swept),
        TEST(a_damaged_index_is_made_again),
        TEST(of_a_large_world_only_named_paths_are_taken),
        TEST(attributes_and_settings_of_the_project_change_no_bytes),
        TEST(the_folder_of_the_daemon_is_no_part_of_a_world_around_it),
        TEST(failures_are_answers),
        TEST(git_says_its_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
