/* test_script_catalog.c: places, precedence, what is broken, what leads out. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "script/catalog.h"

struct scene {
    char top[64], project[96], home[96], config[96];
    struct catalog_search search;
};

static void make(const char *base, const char *folders) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", base, folders);
    for (char *slash = path + strlen(base); slash != NULL; slash = strchr(slash + 1, '/')) {
        char end = *slash;
        *slash = '\0';
        (void)mkdir(path, 0700); /* It may be there. */
        *slash = end;
    }
    (void)mkdir(path, 0700);
}

static void write_file(const char *base, const char *name, const char *text) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", base, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void write_named(const char *base, const char *file, const char *name) {
    char text[300];
    (void)snprintf(text, sizeof text,
                   "export const meta = {name: '%s', description: 'of %s'}\nreturn 1", name, file);
    write_file(base, file, text);
}

static int scene_begin(void **state) {
    struct scene *scene = mem_new(sizeof *scene);
    (void)snprintf(scene->top, sizeof scene->top, "/tmp/drv-catalog-XXXXXX");
    assert_non_null(mkdtemp(scene->top));
    (void)snprintf(scene->project, sizeof scene->project, "%s/repo/app", scene->top);
    (void)snprintf(scene->home, sizeof scene->home, "%s/me", scene->top);
    (void)snprintf(scene->config, sizeof scene->config, "%s/config", scene->top);
    make(scene->top, "repo/.git");
    make(scene->top, "repo/.claude/workflows");
    make(scene->project, ".drover/workflows");
    make(scene->project, ".boocode/workflows");
    make(scene->home, ".claude/workflows");
    make(scene->top, "config/workflows");
    scene->search = (struct catalog_search){.root = scene->project, .home = scene->home};
    *state = scene;
    return 0;
}

static int scene_end(void **state) {
    struct scene *scene = *state;
    char command[100];
    (void)snprintf(command, sizeof command, "rm -r %s", scene->top);
    int failed = system(command);
    mem_free(scene);
    return failed;
}

static const struct catalog_entry *entry_of(const struct catalog *catalog, const char *name,
                                            unsigned number) {
    for (unsigned i = 0; i < catalog->entry_count; i++) {
        if (strcmp(catalog->entries[i].name, name) == 0 && number-- == 0) {
            return &catalog->entries[i];
        }
    }
    return NULL;
}

