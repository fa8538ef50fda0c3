/* scope.h: rights of a token (rules/token/token.h has their names, in this order). The local
 * user has them all. */
#ifndef DROVER_BASE_SCOPE_H
#define DROVER_BASE_SCOPE_H

enum scope { SCOPE_READ = 1, SCOPE_RUN = 2, SCOPE_APPROVE = 4, SCOPE_ADMIN = 8, SCOPE_ALL = 15 };

#endif
