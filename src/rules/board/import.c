/* import.c: see import.h. First what all forms share, then one after the other. */
#include "rules/board/import.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "rules/board/task.h"

enum { SOURCE_ID = 16 /* Hexadecimal digits of the name of an item. */, TAB = 4 };

/* --- A task ----------------------------------------------------------------------------------- */

struct found {
    struct bytes source, title, description, type;
    int64_t priority;
    json_t *after; /* Owned by the callee; NULL: nothing. */
};

static json_t *text_of(struct bytes text) {
    return json_stringn(text.len > 0 ? text.data : "", text.len);
}

/* A text that is too long is cut; a title that was stands whole in the description. */
static struct err task_add(const struct found *found, json_t *io_list, struct why *why) {
    AUTO(json_release) json_t *task = json_object();
    AUTO(text_done) struct text about = text_up_to(2 * TASK_DESCRIPTION_MAX);
    json_t *after = found->after != NULL ? found->after : json_array();
    const size_t title = utf8_cut(found->title, TASK_TITLE_MAX);
    const size_t most = utf8_cut(found->description, TASK_DESCRIPTION_MAX - TASK_TEXT_MAX);
    if (json_array_size(io_list) >= IMPORT_TASKS_MAX) {
        json_decref(after);
        return err_why(why, ERR_BAD_FIELD, "more than %d tasks are too many for one import",
                       IMPORT_TASKS_MAX);
    }
    if (title < found->title.len) {
        const size_t whole = utf8_cut(found->title, TASK_TEXT_MAX / 2);
        text_addf(&about, "%.*s\n\n", (int)whole, found->title.data);
    }
    text_add(&about, found->description.data, most);
    if (most < found->description.len) {
        text_add_str(&about, "\n… (cut)");
    }
    const struct bytes type =
        found->type.len > 0 && found->type.len <= TASK_WORD_MAX ? found->type : BYTES("general");
    const bool failed =
        task == NULL || text_failed(&about) ||
        json_object_set_new(task, "source", text_of(found->source)) != 0 ||
        json_object_set_new(task, "title", text_of((struct bytes){found->title.data, title})) !=
            0 ||
        json_object_set_new(task, "description", text_of(text_bytes(&about))) != 0 ||
        json_object_set_new(task, "type", text_of(type)) != 0 ||
        json_object_set_new(task, "priority", json_integer(found->priority)) != 0;
    const bool kept = json_object_set_new(task, "after", after) == 0; /* Ends it in any case. */
    return failed || !kept || json_array_append(io_list, task) != 0
               ? err_make(ERR_OUT_OF_MEMORY, "import: task")
               : ERR_OK;
}

static void waits_add(json_t *after, const char *prefix, struct bytes id) {
    char source[TASK_SOURCE_MAX + 1];
    const int len = snprintf(source, sizeof source, "%s%.*s", prefix, (int)id.len, id.data);
    if (len > 0 && (size_t)len < sizeof source) {
        (void)json_array_append_new(after, json_string(source)); /* Else it waits for less. */
    }
}

/* "PREFIX" and the id of a task, as its source. ERR_BAD_FIELD: it has none that fits. */
static struct err source_write(char ret_source[TASK_SOURCE_MAX + 1], const char *prefix,
                               struct bytes id, struct why *why) {
    const int len =
        snprintf(ret_source, TASK_SOURCE_MAX + 1, "%s%.*s", prefix, (int)id.len, id.data);
    return id.len > 0 && len > 0 && len <= TASK_SOURCE_MAX
               ? ERR_OK
               : err_why(why, ERR_BAD_FIELD, "a task of the file has no id of 1 to %d bytes",
                         TASK_SOURCE_MAX - (int)strlen(prefix));
}

/* --- Markdown --------------------------------------------------------------------------------- */

struct item {
    size_t indent;
    char source[TASK_SOURCE_MAX + 1];
    struct text title, description; /* Owned. */
    json_t *after;                  /* Owned. */
    bool ticked;
};

struct checklist {
    const char *file;    /* The last part of its path. */
    struct text heading; /* Owned: the headings above. */
    struct item items[IMPORT_DEPTH_MAX];
    size_t depth;
    bool fenced; /* Within ``` lines. */
    size_t seen;
    json_t *list;
    struct why *why;
};

