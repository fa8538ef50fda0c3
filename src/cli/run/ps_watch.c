/* ps_watch.c: what changed between two looks.
 *
 * A look reads the newest runs down to the newest one of the look before (so that a run which began
 * and ended in between is seen), then those that live. What lived at the last look and does not now
 * has ended, and is asked for by name. */
#include "cli/run/ps_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/listing.h"
#include "cli/run/ask.h"

enum { PAUSE_MS = 1000, RUNS_MAX = 100000, ROWS_MIN = 4, ID_TIME_LEN = 14 /* "run_" and 10 */ };

struct seen {
    char id[40], mark[32]; /* mark: what must change for a new line. */
};

struct look {
    struct ps_watch *watch;
    struct seen *before, *now; /* Owned; `before` is sorted by id. */
    size_t before_count, now_count, now_size;
    char newest[40], marker[40]; /* Of this look and of the one before; "": none. */
    bool first, reached;         /* reached: the marker. */
};

static void live_path(const struct ps_watch *watch, struct text *path) {
    text_init(path, 16 << 10);
    text_addf(path, "%s%clive=1", watch->path, strchr(watch->path, '?') == NULL ? '?' : '&');
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void line_print(struct look *look, const json_t *run) {
    struct ps_watch *watch = look->watch;
    if (!listing_state_fits(&watch->invocation->args, talk_text(run, "state"))) {
        return;
    }
    if (watch->invocation->json) {
        talk_print(run);
        return;
    }
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1 << 20);
    text_addf(&text, "%s  ", talk_time(watch->view.now_ms).text);
    run_view_row(&watch->view, run, &text);
    fputs(text.data != NULL ? text.data : "", stdout);
}

static void copy_to(char *target, size_t size, const char *text) {
    size_t len = strnlen(text, size - 1);
    memcpy(target, text, len);
    target[len] = '\0';
}

static void note(struct look *look, const json_t *run) {
    if (look->now_count == RUNS_MAX) {
        return; /* More than anybody can look at. */
    }
    if (look->now_count == look->now_size) {
        look->now_size = look->now_size > 0 ? 2 * look->now_size : 64;
        look->now = mem_grow(look->now, look->now_size * sizeof *look->now);
    }
    struct seen *seen = &look->now[look->now_count++];
    copy_to(seen->id, sizeof seen->id, talk_text(run, "id"));
    (void)snprintf(seen->mark, sizeof seen->mark, "%.10s %.8s %lld", talk_text(run, "state"),
                   talk_text(run, "gate"), (long long)talk_int(run, "attempts")); /* Cut is fine. */
}

static int by_id(const void *a, const void *b) {
    return strcmp(((const struct seen *)a)->id, ((const struct seen *)b)->id);
}

static const struct seen *find_before(const struct look *look, const char *id) {
    struct seen key;
    copy_to(key.id, sizeof key.id, id);
    return look->before_count == 0
               ? NULL
               : bsearch(&key, look->before, look->before_count, sizeof *look->before, by_id);
}

static bool noted_now(const struct look *look, const char *id) {
    for (size_t i = look->now_count; i > 0; i--) {
        if (strcmp(look->now[i - 1].id, id) == 0) {
            return true;
        }
    }
    return false;
}

static void live_look(struct look *look, const json_t *run) {
    note(look, run);
    const struct seen *before = find_before(look, talk_text(run, "id"));
    if (before == NULL || strcmp(before->mark, look->now[look->now_count - 1].mark) != 0) {
        line_print(look, run);
    }
}

/* --- One look --------------------------------------------------------------------------------- */

static void newest_each(void *ctx, const json_t *run) {
    struct look *look = ctx;
    const char *id = talk_text(run, "id");
    if (look->newest[0] == '\0') {
        copy_to(look->newest, sizeof look->newest, id);
    }
    /* The marker itself may have been removed since. */
    if (look->first || (look->marker[0] != '\0' && (strcmp(id, look->marker) == 0 ||
                                                    strncmp(id, look->marker, ID_TIME_LEN) < 0))) {
        look->reached = true;
    } else if (run_has_ended(run)) {
        line_print(look, run);
    } else {
        live_look(look, run);
    }
}

static void live_each(void *ctx, const json_t *run) {
    struct look *look = ctx;
    if (find_before(look, talk_text(run, "id")) != NULL || !noted_now(look, talk_text(run, "id"))) {
        live_look(look, run);
    }
}

static struct err gone_look(struct look *look) {
    struct why *why = &look->watch->invocation->why;
    struct err err = ERR_OK;
    if (look->now_count > 0) {
        qsort(look->now, look->now_count, sizeof *look->now, by_id);
    }
    for (size_t i = 0; i < look->before_count && !err_failed(err); i++) {
        const struct seen *seen = &look->before[i];
        if (look->now_count > 0 &&
            bsearch(seen, look->now, look->now_count, sizeof *look->now, by_id) != NULL) {
            continue;
        }
        AUTO(json_release) json_t *run = NULL;
        err = run_get(look->watch->talk, seen->id, 0 /* one try */, &run, why);
        if (err.code == ERR_NOT_FOUND) {
            err = ERR_OK; /* It ended, and was removed. */
        } else if (!err_failed(err)) {
            line_print(look, run);
        }
    }
    return err;
}