static bool ends_with(const char *text, const char *end) {
    return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void the_nearest_place_counts_and_the_others_are_told(void **state) {
    struct scene *scene = *state;
    write_named(scene->top, "repo/.claude/workflows/a.js", "twice");
    write_named(scene->project, ".boocode/workflows/b.mjs", "twice");
    write_named(scene->home, ".claude/workflows/c.js", "twice");
    write_named(scene->top, "config/workflows/d.js", "configured");
    write_named(scene->home, ".claude/workflows/deep.js", "deep-research");
    scene->search.config_dir = scene->config;
    AUTO(catalog_done) struct catalog catalog;
    struct why why;
    assert_int_equal(catalog_read(&scene->search, &catalog, &why).code, ERR_NONE);
    const struct catalog_entry *first = entry_of(&catalog, "twice", 0);
    const struct catalog_entry *second = entry_of(&catalog, "twice", 1);
    const struct catalog_entry *third = entry_of(&catalog, "twice", 2);
    assert_true(ends_with(first->file, "/repo/app/.boocode/workflows/b.mjs"));
    assert_null(first->shadowed_by);
    assert_true(ends_with(second->file, "/repo/.claude/workflows/a.js"));
    assert_string_equal(second->shadowed_by, first->file);
    assert_int_equal(second->origin, CATALOG_PROJECT);
    assert_string_equal(third->shadowed_by, first->file);
    assert_int_equal(third->origin, CATALOG_HOME);
    assert_non_null(entry_of(&catalog, "configured", 0));
    const struct catalog_entry *own = entry_of(&catalog, "deep-research", 0);
    const struct catalog_entry *ours = entry_of(&catalog, "deep-research", 1);
    assert_int_equal(own->origin, CATALOG_HOME);
    assert_int_equal(ours->origin, CATALOG_BUILT_IN);
    assert_string_equal(ours->file, "built-in/deep-research.js");
    assert_string_equal(ours->shadowed_by, own->file);
}

static void what_stands_above_the_repository_is_not_the_projects(void **state) {
    struct scene *scene = *state;
    make(scene->top, ".drover/workflows");
    write_named(scene->top, ".drover/workflows/above.js", "above");
    AUTO(catalog_done) struct catalog catalog;
    struct why why;
    assert_int_equal(catalog_read(&scene->search, &catalog, &why).code, ERR_NONE);
    assert_null(entry_of(&catalog, "above", 0));
    assert_int_equal(catalog.place_count, 3 + 3 + 3 + 1);
    scene->search.root = "/nowhere/at/all";
    AUTO(catalog_done) struct catalog none;
    assert_int_equal(catalog_read(&scene->search, &none, &why).code, ERR_BAD_FIELD);
    scene->search.root = "relative";
    assert_int_equal(catalog_read(&scene->search, &none, &why).code, ERR_BAD_FIELD);
}

static void a_broken_file_is_listed_and_nothing_runs_in_its_place(void **state) {
    struct scene *scene = *state;
    write_file(scene->project, ".drover/workflows/review-code.js",
               "export const meta = {\nname: f()}");
    write_file(scene->project,
               ".drover/workflows/b\xff"
               "d.js",
               "");
    AUTO(catalog_done) struct catalog catalog;
    struct why why;
    assert_int_equal(catalog_read(&scene->search, &catalog, &why).code, ERR_NONE);
    assert_false(entry_of(&catalog, "b?d", 0)->valid);
    const struct catalog_entry *broken = entry_of(&catalog, "review-code", 0);
    assert_false(broken->valid);
    assert_int_equal(broken->fault.line, 2);
    assert_string_equal(broken->fault.code, "bad_meta");
    assert_non_null(entry_of(&catalog, "review-code", 1)->shadowed_by);
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    assert_int_equal(catalog_find(&scene->search, BYTES("review-code"), &script, &why).code,
                     ERR_NONE);
    assert_false(script.entry.valid);
    assert_int_equal(catalog_judge(&script).code, ERR_NONE);
    assert_int_equal(script.notes.count, 0);
    AUTO(text_done) struct text json;
    text_init(&json, 1 << 20);
    catalog_script_write(&script, &json);
    assert_non_null(strstr(json.data, "\"form\":null,\"error\":{\"line\":2,\"column\":7,"));
    assert_non_null(strstr(json.data, "\"source\":\"export const meta = {\\nname: f()}\""));
}

static void a_link_that_leads_out_is_told_and_not_followed(void **state) {
    struct scene *scene = *state;
    char path[200], target[200];
    write_named(scene->top, "secret.js", "secret");
    (void)snprintf(path, sizeof path, "%s/.drover/workflows/out.js", scene->project);
    (void)snprintf(target, sizeof target, "%s/secret.js", scene->top);
    assert_int_equal(symlink(target, path), 0);
    (void)snprintf(path, sizeof path, "%s/.drover/workflows/up.js", scene->project);
    assert_int_equal(symlink("../../../../secret.js", path), 0);
    (void)snprintf(path, sizeof path, "%s/.drover/workflows/dir.js", scene->project);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/.drover/workflows/within.js", scene->project);
    write_named(scene->project, ".drover/workflows/real.js", "real");
    assert_int_equal(symlink("real.js", path), 0);
    (void)snprintf(path, sizeof path, "%s/.claude", scene->project);
    assert_int_equal(symlink("../../me/.claude", path), 0);
    AUTO(catalog_done) struct catalog catalog;
    struct why why;
    assert_int_equal(catalog_read(&scene->search, &catalog, &why).code, ERR_NONE);
    assert_null(entry_of(&catalog, "secret", 0));
    assert_string_equal(entry_of(&catalog, "out", 0)->fault.code, "unreadable");
    assert_non_null(strstr(entry_of(&catalog, "up", 0)->fault.message, "leads out"));
    assert_non_null(strstr(entry_of(&catalog, "dir", 0)->fault.message, "not a plain file"));
    assert_non_null(entry_of(&catalog, "real", 1));
    assert_false(catalog.places[1].found);
    assert_non_null(strstr(catalog.places[1].problem, "leads out"));
}

static void an_unknown_name_is_answered_with_near_ones_and_places(void **state) {
    struct scene *scene = *state;
    write_named(scene->project, ".drover/workflows/a.js", "deep-researcher");
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    struct why why;
    assert_int_equal(catalog_find(&scene->search, BYTES("deep-reserch"), &script, &why).code,
                     ERR_WORKFLOW_NOT_FOUND);
    assert_non_null(strstr(why.text, "there is no workflow 'deep-reserch'; did you mean deep-res"));
    assert_non_null(strstr(why.text, "deep-research"));
    assert_non_null(strstr(why.text, "deep-researcher"));
    assert_non_null(strstr(why.text, "/repo/app/.{drover,claude,boocode}/workflows"));
    assert_non_null(strstr(why.text, "built-in"));
    assert_int_equal(catalog_find(&scene->search, BYTES("zzz"), &script, &why).code,
                     ERR_WORKFLOW_NOT_FOUND);
    assert_non_null(strstr(why.text, "there is no workflow 'zzz'. Searched: "));
}

static struct err save_over(struct catalog_script *script, const char *text, struct why *why) {
    const struct catalog_save save = {
        .text = bytes_of(text), .hash = bytes_of(script->entry.hash.text), .random = 1};
    return catalog_save(script, &save, why);
}

static void flows_stand_in_folders_of_their_own(void **state) {
    struct scene *scene = *state;
    make(scene->project, ".drover/flows");
    make(scene->top, "repo/.boocode/flows");
    make(scene->home, ".boocode/flows");
    make(scene->home, ".claude/flows");
    make(scene->config, "flows");
    write_named(scene->project, ".drover/workflows/w.js", "ship");
    write_file(scene->project, ".drover/flows/ship.js", "export default { description: 'mine' }");
    write_file(scene->top, "repo/.boocode/flows/a.mjs", "export default { name: 'ship' }");
    write_file(scene->home, ".boocode/flows/b.js", "module.exports = { name: 'check' }");
    write_named(scene->home, ".boocode/flows/broken.js", "a-workflow");
    write_file(scene->home, ".claude/flows/c.js", "export default { name: 'unseen' }");
    write_file(scene->config, "flows/d.js", "export default { name: 'unseen' }");
    scene->search.kind = SCRIPT_FLOW;
    scene->search.config_dir = scene->config;
    AUTO(catalog_done) struct catalog catalog;
    struct why why;
    assert_int_equal(catalog_read(&scene->search, &catalog, &why).code, ERR_NONE);
    const struct catalog_entry *first = entry_of(&catalog, "ship", 0);
    const struct catalog_entry *second = entry_of(&catalog, "ship", 1);
    assert_true(ends_with(first->file, "/repo/app/.drover/flows/ship.js"));
    assert_true(first->valid);
    assert_int_equal(first->form, SCRIPT_FORM_FLOW);
    assert_string_equal(second->shadowed_by, first->file);
    assert_null(entry_of(&catalog, "ship", 2)); /* The workflow of that name is no flow. */
    assert_int_equal(entry_of(&catalog, "check", 0)->origin, CATALOG_HOME);
    assert_string_equal(entry_of(&catalog, "broken", 0)->fault.code, "no_flow");
    assert_null(entry_of(&catalog, "unseen", 0));
    assert_int_equal(catalog.place_count, 2 + 2 + 2 + 1);
    AUTO(text_done) struct text json;
    text_init(&json, 1 << 20);
    catalog_write(&catalog, &json);
    static const char begins[] =
        "{\"flows\":[{\"name\":\"ship\",\"description\":\"mine\",\"file\":";
    assert_memory_equal(json.data, begins, sizeof begins - 1);
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    assert_int_equal(catalog_find(&scene->search, BYTES("check"), &script, &why).code, ERR_NONE);
    assert_int_equal(save_over(&script, "module.exports = {name: 'check', steps: []}", &why).code,
                     ERR_NONE);
    AUTO(catalog_script_done) struct catalog_script none = {.source = NULL};
    assert_int_equal(catalog_find(&scene->search, BYTES("chek"), &none, &why).code,
                     ERR_FLOW_NOT_FOUND);
    assert_non_null(strstr(why.text, "there is no flow 'chek'; did you mean check? Searched: "));
    assert_non_null(strstr(why.text, "/repo/app/.{drover,boocode}/flows, "));
    assert_non_null(strstr(why.text, "/me/.{drover,boocode}/flows, built-in"));
    assert_null(strstr(why.text, "workflows"));
    AUTO(catalog_script_done) struct catalog_script path = {.source = NULL};
    assert_int_equal(catalog_open(&scene->search, ".drover/flows/ship.js", &path, &why).code,
                     ERR_NONE);
    assert_true(path.entry.valid);
}

static void of_two_who_read_one_text_a_single_one_saves_over_it(void **state) {
    static const char text[] = "export const meta = {name: 'a', description: 'b'}\nreturn 2";
    struct scene *scene = *state;
    char path[200];
    write_named(scene->project, ".drover/workflows/a.js", "a");
    AUTO(catalog_script_done) struct catalog_script first = {.source = NULL};
    AUTO(catalog_script_done) struct catalog_script second = {.source = NULL};
    struct why why = {.text = ""};
    assert_int_equal(catalog_find(&scene->search, BYTES("a"), &first, &why).code, ERR_NONE);
    assert_int_equal(catalog_find(&scene->search, BYTES("a"), &second, &why).code, ERR_NONE);
    (void)snprintf(path, sizeof path, "%s/.drover/workflows", scene->project);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(folder, LOCK_EX), 0);
    assert_int_equal(save_over(&first, text, &why).code, ERR_CONFLICT);
    assert_non_null(strstr(why.text, "is being saved"));
    assert_int_equal(close(folder), 0);
    assert_int_equal(save_over(&first, text, &why).code, ERR_NONE);
    assert_int_equal(save_over(&second, second.source, &why).code, ERR_CONFLICT);
    assert_non_null(strstr(why.text, "has changed since it was read"));
    AUTO(catalog_script_done) struct catalog_script now = {.source = NULL};
    assert_int_equal(catalog_find(&scene->search, BYTES("a"), &now, &why).code, ERR_NONE);
    assert_string_equal(now.source, text);
}