static size_t indent_of(struct bytes line, size_t *ret_bytes) {
    size_t columns = 0, at = 0;
    for (; at < line.len && (line.data[at] == ' ' || line.data[at] == '\t'); at++) {
        columns += line.data[at] == '\t' ? TAB - columns % TAB : 1;
    }
    *ret_bytes = at;
    return columns;
}

static struct bytes trimmed(struct bytes text) {
    while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1])) {
        text.len--;
    }
    while (text.len > 0 && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.len--;
    }
    return text;
}

/* Length of "- ", "* ", "+ ", "1. " or "2) " at the begin of a line; 0: there is no bullet. */
static size_t bullet_len(struct bytes line) {
    size_t at = 0;
    while (at < line.len && isdigit((unsigned char)line.data[at])) {
        at++;
    }
    const char *marks = at > 0 ? ".)" : "-*+";
    if (at == line.len || line.data[at] == '\0' || strchr(marks, line.data[at]) == NULL) {
        return 0;
    }
    for (at++; at < line.len && line.data[at] == ' ';) {
        at++;
    }
    return at;
}

/* "- [ ] TITLE", "* [x] TITLE", "1. [ ] TITLE" */
static bool box_read(struct bytes line, bool *ret_ticked, struct bytes *ret_title) {
    const size_t at = bullet_len(line);
    if (at == 0 || at + 4 > line.len || line.data[at] != '[' || line.data[at + 2] != ']' ||
        line.data[at + 3] != ' ') {
        return false;
    }
    const char box = line.data[at + 1];
    *ret_ticked = box == 'x' || box == 'X';
    *ret_title = trimmed((struct bytes){line.data + at + 4, line.len - at - 4});
    return (*ret_ticked || box == ' ') && ret_title->len > 0;
}

/* An item has been read whole. */
static struct err item_close(struct checklist *checklist) {
    struct item *item = &checklist->items[--checklist->depth];
    struct err err = ERR_OK;
    if (!item->ticked) {
        const struct found found = {.source = bytes_of(item->source),
                                    .title = text_bytes(&item->title),
                                    .description = trimmed(text_bytes(&item->description)),
                                    .type = BYTES(""),
                                    .priority = TASK_PRIORITY_DEFAULT,
                                    .after = json_incref(item->after)};
        err = text_failed(&item->description)
                  ? err_why(checklist->why, ERR_BAD_FIELD, "the text below '%.*s' is too long",
                            (int)utf8_cut(found.title, 80), found.title.data)
                  : task_add(&found, checklist->list, checklist->why);
    }
    text_done(&item->title);
    text_done(&item->description);
    json_release(&item->after);
    return err;
}

static struct err items_close(struct checklist *checklist, size_t indent) {
    struct err err = ERR_OK;
    while (checklist->depth > 0 && checklist->items[checklist->depth - 1].indent >= indent &&
           !err_failed(err)) {
        err = item_close(checklist);
    }
    return err;
}

/* The name of an item follows from the file, what stands above it, and its words. Of several that
 * are equal each has its number. */
static void item_name(const struct checklist *checklist, struct item *item) {
    struct sha256_stream stream;
    char source[TASK_SOURCE_MAX + 1];
    for (unsigned same = 0; same <= IMPORT_TASKS_MAX; same++) {
        bool taken = false;
        size_t i = 0;
        json_t *other = NULL;
        sha256_start(&stream);
        sha256_add(&stream, checklist->file, strlen(checklist->file) + 1);
        sha256_add(&stream, text_bytes(&checklist->heading).data, checklist->heading.len);
        for (size_t above = 0; above < checklist->depth; above++) {
            const struct bytes title = text_bytes(&checklist->items[above].title);
            sha256_add(&stream, "\n", 1);
            sha256_add(&stream, title.data, title.len);
        }
        sha256_add(&stream, "\n\n", 2);
        sha256_add(&stream, text_bytes(&item->title).data, item->title.len);
        sha256_add(&stream, &same, sizeof same);
        const struct sha256 hash = sha256_finish(&stream);
        (void)snprintf(source, sizeof source, "markdown:%.*s", SOURCE_ID, sha256_hex(&hash).text);
        json_array_foreach(checklist->list, i, other) {
            taken = taken || strcmp(json_str(other, "source", ""), source) == 0;
        }
        if (!taken) {
            break;
        }
    }
    memcpy(item->source, source, sizeof source);
}

