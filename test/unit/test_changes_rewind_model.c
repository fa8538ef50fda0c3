/* test_changes_rewind_model.c: random histories of two authors, taken back from random points and
 * compared with a plain model. A failure names its seed. */
#include "changes_kit.h"
#include "rules/changes/names.h"

enum {
    PATHS = 10,
    STEPS = 12,
    HISTORIES = 16,
    TEXT_MAX = 2048,
    ME = 1,
    YOU = 2,
    BOTH = 3, /* A step that is shared. */
    MINE = ME,
};

static const char *const paths[PATHS] = {"a",     "b",   "c.sh",  "d/e", "d/f",
                                         "d/g/h", "i i", "\"j\"", "k",   "l/m"};

enum kind { ABSENT, PLAIN, EXECUTABLE, LINK };
struct file {
    enum kind kind;
    char text[TEXT_MAX]; /* Lines, each with a number of its own; of a link, its target. */
};
struct world {
    struct file files[PATHS];
};
struct history {
    struct scene *scene;
    unsigned seed, random;
    int lines;                      /* Number of lines that were made. */
    struct world worlds[STEPS + 1]; /* Before each step, and after the last one. */
    struct tree trees[STEPS + 1];
    int by[STEPS + 1]; /* Authors of the step that leads to a world. */
};

static unsigned pick(struct history *history, unsigned count) {
    history->random = history->random * 1103515245U + 12345U;
    return (history->random >> 16) % count;
}

/* --- The model -------------------------------------------------------------------------------- */

static bool file_same(const struct file *a, const struct file *b) {
    return a->kind == b->kind && (a->kind == ABSENT || strcmp(a->text, b->text) == 0);
}

static bool has_line(const struct file *file, struct bytes line) {
    struct bytes rest = bytes_of(file->kind == PLAIN || file->kind == EXECUTABLE ? file->text : "");
    bool found = false;
    for (struct bytes one; !found && bytes_next(&rest, '\n', &one);) {
        found = bytes_equal(one, line);
    }
    return found;
}

static size_t line_count(const struct file *file) {
    size_t count = 0;
    for (const char *c = file->text; *c != '\0'; c++) {
        count += *c == '\n';
    }
    return count;
}

static char *line_at(struct file *file, size_t number) {
    char *at = file->text;
    for (; number > 0; number--) {
        at = strchr(at, '\n') + 1;
    }
    return at;
}

static void line_insert(struct history *history, struct file *file, int by) {
    char line[32];
    const int len = snprintf(line, sizeof line, "line %d of %d\n", ++history->lines, by);
    char *at = line_at(file, pick(history, (unsigned)line_count(file) + 1));
    assert_true(strlen(file->text) + (size_t)len < TEXT_MAX);
    memmove(at + len, at, strlen(at) + 1);
    memcpy(at, line, (size_t)len);
}

static void line_delete(struct history *history, struct file *file) {
    const size_t count = line_count(file);
    if (count > 0) {
        char *at = line_at(file, pick(history, (unsigned)count));
        const char *end = strchr(at, '\n') + 1;
        memmove(at, end, strlen(end) + 1);
    }
}

static void file_create(struct history *history, struct file *file, int by) {
    *file = (struct file){.kind = PLAIN};
    for (unsigned i = 0; i < 8; i++) {
        line_insert(history, file, by);
    }
}

static void step_make(struct history *history, struct world *world, int by) {
    struct file *file = &world->files[pick(history, PATHS)];
    struct file *other = &world->files[pick(history, PATHS)];
    if (file->kind == ABSENT) {
        file_create(history, file, by);
        return;
    }
    switch (pick(history, 9)) {
    case 0:
        file->kind = ABSENT;
        break;
    case 1:
        if (file != other) {
            *other = *file;
            file->kind = ABSENT;
        }
        break;
    case 2:
        file->kind = file->kind == PLAIN ? EXECUTABLE : file->kind == EXECUTABLE ? PLAIN : ABSENT;
        break;
    case 3:
        *file = (struct file){.kind = LINK};
        (void)snprintf(file->text, sizeof file->text, "target %d", ++history->lines);
        break;
    default:
        if (file->kind == LINK) {
            file_create(history, file, by);
        } else {
            line_insert(history, file, by);
            line_delete(history, file);
        }
        break;
    }
}

/* --- The folder ------------------------------------------------------------------------------- */

