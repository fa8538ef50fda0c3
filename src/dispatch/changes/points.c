/* points.c: see points.h. */
#include "dispatch/changes/places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/where.h"
#include "base/hash.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "engine/changes/points.h"
#include "tool/changes/ask.h"
#include "tool/place.h"

enum {
    ASKS_MAX = 4096,
    OFF_MS = 60 * 1000, /* Before a world that could not be read is looked at again. */
    MINUTE_MS = 60 * 1000,
    PASS_MS = 10 * 60 * 1000, /* The first pass through a large folder may take long. */
    ANSWER_MAX = 64 << 10,
    ORDER_MAX = 256 << 10,
    LEFT_OUT_BYTES_MAX = 32 << 10,
    CAPTURE_BYTES_MAX = 16 << 10, /* Settings of a project have as much. */
    DETAIL_MAX = 500,
    FOLDER_NAME_LEN = 24,
    PATHS_MAX = 64, /* Paths that one order names. */
    PAUSE_MS = 100,
    PAUSE_MAX_MS = 5000,
};

static void place_tick(struct changes_place *place);

static uint64_t points_now_ms(const struct points *points) {
    return world_mono_ns(loop_world(points->options.room.loop)) / 1000000;
}

/* --- Entries ---------------------------------------------------------------------------------- */

static void entry_free(struct point_entry *entry) {
    assert(entry->wait == NULL);
    entry->points->entries--;
    link_remove(&entry->link);
    mem_free(entry->root);
    mem_free(entry->path);
    mem_free(entry);
}

/* The end of a wait, in whatever way. */
static void entry_release(struct point_entry *entry) {
    struct point_wait *wait = entry->wait;
    entry->wait = NULL;
    if (wait != NULL) {
        timer_stop(entry->points->options.room.loop, &wait->timer);
        wait->entry = NULL;
        wait->done(wait);
    }
}

static void entries_end(struct link *list) {
    while (!links_empty(list)) {
        struct point_entry *entry = CONTAINER_OF(list->next, struct point_entry, link);
        link_remove(&entry->link);
        entry_release(entry);
        entry_free(entry);
    }
}

static void on_wait_late(struct timer *timer) {
    struct point_wait *wait = CONTAINER_OF(timer, struct point_wait, timer);
    wait->entry->late = true;
    wait->points->stats.late++;
    entry_release(wait->entry);
}

void point_wait_cancel(struct point_wait *wait) {
    if (wait->entry != NULL) {
        timer_stop(wait->points->options.room.loop, &wait->timer);
        wait->entry->late = true; /* Nobody knows whether its call begins. */
        wait->entry->wait = NULL;
        wait->entry = NULL;
    }
}

static void on_refused(void *ctx, struct err err);
static const struct ask_rules place_rules = {
    .words = {.effect = "store a point of a folder",
              .again = "a point of a folder could not be stored; it is tried again"},
    .refused = on_refused};

/* --- Finding the world ------------------------------------------------------------------------ */

static struct changes_place *place_get(struct points *points, const struct git_place *at) {
    struct table_node *node = table_find(&points->places, bytes_of(at->top));
    if (node != NULL) {
        return CONTAINER_OF(node, struct changes_place, node);
    }
    struct changes_place *place = mem_new(sizeof *place);
    const struct sha256 hash = sha256_of(at->first, strlen(at->first));
    place->points = points;
    place->path = mem_copy(at->top, strlen(at->top));
    place->repository = mem_copy(sha256_hex(&hash).text, FOLDER_NAME_LEN);
    place->kind = at->is_git ? WORLD_GIT : WORLD_PLAIN;
    place->node.name = bytes_of(place->path);
    links_init(&place->queue);
    links_init(&place->pass);
    ask_init(&place->ask, &points->room.asker, &place_rules, place);
    place->detail = text_up_to(DETAIL_MAX);
    place->left_out = text_up_to(LEFT_OUT_BYTES_MAX);
    place->capture = text_up_to(CAPTURE_BYTES_MAX);
    table_add(&points->places, &place->node);
    return place;
}

/* A path of a tool is relative to its root, or absolute; in a point it is relative to the world. */
static void entry_place_path(struct point_entry *entry) {
    char whole[2 * LIMIT_PATH_MAX];
    const int len = entry->path[0] == '/'
                        ? snprintf(whole, sizeof whole, "%s", entry->path)
                        : snprintf(whole, sizeof whole, "%s/%s", entry->at.root, entry->path);
    const char *below =
        len > 0 && (size_t)len < sizeof whole ? place_below(whole, entry->at.top) : NULL;
    if (below != NULL && strlen(below) < sizeof entry->relative) {
        memcpy(entry->relative, below, strlen(below) + 1);
    }
}

