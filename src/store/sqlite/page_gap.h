/* page_gap.h: bytes of a page of a table or an index that belong to no row, cleared.
 *
 * Why        SQLite's secure_delete writes zeros over rows that are deleted. But rows that only
 *            move to another page when a page is rebuilt leave their bytes in the gap between the
 *            list of rows and the rows, where a later delete does not find them.
 * Format     SQLite's: byte 0 is the kind (2, 5: twelve bytes of header; 10, 13: eight), 3 and 4
 *            the number of rows, 5 and 6 where the first one begins, all big endian; two bytes for
 *            each row follow. On page 1 all of it stands behind the 100 bytes of the file's header.
 * Limits     a page that holds a part of a long row begins with the number of the next page, which
 *            looks like the kind 2 from page 33,554,432 on: the pages of a file that is half as
 *            large stay as they are. So do those of a file with auto_vacuum, which has pages of
 *            another kind; drover makes none.
 */
#ifndef DROVER_STORE_SQLITE_PAGE_GAP_H
#define DROVER_STORE_SQLITE_PAGE_GAP_H

#include "base/base.h"

enum { PAGE_GAP_PAGES_MAX = 1 << 24 };

/* `usable`: bytes of the page without those that are reserved at its end. A page that is not of a
 * table or an index, or whose header cannot be right, stays as it is. */
void page_gap_clear(uint8_t *page, uint32_t number, size_t usable);
/* Whether the header of the file, its first 100 bytes, says that there is no other kind of page. */
MUST_CHECK bool page_gap_possible(const uint8_t *header);

#endif
