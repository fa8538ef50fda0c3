/* resource.c: looking up the fields of a resource. */
#include "base/resource/resource.h"

#include <string.h>

#include "base/id.h"

const struct field *resource_field(const struct resource *resource, const char *name) {
    for (size_t i = 0; i < resource->fields.count; i++) {
        if (strcmp(resource->fields.rows[i].name, name) == 0) {
            return &resource->fields.rows[i];
        }
    }
    return NULL;
}

const struct field *resource_column(const struct resource *resource, const char *column) {
    for (size_t i = 0; i < resource->fields.count; i++) {
        const struct field *field = &resource->fields.rows[i];
        if (field->column != NULL && strcmp(field->column, column) == 0) {
            return field;
        }
    }
    return NULL;
}

struct bytes resource_text(const struct resource *resource, const char *name, const void *row) {
    const struct field *field = resource_field(resource, name);
    const void *at = (const char *)row + (field != NULL ? field->at : 0);
    if (field == NULL) {
        return BYTES("");
    }
    return field->kind == FIELD_ID ? bytes_of(((const struct id *)at)->text)
                                   : *(const struct bytes *)at;
}

bool resource_names(const struct resource *resource, struct bytes name) {
    return resource->prefix != NULL ? id_valid(name.data, name.len, resource->prefix)
                                    : resource->valid(name);
}
