/* notifier.c: see notifier.h. */
#include "main/notifier.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/redact.h"
#include "base/utf8.h"
#include "engine/approval/approvals.h"

enum { WORDS_MAX = 32, VARIABLES_MAX = 64, WORD_SIZE = 8 << 10, APPROVALS_READ = 16 };

static const char *const event_names[] = {"question", "stalled", "failed", "finished"};

static bool is_on(const struct notifier *notifier) {
    return notifier->state != NOTIFIER_OFF &&
           connections_settings(notifier->on.connections)->notify_command.len > 0;
}

/* --- Events ----------------------------------------------------------------------------------- */

static void gathered(struct timer *timer);

static void notifier_wake(struct notifier *notifier) {
    if (notifier->state == NOTIFIER_IDLE) {
        notifier->state = NOTIFIER_GATHERING;
        timer_start(notifier->on.loop, &notifier->timer, NOTIFIER_GATHER_MS, gathered);
    }
}

static void event_add(struct notifier *notifier, enum notifier_event event, struct bytes run,
                      const char *text) {
    if (notifier->count == NOTIFIER_QUEUE_MAX) {
        notifier->omitted++;
    } else {
        struct notifier_item *item = &notifier->items[notifier->count++];
        *item = (struct notifier_item){.event = event};
        (void)snprintf(item->run.text, sizeof item->run.text, "%.*s", (int)run.len,
                       run.data);                                  /* An id fits. */
        (void)snprintf(item->text, sizeof item->text, "%s", text); /* Cut at worst. */
    }
    notifier_wake(notifier);
}

static bool is_failure(enum run_state state) {
    return state == RUN_FAILED || state == RUN_TIMED_OUT || state == RUN_LOST ||
           state == RUN_DEGRADED;
}

void notifier_run_note(struct notifier *notifier, struct bytes note) {
    struct run_row row;
    if (!is_on(notifier) || !run_note_read(note, &row) || !bytes_is(row.owner, "local") ||
        row.kind == KIND_TITLE) {
        return;
    }
    if (row.state == RUN_WAITING && !run_waits_for_provider(&row)) {
        notifier->questions = true;
        notifier_wake(notifier);
    } else if (is_failure(row.state) && row.cause == CAUSE_STUCK) {
        event_add(notifier, NOTIFY_STALLED, row.run, "");
    } else if (is_failure(row.state) && row.parent == 0) {
        event_add(notifier, NOTIFY_FAILED, row.run, "");
    } else if (row.state == RUN_SUCCEEDED && row.parent == 0 && row.started_ms > 0 &&
               row.ended_ms - row.started_ms >= notifier->on.after_ms) {
        event_add(notifier, NOTIFY_FINISHED, row.run, "");
    }
}

/* Work without progress has no note: it is looked for now and then. */
static void progress_check(struct timer *timer) {
    struct notifier *notifier = CONTAINER_OF(timer, struct notifier, look_timer);
    struct why why = {.text = ""};
    const bool stuck = notifier->on.stuck(notifier->on.ctx, &why);
    const int64_t stalled = notifier->on.stalled(notifier->on.ctx);
    if (is_on(notifier) && stuck && !notifier->was_stuck) {
        event_add(notifier, NOTIFY_STALLED, BYTES(""), why.text);
    }
    if (is_on(notifier) && stalled > notifier->was_stalled) {
        event_add(notifier, NOTIFY_STALLED, BYTES(""),
                  "a notice could not be delivered 20 times: drover inbox ls --state stalled");
    }
    notifier->was_stuck = stuck;
    notifier->was_stalled = stalled;
    timer_start(notifier->on.loop, timer, NOTIFIER_LOOK_MS, progress_check);
}

/* --- Texts ------------------------------------------------------------------------------------ */

/* On one line: what is shown on a desktop, and passes through other programs. */
static void words_add(struct text *into, struct bytes words) {
    AUTO(text_done) struct text clean = text_up_to(NOTIFIER_TEXT_MAX * 16);
    words.len = words.len < NOTIFIER_TEXT_MAX ? words.len : NOTIFIER_TEXT_MAX;
    redact_add(&clean, words, NULL /* none is known */);
    if (!text_failed(&clean) && clean.len > 0) {
        for (size_t i = 0; i < clean.len; i++) {
            clean.data[i] = strchr("\n\r\t", clean.data[i]) != NULL ? ' ' : clean.data[i];
        }
        utf8_make_plain(clean.data, clean.len);
        text_add(into, clean.data, clean.len);
    }
}

