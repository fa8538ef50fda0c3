/* command_changes.c: drover changes: which files agents changed, and whose changes they are. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"
#include "cli/base/table.h"
#include "cli/changes/scope.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"

enum { PATH_CELLS_MAX = 60, BY_CELLS_MAX = 24, VALUE_MAX = 16 << 10, LEFT_OUT_SHOWN = 10 };

/* --- Columns ---------------------------------------------------------------------------------- */

/* "old → new"; modes where they differ. */
static void path_add(const json_t *file, struct text *value) {
    const char *old = talk_text(file, "old_path"), *operation = talk_text(file, "operation");
    const char *before = talk_text(file, "mode_before"), *after = talk_text(file, "mode_after");
    if (old[0] != '\0') {
        plain_add(value, old);
        text_add_str(value, " → ");
    }
    plain_add(value, talk_text(file, "path"));
    if (strcmp(operation, "create") != 0 && strcmp(operation, "delete") != 0 && before[0] != '\0' &&
        after[0] != '\0' && strcmp(before, after) != 0) {
        text_addf(value, " (%.6s → %.6s)", before, after);
    }
}

static void count_add(const json_t *file, const char *sign, const char *member,
                      struct text *value) {
    if (json_is_true(json_object_get(file, "binary"))) {
        text_add_char(value, '-');
    } else {
        text_addf(value, "%s%lld", sign, (long long)talk_int(file, member));
    }
}

static void added_add(const json_t *file, struct text *value) {
    count_add(file, "+", "added", value);
}

static void removed_add(const json_t *file, struct text *value) {
    count_add(file, "−", "removed", value);
}

/* Names of all who may have written it, then whether that is not exact. */
static void by_add(const json_t *file, struct text *value) {
    const json_t *by = json_object_get(file, "by"), *author = NULL;
    const char *status = talk_text(file, "status");
    size_t at = 0;
    json_array_foreach(by, at, author) {
        text_add_str(value, at > 0 ? ", " : "");
        const char *name = talk_text(author, "name");
        plain_add(value, name[0] != '\0' ? name : talk_text(author, "run"));
    }
    if (strcmp(status, "unknown") == 0) {
        text_add_str(value, value->len > 0 ? ", unknown" : "unknown");
    } else if (strcmp(status, "shared") == 0) {
        text_add_str(value, " (shared)");
    }
}

static int column_width(const json_t *files, void (*add)(const json_t *file, struct text *value),
                        int least, int most) {
    int width = least;
    for (size_t i = 0; i < json_array_size(files) && width < most; i++) {
        AUTO(text_done) struct text value = text_up_to(VALUE_MAX);
        add(json_array_get(files, i), &value);
        const int cells = cells_of(text_bytes(&value));
        width = cells > width ? cells : width;
    }
    return width < most ? width : most;
}

/* --- The list --------------------------------------------------------------------------------- */

/* Sentence about a reason of the API; a newer daemon may have others. */
static const char *left_out_reason(const char *why) {
    static const char *const words[][2] = {
        {"size", "larger than 4 MB"},
        {"secret", "may hold a secret, so its content is not stored"},
        {"nested", "a repository of its own"},
        {"unreadable", "cannot be read"},
        {"changing", "was written while it was read"},
        {"special", "a socket, pipe or device"},
    };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i][0], why) == 0) {
            return words[i][1];
        }
    }
    return why;
}

static void left_out_print(const json_t *list, bool all) {
    const json_t *left_out = json_object_get(list, "left_out"), *row = NULL;
    const size_t count = json_array_size(left_out);
    size_t at = 0;
    json_array_foreach(left_out, at, row) {
        AUTO(text_done) struct text line = {0};
        if (at == LEFT_OUT_SHOWN && !all && count > LEFT_OUT_SHOWN + 1) {
            plain_note("drover: %zu more paths are left out; --all names them\n", count - at);
            return;
        }
        plain_line(&line, talk_text(row, "path"));
        text_add_str(&line, ": ");
        plain_add(&line, left_out_reason(talk_text(row, "why")));
        plain_note("drover: left out: %s\n", text_bytes(&line).data);
    }
}

