/* printed_calls.c: calls that a local model wrote into its text, where it should have made them.
 *
 * Only of an answer that is whole and makes no call itself; only names that it was offered. Clients
 * have heard the markup by then: it is withdrawn, and what is left is said again, so that what they
 * have is what is stored. */
#include "dispatch/turn/talk.h"

#include <string.h>

#include "tool/printed.h"

bool talk__may_have_printed(const struct talk *talk) {
    if (talk->plan.last || talk->result.stop == MODEL_STOP_LENGTH || said_has_calls(&talk->said)) {
        return false; /* Half a call would be repaired into a whole one. */
    }
    for (size_t i = 0; i < talk->said.count; i++) {
        const struct said_item *item = &talk->said.items[i];
        if (item->kind == TURN_ITEM_TEXT && printed_may(text_bytes(&item->text))) {
            return true;
        }
    }
    return false;
}

/* --- In the pool ------------------------------------------------------------------------------ */

static bool is_offered(void *ctx, struct bytes name) {
    const tool_set *tools = ctx;
    enum tool_id id;
    return tool_find(name, &id) && (*tools & tool_set_of(id)) != 0;
}

static struct bytes without_end(struct bytes text) {
    while (text.len > 0 && memchr(" \t\r\n", text.data[text.len - 1], 4) != NULL) {
        text.len--;
    }
    return text;
}

static void add_rest(struct said *said, const struct printed *printed) {
    said_add(said, TURN_ITEM_TEXT, without_end(text_bytes(&printed->text)));
    for (size_t i = 0; i < printed->count; i++) {
        const char *name = printed->calls[i].name, *arguments = printed->calls[i].arguments;
        const struct said_call call = {.id = BYTES(""),
                                       .name = {name, strlen(name)},
                                       .arguments = {arguments, strlen(arguments)}};
        said_add_call(said, &call);
    }
}

static void add_item(struct said *said, const struct said_item *item,
                     const struct printed_names *names) {
    AUTO(printed_done) struct printed printed = {0};
    struct bytes text = text_bytes(&item->text);
    if (item->kind == TURN_ITEM_TEXT && !err_failed(printed_read(text, names, &printed)) &&
        printed.count > 0) {
        add_rest(said, &printed);
        return;
    }
    said_add(said, item->kind, text);
    if (item->kind == TURN_ITEM_THINKING && item->closed) {
        said_sign(said, text_bytes(&item->signature));
    }
}

void talk__read_printed(struct talk *talk, tool_set tools) {
    const struct printed_names names = {.known = is_offered, .ctx = &tools};
    AUTO(said_done) struct said said;
    said_init(&said);
    for (size_t i = 0; i < talk->said.count; i++) {
        add_item(&said, &talk->said.items[i], &names);
    }
    talk->printed = said_has_calls(&said);
    if (talk->printed) {
        const struct said old = talk->said;
        talk->said = said;
        said = old;
    }
}

/* --- For those who look on -------------------------------------------------------------------- */

void talk__say_again(struct talk *talk) {
    static const char members[] =
        "\"cause\":\"printed_calls\",\"detail\":\"The model wrote calls of tools into its "
        "text: they are made, and taken out of it.\",\"wait_ms\":0";
    deltas_withdraw(&talk->deltas, (struct bytes){members, sizeof members - 1});
    for (size_t i = 0; i < talk->said.count; i++) {
        const struct said_item *item = &talk->said.items[i];
        if (item->kind != TURN_ITEM_CALL) {
            deltas_add(&talk->deltas, item->kind == TURN_ITEM_TEXT ? DELTA_TEXT : DELTA_THINKING,
                       text_bytes(&item->text));
        }
    }
}
