/** What is read for the frame alone waits until the view has asked for what it shows: a browser has
 *  six connections to a daemon, and the view is what somebody came for. */
let isShown = false;
const waiting: (() => void)[] = [];

/** At once, where a view has been shown. */
export function afterFirst(call: () => void): void {
  if (isShown) call();
  else waiting.push(call);
}

/** The view stands, and its reads are under way. */
export function firstShown(): void {
  isShown = true;
  waiting.splice(0).forEach((call) => call());
}

/** When nothing else is to be done, at the latest after `timeout` ms. Not every browser tells. */
export function whenIdle(call: () => void, timeout: number): void {
  if (typeof requestIdleCallback === "function") requestIdleCallback(call, { timeout });
  else setTimeout(call, 50);
}
