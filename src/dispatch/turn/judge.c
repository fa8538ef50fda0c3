/* judge.c: an answer is read, checked and judged, before any of it is stored.
 *
 * In the pool, since a look at what a call is about touches the disk. A fault of a call becomes
 * that call's result for the model; it never ends a turn by itself.
 *
 * Printed calls  a local model may write calls into its text, where it should have made them: they
 *                are made, of an answer that is whole and makes no call itself, and of names only
 *                that it was offered. Clients have heard the markup by then: it is withdrawn, and
 *                what is left is sent again, so that what they have is what is stored.
 * Schemas        providers promise answers that fit, and local models break that promise; so every
 *                answer is checked here, and repaired first where only one meaning is possible. */
#include "base/json/json.h"
#include "base/json/schema.h"
#include "base/memory.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"
#include "dispatch/turn/work.h"
#include "rules/approval/always.h"
#include "rules/turn/mend.h"
#include "tool/printed.h"
#include "tool/requests.h"

enum { PROBLEM_MAX = 16 << 10, COMPACT_MAX = 64 << 20, ANSWER_MAX = 16 << 20, LOOK_MS = 10000 };

/* --- Calls in the text ------------------------------------------------------------------------ */

bool judge__is_needed(const struct talk *talk) {
    const struct said *said = &talk->call.said;
    bool needed = said_has_calls(said) || talk->plan.schema.len > 0;
    /* Half a call would be repaired into a whole one. */
    bool may_print = !talk->plan.last && talk->call.result.stop != MODEL_STOP_LENGTH;
    for (size_t i = 0; may_print && !needed && i < said->count; i++) {
        const struct said_item *item = &said->items[i];
        needed = item->kind == TURN_ITEM_TEXT && printed_may(text_bytes(&item->texts[SAID_TEXT]));
    }
    return needed;
}

static bool is_offered(void *ctx, struct bytes name) {
    const tool_set *tools = ctx;
    enum tool_id id;
    return tool_find(name, &id) && (*tools & tool_set_of(id)) != 0;
}

static void read_printed(struct talk_call *call, tool_set tools) {
    const struct printed_names names = {.known = is_offered, .ctx = &tools};
    AUTO(said_done) struct said said = {.items = NULL};
    for (size_t i = 0; i < call->said.count; i++) {
        const struct said_item *item = &call->said.items[i];
        AUTO(printed_done) struct printed printed = {0};
        struct bytes text = text_bytes(&item->texts[SAID_TEXT]);
        size_t made = 0;
        if (item->kind == TURN_ITEM_TEXT && !err_failed(printed_read(text, &names, &printed)) &&
            printed.count > 0) {
            made = printed.count;
            text = text_bytes(&printed.text);
            while (text.len > 0 && memchr(" \t\r\n", text.data[text.len - 1], 4) != NULL) {
                text.len--;
            }
        }
        if (item->kind == TURN_ITEM_TEXT) {
            said_add(&said, item->kind, text);
        } else {
            said_copy(&said, item);
        }
        for (size_t j = 0; j < made; j++) {
            const struct model_tool_call printed_call = {.id = BYTES(""),
                                                         .name = bytes_of(printed.calls[j].name),
                                                         .arguments =
                                                             bytes_of(printed.calls[j].arguments)};
            said_add_call(&said, &printed_call, /* model */ BYTES(""), SAID_WHOLE);
        }
    }
    if (said_has_calls(&said)) {
        call->again = AGAIN_PRINTED;
        const struct said old = call->said;
        call->said = said;
        said = old;
    }
}

void call__say_again(struct talk_call *call, struct bytes why) {
    deltas_withdraw(&call->deltas, why);
    for (size_t i = 0; i < call->said.count; i++) {
        const struct said_item *item = &call->said.items[i];
        if (item->kind == TURN_ITEM_TEXT || item->kind == TURN_ITEM_THINKING) {
            deltas_add(&call->deltas, item->kind == TURN_ITEM_TEXT ? DELTA_TEXT : DELTA_THINKING,
                       text_bytes(&item->texts[SAID_TEXT]));
        }
    }
}

void judge__tell(struct talk_call *call) {
    static const struct bytes why[] = {
        [AGAIN_PRINTED] = BYTES_INIT(
            "\"cause\":\"printed_calls\",\"detail\":\"The model wrote calls of tools into "
            "its text: they are made, and taken out of it.\",\"wait_ms\":0"),
        [AGAIN_MENDED] = BYTES_INIT(
            "\"cause\":\"mended_answer\",\"detail\":\"The answer's JSON was taken out of "
            "what the model said.\",\"wait_ms\":0")};
    if (call->again != AGAIN_NOT) {
        call__say_again(call, why[call->again]);
    }
}

/* --- The schema ------------------------------------------------------------------------------- */

