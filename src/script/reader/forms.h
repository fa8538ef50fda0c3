/* forms.h: which form a file has, and the text that a worker is given. For read.c.
 *
 * Ownership  the tokens are borrowed; a text is the caller's.
 * Threads    any; pure.
 * Failure    ERR_BAD_SCRIPT and a fault; ERR_OUT_OF_MEMORY.
 */
#ifndef DROVER_SCRIPT_READER_FORMS_H
#define DROVER_SCRIPT_READER_FORMS_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "script/reader/read.h"
#include "script/reader/tokens.h"

enum main_how {
    MAIN_NONE,
    MAIN_DEFAULT, /* export default … */
    MAIN_LISTED,  /* export { name as default } */
    MAIN_MODULE,  /* module.exports = … */
    MAIN_MEMBER,  /* module.exports = {…, default: …} */
    MAIN_EXPORTS, /* exports.default = …, module.exports.default = … */
};

struct forms {
    enum script_form form;
    enum main_how how;
    uint32_t main_at; /* MAIN_DEFAULT: what stands after `default`. MAIN_LISTED: the name. */
    /* The "{" of the literal; of a flow, of its object. TOKEN_NOWHERE: none stands in the file. */
    uint32_t meta_value;
};

MUST_CHECK struct err forms_find(const struct tokens *tokens, enum script_kind kind,
                                 struct forms *ret_forms, struct script_fault *ret_fault);
/* The value of `function NAME` or `const NAME = …` at top level; TOKEN_NOWHERE: there is none. */
uint32_t forms_declared(const struct tokens *tokens, struct bytes name);
/* After the literal of `meta` its statement must end, or it was no literal. */
MUST_CHECK struct err forms_check_end(const struct tokens *tokens, const struct forms *forms,
                                      uint32_t behind, struct script_fault *ret_fault);
/* `first`: what a main function gets before the args; NULL: nothing. */
MUST_CHECK struct err forms_write(const struct tokens *tokens, const struct forms *forms,
                                  const char *first, struct text *text);

#endif
