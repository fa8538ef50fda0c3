/* page.c: see page.h. */
#include "cli/board/page.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/api.h"
#include "cli/base/quantity.h"
#include "cli/base/table.h"
#include "cli/run/view.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/paint.h"
#include "cli/terminal/plain.h"
#include "rules/board/task.h"

enum { PAGE_LINE_MAX = 64 << 10 };

struct page {
    const struct invocation *invocation;
    struct paint paint;
    int64_t now_ms;
};

/* --- Lines ------------------------------------------------------------------------------------ */

static void page_line_print(const struct page *page, struct text *line) {
    cells_wrap_words(line, 0, page->paint.columns);
    printf("%s\n", text_bytes(line).data);
}

/* Lines of a text, below what they belong to. */
static void block_print(const struct page *page, const char *block) {
    struct bytes rest = bytes_trim(bytes_of(block), "\n"), part;
    while (bytes_next(&rest, '\n', &part)) {
        AUTO(text_done) struct text line = text_up_to(2 * TASK_OUTPUT_MAX);
        text_add_str(&line, "    ");
        plain_add_line(part, &line);
        page_line_print(page, &line);
    }
}

static void section_print(const struct page *page, const char *title) {
    printf("\n%s%s%s\n", paint_begin(&page->paint, COLOUR_BOLD), title,
           paint_end(&page->paint, COLOUR_BOLD));
}

/* The heading of a list; nothing where it is empty. */
static bool list_begin(const struct page *page, const char *title, const json_t *rows) {
    if (json_array_size(rows) == 0) {
        return false;
    }
    section_print(page, title);
    return true;
}

/* "  3 min ago  NAME" */
static void made_add(const struct page *page, const json_t *row, const char *who,
                     struct text *line) {
    const char *name = talk_text(row, who);
    text_addf(line, "  %-11s  ", talk_ago(talk_int(row, "made_ms"), page->now_ms).text);
    plain_add(line, name[0] != '\0' ? name : "-");
}

/* --- What must be true, and links ------------------------------------------------------------- */

static void musts_print(const struct page *page, const json_t *musts) {
    static const char *const words[][2] = {{"file", "there is the file "},
                                           {"command", "the command exits with 0: "},
                                           {"output", "there is an output of the type "},
                                           {"text", "an output contains: "},
                                           {"unchanged", "nothing changes below "}};
    const json_t *must = NULL;
    size_t at = 0;
    if (!list_begin(page, "must", musts)) {
        return;
    }
    json_array_foreach(musts, at, must) {
        AUTO(text_done) struct text line = text_up_to(PAGE_LINE_MAX);
        const char *sentence = json_string_value(must);
        text_add_str(&line, "  - ");
        plain_add(&line, sentence != NULL ? sentence : "");
        for (size_t i = 0; i < COUNT_OF(words); i++) {
            const char *value = talk_text(must, words[i][0]);
            if (value[0] != '\0') {
                text_add_str(&line, words[i][1]);
                plain_add(&line, value);
            }
        }
        page_line_print(page, &line);
    }
}

static void links_print(const struct page *page, const json_t *links) {
    const json_t *link = NULL;
    size_t at = 0;
    if (list_begin(page, "links", links)) {
        json_array_foreach(links, at, link) {
            printf("  %s %s\n", talk_text(link, "kind"), talk_text(link, "task"));
        }
    }
}

/* --- What is written down about it ------------------------------------------------------------ */

/* Lists come with the newest first; a page reads from the oldest on. */
static void rows_print(const struct page *page, const json_t *task, const char *name,
                       void (*row_print)(const struct page *page, const json_t *row)) {
    const json_t *rows = json_object_get(task, name);
    if (list_begin(page, name, rows)) {
        for (size_t i = json_array_size(rows); i-- > 0;) {
            row_print(page, json_array_get(rows, i));
        }
    }
}

static void output_print(const struct page *page, const json_t *row) {
    AUTO(text_done) struct text line = text_up_to(PAGE_LINE_MAX);
    made_add(page, row, "agent", &line);
    text_addf(&line, "  %s  %s  %lld byte%s  ", talk_text(row, "id"), talk_text(row, "type"),
              (long long)talk_int(row, "bytes"), plural(talk_int(row, "bytes")));
    plain_add(&line, talk_text(row, "title"));
    page_line_print(page, &line);
    block_print(page, talk_text(row, "summary"));
}

static void comment_print(const struct page *page, const json_t *row) {
    AUTO(text_done) struct text line = text_up_to(PAGE_LINE_MAX);
    made_add(page, row, "author", &line);
    page_line_print(page, &line);
    block_print(page, talk_text(row, "body"));
    if (json_is_true(json_object_get(row, "cut"))) {
        puts("    …");
    }
}

/* How it reached its model, and which failures were counted; the other members stand elsewhere. */
static void metadata_print(const struct page *page, const json_t *metadata) {
    AUTO(text_done) struct text line = text_up_to(PAGE_LINE_MAX);
    const char *transport = talk_text(metadata, "transport"), *name = NULL;
    const json_t *count = NULL;
    if (transport[0] != '\0') {
        text_add_str(&line, "transport ");
        plain_add(&line, transport);
    }
    json_object_foreach(json_object_get(metadata, "counters"), name, count) {
        if (json_integer_value(count) > 0) {
            text_addf(&line, "%s%s failures %lld", line.len > 0 ? ", " : "", name,
                      (long long)json_integer_value(count));
        }
    }
    if (line.len > 0) {
        block_print(page, text_bytes(&line).data);
    }
}