static void entry_find(struct pool_job *job) {
    struct point_entry *entry = CONTAINER_OF(job, struct point_entry, job);
    const char *home = entry->points->options.home;
    entry->found = git_place_find(entry->root, &entry->at);
    if (entry->found && !entry->at.is_git) {
        entry->found = strcmp(entry->at.top, "/") != 0 && entry->at.top[0] != '\0' &&
                       (home == NULL || strcmp(entry->at.top, home) != 0);
    }
    if (entry->found && entry->path != NULL) {
        entry_place_path(entry);
    }
}

/* A person waits, who must not read of a folder as it was a while ago. */
static bool person_waits(const struct changes_place *place) {
    for (struct link *at = place->queue.next; at != &place->queue; at = at->next) {
        const char *run = CONTAINER_OF(at, struct point_entry, link)->run;
        if (strncmp(run, "ses_", 4) == 0 || strncmp(run, "tre_", 4) == 0) {
            return true;
        }
    }
    return false;
}

static void on_entry_found(struct pool_job *job) {
    struct point_entry *entry = CONTAINER_OF(job, struct point_entry, job);
    struct points *points = entry->points;
    if (points->room.asker.stopping || !entry->found) {
        entry_release(entry);
        entry_free(entry);
        room_maybe_stopped(&points->room);
        return;
    }
    struct changes_place *place = place_get(points, &entry->at);
    link_add_last(&place->queue, &entry->link);
    if (place->state == PLACE_PAUSING && person_waits(place)) {
        timer_stop(points->options.room.loop, &place->timer);
        place->state = PLACE_IDLE;
    }
    if (place->state == PLACE_IDLE) {
        place_tick(place);
    }
}

static struct point_entry *entry_new(struct points *points, const struct point_ask *ask) {
    if (points->git == NULL || points->room.asker.stopping || ask->root[0] == '\0') {
        return NULL;
    }
    if (points->entries >= ASKS_MAX) {
        points->stats.dropped++;
        return NULL;
    }
    const struct world *world = loop_world(points->options.room.loop);
    struct point_entry *entry = mem_new(sizeof *entry);
    points->entries++;
    entry->points = points;
    entry->root = mem_copy(ask->root, strlen(ask->root));
    entry->path = ask->path == NULL ? NULL : mem_copy(ask->path, strlen(ask->path));
    entry->phase = ask->phase;
    entry->begins = ask->begins;
    entry->late = ask->late;
    entry->ids[0] = world_new_id(world, "pnt");
    entry->ids[1] = world_new_id(world, "pnt");
    assert(ask->run.len < sizeof entry->run);
    memcpy(entry->run, ask->run.data, ask->run.len);
    (void)snprintf(entry->call, sizeof entry->call, "%s", ask->call); /* Short. */
    pool_begin(&points->room.pool, &entry->job, POOL_QUICK, entry_find, on_entry_found);
    return entry;
}

void points_take(struct points *points, const struct point_ask *ask) {
    (void)entry_new(points, ask); /* NULL: none are taken. */
}

bool points_wait(struct points *points, const struct point_ask *ask, struct point_wait *wait) {
    assert(wait->entry == NULL);
    struct point_entry *entry = entry_new(points, ask);
    if (entry == NULL) {
        return false;
    }
    entry->wait = wait;
    wait->entry = entry;
    wait->points = points;
    timer_start(points->options.room.loop, &wait->timer, POINT_WAIT_MS, on_wait_late);
    return true;
}

/* --- Jobs ------------------------------------------------------------------------------------- */

enum { SPEC_READ_MAX = 16 << 10 /* Longer specs are not parsed on the loop. */ };

static bool folder_is_known(const struct points *points, const char *folder) {
    for (struct table_node *node = NULL; (node = table_next(&points->places, node)) != NULL;) {
        if (place_below(folder, CONTAINER_OF(node, struct changes_place, node)->path) != NULL) {
            return true;
        }
    }
    return false;
}

static void job_take(struct points *points, const struct point_job *job, enum point_phase phase) {
    const struct point_ask ask = {.root = job->root,
                                  .run = bytes_of(job->run),
                                  .call = "job",
                                  .phase = phase,
                                  .late = phase == POINT_BEFORE};
    points_take(points, &ask);
}

