/* command_provider.c: drover provider ls, add, set, test, reset, forget, rm; drover models. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/flags.h"
#include "cli/base/listing.h"
#include "cli/base/secret.h"
#include "model/known.h"
#include "rules/provider/provider.h"

#define PROVIDERS "/api/v1/providers"

/* --- Lists ------------------------------------------------------------------------------------ */

static void key_from_add(const json_t *row, struct text *value) {
    const char *from = talk_text(row, "key_from");
    text_add_str(value, from[0] != '\0' ? from : "none");
}

/* Calls of a connection that wait for its provider: why, and for how long. */
static void away_add(const json_t *row, struct text *value) {
    const char *cause = talk_text(row, "cause");
    if (cause[0] != '\0') {
        text_addf(value, "%.30s, retry %s", cause,
                  talk_in(talk_int(row, "resume_at_ms"), world_wall_ms(world_real())).text);
    } else {
        text_add_str(value, "ok");
    }
}

static const struct column provider_columns[] = {
    COLUMN("NAME", -20, "name", COLUMN_TEXT),
    COLUMN("KIND", -10, "kind", COLUMN_TEXT),
    COLUMN("CALLS", 5, "max_concurrent", COLUMN_COUNT),
    COLUMN("FROM", -18, "origin", COLUMN_TEXT),
    COLUMN("URL", -32, "base_url", COLUMN_OPTIONAL),
    COLUMN_ADD("STATE", -28, away_add),
    COLUMN_ADD("KEY FROM", 0, key_from_add),
    COLUMN_END,
};

static const struct flag ls_flags[] = {LISTING_SEARCH("name"), LISTING_FLAGS(NULL), OPTION_END};

const struct command command_provider_ls = {
    COMMAND("provider", "ls", NULL, "List connections to providers of models."),
    HELP(MODELS, "drover provider ls\n"),
    .flags = ls_flags,
    .asks_models = true,
    ACTION("GET " PROVIDERS, .columns = provider_columns),
};

/* "learned" for a window that a refusal taught. */
static void learned_add(const json_t *row, struct text *value) {
    text_add_str(value, strcmp(talk_text(row, "window_from"), "learned") == 0 ? "learned" : "");
}

/* The refused parameters of a row of a model, or of a test. */
static void refused_add(const char *before, const json_t *row, struct text *value) {
    const json_t *refused = json_object_get(row, "refuses");
    for (size_t i = 0; i < json_array_size(refused); i++) {
        text_addf(value, "%s%s", i > 0 ? ", " : before,
                  json_string_value(json_array_get(refused, i)));
    }
}

/* Micro-dollars as dollars; "?" where nobody knows. Behind them, what the model refuses. */
static void prices_add(const json_t *row, struct text *value) {
    static const char *const kinds[] = {"fresh", "output"};
    const json_t *prices = json_object_get(row, "price");
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        long long cents = (long long)(talk_int(prices, kinds[i]) + 5000) / 10000;
        text_add_str(value, i > 0 ? "/" : "");
        if (json_is_integer(json_object_get(prices, kinds[i]))) {
            text_addf(value, "%lld.%02lld", cents / 100, cents % 100);
        } else {
            text_add_char(value, '?');
        }
    }
    refused_add("  refuses ", row, value);
}

static const struct column model_columns[] = {
    COLUMN("MODEL", -48, "id", COLUMN_TEXT),
    COLUMN("WINDOW", 9, "window", COLUMN_KNOWN_COUNT),
    COLUMN_ADD("", -7, learned_add),
    COLUMN("OUTPUT", 9, "max_output", COLUMN_KNOWN_COUNT),
    COLUMN("IMAGES", -6, "vision", COLUMN_KNOWN_YES),
    COLUMN("TOOLS", -5, "tools", COLUMN_KNOWN_YES),
    COLUMN_ADD("$ PER MILLION IN/OUT", 0, prices_add),
    COLUMN_END,
};

static const struct flag models_flags[] = {LISTING_SEARCH("id"), LISTING_FLAGS(NULL), OPTION_END};

const struct command command_models = {
    COMMAND(NULL, "models", NULL, "List models with their windows and prices."),
    HELP(MODELS, "drover models\n"
                 "drover models --search gpt\n"),
    .flags = models_flags,
    .asks_models = true,
    .about = "A '?' is unknown: neither the provider nor the price file has it\n"
             "(docs/models.md). 'learned' is a smaller window, set after the model refused a\n"
             "longer prompt; 'refuses' names parameters that it refused: it is called without\n"
             "them for 24 hours. 'drover provider forget' removes both.\n",
    ACTION("GET /api/v1/models", .columns = model_columns,
           .empty = "No model is known. 'drover provider add NAME' connects a provider of models."),
};