static void attempt_print(const struct page *page, const json_t *row) {
    AUTO(text_done) struct text line = text_up_to(PAGE_LINE_MAX);
    const char *outcome = talk_text(row, "outcome"), *run = talk_text(row, "run");
    const json_t *metadata = json_object_get(row, "metadata");
    made_add(page, row, "agent", &line);
    text_addf(&line, "  #%lld  ", (long long)talk_int(row, "attempt_number"));
    plain_add(&line, outcome[0] != '\0'                                     ? outcome
                     : json_is_integer(json_object_get(row, "checking_ms")) ? "is being checked"
                                                                            : "goes on");
    if (outcome[0] != '\0') {
        text_addf(&line, "  %s", run_span(talk_int(metadata, "duration_ms")).text);
    }
    text_addf(&line, "%s%s", run[0] != '\0' ? "  " : "", run);
    page_line_print(page, &line);
    block_print(page, talk_text(row, "note"));
    metadata_print(page, metadata);
}

static void review_print(const struct page *page, const json_t *row) {
    const json_t *reason = NULL;
    AUTO(text_done) struct text line = text_up_to(PAGE_LINE_MAX);
    size_t at = 0;
    made_add(page, row, "reviewer", &line);
    text_add_str(&line, json_is_true(json_object_get(row, "accept")) ? "  accepted" : "  rejected");
    page_line_print(page, &line);
    json_array_foreach(json_object_get(row, "reasons"), at, reason) {
        block_print(page, json_string_value(reason));
    }
}

/* Reasons are a list in an event: as sentences. */
static void event_words_add(const char *words, struct text *line) {
    AUTO(json_release) json_t *list = NULL;
    const bool is_list =
        !err_failed(json_parse_wrapped(bytes_of(words), &list, NULL)) && json_is_array(list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *reason = json_string_value(json_array_get(list, i));
        text_add_str(line, i > 0 ? "; " : "");
        plain_add(line, reason != NULL ? reason : "");
    }
    plain_add(line, is_list ? "" : words);
}

/* The type, and the members of its detail that are words. */
static void event_print(const struct page *page, const json_t *row) {
    const json_t *detail = json_object_get(row, "detail"), *value = NULL;
    AUTO(text_done) struct text line = text_up_to(PAGE_LINE_MAX);
    const char *name = NULL;
    made_add(page, row, "agent", &line);
    text_addf(&line, "  %s", talk_text(row, "type"));
    json_object_foreach((json_t *)(uintptr_t)detail, name, value) {
        const bool is_empty = json_is_string(value) && strcmp(json_string_value(value), "[]") == 0;
        if (json_is_string(value) && strcmp(name, "attempt") != 0 && !is_empty) {
            text_addf(&line, ", %s ", name);
            event_words_add(json_string_value(value), &line);
        } else if (json_is_integer(value)) {
            text_addf(&line, ", %s %lld", name, (long long)json_integer_value(value));
        }
    }
    page_line_print(page, &line);
}

/* --- The page --------------------------------------------------------------------------------- */

/* Members that have a section of their own: texts of several lines, and lists of objects. */
static const char *const texts[] = {"description", "detail", "question", "answer", NULL};
static const char *const lists[] = {"must_haves", "links", NULL};

/* The other fields, as commands show those of any resource. */
static void fields_print(const struct page *page, const json_t *task) {
    struct table_columns made;
    size_t kept = 0;
    unsigned ignored = 0;
    table_columns_of(&task_resource.fields, TABLE_LINES, &made);
    for (size_t i = 0; made.rows[i].title != NULL; i++) {
        struct column column = made.rows[i];
        const struct bytes member = bytes_of(column.member);
        column.kind = bytes_is(member, "not_before_ms") ? COLUMN_TIME : column.kind;
        if (!bytes_find(member, texts, &ignored) && !bytes_find(member, lists, &ignored)) {
            made.rows[kept++] = column;
        }
    }
    made.rows[kept] = (struct column)COLUMN_END;
    table_lines(page->invocation, made.rows, made.key_width, task);
}

static void texts_print(const struct page *page, const json_t *task) {
    for (size_t i = 0; texts[i] != NULL; i++) {
        const char *text = talk_text(task, texts[i]);
        if (text[0] != '\0') {
            section_print(page, texts[i]);
            block_print(page, text);
        }
    }
}

void task_page_print(const struct invocation *invocation, const json_t *task) {
    const struct page page = {.invocation = invocation,
                              .paint = paint_of(STDOUT_FILENO, &invocation->env),
                              .now_ms = world_wall_ms(invocation->world)};
    const char *waits = talk_text(task, "waits");
    fields_print(&page, task);
    if (waits[0] != '\0') {
        AUTO(text_done) struct text line = text_up_to(PAGE_LINE_MAX);
        text_addf(&line, "\n%s is %s: ", talk_text(task, "name"), talk_text(task, "status"));
        plain_add(&line, waits);
        page_line_print(&page, &line);
    }
    texts_print(&page, task);
    musts_print(&page, json_object_get(task, "must_haves"));
    links_print(&page, json_object_get(task, "links"));
    rows_print(&page, task, "outputs", output_print);
    rows_print(&page, task, "comments", comment_print);
    rows_print(&page, task, "attempts", attempt_print);
    rows_print(&page, task, "reviews", review_print);
    rows_print(&page, task, "events", event_print);
}
