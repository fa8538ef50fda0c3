/* command_memory.c: drover memory ls, show, rm: what agents remember. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"

static const struct flag ls_flags[] = {
    OPTION_TEXT("project", 'p', "NAME", "List memories of this project, and general ones."),
    OPTION_TEXT("topic", 't', "NAME", "List memories of this topic."),
    LISTING_SINCE("created or changed"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static const struct column columns[] = {
    ID_COLUMN("MEMORY", "id"),
    COLUMN("DAY", -10, "day", COLUMN_TEXT),
    COLUMN("PROJECT", -12, "project", COLUMN_OPTIONAL),
    COLUMN("TOPIC", -16, "topic", COLUMN_TEXT),
    COLUMN("TITLE", 0, "title", COLUMN_TEXT),
    COLUMN_END,
};

const struct command command_memory_ls = {
    COMMAND("memory", "ls", "[WORDS]", "List what agents remember, or search it for words."),
    HELP(SESSIONS, "drover memory ls\n"
                   "drover memory ls \"release branch\"\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/memory", .search = "q", .unknown = "the words to look for are too long",
           .columns = columns,
           .empty = "Nothing is remembered. Models add memories in chats with the tool remember."),
};

static void memory_print(const json_t *row) {
    const char *project = talk_text(row, "project");
    printf("%-9s %s\n%-9s %s\n%-9s %s\n%-9s %s\n", "memory", talk_text(row, "id"), "about",
           project[0] == '\0' ? "everything" : project, "topic", talk_text(row, "topic"), "day",
           talk_text(row, "day"));
    printf("%-9s ", "tags");
    talk_print(json_object_get(row, "tags"));
    printf("%-9s %s\n\n%s\n", "title", talk_text(row, "title"), talk_text(row, "content"));
}

const struct command command_memory_show = {
    COMMAND("memory", "show", "MEMORY", "Show a memory."),
    HELP(SESSIONS, "drover memory show last\n"),
    ACTION("GET /api/v1/memory/{}", .print = memory_print),
};

const struct command command_memory_rm = {
    COMMAND("memory", "rm", "MEMORY…", "Delete a memory."),
    HELP(SESSIONS, "drover memory rm last\n"),
    ACTION("DELETE /api/v1/memory/{}", .done = "{id} is forgotten"),
};