/* The most important event gives the title; each has its part of the text. */
static void part_add(struct notifier *notifier, enum notifier_event event, struct bytes run,
                     struct bytes title) {
    if (notifier->told.said++ == 0) {
        notifier->told.event = event;
        (void)snprintf(notifier->told.run.text, sizeof notifier->told.run.text, "%.*s",
                       (int)run.len, run.data); /* An id fits. */
        words_add(&notifier->told.title, title);
    } else {
        text_add_str(&notifier->told.text, "; ");
        words_add(&notifier->told.text, title);
        text_add_str(&notifier->told.text, ": ");
    }
}

static struct err approval_add(void *ctx, const struct approval_row *row) {
    struct notifier *notifier = ctx;
    AUTO(json_release) json_t *arguments = NULL;
    if (row->id <= notifier->asked_last) {
        return ERR_OK;
    }
    notifier->told.asked_last =
        row->id > notifier->told.asked_last ? row->id : notifier->told.asked_last;
    const bool question = bytes_is(row->kind, "answer");
    part_add(notifier, NOTIFY_QUESTION, row->run,
             question ? BYTES("drover has a question") : BYTES("drover asks for permission"));
    struct err err = json_parse_wrapped(row->arguments, &arguments, NULL /* no why */);
    const char *text = err_failed(err) ? "" : json_str(arguments, "question", NULL);
    if (text == NULL || !question) {
        words_add(&notifier->told.text, row->tool);
        text_add_str(&notifier->told.text, " ");
        words_add(&notifier->told.text, row->arguments);
    } else {
        words_add(&notifier->told.text, bytes_of(text));
    }
    return ERR_OK;
}

