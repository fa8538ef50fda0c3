/* names.c: see names.h. */
#include "cli/base/names.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/suggest.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/terminal/plain.h"

static const struct name_kind kinds[] = {
    {"RUN", "run", "ps --all"},
    {"JOB", "job", "job ls"},
    {"TURN", "turn", "ps --all --kind turn"},
    {"AGENT", "agent", "ps --all --kind agent"},
    {"WORKFLOW", "workflow", "ps --all --kind workflow"},
    {"SESSION", "session", "session ls"},
    {"APPROVAL", "approval", "approve"},
    {"DELIVERY", "delivery", "inbox ls"},
    {"TOKEN", "token", "token ls"},
    {"MEMORY", "memory", "memory ls"},
    {"MAIL", "mail", "mail ls"},
    {"MESSAGE", "message", "session export SESSION"},
    {"TERMINAL", "terminal", "term ls"},
    {"WORKTREE", "tree", "worktree ls"},
    {.placeholder = NULL},
};

enum { SHOWN_MAX = 5, NEAREST_MAX = 100, LABEL_SHOWN = 40, PREFIX_MIN = 4, TYPED_MAX = 400 };
static const char last_word[] = "last";

/* --- Hints ------------------------------------------------------------------------------------ */

/* A word that no shell reads in another way, and that no rule of names gives another meaning. */
static bool label_is_word(const char *label) {
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const size_t len = strlen(label);
    return len > 0 && len <= NAME_LABEL_LEN && strspn(label, safe) == len && label[0] != '-' &&
           strcmp(label, last_word) != 0;
}

struct short_name short_name_of(const char *id, const char *label) {
    struct short_name name = {""};
    const bool word = label != NULL && label_is_word(label);
    (void)snprintf(name.text, sizeof name.text, "%.*s", word ? NAME_LABEL_LEN : NAME_ID_LEN,
                   word ? label : id); /* Cut to what fits. */
    return name;
}

/* --- Placeholders ----------------------------------------------------------------------------- */

unsigned name_kinds_of(struct bytes placeholder,
                       const struct name_kind *ret_kinds[NAME_KINDS_MAX]) {
    unsigned count = 0;
    for (size_t at = 0, len; at < placeholder.len && count < NAME_KINDS_MAX; at += len + 1) {
        len = 0;
        while (at + len < placeholder.len && placeholder.data[at + len] >= 'A' &&
               placeholder.data[at + len] <= 'Z') {
            len++;
        }
        for (const struct name_kind *kind = kinds; kind->placeholder != NULL; kind++) {
            if (bytes_is((struct bytes){placeholder.data + at, len}, kind->placeholder)) {
                ret_kinds[count++] = kind;
                break;
            }
        }
    }
    return count;
}

struct bytes operand_placeholder(const struct command *command, unsigned at) {
    struct bytes found = {NULL, 0};
    const char *word = command->operands;
    for (unsigned i = 0; word != NULL && *word != '\0'; i++, word += strspn(word, " ")) {
        found = (struct bytes){word, strcspn(word, " ")};
        word += found.len;
        if (i == at) {
            return found;
        }
    }
    /* The last one may be given again. */
    static const char again[] = "…";
    for (size_t i = 0; i + sizeof again - 1 <= found.len; i++) {
        if (memcmp(found.data + i, again, sizeof again - 1) == 0) {
            return found;
        }
    }
    return (struct bytes){NULL, 0};
}

bool name_is_path(const char *typed) {
    return strchr(typed, '/') != NULL || access(typed, F_OK) == 0;
}

static bool placeholder_takes_path(struct bytes placeholder) {
    return memmem(placeholder.data, placeholder.len, "|PATH", strlen("|PATH")) != NULL;
}

/* --- One name --------------------------------------------------------------------------------- */

/* Any id of the daemon: its own answer says where that is of another kind. */
static bool id_is_whole(const char *typed) {
    char prefix[8] = "";
    size_t len = strcspn(typed, "_");
    if (len == 0 || len >= sizeof prefix || typed[len] == '\0') {
        return false;
    }
    memcpy(prefix, typed, len);
    return id_valid(typed, strlen(typed), prefix);
}