static void file_show(const struct scene *scene, const char *name, const struct file *file) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", scene->root, name);
    (void)unlink(path); /* Perhaps there is none. */
    if (file->kind == ABSENT) {
        return;
    }
    put(scene, name, file->kind == LINK ? "" : file->text); /* Makes the folders as well. */
    if (file->kind == LINK) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink(file->text, path), 0);
    } else {
        assert_int_equal(chmod(path, file->kind == EXECUTABLE ? 0755 : 0644), 0);
    }
}

static void world_show(const struct scene *scene, const struct world *world) {
    for (size_t i = 0; i < PATHS; i++) {
        file_show(scene, paths[i], &world->files[i]);
    }
}

static void world_read(const struct scene *scene, struct world *world) {
    for (size_t i = 0; i < PATHS; i++) {
        struct file *file = &world->files[i];
        char path[256];
        struct stat about;
        *file = (struct file){.kind = ABSENT};
        (void)snprintf(path, sizeof path, "%s/%s", scene->root, paths[i]);
        if (lstat(path, &about) < 0) {
            continue;
        }
        if (S_ISLNK(about.st_mode)) {
            file->kind = LINK;
            assert_true(readlink(path, file->text, TEXT_MAX - 1) > 0);
            continue;
        }
        AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC);
        file->kind = (about.st_mode & 0100) != 0 ? EXECUTABLE : PLAIN;
        assert_true(read(fd, file->text, TEXT_MAX - 1) >= 0);
    }
}

static void history_make(struct history *history) {
    struct world *world = &history->worlds[0];
    for (size_t i = 0; i < PATHS - 3; i++) {
        file_create(history, &world->files[i], YOU);
    }
    world_show(history->scene, world);
    history->trees[0] = point_tree(history->scene, "");
    for (size_t step = 1; step <= STEPS; step++) {
        static const int authors[] = {ME, ME, ME, YOU, YOU, 0, BOTH};
        const int by = authors[pick(history, COUNT_OF(authors))];
        world = &history->worlds[step];
        *world = history->worlds[step - 1];
        for (unsigned i = 0; i < 3; i++) {
            step_make(history, world, by);
        }
        history->by[step] = by;
        world_show(history->scene, world);
        history->trees[step] = point_tree(history->scene, "");
    }
}

/* --- The comparison --------------------------------------------------------------------------- */

/* Authors who have changed a path since a step. */
struct touched {
    bool mine, others, shared;
};

static struct touched touched_since(const struct history *history, size_t from, size_t path) {
    struct touched touched = {.mine = false};
    for (size_t step = from + 1; step <= STEPS; step++) {
        if (!file_same(&history->worlds[step - 1].files[path],
                       &history->worlds[step].files[path])) {
            touched.mine = touched.mine || history->by[step] == ME;
            touched.others = touched.others || history->by[step] != ME;
            touched.shared = touched.shared || history->by[step] == BOTH;
        }
    }
    return touched;
}

/* Whether one of the steps of mine since `from` brought a line (or, with `went`, took it away), and
 * no step of others did. */
static bool is_my_line(const struct history *history, size_t from, size_t path, struct bytes line,
                       bool went) {
    bool mine = false, others = false;
    for (size_t step = from + 1; step <= STEPS; step++) {
        const bool before = has_line(&history->worlds[step - 1].files[path], line);
        const bool after = has_line(&history->worlds[step].files[path], line);
        if (before != after && before == went) {
            mine = mine || history->by[step] == ME;
            others = others || history->by[step] != ME;
        }
    }
    return mine && !others;
}

static void merge_check(const struct history *history, size_t from, size_t path,
                        const struct file *found) {
    const struct file *first = &history->worlds[from].files[path];
    const struct file *last = &history->worlds[STEPS].files[path];
    struct bytes rest = bytes_of(found->kind == LINK ? "" : found->text), line;
    while (bytes_next(&rest, '\n', &line)) {
        const bool mine = is_my_line(history, from, path, line, false);
        if (mine && !has_line(first, line)) {
            fail_msg("seed %u: %s: my line stayed: %.*s", history->seed, paths[path], (int)line.len,
                     line.data);
        }
        if (!has_line(last, line) && !is_my_line(history, from, path, line, true)) {
            fail_msg("seed %u: %s: a line came from nowhere: %.*s", history->seed, paths[path],
                     (int)line.len, line.data);
        }
    }
    rest = bytes_of(last->kind == LINK ? "" : last->text);
    while (last->kind != ABSENT && bytes_next(&rest, '\n', &line)) {
        if (!has_line(found, line) && !is_my_line(history, from, path, line, false)) {
            fail_msg("seed %u: %s: a line of others went: %.*s", history->seed, paths[path],
                     (int)line.len, line.data);
        }
    }
}

