/* agent_tools.c: which of our tools a definition of Claude Code means. */
#include <string.h>

#include "tool/agent_types.h"

static const struct {
    const char *name;
    enum tool_id id;
} theirs[] = {
    {"Read", TOOL_READ_FILE},      {"Write", TOOL_WRITE_FILE}, {"Edit", TOOL_EDIT_FILE},
    {"MultiEdit", TOOL_EDIT_FILE}, {"Glob", TOOL_LIST_FILES},  {"LS", TOOL_LIST_FILES},
    {"Grep", TOOL_SEARCH_FILES},   {"Bash", TOOL_RUN_COMMAND}, {"Bash", TOOL_RUN_JOB},
    {"WebFetch", TOOL_WEB_FETCH},  {"Skill", TOOL_LOAD_SKILL},
};

tool_set agent_tools_named(struct bytes word) {
    tool_set tools = bytes_is(word, "*") ? TOOL_SET_ALL : 0;
    for (size_t i = 0; i < COUNT_OF(theirs); i++) {
        tools |= bytes_is(word, theirs[i].name) ? tool_set_of(theirs[i].id) : 0;
    }
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        tools |=
            bytes_is(word, tool_get((enum tool_id)id)->name) ? tool_set_of((enum tool_id)id) : 0;
    }
    return tools;
}

/* Cuts off whatever stands around a word of a list, in each of the ways in which one is written:
 * "-" before it is the sign of an item, and never within a name here. */
static struct bytes word_trim(struct bytes word) {
    static const char around[] = " \t\r\n'\"[]";
    word = bytes_trim(word, around);
    while (word.len > 0 && word.data[0] == '-') {
        word = bytes_trim((struct bytes){word.data + 1, word.len - 1}, around);
    }
    return word;
}

/* Where a comment ends that begins at `at`; `at`: there is none. */
static size_t comment_end(struct bytes list, size_t at) {
    bool begins = at == 0 || memchr(" \t\r\n", list.data[at - 1], 4) != NULL;
    if (list.data[at] != '#' || !begins) {
        return at;
    }
    const char *newline = memchr(list.data + at, '\n', list.len - at);
    return newline == NULL ? list.len : (size_t)(newline - list.data);
}

/* A comma within brackets is one of a pattern, and ends no word. */
tool_set agent_tools_read(struct bytes list) {
    tool_set tools = 0;
    size_t from = 0, depth = 0;
    for (size_t i = 0; i <= list.len; i++) {
        size_t end = i;
        i = i < list.len ? comment_end(list, i) : i;
        char c = i < list.len ? list.data[i] : ',';
        depth += c == '(';
        depth -= c == ')' && depth > 0;
        bool ends = i == list.len || c == '\n' || (c == ',' && depth == 0);
        if (ends) {
            tools |= agent_tools_named(word_trim((struct bytes){list.data + from, end - from}));
            from = i + 1;
            depth = 0;
        }
    }
    return tools;
}

static bool is_of_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* However it is written: each name that stands there. */
tool_set agent_tools_denied(struct bytes list) {
    tool_set tools = agent_tools_read(list);
    size_t from = 0;
    for (size_t i = 0; i <= list.len; i++) {
        size_t end = i;
        i = i < list.len ? comment_end(list, i) : i;
        if (i == list.len || end != i || !is_of_name(list.data[i])) {
            tools |= agent_tools_named((struct bytes){list.data + from, end - from});
            from = i + 1;
        }
    }
    return tools;
}
