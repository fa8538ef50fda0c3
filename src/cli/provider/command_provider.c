/* command_provider.c: drover provider ls, add, set, test, forget, rm; drover models. */
#include <stdio.h>
#include <string.h>

#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/resource.h"
#include "cli/base/secret.h"

#define PROVIDERS "/api/v1/providers"

/* --- Lists ------------------------------------------------------------------------------------ */

struct cell {
    char text[32];
};

/* A number that is above 0, or the mark of one that is not known. */
static struct cell number_cell(const json_t *item, const char *key, const char *unknown) {
    struct cell cell;
    long long number = (long long)talk_int(item, key);
    if (number > 0) {
        (void)snprintf(cell.text, sizeof cell.text, "%lld", number); /* Fits. */
    } else {
        (void)snprintf(cell.text, sizeof cell.text, "%s", unknown); /* Fits. */
    }
    return cell;
}

/* Micro-dollars as dollars; "?" where nobody knows. */
static struct cell dollars_cell(const json_t *prices, const char *key) {
    struct cell cell = {.text = "?"};
    if (json_is_integer(json_object_get(prices, key))) {
        long long cents = (long long)(talk_int(prices, key) + 5000) / 10000;
        (void)snprintf(cell.text, sizeof cell.text, "%lld.%02lld", cents / 100,
                       cents % 100); /* Fits. */
    }
    return cell;
}

static const char *yes_or_no(const json_t *item, const char *key) {
    const json_t *value = json_object_get(item, key);
    return json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "?";
}

static void providers_head(void *ctx) {
    printf("%-20s  %-10s  %-4s  %5s  %-18s  %s\n", "NAME", "KIND", "KEY", "CALLS", "FROM", "URL");
}

static void provider_print(void *ctx, const json_t *item) {
    const char *url = talk_text(item, "base_url");
    printf("%-20s  %-10s  %-4s  %5s  %-18s  %s\n", talk_text(item, "name"), talk_text(item, "kind"),
           json_is_true(json_object_get(item, "key_set")) ? "yes" : "no",
           number_cell(item, "max_concurrent", "-").text, talk_text(item, "origin"),
           url[0] != '\0' ? url : "-");
}

static const struct flag ls_flags[] = {LISTING_SEARCH("name"), LISTING_FLAGS(NULL), OPTION_END};
static const struct listing providers = {
    .path = PROVIDERS, .head = providers_head, .row = provider_print};

const struct command command_provider_ls = {
    .group = "provider",
    .name = "ls",
    .summary = "List the connections to providers of models, set and found.",
    .flags = ls_flags,
    .talks = true,
    .run = listing_command,
    .listing = &providers,
};

static void models_head(void *ctx) {
    printf("%-48s  %9s %-7s  %9s  %-6s  %-5s  %s\n", "MODEL", "WINDOW", "", "OUTPUT", "IMAGES",
           "TOOLS", "$ PER MILLION IN/OUT");
}

static void model_print(void *ctx, const json_t *item) {
    const json_t *prices = json_object_get(item, "price");
    bool learned = strcmp(talk_text(item, "window_from"), "learned") == 0;
    printf("%-48s  %9s %-7s  %9s  %-6s  %-5s  %s/%s\n", talk_text(item, "id"),
           number_cell(item, "window", "?").text, learned ? "learned" : "",
           number_cell(item, "max_output", "?").text, yes_or_no(item, "vision"),
           yes_or_no(item, "tools"), dollars_cell(prices, "fresh").text,
           dollars_cell(prices, "output").text);
}

static const struct flag models_flags[] = {LISTING_SEARCH("id"), LISTING_FLAGS(NULL), OPTION_END};
static const struct listing models = {
    .path = "/api/v1/models", .head = models_head, .row = model_print};

const struct command command_models = {
    .name = "models",
    .summary = "List the models that can be asked, with windows and prices.",
    .flags = models_flags,
    .talks = true,
    .about =
        "'?': neither the provider nor the price file says it (docs/models.md). 'learned': the\n"
        "model refused a longer prompt; 'drover provider forget' forgets that window.\n",
    .run = listing_command,
    .listing = &models,
};

/* --- Add and set ------------------------------------------------------------------------------ */

