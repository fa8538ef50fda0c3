/* export.c: all of a run as one document, poured as it is read (api/base/poured.h), as JSON or
 * within the page that shows it (web/src/viewer/):
 *
 *   {"drover":VERSION,"run":{…},"script":{"file","source"}|null,"args":…,
 *    "scripts":[{"file","hash","source"}],"events":[…],"agents":[…],"spans":[…]}
 *
 * Each page is one transaction, so a run that goes on meanwhile is not shown as of one moment: each
 * list is as far as it was when it was read. Pages are bounded by rows, and by bytes: EXPORT_PAGE
 * and a row more, since a source and the result of an agent have up to 1 MB, which may take six as
 * JSON. A run that is removed meanwhile breaks off. The values of a command's environment are left
 * out: the document is made to be passed on.
 */
#include <string.h>

#include "api/base/poured.h"
#include "api/run/runs.h"
#include "api/system/web_files.h"
#include "api/workflow/runs.h"
#include "base/json/json.h"
#include "engine/trace/tree.h"
#include "engine/workflow/steps.h"
#include "engine/workflow/workflows.h"
#include "journal/journal.h"

enum {
    EXPORT_AGENTS = 8, /* Rows of a page, */
    EXPORT_SPANS = 64,
    EXPORT_PAGE = 256 << 10,
    EXPORT_TEXT_MAX = 64 << 20, /* and bytes at most. */
};

enum export_part {
    EXPORT_HEAD,
    EXPORT_SCRIPTS,
    EXPORT_EVENTS,
    EXPORT_AGENT_ROWS,
    EXPORT_SPAN_ROWS
};

/* Where the next page begins. */
struct export_place {
    enum export_part part;
    int64_t after;         /* Number of scripts, of the event, of the agent, of the span's run. */
    int64_t attempt, step; /* Attempt and step of that span. */
    bool begun;            /* A row of the list was written. */
};

struct export_op {
    struct poured poured; /* First. */
    struct export_place place, next;
    int64_t seen; /* Rows of this page. */
    bool full;    /* As many bytes as it may have: rows were left to the next one. */
    bool html;    /* Within the page that shows it. */
};

static struct text *export_row(struct export_op *export) {
    struct text *text = &export->poured.request.op.answer;
    text_add_str(text, export->next.begun ? ",\n" : "\n");
    export->next.begun = true;
    export->seen++;
    return text;
}

/* The list has ended: the next part begins, or the document ends. */
static void export_part_end(struct export_op *export) {
    static const char *const opens[] = {[EXPORT_SCRIPTS] = ",\"scripts\":[",
                                        [EXPORT_EVENTS] = "],\n\"events\":[",
                                        [EXPORT_AGENT_ROWS] = "],\n\"agents\":[",
                                        [EXPORT_SPAN_ROWS] = "],\n\"spans\":["};
    struct text *text = &export->poured.request.op.answer;
    if (export->place.part == EXPORT_SPAN_ROWS) {
        text_add_str(text, "]}\n");
        export->poured.last = true;
        return;
    }
    export->next = (struct export_place){.part = export->place.part + 1, .step = -1};
    text_add_str(text, opens[export->next.part]);
}

/* --- Parts ------------------------------------------------------------------------------------ */

/* The names of an environment without its values. */
static struct err spec_plain(json_t *spec, struct text *text, struct run_row *io_row) {
    json_t *env = json_object_get(spec, "env"), *value = NULL;
    const char *name = NULL;
    if (!json_is_object(env)) {
        return ERR_OK;
    }
    json_object_foreach(env, name, value) {
        if (json_object_set_new(env, name, json_null()) < 0) {
            return err_make(ERR_OUT_OF_MEMORY, "export: env");
        }
    }
    struct err err = json_write(spec, text);
    io_row->spec = text_bytes(text);
    return err;
}

