/* providers.c: the rows of connections. */
#include "engine/provider/providers.h"

#include "base/memory.h"
#include "engine/inbox/bind.h"
#include "engine/provider/learned.h"

static void text_own(struct bytes *text) {
    text->data = mem_copy(text->len > 0 ? text->data : "", text->len);
}

struct provider *provider_copy(const struct provider *provider) {
    struct provider *copy = mem_new(sizeof *copy);
    *copy = *provider;
    text_own(&copy->name);
    text_own(&copy->kind);
    text_own(&copy->base_url);
    text_own(&copy->key_file);
    text_own(&copy->key_header);
    text_own(&copy->headers);
    text_own(&copy->models);
    return copy;
}

void provider_free(struct provider *provider) {
    if (provider != NULL) {
        const struct bytes texts[] = {provider->name,     provider->kind,       provider->base_url,
                                      provider->key_file, provider->key_header, provider->headers,
                                      provider->models};
        for (size_t i = 0; i < COUNT_OF(texts); i++) {
            mem_free((void *)(uintptr_t)texts[i].data); /* Our own copy. */
        }
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
