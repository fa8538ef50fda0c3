/* replay.c: feeds a fuzz target each file of its corpus, so that what a fuzzer once found stays
 * found in every ordinary test run.
 *
 * usage: fuzz_TARGET CORPUS_DIRECTORY. An empty or missing corpus is a failure: a replay of nothing
 * proves nothing. The last line counts the inputs.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
/* A target may have one; libFuzzer calls it first, and so do we. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { INPUT_SIZE_MAX = 4 << 20, PATH_SIZE = 4096 };

static bool replay_file(const char *path) {
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return false;
    }
    uint8_t *bytes = mem_new(INPUT_SIZE_MAX);
    size_t len = fread(bytes, 1, INPUT_SIZE_MAX, file);
    bool read = ferror(file) == 0;
    (void)fclose(file); /* Nothing was written. */
    if (read) {
        /* A copy of the exact size, so that a sanitizer sees a read past the end. */
        uint8_t *exact = mem_new(len > 0 ? len : 1);
        memcpy(exact, bytes, len);
        (void)LLVMFuzzerTestOneInput(exact, len); /* Always 0: it crashes or it is well. */
        mem_free(exact);
    }
    mem_free(bytes);
    return read;
}

int main(int argc, char **argv) {
    DIR *corpus = argc == 2 ? opendir(argv[1]) : NULL;
    if (corpus == NULL) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    if (LLVMFuzzerInitialize != NULL) {
        (void)LLVMFuzzerInitialize(&argc, &argv); /* Always 0, by libFuzzer's rules. */
    }
    unsigned replayed = 0, failed = 0;
    for (const struct dirent *entry; (entry = readdir(corpus)) != NULL;) {
        char path[PATH_SIZE];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int len = snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        bool fits = len > 0 && (size_t)len < sizeof path;
        if (fits && replay_file(path)) {
            replayed++;
        } else {
            failed++;
        }
    }
    (void)closedir(corpus); /* Read only. */
    printf("replayed: %u, failed: %u\n", replayed, failed);
    return replayed > 0 && failed == 0 ? 0 : 1;
}
