/* command_provider.c: drover provider ls, add, set, test, forget, rm; drover models. */
#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/secret.h"

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    LISTING_SEARCH("name"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static void providers_head(void *ctx) {
    (void)ctx;
    printf("%-20s  %-10s  %-4s  %5s  %-18s  %s\n", "NAME", "KIND", "KEY", "CALLS", "FROM", "URL");
}

static void provider_print(void *ctx, const json_t *item) {
    (void)ctx;
    char calls[24] = "-";
    if (talk_int(item, "max_concurrent") > 0) {
        (void)snprintf(calls, sizeof calls, "%lld",
                       (long long)talk_int(item, "max_concurrent")); /* It fits. */
    }
    const char *url = talk_text(item, "base_url");
    printf("%-20s  %-10s  %-4s  %5s  %-18s  %s\n", talk_text(item, "name"), talk_text(item, "kind"),
           json_is_true(json_object_get(item, "key_set")) ? "yes" : "no", calls,
           talk_text(item, "origin"), url[0] != '\0' ? url : "-");
}

static struct err provider_ls_run(struct invocation *invocation) {
    const struct listing listing = {.invocation = invocation,
                                    .path = "/api/v1/providers",
                                    .head = providers_head,
                                    .row = provider_print};
    return listing_run(&listing);
}

const struct command command_provider_ls = {
    .group = "provider",
    .name = "ls",
    .summary = "List the connections to providers of models, set and found.",
    .flags = ls_flags,
    .talks = true,
    .run = provider_ls_run,
};

/* --- Models ----------------------------------------------------------------------------------- */

static void models_head(void *ctx) {
    (void)ctx;
    printf("%-48s  %9s %-7s  %9s  %-6s  %-5s  %s\n", "MODEL", "WINDOW", "", "OUTPUT", "IMAGES",
           "TOOLS", "$ PER MILLION IN/OUT");
}

static const char *ability(const json_t *item, const char *key) {
    const json_t *value = json_object_get(item, key);
    return json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "?";
}

struct amount {
    char text[32];
};

/* From micro-dollars; "?" where nobody knows. */
static struct amount dollars(const json_t *prices, const char *key) {
    struct amount amount = {.text = "?"};
    if (json_is_integer(json_object_get(prices, key))) {
        int64_t cents = (talk_int(prices, key) + 5000) / 10000;
        (void)snprintf(amount.text, sizeof amount.text, "%lld.%02lld", (long long)(cents / 100),
                       (long long)(cents % 100)); /* It fits. */
    }
    return amount;
}

static struct amount tokens(const json_t *item, const char *key) {
    struct amount amount = {.text = "?"};
    if (talk_int(item, key) > 0) {
        (void)snprintf(amount.text, sizeof amount.text, "%lld",
                       (long long)talk_int(item, key)); /* It fits. */
    }
    return amount;
}

static void model_print(void *ctx, const json_t *item) {
    (void)ctx;
    const json_t *prices = json_object_get(item, "price");
    bool learned = strcmp(talk_text(item, "window_from"), "learned") == 0;
    printf("%-48s  %9s %-7s  %9s  %-6s  %-5s  %s/%s\n", talk_text(item, "id"),
           tokens(item, "window").text, learned ? "learned" : "", tokens(item, "max_output").text,
           ability(item, "vision"), ability(item, "tools"), dollars(prices, "fresh").text,
           dollars(prices, "output").text);
}

static const struct flag models_flags[] = {
    LISTING_SEARCH("id"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static struct err models_run(struct invocation *invocation) {
    const struct listing listing = {.invocation = invocation,
                                    .path = "/api/v1/models",
                                    .head = models_head,
                                    .row = model_print};
    return listing_run(&listing);
}

const struct command command_models = {
    .name = "models",
    .summary = "List the models that can be asked, with windows and prices.",
    .flags = models_flags,
    .talks = true,
    .about =
        "'?': neither the provider nor the price file says it (docs/models.md). 'learned': the\n"
        "model refused a longer prompt; 'drover provider forget' forgets that window.\n",
    .run = models_run,
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

struct body {
    struct text text; /* Owned. */
    bool first;
};

static void body_name(struct body *body, const char *name) {
    text_addf(&body->text, "%s\"%s\":", body->first ? "" : ",", name);
    body->first = false;
}

static void body_text(struct body *body, const char *name, const char *value) {
    if (value != NULL) {
        body_name(body, name);
        text_add_json(&body->text, value, strlen(value));
    }
}

static void body_int(struct body *body, const struct args *args, const char *flag,
                     const char *name) {
    if (args_given(args, flag)) {
        body_name(body, name);
        text_add_int(&body->text, args_int(args, flag, 0));
    }
}

static struct err header_write(struct body *body, const char *header, bool first, struct why *why) {
    size_t len = strcspn(header, ":");
    if (header[len] == '\0' || len == 0) {
        why_set(why, "--header: '%.100s' is not NAME:VALUE", header);
        return err_make(ERR_USAGE, "provider: header");
    }
    const char *value = header + len + 1;
    value += strspn(value, " ");
    text_add_str(&body->text, first ? "" : ",");
    text_add_json(&body->text, header, len);
    text_add_char(&body->text, ':');
    text_add_json(&body->text, value, strlen(value));
    return ERR_OK;
}

static struct err headers_write(struct body *body, const struct args *args, struct why *why) {
    unsigned cursor = 0;
    const char *header = args_next(args, "header", &cursor);
    struct err err = ERR_OK;
    if (header == NULL) {
        return err;
    }
    body_name(body, "headers");
    text_add_char(&body->text, '{');
    for (bool first = true; header != NULL && !err_failed(err); first = false) {
        err = header_write(body, header, first, why);
        header = args_next(args, "header", &cursor);
    }
    text_add_char(&body->text, '}');
    return err;
}

static void models_write(struct body *body, const struct args *args) {
    unsigned cursor = 0;
    const char *model = args_next(args, "model", &cursor);
    if (model == NULL) {
        return;
    }
    body_name(body, "models");
    text_add_char(&body->text, '[');
    for (bool first = true; model != NULL; first = false) {
        text_add_str(&body->text, first ? "" : ",");
        text_add_json(&body->text, model, strlen(model));
        model = args_next(args, "model", &cursor);
    }
    text_add_char(&body->text, ']');
}

static struct err body_write(struct body *body, struct invocation *invocation) {
    const struct args *args = &invocation->args;
    const char *file = args_text(args, "key-file");
    AUTO(secret_free) char *key = NULL;
    body_text(body, "kind", args_text(args, "kind"));
    body_text(body, "base_url", args_text(args, "base-url"));
    body_int(body, args, "window", "window");
    body_int(body, args, "max-concurrent", "max_concurrent");
    models_write(body, args);
    struct err err = headers_write(body, args, &invocation->why);
    if (!err_failed(err) && file != NULL) {
        err = secret_read(file, "Key: ", invocation->world, &key, &invocation->why);
        body_text(body, "key", key);
    }
    text_add_char(&body->text, '}');
    if (!err_failed(err) && text_failed(&body->text)) {
        err = err_make(ERR_BODY_TOO_LARGE, "provider: body");
    }
    return err;
}

static void body_done(struct body *body) {
    if (body->text.data != NULL) {
        explicit_bzero(body->text.data, body->text.len);
    }
    text_done(&body->text);
}

static struct err send(struct invocation *invocation, const char *method, const char *target,
                       const struct body *body, json_t **ret_answer) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, invocation);
    struct client_request request = {
        .method = method, .target = target, .body = {body->text.data, body->text.len}};
    return err_failed(err) ? err
                           : talk_ask(&talk, &request, NULL /* parsed is enough */, ret_answer,
                                      &invocation->why);
}

static void changed_print(const struct invocation *invocation, const json_t *answer) {
    if (invocation->json) {
        talk_print(answer);
        return;
    }
    bool keyed = json_is_true(json_object_get(answer, "key_set"));
    printf("%s is set%s; 'drover provider test %s' asks it for a word\n", talk_text(answer, "name"),
           keyed ? "" : ", without a key", talk_text(answer, "name"));
}

static struct err add_run(struct invocation *invocation) {
    AUTO(body_done) struct body body = {.first = true};
    AUTO(json_release) json_t *answer = NULL;
    text_init(&body.text, 1 << 20);
    text_add_char(&body.text, '{');
    if (!args_given(&invocation->args, "kind")) {
        why_set(&invocation->why,
                "--kind KIND is needed: openai, responses, anthropic or scripted");
        return err_make(ERR_USAGE, "provider: kind");
    }
    body_text(&body, "name", invocation->args.operands[0]);
    struct err err = body_write(&body, invocation);
    if (!err_failed(err)) {
        err = send(invocation, "POST", "/api/v1/providers", &body, &answer);
    }
    if (!err_failed(err)) {
        changed_print(invocation, answer);
    }
    return err;
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
    AUTO(body_done) struct body body = {.first = true};
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0};
    bool forget = args_on(&invocation->args, "no-key");
    text_init(&body.text, 1 << 20);
    text_add_char(&body.text, '{');
    if (forget && args_given(&invocation->args, "key-file")) {
        why_set(&invocation->why, "--no-key and --key-file exclude each other");
        return err_make(ERR_USAGE, "provider: key");
    }
    if (!talk_target(&target, "/api/v1/providers/", invocation->args.operands[0], "")) {
        return err_make(ERR_NOT_FOUND, "provider: name");
    }
    if (forget) {
        body_name(&body, "key");
        text_add_str(&body.text, "null");
    }
    struct err err = body_write(&body, invocation);
    if (!err_failed(err)) {
        err = send(invocation, "PATCH", target.data, &body, &answer);
    }
    if (!err_failed(err)) {
        changed_print(invocation, answer);
    }
    return err;
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

static void test_print(const struct invocation *invocation, const json_t *answer) {
    const char *name = talk_text(answer, "name");
    long long latency_ms = (long long)talk_int(answer, "latency_ms");
    if (invocation->json) {
        talk_print(answer);
    } else if (json_is_true(json_object_get(answer, "ok"))) {
        printf("%s answers: %lld ms, its first word after %lld ms\n", name, latency_ms,
               (long long)talk_int(answer, "first_ms"));
    } else {
        printf("%s does not answer: %s (%s)\n", name, talk_text(answer, "detail"),
               talk_text(answer, "cause"));
    }
}

static struct err test_run(struct invocation *invocation) {
    enum { WAIT_MS = 90000 }; /* Longer than the daemon's own. */
    AUTO(body_done) struct body body = {.first = true};
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0};
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    text_init(&body.text, 4 << 10);
    text_add_char(&body.text, '{');
    body_text(&body, "model", args_text(&invocation->args, "model"));
    text_add_char(&body.text, '}');
    if (!talk_target(&target, "/api/v1/providers/", invocation->args.operands[0], "/test") ||
        text_failed(&body.text)) {
        return err_make(ERR_NOT_FOUND, "provider: name");
    }
    struct err err = talk_open(&talk, invocation);
    struct client_request request = {.method = "POST",
                                     .target = target.data,
                                     .body = {body.text.data, body.text.len},
                                     .timeout_ms = WAIT_MS};
    if (!err_failed(err)) {
        err = talk_ask(&talk, &request, NULL /* parsed is enough */, &answer, &invocation->why);
    }
    if (!err_failed(err)) {
        test_print(invocation, answer);
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

/* `done` follows the connection's name. */
static struct err delete_run(struct invocation *invocation, const char *part, const char *done) {
    const struct body none = {.first = true};
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/providers/", invocation->args.operands[0], part)) {
        return err_make(ERR_NOT_FOUND, "provider: name");
    }
    struct err err = send(invocation, "DELETE", target.data, &none, &answer);
    if (!err_failed(err) && invocation->json) {
        talk_print(answer);
    } else if (!err_failed(err)) {
        printf("%s %s\n", talk_text(answer, "name"), done);
    }
    return err;
}

static struct err forget_run(struct invocation *invocation) {
    return delete_run(invocation, "/windows",
                      "has no learned windows now; 'drover models' shows its windows");
}

const struct command command_provider_forget = {
    .group = "provider",
    .name = "forget",
    .summary = "Forget the learned windows of the models of a connection.",
    .operands = "NAME",
    .talks = true,
    .about =
        "A model that refuses a prompt as too long gets a smaller window for 24 hours. Forget it\n"
        "where the refusal was wrong, or where the model's window has grown since.\n",
    .run = forget_run,
};

static struct err rm_run(struct invocation *invocation) {
    return delete_run(invocation, "", "is removed, and its key with it");
}

const struct command command_provider_rm = {
    .group = "provider",
    .name = "rm",
    .summary = "Remove a connection that was set, and its key.",
    .operands = "NAME",
    .talks = true,
    .run = rm_run,
};
