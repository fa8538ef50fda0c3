/* given.c: members of a task that are more than the value of one flag. */
#include "cli/board/given.h"

#include <string.h>
#include <time.h>

#include "base/utf8.h"
#include "cli/base/flags.h"
#include "cli/base/quantity.h"
#include "cli/board/task.h"

static const struct args *args_of(const void *talk) {
    return &((const struct talk *)talk)->invocation->args;
}

/* --- Texts and times -------------------------------------------------------------------------- */

static struct err title_add(const void *ctx, struct text *body, struct why *why) {
    const char *title = args_text(args_of(ctx), "title");
    if (title == NULL) {
        return ERR_OK;
    }
    text_add_name(body, "title");
    return flags_text_add(body, title, "--title", why);
}

static struct err description_add(const void *ctx, struct text *body, struct why *why) {
    const char *given = args_text(args_of(ctx), "description");
    AUTO(text_done) struct text input = text_up_to(TASK_BODY_MAX);
    if (given == NULL) {
        return ERR_OK;
    }
    text_add_name(body, "description");
    if (strcmp(given, "-") != 0) {
        return flags_text_add(body, given, "--description", why);
    }
    const struct err err = task_input_read(ctx, &input);
    text_add_json(body, text_bytes(&input).data, input.len);
    return err;
}

/* "2026-01-31", "2026-01-31T08:00" or "2026-01-31T08:00:00", each also with "Z". */
static bool time_read(const char *given, int64_t *ret_ms) {
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        struct tm parts = {.tm_year = 0};
        const char *end = strptime(given, forms[i], &parts);
        if (end != NULL && (*end == '\0' || strcmp(end, "Z") == 0)) {
            const int64_t at = (int64_t)timegm(&parts) * 1000;
            *ret_ms = at;
            return at > 0;
        }
    }
    return false;
}

static struct err not_before_add(const void *ctx, struct text *body, struct why *why) {
    const struct talk *talk = ctx;
    const char *given = args_text(args_of(ctx), "not-before");
    const struct number_bounds bounds = {0, FLAG_AGE_MAX};
    int64_t ms = 0;
    if (given == NULL) {
        return ERR_OK;
    }
    if (quantity_duration(bytes_of(given), bounds, &ms)) {
        ms = ms > 0 ? world_wall_ms(talk->world) + ms : 0;
    } else if (!time_read(given, &ms)) {
        return err_why(why, ERR_USAGE,
                       "--not-before: '%.60s' is neither a time from now, as 30m, 2h or 7d, nor "
                       "one in UTC, as 2026-01-31 or 2026-01-31T08:00",
                       given);
    }
    text_add_member_int(body, "not_before_ms", ms);
    return ERR_OK;
}

static struct err archived_add(const void *ctx, struct text *body, struct why *why) {
    (void)why; /* Any value will do. */
    if (args_has(args_of(ctx), "archive") && args_given(args_of(ctx), "archive")) {
        text_add_member_bool(body, "archived", args_on(args_of(ctx), "archive"));
    }
    return ERR_OK;
}

/* --- Lists ------------------------------------------------------------------------------------ */

static struct err after_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = args_of(ctx);
    const char *given = NULL, *comma = "";
    unsigned cursor = 0;
    struct err err = ERR_OK;
    if (!args_given(args, "after")) {
        return ERR_OK;
    }
    text_add_name(body, "depends_on");
    text_add_char(body, '[');
    while ((given = args_next(args, "after", &cursor)) != NULL && !err_failed(err)) {
        struct bytes rest = bytes_of(given), word;
        err = flags_text_check(given, "--after", why);
        while (bytes_next(&rest, ',', &word)) {
            word = bytes_trim(word, " ");
            if (word.len > 0) {
                text_add_str(body, comma);
                text_add_json(body, word.data, word.len);
                comma = ",";
            }
        }
    }
    text_add_char(body, ']');
    return err;
}

/* Flags of must-haves, and the member of each that is an object. */
static const struct {
    const char *flag, *member;
} musts[] = {{"must", NULL},
             {"must-file", "file"},
             {"must-command", "command"},
             {"must-output", "output"},
             {"must-text", "text"},
             {"must-unchanged", "unchanged"}};

static struct err must_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = args_of(ctx);
    struct err err = ERR_OK;
    const char *comma = "";
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(musts); i++) {
        any = any || args_given(args, musts[i].flag);
    }
    if (!any) {
        return ERR_OK;
    }
    text_add_name(body, "must_haves");
    text_add_char(body, '[');
    for (size_t i = 0; i < COUNT_OF(musts); i++) {
        const char *given = NULL;
        unsigned cursor = 0;
        while ((given = args_next(args, musts[i].flag, &cursor)) != NULL && !err_failed(err)) {
            const char *member = musts[i].member;
            if (given[0] == '\0') {
                continue; /* --must "" takes all of them away. */
            }
            text_addf(body, "%s%s%s%s", comma, member != NULL ? "{\"" : "",
                      member != NULL ? member : "", member != NULL ? "\":" : "");
            err = flags_text_add(body, given, musts[i].flag, why);
            text_add_str(body, member != NULL ? "}" : "");
            comma = ",";
        }
    }
    text_add_char(body, ']');
    return err;
}

static struct err links_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = args_of(ctx);
    const char *given = NULL, *comma = "";
    unsigned cursor = 0;
    if (!args_given(args, "link")) {
        return ERR_OK;
    }
    text_add_name(body, "links");
    text_add_char(body, '[');
    while ((given = args_next(args, "link", &cursor)) != NULL) {
        const size_t len = strcspn(given, "=");
        if (given[0] == '\0') {
            continue;
        }
        if (given[len] == '\0' || !utf8_valid(given, strlen(given))) {
            return err_why(why, ERR_USAGE, "--link: '%.60s' is not KIND=TASK, as related=T-4",
                           given);
        }
        text_addf(body, "%s{\"kind\":", comma);
        text_add_json(body, given, len);
        text_add_str(body, ",\"task\":");
        text_add_json(body, given + len + 1, strlen(given + len + 1));
        text_add_char(body, '}');
        comma = ",";
    }
    text_add_char(body, ']');
    return ERR_OK;
}

/* --- The body --------------------------------------------------------------------------------- */

#define COMMON_PARTS                                                                               \
    {"description", description_add}, {"depends_on", after_add}, {"must_haves", must_add},         \
        {"links", links_add}, {"not_before_ms", not_before_add}, {                                 \
        .name = NULL                                                                               \
    }

static const struct flags_part added_parts[] = {COMMON_PARTS};
static const struct flags_part edited_parts[] = {
    {"title", title_add}, {"archived", archived_add}, COMMON_PARTS};

struct err task_body_write(const struct talk *talk, enum task_given what, struct text *body) {
    const bool added = what == TASK_ADDED;
    const struct flags_body given = {.args = &talk->invocation->args,
                                     .fields = &task_resource.fields,
                                     .use = added ? FIELD_GIVEN : FIELD_CHANGED,
                                     .operand = added ? "title" : NULL,
                                     .parts = added ? added_parts : edited_parts,
                                     .ctx = talk};
    return flags_body_write(&given, body, &talk->invocation->why);
}