static struct err item_open(struct checklist *checklist, size_t indent, bool ticked,
                            struct bytes title) {
    const struct err err = items_close(checklist, indent);
    if (err_failed(err)) {
        return err;
    }
    if (checklist->depth == IMPORT_DEPTH_MAX) {
        return err_why(checklist->why, ERR_BAD_FIELD, "'%.*s' stands more than %d items deep",
                       (int)utf8_cut(title, 80), title.data, IMPORT_DEPTH_MAX);
    }
    struct item *item = &checklist->items[checklist->depth];
    *item = (struct item){.indent = indent,
                          .title = text_up_to(TASK_TEXT_MAX),
                          .description = text_up_to(TASK_DESCRIPTION_MAX),
                          .after = json_array(),
                          .ticked = ticked};
    text_add(&item->title, title.data, utf8_cut(title, TASK_TEXT_MAX - 1));
    item_name(checklist, item);
    for (size_t above = checklist->depth; above > 0 && !ticked; above--) {
        if (!checklist->items[above - 1].ticked) {
            (void)json_array_append_new(checklist->items[above - 1].after,
                                        json_string(item->source));
            break;
        }
    }
    checklist->depth++;
    return ERR_OK;
}

/* A line that is no item: a heading, or words about the item above it. */
static struct err words_read(struct checklist *checklist, struct bytes line, size_t indent) {
    const struct bytes words = trimmed(line);
    struct err err = ERR_OK;
    if (words.len > 0 && !checklist->fenced) {
        err = items_close(checklist, indent);
    }
    if (words.len > 0 && words.data[0] == '#' && indent == 0 && !checklist->fenced) {
        text_clear(&checklist->heading);
        text_add(&checklist->heading, words.data, utf8_cut(words, TASK_TEXT_MAX - 1));
    } else if (checklist->depth > 0) {
        struct item *item = &checklist->items[checklist->depth - 1];
        size_t own = 0, bytes = 0;
        while (bytes < line.len && own <= item->indent + 1 &&
               (line.data[bytes] == ' ' || line.data[bytes] == '\t')) {
            own += line.data[bytes++] == '\t' ? TAB : 1;
        }
        text_addf(&item->description, "%.*s\n", (int)(line.len - bytes), line.data + bytes);
    }
    return err;
}

static struct err line_read(struct checklist *checklist, struct bytes line) {
    size_t bytes = 0;
    const size_t indent = indent_of(line, &bytes);
    const struct bytes rest = {line.data + bytes, line.len - bytes};
    struct bytes title;
    bool ticked = false;
    if (!checklist->fenced && box_read(rest, &ticked, &title)) {
        checklist->seen++;
        return item_open(checklist, indent, ticked, title);
    }
    const struct err err = words_read(checklist, line, indent);
    checklist->fenced ^= bytes_begin(rest, BYTES("```"));
    return err;
}