static void a_path_is_beneath_the_root_or_absolute(void **state) {
    struct scene *scene = *state;
    char path[200];
    struct why why;
    write_named(scene->project, "one.js", "one");
    write_named(scene->top, "two.js", "two");
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    assert_int_equal(catalog_open(&scene->search, "./one.js", &script, &why).code, ERR_NONE);
    assert_string_equal(script.entry.name, "one");
    assert_int_equal(script.entry.origin, CATALOG_PATH);
    AUTO(catalog_script_done) struct catalog_script other = {.source = NULL};
    assert_int_equal(catalog_open(&scene->search, "../../two.js", &other, &why).code,
                     ERR_BAD_FIELD);
    assert_int_equal(catalog_open(&scene->search, "three.js", &other, &why).code,
                     ERR_WORKFLOW_NOT_FOUND);
    assert_int_equal(catalog_open(&scene->search, ".drover", &other, &why).code, ERR_BAD_FIELD);
    assert_null(other.source);
    (void)snprintf(path, sizeof path, "%s/two.js", scene->top);
    assert_int_equal(catalog_open(&scene->search, path, &other, &why).code, ERR_NONE);
    assert_string_equal(other.entry.name, "two");
    scene->search.root = NULL;
    assert_int_equal(catalog_open(&scene->search, "one.js", &other, &why).code, ERR_BAD_FIELD);
}

