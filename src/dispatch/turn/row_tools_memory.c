/* row_tools_memory.c: remember and recall. */
#include <string.h>

#include "dispatch/turn/row_tools.h"
#include "engine/memory/memory.h"

/* Of a change, what was not given stays. */
static struct bytes given(const char *text) {
    return text[0] == '\0' ? (struct bytes){NULL, 0} : bytes_of(text);
}

/* The best come first; of those behind them, as many as there is room for. */
static struct err write_memory(void *ctx, const struct memory *memory) {
    struct text *text = ctx;
    AUTO(text_done) struct text one;
    text_init(&one, TOOL_CONTENT_MAX);
    memory_write_json(memory, &one);
    if (one.no_memory) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: memory");
    }
    if (!text_failed(&one) && text->len + one.len + sizeof ",]" <= TOOL_CONTENT_MAX) {
        text_add_str(text, text->len > 1 ? "," : "");
        text_add(text, one.data, one.len);
    }
    return ERR_OK;
}

/* Only what this project can see. */
static struct err find(struct tx *tx, const struct rows_call *call, const char *id,
                       bool *ret_found) {
    const struct memory_key key = {.owner = call->seat->session.owner, .id = bytes_of(id)};
    struct bytes project = call->seat->session.project;
    struct memory memory;
    struct err err = tx_memory_find(tx, &key, ret_found, &memory);
    if (!err_failed(err) && *ret_found) {
        *ret_found = memory.project.len == 0 || (bytes_equal(memory.project, project));
    }
    return err;
}

static struct err tell(struct tx *tx, const struct rows_call *call, struct bytes id) {
    const struct memory_key key = {.owner = call->seat->session.owner, .id = id};
    struct memory memory;
    bool found = false;
    struct err err = tx_memory_find(tx, &key, &found, &memory);
    if (!err_failed(err) && found) {
        memory_write_json(&memory, &call->result->content);
    }
    return err;
}

static struct err create(struct tx *tx, const struct rows_call *call,
                         const struct remember_request *request, struct bytes tags) {
    const struct bytes none = {"", 0};
    const struct memory memory = {
        .id = bytes_of(call->fresh->memory.text),
        .project = request->global ? none : call->seat->session.project,
        .topic = bytes_of(request->topic),
        .title = bytes_of(request->title),
        .content = bytes_of(request->content),
        .tags = tags,
    };
    struct why why = {.text = ""};
    struct err err = memory_check(&memory, &why);
    if (err.code == ERR_BAD_FIELD) {
        failure_result_write(CARD_BAD_ARGUMENTS, why.text, call->result);
        return ERR_OK;
    }
    if (!err_failed(err)) {
        err = tx_memory_add(tx, call->seat->session.owner, &memory);
    }
    if (err.code == ERR_TOO_MANY) {
        failure_result_write(CARD_TOO_MANY, "There is no room for more memories; forget some.",
                             call->result);
        return ERR_OK;
    }
    return err_failed(err) ? err : tell(tx, call, memory.id);
}

static struct bytes or_any(struct bytes text) {
    return text.data == NULL ? BYTES("any") : text;
}

/* What is given must fit by itself: what stays did when it came. */
static bool change_fits(const struct memory *memory, struct why *why) {
    const struct memory whole = {.id = memory->id,
                                 .project = BYTES(""),
                                 .topic = or_any(memory->topic),
                                 .title = or_any(memory->title),
                                 .content = or_any(memory->content),
                                 .tags = memory->tags.data == NULL ? BYTES("[]") : memory->tags};
    return !err_failed(memory_check(&whole, why));
}

static struct err change(struct tx *tx, const struct rows_call *call,
                         const struct remember_request *request, struct bytes tags) {
    const struct memory memory = {
        .id = bytes_of(request->id),
        .topic = given(request->topic),
        .title = given(request->title),
        .content = given(request->content),
        .tags = request->tags == NULL ? (struct bytes){NULL, 0} : tags,
    };
    struct why why = {.text = ""};
    if (!change_fits(&memory, &why)) {
        failure_result_write(CARD_BAD_ARGUMENTS, why.text, call->result);
        return ERR_OK;
    }
    struct err err = tx_memory_change(tx, call->seat->session.owner, &memory);
    return err_failed(err) ? err : tell(tx, call, memory.id);
}

static struct err forget(struct tx *tx, const struct rows_call *call, const char *id) {
    const struct memory_key key = {.owner = call->seat->session.owner, .id = bytes_of(id)};
    struct err err = tx_memory_forget(tx, &key);
    if (!err_failed(err)) {
        text_add_str(&call->result->content, "{\"id\":");
        text_add_json(&call->result->content, id, strlen(id));
        text_add_str(&call->result->content, ",\"forgotten\":true}");
    }
    return err;
}

struct err rows__remember(struct tx *tx, const struct rows_call *call) {
    struct remember_request request;
    struct why why = {.text = ""};
    AUTO(text_done) struct text tags;
    text_init(&tags, (size_t)MEMORY_TAGS_MAX * MEMORY_TAG_MAX * 8);
    bool found = true;
    if (!remember_request_read(call->call, &request, &why) ||
        err_failed(memory_tags_write(request.tags, &tags, &why))) {
        failure_result_write(CARD_BAD_ARGUMENTS, why.text, call->result);
        return ERR_OK;
    }
    const struct bytes written = {tags.data, tags.len};
    if (request.action == REMEMBER_CREATE) {
        return create(tx, call, &request, written);
    }
    struct err err = find(tx, call, request.id, &found);
    if (!err_failed(err) && !found) {
        failure_result_write(CARD_NOT_FOUND, "There is no memory with that id; recall finds them.",
                             call->result);
        return ERR_OK;
    }
    if (err_failed(err)) {
        return err;
    }
    return request.action == REMEMBER_CHANGE ? change(tx, call, &request, written)
                                             : forget(tx, call, request.id);
}

struct err rows__recall(struct tx *tx, const struct rows_call *call) {
    struct recall_request request;
    recall_request_read(call->call, &request);
    const struct memory_question question = {
        .scope = {.owner = call->seat->session.owner,
                  .about = MEMORY_ABOUT_PROJECT,
                  .project = call->seat->session.project,
                  .topic = bytes_of(request.topic)},
        .query = bytes_of(request.query),
        .limit = request.limit,
    };
    struct text *text = &call->result->content;
    text_add_char(text, '[');
    struct err err = tx_memory_recall(tx, &question, write_memory, text);
    text_add_char(text, ']');
    return err;
}
