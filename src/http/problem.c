#include "http/problem.h"

#include <string.h>

const char problem_schema[] =
    "{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"code\"],"
    "\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
    "\"code\":{\"type\":\"string\"},\"run\":{\"type\":\"string\"}}}";

void problem_write(struct text *text, struct err err, const struct why *why, const char *run) {
    const char *code = err_name(err.code);
    const char *title = err_title(err.code);
    text_add_str(text, "{\"type\":\"urn:drover:problem:");
    text_add_str(text, code);
    text_add_str(text, "\",\"title\":");
    text_add_json(text, title, strlen(title));
    text_add_str(text, ",\"status\":");
    text_add_int(text, err_http_status(err.code));
    if (why != NULL && why->text[0] != '\0') {
        text_add_str(text, ",\"detail\":");
        text_add_json(text, why->text, strlen(why->text));
    }
    if (run[0] != '\0') {
        text_add_str(text, ",\"run\":");
        text_add_json(text, run, strlen(run));
    }
    text_add_str(text, ",\"code\":\"");
    text_add_str(text, code);
    text_add_str(text, "\"}");
}
