/* tasks.c: tasks are made, found, changed and listed; what they wait for. */
#include <string.h>

#include "base/json/json.h"
#include "engine/board/rows.h"
#include "engine/project/projects.h"

/* --- What it waits for ------------------------------------------------------------------------ */

enum { CYCLE_STEPS_MAX = 1000, CYCLE_PATH_MAX = 400 }; /* A circle that is shown. */

/* The tasks from which one leads to `to`, breadth first, by ids; each with the place of the one
 * that led to it. */
struct walk {
    int64_t ids[CYCLE_STEPS_MAX];
    size_t from[CYCLE_STEPS_MAX];
    size_t count;
};

static void walk_add(struct walk *walk, int64_t id, size_t from) {
    for (size_t i = 0; i < walk->count; i++) {
        if (walk->ids[i] == id) {
            return;
        }
    }
    if (walk->count < CYCLE_STEPS_MAX) {
        walk->ids[walk->count] = id;
        walk->from[walk->count++] = from;
    }
}

/* "T-3 after T-2 after T-1 after T-3" */
static struct err cycle_tell(struct tx *tx, const struct walk *walk, size_t at, struct why *why) {
    AUTO(text_done) struct text path = text_up_to(CYCLE_PATH_MAX);
    for (size_t i = at;; i = walk->from[i]) {
        const struct bytes name =
            tx_text(tx, "SELECT name FROM tasks WHERE id = $1", ARGS(arg_int(walk->ids[i])));
        text_addf(&path, "%s%.*s", path.len > 0 ? " is after " : "", (int)name.len, name.data);
        if (i == 0) {
            break;
        }
    }
    return err_why(
        why, ERR_TASK_CYCLE,
        "\"depends_on\": the tasks would wait for each other: %s, which would be after it",
        text_bytes(&path).data != NULL ? text_bytes(&path).data : "a long circle");
}

/* The way on which a task leads back to itself. */
static struct err cycle_refuse(struct tx *tx, int64_t task, struct why *why) {
    struct walk *walk = tx_memory(tx, sizeof *walk);
    if (walk == NULL) {
        return tx_error(tx);
    }
    walk->count = 0;
    walk_add(walk, task, 0);
    for (size_t i = 0; i < walk->count && !err_failed(tx_error(tx)); i++) {
        int64_t needs[TASK_NEEDS_MAX];
        const size_t count =
            tx_ids(tx, "SELECT needs FROM task_needs WHERE task = $1 ORDER BY needs",
                   ARGS(arg_int(walk->ids[i])), TASK_NEEDS_MAX, needs);
        for (size_t j = 0; j < count; j++) {
            if (needs[j] == task) {
                return cycle_tell(tx, walk, i, why);
            }
            walk_add(walk, needs[j], i);
        }
    }
    return err_why(why, ERR_TASK_CYCLE,
                   "\"depends_on\": the tasks would wait for each other, in a long circle");
}

static struct err cycle_check(struct tx *tx, int64_t task, struct why *why) {
    const int64_t circles =
        tx_number(tx,
                  "WITH RECURSIVE above (id) AS (SELECT needs FROM task_needs WHERE task = $1 UNION"
                  " SELECT n.needs FROM task_needs n JOIN above a ON n.task = a.id)"
                  " SELECT count(*) FROM above WHERE id = $1",
                  ARGS(arg_int(task)));
    return circles == 0 || err_failed(tx_error(tx)) ? tx_error(tx) : cycle_refuse(tx, task, why);
}

