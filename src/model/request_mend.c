/* request_mend.c: what every provider would refuse is taken out: a call without id, name or result,
 * a result without its call. */
#include <string.h>

#include "model/request.h"

/* The first part of the message with this kind and id. */
static const struct model_part *find(const struct model_message *message, enum model_part_kind kind,
                                     struct bytes id) {
    const struct model_part *part = message->first;
    while (part != NULL && !(part->kind == kind && bytes_equal(part->id, id))) {
        part = part->next;
    }
    return part;
}

/* Results stand in the messages right behind the answer. */
static const struct model_part *find_result(const struct model_message *answer, struct bytes id) {
    const struct model_part *found = NULL;
    for (const struct model_message *at = answer->next;
         found == NULL && at != NULL && at->role == MODEL_TOOL; at = at->next) {
        found = find(at, MODEL_PART_TOOL_RESULT, id);
    }
    return found;
}

static bool is_good_call(const struct model_message *message, const struct model_part *part) {
    return message->role == MODEL_ASSISTANT && part->id.len > 0 && part->name.len > 0 &&
           find(message, MODEL_PART_TOOL_CALL, part->id) == part &&
           find_result(message, part->id) != NULL;
}

/* `answer`: the one before the messages of results that this one is among; NULL: none. */
static bool is_good_result(const struct model_message *answer, const struct model_part *part) {
    const struct model_part *call =
        answer == NULL ? NULL : find(answer, MODEL_PART_TOOL_CALL, part->id);
    return call != NULL && find_result(answer, part->id) == part;
}

static size_t mend_message(struct model_message *message, const struct model_message *answer) {
    size_t left_out = 0;
    struct model_part **at = &message->first;
    message->last = NULL;
    while (*at != NULL) {
        struct model_part *part = *at;
        bool good = part->kind == MODEL_PART_TOOL_CALL     ? is_good_call(message, part)
                    : part->kind == MODEL_PART_TOOL_RESULT ? is_good_result(answer, part)
                                                           : true;
        if (good) {
            message->last = part;
            at = &part->next;
        } else {
            *at = part->next;
            left_out++;
        }
    }
    return left_out;
}

/* A message is judged after all before it: a call that was taken out takes its result with it. */
size_t model_request_mend(struct model_request *request) {
    size_t left_out = 0;
    const struct model_message *answer = NULL;
    struct model_message **at = &request->first;
    request->last = NULL;
    while (*at != NULL) {
        struct model_message *message = *at;
        answer = message->role == MODEL_ASSISTANT ? message
                 : message->role == MODEL_TOOL    ? answer
                                                  : NULL;
        size_t here = mend_message(message, answer);
        left_out += here;
        if (here > 0 && message->first == NULL && message->role == MODEL_TOOL) {
            *at = message->next;
            request->message_count--;
        } else {
            request->last = message;
            at = &message->next;
        }
    }
    return left_out;
}