#define PROVIDER_FLAGS                                                                             \
    OPTION_TEXT("kind", 0, "KIND", "What it speaks; most servers speak openai.",                   \
                .choices = "openai|responses|anthropic|scripted"),                                 \
        OPTION_TEXT("base-url", 0, "URL",                                                          \
                    "Up to and with the version: https://api.example.com/v1."),                    \
        OPTION_TEXT("key-file", 0, "FILE",                                                         \
                    "Read its key from there; '-': from the input, or asked for."),                \
        OPTION_LIST("header", 0, "NAME:VALUE", "Sent with each request; no secrets."),             \
        OPTION_LIST("model", 0, "NAME",                                                            \
                    "A model that is there, beside those it lists; the first is preferred."),      \
        OPTION_INT("window", 0, "TOKENS", 1, 100000000,                                            \
                   "How long a prompt of its models may be."),                                     \
        OPTION_INT("max-concurrent", 0, "N", 1, 4096, "Calls at a time; more wait.")

static const struct flag add_flags[] = {PROVIDER_FLAGS, OPTION_END};
static const struct flag set_flags[] = {
    PROVIDER_FLAGS,
    OPTION_SWITCH("no-key", 0, "Forget its key."),
    OPTION_END,
};

static struct err headers_add(struct text *body, const struct args *args, struct why *why) {
    unsigned cursor = 0;
    const char *header = args_next(args, "header", &cursor);
    if (header == NULL) {
        return ERR_OK;
    }
    text_add_name(body, "headers");
    for (char before = '{'; header != NULL; before = ',') {
        size_t len = strcspn(header, ":");
        if (header[len] == '\0' || len == 0) {
            return err_why(why, ERR_USAGE, "--header: '%.100s' is not NAME:VALUE", header);
        }
        const char *value = header + len + 1 + strspn(header + len + 1, " ");
        text_add_char(body, before);
        text_add_json(body, header, len);
        text_add_char(body, ':');
        text_add_json(body, value, strlen(value));
        header = args_next(args, "header", &cursor);
    }
    text_add_char(body, '}');
    return ERR_OK;
}

/* Holds a key: its bytes are wiped when it goes. */
static void body_done(struct text *body) {
    if (body->data != NULL) {
        explicit_bzero(body->data, body->len);
    }
    text_done(body);
}

/* Adds the members that `add` and `set` share, and ends the object. */
static struct err body_end(struct text *body, struct invocation *invocation) {
    const struct args *args = &invocation->args;
    const char *file = args_text(args, "key-file"), *model = NULL;
    AUTO(secret_free) char *key = NULL;
    resource_member(body, "kind", args_text(args, "kind"));
    resource_member(body, "base_url", args_text(args, "base-url"));
    if (args_given(args, "window")) {
        text_add_member_int(body, "window", args_int(args, "window", 0));
    }
    if (args_given(args, "max-concurrent")) {
        text_add_member_int(body, "max_concurrent", args_int(args, "max-concurrent", 0));
    }
    if (args_given(args, "model")) {
        unsigned cursor = 0;
        text_add_name(body, "models");
        for (char before = '['; (model = args_next(args, "model", &cursor)) != NULL; before = ',') {
            text_add_char(body, before);
            text_add_json(body, model, strlen(model));
        }
        text_add_char(body, ']');
    }
    struct err err = headers_add(body, args, &invocation->why);
    if (!err_failed(err) && file != NULL) {
        err = secret_read(file, "Key: ", invocation->world, &key, &invocation->why);
        resource_member(body, "key", key);
    }
    text_add_char(body, '}');
    return err;
}

static void set_print(const json_t *answer) {
    bool keyed = json_is_true(json_object_get(answer, "key_set"));
    printf("%s is set%s; 'drover provider test %s' asks it for a word\n", talk_text(answer, "name"),
           keyed ? "" : ", without a key", talk_text(answer, "name"));
}

static struct err add_run(struct invocation *invocation) {
    AUTO(body_done) struct text body = {0};
    const struct resource resource = {
        .method = "POST", .base = PROVIDERS, .body = &body, .print = set_print};
    if (!args_given(&invocation->args, "kind")) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--kind KIND is needed: openai, responses, anthropic or scripted");
    }
    text_init(&body, 1 << 20);
    text_add_char(&body, '{');
    resource_member(&body, "name", invocation->args.operands[0]);
    struct err err = body_end(&body, invocation);
    return err_failed(err) ? err : resource_run(invocation, &resource);
}

#define KEY_ABOUT                                                                                  \
    "A key is read from a file or from the input, never from an argument, which every user of\n"   \
    "this machine could see. It is stored in a file that only you can read, and shown to "         \
    "nobody.\n"