static json_t *plan_order(struct history *history, size_t from, bool force) {
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more, ",\"mine\":%d,\"steps\":[", MINE);
    for (size_t step = from + 1; step <= STEPS; step++) {
        text_addf(&more, "%s{\"tree\":\"%s\",\"by\":%d}", step > from + 1 ? "," : "",
                  history->trees[step].hash, history->by[step]);
    }
    text_add_str(&more, "],\"force\":[");
    for (size_t i = 0; i < PATHS && force; i++) {
        AUTO(text_done) struct text name = text_up_to(100);
        change_name_write(bytes_of(paths[i]), &name);
        text_add_str(&more, i > 0 ? "," : "");
        text_add_json(&more, name.data, name.len);
    }
    text_add_char(&more, ']');
    return between(history->scene, "rewind", history->trees[from].hash, history->trees[STEPS].hash,
                   more.data);
}

static void plan_apply(struct history *history, const json_t *plan, const char *way) {
    struct scene *scene = history->scene;
    AUTO(text_done) struct text more = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&more, ",\"root\":\"%s\",\"folder\":\"%s/data/staging\",\"name\":\"rw_1\"",
              scene->root, scene->folder);
    text_addf(&more, ",\"way\":\"%s\"", way);
    json_add_member(&more, "files", json_object_get(plan, "files"));
    AUTO(json_release) json_t *answer = perform(scene, "apply", more.data);
    assert_string_equal(json_str(answer, "state", ""), "applied");
}

static bool is_refused(const json_t *plan, const char *path) {
    AUTO(text_done) struct text name = text_up_to(100);
    const json_t *refused = json_object_get(plan, "refused");
    bool found = false;
    change_name_write(bytes_of(path), &name);
    for (size_t i = 0; i < json_array_size(refused) && !found; i++) {
        found = strcmp(json_str(json_array_get(refused, i), "path", ""), name.data) == 0;
    }
    return found;
}

/* Numbers of paths that were merged, and refused. */
struct counts {
    int merged, refused, exact;
};

static void rewind_check(struct history *history, size_t from, bool force, struct counts *counts) {
    const struct world *first = &history->worlds[from], *last = &history->worlds[STEPS];
    struct world found;
    AUTO(json_release) json_t *plan = plan_order(history, from, force);
    plan_apply(history, plan, "forward");
    world_read(history->scene, &found);
    for (size_t i = 0; i < PATHS; i++) {
        const struct touched touched = touched_since(history, from, i);
        const bool refused = is_refused(plan, paths[i]);
        const bool exact = force ? touched.mine || touched.shared : touched.mine && !touched.others;
        const struct file *wanted = exact ? &first->files[i] : &last->files[i];
        counts->refused += refused;
        counts->exact += exact;
        if (touched.mine && touched.others && !force && !refused) {
            counts->merged++;
            merge_check(history, from, i, &found.files[i]);
            continue;
        }
        const bool may_refuse = touched.mine && touched.others && !force;
        if ((refused && !may_refuse) || !file_same(&found.files[i], wanted)) {
            fail_msg("seed %u: %s from step %zu%s is not as wanted", history->seed, paths[i], from,
                     refused ? " (refused)" : "");
        }
    }
    plan_apply(history, plan, "back");
    world_read(history->scene, &found);
    for (size_t i = 0; i < PATHS; i++) {
        assert_true(file_same(&found.files[i], &last->files[i]));
    }
    shell(history->scene, "rm -rf ../data/staging && ! find . -name '.drover-*' | grep .");
}

static void random_histories_are_taken_back_as_the_model_says(void **state) {
    struct scene *scene = *state;
    struct history *history = mem_new(sizeof *history);
    struct counts counts = {0};
    for (unsigned seed = 1; seed <= HISTORIES; seed++) {
        *history = (struct history){.scene = scene, .seed = seed, .random = seed * 7919};
        shell(scene, "find . -mindepth 1 -delete");
        history_make(history);
        rewind_check(history, pick(history, STEPS), false, &counts);
        rewind_check(history, pick(history, STEPS), true, &counts);
    }
    mem_free(history);
    assert_true(counts.exact > 50);
    assert_true(counts.merged > 10);
    assert_true(counts.refused > 10);
}

int main(void) {
    json_setup();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_histories_are_taken_back_as_the_model_says,
                                        scene_open, scene_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
