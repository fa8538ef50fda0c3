/* changes_kit.h: a folder, a shadow repository, and orders to the child that looks at folders. */
#ifndef DROVER_TEST_CHANGES_KIT_H
#define DROVER_TEST_CHANGES_KIT_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "tool/changes/child.h"

struct scene {
    char folder[64];  /* Holds root/, data/ and user/, the user's own folder. */
    char root[96];    /* The folder of the world. */
    char shadow[128]; /* The shadow repository. */
    char world[16];   /* Id of the world. */
    struct text body; /* Body of the last answer. */
};

static inline void shell(const struct scene *scene, const char *command) {
    char line[4096];
    (void)snprintf(line, sizeof line, "cd '%s' && %s", scene->root, command);
    assert_int_equal(system(line), 0);
}

static inline int scene_open(void **state) {
    struct scene *scene = mem_new(sizeof *scene);
    (void)snprintf(scene->folder, sizeof scene->folder, "/tmp/drv-unit-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    (void)snprintf(scene->root, sizeof scene->root, "%s/root", scene->folder);
    (void)snprintf(scene->shadow, sizeof scene->shadow, "%s/data/changes/repo.git", scene->folder);
    char path[256];
    static const char *const folders[] = {"root", "data", "user"};
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", scene->folder, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    assert_int_equal(setenv("HOME", path, 1), 0);
    assert_int_equal(unsetenv("XDG_CONFIG_HOME"), 0);
    assert_int_equal(setenv("GIT_CONFIG_NOSYSTEM", "1", 1), 0);
    (void)snprintf(scene->world, sizeof scene->world, "wld_1");
    scene->body = text_up_to(CHANGES_ANSWER_MAX);
    *state = scene;
    return 0;
}

static inline int scene_close(void **state) {
    struct scene *scene = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", scene->folder,
                   scene->folder);
    assert_int_equal(system(command), 0);
    text_done(&scene->body);
    mem_free(scene);
    return 0;
}

/* Opens for writing; folders above are made. */
static inline int file_open(const struct scene *scene, const char *name) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", scene->root, name);
    for (char *slash = strchr(path + strlen(scene->root) + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700); /* The folder may exist. */
        *slash = '/';
    }
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    return fd;
}

static inline void put(const struct scene *scene, const char *name, const char *text) {
    AUTO(fd_release) int fd = file_open(scene, name);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Members that each order has, and those of `more`, which begins with a comma or is empty. */
static inline json_t *perform(struct scene *scene, const char *what, const char *more) {
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_MAX);
    AUTO(text_done) struct text answer = text_up_to(CHANGES_ANSWER_MAX);
    text_addf(&order, "{\"do\":\"%s\",\"git\":\"/usr/bin/git\",\"shadow\":\"%s\"", what,
              scene->shadow);
    text_add_str(&order, more);
    text_add_char(&order, '}');
    assert_false(text_failed(&order));
    text_clear(&scene->body);
    changes_answer(text_bytes(&order), &answer, &scene->body);
    json_t *json = NULL;
    assert_int_equal(
        json_parse(answer.data, answer.len, JSON_DEPTH_MAX, &json, NULL /* why */).code, ERR_NONE);
    return json;
}

static inline json_t *point_with(struct scene *scene, const char *more) {
    AUTO(text_done) struct text members = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&members, ",\"index\":\"%s\",\"root\":\"%s\",\"kind\":\"git\"", scene->world,
              scene->root);
    text_add_str(&members, more);
    json_t *answer = perform(scene, "point", members.data);
    if (json_object_get(answer, "error") != NULL) {
        fail_msg("%s", json_str(json_object_get(answer, "error"), "detail", ""));
    }
    return answer;
}

struct tree {
    char hash[64];
};

/* The tree of a point. */
static inline struct tree point_tree(struct scene *scene, const char *more) {
    struct tree tree;
    AUTO(json_release) json_t *answer = point_with(scene, more);
    (void)snprintf(tree.hash, sizeof tree.hash, "%s", json_str(answer, "tree", ""));
    assert_int_equal(strlen(tree.hash), 40);
    return tree;
}

/* "from" and "to", before other members of an order. */
static inline json_t *between(struct scene *scene, const char *what, const char *from,
                              const char *to, const char *more) {
    AUTO(text_done) struct text members = text_up_to(CHANGES_ORDER_MAX);
    text_addf(&members, ",\"from\":\"%s\",\"to\":\"%s\"", from, to);
    text_add_str(&members, more);
    return perform(scene, what, members.data);
}

/* Files of a tree, each followed by a blank: "create a,edit b/c,". */
static inline void assert_files(struct scene *scene, const char *from, const char *to,
                                const char *wanted) {
    AUTO(json_release) json_t *answer = between(scene, "list", from, to, "");
    AUTO(text_done) struct text found = text_up_to(CHANGES_ANSWER_MAX);
    const json_t *files = json_object_get(answer, "files");
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        text_addf(&found, "%s %s,", json_str(file, "operation", ""), json_str(file, "path", ""));
    }
    assert_string_equal(found.data == NULL ? "" : found.data, wanted);
}

/* The reason why a path was left out; "": it was not. */
static inline const char *left_out_why(const json_t *answer, const char *path) {
    const json_t *list = json_object_get(answer, "left_out");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (strcmp(json_str(one, "path", ""), path) == 0) {
            return json_str(one, "why", "");
        }
    }
    return "";
}

#endif