const struct command command_provider_add = {
    .group = "provider",
    .name = "add",
    .summary = "Set a connection to a provider of models.",
    .operands = "NAME",
    .flags = add_flags,
    .talks = true,
    .about = KEY_ABOUT
    "Its models are then NAME/MODEL. Examples:\n"
    "  drover provider add deepseek --kind openai --base-url https://api.deepseek.com/v1 \\\n"
    "      --key-file -\n"
    "  drover provider add here --kind openai --base-url http://127.0.0.1:8000/v1\n",
    .run = add_run,
};

static struct err set_run(struct invocation *invocation) {
    AUTO(body_done) struct text body = {0};
    const struct resource resource = {.method = "PATCH",
                                      .base = PROVIDERS "/",
                                      .id = invocation->args.operands[0],
                                      .body = &body,
                                      .print = set_print};
    bool forget = args_on(&invocation->args, "no-key");
    if (forget && args_given(&invocation->args, "key-file")) {
        return err_why(&invocation->why, ERR_USAGE, "--no-key and --key-file exclude each other");
    }
    text_init(&body, 1 << 20);
    text_add_str(&body, forget ? "{\"key\":null" : "{");
    struct err err = body_end(&body, invocation);
    return err_failed(err) ? err : resource_run(invocation, &resource);
}

const struct command command_provider_set = {
    .group = "provider",
    .name = "set",
    .summary = "Change what is named of a connection; the rest stays.",
    .operands = "NAME",
    .flags = set_flags,
    .talks = true,
    .about = KEY_ABOUT "Headers and models that are given replace all that were there.\n",
    .run = set_run,
};

/* --- Test and remove -------------------------------------------------------------------------- */

static const struct flag test_flags[] = {
    OPTION_TEXT("model", 0, "NAME", "Which of its models [any]."),
    OPTION_END,
};

static void test_print(const json_t *answer) {
    const char *name = talk_text(answer, "name");
    if (json_is_true(json_object_get(answer, "ok"))) {
        printf("%s answers: %lld ms, its first word after %lld ms\n", name,
               (long long)talk_int(answer, "latency_ms"), (long long)talk_int(answer, "first_ms"));
    } else {
        printf("%s does not answer: %s (%s)\n", name, talk_text(answer, "detail"),
               talk_text(answer, "cause"));
    }
}

static struct err test_run(struct invocation *invocation) {
    enum { WAIT_MS = 90000 }; /* Longer than the daemon's own. */
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text body = {0};
    const struct resource resource = {.method = "POST",
                                      .base = PROVIDERS "/",
                                      .id = invocation->args.operands[0],
                                      .rest = "/test",
                                      .body = &body,
                                      .timeout_ms = WAIT_MS,
                                      .print = test_print};
    text_init(&body, 4 << 10);
    text_add_char(&body, '{');
    resource_member(&body, "model", args_text(&invocation->args, "model"));
    text_add_char(&body, '}');
    if (text_failed(&body)) {
        return err_make(ERR_NOT_FOUND, "provider: model");
    }
    struct err err = resource_open(&talk, invocation, &resource, &answer);
    if (!err_failed(err)) {
        resource_print(invocation, &resource, answer);
        invocation->exit_code = json_is_true(json_object_get(answer, "ok")) ? 0 : 1;
    }
    return err;
}

const struct command command_provider_test = {
    .group = "provider",
    .name = "test",
    .summary = "Ask a model of the connection for one word; exits 1 if none comes.",
    .operands = "NAME",
    .flags = test_flags,
    .talks = true,
    .run = test_run,
};

static const struct resource forgotten = {
    .method = "DELETE",
    .base = PROVIDERS "/",
    .rest = "/windows",
    .member = "name",
    .done = " has no learned windows now; 'drover models' shows its windows"};

const struct command command_provider_forget = {
    .group = "provider",
    .name = "forget",
    .summary = "Forget the learned windows of the models of a connection.",
    .operands = "NAME",
    .talks = true,
    .about =
        "A model that refuses a prompt as too long gets a smaller window for 24 hours. Forget it\n"
        "where the refusal was wrong, or where the model's window has grown since.\n",
    .run = resource_command,
    .resource = &forgotten,
};

static const struct resource removed = {.method = "DELETE",
                                        .base = PROVIDERS "/",
                                        .member = "name",
                                        .done = " is removed, and its key with it"};

const struct command command_provider_rm = {
    .group = "provider",
    .name = "rm",
    .summary = "Remove a connection that was set, and its key.",
    .operands = "NAME",
    .talks = true,
    .run = resource_command,
    .resource = &removed,
};
