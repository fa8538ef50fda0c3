export { open } from "./client.ts";
export type { Client, Options, Report, Wish } from "./client.ts";
export type { StreamPhase, StreamState } from "./cursor.ts";
export type { Log, LogPiece, LogState, LogWish } from "./log.ts";
export type { LinkState, Phase } from "./link.ts";
export type { Parts, Socket } from "./parts.ts";
export type { LogEnd, LogStream, Notice, Problem, StreamEvent } from "./wire.ts";
