/* The input is what stands behind "/x?": it is refused, or each value keeps its bounds. */
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "http/target.h"

enum { INPUT_MAX = 8 << 10 };

static const struct query_param table[] = {
    {.name = "after", .kind = QUERY_INT, .min = -1, .max = INT64_MAX, .absent = 0},
    {.name = "limit", .kind = QUERY_INT, .min = 1, .max = 200, .absent = 50},
    {.name = "wait", .kind = QUERY_INT, .min = 0, .max = 60},
    {.name = "snapshot", .kind = QUERY_FLAG},
    {.name = "name", .kind = QUERY_TEXT, .max = 20},
    {.name = NULL},
};

static void look_at(const struct query_value *values) {
    assert(values[0].number >= -1);
    assert(values[1].number >= 1 && values[1].number <= 200);
    assert(values[2].number >= 0 && values[2].number <= 60);
    assert(values[3].number == 0 || values[3].number == 1);
    assert(values[4].text.len <= 20);
    assert(utf8_valid(values[4].text.data, values[4].text.len));
    assert(memchr(values[4].text.data, '\0', values[4].text.len) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const char path[] = "/x?";
    if (len > INPUT_MAX) {
        return 0;
    }
    AUTO(mem_release) char *raw = mem_new(sizeof path - 1 + len);
    AUTO(mem_release) char *scratch = mem_new(sizeof path - 1 + len);
    memcpy(raw, path, sizeof path - 1);
    if (len > 0) {
        memcpy(raw + sizeof path - 1, data, len);
    }
    struct target target;
    struct query_value values[QUERY_PARAMS_MAX];
    struct why why = {0};
    struct err err =
        target_parse((struct bytes){raw, sizeof path - 1 + len}, scratch, &target, &why);
    if (!err_failed(err)) {
        assert(target.pair_count <= TARGET_PAIRS_MAX);
        err = query_read(table, &target, values, &why);
    }
    if (err_failed(err)) {
        assert(why.text[0] != '\0');
        assert(utf8_valid(why.text, strlen(why.text)));
    } else {
        look_at(values);
    }
    return 0;
}
