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

struct look {
    struct ps_watch *watch;
    json_t *before, *now;        /* Owned: runs that live, by id; a value must change for a line. */
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

static void live_look(struct look *look, const json_t *run) {
    const char *id = talk_text(run, "id");
    char mark[32];
    (void)snprintf(mark, sizeof mark, "%.10s %.8s %lld", talk_text(run, "state"),
                   talk_text(run, "gate"), (long long)talk_int(run, "attempts")); /* Cut is fine. */
    if (json_object_size(look->now) < RUNS_MAX) { /* More than anybody can look at. */
        (void)json_object_set_new(look->now, id,
                                  json_string(mark)); /* One that finds no memory is new again. */
    }
    if (strcmp(talk_text(look->before, id), mark) != 0) {
        line_print(look, run);
    }
}

/* --- One look --------------------------------------------------------------------------------- */

static void newest_each(void *ctx, const json_t *run) {
    struct look *look = ctx;
    const char *id = talk_text(run, "id");
    if (look->newest[0] == '\0') {
        (void)snprintf(look->newest, sizeof look->newest, "%s", id); /* An id is short. */
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
    const char *id = talk_text(run, "id");
    if (json_object_get(look->before, id) != NULL || json_object_get(look->now, id) == NULL) {
        live_look(look, run);
    }
}

static int by_id(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Prints the runs that lived at the last look and do not now, the oldest first. */
static struct err gone_look(struct look *look) {
    struct why *why = &look->watch->invocation->why;
    AUTO(mem_release)
    const char **gone = mem_new_array(json_object_size(look->before) + 1, sizeof *gone);
    size_t count = 0;
    const char *id = NULL;
    json_t *mark = NULL;
    json_object_foreach(look->before, id, mark) {
        if (json_object_get(look->now, id) == NULL) {
            gone[count++] = id;
        }
    }
    qsort(gone, count, sizeof *gone, by_id);
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        AUTO(json_release) json_t *run = NULL;
        err = run_get(look->watch->talk, gone[i], 0 /* one try */, &run, why);
        if (err.code == ERR_NOT_FOUND) {
            err = ERR_OK; /* It ended, and was removed. */
        } else if (!err_failed(err)) {
            line_print(look, run);
        }
    }
    return err;
}

/* A look that failed in the middle is forgotten: the next one prints what this one might have. */
static struct err look_once(struct look *look) {
    struct ps_watch *watch = look->watch;
    AUTO(text_done) struct text live = {0};
    struct talk_rows rows = {.path = watch->path,
                             .enough = &look->reached,
                             .each = newest_each,
                             .ctx = look,
                             .most = look->first ? 1 : RUNS_MAX};
    json_decref(look->now);
    look->now = json_object();
    look->newest[0] = '\0';
    look->reached = false;
    live_path(watch, &live);
    struct err err = talk_rows(watch->talk, &rows, &watch->invocation->why);
    if (!err_failed(err)) {
        err = talk_list(watch->talk, live.data, live_each, look, &watch->invocation->why);
    }
    if (!err_failed(err)) {
        err = gone_look(look);
    }
    if (err_failed(err)) {
        return err;
    }
    json_decref(look->before);
    look->before = look->now;
    look->now = NULL;
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
    const int64_t room = size.rows > ROWS_MIN ? size.rows - 3 : ROWS_MIN;
    AUTO(text_done) struct text path = {0};
    struct picture picture = {.view = &watch->view, .left = room};
    watch->view.columns = size.columns;
    live_path(watch, &path);
    text_init(&picture.text, 4 << 20);
    run_view_head(&watch->view, &picture.text);
    struct talk_rows rows = {.path = watch->all ? watch->path : path.data,
                             .each = picture_each,
                             .ctx = &picture,
                             .most = watch->all ? room : 0};
    struct err err = talk_rows(watch->talk, &rows, &watch->invocation->why);
    if (!err_failed(err) && picture.rows > room) {
        text_addf(&picture.text, "and %lld more\n", (long long)(picture.rows - room));
    }
    if (!err_failed(err)) {
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
            talk_trouble_of(err, why);
        }
        away = passes;
        begun = begun || !err_failed(err);
        if (passes || !err_failed(err)) {
            err = client_pause(&watch->talk->options, PAUSE_MS);
        }
    }
    json_decref(look.before);
    json_decref(look.now);
    return err;
}
