/* command_config.c: drover config get, set: the daemon's settings, changed while it runs. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/number.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/terminal/lines.h"
#include "rules/provider/no_model.h"

#define SETTINGS "/api/v1/settings"

static const char *const keys[] = {
    "default_model", "instructions",   "effort",         "review_model", "title_model",  "window",
    "public_url",    "notify_webhook", "notify_command", "notify_on",    "model_aliases"};

#define CONFIG_ABOUT                                                                               \
    "  default_model   CONNECTION/MODEL of sessions that name none\n"                              \
    "  instructions    default instructions of sessions\n"                                         \
    "  effort          low, medium or high: how long models think\n"                               \
    "  review_model    CONNECTION/MODEL that decides reviewed calls [the turn's]\n"                \
    "  title_model     CONNECTION/MODEL that titles sessions [the turn's];\n"                      \
    "                  scripted/demo: use the first words of the session instead\n"                \
    "  window          maximum tokens of a prompt, whatever the model's window is\n"               \
    "  public_url      https://HOST under which other machines reach this daemon;\n"               \
    "                  links for them, and in notices, begin with it\n"                            \
    "  notify_webhook  URL that gets a signed notice of questions, ends and stalls\n"              \
    "  notify_command  JSON array: command that notifies you of questions, ends,\n"                \
    "                  stalls; {event}, {run}, {title}, {text}, {link} are replaced\n"             \
    "  notify_on       JSON array of asked, stalled, failed, ended: the notices that\n"            \
    "                  these two get [all]\n"                                                      \
    "  model_aliases   JSON object: CONNECTION/MODEL for short names that scripts and\n"           \
    "                  types of agents use, as {\"sonnet\": \"openai/gpt-5\"}\n"                   \
    "Settings are stored by the daemon and shared by all clients. The configuration\n"             \
    "file (config.json, see 'drover serve --help') is separate: it has what a daemon\n"            \
    "needs to start.\n"

/* Both ways of writing a name are taken, as in the configuration file and its flags. */
static struct err key_find(const char *text, const char **ret_key, struct why *why) {
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        size_t at = 0;
        while (keys[i][at] != '\0' &&
               (text[at] == keys[i][at] || (text[at] == '-' && keys[i][at] == '_'))) {
            at++;
        }
        if (keys[i][at] == '\0' && text[at] == '\0') {
            *ret_key = keys[i];
            return ERR_OK;
        }
    }
    return err_why(why, ERR_USAGE,
                   "'%.100s' is not one of default_model, instructions, effort, review_model, "
                   "title_model, window, public_url, notify_webhook, notify_command, notify_on, "
                   "model_aliases",
                   text);
}

/* --- Get -------------------------------------------------------------------------------------- */

static void value_print(const json_t *settings, const char *key) {
    const json_t *value = json_object_get(settings, key);
    if (json_is_string(value)) {
        printf("%s\n", json_string_value(value));
    } else if (json_is_integer(value)) {
        printf("%lld\n", (long long)json_integer_value(value));
    } else if (json_is_array(value) || json_is_object(value)) {
        talk_print(value);
    }
}

static void all_print(const json_t *settings) {
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        printf("%-14s  ", keys[i]);
        if (json_is_null(json_object_get(settings, keys[i]))) {
            puts("-");
        } else {
            value_print(settings, keys[i]);
        }
    }
    const char *from = talk_text(settings, "model_from");
    if (strcmp(from, "none") == 0) {
        printf("%-14s  none: %s\n", "asked now", NO_MODEL_DETAIL);
        return;
    }
    printf("%-14s  %s (%s)\n", "asked now", talk_text(settings, "model"),
           strcmp(from, "setting") == 0  ? "as set"
           : strcmp(from, "option") == 0 ? "as the daemon was started"
                                         : "the first of the first connection");
}

static struct err get_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *settings = NULL;
    const char *key = NULL;
    TRY(invocation->args.operand_count == 0
            ? ERR_OK
            : key_find(invocation->args.operands[0], &key, &invocation->why));
    TRY(talk_get(talk, SETTINGS, &settings, &invocation->why));
    if (invocation->json) {
        talk_print(key != NULL ? json_object_get(settings, key) : settings);
    } else if (key != NULL) {
        value_print(settings, key);
    } else {
        all_print(settings);
    }
    return ERR_OK;
}

