/* html.c: a reader of tags, not of documents: nothing is nested, nothing is repaired.
 *
 * What is remembered between tags is small: how many blank lines are owed, whether lines are kept,
 * and the address of the link that is open.
 */
#include "tool/web/html.h"

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

struct letters {
    char text[5];
};

static struct letters letters_of(uint32_t code) {
    struct letters letters = {""};
    if (code < 0x80) {
        letters.text[0] = (char)code;
    } else if (code < 0x800) {
        letters.text[0] = (char)(0xC0 | code >> 6);
        letters.text[1] = (char)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        letters.text[0] = (char)(0xE0 | code >> 12);
        letters.text[1] = (char)(0x80 | (code >> 6 & 0x3F));
        letters.text[2] = (char)(0x80 | (code & 0x3F));
    } else {
        letters.text[0] = (char)(0xF0 | code >> 18);
        letters.text[1] = (char)(0x80 | (code >> 12 & 0x3F));
        letters.text[2] = (char)(0x80 | (code >> 6 & 0x3F));
        letters.text[3] = (char)(0x80 | (code & 0x3F));
    }
    return letters;
}

static uint32_t digit_of(char c) {
    char lower = (char)(c | 0x20);
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0');
    }
    return lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a') + 10 : 16;
}

/* Controls and halves of pairs are shown to nobody. */
static bool is_shown(uint32_t code) {
    return code >= 0x20 && !(code >= 0xD800 && code <= 0xDFFF) && !(code >= 0x7F && code < 0xA0);
}