struct search {
    struct talk *talk;
    struct invocation *invocation;
    const struct name_kind *kinds[NAME_KINDS_MAX];
    unsigned kind_count;
    const char *typed;
};

/* Adds to `found`, which is an array, what one kind has. `typed` NULL: the newest. */
static struct err kind_ask(const struct search *search, const struct name_kind *kind,
                           const char *typed, int limit, json_t *found, bool *io_more) {
    AUTO(text_done) struct text target = text_up_to(8 << 10);
    AUTO(json_release) json_t *answer = NULL;
    text_addf(&target, "/api/v1/names?kind=%s&limit=%d", kind->kind, limit);
    if (typed != NULL) {
        text_add_str(&target, "&q=");
        client_add_escaped(&target, typed);
    }
    if (typed != NULL && (strlen(typed) > TYPED_MAX || !utf8_valid(typed, strlen(typed)))) {
        return err_why(&search->invocation->why, ERR_USAGE,
                       "'%.60s' is no name: it is text in UTF-8, of at most %d bytes", typed,
                       TYPED_MAX);
    }
    TRY(talk_get(search->talk, target.data, &answer, &search->invocation->why));
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        if (talk_find(found, "id", talk_text(item, "id")) == NULL) {
            (void)json_array_append(found, item); /* Without memory it is left out. */
        }
    }
    *io_more = *io_more || json_is_true(json_object_get(answer, "more"));
    return ERR_OK;
}

static struct err all_ask(const struct search *search, const char *typed, int limit, json_t *found,
                          bool *io_more) {
    struct err err = ERR_OK;
    for (unsigned i = 0; i < search->kind_count && !err_failed(err); i++) {
        err = kind_ask(search, search->kinds[i], typed, limit, found, io_more);
    }
    return err;
}

static const json_t *newest_of(const json_t *found) {
    const json_t *newest = NULL;
    for (size_t i = 0; i < json_array_size(found); i++) {
        const json_t *item = json_array_get(found, i);
        if (newest == NULL || talk_int(item, "made_ms") > talk_int(newest, "made_ms")) {
            newest = item;
        }
    }
    return newest;
}

/* "run or session" */
static void kinds_add(const struct search *search, struct text *text) {
    for (unsigned i = 0; i < search->kind_count; i++) {
        text_add_str(text, i > 0 ? " or " : "");
        text_add_str(text, search->kinds[i]->kind);
    }
}

/* A sentence about a name that nothing has, with the nearest label where one is near. */
static struct err absent_say(const struct search *search) {
    struct why *why = &search->invocation->why;
    AUTO(text_done) struct text text = text_up_to(sizeof why->text);
    AUTO(json_release) json_t *found = json_array();
    const char *list = search->kinds[0]->list;
    bool more = false, last = strcmp(search->typed, last_word) == 0;
    struct suggest suggest;
    suggest_begin(&suggest, search->typed);
    if (!last) {
        struct err err = all_ask(search, NULL /* the newest */, NEAREST_MAX, found, &more);
        for (size_t i = 0; i < json_array_size(found) && !err_failed(err); i++) {
            const char *label = talk_text(json_array_get(found, i), "label");
            suggest_offer(&suggest, label[0] != '\0' ? label : "(none)");
        }
    }
    const char *best = suggest_best(&suggest);
    text_add_str(&text, "there is no ");
    kinds_add(search, &text);
    if (last) {
        text_addf(&text, " that 'last' could mean; 'drover %s' lists them", list);
    } else if (best != NULL) {
        text_addf(&text, " '%.60s'; did you mean '%.60s'?", search->typed, best);
    } else {
        const char *rest = strchr(search->typed, '_');
        bool brief = strlen(rest != NULL ? rest + 1 : search->typed) < PREFIX_MIN;
        text_addf(&text, " '%.60s'%s; 'drover %s' lists them", search->typed,
                  brief ? " (of an id, 4 characters at least are needed)" : "", list);
    }
    why_set(why, "%s", text_bytes(&text).data);
    return err_make(ERR_NOT_FOUND, "names: absent");
}

