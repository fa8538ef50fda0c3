/* limits.c: five names, three kinds of numbers. */
#include "cli/budget/limits.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "cli/base/quantity.h"

#define LIMIT_MAX INT64_C(1000000000000000) /* The daemon takes no more. */
enum { MICROS = 1000000, PLACES_MAX = 6 };

enum unit { UNIT_COUNT, UNIT_TIME, UNIT_DOLLARS };
static const char *const unit_titles[] = {
    [UNIT_COUNT] = "a whole number",
    [UNIT_TIME] = "a time like 90s, 30m or 2h",
    [UNIT_DOLLARS] = "an amount of dollars like 2.50",
};
static const struct word {
    const char *name, *amount;
    enum unit unit;
} words[] = {
    {"wall", "wall_ms", UNIT_TIME},        {"agents", "agents", UNIT_COUNT},
    {"tokens", "tokens", UNIT_COUNT},      {"output-tokens", "output_tokens", UNIT_COUNT},
    {"cost", "cost_micros", UNIT_DOLLARS},
};

/* "2", "2.5", "0.000001": whole micro-dollars, without a float in between. */
static bool dollars_parse(struct bytes text, int64_t *ret_micros) {
    const char *dot = memchr(text.data, '.', text.len);
    size_t whole_len = dot == NULL ? text.len : (size_t)(dot - text.data);
    size_t places = dot == NULL ? 0 : text.len - whole_len - 1;
    int64_t whole = 0, part = 0;
    if (!number_parse((struct bytes){text.data, whole_len},
                      (struct number_bounds){0, LIMIT_MAX / MICROS}, &whole) ||
        places > PLACES_MAX || (dot != NULL && places == 0)) {
        return false;
    }
    for (size_t i = 0; i < PLACES_MAX; i++) {
        char c = i < places ? dot[1 + i] : '0';
        if (c < '0' || c > '9') {
            return false;
        }
        part = part * 10 + (c - '0');
    }
    *ret_micros = whole * MICROS + part;
    return *ret_micros <= LIMIT_MAX;
}

struct err budget_limit_add(struct text *json, struct bytes name, struct bytes value,
                            struct why *why) {
    const struct number_bounds bounds = {0, LIMIT_MAX};
    const struct word *word = words;
    while (word < words + COUNT_OF(words) && !bytes_is(name, word->name)) {
        word++;
    }
    if (word == words + COUNT_OF(words)) {
        return err_why(why, ERR_USAGE,
                       "'%.*s' is no limit of a budget: wall, agents, tokens, output-tokens, cost",
                       (int)(name.len < 60 ? name.len : 60), name.data);
    }
    text_addf(json, "%s\"%s\":", json->len > 0 && json->data[json->len - 1] != '{' ? "," : "",
              word->amount);
    if (bytes_is(value, "none")) {
        text_add_str(json, "null");
        return ERR_OK;
    }
    int64_t number = 0;
    bool valid = word->unit == UNIT_TIME      ? quantity_duration(value, bounds, &number)
                 : word->unit == UNIT_DOLLARS ? dollars_parse(value, &number)
                                              : number_parse(value, bounds, &number);
    if (!valid) {
        return err_why(why, ERR_USAGE, "%s: '%.*s' is not %s, nor 'none'", word->name,
                       (int)(value.len < 60 ? value.len : 60), value.data, unit_titles[word->unit]);
    }
    text_add_int(json, number);
    return ERR_OK;
}

struct err budget_words_add(struct text *json, const char *word, struct why *why) {
    size_t at = strcspn(word, "=");
    if (word[at] == '\0') {
        return err_why(why, ERR_USAGE, "'%.60s': a limit is written NAME=VALUE, like wall=30m",
                       word);
    }
    return budget_limit_add(json, (struct bytes){word, at}, bytes_of(word + at + 1), why);
}

struct err budget_flag_add(struct text *json, const struct args *args, struct why *why) {
    const char *word = NULL;
    struct err err = ERR_OK;
    if (!args_given(args, "budget")) {
        return ERR_OK;
    }
    text_add_char(json, '{');
    for (unsigned at = 0; !err_failed(err) && (word = args_next(args, "budget", &at)) != NULL;) {
        err = budget_words_add(json, word, why);
    }
    text_add_char(json, '}');
    return err;
}

struct err budget_words_list(struct text *json, const char *list, struct why *why) {
    struct err err = ERR_OK;
    text_add_char(json, '{');
    for (const char *at = list; at != NULL && !err_failed(err);) {
        size_t len = strcspn(at, ",");
        AUTO(mem_release) char *word = mem_copy(at, len);
        err = budget_words_add(json, word, why);
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    text_add_char(json, '}');
    return err;
}

struct amount_shown budget_show_cost(int64_t known_micros, int64_t unknown) {
    struct amount_shown shown = {"unknown"};
    if (known_micros > 0 || unknown == 0) {
        shown = amount_show(AMOUNT_COST, known_micros);
        const size_t len = strlen(shown.text);
        (void)snprintf(shown.text + len, sizeof shown.text - len, "%s",
                       unknown > 0 ? "+?" : ""); /* Fits. */
    }
    return shown;
}
