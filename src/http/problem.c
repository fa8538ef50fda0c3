#include "http/problem.h"

const char problem_schema[] =
    "{\"type\":\"object\",\"required\":[\"type\",\"title\",\"status\",\"code\"],"
    "\"properties\":{\"type\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},"
    "\"status\":{\"type\":\"integer\"},\"detail\":{\"type\":\"string\"},"
    "\"code\":{\"type\":\"string\"},\"run\":{\"type\":\"string\"}}}";

void problem_write(struct text *text, struct err err, const struct why *why, const char *run) {
    text_addf(text, "{\"type\":\"urn:drover:problem:%s\"", err_name(err.code));
    text_add_member(text, "title", bytes_of(err_title(err.code)));
    text_add_member_int(text, "status", err_http_status(err.code));
    if (why != NULL && why->text[0] != '\0') {
        text_add_member(text, "detail", bytes_of(why->text));
    }
    if (run[0] != '\0') {
        text_add_member(text, "run", bytes_of(run));
    }
    text_add_member(text, "code", bytes_of(err_name(err.code)));
    text_add_char(text, '}');
}
