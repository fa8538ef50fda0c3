/* reports.c: see the header.
 *
 * The forms in which an end is stored are those of dispatch/job/settle.c, each a part of its own:
 * whole, without result and output, and as the failure of its run. */
#include "engine/host/reports.h"

#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "base/text.h"
#include "engine/run/rows.h"

/* Names in the report. A name never changes: the reader may be of another version. */
static const char *const end_names[] = {
    [ATTEMPT_EXITED] = "exited",
    [ATTEMPT_SIGNALED] = "signaled",
    [ATTEMPT_NOT_STARTED] = "not_started",
    [ATTEMPT_VOID] = "void",
    [ATTEMPT_GONE] = "gone",
    [ATTEMPT_FOLDER_GONE] = "folder_gone",
    [ATTEMPT_REBOOTED] = "rebooted",
    [ATTEMPT_HOST_GONE] = "host_gone",
    [ATTEMPT_NO_DESCRIPTORS] = "no_descriptors",
};
static const char *const why_names[] = {
    [ATTEMPT_ITSELF] = "itself",
    [ATTEMPT_STOPPED] = "stopped",
    [ATTEMPT_TIMED_OUT] = "timed_out",
    [ATTEMPT_PROCESSES] = "processes",
};

/* --- Writing ---------------------------------------------------------------------------------- */

static void add_text(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    text_add_json(text, value.data, value.len);
}

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    text_add_int(text, number);
}

static void report_write(const struct run_settle *settle, struct text *text) {
    const char *end = end_names[settle->end.end], *why = why_names[settle->end.why];
    const struct run_usage *usage = &settle->usage;
    text_addf(text, "{\"end\":\"%s\",\"why\":\"%s\"", end, why);
    add_number(text, ",\"code\":", settle->end.code);
    if (settle->result.len > 0) {
        text_add_str(text, ",\"result\":");
        json_add_stored(text, settle->result);
    }
    add_text(text, ",\"note\":", settle->note);
    add_text(text, ",\"output\":", settle->output);
    text_add_str(text, usage->known ? ",\"usage\":{\"known\":true" : ",\"usage\":{\"known\":false");
    add_number(text, ",\"cpu_us\":", usage->cpu_us);
    add_number(text, ",\"memory_kb\":", usage->memory_kb);
    add_number(text, ",\"wall_ms\":", usage->wall_ms);
    add_number(text, "},\"disk\":", settle->disk);
    text_add_char(text, '}');
}

struct err tx_host_report_put(struct tx *tx, struct bytes place, const struct run_settle *settle) {
    static const char sql[] = "INSERT INTO host_reports (place, run, attempt, made_ms, report)"
                              " VALUES ($1, $2, $3, $4, $5)"
                              " ON CONFLICT (run, attempt, place) DO NOTHING";
    AUTO(text_done) struct text text = text_up_to(HOST_REPORT_MAX);
    report_write(settle, &text);
    if (text_failed(&text)) {
        return text_error(&text, "host reports: write");
    }
    const struct arg args[] = {arg_text(place), arg_text(settle->run), arg_int(settle->attempt),
                               arg_int(tx_now_ms(tx)),
                               arg_text((struct bytes){text.data, text.len})};
    return tx_exec(tx, sql, args, COUNT_OF(args), NULL /* 0 or 1 */);
}

/* --- Reading ---------------------------------------------------------------------------------- */

enum form { FORM_WHOLE, FORM_BARE, FORM_ALONE };

struct report {
    int64_t id;
    struct bytes place, run, text;
    int64_t attempt;
};

static int64_t number_of(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name)); /* 0: missing. */
}

static bool name_find(const char *const *names, size_t count, const json_t *name,
                      unsigned *ret_at) {
    const char *text = json_string_value(name);
    for (unsigned i = 0; text != NULL && i < count; i++) {
        if (strcmp(names[i], text) == 0) {
            *ret_at = i;
            return true;
        }
    }
    return false;
}

static struct err text_of(struct tx *tx, const json_t *object, const char *name,
                          struct bytes *ret_text) {
    const json_t *value = json_object_get(object, name);
    size_t len = json_string_length(value);
    *ret_text = (struct bytes){"", 0};
    if (len == 0) {
        return ERR_OK;
    }
    const char *copy = arena_try_copy(tx_arena(tx), json_string_value(value), len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "host reports: read");
    }
    *ret_text = (struct bytes){copy, len};
    return ERR_OK;
}