/* Writes the rows of `depends_on`; what was waived stays so. */
static struct err needs_write(struct tx *tx, const struct task *task, bool is_new,
                              struct why *why) {
    AUTO(json_release) json_t *list = NULL;
    struct err err = json_parse_wrapped(task->depends_on, &list, NULL);
    AUTO(text_done) struct text kept = text_up_to(64 << 10);
    const struct task_key key = {.owner = task->owner, .project = task->project};
    if (err_failed(err)) {
        return err;
    }
    int64_t ids[TASK_NEEDS_MAX];
    const size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        const struct bytes name = json_text(json_array_get(list, i));
        const struct bytes id = tasks__id_of(tx, &key, task_number_read(name));
        ids[i] = tx_number(tx, "SELECT id FROM tasks WHERE task = $1", ARGS(arg_text(id)));
        if (ids[i] == task->id && ids[i] != 0) {
            return err_why(why, ERR_TASK_CYCLE, "\"depends_on\": %.*s would wait for itself",
                           (int)name.len, name.data);
        }
        if (ids[i] == 0 && !err_failed(tx_error(tx))) {
            return err_why(why, ERR_BAD_FIELD, "\"depends_on\": there is no task '%.*s' in '%.*s'",
                           (int)name.len, name.data, (int)task->project.len, task->project.data);
        }
    }
    int64_t had[TASK_NEEDS_MAX];
    const size_t had_count = tx_ids(tx, "SELECT needs FROM task_needs WHERE task = $1",
                                    ARGS(arg_int(task->id)), TASK_NEEDS_MAX, had);
    for (size_t i = 0; i < had_count; i++) {
        bool stays = false;
        for (size_t j = 0; j < count; j++) {
            stays = stays || ids[j] == had[i];
        }
        if (!stays) {
            tx_do(tx, "DELETE FROM task_needs WHERE task = $1 AND needs = $2",
                  ARGS(arg_int(task->id), arg_int(had[i])));
        }
    }
    for (size_t i = 0; i < count; i++) {
        tx_do(tx, "INSERT INTO task_needs (task, needs) VALUES ($1, $2) ON CONFLICT DO NOTHING",
              ARGS(arg_int(task->id), arg_int(ids[i])));
    }
    if (count + had_count > 0) {
        tasks__waits_mark(tx, task);
    }
    /* Nothing waits for a new one yet. */
    return err_failed(tx_error(tx)) || count == 0 || is_new ? tx_error(tx)
                                                            : cycle_check(tx, task->id, why);
}

struct err tx_task_waive(struct tx *tx, const struct task_waive *waive, struct task *ret_task,
                         struct why *why) {
    struct err err = tx_task_find(tx, &waive->key, &waive->client, ret_task, why);
    const struct task_key key = {.owner = waive->key.owner, .project = ret_task->project};
    if (err_failed(err)) {
        return err;
    }
    const struct bytes needs = tasks__id_of(tx, &key, task_number_read(waive->needs));
    const int64_t changed =
        tx_change(tx,
                  "UPDATE task_needs SET waived_by = $3, waived_because = $4 WHERE task = $1"
                  " AND needs = (SELECT id FROM tasks WHERE task = $2)",
                  ARGS(arg_int(ret_task->id), arg_text(needs), arg_text(waive->key.owner),
                       arg_text(waive->because)));
    if (changed == 0 && !err_failed(tx_error(tx))) {
        return err_why(why, ERR_NOT_FOUND, "%.*s does not wait for '%.*s'", (int)ret_task->name.len,
                       ret_task->name.data, (int)waive->needs.len, waive->needs.data);
    }
    tasks__waits_mark(tx, ret_task);
    AUTO(text_done) struct text detail = text_up_to(8 * TASK_TEXT_MAX);
    text_add_char(&detail, '{');
    text_add_member(&detail, "needs", waive->needs);
    text_add_member(&detail, "because", waive->because);
    text_add_char(&detail, '}');
    const struct task_happened happened = {
        .type = "waived", .agent = waive->key.owner, .detail = text_bytes(&detail)};
    tasks__tell(tx, ret_task, &happened);
    tasks__write(tx, ret_task);
    return tx_error(tx);
}

/* --- Making and changing ---------------------------------------------------------------------- */

/* A task of that source is there already. */
static bool imported(struct tx *tx, struct task *io_task) {
    const struct bytes id =
        io_task->source.len == 0
            ? BYTES("")
            : tx_text(tx,
                      "SELECT task FROM tasks WHERE owner = $1 AND project = $2 AND source = $3"
                      " AND source <> ''",
                      ARGS(arg_text(io_task->owner), arg_text(io_task->project),
                           arg_text(io_task->source)));
    return id.len > 0 && tasks__load(tx, io_task->owner, id, io_task);
}

int64_t tx_board_depth(struct tx *tx, const struct board_who *who) {
    const int64_t own = tx_number(tx, "SELECT COALESCE(max(depth), 0) FROM tasks WHERE task = $1",
                                  ARGS(arg_text(who->task)));
    return own > who->depth ? own : who->depth;
}

