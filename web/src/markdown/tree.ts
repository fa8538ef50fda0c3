/** What the worker makes of Markdown: a plain tree, which the page turns into elements. It holds
 *  no HTML, and no address that was judged: the page does that (links.ts). */
export type Inline =
  | string
  | { kind: "em" | "strong" | "del"; of: Inline[] }
  | { kind: "code"; text: string }
  | { kind: "br" }
  /** `raw` is shown where the address is refused. */
  | { kind: "link" | "image"; href: string; raw: string; of: Inline[] };

/** Part of a code block, and what it is in its language: `keyword`, `string`, … */
export type Run = [kind: string, text: string];
export type Align = "left" | "center" | "right" | null;

export type Block =
  | { kind: "p" | "text"; of: Inline[] }
  | { kind: "heading"; level: number; of: Inline[] }
  | { kind: "quote"; of: Block[] }
  | { kind: "list"; start: number | null; items: Block[][] }
  | { kind: "code"; language: string; text: string; runs: Run[] | null }
  /** The first row is the head. */
  | { kind: "table"; align: Align[]; rows: Inline[][][] }
  | { kind: "rule" };

/** What may be drawn: characters and nodes. */
export interface Room {
  chars: number;
  nodes: number;
}

export interface Job {
  text: string;
  /** The text ends here; else its last block may still grow. */
  whole: boolean;
  room: Room;
}

export interface Answer {
  blocks: Block[];
  /** Number of blocks that what follows cannot change, the length of the text that they were made
   *  of, and the room that they take. */
  finished: number;
  length: number;
  spent: Room;
  /** There was no room for all of it. */
  cut: boolean;
}
