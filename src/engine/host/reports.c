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
    [ATTEMPT_NO_DESCRIPTORS + 1] = NULL,
};
static const char *const why_names[] = {
    [ATTEMPT_ITSELF] = "itself",       [ATTEMPT_STOPPED] = "stopped",
    [ATTEMPT_TIMED_OUT] = "timed_out", [ATTEMPT_PROCESSES] = "processes",
    [ATTEMPT_PROCESSES + 1] = NULL,
};

struct err tx_host_report_put(struct tx *tx, struct bytes place, const struct run_settle *settle) {
    const struct run_usage *usage = &settle->usage;
    AUTO(text_done) struct text text = text_up_to(HOST_REPORT_MAX);
    text_add_char(&text, '{');
    text_add_member(&text, "end", bytes_of(end_names[settle->end.end]));
    text_add_member(&text, "why", bytes_of(why_names[settle->end.why]));
    text_add_member_int(&text, "code", settle->end.code);
    if (settle->result.len > 0) {
        text_add_name(&text, "result");
        json_add_stored(&text, settle->result);
    }
    text_add_member(&text, "note", settle->note);
    text_add_member(&text, "output", settle->output);
    text_add_str(&text, ",\"usage\":{");
    text_add_member_bool(&text, "known", usage->known);
    text_add_member_int(&text, "cpu_us", usage->cpu_us);
    text_add_member_int(&text, "memory_kb", usage->memory_kb);
    text_add_member_int(&text, "wall_ms", usage->wall_ms);
    text_add_char(&text, '}');
    text_add_member_int(&text, "disk", settle->disk);
    text_add_char(&text, '}');
    if (text_failed(&text)) {
        return text_error(&text, "host reports: write");
    }
    tx_do(tx,
          "INSERT INTO host_reports (place, run, attempt, made_ms, report)"
          " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (run, attempt, place) DO NOTHING",
          ARGS(arg_text(place), arg_text(settle->run), arg_int(settle->attempt),
               arg_int(tx_now_ms(tx)), arg_text(text_bytes(&text))));
    return tx_error(tx);
}

/* --- Storing an end --------------------------------------------------------------------------- */

struct report {
    int64_t id;
    struct bytes place, run, text;
    int64_t attempt;
};

/* A report, in one form. */
enum form { FORM_WHOLE, FORM_BARE, FORM_ALONE };
struct part {
    const struct host_reports_take *take; /* Borrowed. */
    const struct report *report;          /* Borrowed. */
    enum form form;
    struct err refused; /* Error of the form before. */
    bool late;
};

/* ERR_STORE_CORRUPT: an end of which nothing is known here, whatever else the report says. Numbers
 * have no bounds of their own: the host that wrote them may write any of our rows. */
static struct err report_read(struct tx *tx, const struct part *part,
                              struct run_settle *io_settle) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(json_parse_wrapped(part->report->text, &json, NULL))) {
        return err_make(ERR_STORE_CORRUPT, "host reports: parse");
    }
    unsigned end = 0, why = 0;
    if (!bytes_find(json_bytes(json, "end"), end_names, &end) ||
        !bytes_find(json_bytes(json, "why"), why_names, &why)) {
        return err_make(ERR_STORE_CORRUPT, "host reports: end");
    }
    const json_t *usage = json_object_get(json, "usage");
    io_settle->end = (struct attempt){.end = (enum attempt_end)end,
                                      .why = (enum attempt_why)why,
                                      .code = (int)json_int(json, "code", 0)};
    io_settle->usage = (struct run_usage){.known = json_is_true(json_object_get(usage, "known")),
                                          .cpu_us = json_int(usage, "cpu_us", 0),
                                          .memory_kb = json_int(usage, "memory_kb", 0),
                                          .wall_ms = json_int(usage, "wall_ms", 0)};
    io_settle->disk = json_int(json, "disk", 0);
    const json_t *result = json_object_get(json, "result");
    AUTO(text_done) struct text text = text_up_to(RUN_RESULT_MAX);
    struct err err = ERR_OK;
    if (part->form == FORM_WHOLE) {
        io_settle->note = tx_copy(tx, json_bytes(json, "note"));
        io_settle->output = tx_copy(tx, json_bytes(json, "output"));
        err = result == NULL ? ERR_OK : json_write(result, &text);
        io_settle->result = tx_copy(tx, text_bytes(&text));
    }
    return err_failed(err) ? err : tx_error(tx);
}