const struct command command_config_get = {
    COMMAND("config", "get", "[KEY]", "Show settings of the daemon."),
    HELP(MODELS, "drover config get\n"
                 "drover config get default_model\n"),
    .about = CONFIG_ABOUT,
    .converse = get_run,
};

/* --- Set -------------------------------------------------------------------------------------- */

static const struct flag set_flags[] = {
    OPTION_SWITCH("reset", 0, "Restore the default; takes no VALUE."),
    OPTION_END,
};

/* The settings that are JSON, and what one looks like. */
static const struct {
    const char *key, *form;
} json_keys[] = {
    {"notify_command", "array is needed, as [\"notify-send\", \"{title}\", \"{text}\"]"},
    {"notify_on", "array is needed, as [\"asked\", \"failed\"]"},
    {"model_aliases", "object is needed, as {\"sonnet\": \"openai/gpt-5\"}"},
};

/* true: the value was added to the patch, or *ret_err says why not. */
static bool json_value_add(struct text *patch, const char *key, const char *value, struct why *why,
                           struct err *ret_err) {
    AUTO(json_release) json_t *json = NULL;
    struct why detail = {.text = ""};
    size_t at = 0;
    while (at < COUNT_OF(json_keys) && strcmp(json_keys[at].key, key) != 0) {
        at++;
    }
    if (at == COUNT_OF(json_keys)) {
        return false;
    }
    text_add_str(patch, value);
    *ret_err = !err_failed(json_parse(value, strlen(value), JSON_DEPTH_MAX, &json, &detail))
                   ? ERR_OK
                   : err_why(why, ERR_USAGE, "%s: a JSON %s: %.200s", key, json_keys[at].form,
                             detail.text);
    return true;
}

static struct err set_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *settings = NULL;
    AUTO(text_done) struct text patch = text_up_to(2 << 20);
    AUTO(lines_done) struct lines lines = {0};
    const struct args *args = &invocation->args;
    const char *key = NULL, *value = args->operand_count == 2 ? args->operands[1] : NULL;
    bool reset = args_on(args, "reset");
    TRY(key_find(args->operands[0], &key, &invocation->why));
    if ((value != NULL) == reset) {
        return err_why(&invocation->why, ERR_USAGE,
                       reset ? "a value and --reset exclude each other"
                             : "VALUE is needed, or --reset");
    }
    text_addf(&patch, "{\"%s\":", key);
    struct err err = ERR_OK;
    if (reset) {
        text_add_str(&patch, "null");
    } else if (strcmp(key, "window") == 0) {
        int64_t number = 0;
        if (!number_parse(bytes_of(value), (struct number_bounds){1, INT64_MAX}, &number)) {
            return err_why(&invocation->why, ERR_USAGE,
                           "window: '%.100s' is not a number of tokens", value);
        }
        text_add_int(&patch, number);
    } else if (!json_value_add(&patch, key, value, &invocation->why, &err)) {
        struct bytes bytes = bytes_of(value);
        lines_init(&lines, STDIN_FILENO, talk->interrupt_fd);
        err = strcmp(value, "-") == 0 ? lines_rest(&lines, &bytes) : ERR_OK;
        text_add_json(&patch, bytes.len > 0 ? bytes.data : "", bytes.len);
    }
    text_add_char(&patch, '}');
    if (!err_failed(err) && text_failed(&patch)) {
        err = err_make(ERR_BODY_TOO_LARGE, "config: value");
    }
    const struct client_request request = {
        .method = "PATCH", .target = SETTINGS, .body = text_bytes(&patch)};
    err = err_failed(err) ? err : talk_ask(talk, &request, NULL, &settings, &invocation->why);
    if (!err_failed(err) && invocation->json) {
        talk_print(settings);
    } else if (!err_failed(err)) {
        printf("%s is %s\n", key, reset ? "reset to its default" : "set");
    }
    return err;
}

const struct command command_config_set = {
    COMMAND("config", "set", "KEY [VALUE]", "Change a setting. It applies from the next turn on."),
    HELP(MODELS, "drover config set default_model deepseek/deepseek-chat\n"
                 "drover config set effort --reset\n"),
    .flags = set_flags,
    .about = CONFIG_ABOUT "A VALUE of '-' reads standard input.\n",
    .converse = set_run,
};
