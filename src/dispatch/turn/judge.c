/* judge.c: what the model called is read, checked and judged, before any of it is stored.
 *
 * In the pool, since a look at what a call is about touches the disk. What is wrong with a call is
 * told to the model as that call's result; it never ends a turn by itself. */
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"
#include "tool/requests.h"

enum { PROBLEM_MAX = 16 << 10, ABOUT_MAX = 256 << 10, COMPACT_MAX = 64 << 20, LOOK_MS = 10000 };

static void refuse(struct said_item *item, enum card_cause cause, struct bytes words) {
    item->verdict = TURN_REFUSE;
    item->cause = cause;
    text_clear(&item->refusal);
    text_add(&item->refusal, words.data, words.len);
}

/* What a yes grants: the folder where it really is. */
static void write_grant(const struct tool_call *call, const struct tool_look *look,
                        struct text *about) {
    struct access_request request;
    access_request_read(call, &request);
    text_add_str(about, ",\"grant\":{\"path\":");
    text_add_json(about, look->subjects[1].data, look->subjects[1].len);
    text_addf(about, ",\"access\":\"%s\"}", request.access == ROOT_WRITE ? "write" : "read");
}

/* {"subjects": […], "diff", "before"}: what somebody who is asked should see, and what must still
 * be so when the answer comes. */
static void write_about(const struct tool_call *call, const struct tool_look *look,
                        struct text *about) {
    text_add_str(about, "{\"subjects\":[");
    for (size_t i = 0; i < look->subject_count; i++) {
        text_add_str(about, i > 0 ? "," : "");
        text_add_json(about, look->subjects[i].data, look->subjects[i].len);
    }
    text_add_str(about, "],\"diff\":");
    text_add_json(about, look->diff.data == NULL ? "" : look->diff.data, look->diff.len);
    text_add_str(about, ",\"before\":");
    text_add_json(about, look->before.text, strlen(look->before.text));
    if (call->id == TOOL_REQUEST_ACCESS && look->refusal.len == 0) {
        write_grant(call, look, about);
    }
    text_add_char(about, '}');
}

static void decide(struct said_item *item, const struct tool_call *call,
                   const struct tool_look *look, const struct toolplace *place) {
    struct permission_verdict verdict = tool_judge(call, look, &place->rules);
    static const char denied[] = "The settings of this session do not allow this call.";
    switch (verdict.permission) {
    case PERMISSION_ALLOW:
        item->verdict = TURN_ALLOW;
        break;
    case PERMISSION_REVIEW:
        item->verdict = TURN_REVIEW;
        break;
    case PERMISSION_ASK:
    case PERMISSION_COUNT:
        item->verdict = TURN_ASK;
        break;
    case PERMISSION_DENY:
        refuse(item, CARD_RULE, BYTES(denied));
        return; /* Nothing else about the call is said: a denied call must not explore files. */
    }
    if (look->refusal.len > 0) {
        refuse(item, look->cause, (struct bytes){look->refusal.data, look->refusal.len});
    }
}

/* Only a person can settle these, whatever the rules allow: to answer, or to grant a folder. */
static bool asks_person(const struct tool *tool) {
    return tool->performer == TOOL_WAIT;
}

static struct err judge_call(struct said_item *item, const struct tool_call *call,
                             const struct toolplace *place) {
    const struct tool *tool = tool_get(call->id);
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    struct err err = tool_look(call, &place->place, &look);
    if (err_failed(err)) {
        return err;
    }
    decide(item, call, &look, place);
    if (asks_person(tool) && item->verdict != TURN_REFUSE) {
        item->verdict = TURN_ASK;
    }
    item->asks = call->id == TOOL_ASK_USER ? TURN_ASKS_ANSWER : TURN_ASKS_LEAVE;
    item->repeatable = tool->again == TOOL_REPEATABLE || tool->performer == TOOL_ROWS ||
                       tool->performer == TOOL_RUN;
    text_clear(&item->text);
    text_add_str(&item->text, call->canonical);
    text_add_str(&item->digest, call->digest.text);
    write_about(call, &look, &item->about);
    return ERR_OK;
}