static struct err result_of(struct tx *tx, const json_t *object, struct bytes *ret_result) {
    const json_t *value = json_object_get(object, "result");
    *ret_result = (struct bytes){"", 0};
    if (value == NULL) {
        return ERR_OK;
    }
    AUTO(text_done) struct text text = text_up_to(RUN_RESULT_MAX);
    struct err err = json_write(value, &text);
    if (err_failed(err)) {
        return err;
    }
    const char *copy = arena_try_copy(tx_arena(tx), text.data, text.len);
    if (copy == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "host reports: read");
    }
    *ret_result = (struct bytes){copy, text.len};
    return ERR_OK;
}

static struct err texts_read(struct tx *tx, const json_t *json, struct run_settle *io_settle) {
    struct err err = text_of(tx, json, "note", &io_settle->note);
    if (!err_failed(err)) {
        err = text_of(tx, json, "output", &io_settle->output);
    }
    return err_failed(err) ? err : result_of(tx, json, &io_settle->result);
}

/* ERR_STORE_CORRUPT: an end of which nothing is known here, whatever else the report says. Numbers
 * have no bounds of their own: the host that wrote them may write any of our rows. */
static struct err report_read(struct tx *tx, const struct report *report, enum form form,
                              struct run_settle *io_settle) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse_wrapped(report->text, &json, NULL))) {
        return err_make(ERR_STORE_CORRUPT, "host reports: parse");
    }
    unsigned end = 0, why = 0;
    if (!name_find(end_names, COUNT_OF(end_names), json_object_get(json, "end"), &end) ||
        !name_find(why_names, COUNT_OF(why_names), json_object_get(json, "why"), &why)) {
        return err_make(ERR_STORE_CORRUPT, "host reports: end");
    }
    const json_t *usage = json_object_get(json, "usage");
    io_settle->end = (struct attempt){.end = (enum attempt_end)end,
                                      .why = (enum attempt_why)why,
                                      .code = (int)number_of(json, "code")};
    io_settle->usage = (struct run_usage){
        .known = json_is_true(json_object_get(usage, "known")),
        .cpu_us = number_of(usage, "cpu_us"),
        .memory_kb = number_of(usage, "memory_kb"),
        .wall_ms = number_of(usage, "wall_ms"),
    };
    io_settle->disk = number_of(json, "disk");
    return form == FORM_WHOLE ? texts_read(tx, json, io_settle) : ERR_OK;
}

/* --- Storing an end --------------------------------------------------------------------------- */

/* One report, in one form. */
struct part {
    const struct host_reports_take *take; /* Borrowed. */
    const struct report *report;          /* Borrowed. */
    enum form form;
    struct err refused; /* Error of the form before. */
    bool late;
};

/* An attempt is of one host, so a report of another host tells of nothing that the row knows. */
static bool is_late(const struct run_row *row, const struct report *report) {
    return row->kind != KIND_JOB || row->attempt != report->attempt ||
           (row->state != RUN_RUNNING && row->state != RUN_WAITING) ||
           run_is_foreign(row, report->place);
}

static struct err settle_part(struct tx *tx, const struct part *part, const struct run_row *row,
                              bool *ret_late) {
    struct run_settle settle = {
        .run = part->report->run,
        .attempt = part->report->attempt,
        .retry = runs__retry_policy(row),
        .result = {"", 0},
        .note = {"", 0},
        .output = {"", 0},
        .random = part->take->random,
        .bounds = part->take->bounds,
    };
    struct run_row ended;
    struct err err = report_read(tx, part->report, part->form, &settle);
    return err_failed(err) ? err : tx_run_settle(tx, &settle, ret_late, &ended);
}

static struct err give_up_part(struct tx *tx, const struct part *part, bool *ret_late) {
    char sentence[160];
    (void)snprintf(sentence, sizeof sentence,
                   "its end, which its host reported, could not be stored: %s",
                   err_name(part->refused.code)); /* Short. */
    const struct run_give_up what = {.run = part->report->run,
                                     .attempt = part->report->attempt,
                                     .sentence = {sentence, strlen(sentence)},
                                     .exit_code = -1,
                                     .bounds = part->take->bounds};
    return tx_run_give_up(tx, &what, ret_late);
}

static struct err part_run(struct tx *tx, void *ctx) {
    struct part *part = ctx;
    const struct run_key key = {.run = part->report->run};
    bool found = false;
    struct run_row row = {.id = 0};
    part->late = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found || is_late(&row, part->report)) {
        part->late = true;
        return ERR_OK;
    }
    return part->form == FORM_ALONE ? give_up_part(tx, part, &part->late)
                                    : settle_part(tx, part, &row, &part->late);
}

