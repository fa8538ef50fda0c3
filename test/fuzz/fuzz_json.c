/* fuzz_json.c: any bytes into json_parse. What it accepts must be written, read again and written
 * the same; what it refuses must come with a sentence. And it must agree with jansson's own reader,
 * but for the differences that are meant: lone surrogates, bounds, and a NUL byte behind the value.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { OUTPUT_MAX = 64 << 20 };

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void write_again(const struct text *first) {
    json_t *json = NULL;
    struct text second;
    text_init(&second, OUTPUT_MAX);
    require(!err_failed(json_parse(first->data, first->len, JSON_DEPTH_MAX, &json, NULL)));
    require(!err_failed(json_write(json, &second)));
    require(second.len == first->len && memcmp(second.data, first->data, first->len) == 0);
    text_done(&second);
    json_release(&json);
}

/* Nothing of the input may be believed by the reader of fields, either. */
static void read_fields(const json_t *json) {
    const char *text = NULL;
    int64_t number = 0;
    bool flag = false;
    json_t *any = NULL, *texts = NULL;
    const struct json_field fields[] = {
        {.name = "a", .kind = JSON_KIND_TEXT, .min = 1, .max = 9, .text = &text},
        {.name = "n", .kind = JSON_KIND_INT, .min = -5, .max = 5, .number = &number},
        {.name = "b", .kind = JSON_KIND_BOOL, .flag = &flag},
        {.name = "data", .kind = JSON_KIND_ANY, .value = &any},
        {.name = "t", .kind = JSON_KIND_TEXTS, .max = 3, .value = &texts},
    };
    struct why why = {""};
    struct err err = json_read_fields(json, fields, COUNT_OF(fields), &why);
    require(err_failed(err) == (why.text[0] != '\0'));
    require(text == NULL || (strlen(text) >= 1 && strlen(text) <= 9));
    require(number >= -5 && number <= 5);
}

static void agree_with_jansson(struct bytes input, const json_t *ours, const struct why *why) {
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_error_t error;
    json_t *theirs = json_loadb(input.data, input.len, flags, &error);
    if (ours == NULL) {
        require(theirs == NULL || memchr(input.data, '\0', input.len) != NULL ||
                strstr(why->text, "nested deeper") != NULL ||
                strstr(why->text, "more than") != NULL);
    } else if (theirs == NULL) {
        require(memmem(input.data, input.len, "\\ud", 3) != NULL ||
                memmem(input.data, input.len, "\\uD", 3) != NULL);
    } else {
        require(json_equal(ours, theirs) == 1);
    }
    json_release(&theirs);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    json_setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    json_t *json = NULL;
    struct why why = {""};
    struct err err = json_parse((const char *)bytes, len, JSON_DEPTH_MAX, &json, &why);
    /* Compact and canonical or not: what parses may stand within other JSON. */
    require(err_failed(err) || json_is_valid((struct bytes){(const char *)bytes, len}));
    agree_with_jansson((struct bytes){(const char *)bytes, len}, json, &why);
    if (err_failed(err)) {
        require(err.code == ERR_BAD_JSON);
        require(json == NULL && strncmp(why.text, "line ", 5) == 0);
        return 0;
    }
    struct text text;
    text_init(&text, OUTPUT_MAX);
    require(!err_failed(json_write(json, &text)));
    write_again(&text);
    read_fields(json);
    text_done(&text);
    json_release(&json);
    return 0;
}
