/* lists.c: the lists of a task: what must be true of its result, its links, what it waits for. */
#include "rules/board/task.h"

#include <string.h>

#include "rules/board/must.h"

static struct err list_check(const json_t *list, const char *name, size_t max, struct why *why) {
    if (!json_is_array(list)) {
        return err_why(why, ERR_BAD_FIELD, "\"%s\" must be a list", name);
    }
    return json_array_size(list) <= max
               ? ERR_OK
               : err_why(why, ERR_BAD_FIELD, "\"%s\" must have at most %zu items, not %zu", name,
                         max, json_array_size(list));
}

static struct err list_write(const json_t *list, const char *name, struct text *text,
                             struct why *why) {
    struct err err = json_write(list, text);
    return err_failed(err) && !text->no_memory
               ? err_why(why, ERR_BAD_FIELD, "\"%s\": more than %d bytes as compact JSON", name,
                         TASK_LISTS_MAX)
               : err;
}

static bool is_word(const json_t *value, size_t max) {
    return json_is_string(value) && json_string_length(value) > 0 &&
           json_string_length(value) <= max &&
           strlen(json_string_value(value)) == json_string_length(value);
}

/* --- What must be true of its result ---------------------------------------------------------- */

static struct err must_have_check(const json_t *one, size_t at, struct why *why) {
    size_t kinds = 0;
    for (size_t i = 0; must_names[i] != NULL; i++) {
        const json_t *value = json_object_get(one, must_names[i]);
        if (value != NULL) {
            kinds++;
            if (!is_word(value, TASK_TEXT_MAX)) {
                return err_why(why, ERR_BAD_FIELD,
                               "\"must_haves\"[%zu].%s must be a text of 1 to %d bytes", at,
                               must_names[i], TASK_TEXT_MAX);
            }
        }
    }
    if (is_word(one, TASK_TEXT_MAX)) {
        return ERR_OK; /* A sentence, which its reviewer reads. */
    }
    if (kinds != 1 || json_object_size(one) != 1) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"must_haves\"[%zu] must be a sentence, or an object with one of \"file\" "
                       "(a path that exists), \"command\" (exits 0), \"output\" (its type), "
                       "\"text\" (in an output), \"unchanged\" (a path)",
                       at);
    }
    const struct must must = must_read(one);
    unsigned ignored = 0;
    if ((1U << must.kind & MUST_OF_DISK) != 0 && !must_path_valid(must.value)) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"must_haves\"[%zu].%s must not have \"..\": it is a path within the "
                       "folder of the task",
                       at, must_names[must.kind]);
    }
    return must.kind != MUST_OUTPUT ? ERR_OK
                                    : field_name_find(task_output_types, must.value,
                                                      "\"must_haves\": output", &ignored, why);
}

struct err task_must_haves_write(const json_t *list, struct text *text, struct why *why) {
    struct err err = list_check(list, "must_haves", TASK_MUST_HAVES_MAX, why);
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        err = must_have_check(json_array_get(list, i), i, why);
    }
    return err_failed(err) ? err : list_write(list, "must_haves", text, why);
}

/* --- Reasons of a verdict --------------------------------------------------------------------- */

struct err task_reasons_write(const json_t *list, struct text *text, struct why *why) {
    struct err err = list_check(list, "reasons", TASK_MUST_HAVES_MAX, why);
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        if (bytes_trim(json_text(json_array_get(list, i)), " \t\r\n").len == 0) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"reasons\"[%zu] has no words: say what is to be done better", i);
        }
    }
    return err_failed(err) ? err : list_write(list, "reasons", text, why);
}

/* --- A new task ------------------------------------------------------------------------------- */

void task_complete(struct task *io_task) {
    struct bytes *const texts[] = {
        &io_task->title,    &io_task->description, &io_task->capability, &io_task->lane,
        &io_task->epic,     &io_task->assignee,    &io_task->source,     &io_task->detail,
        &io_task->question, &io_task->answer,      &io_task->agent,      &io_task->attempt,
        &io_task->session,  &io_task->run,         &io_task->reviewer,   &io_task->review_run,
        &io_task->prints,   &io_task->worktree};
    struct bytes *const lists[] = {&io_task->must_haves, &io_task->links, &io_task->depends_on};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        *texts[i] = texts[i]->data == NULL ? BYTES("") : *texts[i];
    }
    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        *lists[i] = lists[i]->len == 0 ? BYTES("[]") : *lists[i];
    }
    io_task->plan = io_task->plan.data == NULL ? BYTES("none") : io_task->plan;
    io_task->plan_state = bytes_is(io_task->plan, "required") ? TASK_PLAN_MISSING : TASK_PLAN_NONE;
    io_task->type = io_task->type.data == NULL ? BYTES("general") : io_task->type;
}

/* --- Links ------------------------------------------------------------------------------------ */

static const char *const link_kinds[] = {"discovered_from", "supersedes", "duplicates", "related",
                                         NULL};

struct err task_links_write(const json_t *list, struct text *text, struct why *why) {
    struct err err = list_check(list, "links", TASK_LINKS_MAX, why);
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        const json_t *link = json_array_get(list, i);
        unsigned ignored = 0;
        if (json_object_size(link) != 2 || task_number_read(json_bytes(link, "task")) == 0) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"links\"[%zu] must be {\"kind\":…,\"task\":\"T-1\"}", i);
        }
        err =
            field_name_find(link_kinds, json_bytes(link, "kind"), "\"links\": kind", &ignored, why);
    }
    return err_failed(err) ? err : list_write(list, "links", text, why);
}

/* --- What it waits for ------------------------------------------------------------------------ */

struct err task_needs_write(const json_t *list, struct text *text, struct why *why) {
    struct err err = list_check(list, "depends_on", TASK_NEEDS_MAX, why);
    text_add_char(text, '[');
    for (size_t i = 0; i < json_array_size(list) && !err_failed(err); i++) {
        char name[TASK_NUMBER_SIZE];
        const int64_t number = task_number_read(json_text(json_array_get(list, i)));
        for (size_t j = 0; j < i; j++) {
            if (number != 0 && number == task_number_read(json_text(json_array_get(list, j)))) {
                return err_why(why, ERR_BAD_FIELD, "\"depends_on\"[%zu] is in the list already", i);
            }
        }
        if (number == 0) {
            return err_why(why, ERR_BAD_FIELD,
                           "\"depends_on\"[%zu] must name a task of the project: \"T-1\"", i);
        }
        task_number_write(number, name);
        text_addf(text, "%s\"%s\"", i > 0 ? "," : "", name);
    }
    text_add_char(text, ']');
    return err_failed(err) ? err
                           : (text_failed(text) ? text_error(text, "tasks: depends_on") : ERR_OK);
}
