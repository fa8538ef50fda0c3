/* page.h: the bytes of one page of a database file: its checksum, and its gap.
 *
 * Checksum   The last 8 bytes of a page of 4,096 are reserved (byte 20 of the file's header is 8)
 *            and hold a checksum of the 4,088 before them and of the page's number, little endian.
 *
 * Gap        bytes of a page of a table or an index that belong to no row.
 * Why        SQLite's secure_delete writes zeros over rows that are deleted. But rows that only
 *            move to another page when a page is rebuilt leave their bytes in the gap between the
 *            list of rows and the rows, where a later delete does not find them.
 * Format     SQLite's: byte 0 is the kind (2, 5: twelve bytes of header; 10, 13: eight), 3 and 4
 *            the number of rows, 5 and 6 where the first one begins, all big endian; two bytes for
 *            each row follow. On page 1 all of it stands after the 100 bytes of the file's header.
 * Limits     a page that holds a part of a long row begins with the number of the next page, which
 *            looks like the kind 2 from page 33,554,432 on: the pages of a file that is half as
 *            large stay as they are. So do those of a file with auto_vacuum, which has pages of
 *            another kind; drover makes none.
 * Threads    any.
 */
#ifndef DROVER_STORE_SQLITE_PAGE_H
#define DROVER_STORE_SQLITE_PAGE_H

#include <sys/types.h>

#include "base/base.h"
#include "base/err.h"

enum {
    PAGE_BYTES = 4096,
    PAGE_SUM_BYTES = 8,
    PAGE_SUMMED_BYTES = PAGE_BYTES - PAGE_SUM_BYTES,
    PAGE_HEADER_BYTES = 100, /* Header of the file, at the beginning of page 1. */
    PAGE_GAP_PAGES_MAX = 1 << 24,
};

uint64_t page_sum(const uint8_t *page, uint32_t number);     /* Without its last bytes. */
uint64_t page_sum_all(const uint8_t *page, uint32_t number); /* With them. */
bool page_sum_fits(const uint8_t *page, uint32_t number);
void page_sum_put(uint8_t *page, uint32_t number); /* Into its last bytes. */

/* Whether the file's header says that pages have checksums; makes it say so. */
bool page_header_has_sums(const uint8_t *header);
void page_header_set_sums(uint8_t *header);
/* The same for all of page 1, also where the byte of its header that says so is damaged. */
bool page_first_has_sums(const uint8_t *page);

/* `usable`: bytes of the page without those that are reserved at its end. A page that is not of a
 * table or an index, or whose header cannot be right, stays as it is. */
void page_gap_clear(uint8_t *page, uint32_t number, size_t usable);
/* Whether the file's header says that there is no other kind of page. */
MUST_CHECK bool page_gap_possible(const uint8_t *header);

uint32_t page_big_at(const uint8_t *bytes); /* Four bytes, big endian. */
/* Reads a file without SQLite. *ret_len is less than `size` only where the file ends. */
MUST_CHECK struct err page_read_at(int fd, uint8_t *bytes, size_t size, off_t at, size_t *ret_len);

#endif
