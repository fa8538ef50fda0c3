#include "http/request.h"

#include <string.h>

#include "base/memory.h"

void request_init(struct request *request, size_t body_max) {
    memset(request, 0, offsetof(struct request, headers));
    request->head = request->inline_head;
    request->head_size = HEAD_INLINE;
    request->body_max = body_max;
}

void request_done(struct request *request) {
    if (request->head != request->inline_head) {
        mem_free(request->head);
    }
    request->head = request->inline_head;
    mem_free(request->body);
    request->body = NULL;
}

struct bytes request_method(const struct request *request) {
    return (struct bytes){request->head, request->method_len};
}

struct bytes request_target(const struct request *request) {
    return (struct bytes){request->head + request->target_at, request->target_len};
}

struct bytes request_header_name(const struct request *request, unsigned at) {
    assert(at < request->header_count);
    const struct header *header = &request->headers[at];
    return (struct bytes){request->head + header->name_at, header->name_len};
}

struct bytes request_header_value(const struct request *request, unsigned at) {
    assert(at < request->header_count);
    const struct header *header = &request->headers[at];
    return (struct bytes){request->head + header->value_at, header->value_len};
}

bool request_known(const struct request *request, enum header_known known,
                   struct bytes *ret_value) {
    if (request->known[known] == 0) {
        return false;
    }
    *ret_value = request_header_value(request, request->known[known] - 1U);
    return true;
}

bool request_find_header(const struct request *request, struct bytes lower_name,
                         struct bytes *ret_value) {
    for (unsigned i = 0; i < request->header_count; i++) {
        struct bytes name = request_header_name(request, i);
        if (bytes_equal(name, lower_name)) {
            *ret_value = request_header_value(request, i);
            return true;
        }
    }
    return false;
}
