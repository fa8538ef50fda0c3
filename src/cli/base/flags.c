/* flags.c: a member for each field whose flag was given. */
#include "cli/base/flags.h"

#include <string.h>

#include "base/utf8.h"

struct err flags_text_check(const char *text, const char *what, struct why *why) {
    if (utf8_valid(text, strlen(text))) {
        return ERR_OK;
    }
    return err_why(why, ERR_USAGE, "%s is not UTF-8 text", what);
}

struct err flags_text_add(struct text *body, const char *value, const char *what, struct why *why) {
    text_add_json(body, value, strlen(value));
    return flags_text_check(value, what, why);
}

/* Several values as an array: those of a LIST, or the words of "failed,lost". */
static struct err array_add(const struct flags_body *body, const struct field *field,
                            const char *where, struct text *text, struct why *why) {
    unsigned cursor = 0, found = 0;
    struct err err = ERR_OK;
    const char *at = field->flag.kind == FLAG_LIST
                         ? args_next(body->args, field->flag.name, &cursor)
                         : args_text(body->args, field->flag.name);
    for (char before = '['; at != NULL && !err_failed(err); before = ',') {
        text_add_char(text, before);
        if (field->flag.kind == FLAG_LIST) {
            err = flags_text_add(text, at, where, why);
            at = args_next(body->args, field->flag.name, &cursor);
            continue;
        }
        size_t len = strcspn(at, ",");
        if (err_failed(
                field_name_find(field->names, (struct bytes){at, len}, where, &found, why))) {
            err = err_make(ERR_USAGE, "flags: names");
        }
        text_addf(text, "\"%.*s\"", (int)len, at);
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    text_add_char(text, ']');
    return err;
}

static struct err value_add(const struct flags_body *body, const struct field *field,
                            struct text *text, struct why *why) {
    const struct flag *flag = &field->flag;
    struct why where;
    why_set(&where, "--%s", flag->name);
    if (flag->kind == FLAG_LIST || (flag->kind == FLAG_TEXT && field->kind == FIELD_NAMES)) {
        return array_add(body, field, where.text, text, why);
    }
    if (flag->kind == FLAG_TEXT) {
        return flags_text_add(text, args_text(body->args, flag->name), where.text, why);
    }
    if (flag->kind != FLAG_SWITCH) {
        text_add_int(text, args_int(body->args, flag->name, 0));
    } else if (field->kind == FIELD_BOOL) {
        text_add_str(text, "true");
    } else {
        text_addf(text, "\"%s\"", field->names[0]);
    }
    return ERR_OK;
}

/* A switch that was turned off by "=false" is not sent. */
static bool field_given(const struct flags_body *body, const struct field *field) {
    const struct flag *flag = &field->flag;
    if (field->fields == NULL) {
        return flag->name != NULL && args_given(body->args, flag->name) &&
               (flag->kind != FLAG_SWITCH || args_on(body->args, flag->name));
    }
    bool given = false;
    for (size_t i = 0; i < field->fields->count && !given; i++) {
        given = field_given(body, &field->fields->rows[i]);
    }
    return given;
}

struct err flags_members_write(const struct flags_body *body, struct text *text, struct why *why) {
    struct err err = ERR_OK;
    for (size_t i = 0; i < body->fields->count && !err_failed(err); i++) {
        const struct field *field = &body->fields->rows[i];
        if (!field_has(body->fields, field, body->use)) {
            continue;
        }
        const struct flags_part *part = body->parts;
        while (part != NULL && part->name != NULL && strcmp(part->name, field->name) != 0) {
            part++;
        }
        if (part != NULL && part->name != NULL) {
            err = part->add(body->ctx, text, why);
        } else if (body->operand != NULL && strcmp(field->name, body->operand) == 0) {
            text_add_name(text, field->name);
            err = flags_text_add(text, body->args->operands[0], "NAME", why);
        } else if (field_given(body, field)) {
            struct flags_body inner = *body;
            inner.fields = field->fields;
            inner.parts = NULL;
            inner.operand = NULL;
            text_add_name(text, field->name);
            err = field->fields != NULL ? flags_body_write(&inner, text, why)
                                        : value_add(body, field, text, why);
        }
    }
    return err;
}

struct err flags_body_write(const struct flags_body *body, struct text *text, struct why *why) {
    text_add_char(text, '{');
    struct err err = flags_members_write(body, text, why);
    text_add_char(text, '}');
    return err;
}
