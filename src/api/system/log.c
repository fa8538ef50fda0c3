/* log.c: GET /api/v1/system/log: the end of the daemon's log, where that is a file of the data
 * directory. Where its stderr goes elsewhere (a terminal, the journal), an older file of that name
 * would only mislead, so none is shown. */
#include <string.h>

#include "api/system/system.h"
#include "base/memory.h"
#include "store/datadir.h"
#include "store/log_file.h"

enum { LINES_MAX = 1000, LINES_DEFAULT = 200 };

static void log_lines_add(struct bytes end, struct text *text) {
    text_add_name(text, "lines");
    text_add_char(text, '[');
    for (size_t at = 0; at < end.len;) {
        const char *line = end.data + at, *stop = memchr(line, '\n', end.len - at);
        const size_t len = stop == NULL ? end.len - at : (size_t)(stop - line);
        text_add_str(text, at > 0 ? "," : "");
        text_add_json(text, line, len);
        at += len + 1;
    }
    text_add_char(text, ']');
}

static struct err log_pool(void *ctx) {
    struct request *request = ctx;
    const struct system_info *info = request->api;
    AUTO(mem_release) char *path = datadir_path(info->data, LOG_FILE);
    AUTO(text_done) struct text end = text_up_to(4 * LOG_FILE_END_MAX);
    struct text *answer = &request->op.answer;
    struct stat about;
    const bool ours = log_file_is_output(path, &about);
    struct err err = ERR_OK;
    if (ours) {
        err = log_file_end(info->data, (size_t)param_number(request->op.exchange, "lines"), &end);
    }
    text_add_char(answer, '{');
    text_add_member_or_null(answer, "file", bytes_of(ours ? path : ""));
    log_lines_add(text_bytes(&end), answer);
    text_add_char(answer, '}');
    return err_failed(err) ? err : op_written(&request->op);
}

static const struct request_kind log_end = {.pool = log_pool};

static const struct query_param log_query[] = {
    {QUERY("lines", QUERY_INT, "Lines at most."), .min = 1, .max = LINES_MAX,
     .absent = LINES_DEFAULT},
    {.name = NULL},
};

static const char log_answer[] =
    "{\"type\":\"object\",\"required\":[\"file\",\"lines\"],\"properties\":{\"file\":" TEXT_OR_NULL
    ",\"lines\":{\"type\":\"array\",\"items\":" TEXT_SCHEMA "}}}";

const struct route log_routes[] = {
    {ROUTE("GET", "/api/v1/system/log", SCOPE_ADMIN, "The last lines of the daemon's log"),
     .query = log_query, .answer_schema = log_answer, .request = &log_end},
    {.method = NULL},
};