/* Sums of what is printed, where that is not all: the totals count viewed files, too. */
struct sums {
    int64_t files, added, removed;
};
static struct sums sums_of(const json_t *list, bool unviewed) {
    const json_t *files = json_object_get(list, "files"), *file = NULL;
    const json_t *totals = json_object_get(list, "totals");
    struct sums sums = {talk_int(totals, "files"), talk_int(totals, "added"),
                        talk_int(totals, "removed")};
    size_t at = 0;
    if (!unviewed) {
        return sums;
    }
    sums = (struct sums){.files = (int64_t)json_array_size(files)};
    json_array_foreach(files, at, file) {
        sums.added += talk_int(file, "added");
        sums.removed += talk_int(file, "removed");
    }
    return sums;
}

static void list_print(const struct invocation *invocation, const json_t *list) {
    const json_t *files = json_object_get(list, "files");
    const bool unviewed = args_given(&invocation->args, "since");
    const bool more = talk_text(list, "next")[0] != '\0';
    const struct sums sums = sums_of(list, unviewed);
    const struct column columns[] = {
        COLUMN("OP", -6, "operation", COLUMN_TEXT),
        COLUMN_ADD("PATH", -column_width(files, path_add, 4, PATH_CELLS_MAX), path_add),
        COLUMN_ADD("ADDED", 7, added_add),
        COLUMN_ADD("REMOVED", 7, removed_add),
        COLUMN_ADD("BY", -column_width(files, by_add, 2, BY_CELLS_MAX), by_add),
        COLUMN("VIEWED", 0, "viewed", COLUMN_TEXT),
        COLUMN_END,
    };
    if (json_array_size(files) > 0) {
        table_print(invocation, columns, files, NULL /* there are rows */);
    }
    if (json_is_object(json_object_get(list, "world"))) {
        printf("%lld file%s%s, +%lld −%lld\n", (long long)sums.files, plural(sums.files),
               unviewed ? " not viewed" : "", (long long)sums.added, (long long)sums.removed);
    }
    left_out_print(list, args_on(&invocation->args, "all"));
    if (more) {
        plain_note("drover: these are the first %zu files; --all prints the others, too\n",
                   json_array_size(files));
    }
}

static struct err changes_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    AUTO(changes_scope_done) struct changes_scope scope = {0};
    AUTO(json_release) json_t *list = NULL;
    TRY(changes_scope_find(talk, args->operand_count > 0 ? args->operands[0] : NULL, &scope));
    const struct changes_wish wish = {.all = invocation->json || args_on(args, "all")};
    TRY(changes_list(talk, &scope, &wish, &list));
    if (invocation->json) {
        talk_print(list);
        return ERR_OK;
    }
    TRY(changes_state_print(invocation, list));
    list_print(invocation, list);
    return ERR_OK;
}

static const struct flag changes_flags[] = {
    CHANGES_BASE_FLAG,
    OPTION_TEXT("since", 0, "viewed", "Leave out files that were viewed as they are now.",
                .choices = "viewed"),
    OPTION_SWITCH("all", 'a', "Print all files, not only the first 500."),
    OPTION_END,
};

const struct command command_changes = {
    COMMAND(NULL, "changes", "[SESSION|RUN]", "List files that agents changed, and who did it."),
    HELP(RUNS, "drover changes\n"
               "drover changes last --base turn:2\n"
               "drover changes \"Release notes\" --since viewed\n"),
    .flags = changes_flags,
    .about = CHANGES_WHOSE_ABOUT
    "BY names all who may have written a file: 'shared' where calls of several were\n"
    "open at once, 'unknown' where none was. VIEWED is 'changed' where the file is\n"
    "not what was viewed any more. --json prints all files.\n",
    .converse = changes_run,
};
