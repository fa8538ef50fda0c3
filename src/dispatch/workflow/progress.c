/* progress.c: see progress.h.
 *
 *   none ──mark──> DUE ──its turn──> READING ──> RESTING, for a second ──marked──> DUE
 *                                       └── gone ──> none <──┘ not marked
 *
 * One workflow is read at a time: a thousand of them are not a thousand reads at once. */
#include "dispatch/workflow/progress.h"

#include "base/memory.h"
#include "dispatch/workflow/registry.h"

enum { REST_MS = 1000, FRAME_MAX = 1024 };

struct progress {
    struct table_node node; /* By the number of the row. */
    struct link link;
    int64_t workflow;
    struct text owner, project; /* Owned: names of their streams. */
    struct bytes of;            /* Borrowed from `owner`: the owner. */
    bool marked;                /* Since its last read began. */
    uint64_t until_ns;
    struct text told; /* Owned: what was said last, without the time. */
};

struct progress_board {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    struct hub *hub;     /* Borrowed. */
    struct table all;    /* Owned. */
    struct link due, resting;
    struct progress *reading; /* NULL: none. */
    struct text frame;        /* Owned: the read's. */
    size_t without_time;      /* Bytes of it before the time. */
    struct timer timer;
    bool stopping;
};

struct progress_board *progress_open(struct loop *loop, struct store *store, struct hub *hub) {
    struct progress_board *board = mem_new(sizeof *board);
    board->loop = loop;
    board->store = store;
    board->hub = hub;
    links_init(&board->due);
    links_init(&board->resting);
    table_init(&board->all);
    text_init(&board->frame, FRAME_MAX);
    return board;
}

static void progress_free(struct progress_board *board, struct progress *progress) {
    table_remove(&board->all, &progress->node);
    text_done(&progress->owner);
    text_done(&progress->project);
    text_done(&progress->told);
    mem_free(progress);
}

void progress_stop(struct progress_board *board) {
    if (board != NULL) {
        board->stopping = true;
        timer_stop(board->loop, &board->timer);
    }
}

void progress_close(struct progress_board *board) {
    if (board == NULL) {
        return;
    }
    for (struct table_node *node; (node = table_next(&board->all, NULL)) != NULL;) {
        progress_free(board, CONTAINER_OF(node, struct progress, node));
    }
    table_done(&board->all);
    text_done(&board->frame);
    mem_free(board);
}

static struct err read_tx(struct tx *tx, void *ctx) {
    struct progress_board *board = ctx;
    text_clear(&board->frame);
    return tx_run_progress(tx, board->reading->workflow, &board->frame, &board->without_time);
}

static void board_say(struct progress_board *board, struct progress *progress) {
    const struct bytes told = {board->frame.data, board->without_time};
    if (bytes_equal(told, text_bytes(&progress->told))) {
        return;
    }
    text_clear(&progress->told);
    text_add(&progress->told, told.data, told.len);
    struct hub_said said = {.owner = progress->of,
                            .name = text_bytes(&progress->owner),
                            .type = BYTES("run_progress"),
                            .data = text_bytes(&board->frame)};
    hub_say(board->hub, &said);
    said.name = text_bytes(&progress->project);
    hub_say(board->hub, &said);
}

static void board_go(struct progress_board *board);

static void figures_read(struct err err, void *ctx) {
    struct progress_board *board = ctx;
    struct progress *progress = board->reading;
    board->reading = NULL;
    if (board->stopping) {
        return;
    }
    if (err_failed(err) || text_failed(&board->frame) || board->frame.len == 0) {
        progress_free(board, progress);
    } else {
        board_say(board, progress);
        progress->until_ns = world_mono_ns(loop_world(board->loop)) + REST_MS * UINT64_C(1000000);
        link_add_last(&board->resting, &progress->link);
    }
    board_go(board);
}

static void rested(struct timer *timer) {
    struct progress_board *board = CONTAINER_OF(timer, struct progress_board, timer);
    const uint64_t now_ns = world_mono_ns(loop_world(board->loop));
    while (!links_empty(&board->resting)) {
        struct progress *progress = CONTAINER_OF(board->resting.next, struct progress, link);
        if (progress->until_ns > now_ns) {
            break;
        }
        link_remove(&progress->link);
        if (progress->marked) {
            link_add_last(&board->due, &progress->link);
        } else {
            progress_free(board, progress);
        }
    }
    board_go(board);
}

static void board_go(struct progress_board *board) {
    if (board->reading == NULL && !links_empty(&board->due)) {
        board->reading = CONTAINER_OF(links_take(&board->due), struct progress, link);
        board->reading->marked = false;
        store_read(board->store, read_tx, figures_read, board);
    }
    if (!links_empty(&board->resting) && !timer_runs(&board->timer)) {
        const struct progress *first = CONTAINER_OF(board->resting.next, struct progress, link);
        const uint64_t now_ns = world_mono_ns(loop_world(board->loop));
        const uint64_t left_ns = first->until_ns > now_ns ? first->until_ns - now_ns : 0;
        timer_start(board->loop, &board->timer, left_ns / 1000000 + 1, rested);
    }
}

/* Names that are too long, of a damaged row, are of no stream, and nobody follows it. */
static struct progress *progress_new(const struct progress_of *of) {
    static const char prefix[] = "owner:";
    struct progress *progress = mem_new(sizeof *progress);
    progress->workflow = of->workflow;
    progress->node.name =
        (struct bytes){(const char *)&progress->workflow, sizeof progress->workflow};
    text_init(&progress->owner, FRAME_MAX);
    text_init(&progress->project, FRAME_MAX);
    text_init(&progress->told, FRAME_MAX);
    text_add_str(&progress->owner, prefix);
    text_add(&progress->owner, of->owner.data, of->owner.len);
    text_add_str(&progress->project, "project:");
    text_add(&progress->project, of->project.data, of->project.len);
    progress->of = text_bytes(&progress->owner);
    progress->of.data += sizeof prefix - 1;
    progress->of.len -= sizeof prefix - 1;
    return progress;
}

void progress_mark(struct progress_board *board, const struct progress_of *of) {
    const struct bytes name = {(const char *)&of->workflow, sizeof of->workflow};
    if (board == NULL || board->stopping) {
        return;
    }
    struct table_node *node = table_find(&board->all, name);
    if (node != NULL) {
        CONTAINER_OF(node, struct progress, node)->marked = true;
        return;
    }
    struct progress *progress = progress_new(of);
    table_add(&board->all, &progress->node);
    if (hub_follows(board->hub, progress->of, text_bytes(&progress->owner)) ||
        hub_follows(board->hub, progress->of, text_bytes(&progress->project))) {
        link_add_last(&board->due, &progress->link);
        board_go(board);
    } else {
        progress_free(board, progress);
    }
}