/* "#39" or "#x27": its character; false: it is none that may be shown. */
static bool number_entity(struct bytes name, uint32_t *ret_code) {
    bool hex = name.len > 1 && (name.data[1] | 0x20) == 'x';
    uint32_t code = 0, base = hex ? 16 : 10;
    size_t first = hex ? 2 : 1;
    for (size_t i = first; i < name.len; i++) {
        uint32_t digit = digit_of(name.data[i]);
        code = code * base + digit;
        if (digit >= base || code > 0x10FFFF) {
            return false;
        }
    }
    *ret_code = code;
    return name.len > first && is_shown(code);
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
    uint32_t code = 0;
    if (name.len > 1 && name.data[0] == '#') {
        if (number_entity(name, &code)) {
            struct letters letters = letters_of(code);
            add_bytes(page, letters.text, strlen(letters.text));
        }
        return to + 1 - at;
    }
    for (size_t i = 0; i < COUNT_OF(entities); i++) {
        if (strlen(entities[i].name) == name.len &&
            memcmp(entities[i].name, name.data, name.len) == 0) {
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

enum effect { PARAGRAPH, LINE, ITEM, HEADING, CELL, LINK, KEPT, HIDDEN };
static const struct tag {
    const char *name;
    enum effect effect;
} tags[] = {
    {"p", PARAGRAPH},
    {"div", LINE},
    {"br", LINE},
    {"hr", PARAGRAPH},
    {"section", PARAGRAPH},
    {"article", PARAGRAPH},
    {"header", PARAGRAPH},
    {"footer", PARAGRAPH},
    {"nav", PARAGRAPH},
    {"main", PARAGRAPH},
    {"aside", PARAGRAPH},
    {"table", PARAGRAPH},
    {"tr", LINE},
    {"td", CELL},
    {"th", CELL},
    {"ul", PARAGRAPH},
    {"ol", PARAGRAPH},
    {"li", ITEM},
    {"dl", PARAGRAPH},
    {"dt", LINE},
    {"dd", LINE},
    {"blockquote", PARAGRAPH},
    {"form", LINE},
    {"title", PARAGRAPH},
    {"h1", HEADING},
    {"h2", HEADING},
    {"h3", HEADING},
    {"h4", HEADING},
    {"h5", HEADING},
    {"h6", HEADING},
    {"a", LINK},
    {"pre", KEPT},
    {"textarea", HIDDEN},
    {"script", HIDDEN},
    {"style", HIDDEN},
    {"noscript", HIDDEN},
    {"template", HIDDEN},
    {"svg", HIDDEN},
    {"iframe", HIDDEN},
    {"select", HIDDEN},
    {"button", LINE},
    {"figcaption", LINE},
    {"summary", LINE},
    {"option", LINE},
};

struct found {
    char name[NAME_MAX_LEN + 1]; /* Lower case. */
    bool closes, alone;
    struct bytes inside; /* Behind the name. */
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* Where the tag that starts at `at` ends, behind its '>'; quotes are respected. */
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

/* What stands behind "href=", or NULL. */
static const char *find_href(struct bytes inside) {
    for (size_t i = 0; i + 5 < inside.len; i++) {
        if ((i == 0 || is_blank(inside.data[i - 1])) &&
            strncasecmp(inside.data + i, "href=", 5) == 0) {
            return inside.data + i + 5;
        }
    }
    return NULL;
}

/* The value of href in a tag; empty: there is none, or none to go to. */
static struct bytes address_of(struct bytes inside) {
    const char *found = find_href(inside);
    if (found == NULL) {
        return (struct bytes){"", 0};
    }
    size_t left = (size_t)(inside.data + inside.len - found), len = 0;
    char quote = *found == '"' || *found == '\'' ? *found : '\0';
    found += quote != '\0' ? 1 : 0;
    left -= quote != '\0' ? 1 : 0;
    while (len < left && (quote != '\0' ? found[len] != quote : !is_blank(found[len]))) {
        len++;
    }
    bool script = len >= 11 && strncasecmp(found, "javascript:", 11) == 0;
    bool useless = len == 0 || len > ADDRESS_MAX || found[0] == '#' || script;
    return useless ? (struct bytes){"", 0} : (struct bytes){found, len};
}

static void on_link(struct page *page, const struct found *found) {
    if (!found->closes) {
        page->address = address_of(found->inside);
        return;
    }
    if (page->address.len > 0) {
        text_add_str(page->text, " (");
        text_add(page->text, page->address.data, page->address.len);
        text_add_char(page->text, ')');
        page->address.len = 0;
    }
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

static void on_opening(struct page *page, const struct found *found, enum effect effect) {
    if (effect == ITEM) {
        owe_lines(page, 1);
        add_mark(page, "- ");
    } else if (effect == HEADING) {
        owe_lines(page, 2);
        add_mark(page, "");
        for (char i = '0'; i < found->name[1]; i++) {
            text_add_char(page->text, '#');
        }
        text_add_char(page->text, ' ');
    } else if (effect == CELL) {
        add_mark(page, "| ");
    } else if (effect == HIDDEN && !found->alone) {
        skip_hidden(page, found->name);
    }
}

static void on_kept(struct page *page, const struct found *found) {
    owe_lines(page, 2);
    if (!found->closes) {
        page->kept_lines++;
    } else if (page->kept_lines > 0) {
        page->kept_lines--;
    }
}

static void apply(struct page *page, const struct found *found, enum effect effect) {
    switch (effect) {
    case PARAGRAPH:
        owe_lines(page, 2);
        break;
    case LINE:
        owe_lines(page, 1);
        break;
    case LINK:
        on_link(page, found);
        break;
    case KEPT:
        on_kept(page, found);
        break;
    case HEADING:
    case CELL:
    case ITEM:
    case HIDDEN:
        if (!found->closes) {
            on_opening(page, found, effect);
        } else if (effect == HEADING) {
            owe_lines(page, 2);
        }
        break;
    }
}

static void on_tag(struct page *page, const struct found *found) {
    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        if (strcmp(tags[i].name, found->name) == 0) {
            apply(page, found, tags[i].effect);
            return;
        }
    }
}

/* A comment, a declaration: skipped. */
static size_t declaration_end(struct bytes html, size_t at) {
    bool comment = html.len - at >= 4 && memcmp(html.data + at, "<!--", 4) == 0;
    const char *end = comment ? memmem(html.data + at + 4, html.len - at - 4, "-->", 3)
                              : memchr(html.data + at, '>', html.len - at);
    return end == NULL ? html.len : (size_t)(end - html.data) + (comment ? 3 : 1);
}

static void on_less(struct page *page) {
    struct bytes html = page->html;
    size_t at = page->at;
    char next = at + 1 < html.len ? html.data[at + 1] : '\0';
    if (next == '!' || next == '?') {
        page->at = declaration_end(html, at);
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