static struct err part_run(struct tx *tx, void *ctx) {
    struct part *part = ctx;
    const struct report *report = part->report;
    struct run_row row, ended;
    part->late = false;
    if (!runs__load(tx, report->run, &row) && err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    /* An attempt is of one host, so a report of another host is about nothing that the row knows.
     */
    part->late = row.id == 0 || !run_kind_is(row.kind, RUN_HAS_PROCESS) ||
                 row.attempt != report->attempt || !run_lives(&row) ||
                 run_is_of_other_host(&row, report->place);
    if (part->late) {
        return ERR_OK;
    }
    if (part->form == FORM_ALONE) {
        char sentence[160];
        (void)snprintf(sentence, sizeof sentence,
                       "its end, which its host reported, could not be stored: %s",
                       err_name(part->refused.code)); /* Short. */
        const struct run_give_up what = {.run = report->run,
                                         .attempt = report->attempt,
                                         .sentence = bytes_of(sentence),
                                         .exit_code = -1,
                                         .bounds = part->take->bounds};
        return tx_run_give_up(tx, &what, &part->late);
    }
    struct run_settle settle = {.run = report->run,
                                .attempt = report->attempt,
                                .retry = runs__retry_policy(&row),
                                .result = BYTES(""),
                                .note = BYTES(""),
                                .output = BYTES(""),
                                .random = part->take->random,
                                .bounds = part->take->bounds};
    struct err err = report_read(tx, part, &settle);
    return err_failed(err) ? err : tx_run_settle(tx, &settle, &part->late, &ended);
}

static struct err report_take(struct tx *tx, const struct host_reports_take *take,
                              const struct report *report, struct host_reports_taken *taken) {
    struct part part = {.take = take, .report = report, .refused = ERR_OK};
    struct err refused = ERR_OK;
    bool stored = false;
    for (enum form form = FORM_WHOLE; form <= FORM_ALONE && !stored; form++) {
        part.form = form;
        part.refused = refused;
        TRY(tx_try(tx, part_run, &part, &refused));
        stored = !err_failed(refused);
        if (!stored && form == FORM_WHOLE && taken->bare + taken->refused == 0) {
            taken->why = refused;
            size_t len = report->run.len < ID_SIZE ? report->run.len : ID_SIZE - 1;
            taken->first = id_copy((struct bytes){report->run.data, len});
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
    tx_do(tx, "DELETE FROM host_reports WHERE id = $1", ARGS(arg_int(report->id)));
    return tx_error(tx);
}

/* --- The page --------------------------------------------------------------------------------- */

struct err tx_host_reports_any(struct tx *tx, bool *ret_any) {
    *ret_any = tx_number(tx, "SELECT 1 FROM host_reports LIMIT 1", NO_ARGS) != 0;
    return tx_error(tx);
}

/* A page is at most RUN_BYTES_TURN long, but for its last report. A text that is longer than any
 * report is none: it would fill the arena that the others of its page need. */
struct err tx_host_reports_take(struct tx *tx, const struct host_reports_take *take,
                                struct host_reports_taken *ret_taken) {
    assert(take->limit > 0);
    assert(take->limit <= HOST_REPORTS_PAGE);
    struct report reports[HOST_REPORTS_PAGE];
    struct host_reports_taken taken = {.why = ERR_OK};
    size_t count = 0, bytes = 0, done = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT id, place, run, attempt,"
                                " CASE WHEN length(report) <= $2 THEN report ELSE '' END"
                                " FROM host_reports ORDER BY id LIMIT $1",
                                ARGS(arg_int(take->limit + 1), arg_int(HOST_REPORT_MAX)));
    while (!taken.more && rows_step(rows)) {
        taken.more = count == (size_t)take->limit || bytes > RUN_BYTES_TURN;
        if (!taken.more) {
            reports[count] = (struct report){.id = rows_int(rows, 0),
                                             .place = rows_copy(rows, 1),
                                             .run = rows_copy(rows, 2),
                                             .attempt = rows_int(rows, 3),
                                             .text = rows_copy(rows, 4)};
            bytes += reports[count++].text.len;
        }
    }
    rows_release(&rows);
    struct err err = tx_error(tx);
    while (!err_failed(err) && done < count && (done == 0 || !runs__page_full(tx))) {
        err = report_take(tx, take, &reports[done++], &taken);
    }
    if (!err_failed(err)) {
        taken.more = taken.more || done < count;
        *ret_taken = taken;
    }
    return err;
}