/* --- Add and set ------------------------------------------------------------------------------ */

#define KEY_ENV                                                                                    \
    OPTION_TEXT("key-env", 0, "VAR", "Read its key from this variable of your environment.")
static const struct flag add_flags[] = {FLAGS_OF(&provider_fields), KEY_ENV, OPTION_END};
static const struct flag set_flags[] = {
    FLAGS_OF(&provider_fields),
    KEY_ENV,
    OPTION_SWITCH("no-key", 0, "Remove the key."),
    OPTION_END,
};

static struct err key_add(const void *ctx, struct text *body, struct why *why) {
    const struct invocation *invocation = ctx;
    AUTO(mem_wipe) char *key = NULL;
    const char *variable = args_text(&invocation->args, "key-env");
    const char *file = args_text(&invocation->args, "key-file");
    if (variable != NULL && file != NULL) {
        return err_why(why, ERR_USAGE, "--key-env and --key-file exclude each other");
    }
    if (variable == NULL && file == NULL) {
        return ERR_OK;
    }
    struct err err = variable != NULL ? secret_of_env(&invocation->env, variable, &key, why)
                                      : secret_read(file, "Key: ", invocation->world, &key, why);
    api_member(body, "key", key);
    return err;
}

static struct err headers_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = &((const struct invocation *)ctx)->args;
    const char *header = NULL;
    unsigned cursor = 0;
    if (!args_given(args, "header")) {
        return ERR_OK;
    }
    text_add_name(body, "headers");
    for (char before = '{'; (header = args_next(args, "header", &cursor)) != NULL; before = ',') {
        size_t len = strcspn(header, ":");
        if (header[len] == '\0' || len == 0) {
            return err_why(why, ERR_USAGE, "--header: '%.100s' is not NAME:VALUE", header);
        }
        const char *value = header + len + 1 + strspn(header + len + 1, " ");
        text_add_char(body, before);
        text_add_json(body, header, len);
        text_add_char(body, ':');
        text_add_json(body, value, strlen(value));
    }
    text_add_char(body, '}');
    return ERR_OK;
}

static const struct flags_part parts[] = {
    {"key", key_add}, {"headers", headers_add}, {.name = NULL}};

/* Where a client's key is used, its base URL is, too: it may be that of a proxy. */
static void known_add(const struct invocation *invocation, const struct known_provider *known,
                      struct text *body) {
    const struct known_variable variable = known_variable(known, "BASE_URL");
    const char *url = invocation->env.get(invocation->env.ctx, variable.name);
    api_member(body, "kind", model_kind_name(known->kind));
    if (!args_given(&invocation->args, "base-url")) {
        api_member(body, "base_url", url != NULL && url[0] != '\0' ? url : known->base_url);
    }
}

static struct err add_body(struct invocation *invocation, struct text *body) {
    const struct known_provider *known = known_provider_find(invocation->args.operands[0]);
    const bool kind = args_given(&invocation->args, "kind");
    if (!kind && known == NULL) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--kind KIND is needed: openai, responses, anthropic or scripted");
    }
    if (!kind) {
        known_add(invocation, known, body);
    }
    return ERR_OK;
}

static struct err set_body(struct invocation *invocation, struct text *body) {
    const struct args *args = &invocation->args;
    bool forget = args_on(args, "no-key");
    if (forget && (args_given(args, "key-file") || args_given(args, "key-env"))) {
        return err_why(&invocation->why, ERR_USAGE, "--no-key and --key-%s exclude each other",
                       args_given(args, "key-file") ? "file" : "env");
    }
    text_add_str(body, forget ? "\"key\":null" : "");
    return ERR_OK;
}

static void set_print(const json_t *answer) {
    bool keyed = json_is_true(json_object_get(answer, "key_set"));
    printf("%s is set%s; 'drover provider test %s' asks it for a word\n", talk_text(answer, "name"),
           keyed ? "" : ", without a key", talk_text(answer, "name"));
}

#define KEY_ABOUT                                                                                  \
    "The key is read from a file, standard input or a variable of your environment,\n"             \
    "never from an argument, which other users could see. It is stored in a file that\n"           \
    "only you can read, and never shown.\n"

const struct command command_provider_add = {
    COMMAND("provider", "add", "NAME", "Add a connection to a provider of models."),
    HELP(MODELS, "drover provider add openai --key-env OPENAI_API_KEY\n"
                 "drover provider add deepseek --key-file -\n"
                 "drover provider add here --kind openai --base-url http://127.0.0.1:8000/v1\n"),
    .flags = add_flags,
    .about =
        KEY_ABOUT "The models of the connection are named NAME/MODEL. The kind and the URL of\n"
                  "openai, anthropic and deepseek are known; NAME_BASE_URL in your environment\n"
                  "replaces the URL.\n",
    ACTION("POST " PROVIDERS, .body = add_body, .gives = &provider_fields, .parts = parts,
           .print = set_print),
};