/* A job does not wait for its first point, which counts as late. */
static void job_begin(struct points *points, const struct run_row *row) {
    AUTO(json_release) json_t *spec = NULL;
    if (row->spec.len > SPEC_READ_MAX || err_failed(json_parse_wrapped(row->spec, &spec, NULL))) {
        return;
    }
    const char *folder = json_str(spec, "cwd", "");
    if (folder[0] == '\0' || !folder_is_known(points, folder)) {
        return;
    }
    struct point_job *job = mem_new(sizeof *job);
    assert(row->run.len < sizeof job->run);
    memcpy(job->run, row->run.data, row->run.len);
    job->root = mem_copy(folder, strlen(folder));
    job->node.name = bytes_of(job->run);
    table_add(&points->jobs, &job->node);
    job_take(points, job, POINT_BEFORE);
}

static void job_free(struct points *points, struct point_job *job) {
    table_remove(&points->jobs, &job->node);
    mem_free(job->root);
    mem_free(job);
}

void points_run_note(void *room, const struct run_row *row) {
    struct points *points = room;
    if (row->parent != 0 || points->places.count == 0) {
        return;
    }
    struct table_node *node = table_find(&points->jobs, row->run);
    if (node == NULL && row->state == RUN_RUNNING) {
        job_begin(points, row);
    } else if (node != NULL && run_state_final(row->state)) {
        struct point_job *job = CONTAINER_OF(node, struct point_job, node);
        job_take(points, job, POINT_AFTER);
        job_free(points, job);
    }
}

/* --- A pass ----------------------------------------------------------------------------------- */

static bool place_is_held(const struct changes_place *place) {
    return strcmp(place->repository, place->points->held.text) == 0;
}

/* Whether a pass of the repository is under way. */
static bool repository_is_busy(const struct points *points, const char *repository) {
    for (struct table_node *node = NULL; (node = table_next(&points->places, node)) != NULL;) {
        const struct changes_place *place = CONTAINER_OF(node, struct changes_place, node);
        if (place->state != PLACE_IDLE && place->state != PLACE_PAUSING &&
            strcmp(place->repository, repository) == 0) {
            return true;
        }
    }
    return false;
}

bool points__hold(struct points *points, const char *repository) {
    points->held = id_copy(bytes_of(repository));
    for (struct table_node *node = NULL; (node = table_next(&points->places, node)) != NULL;) {
        struct changes_place *place = CONTAINER_OF(node, struct changes_place, node);
        if (place_is_held(place)) {
            place->opened = false; /* The row may go. */
        }
    }
    return !repository_is_busy(points, repository);
}

void points__release(struct points *points) {
    points->held = (struct id){""};
    for (struct table_node *node = NULL; (node = table_next(&points->places, node)) != NULL;) {
        place_tick(CONTAINER_OF(node, struct changes_place, node));
    }
}

static void pass_end(struct changes_place *place) {
    struct points *points = place->points;
    entries_end(&place->pass);
    mem_free(place->rows);
    place->rows = NULL;
    place->state = PLACE_IDLE;
    if (place_is_held(place) && !repository_is_busy(points, place->repository)) {
        sweep_quiet(&points->sweep);
    }
    place_tick(place);
}

static struct err note_tx(struct tx *tx, void *ctx) {
    struct changes_place *place = ctx;
    return tx_world_state(tx, &place->world);
}

static void on_noted(void *ctx) {
    pass_end(ctx);
}

/* The world cannot be read: it is off until somebody has looked at it again. */
static void pass_fail(struct changes_place *place, const char *detail) {
    struct points *points = place->points;
    points->stats.failed++;
    place->off_until_ms = points_now_ms(points) + OFF_MS;
    entries_end(&place->pass);
    text_clear(&place->detail);
    text_add_str(&place->detail, detail);
    place->world.state = WORLD_OFF;
    place->world.detail =
        text_failed(&place->detail) ? BYTES("it cannot be read") : text_bytes(&place->detail);
    place->world.left_out = BYTES("");
    place->state = PLACE_NOTING;
    ask_write(&place->ask, note_tx, on_noted);
}

static void on_refused(void *ctx, struct err err) {
    struct changes_place *place = ctx;
    place->points->stats.failed++;
    (void)err; /* Reported by the ask. */
    place->off_until_ms = points_now_ms(place->points) + OFF_MS;
    pass_end(place);
}

