/* request.c: a request, put together piece by piece in its own arena. */
#include "model/request.h"

#include <string.h>

#include "base/base64.h"
#include "rules/provider/provider.h"
#include "rules/trace/usage.h"

static const char *const kind_names[MODEL_KIND_COUNT + 1] = {
#define X(kind, name) [MODEL_KIND_##kind] = (name),
    MODEL_KINDS(X)
#undef X
};

const char *model_kind_name(enum model_kind kind) {
    assert((unsigned)kind < MODEL_KIND_COUNT);
    return kind_names[kind];
}

bool model_kind_find(struct bytes name, enum model_kind *ret_kind) {
    return bytes_find(name, kind_names, ret_kind);
}

static_assert(MODEL_EFFORT_LOW == 1 && MODEL_EFFORT_HIGH == 3, "effort_names, after the default");

enum model_effort model_effort_of(struct bytes name, enum model_effort otherwise) {
    unsigned at = 0;
    return bytes_find(name, effort_names, &at) ? (enum model_effort)(MODEL_EFFORT_LOW + at)
                                               : otherwise;
}

const char *model_effort_name(enum model_effort effort) {
    return effort == MODEL_EFFORT_DEFAULT ? NULL : effort_names[effort - MODEL_EFFORT_LOW];
}

static struct bytes bytes_keep(struct model_request *request, struct bytes bytes) {
    char *copy = bytes.len > 0 && !request->failed
                     ? arena_try_copy(&request->arena, bytes.data, bytes.len)
                     : NULL;
    if (copy == NULL) {
        request->failed = request->failed || bytes.len > 0;
        return BYTES("");
    }
    return (struct bytes){copy, bytes.len};
}

struct bytes model_connection_of(struct bytes model) {
    const char *slash = memchr(model.data, '/', model.len);
    return (struct bytes){model.data, slash != NULL ? (size_t)(slash - model.data) : model.len};
}

bool model_thinking_lasts(struct bytes signature) {
    return bytes_is(signature, MODEL_REASONING);
}

struct model_request *model_request_new(struct bytes model) {
    struct model_request *request = mem_new(sizeof *request);
    arena_init(&request->arena, REQUEST_SIZE_MAX);
    request->system = request->schema = request->tail = BYTES("");
    request->model = bytes_keep(request, model);
    return request;
}

void model_request_free(struct model_request *request) {
    if (request != NULL) {
        arena_done(&request->arena);
        mem_free(request);
    }
}

bool model_request_failed(const struct model_request *request) {
    return request->failed;
}

void model_request_set_system(struct model_request *request, struct bytes text) {
    request->system = bytes_keep(request, text);
}

void model_request_set_schema(struct model_request *request, struct bytes schema) {
    request->schema = bytes_keep(request, schema);
}

void model_request_add_tool(struct model_request *request, const struct model_tool *tool) {
    if (request->tools == NULL) {
        request->tools = arena_try(&request->arena, REQUEST_TOOLS_MAX * sizeof *request->tools);
    }
    if (request->tools == NULL || request->tool_count == REQUEST_TOOLS_MAX) {
        request->failed = true;
        return;
    }
    size_t at = 0;
    while (at < request->tool_count && bytes_compare(request->tools[at].name, tool->name) < 0) {
        at++;
    }
    bool known =
        at < request->tool_count && bytes_compare(request->tools[at].name, tool->name) == 0;
    if (!known) {
        memmove(&request->tools[at + 1], &request->tools[at],
                (request->tool_count - at) * sizeof *request->tools);
        request->tool_count++;
    }
    request->tools[at] = (struct model_tool){.name = bytes_keep(request, tool->name),
                                             .description = bytes_keep(request, tool->description),
                                             .schema = bytes_keep(request, tool->schema)};
}

void model_request_add_message(struct model_request *request, enum model_role role) {
    struct model_message *message = NULL;
    if (!request->failed && request->message_count < REQUEST_MESSAGES_MAX) {
        message = arena_try(&request->arena, sizeof *message);
    }
    if (message == NULL) {
        request->failed = true;
        return;
    }
    *message = (struct model_message){.role = role};
    if (request->last != NULL) {
        request->last->next = message;
    } else {
        request->first = message;
    }
    request->last = message;
    request->message_count++;
}

void model_request_add_part(struct model_request *request, const struct model_part *part) {
    if (request->failed) {
        return;
    }
    assert(request->last != NULL);
    struct model_part *copy = arena_try(&request->arena, sizeof *copy);
    if (copy == NULL) {
        request->failed = true;
        return;
    }
    *copy = *part;
    copy->next = NULL;
    copy->text = bytes_keep(request, part->text);
    copy->id = bytes_keep(request, part->id);
    copy->name = bytes_keep(request, part->name);
    copy->signature = bytes_keep(request, part->signature);
    struct model_message *message = request->last;
    if (message->last != NULL) {
        message->last->next = copy;
    } else {
        message->first = copy;
    }
    message->last = copy;
}