static struct err item_add(struct tx *tx, struct notifier *notifier,
                           const struct notifier_item *item) {
    static const char *const titles[] = {"", "drover is stalled", "failed", "finished"};
    bool found = false;
    struct run_row row = {.attempt = 0};
    AUTO(text_done) struct text title = text_up_to(NOTIFIER_TEXT_MAX);
    const struct run_key key = {.owner = BYTES("local"), .run = bytes_of(item->run.text)};
    struct err err = item->run.text[0] == '\0' ? ERR_OK : tx_run_find_shown(tx, &key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (found) {
        const struct bytes name = row.label.len > 0 ? row.label : row.command;
        text_addf(&title, "%s %s: %.*s", run_kind_name(row.kind), titles[item->event],
                  name.len > 200 ? 200 : (int)name.len, name.len > 0 ? name.data : "");
    } else {
        text_add_str(&title, titles[item->event]);
    }
    part_add(notifier, item->event, key.run, text_bytes(&title));
    words_add(&notifier->told.text, bytes_of(item->text));
    if (found && row.cause != CAUSE_NONE) {
        words_add(&notifier->told.text, bytes_of(run_cause_about(row.cause)));
        text_add_str(&notifier->told.text, row.note.len > 0 ? ": " : "");
        words_add(&notifier->told.text, row.note);
    }
    return ERR_OK;
}

static struct err told_read(struct tx *tx, void *ctx) {
    struct notifier *notifier = ctx;
    struct err err = ERR_OK;
    text_clear(&notifier->told.title);
    text_clear(&notifier->told.text);
    notifier->told.said = 0;
    notifier->told.asked_last = notifier->asked_last;
    if (notifier->told.questions) {
        const struct approval_page page = {.owner = BYTES("local"), .limit = APPROVALS_READ};
        err = tx_approval_each(tx, &page, approval_add, notifier);
    }
    for (enum notifier_event event = NOTIFY_STALLED; event <= NOTIFY_FINISHED; event++) {
        for (size_t i = 0; i < notifier->told.count && !err_failed(err); i++) {
            const struct notifier_item *item = &notifier->told.items[i];
            err = item->event == event ? item_add(tx, notifier, item) : ERR_OK;
        }
    }
    if (notifier->told.omitted > 0) {
        text_addf(&notifier->told.text, "; and %zu more", notifier->told.omitted);
    }
    return err;
}

/* --- The command ------------------------------------------------------------------------------ */

static void rest_over(struct timer *timer) {
    struct notifier *notifier = CONTAINER_OF(timer, struct notifier, timer);
    notifier->state = NOTIFIER_IDLE;
    if (notifier->count > 0 || notifier->questions) {
        notifier_wake(notifier);
    }
}

static void notifier_rest(struct notifier *notifier, struct err err, const char *what) {
    const uint64_t now_ns = world_mono_ns(loop_world(notifier->on.loop));
    notifier->state = NOTIFIER_RESTING;
    if (err_failed(err)) {
        if (log_change_take(&notifier->failures, err, now_ns)) {
            log_event(notifier->on.log, LOG_WARN, what, LOG_FIELDS(log_err(err)));
        }
    } else {
        notifier->failures.last = ERR_OK;
    }
    timer_start(notifier->on.loop, &notifier->timer, NOTIFIER_REST_MS, rest_over);
}

static void too_slow(struct timer *timer) {
    struct notifier *notifier = CONTAINER_OF(timer, struct notifier, timer);
    notifier->too_slow = true;
    (void)kill(-notifier->pid, SIGKILL); /* Not collected yet, so the pid is its own. */
}

void notifier_child_ended(struct notifier *notifier, int pid, int status) {
    if (notifier->state != NOTIFIER_RUNNING || pid != notifier->pid) {
        return;
    }
    timer_stop(notifier->on.loop, &notifier->timer);
    (void)kill(-pid, SIGKILL); /* Others of the group; at worst there are none. */
    notifier->pid = 0;
    const bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    notifier_rest(notifier, well ? ERR_OK : err_make(ERR_IO, "notify: command"),
                  notifier->too_slow ? "notify_command took over 10 s and was ended"
                                     : "notify_command failed: it ended with another code than 0");
}

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

struct told_word {
    const char *placeholder, *variable;
    struct bytes value;
};
enum { TOLD_WORDS = 4 };
struct told_words {
    struct told_word rows[TOLD_WORDS];
};

static struct told_words told_words(const struct notifier *notifier) {
    return (struct told_words){
        {{"{event}", "DROVER_EVENT", bytes_of(event_names[notifier->told.event])},
         {"{run}", "DROVER_RUN", bytes_of(notifier->told.run.text)},
         {"{title}", "DROVER_TITLE", text_bytes(&notifier->told.title)},
         {"{text}", "DROVER_TEXT", text_bytes(&notifier->told.text)}}};
}

/* Values are not searched for placeholders. */
static char *word_fill(const struct told_words *told, const char *word) {
    AUTO(text_done) struct text filled = text_up_to(WORD_SIZE);
    while (*word != '\0') {
        size_t at = 0;
        while (at < TOLD_WORDS &&
               strncmp(word, told->rows[at].placeholder, strlen(told->rows[at].placeholder)) != 0) {
            at++;
        }
        if (at < TOLD_WORDS) {
            text_add(&filled, told->rows[at].value.data, told->rows[at].value.len);
            word += strlen(told->rows[at].placeholder);
        } else {
            text_add_char(&filled, *word++);
        }
    }
    return mem_copy(text_bytes(&filled).data, text_failed(&filled) ? 0 : filled.len);
}

/* Names that programs for desktops and networks need, and that hold no key. */
static bool is_passed(const char *variable) {
    static const char *const names[] = {"PATH=",       "HOME=",
                                        "USER=",       "LOGNAME=",
                                        "LANG=",       "LC_",
                                        "TZ=",         "TMPDIR=",
                                        "DISPLAY=",    "WAYLAND_DISPLAY=",
                                        "XAUTHORITY=", "DBUS_SESSION_BUS_ADDRESS=",
                                        "XDG_",        "SSL_CERT_",
                                        "DROVER_DATA="};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strncmp(variable, names[i], strlen(names[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void variables_fill(const struct told_words *told, struct command_line *line) {
    size_t count = 0;
    for (size_t i = 0; i < TOLD_WORDS; i++) {
        AUTO(text_done) struct text variable = text_up_to(WORD_SIZE);
        text_addf(&variable, "%s=", told->rows[i].variable);
        text_add(&variable, told->rows[i].value.data, told->rows[i].value.len);
        line->variables[count++] =
            mem_copy(variable.data, text_failed(&variable) ? 0 : variable.len);
    }
    for (size_t i = 0; environ[i] != NULL && count < VARIABLES_MAX; i++) {
        if (is_passed(environ[i])) {
            line->variables[count++] = mem_copy(environ[i], strlen(environ[i]));
        }
    }
}

static struct err command_read(const struct notifier *notifier, struct command_line *line) {
    const struct told_words told = told_words(notifier);
    const struct bytes setting = connections_settings(notifier->on.connections)->notify_command;
    AUTO(json_release) json_t *argv = NULL;
    struct err err = json_parse_wrapped(setting, &argv, NULL /* no why */);
    size_t count = json_array_size(argv);
    for (size_t i = 0; i < count && i < WORDS_MAX && !err_failed(err); i++) {
        line->words[i] = word_fill(&told, json_string_value(json_array_get(argv, i)));
    }
    variables_fill(&told, line);
    return count > 0 && count <= WORDS_MAX ? err : err_make(ERR_CONFIG, "notify: words");
}

static void attributes_done(posix_spawnattr_t *attributes) {
    (void)posix_spawnattr_destroy(attributes); /* Cannot fail. */
}

static void actions_done(posix_spawn_file_actions_t *actions) {
    (void)posix_spawn_file_actions_destroy(actions); /* Cannot fail. */
}

/* In a session of its own, so that its group can be ended; with nothing of ours open. */
static struct err command_spawn(const struct command_line *line, int *ret_pid) {
    AUTO(actions_done) posix_spawn_file_actions_t actions;
    AUTO(attributes_done) posix_spawnattr_t attributes;
    sigset_t none, all;
    (void)sigemptyset(&none); /* Neither can fail. */
    (void)sigfillset(&all);
    int rc = posix_spawn_file_actions_init(&actions);
    assert(rc == 0); /* Both only fill memory of ours. */
    rc = posix_spawnattr_init(&attributes);
    assert(rc == 0);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && rc == 0; fd++) {
        rc = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0 /* mode */);
    }
    rc = rc == 0 ? posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1) : rc;
    rc = rc == 0 ? posix_spawn_file_actions_addchdir_np(&actions, "/") : rc;
    rc = rc == 0
             ? posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                         POSIX_SPAWN_SETSIGDEF)
             : rc;
    rc = rc == 0 ? posix_spawnattr_setsigmask(&attributes, &none) : rc;
    rc = rc == 0 ? posix_spawnattr_setsigdefault(&attributes, &all) : rc;
    pid_t pid = 0;
    rc = rc == 0 ? posix_spawnp(&pid, line->words[0], &actions, &attributes, line->words,
                                line->variables)
                 : rc;
    if (rc != 0) {
        return err_from_errno(rc, "notify: start");
    }
    *ret_pid = (int)pid;
    return ERR_OK;
}

static void told_known(struct err err, void *ctx) {
    struct notifier *notifier = ctx;
    struct command_line line = {.words = {NULL}};
    if (notifier->state == NOTIFIER_OFF) {
        return;
    }
    if (err_failed(err)) {
        notifier_rest(notifier, err, "what notify_command would say could not be read");
        return;
    }
    notifier->asked_last = notifier->told.asked_last;
    if (notifier->told.said == 0 || !is_on(notifier)) {
        notifier_rest(notifier, ERR_OK, "");
        return;
    }
    err = command_read(notifier, &line);
    notifier->too_slow = false;
    err = err_failed(err) ? err : command_spawn(&line, &notifier->pid);
    command_line_done(&line);
    if (err_failed(err)) {
        notifier_rest(notifier, err, "notify_command could not be started");
        return;
    }
    notifier->state = NOTIFIER_RUNNING;
    timer_start(notifier->on.loop, &notifier->timer, NOTIFIER_LIMIT_MS, too_slow);
}

static void gathered(struct timer *timer) {
    struct notifier *notifier = CONTAINER_OF(timer, struct notifier, timer);
    memcpy(notifier->told.items, notifier->items, sizeof notifier->items);
    notifier->told.count = notifier->count;
    notifier->told.omitted = notifier->omitted;
    notifier->told.questions = notifier->questions;
    notifier->count = notifier->omitted = 0;
    notifier->questions = false;
    notifier->state = NOTIFIER_READING;
    store_read(notifier->on.store, told_read, told_known, notifier);
}

/* --- Life ------------------------------------------------------------------------------------- */

void notifier_start(struct notifier *notifier, const struct notifier_options *options) {
    notifier->on = *options;
    notifier->state = NOTIFIER_IDLE;
    text_init(&notifier->told.title, 4 * NOTIFIER_TEXT_MAX);
    text_init(&notifier->told.text, 4 * NOTIFIER_TEXT_MAX);
    timer_start(notifier->on.loop, &notifier->look_timer, NOTIFIER_LOOK_MS, progress_check);
    if (is_on(notifier)) { /* Questions that were asked before are open still. */
        notifier->questions = true;
        notifier_wake(notifier);
    }
}

void notifier_stop(struct notifier *notifier) {
    if (notifier->state == NOTIFIER_OFF) {
        return;
    }
    if (notifier->state == NOTIFIER_RUNNING) {
        (void)kill(-notifier->pid, SIGKILL); /* Not collected yet, so the pid is its own. */
    }
    notifier->state = NOTIFIER_OFF;
    timer_stop(notifier->on.loop, &notifier->timer);
    timer_stop(notifier->on.loop, &notifier->look_timer);
}

void notifier_done(struct notifier *notifier) {
    text_done(&notifier->told.title);
    text_done(&notifier->told.text);
}
