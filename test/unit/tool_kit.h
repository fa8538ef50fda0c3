/* tool_kit.h: a project in a private folder, something outside of it, and calls like a model's. */
#ifndef DROVER_TEST_TOOL_KIT_H
#define DROVER_TEST_TOOL_KIT_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "scale.h"
#include "tool/tool.h"

struct tools {
    char folder[64]; /* Holds project/, outside/, extra/, and closed/ in the project. */
    char project[80], extra[80], closed[96];
    struct toolbox *toolbox;
    struct tool_root roots[2];
    struct permission_rule rules[4];
    struct permission_rules with;
    struct tool_place place;
    struct text problem;
    bool racing; /* Somebody changes the project meanwhile. */
};

static inline void tools_path(const struct tools *tools, const char *name, char *into,
                              size_t size) {
    (void)snprintf(into, size, "%s/%s", tools->folder, name);
}

static inline void tools_put(const struct tools *tools, const char *name, const char *content,
                             size_t len) {
    char path[256];
    tools_path(tools, name, path, sizeof path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static inline void tools_file(const struct tools *tools, const char *name, const char *content) {
    tools_put(tools, name, content, strlen(content));
}

static inline void tools_folder(const struct tools *tools, const char *name) {
    char path[256];
    tools_path(tools, name, path, sizeof path);
    assert_int_equal(mkdir(path, 0700), 0);
}

static inline void tools_link(const struct tools *tools, const char *name, const char *to) {
    char path[256];
    tools_path(tools, name, path, sizeof path);
    assert_int_equal(symlink(to, path), 0);
}

/* What a file holds now; "(none)" when there is none. */
struct tools_content {
    char text[8192];
};
static inline struct tools_content tools_content(const struct tools *tools, const char *name) {
    struct tools_content content = {"(none)"};
    char path[256];
    tools_path(tools, name, path, sizeof path);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        size_t len = fread(content.text, 1, sizeof content.text - 1, file);
        content.text[len] = '\0';
        (void)fclose(file);
    }
    return content;
}

static inline int tools_begin(void **state) {
    struct tools *tools = mem_new(sizeof *tools);
    (void)snprintf(tools->folder, sizeof tools->folder, "/tmp/drover-tools-XXXXXX");
    assert_non_null(mkdtemp(tools->folder));
    tools_folder(tools, "project");
    tools_folder(tools, "outside");
    tools_folder(tools, "extra");
    tools_folder(tools, "project/closed");
    tools_file(tools, "outside/secret", "the secret\n");
    tools_file(tools, "project/closed/drover.db", "the rows\n");
    (void)snprintf(tools->project, sizeof tools->project, "%s/project", tools->folder);
    (void)snprintf(tools->extra, sizeof tools->extra, "%s/extra", tools->folder);
    (void)snprintf(tools->closed, sizeof tools->closed, "%s/closed", tools->project);
    tools->toolbox = toolbox_new();
    tools->roots[0] = (struct tool_root){tools->project, ROOT_WRITE};
    tools->roots[1] = (struct tool_root){tools->extra, ROOT_READ};
    tools->with.rules = tools->rules;
    tools->place = (struct tool_place){.roots = tools->roots,
                                       .root_count = 2,
                                       .home = "",
                                       .closed = tools->closed,
                                       .rules = &tools->with,
                                       .world = world_real(),
                                       .deadline_ns = world_mono_ns(world_real()) +
                                                      (uint64_t)scaled_ms(50000) * 1000000};
    text_init(&tools->problem, 64 << 10);
    *state = tools;
    return 0;
}

static inline int tools_end(void **state) {
    struct tools *tools = *state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", tools->folder);
    assert_int_equal(system(command), 0);
    toolbox_free(tools->toolbox);
    text_done(&tools->problem);
    mem_free(tools);
    return 0;
}

static inline enum err_code tools_read(struct tools *tools, const char *name, const char *arguments,
                                       struct tool_call *ret_call) {
    struct bytes tool = {name, strlen(name)}, input = {arguments, strlen(arguments)};
    return tool_call_read(tools->toolbox, TOOL_SET_ALL, tool, input, ret_call, &tools->problem)
        .code;
}

/* What a call answers: its content, and what is beside it. */
struct tools_answer {
    bool failed;
    char content[TOOL_CONTENT_MAX + 1], diff[TOOL_DIFF_MAX + 1], before[65], notes[4096];
};

static inline void tools_keep(struct tools_answer *answer, const struct tool_result *result) {
    answer->failed = result->cause != CARD_DONE;
    assert_false(text_failed(&result->content));
    if (result->content.len > 0) {
        memcpy(answer->content, result->content.data, result->content.len + 1);
    }
    if (result->diff.len > 0) {
        memcpy(answer->diff, result->diff.data, result->diff.len + 1);
    }
    memcpy(answer->before, result->before.text, sizeof answer->before);
}

/* Looks, and performs what was seen. Owned: mem_free. */
static inline struct tools_answer *tools_call(struct tools *tools, const char *name,
                                              const char *arguments) {
    struct tools_answer *answer = mem_new(sizeof *answer);
    AUTO(tool_call_done) struct tool_call call = {0};
    if (tools_read(tools, name, arguments, &call) != ERR_NONE) {
        answer->failed = true;
        (void)snprintf(answer->content, sizeof answer->content, "%s", tools->problem.data);
        return answer;
    }
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    assert_int_equal(tool_look(&call, &tools->place, &look).code, ERR_NONE);
    AUTO(tool_result_done) struct tool_result result;
    tool_result_init(&result);
    assert_int_equal(tool_perform(&call, &tools->place, &look, &result).code, ERR_NONE);
    tools_keep(answer, &result);
    if (call.notes.len > 0) {
        (void)snprintf(answer->notes, sizeof answer->notes, "%s", call.notes.data);
    }
    /* What a look refuses is not done; unless somebody changed it in between. */
    if (look.refusal.len > 0 && !tools->racing) {
        assert_true(result.cause != CARD_DONE);
    }
    return answer;
}

static inline void tools_expect(struct tools *tools, const char *name, const char *arguments,
                                const char *content) {
    AUTO(mem_release) struct tools_answer *answer = tools_call(tools, name, arguments);
    assert_string_equal(answer->content, content);
    assert_false(answer->failed);
}

static inline void tools_refuse(struct tools *tools, const char *name, const char *arguments,
                                const char *because) {
    AUTO(mem_release) struct tools_answer *answer = tools_call(tools, name, arguments);
    if (!answer->failed || strstr(answer->content, because) == NULL) {
        fail_msg("%s %s: %s", name, arguments, answer->content);
    }
}

#define TOOLS_TEST(name) cmocka_unit_test_setup_teardown(name, tools_begin, tools_end)

#endif