/* The text of the answer becomes the value that was meant. */
static void take_mended(struct talk_call *call, const json_t *value) {
    AUTO(said_done) struct said said = {.items = NULL};
    AUTO(text_done) struct text text = text_up_to(ANSWER_MAX);
    bool told = false;
    if (err_failed(json_write(value, &text))) {
        return; /* The text stays as it came: its reader finds no JSON, and says so. */
    }
    for (size_t i = 0; i < call->said.count; i++) {
        const struct said_item *item = &call->said.items[i];
        if (item->kind != TURN_ITEM_TEXT) {
            said_copy(&said, item);
        } else if (!told) {
            said_add(&said, item->kind, text_bytes(&text));
            told = true;
        }
    }
    call->again = AGAIN_MENDED;
    const struct said old = call->said;
    call->said = said;
    said = old;
}

/* Into `misfit`: how the answer does not fit; nothing: it does. Into `note`: what was changed. */
static void check_schema(struct talk_call *call, struct bytes schema) {
    AUTO(text_done) struct text answer = text_up_to(ANSWER_MAX), told = text_up_to(MISFIT_MAX);
    AUTO(json_release) json_t *schema_json = NULL, *json = NULL;
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    struct text *misfit = &call->misfit;
    struct why why = {""};
    bool changed = false;
    text_clear(misfit);
    for (size_t i = 0; i < call->said.count; i++) {
        const struct said_item *item = &call->said.items[i];
        if (item->kind == TURN_ITEM_TEXT) {
            text_add(&answer, item->texts[SAID_TEXT].data, item->texts[SAID_TEXT].len);
        }
    }
    if (text_failed(&answer)) {
        text_add_str(misfit, "It is longer than 16 MB.");
        return;
    }
    struct err err = json_parse(schema.data, schema.len, JSON_DEPTH_MAX, &schema_json, &why);
    if (!err_failed(err)) {
        err = json_schema_compile(schema_json, &compiled, &why);
    }
    if (err_failed(err)) {
        text_add_str(misfit, why.text[0] != '\0' ? why.text : "Its schema cannot be read.");
    } else if (!err_failed(
                   answer_mend(compiled, text_bytes(&answer), &json, &changed, &told, misfit)) &&
               changed) {
        take_mended(call, json);
        text_add_str(&call->note, call->note.len > 0 && told.len > 0 ? "; " : "");
        text_add(&call->note, told.data, told.len);
    }
}

/* --- A call ----------------------------------------------------------------------------------- */

static void refuse(struct said_item *item, enum card_cause cause, struct bytes words) {
    item->call.verdict = TURN_REFUSE;
    item->call.cause = cause;
    text_clear(&item->texts[SAID_REFUSAL]);
    text_add(&item->texts[SAID_REFUSAL], words.data, words.len);
}

void judge__add_before(const struct tool_look *look, struct text *about) {
    if (look->unread) {
        text_add_str(about, ",\"before\":null");
    } else {
        text_add_member(about, "before", bytes_of(look->before.text));
    }
}

/* Fails closed: where the state of the file cannot be read any more, nobody knows what was
 * allowed. */
const char *judge__conflict(const json_t *about, const struct tool_look *look) {
    const json_t *before = json_object_get(about, "before");
    const bool same = look->unread ? json_is_null(before)
                                   : json_is_string(before) &&
                                         strcmp(json_string_value(before), look->before.text) == 0;
    return same ? NULL
                : "The file has changed since this call was looked at, or what it was then is not "
                  "known any more. Read it again.";
}

/* {"subjects": […], "match", "exact"?, "old_rule"?, "diff", "before"}: what somebody who is asked
 * should see, and what must still be so when the answer comes. */
static void write_about(const struct tool_call *call, const struct tool_look *look,
                        const struct permission_rule *old, struct text *about) {
    struct bytes subjects[TOOL_SUBJECTS_MAX];
    for (size_t i = 0; i < look->subject_count; i++) {
        subjects[i] = text_bytes(&look->subjects[i]);
    }
    const struct permission_question question = {.kind = tool_get(call->id)->subject,
                                                 .subjects = subjects,
                                                 .subject_count = look->subject_count};
    permission_add_about(&question, old, about);
    if (call->id != TOOL_ASK_USER && call->id != TOOL_REQUEST_ACCESS) { /* No rule allows these. */
        always_about_add(bytes_of(tool_get(call->id)->name), &question, about);
    }
    text_add_member(about, "diff", text_bytes(&look->diff));
    text_add_str(about, look->diff_cut ? ",\"diff_cut\":true" : "");
    judge__add_before(look, about);
    if (call->id == TOOL_REQUEST_ACCESS && look->refusal.len == 0) {
        /* What a yes grants: the folder where it really is. */
        struct access_request request;
        access_request_read(call, &request);
        text_add_str(about, ",\"grant\":{");
        text_add_member(about, "path", text_bytes(&look->subjects[1]));
        text_add_member(about, "access", bytes_of(request.access == ROOT_WRITE ? "write" : "read"));
        text_add_char(about, '}');
    }
    text_add_char(about, '}');
}

/* A refused call is stored as it came, and shown in JSON. So its arguments become
 * compact, since an event takes no raw line break; text that is no JSON object is kept apart. */