/* --- Storing ---------------------------------------------------------------------------------- */

/* The project of the first that asks says what is recorded, from the next pass on. */
static struct err capture_read(struct tx *tx, struct changes_place *place) {
    const struct point_entry *first = CONTAINER_OF(place->pass.next, struct point_entry, link);
    return links_empty(&place->pass) ? ERR_OK
                                     : tx_world_capture(tx, bytes_of(first->run), &place->capture);
}

static struct err put_tx(struct tx *tx, void *ctx) {
    struct changes_place *place = ctx;
    const struct points_put put = {.world = place->world,
                                   .tree = bytes_of(place->tree),
                                   .at_ms = place->began_ms,
                                   .files = place->files,
                                   .added = place->added,
                                   .removed = place->removed,
                                   .points = place->rows,
                                   .count = place->row_count};
    TRY(tx_points_put(tx, &put));
    return capture_read(tx, place);
}

/* Calls that did not wait for the next pass: what they have written may be in the tree of this one,
 * so that their points before are taken from it, too. */
static void pass_join_late(struct changes_place *place) {
    struct link *next = NULL;
    for (struct link *at = place->queue.next; at != &place->queue; at = next) {
        const struct point_entry *entry = CONTAINER_OF(at, struct point_entry, link);
        next = at->next;
        if (entry->late && entry->phase == POINT_BEFORE) {
            link_remove(at);
            link_add_last(&place->pass, at);
        }
    }
}

/* The rows of the pass. A wait that ends while they are stored is not late: the tree was read. */
static void rows_fill(struct changes_place *place) {
    size_t room = 0;
    for (struct link *at = place->pass.next; at != &place->pass; at = at->next) {
        room += 2;
    }
    place->rows = mem_new_array(room + 1, sizeof *place->rows);
    place->row_count = 0;
    for (struct link *at = place->pass.next; at != &place->pass; at = at->next) {
        const struct point_entry *entry = CONTAINER_OF(at, struct point_entry, link);
        struct point_new point = {.id = entry->ids[1],
                                  .run = bytes_of(entry->run),
                                  .call = BYTES(""),
                                  .phase = POINT_BEGIN,
                                  .path = BYTES(""),
                                  .late = entry->late};
        if (entry->begins) {
            place->rows[place->row_count++] = point;
        }
        point.id = entry->ids[0];
        point.call = bytes_of(entry->call);
        point.phase = entry->phase;
        point.path = bytes_of(entry->relative);
        point.late = entry->late;
        place->rows[place->row_count++] = point;
    }
    place->points->stats.points += place->row_count;
}

static void on_stored(void *ctx) {
    struct changes_place *place = ctx;
    place->points->stats.passes++;
    pass_end(place);
}

static void left_out_fill(struct changes_place *place, const json_t *line) {
    const json_t *left_out = json_object_get(line, "left_out");
    text_clear(&place->left_out);
    if (json_array_size(left_out) > 0) {
        if (err_failed(json_write(left_out, &place->left_out))) {
            text_clear(&place->left_out); /* Too long: no name is shown. */
        }
    }
    place->world.left_out_count = json_integer_value(json_object_get(line, "left_out_count"));
    place->world.left_out =
        text_failed(&place->left_out) ? BYTES("") : text_bytes(&place->left_out);
}

static void on_pass_answered(struct answer *answer, struct err err) {
    struct changes_place *place = CONTAINER_OF(answer, struct changes_place, answer);
    AUTO(json_release) json_t *line = NULL;
    struct bytes body;
    struct why why = {.text = ""};
    place->points->room.held--;
    if (place->points->room.asker.stopping) {
        entries_end(&place->pass);
        room_maybe_stopped(&place->points->room);
        return;
    }
    if (!err_failed(err)) {
        err = changes_answer_read(text_bytes(&answer->output), &line, &body, &why);
    }
    const char *tree = json_str(line, "tree", "");
    if (!err_failed(err) && (tree[0] == '\0' || strlen(tree) >= sizeof place->tree)) {
        err = err_why(&why, ERR_IO, "the program that reads the folder gave no tree");
    }
    if (err_failed(err)) {
        asker_report(&place->points->room.asker, "a folder could not be read for its changes",
                     BYTES(""), err);
        pass_fail(place, err_words(err, &why));
        return;
    }
    memcpy(place->tree, tree, strlen(tree) + 1);
    const bool large = strcmp(json_str(line, "state", "ready"), "large") == 0;
    place->world.state = large ? WORLD_LARGE : WORLD_READY;
    place->world.detail =
        large ? BYTES("the folder is large: only paths that tools name are taken") : BYTES("");
    place->world.files = json_integer_value(json_object_get(line, "files"));
    place->world.bytes = json_integer_value(json_object_get(line, "bytes"));
    left_out_fill(place, line);
    const json_t *changed = json_object_get(line, "changed");
    place->files = json_int(changed, "files", -1);
    place->added = json_int(changed, "added", 0);
    place->removed = json_int(changed, "removed", 0);
    place->state = PLACE_STORING;
    pass_join_late(place);
    rows_fill(place);
    ask_write(&place->ask, put_tx, on_stored);
}

