/* literal_text.c: what a string means, escape by escape. */
#include "script/reader/literal.h"

/* One string while it is read. */
struct spelling {
    const struct tokens *tokens;
    struct bytes inner; /* Between the quotes. */
    size_t at;
    uint32_t high; /* A high surrogate that waits for its other half; 0: none. */
    struct text *text;
};

static void add_char(struct text *text, uint32_t c) {
    static const unsigned char heads[] = {0, 0xc0, 0xe0, 0xf0};
    unsigned rest = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    text_add_char(text, (char)(heads[rest] | c >> (6 * rest)));
    while (rest-- > 0) {
        text_add_char(text, (char)(0x80U | (c >> (6 * rest) & 0x3fU)));
    }
}

static void flush_high(struct spelling *spelling) {
    if (spelling->high != 0) {
        add_char(spelling->text, 0xfffd);
        spelling->high = 0;
    }
}

/* A unit of UTF-16, or a whole character. */
static void add_unit(struct spelling *spelling, uint32_t unit) {
    if (unit >= 0xdc00 && unit <= 0xdfff && spelling->high != 0) {
        uint32_t high = spelling->high;
        spelling->high = 0;
        add_char(spelling->text, 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00));
        return;
    }
    flush_high(spelling);
    if (unit >= 0xd800 && unit <= 0xdbff) {
        spelling->high = unit;
    } else {
        add_char(spelling->text, unit >= 0xdc00 && unit <= 0xdfff ? 0xfffd : unit);
    }
}

static int hex_of(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* `count` digits; 0: up to "}". */
static bool read_hex(struct spelling *spelling, unsigned count, uint32_t *ret_value) {
    uint32_t value = 0;
    unsigned read = 0;
    while (spelling->at < spelling->inner.len && (count == 0 || read < count)) {
        int digit = hex_of(spelling->inner.data[spelling->at]);
        if (digit < 0 || value > 0x10ffff) {
            break;
        }
        value = value << 4 | (uint32_t)digit;
        spelling->at++;
        read++;
    }
    *ret_value = value;
    return count == 0 ? read > 0 && value <= 0x10ffff : read == count;
}

static bool read_unicode(struct spelling *spelling) {
    uint32_t value = 0;
    bool braced = spelling->at < spelling->inner.len && spelling->inner.data[spelling->at] == '{';
    spelling->at += braced ? 1 : 0;
    bool good = read_hex(spelling, braced ? 0 : 4, &value);
    if (braced) {
        good =
            good && spelling->at < spelling->inner.len && spelling->inner.data[spelling->at] == '}';
        spelling->at++;
    }
    add_unit(spelling, value);
    return good;
}

static bool next_is_digit(const struct spelling *spelling) {
    return spelling->at < spelling->inner.len && spelling->inner.data[spelling->at] >= '0' &&
           spelling->inner.data[spelling->at] <= '9';
}

/* From behind the backslash. False: no such escape. */
static bool read_escape(struct spelling *spelling) {
    static const char from[] = "bfnrtv", to[] = "\b\f\n\r\t\v";
    char c = spelling->inner.data[spelling->at++];
    uint32_t value = 0;
    for (size_t i = 0; i < sizeof from - 1; i++) {
        if (c == from[i]) {
            add_unit(spelling, (uint32_t)to[i]);
            return true;
        }
    }
    switch (c) {
    case 'x':
        if (!read_hex(spelling, 2, &value)) {
            return false;
        }
        add_unit(spelling, value);
        return true;
    case 'u':
        return read_unicode(spelling);
    case '0':
        add_unit(spelling, 0);
        return !next_is_digit(spelling);
    case '\r': /* A continued line; its "\n" goes along. */
        spelling->at +=
            spelling->at < spelling->inner.len && spelling->inner.data[spelling->at] == '\n' ? 1
                                                                                             : 0;
        return true;
    case '\n':
        return true;
    default: /* Itself, with the bytes that follow it as they are. */
        flush_high(spelling);
        text_add_char(spelling->text, c);
        return c < '1' || c > '9';
    }
}

static void read_plain(struct spelling *spelling, bool template) {
    char c = spelling->inner.data[spelling->at++];
    flush_high(spelling);
    if (!template || c != '\r') {
        text_add_char(spelling->text, c);
        return;
    }
    /* In a template, each line ends with "\n". */
    bool pair = spelling->at < spelling->inner.len && spelling->inner.data[spelling->at] == '\n';
    spelling->at += pair ? 1 : 0;
    text_add_char(spelling->text, '\n');
}

struct err literal_text(const struct tokens *tokens, uint32_t at, struct text *text,
                        struct script_fault *ret_fault) {
    struct bytes whole = token_text(tokens, at);
    struct spelling spelling = {
        .tokens = tokens, .inner = {whole.data + 1, whole.len - 2}, .text = text};
    bool template = tokens->list[at].kind == TOKEN_TEMPLATE;
    while (spelling.at < spelling.inner.len) {
        if (spelling.inner.data[spelling.at] != '\\') {
            read_plain(&spelling, template);
            continue;
        }
        size_t begun = spelling.at++;
        if (!read_escape(&spelling)) {
            return script__fault(tokens->source, tokens->list[at].start + 1 + begun, "bad_meta",
                                 ret_fault, "there is no such escape");
        }
    }
    flush_high(&spelling);
    return text_failed(text) ? text_error(text, "script: text") : ERR_OK;
}