/* A refused call is stored as it came, and shown in JSON to whoever looks. So its arguments become
 * compact, since an event takes no raw line break; text that is no JSON object is kept apart. */
static void settle_arguments(struct said_item *item) {
    AUTO(json_release) json_t *json = NULL;
    AUTO(text_done) struct text compact;
    const char *data = item->text.data == NULL ? "" : item->text.data;
    text_init(&compact, COMPACT_MAX);
    struct err err = json_parse(data, item->text.len, JSON_DEPTH_MAX, &json, /* why */ NULL);
    bool object = !err_failed(err) && json_is_object(json);
    if (object && !err_failed(json_write(json, &compact))) {
        text_clear(&item->text);
        text_add(&item->text, compact.data, compact.len);
        return;
    }
    text_clear(&item->malformed);
    text_add(&item->malformed, data, item->text.len);
    text_clear(&item->text);
}

static void judge_item(const struct talk *talk, const struct toolplace *place,
                       struct said_item *item) {
    static const char no_memory[] = "There was no memory to look at this call; try it again.";
    static const char cut[] =
        "This call was cut off, since the answer reached its longest length, and was not made. "
        "Make "
        "it again with less in it: in several calls, or with fewer words around it.";
    if (item->cut) {
        refuse(item, CARD_TRUNCATED, BYTES(cut));
        settle_arguments(item);
        return;
    }
    AUTO(text_done) struct text problem;
    AUTO(tool_call_done) struct tool_call call = {0};
    text_init(&problem, PROBLEM_MAX);
    struct err err = tool_call_read(
        talk->turns->options.toolbox, place->tools, (struct bytes){item->name.data, item->name.len},
        (struct bytes){item->text.data, item->text.len}, &call, &problem);
    if (!err_failed(err)) {
        err = judge_call(item, &call, place);
    }
    if (err.code == ERR_OUT_OF_MEMORY || (err_failed(err) && problem.len == 0)) {
        refuse(item, CARD_NO_MEMORY, BYTES(no_memory));
    } else if (err_failed(err)) {
        refuse(item, err.code == ERR_NOT_FOUND ? CARD_TOOL_UNKNOWN : CARD_BAD_ARGUMENTS,
               (struct bytes){problem.data, problem.len});
    }
    if (err_failed(err)) {
        settle_arguments(item);
    }
}

static void judge_run(struct pool_job *job) {
    struct talk *talk = CONTAINER_OF(job, struct talk, job);
    const struct turns_options *options = &talk->turns->options;
    const struct toolplace_seat seat = {.root = talk->plan.root.data,
                                        .settings = talk->plan.settings.data,
                                        .roots = talk->plan.roots.data,
                                        .data_dir = options->data_dir,
                                        .home = options->home,
                                        .world = loop_world(options->loop),
                                        .time_ms = LOOK_MS};
    AUTO(toolplace_close) struct toolplace place;
    toolplace_open(&place, &seat);
    talk->printed = false;
    if (!said_has_calls(&talk->said)) {
        talk__read_printed(talk, place.tools);
    }
    if (talk->plan.schema.len > 0 && !said_has_calls(&talk->said)) {
        talk__check_answer(talk);
    }
    for (size_t i = 0; i < talk->said.count; i++) {
        if (talk->said.items[i].kind == TURN_ITEM_CALL) {
            judge_item(talk, &place, &talk->said.items[i]);
        }
    }
}

static void judge_done(struct pool_job *job) {
    struct talk *talk = CONTAINER_OF(job, struct talk, job);
    talk->away = false;
    if (talk->ended || talk->turns->stopping) {
        talk__maybe_free(talk);
    } else {
        if (talk->printed) {
            talk__say_again(talk);
        }
        talk__flush(talk);
    }
}

void talk__judge(struct talk *talk) {
    talk->away = true;
    talk->job = (struct pool_job){.kind = POOL_QUICK, .run = judge_run, .done = judge_done};
    pool_add(&talk->turns->pool, &talk->job);
}