const struct command command_provider_set = {
    COMMAND("provider", "set", "NAME", "Change a connection. Other fields stay unchanged."),
    HELP(MODELS, "drover provider set deepseek --max-concurrent 4\n"),
    .flags = set_flags,
    .about = KEY_ABOUT "Headers and models that are given replace the existing ones.\n",
    ACTION("PATCH " PROVIDERS "/{}", .body = set_body, .gives = &provider_fields, .parts = parts,
           .print = set_print),
};

/* --- Test and remove -------------------------------------------------------------------------- */

static const struct flag test_flags[] = {
    OPTION_TEXT("model", 0, "NAME", "Ask this model [any]."),
    OPTION_END,
};

static struct err test_body(struct invocation *invocation, struct text *body) {
    enum { MODEL_MAX = 4 << 10 };
    api_member(body, "model", args_text(&invocation->args, "model"));
    return body->len > MODEL_MAX ? err_make(ERR_NOT_FOUND, "provider: model") : ERR_OK;
}

static struct err test_run(struct invocation *invocation, struct talk *talk) {
    static const struct action test = {"POST " PROVIDERS "/{}/test", .body = test_body,
                                       .timeout_ms = 90000 /* Longer than the daemon's own. */};
    AUTO(json_release) json_t *answer = NULL;
    TRY(action_ask(talk, &test, &answer));
    const char *name = talk_text(answer, "name");
    bool answers = json_is_true(json_object_get(answer, "ok"));
    invocation->exit_code = answers ? 0 : 1;
    if (invocation->json) {
        talk_print(answer);
    } else if (answers) {
        printf("%s answers: %s, %lld ms, its first word after %lld ms\n", name,
               talk_text(answer, "model"), (long long)talk_int(answer, "latency_ms"),
               (long long)talk_int(answer, "first_ms"));
        if (json_array_size(json_object_get(answer, "refuses")) > 0) {
            AUTO(text_done) struct text refused = text_up_to(4 << 10);
            refused_add("it is called without what it refuses: ", answer, &refused);
            puts(text_bytes(&refused).data);
        }
    } else {
        const char *model = talk_text(answer, "model");
        const json_t *latency = json_object_get(answer, "latency_ms");
        printf("%s does not answer: %s (%s%s%s", name, talk_text(answer, "detail"),
               talk_text(answer, "cause"), model[0] != '\0' ? ", " : "", model);
        if (json_is_integer(latency)) { /* The provider refused. */
            printf(", after %lld ms", (long long)json_integer_value(latency));
        }
        puts(")");
    }
    return ERR_OK;
}

const struct command command_provider_test = {
    COMMAND("provider", "test", "NAME",
            "Ask a model of a connection for one word. Exits with 1 if none comes."),
    HELP(MODELS, "drover provider test deepseek\n"),
    .flags = test_flags,
    .asks_models = true,
    .converse = test_run,
};

const struct command command_provider_forget = {
    COMMAND("provider", "forget", "NAME", "Forget learned windows and refused parameters."),
    HELP(MODELS, "drover provider forget deepseek\n"),
    .about = "When a model refuses a prompt as too long, drover uses a smaller window for it\n"
             "for 24 hours; when it refuses a parameter, drover omits the parameter for 24\n"
             "hours. Forget this if the refusal was wrong, or if the model accepts more now.\n",
    ACTION("DELETE " PROVIDERS "/{}/windows",
           .done =
               "{name} has no learned windows and refusals now; 'drover models' shows its windows"),
};

const struct command command_provider_reset = {
    COMMAND("provider", "reset", "NAME",
            "End the wait for a provider, and forget what was learned."),
    HELP(MODELS, "drover provider reset deepseek\n"),
    .about = "After a failure, calls of a connection wait, for hours if its quota is used up.\n"
             "This ends the wait: the next call is sent at once, and waiting runs continue.\n"
             "Learned windows and refused parameters are forgotten, as by 'provider forget'.\n",
    ACTION(
        "POST " PROVIDERS "/{}/reset",
        .done =
            "the next call to {name} is sent at once; what was learned of its models is forgotten"),
};

const struct command command_provider_rm = {
    COMMAND("provider", "rm", "NAME…", "Remove a connection and its key."),
    HELP(MODELS, "drover provider rm deepseek\n"),
    ACTION("DELETE " PROVIDERS "/{}", .done = "{name} is removed, and its key with it"),
};
