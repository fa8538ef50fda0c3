/* command_memory.c: drover memory ls, show, rm: what agents remember. */
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "rules/memory/memory.h"

static const struct flag ls_flags[] = {LISTING_OF(&memory_resource.fields), OPTION_END};

const struct command command_memory_ls = {
    COMMAND("memory", "ls", "[WORDS]", "List what agents remember, or search it for words."),
    HELP(SESSIONS, "drover memory ls\n"
                   "drover memory ls \"release branch\"\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/memory", .search = "q", .unknown = "the words to look for are too long",
           .fields = &memory_resource.fields,
           .empty = "Nothing is remembered. Models add memories in chats with the tool remember."),
};

const struct command command_memory_show = {
    COMMAND("memory", "show", "MEMORY", "Show a memory."),
    HELP(SESSIONS, "drover memory show last\n"),
    ACTION("GET /api/v1/memory/{}", .fields = &memory_resource.fields),
};

const struct command command_memory_rm = {
    COMMAND("memory", "rm", "MEMORY…", "Delete a memory."),
    HELP(SESSIONS, "drover memory rm last\n"),
    ACTION("DELETE /api/v1/memory/{}", .done = "{id} is forgotten"),
};
