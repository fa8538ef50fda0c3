/* content_diff.c: see content_diff.h.
 *
 * Git compares contents by their hashes, and names them so in the diff: the head with the paths is
 * written here, in git's form, and the rest is git's. A content that is compared with no file goes
 * through standard input, since for git no hash stands for "no file". */
#include "tool/changes/content_diff.h"

#include "base/hash.h"
#include "rules/changes/names.h"
#include "tool/changes/compare.h"
#include "tool/changes/shadow.h"
#include "tool/changes/steps.h"

enum {
    DIFF_USUAL = 8 << 20,
    DIFF_MAX = 64 << 20,
    CONTENT_MAX = 64 << 20,
    HEAD_MAX = 1024, /* Bytes of git's own head, which has four hashes. */
    MODE_MAX = 8,
};
static const char no_hash[] = "0000000000000000000000000000000000000000";

struct content_pair {
    struct shadow shadow;
    int64_t bytes_max;
    struct text path;                       /* Owned. */
    char before[TREE_HEX], after[TREE_HEX]; /* "": there is no file. */
    char mode[MODE_MAX];                    /* "100644" */
};

static void pair_done(struct content_pair *pair) {
    text_done(&pair->path);
}

static bool hash_read(struct bytes text, char ret_hash[TREE_HEX]) {
    unsigned char hash[(TREE_HEX - 1) / 2];
    if (text.len != TREE_HEX - 1 || !hex_parse(text, hash, sizeof hash)) {
        return false;
    }
    memcpy(ret_hash, text.data, text.len);
    ret_hash[text.len] = '\0';
    return true;
}

/* --- The order -------------------------------------------------------------------------------- */

/* Reads "MODE blob HASH" TAB. Anything but a file is none. */
static void tree_line_read(struct bytes line, struct content_pair *pair) {
    struct bytes mode = {NULL, 0}, type = {NULL, 0}, hash = {NULL, 0};
    if (bytes_next(&line, ' ', &mode) && bytes_next(&line, ' ', &type) &&
        bytes_next(&line, '\t', &hash) && bytes_is(type, "blob") && mode.len < MODE_MAX &&
        hash_read(hash, pair->after)) {
        memcpy(pair->mode, mode.data, mode.len);
        pair->mode[mode.len] = '\0';
    }
}

static struct err tree_look(struct content_pair *pair, struct bytes tree, struct why *why) {
    static const char *const look[] = {"ls-tree", "-z", "--full-tree"};
    char hash[TREE_HEX];
    struct git_words words;
    AUTO(git_result_done) struct git_result result = {.code = 0};
    if (!hash_read(tree, hash)) {
        return err_why(why, ERR_BAD_FIELD, "to: must be the hash of a tree");
    }
    shadow_words(&words);
    git_words_add_all(&words, look, COUNT_OF(look));
    git_words_add(&words, hash);
    git_words_add(&words, "--");
    git_words_add(&words, pair->path.data);
    const struct shadow_call call = {.words = &words};
    TRY(trees_run(&pair->shadow, &call, &result, why));
    tree_line_read(text_bytes(&result.output), pair);
    return ERR_OK;
}

static struct err pair_read(const json_t *order, struct content_pair *pair, struct why *why) {
    const json_t *before = json_object_get(order, "before");
    const json_t *after = json_object_get(order, "after"), *to = json_object_get(order, "to");
    pair->bytes_max = json_int(order, "bytes_max", DIFF_USUAL);
    if (pair->bytes_max < 0 || pair->bytes_max > DIFF_MAX) {
        return err_why(why, ERR_BAD_FIELD, "bytes_max: at most %d", DIFF_MAX);
    }
    if (!change_name_read(json_bytes(order, "path"), &pair->path) ||
        !change_name_is_safe(text_bytes(&pair->path))) {
        return err_why(why, ERR_BAD_FIELD, "path: not the name of a file");
    }
    if ((json_is_string(before) && !hash_read(json_text(before), pair->before)) ||
        (to == NULL && json_is_string(after) && !hash_read(json_text(after), pair->after))) {
        return err_why(why, ERR_BAD_FIELD, "before and after must be hashes of contents, or null");
    }
    TRY(shadow_open(json_str(order, "git", "/usr/bin/git"), json_str(order, "shadow", ""),
                    &pair->shadow, why));
    return to == NULL ? ERR_OK : tree_look(pair, json_text(to), why);
}

/* --- The difference --------------------------------------------------------------------------- */

static void diff_words(struct git_words *words) {
    static const char *const compare[] = {"diff",         "-U3",          "--binary",
                                          "--no-color",   "--full-index", "--no-ext-diff",
                                          "--no-renames", "--no-textconv"};
    shadow_words(words);
    git_words_add_all(words, compare, COUNT_OF(compare));
}

struct content_feed {
    struct bytes piece;
};

static bool content_next(void *ctx, struct bytes *ret_piece) {
    struct content_feed *feed = ctx;
    *ret_piece = feed->piece;
    feed->piece = BYTES("");
    return ret_piece->len > 0;
}

