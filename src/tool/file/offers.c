/* offers.c: the best paths of a walk, kept in order: a few, so that each is put at its place. */
#include "tool/file/offers.h"

#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "tool/file/ignore.h"
#include "tool/file/walk.h"

/* Names of a folder come in their order, so that of two that are equal the earlier stays first. */
static bool is_better(int score, size_t len, const struct file_offer *other) {
    return score != other->score ? score > other->score : len < strlen(other->path);
}

struct search {
    struct file_offers *offers;
    struct ignore ignore; /* Owned. */
};

static void search_done(struct search *search) {
    ignore_done(&search->ignore);
}

static enum walk_next offer_look(void *ctx, const struct walk_entry *entry) {
    const struct search *search = ctx;
    struct file_offers *offers = search->offers;
    const struct bytes path = bytes_of(entry->path);
    if (ignore_has(&search->ignore, entry->path, S_ISDIR(entry->about->st_mode))) {
        return WALK_PAST;
    }
    if (!S_ISREG(entry->about->st_mode) || !utf8_valid(path.data, path.len) ||
        utf8_has_control(path)) {
        return WALK_ON;
    }
    const int score = fuzzy_score(&offers->fuzzy, path);
    size_t at = offers->count;
    while (at > 0 && is_better(score, path.len, &offers->best[at - 1])) {
        at--;
    }
    if (score == 0 || at == offers->limit) {
        return WALK_ON;
    }
    if (offers->count == offers->limit) {
        mem_free(offers->best[--offers->count].path);
    }
    memmove(&offers->best[at + 1], &offers->best[at],
            (offers->count - at) * sizeof offers->best[0]);
    offers->best[at] = (struct file_offer){.path = mem_copy(path.data, path.len), .score = score};
    offers->count++;
    return WALK_ON;
}

struct err file_offers_find(struct file_offers *offers, struct why *why) {
    assert(offers->limit > 0 && offers->limit <= FILE_OFFERS_MAX);
    const struct tool_root root = {.path = offers->root, .access = ROOT_READ};
    const struct tool_place place = {.roots = &root,
                                     .root_count = 1,
                                     .home = "",
                                     .closed = offers->closed,
                                     .world = offers->world,
                                     .deadline_ns = world_mono_ns(offers->world) +
                                                    (uint64_t)FILE_OFFERS_MS * 1000000};
    const struct tool_call call = {.id = TOOL_LIST_FILES};
    struct tool_work work = {.call = &call, .place = &place, .step = WORK_DO};
    AUTO(place_close) struct place_opened folder = {.fd = -1};
    if (err_failed(place_open(&place, ".", PLACE_FOLDER, &folder, &work.why))) {
        return err_why(why, ERR_CONFLICT, "the folder %.200s cannot be read", offers->root);
    }
    AUTO(search_done) struct search search = {.offers = offers};
    ignore_read(&search.ignore, &place, folder.fd);
    struct walk walk = {.work = &work,
                        .folder = ".",
                        .depth_max = WALK_DEPTH_MAX + 1,
                        .each = offer_look,
                        .ctx = &search};
    TRY(walk_run(&walk, folder.fd));
    offers->whole = !walk.over && walk.left_out == 0;
    return ERR_OK;
}

void file_offers_done(struct file_offers *offers) {
    for (size_t i = 0; i < offers->count; i++) {
        mem_free(offers->best[i].path);
    }
    offers->count = 0;
}