/* Deletion cannot be undone, so that no rule guesses which object was meant. */
static bool command_deletes(const struct command *command) {
    static const char method[] = "DELETE ";
    return command->action != NULL &&
           strncmp(command->action->request, method, sizeof method - 1) == 0;
}

/* The run that a label stands for: of those that have it the only one that has not ended, or, when
 * all have ended, the newest. NULL: none has it, several have not ended, several have it and the
 * command deletes, or an object of another kind has the same label. Ids that begin with the same
 * characters lose to the label. */
static const json_t *label_choose(const struct search *search, const json_t *found,
                                  size_t *ret_count) {
    const json_t *live = NULL;
    AUTO(json_release) json_t *labelled = json_array();
    unsigned live_count = 0;
    for (size_t i = 0; i < json_array_size(found); i++) {
        json_t *item = json_array_get(found, i);
        if (strcmp(talk_text(item, "label"), search->typed) != 0) {
            continue;
        }
        if (strncmp(talk_text(item, "id"), "run_", 4) != 0) {
            return NULL;
        }
        if (!json_is_true(json_object_get(item, "ended"))) {
            live = item;
            live_count++;
        }
        (void)json_array_append(labelled, item);
    }
    *ret_count = json_array_size(labelled);
    const bool guesses = *ret_count > 1 && command_deletes(search->invocation->args.command);
    return guesses || live_count > 1 ? NULL : live_count == 1 ? live : newest_of(labelled);
}

static struct err id_take(const json_t *item, struct id *ret_id) {
    const char *id = talk_text(item, "id");
    if (strlen(id) >= ID_SIZE) {
        return err_make(ERR_INTERNAL, "names: id");
    }
    *ret_id = id_copy(bytes_of(id));
    return ERR_OK;
}

static struct err name_find(const struct search *search, struct id *ret_id) {
    struct short_names *names = &search->invocation->names;
    AUTO(json_release) json_t *found = json_array();
    bool more = false, last = strcmp(search->typed, last_word) == 0;
    TRY(all_ask(search, last ? NULL : search->typed, last ? 1 : NEAREST_MAX, found, &more));
    size_t count = json_array_size(found), labelled = 0;
    if (count == 0 && !more) {
        return absent_say(search);
    }
    if (last || (count == 1 && !more)) {
        return id_take(last ? newest_of(found) : json_array_get(found, 0), ret_id);
    }
    const json_t *one = label_choose(search, found, &labelled);
    if (one != NULL) {
        if (labelled > 1 && !search->invocation->json) {
            plain_note("drover: %s%zu runs are named '%.60s'; this is the %s, %s\n",
                       more ? "more than " : "", labelled, search->typed,
                       json_is_true(json_object_get(one, "ended")) ? "newest" : "unfinished one",
                       short_name_of(talk_text(one, "id"), NULL /* several have it */).text);
        }
        return id_take(one, ret_id);
    }
    while (json_array_size(found) > SHOWN_MAX + 1) {
        (void)json_array_remove(found, json_array_size(found) - 1);
    }
    json_decref(names->candidates);
    names->candidates = json_incref(found);
    return err_why(&search->invocation->why, ERR_AMBIGUOUS, "'%.60s' fits %s%s; name one by its id",
                   search->typed, count > 1 ? "more than one " : "too many ids to tell which ",
                   count > 1 ? search->kinds[0]->kind : "is meant");
}

/* --- All of a command ------------------------------------------------------------------------- */

struct resolving {
    struct invocation *invocation;
    struct talk talk;
};

static struct err word_resolve(struct resolving *resolving, struct bytes placeholder,
                               const char **io_word) {
    struct short_names *names = &resolving->invocation->names;
    struct search search = {
        .talk = &resolving->talk, .invocation = resolving->invocation, .typed = *io_word};
    search.kind_count = name_kinds_of(placeholder, search.kinds);
    if (search.kind_count == 0 || **io_word == '\0' || id_is_whole(*io_word) ||
        names->count == COUNT_OF(names->ids) ||
        (placeholder_takes_path(placeholder) && name_is_path(*io_word))) {
        return ERR_OK;
    }
    if (resolving->talk.client == NULL) {
        (void)talk_open(&resolving->talk, resolving->invocation); /* The request says why. */
    }
    TRY(name_find(&search, &names->ids[names->count]));
    *io_word = names->ids[names->count++].text;
    return ERR_OK;
}

