/** Reads of one thing that are under way at the same time: their answers may arrive in another
 *  order. An answer counts unless that of a later read has come before it. Pure. */

/** For each read, when it begins; what it returns says of its answer whether that counts. */
export function latest(): () => () => boolean {
  let begun = 0, taken = 0;
  return () => {
    const mine = ++begun;
    return () => {
      if (mine < taken) return false;
      taken = mine;
      return true;
    };
  };
}
