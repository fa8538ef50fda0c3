/* parts.ts: the world around a client. All of it is given from outside, so the same client runs in
 * a page, in a worker, in Node, and in tests whose clock stands still. */

/** The standard WebSocket, as far as it is used. */
export interface Socket {
  send(text: string): void;
  close(): void;
  addEventListener(type: string, call: (event: object) => void): void;
}

export interface Parts {
  WebSocket: new (url: string) => Socket;
  /** Milliseconds since 1970, as Date.now. */
  now(): number;
  /** A number in [0, 1), as Math.random: the jitter of retries. */
  random(): number;
  /** Longest pause between two tries to connect. Default: 30 s. */
  retry_max_ms?: number;
  /** Calls once, after `ms`. The result cancels that, also afterwards. */
  after(ms: number, call: () => void): () => void;
  /** Calls once, with the next picture: requestAnimationFrame, or a timer of about 16 ms. */
  frame(call: () => void): void;
}
