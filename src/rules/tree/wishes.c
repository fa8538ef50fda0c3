/* wishes.c: settings of a project for its working trees. */
#include "base/fields/fields.h"
#include "rules/tree/tree.h"

#define AT(member) offsetof(struct tree_wishes, member)
static const struct field rows[] = {
    {FIELD("setup", FIELD_TEXT, AT(setup)), .max = TREE_COMMAND_MAX},
    {FIELD("teardown", FIELD_TEXT, AT(teardown)), .max = TREE_COMMAND_MAX},
    {FIELD("ports", FIELD_INT, AT(ports)), .max = TREE_PORTS_MAX},
    {FIELD("max", FIELD_INT, AT(max)), .min = 1, .max = 1000, .absent = TREES_MAX},
};
#undef AT
static const struct field_set wishes_fields = {FIELD_ROWS(rows), .use = FIELD_GIVEN};

static struct err wishes_take(const json_t *settings, struct tree_wishes *ret_wishes,
                              struct why *why) {
    const json_t *given = json_object_get(settings, "worktree");
    struct why inner = {""};
    struct err err = given == NULL || json_is_object(given)
                         ? fields_read(&wishes_fields, FIELD_GIVEN, given, ret_wishes, &inner)
                         : err_why(&inner, ERR_BAD_FIELD, "must be an object");
    return err_failed(err) ? err_why(why, err.code, "\"worktree\": %.280s", inner.text) : ERR_OK;
}

struct err tree_wishes_check(const json_t *settings, struct why *why) {
    struct tree_wishes wishes = {.max = 0};
    return wishes_take(settings, &wishes, why);
}

struct tree_wishes tree_wishes_read(const json_t *settings) {
    const struct tree_wishes none = {.setup = BYTES(""), .teardown = BYTES(""), .max = TREES_MAX};
    struct tree_wishes wishes = none;
    struct why why = {""};
    if (err_failed(wishes_take(settings, &wishes, &why))) {
        return none; /* A damaged row. */
    }
    wishes.setup = wishes.setup.data == NULL ? BYTES("") : wishes.setup;
    wishes.teardown = wishes.teardown.data == NULL ? BYTES("") : wishes.teardown;
    return wishes;
}
