/* schema_members.c: what the words of JSON Schema ask of objects. */
#include <stdio.h>
#include <string.h>

#include "base/json/schema_inside.h"
#include "base/suggest.h"
#include "base/utf8.h"

/* A value as a sentence shows it: short. */
struct schema_shown json_schema__show(const json_t *value) {
    struct schema_shown shown = {.text = ""};
    AUTO(text_done) struct text text = text_up_to(4096);
    if (err_failed(json_write(value, &text))) {
        (void)snprintf(shown.text, sizeof shown.text, "%s", json_kind_of(value));
    } else if (text.len < sizeof shown.text) {
        memcpy(shown.text, text.data, text.len + 1);
    } else {
        size_t cut = utf8_cut((struct bytes){text.data, text.len}, sizeof shown.text - 4);
        (void)snprintf(shown.text, sizeof shown.text, "%.*s...", (int)cut, text.data);
    }
    return shown;
}

/* --- Members ---------------------------------------------------------------------------------- */

struct member {
    struct bytes key;
    const json_t *value;
    void *next;
};

static bool member_at(const json_t *object, void *at, struct member *ret_member) {
    if (at == NULL) {
        return false;
    }
    *ret_member = (struct member){
        .key = {json_object_iter_key(at), json_object_iter_key_len(at)},
        .value = json_object_iter_value(at),
        .next = json_object_iter_next((json_t *)object, at), /* It takes no const. */
    };
    return true;
}

static bool first_member(const json_t *object, struct member *ret_member) {
    return json_is_object(object) &&
           member_at(object, json_object_iter((json_t *)object), ret_member);
}

static void judge_member(struct schema_check *check, const json_t *schema,
                         const struct member *member) {
    struct schema_step step = json_schema__enter_key(check, member->key);
    json_schema__judge(check, schema, member->value);
    json_schema__leave(check, step);
}

SCHEMA_JUDGE(json_schema__properties) {
    struct member member;
    for (bool more = first_member(value, &member); more;
         more = member_at(value, member.next, &member)) {
        const json_t *property = json_object_getn(word, member.key.data, member.key.len);
        if (property != NULL) {
            judge_member(check, property, &member);
        }
    }
}

SCHEMA_JUDGE(json_schema__pattern_properties) {
    struct member member, rule;
    for (bool more = first_member(value, &member); more;
         more = member_at(value, member.next, &member)) {
        for (bool rules = first_member(word, &rule); rules;
             rules = member_at(word, rule.next, &rule)) {
            if (json_schema__pattern(check, rule.key.data, member.key)) {
                judge_member(check, rule.value, &member);
            }
        }
    }
}

static bool is_declared(struct schema_check *check, const json_t *schema, struct bytes key) {
    if (json_object_getn(json_object_get(schema, "properties"), key.data, key.len) != NULL) {
        return true;
    }
    const json_t *patterns = json_object_get(schema, "patternProperties");
    struct member rule;
    for (bool more = first_member(patterns, &rule); more;
         more = member_at(patterns, rule.next, &rule)) {
        if (json_schema__pattern(check, rule.key.data, key)) {
            return true;
        }
    }
    return false;
}

static void unknown_field(struct schema_check *check, const json_t *schema, struct bytes key) {
    char shown[64];
    size_t len = utf8_cut(key, sizeof shown - 1);
    memcpy(shown, key.data, len);
    shown[len] = '\0';
    utf8_make_plain(shown, len);
    AUTO(text_done) struct text known = text_up_to(120);
    struct suggest suggest;
    suggest_begin(&suggest, shown);
    const json_t *properties = json_object_get(schema, "properties");
    struct member member;
    for (bool more = first_member(properties, &member); more;
         more = member_at(properties, member.next, &member)) {
        text_addf(&known, "%s\"%s\"", known.len == 0 ? "" : ", ", member.key.data);
        suggest_offer(&suggest, member.key.data);
    }
    const char *near = suggest_best(&suggest);
    if (near != NULL) {
        json_schema__fault(check, "the field \"%s\" is not known; did you mean \"%s\"?", shown,
                           near);
    } else if (known.len > 0) {
        json_schema__fault(check, "the field \"%s\" is not known; known here: %s%s", shown,
                           known.data, text_failed(&known) ? ", ..." : "");
    } else {
        json_schema__fault(check, "the field \"%s\" is not known; none is", shown);
    }
}

SCHEMA_JUDGE(json_schema__additional) {
    struct member member;
    for (bool more = first_member(value, &member); more && check->stop == ERR_NONE;
         more = member_at(value, member.next, &member)) {
        check->steps++;
        if (is_declared(check, schema, member.key)) {
            continue;
        }
        if (json_is_false(word)) {
            unknown_field(check, schema, member.key);
        } else {
            judge_member(check, word, &member);
        }
    }
}

SCHEMA_JUDGE(json_schema__names) {
    struct member member;
    for (bool more = first_member(value, &member); more;
         more = member_at(value, member.next, &member)) {
        AUTO(json_release) json_t *name = json_stringn_nocheck(member.key.data, member.key.len);
        struct schema_sink sink;
        if (name != NULL && !json_schema__fits(check, word, name, &sink)) {
            json_schema__fault(check, "the name %s of a field: %s", json_schema__show(name).text,
                               sink.first.text);
        }
    }
}

static void want(struct schema_check *check, const json_t *names, const json_t *value,
                 const char *because) {
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (json_object_get(value, name) == NULL) {
            json_schema__fault(check, "the field \"%.60s\" is missing%s", name, because);
        }
    }
}

SCHEMA_JUDGE(json_schema__required) {
    if (json_is_object(value)) {
        want(check, word, value, "");
    }
}

SCHEMA_JUDGE(json_schema__dependent) {
    struct member member;
    for (bool more = first_member(word, &member); more;
         more = member_at(word, member.next, &member)) {
        if (json_object_getn(value, member.key.data, member.key.len) != NULL) {
            want(check, member.value, value, "; another field asks for it");
        }
    }
}

SCHEMA_JUDGE(json_schema__min_properties) {
    if (json_is_object(value) && (json_int_t)json_object_size(value) < json_integer_value(word)) {
        json_schema__fault(check, "must have at least %s fields, not %zu",
                           json_schema__show(word).text, json_object_size(value));
    }
}

SCHEMA_JUDGE(json_schema__max_properties) {
    if (json_is_object(value) && (json_int_t)json_object_size(value) > json_integer_value(word)) {
        json_schema__fault(check, "must have at most %s fields, not %zu",
                           json_schema__show(word).text, json_object_size(value));
    }
}
