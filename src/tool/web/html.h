/* html.h: what a person would read of a page, as text.
 *
 * Headings get their '#', items their '-', links their address in parentheses; scripts, styles and
 * what is not shown fall away; <pre> keeps its lines.
 *
 * Promise    linear in the page, whatever it is; no page is refused. The answer is UTF-8 if the
 *            page is.
 * Threads    any.
 */
#ifndef DROVER_TOOL_WEB_HTML_H
#define DROVER_TOOL_WEB_HTML_H

#include "base/base.h"
#include "base/text.h"

void html_to_text(struct bytes html, struct text *text);

#endif
