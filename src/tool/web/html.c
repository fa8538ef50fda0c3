/* html.c: a reader of tags, not of documents: nothing is nested, nothing is repaired.
 *
 * What is remembered between tags is small: how many blank lines are owed, whether lines are kept,
 * and the address of the link that is open.
 */
#include "tool/web/html.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

enum { NAME_MAX_LEN = 16, ADDRESS_MAX = 500, ENTITY_MAX = 10 };

struct page {
    struct bytes html;
    size_t at;
    struct text *text;
    unsigned lines_owed; /* Newlines that come before the next word. */
    bool blank_owed;
    bool any;            /* A word was written. */
    unsigned kept_lines; /* Depth of <pre>. */
    struct bytes address;
};

/* --- Words ------------------------------------------------------------------------------------ */

static void pay(struct page *page) {
    if (page->any) {
        for (unsigned i = 0; i < page->lines_owed; i++) {
            text_add_char(page->text, '\n');
        }
        if (page->lines_owed == 0 && page->blank_owed) {
            text_add_char(page->text, ' ');
        }
    }
    page->any = true;
    page->lines_owed = 0;
    page->blank_owed = false;
}

static void owe_lines(struct page *page, unsigned lines) {
    page->lines_owed = page->lines_owed > lines ? page->lines_owed : lines;
}

static void add_bytes(struct page *page, const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];
        bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
        if (blank && page->kept_lines == 0) {
            page->blank_owed = true;
            continue;
        }
        if (page->lines_owed > 0 || page->blank_owed || !page->any) {
            pay(page);
        }
        if (c != '\r' && c != '\0') {
            text_add_char(page->text, c);
        }
    }
}

static void add_mark(struct page *page, const char *mark) {
    pay(page);
    text_add_str(page->text, mark);
}

/* --- Entities --------------------------------------------------------------------------------- */

static const struct entity {
    const char *name, *text;
} entities[] = {
    {"amp", "&"},         {"lt", "<"},         {"gt", ">"},          {"quot", "\""},
    {"apos", "'"},        {"nbsp", " "},       {"ndash", "\u2013"},  {"mdash", "\u2014"},
    {"hellip", "\u2026"}, {"lsquo", "\u2018"}, {"rsquo", "\u2019"},  {"ldquo", "\u201C"},
    {"rdquo", "\u201D"},  {"laquo", "\u00AB"}, {"raquo", "\u00BB"},  {"copy", "\u00A9"},
    {"reg", "\u00AE"},    {"trade", "\u2122"}, {"middot", "\u00B7"}, {"bull", "\u2022"},
    {"times", "\u00D7"},  {"euro", "\u20AC"},  {"pound", "\u00A3"},  {"deg", "\u00B0"},
    {"auml", "\u00E4"},   {"ouml", "\u00F6"},  {"uuml", "\u00FC"},   {"Auml", "\u00C4"},
    {"Ouml", "\u00D6"},   {"Uuml", "\u00DC"},  {"szlig", "\u00DF"},  {"eacute", "\u00E9"},
    {"larr", "\u2190"},   {"rarr", "\u2192"},  {"ne", "\u2260"},     {"le", "\u2264"},
    {"ge", "\u2265"},     {"shy", ""},         {"zwnj", ""},         {"zwj", ""},
};

/* The character of a code point, in UTF-8. */
static void add_code(struct page *page, uint32_t code) {
    char out[4];
    size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xC0, 0xE0, 0xF0};
    out[0] = (char)(first[more] | code >> 6 * more);
    for (size_t i = 1; i <= more; i++) {
        out[i] = (char)(0x80 | (code >> 6 * (more - i) & 0x3F));
    }
    add_bytes(page, out, more + 1);
}

/* "#39" or "#x27": its character. Controls and halves of pairs are shown to nobody. */
static void add_numbered(struct page *page, struct bytes name) {
    bool hex = name.len > 1 && (name.data[1] | 0x20) == 'x';
    uint32_t code = 0, base = hex ? 16 : 10;
    for (size_t i = hex ? 2 : 1; i < name.len; i++) {
        char c = name.data[i], lower = (char)(c | 0x20);
        uint32_t digit = c >= '0' && c <= '9'           ? (uint32_t)(c - '0')
                         : lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a') + 10
                                                        : 16;
        code = code * base + digit;
        if (digit >= base || code > 0x10FFFF) {
            return;
        }
    }
    if (code >= 0x20 && !(code >= 0xD800 && code <= 0xDFFF) && !(code >= 0x7F && code < 0xA0)) {
        add_code(page, code);
    }
}