void model_request_change_part(struct model_request *request, struct model_part *part,
                               enum model_part_kind kind, struct bytes text) {
    part->kind = kind;
    part->text = bytes_keep(request, text);
}

size_t model_image_size(size_t len) {
    return base64_size(len);
}

void model_request_set_image(struct model_request *request, struct model_part *part,
                             struct bytes image) {
    assert(part->kind == MODEL_PART_IMAGE);
    size_t size = base64_size(image.len);
    char *digits = request->failed ? NULL : arena_try(&request->arena, size);
    part->text = BYTES("");
    if (digits == NULL) {
        request->failed = true;
        return;
    }
    base64_write(digits, image);
    part->text = (struct bytes){digits, size};
}

void model_request_add_text(struct model_request *request, struct bytes text) {
    model_request_add_part(request, &(struct model_part){.kind = MODEL_PART_TEXT, .text = text});
}

/* --- Mending ---------------------------------------------------------------------------------- */

/* The first part of the message with this kind and id. */
static const struct model_part *part_find(const struct model_message *message,
                                          enum model_part_kind kind, struct bytes id) {
    const struct model_part *part = message->first;
    while (part != NULL && !(part->kind == kind && bytes_equal(part->id, id))) {
        part = part->next;
    }
    return part;
}

/* Results stand in the messages right after the answer. */
static const struct model_part *result_find(const struct model_message *answer, struct bytes id) {
    const struct model_part *found = NULL;
    for (const struct model_message *at = answer->next;
         found == NULL && at != NULL && at->role == MODEL_TOOL; at = at->next) {
        found = part_find(at, MODEL_PART_TOOL_RESULT, id);
    }
    return found;
}

/* `answer`: the one before the messages of results that the message is among; NULL: none. A call
 * that was taken out takes its result with it. */
static bool part_is_good(const struct model_message *message, const struct model_message *answer,
                         const struct model_part *part) {
    if (part->kind == MODEL_PART_TOOL_CALL) {
        return message->role == MODEL_ASSISTANT && part->id.len > 0 && part->name.len > 0 &&
               part_find(message, part->kind, part->id) == part &&
               result_find(message, part->id) != NULL;
    }
    if (part->kind == MODEL_PART_TOOL_RESULT) {
        return answer != NULL && part_find(answer, MODEL_PART_TOOL_CALL, part->id) != NULL &&
               result_find(answer, part->id) == part;
    }
    return true;
}

/* A message is judged after all before it. */
size_t model_request_mend(struct model_request *request) {
    size_t left_out = 0;
    const struct model_message *answer = NULL;
    struct model_message **at = &request->first;
    request->last = NULL;
    while (*at != NULL) {
        struct model_message *message = *at;
        size_t before = left_out;
        if (message->role != MODEL_TOOL) {
            answer = message->role == MODEL_ASSISTANT ? message : NULL;
        }
        message->last = NULL;
        for (struct model_part **part = &message->first; *part != NULL;) {
            if (part_is_good(message, answer, *part)) {
                message->last = *part;
                part = &(*part)->next;
            } else {
                *part = (*part)->next;
                left_out++;
            }
        }
        if (left_out > before && message->first == NULL && message->role == MODEL_TOOL) {
            *at = message->next;
            request->message_count--;
        } else {
            request->last = message;
            at = &message->next;
        }
    }
    return left_out;
}

/* --- The question and its tail ---------------------------------------------------------------- */

void model_request_mark_question(struct model_request *request) {
    request->question = request->last;
}

void model_request_set_tail(struct model_request *request, struct bytes text) {
    if (request->question == NULL) {
        for (struct model_message *at = request->first; at != NULL; at = at->next) {
            bool said = at->role == MODEL_USER && at->first != NULL;
            request->question = said ? at : request->question;
        }
    }
    if (request->question == NULL) {
        model_request_add_message(request, MODEL_USER);
        model_request_mark_question(request);
    }
    request->tail = bytes_keep(request, text);
}

struct model_sizes model_request_sizes(const struct model_request *request) {
    struct model_sizes sizes = {.tools = request->schema.len,
                                .instructions = request->system.len,
                                .history = request->tail.len};
    for (size_t i = 0; i < request->tool_count; i++) {
        const struct model_tool *tool = &request->tools[i];
        sizes.tools += tool->name.len + tool->description.len + tool->schema.len;
    }
    for (const struct model_message *at = request->first; at != NULL; at = at->next) {
        for (const struct model_part *part = at->first; part != NULL; part = part->next) {
            sizes.history += part->kind == MODEL_PART_IMAGE
                                 ? USAGE_IMAGE_BYTES
                                 : part->text.len + part->name.len + part->signature.len;
        }
    }
    return sizes;
}

size_t model_request_text_size(const struct model_request *request) {
    struct model_sizes sizes = model_request_sizes(request);
    return sizes.tools + sizes.instructions + sizes.history;
}
