/* joined.c: see joined.h. */
#include "rules/approval/joined.h"

#include "base/memory.h"

enum { LISTS = PERMISSION_JUDGED_MAX / PERMISSION_RULES_MAX, SETTINGS = 2 };

/* Anything else in place of a list counts as one item that cannot be read. */
static size_t count_of(const json_t *list, size_t max) {
    const size_t count = list == NULL || json_is_array(list) ? json_array_size(list) : 1;
    return count < max ? count : max;
}

/* Room for all of them; NULL where there are none. */
static void *room_new(const json_t *const lists[], size_t count, size_t max, size_t size) {
    size_t sum = 0;
    for (size_t at = 0; at < count; at++) {
        sum += count_of(lists[at], max);
    }
    return sum > 0 ? mem_new_array(sum, size) : NULL;
}

static void rules_join(const json_t *const lists[LISTS], struct permission_joined *joined) {
    struct permission_rules *rules = &joined->rules;
    joined->list = room_new(lists, LISTS, PERMISSION_RULES_MAX, sizeof *joined->list);
    for (size_t at = 0; at < LISTS; at++) {
        const size_t count = count_of(lists[at], PERMISSION_RULES_MAX);
        for (size_t i = 0; i < count; i++) {
            struct permission_rule *rule = &joined->list[rules->count++];
            struct why why;
            if (err_failed(permission_rule_read(json_array_get(lists[at], i), rule, &why))) {
                *rule = (struct permission_rule){.permission = PERMISSION_DENY};
            }
        }
    }
    rules->rules = joined->list;
}

static void edits_join(const json_t *const settings[SETTINGS], struct permission_joined *joined) {
    struct permission_rules *rules = &joined->rules;
    const json_t *const lists[SETTINGS] = {json_object_get(settings[0], "edits"),
                                           json_object_get(settings[1], "edits")};
    joined->edited = room_new(lists, SETTINGS, PERMISSION_EDITS_MAX, sizeof *joined->edited);
    for (size_t at = 0; at < SETTINGS; at++) {
        const size_t count = count_of(lists[at], PERMISSION_EDITS_MAX);
        rules->edits = rules->edits || bytes_is(json_text(lists[at]), "allow");
        for (size_t i = 0; i < count; i++) {
            /* The empty glob, of what is no text, matches nothing. */
            joined->edited[rules->edited_count++] = json_text(json_array_get(lists[at], i));
        }
    }
    rules->edited = joined->edited;
}

void permission_join(const struct permission_lists *lists, struct permission_joined *ret_joined) {
    const bool asks = bytes_is(json_bytes(lists->session, "edits"), "ask");
    const json_t *const rules[LISTS] = {json_object_get(lists->project, "permissions"),
                                        lists->agent,
                                        json_object_get(lists->session, "permissions")};
    const json_t *const settings[SETTINGS] = {asks ? NULL : lists->project, lists->session};
    *ret_joined = (struct permission_joined){.list = NULL};
    rules_join(rules, ret_joined);
    edits_join(settings, ret_joined);
}

void permission_joined_done(struct permission_joined *joined) {
    mem_free(joined->list);
    mem_free(joined->edited);
    *joined = (struct permission_joined){.list = NULL};
}
