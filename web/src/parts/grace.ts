/** How long a question has stood before a press counts as its answer: a second press that comes
 *  sooner was meant for what stood there before. */
export const GRACE_MS = 400;