static void more_files_than_are_read_are_admitted(void **state) {
    struct scene *scene = *state;
    for (int i = 0; i <= CATALOG_FILES_MAX; i++) {
        char file[64];
        (void)snprintf(file, sizeof file, ".drover/workflows/w%04d.js", i);
        write_named(scene->project, file, file);
    }
    write_file(scene->project, ".drover/workflows/.hidden.js", "");
    write_file(scene->project, ".drover/workflows/readme.md", "");
    AUTO(catalog_done) struct catalog catalog;
    struct why why;
    assert_int_equal(catalog_read(&scene->search, &catalog, &why).code, ERR_NONE);
    assert_int_equal(catalog.places[0].files, CATALOG_FILES_MAX);
    assert_true(catalog.places[0].truncated);
    assert_true(ends_with(catalog.entries[0].file, "w0000.js"));
}

static void those_built_in_are_valid_and_say_what_they_take(void **state) {
    (void)state;
    struct catalog_search nowhere = {.root = NULL};
    AUTO(catalog_done) struct catalog catalog;
    struct why why;
    size_t count = 0;
    (void)builtin_list(&count);
    assert_int_equal(catalog_read(&nowhere, &catalog, &why).code, ERR_NONE);
    assert_int_equal(count, 6);
    assert_null(builtin_list(&count)[count].file);
    assert_int_equal(catalog.entry_count, count);
    for (unsigned i = 0; i < count; i++) {
        const struct catalog_entry *entry = &catalog.entries[i];
        if (!entry->valid) {
            print_error("%s:%u:%u: %s\n", entry->file, entry->fault.line, entry->fault.column,
                        entry->fault.message);
        }
        assert_true(entry->valid);
        assert_non_null(json_object_get(entry->meta, "args"));
        assert_non_null(json_object_get(entry->meta, "phases"));
        AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
        struct bytes name = {entry->name, strlen(entry->name)};
        assert_int_equal(catalog_find(&nowhere, name, &script, &why).code, ERR_NONE);
        assert_int_equal(catalog_judge(&script).code, ERR_NONE);
        assert_int_equal(script.notes.count, 0);
    }
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_nearest_place_counts_and_the_others_are_told,
                                        scene_begin, scene_end),
        cmocka_unit_test_setup_teardown(what_stands_above_the_repository_is_not_the_projects,
                                        scene_begin, scene_end),
        cmocka_unit_test_setup_teardown(a_broken_file_is_listed_and_nothing_runs_in_its_place,
                                        scene_begin, scene_end),
        cmocka_unit_test_setup_teardown(a_link_that_leads_out_is_told_and_not_followed, scene_begin,
                                        scene_end),
        cmocka_unit_test_setup_teardown(an_unknown_name_is_answered_with_near_ones_and_places,
                                        scene_begin, scene_end),
        cmocka_unit_test_setup_teardown(flows_stand_in_folders_of_their_own, scene_begin,
                                        scene_end),
        cmocka_unit_test_setup_teardown(of_two_who_read_one_text_a_single_one_saves_over_it,
                                        scene_begin, scene_end),
        cmocka_unit_test_setup_teardown(a_path_is_beneath_the_root_or_absolute, scene_begin,
                                        scene_end),
        cmocka_unit_test_setup_teardown(more_files_than_are_read_are_admitted, scene_begin,
                                        scene_end),
        cmocka_unit_test(those_built_in_are_valid_and_say_what_they_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