static void name_first(const struct report *report, struct err why,
                       struct host_reports_taken *taken) {
    if (taken->bare + taken->refused > 0) {
        return;
    }
    taken->why = why;
    size_t len =
        report->run.len < sizeof taken->first.text ? report->run.len : sizeof taken->first.text - 1;
    memcpy(taken->first.text, report->run.data, len);
    taken->first.text[len] = '\0';
}

static struct err take_one(struct tx *tx, const struct host_reports_take *take,
                           const struct report *report, struct host_reports_taken *taken) {
    struct part part = {.take = take, .report = report, .refused = ERR_OK};
    struct err err = ERR_OK, refused = ERR_OK;
    bool stored = false;
    for (enum form form = FORM_WHOLE; form <= FORM_ALONE && !stored; form++) {
        part.form = form;
        part.refused = refused;
        err = tx_try(tx, part_run, &part, &refused);
        if (err_failed(err)) {
            return err;
        }
        stored = !err_failed(refused);
        if (!stored && form == FORM_WHOLE) {
            name_first(report, refused, taken);
        }
    }
    if (!stored) {
        taken->refused++;
    } else if (part.late) {
        taken->late++;
    } else {
        taken->refused += part.form == FORM_ALONE;
        taken->bare += part.form == FORM_BARE;
        taken->settled += part.form != FORM_ALONE;
    }
    const struct arg args[] = {arg_int(report->id)};
    return tx_exec(tx, "DELETE FROM host_reports WHERE id = $1", args, COUNT_OF(args),
                   NULL /* 1 */);
}

/* --- The page --------------------------------------------------------------------------------- */

static struct err copy(struct tx *tx, struct bytes from, struct bytes *ret_to) {
    const char *bytes = arena_try_copy(tx_arena(tx), from.data, from.len);
    if (bytes == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "host reports: page");
    }
    *ret_to = (struct bytes){bytes, from.len};
    return ERR_OK;
}

struct reports {
    struct report at[HOST_REPORTS_PAGE];
    size_t count;
    bool more;
};

/* A page is at most RUN_BYTES_TURN long, but for its last report. A text that is longer than any
 * report is none: it would fill the arena that the others of its page need. */
static struct err find_page(struct tx *tx, int64_t limit, struct reports *ret_reports) {
    static const char sql[] = "SELECT id, place, run, attempt,"
                              " CASE WHEN length(report) <= $2 THEN report ELSE '' END"
                              " FROM host_reports ORDER BY id LIMIT $1";
    const struct arg args[] = {arg_int(limit + 1), arg_int(HOST_REPORT_MAX)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    size_t bytes = 0;
    ret_reports->count = 0;
    ret_reports->more = false;
    while (rows_more(rows, &err)) {
        if (ret_reports->count == (size_t)limit || bytes > RUN_BYTES_TURN) {
            ret_reports->more = true;
            break;
        }
        struct report report = {.id = rows_int(rows, 0), .attempt = rows_int(rows, 3)};
        err = copy(tx, rows_text(rows, 1), &report.place);
        if (!err_failed(err)) {
            err = copy(tx, rows_text(rows, 2), &report.run);
        }
        if (!err_failed(err)) {
            err = copy(tx, rows_text(rows, 4), &report.text);
        }
        bytes += report.text.len;
        ret_reports->at[ret_reports->count++] = report;
    }
    return err;
}

struct err tx_host_reports_any(struct tx *tx, bool *ret_any) {
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, "SELECT 1 FROM host_reports LIMIT 1", NULL /* none */, 0, &rows);
    if (!err_failed(err)) {
        *ret_any = rows != NULL;
    }
    return err;
}

struct err tx_host_reports_take(struct tx *tx, const struct host_reports_take *take,
                                struct host_reports_taken *ret_taken) {
    assert(take->limit > 0);
    assert(take->limit <= HOST_REPORTS_PAGE);
    struct reports reports;
    struct host_reports_taken taken = {.why = ERR_OK};
    struct err err = find_page(tx, take->limit, &reports);
    size_t done = 0;
    while (!err_failed(err) && done < reports.count && (done == 0 || !runs__page_full(tx))) {
        err = take_one(tx, take, &reports.at[done++], &taken);
    }
    if (!err_failed(err)) {
        taken.more = reports.more || done < reports.count;
        *ret_taken = taken;
    }
    return err;
}
