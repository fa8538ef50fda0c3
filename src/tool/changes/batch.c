/* batch.c: see batch.h. */
#include "tool/changes/batch.h"

bool batch_input_next(void *ctx, struct bytes *ret_piece) {
    struct batch_input *input = ctx;
    *ret_piece = input->piece;
    input->piece = BYTES("");
    return ret_piece->len > 0;
}

struct err batch_read(const struct shadow *shadow, struct bytes hashes,
                      struct git_result *ret_result, struct why *why) {
    static const char *const read[] = {"cat-file", "--batch"};
    struct git_words words;
    struct batch_input input = {.piece = hashes};
    shadow_words(&words);
    git_words_add_all(&words, read, COUNT_OF(read));
    const struct shadow_call call = {.words = &words, .feed = {batch_input_next, &input}};
    return shadow_must(shadow, &call, ret_result, why);
}

/* "HASH blob SIZE" LF, the content, LF. */
bool batch_next(struct bytes *rest, struct bytes *ret_content) {
    static const char kind[] = " blob ";
    struct bytes line = {NULL, 0};
    if (!bytes_next(rest, '\n', &line) || line.len < TREE_HEX - 1 + sizeof kind - 1 ||
        memcmp(line.data + TREE_HEX - 1, kind, sizeof kind - 1) != 0) {
        return false;
    }
    size_t size = 0;
    for (size_t i = TREE_HEX - 1 + sizeof kind - 1; i < line.len; i++) {
        if (line.data[i] < '0' || line.data[i] > '9' || size > GIT_OUTPUT_MAX) {
            return false;
        }
        size = size * 10 + (size_t)(line.data[i] - '0');
    }
    if (size >= rest->len) {
        return false;
    }
    *ret_content = (struct bytes){rest->data, size};
    *rest = (struct bytes){rest->data + size + 1, rest->len - size - 1};
    return true;
}

struct err batch_store(const struct shadow *shadow, struct bytes content, char ret_hash[TREE_HEX],
                       struct why *why) {
    static const char *const store[] = {"hash-object", "-w", "--stdin"};
    AUTO(git_result_done) struct git_result result = {.code = 0};
    struct git_words words;
    struct batch_input input = {.piece = content};
    shadow_words(&words);
    git_words_add_all(&words, store, COUNT_OF(store));
    const struct shadow_call call = {.words = &words, .feed = {batch_input_next, &input}};
    TRY(shadow_must(shadow, &call, &result, why));
    const struct bytes line = bytes_trim(text_bytes(&result.output), "\n");
    if (line.len != TREE_HEX - 1) {
        return err_why(why, ERR_INTERNAL, "git stored a content without a name");
    }
    memcpy(ret_hash, line.data, line.len);
    ret_hash[line.len] = '\0';
    return ERR_OK;
}
