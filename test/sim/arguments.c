/* arguments.c: arguments of tool calls, as models write them: well, and badly. */
#include <string.h>

#include "provider.h"

enum { DEEP = 3000, LARGE_BYTES = 80 << 10, FILES = 5 };

struct writer {
    const struct servers *servers;
    uint64_t key;
    struct text *text;
};

static unsigned number(const struct writer *writer, const char *purpose, unsigned below) {
    return (unsigned)(servers_choose(writer->servers, writer->key, purpose) % below);
}

static void path_write(const struct writer *writer) {
    static const char *const odd[] = {"../outside", "/etc/passwd", "a/../../b", "no/such/file",
                                      ".git/config"};
    unsigned pick = number(writer, "path", 16);
    if (pick < COUNT_OF(odd)) {
        text_addf(writer->text, "\"path\":\"%s\"", odd[pick]);
    } else {
        text_addf(writer->text, "\"path\":\"file%u.txt\"", pick % FILES);
    }
}

static void content_write(const struct writer *writer) {
    unsigned lines = number(writer, "lines", 20);
    text_add_str(writer->text, ",\"content\":\"");
    for (unsigned i = 0; i < lines; i++) {
        text_addf(writer->text, "line %u\\n", i);
    }
    text_add_char(writer->text, '"');
}

static void file_write(const struct writer *writer, const char *tool) {
    path_write(writer);
    if (strcmp(tool, "write_file") == 0) {
        content_write(writer);
    } else if (strcmp(tool, "edit_file") == 0) {
        text_addf(writer->text, ",\"old_text\":\"line %u\",\"new_text\":\"line new\"",
                  number(writer, "old", 4));
    }
}

static void command_write(const struct writer *writer) {
    static const char *const commands[] = {"work", "fail", "sleep", "flood", "no-such-program"};
    text_addf(writer->text, "\"command\":\"%s\",\"args\":[\"op#%u.\",\"%u\"]",
              commands[number(writer, "command", COUNT_OF(commands))],
              servers_call_marker(writer->servers, writer->key), number(writer, "argument", 50));
    if (number(writer, "timeout?", 4) == 0) {
        text_addf(writer->text, ",\"timeout_ms\":%u", 1 + number(writer, "timeout", 5000));
    }
}

static void memory_write(const struct writer *writer) {
    text_addf(writer->text,
              "\"action\":\"create\",\"topic\":\"t%u\",\"title\":\"title %u\",\"content\":"
              "\"remembered words %u\"",
              number(writer, "topic", 3), number(writer, "title", 9), number(writer, "fact", 99));
}

static const struct {
    const char *tool;
    const char *members; /* All of them. */
} plain[] = {
    {"list_files", ""},
    {"search_files", "\"pattern\":\"line\""},
    {"recall", "\"query\":\"words\""},
    {"ask_user", "\"question\":\"Which one?\",\"options\":[\"this\",\"that\"]"},
    {"request_access", "\"path\":\"/srv\",\"access\":\"read\",\"reason\":\"to look\""},
    {"read_session", "\"session\":\"ses_0000000000000000000000000\""},
    {"subagent_status", "\"id\":\"run_0000000000000000000000000\""},
    {"subagent_result", "\"id\":\"run_0000000000000000000000000\""},
    {"subagent_cancel", "\"id\":\"run_0000000000000000000000000\""},
    {"load_skill", "\"name\":\"none\""},
};

static void other_write(const struct writer *writer, const char *tool) {
    unsigned marker = servers_call_marker(writer->servers, writer->key);
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        if (strcmp(plain[i].tool, tool) == 0) {
            text_add_str(writer->text, plain[i].members);
            return;
        }
    }
    if (strcmp(tool, "spawn_subagent") == 0) {
        text_addf(writer->text, "\"input\":\"A task of op#%u.\"", marker);
    } else if (strcmp(tool, "web_fetch") == 0) {
        text_addf(writer->text, "\"url\":\"https://page.test/op#%u.\"", marker);
    } else {
        text_add_str(writer->text, "\"real\":0.30000000000000004,\"nul\":\"a\\u0000b\"");
    }
}

void arguments_write(const struct servers *servers, uint64_t key, const char *tool,
                     struct text *text) {
    const struct writer writer = {servers, key, text};
    text_add_char(text, '{');
    if (strstr(tool, "_file") != NULL && strstr(tool, "_files") == NULL) {
        file_write(&writer, tool);
    } else if (strcmp(tool, "run_command") == 0 || strcmp(tool, "run_job") == 0) {
        command_write(&writer);
    } else if (strcmp(tool, "remember") == 0) {
        memory_write(&writer);
    } else {
        other_write(&writer, tool);
    }
    text_add_char(text, '}');
}

/* What models really send: each of these has been seen, or is one token away from it. */
static const char *const broken[] = {
    "{\"path\": \"a",
    "{path: \"a\"}",
    "{'path': 'a'}",
    "{\"path\": \"a\nb\x01\"}",
    "{\"path\": \"a\", \"path\": \"b\"}",
    "{\"line\": 123456789012345678901234567890}",
    "{\"line\": 1e999}",
    "{\"line\": -0.30000000000000004}",
    "[1, 2, 3]",
    "\"text\"",
    "null",
    "17",
    "",
    " ",
    "{}",
    "{\"path\": \"a\"} and that is all",
    "```json\n{\"path\": \"a\"}\n```",
    "{\"path\": \"\\ud800\"}",
    "{\"path\": \"\\u0000\"}",
    "{\"path\": NaN}",
    "{\"path\": \"a\",}",
    "{\"path\": \"a\"}{\"path\": \"b\"}",
    "{\"path\"",
};

static void deep_write(struct text *text, char open) {
    text_add_str(text, "{\"path\": ");
    for (unsigned i = 0; i < DEEP; i++) {
        text_add_char(text, open);
    }
}

void arguments_break(const struct servers *servers, uint64_t key, struct text *text) {
    uint64_t pick = servers_choose(servers, key, "break");
    size_t which = pick % (COUNT_OF(broken) + 3);
    if (which < COUNT_OF(broken)) {
        text_add_str(text, broken[which]);
    } else if (which == COUNT_OF(broken)) {
        deep_write(text, '[');
    } else if (which == COUNT_OF(broken) + 1) {
        text_add_str(text, "{\"path\": \"");
        for (unsigned i = 0; i < LARGE_BYTES; i++) {
            text_add_char(text, (char)('a' + i % 26));
        }
        text_add_str(text, (pick >> 16) % 2 == 0 ? "\"}" : "");
    } else {
        text_add_str(text, "{\"path\": ");
        for (unsigned i = 0; i < DEEP; i++) {
            text_add_str(text, "[");
        }
        for (unsigned i = 0; i < DEEP; i++) {
            text_add_str(text, "]");
        }
        text_add_char(text, '}');
    }
}