/* The entity that starts at `at`, written; how long it is, or 0: it is none. */
static size_t add_entity(struct page *page, size_t at, size_t end) {
    size_t from = at + 1, to = from;
    while (to < end && to - from <= ENTITY_MAX && page->html.data[to] != ';') {
        to++;
    }
    if (to >= end || page->html.data[to] != ';') {
        return 0;
    }
    struct bytes name = {page->html.data + from, to - from};
    if (name.len > 1 && name.data[0] == '#') {
        add_numbered(page, name);
        return to + 1 - at;
    }
    for (size_t i = 0; i < COUNT_OF(entities); i++) {
        if (bytes_is(name, entities[i].name)) {
            add_bytes(page, entities[i].text, strlen(entities[i].text));
            return to + 1 - at;
        }
    }
    return 0;
}

static void add_words(struct page *page, size_t end) {
    while (page->at < end) {
        const char *amp = memchr(page->html.data + page->at, '&', end - page->at);
        size_t stop = amp == NULL ? end : (size_t)(amp - page->html.data);
        add_bytes(page, page->html.data + page->at, stop - page->at);
        page->at = stop;
        if (amp != NULL) {
            size_t len = add_entity(page, stop, end);
            if (len == 0) {
                add_bytes(page, "&", 1);
            }
            page->at += len == 0 ? 1 : len;
        }
    }
}

/* --- Tags ------------------------------------------------------------------------------------- */

enum effect { PLAIN, HEADING, LINK, KEPT, HIDDEN };
static const struct tag {
    const char *names; /* With a blank before and after each. */
    enum effect effect;
    unsigned opens, closes; /* Lines that are owed before the tag, and before its end. */
    const char *mark;       /* Text in the place of the tag; NULL: none. */
} tags[] = {
    {" p hr section article header footer nav main aside table ul ol dl blockquote title ", PLAIN,
     2, 2, NULL},
    {" div br tr dt dd form button figcaption summary option ", PLAIN, 1, 1, NULL},
    {" h1 h2 h3 h4 h5 h6 ", HEADING, 2, 2, NULL},
    {" td th ", PLAIN, 0, 0, "| "},
    {" li ", PLAIN, 1, 0, "- "},
    {" a ", LINK, 0, 0, NULL},
    {" pre ", KEPT, 2, 2, NULL},
    {" textarea script style noscript template svg iframe select ", HIDDEN, 0, 0, NULL},
};