static bool is_own_word(const struct flag *flag, const char *typed) {
    struct bytes words = bytes_of(flag->own_words), word;
    bool own = false;
    while (bytes_next(&words, '|', &word)) {
        own = own || bytes_is(word, typed);
    }
    return own;
}

struct err names_resolve(struct invocation *invocation) {
    struct args *args = &invocation->args;
    struct resolving resolving = {.invocation = invocation, .talk = {.interrupt_fd = -1}};
    struct err err = ERR_OK;
    if (!command_talks(args->command)) {
        return ERR_OK;
    }
    /* The conversation takes signals over, and the command may first do something else. */
    sigset_t before;
    sigprocmask(SIG_SETMASK, NULL, &before);
    const char *operands = args->command->operands;
    /* A command that takes many reports each that is not found, and goes on with the others. */
    bool many = operands != NULL && strstr(operands, "…") != NULL && args->operand_count > 1;
    for (unsigned i = 0; i < args->operand_count && !err_failed(err); i++) {
        err = word_resolve(&resolving, operand_placeholder(args->command, i), &args->operands[i]);
        if (err.code == ERR_NOT_FOUND && many) {
            invocation->why.text[0] = '\0';
            err = ERR_OK;
        }
    }
    for (unsigned at = 0; at < args->flags.count && !err_failed(err); at++) {
        const struct flag *flag = args->flags.rows[at].flag;
        if (flag->kind == FLAG_TEXT && flag->value != NULL && args->values[at].text != NULL &&
            !is_own_word(flag, args->values[at].text)) {
            err = word_resolve(&resolving, bytes_of(flag->value), &args->values[at].text);
        }
    }
    for (unsigned at = 0; at < args->repeat_count && !err_failed(err); at++) {
        const struct flag *flag = args->flags.rows[args->repeats[at].at].flag;
        if (flag->value != NULL) {
            err = word_resolve(&resolving, bytes_of(flag->value), &args->repeats[at].text);
        }
    }
    talk_close(&resolving.talk);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}

void names_done(struct short_names *names) {
    json_decref(names->candidates);
    *names = (struct short_names){.candidates = NULL};
}

/* "45s", "12m", "3h", "9d" */
static void age_print(int64_t age_s, FILE *out) {
    static const struct {
        int64_t below_s, unit_s;
        char letter;
    } units[] = {{120, 1, 's'}, {7200, 60, 'm'}, {172800, 3600, 'h'}, {INT64_MAX, 86400, 'd'}};
    unsigned at = 0;
    while (age_s >= units[at].below_s) {
        at++;
    }
    fprintf(out, "%lld%c", (long long)(age_s / units[at].unit_s), units[at].letter);
}

void names_print(const struct invocation *invocation, FILE *out) {
    int64_t now_ms = world_wall_ms(invocation->world);
    const json_t *found = invocation->names.candidates;
    for (size_t i = 0; i < json_array_size(found) && i < SHOWN_MAX; i++) {
        const json_t *item = json_array_get(found, i);
        AUTO(text_done) struct text label = text_up_to(8 << 10);
        struct bytes whole = bytes_of(talk_text(item, "label"));
        text_add(&label, whole.data, utf8_cut(whole, LABEL_SHOWN));
        if (label.len > 0) {
            utf8_make_plain(label.data, label.len);
        }
        fprintf(out, "  %s  %-8s  ", talk_text(item, "id"), talk_text(item, "kind"));
        age_print((now_ms - talk_int(item, "made_ms")) / 1000, out);
        fprintf(out, " ago  %s\n", text_bytes(&label).data);
    }
    if (json_array_size(found) > SHOWN_MAX) {
        fputs("  and more\n", out);
    }
}