static struct err look_lists(struct look *look) {
    struct ps_watch *watch = look->watch;
    AUTO(text_done) struct text live = {0};
    live_path(watch, &live);
    struct talk_rows rows = {.path = watch->path,
                             .enough = &look->reached,
                             .each = newest_each,
                             .ctx = look,
                             .most = look->first ? 1 : RUNS_MAX};
    struct err err = talk_rows(watch->talk, &rows, &watch->invocation->why);
    return err_failed(err)
               ? err
               : talk_list(watch->talk, live.data, live_each, look, &watch->invocation->why);
}

/* A look that failed in the middle is forgotten: the next one prints what this one might have. */
static struct err look_once(struct look *look) {
    look->now_count = 0;
    look->newest[0] = '\0';
    look->reached = false;
    struct err err = look_lists(look);
    if (!err_failed(err)) {
        err = gone_look(look);
    }
    if (err_failed(err)) {
        return err;
    }
    struct seen *old = look->before;
    look->before = look->now;
    look->before_count = look->now_count;
    look->now = NULL;
    look->now_size = 0;
    mem_free(old);
    if (look->newest[0] != '\0') {
        memcpy(look->marker, look->newest, sizeof look->marker);
    }
    look->first = false;
    return ERR_OK;
}

/* --- A picture -------------------------------------------------------------------------------- */

struct picture {
    const struct run_view *view;
    struct text text; /* Owned. */
    int64_t rows, left;
};

static void picture_each(void *ctx, const json_t *run) {
    struct picture *picture = ctx;
    picture->rows++;
    if (picture->left > 0) {
        picture->left--;
        run_view_row(picture->view, run, &picture->text);
    }
}

/* The lines over the old ones, each cleared to its end, then what is below: no flicker. */
static void picture_show(const struct text *text) {
    fputs("\033[H", stdout);
    for (size_t at = 0; at < text->len;) {
        const char *end = memchr(text->data + at, '\n', text->len - at);
        size_t len = end != NULL ? (size_t)(end - text->data) - at : text->len - at;
        fwrite(text->data + at, 1, len, stdout);
        fputs("\033[K\n", stdout);
        at += len + 1;
    }
    fputs("\033[J", stdout);
    (void)fflush(stdout); /* A failure shows again at the end. */
}

static struct err draw_once(struct ps_watch *watch) {
    struct terminal_size size = {.rows = 24, .columns = 80};
    if (!terminal_size(STDOUT_FILENO, &size)) {
        size.rows = 24; /* It was one a moment ago. */
    }
    AUTO(text_done) struct text path = {0};
    struct picture picture = {.view = &watch->view,
                              .left = size.rows > ROWS_MIN ? size.rows - 3 : ROWS_MIN};
    watch->view.columns = size.columns;
    live_path(watch, &path);
    text_init(&picture.text, 4 << 20);
    run_view_head(&watch->view, &picture.text);
    struct talk_rows rows = {.path = watch->all ? watch->path : path.data,
                             .each = picture_each,
                             .ctx = &picture,
                             .most = watch->all ? picture.left : 0};
    struct err err = talk_rows(watch->talk, &rows, &watch->invocation->why);
    if (!err_failed(err)) {
        int64_t more = picture.rows - (size.rows > ROWS_MIN ? size.rows - 3 : ROWS_MIN);
        if (more > 0) {
            text_addf(&picture.text, "and %lld more\n", (long long)more);
        }
        picture_show(&picture.text);
    }
    text_done(&picture.text);
    return err;
}

/* --- Again and again -------------------------------------------------------------------------- */

struct err ps_watch(struct ps_watch *watch) {
    struct look look = {.watch = watch, .first = true};
    struct why *why = &watch->invocation->why;
    struct err err = ERR_OK;
    bool away = false, begun = false;
    if (watch->draw) {
        fputs("\033[2J", stdout);
    } else if (!watch->invocation->json) {
        AUTO(text_done) struct text head = {0};
        text_init(&head, 1024);
        text_addf(&head, "%-20s  ", "WHEN");
        run_view_head(&watch->view, &head);
        fputs(head.data, stdout);
    }
    while (!err_failed(err)) {
        watch->view.now_ms = world_wall_ms(watch->invocation->world);
        why->text[0] = '\0';
        err = watch->draw ? draw_once(watch) : look_once(&look);
        bool passes = begun && client_may_pass(err);
        if (passes && !away) {
            talk_trouble(NULL, why->text[0] != '\0' ? why->text : err_title(err.code));
        }
        away = passes;
        begun = begun || !err_failed(err);
        if (passes || !err_failed(err)) {
            err = client_pause(&watch->talk->options, PAUSE_MS);
        }
    }
    mem_free(look.before);
    mem_free(look.now);
    return err;
}