static void refuse_unread(struct said_item *item, enum card_cause cause, struct bytes words) {
    AUTO(json_release) json_t *json = NULL;
    AUTO(text_done) struct text compact = text_up_to(COMPACT_MAX);
    struct bytes came = text_bytes(&item->texts[SAID_TEXT]);
    struct err err = json_parse(came.data, came.len, JSON_DEPTH_MAX, &json, /* why */ NULL);
    refuse(item, cause, words);
    bool object = !err_failed(err) && json_is_object(json);
    if (object && !err_failed(json_write(json, &compact))) {
        text_clear(&item->texts[SAID_TEXT]);
        text_add(&item->texts[SAID_TEXT], compact.data, compact.len);
        return;
    }
    text_clear(&item->texts[SAID_MALFORMED]);
    text_add(&item->texts[SAID_MALFORMED], came.data, came.len);
    text_clear(&item->texts[SAID_TEXT]);
}

static void judge_item(const struct talk *talk, const struct toolplace *place,
                       struct said_item *item) {
    static const enum turn_verdict verdicts[] = {[PERMISSION_ALLOW] = TURN_ALLOW,
                                                 [PERMISSION_REVIEW] = TURN_REVIEW,
                                                 [PERMISSION_ASK] = TURN_ASK,
                                                 [PERMISSION_COUNT] = TURN_ASK};
    AUTO(text_done) struct text problem = text_up_to(PROBLEM_MAX);
    AUTO(tool_call_done) struct tool_call call = {0};
    AUTO(tool_look_done) struct tool_look look;
    tool_look_init(&look);
    if (item->cut) {
        refuse_unread(
            item, CARD_TRUNCATED,
            BYTES("This call was cut off, since the answer reached its longest length, and was "
                  "not made. Make it again with less in it: in several calls, or with fewer "
                  "words around it."));
        return;
    }
    struct err err = tool_call_read(talk->turns->options.toolbox, place->tools,
                                    text_bytes(&item->texts[SAID_NAME]),
                                    text_bytes(&item->texts[SAID_TEXT]), &call, &problem);
    if (!err_failed(err)) {
        err = tool_look(&call, &place->place, &look);
    }
    if (err.code == ERR_OUT_OF_MEMORY || (err_failed(err) && problem.len == 0)) {
        refuse_unread(item, CARD_NO_MEMORY,
                      BYTES("There was no memory to look at this call; try it again."));
        return;
    }
    if (err_failed(err)) {
        refuse_unread(item, err.code == ERR_NOT_FOUND ? CARD_TOOL_UNKNOWN : CARD_BAD_ARGUMENTS,
                      text_bytes(&problem));
        return;
    }
    const struct tool *tool = tool_get(call.id);
    const struct permission_verdict judged = tool_judge(&call, &look, &place->rules);
    if (subagent__is_program(&call) && judged.permission != PERMISSION_DENY) {
        subagent__look(talk, &call, &look);
    }
    if (judged.permission == PERMISSION_DENY) {
        /* Nothing else about the call is reported: a denied call must not explore files. */
        refuse(item, CARD_RULE,
               BYTES("The settings of this session or its project do not allow this call."));
    } else if (look.refusal.len > 0) {
        refuse(item, look.cause, text_bytes(&look.refusal));
    } else {
        /* Only a person can settle some, whatever the rules allow: to answer, to grant a folder. */
        item->call.verdict = tool->performer == TOOL_WAIT ? TURN_ASK : verdicts[judged.permission];
    }
    item->call.asks = call.id == TOOL_ASK_USER ? ASKS_ANSWER : ASKS_LEAVE;
    item->call.repeatable = tool->again == TOOL_REPEATABLE || tool->performer == TOOL_ROWS ||
                            tool->performer == TOOL_RUN;
    text_clear(&item->texts[SAID_TEXT]);
    text_add_str(&item->texts[SAID_TEXT], call.canonical);
    text_add_str(&item->texts[SAID_DIGEST], call.digest.text);
    write_about(&call, &look, judged.old < 0 ? NULL : &place->rules.rules[judged.old],
                &item->texts[SAID_ABOUT]);
}

/* --- The order of it -------------------------------------------------------------------------- */

void judge__run(struct talk *talk) {
    struct talk_call *call = &talk->call;
    const struct toolplace_seat seat = {.turns = &talk->turns->options,
                                        .root = talk->plan.root.data,
                                        .settings = talk->plan.settings.data,
                                        .project = talk->plan.rules.data,
                                        .roots = talk->plan.roots.data,
                                        .time_ms = LOOK_MS,
                                        .place = talk->place};
    AUTO(toolplace_close) struct toolplace place;
    toolplace_open(&place, &seat);
    call->again = AGAIN_NOT;
    if (!said_has_calls(&call->said) && talk->program == NULL) {
        read_printed(call, place.tools);
    }
    if (talk->plan.schema.len > 0 && !said_has_calls(&call->said) &&
        call->result.stop != MODEL_STOP_PAUSE) {
        check_schema(call, talk->plan.schema);
    }
    for (size_t i = 0; i < call->said.count; i++) {
        if (call->said.items[i].kind == TURN_ITEM_CALL) {
            judge_item(talk, &place, &call->said.items[i]);
        }
    }
}