static struct err export_head(struct tx *tx, struct export_op *export, const struct run_row *row) {
    struct text *text = &export->poured.request.op.answer;
    struct workflow_row workflow;
    bool found = false;
    AUTO(json_release) json_t *spec = NULL;
    struct err err = tx_workflow_find(tx, row->run, &found, &workflow);
    if (!err_failed(err)) {
        err = json_parse_wrapped(row->spec, &spec, NULL);
    }
    if (err_failed(err) && err.code != ERR_BAD_JSON) { /* Members of a damaged spec are null. */
        return err;
    }
    text_add_str(text, "{\"drover\":\"" DROVER_VERSION "\",\n\"run\":");
    struct run_row shown = *row;
    run_shown(&shown, tx_epoch(tx), run_bounds_hold(&export->poured.request.bounds));
    tx_fail(tx, tx_run_waits_mark(tx, &export->poured.request.bounds, &shown));
    AUTO(text_done) struct text plain = text_up_to(EXPORT_TEXT_MAX);
    TRY(spec_plain(spec, &plain, &shown));
    run_write_json(&shown, RUN_WHOLE, text);
    text_add_str(text, ",\n\"script\":");
    if (found) {
        text_add_char(text, '{');
        text_add_member_or_null(text, "file", json_bytes(spec, "file"));
        text_add_member(text, "source", workflow.script);
        text_add_char(text, '}');
    } else {
        text_add_str(text, "null");
    }
    text_add_str(text, ",\n\"args\":");
    const json_t *args = json_object_get(spec, "args");
    err = args == NULL ? ERR_OK : json_write(args, text);
    text_add_str(text, args == NULL ? "null" : "");
    export_part_end(export);
    return err;
}

/* A page has a single script; those before it are passed over. */
struct export_script {
    int64_t at, wanted;
    struct workflow_resolved script; /* In the arena; no data: there is none. */
};

static struct err export_script_look(void *ctx, const struct workflow_resolved *script) {
    struct export_script *look = ctx;
    look->script = look->at == look->wanted ? *script : look->script;
    look->at++;
    return ERR_OK;
}

static struct err export_script(struct tx *tx, struct export_op *export,
                                const struct run_row *row) {
    struct export_script look = {.wanted = export->place.after};
    struct bytes source = BYTES("");
    bool found = false;
    struct err err = tx_workflow_resolved(tx, row->id, export_script_look, &look);
    if (err_failed(err) || look.script.hash.data == NULL) {
        export_part_end(export);
        return err;
    }
    err = tx_script_find(tx, look.script.hash, &found, &source);
    struct text *text = export_row(export);
    text_add_char(text, '{');
    text_add_member(text, "file", look.script.file);
    text_add_member(text, "hash", look.script.hash);
    text_add_member_or_null(text, "source", source);
    text_add_char(text, '}');
    export->next.after++;
    return err;
}

static struct err export_event(void *ctx, const struct event *event) {
    struct export_op *export = ctx;
    struct text *text = export_row(export);
    text_add_char(text, '{');
    text_add_member_int(text, "seq", event->seq);
    text_add_member_int(text, "at_ms", event->at_ms);
    text_add_member(text, "type", event->type);
    text_add_name(text, "data");
    json_add_stored(text, event->data);
    text_add_char(text, '}');
    export->next.after = event->seq;
    return ERR_OK;
}

static struct err export_events(struct tx *tx, struct export_op *export,
                                const struct run_row *row) {
    struct stream_state stream;
    bool found = false;
    struct err err =
        tx_stream_find(tx, row->owner, tx_stream_name(tx, "run:", row->run), &found, &stream);
    if (!err_failed(err) && found) {
        err = tx_events(tx, stream.stream, export->place.after, JOURNAL_PAGE_EVENTS, export_event,
                        export);
    }
    if (export->seen == 0) {
        export_part_end(export);
    }
    return err;
}

static struct err export_agent(void *ctx, const struct step_shown *step) {
    struct export_op *export = ctx;
    export->full = export->poured.request.op.answer.len >= EXPORT_PAGE;
    if (export->full) {
        return ERR_OK;
    }
    struct text *text = export_row(export);
    text_add(text, step->json.data, step->json.len);
    export->next.after = step->id;
    return ERR_OK;
}

static struct err export_agents(struct tx *tx, struct export_op *export,
                                const struct run_row *row) {
    const struct step_list list = {.workflow = row->id,
                                   .after = export->place.after,
                                   .limit = EXPORT_AGENTS,
                                   .whole = true,
                                   .bounds = &export->poured.request.bounds};
    struct err err = tx_step_each(tx, &list, export_agent, export);
    if (!export->full && export->seen < EXPORT_AGENTS) {
        export_part_end(export);
    }
    return err;
}

