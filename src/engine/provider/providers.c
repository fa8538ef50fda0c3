/* providers.c: the rows of connections. */
#include "engine/provider/providers.h"

#include "base/memory.h"
#include "engine/inbox/bind.h"
#include "engine/provider/learned.h"

/* The text of a column; NULL: the field is none. */
static struct bytes *text_of(const struct field *field, struct provider *provider) {
    const bool is_text = field->kind == FIELD_TEXT || field->kind == FIELD_STORED;
    return field->column != NULL && is_text ? (void *)((char *)provider + field->at) : NULL;
}

struct provider *provider_copy(const struct provider *provider) {
    struct provider *copy = mem_new(sizeof *copy);
    *copy = *provider;
    for (size_t i = 0; i < provider_fields.count; i++) {
        struct bytes *text = text_of(&provider_fields.rows[i], copy);
        if (text != NULL) {
            text->data = mem_copy(text->len > 0 ? text->data : "", text->len);
        }
    }
    return copy;
}

void provider_free(struct provider *provider) {
    for (size_t i = 0; provider != NULL && i < provider_fields.count; i++) {
        const struct bytes *text = text_of(&provider_fields.rows[i], provider);
        mem_free(text != NULL ? (void *)(uintptr_t)text->data : NULL); /* Our own copy. */
    }
    mem_free(provider);
}

/* Notices that were held by a key or a model are tried again. */
static const struct bytes everybody = {NULL, 0};

/* Another address may have other windows, and somebody may know one. */
struct err provider__changed(struct tx *tx, const struct resource_key *key, const void *row) {
    struct err err = tx_learned_forget(tx, key->id);
    return err_failed(err) || row == NULL ? err : tx_inbox_unhold_all(tx, everybody, CAUSE_NONE);
}

struct err tx_provider_cured(struct tx *tx) {
    return tx_inbox_unhold_all(tx, everybody, CAUSE_NONE);
}

struct err tx_provider_listed(struct tx *tx) {
    return tx_inbox_unhold_all(tx, everybody, CAUSE_MODEL_UNKNOWN);
}
