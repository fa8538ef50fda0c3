/* notify_command.c: see notify_command.h. */
#include "main/notify_command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/process/spawn.h"
#include "base/process/variables.h"

enum { WORDS_MAX = 32, SHELL_WORDS = 4, VARIABLES_MAX = 64, WORD_SIZE = 8 << 10 };

struct command_line {
    char *words[WORDS_MAX + 1], *variables[VARIABLES_MAX + 1]; /* Owned; NULL ends them. */
};

static void command_line_done(struct command_line *line) {
    for (size_t i = 0; i < WORDS_MAX; i++) {
        mem_free(line->words[i]);
    }
    for (size_t i = 0; i < VARIABLES_MAX; i++) {
        mem_free(line->variables[i]);
    }
}

/* Texts of a notification, by the names that the words and the environment of the command have for
 * them. */
enum { FILLINGS = 5 };
struct fillings {
    struct {
        const char *placeholder, *variable;
        struct bytes value;
    } rows[FILLINGS];
};

static struct fillings fillings_of(const struct notification *notification) {
    return (struct fillings){
        {{"{event}", "DROVER_EVENT", bytes_of(notice_event_names[notification->event])},
         {"{run}", "DROVER_RUN", bytes_of(notification->run.text)},
         {"{title}", "DROVER_TITLE", text_bytes(&notification->title)},
         {"{text}", "DROVER_TEXT", text_bytes(&notification->text)},
         {"{link}", "DROVER_LINK", text_bytes(&notification->link)}}};
}

/* Values are not searched for placeholders. */
static char *word_fill(const struct fillings *fillings, const char *word) {
    AUTO(text_done) struct text filled = text_up_to(WORD_SIZE);
    while (*word != '\0') {
        size_t at = 0;
        while (at < FILLINGS && strncmp(word, fillings->rows[at].placeholder,
                                        strlen(fillings->rows[at].placeholder)) != 0) {
            at++;
        }
        if (at < FILLINGS) {
            text_add(&filled, fillings->rows[at].value.data, fillings->rows[at].value.len);
            word += strlen(fillings->rows[at].placeholder);
        } else {
            text_add_char(&filled, *word++);
        }
    }
    return mem_copy(text_bytes(&filled).data, text_failed(&filled) ? 0 : filled.len);
}

static void variables_fill(const struct fillings *fillings, struct command_line *line) {
    size_t count = 0;
    for (size_t i = 0; i < FILLINGS; i++) {
        AUTO(text_done) struct text variable = text_up_to(WORD_SIZE);
        text_addf(&variable, "%s=", fillings->rows[i].variable);
        text_add(&variable, fillings->rows[i].value.data, fillings->rows[i].value.len);
        line->variables[count++] =
            mem_copy(variable.data, text_failed(&variable) ? 0 : variable.len);
    }
    for (size_t i = 0; environ[i] != NULL && count < VARIABLES_MAX; i++) {
        if (variable_is_for(environ[i], VARIABLE_NOTIFY)) {
            line->variables[count++] = mem_copy(environ[i], strlen(environ[i]));
        }
    }
}

struct err notify_command_start(struct bytes setting, const struct notification *notification,
                                unsigned umask, int *ret_pid) {
    const struct fillings fillings = fillings_of(notification);
    AUTO(command_line_done) struct command_line line = {.words = {NULL}};
    AUTO(json_release) json_t *argv = NULL;
    struct err err = json_parse_wrapped(setting, &argv, NULL /* no why */);
    size_t count = json_array_size(argv);
    if (err_failed(err) || count == 0 || count > WORDS_MAX) {
        return err_failed(err) ? err : err_make(ERR_CONFIG, "notify: words");
    }
    for (size_t i = 0; i < count; i++) {
        line.words[i] = word_fill(&fillings, json_string_value(json_array_get(argv, i)));
    }
    variables_fill(&fillings, &line);
    char set
        [40]; /* A child cannot be spawned with another umask, and ours is that of all threads. */
    (void)snprintf(set, sizeof set, "umask %04o; exec \"$@\"", umask & 0777); /* Fits. */
    const char *argv_of_shell[SHELL_WORDS + WORDS_MAX + 1] = {"/bin/sh", "-c", set, "sh"};
    memcpy(argv_of_shell + SHELL_WORDS, line.words, sizeof line.words);
    const char *const *words = umask == 0 ? argv_of_shell + SHELL_WORDS : argv_of_shell;
    const struct spawn process = {.program = words[0],
                                  .argv = words,
                                  .environment = (const char *const *)line.variables,
                                  .folder = "/",
                                  .fds = {SPAWN_NULL, SPAWN_NULL, SPAWN_NULL},
                                  .fd_count = 3,
                                  .session = SPAWN_SESSION};
    return spawn(&process, ret_pid);
}
