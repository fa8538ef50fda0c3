/* flags.c: a member for each field whose flag was given. */
#include "cli/base/flags.h"

#include <string.h>

#include "base/utf8.h"

void flags_member(struct text *text, const char *name) {
    bool first = text->len > 0 && text->data[text->len - 1] == '{';
    text_addf(text, "%s\"%s\":", first ? "" : ",", name);
}

struct err flags_text_check(const char *text, const char *what, struct why *why) {
    if (utf8_valid(text, strlen(text))) {
        return ERR_OK;
    }
    why_set(why, "%s is not UTF-8 text", what);
    return err_make(ERR_USAGE, "flags: text");
}

/* "failed,lost" */
static struct err names_add(const struct field *field, const char *list, struct text *text,
                            struct why *why) {
    struct why where;
    struct err err = ERR_OK;
    unsigned found = 0;
    why_set(&where, "--%s", field->flag.name);
    for (const char *at = list; !err_failed(err); at++) {
        size_t len = strcspn(at, ",");
        err = field_name_find(field->names, (struct bytes){at, len}, where.text, &found, why);
        text_addf(text, "%c\"%.*s\"", at == list ? '[' : ',', (int)len, at);
        at += len;
        if (at[0] == '\0') {
            break;
        }
    }
    text_add_char(text, ']');
    return err_failed(err) ? err_make(ERR_USAGE, "flags: names") : err;
}

static struct err texts_add(const struct flags_body *body, const struct field *field,
                            struct text *text, struct why *why) {
    unsigned cursor = 0, count = 0;
    struct err err = ERR_OK;
    struct why what;
    why_set(&what, "--%s", field->flag.name);
    for (const char *value = NULL;
         !err_failed(err) && (value = args_next(body->args, field->flag.name, &cursor)) != NULL;) {
        text_add_char(text, count++ == 0 ? '[' : ',');
        text_add_json(text, value, strlen(value));
        err = flags_text_check(value, what.text, why);
    }
    text_add_char(text, ']');
    return err;
}

static struct err value_add(const struct flags_body *body, const struct field *field,
                            struct text *text, struct why *why) {
    const struct flag *flag = &field->flag;
    const char *value = args_text(body->args, flag->name);
    if (flag->kind == FLAG_INT || flag->kind == FLAG_DURATION || flag->kind == FLAG_SIZE) {
        text_add_int(text, args_int(body->args, flag->name, 0));
    } else if (flag->kind == FLAG_SWITCH && field->kind == FIELD_BOOL) {
        text_add_str(text, "true");
    } else if (flag->kind == FLAG_SWITCH) {
        text_addf(text, "\"%s\"", field->names[0]);
    } else if (flag->kind == FLAG_LIST) {
        return texts_add(body, field, text, why);
    } else if (field->kind == FIELD_NAMES) {
        return names_add(field, value, text, why);
    } else {
        struct why what;
        why_set(&what, "--%s", flag->name);
        text_add_json(text, value, strlen(value));
        return flags_text_check(value, what.text, why);
    }
    return ERR_OK;
}

/* A switch that was turned off by "=false" is not sent. */
static bool field_given(const struct flags_body *body, const struct field *field) {
    bool given = false;
    if (field->fields != NULL) {
        for (size_t i = 0; i < field->fields->count && !given; i++) {
            given = field_given(body, &field->fields->rows[i]);
        }
        return given;
    }
    given = field->flag.name != NULL && args_given(body->args, field->flag.name);
    return given && (field->flag.kind != FLAG_SWITCH || args_on(body->args, field->flag.name));
}

static const struct flags_part *part_find(const struct flags_body *body, const char *name) {
    const struct flags_part *part = body->parts;
    while (part != NULL && part->name != NULL && strcmp(part->name, name) != 0) {
        part++;
    }
    return part != NULL && part->name != NULL ? part : NULL;
}

struct err flags_body_write(const struct flags_body *body, struct text *text, struct why *why) {
    struct err err = ERR_OK;
    text_add_char(text, '{');
    for (size_t i = 0; i < body->fields->count && !err_failed(err); i++) {
        const struct field *field = &body->fields->rows[i];
        const struct flags_part *part = part_find(body, field->name);
        unsigned use = field->use != 0 ? field->use : body->fields->use;
        if ((use & body->use) == 0) {
            continue;
        }
        if (part != NULL) {
            err = part->add(body->ctx, text, why);
        } else if (field_given(body, field)) {
            struct flags_body inner = *body;
            inner.fields = field->fields;
            inner.parts = NULL;
            flags_member(text, field->name);
            err = field->fields != NULL ? flags_body_write(&inner, text, why)
                                        : value_add(body, field, text, why);
        }
    }
    text_add_char(text, '}');
    return err;
}
