/* partial_output.c: the list of all output of a model; only a withdrawal makes it shorter. */
#include "base/memory.h"
#include "dispatch/turn/model_call.h"

enum { ITEM_TEXT_MAX = 64 << 20, WORD_MAX = 4 << 20 };

void said_clear(struct said *said) {
    for (size_t i = 0; i < said->count; i++) {
        for (size_t j = 0; j < SAID_TEXTS; j++) {
            text_done(&said->items[i].texts[j]);
        }
    }
    said->count = 0;
}

void said_done(struct said *said) {
    said_clear(said);
    mem_free(said->items);
    *said = (struct said){.items = NULL};
}

/* NULL: there is no room for another one. */
static struct said_item *item_add(struct said *said, enum turn_item_kind kind) {
    if (said->count >= SAID_ITEMS_MAX) {
        return NULL;
    }
    if (said->count == said->size) {
        said->size = said->size == 0 ? 8 : said->size * 2;
        said->items = mem_grow(said->items, said->size * sizeof *said->items);
    }
    struct said_item *item = &said->items[said->count++];
    *item = (struct said_item){.kind = kind};
    for (size_t i = 0; i < SAID_TEXTS; i++) {
        text_init(&item->texts[i], i == SAID_TEXT ? ITEM_TEXT_MAX : WORD_MAX);
    }
    return item;
}

/* The last item, where more can be added to it; else a new one. */
static struct said_item *item_open(struct said *said, enum turn_item_kind kind) {
    struct said_item *last = said->count == 0 ? NULL : &said->items[said->count - 1];
    return last != NULL && last->kind == kind && !last->closed ? last : item_add(said, kind);
}

void said_add(struct said *said, enum turn_item_kind kind, struct bytes piece) {
    struct said_item *item = piece.len == 0 ? NULL : item_open(said, kind);
    if (item != NULL) {
        text_add(&item->texts[SAID_TEXT], piece.data, piece.len);
    }
}

/* Some providers sign thinking that they don't show. */
void said_sign(struct said *said, struct bytes signature) {
    const struct said_item *last = said->count == 0 ? NULL : &said->items[said->count - 1];
    bool thought = last != NULL && last->kind == TURN_ITEM_THINKING && !last->closed;
    struct said_item *item =
        thought || signature.len > 0 ? item_open(said, TURN_ITEM_THINKING) : NULL;
    if (item != NULL) {
        text_add(&item->texts[SAID_SIGNATURE], signature.data, signature.len);
        item->closed = true;
    }
}

void said_add_call(struct said *said, const struct model_tool_call *call, struct bytes model,
                   enum said_end end) {
    struct said_item *item = item_add(said, TURN_ITEM_CALL);
    if (item != NULL && call->extra.len > 0) { /* No other connection is sent it. */
        struct text *extra = &item->texts[SAID_EXTRA];
        text_add_char(extra, '{');
        text_add_member(extra, "provider", model_connection_of(model));
        text_add_name(extra, "content");
        text_add(extra, call->extra.data, call->extra.len);
        text_add_char(extra, '}');
    }
    if (item != NULL) {
        text_add(&item->texts[SAID_ID], call->id.data, call->id.len);
        text_add(&item->texts[SAID_NAME], call->name.data, call->name.len);
        text_add(&item->texts[SAID_TEXT], call->arguments.data, call->arguments.len);
        item->cut = end == SAID_CUT;
        item->closed = true;
    }
}

void said_add_search(struct said *said, const struct model_search *search) {
    struct said_item *item = item_add(said, TURN_ITEM_SEARCH);
    if (item != NULL) {
        const bool failed = search->fault.len > 0;
        const struct bytes result = failed ? search->fault : search->results;
        text_add(&item->texts[SAID_ID], search->id.data, search->id.len);
        text_add(&item->texts[SAID_TEXT], search->input.data, search->input.len);
        text_add_str(&item->texts[SAID_REFUSAL], failed ? "The provider's search failed: " : "");
        text_add(&item->texts[SAID_REFUSAL], result.data, result.len);
        item->call.cause = failed ? CARD_TOO_MANY : CARD_DONE;
        item->closed = true;
    }
}

struct said_item *said_add_tool(struct said *said, enum turn_item_kind kind) {
    struct said_item *item = item_add(said, kind);
    if (item != NULL) {
        item->closed = true;
    }
    return item;
}

struct said_item *said_add_read(struct said *said) {
    struct said_item *item = said_add_tool(said, TURN_ITEM_READ);
    for (; item != NULL && item > said->items &&
           (item[-1].kind == TURN_ITEM_TEXT || item[-1].kind == TURN_ITEM_THINKING);
         item--) {
        const struct said_item read = *item;
        item[0] = item[-1];
        item[-1] = read;
    }
    return item;
}

void said_copy(struct said *said, const struct said_item *item) {
    struct said_item *copy = item_add(said, item->kind);
    if (copy != NULL) {
        for (size_t i = 0; i < SAID_TEXTS; i++) {
            text_add(&copy->texts[i], item->texts[i].data, item->texts[i].len);
        }
        copy->call = item->call;
        copy->cut = item->cut;
        copy->closed = item->closed;
    }
}

bool said_discard(struct said *said) {
    const size_t before = said->count;
    while (said->count > 0 && (said->items[said->count - 1].kind == TURN_ITEM_TEXT ||
                               said->items[said->count - 1].kind == TURN_ITEM_THINKING)) {
        said->count--;
        for (size_t i = 0; i < SAID_TEXTS; i++) {
            text_done(&said->items[said->count].texts[i]);
        }
    }
    return said->count < before;
}

bool said_has_cut_call(const struct said *said) {
    for (size_t i = 0; i < said->count; i++) {
        if (said->items[i].cut) {
            return true;
        }
    }
    return false;
}

bool said_has_calls(const struct said *said) {
    for (size_t i = 0; i < said->count; i++) {
        if (said->items[i].kind == TURN_ITEM_CALL) {
            return true;
        }
    }
    return false;
}

bool said_has_tools(const struct said *said) {
    for (size_t i = 0; i < said->count; i++) {
        if (said->items[i].kind == TURN_ITEM_TOOL || said->items[i].kind == TURN_ITEM_TOOL_END) {
            return true;
        }
    }
    return false;
}

void said_items(const struct said *said, const struct said_maker *maker, struct turn_item *items) {
    for (size_t i = 0; i < said->count; i++) {
        const struct said_item *item = &said->items[i];
        struct turn_call *call = &items[i].call;
        const bool lasts = model_thinking_lasts(text_bytes(&item->texts[SAID_SIGNATURE]));
        items[i] = (struct turn_item){.kind = item->kind,
                                      .maker = maker->kind,
                                      .connection = lasts ? maker->connection : BYTES(""),
                                      .call = item->call};
        struct bytes *const texts[SAID_TEXTS] = {[SAID_TEXT] = &items[i].text,
                                                 [SAID_SIGNATURE] = &items[i].signature,
                                                 [SAID_ID] = &call->id,
                                                 [SAID_NAME] = &call->name,
                                                 [SAID_DIGEST] = &call->digest,
                                                 [SAID_ABOUT] = &call->about,
                                                 [SAID_REFUSAL] = &call->refusal,
                                                 [SAID_MALFORMED] = &call->malformed,
                                                 [SAID_QUESTION] = &call->question,
                                                 [SAID_EXTRA] = &call->extra};
        for (size_t j = 0; j < SAID_TEXTS; j++) {
            *texts[j] = text_bytes(&item->texts[j]);
        }
        call->arguments = items[i].text;
    }
}
