/* partial_output.c: a list that only grows, until it is withdrawn. */
#include "dispatch/turn/partial_output.h"

#include "base/memory.h"

enum { ITEM_TEXT_MAX = 64 << 20, WORD_MAX = 4 << 20 };

void said_init(struct said *said) {
    *said = (struct said){0};
}

static void item_done(struct said_item *item) {
    struct text *const texts[] = {&item->text,    &item->signature, &item->id,
                                  &item->name,    &item->digest,    &item->about,
                                  &item->refusal, &item->malformed};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_done(texts[i]);
    }
}

void said_clear(struct said *said) {
    for (size_t i = 0; i < said->count; i++) {
        item_done(&said->items[i]);
    }
    said->count = 0;
}

void said_done(struct said *said) {
    said_clear(said);
    mem_free(said->items);
    said_init(said);
}

static struct said_item *item_add(struct said *said, enum turn_item_kind kind) {
    if (said->count == said->size) {
        said->size = said->size == 0 ? 8 : said->size * 2;
        said->items = mem_grow(said->items, said->size * sizeof *said->items);
    }
    struct said_item *item = &said->items[said->count++];
    *item = (struct said_item){.kind = kind};
    text_init(&item->text, ITEM_TEXT_MAX);
    struct text *const words[] = {&item->signature, &item->id,      &item->name,     &item->digest,
                                  &item->about,     &item->refusal, &item->malformed};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        text_init(words[i], WORD_MAX);
    }
    return item;
}

static struct said_item *last_of(const struct said *said, enum turn_item_kind kind) {
    struct said_item *item = said->count == 0 ? NULL : &said->items[said->count - 1];
    return item == NULL || item->kind != kind || item->closed ? NULL : item;
}

void said_add(struct said *said, enum turn_item_kind kind, struct bytes piece) {
    struct said_item *item = last_of(said, kind);
    if (piece.len == 0 || (item == NULL && said->count >= SAID_ITEMS_MAX)) {
        return;
    }
    if (item == NULL) {
        item = item_add(said, kind);
    }
    text_add(&item->text, piece.data, piece.len);
}

/* Some providers sign thinking that they don't show. */
void said_sign(struct said *said, struct bytes signature) {
    struct said_item *item = last_of(said, TURN_ITEM_THINKING);
    if (item == NULL && signature.len > 0 && said->count < SAID_ITEMS_MAX) {
        item = item_add(said, TURN_ITEM_THINKING);
    }
    if (item != NULL) {
        text_add(&item->signature, signature.data, signature.len);
        item->closed = true;
    }
}

void said_add_call(struct said *said, const struct said_call *call) {
    if (said->count >= SAID_ITEMS_MAX) {
        return;
    }
    struct said_item *item = item_add(said, TURN_ITEM_CALL);
    text_add(&item->id, call->id.data, call->id.len);
    text_add(&item->name, call->name.data, call->name.len);
    text_add(&item->text, call->arguments.data, call->arguments.len);
    item->cut = call->cut;
    item->closed = true;
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

void said_items(const struct said *said, struct bytes maker, struct turn_item *items) {
    for (size_t i = 0; i < said->count; i++) {
        const struct said_item *item = &said->items[i];
        items[i] = (struct turn_item){.kind = item->kind,
                                      .text = text_bytes(&item->text),
                                      .signature = text_bytes(&item->signature),
                                      .maker = maker,
                                      .call = {.id = text_bytes(&item->id),
                                               .name = text_bytes(&item->name),
                                               .arguments = text_bytes(&item->text),
                                               .malformed = text_bytes(&item->malformed),
                                               .digest = text_bytes(&item->digest),
                                               .about = text_bytes(&item->about),
                                               .refusal = text_bytes(&item->refusal),
                                               .verdict = item->verdict,
                                               .cause = item->cause,
                                               .asks = item->asks,
                                               .repeatable = item->repeatable}};
    }
}