/* Compares with no file. Git's code is 1 where they differ. */
static struct err one_compare(const struct content_pair *pair, struct git_result *ret_result,
                              struct why *why) {
    AUTO(git_result_done) struct git_result content = {.code = 0};
    struct git_words words;
    const bool created = pair->before[0] == '\0';
    shadow_words(&words);
    git_words_add(&words, "cat-file");
    git_words_add(&words, "blob");
    git_words_add(&words, created ? pair->after : pair->before);
    const struct shadow_call read = {.words = &words, .output_max = CONTENT_MAX};
    TRY(trees_run(&pair->shadow, &read, &content, why));
    if (content.cut) {
        return err_why(why, ERR_TOO_EXPENSIVE, "the content is too long");
    }
    diff_words(&words);
    git_words_add(&words, "--no-index");
    git_words_add(&words, "--");
    git_words_add(&words, created ? "/dev/null" : "-");
    git_words_add(&words, created ? "-" : "/dev/null");
    struct content_feed feed = {.piece = text_bytes(&content.output)};
    const struct shadow_call call = {.words = &words,
                                     .feed = {content_next, &feed},
                                     .output_max = (size_t)pair->bytes_max + HEAD_MAX};
    TRY(shadow_run(&pair->shadow, &call, ret_result, why));
    if (!ret_result->cut && ret_result->code != 0 && ret_result->code != 1) {
        const struct bytes complaint = shadow_complaint(ret_result);
        return err_why(why, ERR_INTERNAL, "git failed: %.*s", (int)complaint.len, complaint.data);
    }
    return ERR_OK;
}

static struct err both_compare(const struct content_pair *pair, struct git_result *ret_result,
                               struct why *why) {
    struct git_words words;
    diff_words(&words);
    git_words_add(&words, pair->before);
    git_words_add(&words, pair->after);
    git_words_add(&words, "--");
    const struct shadow_call call = {.words = &words,
                                     .output_max = (size_t)pair->bytes_max + HEAD_MAX};
    return trees_run(&pair->shadow, &call, ret_result, why);
}

/* The part of git's diff after its head: lines, a binary patch, or nothing. */
static struct bytes hunks_of(struct bytes diff) {
    struct bytes rest = diff, line = {NULL, 0};
    while (bytes_next(&rest, '\n', &line)) {
        if (bytes_begin(line, BYTES("@@ ")) || bytes_is(line, "GIT binary patch")) {
            return (struct bytes){line.data, diff.len - (size_t)(line.data - diff.data)};
        }
    }
    return BYTES("");
}

/* Git quotes a path with a control character, a quote or a backslash. */
static bool is_quoted(struct bytes path) {
    bool quoted = false;
    for (size_t i = 0; i < path.len && !quoted; i++) {
        const unsigned char c = (unsigned char)path.data[i];
        quoted = c < ' ' || c == 0x7f || c == '"' || c == '\\';
    }
    return quoted;
}

static void path_write(const char *prefix, struct bytes path, struct text *body) {
    const bool quoted = is_quoted(path);
    text_add_str(body, quoted ? "\"" : "");
    text_add_str(body, prefix);
    for (size_t i = 0; i < path.len; i++) {
        if (quoted && is_quoted((struct bytes){path.data + i, 1})) {
            text_addf(body, "\\%03o", (unsigned)(unsigned char)path.data[i]);
        } else {
            text_add_char(body, path.data[i]);
        }
    }
    text_add_str(body, quoted ? "\"" : "");
}

/* A side of the lines' head. A name with a blank ends with a tab, else `patch` cuts it there. */
static void side_write(const char *sign, const char *prefix, struct bytes path, struct text *body) {
    text_add_str(body, sign);
    if (prefix == NULL) {
        text_add_str(body, "/dev/null\n");
        return;
    }
    path_write(prefix, path, body);
    text_add_str(body, memchr(path.data, ' ', path.len) == NULL ? "\n" : "\t\n");
}

static void head_write(const struct content_pair *pair, bool has_lines, struct text *body) {
    const struct bytes path = text_bytes(&pair->path);
    const bool created = pair->before[0] == '\0', deleted = pair->after[0] == '\0';
    text_add_str(body, "diff --git ");
    path_write("a/", path, body);
    text_add_char(body, ' ');
    path_write("b/", path, body);
    if (created || deleted) {
        text_addf(body, "\n%s file mode %s", created ? "new" : "deleted", pair->mode);
    }
    text_addf(body, "\nindex %s..%s", created ? no_hash : pair->before,
              deleted ? no_hash : pair->after);
    text_addf(body, created || deleted ? "\n" : " %s\n", pair->mode);
    if (has_lines) {
        side_write("--- ", created ? NULL : "a/", path, body);
        side_write("+++ ", deleted ? NULL : "b/", path, body);
    }
}

static struct err pair_compare(const struct content_pair *pair, struct text *body, bool *ret_cut,
                               struct why *why) {
    AUTO(git_result_done) struct git_result result = {.code = 0};
    if (strcmp(pair->before, pair->after) == 0) {
        return ERR_OK;
    }
    const bool both = pair->before[0] != '\0' && pair->after[0] != '\0';
    TRY(both ? both_compare(pair, &result, why) : one_compare(pair, &result, why));
    const struct bytes hunks = hunks_of(text_bytes(&result.output));
    head_write(pair, bytes_begin(hunks, BYTES("@@ ")), body);
    text_add(body, hunks.data, hunks.len);
    if (result.cut || body->len > (size_t)pair->bytes_max) {
        text_clear(body);
        *ret_cut = true;
    }
    return ERR_OK;
}

struct err content_diff(const json_t *order, struct text *answer, struct text *body,
                        struct why *why) {
    AUTO(pair_done)
    struct content_pair pair = {.mode = "100644", .path = text_up_to(LIMIT_PATH_MAX)};
    bool cut = false;
    TRY(pair_read(order, &pair, why));
    TRY(pair_compare(&pair, body, &cut, why));
    if (text_failed(body)) {
        return text_error(body, "changes: diff");
    }
    text_add_char(answer, '{');
    text_add_member_int(answer, "bytes", (int64_t)body->len);
    text_add_member_bool(answer, "cut", cut);
    text_add_char(answer, '}');
    return ERR_OK;
}
