/* contents.c: see contents.h. */
#include "cli/tree/contents.h"

#include <string.h>

#include "cli/base/quantity.h"
#include "cli/terminal/plain.h"

enum { LOOK_MS = 150 * 1000, HASH_SHOWN = 12 };

struct err tree_get(struct talk *talk, const char *id, json_t **ret_tree, struct why *why) {
    const struct api_request request = {TREE_REQUEST(id), .timeout_ms = LOOK_MS};
    return api_ask(talk, &request, ret_tree, why);
}

void tree_changes_add(const json_t *tree, struct text *text) {
    const json_t *look = json_object_get(tree, "look");
    const char *state = talk_text(look, "state");
    const int64_t files = talk_int(look, "files"), commits = talk_int(look, "commits");
    if (strcmp(state, "whole") != 0 && strcmp(state, "none") != 0) {
        text_add_str(text, "?");
        return;
    }
    if (files > 0) {
        text_addf(text, "%lld file%s +%lld −%lld", (long long)files, plural(files),
                  (long long)talk_int(look, "added"), (long long)talk_int(look, "removed"));
    }
    if (commits > 0) {
        text_addf(text, "%s%lld commit%s", files > 0 ? ", " : "", (long long)commits,
                  plural(commits));
    }
    if (files == 0 && commits == 0) {
        text_add_str(text, strcmp(state, "none") == 0 ? "no folder" : "-");
    }
}

/* "and 3 more" where the list was cut. */
static void rest_add(int64_t count, size_t shown, struct text *lines) {
    if (count > (int64_t)shown) {
        text_addf(lines, "  and %lld more\n", (long long)(count - (int64_t)shown));
    }
}

void tree_lost_add(const json_t *tree, struct text *lines) {
    const json_t *look = json_object_get(tree, "look"), *lost = json_object_get(tree, "lost");
    const json_t *files = json_object_get(lost, "files"), *row = NULL;
    const json_t *commits = json_object_get(lost, "commits");
    size_t at = 0;
    if (json_array_size(files) > 0) {
        text_add_str(lines, "Uncommitted:\n");
    }
    json_array_foreach(files, at, row) {
        text_add_str(lines, "  ");
        plain_add(lines, json_string_value(row));
        text_add_char(lines, '\n');
    }
    rest_add(talk_int(look, "uncommitted"), json_array_size(files), lines);
    if (json_array_size(commits) > 0) {
        text_add_str(lines, "Commits that are on no other branch:\n");
    }
    json_array_foreach(commits, at, row) {
        text_addf(lines, "  %.*s  ", HASH_SHOWN, talk_text(row, "commit"));
        plain_add(lines, talk_text(row, "subject"));
        text_add_char(lines, '\n');
    }
    rest_add(talk_int(look, "commits"), json_array_size(commits), lines);
}
