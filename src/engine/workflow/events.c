/* events.c: what happens in a workflow, as events of its stream run:ID. */
#include "engine/workflow/rows.h"

#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "journal/journal.h"

/* The name of its stream, kept by the caller. */
struct stream_text {
    char name[STREAM_NAME_MAX];
    size_t len;
};

static struct stream_text stream_of(const struct workflow_place *place) {
    static const char prefix[] = "run:";
    struct stream_text stream = {.len = sizeof prefix - 1 + place->run.len};
    assert(stream.len <= sizeof stream.name);
    memcpy(stream.name, prefix, sizeof prefix - 1);
    memcpy(stream.name + sizeof prefix - 1, place->run.data, place->run.len);
    return stream;
}

static struct append append_of(const struct workflow_place *place, const struct stream_text *stream,
                               const char *type, const struct text *data) {
    return (struct append){.owner = place->owner,
                           .stream = {stream->name, stream->len},
                           .type = {type, strlen(type)},
                           .data = {data->data, data->len}};
}

struct err workflows__event(struct tx *tx, const struct workflow_place *place, const char *type,
                            const struct text *data, enum workflow_last last) {
    const struct stream_text stream = stream_of(place);
    struct appended appended;
    if (text_failed(data)) {
        return text_error(data, "workflows: event");
    }
    struct append append = append_of(place, &stream, type, data);
    append.last = last == WORKFLOW_ENDS;
    return tx_append(tx, &append, &appended);
}

static void add_text(struct text *text, const char *before, struct bytes value) {
    text_add_str(text, before);
    text_add_json(text, value.data, value.len);
}

static void add_optional(struct text *text, const char *before, struct bytes value) {
    if (value.len > 0) {
        add_text(text, before, value);
    } else {
        text_add_str(text, before);
        text_add_str(text, "null");
    }
}

static void add_number(struct text *text, const char *before, int64_t number) {
    text_add_str(text, before);
    text_add_int(text, number);
}

/* --- Steps ------------------------------------------------------------------------------------ */

struct started {
    struct bytes run, label, phase, model, model_asked, prompt;
};

static const char type_started[] = "agent_started", type_finished[] = "agent_finished";

static void write_started(const struct started *started, struct text *data) {
    text_init(data, WORKFLOW_EVENT_MAX);
    add_text(data, "{\"run\":", started->run);
    add_optional(data, ",\"label\":", started->label);
    add_optional(data, ",\"phase\":", started->phase);
    add_optional(data, ",\"model\":", started->model);
    if (started->model_asked.len > 0) {
        add_text(data, ",\"model_asked\":", started->model_asked);
    }
    add_text(data, ",\"prompt\":",
             (struct bytes){started->prompt.data, utf8_cut(started->prompt, STEP_PROMPT_HEAD)});
    text_add_char(data, '}');
}

static struct err tell_started(struct tx *tx, const struct workflow_place *place,
                               const struct started *started) {
    AUTO(text_done) struct text data;
    write_started(started, &data);
    return workflows__event(tx, place, type_started, &data, WORKFLOW_GOES_ON);
}

static struct started started_of(const struct step_new *step) {
    return (struct started){.run = {step->run.text, strlen(step->run.text)},
                            .label = step->label,
                            .phase = step->phase,
                            .model = step->model,
                            .model_asked = step->model_asked,
                            .prompt = step->prompt};
}

struct err steps__event_started(struct tx *tx, const struct step_new *step) {
    const struct started started = started_of(step);
    return tell_started(tx, &step->place, &started);
}

static struct bytes member(const json_t *json, const char *name) {
    const json_t *text = json_object_get(json, name);
    const char *value = json_string_value(text);
    return value == NULL ? BYTES("") : (struct bytes){value, json_string_length(text)};
}

struct err steps__event_admitted(struct tx *tx, const struct run_row *row) {
    AUTO(json_release) json_t *spec = NULL;
    struct err err = json_parse_wrapped(row->spec, &spec, NULL);
    if (err_failed(err)) {
        return err;
    }
    const struct workflow_place place = {
        .id = row->parent, .owner = row->owner, .run = row->parent_run};
    const struct started started = {.run = row->run,
                                    .label = row->label,
                                    .phase = member(spec, "phase"),
                                    .model = member(spec, "model"),
                                    .model_asked = member(spec, "model_asked"),
                                    .prompt = member(spec, "prompt")};
    return tell_started(tx, &place, &started);
}