void tx_task_from_agent(struct tx *tx, const struct board_who *who, struct task *io_task) {
    io_task->depth = tx_board_depth(tx, who) + 1;
    if (tx_number(tx,
                  "SELECT count(*) FROM tasks WHERE task = $1 AND plan_state IN ('missing',"
                  " 'waiting')",
                  ARGS(arg_text(who->task))) > 0) {
        io_task->plan = BYTES("required");
        io_task->plan_state = TASK_PLAN_MISSING;
    }
}

struct err tx_task_add(struct tx *tx, struct task *io_task, struct why *why) {
    char name[TASK_NUMBER_SIZE];
    if (imported(tx, io_task)) {
        return tx_error(tx);
    }
    io_task->depth = io_task->depth > 0 ? io_task->depth : 1;
    if (io_task->depth > TASK_DEPTH_MAX) {
        return err_why(why, ERR_TASK_DEPTH,
                       "this would be number %lld of a chain in which each task was added while an "
                       "agent worked on the one before; a chain has at most %d: do the work within "
                       "this task, or ask a person to add it",
                       (long long)io_task->depth, TASK_DEPTH_MAX);
    }
    tx_project_use(tx, io_task->owner, io_task->project, NULL);
    io_task->number = 1 + tx_number(tx,
                                    "SELECT COALESCE(max(place), 0) FROM tasks WHERE owner = $1"
                                    " AND project = $2",
                                    ARGS(arg_text(io_task->owner), arg_text(io_task->project)));
    task_number_write(io_task->number, name);
    io_task->name = tx_copy(tx, bytes_of(name));
    struct err err = tx_resource_insert(tx, &task_resource, io_task);
    if (err.code == ERR_TOO_MANY) {
        why_set(why, "there are %d tasks already", TASKS_MAX);
    }
    TRY(err);
    io_task->id =
        tx_number(tx, "SELECT id FROM tasks WHERE task = $1", ARGS(arg_text(io_task->task)));
    TRY(needs_write(tx, io_task, true, why));
    const struct task_happened happened = {
        .type = "added", .agent = BYTES(""), .detail = BYTES("{}")};
    tasks__tell(tx, io_task, &happened);
    tasks__write(tx, io_task);
    return tx_error(tx);
}

struct err tx_task_change(struct tx *tx, struct task *io_task, bool needs, struct why *why) {
    TRY(needs ? needs_write(tx, io_task, false, why) : ERR_OK);
    tasks__write(tx, io_task);
    return tx_error(tx);
}

/* --- Lists ------------------------------------------------------------------------------------ */

struct err tx_task_each(struct tx *tx, const struct task_page *page, resource_each each,
                        void *ctx) {
    static const char ready[] =
        "owner = $1 AND project = $2 AND place < $3 AND archived = $4"
        " AND status = 'pending' AND not_before_ms <= $5 AND " TASK_NEEDS_MET
        " ORDER BY place DESC LIMIT $6";
    static const char sourced[] = "owner = $1 AND project = $2 AND place < $3 AND source = $4"
                                  " AND source <> '' LIMIT $5"; /* At most one row. */
    static const char any[] = "owner = $1 AND project = $2 AND place < $3 AND archived = $4"
                              " ORDER BY place DESC LIMIT $5";
    struct arg args[6] = {arg_text(page->owner), arg_text(page->project),
                          arg_int(page->before > 0 ? page->before : INT64_MAX),
                          page->source.len > 0 ? arg_text(page->source)
                                               : arg_int(page->archived ? 1 : 0)};
    size_t count = 4;
    if (page->ready && page->source.len == 0) {
        args[count++] = arg_int(tx_now_ms(tx));
    }
    args[count++] = arg_int(page->limit);
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &task_resource,
                                         page->source.len > 0 ? sourced
                                         : page->ready        ? ready
                                                              : any,
                                         args, count);
    struct task task;
    while (rows_step(rows)) {
        if (resource_row_read(&task_resource, rows, &task)) {
            tx_fail(tx, each(ctx, &task));
        }
    }
    return tx_error(tx);
}
