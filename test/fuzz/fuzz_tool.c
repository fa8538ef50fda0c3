/* fuzz_tool.c: what models write. The first byte says to whom it goes: a schema (and a value behind
 * the first NUL), a call, an answer with printed calls, a page, a redirect.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json/schema.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "tool/printed.h"
#include "tool/repair.h"
#include "tool/tool.h"
#include "tool/web/html.h"
#include "tool/web/web.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct toolbox *toolbox;

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static bool known(void *ctx, struct bytes name) {
    (void)ctx;
    enum tool_id id;
    return tool_find(name, &id);
}

/* A value that fits is never changed. */
static void repair(const struct json_schema *schema, struct bytes raw) {
    json_t *json = NULL;
    struct text told;
    text_init(&told, 1 << 20);
    if (!err_failed(repair_parse(raw, &json, &told, NULL))) {
        struct json_faults faults;
        bool fitted = !err_failed(json_schema_check(schema, json, &faults));
        text_clear(&told);
        require(!err_failed(repair_values(schema, &json, &told)));
        require(!fitted || told.len == 0);
    }
    json_release(&json);
    text_done(&told);
}

static void try_schema(struct bytes input) {
    const char *split = memchr(input.data, '\0', input.len);
    size_t first = split == NULL ? input.len : (size_t)(split - input.data);
    size_t behind = split == NULL ? input.len : first + 1;
    json_t *source = NULL;
    struct why why = {""};
    if (err_failed(json_parse(input.data, first, JSON_DEPTH_MAX, &source, NULL))) {
        return;
    }
    struct json_schema *schema = NULL;
    if (err_failed(json_schema_compile(source, &schema, &why))) {
        require(why.text[0] == '#');
    } else {
        repair(schema, (struct bytes){input.data + behind, input.len - behind});
    }
    json_schema_free(schema);
    json_release(&source);
}

static void try_call(struct bytes input) {
    for (unsigned i = 0; i < TOOL_COUNT; i++) {
        const char *name = tool_get((enum tool_id)i)->name;
        struct tool_call call = {0};
        struct text problem;
        text_init(&problem, 1 << 20);
        struct err err = tool_call_read(toolbox, TOOL_SET_ALL, (struct bytes){name, strlen(name)},
                                        input, &call, &problem);
        require(err_failed(err) == (problem.len > 0));
        require(err_failed(err) || json_is_object(call.input));
        tool_call_done(&call);
        text_done(&problem);
    }
}

static void try_printed(struct bytes input) {
    struct printed_names names = {.known = known};
    struct printed printed = {0};
    require(!err_failed(printed_read(input, &names, &printed)));
    require(printed.text.len <= input.len);
    require(printed.count > 0 || printed.text.len == input.len);
    printed_done(&printed);
}

static void try_page(struct bytes input) {
    struct text text;
    text_init(&text, 8 * input.len + 64);
    html_to_text(input, &text);
    require(!text_failed(&text));
    if (utf8_valid(input.data, input.len)) {
        require(utf8_valid(text.data == NULL ? "" : text.data, text.len));
    }
    text_done(&text);
}

static void try_url(struct bytes input) {
    static const struct url base = {"https://host:1/a/b?c"};
    struct url url;
    if (url_join(&base, input, &url)) {
        struct url again;
        require(url_join(NULL, (struct bytes){url.text, strlen(url.text)}, &again));
        require(strcmp(url.text, again.text) == 0);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    json_setup();
    toolbox = toolbox_new();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len == 0 || len > 64 << 10) {
        return 0;
    }
    struct bytes input = {(const char *)bytes + 1, len - 1};
    switch (bytes[0]) {
    case 's':
        try_schema(input);
        break;
    case 'c':
        try_call(input);
        break;
    case 'p':
        try_printed(input);
        break;
    case 'h':
        try_page(input);
        break;
    default:
        try_url(input);
        break;
    }
    return 0;
}
