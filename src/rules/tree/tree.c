/* tree.c: the texts of a tree as JSON. */
#include "rules/tree/tree.h"

static const char *const tree_texts[TREE_TEXTS] = {
    "path",    "root",  "base",  "top",   "from",     "git",       "branch",
    "attempt", "start", "stage", "setup", "teardown", "setup_run", "ports"};

void tree_texts_read(const json_t *worktree, const char *ret_texts[static TREE_TEXTS]) {
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        ret_texts[i] = json_str(worktree, tree_texts[i], "");
    }
}

void tree_texts_write(char *const texts[static TREE_TEXTS], struct text *text) {
    text_add_char(text, '{');
    for (size_t i = 0; i < TREE_TEXTS; i++) {
        if (i < TREE_BRANCH || texts[i][0] != '\0') {
            text_add_member(text, tree_texts[i], bytes_of(texts[i]));
        }
    }
    text_add_char(text, '}');
}