static struct err export_span(void *ctx, const struct span_row *row) {
    struct export_op *export = ctx;
    span_write_json(row, export_row(export));
    export->next.after = row->run_id;
    export->next.attempt = row->is_run ? 0 : row->attempt;
    export->next.step = row->is_run ? 0 : row->step;
    return ERR_OK;
}

static struct err export_spans(struct tx *tx, struct export_op *export, const struct run_row *row) {
    const struct export_place *from = &export->place;
    const struct trace_page page = {.top = row,
                                    .id = from->after,
                                    .attempt = from->attempt,
                                    .step = from->step,
                                    .limit = EXPORT_SPANS};
    int64_t id = 0;
    struct err err = tx_trace_each(tx, &page, export_span, export, &id);
    if (id != 0) { /* All of that run was looked at, and others follow. */
        export->next.after = id;
        export->next.attempt = INT64_MAX;
        export->next.step = 0;
    } else if (export->seen < EXPORT_SPANS) {
        export_part_end(export);
    }
    return err;
}

/* --- The document ----------------------------------------------------------------------------- */

/* Within a page, before and after which its own parts stand. Only strings of JSON have a '<', which
 * would end the element that holds them. */
static void export_frame(struct export_op *export) {
    static const char escaped[] = "\\u003c";
    struct text *text = &export->poured.request.op.answer;
    const char *from = text->data, *end = text->data + text->len;
    AUTO(text_done) struct text framed = text_up_to(text->size_max);
    if (export->place.part == EXPORT_HEAD) {
        text_add(&framed, web_viewer_head.data, web_viewer_head.len);
    }
    while (from != end && !text_failed(&framed)) {
        const char *at = memchr(from, '<', (size_t)(end - from));
        const char *stop = at == NULL ? end : at;
        text_add(&framed, from, (size_t)(stop - from));
        text_add_str(&framed, at == NULL ? "" : escaped);
        from = at == NULL ? end : at + 1;
    }
    if (export->poured.last) {
        text_add(&framed, web_viewer_tail.data, web_viewer_tail.len);
    }
    struct text plain = *text;
    *text = framed;
    framed = plain;
}

static struct err export_page(struct tx *tx, void *ctx) {
    struct export_op *export = ctx;
    struct poured *poured = &export->poured;
    const struct run_key key = {.owner = poured->key.owner, .run = poured->key.id};
    struct run_row row;
    bool found = false;
    op_restart(&poured->request.op);
    poured->last = false;
    export->next = export->place;
    export->seen = 0;
    export->full = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err
                               : one_absent(&runs__one, poured->key.id, &poured->request.op.why);
    }
    switch (export->place.part) {
    case EXPORT_HEAD:
        err = export_head(tx, export, &row);
        break;
    case EXPORT_SCRIPTS:
        err = export_script(tx, export, &row);
        break;
    case EXPORT_EVENTS:
        err = export_events(tx, export, &row);
        break;
    case EXPORT_AGENT_ROWS:
        err = export_agents(tx, export, &row);
        break;
    case EXPORT_SPAN_ROWS:
        err = export_spans(tx, export, &row);
        break;
    }
    if (!err_failed(err) && export->html && !text_failed(&poured->request.op.answer)) {
        export_frame(export);
    }
    return err_failed(err) ? err : op_written(&poured->request.op);
}

static struct err export_read(void *ctx) {
    struct export_op *export = ctx;
    struct op *op = &export->poured.request.op;
    struct bytes format = param_text(op->exchange, "format");
    export->html = bytes_is(format, "html");
    if (!export->html && param_given(op->exchange, "format") && !bytes_is(format, "json")) {
        return err_why(&op->why, ERR_BAD_QUERY, "query parameter 'format' must be json or html");
    }
    return ERR_OK;
}

static void export_take(struct poured *poured) {
    struct export_op *export = CONTAINER_OF(poured, struct export_op, poured);
    export->place = export->next;
}

static struct err export_start(void *ctx) {
    struct export_op *export = ctx;
    poured_start(&export->poured, EXPORT_TEXT_MAX);
    export->poured.page = export_page;
    export->poured.take = export_take;
    export->poured.media = export->html ? "text/html; charset=utf-8" : "application/json";
    export->poured.ending = export->html ? "html" : "json";
    return ERR_OK;
}

const struct request_kind workflows__export = {
    .size = sizeof(struct export_op),
    .one = &runs__one,
    .read = export_read,
    .start = export_start,
    .work = poured_work,
    .done = poured_done,
};
