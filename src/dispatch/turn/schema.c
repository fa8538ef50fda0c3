/* schema.c: whether an answer is what its schema asks for. Providers promise it, and local
 * models break it; so it is checked here, whoever answered. */
#include "base/json/schema.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/talk.h"

enum { ANSWER_MAX = 16 << 20 };

static void check(struct bytes schema, struct bytes answer, struct text *misfit) {
    AUTO(json_release) json_t *schema_json = NULL, *json = NULL;
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    struct json_faults faults = {.count = 0};
    struct why why = {""};
    struct err err = json_parse(schema.data, schema.len, JSON_DEPTH_MAX, &schema_json, &why);
    if (!err_failed(err)) {
        err = json_schema_compile(schema_json, &compiled, &why);
    }
    if (!err_failed(err)) {
        err = json_parse(answer.data, answer.len, JSON_DEPTH_MAX, &json, &why);
    }
    if (!err_failed(err)) {
        err = json_schema_check(compiled, json, &faults);
        json_faults_write(&faults, misfit);
    } else {
        text_add_str(misfit, why.text[0] != '\0' ? why.text : "It is no JSON.");
    }
    if (!err_failed(err)) {
        text_clear(misfit);
    }
}

void talk__check_answer(struct talk *talk) {
    AUTO(text_done) struct text answer;
    text_init(&answer, ANSWER_MAX);
    text_clear(&talk->misfit);
    for (size_t i = 0; i < talk->said.count; i++) {
        const struct said_item *item = &talk->said.items[i];
        if (item->kind == TURN_ITEM_TEXT) {
            text_add(&answer, item->text.data, item->text.len);
        }
    }
    if (text_failed(&answer)) {
        text_add_str(&talk->misfit, "It is longer than 16 MB.");
        return;
    }
    check(talk->plan.schema, (struct bytes){answer.data, answer.len}, &talk->misfit);
}
