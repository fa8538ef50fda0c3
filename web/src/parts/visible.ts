/** Text from outside, with what is invisible in it made visible: characters that turn the direction
 *  of the text around them, control characters, such as those that begin the escapes of a terminal,
 *  and the tags that spell a second, hidden text. Whatever shows outside text passes it through
 *  this. Line feeds and tabs stay. */
const TURNS = "\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069";
const CONTROLS = "\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f";
const HIDDEN = new RegExp(`\\r\\n|[${CONTROLS}${TURNS}\\u{e0000}-\\u{e007f}]`, "gu");

const ASCII = ("NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI " +
  "DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US").split(" ");
const NAMES: Record<number, string> = {
  0x7f: "DEL", 0x9b: "CSI", 0x061c: "ALM", 0x200e: "LRM", 0x200f: "RLM", 0x2028: "LS", 0x2029: "PS",
  0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO", 0x2066: "LRI",
  0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI",
};

function markOf(found: string): string {
  if (found === "\r\n") return "\n";
  const code = found.codePointAt(0) ?? 0;
  const number = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  return `⟦${ASCII[code] ?? NAMES[code] ?? number}⟧`;
}

export const visible = (text: string): string => text.replace(HIDDEN, markOf);

/** The beginning of a text, of at most `max` units; no character is cut in two. */
export function beginning(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? max - 1 : max);
}