/* --- Taking ----------------------------------------------------------------------------------- */

void points__order_begin(const struct points *points, const char *what, const char *repository,
                         struct text *order) {
    text_add_member_str(order, "do", what);
    text_add_member_str(order, "git", points->git);
    text_add_name(order, "shadow");
    text_add_char(order, '"');
    text_add_json_piece(order, bytes_of(points->folder));
    text_addf(order, "/%s\"", repository);
}

static void order_write(const struct changes_place *place, struct text *order) {
    const struct points *points = place->points;
    size_t paths = 0;
    text_add_char(order, '{');
    points__order_begin(points, "point", place->repository, order);
    text_add_member_str(order, "index", place->world.id.text);
    text_add_member_str(order, "root", place->path);
    text_add_member_str(order, "kind", world_kind_names[place->kind]);
    text_add_member_str(order, "closed", points->options.data_dir);
    text_add_str(order, ",\"paths\":[");
    for (struct link *at = place->pass.next; at != &place->pass; at = at->next) {
        const struct point_entry *entry = CONTAINER_OF(at, struct point_entry, link);
        if (entry->relative[0] != '\0' && paths < PATHS_MAX) {
            text_add_str(order, paths++ > 0 ? "," : "");
            text_add_json(order, entry->relative, strlen(entry->relative));
        }
    }
    text_add_char(order, ']');
    if (place->capture.len > 0) {
        text_add_name(order, "capture");
        text_add(order, place->capture.data, place->capture.len);
    }
    text_add_char(order, '}');
}

static void pass_take(struct changes_place *place) {
    struct points *points = place->points;
    AUTO(text_done) struct text order = text_up_to(ORDER_MAX);
    struct changes_child child;
    order_write(place, &order);
    place->state = PLACE_TAKING;
    place->began_ms = world_wall_ms(loop_world(points->options.room.loop));
    struct err err = text_failed(&order) ? text_error(&order, "changes: order")
                                         : changes_begin(text_bytes(&order), &child);
    if (!err_failed(err)) {
        const struct answer_order heard = {
            .fd = child.fd, .pid = child.pid, .size_max = ANSWER_MAX, .deadline_ms = PASS_MS};
        place->answer.done = on_pass_answered;
        err = answer_start(&place->answer, points->options.room.loop, &heard);
    }
    if (err_failed(err)) {
        asker_report(&points->room.asker, "a folder could not be read for its changes", BYTES(""),
                     err);
        pass_fail(place, err_title(err.code));
        return;
    }
    points->room.held++;
}

static struct err open_tx(struct tx *tx, void *ctx) {
    struct changes_place *place = ctx;
    const struct world_place what = {.host = place->points->options.host,
                                     .path = bytes_of(place->path),
                                     .repository = bytes_of(place->repository),
                                     .kind = place->kind};
    struct changes_world world;
    TRY(tx_world_open(tx, &what, &place->fresh, &world));
    place->world = (struct changes_world){.number = world.number, .id = world.id};
    return capture_read(tx, place);
}

static void on_opened(void *ctx) {
    struct changes_place *place = ctx;
    place->opened = true;
    pass_take(place);
}

static void on_pause_over(struct timer *timer) {
    struct changes_place *place = CONTAINER_OF(timer, struct changes_place, timer);
    place->state = PLACE_IDLE;
    place_tick(place);
}

/* Time until the next pass; counts the one that does. */
static uint64_t pass_wait_ms(struct changes_place *place) {
    const uint64_t now_ms = points_now_ms(place->points);
    if (place->minute_count == 0 || now_ms - place->minute_ms >= MINUTE_MS) {
        place->minute_ms = now_ms;
        place->minute_count = 0;
    }
    if (place->minute_count >= POINTS_A_MINUTE && !person_waits(place)) {
        return place->minute_ms + MINUTE_MS - now_ms;
    }
    place->minute_count++;
    return 0;
}