static struct err markdown_read(const char *name, struct bytes file, json_t *io_list,
                                struct why *why) {
    const char *slash = strrchr(name, '/');
    struct checklist checklist = {.file = slash == NULL ? name : slash + 1,
                                  .heading = text_up_to(TASK_TEXT_MAX),
                                  .list = io_list,
                                  .why = why};
    struct bytes line;
    struct err err = ERR_OK;
    while (!err_failed(err) && bytes_next(&file, '\n', &line)) {
        err = line_read(&checklist, line);
    }
    while (checklist.depth > 0) {
        const struct err closed = item_close(&checklist);
        err = err_failed(err) ? err : closed;
    }
    text_done(&checklist.heading);
    return err_failed(err) || checklist.seen > 0
               ? err
               : err_why(why, ERR_BAD_FIELD,
                         "'%.300s' has no tasks: a Markdown list with boxes (\"- [ ] Fix it\"), "
                         "issues as GitHub's JSON, .beads/issues.jsonl and tasks of Claude Code "
                         "are read",
                         name);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static struct bytes label_type(const json_t *issue) {
    static const char *const known[][2] = {
        {"bug", "bug"}, {"enhancement", "feature"}, {"documentation", "documentation"}};
    size_t i = 0;
    json_t *label = NULL;
    json_array_foreach(json_object_get(issue, "labels"), i, label) {
        const struct bytes name =
            json_is_string(label) ? json_text(label) : json_bytes(label, "name");
        for (size_t j = 0; j < COUNT_OF(known); j++) {
            if (bytes_is(name, known[j][0])) {
                return bytes_of(known[j][1]);
            }
        }
    }
    return BYTES("");
}

static struct err github_read(const json_t *issue, json_t *io_list, struct why *why) {
    char number[32], source[TASK_SOURCE_MAX + 1];
    const struct bytes state = json_bytes(issue, "state");
    const struct bytes page = json_bytes(issue, "html_url"), url = json_bytes(issue, "url");
    const json_t *no = json_object_get(issue, "number");
    if (bytes_is(state, "closed") || bytes_is(state, "CLOSED") ||
        json_object_get(issue, "pull_request") != NULL) {
        return ERR_OK;
    }
    (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(no)); /* Fits. */
    const bool has_page = page.len > 0 || url.len > 0;
    const struct err err = has_page ? source_write(source, "", page.len > 0 ? page : url, why)
                                    : source_write(source, "github:", bytes_of(number), why);
    const struct found found = {.source = bytes_of(source),
                                .title = trimmed(json_bytes(issue, "title")),
                                .description = json_bytes(issue, "body"),
                                .type = label_type(issue),
                                .priority = TASK_PRIORITY_DEFAULT};
    return err_failed(err) ? err : task_add(&found, io_list, why);
}

/* The most urgent is 0 there, of 5. */
static struct err bead_read(const json_t *bead, json_t *io_list, struct why *why) {
    static const int64_t priorities[] = {9, 7, 5, 3, 1};
    char source[TASK_SOURCE_MAX + 1];
    size_t i = 0;
    json_t *need = NULL;
    const json_t *given = json_object_get(bead, "priority");
    const json_int_t priority = json_integer_value(given);
    const bool known = json_is_integer(given) && priority >= 0 && priority < 5;
    if (bytes_is(json_bytes(bead, "status"), "closed") ||
        bytes_is(json_bytes(bead, "status"), "tombstone")) {
        return ERR_OK;
    }
    const struct err err = source_write(source, "beads:", json_bytes(bead, "id"), why);
    if (err_failed(err)) {
        return err;
    }
    json_t *after = json_array();
    json_array_foreach(json_object_get(bead, "dependencies"), i, need) {
        if (bytes_is(json_bytes(need, "type"), "blocks")) {
            waits_add(after, "beads:", json_bytes(need, "depends_on_id"));
        }
    }
    const struct found found = {.source = bytes_of(source),
                                .title = trimmed(json_bytes(bead, "title")),
                                .description = json_bytes(bead, "description"),
                                .type = json_bytes(bead, "issue_type"),
                                .priority = known ? priorities[priority] : TASK_PRIORITY_DEFAULT,
                                .after = after};
    return task_add(&found, io_list, why);
}

/* The folder of a file is its list. */
static struct err claude_read(const char *name, const json_t *task, json_t *io_list,
                              struct why *why) {
    char source[TASK_SOURCE_MAX + 1], prefix[TASK_SOURCE_MAX];
    const char *slash = strrchr(name, '/'), *begin = slash;
    size_t i = 0;
    json_t *need = NULL;
    if (bytes_is(json_bytes(task, "status"), "completed") ||
        bytes_is(json_bytes(task, "status"), "deleted")) {
        return ERR_OK;
    }
    while (begin != NULL && begin > name && begin[-1] != '/') {
        begin--;
    }
    (void)snprintf(prefix, sizeof prefix, "claude:%.*s/",
                   slash == NULL         ? 0
                   : slash - begin < 100 ? (int)(slash - begin)
                                         : 100,
                   slash == NULL ? "" : begin);
    const struct err err = source_write(source, prefix, json_bytes(task, "id"), why);
    if (err_failed(err)) {
        return err;
    }
    json_t *after = json_array();
    json_array_foreach(json_object_get(task, "blockedBy"), i, need) {
        waits_add(after, prefix, json_text(need));
    }
    const struct found found = {.source = bytes_of(source),
                                .title = trimmed(json_bytes(task, "subject")),
                                .description = json_bytes(task, "description"),
                                .type = BYTES(""),
                                .priority = TASK_PRIORITY_DEFAULT,
                                .after = after};
    return task_add(&found, io_list, why);
}

static struct err object_read(const char *name, const json_t *object, json_t *io_list,
                              struct why *why) {
    const struct bytes title = json_bytes(object, "title"), subject = json_bytes(object, "subject");
    if (trimmed(title).len > 0 && json_is_integer(json_object_get(object, "number"))) {
        return github_read(object, io_list, why);
    }
    if (trimmed(title).len > 0 && json_is_string(json_object_get(object, "id"))) {
        return bead_read(object, io_list, why);
    }
    if (trimmed(subject).len > 0) {
        return claude_read(name, object, io_list, why);
    }
    return err_why(why, ERR_BAD_FIELD,
                   "'%.300s' is JSON, but holds no issues of GitHub (\"number\", \"title\"), no "
                   "beads (\"id\", \"title\") and no tasks of Claude Code (\"id\", \"subject\")",
                   name);
}

/* A list, an object, or an object per line. */
static struct err json_read(const char *name, struct bytes file, json_t *io_list, struct why *why) {
    AUTO(json_release) json_t *whole = NULL;
    struct why ignored = {""};
    struct err err = ERR_OK;
    size_t i = 0, number = 0;
    json_t *one = NULL;
    struct bytes line;
    if (!err_failed(json_parse(file.data, file.len, JSON_DEPTH_MAX, &whole, &ignored))) {
        if (!json_is_array(whole)) {
            return object_read(name, whole, io_list, why);
        }
        json_array_foreach(whole, i, one) {
            err = err_failed(err) ? err : object_read(name, one, io_list, why);
        }
        return err;
    }
    while (!err_failed(err) && bytes_next(&file, '\n', &line)) {
        AUTO(json_release) json_t *object = NULL;
        struct why where = {""};
        number++;
        if (trimmed(line).len == 0) {
            continue;
        }
        err = json_parse(line.data, line.len, JSON_DEPTH_MAX, &object, &where);
        err = err_failed(err)
                  ? err_why(why, ERR_BAD_FIELD, "'%.300s', line %zu: %s", name, number, where.text)
                  : object_read(name, object, io_list, why);
    }
    return err;
}

struct err board_import_read(const char *name, struct bytes file, json_t *io_list,
                             struct why *why) {
    const struct bytes words = trimmed(file);
    if (!utf8_valid(file.data, file.len)) {
        return err_why(why, ERR_BAD_FIELD, "'%.300s' is no text in UTF-8", name);
    }
    const bool is_json =
        words.len > 0 && (words.data[0] == '{' ||
                          (words.data[0] == '[' && words.len > 1 &&
                           trimmed((struct bytes){words.data + 1, words.len - 1}).data[0] == '{'));
    return is_json ? json_read(name, file, io_list, why) : markdown_read(name, file, io_list, why);
}

/* --- Order ------------------------------------------------------------------------------------ */

/* Whether all of the list that it waits for has its place already. */
static bool is_next(const json_t *task, const json_t *places) {
    size_t i = 0;
    json_t *source = NULL;
    json_array_foreach(json_object_get(task, "after"), i, source) {
        if (json_is_false(json_object_get(places, json_string_value(source)))) {
            return false;
        }
    }
    return true;
}

/* {"SOURCE": false}: no task has its place yet. */
static json_t *places_new(const json_t *list) {
    json_t *places = json_object();
    size_t i = 0;
    json_t *task = NULL;
    json_array_foreach(list, i, task) {
        (void)json_object_set_new(places, json_str(task, "source", ""), json_false());
    }
    return places;
}

struct err board_import_order(json_t *io_list, struct why *why) {
    AUTO(json_release) json_t *ordered = json_array();
    AUTO(json_release) json_t *places = places_new(io_list);
    while (json_array_size(io_list) > 0) {
        size_t at = 0;
        while (at < json_array_size(io_list) && !is_next(json_array_get(io_list, at), places)) {
            at++;
        }
        json_t *task = json_array_get(io_list, at);
        if (task == NULL) {
            return err_why(why, ERR_TASK_CYCLE,
                           "the tasks wait for each other: '%s' is one of them",
                           json_str(json_array_get(io_list, 0), "title", ""));
        }
        const char *source = json_str(task, "source", "");
        if (json_array_size(json_object_get(task, "after")) > TASK_NEEDS_MAX) {
            return err_why(why, ERR_BAD_FIELD, "'%s' waits for more than %d tasks",
                           json_str(task, "title", ""), TASK_NEEDS_MAX);
        }
        const bool twice = json_is_true(json_object_get(places, source)); /* A file named twice. */
        if (json_object_set_new(places, source, json_true()) != 0 ||
            (!twice && json_array_append(ordered, task) != 0) ||
            json_array_remove(io_list, at) != 0) {
            return err_make(ERR_OUT_OF_MEMORY, "import: order");
        }
    }
    return json_array_extend(io_list, ordered) == 0 ? ERR_OK
                                                    : err_make(ERR_OUT_OF_MEMORY, "import: order");
}