struct err steps__event_restarted(struct tx *tx, const struct run_row *row) {
    AUTO(text_done) struct text data;
    const struct workflow_place place = {
        .id = row->parent, .owner = row->owner, .run = row->parent_run};
    text_init(&data, WORKFLOW_EVENT_MAX);
    add_text(&data, "{\"run\":", row->run);
    add_optional(&data, ",\"label\":", row->label);
    add_number(&data, ",\"attempt\":", row->attempt);
    text_add_char(&data, '}');
    return workflows__event(tx, &place, "agent_restarted", &data, WORKFLOW_GOES_ON);
}

struct err steps__event_provider(struct tx *tx, const struct run_row *row,
                                 const struct provider_wait *wait) {
    AUTO(text_done) struct text data;
    const struct workflow_place place = {
        .id = row->parent, .owner = row->owner, .run = row->parent_run};
    bool waits = wait->resume_at_ms != 0;
    if (row->parent_run.len == 0) {
        return ERR_OK; /* The workflow was removed with its stream. */
    }
    text_init(&data, WORKFLOW_EVENT_MAX);
    add_text(&data, "{\"run\":", row->run);
    add_optional(&data, ",\"label\":", row->label);
    text_addf(&data, ",\"gate\":\"%s\"", run_gate_name(GATE_PROVIDER));
    if (waits) {
        text_addf(&data, ",\"cause\":\"%s\"", run_cause_name(wait->cause));
        add_number(&data, ",\"resume_at_ms\":", wait->resume_at_ms);
    }
    text_add_char(&data, '}');
    return workflows__event(tx, &place, waits ? "agent_retrying" : "agent_resumed", &data,
                            WORKFLOW_GOES_ON);
}

struct err tx_step_provider(struct tx *tx, struct bytes run, int64_t attempt,
                            const struct provider_wait *wait) {
    const struct run_key key = {.run = run};
    struct run_row row;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &row);
    if (err_failed(err) || !found || row.attempt != attempt) {
        return err;
    }
    bool waits = wait->resume_at_ms != 0;
    if (waits ? !runs__may_wait(&row) : !run_waits_for_provider(&row)) {
        return ERR_OK;
    }
    err = waits ? runs__provider_wait(tx, wait->resume_at_ms, &row) : runs__provider_ask(tx, &row);
    return err_failed(err) ? err : steps__event_provider(tx, &row, wait);
}

struct above {
    struct workflow_place place;
    struct bytes run, label;
};

/* The step that a turn belongs to: agents of workflows have no subagents, so nothing stands in
 * between. Whose workflow has ended hears of nothing any more. */