/* The next pass, of all entries that wait. */
static void place_tick(struct changes_place *place) {
    struct points *points = place->points;
    if (place->state != PLACE_IDLE || points->room.asker.stopping || place_is_held(place) ||
        links_empty(&place->queue)) {
        return;
    }
    if (points_now_ms(points) < place->off_until_ms) {
        entries_end(
            &place->queue); /* Callbacks may ask for the next point: it waits in the pool. */
        return;
    }
    const uint64_t wait_ms = pass_wait_ms(place);
    if (wait_ms > 0) {
        place->state = PLACE_PAUSING;
        timer_start(points->options.room.loop, &place->timer, wait_ms, on_pause_over);
        return;
    }
    while (!links_empty(&place->queue)) {
        struct link *entry = place->queue.next;
        link_remove(entry);
        link_add_last(&place->pass, entry);
    }
    if (!place->opened) {
        place->state = PLACE_OPENING;
        place->fresh = world_new_id(loop_world(points->options.room.loop), "wld");
        ask_write(&place->ask, open_tx, on_opened);
    } else {
        pass_take(place);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

struct points *points_open(const struct points_options *options) {
    struct points *points = mem_new(sizeof *points);
    struct agent_where where;
    char folder[LIMIT_PATH_MAX];
    points->options = *options;
    room_init(&points->room, &options->room, (struct room_pauses){PAUSE_MS, PAUSE_MAX_MS});
    table_init(&points->places);
    table_init(&points->jobs);
    const int len = snprintf(folder, sizeof folder, "%s/changes", options->data_dir);
    const bool fits = len > 0 && (size_t)len < sizeof folder;
    if (fits && (mkdir(folder, 0700) == 0 || errno == EEXIST) &&
        agent_where_find(NULL /* no root */, NULL /* no home */, options->path, "git", &where)) {
        points->git = mem_copy(where.path, strlen(where.path));
        points->folder = mem_copy(folder, strlen(folder));
        sweep_start(&points->sweep, points);
    } else {
        asker_report(&points->room.asker,
                     "git is not installed: changes of files are not recorded, so they cannot be"
                     " listed by agent, or taken back",
                     BYTES(""), err_make(ERR_NOT_FOUND, "changes: git"));
    }
    return points;
}

void points_stop(void *room, void (*stopped)(void *ctx), void *ctx) {
    struct points *points = room;
    points->room.asker.stopping = true;
    sweep_stop(&points->sweep);
    for (struct table_node *node = NULL; (node = table_next(&points->places, node)) != NULL;) {
        struct changes_place *place = CONTAINER_OF(node, struct changes_place, node);
        timer_stop(points->options.room.loop, &place->timer);
        ask_stop(&place->ask);
        if (place->answer.watch != NULL) {
            answer_cancel(&place->answer);
            points->room.held--;
        }
    }
    room_stop(&points->room, stopped, ctx);
}

static void place_free(struct changes_place *place) {
    entries_end(&place->queue);
    entries_end(&place->pass);
    table_remove(&place->points->places, &place->node);
    answer_cancel(&place->answer);
    text_done(&place->detail);
    text_done(&place->left_out);
    text_done(&place->capture);
    mem_free(place->rows);
    mem_free(place->repository);
    mem_free(place->path);
    mem_free(place);
}

void points_close(struct points *points) {
    if (points == NULL) {
        return;
    }
    struct table_node *next = NULL;
    for (struct table_node *node = table_next(&points->places, NULL); node != NULL; node = next) {
        next = table_next(&points->places, node);
        place_free(CONTAINER_OF(node, struct changes_place, node));
    }
    for (struct table_node *node = NULL; (node = table_next(&points->jobs, NULL)) != NULL;) {
        job_free(points, CONTAINER_OF(node, struct point_job, node));
    }
    sweep_done(&points->sweep);
    table_done(&points->jobs);
    table_done(&points->places);
    room_done(&points->room);
    mem_free(points->git);
    mem_free(points->folder);
    mem_free(points);
}

const char *points_git(const struct points *points) {
    return points->git;
}

const char *points_folder(const struct points *points) {
    return points->folder;
}

void points_forgotten(struct points *points) {
    sweep_soon(&points->sweep);
}

void points_get_stats(const struct points *points, struct points_stats *ret_stats) {
    *ret_stats = points->stats;
}
