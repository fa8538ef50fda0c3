/* poured.c: see poured.h. */
#include "api/base/poured.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static void poured_free(struct poured *poured) {
    text_done(&poured->request.op.answer);
    mem_free(poured);
}

static void on_page(struct err result, void *ctx);

/* While the next page is read, the answer is the reader's: a client that is ready waits for it. */
static void page_write(struct poured *poured) {
    const struct text *page = &poured->request.op.answer;
    enum pour_result result = POUR_MORE;
    while (result == POUR_MORE && poured->written < page->len) {
        size_t left = page->len - poured->written;
        size_t len = left < POUR_PIECE_MAX ? left : POUR_PIECE_MAX;
        result = pour_write(&poured->pour, (struct bytes){page->data + poured->written, len});
        poured->written += len;
    }
    if (poured->written == page->len && poured->last) {
        pour_end(&poured->pour);
    } else if (poured->written == page->len) {
        poured->state = POURED_READING;
        store_read(poured->request.store, poured->page, on_page, poured);
    }
}

static void on_page(struct err result, void *ctx) {
    struct poured *poured = ctx;
    if (poured->state == POURED_GONE) {
        poured_free(poured);
        return;
    }
    poured->state = POURED_WRITING;
    if (err_failed(result)) {
        pour_cut(&poured->pour);
        return;
    }
    poured->written = 0;
    poured->take(poured);
    if (pour_open(&poured->pour)) {
        page_write(poured);
    }
}

static void on_ready(struct pour *pour) {
    struct poured *poured = CONTAINER_OF(pour, struct poured, pour);
    if (poured->state == POURED_WRITING) {
        page_write(poured);
    }
}

static void on_drain(struct pour *pour, enum err_code why) {
    (void)why; /* Either way it cannot become whole. */
    pour_cut(pour);
}

static void on_gone(struct pour *pour) {
    struct poured *poured = CONTAINER_OF(pour, struct poured, pour);
    if (poured->state == POURED_READING) {
        poured->state = POURED_GONE;
    } else {
        poured_free(poured);
    }
}

static const struct pour_ops ops = {.ready = on_ready, .drain = on_drain, .gone = on_gone};

void poured_start(struct poured *poured, size_t page_max) {
    const struct one_key *key = &poured->request.key;
    assert(key->owner.len < sizeof poured->owner);
    assert(key->id.len < sizeof poured->id);
    memcpy(poured->owner, key->owner.data, key->owner.len);
    memcpy(poured->id, key->id.data, key->id.len);
    poured->key =
        (struct one_key){.owner = {poured->owner, key->owner.len}, .id = {poured->id, key->id.len}};
    text_init(&poured->request.op.answer, page_max);
}

struct err poured_work(struct tx *tx, void *ctx) {
    struct poured *poured = ctx;
    return poured->page(tx, poured);
}

enum request_next poured_done(void *ctx, struct err *io_result) {
    struct poured *poured = ctx;
    struct exchange *exchange = poured->request.op.exchange;
    const struct pour_options options = {.ops = &ops, .media = poured->media};
    char name[100];
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    int len =
        snprintf(name, sizeof name, "attachment; filename=\"%s.%s\"", poured->id, poured->ending);
    assert(len > 0 && (size_t)len < sizeof name);
    exchange_add_header(exchange, "Content-Disposition", name);
    poured->take(poured);
    if (!exchange_pour_begin(exchange, &options, &poured->pour)) {
        poured_free(poured); /* The answer to a HEAD is complete. */
    }
    return REQUEST_LATER;
}