static struct err find_step(struct tx *tx, const struct run_row *turn, bool *ret_found,
                            struct above *ret_above) {
    static const char sql[] = "SELECT p.id, p.run, r.run, r.label FROM runs r"
                              " JOIN runs p ON p.id = r.parent AND p.ended_ms IS NULL"
                              " WHERE r.id = $1 AND r.kind = 'agent'";
    const struct arg args[] = {arg_int(turn->parent)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    *ret_found = !err_failed(err) && rows != NULL;
    if (!*ret_found) {
        return err;
    }
    *ret_above = (struct above){
        .place = {.id = rows_int(rows, 0), .owner = turn->owner, .run = rows_text(rows, 1)},
        .run = rows_text(rows, 2),
        .label = rows_text(rows, 3)};
    err = workflows__keep(tx, &ret_above->place.run);
    err = err_failed(err) ? err : workflows__keep(tx, &ret_above->run);
    return err_failed(err) ? err : workflows__keep(tx, &ret_above->label);
}

struct err steps__event_asks(struct tx *tx, const struct run_asks *asks) {
    AUTO(text_done) struct text data;
    text_init(&data, WORKFLOW_EVENT_MAX);
    struct above above;
    bool found = false;
    struct err err = asks->run->parent == 0 ? ERR_OK : find_step(tx, asks->run, &found, &above);
    if (err_failed(err) || !found) {
        return err;
    }
    add_text(&data, "{\"run\":", above.run);
    add_optional(&data, ",\"label\":", above.label);
    add_text(&data, ",\"approval\":", asks->approval);
    add_text(&data, ",\"kind\":", asks->kind);
    add_text(&data, ",\"tool\":", asks->tool);
    add_text(&data, ",\"state\":", asks->state);
    text_add_char(&data, '}');
    return workflows__event(tx, &above.place, asks->type, &data, WORKFLOW_GOES_ON);
}

static void write_finished(const struct step_told *told, struct text *data) {
    const char *cause = told->cause == CAUSE_COMPLETED ? "" : run_cause_name(told->cause);
    text_init(data, WORKFLOW_EVENT_MAX);
    add_text(data, "{\"run\":", told->run);
    add_optional(data, ",\"label\":", told->label);
    add_optional(data, ",\"phase\":", told->phase);
    text_addf(data, ",\"state\":\"%s\",\"cached\":%s", run_state_name(told->state),
              told->cached ? "true" : "false");
    add_optional(data, ",\"cause\":", bytes_of(cause));
    add_optional(data, ",\"note\":", told->note);
    add_number(data, ",\"tokens\":", told->output_tokens);
    text_add_str(data, ",\"cost_micros\":");
    if (told->cost_micros >= 0) {
        text_add_int(data, told->cost_micros);
    } else {
        text_add_str(data, "null");
    }
    add_number(data, ",\"ms\":", told->took_ms);
    if (told->worktree.len > 0) {
        add_text(data, ",\"worktree\":", told->worktree);
    }
    text_add_char(data, '}');
}

struct err steps__event_finished(struct tx *tx, const struct step_told *told) {
    AUTO(text_done) struct text data;
    write_finished(told, &data);
    return workflows__event(tx, &told->place, type_finished, &data, WORKFLOW_GOES_ON);
}

struct err steps__event_both(struct tx *tx, const struct step_new *step,
                             const struct step_told *told) {
    AUTO(text_done) struct text began;
    AUTO(text_done) struct text ended;
    const struct started started = started_of(step);
    const struct stream_text stream = stream_of(&told->place);
    struct appended appended;
    write_started(&started, &began);
    write_finished(told, &ended);
    if (text_failed(&began) || text_failed(&ended)) {
        return text_error(text_failed(&began) ? &began : &ended, "workflows: event");
    }
    const struct append both[] = {append_of(&told->place, &stream, type_started, &began),
                                  append_of(&told->place, &stream, type_finished, &ended)};
    return tx_append_all(tx, both, COUNT_OF(both), &appended);
}

/* --- Lines ------------------------------------------------------------------------------------ */

static struct err tell_line(struct tx *tx, const struct workflow_place *place,
                            const struct workflow_line *line) {
    AUTO(text_done) struct text data;
    bool phase = line->kind == LINE_PHASE;
    text_init(&data, WORKFLOW_EVENT_MAX);
    add_number(&data, "{\"no\":", line->number);
    add_text(&data, phase ? ",\"title\":" : ",\"text\":", line->text);
    text_add_char(&data, '}');
    return workflows__event(tx, place, phase ? "phase" : "log", &data, WORKFLOW_GOES_ON);
}

struct err tx_workflow_lines(struct tx *tx, const struct workflow_place *place,
                             const struct workflow_line *lines, size_t count) {
    const struct arg of_run[] = {arg_int(place->id)};
    const struct run_ask ask = {.sql = "SELECT lines FROM workflows WHERE run = $1",
                                .args = of_run,
                                .count = COUNT_OF(of_run)};
    int64_t highest = 0;
    struct err err = runs__int(tx, &ask, &highest);
    int64_t stored = highest;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        if (lines[i].number > highest) {
            highest = lines[i].number;
            err = tell_line(tx, place, &lines[i]);
        }
    }
    if (err_failed(err) || highest == stored) {
        return err;
    }
    const struct arg args[] = {arg_int(place->id), arg_int(highest)};
    return tx_exec(tx, "UPDATE workflows SET lines = $2 WHERE run = $1", args, COUNT_OF(args),
                   NULL /* one row, always */);
}