struct found {
    char name[NAME_MAX_LEN + 1]; /* Lower case. */
    bool closes, alone;
    struct bytes inside; /* Behind the name. */
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Where the tag that starts at `at` ends, after its '>'; quotes are respected. */
static size_t tag_end(struct bytes html, size_t at) {
    char quote = '\0';
    for (size_t i = at; i < html.len; i++) {
        char c = html.data[i];
        if (quote != '\0') {
            quote = c == quote ? '\0' : quote;
        } else if (c == '>') {
            return i + 1;
        } else if ((c == '"' || c == '\'') && html.data[i - 1] == '=') {
            quote = c;
        }
    }
    return html.len;
}

static bool read_tag(struct bytes html, size_t at, size_t end, struct found *ret_found) {
    *ret_found = (struct found){.name = ""};
    size_t i = at + 1, len = 0;
    ret_found->closes = i < end && html.data[i] == '/';
    i += ret_found->closes ? 1 : 0;
    while (i < end && len < NAME_MAX_LEN) {
        char c = html.data[i], lower = (char)(c | 0x20);
        bool letter = (lower >= 'a' && lower <= 'z') || (len > 0 && c >= '0' && c <= '9');
        if (!letter) {
            break;
        }
        ret_found->name[len++] = c >= '0' && c <= '9' ? c : lower;
        i++;
    }
    ret_found->name[len] = '\0';
    size_t stop = end > i && html.data[end - 1] == '>' ? end - 1 : end;
    ret_found->inside = (struct bytes){html.data + i, stop - i};
    ret_found->alone = stop > i && html.data[stop - 1] == '/';
    return len > 0;
}

/* The value of href in a tag; empty: there is none, or none to go to. */
static struct bytes address_of(struct bytes inside) {
    size_t at = 0;
    while (at + 5 < inside.len && ((at > 0 && !is_blank(inside.data[at - 1])) ||
                                   strncasecmp(inside.data + at, "href=", 5) != 0)) {
        at++;
    }
    if (at + 5 >= inside.len) {
        return BYTES("");
    }
    at += 5;
    char quote = inside.data[at] == '"' || inside.data[at] == '\'' ? inside.data[at] : '\0';
    at += quote != '\0' ? 1 : 0;
    struct bytes found = {inside.data + at, 0};
    while (at + found.len < inside.len &&
           (quote != '\0' ? found.data[found.len] != quote : !is_blank(found.data[found.len]))) {
        found.len++;
    }
    bool script = found.len >= 11 && strncasecmp(found.data, "javascript:", 11) == 0;
    bool useless = found.len == 0 || found.len > ADDRESS_MAX || found.data[0] == '#' || script;
    return useless ? BYTES("") : found;
}

/* Behind "</name" of what is not shown. */
static void skip_hidden(struct page *page, const char *name) {
    size_t len = strlen(name);
    while (page->at < page->html.len) {
        const char *less = memchr(page->html.data + page->at, '<', page->html.len - page->at);
        if (less == NULL) {
            page->at = page->html.len;
            return;
        }
        size_t at = (size_t)(less - page->html.data);
        page->at = at + 1;
        if (page->html.len - at > len + 2 && less[1] == '/' &&
            strncasecmp(less + 2, name, len) == 0) {
            page->at = tag_end(page->html, at + 1);
            return;
        }
    }
}

static const struct tag *tag_find(const char *found) {
    char name[NAME_MAX_LEN + 3];
    (void)snprintf(name, sizeof name, " %s ", found); /* Fits. */
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        if (strstr(tags[i].names, name) != NULL) {
            return &tags[i];
        }
    }
    return NULL;
}

static void on_tag(struct page *page, const struct found *found) {
    static const char signs[] = "###### ";
    const struct tag *tag = tag_find(found->name);
    bool opens = !found->closes;
    if (tag == NULL) {
        return;
    }
    owe_lines(page, opens ? tag->opens : tag->closes);
    if (opens && tag->mark != NULL) {
        add_mark(page, tag->mark);
    } else if (tag->effect == HEADING && opens) {
        add_mark(page, signs + sizeof signs - 2 - (found->name[1] - '0'));
    } else if (tag->effect == HIDDEN && opens && !found->alone) {
        skip_hidden(page, found->name);
    } else if (tag->effect == KEPT && (opens || page->kept_lines > 0)) {
        page->kept_lines = opens ? page->kept_lines + 1 : page->kept_lines - 1;
    } else if (tag->effect == LINK && opens) {
        page->address = address_of(found->inside);
    } else if (tag->effect == LINK && page->address.len > 0) {
        text_add_str(page->text, " (");
        text_add(page->text, page->address.data, page->address.len);
        text_add_char(page->text, ')');
        page->address.len = 0;
    }
}

static void on_less(struct page *page) {
    struct bytes html = page->html;
    size_t at = page->at;
    char next = at + 1 < html.len ? html.data[at + 1] : '\0';
    if (next == '!' || next == '?') { /* A comment, a declaration: skipped. */
        struct bytes rest = {html.data + at, html.len - at};
        bool comment = bytes_begin(rest, BYTES("<!--"));
        const char *gone = comment ? memmem(rest.data + 4, rest.len - 4, "-->", 3)
                                   : memchr(rest.data, '>', rest.len);
        page->at = gone == NULL ? html.len : (size_t)(gone - html.data) + (comment ? 3 : 1);
        return;
    }
    size_t end = tag_end(html, at + 1);
    struct found found;
    if (!read_tag(html, at, end, &found)) {
        add_bytes(page, "<", 1);
        page->at = at + 1;
        return;
    }
    page->at = end;
    on_tag(page, &found);
}

void html_to_text(struct bytes html, struct text *text) {
    struct page page = {.html = html, .text = text};
    while (page.at < html.len && !text_failed(text)) {
        const char *less = memchr(html.data + page.at, '<', html.len - page.at);
        add_words(&page, less == NULL ? html.len : (size_t)(less - html.data));
        if (less != NULL) {
            on_less(&page);
        }
    }
    text_add_str(text, page.any ? "\n" : "");
}
